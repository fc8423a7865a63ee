import { type Clock, sleep } from './clock.ts'

/** Keeps a venue from being stormed: at most `most` starts in any `windowMs`. */
export class Pace {
  readonly #starts: number[] = []
  readonly #clock: Clock
  readonly #most: number
  readonly #windowMs: number

  constructor(clock: Clock, most: number, windowMs: number) {
    this.#clock = clock
    this.#most = most
    this.#windowMs = windowMs
  }

  /** Waits for its turn; returns early when the signal aborts. */
  async turn(signal: AbortSignal): Promise<void> {
    const isFull = this.#starts.length >= this.#most
    const waitMs = isFull ? this.#starts[0]! + this.#windowMs - this.#clock.now() : 0
    if (waitMs > 0) await sleep(this.#clock, waitMs, signal)
    // Given up, it is no start, and those before it still count.
    if (signal.aborted) return
    if (isFull) this.#starts.shift()
    this.#starts.push(this.#clock.now())
  }
}
