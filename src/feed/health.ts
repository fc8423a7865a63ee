import type { Clock, Timer } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { calendarOf } from '../market/calendar-book.ts'
import { describeClosed } from '../market/calendar-words.ts'
import type { EventType, MarketEvent, NoticeName } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import type { Lag, LagReport } from './lag.ts'
import type { Recent, Seen } from './recent.ts'

/**
 * `live` events come at the pace they are known to · `quiet` nothing comes, and nothing is missed: the market is closed, or
 * the venue has nothing newer · `stale` the venue has newer data than it sends; the connection is being replaced ·
 * `dead` there is no connection.
 */
export type HealthState = 'live' | 'quiet' | 'stale' | 'dead'

export interface HealthReport {
  readonly state: HealthState
  /** Why, in a sentence. */
  readonly reason: string
  /** When the last live event came, by our clock; `undefined` when none has. */
  readonly lastEventAt: number | undefined
  /** Learned time between events, ms; `undefined` before a few have come. */
  readonly gapMs: number | undefined
  /** Of the whole feed. */
  readonly lag: LagReport | undefined
}

/** A connection, as health sees it. */
export interface Watched {
  /** Confirmed topics it carries. */
  readonly topics: readonly Topic[]
  readonly isOpen: boolean
  /** Ends it, to be made anew at once. */
  reopen(reason: string): void
}

export interface HealthHooks {
  readonly source: string
  readonly clock: Clock
  readonly log: Log
  readonly recent: Recent
  readonly lag: Lag
  connections(): readonly Watched[]
  /** The venue's last event of a symbol, asked for over another way; absent where there is none. */
  readonly latest:
    | ((kind: EventType, symbol: string) => Promise<MarketEvent | undefined>)
    | undefined
  /** Whether holes are being filled: what came behind them may be held back still. */
  isFilling(): boolean
  /** Whether markets of this source close at all. */
  readonly keepsHours: boolean
  notice(name: NoticeName, message: string, details: { code?: string; from?: number }): void
}

const TICK_MS = 1_000
/** Silence this many times the usual gap is looked into: with random arrivals it comes by chance once in 3,000 gaps. */
const UNUSUAL = 8
/** Silence is looked into after this at the earliest and at the latest, ms; before anything is learned, after `unknown`. */
const SILENCE_MS = { least: 3_000, most: 120_000, unknown: 15_000 } as const
/** Longest wait between two questions to a venue that has nothing newer, ms. */
const MOST_ASK_MS = 60_000
/** A lag that stays this far above its best for as many ticks is falling behind, ms. */
const BEHIND_MS = 5_000
const BEHIND_TICKS = 60
/** Kinds that come often enough to be missed. */
const FREQUENT: readonly EventType[] = ['trade', 'quote', 'book', 'ticker']

interface Watch {
  state: HealthState
  since: number
  askAt: number
  askWaitMs: number
  asking: boolean
}

/**
 * Tells silence that is nothing from silence that hides something: by the market's hours, by the pace each symbol is known
 * to keep, and, before a silent connection is replaced, by asking the venue another way whether it has anything newer.
 */
export class Health {
  readonly #hooks: HealthHooks
  readonly #watches = new Map<number, Watch>()
  #timer: Timer | undefined
  #behind = 0

  constructor(hooks: HealthHooks) {
    this.#hooks = hooks
  }

