import type { Clock } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { HistorySource, LatestSource } from '../flow/contracts.ts'
import type { SessionName } from '../market/calendar.ts'
import { EVENT_TYPES, type EventType, type Interval, type MarketEvent } from '../market/events.ts'
import type { Instrument } from '../market/instruments.ts'
import type { Topic } from '../market/topics.ts'

/** What is good to know of a venue beside what an engine needs, in words: for `tickwire providers` and the docs. */
export interface VenueFacts {
  /** What carries the data: `WebSocket v2, REST`. */
  readonly protocol: string
  /** How messages are written: `JSON`. */
  readonly format: string
  /** How a client shows who it is: `a key, as the first message`. */
  readonly auth: string
  /** How both sides know that the other is there. */
  readonly heartbeat: string
  /** What the venue does to connections, and what follows for making them again. */
  readonly reconnect: string
  /** What it lets a client have, and at which pace. */
  readonly limits: string
  /** What is to be had for nothing. */
  readonly freeTier: string
  /** The vendor's own documentation. */
  readonly docs?: string
  /** What articles and older programs say that is no longer so, and where the present state stands. */
  readonly changes?: readonly {
    readonly said: string
    readonly now: string
    readonly source: string
  }[]
}

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
  /** A symbol that ticks often, to try the stream with. @default SPY or BTC/USD, whichever it takes */
  readonly example?: string
  /** What makes the data other than live and real: said in words wherever prices are shown. */
  readonly nature: 'live' | 'delayed' | 'simulated' | 'replayed' | 'test'
  /** It waits for its readers (`Link.room`), so that by default nothing is dropped: a recording. @default false */
  readonly waits?: boolean
  /**
   * Its times are of whole seconds, so that two events which say the same may both be right: nothing is taken for sent
   * twice. @default false
   */
  readonly wholeSeconds?: boolean
  /** It asks now and then instead of being sent what happens: its silence says nothing. @default false */
  readonly polled?: boolean
  /**
   * Sessions of its markets in which something is to be expected of it; in others silence is no reason to ask. @default
   * pre, regular and post
   */
  readonly sessions?: readonly SessionName[]
  readonly auth: 'none' | 'key'
  /** Where a user gets a key. */
  readonly keysPage?: string
  readonly limits: {
    /** Connections one account may hold. @default 1 */
    readonly connections?: number
    /** Symbols one connection should carry at most; more are spread over several, as far as there are. */
    readonly symbolsPerConnection?: number
    /** The venue ends a connection after this long, ms, however well it goes. @default it does not */
    readonly connectionLifeMs?: number
    /** Least time between the end of one connection of the account, or its beginning, and the next one, ms. @default 0 */
    readonly connectionGapMs?: number
  }
  /**
   * Whether it answers questions about the past, so that gaps can be repaired: of trades, quotes and bars as far as it
   * has them, or of these kinds only.
   */
  readonly history: boolean | readonly EventType[]
  /**
   * Its stream tells times to the millisecond only, where its history has nanoseconds: a repair leaves those out, or
   * nothing of history would be the same as what came. @default false
   */
  readonly millisecondTimes?: boolean
  /**
   * No two different quotes of a symbol bear the same time: what says again what was said of a time was sent twice, whatever
   * came in between. Otherwise a price may go away and come back within one moment. @default false
   */
  readonly exactTimes?: boolean
  /** What else people want to know of the venue. @default nothing is known of it */
  readonly facts?: VenueFacts
  /** Why nothing may arrive although all is well, and what to try; shown after some silence. */
  readonly silenceHint: string
}

/** Sessions in which something is to be expected of a market, unless its source says otherwise. */
export const USUAL_SESSIONS: readonly SessionName[] = ['pre', 'regular', 'post']

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
  /** The venue takes requests: to be called before anything else but notices is reported. */
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
  /**
   * What has come of these is not whole, and why: a sequence or checksum does not fit. The connection asks for fresh
   * books by itself; what is missing of other kinds is to be had from history.
   */
  broken(topics: readonly Topic[], reason: string): void
  /**
   * The connection stands, and its other side says that data does not come: it has lost the venue itself. Told as `stale`
   * with the reason, as `live` when it is over (`undefined`); the connection is left alone meanwhile.
   */
  outage(reason: string | undefined): void
  /** The venue will soon end this connection: another one takes over, if the venue allows one more. */
  leaving?(): void
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
  /** How much of what the account may have at the same time is in use, for people. @default nothing is counted */
  readonly use?: string
  /** Asks for more. The answer comes as `link.acknowledged` or `link.rejected`. */
  subscribe(topics: readonly Topic[]): void
  unsubscribe(topics: readonly Topic[]): void
  /**
   * Whether a topic is asked for now and then here, instead of being sent what happens: its silence says nothing, and
   * what is missing between two answers is no hole. @default it is streamed
   */
  polls?(topic: Topic): boolean
  /**
   * Asks for a book anew, so that a snapshot comes: at once, and ever more rarely where it breaks again and again. Absent
   * where the source cannot.
   */
  resync?(topic: Topic, reason: string): void
  /** Resolves once, when the connection is over: with the reason, or `undefined` when there is no more to come. */
  readonly ended: Promise<TickwireError | undefined>
  /** Ends it in the venue's polite way; resolves when it is gone. */
  close(): Promise<void>
}

/** A venue's answer to something small, asked with the account's key. */
export interface VenueAnswer {
  /** Our time when the question left, and when the answer was there, epoch ms. */
  readonly sentAt: number
  readonly receivedAt: number
  /** The venue's time as it answered, epoch ms, to the second; absent where it does not say. */
  readonly date: number | undefined
  /** What it lets this key have, for people; none when it refuses. */
  readonly grants: readonly string[]
  /** Why it gives no data. */
  readonly refusal: TickwireError | undefined
}

/** How a venue can be looked at beside its stream: for `tickwire doctor`. */
export interface VenueCheck {
  /** Where it is: that of the stream first, then others it is asked at. */
  readonly addresses: readonly string[]
  /** What to do where it is not reached. @default to look at the network */
  readonly unreachedHint?: string | undefined
  /** Asks once. @throws UNREACHABLE, PROXY_REFUSED or CLOSED (the signal) when there was no answer */
  ask(signal: AbortSignal): Promise<VenueAnswer>
}

/** A source of market data: speaks one venue's language. */
export interface Provider extends Partial<HistorySource>, Partial<LatestSource> {
  /** Default name of the source: `alpaca`. */
  readonly id: string
  readonly capabilities: Capabilities
  /** Names the account and endpoint whose connections are counted by the venue; it holds no secret. */
  readonly account?: string | undefined
  /** Absent where there is nothing beside the stream to ask, as with a source that is in this process. */
  readonly check?: VenueCheck
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
  /**
   * What trades there, with steps of price and size; asked of the venue each time. `like` is a name somebody looks for, or
   * a part of one: a venue that has no list of everything is searched by it, others pay no heed to it.
   */
  instruments?(signal?: AbortSignal, like?: string): Promise<Instrument[]>
}

/** Whether a provider's history has a kind. */
export function hasHistory({ history, capabilities }: Provider, kind: EventType): boolean {
  const { kinds, history: past } = capabilities
  return (
    history !== undefined && kinds.includes(kind) && (!Array.isArray(past) || past.includes(kind))
  )
}
