/** Bytes of a frame looked at four at a time, as words of 32 bits, little end first. */
import { scratch } from './scratch.ts'

const { bytes: BYTES, view: VIEW } = scratch

const QUOTE = 34
const CLOSE_MAP = 125
const QUOTES = 0x22222222
const BACKSLASHES = 0x5c5c5c5c
const BRACES = 0x7d7d7d7d

/** The highest bit of the first byte of a word that equals the bytes of `pattern`, four times the same; 0 when none does. */
export function firstEqual(word: number, pattern: number): number {
  const x = word ^ pattern
  const zeros = (x - 0x01010101) & ~x & 0x80808080
  return zeros & -zeros
}

/** The highest bit of the first byte of a word that is a quote; 0 when none is. */
export function quoteIn(word: number): number {
  const x = word ^ QUOTES
  const zeros = (x - 0x01010101) & ~x & 0x80808080
  return zeros & -zeros
}

/** The highest bit of every byte of a word that equals the byte of `pattern`. */
function allEqual(word: number, pattern: number): number {
  const x = word ^ pattern
  return ~(((x & 0x7f7f7f7f) + 0x7f7f7f7f) | x | 0x7f7f7f7f)
}

/**
 * Past the rest of an object that nobody wants, from within it and outside of a string: to the first closing brace
 * outside of a string. It is not checked on the way; an escape, or the end of the frame, is a surprise (-1). (Where that
 * brace closes something inside the object, what follows does not fit, and whoever reads on will see.)
 */
export function pastMap(pos: number, end: number): number {
  let quotes = 0
  for (; pos < end; pos += 4) {
    const word = VIEW.getInt32(pos, true)
    if (allEqual(word, BACKSLASHES) !== 0) return -1
    if (allEqual(word, BRACES) === 0) {
      quotes ^= allEqual(word, QUOTES)
      continue
    }
    quotes ^= quotes >>> 16
    let inside = ((quotes ^ (quotes >>> 8)) & 0x80) !== 0
    const last = Math.min(pos + 4, end)
    for (let at = pos; at < last; at++) {
      if (BYTES[at] === QUOTE) inside = !inside
      else if (BYTES[at] === CLOSE_MAP && !inside) return at + 1
    }
    quotes = inside ? 0x80 : 0
  }
  return -1
}

/**
 * Past a string of plain ASCII without escapes, from its first quote; -1 for any other value. Only the words that hold it
 * are looked at, so what looks odd for being near may be refused: whoever gets -1 reads byte by byte.
 */
export function pastPlainText(pos: number): number {
  if (BYTES[pos] !== QUOTE) return -1
  for (pos++; ; pos += 4) {
    const word = VIEW.getInt32(pos, true)
    const quote = quoteIn(word)
    const x = word ^ BACKSLASHES
    const odd = ((word - 0x20202020) | word | (x - 0x01010101) | (word + 0x01010101)) & 0x80808080
    if (quote === 0) {
      if (odd !== 0) return -1
      continue
    }
    return (odd & (quote - 1)) === 0 ? pos + ((31 - Math.clz32(quote)) >>> 3) + 1 : -1
  }
}
