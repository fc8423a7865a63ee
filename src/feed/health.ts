import type { Clock, Timer } from '../base/clock.ts'
import type { SessionName } from '../market/calendar.ts'
import type { EventType, MarketEvent, NoticeName } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { Blames } from './blames.ts'
import { ClosedHours } from './closed-hours.ts'
import { FallingBehind } from './falling-behind.ts'
import { type HealthReport, reportOf } from './health-report.ts'
import type { Lag } from './lag.ts'
import { Answers, type Asked, type Latest, Question } from './probe.ts'
import type { Recent, Seen } from './recent.ts'
import { type Look, patience, Silence } from './silence.ts'
import { newWatch, type Watch, type Watched } from './watched.ts'

export interface HealthHooks {
  readonly source: string
  readonly clock: Clock
  readonly recent: Recent
  readonly lag: Lag
  connections(): readonly Watched[]
  /** The venue's last event of a symbol, asked for over another way; absent where there is none. */
  readonly latest: Latest | undefined
  /** Whether what has come of a topic is kept back, behind a hole that is being filled. */
  isHolding(topic: Topic): boolean
  /** Whether an event would be delivered: what cannot be true shows nothing. */
  isSound(event: MarketEvent): boolean
  /** Whether a market sends this, which closes, and whose connections may fail: no simulation or recording of one. */
  readonly isMarket: boolean
  /** Sessions in which something is to be expected of the source. @default pre, regular, post */
  readonly sessions?: readonly SessionName[] | undefined
  notice(name: NoticeName, message: string, details: Details): void
}

interface Details {
  readonly code?: string
  readonly from?: number
  readonly kind?: EventType
  readonly symbol?: string
}

const TICK_MS = 1_000
/** Longest wait between two questions to a venue that has nothing newer, ms. */
const MOST_ASK_MS = 60_000
/** Time between two questions about single topics of one connection that are silent while others come, ms. */
const ONE_EVERY_MS = 10_000
/** Connections replaced in a row for the sake of one topic, or unasked, without anything coming of it. */
const MOST_IN_VAIN = 3
/** Where the venue cannot be asked, a connection is replaced after this silence and that many usual gaps of it. */
const UNASKED = { leastMs: 300_000, gaps: 60 } as const
/** Kinds that come often enough to be missed. */
const FREQUENT: readonly EventType[] = ['trade', 'quote', 'book', 'ticker']

/**
 * Tells silence that is nothing from silence that hides something: by the market's hours, by the pace each symbol is known
 * to keep, and, before a silent connection is replaced, by asking the venue another way whether it has anything newer.
 */
export class Health {
  readonly #hooks: HealthHooks
  readonly #hours: ClosedHours
  readonly #silence: Silence
  readonly #blames: Blames
  readonly #behind = new FallingBehind()
  readonly #answers = new Answers()
  readonly #watches = new WeakMap<object, Watch>()
  #timer: Timer | undefined
  /** A look between two ticks, and when. */
  #extra: { readonly timer: Timer; readonly at: number } | undefined

  constructor(hooks: HealthHooks) {
    this.#hooks = hooks
    this.#hours = new ClosedHours(hooks.source, hooks.sessions)
    this.#silence = new Silence(hooks.recent, topic => hooks.isHolding(topic))
    this.#blames = new Blames(hooks.recent)
  }

