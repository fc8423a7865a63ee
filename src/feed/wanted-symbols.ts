import { asciiText, hashOf, Interner } from '../base/interner.ts'
import { QUOTE, type Scanner, SURPRISE } from '../base/scanner.ts'
import { scratch } from '../base/scratch.ts'
import { quoteIn } from '../base/words.ts'
import type { Interest } from './provider.ts'

const { bytes: BYTES, view: VIEW } = scratch

/** Most short symbols kept; a new one then displaces an old one. */
const MAX_SLOTS = 32_768
/** How many slots are tried for a symbol. */
const PROBES = 8
/** Numbers per slot in `table`: the symbol's two words and its mask. */
const STRIDE = 4
const MASK = 2

/**
 * Symbols by the bytes a venue writes them in, with what is wanted of each: asked once, and anew when the interest has
 * changed. Those of up to seven bytes are two words and mostly found in one step. A symbol found is a slot: its
 * canonical form stands in `symbols`, and `mask(slot)` tells what is wanted.
 */
export class WantedSymbols {
  readonly #interest: Interest
  readonly #canonical: (text: string) => string | undefined
  #revision = Number.NaN
  #used = 0
  #slots = 1_024
  /** One slot more than can be found: for long symbols, one at a time. */
  #table = new Int32Array((this.#slots + 1) * STRIDE)
  symbols = new Array<string>(this.#slots + 1).fill('')
  /** Of the last one {@link read}. */
  slot = 0
  #long = new Interner<{ readonly symbol: string; readonly mask: number }>()

  /** `canonical` reads the venue's spelling; `undefined` for what can be no symbol. */
  constructor(interest: Interest, canonical: (text: string) => string | undefined) {
    this.#interest = interest
    this.#canonical = canonical
  }

  /** To be called before each frame. */
  refresh(): void {
    if (this.#interest.revision === this.#revision) return
    this.#revision = this.#interest.revision
    this.#reset(this.#slots)
  }

  /**
   * Takes the symbol in quotes that begins at `pos`, puts its slot into {@link slot}, and gives the place behind it; -1 for
   * what is none. With its closing quote it is two words at most, or a long one.
   */
  read(pos: number, scanner: Scanner): number {
    if (BYTES[pos] !== QUOTE) return SURPRISE
    pos++
    let low = VIEW.getInt32(pos, true)
    let high = 0
    let end = pos
    let quote = quoteIn(low)
    if (quote !== 0) low &= quote ^ (quote - 1)
    else {
      high = VIEW.getInt32(pos + 4, true)
      quote = quoteIn(high)
      if (quote === 0) return this.#readLong(pos, scanner)
      high &= quote ^ (quote - 1)
      end += 4
    }
    end += (31 - Math.clz32(quote)) >>> 3
    this.slot = this.short(low, high, BYTES, pos, end)
    return this.slot < 0 ? SURPRISE : end + 1
  }

  #readLong(pos: number, scanner: Scanner): number {
    const behind = scanner.string(pos - 1)
    if (behind < 0) return SURPRISE
    this.slot = this.long(BYTES, pos, behind - 1)
    return this.slot < 0 ? SURPRISE : behind
  }

  /** Bits of `KIND_BIT` wanted of the symbol in a slot. */
  mask(slot: number): number {
    return this.#table[slot * STRIDE + MASK]!
  }

  /**
   * The slot of the symbol in `bytes[start, end)`, whose words `low` and `high` stand for it and for no other (`low`
   * is 0 for none that can be); -1 when it cannot be a symbol.
   */
  short(low: number, high: number, bytes: Uint8Array, start: number, end: number): number {
    const table = this.#table
    const last = this.#slots - 1
    let slot = hashOfWords(low, high) & last
    for (let probe = 0; probe < PROBES; probe++) {
      const at = slot * STRIDE
      if (table[at] === low && table[at + 1] === high) return slot
      if (table[at] === 0) break
      slot = (slot + 1) & last
    }
    return this.#add(low, high, bytes, start, end)
  }

  #add(low: number, high: number, bytes: Uint8Array, start: number, end: number): number {
    const symbol = this.#canonical(asciiText(bytes, start, end))
    if (symbol === undefined) return -1
    if (this.#used * 2 >= this.#slots && this.#slots < MAX_SLOTS) this.#reset(this.#slots * 2)
    const last = this.#slots - 1
    const home = hashOfWords(low, high) & last
    let slot = home
    for (let probe = 0; probe < PROBES; probe++) {
      const free = (home + probe) & last
      if (this.#table[free * STRIDE] !== 0) continue
      slot = free
      this.#used++
      break
    }
    this.#put(slot, low, high, symbol, this.#interest.mask(symbol))
    return slot
  }

  #put(slot: number, low: number, high: number, symbol: string, mask: number): void {
    this.#table[slot * STRIDE] = low
    this.#table[slot * STRIDE + 1] = high
    this.#table[slot * STRIDE + MASK] = mask
    this.symbols[slot] = symbol
  }

  /** The slot of a symbol of any length; good until the next one is asked for. */
  long(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOf(bytes, start, end)
    let known = this.#long.get(bytes, start, end, hash)
    if (known === undefined) {
      const symbol = this.#canonical(asciiText(bytes, start, end))
      if (symbol === undefined) return -1
      known = { symbol, mask: this.#interest.mask(symbol) }
      this.#long.set(bytes, start, end, hash, known)
    }
    this.#put(this.#slots, 0, 0, known.symbol, known.mask)
    return this.#slots
  }

  /** Starts anew; the symbols come back by themselves. */
  #reset(slots: number): void {
    this.#slots = slots
    this.#used = 0
    this.#table = new Int32Array((slots + 1) * STRIDE)
    this.symbols = new Array<string>(slots + 1).fill('')
    this.#long = new Interner()
  }
}

function hashOfWords(low: number, high: number): number {
  return Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1) >>> 17
}
