/** First and longest wait, ms. */
const WAIT_MS = { first: 15_000, most: 900_000 } as const

/** Spaces what is tried again although it may not help: the first time at once, then ever more rarely until it is calm. */
export class Spacing {
  #at = Number.NEGATIVE_INFINITY
  #waitMs = 0

  /** When it may be done next. */
  get dueAt(): number {
    return this.#at + this.#waitMs
  }

  /** It is done now. */
  done(now: number): void {
    const isCalm = now - this.#at >= 2 * WAIT_MS.most
    this.#waitMs = isCalm ? WAIT_MS.first : Math.min(this.#waitMs * 2, WAIT_MS.most)
    this.#at = now
  }
}
