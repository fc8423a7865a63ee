import type { OpenSocket, SocketEvents } from '../../../src/base/socket.ts'
import { coinbase } from '../../../src/providers/coinbase/index.ts'
import type { ProviderFixture, ProviderTraits } from '../../../src/testing/provider-suite.ts'
import { coinbaseVenue } from '../../../src/testing/venue-coinbase.ts'
import type { ScriptedVenue } from '../../../src/testing/venue-host.ts'

/** The number of the last frame of each venue. */
const last = new WeakMap<ScriptedVenue, number>()

/** The venue's transport; what number its frames have come to is kept. */
function listening(venue: ScriptedVenue): OpenSocket {
  return (request, events, clock) => {
    const frame: SocketEvents['frame'] = (data, binary, receivedAt) => {
      const [, number] = /"sequence_num":(\d+)/.exec(Buffer.from(data).toString()) ?? []
      if (number !== undefined) last.set(venue, Number(number))
      events.frame(data, binary, receivedAt)
    }
    return venue.openSocket(request, { ...events, frame }, clock)
  }
}

/** A frame with the number that is next; one out of order is no news. */
const numbered =
  (frame: string) =>
  ({ venue }: ProviderFixture) =>
    frame.replace(/"sequence_num":\d+/, `"sequence_num":${(last.get(venue) ?? -1) + 1}`)

const COINBASE_TRADES =
  '{"channel":"market_trades","timestamp":"2025-12-31T06:00:13.715382929Z","sequence_num":1854,"events":[{"type":"update","trades":[{"trade_id":"929248663","product_id":"BTC-USD","price":"88355.58","size":"0.00003338","side":"BUY","time":"2025-12-31T06:00:13.654578Z"}]}]}'

const TICKER =
  '{"channel":"ticker","timestamp":"2026-04-07T14:30:03.000000000Z","sequence_num":12,"events":[{"type":"snapshot","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"68900.50","volume_24_h":"15328.12345678","low_24_h":"67500.00","high_24_h":"69200.00","low_52_w":"25000.00","high_52_w":"73800.00","price_percent_chg_24_h":"-1.85","best_bid":"68900.00","best_bid_quantity":"1.50000000","best_ask":"68901.00","best_ask_quantity":"0.50000000"}]}]}'
const CANDLE =
  '{"channel":"candles","timestamp":"2026-04-07T14:30:05.000000000Z","sequence_num":3,"events":[{"type":"update","candles":[{"start":"1775572200","high":"68950.00","low":"68850.00","open":"68900.00","close":"68920.50","volume":"42.15000000","product_id":"BTC-USD"}]}]}'
const LEVELS =
  '{"channel":"l2_data","timestamp":"2026-04-07T14:30:00.123456789Z","sequence_num":1,"events":[{"type":"snapshot","product_id":"BTC-USD","updates":[{"side":"bid","event_time":"1970-01-01T00:00:00Z","price_level":"68900.00","new_quantity":"1.5"},{"side":"offer","event_time":"1970-01-01T00:00:00Z","price_level":"68901.00","new_quantity":"0.5"}]}]}'
const BEGUN = 1_775_572_200_000
const LISTED = '2026-04-07T14:30:00.123456789Z'

const LEVELS_SPOILT = [
  LEVELS.replace('"68900.00"', '"dear"'),
  LEVELS.replace('"new_quantity":"1.5"', '"new_quantity":"-1"'),
  LEVELS.replace(',"new_quantity":"1.5"', ''),
  LEVELS.replace('"side":"bid"', '"side":"neither"'),
]

