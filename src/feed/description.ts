import type { TickwireError } from '../base/errors.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import type { Capabilities, Interest } from './provider.ts'

export type Frame = string | Uint8Array

/** One message to the venue and the topics it asks for (none when it lets go); the venue answers each, in order. */
export interface Request {
  readonly frame: Frame
  readonly topics: readonly Topic[]
}

/** What a venue says about the connection itself, in the engine's words. */
export type Control =
  /** The venue greets; authentication may start. */
  | { readonly type: 'welcome' }
  /** Authenticated: requests may be sent. */
  | { readonly type: 'ready' }
  /** The state of subscriptions as the venue sees it. */
  | { readonly type: 'acknowledged'; covers(topic: Topic): boolean }
  /** An error message of the venue. */
  | { readonly type: 'error'; readonly code: number | undefined; readonly message: string }

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
}

export interface DecodeContext {
  /** For the `source` field. */
  readonly source: string
  /** What to keep; the rest is skipped inside the decoder. */
  readonly interest: Interest
}

/** Something that went wrong on the venue's side, before it is judged. */
export type Fault =
  | { readonly type: 'message'; readonly code: number | undefined; readonly message: string }
  | { readonly type: 'close'; readonly code: number; readonly reason: string }
  | { readonly type: 'upgrade'; readonly status: number; readonly retryAfterMs: number | undefined }

/** A judged fault: does it end the connection, or only refuse the oldest unanswered request? */
export interface Judgement {
  readonly scope: 'connection' | 'request' | 'ignore'
  readonly error: TickwireError
}

/** A venue with a WebSocket, as data and pure functions; `websocketProvider` makes a provider of it. */
export interface WebSocketDescription {
  readonly id: string
  readonly capabilities: Capabilities
  readonly url: string
  /** Names the account and endpoint whose connections the venue counts, without secrets. Absent: it does not. */
  readonly account?: string
  /** Upgrade headers. */
  readonly headers?: Readonly<Record<string, string>>
  /** The venue speaks first: wait for `welcome` before greeting. @default false */
  readonly welcomes?: boolean
  /** Frames that authenticate; `ready` must follow. Absent: requests may be sent at once. */
  greet?(): readonly Frame[]
  /** Messages that ask for `topics`; `held` is all that will be subscribed then. */
  subscribe(topics: readonly Topic[], held: readonly Topic[]): readonly Request[]
  /** Messages that let go of `topics`; `held` is all that stays. */
  unsubscribe(topics: readonly Topic[], held: readonly Topic[]): readonly Request[]
  /** How the link is kept warm and a mute one found. `frame` absent: a WebSocket ping. */
  readonly ping: { readonly everyMs: number; readonly timeoutMs: number; readonly frame?: Frame }
  /** Longest wait for greeting and authentication, each, ms. */
  readonly handshakeTimeoutMs: number
  /** Largest frame accepted, bytes. */
  readonly maxFrameBytes: number
  /** Judges the venue's faults. `undefined`: the engine's own reading (close and network: retry). */
  verdict(fault: Fault): Judgement | undefined
  symbol(text: string): string
  decoder(context: DecodeContext): Decoder
}
