import type { Capabilities } from '../feed/provider.ts'
import { Flag, type MarketEvent } from '../market/events.ts'

/*
 * Invented, past and late prices never pass for live ones: each answer with data says what it holds, in words.
 */

/** In words; real and live data is nothing to be warned of. */
const WORDS = {
  simulated: 'SIMULATED: invented prices, not real ones',
  replayed: 'REPLAY: prices of the past',
  delayed: 'DELAYED: prices are 15 minutes old',
  test: 'TEST DATA: not real prices',
} as const satisfies Partial<Record<Capabilities['nature'], string>>

type Word = keyof typeof WORDS

/** Where an answer says it. */
export const NATURE_HEADER = 'tickwire-nature'

const BITS = [
  ['simulated', Flag.simulated],
  ['replayed', Flag.replayed],
  ['delayed', Flag.delayed],
] as const

/** What an answer holds, gathered from its sources and its events. */
export class Nature {
  readonly #found = new Set<Word>()

  source({ nature }: Pick<Capabilities, 'nature'>): this {
    if (nature !== 'live') this.#found.add(nature)
    return this
  }

  events(batch: readonly MarketEvent[]): this {
    let flags = 0
    for (const event of batch) flags |= event.flags
    for (const [name, bit] of BITS) if (flags & bit) this.#found.add(name)
    return this
  }

  /** `null` where all of it is live and real. */
  get words(): string | null {
    const all = (Object.keys(WORDS) as Word[]).filter(name => this.#found.has(name))
    return all.length === 0 ? null : all.map(name => WORDS[name]).join('; ')
  }

  get header(): Readonly<Record<string, string>> {
    return { [NATURE_HEADER]: this.words ?? 'live' }
  }
}
