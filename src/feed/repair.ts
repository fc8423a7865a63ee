import { setMaxListeners } from 'node:events'
import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { HistorySource } from '../flow/contracts.ts'
import {
  type EventType,
  type Interval,
  type MarketEvent,
  markRepaired,
  type NoticeName,
} from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { exactIdentityOf, identityOf, Multiset, venueOrder } from './identity.ts'
import type { Recent, Seen } from './recent.ts'

export interface RepairOptions {
  /**
   * What happens to live events while a hole before them is open: `hold` keeps them back until it is closed, at most
   * `maxHoldMs`, so that everything comes in order; `live-first` lets them pass and delivers what was missed behind
   * them; `off` leaves holes open.
   * @default 'hold'
   */
  readonly policy?: 'hold' | 'live-first' | 'off'
  /** @default 3000 */
  readonly maxHoldMs?: number
  /** History lags behind the stream: how long until it is asked again, ms. @default 1500 */
  readonly settleMs?: number
  /** How far before the hole it is looked for events that were delayed into it, ms of venue time. @default 30000 */
  readonly overlapMs?: number
  /** A longer hole is not filled in: that is for a backfill, ms. @default 3600000 */
  readonly maxSpanMs?: number
  /** How long it is tried, ms. @default 120000 */
  readonly giveUpMs?: number
}

export const REPAIR_DEFAULTS: Required<RepairOptions> = {
  policy: 'hold',
  maxHoldMs: 3_000,
  settleMs: 1_500,
  overlapMs: 30_000,
  maxSpanMs: 3_600_000,
  giveUpMs: 120_000,
}

/** Most live events held back, over all holes; more lets them all pass. */
const MOST_HELD = 100_000
/** Most records fetched for the holes of one request. */
const MOST_RECORDS = 1_000_000
/** Holes that begin within this of each other are asked for together, ms. */
const TOGETHER_MS = 60_000
/** How often damage to an open connection is repaired at most, ms: a decoder with a fault must not ask all the time. */
const DAMAGE_MS = 10_000
/** How long what history has shown may be on its way on the stream, ms. */
const IN_FLIGHT_MS = 30_000
/** First and longest wait after a failed request, ms. */
const RETRY_MS = { first: 500, most: 15_000 } as const

export interface RepairHooks {
  readonly source: string
  readonly clock: Clock
  /** A record of history that can be no event. */
  malformed(record: unknown, reason: string): void
  /** Delivers events, in order, as if they had just come. */
  emit(batch: readonly MarketEvent[]): void
  notice(name: NoticeName, message: string, details: Details): void
}

type Details = {
  readonly symbol?: string
  readonly kind?: EventType
  readonly from?: number
  readonly to?: number
  readonly count?: number
  readonly code?: string
}

interface Hole {
  readonly kind: EventType
  readonly interval: Interval | undefined
  readonly symbol: string
  /** Venue time up to which everything had come. */
  readonly from: number
  readonly fromNanos: number
  /** Nothing was seen before it: no event of before belongs to it. */
  readonly isFirst: boolean
  /** When the venue began to send again, by our clock; `undefined` while it does not. */
  resumedAt: number | undefined
  /** Identity of the first live event since then: history that shows it is complete. */
  first: string | undefined
  /** Latest venue time of a live event since then: the venue's clock may be ahead of ours. */
  reach: number
  /** Live events kept back, and what lets them go when it takes too long. */
  held: MarketEvent[]
  release: Timer | undefined
  holding: boolean
  /** What history answered the last time. */
  answer: string | undefined
  /** An answer in several pages has shown that event: one begun later shows all that came before it. */
  shown: boolean
  /** How often it was broken: work begun before the last time is for nothing. */
  breaks: number
  filling: boolean
}

/**
 * Fills the holes of a stream from the provider's history: after a lost connection, and after a restart from what an
 * earlier process had recorded. A hole is closed when history shows the first live event behind it, or, where there is
 * none, gives the same answer twice; until then its live events are held back.
 */
