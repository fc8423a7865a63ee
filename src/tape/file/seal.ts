import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import type { Checkpoint } from '../../flow/contracts.ts'
import { encodeColumns } from '../../market/columns.ts'
import type { MarketEvent } from '../../market/events.ts'
import type { IndexEntry } from './catalog.ts'
import { syncFolder } from './disk.ts'
import { BLOCK, COLUMNS_HEAD, encodeHeader, FRAME_BYTES, writeFrame } from './format.ts'
import { SegmentReader } from './segment.ts'
import { Checkpoints, encodeSummary, readSummary } from './summary.ts'

/** Events in a sealed block: small enough to be read in one go, large enough to compress well. */
const BLOCK_EVENTS = 4_096

export interface SealRequest {
  /** Segments that follow one another. */
  readonly sources: readonly string[]
  /** The file that takes their place: one of them. */
  readonly target: string
  /** How far each topic had been seen before. */
  readonly known: readonly Checkpoint[]
  /** Its first byte other than 0 asks to stop. Shared, for a worker hears of nothing while it works. */
  readonly stop?: Uint8Array
}

export interface SealResult {
  readonly events: number
  readonly bytes: number
  /** Highest receive time of its own events; -Infinity when it has none. */
  readonly newest: number
  readonly checkpoints: readonly Checkpoint[]
  /** Blocks that could not be read; the numbers in them stay a hole that readers are told of. */
  readonly damaged: number
}

/**
 * Rewrites segments as one of compressed columns with a summary: the same events, the same numbers. `undefined` when it
 * was asked to stop: nothing has changed then.
 */
export function sealSegments(request: Omit<SealRequest, 'stop'>): Promise<SealResult>
export function sealSegments(request: SealRequest): Promise<SealResult | undefined>
export async function sealSegments(request: SealRequest): Promise<SealResult | undefined> {
  const { sources, target, known, stop } = request
  const aside = `${target}.sealing`
  const file = await open(aside, 'w')
  try {
    const checkpoints = new Checkpoints(known)
    const index: IndexEntry[] = []
    let pending: MarketEvent[] = []
    let [offset, events, damaged, from] = [0, 0, 0, Number.NaN]
    let [highest, newest] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
    /** Number of the last event before those pending, and of the last one read. */
    let [previous, last] = [0, 0]

    const put = async (bytes: Uint8Array) => {
      await file.write(bytes, 0, bytes.length, offset)
      offset += bytes.length
    }
    const flush = async () => {
      if (pending.length === 0) return
      index.push({ offset, first: pending[0]!.seq!, highest })
      await put(encodeBlock(pending, previous, highest))
      for (const { receivedAt } of pending) if (receivedAt > newest) newest = receivedAt
      highest = Math.max(highest, newest)
      previous = last
      pending = []
    }

    for (const source of sources) {
      const reader = await SegmentReader.open(source)
      try {
        const { header } = reader.blocks
        if (offset === 0) {
          await put(encodeHeader({ ...header, form: 'columns' }))
          highest = header.highest
          previous = last = header.previous
        }
        for (let block = await reader.next(); block; block = await reader.next()) {
          if (stop && Atomics.load(stop, 0) !== 0) return undefined
          if (block.previous > last) {
            // Something before it cannot be read: that stays to be seen.
            await flush()
            previous = block.previous
          }
          for (const event of block.events) {
            // Merged before, by somebody who did not come to removing it.
            if (event.seq! <= last) continue
            if (events++ === 0) from = event.receivedAt
            checkpoints.add(event)
            pending.push(event)
            last = event.seq!
            if (pending.length === BLOCK_EVENTS) await flush()
          }
        }
        // It may know topics whose files are gone.
        for (const checkpoint of (await readSummary(reader.blocks))?.checkpoints ?? []) {
          checkpoints.put(checkpoint)
        }
        damaged += reader.damage.length
      } finally {
        await reader.close()
      }
    }
    await flush()
    const { list } = checkpoints
    await put(encodeSummary({ events, last, from, newest, highest, index, checkpoints: list }))
    await file.sync()
    await file.close()
    await rename(aside, target)
    await syncFolder(dirname(target))
    return { events, bytes: offset, newest, checkpoints: list, damaged }
  } finally {
    await file.close()
  }
}

function encodeBlock(events: readonly MarketEvent[], previous: number, highest: number): Buffer {
  const columns = encodeColumns(events)
  const stored = brotliCompressSync(columns, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 1,
      [constants.BROTLI_PARAM_SIZE_HINT]: columns.length,
    },
  })
  const body = FRAME_BYTES + COLUMNS_HEAD
  const bytes = Buffer.alloc(body + stored.length)
  bytes.writeDoubleLE(highest, FRAME_BYTES)
  bytes.writeDoubleLE(previous, FRAME_BYTES + 8)
  bytes.writeUInt32LE(columns.length, FRAME_BYTES + 16)
  stored.copy(bytes, body)
  writeFrame(bytes, 0, bytes.length, BLOCK.columns)
  return bytes
}
