import type { Side } from '../market/events.ts'
import type { Order, OrderStatus } from './orders.ts'

/** An account as its broker tells of it. */
export interface AccountState {
  readonly id: string
  readonly currency: string
  readonly cash: number
  readonly equity: number
  readonly buyingPower: number
  /** Why it takes no orders now, in a sentence; `undefined` where it does. */
  readonly blocked: string | undefined
}

/** An order as its broker knows it. What has been filled is told as a sum: hearing it twice, or late, changes nothing. */
export interface BrokerOrder {
  /** The broker's. */
  readonly id: string
  /** Ours, where it is one of ours; what others gave it, or the broker itself. `''`: the broker keeps none. */
  readonly clientId: string
  readonly symbol: string
  readonly side: Side
  readonly quantity: number
  readonly status: OrderStatus
  /** Units filled so far. */
  readonly filled: number
  /** Of what is filled; `undefined` when nothing is. */
  readonly averagePrice: number | undefined
  /** Why it was rejected, canceled or expired. */
  readonly ending: string | undefined
  /** When it was made, epoch ms. */
  readonly createdAt: number
  /** What it says here happened then, epoch ms. */
  readonly updatedAt: number
}

/** What is held of a symbol, all orders and all people together. */
export interface BrokerPosition {
  readonly symbol: string
  /** Below 0 where it is sold short. */
  readonly quantity: number
  /** What a unit is worth now, where the broker says so. */
  readonly price?: number
}

/** Hears what becomes of the orders of an account. */
export interface TradingListener {
  order(order: BrokerOrder): void
  /** Nothing is heard any more. Called once, unless it was closed. */
  lost(error: unknown): void
}

export interface TradingStream {
  close(): void
}

/**
 * The interface of one account at a broker, for an {@link Account} alone. Every call rejects with a TickwireError; each
 * but `submit` may be made again.
 */
export interface TradingApi {
  /** The broker: `alpaca`. */
  readonly name: string
  /** `paper`: no money moves. */
  readonly kind: 'paper' | 'live'
  /** The part of a purchase that the broker may keep in the asset itself as its fee. @default 0 */
  feeInAsset?(symbol: string): number
  account(): Promise<AccountState>
  /**
   * Sends an order, once. @throws ORDER_REJECTED where it certainly is not in the market; with any other code nobody
   * knows, and only {@link find} can say.
   */
  submit(order: Order): Promise<BrokerOrder>
  /** Asks for an order to be canceled; that it was, the stream says. An order that is over is no error. */
  cancel(id: string): Promise<void>
  /**
   * The order with an id of ours; `undefined` where the broker says that there is none. Absent where the broker keeps no id of
   * ours: an order whose answer was lost is then told by what it is, among those that nobody had seen when it was sent.
   */
  find?(clientId: string): Promise<BrokerOrder | undefined>
  /** All orders that are open, of whatever age and by whomever. */
  openOrders(): Promise<readonly BrokerOrder[]>
  /** All orders made since a time, by whomever, open or over; at least those that it still tells of. */
  ordersSince(time: number): Promise<readonly BrokerOrder[]>
  /** Whether it tells no more of orders of a time: what was open of them is over. @default it tells of all */
  forgets?(time: number, now: number): boolean
  positions(): Promise<readonly BrokerPosition[]>
  /** Listens to what becomes of orders; resolves once the broker has said that it tells. */
  listen(listener: TradingListener): Promise<TradingStream>
}
