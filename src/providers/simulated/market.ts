import { type Random, seededRandom } from '../../base/random.ts'
import { Bar, Flag, Quote, Trade } from '../../market/events.ts'
import { hash, type SimulatedInstrument } from './instruments.ts'

/** Share of steps that print a trade; the others move the quote. */
const TRADE_SHARE = 0.4
/** Standard deviation of one step of the fair price, relative. */
const STEP = 2e-5
/** Pull of each step towards the symbol's level: with STEP the price stays within about 10 % of it for good. */
const PULL = 2e-7
/** STEP for a uniform number in [0, 1) less one half. */
const STEP_UNIFORM = STEP * Math.sqrt(12)

const EXCHANGES = ['V', 'P', 'Q', 'K', 'Z', 'N', 'D', 'U'] as const
const REGULAR = Object.freeze(['@'])
const ODD_LOT = Object.freeze(['@', 'I'])
const SWEEP = Object.freeze(['@', 'F'])
const QUOTE_REGULAR = Object.freeze(['R'])

/**
 * One symbol: a fair price that wanders around its level, a quote around it, and trades at or inside the quote.
 * It draws from a generator of its own, so what happens to a symbol depends on nothing but seed and name.
 * `step()` moves it on, `trade()` and `quote()` say what the last step did.
 */
export class SymbolMarket {
  readonly instrument: SimulatedInstrument
  readonly #random: Random
  readonly #perUnit: number
  readonly #stock: boolean
  /** Distance of the fair price from the level, relative. */
  #drift = 0
  #bidTicks = 0
  #askTicks = 0
  #bidSize = 0
  #askSize = 0
  #price = 0
  #size = 0
  #sellerTook = false
  #trades = 0

  #minute = -1
  #open = 0
  #high = 0
  #low = 0
  #close = 0
  #volume = 0
  #turnover = 0
  #count = 0

  constructor(instrument: SimulatedInstrument, seed: number) {
    this.instrument = instrument
    this.#random = seededRandom(hash(`${seed}:${instrument.symbol}`))
    // Prices are ticks divided by ticks per unit: 31620 / 100 is the nearest double to 316.20, 31620 * 0.01 is not.
    this.#perUnit = 1 / instrument.tick
    this.#stock = instrument.market === 'stock'
  }

  /** Moves the symbol on: true for a trade, false for a quote. The first step is always a quote. */
  step(): boolean {
    const random = this.#random
    if (this.#bidSize !== 0 && random() < TRADE_SHARE) {
      this.#print(random)
      return true
    }
    this.#drift += (random() - 0.5) * STEP_UNIFORM - this.#drift * PULL
    const { price, spreadTicks } = this.instrument
    const fair = price * (1 + this.#drift) * this.#perUnit
    // Mostly the usual spread, now and then up to twice as wide.
    const wide = random()
    const spread = Math.max(1, Math.round(spreadTicks * (wide < 0.7 ? 1 : 0.6 + wide)))
    this.#bidTicks = Math.max(1, Math.round(fair - spread / 2))
    this.#askTicks = this.#bidTicks + spread
    this.#bidSize = this.#depth(random)
    this.#askSize = this.#depth(random)
    return false
  }

  #print(random: Random): void {
    const where = random()
    const spread = this.#askTicks - this.#bidTicks
    // Some print between the two prices, as hidden orders and price improvement make them.
    const inside = spread > 1 && where > 0.9
    const ticks = inside
      ? this.#bidTicks + 1 + Math.floor(random() * (spread - 1))
      : where < 0.45
        ? this.#bidTicks
        : this.#askTicks
    this.#sellerTook = inside ? random() < 0.5 : where < 0.45
    this.#price = ticks / this.#perUnit
    const u = random()
    if (this.#stock) {
      // Half of all trades are odd lots, most others a few round lots, few are large.
      this.#size =
        u < 0.5
          ? 1 + Math.floor(u * 198)
          : Math.min(20_000, 100 * (1 + Math.floor(0.25 / (1 - u) - 0.5)))
    } else {
      const units = (200 * u * u) / this.instrument.price + 0.0001
      this.#size = Math.round(units * 1e6) / 1e6
    }
    this.#trades++
  }

  #depth(random: Random): number {
    const u = random()
    if (this.#stock) return 100 * (1 + Math.floor(u * u * 12))
    return Math.round(((50_000 * (u + 0.02)) / this.instrument.price) * 1e6) / 1e6
  }

  /** The trade of the last step. */
  trade(source: string, timestamp: number, nanos: number, receivedAt: number): Trade {
    const { symbol, tape } = this.instrument
    const size = this.#size
    const pick = (this.#trades * 7 + size) >>> 0
    return new Trade(
      symbol,
      source,
      timestamp,
      nanos,
      receivedAt,
      Flag.simulated,
      this.#price,
      size,
      this.#trades,
      this.#stock ? EXCHANGES[pick & 7] : undefined,
      this.#stock ? (size < 100 ? ODD_LOT : (pick & 15) === 15 ? SWEEP : REGULAR) : undefined,
      this.#stock ? tape : undefined,
      this.#stock ? undefined : this.#sellerTook ? 'sell' : 'buy',
    )
  }

  quote(source: string, timestamp: number, nanos: number, receivedAt: number): Quote {
    const stock = this.#stock
    return new Quote(
      this.instrument.symbol,
      source,
      timestamp,
      nanos,
      receivedAt,
      Flag.simulated,
      this.#bidTicks / this.#perUnit,
      this.#bidSize,
      this.#askTicks / this.#perUnit,
      this.#askSize,
      stock ? EXCHANGES[this.#bidSize & 7] : undefined,
      stock ? EXCHANGES[(this.#askSize >> 1) & 7] : undefined,
      stock ? QUOTE_REGULAR : undefined,
      stock ? this.instrument.tape : undefined,
    )
  }

  /** Enters the last trade into the bar of `minute` (epoch ms of its left edge). */
  count(minute: number): void {
    const price = this.#price
    if (this.#minute !== minute) {
      this.#minute = minute
      this.#open = this.#high = this.#low = price
      this.#volume = this.#turnover = this.#count = 0
    }
    if (price > this.#high) this.#high = price
    if (price < this.#low) this.#low = price
    this.#close = price
    this.#volume += this.#size
    this.#turnover += price * this.#size
    this.#count++
  }

  /** The bar of a minute that is over, or `undefined` when nothing traded in it. */
  bar(minute: number, source: string, receivedAt: number): Bar | undefined {
    if (this.#minute !== minute) return undefined
    // Sums of coin sizes carry rounding dust; nine digits are far below the smallest size.
    const volume = this.#stock ? this.#volume : Math.round(this.#volume * 1e9) / 1e9
    return new Bar(
      this.instrument.symbol,
      source,
      minute,
      0,
      receivedAt,
      Flag.simulated,
      '1m',
      this.#open,
      this.#high,
      this.#low,
      this.#close,
      volume,
      // Rounding may push a quotient of sums past prices that are all the same.
      Math.min(this.#high, Math.max(this.#low, this.#turnover / this.#volume)),
      this.#count,
      true,
      0,
      undefined,
    )
  }
}
