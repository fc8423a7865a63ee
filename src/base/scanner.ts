/**
 * A kit for reading a venue's JSON straight from bytes, without strings or objects in between.
 *
 * Every reader takes the position of a value and returns the position behind it, or {@link SURPRISE} when what
 * stands there is not the plain case it knows; what it read lies in the fields of the scanner. Readers are as strict
 * as `JSON.parse` in what they take, and leave to it whatever is rare (escapes, text beyond ASCII, deep nesting):
 * on a surprise the caller hands the bytes to `JSON.parse`, which is the judge.
 *
 * A frame is copied into the one buffer for that, with a zero byte behind it. JSON text holds no zero byte, so no
 * reader gets past the end of the frame, and none but those that look for a certain byte has to watch for it; and
 * four bytes can be read as one word wherever one of them may be.
 */

import { CodeLists } from './code-lists.ts'
import { asciiText, HASH_START, hashByte, hashOf, Interner, SINGLES } from './interner.ts'
import { copyFrame, scratch } from './scratch.ts'

/** Not the plain case. */
export const SURPRISE = -1

export const QUOTE = 34
export const COMMA = 44
export const COLON = 58
export const OPEN_LIST = 91
export const BACKSLASH = 92
export const CLOSE_LIST = 93
export const OPEN_MAP = 123
export const CLOSE_MAP = 125

const MINUS = 45
const DOT = 46
const ZERO = 48
const Z = 90
const T = 84

const { bytes: BYTES, view: VIEW, out: OUT } = scratch

/** Nesting deeper than this is a surprise. */
const MAX_DEPTH = 32

/** Powers of ten that doubles hold exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => 10 ** i)
/** `10 ** (9 - i)`: what turns `i` digits of a fraction into nanoseconds. */
const SMALL_POWERS = Int32Array.of(1, 10, 100, 1_000, 10_000)
const TO_NANOS = Int32Array.from({ length: 10 }, (_, i) => 10 ** (9 - i))

/** The keys of a venue's messages. Whole keys are compared, not only their hashes. */
export class KeySet {
  readonly names: readonly string[]
  readonly #table = new Interner<number>(64, 1_024)

  constructor(names: readonly string[]) {
    this.names = names
    for (const [index, name] of names.entries()) {
      const bytes = new TextEncoder().encode(name)
      this.#table.set(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length), index)
    }
  }

  /** The index of a key in `names`, or -1. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    return this.#table.get(bytes, start, end, hash) ?? -1
  }
}

export class Scanner {
  /** The frame, and what was left behind it by others. */
  readonly bytes = BYTES
  /** The same bytes, for words. */
  readonly view = VIEW
  end = 0
  /** The last `number` or `decimal` at 0, the milliseconds of the last `time` at 1; here, doubles are not boxed. */
  readonly out = OUT
  /** The last `small`. */
  integer = 0
  /** Nanoseconds below the millisecond of the last `time`. */
  nanos = 0
  /** The last `list`; frozen and shared. */
  strings: readonly string[] = []
  /** Whether the value last skipped has an escape in it. */
  escaped = false
  readonly #lists = new Interner<readonly string[]>(32, 8_192)
  readonly #codes = new CodeLists()
  /**
   * `"YYYY-MM-DDTHH:M` as two times eight bytes, compared as doubles (ASCII never makes one that is not a number), and
   * when that second begins. Nearly all times are of one second.
   */
  readonly #second = new Float64Array(3)
  /** `M:SS` behind those. */
  #seconds = 0
  /** The first eight digits of the last `millis`, compared as a double, and what they stand for. */
  readonly #recent = new Float64Array(2)
  /** `YYYY-MM-DDT`, and its midnight. */
  readonly #day = new Uint8Array(11)
  #midnight = 0

  /** Takes a frame; false when it is too large. */
  at(frame: Uint8Array): boolean {
    this.end = frame.length
    return copyFrame(frame)
  }

