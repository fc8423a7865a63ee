import { setMaxListeners } from 'node:events'
import type { TickwireError } from '../base/errors.ts'
import type { HistorySource } from '../flow/contracts.ts'
import { type Bar, type EventType, type MarketEvent, markRepaired } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { Damage } from './damage.ts'
import { Filled } from './filled.ts'
import { HeldBack } from './held-back.ts'
import {
  breakAgain,
  groupsOf,
  type Hole,
  keyOf,
  keyOfHole,
  knows,
  type Mark,
  mayBeIn,
  newHole,
  topicOf,
} from './hole.ts'
import { identityOf } from './identity.ts'
import type { Recent, Seen } from './recent.ts'
import { Closing } from './repair-closing.ts'
import { Ends } from './repair-ends.ts'
import { Marks } from './repair-marks.ts'
import type { RepairOptions } from './repair-options.ts'
import { endOf, lengthOf, merge } from './repair-past.ts'
import { type Answer, Questions } from './repair-questions.ts'
import { Run } from './repair-run.ts'
import { Teller, type TellerHooks } from './repair-teller.ts'

export interface RepairHooks extends TellerHooks {
  /** The stream tells times to the millisecond only. @default false */
  readonly millisecondTimes?: boolean
  /** How far the venue's clock is ahead of ours, as far as that is known, ms. @default nothing is known */
  aheadMs?(): number
  /** A record of history that can be no event. */
  malformed(record: unknown, reason: string): void
  /** An event of the stream that history has brought already: it is left out. */
  repeated(event: MarketEvent): void
  /** Delivers events, in order, as if they had just come; returns those that were: some may not be true. */
  emit(batch: readonly MarketEvent[]): readonly MarketEvent[]
}

/**
 * Fills the holes of a stream from the provider's history: after a lost connection, and after a restart from what an
 * earlier process had recorded. A hole is closed when history shows the first live event behind it, or, where there is
 * none, has given the same answer twice and, some time later, once more; until it is closed its live events are held back.
 */
export class Repairer {
  readonly #options: Required<RepairOptions>
  readonly #hooks: RepairHooks
  readonly #recent: Recent
  readonly #marks: Marks
  readonly #questions: Questions
  readonly #closing: Closing
  readonly #heldBack: HeldBack
  readonly #filled: Filled
  readonly #damage: Damage
  readonly #teller: Teller
  readonly #ends: Ends
  readonly #holes = new Map<string, Hole>()
  /** Since when a topic that has shown nothing yet has been subscribed. */
  readonly #begun = new Map<string, number>()
  /** Topics an earlier process had, and nobody has asked for in this one. */
  readonly #earlier = new Set<string>()
  /** Up to when an earlier process heard of anything, by our clock as far as that is known. */
  #earlierUntil = Number.NEGATIVE_INFINITY
  /** Given up because the venue refuses the topic. */
  readonly #refused = new Map<string, Refused>()
  readonly #abort = new AbortController()
  #isClosed = false
  #scheduled = false

