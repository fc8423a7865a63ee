import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock, type Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Sink } from '../flow/contracts.ts'
import { HandlerReader, isThenable, LAGGING_MS } from '../flow/handler.ts'
import type { DeliveryCounters, DeliveryOptions } from '../flow/queue.ts'
import { type EventStream, StreamReader } from '../flow/stream.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventOf,
  type EventType,
  type Interval,
  type MarketEvent,
  type Notice,
  type NoticeName,
} from '../market/events.ts'
import { ANY, formatTopic, type Topic } from '../market/topics.ts'
import { CHANNELS, type Channel } from './channels.ts'
import { Dispatcher } from './dispatch.ts'
import { Duplicates } from './duplicates.ts'
import type {
  ErrorHandler,
  Feed,
  FeedOptions,
  FeedStats,
  Handler,
  ListenOptions,
  OnOptions,
  Subscribe,
  SubscribeRequest,
  Subscription,
  Symbols,
} from './feed.ts'
import { Health, type HealthReport } from './health.ts'
import { Lag } from './lag.ts'
import type { Capabilities, Provider, RawFrame } from './provider.ts'
import { Quarantine } from './quarantine.ts'
import { Recent } from './recent.ts'
import { REPAIR_DEFAULTS, Repairer, type RepairOptions } from './repair.ts'
import type { FeedState, NoticeDetails } from './session.ts'
import { Shards } from './shards.ts'
import { type SubscribeOutcome, Subscriptions } from './subscriptions.ts'

/** One for each user, so that nobody stands in another one's way. */
const DEFAULT_LEASES = join(tmpdir(), `tickwire-${process.getuid?.() ?? 'leases'}`)

/** How often it is looked whether the process was held up, ms. */
const STALL_CHECK_MS = 250

/** How long the venue may take to say what it has last, ms. */
const LATEST_TIMEOUT_MS = 5_000

/** Samples of malformed frames kept. */
const SAMPLES = 5

