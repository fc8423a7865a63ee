import type { Clock, Timer } from '../../base/clock.ts'
import type {
  Protocol,
  ProtocolPeer,
  ProtocolSession,
  UpgradeRequest,
} from '../../flow/contracts.ts'
import type { Bar, EventType, Level, MarketEvent, Quote, Trade } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { type AllTickMarket, type AllTickPlan, MARKETS, PLANS } from './plans.ts'
import { COMMANDS } from './replies.ts'
import { codeOf, symbolOf } from './symbols.ts'

/** A test's hand in what a session does. */
export interface AllTickScript {
  /** Hears what the session says beside data. */
  said?(session: AllTickSession, message: string): void
  /** The next request gets no answer, or this `ret`. */
  request?(session: AllTickSession): 'silence' | number | undefined
}

export interface AllTickServerOptions {
  readonly clock: Clock
  /** @default 'stocks' */
  readonly market?: AllTickMarket
  /** @default 'free' */
  readonly plan?: AllTickPlan
  /** Tokens that are good. @default any */
  readonly tokens?: readonly string[] | undefined
  /** Codes there are. @default any that look like one */
  readonly codes?: readonly string[] | undefined
  /** Codes the plan does not include. */
  readonly unauthorized?: readonly string[] | undefined
  /** Whether `seq` and `tick_time` are text, as they were until 2026-06-23. @default false */
  readonly texts?: boolean | undefined
  /** Whether `tick_time` is in seconds. @default false */
  readonly seconds?: boolean | undefined
  /** Whether levels have volumes. @default true */
  readonly volumes?: boolean | undefined
  readonly script?: AllTickScript | undefined
}

interface Context extends AllTickServerOptions {
  readonly market: AllTickMarket
  readonly plan: AllTickPlan
  gone(session: AllTickSession): void
  /** Whether this request comes too soon behind another one of the token. */
  hurried(session: AllTickSession): boolean
  number(): number
}

/** AllTick, the venue's side. */
export interface AllTickServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): AllTickSession | { readonly status: number }
  readonly sessions: readonly AllTickSession[]
  deliver(batch: readonly MarketEvent[]): void
  /** Answers a question to REST. */
  answer(question: { readonly method: string; readonly url: string }): Answer
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type List = 'trade' | 'book'

/** Who says nothing for so long is let go, ms. */
const SILENCE_MS = 30_000
const [REQUESTS_MS, CONNECTIONS_MS] = [1_000, 3_000]

/**
 * The server side of AllTick's stream and REST: the token in the address, numbered requests, lists that replace each other
 * and are cut to the plan without a word, heartbeats.
 * https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api
 */
export function allTickServer(options: AllTickServerOptions): AllTickServer {
  const { clock, market = 'stocks', plan = 'free', tokens } = options
  const sessions = new Set<AllTickSession>()
  const record = new Map<string, MarketEvent>()
  const bars = new Map<string, Bar[]>()
  let last = { at: Number.NEGATIVE_INFINITY, session: undefined as AllTickSession | undefined }
  let numbers = 1_605_509_068_000_000
  const context: Context = {
    ...{ ...options, market, plan },
    gone: session => void sessions.delete(session),
    hurried: session => {
      const now = clock.now()
      // Another connection's first request has to keep a greater distance.
      const least = session === last.session || !session.isNew ? REQUESTS_MS : CONNECTIONS_MS
      const isTooSoon = now - last.at < least
      last = { at: now, session }
      return isTooSoon
    },
    number: () => ++numbers,
  }
  const isGood = (token: string | null) => token !== null && (tokens?.includes(token) ?? true)
  return {
    id: 'alltick',
    get sessions() {
      return [...sessions]
    },
    accept({ path }, peer) {
      const url = new URL(path, 'ws://venue')
      if (url.pathname !== MARKETS[market].stream) return { status: 404 }
      if (!isGood(url.searchParams.get('token'))) return { status: 401 }
      if (sessions.size >= PLANS[plan].connections) return { status: 429 }
      const session = new AllTickSession(peer, context)
      sessions.add(session)
      return session
    },
    deliver(batch) {
      for (const event of batch) {
        const { symbol, type } = event
        if (symbol === undefined) continue
        if (event.type === 'bar') {
          const key = `${event.interval} ${symbol}`
          bars.set(key, [...(bars.get(key) ?? []), event])
        } else record.set(`${type} ${symbol}`, event)
        for (const session of [...sessions]) session.deliver([event])
      }
    },
    answer({ url: asked }) {
      const url = new URL(asked, 'http://venue')
      const reply = (ret: number, msg: string, data: object = {}): Answer => ({
        ...{ status: 200, headers: { 'content-type': 'application/json' } },
        body: JSON.stringify({ ret, msg, trace: 'x', data }),
      })
      if (!isGood(url.searchParams.get('token'))) return reply(401, 'token invalid')
      let data: { symbol_list?: { code: string }[]; code?: string; [name: string]: unknown }
      try {
        data = JSON.parse(url.searchParams.get('query') ?? '').data
      } catch {
        return reply(402, 'query invalid')
      }
      const names = data.symbol_list?.map(({ code }) => code) ?? [data.code ?? '']
      const symbols = names.map(code => knownSymbol(context, code))
      if (symbols.includes(undefined)) return reply(600, 'code invalid')
      const call = url.pathname.split('/').at(-1)
      if (call === 'kline') return reply(200, 'ok', klines(bars, symbols[0]!, data, clock.now()))
      const kind = call === 'trade-tick' ? 'trade' : 'book'
      const list = symbols.flatMap(symbol => {
        const event = record.get(`${kind} ${symbol}`)
        return event ? payloadOf(event, { ...context, texts: true }) : []
      })
      return reply(200, 'ok', { tick_list: list })
    },
  }
}

