/**
 * What Alpaca's messages mean: the rules, written once over any way of reading fields (parsed JSON, bytes of JSON,
 * msgpack). https://docs.alpaca.markets/docs/real-time-stock-pricing-data; crypto, options and news likewise.
 *
 * 1. A message with a required field missing or of the wrong type is refused: a wrong price is worse than none.
 * 2. Prices of trades and bars are above 0. A quote's price of 0 means that the side has no quote.
 * 3. `''`, and `' '` as an exchange or tape, mean absent; so does an empty list, and a VWAP of 0.
 * 4. Conditions are a list of texts, or (options) one text.
 * 5. A level of a book has a price above 0; its size of 0 removes it, and says nothing in a snapshot.
 */
import type { Control, DecodeContext } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import {
  Bar,
  Book,
  Cancel,
  Correction,
  type EventType,
  Flag,
  Imbalance,
  type Interval,
  type Level,
  Luld,
  type MarketEvent,
  News,
  Quote,
  type Side,
  Status,
  Trade,
  type TradeId,
} from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { type AlpacaFeed, channelsOf, FEEDS, venueSymbol } from './feeds.ts'
import { fromNews } from './market-news.ts'

/** What events need to know beside the message. */
export interface Reading extends DecodeContext {
  readonly flags: number
  readonly feed: AlpacaFeed
}

/** The flags of trades, which may be late where other data is not. */
export function tradeFlagsOf({ flags, feed }: Reading): number {
  return FEEDS[feed].lateTrades ? flags | Flag.delayed : flags
}

/** The fields of one message. Absent and null are `undefined`; a wrong type is noted in `fault`. */
export interface Fields {
  fault: string | undefined
  /** Of the last `time` read. */
  readonly timestamp: number
  readonly nanos: number
  number(key: string): number | undefined
  text(key: string): string | undefined
  list(key: string): readonly string[] | undefined
  id(key: string): TradeId | undefined
  /** Levels of a book: those of a size of 0 too. */
  levels(key: string): readonly Level[] | undefined
  boolean(key: string): boolean | undefined
  /** Whether there is a time. */
  time(key: string): boolean
}

/** The kinds of data messages, by `T`. */
export const DATA: ReadonlyMap<string, EventType> = new Map([
  ['t', 'trade'],
  ['q', 'quote'],
  ['b', 'bar'],
  ['u', 'bar'],
  ['d', 'bar'],
  ['s', 'status'],
  ['l', 'luld'],
  ['i', 'imbalance'],
  ['c', 'correction'],
  ['x', 'cancel'],
  ['o', 'book'],
  ['n', 'news'],
])

