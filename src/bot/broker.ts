import type { Fill, Order, OrderStatus } from './orders.ts'
import type { ApprovedOrder } from './risk.ts'

/** What a broker says of an order, but for its fills. */
export interface OrderUpdate {
  readonly id: string
  readonly status: OrderStatus
  /** Why it was rejected, canceled or expired. */
  readonly ending?: string
  /** Tape time, epoch ms. */
  readonly timestamp: number
}

/** Hears what a broker says. */
export interface BrokerListener {
  order(update: OrderUpdate): void
  fill(fill: Fill): void
  /** An order is the bot's that it did not decide on: what it held was closed by somebody else. */
  adopt(order: Order): void
}

/** Takes orders of one account. What becomes of them it tells its {@link BrokerListener}. */
export interface Broker {
  submit(order: ApprovedOrder): void
  /** Asks for an order to be canceled: it may be filled before that is done. */
  cancel(id: string): void
}
