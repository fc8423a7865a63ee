import { ibkr } from '../../../src/providers/ibkr/index.ts'
import { loadLibrary } from '../../../src/providers/ibkr/library.ts'
import { type IbkrVenue, ibkrVenue } from '../../../src/testing/fake-tws-venue.ts'
import type { FrameSource, ProviderTraits } from '../../../src/testing/provider-suite.ts'

// It takes its time, and no clock turned by hand.
await loadLibrary()

/** Requests of market data, and where the number of one stands. */
const ASKED: Readonly<Record<string, number>> = { '1': 2, '10': 2, '50': 2, '97': 1 }

/** A message of TWS as documented, with `|` between its fields and `#` for the number of our last request. */
const message =
  (text: string): FrameSource =>
  ({ venue }) => {
    const { tws } = venue as IbkrVenue
    const asked = tws.messages.findLast(([id = '']) => Object.hasOwn(ASKED, id)) ?? []
    return `${text.replace('#', asked[ASKED[asked[0]!]!]!)}|`.replaceAll('|', '\0')
  }

const AT = 1_795_199_035
const at = AT * 1_000 + 500
const TRADE = `99|#|1|${AT}|190.26|100|0|NASDAQ|`

/** https://interactivebrokers.github.io/tws-api/, server version 176, through the unmodified `@stoqey/ib`. */
export const IBKR: ProviderTraits = {
  make: ({ clock, observe }) => {
    const venue = ibkrVenue({ clock, observe })
    return { venue, provider: ibkr({ openTcp: venue.openTcp, clock }) }
  },
  symbols: ['AAPL', 'MSFT'],
  spellings: {
    ...{ aapl: 'AAPL', 'brk.b': 'BRK.B', 'nasdaq:aapl': 'NASDAQ:AAPL', 'eur/usd': 'EUR/USD' },
    ...{ 'es 202612 cme': 'CME:ES-202612', aapl261218c00200000: 'AAPL261218C00200000' },
  },
  unknown: 'NOPE',
  addressed: true,
  // TWS numbers no trade; the suite's are of as many shares as their number says.
  markOf: event => (event.type === 'trade' ? event.size : undefined),
  frames: [
    {
      ...{ name: 'a trade that was not reported, of an odd size', kind: 'trade', symbol: 'AAPL' },
      frames: [message(`99|#|2|${AT}|190.26|1.5|2|FINRA|T I`)],
      gives: {
        price: 190.26,
        size: 1.5,
        exchange: 'FINRA',
        conditions: ['T', 'I', 'unreported'],
        timestamp: AT * 1_000,
      },
      at,
    },
    {
      ...{ name: 'a quote', kind: 'quote', symbol: 'AAPL', at },
      frames: [message(`99|#|3|${AT}|190.24|190.26|300|200|0`)],
      gives: { bid: 190.24, bidSize: 300, ask: 190.26, askSize: 200, timestamp: AT * 1_000 },
    },
    {
      ...{ name: 'a line', kind: 'ticker', symbol: 'AAPL', at },
      frames: [
        message('58|1|#|1'),
        message('1|6|#|4|202.55|2|0'),
        message('2|6|#|8|323886'),
        message(`46|6|#|45|${AT}`),
      ],
      gives: { last: 202.55, volume: 323_886, lastTime: AT * 1_000, timestamp: 'received' },
    },
    {
      ...{ name: 'a bar of five seconds', kind: 'bar', symbol: 'AAPL', interval: '5s', at },
      frames: [message(`50|3|#|${AT}|190.1|190.3|190.0|190.2|1234|190.15|56`)],
      gives: { interval: '5s', high: 190.3, volume: 1_234, final: true, timestamp: AT * 1_000 },
    },
    {
      ...{ name: 'a book, row by row', kind: 'book', symbol: 'AAPL', at },
      frames: [message('13|1|#|0|NSDQ|0|1|190.24|300|1'), message('12|1|#|0|0|0|190.26|100')],
      gives: {
        bids: [[190.24, 300]],
        asks: [[190.26, 100]],
        snapshot: true,
        timestamp: 'received',
      },
    },
  ],
  malformed: {
    trade: [
      message(TRADE.replace('190.26', '190.26x')),
      message(TRADE.replace('|100|', '||')),
      message(TRADE.replace(`${AT}`, '0')),
      message(TRADE.replace('190.26', '-5')),
      message(TRADE.slice(0, TRADE.indexOf('|100|'))),
      message(`${TRADE}|more`),
    ],
    quote: [
      message(`99|#|3|${AT}|dear|190.26|300|200|0`),
      message(`99|#|3|${AT}|190.24|190.26|300|-1|0`),
    ],
    ticker: [message('1|6|#|4|dear|2|0')],
    bar: [message(`50|3|#|${AT}|dear|190.3|190.0|190.2|1234|190.15|56`)],
    book: [message('12|1|#|0|0|0|dear|100')],
  },
  // Ten rows of a side are asked for; what is lost of them nothing tells.
  books: { depth: 10, checked: false },
  excludes: {
    'what nobody asked for is not delivered, whatever the venue sends':
      'traits.addressed: it cannot come',
    'a refused key ends it at once, for good, with a reason that names a way out':
      'capabilities.auth is none',
    'a key that nobody answers is tried again': 'capabilities.auth is none',
    'what the venue left out of its answer is asked for again':
      'partial-ack cannot befall ibkr: TWS acknowledges nothing',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    'told to wait, it waits':
      'upgrade-429 cannot befall ibkr: TWS is spoken to over plain TCP: there is no upgrade by HTTP',
    'an error of a proxy before the venue passes':
      'upgrade-502 cannot befall ibkr: TWS is spoken to over plain TCP: there is no upgrade by HTTP',
    'damaged frames are counted, and what comes behind them is right (corrupt-json)':
      'corrupt-json cannot befall ibkr: its messages are fields, not JSON: truncated-msgpack damages them',
    'what is sent twice comes once':
      'duplicate cannot befall ibkr: a stream of bytes (TCP) brings each once and in order',
    'a book after a fault is never wrong, and then right (duplicate, 2 times)':
      'duplicate cannot befall ibkr: a stream of bytes (TCP) brings each once and in order',
    'a book after a fault is never wrong, and then right (corrupt-json)':
      'corrupt-json cannot befall ibkr: its messages are fields, not JSON: truncated-msgpack damages them',
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
