import { Bar, Quote, Trade } from '../../market/events.ts'
import type { PastQuote, PastTrade } from './replies.ts'

/**
 * Ticks and bars of TWS as events, live and of the past alike, so that a repair finds its place among what came. Times
 * are whole seconds: https://interactivebrokers.github.io/tws-api/tick_data.html
 */

/** Marks a trade that the exchange did not report to the tape, among its conditions. */
export const UNREPORTED = 'unreported'

/** Epoch ms; `undefined` for what is no time. */
export function timeOf(seconds: string | number | undefined): number | undefined {
  const value = Number(seconds)
  return Number.isInteger(value) && value > 0 && value < 1e11 ? value * 1_000 : undefined
}

/** TWS writes sizes that are not there as the largest numbers it has: of 32 and of 63 bits, and of 127. */
const UNSET_INT = 2 ** 31 - 1
const UNSET_LONG = 2 ** 63

/** `undefined` for a size that is none. */
export function sizeOf(size: number | undefined): number | undefined {
  return size === UNSET_INT || Number(size) >= UNSET_LONG ? undefined : size
}

/** How an event comes by its common fields. */
export interface Stamp {
  readonly symbol: string
  readonly source: string
  readonly receivedAt: number
  readonly flags: number
}

export function tradeOf(
  { symbol, source, receivedAt, flags }: Stamp,
  seconds: string | number | undefined,
  tick: Pick<PastTrade, 'price' | 'size' | 'exchange' | 'specialConditions'>,
  unreported: boolean,
): Trade | undefined {
  const timestamp = timeOf(seconds)
  const { price, exchange, specialConditions = '' } = tick
  const size = sizeOf(tick.size)
  if (timestamp === undefined || price === undefined || size === undefined) return undefined
  const conditions = specialConditions.split(' ').filter(code => code !== '')
  if (unreported) conditions.push(UNREPORTED)
  return new Trade(
    ...([symbol, source, timestamp, 0, receivedAt, flags, price, size, undefined] as const),
    exchange || undefined,
    conditions.length > 0 ? conditions : undefined,
    ...([undefined, undefined] as const),
  )
}

/** A side without a price, or with nothing at 0, is one nobody quotes. */
export function quoteOf(
  { symbol, source, receivedAt, flags }: Stamp,
  seconds: string | number | undefined,
  tick: Pick<PastQuote, 'priceBid' | 'priceAsk' | 'sizeBid' | 'sizeAsk'>,
): Quote | undefined {
  const timestamp = timeOf(seconds)
  if (timestamp === undefined) return undefined
  const bid = sideOf(tick.priceBid, tick.sizeBid)
  const ask = sideOf(tick.priceAsk, tick.sizeAsk)
  if (!bid && !ask) return undefined
  return new Quote(
    ...([symbol, source, timestamp, 0, receivedAt, flags] as const),
    ...([bid?.price, bid?.size, ask?.price, ask?.size] as const),
    ...([undefined, undefined, undefined, undefined] as const),
  )
}

/** One side of a quote. */
export function sideOf(price: number | undefined, given: number | undefined) {
  const size = sizeOf(given)
  if (price === undefined || (!(Number(size) > 0) && price <= 0)) return undefined
  return { price, size }
}

type Value = number | undefined

export function barOf(
  { symbol, source, receivedAt, flags }: Stamp,
  seconds: string | number,
  [open, high, low, close]: readonly [number, number, number, number],
  given: Value,
  vwap: Value,
  trades: Value,
): Bar | undefined {
  const timestamp = timeOf(seconds)
  const [volume, count] = [sizeOf(given), sizeOf(trades)]
  // Without trades there is no bar: TWS writes one of the last price, with a volume of 0.
  if (timestamp === undefined || volume === undefined || !(volume > 0)) return undefined
  return new Bar(
    ...([symbol, source, timestamp, 0, receivedAt, flags, '5s', open, high, low, close] as const),
    volume,
    vwap !== undefined && vwap > 0 ? vwap : undefined,
    count !== undefined && count > 0 ? count : undefined,
    ...([true, 0, undefined] as const),
  )
}
