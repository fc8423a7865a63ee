/**
 * The part of MessagePack that market data uses: nil, booleans, numbers, text, bytes, arrays, maps and the timestamp
 * extension. Maps have text keys. https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/** A moment: whole epoch milliseconds and the nanoseconds below (0–999,999). */
export class MsgpackTime {
  constructor(
    readonly timestamp: number,
    readonly nanos: number,
  ) {}
}

/** An extension that is not a (valid) timestamp. */
export class MsgpackExtension {
  constructor(
    readonly code: number,
    readonly data: Uint8Array,
  ) {}
}

/** Nesting deeper than this is refused. */
export const MAX_DEPTH = 32

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * One value, and nothing after it. Integers beyond ±(2^53 − 1) come as `bigint`, a map as an object without
 * prototype (of equal keys the last one counts).
 * @throws SyntaxError when the bytes are not that; never reads past their end
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  const reader = new MsgpackReader(bytes)
  const value = reader.value()
  if (reader.pos !== bytes.length) throw new SyntaxError('bytes after the end')
  return value
}

/** Reads values one after the other. */
export class MsgpackReader {
  pos: number
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array, pos = 0) {
    this.pos = pos
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** @throws SyntaxError */
  value(depth = 0): unknown {
    const tag = this.#bytes[this.#take(1)]!
    if (tag < 0x80) return tag
    if (tag < 0x90) return this.#map(tag & 15, depth)
    if (tag < 0xa0) return this.#array(tag & 15, depth)
    if (tag < 0xc0) return this.#text(tag & 31)
    if (tag >= 0xe0) return tag - 256
    switch (tag) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#slice(this.#uint(1 << (tag - 0xc4)))
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (tag - 0xc7)))
      case 0xca:
        return this.#view.getFloat32(this.#take(4))
      case 0xcb:
        return this.#view.getFloat64(this.#take(8))
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (tag - 0xcc))
      case 0xcf:
        return integer(this.#view.getBigUint64(this.#take(8)))
      case 0xd0:
        return this.#view.getInt8(this.#take(1))
      case 0xd1:
        return this.#view.getInt16(this.#take(2))
      case 0xd2:
        return this.#view.getInt32(this.#take(4))
      case 0xd3:
        return integer(this.#view.getBigInt64(this.#take(8)))
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (tag - 0xd4))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (tag - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 << (tag - 0xdc)), depth)
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (tag - 0xde)), depth)
    }
    throw new SyntaxError(`no such type: 0x${tag.toString(16)}`)
  }

  /** Moves past `length` bytes and says where they began. */
  #take(length: number): number {
    const at = this.pos
    if (length > this.#bytes.length - at) throw new SyntaxError('the bytes end too early')
    this.pos = at + length
    return at
  }

  #uint(width: number): number {
    const at = this.#take(width)
    if (width === 1) return this.#view.getUint8(at)
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  #slice(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  #text(length: number): string {
    const bytes = this.#slice(length)
    let text = ''
    for (let i = 0; i < length; i++) {
      const byte = bytes[i]!
      if (byte >= 0x80 || i === SHORT) return utf8(bytes)
      text += String.fromCharCode(byte)
    }
    return text
  }

  #array(count: number, depth: number): unknown[] {
    this.#enter(count, depth)
    const list: unknown[] = []
    for (let i = 0; i < count; i++) list.push(this.value(depth + 1))
    return list
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#enter(count * 2, depth)
    const map: Record<string, unknown> = Object.create(null)
    for (let i = 0; i < count; i++) {
      const key = this.value(depth + 1)
      if (typeof key !== 'string') throw new SyntaxError('a key that is not text')
      map[key] = this.value(depth + 1)
    }
    return map
  }

  #enter(values: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw new SyntaxError('nested too deep')
    // Every value takes a byte: a count beyond the bytes left is refused before anything is made for it.
    if (values > this.#bytes.length - this.pos) throw new SyntaxError('the bytes end too early')
  }

  #extension(length: number): MsgpackTime | MsgpackExtension {
    const code = this.#view.getInt8(this.#take(1))
    const at = this.#take(length)
    const time = code === -1 ? this.#time(at, length) : undefined
    return time ?? new MsgpackExtension(code, this.#bytes.subarray(at, at + length))
  }

  /** Timestamp 32: seconds. 64: 30 bits of nanoseconds, 34 of seconds. 96: nanoseconds, then signed seconds. */
  #time(at: number, length: number): MsgpackTime | undefined {
    let seconds = 0
    let nanos = 0
    if (length === 4) seconds = this.#view.getUint32(at)
    else if (length === 8) {
      const high = this.#view.getUint32(at)
      nanos = high >>> 2
      seconds = (high & 3) * 4_294_967_296 + this.#view.getUint32(at + 4)
    } else if (length === 12) {
      nanos = this.#view.getUint32(at)
      seconds = Number(this.#view.getBigInt64(at + 4))
    } else return undefined
    if (nanos > 999_999_999 || Math.abs(seconds) > MAX_SECONDS) return undefined
    const ms = Math.floor(nanos / 1_000_000)
    return new MsgpackTime(seconds * 1_000 + ms, nanos - ms * 1_000_000)
  }
}

