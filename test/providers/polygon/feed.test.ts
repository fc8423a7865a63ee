// A feed of Polygon's on a scripted venue in memory, with a clock turned by hand.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type FeedOptions, openFeed } from '../../../src/feed/feed.ts'
import {
  createEvent,
  hasFlag,
  type MarketEvent,
  type Notice,
  type Quote,
  type Trade,
} from '../../../src/market/events.ts'
import { type PolygonOptions, polygon } from '../../../src/providers/polygon/index.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { type PolygonVenueOptions, polygonVenue } from '../../../src/testing/venue-polygon.ts'

const OPEN = Date.UTC(2024, 0, 15, 14, 30)

interface KitOptions {
  readonly venue?: PolygonVenueOptions
  readonly polygon?: PolygonOptions
  readonly feed?: FeedOptions
}

function kit(options: KitOptions = {}) {
  const clock = handClock(OPEN)
  const venue = polygonVenue({ clock, ...options.venue })
  const { openSocket, httpGet } = venue
  const provider = polygon({ key: 'KEY', openSocket, httpGet, clock, ...options.polygon })
  const feed = openFeed(provider, {
    ...{ clock, random: seededRandom(7), log: silentLog, leases: false, ...options.feed },
  })
  const notices: Notice[] = []
  const seen: MarketEvent[] = []
  feed.on('notice', notice => notices.push(notice))
  let failure: unknown
  feed.done.catch(error => {
    failure = error
  })
  let ids = 0
  return {
    ...{ clock, venue, feed, notices, seen },
    get failure() {
      return failure as { code: string; message: string; hint?: string } | undefined
    },
    get ids() {
      return ids
    },
    names: () => notices.map(({ notice }) => notice),
    trade: (symbol: string, fields: object = {}) =>
      createEvent({
        ...{ type: 'trade', symbol, source: 'venue', price: 100 + ++ids / 100, size: 10, id: ids },
        ...{
          exchange: '11',
          conditions: ['12'],
          tape: 'C',
          timestamp: clock.now(),
          nanos: 123_456,
        },
        ...fields,
      }) as Trade,
    quote: (symbol: string, fields: object = {}) =>
      createEvent({
        ...{ type: 'quote', symbol, source: 'venue', bid: 100 + ++ids / 100, bidSize: 1, ask: 200 },
        ...{ askSize: 2, bidExchange: '11', askExchange: '12', tape: 'C', timestamp: clock.now() },
        ...{ nanos: 654_321, ...fields },
      }) as Quote,
    keep: (event: MarketEvent) => {
      seen.push(event)
    },
    async end() {
      const closed = feed.close()
      await clock.advance(2_000)
      await closed
      await venue.close()
    },
  }
}

