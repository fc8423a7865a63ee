import { scratch } from './scratch.ts'
import { quoteIn } from './words.ts'

const { view: VIEW } = scratch

/** Longest text found; with the quote behind it, three words. */
const MOST = 11
const SLOTS = 4_096
/** How many slots are tried for a text. */
const PROBES = 4

/**
 * Values by short texts of a frame, found by their bytes in a step or two: a venue's symbols come again and again. A text
 * is told from others by all its bytes and the quote behind it. Bounded: a new one displaces an old one.
 */
export class ShortTexts<T> {
  /** Where the quote stands behind the text last looked for. */
  end = 0
  readonly #words = new Int32Array(SLOTS * 3)
  readonly #values: (T | undefined)[] = new Array<T | undefined>(SLOTS).fill(undefined)
  // Of the text last looked for.
  #low = 0
  #middle = 0
  #high = 0

  /** The value kept for the text that begins at `pos` and ends before a quote; `undefined` where there is none. */
  get(pos: number): T | undefined {
    let low = VIEW.getInt32(pos, true)
    let middle = 0
    let high = 0
    let end = pos
    let quote = quoteIn(low)
    if (quote !== 0) low &= quote ^ (quote - 1)
    else {
      middle = VIEW.getInt32(pos + 4, true)
      end += 4
      quote = quoteIn(middle)
      if (quote !== 0) middle &= quote ^ (quote - 1)
      else {
        high = VIEW.getInt32(pos + 8, true)
        end += 4
        quote = quoteIn(high)
        if (quote === 0) return undefined
        high &= quote ^ (quote - 1)
      }
    }
    this.end = end + ((31 - Math.clz32(quote)) >>> 3)
    this.#low = low
    this.#middle = middle
    this.#high = high
    const words = this.#words
    let slot = slotOf(low, middle, high)
    for (let probe = 0; probe < PROBES; probe++) {
      const at = slot * 3
      if (words[at] === low && words[at + 1] === middle && words[at + 2] === high) {
        return this.#values[slot]
      }
      slot = (slot + 1) & (SLOTS - 1)
    }
    return undefined
  }

  /** Keeps a value for the text between these places, which {@link get} has just not found; not for a long one. */
  set(start: number, end: number, value: T): void {
    if (end - start > MOST) return
    const words = this.#words
    const home = slotOf(this.#low, this.#middle, this.#high)
    let slot = home
    for (let probe = 0; probe < PROBES; probe++) {
      const free = (home + probe) & (SLOTS - 1)
      if (words[free * 3] !== 0) continue
      slot = free
      break
    }
    words[slot * 3] = this.#low
    words[slot * 3 + 1] = this.#middle
    words[slot * 3 + 2] = this.#high
    this.#values[slot] = value
  }

  /** Forgets all. */
  clear(): void {
    this.#words.fill(0)
    this.#values.fill(undefined)
  }
}

function slotOf(low: number, middle: number, high: number): number {
  const mixed = low ^ Math.imul(middle, 0x85ebca6b) ^ Math.imul(high, 0xc2b2ae35)
  return (Math.imul(mixed, 0x9e3779b1) >>> 20) & (SLOTS - 1)
}
