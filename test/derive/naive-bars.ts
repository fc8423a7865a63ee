/** Bars in the plainest way: everything that came, sorted, put right, and added up from nothing for each bar. */
import type { MarketEvent, Trade } from '../../src/market/events.ts'
import { effectOf } from './sale-table.ts'

export interface NaiveBar {
  readonly timestamp: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  /** NaN where nothing with a price has a volume. */
  readonly vwap: number
  readonly tradeCount: number
}

type Counted = Pick<
  Trade,
  'timestamp' | 'nanos' | 'price' | 'size' | 'conditions' | 'tape' | 'exchange' | 'id'
>

/** Trades as they stand in the end, in the order they came. */
export function standing(events: readonly MarketEvent[]): Counted[] {
  const trades = events.filter(event => event.type === 'trade')
  return trades.flatMap(trade => {
    let now: Counted | undefined = trade
    for (const event of events) {
      if (now === undefined || event.type === 'trade') continue
      if (event.type === 'cancel' && event.exchange === now.exchange && event.id === now.id) {
        now = undefined
      } else if (
        event.type === 'correction' &&
        event.exchange === now.exchange &&
        event.originalId === now.id
      ) {
        const { timestamp, nanos, exchange } = now as Counted
        const { price, size, id, conditions, tape } = event
        now = { timestamp, nanos, exchange, price, size, id, conditions, tape }
      }
    }
    return now ? [now] : []
  })
}

/** One bar of these trades; none when nothing gives it a price. */
export function naiveBar(
  timestamp: number,
  trades: readonly Counted[],
  kind: 'minute' | 'day' = 'minute',
): NaiveBar | undefined {
  const sorted = [...trades].sort(
    (a, b) =>
      a.timestamp - b.timestamp ||
      a.nanos - b.nanos ||
      (a.exchange! < b.exchange! ? -1 : a.exchange! > b.exchange! ? 1 : 0) ||
      (a.id as number) - (b.id as number),
  )
  const prices: { open?: number; close?: number; high: number; low: number } = {
    high: Number.NEGATIVE_INFINITY,
    low: Number.POSITIVE_INFINITY,
  }
  let [volume, tradeCount, money, units] = [0, 0, 0, 0]
  for (const { price, size, conditions, tape } of sorted) {
    const [openClose, highLow, counts] = effectOf(conditions, tape, kind)
    if (counts === 'y') {
      volume += size
      tradeCount++
    }
    if (counts === 'y' && highLow === 'y') {
      money += price * size
      units += size
    }
    if (highLow === 'y') {
      prices.high = Math.max(prices.high, price)
      prices.low = Math.min(prices.low, price)
    }
    const first = prices.open === undefined
    if (openClose === 'y' || (openClose === '1' && first)) {
      prices.open ??= price
      prices.close = price
    }
  }
  const { open, close, high, low } = prices
  if (open === undefined || close === undefined) return undefined
  return {
    timestamp,
    open,
    high,
    low,
    close,
    volume,
    vwap: money / units,
    tradeCount,
  }
}

/** Bars of a length that lie on multiples of it. */
export function naiveBars(
  events: readonly MarketEvent[],
  ms: number,
  kind: 'minute' | 'day' = 'minute',
): NaiveBar[] {
  const places = new Map<number, Counted[]>()
  for (const trade of standing(events)) {
    const place = Math.floor(trade.timestamp / ms) * ms
    places.set(place, [...(places.get(place) ?? []), trade])
  }
  return [...places]
    .sort(([a], [b]) => a - b)
    .flatMap(([place, trades]) => naiveBar(place, trades, kind) ?? [])
}
