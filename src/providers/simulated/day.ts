import { TickwireError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import type { MarketEvent } from '../../market/events.ts'
import { Agenda } from './agenda.ts'
import { Arrivals, indexOfWeight } from './arrivals.ts'
import {
  CLOSE,
  MINUTES,
  OPEN,
  PRE,
  type Rates,
  ratesOf,
  sessionAt,
  startOfDay,
} from './day-clock.ts'
import { type HaltReason, Halts } from './halts.ts'
import { hash, type SimulatedInstrument } from './instruments.ts'
import { Listing } from './listing.ts'
import { SymbolMarket } from './market.ts'
import { MINUTE_MS } from './minute-bar.ts'
import { LIVE_SESSION, type Session } from './session.ts'
import type { Playing } from './simulation.ts'

/** Trades and quotes of a day for each symbol, on average over all, where nothing else is said. */
const EVENTS_PER_SYMBOL = 20_000
/** Standard deviation of a day's move, relative; few events make it in larger steps. */
const DAY_MOVE = 0.015
const LARGEST_STEP = 1e-3
/** Share of the stocks that are halted once a day. */
const HALTED = 0.05
const VOLATILITY_PAUSE_MS = 300_000
const NEWS_HALT_MS = { least: 900_000, span: 1_800_000 } as const
/** How long an event travels, ms: this, and up to as much again as `most`. */
const LATENCY_MS = { least: 0.2, most: 1.8 } as const
/** Auctions print within this after the opening and the close, ms. */
const AUCTION_MS = 1_500

type Act =
  | { readonly type: 'open' | 'close' | 'resume'; readonly listing: Listing }
  | { readonly type: 'halt'; readonly listing: Listing; readonly why: HaltReason }

/**
 * One day of the market on its own clock, New York's: stocks from 04:00 to 20:00, thin before 09:30 and after 16:00,
 * crypto from midnight to midnight. All symbols move whatever is wanted of them, so that what is asked for changes
 * nothing but what is told. Events are received when their time and a small latency are over, never out of order.
 */
export class TradingDay implements Playing {
  readonly #arrivals: Arrivals
  readonly #agenda = new Agenda<Act>()
  readonly #bySymbol = new Map<string, Listing>()
  /** Stocks, then crypto. */
  readonly #listings: readonly Listing[]
  readonly #stocks: number
  readonly #sums: Float64Array
  readonly #start: number
  readonly #rates: Rates
  /** Of stocks, by minute. */
  readonly #sessions: readonly Session[]
  /** The listing that moved last: its burst may go on. */
  #last: Listing | undefined
  #minute = 0
  #at: number
  /** What is left of the wait for the next event, in mean waits. */
  #wait: number
  #receivedAt: number
  #wanted = 0
  over = false

  /** @throws BAD_OPTION for a day that cannot be used; see {@link checkDay} */
  constructor(
    all: ReadonlyMap<string, SimulatedInstrument>,
    options: { day: string; seed: number; events: number | undefined; source: string },
  ) {
    const { day, seed, source, events = EVENTS_PER_SYMBOL * all.size } = options
    this.#start = this.#at = this.#receivedAt = startOfDay(day)
    const sorted = [...all.values()].sort((a, b) => Number(isCrypto(a)) - Number(isCrypto(b)))
    this.#stocks = sorted.filter(one => !isCrypto(one)).length
    let sum = 0
    this.#sums = Float64Array.from(sorted, ({ weight }) => (sum += weight))
    const marketSeed = hash(`${seed}:${day}`)
    this.#listings = sorted.map(instrument => {
      const steps = Math.max(1, (0.6 * events * instrument.weight) / sum)
      const step = Math.min(LARGEST_STEP, DAY_MOVE / Math.sqrt(steps))
      const market = new SymbolMarket(instrument, marketSeed, step)
      const floor = this.#start + (market.stock ? PRE * MINUTE_MS : 0)
      return new Listing(market, { source, seed: marketSeed, floor })
    })
    for (const listing of this.#listings) {
      this.#bySymbol.set(listing.market.instrument.symbol, listing)
    }
    this.#sessions = Array.from({ length: MINUTES }, (_, minute) => sessionAt(minute))
    const stockShare = (this.#sums[this.#stocks - 1] ?? 0) / sum
    this.#rates = ratesOf(events * stockShare, events * (1 - stockShare))
    this.#arrivals = new Arrivals(seededRandom(marketSeed))
    this.#wait = this.#arrivals.wait()
    this.#plan(marketSeed)
  }

  get next(): number {
    return this.#wanted > 0 && !this.over ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }

  want(symbol: string, wants: number): void {
    const listing = this.#bySymbol.get(symbol)
    if (!listing) return
    this.#wanted += Number(wants !== 0) - Number(listing.wants !== 0)
    listing.wants = wants
  }

  run(_now: number, limit: number, out: MarketEvent[]): boolean {
    if (this.#wanted === 0) return false
    for (let steps = 0; steps < limit; steps++) {
      if (!this.#advance(out)) return false
      this.#move(out)
      this.#wait = this.#arrivals.wait()
    }
    return true
  }

  /** Goes on to the next arrival, past the ends of minutes; false when the day has ended before. */
  #advance(out: MarketEvent[]): boolean {
    while (!this.over) {
      const perMs = this.#rates.perMs[this.#minute]!
      const end = this.#start + (this.#minute + 1) * MINUTE_MS
      const at = perMs === 0 ? end : this.#at + this.#wait / perMs
      if (at < end) {
        this.#keep(at, out)
        this.#at = at
        return true
      }
      this.#keep(end, out)
      this.#wait -= (end - this.#at) * perMs
      this.#at = end
      this.#endMinute(out)
    }
    return false
  }

  #endMinute(out: MarketEvent[]): void {
    const receivedAt = this.#receive(this.#at)
    const session = this.#sessions[this.#minute]!
    const left = this.#start + this.#minute * MINUTE_MS
    for (const listing of this.#listings) {
      if (listing.wants !== 0) listing.endMinute(left, receivedAt, session, out)
    }
    this.#minute++
    this.over = this.#minute === MINUTES
  }

  #move(out: MarketEvent[]): void {
    const { random } = this.#arrivals
    let listing = this.#last
    if (!listing || !this.#arrivals.follows) {
      const crypto = this.#rates.crypto[this.#minute]!
      const stocks = this.#stocks
      const isCoin = crypto > 0 && random() < crypto
      const [low, high] = isCoin ? [stocks, this.#sums.length - 1] : [0, stocks - 1]
      const base = isCoin && stocks > 0 ? this.#sums[stocks - 1]! : 0
      const target = base + random() * (this.#sums[high]! - base)
      listing = this.#last = this.#listings[indexOfWeight(this.#sums, target, low, high)]!
    }
    if (listing.halted) return
    const session = listing.market.stock ? this.#sessions[this.#minute]! : LIVE_SESSION
    listing.step(
      this.#at,
      this.#start + this.#minute * MINUTE_MS,
      this.#receive(this.#at),
      session,
      out,
    )
  }

  /** When something of time `at` is received: after its latency, and not before what came before it. */
  #receive(at: number): number {
    const u = this.#arrivals.random()
    const receivedAt = at + LATENCY_MS.least + LATENCY_MS.most * u * u * u
    if (receivedAt > this.#receivedAt) this.#receivedAt = receivedAt
    return this.#receivedAt
  }

  /** Enters what is known of the day in advance: auctions and halts. */
  #plan(seed: number): void {
    const open = this.#start + OPEN * MINUTE_MS
    const close = this.#start + CLOSE * MINUTE_MS
    this.#listings.slice(0, this.#stocks).forEach(listing => {
      const halts = new Halts(seed, listing.market.instrument.symbol)
      this.#agenda.add(open + halts.draw() * AUCTION_MS, { type: 'open', listing })
      this.#agenda.add(close + halts.draw() * AUCTION_MS, { type: 'close', listing })
      if (halts.draw() >= HALTED) return
      const why = halts.why()
      const lasts =
        why === 'volatility'
          ? VOLATILITY_PAUSE_MS
          : NEWS_HALT_MS.least + halts.draw() * NEWS_HALT_MS.span
      // It begins after the opening and ends well before the close.
      const latest = close - open - lasts - 10 * MINUTE_MS
      const at = open + 5 * MINUTE_MS + halts.draw() * (latest - 5 * MINUTE_MS)
      this.#agenda.add(at, { type: 'halt', listing, why })
      this.#agenda.add(at + lasts, { type: 'resume', listing })
    })
  }

  /** Does what is planned before `at`, within the running minute. */
  #keep(at: number, out: MarketEvent[]): void {
    while (this.#agenda.next < at) {
      const { next } = this.#agenda
      const act = this.#agenda.take()!
      const { listing } = act
      const receivedAt = this.#receive(next)
      const session = this.#sessions[this.#minute]!
      if (act.type === 'halt') listing.halt(act.why, next, receivedAt, out)
      else if (act.type === 'resume') listing.resume(next, receivedAt, out)
      else listing.auction(act.type, next, receivedAt, session, out)
    }
  }
}

/** @throws BAD_OPTION for a day or a number of events that cannot be used */
export function checkDay(day: string, events: number | undefined): void {
  startOfDay(day)
  if (events === undefined || (Number.isSafeInteger(events) && events > 0)) return
  throw new TickwireError('BAD_OPTION', `events is ${events}`, {
    hint: 'Give the number of trades and quotes of the day, a whole number above 0.',
  })
}

const isCrypto = ({ market }: SimulatedInstrument) => market === 'crypto'
