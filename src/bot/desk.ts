import type { SessionName } from '../market/calendar.ts'
import type { Side } from '../market/events.ts'
import type { Broker, BrokerListener, OrderUpdate } from './broker.ts'
import { type Fill, isOver, type Order, type OrderRequest, tidy } from './orders.ts'
import { PaperBroker, type PaperSnapshot } from './paper.ts'
import type { PaperOptions } from './paper-costs.ts'
import { Portfolio, type PortfolioSnapshot, type Position } from './portfolio.ts'
import type { Quality } from './quality.ts'
import { RefusedOrder, Risk, type RiskLimits, type Situation } from './risk.ts'
import type { Decision } from './strategy.ts'

/** What the desk is told of the stream, and whom it tells of orders. */
export interface DeskOptions {
  /** Orders are called by it. */
  readonly name: string
  readonly symbols: readonly string[]
  readonly cash: number
  readonly paper: PaperOptions
  /** Takes the orders, instead of the paper broker: which then only sees prices. */
  readonly broker: ((listener: BrokerListener) => Broker) | undefined
  readonly risk: RiskLimits | undefined
  readonly sight: DeskSight
  decided(decision: Decision): void
  order(order: Order): void
  fill(fill: Fill, made: number, order: Order): void
}

/** What of the stream orders are judged by. */
export interface DeskSight {
  /** Tape time, epoch ms. */
  readonly now: number
  readonly isCatchingUp: boolean
  readonly isPaused: boolean
  quality(symbol: string): Quality
  session(symbol: string): SessionName | undefined
}

/** What a day came to. */
export interface DaySummary {
  /** UTC, `2025-06-02`. */
  readonly day: string
  readonly equity: number
  /** By equity, from its first event to its last. */
  readonly made: number
  readonly fees: number
  readonly fills: number
  readonly orders: number
}

/** All the desk knows, as plain data. */
export interface DeskSnapshot {
  readonly orderCount: number
  readonly dayFrom: number
  readonly dayEquity: number
  readonly portfolio: PortfolioSnapshot
  readonly paper: PaperSnapshot
  readonly orders: readonly Order[]
  readonly recent: readonly { readonly at: number; readonly key: string }[]
  readonly fillCount?: number
  /** What else there was when the day began. */
  readonly day?: { readonly fees: number; readonly fills: number; readonly orders: number }
  readonly closing?: readonly Closing[]
}

/** A position that is to be closed once nothing else is open of its symbol. */
interface Closing {
  readonly symbol: string
  readonly isByHand: boolean
  /** Tape time before which it is not tried again. */
  readonly at: number
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Orders that are over and still remembered. */
const MOST_OVER = 1_000
/** What a person wants closed, and cannot be closed now, is tried again so much later, ms of tape time. */
const CLOSE_AGAIN_MS = 10_000
const DAY_MS = 86_400_000

/** The orders of one bot: judged, sent, followed to their end, and what they come to in cash and positions. */
export class Desk implements BrokerListener {
  readonly paper: PaperBroker
  readonly #broker: Broker
  readonly #options: DeskOptions
  readonly #symbols: ReadonlySet<string>
  readonly #portfolio: Portfolio
  readonly #risk: Risk
  readonly #situation: Situation
  readonly #orders = new Map<string, Mutable<Order>>()
  #open: Order[] = []
  readonly #closing = new Map<string, Closing>()
  #orderCount = 0
  #fillCount = 0
  #dayFrom = 0
  #dayEquity: number
  #day = { fees: 0, fills: 0, orders: 0 }
  /** Rises with everything that has to be saved. */
  version = 0

  constructor(options: DeskOptions) {
    this.#options = options
    this.#symbols = new Set(options.symbols)
    this.#portfolio = new Portfolio(options.cash)
    this.#dayEquity = options.cash
    this.paper = new PaperBroker(this, options.paper)
    this.#broker = options.broker?.(this) ?? this.paper
    this.#risk = new Risk(options.risk)
    this.#situation = this.#makeSituation()
  }

  get equity(): number {
    return this.#portfolio.equity(symbol => this.paper.price(symbol))
  }

  get cash(): number {
    return this.#portfolio.cash
  }

  get fees(): number {
    return this.#portfolio.fees
  }

