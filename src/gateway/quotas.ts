import type { Clock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Quotas } from './keys.ts'

/** Where neither a key nor the settings say otherwise. */
export const QUOTA_DEFAULTS = { connections: 1_000, requests: 100 } as const satisfies Quotas

/** What one key, or everybody without one, has at the moment. */
export class Usage {
  readonly #clock: Clock
  #connections = 0
  /** Requests that may come at once. */
  #left: number | undefined
  #countedAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get connections(): number {
    return this.#connections
  }

  /** Counts a stream; returns what ends that. @throws QUOTA_EXCEEDED */
  connect({ connections = QUOTA_DEFAULTS.connections }: Quotas): () => void {
    if (this.#connections >= connections) {
      throw new TickwireError(
        'QUOTA_EXCEEDED',
        `${connections} connections are open, and that is all this key may have at a time`,
        {
          hint: 'Close one, share one between your programs, or raise gateway.quotas.connections.',
        },
      )
    }
    this.#connections++
    let isOpen = true
    return () => {
      if (isOpen) this.#connections--
      isOpen = false
    }
  }

  /** Counts a request. @throws QUOTA_EXCEEDED with the time to wait */
  request({ requests = QUOTA_DEFAULTS.requests }: Quotas): void {
    const now = this.#clock.now()
    const most = 2 * requests
    const grown = ((now - this.#countedAt) * requests) / 1_000
    const left = Math.min(most, (this.#left ?? most) + grown)
    this.#countedAt = now
    this.#left = left
    if (left < 1) {
      throw new TickwireError('QUOTA_EXCEEDED', `more than ${requests} requests a second`, {
        hint: 'Ask less often, take a stream instead, or raise gateway.quotas.requests.',
        retryAfterMs: Math.ceil(((1 - left) * 1_000) / requests),
      })
    }
    this.#left = left - 1
  }
}
