import type { EventType, Interval } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { productOf } from './symbols.ts'

/** Names to subscribe by. https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels */
export type CoinbaseChannel = 'market_trades' | 'level2' | 'ticker' | 'candles'

/** The only length of candles the stream has. */
export const CANDLE: Interval = '5m'
export const CANDLE_MS = 300_000
export const STREAM_INTERVALS: readonly Interval[] = [CANDLE]

const CHANNELS: { readonly [kind in EventType]?: CoinbaseChannel } = {
  trade: 'market_trades',
  book: 'level2',
  // A ticker has the best prices only as of a trade: a quote is the best of the book instead.
  quote: 'level2',
  ticker: 'ticker',
  bar: 'candles',
}

/** The channel of a topic; `undefined` for what the venue does not carry. */
export function channelOf({ kind, interval = '5m' }: Topic): CoinbaseChannel | undefined {
  if (kind === 'bar' && !STREAM_INTERVALS.includes(interval)) return undefined
  return CHANNELS[kind]
}

/** Channel and product, as one text. */
export function streamOf(topic: Topic): string | undefined {
  const channel = channelOf(topic)
  return channel && `${channel} ${productOf(topic.symbol)}`
}
