import { Book, Flag, type Level, type Side } from '../market/events.ts'
import { BookSide } from './book-side.ts'

/**
 * Why a book is not whole: `no-snapshot` none has come yet · `gap` something was lost before it came here ·
 * `sequence` the venue's numbers skip or run back · `checksum` the venue's does not hold · `crossed` the best bid is not
 * below the best ask · `bad-level` a price that is none, or a size below 0 or no number.
 */
export type UnsyncedReason =
  | 'no-snapshot'
  | 'gap'
  | 'sequence'
  | 'checksum'
  | 'crossed'
  | 'bad-level'

/** Why a book is empty, and since when. */
export interface Unsynced {
  readonly reason: UnsyncedReason
  /** One sentence for a person. */
  readonly message: string
}

export interface OrderBookOptions {
  /**
   * What the venue's update numbers promise: `contiguous` each is one above the last · `rising` none is below the last.
   * Updates without a number are taken as they come; a snapshot may have any.
   * @default 'rising'
   */
  readonly sequence?: 'contiguous' | 'rising'
  /**
   * Whether the best bid may reach the best ask, as in a book merged from several exchanges. On one venue orders that
   * meet have traded, so there it means that something was lost.
   * @default false
   */
  readonly mayCross?: boolean
  /**
   * Works out the venue's checksum of the book as it stands; compared where an update carries one. Where the venue sums
   * the digits it sent (Kraken), only its decoder can, and this is left out.
   * @default checksums are not looked at
   */
  readonly checksum?: (book: OrderBookView) => number
}

/** A level, and what stands at it and all better ones: `[price, size, total]`. */
export type CumulativeLevel = readonly [price: number, size: number, total: number]

/** What filling an order of some size at once would take, by the book as it stands. */
export interface Fill {
  /** Units the book can fill. */
  readonly filled: number
  /** Units it cannot: it is not that deep. 0 when it fills the whole order. */
  readonly missing: number
  /** Price times size over all of `filled`. */
  readonly notional: number
  /** Of `filled`; `undefined` when that is 0. */
  readonly averagePrice: number | undefined
  /** The last price touched; `undefined` when `filled` is 0. */
  readonly worstPrice: number | undefined
}

/** What has to be taken so that the best price becomes the one asked about, or a worse one. */
export interface Move {
  /** Units that stand at better prices. */
  readonly size: number
  readonly notional: number
  /** False when the book as known ends before that price: it takes at least this much. */
  readonly isComplete: boolean
}

/** An order book to read. Everything is synchronous, so what is read together belongs together. */
export interface OrderBookView {
  readonly symbol: string
  readonly source: string
  /** Whether it is whole. While it is not, it is empty. */
  readonly synced: boolean
  /** Why it is not; `undefined` while it is. */
  readonly unsynced: Unsynced | undefined
  /** Venue time of the last update, epoch ms; `undefined` before the first. */
  readonly timestamp: number | undefined
  /** Our clock when the last update came, epoch ms; `undefined` before the first. */
  readonly receivedAt: number | undefined
  /** The venue's number of the last update, where it has numbers. */
  readonly sequence: number | undefined
  /**
   * The venue's checksum of the book as it stands, found to be right; `undefined` where the venue has none, or its own do not
   * fit (an `unverified` notice says so).
   */
  readonly checksum: number | undefined
  /** Rises with every change: equal versions, equal books. */
  readonly version: number
  /** `[price, size]`; `undefined` when nobody bids. */
  readonly bestBid: Level | undefined
  readonly bestAsk: Level | undefined
  /** Best ask less best bid; `undefined` when a side is empty, as are the two prices below. */
  readonly spread: number | undefined
  /** The middle of the best prices. */
  readonly mid: number | undefined
  /** The best prices, each weighted by what stands at the other: nearer to the side that is about to give way. */
  readonly microprice: number | undefined
  /** How many levels a side has. */
  readonly bidCount: number
  readonly askCount: number
  /** The best `count` levels, best first. Wherever levels are counted, a fraction is cut and less than none is none. @default all @throws RangeError for NaN */
  bids(count?: number): Level[]
  asks(count?: number): Level[]
  /** The best `count` levels with running totals, best first. @default all */
  cumulative(side: 'bids' | 'asks', count?: number): CumulativeLevel[]
  /**
   * (bids − asks) / (bids + asks) by the sizes of the best `count` levels: 1 only bids, −1 only asks, `undefined` when
   * both are empty. @default 1
   */
  imbalance(count?: number): number | undefined
  /** What an order of `size` would take at once: `buy` takes asks, `sell` bids. @throws RangeError for a size not above 0, or infinite */
  costOf(side: Side, size: number): Fill
  /** What it takes to move the best ask up to `price` (`buy`), or the best bid down to it (`sell`). @throws RangeError for a price that is no finite number */
  costToMove(side: Side, price: number): Move
  /**
   * For hot loops: writes price, size, price, size … of the best levels into an array of yours, best first, and returns
   * how many levels it wrote: at most `count`, and half the array's length. Allocates nothing.
   */
  readBids(into: Float64Array, count?: number): number
  readAsks(into: Float64Array, count?: number): number
  /**
   * The whole book as one event, marked `conflated`; `undefined` while it is not whole. Its times are those of the last
   * update, unless it is said when it was received.
   */
  snapshot(receivedAt?: number): Book | undefined
}

