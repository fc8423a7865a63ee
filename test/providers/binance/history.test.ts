// REST: trades and candles of the past in pages, the latest of each, instruments; bad answers, budgets, bans.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createEvent } from '../../../src/market/events.ts'
import { binance } from '../../../src/providers/binance/index.ts'
import { binanceServer } from '../../../src/providers/binance/server.ts'
import { handClock } from '../../../src/testing/clock.ts'
import {
  barOf,
  itCanBeChecked,
  itEndsOnBadAnswers,
  itKnowsWhenACandleIsOver,
  itRefusesRequests,
  NOON,
  passing,
  tradeOf,
} from '../crypto-kit.ts'
import { memoryVenue } from '../memory-venue.ts'
import { canned, restKit } from './kit.ts'

const BTC = 'BTC/USDT'

const candleOf = (minute: number) => barOf(BTC, minute, { vwap: 1.5, tradeCount: 9 })

describe('the past', () => {
  for (const trades of ['raw', 'aggregate'] as const) {
    it(`is told trade by trade, over pages, both bounds included (${trades})`, async () => {
      const { server, history, venue } = restKit({ trades })
      for (let id = 1; id <= 3_500; id++) server.deliver([tradeOf(BTC, NOON + id * 1_000, { id })])
      const { events, error } = await history({ from: NOON + 5_000, to: NOON + 2_500_000 })
      assert.equal(error, undefined)
      assert.deepEqual(
        events.map(event => (event as { id?: unknown }).id),
        Array.from({ length: 2_496 }, (_, i) => i + 5),
      )
      assert.ok(venue.questions.length <= 5, venue.questions.join('\n'))
      const path = trades === 'raw' ? 'historicalTrades' : 'aggTrades'
      assert.ok(venue.questions.at(-1)!.includes(path))
    })
  }

  it('has microseconds, as the stream has them, where the site tells them', async () => {
    const nanos = { id: 1, nanos: 123_000 }
    for (const [site, expected] of [
      ['com', 123_000],
      ['us', 0],
    ] as const) {
      const { server, history } = restKit({ site })
      server.deliver([tradeOf(BTC, NOON, nanos)])
      assert.equal((await history()).events[0]!.nanos, expected)
    }
  })

  it('is told candle by candle, the running one not final', async () => {
    const { server, history } = restKit()
    for (let minute = 0; minute <= 60; minute++) server.deliver([candleOf(minute)])
    const { events } = await history({ kind: 'bar', symbols: ['btcusdt'] })
    assert.equal(events.length, 61)
    const [first, last] = [events[0], events.at(-1)] as { final: boolean; vwap?: number }[]
    assert.deepEqual([first!.final, last!.final, first!.vwap], [true, false, 1.5])
  })

  it('is nothing where nothing was', async () => {
    const { history } = restKit()
    assert.deepEqual(await history(), { events: [], error: undefined })
    assert.deepEqual(await history({ kind: 'bar' }), { events: [], error: undefined })
  })

  itKnowsWhenACandleIsOver(canned, (...minutes) =>
    minutes.map(minute => {
      const start = NOON + minute * 60_000
      const end = start + 59_999
      return [start * 1_000, '1', '2', '1', '2', '3', end * 1_000 + 999, '4', 5, '1', '1', '0']
    }),
  )

  itRefusesRequests(restKit, BTC, 'NO/USDT')
})

describe('bad answers', () => {
  const begin = [{ a: 1, p: '1', q: '1', f: 10, l: 10, T: NOON, m: true, M: true }]
  const raw = (id: number, ms = 0, fields = {}) => ({
    ...{ id, price: '4.0', qty: '12.0', quoteQty: '48.0', time: NOON + ms, isBuyerMaker: true },
    ...{ isBestMatch: true, ...fields },
  })
  itEndsOnBadAnswers(canned, 10, [
    ['no list', [{}], /no list/],
    ['a first that is none', [[{}]], /f is no id/],
    ['trades left out', [begin, [raw(10), raw(12)]], /trade 11 is missing/],
    ['another page than asked for', [begin, [raw(11)]], /trade 10 is missing/],
    [
      'the same page again',
      [begin, Array.from({ length: 1_000 }, (_, i) => raw(10 + i))],
      /missing/,
    ],
    ['time that runs back', [begin, [raw(10, 5), raw(11, 4)]], /older than the one before/],
    ['a price that is none', [begin, [raw(10, 0, { price: 4 })]], /price is not a number/],
  ])

  it('of candles out of order or outside end it too', async () => {
    const candle = (minute: number) => [
      ...[NOON + minute * 60_000, '1', '3', '0.5', '2', '4', NOON + minute * 60_000 + 59_999],
      ...['6', 9, '1', '1', '0'],
    ]
    const request = { kind: 'bar', to: NOON + 3_600_000 } as const
    const bodies = [[candle(1), candle(0)], [candle(-1)], [[1, 2]]]
    for (const body of bodies) {
      assert.equal((await canned([body]).history(request)).error?.code, 'VENUE_ERROR')
    }
    // Page after page of the same: what it would go on from is behind it.
    const full = Array.from({ length: 1_000 }, (_, i) => candle(i / 1_000))
    const { error } = await canned([full]).history(request)
    assert.equal(error?.code, 'VENUE_ERROR')
  })

  it('are told of where somebody listens', async () => {
    const reasons: string[] = []
    const { history } = canned([begin, [raw(10, 0, { qty: '-1' }), raw(11)]])
    const { events, error } = await history({ malformed: (_, reason) => reasons.push(reason) })
    assert.equal(error, undefined)
    assert.equal(events.length, 1)
    assert.deepEqual(reasons, ['qty is not above 0'])
  })
})

