/** What a client hears of data that comes from elsewhere: each message says how a symbol stands behind an event. */
import type { Standing } from '../../flow/contracts.ts'
import type { Level, MarketEvent } from '../../market/events.ts'
import { type Mode, modeNumber } from './modes.ts'
import type { VenueName } from './symbols.ts'

/** The last price there was. */
export interface Last {
  readonly price: number
  readonly size: number | undefined
  /** Epoch ms. */
  readonly time: number
}

/** The last trade, or what a ticker says of it, whichever is newer; of an index its value. */
export function lastOf({ trade, ticker }: Standing): Last | undefined {
  const told = ticker?.last ?? ticker?.value
  const toldAt = ticker?.lastTime ?? ticker?.timestamp ?? Number.NEGATIVE_INFINITY
  if (trade && !(told !== undefined && toldAt > trade.timestamp)) {
    return { price: trade.price, size: trade.size, time: trade.timestamp }
  }
  if (told === undefined) return undefined
  return { price: told, size: ticker!.lastSize, time: Math.floor(toldAt) }
}

/** The best bid and ask: of the last quote, else of the ticker. */
export function bestOf({ quote, ticker }: Standing) {
  const { bid, bidSize, ask, askSize } = quote ?? ticker ?? {}
  return { bid, bidSize, ask, askSize }
}

/** Levels of the book; where there is none, those of the last quote. */
export function depthOf(standing: Standing, side: 'bids' | 'asks', count: number): Level[] {
  const levels = standing.levels(side, count)
  const other = side === 'bids' ? 'asks' : 'bids'
  const hasBook = levels.length > 0 || standing.levels(other, 1).length > 0
  if (hasBook) return levels.filter(([price]) => price > 0)
  const { bid, bidSize, ask, askSize } = bestOf(standing)
  const [price, size] = side === 'bids' ? [bid, bidSize] : [ask, askSize]
  return price !== undefined && price > 0 && size !== undefined && size > 0 ? [[price, size]] : []
}

/** Whether an event is what its symbol stands by: what comes late, or again, says nothing of now. */
export function isNews(event: MarketEvent, standing: Standing, mode: Mode): boolean {
  switch (event.type) {
    case 'trade':
      return standing.trade === event
    case 'ticker':
      return standing.ticker === event
    case 'quote':
      return mode !== 'ltp' && standing.quote === event
    case 'book':
      return mode === 'depth'
  }
  return false
}

/** The object under `data`; `undefined` where nothing is known that the mode is about. What is not known is not there. */
export function dataOfStanding(
  name: VenueName | undefined,
  mode: Mode,
  standing: Standing,
  timestamp: number,
  depth: number,
): object | undefined {
  const { ticker } = standing
  const last = lastOf(standing)
  const start = { ...name, mode: modeNumber(mode), ltp: last?.price }
  const end = { ltt: last?.time, timestamp }
  if (mode === 'ltp') return last && { ...start, ltq: last.size, ...end }
  const { bid, bidSize, ask, askSize } = bestOf(standing)
  const day = {
    ...{ open: ticker?.open, high: ticker?.high, low: ticker?.low, close: ticker?.previousClose },
    ...{ volume: ticker?.volume, average_price: ticker?.vwap, avg_trade_price: ticker?.vwap },
    ...{ change: ticker?.change, change_percent: ticker?.changePercent },
    ...{ oi: ticker?.openInterest, mark_price: ticker?.mark },
  }
  const sizes = { last_trade_quantity: last?.size, last_quantity: last?.size }
  const best = { bid, bid_qty: bidSize, ask, ask_qty: askSize }
  // Clients take a price that is not there for 0 anyway; that it is not known is said by 0 in this protocol.
  const all = { ...start, ltp: last?.price ?? 0, ...day, ...sizes, ...best, ...end }
  if (mode === 'quote')
    return last || ticker || bid !== undefined || ask !== undefined ? all : undefined
  const [buy, sell] = [depthOf(standing, 'bids', depth), depthOf(standing, 'asks', depth)]
  if (!last && buy.length + sell.length === 0) return undefined
  return { ...all, depth: { buy: buy.map(asLevel), sell: sell.map(asLevel) } }
}

/** How many orders make a level nobody here knows. */
const asLevel = ([price, quantity]: Level) => ({ price, quantity, orders: 0 })
