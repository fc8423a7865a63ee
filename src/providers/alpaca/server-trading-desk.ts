import { randomUUID } from 'node:crypto'
import { tidy } from '../../bot/orders.ts'
import type { Side } from '../../market/events.ts'

/** What an order of Alpaca's API asks for. */
export interface DeskRequest {
  readonly clientId: string | undefined
  readonly symbol: string
  readonly side: Side
  readonly quantity: number
  readonly type: 'market' | 'limit' | 'stop' | 'stop_limit'
  readonly timeInForce: 'day' | 'gtc' | 'ioc' | 'fok'
  readonly limitPrice: number | undefined
  readonly stopPrice: number | undefined
  readonly extendedHours: boolean
}

export type DeskStatus =
  | 'accepted'
  | 'new'
  | 'partially_filled'
  | 'filled'
  | 'canceled'
  | 'expired'
  | 'rejected'
  | 'pending_cancel'
  | 'replaced'

/** An order at the desk. Times are epoch ms. */
export interface DeskOrder extends DeskRequest {
  readonly id: string
  readonly clientId: string
  status: DeskStatus
  filled: number
  /** What was paid or received for what is filled. */
  worth: number
  readonly createdAt: number
  updatedAt: number
  filledAt: number | undefined
  /** When it was canceled, expired or rejected. */
  endedAt: number | undefined
  readonly replaces: string | undefined
  replacedBy: string | undefined
  reason: string | undefined
}

/** A part of an order that was traded. */
export interface DeskFill {
  readonly id: string
  readonly orderId: string
  readonly symbol: string
  readonly side: Side
  readonly price: number
  readonly quantity: number
  readonly timestamp: number
  /** What is held of the symbol behind it. */
  readonly held: number
}

/** Events of the stream `trade_updates`, https://docs.alpaca.markets/docs/websocket-streaming */
export type DeskEvent =
  | 'accepted'
  | 'new'
  | 'fill'
  | 'partial_fill'
  | 'canceled'
  | 'expired'
  | 'rejected'
  | 'replaced'
  | 'pending_cancel'

export interface DeskUpdate {
  readonly event: DeskEvent
  /** As it stands behind it. */
  readonly order: DeskOrder
  readonly fill: DeskFill | undefined
  readonly at: number
}

/** Where the orders of a desk are matched. It tells the desk what becomes of them, at once or later. */
export interface Exchange {
  accept(order: DeskOrder): void
  cancel(order: DeskOrder): void
  /** What a symbol traded or was quoted at last. */
  price(symbol: string): number | undefined
}

export interface DeskOptions {
  readonly now: () => number
  readonly cash: number
  readonly exchange: Exchange
  readonly updated: (update: DeskUpdate) => void
  /** @default random ones */
  readonly newId?: () => string
}

const OVER: ReadonlySet<DeskStatus> = new Set([
  'filled',
  'canceled',
  'expired',
  'rejected',
  'replaced',
])

export const isDone = ({ status }: Pick<DeskOrder, 'status'>): boolean => OVER.has(status)

/** One account as Alpaca keeps it: its orders, what was filled, what is held and what that leaves. */
export class TradingDesk {
  readonly account: { readonly id: string; readonly createdAt: number }
  readonly exchange: Exchange
  /** By the desk's id, in order of arrival. */
  readonly orders = new Map<string, DeskOrder>()
  readonly fills: DeskFill[] = []
  readonly #byClientId = new Map<string, DeskOrder>()
  readonly #held = new Map<string, { quantity: number; cost: number }>()
  readonly #options: DeskOptions
  readonly #newId: () => string
  cash: number

