import type { Clock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { BarStats } from '../derive/bars-options.ts'
import { HandlerReader } from '../flow/handler.ts'
import type { DeliveryOptions } from '../flow/queue.ts'
import { type EventStream, StreamReader } from '../flow/stream.ts'
import type { EventType, MarketEvent, Notice } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import type { Asking } from './asking.ts'
import { CHANNELS, type Channel } from './channels.ts'
import { type Derivation, derivedBars, derivedTickers, routeDerived } from './derived-bars.ts'
import type { Dispatcher, Receiver } from './dispatch.ts'
import { endedBy, onAbort, once, undoing } from './endings.ts'
import type { Handler, ListenOptions, OnOptions, Subscription, Symbols } from './feed.ts'
import type { Intake } from './intake.ts'
import type { Mishaps } from './mishaps.ts'
import type { Provider } from './provider.ts'
import type { Reader, Readers } from './readers.ts'
import type { SubscribeOutcome } from './subscriptions.ts'

export interface ListeningHooks {
  readonly source: string
  readonly clock: Clock
  readonly log: Log
  readonly delivery: DeliveryOptions
  readonly asking: Asking
  readonly intake: Intake
  readonly readers: Readers
  readonly dispatcher: Dispatcher
  readonly mishaps: Mishaps
  /** Subscribes, for one user more. @throws CLOSED, the fatal reason */
  add(topics: readonly Topic[]): void
  /** This user needs them no more. */
  release(topics: readonly Topic[]): void
  /** The venue's answer. */
  answer(topics: readonly Topic[]): Promise<SubscribeOutcome>
  /** The same. @throws the fatal reason, where the feed has ended by then */
  outcome(topics: readonly Topic[]): Promise<SubscribeOutcome>
  /** @throws CLOSED, the fatal reason */
  assertOpen(): void
  /** Somebody has been told the fatal reason. */
  told(): void
}

/** What a reader wants to have, and what that is made of. */
interface Wanted {
  /** What it needs of the venue. */
  readonly topics: readonly Topic[]
  readonly names: readonly string[]
  /** Where it is to be made here, out of what. */
  readonly derivation: Derivation | undefined
}

/** Handlers and loops of a feed: what they ask for, and how events come to them. */
export class Listening {
  readonly #provider: Provider
  readonly #hooks: ListeningHooks

  constructor(provider: Provider, hooks: ListeningHooks) {
    this.#provider = provider
    this.#hooks = hooks
  }

  /** Subscribes a handler. */
  listen(
    channel: Channel,
    symbols: Symbols,
    handler: Handler<MarketEvent>,
    options: ListenOptions,
  ): Subscription {
    const { add, release } = this.#hooks
    const wanted = this.#wanted(channel, symbols, options)
    const { topics, names } = wanted
    const name = options.name ?? (handler.name || `${channel}(${names.join(', ')})`)
    const { reader, route, close } = this.#handle(name, handler, options, receiver =>
      this.#route(channel, wanted, receiver),
    )
    add(topics)
    const stop = endedBy(
      options.signal,
      once(() => {
        close()
        release(topics)
      }),
    )
    const outcome = () => this.#hooks.outcome(topics)
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
      get made() {
        return route.stats?.()
      },
      close: stop,
    }
  }

  /** Lets a handler have all there is of these kinds, whoever has subscribed to it. Returns what ends it. */
  overhear(
    name: string,
    kinds: readonly EventType[],
    handler: Handler<MarketEvent>,
    options: OnOptions,
  ): () => void {
    const { dispatcher } = this.#hooks
    const route = (receiver: Receiver): Route => ({
      remove: undoing(kinds.map(kind => dispatcher.add(kind, [ANY], receiver))),
    })
    return endedBy(options.signal, this.#handle(name, handler, options, route).close)
  }

  /** Subscribes, and gives a stream to loop over. */
  stream(channel: Channel, symbols: Symbols, options: ListenOptions): EventStream<MarketEvent> {
    const { clock, readers, intake, add, release } = this.#hooks
    const wanted = this.#wanted(channel, symbols, options)
    const { topics, names } = wanted
    this.#hooks.assertOpen()
    const name = options.name ?? `${channel}(${names.join(', ')})`
    const stream = new StreamReader(this.#deliveryOf(options), {
      name,
      clock,
      notify: notice => this.#tell(notice),
      told: () => this.#hooks.told(),
      dropped: event => intake.leftOut(event, 'dropped'),
      snapshot: delta => intake.keeper.snapshotBehind(delta),
      closed: () => {
        route.remove()
        readers.delete(entry)
        unwatch()
        release(topics)
      },
    })
    const entry: Reader = {
      name,
      get counters() {
        return stream.counters
      },
      get made() {
        return route.stats?.()
      },
      room: () => stream.room,
      end: async error => {
        route.end?.()
        stream.end(error)
      },
      close: () => stream.end(),
    }
    const route = this.#route(channel, wanted, stream)
    readers.add(entry)
    add(topics)
    let unwatch = () => {}
    unwatch = onAbort(options.signal, () => stream.close())
    return stream
  }

  #handle(
    name: string,
    handler: Handler<MarketEvent>,
    options: OnOptions,
    routeTo: (receiver: Receiver) => Route,
  ): { reader: HandlerReader; route: Route; close: () => void } {
    const { clock, readers, intake, mishaps } = this.#hooks
    this.#hooks.assertOpen()
    const reader = new HandlerReader(name, handler, this.#deliveryOf(options), {
      clock,
      notify: notice => this.#tell(notice),
      failed: (error, event) => mishaps.fail(error, event),
      dropped: event => intake.leftOut(event, 'dropped'),
      snapshot: delta => intake.keeper.snapshotBehind(delta),
    })
    const route = routeTo(reader)
    const unroute = () => {
      route.remove()
      readers.delete(entry)
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
      get made() {
        return route.stats?.()
      },
      blame: ms => reader.blame(ms),
      room: () => reader.room,
      end: () => {
        route.end?.()
        unroute()
        return reader.drained()
      },
      close,
    }
    readers.add(entry)
    return { reader, route, close }
  }

  /** Lets a receiver have what it wants. */
  #route(channel: Channel, { topics, names, derivation }: Wanted, receiver: Receiver): Route {
    if (derivation) return this.#derive(derivation, topics, receiver)
    const { dispatcher } = this.#hooks
    const add = () => dispatcher.add(CHANNELS[channel], names, receiver, topics[0]!.interval)
    return { remove: channel === 'books' ? this.#join(names, receiver, add) : add() }
  }

  /**
   * Routes parts of books to a reader. Where they are known already it gets them whole first, when what is being handed on
   * just now has been: that is in them.
   */
  #join(symbols: readonly string[], receiver: Receiver, add: () => () => void): () => void {
    const { clock, intake } = this.#hooks
    if (intake.keeper.snapshots(symbols).length === 0) return add()
    let remove: (() => void) | undefined = () => {}
    queueMicrotask(() => {
      if (!remove) return
      const now = clock.now()
      for (const whole of intake.keeper.snapshots(symbols)) receiver.accept(whole, now)
      // It may have had enough with these.
      if (remove) remove = add()
    })
    return () => {
      remove?.()
      remove = undefined
    }
  }

  #wanted(channel: Channel, symbols: Symbols, options: ListenOptions): Wanted {
    const { asking } = this.#hooks
    const derivation = this.#derivationOf(channel, symbols, options)
    if (!derivation) {
      const topics = asking.topics(channel, symbols, options.interval)
      return { topics, names: topics.map(topic => topic.symbol), derivation }
    }
    const topics = asking.topics('trades', symbols)
    const names = topics.map(topic => topic.symbol)
    const all = derivation.kinds.flatMap(kind => topics.map(topic => ({ ...topic, kind })))
    return { topics: all, names, derivation }
  }

  #derivationOf(
    channel: Channel,
    symbols: Symbols,
    { interval = '1m', from, forming, graceMs, ...rest }: ListenOptions,
  ): Derivation | undefined {
    const { source } = this.#hooks
    const { capabilities } = this.#provider
    const list = [symbols].flat()
    if (channel === 'tickers') return derivedTickers(capabilities, source, list)
    if (channel !== 'bars') return undefined
    const { reviseMs, fill, formingMs, align, calendar } = rest
    const how = { from, forming, graceMs, reviseMs, fill, formingMs, align, calendar }
    const given = Object.entries(how).filter(([, value]) => value !== undefined)
    const options = { interval, ...Object.fromEntries(given) }
    return derivedBars(capabilities, source, list, options)
  }

  #derive(derivation: Derivation, topics: readonly Topic[], receiver: Receiver) {
    const { source, clock, log, dispatcher, intake, mishaps, answer } = this.#hooks
    const { waits = false, millisecondTimes = false } = this.#provider.capabilities
    const past = {
      ...{ source, clock, log, millisecondTimes, outcome: answer },
      ...{ trades: this.#historyOf('trade'), bars: this.#historyOf('bar') },
      sound: (batch: readonly MarketEvent[]) => intake.quarantine.passRepaired(batch, clock.now()),
      malformed: (record: unknown, reason: string) => mishaps.malformedPast(record, reason),
    }
    const holes = (hear: Parameters<Intake['hearHoles']>[0]) => intake.hearHoles(hear)
    return routeDerived(derivation, topics, receiver, { dispatcher, clock, waits, past, holes })
  }

  #historyOf(kind: EventType): Provider['history'] {
    const { history: past } = this.#provider.capabilities
    const has = Array.isArray(past) ? past.includes(kind) : past
    return has ? this.#provider.history?.bind(this.#provider) : undefined
  }

  #deliveryOf(options: OnOptions): DeliveryOptions {
    const { name: _name, signal: _signal, ...given } = options as ListenOptions
    const { waits } = this.#provider.capabilities
    const own: DeliveryOptions = waits ? { policy: 'block' } : {}
    const delivery = { ...own, ...this.#hooks.delivery, ...given }
    if (delivery.policy === 'block' && !waits) {
      const hint = 'Choose drop-oldest, conflate or close.'
      throw new TickwireError('BAD_OPTION', 'a live source cannot wait: no policy block here', {
        hint,
      })
    }
    return delivery
  }

  /** A notice to the program itself: it does not go on the tape. */
  #tell(notice: MarketEvent): void {
    this.#hooks.dispatcher.dispatch([notice as Notice], notice.receivedAt)
  }
}

/** The way of events to a receiver. */
interface Route {
  /** Ends it. */
  remove(): void
  /** Nothing more will come. */
  end?(): void
  /** Where events are made on the way. */
  stats?(): BarStats
}
