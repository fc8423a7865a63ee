import type { Random } from '../../base/random.ts'
import { Book, Flag, type Level } from '../../market/events.ts'

/** Levels a side. */
const DEPTH = 12
/** Updates between two snapshots. */
const SNAPSHOT_EVERY = 2_048

interface BookOptions {
  /** Ticks per unit of price: prices are divided, as in the quotes, so that equal prices are equal numbers. */
  readonly perUnit: number
  /** The widest distance between two levels. */
  readonly stepTicks: number
  readonly random: Random
  /** Draws what a level holds. */
  readonly size: (random: Random) => number
}

/**
 * The order book around the quotes of a symbol: its best levels are the last quote, the levels behind have sizes of
 * their own. Each quote becomes one event, a delta or now and then a snapshot, the first of all being a snapshot.
 */
export class SimulatedBook {
  readonly #symbol: string
  readonly #source: string
  readonly #bids: BookSide
  readonly #asks: BookSide
  #sequence = 0

  constructor(symbol: string, source: string, options: BookOptions) {
    this.#symbol = symbol
    this.#source = source
    this.#bids = new BookSide(-1, options)
    this.#asks = new BookSide(1, options)
  }

  /** Follows a quote; `undefined` when nothing changed. */
  follow(
    bidTicks: number,
    bidSize: number,
    askTicks: number,
    askSize: number,
    timestamp: number,
    nanos: number,
    receivedAt: number,
  ): Book | undefined {
    let bids = this.#bids.follow(bidTicks, bidSize)
    let asks = this.#asks.follow(askTicks, askSize)
    const snapshot = this.#sequence % SNAPSHOT_EVERY === 0
    if (snapshot) {
      bids = this.#bids.levels()
      asks = this.#asks.levels()
    } else if (bids.length === 0 && asks.length === 0) return undefined
    return new Book(
      this.#symbol,
      this.#source,
      timestamp,
      nanos,
      receivedAt,
      Flag.simulated,
      bids,
      asks,
      snapshot,
      ++this.#sequence,
      undefined,
    )
  }
}

class BookSide {
  /** Away from the spread: down for bids, up for asks. */
  readonly #direction: 1 | -1
  readonly #perUnit: number
  readonly #stepTicks: number
  readonly #random: Random
  readonly #size: (random: Random) => number
  /** Best level first. */
  readonly #ticks: number[] = []
  readonly #sizes: number[] = []

  constructor(direction: 1 | -1, options: BookOptions) {
    this.#direction = direction
    this.#perUnit = options.perUnit
    this.#stepTicks = options.stepTicks
    this.#random = options.random
    this.#size = options.size
  }

  levels(): Level[] {
    return this.#ticks.map((ticks, i): Level => [ticks / this.#perUnit, this.#sizes[i]!])
  }

  /** Makes `best` the best level, and returns each level that is other than before, once. */
  follow(best: number, size: number): Level[] {
    const [ticks, sizes, direction] = [this.#ticks, this.#sizes, this.#direction]
    const changes: Level[] = []
    while (ticks.length > 0 && (ticks[0]! - best) * direction < 0) {
      changes.push([ticks.shift()! / this.#perUnit, 0])
      sizes.shift()
    }
    if (ticks[0] === best) {
      if (sizes[0] !== size) changes.push([best / this.#perUnit, size])
      sizes[0] = size
      if (ticks.length === DEPTH && this.#random() < 0.25) this.#stir(changes)
    } else {
      ticks.unshift(best)
      sizes.unshift(size)
      changes.push([best / this.#perUnit, size])
    }
    if (ticks.length > DEPTH) {
      changes.push([ticks.pop()! / this.#perUnit, 0])
      sizes.pop()
    }
    while (ticks.length < DEPTH) {
      const next = ticks.at(-1)! + direction * (1 + Math.floor(this.#random() * this.#stepTicks))
      if (next < 1) break
      ticks.push(next)
      sizes.push(this.#size(this.#random))
      changes.push([next / this.#perUnit, sizes.at(-1)!])
    }
    return changes
  }

  /** Orders come and go behind the best price too. */
  #stir(changes: Level[]): void {
    const i = 1 + Math.floor(this.#random() * (DEPTH - 1))
    const size = this.#size(this.#random)
    if (size === this.#sizes[i]) return
    this.#sizes[i] = size
    changes.push([this.#ticks[i]! / this.#perUnit, size])
  }
}
