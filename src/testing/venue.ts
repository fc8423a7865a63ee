import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Clock, systemClock } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Protocol, ProtocolSession } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { VenueConnection } from './venue-connection.ts'
import { VenueSocket } from './venue-socket.ts'
import type { VenueHost, VenueLine, VenueWire } from './venue-wire.ts'

export interface ListenOptions {
  /** @default 0, which takes any free port */
  readonly port?: number | undefined
  readonly clock?: Clock
}

/** A venue's place on this machine. */
export interface Listener {
  /** `ws://127.0.0.1:PORT`; the protocol's path goes behind it. */
  readonly url: string
  /** `http://127.0.0.1:PORT` */
  readonly httpUrl: string
  readonly port: number
  /** Nobody listens for so long: connections are refused; open ones stay. */
  pause(ms: number): void
  /** Cuts every connection and stops listening. May be called twice. */
  close(): Promise<void>
}

/** How long after a vain attempt to listen again the next one is made, ms. */
const LISTEN_AGAIN_MS = 1_000
/** Largest message taken from a client, bytes. */
const MAX_MESSAGE_BYTES = 1_024 * 1_024

/**
 * Puts a host on 127.0.0.1: WebSockets and plain HTTP on one port.
 * @throws PORT_IN_USE, or BAD_OPTION for a port this user may not have
 */
export async function listenOn(host: VenueHost, options: ListenOptions = {}): Promise<Listener> {
  const { clock = systemClock() } = options
  const admitted = new WeakMap<IncomingMessage, (wire: VenueWire) => VenueLine>()
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // The venue answers pings itself, ahead of data that waits, or late where a test wants that.
    autoPong: false,
    // Asked only when the upgrade is sound: whoever is admitted takes a place.
    verifyClient: ({ req }, decide) => {
      const { socket } = req
      // Gone already: `ws` would drop it without a word.
      if (!socket.readable || !socket.writable) return void socket.destroy()
      const answer = host.admit({ path: req.url ?? '/', headers: headersOf(req) })
      if (typeof answer === 'function') {
        admitted.set(req, answer)
        decide(true)
      } else if (answer === 'unreachable') {
        // The network's own refusal comes from nobody listening; what slipped in before is reset.
        socket.resetAndDestroy()
      } else {
        const { status, retryAfterMs } = answer
        const after = retryAfterMs === undefined ? {} : { 'Retry-After': secondsOf(retryAfterMs) }
        decide(false, status, '', after)
      }
    },
  })
  const clients = new Set<WebSocket>()
  /** Streams that asked for another protocol; the HTTP server no longer counts them as its own. */
  const strays = new Set<Duplex>()
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url = '/' } = request
    const body = method === 'POST' ? await bodyOf(request) : undefined
    const headers = headersOf(request)
    const reply = host.reply({ method, url, headers, ...(body !== undefined && { body }) })
    if (reply === 'silence') return
    if (reply === 'unreachable') {
      request.socket.resetAndDestroy()
      return
    }
    response.writeHead(reply.status, reply.headers)
    response.end(method === 'HEAD' ? undefined : reply.body)
  }
  /** HTTP/2 over plain text (curl --http2) and the like: an offer, which a server may pass over. */
  const passOver = (request: IncomingMessage, stream: Socket) => {
    strays.add(stream)
    // Node lets go of a stream with an upgrade, its errors included.
    stream.on('error', () => stream.destroy())
    stream.on('close', () => strays.delete(stream))
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(stream)
    response.on('finish', () => stream.end())
    answer(request, response)
  }
  const serve = (): Server => {
    const http = createServer(answer)
    http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
        passOver(request, request.socket)
        return
      }
      sockets.handleUpgrade(request, stream, head, socket => {
        clients.add(socket)
        socket.on('close', () => clients.delete(socket))
        const wire = new VenueSocket(socket, stream, clock)
        wire.serve(admitted.get(request)!(wire))
      })
    })
    return http
  }

  let http = serve()
  let closed = false
  let pausedUntil = 0
  let paused: { cancel(): void } | undefined
  let deaf = false
  await listening(http, options.port ?? 0)
  const { port } = http.address() as AddressInfo
  const resume = () => {
    paused = undefined
    if (closed) return
    const left = pausedUntil - clock.now()
    if (left > 0) {
      paused = clock.setTimeout(resume, left)
      return
    }
    http = serve()
    listening(http, port).then(
      () => {
        deaf = false
      },
      error => {
        if (closed) return
        if (!deaf) host.deaf?.(port, asError(error))
        deaf = true
        paused = clock.setTimeout(resume, LISTEN_AGAIN_MS)
      },
    )
  }

  return {
    url: `ws://127.0.0.1:${port}`,
    httpUrl: `http://127.0.0.1:${port}`,
    port,
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, clock.now() + ms)
      if (closed || paused) return
      http.close()
      http.closeIdleConnections()
      paused = clock.setTimeout(resume, ms)
    },
    close: () =>
      new Promise(resolve => {
        closed = true
        paused?.cancel()
        for (const socket of clients) socket.terminate()
        for (const stream of strays) stream.destroy()
        http.closeAllConnections()
        http.close(() => resolve())
      }),
  }
}

