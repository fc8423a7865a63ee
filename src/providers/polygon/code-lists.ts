import { asciiText, hashOf, Interner } from '../../base/interner.ts'
import { CLOSE_LIST, SURPRISE } from '../../base/scanner.ts'
import { scratch } from '../../base/scratch.ts'
import { firstEqual } from '../../base/words.ts'
import { together } from './messages.ts'

const { bytes: BYTES, view: VIEW } = scratch

/** `]]]]` as a word. */
const CLOSE_LISTS = 0x5d5d5d5d
/** Lists kept by their first twelve bytes. A power of two. */
const SLOTS = 1_024
/** Longer lists are for the plain decoder, bytes. */
const MOST_BYTES = 120
/** Whole numbers with commas between them, and nothing else. */
const CODES = /^(?:0|[1-9]\d{0,5})(?:,(?:0|[1-9]\d{0,5}))*$/
/** Single codes below this are kept. */
const SINGLES = 1_000
/** In front of a list, those below this. */
const FIRST_CODES = 16

/** Lists of codes, `[12,37]`, as frozen lists of texts: few there are come again and again. */
export class CodeLists {
  /** The last one read; `undefined` for an empty one. */
  list: readonly string[] | undefined
  readonly #words = new Int32Array(SLOTS * 3)
  readonly #lists = new Array<readonly string[] | undefined>(SLOTS).fill(undefined)
  readonly #long = new Interner<readonly string[]>(MOST_BYTES, 4_096)
  readonly #singles = new Array<readonly string[] | undefined>(SINGLES).fill(undefined)
  /** Lists with one of the first codes before them, by slot and code. */
  readonly #pairs = new Array<readonly string[] | undefined>(SLOTS * FIRST_CODES).fill(undefined)
  /** Where the last one is kept; below 0: nowhere. */
  #slot = -1

  /** Takes the list that begins at `pos` and gives the place behind it, or a surprise. */
  read(pos: number): number {
    const start = pos + 1
    let low = VIEW.getInt32(start, true)
    let middle = 0
    let high = 0
    let end = start
    let close = firstEqual(low, CLOSE_LISTS)
    if (close !== 0) low &= close ^ (close - 1)
    else {
      middle = VIEW.getInt32(start + 4, true)
      end += 4
      close = firstEqual(middle, CLOSE_LISTS)
      if (close !== 0) middle &= close ^ (close - 1)
      else {
        high = VIEW.getInt32(start + 8, true)
        end += 4
        close = firstEqual(high, CLOSE_LISTS)
        if (close === 0) return this.#longList(start)
        high &= close ^ (close - 1)
      }
    }
    end += (31 - Math.clz32(close)) >>> 3
    if (end === start) {
      this.list = undefined
      return end + 1
    }
    const slot = hashOfWords(low, middle, high)
    const at = slot * 3
    const words = this.#words
    if (words[at] !== low || words[at + 1] !== middle || words[at + 2] !== high) {
      const list = listIn(start, end)
      if (!list) return SURPRISE
      words[at] = low
      words[at + 1] = middle
      words[at + 2] = high
      this.#lists[slot] = list
      this.#pairs.fill(undefined, slot * FIRST_CODES, (slot + 1) * FIRST_CODES)
    }
    this.#slot = slot
    this.list = this.#lists[slot]
    return end + 1
  }

  /** The list of one code; `undefined` for 0. */
  single(code: number): readonly string[] | undefined {
    if (code === 0) return undefined
    if (code >= SINGLES) return Object.freeze([String(code)])
    return (this.#singles[code] ??= Object.freeze([String(code)]))
  }

  /** A code in front of the last list; either may be none. */
  behind(code: number, list: readonly string[] | undefined): readonly string[] | undefined {
    if (code === 0 || list === undefined) return list ?? this.single(code)
    if (this.#slot < 0 || code >= FIRST_CODES) return together(this.single(code), list)
    return (this.#pairs[this.#slot * FIRST_CODES + code] ??= together(this.single(code), list))
  }

  #longList(start: number): number {
    let end = start
    while (BYTES[end] !== CLOSE_LIST) if (++end - start > MOST_BYTES) return SURPRISE
    const hash = hashOf(BYTES, start, end)
    let list = this.#long.get(BYTES, start, end, hash)
    if (!list) {
      list = listIn(start, end)
      if (!list) return SURPRISE
      this.#long.set(BYTES, start, end, hash, list)
    }
    this.list = list
    this.#slot = -1
    return end + 1
  }
}

function listIn(start: number, end: number): readonly string[] | undefined {
  const text = asciiText(BYTES, start, end)
  return CODES.test(text) ? Object.freeze(text.split(',')) : undefined
}

function hashOfWords(low: number, middle: number, high: number): number {
  const mixed = low ^ Math.imul(middle, 0x85ebca6b) ^ Math.imul(high, 0xc2b2ae35)
  return (Math.imul(mixed, 0x9e3779b1) >>> 20) & (SLOTS - 1)
}
