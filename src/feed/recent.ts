import type { EventType, Interval, MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'

/** Events kept at hand: enough to tell apart what was delivered shortly before a hole. */
const CAPACITY = 131_072

/** How far a topic has been seen, by venue time. */
export interface Seen {
  readonly kind: EventType
  readonly symbol: string
  readonly interval: Interval | undefined
  timestamp: number
  nanos: number
}

/**
 * What a feed has delivered lately. Taking an event costs one store; how far each topic has come is worked out in
 * bulk, when somebody asks or before an event is forgotten.
 */
export class Recent {
  readonly #events: (MarketEvent | undefined)[] = new Array(CAPACITY)
  /** Events taken so far, and how many of them have been worked out. */
  #count = 0
  #known = 0
  readonly #seen = new Map<string, Map<string, Seen>>()

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

  /** Takes what was seen in an earlier life. */
  restore(seen: Seen): void {
    this.#topic(seen.kind, seen.interval).set(seen.symbol, { ...seen })
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
      const seen = topic.get(symbol)
      if (!seen) topic.set(symbol, { kind: type, symbol, interval, timestamp, nanos })
      else if (seen.timestamp < timestamp || (seen.timestamp === timestamp && seen.nanos < nanos)) {
        seen.timestamp = timestamp
        seen.nanos = nanos
      }
    }
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