const NONE: Unsynced = { reason: 'no-snapshot', message: 'no snapshot has come yet' }
/** Marks that a snapshot keeps: they say what kind of data it is, not how the last update came. */
const LASTING = Flag.simulated | Flag.replayed | Flag.delayed | Flag.polled

/**
 * The order book of one (source, symbol), from snapshots and deltas. An update is looked at whole before anything
 * changes. One that cannot follow on what is there clears the book: it is `unsynced`, with the reason, and takes no
 * delta until the next snapshot. Of a price that stands twice in one update the later one counts; a size of −0 removes
 * as 0 does, and removing what is not there is no error.
 */
export class OrderBook implements OrderBookView {
  readonly symbol: string
  readonly source: string
  readonly #bids = new BookSide('bids')
  readonly #asks = new BookSide('asks')
  readonly #contiguous: boolean
  readonly #mayCross: boolean
  readonly #checksum: ((book: OrderBookView) => number) | undefined
  #unsynced: Unsynced | undefined = NONE
  /** The last update: its times are asked for rarely, and copying them would cost an allocation each. */
  #last: Book | undefined
  #sequence: number | undefined
  #version = 0

  constructor(symbol: string, source: string, options: OrderBookOptions = {}) {
    this.symbol = symbol
    this.source = source
    this.#contiguous = options.sequence === 'contiguous'
    this.#mayCross = options.mayCross ?? false
    this.#checksum = options.checksum
  }