export class Repairer {
  readonly #history: HistorySource['history']
  readonly #kinds: readonly EventType[]
  readonly #recent: Recent
  readonly #options: Required<RepairOptions>
  readonly #hooks: RepairHooks
  readonly #holes = new Map<string, Hole>()
  /** Since when a topic that has shown nothing yet has been subscribed. */
  readonly #begun = new Map<string, number>()
  /** Topics an earlier process had, and nobody has asked for in this one. */
  readonly #earlier = new Set<string>()
  /** Kinds without history whose connection was lost. */
  readonly #lost = new Set<EventType>()
  /** Filled in, by topic: what of it was on its way on the stream too, and may still come. */
  readonly #filled = new Map<string, { readonly known: Multiset; readonly until: number }>()
  /** Carried by connections that brought a frame nobody could read, and how far they had come then. */
  readonly #damaged = new Map<string, { readonly topic: Topic; readonly seen: readonly Seen[] }>()
  #damagedAt = Number.NEGATIVE_INFINITY
  #damage: Timer | undefined
  readonly #abort = new AbortController()
  #held = 0
  #timers = new Set<Timer>()
  #scheduled = false

  constructor(
    history: HistorySource['history'],
    kinds: readonly EventType[],
    recent: Recent,
    options: Required<RepairOptions>,
    hooks: RepairHooks,
  ) {
    this.#history = history
    this.#kinds = kinds
    this.#recent = recent
    this.#options = options
    this.#hooks = hooks
    // Every run waits on it, and there may be many.
    setMaxListeners(0, this.#abort.signal)
  }

  /** Holes that are not closed. */
  get open(): number {
    return this.#holes.size
  }

  /** Takes what came; returns what may be delivered now. */
  pass(batch: readonly MarketEvent[]): readonly MarketEvent[] {
    if (this.#holes.size === 0 && this.#filled.size === 0) return batch
    const free: MarketEvent[] = []
    for (const event of batch) {
      const key = topicOf(event)
      if (key === undefined) {
        free.push(event)
        continue
      }
      if (this.#isFilled(key, event)) continue
      const hole = this.#holes.get(key)
      if (!hole) {
        free.push(event)
        continue
      }
      if (hole.kind === event.type) {
        if (hole.resumedAt === undefined) this.#begin(hole)
        hole.first ??= identityOf(event)
        hole.reach = Math.max(hole.reach, event.timestamp)
      }
      if (hole.holding) this.#hold(hole, event)
      else free.push(event)
    }
    return free
  }

  /** The venue sends again, though it has not confirmed that: another connection carried the symbol all along. */
  #begin(hole: Hole): void {
    hole.resumedAt = this.#hooks.clock.now()
    this.#schedule()
  }

  /** How far an earlier process had come: what came since is missing, once somebody asks for it. */
  restore(seen: Seen): void {
    this.#recent.restore(seen)
    this.#earlier.add(keyOf(seen.kind, seen.interval, seen.symbol))
  }

  /** These are asked for. */
  wanted(topics: readonly Topic[]): void {
    if (this.#earlier.size === 0) return
    for (const topic of topics) {
      for (const seen of this.#seenOf(topic)) {
        if (this.#earlier.delete(keyOf(seen.kind, seen.interval, seen.symbol))) this.#break(seen)
      }
    }
  }

  /** The connection that carried these is gone. */
  interrupted(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = keyOf(topic.kind, topic.interval, topic.symbol)
      // Damage that is still to be looked into lies in this hole, which begins before it then.
      const damage = this.#damaged.get(key)
      this.#damaged.delete(key)
      if (!this.#kinds.includes(topic.kind)) {
        if (!this.#comesWithTrades(topic, topics)) this.#lost.add(topic.kind)
        continue
      }
      const seen = damage?.seen ?? this.#seenOf(topic)
      for (const one of seen) this.#break(one)
      const begun = this.#begun.get(key)
      if (seen.length === 0 && begun !== undefined && topic.symbol !== ANY) {
        const { kind, interval, symbol } = topic
        this.#break({ kind, interval, symbol, timestamp: begun, nanos: 0 }, true)
      }
    }
  }

  /** A frame of the connection that carries these could not be read: what was in it is missing. */
  damaged(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = keyOf(topic.kind, topic.interval, topic.symbol)
      if (this.#damaged.has(key) || !this.#kinds.includes(topic.kind)) continue
      this.#damaged.set(key, { topic, seen: this.#seenOf(topic).map(one => ({ ...one })) })
    }
    const repair = () => {
      this.#damage = undefined
      this.#damagedAt = this.#hooks.clock.now()
      const list = [...this.#damaged.values()].map(({ topic }) => topic)
      this.interrupted(list)
      this.resumed(list)
    }
    const wait = this.#damagedAt + DAMAGE_MS - this.#hooks.clock.now()
    if (wait <= 0) repair()
    else this.#damage ??= this.#later(wait, repair)
  }

  /** The venue sends these again, or for the first time. */
  resumed(topics: readonly Topic[]): void {
    const now = this.#hooks.clock.now()
    for (const topic of topics) {
      const key = keyOf(topic.kind, topic.interval, topic.symbol)
      if (!this.#begun.has(key)) this.#begun.set(key, now)
      for (const hole of this.#holesOf(topic)) hole.resumedAt ??= now
    }
    if (this.#holes.size > 0 || this.#lost.size > 0) this.#schedule()
  }

  /** Nobody wants these any more: what is held back of them is delivered, and no more asked for. */
  forget(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = keyOf(topic.kind, topic.interval, topic.symbol)
      this.#begun.delete(key)
      this.#damaged.delete(key)
      for (const hole of this.#holesOf(topic)) {
        this.#release([hole])
        this.#holes.delete(keyOf(hole.kind, hole.interval, hole.symbol))
      }
    }
  }

  /** Delivers what is held back, and says of every open hole that it stays. */
  close(): void {
    this.#abort.abort()
    for (const timer of this.#timers) timer.cancel()
    this.#giveUp([...this.#holes.values()], 'the feed has ended', 'CLOSED')
  }

  /** History tells what became of a trade together with the trade. */
  #comesWithTrades({ kind, symbol }: Topic, topics: readonly Topic[]): boolean {
    if ((kind !== 'correction' && kind !== 'cancel') || !this.#kinds.includes('trade')) return false
    return topics.some(
      other => other.kind === 'trade' && (other.symbol === symbol || other.symbol === ANY),
    )
  }

  #seenOf({ kind, interval, symbol }: Topic): readonly Readonly<Seen>[] {
    if (!this.#kinds.includes(kind)) return []
    if (symbol === ANY) return this.#recent.symbols(kind, interval)
    const seen = this.#recent.of({ kind, interval, symbol })
    return seen ? [seen] : []
  }

  #break({ kind, interval, symbol, timestamp, nanos }: Readonly<Seen>, isFirst = false): void {
    const key = keyOf(kind, interval, symbol)
    const open = this.#holes.get(key)
    if (open) {
      // Broken once more before it was closed: only what comes after this break shows that history is complete.
      open.resumedAt = undefined
      open.first = undefined
      open.answer = undefined
      open.shown = false
      open.filling = false
      open.holding = this.#options.policy === 'hold'
      open.breaks++
      return
    }
    this.#holes.set(key, {
      ...{ kind, interval, symbol, from: timestamp, fromNanos: nanos, isFirst, reach: 0 },
      ...{ resumedAt: undefined, first: undefined, answer: undefined, breaks: 0, filling: false },
      ...{ held: [], release: undefined, shown: false },
      holding: this.#options.policy === 'hold',
    })
  }

  #holesOf({ kind, interval, symbol }: Topic): readonly Hole[] {
    if (symbol !== ANY) {
      const hole = this.#holes.get(keyOf(kind, interval, symbol))
      return hole ? [hole] : []
    }
    return [...this.#holes.values()].filter(one => one.kind === kind && one.interval === interval)
  }

  #hold(hole: Hole, event: MarketEvent): void {
    hole.held.push(event)
    hole.release ??= this.#later(this.#options.maxHoldMs, () => this.#expire(hole))
    if (++this.#held > MOST_HELD) this.#release([...this.#holes.values()])
  }

  /** Something has been held for as long as may be: whatever becomes of the connection, nothing waits for longer. */
  #expire(hole: Hole): void {
    hole.release = undefined
    const { maxHoldMs } = this.#options
    const due = this.#hooks.clock.now() - maxHoldMs
    if (hole.resumedAt !== undefined && hole.resumedAt <= due) {
      this.#release([hole])
      return
    }
    // It was broken once more: only what is from before that is due.
    const at = hole.held.findIndex(({ receivedAt }) => receivedAt > due)
    const batch = hole.held.splice(0, at < 0 ? hole.held.length : at)
    this.#held -= batch.length
    const [next] = hole.held
    if (next) hole.release = this.#later(next.receivedAt - due, () => this.#expire(hole))
    if (batch.length > 0) this.#hooks.emit(batch)
  }

  /** Whether an event was on its way when history already had it, and has been delivered from there. */
  #isFilled(key: string, event: MarketEvent): boolean {
    const filled = this.#filled.get(key)
    if (!filled) return false
    if (this.#hooks.clock.now() <= filled.until) return filled.known.take(exactIdentityOf(event))
    this.#filled.delete(key)
    return false
  }

  /** Begins the work for all holes that were resumed in this turn. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      if (this.#abort.signal.aborted) return
      this.#tellLost()
      const groups = new Map<string, Hole[]>()
      for (const hole of this.#holes.values()) {
        if (hole.resumedAt === undefined || hole.filling) continue
        hole.filling = true
        const near = Math.floor(hole.from / TOGETHER_MS)
        const key = `${hole.kind}@${hole.interval}@${near}`
        groups.set(key, [...(groups.get(key) ?? []), hole])
      }
      for (const group of groups.values()) void this.#fill(group)
    })
  }

  /** Of some kinds there is no history: their hole stays. */
  #tellLost(): void {
    for (const kind of this.#lost) {
      const message = `what was missed in kind ${kind} stays missing: there is no history of it`
      this.#hooks.notice('unrepaired', message, { kind, code: 'UNSUPPORTED' })
    }
    this.#lost.clear()
  }

  async #fill(group: readonly Hole[]): Promise<void> {
    const { clock } = this.#hooks
    const { settleMs, maxSpanMs, giveUpMs } = this.#options
    const begun = clock.now()
    const breaks = group.map(hole => hole.breaks)
    /** Those of the group that this run is still in charge of: a new break hands a hole to a new run. */
    const left = () => group.filter((hole, i) => this.#isOpen(hole) && hole.breaks === breaks[i])
    this.#say('gap', group, 'is being filled', {})
    const tooLong = group.filter(({ from }) => begun - from > maxSpanMs)
    if (tooLong.length > 0) {
      const reason = `it is longer than ${Math.round(maxSpanMs / 60_000)} minutes; backfill it from history`
      this.#giveUp(tooLong, reason, 'TOO_LONG')
    }
    for (let waitMs: number = RETRY_MS.first; left().length > 0 && !this.#abort.signal.aborted; ) {
      try {
        const answers = await this.#ask(left())
        // Some may have been broken once more meanwhile.
        this.#close(left(), answers)
        if (left().length === 0) return
        await sleep(clock, settleMs, this.#abort.signal)
      } catch (thrown) {
        if (this.#abort.signal.aborted) return
        const error = asError(thrown)
        const known = error instanceof TickwireError ? error : undefined
        // Asked the same way, it would be refused again.
        if (known?.fatal || known?.code === 'BAD_REQUEST')
          return this.#giveUp(left(), error.message, known.code)
        await sleep(clock, known?.retryAfterMs ?? waitMs, this.#abort.signal)
        waitMs = Math.min(waitMs * 2, RETRY_MS.most)
        if (clock.now() - begun > giveUpMs) {
          return this.#giveUp(left(), error.message, known?.code ?? 'VENUE_ERROR')
        }
      }
      if (clock.now() - begun > giveUpMs) {
        return this.#giveUp(left(), 'history does not reach up to the stream', 'INCOMPLETE')
      }
    }
  }

  /** What history says of the holes, by symbol. */
  async #ask(holes: readonly Hole[]): Promise<Answer> {
    const [{ kind, interval }] = holes as [Hole]
    const answers = new Map<string, MarketEvent[]>(holes.map(({ symbol }) => [symbol, []]))
    const from = Math.min(...holes.map(hole => hole.from)) - this.#options.overlapMs
    const to = Math.max(Math.ceil(this.#hooks.clock.now()), ...holes.map(hole => hole.reach))
    const request = {
      ...{ kind, symbols: [...answers.keys()], from, to },
      ...(interval !== undefined && { interval }),
      source: this.#hooks.source,
      malformed: (record: unknown, reason: string) => this.#hooks.malformed(record, reason),
      signal: this.#abort.signal,
    }
    let [count, pages] = [0, 0]
    for await (const batch of this.#history(request)) {
      pages++
      count += batch.length
      if (count > MOST_RECORDS) {
        throw new TickwireError('UNSUPPORTED', `more than ${MOST_RECORDS} events are missing`, {
          hint: 'Backfill them from history.',
        })
      }
      for (const event of batch) answers.get(event.symbol ?? '')?.push(event)
    }
    return { events: answers, isPaged: pages > 1 }
  }

  /** Closes those holes for which the answer is complete. */
  #close(holes: readonly Hole[], { events: answers, isPaged }: Answer): void {
    const from = Math.min(...holes.map(hole => hole.from)) - this.#options.overlapMs
    const delivered = this.#deliveredSince(from, holes)
    const done: Hole[] = []
    const batch: MarketEvent[] = []
    let count = 0
    for (const hole of holes) {
      const answer = answers.get(hole.symbol) ?? []
      if (!isComplete(hole, answer, isPaged)) continue
      // Late ones of before the hole may still be missing, and late ones of after it may be there.
      const known = delivered.get(hole.symbol)!
      for (const event of hole.held) known.add(identityOf(event))
      const belongs = this.#belongs(hole)
      const missed = answer.filter(event => belongs(event) && !known.take(identityOf(event)))
      for (const event of missed) markRepaired(event)
      this.#remember(hole, missed)
      count += missed.length
      batch.push(...merge(missed, this.#letGo(hole)))
      this.#holes.delete(keyOf(hole.kind, hole.interval, hole.symbol))
      done.push(hole)
    }
    if (done.length === 0) return
    if (batch.length > 0) this.#hooks.emit(batch)
    const took = this.#hooks.clock.now() - Math.min(...done.map(hole => hole.resumedAt!))
    const events = count === 1 ? '1 event' : `${count} events`
    this.#say('repaired', done, `is filled: ${events}, after ${(took / 1_000).toFixed(1)} s`, {
      count,
    })
  }

  /**
   * What of an answer may be missing. Where all that was delivered shortly before the hole is at hand, it is looked
   * through for late ones too; otherwise only what is behind the hole's beginning cannot have been delivered.
   */
  #belongs({ from, fromNanos, isFirst }: Hole): (event: MarketEvent) => boolean {
    const { horizon } = this.#recent
    if (isFirst || from < horizon) {
      const begin = { timestamp: from, nanos: isFirst ? -1 : fromNanos }
      return event => venueOrder(event, begin) > 0
    }
    const earliest = Math.max(horizon, from - this.#options.overlapMs)
    return event => event.timestamp >= earliest
  }

  /** Filled in, these may come on the stream too, if they were sent after it had begun again. */
  #remember(hole: Hole, missed: readonly MarketEvent[]): void {
    const { overlapMs } = this.#options
    const now = this.#hooks.clock.now()
    for (const [key, { until }] of this.#filled) if (now > until) this.#filled.delete(key)
    const key = keyOf(hole.kind, hole.interval, hole.symbol)
    const known = this.#filled.get(key)?.known ?? new Multiset()
    for (const event of missed) {
      if (event.timestamp >= hole.resumedAt! - overlapMs) known.add(exactIdentityOf(event))
    }
    this.#filled.set(key, { known, until: now + IN_FLIGHT_MS })
  }

  /** How often each event of the holes' topics has been delivered since a venue time, by symbol. */
  #deliveredSince(from: number, holes: readonly Hole[]): ReadonlyMap<string, Multiset> {
    const delivered = new Map(holes.map(({ symbol }) => [symbol, new Multiset()]))
    const [{ kind, interval }] = holes as [Hole]
    for (const event of this.#recent.since(from)) {
      if (event.symbol === undefined) continue
      const type = event.type === 'correction' || event.type === 'cancel' ? 'trade' : event.type
      if (type !== kind || (event.type === 'bar' && event.interval !== interval)) continue
      delivered.get(event.symbol)?.add(identityOf(event))
    }
    return delivered
  }

  /** Lets live events pass although the hole before them is open. */
  #release(holes: readonly Hole[]): void {
    const batch: MarketEvent[] = []
    for (const hole of holes) {
      batch.push(...this.#letGo(hole))
      hole.holding = false
    }
    if (batch.length > 0) this.#hooks.emit(batch)
  }

  /** What a hole keeps back; it keeps it no longer. */
  #letGo(hole: Hole): readonly MarketEvent[] {
    const { held, release } = hole
    release?.cancel()
    if (release) this.#timers.delete(release)
    hole.release = undefined
    hole.held = []
    this.#held -= held.length
    return held
  }

  #giveUp(holes: readonly Hole[], reason: string, code: string): void {
    if (holes.length === 0) return
    this.#release(holes)
    for (const { kind, interval, symbol } of holes)
      this.#holes.delete(keyOf(kind, interval, symbol))
    this.#say('unrepaired', holes, `stays: ${reason}`, { code })
  }

  #isOpen(hole: Hole): boolean {
    return this.#holes.get(keyOf(hole.kind, hole.interval, hole.symbol)) === hole
  }

  #say(name: NoticeName, holes: readonly Hole[], what: string, details: Details): void {
    const byKind = new Map<EventType, Hole[]>()
    for (const hole of holes) byKind.set(hole.kind, [...(byKind.get(hole.kind) ?? []), hole])
    for (const [kind, list] of byKind) {
      const names = list.slice(0, 5).map(({ symbol }) => symbol)
      if (list.length > names.length) names.push(`${list.length - names.length} more`)
      const from = Math.min(...list.map(hole => hole.from))
      const since = new Date(from).toISOString()
      const message = `the hole in ${kind}s of ${names.join(', ')} since ${since} ${what}`
      const [only] = list.length === 1 ? list : []
      const to = this.#hooks.clock.now()
      this.#hooks.notice(name, message, {
        ...{ kind, from, to },
        ...(only && { symbol: only.symbol }),
        ...details,
      })
    }
  }

  #later(ms: number, fn: () => void): Timer {
    const timer = this.#hooks.clock.setTimeout(
      () => {
        this.#timers.delete(timer)
        fn()
      },
      ms,
      'idle',
    )
    this.#timers.add(timer)
    return timer
  }
}

