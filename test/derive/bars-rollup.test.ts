import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compareBars } from '../../src/derive/bars-compare.ts'
import { rollUp } from '../../src/derive/bars-rollup.ts'
import { createEvent } from '../../src/market/events.ts'
import { build, market, OPEN, said, trade } from './bars-kit.ts'

const MINUTE = 60_000
const spread = market.map(events =>
  events
    // Over some minutes rather than seconds.
    .map(event => createEvent({ ...event, timestamp: OPEN + (event.timestamp - OPEN) * 15 }))
    .filter(event => event.type === 'trade'),
)

describe('bars put together', () => {
  test('minutes from seconds are minutes from trades', () => {
    const property = fc.property(spread, events => {
      const all = events.map(event => createEvent({ ...event, conditions: ['@'] }))
      const { builder, last } = build({ interval: ['1s', '1m', '1h'] }, all)
      builder.advance(OPEN + 2 * 3_600_000)
      for (const interval of ['1m', '1h'] as const) {
        const rolled = rollUp(last('1s'), { interval })
        assert.deepEqual(
          rolled.map(it => said(it as never)),
          last(interval).map(said),
        )
        for (const [i, { vwap }] of rolled.entries()) {
          assert.ok(Math.abs(vwap! - last(interval)[i]!.vwap!) < 1e-9)
        }
      }
    })
    fc.assert(property, { numRuns: 200 })
  })

  test('with odd lots too, where no interval is left out', () => {
    const property = fc.property(spread, events => {
      const first = trade(0, 100, 100)
      const options = { interval: ['1s', '1m'] as const, fill: 'previous' as const }
      const { builder, last } = build(options, [first, ...events])
      builder.advance(OPEN + 10 * MINUTE)
      const rolled = rollUp(last('1s'), { interval: '1m' })
      const minutes = last('1m').map(said)
      // Only the last minute may lack seconds that were not over.
      assert.deepEqual(
        rolled.slice(0, 9).map(it => said(it as never)),
        minutes.slice(0, 9),
      )
    })
    fc.assert(property, { numRuns: 100 })
  })

  test('the last is final only when its last part has come', () => {
    const { builder, last } = build({ interval: '1s' }, [trade(0, 100), trade(58_000, 101)])
    builder.advance(OPEN + 2 * MINUTE)
    assert.equal(rollUp(last(), { interval: '1m' })[0]!.final, false)
    builder.accept(trade(59_000, 102, 1, { receivedAt: OPEN + 2 * MINUTE }))
    builder.advance(OPEN + 3 * MINUTE)
    assert.equal(rollUp(last(), { interval: '1m' })[0]!.final, true)
  })

  test('what does not fit together is refused', () => {
    const { builder, last } = build({ interval: ['1s', '1m', '3t'] }, [
      ...[trade(0, 100), trade(1_000, 101), trade(2_000, 102)],
    ])
    builder.advance(OPEN + 2 * MINUTE)
    for (const [bars, interval] of [
      [last('1m'), '1s'],
      [last('1s'), '500t'],
      [last('3t'), '1m'],
      [last('1s').reverse(), '1m'],
      [last(), '1h'],
    ] as const) {
      assert.throws(() => rollUp(bars, { interval }), { code: 'BAD_OPTION' })
    }
    assert.deepEqual(rollUp([], { interval: '1m' }), [])
  })
})

test('bars of two sources are not put together', () => {
  const { builder, last } = build({ interval: '1s' }, [trade(0, 100), trade(1_000, 101)])
  builder.advance(OPEN + 5_000)
  const [one, two] = last()
  const other = createEvent({ ...two!, source: 'other' })
  assert.equal(rollUp([one!, two!], { interval: '1m' }).length, 1)
  assert.throws(() => rollUp([one!, other], { interval: '1m' }), {
    code: 'BAD_OPTION',
    message: /several .*sources/,
  })
})

describe('bars compared', () => {
  const { builder, last } = build({ interval: '1m' }, [
    ...[trade(0, 100), trade(MINUTE, 101), trade(2 * MINUTE, 102)],
  ])
  builder.advance(OPEN + 5 * MINUTE)
  const bars = last()

  test('those that are equal have no differences', () => {
    assert.deepEqual(compareBars(bars, bars), { bars: 3, equal: 3, differences: [] })
  })

  test('each field that differs is listed, and what only one side has', () => {
    const theirs = [
      createEvent({ ...bars[0]!, high: 107, tradeCount: undefined }),
      createEvent({ ...bars[1]!, vwap: 101.00001, volume: 7 }),
      createEvent({ ...bars[2]!, timestamp: OPEN + 3 * MINUTE }),
    ]
    const { bars: count, equal, differences } = compareBars(bars, theirs)
    assert.deepEqual([count, equal], [4, 0])
    assert.deepEqual(
      differences.map(({ timestamp, field, ours, theirs: other }) => [
        ...[(timestamp - OPEN) / MINUTE, field, ours, other],
      ]),
      [
        [0, 'high', 100, 107],
        [1, 'volume', 100, 7],
        [2, 'bar', 102, undefined],
        [3, 'bar', undefined, 102],
      ],
    )
  })

  test('the last revision counts, and what was taken back is no bar', () => {
    const [first] = bars
    const revised = createEvent({ ...first!, revision: 1, close: 99, low: 99 })
    assert.equal(compareBars([revised, first!], [revised]).equal, 1)
    const gone = createEvent({ ...first!, revision: 2, volume: 0, tradeCount: 0 })
    assert.deepEqual(compareBars([revised, gone], []).bars, 0)
  })
})