  /** All orders that are remembered, oldest first. */
  get orders(): readonly Order[] {
    return [...this.#orders.values()]
  }

  get openOrders(): readonly Order[] {
    return this.#open
  }

  position(symbol: string): Position {
    return this.#portfolio.position(symbol)
  }

  positions(): Position[] {
    return this.#portfolio.positions()
  }

  submit(request: OrderRequest, isByHand = false): Decision {
    this.version++
    const judged = this.#judge(request, isByHand)
    if (judged instanceof RefusedOrder) {
      const decision: Decision = { approved: false, refusal: judged }
      this.#options.decided(decision)
      return decision
    }
    const { order } = judged
    this.#orderCount++
    const kept = { ...order }
    this.#orders.set(order.id, kept)
    this.#open = [...this.#open, kept]
    const decision: Decision = { approved: true, order }
    this.#options.decided(decision)
    this.#broker.submit(judged)
    return decision
  }

  cancel(id: string): void {
    this.version++
    this.#broker.cancel(id)
  }

  /**
   * Closes a position at the market. What is open of its symbol is canceled first, and the closing order waits for that: an
   * order on its way to be canceled may still be filled. A person's wish stands until nothing is held.
   */
  close(symbol: string, isByHand = false): Decision | undefined {
    this.version++
    const open = this.#open.filter(order => order.symbol === symbol)
    for (const { id } of open) this.#broker.cancel(id)
    const { quantity } = this.position(symbol)
    if (open.length === 0 && quantity === 0) return undefined
    if (open.length > 0 || isByHand) {
      this.#closing.set(symbol, { symbol, isByHand, at: 0 })
    }
    if (open.length > 0) return undefined
    if (isByHand) {
      this.pursue()
      return undefined
    }
    return this.#closeNow(symbol, false)
  }

  cancelAll(): void {
    for (const { id } of this.#open) this.cancel(id)
  }

  /** All that is open is canceled and all that is held closed, however long that takes. */
  flatten(): void {
    const symbols = [...this.#open, ...this.positions()].map(({ symbol }) => symbol)
    for (const symbol of new Set(symbols)) this.close(symbol, true)
  }

  /** A person wants no more of what {@link flatten} began. */
  stopClosing(): void {
    this.version++
    this.#closing.clear()
  }

  /** Goes on closing what is to be closed. */
  pursue(): void {
    if (this.#closing.size === 0) return
    const { now, isCatchingUp } = this.#options.sight
    // At prices of the past nobody closes anything.
    if (isCatchingUp) return
    for (const { symbol, isByHand, at } of [...this.#closing.values()]) {
      if (now < at || this.#open.some(order => order.symbol === symbol)) continue
      this.version++
      this.#closing.delete(symbol)
      if (this.position(symbol).quantity === 0) continue
      if (isByHand) this.#closing.set(symbol, { symbol, isByHand, at: now + CLOSE_AGAIN_MS })
      this.#closeNow(symbol, isByHand)
    }
  }

  /** The tape has come to another day; returns what the one before came to, if there was one. */
  turnDay(now: number): DaySummary | undefined {
    if (now < this.#dayFrom + DAY_MS) return undefined
    const { equity, fees } = this
    const before: DaySummary | undefined =
      this.#dayFrom === 0
        ? undefined
        : {
            ...{ day: new Date(this.#dayFrom).toISOString().slice(0, 10), equity },
            ...{ made: equity - this.#dayEquity, fees: fees - this.#day.fees },
            fills: this.#fillCount - this.#day.fills,
            orders: this.#orderCount - this.#day.orders,
          }
    this.version++
    this.#dayFrom = Math.floor(now / DAY_MS) * DAY_MS
    this.#dayEquity = equity
    this.#day = { fees, fills: this.#fillCount, orders: this.#orderCount }
    return before
  }

  /** The broker says what an order is now. */
  order({ id, status, ending }: OrderUpdate): void {
    const order = this.#orders.get(id)
    if (!order || isOver(order)) return
    this.version++
    order.status = status === 'open' && order.filled > 0 ? 'partly-filled' : status
    order.ending = ending
    this.#listOpen()
    this.#options.order({ ...order })
  }

  fill(fill: Fill): void {
    const order = this.#orders.get(fill.orderId)
    if (!order) return
    this.version++
    this.#fillCount++
    const worth = (order.averagePrice ?? 0) * order.filled + fill.price * fill.quantity
    order.filled = tidy(order.filled + fill.quantity)
    order.averagePrice = worth / order.filled
    // What comes behind its end is money all the same; the end stays.
    if (!isOver(order) || order.filled >= order.quantity) {
      order.status = order.filled >= order.quantity ? 'filled' : 'partly-filled'
    }
    this.#listOpen()
    const made = this.#portfolio.apply(fill)
    this.#options.fill(fill, made, { ...order })
  }

  adopt(order: Order): void {
    this.version++
    this.#orders.set(order.id, { ...order })
    this.#listOpen()
  }

  snapshot(): DeskSnapshot {
    return {
      ...{ orderCount: this.#orderCount, dayFrom: this.#dayFrom, dayEquity: this.#dayEquity },
      portfolio: this.#portfolio.snapshot(),
      paper: this.paper.snapshot(),
      orders: [...this.#orders.values()].map(order => ({ ...order })),
      recent: this.#risk.snapshot(),
      ...{ fillCount: this.#fillCount, day: this.#day, closing: [...this.#closing.values()] },
    }
  }

  restore(snapshot: DeskSnapshot): void {
    const { orderCount, dayFrom, dayEquity, portfolio, paper, orders, recent } = snapshot
    this.#orderCount = orderCount
    this.#dayFrom = dayFrom
    this.#dayEquity = dayEquity
    this.#portfolio.restore(portfolio)
    this.paper.restore(paper)
    this.#risk.restore(recent)
    this.#orders.clear()
    for (const order of orders) this.#orders.set(order.id, { ...order })
    this.#open = [...this.#orders.values()]
    this.#listOpen()
    this.#fillCount = snapshot.fillCount ?? 0
    this.#day = {
      ...(snapshot.day ?? { fees: this.fees, fills: this.#fillCount, orders: orderCount }),
    }
    this.#closing.clear()
    for (const one of snapshot.closing ?? []) this.#closing.set(one.symbol, one)
  }

  #closeNow(symbol: string, isByHand: boolean): Decision {
    const { quantity } = this.position(symbol)
    const side: Side = quantity > 0 ? 'sell' : 'buy'
    const request = { symbol, side, quantity: Math.abs(quantity), reason: 'close' }
    return this.submit(request, isByHand)
  }

  #listOpen(): void {
    this.#open = this.#open.filter(order => !isOver(order))
    for (const [id, order] of this.#orders) {
      if (this.#orders.size <= MOST_OVER) break
      if (isOver(order)) this.#orders.delete(id)
    }
  }

  #judge(request: OrderRequest, isByHand: boolean) {
    if (!this.#symbols.has(request.symbol)) {
      const message = `the bot runs on ${[...this.#symbols].join(', ')}, not on ${request.symbol}`
      return new RefusedOrder(request, 'BAD_ORDER', message)
    }
    const id = `${this.#options.name}-${this.#orderCount + 1}`
    return this.#risk.judge(request, id, this.#situation, isByHand)
  }

  #makeSituation(): Situation {
    // An object of getters over what is private here, made once: every order is judged by it.
    const desk = this
    const { sight } = this.#options
    const worth = (of: (quantity: number) => number) =>
      desk
        .positions()
        .reduce((sum, it) => sum + of(it.quantity) * (desk.paper.price(it.symbol) ?? 0), 0)
    return {
      get now() {
        return sight.now
      },
      get isCatchingUp() {
        return sight.isCatchingUp
      },
      get isPaused() {
        return sight.isPaused
      },
      price: symbol => desk.paper.price(symbol),
      offer: (symbol, side) => desk.paper.offer(symbol, side),
      quality: symbol => sight.quality(symbol),
      session: symbol => sight.session(symbol),
      held: symbol => desk.position(symbol).quantity,
      get gross() {
        return worth(Math.abs)
      },
      get openOrders() {
        return desk.#open
      },
      get lostToday() {
        return desk.#dayEquity - desk.equity
      },
      get buyingPower() {
        return desk.cash - 2 * worth(quantity => Math.max(0, -quantity))
      },
    }
  }
}
