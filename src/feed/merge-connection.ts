import { ERRORS, type ErrorCode, TickwireError } from '../base/errors.ts'
import { createEvent, type EventType, type MarketEvent, type NoticeName } from '../market/events.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import { Arrivals } from './merge-arrivals.ts'
import type { Leg, LegOptions } from './merge-leg.ts'
import { ArrivalOrder, TimeOrder } from './merge-order.ts'
import { type Connection, hasHistory, type Link } from './provider.ts'
import type { NoticeDetails } from './session.ts'
import { Shards } from './shards.ts'

/** How long a leg keeps its connection with nothing to carry, ms. */
const LINGER_MS = 1_000
/** Kinds that come back from history; corrections and cancels come with the trades. */
const REPAIRABLE: readonly EventType[] = ['trade', 'quote', 'bar', 'correction', 'cancel']

/** A leg at work. */
interface Running {
  readonly leg: Leg
  readonly shards: Shards
  /** When it last brought anything, by our clock. */
  heardAt: number
}

/**
 * One connection over several legs, each kept alive by itself. It is open while one of them is, and ends when none is: then
 * the feed knows that there is a hole, and connects anew.
 */
export class MergedConnection implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  readonly #link: Link
  readonly #all: readonly Leg[]
  readonly #legs: readonly Running[]
  readonly #arrivals: Arrivals
  readonly #order: ArrivalOrder | TimeOrder
  readonly #wanted = new Map<string, Topic>()
  /** Who has been confirmed a topic, and since when. */
  readonly #carriers = new Map<string, Map<Running, number>>()
  /** Lost by the last leg that carried them. */
  readonly #uncarried = new Set<string>()
  /** Wanted and carried by nobody, and not told to be refused by every leg. */
  readonly #waiting = new Map<string, Topic>()
  readonly #opened: Promise<Connection>
  #resolveOpened!: (connection: Connection) => void
  #rejectOpened!: (reason: TickwireError) => void
  #finish!: (reason: TickwireError | undefined) => void
  #isOpen = false
  #over = false
  #looking = false
  /** Code of the last leg's last disconnection: how it went tells how long to wait. */
  #code: ErrorCode | undefined

  constructor(legs: readonly Leg[], link: Link, options: LegOptions) {
    this.#link = link
    this.#all = legs
    this.ended = new Promise(resolve => {
      this.#finish = resolve
    })
    this.#opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve
      this.#rejectOpened = reject
    })
    const { rememberMs, rememberEvents, windowMs } = options
    const counters = legs.map(leg => leg.counters)
    this.#arrivals = new Arrivals(counters, rememberMs, rememberEvents)
    this.#order =
      windowMs === undefined
        ? new ArrivalOrder()
        : new TimeOrder(windowMs, link.clock, batch => this.#emit(batch))
    this.#legs = legs.flatMap(leg => (leg.over?.reason?.fatal ? [] : [this.#run(leg, options)]))
    link.signal.addEventListener('abort', this.#abort, { once: true })
  }

  get remembered(): number {
    return this.#arrivals.size
  }

  get forgotten(): number {
    return this.#arrivals.forgotten
  }

  get held(): number {
    return this.#order instanceof TimeOrder ? this.#order.size : 0
  }

  /** Connects the legs; resolves when the first of them is open. */
  open(): Promise<Connection> {
    this.subscribe(this.#link.topics)
    if (this.#link.signal.aborted) this.#abort()
    return this.#opened
  }

  subscribe(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = formatTopic(topic)
      this.#wanted.set(key, topic)
      // Asked for again: what is carried already has its answer.
      if (this.#carriers.has(key)) this.#link.acknowledged([topic])
      else this.#waiting.set(key, topic)
    }
    for (const { leg, shards } of this.#legs) {
      const able = leg.over ? [] : topics.filter(topic => leg.takes(topic))
      if (able.length > 0) shards.add(able)
    }
    this.#lookSoon()
  }

  unsubscribe(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = formatTopic(topic)
      for (const set of [this.#wanted, this.#carriers, this.#uncarried, this.#waiting]) {
        set.delete(key)
      }
    }
    for (const { shards } of this.#legs) shards.remove(topics)
  }

  close(): Promise<void> {
    return this.#end(undefined)
  }

  #run(leg: Leg, options: LegOptions): Running {
    const link = this.#link
    leg.over = undefined
    const shards = new Shards(leg.provider, {
      ...{ source: link.source, interest: link.interest, clock: link.clock, log: link.log },
      ...{ random: options.random, backoff: options.backoff, leases: options.leases },
      lingerMs: LINGER_MS,
      raw: () => link.raw,
      room: () => link.room(),
      emit: (batch, receivedAt) => this.#arrived(running, batch, receivedAt),
      notice: (name, message, details) => this.#noticed(running, name, message, details),
      resumed: topics => this.#resumed(running, topics),
      interrupted: topics => this.#interrupted(running, topics),
      broken: (topics, reason) => this.#broken(running, topics, reason),
      malformed: (frame, reason, topics) => {
        leg.malformed++
        // What another leg brings is not missing.
        if (topics.every(topic => this.#others(running, topic).length > 0)) {
          link.log.warn({ reason }, `a frame of ${leg.name} could not be decoded`)
        } else link.malformed(frame, `${leg.name}: ${reason}`)
      },
      unknown: kind => link.unknown(kind),
      answered: () => this.#lookSoon(),
      over: reason => {
        leg.over = { reason }
        this.#lookSoon()
      },
    })
    const running: Running = { leg, shards, heardAt: link.clock.now() }
    return running
  }

  #arrived(from: Running, batch: readonly MarketEvent[], receivedAt: number): void {
    if (this.#over) return
    from.heardAt = receivedAt
    const { counters, number } = from.leg
    const free: MarketEvent[] = []
    for (const event of batch) {
      if (event.type !== 'notice' && !this.#arrivals.isFirst(event, number - 1, receivedAt))
        continue
      if (this.#order instanceof TimeOrder) {
        const taken = event.type === 'notice' ? 'free' : this.#order.take(event)
        if (taken === 'late') counters.outOfOrder++
        if (taken !== 'held') free.push(event)
      } else {
        if (this.#order.isLate(event)) counters.outOfOrder++
        free.push(event)
      }
    }
    if (free.length > 0) this.#link.emit(free, receivedAt)
  }

  /** What has waited. */
  #emit(batch: readonly MarketEvent[]): void {
    this.#link.emit(batch, this.#link.clock.now())
  }

  #noticed(from: Running, name: NoticeName, message: string, details?: NoticeDetails): void {
    const { leg } = from
    if (this.#over) return
    if (name === 'rejected') this.#link.log.warn({ ...details }, `${leg.name}: ${message}`)
    if (name !== 'connected' && name !== 'disconnected') return
    if (name === 'connected') leg.connects++
    else this.#code = details?.code as ErrorCode | undefined
    // The connection's own beginning and end are told by the feed.
    if (name === 'connected' && !this.#isOpen) {
      this.#isOpen = true
      this.#link.opened()
      this.#resolveOpened(this)
    } else this.#say(name, `${leg.name}: ${message}`, details)
    this.#lookSoon()
  }

  #say(notice: NoticeName, message: string, details: NoticeDetails = {}): void {
    const now = this.#link.clock.now()
    const time = { source: this.#link.source, timestamp: Math.floor(now), receivedAt: now }
    this.#link.emit([createEvent({ type: 'notice', ...time, notice, message, ...details })], now)
  }

  #resumed(by: Running, topics: readonly Topic[]): void {
    if (this.#over) return
    const now = this.#link.clock.now()
    const [fresh, back]: [Topic[], Topic[]] = [[], []]
    for (const topic of topics) {
      const key = formatTopic(topic)
      if (!this.#wanted.has(key)) continue
      this.#waiting.delete(key)
      const carriers = this.#carriers.get(key) ?? new Map<Running, number>()
      this.#carriers.set(key, carriers.set(by, now))
      if (this.#uncarried.delete(key)) back.push(topic)
      else if (carriers.size === 1) fresh.push(topic)
    }
    if (fresh.length > 0) this.#link.acknowledged(fresh)
    if (back.length > 0) this.#missed(back, 'for a while no leg carried it')
  }

  #interrupted(by: Running, topics: readonly Topic[]): void {
    if (this.#over) return
    const missed: Topic[] = []
    for (const topic of topics) {
      const key = formatTopic(topic)
      const carriers = this.#carriers.get(key)
      if (!carriers?.delete(by)) continue
      if (carriers.size === 0) {
        this.#carriers.delete(key)
        this.#uncarried.add(key)
        this.#waiting.set(key, topic)
        continue
      }
      // A connection is dead before that is noticed: the others must have carried it since it was last heard of.
      const since = Math.min(...carriers.values())
      if (since > by.heardAt) missed.push(topic)
    }
    if (missed.length > 0) this.#missed(missed, 'one leg fell silent before another one carried it')
  }

  #broken(by: Running, topics: readonly Topic[], reason: string): void {
    const missed = topics.filter(topic => this.#others(by, topic).length === 0)
    if (missed.length > 0) this.#missed(missed, reason)
  }

  /** A hole in some topics of an open connection: it is filled in from history, or told. */
  #missed(topics: readonly Topic[], reason: string): void {
    this.#link.broken(topics, reason)
    for (const kind of new Set(topics.map(topic => topic.kind))) {
      const isKnown = this.#all.some(({ provider }) => hasHistory(provider, kind))
      if (REPAIRABLE.includes(kind) && isKnown) continue
      const message = `what was missed in kind ${kind} stays missing: ${reason}, and there is no history of it`
      this.#say('unrepaired', message, { kind, code: 'UNSUPPORTED' })
    }
  }

  /** Who carries a topic besides. */
  #others(but: Running, topic: Topic): Running[] {
    return [...(this.#carriers.get(formatTopic(topic))?.keys() ?? [])].filter(one => one !== but)
  }

  /** Looks at what the legs have come to, once for all that has changed in this turn. */
  #lookSoon(): void {
    if (this.#looking || this.#over) return
    this.#looking = true
    queueMicrotask(() => {
      this.#looking = false
      if (!this.#over) this.#look()
    })
  }

  #look(): void {
    for (const { leg, shards } of this.#legs) {
      leg.isOpen = shards.connections.some(({ isOpen }) => isOpen)
    }
    const left = this.#legs.filter(({ leg }) => !leg.over)
    if (left.length === 0) {
      // Fatal only where no leg came to an ordinary end; those that were over before count too.
      const reasons = this.#all.map(({ over }) => over?.reason)
      void this.#end(reasons.includes(undefined) ? undefined : reasons[0])
    } else if (this.#isOpen && this.#wanted.size > 0 && left.every(({ leg }) => !leg.isOpen)) {
      const slow = this.#code !== undefined && ERRORS[this.#code].verdict === 'slow'
      const code = slow ? 'RATE_LIMITED' : 'CONNECTION_LOST'
      void this.#end(new TickwireError(code, 'no leg is connected any more'))
    } else this.#tellRefused(left)
  }

  /** What every leg that is left has refused, or cannot carry. */
  #tellRefused(left: readonly Running[]): void {
    if (!this.#isOpen) return
    for (const [key, topic] of this.#waiting) {
      const able = left.filter(({ leg }) => leg.takes(topic))
      const entries = able.map(({ shards }) => shards.of(topic))
      if (!entries.every(entry => entry?.state === 'rejected')) continue
      this.#waiting.delete(key)
      const why = `no leg carries ${topic.symbol} (${topic.kind})`
      const [first] = entries
      this.#link.rejected([topic], first?.reason ?? new TickwireError('UNSUPPORTED', why))
    }
  }

  readonly #abort = (): void => {
    void this.#end(undefined)
  }

  async #end(reason: TickwireError | undefined): Promise<void> {
    if (this.#over) return
    if (this.#order instanceof TimeOrder) this.#order.close()
    this.#over = true
    this.#link.signal.removeEventListener('abort', this.#abort)
    await Promise.all(this.#legs.map(({ shards }) => shards.close()))
    for (const { leg } of this.#legs) leg.isOpen = false
    this.#arrivals.close()
    this.#rejectOpened(reason ?? new TickwireError('CLOSED', 'closed while connecting'))
    this.#finish(reason)
  }
}
