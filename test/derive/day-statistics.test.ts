import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DayStatistics } from '../../src/derive/day-statistics.ts'
import { Flag, hasFlag, type MarketEvent, type Ticker } from '../../src/market/events.ts'
import { cancel, correction, market, OPEN, trade } from './bars-kit.ts'
import { naiveBar, standing } from './naive-bars.ts'
import { effectOf } from './sale-table.ts'

const DAY = 86_400_000

function statistics(events: readonly MarketEvent[] = []) {
  const tickers: Ticker[] = []
  const days = new DayStatistics({}, ticker => tickers.push(ticker))
  days.append(events)
  return { days, tickers, last: () => tickers.at(-1)! }
}

describe('day statistics', () => {
  test('say the day so far, marked as worked out', () => {
    const { days, tickers, last } = statistics([
      trade(0, 100, 10),
      trade(300, 104, 30),
      trade(400, 98, 60),
    ])
    assert.equal(tickers.length, 2)
    days.advance(OPEN + 1_000)
    const { symbol, source, timestamp, open, high, low, volume, vwap, change } = last()
    assert.deepEqual([symbol, source, timestamp - OPEN], ['SPY', 'test', 400])
    assert.deepEqual([last().last, last().lastSize, last().lastTime], [98, 60, OPEN + 400])
    assert.deepEqual([open, high, low, volume, vwap, change], [100, 104, 98, 100, 100, undefined])
    assert.ok(tickers.every(ticker => hasFlag(ticker, 'derived')))
  })

  test('count the change from the close of the day before, also before the opening', () => {
    const early = { conditions: ['@', 'T'] }
    const { days, last } = statistics([trade(0, 100), trade(1_000, 80)])
    // 08:00 in New York.
    days.accept(trade(DAY - 90 * 60_000, 90, 10, early))
    assert.deepEqual([last().last, last().open, last().previousClose], [90, undefined, 80])
    assert.deepEqual([last().change, last().changePercent], [10, 12.5])
    days.accept(trade(DAY, 88))
    assert.deepEqual(
      [last().open, last().previousClose, last().change, last().changePercent],
      [88, 80, 8, 10],
    )
    assert.equal(last().volume, 110)
  })

  test('take a close from elsewhere for the first day', () => {
    const { days, last } = statistics()
    days.previousClose('test', 'SPY', 50)
    days.accept(trade(0, 55))
    assert.deepEqual([last().previousClose, last().change, last().changePercent], [50, 5, 10])
    // What the trades tell themselves goes before.
    days.accept(trade(DAY, 66))
    days.previousClose('test', 'SPY', 50)
    days.advance(OPEN + DAY + 1_000)
    assert.deepEqual([last().previousClose, last().change, last().changePercent], [55, 11, 20])
  })

  test('a close that comes behind the trades is said', () => {
    const { days, last } = statistics([trade(0, 55)])
    days.previousClose('test', 'SPY', 50)
    days.advance(OPEN + 1_000)
    assert.equal(last().change, 5)
  })

  test('a close of the day before that is put right late changes the change', () => {
    // 20:00 in New York.
    const evening = 10.5 * 3_600_000
    const wrong = trade(evening - 10_000, 80)
    const { days, last } = statistics([wrong, trade(evening + 5_000, 90)])
    assert.deepEqual([last().previousClose, last().change], [80, 10])
    days.accept(correction(wrong, evening + 10_000, 82))
    days.advance(OPEN + evening + 12_000)
    days.accept(trade(evening + 13_000, 91))
    assert.deepEqual([last().previousClose, last().change], [82, 9])
  })

  test('a change has no digits that no price has', () => {
    const { days, last } = statistics()
    days.previousClose('test', 'SPY', 0.1)
    days.accept(trade(0, 0.3))
    assert.deepEqual([last().change, last().changePercent], [0.2, 200])
    days.previousClose('test', 'BTC', 0.00001233)
    days.accept(trade(1_000, 0.00001234, 1, { symbol: 'BTC' }))
    assert.equal(last().change, 1e-8)
  })

  test('of a day that had begun when trades were given first, only the last is known', () => {
    const { days, last } = statistics()
    days.givenFrom(OPEN - 1)
    days.givenFrom(OPEN - DAY, { source: 'test', symbol: 'AAPL' })
    days.append([trade(0, 100), trade(1_000, 101, 10, { symbol: 'AAPL' })])
    assert.deepEqual([last().symbol, last().open, last().volume], ['AAPL', 101, 10])
    days.accept(trade(2_000, 102))
    const { symbol, open, high, low, volume, vwap } = last()
    assert.deepEqual([symbol, last().last, last().lastTime], ['SPY', 102, OPEN + 2_000])
    assert.ok([open, high, low, volume, vwap].every(field => field === undefined))
    days.accept(trade(DAY, 104))
    assert.deepEqual([last().open, last().volume, last().change], [104, 100, 2])
  })

  test('the last trade only moves forward, and a cancel takes it back', () => {
    const [a, b] = [trade(1_000, 100), trade(2_000, 101)]
    const { days, last } = statistics([a, b])
    days.accept(trade(500, 90, 1, { receivedAt: OPEN + 3_000 }))
    assert.deepEqual([last().last, last().low], [101, 90])
    days.accept(cancel(b, 4_000))
    assert.deepEqual([last().last, last().high], [100, 100])
  })

  test('a correction or cancel of the last trade leaves the right one, in any session', () => {
    const late = { conditions: ['@', 'T'] }
    const close = 6.5 * 3_600_000
    const trades = [1, 2, 3].map(i => trade(close + i * 1_000, 104 + i, 10 * i, late))
    const { days, last } = statistics([trade(0, 100), ...trades])
    const told = () => [last().last, last().lastSize, last().lastTime! - OPEN - close]
    assert.deepEqual(told(), [107, 30, 3_000])
    days.accept(cancel(trades[2]!, close + 4_000))
    assert.deepEqual(told(), [106, 20, 2_000])
    const right = correction(trades[1]!, close + 5_000, 105.9)
    days.accept(right)
    assert.deepEqual(told(), [105.9, 20, 2_000])
    // The correction has an id of its own, by which it can be taken back too.
    days.accept(cancel({ ...trades[1]!, id: right.id } as never, close + 6_000))
    assert.deepEqual(told(), [105, 10, 1_000])
    const odd = { ...correction(trades[0]!, close + 7_000, 1), conditions: ['@', 'I'] }
    days.accept(odd as never)
    assert.equal(last().last, 100, 'an odd lot gives no price')
  })

  test('a correction or cancel that comes before its trade is heeded', () => {
    const [a, b] = [trade(1_000, 900), trade(2_000, 901)]
    const { days, last } = statistics([trade(0, 100), cancel(a, 500), correction(b, 500, 101)])
    days.append([a, b])
    assert.deepEqual([last().last, last().high], [101, 101])
  })

  test('a cancel waits for as long as a hole may hold its trade', () => {
    const missed = trade(2_000, 900)
    const { days, last } = statistics([trade(0, 100)])
    const hole = { source: 'test', kind: 'trade', symbol: 'SPY', from: OPEN + 1_000 } as const
    days.holes('opened', [hole])
    days.accept(cancel(missed, 2_500))
    for (let s = 3; s < 300; s++) days.accept(trade(s * 1_000, 50, 1, { symbol: 'MSFT' }))
    days.accept({ ...missed, receivedAt: OPEN + 300_000 } as typeof missed)
    days.advance(OPEN + 301_000)
    assert.deepEqual([last().symbol, last().last, last().high], ['SPY', 100, 100])
  })

  test('what was no price and is put right becomes the last, a chain of fixes before it too', () => {
    const odd = trade(2_000, 500, 5, { conditions: ['@', 'I'] })
    const { days, last } = statistics([trade(0, 100), trade(1_000, 101), odd])
    days.accept(correction(odd, 3_000, 102, 200, ['@']))
    assert.deepEqual([last().last, last().lastSize, last().lastTime], [102, 200, OPEN + 2_000])
    const one = trade(4_000, 900)
    const right = correction(one, 3_500, 901)
    const gone = cancel({ ...one, id: right.id } as never, 3_600)
    days.append([right, gone, one])
    days.advance(OPEN + 5_000)
    assert.deepEqual([last().last, last().high], [102, 102])
  })

  test('a cancel that waits for the id of a correction is heeded when that comes', () => {
    const one = trade(1_000, 900)
    const right = correction(one, 2_000, 60)
    const gone = cancel({ ...one, id: right.id } as never, 3_000)
    const { days, last } = statistics([trade(0, 100), gone, one, right])
    days.advance(OPEN + 5_000)
    assert.deepEqual([last().last, last().high, last().volume], [100, 100, 100])
  })

  test('what has been taken back is not brought back by a correction', () => {
    const one = trade(1_000, 900)
    const { days, last } = statistics([trade(0, 100), one, cancel(one, 2_000)])
    days.accept(correction(one, 3_000, 901))
    assert.deepEqual([last().last, last().high], [100, 100])
  })

  test('a cancel of yesterday is not one of a trade of today with the same id', () => {
    const odd = trade(0, 90, 5, { id: 7, conditions: ['@', 'I'] })
    const never = trade(0, 91, 10, { id: 8 })
    const { days, last } = statistics([odd, trade(500, 100), cancel(odd, 1_000)])
    days.accept(cancel(never, 1_500))
    days.append([trade(DAY, 111, 10, { id: 7 }), trade(DAY + 1_000, 112, 10, { id: 8 })])
    assert.deepEqual([last().last, last().high, last().volume], [112, 112, 20])
    // Nor is one of today one of a trade of yesterday.
    const quiet = statistics([trade(0, 100, 10, { id: 9 }), trade(1, 99, 10, { id: 7 })])
    quiet.days.accept(trade(DAY, 101, 5, { id: 9, conditions: ['@', 'I'] }))
    quiet.days.accept(cancel(trade(0, 91, 10, { id: 9 }), DAY + 1_000))
    quiet.days.accept(cancel(trade(0, 91, 10, { id: 7 }), DAY + 2_000))
    assert.equal(quiet.last().last, 99)
  })

  test('the last is the newest that stands, whatever came late, was corrected or canceled', () => {
    const property = fc.property(market, events => {
      const { days, tickers, last } = statistics(events)
      days.advance(OPEN + 60_000)
      const priced = standing(events).filter(
        it => effectOf(it.conditions, it.tape, 'minute')[0] === 'y',
      )
      const fixes = events.filter(({ type }) => type !== 'trade').length
      // Few are remembered: enough unless as many are taken back.
      if (priced.length === 0 || tickers.length === 0 || fixes > 14) return
      const rank = ({ timestamp, nanos }: { timestamp: number; nanos: number }) =>
        (timestamp - OPEN) * 1e6 + nanos
      const newest = Math.max(...priced.map(rank))
      const prices = priced.filter(it => rank(it) === newest).map(({ price }) => price)
      assert.ok(prices.includes(last().last!), `${last().last} is none of ${prices}`)
    })
    fc.assert(property, { numRuns: 300 })
  })

  test('what is no number changes nothing and is counted', () => {
    const one = trade(0, 100)
    const { days, tickers, last } = statistics([one, trade(500, Number.NaN)])
    days.accept(trade(1_000, 102, 1, { timestamp: 1e18, receivedAt: OPEN + 1_000 }))
    days.accept(correction(one, 1_500, Number.NaN))
    days.accept({ ...cancel(one, 2_000), timestamp: Number.NaN, receivedAt: OPEN + 2_000 })
    days.advance(OPEN + 3_000)
    assert.deepEqual([tickers.length, last().last, last().high], [1, 100, 100])
    assert.equal(days.stats().malformed, 4)
  })

  test('odd lots are volume and no price', () => {
    const { last } = statistics([trade(0, 100), trade(1_000, 500, 5, { conditions: ['@', 'I'] })])
    assert.deepEqual([last().last, last().high, last().volume], [100, 100, 105])
  })

  test('marks of the data stay', () => {
    const { last } = statistics([trade(0, 100, 1, { flags: Flag.simulated | Flag.late })])
    assert.equal(last().flags, Flag.simulated | Flag.derived)
  })

  test('in the end they are the plain bar of the day', () => {
    const property = fc.property(market, events => {
      const { days, tickers, last } = statistics(events)
      days.advance(OPEN + 60_000)
      const day = naiveBar(0, standing(events), 'day')
      if (!day || tickers.length === 0) return
      const { open, high, low, volume, vwap } = last()
      assert.deepEqual([open, high, low, volume], [day.open, day.high, day.low, day.volume])
      // Where nothing counts for volume there is no mean.
      if (Number.isNaN(day.vwap)) assert.equal(vwap, undefined)
      else assert.ok(Math.abs(vwap! - day.vwap) < 1e-9)
    })
    fc.assert(property, { numRuns: 200 })
  })
})
