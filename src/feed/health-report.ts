import type { ClosedHours } from './closed-hours.ts'
import type { LagReport } from './lag.ts'
import { paceOf, patience, type Silence } from './silence.ts'
import type { Watch, Watched } from './watched.ts'

/**
 * `live` events come at the pace they are known to · `quiet` nothing comes, and nothing is known to be missed: the market
 * is closed, the venue has nothing newer, or it cannot be asked · `stale` the venue has newer data than it sends, and the connection is being replaced, or it
 * says itself that data does not come · `dead` there is no connection.
 */
export type HealthState = 'live' | 'quiet' | 'stale' | 'dead'

export interface HealthReport {
  readonly state: HealthState
  /** Why, in a sentence. */
  readonly reason: string
  /** When the last live event came, by our clock; `undefined` when none has. */
  readonly lastEventAt: number | undefined
  /** Learned time between events, ms; `undefined` before a few have come. */
  readonly gapMs: number | undefined
  /** Of the whole feed. */
  readonly lag: LagReport | undefined
}

/** What health has to go by. */
interface Known {
  /** Those that carry what is asked for, and what is known of them. */
  readonly connections: readonly Watched[]
  readonly watches: readonly Watch[]
  readonly silence: Silence
  /** Absent where it is no market that closes. */
  readonly hours: ClosedHours | undefined
  readonly lag: LagReport | undefined
  readonly now: number
}

/** How a feed is, or one symbol of it. */
export function reportOf(
  symbol: string | undefined,
  { connections, watches, silence, hours, lag, now }: Known,
): HealthReport {
  const isMeant = (one: { symbol: string }) => symbol === undefined || one.symbol === symbol
  const seen = connections.flatMap(({ topics }) => silence.seenOf(topics)).filter(isMeant)
  const lastEventAt = seen.reduce<number | undefined>(
    (last, { receivedAt = last }) =>
      last === undefined ? receivedAt : Math.max(last, receivedAt!),
    undefined,
  )
  const gapMs = paceOf(seen)
  const base = { lastEventAt, gapMs, lag }
  if (!connections.some(({ isOpen }) => isOpen)) {
    return { state: 'dead', reason: 'there is no connection', ...base }
  }
  const outage = connections.find(one => one.outage !== undefined)?.outage
  if (outage !== undefined) return { state: 'stale', reason: outage, ...base }
  const isStale = symbol !== undefined && seen.some(one => silence.lineOf(one)?.isStale)
  if (isStale || watches.some(({ state }) => state === 'stale')) {
    return { state: 'stale', reason: 'the venue has newer data than it sends', ...base }
  }
  const topics = connections.flatMap(one => one.topics).filter(isMeant)
  const silentMs = lastEventAt === undefined ? Number.POSITIVE_INFINITY : now - lastEventAt
  const comes = silentMs < patience(gapMs)
  const closed = hours?.why(topics, now)
  if (closed && !(comes && hours?.isBelied(topics, lastEventAt!, patience(gapMs)))) {
    return { state: 'quiet', reason: closed, ...base }
  }
  if (comes) return { state: 'live', reason: 'events come', ...base }
  const why = watches.find(({ state }) => state === 'quiet')?.why
  const since =
    lastEventAt === undefined
      ? 'nothing has come yet'
      : `nothing for ${Math.round(silentMs / 1_000)} s`
  return { state: 'quiet', reason: why === undefined ? since : `${since}: ${why}`, ...base }
}
