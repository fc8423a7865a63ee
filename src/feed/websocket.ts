import type { Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { type OpenSocket, openWebSocket, type Socket, type SocketEnd } from '../base/socket.ts'
import type { MarketEvent } from '../market/events.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import type {
  Control,
  Fault,
  Inbox,
  Judgement,
  Request,
  WebSocketDescription,
} from './description.ts'
import type { Connection, Link, Provider } from './provider.ts'

export interface WebSocketOptions {
  /** The transport. @default `ws` */
  readonly openSocket?: OpenSocket
}

/** What `ws` calls a message above `maxPayload`. */
const TOO_LARGE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
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
      const address = addressOf(description.url)
      try {
        return await new WebSocketConnection(description, link, openSocket, address).opened
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
  readonly #decoder
  #phase: Phase = 'opening'
  #resolveOpened!: (connection: Connection) => void
  #rejectOpened!: (error: TickwireError) => void
  #resolveEnded!: (reason: TickwireError | undefined) => void
  /** Why it ends, once that is known; the socket's own end comes after. */
  #reason: TickwireError | undefined
  #deadline: Timer | undefined
  #pinger: Timer | undefined
  /** Any frame proves that the other side lives; a pong may wait behind data. */
  #alive = false
  readonly #held = new Map<string, Topic>()
  /** Asked for and refused; a later confirmation may hold it after all. */
  readonly #refusals = new Map<string, Topic>()
  /** Requests the venue has not answered yet, oldest first. */
  readonly #unanswered: Request[] = []
  /** What the decoder found in the frame at hand; both arrays serve every frame. */
  readonly #events: MarketEvent[] = []
  #count = 0
  readonly #controls: Control[] = []
  /** Why parts of it could not be read. */
  readonly #reasons: string[] = []
  /** The venue has said that not one symbol more goes. */
  #full = false

  constructor(
    description: WebSocketDescription,
    link: Link,
    openSocket: OpenSocket,
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
    this.#decoder = description.decoder({ source: link.source, interest: link.interest })
    this.#socket = openSocket(
      {
        url: description.url,
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
      link.clock,
    )
    this.#expect('the connection to open')
    link.signal.addEventListener('abort', this.#abort)
    if (link.signal.aborted) this.#abort()
  }

  subscribe(topics: readonly Topic[]): void {
    if (this.#phase !== 'open' || topics.length === 0) return
    for (const topic of topics) this.#hold(formatTopic(topic), topic)
    this.#ask(this.#description.subscribe(topics, [...this.#held.values()]))
  }

  unsubscribe(topics: readonly Topic[]): void {
    if (this.#phase !== 'open' || topics.length === 0) return
    for (const topic of topics) {
      const key = formatTopic(topic)
      this.#held.delete(key)
      this.#refusals.delete(key)
    }
    this.#full = false
    this.#ask(this.#description.unsubscribe(topics, [...this.#held.values()]))
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
    for (const frame of frames) this.#socket.send(frame)
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
      this.#decoder.decode(data, binary, receivedAt, this)
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
      case 'error':
        this.#onError({ type: 'message', code: message.code, message: message.message })
        break
    }
  }

  /** Each confirmation answers the oldest request and shows the whole state, also of what was refused before. */
  #onAck({ covers }: Control & { type: 'acknowledged' }): void {
    const asked = this.#unanswered.shift()?.topics ?? []
    for (const [key, topic] of this.#refusals) if (covers(topic)) this.#hold(key, topic)
    if (asked.length > 0) this.#full = false
    this.#link.acknowledged([...this.#held.values()].filter(covers))
    const missing = asked.filter(topic => this.#held.has(formatTopic(topic)) && !covers(topic))
    if (missing.length === 0) return
    this.#refuse(missing)
    const message = 'the venue left it out of its confirmation; it will be asked again'
    this.#link.rejected(missing, new TickwireError('VENUE_ERROR', message))
  }

  #onError(fault: Fault): void {
    const judgement = this.#description.verdict(fault) ?? byDefault(fault)
    if (judgement.scope === 'ignore') {
      this.#link.log.debug({ fault }, 'ignored a message of the venue')
    } else if (judgement.scope === 'request' && this.#phase === 'open') {
      this.#refused(this.#unanswered.shift()?.topics ?? [], judgement.error)
    } else this.#end(judgement.error)
  }

  /** A refusal stands for the whole request: its halves are asked for again until what is at fault stands alone. */
  #refused(topics: readonly Topic[], error: TickwireError): void {
    const still = topics.filter(topic => this.#held.has(formatTopic(topic)))
    if (still.length === 0) return
    const limit = error.verdict === 'reshard'
    if (still.length > 1 && !(limit && this.#full)) {
      const middle = still.length >> 1
      const held = [...this.#held.values()]
      this.#ask(this.#description.subscribe(still.slice(0, middle), held))
      this.#ask(this.#description.subscribe(still.slice(middle), held))
      return
    }
    if (limit) this.#full = true
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

  #ask(requests: readonly Request[]): void {
    for (const request of requests) {
      this.#unanswered.push(request)
      this.#socket.send(request.frame)
    }
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

  #ping(): void {
    const { everyMs, timeoutMs, frame } = this.#description.ping
    this.#pinger = this.#link.clock.setTimeout(() => {
      this.#alive = false
      if (frame === undefined) this.#socket.ping()
      else this.#socket.send(frame)
      this.#pinger = this.#link.clock.setTimeout(() => {
        if (this.#alive) this.#ping()
        else {
          const message = `${this.#address}: no answer to a ping within ${timeoutMs} ms`
          this.#end(new TickwireError('MUTE', message))
        }
      }, timeoutMs)
    }, everyMs)
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
    this.#stopTimers()
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
    this.#stopTimers()
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
    if (end.error) return unreachable(this.#address, end.error)
    const fault: Fault =
      end.httpStatus === undefined
        ? { type: 'close', code: end.code, reason: end.reason }
        : { type: 'upgrade', status: end.httpStatus, retryAfterMs: end.retryAfterMs }
    return (this.#description.verdict(fault) ?? byDefault(fault)).error
  }

  #stopTimers(): void {
    this.#deadline?.cancel()
    this.#pinger?.cancel()
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

function unreachable(address: string, cause: Error): TickwireError {
  const { host } = new URL(address)
  const { code } = asError(cause) as { code?: string }
  const why = code && code in NETWORK ? NETWORK[code as keyof typeof NETWORK] : cause.message
  return new TickwireError('UNREACHABLE', `${host}: ${why}`, {
    cause,
    hint: 'Check the network, a proxy or firewall, and the address.',
  })
}

const NETWORK = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name could not be looked up (no network?)',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no network',
} as const
