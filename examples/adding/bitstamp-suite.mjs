// `node --test examples/adding/bitstamp-suite.mjs`: the suite every provider passes.
import { providerSuite } from 'tickwire/testing'
import { bitstamp } from './bitstamp.mjs'
import { bitstampVenue } from './bitstamp-venue.mjs'

const TRADE =
  '{"data":{"id":158457579,"timestamp":"1617281537","amount":0.003,"amount_str":"0.00300000","price":58894.12,"price_str":"58894.12","type":1,"microtimestamp":"1617281537482000","buy_order_id":1345016283234304,"sell_order_id":1345016283234305},"channel":"live_trades_btcusd","event":"trade"}'
const BOOK =
  '{"data":{"timestamp":"1617281537","microtimestamp":"1617281537482317","bids":[["58890.00","0.50000000"],["58889.10","1.20000000"]],"asks":[["58894.12","0.02000000"]]},"channel":"order_book_btcusd","event":"data"}'
const at = 1_617_281_538_000

providerSuite('bitstamp', {
  make: ({ clock, observe }) => {
    const venue = bitstampVenue({ clock, observe })
    return { venue, provider: bitstamp({ openSocket: venue.openSocket }) }
  },
  symbols: ['BTC/USD', 'ETH/USD'],
  spellings: { btcusd: 'BTC/USD', 'eth-usd': 'ETH/USD' },
  frames: [
    {
      ...{ name: 'a trade', kind: 'trade', symbol: 'BTC/USD', frames: [TRADE], at },
      gives: {
        price: 58_894.12,
        size: 0.003,
        id: 158_457_579,
        side: 'sell',
        timestamp: 1_617_281_537_482,
      },
    },
    {
      ...{ name: 'a book', kind: 'book', symbol: 'BTC/USD', frames: [BOOK], at },
      gives: {
        snapshot: true,
        asks: [[58_894.12, 0.02]],
        timestamp: '2021-04-01T12:52:17.482317Z',
      },
    },
  ],
  malformed: {
    trade: [
      TRADE.replace('"58894.12"', '"dear"'),
      TRADE.replace('"price_str":"58894.12",', ''),
      TRADE.replace('"58894.12"', '"-5"'),
      TRADE.replace('"58894.12"', '"Infinity"'),
      TRADE.replace('1617281537482000', 'some day'),
      TRADE.slice(0, -20),
    ],
    book: [
      BOOK.replace('"58890.00"', '"dear"'),
      BOOK.replace('"58890.00"', '"Infinity"'),
      BOOK.replace('"0.50000000"', '"-1"'),
      BOOK.replace('"1617281537482317"', '"some day"'),
      BOOK.slice(0, -20),
    ],
  },
  books: { checked: false },
  // As the suite prints it.
  excludes: {
    'a symbol the venue refuses is refused by name, and takes no other with it':
      'traits.unknown: the venue refuses no symbol',
    'a refused key ends it at once, for good, with a reason that names a way out':
      'capabilities.auth is none',
    'a key that nobody answers is tried again': 'capabilities.auth is none',
    'a slot that is taken is waited for, not stormed':
      'connection-limit cannot befall bitstamp: it has no plans',
    'what the venue left out of its answer is asked for again':
      'partial-ack cannot befall bitstamp: its answers are not scripted',
    'a subscription refused for now is asked for again, without a storm':
      'symbol-limit cannot befall bitstamp: its answers are not scripted',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall bitstamp: it speaks JSON only',
    ...Object.fromEntries(
      [
        'trades missed while it was away are filled in (restart)',
        'trades missed while it was away are filled in (cut)',
        'a history that fails at first is asked again',
      ].map(title => [title, 'capabilities.history: no past trades']),
    ),
    ...Object.fromEntries(
      ['lost', 'lost, 3 times', 'reorder', 'bad-checksum', 'mute'].map(fault => [
        `a book after a fault is never wrong, and then right (${fault})`,
        'traits.books.checked: no number or checksum tells of it',
      ]),
    ),
  },
})
