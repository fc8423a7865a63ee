import type { Clock, Timer } from '../base/clock.ts'
import type { ProtocolPeer, ProtocolSession } from '../flow/contracts.ts'
import type { VenueFrame, VenueLine, VenueWire } from './venue-wire.ts'

/** How long a frame waits for the one it is to change places with, ms. */
const SWAP_MS = 1_000

/** What may still be done to the next frames of data, each for so many of them. */
export type FrameFault = 'duplicate' | 'reorder' | 'lost' | 'corrupt-json' | 'truncated-msgpack'

type Item =
  | { readonly type: 'frame'; readonly frame: VenueFrame }
  | { readonly type: 'pong'; readonly data: Uint8Array }
  | { readonly type: 'close'; readonly code: number; readonly reason: string }

/**
 * The venue's end of one connection: the protocol's session speaks into it, and what it says goes out over the
 * wire, late, twice, damaged or not at all where a fault wants that.
 */
export class VenueConnection implements ProtocolPeer, VenueLine {
  readonly path: string
  readonly openedAt: number
  readonly #clock: Clock
  readonly #ended: (connection: VenueConnection, clean: boolean) => void
  readonly #timers = new Set<Timer>()
  #session: ProtocolSession | undefined
  #wire: VenueWire | undefined
  #over = false
  #dripping = false
  #queue: Item[] = []
  #queuedBytes = 0
  /** Frames sent now are data, not answers. */
  #delivering = false
  #swapped: VenueFrame | undefined
  readonly #frames: Record<FrameFault, number> = {
    ...{ duplicate: 0, reorder: 0, lost: 0 },
    ...{ 'corrupt-json': 0, 'truncated-msgpack': 0 },
  }
  // Until when a fault lasts, epoch ms.
  #heldUntil = 0
  #stalledUntil = 0
  #mutedUntil = 0
  #drip = { until: 0, bytesPerSecond: 0 }
  #pongs = { until: 0, by: 0 }

  constructor(
    readonly id: number,
    path: string,
    clock: Clock,
    /** Accepts, and then says nothing ever. */
    readonly halfOpen: boolean,
    ended: (connection: VenueConnection, clean: boolean) => void,
  ) {
    this.path = path
    this.openedAt = clock.now()
    this.#clock = clock
    this.#ended = ended
  }

  /** What the protocol knows of this client; `undefined` on a half-open connection. */
  get session(): ProtocolSession | undefined {
    return this.#session
  }

  get open(): boolean {
    return !this.#over
  }

  get answering(): boolean {
    return !this.halfOpen && this.#clock.now() >= this.#stalledUntil
  }

  get bufferedBytes(): number {
    return this.#queuedBytes + (this.#wire?.bufferedBytes ?? 0)
  }

  attach(session: ProtocolSession | undefined): void {
    this.#session = session
  }

  carry(wire: VenueWire): void {
    this.#wire = wire
    this.#pump()
  }

  /** What is sent during `deliver` is data. */
  delivering(on: boolean): void {
    this.#delivering = on
  }

  // As the protocol sees it.

  send(frame: VenueFrame): void {
    if (this.#over) return
    if (this.#delivering) this.#sendData(frame)
    else this.#put({ type: 'frame', frame })
  }

  close(code: number, reason: string): void {
    this.#put({ type: 'close', code, reason })
  }

  cut(reset = true): void {
    if (this.#over) return
    this.#wire?.cut(reset)
    this.gone(false)
  }

  // As the wire sees it.

  receive(data: Uint8Array, binary: boolean): void {
    if (!this.#over) this.#session?.receive(data, binary)
  }

  ping(data: Uint8Array): void {
    if (this.#over || this.halfOpen) return
    const now = this.#clock.now()
    if (now < this.#stalledUntil) this.#put({ type: 'pong', data })
    else if (now < this.#pongs.until) this.#after(this.#pongs.by, () => this.#pong(data))
    else this.#pong(data)
  }

  gone(clean: boolean): void {
    if (this.#over) return
    this.#over = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#queue = []
    this.#queuedBytes = 0
    this.#session?.closed(clean)
    this.#ended(this, clean)
  }

  // What faults do.

  /** Frames wait for so long; pongs do not. */
  hold(ms: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, this.#clock.now() + ms)
    this.#after(ms + 1, () => this.#pump())
  }

  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#clock.now() + ms)
    this.#after(ms + 1, () => this.#pump())
  }

  mute(ms: number): void {
    this.#mutedUntil = Math.max(this.#mutedUntil, this.#clock.now() + ms)
  }

  drip(ms: number, bytesPerSecond: number): void {
    this.#drip = { until: this.#clock.now() + ms, bytesPerSecond }
  }

  latePongs(by: number, ms: number): void {
    this.#pongs = { by, until: this.#clock.now() + ms }
  }

  spoil(fault: FrameFault, times: number): void {
    this.#frames[fault] += times
  }

  #sendData(frame: VenueFrame): void {
    if (this.#takes('lost')) return
    const put = (one: VenueFrame) => this.#put({ type: 'frame', frame: one })
    if (this.#swapped !== undefined) {
      const before = this.#swapped
      this.#swapped = undefined
      put(frame)
      put(before)
    } else if (this.#takes('reorder')) {
      this.#swapped = frame
      this.#after(SWAP_MS, () => {
        if (this.#swapped !== frame) return
        this.#swapped = undefined
        put(frame)
      })
    } else if (typeof frame === 'string' && this.#takes('corrupt-json')) put(corrupted(frame))
    else if (typeof frame !== 'string' && this.#takes('truncated-msgpack')) put(truncated(frame))
    else {
      put(frame)
      if (this.#takes('duplicate')) put(frame)
    }
  }

  #takes(fault: FrameFault): boolean {
    if (this.#frames[fault] === 0) return false
    this.#frames[fault]--
    return true
  }

  #put(item: Item): void {
    if (this.#over) return
    if (item.type === 'frame') {
      if (this.#clock.now() < this.#mutedUntil) return
      this.#queuedBytes += item.frame.length
    }
    this.#queue.push(item)
    this.#pump()
  }

  #pong(data: Uint8Array): void {
    if (this.#over) return
    // Ahead of everything that waits, but not into the middle of a frame.
    if (!this.#dripping) this.#wire?.pong(data)
    else this.#queue.unshift({ type: 'pong', data })
  }

  #pump(): void {
    const wire = this.#wire
    if (!wire) return
    while (!this.#over && !this.#dripping) {
      const now = this.#clock.now()
      const item = this.#queue[0]
      if (!item || now < this.#stalledUntil) return
      if (item.type !== 'pong' && now < this.#heldUntil) return
      this.#queue.shift()
      if (item.type === 'pong') wire.pong(item.data)
      else if (item.type === 'close') wire.close(item.code, item.reason)
      else {
        this.#queuedBytes -= item.frame.length
        if (now >= this.#drip.until) wire.send(item.frame)
        else this.#trickle(wire, item.frame, this.#drip.until - now)
      }
    }
  }

  #trickle(wire: VenueWire, frame: VenueFrame, forMs: number): void {
    this.#dripping = true
    const timer = wire.drip(frame, this.#drip.bytesPerSecond, forMs, () => {
      this.#timers.delete(timer)
      this.#dripping = false
      this.#pump()
    })
    this.#timers.add(timer)
  }

  #after(ms: number, fn: () => void): void {
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer)
      fn()
    }, ms)
    this.#timers.add(timer)
  }
}

/** A control character is wrong in JSON wherever it stands. */
function corrupted(frame: string): string {
  const middle = frame.length >> 1
  return `${frame.slice(0, middle)}\u0001${frame.slice(middle)}`
}

function truncated(frame: Uint8Array): Uint8Array {
  return frame.subarray(0, Math.max(1, Math.floor((frame.length * 2) / 3)))
}
