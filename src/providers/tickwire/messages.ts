import type { ErrorCode } from '../../base/errors.ts'
import type { EventType, Interval, MarketEvent } from '../../market/events.ts'

/*
 * The native protocol, version 1: what a gateway and its clients say to each other at /v1/stream. docs/protocols/native.md
 * tells it in order. This file knows no library and no Node, so that a browser can have it.
 */

export const VERSION = 1
export const STREAM_PATH = '/v1/stream'
/** Where a gateway is, unless told otherwise. */
export const DEFAULT_PORT = 8425

/** How messages are written, by the WebSocket subprotocol that asks for it. */
export const SUBPROTOCOLS = {
  'tickwire.v1.json': 'json',
  'tickwire.v1.msgpack': 'msgpack',
  'tickwire.v1.blocks': 'blocks',
} as const
/**
 * `json`: text messages · `msgpack`: the same, binary · `blocks`: `events` and `snapshot` as binary blocks of columns, all
 * else as JSON text.
 */
export type Encoding = (typeof SUBPROTOCOLS)[keyof typeof SUBPROTOCOLS]

/** What a client says. */
export type ClientMessage = Auth | SubscribeMessage | UnsubscribeMessage

/** Shows a key: the first message where the gateway wants one. */
export interface Auth {
  readonly type: 'auth'
  readonly key: string
}

/** Asks for events. Each subscription is a reader of the tape by itself, with a position of its own. */
export interface SubscribeMessage extends StreamRequest {
  readonly type: 'subscribe'
  /** Names the subscription on this connection, from 1. */
  readonly id: number
}

export interface UnsubscribeMessage {
  readonly type: 'unsubscribe'
  readonly id: number
}

/** What a subscription is to have, and how. */
export interface StreamRequest {
  readonly kinds: readonly Exclude<EventType, 'notice'>[]
  /** As a user may write them; `*` is every symbol, where the source has that. */
  readonly symbols: readonly string[]
  /** One of the gateway's sources. @default all of them that have the kind */
  readonly source?: string | undefined
  /** Of bars. @default '1m' */
  readonly interval?: Interval | undefined
  /** Merge what comes within so many milliseconds to the latest of each symbol. @default 0: every event */
  readonly conflateMs?: number | undefined
  /** With `conflateMs`: merge trades too. @default false */
  readonly conflateTrades?: boolean | undefined
  /**
   * What happens when the client reads too slowly: `drop-oldest` loses the oldest events and says so, `conflate` keeps the
   * latest of each symbol, `close` ends the connection. @default 'drop-oldest', with `conflateMs` 'conflate'
   */
  readonly slow?: SlowPolicy | undefined
  /** Begin with how things stand: the latest of each symbol and kind, whole books. @default true */
  readonly snapshot?: boolean | undefined
  /**
   * Where to begin: behind a position of this gateway's tape, at the oldest event it has, or with what comes now. A
   * subscription that merges begins now, whatever it says. @default 'now'
   */
  readonly from?: TapePosition | 'start' | 'now' | undefined
}

export const SLOW_POLICIES = ['drop-oldest', 'conflate', 'close'] as const
export type SlowPolicy = (typeof SLOW_POLICIES)[number]

export interface TapePosition {
  readonly tape: string
  readonly seq: number
}

/** What a gateway says. */
export type ServerMessage =
  | Hello
  | Welcome
  | Subscribed
  | Answered
  | Batch
  | Live
  | Here
  | Unsubscribed
  | Refused

/** The first message of a connection. */
export interface Hello {
  readonly type: 'hello'
  readonly version: number
  /** `tickwire/0.1.0` */
  readonly server: string
  readonly encoding: Encoding
  /** What the data is, in one word, and in a sentence to be shown wherever its prices are; none where it is live. */
  readonly nature: string
  readonly banner?: string | undefined
  /** Where the tape stands. */
  readonly tape: string
  readonly seq: number
  /** The gateway's clock, epoch ms. */
  readonly time: number
  readonly sources: readonly SourceInfo[]
  /** A key has to be shown before anything is asked. */
  readonly needsKey: boolean
  readonly limits: Limits
}

export interface SourceInfo {
  readonly source: string
  readonly title: string
  readonly nature: string
  readonly banner?: string | undefined
  readonly state: string
  readonly kinds: readonly EventType[]
  readonly barIntervals: readonly Interval[]
  /** Kinds that can be had for every symbol at once. */
  readonly wildcard: readonly EventType[]
  readonly symbols?: readonly string[] | undefined
}

export interface Limits {
  readonly subscriptions: number
  readonly symbols: number
  /** Kinds of symbols in all subscriptions together: `source:kind:symbol`, each as often as it is subscribed. */
  readonly topics: number
  readonly messageBytes: number
  /** Events that may wait for a slow client, per subscription; together four times that. */
  readonly queuedEvents: number
  /** Something is said at least this often, ms. */
  readonly heartbeatMs: number
}

/** The key is good. */
export interface Welcome {
  readonly type: 'welcome'
  readonly name: string
  readonly scopes: readonly string[]
}

/** Where a subscription begins: exactly behind `position`. */
export interface Subscribed {
  readonly type: 'subscribed'
  readonly id: number
  readonly position: TapePosition
  /** With how things stand and what comes now, or behind a position of the client's. */
  readonly begins: 'now' | 'behind'
}

/** What the venues have said of a subscription's topics, `source:kind:symbol`. Again when more is known. */
export interface Answered {
  readonly type: 'answered'
  readonly id: number
  readonly accepted: readonly string[]
  readonly rejected: readonly {
    readonly topic: string
    readonly code: ErrorCode
    readonly message: string
    readonly hint?: string | undefined
  }[]
  /** No answer yet: asked for again until there is one. */
  readonly pending: readonly string[]
}

/**
 * `events`: what happened, in order, up to `seq`. `snapshot`: how things stand at `seq`: whole books, and the latest of each
 * kind, which are not news.
 */
export interface Batch {
  readonly type: 'events' | 'snapshot'
  readonly id: number
  readonly seq: number
  readonly events: readonly MarketEvent[]
}

/** All that had been missed has been sent: what follows comes as it happens. */
export interface Live {
  readonly type: 'live'
  readonly id: number
  readonly seq: number
}

/** Nothing up to `seq` is still to come, for any subscription that is live. */
export interface Here {
  readonly type: 'position'
  readonly seq: number
  readonly time: number
}

export interface Unsubscribed {
  readonly type: 'unsubscribed'
  readonly id: number
}

/** What was asked cannot be. With `id` that subscription does not exist; without, it is about the connection. */
export interface Refused {
  readonly type: 'error'
  readonly id?: number | undefined
  readonly code: ErrorCode | 'UNEXPECTED'
  readonly message: string
  readonly hint?: string | undefined
  /** Whether trying again can help. */
  readonly retryable: boolean
}

/** Codes a gateway closes a connection with; the reason says more. */
export const CLOSE = {
  /** It stops, or is replaced: come again. */
  restart: 1012,
  /** What was sent is no message of this protocol. */
  badMessage: 4400,
  /** No key, a wrong one, or one that was revoked. */
  auth: 4401,
  /** The client read too slowly. */
  slow: 4408,
  /** A quota is used up. */
  quota: 4429,
} as const
