import { CompactEvents } from '../market/compact.ts'
import {
  type Bar,
  type EventType,
  Flag,
  type Interval,
  type MarketEvent,
  type Quote,
  type Ticker,
} from '../market/events.ts'
import type { Topic } from '../market/topics.ts'

/** Events remembered: enough to tell apart what was delivered shortly before a hole. A power of two. */
const CAPACITY = 131_072
/** At first; a quiet feed needs no more. */
const FIRST_CAPACITY = 1_024
/** Events that may wait to be worked out: few, so that most are young garbage by then. */
const PENDING = 1_024
/** Events may have been kept back before they were delivered, and our clock may be behind the venue's, ms. */
const SKEW_MS = 10_000
/** Whether its venue time is when it happened: that of a bar, say, is its left edge. */
const isTimed = (event: MarketEvent) =>
  event.type === 'trade' || event.type === 'quote' || (event.type === 'book' && !event.snapshot)
/** What did not come by itself the moment it was there. */
const MADE = Flag.conflated | Flag.replayed | Flag.polled | Flag.derived
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
  /** The last that came, of kinds of which a venue may only know the present state: said again it is no news. */
  state?: Quote | Ticker
  /** Of bars the last that was delivered of the latest place, and of the one before it, however long ago that was. */
  bar?: Bar
  barBefore?: Bar
}

export interface RecentOptions {
  /** Takes how long live trades, quotes and changes of books were on their way. */
  readonly lag?: { add(lagMs: number): void }
  /** Remember what was delivered, for {@link Recent.since}; otherwise only how far each topic has come. @default true */
  readonly events?: boolean
}

/**
 * What a feed has delivered lately. Taking an event costs one store or two; how far each topic has come, and at what
 * pace, is worked out in bulk.
 */
export class Recent {
  readonly #lag: { add(lagMs: number): void } | undefined
  /** Absent when nobody will ask for it. */
  readonly #events: CompactEvents | undefined
  #count = 0
  /** Delivered, but not worked out. */
  readonly #pending: MarketEvent[] = new Array(PENDING)
  #waiting = 0
  readonly #seen = new Map<string, Map<string, Seen>>()
  /** Receive time from which on all of an earlier life is at hand. */
  #since = Number.NEGATIVE_INFINITY

  constructor({ lag, events = true }: RecentOptions = {}) {
    this.#lag = lag
    if (events) this.#events = new CompactEvents(FIRST_CAPACITY)
  }

  add(batch: readonly MarketEvent[]): void {
    const events = this.#events
    for (let i = 0; i < batch.length; i++) {
      const event = batch[i]!
      if (event.type === 'notice' || event.symbol === undefined) continue
      if (events) {
        if (this.#count === events.capacity && this.#count < CAPACITY) events.double()
        events.put(this.#count++ & (events.capacity - 1), event)
      }
      this.#pending[this.#waiting++] = event
      if (this.#waiting === PENDING) this.workOut()
    }
  }

  /** How far a topic has been seen; `undefined` when it never was. */
  of(topic: Pick<Topic, 'kind' | 'symbol' | 'interval'>): Readonly<Seen> | undefined {
    this.workOut()
    return this.#seen.get(channelOf(topic.kind, topic.interval))?.get(topic.symbol)
  }

  /** Every symbol that was seen in a kind. */
  symbols(kind: EventType, interval?: Interval): Readonly<Seen>[] {
    this.workOut()
    return [...(this.#seen.get(channelOf(kind, interval))?.values() ?? [])]
  }

  /** Venue time from which on everything that was delivered is at hand. */
  get horizon(): number {
    return this.oldest + SKEW_MS
  }

  /** Receive time from which on everything that was delivered is at hand. */
  get oldest(): number {
    const events = this.#events
    if (!events || this.#count <= events.capacity) return this.#since
    return Math.max(this.#since, events.receivedAt(this.#count & (events.capacity - 1)))
  }

  /** Takes the last events of an earlier life: all it received since then. */
  resume(events: readonly MarketEvent[], since: number): void {
    this.#since = since
    this.add(events)
  }

  /** Takes what was seen in an earlier life. */
  restore({ kind, symbol, interval, timestamp, nanos }: Seen): void {
    // It counts whatever came behind it: a hole may have been open.
    this.workOut()
    const { bar, barBefore } = this.of({ kind, symbol, interval }) ?? {}
    const bars = { ...(bar && { bar }), ...(barBefore && { barBefore }) }
    this.#topic(kind, interval).set(symbol, { kind, symbol, interval, timestamp, nanos, ...bars })
  }

  /** The events at hand whose venue time is not before `from`, oldest first. */
  *since(from: number): Generator<MarketEvent> {
    const events = this.#events
    if (!events) return
    for (let i = Math.max(0, this.#count - events.capacity); i < this.#count; i++) {
      const event = events.get(i & (events.capacity - 1))
      if (event.timestamp >= from) yield event
    }
  }

  /** Brings what has been learned up to date: to be called now and then, so that nothing depends on who asks when. */
  workOut(): void {
    // Nearly all are these: of the others each looks its topic up.
    const trades = this.#topic('trade', undefined)
    const quotes = this.#topic('quote', undefined)
    for (let i = 0; i < this.#waiting; i++) {
      const event = this.#pending[i]!
      const { type, timestamp, nanos } = event
      const symbol = event.symbol!
      const interval = type === 'bar' ? event.interval : undefined
      const topic =
        type === 'trade' ? trades : type === 'quote' ? quotes : this.#topic(type, interval)
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
      if (type === 'bar') keepBar(seen, event)
      if ((event.flags & Flag.repaired) !== 0) continue
      this.#learn(seen, event)
      if (type === 'quote' || type === 'ticker') seen.state = event
    }
    this.#waiting = 0
  }

  #learn(seen: Seen, event: MarketEvent): void {
    const { receivedAt } = event
    const { receivedAt: before, gapMs } = seen
    seen.receivedAt = receivedAt
    // The first of a topic may be what the venue had last, however old.
    if (before === undefined || receivedAt < before) return
    if (this.#lag && (event.flags & MADE) === 0 && isTimed(event)) {
      this.#lag.add(receivedAt - event.timestamp)
    }
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

function keepBar(seen: Seen, bar: Bar): void {
  const { bar: latest, barBefore: before } = seen
  const { timestamp } = bar
  if (latest && timestamp < latest.timestamp) {
    if (!before || timestamp >= before.timestamp) seen.barBefore = bar
    return
  }
  if (latest && timestamp > latest.timestamp) seen.barBefore = latest
  seen.bar = bar
}

const channelOf = (kind: EventType, interval: Interval | undefined) =>
  interval === undefined ? kind : `${kind}@${interval}`