/** Text up to this long is read and written byte by byte while it is ASCII: sooner than by a call of the platform. */
const SHORT = 32

function utf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch (cause) {
    throw new SyntaxError('text that is not UTF-8', { cause })
  }
}

/** What a `Date` can hold. */
const MAX_SECONDS = 8_640_000_000_000

function integer(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** Writes values one after the other into bytes that grow as needed. */
export class MsgpackWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** How many bytes have been written. */
  get length(): number {
    return this.#length
  }

  /** A copy of what has been written. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  nil(): void {
    this.#byte(0xc0)
  }

  boolean(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2)
  }

  /** Announces an array; its values follow. */
  array(count: number): void {
    this.#head(count, 0x90, 16, 0xdc)
  }

  /** Announces a map; key and value follow in turn. */
  map(count: number): void {
    this.#head(count, 0x80, 16, 0xde)
  }

  text(value: string): void {
    if (value.length < SHORT && this.#ascii(value)) return
    const bytes = ENCODER.encode(value)
    const length = bytes.length
    if (length < 32) this.#byte(0xa0 | length)
    else if (length < 256) {
      const at = this.#room(2)
      this.#bytes[at] = 0xd9
      this.#bytes[at + 1] = length
    } else this.#head(length, 0, 0, 0xda)
    this.raw(bytes)
  }

  /** Writes a short text while it is ASCII; whether it was. */
  #ascii(value: string): boolean {
    const length = value.length
    const start = this.#length
    const at = this.#room(length + 1)
    this.#bytes[at] = 0xa0 | length
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) {
        this.#length = start
        return false
      }
      this.#bytes[at + 1 + i] = code
    }
    return true
  }

  /** A double, also where the value is whole. */
  float(value: number): void {
    const at = this.#room(9)
    this.#bytes[at] = 0xcb
    this.#view.setFloat64(at + 1, value)
  }

  /** A safe integer in its shortest form; anything else as a double. */
  number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.float(value)
    else if (value < 0) this.#negative(value)
    else if (value < 0x80) this.#byte(value)
    else if (value <= 0xffffffff) {
      const width = value <= 0xff ? 0 : value <= 0xffff ? 1 : 2
      const at = this.#room(1 + (1 << width))
      this.#bytes[at] = 0xcc + width
      this.#put(at + 1, value, 1 << width)
    } else this.bigint(BigInt(value))
  }

  /** An integer of up to 64 bits, in all of them. */
  bigint(value: bigint): void {
    const at = this.#room(9)
    this.#bytes[at] = value < 0n ? 0xd3 : 0xcf
    this.#view.setBigInt64(at + 1, value)
  }

  /** The timestamp extension, in the shortest of its three forms. */
  time(timestamp: number, nanosBelow: number): void {
    const seconds = Math.floor(timestamp / 1_000)
    const nanos = (timestamp - seconds * 1_000) * 1_000_000 + nanosBelow
    if (seconds < 0 || seconds > 0x3ffffffff) {
      const at = this.#room(15)
      this.#bytes[at] = 0xc7
      this.#bytes[at + 1] = 12
      this.#bytes[at + 2] = 0xff
      this.#view.setUint32(at + 3, nanos)
      this.#view.setBigInt64(at + 7, BigInt(seconds))
    } else if (nanos === 0 && seconds <= 0xffffffff) {
      const at = this.#room(6)
      this.#bytes[at] = 0xd6
      this.#bytes[at + 1] = 0xff
      this.#view.setUint32(at + 2, seconds)
    } else {
      const at = this.#room(10)
      this.#bytes[at] = 0xd7
      this.#bytes[at + 1] = 0xff
      this.#view.setUint32(at + 2, nanos * 4 + Math.floor(seconds / 4_294_967_296))
      this.#view.setUint32(at + 6, seconds % 4_294_967_296)
    }
  }

  /** Bytes that are msgpack already. */
  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
  }

  #negative(value: number): void {
    if (value >= -32) this.#byte(value & 0xff)
    else if (value >= -0x80000000) {
      const width = value >= -0x80 ? 0 : value >= -0x8000 ? 1 : 2
      const at = this.#room(1 + (1 << width))
      this.#bytes[at] = 0xd0 + width
      this.#put(at + 1, value, 1 << width)
    } else this.bigint(BigInt(value))
  }

  /** The low bytes of a number; two's complement where it is negative. */
  #put(at: number, value: number, width: number): void {
    if (width === 1) this.#view.setUint8(at, value)
    else if (width === 2) this.#view.setUint16(at, value)
    else this.#view.setUint32(at, value)
  }

  /** A count: in the tag when below `short`, else behind `long` in 16 or behind `long + 1` in 32 bits. */
  #head(count: number, fixed: number, short: number, long: number): void {
    if (count < short) {
      this.#byte(fixed | count)
      return
    }
    const wide = count > 0xffff
    const at = this.#room(wide ? 5 : 3)
    this.#bytes[at] = wide ? long + 1 : long
    this.#put(at + 1, count, wide ? 4 : 2)
  }

  #byte(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  /** Makes room for `count` bytes and says where they begin; `#bytes` may be another one afterwards. */
  #room(count: number): number {
    const at = this.#length
    this.#length = at + count
    if (this.#length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length))
      bytes.set(this.#bytes.subarray(0, at))
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer)
    }
    return at
  }
}

const ENCODER = new TextEncoder()

/** A value of plain JavaScript: what `decodeMsgpack` gives back, `undefined` fields left out. */
export function encodeMsgpack(value: unknown): Uint8Array {
  const writer = new MsgpackWriter()
  write(writer, value)
  return writer.bytes()
}

function write(writer: MsgpackWriter, value: unknown): void {
  if (value === null || value === undefined) writer.nil()
  else if (typeof value === 'boolean') writer.boolean(value)
  else if (typeof value === 'number') writer.number(value)
  else if (typeof value === 'bigint') writer.bigint(value)
  else if (typeof value === 'string') writer.text(value)
  else if (value instanceof MsgpackTime) writer.time(value.timestamp, value.nanos)
  else if (Array.isArray(value)) {
    writer.array(value.length)
    for (const item of value) write(writer, item)
  } else {
    const entries = Object.entries(value as object).filter(([, item]) => item !== undefined)
    writer.map(entries.length)
    for (const [key, item] of entries) {
      writer.text(key)
      write(writer, item)
    }
  }
}
