import { type Random, seededRandom } from '../../base/random.ts'
import { Flag, Quote, Trade } from '../../market/events.ts'
import {
  type AuctionCodes,
  auctionOf,
  conditionsOf,
  EXCHANGE_OF,
  EXCHANGES,
  OFF_EXCHANGE,
  PRINT,
  QUOTE_REGULAR,
  VOLUME_ONLY,
} from './codes.ts'
import { hash, type SimulatedInstrument } from './instruments.ts'
import { LIVE_SESSION, type Session } from './session.ts'

/** Share of steps that print a trade; the others move the quote. */
const TRADE_SHARE = 0.4
/** Standard deviation of one step of the fair price, relative, where nothing else is said. */
const STEP = 2e-5
/** Pull towards the symbol's level for a step of 1: whatever the step, the price stays within about 10 % of it. */
const PULL = 500
const SQRT_12 = Math.sqrt(12)
/** How much one step moves the volatility, and how fast it returns to 1: it varies about twofold, over ~500 steps. */
const VOLATILITY = { gain: 0.03, pull: 0.002, least: 0.3, most: 5 } as const
/** Shares of the trades of stocks: reported late, sweeps, later corrected or canceled. */
const LATE = 0.016
const SWEEP = 0.08
const DOUBTFUL = 0.003
/** A late report comes 0.1 to 30 s after its time. */
const LATE_MS = { least: 100, ratio: 300 } as const

/** A trade as it was printed, as far as corrections name it. */
export interface Print {
  readonly id: number
  readonly price: number
  readonly size: number
  readonly exchange: string
  readonly conditions: readonly string[]
}

/** Takes back a print, or replaces it: then with a new id and price. */
export type Fix =
  | { readonly type: 'cancel'; readonly print: Print; readonly action: 'cancel' | 'error' }
  | {
      readonly type: 'correction'
      readonly print: Print
      readonly id: number
      readonly price: number
    }

/**
 * One symbol: a fair price that wanders around its level, calmly or wildly, a quote around it, and trades at or
 * inside the quote. It draws from a generator of its own, so what happens to a symbol depends on nothing but seed
 * and name. `step()` moves it on; `trade()` and `quote()` say what the last step did.
 */
export class SymbolMarket {
  readonly instrument: SimulatedInstrument
  readonly stock: boolean
  /** Ticks per unit: 31620 / 100 is the nearest double to 316.20, 31620 * 0.01 is not. */
  readonly perUnit: number
  readonly #random: Random
  readonly #step: number
  readonly #pull: number
  readonly #conditions: readonly (readonly string[])[]
  readonly #auction: AuctionCodes
  /** Last id by exchange. Ids start anew on each, so they repeat across exchanges and never on one. */
  readonly #ids = new Float64Array(EXCHANGES.length)
  /** Distance of the fair price from the level, relative. */
  #drift = 0
  #volatility = 1

  bidTicks = 0
  askTicks = 0
  bidSize = 0
  askSize = 0
  /** A quote of some time ago, at which late reports print. */
  #pastBid = 0
  #pastAsk = 0
  #quotes = 0

  /** Of the last trade. */
  price = 0
  size = 0
  /** How late it is reported, ms; 0 for at once. */
  lateBy = 0
  /** Whether it counts for the prices of a bar. */
  pricing = true
  /** What came with it: an earlier print put right. */
  fix: Fix | undefined
  #id = 0
  #exchange = 0
  #printed: readonly string[] = []
  #sellerTook = false
  #doubtful: Print | undefined
  /** Trades until the doubtful print is put right. */
  #patience = 0

  constructor(instrument: SimulatedInstrument, seed: number, step = STEP) {
    this.instrument = instrument
    this.stock = instrument.market === 'stock'
    this.perUnit = 1 / instrument.tick
    this.#random = seededRandom(hash(`${seed}:${instrument.symbol}`))
    this.#step = step * SQRT_12
    this.#pull = step * step * PULL
    this.#conditions = conditionsOf(instrument.tape)
    this.#auction = auctionOf(instrument.tape)
  }

