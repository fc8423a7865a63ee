import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  Atr,
  Bollinger,
  Ema,
  type HighLowClose,
  type Indicator,
  Macd,
  Rsi,
  Sma,
} from '../../src/derive/indicators.ts'

// The references: what the books say, over the whole past, with no thought of cost.
const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0)
const mean = (list: readonly number[]) => sum(list) / list.length

function sma(closes: readonly number[], period: number): number | undefined {
  return closes.length < period ? undefined : mean(closes.slice(-period))
}

function emaFrom(closes: readonly number[], period: number): number {
  const weight = 2 / (period + 1)
  return closes.reduce((before, close) => before + weight * (close - before))
}

function ema(closes: readonly number[], period: number): number | undefined {
  return closes.length < period ? undefined : emaFrom(closes, period)
}

/** Wilder's: the mean of the first `period`, from there on 1 / period of the latest. */
function wilder(list: readonly number[], period: number): number | undefined {
  if (list.length < period) return undefined
  return list.slice(period).reduce((a, b) => a + (b - a) / period, mean(list.slice(0, period)))
}

function rsi(closes: readonly number[], period: number): number | undefined {
  const changes = closes.slice(1).map((close, i) => close - closes[i]!)
  const gain = wilder(
    changes.map(change => Math.max(0, change)),
    period,
  )
  const loss = wilder(
    changes.map(change => Math.max(0, -change)),
    period,
  )
  if (gain === undefined || loss === undefined) return undefined
  return loss === 0 ? 100 : 100 - 100 / (1 + gain / loss)
}

function macd(closes: readonly number[], short: number, long: number, signal: number) {
  if (closes.length < long + signal - 1) return undefined
  const line = closes
    .map((_, i) => closes.slice(0, i + 1))
    .slice(long - 1)
    .map(past => emaFrom(past, short) - emaFrom(past, long))
  const [last, average] = [line.at(-1)!, emaFrom(line, signal)]
  return { macd: last, signal: average, histogram: last - average }
}

function bollinger(closes: readonly number[], period: number, deviations: number) {
  if (closes.length < period) return undefined
  const last = closes.slice(-period)
  const middle = mean(last)
  const width = deviations * Math.sqrt(mean(last.map(close => (close - middle) ** 2)))
  return { lower: middle - width, middle, upper: middle + width }
}

function atr(bars: readonly HighLowClose[], period: number): number | undefined {
  const ranges = bars.map(({ high, low }, i) => {
    const { close } = bars[i - 1] ?? { close: low }
    return Math.max(high, close) - Math.min(low, close)
  })
  return wilder(ranges, period)
}

interface Case {
  readonly name: string
  make(): Indicator<HighLowClose, unknown>
  reference(bars: readonly HighLowClose[]): unknown
}

const closes = (bars: readonly HighLowClose[]) => bars.map(({ close }) => close)

const cases: readonly Case[] = [
  ...[1, 2, 7].map(n => ({
    name: `sma(${n})`,
    make: () => new Sma(n),
    reference: (bars: readonly HighLowClose[]) => sma(closes(bars), n),
  })),
  ...[1, 2, 6].map(n => ({
    name: `ema(${n})`,
    make: () => new Ema(n),
    reference: (bars: readonly HighLowClose[]) => ema(closes(bars), n),
  })),
  ...[2, 5].map(n => ({
    name: `rsi(${n})`,
    make: () => new Rsi(n),
    reference: (bars: readonly HighLowClose[]) => rsi(closes(bars), n),
  })),
  ...[[1, 2, 1] as const, [3, 6, 4] as const].map(([short, long, signal]) => ({
    name: `macd(${short},${long},${signal})`,
    make: () => new Macd({ short, long, signal }),
    reference: (bars: readonly HighLowClose[]) => macd(closes(bars), short, long, signal),
  })),
  ...[[1, 1] as const, [5, 2.5] as const].map(([n, d]) => ({
    name: `bollinger(${n},${d})`,
    make: () => new Bollinger(n, d),
    reference: (bars: readonly HighLowClose[]) => bollinger(closes(bars), n, d),
  })),
  ...[1, 4].map(n => ({
    name: `atr(${n})`,
    make: () => new Atr(n),
    reference: (bars: readonly HighLowClose[]) => atr(bars, n),
  })),
]

