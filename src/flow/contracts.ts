import type { Adjustment, EventType, Interval, MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'

/**
 * Whatever takes events: a tape, a queue, a store, a test.
 * The array is the caller's and only lent for the call; the events may be kept.
 */
export interface Sink {
  append(batch: readonly MarketEvent[]): void
}

/** A place on a tape, opaque to its holder: events behind it have been seen, the next to come is `seq + 1`. */
export interface Position {
  readonly tape: string
  readonly seq: number
}

export interface ReadOptions {
  /**
   * Where to start: behind a position, at the oldest event, behind the newest, or at the first event received at or
   * after a time (epoch ms).
   * @default 'now'
   */
  readonly from?: Position | 'start' | 'now' | { readonly time: number }
  /** Only these; notices always come. @default everything */
  readonly topics?: readonly Topic[] | undefined
  /** Go on with what comes; `false` ends behind what was there at the call. @default true */
  readonly live?: boolean
  /**
   * Only what the death of this process could not take back: for whatever hands events on to the outside. On a tape
   * in memory, which dies with the process whole, it changes nothing.
   * @default false
   */
  readonly written?: boolean
  /** Ends the reading. */
  readonly signal?: AbortSignal | undefined
}

/** Reads a log in order from any position and goes on live: batches, never empty, without hole or repeat. */
export interface Reader {
  read(options?: ReadOptions): AsyncIterable<MarketEvent[]>
}

/** How far a (source, symbol, kind) has been seen: where a restarted feed goes on, and a repair starts. */
export interface Checkpoint {
  readonly topic: Topic
  readonly timestamp: number
  readonly nanos: number
}

/** What questions to a source have in common. */
interface Question {
  readonly kind: EventType
  readonly symbols: readonly string[]
  /** Length of bars. @default '1m' */
  readonly interval?: Interval
  /** The configured source; a provider puts it on the events it answers with. @default the provider's id */
  readonly source?: string
  /**
   * Told of each record that can be no event (a price missing, or 0): it is left out of the answer. Without it such a
   * record is taken for a fault of the venue, and ends the answer.
   */
  readonly malformed?: (record: unknown, reason: string) => void
  /** Ends it, with `CLOSED`. */
  readonly signal?: AbortSignal | undefined
}

/** A question to the past; both bounds are inclusive, epoch ms (a millisecond is in with all its nanoseconds). */
export interface HistoryRequest extends Question {
  readonly from: number
  readonly to: number
  /** How the prices of bars are to be adjusted for splits and dividends. @default 'raw' */
  readonly adjustment?: Adjustment
}

/** Answers questions about the past, in time order per symbol. */
export interface HistorySource {
  /** Rejects rather than leave something out: only an iteration that came to its end has been the whole answer. */
  history(request: HistoryRequest): AsyncIterable<MarketEvent[]>
}

/** A question for the last of each symbol. */
export interface LatestRequest extends Question {}

/** Knows the last event of a kind, also of symbols nobody has subscribed to. */
export interface LatestSource {
  /** At most one event per symbol, in the order asked; none for a symbol the source has nothing of. */
  latest(request: LatestRequest): Promise<MarketEvent[]>
}

/** What a client presents when it opens a WebSocket. Header names are lower case. */
export interface UpgradeRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** The client of a {@link ProtocolSession}, as far as the protocol sees it: no socket, only these. */
export interface ProtocolPeer {
  /** Bytes handed over that have not left for the client yet: what a slow client lets pile up. */
  readonly bufferedBytes: number
  send(frame: string | Uint8Array): void
  /** Ends it politely, behind everything sent so far. */
  close(code: number, reason: string): void
  /** Ends it at once; what has not left is lost. */
  cut(): void
}

/** One client talking one venue's language. */
export interface ProtocolSession {
  /** What the client has subscribed to. */
  readonly topics: readonly Topic[]
  receive(data: Uint8Array, binary: boolean): void
  /** Sends those of the events the client has subscribed to. */
  deliver(batch: readonly MarketEvent[]): void
  /** The client is gone: timers end. `clean`: by the closing handshake, not by a cut. */
  closed(clean: boolean): void
}

/** The server side of a venue's language: greeting, authentication, acks, errors, and events in its frames. */
export interface Protocol {
  readonly id: string
  /** A session, or the HTTP status the upgrade is refused with. */
  accept(request: UpgradeRequest, peer: ProtocolPeer): ProtocolSession | { readonly status: number }
}