  /** Past white space. Never a surprise. */
  space(pos: number): number {
    for (;;) {
      const c = BYTES[pos]!
      if (c > 32 || (c !== 32 && c !== 10 && c !== 13 && c !== 9)) return pos
      pos++
    }
  }

  /**
   * A number, exactly as `JSON.parse` reads it. Up to three digits before the point and eight behind, as most prices
   * have, are read as words, without a loop: its end would be mispredicted. An integer below 2^53 over an exact power of ten
   * is correctly rounded.
   */
  number(pos: number): number {
    const whole = VIEW.getInt32(pos, true) ^ ZEROS
    const stop = notDigits(whole)
    if (stop === 0) return this.#wide(pos)
    const digits = firstByte(stop)
    if (digits === 0 || (digits > 1 && (whole & 0xff) === 0)) return this.#long(pos)
    let value = digitsOf(whole << (32 - 8 * digits))
    let next = pos + digits
    let c = BYTES[next]!
    if (c === DOT) {
      const part = VIEW.getInt32(next + 1, true) ^ ZEROS
      let stop = notDigits(part)
      if (stop !== 0) {
        const digits = firstByte(stop)
        if (digits === 0) return SURPRISE
        const power = POWERS[digits]!
        value = (value * power + digitsOf(part << (32 - 8 * digits))) / power
        next += 1 + digits
      } else {
        const rest = VIEW.getInt32(next + 5, true) ^ ZEROS
        stop = notDigits(rest)
        if (stop === 0) return this.#eight(pos, next + 9, value, part, rest)
        const digits = firstByte(stop)
        value = value * 10_000 + digitsOf(part)
        if (digits > 0) value = value * POWERS[digits]! + digitsOf(rest << (32 - 8 * digits))
        value /= POWERS[4 + digits]!
        next += 5 + digits
      }
      c = BYTES[next]!
    }
    if ((c | 32) === 0x65) return this.#long(pos)
    OUT[0] = value
    return next
  }

