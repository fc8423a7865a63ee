import { seededRandom } from '../base/random.ts'
import { BarBuilder } from '../derive/bars.ts'
import type { FinalBar } from '../derive/bars-options.ts'
import type { Indicator, IndicatorSnapshot } from '../derive/indicators-contract.ts'
import { sessionOf } from '../market/calendar-book.ts'
import type { EventType, MarketEvent, Side } from '../market/events.ts'
import type { Broker, BrokerListener } from './broker.ts'
import { type DaySummary, Desk, type DeskSnapshot } from './desk.ts'
import type { Fill, Order } from './orders.ts'
import type { PaperOptions } from './paper-costs.ts'
import type { Position } from './portfolio.ts'
import { DataQuality, type QualitySnapshot } from './quality.ts'
import type { RiskLimits } from './risk.ts'
import {
  type BotContext,
  type Decision,
  type Json,
  kindsOf,
  type OrderOptions,
  type Strategy,
  venueBarsOf,
} from './strategy.ts'

export interface LoopOptions<P = unknown> {
  /** The bot's name: its orders are called by it. @default the strategy's */
  readonly name?: string
  readonly strategy: Strategy<P>
  readonly params: P
  readonly symbols: readonly string[]
  /** What the account begins with. @default 100000 */
  readonly cash?: number
  readonly paper?: PaperOptions
  /** Takes its orders. @default the paper broker */
  readonly broker?: (listener: BrokerListener) => Broker
  readonly risk?: RiskLimits
  /** Of chance, also the paper broker's. @default 1 */
  readonly seed?: number
  readonly listener?: LoopListener
}

/** Hears what a bot does. All times are tape times. */
export interface LoopListener {
  /** An order was sent or refused; `cause` is the event it was decided at. */
  decided?(decision: Decision, cause: MarketEvent | undefined): void
  order?(order: Order): void
  /** `order` as it is now. */
  fill?(fill: Fill, made: number, order: Order): void
  said?(what: 'signal' | 'log', message: string, at: number): void
  /** At the first event of another UTC day. */
  day?(summary: DaySummary): void
}

/**
 * What a person may ask of a bot: `pause` only exits go through, until `resume` · `cancel-all` open orders · `flatten` that, and
 * close all positions at the market.
 */
export type BotCommand = 'pause' | 'resume' | 'flatten' | 'cancel-all'

/** All a bot knows, as plain data for JSON. */
export interface LoopSnapshot extends DeskSnapshot {
  readonly now: number
  readonly draws: number
  readonly state: { [key: string]: Json }
  readonly timers: readonly (readonly [name: string, at: number])[]
  readonly indicators: readonly (readonly [name: string, snapshot: IndicatorSnapshot])[]
  readonly quality?: QualitySnapshot
  /** Which sources carry each symbol. */
  readonly sources?: readonly (readonly [symbol: string, sources: readonly string[]])[]
  readonly isPaused: boolean
}

/**
 * One bot: event → strategy → risk → broker → fills → state. It is a function of the events it is given, in their order, and
 * of nothing else, so it does the same live, in replay and in backtest.
 */
export class BotLoop<P = unknown> {
  readonly name: string
  readonly #options: LoopOptions<P>
  readonly #strategy: Strategy<P>
  readonly #listener: LoopListener
  readonly #symbols: ReadonlySet<string>
  readonly #quality = new DataQuality()
  readonly #bars: BarBuilder | undefined
  readonly #kinds: ReadonlySet<EventType>
  readonly #venueBars: ReadonlySet<string>
  readonly #desk: Desk
  readonly #indicators = new Map<string, Indicator<never, unknown>>()
  /** Of indicators that have not been asked for since the restart. */
  readonly #restored = new Map<string, IndicatorSnapshot>()
  readonly #timers = new Map<string, number>()
  #nextTimer = Number.POSITIVE_INFINITY
  readonly #bot: BotContext<P>
  #state: { [key: string]: Json } = {}
  #now = Number.NEGATIVE_INFINITY
  /** Which carry each symbol; nearly always one. */
  readonly #sources = new Map<string, string[]>()
  /** Of the last event: most have the same. */
  #lastSymbol: string | undefined
  #lastSource: string | undefined
  #cause: MarketEvent | undefined
  #draws = 0
  #isStarted = false
  #version = 0
  /** Bars that are final and not handed over yet: the builder is not called from inside itself. */
  #ready: FinalBar[] = []
  isPaused = false
  /** What is read happened while the bot was not running: it sees it, and sends no orders. */
  isCatchingUp = false

