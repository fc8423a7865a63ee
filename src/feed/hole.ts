import type { Timer } from '../base/clock.ts'
import type { PlaceOf } from '../flow/contracts.ts'
import type { Bar, EventType, Interval, MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import { Delivered, lengthOf, type Reach } from './repair-past.ts'

/** From where on a topic is not known to be whole. */
export interface Mark {
  readonly kind: EventType
  readonly symbol: string
  readonly interval: Interval | undefined
  readonly timestamp: number
  readonly nanos: number
  /** Of bars the last that was delivered, of the latest place there was. */
  readonly bar?: Bar | undefined
  /** Venue time at which the hole begins as far as is known: of a quiet symbol long after its last event. */
  readonly since: number
  /** When its connection was lost, by our clock. */
  readonly lostAt: number
}

/** What may be missing of one topic. */
export interface Hole extends Reach {
  readonly kind: EventType
  readonly interval: Interval | undefined
  readonly symbol: string
  /** Venue time of the last event of before: what came since may be missing. */
  from: number
  fromNanos: number
  /** As of its {@link Mark}. */
  readonly since: number
  /** When its connection was lost, by our clock; moved on when history has told all of it, and it is lost once more. */
  lostAt: number
  /** Nothing was seen before it: no event of before belongs to it. */
  readonly isFirst: boolean
  /** When the venue began to send again, by our clock; `undefined` while it does not. */
  resumedAt: number | undefined
  /** Venue time of the first live event since then. */
  firstAt: number
  /** The first live event since it was opened, however often it was broken since then, and whether it was. */
  heard: MarketEvent | undefined
  brokenSince: boolean
  /** Latest venue time of a live event since it resumed: the venue's clock may be ahead of ours. */
  reach: number
  /** Since when the venue refuses the topic, by our clock. */
  refusedAt: number | undefined
  /** Bars the stream has spoken of since then, as it did last. */
  bars: Map<string, Bar>
  /** Of bars the latest place there was before it was broken last: what the stream says of it, or before it, shows no end. */
  knownTo: number
  /** Of bars the one that stands at `from`, as it was delivered. */
  readonly last: Bar | undefined
  /** How often history has shown records in it that cannot be read. */
  looks: number
  /** Filled in already, before it was closed, and how much that was. */
  readonly given: Delivered
  filled: number
  /** What history says, and cannot be true, by its identity. */
  readonly untrue: Map<string, MarketEvent>
  /** Live events kept back, and what lets them go when it takes too long. */
  held: MarketEvent[]
  release: Timer | undefined
  holding: boolean
  /** How often it was broken: work begun before the last time is for nothing. */
  breaks: number
  filling: boolean
  /** Ends the rest of whoever works on it, who is to look at it again. */
  wake: (() => void) | undefined
}

export function newHole(mark: Mark, isFirst: boolean, holding: boolean): Hole {
  const { kind, interval, symbol, timestamp, nanos, bar, since, lostAt } = mark
  return {
    ...{ kind, interval, symbol, from: timestamp, fromNanos: nanos, since, lostAt, isFirst },
    ...{ knownTo: isFirst ? Number.NEGATIVE_INFINITY : timestamp, last: bar },
    ...{ given: new Delivered(), filled: 0, untrue: new Map(), held: [], release: undefined },
    ...{ breaks: 0, wake: undefined, heard: undefined, brokenSince: false },
    ...unanswered(holding),
  }
}

/** This bar was delivered before it was broken, or broken again: perhaps behind damage that was not looked into at once. */
export function knows(hole: Hole, bar: Bar): void {
  hole.given.learn(bar)
  hole.knownTo = Math.max(hole.knownTo, bar.timestamp)
}

/**
 * Broken once more before it was closed: only what comes after this break shows that history is complete. Where it was
 * settled nothing is looked for any more that is older by `marginMs` than that.
 */
export function breakAgain(hole: Hole, holding: boolean, marginMs: number): void {
  const { settledAt, interval } = hole
  if (settledAt !== undefined) {
    hole.lostAt = settledAt
    const from = settledAt - marginMs - lengthOf(interval)
    if (from > hole.from) Object.assign(hole, { from, fromNanos: 0 })
  }
  // What the stream has said since is known, however much has come by now.
  for (const bar of hole.bars.values()) hole.given.learn(bar)
  Object.assign(hole, unanswered(holding))
  hole.brokenSince = hole.heard !== undefined
  hole.breaks++
  hole.wake?.()
}

/** Nothing is known of what is behind it. */
function unanswered(holding: boolean) {
  return {
    ...{ resumedAt: undefined, refusedAt: undefined, first: undefined, firstBar: undefined },
    ...{ firstAt: 0, reach: 0, bars: new Map<string, Bar>(), looks: 0, filling: false, holding },
    ...{ answer: undefined, shown: false, near: false, isLast: false, settledAt: undefined },
  }
}

/**
 * Holes that begin so long ago at most are asked for together, ms, and so are older ones that do not differ in age by more
 * than `AGES` times: a busy symbol is not asked about for as long as a quiet one.
 */
const TOGETHER_MS = 60_000
const AGES = 8

/** Those that are asked for together. */
export function groupsOf(holes: readonly Hole[], now: number): Iterable<readonly Hole[]> {
  const groups = new Map<string, Hole[]>()
  for (const hole of holes) {
    const age = (now - hole.from) / TOGETHER_MS
    const near = age <= 1 ? -1 : Math.floor(Math.log(age) / Math.log(AGES))
    const key = `${hole.kind}@${hole.interval}@${near}`
    const group = groups.get(key)
    if (group) group.push(hole)
    else groups.set(key, [hole])
  }
  return groups.values()
}

/** Whether something was missed in a hole, as far as its place is known: not what came before it or is behind it. */
export function mayBeIn(hole: Hole, { symbol, timestamp }: PlaceOf): boolean {
  if (symbol !== undefined && symbol !== hole.symbol) return false
  if (timestamp === undefined) return true
  return timestamp >= hole.from && (hole.first === undefined || timestamp <= hole.firstAt)
}

export function latestOf<T>(
  list: readonly T[],
  of: (one: T) => number,
  least = Number.NEGATIVE_INFINITY,
): number {
  return list.reduce((latest, one) => Math.max(latest, of(one)), least)
}

export const earliestOf = <T>(list: readonly T[], of: (one: T) => number): number =>
  -latestOf(list, one => -of(one))

/** The topic whose hole an event stands behind; what changes a trade stands behind the hole of the trades. */
export function topicOf(event: MarketEvent): string | undefined {
  const { type, symbol } = event
  if (type === 'notice' || symbol === undefined) return undefined
  const kind = type === 'correction' || type === 'cancel' ? 'trade' : type
  return keyOf(kind, type === 'bar' ? event.interval : undefined, symbol)
}

export const keyOf = (kind: EventType, interval: Interval | undefined, symbol: string): string =>
  `${kind}@${interval ?? ''}:${symbol}`

export const keyOfHole = ({
  kind,
  interval,
  symbol,
}: Pick<Topic, 'kind' | 'interval' | 'symbol'>) => keyOf(kind, interval, symbol)
