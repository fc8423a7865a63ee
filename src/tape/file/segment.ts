import { brotliDecompressSync } from 'node:zlib'
import { asError, TickwireError } from '../../base/errors.ts'
import { decodeColumns } from '../../market/columns.ts'
import type { MarketEvent } from '../../market/events.ts'
import { RowDecoder } from '../../market/rows.ts'
import { type Block, BlockReader } from './blocks.ts'
import { BLOCK, COLUMNS_HEAD, HEADER_BYTES, ROWS_HEAD, WHOLE_HEAD } from './format.ts'

/** What a block holds. */
export interface EventBlock {
  readonly events: readonly MarketEvent[]
  /** Number of its first event. */
  readonly first: number
  /** Number of the last event before it. */
  readonly previous: number
}

/** Reads the events of one segment, block by block. */
export class SegmentReader {
  readonly blocks: BlockReader
  #rows = new RowDecoder()
  /** Set once the summary of a sealed segment has been met. */
  #over = false
  /** Blocks that could not be read, and why. */
  readonly damage: { readonly offset: number; readonly reason: string }[] = []

  private constructor(blocks: BlockReader) {
    this.blocks = blocks
  }

  static async open(path: string): Promise<SegmentReader> {
    return new SegmentReader(await BlockReader.open(path))
  }

  /**
   * Begins at a block with a dictionary of its own that ends nothing before the number `seq`; where there is none, as the
   * file has been rewritten or damaged since somebody looked, at the beginning.
   */
  async begin(offset: number, seq: number): Promise<void> {
    this.blocks.seek(offset)
    const block = await this.blocks.next()
    const fits = block?.offset === offset && startOf(block) <= seq
    this.blocks.seek(fits ? offset : HEADER_BYTES)
  }

  /** The next block that ends at or behind the number `from`; `undefined` when there is none yet, or any more. */
  async next(from = 0): Promise<EventBlock | undefined> {
    while (!this.#over) {
      const block = await this.blocks.next()
      if (!block) return undefined
      if (block.skipped > 0) {
        this.#note(block.offset - block.skipped, `${block.skipped} bytes are no block`)
      }
      const found = await this.#decode(block, from)
      if (found) return found
    }
    return undefined
  }

  close(): Promise<void> {
    return this.blocks.close()
  }

  async #decode(block: Block, from: number): Promise<EventBlock | undefined> {
    try {
      if (block.type === BLOCK.columns) return this.#columns(block, from)
      if (block.type === BLOCK.rows || block.type === BLOCK.whole) {
        return await this.#decodeRows(block, from)
      }
      this.#over = block.type === BLOCK.index
    } catch (error) {
      this.#note(block.offset, asError(error).message)
    }
    return undefined
  }

  #note(offset: number, reason: string): void {
    this.damage.push({ offset, reason })
  }

  #columns({ body }: Block, from: number): EventBlock | undefined {
    const previous = body.readDoubleLE(8)
    const raw = brotliDecompressSync(body.subarray(COLUMNS_HEAD), {
      maxOutputLength: body.readUInt32LE(16),
    })
    const events = decodeColumns(raw)
    const last = events.at(-1)?.seq ?? 0
    const block = { events, first: events[0]?.seq ?? 0, previous }
    return last >= from ? block : undefined
  }

  async #decodeRows({ type, body }: Block, from: number): Promise<EventBlock | undefined> {
    const head = type === BLOCK.whole ? WHOLE_HEAD : ROWS_HEAD
    const first = body.readUIntLE(head - 8, 6)
    const last = first + body.readUInt16LE(head - 2) - 1
    const payload = body.subarray(head)
    if (last < from) {
      this.#rows.learn(payload)
      return undefined
    }
    const events = this.#rows.decode(payload, first) ?? (await this.#decodeLate(payload, first))
    const { header } = this.blocks
    return { events, first, previous: first === header.first ? header.previous : first - 1 }
  }

  /** A block before has been lost with its entries of the dictionary: they stand in the next whole one too. */
  async #decodeLate(payload: Uint8Array, first: number): Promise<MarketEvent[]> {
    const kept = Uint8Array.from(payload)
    const here = this.blocks.offset
    let block = await this.blocks.next()
    while (block && block.type !== BLOCK.whole) block = await this.blocks.next()
    if (block) this.#rows.learn(block.body.subarray(WHOLE_HEAD))
    this.blocks.seek(here)
    const events = this.#rows.decode(kept, first)
    if (!events)
      throw new TickwireError('BAD_BLOCK', 'its dictionary stood in a block that is lost')
    return events
  }
}

/** The lowest number that can stand in a block a reader may begin with; of other blocks none. */
function startOf({ type, body }: Block): number {
  if (type === BLOCK.columns) return body.readDoubleLE(8) + 1
  return type === BLOCK.whole ? body.readUIntLE(8, 6) : Number.POSITIVE_INFINITY
}
