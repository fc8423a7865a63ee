import type { ProtocolPeer, ProtocolSession } from '../../../src/flow/contracts.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import { type JsonConfigInput, json } from '../../../src/providers/json/index.ts'
import type { ProviderTraits } from '../../../src/testing/provider-suite.ts'
import { type PlainFloor, plainVenue } from '../../../src/testing/venue-plain.ts'

/** A vendor as data, its own dialect and none else's. */
const CONFIG = {
  ...{ id: 'vendor', title: 'A vendor', url: 'ws://vendor.test/' },
  subscribe: {
    message: { op: 'add', symbols: '{symbols}' },
    unsubscribe: { op: 'drop', symbols: '{symbols}' },
  },
  heartbeat: { send: { op: 'ping' }, every: '10s', within: '10s' },
  ignore: [{ t: 'pong' }],
  ack: { when: { t: 'added' }, symbols: 'symbols' },
  messages: [
    {
      ...{ kind: 'trade', when: { t: 'trade' }, symbol: 's', time: { path: 'at', unit: 'ms' } },
      fields: { price: 'p', size: 'v', id: 'n', side: 'side' },
    },
    {
      ...{ kind: 'book', when: { t: 'book' }, symbol: 's', time: { path: 'at', unit: 'ms' } },
      fields: { bids: { path: 'b' }, asks: { path: 'a' }, snapshot: true },
    },
  ],
} as unknown as JsonConfigInput

/** One client of the vendor. */
class Session implements ProtocolSession {
  readonly #symbols = new Set<string>()
  readonly #peer: ProtocolPeer
  readonly #floor: PlainFloor

  constructor(peer: ProtocolPeer, floor: PlainFloor) {
    this.#peer = peer
    this.#floor = floor
  }

  get topics(): Topic[] {
    return [...this.#symbols].map(symbol => ({ source: 'vendor', kind: 'trade', symbol }))
  }

  receive(data: Uint8Array): void {
    const { op, symbols = [] } = JSON.parse(Buffer.from(data).toString()) as {
      op: string
      symbols?: string[]
    }
    if (op === 'ping') this.#say({ t: 'pong' })
    else if (op === 'add') {
      for (const symbol of symbols) this.#symbols.add(symbol)
      this.#say({ t: 'added', symbols })
      for (const symbol of symbols) this.#book(symbol, Math.floor(this.#floor.clock.now()))
    } else for (const symbol of symbols) this.#symbols.delete(symbol)
  }

  deliver(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (!event.symbol || !this.#symbols.has(event.symbol)) continue
      const { symbol: s, timestamp: at } = event
      if (event.type === 'book') this.#book(s, at)
      else if (event.type === 'trade') {
        const { price: p, size: v, id: n, side } = event
        this.#say({ t: 'trade', s, at, p, v, n, side })
      }
    }
  }

  closed(): void {}

  #book(s: string, at: number): void {
    const book = this.#floor.book(s)
    if (book) this.#say({ t: 'book', s, at, b: book.bids, a: book.asks })
  }

  #say(message: object): void {
    this.#peer.send(JSON.stringify(message))
  }
}

const TRADE = '{"t":"trade","s":"AAPL","at":1705329000000,"p":190.5,"v":3,"n":7,"side":"sell"}'

export const JSON_VENDOR: ProviderTraits = {
  make: ({ clock, observe }) => {
    const venue = plainVenue('vendor', (peer, floor) => new Session(peer, floor), {
      ...{ clock, observe },
    })
    return { venue, provider: json(CONFIG, { openSocket: venue.openSocket }) }
  },
  symbols: ['AAPL', 'MSFT'],
  spellings: { aapl: 'AAPL' },
  frames: [
    {
      ...{ name: 'a trade', kind: 'trade', symbol: 'AAPL', frames: [TRADE] },
      gives: { price: 190.5, size: 3, id: 7, side: 'sell', timestamp: 1_705_329_000_000 },
    },
    {
      ...{ name: 'a book', kind: 'book', symbol: 'AAPL' },
      frames: ['{"t":"book","s":"AAPL","at":1705329000000,"b":[[190.4,2]],"a":[[190.6,1]]}'],
      gives: {
        ...{ snapshot: true, bids: [[190.4, 2]], asks: [[190.6, 1]] },
        timestamp: 1_705_329_000_000,
      },
    },
  ],
  malformed: {
    trade: [
      TRADE.replace('190.5', '"dear"'),
      TRADE.replace('"p":190.5,', ''),
      TRADE.replace('190.5', '-5'),
      TRADE.replace('1705329000000', '"some day"'),
      TRADE.slice(0, -20),
    ],
    book: [
      '{"t":"book","s":"AAPL","at":1705329000000,"b":[["dear",2]],"a":[[190.6,1]]}',
      '{"t":"book","s":"AAPL","at":1705329000000,"b":[[190.4,-2]],"a":[[190.6,1]]}',
      '{"t":"book","s":"AAPL","at":1705329000000,"b":7,"a":[[190.6,1]]}',
    ],
  },
  books: { checked: false },
  excludes: {
    'a symbol the venue refuses is refused by name, and takes no other with it':
      'traits.unknown: the venue refuses no symbol',
    'a refused key ends it at once, for good, with a reason that names a way out':
      'capabilities.auth is none',
    'a key that nobody answers is tried again': 'capabilities.auth is none',
    'a slot that is taken is waited for, not stormed':
      'connection-limit cannot befall vendor: it has no plans',
    'what the venue left out of its answer is asked for again':
      'partial-ack cannot befall vendor: its answers are not scripted',
    'a subscription refused for now is asked for again, without a storm':
      'symbol-limit cannot befall vendor: its answers are not scripted',
    'more symbols than a connection carries are spread, each on one':
      'capabilities.limits: one connection carries all symbols',
    'damaged frames are counted, and what comes behind them is right (truncated-msgpack)':
      'truncated-msgpack cannot befall vendor: it speaks JSON only',
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
