import { z } from 'zod'
import type { OrderStatus } from '../../bot/orders.ts'
import type { BrokerOrder, BrokerPosition } from '../../bot/trading.ts'
import { symbolOf } from './symbols.ts'

// Shapes of OpenAlgo's order services, https://docs.openalgo.in/api-documentation/v1: numbers may be text.

const NUMBER = z
  .union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/, 'not a number')])
  .transform(Number)
const ID = z.union([z.string().min(1), z.number()]).transform(String)
const SIDE = z.string().transform((text, context) => {
  const side = text.toLowerCase()
  if (side === 'buy' || side === 'sell') return side
  context.addIssue({ code: 'custom', message: 'neither BUY nor SELL' })
  return z.NEVER
})
const PLACE = { symbol: z.string().min(1), exchange: z.string().min(1) }

const ORDER = z.looseObject({
  ...{ ...PLACE, orderid: ID, action: SIDE, quantity: NUMBER, order_status: z.string() },
})
const TRADE = z.looseObject({ orderid: ID, quantity: NUMBER, average_price: NUMBER })
const UPDATE = z.looseObject({
  ...{ ...PLACE, orderid: ID, action: SIDE, quantity: NUMBER, order_status: z.string() },
  ...{ mode: z.string(), filled_quantity: NUMBER.nullish(), average_price: NUMBER.nullish() },
  rejection_reason: z.string().nullish(),
})

/** What is over, without fills: those only count with their price. */
const OVER: { readonly [status: string]: OrderStatus } = {
  ...{ rejected: 'rejected', cancelled: 'canceled', canceled: 'canceled', expired: 'expired' },
}

interface Told extends z.output<typeof ORDER> {
  readonly rejection_reason?: string | null | undefined
}

/** An order as it stands with so much filled, for so much; `at`: there are no times that could be relied on. */
function orderOf(told: Told, filled: number, worth: number, at: number): BrokerOrder {
  const { orderid: id, action: side, quantity, order_status, rejection_reason } = told
  const over = OVER[order_status.toLowerCase()]
  // Some brokers' rows say "complete" before their trades are told, or of another row: what is traded is what counts.
  const status = filled >= quantity ? 'filled' : (over ?? (filled > 0 ? 'partly-filled' : 'open'))
  const isUndone = status === over
  return {
    ...{ id, clientId: '', symbol: symbolOf(told), side, quantity, status, filled },
    averagePrice: filled > 0 ? worth / filled : undefined,
    ending: isUndone ? rejection_reason || order_status.toLowerCase() : undefined,
    ...{ createdAt: at, updatedAt: at },
  }
}

/** All orders of the day, of the order book and the trade book behind it. @throws ZodError */
export function decodeOrders(
  orders: readonly unknown[],
  trades: readonly unknown[],
  at: number,
): BrokerOrder[] {
  const sums = new Map<string, { filled: number; worth: number }>()
  for (const row of trades) {
    const { orderid, quantity, average_price } = TRADE.parse(row)
    const { filled, worth } = sums.get(orderid) ?? { filled: 0, worth: 0 }
    sums.set(orderid, { filled: filled + quantity, worth: worth + quantity * average_price })
  }
  return orders.map(row => {
    const order = ORDER.parse(row)
    const { filled, worth } = sums.get(order.orderid) ?? { filled: 0, worth: 0 }
    return orderOf(order, filled, worth, at)
  })
}

/** The order of a message of the stream; `undefined` where it is of the other mode. @throws ZodError */
export function decodeUpdate(
  message: unknown,
  mode: 'live' | 'analyze',
  at: number,
): BrokerOrder | undefined {
  const update = UPDATE.parse(message)
  if (update.mode !== mode) return undefined
  const { filled_quantity, average_price, quantity, order_status } = update
  const whole = order_status.toLowerCase() === 'complete' ? quantity : 0
  // Without a price it is no fill yet: the trade book has it.
  const filled = average_price ? (filled_quantity ?? whole) : 0
  return orderOf(update, filled, filled * (average_price ?? 0), at)
}

const POSITION = z.looseObject({ ...PLACE, quantity: NUMBER, ltp: NUMBER.nullish() })

/** A row of the position book or of the holdings. @throws ZodError */
export function decodePosition(row: unknown): BrokerPosition {
  const { quantity, ltp, ...place } = POSITION.parse(row)
  return { symbol: symbolOf(place), quantity, ...(ltp && { price: ltp }) }
}

const FUNDS = z.looseObject({
  availablecash: NUMBER,
  utiliseddebits: NUMBER.nullish(),
  m2munrealized: NUMBER.nullish(),
})

/** What is there, and with what is blocked and what positions have made, what it comes to. @throws ZodError */
export function decodeFunds(value: unknown): { readonly cash: number; readonly equity: number } {
  const { availablecash: cash, utiliseddebits, m2munrealized } = FUNDS.parse(value)
  return { cash, equity: cash + (utiliseddebits ?? 0) + (m2munrealized ?? 0) }
}

const AUTH = z.looseObject({ user_id: z.string(), broker: z.string() })

/** Whose account it is, of the stream's greeting. @throws ZodError */
export function decodeOwner(message: unknown): string {
  const { user_id, broker } = AUTH.parse(message)
  return `${user_id} at ${broker}`
}