  constructor(
    history: HistorySource['history'],
    kinds: readonly EventType[],
    recent: Recent,
    options: Required<RepairOptions>,
    hooks: RepairHooks,
  ) {
    const { source, clock, millisecondTimes = false, aheadMs = () => 0, malformed } = hooks
    const { overlapMs, maxHoldMs } = options
    const { signal } = this.#abort
    this.#options = options
    this.#hooks = hooks
    this.#recent = recent
    this.#teller = new Teller(hooks)
    this.#marks = new Marks(recent, kinds, overlapMs)
    this.#questions = new Questions(history, signal, {
      ...{ source, clock, overlapMs, millisecondTimes, aheadMs, malformed },
    })
    this.#closing = new Closing(recent, options)
    this.#heldBack = new HeldBack({
      ...{ clock, maxHoldMs, emit: batch => hooks.emit(batch) },
      holes: () => this.#holes.values(),
    })
    this.#filled = new Filled(clock, overlapMs)
    this.#damage = new Damage(clock, topics => {
      this.interrupted(topics)
      this.resumed(topics)
    })
    this.#ends = new Ends(clock, bar => this.#ended(bar))
    // Every run waits on it, and there may be many.
    setMaxListeners(0, signal)
  }

  /** Holes that are not closed. */
  get open(): number {
    return this.#holes.size
  }

  /** Whether what has come of a topic is kept back: it is not silent, though nobody has been given it. */
  isHolding(topic: Topic): boolean {
    return this.#heldBack.count > 0 && this.#holesOf(topic).some(({ held }) => held.length > 0)
  }

  /** Takes what came; returns what may be delivered now. */
  pass(batch: readonly MarketEvent[]): readonly MarketEvent[] {
    if (this.#holes.size === 0 && this.#filled.isEmpty) {
      // A candle may be waited for all day: what is none passes at no cost.
      if (this.#ends.isEmpty || !batch.some(({ type }) => type === 'bar')) return batch
    }
    const free: MarketEvent[] = []
    for (const event of batch) {
      const key = topicOf(event)
      if (key === undefined) {
        free.push(event)
        continue
      }
      if (this.#ends.hear(key, event) || this.#filled.take(key, event)) {
        this.#hooks.repeated(event)
        continue
      }
      const hole = this.#holes.get(key)
      if (hole?.kind === event.type) this.#comesBehind(hole, event)
      if (hole?.holding) this.#heldBack.hold(hole, event)
      else free.push(event)
    }
    return free
  }

  /** A live event shows how far history must reach for the hole before it to be whole. */
  #comesBehind(hole: Hole, event: MarketEvent): void {
    // The venue sends again, though it has not confirmed that: another connection carried the symbol all along.
    if (hole.resumedAt === undefined) {
      hole.resumedAt = this.#hooks.clock.now()
      this.#schedule()
    }
    const isBar = event.type === 'bar'
    const place = hole.first === undefined || isBar ? identityOf(event) : ''
    // A bar that was known before may be put right, or grow, however far history lags behind.
    const isBehind = !isBar || event.timestamp > hole.knownTo
    if (hole.first === undefined && isBehind) {
      hole.first = place
      hole.firstAt = event.timestamp
      hole.wake?.()
    }
    hole.reach = Math.max(hole.reach, event.timestamp)
    hole.heard ??= event
    if (!isBar) return
    hole.bars.set(place, event)
    if (place === hole.first && (hole.firstBar === undefined || event.final)) hole.firstBar = event
  }

  /**
   * How far an earlier process had come: what came since is missing, once somebody asks for it. `heardAt`: when the last of
   * all came to it, where that is known.
   */
  restore(seen: Seen, heardAt = seen.timestamp + lengthOf(seen.interval)): void {
    this.#recent.restore(seen)
    this.#earlier.add(keyOfHole(seen))
    // A bar is known when it is over, or at least by now; that of a day says nothing of when its process ended.
    const known = Math.min(heardAt, this.#hooks.clock.now())
    this.#earlierUntil = Math.max(this.#earlierUntil, known)
  }

  /** These are asked for. */
  wanted(topics: readonly Topic[]): void {
    if (this.#earlier.size === 0) return
    for (const topic of topics) {
      for (const mark of this.#marks.of(topic, Number.NEGATIVE_INFINITY, this.#earlierUntil))
        if (this.#earlier.delete(keyOfHole(mark))) this.#break(mark)
    }
  }

  /** The connection that carried these is gone. */
  interrupted(topics: readonly Topic[]): void {
    // Connections end behind their feed: what is not delivered any more is no hole.
    if (this.#isClosed) return
    const now = this.#hooks.clock.now()
    const known = this.#marks.knownBy(topics)
    for (const topic of topics) {
      const { kind, interval, symbol } = topic
      // Damage that is still to be looked into lies in this hole, which begins before it then.
      const damaged = this.#damage.take(topic)
      if (!this.#marks.has(kind)) {
        if (!this.#marks.comesWithTrades(topic, topics)) this.#teller.lost(kind, symbol)
        continue
      }
      const marks = damaged ?? this.#marks.of(topic, known, now)
      for (const one of marks) this.#break(one)
      const begun = this.#begun.get(keyOfHole(topic))
      if (marks.length === 0 && begun !== undefined && symbol !== ANY) {
        const mark = { kind, interval, symbol, timestamp: begun, nanos: 0 }
        this.#break({ ...mark, since: Math.max(begun, known), lostAt: now }, true)
      }
    }
  }

  /**
   * What of these has come on an open connection is not whole: a frame could not be read, or it is `said` so, without a
   * word on since when.
   */
  damaged(topics: readonly Topic[], since: 'now' | 'said' = 'now'): void {
    if (this.#isClosed) return
    const known = since === 'now' ? this.#marks.knownBy(topics) : Number.NEGATIVE_INFINITY
    const now = this.#hooks.clock.now()
    for (const topic of topics)
      if (this.#marks.has(topic.kind))
        this.#damage.add(topic, () => this.#marks.of(topic, known, now))
    this.#damage.schedule()
  }

  /** The venue sends these again, or for the first time. */
  resumed(topics: readonly Topic[]): void {
    const now = this.#hooks.clock.now()
    for (const topic of topics) {
      const key = keyOfHole(topic)
      if (!this.#begun.has(key)) this.#begun.set(key, now)
      for (const { symbol, lostAt } of this.#takeRefused(topic)) {
        for (const mark of this.#marks.of({ ...topic, symbol }, lostAt, lostAt)) this.#break(mark)
      }
      for (const hole of this.#holesOf(topic)) hole.resumedAt ??= now
    }
    if (this.#holes.size > 0 || this.#teller.hasLost) this.#schedule()
  }

  /**
   * The venue does not take these any more: their holes are told to stay, at once where asking again cannot help, or when
   * that was in vain for long enough. When it does take them again, what was missed meanwhile is a hole too.
   */
  refused(topics: readonly Topic[], reason: TickwireError): void {
    const now = this.#hooks.clock.now()
    const due = topics
      .flatMap(topic => this.#holesOf(topic))
      .filter(hole => {
        if (hole.resumedAt !== undefined) return false
        hole.refusedAt ??= now
        return reason.fatal || now - hole.refusedAt >= this.#options.giveUpMs
      })
    for (const { kind, interval, symbol, lostAt } of due) {
      const refused = { kind, interval, symbol, lostAt }
      this.#refused.set(keyOfHole(refused), refused)
    }
    this.#giveUp(due, `the venue refuses it: ${reason.message}`, reason.code)
  }

  /** Nobody wants these any more: what is held back of them is delivered, and no more asked for. */
  forget(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = keyOfHole(topic)
      this.#begun.delete(key)
      this.#damage.take(topic)
      this.#ends.forget(topic)
      this.#takeRefused(topic)
      const holes = this.#holesOf(topic)
      if (holes.length === 0) continue
      this.#heldBack.release(holes)
      this.#remove(holes)
      this.#teller.forgotten(holes)
    }
  }

  /** Delivers what is held back, and says of every open hole that it stays, of kinds without history too. */
  close(): void {
    this.#abort.abort()
    this.interrupted(this.#damage.topics)
    this.#teller.tellLost()
    this.#isClosed = true
    this.#damage.close()
    this.#filled.close()
    this.#ends.close()
    const isSettled = ({ settledAt }: Hole) => settledAt !== undefined
    const holes = [...this.#holes.values()]
    const open = holes.filter(hole => !isSettled(hole))
    this.#giveUp(open, 'the feed has ended', 'CLOSED')
    const reason = 'the feed has ended before history was asked once more'
    this.#giveUp(holes.filter(isSettled), reason, 'CLOSED')
  }

  #break(mark: Mark, isFirst = false): void {
    const isHolding = this.#options.policy === 'hold'
    const open = this.#holes.get(keyOfHole(mark))
    const { bar, barBefore } = (mark.kind === 'bar' && this.#recent.of(mark)) || {}
    const known = [barBefore, bar].filter(one => one !== undefined)
    if (open) {
      // The venue's clock may be behind ours.
      const { aheadMs = () => 0 } = this.#hooks
      for (const one of known) knows(open, one)
      breakAgain(open, isHolding, this.#options.overlapMs - Math.min(0, aheadMs()))
      return
    }
    const hole = newHole(mark, isFirst, isHolding)
    for (const one of known) knows(hole, one)
    this.#holes.set(keyOfHole(mark), hole)
    this.#teller.opened(hole)
  }

  #holesOf(topic: Topic): readonly Hole[] {
    return inTopic(this.#holes, topic)
  }

  /** Those of a topic that were refused: it is taken again, or nobody wants it any more. */
  #takeRefused(topic: Topic): readonly Refused[] {
    const refused = inTopic(this.#refused, topic)
    for (const one of refused) this.#refused.delete(keyOfHole(one))
    return refused
  }

  /** Begins the work for all holes that were resumed in this turn. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (this.#abort.signal.aborted) return
      this.#teller.tellLost()
      const now = this.#hooks.clock.now()
      const due = [...this.#holes.values()].filter(
        ({ resumedAt, filling }) => resumedAt !== undefined && !filling,
      )
      for (const hole of due) hole.filling = true
      for (const group of groupsOf(due, now)) this.#fill(group, now)
    })
  }

  #fill(group: readonly Hole[], now: number): void {
    const { clock } = this.#hooks
    const { maxSpanMs } = this.#options
    this.#teller.filling(group)
    const tooLong = group.filter(({ lostAt }) => now - lostAt > maxSpanMs)
    const reason = `it is longer than ${Math.round(maxSpanMs / 60_000)} minutes; backfill it from history`
    this.#giveUp(tooLong, reason, 'TOO_LONG')
    const run = new Run(group, {
      ...{ clock, options: this.#options, questions: this.#questions },
      signal: this.#abort.signal,
      isOpen: hole => this.#holes.get(keyOfHole(hole)) === hole,
      close: (holes, answer) => this.#close(holes, answer),
      giveUp: (holes, why, code) => this.#giveUp(holes, why, code),
    })
    void run.work()
  }

  /** Delivers what an answer shows to have been missed, and closes those holes for which it is complete. */
  #close(holes: readonly Hole[], answer: Answer): void {
    const outcomes = this.#closing.outcomes(holes, answer)
    const batch: MarketEvent[] = []
    for (const { hole, verdict, missed } of outcomes) {
      for (const event of missed) markRepaired(event)
      this.#filled.remember(hole, missed)
      for (const event of merge(missed, this.#heldBack.letGo(hole))) batch.push(event)
      if (verdict === 'whole') this.#remove([hole])
      else hole.settledAt = this.#hooks.clock.now()
    }
    const sound = new Set(batch.length > 0 ? this.#hooks.emit(batch) : [])
    for (const { hole, missed } of outcomes) {
      for (const event of missed) {
        if (sound.has(event)) {
          hole.given.add(event)
          hole.filled++
          hole.untrue.delete(identityOf(event))
          this.#ends.over(event)
        } else if (mayBeIn(hole, event)) hole.untrue.set(identityOf(event), event)
        // What had come before, and was refused then, is not of this hole.
      }
    }
    for (const { hole } of outcomes) this.#watchEnd(hole)
    this.#teller.closed(outcomes.filter(({ verdict }) => verdict === 'whole'))
  }

  /** Whoever has been given a candle that grew, because it was in a hole, shall also hear that it is over. */
  #watchEnd(hole: Hole): void {
    if (hole.kind !== 'bar') return
    const bar = this.#recent.of(hole)?.bar
    if (bar && !hole.bars.has(identityOf(bar))) this.#ends.watch(bar)
  }

  /** A candle may be over of which the stream has not spoken since a hole before its end. */
  #ended(bar: Bar): void {
    const { symbol, interval, timestamp, nanos } = bar
    // An open hole is asked about again anyway.
    if (this.#holes.has(keyOf('bar', interval, symbol))) return
    const now = this.#hooks.clock.now()
    const mark = { kind: 'bar', symbol, interval, timestamp, nanos, bar } as const
    this.#break({ ...mark, since: endOf(bar), lostAt: now })
    this.#holes.get(keyOf('bar', interval, symbol))!.resumedAt = now
    this.#schedule()
  }

  #giveUp(holes: readonly Hole[], reason: string, code: string): void {
    if (holes.length === 0) return
    this.#heldBack.release(holes)
    this.#remove(holes)
    this.#teller.left(holes, reason, code)
  }

  #remove(holes: readonly Hole[]): void {
    for (const hole of holes) {
      this.#holes.delete(keyOfHole(hole))
      hole.wake?.()
    }
  }
}

type Refused = Pick<Hole, 'kind' | 'interval' | 'symbol' | 'lostAt'>

/** Of what is kept by the keys of holes, what is of one topic. */
function inTopic<T extends Refused>(list: ReadonlyMap<string, T>, topic: Topic): readonly T[] {
  const { kind, interval, symbol } = topic
  if (symbol !== ANY) {
    const one = list.get(keyOfHole(topic))
    return one ? [one] : []
  }
  if (list.size === 0) return []
  return [...list.values()].filter(one => one.kind === kind && one.interval === interval)
}
