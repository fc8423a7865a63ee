import { basename } from 'node:path'
import { asError, TickwireError } from '../../base/errors.ts'
import { Catalog, type Segment } from './catalog.ts'
import { noTape, unreadable } from './failures.ts'
import { readIdentity } from './identity.ts'
import { SegmentReader } from './segment.ts'
import { readSummary } from './summary.ts'

/** One file of a tape, as found on the disk. */
export interface SegmentInfo {
  readonly file: string
  readonly bytes: number
  readonly sealed: boolean
  /** Number of its first and last event; 0 when it has none. */
  readonly first: number
  readonly last: number
  readonly events: number
  /** Receive times of its first and last event, epoch ms; `undefined` when it has none. */
  readonly from: number | undefined
  readonly to: number | undefined
  /** What cannot be read in it; empty for a file that was not read through. */
  readonly damage: readonly Damage[]
}

export interface Damage {
  /** Where in the file, bytes. */
  readonly offset: number
  readonly reason: string
}

export interface TapeInfo {
  readonly id: string
  readonly folder: string
  readonly segments: readonly SegmentInfo[]
  /** Files that cannot be read at all, or do not belong to the tape. */
  readonly foreign: readonly { readonly file: string; readonly reason: string }[]
  readonly bytes: number
  readonly events: number
  /** Numbers that should stand for events, and do not: `to` is included. Only found by `verify`. */
  readonly missing: readonly { readonly from: number; readonly to: number }[]
}

export interface InspectOptions {
  /** Read every event, not only what files say of themselves. @default false */
  readonly verify?: boolean
  /** Called with each file as it has been looked at. */
  readonly seen?: (segment: SegmentInfo) => void
}

/**
 * What a tape holds, without changing anything in its folder; also while another process records to it.
 * @throws NO_TAPE TAPE_DAMAGED TAPE_TOO_NEW
 */
export async function inspectTape(
  folder: string,
  { verify = false, seen }: InspectOptions = {},
): Promise<TapeInfo> {
  try {
    const identity = await readIdentity(folder)
    if (!identity) throw noTape(folder)
    const catalog = new Catalog(folder, identity.id, false)
    await catalog.refresh()
    const segments: SegmentInfo[] = []
    const foreign: { file: string; reason: string }[] = []
    const missing: { from: number; to: number }[] = []
    let last: number | undefined
    for (const segment of catalog.segments) {
      try {
        const { info, previous } = await look(segment, identity.id, verify, hole =>
          missing.push(hole),
        )
        if (last !== undefined && previous > last) missing.push({ from: last + 1, to: previous })
        last = Math.max(last ?? 0, info.last, previous)
        segments.push(info)
        seen?.(info)
      } catch (error) {
        // Retention of the recording process has taken it meanwhile.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
        if (!(error instanceof TickwireError) || error.code !== 'TAPE_DAMAGED') throw error
        foreign.push({ file: basename(segment.path), reason: error.message })
      }
    }
    const sum = (of: (info: SegmentInfo) => number) => segments.reduce((n, one) => n + of(one), 0)
    const totals = { bytes: sum(one => one.bytes), events: sum(one => one.events) }
    return { id: identity.id, folder, segments, foreign, missing, ...totals }
  } catch (error) {
    throw unreadable(folder, asError(error))
  }
}

async function look(
  { path }: Segment,
  tape: string,
  verify: boolean,
  hole: (range: { from: number; to: number }) => void,
): Promise<{ info: SegmentInfo; previous: number }> {
  const reader = await SegmentReader.open(path)
  try {
    const { header } = reader.blocks
    if (header.tape !== tape) {
      throw new TickwireError('TAPE_DAMAGED', `${path} is of another tape`)
    }
    const bytes = await reader.blocks.size()
    const file = basename(path)
    const summary = await readSummary(reader.blocks)
    const { previous } = header
    if (summary && !verify) {
      const to = finite(summary.highest)
      const { events, last } = summary
      const [first, from] = [header.first, finite(summary.from)]
      return {
        info: { file, bytes, sealed: true, first, last, events, from, to, damage: [] },
        previous,
      }
    }
    let [first, last, events, from, to] = [0, previous, 0, undefined, undefined] as [
      ...[number, number, number],
      ...[number | undefined, number | undefined],
    ]
    /** The number before the next one that should be there. */
    let seen = header.first - 1
    for (let block = await reader.next(); block; block = await reader.next()) {
      if (block.previous > seen) hole({ from: seen + 1, to: block.previous })
      if (events === 0) {
        first = block.first
        from = block.events[0]!.receivedAt
      }
      events += block.events.length
      last = seen = block.events.at(-1)!.seq!
      to = block.events.at(-1)!.receivedAt
    }
    if (summary && summary.last > seen) {
      hole({ from: seen + 1, to: summary.last })
      last = summary.last
    }
    const damage = [...reader.damage]
    if (summary && summary.events !== events) {
      const reason = `it says to hold ${summary.events} events, and holds ${events}`
      damage.push({ offset: 0, reason })
    }
    const rest = bytes - reader.blocks.offset
    if (!summary && rest > 0) {
      damage.push({
        offset: reader.blocks.offset,
        reason: `${rest} bytes at the end are no whole block`,
      })
    }
    const sealed = summary !== undefined
    return { info: { file, bytes, sealed, first, last, events, from, to, damage }, previous }
  } finally {
    await reader.close()
  }
}

const finite = (time: number) => (Number.isFinite(time) ? time : undefined)
