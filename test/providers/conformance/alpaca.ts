import { createEvent } from '../../../src/market/events.ts'
import { alpaca } from '../../../src/providers/alpaca/index.ts'
import type { ProviderTraits, TradeFields } from '../../../src/testing/provider-suite.ts'
import { scriptedVenue } from '../../../src/testing/venue-scripted.ts'

const ALPACA_KEYS = { key: 'PKSUITE', secret: 'suite' }

const tapeTrade = ({ symbol, id, timestamp }: TradeFields) =>
  createEvent({
    ...{ type: 'trade', source: 'venue', symbol, timestamp, id, price: 100 + (id % 5) },
    ...{ size: 1 + (id % 3), exchange: 'V', conditions: ['@'], tape: 'C' },
  })

/** https://docs.alpaca.markets/docs/real-time-stock-pricing-data */
export const ALPACA_STOCKS: ProviderTraits = {
  make: ({ clock, observe }) => {
    const venue = scriptedVenue({ clock, observe, server: { slotMs: 0 } })
    const { openSocket, httpGet } = venue
    const provider = alpaca({ ...ALPACA_KEYS, codec: 'json', openSocket, httpGet, clock })
    return { venue, provider }
  },
  symbols: ['SPY', 'AAPL'],
  spellings: { spy: 'SPY', ' aapl ': 'AAPL', 'brk.b': 'BRK.B' },
  trade: tapeTrade,
  frames: [
    {
      ...{ name: 'a trade', kind: 'trade', symbol: 'AAPL' },
      frames: [
        '[{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}]',
      ],
      gives: {
        price: 126.55,
        size: 1,
        id: 96_921,
        exchange: 'D',
        conditions: ['@', 'I'],
        timestamp: '2021-02-22T15:51:44.208Z',
      },
      at: Date.UTC(2021, 1, 22, 15, 51, 45),
    },
    {
      ...{ name: 'a quote', kind: 'quote', symbol: 'AAPL' },
      frames: [
        '[{"T":"q","S":"AAPL","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}]',
      ],
      gives: {
        bid: 87.66,
        bidSize: 1,
        ask: 87.68,
        askSize: 4,
        timestamp: '2021-02-22T15:51:45.335689322Z',
      },
      at: Date.UTC(2021, 1, 22, 15, 51, 46),
    },
    {
      ...{ name: 'a bar', kind: 'bar', symbol: 'SPY' },
      frames: [
        '[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"t":"2021-02-22T19:15:00Z"}]',
      ],
      gives: {
        open: 388.985,
        high: 389.13,
        low: 388.975,
        close: 389.12,
        volume: 49_378,
        final: true,
        timestamp: Date.UTC(2021, 1, 22, 19, 15),
      },
      at: Date.UTC(2021, 1, 22, 19, 16),
    },
    {
      ...{ name: 'a status', kind: 'status', symbol: 'AAPL' },
      frames: [
        '[{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted; For information requested by NASDAQ","t":"2021-02-22T19:15:00Z","z":"C"}]',
      ],
      gives: { statusCode: 'H', timestamp: Date.UTC(2021, 1, 22, 19, 15) },
      at: Date.UTC(2021, 1, 22, 19, 16),
    },
    {
      ...{ name: 'price bands', kind: 'luld', symbol: 'AAPL' },
      frames: [
        '[{"T":"l","S":"AAPL","u":135.51,"d":129.07,"i":"B","t":"2021-02-22T19:15:00Z","z":"C"}]',
      ],
      gives: { timestamp: Date.UTC(2021, 1, 22, 19, 15) },
      at: Date.UTC(2021, 1, 22, 19, 16),
    },
    {
      ...{ name: 'an imbalance', kind: 'imbalance', symbol: 'AAPL' },
      frames: ['[{"T":"i","S":"AAPL","p":9.12,"z":"A","t":"2021-02-22T19:15:00Z"}]'],
      gives: { timestamp: Date.UTC(2021, 1, 22, 19, 15) },
      at: Date.UTC(2021, 1, 22, 19, 16),
    },
  ],
  without: { correction: 'comes with trades', cancel: 'comes with trades' },
  malformed: {
    trade: [
      '[{"T":"t","S":"SPY","i":1,"x":"V","p":"dear","s":1,"t":"2024-01-15T14:30:00Z"}]',
      '[{"T":"t","S":"SPY","i":1,"x":"V","p":100,"s":1,"t":"some day"}]',
      '[{"T":"t","S":"SPY","i":1,"x":"V","s":1,"t":"2024-01-15T14:30:00Z"}]',
      '[{"T":"t","S":"SPY","i":1,"x":"V","p":-5,"s":1,"t":"2024-01-15T14:30:00Z"}]',
    ],
    quote: [
      '[{"T":"q","S":"AAPL","bx":"U","bp":"dear","bs":1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45Z","c":["R"],"z":"C"}]',
      '[{"T":"q","S":"AAPL","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"c":["R"],"z":"C"}]',
      '[{"T":"q","S":"AAPL","bx":"U","bp":87.66,"bs":-1,"ax":"Q","ap":87.68,"as":4,"t":"2021-02-22T15:51:45Z","c":["R"],"z":"C"}]',
    ],
    bar: [
      '[{"T":"b","S":"SPY","o":"dear","h":389.13,"l":388.975,"c":389.12,"v":49378,"t":"2021-02-22T19:15:00Z"}]',
      '[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"v":49378,"t":"2021-02-22T19:15:00Z"}]',
    ],
    status: ['[{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","t":"some day","z":"C"}]'],
    luld: [
      '[{"T":"l","S":"AAPL","u":"dear","d":129.07,"i":"B","t":"2021-02-22T19:15:00Z","z":"C"}]',
    ],
    imbalance: ['[{"T":"i","S":"AAPL","p":"dear","z":"A","t":"2021-02-22T19:15:00Z"}]'],
  },
  excludes: {
    'what it does not carry is refused before it is asked': 'capabilities.kinds has luld',
    'a symbol the venue refuses is refused by name, and takes no other with it':
      'traits.unknown: the venue refuses no symbol',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    books: 'traits.books: it has none',
  },
}

