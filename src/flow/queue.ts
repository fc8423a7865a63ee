import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import {
  type Book,
  createEvent,
  type EventFields,
  Flag,
  type MarketEvent,
  type NoticeName,
} from '../market/events.ts'

/**
 * What happens when a reader falls behind its bounds.
 * `drop-oldest` loses the oldest data and says so · `conflate` keeps only the latest of each key, then drops the
 * oldest · `close` ends the reader · `block` makes the producer wait (only for sources that can: replay).
 */
export type Policy = 'drop-oldest' | 'conflate' | 'close' | 'block'

export interface DeliveryOptions {
  /** @default 'drop-oldest' */
  readonly policy?: Policy
  /** Most events waiting. @default 131072 */
  readonly maxItems?: number
  /** Most memory waiting, estimated bytes. @default 67108864 (64 MiB) */
  readonly maxBytes?: number
  /** Longest an event may wait, ms. @default 60000 */
  readonly maxLagMs?: number
  /** With `conflate`: hold events this long to merge them, then deliver the latest, ms. @default 0 (until the reader comes) */
  readonly holdMs?: number
  /** With `conflate`: merge trades too (each trade but the last of its symbol is lost). @default false */
  readonly conflateTrades?: boolean
}

/** The one table of defaults: 10,000 events/s for 5 s and 1,000 after cost a reader that manages 3,000/s nothing. */
export const DELIVERY_DEFAULTS: Required<DeliveryOptions> = {
  policy: 'drop-oldest',
  maxItems: 131_072,
  maxBytes: 64 * 1024 * 1024,
  maxLagMs: 60_000,
  holdMs: 0,
  conflateTrades: false,
}

/** Always: `in = delivered + conflated + dropped + queued`. Notices the queue itself adds are not counted. */
export interface DeliveryCounters {
  readonly in: number
  readonly delivered: number
  readonly conflated: number
  readonly dropped: number
  readonly queued: number
}

export interface QueueHooks {
  /** Told of each event that the policy gives up; what waits when the reader is closed is not among them. */
  readonly dropped?: ((event: MarketEvent) => void) | undefined
  /** Takes the queue's own notices; absent, they stand in the stream where they belong. */
  readonly notify?: ((notice: MarketEvent) => void) | undefined
  /**
   * The whole book as it stands behind a part of it, for a reader that lost an earlier one; absent, it waits for the venue's
   * next snapshot.
   */
  readonly snapshot?: ((delta: Book) => Book | undefined) | undefined
}

const POLICIES: Readonly<Record<Policy, true>> = {
  'drop-oldest': true,
  conflate: true,
  close: true,
  block: true,
}

/** Kinds of which only the latest counts; the others are conflated never, or (trades) when asked. */
const CONFLATABLE = new Set(['quote', 'ticker', 'bar', 'luld', 'imbalance'])
/** Kinds that are given up last: few, and each one changes what the others mean. */
const PRECIOUS = new Set(['status', 'correction', 'cancel', 'notice'])

/**
 * The queue before one reader: bounded in items, bytes and time, with a policy for when a bound is met. The one
 * implementation for feed handlers, iterators, tape readers and gateway peers.
 */
export class DeliveryQueue {
  readonly #options: Required<DeliveryOptions>
  readonly #hooks: QueueHooks
  // A deque in parallel arrays; `undefined` marks a place given up by conflation or dropping.
  #events: (MarketEvent | undefined)[] = []
  #times: number[] = []
  #head = 0
  /** No droppable event stands before this index. */
  #dropFrom = 0
  #bytes = 0
  #queued = 0
  #in = 0
  #delivered = 0
  #conflated = 0
  #dropped = 0
  /** Index of the pending event of each conflation key, and what it already stands for. */
  readonly #pending = new Map<string, { index: number; merged: boolean }>()
  /** Nothing before this index may be replaced: an event that must keep its place came after it. */
  #barrier = 0
  /** Books (source and symbol) that lost a part and wait for a snapshot. */
  readonly #broken = new Set<string>()
  #loss: { count: number; from: number; to: number } | undefined
  #closed: TickwireError | undefined
  /** Producers that wait for room. */
  #waiting: (() => void)[] = []

