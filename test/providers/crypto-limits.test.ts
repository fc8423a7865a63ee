// What these venues count by the address of the network: attempts to connect, and at Coinbase messages too.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { OpenSocket } from '../../src/base/socket.ts'
import { openFeed } from '../../src/feed/feed.ts'
import type { Provider } from '../../src/feed/provider.ts'
import { binance } from '../../src/providers/binance/index.ts'
import { coinbase } from '../../src/providers/coinbase/index.ts'
import { kraken } from '../../src/providers/kraken/index.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'
import { binanceVenue } from '../../src/testing/venue-binance.ts'
import { coinbaseVenue } from '../../src/testing/venue-coinbase.ts'
import type { ScriptedVenue } from '../../src/testing/venue-host.ts'
import { krakenVenue } from '../../src/testing/venue-kraken.ts'
import { NOON, tradeOf } from './crypto-kit.ts'

/** Most moments of these within any time of this length. */
function densest(moments: readonly number[], lengthMs: number): number {
  let [most, from] = [0, 0]
  for (let to = 0; to < moments.length; to++) {
    while (moments[to]! - moments[from]! >= lengthMs) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

function feedOf(clock: HandClock, provider: Provider) {
  const random = seededRandom(5)
  const feed = openFeed(provider, { clock, random, log: silentLog, leases: false })
  feed.done.catch(() => {})
  return feed
}

const many = (count: number, quote: string) =>
  Array.from({ length: count }, (_, i) => `C${i}/${quote}`)

type Make = (
  clock: HandClock,
  symbols: readonly string[],
) => { venue: ScriptedVenue; provider: Provider }

const VENUES: readonly {
  readonly name: string
  readonly symbols: readonly string[]
  readonly most: number
  readonly lengthMs: number
  readonly make: Make
}[] = [
  {
    ...{ name: 'Kraken', symbols: ['BTC/USD'], most: 150, lengthMs: 600_000 },
    make: clock => {
      const venue = krakenVenue({ clock })
      const { openSocket, httpGet } = venue
      return { venue, provider: kraken({ openSocket, httpGet, clock }) }
    },
  },
  {
    ...{ name: 'Binance', symbols: many(361, 'USDT'), most: 300, lengthMs: 300_000 },
    make: (clock, symbols) => {
      const venue = binanceVenue({ clock, server: { symbols } })
      const { openSocket, httpGet } = venue
      return { venue, provider: binance({ openSocket, httpGet, clock }) }
    },
  },
  {
    ...{ name: 'Coinbase', symbols: many(78, 'USD'), most: 8, lengthMs: 1_000 },
    make: (clock, symbols) => {
      const venue = coinbaseVenue({ clock, server: { symbols } })
      const { openSocket, httpGet } = venue
      return { venue, provider: coinbase({ openSocket, httpGet, clock }) }
    },
  },
]

describe('a venue that cuts each connection as soon as data flows', () => {
  for (const { name, symbols, most, lengthMs, make } of VENUES) {
    it(`is not attempted more often than ${name} takes it: ${most} times in ${lengthMs / 1_000} s`, async () => {
      const clock = handClock(NOON)
      const { venue, provider } = make(clock, symbols)
      const feed = feedOf(clock, provider)
      feed.subscribe({ trades: symbols }).catch(() => {})
      const attempts: number[] = []
      const stepMs = lengthMs / most / 2
      const moving = symbols.filter((_, i) => i % 10 === 0)
      let id = 0
      for (const end = NOON + 1.2 * lengthMs + 20_000; clock.now() < end; ) {
        const before = venue.attempts.length
        await clock.advance(stepMs)
        for (let i = before; i < venue.attempts.length; i++) attempts.push(clock.now())
        const now = Math.floor(clock.now())
        id++
        venue.deliver(moving.map(symbol => tradeOf(symbol, now, { id })))
        await clock.advance(1)
        venue.inject({ fault: 'cut' })
      }
      assert.ok(attempts.length > 20, `it goes on trying: ${attempts.length}`)
      const found = densest(attempts, lengthMs)
      assert.ok(found <= most, `${found} attempts`)
      const closed = feed.close()
      await clock.advance(10_000)
      await closed
      await venue.close()
    })
  }
})

it('as many connections as Coinbase is asked by send no more together than it takes from an address', async () => {
  const clock = handClock(NOON)
  const symbols = many(78, 'USD')
  const venue = coinbaseVenue({ clock, server: { symbols } })
  const sent: number[] = []
  const openSocket: OpenSocket = (request, events, other) => {
    const socket = venue.openSocket(request, events, other)
    const { send } = socket
    return Object.assign(socket, {
      send: (data: Parameters<typeof send>[0]) => {
        sent.push(clock.now())
        send(data)
      },
    })
  }
  const feed = feedOf(clock, coinbase({ openSocket, httpGet: venue.httpGet, clock }))
  const all = { trades: symbols, quotes: symbols, books: symbols, tickers: symbols }
  feed.subscribe(all).catch(() => {})
  await clock.advance(30_000)
  assert.equal(venue.openConnections(), 8)
  assert.equal(feed.stats().topics.acknowledged, 4 * symbols.length)
  venue.inject({ fault: 'restart', for: '2s' })
  await clock.advance(60_000)
  assert.equal(feed.stats().topics.acknowledged, 4 * symbols.length)
  const found = densest(sent, 1_000)
  assert.ok(found <= 8, `${found} messages in a second`)
  const closed = feed.close()
  await clock.advance(10_000)
  await closed
  await venue.close()
})