  /** Takes an update of this book; returns whether the book is whole behind it. */
  apply(event: Book): boolean {
    const { bids, asks, snapshot, sequence } = event
    if (!snapshot && this.#unsynced !== undefined) return false
    if (!(isSound(bids) && isSound(asks))) {
      return this.#break('bad-level', 'an update holds a price or size that cannot be', event)
    }
    if (snapshot) {
      this.#bids.fill(bids)
      this.#asks.fill(asks)
      this.#unsynced = undefined
      this.#sequence = sequence
    } else {
      if (sequence !== undefined && this.#sequence !== undefined) {
        // Said twice: everything in it is there already.
        if (this.#contiguous && sequence === this.#sequence) return true
        const fits = this.#contiguous ? sequence === this.#sequence + 1 : sequence >= this.#sequence
        if (!fits) {
          const message = `update ${sequence} came behind ${this.#sequence}`
          return this.#break('sequence', message, event)
        }
      }
      if (sequence !== undefined) this.#sequence = sequence
      this.#bids.apply(bids)
      this.#asks.apply(asks)
    }
    this.#last = event
    this.#version++
    // Nobody can look before this returns, so a book that turns out wrong has never been seen.
    if (!this.#mayCross && this.#isCrossed()) {
      const [bid, ask] = [this.#bids.price(0), this.#asks.price(0)]
      return this.#break('crossed', `the best bid ${bid} is not below the best ask ${ask}`, event)
    }
    if (this.#checksum && event.checksum !== undefined) {
      const own = this.#checksum(this)
      if (own !== event.checksum) {
        const message = `the venue's checksum is ${event.checksum}, that of the book ${own}`
        return this.#break('checksum', message, event)
      }
    }
    return true
  }

  /** Says that the book cannot be relied on any more: it is empty until the next snapshot. */
  break(reason: UnsyncedReason, message: string): void {
    this.#bids.clear()
    this.#asks.clear()
    this.#unsynced = { reason, message }
    this.#version++
  }

  get synced(): boolean {
    return this.#unsynced === undefined
  }

  get unsynced(): Unsynced | undefined {
    return this.#unsynced
  }

  get timestamp(): number | undefined {
    return this.#last?.timestamp
  }

  get receivedAt(): number | undefined {
    return this.#last?.receivedAt
  }

  get sequence(): number | undefined {
    return this.#sequence
  }

  get checksum(): number | undefined {
    return this.#unsynced === undefined ? this.#last?.checksum : undefined
  }

  get version(): number {
    return this.#version
  }

  get bestBid(): Level | undefined {
    return this.#bids.length > 0 ? [this.#bids.price(0), this.#bids.size(0)] : undefined
  }

  get bestAsk(): Level | undefined {
    return this.#asks.length > 0 ? [this.#asks.price(0), this.#asks.size(0)] : undefined
  }

  get spread(): number | undefined {
    return this.#hasBoth ? this.#asks.price(0) - this.#bids.price(0) : undefined
  }

  get mid(): number | undefined {
    return this.#hasBoth ? (this.#asks.price(0) + this.#bids.price(0)) / 2 : undefined
  }

  get microprice(): number | undefined {
    if (!this.#hasBoth) return undefined
    const [bid, ask] = [this.#bids, this.#asks]
    const share = bid.size(0) / (bid.size(0) + ask.size(0))
    return bid.price(0) + (ask.price(0) - bid.price(0)) * share
  }

  get bidCount(): number {
    return this.#bids.length
  }

  get askCount(): number {
    return this.#asks.length
  }

  bids(count = Number.POSITIVE_INFINITY): Level[] {
    return this.#bids.levels(count)
  }

  asks(count = Number.POSITIVE_INFINITY): Level[] {
    return this.#asks.levels(count)
  }

  cumulative(side: 'bids' | 'asks', count = Number.POSITIVE_INFINITY): CumulativeLevel[] {
    let total = 0
    return this[side](count).map(([price, size]) => [price, size, (total += size)] as const)
  }

  imbalance(count = 1): number | undefined {
    const [bids, asks] = [this.#bids.sum(count), this.#asks.sum(count)]
    return bids + asks > 0 ? (bids - asks) / (bids + asks) : undefined
  }

  costOf(side: Side, size: number): Fill {
    if (!(size > 0 && size < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`a size is finite and above 0, not ${size}`)
    }
    const levels = side === 'buy' ? this.#asks : this.#bids
    let [missing, notional] = [size, 0]
    let worstPrice: number | undefined
    for (let i = 0; i < levels.length && missing > 0; i++) {
      const taken = Math.min(missing, levels.size(i))
      worstPrice = levels.price(i)
      notional += taken * worstPrice
      missing -= taken
    }
    const filled = size - missing
    const averagePrice = filled > 0 ? notional / filled : undefined
    return { filled, missing, notional, averagePrice, worstPrice }
  }

  costToMove(side: Side, price: number): Move {
    if (!Number.isFinite(price)) throw new RangeError(`a price is a finite number, not ${price}`)
    const [levels, sign] = side === 'buy' ? [this.#asks, 1] : [this.#bids, -1]
    let [size, notional, i] = [0, 0, 0]
    for (; i < levels.length && levels.price(i) * sign < price * sign; i++) {
      size += levels.size(i)
      notional += levels.size(i) * levels.price(i)
    }
    return { size, notional, isComplete: i < levels.length }
  }

  readBids(into: Float64Array, count = Number.POSITIVE_INFINITY): number {
    return this.#bids.read(into, count)
  }

  readAsks(into: Float64Array, count = Number.POSITIVE_INFINITY): number {
    return this.#asks.read(into, count)
  }

  snapshot(receivedAt?: number): Book | undefined {
    const last = this.#last
    if (this.#unsynced !== undefined || last === undefined) return undefined
    return new Book(
      this.symbol,
      this.source,
      last.timestamp,
      last.nanos,
      receivedAt ?? last.receivedAt,
      (last.flags & LASTING) | Flag.conflated,
      this.bids(),
      this.asks(),
      true,
      this.#sequence,
      undefined,
    )
  }

  get #hasBoth(): boolean {
    return this.#bids.length > 0 && this.#asks.length > 0
  }

  #isCrossed(): boolean {
    return this.#hasBoth && this.#bids.price(0) >= this.#asks.price(0)
  }

  #break(reason: UnsyncedReason, message: string, event: Book): false {
    this.break(reason, message)
    this.#last = event
    return false
  }
}

/** Prices that are numbers, sizes of 0 and above. */
function isSound(levels: readonly Level[]): boolean {
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i]!
    if (!(Number.isFinite(level[0]) && level[1] >= 0 && level[1] < Number.POSITIVE_INFINITY)) {
      return false
    }
  }
  return true
}