  constructor(options: DeliveryOptions = {}, hooks: QueueHooks = {}) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined)
    this.#options = { ...DELIVERY_DEFAULTS, ...Object.fromEntries(given) }
    checkOptions(this.#options)
    this.#hooks = hooks
  }

  get counters(): DeliveryCounters {
    return {
      in: this.#in,
      delivered: this.#delivered,
      conflated: this.#conflated,
      dropped: this.#dropped,
      queued: this.#queued,
    }
  }

  /** Events waiting. */
  get size(): number {
    return this.#queued
  }

  /** Set once the policy `close` has ended this reader. */
  get closed(): TickwireError | undefined {
    return this.#closed
  }

  /** With `block`: what the producer has to wait for before it gives more; `undefined` when there is room. */
  room(): Promise<void> | undefined {
    if (this.#options.policy !== 'block' || !this.#isFull()) return undefined
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  #isFull(): boolean {
    const { maxItems, maxBytes } = this.#options
    return this.#queued >= maxItems || this.#bytes >= maxBytes
  }

  /** How long the oldest waiting event has waited, ms. */
  lagMs(now: number): number {
    this.#skipHoles()
    return this.#queued === 0 ? 0 : now - this.#times[this.#head]!
  }

  push(event: MarketEvent, now: number): void {
    this.#in++
    if (this.#closed) {
      this.#dropped++
      return
    }
    if (event.type === 'book' && this.#rejectsBook(event, now)) return
    if (this.#options.policy === 'conflate' && this.#merge(event)) return
    this.#add(event, now)
    if (this.#options.policy !== 'block') this.#enforce(now)
  }

  /**
   * The next events in order, at most `max`; with `holdMs`, only those held long enough, unless `flush`.
   */
  take(now: number, max = Number.POSITIVE_INFINITY, flush = false): MarketEvent[] {
    const out: MarketEvent[] = []
    this.#expireNow(now)
    this.#reportLoss(now, out)
    while (out.length < max) {
      const event = this.#next(now, flush)
      if (!event) break
      out.push(event)
    }
    this.#compact()
    return out
  }

  /** The next event alone, for a reader that takes them one by one. Notices go to `notify`, which must be there. */
  shift(now: number, flush = false): MarketEvent | undefined {
    this.#expireNow(now)
    this.reportLoss(now)
    const event = this.#next(now, flush)
    this.#compact()
    return event
  }

  /** Tells `notify` of what has been dropped since the last time; `shift` and `take` do so by themselves. */
  reportLoss(now: number): void {
    if (this.#hooks.notify) this.#reportLoss(now, [])
  }

  #next(now: number, flush: boolean): MarketEvent | undefined {
    const hold = this.#options.policy === 'conflate' && !flush ? this.#options.holdMs : 0
    this.#skipHoles()
    const index = this.#head
    const event = this.#events[index]
    if (!event || (hold > 0 && this.#times[index]! > now - hold)) return undefined
    this.#events[index] = undefined
    this.#head++
    this.#bytes -= eventBytes(event)
    this.#queued--
    this.#delivered++
    if (this.#waiting.length > 0 && !this.#isFull()) this.#makeRoom()
    return this.#released(event, index)
  }

  #expireNow(now: number): void {
    const { policy } = this.#options
    if (policy === 'drop-oldest' || policy === 'conflate') this.#expire(now)
  }

  /** When the next held event becomes ready (only with `holdMs`), on the clock of `push`. */
  get readyAt(): number | undefined {
    this.#skipHoles()
    return this.#queued === 0 ? undefined : this.#times[this.#head]! + this.#options.holdMs
  }

  #add(event: MarketEvent, now: number): void {
    if (PRECIOUS.has(event.type)) this.#barrier = this.#events.length
    this.#events.push(event)
    this.#times.push(now)
    this.#bytes += eventBytes(event)
    this.#queued++
  }

  /** Replaces the waiting event of the same key; true when the new one needs no place of its own. */
  #merge(event: MarketEvent): boolean {
    const mergeable =
      CONFLATABLE.has(event.type) || (event.type === 'trade' && this.#options.conflateTrades)
    if (!mergeable) return false
    const key = conflationKey(event)
    const pending = this.#pending.get(key)
    if (!pending || pending.index < Math.max(this.#head, this.#barrier)) {
      if (pending?.merged) this.#mark(pending.index)
      this.#pending.set(key, { index: this.#events.length, merged: false })
      return false
    }
    const held = this.#events[pending.index]!
    this.#conflated++
    // Latest moves only forward in venue time: what was filled in or came late never replaces it.
    const older =
      event.timestamp < held.timestamp ||
      (event.timestamp === held.timestamp && event.nanos < held.nanos) ||
      (event.flags & (Flag.repaired | Flag.late)) !== 0
    if (older) return true
    this.#events[pending.index] = event
    this.#bytes += eventBytes(event) - eventBytes(held)
    pending.merged = true
    return true
  }

  /** The event as the reader gets it: marked when it stands for several. */
  #released(event: MarketEvent, index: number): MarketEvent {
    if (this.#pending.size === 0) return event
    const key = conflationKey(event)
    const pending = this.#pending.get(key)
    if (pending?.index !== index) return event
    this.#pending.delete(key)
    return pending.merged ? conflated(event) : event
  }

  /** An event that keeps its place while a newer one of its key gets another. */
  #mark(index: number): void {
    const event = this.#events[index]
    if (event) this.#events[index] = conflated(event)
  }

  /** A book that lost a part takes no deltas until it is whole again. */
  #rejectsBook(event: MarketEvent & { type: 'book' }, now: number): boolean {
    const key = bookKey(event)
    if (!this.#broken.has(key)) return false
    const whole = event.snapshot ? event : this.#hooks.snapshot?.(event)
    if (!whole) {
      this.#lose(event)
      this.#hooks.dropped?.(event)
      return true
    }
    this.#broken.delete(key)
    if (whole === event) return false
    // The snapshot handed in already holds this delta.
    this.#add(whole, now)
    this.#enforce(now)
    return true
  }

  #enforce(now: number): void {
    const { policy, maxItems, maxBytes, maxLagMs } = this.#options
    if (policy === 'close') {
      if (this.#queued > maxItems || this.#bytes > maxBytes || this.lagMs(now) > maxLagMs) {
        this.#close()
      }
      return
    }
    while (this.#queued > maxItems || this.#bytes > maxBytes) this.#dropOldest()
    this.#expire(now)
  }

  #expire(now: number): void {
    const oldest = now - this.#options.maxLagMs
    while (this.#queued > 0 && this.#nextDroppable() && this.#times[this.#dropFrom]! < oldest) {
      this.#drop(this.#dropFrom)
    }
    this.#closeUp()
  }

  #dropOldest(): void {
    if (this.#nextDroppable()) this.#drop(this.#dropFrom)
    else {
      this.#skipHoles()
      this.#drop(this.#head)
    }
  }

  /** Moves `dropFrom` to the oldest event that may be given up; false when there is none. */
  #nextDroppable(): boolean {
    let index = Math.max(this.#dropFrom, this.#head)
    while (index < this.#events.length) {
      const event = this.#events[index]
      if (event && !PRECIOUS.has(event.type)) break
      index++
    }
    this.#dropFrom = index
    return index < this.#events.length
  }

  #drop(index: number): void {
    const event = this.#giveUp(index)
    this.#hooks.dropped?.(event)
    if (event.type !== 'book') return
    // One part lost, the rest is worthless: such a reader gets a whole snapshot.
    const key = bookKey(event)
    this.#broken.add(key)
    for (let i = index + 1; i < this.#events.length; i++) {
      const other = this.#events[i]
      if (other?.type !== 'book' || bookKey(other) !== key) continue
      this.#giveUp(i)
      this.#hooks.dropped?.(other)
    }
  }

  #giveUp(index: number): MarketEvent {
    const event = this.#events[index]!
    this.#events[index] = undefined
    this.#bytes -= eventBytes(event)
    this.#queued--
    if (this.#pending.size > 0) {
      const key = conflationKey(event)
      if (this.#pending.get(key)?.index === index) this.#pending.delete(key)
    }
    this.#lose(event)
    return event
  }

  #lose(event: MarketEvent): void {
    this.#dropped++
    if (this.#loss) {
      this.#loss.count++
      this.#loss.from = Math.min(this.#loss.from, event.timestamp)
      this.#loss.to = Math.max(this.#loss.to, event.timestamp)
    } else this.#loss = { count: 1, from: event.timestamp, to: event.timestamp }
  }

  #reportLoss(now: number, out: MarketEvent[]): void {
    if (!this.#loss) return
    const { count, from, to } = this.#loss
    this.#loss = undefined
    const message = `dropped ${count} events: the reader was too slow`
    const notice = readerNotice('dropped', now, message, { count, from, to })
    if (this.#hooks.notify) this.#hooks.notify(notice)
    else out.push(notice)
  }

  #close(): void {
    this.#closed = new TickwireError(
      'READER_TOO_SLOW',
      `the reader fell behind its bounds with ${this.#queued} events waiting`,
      { hint: 'Do less per event, or choose the policy drop-oldest or conflate.' },
    )
    for (let i = this.#head; i < this.#events.length; i++) {
      const event = this.#events[i]
      if (!event) continue
      this.#giveUp(i)
      this.#hooks.dropped?.(event)
    }
    this.clear()
  }

  /** Gives up all that waits; it counts as dropped. */
  clear(): void {
    for (let i = this.#head; i < this.#events.length; i++) if (this.#events[i]) this.#giveUp(i)
    this.#loss = undefined
    this.#compact()
    this.#makeRoom()
  }

  #makeRoom(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  #skipHoles(): void {
    while (this.#head < this.#events.length && !this.#events[this.#head]) this.#head++
  }

  /** Gives back the room before `head`, now and then, so that each event is moved at most once on average. */
  #compact(): void {
    if (this.#events.length === 0) return
    if (this.#queued > 0 && (this.#head < 1_024 || this.#head < this.#events.length / 2)) return
    this.#rebuild()
  }

  /** The same where nobody reads: what is dropped must not keep its place. */
  #closeUp(): void {
    if (this.#events.length > 2 * this.#queued + 1_024) this.#rebuild()
  }

  /** Closes all holes. */
  #rebuild(): void {
    const events: MarketEvent[] = []
    const times: number[] = []
    const moved = new Map<number, number>()
    let barrier = 0
    for (let i = this.#head; i < this.#events.length; i++) {
      const event = this.#events[i]
      if (!event) continue
      if (i < this.#barrier) barrier = events.length + 1
      if (this.#pending.size > 0) moved.set(i, events.length)
      events.push(event)
      times.push(this.#times[i]!)
    }
    for (const pending of this.#pending.values()) pending.index = moved.get(pending.index)!
    this.#events = events
    this.#times = times
    this.#head = 0
    this.#dropFrom = 0
    this.#barrier = barrier
  }
}

function checkOptions(options: Required<DeliveryOptions>): void {
  if (!Object.hasOwn(POLICIES, options.policy)) {
    const hint = didYouMean(String(options.policy), Object.keys(POLICIES))
    throw new TickwireError('BAD_OPTION', `no policy ${options.policy}`, { hint })
  }
  for (const name of ['maxItems', 'maxBytes', 'maxLagMs'] as const) {
    if (options[name] > 0) continue
    throw new TickwireError('BAD_OPTION', `${name} must be above 0, not ${options[name]}`)
  }
  if (!(options.holdMs >= 0)) {
    throw new TickwireError('BAD_OPTION', `holdMs must be 0 or more, not ${options.holdMs}`)
  }
}

/** A notice to one reader; it has no number on the tape. */
export function readerNotice(
  notice: NoticeName,
  now: number,
  message: string,
  more: { code?: string; count?: number; from?: number; to?: number } = {},
): MarketEvent {
  return createEvent({
    type: 'notice',
    timestamp: Math.floor(now),
    receivedAt: now,
    notice,
    message,
    ...more,
  })
}

function conflated(event: MarketEvent): MarketEvent {
  return createEvent({ ...event, flags: event.flags | Flag.conflated } as EventFields)
}

// A revised or forming bar replaces itself, never the bar of another minute; those by what they hold differ in nanoseconds.
function conflationKey(event: MarketEvent): string {
  const key = `${event.type}:${event.source}:${event.symbol}`
  if (event.type !== 'bar') return key
  return `${key}:${event.interval}:${event.timestamp}.${event.nanos}`
}

const bookKey = (event: MarketEvent) => `${event.source}:${event.symbol}`

/** Memory an event keeps alive, estimated: it bounds queues, so the order of magnitude is what counts. */
export function eventBytes(event: MarketEvent): number {
  switch (event.type) {
    case 'book':
      return 200 + 48 * (event.bids.length + event.asks.length)
    case 'news':
      return (
        400 +
        2 * (event.headline.length + (event.summary?.length ?? 0) + (event.content?.length ?? 0))
      )
    case 'ticker':
      return 400
    default:
      return 256
  }
}