/** One client of the venue. */
export class AllTickSession implements ProtocolSession {
  readonly #peer: ProtocolPeer
  readonly #context: Context
  readonly #lists: Record<List, readonly string[]> = { trade: [], book: [] }
  #silence: Timer | undefined
  #over = false
  /** Nothing has been asked on it yet. */
  isNew = true

  constructor(peer: ProtocolPeer, context: Context) {
    this.#peer = peer
    this.#context = context
    this.#stir()
  }

  /** Symbols by list. */
  get lists(): Readonly<Record<List, readonly string[]>> {
    return { ...this.#lists }
  }

  get topics(): readonly Topic[] {
    const of = (kind: EventType, list: List) =>
      this.#lists[list].map(symbol => ({ source: 'alltick', kind, symbol }))
    return [...of('trade', 'trade'), ...of('book', 'book')]
  }

  receive(data: Uint8Array): void {
    if (this.#over) return
    let asked: { cmd_id?: unknown; seq_id?: unknown; trace?: unknown; data?: unknown }
    try {
      asked = JSON.parse(Buffer.from(data).toString()) ?? {}
    } catch {
      asked = {}
    }
    const { cmd_id, seq_id, trace } = asked
    if (typeof cmd_id !== 'number' || typeof seq_id !== 'number' || typeof trace !== 'string') {
      this.#say({ ret: 400, msg: 'request header param invalid', cmd_id: 0, seq_id: 0, trace: '' })
      return
    }
    const answer = (ret: number, msg: string) =>
      this.#say({ ret, msg, cmd_id: cmd_id + 1, seq_id, trace, data: {} })
    if (cmd_id === COMMANDS.heartbeat) {
      this.#stir()
      answer(200, 'ok')
      return
    }
    const hurried = this.#context.hurried(this)
    this.isNew = false
    if (hurried) {
      answer(606, 'too many requests and connection will be closed')
      this.#peer.close(1_000, '')
      return
    }
    const scripted = this.#context.script?.request?.(this)
    if (scripted === 'silence') return
    if (scripted !== undefined) {
      answer(scripted, 'scripted')
      return
    }
    const { symbol_list: list, cancel_type } = (asked.data ?? {}) as {
      symbol_list?: { code: string }[]
      cancel_type?: number
    }
    if (cmd_id === COMMANDS.cancel) {
      if (cancel_type !== 2) this.#lists.book = []
      if (cancel_type !== 1) this.#lists.trade = []
      answer(200, 'ok')
      return
    }
    const name = cmd_id === COMMANDS.trade ? 'trade' : cmd_id === COMMANDS.book ? 'book' : undefined
    if (!name || !Array.isArray(list)) {
      answer(400, 'request data param invalid')
      return
    }
    const symbols = list.map(({ code }) => knownSymbol(this.#context, code))
    if (symbols.includes(undefined)) {
      // What becomes of the rest is not documented: here all is lost.
      this.#lists[name] = []
      answer(600, 'code invalid')
    } else if (list.some(({ code }) => this.#context.unauthorized?.includes(code))) {
      answer(604, 'code unauthorized')
    } else {
      this.#lists[name] = (symbols as string[]).slice(0, PLANS[this.#context.plan].codes)
      answer(200, 'ok')
    }
  }

  deliver(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      const list = event.type === 'trade' ? 'trade' : 'book'
      if (event.symbol === undefined || !this.#lists[list].includes(event.symbol)) continue
      const data = payloadOf(event, this.#context)
      if (data && !this.#over) {
        this.#peer.send(JSON.stringify({ cmd_id: list === 'trade' ? 22_998 : 22_999, data }))
      }
    }
  }

  closed(): void {
    if (this.#over) return
    this.#over = true
    this.#silence?.cancel()
    this.#context.gone(this)
  }

  #say(answer: object): void {
    const text = JSON.stringify(answer)
    this.#context.script?.said?.(this, text)
    this.#peer.send(text)
  }

  #stir(): void {
    this.#silence?.cancel()
    this.#silence = this.#context.clock.setTimeout(() => this.#peer.cut(), SILENCE_MS, 'idle')
  }
}

/** The symbol of a code the venue has. */
function knownSymbol({ market, codes }: Context, code: unknown): string | undefined {
  const symbol = symbolOf(code, market)
  return symbol === undefined || (codes && !codes.includes(String(code))) ? undefined : symbol
}

/** What a push of an event holds; `undefined` for what the venue has no push of. */
function payloadOf(event: MarketEvent, context: Context): object | undefined {
  const { texts, seconds, volumes = true } = context
  if (event.type !== 'trade' && event.type !== 'book' && event.type !== 'quote') return undefined
  const as = (value: number) => (texts ? String(value) : value)
  const time = seconds ? Math.floor(event.timestamp / 1_000) : event.timestamp
  const head = { code: codeOf(event.symbol), seq: as(context.number()), tick_time: as(time) }
  if (event.type === 'trade') return { ...head, ...tradeOf(event) }
  const [bids, asks] = event.type === 'book' ? [event.bids, event.asks] : sidesOf(event)
  const side = (levels: readonly Level[]) =>
    levels.map(([price, size]) => ({
      price: String(price),
      ...(volumes && { volume: String(size) }),
    }))
  return { ...head, bids: side(bids), asks: side(asks) }
}

function tradeOf({ price, size, side }: Trade): object {
  const turnover = (price * size).toFixed(6)
  const trade_direction = side === 'buy' ? 1 : side === 'sell' ? 2 : 0
  return { price: price.toFixed(6), volume: String(size), turnover, trade_direction }
}

function sidesOf({ bid, bidSize = 0, ask, askSize = 0 }: Quote): [Level[], Level[]] {
  return [bid === undefined ? [] : [[bid, bidSize]], ask === undefined ? [] : [[ask, askSize]]]
}

const LENGTHS = ['1m', '5m', '15m', '30m', '1h', '2h', '4h', '1d', '1w']

function klines(
  bars: ReadonlyMap<string, readonly Bar[]>,
  symbol: string,
  asked: { readonly [name: string]: unknown },
  now: number,
): object {
  const { kline_type, kline_timestamp_end: end, query_kline_num: count } = asked
  const all = bars.get(`${LENGTHS[Number(kline_type) - 1]} ${symbol}`) ?? []
  const until = Number(end) > 0 ? Number(end) * 1_000 : now
  const list = all.filter(bar => bar.timestamp <= until).slice(-Math.min(500, Number(count)))
  return {
    ...{ code: asked.code, kline_type },
    kline_list: list.map(bar => ({
      timestamp: String(bar.timestamp / 1_000),
      open_price: String(bar.open),
      close_price: String(bar.close),
      high_price: String(bar.high),
      low_price: String(bar.low),
      ...{ volume: String(bar.volume), turnover: '0' },
    })),
  }
}