// Prices as markets make them: on a grid, often the same again.
const price = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 1, max: 1_000_000 }).map(cents => cents / 100),
)
const anyBar = fc.tuple(price, price, price).map(three => {
  const [low, close, high] = three.sort((a, b) => a - b) as [number, number, number]
  return { high, low, close }
})
const anyBars = fc.array(anyBar, { maxLength: 40 })

const isNear = (a: number, b: number, scale: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, scale)

/** Equal but for rounding; rounding grows with the prices, not with the result. */
function assertNear(actual: unknown, expected: unknown, scale: number) {
  if (typeof expected === 'number') {
    assert.ok(isNear(actual as number, expected, scale), `${actual} is not ${expected}`)
    return
  }
  if (expected === undefined) return assert.equal(actual, undefined)
  assert.deepEqual(Object.keys(actual as object).sort(), Object.keys(expected as object).sort())
  for (const [key, value] of Object.entries(expected as object)) {
    assertNear((actual as Record<string, unknown>)[key], value, scale)
  }
}

const overJson = <T>(value: T): T => JSON.parse(JSON.stringify(value))

for (const { name, make, reference } of cases) {
  describe(name, () => {
    test('is what the naive formula over the whole past gives', () => {
      fc.assert(
        fc.property(anyBars, bars => {
          const indicator = make()
          assert.equal(indicator.name, name)
          bars.forEach((bar, i) => {
            const expected = reference(bars.slice(0, i + 1))
            const given = indicator.update(bar)
            // A ratio of small changes of large prices keeps fewer digits.
            const scale = name.startsWith('rsi') ? 1_000 : Math.max(...bars.map(b => b.high))
            assertNear(given, expected, scale)
            assert.deepEqual(indicator.value, given)
            assert.equal(indicator.ready, i + 1 >= indicator.needs)
            assert.equal(indicator.ready, given !== undefined)
            assert.equal(indicator.count, i + 1)
          })
        }),
      )
    })

    test('after replacements it is as if only the last one had come', () => {
      const revised = fc.array(fc.tuple(anyBar, fc.array(anyBar, { maxLength: 3 })), {
        maxLength: 25,
      })
      fc.assert(
        fc.property(revised, list => {
          const [one, other] = [make(), make()]
          for (const [bar, revisions] of list) {
            one.update(bar)
            for (const revision of revisions) one.replace(revision)
            other.update(revisions.at(-1) ?? bar)
            assert.deepEqual(one.value, other.value)
            assert.equal(one.count, other.count)
          }
          assert.deepEqual(one.snapshot(), other.snapshot())
        }),
      )
    })

    test('goes on from a snapshot at any point, to the last bit', () => {
      fc.assert(
        fc.property(anyBars, anyBars, anyBar, (past, future, revision) => {
          const whole = make()
          for (const bar of past) whole.update(bar)
          const saved = overJson(whole.snapshot())
          const resumed = make()
          // What it had before is gone.
          for (const bar of future) resumed.update(bar)
          resumed.restore(saved)
          assert.deepEqual(resumed.value, whole.value)
          if (past.length > 0) assert.deepEqual(resumed.replace(revision), whole.replace(revision))
          for (const bar of future) assert.deepEqual(resumed.update(bar), whole.update(bar))
          assert.deepEqual(resumed.snapshot(), whole.snapshot())
          assert.equal(resumed.count, whole.count)
        }),
      )
    })

    test('holds no more than it needs, however long it runs', () => {
      const indicator = make()
      const sizes = new Set<number>()
      for (let i = 0; i < 500; i++) {
        indicator.update({ high: 2, low: 1, close: 1.5 })
        if (i > 50) sizes.add(JSON.stringify(indicator.snapshot().state).length)
      }
      assert.ok(Math.max(...sizes) < 1_000, `${Math.max(...sizes)} characters`)
    })
  })
}

