// The official clients of vendors, as installed and unchanged, against the gateway, with data of other vendors: each hears
// exactly what is left, in its protocol's words, of what a native client hears.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { websocketClient as massiveSocket } from '@massive.com/client-js'
import { websocketClient as polygonSocket } from '@polygon.io/client-js'
import type { MarketEvent } from '../../src/market/events.ts'
import { projectAlpaca } from '../../src/providers/alpaca/project.ts'
import { PolygonDecoder } from '../../src/providers/polygon/codec.ts'
import { MARKETS, type PolygonMarket } from '../../src/providers/polygon/markets.ts'
import { projectPolygon } from '../../src/providers/polygon/project.ts'
import { event, openStreamGateway } from '../gateway/stream-kit.ts'
import { readingOf, reportsOf } from '../providers/polygon/record.ts'

const require = createRequire(import.meta.url)

type Fields = Record<string, unknown>

/** A client at work: what it has heard, in a form that can be compared. */
interface Opened {
  readonly heard: unknown[]
  close(): void
}

interface Vendor {
  readonly name: string
  open(url: string): Opened
  /** What of an event a client of this vendor is to hear; nothing where its protocol has no words. */
  expected(event: MarketEvent): unknown
  readonly hasBooks: boolean
}

const keys = { keyId: 'any', secretKey: 'key', secret: 'key' }

const lower = (given: object) =>
  Object.fromEntries(
    Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]),
  ) as Fields

/** What both of Alpaca's clients say of an event; their names differ in capitals and in a few words. */
function gistOf(given: object): unknown {
  const it = lower(given)
  const at = new Date(it.timestamp as string).getTime()
  const { symbol = it.s, price, size, id } = it
  if (it.bids) {
    const sides = [it.bids, it.asks].map(side =>
      (side as object[]).map(level => {
        if (Array.isArray(level)) return level
        const { price, size } = lower(level)
        return [price, size]
      }),
    )
    return [symbol, at, ...sides]
  }
  if ('bidprice' in it || 'bid' in it) {
    const sides = [it.bidprice ?? it.bid ?? 0, it.bidsize ?? 0, it.askprice ?? it.ask ?? 0]
    return [symbol, at, ...sides, it.asksize ?? 0]
  }
  if (price !== undefined) return [symbol, at, price, size, id]
  const prices = ['open', 'high', 'low', 'close'].map(name => it[name] ?? it[`${name}price`])
  return [symbol, at, ...prices, it.volume]
}

function subscribeAlpaca(stream: Record<string, (arg?: unknown) => void>, opened: Opened): Opened {
  for (const name of ['Trade', 'Quote', 'Bar', 'Orderbook']) {
    const on = stream[`on${name}`] ?? stream[`onCrypto${name}`]
    on!.call(stream, (it: Fields) => opened.heard.push(gistOf(it)))
  }
  stream.onConnect!(() => {
    stream.subscribeForTrades!(['BTC/USD', 'ETH/USD'])
    stream.subscribeForQuotes!(['BTC/USD'])
    stream.subscribeForBars!(['BTC/USD'])
    stream.subscribeForOrderbooks!(['BTC/USD'])
  })
  stream.connect!()
  return opened
}

const ALPACA = {
  expected(of: MarketEvent) {
    const left = projectAlpaca(of)
    return left && gistOf(left)
  },
  hasBooks: true,
}

/** Polygon's clients hand on the vendor's messages as they come. */
function polygon(name: string, make: typeof polygonSocket): Vendor {
  const market: PolygonMarket = 'crypto'
  return {
    name,
    open(url) {
      const socket = make('any', `${url}/polygon`)[market]() as unknown as {
        onmessage: (message: { data: string }) => void
        send(text: string): void
        close(): void
      }
      const decoder = new PolygonDecoder(readingOf(market))
      const heard: unknown[] = []
      socket.onmessage = ({ data }) => {
        const reports = reportsOf(decoder, data).filter(({ type }) => type !== 'control')
        heard.push(...reports.map(report => ({ ...report })))
        if (!data.includes('auth_success')) return
        const pairs = 'XT.BTC-USD,XT.ETH-USD,XQ.BTC-USD,XA.BTC-USD'
        socket.send(JSON.stringify({ action: 'subscribe', params: pairs }))
      }
      return { heard, close: () => socket.close() }
    },
    expected(of) {
      const left = projectPolygon(of, MARKETS[market])
      return left && { ...left, source: 'polygon', receivedAt: 1 }
    },
    hasBooks: false,
  }
}

