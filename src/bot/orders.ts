import type { Side } from '../market/events.ts'

/** `market` at once at whatever price · `limit` at a price or better · `stop` becomes the former once a price has traded. */
export type OrderType = (typeof ORDER_TYPES)[number]
export const ORDER_TYPES = ['market', 'limit', 'stop', 'stop-limit'] as const

/** `day` until the session ends · `gtc` until canceled · `ioc` what fills at once, the rest is canceled · `fok` whole at once or not at all. */
export type TimeInForce = (typeof TIMES_IN_FORCE)[number]
export const TIMES_IN_FORCE = ['day', 'gtc', 'ioc', 'fok'] as const

/** What a strategy asks for. */
export interface OrderRequest {
  readonly symbol: string
  readonly side: Side
  /** Units of the instrument, above 0. */
  readonly quantity: number
  /** @default by the prices given: `stop-limit`, `stop`, `limit`, else `market` */
  readonly type?: OrderType
  readonly limitPrice?: number
  readonly stopPrice?: number
  /** @default 'day' */
  readonly timeInForce?: TimeInForce
  /** Why, in the strategy's words: shown wherever the order is. */
  readonly reason?: string
}

/**
 * `submitted` sent, not confirmed · `open` · `partly-filled` · `filled` · `canceled` · `rejected` by the broker · `expired` ·
 * `unknown` nobody can say yet: the answer to it was lost.
 */
export type OrderStatus =
  | 'submitted'
  | 'open'
  | 'partly-filled'
  | 'filled'
  | 'canceled'
  | 'rejected'
  | 'expired'
  | 'unknown'

/** An order as it stands. */
export interface Order {
  /** Ours, unique for the account: the bot's name and a number. */
  readonly id: string
  readonly symbol: string
  readonly side: Side
  readonly quantity: number
  readonly type: OrderType
  readonly limitPrice: number | undefined
  readonly stopPrice: number | undefined
  readonly timeInForce: TimeInForce
  readonly reason: string | undefined
  /** Tape time of the event that caused it, epoch ms. */
  readonly createdAt: number
  readonly status: OrderStatus
  /** Units filled so far. */
  readonly filled: number
  /** Of what is filled; `undefined` when nothing is. */
  readonly averagePrice: number | undefined
  /** Why it was rejected, canceled or expired. */
  readonly ending: string | undefined
}

/** A part of an order that was traded. */
export interface Fill {
  /** Unique: a broker may tell of it twice. */
  readonly id: string
  readonly orderId: string
  readonly symbol: string
  readonly side: Side
  readonly price: number
  readonly quantity: number
  /** In the account's currency; below 0 is a rebate. */
  readonly fee: number
  /** `maker` it stood in the book and somebody came · `taker` it took what stood there. */
  readonly liquidity: 'maker' | 'taker'
  /** Tape time, epoch ms. */
  readonly timestamp: number
}

const OVER: ReadonlySet<OrderStatus> = new Set(['filled', 'canceled', 'rejected', 'expired'])

/** Whether nothing can come of it any more. */
export const isOver = ({ status }: Pick<Order, 'status'>): boolean => OVER.has(status)

/** Units still to be filled. */
export const leftOf = ({ quantity, filled }: Pick<Order, 'quantity' | 'filled'>): number =>
  tidy(quantity - filled)

/** Fractions of coins add up to no more digits than an exchange has. */
export const tidy = (quantity: number): number => Math.round(quantity * 1e9) / 1e9

/** What the prices of a request make of it. */
export function typeOf({ type, limitPrice, stopPrice }: OrderRequest): OrderType {
  if (type !== undefined) return type
  if (stopPrice !== undefined) return limitPrice === undefined ? 'stop' : 'stop-limit'
  return limitPrice === undefined ? 'market' : 'limit'
}
