import type { Level } from '../market/events.ts'

/** Levels there is room for at first; it doubles when more come. */
const ROOM = 64
/** Up to so many levels are moved one by one: the call of `copyWithin` costs more than these. */
const FEW = 24

/**
 * One side of an order book: sorted prices and their sizes in two flat arrays, the best level last, since most changes
 * happen near it. Takes prices and sizes as they are: whoever calls has checked them.
 */
export class BookSide {
  /** Prices times `#sign`, rising, so that one search serves both sides. */
  #keys = new Float64Array(ROOM)
  #sizes = new Float64Array(ROOM)
  #length = 0
  /** 1 for bids, where the highest price is the best; -1 for asks. */
  readonly #sign: 1 | -1

  constructor(side: 'bids' | 'asks') {
    this.#sign = side === 'bids' ? 1 : -1
  }

  /** How many levels there are. */
  get length(): number {
    return this.#length
  }

  /** Price of a level, the best being 0; the index must be below `length`. */
  price(index: number): number {
    // + 0: a price of 0 is never a negative one.
    return this.#keys[this.#length - 1 - index]! * this.#sign + 0
  }

  /** Size of a level, the best being 0; the index must be below `length`. */
  size(index: number): number {
    return this.#sizes[this.#length - 1 - index]!
  }

  clear(): void {
    this.#length = 0
  }

  /** Applies levels in their order: a size of 0 removes one, anything else replaces or adds it. */
  apply(levels: readonly Level[]): void {
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i]!
      this.#set(level[0] * this.#sign, level[1])
    }
  }

  /** Replaces all there is. */
  fill(levels: readonly Level[]): void {
    this.#length = 0
    if (!this.#isBestFirst(levels)) {
      this.apply(levels)
      return
    }
    const count = levels.length
    this.#reserve(count)
    for (let i = 0; i < count; i++) {
      const level = levels[count - 1 - i]!
      this.#keys[i] = level[0] * this.#sign
      this.#sizes[i] = level[1]
    }
    this.#length = count
  }

  /** The best `count` levels, best first. */
  levels(count: number): Level[] {
    const [keys, sizes, sign, last] = [this.#keys, this.#sizes, this.#sign, this.#length - 1]
    const most = atMost(count, this.#length)
    const out = new Array<Level>(most)
    for (let i = 0; i < most; i++) out[i] = [keys[last - i]! * sign + 0, sizes[last - i]!]
    return out
  }

  /** Writes price, size, price, size … of the best `count` levels, best first; returns how many levels that were. */
  read(into: Float64Array, count: number): number {
    const [keys, sizes, sign, last] = [this.#keys, this.#sizes, this.#sign, this.#length - 1]
    const most = atMost(count, Math.min(last + 1, into.length >> 1))
    for (let i = 0; i < most; i++) {
      into[2 * i] = keys[last - i]! * sign + 0
      into[2 * i + 1] = sizes[last - i]!
    }
    return most
  }

  /** What stands at the best `count` levels together. */
  sum(count: number): number {
    let sum = 0
    for (let i = this.#length - 1, end = i - atMost(count, i + 1); i > end; i--) {
      sum += this.#sizes[i]!
    }
    return sum
  }

  #set(key: number, size: number): void {
    const [keys, length] = [this.#keys, this.#length]
    const at = this.#find(key)
    const isThere = at < length && keys[at] === key
    if (size === 0) {
      if (isThere) this.#remove(at)
    } else if (isThere) this.#sizes[at] = size
    else this.#insert(at, key, size)
  }

  /** Index of the first key that is not below `key`. Steps from the best were no faster, measured. */
  #find(key: number): number {
    const keys = this.#keys
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >> 1
      if (keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #remove(at: number): void {
    const [keys, sizes, last] = [this.#keys, this.#sizes, this.#length - 1]
    if (last - at <= FEW) {
      for (let i = at; i < last; i++) {
        keys[i] = keys[i + 1]!
        sizes[i] = sizes[i + 1]!
      }
    } else {
      keys.copyWithin(at, at + 1, last + 1)
      sizes.copyWithin(at, at + 1, last + 1)
    }
    this.#length = last
  }

  #insert(at: number, key: number, size: number): void {
    const length = this.#length
    this.#reserve(length + 1)
    const [keys, sizes] = [this.#keys, this.#sizes]
    if (length - at <= FEW) {
      for (let i = length; i > at; i--) {
        keys[i] = keys[i - 1]!
        sizes[i] = sizes[i - 1]!
      }
    } else {
      keys.copyWithin(at + 1, at, length)
      sizes.copyWithin(at + 1, at, length)
    }
    keys[at] = key
    sizes[at] = size
    this.#length = length + 1
  }

  #reserve(count: number): void {
    let room = this.#keys.length
    if (count <= room) return
    while (room < count) room *= 2
    const [keys, sizes] = [new Float64Array(room), new Float64Array(room)]
    keys.set(this.#keys.subarray(0, this.#length))
    sizes.set(this.#sizes.subarray(0, this.#length))
    this.#keys = keys
    this.#sizes = sizes
  }

  /** Whether the levels are as most venues send a snapshot: best first, none twice, none empty. */
  #isBestFirst(levels: readonly Level[]): boolean {
    let before = Number.POSITIVE_INFINITY
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i]!
      const key = level[0] * this.#sign
      if (!(key < before) || level[1] === 0) return false
      before = key
    }
    return true
  }
}

/** So many of those there are; parts of a level, and fewer than none, are none. @throws RangeError */
function atMost(count: number, there: number): number {
  if (count >= there) return there
  if (count > 0) return Math.floor(count)
  if (count <= 0) return 0
  throw new RangeError(`a count of levels is a number, not ${count}`)
}
