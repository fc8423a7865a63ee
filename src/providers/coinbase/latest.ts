/** The last of each, and what trades there, by REST. */
import { TickwireError } from '../../base/errors.ts'
import type { LatestRequest } from '../../flow/contracts.ts'
import {
  Book,
  type EventType,
  type Interval,
  type Level,
  type MarketEvent,
  Quote,
} from '../../market/events.ts'
import type { Instrument } from '../../market/instruments.ts'
import { barOf, checkInterval, GRANULARITIES, latestTrade, readCandles, wrong } from './history.ts'
import { tickerOf } from './market.ts'
import { asMap, Fields, momentOf, numberOf } from './plain.ts'
import type { RestClient } from './rest.ts'
import { coinbaseSymbol, productOf } from './symbols.ts'

/** The last of a kind, pair by pair. */
export async function coinbaseLatest(
  rest: RestClient,
  id: string,
  request: LatestRequest,
): Promise<MarketEvent[]> {
  const { kind, interval = '5m', source = id, signal } = request
  const read = Object.hasOwn(READERS, kind) ? READERS[kind] : undefined
  if (!read) {
    throw new TickwireError('UNSUPPORTED', `Coinbase has no latest ${kind}`, {
      hint: `It has ${Object.keys(READERS).join(', ')}.`,
    })
  }
  checkInterval(interval)
  const symbols = [...new Set(request.symbols.map(coinbaseSymbol))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  const events: MarketEvent[] = []
  for (const symbol of symbols) {
    const event = await read({ rest, symbol, source, interval, signal })
    if (event === undefined) continue
    if (typeof event !== 'string') events.push(event)
    else if (request.malformed) request.malformed(symbol, event)
    else throw wrong(`the latest ${kind} of ${symbol} is none: ${event}`)
  }
  return events
}

interface Ask {
  readonly rest: RestClient
  readonly symbol: string
  readonly source: string
  readonly interval: Interval
  readonly signal: AbortSignal | undefined
}

/** The event; what is wrong with it; or nothing where there is none. */
type Read = (ask: Ask) => Promise<MarketEvent | string | undefined>

const READERS: { readonly [kind in EventType]?: Read } = {
  trade: ({ rest, symbol, source, signal }) => latestTrade(rest, symbol, source, signal),
  async quote(ask) {
    const book = await bookOf(ask, 1)
    if (typeof book === 'string') return book
    const { symbol, source, timestamp, nanos, receivedAt, bids, asks } = book
    const [bid, bidSize] = bids[0] ?? []
    const [offer, offerSize] = asks[0] ?? []
    const none = undefined
    return new Quote(
      ...([symbol, source, timestamp, nanos, receivedAt, 0] as const),
      ...([bid, bidSize, offer, offerSize, none, none, none, none] as const),
    )
  },
  book: ask => bookOf(ask, undefined),
  async ticker({ rest, symbol, source, signal }) {
    const path = `market/products/${productOf(symbol)}`
    const fields = new Fields(asMap(await rest.ask('advanced', path, {}, signal)) ?? {})
    const none = undefined
    const ticker = {
      price: fields.amount('price'),
      volume: fields.amount('volume_24h'),
      ...{ low: 0, high: 0, bid: none, bidSize: none, ask: none, askSize: none },
      changePercent: fields.optional('price_percentage_change_24h'),
    }
    // A product has no time; its price is that of the last trade, which has.
    const trade = await latestTrade(rest, symbol, source, signal)
    if (typeof trade === 'string') return trade
    const now = rest.clock.now()
    const { timestamp, nanos } = trade ?? { timestamp: Math.floor(now), nanos: 0 }
    return fields.fault ?? tickerOf(symbol, source, timestamp, nanos, now, ticker)
  },
  async bar({ rest, symbol, source, interval, signal }) {
    const [, ms] = GRANULARITIES[interval]!
    const now = rest.clock.now()
    const from = now - 100 * ms
    const { records, times } = await readCandles(rest, symbol, interval, from, now, signal)
    const last = records.at(-1)?.candle
    if (!last) return undefined
    return last.fault ?? barOf(symbol, source, interval, last, times, false)
  },
}

async function bookOf(
  { rest, symbol, source, signal }: Ask,
  limit: number | undefined,
): Promise<Book | string> {
  const fields = { product_id: productOf(symbol), ...(limit !== undefined && { limit }) }
  const answer = await rest.ask('advanced', 'market/product_book', fields, signal)
  const book = asMap(asMap(answer)?.pricebook)
  const [bids, asks] = [levelsOf(book?.bids), levelsOf(book?.asks)]
  if (!bids || !asks) return 'a level that is none'
  const now = rest.clock.now()
  const { timestamp, nanos } = momentOf(book?.time) ?? { timestamp: Math.floor(now), nanos: 0 }
  const none = undefined
  return new Book(
    ...([symbol, source, timestamp, nanos, now, 0, bids, asks, true, none, none] as const),
  )
}

function levelsOf(value: unknown): Level[] | undefined {
  if (!Array.isArray(value)) return undefined
  const levels: Level[] = []
  for (const item of value as unknown[]) {
    const { price: first, size: second } = asMap(item) ?? {}
    const [price, size] = [numberOf(first), numberOf(second)]
    if (price === undefined || size === undefined || !(price > 0) || !(size >= 0)) return undefined
    levels.push([price, size])
  }
  return levels
}

/** Products at a time. */
const PAGE = 250
const MOST_PAGES = 100

/**
 * The pairs that trade, with their steps of price and size.
 * https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products
 */
export async function coinbaseInstruments(
  rest: RestClient,
  signal?: AbortSignal,
): Promise<Instrument[]> {
  const found = new Map<string, Instrument>()
  for (let page = 0; page < MOST_PAGES; page++) {
    const fields = { product_type: 'SPOT', limit: PAGE, offset: page * PAGE }
    const answer = await rest.ask('advanced', 'market/products', fields, signal)
    const products = asMap(answer)?.products
    if (!Array.isArray(products)) throw wrong('no list of products')
    const before = found.size
    for (const product of products as unknown[]) {
      const instrument = instrumentOf(product)
      if (instrument) found.set(instrument.symbol, instrument)
    }
    // The same page again would never end.
    if (products.length < PAGE || found.size === before) return [...found.values()]
  }
  throw wrong('there is no end of products')
}

function instrumentOf(product: unknown): Instrument | undefined {
  const map = asMap(product) ?? {}
  const { product_id: id, trading_disabled: disabled, status } = map
  if (typeof id !== 'string' || disabled === true) return undefined
  if (status !== undefined && status !== '' && status !== 'online') return undefined
  const [base = '', quote = '', more] = id.split('-')
  if (base === '' || quote === '' || more !== undefined) return undefined
  const tick = numberOf(map.price_increment) ?? numberOf(map.quote_increment)
  const lot = numberOf(map.base_increment)
  const tickText = String(map.price_increment ?? map.quote_increment)
  return {
    symbol: `${base}/${quote}`.toUpperCase(),
    kind: 'crypto',
    ...(tick !== undefined && tick > 0 && { tickSize: tick, pricePrecision: decimalsOf(tickText) }),
    ...(lot !== undefined && lot > 0 && { lotSize: lot }),
    currency: quote,
    calendar: 'always',
    vendorNames: { coinbase: id },
  }
}

/** Digits behind the point, padding left aside. */
function decimalsOf(text: string): number {
  return (/\.(\d*?)0*$/.exec(text)?.[1] ?? '').length
}
