/** What adapters of the server make of prices, as their brokers' feeds suggest it. */
import type { Level } from '../../market/events.ts'
import { type Mode, modeNumber } from './modes.ts'
import { venueName } from './symbols.ts'

/** Whose field names and units the market data has. */
export const BROKERS = ['angel', 'zerodha', 'fyers', 'deltaexchange'] as const
export type ServerBroker = (typeof BROKERS)[number]

/** What is known of a symbol; sizes and prices that are not are 0, as adapters have it. */
export interface Known {
  last: number
  lastSize: number
  /** Epoch ms. */
  lastTime: number
  open: number
  high: number
  low: number
  close: number
  volume: number
  vwap: number
  interest: number
  bids: readonly Level[]
  asks: readonly Level[]
}

export const NOTHING_KNOWN: Readonly<Known> = {
  ...{ last: 0, lastSize: 0, lastTime: 0, open: 0, high: 0, low: 0, close: 0, volume: 0, vwap: 0 },
  ...{ interest: 0, bids: [], asks: [] },
}

/** The object under `data`, for a mode. `now` is the server's time, epoch ms. */
export function dataOf(
  broker: ServerBroker,
  symbol: string,
  mode: Mode,
  known: Readonly<Known>,
  levels: number,
  now: number,
): object {
  const name = venueName(symbol)
  const { last: ltp, open, high, low, close, volume, vwap, interest } = known
  const day = { open, high, low, close }
  const totals = { total_buy_quantity: 0, total_sell_quantity: 0 }
  const ms = Math.floor(now)
  const depth = { depth: depthOf(known, levels, broker !== 'deltaexchange') }
  switch (broker) {
    case 'angel': {
      const end = { ...name, mode: modeNumber(mode), timestamp: ms }
      const start = { ltp, ltt: known.lastTime }
      if (mode === 'ltp') return { ...name, mode: 1, ...start, timestamp: ms }
      if (mode === 'quote') {
        const last = { last_trade_quantity: known.lastSize, average_price: vwap, ...totals }
        return { ...start, volume, ...day, ...last, ...end }
      }
      const rest = {
        last_quantity: known.lastSize,
        oi: interest,
        upper_circuit: 0,
        lower_circuit: 0,
      }
      return { ...start, volume, ...day, ...rest, ...depth, ...end }
    }
    case 'zerodha': {
      const head = { ...name, mode: mode === 'depth' ? 'full' : mode, ltp }
      // In whole seconds where the tick has it, else the time of receipt in ms.
      const times = {
        ltt: mode === 'depth' ? Math.floor(known.lastTime / 1_000) : ms,
        timestamp: ms,
      }
      if (mode === 'ltp') return { ...head, ...times }
      const last = { last_quantity: known.lastSize, average_price: vwap, ...totals }
      const rest = { oi: interest, open_interest: interest }
      return {
        ...{ ...head, ...times, volume, ...last, ...day, ...rest },
        ...(mode === 'depth' && depth),
      }
    }
    case 'fyers': {
      const times = { ltt: Math.floor(known.lastTime / 1_000), timestamp: Math.floor(ms / 1_000) }
      if (mode === 'ltp') return { ltp, ...times }
      const change = Math.round((ltp - close) * 100) / 100
      const rest = { ltq: known.lastSize, avg_trade_price: vwap, change }
      return { ltp, ...day, volume, ...rest, ...times, ...(mode === 'depth' && depth) }
    }
    case 'deltaexchange': {
      const [bid, bidSize] = known.bids[0] ?? [0, 0]
      const [ask, askSize] = known.asks[0] ?? [0, 0]
      const top = { bid_price: bid, bid_qty: bidSize, ask_price: ask, ask_qty: askSize }
      const head = { ...name, mode: modeNumber(mode), ltp, timestamp: ms }
      if (mode === 'ltp') return head
      return { ...head, ...day, oi: interest, ...top, ...(mode === 'depth' && depth) }
    }
  }
}

/** Best first, padded with zeros. */
function depthOf({ bids, asks }: Readonly<Known>, levels: number, withOrders: boolean): object {
  const side = (list: readonly Level[]) =>
    Array.from({ length: levels }, (_, i) => {
      const [price, quantity] = list[i] ?? [0, 0]
      return { price, quantity, ...(withOrders && { orders: price > 0 ? 1 : 0 }) }
    })
  return { buy: side(bids), sell: side(asks) }
}

/** As Python writes JSON: a space behind commas and colons, ASCII only. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, it]) => it !== undefined)
    return `{${entries.map(([key, it]) => `${pythonJson(key)}: ${pythonJson(it)}`).join(', ')}}`
  }
  const text = JSON.stringify(value) ?? 'null'
  return text.replace(
    /[\u007f-\uffff]/g,
    it => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
