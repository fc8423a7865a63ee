import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import { KIND_BIT } from '../../../src/feed/provider.ts'
import type { MarketEvent, Trade } from '../../../src/market/events.ts'
import { encodeEvent } from '../../../src/market/json.ts'
import { TradingDay } from '../../../src/providers/simulated/day.ts'
import { instruments } from '../../../src/providers/simulated/instruments.ts'
import { KINDS } from '../../../src/providers/simulated/listing.ts'
import { simulated } from '../../../src/providers/simulated/provider.ts'
import { type DayOptions, simulateDay } from '../../../src/providers/simulated/simulate-day.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { takeNotes, topics } from './link.ts'
import { Books, checkBars, checkFixes, checkIds, isOfficial, lags, only, timeOf } from './rules.ts'

const DAY = '2025-06-02'
const HOUR = 3_600_000
const isStock = ({ symbol }: MarketEvent) => !symbol!.includes('/')

const play = (options: Partial<DayOptions> = {}) =>
  [...simulateDay({ day: DAY, ...options })].flat()

const whole = play({ events: 40_000, kinds: KINDS })

/** Trades that are on time and quotes, of stocks. */
const regular = (events: readonly MarketEvent[]) => {
  const late = new Set<MarketEvent>(
    lags(events).flatMap(({ trade, lag }) => (lag > 0 ? [trade] : [])),
  )
  return events.filter(
    event =>
      (event.type === 'trade' || event.type === 'quote') && isStock(event) && !late.has(event),
  )
}

