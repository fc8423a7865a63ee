import { seededRandom } from '../../base/random.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import { Cancel, Correction, Flag, Luld, type MarketEvent, Status } from '../../market/events.ts'
import { SimulatedBook } from './book.ts'
import { type HaltCodes, haltsOf, type StatusCodes } from './codes.ts'
import { hash } from './instruments.ts'
import type { SymbolMarket } from './market.ts'
import { MINUTE_MS, MinuteBar, minuteOf } from './minute-bar.ts'
import type { Session } from './session.ts'

/** Kinds that only stocks have. */
export const STOCK_KINDS = ['status', 'luld', 'correction', 'cancel'] as const
/** Kinds the simulated market has. */
export const KINDS = ['trade', 'quote', 'bar', 'book', ...STOCK_KINDS] as const
export type Kind = (typeof KINDS)[number]

const { trade: TRADE, quote: QUOTE, bar: BAR, book: BOOK, status: STATUS, luld: LULD } = KIND_BIT
const { correction: CORRECTION, cancel: CANCEL } = KIND_BIT
/** Kinds that a step brings; the others come besides. */
const STEPS = TRADE | QUOTE | BOOK

/** Half the width of the limit-up limit-down band around its reference price. */
const BAND = { usual: 0.05, cheap: 0.2, cheapBelow: 3 } as const
/** How far the price must be from the reference at the end of a minute for a new band, relative. */
const BAND_MOVE = 0.001

/** A symbol as somebody listens to it: turns the steps of its market into the events that are wanted. */
export class Listing {
  readonly market: SymbolMarket
  readonly #source: string
  readonly #symbol: string
  readonly #seed: number
  /** The earliest time a late report can name. */
  readonly #floor: number
  readonly #bar = new MinuteBar()
  /** Bits of KIND_BIT. */
  #wants = 0
  /** Bits of the kinds by which a step counts as one that was wanted. */
  #counting = 0
  #book: SimulatedBook | undefined
  #halted: HaltCodes | undefined
  /** Middle of the last band; 0 before the first. */
  #reference = 0
  /** Time of the last trade that was not late, epoch ms. */
  #tradedAt = 0

  constructor(market: SymbolMarket, options: { source: string; seed: number; floor?: number }) {
    this.market = market
    this.#symbol = market.instrument.symbol
    this.#source = options.source
    this.#seed = options.seed
    this.#floor = options.floor ?? 0
  }

  get wants(): number {
    return this.#wants
  }

  set wants(kinds: number) {
    if (!(kinds & BOOK)) this.#book = undefined
    else this.#book ??= this.#emptyBook()
    if (!(kinds & LULD)) this.#reference = 0
    this.#wants = kinds
    // Who wants bars or corrections wants the trades to happen.
    this.#counting = kinds & STEPS || TRADE
  }

  get halted(): boolean {
    return this.#halted !== undefined
  }

