import type { Clock, Timer } from '../../base/clock.ts'

/**
 * TWS takes 50 messages a second from a client, and drops the connection of one that sends more
 * (https://interactivebrokers.github.io/tws-api/order_limitations.html): 45, so that probes and the clock's grain fit in.
 */
export const PACE = { messages: 45, perMs: 1_000 } as const

/** Messages to TWS at the pace it takes them; what lets go of something goes ahead of what asks for more. */
export class Outbox {
  readonly #clock: Clock
  readonly #urgent: (() => void)[] = []
  readonly #queue: (() => void)[] = []
  /** When the last ones left, as many as the pace counts. */
  readonly #sent: number[] = []
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Messages that wait for their turn. */
  get waiting(): number {
    return this.#urgent.length + this.#queue.length
  }

  push(send: () => void, urgent = false): void {
    ;(urgent ? this.#urgent : this.#queue).push(send)
    this.#pump()
  }

  /** Something is about to leave that does not wait, and counts. */
  count(): void {
    this.#sent.push(this.#clock.now())
    if (this.#sent.length > PACE.messages) this.#sent.shift()
  }

  close(): void {
    this.#timer?.cancel()
    this.#urgent.length = 0
    this.#queue.length = 0
  }

  #pump(): void {
    while (this.waiting > 0 && !this.#timer) {
      const full = this.#sent.length >= PACE.messages
      const wait = full ? this.#sent[0]! + PACE.perMs - this.#clock.now() : 0
      if (wait > 0) {
        this.#timer = this.#clock.setTimeout(() => {
          this.#timer = undefined
          this.#pump()
        }, wait)
        return
      }
      this.count()
      const send = this.#urgent.shift() ?? this.#queue.shift()!
      send()
    }
  }
}
