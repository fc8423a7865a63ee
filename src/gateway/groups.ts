import type { Clock, Timer } from '../base/clock.ts'
import type { DeliveryCounters, DeliveryOptions, QueueHooks } from '../flow/queue.ts'
import { DeliveryQueue } from '../flow/queue.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Outgoing, SlowPolicy } from '../providers/tickwire/codec.ts'
import type { Form, FormWriter } from './forms.ts'
import type { Outlet } from './outlet.ts'
import type { Wanted } from './wanted.ts'
import { sharedFrame, type WireFrame } from './wire.ts'

/** Events that may wait for one slow subscription, and their estimated memory. */
export const QUEUED_EVENTS = 16_384
const QUEUED_BYTES = 8 * 1_024 * 1_024
/** All of a client together may have so many times that: of more subscriptions each has its part. */
const FULL_QUEUES = 4

/** How events are handed to a group. */
export interface GroupOptions {
  readonly form: Form
  /** 0: every event. */
  readonly conflateMs: number
  readonly conflateTrades: boolean
}

export interface GroupHooks {
  readonly clock: Clock
  /** The event on its way out, with what it has been written as. */
  outgoing(event: MarketEvent): Outgoing
  /** There is something to take. */
  dirty(group: Group): void
  readonly snapshot: NonNullable<QueueHooks['snapshot']>
}

/** One subscription of one client. */
export class Member {
  readonly id: number
  readonly outlet: Outlet
  readonly slow: SlowPolicy
  group: Group | undefined
  /** What waits while the client reads too slowly. */
  queue: DeliveryQueue | undefined
  /** Up to here everything has been sent, or said to be lost. */
  seq = 0
  /** Of queues it has had, and what was sent past them. */
  #past: DeliveryCounters = { in: 0, delivered: 0, conflated: 0, dropped: 0, queued: 0 }
  /** What its group had given out when it joined. */
  #since = 0

  constructor(id: number, outlet: Outlet, slow: SlowPolicy) {
    this.id = id
    this.outlet = outlet
    this.slow = slow
  }

  /** in = delivered + conflated + dropped + queued. Snapshots are not counted. */
  get counters(): DeliveryCounters {
    const direct = this.group && !this.queue ? this.group.given - this.#since : 0
    const own = this.queue?.counters
    const sum = (name: keyof DeliveryCounters) => this.#past[name] + (own?.[name] ?? 0)
    return {
      in: sum('in') + direct,
      delivered: sum('delivered') + direct,
      conflated: sum('conflated'),
      dropped: sum('dropped'),
      queued: own?.queued ?? 0,
    }
  }

  /** Sent to it alone: while it caught up. */
  sent(count: number): void {
    const { in: taken, delivered } = this.#past
    this.#past = { ...this.#past, in: taken + count, delivered: delivered + count }
  }

  joined(group: Group): void {
    this.group = group
    this.#since = group.given
  }

  /** Waits in a queue from now on. */
  stall(options: DeliveryOptions, hooks: QueueHooks): void {
    this.#past = this.counters
    this.queue = new DeliveryQueue(options, hooks)
  }

  /** Its queue is empty, and the client reads again. */
  recover(): void {
    this.#past = { ...this.counters, queued: 0 }
    this.queue = undefined
    this.#since = this.group?.given ?? 0
  }
}

/** Subscriptions that want the same in the same form: what they get is written once, whoever they are. */
export class Group {
  readonly key: string
  readonly wanted: Wanted
  readonly options: GroupOptions
  /** Their clients read as fast as it comes. */
  readonly members = new Set<Member>()
  /** Their clients do not. */
  readonly slow = new Set<Member>()
  /** Events given to whoever was a member. */
  given = 0
  readonly #hooks: GroupHooks
  readonly #writer: FormWriter
  /** What is merged for all of them. */
  readonly #merging: DeliveryQueue | undefined
  #timer: Timer | undefined

  constructor(key: string, wanted: Wanted, options: GroupOptions, hooks: GroupHooks) {
    this.key = key
    this.wanted = wanted
    this.options = options
    this.#hooks = hooks
    this.#writer = options.form.writer()
    const { conflateMs, conflateTrades } = options
    if (conflateMs > 0) {
      this.#merging = new DeliveryQueue(
        { policy: 'conflate', conflateTrades, maxLagMs: conflateMs + 60_000 },
        { snapshot: hooks.snapshot },
      )
    }
  }

  get isEmpty(): boolean {
    return this.members.size === 0 && this.slow.size === 0
  }

  /** Something has been taken that {@link flush} would hand out. */
  get isDirty(): boolean {
    return !this.#writer.isEmpty
  }

  /** Takes an event; whether that is the first since {@link flush}. */
  accept(out: Outgoing, now: number): boolean {
    if (!this.#merging) return this.#give(out, now)
    this.#merging.push(out.event, now)
    // All that came in an interval leaves together at its end: the first to come waits longest.
    this.#timer ??= this.#hooks.clock.setTimeout(
      () => this.settle(),
      this.options.conflateMs,
      'idle',
    )
    return false
  }

  /** Hands out what is being merged, as at the end of the interval. */
  settle(): void {
    if (!this.#timer) return
    this.#timer.cancel()
    this.#timer = undefined
    const { clock, outgoing, dirty } = this.#hooks
    const now = clock.now()
    let isFirst = false
    for (const event of this.#merging!.take(now, Number.POSITIVE_INFINITY, true)) {
      if (this.#give(outgoing(event), now)) isFirst = true
    }
    if (isFirst) dirty(this)
  }

  /** Hands what has been taken to the members' outlets, as one frame; `touch` is told of each. */
  flush(seq: number, touch: (outlet: Outlet) => void): void {
    if (this.#writer.isEmpty) return
    const frameFor = this.#writer.take('events', seq)
    const isShared = this.members.size > 1
    let frames: Map<number, WireFrame> | undefined
    let lastId = -1
    let frame: WireFrame = ''
    for (const { id, outlet } of this.members) {
      if (id !== lastId) {
        // Clients number their subscriptions alike, so this is mostly one.
        const known = frames?.get(id)
        frame = known ?? frameFor(id)
        if (!known && isShared) {
          frame = sharedFrame(frame)
          frames = (frames ?? new Map()).set(id, frame)
        }
        lastId = id
      }
      touch(outlet)
      outlet.push(frame)
    }
  }

  /** A queue for a member that reads too slowly; its client has so many subscriptions. */
  stall(member: Member, subscriptions: number): void {
    const conflates = member.slow === 'conflate'
    const part = Math.min(1, FULL_QUEUES / subscriptions)
    member.stall(
      {
        policy: member.slow,
        maxItems: Math.ceil(QUEUED_EVENTS * part),
        maxBytes: Math.ceil(QUEUED_BYTES * part),
        ...(conflates && { conflateTrades: this.options.conflateTrades }),
      },
      { snapshot: this.#hooks.snapshot },
    )
    this.members.delete(member)
    this.slow.add(member)
  }

  recover(member: Member): void {
    member.recover()
    this.slow.delete(member)
    this.members.add(member)
  }

  close(): void {
    this.#timer?.cancel()
  }

  /** Whether there is something to {@link flush} now, and was not before. */
  #give(out: Outgoing, now: number): boolean {
    this.given++
    if (this.slow.size > 0) for (const { queue } of this.slow) queue!.push(out.event, now)
    if (this.members.size === 0) return false
    const isFirst = this.#writer.isEmpty
    this.#writer.add(out)
    return isFirst && !this.#writer.isEmpty
  }
}