  constructor(options: LoopOptions<P>) {
    const {
      strategy,
      symbols,
      cash = 100_000,
      paper,
      risk,
      seed = 1,
      listener = {},
      broker,
    } = options
    this.name = options.name ?? strategy.name
    this.#options = options
    this.#strategy = strategy
    this.#listener = listener
    this.#symbols = new Set(symbols)
    this.#desk = this.#makeDesk({ symbols, cash, paper: { seed, ...paper }, broker, risk })
    const { bars } = strategy.wanted
    if (bars) {
      this.#bars = new BarBuilder({ interval: bars }, { final: bar => this.#ready.push(bar) })
    }
    this.#kinds = new Set(kindsOf(strategy.wanted))
    this.#venueBars = new Set(venueBarsOf(strategy.wanted))
    this.#bot = this.#makeContext()
  }

  /** Tape time, epoch ms; -Infinity before the first event. */
  get now(): number {
    return this.#now
  }

  /** Rises with everything that has to be saved: orders, fills, what is remembered. */
  get version(): number {
    return this.#version + this.#desk.version
  }

  get equity(): number {
    return this.#desk.equity
  }

  get cash(): number {
    return this.#desk.cash
  }

  get fees(): number {
    return this.#desk.fees
  }

  /** All orders that are remembered, oldest first. */
  get orders(): readonly Order[] {
    return this.#desk.orders
  }

  positions(): Position[] {
    return this.#desk.positions()
  }

  /** Last price that is known of a symbol. */
  price(symbol: string): number | undefined {
    return this.#desk.paper.price(symbol)
  }

  /** What it does at a moment without an event: a person asks for it. */
  command(what: BotCommand): void {
    this.#version++
    switch (what) {
      case 'pause':
        this.isPaused = true
        break
      case 'resume':
        this.isPaused = false
        this.#desk.stopClosing()
        break
      case 'cancel-all':
        this.#desk.cancelAll()
        break
      case 'flatten':
        this.#desk.flatten()
        break
    }
  }

