/**
 * What Polygon's messages mean: the rules, written once over any way of reading fields (parsed JSON, bytes of JSON).
 * https://massive.com/docs/websocket/stocks/trades and the pages beside it
 *
 * 1. A message with a required field missing or of the wrong type is refused: a wrong price is worse than none.
 * 2. Prices of trades and bars are above 0. A quote's price of 0, or none, means that the side has no quote.
 * 3. An exchange, tape or condition of 0 that stands alone means absent. Tapes 1, 2, 3 are A, B, C.
 * 4. Trade ids are texts; those that are plain numbers a double can hold become numbers. They are unique by exchange
 *    and, at the exchange 4 (FINRA), by its reporting facility: that one is 4:202.
 * 5. `ds` and `dv` are `s` and `v` with their fraction, as texts: where they stand, they count.
 * 6. Times are whole numbers of one unit or another; their length tells which. (LULD has been µs and ns, FMV ms and ns.)
 */
import type { DecodeContext, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import {
  Bar,
  type EventType,
  Imbalance,
  type Interval,
  Luld,
  type MarketEvent,
  Quote,
  type Side,
  Ticker,
  Trade,
  type TradeId,
} from '../../market/events.ts'
import type { Moment } from '../../market/time.ts'
import { type Market, readSymbol } from './markets.ts'
import type { Statuses } from './statuses.ts'

/** What events need to know beside the message. */
export interface Reading extends DecodeContext {
  readonly market: Market
  readonly flags: number
  /** What sizes of quotes are multiplied by. */
  readonly lot: number
  readonly statuses: Statuses
}

/** The fields of one message. Absent and null are `undefined`; a wrong type is noted in `fault`. */
export interface Fields {
  fault: string | undefined
  number(key: string): number | undefined
  /** A number written as a text, or as a number. */
  decimal(key: string): number | undefined
  text(key: string): string | undefined
  /** A whole number from 0, or a text, as a text; 0 and nothing are absent. */
  code(key: string): string | undefined
  /** A list of whole numbers from 0, or one that is not 0, as texts; an empty one is absent. */
  codes(key: string): readonly string[] | undefined
  id(key: string): TradeId | undefined
  time(key: string): Moment | undefined
}

type Base = readonly [
  symbol: string,
  source: string,
  timestamp: number,
  nanos: number,
  receivedAt: number,
  flags: number,
]

interface Kind {
  readonly kind: EventType
  /** Where the symbol stands, and the time. */
  readonly symbol: 'sym' | 'pair' | 'T' | 'p'
  readonly time: 't' | 's'
  read(base: Base, fields: Fields, reading: Reading): MarketEvent
}

const barOf =
  (interval: Interval): Kind['read'] =>
  (base, f, { market }) => {
    const [open, high] = [price(f, 'o'), price(f, 'h')]
    const [low, close] = [price(f, 'l'), price(f, 'c')]
    const volume = optional(f, 'dv', 'decimal') ?? optional(f, 'v')
    if (volume === undefined && market.volumes) f.fault ??= 'no v'
    const vwap = optional(f, 'vw') || undefined
    return new Bar(
      ...base,
      ...([interval, open, high, low, close, volume ?? 0, vwap] as const),
      ...([undefined, true, 0, undefined] as const),
    )
  }

const trade: Kind['read'] = (base, f, { market }) => {
  const [value, exact] = [price(f, 'p'), optional(f, 'ds', 'decimal')]
  const size = optional(f, 's') ?? exact
  if (size === undefined) f.fault ??= 'no s'
  const conditions = f.codes('c')
  return new Trade(
    ...base,
    ...([value, exact ?? size ?? 0, f.id('i')] as const),
    exchangeOf(f.code('x'), f.code('trfi')),
    conditions,
    tapeOf(f.code('z')),
    market.name === 'crypto' ? takerOf(conditions) : undefined,
  )
}

const quote: Kind['read'] = (base, f, { lot }) => {
  const [bid, bidSize] = [optional(f, 'bp'), optional(f, 'bs')]
  const [ask, askSize] = [optional(f, 'ap'), optional(f, 'as')]
  if (bid === undefined && ask === undefined) f.fault ??= 'neither bp nor ap'
  // A quote of crypto is of one exchange.
  const both = f.code('x')
  return new Quote(
    ...base,
    bid || undefined,
    bid && bidSize !== undefined ? bidSize * lot : undefined,
    ask || undefined,
    ask && askSize !== undefined ? askSize * lot : undefined,
    f.code('bx') ?? both,
    f.code('ax') ?? both,
    together(f.codes('c'), f.codes('i')),
    tapeOf(f.code('z')),
  )
}

const rate: Kind['read'] = (base, f) => {
  const [bid, ask] = [optional(f, 'b'), optional(f, 'a')]
  if (bid === undefined && ask === undefined) f.fault ??= 'neither b nor a'
  const exchange = f.code('x')
  return new Quote(
    ...base,
    ...([bid || undefined, undefined, ask || undefined, undefined] as const),
    ...([exchange, exchange, undefined, undefined] as const),
  )
}

const luld: Kind['read'] = (base, f) =>
  new Luld(...base, price(f, 'h'), price(f, 'l'), f.codes('i')?.join(','), tapeOf(f.code('z')))

const imbalance: Kind['read'] = (base, f) => {
  const [clearing, size] = [optional(f, 'b') || undefined, optional(f, 'o')]
  const [paired, auction] = [optional(f, 'p'), f.text('a') || undefined]
  return new Imbalance(
    ...base,
    ...([clearing, size, paired, undefined, auction, f.code('x'), undefined] as const),
  )
}

const tickerOf =
  (key: string): Kind['read'] =>
  (base, f) => {
    const value = f.number(key)
    if (value === undefined) f.fault ??= `no ${key}`
    const none = undefined
    return new Ticker(
      ...base,
      ...([none, none, none, none, none, none, none, none, none, none, none] as const),
      ...([none, none, none, none, none, none, none, (value ?? 0) + 0] as const),
    )
  }

const bar = (interval: Interval, symbol: Kind['symbol']): Kind => ({
  ...{ kind: 'bar', symbol, time: 's', read: barOf(interval) },
})

/** The kinds of data messages, by `ev`. */
export const DATA: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['T', { kind: 'trade', symbol: 'sym', time: 't', read: trade }],
  ['XT', { kind: 'trade', symbol: 'pair', time: 't', read: trade }],
  ['Q', { kind: 'quote', symbol: 'sym', time: 't', read: quote }],
  ['XQ', { kind: 'quote', symbol: 'pair', time: 't', read: quote }],
  ['C', { kind: 'quote', symbol: 'p', time: 't', read: rate }],
  ['A', bar('1s', 'sym')],
  ['AM', bar('1m', 'sym')],
  ['XAS', bar('1s', 'pair')],
  ['XA', bar('1m', 'pair')],
  ['CAS', bar('1s', 'pair')],
  ['CA', bar('1m', 'pair')],
  ['LULD', { kind: 'luld', symbol: 'T', time: 't', read: luld }],
  ['NOI', { kind: 'imbalance', symbol: 'T', time: 't', read: imbalance }],
  ['FMV', { kind: 'ticker', symbol: 'sym', time: 't', read: tickerOf('fmv') }],
  ['V', { kind: 'ticker', symbol: 'T', time: 't', read: tickerOf('val') }],
])