const VENDORS: readonly Vendor[] = [
  {
    ...{ ...ALPACA, name: '@alpacahq/alpaca-trade-api 3.1.3' },
    open(url) {
      const Alpaca = require('alpaca-v3')
      const stream = new Alpaca(keys).crypto_stream_v1beta3
      stream.session.url = `${url}/alpaca/v1beta3/crypto/us`
      return subscribeAlpaca(stream, { heard: [], close: () => stream.disconnect() })
    },
  },
  {
    ...{ ...ALPACA, name: '@alpacahq/alpaca-trade-api 4.0.2' },
    open(url) {
      const { Alpaca } = require('alpaca-v4')
      const { marketData } = new Alpaca({ ...keys, paper: true })
      const stream = marketData.cryptoStream({ url: `${url}/alpaca/v1beta3/crypto/us` })
      return subscribeAlpaca(stream, { heard: [], close: () => stream.disconnect() })
    },
  },
  polygon('@polygon.io/client-js', polygonSocket),
  polygon('@massive.com/client-js', massiveSocket as unknown as typeof polygonSocket),
]

/** Events as an exchange has them: words no vendor knows, bars in the making, books, what has no message at all. */
function session(): MarketEvent[] {
  const [symbol, at] = ['BTC/USD', Date.UTC(2024, 0, 15, 14, 30)]
  const bar = { open: 1, high: 2.5, low: 0.5, close: 2, volume: 3.25, timestamp: at }
  const events: MarketEvent[] = []
  for (let i = 0; i < 50; i++) {
    const [price, size] = [71_000.5 + i, 0.25 + i / 1_000]
    events.push(
      event({ type: 'trade', symbol, price, size, id: 1_000 + i, exchange: 'kraken', side: 'buy' }),
      event({ type: 'trade', symbol: i % 2 ? 'ETH/USD' : 'SOL/USD', price, size, id: `k-${i}` }),
      event({ type: 'quote', symbol, bid: price, ask: price + 1, askSize: size, nanos: i }),
      event({ type: 'ticker', symbol, last: price }),
      event({ type: 'book', symbol, bids: [[price, size]], asks: [], snapshot: false }),
    )
  }
  for (const final of [false, true]) {
    events.push(event({ type: 'bar', symbol, interval: '1m', ...bar, revision: 0, final }))
  }
  events.push(event({ type: 'trade', symbol, price: 9, size: 9, id: 9 }))
  return events
}

describe('official clients at one gateway, on one upstream', () => {
  for (const vendor of VENDORS) {
    test(`${vendor.name} hears what is left of what the native client hears`, async () => {
      const kit = await openStreamGateway()
      const [book] = [
        event({ type: 'book', symbol: 'BTC/USD', bids: [[70_000, 1]], asks: [], snapshot: true }),
      ]
      kit.tape.append([book!])
      const opened = vendor.open(kit.gateway.url.replace('http', 'ws'))
      try {
        const pairs = ['trade:BTC/USD', 'trade:ETH/USD', 'quote:BTC/USD', 'bar@1m:BTC/USD']
        if (vendor.hasBooks) pairs.push('book:BTC/USD')
        await kit.until(() => pairs.every(pair => kit.feed.asked.includes(`+${pair}`)))
        const native = await kit.client()
        const kinds = ['trade', 'quote', 'bar', 'book', 'ticker'] as const
        await native.subscribe({ kinds: [...kinds], symbols: ['BTC/USD', 'ETH/USD'] })
        for (const part of [session(), session()]) kit.tape.append(part)
        await kit.until(() => native.events().length === 2 * 228)
        const expected = [...native.snapshot(), ...native.events()]
          .filter(it => (it.type !== 'quote' && it.type !== 'bar' ? true : it.symbol === 'BTC/USD'))
          .filter(it => it.type !== 'book' || vendor.hasBooks)
          .map(it => vendor.expected(it))
          .filter(it => it !== undefined)
        await kit.until(() => opened.heard.length >= expected.length)
        assert.deepEqual(opened.heard, expected)
        // What both want the venue was asked for once.
        assert.equal(new Set(kit.feed.asked).size, kit.feed.asked.length)
      } finally {
        opened.close()
        await kit.close()
      }
    })
  }
})
