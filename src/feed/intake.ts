import type { Clock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { HoleOf, HoleState, LeftOut, Sink } from '../flow/contracts.ts'
import { createEvent, type EventType, type MarketEvent, type NoticeName } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { BookKeeper } from './books.ts'
import type { Dispatcher } from './dispatch.ts'
import { Duplicates } from './duplicates.ts'
import type { FeedOptions } from './feed.ts'
import { Lag } from './lag.ts'
import type { Mishaps } from './mishaps.ts'
import type { Provider } from './provider.ts'
import { Quarantine } from './quarantine.ts'
import { Recent } from './recent.ts'
import { Repairer } from './repair.ts'
import { type RepairOptions, repairOptions } from './repair-options.ts'
import type { NoticeDetails } from './session.ts'

export interface IntakeHooks {
  readonly source: string
  readonly clock: Clock
  readonly log: Log
  readonly mishaps: Mishaps
  readonly dispatcher: Dispatcher
  /** Asks for a book anew, whoever carries it. */
  resync(topic: Topic, reason: string): void
}

type Batch = readonly MarketEvent[]

/**
 * The row of stages from an event's arrival to its delivery: what came twice and what cannot be true is left out, what
 * stands behind a hole is held back, books are kept, and what is left is remembered and given to sinks, then handlers.
 */
export class Intake {
  readonly #hooks: IntakeHooks
  readonly #dispatcher: Dispatcher
  /** Of a market that comes over a wire: nothing else says anything twice. */
  readonly #duplicates: Duplicates | undefined
  readonly quarantine: Quarantine
  readonly #repairer: Repairer | undefined
  readonly keeper: BookKeeper
  readonly lag = new Lag()
  readonly recent: Recent
  #sinks: readonly { readonly sink: Sink }[] = []
  #events = 0
  /** Events of the stream that history had brought already. */
  #repeats = 0
  readonly #holes = { opened: 0, filled: 0, left: 0 }
  /** Who makes other events out of what is delivered, and has to know what is missing. */
  readonly #makers = new Set<NonNullable<Sink['holes']>>()

  constructor(provider: Provider, options: FeedOptions, hooks: IntakeHooks) {
    this.#hooks = hooks
    this.#dispatcher = hooks.dispatcher
    const { nature, waits, wholeSeconds, exactTimes = false } = provider.capabilities
    if (!waits && nature !== 'simulated' && !wholeSeconds && !options.duplicates) {
      const found = (event: MarketEvent) => this.leftOut(event, 'duplicate')
      this.#duplicates = new Duplicates(found, exactTimes)
    }
    this.quarantine = new Quarantine(nature, options.quarantine ?? {}, hooks.log, event =>
      this.leftOut(event, 'quarantined'),
    )
    const repair = repairOptions(options.repair)
    const repairs = repair.policy !== 'off' && provider.history !== undefined
    this.recent = new Recent({ lag: this.lag, events: repairs })
    if (repair.policy !== 'off') {
      this.#repairer = this.#makeRepairer(provider, repair, options.resume)
    }
    this.keeper = new BookKeeper({
      source: hooks.source,
      deliver: (batch, receivedAt) => this.#handOn(batch, receivedAt),
      notice: (notice, message, details) => this.say(notice, message, details),
      resync: (topic, reason) => hooks.resync(topic, reason),
    })
  }

  #makeRepairer(
    provider: Provider,
    repair: Required<RepairOptions>,
    resume: FeedOptions['resume'],
  ): Repairer {
    const { source, clock, mishaps } = this.#hooks
    const { kinds, history: past, millisecondTimes = false } = provider.capabilities
    const history = provider.history?.bind(provider)
    const isKnown = (kind: EventType) =>
      kinds.includes(kind) && (!Array.isArray(past) || past.includes(kind))
    const known = history ? REPAIRABLE.filter(isKnown) : []
    const repairer = new Repairer(history ?? noHistory, known, this.recent, repair, {
      ...{ source, clock, millisecondTimes },
      aheadMs: () => this.#aheadMs(),
      malformed: (record, reason) => mishaps.malformedPast(record, reason),
      repeated: event => {
        this.#repeats++
        this.leftOut(event, 'duplicate')
      },
      emit: batch => {
        const now = clock.now()
        const sound = this.quarantine.passRepaired(batch, now)
        if (sound.length > 0) this.#deliver(sound, now)
        return sound
      },
      notice: (notice, message, details) => this.say(notice, message, details),
      holes: (what, holes) => this.#account(what, holes),
    })
    if (resume) this.recent.resume(resume.recent, resume.recentSince)
    const heardAt = resume?.recent.findLast(({ type }) => type !== 'notice')?.receivedAt
    for (const { topic, timestamp, nanos } of resume?.checkpoints ?? []) {
      const { kind, symbol, interval } = topic
      const seen = { kind, symbol, interval, timestamp, nanos }
      if (topic.source === source) repairer.restore(seen, heardAt)
    }
    return repairer
  }

  /** Where events come before they happened, our clock is behind the venue's. */
  #aheadMs(): number {
    this.recent.workOut()
    return Math.max(0, -(this.lag.report()?.offsetMs ?? 0))
  }

  stats() {
    return {
      events: this.#events,
      duplicates: (this.#duplicates?.count ?? 0) + this.#repeats,
      quarantined: this.quarantine.stats(),
      holes: { ...this.#holes },
    }
  }

  /** Whether what has come of a topic is kept back: it is not silent, though nobody has been given it. */
  isHolding(topic: Topic): boolean {
    return this.#repairer?.isHolding(topic) ?? false
  }

  /** Takes what came. */
  emit(batch: Batch, receivedAt: number): void {
    const fresh = this.#duplicates ? this.#duplicates.pass(batch) : batch
    // What cannot be true is out before the repair, which goes by the times of what comes.
    const sound = this.quarantine.pass(fresh, receivedAt)
    if (sound.length < fresh.length && this.keeper.isActive) this.#brokenBy(fresh, sound)
    const free = this.#repairer ? this.#repairer.pass(sound) : sound
    if (free.length > 0) this.#deliver(free, receivedAt)
  }

  /** What the feed says of itself, in order with the data. */
  say(notice: NoticeName, message: string, details: NoticeDetails = {}): void {
    const { source, clock } = this.#hooks
    const now = clock.now()
    const time = { source, timestamp: Math.floor(now), receivedAt: now }
    this.#deliver([createEvent({ type: 'notice', ...time, notice, message, ...details })], now)
  }

  /** These are asked for. */
  want(topics: readonly Topic[]): void {
    this.#repairer?.wanted(topics)
    this.keeper.want(topics)
  }

  /** Nobody asks for these any more. */
  forget(topics: readonly Topic[]): void {
    this.keeper.forget(topics)
    this.#repairer?.forget(topics)
  }

  /** What carried these carries them no more. */
  interrupted(topics: readonly Topic[], why: string): void {
    this.keeper.broken(topics, why)
    this.#repairer?.interrupted(topics.filter(isNoBook))
  }

  /** The venue sends these from now on. */
  resumed(topics: readonly Topic[]): void {
    this.#repairer?.resumed(topics)
  }

  /** The venue does not take these. */
  refused(topics: readonly Topic[], reason: TickwireError): void {
    this.#repairer?.refused(topics, reason)
  }

  /** A frame of the connection that carries these could not be read. */
  damaged(topics: readonly Topic[]): void {
    this.keeper.broken(topics, 'a frame could not be read', this.#hooks.clock.now())
    this.#repairer?.damaged(topics.filter(isNoBook))
  }

  /** What has come of these is not whole: books are asked for anew by their connection, the rest is repaired. */
  broken(topics: readonly Topic[], reason: string): void {
    this.keeper.broken(topics, reason)
    this.#repairer?.damaged(topics.filter(isNoBook), 'said')
  }

  /** @throws BAD_OPTION for a second tape */
  pipe(sink: Sink): () => void {
    // A tape can also be read; its numbers stand on the events, so there is room for those of one.
    if ('read' in sink && this.#sinks.some(other => 'read' in other.sink)) {
      const hint = 'Let another program of yours read that tape, or open a feed for each.'
      throw new TickwireError('BAD_OPTION', 'a feed fills one tape, and this one has one', { hint })
    }
    const entry = { sink }
    this.#sinks = [...this.#sinks, entry]
    const books = this.keeper.snapshots([ANY])
    if (books.length > 0) this.#guarded(() => sink.append(books), undefined)
    return () => {
      this.#sinks = this.#sinks.filter(other => other !== entry)
    }
  }

  /** Tells the sinks that keep account of it. */
  leftOut(event: MarketEvent, why: LeftOut): void {
    for (const { sink } of this.#sinks) {
      if (sink.leftOut) this.#guarded(() => sink.leftOut?.(event, why), event)
    }
  }

  /** Tells of holes as sinks are told of them; returns what ends that. */
  hearHoles(hear: NonNullable<Sink['holes']>): () => void {
    this.#makers.add(hear)
    return () => this.#makers.delete(hear)
  }

  /** The feed has ended by itself: holes stay, and what is held back is delivered. */
  end(): void {
    this.#repairer?.close()
  }

  close(): void {
    this.keeper.close()
    this.#repairer?.close()
  }

  #account(what: HoleState, holes: readonly HoleOf[]): void {
    this.#holes[what] += holes.length
    for (const hear of this.#makers) hear(what, holes)
    for (const { sink } of this.#sinks) {
      if (sink.holes) this.#guarded(() => sink.holes?.(what, holes), undefined)
    }
  }

  /** A part of a book that cannot be true has been left out. */
  #brokenBy(batch: Batch, sound: Batch): void {
    const left = new Set(sound)
    for (const event of batch) {
      if (event.type !== 'book' || left.has(event)) continue
      const { source, symbol, type: kind } = event
      const reason = 'an update that cannot be true was left out'
      this.keeper.broken([{ source, kind, symbol }], reason, this.#hooks.clock.now())
    }
  }

  #deliver(batch: Batch, receivedAt: number): void {
    if (this.keeper.isActive) this.keeper.pass(batch, receivedAt)
    else this.#handOn(batch, receivedAt)
  }

  #handOn(batch: Batch, receivedAt: number): void {
    this.#events += batch.length
    this.recent.add(batch)
    for (const { sink } of this.#sinks) this.#guarded(() => sink.append(batch), batch[0])
    this.#dispatcher.dispatch(batch, receivedAt)
  }

  #guarded(call: () => unknown, event: MarketEvent | undefined): void {
    this.#hooks.mishaps.guard('a sink', call, event)
  }
}

/** Kinds a venue's history can hold. */
const REPAIRABLE: readonly EventType[] = ['trade', 'quote', 'bar']
/** Books are made whole by a snapshot, not from history. */
const isNoBook = ({ kind }: Topic) => kind !== 'book'
const noHistory = () => {
  throw new TickwireError('UNSUPPORTED', 'the provider has no history')
}
