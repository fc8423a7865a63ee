import type { Clock, Timer } from '../base/clock.ts'
import type { Outlet } from './outlet.ts'

/** Messages a client may send at once, and how many a second it gets back of those. */
export const BURST_MESSAGES = 200
export const MESSAGES_A_SECOND = 100
/** A change of a subscription counts as a message more for so many topics it then has: they are all looked at again. */
export const TOPICS_A_MESSAGE = 1_000

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
 * until that is past: a flood waits in the client's own socket and costs the others nothing.
 */
export class Inflow {
  readonly #socket: Pausable
  readonly #outlet: Outlet
  readonly #clock: Clock
  #left = BURST_MESSAGES
  #at: number
  #timer: Timer | undefined
  #isClosed = false

  constructor(socket: Pausable, outlet: Outlet, clock: Clock) {
    this.#socket = socket
    this.#outlet = outlet
    this.#clock = clock
    this.#at = clock.now()
  }

  /** Counts a message, or so many. */
  took(messages = 1): void {
    const now = this.#clock.now()
    const back = ((now - this.#at) / 1_000) * MESSAGES_A_SECOND
    this.#left = Math.min(BURST_MESSAGES, this.#left + back) - messages
    this.#at = now
    if (this.#left < 0) this.#rest((-this.#left / MESSAGES_A_SECOND) * 1_000)
    else if (this.#outlet.isFull) this.#awaitRoom()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #rest(ms: number): void {
    if (this.#timer) return
    this.#socket.pause()
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#timer = undefined
        if (this.#outlet.isFull) this.#awaitRoom()
        else if (!this.#isClosed) this.#socket.resume()
      },
      Math.max(1, ms),
    )
  }

  #awaitRoom(): void {
    this.#socket.pause()
    void this.#outlet.drained().then(() => {
      if (!this.#isClosed && !this.#timer) this.#socket.resume()
    })
  }
}
