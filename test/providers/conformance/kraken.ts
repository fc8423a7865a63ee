import { kraken } from '../../../src/providers/kraken/index.ts'
import { KRAKEN_PAIRS } from '../../../src/providers/kraken/server.ts'
import type { ProviderTraits } from '../../../src/testing/provider-suite.ts'
import { krakenVenue } from '../../../src/testing/venue-kraken.ts'
import { bookFrame, DOCUMENTED } from '../kraken/kit.ts'

const TICKED = '2023-09-25T09:04:31.742648Z'
const BEGUN = Date.UTC(2023, 9, 4, 16, 25)

/** https://docs.kraken.com/api/docs/websocket-v2/ */
export const KRAKEN: ProviderTraits = {
  make: ({ clock, observe, symbols = [] }) => {
    const more = symbols.map(symbol => ({ symbol, pricePrecision: 1, sizePrecision: 8 }))
    const venue = krakenVenue({ clock, observe, server: { pairs: [...KRAKEN_PAIRS, ...more] } })
    const { openSocket, httpGet } = venue
    return { venue, provider: kraken({ openSocket, httpGet, clock, connections: 3 }) }
  },
  symbols: ['BTC/USD', 'ETH/USD'],
  spellings: { 'btc-usd': 'BTC/USD', 'XBT/USD': 'BTC/USD', 'doge/usd': 'DOGE/USD' },
  unknown: 'FOO/USD',
  many: index => `C${index}/USD`,
  frames: [
    {
      ...{ name: 'a trade', kind: 'trade', symbol: 'BTC/USD' },
      frames: [DOCUMENTED.trade],
      gives: {
        price: 105_910.5,
        size: 0.0001246,
        id: 4_665_906,
        side: 'sell',
        timestamp: '2023-09-25T07:49:37.708706Z',
      },
      at: Date.UTC(2023, 8, 25, 7, 49, 38),
    },
    {
      ...{ name: 'a quote', kind: 'quote', symbol: 'BTC/USD' },
      frames: [DOCUMENTED.ticker],
      gives: { bid: 105_944.2, bidSize: 2.5, ask: 105_944.3, askSize: 3.2, timestamp: TICKED },
      at: Date.UTC(2023, 8, 25, 9, 4, 32),
    },
    {
      ...{ name: 'a ticker', kind: 'ticker', symbol: 'BTC/USD' },
      frames: [DOCUMENTED.ticker],
      gives: { last: 105_899.4, volume: 163.28908096, high: 106_613.1, timestamp: TICKED },
      at: Date.UTC(2023, 8, 25, 9, 4, 32),
    },
    {
      ...{ name: 'a candle of five minutes', kind: 'bar', symbol: 'MATIC/USD', interval: '5m' },
      frames: [DOCUMENTED.ohlc],
      gives: { interval: '5m', close: 0.5627, tradeCount: 12, final: false, timestamp: BEGUN },
      at: Date.UTC(2023, 9, 4, 16, 26, 31),
    },
    {
      ...{ name: 'a candle that is over', kind: 'bar', symbol: 'MATIC/USD', interval: '5m' },
      frames: [DOCUMENTED.ohlc],
      gives: { interval: '5m', close: 0.5627, final: true, revision: 0, timestamp: BEGUN },
      ...{ at: Date.UTC(2023, 9, 4, 16, 26, 31), withinMs: 300_000 },
    },
    {
      ...{ name: 'a book and its checksum', kind: 'book', symbol: 'MATIC/USD' },
      frames: [maticBook()],
      gives: {
        snapshot: true,
        bids: MATIC_BIDS().map(([p, s]) => [Number(p), Number(s)]),
        timestamp: '2023-10-06T17:35:55.440295Z',
      },
      at: Date.UTC(2023, 9, 6, 17, 35, 56),
    },
    {
      ...{ name: 'the state of a pair', kind: 'status', symbol: 'BTC/USD' },
      frames: [DOCUMENTED.instrument],
      gives: { statusCode: 'online', timestamp: 'received' },
    },
  ],
  malformed: {
    trade: [
      DOCUMENTED.trade.replace('105910.5', '"dear"'),
      DOCUMENTED.trade.replace('2023-09-25T07:49:37.708706Z', 'some day'),
      DOCUMENTED.trade.replace('"price":105910.5,', ''),
      DOCUMENTED.trade.replace('105910.5', '-5'),
      DOCUMENTED.trade.slice(0, -20),
    ],
    quote: [
      DOCUMENTED.ticker.replace('105944.2', '"dear"'),
      DOCUMENTED.ticker.replace('2.5', '-2.5'),
      DOCUMENTED.ticker.slice(0, -20),
    ],
    ticker: [
      DOCUMENTED.ticker.replace('105899.4', '"dear"'),
      DOCUMENTED.ticker.replace('2023-09-25T09:04:31.742648Z', 'some day'),
    ],
    bar: [
      DOCUMENTED.ohlc.replace('0.5624', '"dear"'),
      DOCUMENTED.ohlc.replace('"close":0.5627,', ''),
      DOCUMENTED.ohlc.replace('0.5628', '-0.5628'),
      DOCUMENTED.ohlc.replace('2023-10-04T16:25:00.000000000Z', 'some day'),
    ],
    book: [
      maticBook().replace('"price":0.5666,', '"price":"dear",'),
      maticBook().replace('"qty":4831.75496356', '"qty":-1'),
      maticBook().replace('"qty":4831.75496356', '"more":1'),
      maticBook().slice(0, -20),
    ],
    status: [
      DOCUMENTED.instrument.replace('"symbol":"BTC/USD",', ''),
      DOCUMENTED.instrument.replace('"status":"online",', ''),
      DOCUMENTED.instrument.slice(0, -20),
    ],
  },
  // The checksum is over ten levels of a side.
  books: { depth: 10, checked: true },
  excludes: {
    'a refused key ends it at once, for good, with a reason that names a way out':
      'capabilities.auth is none',
    'a key that nobody answers is tried again': 'capabilities.auth is none',
    'a slot that is taken is waited for, not stormed':
      'connection-limit cannot befall kraken: it has no plans',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall kraken: it speaks JSON only',
  },
}

function MATIC_BIDS() {
  return [
    ...([
      ['0.5666', '4831.75496356'],
      ['0.5665', '6658.22734739'],
    ] as const),
    ...([
      ['0.5664', '18724.91513344'],
      ['0.5663', '11563.92544914'],
    ] as const),
    ...([
      ['0.5662', '14006.65365711'],
      ['0.5661', '17454.85679807'],
    ] as const),
    ...([
      ['0.5660', '18097.15470000'],
      ['0.5659', '33644.89175666'],
    ] as const),
    ...([
      ['0.5658', '148.34640000'],
      ['0.5657', '606.70854372'],
    ] as const),
  ] as const
}

function maticBook(): string {
  const asks = [
    ...([
      ['0.5668', '4410.79769741'],
      ['0.5669', '4655.40412487'],
    ] as const),
    ...([
      ['0.5670', '49844.89424998'],
      ['0.5671', '24306.41678000'],
    ] as const),
    ...([
      ['0.5672', '29783.25223475'],
      ['0.5673', '57234.71239278'],
    ] as const),
    ...([
      ['0.5674', '45065.04744000'],
      ['0.5675', '5912.76380354'],
    ] as const),
    ...([
      ['0.5676', '42514.92434778'],
      ['0.5677', '36304.08470220'],
    ] as const),
  ] as const
  return bookFrame('MATIC/USD', 'snapshot', MATIC_BIDS(), asks, 2_439_117_997)
}
