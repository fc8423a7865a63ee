import type { EventType } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import type { Mark } from './hole.ts'
import type { Recent, Seen } from './recent.ts'

/** How far topics of the kinds that can be filled in are known to be whole. */
export class Marks {
  readonly #recent: Recent
  readonly #kinds: readonly EventType[]
  readonly #overlapMs: number

  constructor(recent: Recent, kinds: readonly EventType[], overlapMs: number) {
    this.#recent = recent
    this.#kinds = kinds
    this.#overlapMs = overlapMs
  }

  /** Whether there is a history of the kind. */
  has(kind: EventType): boolean {
    return this.#kinds.includes(kind)
  }

  /** Every symbol of the topic of which something was seen. */
  seenOf({ kind, interval, symbol }: Topic): readonly Readonly<Seen>[] {
    if (!this.has(kind)) return []
    if (symbol === ANY) return this.#recent.symbols(kind, interval)
    const seen = this.#recent.of({ kind, interval, symbol })
    return seen ? [seen] : []
  }

  /** Up to which venue time what carried these was whole: something of them had come by then. */
  knownBy(topics: readonly Topic[]): number {
    let latest = Number.NEGATIVE_INFINITY
    for (const topic of topics)
      for (const { timestamp } of this.seenOf(topic)) latest = Math.max(latest, timestamp)
    return latest - this.#overlapMs
  }

  /** Of each symbol of the topic, where `known` is how far its connection was whole. */
  of(topic: Topic, known: number, lostAt: number): Mark[] {
    return this.seenOf(topic).map(seen => {
      const { kind, interval, symbol, timestamp, nanos, bar } = seen
      const since = Math.max(timestamp, known)
      const last = { timestamp, nanos, bar, ...growing(seen) }
      return { kind, interval, symbol, ...last, since, lostAt }
    })
  }

  /** History tells what became of a trade together with the trade. */
  comesWithTrades({ kind, symbol }: Topic, topics: readonly Topic[]): boolean {
    if ((kind !== 'correction' && kind !== 'cancel') || !this.has('trade')) return false
    return topics.some(
      other => other.kind === 'trade' && (other.symbol === symbol || other.symbol === ANY),
    )
  }
}

/**
 * A candle of which nobody has said that it is over, though a later one has begun: a connection that has not heard of it
 * itself never does, so what is not whole begins there.
 */
function growing(seen: Seen): Pick<Mark, 'bar' | 'timestamp' | 'nanos'> | undefined {
  const bar = seen.barBefore
  if (!bar || bar.final || bar.timestamp > seen.timestamp) return undefined
  return { bar, timestamp: bar.timestamp, nanos: bar.nanos }
}
