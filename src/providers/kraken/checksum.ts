/**
 * The checksum of a book: a CRC-32 over the digits of its best ten asks, low to high, and best ten bids, high to low.
 * https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
 *
 * 1. Of each level the price, then the size, as they were sent: without the point, and without the zeros before the
 *    first other digit. Nothing stands between them.
 * 2. Trailing zeros count, so the digits are taken from the text; a number has lost them. Where a number is written with
 *    an exponent (`5.1e-05`), the precision of the pair restores them.
 *
 * A CRC is linear: that of two texts, one behind the other, follows from that of each and the length of the second. So of
 * a level only its own CRC is kept, worked out when it comes, and twenty such steps make the checksum.
 */

/** Levels of each side that are in it, however many the book has. */
export const CHECKED_LEVELS = 10
/** Most digits of a level, price and size together. */
const MOST_DIGITS = 63

const DOT = 46
const ZERO = 48

/** Of each byte what it does to a CRC. */
const TABLE = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  TABLE[byte] = crc
}

/** Where a CRC begins; its last value is `~crc >>> 0`. */
export const CRC_START = -1

/** The digits of a level: how many, and their CRC from 0 on. */
export class DigitsCrc {
  crc = 0
  length = 0

  clear(): void {
    this.crc = 0
    this.length = 0
  }

  /**
   * Takes the digits of a number's text behind those it has. False, and nothing taken, when it is written with an exponent
   * or has more digits than a level may have.
   */
  take(text: Uint8Array, start: number, end: number): boolean {
    let { crc, length } = this
    let pos = start
    while (pos < end && (text[pos] === ZERO || text[pos] === DOT)) pos++
    for (; pos < end; pos++) {
      const c = text[pos]!
      if (c === DOT) continue
      if (c < ZERO || c > 57 || length >= MOST_DIGITS) return false
      crc = TABLE[(crc ^ c) & 0xff]! ^ (crc >>> 8)
      length++
    }
    this.crc = crc
    this.length = length
    return true
  }
}

/** Of each length, what so many bytes of 0 do to each of the four bytes of a CRC; made when first needed. */
const SHIFTS: (Int32Array | undefined)[] = new Array(MOST_DIGITS + 1).fill(undefined)

/** The CRC of what has `crc`, and behind it `length` digits, whose own from 0 on is `next`. */
export function crcBehind(crc: number, next: number, length: number): number {
  const shift = SHIFTS[length] ?? shiftOf(length)
  return (
    shift[crc & 0xff]! ^
    shift[256 + ((crc >>> 8) & 0xff)]! ^
    shift[512 + ((crc >>> 16) & 0xff)]! ^
    shift[768 + (crc >>> 24)]! ^
    next
  )
}

function shiftOf(length: number): Int32Array {
  const shift = Int32Array.from({ length: 4 * 256 }, (_, i) => {
    let crc = (i & 0xff) << (8 * (i >>> 8))
    for (let n = 0; n < length; n++) crc = TABLE[crc & 0xff]! ^ (crc >>> 8)
    return crc
  })
  SHIFTS[length] = shift
  return shift
}
