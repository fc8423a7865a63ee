// Two crypto venues in one stream: the source stands on every event, notices too, whatever befalls one of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { union } from '../../src/feed/union.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { coinbase } from '../../src/providers/coinbase/index.ts'
import { kraken } from '../../src/providers/kraken/index.ts'
import { handClock } from '../../src/testing/clock.ts'
import { coinbaseVenue } from '../../src/testing/venue-coinbase.ts'
import { krakenVenue } from '../../src/testing/venue-kraken.ts'

test('one stream of Kraken and Coinbase says of each event where it is from', async () => {
  const clock = handClock()
  const settings = { clock, random: seededRandom(7), log: silentLog, leases: false } as const
  const venues = { kraken: krakenVenue({ clock }), coinbase: coinbaseVenue({ clock }) }
  const wired = ({ openSocket, httpGet }: (typeof venues)['kraken']) => ({
    ...{ openSocket, httpGet, clock },
  })
  const feeds = [
    openFeed(kraken(wired(venues.kraken)), settings),
    openFeed(coinbase(wired(venues.coinbase)), settings),
  ]
  const stream = union(feeds, { clock })
  const seen: MarketEvent[] = []
  const reading = (async () => {
    for await (const event of stream) seen.push(event)
  })()
  for (const feed of feeds) feed.subscribe({ trades: 'BTC/USD', books: 'BTC/USD' })
  await clock.advance(1_000)
  const ids = { kraken: 0, coinbase: 500 }
  const second = async () => {
    for (const name of ['kraken', 'coinbase'] as const) {
      const fields = { symbol: 'BTC/USD', source: 'venue', timestamp: Math.floor(clock.now()) }
      // The price says where it was made.
      const price = name === 'kraken' ? 100 : 200
      venues[name].deliver([
        createEvent({ type: 'trade', ...fields, price, size: 1, id: ++ids[name], side: 'buy' }),
        createEvent({
          ...{ type: 'book', ...fields, bids: [[price, ids[name]]], asks: [[price + 1, 1]] },
          snapshot: false,
        }),
      ])
      await clock.advance(500)
    }
  }
  for (let i = 0; i < 5; i++) await second()
  venues.kraken.inject({ fault: 'restart', for: '3s' })
  for (let i = 0; i < 60; i++) await second()
  await clock.advance(10_000)
  for (const feed of feeds) {
    const closed = feed.close()
    await clock.advance(2_000)
    await closed
  }
  await reading
  for (const [name, price, first] of [
    ['kraken', 100, 0],
    ['coinbase', 200, 500],
  ] as const) {
    const mine = seen.filter(({ source }) => source === name)
    const trades = mine.filter(event => event.type === 'trade')
    assert.ok(trades.every(event => event.price === price))
    assert.deepEqual(
      trades.map(({ id }) => Number(id)).sort((a, b) => a - b),
      Array.from({ length: 65 }, (_, i) => first + i + 1),
    )
    const books = mine.filter(event => event.type === 'book')
    assert.ok(books.length > 0)
    assert.ok(books.every(({ bids }) => bids.every(([level]) => level === price)))
  }
  const lost = seen.filter(event => event.type === 'notice' && event.notice === 'disconnected')
  // Those of the ends too.
  assert.ok(lost.some(({ source }) => source === 'kraken'))
  assert.deepEqual([...new Set(seen.map(({ source }) => source))].sort(), ['coinbase', 'kraken'])
  for (const venue of Object.values(venues)) await venue.close()
  assert.equal(clock.pending(), 0)
})