interface Reader {
  readonly name: string
  readonly counters: DeliveryCounters
  /** Of handlers: how many calls, and what one costs, ms. */
  readonly load?: { readonly calls: number; readonly cost: number }
  blame?(ms: number): void
  /** Set while it has no room, with the policy `block`. */
  room(): Promise<void> | undefined
  /** The feed has ended by itself: what waits is still delivered; resolves then. */
  end(error: TickwireError | undefined): Promise<void>
  close(): void
}

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
  readonly #delivery: DeliveryOptions
  readonly #ackTimeoutMs: number
  readonly #clock: Clock
  readonly #log: Log
  readonly #shards: Shards
  readonly #subscriptions = new Subscriptions()
  readonly #dispatcher = new Dispatcher()
  /** Handlers that finish with what they have been given, after the feed has ended by itself. */
  #draining: readonly Reader[] = []
  readonly #readers = new Set<Reader>()
  /** What `subscribe` has asked for, and `unsubscribe` may take back. */
  readonly #asked = new Map<string, Topic>()
  #stalls: Timer | undefined
  /** Calls of each handler at the last look. */
  readonly #calls = new WeakMap<Reader, number>()
  #sinks: readonly { readonly sink: Sink }[] = []
  #rawHandlers: readonly { readonly call: (frame: RawFrame) => unknown }[] = []
  #errorHandlers: readonly { readonly call: ErrorHandler }[] = []
  /** Set when the end, or the wish for it, has come. */
  #ending: Promise<void> | undefined
  #fatal: TickwireError | undefined
  /** Of a market that comes over a wire: nothing else says anything twice. */
  readonly #duplicates: Duplicates | undefined
  readonly #recent: Recent
  readonly #repairer: Repairer | undefined
  readonly #quarantine: Quarantine
  readonly #health: Health
  #finish!: { resolve(): void; reject(error: TickwireError): void }
  #events = 0
  #malformed = 0
  #samples: { reason: string; frame: string }[] = []
  readonly #unknown = new Map<string, number>()
  #failures = 0

  constructor(provider: Provider, options: FeedOptions) {
    this.source = options.source ?? provider.id
    this.capabilities = provider.capabilities
    this.#provider = provider
    this.#delivery = options.delivery ?? {}
    this.#ackTimeoutMs = options.ackTimeoutMs ?? 10_000
    this.#clock = options.clock ?? systemClock()
    this.#log = options.log ?? stderrLog
    this.done = new Promise((resolve, reject) => {
      this.#finish = { resolve, reject }
    })
    const { nature, waits } = provider.capabilities
    if (!waits && nature !== 'simulated' && !options.duplicates) this.#duplicates = new Duplicates()
    this.#quarantine = new Quarantine(nature, options.quarantine ?? {}, this.#log)
    const repair = { ...REPAIR_DEFAULTS, ...options.repair }
    const lag = new Lag()
    this.#recent = new Recent(lag)
    if (repair.policy !== 'off') {
      this.#repairer = this.#makeRepairer(repair, this.#recent, options.resume)
    }
    this.#health = new Health({
      ...{ source: this.source, clock: this.#clock, log: this.#log, recent: this.#recent, lag },
      connections: () => this.#shards.connections,
      latest: provider.latest && ((kind, symbol) => this.#latest(kind, symbol)),
      isFilling: () => (this.#repairer?.open ?? 0) > 0,
      keepsHours: nature === 'live' || nature === 'delayed',
      notice: (notice, message, details) => this.#say(notice, message, details),
    })
    this.#shards = new Shards(provider, {
      source: this.source,
      interest: this.#subscriptions,
      leases: options.leases === false ? undefined : (options.leases ?? DEFAULT_LEASES),
      answered: () => this.#subscriptions.settle(),
      clock: this.#clock,
      log: this.#log,
      random: options.random ?? Math.random,
      backoff: options.backoff ?? {},
      lingerMs: options.lingerMs ?? 1_000,
      raw: () => (this.#rawHandlers.length > 0 ? frame => this.#tap(frame) : undefined),
      emit: (batch, receivedAt) => this.#emit(batch, receivedAt),
      room: () => this.#room(),
      interrupted: topics => this.#repairer?.interrupted(topics),
      resumed: topics => this.#repairer?.resumed(topics),
      notice: (notice, message, details) => this.#say(notice, message, details),
      malformed: (frame, reason, topics) => {
        this.#sample(frame, reason)
        this.#repairer?.damaged(topics)
      },
      unknown: kind => {
        // Bounded: a hostile peer must not fill the memory with names.
        if (this.#unknown.size < 100 || this.#unknown.has(kind)) {
          this.#unknown.set(kind, (this.#unknown.get(kind) ?? 0) + 1)
        }
      },
      over: reason => this.#over(reason),
    })
  }

  #makeRepairer(
    repair: Required<RepairOptions>,
    recent: Recent,
    resume: FeedOptions['resume'],
  ): Repairer {
    const { kinds } = this.#provider.capabilities
    const history = this.#provider.history?.bind(this.#provider)
    const known = history ? REPAIRABLE.filter(kind => kinds.includes(kind)) : []
    const repairer = new Repairer(history ?? noHistory, known, recent, repair, {
      ...{ source: this.source, clock: this.#clock },
      malformed: (record, reason) => {
        this.#sample(Buffer.from(JSON.stringify(record) ?? ''), `history: ${reason}`)
      },
      emit: batch => {
        const now = this.#clock.now()
        const sound = this.#quarantine.passRepaired(batch, now)
        if (sound.length > 0) this.#deliver(sound, now)
      },
      notice: (notice, message, details) => this.#say(notice, message, details),
    })
    if (resume) recent.resume(resume.recent, resume.recentSince)
    for (const { topic, timestamp, nanos } of resume?.checkpoints ?? []) {
      const { kind, symbol, interval, source } = topic
      if (source === this.source) repairer.restore({ kind, symbol, interval, timestamp, nanos })
    }
    return repairer
  }

  get state(): FeedState {
    return this.#ending ? 'closed' : this.#shards.state
  }

  async subscribe(request: SubscribeRequest): Promise<SubscribeOutcome> {
    const topics = this.#topicsOf(request)
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
    const topics = this.#topicsOf(request).filter(topic => this.#asked.delete(formatTopic(topic)))
    this.#release(topics)
  }

  on(
    kind: EventType | '*' | 'error',
    handler: (event: never, cause: never) => unknown,
    options: OnOptions = {},
  ): () => void {
    if (kind === 'error') {
      const entry = { call: handler as ErrorHandler }
      this.#errorHandlers = [...this.#errorHandlers, entry]
      return () => {
        this.#errorHandlers = this.#errorHandlers.filter(other => other !== entry)
      }
    }
    if (kind !== '*' && !EVENT_TYPES.includes(kind)) {
      const hint = didYouMean(kind, [...EVENT_TYPES, '*', 'error'])
      throw new TickwireError('BAD_OPTION', `no events of kind ${kind}`, { hint })
    }
    const kinds = kind === '*' ? EVENT_TYPES : [kind]
    const name = options.name ?? (handler.name || `on(${kind})`)
    const call = handler as Handler<MarketEvent>
    return endedBy(options.signal, this.#handle(name, kinds, [ANY], call, options, undefined).close)
  }

  raw(handler: (frame: RawFrame) => unknown): () => void {
    const entry = { call: handler }
    this.#rawHandlers = [...this.#rawHandlers, entry]
    return () => {
      this.#rawHandlers = this.#rawHandlers.filter(other => other !== entry)
    }
  }

  pipe(sink: Sink): () => void {
    // A tape can also be read; its numbers stand on the events, so there is room for those of one.
    if ('read' in sink && this.#sinks.some(other => 'read' in other.sink)) {
      const hint = 'Let another program of yours read that tape, or open a feed for each.'
      throw new TickwireError('BAD_OPTION', 'a feed fills one tape, and this one has one', { hint })
    }
    const entry = { sink }
    this.#sinks = [...this.#sinks, entry]
    return () => {
      this.#sinks = this.#sinks.filter(other => other !== entry)
    }
  }

  stats(): FeedStats {
    return {
      state: this.state,
      connects: this.#shards.connects,
      events: this.#events,
      topics: this.#shards.counts(this.#subscriptions.topics),
      malformed: this.#malformed,
      duplicates: this.#duplicates?.count ?? 0,
      samples: [...this.#samples],
      unknown: Object.fromEntries(this.#unknown),
      quarantined: this.#quarantine.stats(),
      failures: this.#failures,
      readers: [...this.#readers].map(({ name, counters }) => ({ name, ...counters })),
    }
  }

  health(symbol?: string): HealthReport {
    return this.#health.report(symbol === undefined ? undefined : this.#provider.symbol(symbol))
  }

  close(): Promise<void> {
    this.#stalls?.cancel()
    this.#health.stop()
    // Handlers and loops end at once, also those that a feed which ended by itself still waits for.
    for (const reader of [...this.#readers, ...this.#draining]) reader.close()
    this.#repairer?.close()
    this.#ending ??= this.#shards.close().then(() => {
      this.#subscriptions.finish()
      this.#finish.resolve()
    })
    return this.#ending
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #emit(batch: readonly MarketEvent[], receivedAt: number): void {
    const fresh = this.#duplicates ? this.#duplicates.pass(batch) : batch
    // What cannot be true is out before the repair, which goes by the times of what comes.
    const sound = this.#quarantine.pass(fresh, receivedAt)
    const free = this.#repairer ? this.#repairer.pass(sound) : sound
    if (free.length > 0) this.#deliver(free, receivedAt)
  }

  /** What the feed says of itself, in order with the data. */
  #say(notice: NoticeName, message: string, details: NoticeDetails = {}): void {
    const now = this.#clock.now()
    const time = { source: this.source, timestamp: Math.floor(now), receivedAt: now }
    this.#deliver([createEvent({ type: 'notice', ...time, notice, message, ...details })], now)
  }

  /** The venue's last event of a symbol, asked for beside the stream. */
  async #latest(kind: EventType, symbol: string): Promise<MarketEvent | undefined> {
    const abort = new AbortController()
    const timer = this.#clock.setTimeout(() => abort.abort(), LATEST_TIMEOUT_MS, 'idle')
    try {
      const { signal } = abort
      const question = { kind, symbols: [symbol], source: this.source, signal }
      const [event] = (await this.#provider.latest?.(question)) ?? []
      return event
    } finally {
      timer.cancel()
    }
  }

  #deliver(batch: readonly MarketEvent[], receivedAt: number): void {
    this.#events += batch.length
    this.#recent.add(batch)
    for (const { sink } of this.#sinks) this.#guard('a sink', () => sink.append(batch), batch[0])
    this.#dispatcher.dispatch(batch, receivedAt)
  }

  /** What a source that can wait has to wait for: all readers that have no room. */
  #room(): Promise<void> | undefined {
    const full: Promise<void>[] = []
    for (const reader of this.#readers) {
      const room = reader.room()
      if (room) full.push(room)
    }
    return full.length > 0 ? Promise.all(full).then(() => {}) : undefined
  }

  #channel<C extends Channel>(channel: C): Subscribe<EventOf<(typeof CHANNELS)[C]>> {
    const open = (
      symbols: Symbols,
      second?: Handler<never> | ListenOptions,
      third?: ListenOptions,
    ) =>
      typeof second === 'function'
        ? this.#listen(channel, symbols, second as Handler<MarketEvent>, third ?? {})
        : this.#stream(channel, symbols, second ?? {})
    return open as Subscribe<EventOf<(typeof CHANNELS)[C]>>
  }

  #listen(
    channel: Channel,
    symbols: Symbols,
    handler: Handler<MarketEvent>,
    options: ListenOptions,
  ): Subscription {
    const topics = this.#topics(channel, symbols, options.interval)
    const names = topics.map(topic => topic.symbol)
    const name = options.name ?? (handler.name || `${channel}(${names.join(', ')})`)
    const { interval } = topics[0]!
    const { reader, close } = this.#handle(
      name,
      [CHANNELS[channel]],
      names,
      handler,
      options,
      interval,
    )
    this.#add(topics)
    const stop = endedBy(
      options.signal,
      once(() => {
        close()
        this.#release(topics)
      }),
    )
    const outcome = () => this.#outcome(topics)
    let ready: Promise<SubscribeOutcome> | undefined
    return {
      // Made when asked for: a fatal end reaches whoever looks here, and everybody else through `done`.
      get ready() {
        ready ??= outcome()
        return ready
      },
      get counters() {
        return reader.counters
      },
      close: stop,
    }
  }

  #handle(
    name: string,
    kinds: readonly EventType[],
    symbols: readonly string[],
    handler: Handler<MarketEvent>,
    options: OnOptions,
    interval: Interval | undefined,
  ): { reader: HandlerReader; close: () => void } {
    this.#assertOpen()
    const reader = new HandlerReader(name, handler, this.#deliveryOf(options), {
      clock: this.#clock,
      notify: notice => this.#tell(notice),
      failed: (error, event) => this.#fail(error, event),
    })
    const removals = kinds.map(kind => this.#dispatcher.add(kind, symbols, reader, interval))
    const unroute = () => {
      for (const remove of removals) remove()
      this.#readers.delete(entry)
    }
    const close = () => {
      unroute()
      reader.close()
    }
    const entry: Reader = {
      name,
      get counters() {
        return reader.counters
      },
      get load() {
        return reader.load
      },
      blame: ms => reader.blame(ms),
      room: () => reader.room,
      end: () => {
        unroute()
        return reader.drained()
      },
      close,
    }
    this.#readers.add(entry)
    this.#watchStalls()
    return { reader, close }
  }

  #stream(channel: Channel, symbols: Symbols, options: ListenOptions): EventStream<MarketEvent> {
    const topics = this.#topics(channel, symbols, options.interval)
    this.#assertOpen()
    const names = topics.map(topic => topic.symbol)
    const name = options.name ?? `${channel}(${names.join(', ')})`
    const stream = new StreamReader(this.#deliveryOf(options), {
      name,
      clock: this.#clock,
      notify: notice => this.#tell(notice),
      told: () => this.#told(),
      closed: () => {
        remove()
        this.#readers.delete(entry)
        unwatch()
        this.#release(topics)
      },
    })
    const entry: Reader = {
      name,
      get counters() {
        return stream.counters
      },
      room: () => stream.room,
      end: async error => stream.end(error),
      close: () => stream.end(),
    }
    const remove = this.#dispatcher.add(CHANNELS[channel], names, stream, topics[0]!.interval)
    this.#readers.add(entry)
    this.#add(topics)
    let unwatch = () => {}
    unwatch = onAbort(options.signal, () => stream.close())
    return stream
  }

  #deliveryOf(options: OnOptions): DeliveryOptions {
    const { name: _name, signal: _signal, ...given } = options as ListenOptions
    const { waits } = this.capabilities
    const own: DeliveryOptions = waits ? { policy: 'block' } : {}
    const delivery = { ...own, ...this.#delivery, ...given }
    if (delivery.policy === 'block' && !waits) {
      const hint = 'Choose drop-oldest, conflate or close.'
      throw new TickwireError('BAD_OPTION', 'a live source cannot wait: no policy block here', {
        hint,
      })
    }
    return delivery
  }

  #add(topics: readonly Topic[]): void {
    this.#assertOpen()
    this.#repairer?.wanted(topics)
    this.#health.start()
    this.#subscriptions.add(topics)
    this.#shards.add(topics)
  }

  #release(topics: readonly Topic[]): void {
    const gone = this.#subscriptions.release(topics)
    if (gone.length === 0) return
    this.#repairer?.forget(gone)
    if (this.#subscriptions.isEmpty) this.#health.stop()
    this.#shards.remove(gone)
  }

  async #outcome(topics: readonly Topic[]): Promise<SubscribeOutcome> {
    const entryOf = (topic: Topic) => this.#shards.of(topic)
    const answer = this.#subscriptions.outcome(topics, entryOf, this.#clock, this.#ackTimeoutMs)
    const outcome = await answer
    if (!this.#fatal) return outcome
    this.#told()
    throw this.#fatal
  }

  #topicsOf(wanted: SubscribeRequest): Topic[] {
    if (typeof wanted !== 'object' || wanted === null) {
      const hint = "As in { trades: ['SPY'], quotes: 'AAPL' }."
      throw new TickwireError('BAD_OPTION', 'a request names channels and symbols', { hint })
    }
    const { interval, ...request } = wanted
    const topics = Object.entries(request).flatMap(([channel, symbols]) => {
      if (!(channel in CHANNELS)) {
        const hint = didYouMean(channel, Object.keys(CHANNELS))
        throw new TickwireError('BAD_OPTION', `no channel ${channel}`, { hint })
      }
      return symbols === undefined ? [] : this.#topics(channel as Channel, symbols, interval)
    })
    if (topics.length === 0) throw noSymbols('subscribe')
    return topics
  }

  /** Checked and canonical. Nothing that cannot succeed is sent to the venue. */
  #topics(channel: Channel, symbols: Symbols, interval: Interval = '1m'): Topic[] {
    const kind: EventType = CHANNELS[channel]
    const { kinds, barIntervals, wildcard, title } = this.capabilities
    const unsupported = (what: string, hint: string) =>
      new TickwireError('UNSUPPORTED', `${title} has no ${what}`, { hint })
    if (!kinds.includes(kind))
      throw unsupported(channel, `It has: ${channelsOf(kinds).join(', ')}.`)
    if (kind === 'bar' && !barIntervals.includes(interval)) {
      throw unsupported(`bars of ${interval}`, `It has: ${barIntervals.join(', ')}.`)
    }
    const texts: readonly string[] = typeof symbols === 'string' ? [symbols] : symbols
    if (!Array.isArray(texts) || texts.some(text => typeof text !== 'string')) {
      throw new TickwireError('BAD_OPTION', `${channel}: symbols must be text or a list of texts`)
    }
    if (texts.length === 0) throw noSymbols(channel)
    const list = new Set(texts.map(text => (text === ANY ? ANY : this.#provider.symbol(text))))
    if (list.has(ANY) && !wildcard.includes(kind)) {
      throw unsupported(`wildcard for ${channel}`, 'Name the symbols.')
    }
    return [...list].map(symbol => ({
      source: this.source,
      kind,
      symbol,
      interval: kind === 'bar' ? interval : undefined,
    }))
  }

  #tap(frame: RawFrame): void {
    for (const { call } of this.#rawHandlers)
      this.#guard('a raw handler', () => call(frame), undefined)
  }

  /** Code of the user's: what it throws or rejects with is reported and goes no further. */
  #guard(who: string, call: () => unknown, event: MarketEvent | undefined): void {
    const failed = (thrown: unknown) => {
      const message = `${who} failed: ${asError(thrown).message}`
      this.#fail(new TickwireError('HANDLER_FAILED', message, { cause: thrown }), event)
    }
    try {
      const result = call()
      if (isThenable(result)) result.then(undefined, failed)
    } catch (thrown) {
      failed(thrown)
    }
  }

  #sample(frame: Uint8Array, reason: string): void {
    this.#malformed++
    const text = Buffer.from(frame.subarray(0, 500)).toString('latin1')
    this.#samples = [...this.#samples, { reason, frame: text }].slice(-SAMPLES)
    if (this.#malformed === 1) {
      this.#log.warn({ reason, frame: text }, 'a frame could not be decoded; counted in stats()')
    }
  }

  /** A notice to the program itself: it does not go on the tape. */
  #tell(notice: MarketEvent): void {
    this.#dispatcher.dispatch([notice as Notice], notice.receivedAt)
  }

  #fail(error: TickwireError, event: MarketEvent | undefined): void {
    this.#failures++
    const selfFailed = (thrown: unknown) =>
      this.#log.error({ error: thrown }, 'an error handler failed itself')
    for (const { call } of this.#errorHandlers) {
      try {
        const result = call(error, event)
        if (isThenable(result)) result.then(undefined, selfFailed)
      } catch (thrown) {
        selfFailed(thrown)
      }
    }
    if (this.#errorHandlers.length > 0) return
    // A handler that fails on every event must not flood the log.
    if (this.#failures <= 10 || this.#failures % 1_000 === 0) {
      this.#log.error({ error, event, failures: this.#failures }, error.message)
    }
  }

  /** The source has ended by itself: for a reason no retry can help, or because there is no more to come. */
  async #over(reason: TickwireError | undefined): Promise<void> {
    this.#fatal = reason
    this.#stalls?.cancel()
    this.#health.stop()
    this.#repairer?.close()
    this.#draining = [...this.#readers]
    const ends = this.#draining.map(reader => reader.end(reason))
    // A fatal reason is told at once; an ordinary end when everything that came has been handled.
    this.#ending ??= reason ? Promise.resolve() : Promise.all(ends).then(() => {})
    this.#subscriptions.finish()
    await this.#ending
    if (reason) this.#finish.reject(reason)
    else this.#finish.resolve()
  }

  /** Notices when the process was held up, and names the handler that its timed calls show to be the dearest. */
  #watchStalls(): void {
    if (this.#stalls) return
    const due = this.#clock.now() + STALL_CHECK_MS
    this.#stalls = this.#clock.setTimeout(
      () => {
        this.#stalls = undefined
        const late = this.#clock.now() - due
        let [dearest, worst] = [undefined as Reader | undefined, 0]
        for (const reader of this.#readers) {
          if (!reader.load) continue
          const { calls, cost } = reader.load
          const share = (calls - (this.#calls.get(reader) ?? 0)) * (cost || Number.MIN_VALUE)
          this.#calls.set(reader, calls)
          if (share > worst) [dearest, worst] = [reader, share]
        }
        if (late >= LAGGING_MS - STALL_CHECK_MS) dearest?.blame?.(late + STALL_CHECK_MS)
        if ([...this.#readers].some(reader => reader.load)) this.#watchStalls()
      },
      STALL_CHECK_MS,
      'idle',
    )
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

/** Kinds a venue's history can hold. */
const REPAIRABLE: readonly EventType[] = ['trade', 'quote', 'bar']
const noHistory = () => {
  throw new TickwireError('UNSUPPORTED', 'the provider has no history')
}

function channelsOf(kinds: readonly EventType[]): string[] {
  return Object.entries(CHANNELS).flatMap(([channel, kind]) =>
    kinds.includes(kind) ? [channel] : [],
  )
}

function noSymbols(what: string): TickwireError {
  const hint = "Name at least one, such as 'SPY', or '*' for all where the provider has that."
  return new TickwireError('NO_SYMBOLS', `${what}: no symbols given`, { hint })
}

function once(call: () => void): () => void {
  let called = false
  return () => {
    if (called) return
    called = true
    call()
  }
}

/** Calls `end` when the signal aborts; returns what ends it otherwise. */
function endedBy(signal: AbortSignal | undefined, end: () => void): () => void {
  const unwatch = onAbort(signal, end)
  return () => {
    unwatch()
    end()
  }
}

/** Calls `end` when the signal aborts, unless what is returned has been called before. */
function onAbort(signal: AbortSignal | undefined, end: () => void): () => void {
  if (signal?.aborted) end()
  else signal?.addEventListener('abort', end, { once: true })
  return () => signal?.removeEventListener('abort', end)
}
