import { badBlock, cell, MAX_SCALE, NUMBER, POWERS, type Reference, SHORT } from './bytes.ts'

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads what a `ByteWriter` wrote. @throws BAD_BLOCK from every method */
export class ByteReader {
  readonly bytes: Uint8Array
  pos: number

  constructor(bytes: Uint8Array, pos = 0) {
    this.bytes = bytes
    this.pos = pos
  }

  /** How many bytes are left. */
  get left(): number {
    return this.bytes.length - this.pos
  }

  /** Moves past `length` bytes and says where they end. */
  skip(length: number): number {
    if (length > this.left) badBlock('the bytes end too early')
    return (this.pos += length)
  }

  byte(): number {
    const { pos, bytes } = this
    if (pos >= bytes.length) badBlock('the bytes end too early')
    this.pos = pos + 1
    return bytes[pos]!
  }

  uint(): number {
    const { pos, bytes } = this
    if (pos < bytes.length) {
      const byte = bytes[pos]!
      if (byte < 0x80) {
        this.pos = pos + 1
        return byte
      }
    }
    return readLongUint(this)
  }

  int(): number {
    const value = this.uint()
    return (value >>> 1) ^ -(value & 1)
  }

  wide(): number {
    let value = 0
    let weight = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * weight
      if (byte < 0x80) return value
      weight *= 128
    }
    return badBlock('a number is too long')
  }

  double(): number {
    for (let i = 0; i < 8; i++) cell.setUint8(i, this.byte())
    return cell.getFloat64(0, true)
  }

  number(reference?: Reference): number | undefined {
    const tag = this.byte()
    const scale = tag & NUMBER.scaleBits
    if (tag === NUMBER.absent) return undefined
    if (tag === NUMBER.raw) return this.double()
    if (scale > MAX_SCALE || tag >= NUMBER.negative * 2) return badBlock('no such form of a number')
    const digits = this.wide()
    const mantissa = tag & NUMBER.negative ? -digits : digits
    if ((tag & NUMBER.relative) === 0) {
      if (reference) {
        reference.mantissa = mantissa
        reference.scale = scale
      }
      return mantissa / POWERS[scale]!
    }
    if (!reference) return badBlock('a number relative to nothing')
    reference.mantissa += mantissa
    return reference.mantissa / POWERS[reference.scale]!
  }

  text(): string | undefined {
    const head = this.uint()
    if (head === 0) return undefined
    if ((head & 1) === 0) return this.#units(head)
    const length = head >>> 1
    const { pos } = this
    const end = this.skip(length)
    const { bytes } = this
    let text = ''
    for (let at = pos; at < end; at++) {
      const byte = bytes[at]!
      if (byte >= 0x80 || length > SHORT) return utf8(bytes.subarray(pos, end))
      text += String.fromCharCode(byte)
    }
    return text
  }

  #units(head: number): string {
    const length = head >>> 2
    if ((head & 3) !== 2 || length * 2 > this.left) return badBlock('a text is cut')
    let text = ''
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.byte() | (this.byte() << 8))
    return text
  }
}

function readLongUint(reader: ByteReader): number {
  const { bytes } = reader
  const { length } = bytes
  let { pos } = reader
  let value = 0
  for (let shift = 0; shift <= 28 && pos < length; shift += 7) {
    const byte = bytes[pos++]!
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      if (shift === 28 && byte > 7) break
      reader.pos = pos
      return value
    }
  }
  return badBlock(pos === length ? 'the bytes end too early' : 'a number is too long')
}

function utf8(bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes)
  } catch (cause) {
    return badBlock('a text that is not UTF-8', cause)
  }
}
