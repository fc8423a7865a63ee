/** Events as the venue writes them. */
import type { Bar, Level, Ticker, Trade } from '../../market/events.ts'
import { formatPrice } from '../../market/instruments.ts'
import { formatTime, type Moment } from '../../market/time.ts'
import { productOf } from './symbols.ts'

/** Digits as they are, at least two behind the point. */
export const decimal = (value: number) => formatPrice(value, { pricePrecision: 2 })

export const timeOf = ({ timestamp, nanos }: Moment) => formatTime(timestamp, nanos)

/** Microseconds, as trades have them. */
const micros = (moment: Moment) => timeOf(moment).replace(/\d{3}Z$/, 'Z')

/** The maker's side. */
const makerOf = ({ side }: Trade) => (side === 'sell' ? 'BUY' : 'SELL')

/** Trades newest first. */
export function tradesOf(trades: readonly Trade[]): object[] {
  return trades
    .map(trade => ({
      ...{ trade_id: String(trade.id), product_id: productOf(trade.symbol) },
      ...{ price: decimal(trade.price), size: decimal(trade.size), side: makerOf(trade) },
      time: micros(trade),
    }))
    .reverse()
}

/** The same by the Exchange. */
export function exchangeTradeOf(trade: Trade): object {
  return {
    ...{ trade_id: trade.id, side: makerOf(trade).toLowerCase(), size: decimal(trade.size) },
    ...{ price: decimal(trade.price), time: micros(trade) },
  }
}

export function tickerOf(ticker: Ticker): object {
  const { symbol, last = 0, volume = 0, low = 0, high = 0, changePercent = 0 } = ticker
  const { bid = 0, ask = 0, bidSize = 0, askSize = 0 } = ticker
  return {
    ...{ type: 'ticker', product_id: productOf(symbol), price: decimal(last) },
    ...{ volume_24_h: decimal(volume), low_24_h: decimal(low), high_24_h: decimal(high) },
    ...{ low_52_w: decimal(low), high_52_w: decimal(high) },
    ...{ price_percent_chg_24_h: decimal(changePercent), best_bid: decimal(bid) },
    ...{ best_bid_quantity: decimal(bidSize), best_ask: decimal(ask) },
    ...{ best_ask_quantity: decimal(askSize) },
  }
}

export function candleOf({ timestamp, open, high, low, close, volume }: Bar): object {
  return {
    ...{ start: String(Math.floor(timestamp / 1_000)), high: decimal(high), low: decimal(low) },
    ...{ open: decimal(open), close: decimal(close), volume: decimal(volume) },
  }
}

/** Changes of a book; without a time those of a snapshot. */
export function updatesOf(
  bids: readonly Level[],
  asks: readonly Level[],
  moment: Moment | undefined,
): object[] {
  const event_time = moment ? micros(moment) : '1970-01-01T00:00:00Z'
  const update = (side: string, [price, size]: Level) => ({
    ...{ side, event_time, price_level: decimal(price), new_quantity: plain(size) },
  })
  return [...bids.map(level => update('bid', level)), ...asks.map(level => update('offer', level))]
}

const plain = (size: number) => formatPrice(size, { pricePrecision: 0 })
