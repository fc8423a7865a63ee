import type { Duplex } from 'node:stream'
import type { WireFrame } from './wire.ts'

/** More than this waiting in a socket, bytes: its client reads too slowly for now. */
export const FULL_BYTES = 256 * 1_024

/**
 * The way out to one client. Frames are collected and leave together, in one write: what costs is the call into the kernel,
 * not the message.
 */
export class Outlet {
  readonly #socket: Duplex
  #frames: WireFrame[] = []
  #waiting: (() => void)[] = []
  /** Bytes written in all. */
  bytes = 0
  /** Frames are collected. */
  isDirty = false
  isClosed = false

  constructor(socket: Duplex) {
    this.#socket = socket
    socket.on('drain', () => this.#drained())
    socket.on('close', () => {
      this.isClosed = true
      this.#frames = []
      this.#drained()
    })
  }

  /** Bytes that have not left for the client yet. */
  get waitingBytes(): number {
    return this.#socket.writableLength
  }

  get isFull(): boolean {
    return this.#socket.writableLength > FULL_BYTES
  }

  /** Collects a frame. */
  push(frame: WireFrame): void {
    if (this.isClosed || frame.length === 0) return
    this.#frames.push(frame)
    this.isDirty = true
  }

  /** Writes what has been collected. */
  flush(): void {
    this.isDirty = false
    const frames = this.#frames
    if (frames.length === 0 || !this.#socket.writable) return
    this.#frames = []
    const socket = this.#socket
    const together = frames.length > 1
    if (together) socket.cork()
    for (const frame of frames) {
      this.bytes += frame.length
      if (typeof frame === 'string') socket.write(frame, 'latin1')
      else socket.write(frame)
    }
    if (together) socket.uncork()
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Resolves when all that was written has left, or the client has gone. */
  drained(): Promise<void> {
    if (this.isClosed || this.#socket.writableLength === 0) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  #drained(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}
