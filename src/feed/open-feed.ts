import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Sink } from '../flow/contracts.ts'
import type { EventStream } from '../flow/stream.ts'
import { EVENT_TYPES, type EventOf, type EventType, type MarketEvent } from '../market/events.ts'
import { ANY, formatTopic, type Topic } from '../market/topics.ts'
import { Asking } from './asking.ts'
import type { CHANNELS, Channel } from './channels.ts'
import { Dispatcher } from './dispatch.ts'
import { onAbort } from './endings.ts'
import type {
  ErrorHandler,
  Feed,
  FeedOptions,
  FeedStats,
  Handler,
  Hold,
  ListenOptions,
  OnOptions,
  Subscribe,
  SubscribeRequest,
  Subscription,
  Symbols,
} from './feed.ts'
import { Health } from './health.ts'
import type { HealthReport } from './health-report.ts'
import { Intake } from './intake.ts'
import { DEFAULT_LEASES } from './lease.ts'
import { Listening } from './listening.ts'
import { type BookOptions, type LiveBook, LiveView } from './live-book.ts'
import { Mishaps } from './mishaps.ts'
import { latestOf } from './probe.ts'
import type { Capabilities, Provider, RawFrame } from './provider.ts'
import { Readers } from './readers.ts'
import type { FeedState } from './session.ts'
import { Shards } from './shards.ts'
import { type SubscribeOutcome, Subscriptions } from './subscriptions.ts'

/** The feed behind {@link Feed}: wires subscriptions, connections and readers together. */
export class OpenFeed implements Feed {
  readonly trades = this.#channel('trades')
  readonly quotes = this.#channel('quotes')
  readonly tickers = this.#channel('tickers')
  readonly bars = this.#channel('bars')
  readonly books = this.#channel('books')
  readonly statuses = this.#channel('statuses')
  readonly lulds = this.#channel('lulds')
  readonly imbalances = this.#channel('imbalances')
  readonly corrections = this.#channel('corrections')
  readonly cancels = this.#channel('cancels')
  readonly news = this.#channel('news')
  readonly source: string
  readonly capabilities: Capabilities
  readonly done: Promise<void>
  readonly #provider: Provider
  readonly #ackTimeoutMs: number
  readonly #clock: Clock
  readonly #shards: Shards
  readonly #subscriptions = new Subscriptions()
  readonly #asking: Asking
  readonly #mishaps: Mishaps
  readonly #intake: Intake
  readonly #readers: Readers
  readonly #listening: Listening
  readonly #health: Health
  /** What `subscribe` has asked for, and `unsubscribe` may take back. */
  readonly #asked = new Map<string, Topic>()
  #rawHandlers: readonly { readonly call: (frame: RawFrame) => unknown }[] = []
  readonly #liveBooks = new Set<LiveView>()
  /** Set when the end, or the wish for it, has come. */
  #ending: Promise<void> | undefined
  #fatal: TickwireError | undefined
  #finish!: { resolve(): void; reject(error: TickwireError): void }

