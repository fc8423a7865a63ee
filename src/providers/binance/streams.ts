import type { EventType, Interval } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { venueName } from './symbols.ts'

/**
 * Lengths of candles, ms. The venue calls them as we do. It has months too, which are no fixed length and no interval of
 * ours. https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#klinecandlestick-streams-for-utc
 */
export const INTERVALS: { readonly [interval: Interval]: number } = {
  ...{ '1s': 1_000, '1m': 60_000, '3m': 180_000, '5m': 300_000, '15m': 900_000, '30m': 1_800_000 },
  ...{ '1h': 3_600_000, '2h': 7_200_000, '4h': 14_400_000, '6h': 21_600_000, '8h': 28_800_000 },
  ...{ '12h': 43_200_000, '1d': 86_400_000, '3d': 259_200_000, '1w': 604_800_000 },
}
export const INTERVAL_NAMES = Object.keys(INTERVALS) as Interval[]

/** How trades are told: each by itself, or those of one taker at one price as one. */
export type TradeKind = 'raw' | 'aggregate'

const STREAMS: { readonly [kind in EventType]?: string } = {
  quote: 'bookTicker',
  ticker: 'ticker',
  // 100 ms is the fastest there is.
  book: 'depth@100ms',
}

/** The stream a topic comes over, `btcusdt@trade`; `undefined` for what the venue does not carry. */
export function streamOf(
  { kind, symbol, interval = '1m' }: Topic,
  trades: TradeKind,
): string | undefined {
  const stream =
    kind === 'trade'
      ? trades === 'raw'
        ? 'trade'
        : 'aggTrade'
      : kind === 'bar'
        ? Object.hasOwn(INTERVALS, interval)
          ? `kline_${interval}`
          : undefined
        : STREAMS[kind]
  return stream && `${venueName(symbol).toLowerCase()}@${stream}`
}
