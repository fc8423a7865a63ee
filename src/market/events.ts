/**
 * The vocabulary: everything that flows through tickwire is one of these events, told apart by `type`.
 *
 * One class per kind, its fields always assigned in one order, so that V8 keeps one shape per kind (measured:
 * 160 ns per decoded message). Fields are read-only; what a venue does not say is `undefined`, never 0.
 */

/** Marks on an event, as bits of `flags`. `flagNames(event.flags)` gives the words. */
export const Flag = {
  /** Filled in from history after a gap. */
  repaired: 1,
  /** Arrived after later data of its symbol. */
  late: 2,
  /** Stands for several events that were merged for a slow reader. */
  conflated: 4,
  /** Invented by the simulator: never a real price. */
  simulated: 8,
  /** Read back from a recording. */
  replayed: 16,
  /** The venue sends it with a delay (15 minutes for `delayed_sip`). */
  delayed: 32,
  /** Fetched by polling, not streamed. */
  polled: 64,
  /** Worked out here from other events (a bar from trades), not said by the venue. */
  derived: 128,
} as const

export type FlagName = keyof typeof Flag

/** What every event carries. */
export interface EventBase {
  /** Canonical symbol: `AAPL`, `BTC/USD`, `NSE:RELIANCE`. Absent only on notices and news that name none. */
  readonly symbol: string | undefined
  /** Which configured source it came from; state is keyed by (source, symbol). */
  readonly source: string
  /** Venue time, whole epoch milliseconds. `timestampNs(event)` is exact to the nanosecond. */
  readonly timestamp: number
  /** Nanoseconds below `timestamp`, 0–999,999. */
  readonly nanos: number
  /** Our clock when the bytes arrived, epoch ms with a fraction. */
  readonly receivedAt: number
  /** Number on the tape, from 1; `undefined` until a tape has appended it. */
  readonly seq: number | undefined
  /** Bits of {@link Flag}. */
  readonly flags: number
}

/** Ids beyond 2^53 are strings, so that none is ever rounded. */
export type TradeId = number | string
export type Side = 'buy' | 'sell'
/** `[price, size]`; in a delta a size of 0 removes the level. */
export type Level = readonly [price: number, size: number]

abstract class Base<T extends string, S extends string | undefined = string> implements EventBase {
  readonly seq: number | undefined

  constructor(
    readonly type: T,
    readonly symbol: S,
    readonly source: string,
    readonly timestamp: number,
    readonly nanos: number,
    readonly receivedAt: number,
    readonly flags: number,
  ) {
    this.seq = undefined
  }
}

