import { Backoff, type BackoffOptions } from '../../base/backoff.ts'
import { type Clock, systemClock, type Timer } from '../../base/clock.ts'
import { asError, type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { OpenSocket, Socket, SocketEnd } from '../../base/socket.ts'
import type { MarketEvent } from '../../market/events.ts'
import { decodeMessage } from './decode.ts'
import {
  CLOSE,
  type ClientMessage,
  DEFAULT_PORT,
  type Encoding,
  type Hello,
  type Refused,
  type ServerMessage,
  STREAM_PATH,
  type StreamRequest,
  SUBPROTOCOLS,
  VERSION,
} from './messages.ts'
import {
  type ClientStream,
  type ClientSubscription,
  OpenSubscription,
  type StreamListener,
  SubscriptionStream,
} from './subscription.ts'

export interface ClientOptions {
  /** Of the gateway: http(s) or ws(s). @default 'ws://127.0.0.1:8425', in a browser where its page is from */
  readonly url?: string
  /** As `tickwire keys create` showed it. @default none; a page's cookie counts */
  readonly key?: string
  /** How messages are written: `blocks` are the smallest and quickest to read. @default 'json' */
  readonly encoding?: Encoding
  /** Waits between attempts to connect. */
  readonly backoff?: BackoffOptions
  readonly clock?: Clock
  /** Chance for jitter. @default Math.random */
  readonly random?: Random
  /** Another way to open sockets. */
  readonly openSocket?: OpenSocket
}

/** `connecting` · `open` · `waiting` before the next attempt · `closed`, for good. */
export type ClientState = 'connecting' | 'open' | 'waiting' | 'closed'

/** How a client is. */
export interface ClientStatus {
  readonly state: ClientState
  /** Why the last connection ended, or was not made. */
  readonly reason?: TickwireError | undefined
}

/** Takes an event; `isSnapshot`: it says how things stand, and is no news. */
export type EventHandler = (event: MarketEvent, isSnapshot: boolean) => void

/**
 * A client of a gateway. It connects at once, again whenever the connection is lost, and goes on behind the last event it
 * had: nothing is missing and nothing comes twice, or a notice (`skipped`, `dropped`, `reset`) says what is.
 */
export interface GatewayClient {
  readonly state: ClientState
  /** What the gateway said of itself, on the last connection; see its `banner` before you show prices. */
  readonly hello: Hello | undefined
  /** The first greeting. Rejects when the gateway refuses the client first, or the client is closed. */
  readonly ready: Promise<Hello>
  /** Resolves when the client is closed; rejects when the gateway has refused it. */
  readonly done: Promise<void>
  /** Subscribes a handler. */
  subscribe(request: StreamRequest, handler: EventHandler | StreamListener): ClientSubscription
  /** Gives a stream to loop over. */
  subscribe(request: StreamRequest): ClientStream
  /** Hears of each change of the connection, from the present state on. Returns what ends it. */
  watch(watcher: (status: ClientStatus) => void): () => void
  /** Ends the connection and all subscriptions. May be called twice. */
  close(): void
}

const HANDSHAKE_MS = 10_000
/** Larger than any frame a gateway sends. */
const FRAME_BYTES = 64 * 1_024 * 1_024
/** So many heartbeats may be missing. */
const MUTE_BEATS = 3

/** The code of a refused upgrade; any other status may be another one next time. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'KEY_REFUSED',
  403: 'ORIGIN_REFUSED',
  404: 'NOT_FOUND',
  421: 'HOST_REFUSED',
  429: 'QUOTA_EXCEEDED',
}

/** @throws BAD_OPTION for a URL or encoding that cannot be */
export function openClient(options: ClientOptions & { openSocket: OpenSocket }): GatewayClient {
  return new Client(options)
}

class Client implements GatewayClient {
  readonly ready: Promise<Hello>
  readonly done: Promise<void>
  readonly #url: string
  readonly #key: string | undefined
  readonly #protocol: string
  readonly #clock: Clock
  readonly #openSocket: OpenSocket
  readonly #backoff: Backoff
  readonly #subscriptions = new Map<number, OpenSubscription>()
  readonly #watchers = new Set<(status: ClientStatus) => void>()
  #lastId = 0
  #status: ClientStatus = { state: 'connecting' }
  #hello: Hello | undefined
  #socket: Socket | undefined
  /** It has greeted, and takes what is asked. */
  #isOpen = false
  #timer: Timer | undefined
  #mute: Timer | undefined
  /** What the gateway said before it ended the connection. */
  #said: Refused | undefined
  readonly #greeting = new Settled<Hello>()
  readonly #ending = new Settled<void>()

  constructor(options: ClientOptions & { openSocket: OpenSocket }) {
    const { key, encoding = 'json', backoff = {}, clock = systemClock(), random } = options
    this.#url = streamUrl(options.url ?? `ws://127.0.0.1:${DEFAULT_PORT}`)
    this.#key = key
    this.#protocol = protocolOf(encoding)
    this.#clock = clock
    this.#openSocket = options.openSocket
    this.#backoff = new Backoff({ maxMs: 15_000, ...backoff }, random ?? Math.random)
    this.ready = this.#greeting.promise
    this.done = this.#ending.promise
    // Of an end nobody asked for, `done` tells; whoever awaits `ready` hears of it there.
    this.ready.catch(() => {})
    this.#connect()
  }

  get state(): ClientState {
    return this.#status.state
  }

  get hello(): Hello | undefined {
    return this.#hello
  }

  subscribe(request: StreamRequest, handler: EventHandler | StreamListener): ClientSubscription
  subscribe(request: StreamRequest): ClientStream
  subscribe(
    request: StreamRequest,
    handler?: EventHandler | StreamListener,
  ): ClientSubscription | SubscriptionStream {
    if (this.state === 'closed') throw new TickwireError('CLOSED', 'the client is closed')
    if (handler === undefined)
      return new SubscriptionStream(this.#clock, it => this.#add(request, it))
    if (typeof handler !== 'function') return this.#add(request, handler)
    return this.#add(request, {
      batch: (events, isSnapshot) => {
        for (const event of events) handler(event, isSnapshot)
      },
    })
  }

  watch(watcher: (status: ClientStatus) => void): () => void {
    this.#watchers.add(watcher)
    watcher(this.#status)
    return () => void this.#watchers.delete(watcher)
  }

  close(): void {
    this.#end(undefined)
  }

  #add(request: StreamRequest, listener: StreamListener): OpenSubscription {
    const subscription = new OpenSubscription(++this.#lastId, request, listener, gone => {
      if (this.#subscriptions.delete(gone.id) && this.#isOpen) {
        this.#send({ type: 'unsubscribe', id: gone.id })
      }
    })
    this.#subscriptions.set(subscription.id, subscription)
    if (this.#isOpen) this.#send(subscription.message)
    return subscription
  }

  #connect(): void {
    this.#timer = undefined
    this.#said = undefined
    this.#tell({ state: 'connecting', reason: this.#status.reason })
    const request = {
      ...{ url: this.#url, headers: {}, protocols: [this.#protocol] },
      ...{ maxFrameBytes: FRAME_BYTES, handshakeTimeoutMs: HANDSHAKE_MS },
    }
    const socket = this.#openSocket(
      request,
      {
        opened: () => this.#hear(HANDSHAKE_MS),
        frame: (data, binary) => {
          if (socket === this.#socket) this.#receive(data, binary)
        },
        pong: () => {},
        closed: end => {
          if (socket === this.#socket) this.#lost(end)
        },
      },
      this.#clock,
    )
    this.#socket = socket
  }

  #receive(data: Uint8Array, binary: boolean): void {
    let message: ServerMessage
    try {
      message = decodeMessage(binary ? data : UTF8.decode(data))
    } catch (cause) {
      const reason = `what came is no message: ${asError(cause).message}`
      this.#said = { type: 'error', code: 'BAD_EVENT', message: reason, retryable: true }
      this.#socket?.terminate()
      return
    }
    this.#hear((this.#hello?.limits.heartbeatMs ?? HANDSHAKE_MS) * MUTE_BEATS)
    this.#take(message)
  }

  #take(message: ServerMessage): void {
    const tape = this.#hello?.tape ?? ''
    switch (message.type) {
      case 'hello':
        this.#greeted(message)
        break
      case 'welcome':
        this.#opened()
        break
      case 'events':
      case 'snapshot':
        this.#subscriptions.get(message.id)?.batch(message, tape)
        break
      case 'subscribed':
        this.#subscriptions.get(message.id)?.begins(message)
        break
      case 'live':
        this.#subscriptions.get(message.id)?.live(tape, message.seq)
        break
      case 'position':
        for (const it of this.#subscriptions.values()) it.here(tape, message.seq)
        break
      case 'answered':
        this.#subscriptions.get(message.id)?.answered(message)
        break
      case 'error':
        this.#refused(message)
        break
      default:
      // `unsubscribed` is as expected; a newer gateway may say more.
    }
  }

  #greeted(hello: Hello): void {
    if (hello.version !== VERSION) {
      const message = `the gateway speaks version ${hello.version} of the protocol, this client ${VERSION}`
      this.#end(new TickwireError('UNSUPPORTED', message, { hint: 'Update the older one.' }))
      return
    }
    this.#hello = hello
    if (!hello.needsKey && this.#key === undefined) return
    if (this.#key !== undefined) this.#send({ type: 'auth', key: this.#key })
    else {
      const hint =
        'Give the option key (TICKWIRE_KEY on the command line); `tickwire keys create NAME` makes one.'
      this.#end(new TickwireError('KEY_REQUIRED', 'this gateway wants a key', { hint }))
    }
  }

  #opened(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#backoff.reset()
    this.#greeting.resolve(this.#hello!)
    // Before the word of it: who subscribes upon that word sends by himself.
    for (const subscription of this.#subscriptions.values()) this.#send(subscription.message)
    this.#tell({ state: 'open' })
  }

  #refused(message: Refused): void {
    const subscription = message.id === undefined ? undefined : this.#subscriptions.get(message.id)
    if (!subscription) {
      this.#said = message
      return
    }
    if (subscription.refused(message, this.#clock.now())) this.#subscriptions.delete(message.id!)
    else this.#send(subscription.message)
  }

  #lost(end: SocketEnd): void {
    this.#socket = undefined
    this.#isOpen = false
    this.#mute?.cancel()
    for (const subscription of this.#subscriptions.values()) subscription.interrupted()
    const reason = reasonOf(end, this.#said, this.#url)
    if (isFinal(end, reason)) {
      this.#end(reason)
      return
    }
    this.#tell({ state: 'waiting', reason })
    const pace = reason.verdict === 'slow' || end.code === CLOSE.quota ? 'slow' : 'retry'
    const wait = this.#backoff.next(pace, reason.retryAfterMs)
    this.#timer = this.#clock.setTimeout(() => this.#connect(), wait)
  }

  /** Something was heard: the next thing has to come within `ms`. */
  #hear(ms: number): void {
    this.#mute?.cancel()
    const socket = this.#socket
    this.#mute = this.#clock.setTimeout(() => {
      const message = `nothing came for ${Math.round(ms / 1_000)} s`
      this.#said = { type: 'error', code: 'MUTE', message, retryable: true }
      socket?.terminate()
    }, ms)
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message))
  }

  #tell(status: ClientStatus): void {
    this.#status = status
    for (const watcher of [...this.#watchers]) watcher(status)
  }

  #end(reason: TickwireError | undefined): void {
    if (this.state === 'closed') return
    this.#timer?.cancel()
    this.#mute?.cancel()
    const socket = this.#socket
    this.#socket = undefined
    this.#isOpen = false
    socket?.close(1000, '')
    const closed = reason ?? new TickwireError('CLOSED', 'the client is closed')
    for (const subscription of this.#subscriptions.values()) subscription.end(closed)
    this.#subscriptions.clear()
    this.#greeting.reject(closed)
    if (reason) this.#ending.reject(reason)
    else this.#ending.resolve()
    this.#tell({ state: 'closed', ...(reason && { reason }) })
  }
}