  /** Eight digits behind the point, as sizes of coins have: `high` and `low`, up to `next`. */
  #eight(start: number, next: number, whole: number, high: number, low: number): number {
    const c = BYTES[next]!
    if (isDigit(c) || (c | 32) === 0x65) return this.#long(start)
    OUT[0] = ((whole * 10_000 + digitsOf(high)) * 10_000 + digitsOf(low)) / 100_000_000
    return next
  }

  /** Four to seven digits before the point, as prices of coins have. */
  #wide(pos: number): number {
    const high = VIEW.getInt32(pos, true) ^ ZEROS
    const low = VIEW.getInt32(pos + 4, true) ^ ZEROS
    const stop = notDigits(low)
    if (stop === 0 || (high & 0xff) === 0) return this.#long(pos)
    const digits = firstByte(stop)
    const more = digits > 0 ? digitsOf(low << (32 - 8 * digits)) : 0
    const value = digitsOf(high) * SMALL_POWERS[digits]! + more
    return this.#fraction(pos, pos + 4 + digits, value)
  }

  /** What stands behind `whole`, up to eight digits of a fraction, as sizes of coins have; the number begins at `start`. */
  #fraction(start: number, pos: number, whole: number): number {
    let value = whole
    let next = pos
    if (BYTES[pos] === DOT) {
      const high = VIEW.getInt32(pos + 1, true) ^ ZEROS
      const stop = notDigits(high)
      const digits = stop === 0 ? 4 : firstByte(stop)
      if (digits === 0) return SURPRISE
      const part = digits === 4 ? digitsOf(high) : digitsOf(high << (32 - 8 * digits))
      next += 1 + digits
      value = value * SMALL_POWERS[digits]! + part
      let places = digits
      if (digits === 4) {
        const low = VIEW.getInt32(pos + 5, true) ^ ZEROS
        const stop = notDigits(low)
        const more = stop === 0 ? 4 : firstByte(stop)
        if (more > 0) {
          const rest = more === 4 ? digitsOf(low) : digitsOf(low << (32 - 8 * more))
          value = value * SMALL_POWERS[more]! + rest
          next += more
          places += more
        }
      }
      value /= POWERS[places]!
    }
    const c = BYTES[next]!
    if (isDigit(c) || (c | 32) === 0x65) return this.#long(start)
    OUT[0] = value
    return next
  }

  /** An integer without sign of up to eight digits, in `integer`; any other number is a surprise. */
  small(pos: number): number {
    const high = VIEW.getInt32(pos, true) ^ ZEROS
    let stop = notDigits(high)
    let next = pos
    if (stop !== 0) {
      const digits = firstByte(stop)
      if (digits === 0) return SURPRISE
      this.integer = digitsOf(high << (32 - 8 * digits))
      next += digits
      if (digits > 1 && (high & 0xff) === 0) return SURPRISE
    } else {
      const low = VIEW.getInt32(pos + 4, true) ^ ZEROS
      stop = notDigits(low)
      const digits = stop === 0 ? 4 : firstByte(stop)
      const rest = digits === 0 ? 0 : digitsOf(low << (32 - 8 * digits))
      this.integer = digitsOf(high) * SMALL_POWERS[digits]! + rest
      next += 4 + digits
      if ((high & 0xff) === 0) return SURPRISE
    }
    const c = BYTES[next]!
    return c === COMMA || c === CLOSE_MAP || c === CLOSE_LIST ? next : SURPRISE
  }

  /** An integer without sign of up to 15 digits, in `out[0]`, whatever stands behind it. */
  digits(start: number): number {
    let pos = start
    let value = 0
    for (;;) {
      const word = VIEW.getInt32(pos, true) ^ ZEROS
      const stop = notDigits(word)
      if (stop !== 0) {
        const digits = firstByte(stop)
        if (digits > 0) value = value * POWERS[digits]! + digitsOf(word << (32 - 8 * digits))
        pos += digits
        break
      }
      value = value * 10_000 + digitsOf(word)
      pos += 4
      if (pos - start > 15) return SURPRISE
    }
    const length = pos - start
    if (length === 0 || length > 15 || (length > 1 && BYTES[start] === ZERO)) return SURPRISE
    OUT[0] = value
    return pos
  }

  /** Past the digits of an integer without sign, however many. */
  pastDigits(start: number): number {
    let pos = start
    let stop = notDigits(VIEW.getInt32(pos, true) ^ ZEROS)
    while (stop === 0) {
      pos += 4
      stop = notDigits(VIEW.getInt32(pos, true) ^ ZEROS)
    }
    pos += firstByte(stop)
    const length = pos - start
    return length === 0 || (length > 1 && BYTES[start] === ZERO) ? SURPRISE : pos
  }

  /**
   * An integer of 13 digits that does not begin with 0, in `out[1]`: as milliseconds, a time from 2001 to 2286. Its
   * first eight digits stay the same for 100 s.
   */
  millis(pos: number): number {
    const recent = this.#recent
    if (VIEW.getFloat64(pos, true) !== recent[0] && !this.#newRecent(pos)) return SURPRISE
    const low = VIEW.getInt32(pos + 8, true) ^ ZEROS
    const last = BYTES[pos + 12]! ^ ZERO
    if (notDigits(low) !== 0 || last > 9) return SURPRISE
    OUT[1] = recent[1]! + digitsOf(low) * 10 + last
    return (BYTES[pos + 13]! ^ ZERO) > 9 ? pos + 13 : SURPRISE
  }

  #newRecent(pos: number): boolean {
    const high = VIEW.getInt32(pos, true) ^ ZEROS
    const low = VIEW.getInt32(pos + 4, true) ^ ZEROS
    if ((notDigits(high) | notDigits(low)) !== 0 || (high & 0xff) === 0) return false
    this.#recent[0] = VIEW.getFloat64(pos, true)
    this.#recent[1] = (digitsOf(high) * 10_000 + digitsOf(low)) * 100_000
    return true
  }

  /** Any number: up to 15 digits are exact in a double, and so is their quotient by a power of ten to 10^22. */
  #long(start: number): number {
    const { end } = this
    let pos = start
    const negative = BYTES[pos] === MINUS
    if (negative) pos++
    const first = pos
    let m = 0
    let digits = 0
    while (pos < end && isDigit(BYTES[pos]!)) {
      m = m * 10 + BYTES[pos++]! - ZERO
      digits++
    }
    if (digits === 0 || (digits > 1 && BYTES[first] === ZERO)) return SURPRISE
    let fraction = 0
    if (pos < end && BYTES[pos] === DOT) {
      pos++
      while (pos < end && isDigit(BYTES[pos]!)) {
        m = m * 10 + BYTES[pos++]! - ZERO
        fraction++
      }
      if (fraction === 0) return SURPRISE
    }
    let exact = digits + fraction <= 15
    if (pos < end && (BYTES[pos]! | 32) === 0x65) {
      exact = false
      pos++
      if (pos < end && (BYTES[pos] === 43 || BYTES[pos] === MINUS)) pos++
      const exponent = pos
      while (pos < end && isDigit(BYTES[pos]!)) pos++
      if (pos === exponent) return SURPRISE
    }
    const value = exact ? m / POWERS[fraction]! : Number(asciiText(BYTES, first, pos))
    OUT[0] = negative ? -value : value
    return pos
  }

  /**
   * A number in quotes, as many venues write prices. Eight digits behind the point, to which crypto venues pad, are read
   * as two words.
   */
  decimal(pos: number): number {
    if (pos + 2 > this.end || BYTES[pos] !== QUOTE) return SURPRISE
    const first = pos + 1
    let at = first
    let value = 0
    let c = 0
    while ((c = (BYTES[at]! ^ ZERO) >>> 0) <= 9) {
      value = value * 10 + c
      at++
    }
    const whole = at - first
    if (BYTES[at] !== DOT || whole > 7 || whole === 0) return this.#anyDecimal(first)
    const high = VIEW.getInt32(at + 1, true) ^ ZEROS
    const low = VIEW.getInt32(at + 5, true) ^ ZEROS
    const isPadded = (notDigits(high) | notDigits(low)) === 0 && BYTES[at + 9] === QUOTE
    if (!isPadded || (whole > 1 && BYTES[first] === ZERO)) return this.#anyDecimal(first)
    OUT[0] = (value * 100_000_000 + digitsOf(high) * 10_000 + digitsOf(low)) / 100_000_000
    return at + 10
  }

  /** Any number with a quote behind it. */
  #anyDecimal(first: number): number {
    const next = this.number(first)
    return next > 0 && next < this.end && BYTES[next] === QUOTE ? next + 1 : SURPRISE
  }

  /** A string of plain ASCII without escapes; its text stands between `pos + 1` and the result − 1. */
  string(pos: number): number {
    const { end } = this
    if (pos >= end || BYTES[pos] !== QUOTE) return SURPRISE
    for (pos++; pos < end; pos++) {
      const c = BYTES[pos]!
      if (c === QUOTE) return pos + 1
      if (c < 32 || c >= 127 || c === BACKSLASH) return SURPRISE
    }
    return SURPRISE
  }

  /** A list of plain strings, interned, in `strings`. */
  list(pos: number): number {
    // ["@"] and the like: texts of one letter, three bytes and a comma each.
    let word = VIEW.getInt32(pos, true)
    if ((word & 0xff00ffff) === LIST_OF_CODES) {
      let code = (word >>> 16) & 0xff
      if (BYTES[pos + 4] === CLOSE_LIST && SINGLES[code] !== undefined) {
        this.strings = SINGLES[code]!
        return pos + 5
      }
      let count = 1
      let next = pos + 4
      while (((word = VIEW.getInt32(next, true)) & 0xff00ffff) === ONE_MORE_CODE && count < 4) {
        code = (code << 8) | ((word >>> 16) & 0xff)
        count++
        next += 4
      }
      if (BYTES[next] === CLOSE_LIST) {
        const list = this.#codes.get(code, count)
        if (list !== undefined) {
          this.strings = list
          return next + 1
        }
      }
    }
    return this.#anyList(pos)
  }

  #anyList(pos: number): number {
    const { end } = this
    if (BYTES[pos] !== OPEN_LIST) return SURPRISE
    const start = pos + 1
    let hash = HASH_START
    let close = start
    let c = 0
    while (close < end && (c = BYTES[close]!) !== CLOSE_LIST) {
      hash = hashByte(hash, c)
      close++
    }
    if (close === end) return SURPRISE
    const known = this.#lists.get(BYTES, start, close, hash)
    if (known !== undefined) {
      this.strings = known
      return close + 1
    }
    return this.#newList(start, close, hash)
  }

  #newList(start: number, close: number, hash: number): number {
    const list: string[] = []
    let pos = this.space(start)
    while (BYTES[pos] !== CLOSE_LIST || list.length > 0) {
      const next = this.string(pos)
      if (next < 0) return SURPRISE
      list.push(asciiText(BYTES, pos + 1, next - 1))
      pos = this.space(next)
      if (pos >= this.end) return SURPRISE
      if (BYTES[pos] === CLOSE_LIST) break
      if (BYTES[pos] !== COMMA) return SURPRISE
      pos = this.space(pos + 1)
    }
    this.strings = Object.freeze(list)
    // A bracket in one of the texts makes the first one not the last: such a list is not kept.
    if (pos === close) this.#lists.set(BYTES, start, close, hash, this.strings)
    return pos + 1
  }

  /** A time in UTC, `"2024-01-15T14:30:00.123456789Z"` with 0 to 9 digits: in `out[1]` and `nanos`. */
  time(pos: number): number {
    const second = this.#second
    const isSame =
      VIEW.getFloat64(pos, true) === second[0] &&
      VIEW.getFloat64(pos + 8, true) === second[1] &&
      VIEW.getInt32(pos + 16, true) === this.#seconds
    if (!isSame && !this.#newSecond(pos)) return SURPRISE
    // Mostly nine digits: two words and a byte.
    const high = VIEW.getInt32(pos + 21, true) ^ ZEROS
    const low = VIEW.getInt32(pos + 25, true) ^ ZEROS
    const last = BYTES[pos + 29]! ^ ZERO
    if (BYTES[pos + 20] !== DOT || (notDigits(high) | notDigits(low)) !== 0 || last > 9) {
      return this.#shortTime(pos + 20)
    }
    if (VIEW.getInt16(pos + 30, true) !== 0x225a) return SURPRISE
    this.nanos = (high >>> 24) * 100_000 + digitsOf(low) * 10 + last
    OUT[1] = second[2]! + digitsOf(high << 8)
    return pos + 32
  }

  /** Six digits, fewer, or none. */
  #shortTime(pos: number): number {
    const high = VIEW.getInt32(pos + 1, true) ^ ZEROS
    const word = VIEW.getInt32(pos + 5, true)
    const low = word ^ ZEROS
    const isMicros = (notDigits(high) | (notDigits(low) & 0xffff)) === 0 && word >>> 16 === 0x225a
    if (isMicros && BYTES[pos] === DOT) {
      this.nanos = (high >>> 24) * 100_000 + ((low & 0xff) * 10 + ((low >>> 8) & 0xff)) * 1_000
      OUT[1] = this.#second[2]! + digitsOf(high << 8)
      return pos + 9
    }
    let fraction = 0
    if (BYTES[pos] === DOT) {
      const first = ++pos
      let c = 0
      while ((c = (BYTES[pos]! - ZERO) >>> 0) <= 9 && pos - first < 9) {
        fraction = fraction * 10 + c
        pos++
      }
      if (pos === first) return SURPRISE
      fraction = (fraction * TO_NANOS[pos - first]!) | 0
    }
    if (BYTES[pos] !== Z || BYTES[pos + 1] !== QUOTE) return SURPRISE
    const ms = (fraction / 1_000_000) | 0
    this.nanos = fraction - ms * 1_000_000
    OUT[1] = this.#second[2]! + ms
    return pos + 2
  }

  #newSecond(pos: number): boolean {
    if (BYTES[pos] !== QUOTE) return false
    const day = this.#day
    for (let i = 0; i < day.length; i++) {
      if (BYTES[pos + 1 + i] === day[i]) continue
      if (!this.#newDay(pos + 1)) return false
      break
    }
    const h = (BYTES[pos + 12]! - ZERO) >>> 0
    const hh = (BYTES[pos + 13]! - ZERO) >>> 0
    const m = (BYTES[pos + 15]! - ZERO) >>> 0
    const mm = (BYTES[pos + 16]! - ZERO) >>> 0
    const s = (BYTES[pos + 18]! - ZERO) >>> 0
    const ss = (BYTES[pos + 19]! - ZERO) >>> 0
    const hours = h * 10 + hh
    if (h > 2 || hh > 9 || hours > 23 || BYTES[pos + 14] !== COLON) return false
    if (m > 5 || mm > 9 || BYTES[pos + 17] !== COLON || s > 5 || ss > 9) return false
    const second = this.#second
    second[0] = VIEW.getFloat64(pos, true)
    second[1] = VIEW.getFloat64(pos + 8, true)
    second[2] = this.#midnight + (hours * 3_600 + (m * 10 + mm) * 60 + s * 10 + ss) * 1_000
    this.#seconds = VIEW.getInt32(pos + 16, true)
    return true
  }

  #newDay(pos: number): boolean {
    for (let i = 0; i < 10; i++) {
      const isDash = i === 4 || i === 7
      if (isDash ? BYTES[pos + i] !== MINUS : !isDigit(BYTES[pos + i]!)) return false
    }
    if (BYTES[pos + 10] !== T) return false
    const digits = (from: number, to: number) => Number(asciiText(BYTES, pos + from, pos + to))
    const [year, month, day] = [digits(0, 4), digits(5, 7), digits(8, 10)]
    const midnight = Date.UTC(year, month - 1, day)
    const date = new Date(midnight)
    // Before the year 100, and for a 30th of February, `Date.UTC` gives another day.
    if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1) return false
    if (date.getUTCDate() !== day) return false
    this.#day.set(BYTES.subarray(pos, pos + 11))
    this.#midnight = midnight
    return true
  }

  /** Any value, checked as `JSON.parse` would; `escaped` tells whether its strings have escapes. */
  skip(pos: number, depth = 0): number {
    const { end } = this
    if (depth === 0) this.escaped = false
    if (pos >= end) return SURPRISE
    switch (BYTES[pos]) {
      case QUOTE:
        return this.#skipString(pos)
      case OPEN_MAP:
      case OPEN_LIST:
        return depth < MAX_DEPTH ? this.#skipNested(pos, depth) : SURPRISE
      case 0x74:
        return this.#word(pos, TRUE)
      case 0x66:
        return this.#word(pos, FALSE)
      case 0x6e:
        return this.#word(pos, NULL)
      default:
        return this.number(pos)
    }
  }

  /** The word `null`. */
  isNull(pos: number): boolean {
    return this.#word(pos, NULL) > 0
  }

  #word(pos: number, word: Uint8Array): number {
    if (pos + word.length > this.end) return SURPRISE
    for (let i = 0; i < word.length; i++) if (BYTES[pos + i] !== word[i]) return SURPRISE
    return pos + word.length
  }

  #skipString(pos: number): number {
    const { end } = this
    for (pos++; pos < end; pos++) {
      const c = BYTES[pos]!
      if (c === QUOTE) return pos + 1
      if (c < 32 || c >= 127) return SURPRISE
      if (c === BACKSLASH) {
        this.escaped = true
        if (++pos >= end) return SURPRISE
        if (BYTES[pos] === 0x75) {
          if (pos + 4 >= end) return SURPRISE
          for (let i = 1; i <= 4; i++) if (!isHex(BYTES[pos + i]!)) return SURPRISE
          pos += 4
        } else if (!isEscape(BYTES[pos]!)) return SURPRISE
      }
    }
    return SURPRISE
  }

  #skipNested(pos: number, depth: number): number {
    const isMap = BYTES[pos] === OPEN_MAP
    const close = isMap ? CLOSE_MAP : CLOSE_LIST
    pos = this.space(pos + 1)
    if (pos < this.end && BYTES[pos] === close) return pos + 1
    for (;;) {
      if (isMap) {
        if (pos >= this.end || BYTES[pos] !== QUOTE) return SURPRISE
        pos = this.#skipString(pos)
        if (pos < 0) return SURPRISE
        pos = this.#colon(pos)
        if (pos < 0) return SURPRISE
      }
      pos = this.skip(pos, depth + 1)
      if (pos < 0) return SURPRISE
      pos = this.space(pos)
      if (pos >= this.end) return SURPRISE
      if (BYTES[pos] === close) return pos + 1
      if (BYTES[pos] !== COMMA) return SURPRISE
      pos = this.space(pos + 1)
    }
  }

  #colon(pos: number): number {
    pos = this.space(pos)
    return pos < this.end && BYTES[pos] === COLON ? this.space(pos + 1) : SURPRISE
  }

  /**
   * Walks an object in whatever order its keys come, checks all of it, and notes in `places` where the value of each
   * of `keys` begins (0: nowhere; of equal keys the last counts). A surprise when a known key has an escape in its
   * value, or any key in itself.
   */
  fields(pos: number, keys: KeySet, places: Int32Array): number {
    places.fill(0)
    if (pos >= this.end || BYTES[pos] !== OPEN_MAP) return SURPRISE
    pos = this.space(pos + 1)
    if (pos < this.end && BYTES[pos] === CLOSE_MAP) return pos + 1
    for (;;) {
      const behind = this.string(pos)
      if (behind < 0) return SURPRISE
      const key = keys.find(BYTES, pos + 1, behind - 1, hashOf(BYTES, pos + 1, behind - 1))
      pos = this.#colon(behind)
      if (pos < 0) return SURPRISE
      if (key >= 0) places[key] = pos
      pos = this.skip(pos)
      if (pos < 0 || (key >= 0 && this.escaped)) return SURPRISE
      pos = this.space(pos)
      if (pos >= this.end) return SURPRISE
      if (BYTES[pos] === CLOSE_MAP) return pos + 1
      if (BYTES[pos] !== COMMA) return SURPRISE
      pos = this.space(pos + 1)
    }
  }
}

