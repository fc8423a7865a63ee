import type { Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { unreachable } from '../base/network.ts'
import { type OpenSocket, openWebSocket, type Socket, type SocketEnd } from '../base/socket.ts'
import { createEvent, type MarketEvent } from '../market/events.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import type {
  Answer,
  Control,
  Decoder,
  Fault,
  Inbox,
  Judgement,
  WebSocketDescription,
} from './description.ts'
import type { Connection, Link, Provider } from './provider.ts'
import { Requests } from './requests.ts'
import { Resyncs } from './resyncs.ts'
import { Selection } from './selection.ts'

export interface WebSocketOptions {
  /** The transport. @default `ws` */
  readonly openSocket?: OpenSocket
}

/** What `ws` calls a message above `maxPayload`. */
const TOO_LARGE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
/** Under what a refusal is counted that answers nothing. */
const UNASKED = 'an error about no open request'
/** Longest wait for the other side's part of the closing handshake, ms. */
const CLOSE_TIMEOUT_MS = 1_000

/** A provider from a venue's description: the life of a connection is written here, once for all venues. */
export function websocketProvider(
  description: WebSocketDescription,
  { openSocket = openWebSocket }: WebSocketOptions = {},
): Provider {
  return {
    id: description.id,
    capabilities: description.capabilities,
    ...(description.account !== undefined && { account: description.account }),
    symbol: text => description.symbol(text),
    connect: async link => {
      const { url: given } = description
      const { topics, clock, signal } = link
      const url = typeof given === 'string' ? given : await given({ topics, clock, signal })
      if (signal.aborted) throw new TickwireError('CLOSED', 'closed while connecting')
      const address = addressOf(url)
      try {
        return await new WebSocketConnection(description, link, openSocket, url, address).opened
      } catch (thrown) {
        if (thrown instanceof TickwireError) throw thrown
        throw badUrl(address, thrown)
      }
    },
  }
}

type Phase = 'opening' | 'welcome' | 'authenticating' | 'open' | 'closing' | 'closed'

/** One connection from open to the reason it ended. */
class WebSocketConnection implements Connection, Inbox {
  readonly opened: Promise<Connection>
  readonly ended: Promise<TickwireError | undefined>
  readonly #description: WebSocketDescription
  readonly #link: Link
  /** The address without what may be secret in it. */
  readonly #address: string
  readonly #socket: Socket
  readonly #decoder: Decoder
  /** What the decoder tells. */
  readonly #inbox: Inbox
  #phase: Phase = 'opening'
  #resolveOpened!: (connection: Connection) => void
  #rejectOpened!: (error: TickwireError) => void
  #resolveEnded!: (reason: TickwireError | undefined) => void
  /** Why it ends, once that is known; the socket's own end comes after. */
  #reason: TickwireError | undefined
  #deadline: Timer | undefined
  #pinger: Timer | undefined
  /** The end of the wait for an answer to a ping. */
  #silence: Timer | undefined
  /** Any frame proves that the other side lives; a pong may wait behind data. */
  #alive = false
  readonly #held = new Map<string, Topic>()
  /** Asked for and refused; a later confirmation may hold it after all. */
  readonly #refusals = new Map<string, Topic>()
  readonly #requests: Requests
  readonly #resyncs: Resyncs
  /** For the decoder: aborts with the connection. */
  readonly #life = new AbortController()
  /** What the decoder found in the frame at hand; both arrays serve every frame. */
  readonly #events: MarketEvent[] = []
  #count = 0
  readonly #controls: Control[] = []
  /** Why parts of it could not be read. */
  readonly #reasons: string[] = []
  /** Refusals told of that answer nothing. */
  readonly #told = new Set<string>()
  /** The venue has said that not one symbol more goes. */
  #full = false

