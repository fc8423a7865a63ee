import type { Bar, Book, Level, MarketEvent, Status, Trade } from '../../market/events.ts'
import { formatTime } from '../../market/time.ts'
import { INTERVALS } from './channels.ts'

/** A pair as the venue lists it. */
export interface KrakenPair {
  readonly symbol: string
  /** Decimals of prices and sizes. */
  readonly pricePrecision: number
  readonly sizePrecision: number
}

/** Prices to sizes. */
export type BookSide = ReadonlyMap<number, number>
export interface BookSides {
  readonly bids: BookSide
  readonly asks: BookSide
}

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc % 2 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc >>> 0
})

/** What there is to tell clients: pairs, whole books, last tickers; and how it is written. */
export class KrakenFloor {
  readonly pairs: ReadonlyMap<string, KrakenPair>
  readonly #exponents: boolean
  readonly #status = new Map<string, string>()
  readonly #books = new Map<string, { bids: Map<number, number>; asks: Map<number, number> }>()
  /** When levels last changed, epoch seconds, by symbol, side and price. */
  readonly #times = new Map<string, number>()
  readonly #tickers = new Map<string, Record<string, number | undefined>>()

  constructor(pairs: readonly KrakenPair[], exponents: boolean) {
    this.pairs = new Map(pairs.map(pair => [pair.symbol, pair]))
    this.#exponents = exponents
  }

