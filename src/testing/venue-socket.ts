import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Clock, Timer } from '../base/clock.ts'
import type { VenueFrame, VenueLine, VenueWire } from './venue-wire.ts'

/** More than this is not given to the socket at once, bytes: what is behind it cannot be overtaken by a pong. */
const WINDOW_BYTES = 64 * 1_024
/** Time between two pieces of a frame that trickles, ms. */
const DRIP_MS = 20
/** Longest wait for the client's part of the closing handshake, ms. */
const CLOSE_MS = 1_000

/** A connection over a real socket. */
export class VenueSocket implements VenueWire {
  readonly #socket: WebSocket
  readonly #stream: Duplex
  readonly #clock: Clock
  #queue: VenueFrame[] = []
  #queuedBytes = 0
  #closing: readonly [code: number, reason: string] | undefined
  #waiting = false
  #closeTimer: Timer | undefined

  constructor(socket: WebSocket, stream: Duplex, clock: Clock) {
    this.#socket = socket
    this.#stream = stream
    this.#clock = clock
    // `ws` closes the socket itself on a broken frame; `close` follows.
    socket.on('error', () => {})
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#socket.bufferedAmount
  }

  /** Tells the line what comes in. */
  serve(line: VenueLine): void {
    const socket = this.#socket
    socket.on('message', (data: Buffer, binary) => line.receive(data, binary))
    socket.on('ping', data => line.ping(data))
    socket.on('close', code => {
      this.#queue = []
      this.#queuedBytes = 0
      this.#closeTimer?.cancel()
      line.gone(code !== 1_006)
    })
  }

  send(frame: VenueFrame): void {
    if (this.#closing) return
    this.#queue.push(frame)
    this.#queuedBytes += frame.length
    this.#pump()
  }

  drip(frame: VenueFrame, bytesPerSecond: number, forMs: number, done: () => void): Timer {
    const bytes = wireBytes(frame)
    const start = this.#clock.now()
    let sent = 0
    let timer: Timer
    const step = () => {
      const elapsed = this.#clock.now() - start
      const rest = elapsed >= forMs
      const due = rest ? bytes.length : Math.floor((elapsed / 1_000) * bytesPerSecond)
      const end = Math.min(bytes.length, due)
      if (end > sent) this.#stream.write(bytes.subarray(sent, end))
      sent = end
      if (sent === bytes.length) done()
      else timer = this.#clock.setTimeout(step, DRIP_MS)
    }
    timer = this.#clock.setTimeout(step, DRIP_MS)
    return { cancel: () => timer.cancel() }
  }

  pong(data: Uint8Array): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.pong(data)
  }

  close(code: number, reason: string): void {
    this.#closing ??= [code, reason]
    // A client that reads nothing, or does not answer, is let go all the same.
    this.#closeTimer ??= this.#clock.setTimeout(() => this.#socket.terminate(), CLOSE_MS)
    this.#pump()
  }

  cut(reset: boolean): void {
    this.#queue = []
    this.#queuedBytes = 0
    if (reset && this.#stream instanceof Socket) this.#stream.resetAndDestroy()
    this.#socket.terminate()
  }

  #pump(): void {
    const socket = this.#socket
    while (this.#queue.length > 0 && socket.bufferedAmount < WINDOW_BYTES) {
      const frame = this.#queue.shift()!
      this.#queuedBytes -= frame.length
      socket.send(frame, { binary: typeof frame !== 'string' })
    }
    if (this.#queue.length === 0) {
      if (this.#closing) socket.close(...this.#closing)
    } else if (!this.#waiting) {
      this.#waiting = true
      this.#stream.once('drain', () => {
        this.#waiting = false
        this.#pump()
      })
    }
  }
}

/** A frame as the server's bytes on the wire: one unfragmented message, not masked. RFC 6455, 5.2 */
function wireBytes(frame: VenueFrame): Buffer {
  const text = typeof frame === 'string'
  const payload = Buffer.from(frame as string)
  const opcode = 0x80 | (text ? 1 : 2)
  const { length } = payload
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  header[0] = opcode
  if (length < 126) header[1] = length
  else if (length < 65_536) {
    header[1] = 126
    header.writeUInt16BE(length, 2)
  } else {
    header[1] = 127
    header.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([header, payload])
}
