/**
 * What Coinbase's messages mean, whichever way they were read, and what has to be remembered of one connection for that.
 * https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
 *
 * 1. Each frame of a connection has the next number, whatever is in it. One that is missing may have been of any book: all
 *    are asked for anew, and trades are filled from history. One that comes late or twice is passed over. (The overview
 *    says that numbers are per product; the interface description, and what was seen, that they are per connection. Where
 *    they go back again and again while time goes on, the overview is right, and they are of no use.)
 * 2. The side of a trade is its maker's, so the taker's is the other. Trades come newest first, their ids have no gaps.
 * 3. A channel begins with a snapshot. That of trades and candles is of the past and is not told; of trades it says which
 *    id comes next. One that comes later holds what has not been told yet.
 * 4. A book's snapshot is all of it; quantities are absolute, 0 removes. Times of a snapshot stand at 1970: there are none.
 * 5. Quotes are the best of the book, and marked as worked out here.
 */

import { OrderBook } from '../../derive/order-book.ts'
import { Candles } from '../../feed/candles.ts'
import type { ConnectionContext, Control, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import { Bar, Book, Flag, type Level, Notice, Quote, Ticker, Trade } from '../../market/events.ts'
import type { Moment } from '../../market/time.ts'
import type { Topic } from '../../market/topics.ts'
import { CANDLE, CANDLE_MS, streamOf } from './channels.ts'
import { symbolsOf } from './symbols.ts'

/** A pair somebody wants something of. */
interface Pair {
  readonly symbol: string
  /** Bits of `KIND_BIT`. */
  mask: number
  /** Those of books and quotes that have had a snapshot: whoever comes later to a book that is held waits for the next. */
  begun: number
  /** For quotes. */
  book: OrderBook | undefined
  bid: number | undefined
  bidSize: number | undefined
  ask: number | undefined
  askSize: number | undefined
}

/** A market of the venue, and the pairs it is for. */
export interface Product {
  readonly id: string
  readonly pairs: readonly Pair[]
  /** Bits of `KIND_BIT`, of all pairs. */
  mask: number
  /** The last id of its trades; `undefined` before the first. */
  lastTrade: number | undefined
  /** Since when changes of its book come without the snapshot they need, our clock; moves on when one is asked for. */
  orphanedAt: number | undefined
}

export interface TradeRecord extends Moment {
  readonly id: number
  readonly price: number
  readonly size: number
  /** As sent: of the maker. */
  readonly makerBuys: boolean
}

export interface TickerRecord {
  readonly price: number
  readonly volume: number
  readonly low: number
  readonly high: number
  readonly changePercent: number | undefined
  readonly bid: number | undefined
  readonly bidSize: number | undefined
  readonly ask: number | undefined
  readonly askSize: number | undefined
}

export interface CandleRecord {
  /** Seconds. */
  readonly start: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
}

const LEVELS = KIND_BIT.book | KIND_BIT.quote
/** So often may numbers begin anew on one connection before they are no longer looked at. */
const MOST_RESTARTS = 3
/** A snapshot that has not come for so long, while changes do, is asked for once more, ms. */
const PATIENCE_MS = 5_000
/** More products than the venue has are not remembered. */
const MOST_PRODUCTS = 20_000

/** The state of one connection. */
export class Market {
  /** Rises whenever a product may have come to be wanted or not. */
  revision = 0
  readonly #context: ConnectionContext
  readonly #products = new Map<string, Product>()
  readonly #candles: Candles
  #interest = Number.NaN
  /** Number of the last frame; −1 before the first. */
  #sequence = -1
  /** How often numbers have begun anew. */
  #restarts = 0
  /** When the frame was sent, epoch ms, and when it came: doubles are not boxed here. */
  readonly #time = new Float64Array(2)
  /** Nanoseconds below the time of sending. */
  #nanos = 0

  constructor(context: ConnectionContext) {
    this.#context = context
    const { clock, signal } = context
    this.#candles = new Candles(clock, bar => context.emit([bar], bar.receivedAt), signal, {
      ...{ lengthOf: () => CANDLE_MS, repeats: true },
    })
  }

  /** To be called before each frame. */
  refresh(): void {
    const { interest } = this.#context
    if (interest.revision === this.#interest) return
    this.#interest = interest.revision
    this.revision++
    for (const product of this.#products.values()) this.#look(product)
  }

  /** A product as named in a message; its mask is 0 when nobody wants anything of it. */
  product(id: string): Product {
    const known = this.#products.get(id)
    if (known) return known
    const pairs = symbolsOf(id).map(
      (symbol): Pair => ({
        ...{ symbol, mask: 0, begun: 0, book: undefined },
        ...{ bid: undefined, bidSize: undefined, ask: undefined, askSize: undefined },
      }),
    )
    const none = undefined
    const state = { mask: 0, lastTrade: none, orphanedAt: none }
    const product: Product = { id, pairs, ...state }
    this.#look(product)
    if (product.mask !== 0 && this.#products.size < MOST_PRODUCTS) this.#products.set(id, product)
    return product
  }

  /**
   * A frame begins, sent at `timestamp`; false when it is to be passed over. Its times and number count for what is taken
   * until the next.
   */
  begin(sequence: number, timestamp: number, nanos: number, receivedAt: number): boolean {
    const last = this.#sequence
    const isLater =
      timestamp > this.#time[0]! || (timestamp === this.#time[0] && nanos > this.#nanos)
    const counts = this.#restarts < MOST_RESTARTS
    if (counts && sequence <= last && !isLater) return false
    this.#sequence = sequence
    this.#time[0] = timestamp
    this.#time[1] = receivedAt
    this.#nanos = nanos
    if (!counts) return true
    if (sequence <= last) this.#restart()
    else if (last >= 0 && sequence > last + 1) {
      const [from, to] = [last + 1, sequence - 1]
      this.#lose(from === to ? `frame ${from} is missing` : `frames ${from} to ${to} are missing`)
    }
    return true
  }

  /** Trades of one event, in any order. */
  takeTrades(product: Product, snapshot: boolean, records: TradeRecord[], inbox: Inbox): void {
    if (records.length > 1) records.sort((a, b) => a.id - b.id)
    if (snapshot && product.lastTrade === undefined) {
      product.lastTrade = records.at(-1)?.id
      return
    }
    for (const record of records) {
      const { id } = record
      const { lastTrade } = product
      if (lastTrade !== undefined && id <= lastTrade) continue
      if (lastTrade !== undefined && id > lastTrade + 1)
        this.#missing(product, lastTrade + 1, id - 1)
      product.lastTrade = id
      for (const pair of product.pairs) {
        if (pair.mask & KIND_BIT.trade) inbox.event(this.#trade(pair.symbol, record))
      }
    }
  }

  takeLevels(
    product: Product,
    snapshot: boolean,
    { timestamp, nanos }: Moment,
    bids: readonly Level[],
    asks: readonly Level[],
    inbox: Inbox,
  ): void {
    if (snapshot) {
      product.orphanedAt = undefined
      for (const pair of product.pairs) pair.begun = pair.mask & LEVELS
    } else if (!hasBegun(product)) {
      this.#await(product, inbox)
      return
    }
    // Of a snapshot: it says 1970.
    const isTimed = timestamp > 0
    for (const pair of product.pairs) {
      if (pair.begun === 0) continue
      const book = new Book(
        pair.symbol,
        this.#context.source,
        isTimed ? timestamp : this.#time[0]!,
        isTimed ? nanos : this.#nanos,
        this.#time[1]!,
        0,
        bids,
        asks,
        snapshot,
        this.#sequence,
        undefined,
      )
      if (pair.begun & KIND_BIT.book) inbox.event(book)
      if (pair.begun & KIND_BIT.quote) this.#quote(pair, book, inbox)
    }
  }

  takeTicker(product: Product, fields: TickerRecord, inbox: Inbox): void {
    const [sent, receivedAt] = [this.#time[0]!, this.#time[1]!]
    for (const { symbol, mask } of product.pairs) {
      if ((mask & KIND_BIT.ticker) === 0) continue
      const { source } = this.#context
      inbox.event(tickerOf(symbol, source, sent, this.#nanos, receivedAt, fields))
    }
  }

  /** Candles of one event, all of one product. */
  takeCandles(product: Product, snapshot: boolean, records: CandleRecord[], inbox: Inbox): void {
    if (records.length > 1) records.sort((a, b) => a.start - b.start)
    for (const record of snapshot ? records.slice(-1) : records) {
      for (const { symbol, mask } of product.pairs) {
        if ((mask & KIND_BIT.bar) === 0) continue
        this.#candles.take(this.#bar(symbol, record), bar => inbox.event(bar))
      }
    }
  }

  /** A message of its book could not be read. */
  spoilBook(product: Product, inbox: Inbox): void {
    if (!hasBegun(product)) return
    this.#unsync(product)
    inbox.control(brokenBook(product, 'an update could not be read'))
  }

  /** A change between a loss and the next snapshot is of no use; a snapshot that has not come for long may have been lost. */
  #await(product: Product, inbox: Inbox): void {
    if ((product.mask & LEVELS) === 0) return
    const now = this.#time[1]!
    product.orphanedAt ??= now
    if (now - product.orphanedAt < PATIENCE_MS) return
    product.orphanedAt = now
    inbox.control(brokenBook(product, 'no snapshot has come'))
  }

  /** The number of a frame that was sent later than the last one is not above that one's. */
  #restart(): void {
    this.#restarts++
    this.#lose('the numbers of frames have begun anew')
    if (this.#restarts < MOST_RESTARTS) return
    const message = 'the numbers of frames do not count a connection; books go on unverified'
    const { source, log } = this.#context
    const [time, receivedAt, none] = [this.#time[0]!, this.#time[1]!, undefined]
    log.warn({ source }, message)
    const notice = new Notice(
      ...([none, source, time, this.#nanos, receivedAt, 0, 'unverified', message] as const),
      ...([none, 'book', none, none, none] as const),
    )
    this.#context.emit([notice], receivedAt)
  }

  /** Something was lost, and nobody knows of what. */
  #lose(reason: string): void {
    for (const product of this.#products.values()) {
      this.#unsync(product)
      // The hole is told of: what comes next need not follow.
      product.lastTrade = undefined
    }
    this.#context.control({ type: 'broken', covers: () => true, reason })
  }

  #look(product: Product): void {
    const { interest } = this.#context
    product.mask = 0
    for (const pair of product.pairs) {
      pair.mask = interest.mask(pair.symbol)
      pair.begun &= pair.mask
      product.mask |= pair.mask
      if ((pair.mask & KIND_BIT.quote) === 0) pair.book = undefined
      if ((pair.mask & KIND_BIT.bar) === 0) this.#candles.drop(pair.symbol, CANDLE)
    }
    if ((product.mask & KIND_BIT.trade) === 0) product.lastTrade = undefined
    if ((product.mask & LEVELS) === 0) this.#unsync(product)
  }

  #unsync(product: Product): void {
    product.orphanedAt = undefined
    for (const pair of product.pairs) {
      pair.begun = 0
      pair.book?.break('gap', 'something was lost')
    }
  }

  #quote(pair: Pair, event: Book, inbox: Inbox): void {
    pair.book ??= new OrderBook(pair.symbol, event.source)
    const { book } = pair
    const was = book.synced
    if (!book.apply(event)) {
      if (!was) return
      const { symbol } = pair
      const covers = (topic: Topic) => topic.kind === 'quote' && topic.symbol === symbol
      inbox.control({ type: 'broken', covers, reason: book.unsynced!.message })
      return
    }
    const [bid, bidSize] = book.bestBid ?? []
    const [ask, askSize] = book.bestAsk ?? []
    const isSame =
      bid === pair.bid && bidSize === pair.bidSize && ask === pair.ask && askSize === pair.askSize
    if (isSame && was) return
    Object.assign(pair, { bid, bidSize, ask, askSize })
    const { symbol, source, timestamp, nanos, receivedAt } = event
    const none = undefined
    inbox.event(
      new Quote(
        ...([symbol, source, timestamp, nanos, receivedAt, Flag.derived] as const),
        ...([bid, bidSize, ask, askSize, none, none, none, none] as const),
      ),
    )
  }

  #trade(symbol: string, { id, price, size, makerBuys, timestamp, nanos }: TradeRecord): Trade {
    const none = undefined
    return new Trade(
      symbol,
      this.#context.source,
      timestamp,
      nanos,
      this.#time[1]!,
      0,
      price,
      size,
      id,
      none,
      none,
      none,
      makerBuys ? 'sell' : 'buy',
    )
  }

  #bar(symbol: string, { start, open, high, low, close, volume }: CandleRecord): Bar {
    const none = undefined
    return new Bar(
      ...([symbol, this.#context.source, start * 1_000, 0, this.#time[1]!, 0, '5m'] as const),
      ...([open, high, low, close, volume, none, none, false, 0, none] as const),
    )
  }

  #missing(product: Product, from: number, to: number): void {
    const stream = `market_trades ${product.id}`
    const covers = (topic: Topic) => streamOf(topic) === stream
    const reason = from === to ? `trade ${from} is missing` : `trades ${from} to ${to} are missing`
    this.#context.control({ type: 'broken', covers, reason })
  }
}

/** Whether a snapshot of its book has come, and nothing been lost since. */
const hasBegun = ({ pairs }: Product) => pairs.some(({ begun }) => begun !== 0)

function brokenBook({ id }: Product, reason: string): Control {
  const stream = `level2 ${id}`
  return { type: 'broken', covers: topic => streamOf(topic) === stream, reason }
}

/** A ticker, of the stream or of REST. A price of 0 means that there is none. */
export function tickerOf(
  symbol: string,
  source: string,
  timestamp: number,
  nanos: number,
  receivedAt: number,
  fields: TickerRecord,
): Ticker {
  const { price, volume, low, high, changePercent, bid, bidSize, ask, askSize } = fields
  const none = undefined
  return new Ticker(
    ...([symbol, source, timestamp, nanos, receivedAt, 0, price || none, none, none] as const),
    ...([none, high || none, low || none, none, none, changePercent, volume, none] as const),
    ...([bid || none, ask || none, bid ? bidSize : none, ask ? askSize : none] as const),
    ...([none, none, none, none] as const),
  )
}
