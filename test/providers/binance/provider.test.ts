// The stream end to end: what is asked, what is refused, limits, keepalive, cuts, rotation.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import type { OpenSocket, SocketEvents } from '../../../src/base/socket.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { type BinanceOptions, binance } from '../../../src/providers/binance/index.ts'
import { binanceVerdict } from '../../../src/providers/binance/replies.ts'
import type { BinanceScript } from '../../../src/providers/binance/server-session.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { binanceVenue } from '../../../src/testing/venue-binance.ts'
import { NOON, tradeOf } from '../crypto-kit.ts'
import { liveKit } from './kit.ts'

const BTC = 'BTC/USDT'

describe('the stream', () => {
  it('carries every kind, in microseconds, from one connection without a key', async () => {
    const { clock, server, venue, feed, end } = liveKit()
    const seen: MarketEvent[] = []
    feed.on('*', event => {
      if (event.type !== 'notice') seen.push(event)
    })
    const asked = feed.subscribe({ trades: BTC, quotes: BTC, tickers: BTC, bars: BTC })
    await clock.advance(1_500)
    assert.equal((await asked).accepted.length, 4)
    assert.deepEqual(venue.opened, ['/ws?timeUnit=MICROSECOND'])
    assert.deepEqual(
      [...server.sessions[0]!.streams],
      ['btcusdt@trade', 'btcusdt@bookTicker', 'btcusdt@ticker', 'btcusdt@kline_1m'],
    )
    const common = { symbol: BTC, source: 'venue', timestamp: NOON + 1_000 }
    server.deliver([
      tradeOf(BTC, NOON + 1_000, { nanos: 123_000 }),
      createEvent({ ...common, type: 'quote', bid: 1, bidSize: 2, ask: 3, askSize: 4 }),
      createEvent({ ...common, type: 'ticker', last: 5, volume: 6, vwap: 4.5 }),
      createEvent({
        ...{ ...common, type: 'bar', timestamp: NOON - 60_000, interval: '1m', open: 1, high: 3 },
        ...{ low: 1, close: 2, volume: 4, vwap: 2, tradeCount: 3, final: true, revision: 0 },
      }),
    ])
    await clock.advance(10)
    assert.deepEqual(
      seen.map(({ type }) => type),
      ['trade', 'quote', 'ticker', 'bar'],
    )
    assert.equal(seen[0]!.nanos, 123_000)
    assert.deepEqual((seen[3] as { vwap?: number }).vwap, 2)
    await end()
  })

  it('asks for many streams in few messages, below the pace of the venue', async () => {
    const symbols = Array.from({ length: 120 }, (_, i) => `C${i}/USDT`)
    const { clock, server, feed, end } = liveKit({ server: { symbols } })
    const asked = feed.subscribe({ trades: symbols, quotes: symbols })
    for (const symbol of symbols) feed.subscribe({ tickers: symbol }).catch(() => {})
    await clock.advance(120_000)
    assert.equal((await asked).accepted.length, 240)
    assert.equal(server.sessions.length, 1, 'nobody was thrown off')
    assert.equal(server.sessions[0]!.streams.size, 360)
    assert.equal(feed.stats().connects, 1)
    await end()
  })

  it('refuses a pair the venue confirms and does not have, and no other', async () => {
    const { clock, feed, notices, end } = liveKit()
    const asked = feed.subscribe({ trades: [BTC, 'ETH/USDT', 'NO/USDT'] })
    await clock.advance(5_000)
    await asked
    const refused = notices.filter(({ notice }) => notice === 'rejected')
    assert.deepEqual(
      refused.map(({ symbol, code }) => [symbol, code]),
      [['NO/USDT', 'UNKNOWN_SYMBOL']],
    )
    assert.deepEqual(feed.stats().topics, { wanted: 0, sent: 0, acknowledged: 2, rejected: 1 })
    await end()
  })

  it('halves a request that is refused without a name until what is at fault stands alone', async () => {
    const bad = 'ethusdt@trade'
    const script: BinanceScript = {
      answer: (_session, method, params) =>
        method === 'SUBSCRIBE' && params.includes(bad)
          ? { code: 2, msg: 'Invalid request: invalid stream' }
          : undefined,
    }
    const symbols = [BTC, 'ETH/USDT', 'SOL/USDT', 'XRP/USDT']
    const { clock, feed, end } = liveKit({ server: { script, symbols } })
    const asked = feed.subscribe({ trades: symbols })
    await clock.advance(4_000)
    const { accepted, rejected } = await asked
    assert.deepEqual(accepted.map(({ symbol }) => symbol).sort(), [BTC, 'SOL/USDT', 'XRP/USDT'])
    assert.deepEqual(
      rejected.map(({ topic, reason }) => [topic.symbol, reason.code]),
      [['ETH/USDT', 'BAD_REQUEST']],
    )
    await end()
  })

  it('lets go of a stream nobody needs any more, and of no other', async () => {
    const { clock, server, feed, end } = liveKit()
    await Promise.all([feed.subscribe({ trades: BTC, bars: BTC }), clock.advance(2_000)])
    feed.unsubscribe({ trades: BTC })
    await clock.advance(2_000)
    assert.deepEqual([...server.sessions[0]!.streams], ['btcusdt@kline_1m'])
    await end()
  })

  it('fills what a cut has cost from REST, without a hole or a repeat', async () => {
    const { clock, server, venue, feed, end, said } = liveKit()
    const ids: unknown[] = []
    feed.trades(BTC, trade => {
      ids.push(trade.id)
    })
    await clock.advance(1_000)
    let id = 0
    const tick = async (count: number) => {
      for (let i = 0; i < count; i++) {
        server.deliver([tradeOf(BTC, Math.floor(clock.now()), { id: ++id })])
        await clock.advance(100)
      }
    }
    await tick(20)
    venue.cut()
    await tick(30)
    await clock.advance(5_000)
    await tick(10)
    await clock.advance(10_000)
    assert.deepEqual(
      ids,
      Array.from({ length: 60 }, (_, i) => i + 1),
    )
    assert.equal(said('repaired').length, 1)
    await end()
  })

  it('goes over to another connection when its server is about to go away', async () => {
    const { clock, server, venue, feed, end } = liveKit()
    await Promise.all([feed.subscribe({ trades: BTC }), clock.advance(2_000)])
    server.shutdown()
    await clock.advance(5_000)
    assert.equal(venue.opened.length, 2)
    assert.equal(feed.state, 'open')
    await end()
  })

  it('is open at all times for two days, and never ended by the venue for its age', async () => {
    const { clock, server, venue, feed, end, said } = liveKit()
    await Promise.all([feed.subscribe({ trades: BTC }), clock.advance(2_000)])
    const closed = () => said('disconnected')
    for (let hour = 0; hour < 49; hour++) {
      await clock.advance(3_600_000)
      assert.equal(feed.state, 'open')
    }
    assert.equal(server.sessions.length, 1)
    assert.ok(venue.opened.length === 3, `${venue.opened.length} opened`)
    // Each was closed by us, when another one had taken over; none by the venue for its age.
    assert.equal(closed().length, 2)
    for (const message of closed()) assert.match(message, /^closed \(connection \d\)$/)
    await end()
  })
})