describe('a feed', () => {
  test('connects, authenticates, subscribes and delivers', async () => {
    const one = kit()
    one.feed.trades(['AAPL', 'BRK.B'], one.keep)
    one.feed.quotes('AAPL', one.keep)
    one.feed.bars('AAPL', one.keep)
    await one.clock.advance(100)
    const [connection] = one.venue.connections
    assert.deepEqual(connection?.subscribed, {
      ...{ T: ['AAPL', 'BRK.B'], Q: ['AAPL'], AM: ['AAPL'] },
    })
    const sent = [one.trade('AAPL'), one.quote('AAPL'), one.trade('BRK.B'), one.trade('MSFT')]
    one.venue.deliver(sent)
    await one.clock.advance(10)
    assert.deepEqual(
      one.seen.map(({ type, symbol }) => `${type} ${symbol}`),
      ['trade AAPL', 'quote AAPL', 'trade BRK.B'],
    )
    const [trade] = one.seen as Trade[]
    assert.deepEqual([trade?.price, trade?.id, trade?.exchange], [100.01, 1, '11'])
    assert.deepEqual(one.names().slice(0, 2), ['connected', 'subscribed'])
    await one.end()
  })

  test('asks for all symbols at once where the channel has that', async () => {
    const one = kit()
    one.feed.trades('*', one.keep)
    await one.clock.advance(100)
    assert.deepEqual(one.venue.connections[0]?.subscribed, { T: ['*'] })
    one.venue.deliver([one.trade('AAPL'), one.trade('MSFT')])
    await one.clock.advance(10)
    assert.equal(one.seen.length, 2)
    await one.end()
    const options = kit({ polygon: { market: 'options' } })
    await assert.rejects(async () => options.feed.subscribe({ quotes: '*' }), {
      code: 'UNSUPPORTED',
    })
    await options.end()
  })

  for (const [market, kind, symbol] of [
    ['options', 'trades', 'SPY251219C00650000'],
    ['crypto', 'trades', 'BTC/USD'],
    ['forex', 'quotes', 'EUR/USD'],
  ] as const) {
    test(`of ${market} has ${symbol}`, async () => {
      const one = kit({ polygon: { market } })
      if (kind === 'trades') one.feed.trades(symbol, one.keep)
      else one.feed.quotes(symbol, one.keep)
      await one.clock.advance(100)
      one.venue.deliver([
        kind === 'trades' ? one.trade(symbol) : one.quote(symbol),
        one.trade('AAPL'),
      ])
      await one.clock.advance(10)
      assert.deepEqual(
        one.seen.map(event => event.symbol),
        [symbol],
      )
      await one.end()
    })
  }

  test('flags what is late', async () => {
    const one = kit({ polygon: { feed: 'delayed' } })
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(100)
    one.venue.deliver([one.trade('AAPL', { timestamp: OPEN - 900_000 })])
    await one.clock.advance(10)
    assert.ok(hasFlag(one.seen[0]!, 'delayed'))
    await one.end()
  })

  test('subscribes anew after a cut, and fills the hole from history without repeats', async () => {
    const one = kit()
    one.feed.trades('AAPL', one.keep)
    one.feed.quotes('AAPL', one.keep)
    await one.clock.advance(100)
    for (let i = 0; i < 3; i++) {
      one.venue.deliver([one.trade('AAPL'), one.quote('AAPL')])
      await one.clock.advance(1_000)
    }
    one.venue.inject({ fault: 'cut' })
    // Missed.
    one.venue.deliver([one.trade('AAPL'), one.quote('AAPL')])
    for (let i = 0; i < 20; i++) {
      await one.clock.advance(1_000)
      one.venue.deliver([one.trade('AAPL'), one.quote('AAPL')])
    }
    await one.clock.advance(5_000)
    const prices = (type: 'trade' | 'quote') =>
      one.seen
        .filter(event => event.type === type)
        .map(event => (event as Trade).id ?? (event as Quote).bid)
    assert.equal(prices('trade').length, 24, 'each trade once')
    assert.equal(new Set(prices('trade')).size, 24)
    assert.equal(prices('quote').length, 24, 'each quote once, though history has its nanoseconds')
    assert.equal(new Set(prices('quote')).size, 24)
    assert.ok(one.names().includes('repaired'))
    assert.ok(one.seen.some(event => hasFlag(event, 'repaired')))
    await one.end()
  })

  test('asks for a pair again that the venue has passed over in silence', async () => {
    const one = kit()
    one.venue.inject({ fault: 'partial-ack', omit: 1 })
    one.feed.trades(['AAPL', 'MSFT'], one.keep)
    await one.clock.advance(3_000)
    assert.deepEqual(one.venue.connections[0]?.subscribed, { T: ['AAPL'] })
    await one.clock.advance(30_000)
    assert.deepEqual(one.venue.connections[0]?.subscribed, { T: ['AAPL', 'MSFT'] })
    assert.equal(one.venue.attempts.length, 1)
    await one.end()
  })

  test('counts and passes over what is wrong, and goes on', async () => {
    const one = kit()
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(100)
    one.venue.send('[{"ev":"T","sym":"AAPL","p":0,"s":1,"t":1}]', 'nonsense', '[{"ev":"NEW"}]')
    one.venue.inject({ fault: 'corrupt-json' })
    one.venue.deliver([one.trade('AAPL')])
    one.venue.deliver([one.trade('AAPL')])
    await one.clock.advance(10_000)
    assert.equal(one.failure, undefined)
    assert.equal(one.venue.attempts.length, 1)
    assert.equal(one.feed.stats().malformed, 3)
    assert.ok(one.seen.length >= 1)
    assert.ok(one.seen.every(event => (event as Trade).price > 100))
    await one.end()
  })

  test('finds a connection that answers nothing any more', async () => {
    const one = kit()
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(100)
    one.venue.inject({ fault: 'stall', for: '10m' })
    await one.clock.advance(40_000)
    assert.equal(one.venue.attempts.length, 2)
    assert.ok(one.notices.some(({ code }) => code === 'MUTE'))
    await one.end()
  })
})

