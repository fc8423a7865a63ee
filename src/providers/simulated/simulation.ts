import { seededRandom } from '../../base/random.ts'
import type { MarketEvent } from '../../market/events.ts'
import { Agenda } from './agenda.ts'
import { Arrivals, indexOfWeight } from './arrivals.ts'
import { Halts } from './halts.ts'
import { hash, type SimulatedInstrument } from './instruments.ts'
import { Listing } from './listing.ts'
import { SymbolMarket } from './market.ts'
import { MINUTE_MS, minuteOf } from './minute-bar.ts'
import { LIVE_SESSION } from './session.ts'

/** How far the market may lag behind the clock before it leaves the missed time out, ms. */
const MAX_LAG_MS = 1_000
/** A stock is halted every two hours on average, for 15 to 60 s: real ones are rarer, and take five minutes or more. */
const HALT = { everyMs: 7_200_000, leastMs: 15_000, spanMs: 45_000 } as const

interface Appointment {
  readonly listing: Listing
  readonly halts: Halts
}

/** What a connection plays: the live market, or a day of it. */
export interface Playing {
  /** When it is to be run next, epoch ms: -Infinity at once, Infinity when nothing is wanted. */
  readonly next: number
  /** Whether there is no more to come. */
  readonly over: boolean
  /** Changes what is wanted of a symbol: bits of `KIND_BIT`. */
  want(symbol: string, wants: number, now: number): void
  /**
   * Runs up to `now`, at most `limit` steps, and puts the events at the end of `out`.
   * Returns true when more is due already.
   */
  run(now: number, limit: number, out: MarketEvent[]): boolean
}

/**
 * The whole market as a function of time: which symbol moves next and when. Knows no timers: its owner says up
 * to when it shall run. Chance decides the order and the gaps, each symbol its own prices.
 */
export class Simulation implements Playing {
  readonly over = false
  readonly #seed: number
  readonly #source: string
  readonly #instruments: ReadonlyMap<string, SimulatedInstrument>
  /** Events a millisecond; Infinity for as many as asked for. */
  readonly #perMs: number
  readonly #arrivals: Arrivals
  readonly #listings = new Map<string, Listing>()
  readonly #agenda = new Agenda<Appointment>()
  /** Wanted. */
  #active: Listing[] = []
  /** Wanted and not halted. */
  #moving: Listing[] = []
  /** Running sum of the weights of `#moving`. */
  #weights = new Float64Array(0)
  /** The listing that moved last: its burst may go on. */
  #last: Listing | undefined
  #minute: number
  /** When something moves next; Infinity when nothing can. */
  #due = Number.POSITIVE_INFINITY
  /** Since when nothing is wanted. */
  #idleSince: number
  /** Set while what is wanted has changed and nobody has looked. */
  #changedAt: number | undefined

  constructor(
    instruments: ReadonlyMap<string, SimulatedInstrument>,
    options: { seed: number; rate: number; source: string; start: number },
  ) {
    this.#instruments = instruments
    this.#seed = options.seed
    this.#source = options.source
    this.#perMs = options.rate / 1_000
    this.#arrivals = new Arrivals(seededRandom(hash(`${options.seed}`)))
    this.#minute = minuteOf(options.start)
    this.#idleSince = options.start
  }