describe('whether it can be had', () => {
  itCanBeChecked(restKit, [
    'wss://stream.binance.com:9443/ws?timeUnit=MICROSECOND',
    'https://api.binance.com',
  ])
})

describe('the latest', () => {
  it('is had of every kind', async () => {
    const { server, latest } = restKit()
    const common = { symbol: BTC, source: 'venue', timestamp: NOON }
    server.deliver([
      tradeOf(BTC, NOON, { id: 1 }),
      tradeOf(BTC, NOON + 1, { id: 2 }),
      candleOf(1),
      createEvent({ ...common, type: 'quote', bid: 1, bidSize: 2, ask: 3, askSize: 4 }),
      createEvent({ ...common, type: 'ticker', last: 5, volume: 6, vwap: 4.5 }),
    ])
    server.change(BTC, [[9, 1]], [[10, 2]])
    assert.equal(((await latest('trade'))[0] as { id?: unknown }).id, 2)
    assert.equal((await latest('bar')).length, 1)
    const [quote, none] = (await latest('quote', [BTC, 'ETH/USDT'])) as {
      bid?: number
      ask?: number
    }[]
    assert.deepEqual([quote!.bid, quote!.ask, none!.bid], [1, 3, undefined])
    assert.equal(((await latest('ticker'))[0] as { last?: number }).last, 5)
    const [book] = (await latest('book')) as { bids: unknown; snapshot: boolean }[]
    assert.deepEqual([book!.bids, book!.snapshot], [[[9, 1]], true])
  })

  it('instruments have their steps', async () => {
    const { provider, clock } = restKit()
    const [first] = await passing(clock, provider.instruments!())
    assert.deepEqual(first, {
      ...{ symbol: BTC, kind: 'crypto', tickSize: 0.01, pricePrecision: 2, lotSize: 0.00001 },
      ...{ currency: 'USDT', calendar: 'always', vendorNames: { binance: 'BTCUSDT' } },
    })
  })
})

describe('the budget of an address', () => {
  it('is kept by all providers together, whoever asks', async () => {
    const clock = handClock(NOON)
    const server = binanceServer({ clock })
    const venue = memoryVenue(server, clock)
    const make = () => binance({ httpGet: venue.httpGet, clock })
    const all = [make(), make(), make()].flatMap(provider =>
      Array.from({ length: 60 }, () => provider.latest!({ kind: 'book', symbols: [BTC] })),
    )
    await passing(clock, Promise.all(all))
    assert.ok(clock.now() - NOON > 100_000, 'it took its time')
  })

  it('heeds what the venue counts, of other programs too', async () => {
    const { clock, venue, server, latest } = restKit()
    venue.reply = question => {
      const answer = server.answer(question)
      return { ...answer, headers: { ...answer.headers, 'x-mbx-used-weight-1m': '5900' } }
    }
    await latest('quote')
    venue.reply = undefined
    const begun = clock.now()
    const minute = Math.ceil(begun / 60_000) * 60_000
    await latest('quote')
    assert.ok(clock.now() >= minute, 'nothing is asked before the minute is over')
  })

  it('waits out a 429, and gives up at once while it is banned', async () => {
    const { clock, venue, provider, latest } = restKit()
    let refusals = 1
    venue.reply = () =>
      refusals-- > 0 ? { status: 429, headers: { 'retry-after': '7' }, body: '{}' } : undefined
    const begun = clock.now()
    await latest('quote')
    assert.ok(clock.now() - begun >= 7_000)
    venue.reply = () => ({ status: 418, headers: { 'retry-after': '7200' }, body: '{}' })
    const ask = () => provider.latest!({ kind: 'quote', symbols: [BTC] })
    await assert.rejects(passing(clock, ask()), { code: 'RATE_LIMITED', hint: /three days/ })
    const asked = venue.questions.length
    await assert.rejects(passing(clock, ask()), { code: 'RATE_LIMITED', message: /banned/ })
    assert.equal(venue.questions.length, asked)
  })

  it('a refusal by country says what else there is', async () => {
    const { clock, venue, provider } = restKit()
    const body = '{"code":0,"msg":"Service unavailable from a restricted location"}'
    venue.reply = () => ({ status: 451, headers: {}, body })
    const asked = provider.latest!({ kind: 'quote', symbols: [BTC] })
    await assert.rejects(passing(clock, asked), { code: 'REGION_REFUSED', hint: /vision/ })
  })
})