/** The event of a data message; `undefined` when nobody wants it, or when `fields.fault` says what is wrong. */
export function readData(
  ev: string,
  fields: Fields,
  reading: Reading,
  receivedAt: number,
): MarketEvent | undefined {
  const kind = DATA.get(ev)!
  const { source, interest, market, flags } = reading
  const text = fields.text(kind.symbol)
  const symbol = text === undefined ? undefined : readSymbol(text, market)
  if (symbol === undefined) {
    fields.fault ??= 'no symbol'
    return undefined
  }
  if ((interest.mask(symbol) & KIND_BIT[kind.kind]) === 0) return undefined
  const moment = fields.time(kind.time)
  if (!moment) fields.fault ??= 'no time'
  const { timestamp, nanos } = moment ?? { timestamp: 0, nanos: 0 }
  const event = kind.read([symbol, source, timestamp, nanos, receivedAt, flags], fields, reading)
  return fields.fault === undefined ? event : undefined
}

/** Above 0. */
export function price(f: Fields, key: string): number {
  const value = f.number(key)
  if (value === undefined || !(value > 0)) f.fault ??= `${key} is not a price`
  return value ?? 0
}

/** Absent, or 0 or more. */
export function optional(
  f: Fields,
  key: string,
  as: 'number' | 'decimal' = 'number',
): number | undefined {
  const value = f[as](key)
  if (value === undefined) return undefined
  if (!(value >= 0)) f.fault ??= `${key} is not an amount`
  // JSON can say -0, which is nothing but 0.
  return value + 0
}

const TAPES: { readonly [tape: string]: string } = { 1: 'A', 2: 'B', 3: 'C' }

export function tapeOf(code: string | undefined): string | undefined {
  return code === undefined ? undefined : (TAPES[code] ?? code)
}

export function exchangeOf(
  exchange: string | undefined,
  facility: string | undefined,
): string | undefined {
  return exchange === undefined || facility === undefined ? exchange : `${exchange}:${facility}`
}

