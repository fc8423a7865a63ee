/** Samples kept: the last few seconds of a busy feed, the last minutes of a quiet one. A power of two. */
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

interface Stretch {
  best: number
  /** How many samples there had been when it began. */
  readonly from: number
}

/**
 * The lag of a feed: from the venue's time of an event to its arrival, less what the two clocks differ by. Where ours is
 * ahead of the venue's, that cannot be told from a slow way, so the best lag of some minutes counts as none. Minutes in
 * which nothing comes say nothing and do not count.
 */
export class Lag {
  readonly #samples = new Float64Array(SAMPLES)
  #count = 0
  /** Samples {@link takeNew} has looked at. */
  #taken = 0
  /** The present one first. */
  #stretches: Stretch[] = [{ best: Number.POSITIVE_INFINITY, from: 0 }]
  #stretchFrom = 0

  add(lagMs: number): void {
    this.#samples[this.#count++ % SAMPLES] = lagMs
    const present = this.#stretches[0]!
    if (lagMs < present.best) present.best = lagMs
  }

  /** To be called now and then: forgets what is of long ago. */
  turn(now: number): void {
    const [present] = this.#stretches as [Stretch]
    if (now - this.#stretchFrom < STRETCH_MS || present.from === this.#count) return
    this.#stretchFrom = now
    const next = { best: Number.POSITIVE_INFINITY, from: this.#count }
    this.#stretches = [next, ...this.#stretches].slice(0, STRETCHES)
  }

  /** `undefined` before the first event. */
  report(): LagReport | undefined {
    const sorted = this.#sortedFrom(this.#stretches.at(-1)!.from)
    const { length } = sorted
    if (length === 0) return undefined
    const offsetMs = this.#offset
    const at = (share: number) =>
      sorted[Math.min(length - 1, Math.floor(length * share))]! - offsetMs
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1), offsetMs }
  }

  /** The median of what has come since the last call, ms; `undefined` when nothing has. */
  takeNew(): number | undefined {
    const sorted = this.#sortedFrom(this.#taken)
    this.#taken = this.#count
    return sorted.length === 0 ? undefined : sorted[sorted.length >> 1]! - this.#offset
  }

  get #offset(): number {
    return Math.min(...this.#stretches.map(({ best }) => best))
  }

  #sortedFrom(first: number): Float64Array {
    const length = Math.min(this.#count - first, SAMPLES)
    const sorted = new Float64Array(length)
    for (let i = 0; i < length; i++) sorted[i] = this.#samples[(this.#count - 1 - i) % SAMPLES]!
    return sorted.sort()
  }
}
