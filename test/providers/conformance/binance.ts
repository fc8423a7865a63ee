import { binance } from '../../../src/providers/binance/index.ts'
import type { ProviderTraits } from '../../../src/testing/provider-suite.ts'
import { binanceVenue } from '../../../src/testing/venue-binance.ts'

const BINANCE_TRADE =
  '{"stream":"btcusdt@trade","data":{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"27123.45000000","q":"0.01000000","T":1672515782135,"m":true,"M":true}}'
const QUOTE =
  '{"stream":"btcusdt@bookTicker","data":{"u":400900217,"s":"BTCUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}}'
const CANDLE =
  '{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1672515782136,"s":"BTCUSDT","k":{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0010","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}}'
const TICKER =
  '{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1672515782136,"s":"BTCUSDT","p":"-0.0015","P":"-250.00","w":"0.0018","x":"0.0009","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026","A":"100","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","O":0,"C":86400000,"F":0,"L":18150,"n":18151}}'
const DEPTH =
  '{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1672515782136,"s":"BTCUSDT","U":1,"u":3,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}}'

/** https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md */
export const BINANCE: ProviderTraits = {
  make: ({ clock, observe, symbols = [] }) => {
    const server = { symbols: ['BTC/USDT', 'ETH/USDT', ...symbols] }
    const venue = binanceVenue({ clock, observe, server })
    const { openSocket, httpGet } = venue
    return { venue, provider: binance({ openSocket, httpGet, clock }) }
  },
  symbols: ['BTC/USDT', 'ETH/USDT'],
  spellings: { btcusdt: 'BTC/USDT', 'eth-usdt': 'ETH/USDT' },
  unknown: 'FOO/USDT',
  many: index => `C${index}/USDT`,
  frames: [
    {
      ...{ name: 'a trade', kind: 'trade', symbol: 'BTC/USDT' },
      frames: [BINANCE_TRADE],
      gives: {
        price: 27_123.45,
        size: 0.01,
        id: 12_345,
        side: 'sell',
        timestamp: 1_672_515_782_135,
      },
      at: 1_672_515_782_200,
    },
    {
      ...{ name: 'a quote, which has no time', kind: 'quote', symbol: 'BTC/USDT' },
      frames: [QUOTE],
      gives: { bid: 25.3519, bidSize: 31.21, ask: 25.3652, askSize: 40.66, timestamp: 'received' },
    },
    {
      ...{ name: 'a candle', kind: 'bar', symbol: 'BTC/USDT' },
      // As documented but for the low, which stands above the open there.
      frames: [CANDLE],
      gives: {
        interval: '1m',
        open: 0.001,
        high: 0.0025,
        low: 0.001,
        close: 0.002,
        tradeCount: 100,
        final: false,
        timestamp: 1_672_515_780_000,
      },
      at: 1_672_515_782_200,
    },
    {
      ...{ name: 'a candle that is over', kind: 'bar', symbol: 'BTC/USDT' },
      frames: [CANDLE.replace('"x":false', '"x":true')],
      gives: { interval: '1m', close: 0.002, final: true, timestamp: 1_672_515_780_000 },
      at: 1_672_515_842_200,
    },
    {
      ...{ name: 'a ticker', kind: 'ticker', symbol: 'BTC/USDT' },
      frames: [TICKER],
      gives: {
        last: 0.0025,
        open: 0.001,
        high: 0.0025,
        low: 0.001,
        volume: 10_000,
        timestamp: 1_672_515_782_136,
      },
      at: 1_672_515_782_200,
    },
    {
      ...{ name: 'changes of a book', kind: 'book', symbol: 'BTC/USDT' },
      // With the first numbers behind the empty book of REST.
      frames: [DEPTH],
      gives: {
        snapshot: false,
        bids: [[0.0024, 10]],
        asks: [[0.0026, 100]],
        sequence: 3,
        timestamp: 1_672_515_782_136,
      },
      at: 1_672_515_782_200,
    },
  ],
  malformed: {
    trade: [
      BINANCE_TRADE.replace('"27123.45000000"', '"dear"'),
      BINANCE_TRADE.replace('"T":1672515782135', '"T":"some day"'),
      BINANCE_TRADE.replace('"p":"27123.45000000",', ''),
      BINANCE_TRADE.replace('27123.45', '-5'),
      BINANCE_TRADE.slice(0, -20),
    ],
    quote: [
      QUOTE.replace('25.35190000', 'dear'),
      QUOTE.replace('"b":"25.35190000",', ''),
      QUOTE.replace('31.21', '-31.21'),
      QUOTE.slice(0, -20),
    ],
    bar: [
      CANDLE.replace('"o":"0.0010"', '"o":"dear"'),
      CANDLE.replace('"c":"0.0020",', ''),
      CANDLE.replace('"h":"0.0025"', '"h":"-1"'),
      CANDLE.replace('"t":1672515780000', '"t":"some day"'),
    ],
    ticker: [
      TICKER.replace('"c":"0.0025"', '"c":"dear"'),
      TICKER.replace('"c":"0.0025",', ''),
      TICKER.replace('"E":1672515782136', '"E":"some day"'),
    ],
    book: [
      DEPTH.replace('"0.0024"', '"dear"'),
      DEPTH.replace('["0.0024","10"]', '["0.0024","-10"]'),
      DEPTH.replace('["0.0024","10"]', '["0.0024"]'),
      DEPTH.replace('"U":1,', ''),
    ],
  },
  books: { checked: true },
  excludes: {
    'a refused key ends it at once, for good, with a reason that names a way out':
      'capabilities.auth is none',
    'a key that nobody answers is tried again': 'capabilities.auth is none',
    'a slot that is taken is waited for, not stormed':
      'connection-limit cannot befall binance: it has no plans',
    'what the venue left out of its answer is asked for again':
      'partial-ack cannot befall binance: it answers a request as a whole',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall binance: it speaks JSON only',
    'a book after a fault is never wrong, and then right (bad-checksum)':
      'bad-checksum cannot befall binance: its books have no checksums',
  },
}
