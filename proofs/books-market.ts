import type { Random } from '../src/base/random.ts'
import type { OrderBookView } from '../src/derive/order-book.ts'
import type { LiveBook } from '../src/feed/live-book.ts'
import { createEvent, type Level, type MarketEvent } from '../src/market/events.ts'

/** Levels around the middle that a book may have. */
const WIDTH = 40
/** States a client may still be shown: older ones have long been followed by others. */
const REMEMBERED = 3_000

type Sides = { readonly bids: Map<number, number>; readonly asks: Map<number, number> }

/** The bits of a number. */
const NUMBER = new Float64Array(1)
const BITS = new Uint32Array(NUMBER.buffer)

/** The best levels, best first, as a number of 53 bits: equal numbers, equal books. */
function stateOf(bids: readonly Level[], asks: readonly Level[]): number {
  let [high, low] = [0x811c9dc5, 0x9e3779b9]
  const take = (value: number) => {
    NUMBER[0] = value
    for (const bits of BITS) {
      high = Math.imul(high ^ bits, 0x01000193)
      low = Math.imul(low ^ bits ^ (high >>> 15), 0x85ebca6b)
      high ^= low >>> 13
    }
  }
  for (const side of [bids, asks]) {
    take(side.length)
    for (const [price, size] of side) {
      take(price)
      take(size)
    }
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0)
}

function stateOfSides({ bids, asks }: Sides, depth: number | undefined): number {
  const best = (levels: ReadonlyMap<number, number>, sign: number) => {
    const prices = Float64Array.from(levels.keys()).sort()
    if (sign < 0) prices.reverse()
    return Array.from(prices.subarray(0, depth), (price): Level => [price, levels.get(price)!])
  }
  return stateOf(best(bids, -1), best(asks, 1))
}

function apply({ bids, asks }: Sides, event: { bids: readonly Level[]; asks: readonly Level[] }) {
  for (const [side, levels] of [
    [bids, event.bids],
    [asks, event.asks],
  ] as const) {
    for (const [price, size] of levels) {
      if (size > 0) side.set(price, size)
      else side.delete(price)
    }
  }
}

/** The book at the venue: prices walk, levels come and go; and all the states it has lately been in. */
export class WalkingBook {
  readonly symbol: string
  readonly #random: Random
  readonly #depth: number | undefined
  readonly #sides: Sides = { bids: new Map(), asks: new Map() }
  readonly #states = new Set<number>()
  #middle = 1_000

  constructor(symbol: string, random: Random, depth: number | undefined) {
    this.symbol = symbol
    this.#random = random
    this.#depth = depth
    // Before anything stands in it.
    this.#states.add(this.state)
  }

  /** The whole book, as it opens. */
  begin(timestamp: number): MarketEvent {
    const levels = (sign: number): Level[] =>
      Array.from({ length: 12 }, (_, i) => [this.#price(sign * (i + 1)), 1 + i])
    return this.#event({ bids: levels(-1), asks: levels(1) }, timestamp, true)
  }

  /** A change of some levels. */
  step(timestamp: number): MarketEvent {
    const random = this.#random
    if (random() < 0.2) this.#middle += random() < 0.5 ? -1 : 1
    const changes = { bids: new Map<number, number>(), asks: new Map<number, number>() }
    // What the price has walked over has traded.
    const middle = this.#price(0)
    for (const price of this.#sides.bids.keys()) if (price >= middle) changes.bids.set(price, 0)
    for (const price of this.#sides.asks.keys()) if (price <= middle) changes.asks.set(price, 0)
    for (let i = 1 + Math.floor(random() * 4); i > 0; i--) {
      const ticks = 1 + Math.floor(random() * WIDTH)
      const size = random() < 0.3 ? 0 : Math.ceil(random() * 1_000) / 100
      if (random() < 0.5) changes.bids.set(this.#price(-ticks), size)
      else changes.asks.set(this.#price(ticks), size)
    }
    const event = { bids: [...changes.bids], asks: [...changes.asks] }
    return this.#event(event, timestamp, false)
  }

  get state(): number {
    return stateOfSides(this.#sides, this.#depth)
  }

  has(state: number): boolean {
    return this.#states.has(state)
  }

  #price(ticks: number): number {
    return Number(((this.#middle + ticks) / 10).toFixed(1))
  }

  #event(
    levels: { readonly bids: readonly Level[]; readonly asks: readonly Level[] },
    timestamp: number,
    snapshot: boolean,
  ): MarketEvent {
    apply(this.#sides, levels)
    this.#states.add(this.state)
    if (this.#states.size > REMEMBERED) this.#states.delete(this.#states.values().next().value!)
    const fields = { type: 'book', source: 'venue', symbol: this.symbol } as const
    return createEvent({ ...fields, timestamp, ...levels, snapshot })
  }
}

/**
 * Two who read: the feed's own book, and one who only applies events and heeds notices; they must show nothing that never
 * was, and nothing at all between a break and a snapshot.
 */
export class Reader {
  live: LiveBook | undefined
  readonly #truth: WalkingBook
  readonly #symbol: string
  readonly #depth: number | undefined
  readonly #wrong: (what: string) => void
  readonly #sides: Sides = { bids: new Map(), asks: new Map() }
  #synced = false

  constructor(truth: WalkingBook, depth: number | undefined, wrong: (what: string) => void) {
    this.#truth = truth
    this.#symbol = truth.symbol
    this.#depth = depth
    this.#wrong = wrong
  }

  /** The provider has said that the book is broken, and the engine has heard it. */
  broken(): void {
    if (this.live?.book.synced) this.#wrong('is shown although it is broken')
  }

  look(view: OrderBookView): void {
    if (!view.synced) return
    const shown = stateOf(view.bids(this.#depth), view.asks(this.#depth))
    if (!this.#truth.has(shown)) this.#wrong('was shown as it never was')
  }

  take(event: MarketEvent): void {
    if (event.type === 'notice') {
      // The end of a connection is told of each book on it, too.
      const isBreak = event.notice === 'gap' && event.kind === 'book'
      if (isBreak && event.symbol === this.#symbol) this.#synced = false
      return
    }
    if (event.type !== 'book' || event.symbol !== this.#symbol) return
    if (event.snapshot) {
      this.#sides.bids.clear()
      this.#sides.asks.clear()
      this.#synced = true
    }
    apply(this.#sides, event)
    if (!this.#synced) return
    if (!this.#truth.has(stateOfSides(this.#sides, this.#depth))) {
      this.#wrong('was told as it never was')
    }
  }

  /** What is not as at the venue, now that all is quiet. */
  compare(): string[] {
    const { book } = this.live!
    if (!book.synced) return [`not whole: ${book.unsynced?.message}`]
    const faults: string[] = []
    const shown = stateOf(book.bids(this.#depth), book.asks(this.#depth))
    if (shown !== this.#truth.state) faults.push("not the venue's")
    if (!this.#synced) faults.push('no snapshot was told')
    else if (stateOfSides(this.#sides, this.#depth) !== this.#truth.state) {
      faults.push("what was told is not the venue's")
    }
    return faults
  }
}