describe('refusals', () => {
  test('a bad key ends the feed at the first attempt', async () => {
    const one = kit({ venue: { server: { accounts: { OTHER: {} } } } })
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(120_000)
    assert.equal(one.failure?.code, 'AUTH_FAILED')
    assert.match(one.failure?.hint ?? '', /dashboard/)
    assert.equal(one.venue.attempts.length, 1, 'nothing retries what cannot succeed')
    await one.venue.close()
  })

  test('a plan without a stream of the market ends it too, and says so', async () => {
    const one = kit({ venue: { server: { plan: { markets: ['crypto'] } } } })
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(120_000)
    assert.equal(one.failure?.code, 'NOT_ENTITLED')
    assert.match(one.failure?.hint ?? '', /no stream of stocks/)
    assert.equal(one.venue.attempts.length, 1)
    await one.venue.close()
  })

  test('a plan for late data only is shown the way to the late host', async () => {
    const one = kit({ venue: { server: { plan: { delayedOnly: true } } } })
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(120_000)
    assert.equal(one.failure?.code, 'NOT_ENTITLED')
    assert.match(one.failure?.hint ?? '', /feed 'delayed'/)
    assert.equal(one.venue.attempts.length, 1)
    await one.venue.close()
  })

  test('a channel the plan lacks is refused by name, once; the others come', async () => {
    const one = kit({ venue: { server: { plan: { channels: ['AM', 'T'] } } } })
    one.feed.quotes(['AAPL', 'MSFT'], one.keep)
    one.feed.trades(['AAPL', 'MSFT'], one.keep)
    one.feed.bars('AAPL', one.keep)
    await one.clock.advance(60_000)
    assert.deepEqual(one.venue.connections[0]?.subscribed, { T: ['AAPL', 'MSFT'], AM: ['AAPL'] })
    const refused = one.notices.filter(({ notice }) => notice === 'rejected')
    assert.deepEqual(
      refused.map(({ symbol, kind, code }) => `${symbol} ${kind} ${code}`),
      ['AAPL quote NOT_ENTITLED', 'MSFT quote NOT_ENTITLED'],
    )
    one.venue.deliver([one.trade('AAPL'), one.quote('AAPL')])
    await one.clock.advance(10)
    assert.equal(one.seen.length, 1)
    assert.equal(one.failure, undefined)
    await one.end()
  })

  test('two programs with one key do not throw each other off in a storm', async () => {
    const one = kit({ venue: { server: { evicts: 'newest' }, faults: [] } })
    const other = polygon({ key: 'KEY', openSocket: one.venue.openSocket, clock: one.clock })
    const rival = openFeed(other, { clock: one.clock, log: silentLog, leases: false })
    rival.done.catch(() => {})
    rival.trades('MSFT', () => {})
    await one.clock.advance(100)
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(10 * 60_000)
    // The first, and at most one a minute since.
    assert.ok(one.venue.attempts.length <= 12, String(one.venue.attempts.length))
    assert.ok(one.venue.attempts.length >= 4)
    assert.ok(one.notices.some(({ code }) => code === 'CONNECTION_LIMIT'))
    const closed = rival.close()
    await one.clock.advance(2_000)
    await closed
    await one.end()
  })

  test('a key nobody asks for in time, and a venue that says nothing, are tried again', async () => {
    const one = kit()
    one.venue.inject({ fault: 'auth-timeout' })
    one.feed.trades('AAPL', one.keep)
    await one.clock.advance(30_000)
    assert.equal(one.venue.attempts.length, 2)
    assert.deepEqual(one.venue.connections[0]?.subscribed, { T: ['AAPL'] })
    await one.end()
  })
})
