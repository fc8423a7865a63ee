/**
 * What the REST side of a venue reads and writes: times, limits, records of trades, quotes and bars.
 * https://massive.com/docs/rest
 */
import type { Bar, Quote, Trade } from '../../market/events.ts'
import { timestampNs } from '../../market/time.ts'
import { encodeEvent } from './encode.ts'
import { MARKETS, type Market } from './markets.ts'

/** Records in a page. */
const MOST = 50_000

/** An answer that is none. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/** The market of a ticker, by what stands before its colon. */
export function tickMarket(name: string): Market {
  if (name.startsWith('O:')) return MARKETS.options
  if (name.startsWith('X:')) return MARKETS.crypto
  if (name.startsWith('I:')) return MARKETS.indices
  return name.startsWith('C:') ? MARKETS.forex : MARKETS.stocks
}

const BOUNDS: { readonly [name: string]: (at: bigint, bound: bigint) => boolean } = {
  timestamp: (at, bound) => at === bound,
  'timestamp.gte': (at, bound) => at >= bound,
  'timestamp.gt': (at, bound) => at > bound,
  'timestamp.lte': (at, bound) => at <= bound,
  'timestamp.lt': (at, bound) => at < bound,
}

/** Whether a time, ns, is within `timestamp`, `timestamp.gte` … @throws Refusal */
export function isWithin(at: bigint, query: URLSearchParams): boolean {
  return Object.entries(BOUNDS).every(([name, test]) => {
    const text = query.get(name)
    return text === null || test(at, nanosOf(text))
  })
}

/** Nanoseconds, or a day. @throws Refusal */
export function nanosOf(text: string): bigint {
  if (/^\d{1,19}$/.test(text)) return BigInt(text)
  const day = Date.parse(`${text}T00:00:00Z`)
  if (Number.isNaN(day)) throw new Refusal(400, `invalid timestamp: ${text}`)
  return BigInt(day) * 1_000_000n
}

/** @throws Refusal */
export function limitOf(query: URLSearchParams, usual: number): number {
  const limit = Number(query.get('limit') ?? usual)
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST) return limit
  throw new Refusal(400, `limit must be from 1 to ${MOST}`)
}

/** Names of REST by those of the stream. */
const TICK_KEYS: { readonly [key: string]: string } = {
  ...{ x: 'exchange', i: 'id', z: 'tape', p: 'price', s: 'size', ds: 'decimal_size' },
  ...{ c: 'conditions', q: 'sequence_number', trfi: 'trf_id' },
  ...{ bp: 'bid_price', bs: 'bid_size', bx: 'bid_exchange' },
  ...{ ap: 'ask_price', as: 'ask_size', ax: 'ask_exchange' },
}

/** A trade or quote as a record: what its message says, by other names, with its time to the nanosecond. */
export function tickRecord(event: Trade | Quote, market: Market): object {
  const message = JSON.parse(encodeEvent(event, market)!) as Record<string, unknown>
  const at = `${EXACT}${timestampNs(event)}`
  const time =
    market.name === 'crypto' || market.name === 'forex'
      ? { participant_timestamp: at }
      : { sip_timestamp: at, participant_timestamp: at }
  if (market.name === 'forex') {
    const { b, a, x } = message
    return { bid_price: b, ask_price: a, bid_exchange: x, ask_exchange: x, ...time }
  }
  const record = Object.fromEntries(
    Object.entries(message).flatMap(([key, value]) => {
      const name = TICK_KEYS[key]
      return name && !(event.type === 'quote' && (key === 'c' || key === 'i'))
        ? [[name, value]]
        : []
    }),
  )
  if (event.type === 'trade') return { ...record, ...time }
  const { c, i: indicators } = message
  return {
    ...record,
    ...(c ? { conditions: [c] } : {}),
    ...(indicators ? { indicators } : {}),
    ...time,
  }
}

/** Whole numbers beyond 2^53 are written as texts that are marked, and lose their quotes. */
const EXACT = '\u0001'

/** A body as JSON, with whole numbers of any length. */
export function json(status: number, body: object) {
  const text = JSON.stringify(body).replace(/"\\u0001(\d+)"/g, '$1')
  return { status, headers: { 'content-type': 'application/json' }, body: text }
}

/** A bar as a record. */
export function barRecord(event: Bar): object {
  const {
    volume: v,
    vwap: vw,
    open: o,
    close: c,
    high: h,
    low: l,
    timestamp: t,
    tradeCount,
  } = event
  return { v, vw, o, c, h, l, t, n: tradeCount }
}
