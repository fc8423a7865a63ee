/**
 * What Kraken's messages mean, whichever way they were read, and what has to be remembered of one connection for that.
 * https://docs.kraken.com/api/docs/websocket-v2/book
 *
 * 1. Times that are missing are those of receipt.
 * 2. A price of 0 in a ticker, or a vwap of 0, means that there is none.
 * 3. Trades are numbered by pair without gaps: a number that is missing is a trade that is.
 */
import { Candles } from '../../feed/candles.ts'
import type { ConnectionContext, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import {
  Bar,
  Book,
  type Interval,
  Notice,
  Quote,
  type Side,
  Status,
  Ticker,
  Trade,
} from '../../market/events.ts'
import { KrakenBook, type Levels, type Precision } from './book.ts'
import { coversStream, INTERVALS } from './channels.ts'
import { unknownPair } from './symbols.ts'

/** How long a snapshot may take before it is asked for once more, ms. */
const PATIENCE_MS = 5_000

/** A pair somebody wants something of. */
export interface Pair {
  readonly symbol: string
  /** Bits of `KIND_BIT`. */
  mask: number
  /** The last number of its trades; `undefined` before the first. */
  lastTrade: number | undefined
  book: KrakenBook | undefined
  /** Since when its book waits for a snapshot, our clock; moves on when one is asked for once more. */
  awaitedAt: number | undefined
  precision: Precision | undefined
}

/** What the instrument channel says of a pair. */
export interface PairFacts {
  readonly symbol: string
  readonly status: string
  readonly precision: Precision
}

/** The numbers of a ticker, in the order the venue documents. */
export const TICKER_FIELDS = [
  ...(['bid', 'bid_qty', 'ask', 'ask_qty', 'last', 'volume', 'vwap', 'low', 'high'] as const),
  ...(['change', 'change_pct'] as const),
] as const
/** Those before this one are 0 or more. */
export const CHANGE_FIELD = TICKER_FIELDS.indexOf('change')

// Constants of the module: these are looked at for each event.
const TRADE = KIND_BIT.trade
const QUOTE = KIND_BIT.quote
const TICKER = KIND_BIT.ticker
const BOOK = KIND_BIT.book
const STATUS = KIND_BIT.status

/** The conditions of a trade: how its taker ordered. */
const ORDER_TYPES: ReadonlyMap<string, readonly string[]> = new Map(
  ['market', 'limit'].map(type => [type, Object.freeze([type])]),
)

export function conditionsOf(orderType: string | undefined): readonly string[] | undefined {
  if (orderType === undefined || orderType === '') return undefined
  return ORDER_TYPES.get(orderType) ?? Object.freeze([orderType])
}

/** More pairs than any venue has are not remembered. */
const MOST_PAIRS = 20_000

/** The state of one connection. */
export class Market {
  /** Rises whenever a pair may have come to be wanted or not. */
  revision = 0
  /** Venue time of what is read, epoch ms, and when it came: doubles are not boxed here. */
  readonly time = new Float64Array(2)
  /** Nanoseconds below the venue time. */
  nanos = 0
  /** {@link TICKER_FIELDS} of what is read; NaN for those that are absent. */
  readonly numbers = new Float64Array(TICKER_FIELDS.length)
  readonly #context: ConnectionContext
  readonly #source: string
  readonly #depth: number
  readonly #pairs = new Map<string, Pair>()
  readonly #facts = new Map<string, PairFacts>()
  readonly #candles: Candles
  #interest = Number.NaN
  #told = new Set<string>()

  constructor(context: ConnectionContext, depth: number) {
    this.#context = context
    this.#source = context.source
    this.#depth = depth
    const { clock, signal } = context
    this.#candles = new Candles(clock, bar => context.emit([bar], bar.receivedAt), signal, {
      lengthOf: interval => INTERVALS[interval]! * 60_000,
    })
  }

  /** To be called before each frame. */
  refresh(): void {
    const { revision } = this.#context.interest
    if (revision === this.#interest) return
    this.#interest = revision
    this.revision++
    for (const pair of this.#pairs.values()) {
      pair.mask = this.#context.interest.mask(pair.symbol)
      if ((pair.mask & TRADE) === 0) pair.lastTrade = undefined
      if ((pair.mask & BOOK) === 0) pair.book = undefined
      if (pair.mask === 0) this.#pairs.delete(pair.symbol)
    }
  }

  /** A pair; `undefined` when nobody wants anything of it. */
  pair(symbol: string): Pair | undefined {
    const known = this.#pairs.get(symbol)
    if (known) return known
    const mask = this.#context.interest.mask(symbol)
    if (mask === 0 || this.#pairs.size >= MOST_PAIRS) return undefined
    const precision = this.#facts.get(symbol)?.precision
    const none = undefined
    const pair = { symbol, mask, lastTrade: none, book: none, awaitedAt: none, precision }
    this.#pairs.set(symbol, pair)
    return pair
  }

  trade(
    pair: Pair,
    price: number,
    size: number,
    id: number,
    side: Side,
    orderType: string | undefined,
  ): Trade {
    return new Trade(
      pair.symbol,
      this.#source,
      this.time[0]!,
      this.nanos,
      this.time[1]!,
      0,
      price,
      size,
      id,
      undefined,
      conditionsOf(orderType),
      undefined,
      side,
    )
  }

  /** Gives a trade on; one whose number does not follow the last says so first. */
  takeTrade(pair: Pair, trade: Trade, inbox: Inbox): void {
    const id = trade.id as number
    const last = pair.lastTrade
    if (last !== undefined && id > last + 1) {
      const { symbol } = pair
      const missing =
        id === last + 2 ? `trade ${last + 1} is` : `trades ${last + 1} to ${id - 1} are`
      const reason = `${missing} missing`
      this.#context.control({
        type: 'broken',
        covers: topic => topic.kind === 'trade' && topic.symbol === symbol,
        reason,
      })
    }
    if (last === undefined || id > last) pair.lastTrade = id
    inbox.event(trade)
  }

  /** A ticker, from `numbers`: also as a quote where that is wanted. */
  takeTicker(pair: Pair, inbox: Inbox): void {
    const { mask } = pair
    if (mask & QUOTE) inbox.event(this.#quote(pair))
    if (mask & TICKER) inbox.event(this.#ticker(pair))
  }

  // Each event in a function of its own: so the constructor is compiled into it.

  #quote({ symbol }: Pair): Quote {
    const { numbers, time } = this
    const bid = price(numbers[0]!)
    const ask = price(numbers[2]!)
    return new Quote(
      symbol,
      this.#source,
      time[0]!,
      this.nanos,
      time[1]!,
      0,
      bid,
      bid === undefined ? undefined : number(numbers[1]!),
      ask,
      ask === undefined ? undefined : number(numbers[3]!),
      undefined,
      undefined,
      undefined,
      undefined,
    )
  }

  #ticker({ symbol }: Pair): Ticker {
    const { numbers, time } = this
    const bid = price(numbers[0]!)
    const ask = price(numbers[2]!)
    return new Ticker(
      symbol,
      this.#source,
      time[0]!,
      this.nanos,
      time[1]!,
      0,
      price(numbers[4]!),
      undefined,
      undefined,
      undefined,
      price(numbers[8]!),
      price(numbers[7]!),
      undefined,
      number(numbers[9]!),
      number(numbers[10]!),
      number(numbers[5]!),
      price(numbers[6]!),
      bid,
      ask,
      bid === undefined ? undefined : number(numbers[1]!),
      ask === undefined ? undefined : number(numbers[3]!),
      undefined,
      undefined,
      undefined,
      undefined,
    )
  }

  candle(
    pair: Pair,
    interval: Interval,
    prices: readonly [open: number, high: number, low: number, close: number],
    volume: number,
    vwap: number | undefined,
    trades: number | undefined,
  ): Bar {
    return new Bar(
      pair.symbol,
      this.#source,
      this.time[0]!,
      this.nanos,
      this.time[1]!,
      0,
      interval,
      ...prices,
      volume,
      vwap || undefined,
      trades,
      false,
      0,
      undefined,
    )
  }

  takeCandle(bar: Bar, inbox: Inbox): void {
    this.#candles.take(bar, done => inbox.event(done))
  }

  takeBook(
    pair: Pair,
    snapshot: boolean,
    bids: Levels,
    asks: Levels,
    checksum: number,
    inbox: Inbox,
  ): void {
    const { symbol } = pair
    pair.book ??= new KrakenBook(this.#depth)
    const { book } = pair
    const { doubted } = book
    const state = book.apply(snapshot, bids, asks, checksum)
    if (book.doubted && !doubted) inbox.event(this.#unverified(symbol))
    if (state === 'early') {
      this.#await(pair, inbox)
      return
    }
    pair.awaitedAt = state === 'broken' ? this.time[1]! : undefined
    if (state === 'broken') {
      inbox.control(brokenBook(symbol, 'the checksum does not fit'))
      return
    }
    inbox.event(
      new Book(
        symbol,
        this.#source,
        this.time[0]!,
        this.nanos,
        this.time[1]!,
        0,
        bids.list(book.cutBids),
        asks.list(book.cutAsks),
        snapshot,
        undefined,
        state === 'verified' ? checksum : undefined,
      ),
    )
  }

  /** A change between a break and the next snapshot is of no use; one that has not come for long may have been lost. */
  #await(pair: Pair, inbox: Inbox): void {
    const now = this.time[1]!
    pair.awaitedAt ??= now
    if (now - pair.awaitedAt < PATIENCE_MS) return
    pair.awaitedAt = now
    inbox.control(brokenBook(pair.symbol, 'no snapshot has come'))
  }

  #unverified(symbol: string): Notice {
    const what = 'its checksums never fit, not even those of snapshots; it goes on unverified'
    const [time, receivedAt] = [this.time[0]!, this.time[1]!]
    const [source, none] = [this.#source, undefined]
    const message = `${symbol} (book): ${what}`
    this.#context.log.warn({ symbol }, message)
    return new Notice(
      ...([symbol, source, time, this.nanos, receivedAt, 0, 'unverified', message] as const),
      ...([none, 'book', none, none, none] as const),
    )
  }

  /** A message of its book could not be read. */
  spoilBook(pair: Pair, reason: string, inbox: Inbox): void {
    if (!pair.book?.synced) return
    pair.book.clear()
    inbox.control(brokenBook(pair.symbol, reason))
  }

  /** Pairs of the instrument channel: all in a snapshot, else those that have changed. */
  takeFacts(list: readonly PairFacts[], snapshot: boolean, receivedAt: number, inbox: Inbox): void {
    for (const facts of list) {
      const { symbol, status, precision } = facts
      const before = this.#facts.get(symbol)
      if (!before && this.#facts.size >= MOST_PAIRS) continue
      this.#facts.set(symbol, facts)
      const pair = this.pair(symbol)
      if (!pair) continue
      pair.precision = precision
      if ((pair.mask & STATUS) === 0 || before?.status === status) continue
      const [time, none] = [Math.floor(receivedAt), undefined]
      const { source } = this.#context
      inbox.event(
        new Status(symbol, source, time, 0, receivedAt, 0, status, none, none, none, none),
      )
    }
    if (snapshot) this.answerStatus(inbox)
  }

  /** The channel takes no symbols and refuses none: who wants the status of a pair is answered by what pairs there are. */
  answerStatus(inbox: Pick<Inbox, 'control'>): void {
    if (this.#facts.size === 0) return
    const isStatus = coversStream('instrument', undefined, undefined)
    inbox.control({
      type: 'confirmed',
      covers: topic => isStatus(topic) && this.#facts.has(topic.symbol),
    })
    // Where nobody wants it, nobody is told.
    inbox.control({
      type: 'refused',
      error: unknownPair('Kraken has no such pair'),
      covers: topic => isStatus(topic) && !this.#facts.has(topic.symbol),
    })
  }

  /**
   * A stream of a pair has ended: what was remembered of it is of before. That it has begun changes nothing: its snapshot may
   * have come ahead of the answer.
   */
  ended(
    channel: string | undefined,
    symbol: string | undefined,
    interval: Interval | undefined,
  ): void {
    if (channel === 'instrument') this.#facts.clear()
    if (symbol === undefined) return
    const pair = this.#pairs.get(symbol)
    if (channel === 'trade' && pair) pair.lastTrade = undefined
    if (channel === 'book') pair?.book?.clear()
    if (channel === 'ohlc' && interval) this.#candles.drop(symbol, interval)
  }

  /** Tells something of the venue once. */
  tell(level: 'info' | 'warn', text: string): void {
    if (this.#told.has(text) || this.#told.size >= 100) return
    this.#told.add(text)
    this.#context.log[level]({ source: this.#context.source }, text)
  }
}

/** NaN is none. */
const number = (value: number) => (Number.isNaN(value) ? undefined : value)
/** Nor is 0 a price. */
const price = (value: number) => (value > 0 ? value : undefined)

function brokenBook(symbol: string, reason: string) {
  return { type: 'broken', covers: coversStream('book', symbol, undefined), reason } as const
}
