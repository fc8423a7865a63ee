import type { KeptOrder } from './account-books.ts'
import { type Order, tidy } from './orders.ts'

/** What all bots of an account may do together, long and short taken against each other. What is left out is not limited. */
export interface AccountLimits {
  /** Units of one symbol, long or short. */
  readonly maxPosition?: number
  /** Worth of what is held of one symbol. */
  readonly maxPositionNotional?: number
  /** Worth of one order. */
  readonly maxOrderNotional?: number
  /** Worth of all positions together, shorts counted as much as longs. */
  readonly maxGrossNotional?: number
  /** Orders of all bots; one that only closes is counted and goes through. */
  readonly maxOrdersPerMinute?: number
  /** Once the account has lost so much since the UTC day began, by the broker's equity, only exits go through. */
  readonly maxDailyLoss?: number
}

/** What an order of a bot is judged by. */
export interface AccountSituation {
  readonly now: number
  /** All orders of all bots. */
  readonly orders: Iterable<KeptOrder>
  /** What a unit of a symbol is worth; `undefined` where nobody has said. */
  price(symbol: string): number | undefined
  /** Equity when the day began, less equity now. */
  readonly lostToday: number
}

const MINUTE_MS = 60_000

/**
 * Why an order of a bot is over the limits of its account; `undefined` where it is not. `price` is what a unit of it may be worth at
 * most. What only makes the bot's own position smaller is never held up.
 */
export function overLimit(
  limits: AccountLimits,
  bot: string,
  order: Order,
  price: number | undefined,
  at: AccountSituation,
): string | undefined {
  const { symbol, side, quantity } = order
  const sums = sumUp(bot, order, at)
  const sign = side === 'buy' ? 1 : -1
  if (sums.own * sign < 0 && quantity + sums.ownGoing <= -sums.own * sign + 1e-9) return undefined

  const { maxOrdersPerMinute, maxDailyLoss, maxPosition } = limits
  if (maxDailyLoss !== undefined && at.lostToday >= maxDailyLoss) {
    const lost = at.lostToday.toFixed(2)
    return `the account has lost ${lost} today, of ${maxDailyLoss} at most: only exits go through`
  }
  if (maxOrdersPerMinute !== undefined && sums.recent >= maxOrdersPerMinute) {
    return `the bots of the account have sent ${maxOrdersPerMinute} orders within a minute, which is the most`
  }
  const { held, going } = sums.ofSymbol
  const after = Math.abs(tidy(held + sign * (going + quantity)))
  if (maxPosition !== undefined && after > maxPosition) {
    return `the bots of the account would hold ${after} ${symbol}, of ${maxPosition} at most`
  }
  return overNotional(limits, order, price, after, sums.others, at)
}

/** Limits of worth: each needs a price. */
function overNotional(
  { maxOrderNotional, maxPositionNotional, maxGrossNotional }: AccountLimits,
  { symbol, quantity, limitPrice, stopPrice }: Order,
  told: number | undefined,
  after: number,
  others: ReadonlyMap<string, number>,
  at: AccountSituation,
): string | undefined {
  if ((maxOrderNotional ?? maxPositionNotional ?? maxGrossNotional) === undefined) return undefined
  const price = told ?? limitPrice ?? stopPrice ?? at.price(symbol)
  if (price === undefined) {
    return `nobody can say what it is worth, and the account has limits on that: no price of ${symbol} is known`
  }
  const [worth, position] = [quantity * price, after * price]
  if (maxOrderNotional !== undefined && worth > maxOrderNotional) {
    return `it is worth ${worth.toFixed(2)}, of ${maxOrderNotional} at most for an order of the account`
  }
  if (maxPositionNotional !== undefined && position > maxPositionNotional) {
    return `the bots of the account would hold ${position.toFixed(2)} of ${symbol}, of ${maxPositionNotional} at most`
  }
  if (maxGrossNotional === undefined) return undefined
  let gross = position
  for (const [other, units] of others) {
    const its = units === 0 ? 0 : at.price(other)
    if (its === undefined) {
      return `nobody can say what the bots of the account hold, and it has limits on that: no price of ${other} is known`
    }
    gross += units * its
  }
  if (gross <= maxGrossNotional) return undefined
  return `the bots of the account would hold ${gross.toFixed(2)} in all, of ${maxGrossNotional} at most`
}

interface Sums {
  /** Of the bot and the symbol: held, and what open orders of the side may still fill. */
  readonly own: number
  readonly ownGoing: number
  /** The same of all bots. */
  readonly ofSymbol: { readonly held: number; readonly going: number }
  /** The most that may be held of each other symbol, when what is open is filled. */
  readonly others: ReadonlyMap<string, number>
  /** Orders of the last minute. */
  readonly recent: number
}

function sumUp(bot: string, { symbol, side }: Order, { orders, now }: AccountSituation): Sums {
  const bySymbol = new Map<string, { held: number; buying: number; selling: number }>()
  let [own, ownGoing, recent] = [0, 0, 0]
  for (const { order, bot: whose, filled, isOver, at } of orders) {
    if (at > now - MINUTE_MS) recent++
    let sum = bySymbol.get(order.symbol)
    if (!sum) bySymbol.set(order.symbol, (sum = { held: 0, buying: 0, selling: 0 }))
    const left = isOver ? 0 : order.quantity - filled
    const isBuy = order.side === 'buy'
    const signed = isBuy ? filled : -filled
    sum.held += signed
    if (isBuy) sum.buying += left
    else sum.selling += left
    if (whose !== bot || order.symbol !== symbol) continue
    own += signed
    if (order.side === side) ownGoing += left
  }
  const { held, buying, selling } = bySymbol.get(symbol) ?? { held: 0, buying: 0, selling: 0 }
  bySymbol.delete(symbol)
  const most = [...bySymbol].map(([name, one]) => {
    const ends = [one.held + one.buying, one.held - one.selling]
    return [name, tidy(Math.max(...ends.map(Math.abs)))] as const
  })
  return {
    ...{ own: tidy(own), ownGoing: tidy(ownGoing), others: new Map(most), recent },
    ofSymbol: { held: tidy(held), going: tidy(side === 'buy' ? buying : selling) },
  }
}
