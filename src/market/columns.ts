import { makeStreams } from './block-fields.ts'
import { COLUMNS, openBlock, readCount, writeCount, writeVersion } from './block-head.ts'
import { EventReader } from './block-reader.ts'
import { EventWriter } from './block-writer.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter, badBlock, INT_END, type Reference } from './bytes.ts'
import { DictionaryReader, UNKNOWN_ENTRY } from './dictionary-reader.ts'
import { DictionaryWriter, notAnEvent } from './dictionary-writer.ts'
import { type MarketEvent, stampSeq } from './events.ts'

/*
 * Columns: blocks that stand alone, for what is kept, sent or handed on. Values of one sort stand together, which
 * general compression makes the most of. Each event keeps its `seq`, or has none.
 */

/** How `seq` is written: no event has one; each the next; in steps; in full. */
const SEQ = { none: 0, next: 1, steps: 2, full: 3 } as const

/** Columns larger than this are not kept for the next block. */
const KEPT_BYTES = 1_024 * 1_024

const out = new ByteWriter()
const streams = makeStreams(() => new ByteWriter())
const columns: readonly ByteWriter[] = Object.values(streams)
const writer = new EventWriter(streams, new DictionaryWriter())
const reader = new EventReader()

/**
 * Events [from, to), all of them when not said, as bytes of their own.
 * @throws BAD_EVENT for what is not an event
 */
export function encodeColumns(
  events: readonly MarketEvent[],
  from = 0,
  to = events.length,
): Uint8Array {
  const dictionary = new DictionaryWriter()
  for (const column of columns) column.length = 0
  out.length = 0
  writeVersion(out, COLUMNS)
  const base = writeCount(out, events, from, to)
  writer.use(dictionary)
  writer.write(events, from, to, base)
  dictionary.write(out, true)
  for (const column of columns) out.uint(column.length)
  for (const column of columns) out.append(column.written())
  writeSeqs(events, from, to)
  const bytes = out.written().slice()
  for (const kept of [out, ...columns]) {
    if (kept.bytes.length > KEPT_BYTES) kept.bytes = new Uint8Array(KEPT_BYTES)
  }
  return bytes
}

/** The events of a block. @throws BAD_BLOCK when the bytes are not a block of columns */
export function decodeColumns(bytes: Uint8Array): MarketEvent[] {
  const { from, marks } = openBlock(bytes, COLUMNS)
  if (marks !== 0) badBlock('it begins like none')
  const { count, base } = readCount(from)
  const dictionary = new DictionaryReader()
  dictionary.read(from)
  const lengths = columns.map(() => from.uint())
  const parts: ByteReader[] = []
  let next = 0
  const streams = makeStreams(() => {
    const part = new ByteReader(from.bytes.subarray(from.pos, from.skip(lengths[next++]!)))
    parts.push(part)
    return part
  })
  let events: MarketEvent[]
  try {
    events = reader.read(streams, dictionary, count, base)
  } catch (thrown) {
    if (thrown === UNKNOWN_ENTRY) badBlock('its dictionary is not whole', thrown)
    throw thrown
  }
  readSeqs(from, events)
  if (from.left > 0 || parts.some(part => part.left > 0)) badBlock('bytes after the end')
  return events
}

function writeSeqs(events: readonly MarketEvent[], from: number, to: number): void {
  const form = seqForm(events, from, to)
  out.byte(form)
  if (form === SEQ.none) return
  const reference: Reference = { scale: 0, mantissa: 0 }
  out.number(checkSeq(events[from]!.seq), reference)
  if (form === SEQ.next) return
  for (let i = from + 1; i < to; i++) {
    const { seq } = events[i]!
    if (form === SEQ.full) out.number(checkSeq(seq), reference)
    else out.int(seq! - events[i - 1]!.seq! - 1)
  }
}

function checkSeq(seq: unknown): number | undefined {
  return seq === undefined || typeof seq === 'number' ? seq : notAnEvent('seq is no number')
}

function seqForm(events: readonly MarketEvent[], from: number, to: number): number {
  if (from === to) return SEQ.none
  let form: number = Number.isSafeInteger(events[from]!.seq) ? SEQ.next : SEQ.none
  for (let i = from; i < to; i++) {
    const { seq } = events[i]!
    if (form === SEQ.none) {
      if (seq !== undefined) return SEQ.full
    } else if (i > from) {
      const step = seq === undefined ? INT_END : seq - events[i - 1]!.seq! - 1
      if (!Number.isSafeInteger(seq) || Math.abs(step) >= INT_END) return SEQ.full
      if (step !== 0) form = SEQ.steps
    }
  }
  return form
}

function readSeqs(from: ByteReader, events: readonly MarketEvent[]): void {
  const form = from.byte()
  if (form === SEQ.none) return
  if (form > SEQ.full || events.length === 0) badBlock('no such form of seq')
  const reference: Reference = { scale: 0, mantissa: 0 }
  let seq = from.number(reference)
  for (let i = 0; i < events.length; i++) {
    if (i > 0) {
      if (form === SEQ.full) seq = from.number(reference)
      else seq = seq! + 1 + (form === SEQ.steps ? from.int() : 0)
    }
    if (seq !== undefined) stampSeq(events[i]!, seq)
  }
}
