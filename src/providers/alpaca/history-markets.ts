/** Which questions REST answers about each feed, and where. https://docs.alpaca.markets/reference/stocktrades-1 */
import type { EventType } from '../../market/events.ts'
import type { AlpacaFeed } from './feeds.ts'

/** The kinds REST has; the list of an answer is named after it. */
export const LISTS = {
  ...{ trade: 'trades', quote: 'quotes', bar: 'bars' },
  ...{ book: 'orderbooks', news: 'news' },
} as const
export type RestKind = keyof typeof LISTS

/** Where each kind is to be asked for; absent: it is not to be had. */
export type RestPaths = { readonly [kind in RestKind]?: string }

export interface RestFeed {
  readonly history: RestPaths
  readonly latest: RestPaths
  /** Its name among the feeds of history and of latest values, where the question has to say one. */
  readonly historyFeed?: string
  readonly latestFeed?: string
  /** How long after the trade history has it, ms. @default 0 */
  readonly delayMs?: number
  /** Most symbols of a question. @default as many as fit into an address */
  readonly maxSymbols?: number
  /** Bars can be had adjusted for splits and dividends. @default false */
  readonly adjusts?: boolean
  /** Only these kinds have a history that is what the stream brings. @default all of them */
  readonly repairable?: readonly EventType[]
}

/** What a plan without real-time rights may see, ms. */
const DELAY_MS = 15 * 60_000

const stocks = (names: { readonly history?: string; readonly latest?: string }): RestFeed => ({
  history: names.history
    ? { trade: '/v2/stocks/trades', quote: '/v2/stocks/quotes', bar: '/v2/stocks/bars' }
    : {},
  latest: names.latest
    ? {
        trade: '/v2/stocks/trades/latest',
        quote: '/v2/stocks/quotes/latest',
        bar: '/v2/stocks/bars/latest',
      }
    : {},
  ...(names.history && { historyFeed: names.history }),
  ...(names.latest && { latestFeed: names.latest }),
  adjusts: true,
})

/** https://docs.alpaca.markets/reference/cryptotrades-1 */
const crypto = (loc: string): RestFeed => {
  const root = `/v1beta3/crypto/${loc}`
  return {
    history: { trade: `${root}/trades`, quote: `${root}/quotes`, bar: `${root}/bars` },
    latest: {
      trade: `${root}/latest/trades`,
      quote: `${root}/latest/quotes`,
      bar: `${root}/latest/bars`,
      book: `${root}/latest/orderbooks`,
    },
  }
}

/** https://docs.alpaca.markets/reference/optiontrades */
const options = (feed: string): RestFeed => ({
  history: { trade: '/v1beta1/options/trades', bar: '/v1beta1/options/bars' },
  latest: {
    trade: '/v1beta1/options/trades/latest',
    quote: '/v1beta1/options/quotes/latest',
  },
  latestFeed: feed,
  maxSymbols: 100,
})

/** The feeds of the stream as REST knows them. */
export const REST_FEEDS: { readonly [feed in AlpacaFeed]: RestFeed } = {
  iex: stocks({ history: 'iex', latest: 'iex' }),
  sip: stocks({ history: 'sip', latest: 'sip' }),
  delayed_sip: { ...stocks({ history: 'sip', latest: 'delayed_sip' }), delayMs: DELAY_MS },
  boats: stocks({ history: 'boats', latest: 'boats' }),
  overnight: stocks({ latest: 'overnight' }),
  test: stocks({}),
  us: crypto('us'),
  'us-1': crypto('us-1'),
  'eu-1': crypto('eu-1'),
  // History has the trades of OPRA, late; those of the stream are derived from them, and not to be mixed with them.
  indicative: { ...options('indicative'), delayMs: DELAY_MS, repairable: [] },
  opra: { ...options('opra'), repairable: ['trade'] },
  // https://docs.alpaca.markets/reference/news-3
  news: { history: { news: '/v1beta1/news' }, latest: { news: '/v1beta1/news' } },
}

/** Whether REST has the past of a feed, and of which kinds it is what the stream brings, where not of all. */
export function repairsOf(feed: AlpacaFeed): boolean | readonly EventType[] {
  const { repairable, history } = REST_FEEDS[feed]
  return repairable ?? Object.keys(history).length > 0
}
