import type { Outages } from './outages.ts'
import type { Ask } from './subscriptions.ts'

/** What comes this long after a farm broke shows that it is of another, ms. */
const SHOWN_MS = 5_000

/** A farm TWS has called broken. */
interface Broken {
  readonly at: number
  /** Markets of which something has come since. */
  readonly spoken: Set<string>
}

/**
 * Farms of live data that are broken. TWS does not say which symbols come from which: until it is known better, all do. A
 * farm that keeps nothing away is declared no more, and still known: when it is back, what was silent is looked into.
 */
export class Farms {
  readonly #outages: Outages
  readonly #asks: () => readonly Ask[]
  readonly #broken = new Map<string, Broken>()

  constructor(outages: Outages, asks: () => readonly Ask[]) {
    this.#outages = outages
    this.#asks = asks
  }

  /** One breaks. @returns false when it was known */
  begin(name: string, at: number): boolean {
    const news = !this.#broken.has(name)
    this.#broken.set(name, { at, spoken: new Set() })
    this.#outages.begin(keyOf(name), `the market data farm ${name} of IBKR is broken`)
    return news
  }

  /** One is back, or sleeps until it is needed. @returns false when it was not broken */
  end(name: string): boolean {
    this.#outages.end(keyOf(name))
    return this.#broken.delete(name)
  }

  /** Nothing is known of any. @returns whether there was one */
  clear(): boolean {
    const some = this.#broken.size > 0
    for (const name of [...this.#broken.keys()]) this.end(name)
    return some
  }

  /** Something of a subscription has come. */
  heard(ask: Ask, at: number): void {
    if (this.#broken.size === 0) return
    const market = marketOf(ask)
    for (const [name, { at: since, spoken }] of this.#broken) {
      if (at - since <= SHOWN_MS || spoken.has(market)) continue
      spoken.add(market)
      if (this.#asks().every(one => spoken.has(marketOf(one)))) this.#outages.end(keyOf(name))
    }
  }
}

const keyOf = (name: string) => `farm ${name}`

/** What is listed and traded in the same place comes from the same farm. */
function marketOf({ resolved: { contract, secType } }: Ask): string {
  return `${secType} ${contract.exchange} ${contract.primaryExch} ${contract.currency}`
}
