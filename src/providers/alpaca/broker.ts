import { type Clock, systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import { isUnseen } from '../../base/network.ts'
import { type OpenSocket, openWebSocket } from '../../base/socket.ts'
import type { Order } from '../../bot/orders.ts'
import type { TradingApi, TradingListener } from '../../bot/trading.ts'
import { openTradingSocket, type TradingLine } from '../../bot/trading-socket.ts'
import {
  decodeAccount,
  decodeOrder,
  decodePosition,
  isOfOneSymbol,
  orderOf,
  submittedAt,
} from './broker-decode.ts'
import { KEYS_PAGE } from './verdict.ts'

export interface AlpacaBrokerOptions {
  readonly key: string
  readonly secret: string
  /** Whether orders move money. @default false: Alpaca's paper account */
  readonly live?: boolean
  /** Where it is asked, without `/v2`. @default https://paper-api.alpaca.markets, or with `live` https://api.alpaca.markets */
  readonly url?: string
  readonly httpGet?: HttpGet
  readonly openSocket?: OpenSocket
  readonly clock?: Clock
  /** Longest wait for an answer, ms. @default 15000 */
  readonly timeoutMs?: number
}

const PAPER = 'https://paper-api.alpaca.markets'
const LIVE = 'https://api.alpaca.markets'
/** Requests a minute of every account; answers say what it really has. https://docs.alpaca.markets/docs/trading-api */
const PER_MINUTE = 200
const PAGE = 500
const MACHINE = systemClock()

/** Answers after which an order certainly is not in the market. */
const SURE: readonly string[] = [
  'AUTH_FAILED',
  'NOT_ENTITLED',
  'NOT_FOUND',
  'RATE_LIMITED',
  'BAD_REQUEST',
]

/**
 * The trading API of Alpaca: orders by REST, what becomes of them by the stream `trade_updates`. The paper account, unless
 * `live` says otherwise; a key of the other kind is refused before anything is sent.
 * @throws MISSING_KEY, BAD_KEY, BAD_OPTION
 */
export function alpacaBroker(options: AlpacaBrokerOptions): TradingApi {
  const { key, secret, live = false, httpGet = openHttp(), clock = MACHINE } = options
  const base = baseOf(options.url ?? (live ? LIVE : PAPER))
  checkKeys(key, secret, live, base)
  const http = new HttpClient({
    ...{ get: httpGet, clock, random: Math.random },
    quota: sharedQuota(clock, `${base} ${key}`, PER_MINUTE),
    headers: { 'APCA-API-KEY-ID': key, 'APCA-API-SECRET-KEY': secret },
    explain,
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  })
  const one =
    <T>(decode: (value: unknown) => T) =>
    (body: Uint8Array) =>
      decode(json(body))
  const many = (body: Uint8Array) => json(body) as unknown[]

  return {
    name: 'alpaca',
    kind: live ? 'live' : 'paper',
    // Of coins that were bought up to 0.25 % is kept. https://docs.alpaca.markets/docs/crypto-fees
    feeInAsset: symbol => (symbol.includes('/') ? 0.0025 : 0),
    account: () => http.get(`${base}/v2/account`, one(decodeAccount)),
    submit: async order => {
      try {
        return await http.send('POST', `${base}/v2/orders`, requestOf(order), one(decodeOrder))
      } catch (thrown) {
        const error = thrown as TickwireError
        // Then it is there already: whoever asks for it will find it.
        const isThere = /client_order_id must be unique/.test(error.message)
        if (isThere || !(SURE.includes(error.code) || isUnseen(error))) throw error
        throw new TickwireError('ORDER_REJECTED', error.message, { hint: error.hint, cause: error })
      }
    },
    cancel: async id => {
      try {
        await http.send(
          'DELETE',
          `${base}/v2/orders/${encodeURIComponent(id)}`,
          undefined,
          () => {},
        )
      } catch (thrown) {
        // 422: over already, or on its way to be. https://docs.alpaca.markets/reference/deleteorderbyorderid
        const { code, message } = thrown as TickwireError
        if (!(code === 'BAD_REQUEST' && message.includes('HTTP 422'))) throw thrown
      }
    },
    find: async clientId => {
      const query = `client_order_id=${encodeURIComponent(clientId)}`
      try {
        return await http.get(`${base}/v2/orders:by_client_order_id?${query}`, one(decodeOrder))
      } catch (thrown) {
        if ((thrown as TickwireError).code === 'NOT_FOUND') return undefined
        throw thrown
      }
    },
    openOrders: () =>
      http.get(`${base}/v2/orders?status=open&limit=${PAGE}`, body =>
        many(body).filter(isOfOneSymbol).map(decodeOrder),
      ),
    ordersSince: async time => {
      const found = new Map<string, ReturnType<typeof decodeOrder>>()
      for (let after = new Date(time).toISOString(); ; ) {
        const query = `status=all&direction=asc&limit=${PAGE}&after=${after}`
        const rows = await http.get(`${base}/v2/orders?${query}`, body =>
          many(body).filter(isOfOneSymbol),
        )
        const before = found.size
        for (const row of rows) {
          const order = decodeOrder(row)
          found.set(order.id, order)
        }
        const last = rows.length > 0 ? submittedAt(rows.at(-1)) : undefined
        if (rows.length < PAGE || found.size === before || last === undefined)
          return [...found.values()]
        // Those of the same millisecond may stand on both sides of a page.
        after = new Date(Date.parse(last) - 1).toISOString()
      }
    },
    positions: () => http.get(`${base}/v2/positions`, body => many(body).map(decodePosition)),
    listen: listener =>
      openTradingSocket(
        {
          url: `${base.replace(/^http/, 'ws')}/stream`,
          ...{ clock, openSocket: options.openSocket ?? openWebSocket },
          greeting: { action: 'authenticate', data: { key_id: key, secret_key: secret } },
          hear: (message, line) => hear(message, listener, line),
        },
        listener,
      ),
  }
}

const json = (body: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(body))

/** https://docs.alpaca.markets/reference/postorder */
function requestOf(order: Order) {
  const { id, symbol, side, quantity, type, limitPrice, stopPrice, timeInForce } = order
  // A market that never closes has no end of a day.
  const lasts = symbol.includes('/') && timeInForce === 'day' ? 'gtc' : timeInForce
  return {
    ...{ client_order_id: id, symbol, side, qty: plain(quantity), time_in_force: lasts },
    type: type.replace('-', '_'),
    ...(limitPrice !== undefined && { limit_price: plain(limitPrice) }),
    ...(stopPrice !== undefined && { stop_price: plain(stopPrice) }),
  }
}

/** Digits without an exponent. */
const plain = (value: number): string =>
  /e/.test(String(value)) ? value.toFixed(9).replace(/\.?0+$/, '') : String(value)

/** https://docs.alpaca.markets/docs/websocket-streaming: frames are JSON, as text or as bytes. */
function hear(message: unknown, listener: TradingListener, line: TradingLine): void {
  const { stream, data } = message as { stream?: unknown; data?: { [key: string]: unknown } }
  if (stream === 'authorization') {
    if (data?.status === 'authorized') {
      line.send(LISTEN)
      return
    }
    const words = typeof data?.message === 'string' ? `: ${data.message}` : ''
    const why = `the stream of orders refused the key${words}`
    line.end(new TickwireError('AUTH_FAILED', why, { hint: KEY_HINT }))
  } else if (stream === 'listening') {
    if ((data?.streams as unknown[] | undefined)?.includes('trade_updates')) line.begin()
    else line.end(new TickwireError('NOT_ENTITLED', 'the account has no stream of orders'))
  } else if (stream === 'trade_updates') {
    const order = orderOf(data)
    if (isOfOneSymbol(order)) listener.order(decodeOrder(order))
  }
}

const LISTEN = { action: 'listen', data: { streams: ['trade_updates'] } }

const KEY_HINT = `Check the key and secret; they are made at ${KEYS_PAGE}, those of paper and of live accounts apart.`

function explain({ status, message }: HttpRefusal) {
  if (status === 401) return { code: 'AUTH_FAILED' as const, hint: KEY_HINT }
  // 403 is also what an order is refused with that the account lacks the money or the shares for.
  if (status === 403 && /forbidden|unauthorized|not authorized/i.test(message)) {
    return { code: 'AUTH_FAILED' as const, hint: KEY_HINT }
  }
  return status === 403 ? { code: 'BAD_REQUEST' as const } : undefined
}

function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url &&
    /^https?:$/.test(url.protocol) &&
    url.search === '' &&
    url.hash === '' &&
    !url.username
  ) {
    return (url.origin + url.pathname).replace(/\/+$/, '').replace(/\/v2$/, '')
  }
  throw new TickwireError('BAD_OPTION', `the address of the broker is none: ${text}`, {
    hint: `It begins with https://, like ${PAPER}.`,
  })
}

