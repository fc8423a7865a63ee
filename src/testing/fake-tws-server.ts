import { createServer, type Server, type Socket } from 'node:net'
import { TickwireError } from '../base/errors.ts'
import type { FakeClient } from './fake-tws-client.ts'
import { type ClientWire, framed } from './fake-tws-wire.ts'

export interface ServerHooks {
  /** A client has come by this. */
  attach(wire: ClientWire): FakeClient
  /** Calls back when so much time has passed, unless it is closed before. */
  later(ms: number, fn: () => void): void
}

/** Bytes that no TWS sends: a length below 0. */
const STRANGE = Buffer.from([0xff, 0xff, 0xff, 0xf0, 0x31, 0, 0x32, 0])

/** The socket port of the fake TWS, and what goes wrong there before a client has said anything. */
export class FakeServer {
  readonly #hooks: ServerHooks
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #host = '127.0.0.1'
  #closed = false
  port = 0
  /** Accepted so far. */
  connections = 0
  /** How many more are accepted and never greeted, or closed without a word. */
  silent = 0
  slam = 0
  /** Everything is sent in pieces of a few bytes. */
  inPieces = false

  constructor(hooks: ServerHooks) {
    this.#hooks = hooks
  }

  /** @throws PORT_IN_USE */
  async listen(port: number, host: string): Promise<void> {
    this.#host = host
    this.#server = await this.#open(port)
  }

  /** Nobody listens for a time. */
  deaf(ms: number): void {
    const server = this.#server
    this.#server = undefined
    server?.close()
    this.#hooks.later(ms, () => {
      void this.#open(this.port).then(
        opened => {
          if (this.#closed) opened.close()
          else this.#server = opened
        },
        // Somebody else has taken the port meanwhile: it is tried again.
        () => this.deaf(1_000),
      )
    })
  }

  /** Listens on another port; what it listened on is let go by what this returns. */
  async move(port = 0): Promise<() => void> {
    const before = this.#server
    this.#server = await this.#open(port)
    return () => before?.close()
  }

  strange(): void {
    for (const socket of this.#sockets) socket.write(STRANGE)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    if (!server?.listening) return
    await new Promise<void>(resolve => {
      server.close(() => resolve())
    })
  }

  #open(port: number): Promise<Server> {
    const server = createServer(socket => this.#accept(socket))
    return new Promise((resolve, reject) => {
      server.once('error', (cause: Error & { code?: string }) => {
        const hint = 'Choose another port, or 0 for any free one.'
        const message = `port ${port} cannot be had`
        reject(new TickwireError('PORT_IN_USE', message, { cause, hint }))
      })
      server.listen(port, this.#host, () => {
        this.port = (server.address() as { port: number }).port
        resolve(server)
      })
    })
  }

  #accept(socket: Socket): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    if (this.slam > 0) {
      this.slam--
      socket.on('error', () => {})
      socket.end()
    } else if (this.silent > 0) {
      this.silent--
      socket.on('error', () => {})
      socket.resume()
    } else {
      const client = this.#hooks.attach(this.#wireOf(socket))
      socket.setNoDelay(true)
      socket.on('data', (bytes: Buffer) => client.receive(bytes))
      socket.on('error', () => {})
      socket.on('close', () => client.closed())
    }
  }

  #wireOf(socket: Socket): ClientWire {
    return {
      send: message => {
        const bytes = framed(message)
        const step = this.inPieces ? 3 : bytes.length
        for (let at = 0; at < bytes.length; at += step) socket.write(bytes.subarray(at, at + step))
      },
      end: () => socket.end(),
      cut: () => socket.destroy(),
    }
  }
}
