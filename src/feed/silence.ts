import { ANY, type Topic } from '../market/topics.ts'
import type { Recent, Seen } from './recent.ts'

/** Silence this many times the usual gap is looked into: with random arrivals it comes by chance once in 3,000 gaps. */
const UNUSUAL = 8
/** Silence is looked into after this at the earliest and at the latest, ms; before anything is learned, after `unknown`. */
const SILENCE_MS = { least: 3_000, most: 120_000, unknown: 15_000 } as const
/**
 * One topic that is silent while others of its connection come: silence looked into at the earliest, first and longest
 * wait between two questions about it, ms. There may be thousands of them.
 */
const ONE = { leastMs: 10_000, firstMs: 20_000, mostMs: 600_000 } as const

/** What has been found out of a topic that is silent while others come. */
interface Line {
  readonly askedAt: number
  readonly waitMs: number
  isStale: boolean
}

/** What the topics of a connection show. */
export interface Look {
  readonly last: number
  readonly gapMs: number | undefined
  /** One that is silent for longer than is usual for it: what was asked about longest ago, then the longest. */
  readonly overdue: Readonly<Seen> | undefined
}

/** How long topics have been silent, by the pace each is known to keep. */
export class Silence {
  readonly #recent: Recent
  /** Whether what has come of a topic is kept back. */
  readonly #isHolding: (topic: Topic) => boolean
  readonly #lines = new WeakMap<Readonly<Seen>, Line>()

  constructor(recent: Recent, isHolding: (topic: Topic) => boolean) {
    this.#recent = recent
    this.#isHolding = isHolding
  }

  /** All there is of these topics. */
  seenOf(topics: readonly Topic[]): Readonly<Seen>[] {
    return topics.flatMap(topic =>
      topic.symbol === ANY
        ? this.#recent.symbols(topic.kind, topic.interval)
        : (this.#recent.of(topic) ?? []),
    )
  }

  /** Looks at a connection, which has been there `since`, by its topics. */
  of(topics: readonly Topic[], since: number, now: number): Look {
    let last = since
    let perMs = 0
    let overdue: Readonly<Seen> | undefined
    // Those nobody has asked about come first.
    let turn = { askedAt: Number.POSITIVE_INFINITY, share: 0 }
    for (const topic of topics) {
      // It does come.
      const isHeld = this.#isHolding(topic)
      if (isHeld) last = now
      for (const seen of this.seenOf([topic])) {
        const { receivedAt, gapMs } = seen
        if (receivedAt === undefined) continue
        last = Math.max(last, receivedAt)
        if (gapMs === undefined) continue
        perMs += 1 / Math.max(gapMs, 1)
        if (isHeld) continue
        const silence = now - Math.max(receivedAt, since)
        const share = silence / Math.max(ONE.leastMs, gapMs * UNUSUAL)
        if (share < 1) continue
        const { askedAt = 0, waitMs = 0 } = this.lineOf(seen) ?? {}
        if (now < askedAt + waitMs || askedAt > turn.askedAt) continue
        if (askedAt === turn.askedAt && share <= turn.share) continue
        turn = { askedAt, share }
        overdue = seen
      }
    }
    return { last, gapMs: perMs > 0 ? 1 / perMs : undefined, overdue }
  }

  /** The topic that is missed first: one that used to be busy, and had not fallen silent long before the others. */
  busiest(
    topics: readonly Topic[],
    last: number,
  ): Pick<Topic, 'kind' | 'symbol' | 'interval'> | undefined {
    let busiest: Readonly<Seen> | undefined
    let least = Number.POSITIVE_INFINITY
    for (const seen of this.seenOf(topics)) {
      const { receivedAt, gapMs } = seen
      if (receivedAt === undefined || gapMs === undefined) continue
      const gap = Math.max(gapMs, last - receivedAt)
      if (gap < least) [busiest, least] = [seen, gap]
    }
    return busiest ?? topics.find(({ symbol }) => symbol !== ANY)
  }

  /** It is asked about one topic now. */
  asked(seen: Readonly<Seen>, now: number): void {
    const before = this.lineOf(seen)
    const waitMs = before ? Math.min(ONE.mostMs, before.waitMs * 2) : ONE.firstMs
    this.#lines.set(seen, { askedAt: now, waitMs, isStale: before?.isStale ?? false })
  }

  /** What is known of a topic's own silence; nothing any more once it has come again. */
  lineOf(seen: Readonly<Seen>): Line | undefined {
    const line = this.#lines.get(seen)
    return line && (seen.receivedAt ?? 0) < line.askedAt ? line : undefined
  }
}

/** How long silence is nothing unusual at this pace, ms. */
export function patience(gapMs: number | undefined): number {
  if (gapMs === undefined) return SILENCE_MS.unknown
  return Math.min(SILENCE_MS.most, Math.max(SILENCE_MS.least, gapMs * UNUSUAL))
}

/** The time between events of all of these together, ms. */
export function paceOf(seen: readonly Readonly<Seen>[]): number | undefined {
  let perMs = 0
  for (const { gapMs } of seen) if (gapMs !== undefined) perMs += 1 / Math.max(gapMs, 1)
  return perMs > 0 ? 1 / perMs : undefined
}