describe('refusals', () => {
  const cases: readonly (readonly [number, string, RegExp])[] = [
    [451, 'REGION_REFUSED', /site: 'us'.*site: 'vision'/],
    [403, 'REGION_REFUSED', /firewall/],
    [429, 'RATE_LIMITED', /300 connections in five minutes/],
    [418, 'RATE_LIMITED', /three days/],
  ]
  for (const [status, code, hint] of cases) {
    it(`of the connection with HTTP ${status} are ${code}`, () => {
      const judged = binanceVerdict({ type: 'upgrade', status, retryAfterMs: 7_000 })!
      assert.equal(judged.scope, 'connection')
      assert.equal(judged.error.code, code)
      assert.match(judged.error.hint!, hint)
      assert.equal(judged.error.retryAfterMs, 7_000)
    })
  }

  it('by country end the feed with the way out', async () => {
    const { clock, venue, feed } = liveKit()
    venue.refusals.push(451)
    feed.trades(BTC, () => {})
    const over = assert.rejects(feed.done, { code: 'REGION_REFUSED', fatal: true })
    await clock.advance(1_000)
    await over
  })

  it('for too many messages are slow, for too many streams reshard', () => {
    const close = binanceVerdict({ type: 'close', code: 1_008, reason: 'Too many requests' })!
    assert.equal(close.error.verdict, 'slow')
    const message = {
      type: 'message',
      code: 2,
      message: 'Invalid request: too many streams',
    } as const
    assert.equal(binanceVerdict(message)!.error.verdict, 'reshard')
    assert.equal(binanceVerdict({ type: 'close', code: 1_006, reason: '' }), undefined)
  })

  it('of options that are none', () => {
    const bad: readonly BinanceOptions[] = [
      { site: 'uk' as 'us' },
      { trades: 'some' as 'raw' },
      { connections: 0 },
      { restUrl: 'ftp://x' },
    ]
    for (const options of bad) assert.throws(() => binance(options), { code: 'BAD_OPTION' })
  })
})