  /** Something is subscribed: from now on it is looked at every second. */
  start(): void {
    if (this.#timer) return
    const { clock, lag } = this.#hooks
    const tick = () => {
      this.#timer = clock.setTimeout(tick, TICK_MS, 'idle')
      const now = clock.now()
      lag.turn(now)
      this.#look(now)
      this.#lookAtLag(now)
    }
    this.#timer = clock.setTimeout(tick, TICK_MS, 'idle')
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#extra?.timer.cancel()
    this.#extra = undefined
  }

  /** Of the feed, or of one symbol. */
  report(symbol?: string): HealthReport {
    const { clock, lag } = this.#hooks
    const isMeant = (one: { symbol: string }) =>
      symbol === undefined || one.symbol === symbol || one.symbol === ANY
    const connections = this.#hooks.connections().filter(({ topics }) => topics.some(isMeant))
    return reportOf(symbol, {
      ...{ connections, now: clock.now(), lag: lag.report(), silence: this.#silence },
      watches: connections.flatMap(({ id }) => this.#watches.get(id) ?? []),
      hours: this.#hooks.isMarket ? this.#hours : undefined,
    })
  }

  #look(now: number): void {
    this.#hooks.recent.workOut()
    for (const connection of this.#hooks.connections()) this.#lookAt(connection, now)
  }

  /**
   * Looks once before the next tick, where that is to be found out to the moment. There is one such look at a time, the
   * earliest: at each, whoever waits for a later one asks for it again.
   */
  #lookAgain(at: number): void {
    const { clock } = this.#hooks
    if (!this.#timer || (this.#extra && this.#extra.at <= at)) return
    this.#extra?.timer.cancel()
    // Timers may be a fraction of a millisecond early.
    const ms = Math.ceil(at - clock.now()) + 1
    const timer = clock.setTimeout(
      () => {
        this.#extra = undefined
        this.#look(clock.now())
      },
      ms,
      'idle',
    )
    this.#extra = { timer, at }
  }

  #lookAtLag(now: number): void {
    const message = this.#behind.look(this.#hooks.lag.takeNew(), now)
    if (message === undefined) return
    this.#hooks.notice('stale', message, { code: 'FALLING_BEHIND' })
    for (const connection of this.#hooks.connections())
      if (connection.isOpen) connection.reopen(message)
  }

  #watchOf({ id, opened }: Watched, now: number): Watch {
    let watch = this.#watches.get(id)
    if (watch?.opened === opened) return watch
    this.#behind.restart()
    watch = newWatch(opened, now, watch)
    this.#watches.set(id, watch)
    return watch
  }

  #lookAt(connection: Watched, now: number): void {
    const watch = this.#watchOf(connection, now)
    if (!connection.isOpen || connection.outage !== undefined) {
      watch.since = now
      watch.state = 'live'
      watch.question = undefined
      return
    }
    const topics = connection.topics.filter(
      topic => FREQUENT.includes(topic.kind) && !connection.polls?.(topic),
    )
    if (topics.length === 0) return
    const look = this.#silence.of(topics, watch.since, now)
    const wait = patience(look.gapMs)
    const isSilent = now - look.last >= wait
    if (!isSilent) this.#comes(watch, look.last)
    const silentAt = look.last + wait
    if (!isSilent && silentAt < now + TICK_MS) this.#lookAgain(silentAt)
    if (watch.question) this.#judge(watch, watch.question, connection, look, now)
    if (watch.question) {
      this.#lookAtAnswer(watch.question)
      return
    }
    if (isSilent) this.#wonder(watch, connection, topics, look, wait, now)
    else if (look.overdue && now >= watch.oneAt) this.#wonderAt(look.overdue, watch, now)
  }

  #comes(watch: Watch, last: number): void {
    if (watch.state !== 'live') {
      this.#hooks.notice('live', 'events come again', { from: last })
    }
    watch.state = 'live'
    watch.askWaitMs = 0
    watch.askAt = 0
  }