  constructor(
    description: WebSocketDescription,
    link: Link,
    openSocket: OpenSocket,
    url: string,
    address: string,
  ) {
    this.#description = description
    this.#link = link
    this.#address = address
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve
      this.#rejectOpened = reject
    })
    this.ended = new Promise(resolve => {
      this.#resolveEnded = resolve
    })
    const { source, interest, clock, log } = link
    this.#resyncs = new Resyncs(clock)
    this.#requests = new Requests(description, clock, {
      send: frame => this.#socket.send(frame),
      held: () => this.#held.values(),
      lapsed: topics => this.#lapsed(topics),
    })
    const selection = description.selects ? undefined : new Selection(interest)
    this.#inbox = selection?.before(this) ?? this
    this.#decoder = description.decoder({
      ...{ source, interest, clock, log, signal: this.#life.signal },
      emit: (batch, receivedAt) => {
        if (this.#phase !== 'open') return
        const wanted = selection ? batch.filter(event => selection.has(event)) : batch
        if (wanted.length > 0) link.emit(wanted, receivedAt)
      },
      control: message => this.#onControl(message),
    })
    this.#socket = openSocket(
      {
        url,
        headers: description.headers ?? {},
        maxFrameBytes: description.maxFrameBytes,
        handshakeTimeoutMs: description.handshakeTimeoutMs,
      },
      {
        opened: () => this.#onOpen(),
        frame: (data, binary, receivedAt) => this.#onFrame(data, binary, receivedAt),
        pong: () => {
          this.#alive = true
        },
        closed: end => this.#onClosed(end),
      },
      clock,
    )
    this.#expect('the connection to open')
    link.signal.addEventListener('abort', this.#abort)
    if (link.signal.aborted) this.#abort()
  }

  subscribe(topics: readonly Topic[]): void {
    if (this.#phase !== 'open' || topics.length === 0) return
    const fresh = topics.filter(topic => !this.#requests.awaits(topic))
    for (const topic of fresh) this.#hold(formatTopic(topic), topic)
    this.#ask(fresh)
  }

  unsubscribe(topics: readonly Topic[]): void {
    if (this.#phase !== 'open' || topics.length === 0) return
    for (const topic of topics) {
      const key = formatTopic(topic)
      this.#held.delete(key)
      this.#refusals.delete(key)
    }
    this.#full = false
    this.#requests.release(topics)
    const held = [...this.#held.values()]
    this.#requests.ask(this.#description.unsubscribe(topics, held))
  }

  resync(topic: Topic, reason: string): void {
    const key = formatTopic(topic)
    if (this.#phase !== 'open' || !this.#held.has(key)) return
    this.#link.log.debug({ topic: key, reason }, 'asking for a book anew')
    this.#resyncs.ask(key, () => {
      if (this.#phase !== 'open' || !this.#held.has(key)) return
      const { resubscribe } = this.#description
      if (this.#decoder.resync) this.#decoder.resync(topic)
      else if (resubscribe) this.#requests.ask(resubscribe(topic, [...this.#held.values()]))
      else {
        this.unsubscribe([topic])
        this.subscribe([topic])
      }
    })
  }

  async close(): Promise<void> {
    this.#end(undefined)
    await this.ended
  }

  // Inbox: what the decoder reports while it reads a frame.

  event(event: MarketEvent): void {
    this.#events[this.#count++] = event
  }

  control(message: Control): void {
    this.#controls.push(message)
  }

  malformed(reason: string): void {
    this.#reasons.push(reason)
  }

  unknown(kind: string): void {
    this.#link.unknown(kind)
  }

  #onOpen(): void {
    if (this.#phase !== 'opening') return
    this.#ping()
    if (this.#description.welcomes) {
      this.#phase = 'welcome'
      this.#expect('the greeting')
    } else this.#greet()
  }

  #greet(): void {
    const frames = this.#description.greet?.()
    if (!frames) {
      this.#ready()
      return
    }
    this.#phase = 'authenticating'
    this.#expect('the answer to the authentication')
    this.#link.authenticating()
    for (const frame of frames) this.#requests.sendNow(frame)
    if (this.#description.unanswered) this.#ready()
  }

  #ready(): void {
    this.#deadline?.cancel()
    this.#phase = 'open'
    this.#link.opened()
    this.subscribe(this.#link.topics)
    this.#resolveOpened(this)
  }

  #onFrame(data: Uint8Array, binary: boolean, receivedAt: number): void {
    this.#alive = true
    if (this.#phase === 'closing' || this.#phase === 'closed') return
    if (this.#link.raw) this.#link.raw({ data, binary, receivedAt })
    this.#count = 0
    try {
      this.#decoder.decode(data, binary, receivedAt, this.#inbox)
    } catch (thrown) {
      // A decoder never throws; one that does has a fault of its own, which must not end the process.
      this.malformed(`the decoder failed: ${asError(thrown).message}`)
    }
    if (this.#count > 0) {
      if (this.#events.length !== this.#count) this.#events.length = this.#count
      this.#link.emit(this.#events, receivedAt)
    }
    // Told behind what could be read of it, which has come, while the rest is missing.
    if (this.#reasons.length > 0) {
      for (const reason of this.#reasons.splice(0)) this.#link.malformed(data, reason)
    }
    if (this.#controls.length > 0) {
      for (const message of this.#controls.splice(0)) this.#onControl(message)
    }
  }

  #onControl(message: Control): void {
    switch (message.type) {
      case 'welcome':
        if (this.#phase === 'welcome') this.#greet()
        break
      case 'ready':
        if (this.#phase === 'welcome' || this.#phase === 'authenticating') this.#ready()
        break
      case 'acknowledged':
        this.#onAck(message)
        break
      case 'confirmed':
        this.#onConfirmed(message)
        break
      case 'error': {
        const { code, name, message: said } = message
        this.#onError({ type: 'message', code, name, message: said }, message)
        break
      }
      case 'reply':
        this.#requests.sendNow(message.frame)
        break
      case 'refused':
        this.#rejected([...this.#held.values()].filter(message.covers), message.error)
        break
      case 'broken':
        this.#onBroken(message)
        break
      case 'leaving':
        if (this.#phase === 'open') this.#link.leaving?.()
        break
    }
  }

  /** Each confirmation answers the oldest request and shows the whole state, also of what was refused before. */
  #onAck({ covers }: Control & { type: 'acknowledged' }): void {
    const asked = this.#requests.take()
    for (const [key, topic] of this.#refusals) if (covers(topic)) this.#hold(key, topic)
    if (asked.length > 0) this.#full = false
    this.#link.acknowledged([...this.#held.values()].filter(covers))
    const missing = asked.filter(topic => this.#held.has(formatTopic(topic)) && !covers(topic))
    if (missing.length === 0) return
    this.#refuse(missing)
    const message = 'the venue left it out of its confirmation; it will be asked again'
    this.#link.rejected(missing, new TickwireError('VENUE_ERROR', message))
  }

  #onConfirmed(answer: Answer): void {
    // Where any message confirms, nearly all of them find nothing to confirm.
    if (!answer.covers && this.#requests.idle) return
    const topics = this.#requests.take(answer)
    const { id, covers } = answer
    // Named by itself, it may be one that was given up for unanswered.
    if (id === undefined && covers) {
      for (const [key, topic] of this.#refusals) {
        if (!covers(topic)) continue
        this.#hold(key, topic)
        topics.push(topic)
      }
    }
    if (topics.length > 0) this.#full = false
    const held = topics.filter(topic => this.#held.has(formatTopic(topic)))
    if (held.length === 0) return
    this.#link.acknowledged(held)
    this.#decoder.confirmed?.(held)
  }

  #onError(fault: Fault, answer: Answer): void {
    const judgement = this.#description.verdict(fault) ?? byDefault(fault)
    if (judgement.scope === 'ignore') {
      this.#link.log.debug({ fault }, 'ignored a message of the venue')
    } else if (judgement.scope === 'request' && this.#phase === 'open') {
      const topics = this.#requests.take(answer)
      if (topics.length === 0) this.#unasked(judgement.error)
      else if (answer.covers) this.#rejected(topics, judgement.error)
      else this.#refused(topics, judgement.error)
    } else this.#end(judgement.error)
  }

  /** A refusal that answers nothing: whom it concerns is not known, so everybody is told. */
  #unasked({ code, message: said }: TickwireError): void {
    const { source, clock, log } = this.#link
    this.#link.unknown(UNASKED)
    // Bounded, for a venue that goes on and on about it: the count goes on.
    if (this.#told.has(said) || this.#told.size >= 100) return
    this.#told.add(said)
    const message = `${UNASKED}: ${said}`
    log.warn({ code }, message)
    const now = clock.now()
    const time = { timestamp: Math.floor(now), receivedAt: now }
    const notice = { type: 'notice', notice: 'rejected', source, ...time, code, message } as const
    this.#link.emit([createEvent(notice)], now)
  }

  #onBroken({ covers, reason }: Control & { type: 'broken' }): void {
    const topics = [...this.#held.values()].filter(covers)
    if (this.#phase !== 'open' || topics.length === 0) return
    this.#link.broken(topics, reason)
    const { resubscribe } = this.#description
    const held = [...this.#held.values()]
    for (const topic of topics) {
      const starts = resubscribe ? resubscribe(topic, held).length > 0 : topic.kind === 'book'
      if (starts) this.resync(topic, reason)
    }
  }

  /** A refusal stands for the whole request: its halves are asked for again until what is at fault stands alone. */
  #refused(topics: readonly Topic[], error: TickwireError): void {
    const still = topics.filter(topic => this.#held.has(formatTopic(topic)))
    if (still.length === 0) return
    const limit = error.verdict === 'reshard'
    if (still.length > 1 && !(limit && this.#full)) {
      const middle = still.length >> 1
      this.#ask(still.slice(0, middle), still.slice(middle))
      return
    }
    if (limit) this.#full = true
    this.#rejected(still, error)
    if (!this.#description.replaces) return
    this.#requests.ask(this.#description.unsubscribe(still, [...this.#held.values()]))
  }

  #lapsed(topics: readonly Topic[]): void {
    const message = 'the venue did not answer; it will be asked again'
    this.#rejected(topics, new TickwireError('VENUE_ERROR', message))
  }

  #rejected(topics: readonly Topic[], error: TickwireError): void {
    const still = topics.filter(topic => this.#held.has(formatTopic(topic)))
    if (still.length === 0) return
    this.#refuse(still)
    this.#link.rejected(still, error)
  }

  #hold(key: string, topic: Topic): void {
    this.#refusals.delete(key)
    this.#held.set(key, topic)
  }

  #refuse(topics: readonly Topic[]): void {
    for (const topic of topics) {
      const key = formatTopic(topic)
      this.#held.delete(key)
      this.#refusals.set(key, topic)
    }
  }

  /** Asks for these, by messages of their own each. */
  #ask(...parts: readonly (readonly Topic[])[]): void {
    const held = [...this.#held.values()]
    const requests = parts.flatMap(topics =>
      topics.length > 0 ? this.#description.subscribe(topics, held) : [],
    )
    for (const { topics, refusal } of requests) if (refusal) this.#rejected(topics, refusal)
    this.#requests.ask(requests.filter(({ refusal }) => !refusal))
  }

  readonly #abort = () => this.#end(undefined)

  /** The next step of the opening must come in time. */
  #expect(what: string): void {
    this.#deadline?.cancel()
    const { handshakeTimeoutMs } = this.#description
    this.#deadline = this.#link.clock.setTimeout(() => {
      const message = `${this.#address}: waited ${handshakeTimeoutMs} ms for ${what}`
      this.#end(new TickwireError('HANDSHAKE_TIMEOUT', message))
    }, handshakeTimeoutMs)
  }

  /** A ping every `everyMs`, however long its answer takes. */
  #ping(): void {
    const { everyMs, frame } = this.#description.ping
    this.#pinger = this.#link.clock.setTimeout(() => {
      if (frame === undefined) {
        this.#socket.ping()
        this.#requests.pinged()
      } else this.#requests.sendNow(frame)
      this.#listen()
      this.#ping()
    }, everyMs)
  }

  /** Something must come within `timeoutMs` of a ping: of the first one, where several have not been answered. */
  #listen(): void {
    if (this.#silence && !this.#alive) return
    const { timeoutMs } = this.#description.ping
    this.#alive = false
    this.#silence?.cancel()
    this.#silence = this.#link.clock.setTimeout(() => {
      this.#silence = undefined
      if (this.#alive) return
      const message = `${this.#address}: no answer to a ping within ${timeoutMs} ms`
      this.#end(new TickwireError('MUTE', message))
    }, timeoutMs)
  }

  /**
   * Starts the end. An open connection is closed politely whatever the reason: a venue keeps the slot of one that is
   * cut. Where nobody answers, that would only take time.
   */
  #end(reason: TickwireError | undefined): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return
    const polite = this.#phase === 'open' && reason?.code !== 'MUTE'
    this.#phase = 'closing'
    this.#reason = reason
    this.#stop()
    if (!polite) {
      this.#socket.terminate()
      return
    }
    this.#socket.close(1000)
    this.#deadline = this.#link.clock.setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS)
  }

  #onClosed(end: SocketEnd): void {
    if (this.#phase === 'closed') return
    const { error } = end
    const [asked, connecting] = [this.#phase === 'closing', this.#phase === 'opening']
    this.#phase = 'closed'
    this.#stop()
    this.#link.signal.removeEventListener('abort', this.#abort)
    const reason = asked
      ? this.#reason
      : error && !connecting
        ? this.#broken(error)
        : this.#judge(end)
    this.#rejectOpened(reason ?? new TickwireError('CLOSED', 'closed while connecting'))
    this.#resolveEnded(reason)
  }

  /** There was a connection: the address and the network to it are right. */
  #broken(cause: Error): TickwireError {
    const { maxFrameBytes } = this.#description
    const { code } = cause as { code?: string }
    const why =
      code === TOO_LARGE ? `a message above the limit of ${maxFrameBytes} bytes` : cause.message
    return new TickwireError('CONNECTION_LOST', `connection lost: ${why}`, { cause })
  }

  #judge(end: SocketEnd): TickwireError {
    if (end.error) return unreachable(new URL(this.#address).host, end.error)
    const fault: Fault =
      end.httpStatus === undefined
        ? { type: 'close', code: end.code, reason: end.reason }
        : { type: 'upgrade', status: end.httpStatus, retryAfterMs: end.retryAfterMs }
    return (this.#description.verdict(fault) ?? byDefault(fault)).error
  }

  #stop(): void {
    this.#deadline?.cancel()
    this.#pinger?.cancel()
    this.#silence?.cancel()
    this.#requests.close()
    this.#resyncs.close()
    this.#life.abort()
  }
}

/** Protocol, host and path of an address: a user's password or a token in it must reach no message. */
function addressOf(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch (cause) {
    throw badUrl(text.replace(/[?#].*$/s, '').replace(/\/\/.*@/, '//'), cause)
  }
  const address = `${url.protocol}//${url.host}${url.pathname}`
  if ((url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.hash !== '') throw badUrl(address)
  return address
}

function badUrl(address: string, cause?: unknown): TickwireError {
  const hint =
    'It must begin with wss:// (or ws:// for a server of your own) and have no #fragment.'
  return new TickwireError('BAD_OPTION', `not a WebSocket address: ${address}`, { cause, hint })
}

/** How a fault is judged where the venue has no rule of its own. */
function byDefault(fault: Fault): Judgement {
  switch (fault.type) {
    case 'message': {
      const code = fault.code === undefined ? '' : ` ${fault.code}`
      const error = new TickwireError(
        'VENUE_ERROR',
        `the venue reports error${code}: ${fault.message}`,
      )
      return { scope: 'connection', error }
    }
    case 'close': {
      const why = fault.reason ? `: ${fault.reason}` : ''
      const error = new TickwireError('CONNECTION_LOST', `connection lost (${fault.code}${why})`)
      return { scope: 'connection', error }
    }
    case 'upgrade': {
      const { status, retryAfterMs } = fault
      const code =
        status === 401 || status === 403
          ? 'AUTH_FAILED'
          : status === 404
            ? 'NOT_FOUND'
            : status === 429
              ? 'RATE_LIMITED'
              : status === 451
                ? 'REGION_REFUSED'
                : 'UPGRADE_REFUSED'
      const error = new TickwireError(
        code,
        `the server refused the WebSocket with HTTP ${status}`,
        {
          retryAfterMs,
        },
      )
      return { scope: 'connection', error }
    }
  }
}