/** https://massive.com/docs/websocket/crypto/trades: 1 the seller took, 2 the buyer. */
export function takerOf(conditions: readonly string[] | undefined): Side | undefined {
  if (conditions?.length !== 1) return undefined
  return conditions[0] === '2' ? 'buy' : conditions[0] === '1' ? 'sell' : undefined
}

/** Conditions and indicators of a quote in one list: their numbers are of different ranges. */
export function together(
  conditions: readonly string[] | undefined,
  indicators: readonly string[] | undefined,
): readonly string[] | undefined {
  if (!conditions || !indicators) return conditions ?? indicators
  return Object.freeze([...conditions, ...indicators])
}

/** Whole numbers from 0 as a list of texts; `undefined` for none, or for 0 alone where it was no list. */
export function codesOf(value: unknown): readonly string[] | undefined | 'wrong' {
  if (isWhole(value)) return value === 0 ? undefined : Object.freeze([String(value)])
  if (!Array.isArray(value) || !value.every(isWhole)) return 'wrong'
  return value.length === 0 ? undefined : Object.freeze(value.map(code => String(code + 0)))
}

/** A whole number from 0 that a double holds exactly. */
export function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

const PLAIN_NUMBER = /^(?:0|[1-9]\d{0,15})$/

/** An id: a number where the text is that of one, exactly. */
export function idOf(text: string): TradeId | undefined {
  if (text === '') return undefined
  const number = PLAIN_NUMBER.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? number : text
}

/** A number as JSON has it. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** What a decimal text says. */
export function decimalOf(text: string): number | undefined {
  const value = JSON_NUMBER.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : undefined
}

const LONG_DIGITS = /^[1-9]\d{15,18}$/

/** Digits of a number that a double does not hold; `undefined` for what is none, or too long for any time or id. */
export function longDigits(digits: string | undefined): string | undefined {
  return digits !== undefined && LONG_DIGITS.test(digits) ? digits : undefined
}

/**
 * A moment from a whole number of s, ms, µs or ns since 1970, told apart by its length; `digits` where a double does not
 * hold it.
 */
export function momentOf(
  value: number | undefined,
  digits: string | undefined,
): Moment | undefined {
  if (isWhole(value)) {
    if (value < 1e11) return { timestamp: value * 1_000 + 0, nanos: 0 }
    if (value < 1e14) return { timestamp: value + 0, nanos: 0 }
    // A double that is safe has 16 digits at most: µs.
    return nanoMoment(String(value), 3)
  }
  const long = longDigits(digits)
  // Sixteen and seventeen digits beyond 2^53 are µs of the years after 2255.
  return long === undefined ? undefined : nanoMoment(long, long.length <= 17 ? 3 : 6)
}

/** `below`: how many of the digits are below the millisecond. */
function nanoMoment(digits: string, below: 3 | 6): Moment {
  const timestamp = Number(digits.slice(0, -below))
  const nanos = Number(digits.slice(-below)) * (below === 3 ? 1_000 : 1)
  return { timestamp, nanos }
}

/** At most this much of an unknown kind is repeated. */
const LONGEST_KIND = 32

/** Names an unknown message for the counter. */
export function kindName(ev: string): string {
  return ev.length > LONGEST_KIND ? `${ev.slice(0, LONGEST_KIND)}…` : ev
}

const GRANTED = 'subscribed to: '
const RELEASED = 'unsubscribed to: '
/** The plan has delayed data only: another host is the way out. */
const NO_REALTIME = /real-?time data/i

/** What a status says. Prose is only looked at where the status alone does not tell. */
export function readStatus(
  message: Readonly<Record<string, unknown>>,
  reading: Reading,
  inbox: Inbox,
): void {
  const { status } = message
  const said = typeof message.message === 'string' ? message.message : ''
  switch (status) {
    case 'connected':
      inbox.control({ type: 'welcome' })
      return
    case 'auth_success':
      inbox.control({ type: 'ready' })
      return
    case 'success':
      if (said.startsWith(GRANTED)) reading.statuses.granted(said.slice(GRANTED.length).trim())
      else if (!said.startsWith(RELEASED)) inbox.unknown('status success')
      return
    case 'error':
      if (NO_REALTIME.test(said)) {
        inbox.control({ type: 'error', code: undefined, name: 'no_realtime', message: said })
      } else if (!reading.statuses.refused(said)) inbox.unknown('status error')
      return
    case 'auth_failed':
    case 'auth_timeout':
    case 'max_connections':
      inbox.control({ type: 'error', code: undefined, name: status, message: said })
      return
  }
  inbox.unknown(typeof status === 'string' ? `status ${kindName(status)}` : 'status')
}
