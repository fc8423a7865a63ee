/**
 * A book as the venue wants it kept. https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
 *
 * 1. Every level of a message is applied, in its order; the same price may come twice. A size of 0 removes, also what is
 *    not there.
 * 2. Then each side is cut to the depth subscribed: the venue sends no removal for what has fallen out of it. Readers know
 *    of no depth, so they are given one.
 * 3. There are no numbers: the checksum, of every message, is all that tells of a loss.
 */
import type { Level } from '../../market/events.ts'
import { CHECKED_LEVELS, CRC_START, crcBehind, DigitsCrc } from './checksum.ts'

/** Decimals of a pair, for numbers that are written with an exponent. */
export interface Precision {
  readonly price: number
  readonly size: number
}

/** The levels of one side of a message. */
export class Levels {
  count = 0
  prices = new Float64Array(64)
  sizes = new Float64Array(64)
  /** Of the digits of each. */
  crcs = new Int32Array(64)
  /** How many digits; 0 when they cannot be told. */
  lengths = new Uint8Array(64)
  readonly #digits = new DigitsCrc()

  /** Adds a level whose numbers are written in `text`; `precision` helps with exponents. */
  add(
    price: number,
    size: number,
    text: Uint8Array,
    priceAt: number,
    priceEnd: number,
    sizeAt: number,
    sizeEnd: number,
    precision: Precision | undefined,
  ): void {
    if (this.count === this.prices.length) this.#grow()
    const i = this.count++
    this.prices[i] = price
    this.sizes[i] = size
    const digits = this.#digits
    digits.clear()
    const isKnown =
      (digits.take(text, priceAt, priceEnd) || this.#takeFixed(price, precision?.price)) &&
      (digits.take(text, sizeAt, sizeEnd) || this.#takeFixed(size, precision?.size))
    this.crcs[i] = digits.crc
    this.lengths[i] = isKnown ? digits.length : 0
  }

  /** As levels of an event, those of `more` behind them. */
  list(more: readonly Level[]): Level[] {
    const list: Level[] = []
    for (let i = 0; i < this.count; i++) list.push([this.prices[i]!, this.sizes[i]!])
    for (const level of more) list.push(level)
    return list
  }

  #takeFixed(value: number, decimals: number | undefined): boolean {
    if (decimals === undefined) return false
    const text = new TextEncoder().encode(value.toFixed(decimals))
    return this.#digits.take(text, 0, text.length)
  }

  #grow(): void {
    const length = this.prices.length * 2
    const grown = <A extends Float64Array | Int32Array | Uint8Array>(next: A, old: A) => {
      next.set(old)
      return next
    }
    this.prices = grown(new Float64Array(length), this.prices)
    this.sizes = grown(new Float64Array(length), this.sizes)
    this.crcs = grown(new Int32Array(length), this.crcs)
    this.lengths = grown(new Uint8Array(length), this.lengths)
  }
}

/** More elements than this are moved by a call. */
const FEW = 64

/** One side, best first. */
class Side {
  count = 0
  /** The price of asks, the negative price of bids: rising. */
  #keys: Float64Array
  /** Of the digits of each level, in the same order. */
  #crcs: Int32Array
  #lengths: Uint8Array
  /** The CRC before each level of the checksum, and behind the last; right up to the first that has changed. */
  readonly #states = new Int32Array(CHECKED_LEVELS + 1)
  #changed = 0
  readonly #sign: number

  constructor(isBid: boolean, depth: number) {
    this.#sign = isBid ? -1 : 1
    const room = depth + 16
    this.#keys = new Float64Array(room)
    this.#crcs = new Int32Array(room)
    this.#lengths = new Uint8Array(room)
  }

  clear(): void {
    this.count = 0
    this.#changed = 0
  }