  /** Moves the symbol on: true for a trade, false for a quote. The first step is always a quote. */
  step(session: Session = LIVE_SESSION): boolean {
    const random = this.#random
    if (this.bidSize !== 0 && random() < TRADE_SHARE) {
      this.#print(random, session)
      return true
    }
    const shock = random() - 0.5
    const volatility = this.#volatility
    this.#drift += shock * this.#step * volatility * session.volatility - this.#drift * this.#pull
    // A large step makes the next ones larger (12 shock² is 1 on average), and it calms down with time.
    const moved =
      volatility * (1 + VOLATILITY.gain * (12 * shock * shock - 1)) +
      VOLATILITY.pull * (1 - volatility)
    this.#volatility = Math.min(VOLATILITY.most, Math.max(VOLATILITY.least, moved))
    const { price, spreadTicks } = this.instrument
    const fair = price * (1 + this.#drift) * this.perUnit
    // Wider when prices move much, and now and then up to twice as wide for no reason.
    const wide = random()
    const width = spreadTicks * session.spread * (0.5 + 0.5 * moved) * (wide < 0.7 ? 1 : 0.6 + wide)
    const spread = Math.max(1, Math.round(width))
    if ((this.#quotes++ & 31) === 0) {
      this.#pastBid = this.bidTicks
      this.#pastAsk = this.askTicks
    }
    this.bidTicks = Math.max(1, Math.round(fair - spread / 2))
    this.askTicks = this.bidTicks + spread
    this.bidSize = this.depth(random)
    this.askSize = this.depth(random)
    return false
  }

  #print(random: Random, session: Session): void {
    // One number decides the place and the rare things, the next the price.
    const chance = random() * 16
    const place = Math.floor(chance)
    const rare = chance - place
    let { bidTicks: bid, askTicks: ask } = this
    this.lateBy = 0
    if (rare < LATE) {
      this.lateBy = LATE_MS.least * LATE_MS.ratio ** random()
      if (this.#pastBid !== 0) [bid, ask] = [this.#pastBid, this.#pastAsk]
    }
    const where = random()
    const spread = ask - bid
    // Some print between the two prices, as hidden orders and price improvement make them.
    const inside = spread > 1 && where > 0.9
    const ticks = inside ? bid + 1 + Math.floor(random() * (spread - 1)) : where < 0.45 ? bid : ask
    this.#sellerTook = inside ? random() < 0.5 : where < 0.45
    this.price = ticks / this.perUnit
    const u = random()
    if (!this.stock) {
      const units = (200 * u * u) / this.instrument.price + 0.0001
      this.size = Math.round(units * 1e6) / 1e6
      this.#id = ++this.#ids[0]!
      return
    }
    // Half of all trades are odd lots, most others a few round lots, few are large.
    this.size =
      u < 0.5
        ? 1 + Math.floor(u * 198)
        : Math.min(50_000, 100 * (1 + Math.floor(0.25 / (1 - u) - 0.5)))
    const late = this.lateBy !== 0
    const exchange = late ? OFF_EXCHANGE : EXCHANGE_OF[place]!
    const bits =
      (u < 0.5 ? PRINT.odd : 0) |
      (session.extended ? PRINT.extended : 0) |
      (late ? PRINT.late : rare > 1 - SWEEP && exchange !== OFF_EXCHANGE ? PRINT.sweep : 0)
    this.#exchange = exchange
    this.#printed = this.#conditions[bits]!
    this.pricing = (bits & VOLUME_ONLY) === 0
    this.#id = ++this.#ids[exchange]!
    this.fix = undefined
    if (this.#patience > 0) {
      if (--this.#patience === 0) this.#putRight()
    } else if (rare > 0.5 && rare < 0.5 + DOUBTFUL) {
      this.#doubtful = {
        id: this.#id,
        price: this.price,
        size: this.size,
        exchange: EXCHANGES[exchange]!,
        conditions: this.#printed,
      }
      this.#patience = 1 + (this.size % 29)
    }
  }

  #putRight(): void {
    const print = this.#doubtful!
    this.#doubtful = undefined
    // Of what is put right, half is taken back; of that, some never happened at all.
    if (print.id % 2 === 0) {
      const action = print.id % 6 === 0 ? 'error' : 'cancel'
      this.fix = { type: 'cancel', print, action }
      return
    }
    const exchange = EXCHANGES.indexOf(print.exchange as (typeof EXCHANGES)[number])
    const ticks = Math.round(print.price * this.perUnit) + 1 + (print.size % 3)
    const id = ++this.#ids[exchange]!
    this.fix = { type: 'correction', print, id, price: ticks / this.perUnit }
  }

  /** What stands at one price. */
  depth(random: Random): number {
    const u = random()
    if (this.stock) return 100 * (1 + Math.floor(u * u * 12))
    return Math.round(((50_000 * (u + 0.02)) / this.instrument.price) * 1e6) / 1e6
  }

  /** The trade of the last step. */
  trade(source: string, timestamp: number, nanos: number, receivedAt: number): Trade {
    const stock = this.stock
    return new Trade(
      this.instrument.symbol,
      source,
      timestamp,
      nanos,
      receivedAt,
      Flag.simulated,
      this.price,
      this.size,
      this.#id,
      stock ? EXCHANGES[this.#exchange] : undefined,
      stock ? this.#printed : undefined,
      stock ? this.instrument.tape : undefined,
      stock ? undefined : this.#sellerTook ? 'sell' : 'buy',
    )
  }

  quote(source: string, timestamp: number, nanos: number, receivedAt: number): Quote {
    const stock = this.stock
    return new Quote(
      this.instrument.symbol,
      source,
      timestamp,
      nanos,
      receivedAt,
      Flag.simulated,
      this.bidTicks / this.perUnit,
      this.bidSize,
      this.askTicks / this.perUnit,
      this.askSize,
      // No quotes come from off exchange.
      stock ? EXCHANGES[1 + ((this.bidSize / 100) % 7)] : undefined,
      stock ? EXCHANGES[1 + ((this.askSize / 50) % 7)] : undefined,
      stock ? QUOTE_REGULAR : undefined,
      stock ? this.instrument.tape : undefined,
    )
  }

  /**
   * Holds the opening or closing auction of a stock with a quote: the trade of it becomes the last trade. Follow
   * `trade()` by `official()` and `trade()` for the official price.
   */
  auction(which: 'open' | 'close'): void {
    const ticks = Math.round((this.bidTicks + this.askTicks) / 2)
    this.price = ticks / this.perUnit
    this.size = 100 * (10 + Math.floor(this.#random() ** 2 * 90 * this.instrument.weight))
    this.lateBy = 0
    this.pricing = true
    this.fix = undefined
    this.#exchange = this.#auction.exchange
    this.#printed = this.#auction[which][0]!
    this.#id = ++this.#ids[this.#exchange]!
  }

  /** Turns the auction's trade into its official price. */
  official(which: 'open' | 'close'): void {
    this.#printed = this.#auction[which][1]!
    this.#id = ++this.#ids[this.#exchange]!
  }
}
