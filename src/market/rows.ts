import { makeStreams } from './block-fields.ts'
import {
  ENTRIES,
  openBlock,
  ROWS,
  readCount,
  WHOLE,
  writeCount,
  writeVersion,
} from './block-head.ts'
import { EventReader } from './block-reader.ts'
import { EventWriter } from './block-writer.ts'
import type { ByteReader } from './byte-reader.ts'
import { ByteWriter, badBlock } from './bytes.ts'
import { DictionaryReader, UNKNOWN_ENTRY } from './dictionary-reader.ts'
import { DictionaryWriter } from './dictionary-writer.ts'
import { type MarketEvent, stampSeq } from './events.ts'

/*
 * Rows: events one after the other, for blocks that are written as they happen and may hold a single one. The dictionary
 * goes on from block to block; numbers are relative to others of the same block only. The bytes say nothing of `seq`:
 * the events of a block have consecutive ones, and whoever stores it keeps the first.
 */

/** Bytes in front of the count: version and marks. */
const START = 2

/** Writes the blocks of one segment. */
export class RowEncoder {
  readonly #body = new ByteWriter(4_096)
  readonly #out = new ByteWriter()
  readonly #dictionary = new DictionaryWriter()
  readonly #writer = new EventWriter(
    makeStreams(() => this.#body),
    this.#dictionary,
  )

  /**
   * One block with events [from, to). Entries of the dictionary that are new stand at its head; with `whole` all so far
   * do, so that a reader may begin with this block (with the first it may anyway). The bytes are valid until the next call.
   *
   * Every block has to reach the reader, or the ones after it may refer to entries that it took along.
   *
   * @throws BAD_EVENT for what is not an event; the encoder can go on
   */
  encode(events: readonly MarketEvent[], from: number, to: number, whole: boolean): Uint8Array {
    const body = this.#body
    body.length = 0
    writeVersion(body, ROWS)
    const base = writeCount(body, events, from, to)
    this.#writer.write(events, from, to, base)
    const dictionary = this.#dictionary
    if (!whole && !dictionary.fresh) return body.written()
    const out = this.#out
    out.length = 0
    writeVersion(out, ROWS | ENTRIES | (whole || dictionary.untold ? WHOLE : 0))
    dictionary.write(out, whole)
    out.append(body.written().subarray(START))
    return out.written()
  }
}

/** Reads the blocks of one segment, in order. */
export class RowDecoder {
  readonly #dictionary = new DictionaryReader()
  readonly #reader = new EventReader()

  /**
   * The events of a block, the first with `firstSeq` and so on. `undefined` when they refer to entries of the dictionary
   * that were not seen, because an earlier block is missing: {@link learn} from a later one that
   * {@link hasWholeDictionary} and try again.
   *
   * @throws BAD_BLOCK when the bytes are not a block of rows
   */
  decode(payload: Uint8Array, firstSeq: number): MarketEvent[] | undefined {
    const from = this.#open(payload)
    const { count, base } = readCount(from)
    let events: MarketEvent[]
    try {
      events = this.#reader.read(
        makeStreams(() => from),
        this.#dictionary,
        count,
        base,
      )
    } catch (thrown) {
      if (thrown === UNKNOWN_ENTRY) return undefined
      throw thrown
    }
    if (from.left > 0) badBlock('bytes after the end')
    for (let i = 0; i < events.length; i++) stampSeq(events[i]!, firstSeq + i)
    return events
  }

  /** Takes only the entries at the head of a block. @throws BAD_BLOCK */
  learn(payload: Uint8Array): void {
    this.#open(payload)
  }

  #open(payload: Uint8Array): ByteReader {
    const { from, marks } = openBlock(payload, ROWS)
    if (marks & ENTRIES) this.#dictionary.read(from)
    return from
  }
}

/** Whether a block of rows brings all entries it and those before it refer to. @throws BAD_BLOCK */
export function hasWholeDictionary(payload: Uint8Array): boolean {
  return (openBlock(payload, ROWS).marks & WHOLE) !== 0
}
