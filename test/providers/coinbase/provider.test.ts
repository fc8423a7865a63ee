// The stream end to end: what is asked, what is refused, limits, keepalive, cuts.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { coinbase } from '../../../src/providers/coinbase/index.ts'
import { coinbaseVerdict } from '../../../src/providers/coinbase/replies.ts'
import { NOON, tradeOf } from '../crypto-kit.ts'
import { liveKit } from './kit.ts'

const BTC = 'BTC/USD'

describe('the stream', () => {
  it('carries every kind from one connection without a key', async () => {
    const { clock, server, feed, end } = liveKit()
    const seen: MarketEvent[] = []
    feed.on('*', event => {
      if (event.type !== 'notice') seen.push(event)
    })
    server.change(BTC, [[99, 1]], [[101, 2]])
    const asked = feed.subscribe({
      trades: BTC,
      quotes: BTC,
      tickers: BTC,
      books: BTC,
      bars: BTC,
      interval: '5m',
    })
    await clock.advance(3_000)
    assert.equal((await asked).accepted.length, 5)
    assert.deepEqual([...server.sessions[0]!.channels.keys()].sort(), [
      ...['candles', 'heartbeats', 'level2', 'market_trades', 'ticker'],
    ])
    const common = { symbol: BTC, source: 'venue', timestamp: NOON }
    server.deliver([
      tradeOf(BTC, NOON + 1_000, { nanos: 123_000 }),
      createEvent({ ...common, type: 'ticker', last: 5, volume: 6, low: 4, high: 7 }),
      createEvent({
        ...{ ...common, type: 'bar', interval: '5m', open: 1, high: 3, low: 1, close: 2 },
        ...{ volume: 4, final: false, revision: 0 },
      }),
    ])
    await clock.advance(10)
    const kinds = seen.map(event => event.type)
    assert.deepEqual(kinds.sort(), ['bar', 'book', 'quote', 'ticker', 'trade'])
    await end()
  })

  it('lives by its heartbeats, and finds a mute connection without them', async () => {
    const { clock, venue, feed, end } = liveKit()
    await Promise.all([feed.subscribe({ trades: BTC }), clock.advance(2_000)])
    await clock.advance(120_000)
    assert.equal(venue.opened.length, 1)
    for (const connection of venue.connections) connection.stall(60_000)
    await clock.advance(20_000)
    assert.equal(venue.opened.length, 2)
    await end()
  })

  it('spreads books over connections of ten pairs each', async () => {
    const symbols = Array.from({ length: 25 }, (_, i) => `C${i}/USD`)
    const { clock, server, feed, end } = liveKit({ server: { symbols } })
    const asked = feed.subscribe({ books: symbols })
    await clock.advance(60_000)
    assert.equal((await asked).accepted.length, 25)
    const books = server.sessions.map(({ channels }) => channels.get('level2')?.size ?? 0)
    assert.equal(
      books.reduce((sum, count) => sum + count, 0),
      25,
    )
    assert.ok(Math.max(...books) <= 16, String(books))
    assert.ok(books.length >= 3)
    await end()
  })

  it('refuses a pair the venue does not have, and no other', async () => {
    const { clock, feed, end } = liveKit()
    const asked = feed.subscribe({ trades: [BTC, 'ETH/USD', 'NO/USD'] })
    await clock.advance(4_000)
    const { accepted, rejected } = await asked
    assert.deepEqual(accepted.map(({ symbol }) => symbol).sort(), [BTC, 'ETH/USD'])
    assert.deepEqual(
      rejected.map(({ topic, reason }) => [topic.symbol, reason.code]),
      [['NO/USD', 'UNKNOWN_SYMBOL']],
    )
    assert.match(rejected[0]!.reason.hint!, /instruments/)
    await end()
  })

  it('goes on with the pairs there is room for when books are too many', async () => {
    const symbols = Array.from({ length: 40 }, (_, i) => `C${i}/USD`)
    const kit = { server: { symbols }, provider: { connections: 1 } }
    const { clock, server, feed, notices, end } = liveKit(kit)
    feed.subscribe({ books: symbols }).catch(() => {})
    await clock.advance(18_000)
    assert.deepEqual(feed.stats().topics, { wanted: 0, sent: 0, acknowledged: 16, rejected: 24 })
    const codes = notices.filter(({ notice }) => notice === 'rejected').map(({ code }) => code)
    assert.deepEqual(new Set(codes), new Set(['SYMBOL_LIMIT']))
    assert.equal(server.sessions[0]!.channels.get('level2')!.size, 16)
    await end()
  })

  it('lets go of what nobody needs any more, and of no book that quotes still need', async () => {
    const { clock, server, feed, end } = liveKit()
    const asked = feed.subscribe({ trades: BTC, quotes: BTC, books: BTC })
    await Promise.all([asked, clock.advance(3_000)])
    feed.unsubscribe({ trades: BTC, books: BTC })
    await clock.advance(2_000)
    assert.deepEqual([...server.sessions[0]!.channels.keys()].sort(), ['heartbeats', 'level2'])
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
    // A lost frame with trades in it, too.
    server.spoil('drop')
    await tick(20)
    await clock.advance(10_000)
    await tick(10)
    await clock.advance(10_000)
    assert.deepEqual(
      ids,
      Array.from({ length: 90 }, (_, i) => i + 1),
    )
    assert.ok(said('repaired').length >= 2)
    await end()
  })

  it('closes a candle by the clock when no later one comes', async () => {
    const { clock, server, feed, end } = liveKit()
    const finals: boolean[] = []
    const seen = (bar: { readonly final: boolean }) => finals.push(bar.final)
    feed.bars(BTC, bar => void seen(bar), { interval: '5m' })
    await clock.advance(2_000)
    server.deliver([
      createEvent({
        ...{ type: 'bar', symbol: BTC, source: 'venue', timestamp: NOON, interval: '5m', open: 1 },
        ...{ high: 3, low: 1, close: 2, volume: 4, final: false, revision: 0 },
      }),
    ])
    await clock.advance(290_000)
    assert.deepEqual(finals, [false])
    await clock.advance(12_000)
    assert.deepEqual(finals, [false, true])
    await end()
  })
})

