import type { Clock } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import type { Capabilities, Interest } from './provider.ts'

export type Frame = string | Uint8Array

/** One message to the venue and the topics it asks for (none when it lets go). */
export interface Request {
  /**
   * As a function: made as it is sent, with a number of this connection's, from 1, that the venue's answers repeat, and
   * where wanted with what the venue has granted by then.
   */
  readonly frame: Frame | ((id: number, granted?: () => readonly Topic[]) => Frame)
  readonly topics: readonly Topic[]
  /** Why these cannot be had, where that is known before the venue is asked: nothing is sent. */
  readonly refusal?: TickwireError
}

/**
 * What an answer of the venue is about: the request with this `id`, or without one the oldest that waits. With `covers`
 * only those of its topics are answered, and the others go on waiting; without an `id`, those of all requests.
 */
export interface Answer {
  readonly id?: number | undefined
  readonly covers?: ((topic: Topic) => boolean) | undefined
}

/** What a venue says about the connection itself, in the engine's words. */
export type Control =
  /** The venue greets; authentication may start. */
  | { readonly type: 'welcome' }
  /** Authenticated: requests may be sent. */
  | { readonly type: 'ready' }
  /** The whole state of subscriptions as the venue sees it; it answers the oldest request. */
  | { readonly type: 'acknowledged'; covers(topic: Topic): boolean }
  /** A request, or some topics of one, granted; nothing is said of the others. */
  | ({ readonly type: 'confirmed' } & Answer)
  /**
   * An error message of the venue, for `verdict` to judge. With `covers` it refuses those topics and no others; without,
   * a whole request, whose halves are then asked for again until what is at fault stands alone.
   */
  | ({ readonly type: 'error' } & Said & Answer)
  /** To be sent at once: the answer to a ping that the venue writes as a message. */
  | { readonly type: 'reply'; readonly frame: Frame }
  /** Not to be had after all, for a reason found out elsewhere: a venue may confirm what it does not have. */
  | { readonly type: 'refused'; readonly error: TickwireError; covers(topic: Topic): boolean }
  /**
   * What has come of these is not whole: a number or a checksum does not fit. Books are asked for anew (the decoder
   * leaves out what comes until the next snapshot, and says this again where none comes), other kinds repaired from history.
   */
  | { readonly type: 'broken'; readonly reason: string; covers(topic: Topic): boolean }
  /**
   * The venue says that it will soon end this connection: another one takes over where the venue allows one more; where it
   * does not, the end is waited for.
   */
  | { readonly type: 'leaving' }

/** An error in the venue's words. */
export interface Said {
  /** The venue's number of it. */
  readonly code: number | undefined
  /** The venue's code of it, where that is a word: `INVALID_MODE`. */
  readonly name?: string | undefined
  readonly message: string
}

/** What a decoder fills while it reads one frame. */
export interface Inbox {
  event(event: MarketEvent): void
  control(message: Control): void
  /** The frame, or the rest of it, is not what the venue documents. */
  malformed(reason: string): void
  /** Counts a message of a kind the decoder does not know (new kinds are no fault). */
  unknown(kind: string): void
}

/** Reads a venue's frames. One per connection; never throws. */
export interface Decoder {
  decode(frame: Uint8Array, binary: boolean, receivedAt: number, inbox: Inbox): void
  /** The venue has confirmed these, asked for by name: what they need beside frames can be asked for now. */
  confirmed?(topics: readonly Topic[]): void
  /** Starts a book anew where that takes no new subscription. @default it is unsubscribed and subscribed again */
  resync?(topic: Topic): void
}

/** What reading frames takes. */
export interface DecodeContext {
  /** For the `source` field. */
  readonly source: string
  /** What to keep; the rest may be skipped inside the decoder (`selects`). */
  readonly interest: Interest
}

/** What a decoder is given: also for what it does between frames, such as asking REST for a snapshot. */
export interface ConnectionContext extends DecodeContext {
  readonly clock: Clock
  readonly log: Log
  /** Aborts when the connection ends, for whatever reason. */
  readonly signal: AbortSignal
  /** Events that come about at another time than while a frame is read; those go to its inbox. The array is lent. */
  emit(batch: readonly MarketEvent[], receivedAt: number): void
  /** What is about the connection, at once: also ahead of the events of the frame that is being read. */
  control(message: Control): void
}

