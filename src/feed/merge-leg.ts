import type { BackoffOptions } from '../base/backoff.ts'
import { TickwireError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { EventType } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import type { Counters } from './merge-arrivals.ts'
import type { Provider } from './provider.ts'

/** The updates of a book mean something only in the order of one source. */
export const isMergeable = (kind: EventType) => kind !== 'book'

/** One of the sources that are merged, over all its connections. */
export class Leg {
  readonly number: number
  readonly provider: Provider
  readonly counters: Counters = { first: 0, second: 0, repeated: 0, alone: 0, outOfOrder: 0 }
  connects = 0
  malformed = 0
  isOpen = false
  /** Set when it takes no more part; a fatal one is not tried again. */
  over: { readonly reason: TickwireError | undefined } | undefined

  constructor(index: number, provider: Provider) {
    this.number = index + 1
    this.provider = provider
  }

  /** For people: `leg 2 (Alpaca stocks (sip))`. */
  get name(): string {
    return `leg ${this.number} (${this.provider.capabilities.title})`
  }

  /** Whether it can carry a topic. */
  takes({ kind, symbol, interval }: Topic): boolean {
    const { kinds, barIntervals, wildcard } = this.provider.capabilities
    if (!kinds.includes(kind) || !isMergeable(kind)) return false
    if (kind === 'bar' && interval !== undefined && !barIntervals.includes(interval)) return false
    return symbol === ANY ? wildcard.includes(kind) : this.#knows(symbol)
  }

  #knows(symbol: string): boolean {
    try {
      return this.provider.symbol(symbol) === symbol
    } catch (error) {
      if (error instanceof TickwireError) return false
      throw error
    }
  }
}

export interface LegOptions {
  readonly rememberMs: number
  readonly rememberEvents: number
  /** Only with the order `time`. */
  readonly windowMs: number | undefined
  readonly backoff: BackoffOptions
  readonly leases: string | undefined
  readonly random: Random
}
