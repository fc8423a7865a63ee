// REST: trades by number and candles of the past, the latest of each, instruments; bad answers and limits.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createEvent } from '../../../src/market/events.ts'
import { formatTime } from '../../../src/market/time.ts'
import { coinbase } from '../../../src/providers/coinbase/index.ts'
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
import { canned, restKit } from './kit.ts'

const BTC = 'BTC/USD'

describe('the past', () => {
  it('is told trade by trade, found by number, both bounds included', async () => {
    const { server, history, venue } = restKit()
    for (let id = 1; id <= 7_000; id++) server.deliver([tradeOf(BTC, NOON + id * 1_000, { id })])
    const { events, error } = await history({ from: NOON + 3_005_000, to: NOON + 5_200_000 })
    assert.equal(error, undefined)
    assert.deepEqual(
      events.map(event => (event as { id?: unknown }).id),
      Array.from({ length: 2_196 }, (_, i) => i + 3_005),
    )
    assert.ok(venue.questions.length < 16, venue.questions.join('\n'))
  })

  it('begins with the first trade there is, and ends with the newest', async () => {
    const { server, history } = restKit()
    for (let id = 1; id <= 50; id++)
      server.deliver([tradeOf(BTC, NOON + id * 1_000, { id, side: 'sell' })])
    const { events } = await history({ from: 0, to: NOON + 7_000_000, symbols: ['btc-usdc'] })
    assert.equal(events.length, 50)
    const [first] = events as { symbol?: string; side?: string }[]
    assert.deepEqual([first!.symbol, first!.side], ['BTC/USDC', 'sell'])
  })

  it('is told candle by candle, over pages, without those in which nothing traded', async () => {
    const { server, history, venue } = restKit()
    for (let minute = -400; minute <= 60; minute += 2) server.deliver([barOf(BTC, minute)])
    const request = { kind: 'bar', interval: '1m', from: NOON - 400 * 60_000 } as const
    const { events } = await history(request)
    assert.equal(events.length, 231)
    assert.equal(venue.questions.length, 2)
    assert.deepEqual(
      events.map(({ timestamp }) => timestamp),
      Array.from({ length: 231 }, (_, i) => NOON + (2 * i - 400) * 60_000),
    )
  })

  it('is nothing where nothing was', async () => {
    const { history, server } = restKit()
    assert.deepEqual(await history(), { events: [], error: undefined })
    assert.deepEqual(await history({ kind: 'bar' }), { events: [], error: undefined })
    server.deliver([tradeOf(BTC, NOON - 1, { id: 1 })])
    assert.deepEqual(await history(), { events: [], error: undefined })
  })

  itKnowsWhenACandleIsOver(canned, (...minutes) => ({
    candles: minutes.map(minute => ({
      ...{ start: String(NOON / 1_000 + minute * 60), low: '1', high: '2' },
      ...{ open: '1', close: '2', volume: '3' },
    })),
  }))

  itRefusesRequests(restKit, BTC, 'NO/USD')
})

describe('bad answers', () => {
  const raw = (id: number, ms = 0, fields = {}) => ({
    ...{ trade_id: id, side: 'sell', size: '0.01000000', price: '10.00000000' },
    ...{ time: formatTime(NOON + ms, 0), ...fields },
  })
  const early = raw(1, -10_000)
  itEndsOnBadAnswers(canned, 80, [
    ['no list', [{}], /no list/],
    ['a first that is none', [[{}]], /trade_id is no id/],
    ['trades left out', [[raw(3)], [early], [early, raw(3)]], /trade 2 is missing/],
    ['nothing of what was asked for', [[raw(3)], [early], []], /trade 1 is missing/],
    ['a trade after the one asked about', [[raw(3)], [raw(7)]], /not before/],
    ['the same page again', [[raw(5_000)], [raw(4_000, -10_000)]], /trade 4001 is missing/],
    ['time that runs back', [[raw(10)], [], [raw(2, 4), raw(1, 5)]], /older than the one before/],
    ['a price that is none', [[raw(10)], [], [raw(1, 1, { price: 4 })]], /price is not a number/],
  ])

  it('of candles twice or beside their place end it too', async () => {
    const candle = (seconds: number) => ({
      ...{ start: String(NOON / 1_000 + seconds), low: '1', high: '3', open: '1', close: '2' },
      volume: '4',
    })
    const request = { kind: 'bar', interval: '1m', to: NOON + 3_600_000 } as const
    for (const list of [[candle(0), candle(0)], [candle(7)], [{}]]) {
      assert.equal((await canned([{ candles: list }]).history(request)).error?.code, 'VENUE_ERROR')
    }
    const stray = await canned([{ candles: [candle(-60), candle(0)] }]).history(request)
    assert.deepEqual([stray.error, stray.events.length], [undefined, 1])
  })
})

