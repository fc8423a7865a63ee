/**
 * What the venue's REST sides answer: Advanced Trade under `/api/v3/brokerage/market`, the Exchange under `/products`.
 * https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproducttrades
 */
import type { Clock } from '../../base/clock.ts'
import type { Bar, Level, MarketEvent, Ticker, Trade } from '../../market/events.ts'
import { formatTime } from '../../market/time.ts'
import { GRANULARITIES } from './history.ts'
import type { ServerBook } from './server-book.ts'
import { candleOf, decimal, exchangeTradeOf } from './server-frames.ts'
import { productOf } from './symbols.ts'

export interface Question {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface ServerRestOptions {
  readonly clock: Clock
  /** Ids of the products there are. */
  readonly products: ReadonlySet<string>
  book(product: string): ServerBook
}

/** Most of each kind kept of a product. */
const KEPT = 100_000
const PER_SECOND = 10
const BURST = 15

const ADVANCED = '/api/v3/brokerage/market/'
const TIME = '/api/v3/brokerage/time'

/** What has been, and the answers from it. */
export class ServerRest {
  readonly #options: ServerRestOptions
  readonly #trades = new Map<string, Trade[]>()
  readonly #bars = new Map<string, Bar[]>()
  readonly #tickers = new Map<string, Ticker>()
  /** Questions that may come at once, as of `#countedAt`. */
  #left = BURST
  #countedAt = 0

  constructor(options: ServerRestOptions) {
    this.#options = options
  }

  record(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (event.type === 'trade') keep(this.#trades, productOf(event.symbol), event)
      else if (event.type === 'bar') {
        keep(this.#bars, `${event.interval} ${productOf(event.symbol)}`, event)
      } else if (event.type === 'ticker') this.#tickers.set(productOf(event.symbol), event)
    }
  }

  recent(product: string): readonly Trade[] {
    return this.#trades.get(product) ?? []
  }

  answer({ url }: Question): Answer {
    const headers = { 'content-type': 'application/json' }
    if (!this.#admits()) return { status: 429, headers, body: '{"message":"Too many requests"}' }
    const { pathname, searchParams } = new URL(url, 'http://venue')
    const fields = Object.fromEntries(searchParams)
    const result =
      pathname === TIME
        ? this.#time()
        : pathname.startsWith(ADVANCED)
          ? this.#advanced(pathname.slice(ADVANCED.length), fields)
          : this.#exchange(pathname, fields)
    if (result !== undefined) return { status: 200, headers, body: JSON.stringify(result) }
    return { status: 404, headers, body: '{"message":"NotFound"}' }
  }

  #admits(): boolean {
    const now = this.#options.clock.now()
    this.#left = Math.min(BURST, this.#left + ((now - this.#countedAt) * PER_SECOND) / 1_000)
    this.#countedAt = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  /** https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/get-server-time */
  #time(): object {
    const ms = Math.floor(this.#options.clock.now())
    const epochSeconds = String(Math.floor(ms / 1_000))
    return { iso: new Date(ms).toISOString(), epochSeconds, epochMillis: String(ms) }
  }

  #exchange(path: string, { limit = '1000', after }: Fields): unknown {
    const product = /^\/products\/([^/]+)\/trades$/.exec(path)?.[1]
    if (product === undefined || !this.#options.products.has(product)) return undefined
    const before = this.recent(product).filter(
      ({ id }) => after === undefined || (id as number) < Number(after),
    )
    return before
      .slice(-Math.min(1_000, Number(limit)))
      .reverse()
      .map(exchangeTradeOf)
  }

  #advanced(path: string, fields: Fields): unknown {
    const { products } = this.#options
    if (path === 'products') {
      const { limit = '1000', offset = '0' } = fields
      const page = [...products].slice(Number(offset), Number(offset) + Number(limit))
      return { products: page.map(id => this.#productOf(id)), num_products: products.size }
    }
    if (path === 'product_book') {
      const { product_id: id = '', limit = '5000' } = fields
      return products.has(id) ? { pricebook: this.#pricebook(id, Number(limit)) } : undefined
    }
    const [, id = '', more] = /^products\/([^/]+)(?:\/(candles))?$/.exec(path) ?? []
    if (!products.has(id)) return undefined
    return more === undefined ? this.#productOf(id) : this.#candles(id, fields)
  }

  #candles(id: string, { start = '0', end = '0', granularity, limit = '350' }: Fields): unknown {
    const [interval] = Object.entries(GRANULARITIES).find(([, [it]]) => it === granularity) ?? []
    const bars = new Map<number, Bar>()
    for (const bar of this.#bars.get(`${interval} ${id}`) ?? []) bars.set(bar.timestamp, bar)
    const inTime = [...bars.values()].filter(
      ({ timestamp }) => timestamp >= Number(start) * 1_000 && timestamp <= Number(end) * 1_000,
    )
    return { candles: inTime.reverse().slice(0, Number(limit)).map(candleOf) }
  }

  #pricebook(product_id: string, limit: number): object {
    const { bids, asks } = this.#options.book(product_id).whole()
    const levels = (side: readonly Level[]) =>
      side.slice(0, limit).map(([price, size]) => ({ price: decimal(price), size: decimal(size) }))
    const time = formatTime(Math.floor(this.#options.clock.now()), 0)
    return { product_id, bids: levels(bids), asks: levels(asks), time }
  }

  #productOf(product_id: string): object {
    const ticker = this.#tickers.get(product_id)
    return {
      ...{
        product_id,
        price: decimal(ticker?.last ?? 0),
        volume_24h: decimal(ticker?.volume ?? 0),
      },
      ...{ price_percentage_change_24h: decimal(ticker?.changePercent ?? 0), status: 'online' },
      ...{ base_increment: '0.00000001', quote_increment: '0.01', price_increment: '0.01' },
      ...{ trading_disabled: false, product_type: 'SPOT', alias: '', alias_to: [] },
    }
  }
}

type Fields = { readonly [name: string]: string }

function keep<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  list.push(item)
  if (list.length >= 2 * KEPT) list.splice(0, KEPT)
}