/** `["` and `,"` with a letter and a quote behind. */
const LIST_OF_CODES = 0x2200225b
const ONE_MORE_CODE = 0x2200222c

/** `0000` as a word: what it is exclusive-ored with has digits as their values. */
const ZEROS = 0x30303030

/** The highest bit of each byte of a word that is above 9. */
function notDigits(word: number): number {
  return (((word & 0x7f7f7f7f) + 0x76767676) | word) & 0x80808080
}

/** Which byte has the first bit that is set, from 0; there is one. */
function firstByte(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >>> 3
}

/** The number that four digits in a word make, the first in its lowest byte. */
function digitsOf(digits: number): number {
  const pairs = (digits * 10 + (digits >>> 8)) & 0x00ff00ff
  return (pairs & 0xff) * 100 + (pairs >>> 16)
}

const TRUE = Uint8Array.from([0x74, 0x72, 0x75, 0x65])
const FALSE = Uint8Array.from([0x66, 0x61, 0x6c, 0x73, 0x65])
const NULL = Uint8Array.from([0x6e, 0x75, 0x6c, 0x6c])

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

function isHex(byte: number): boolean {
  return isDigit(byte) || ((byte | 32) >= 0x61 && (byte | 32) <= 0x66)
}

/** What may stand behind a backslash, `u` aside: " \ / b f n r t */
function isEscape(byte: number): boolean {
  switch (byte) {
    case 0x22:
    case 0x5c:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return true
  }
  return false
}
