import { readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../base/log.ts'
import type { Checkpoint } from '../../flow/contracts.ts'
import { BlockReader } from './blocks.ts'
import type { Catalog, Segment } from './catalog.ts'
import { HEADER_BYTES } from './format.ts'
import { SegmentReader } from './segment.ts'
import { Checkpoints, readSummary, type Summary } from './summary.ts'

/** What was under way when a process ended. */
const LEFT_OVER = /^(\d{16}\.tape(\.sealing|\.probe)|tape\.json\.new)$/

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
 * after it are read. A torn end of the last file is cut off, and what was left half done is removed.
 * @throws TAPE_TOO_NEW
 */
export async function recover(catalog: Catalog, log: Log): Promise<Recovered> {
  for (const name of await readdir(catalog.folder)) {
    if (LEFT_OVER.test(name)) await rm(join(catalog.folder, name), { force: true })
  }
  let last = 0
  let highest = Number.NEGATIVE_INFINITY
  let sealed: readonly Checkpoint[] = []
  const unsealed: Segment[] = []
  for (const segment of await catalog.sift()) {
    // Made, and killed before the first block came: there is nothing in it.
    if ((await stat(segment.path)).size < HEADER_BYTES) {
      await rm(segment.path)
      continue
    }
    const what = catalog.isForeign(segment) ? 'is of another tape' : 'has no good header'
    log.warn({ file: segment.path }, `a file that ${what} is left aside`)
  }
  for (const segment of [...catalog.segments].reverse()) {
    const summary = await summaryOf(segment)
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

/** The summary of a file, when it is sealed. */
export async function summaryOf({ path }: Segment): Promise<Summary | undefined> {
  const blocks = await BlockReader.open(path)
  try {
    return await readSummary(blocks)
  } finally {
    await blocks.close()
  }
}