  /** Remembers what late subscribers are told. */
  take(event: MarketEvent): void {
    switch (event.type) {
      case 'book':
        this.#takeBook(event)
        break
      case 'status':
        this.#status.set(event.symbol, event.statusCode)
        break
      case 'quote':
      case 'ticker': {
        const { bid, bidSize, ask, askSize } = event
        const quote = { bid, bid_qty: bidSize, ask, ask_qty: askSize }
        // Without prices a ticker says nothing of them; a quote says that nobody offers any.
        const isSilent = event.type === 'ticker' && bid === undefined && ask === undefined
        const ticker = { ...this.#tickers.get(event.symbol), ...(!isSilent && quote) }
        this.#tickers.set(event.symbol, ticker)
        if (event.type === 'quote') break
        const { last, volume, vwap, low, high, change, changePercent } = event
        const day = { last, volume, vwap, low, high, change, change_pct: changePercent }
        Object.assign(ticker, day)
      }
    }
  }

  /** The best `depth` levels of each side. */
  view(symbol: string, depth: number): BookSides {
    const book = this.#books.get(symbol)
    const best = (side: Map<number, number> | undefined, sign: number) =>
      new Map([...(side ?? [])].sort(([a], [b]) => sign * (a - b)).slice(0, depth))
    return { bids: best(book?.bids, -1), asks: best(book?.asks, 1) }
  }

  /** Whether a price has orders, however deep. */
  has(symbol: string, side: 'bids' | 'asks', price: number): boolean {
    return this.#books.get(symbol)?.[side].has(price) ?? false
  }

  /** When a level last changed, epoch seconds. */
  changedAt(symbol: string, side: 'bids' | 'asks', price: number): number {
    return this.#times.get(`${symbol} ${side} ${price}`) ?? 0
  }

  /** The checksum of a view, as the documentation works it out: by text. */
  checksum(symbol: string, { bids, asks }: BookSides): number {
    const pair = this.pairs.get(symbol)!
    const text = [asks, bids]
      .flatMap(side => [...side].slice(0, 10))
      .map(([price, size]) => {
        const texts = [price.toFixed(pair.pricePrecision), size.toFixed(pair.sizePrecision)]
        return texts.map(it => it.replace('.', '').replace(/^0+/, '')).join('')
      })
      .join('')
    let crc = 0xffffffff
    for (const c of text) crc = (TABLE[(crc ^ c.charCodeAt(0)) & 0xff]! ^ (crc >>> 8)) >>> 0
    return (crc ^ 0xffffffff) >>> 0
  }

  // Messages as text: numbers with all their digits.

  book(symbol: string, type: string, sides: BookLists, checksum: number, time: string): string {
    const pair = this.pairs.get(symbol)!
    const list = (levels: readonly Level[]) =>
      levels
        .map(([price, size]) => {
          return `{"price":${price.toFixed(pair.pricePrecision)},"qty":${this.size(pair, size)}}`
        })
        .join(',')
    const { bids, asks } = sides
    return `{"channel":"book","type":"${type}","data":[{"symbol":"${symbol}","bids":[${list(bids)}],"asks":[${list(asks)}],"checksum":${checksum},"timestamp":"${time}"}]}`
  }

  trade({ symbol, side, price, size, conditions, id, timestamp, nanos }: Trade): string {
    const pair = this.pairs.get(symbol)!
    const type = conditions?.[0] ?? 'limit'
    return `{"channel":"trade","type":"update","data":[{"symbol":"${symbol}","side":"${side ?? 'buy'}","price":${price.toFixed(pair.pricePrecision)},"qty":${this.size(pair, size)},"ord_type":"${type}","trade_id":${id},"timestamp":"${micros(timestamp, nanos)}"}]}`
  }

  /** What is known of a ticker, by the venue's names. */
  tickerOf(symbol: string): Readonly<Record<string, number | undefined>> {
    return this.#tickers.get(symbol) ?? {}
  }

  /** `undefined` when nothing is known. */
  ticker(symbol: string, type: string, time: string): string | undefined {
    const ticker = this.#tickers.get(symbol)
    if (!ticker) return undefined
    const fields = Object.entries(ticker).flatMap(([key, value]) =>
      value === undefined ? [] : [`"${key}":${value}`],
    )
    return `{"channel":"ticker","type":"${type}","data":[{"symbol":"${symbol}",${fields.join(',')},"timestamp":"${time}"}]}`
  }

  candle(bar: Bar, now: string): string {
    const { symbol, open, high, low, close, tradeCount = 0, volume, vwap = 0, interval } = bar
    const begin = formatTime(bar.timestamp, 0)
    const minutes = INTERVALS[interval]!
    const end = micros(bar.timestamp + minutes * 60_000, 0)
    return `{"channel":"ohlc","type":"update","timestamp":"${now}","data":[{"symbol":"${symbol}","open":${open},"high":${high},"low":${low},"close":${close},"trades":${tradeCount},"volume":${volume},"vwap":${vwap},"interval_begin":"${begin}","interval":${minutes},"timestamp":"${end}"}]}`
  }

  /** All pairs, or one that has changed. */
  instruments(changed?: Status): string {
    const type = changed ? 'update' : 'snapshot'
    const list = [...this.pairs.values()]
      .filter(({ symbol }) => !changed || symbol === changed.symbol)
      .map(({ symbol, pricePrecision, sizePrecision }) => {
        const [base, quote] = symbol.split('/')
        const status = this.#status.get(symbol) ?? 'online'
        return `{"symbol":"${symbol}","base":"${base}","quote":"${quote}","status":"${status}","qty_precision":${sizePrecision},"qty_increment":1e-0${sizePrecision},"price_precision":${pricePrecision},"cost_precision":5,"marginable":true,"has_index":true,"cost_min":"0.5","price_increment":1e-0${pricePrecision},"qty_min":0.0001}`
      })
    return `{"channel":"instrument","type":"${type}","data":{"assets":[],"pairs":[${list.join(',')}]}}`
  }

  size(pair: KrakenPair, size: number): string {
    const text = size.toFixed(pair.sizePrecision)
    return this.#exponents && size > 0 && size < 0.0001 ? Number(text).toExponential() : text
  }

  #takeBook({ symbol, snapshot, bids, asks, timestamp }: Book): void {
    let book = this.#books.get(symbol)
    if (!book || snapshot) this.#books.set(symbol, (book = { bids: new Map(), asks: new Map() }))
    for (const [name, levels] of [
      ['bids', bids],
      ['asks', asks],
    ] as const) {
      for (const [price, size] of levels) {
        const key = `${symbol} ${name} ${price}`
        this.#times.set(key, Math.floor(timestamp / 1_000))
        if (size > 0) book[name].set(price, size)
        else {
          book[name].delete(price)
          this.#times.delete(key)
        }
      }
    }
  }
}

export interface BookLists {
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}

/** Times of data have six digits. */
export function micros(timestamp: number, nanos: number): string {
  return `${formatTime(timestamp, nanos).slice(0, -4)}Z`
}