  apply(levels: Levels): void {
    for (let i = 0; i < levels.count; i++) {
      const key = this.#sign * levels.prices[i]!
      const at = this.#find(key)
      const isThere = at < this.count && this.#keys[at] === key
      if (levels.sizes[i] === 0) {
        if (isThere) this.#remove(at)
        continue
      }
      if (!isThere) this.#insert(at, key)
      this.#crcs[at] = levels.crcs[i]!
      this.#lengths[at] = levels.lengths[i]!
      if (at < this.#changed) this.#changed = at
    }
  }

  /** Lets go of what is deeper than `depth`: as removals. */
  cut(depth: number): readonly Level[] {
    if (this.count <= depth) return NOTHING
    const removals: Level[] = []
    for (let i = depth; i < this.count; i++) removals.push([this.#sign * this.#keys[i]!, 0])
    this.count = depth
    if (depth < this.#changed) this.#changed = depth
    return removals
  }

  /** The CRC behind its best levels, where `start` is that before them; `undefined` when digits are not known. */
  crc(start: number): number | undefined {
    const states = this.#states
    if (states[0] !== start) {
      states[0] = start
      this.#changed = 0
    }
    const count = Math.min(this.count, CHECKED_LEVELS)
    for (let i = this.#changed; i < count; i++) {
      const length = this.#lengths[i]!
      if (length === 0) {
        this.#changed = i
        return undefined
      }
      states[i + 1] = crcBehind(states[i]!, this.#crcs[i]!, length)
    }
    this.#changed = count
    return states[count]
  }

  /** The first that is not better than `key`. */
  #find(key: number): number {
    const keys = this.#keys
    let [low, high] = [0, this.count]
    while (low < high) {
      const middle = (low + high) >> 1
      if (keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #insert(at: number, key: number): void {
    if (this.count === this.#keys.length) this.#grow()
    const [keys, crcs, lengths] = [this.#keys, this.#crcs, this.#lengths]
    const { count } = this
    if (count - at > FEW) {
      for (const array of [keys, crcs, lengths]) array.copyWithin(at + 1, at, count)
    } else {
      for (let i = count; i > at; i--) {
        keys[i] = keys[i - 1]!
        crcs[i] = crcs[i - 1]!
        lengths[i] = lengths[i - 1]!
      }
    }
    keys[at] = key
    this.count++
  }

  #remove(at: number): void {
    const [keys, crcs, lengths] = [this.#keys, this.#crcs, this.#lengths]
    const { count } = this
    if (count - at > FEW) {
      for (const array of [keys, crcs, lengths]) array.copyWithin(at, at + 1, count)
    } else {
      for (let i = at + 1; i < count; i++) {
        keys[i - 1] = keys[i]!
        crcs[i - 1] = crcs[i]!
        lengths[i - 1] = lengths[i]!
      }
    }
    this.count--
    if (at < this.#changed) this.#changed = at
  }

  #grow(): void {
    const [keys, crcs, lengths] = [this.#keys, this.#crcs, this.#lengths]
    const room = keys.length * 2
    this.#keys = new Float64Array(room)
    this.#crcs = new Int32Array(room)
    this.#lengths = new Uint8Array(room)
    this.#keys.set(keys)
    this.#crcs.set(crcs)
    this.#lengths.set(lengths)
  }
}

const NOTHING: readonly Level[] = []

/**
 * After so many wrong checksums without a right one, those of snapshots among them, the venue's own are doubted: it has
 * pairs whose checksums are never right.
 */
const MOST_FAILURES = 5
/** So many right ones in a row, and they are believed again. */
const BELIEVED = 100

/** What a message has made of a book: as the venue says, not known to be, or not. `early`: there is no snapshot yet. */
export type BookState = 'verified' | 'unverified' | 'broken' | 'early'

/** The book of one pair. */
export class KrakenBook {
  /** What the last message has pushed out of it. */
  cutBids = NOTHING
  cutAsks = NOTHING
  /** Its checksums do not count: the book goes on where they do not fit. */
  doubted = false
  readonly #depth: number
  readonly #bids: Side
  readonly #asks: Side
  #synced = false
  #failures = 0
  #right = 0

  constructor(depth: number) {
    this.#depth = depth
    this.#bids = new Side(true, depth)
    this.#asks = new Side(false, depth)
  }

  /** Takes a message as a whole. Broken, the book waits for the next snapshot. */
  apply(snapshot: boolean, bids: Levels, asks: Levels, checksum: number): BookState {
    if (snapshot) {
      this.clear()
      this.#synced = true
    } else if (!this.#synced) return 'early'
    this.#bids.apply(bids)
    this.#asks.apply(asks)
    this.cutBids = this.#bids.cut(this.#depth)
    this.cutAsks = this.#asks.cut(this.#depth)
    const found = this.#checksum()
    if (found === checksum) {
      this.#failures = 0
      if (this.doubted && ++this.#right >= BELIEVED) this.doubted = false
      return 'verified'
    }
    this.#right = 0
    if (found !== undefined) this.#failures++
    // Only a book that has come whole can be right although its checksum is not: nothing of it can have been lost.
    if (snapshot && this.#failures >= MOST_FAILURES) this.doubted = true
    if (this.doubted || found === undefined) return 'unverified'
    this.clear()
    return 'broken'
  }

  /** Knows nothing until the next snapshot. */
  clear(): void {
    this.#bids.clear()
    this.#asks.clear()
    this.#synced = false
  }

  get synced(): boolean {
    return this.#synced
  }

  #checksum(): number | undefined {
    const asks = this.#asks.crc(CRC_START)
    const both = asks === undefined ? undefined : this.#bids.crc(asks)
    return both === undefined ? undefined : ~both >>> 0
  }
}
