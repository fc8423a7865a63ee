import type { Fill, Order } from './orders.ts'

/** What trading costs. All are added up. */
export interface Fees {
  readonly perOrder?: number
  readonly perUnit?: number
  /** Of the worth of a fill: 0.001 is 0.1 %. */
  readonly rate?: number
  /** Of a fill that stood in the book, instead of `rate`; below 0 is a rebate. */
  readonly makerRate?: number
}

export interface PaperOptions {
  /** @default none */
  readonly fees?: Fees
  /** How much worse than the market market and stop orders are filled, in hundredths of a percent. @default 0 */
  readonly slippageBps?: number
  /** How long an order, or its cancel, is on its way, ms of tape time; between two numbers, by chance. @default 50 */
  readonly latencyMs?: number | readonly [least: number, most: number]
  /** Share of what stands in the market, or trades, that orders here may have. @default 1 */
  readonly share?: number
  /** Of chance. @default 1 */
  readonly seed?: number
}

/** A price or fee is left as it is where it would change by less. */
const DIGITS = 1e8

const rounded = (value: number): number => Math.round(value * DIGITS) / DIGITS

/** What a fill costs; the fee of the order where it is its first. */
export function feeOf(
  fees: Fees,
  { price, quantity, liquidity }: Pick<Fill, 'price' | 'quantity' | 'liquidity'>,
  isFirst: boolean,
): number {
  const { perOrder = 0, perUnit = 0, rate = 0, makerRate = rate } = fees
  const share = liquidity === 'maker' ? makerRate : rate
  return rounded((isFirst ? perOrder : 0) + quantity * perUnit + quantity * price * share)
}

/** What an order at the market is filled at instead of a price. */
export function slipped({ side }: Order, price: number, bps: number): number {
  if (bps === 0) return price
  return rounded(price * (1 + ((side === 'buy' ? 1 : -1) * bps) / 10_000))
}