describe('an indicator', () => {
  test('takes numbers as well as bars', () => {
    const [one, other] = [new Ema(2), new Ema(2)]
    for (const close of [1, 2, 4]) assert.equal(one.update(close), other.update({ close }))
  })

  test('has no value where its period is longer than the data, and says what it needs', () => {
    const rsi = new Rsi(14)
    for (let i = 0; i < 14; i++) assert.equal(rsi.update(100 + i), undefined)
    assert.deepEqual([rsi.ready, rsi.value, rsi.count, rsi.needs], [false, undefined, 14, 15])
    assert.equal(rsi.update(99) !== undefined, true)
    assert.equal(new Macd().needs, 34)
  })

  for (const [what, make] of [
    ['a period of 0', () => new Sma(0)],
    ['a negative period', () => new Ema(-3)],
    ['a period of NaN', () => new Sma(Number.NaN)],
    ['an infinite period', () => new Bollinger(Number.POSITIVE_INFINITY)],
    ['a period with a fraction', () => new Atr(2.5)],
    ['a period that is text', () => new Ema('9' as unknown as number)],
    ['an RSI of a single change', () => new Rsi(1)],
    ['a MACD whose short average is the longer', () => new Macd({ short: 26, long: 12 })],
    ['a MACD with a mistyped option', () => new Macd({ shrt: 3 } as never)],
    ['bands without width', () => new Bollinger(20, 0)],
    ['bands of NaN deviations', () => new Bollinger(20, Number.NaN)],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(make, { code: 'BAD_OPTION' })
    })
  }

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, undefined, null, '5', 1e300]) {
    test(`refuses ${bad} as an input, and goes on unharmed`, () => {
      const [one, other] = [new Ema(2), new Ema(2)]
      for (const close of [1, 2]) {
        one.update(close)
        other.update(close)
        assert.throws(() => one.update(bad as number), { code: 'BAD_OPTION' })
        assert.throws(() => one.replace({ close: bad as number }), { code: 'BAD_OPTION' })
      }
      assert.deepEqual(one.snapshot(), other.snapshot())
      assert.equal(one.update(3), other.update(3))
    })
  }

  test('refuses a bar whose high is below its low', () => {
    assert.throws(() => new Atr(1).update({ high: 1, low: 2, close: 1 }), { code: 'BAD_OPTION' })
  })

  test('refuses to replace what has not come', () => {
    assert.throws(() => new Sma(1).replace(1), { code: 'BAD_OPTION', hint: /update/ })
  })

  test('refuses a snapshot of another kind or period, and what is none', () => {
    const saved = new Sma(3)
    for (const close of [1, 2, 3, 4, 5]) saved.update(close)
    const snapshot = saved.snapshot()
    const whole = snapshot.state as { inputs: number[]; before: number[] }
    const ema = new Ema(3)
    for (const close of [1, 2, 3, 4, 5]) ema.update(close)
    const { state } = ema.snapshot() as { state: { inputs: number[] } }
    const wrong: [Indicator<number, number>, unknown][] = [
      [new Sma(4), snapshot],
      [new Ema(3), snapshot],
      [new Sma(3), undefined],
      [new Sma(3), { ...snapshot, count: -1 }],
      [new Sma(3), { ...snapshot, count: 0.5 }],
      [new Sma(3), { ...snapshot, count: 2 }],
      [new Sma(3), { ...snapshot, state: undefined }],
      [new Sma(3), { ...snapshot, state: { ...whole, inputs: [1, 2, 3, Number.NaN] } }],
      [new Sma(3), { ...snapshot, state: { inputs: whole.inputs } }],
      [new Ema(3), { indicator: 'ema(3)', count: 5, state: { ...state, before: ['1'] } }],
    ]
    for (const [indicator, bad] of wrong) {
      indicator.update(7)
      const before = indicator.snapshot()
      assert.throws(() => indicator.restore(bad as typeof snapshot), { code: 'BAD_OPTION' })
      assert.deepEqual(indicator.snapshot(), before)
    }
  })
})
