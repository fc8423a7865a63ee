/** What the venue's REST side answers. https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md */
import type { Clock } from '../../base/clock.ts'
import type { Bar, MarketEvent, Quote, Ticker, Trade } from '../../market/events.ts'
import type { ServerBook } from './server-book.ts'
import { decimal, epoch, levelsOf, payloadOf } from './server-frames.ts'
import { INTERVALS } from './streams.ts'
import { venueName } from './symbols.ts'

export interface Question {
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface ServerRestOptions {
  readonly clock: Clock
  /** Pairs it has, canonical. */
  readonly symbols: readonly string[]
  book(symbol: string): ServerBook
  /** So many updates ago a snapshot is from. */
  lateBy(): number
}

/** Most of each kind kept of a pair. */
const KEPT = 100_000
const WEIGHT_PER_MINUTE = 6_000

const WEIGHTS: { readonly [path: string]: number } = {
  ...{ aggTrades: 4, trades: 25, historicalTrades: 25, klines: 2, exchangeInfo: 20, time: 1 },
  ...{ 'ticker/price': 4, 'ticker/24hr': 2, 'ticker/bookTicker': 2, ping: 1 },
}

/** What has been, and the answers from it. */
export class ServerRest {
  readonly #options: ServerRestOptions
  readonly #names: Map<string, string>
  readonly #trades = new Map<string, Trade[]>()
  readonly #bars = new Map<string, Bar[]>()
  readonly #latest = new Map<string, Quote | Ticker>()
  #minute = 0
  #weight = 0
  /** How often it was asked on after a 429. */
  #ignored = 0

  constructor(options: ServerRestOptions) {
    this.#options = options
    this.#names = new Map(options.symbols.map(symbol => [venueName(symbol), symbol]))
  }

