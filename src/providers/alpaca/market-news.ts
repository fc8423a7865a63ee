/** News. https://docs.alpaca.markets/docs/streaming-real-time-news */
import type { FeedInfo, Market } from './market.ts'
import { CRYPTO, isPair } from './market-crypto.ts'
import { STOCKS } from './market-stocks.ts'

/** There is but one stream of news: it has a name here, and none for users. */
export const NEWS_FEEDS = {
  news: {
    path: '/v1beta1/news',
    title: 'articles of Benzinga',
    nature: 'live',
    silence:
      'articles come a few hundred times on a working day, seldom at night and on weekends: subscribe to * for all of them',
  },
} as const satisfies { readonly [feed: string]: FeedInfo }

/**
 * News write pairs in one word (`BTCUSD`). The symbol of a US stock has at most five letters, so a longer one that ends
 * in a currency of Alpaca's pairs is a pair.
 */
const WORD = /^([A-Z0-9]{2,10}?)(USD[TC]?|BTC)$/
const LONGEST_STOCK = 5

/** The canonical symbol of one in an article. */
export function fromNews(symbol: string): string {
  const parts = symbol.length > LONGEST_STOCK ? WORD.exec(symbol) : null
  return parts ? `${parts[1]}/${parts[2]}` : symbol
}

/** As articles write a canonical symbol. */
export function toNews(symbol: string): string {
  return isPair(symbol) ? symbol.replace('/', '') : symbol
}

export const NEWS: Market = {
  id: 'alpaca-news',
  title: 'news',
  feeds: NEWS_FEEDS,
  defaultFeed: 'news',
  channels: ['news'],
  kinds: ['news'],
  barIntervals: [],
  wildcard: ['news'],
  symbol(text) {
    const pair = text.includes('/') ? CRYPTO.symbol(text) : undefined
    // A pair that articles could not name without being taken for something else is none of theirs.
    if (pair !== undefined) return fromNews(toNews(pair)) === pair ? pair : undefined
    const symbol = STOCKS.symbol(text)
    return symbol && fromNews(symbol)
  },
  wrongSymbol: {
    message: 'not a symbol news are about',
    hint: 'Write a stock (AAPL), a crypto pair (BTC/USD), or * for all news.',
  },
  toVenue: toNews,
}
