import type { Clock } from '../base/clock.ts'
import type { OpenSocket, SocketEnd, SocketEvents, SocketRequest } from '../base/socket.ts'

/** The far end of a socket that exists only in memory: what a test sees and does in the venue's place. */
export interface ScriptedSocket {
  readonly request: SocketRequest
  /** What the client sent, text as text. */
  readonly sent: (string | Uint8Array)[]
  readonly pings: number
  readonly closed: boolean
  /** Called with each frame the client sends; set by a script that answers. */
  onSent: ((frame: string | Uint8Array) => void) | undefined
  /**
   * Called when the client starts the end, politely or not; set by a script that leaves a `close` unanswered. Without
   * it the end follows at once.
   */
  onClosing: ((how: 'close' | 'terminate') => void) | undefined
  /** Accepts the connection. */
  open(): void
  send(frame: string | Uint8Array): void
  pong(): void
  /** Ends the connection from the venue's side or by the network. */
  end(end?: Partial<SocketEnd>): void
}

export interface ScriptedSockets {
  readonly openSocket: OpenSocket
  /** Every socket opened so far, oldest first. */
  readonly sockets: readonly ScriptedSocket[]
  readonly last: ScriptedSocket
  /** Sockets that are open or opening. */
  readonly live: number
}

/** An `OpenSocket` for `websocketProvider` without a network: `script` plays the venue for each new socket. */
export function scriptedSockets(script?: (socket: ScriptedSocket) => void): ScriptedSockets {
  const sockets: MemorySocket[] = []
  return {
    openSocket: (request, events, clock) => {
      const socket = new MemorySocket(request, events, clock)
      sockets.push(socket)
      if (script) queueMicrotask(() => script(socket))
      return socket.client
    },
    sockets,
    get last() {
      const last = sockets.at(-1)
      if (!last) throw new Error('no socket has been opened')
      return last
    },
    get live() {
      return sockets.filter(socket => !socket.closed).length
    },
  }
}

class MemorySocket implements ScriptedSocket {
  readonly sent: (string | Uint8Array)[] = []
  pings = 0
  closed = false
  onSent: ((frame: string | Uint8Array) => void) | undefined
  onClosing: ((how: 'close' | 'terminate') => void) | undefined
  readonly client = {
    send: (frame: string | Uint8Array) => {
      if (this.closed) return
      this.sent.push(frame)
      queueMicrotask(() => this.onSent?.(frame))
    },
    ping: () => {
      this.pings++
    },
    close: (code = 1000, reason = '') => {
      this.onClosing?.('close')
      if (!this.onClosing) queueMicrotask(() => this.end({ code, reason }))
    },
    terminate: () => {
      this.onClosing?.('terminate')
      queueMicrotask(() => this.end({ code: 1006 }))
    },
  }

  constructor(
    readonly request: SocketRequest,
    readonly events: SocketEvents,
    readonly clock: Clock,
  ) {}

  open(): void {
    if (!this.closed) this.events.opened()
  }

  send(frame: string | Uint8Array): void {
    if (this.closed) return
    const text = typeof frame === 'string'
    const data = text ? Buffer.from(frame) : frame
    this.events.frame(data, !text, this.clock.now())
  }

  pong(): void {
    if (!this.closed) this.events.pong()
  }

  end(end: Partial<SocketEnd> = {}): void {
    if (this.closed) return
    this.closed = true
    this.events.closed({ code: 1006, reason: '', ...end })
  }
}