  record(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (event.type === 'trade') keep(this.#trades, event.symbol, event)
      else if (event.type === 'bar') keep(this.#bars, `${event.interval} ${event.symbol}`, event)
      else if (event.type === 'quote' || event.type === 'ticker') {
        this.#latest.set(`${event.type} ${event.symbol}`, event)
      }
    }
  }

  answer({ url, headers: asked }: Question): Answer {
    const { pathname, searchParams } = new URL(url, 'http://venue')
    const path = /^\/api\/v3\/(.+)$/.exec(pathname)?.[1] ?? ''
    const fields = Object.fromEntries(searchParams)
    const banned = this.#weigh(path, fields)
    if (banned) return banned
    const micros = /^microsecond$/i.test(asked['x-mbx-time-unit'] ?? '')
    const result = this.#result(path, fields, micros)
    const headers = {
      'content-type': 'application/json',
      'x-mbx-used-weight-1m': String(this.#weight),
    }
    if (result === undefined) return { status: 404, headers, body: '' }
    const status = isError(result) ? 400 : 200
    return { status, headers, body: JSON.stringify(result) }
  }

  #weigh(path: string, fields: Fields): Answer | undefined {
    const now = this.#options.clock.now()
    const minute = Math.floor(now / 60_000)
    if (minute !== this.#minute) [this.#minute, this.#weight, this.#ignored] = [minute, 0, 0]
    this.#weight +=
      path === 'depth' ? depthWeight(Number(fields.limit ?? 100)) : (WEIGHTS[path] ?? 1)
    if (this.#weight <= WEIGHT_PER_MINUTE) return undefined
    const isBan = ++this.#ignored > 10
    const wait = isBan ? 120 : Math.ceil(60 - (now % 60_000) / 1_000)
    const body = JSON.stringify({ code: -1_003, msg: 'Too much request weight used' })
    return { status: isBan ? 418 : 429, headers: { 'retry-after': String(wait) }, body }
  }

  #result(path: string, fields: Fields, micros: boolean): unknown {
    if (path === 'ping') return {}
    if (path === 'time') return { serverTime: Math.floor(this.#options.clock.now()) }
    if (path === 'exchangeInfo') return { symbols: this.#options.symbols.map(instrumentOf) }
    if (path === 'ticker/price' && fields.symbols !== undefined) return this.#prices(fields.symbols)
    const symbol = this.#names.get(fields.symbol ?? '')
    if (symbol === undefined) return path in WEIGHTS || path === 'depth' ? NO_SYMBOL : undefined
    const limit = Math.min(1_000, Number(fields.limit ?? 500))
    switch (path) {
      case 'depth': {
        const book = this.#options.book(symbol)
        const levels = Math.min(5_000, Number(fields.limit ?? 100))
        const { last, bids, asks } = book.snapshot(levels, this.#options.lateBy())
        return { lastUpdateId: last, bids: levelsOf(bids), asks: levelsOf(asks) }
      }
      case 'trades':
        return this.#of(symbol)
          .slice(-limit)
          .map(trade => rawOf(trade, micros))
      case 'historicalTrades':
        return this.#page(symbol, fields, limit).map(trade => rawOf(trade, micros))
      case 'aggTrades':
        return this.#page(symbol, fields, limit).map(trade => {
          const { e: _e, E: _E, s: _s, ...rest } = payloadOf(trade, 'aggTrade', micros) as Fields
          return rest
        })
      case 'klines':
        return this.#candles(symbol, fields, limit, micros)
      case 'ticker/bookTicker':
        return quoteOf(symbol, this.#latest.get(`quote ${symbol}`) as Quote | undefined)
      case 'ticker/24hr':
        return tickerOf(symbol, this.#latest.get(`ticker ${symbol}`) as Ticker | undefined)
    }
    return undefined
  }

  #of(symbol: string): readonly Trade[] {
    return this.#trades.get(symbol) ?? []
  }

  #page(symbol: string, { fromId, startTime, endTime }: Fields, limit: number): readonly Trade[] {
    const all = this.#of(symbol)
    if (fromId !== undefined) {
      return all.filter(({ id }) => (id as number) >= Number(fromId)).slice(0, limit)
    }
    const inTime = all.filter(
      ({ timestamp }) =>
        timestamp >= Number(startTime ?? 0) && timestamp <= Number(endTime ?? Infinity),
    )
    return startTime === undefined ? inTime.slice(-limit) : inTime.slice(0, limit)
  }

  #candles(symbol: string, fields: Fields, limit: number, micros: boolean): unknown {
    const { interval = '', startTime, endTime } = fields
    const length = INTERVALS[interval as '1m']
    if (length === undefined) return { code: -1_120, msg: 'Invalid interval.' }
    const last = new Map<number, Bar>()
    for (const bar of this.#bars.get(`${interval} ${symbol}`) ?? []) last.set(bar.timestamp, bar)
    const inTime = [...last.values()].filter(
      ({ timestamp }) =>
        timestamp >= Number(startTime ?? 0) && timestamp <= Number(endTime ?? Infinity),
    )
    const page = startTime === undefined ? inTime.slice(-limit) : inTime.slice(0, limit)
    const unit = micros ? 1_000 : 1
    return page.map(({ timestamp, open, high, low, close, volume, vwap = 0, tradeCount = 0 }) => [
      ...[timestamp * unit, decimal(open), decimal(high), decimal(low), decimal(close)],
      ...[decimal(volume), (timestamp + length) * unit - 1, decimal(volume * vwap), tradeCount],
      ...[decimal(volume / 2), decimal((volume * vwap) / 2), '0'],
    ])
  }

  #prices(text: string): unknown {
    const names = JSON.parse(text) as string[]
    if (!names.every(name => this.#names.has(name))) return NO_SYMBOL
    return names.map(symbol => ({ symbol, price: '1.00000000' }))
  }
}

type Fields = { readonly [name: string]: string }

const NO_SYMBOL = { code: -1_121, msg: 'Invalid symbol.' }

const isError = (result: unknown) => typeof (result as { code?: unknown }).code === 'number'

/** https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#order-book */
function depthWeight(limit: number): number {
  return limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1_000 ? 50 : 250
}

function keep<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  list.push(item)
  if (list.length >= 2 * KEPT) list.splice(0, KEPT)
}

function rawOf(trade: Trade, micros: boolean): object {
  const { id, price, size, side } = trade
  return {
    ...{ id, price: decimal(price), qty: decimal(size), quoteQty: decimal(price * size) },
    ...{ time: epoch(trade, micros), isBuyerMaker: side === 'sell', isBestMatch: true },
  }
}

function quoteOf(symbol: string, quote: Quote | undefined): object {
  const { bid = 0, bidSize = 0, ask = 0, askSize = 0 } = quote ?? {}
  return {
    ...{ symbol: venueName(symbol), bidPrice: decimal(bid), bidQty: decimal(bidSize) },
    ...{ askPrice: decimal(ask), askQty: decimal(askSize) },
  }
}

function tickerOf(symbol: string, ticker: Ticker | undefined): object {
  const text = (value = 0) => decimal(value)
  return {
    ...{ symbol: venueName(symbol), priceChange: text(ticker?.change) },
    ...{ priceChangePercent: text(ticker?.changePercent), weightedAvgPrice: text(ticker?.vwap) },
    ...{ prevClosePrice: text(ticker?.previousClose), lastPrice: text(ticker?.last) },
    ...{ lastQty: text(ticker?.lastSize), bidPrice: text(ticker?.bid) },
    ...{
      bidQty: text(ticker?.bidSize),
      askPrice: text(ticker?.ask),
      askQty: text(ticker?.askSize),
    },
    ...{
      openPrice: text(ticker?.open),
      highPrice: text(ticker?.high),
      lowPrice: text(ticker?.low),
    },
    ...{ volume: text(ticker?.volume), quoteVolume: text(0) },
    ...{
      openTime: (ticker?.timestamp ?? 86_400_001) - 86_400_000,
      closeTime: ticker?.timestamp ?? 1,
    },
    ...{ firstId: 0, lastId: 1, count: 2 },
  }
}

function instrumentOf(symbol: string): object {
  const [baseAsset, quoteAsset] = symbol.split('/')
  return {
    ...{ symbol: venueName(symbol), status: 'TRADING', baseAsset, quoteAsset },
    filters: [
      { filterType: 'PRICE_FILTER', minPrice: '0.01000000', tickSize: '0.01000000' },
      { filterType: 'LOT_SIZE', minQty: '0.00001000', stepSize: '0.00001000' },
    ],
  }
}
