import { crc32 } from 'node:zlib'
import { TickwireError } from '../../base/errors.ts'

/**
 * The bytes of a tape file (a segment): a header, then blocks.
 *
 * Header, 64 bytes, little-endian: `TICKTAPE` · u16 version · u16 form (1 rows, 2 columns, 3 frames) · u32 0 · 16 bytes id of the tape ·
 * f64 number of its first event · f64 number of the last event before it · f64 highest receive time before it ·
 * u32 time it was made (epoch seconds) · u32 CRC-32 of the bytes before.
 *
 * Block: u32 magic · u32 length of the body and, in its upper 4 bits, the type · u32 CRC-32 of that word and of the body · body. So
 * a reader that meets a broken block finds the next good one by its magic and CRC.
 */
export const VERSION = 1
export const HEADER_BYTES = 64
export const FRAME_BYTES = 12
/** Most bytes of a body: 28 bits hold no more, and 4,096 events of the longest news stay far below. */
export const MOST_BODY = 2 ** 28 - 1

const TITLE = 0x45504154_4b434954n
const MAGIC = 0x21425754

export const FORM = { rows: 1, columns: 2, frames: 3 } as const
const FORM_NAMES = Object.keys(FORM) as (keyof typeof FORM)[]

export const BLOCK = {
  /** u48 first number · u16 count · rows that need the dictionary of the blocks before them. */
  rows: 1,
  /** f64 highest receive time before the block · u48 first number · u16 count · rows with the whole dictionary: a reader may begin here. */
  whole: 2,
  /** f64 highest receive time before it · f64 number of the last event before it · u32 raw length · columns in brotli. */
  columns: 3,
  /** The summary of a sealed segment, JSON in brotli: the last block, and behind it u32 its length and its magic once more. */
  index: 4,
  /** Frames as a venue sent them; only in captures. */
  frames: 5,
} as const
export type BlockType = (typeof BLOCK)[keyof typeof BLOCK]
const LAST_TYPE = 5

/** What {@link BLOCK} puts before the rows of either kind, and before columns. */
export const ROWS_HEAD = 8
export const WHOLE_HEAD = 16
export const COLUMNS_HEAD = 20

export interface SegmentHeader {
  readonly form: keyof typeof FORM
  /** Id of the tape. */
  readonly tape: string
  /** Number of its first event. */
  readonly first: number
  /** Number of the last event before it, 0 when there is none: what lies between is nobody's. */
  readonly previous: number
  /** Highest receive time of any event before it; -Infinity when there is none. */
  readonly highest: number
  /** When it was made, epoch ms; whole seconds are kept. */
  readonly createdAt: number
}

export function encodeHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeBigUInt64LE(TITLE, 0)
  bytes.writeUInt16LE(VERSION, 8)
  bytes.writeUInt16LE(FORM[header.form], 10)
  Buffer.from(header.tape.replaceAll('-', ''), 'hex').copy(bytes, 16)
  bytes.writeDoubleLE(header.first, 32)
  bytes.writeDoubleLE(header.previous, 40)
  bytes.writeDoubleLE(header.highest, 48)
  bytes.writeUInt32LE(Math.floor(header.createdAt / 1_000), 56)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60)
  return bytes
}

/** @throws TAPE_DAMAGED when the bytes are no header, TAPE_TOO_NEW when a newer tickwire wrote them */
export function decodeHeader(bytes: Buffer, file: string): SegmentHeader {
  if (bytes.length < HEADER_BYTES || bytes.readBigUInt64LE(0) !== TITLE) {
    throw damaged(file, 'it does not begin as a tape file does')
  }
  const version = bytes.readUInt16LE(8)
  if (version > VERSION) {
    throw new TickwireError(
      'TAPE_TOO_NEW',
      `${file} has format version ${version}; this tickwire reads up to ${VERSION}`,
      { hint: 'Read it with the tickwire that wrote it, or a newer one.' },
    )
  }
  if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) {
    throw damaged(file, 'the checksum of its header does not hold')
  }
  const hex = bytes.toString('hex', 16, 32)
  const number = bytes.readUInt16LE(10)
  const form = FORM_NAMES.find(name => FORM[name] === number)
  if (!form) throw damaged(file, `it is of an unknown form (${number})`)
  return {
    form,
    tape: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    first: bytes.readDoubleLE(32),
    previous: bytes.readDoubleLE(40),
    highest: bytes.readDoubleLE(48),
    createdAt: bytes.readUInt32LE(56) * 1_000,
  }
}

export function damaged(file: string, why: string): TickwireError {
  return new TickwireError('TAPE_DAMAGED', `${file} is damaged: ${why}`, {
    hint: '`tickwire tape verify` shows what can still be read.',
  })
}

/** Writes the frame of a block whose body stands in `bytes` from `at + FRAME_BYTES` to `end`. */
export function writeFrame(bytes: Buffer, at: number, end: number, type: BlockType): void {
  const word = ((type << 28) | (end - at - FRAME_BYTES)) >>> 0
  bytes.writeUInt32LE(MAGIC, at)
  bytes.writeUInt32LE(word, at + 4)
  bytes.writeUInt32LE(checksum(bytes, at, end), at + 8)
}

function checksum(bytes: Buffer, at: number, end: number): number {
  return crc32(bytes.subarray(at + FRAME_BYTES, end), crc32(bytes.subarray(at + 4, at + 8)))
}

export interface Frame {
  readonly type: BlockType
  /** Where the body stands in the bytes that were looked at. */
  readonly from: number
  readonly to: number
}

/** The block at a place: `undefined` when there is none whole, `short` when the bytes end before it does. */
export function readFrame(bytes: Buffer, at: number, end: number): Frame | 'short' | undefined {
  if (end - at < FRAME_BYTES) return 'short'
  if (bytes.readUInt32LE(at) !== MAGIC) return undefined
  const word = bytes.readUInt32LE(at + 4)
  const type = word >>> 28
  if (type < 1 || type > LAST_TYPE) return undefined
  const to = at + FRAME_BYTES + (word & MOST_BODY)
  if (to > end) return 'short'
  if (checksum(bytes, at, to) !== bytes.readUInt32LE(at + 8)) return undefined
  return { type: type as BlockType, from: at + FRAME_BYTES, to }
}

/** The next place from `at` on where the bytes could be a block's; -1 when there is none. */
export function findMagic(bytes: Buffer, at: number, end: number): number {
  return bytes.subarray(0, end).indexOf(MAGIC_BYTES, at)
}

const MAGIC_BYTES = Buffer.alloc(4)
MAGIC_BYTES.writeUInt32LE(MAGIC)
