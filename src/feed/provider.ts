import type { Clock } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { HistorySource, LatestSource } from '../flow/contracts.ts'
import { EVENT_TYPES, type EventType, type Interval, type MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'

/** What a provider can do, as data: for checks before anything is sent, for `tickwire` and for the docs. */
export interface Capabilities {
  /** One line: `Alpaca stocks (iex)`. */
  readonly title: string
  readonly kinds: readonly EventType[]
  /** Lengths of the bars it streams. */
  readonly barIntervals: readonly Interval[]
  /** Kinds that can be had for every symbol at once. */
  readonly wildcard: readonly EventType[]
  /** All symbols there are, where the provider knows them (the simulator). */
  readonly symbols?: readonly string[]
  /** What makes the data other than live and real: said in words wherever prices are shown. */
  readonly nature: 'live' | 'delayed' | 'simulated' | 'replayed' | 'test'
  /** It waits for its readers (`Link.room`), so that by default nothing is dropped: a recording. @default false */
  readonly waits?: boolean
  readonly auth: 'none' | 'key'
  /** Where a user gets a key. */
  readonly keysPage?: string
  readonly limits: {
    /** Connections one account may hold. @default 1 */
    readonly connections?: number
    /** Symbols one connection should carry at most; more are spread over several, as far as there are. */
    readonly symbolsPerConnection?: number
  }
  /** Whether it answers questions about the past, so that gaps can be repaired. */
  readonly history: boolean
  /** Why nothing may arrive although all is well, and what to try; shown after some silence. */
  readonly silenceHint: string
}

/** The bit of a kind in an interest mask. */
export const KIND_BIT = Object.fromEntries(
  EVENT_TYPES.map((type, index) => [type, 1 << index]),
) as Readonly<Record<EventType, number>>

/** What the feed wants at the moment, asked by decoders for each new symbol and again when `revision` changes. */
export interface Interest {
  readonly revision: number
  /** Bits of {@link KIND_BIT} wanted for a canonical symbol. */
  mask(symbol: string): number
}

/** The engine's side of a connection: what a provider is given, and reports to. All calls are synchronous. */
export interface Link {
  /** Name of the configured source, for the `source` field of events. */
  readonly source: string
  /** What is to be subscribed once connected. */
  readonly topics: readonly Topic[]
  readonly interest: Interest
  readonly clock: Clock
  readonly log: Log
  /** Aborts when the connection is no longer wanted, also while connecting. */
  readonly signal: AbortSignal
  /** Set when somebody wants to see frames as received. */
  readonly raw: ((frame: RawFrame) => void) | undefined
  /** Progress towards an open connection: the greeting has been sent. */
  authenticating(): void
  /** The venue takes requests: to be called before anything else is reported. */
  opened(): void
  /** Events in the order received, and when. The array is lent for the call. */
  emit(batch: readonly MarketEvent[], receivedAt: number): void
  /**
   * What a source that can wait is to wait for before it gives more: set while a reader with the policy `block` has no
   * room. A live source pays no heed to it.
   */
  room(): Promise<void> | undefined
  /** The venue confirmed these. */
  acknowledged(topics: readonly Topic[]): void
  /** The venue will not deliver these, and why. */
  rejected(topics: readonly Topic[], reason: TickwireError): void
  /** A frame that could not be decoded: counted, a sample kept, never delivered. */
  malformed(frame: Uint8Array, reason: string): void
  /** A message of a kind nobody knows: counted, so that a new one is noticed. */
  unknown(kind: string): void
}

/** A frame as it came off the wire; `data` is only valid during the call. */
export interface RawFrame {
  readonly data: Uint8Array
  readonly binary: boolean
  readonly receivedAt: number
}

/** One live connection. */
export interface Connection {
  /** Asks for more. The answer comes as `link.acknowledged` or `link.rejected`. */
  subscribe(topics: readonly Topic[]): void
  unsubscribe(topics: readonly Topic[]): void
  /** Resolves once, when the connection is over: with the reason, or `undefined` when there is no more to come. */
  readonly ended: Promise<TickwireError | undefined>
  /** Ends it in the venue's polite way; resolves when it is gone. */
  close(): Promise<void>
}

/** A source of market data: speaks one venue's language. */
export interface Provider extends Partial<HistorySource>, Partial<LatestSource> {
  /** Default name of the source: `alpaca`. */
  readonly id: string
  readonly capabilities: Capabilities
  /** Names the account and endpoint whose connections are counted by the venue; it holds no secret. */
  readonly account?: string
  /**
   * Canonical form of a symbol as a user may write it.
   * @throws BAD_SYMBOL, or UNKNOWN_SYMBOL where the provider knows all there are
   */
  symbol(text: string): string
  /**
   * Opens, authenticates, calls `link.opened()` and asks for `link.topics`; resolves then.
   * @throws TickwireError whose verdict says how to go on
   */
  connect(link: Link): Promise<Connection>
}
