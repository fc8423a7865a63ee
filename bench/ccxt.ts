/**
 * ccxt as a peer of the benches that decode frames: its own client is given the bytes where its socket would give them, so
 * text, `JSON.parse`, the handlers of the venue and what they keep are all of it. Only that nobody waits for what comes.
 *
 * It does more than decode, and less: beside each trade it keeps the parsed message, works out the cost and caches the last
 * 1,000; it keeps the books whole; its times are milliseconds (Binance's microseconds it takes for those); as the side of a
 * trade at Coinbase it gives the maker's, as sent; of Kraken's checksums it looks at none unless told to.
 */
import type { MarketEvent, Quote, Trade } from '../src/market/events.ts'
import { type Keep, topOf, type Way } from './frames.ts'
import { peer } from './peers.ts'

interface Client {
  onMessage(event: { readonly data: Buffer }): void
  reject(error: unknown): void
}
type Sides = { readonly bids: number[][]; readonly asks: number[][] }
interface Exchange {
  setMarkets(markets: readonly object[]): void
  client(url: string): Client
  orderBook(snapshot: object): Sides & { nonce: number | undefined }
  readonly trades: { [symbol: string]: CcxtTrade[] }
  readonly tickers: { [symbol: string]: CcxtTicker }
  readonly bidsasks: { [symbol: string]: CcxtTicker }
  readonly orderbooks: { [symbol: string]: Sides & { nonce: number | undefined } }
}
interface CcxtTrade {
  readonly id: string
  readonly timestamp: number
  readonly price: number
  readonly amount: number
  readonly side: string
}
interface CcxtTicker {
  readonly bid: number
  readonly bidVolume: number
  readonly ask: number
  readonly askVolume: number
}

/** A venue as ccxt knows it. */
export interface CcxtVenue {
  readonly id: 'kraken' | 'binance' | 'coinbase'
  readonly url: string
  readonly symbol: string
  /** The venue's name of it. */
  readonly vendorName: string
  /** Number of the snapshot that the book stands on, where updates have to follow one. */
  readonly nonce?: number
}

type Kind = 'trade' | 'quote' | 'ticker' | 'book'

/** ccxt reading what a venue sends of a kind. */
export function ccxt(venue: CcxtVenue, kind: Kind): Way {
  return {
    title: 'ccxt',
    open: keep => open(venue, kind, keep),
    forms:
      kind === 'trade'
        ? { trades: (t: CcxtTrade) => [t.id, t.timestamp, t.price, t.amount, t.side] }
        : kind === 'book'
          ? { books: ({ bids, asks }: Sides) => [topOf(bids), topOf(asks)] }
          : { quotes: (t: CcxtTicker) => [t.bid, t.bidVolume, t.ask, t.askVolume] },
  }
}

/** Our events in the same forms. */
export const CCXT_FORMS = {
  trade: { trades: tradeForm(({ timestamp }) => timestamp) },
  /** Where ccxt takes microseconds for milliseconds. */
  microTrade: { trades: tradeForm(({ timestamp, nanos }) => timestamp * 1_000 + nanos / 1_000) },
  /** Where ccxt gives the side of the maker. */
  makerTrade: {
    trades: tradeForm(
      ({ timestamp }) => timestamp,
      ({ side }) => (side === 'buy' ? 'sell' : 'buy'),
    ),
  },
  quote: {
    quotes: (event: MarketEvent) => {
      const { bid, bidSize, ask, askSize } = event as Quote
      return [bid, bidSize, ask, askSize]
    },
  },
} as const

function tradeForm(
  timeOf: (trade: Trade) => number,
  sideOf: (trade: Trade) => string | undefined = ({ side }) => side,
) {
  return (event: MarketEvent) => {
    const trade = event as Trade
    return [String(trade.id), timeOf(trade), trade.price, trade.size, sideOf(trade)]
  }
}

function open({ id, url, symbol, vendorName, nonce }: CcxtVenue, kind: Kind, keep: Keep) {
  const { pro } = peer<{ pro: Record<string, new () => Exchange> }>('ccxt')
  const exchange = new pro[id]!()
  const [base, quote] = symbol.split('/')
  exchange.setMarkets([
    {
      ...{ id: vendorName, symbol, base, quote, baseId: base, quoteId: quote, type: 'spot' },
      ...{ spot: true, active: true, precision: { price: 0.01, amount: 1e-8 }, limits: {} },
    },
  ])
  if (nonce !== undefined) {
    const book = exchange.orderBook({})
    book.nonce = nonce
    exchange.orderbooks[symbol] = book
  }
  const client = exchange.client(url)
  client.reject = error => {
    throw error
  }
  const { trades, tickers, bidsasks, orderbooks } = exchange
  return (frame: Buffer) => {
    client.onMessage({ data: frame })
    if (kind === 'trade') keep(trades[symbol]!.at(-1))
    else if (kind === 'book') keep(orderbooks[symbol])
    else keep(id === 'binance' ? bidsasks[symbol] : tickers[symbol])
  }
}