describe('whether it can be had', () => {
  itCanBeChecked(restKit, [
    'wss://advanced-trade-ws.coinbase.com',
    'https://api.coinbase.com/api/v3/brokerage',
    'https://api.exchange.coinbase.com',
  ])
})

describe('the latest', () => {
  it('is had of every kind', async () => {
    const { server, latest } = restKit()
    const common = { symbol: BTC, source: 'venue', timestamp: NOON }
    server.deliver([
      tradeOf(BTC, NOON, { id: 1 }),
      tradeOf(BTC, NOON + 1, { id: 2, side: 'sell' }),
      barOf(BTC, 60, { interval: '5m' }),
      createEvent({ ...common, type: 'ticker', last: 5, volume: 6, changePercent: -1.5 }),
    ])
    server.change(BTC, [[9, 1]], [[10, 2]])
    const [trade] = (await latest('trade')) as { id?: unknown; side?: string }[]
    assert.deepEqual([trade!.id, trade!.side], [2, 'sell'])
    assert.equal((await latest('bar')).length, 1)
    const [quote] = (await latest('quote')) as { bid?: number; askSize?: number }[]
    assert.deepEqual([quote!.bid, quote!.askSize], [9, 2])
    const [ticker] = (await latest('ticker')) as { last?: number; changePercent?: number }[]
    assert.deepEqual([ticker!.last, ticker!.changePercent], [5, -1.5])
    const [book] = (await latest('book')) as { bids: unknown; snapshot: boolean }[]
    assert.deepEqual([book!.bids, book!.snapshot], [[[9, 1]], true])
  })

  it('instruments have their steps', async () => {
    const { provider, clock } = restKit()
    const [first] = await passing(clock, provider.instruments!())
    assert.deepEqual(first, {
      ...{ symbol: BTC, kind: 'crypto', tickSize: 0.01, pricePrecision: 2, lotSize: 1e-8 },
      ...{ currency: 'USD', calendar: 'always', vendorNames: { coinbase: 'BTC-USD' } },
    })
  })
})

describe('the limits of an address', () => {
  it('are kept by all providers together, so that nothing is refused', async () => {
    const { clock, venue, server } = restKit()
    let refused = 0
    venue.reply = question => {
      const answer = server.answer(question)
      if (answer.status === 429) refused++
      return answer
    }
    const make = () => coinbase({ httpGet: venue.httpGet, clock })
    const all = [make(), make()].flatMap(provider =>
      Array.from({ length: 50 }, () => provider.latest!({ kind: 'book', symbols: [BTC] })),
    )
    await passing(clock, Promise.all(all))
    assert.equal(refused, 0)
  })

  it('are waited out when another program has used them up', async () => {
    const { clock, venue, latest } = restKit()
    let refusals = 1
    venue.reply = () =>
      refusals-- > 0 ? { status: 429, headers: { 'retry-after': '7' }, body: '{}' } : undefined
    const begun = clock.now()
    await latest('book')
    assert.ok(clock.now() - begun >= 7_000)
  })
})
