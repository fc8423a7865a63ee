/**
 * Events as Polygon's messages, keys in the documented order. What the protocol has no word for is left out: nanoseconds
 * of trades, quotes and bars, conditions and exchanges that are no numbers (letters of US exchanges are), bars of other
 * lengths than 1s and 1m. What it says and we do not know (day volume, official open) is absent, never 0.
 * https://massive.com/docs/websocket
 */
import type {
  Bar,
  Imbalance,
  Luld,
  MarketEvent,
  Quote,
  Ticker,
  Trade,
} from '../../market/events.ts'
import { timestampNs } from '../../market/time.ts'
import type { Channel, Market } from './markets.ts'

/** The channel an event goes out on in a market's cluster; `undefined` for what that does not carry. */
export function channelOfEvent(event: MarketEvent, market: Market): Channel | undefined {
  switch (event.type) {
    case 'bar':
      return event.final ? market.bars[event.interval] : undefined
    case 'ticker':
      if (event.value === undefined) return undefined
      return market.channels.ticker ?? (market.fairValues ? 'FMV' : undefined)
  }
  return market.channels[event.type]
}

/** An event as a message of a market's cluster; `undefined` for what that does not carry. */
export function encodeEvent(event: MarketEvent, market: Market): string | undefined {
  const ev = channelOfEvent(event, market)
  if (ev === undefined || event.symbol === undefined) return undefined
  const name = market.toVenue(event.symbol)
  const fields = fieldsOf(event, ev, name, market)
  return fields && JSON.stringify({ ev, ...fields }).replace(EXACT, '$1')
}

/** Whole numbers beyond 2^53 are written as texts that are marked, and lose their quotes. */
const MARK = '\u0001'
const EXACT = /"\\u0001(\d+)"/g
const nanosOf = (event: MarketEvent) => `${MARK}${timestampNs(event)}`

/** Absent ones fall out of the JSON. */
type Values = { readonly [key: string]: unknown }

function fieldsOf(
  event: MarketEvent,
  ev: Channel,
  name: string,
  market: Market,
): Values | undefined {
  switch (event.type) {
    case 'trade':
      return market.name === 'crypto' ? coinTrade(event, name) : trade(event, name, market)
    case 'quote':
      if (ev === 'C') return rate(event, name)
      return ev === 'XQ' ? coinQuote(event, name) : quote(event, name, market)
    case 'bar':
      return bar(event, name, market)
    case 'luld':
      return luld(event, name)
    case 'imbalance':
      return imbalance(event, name)
    case 'ticker':
      return ticker(event, ev, name)
  }
  return undefined
}

function trade(event: Trade, sym: string, market: Market): Values {
  const { price: p, size, id, timestamp: t, seq: q } = event
  const [x, trfi] = placeOf(event.exchange)
  const s = Math.floor(size)
  return {
    ...{ sym, x, i: id === undefined ? undefined : String(id), z: tapeCode(event.tape) },
    ...{ p, s, ds: s === size ? undefined : String(size), c: codes(event.conditions), t, q, trfi },
    ...(market.name === 'options' && { z: undefined }),
  }
}

function coinTrade(event: Trade, pair: string): Values {
  const { price: p, size: s, id, side, timestamp: t } = event
  const taker = side === 'buy' ? [2] : side === 'sell' ? [1] : []
  return {
    ...{ pair, p, t, s, c: codes(event.conditions) ?? taker },
    ...{ i: id === undefined ? undefined : String(id), x: placeOf(event.exchange)[0] },
    r: Math.floor(event.receivedAt) || t,
  }
}

function quote(event: Quote, sym: string, { name }: Market): Values {
  const { bid: bp = 0, bidSize: bs = 0, ask: ap = 0, askSize: as = 0, timestamp: t } = event
  const all = codes(event.conditions) ?? []
  const indicators = all.filter(code => code >= FIRST_INDICATOR)
  const [c = 0] = all.filter(code => code < FIRST_INDICATOR)
  return {
    ...{
      sym,
      bx: placeOf(event.bidExchange)[0],
      bp,
      bs,
      ax: placeOf(event.askExchange)[0],
      ap,
      as,
    },
    ...(name === 'stocks' && { c, i: indicators.length > 0 ? indicators : undefined }),
    ...{ t, q: event.seq, z: name === 'stocks' ? tapeCode(event.tape) : undefined },
  }
}

