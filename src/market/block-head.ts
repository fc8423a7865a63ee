import { TickwireError } from '../base/errors.ts'
import { momentOf } from './block-fields.ts'
import { ByteReader } from './byte-reader.ts'
import { type ByteWriter, badBlock } from './bytes.ts'
import type { MarketEvent } from './events.ts'

/** Byte 0 of every block. */
const VERSION = 1
/** Byte 1: the form in its high half, marks below. */
export const ROWS = 0x50
export const COLUMNS = 0xa0
const FORM_BITS = 0xf0
/** Entries of the dictionary stand at the head of the block. */
export const ENTRIES = 1
/** They are all there are so far. */
export const WHOLE = 2

export function writeVersion(out: ByteWriter, marks: number): void {
  out.byte(VERSION)
  out.byte(marks)
}

/** How many events follow, and the time they are counted from, which it returns. */
export function writeCount(
  out: ByteWriter,
  events: readonly MarketEvent[],
  from: number,
  to: number,
): number {
  const base = momentOf(events[from]?.timestamp ?? 0)
  out.uint(to - from)
  out.number(base)
  return base
}

/** A reader behind the first two bytes, and the marks among them. @throws BAD_BLOCK */
export function openBlock(bytes: Uint8Array, form: number): { from: ByteReader; marks: number } {
  // A Buffer of Node is made a plain array: one class of bytes keeps compiled code short.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const from = new ByteReader(plain)
  const version = from.byte()
  if (version > VERSION) {
    throw new TickwireError(
      'BAD_BLOCK',
      `a newer tickwire wrote this block (form ${version}; this one reads up to ${VERSION})`,
      { hint: 'Update tickwire to read it.' },
    )
  }
  const marks = from.byte()
  if (version !== VERSION || (marks & FORM_BITS) !== form) badBlock('it begins like none')
  return { from, marks: marks & ~FORM_BITS }
}

export function readCount(from: ByteReader): { count: number; base: number } {
  const count = from.uint()
  const base = from.number()
  if (base === undefined || !Number.isSafeInteger(base)) return badBlock('its time is missing')
  return { count, base }
}