  constructor(options: DeskOptions) {
    this.#options = options
    this.exchange = options.exchange
    this.#newId = options.newId ?? randomUUID
    this.cash = options.cash
    this.account = { id: this.#newId(), createdAt: options.now() }
  }

  get now(): number {
    return this.#options.now()
  }

  order(id: string): DeskOrder | undefined {
    return this.orders.get(id)
  }

  byClientId(id: string): DeskOrder | undefined {
    return this.#byClientId.get(id)
  }

  open(): DeskOrder[] {
    return [...this.orders.values()].filter(order => !isDone(order))
  }

  /** What is held, with what was paid for it on average. */
  positions(): { symbol: string; quantity: number; averagePrice: number }[] {
    return [...this.#held].flatMap(([symbol, { quantity, cost }]) =>
      quantity === 0 ? [] : [{ symbol, quantity, averagePrice: Math.abs(cost / quantity) }],
    )
  }

  held(symbol: string): number {
    return this.#held.get(symbol)?.quantity ?? 0
  }

  /** Worth of what is held: longs, and shorts below 0. */
  worth(): { long: number; short: number } {
    let [long, short] = [0, 0]
    for (const { symbol, quantity, averagePrice } of this.positions()) {
      const worth = quantity * (this.exchange.price(symbol) ?? averagePrice)
      if (worth > 0) long += worth
      else short += worth
    }
    return { long, short }
  }

  /** Cash that no open order may still take. */
  buyingPower(): number {
    let reserved = 0
    for (const order of this.open())
      if (order.side === 'buy') reserved += this.cost(order, left(order))
    return this.cash - reserved
  }

  /** What filling so much of an order would take. */
  cost({ symbol, limitPrice, stopPrice }: DeskRequest, quantity: number): number {
    return quantity * (limitPrice ?? stopPrice ?? this.exchange.price(symbol) ?? 0)
  }

  /** Takes an order that was found right. */
  place(request: DeskRequest, replaces?: DeskOrder): DeskOrder {
    const at = this.now
    const id = this.#newId()
    const order: DeskOrder = {
      ...{ ...request, id, clientId: request.clientId ?? this.#newId() },
      ...{ status: 'accepted', filled: 0, worth: 0, createdAt: at, updatedAt: at },
      ...{ filledAt: undefined, endedAt: undefined, reason: undefined },
      ...{ replaces: replaces?.id, replacedBy: undefined },
    }
    this.orders.set(id, order)
    this.#byClientId.set(order.clientId, order)
    if (replaces) {
      replaces.replacedBy = id
      this.#end(replaces, 'replaced')
      this.exchange.cancel(replaces)
    }
    this.exchange.accept(order)
    return order
  }

  /** Asks the exchange to cancel an order. */
  cancel(order: DeskOrder): void {
    order.status = 'pending_cancel'
    this.#touch(order)
    this.exchange.cancel(order)
  }

  /** The exchange has the order. */
  opened(id: string): void {
    const order = this.#working(id)
    if (order?.status !== 'accepted') return
    order.status = 'new'
    this.#touch(order)
    this.#tell('new', order)
  }

  filled(id: string, quantity: number, price: number): void {
    const order = this.#working(id)
    if (!order) return
    const traded = Math.min(quantity, left(order))
    if (!(traded > 0)) return
    const at = this.#touch(order)
    order.filled = tidy(order.filled + traded)
    order.worth += traded * price
    const isWhole = left(order) === 0
    if (isWhole) order.filledAt = at
    if (isWhole || order.status !== 'pending_cancel')
      order.status = isWhole ? 'filled' : 'partially_filled'
    const { symbol, side } = order
    this.#hold(symbol, side === 'buy' ? traded : -traded, price)
    const fill = {
      ...{ id: this.#newId(), orderId: id, symbol, side, price, quantity: traded, timestamp: at },
      held: this.held(symbol),
    }
    this.fills.push(fill)
    this.#tell(isWhole ? 'fill' : 'partial_fill', order, fill)
  }

  /** It is over before it was whole. */
  ended(id: string, how: 'canceled' | 'expired' | 'rejected', reason?: string): void {
    const order = this.#working(id)
    if (!order) return
    order.reason = reason
    this.#end(order, how)
  }

  #end(order: DeskOrder, how: 'canceled' | 'expired' | 'rejected' | 'replaced'): void {
    order.status = how
    order.endedAt = this.#touch(order)
    this.#tell(how, order)
  }

  #working(id: string): DeskOrder | undefined {
    const order = this.orders.get(id)
    return order && !isDone(order) ? order : undefined
  }

  #touch(order: DeskOrder): number {
    order.updatedAt = this.now
    return order.updatedAt
  }

  #tell(event: DeskEvent, order: DeskOrder, fill?: DeskFill): void {
    this.#options.updated({ event, order: { ...order }, fill, at: order.updatedAt })
  }

  #hold(symbol: string, signed: number, price: number): void {
    const held = this.#held.get(symbol) ?? { quantity: 0, cost: 0 }
    this.#held.set(symbol, held)
    this.cash -= signed * price
    const before = held.quantity
    held.quantity = tidy(before + signed)
    if (before === 0 || before > 0 === signed > 0) held.cost += signed * price
    // Smaller: at what it was bought for. Turned round: what is left of it at the new price.
    else if (Math.abs(signed) <= Math.abs(before)) held.cost *= held.quantity / before
    else held.cost = held.quantity * price
  }
}

/** Units still to be filled. */
export const left = ({ quantity, filled }: Pick<DeskOrder, 'quantity' | 'filled'>): number =>
  tidy(quantity - filled)