/** https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels */
export const COINBASE: ProviderTraits = {
  make: ({ clock, observe, symbols = [] }) => {
    const server = { symbols: ['BTC/USD', 'ETH/USD', ...symbols] }
    const venue = coinbaseVenue({ clock, observe, server })
    const { httpGet } = venue
    const openSocket = listening(venue)
    return { venue, provider: coinbase({ openSocket, httpGet, clock }) }
  },
  many: index => `C${index}/USD`,
  symbols: ['BTC/USD', 'ETH/USD'],
  spellings: { 'btc-usd': 'BTC/USD', 'eth/usd': 'ETH/USD' },
  unknown: 'FOO/USD',
  frames: [
    {
      ...{ name: 'a trade: the taker took the other side', kind: 'trade', symbol: 'BTC/USD' },
      frames: [numbered(COINBASE_TRADES)],
      gives: {
        price: 88_355.58,
        size: 0.00003338,
        id: 929_248_663,
        side: 'sell',
        timestamp: '2025-12-31T06:00:13.654578Z',
      },
      at: Date.UTC(2025, 11, 31, 6, 0, 14),
    },
    {
      ...{ name: 'a ticker', kind: 'ticker', symbol: 'BTC/USD' },
      frames: [numbered(TICKER)],
      gives: {
        last: 68_900.5,
        volume: 15_328.12345678,
        low: 67_500,
        timestamp: '2026-04-07T14:30:03Z',
      },
      at: Date.UTC(2026, 3, 7, 14, 30, 4),
    },
    {
      ...{ name: 'a candle of five minutes', kind: 'bar', symbol: 'BTC/USD', interval: '5m' },
      frames: [numbered(CANDLE)],
      gives: { interval: '5m', open: 68_900, close: 68_920.5, final: false, timestamp: BEGUN },
      at: Date.UTC(2026, 3, 7, 14, 30, 6),
    },
    {
      ...{ name: 'a candle that is over', kind: 'bar', symbol: 'BTC/USD', interval: '5m' },
      frames: [numbered(CANDLE)],
      gives: { interval: '5m', close: 68_920.5, final: true, timestamp: BEGUN },
      ...{ at: Date.UTC(2026, 3, 7, 14, 30, 6), withinMs: 310_000 },
    },
    ...(['book', 'quote'] as const).map(kind => ({
      ...{ name: `a whole book, as a ${kind}`, kind, symbol: 'BTC/USD' },
      frames: [numbered(LEVELS)],
      gives:
        kind === 'book'
          ? { snapshot: true, bids: [[68_900, 1.5]], asks: [[68_901, 0.5]], timestamp: LISTED }
          : { bid: 68_900, bidSize: 1.5, ask: 68_901, askSize: 0.5, timestamp: LISTED },
      at: Date.UTC(2026, 3, 7, 14, 30, 1),
    })),
  ],
  malformed: {
    trade: [
      COINBASE_TRADES.replace('"88355.58"', '"dear"'),
      COINBASE_TRADES.replace('"time":"2025-12-31T06:00:13.654578Z"', '"time":"some day"'),
      COINBASE_TRADES.replace('"price":"88355.58",', ''),
      COINBASE_TRADES.replace('88355.58', '-5'),
      COINBASE_TRADES.slice(0, -20),
    ].map(numbered),
    ticker: [
      TICKER.replace('"68900.50"', '"dear"'),
      TICKER.replace('"price":"68900.50",', ''),
      TICKER.replace('68900.50', '-5'),
      TICKER.slice(0, -20),
    ].map(numbered),
    bar: [
      CANDLE.replace('"68950.00"', '"dear"'),
      CANDLE.replace('"close":"68920.50",', ''),
      CANDLE.replace('"start":"1775572200"', '"start":"some day"'),
      CANDLE.replace('68850', '-5'),
    ].map(numbered),
    ...{ book: LEVELS_SPOILT.map(numbered), quote: LEVELS_SPOILT.map(numbered) },
  },
  books: { checked: true },
  excludes: {
    'a refused key ends it at once, for good, with a reason that names a way out':
      'capabilities.auth is none',
    'a key that nobody answers is tried again': 'capabilities.auth is none',
    'a slot that is taken is waited for, not stormed':
      'connection-limit cannot befall coinbase: it has no plans',
    'what the venue left out of its answer is asked for again':
      'partial-ack cannot befall coinbase: it refuses a request or grants it',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall coinbase: it speaks JSON only',
    'a book after a fault is never wrong, and then right (bad-checksum)':
      'bad-checksum cannot befall coinbase: its books have no checksums',
  },
}
