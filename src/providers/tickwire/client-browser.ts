import type { Clock } from '../../base/clock.ts'
import type { OpenSocket, SocketEvents, SocketRequest } from '../../base/socket.ts'
import { type ClientOptions, type GatewayClient, openClient } from './client.ts'

export { TickwireError } from '../../base/errors.ts'
export type * from '../../market/events.ts'
export type {
  ClientOptions,
  ClientState,
  ClientStatus,
  EventHandler,
  GatewayClient,
} from './client.ts'
export type * from './messages.ts'
export type { ClientStream, ClientSubscription, StreamListener } from './subscription.ts'

/** As in Node, on the browser's own WebSocket; without a URL the gateway its page is from. @throws BAD_OPTION */
export function connect(options: string | ClientOptions = {}): GatewayClient {
  const given = typeof options === 'string' ? { url: options } : options
  const { location } = globalThis as unknown as { readonly location?: { readonly origin: string } }
  const here = location?.origin.startsWith('http') ? { url: location.origin } : {}
  return openClient({ openSocket: browserSocket, ...here, ...given })
}

const UTF8 = new TextEncoder()

const browserSocket: OpenSocket = (request: SocketRequest, events: SocketEvents, clock: Clock) => {
  const socket = new WebSocket(request.url, [...(request.protocols ?? [])])
  socket.binaryType = 'arraybuffer'
  let isOver = false
  const over = (code: number, reason: string, error?: Error) => {
    if (isOver) return
    isOver = true
    timer.cancel()
    events.closed({ code, reason, ...(error && { error }) })
  }
  // A browser waits as long as its system does.
  const timer = clock.setTimeout(() => {
    if (socket.readyState === socket.CONNECTING) socket.close()
  }, request.handshakeTimeoutMs)
  let hasOpened = false
  socket.onopen = () => {
    hasOpened = true
    events.opened()
  }
  socket.onmessage = ({ data }: { readonly data: unknown }) => {
    if (isOver) return
    if (typeof data === 'string') events.frame(UTF8.encode(data), false, clock.now())
    else events.frame(new Uint8Array(data as ArrayBuffer), true, clock.now())
  }
  socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) =>
    // Why it could not be opened a browser does not say.
    over(code, reason, hasOpened ? undefined : new Error('the browser could not open it'))
  return {
    send: frame => {
      if (socket.readyState === socket.OPEN) socket.send(frame as string)
    },
    // The browser answers pings, and sends none.
    ping: () => {},
    close: (code, reason) => socket.close(code, reason),
    terminate: () => {
      socket.close()
      over(1006, '')
    },
  }
}
