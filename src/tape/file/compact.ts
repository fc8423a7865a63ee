import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import { takeLease } from '../../base/lease.ts'
import type { Log } from '../../base/log.ts'
import type { Checkpoint } from '../../flow/contracts.ts'
import { Catalog, type Segment } from './catalog.ts'
import { inUse, noTape, unchangeable, unreadable } from './failures.ts'
import { readIdentity } from './identity.ts'
import { recover, summaryOf } from './recover.ts'
import { sealSegments } from './seal.ts'

/** Files are merged up to this size. */
const TARGET_BYTES = 64 * 1_024 ** 2

export interface Compacted {
  readonly filesBefore: number
  readonly filesAfter: number
  readonly bytesBefore: number
  readonly bytesAfter: number
}

/**
 * Compresses what is not, and merges small neighbouring files: what many short runs leave behind. Events and
 * numbers stay as they are. The tape must not be recorded to meanwhile.
 * @throws NO_TAPE TAPE_IN_USE TAPE_UNWRITABLE TAPE_DAMAGED TAPE_TOO_NEW
 */
export async function compactTape(folder: string, log: Log): Promise<Compacted> {
  const identity = await readIdentity(folder).catch(error => {
    throw unreadable(folder, asError(error))
  })
  if (!identity) throw noTape(folder)
  try {
    const lease = takeLease([join(folder, 'writer.lease')], systemClock())
    if ('heldBy' in lease) throw inUse(folder, lease.heldBy)
    try {
      return await compact(folder, identity.id, log)
    } finally {
      lease.release()
    }
  } catch (error) {
    throw unchangeable(folder, asError(error))
  }
}

async function compact(folder: string, id: string, log: Log): Promise<Compacted> {
  const catalog = new Catalog(folder, id, true)
  await catalog.refresh()
  // Clears away what was left half done, cuts a torn end, and leaves out what is of another tape.
  await recover(catalog, log)
  const before = await sizes(catalog)
  let known: readonly Checkpoint[] = []
  for (const group of groupsOf(before)) {
    const [first] = group
    const summary = group.length === 1 && (await summaryOf(first!.segment))
    if (summary) {
      known = summary.checkpoints
      continue
    }
    const sources = group.map(({ segment }) => segment.path)
    const target = first!.segment.path
    known = (await sealSegments({ sources, target, known })).checkpoints
    // A crash in between leaves files whose events stand in the merged one too: readers pass over them.
    for (const { segment } of group.slice(1)) {
      catalog.remove(segment)
      await rm(segment.path)
    }
  }
  const after = await sizes(catalog)
  const total = (list: readonly Sized[]) => list.reduce((sum, { bytes }) => sum + bytes, 0)
  return {
    filesBefore: before.length,
    filesAfter: after.length,
    bytesBefore: total(before),
    bytesAfter: total(after),
  }
}

interface Sized {
  readonly segment: Segment
  readonly bytes: number
}

function sizes(catalog: Catalog): Promise<Sized[]> {
  return Promise.all(
    catalog.segments.map(async segment => ({ segment, bytes: (await stat(segment.path)).size })),
  )
}

/** Neighbours that fit into one file together. */
function groupsOf(files: readonly Sized[]): Sized[][] {
  const groups: Sized[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const file of files) {
    size += file.bytes
    if (size > TARGET_BYTES) {
      groups.push([])
      size = file.bytes
    }
    groups.at(-1)!.push(file)
  }
  return groups
}
