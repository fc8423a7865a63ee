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
    if (this.#starts.length >= this.#most) {
      const earliest = this.#starts.shift()! + this.#windowMs
      const wait = earliest - this.#clock.now()
      if (wait > 0) await sleep(this.#clock, wait, signal)
    }
    if (!signal.aborted) this.#starts.push(this.#clock.now())
  }
}
