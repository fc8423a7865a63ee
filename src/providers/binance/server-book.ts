import type { Random } from '../../base/random.ts'
import type { Book, Level } from '../../market/events.ts'
import type { Diff } from './depth.ts'

/**
 * What goes wrong with the next update of a book: it is lost · it comes twice · it comes behind the next one · its numbers
 * are ahead of the true ones, or behind.
 */
export const BOOK_FAULTS = ['drop', 'repeat', 'reorder', 'ahead', 'behind'] as const
export type BookFault = (typeof BOOK_FAULTS)[number]

/** Books as they were, for snapshots that come late. */
const PAST = 32
/** Ticks of a cent around the middle that a random book holds. */
const WIDTH = 40

/** A book at the venue: the truth, and its numbered updates. */
export class ServerBook {
  readonly #bids = new Map<number, number>()
  readonly #asks = new Map<number, number>()
  readonly #past: { last: number; bids: Level[]; asks: Level[] }[] = []
  /** Middle of a random book, in ticks. */
  #middle = 10_000
  last = 0

  /** Changes levels, size 0 removes; the update has so many numbers as there are changes, at least one. */
  change(bids: readonly Level[], asks: readonly Level[], timestamp: number, nanos = 0): Diff {
    const first = this.last + 1
    this.last += Math.max(1, bids.length + asks.length)
    for (const [side, levels] of [
      [this.#bids, bids],
      [this.#asks, asks],
    ] as const) {
      for (const [price, size] of levels) {
        if (size === 0) side.delete(price)
        else side.set(price, size)
      }
    }
    this.#past.push(this.snapshot())
    if (this.#past.length > PAST) this.#past.shift()
    return { first, last: this.last, timestamp, nanos, bids, asks }
  }

  /** The change an event makes; a snapshot removes what is not in it. */
  follow({ bids, asks, snapshot, timestamp, nanos }: Book): Diff {
    if (!snapshot) return this.change(bids, asks, timestamp, nanos)
    const gone = (side: ReadonlyMap<number, number>, levels: readonly Level[]) => {
      const kept = new Set(levels.map(([price]) => price))
      return [...side.keys()].flatMap(price => (kept.has(price) ? [] : [[price, 0] as const]))
    }
    const [noBids, noAsks] = [gone(this.#bids, bids), gone(this.#asks, asks)]
    return this.change([...noBids, ...bids], [...noAsks, ...asks], timestamp, nanos)
  }

  /** A change made of chance: the price walks by a tick now and then, and levels around it come and go. */
  step(random: Random, timestamp: number): Diff {
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
    return this.change([...bids], [...asks], timestamp)
  }

  /** The book, best levels first; `ago` as it was so many updates ago. */
  snapshot(limit = 5_000, ago = 0): { last: number; bids: Level[]; asks: Level[] } {
    const past = ago > 0 ? this.#past.at(-1 - ago) : undefined
    if (past) return past
    const bids = [...this.#bids].sort(([a], [b]) => b - a).slice(0, limit)
    const asks = [...this.#asks].sort(([a], [b]) => a - b).slice(0, limit)
    return { last: this.last, bids, asks }
  }
}

/** What becomes of updates on their way, fault by fault. */
export class SpoiledUpdates {
  readonly #faults: BookFault[] = []
  #kept: Diff | undefined

  add(fault: BookFault): void {
    this.#faults.push(fault)
  }

  /** What is sent in place of an update. */
  pass(diff: Diff): readonly Diff[] {
    const kept = this.#kept
    if (kept) {
      this.#kept = undefined
      return [diff, kept]
    }
    const { first, last } = diff
    switch (this.#faults.shift()) {
      case 'drop':
        return []
      case 'repeat':
        return [diff, diff]
      case 'reorder':
        this.#kept = diff
        return []
      case 'ahead':
        return [{ ...diff, first: first + 2, last: last + 2 }]
      case 'behind':
        return [{ ...diff, first: Math.max(0, first - 2), last: Math.max(0, first - 1) }]
      default:
        return [diff]
    }
  }
}
