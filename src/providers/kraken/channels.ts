import type { EventType, Interval } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'

/** Channels of the venue that hold market data. https://docs.kraken.com/api/docs/websocket-v2/ticker */
export type KrakenChannel = 'trade' | 'ticker' | 'ohlc' | 'book' | 'instrument'

/** Lengths of candles, and what the venue calls them: minutes. https://docs.kraken.com/api/docs/websocket-v2/ohlc */
export const INTERVALS: { readonly [interval: Interval]: number } = {
  ...{ '1m': 1, '5m': 5, '15m': 15, '30m': 30, '1h': 60, '4h': 240 },
  ...{ '1d': 1_440, '1w': 10_080, '15d': 21_600 },
}
export const INTERVAL_NAMES = Object.keys(INTERVALS) as Interval[]
const BY_MINUTES = new Map(INTERVAL_NAMES.map(name => [INTERVALS[name]!, name]))

/** The length of a candle in our words; `undefined` where the venue has none so long. */
export function intervalOf(minutes: number | undefined): Interval | undefined {
  return minutes === undefined ? undefined : BY_MINUTES.get(minutes)
}

const CHANNELS: { readonly [kind in EventType]?: KrakenChannel } = {
  trade: 'trade',
  // With `event_trigger` bbo a ticker comes with each change of the best bid and ask, which is a quote too.
  quote: 'ticker',
  ticker: 'ticker',
  bar: 'ohlc',
  book: 'book',
  status: 'instrument',
}

/** Where a topic comes from: a channel, and for candles their length in minutes. */
export interface Stream {
  readonly channel: KrakenChannel
  readonly minutes: number | undefined
}

/** `undefined` for what the venue does not carry. */
export function streamOf({ kind, interval }: Topic): Stream | undefined {
  const channel = CHANNELS[kind]
  if (channel !== 'ohlc') return channel && { channel, minutes: undefined }
  const minutes = INTERVALS[interval ?? '1m']
  return minutes === undefined ? undefined : { channel, minutes }
}

/** Topics that come over one stream of one symbol; without a symbol, of any. */
export function coversStream(
  channel: string | undefined,
  symbol: string | undefined,
  minutes: number | undefined,
): (topic: Topic) => boolean {
  return topic => {
    const stream = streamOf(topic)
    if (!stream || (symbol !== undefined && topic.symbol !== symbol)) return false
    if (channel !== undefined && stream.channel !== channel) return false
    return minutes === undefined || stream.minutes === undefined || stream.minutes === minutes
  }
}
