import { type Random, seededRandom } from '../../base/random.ts'
import type { MarketEvent } from '../../market/events.ts'
import { hash, type SimulatedInstrument } from './instruments.ts'
import { SymbolMarket } from './market.ts'

/** What is wanted of a symbol, as bits. */
export const WANT = { trade: 1, quote: 2, bar: 4 } as const

/** Length of a bar, ms. */
const MINUTE_MS = 60_000

interface Listing {
  readonly market: SymbolMarket
  wants: number
}

/**
 * The whole market as a function of time: which symbol moves next and when. Knows no timers: its owner says up
 * to when it shall run. Chance decides the order and the gaps (a Poisson process), each symbol its own prices.
 */
export class Simulation {
  readonly #seed: number
  readonly #source: string
  readonly #instruments: ReadonlyMap<string, SimulatedInstrument>
  /** Events a millisecond; Infinity for as many as asked for. */
  readonly #perMs: number
  readonly #random: Random
  readonly #listings = new Map<string, Listing>()
  #active: Listing[] = []
  /** Running sum of the weights of `#active`. */
  #weights = new Float64Array(0)
  #minute: number
  #due: number

  constructor(
    instruments: ReadonlyMap<string, SimulatedInstrument>,
    options: { seed: number; rate: number; source: string; start: number },
  ) {
    this.#instruments = instruments
    this.#seed = options.seed
    this.#source = options.source
    this.#perMs = options.rate / 1_000
    this.#random = seededRandom(hash(`${options.seed}`))
    this.#minute = minuteOf(options.start)
    this.#due = options.start + this.#gap()
  }

  /** When something happens next, epoch ms; Infinity when nothing is wanted. */
  get next(): number {
    if (this.#active.length === 0) return Number.POSITIVE_INFINITY
    return Math.min(this.#due, this.#minute + MINUTE_MS)
  }

  /** Changes what is wanted of a symbol. A market nobody wants stands still. */
  want(symbol: string, wants: number, now: number): void {
    if (this.#active.length === 0) {
      // While nothing was wanted no time passed for the market.
      this.skipTo(now)
      this.#minute = minuteOf(now)
    }
    let listing = this.#listings.get(symbol)
    if (!listing) {
      const instrument = this.#instruments.get(symbol)
      if (!instrument) return
      listing = { market: new SymbolMarket(instrument, this.#seed), wants: 0 }
      this.#listings.set(symbol, listing)
    }
    listing.wants = wants
    // In the order of the list of instruments, so that the order of subscribing changes nothing.
    this.#active = []
    for (const name of this.#instruments.keys()) {
      const one = this.#listings.get(name)
      if (one && one.wants !== 0) this.#active.push(one)
    }
    let sum = 0
    this.#weights = Float64Array.from(this.#active, one => (sum += one.market.instrument.weight))
  }

  /** Leaves out the time up to `now`, as after a suspended machine. */
  skipTo(now: number): void {
    if (this.#due < now) this.#due = now
  }

  /**
   * Runs up to `now`, at most `limit` steps, and puts the events at the end of `out`.
   * Returns true when more is due already.
   */
  run(now: number, limit: number, out: MarketEvent[]): boolean {
    if (this.#active.length === 0) return false
    let steps = 0
    if (this.#perMs === Number.POSITIVE_INFINITY) {
      const from = Math.min(this.#due, now)
      for (; steps < limit; steps++) {
        this.#move(from + ((now - from) * (steps + 1)) / limit, now, out)
      }
      this.#due = now
      return true
    }
    while (this.#due <= now) {
      if (steps++ === limit) return true
      this.#move(this.#due, now, out)
      this.#due += this.#gap()
    }
    this.#closeMinute(now, now, out)
    return false
  }

  #gap(): number {
    return -Math.log(1 - this.#random()) / this.#perMs
  }

  /** Moves one symbol until something wanted happened to it. */
  #move(at: number, now: number, out: MarketEvent[]): void {
    if (at >= this.#minute + MINUTE_MS) this.#closeMinute(at, now, out)
    const { market, wants } = this.#active[this.#choose()]!
    const timestamp = Math.floor(at)
    const nanos = Math.floor((at - timestamp) * 1_000_000)
    // Who wants bars wants their trades to happen.
    const moving = wants & WANT.bar ? wants | WANT.trade : wants
    for (;;) {
      if (market.step()) {
        market.count(this.#minute)
        if (wants & WANT.trade) out.push(market.trade(this.#source, timestamp, nanos, now))
        if (moving & WANT.trade) return
      } else if (wants & WANT.quote) {
        out.push(market.quote(this.#source, timestamp, nanos, now))
        return
      }
    }
  }

  #choose(): number {
    const weights = this.#weights
    let high = weights.length - 1
    if (high === 0) return 0
    const target = this.#random() * weights[high]!
    let low = 0
    while (low < high) {
      const middle = (low + high) >> 1
      if (weights[middle]! > target) high = middle
      else low = middle + 1
    }
    return low
  }

  #closeMinute(at: number, now: number, out: MarketEvent[]): void {
    if (at < this.#minute + MINUTE_MS) return
    for (const { market, wants } of this.#active) {
      if ((wants & WANT.bar) === 0) continue
      const bar = market.bar(this.#minute, this.#source, now)
      if (bar) out.push(bar)
    }
    this.#minute = minuteOf(at)
  }
}

const minuteOf = (time: number) => Math.floor(time / MINUTE_MS) * MINUTE_MS
