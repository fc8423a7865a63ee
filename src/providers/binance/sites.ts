/** Where Binance is. https://github.com/binance/binance-spot-api-docs/blob/master/faqs/market_data_only.md */

/**
 * `com` the venue itself · `vision` its hosts for market data alone: no trades one by one of the past · `us` Binance.US,
 * another venue with the same messages, and its own prices.
 */
export type BinanceSite = 'com' | 'vision' | 'us'

interface Site {
  readonly title: string
  /** The stream, with its path. */
  readonly stream: string
  readonly rest: string
  /** How the names of its hosts end. */
  readonly domain: string
  /** It tells time to the microsecond when asked to. */
  readonly hasMicroseconds: boolean
  /** REST has raw trades by number (`historicalTrades`). */
  readonly hasRawTrades: boolean
}

export const SITES: Readonly<Record<BinanceSite, Site>> = {
  com: {
    title: 'Binance',
    stream: 'wss://stream.binance.com:9443/ws',
    rest: 'https://api.binance.com',
    domain: '.binance.com',
    hasMicroseconds: true,
    hasRawTrades: true,
  },
  vision: {
    title: 'Binance market data',
    stream: 'wss://data-stream.binance.vision/ws',
    rest: 'https://data-api.binance.vision',
    domain: '.binance.vision',
    hasMicroseconds: true,
    hasRawTrades: false,
  },
  us: {
    title: 'Binance.US',
    stream: 'wss://stream.binance.us:9443/ws',
    rest: 'https://api.binance.us',
    domain: '.binance.us',
    hasMicroseconds: false,
    hasRawTrades: true,
  },
}

export const SITE_NAMES = Object.keys(SITES) as BinanceSite[]
