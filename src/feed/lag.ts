/** Samples kept: the last few seconds of a busy feed, the last hours of a quiet one. */
const SAMPLES = 4_096
/** The best lag is that of the last so many stretches of this length, ms. */
const STRETCHES = 5
const STRETCH_MS = 60_000

/** How long events are on their way, ms. */
export interface LagReport {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
  /**
   * What the venue's clock and ours differ by, as far as it shows: taken off the figures above. Below 0: ours is behind, or
   * events would have come before they happened.
   */
  readonly offsetMs: number
}

/**
 * The lag of a feed: from the venue's time of an event to its arrival, less what the two clocks differ by. Where ours is
 * ahead of the venue's, that cannot be told from a slow way, so the best lag of some minutes counts as none.
 */
export class Lag {
  readonly #samples = new Float64Array(SAMPLES)
  #count = 0
  /** The best of each of the last stretches, the present one first. */
  #best: number[] = [Number.POSITIVE_INFINITY]
  #stretchFrom = 0

  add(lagMs: number): void {
    this.#samples[this.#count++ % SAMPLES] = lagMs
    if (lagMs < this.#best[0]!) this.#best[0] = lagMs
  }

  /** To be called now and then: forgets the best of long ago. */
  turn(now: number): void {
    if (now - this.#stretchFrom < STRETCH_MS) return
    this.#stretchFrom = now
    this.#best = [Number.POSITIVE_INFINITY, ...this.#best].slice(0, STRETCHES)
  }

  /** `undefined` before the first event. */
  report(): LagReport | undefined {
    const length = Math.min(this.#count, SAMPLES)
    if (length === 0) return undefined
    const sorted = this.#samples.slice(0, length).sort()
    const offsetMs = Math.min(...this.#best, sorted[0]!)
    const at = (share: number) =>
      sorted[Math.min(length - 1, Math.floor(length * share))]! - offsetMs
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1), offsetMs }
  }
}
