import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SessionVwap, type VwapInput } from '../../src/derive/indicators.ts'
import { always, sessionOf } from '../../src/market/calendar-book.ts'
import { usEquities } from '../../src/market/calendar-us.ts'

const MINUTE = 60_000
/** Tuesday 2024-01-16, 09:30 New York. */
const OPEN = Date.UTC(2024, 0, 16, 14, 30)
const DAY = 86_400_000

function bar(timestamp: number, close: number, volume: number, rest: object = {}): VwapInput {
  const fields = { symbol: 'SPY', source: 'test', timestamp, volume, vwap: undefined }
  return { ...fields, high: close + 1, low: close - 1, close, ...rest }
}

test('weighs the mean of high, low and close by volume, or the vwap of the bar', () => {
  const vwap = new SessionVwap()
  assert.equal(vwap.update(bar(OPEN, 10, 100)), 10)
  assert.equal(vwap.update(bar(OPEN + MINUTE, 20, 300)), 17.5)
  assert.equal(vwap.update(bar(OPEN + 2 * MINUTE, 99, 400, { vwap: 17.5 })), 17.5)
  assert.equal(vwap.update(bar(OPEN + 3 * MINUTE, 99, 0)), 17.5)
})

test('begins anew with each trading day, and has no value until its session has begun', () => {
  const vwap = new SessionVwap({ calendar: usEquities })
  assert.equal(vwap.update(bar(OPEN - MINUTE, 5, 100)), undefined)
  assert.equal(vwap.ready, false)
  vwap.update(bar(OPEN, 10, 100))
  // After the close, it stays what the session made it.
  assert.equal(vwap.update(bar(OPEN + 6.5 * 60 * MINUTE, 90, 100)), 10)
  // Before the opening of the next day there is none: yesterday's would be another day's.
  assert.equal(vwap.update(bar(OPEN + DAY - MINUTE, 7, 100)), undefined)
  assert.equal(vwap.update(bar(OPEN + DAY, 30, 1)), 30)
})

test('counts the sessions it is told to', () => {
  const vwap = new SessionVwap({ sessions: ['pre', 'regular'] })
  vwap.update(bar(OPEN - MINUTE, 10, 100))
  assert.equal(vwap.update(bar(OPEN, 20, 100)), 15)
})

test('a market that never closes begins anew at midnight UTC', () => {
  const vwap = new SessionVwap({ calendar: always })
  const midnight = Date.UTC(2024, 0, 20)
  vwap.update(bar(midnight - MINUTE, 10, 1))
  assert.equal(vwap.update(bar(midnight, 30, 1)), 30)
})

test('a bar of an earlier day, or of closed hours, changes nothing', () => {
  const vwap = new SessionVwap({ calendar: usEquities })
  vwap.update(bar(OPEN + DAY, 10, 100))
  assert.equal(vwap.update(bar(OPEN, 90, 100)), 10)
  // Saturday noon.
  assert.equal(vwap.update(bar(Date.UTC(2024, 0, 20, 17), 90, 100)), 10)
})

// Bars over three days around the clock, most of them in a row, some out of it.
const anyBars = fc.array(
  fc
    .record({
      minute: fc.integer({ min: 0, max: 3 * 24 * 60 }),
      price: fc.integer({ min: 2, max: 500 }),
      volume: fc.integer({ min: 0, max: 1_000 }),
      own: fc.option(fc.integer({ min: 2, max: 500 }), { nil: undefined }),
    })
    .map(({ minute, price, volume, own }) =>
      bar(OPEN - DAY + minute * MINUTE, price, volume, { vwap: own }),
    ),
  { maxLength: 40 },
)

/** Over the whole past: the bars of the latest day seen, in regular hours. */
function reference(bars: readonly VwapInput[]): number | undefined {
  const of = (one: VwapInput) => sessionOf(one, usEquities)!
  const day = bars
    .map(one => of(one).day ?? '')
    .sort()
    .at(-1)
  const counted = bars.filter(one => of(one).day === day && of(one).name === 'regular')
  const volume = counted.reduce((sum, one) => sum + one.volume, 0)
  const price = ({ high, low, close, vwap }: VwapInput) => vwap ?? (high + low + close) / 3
  const amount = counted.reduce((sum, one) => sum + price(one) * one.volume, 0)
  return volume > 0 ? amount / volume : undefined
}

test('is what the naive formula gives, with replacements and snapshots on the way', () => {
  fc.assert(
    fc.property(anyBars, anyBars, (bars, junk) => {
      let vwap = new SessionVwap({ calendar: usEquities })
      bars.forEach((one, i) => {
        const wrong = junk[i]
        if (wrong) {
          vwap.update(wrong)
          vwap.replace(one)
        } else vwap.update(one)
        if (i % 3 === 0) {
          const saved = JSON.parse(JSON.stringify(vwap.snapshot()))
          vwap = new SessionVwap({ calendar: usEquities })
          vwap.restore(saved)
          assert.deepEqual(vwap.snapshot(), saved)
        }
        const expected = reference(bars.slice(0, i + 1))
        const given = vwap.value
        assert.equal(vwap.count, i + 1)
        if (expected === undefined) assert.equal(given, undefined)
        else assert.ok(Math.abs(given! - expected) < 1e-9, `${given} is not ${expected}`)
      })
    }),
  )
})

test('refuses what it cannot reckon with', () => {
  const vwap = new SessionVwap()
  const wrong = [
    bar(OPEN, Number.NaN, 1),
    bar(OPEN, 1, -1),
    bar(OPEN, 1, Number.NaN),
    bar(Number.NaN, 1, 1),
    bar(OPEN, 1, 1, { vwap: Number.NaN }),
    bar(OPEN, 1, 1, { symbol: 'LSE:VOD' }),
  ]
  for (const one of wrong) assert.throws(() => vwap.update(one), { code: 'BAD_OPTION' })
  assert.throws(() => vwap.replace(bar(OPEN, 1, 1)), { code: 'BAD_OPTION' })
  for (const options of [
    { sessions: [] },
    { sessions: ['regular', 'bogus'] },
    // Nothing that lies there would count.
    { sessions: ['closed'] },
    { calender: always },
  ]) {
    assert.throws(() => new SessionVwap(options as never), { code: 'BAD_OPTION' })
  }
  assert.equal(vwap.count, 0)
  const other = new SessionVwap({ calendar: always })
  assert.throws(() => other.restore(vwap.snapshot()), { code: 'BAD_OPTION' })
  const half = { ...other.snapshot(), state: { sums: {} } }
  assert.throws(() => other.restore(half), { code: 'BAD_OPTION' })
})