  /** Takes the next event of the tape. What the strategy throws is thrown. */
  accept(event: MarketEvent): void {
    const at = event.receivedAt
    if (at > this.#now) this.#advance(at)
    if (!this.#isStarted) this.#start()
    const { symbol, type } = event
    if (type === 'notice' || type === 'status') this.#quality.accept(event)
    // What else is on the tape is of others: it must change nothing here.
    if (symbol !== undefined && !this.#symbols.has(symbol)) return
    if (!this.#kinds.has(type) || (type === 'bar' && !this.#venueBars.has(event.interval))) return
    this.#cause = event
    if (symbol !== undefined && (symbol !== this.#lastSymbol || event.source !== this.#lastSource))
      this.#carries(symbol, event.source)
    this.#desk.paper.accept(event)
    this.#desk.pursue()
    if (this.#bars) {
      this.#bars.accept(event)
      if (this.#ready.length > 0) this.#handBars()
    }
    this.#dispatch(event)
    this.#cause = undefined
  }

  /**
   * Takes an event of before the place a snapshot was taken at: bars, books and the quality of the data are worked out
   * from events, and only those. The strategy sees none of it.
   */
  warm(event: MarketEvent): void {
    this.#quality.accept(event)
    if (!this.#kinds.has(event.type)) return
    this.#desk.paper.books.accept(event)
    this.#bars?.accept(event)
    this.#ready.length = 0
  }

  /** The tape has come to a time, though no event has. */
  advance(now: number): void {
    if (now <= this.#now) return
    this.#advance(now)
    if (this.#bars && Number.isFinite(now)) {
      this.#bars.advance(now)
      if (this.#ready.length > 0) this.#handBars()
    }
  }

  snapshot(): LoopSnapshot {
    const made = [...this.#indicators].map(([name, one]) => [name, one.snapshot()] as const)
    return {
      ...this.#desk.snapshot(),
      ...{ now: this.#now, draws: this.#draws, isPaused: this.isPaused },
      state: structuredClone(this.#state),
      timers: [...this.#timers],
      // By name: in what order they were asked for does not matter.
      indicators: [...this.#restored, ...made].sort(([a], [b]) => (a < b ? -1 : 1)),
      quality: this.#quality.snapshot(),
      sources: [...this.#sources].map(([symbol, list]) => [symbol, [...list]] as const),
    }
  }

  /** Goes on where a snapshot was taken. */
  restore(snapshot: LoopSnapshot): void {
    const { now, draws, isPaused, state, quality, sources = [] } = snapshot
    this.#desk.restore(snapshot)
    this.#now = now
    this.#draws = draws
    this.isPaused = isPaused
    this.#state = structuredClone(state)
    for (const [name, at] of snapshot.timers) this.#timers.set(name, at)
    this.#setNextTimer()
    for (const [name, one] of snapshot.indicators) this.#restored.set(name, one)
    if (quality) this.#quality.restore(quality)
    for (const [symbol, list] of sources) this.#sources.set(symbol, [...list])
  }

  #start(): void {
    this.#isStarted = true
    this.#strategy.onStart?.(this.#bot)
  }

  /** Everything that is due by a time happens in its order, and before what comes at that time. */
  #advance(now: number): void {
    if (!Number.isFinite(this.#now)) this.#now = now
    const { paper } = this.#desk
    for (let at = this.#nextDue; at <= now; at = this.#nextDue) {
      if (at > this.#now) this.#now = at
      if (paper.nextAt <= at) paper.advance(at)
      else this.#fire(at)
    }
    this.#now = now
    paper.advance(now)
    const day = this.#desk.turnDay(now)
    if (day) this.#listener.day?.(day)
  }

  get #nextDue(): number {
    return Math.min(this.#nextTimer, this.#desk.paper.nextAt)
  }

  #fire(at: number): void {
    const [name] = [...this.#timers].find(([, due]) => due <= at)!
    this.#timers.delete(name)
    this.#setNextTimer()
    this.#strategy.onTimer?.(name, this.#bot)
  }

  #dispatch(event: MarketEvent): void {
    const strategy = this.#strategy
    switch (event.type) {
      case 'trade':
        strategy.onTrade?.(event, this.#bot)
        break
      case 'quote':
        strategy.onQuote?.(event, this.#bot)
        break
      case 'ticker':
        strategy.onTicker?.(event, this.#bot)
        break
      case 'bar':
        if (event.final && event.revision === 0) strategy.onBar?.(event, this.#bot)
        break
      case 'book': {
        const book = this.#desk.paper.books.get(event.source, event.symbol)
        if (book?.synced) strategy.onBook?.(book, this.#bot, event)
        break
      }
      case 'status':
        strategy.onStatus?.(event, this.#bot)
        break
      case 'notice':
        strategy.onNotice?.(event, this.#bot)
        break
    }
  }

  #handBars(): void {
    const ready = this.#ready
    this.#ready = []
    for (const bar of ready) {
      if (bar.revision === 0 && this.#symbols.has(bar.symbol))
        this.#strategy.onBar?.(bar, this.#bot)
    }
  }

  #makeDesk(of: {
    readonly symbols: readonly string[]
    readonly cash: number
    readonly paper: PaperOptions
    readonly broker: LoopOptions['broker']
    readonly risk: RiskLimits | undefined
  }): Desk {
    const loop = this
    return new Desk({
      ...{ ...of, name: this.name },
      sight: {
        get now() {
          return loop.#now
        },
        get isCatchingUp() {
          return loop.isCatchingUp
        },
        get isPaused() {
          return loop.isPaused
        },
        quality: symbol => loop.#qualityOf(symbol),
        session: symbol => loop.#session(symbol),
      },
      decided: decision => this.#listener.decided?.(decision, this.#cause),
      order: order => {
        this.#listener.order?.(order)
        this.#strategy.onOrder?.({ ...order }, this.#bot)
      },
      fill: (fill, made, order) => {
        this.#listener.fill?.(fill, made, order)
        this.#strategy.onFill?.(fill, this.#bot, order)
      },
    })
  }

  #carries(symbol: string, source: string): void {
    this.#lastSymbol = symbol
    this.#lastSource = source
    const known = this.#sources.get(symbol)
    if (!known) this.#sources.set(symbol, [source])
    else if (!known.includes(source)) known.push(source)
  }

  #qualityOf(symbol: string) {
    return this.#quality.of(symbol, this.#sources.get(symbol), this.#now)
  }

  #session(symbol: string) {
    const [source = ''] = this.#sources.get(symbol) ?? []
    return sessionOf({ symbol, source, timestamp: this.#now })?.name
  }

  #setNextTimer(): void {
    this.#nextTimer = Math.min(...this.#timers.values(), Number.POSITIVE_INFINITY)
  }

  #makeContext(): BotContext<P> {
    const loop = this
    const desk = this.#desk
    const ask = (symbol: string, side: Side, quantity: number, options?: OrderOptions) =>
      desk.submit({ ...options, symbol, side, quantity })
    return {
      params: this.#options.params,
      symbols: this.#options.symbols,
      get now() {
        return loop.#now
      },
      // Each draw stands for itself, so that a restart goes on with the next.
      random: () => seededRandom(Math.imul(loop.#options.seed ?? 1, 1_000_033) + loop.#draws++)(),
      get state() {
        return loop.#state
      },
      buy: (symbol, quantity, options) => ask(symbol, 'buy', quantity, options),
      sell: (symbol, quantity, options) => ask(symbol, 'sell', quantity, options),
      order: request => desk.submit(request),
      cancel: id => desk.cancel(id),
      close: symbol => desk.close(symbol),
      position: symbol => desk.position(symbol),
      get positions() {
        return desk.positions()
      },
      get openOrders() {
        return desk.openOrders.map(order => ({ ...order }))
      },
      get cash() {
        return desk.cash
      },
      get equity() {
        return desk.equity
      },
      price: symbol => desk.paper.price(symbol),
      book: symbol => desk.paper.books.of(symbol)[0],
      health: symbol => loop.#qualityOf(symbol),
      session: symbol => loop.#session(symbol),
      indicator: (name, make) => loop.#indicator(name, make),
      setTimer: (name, ms) => {
        loop.#timers.set(name, loop.#now + Math.max(0, ms))
        loop.#setNextTimer()
      },
      clearTimer: name => {
        loop.#timers.delete(name)
        loop.#setNextTimer()
      },
      signal: message => loop.#listener.said?.('signal', message, loop.#now),
      log: message => loop.#listener.said?.('log', message, loop.#now),
    }
  }

  #indicator<I extends Indicator<never, unknown>>(name: string, make: () => I): I {
    const known = this.#indicators.get(name)
    if (known) return known as I
    const made = make()
    const before = this.#restored.get(name)
    if (before) {
      made.restore(before)
      this.#restored.delete(name)
    }
    this.#indicators.set(name, made)
    return made
  }
}