describe('a server that says it is about to go away', () => {
  for (const connections of [2, 1]) {
    it(`${connections > 1 ? 'is left without a hole' : 'is held on to where there is no other place'}`, async () => {
      const clock = handClock(NOON)
      const venue = binanceVenue({ clock })
      const { openSocket, httpGet } = venue
      const provider = binance({ openSocket, httpGet, clock, connections })
      const feed = openFeed(provider, { clock, log: silentLog, leases: false })
      const sizes: unknown[] = []
      const gaps: unknown[] = []
      feed.on('quote', ({ bidSize }) => sizes.push(bidSize))
      feed.on('notice', ({ notice }) => {
        if (notice === 'gap' || notice === 'unrepaired') gaps.push(notice)
      })
      feed.subscribe({ quotes: BTC }).catch(() => {})
      await clock.advance(3_000)
      const quote = (bidSize: number) => {
        const time = { source: 'venue', symbol: BTC, timestamp: Math.floor(clock.now()) }
        venue.deliver([
          createEvent({ type: 'quote', ...time, bid: 1, bidSize, ask: 2, askSize: 1 }),
        ])
      }
      for (let i = 1; i <= 60; i++) {
        if (i === 20) venue.send('{"e":"serverShutdown","E":1770123456789}')
        quote(i)
        await clock.advance(500)
      }
      await clock.advance(5_000)
      assert.deepEqual(
        sizes,
        Array.from({ length: 60 }, (_, i) => i + 1),
      )
      assert.deepEqual([gaps, venue.attempts.length], [[], connections])
      assert.equal(venue.openConnections(), 1)
      const closed = feed.close()
      await clock.advance(5_000)
      await closed
      await venue.close()
    })
  }
})

describe('another connection that takes over', () => {
  it('is further away than the one before it, and quotes, which have no time, come once and in order', async () => {
    const clock = handClock(NOON)
    const venue = binanceVenue({ clock })
    const openSocket: OpenSocket = (request, events, other) => {
      const lateMs = 7 * venue.attempts.length
      const frame: SocketEvents['frame'] = (data, binary) => {
        clock.setTimeout(() => events.frame(data, binary, clock.now()), lateMs)
      }
      return venue.openSocket(request, { ...events, frame }, other)
    }
    const provider = binance({ openSocket, httpGet: venue.httpGet, clock, connections: 2 })
    const feed = openFeed(provider, { clock, log: silentLog, leases: false })
    const sizes: unknown[] = []
    feed.on('quote', ({ bidSize }) => sizes.push(bidSize))
    feed.subscribe({ quotes: BTC }).catch(() => {})
    await clock.advance(3_000)
    for (let bidSize = 1; bidSize <= 100; bidSize++) {
      if (bidSize === 20) venue.send('{"e":"serverShutdown","E":1770123456789}')
      const time = { source: 'venue', symbol: BTC, timestamp: Math.floor(clock.now()) }
      venue.deliver([createEvent({ type: 'quote', ...time, bid: 1, bidSize, ask: 2, askSize: 1 })])
      await clock.advance(50)
    }
    await clock.advance(5_000)
    assert.equal(venue.attempts.length, 2)
    assert.deepEqual(
      sizes,
      Array.from({ length: 100 }, (_, i) => i + 1),
    )
    const closed = feed.close()
    await clock.advance(5_000)
    await closed
    await venue.close()
  })
})

describe('what it can', () => {
  it('depends on the site and on how trades are told', () => {
    const history = (options: BinanceOptions) => binance(options).capabilities.history
    assert.deepEqual(history({}), ['trade', 'bar'])
    assert.deepEqual(history({ site: 'vision' }), ['bar'])
    assert.deepEqual(history({ site: 'vision', trades: 'aggregate' }), ['trade', 'bar'])
    assert.ok(binance().capabilities.kinds.includes('book'))
    assert.equal(binance().capabilities.auth, 'none')
    assert.equal(binance().capabilities.limits.connectionLifeMs, 86_400_000)
  })

  it('without REST has no books and no history', () => {
    const { capabilities, history } = binance({ openSocket: () => assert.fail() })
    assert.deepEqual([capabilities.kinds.includes('book'), capabilities.history], [false, false])
    assert.equal(history, undefined)
  })
})
