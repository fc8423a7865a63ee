import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BarBuilder } from '../../src/derive/bars.ts'
import { Grid, intervalOf, parseSize } from '../../src/derive/bars-interval.ts'
import type { BarOptions } from '../../src/derive/bars-options.ts'
import type { Calendar } from '../../src/market/calendar.ts'
import { always, forex } from '../../src/market/calendar-book.ts'
import { nse } from '../../src/market/calendar-india.ts'
import { usEquities } from '../../src/market/calendar-us.ts'
import { toISO } from '../../src/market/time.ts'
import { build, trade } from './bars-kit.ts'

const at = (text: string) => Date.parse(text)
const grid = (interval: string, calendar: Calendar, align: 'clock' | 'session' = 'clock') => {
  const size = parseSize(interval as '1m', align)
  assert.ok(size.by === 'time')
  return new Grid(size, align, calendar)
}
const edges = (of: Grid, text: string) => {
  const { stamp, from, to } = of.at(at(text))
  return [stamp, from, to].map(ms => toISO({ timestamp: ms, nanos: 0 }).slice(0, 16))
}

describe('where bars lie', () => {
  test('those of an hour begin with the hour of the market, as vendors have it', () => {
    const [stamp, from, to] = edges(grid('1h', usEquities), '2024-01-16T14:45:00Z')
    assert.deepEqual(
      [stamp, from, to],
      ['2024-01-16T14:00', '2024-01-16T14:00', '2024-01-16T15:00'],
    )
    assert.equal(edges(grid('1h', nse), '2024-01-16T03:50:00Z')[0], '2024-01-16T03:30')
    assert.equal(edges(grid('4h', usEquities), '2024-07-16T14:45:00Z')[0], '2024-07-16T12:00')
  })

  test('those of a session begin with it and do not leave it', () => {
    const half = grid('65m', usEquities, 'session')
    assert.equal(edges(half, '2024-01-16T14:30:00Z')[0], '2024-01-16T14:30')
    const early = edges(grid('2h', usEquities, 'session'), '2024-07-03T16:45:00Z')
    assert.deepEqual(early, ['2024-07-03T15:30', '2024-07-03T15:30', '2024-07-03T17:00'])
  })

  test('a day bears its midnight, and is over with its last session', () => {
    const day = grid('1d', usEquities)
    assert.deepEqual(edges(day, '2024-01-16T15:00:00Z'), [
      ...['2024-01-16T05:00', '2024-01-16T01:00', '2024-01-17T01:00'],
    ])
    // An early close, in summer.
    assert.deepEqual(edges(day, '2024-07-03T15:00:00Z').slice(1), [
      '2024-07-03T00:00',
      '2024-07-03T21:00',
    ])
    assert.deepEqual(edges(grid('1d', always), '2024-01-16T15:00:00Z'), [
      ...['2024-01-16T00:00', '2024-01-16T00:00', '2024-01-17T00:00'],
    ])
    assert.deepEqual(edges(grid('1d', forex), '2024-01-15T23:00:00Z'), [
      ...['2024-01-16T05:00', '2024-01-15T22:00', '2024-01-16T22:00'],
    ])
  })

  test('what prints while the market is closed belongs to the day before', () => {
    const day = grid('1d', usEquities)
    assert.equal(edges(day, '2024-01-20T15:00:00Z')[0], '2024-01-19T05:00')
    const { finals, builder } = build({ interval: '1d', calendar: usEquities }, [
      trade(0, 100, 1, { timestamp: at('2024-01-19T15:00:00Z') }),
      trade(0, 101, 1, { timestamp: at('2024-01-20T01:00:10Z') }),
    ])
    builder.advance(at('2024-01-21T00:00:00Z'))
    assert.deepEqual(
      finals.map(it => [it.volume, it.close]),
      [[2, 101]],
    )
  })
})

describe('sizes', () => {
  test('have one name each', () => {
    assert.equal(intervalOf({ ticks: 500 }), '500t')
    assert.equal(intervalOf({ volume: 10_000 }), '10000v')
    assert.equal(intervalOf({ dollars: 1e6 }), '1000000$')
    assert.equal(intervalOf('90m'), '90m')
  })

  const wrong: [size: unknown, words: RegExp][] = [
    ...(['0m', '', '1', 'm', '1.5m', '-1m', '1M', '1y', '100000m'] as const).map(
      text => [text, /cannot have the size/] as [unknown, RegExp],
    ),
    ...[
      { ticks: 0 },
      { ticks: 1.5 },
      { volume: -1 },
      {},
      { pips: 3 },
      null,
      60,
      { ticks: 1, volume: 1 },
    ].map(size => [size, /cannot have the size/] as [unknown, RegExp]),
    ['7d', /longer than a day/],
    ['1w', /longer than a day/],
    ['25h', /longer than a day/],
    ['7m', /do not divide a day.*6m or 8m/],
    ['5h', /do not divide a day.*4h or 6h/],
    ['7s', /do not divide a day.*6s or 8s/],
  ]
  for (const [size, words] of wrong) {
    test(`${JSON.stringify(size)} is refused`, () => {
      const make = () => new BarBuilder({ interval: size as '1m' }, { final: () => {} })
      assert.throws(make, (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, 'BAD_OPTION')
        assert.match(`${error.message} ${error.hint}`, words)
        return true
      })
    })
  }

  test('one that does not divide the session is refused where bars shall begin with it', () => {
    const options = { interval: '1h', align: 'session', calendar: usEquities } as const
    assert.throws(() => new BarBuilder(options, { final: () => {} }), {
      code: 'BAD_OPTION',
      message: /390 minutes/,
    })
    for (const interval of ['65m', '30m', '1d'] as const) {
      new BarBuilder({ ...options, interval }, { final: () => {} })
    }
  })

  for (const [name, options] of Object.entries({
    'an empty list': { interval: [] },
    'a grace that is no number': { interval: '1m', graceMs: Number.NaN },
    'a negative memory': { interval: '1m', reviseMs: -1 },
    'a size named twice': { interval: ['1m', { ticks: 5 }, '1m'] },
    'a way to fill that there is not': { interval: '1m', fill: 'zero' as 'none' },
    'an unknown alignment': { interval: '1m', align: 'hour' as 'clock' },
    'an unknown time': { interval: '1m', time: 'machine' as 'venue' },
    'a mistyped name': { interval: '1m', reviceMs: 5 } as BarOptions,
  } satisfies Record<string, BarOptions>)) {
    test(`${name} is refused`, () => {
      assert.throws(() => new BarBuilder(options, { final: () => {} }), { code: 'BAD_OPTION' })
    })
  }

  test('where a market never closes, bars that begin with the session begin anew at midnight', () => {
    const options = { interval: '7m', align: 'session' } as const
    const midnight = Date.UTC(2024, 0, 17)
    const { builder, finals } = build(options)
    for (let minute = -10; minute < 10; minute++) {
      const timestamp = midnight + minute * 60_000
      builder.accept(trade(0, 100, 1, { symbol: 'BTC/USD', timestamp, receivedAt: timestamp }))
    }
    builder.advance(midnight + 3_600_000)
    assert.deepEqual(
      finals.map(bar => (bar.timestamp - midnight) / 60_000),
      // 205 times 7 minutes behind the midnight before, and the rest.
      [-12, -5, 0, 7],
    )
  })

  test('time moves on to a moment only', () => {
    const { builder } = build({ interval: '1m' })
    for (const time of [Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => builder.advance(time), { code: 'BAD_OPTION' })
    }
  })
})