  constructor(provider: Provider, options: FeedOptions) {
    const source = options.source ?? provider.id
    const clock = options.clock ?? systemClock()
    const log = options.log ?? stderrLog
    const dispatcher = new Dispatcher()
    const mishaps = new Mishaps(log)
    this.source = source
    this.capabilities = provider.capabilities
    this.#provider = provider
    this.#ackTimeoutMs = options.ackTimeoutMs ?? 10_000
    this.#clock = clock
    this.done = new Promise((resolve, reject) => {
      this.#finish = { resolve, reject }
    })
    this.#asking = new Asking(provider, source)
    this.#mishaps = mishaps
    this.#intake = new Intake(provider, options, {
      ...{ source, clock, log, mishaps, dispatcher },
      resync: (topic, reason) => this.#shards.resync(topic, reason),
    })
    this.#readers = new Readers(clock)
    this.#listening = new Listening(provider, {
      ...{ source, clock, log, mishaps, dispatcher, delivery: options.delivery ?? {} },
      ...{ asking: this.#asking, intake: this.#intake, readers: this.#readers },
      add: topics => this.#add(topics),
      release: topics => this.#release(topics),
      answer: topics => this.#answer(topics),
      outcome: topics => this.#outcome(topics),
      assertOpen: () => this.#assertOpen(),
      told: () => this.#told(),
    })
    this.#health = this.#makeHealth()
    this.#shards = this.#makeShards(options, log)
  }

  #makeHealth(): Health {
    const { nature, polled, sessions } = this.capabilities
    const { recent, lag, quarantine } = this.#intake
    return new Health({
      ...{ source: this.source, clock: this.#clock, recent, lag, sessions },
      connections: () => this.#shards.connections,
      latest: latestOf(this.#provider, this.source, this.#clock),
      isHolding: topic => this.#intake.isHolding(topic),
      isSound: event => quarantine.isSound(event, this.#clock.now()),
      isMarket: !polled && (nature === 'live' || nature === 'delayed'),
      notice: (notice, message, details) => this.#intake.say(notice, message, details),
    })
  }

  #makeShards(options: FeedOptions, log: Log): Shards {
    const intake = this.#intake
    return new Shards(this.#provider, {
      ...{ source: this.source, interest: this.#subscriptions, clock: this.#clock, log },
      leases: options.leases === false ? undefined : (options.leases ?? DEFAULT_LEASES),
      random: options.random ?? Math.random,
      backoff: options.backoff ?? {},
      lingerMs: options.lingerMs ?? 1_000,
      answered: () => this.#subscriptions.settle(),
      raw: () => (this.#rawHandlers.length > 0 ? frame => this.#tap(frame) : undefined),
      emit: (batch, receivedAt) => intake.emit(batch, receivedAt),
      room: () => this.#readers.room(),
      interrupted: (topics, why) => intake.interrupted(topics, why),
      resumed: topics => intake.resumed(topics),
      denied: (topics, reason) => intake.refused(topics, reason),
      notice: (notice, message, details) => intake.say(notice, message, details),
      malformed: (frame, reason, topics) => {
        this.#mishaps.malformed(frame, reason)
        intake.damaged(topics)
      },
      unknown: kind => this.#mishaps.unknown(kind),
      broken: (topics, reason) => intake.broken(topics, reason),
      over: reason => this.#over(reason),
    })
  }

  get state(): FeedState {
    return this.#ending ? 'closed' : this.#shards.state
  }

  async subscribe(request: SubscribeRequest): Promise<SubscribeOutcome> {
    const topics = this.#asking.topicsOf(request)
    this.#add(topics)
    for (const topic of topics) {
      const key = formatTopic(topic)
      const held = this.#asked.get(key)
      // One user, however often it is asked for: taking it back takes one call too.
      if (held) this.#release([topic])
      else this.#asked.set(key, topic)
    }
    return this.#outcome(topics)
  }

  unsubscribe(request: SubscribeRequest): void {
    const topics = this.#asking.topicsOf(request)
    this.#release(topics.filter(topic => this.#asked.delete(formatTopic(topic))))
  }

  on(
    kind: EventType | '*' | 'error',
    handler: (event: never, cause: never) => unknown,
    options: OnOptions = {},
  ): () => void {
    if (kind === 'error') return this.#mishaps.listen(handler as ErrorHandler)
    if (kind !== '*' && !EVENT_TYPES.includes(kind)) {
      const hint = didYouMean(kind, [...EVENT_TYPES, '*', 'error'])
      throw new TickwireError('BAD_OPTION', `no events of kind ${kind}`, { hint })
    }
    const kinds = kind === '*' ? EVENT_TYPES : [kind]
    const name = options.name ?? (handler.name || `on(${kind})`)
    return this.#listening.overhear(name, kinds, handler as Handler<MarketEvent>, options)
  }

  hold(request: SubscribeRequest): Hold {
    const all = this.#asking.topicsOf(request)
    const held = new Map(all.map(topic => [formatTopic(topic), topic]))
    this.#add(all)
    const release = (topics: readonly Topic[]) =>
      this.#release(topics.filter(topic => held.delete(formatTopic(topic))))
    return {
      get topics() {
        return [...held.values()]
      },
      answer: (topics = all) => this.#outcome(topics),
      release: (topics = all) => release(topics),
    }
  }

  raw(handler: (frame: RawFrame) => unknown): () => void {
    const entry = { call: handler }
    this.#rawHandlers = [...this.#rawHandlers, entry]
    return () => {
      this.#rawHandlers = this.#rawHandlers.filter(other => other !== entry)
    }
  }

  pipe(sink: Sink): () => void {
    return this.#intake.pipe(sink)
  }

  stats(): FeedStats {
    return {
      state: this.state,
      connects: this.#shards.connects,
      lost: this.#shards.lost,
      topics: this.#shards.counts(this.#subscriptions.topics),
      use: this.#shards.use,
      ...this.#intake.stats(),
      ...this.#mishaps.stats(),
      readers: this.#readers.stats(),
    }
  }

  health(symbol?: string): HealthReport {
    return this.#health.report(symbol === undefined ? undefined : this.#provider.symbol(symbol))
  }

  close(): Promise<void> {
    this.#health.stop()
    this.#readers.close()
    for (const book of this.#liveBooks) book.close()
    this.#intake.close()
    this.#ending ??= this.#shards.close().then(() => {
      this.#subscriptions.finish()
      this.#finish.resolve()
    })
    return this.#ending
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  book(text: string, options: BookOptions = {}): LiveBook {
    if (typeof text !== 'string' || text === ANY) {
      const hint = "As in feed.book('BTC/USD'); books() takes several, or '*'."
      throw new TickwireError('BAD_OPTION', 'a book is of one symbol', { hint })
    }
    const { source } = options
    if (source !== undefined && source !== this.source && this.capabilities.nature !== 'replayed') {
      const hint = `Its events are of ${JSON.stringify(this.source)}; leave it out.`
      throw new TickwireError('BAD_OPTION', `this feed has no source ${JSON.stringify(source)}`, {
        hint,
      })
    }
    const topics = this.#asking.topics('books', text)
    this.#assertOpen()
    const { symbol } = topics[0]!
    const live: LiveView = new LiveView(
      this.#intake.keeper,
      { symbol, source },
      {
        outcome: () => this.#outcome(topics),
        guard: call => this.#mishaps.guard(`a handler of the book of ${symbol}`, call, undefined),
        closed: () => {
          unwatch()
          this.#liveBooks.delete(live)
          this.#release(topics)
        },
      },
    )
    this.#liveBooks.add(live)
    this.#add(topics)
    let unwatch = () => {}
    unwatch = onAbort(options.signal, () => live.close())
    return live
  }

  #channel<C extends Channel>(channel: C): Subscribe<EventOf<(typeof CHANNELS)[C]>> {
    const open = (
      symbols: Symbols,
      second?: Handler<never> | ListenOptions,
      third?: ListenOptions,
    ): Subscription | EventStream<MarketEvent> =>
      typeof second === 'function'
        ? this.#listening.listen(channel, symbols, second as Handler<MarketEvent>, third ?? {})
        : this.#listening.stream(channel, symbols, second ?? {})
    return open as Subscribe<EventOf<(typeof CHANNELS)[C]>>
  }

  #add(topics: readonly Topic[]): void {
    this.#assertOpen()
    this.#health.start()
    this.#subscriptions.add(topics)
    this.#intake.want(topics)
    this.#shards.add(topics)
  }

  #release(topics: readonly Topic[]): void {
    const gone = this.#subscriptions.release(topics)
    if (gone.length === 0) return
    this.#intake.forget(gone)
    if (this.#subscriptions.isEmpty) this.#health.stop()
    this.#shards.remove(gone)
  }

  /** What the venue has said of these, when it has, or has taken its time. */
  #answer(topics: readonly Topic[]): Promise<SubscribeOutcome> {
    const entryOf = (topic: Topic) => this.#shards.of(topic)
    return this.#subscriptions.outcome(topics, entryOf, this.#clock, this.#ackTimeoutMs)
  }

  /** The same. @throws the fatal reason, where the feed has ended by then */
  async #outcome(topics: readonly Topic[]): Promise<SubscribeOutcome> {
    const outcome = await this.#answer(topics)
    if (!this.#fatal) return outcome
    this.#told()
    throw this.#fatal
  }

  #tap(frame: RawFrame): void {
    for (const { call } of this.#rawHandlers)
      this.#mishaps.guard('a raw handler', () => call(frame), undefined)
  }

  /** The source has ended by itself: for a reason no retry can help, or because there is no more to come. */
  async #over(reason: TickwireError | undefined): Promise<void> {
    this.#fatal = reason
    this.#health.stop()
    this.#intake.end()
    const handled = this.#readers.end(reason)
    for (const book of this.#liveBooks) book.end(reason)
    // A fatal reason is told at once; an ordinary end when everything that came has been handled.
    this.#ending ??= reason ? Promise.resolve() : handled
    this.#subscriptions.finish()
    await this.#ending
    if (reason) this.#finish.reject(reason)
    else this.#finish.resolve()
  }

  /** Somebody has been told the fatal reason, so `done` need not raise it once more. */
  #told(): void {
    this.done.catch(() => {})
  }

  #assertOpen(): void {
    if (this.#fatal) throw this.#fatal
    if (this.#ending) throw new TickwireError('CLOSED', 'the feed is closed')
  }
}
