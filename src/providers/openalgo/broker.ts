import { type Clock, systemClock } from '../../base/clock.ts'
import { asError, type ErrorCode, TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import { isUnseen } from '../../base/network.ts'
import { type OpenSocket, openWebSocket } from '../../base/socket.ts'
import type { Order } from '../../bot/orders.ts'
import type { BrokerOrder, TradingApi } from '../../bot/trading.ts'
import { openTradingSocket } from '../../bot/trading-socket.ts'
import {
  decodeFunds,
  decodeOrders,
  decodeOwner,
  decodePosition,
  decodeUpdate,
} from './broker-decode.ts'
import { OPENALGO_URL, restBase } from './index.ts'
import { asMap } from './plain.ts'
import { isLoggedOut, LOGIN_HINT } from './replies.ts'
import { isExchange, venueName } from './symbols.ts'

export const OPENALGO_PRODUCTS = ['MIS', 'NRML', 'CNC'] as const
/** `MIS` closed by the broker the same day · `NRML` derivatives that are kept · `CNC` shares that are delivered. */
export type OpenAlgoProduct = (typeof OPENALGO_PRODUCTS)[number]

export interface OpenAlgoBrokerOptions {
  readonly apiKey: string
  /** Whether orders move money. @default false: OpenAlgo has to be in its analyzer mode */
  readonly live?: boolean
  /** Address of its WebSocket. @default 'ws://127.0.0.1:8765' */
  readonly url?: string
  /** Address of its REST side. @default beside `url`, as `openalgo()` has it */
  readonly restUrl?: string
  /** @default 'MIS' */
  readonly product?: OpenAlgoProduct
  readonly httpGet?: HttpGet
  readonly openSocket?: OpenSocket
  readonly clock?: Clock
  /** Longest wait for an answer, ms. @default 15000 */
  readonly timeoutMs?: number
}

/** The server takes 10 orders a second, and 50 questions. */
const PER_MINUTE = 600
/** India has no summer time. */
const INDIA_MS = 19_800_000
const DAY_MS = 86_400_000
const MACHINE = systemClock()

/** Answers after which an order certainly is not in the market: of 5xx nobody knows how far the broker had come. */
const SURE: readonly string[] = [
  ...['AUTH_FAILED', 'NOT_ENTITLED', 'NOT_FOUND', 'RATE_LIMITED', 'BAD_REQUEST'],
]

/**
 * Orders of a broker in India through OpenAlgo: by REST, what becomes of them by its WebSocket. It keeps no id of ours: an order
 * whose answer was lost is told by symbol, side and quantity. The analyzer's paper account, unless `live`
 * says otherwise: in the other mode nothing is sent.
 * @throws MISSING_KEY, BAD_OPTION
 */
export function openAlgoBroker(options: OpenAlgoBrokerOptions): TradingApi {
  const { apiKey, live = false, product = 'MIS', httpGet = openHttp(), clock = MACHINE } = options
  if (apiKey === '') {
    throw new TickwireError('MISSING_KEY', 'OpenAlgo needs a key', { hint: KEY_HINT })
  }
  const { url: stream = OPENALGO_URL, restUrl } = options
  const base = restBase({ url: stream, restUrl })
  const mode = live ? 'live' : 'analyze'
  const http = new HttpClient({
    ...{ get: httpGet, clock, random: Math.random, headers: {}, explain },
    quota: sharedQuota(clock, `${base} orders`, PER_MINUTE, 0.02),
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  })
  const url = (call: string) => `${base}/api/v1/${call}`
  const ask = <T>(call: string, read: (data: unknown) => T): Promise<T> =>
    http.post(url(call), { apikey: apiKey }, body => read(answerOf(body).data))
  const send = <T>(call: string, what: object, read: (answer: Answer) => T): Promise<T> =>
    http.send('POST', url(call), { apikey: apiKey, strategy: 'tickwire', ...what }, body =>
      read(answerOf(body)),
    )
  const isOtherMode = () => ask('analyzer', data => asMap(data)?.mode !== mode)
  let owner: string | undefined

  const orders = async (): Promise<BrokerOrder[]> => {
    const rows = await ask('orderbook', data => rowsOf(asMap(data)?.orders))
    // Behind the orders: what a row says is over has all its trades here.
    return ask('tradebook', data => decodeOrders(rows, rowsOf(data), Math.floor(clock.now())))
  }

  return {
    name: 'openalgo',
    kind: live ? 'live' : 'paper',
    account: async () => {
      const funds = await ask('funds', decodeFunds)
      const blocked = (await isOtherMode()) ? modeWords(live) : undefined
      if (owner === undefined)
        throw new TickwireError('VENUE_ERROR', 'its stream has told nothing yet')
      const { cash, equity } = funds
      return { id: owner, currency: 'INR', cash, equity, buyingPower: cash, blocked }
    },
    submit: async order => {
      const request = requestOf(order, product)
      if (await unlessUnsent(isOtherMode())) throw rejected(modeWords(live))
      try {
        return await send('placeorder', request, ({ orderid }) =>
          placed(order, orderid, clock.now()),
        )
      } catch (thrown) {
        const error = thrown as TickwireError
        if (!SURE.includes(error.code) && !isUnseen(error)) throw error
        throw rejected(error.message, error)
      }
    },
    cancel: async id => {
      try {
        await send('cancelorder', { orderid: id }, () => {})
      } catch (thrown) {
        // Over already, in the words of whichever broker it is.
        const { code } = thrown as TickwireError
        if (code !== 'BAD_REQUEST' && code !== 'NOT_FOUND') throw thrown
      }
    },
    openOrders: async () =>
      (await orders()).filter(({ status }) => status === 'open' || status === 'partly-filled'),
    // It tells of those of today, whenever they were made.
    ordersSince: orders,
    forgets: (time, now) => dayOf(time) < dayOf(now),
    positions: async () => {
      const rows = await ask('positionbook', rowsOf)
      const held = await ask('holdings', data =>
        rowsOf(Array.isArray(data) ? data : asMap(data)?.holdings),
      )
      return [...rows, ...held].map(decodePosition)
    },
    listen: listener =>
      openTradingSocket(
        {
          ...{ url: stream, clock, openSocket: options.openSocket ?? openWebSocket },
          greeting: { action: 'authenticate', api_key: apiKey },
          hear(said, line) {
            const message: Answer = asMap(said) ?? {}
            const { type, status } = message
            if (status === 'error') line.end(refusalOf(message))
            else if (type === 'auth') {
              owner = decodeOwner(message)
              line.send({ action: 'subscribe_orders' })
            } else if (type === 'subscribe_orders') line.begin()
            else if (type === 'order_update') {
              const order = decodeUpdate(message, mode, Math.floor(clock.now()))
              if (order) listener.order(order)
            }
          },
        },
        listener,
      ),
  }
}

type Answer = Readonly<Record<string, unknown>>

const dayOf = (time: number) => Math.floor((time + INDIA_MS) / DAY_MS)

const rejected = (message: string, cause?: TickwireError) =>
  new TickwireError('ORDER_REJECTED', message, { hint: cause?.hint, cause })

/** A question before the order: where it has no answer, the order was not sent. */
async function unlessUnsent<T>(question: Promise<T>): Promise<T> {
  try {
    return await question
  } catch (thrown) {
    throw rejected(`it was not sent: ${asError(thrown).message}`, thrown as TickwireError)
  }
}

/** https://docs.openalgo.in/api-documentation/v1/orders-api/placeorder @throws ORDER_REJECTED for what OpenAlgo has no words for */
function requestOf(order: Order, product: OpenAlgoProduct) {
  const { symbol, side, quantity, type, limitPrice = 0, stopPrice = 0, timeInForce } = order
  const name = venueName(symbol)
  if (!isExchange(name.exchange)) {
    throw rejected(
      `OpenAlgo's symbols name their exchange, as NSE:RELIANCE, and ${symbol} does not`,
    )
  }
  if (timeInForce !== 'day') throw rejected(`OpenAlgo has orders for the day, not ${timeInForce}`)
  if (!Number.isInteger(quantity) && name.exchange !== 'CRYPTO') {
    throw rejected(`${name.exchange} trades whole units, not ${quantity}`)
  }
  return {
    ...{ ...name, action: side.toUpperCase(), quantity, product, pricetype: TYPES[type] },
    ...{ price: limitPrice, trigger_price: stopPrice, disclosed_quantity: 0 },
  }
}

const TYPES = { market: 'MARKET', limit: 'LIMIT', stop: 'SL-M', 'stop-limit': 'SL' } as const

/** @throws VENUE_ERROR where it says no id: it may wait for a person's approval */
function placed(order: Order, orderid: unknown, now: number): BrokerOrder {
  if ((typeof orderid !== 'string' && typeof orderid !== 'number') || orderid === '') {
    throw new TickwireError('VENUE_ERROR', 'OpenAlgo took the order and gave it no number', {
      hint: 'In its semi-auto mode orders wait for a person: bots need the auto mode.',
    })
  }
  const { id: clientId, symbol, side, quantity } = order
  const at = Math.floor(now)
  return {
    ...{ id: String(orderid), clientId, symbol, side, quantity, status: 'open', filled: 0 },
    ...{ averagePrice: undefined, ending: undefined, createdAt: at, updatedAt: at },
  }
}

function answerOf(body: Uint8Array): Answer {
  const answer = asMap(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)))
  if (answer?.status === 'success') return answer
  const message = typeof answer?.message === 'string' ? answer.message : 'no success'
  const { code = 'VENUE_ERROR', hint } = explain({ status: 200, message }) ?? {}
  throw new TickwireError(code, `OpenAlgo says: ${message.slice(0, 200)}`, { hint })
}

