/** The venue's REST answers about what it has delivered. https://docs.kraken.com/api/docs/rest-api/get-recent-trades */
import type { Clock } from '../../base/clock.ts'
import type { Bar, MarketEvent, Trade } from '../../market/events.ts'
import { INTERVALS, intervalOf } from './channels.ts'
import type { KrakenFloor } from './server-market.ts'
import { restName } from './symbols.ts'

interface RestQuestion {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

interface RestAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Most trades kept of a pair; the oldest go. */
const KEPT = 50_000
const CANDLES = 720

/** Remembers trades and candles, and answers questions about them. */
export class KrakenRestSide {
  readonly #floor: KrakenFloor
  readonly #clock: Clock
  readonly #pageSize: number
  readonly #trades = new Map<string, Trade[]>()
  readonly #bars = new Map<string, Map<number, Bar>>()

  constructor(floor: KrakenFloor, clock: Clock, pageSize = 1_000) {
    this.#floor = floor
    this.#clock = clock
    this.#pageSize = pageSize
  }

  add(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (event.type === 'trade') {
        const list = this.#trades.get(event.symbol) ?? []
        this.#trades.set(event.symbol, list)
        list.push(event)
        if (list.length > 2 * KEPT) list.splice(0, KEPT)
      }
      if (event.type === 'bar') {
        const key = `${event.interval} ${event.symbol}`
        const bars = this.#bars.get(key) ?? new Map<number, Bar>()
        this.#bars.set(key, bars)
        bars.set(event.timestamp, event)
      }
    }
  }

  answer({ url }: RestQuestion): RestAnswer {
    const [path = '', query] = url.split('?', 2)
    const fields = new URLSearchParams(query)
    const call = /^\/0\/public\/(\w+)$/.exec(path)?.[1]
    if (call === 'Time') return ok({ unixtime: Math.floor(this.#clock.now() / 1_000) })
    if (call === 'AssetPairs') return ok(this.#pairs())
    const asked = fields.get('pair')
    const symbol = [...this.#floor.pairs.keys()].find(name => restName(name) === asked)
    if (!symbol || !asked) return failed('EQuery:Unknown asset pair')
    const name = `X${asked}`
    switch (call) {
      case 'Trades':
        return ok(this.#tradesOf(symbol, name, fields))
      case 'OHLC':
        return this.#candlesOf(symbol, name, fields)
      case 'Depth':
        return ok({ [name]: this.#depthOf(symbol, Number(fields.get('count') ?? 100)) })
      case 'Ticker':
        return ok({ [name]: this.#tickerOf(symbol) })
    }
    return failed('EGeneral:Unknown method')
  }

  #tradesOf(symbol: string, name: string, fields: URLSearchParams) {
    const { pricePrecision, sizePrecision } = this.#floor.pairs.get(symbol)!
    const all = this.#trades.get(symbol) ?? []
    const count = Math.min(Number(fields.get('count') ?? this.#pageSize), this.#pageSize)
    const since = fields.get('since')
    const page =
      since === null
        ? all.slice(-count)
        : all.filter(trade => nanoseconds(trade) > BigInt(since)).slice(0, count)
    const rows = page.map(({ price, size, timestamp, nanos, side, conditions, id }) => [
      price.toFixed(pricePrecision),
      size.toFixed(sizePrecision),
      // A double of seconds, off in the last digits as the venue's are.
      Number(`${Math.floor(timestamp / 1_000)}.${tail(timestamp, nanos)}`),
      side === 'sell' ? 's' : 'b',
      conditions?.[0] === 'market' ? 'm' : 'l',
      '',
      id,
    ])
    const last = page.at(-1)
    return { [name]: rows, last: last ? String(nanoseconds(last)) : (since ?? '0') }
  }

  #candlesOf(symbol: string, name: string, fields: URLSearchParams): RestAnswer {
    const interval = intervalOf(Number(fields.get('interval') ?? 1))
    if (!interval) return failed('EGeneral:Invalid arguments')
    const length = INTERVALS[interval]! * 60_000
    const since = Number(fields.get('since') ?? 0) * 1_000
    const now = this.#clock.now()
    const oldest = (Math.floor(now / length) - CANDLES + 1) * length
    const bars = [...(this.#bars.get(`${interval} ${symbol}`)?.values() ?? [])]
      .filter(({ timestamp }) => timestamp > since && timestamp >= oldest)
      .sort((a, b) => a.timestamp - b.timestamp)
    const rows = bars.map(({ timestamp, open, high, low, close, vwap = 0, volume, tradeCount }) => [
      timestamp / 1_000,
      ...[open, high, low, close, vwap, volume].map(String),
      tradeCount ?? 0,
    ])
    const last = bars.findLast(bar => bar.timestamp + length <= now)
    return ok({ [name]: rows, last: (last?.timestamp ?? 0) / 1_000 })
  }

  #depthOf(symbol: string, count: number) {
    const view = this.#floor.view(symbol, count)
    const rows = (side: 'bids' | 'asks') =>
      [...view[side]].map(([price, size]) => {
        return [String(price), String(size), this.#floor.changedAt(symbol, side, price)]
      })
    return { bids: rows('bids'), asks: rows('asks') }
  }

  /** Of today and of the last 24 hours, which here are the same. */
  #tickerOf(symbol: string) {
    const trade = this.#trades.get(symbol)?.at(-1)
    const ticker = this.#floor.tickerOf(symbol)
    const text = (value = 0) => String(value)
    const twice = (value: number | undefined) => [text(value), text(value)]
    const side = (price?: number, size = 0) => [text(price), text(Math.floor(size)), text(size)]
    return {
      a: side(ticker.ask, ticker.ask_qty),
      b: side(ticker.bid, ticker.bid_qty),
      c: [text(trade?.price ?? ticker.last), text(trade?.size)],
      v: twice(ticker.volume),
      p: twice(ticker.vwap),
      t: [0, 0],
      l: twice(ticker.low),
      h: twice(ticker.high),
      o: text(trade?.price ?? ticker.last),
    }
  }

  #pairs() {
    return Object.fromEntries(
      [...this.#floor.pairs.values()].map(({ symbol, pricePrecision, sizePrecision }) => {
        const [base, quote] = symbol.split('/')
        const wsname = `${base === 'BTC' ? 'XBT' : base === 'DOGE' ? 'XDG' : base}/${quote}`
        const decimals = { pair_decimals: pricePrecision, lot_decimals: sizePrecision }
        const facts = {
          wsname,
          ...decimals,
          tick_size: (10 ** -pricePrecision).toFixed(pricePrecision),
        }
        return [`X${restName(symbol)}`, { altname: restName(symbol), ...facts, status: 'online' }]
      }),
    )
  }
}

const nanoseconds = ({ timestamp, nanos }: { timestamp: number; nanos: number }) =>
  BigInt(timestamp) * 1_000_000n + BigInt(nanos)

const tail = (timestamp: number, nanos: number) =>
  String((timestamp % 1_000) * 1_000_000 + nanos).padStart(9, '0')

const JSON_TYPE = { 'content-type': 'application/json' }
const ok = (result: object): RestAnswer => ({
  ...{ status: 200, headers: JSON_TYPE },
  body: JSON.stringify({ error: [], result }),
})
const failed = (error: string): RestAnswer => ({
  ...{ status: 200, headers: JSON_TYPE },
  body: JSON.stringify({ error: [error] }),
})
