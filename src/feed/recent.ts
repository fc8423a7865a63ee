import { type EventType, Flag, type Interval, type MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'

/** Events kept at hand: enough to tell apart what was delivered shortly before a hole. */
const CAPACITY = 131_072
/** Events may have been kept back before they were delivered, and our clock may be behind the venue's, ms. */
const SKEW_MS = 10_000
/** How quickly a learned pace follows: the weight of the latest gap. */
const WEIGHT = 1 / 16

/** How far a topic has been seen. */
export interface Seen {
  readonly kind: EventType
  readonly symbol: string
  readonly interval: Interval | undefined
  /** Latest venue time. */
  timestamp: number
  nanos: number
  /** When the last live event came, by our clock; `undefined` when none has in this process. */
  receivedAt?: number
  /** Learned time between live events, ms; `undefined` until a few have come. */
  gapMs?: number
}

/**
 * What a feed has delivered lately. Taking an event costs one store; how far each topic has come, and at what pace, is
 * worked out in bulk, when somebody asks or before an event is forgotten.
 */
export class Recent {
  readonly #events: (MarketEvent | undefined)[] = new Array(CAPACITY)
  readonly #lag: { add(lagMs: number): void } | undefined
  /** Events taken so far, and how many of them have been worked out. */
  #count = 0
  #known = 0
  readonly #seen = new Map<string, Map<string, Seen>>()
  /** Receive time from which on all of an earlier life is at hand. */
  #since = Number.NEGATIVE_INFINITY

  /** `lag` takes how long each live event was on its way. */
  constructor(lag?: { add(lagMs: number): void }) {
    this.#lag = lag
  }

  add(batch: readonly MarketEvent[]): void {
    for (let i = 0; i < batch.length; i++) {
      this.#events[this.#count++ & (CAPACITY - 1)] = batch[i]
      if (this.#count - this.#known === CAPACITY) this.#workOut()
    }
  }

  /** How far a topic has been seen; `undefined` when it never was. */
  of(topic: Pick<Topic, 'kind' | 'symbol' | 'interval'>): Readonly<Seen> | undefined {
    this.#workOut()
    return this.#seen.get(channelOf(topic.kind, topic.interval))?.get(topic.symbol)
  }

  /** Every symbol that was seen in a kind. */
  symbols(kind: EventType, interval?: Interval): Readonly<Seen>[] {
    this.#workOut()
    return [...(this.#seen.get(channelOf(kind, interval))?.values() ?? [])]
  }

  /** Venue time from which on everything that was delivered is at hand. */
  get horizon(): number {
    if (this.#count <= CAPACITY) return this.#since + SKEW_MS
    return Math.max(this.#since, this.#events[this.#count & (CAPACITY - 1)]!.receivedAt) + SKEW_MS
  }

  /** Takes the last events of an earlier life: all it received since then. */
  resume(events: readonly MarketEvent[], since: number): void {
    this.#since = since
    this.add(events)
  }

  /** Takes what was seen in an earlier life. */
  restore({ kind, symbol, interval, timestamp, nanos }: Seen): void {
    // It counts whatever came behind it: a hole may have been open.
    this.#workOut()
    this.#topic(kind, interval).set(symbol, { kind, symbol, interval, timestamp, nanos })
  }

  /** The events at hand whose venue time is not before `from`, oldest first. */
  *since(from: number): Generator<MarketEvent> {
    for (let i = Math.max(0, this.#count - CAPACITY); i < this.#count; i++) {
      const event = this.#events[i & (CAPACITY - 1)]!
      if (event.timestamp >= from) yield event
    }
  }

  #workOut(): void {
    for (; this.#known < this.#count; this.#known++) {
      const event = this.#events[this.#known & (CAPACITY - 1)]!
      const { type, symbol, timestamp, nanos } = event
      if (type === 'notice' || symbol === undefined) continue
      const interval = type === 'bar' ? event.interval : undefined
      const topic = this.#topic(type, interval)
      let seen = topic.get(symbol)
      if (!seen) {
        seen = { kind: type, symbol, interval, timestamp, nanos }
        topic.set(symbol, seen)
      } else if (
        seen.timestamp < timestamp ||
        (seen.timestamp === timestamp && seen.nanos < nanos)
      ) {
        seen.timestamp = timestamp
        seen.nanos = nanos
      }
      if ((event.flags & Flag.repaired) === 0) this.#learn(seen, event)
    }
  }

  #learn(seen: Seen, { receivedAt, timestamp }: MarketEvent): void {
    this.#lag?.add(receivedAt - timestamp)
    const { receivedAt: before, gapMs } = seen
    seen.receivedAt = receivedAt
    if (before === undefined || receivedAt < before) return
    const gap = receivedAt - before
    seen.gapMs = gapMs === undefined ? gap : gapMs + (gap - gapMs) * WEIGHT
  }

  #topic(kind: EventType, interval: Interval | undefined): Map<string, Seen> {
    const channel = channelOf(kind, interval)
    let topic = this.#seen.get(channel)
    if (!topic) {
      topic = new Map()
      this.#seen.set(channel, topic)
    }
    return topic
  }
}

const channelOf = (kind: EventType, interval: Interval | undefined) =>
  interval === undefined ? kind : `${kind}@${interval}`
