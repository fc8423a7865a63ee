import { Backoff, type BackoffOptions } from '../base/backoff.ts'
import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Lease } from '../base/lease.ts'
import type { Log } from '../base/log.ts'
import { Pace } from '../base/pace.ts'
import type { Random } from '../base/random.ts'
import type { EventType, MarketEvent, NoticeName } from '../market/events.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import { ConnectionGap } from './connection-gap.ts'
import { takePlace } from './lease.ts'
import type { Connection, Interest, Link, Provider, RawFrame } from './provider.ts'
import type { Portion } from './subscriptions.ts'

/**
 * `connecting` · `authenticating` · `open` · `waiting` (for the next attempt, or for something to subscribe) ·
 * `closed` for good.
 */
export type FeedState = 'connecting' | 'authenticating' | 'open' | 'waiting' | 'closed'

export interface NoticeDetails {
  readonly code?: string
  readonly symbol?: string
  readonly kind?: EventType
  readonly count?: number
}

export interface SessionHooks {
  readonly source: string
  readonly interest: Interest
  readonly clock: Clock
  readonly log: Log
  readonly random: Random
  readonly backoff: BackoffOptions
  /** How long a connection is kept with nothing subscribed, ms. */
  readonly lingerMs: number
  /** Folder of the lease files; absent, no lease is taken. */
  readonly leases: string | undefined
  raw(): ((frame: RawFrame) => void) | undefined
  emit(batch: readonly MarketEvent[], receivedAt: number): void
  room(): Promise<void> | undefined
  notice(name: NoticeName, message: string, details?: NoticeDetails): void
  /** The connection that had these confirmed is gone. */
  interrupted(topics: readonly Topic[]): void
  /** The venue has confirmed these, and sends them from now on. */
  resumed(topics: readonly Topic[]): void
  /** A frame that could not be read; these were confirmed to the connection that brought it. */
  malformed(frame: Uint8Array, reason: string, topics: readonly Topic[]): void
  unknown(kind: string): void
  /** What has come of these is not whole; books are being asked for anew. */
  broken(topics: readonly Topic[], reason: string): void
  /** The venue will soon end the connection. */
  leaving(): void
  /** A lease file cannot be written, kept fresh or removed: the connection does without. */
  unleased(error: Error): void
  /** The venue refuses these on this connection; returns those that no other connection carries or takes. */
  refused(topics: readonly Topic[], reason: TickwireError): readonly Topic[]
  /** The end for good: with the fatal reason, or without when the source has no more to give. */
  over(reason: TickwireError | undefined): void
}

/** No venue is asked for a connection more often than that, whatever goes wrong and however quickly. */
const CONNECTS = { most: 10, windowMs: 10_000 }
/** First and longest wait before a request is repeated that the venue left unanswered or half answered, ms. */
const ASK_AGAIN_MS = { first: 5_000, most: 60_000 }
/** How long a process waits before it looks again whether another one has given its place back, ms. */
const LEASE_RETRY_MS = 2_000

/**
 * Keeps one connection of a provider alive for as long as its portion holds something: each connection is lived
 * from open to the reason it ended, and a loop around that waits and tries again.
 */
export class Session {
  readonly #provider: Provider
  readonly #portion: Portion
  readonly #hooks: SessionHooks
  readonly #backoff: Backoff
  readonly #pace: Pace
  #state: FeedState = 'waiting'
  #connects = 0
  #lost: TickwireError | undefined
  #connection: Connection | undefined
  /** Ends the connection for a reason of our own. */
  #replace: ((reason: TickwireError) => void) | undefined
  /** The place of the account, while the loop runs. */
  #held: Lease | undefined
  /** Set while the loop runs; aborting it ends the loop. */
  #abort: AbortController | undefined
  #loop: Promise<void> = Promise.resolve()
  #linger: Timer | undefined
  /** Left the portion since the last reconciliation. */
  readonly #gone: Topic[] = []
  #reconciling = false
  /** Refusals told of, by topic: the code. */
  readonly #told = new Map<string, string>()
  #askAgain: Timer | undefined
  #askAgainMs = ASK_AGAIN_MS.first
  /** The venue has not served us yet on this connection, so the backoff still counts. */
  #unproven = true
  #outage: string | undefined

  constructor(provider: Provider, portion: Portion, hooks: SessionHooks) {
    this.#provider = provider
    this.#portion = portion
    this.#hooks = hooks
    this.#backoff = new Backoff(hooks.backoff, hooks.random)
    this.#pace = new Pace(hooks.clock, CONNECTS.most, CONNECTS.windowMs)
  }

