import { z } from 'zod'
import type { OrderStatus } from '../../bot/orders.ts'
import type { AccountState, BrokerOrder, BrokerPosition } from '../../bot/trading.ts'

// Shapes of Alpaca's trading API, https://docs.alpaca.markets/reference/getallorders-1: all numbers are text.

const NUMBER = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/, 'not a number')
  .transform(Number)
const TIME = z
  .string()
  .transform(text => Date.parse(text))
  .refine(Number.isFinite, 'not a time')

const ORDER = z.looseObject({
  ...{ id: z.string().min(1), client_order_id: z.string(), symbol: z.string().min(1) },
  ...{ side: z.enum(['buy', 'sell']), status: z.string(), asset_class: z.string().optional() },
  qty: NUMBER.nullish(),
  filled_qty: NUMBER,
  filled_avg_price: NUMBER.nullish(),
  ...{ created_at: TIME, updated_at: TIME.nullish(), submitted_at: z.string().nullish() },
  ...{ replaced_by: z.string().nullish(), reject_reason: z.string().nullish() },
})

/** https://docs.alpaca.markets/docs/orders-at-alpaca#order-lifecycle; what is not here may still be filled. */
const STATUS: { readonly [status: string]: OrderStatus } = {
  ...{ filled: 'filled', canceled: 'canceled', expired: 'expired', rejected: 'rejected' },
  // The order that takes its place has an id of its own.
  replaced: 'canceled',
}

/** @throws ZodError */
export function decodeOrder(value: unknown): BrokerOrder {
  const order = ORDER.parse(value)
  const { status, filled_qty: filled, created_at: createdAt, replaced_by } = order
  const reason = order.reject_reason ?? (replaced_by ? `replaced by ${replaced_by}` : status)
  const known = STATUS[status]
  return {
    ...{ id: order.id, clientId: order.client_order_id, symbol: order.symbol, side: order.side },
    // One that was given by its worth has no quantity until it is filled.
    quantity: order.qty ?? filled,
    status: known ?? (filled > 0 ? 'partly-filled' : 'open'),
    filled,
    averagePrice: order.filled_avg_price ?? undefined,
    ending: known && known !== 'filled' ? reason : undefined,
    ...{ createdAt, updatedAt: order.updated_at ?? createdAt },
  }
}

/** When it came to the venue, in its own words: what pages of orders are asked by. */
export const submittedAt = (value: unknown): string | undefined =>
  ORDER.parse(value).submitted_at ?? undefined

/** Orders over several instruments have no symbol of their own. */
export const isOfOneSymbol = (value: unknown): boolean =>
  (value as { symbol?: unknown } | null)?.symbol !== ''

const ACCOUNT = z.looseObject({
  ...{ id: z.string(), status: z.string(), currency: z.string() },
  ...{ cash: NUMBER, equity: NUMBER, buying_power: NUMBER },
  ...{ trading_blocked: z.boolean(), account_blocked: z.boolean() },
  trade_suspended_by_user: z.boolean().optional(),
})

/** @throws ZodError */
export function decodeAccount(value: unknown): AccountState {
  const account = ACCOUNT.parse(value)
  const { id, currency, cash, equity, buying_power: buyingPower, status } = account
  const blocked = account.account_blocked
    ? 'Alpaca has blocked the account'
    : account.trading_blocked
      ? 'Alpaca lets the account trade nothing'
      : account.trade_suspended_by_user
        ? 'trading is suspended in the settings of the account at Alpaca'
        : status === 'ACTIVE'
          ? undefined
          : `the account at Alpaca is ${status}, not ACTIVE`
  return { id, currency, cash, equity, buyingPower, blocked }
}

const POSITION = z.looseObject({
  ...{ symbol: z.string().min(1), qty: NUMBER, side: z.enum(['long', 'short']) },
  asset_class: z.string().optional(),
  current_price: NUMBER.nullish(),
})

/** Pairs have no slash in positions. https://docs.alpaca.markets/docs/crypto-trading */
const PAIR = /^(\w{2,})(USDT|USDC|USD|BTC)$/

/** @throws ZodError */
export function decodePosition(value: unknown): BrokerPosition {
  const { symbol, qty, side, asset_class, current_price: price } = POSITION.parse(value)
  const quantity = side === 'short' ? -Math.abs(qty) : qty
  const name = asset_class === 'crypto' ? symbol.replace(PAIR, '$1/$2') : symbol
  return { symbol: name, quantity, ...(price && { price }) }
}

const UPDATE = z.looseObject({ event: z.string(), order: z.unknown() })

/** The order an update of the stream tells of. @throws ZodError */
export const orderOf = (data: unknown): unknown => UPDATE.parse(data).order
