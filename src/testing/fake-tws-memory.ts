import { Duplex } from 'node:stream'
import type { Clock, Timer } from '../base/clock.ts'
import { framed } from './fake-tws-wire.ts'
import type { VenueFrame, VenueHost, VenueLine, VenueWire } from './venue-wire.ts'

/**
 * TCP without a network: what `net.connect` gives, ended at a venue in this process. Bytes keep their order and arrive in a
 * later microtask. A frame of the venue is a message: its length goes in front of it.
 */
export function memoryTcp(
  host: VenueHost,
  clock: Clock,
): (address: { readonly host: string; readonly port: number }) => Duplex {
  return ({ host: name, port }) => new MemorySocket(host, clock, `${name}:${port}`)
}

/** The client's end; `wire` is the venue's. */
class MemorySocket extends Duplex {
  readonly #clock: Clock
  #line: VenueLine | undefined
  /** The venue has ended it. */
  #ended = false
  /** Written before it was connected. */
  readonly #early: { readonly bytes: Uint8Array; done(): void }[] = []

  constructor(host: VenueHost, clock: Clock, place: string) {
    super({ allowHalfOpen: false })
    this.#clock = clock
    queueMicrotask(() => this.#open(host, place))
  }

  #open(host: VenueHost, place: string): void {
    if (this.destroyed) return
    const answer = host.admit({ path: '/', headers: {} })
    if (typeof answer !== 'function') {
      const message = `connect ECONNREFUSED ${place}`
      this.destroy(Object.assign(new Error(message), { code: 'ECONNREFUSED' }))
      return
    }
    this.#line = answer(this.#wire)
    this.emit('connect')
    for (const { bytes, done } of this.#early.splice(0)) this.#write(this.#line, bytes, done)
  }

  readonly #wire: VenueWire = {
    bufferedBytes: 0,
    send: frame => this.#deliver(bytesOf(frame)),
    drip: (frame, bytesPerSecond, forMs, done) => this.#drip(frame, bytesPerSecond, forMs, done),
    // TCP has no frames of its own.
    pong: () => {},
    close: () => this.#deliver(null),
    cut: reset => {
      const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
      queueMicrotask(() => this.destroy(reset ? error : undefined))
    },
  }

  /** Nothing is the end. */
  #deliver(bytes: Uint8Array | null): void {
    queueMicrotask(() => {
      if (!this.destroyed && !this.#ended) this.push(bytes)
      this.#ended ||= bytes === null
    })
  }

  #write(line: VenueLine, bytes: Uint8Array, done: () => void): void {
    // The venue gets bytes of its own, as over a network.
    const own = bytes.slice()
    queueMicrotask(() => {
      line.receive(own, true)
      done()
    })
  }

  #drip(frame: VenueFrame, bytesPerSecond: number, forMs: number, done: () => void): Timer {
    const bytes = bytesOf(frame)
    const ms = Math.min(forMs, (bytes.length / bytesPerSecond) * 1_000)
    const half = bytes.length >> 1
    this.#deliver(bytes.subarray(0, half))
    return this.#clock.setTimeout(() => {
      this.#deliver(bytes.subarray(half))
      done()
    }, ms)
  }

  override _read(): void {}

  override _write(bytes: Uint8Array, _encoding: string, done: () => void): void {
    if (this.#line) this.#write(this.#line, bytes, done)
    else this.#early.push({ bytes, done })
  }

  /** An end that was asked for is a clean one. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const clean = error === null && (this.writableEnded || this.#ended)
    queueMicrotask(() => this.#line?.gone(clean))
    done(error)
  }
}

/** A message with its length, as it goes over the wire. */
const bytesOf = (frame: VenueFrame) =>
  framed(typeof frame === 'string' ? Buffer.from(frame) : frame)