/** A trade as printed by the venue. */
export class Trade extends Base<'trade'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly price: number,
    /** Units of the instrument: shares, contracts, or coins (fractional). */
    readonly size: number,
    readonly id: TradeId | undefined,
    /** The venue's code of the exchange it printed on. */
    readonly exchange: string | undefined,
    /** Sale conditions, in the venue's codes and order. */
    readonly conditions: readonly string[] | undefined,
    /** Consolidated tape: A NYSE, B regional, C Nasdaq, N overnight, O OTC. */
    readonly tape: string | undefined,
    /** The taker's side, where the venue says it. */
    readonly side: Side | undefined,
  ) {
    super('trade', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** The best bid and ask. A side nobody quotes is `undefined`. */
export class Quote extends Base<'quote'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly bid: number | undefined,
    /** In the venue's unit (Alpaca stocks: shares since 2025-11-03, round lots before). */
    readonly bidSize: number | undefined,
    readonly ask: number | undefined,
    readonly askSize: number | undefined,
    readonly bidExchange: string | undefined,
    readonly askExchange: string | undefined,
    readonly conditions: readonly string[] | undefined,
    readonly tape: string | undefined,
  ) {
    super('quote', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/**
 * What a venue says about a symbol that is not a trade: last-price ticks, day fields, index values. A ticker is
 * never a trade: it enters neither bars nor trade repair.
 */
export class Ticker extends Base<'ticker'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly last: number | undefined,
    readonly lastSize: number | undefined,
    /** Time of `last`, epoch ms. */
    readonly lastTime: number | undefined,
    readonly open: number | undefined,
    readonly high: number | undefined,
    readonly low: number | undefined,
    readonly previousClose: number | undefined,
    readonly change: number | undefined,
    /** In percent: 1.5 means 1.5 %. */
    readonly changePercent: number | undefined,
    readonly volume: number | undefined,
    readonly vwap: number | undefined,
    readonly bid: number | undefined,
    readonly ask: number | undefined,
    readonly bidSize: number | undefined,
    readonly askSize: number | undefined,
    readonly name: string | undefined,
    readonly openInterest: number | undefined,
    readonly mark: number | undefined,
    /** An index or fair-market value. */
    readonly value: number | undefined,
  ) {
    super('ticker', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/**
 * Length of a bar: a count and `s`, `m`, `h`, `d` or `w`, as in `1s`, `5m`, `1d`; or what it holds, a count and `t` for
 * trades, `v` for units traded, `$` for money turned over: `500t`, `10000v`, `1000000$`.
 */
export type Interval = `${number}${'s' | 'm' | 'h' | 'd' | 'w' | 't' | 'v' | '$'}`
/** How prices were adjusted for splits and dividends. */
export type Adjustment = 'raw' | 'split' | 'dividend' | 'all'

/** An aggregate. `timestamp` is the left edge of its interval; it becomes available at the right edge. */
export class Bar extends Base<'bar'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly interval: Interval,
    readonly open: number,
    readonly high: number,
    readonly low: number,
    readonly close: number,
    readonly volume: number,
    readonly vwap: number | undefined,
    readonly tradeCount: number | undefined,
    /** False while the interval still runs (a daily bar sent every minute). */
    readonly final: boolean,
    /** 0 when first sent, above 0 when it replaces an earlier one after late trades. */
    readonly revision: number,
    readonly adjustment: Adjustment | undefined,
  ) {
    super('bar', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** Order-book levels: a whole snapshot, or a delta to apply in order. */
export class Book extends Base<'book'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly bids: readonly Level[],
    readonly asks: readonly Level[],
    /** True: clear the book first. */
    readonly snapshot: boolean,
    /** The venue's update number. */
    readonly sequence: number | undefined,
    readonly checksum: number | undefined,
  ) {
    super('book', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** Trading status of a symbol: halts, resumptions, auctions. Codes are the venue's. */
export class Status extends Base<'status'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly statusCode: string,
    readonly statusMessage: string | undefined,
    readonly reasonCode: string | undefined,
    readonly reasonMessage: string | undefined,
    readonly tape: string | undefined,
  ) {
    super('status', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** Limit up / limit down band of a US stock. */
export class Luld extends Base<'luld'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly limitUp: number,
    readonly limitDown: number,
    readonly indicator: string | undefined,
    readonly tape: string | undefined,
  ) {
    super('luld', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** Order imbalance, before an auction or during a halt. Only the fields its venue sends are present. */
export class Imbalance extends Base<'imbalance'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    /** Reference or indicative price. */
    readonly price: number | undefined,
    /** Unmatched units. */
    readonly size: number | undefined,
    /** Units already paired. */
    readonly pairedSize: number | undefined,
    /** The side with too many orders. */
    readonly side: Side | undefined,
    readonly auction: string | undefined,
    readonly exchange: string | undefined,
    readonly tape: string | undefined,
  ) {
    super('imbalance', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** Replaces an earlier trade: `original…` is what was printed, the rest is what counts. */
export class Correction extends Base<'correction'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly originalId: TradeId | undefined,
    readonly originalPrice: number,
    readonly originalSize: number,
    readonly originalConditions: readonly string[] | undefined,
    readonly id: TradeId | undefined,
    readonly price: number,
    readonly size: number,
    readonly conditions: readonly string[] | undefined,
    readonly exchange: string | undefined,
    readonly tape: string | undefined,
  ) {
    super('correction', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** Takes back an earlier trade, named by id and exchange. */
export class Cancel extends Base<'cancel'> {
  constructor(
    symbol: string,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly id: TradeId | undefined,
    readonly price: number | undefined,
    readonly size: number | undefined,
    /** `cancel` by the parties, or `error`: it never happened. */
    readonly action: 'cancel' | 'error',
    readonly exchange: string | undefined,
    readonly tape: string | undefined,
  ) {
    super('cancel', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** A news article. `timestamp` is its last update; `symbol` is the first of `symbols`. */
export class News extends Base<'news', string | undefined> {
  constructor(
    symbol: string | undefined,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly id: TradeId | undefined,
    readonly headline: string,
    readonly symbols: readonly string[],
    readonly summary: string | undefined,
    readonly content: string | undefined,
    readonly author: string | undefined,
    readonly url: string | undefined,
    /** Who wrote it: `benzinga`. */
    readonly publisher: string | undefined,
    /** Epoch ms. */
    readonly createdAt: number | undefined,
  ) {
    super('news', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

/** Notices that go on the tape, in order with the data. */
export const TAPE_NOTICES = [
  'connected',
  'disconnected',
  'subscribed',
  'rejected',
  'quiet',
  'stale',
  'live',
  'gap',
  'repaired',
  'unrepaired',
  'resynced',
  'unverified',
  'lost',
  'clock',
  'unrecorded',
] as const
/** Notices to one reader only; they have no `seq`. */
export const READER_NOTICES = ['lagging', 'dropped', 'skipped', 'reset'] as const
export const NOTICES = [...TAPE_NOTICES, ...READER_NOTICES] as const
export type NoticeName = (typeof NOTICES)[number]

/** How the stream tells the truth about itself, in order with the data. */
export class Notice extends Base<'notice', string | undefined> {
  constructor(
    symbol: string | undefined,
    source: string,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    flags: number,
    readonly notice: NoticeName,
    /** One sentence for a person. */
    readonly message: string,
    /** A machine's word for the cause: an error code, or the name of a reader. */
    readonly code: string | undefined,
    /** The kind of event concerned. */
    readonly kind: EventType | undefined,
    /** First and last time (epoch ms) or number on the tape of the range concerned. */
    readonly from: number | undefined,
    readonly to: number | undefined,
    /** How many events: dropped, skipped, repaired. */
    readonly count: number | undefined,
  ) {
    super('notice', symbol, source, timestamp, nanos, receivedAt, flags)
  }
}

export interface EventByType {
  trade: Trade
  quote: Quote
  ticker: Ticker
  bar: Bar
  book: Book
  status: Status
  luld: Luld
  imbalance: Imbalance
  correction: Correction
  cancel: Cancel
  news: News
  notice: Notice
}

export type EventType = keyof EventByType
export type EventOf<T extends EventType> = EventByType[T]
/** Anything that can come out of a stream; narrow it by `type`. */
export type MarketEvent = EventOf<EventType>

const COMMON = ['symbol', 'source', 'timestamp', 'nanos', 'receivedAt', 'flags', 'seq'] as const

type OwnField<T extends EventType> = Exclude<keyof EventOf<T>, keyof EventBase | 'type'>
interface Kind<T extends EventType> {
  /** Its arguments differ from kind to kind; `createEvent` is typed. */
  readonly make: new (
    ...values: never[]
  ) => EventOf<T>
  /** The kind's own fields, in the order of its constructor. */
  readonly fields: readonly OwnField<T>[]
}

/** Each kind with its class and own fields in constructor order: what codecs that treat all kinds alike go by. */
export const KINDS: { readonly [T in EventType]: Kind<T> } = {
  trade: { make: Trade, fields: ['price', 'size', 'id', 'exchange', 'conditions', 'tape', 'side'] },
  quote: {
    make: Quote,
    fields: [
      'bid',
      'bidSize',
      'ask',
      'askSize',
      'bidExchange',
      'askExchange',
      'conditions',
      'tape',
    ],
  },
  ticker: {
    make: Ticker,
    fields: [
      ...(['last', 'lastSize', 'lastTime', 'open', 'high', 'low', 'previousClose'] as const),
      ...(['change', 'changePercent', 'volume', 'vwap', 'bid', 'ask', 'bidSize'] as const),
      ...(['askSize', 'name', 'openInterest', 'mark', 'value'] as const),
    ],
  },
  bar: {
    make: Bar,
    fields: [
      ...(['interval', 'open', 'high', 'low', 'close', 'volume', 'vwap', 'tradeCount'] as const),
      ...(['final', 'revision', 'adjustment'] as const),
    ],
  },
  book: { make: Book, fields: ['bids', 'asks', 'snapshot', 'sequence', 'checksum'] },
  status: {
    make: Status,
    fields: ['statusCode', 'statusMessage', 'reasonCode', 'reasonMessage', 'tape'],
  },
  luld: { make: Luld, fields: ['limitUp', 'limitDown', 'indicator', 'tape'] },
  imbalance: {
    make: Imbalance,
    fields: ['price', 'size', 'pairedSize', 'side', 'auction', 'exchange', 'tape'],
  },
  correction: {
    make: Correction,
    fields: [
      ...(['originalId', 'originalPrice', 'originalSize', 'originalConditions'] as const),
      ...(['id', 'price', 'size', 'conditions', 'exchange', 'tape'] as const),
    ],
  },
  cancel: { make: Cancel, fields: ['id', 'price', 'size', 'action', 'exchange', 'tape'] },
  news: {
    make: News,
    fields: [
      ...(['id', 'headline', 'symbols', 'summary', 'content', 'author', 'url'] as const),
      ...(['publisher', 'createdAt'] as const),
    ],
  },
  notice: { make: Notice, fields: ['notice', 'message', 'code', 'kind', 'from', 'to', 'count'] },
}

export const EVENT_TYPES = Object.keys(KINDS) as readonly EventType[]

type Fields<T extends EventType> = T extends EventType
  ? { readonly type: T } & Partial<Omit<EventOf<T>, 'type' | 'timestamp'>> &
      Pick<EventOf<T>, 'timestamp'>
  : never

/** The fields of an event by name, for {@link createEvent}. */
export type EventFields = Fields<EventType>

/**
 * An event from its fields by name, for code that is not hot. Left out: `source` is empty, `nanos` and `flags`
 * are 0, `receivedAt` is the venue's time, everything else is absent.
 */
export function createEvent<T extends EventType>(fields: Fields<T>): EventOf<T> {
  const values = fields as unknown as Record<string, unknown>
  const { make, fields: own } = KINDS[fields.type] as Kind<EventType>
  const event = new (make as new (...values: unknown[]) => MarketEvent)(
    values.symbol,
    values.source ?? '',
    values.timestamp,
    values.nanos ?? 0,
    values.receivedAt ?? values.timestamp,
    values.flags ?? 0,
    ...own.map(name => values[name]),
  ) as EventOf<T>
  if (values.seq !== undefined) stampSeq(event, values.seq as number)
  return event
}

/** All fields of a kind in the order they stand on the object. */
export function fieldsOf(type: EventType): readonly string[] {
  return ['type', ...COMMON, ...KINDS[type].fields]
}

/** Writes the tape's number. Only a tape may call it, once, as it appends. */
export function stampSeq(event: MarketEvent, seq: number): void {
  ;(event as { seq: number }).seq = seq
}

/** Marks an event that nobody else has seen yet as filled in from history. */
export function markRepaired(event: MarketEvent): void {
  ;(event as { flags: number }).flags |= Flag.repaired
}

/** Marks an event that nobody else has seen yet as fetched by asking, not streamed. */
export function markPolled(event: MarketEvent): void {
  ;(event as { flags: number }).flags |= Flag.polled
}

/** Cuts the time of an event that nobody else has seen yet to the millisecond. */
export function cutToMs(event: MarketEvent): void {
  ;(event as { nanos: number }).nanos = 0
}

/** Marks an event that nobody else has seen yet as behind later data of its symbol. */
export function markLate(event: MarketEvent): void {
  ;(event as { flags: number }).flags |= Flag.late
}

/** The words for the bits of `flags`, in the order of {@link Flag}. */
export function flagNames(flags: number): FlagName[] {
  return (Object.keys(Flag) as FlagName[]).filter(name => (flags & Flag[name]) !== 0)
}

/** Whether an event carries a mark. */
export function hasFlag(event: EventBase, name: FlagName): boolean {
  return (event.flags & Flag[name]) !== 0
}