describe('refusals', () => {
  const cases: readonly (readonly [number, string, RegExp])[] = [
    [451, 'REGION_REFUSED', /another provider/],
    [403, 'REGION_REFUSED', /firewall/],
    [429, 'RATE_LIMITED', /eight connections a second/],
  ]
  for (const [status, code, hint] of cases) {
    it(`of the connection with HTTP ${status} are ${code}`, () => {
      const judged = coinbaseVerdict({ type: 'upgrade', status, retryAfterMs: 7_000 })!
      assert.equal(judged.error.code, code)
      assert.match(judged.error.hint!, hint)
      assert.equal(judged.error.retryAfterMs, 7_000)
    })
  }

  it('for slowness and for breaches are told apart', () => {
    const close = (code: number, reason: string) => coinbaseVerdict({ type: 'close', code, reason })
    assert.equal(close(1_000, 'ErrSlowConsume')!.error.code, 'SLOW_CLIENT')
    assert.equal(close(1_008, '')!.error.verdict, 'slow')
    assert.equal(close(1_006, ''), undefined)
    const message = { type: 'message', code: undefined, message: 'rate limit exceeded' } as const
    assert.equal(coinbaseVerdict(message)!.scope, 'connection')
    const full = { ...message, message: 'too many L2 streams requested in a single session' }
    assert.equal(coinbaseVerdict(full)!.error.verdict, 'reshard')
  })

  it('of options that are none', () => {
    for (const options of [{ connections: 0 }, { restUrl: 'ftp://x' }, { exchangeUrl: 'x' }]) {
      assert.throws(() => coinbase(options), { code: 'BAD_OPTION' })
    }
  })

  it('of kinds and lengths the venue does not have', async () => {
    const { feed, end } = liveKit()
    await assert.rejects(async () => feed.subscribe({ bars: BTC }), { code: 'UNSUPPORTED' })
    await end()
  })
})
