/**
 * Which offset of a replay is due when: ms of tape against a clock, at a rate. Rate 0 stands still, `Infinity` has
 * everything due at once.
 */
export class Timeline {
  #rate: number
  /** The offset reached at `#since`. */
  #offset = 0
  #since: number

  constructor(rate: number, now: number) {
    this.#rate = rate
    this.#since = now
  }

  /** The offset due by now. */
  reached(now: number): number {
    if (this.#rate === 0) return this.#offset
    if (this.#rate === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    return this.#offset + (now - this.#since) * this.#rate
  }

  /** How long until an offset is due, ms; below 0 when it is overdue. */
  wait(offset: number, now: number): number {
    if (this.#rate === 0) return Number.POSITIVE_INFINITY
    if (this.#rate === Number.POSITIVE_INFINITY) return 0
    return this.#since + (offset - this.#offset) / this.#rate - now
  }

  /** Changes the rate; `played`: the last offset delivered, where it goes on when everything was due. */
  set(rate: number, now: number, played: number): void {
    const reached = this.reached(now)
    this.moveTo(reached === Number.POSITIVE_INFINITY ? played : reached, now)
    this.#rate = rate
  }

  /** Makes an offset due now. */
  moveTo(offset: number, now: number): void {
    this.#offset = offset
    this.#since = now
  }
}
