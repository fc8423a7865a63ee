import type { Socket as NetSocket } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import type { Clock } from './clock.ts'
import {
  isSecure,
  type Network,
  type NetworkOptions,
  networkOf,
  openTunnel,
  secure,
  trust,
} from './network.ts'

/** A WebSocket as the engine sees it. One small interface, so that tests and other transports fit behind it. */
export interface Socket {
  send(frame: string | Uint8Array): void
  ping(): void
  /** Starts the closing handshake. `closed` follows. */
  close(code?: number, reason?: string): void
  /** Cuts the connection at once. `closed` follows. */
  terminate(): void
}

export interface SocketEvents {
  opened(): void
  /** A whole message; the bytes are only valid during the call. */
  frame(data: Uint8Array, binary: boolean, receivedAt: number): void
  pong(): void
  /** The end, called exactly once. `httpStatus` when the upgrade was refused; `error` when the network failed. */
  closed(end: SocketEnd): void
}

export interface SocketEnd {
  readonly code: number
  readonly reason: string
  readonly httpStatus?: number
  readonly retryAfterMs?: number
  readonly error?: Error
}

export interface SocketRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Subprotocols to ask for. @default none */
  readonly protocols?: readonly string[]
  /** Largest message accepted, bytes. */
  readonly maxFrameBytes: number
  readonly handshakeTimeoutMs: number
}

export type OpenSocket = (request: SocketRequest, events: SocketEvents, clock: Clock) => Socket

/**
 * A client socket on `ws`. Compression is not offered (in `ws` it costs a thread-pool trip per frame), UTF-8
 * is left to the decoders, and the receive time is read once per chunk off the network, not per message.
 */
export const openWebSocket: OpenSocket = webSockets()

/**
 * The same through a proxy, or trusting other certificates: for the option `openSocket` of a provider.
 * @throws BAD_OPTION for a proxy that is no http:// or https:// address
 */
export function webSockets(options: NetworkOptions = {}): OpenSocket {
  const network = networkOf(options)
  return (request, events, clock) => open(network, request, events, clock)
}

function open(
  network: Network,
  request: SocketRequest,
  events: SocketEvents,
  clock: Clock,
): Socket {
  const ended = new AbortController()
  const socket = new WebSocket(request.url, [...(request.protocols ?? [])], {
    ...way(network, new URL(request.url), ended.signal),
    headers: { ...request.headers },
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: request.maxFrameBytes,
    handshakeTimeout: request.handshakeTimeoutMs,
  })
  let receivedAt = 0
  let refused: Pick<SocketEnd, 'httpStatus' | 'retryAfterMs'> = {}
  let error: Error | undefined

  socket.on('upgrade', response => {
    stampChunks(response.socket, () => {
      receivedAt = clock.now()
    })
  })
  socket.on('open', () => events.opened())
  socket.on('message', (data: Buffer, binary) => events.frame(data, binary, receivedAt))
  socket.on('pong', () => events.pong())
  socket.on('unexpected-response', (_request, response) => {
    const retryAfterMs = parseRetryAfter(response.headers['retry-after'], Date.now())
    refused = {
      httpStatus: response.statusCode ?? 0,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    }
    response.resume()
    socket.terminate()
  })
  socket.on('error', cause => {
    error ??= cause
  })
  socket.on('close', (code, reason) => {
    ended.abort()
    const text = reason.toString()
    const failed = refused.httpStatus === undefined && error ? { error } : {}
    events.closed({ code, reason: text, ...refused, ...failed })
  })

  return {
    send: frame => {
      if (socket.readyState === WebSocket.OPEN) socket.send(frame)
    },
    ping: () => {
      if (socket.readyState === WebSocket.OPEN) socket.ping()
    },
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  }
}

/** What tells `ws` how to get there; `signal` gives up a tunnel that is still being made. */
function way(network: Network, url: URL, signal: AbortSignal): ClientOptions {
  const proxy = network.proxyFor(url)
  if (!proxy) return trust(network)
  const createConnection = (_options: unknown, done: (error: unknown, way?: NetSocket) => void) => {
    openTunnel(proxy, url, network, signal).then(
      tunnel => done(null, isSecure(url) ? secure(url, tunnel, network) : tunnel),
      error => done(error),
    )
  }
  // Node takes a connection by the callback as well; the types of `ws` know only the other way.
  return { createConnection: createConnection as unknown as ClientOptions['createConnection'] }
}

/** Runs before `ws` parses a chunk. The handler must stand first, whoever added one before. */
function stampChunks(socket: NetSocket, stamp: () => void): void {
  stamp()
  // `ws` adds its own listener right after this event; putting ours in front keeps the order whatever it does.
  socket.prependListener('data', stamp)
}

/** `Retry-After` as seconds or as an HTTP date, in ms from `now` (epoch ms); `undefined` when it says nothing. */
export function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined || text.trim() === '') return undefined
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1_000 : Date.parse(text) - now
  return ms > 0 ? ms : undefined
}
