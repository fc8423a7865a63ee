import { alltick } from '../../../src/providers/alltick/index.ts'
import type { ProviderTraits } from '../../../src/testing/provider-suite.ts'
import { allTickVenue } from '../../../src/testing/venue-alltick.ts'

const TRADE =
  '{"cmd_id":22998,"data":{"code":"AAPL.US","seq":"27755950","tick_time":"1751068801000","price":"201.187000","volume":"174","turnover":"35006.099000","trade_direction":"2"}}'
const BOOK =
  '{"cmd_id":22999,"data":{"code":"700.HK","seq":1605509068000001,"tick_time":1605509068,"bids":[{"price":"9.12","volume":"9.12"}],"asks":[{"price":"147.12","volume":"147.12"}]}}'

const TRADES_SPOILT = [
  TRADE.replace('"201.187000"', '"dear"'),
  TRADE.replace('"price":"201.187000",', ''),
  TRADE.replace('201.187', '-5'),
  TRADE.replace('"1751068801000"', '"some day"'),
  TRADE.slice(0, -20),
].map(text => text.replace('AAPL.US', '700.HK'))
const BOOKS_SPOILT = [
  BOOK.replace('"9.12"', '"dear"'),
  BOOK.replace('"volume":"147.12"', '"volume":"-1"'),
  BOOK.replace('"tick_time":1605509068', '"tick_time":"some day"'),
  BOOK.slice(0, -20),
]

/** https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api */
export const ALLTICK: ProviderTraits = {
  make: ({ clock, observe }) => {
    const venue = allTickVenue({ clock, observe })
    const { openSocket, httpGet } = venue
    return { venue, provider: alltick({ token: 'SUITE', openSocket, httpGet, clock }) }
  },
  symbols: ['700.HK', 'AAPL.US'],
  // The venue's numbers are its own.
  markOf: event => (event.type === 'trade' ? event.size : undefined),
  spellings: { '00700.HK': '700.HK', 'aapl.us': 'AAPL.US' },
  frames: [
    {
      ...{ name: 'a trade', kind: 'trade', symbol: 'AAPL.US', frames: [TRADE] },
      gives: { price: 201.187, size: 174, timestamp: 1_751_068_801_000 },
      at: 1_751_068_802_000,
    },
    {
      ...{ name: 'a tick as a ticker', kind: 'ticker', symbol: 'AAPL.US', frames: [TRADE] },
      gives: { last: 201.187, timestamp: 1_751_068_801_000 },
      at: 1_751_068_802_000,
    },
    {
      ...{ name: 'a book', kind: 'book', symbol: '700.HK', frames: [BOOK] },
      gives: {
        snapshot: true,
        bids: [[9.12, 9.12]],
        asks: [[147.12, 147.12]],
        timestamp: 1_605_509_068_000,
      },
      at: 1_605_509_069_000,
    },
    {
      ...{ name: 'a book as a quote', kind: 'quote', symbol: '700.HK', frames: [BOOK] },
      gives: {
        bid: 9.12,
        bidSize: 9.12,
        ask: 147.12,
        askSize: 147.12,
        timestamp: 1_605_509_068_000,
      },
      at: 1_605_509_069_000,
    },
  ],
  malformed: {
    ...{ trade: TRADES_SPOILT, ticker: TRADES_SPOILT },
    ...{ book: BOOKS_SPOILT, quote: BOOKS_SPOILT },
  },
  books: { depth: 10, checked: false, whole: true },
  excludes: {
    'a symbol the venue refuses is refused by name, and takes no other with it':
      'traits.unknown: the venue refuses no symbol',
    'a key that nobody answers is tried again':
      'auth-timeout cannot befall alltick: its token stands in the address: use tokens of the server',
    'what the venue left out of its answer is asked for again':
      'partial-ack cannot befall alltick: its answers name no codes',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall alltick: it speaks JSON only',
    'trades missed while it was away are filled in (restart)':
      'capabilities.history: no past trades',
    'trades missed while it was away are filled in (cut)': 'capabilities.history: no past trades',
    'a history that fails at first is asked again': 'capabilities.history: no past trades',
    'a book after a fault is never wrong, and then right (lost)':
      'traits.books.checked: no number or checksum tells of it',
    'a book after a fault is never wrong, and then right (lost, 3 times)':
      'traits.books.checked: no number or checksum tells of it',
    'a book after a fault is never wrong, and then right (reorder)':
      'traits.books.checked: no number or checksum tells of it',
    'a book after a fault is never wrong, and then right (bad-checksum)':
      'traits.books.checked: no number or checksum tells of it',
    'a book after a fault is never wrong, and then right (mute)':
      'traits.books.checked: no number or checksum tells of it',
  },
}
