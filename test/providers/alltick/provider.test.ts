// The whole way: a feed on AllTick's server side in memory, within the limits of a plan; and its REST side.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TickwireError } from '../../../src/base/errors.ts'
import { type Bar, createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { allTickDescription, alltick } from '../../../src/providers/alltick/index.ts'
import { liveKit, TEN, TOKEN } from './kit.ts'

let ids = 0
const trade = (symbol: string, price: number): MarketEvent =>
  createEvent({ type: 'trade', symbol, source: 'x', timestamp: TEN + ++ids, price, size: 3 })
const book = (symbol: string, bid: number, ask: number): MarketEvent =>
  createEvent({
    ...{ type: 'book', symbol, source: 'x', timestamp: TEN, snapshot: true },
    ...{ bids: [[bid, 10]], asks: [[ask, 20]] },
  })
const bar = (timestamp: number, close: number, symbol = 'EUR/USD'): MarketEvent =>
  createEvent({
    ...{ type: 'bar', symbol, source: 'x', timestamp, interval: '1m', close, volume: 10 },
    ...{ open: close, high: close + 1, low: close - 1, final: true, revision: 0 },
  })

describe('subscriptions', () => {
  it('are whole lists, a second apart, each replacing the one before', async () => {
    const kit = liveKit()
    const [one, two] = [kit.feed.trades('AAPL.US', kit.keep), kit.feed.trades('V.US', kit.keep)]
    kit.feed.books('AAPL.US', kit.keep)
    await kit.clock.advance(3_000)
    kit.feed.quotes('V.US', kit.keep)
    await kit.clock.advance(3_000)
    one.close()
    await kit.clock.advance(3_000)
    two.close()
    await kit.clock.advance(3_000)
    assert.deepEqual(kit.asked, [
      ...['22004 AAPL.US V.US', '22002 AAPL.US/10', '22002 AAPL.US/10 V.US/1'],
      ...['22004 V.US', '22006 2'],
    ])
    assert.deepEqual(kit.server.sessions[0]!.lists, { trade: [], book: ['AAPL.US', 'V.US'] })
    assert.equal(kit.venue.opened.length, 1, 'never thrown off')
    await kit.end()
  })

  it('carry trades, books, quotes and last prices', async () => {
    const kit = liveKit({ server: { texts: true } })
    kit.feed.trades('AAPL.US', kit.keep)
    kit.feed.tickers('AAPL.US', kit.keep)
    kit.feed.quotes('AAPL.US', kit.keep)
    kit.feed.books('AAPL.US', kit.keep)
    await kit.clock.advance(3_000)
    kit.server.deliver([trade('AAPL.US', 5.25), book('AAPL.US', 5.2, 5.3), trade('V.US', 1)])
    await kit.clock.advance(10)
    assert.deepEqual(
      kit.got.map(({ type, symbol }) => `${type} ${symbol}`),
      ['trade AAPL.US', 'ticker AAPL.US', 'quote AAPL.US', 'book AAPL.US'],
    )
    await kit.end()
  })

  it('with a code the venue does not know leave the others as they are', async () => {
    const known = ['A.US', 'B.US', 'C.US', 'D.US']
    const kit = liveKit({ server: { codes: known } })
    const early = kit.feed.subscribe({ trades: 'A.US' })
    await kit.clock.advance(2_000)
    await early
    const ready = kit.feed.subscribe({ trades: ['B.US', 'X.US', 'C.US'] })
    await kit.clock.advance(10_000)
    const { accepted, rejected } = await ready
    assert.deepEqual(
      accepted.map(({ symbol }) => symbol),
      ['B.US', 'C.US'],
    )
    assert.deepEqual(
      rejected.map(({ topic, reason }) => `${topic.symbol} ${reason.code}`),
      ['X.US UNKNOWN_SYMBOL'],
    )
    await kit.clock.advance(5_000)
    // The venue has emptied the list with each refusal.
    assert.deepEqual([...kit.server.sessions[0]!.lists.trade].sort(), ['A.US', 'B.US', 'C.US'])
    const { length } = kit.asked
    await kit.clock.advance(300_000)
    assert.equal(kit.asked.length, length, 'what cannot be had is not asked for again')
    await kit.end()
  })

  it('whose last one is refused stand all the same: the list is sent again', async () => {
    const kit = liveKit({ server: { codes: ['A.US'] } })
    kit.feed.trades(['A.US', 'X.US'], kit.keep)
    await kit.clock.advance(10_000)
    assert.deepEqual(kit.asked, ['22004 A.US X.US', '22004 A.US', '22004 A.US X.US', '22004 A.US'])
    assert.deepEqual(kit.server.sessions[0]!.lists.trade, ['A.US'])
    kit.server.deliver([trade('A.US', 5)])
    await kit.clock.advance(10)
    assert.equal(kit.got.length, 1)
    await kit.end()
  })

  it('beyond the plan are refused before the venue would leave them out in silence', async () => {
    const kit = liveKit()
    const codes = ['A.US', 'B.US', 'C.US', 'D.US', 'E.US', 'F.US', 'G.US']
    const ready = kit.feed.subscribe({ trades: codes })
    await kit.clock.advance(3_000)
    const { accepted, rejected } = await ready
    assert.equal(accepted.length, 5)
    assert.deepEqual(
      rejected.map(({ topic, reason }) => `${topic.symbol} ${reason.code}`),
      ['F.US SYMBOL_LIMIT', 'G.US SYMBOL_LIMIT'],
    )
    assert.deepEqual(kit.asked, ['22004 A.US B.US C.US D.US E.US'])
    // Room that is made is used.
    kit.feed.unsubscribe({ trades: 'A.US' })
    await kit.clock.advance(5_000)
    assert.deepEqual(kit.asked.at(-1), '22004 B.US C.US D.US E.US F.US')
    await kit.end()
  })

  it('of a larger plan are spread over its connections, opened three seconds apart', async () => {
    const kit = liveKit({
      server: { plan: 'premium', market: 'forex' },
      alltick: { plan: 'premium', market: 'forex' },
    })
    const codes = Array.from({ length: 500 }, (_, i) => `X${i}/USD`)
    const ready = kit.feed.subscribe({ trades: codes })
    await kit.clock.advance(9_900)
    const { accepted } = await ready
    assert.equal(accepted.length, 500)
    assert.deepEqual(
      kit.server.sessions.map(it => it.lists.trade.length),
      [200, 200, 100],
    )
    const times = kit.heard.filter(({ text }) => text.includes('22004')).map(({ at }) => at)
    for (const [i, at] of times.entries()) {
      if (i > 0) assert.ok(at - times[i - 1]! >= 3_000, `${times}`)
    }
    await kit.end()
  })

  it('that get no answer are asked for again', async () => {
    let silent = 1
    const request = () => (silent-- > 0 ? ('silence' as const) : undefined)
    const kit = liveKit({ server: { script: { request } } })
    kit.feed.trades('A.US', kit.keep)
    await kit.clock.advance(15_000)
    assert.equal(kit.feed.stats().topics.acknowledged, 1)
    await kit.end()
  })

  it('of what the plan lacks say so and take no other with them', async () => {
    const kit = liveKit({ server: { unauthorized: ['B.US'] } })
    const ready = kit.feed.subscribe({ books: ['A.US', 'B.US'] })
    await kit.clock.advance(8_000)
    const { accepted, rejected } = await ready
    assert.deepEqual(
      [accepted.map(it => it.symbol), rejected.map(it => it.reason.code)],
      [['A.US'], ['NOT_ENTITLED']],
    )
    assert.match(rejected[0]!.reason.hint!, /plan/)
    await kit.end()
  })

  it('of books without sizes are refused when that shows; quotes go on', async () => {
    const forex = { market: 'forex' } as const
    const kit = liveKit({ server: { ...forex, volumes: false }, alltick: forex })
    kit.feed.books('EUR/USD', kit.keep)
    kit.feed.quotes('EUR/USD', kit.keep)
    await kit.clock.advance(3_000)
    kit.server.deliver([book('EUR/USD', 1.08, 1.09)])
    await kit.clock.advance(100)
    kit.server.deliver([book('EUR/USD', 1.07, 1.09)])
    await kit.clock.advance(100)
    assert.deepEqual(
      kit.got.map(({ type }) => type),
      ['quote', 'quote'],
    )
    const { code, symbol, kind } = kit.notices.find(({ notice }) => notice === 'rejected')!
    assert.deepEqual([code, symbol, kind], ['UNSUPPORTED', 'EUR/USD', 'book'])
    await kit.end()
  })
})

describe('a connection', () => {
  it('is kept by a heartbeat every ten seconds, as a message', async () => {
    const kit = liveKit()
    kit.feed.trades('A.US', kit.keep)
    await kit.clock.advance(120_000)
    const beats = kit.heard.filter(({ text }) => text.includes('22000'))
    assert.ok(beats.length >= 11, `${beats.length}`)
    for (const [i, { at }] of beats.entries()) {
      if (i > 0) assert.equal(at - beats[i - 1]!.at, 10_000)
    }
    assert.equal(kit.venue.opened.length, 1)
    await kit.end()
  })

  it('that hangs or is cut is made anew, with its lists', async () => {
    const kit = liveKit()
    kit.feed.trades('A.US', kit.keep)
    kit.feed.books('B.US', kit.keep)
    await kit.clock.advance(5_000)
    for (const connection of kit.venue.connections) connection.stall(600_000)
    await kit.clock.advance(60_000)
    assert.equal(kit.notices.find(({ notice }) => notice === 'disconnected')?.code, 'MUTE')
    kit.venue.cut()
    await kit.clock.advance(30_000)
    assert.deepEqual(kit.server.sessions.at(-1)!.lists, { trade: ['A.US'], book: ['B.US'] })
    await kit.end()
  })

  it('with a wrong token ends for good, at the upgrade or behind it', async () => {
    for (const server of [{ tokens: ['another'] }, { script: { request: () => 401 } }]) {
      const kit = liveKit({ server })
      kit.feed.trades('A.US', kit.keep)
      await kit.clock.advance(600_000)
      assert.equal(kit.fatal?.code, 'AUTH_FAILED')
      assert.match(kit.fatal!.hint!, /ALLTICK_TOKEN/)
      assert.equal(kit.venue.opened.length, 1, 'tried once')
      assert.ok(!JSON.stringify([kit.notices, kit.fatal]).includes(TOKEN))
    }
  })

  it('that is refused for want of a place waits a minute', async () => {
    const kit = liveKit()
    kit.venue.refusals.push(429)
    kit.feed.trades('A.US', kit.keep)
    await kit.clock.advance(59_000)
    assert.equal(kit.venue.opened.length, 1)
    await kit.clock.advance(60_000)
    assert.equal(kit.feed.state, 'open')
    await kit.end()
  })

  it('bears the token in its address only, and names the account without it', () => {
    const description = allTickDescription({ token: TOKEN })
    assert.ok(!description.account!.includes(TOKEN.slice(0, 8)))
    assert.notEqual(description.account, allTickDescription({ token: `${TOKEN}x` }).account)
    // Of programs that follow each other too.
    assert.ok(description.capabilities.limits.connectionGapMs! > 3_000)
  })

  it('goes to the endpoint of its market', async () => {
    for (const [market, code, path] of [
      ['stocks', 'A.US', '/quote-stock-b-ws-api'],
      ['forex', 'GOLD', '/quote-b-ws-api'],
    ] as const) {
      const kit = liveKit({ server: { market }, alltick: { market } })
      kit.feed.trades(code, kit.keep)
      await kit.clock.advance(3_000)
      assert.deepEqual(kit.venue.opened, [`${path}?token=${TOKEN}`])
      await kit.end()
    }
  })

  it('needs a token that can be one, and options that are', () => {
    const refused = (options: object, code: string) =>
      assert.throws(
        () => alltick(options),
        (error: TickwireError) => error.code === code,
      )
    refused({}, 'MISSING_KEY')
    refused({ token: '' }, 'BAD_KEY')
    refused({ token: 'a b' }, 'BAD_KEY')
    refused({ token: TOKEN, market: 'crypto' }, 'BAD_OPTION')
    refused({ token: TOKEN, plan: 'gold' }, 'BAD_OPTION')
    refused({ token: TOKEN, depth: 11 }, 'BAD_OPTION')
    refused({ token: TOKEN, restUrl: 'x' }, 'BAD_OPTION')
  })
})

describe('REST', () => {
  const MINUTE = 60_000

  async function outcome<T>(kit: ReturnType<typeof liveKit>, promise: Promise<T>) {
    let over = false
    const ended = promise
      .then(
        value => ({ value, error: undefined }),
        (error: TickwireError) => ({ value: undefined, error }),
      )
      .finally(() => {
        over = true
      })
    for (let i = 0; i < 2_000 && !over; i++) await kit.clock.advance(1_000)
    return ended
  }
  const history = (kit: ReturnType<typeof liveKit>, request: object) =>
    outcome(
      kit,
      (async () => {
        const list: MarketEvent[] = []
        const whole = { kind: 'bar', symbols: ['EUR/USD'], from: TEN - 3_600_000, to: TEN }
        for await (const batch of kit.provider.history!({ ...whole, ...request } as never)) {
          list.push(...batch)
        }
        return list
      })(),
    )
  const forex = () => liveKit({ server: { market: 'forex' }, alltick: { market: 'forex' } })

  it('gives bars between the bounds, paging backwards', async () => {
    const kit = forex()
    const times = Array.from({ length: 1_300 }, (_, i) => TEN - (1_299 - i) * MINUTE)
    kit.server.deliver(times.map((time, i) => bar(time, 100 + i)))
    const { value } = await history(kit, { from: times[50], to: times[1_250] })
    assert.deepEqual(
      value!.map(({ timestamp }) => timestamp),
      times.slice(50, 1_251),
    )
    assert.equal(kit.venue.questions.length, 3)
    assert.equal((value![0] as Bar).final, true)
    // A free plan asks once in ten seconds, and ten times a minute in all.
    assert.ok(kit.clock.now() - TEN >= 36_000)
    await kit.end()
  })

  it('of stocks has the newest 500 bars, and says so rather than leave some out', async () => {
    const kit = liveKit()
    const times = Array.from({ length: 600 }, (_, i) => TEN - (599 - i) * MINUTE)
    kit.server.deliver(times.map((time, i) => bar(time, 100 + i, 'AAPL.US')))
    const symbols = ['AAPL.US']
    const near = await history(kit, { symbols, from: times[300], to: times[400] })
    assert.equal(near.value!.length, 101)
    const far = await history(kit, { symbols, from: times[0] })
    assert.equal(far.error?.code, 'UNSUPPORTED')
    assert.match(far.error!.hint!, /^Ask from 20/)
    await kit.end()
  })

  it('refuses what it cannot have, and rejects answers that are wrong', async () => {
    const kit = forex()
    for (const [request, code] of [
      [{ kind: 'trade' }, 'UNSUPPORTED'],
      [{ interval: '3m' }, 'UNSUPPORTED'],
      [{ adjustment: 'all' }, 'UNSUPPORTED'],
      [{ symbols: [] }, 'NO_SYMBOLS'],
      [{ symbols: ['AAPL.US'] }, 'BAD_SYMBOL'],
    ] as const) {
      assert.equal((await history(kit, request)).error?.code, code)
    }
    assert.equal(kit.venue.questions.length, 0)
    const row = {
      ...{ timestamp: String(TEN / 1_000 - 60), open_price: '1', close_price: '1' },
      ...{ high_price: '1', low_price: '1', volume: '0' },
    }
    const answer = (ret: number, data: unknown) => JSON.stringify({ ret, msg: 'm', data })
    const lists = (...kline_list: unknown[]) => answer(200, { code: 'EURUSD', kline_list })
    for (const [body, code] of [
      ['oh', 'VENUE_ERROR'],
      [lists({ ...row, low_price: '0' }), 'VENUE_ERROR'],
      [lists({ ...row, timestamp: 'x' }), 'VENUE_ERROR'],
      [lists(row, row), 'VENUE_ERROR'],
      [lists({ ...row, timestamp: String(TEN / 1_000 + 600) }), 'VENUE_ERROR'],
      [answer(200, { code: 'GBPUSD', kline_list: [row] }), 'VENUE_ERROR'],
      [answer(401, {}), 'AUTH_FAILED'],
      [answer(600, {}), 'UNKNOWN_SYMBOL'],
      [answer(603, {}), 'NOT_ENTITLED'],
      [answer(605, {}), 'RATE_LIMITED'],
    ] as const) {
      kit.venue.reply = () => ({ status: 200, headers: {}, body })
      const { error } = await history(kit, {})
      assert.equal(error?.code, code, body)
      assert.ok(!`${error} ${error?.hint}`.includes(TOKEN))
    }
    await kit.end()
  })

  it('has the latest of each kind', async () => {
    const kit = liveKit()
    kit.server.deliver([trade('AAPL.US', 5), trade('V.US', 6), book('AAPL.US', 4.9, 5.1)])
    kit.server.deliver([bar(TEN - MINUTE, 7, 'AAPL.US'), bar(TEN, 8, 'AAPL.US')])
    const get = (kind: string, symbols: string[]) =>
      outcome(kit, kit.provider.latest!({ kind, symbols } as never)).then(it => it.value!)
    assert.deepEqual(
      (await get('trade', ['V.US', 'AAPL.US'])).map(it => [it.symbol, 'price' in it && it.price]),
      [['V.US', 6], ['AAPL.US', 5]], // biome-ignore format: pairs
    )
    assert.equal((await get('ticker', ['V.US']))[0]!.type, 'ticker')
    const [quote] = await get('quote', ['AAPL.US'])
    assert.deepEqual('bid' in quote! && [quote.bid, quote.askSize], [4.9, 20])
    assert.equal((await get('book', ['AAPL.US']))[0]!.type, 'book')
    const [last] = await get('bar', ['AAPL.US'])
    assert.ok([7, 8].includes((last as Bar).close) && (last as Bar).final)
    await kit.end()
  })

  it('asks once for what one answer holds: trades and tickers, quotes and books', async () => {
    const kit = liveKit()
    kit.server.deliver([trade('AAPL.US', 5), book('AAPL.US', 4.9, 5.1)])
    const get = (...kinds: string[]) =>
      outcome(
        kit,
        (async () => {
          const events: MarketEvent[] = []
          for (const kind of kinds) {
            const question = { kind, symbols: ['AAPL.US'] } as never
            events.push(...(await kit.provider.latest!(question)))
          }
          return events
        })(),
      )
    const began = kit.clock.now()
    const { value } = await get('quote', 'book', 'trade', 'ticker')
    assert.deepEqual(
      value?.map(({ type }) => type),
      ['quote', 'book', 'trade', 'ticker'],
    )
    assert.equal(kit.venue.questions.length, 2)
    assert.ok(kit.clock.now() - began < 10_000, 'nothing waited for the quota')
    await kit.clock.advance(1_000)
    kit.server.deliver([trade('AAPL.US', 6)])
    const [later] = (await get('trade')).value!
    assert.equal('price' in later! && later.price, 6, 'what is asked later is asked anew')
    await kit.end()
  })

  it('is checked by one small question', async () => {
    const good = liveKit()
    const signal = new AbortController().signal
    const { value } = await outcome(good, good.provider.check!.ask(signal))
    assert.deepEqual([value!.grants.length, value!.refusal], [1, undefined])
    assert.deepEqual(good.provider.check!.addresses, [
      'wss://quote.alltick.co/quote-stock-b-ws-api',
      'https://quote.alltick.co/quote-stock-b-api',
    ])
    const bad = liveKit({ server: { tokens: ['another'] } })
    const { value: answer } = await outcome(bad, bad.provider.check!.ask(signal))
    assert.equal(answer!.refusal?.code, 'AUTH_FAILED')
  })
})
