import { type Clock, sleep, type Timer } from '../base/clock.ts'
import type { HttpGet } from '../base/http.ts'
import type { OpenSocket, SocketEnd, SocketEvents, SocketRequest } from '../base/socket.ts'
import type { VenueFrame, VenueHost, VenueLine, VenueWire } from './venue-wire.ts'

/**
 * An `OpenSocket` that ends at a venue in this process: no network, no time of its own. Messages keep their order
 * and arrive in a later microtask, or `latencyMs` later on the venue's clock.
 */
export function memoryTransport(host: VenueHost, clock: Clock, latencyMs = 0): OpenSocket {
  const later = (fn: () => void) => {
    if (latencyMs > 0) clock.setTimeout(fn, latencyMs)
    else queueMicrotask(fn)
  }
  return (request, events, clientClock) =>
    new MemoryLink(host, { request, events, clientClock }, clock, later).client
}

/** An `HttpGet` that ends at a venue in this process; questions and answers take as long as messages do. */
export function memoryHttp(host: VenueHost, clock: Clock, latencyMs = 0): HttpGet {
  const pass = () => (latencyMs > 0 ? sleep(clock, latencyMs) : Promise.resolve())
  return async ({ url, headers, body: asked, maxBytes }) => {
    await pass()
    const { pathname, search } = new URL(url)
    const names = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
    const question = {
      ...{ method: asked === undefined ? 'GET' : 'POST', url: pathname + search },
      ...{ headers: Object.fromEntries(names), ...(asked !== undefined && { body: asked }) },
    }
    const reply = host.reply(question)
    if (reply === 'unreachable') throw refusedConnection()
    // The client gives up by itself.
    if (reply === 'silence') return new Promise(() => {})
    await pass()
    const body = Buffer.from(reply.body)
    if (body.length > maxBytes) throw new RangeError(`an answer above ${maxBytes} bytes`)
    return { status: reply.status, headers: reply.headers, body }
  }
}

function refusedConnection(): Error {
  return Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
}

interface Client {
  readonly request: SocketRequest
  readonly events: SocketEvents
  readonly clientClock: Clock
}

/** Both ends of one connection. */
class MemoryLink implements VenueWire {
  readonly #client: Client
  readonly #clock: Clock
  readonly #later: (fn: () => void) => void
  #line: VenueLine | undefined
  /** The client has been told the end, or has made it. */
  #clientOver = false
  /** The venue has been told the end, or has made it. */
  #venueOver = false

  constructor(host: VenueHost, client: Client, clock: Clock, later: (fn: () => void) => void) {
    this.#client = client
    this.#clock = clock
    this.#later = later
    later(() => this.#open(host))
  }

  /** The client's end. */
  readonly client = {
    send: (frame: VenueFrame) => {
      if (this.#clientOver || !this.#line) return
      // The venue gets bytes of its own, as over a network.
      const text = typeof frame === 'string'
      const data = text ? Buffer.from(frame) : frame.slice()
      this.#later(() => {
        if (!this.#venueOver) this.#line?.receive(data, !text)
      })
    },
    ping: () => {
      if (this.#clientOver || !this.#line) return
      this.#later(() => {
        if (!this.#venueOver) this.#line?.ping(NOTHING)
      })
    },
    close: (code = 1_000, reason = '') => {
      if (!this.#line) {
        this.client.terminate()
        return
      }
      this.#later(() => {
        if (this.#venueOver || !this.#line?.answering) return
        this.#venueEnds(true)
        this.#later(() => this.#clientEnds({ code, reason }))
      })
    },
    terminate: () => {
      if (this.#clientOver) return
      this.#clientOver = true
      // The end is told later, as `ws` does; frames on their way are lost.
      queueMicrotask(() => this.#client.events.closed({ code: 1_006, reason: '' }))
      this.#later(() => this.#venueEnds(false))
    },
  }

  // The venue's end.

  /** The client takes everything at once: what piles up stands in the venue's own queue. */
  readonly bufferedBytes = 0

  send(frame: VenueFrame): void {
    if (this.#venueOver) return
    this.#later(() => this.#receive(frame))
  }

  drip(frame: VenueFrame, bytesPerSecond: number, forMs: number, done: () => void): Timer {
    const ms = Math.min(forMs, (frame.length / bytesPerSecond) * 1_000)
    return this.#clock.setTimeout(() => {
      this.send(frame)
      done()
    }, ms)
  }

  pong(): void {
    if (this.#venueOver) return
    this.#later(() => {
      if (!this.#clientOver) this.#client.events.pong()
    })
  }

  close(code: number, reason: string): void {
    if (this.#venueOver) return
    this.#later(() => this.#clientEnds({ code, reason }))
    this.#later(() => this.#venueEnds(true))
  }

  /** `ws` tells both ways of a cut alike. */
  cut(): void {
    if (this.#venueOver) return
    this.#venueEnds(false)
    this.#later(() => this.#clientEnds({ code: 1_006, reason: '' }))
  }

  #open(host: VenueHost): void {
    if (this.#clientOver) return
    const { request, events } = this.#client
    const { pathname, search } = new URL(request.url)
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(request.headers)) headers[name.toLowerCase()] = value
    const answer = host.admit({ path: pathname + search, headers })
    if (answer === 'unreachable') {
      this.#clientEnds({ code: 1_006, reason: '', error: refusedConnection() })
    } else if (typeof answer === 'object') {
      const { status, retryAfterMs } = answer
      const after = retryAfterMs === undefined ? {} : { retryAfterMs }
      this.#clientEnds({ code: 1_006, reason: '', httpStatus: status, ...after })
    } else {
      this.#line = answer(this)
      events.opened()
    }
  }

  #receive(frame: VenueFrame): void {
    if (this.#clientOver) return
    const { request, events, clientClock } = this.#client
    const text = typeof frame === 'string'
    const data = text ? Buffer.from(frame) : frame
    if (data.length > request.maxFrameBytes) {
      const code = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
      const error = Object.assign(new RangeError('Max payload size exceeded'), { code })
      this.#clientEnds({ code: 1_006, reason: '', error })
      this.#later(() => this.#venueEnds(true))
      return
    }
    events.frame(data, !text, clientClock.now())
  }

  #clientEnds(end: SocketEnd): void {
    if (this.#clientOver) return
    this.#clientOver = true
    this.#client.events.closed(end)
  }

  #venueEnds(clean: boolean): void {
    if (this.#venueOver) return
    this.#venueOver = true
    this.#line?.gone(clean)
  }
}

const NOTHING = new Uint8Array(0)
