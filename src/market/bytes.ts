import { TickwireError } from '../base/errors.ts'

/*
 * What blocks of events are made of: unsigned varints (LEB128), doubles that mostly are decimals with few digits, and
 * texts. Everything read is checked against the end of the bytes, so that damaged ones give BAD_BLOCK and nothing worse.
 */

/** Least whole number that {@link ByteWriter.uint} does not write. */
export const UINT_END = 2 ** 31
/** {@link ByteWriter.int} writes what lies strictly between this and its negative. */
export const INT_END = 2 ** 30

/** 10^k for each scale a decimal may have. */
export const POWERS = Float64Array.from({ length: 13 }, (_, k) => 10 ** k)
export const MAX_SCALE = POWERS.length - 1

/** How a number is written: a byte with its scale and marks, then its digits as a whole number. */
export const NUMBER = { absent: 14, raw: 15, scaleBits: 15, relative: 16, negative: 32 } as const

/** Text up to this long is written and read byte by byte while it is ASCII: sooner than by a call of the platform. */
export const SHORT = 48
const ENCODER = new TextEncoder()
/** With the `u` flag only half a surrogate pair matches. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

/** Where doubles become bytes. */
export const cell = new DataView(new ArrayBuffer(8))

/** A number that decimals are written relative to: the last price of a symbol, the time of the event. */
export interface Reference {
  /** The whole number at `scale` it was last, which {@link ByteWriter.number} replaces. */
  mantissa: number
  scale: number
}

/** @throws always: what a malformed block is reported with */
export function badBlock(message: string, cause?: unknown): never {
  throw new TickwireError('BAD_BLOCK', `not a block of events: ${message}`, {
    hint: 'The bytes were cut or changed since they were written, or are something else.',
    cause,
  })
}

/** Writes values one after the other into bytes that grow as needed. */
export class ByteWriter {
  /** Valid up to `length`; another array after a write that made it grow. */
  bytes: Uint8Array
  length = 0

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Makes room for `count` more bytes. Only afterwards may `bytes` be looked up. */
  reserve(count: number): void {
    const least = this.length + count
    if (least <= this.bytes.length) return
    const bytes = new Uint8Array(Math.max(this.bytes.length * 2, least))
    bytes.set(this.bytes.subarray(0, this.length))
    this.bytes = bytes
  }

  /** Leaves a byte out and says where, to be set when it is known. */
  hold(): number {
    const at = this.length
    if (at === this.bytes.length) this.reserve(1)
    this.length = at + 1
    return at
  }

  byte(value: number): void {
    const at = this.hold()
    this.bytes[at] = value
  }

  /** A whole number below {@link UINT_END}. */
  uint(value: number): void {
    let at = this.length
    if (at + 5 > this.bytes.length) this.reserve(5)
    const bytes = this.bytes
    let rest = value
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    bytes[at++] = rest
    this.length = at
  }

  /** A whole number nearer to 0 than {@link INT_END}, of either sign. */
  int(value: number): void {
    this.uint((value << 1) ^ (value >> 31))
  }

  /** A whole number up to 2^53, in the same form. */
  wide(value: number): void {
    if (value < UINT_END) {
      this.uint(value)
      return
    }
    const high = Math.floor(value / 0x10000000)
    let low = value - high * 0x10000000
    for (let i = 0; i < 4; i++) {
      this.byte((low & 0x7f) | 0x80)
      low >>>= 7
    }
    this.uint(high)
  }

  double(value: number): void {
    cell.setFloat64(0, value, true)
    this.reserve(8)
    for (let i = 0; i < 8; i++) this.bytes[this.length++] = cell.getUint8(i)
  }

  /**
   * Any double bit for bit, or `undefined`. Relative to a reference where its scale will do; otherwise the reference
   * takes on the value and its scale.
   */
  number(value: number | undefined, reference?: Reference): void {
    if (value === undefined) {
      this.byte(NUMBER.absent)
      return
    }
    if (reference) {
      const mantissa = mantissaAt(value, reference.scale)
      const delta = mantissa - reference.mantissa
      if (Math.abs(delta) < UINT_END) {
        this.#decimal(delta, NUMBER.relative)
        reference.mantissa = mantissa
        return
      }
    }
    for (let scale = 0; scale <= MAX_SCALE; scale++) {
      const mantissa = mantissaAt(value, scale)
      if (Number.isNaN(mantissa)) continue
      this.#decimal(mantissa, scale)
      if (reference) {
        reference.mantissa = mantissa
        reference.scale = scale
      }
      return
    }
    this.byte(NUMBER.raw)
    this.double(value)
  }

  #decimal(mantissa: number, tag: number): void {
    this.byte(mantissa < 0 ? tag | NUMBER.negative : tag)
    this.wide(Math.abs(mantissa))
  }

  /** Any string, half surrogate pairs included, or `undefined`. */
  text(value: string | undefined): void {
    if (value === undefined) {
      this.byte(0)
      return
    }
    if (value.length <= SHORT && this.#ascii(value)) return
    if (LONE_SURROGATE.test(value)) {
      this.uint(value.length * 4 + 2)
      this.reserve(value.length * 2)
      for (let i = 0; i < value.length; i++) {
        const unit = value.charCodeAt(i)
        this.bytes[this.length++] = unit & 0xff
        this.bytes[this.length++] = unit >>> 8
      }
      return
    }
    const bytes = ENCODER.encode(value)
    this.uint(bytes.length * 2 + 1)
    this.append(bytes)
  }

  #ascii(value: string): boolean {
    const { length } = value
    this.reserve(length + 1)
    const bytes = this.bytes
    let at = this.length
    bytes[at++] = length * 2 + 1
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) return false
      bytes[at++] = code
    }
    this.length = at
    return true
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** What has been written; valid until the next write. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}

/** The whole number that divided by 10^scale gives exactly `value`; NaN when there is none below 2^53. */
export function mantissaAt(value: number, scale: number): number {
  const power = POWERS[scale]!
  const mantissa = Math.round(value * power)
  if (mantissa / power !== value || Math.abs(mantissa) > Number.MAX_SAFE_INTEGER) return Number.NaN
  return Object.is(value, -0) ? Number.NaN : mantissa
}
