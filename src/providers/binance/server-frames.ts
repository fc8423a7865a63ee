/** Events as the venue writes them. */
import type {
  Bar,
  Book,
  EventType,
  MarketEvent,
  Quote,
  Ticker,
  Trade,
} from '../../market/events.ts'
import { formatPrice } from '../../market/instruments.ts'
import type { Moment } from '../../market/time.ts'
import type { Diff } from './depth.ts'
import { INTERVALS } from './streams.ts'
import { venueName } from './symbols.ts'

/** Eight digits behind the point, or more where there are more. */
export const decimal = (value: number) => formatPrice(value, { pricePrecision: 8 })

/** A time in milliseconds, or in microseconds. */
export function epoch({ timestamp, nanos }: Moment, micros: boolean): number {
  return micros ? timestamp * 1_000 + Math.floor(nanos / 1_000) : timestamp
}

/** The streams an event goes out over, by what stands behind the `@`. */
export function channelsOf(event: MarketEvent): readonly string[] {
  if (event.type === 'bar') return [`kline_${event.interval}`]
  return CHANNELS[event.type] ?? []
}

const CHANNELS: { readonly [kind in EventType]?: readonly string[] } = {
  trade: ['trade', 'aggTrade'],
  quote: ['bookTicker'],
  ticker: ['ticker'],
}

/** An event as the payload of a stream; `undefined` for what the venue could not say. */
export function payloadOf(
  event: MarketEvent,
  channel: string,
  micros: boolean,
): object | undefined {
  switch (event.type) {
    case 'trade':
      return channel === 'trade' ? tradeOf(event, micros) : aggregateOf(event, micros)
    case 'quote':
      return quoteOf(event)
    case 'ticker':
      return tickerOf(event, micros)
    case 'bar':
      return candleOf(event, micros)
  }
  return undefined
}

function tradeOf(trade: Trade, micros: boolean): object | undefined {
  const { symbol, id, price, size, side } = trade
  if (typeof id !== 'number') return undefined
  const time = epoch(trade, micros)
  return {
    ...{ e: 'trade', E: time, s: venueName(symbol), t: id, p: decimal(price), q: decimal(size) },
    ...{ T: time, m: side === 'sell', M: true },
  }
}

/** Each trade is an aggregate of its own here. */
function aggregateOf(trade: Trade, micros: boolean): object | undefined {
  const { symbol, id, price, size, side } = trade
  if (typeof id !== 'number') return undefined
  const time = epoch(trade, micros)
  return {
    ...{ e: 'aggTrade', E: time, s: venueName(symbol), a: id, p: decimal(price) },
    ...{ q: decimal(size), f: id, l: id, T: time, m: side === 'sell', M: true },
  }
}

function quoteOf({ symbol, bid = 0, bidSize = 0, ask = 0, askSize = 0, timestamp }: Quote): object {
  return {
    ...{ u: timestamp, s: venueName(symbol), b: decimal(bid), B: decimal(bidSize) },
    ...{ a: decimal(ask), A: decimal(askSize) },
  }
}

function tickerOf(ticker: Ticker, micros: boolean): object {
  const text = (value = 0) => decimal(value)
  const { symbol, volume = 0, vwap = 0 } = ticker
  const time = epoch(ticker, micros)
  return {
    ...{ e: '24hrTicker', E: time, s: venueName(symbol), p: text(ticker.change) },
    ...{ P: text(ticker.changePercent), w: text(vwap), x: text(ticker.previousClose) },
    ...{ c: text(ticker.last), Q: text(ticker.lastSize), b: text(ticker.bid) },
    ...{ B: text(ticker.bidSize), a: text(ticker.ask), A: text(ticker.askSize) },
    ...{ o: text(ticker.open), h: text(ticker.high), l: text(ticker.low), v: text(volume) },
    ...{ q: text(volume * vwap), O: time - (micros ? 86_400_000_000 : 86_400_000), C: time },
    ...{ F: 0, L: 1, n: 2 },
  }
}

function candleOf(bar: Bar, micros: boolean): object {
  const { symbol, interval, open, high, low, close, volume, vwap = 0, tradeCount = 0 } = bar
  const start = epoch(bar, micros)
  const unit = micros ? 1_000 : 1
  const end = start + (INTERVALS[interval] ?? 60_000) * unit - 1
  const name = venueName(symbol)
  return {
    ...{ e: 'kline', E: start, s: name },
    k: {
      ...{ t: start, T: end, s: name, i: interval, f: 1, L: tradeCount, o: decimal(open) },
      ...{ c: decimal(close), h: decimal(high), l: decimal(low), v: decimal(volume) },
      ...{ n: tradeCount, x: bar.final, q: decimal(volume * vwap), V: decimal(volume / 2) },
      ...{ Q: decimal((volume * vwap) / 2), B: '0' },
    },
  }
}

/** An update of a book as its payload. */
export function diffOf(symbol: string, diff: Diff, micros: boolean): object {
  const { first, last, bids, asks } = diff
  return {
    ...{ e: 'depthUpdate', E: epoch(diff, micros), s: venueName(symbol), U: first, u: last },
    ...{ b: levelsOf(bids), a: levelsOf(asks) },
  }
}

export const levelsOf = (levels: Book['bids']) =>
  levels.map(([price, size]) => [decimal(price), decimal(size)])
