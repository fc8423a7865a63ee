import type { Random } from '../../base/random.ts'
import type { Level } from '../../market/events.ts'

/** Ticks of a cent around the middle that a random book holds. */
const WIDTH = 40

/** Changes of a book. */
export interface Change {
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}

/** A book at the venue: the truth. */
export class ServerBook {
  readonly #bids = new Map<number, number>()
  readonly #asks = new Map<number, number>()
  /** Middle of a random book, in ticks. */
  #middle = 10_000

  /** Changes levels; size 0 removes. */
  change(change: Change): Change {
    for (const [price, size] of change.bids) set(this.#bids, price, size)
    for (const [price, size] of change.asks) set(this.#asks, price, size)
    return change
  }

  /** A change made of chance: the price walks by a tick now and then, and levels around it come and go. */
  step(random: Random): Change {
    if (random() < 0.3) this.#middle += random() < 0.5 ? -1 : 1
    const middle = this.#middle
    const bids = new Map<number, number>()
    const asks = new Map<number, number>()
    // What the price has walked over has traded.
    for (const price of this.#bids.keys()) if (price >= middle / 100) bids.set(price, 0)
    for (const price of this.#asks.keys()) if (price <= middle / 100) asks.set(price, 0)
    const changes = 1 + Math.floor(random() * 4)
    for (let i = 0; i < changes; i++) {
      const ticks = 1 + Math.floor(random() * WIDTH)
      const size = random() < 0.25 ? 0 : Math.ceil(random() * 1_000) / 100
      if (random() < 0.5) bids.set((middle - ticks) / 100, size)
      else asks.set((middle + ticks) / 100, size)
    }
    return this.change({ bids: [...bids], asks: [...asks] })
  }

  /** All of it, best levels first. */
  whole(): { bids: Level[]; asks: Level[] } {
    const bids = [...this.#bids].sort(([a], [b]) => b - a)
    const asks = [...this.#asks].sort(([a], [b]) => a - b)
    return { bids, asks }
  }

  /** What it takes to get to these levels, and no others. */
  turn({ bids, asks }: Change): Change {
    const gone = (side: ReadonlyMap<number, number>, levels: readonly Level[]) => {
      const kept = new Set(levels.map(([price]) => price))
      return [...side.keys()].flatMap(price => (kept.has(price) ? [] : [[price, 0] as const]))
    }
    const [noBids, noAsks] = [gone(this.#bids, bids), gone(this.#asks, asks)]
    return this.change({ bids: [...noBids, ...bids], asks: [...noAsks, ...asks] })
  }
}

function set(side: Map<number, number>, price: number, size: number): void {
  if (size === 0) side.delete(price)
  else side.set(price, size)
}