/** Keys of paper accounts begin with PK, those of live ones with AK. */
function checkKeys(key: string, secret: string, live: boolean, base: string): void {
  if (key === '' || secret === '') {
    throw new TickwireError('MISSING_KEY', "Alpaca's broker needs a key and a secret", {
      hint: `They are made at ${KEYS_PAGE}: APCA_API_KEY_ID and APCA_API_SECRET_KEY.`,
    })
  }
  const wrong = live && base === PAPER ? LIVE : !live && base === LIVE ? PAPER : undefined
  if (wrong !== undefined) {
    const [is, was] = live ? ['live', 'paper'] : ['paper', 'live']
    throw new TickwireError(
      'BAD_OPTION',
      `${base} is the address of ${was} accounts, and ${is} trading was asked for`,
      {
        hint: live
          ? `Leave the address out, or give ${wrong}.`
          : 'Leave the address out, or ask for live trading.',
      },
    )
  }
  if (base !== PAPER && base !== LIVE) return
  const kind = key.startsWith('PK') ? 'paper' : key.startsWith('AK') ? 'live' : undefined
  if (kind === undefined || (kind === 'live') === live) return
  throw new TickwireError(
    'BAD_KEY',
    `the key is one of a ${kind} account, and ${live ? 'live' : 'paper'} trading was asked for`,
    {
      hint: KEY_HINT,
    },
  )
}