function rowsOf(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) throw new Error('no rows')
  return value as readonly unknown[]
}

/** 403 is the key; other numbers are the broker's own. */
function explain({ status, message }: HttpRefusal): { code: ErrorCode; hint?: string } | undefined {
  if (/invalid (openalgo )?api ?key/i.test(message)) return { code: 'AUTH_FAILED', hint: KEY_HINT }
  if (isLoggedOut(message)) return { code: 'AUTH_FAILED', hint: LOGIN_HINT }
  // What a broker refuses an order with: the money, the rights, the hour.
  return status === 401 || status === 403 ? { code: 'BAD_REQUEST' } : undefined
}

const modeWords = (live: boolean) =>
  live
    ? 'OpenAlgo is in its analyzer mode, and live trading was asked for'
    : 'OpenAlgo is in its live mode, where orders move money, and live trading was not asked for'

const KEY_HINT = 'Copy the key from the page API Key of your OpenAlgo (OPENALGO_API_KEY).'

function refusalOf({ code, message }: Answer): TickwireError {
  const said = `the stream of orders: ${String(message)}`
  if (code === 'AUTHENTICATION_ERROR')
    return new TickwireError('AUTH_FAILED', said, { hint: KEY_HINT })
  // A broker's login that is over comes back when a person logs in: until then it is tried again.
  return new TickwireError('VENUE_ERROR', said, { hint: LOGIN_HINT })
}