/** Printable ASCII but for space, quote and backslash: more than any symbol holds. */
const SYMBOL = /^[!#-[\]-~]{1,64}$/

/** Whether a text can be the symbol of a message. */
export function isSymbol(text: string): boolean {
  return SYMBOL.test(text)
}

/** The symbol a text is, as it stands; `undefined` when it can be none. */
export const symbolOf = (text: string) => (isSymbol(text) ? text : undefined)

/** The event of a data message; `undefined` when nobody wants it, or when `fields.fault` says what is wrong. */
export function readData(
  type: string,
  fields: Fields,
  reading: Reading,
  receivedAt: number,
): MarketEvent | undefined {
  const kind = DATA.get(type)!
  if (kind === 'news') return readNews(fields, reading, receivedAt)
  const { source, interest } = reading
  const flags = kind === 'trade' ? tradeFlagsOf(reading) : reading.flags
  const symbol = fields.text('S')
  if (symbol === undefined || !isSymbol(symbol)) {
    fields.fault ??= 'no symbol'
    return undefined
  }
  if ((interest.mask(symbol) & KIND_BIT[kind]) === 0) return undefined
  if (!fields.time('t')) fields.fault ??= 'no time'
  const { timestamp, nanos } = fields
  const base = [symbol, source, timestamp, nanos, receivedAt, flags] as const
  const event = READERS[kind]!(base, fields, type)
  return fields.fault === undefined ? event : undefined
}

type Base = readonly [
  symbol: string,
  source: string,
  timestamp: number,
  nanos: number,
  receivedAt: number,
  flags: number,
]

const READERS: Partial<Record<EventType, (base: Base, f: Fields, type: string) => MarketEvent>> = {
  trade: (base, f) =>
    new Trade(
      ...base,
      price(f, 'p'),
      size(f, 's'),
      f.id('i'),
      code(f, 'x'),
      f.list('c'),
      code(f, 'z'),
      takerOf(f.text('tks')),
    ),
  quote: (base, f) => {
    const bid = amount(f, 'bp') || undefined
    const bidSize = size(f, 'bs')
    const ask = amount(f, 'ap') || undefined
    const askSize = size(f, 'as')
    return new Quote(
      ...base,
      bid,
      bid === undefined ? undefined : bidSize,
      ask,
      ask === undefined ? undefined : askSize,
      code(f, 'bx'),
      code(f, 'ax'),
      f.list('c'),
      code(f, 'z'),
    )
  },
  bar: (base, f, type) =>
    new Bar(
      ...base,
      intervalOf(type),
      price(f, 'o'),
      price(f, 'h'),
      price(f, 'l'),
      price(f, 'c'),
      size(f, 'v'),
      optional(f, 'vw') || undefined,
      optional(f, 'n'),
      type !== 'd',
      type === 'u' ? 1 : 0,
      undefined,
    ),
  status: (base, f) => {
    const statusCode = word(f, 'sc')
    if (statusCode === undefined) f.fault ??= 'no sc'
    const [message, reason, why] = [word(f, 'sm'), word(f, 'rc'), word(f, 'rm')]
    return new Status(...base, statusCode ?? '', message, reason, why, code(f, 'z'))
  },
  luld: (base, f) => new Luld(...base, price(f, 'u'), price(f, 'd'), word(f, 'i'), code(f, 'z')),
  imbalance: (base, f) => {
    const reference = optional(f, 'p') || undefined
    const [none, tape] = [undefined, code(f, 'z')]
    return new Imbalance(...base, reference, none, none, none, none, none, tape)
  },
  correction: (base, f) =>
    new Correction(
      ...base,
      f.id('oi'),
      price(f, 'op'),
      size(f, 'os'),
      f.list('oc'),
      f.id('ci'),
      price(f, 'cp'),
      size(f, 'cs'),
      f.list('cc'),
      code(f, 'x'),
      code(f, 'z'),
    ),
  cancel: (base, f) => {
    const id = f.id('i')
    const [price, size] = [optional(f, 'p') || undefined, optional(f, 's') || undefined]
    const action = f.text('a')
    if (action !== 'C' && action !== 'E') f.fault ??= 'a is neither C nor E'
    const done = action === 'E' ? 'error' : 'cancel'
    return new Cancel(...base, id, price, size, done, code(f, 'x'), code(f, 'z'))
  },
  book: (base, f) => {
    const snapshot = f.boolean('r') ?? false
    const [bids, asks] = [f.levels('b') ?? NO_LEVELS, f.levels('a') ?? NO_LEVELS]
    const [left, right] = snapshot ? [standing(bids), standing(asks)] : [bids, asks]
    return new Book(...base, left, right, snapshot, undefined, undefined)
  },
}

/** An article counts for each of its symbols. Its time is that of its last change. */
function readNews(
  f: Fields,
  { source, interest, flags }: Reading,
  receivedAt: number,
): MarketEvent | undefined {
  // What can be no symbol is nobody's: the article stays.
  const symbols = (f.list('symbols') ?? []).filter(isSymbol).map(fromNews)
  const asked = symbols.length > 0 ? symbols : ['']
  if (!asked.some(symbol => (interest.mask(symbol) & KIND_BIT.news) !== 0)) return undefined
  const headline = f.text('headline')
  if (headline === undefined) f.fault ??= 'no headline'
  const createdAt = f.time('created_at') ? f.timestamp : undefined
  if (!f.time('updated_at') && createdAt === undefined) f.fault ??= 'no time'
  const event = new News(
    symbols[0],
    source,
    f.timestamp,
    f.nanos,
    receivedAt,
    flags,
    f.id('id'),
    headline ?? '',
    Object.freeze(symbols),
    word(f, 'summary'),
    word(f, 'content'),
    word(f, 'author'),
    word(f, 'url'),
    word(f, 'source'),
    createdAt,
  )
  return f.fault === undefined ? event : undefined
}

/** The side of a taker by the venue's letter; of any other nothing is said. */
export function takerOf(letter: string | undefined): Side | undefined {
  return letter === 'B' ? 'buy' : letter === 'S' ? 'sell' : undefined
}

export const NO_LEVELS: readonly Level[] = Object.freeze([])

/** Levels without those that are none. */
export function standing(levels: readonly Level[]): readonly Level[] {
  return levels.every(([, size]) => size > 0) ? levels : levels.filter(([, size]) => size > 0)
}

/** Whether these can be the price and size of a level. */
export function isLevel(price: number, size: number): boolean {
  return price > 0 && price < Infinity && size >= 0 && size < Infinity
}

/** `b` and `u` are minutes, `d` is a day. */
export function intervalOf(type: string): Interval {
  return type === 'd' ? '1d' : '1m'
}

/** Above 0. */
function price(f: Fields, key: string): number {
  const value = f.number(key)
  if (value === undefined || !(value > 0)) f.fault ??= `${key} is not a price`
  return value ?? 0
}

/** 0 or more. */
function amount(f: Fields, key: string): number {
  const value = f.number(key)
  if (value === undefined || !(value >= 0)) f.fault ??= `${key} is not an amount`
  // JSON can say -0, which is nothing but 0.
  return (value ?? 0) + 0
}

const size = amount

/** Absent, or 0 or more. */
function optional(f: Fields, key: string): number | undefined {
  const value = f.number(key)
  if (value === undefined) return undefined
  if (!(value >= 0)) f.fault ??= `${key} is not an amount`
  return value + 0
}

/** An exchange or a tape. */
function code(f: Fields, key: string): string | undefined {
  const text = f.text(key)
  return text === '' || text === ' ' ? undefined : text
}

function word(f: Fields, key: string): string | undefined {
  return f.text(key) || undefined
}

/** The message of a `T` that is about the connection; `undefined` when it is not of a known form. */
export function readControl(
  type: string,
  message: Readonly<Record<string, unknown>>,
  feed: AlpacaFeed,
): Control | undefined {
  switch (type) {
    case 'success':
      if (message.msg === 'connected') return { type: 'welcome' }
      return message.msg === 'authenticated' ? { type: 'ready' } : undefined
    case 'error': {
      const { code, msg } = message
      return {
        type: 'error',
        code: Number.isInteger(code) ? (code as number) : undefined,
        message: typeof msg === 'string' ? msg : '',
      }
    }
    case 'subscription':
      return { type: 'acknowledged', covers: topic => covers(message, topic, feed) }
  }
  return undefined
}

export const CONTROLS: ReadonlySet<string> = new Set(['success', 'error', 'subscription'])

/**
 * An acknowledgement holds the whole state. The documented ones have no `imbalances` list although that channel
 * exists: where it is missing, nothing is said about it, and no error came.
 */
function covers(ack: Readonly<Record<string, unknown>>, topic: Topic, feed: AlpacaFeed): boolean {
  const channels = channelsOf(topic, feed)
  return (
    channels.length > 0 &&
    channels.every(channel => {
      const list = ack[channel]
      if (list === undefined && channel === 'imbalances') return true
      return Array.isArray(list) && list.includes(venueSymbol(topic.symbol, feed))
    })
  )
}

/** At most this much of an unknown `T` is repeated. */
const LONGEST_KIND = 32

/** Names an unknown message for the counter. */
export function kindName(type: string): string {
  return type.length > LONGEST_KIND ? `${type.slice(0, LONGEST_KIND)}…` : type
}

/** The largest id there can be: ids are 64-bit. */
const MAX_ID = '18446744073709551615'
const DIGITS = /^[1-9]\d{15,19}$/

/** An id beyond 2^53 from its digits; `undefined` when they are no 64-bit number. */
export function longId(digits: string | undefined): string | undefined {
  if (digits === undefined || !DIGITS.test(digits)) return undefined
  return digits.length === 20 && digits > MAX_ID ? undefined : digits
}

/** Years 100 to 9999 (with the widest offset either way): what both codecs can say. */
export function isTime(timestamp: number): boolean {
  return timestamp >= FIRST_TIME && timestamp < END_TIME
}

const FIRST_TIME = Date.UTC(100, 0)
const END_TIME = Date.UTC(10_000, 0)
