import { openalgo } from '../../../src/providers/openalgo/index.ts'
import type { ProviderTraits } from '../../../src/testing/provider-suite.ts'
import { openAlgoVenue } from '../../../src/testing/venue-openalgo.ts'

const frame = (mode: number, data: string) =>
  `{"type": "market_data", "symbol": "RELIANCE", "exchange": "NSE", "mode": ${mode}, "data": {"symbol": "RELIANCE", "exchange": "NSE", "mode": ${mode}, ${data}, "timestamp": 1795199034923}, "broker": "fake"}`
const LTP = frame(1, '"ltp": 1424.7, "ltt": 1795199034923')
const SAID = 1_795_199_034_923
const at = 1_795_199_035_000

/** https://docs.openalgo.in */
export const OPENALGO: ProviderTraits = {
  make: ({ clock, observe }) => {
    const server = { symbols: ['NSE:RELIANCE', 'NSE:INFY'] }
    const venue = openAlgoVenue({ clock, observe, server })
    const { openSocket, httpGet } = venue
    return { venue, provider: openalgo({ apiKey: 'a-key-of-a-test', openSocket, httpGet, clock }) }
  },
  symbols: ['NSE:RELIANCE', 'NSE:INFY'],
  spellings: { 'nse:reliance': 'NSE:RELIANCE' },
  // There are no trades, and quotes are the depth's with most brokers.
  kind: 'ticker',
  stampsSent: true,
  unknown: 'NSE:BAD',
  frames: [
    {
      ...{ name: 'a last price', kind: 'ticker', symbol: 'NSE:RELIANCE', frames: [LTP], at },
      gives: { last: 1_424.7, timestamp: SAID },
    },
    {
      ...{ name: 'a quote', kind: 'quote', symbol: 'NSE:RELIANCE', at },
      frames: [frame(2, '"ltp": 1424.7, "bid": 1424.6, "ask": 1424.8')],
      gives: { bid: 1_424.6, ask: 1_424.8, timestamp: SAID },
    },
    {
      ...{ name: 'a book', kind: 'book', symbol: 'NSE:RELIANCE', at },
      frames: [
        frame(
          3,
          '"ltp": 1424.7, "depth": {"buy": [{"price": 1424.6, "quantity": 5, "orders": 1}], "sell": [{"price": 1424.8, "quantity": 7, "orders": 2}]}',
        ),
      ],
      gives: { snapshot: true, bids: [[1_424.6, 5]], asks: [[1_424.8, 7]], timestamp: SAID },
    },
  ],
  malformed: {
    ticker: [LTP.slice(0, -20), '{"a": 1}', LTP.replace('1424.7', '"dear"')],
    quote: [frame(2, '"ltp": 1424.7, "bid": "dear", "ask": 1424.8')],
    book: [
      frame(3, '"ltp": 1424.7, "depth": {"buy": [{"price": "dear", "quantity": 5}], "sell": []}'),
    ],
  },
  excludes: {
    'a slot that is taken is waited for, not stormed':
      'connection-limit cannot befall openalgo: it takes any number of clients',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall openalgo: it speaks JSON only',
    'trades missed while it was away are filled in (restart)':
      'capabilities.history: no past trades',
    'trades missed while it was away are filled in (cut)': 'capabilities.history: no past trades',
    'a history that fails at first is asked again': 'capabilities.history: no past trades',
    books: 'traits.books: it has none',
  },
}