function listening(http: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') reject(inUse(port, cause))
      else reject(cause.code === 'EACCES' ? forbidden(port, cause) : cause)
    })
    http.listen(port, '127.0.0.1', resolve)
  })
}

export interface VenueOptions {
  /** @default 0, which takes any free port */
  readonly port?: number
}

/** A protocol on a real WebSocket server on this machine, without faults. */
export interface Venue {
  /** `ws://127.0.0.1:PORT`; the protocol's path goes behind it. */
  readonly url: string
  readonly port: number
  /** The clients connected now. */
  readonly sessions: readonly ProtocolSession[]
  /** Hands events to every client; each gets what it has subscribed to. */
  deliver(batch: readonly MarketEvent[]): void
  /** Cuts every connection without a closing handshake, as a failing network does. */
  cut(): void
  /** Cuts every connection and stops listening. */
  close(): Promise<void>
}

/**
 * Serves a protocol on 127.0.0.1. For faults and history see `scriptedVenue`.
 * @throws PORT_IN_USE, or BAD_OPTION for a port this user may not have
 */
export async function startVenue(protocol: Protocol, options: VenueOptions = {}): Promise<Venue> {
  const clock = systemClock()
  const connections = new Set<VenueConnection>()
  let ids = 0
  const host: VenueHost = {
    admit(request) {
      const ended = (one: VenueConnection) => connections.delete(one)
      const connection = new VenueConnection(++ids, request.path, clock, false, ended)
      const session = protocol.accept(request, connection)
      if ('status' in session) return session
      connection.attach(session)
      connections.add(connection)
      return wire => {
        connection.carry(wire)
        return connection
      }
    },
    reply: () => ({
      status: 426,
      headers: { 'content-type': 'text/plain' },
      body: 'this server speaks WebSocket only\n',
    }),
  }
  const listener = await listenOn(host, { clock, ...options })
  const sessions = () => [...connections].flatMap(({ session }) => session ?? [])
  return {
    url: listener.url,
    port: listener.port,
    get sessions() {
      return sessions()
    },
    deliver: batch => {
      for (const session of sessions()) session.deliver(batch)
    },
    cut: () => {
      for (const connection of [...connections]) connection.cut()
    },
    close: async () => {
      for (const connection of [...connections]) connection.cut()
      await listener.close()
    },
  }
}

/** What came with a question; of one that is too long, or that breaks off, nothing. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes <= MAX_MESSAGE_BYTES) chunks.push(chunk)
    }
  } catch {
    // The client is gone: nobody waits for an answer.
    return undefined
  }
  return bytes <= MAX_MESSAGE_BYTES ? Buffer.concat(chunks).toString() : undefined
}

function headersOf(request: IncomingMessage): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

const secondsOf = (ms: number) => String(Math.ceil(ms / 1_000))

function inUse(port: number, cause: Error): TickwireError {
  return new TickwireError('PORT_IN_USE', `another process listens on port ${port}`, {
    cause,
    hint: 'Choose another port, or 0 for any free one.',
  })
}

function forbidden(port: number, cause: Error): TickwireError {
  return new TickwireError('BAD_OPTION', `this user may not listen on port ${port}`, {
    cause,
    hint: 'Choose a port above 1023, or 0 for any free one.',
  })
}
