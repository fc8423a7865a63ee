import type { Broker, BrokerListener } from './broker.ts'
import { isOver, type Order, type OrderStatus, tidy } from './orders.ts'
import type { ApprovedOrder } from './risk.ts'

/** What a bot asks of its account. */
export type ToAccount =
  | {
      readonly type: 'place'
      readonly order: Order
      /** The most that a unit of it may be worth; `undefined` of what is asked for again after a restart. */
      readonly price?: number
    }
  | { readonly type: 'cancel'; readonly id: string }

/** An order of the bot as its account knows it. */
export interface ToldOrder {
  readonly order: Order
  readonly status: OrderStatus
  /** Units filled so far. */
  readonly filled: number
  readonly averagePrice: number | undefined
  readonly ending: string | undefined
  /** When it was sent, and when the last of this happened, epoch ms. */
  readonly at: number
  readonly updatedAt: number
}

export interface AccountLinkOptions {
  readonly send: (asked: ToAccount) => void
  /** Why no order may leave this machine now; `undefined` where it may. */
  readonly refusal: () => string | undefined
}

/** Digits of a price that was worked out of averages. */
const DIGITS = 1e8

/**
 * The broker of a bot whose account is kept elsewhere. What the bot wants waits until its state has been saved: a kill before
 * that has sent nothing, and behind it the account knows each order by its id, however often it is asked for.
 */
export class AccountLink implements Broker {
  readonly #listener: BrokerListener
  readonly #options: AccountLinkOptions
  #waiting: ToAccount[] = []
  /** What the bot has been told of each order. */
  readonly #known = new Map<string, { status: OrderStatus; filled: number; worth: number }>()
  /** Orders of the account from before this are in the state that was restored, or forgotten by it. */
  #since = Number.NEGATIVE_INFINITY

  constructor(listener: BrokerListener, options: AccountLinkOptions) {
    this.#listener = listener
    this.#options = options
  }

  /** What the bot knew when its state was saved, at a time. What is not over is asked for again. */
  restore(orders: readonly Order[], now: number): void {
    this.#since = now
    for (const order of orders) {
      const { id, status, filled, averagePrice = 0 } = order
      this.#known.set(id, { status, filled, worth: filled * averagePrice })
      if (!isOver(order)) this.#waiting.push({ type: 'place', order })
    }
  }

  submit({ order, price }: ApprovedOrder): void {
    const refusal = this.#options.refusal()
    this.#known.set(order.id, { status: order.status, filled: 0, worth: 0 })
    if (refusal === undefined)
      this.#waiting.push({ type: 'place', order, ...(price !== undefined && { price }) })
    else this.#tell(order.id, 'rejected', refusal, order.createdAt)
  }

  cancel(id: string): void {
    this.#waiting.push({ type: 'cancel', id })
  }

  /** The state of the bot has been saved: what it wants is asked for. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const asked of waiting) this.#options.send(asked)
  }

  /** The account says what it knows of an order; again changes nothing. */
  hear({ order, status, filled, averagePrice, ending, at, updatedAt }: ToldOrder): void {
    const { id, symbol, side } = order
    let known = this.#known.get(id)
    if (!known) {
      if (at <= this.#since) return
      // Not of the bot's own: somebody had what it holds closed.
      this.#listener.adopt(order)
      known = { status: 'submitted', filled: 0, worth: 0 }
      this.#known.set(id, known)
    }
    if (filled > known.filled) {
      const quantity = tidy(filled - known.filled)
      const worth = filled * averagePrice!
      const price = Math.round(((worth - known.worth) / quantity) * DIGITS) / DIGITS
      known.filled = filled
      known.worth = worth
      const fill = { id: `${id}:${filled}`, orderId: id, symbol, side, price, quantity }
      this.#listener.fill({ ...fill, fee: 0, liquidity: 'taker', timestamp: updatedAt })
    }
    if (status === known.status) return
    known.status = status
    // These the fills say.
    if (status !== 'filled' && status !== 'partly-filled') this.#tell(id, status, ending, updatedAt)
  }

  #tell(id: string, status: OrderStatus, ending: string | undefined, timestamp: number): void {
    this.#known.get(id)!.status = status
    this.#listener.order({ id, status, ...(ending !== undefined && { ending }), timestamp })
  }
}