/** What history says of some holes. */
interface Answer {
  readonly events: ReadonlyMap<string, readonly MarketEvent[]>
  readonly isPaged: boolean
}

/**
 * Whether an answer of history reaches up to the live stream. Its first page may be older than its last: a late report
 * that belongs there may not have been known then, although the last one shows what came behind it.
 */
function isComplete(hole: Hole, answer: readonly MarketEvent[], isPaged: boolean): boolean {
  const identities = answer.map(identityOf)
  if (hole.first !== undefined) {
    const isThere = identities.includes(hole.first)
    const isWhole = isThere && (!isPaged || hole.shown)
    hole.shown ||= isThere
    return isWhole
  }
  const said = `${identities.length} ${identities.at(-1) ?? ''}`
  if (hole.answer === said) return true
  hole.answer = said
  return false
}

/** Both in venue time, ties with what was missed first; within each the order stays. */
function merge(missed: readonly MarketEvent[], live: readonly MarketEvent[]): MarketEvent[] {
  const merged: MarketEvent[] = []
  let at = 0
  for (const event of live) {
    while (at < missed.length && venueOrder(missed[at]!, event) <= 0) merged.push(missed[at++]!)
    merged.push(event)
  }
  for (; at < missed.length; at++) merged.push(missed[at]!)
  return merged
}

/** The topic whose hole an event stands behind; what changes a trade stands behind the hole of the trades. */
function topicOf(event: MarketEvent): string | undefined {
  const { type, symbol } = event
  if (type === 'notice' || symbol === undefined) return undefined
  const kind = type === 'correction' || type === 'cancel' ? 'trade' : type
  return keyOf(kind, type === 'bar' ? event.interval : undefined, symbol)
}

const keyOf = (kind: EventType, interval: Interval | undefined, symbol: string) =>
  `${kind}@${interval ?? ''}:${symbol}`
