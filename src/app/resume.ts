import type { Resume } from '../feed/feed.ts'
import { type RepairOptions, repairOptions } from '../feed/repair-options.ts'
import type { Checkpoint } from '../flow/contracts.ts'
import type { MarketEvent, Notice } from '../market/events.ts'
import type { Tape } from '../tape/tape.ts'

/** Events of before that a feed is handed at a start: it remembers about as many itself. */
const MOST_RECENT = 131_072

/**
 * What a feed has to know of an earlier process to go on behind it: how far that had come, and what it recorded last, by
 * which the feed tells what it has had. With a `source` named, nothing of others.
 */
export async function resumeOf(
  tape: Tape,
  all: readonly Checkpoint[],
  repair: RepairOptions = {},
  source?: string,
): Promise<Resume> {
  const checkpoints = all.filter(({ topic }) => source === undefined || topic.source === source)
  const newest = checkpoints.reduce((most, one) => Math.max(most, one.timestamp), 0)
  if (newest === 0) return { checkpoints, recent: [], recentSince: Number.NEGATIVE_INFINITY }
  const { overlapMs, giveUpMs, maxSpanMs } = repairOptions(repair)
  // A hole that was being filled may still be open, as long as it is tried.
  const recent = await lastEvents(tape, newest - giveUpMs - overlapMs, source)
  const gaps = recent.events.filter(isGap).filter(({ from }) => from > newest - maxSpanMs)
  const earliest = gaps.reduce((least, { from }) => Math.min(least, from), newest)
  const enough = earliest - overlapMs >= recent.since
  const { events, since, first } = enough
    ? recent
    : await lastEvents(tape, earliest - overlapMs, source)
  const isWhole = tape.start.seq === 0 && first === 1
  return {
    checkpoints: checkpoints.map(one => before(one, gaps)),
    recent: events,
    recentSince: isWhole ? Number.NEGATIVE_INFINITY : since,
  }
}

interface Last {
  readonly events: MarketEvent[]
  /** Since when they are complete. */
  readonly since: number
  /** The number on the tape of the first that is complete, whatever its source. */
  readonly first: number | undefined
}

/** The last events of a source received since a time, at most {@link MOST_RECENT}. */
async function lastEvents(tape: Tape, time: number, source: string | undefined): Promise<Last> {
  let events: MarketEvent[] = []
  let since = time
  let first: number | undefined
  for await (const batch of tape.read({ from: { time }, live: false })) {
    first ??= batch[0]!.seq
    events.push(...(source === undefined ? batch : batch.filter(one => one.source === source)))
    if (events.length <= 2 * MOST_RECENT) continue
    events = events.slice(-MOST_RECENT)
    since = events[0]!.receivedAt
    first = events[0]!.seq
  }
  return { events, since, first }
}

type Gap = Notice & { readonly from: number }
const isGap = (event: MarketEvent): event is Gap =>
  event.type === 'notice' && event.notice === 'gap' && event.from !== undefined

/** Live events may have passed a hole that was never closed: then all since its beginning is to be looked at again. */
function before(checkpoint: Checkpoint, gaps: readonly Gap[]): Checkpoint {
  const { source, kind, symbol } = checkpoint.topic
  let { timestamp, nanos } = checkpoint
  for (const gap of gaps) {
    const isOther = gap.symbol !== undefined && gap.symbol !== symbol
    if (gap.source !== source || gap.kind !== kind || isOther || gap.from >= timestamp) continue
    ;[timestamp, nanos] = [gap.from, 0]
  }
  return { topic: checkpoint.topic, timestamp, nanos }
}
