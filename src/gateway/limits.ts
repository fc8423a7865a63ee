import type { Clock, Timer } from '../base/clock.ts'
import type { Outlet } from './outlet.ts'

/** Messages a client may send at once, and how many a second it gets back of those. */
export const BURST_MESSAGES = 200
export const MESSAGES_A_SECOND = 100
/**
 * What is subscribed counts as a message more for so many topics: of a vendor's client all it then has, whatever it sends, as
 * they are all looked at again.
 */
export const TOPICS_A_MESSAGE = 250

/** How a server of ours takes connections: the heads of requests are short, and come soon. */
export const SERVER_LIMITS = {
  /** Bytes of all headers of a request; more is answered 431. */
  maxHeaderSize: 16_384,
  /** A head that has not come by then is answered 408, ms. */
  headersTimeout: 10_000,
  /** Nor a whole request, ms. */
  requestTimeout: 30_000,
  /** How often those two are looked at, ms. */
  connectionsCheckingInterval: 2_000,
  /** Connections at a time, whatever they are and whoever has them; more are closed as they come. */
  maxConnections: 10_000,
} as const

export type ServerLimits = { readonly [name in keyof typeof SERVER_LIMITS]: number }

/** A socket that can be left unread for a while. */
interface Pausable {
  pause(): void
  resume(): void
}

/**
 * What one client sends. Who sends more than {@link MESSAGES_A_SECOND}, or does not read the answers, is read from no more
 * until that is past: a flood waits in the client's own socket and costs the others nothing. Messages that have been read by
 * then, which are thousands where they are small, wait here.
 */
export class Inflow {
  readonly #socket: Pausable
  readonly #outlet: Outlet
  readonly #clock: Clock
  #left = BURST_MESSAGES
  #at: number
  #held: (() => void)[] = []
  #timer: Timer | undefined
  #isResting = false
  #isClosed = false

  constructor(socket: Pausable, outlet: Outlet, clock: Clock) {
    this.#socket = socket
    this.#outlet = outlet
    this.#clock = clock
    this.#at = clock.now()
  }

  /** Has a message handled: at once, or when the client may send again. */
  take(handle: () => void): void {
    if (this.#isResting) {
      this.#held.push(handle)
      return
    }
    this.count(1)
    handle()
  }

  /** Counts so many messages. */
  count(messages: number): void {
    const now = this.#clock.now()
    const back = ((now - this.#at) / 1_000) * MESSAGES_A_SECOND
    this.#left = Math.min(BURST_MESSAGES, this.#left + back) - messages
    this.#at = now
    if (this.#left < 0) this.#rest((-this.#left / MESSAGES_A_SECOND) * 1_000)
    else if (this.#outlet.isFull) this.#awaitRoom()
  }

  /** It is not read from for a while, so what it says cannot be heard. */
  get isHeldBack(): boolean {
    return this.#timer !== undefined
  }

  close(): void {
    this.#isClosed = true
    this.#held = []
    this.#timer?.cancel()
  }

  #rest(ms: number): void {
    // What a message costs may be known only when it is handled: the debt is looked at again when this is over.
    if (!this.#pause()) return
    this.#timer = this.#clock.setTimeout(() => this.#goOn(), Math.max(1, ms))
  }

  #awaitRoom(): void {
    if (this.#pause()) void this.#outlet.drained().then(() => this.#goOn())
  }

  /** Whether it was being read from. */
  #pause(): boolean {
    if (this.#isResting || this.#isClosed) return false
    this.#isResting = true
    this.#socket.pause()
    return true
  }

  /** What was held comes first, each message at its price. */
  #goOn(): void {
    this.#timer = undefined
    this.#isResting = false
    const held = this.#held
    this.#held = []
    this.count(0)
    let next = 0
    while (!this.#isResting && next < held.length) this.take(held[next++]!)
    if (this.#isResting) this.#held = held.slice(next)
    else if (!this.#isClosed) this.#socket.resume()
  }
}