/** The same in the other form it speaks; what frames say has been shown above. */
export const ALPACA_MSGPACK: ProviderTraits = {
  ...ALPACA_STOCKS,
  make: ({ clock, observe }) => {
    const venue = scriptedVenue({ clock, observe, server: { slotMs: 0 } })
    const { openSocket, httpGet } = venue
    return { venue, provider: alpaca({ ...ALPACA_KEYS, openSocket, httpGet, clock }) }
  },
  frames: [],
  without: Object.fromEntries(
    ['trade', 'quote', 'bar', 'status', 'luld', 'imbalance', 'correction', 'cancel'].map(kind => [
      kind,
      'shown as JSON',
    ]),
  ),
  malformed: { trade: [Uint8Array.from([0x91, 0x82, 0xa1]), Uint8Array.from([0xc1])] },
  excludes: {
    'what it does not carry is refused before it is asked': 'capabilities.kinds has luld',
    'a symbol the venue refuses is refused by name, and takes no other with it':
      'traits.unknown: the venue refuses no symbol',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    books: 'traits.books: it has none',
  },
}

/** https://docs.alpaca.markets/docs/real-time-crypto-pricing-data */
export const ALPACA_CRYPTO: ProviderTraits = {
  make: ({ clock, observe }) => {
    const venue = scriptedVenue({ clock, observe, server: { slotMs: 0 } })
    const { openSocket, httpGet } = venue
    const given = { ...ALPACA_KEYS, openSocket, httpGet, clock }
    return { venue, provider: alpaca({ market: 'crypto', codec: 'json', ...given }) }
  },
  symbols: ['BTC/USD', 'ETH/USD'],
  spellings: { 'btc/usd': 'BTC/USD' },
  frames: [
    {
      ...{ name: 'a trade', kind: 'trade', symbol: 'AVAX/USD' },
      frames: [
        '[{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z","i":3447222699101865076,"tks":"S"}]',
      ],
      gives: {
        price: 47.299,
        size: 29.205707815,
        id: '3447222699101865076',
        side: 'sell',
        timestamp: '2024-03-12T10:27:48.858228144Z',
      },
      at: Date.UTC(2024, 2, 12, 10, 27, 49),
    },
    {
      ...{ name: 'a quote', kind: 'quote', symbol: 'BAT/USD' },
      frames: [
        '[{"T":"q","S":"BAT/USD","bp":0.35718,"bs":13445.46,"ap":0.3581,"as":13561.902,"t":"2024-03-12T10:29:43.111588173Z"}]',
      ],
      gives: {
        bid: 0.35718,
        bidSize: 13_445.46,
        ask: 0.3581,
        askSize: 13_561.902,
        timestamp: '2024-03-12T10:29:43.111588173Z',
      },
      at: Date.UTC(2024, 2, 12, 10, 29, 44),
    },
    {
      ...{ name: 'a bar', kind: 'bar', symbol: 'BTC/USD' },
      frames: [
        '[{"T":"b","S":"BTC/USD","o":71856.1435,"h":71856.1435,"l":71856.1435,"c":71856.1435,"v":0,"t":"2024-03-12T10:37:00Z","n":0,"vw":0}]',
      ],
      gives: {
        open: 71_856.1435,
        close: 71_856.1435,
        volume: 0,
        final: true,
        timestamp: Date.UTC(2024, 2, 12, 10, 37),
      },
      at: Date.UTC(2024, 2, 12, 10, 38, 1),
    },
    {
      ...{ name: 'a whole book', kind: 'book', symbol: 'BTC/USD' },
      frames: [
        '[{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50.79613221Z","b":[{"p":71859.53,"s":0.27994},{"p":71849.4,"s":0.553986}],"a":[{"p":71939.7,"s":0.83953},{"p":71940.4,"s":0.28025}],"r":true}]',
      ],
      gives: {
        snapshot: true,
        bids: [
          [71_859.53, 0.27994],
          [71_849.4, 0.553986],
        ],
        timestamp: '2024-03-12T10:38:50.79613221Z',
      },
      at: Date.UTC(2024, 2, 12, 10, 38, 51),
    },
  ],
  malformed: {
    trade: [
      '[{"T":"t","S":"BTC/USD","p":"dear","s":1,"t":"2024-01-15T14:30:00Z","i":1,"tks":"S"}]',
      '[{"T":"t","S":"BTC/USD","p":1,"s":1,"t":"some day","i":1,"tks":"S"}]',
      '[{"T":"t","S":"BTC/USD","p":-1,"s":1,"t":"2024-01-15T14:30:00Z","i":1,"tks":"S"}]',
    ],
    quote: [
      '[{"T":"q","S":"BAT/USD","bp":"dear","bs":1,"ap":0.3581,"as":1,"t":"2024-03-12T10:29:43Z"}]',
      '[{"T":"q","S":"BAT/USD","bp":0.35718,"bs":-1,"ap":0.3581,"as":1,"t":"2024-03-12T10:29:43Z"}]',
      '[{"T":"q","S":"BAT/USD","bp":0.35718,"bs":1,"ap":0.3581,"as":1}]',
    ],
    bar: [
      '[{"T":"b","S":"BTC/USD","o":1,"h":1,"l":1,"c":"dear","v":0,"t":"2024-03-12T10:37:00Z"}]',
      '[{"T":"b","S":"BTC/USD","o":1,"h":1,"l":1,"c":1,"v":0,"t":"some day"}]',
    ],
    book: [
      '[{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50Z","b":[{"p":"dear","s":1}],"a":[],"r":true}]',
      '[{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50Z","b":[{"p":1,"s":-1}],"a":[],"r":true}]',
      '[{"T":"o","S":"BTC/USD","t":"2024-03-12T10:38:50Z","b":[{"p":1}],"a":[],"r":true}]',
    ],
  },
  books: { checked: false },
  excludes: {
    'a symbol the venue refuses is refused by name, and takes no other with it':
      'traits.unknown: the venue refuses no symbol',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
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