  /** A connection is silent for longer than it is used to. */
  #wonder(
    watch: Watch,
    connection: Watched,
    topics: readonly Topic[],
    { gapMs, last }: Look,
    wait: number,
    now: number,
  ): void {
    if (now < watch.askAt) return
    const closed = this.#whyClosed(topics, now)
    if (closed && !this.#isBelied(watch, topics, last, wait)) {
      this.#quiet(watch, closed, last)
      return
    }
    watch.askWaitMs = Math.min(MOST_ASK_MS, Math.max(wait, watch.askWaitMs * 2))
    watch.askAt = now + watch.askWaitMs
    const of = this.#silence.busiest(topics, last)
    if (!of) return
    const { latest } = this.#hooks
    if (latest) watch.question = this.#ask(of, latest, { isOne: false, last })
    else this.#unasked(watch, connection, { of, gapMs, last }, '', now)
  }

  /** One topic is silent for longer than it is used to, while others come. */
  #wonderAt(seen: Readonly<Seen>, watch: Watch, now: number): void {
    const { latest } = this.#hooks
    if (!latest) return
    this.#silence.asked(seen, now)
    if (this.#whyClosed([seen], now)) return
    watch.oneAt = now + ONE_EVERY_MS
    watch.question = this.#ask(seen, latest, { isOne: true, last: seen.receivedAt! })
  }

  /**
   * Whether the silence of a connection in closed hours is to be looked into all the same. Once the venue has nothing newer,
   * the calendar is believed.
   */
  #isBelied(watch: Watch, topics: readonly Topic[], last: number, wait: number): boolean {
    if (!this.#hooks.latest || last <= watch.since || watch.answeredAt === last) return false
    return this.#hours.isBelied(topics, last, wait)
  }

  #ask(
    of: Asked,
    latest: Latest,
    about: { readonly isOne: boolean; readonly last: number },
  ): Question {
    const { clock } = this.#hooks
    const question: Question = new Question(of, about, clock, latest, () =>
      this.#lookAtAnswer(question),
    )
    return question
  }

  /** Looks again when an answer can be judged by. */
  #lookAtAnswer({ due }: Question): void {
    if (due !== undefined) this.#lookAgain(due)
  }

  /** What an answer shows, unless something has come since it was asked for. */
  #judge(watch: Watch, question: Question, connection: Watched, look: Look, now: number): void {
    const { of, isOne, last } = question
    const { recent, isSound, lag } = this.#hooks
    const seen = recent.of(of)
    const came = isOne ? (seen?.receivedAt ?? 0) : look.last
    if (came > last) {
      watch.question = undefined
      return
    }
    const answer = question.answer(now)
    if (!answer) return
    watch.question = undefined
    const { event, error } = answer
    if (error !== undefined) {
      if (!isOne) this.#unasked(watch, connection, { of, gapMs: look.gapMs, last }, error, now)
      return
    }
    // What is older than the connection was missed before it, and is no fault of this one.
    const opened = watch.since - (lag.report()?.offsetMs ?? 0)
    const ours = Math.max(seen?.timestamp ?? 0, opened)
    const isNewer =
      event !== undefined &&
      event.timestamp > ours &&
      this.#answers.isNews(event, question.at, seen?.state) &&
      isSound(event)
    const line = isOne && seen ? this.#silence.lineOf(seen) : undefined
    const blame = this.#blames.of(of)
    // What has had a connection replaced, and was not delivered by that one either, is not coming.
    if (!isNewer || event.timestamp <= (blame?.timestamp ?? Number.NEGATIVE_INFINITY)) {
      if (line) line.isStale = false
      else if (!isOne) {
        watch.answeredAt = last
        this.#quiet(watch, `the venue has nothing newer of ${of.symbol}`, last)
      }
      return
    }
    if (line) line.isStale = true
    if (isOne && (blame?.times ?? 0) >= MOST_IN_VAIN) return
    const silence = Math.round((now - last) / 1_000)
    const ahead = Math.round((event.timestamp - ours) / 1_000)
    const what = isOne ? `no ${of.kind} of ${of.symbol}` : 'nothing'
    const message = `${what} for ${silence} s, and the venue has ${of.kind}s of ${of.symbol} ${ahead} s newer`
    if (!isOne) this.#stale(watch, message, last)
    if (now < watch.reopenings.dueAt) return
    if (isOne) {
      const { kind, symbol } = of
      this.#hooks.notice('stale', message, { from: last, kind, symbol })
    }
    this.#replace(watch, connection, of, event.timestamp, message, now)
  }

  /** Silence of a connection about which the venue cannot be asked: only where much has come can it be judged by itself. */
  #unasked(
    watch: Watch,
    connection: Watched,
    { of, gapMs, last }: { of: Asked; gapMs: number | undefined; last: number },
    error: string,
    now: number,
  ): void {
    const { isMarket, latest } = this.#hooks
    if (!isMarket && !latest) return
    const why = error === '' ? '' : ` (${error})`
    this.#quiet(watch, `the venue cannot be asked whether it has anything newer${why}`, last)
    if (!isMarket || gapMs === undefined) return
    if (now - last < Math.max(UNASKED.leastMs, gapMs * UNASKED.gaps)) return
    const blame = this.#blames.of(of)
    if (now < watch.reopenings.dueAt || (blame?.times ?? 0) >= MOST_IN_VAIN) return
    const message = `nothing for ${Math.round((now - last) / 1_000)} s, and the venue cannot be asked`
    this.#stale(watch, message, last)
    this.#replace(watch, connection, of, blame?.timestamp ?? Number.NEGATIVE_INFINITY, message, now)
  }

  #replace(
    watch: Watch,
    connection: Watched,
    of: Asked,
    timestamp: number,
    message: string,
    now: number,
  ): void {
    this.#blames.put(of, timestamp, now)
    watch.reopenings.done(now)
    connection.reopen(message)
  }

  /** Why nothing is to be expected of any of the topics at this time; `undefined` when something is. */
  #whyClosed(topics: readonly Pick<Topic, 'symbol'>[], now: number): string | undefined {
    return this.#hooks.isMarket ? this.#hours.why(topics, now) : undefined
  }

  #quiet(watch: Watch, why: string, last: number): void {
    watch.why = why
    if (watch.state === 'quiet') return
    watch.state = 'quiet'
    this.#hooks.notice('quiet', `nothing comes: ${why}`, { from: last })
  }

  #stale(watch: Watch, message: string, last: number): void {
    if (watch.state === 'stale') return
    watch.state = 'stale'
    this.#hooks.notice('stale', message, { from: last })
  }
}