describe('a simulated day', () => {
  for (const [day, midnight] of [
    ['2025-06-02', Date.UTC(2025, 5, 2, 4)],
    ['2025-01-06', Date.UTC(2025, 0, 6, 5)],
    ['2025-07-01', Date.UTC(2025, 6, 1, 4)],
  ] as const) {
    test(`${day} begins and ends when New York's day does`, () => {
      const events = play({ day, events: 20_000, kinds: ['trade', 'quote', 'bar'] })
      const times = events.filter(isStock).map(timeOf)
      const first = times.reduce((a, b) => Math.min(a, b))
      const last = times.reduce((a, b) => Math.max(a, b))
      assert.ok(
        first >= midnight + 4 * HOUR && first < midnight + 4.3 * HOUR,
        new Date(first).toISOString(),
      )
      assert.ok(
        last < midnight + 20 * HOUR && last > midnight + 19.7 * HOUR,
        new Date(last).toISOString(),
      )
      const coins = events.filter(event => !isStock(event)).map(timeOf)
      assert.ok(coins[0]! >= midnight && coins[0]! < midnight + HOUR / 2, 'crypto from midnight')
      assert.ok(coins.at(-1)! < midnight + 24 * HOUR && coins.at(-1)! > midnight + 23.5 * HOUR)
      const open = only(events, 'trade').find(({ conditions }) => conditions?.includes('O'))!
      assert.ok(Math.abs(timeOf(open) - midnight - 9.5 * HOUR) < 2_000, 'the opening auction')
      const close = only(events, 'trade').find(({ conditions }) => conditions?.includes('6'))!
      assert.ok(Math.abs(timeOf(close) - midnight - 16 * HOUR) < 2_000, 'the closing auction')
    })
  }

  test('has about the events asked for, in the shape of a U, thin at both ends', () => {
    const counted = whole.filter(({ type }) => type === 'trade' || type === 'quote').length
    assert.ok(Math.abs(counted - 40_000) < 2_000, `${counted}`)
    const halves = new Array<number>(48).fill(0)
    const midnight = Date.UTC(2025, 5, 2, 4)
    for (const event of regular(whole))
      halves[Math.floor((timeOf(event) - midnight) / HOUR / 0.5)]!++
    const noon = halves.slice(23, 27).reduce((a, b) => a + b) / 4
    assert.ok(halves[19]! > 1.5 * noon && halves[31]! > 1.4 * noon, halves.join(' '))
    assert.ok(halves[20]! < halves[19]! && halves[30]! < halves[31]!, halves.join(' '))
    for (const thin of [8, 12, 16, 34, 39]) assert.ok(halves[thin]! < 0.4 * noon, halves.join(' '))
    assert.ok(halves.every((count, half) => count === 0 || (half >= 8 && half < 40)))
  })

  test('has wide spreads at the opening and outside of regular hours', () => {
    const midnight = Date.UTC(2025, 5, 2, 4)
    const spread = (from: number, to: number) => {
      const quotes = only(whole, 'quote').filter(
        quote =>
          quote.symbol === 'META' &&
          quote.timestamp >= midnight + from * HOUR &&
          quote.timestamp < midnight + to * HOUR,
      )
      return quotes.reduce((sum, { bid, ask }) => sum + ask! - bid!, 0) / quotes.length
    }
    const noon = spread(11, 14)
    assert.ok(spread(9.5, 9.7) > 1.4 * noon, 'opening')
    assert.ok(spread(4, 9.5) > 2 * noon && spread(16, 20) > 2 * noon, 'extended hours')
  })

  test('is received in order, each event a little after its time', () => {
    const late = new Set<MarketEvent>(
      lags(whole).flatMap(({ trade, lag }) => (lag > 0 ? [trade] : [])),
    )
    let before = 0
    for (const event of whole) {
      assert.ok(event.receivedAt >= before, 'never out of order')
      before = event.receivedAt
      if (late.has(event) || event.type === 'bar') continue
      const took = event.receivedAt - timeOf(event)
      assert.ok(took > 0 && took < 5, `${event.type} took ${took} ms`)
    }
  })

  test('has late prints, reused ids, corrections, bars and books as the live market has', () => {
    const all = lags(whole)
    const late = all.filter(({ lag }) => lag >= 100)
    assert.ok(late.length / all.length >= 0.01, `${late.length} of ${all.length}`)
    assert.ok(checkIds(whole) > 1_000)
    const { corrections, cancels } = checkFixes(whole)
    assert.ok(corrections > 3 && cancels > 3, `${corrections} and ${cancels}`)
    assert.ok(checkBars(whole) > 3_000)
    const books = new Books()
    for (const event of whole) books.take(event)
    assert.ok(books.deltas > 10_000)
  })

  test('marks extended hours, and the late prints of theirs', () => {
    const midnight = Date.UTC(2025, 5, 2, 4)
    for (const { trade, lag } of lags(whole)) {
      if (!isStock(trade)) continue
      const at = lag > 0 ? trade.receivedAt : timeOf(trade)
      const outside = at < midnight + 9.5 * HOUR || at >= midnight + 16 * HOUR
      const codes = trade.conditions!
      const auction = codes.some(code => ['O', 'Q', '6', 'M'].includes(code))
      assert.equal(codes.includes('T'), outside && lag === 0 && !auction, `${codes} at ${at}`)
      assert.equal(codes.includes('U'), outside && lag > 0, `${codes} at ${at}`)
    }
  })

  test('opens and closes each stock with an auction and an official price', () => {
    const special = (symbol: string, code: string) =>
      only(whole, 'trade').filter(
        trade => trade.symbol === symbol && trade.conditions?.includes(code),
      )
    for (const { symbol, market, tape } of instruments([], text => text).values()) {
      for (const [auction, official] of [
        ['O', 'Q'],
        ['6', 'M'],
      ] as const) {
        const [trades, prices] = [special(symbol, auction), special(symbol, official)]
        const expected = market === 'stock' ? 1 : 0
        assert.deepEqual([trades.length, prices.length], [expected, expected], symbol)
        if (expected === 0) continue
        const of = ({ price, size, exchange, tape }: Trade) => [price, size, exchange, tape]
        assert.deepEqual(of(trades[0]!), of(prices[0]!))
        assert.equal(trades[0]!.exchange, { A: 'N', B: 'P', C: 'Q' }[tape])
      }
    }
    assert.equal(only(whole, 'trade').filter(isOfficial).length, 20)
  })

  test('halts a few of many symbols for five minutes or more of regular hours', () => {
    const events = play({ symbols: 150, events: 30_000, kinds: ['trade', 'quote', 'status'] })
    const since = new Map<string, number>()
    let halts = 0
    for (const event of events) {
      const at = timeOf(event)
      if (event.type !== 'status') {
        assert.ok(event.type === 'trade' || event.type === 'quote')
        assert.ok(!since.has(event.symbol), `${event.symbol} trades while halted`)
      } else if (since.has(event.symbol)) {
        assert.ok(at - since.get(event.symbol)! > 299_999, 'it takes its time')
        since.delete(event.symbol)
      } else {
        since.set(event.symbol, at)
        halts++
      }
    }
    assert.equal(since.size, 0, 'all are resumed')
    assert.ok(halts >= 2 && halts <= 20, `${halts}`)
  })

  test('is the same byte for byte, however it is cut, and another for another seed or date', () => {
    const all = instruments([], text => text)
    const cut = (limit: number) => {
      const market = new TradingDay(all, { day: DAY, seed: 1, events: 10_000, source: 'simulated' })
      for (const symbol of all.keys()) {
        market.want(
          symbol,
          KINDS.reduce((bits, kind) => bits | KIND_BIT[kind], 0),
        )
      }
      const events: MarketEvent[] = []
      while (!market.over) market.run(0, limit, events)
      return events.map(event => encodeEvent(event)).join('\n')
    }
    const text = play({ events: 10_000, kinds: KINDS })
      .map(event => encodeEvent(event))
      .join('\n')
    assert.equal(text === cut(1), true, 'one by one')
    assert.equal(text === cut(1_000_000), true, 'in one go')
    const prices = (options: Partial<DayOptions>) =>
      only(play({ events: 2_000, ...options }), 'trade').map(({ price }) => price)
    assert.notDeepEqual(prices({ seed: 2 }), prices({}))
    assert.notDeepEqual(prices({ day: '2025-06-03' }), prices({}))
  })

  test('looks again from the start each time it is looped over', () => {
    const day = simulateDay({ day: DAY, events: 500 })
    assert.deepEqual([...day].flat(), [...day].flat())
  })

  test('has as many symbols as asked for, few of which have most of the events', () => {
    const { symbols } = simulated({ symbols: 500 }).capabilities
    assert.equal(symbols!.length, 500)
    assert.ok(symbols!.every(symbol => /^[A-Z]{1,5}$|^(BTC|ETH)\/USD$/.test(symbol)))
    assert.equal(new Set(symbols).size, 500)
    assert.deepEqual(simulated({ symbols: 500 }).capabilities.symbols, symbols)
    const counts = new Map<string, number>(symbols!.map(symbol => [symbol, 0]))
    for (const { symbol } of play({ symbols: 500, events: 50_000, kinds: ['trade', 'quote'] })) {
      counts.set(symbol!, counts.get(symbol!)! + 1)
    }
    const sorted = [...counts.values()].sort((a, b) => b - a)
    const top = sorted.slice(0, 50).reduce((a, b) => a + b) / sorted.reduce((a, b) => a + b)
    assert.ok(top > 0.5 && sorted.at(-1)! > 0, `${top}, ${sorted.at(-1)}`)
  })

  test('refuses what it cannot play', () => {
    assert.throws(() => simulateDay({ day: '2025-13-01' }), /day is "2025-13-01"/)
    assert.throws(() => simulateDay({ day: DAY, seed: 0.5 }), /seed is 0.5/)
    assert.throws(() => simulateDay({ day: DAY, events: -1 }), /events is -1/)
    assert.throws(() => simulateDay({ day: DAY, kinds: [] }), /kinds is empty/)
  })
})