  /** Something is subscribed: from now on it is looked at every second. */
  start(): void {
    if (this.#timer) return
    const tick = () => {
      this.#timer = this.#hooks.clock.setTimeout(tick, TICK_MS, 'idle')
      this.#look()
    }
    this.#timer = this.#hooks.clock.setTimeout(tick, TICK_MS, 'idle')
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Of the feed, or of one symbol. */
  report(symbol?: string): HealthReport {
    const { clock, lag } = this.#hooks
    const now = clock.now()
    const connections = this.#hooks
      .connections()
      .filter(
        ({ topics }) =>
          symbol === undefined || topics.some(one => one.symbol === symbol || one.symbol === ANY),
      )
    const seen = connections
      .flatMap(({ topics }) => this.#seenOf(topics))
      .filter(one => symbol === undefined || one.symbol === symbol)
    const times = seen.flatMap(({ receivedAt }) => receivedAt ?? [])
    const lastEventAt = times.length > 0 ? Math.max(...times) : undefined
    const gapMs = paceOf(seen)
    const base = { lastEventAt, gapMs, lag: lag.report() }
    if (!connections.some(({ isOpen }) => isOpen)) {
      return { state: 'dead', reason: 'there is no connection', ...base }
    }
    const states = connections.map((_, i) => this.#watches.get(i)?.state)
    if (states.includes('stale')) {
      return { state: 'stale', reason: 'the venue has newer data than it sends', ...base }
    }
    const closed = this.#whyClosed(
      connections.flatMap(({ topics }) => topics),
      now,
    )
    if (closed) return { state: 'quiet', reason: closed, ...base }
    const silence = lastEventAt === undefined ? Number.POSITIVE_INFINITY : now - lastEventAt
    if (silence < patience(gapMs)) return { state: 'live', reason: 'events come', ...base }
    const reason =
      lastEventAt === undefined
        ? 'nothing has come yet'
        : `nothing for ${Math.round(silence / 1_000)} s`
    return { state: 'quiet', reason, ...base }
  }

  #look(): void {
    const { clock, lag } = this.#hooks
    const now = clock.now()
    lag.turn(now)
    for (const [i, connection] of this.#hooks.connections().entries()) {
      this.#lookAt(i, connection, now)
    }
    this.#lookAtLag()
  }

  #lookAt(i: number, connection: Watched, now: number): void {
    let watch = this.#watches.get(i)
    if (!watch || !connection.isOpen) {
      watch = { state: 'live', since: now, askAt: 0, askWaitMs: 0, asking: false }
      this.#watches.set(i, watch)
    }
    if (!connection.isOpen) return
    if (this.#hooks.isFilling()) {
      watch.since = now
      return
    }
    const frequent = connection.topics.filter(({ kind }) => FREQUENT.includes(kind))
    if (frequent.length === 0) return
    const seen = this.#seenOf(frequent)
    const last = Math.max(watch.since, ...seen.map(one => one.receivedAt ?? 0))
    const silence = now - last
    const wait = patience(paceOf(seen.filter(one => (one.receivedAt ?? 0) > 0)))
    if (silence < wait) {
      if (watch.state !== 'live') this.#hooks.notice('live', 'events come again', { from: last })
      watch.state = 'live'
      watch.askWaitMs = 0
      watch.askAt = 0
      return
    }
    if (watch.asking || now < watch.askAt) return
    const closed = this.#whyClosed(frequent, now)
    if (closed) {
      this.#quiet(watch, closed, last)
      return
    }
    watch.askWaitMs = Math.min(MOST_ASK_MS, Math.max(wait, watch.askWaitMs * 2))
    watch.askAt = now + watch.askWaitMs
    void this.#ask(watch, connection, busiest(frequent, seen), last)
  }

  /** Asks the venue another way whether it has something newer than it has sent. */
  async #ask(
    watch: Watch,
    connection: Watched,
    topic: Topic | undefined,
    last: number,
  ): Promise<void> {
    const { latest, recent, log, clock } = this.#hooks
    if (!latest || !topic) return
    watch.asking = true
    try {
      const event = await latest(topic.kind, topic.symbol)
      const seen = recent.of(topic)
      // Something has come meanwhile.
      if (!connection.isOpen || (seen?.receivedAt ?? 0) > last) return
      const ours = seen?.timestamp ?? watch.since
      if (event && event.timestamp > ours) {
        const ahead = Math.round((event.timestamp - ours) / 1_000)
        watch.state = 'stale'
        const message = `nothing for ${Math.round((clock.now() - last) / 1_000)} s, and the venue has ${topic.kind}s of ${topic.symbol} ${ahead} s newer`
        this.#hooks.notice('stale', message, { from: last })
        connection.reopen(message)
      } else this.#quiet(watch, `the venue has nothing newer of ${topic.symbol}`, last)
    } catch (error) {
      log.debug({ error: asError(error).message }, 'the venue could not be asked for its latest')
    } finally {
      watch.asking = false
    }
  }

  #quiet(watch: Watch, reason: string, last: number): void {
    if (watch.state === 'quiet') return
    watch.state = 'quiet'
    this.#hooks.notice('quiet', `nothing comes: ${reason}`, { from: last })
  }

  /** A feed whose lag grows and does not shrink again is replaced: the venue, or the way, holds back ever more. */
  #lookAtLag(): void {
    const report = this.#hooks.lag.report()
    this.#behind = report && report.p50 > BEHIND_MS ? this.#behind + 1 : 0
    if (!report || this.#behind < BEHIND_TICKS) return
    this.#behind = 0
    const message = `events have been ${Math.round(report.p50 / 1_000)} s late for a minute`
    this.#hooks.notice('stale', message, { code: 'FALLING_BEHIND' })
    for (const connection of this.#hooks.connections()) {
      if (connection.isOpen) connection.reopen(message)
    }
  }

  #seenOf(topics: readonly Topic[]): Readonly<Seen>[] {
    const { recent } = this.#hooks
    return topics.flatMap(topic =>
      topic.symbol === ANY ? recent.symbols(topic.kind, topic.interval) : (recent.of(topic) ?? []),
    )
  }

  /** Why nothing is to be expected of any of the topics at this time; `undefined` when something is. */
  #whyClosed(topics: readonly Topic[], now: number): string | undefined {
    if (!this.#hooks.keepsHours) return undefined
    let why: string | undefined
    for (const symbol of new Set(topics.map(topic => topic.symbol))) {
      const calendar = symbol === ANY ? undefined : calendarOf(symbol, this.#hooks.source)
      const closed = calendar && describeClosed(calendar, now, ['pre', 'regular', 'post'])
      if (!closed) return undefined
      why = closed
    }
    return why
  }
}

/** How long silence is nothing unusual at this pace, ms. */
function patience(gapMs: number | undefined): number {
  if (gapMs === undefined) return SILENCE_MS.unknown
  return Math.min(SILENCE_MS.most, Math.max(SILENCE_MS.least, gapMs * UNUSUAL))
}

/** The time between events of all of these together, ms. */
function paceOf(seen: readonly Readonly<Seen>[]): number | undefined {
  let perMs = 0
  for (const { gapMs } of seen) if (gapMs !== undefined) perMs += 1 / Math.max(gapMs, 1)
  return perMs > 0 ? 1 / perMs : undefined
}

/** The topic that is missed first. */
function busiest(topics: readonly Topic[], seen: readonly Readonly<Seen>[]): Topic | undefined {
  const known = seen.filter(({ gapMs }) => gapMs !== undefined).sort((a, b) => a.gapMs! - b.gapMs!)
  const [best] = known
  const [first] = topics.filter(({ symbol }) => symbol !== ANY)
  if (!best) return first
  const { kind, symbol, interval } = best
  return { source: first?.source ?? '', kind, symbol, interval }
}