/** A promise, and what settles it. */
class Settled<T> {
  resolve!: (value: T) => void
  reject!: (error: TickwireError) => void
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve
    this.reject = reject
  })
}

const UTF8 = new TextDecoder()

/** What Node calls a certificate it does not trust. */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_/

/** What it says of itself may help to tell what ended a connection. */
function reasonOf(end: SocketEnd, said: Refused | undefined, url: string): TickwireError {
  if (said) {
    const code = said.code === 'UNEXPECTED' ? 'VENUE_ERROR' : said.code
    return new TickwireError(code, said.message, { hint: said.hint })
  }
  if (end.httpStatus !== undefined) {
    const code = BY_STATUS[end.httpStatus] ?? 'UPGRADE_REFUSED'
    const hint = `Ask it why: curl -i ${url.replace(/^ws/, 'http')}`
    const { retryAfterMs } = end
    return new TickwireError(code, `the gateway answered ${end.httpStatus}`, { hint, retryAfterMs })
  }
  if (end.error) {
    const hint = UNTRUSTED.test((end.error as { code?: string }).code ?? '')
      ? 'Its certificate is not trusted here: NODE_EXTRA_CA_CERTS=FILE names who signed it.'
      : 'Is a gateway running there? `tickwire serve` starts one; with certificates it is at wss://.'
    const message = `no connection to ${url}: ${end.error.message}`
    return new TickwireError('UNREACHABLE', message, { hint, cause: end.error })
  }
  const { code, reason } = end
  return new TickwireError('CONNECTION_LOST', `the gateway closed: ${code} ${reason}`.trim())
}

