import { stat, truncate } from 'node:fs/promises'
import { TickwireError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Checkpoint } from '../../flow/contracts.ts'
import type { Catalog, Segment } from './catalog.ts'
import { SegmentReader } from './segment.ts'
import { Checkpoints, readSummary } from './summary.ts'

/** What stands on a tape that is opened again. */
export interface Recovered {
  /** Number of the last event on the disk, 0 when there is none. */
  readonly last: number
  readonly highest: number
  readonly checkpoints: readonly Checkpoint[]
  /** Checkpoints at the end of the last sealed file: where sealing goes on. */
  readonly sealed: readonly Checkpoint[]
  /** Files that were not sealed before the end, oldest first. */
  readonly unsealed: readonly Segment[]
}

/**
 * Looks at what is there after any kind of end: the last sealed file says how far everything had come, the files
 * after it are read. A torn end of the last file is cut off.
 * @throws TAPE_TOO_NEW
 */
export async function recover(catalog: Catalog, tape: string, log: Log): Promise<Recovered> {
  let last = 0
  let highest = Number.NEGATIVE_INFINITY
  let sealed: readonly Checkpoint[] = []
  const unsealed: Segment[] = []
  for (const segment of [...catalog.segments].reverse()) {
    const reader = await openOrExplain(catalog, segment, log)
    if (!reader) continue
    const { header } = reader.blocks
    const summary = await readSummary(reader.blocks)
    await reader.close()
    if (header.tape !== tape) {
      log.warn({ file: segment.path }, 'a file of another tape is left aside')
      catalog.remove(segment)
      continue
    }
    if (summary) {
      last = summary.last
      highest = summary.highest
      sealed = summary.checkpoints
      break
    }
    unsealed.unshift(segment)
  }
  const checkpoints = new Checkpoints(sealed)
  for (const segment of unsealed) {
    const reader = await SegmentReader.open(segment.path)
    highest = Math.max(highest, reader.blocks.header.highest)
    for (let block = await reader.next(); block; block = await reader.next()) {
      for (const event of block.events) {
        checkpoints.add(event)
        if (event.receivedAt > highest) highest = event.receivedAt
      }
      last = Math.max(last, block.events.at(-1)?.seq ?? 0)
    }
    for (const { offset, reason } of reader.damage) {
      log.warn({ file: segment.path, offset, reason }, 'a part of the tape cannot be read')
    }
    const end = reader.blocks.offset
    await reader.close()
    const { size } = await stat(segment.path)
    if (segment === unsealed.at(-1) && size > end) {
      log.warn({ file: segment.path, bytes: size - end }, 'the torn end of the tape is cut off')
      await truncate(segment.path, end)
    }
  }
  return { last, highest, checkpoints: checkpoints.list, sealed, unsealed }
}

/** A reader of a file; one that cannot be read at all is left where it is, and said. */
async function openOrExplain(
  catalog: Catalog,
  segment: Segment,
  log: Log,
): Promise<SegmentReader | undefined> {
  try {
    const reader = await catalog.open(segment)
    if (!reader) catalog.remove(segment)
    return reader
  } catch (error) {
    if (!(error instanceof TickwireError) || error.code !== 'TAPE_DAMAGED') throw error
    log.warn({ file: segment.path }, error.message)
    return undefined
  }
}
