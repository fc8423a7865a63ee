import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BarBuilder } from '../../src/derive/bars.ts'
import { type Bar, createEvent, type MarketEvent } from '../../src/market/events.ts'
import { INTERVALS, type Point } from '../../web/wire.ts'
import { lengthOf, planOf, Series } from '../../web/worker/series.ts'

const START = Date.UTC(2025, 5, 2, 14, 0, 0)

function trades(gaps: readonly number[]): MarketEvent[] {
  let at = START
  return gaps.map((gap, i) => {
    at += gap
    const price = 100 + ((i * 7) % 11) / 10
    const fields = {
      type: 'trade',
      symbol: 'SPY',
      source: 's',
      timestamp: at,
      receivedAt: at,
    } as const
    return createEvent({ ...fields, price, size: 1 + (i % 5), id: i, seq: i + 1 })
  })
}

/** What a store has of trades: bars that are over. */
function barsOf(events: readonly MarketEvent[], interval: Bar['interval'], until: number): Bar[] {
  const bars: Bar[] = []
  const builder = new BarBuilder({ interval, time: 'venue' }, { final: bar => bars.push(bar) })
  builder.append(events)
  builder.advance(until)
  builder.end()
  return bars.filter(bar => bar.timestamp + lengthOf(interval) <= until)
}

const plain = ({ time, open, high, low, close, volume }: Point) => [
  time,
  open,
  high,
  low,
  close,
  volume,
]

describe('a series of bars', () => {
  it('joins the past to what comes without a seam, wherever they meet', () => {
    const gap = fc.integer({ min: 0, max: 9_000 })
    fc.assert(
      fc.property(
        fc.constantFrom(...INTERVALS),
        fc.array(gap, { minLength: 2, maxLength: 120 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(5),
        (interval, gaps, part, both) => {
          const all = trades(gaps)
          const cut = Math.floor(part * all.length)
          const past = all.slice(0, cut)
          const asked = past.at(-1)?.timestamp ?? START
          const plan = planOf(interval, asked)
          let torn = 0
          const series = new Series(interval, () => torn++)
          series.wait()
          // What came while the past was asked for is in both.
          for (const event of all.slice(Math.max(0, cut - both), cut)) {
            if (event.timestamp >= plan.tradesFrom) series.accept(event)
          }
          const inside = past.filter(event => event.timestamp >= plan.tradesFrom)
          const before = past.filter(event => event.timestamp < plan.tradesFrom)
          series.begin(
            plan,
            barsOf(before, interval, plan.partsFrom),
            barsOf(before, plan.part, plan.tradesFrom).filter(
              bar => bar.timestamp >= plan.partsFrom,
            ),
            inside,
          )
          for (const event of all.slice(cut)) series.accept(event)
          const end = all.at(-1)!.timestamp + lengthOf(interval) * 2
          series.advance(end)
          const whole = barsOf(all, interval, end).map(bar => [
            ...[bar.timestamp, bar.open, bar.high, bar.low, bar.close, bar.volume],
          ])
          assert.deepEqual(series.points.map(plain), whole)
          assert.equal(torn, 0)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('asks for the past again when a trade is of a time before what is built here', () => {
    let torn = 0
    const series = new Series('1m', () => torn++)
    const [first, second] = trades([0, 300_000])
    series.begin(planOf('1m', second!.timestamp), [], [], [second!])
    series.accept(first!)
    assert.equal(torn, 1)
    assert.equal(series.points.length, 1)
  })

  it('tells of what has changed once, and says which bar still forms', () => {
    const series = new Series('5s', () => {})
    const all = trades([0, 6_000, 100])
    series.begin(planOf('5s', START), [], [], [all[0]!])
    assert.equal(series.changes()?.isWhole, true)
    assert.equal(series.changes(), undefined)
    series.accept(all[1]!)
    series.accept(all[2]!)
    const { isWhole, points } = series.changes()!
    assert.equal(isWhole, false)
    assert.equal(points.at(-1)!.isForming, true)
    series.advance(START + 20_000)
    assert.deepEqual(
      series.changes()!.points.map(point => point.isForming),
      [false],
    )
  })
})