/** Only a change by the user helps: a key, an address, a version. */
function isFinal({ code, httpStatus = 0 }: SocketEnd, reason: TickwireError): boolean {
  if (code === CLOSE.auth || code === CLOSE.badMessage) return true
  return httpStatus >= 400 && httpStatus < 500 && httpStatus !== 429 && reason.fatal
}

/** @throws BAD_OPTION */
export function streamUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch (cause) {
    throw badUrl(`${text} is no address`, cause)
  }
  if (!/^(ws|http)s?:$/.test(url.protocol)) throw badUrl(`${text} is neither ws(s) nor http(s)`)
  url.protocol = url.protocol.replace('http', 'ws')
  if (url.pathname === '/') url.pathname = STREAM_PATH
  return url.href
}

const badUrl = (what: string, cause?: unknown) =>
  new TickwireError('BAD_OPTION', what, { hint: 'As in ws://127.0.0.1:8425.', cause })

function protocolOf(encoding: Encoding): string {
  const found = Object.entries(SUBPROTOCOLS).find(([, name]) => name === encoding)
  if (found) return found[0]
  const known = Object.values(SUBPROTOCOLS).join(', ')
  throw new TickwireError('BAD_OPTION', `no encoding ${encoding}`, { hint: `There are: ${known}.` })
}
