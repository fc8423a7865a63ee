import type { TickwireError } from '../base/errors.ts'
import type {
  Adjustment,
  EventType,
  Interval,
  Level,
  MarketEvent,
  Quote,
  Ticker,
  Trade,
} from '../market/events.ts'
import type { Topic } from '../market/topics.ts'

/**
 * Whatever takes events: a tape, a queue, a store, a test.
 * The array is the caller's and only lent for the call; the events may be kept.
 */
export interface Sink {
  append(batch: readonly MarketEvent[]): void
  /** Told of each event that is not in a batch, or that a reader has not had, and why; absent, nobody tells it. */
  leftOut?(event: MarketEvent, why: LeftOut): void
  /**
   * Told of holes in what it is given, each once when it is `opened` and once when it is `filled`, or `left` as it is;
   * notices tell people the same, of several symbols at once. Absent, nobody tells it.
   */
  holes?(what: HoleState, holes: readonly HoleOf[]): void
}

export type HoleState = 'opened' | 'filled' | 'left'

/** What a hole is in. */
export interface HoleOf {
  readonly source: string
  readonly kind: EventType
  readonly symbol: string
  /** Venue time of its beginning, epoch ms. */
  readonly from: number
}

/**
 * Why an event was left out: it came a second time, it cannot be true, or a reader was too slow for it (told once for
 * each such reader; the others, and all sinks, have had it).
 */
export type LeftOut = 'duplicate' | 'quarantined' | 'dropped'

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
  /**
   * Where it starts in the middle, the books of the topics come first, as they stood there: each a whole `book` event marked
   * `conflated`, and without a number, as it stands on no tape. To know them the reader looks back, at most to the
   * beginning of the file.
   * @default false
   */
  readonly books?: boolean
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
   * Told of each record that can be no event (a price missing, or 0), and where it stands as far as that can be told: it
   * is left out of the answer. Without it such a record is taken for a fault of the venue, and ends the answer.
   */
  readonly malformed?: (record: unknown, reason: string, place?: PlaceOf) => void
  /** Ends it, with `CLOSED`. */
  readonly signal?: AbortSignal | undefined
}

/** Where a record stands. */
export interface PlaceOf {
  readonly symbol?: string | undefined
  /** Venue time, epoch ms. */
  readonly timestamp?: number | undefined
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
export interface LatestRequest extends Question {
  /**
   * Told of symbols that the source refuses one by one, in an answer that has others, and why. Without it they are left
   * out, as those are that the source has nothing of.
   */
  readonly refused?: (symbols: readonly string[], reason: TickwireError) => void
}

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

/** What a client has subscribed to, and how it is written. It stays as it is when the subscription changes. */
export interface FrameForm {
  /** Who has the same gets the same frames. */
  readonly key: string
  /** Those of the events that are subscribed and can be said, in frames. */
  frames(events: readonly MarketEvent[]): readonly (string | Uint8Array)[]
  /**
   * Given where a message says how things stand, not what has happened: how they stand now, of these symbols. The frames of
   * an event are then asked for when it happens.
   */
  standing?(symbols: ReadonlySet<string>): readonly (string | Uint8Array)[]
}

/** A session whose frames are made once for all who want the same. */
export interface SharedSession extends ProtocolSession {
  readonly form: FrameForm
  /** Takes topics out of the subscription that cannot be had, and says so in the protocol's words. */
  refuse(topics: readonly Topic[], reason: TickwireError): void
  /** Says that the client reads too slowly, as far as the protocol has words for it. */
  tooSlow(): void
}

/** Whose data a {@link SharedProtocol} passes on, and who is let in to it. */
export interface SharedHost {
  /** Judges what a client presents as its key, word by word as the protocol has them. */
  admit(...words: readonly string[]): boolean
  /** Name of the source. */
  readonly source: string
  /** What the data is, in words, where it is not live and real: a protocol says so where it has room for it. */
  readonly nature: string | undefined
  /** What the source calls a topic, or why it has none such. */
  resolve(topic: Topic): Topic | TickwireError
  /** How a symbol stands, in the name of the source an event of it has. */
  standing(source: string, symbol: string): Standing
}

/** The last of each kind, and the best levels of the book. */
export interface Standing {
  readonly trade: Trade | undefined
  readonly quote: Quote | undefined
  readonly ticker: Ticker | undefined
  /** So many levels of a side, best first; none where the book is not whole. */
  levels(side: 'bids' | 'asks', count: number): readonly Level[]
}

/** A question over HTTP. */
export interface SharedQuestion {
  readonly method: string
  /** As the vendor has it, without query. */
  readonly path: string
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** Where the vendor's paths begin: `http://127.0.0.1:8425/polygon`. */
  readonly root: string
}

export interface SharedAnswer {
  readonly status: number
  /** JSON. */
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What a {@link SharedProtocol} answers questions from. */
export interface SharedDesk extends SharedHost, HistorySource {
  /** Epoch ms. */
  now(): number
  /** Subscribes to topics the source has, and waits a moment for something to come. */
  want(topics: readonly Topic[]): Promise<void>
  /** Before this there is nothing of a kind, epoch ms; `undefined` where there is nothing at all. */
  beginning(kind: EventType): Promise<number | undefined>
}

/** A venue's language for data that is not the venue's. */
export interface SharedProtocol {
  readonly id: string
  /** Kinds of which whoever subscribes is told the last at once: what it says is not counted twice. */
  readonly standing: ReadonlySet<EventType>
  /** Ids of the providers whose data a path has at the venue, the likeliest first. */
  providersOf(path: string): readonly string[]
  /** A session, or the HTTP status the upgrade is refused with. */
  accept(
    request: UpgradeRequest,
    peer: ProtocolPeer,
    host: SharedHost,
  ): SharedSession | { readonly status: number }
  /** What answers over HTTP, where the venue does too. */
  readonly rest?: SharedRest
}

export interface SharedRest {
  /** Rejects with what `fault` is to say in the venue's words. */
  answer(question: SharedQuestion, desk: SharedDesk): Promise<SharedAnswer>
  fault(status: number, message: string): SharedAnswer
}

/** The server side of a venue's language: greeting, authentication, acks, errors, and events in its frames. */
export interface Protocol {
  readonly id: string
  /** A session, or the HTTP status the upgrade is refused with. */
  accept(request: UpgradeRequest, peer: ProtocolPeer): ProtocolSession | { readonly status: number }
}
