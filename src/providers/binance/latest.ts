/** The last of each, and what trades there, by REST. */
import { TickwireError } from '../../base/errors.ts'
import type { LatestRequest } from '../../flow/contracts.ts'
import { Book, type EventType, type MarketEvent, Quote, Trade } from '../../market/events.ts'
import type { Instrument } from '../../market/instruments.ts'
import { checkInterval, readCandle, wrong } from './history.ts'
import { tickerOf } from './market.ts'
import { Fields, numberOf } from './plain.ts'
import { isMap, type RestClient } from './rest.ts'
import type { TradeKind } from './streams.ts'
import { type Names, venueName } from './symbols.ts'

export interface LatestOptions {
  readonly id: string
  readonly names: Names
  readonly rest: RestClient
  readonly trades: TradeKind
}

/** Levels of a side in a latest book: weight 5. */
const LEVELS = 100

/** The last of a kind, pair by pair. */
export async function binanceLatest(
  { id, names, rest, trades }: LatestOptions,
  request: LatestRequest,
): Promise<MarketEvent[]> {
  const { kind, interval = '1m', source = id, signal } = request
  const read = Object.hasOwn(READERS, kind) ? READERS[kind] : undefined
  if (!read) {
    throw new TickwireError('UNSUPPORTED', `Binance has no latest ${kind}`, {
      hint: `It has ${Object.keys(READERS).join(', ')}.`,
    })
  }
  checkInterval(interval)
  const symbols = [...new Set(request.symbols.map(text => names.symbol(text)))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  const events: MarketEvent[] = []
  for (const symbol of symbols) {
    const event = await read({ rest, symbol, source, interval, trades, signal })
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
  readonly interval: NonNullable<LatestRequest['interval']>
  readonly trades: TradeKind
  readonly signal: AbortSignal | undefined
}

/** The event; what is wrong with it; or nothing where there is none. */
type Read = (ask: Ask) => Promise<MarketEvent | string | undefined>

const READERS: { readonly [kind in EventType]?: Read } = {
  async trade({ rest, symbol, source, trades, signal }) {
    const [raw, name] = [trades === 'raw', venueName(symbol)]
    const asked = { symbol: name, limit: 1 }
    const answer = await rest.ask(
      raw ? 'trades' : 'aggTrades',
      asked,
      raw ? 'trades' : 'other',
      signal,
    )
    const [record] = Array.isArray(answer) ? (answer as unknown[]) : []
    if (record === undefined) return undefined
    const fields = new Fields(isMap(record) ? record : {})
    const keys = raw ? ['id', 'time', 'price', 'qty', 'isBuyerMaker'] : ['a', 'T', 'p', 'q', 'm']
    const [number, time] = [fields.id(keys[0]!), fields.time(keys[1]!)]
    const [price, size, sold] = [
      fields.price(keys[2]!),
      fields.price(keys[3]!),
      fields.flag(keys[4]!),
    ]
    if (fields.fault !== undefined) return fields.fault
    const none = undefined
    return new Trade(
      ...([symbol, source, time.timestamp, time.nanos, rest.clock.now(), 0, price, size] as const),
      ...([number, none, none, none, sold ? 'sell' : 'buy'] as const),
    )
  },
  async quote({ rest, symbol, source, signal }) {
    const fields = await record(rest, 'ticker/bookTicker', symbol, signal)
    const [bid, bidSize] = [fields.amount('bidPrice'), fields.amount('bidQty')]
    const [ask, askSize] = [fields.amount('askPrice'), fields.amount('askQty')]
    if (fields.fault !== undefined) return fields.fault
    const [now, none] = [rest.clock.now(), undefined]
    const [hasBid, hasAsk] = [bid > 0, ask > 0]
    return new Quote(
      ...([symbol, source, Math.floor(now), 0, now, 0] as const),
      ...([hasBid ? bid : none, hasBid ? bidSize : none] as const),
      ...([hasAsk ? ask : none, hasAsk ? askSize : none, none, none, none, none] as const),
    )
  },
  async ticker({ rest, symbol, source, signal }) {
    const fields = await record(rest, 'ticker/24hr', symbol, signal)
    const ticker = {
      change: fields.number('priceChange'),
      changePercent: fields.number('priceChangePercent'),
      vwap: fields.amount('weightedAvgPrice'),
      previousClose: fields.amount('prevClosePrice'),
      last: fields.amount('lastPrice'),
      lastSize: fields.amount('lastQty'),
      bid: fields.amount('bidPrice'),
      bidSize: fields.amount('bidQty'),
      ask: fields.amount('askPrice'),
      askSize: fields.amount('askQty'),
      open: fields.amount('openPrice'),
      high: fields.amount('highPrice'),
      low: fields.amount('lowPrice'),
      volume: fields.amount('volume'),
    }
    const { timestamp, nanos } = fields.time('closeTime')
    return fields.fault ?? tickerOf(symbol, source, timestamp, nanos, rest.clock.now(), ticker)
  },
  async bar({ rest, symbol, source, interval, signal }) {
    const asked = { symbol: venueName(symbol), interval, limit: 1 }
    const askedAt = rest.clock.now()
    const answer = await rest.ask('klines', asked, 'other', signal)
    const [candle] = Array.isArray(answer) ? (answer as unknown[]) : []
    if (candle === undefined) return undefined
    const times = { askedAt, receivedAt: rest.clock.now(), isFollowed: false }
    return readCandle(candle, symbol, source, interval, times)
  },
  async book({ rest, symbol, source, signal }) {
    const { last, bids, asks } = await rest.depth(symbol, signal, LEVELS)
    const now = rest.clock.now()
    return new Book(
      ...([symbol, source, Math.floor(now), 0, now, 0, bids, asks, true, last, undefined] as const),
    )
  },
}

async function record(
  rest: RestClient,
  path: string,
  symbol: string,
  signal: AbortSignal | undefined,
): Promise<Fields> {
  const answer = await rest.ask(path, { symbol: venueName(symbol) }, 'other', signal)
  return new Fields(isMap(answer) ? answer : {})
}

/**
 * The pairs that trade, with their steps of price and size.
 * https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#exchange-information
 */
export async function binanceInstruments(
  rest: RestClient,
  signal?: AbortSignal,
): Promise<Instrument[]> {
  const asked = { symbolStatus: 'TRADING', showPermissionSets: false }
  const answer = await rest.ask('exchangeInfo', asked, 'other', signal)
  const { symbols } = isMap(answer) ? answer : {}
  if (!Array.isArray(symbols)) throw wrong('no list of pairs')
  return (symbols as unknown[]).flatMap(entry => instrumentOf(entry) ?? [])
}

function instrumentOf(entry: unknown): Instrument | undefined {
  if (!isMap(entry) || entry.status !== 'TRADING') return undefined
  const { symbol, baseAsset, quoteAsset, filters } = entry
  const texts = [symbol, baseAsset, quoteAsset]
  if (!texts.every(text => typeof text === 'string' && text !== '')) return undefined
  const [name, base, quote] = texts as [string, string, string]
  const step = (type: string, field: string) => {
    const filter = Array.isArray(filters)
      ? (filters as unknown[]).find(one => isMap(one) && one.filterType === type)
      : undefined
    const text = isMap(filter) ? filter[field] : undefined
    const value = numberOf(text)
    return value !== undefined && value > 0 ? { value, text: text as string } : undefined
  }
  const [tick, lot] = [step('PRICE_FILTER', 'tickSize'), step('LOT_SIZE', 'stepSize')]
  return {
    symbol: `${base}/${quote}`.toUpperCase(),
    kind: 'crypto',
    ...(tick && { tickSize: tick.value, pricePrecision: decimalsOf(tick.text) }),
    ...(lot && { lotSize: lot.value }),
    currency: quote,
    calendar: 'always',
    vendorNames: { binance: name },
  }
}

/** Digits behind the point, padding left aside: 2 of `0.01000000`. */
function decimalsOf(text: string): number {
  return (/\.(\d*?)0*$/.exec(text)?.[1] ?? '').length
}
