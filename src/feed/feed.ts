import type { BackoffOptions } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { BarStats } from '../derive/bars-options.ts'
import type { Checkpoint, Sink } from '../flow/contracts.ts'
import type { DeliveryCounters, DeliveryOptions } from '../flow/queue.ts'
import type { EventStream } from '../flow/stream.ts'
import type { EventOf, EventType, Interval, MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import type { CHANNELS, Channel } from './channels.ts'
import type { BarsFrom } from './derived-bars.ts'
import type { HealthReport } from './health-report.ts'
import type { BookOptions, LiveBook } from './live-book.ts'
import { OpenFeed } from './open-feed.ts'
import type { Capabilities, Provider, RawFrame } from './provider.ts'
import type { QuarantineOptions, QuarantineStats } from './quarantine.ts'
import type { ReaderStats } from './readers.ts'
import type { RepairOptions } from './repair-options.ts'
import type { FeedState } from './session.ts'
import type { SubscribeOutcome, TopicState } from './subscriptions.ts'

export interface FeedOptions {
  /** Name of this source on every event. @default the provider's id */
  readonly source?: string
  /** Bounds and policy for handlers and streams that fall behind. @default DELIVERY_DEFAULTS */
  readonly delivery?: DeliveryOptions
  /** Waits between attempts to connect. */
  readonly backoff?: BackoffOptions
  /** How long `subscribe` waits for the venue's answer before calling a topic pending, ms. @default 10000 */
  readonly ackTimeoutMs?: number
  /** How long a connection is kept after the last subscription is gone, ms. @default 1000 */
  readonly lingerMs?: number
  /**
   * Folder of the files by which two processes of one machine share an account's connections instead of throwing
   * each other off; `false` for none. @default a folder of this user in the system's temporary folder
   */
  readonly leases?: string | false
  /** Whether and how holes are filled in from the provider's history. @default REPAIR_DEFAULTS */
  readonly repair?: RepairOptions
  /** Deliver what a venue sends twice, too. @default false */
  readonly duplicates?: boolean
  /** Bounds of what can be true; what cannot be is never delivered. @default QUARANTINE_DEFAULTS */
  readonly quarantine?: QuarantineOptions
  /** What an earlier process had of this source: what came since is filled in, as after a lost connection. */
  readonly resume?: Resume
  readonly clock?: Clock
  /** @default warnings and errors to stderr */
  readonly log?: Log
  /** Chance for jitter. @default Math.random */
  readonly random?: Random
}

/** Where an earlier process stopped. */
export interface Resume {
  readonly checkpoints: readonly Checkpoint[]
  /** Its last events, so that none of them comes twice. */
  readonly recent: readonly MarketEvent[]
  /** All that it received since then is in `recent`, epoch ms. */
  readonly recentSince: number
}

/** Symbols by channel: `{ trades: ['SPY'], quotes: 'AAPL' }`. `'*'` is every symbol. */
export type SubscribeRequest = { readonly [C in Channel]?: Symbols } & {
  /** Length of the bars. @default '1m' */
  readonly interval?: Interval
}

/** One symbol, several, or `'*'` for every symbol. */
export type Symbols = string | readonly string[]
export type Handler<E> = (event: E) => unknown

export interface OnOptions extends DeliveryOptions {
  /** Name in notices and counters. @default the function's name, or channel and symbols */
  readonly name?: string
  /** Ends it. */
  readonly signal?: AbortSignal
}

/** Those of {@link BarsFrom} are for bars. */
export interface ListenOptions extends OnOptions, BarsFrom {
  /** For bars: their length. @default '1m' */
  readonly interval?: Interval
}

/** A handler at work. */
export interface Subscription {
  /** The venue's answer. Rejects only when the feed ends fatally first. */
  readonly ready: Promise<SubscribeOutcome>
  readonly counters: DeliveryCounters & { readonly failures: number }
  /** Where its events are made here out of trades: how many there were, and what of them could not be used. */
  readonly made: BarStats | undefined
  /** Stops calling the handler and lets go of symbols nobody else wants. May be called twice. */
  close(): void
}

/** What one user of a feed has asked for. */
export interface Hold {
  /** What it still has. */
  readonly topics: readonly Topic[]
  /** What the venue has said of these by now, or says in time. Rejects only when the feed has ended fatally. @default all */
  answer(topics?: readonly Topic[]): Promise<SubscribeOutcome>
  /** This user needs these no more. May be called twice. @default all */
  release(topics?: readonly Topic[]): void
}

/** Subscribes a handler, or without one gives a stream to loop over. */
export interface Subscribe<E extends MarketEvent> {
  (symbols: Symbols, handler: Handler<E>, options?: ListenOptions): Subscription
  (symbols: Symbols, options?: ListenOptions): EventStream<E>
}

export interface FeedStats {
  readonly state: FeedState
  /** Connections made so far. */
  readonly connects: number
  /** Why the last connection ended, or was not made; `undefined` when none has. */
  readonly lost: TickwireError | undefined
  readonly events: number
  /** How many topics are in which state with the venue. */
  readonly topics: Readonly<Record<TopicState, number>>
  /** How much of what the account may have at the same time is in use, in words, by the connections that count it. */
  readonly use: readonly string[]
  /** Frames, or parts of frames, that could not be decoded. */
  readonly malformed: number
  /** The latest of them, cut to 500 characters. */
  readonly samples: readonly { readonly reason: string; readonly frame: string }[]
  /** Events that came a second time and were left out. */
  readonly duplicates: number
  /** Messages of kinds the decoder does not know, by kind. */
  readonly unknown: Readonly<Record<string, number>>
  /** Events that cannot be true, and were not delivered. */
  readonly quarantined: QuarantineStats
  /** Holes, each of one symbol and kind: those neither filled nor left as they were are open still. */
  readonly holes: { readonly opened: number; readonly filled: number; readonly left: number }
  /** Calls of handlers that threw or rejected. */
  readonly failures: number
  readonly readers: readonly ReaderStats[]
}

type Channels = { readonly [C in Channel]: Subscribe<EventOf<(typeof CHANNELS)[C]>> }

/**
 * One source, kept alive. It connects when something is first subscribed, and lets the connection go when nothing
 * is any more, so a program that has left its loops ends by itself.
 */
export interface Feed extends Channels, AsyncDisposable {
  readonly source: string
  readonly capabilities: Capabilities
  readonly state: FeedState
  /** Resolves when the feed has ended, rejects when it ended fatally (a wrong key: no retry can help). */
  readonly done: Promise<void>
  /** Asks for more; resolves with the venue's answer. @throws NO_SYMBOLS BAD_SYMBOL UNSUPPORTED CLOSED */
  subscribe(request: SubscribeRequest): Promise<SubscribeOutcome>
  /**
   * The order book of a symbol, kept up to date: `await book.ready`, read `book.book`, loop over its changes. Subscribes it
   * until `close()`. @throws BAD_SYMBOL UNSUPPORTED BAD_OPTION CLOSED
   */
  book(symbol: string, options?: BookOptions): LiveBook
  /** Takes back what `subscribe` asked for; handlers and streams keep theirs. */
  unsubscribe(request: SubscribeRequest): void
  /**
   * Asks for more on behalf of one user among several, who reads elsewhere (a tape): counted apart from `subscribe`, and
   * let go of by its own `release()`. @throws NO_SYMBOLS BAD_SYMBOL UNSUPPORTED CLOSED
   */
  hold(request: SubscribeRequest): Hold
  /**
   * Listens to what the feed delivers, without subscribing to anything. Returns what ends it. Where there are several
   * connections, a notice says which it is about: `(connection 2)`; the only one there is has no number.
   */
  on<T extends EventType>(
    kind: T,
    handler: Handler<EventOf<T>>,
    options?: ListenOptions,
  ): () => void
  on(kind: '*', handler: Handler<MarketEvent>, options?: ListenOptions): () => void
  /** Handlers that threw or rejected, with the event they failed on. */
  on(kind: 'error', handler: ErrorHandler): () => void
  /** Frames as received, before they are decoded. Returns what ends it. */
  raw(handler: (frame: RawFrame) => unknown): () => void
  /** Appends everything to a tape, a store or another sink, before any handler sees it. Returns what ends it. */
  pipe(sink: Sink): () => void
  stats(): FeedStats
  /** How the feed, or one of its symbols, is: whether its silence means anything, how late it is. */
  health(symbol?: string): HealthReport
  /** Closes the connection and ends all handlers and streams. May be called twice. */
  close(): Promise<void>
}

/** Takes a failure and the event it came with, where there is one. */
export type ErrorHandler = (error: TickwireError, event: MarketEvent | undefined) => unknown

/** Opens a feed on a provider. Nothing is sent before the first subscription. */
export function openFeed(provider: Provider, options: FeedOptions = {}): Feed {
  return new OpenFeed(provider, options)
}