  get next(): number {
    this.#settle()
    if (this.#active.length === 0) return Number.POSITIVE_INFINITY
    return Math.min(this.#due, this.#minute + MINUTE_MS, this.#agenda.next)
  }

  /** A market nobody wants stands still. */
  want(symbol: string, wants: number, now: number): void {
    if (this.#active.length === 0) {
      // While nothing was wanted no time passed for the market.
      this.#agenda.delay(now - this.#idleSince)
      this.#idleSince = now
      this.#minute = minuteOf(now)
    }
    let listing = this.#listings.get(symbol)
    if (!listing) {
      const instrument = this.#instruments.get(symbol)
      if (!instrument) return
      const market = new SymbolMarket(instrument, this.#seed)
      listing = new Listing(market, { source: this.#source, seed: this.#seed })
      this.#listings.set(symbol, listing)
      if (market.stock) {
        const halts = new Halts(this.#seed, symbol)
        this.#agenda.add(now + halts.wait(HALT.everyMs), { listing, halts })
      }
    }
    listing.wants = wants
    this.#changedAt = now
  }

  /** Takes notice of what is wanted now: once for all that changed together. */
  #settle(): void {
    const now = this.#changedAt
    if (now === undefined) return
    this.#changedAt = undefined
    // In the order of the list of instruments, so that the order of subscribing changes nothing.
    this.#active = []
    for (const name of this.#instruments.keys()) {
      const one = this.#listings.get(name)
      if (one && one.wants !== 0) this.#active.push(one)
    }
    if (this.#active.length === 0) this.#idleSince = now
    this.#choosable(now)
  }

  run(now: number, limit: number, out: MarketEvent[]): boolean {
    this.#settle()
    if (this.#active.length === 0) return false
    this.#catchUp(now - MAX_LAG_MS)
    if (this.#perMs === Number.POSITIVE_INFINITY) return this.#runFully(now, limit, out)
    let steps = 0
    while (this.#due <= now) {
      if (steps++ === limit) return true
      const at = this.#due
      this.#keep(at, now, out)
      // It may have halted the last symbol that moved.
      if (this.#due !== at) continue
      this.#move(at, now, out)
      this.#due = at + this.#arrivals.wait() / this.#perMs
    }
    this.#keep(now, now, out)
    return false
  }

  /** As many as possible: `limit` steps, spread over the time since the last run. */
  #runFully(now: number, limit: number, out: MarketEvent[]): boolean {
    const from = Math.min(this.#due, now)
    let at = from
    for (let step = 1; step <= limit; step++) {
      if (!this.#arrivals.skip()) at = from + ((now - from) * step) / limit
      this.#keep(at, now, out)
      if (this.#moving.length === 0) break
      this.#move(at, now, out)
    }
    const moving = this.#moving.length > 0
    this.#due = moving ? now : Number.POSITIVE_INFINITY
    return moving
  }

  /** Leaves out the time between what was due and `now`, as after a suspended machine. */
  #catchUp(now: number): void {
    const late = now - this.next
    if (late <= 0) return
    this.#agenda.delay(late)
    this.#due += late
  }

  /** Moves one symbol until something wanted happened to it. */
  #move(at: number, now: number, out: MarketEvent[]): void {
    let listing = this.#last
    if (!listing || !this.#arrivals.follows) {
      const sums = this.#weights
      const high = sums.length - 1
      const target = high === 0 ? 0 : this.#arrivals.random() * sums[high]!
      listing = this.#last = this.#moving[indexOfWeight(sums, target, 0, high)]!
    }
    while (!listing.step(at, this.#minute, now, LIVE_SESSION, out));
  }

  /** Does what was to be done up to `at`: ends the minute, halts and resumes. */
  #keep(at: number, now: number, out: MarketEvent[]): void {
    while (at >= this.#agenda.next) {
      const { next } = this.#agenda
      const { listing, halts } = this.#agenda.take()!
      this.#endMinute(next, now, out)
      if (listing.halted) {
        listing.resume(next, now, out)
        this.#agenda.add(next + halts.wait(HALT.everyMs), { listing, halts })
      } else {
        listing.halt(halts.why(), next, now, out)
        this.#agenda.add(next + HALT.leastMs + halts.draw() * HALT.spanMs, { listing, halts })
      }
      this.#choosable(next)
    }
    this.#endMinute(at, now, out)
  }

  /** Looks again which symbols can move, from `at` on. */
  #choosable(at: number): void {
    this.#moving = this.#active.filter(listing => !listing.halted)
    this.#last = undefined
    let sum = 0
    this.#weights = Float64Array.from(
      this.#moving,
      listing => (sum += listing.market.instrument.weight),
    )
    if (this.#moving.length === 0) this.#due = Number.POSITIVE_INFINITY
    else if (this.#due === Number.POSITIVE_INFINITY) {
      this.#due = at + this.#arrivals.wait() / this.#perMs
    }
  }

  #endMinute(at: number, now: number, out: MarketEvent[]): void {
    if (at < this.#minute + MINUTE_MS) return
    for (const listing of this.#active) {
      listing.endMinute(this.#minute, now, LIVE_SESSION, out)
    }
    this.#minute = minuteOf(at)
  }
}
