/** US stocks. https://docs.alpaca.markets/docs/real-time-stock-pricing-data */
import type { FeedInfo, Market } from './market.ts'

const TEST_HINT = 'try `--feed test` with symbol FAKEPACA, which ticks around the clock'
const HOURS = 'US stocks trade 04:00–20:00 New York time, Monday to Friday'

export const STOCK_FEEDS = {
  iex: {
    path: '/v2/iex',
    title: 'IEX only, the free plan',
    nature: 'live',
    silence: `${HOURS}, and IEX sees only a few percent of it: the market may be closed or the symbol quiet; ${TEST_HINT}`,
  },
  sip: {
    path: '/v2/sip',
    title: 'all US exchanges',
    nature: 'live',
    silence: `${HOURS}: the market may be closed or the symbol quiet; at night try \`--feed overnight\`, or ${TEST_HINT}`,
  },
  delayed_sip: {
    path: '/v2/delayed_sip',
    title: 'all US exchanges, 15 minutes late',
    nature: 'delayed',
    silence: `this feed is 15 minutes late and ${HOURS}: the market may be closed; ${TEST_HINT}`,
  },
  boats: {
    path: '/v1beta1/boats',
    title: 'Blue Ocean ATS, overnight',
    nature: 'live',
    sessions: ['overnight'],
    silence: `Blue Ocean trades 20:00–04:00 New York time, Sunday to Thursday nights; by day try \`--feed iex\`, or ${TEST_HINT}`,
  },
  overnight: {
    path: '/v1beta1/overnight',
    title: "Alpaca's overnight feed",
    nature: 'live',
    sessions: ['overnight'],
    silence: `the overnight session runs 20:00–04:00 New York time, Sunday to Thursday nights; by day try \`--feed iex\`, or ${TEST_HINT}`,
  },
  test: {
    path: '/v2/test',
    title: 'test data, symbol FAKEPACA',
    nature: 'test',
    silence: 'the test feed knows only the symbol FAKEPACA',
    // The acknowledgements of the test feed name only these three lists.
    only: {
      channels: ['trades', 'quotes', 'bars'],
      kinds: ['trade', 'quote', 'bar', 'correction', 'cancel'],
    },
  },
} as const satisfies { readonly [feed: string]: FeedInfo }

export type StockFeed = keyof typeof STOCK_FEEDS

/** As the venue writes it: upper case, a class behind a dot (`BRK.B`). */
const SYMBOL = /^[A-Z0-9][A-Z0-9.-]{0,31}$/

const KINDS = [
  ...(['trade', 'quote', 'bar', 'correction', 'cancel'] as const),
  ...(['status', 'luld', 'imbalance'] as const),
]

export const STOCKS: Market = {
  id: 'alpaca',
  title: 'stocks',
  feeds: STOCK_FEEDS,
  defaultFeed: 'iex',
  channels: [
    ...(['trades', 'quotes', 'bars', 'updatedBars', 'dailyBars'] as const),
    ...(['statuses', 'lulds', 'imbalances'] as const),
  ],
  kinds: KINDS,
  barIntervals: ['1m', '1d'],
  // The free plan takes * for bars only; the venue says so when asked.
  wildcard: KINDS,
  // «Don't put 1,000+ symbols on one socket» is Alpaca's advice to its users.
  symbolsPerConnection: 900,
  symbol(text) {
    const symbol = text.trim().toUpperCase()
    return SYMBOL.test(symbol) ? symbol : undefined
  },
  wrongSymbol: {
    message: 'not a symbol of a US stock',
    hint: 'Write it as Alpaca does: AAPL, BRK.B, or * for all.',
  },
}
