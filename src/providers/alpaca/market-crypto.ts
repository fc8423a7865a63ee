/** Crypto pairs. https://docs.alpaca.markets/docs/real-time-crypto-pricing-data */
import { TickwireError } from '../../base/errors.ts'
import { canonicalPair } from '../../market/symbols.ts'
import type { FeedInfo, Market } from './market.ts'

const SILENCE =
  'crypto trades around the clock, but many pairs are quiet on one venue: try BTC/USD, or quotes and books instead of trades'

export const CRYPTO_FEEDS = {
  us: { path: '/v1beta3/crypto/us', title: 'Alpaca', nature: 'live', silence: SILENCE },
  'us-1': { path: '/v1beta3/crypto/us-1', title: 'Kraken US', nature: 'live', silence: SILENCE },
  'eu-1': { path: '/v1beta3/crypto/eu-1', title: 'Kraken EU', nature: 'live', silence: SILENCE },
} as const satisfies { readonly [feed: string]: FeedInfo }

export type CryptoFeed = keyof typeof CRYPTO_FEEDS

const PAIR = /^[A-Z0-9]{1,12}\/[A-Z0-9]{1,12}$/

/** Whether a canonical symbol is a crypto pair. */
export function isPair(symbol: string): boolean {
  return PAIR.test(symbol)
}

const KINDS = ['trade', 'quote', 'bar', 'book'] as const

export const CRYPTO: Market = {
  id: 'alpaca-crypto',
  title: 'crypto',
  feeds: CRYPTO_FEEDS,
  defaultFeed: 'us',
  channels: ['trades', 'quotes', 'orderbooks', 'bars', 'updatedBars', 'dailyBars'],
  kinds: KINDS,
  barIntervals: ['1m', '1d'],
  wildcard: KINDS,
  symbolsPerConnection: 900,
  symbol(text) {
    try {
      const pair = canonicalPair(text)
      return isPair(pair) ? pair : undefined
    } catch (error) {
      if (error instanceof TickwireError) return undefined
      throw error
    }
  },
  wrongSymbol: {
    message: 'not a crypto pair',
    hint: 'Write a pair with a slash, as in BTC/USD, or * for all.',
  },
}