describe('a simulated day as a source', () => {
  /** Plays it through a connection to its end. */
  async function connected(symbols: readonly string[], kinds: readonly (typeof KINDS)[number][]) {
    const { link, events, refusals } = takeNotes(handClock(), topics(symbols, ...kinds))
    const connection = await simulated({ day: DAY, events: 10_000 }).connect(link)
    assert.equal(await connection.ended, undefined)
    assert.deepEqual(refusals, [])
    return events
  }

  test('sends what simulateDay gives, then ends', async () => {
    const all = await connected(['*'], [...KINDS])
    assert.deepEqual(all, play({ events: 10_000, kinds: KINDS }))
  })

  test('tells less to who asks for less, and nothing else', async () => {
    const some = await connected(['TSLA', 'SPY'], ['trade', 'bar'])
    const all = play({ events: 10_000, kinds: KINDS })
    assert.ok(some.length > 500)
    assert.deepEqual(
      some,
      all.filter(
        ({ type, symbol }) =>
          (type === 'trade' || type === 'bar') && (symbol === 'TSLA' || symbol === 'SPY'),
      ),
    )
  })

  test('stands still while nothing is wanted, and closes', async () => {
    const { link, events } = takeNotes(handClock(), topics(['SPY'], 'trade'))
    const connection = await simulated({ day: DAY, events: 200_000 }).connect(link)
    const turn = () => new Promise(resolve => setImmediate(resolve))
    for (let i = 0; i < 200; i++) await turn()
    connection.unsubscribe(topics(['SPY'], 'trade'))
    await turn()
    const before = events.length
    for (let i = 0; i < 20; i++) await turn()
    assert.equal(events.length, before)
    connection.subscribe(topics(['SPY'], 'trade'))
    for (let i = 0; i < 100; i++) await turn()
    assert.ok(before > 0 && events.length > before, `${before}, then ${events.length}`)
    await connection.close()
    const closed = events.length
    await turn()
    assert.equal(events.length, closed)
  })

  test('ends a feed after its last event, and nothing is tried again', async () => {
    const feed = openFeed(simulated({ day: DAY, events: 5_000 }), { log: silentLog })
    const trades: unknown[] = []
    feed.trades(['SPY', 'AAPL'], ({ symbol, id, price }) => trades.push([symbol, id, price]))
    await feed.done
    assert.equal(feed.state, 'closed')
    assert.equal(feed.stats().connects, 1)
    const expected = only(play({ events: 5_000 }), 'trade')
      .filter(({ symbol }) => symbol === 'SPY' || symbol === 'AAPL')
      .map(({ symbol, id, price }) => [symbol, id, price])
    assert.deepEqual(trades, expected)
  })
})