  get state(): FeedState {
    return this.#state
  }

  /** Connections made so far. */
  get connects(): number {
    return this.#connects
  }

  /** Why the last connection ended, or was not made. */
  get lost(): TickwireError | undefined {
    return this.#lost
  }

  /** How much of what the account may have is in use, where the connection counts it. */
  get use(): string | undefined {
    return this.#connection?.use
  }

  /** Why data does not come, although the connection stands, where its other side says so. */
  get outage(): string | undefined {
    return this.#outage
  }

  /** Whether silence of a topic says nothing, as it is asked for now and then. */
  polls(topic: Topic): boolean {
    return this.#connection?.polls?.(topic) ?? false
  }

  /** What is confirmed, and sent as it happens. */
  get #streamed(): readonly Topic[] {
    return this.#portion.in('acknowledged').filter(topic => !this.polls(topic))
  }

  /**
   * Brings the venue in line with the portion, once for all changes of this turn; `gone` is what has just left it.
   */
  reconcile(gone: readonly Topic[] = []): void {
    if (this.#state === 'closed') return
    for (const topic of gone) this.#gone.push(topic)
    if (this.#reconciling) return
    this.#reconciling = true
    queueMicrotask(() => {
      this.#reconciling = false
      if (this.#state !== 'closed') this.#reconcile()
    })
  }

  #reconcile(): void {
    const gone = this.#gone.splice(0).filter(topic => !this.#portion.has(topic))
    for (const topic of gone) this.#told.delete(formatTopic(topic))
    if (this.#connection) {
      if (gone.length > 0) this.#connection.unsubscribe(gone)
      this.#request(this.#connection)
    }
    if (this.#portion.size === 0) {
      if (this.#abort) this.#linger ??= this.#startLinger()
      return
    }
    this.#linger?.cancel()
    this.#linger = undefined
    if (this.#abort) return
    // One loop at a time: a new one starts when the old one has let its socket go.
    const abort = new AbortController()
    this.#abort = abort
    this.#loop = this.#loop.then(() => this.#run(abort.signal))
  }

  /** Asks for a book anew, where there is a connection and the source can. */
  resync(topic: Topic, reason: string): void {
    this.#connection?.resync?.(topic, reason)
  }

  /** Ends the connection, to be made anew at once: it is open, and of no use. */
  reopen(reason: string): void {
    this.#replace?.(new TickwireError('CONNECTION_LOST', reason))
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    this.#linger?.cancel()
    this.#askAgain?.cancel()
    this.#abort?.abort()
    await this.#loop
  }

  #startLinger(): Timer {
    return this.#hooks.clock.setTimeout(() => {
      this.#linger = undefined
      this.#abort?.abort()
      this.#abort = undefined
    }, this.#hooks.lingerMs)
  }

  async #run(signal: AbortSignal): Promise<void> {
    // Held through all reconnects: who waits for the place must not get it because a connection was lost.
    const lease = await this.#lease(signal)
    this.#held = lease
    try {
      await this.#lives(signal)
    } finally {
      lease?.release()
    }
  }

  async #lives(signal: AbortSignal): Promise<void> {
    const gap = this.#gap()
    while (!signal.aborted) {
      await this.#pace.turn(signal)
      await this.#keep(gap, signal)
      if (signal.aborted) break
      const reason = await this.#live(signal)
      this.#note(gap)
      if (!signal.aborted) this.#lost = reason ?? this.#lost
      const streamed = this.#streamed
      this.#connection = undefined
      this.#outage = undefined
      this.#askAgain?.cancel()
      this.#askAgain = undefined
      // Nothing can be missed behind an end that is told as one.
      const isOver = reason === undefined || reason.fatal
      if (signal.aborted || !isOver) this.#hooks.interrupted(streamed)
      this.#portion.reset()
      if (signal.aborted) break
      if (isOver) {
        if (reason) this.#hooks.notice('disconnected', reason.message, { code: reason.code })
        this.#state = 'closed'
        this.#hooks.over(reason)
        return
      }
      await this.#wait(reason, signal)
    }
    this.#enter('waiting')
  }

  async #wait(reason: TickwireError, signal: AbortSignal): Promise<void> {
    // A connection that carries too much is as little use at once as a throttled one.
    const pace = reason.verdict === 'retry' ? 'retry' : 'slow'
    const waitMs = this.#backoff.next(pace, reason.retryAfterMs)
    const seconds = (waitMs / 1_000).toFixed(1)
    const next = seconds === '0.0' ? 'next attempt at once' : `next attempt in ${seconds} s`
    this.#hooks.notice('disconnected', `${reason.message}; ${next}`, { code: reason.code })
    this.#enter('waiting')
    await sleep(this.#hooks.clock, waitMs, signal)
  }

  /** Lives one connection; returns why it ended. */
  async #live(signal: AbortSignal): Promise<TickwireError | undefined> {
    try {
      const initial = this.#portion.topics
      this.#portion.move(initial, 'sent')
      this.#unproven = true
      this.#askAgainMs = ASK_AGAIN_MS.first
      this.#enter('connecting')
      const connection = await this.#provider.connect(this.#link(initial, signal))
      this.#connection = connection
      // Where it turned out that there is no stream, others need not wait for its place.
      if (this.#provider.account === undefined) this.#held?.release()
      connection.unsubscribe(initial.filter(topic => !this.#portion.has(topic)))
      this.#request(connection)
      // Closed by us it ends without a reason, which is what a source that has no more to give says.
      let ours: TickwireError | undefined
      this.#replace = why => {
        ours ??= why
        void connection.close()
      }
      const reason = (await connection.ended) ?? ours
      if (!reason) this.#hooks.notice('disconnected', 'closed', { code: 'CLOSED' })
      return reason
    } catch (thrown) {
      if (thrown instanceof TickwireError) return thrown
      const message = `the provider failed: ${asError(thrown).message}`
      return new TickwireError('UNREACHABLE', message, { cause: thrown })
    }
  }

  /** Waits for a place of the account that no other process of this machine holds. */
  async #lease(signal: AbortSignal): Promise<Lease | undefined> {
    const { leases, clock, notice } = this.#hooks
    const { account, capabilities } = this.#provider
    if (!leases || !account) return undefined
    for (let told = false; !signal.aborted; told = true) {
      let taken: ReturnType<typeof takePlace>
      const places = capabilities.limits.connections ?? 1
      // Without a place to write, processes may throw each other off; that is no reason to have no data.
      const failed = (error: Error) => this.#hooks.unleased(error)
      try {
        taken = takePlace(leases, account, places, clock, failed)
      } catch (error) {
        failed(asError(error))
        return undefined
      }
      if ('release' in taken) return taken
      if (!told) {
        const who =
          taken.heldBy === process.pid
            ? 'another feed of this program'
            : `process ${taken.heldBy} on this machine`
        const message = `${who} holds the connection of this account; waiting for it to end`
        notice('disconnected', message, { code: 'CONNECTION_LIMIT' })
        this.#enter('waiting')
      }
      await sleep(clock, LEASE_RETRY_MS, signal)
    }
    return undefined
  }

  /** Set where the venue wants connections of an account to be apart, also of processes that follow each other. */
  #gap(): ConnectionGap | undefined {
    const { account, capabilities } = this.#provider
    const { connectionGapMs, connections = 1 } = capabilities.limits
    const { leases } = this.#hooks
    if (!leases || !account || connectionGapMs === undefined) return undefined
    return this.#written(() => new ConnectionGap(leases, account, connectionGapMs, connections))
  }

  async #keep(gap: ConnectionGap | undefined, signal: AbortSignal): Promise<void> {
    const { clock } = this.#hooks
    const waitMs = signal.aborted ? 0 : (this.#written(() => gap?.reserve(clock.now())) ?? 0)
    if (waitMs > 0) await sleep(clock, waitMs, signal)
  }

  #note(gap: ConnectionGap | undefined): void {
    this.#written(() => gap?.ended(this.#hooks.clock.now()))
  }

  /** Without a file the venue may refuse a connection that comes too soon; that is no reason to have no data. */
  #written<T>(change: () => T): T | undefined {
    try {
      return change()
    } catch (error) {
      this.#hooks.unleased(asError(error))
      return undefined
    }
  }

  #request(connection: Connection): void {
    const wanted = this.#portion.in('wanted')
    if (wanted.length === 0) return
    this.#portion.move(wanted, 'sent')
    connection.subscribe(wanted)
    this.#scheduleAskAgain()
  }

  #link(topics: readonly Topic[], signal: AbortSignal): Link {
    const hooks = this.#hooks
    return {
      source: hooks.source,
      topics,
      interest: hooks.interest,
      clock: hooks.clock,
      log: hooks.log,
      signal,
      get raw() {
        return hooks.raw()
      },
      authenticating: () => this.#enter('authenticating'),
      opened: () => {
        this.#connects++
        this.#enter('open')
        hooks.notice('connected', `connected to ${this.#provider.capabilities.title}`)
        this.#scheduleAskAgain()
      },
      emit: (batch, receivedAt) => {
        // Notices are no data: a source may have to tell why it has none.
        if (this.#unproven && batch[0]?.type !== 'notice') this.#prove()
        hooks.emit(batch, receivedAt)
      },
      room: () => hooks.room(),
      acknowledged: acked => this.#acknowledged(acked),
      rejected: (refused, reason) => this.#rejected(refused, reason),
      malformed: (frame, reason) => hooks.malformed(frame, reason, this.#streamed),
      unknown: kind => hooks.unknown(kind),
      broken: (topics, reason) => hooks.broken(topics, reason),
      outage: reason => this.#declare(reason),
      leaving: () => hooks.leaving(),
    }
  }

  #declare(reason: string | undefined): void {
    if (reason === this.#outage) return
    this.#outage = reason
    if (reason === undefined) this.#hooks.notice('live', 'data comes again')
    else this.#hooks.notice('stale', reason, { code: 'VENUE_ERROR' })
  }

  /** Only data or a full confirmation proves that the venue serves us; authentication alone does not. */
  #prove(): void {
    this.#unproven = false
    this.#backoff.reset()
  }

  #acknowledged(topics: readonly Topic[]): void {
    // Confirmed late, when it has been given up or gone to another connection: the venue must let it go.
    const strays = topics.filter(topic => !this.#portion.has(topic))
    if (strays.length > 0) this.reconcile(strays)
    const news = this.#portion.move(topics, 'acknowledged')
    for (const topic of news) this.#told.delete(formatTopic(topic))
    if (news.length === 0) return
    this.#hooks.resumed(news)
    if (this.#portion.settled) this.#prove()
    this.#hooks.notice('subscribed', describeTopics(news), { count: news.length })
  }

  #rejected(topics: readonly Topic[], reason: TickwireError): void {
    const left = this.#hooks.refused(topics, reason)
    for (const topic of this.#portion.move(left, 'rejected', reason)) {
      // Asking again in vain is no news.
      const key = formatTopic(topic)
      if (this.#told.get(key) === reason.code) continue
      this.#told.set(key, reason.code)
      this.#hooks.notice('rejected', `${topic.symbol} (${topic.kind}): ${reason.message}`, {
        code: reason.code,
        symbol: topic.symbol,
        kind: topic.kind,
      })
    }
    this.#scheduleAskAgain()
  }

  /**
   * A venue that left a request unanswered, or part of it out, or had no room, is asked again after a while, ever
   * more rarely.
   */
  #scheduleAskAgain(): void {
    this.#askAgain ??= this.#hooks.clock.setTimeout(() => {
      this.#askAgain = undefined
      const connection = this.#connection
      const refused = this.#portion.in('rejected')
      const open = [
        ...this.#portion.in('sent'),
        ...refused.filter(topic => !this.#portion.of(topic)?.reason?.fatal),
      ]
      if (!connection || open.length === 0) return
      this.#askAgainMs = Math.min(this.#askAgainMs * 2, ASK_AGAIN_MS.most)
      this.#portion.move(open, 'sent')
      connection.subscribe(open)
      this.#scheduleAskAgain()
    }, this.#askAgainMs)
  }

  #enter(state: FeedState): void {
    if (this.#state !== 'closed') this.#state = state
  }
}

/** Topics for a person: `SPY, TSLA (trade); SPY (bar 1m)`, long lists cut. */
function describeTopics(topics: readonly Topic[]): string {
  const groups = new Map<string, string[]>()
  for (const { kind, interval, symbol } of topics) {
    const name = interval ? `${kind} ${interval}` : kind
    const symbols = groups.get(name)
    if (symbols) symbols.push(symbol)
    else groups.set(name, [symbol])
  }
  return [...groups]
    .map(([name, symbols]) => {
      const more = symbols.length > 10 ? ` and ${symbols.length - 10} more` : ''
      return `${symbols.slice(0, 10).join(', ')}${more} (${name})`
    })
    .join('; ')
}
