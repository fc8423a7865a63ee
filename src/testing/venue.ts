import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Protocol, ProtocolSession } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import { VenueConnection } from './venue-connection.ts'
import { VenueSocket } from './venue-socket.ts'
import type { VenueHost, VenueRefusal } from './venue-wire.ts'

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

/** Largest message taken from a client, bytes. */
const MAX_MESSAGE_BYTES = 1_024 * 1_024

/**
 * Puts a host on 127.0.0.1: WebSockets and plain HTTP on one port.
 * @throws PORT_IN_USE
 */
export async function listenOn(host: VenueHost, options: ListenOptions = {}): Promise<Listener> {
  const { clock = systemClock() } = options
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // The venue answers pings itself, ahead of data that waits, or late where a test wants that.
    autoPong: false,
  })
  const clients = new Set<WebSocket>()
  const serve = (): Server => {
    const http = createServer((request, response) => {
      const { method = 'GET', url = '/' } = request
      const { status, headers, body } = host.answer({ method, url, headers: headersOf(request) })
      response.writeHead(status, headers)
      response.end(method === 'HEAD' ? undefined : body)
    })
    http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      const answer = host.admit({ path: request.url ?? '/', headers: headersOf(request) })
      if (typeof answer !== 'function') {
        refuse(stream, answer)
        return
      }
      sockets.handleUpgrade(request, stream, head, socket => {
        clients.add(socket)
        socket.on('close', () => clients.delete(socket))
        const wire = new VenueSocket(socket, stream, clock)
        wire.serve(answer(wire))
      })
    })
    return http
  }

  let http = serve()
  let closed = false
  let pausedUntil = 0
  let paused: { cancel(): void } | undefined
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
    // Somebody else may have taken the port meanwhile: then nobody listens, which clients see.
    listening(http, port).catch(() => http.close())
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
        http.closeAllConnections()
        http.close(() => resolve())
      }),
  }
}

function listening(http: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', (cause: NodeJS.ErrnoException) => {
      reject(cause.code === 'EADDRINUSE' ? inUse(port, cause) : cause)
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
 * @throws PORT_IN_USE
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
    answer: () => ({
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

function headersOf(request: IncomingMessage): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

function refuse(stream: Duplex, refusal: VenueRefusal): void {
  if (refusal === 'unreachable') {
    // The network's own refusal comes from nobody listening; a connection that slipped in before is reset.
    if (stream instanceof Socket) stream.resetAndDestroy()
    else stream.destroy()
    return
  }
  const { status, retryAfterMs } = refusal
  const after =
    retryAfterMs === undefined ? '' : `Retry-After: ${Math.ceil(retryAfterMs / 1_000)}\r\n`
  stream.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n${after}Content-Length: 0\r\n\r\n`)
}

function inUse(port: number, cause: Error): TickwireError {
  return new TickwireError('PORT_IN_USE', `another process listens on port ${port}`, {
    cause,
    hint: 'Choose another port, or 0 for any free one.',
  })
}