function coinQuote(event: Quote, pair: string): Values {
  const { bid: bp = 0, bidSize: bs = 0, ask: ap = 0, askSize: as = 0, timestamp: t } = event
  const x = placeOf(event.bidExchange ?? event.askExchange)[0]
  return { pair, bp, bs, ap, as, t, x, r: Math.floor(event.receivedAt) || t }
}

function rate(event: Quote, p: string): Values {
  const { ask: a = 0, bid: b = 0, timestamp: t } = event
  return { p, x: placeOf(event.bidExchange ?? event.askExchange)[0], a, b, t }
}

function bar(event: Bar, name: string, market: Market): Values {
  const { open: o, high: h, low: l, close: c, volume, vwap: vw, timestamp: s, tradeCount } = event
  const isPair = market.name === 'crypto' || market.name === 'forex'
  const v = isPair ? volume : Math.floor(volume)
  const z = tradeCount ? Math.round(volume / tradeCount) : undefined
  return {
    ...(isPair ? { pair: name } : { sym: name }),
    ...(market.volumes && { v, dv: v === volume ? undefined : String(volume) }),
    ...{ vw, o, c, h, l, z, s, e: s + (event.interval === '1s' ? 1_000 : 60_000) },
  }
}

function luld(event: Luld, T: string): Values {
  const { limitUp: h, limitDown: l, indicator, seq: q } = event
  return { T, h, l, i: codes(indicator?.split(',')), z: tapeCode(event.tape), t: nanosOf(event), q }
}

function imbalance(event: Imbalance, T: string): Values {
  const { auction: a, size: o, pairedSize: p, price: b } = event
  return { T, t: nanosOf(event), a, x: placeOf(event.exchange)[0], o, p, b }
}

function ticker({ value, timestamp: t }: Ticker, ev: Channel, name: string): Values {
  return ev === 'V' ? { val: value, T: name, t } : { fmv: value, sym: name, t }
}

/** Conditions of quotes are below it, indicators from it. https://massive.com/glossary/us/stocks/conditions-indicators */
export const FIRST_INDICATOR = 600

/** Those that are numbers. */
export function codes(list: readonly string[] | undefined): number[] | undefined {
  const numbers = list?.filter(text => /^\d{1,6}$/.test(text)).map(Number)
  return numbers && numbers.length > 0 ? numbers : undefined
}

const TAPES: ReadonlyMap<string, number> = new Map([
  ['A', 1],
  ['B', 2],
  ['C', 3],
])

export function tapeCode(tape: string | undefined): number | undefined {
  if (tape === undefined) return undefined
  return TAPES.get(tape) ?? (/^\d{1,3}$/.test(tape) ? Number(tape) : undefined)
}

/** Polygon's ids of US exchanges by their letters. https://massive.com/docs/rest/stocks/market-operations/exchanges */
const LETTERS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ A: 1, B: 2, C: 3, D: 4, I: 6, J: 7, K: 8, M: 9, N: 10, P: 11, Q: 12, T: 12 },
    ...{ L: 14, V: 15, W: 16, X: 17, Y: 18, Z: 19, H: 20, U: 21 },
  }),
)

/** An exchange and its reporting facility: `4:202`. */
export function placeOf(exchange: string | undefined): [number | undefined, number | undefined] {
  if (exchange === undefined) return [undefined, undefined]
  const [, id, facility] = /^(\d{1,3})(?::(\d{1,6}))?$/.exec(exchange) ?? []
  if (id === undefined) return [LETTERS.get(exchange), undefined]
  return [Number(id), facility === undefined ? undefined : Number(facility)]
}
