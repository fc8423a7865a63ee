import { TickwireError } from './errors.ts'
import type { Random } from './random.ts'

export interface BackoffOptions {
  /** Ceiling of the first wait after an ordinary fault, ms. @default 250 */
  readonly firstMs?: number
  /** Ceiling of the first wait after a `slow` verdict, ms. @default 5000 */
  readonly slowMs?: number
  /** Ceiling of any wait, ms. @default 60000 */
  readonly maxMs?: number
}

/** Longest wait that a venue may ask for, ms: a wrong date in a header must not end a feed. */
const LONGEST_MS = 15 * 60_000

/**
 * Exponential backoff with full jitter: wait n is uniform in [0, min(maxMs, first · 2ⁿ)), after a `slow`
 * verdict in its upper half, so that a throttled or occupied venue is never stormed.
 */
export class Backoff {
  readonly #options: Required<BackoffOptions>
  readonly #random: Random
  #attempt = 0

  constructor(options: BackoffOptions, random: Random) {
    const { firstMs = 250, slowMs = 5_000, maxMs = 60_000 } = options
    this.#options = { firstMs, slowMs, maxMs }
    for (const [name, value] of Object.entries(this.#options)) {
      if (value > 0) continue
      throw new TickwireError('BAD_OPTION', `${name} must be above 0, not ${value}`)
    }
    this.#random = random
  }

  /** The next wait, ms. `atLeastMs` is what the venue asked for (Retry-After); kept to up to 15 minutes. */
  next(pace: 'retry' | 'slow', atLeastMs = 0): number {
    const { firstMs, slowMs, maxMs } = this.#options
    const ceiling = Math.min(maxMs, (pace === 'slow' ? slowMs : firstMs) * 2 ** this.#attempt)
    this.#attempt = Math.min(this.#attempt + 1, 30)
    const wait = pace === 'slow' ? ceiling * (0.5 + this.#random() / 2) : ceiling * this.#random()
    return Math.max(wait, Math.min(atLeastMs, LONGEST_MS))
  }

  /** Starts over; to be called when data or a full ack proves that the venue serves us. */
  reset(): void {
    this.#attempt = 0
  }
}