/** What a connection is about to be opened for. */
export interface UrlContext {
  readonly topics: readonly Topic[]
  readonly clock: Clock
  /** Aborts when the connection is no longer wanted. */
  readonly signal: AbortSignal
}

/** Something that went wrong on the venue's side, before it is judged. */
export type Fault =
  | ({ readonly type: 'message' } & Said)
  | { readonly type: 'close'; readonly code: number; readonly reason: string }
  | { readonly type: 'upgrade'; readonly status: number; readonly retryAfterMs: number | undefined }

/** A judged fault: does it end the connection, or only refuse what it answers? */
export interface Judgement {
  readonly scope: 'connection' | 'request' | 'ignore'
  readonly error: TickwireError
}

/** A venue with a WebSocket, as data and pure functions; `websocketProvider` makes a provider of it. */
export interface WebSocketDescription {
  readonly id: string
  readonly capabilities: Capabilities
  /** Where it is; as a function asked before each connection. What it throws ends the attempt. */
  readonly url: string | ((context: UrlContext) => string | Promise<string>)
  /** Names the account and endpoint whose connections the venue counts, without secrets. Absent: it does not. */
  readonly account?: string
  /** Upgrade headers. */
  readonly headers?: Readonly<Record<string, string>>
  /** The venue speaks first: wait for `welcome` before greeting. @default false */
  readonly welcomes?: boolean
  /** Frames that authenticate; `ready` must follow. Absent: requests may be sent at once. */
  greet?(): readonly Frame[]
  /** The venue says nothing to the greeting: requests follow at once. @default false */
  readonly unanswered?: boolean
  /** Messages that ask for `topics`; `held` is all that will be subscribed then. */
  subscribe(topics: readonly Topic[], held: readonly Topic[]): readonly Request[]
  /** Messages that let go of `topics`; `held` is all that stays. */
  unsubscribe(topics: readonly Topic[], held: readonly Topic[]): readonly Request[]
  /**
   * Messages that start anew what is broken, also where others need the same data; none where there is nothing to start.
   * @default books are let go and asked for again
   */
  resubscribe?(topic: Topic, held: readonly Topic[]): readonly Request[]
  /**
   * Each subscribe message names all there is to be, and replaces what was before: a topic that is refused is let go of
   * at once by `unsubscribe`, so that what is granted stands whatever the venue made of the message.
   * @default false
   */
  readonly replaces?: boolean
  /**
   * What the venue takes from one connection: requests beyond it wait. The greeting, pings and replies count, but wait
   * for nothing. `shared`: what it takes from all connections with a pace of this name together, where it counts those of an
   * address; they are those that share a clock. @default any number
   */
  readonly pace?: { readonly messages: number; readonly perMs: number; readonly shared?: string }
  /**
   * For a venue whose refusals name nothing: one request at a time, the next when all its topics are answered or after
   * this long, ms; what is unanswered then is asked for again later. @default requests do not wait for answers
   */
  readonly serialMs?: number
  /**
   * How the link is kept warm and a mute one found: a ping leaves every `everyMs`, and any frame at all must come within
   * `timeoutMs` of it. `frame` absent: a WebSocket ping.
   */
  readonly ping: { readonly everyMs: number; readonly timeoutMs: number; readonly frame?: Frame }
  /** Longest wait for greeting and authentication, each, ms. */
  readonly handshakeTimeoutMs: number
  /** Largest frame accepted, bytes. */
  readonly maxFrameBytes: number
  /** Judges the venue's faults. `undefined`: the engine's own reading (close and network: retry). */
  verdict(fault: Fault): Judgement | undefined
  symbol(text: string): string
  /**
   * The decoder leaves out by itself what `interest` does not want, before it makes an event of it; without this the
   * engine drops it behind the decoder.
   * @default false
   */
  readonly selects?: boolean
  decoder(context: ConnectionContext): Decoder
}