  /** One step at time `at`, in the running `minute`. Whether it was one that somebody waits for. */
  step(
    at: number,
    minute: number,
    receivedAt: number,
    session: Session,
    out: MarketEvent[],
  ): boolean {
    const { market } = this
    const wants = this.#wants
    const timestamp = Math.floor(at)
    const nanos = Math.floor((at - timestamp) * 1_000_000)
    if (market.step(session)) {
      if (market.lateBy === 0) {
        this.#bar.add(minute, at, market.price, market.size, market.pricing)
        if (wants & TRADE) out.push(market.trade(this.#source, timestamp, nanos, receivedAt))
        this.#tradedAt = at
      } else this.#report(minute, at, receivedAt, out)
      if (market.fix !== undefined) this.#putRight(timestamp, nanos, receivedAt, out)
      return (this.#counting & TRADE) !== 0
    }
    if (wants & QUOTE) out.push(market.quote(this.#source, timestamp, nanos, receivedAt))
    if (wants & LULD && this.#reference === 0) this.#band(at, receivedAt, session, out)
    if (!this.#book) return (this.#counting & QUOTE) !== 0
    const { bidTicks, bidSize, askTicks, askSize } = market
    const book = this.#book.follow(
      ...([bidTicks, bidSize, askTicks, askSize, timestamp, nanos, receivedAt] as const),
    )
    if (book) out.push(book)
    return book !== undefined || (this.#counting & QUOTE) !== 0
  }

  /** The last trade, reported late: its time is before that of a trade that was sent already. */
  #report(minute: number, at: number, receivedAt: number, out: MarketEvent[]): void {
    const { market } = this
    const when = Math.max(this.#floor, (this.#tradedAt || at) - market.lateBy)
    this.#bar.add(minute, when, market.price, market.size, market.pricing)
    if (!(this.#wants & TRADE)) return
    const timestamp = Math.floor(when)
    const nanos = Math.floor((when - timestamp) * 1_000_000)
    out.push(market.trade(this.#source, timestamp, nanos, receivedAt))
  }

  #putRight(timestamp: number, nanos: number, receivedAt: number, out: MarketEvent[]): void {
    const fix = this.market.fix!
    const { print } = fix
    const { id, price, size, exchange, conditions } = print
    const { tape } = this.market.instrument
    const head = [this.#symbol, this.#source, timestamp, nanos, receivedAt, Flag.simulated] as const
    if (fix.type === 'cancel') {
      if (!(this.#wants & CANCEL)) return
      out.push(new Cancel(...head, id, price, size, fix.action, exchange, tape))
    } else if (this.#wants & CORRECTION) {
      const original = [id, price, size, conditions] as const
      out.push(
        new Correction(...head, ...original, fix.id, fix.price, size, conditions, exchange, tape),
      )
    }
  }

  /** The opening or closing auction: its trade and the official price, at one time. */
  auction(
    which: 'open' | 'close',
    at: number,
    receivedAt: number,
    session: Session,
    out: MarketEvent[],
  ): void {
    const { market } = this
    if (market.bidSize === 0) this.step(at, minuteOf(at), receivedAt, session, out)
    const timestamp = Math.floor(at)
    const nanos = Math.floor((at - timestamp) * 1_000_000)
    market.auction(which)
    this.#bar.add(minuteOf(at), at, market.price, market.size, true)
    this.#tradedAt = at
    if (this.#wants & TRADE) out.push(market.trade(this.#source, timestamp, nanos, receivedAt))
    market.official(which)
    if (this.#wants & TRADE) out.push(market.trade(this.#source, timestamp, nanos, receivedAt))
  }

  /** The end of a minute: its bar, and a new band when the price has left the middle of the last. */
  endMinute(minute: number, receivedAt: number, session: Session, out: MarketEvent[]): void {
    if (this.#wants & BAR) {
      const bar = this.#bar.bar(minute, this.#symbol, this.#source, receivedAt)
      if (bar) out.push(bar)
    }
    if (this.#wants & LULD && this.#reference !== 0) {
      this.#band(minute + MINUTE_MS, receivedAt, session, out)
    }
  }

  #band(at: number, receivedAt: number, session: Session, out: MarketEvent[]): void {
    const { bidTicks, askTicks, perUnit, instrument, stock } = this.market
    const middle = (bidTicks + askTicks) / 2
    if (!stock || session.extended) return
    if (Math.abs(middle - this.#reference) < this.#reference * BAND_MOVE) return
    this.#reference = middle
    const share = middle / perUnit < BAND.cheapBelow ? BAND.cheap : BAND.usual
    const timestamp = Math.floor(at)
    const nanos = Math.floor((at - timestamp) * 1_000_000)
    out.push(
      new Luld(
        ...([this.#symbol, this.#source, timestamp, nanos, receivedAt, Flag.simulated] as const),
        Math.round(middle * (1 + share)) / perUnit,
        Math.round(middle * (1 - share)) / perUnit,
        'B',
        instrument.tape,
      ),
    )
  }

  /** Halts the symbol: until {@link resume} it is not to be stepped. */
  halt(why: 'volatility' | 'news', at: number, receivedAt: number, out: MarketEvent[]): void {
    this.#halted = haltsOf(this.market.instrument.tape)[why]
    this.#say(this.#halted.halt, at, receivedAt, out)
  }

  resume(at: number, receivedAt: number, out: MarketEvent[]): void {
    if (!this.#halted) return
    this.#say(this.#halted.resume, at, receivedAt, out)
    this.#halted = undefined
  }

  #say(codes: StatusCodes, at: number, receivedAt: number, out: MarketEvent[]): void {
    if (!(this.#wants & STATUS)) return
    const timestamp = Math.floor(at)
    const nanos = Math.floor((at - timestamp) * 1_000_000)
    out.push(
      new Status(
        ...([this.#symbol, this.#source, timestamp, nanos, receivedAt, Flag.simulated] as const),
        ...([codes.code, codes.message, codes.reason, codes.reasonMessage] as const),
        this.market.instrument.tape,
      ),
    )
  }

  #emptyBook(): SimulatedBook {
    const { market } = this
    return new SimulatedBook(this.#symbol, this.#source, {
      perUnit: market.perUnit,
      stepTicks: Math.max(2, market.instrument.spreadTicks / 2),
      // Of its own, so that prices are the same without a book.
      random: seededRandom(hash(`${this.#seed}:${this.#symbol}:book`)),
      size: random => market.depth(random),
    })
  }
}
