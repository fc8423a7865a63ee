import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { FinalBar } from '../../src/derive/bars-options.ts'
import { createCalendar } from '../../src/market/calendar.ts'
import { usEquities } from '../../src/market/calendar-us.ts'
import { createEvent, Flag } from '../../src/market/events.ts'
import { build, cancel, correction, market, OPEN, said, trade } from './bars-kit.ts'
import { naiveBar, naiveBars, standing } from './naive-bars.ts'

const MINUTE = 60_000

describe('bars against the plain way', () => {
  test('of 1 s, 3 s, 1 m and 1 d at once: whatever is late, corrected or canceled', () => {
    const lengths = { '1s': 1_000, '3s': 3_000, '1m': MINUTE } as const
    const property = fc.property(market, events => {
      const { builder, last } = build({ interval: ['1s', '3s', '1m', '1d'] }, events)
      builder.advance(OPEN + 30 * 3_600_000)
      for (const [interval, ms] of Object.entries(lengths)) {
        const bars = last(interval).filter(({ vwap }) => vwap !== undefined)
        const plain = naiveBars(events, ms)
        assert.deepEqual(
          bars.map(said),
          plain.map(({ vwap: _vwap, ...bar }) => bar),
        )
        for (const [i, { vwap }] of bars.entries()) {
          assert.ok(Math.abs(vwap! - plain[i]!.vwap) < 1e-9)
        }
      }
      const midnight = Date.UTC(2024, 0, 16, 5)
      const day = naiveBar(midnight, standing(events), 'day')
      assert.deepEqual(
        last('1d')
          .filter(it => it.vwap)
          .map(said),
        // One of a corrected close alone has no volume, so no VWAP.
        day && !Number.isNaN(day.vwap)
          ? [{ ...day, vwap: undefined }].map(({ vwap: _, ...bar }) => bar)
          : [],
      )
      assert.deepEqual([builder.stats().tooLate, builder.stats().unmatched], [0, 0])
    })
    fc.assert(property, { numRuns: 400 })
  })

  test('by trades, units and money, in the order they came', () => {
    const property = fc.property(market, fc.integer({ min: 1, max: 9 }), (events, most) => {
      const interval = [{ ticks: most }, { volume: most * 100 }, { dollars: most * 10_000 }]
      const { builder, last } = build({ interval }, events)
      builder.advance(OPEN + 60_000)
      for (const [by, name] of [
        ['ticks', `${most}t`],
        ['volume', `${most * 100}v`],
        ['dollars', `${most * 10_000}$`],
      ] as const) {
        const plain = filled(
          events,
          by,
          by === 'ticks' ? most : most * (by === 'volume' ? 100 : 10_000),
        )
        // What has been taken back whole keeps its place.
        const bars = last(name)
        const kept = bars.filter(({ vwap }) => vwap !== undefined)
        assert.deepEqual(
          kept
            .map(({ tradeCount, volume, high, low }) => ({ tradeCount, volume, high, low }))
            .sort(order),
          plain
            .map(({ tradeCount, volume, high, low }) => ({ tradeCount, volume, high, low }))
            .sort(order),
        )
      }
    })
    fc.assert(property, { numRuns: 300 })
  })

  test('the order of arrival changes no bar', () => {
    const property = fc.property(market, fc.infiniteStream(fc.integer()), (events, chance) => {
      const shuffled = events
        .map(event => ({ event, key: chance.next().value as number }))
        .sort((a, b) => a.key - b.key)
        .map(({ event }, i) => createEvent({ ...event, receivedAt: OPEN + i }))
      const bars = [events, shuffled].map(list => {
        const { builder, last } = build({ interval: ['1s', '1m'] }, list)
        builder.advance(OPEN + 10 * MINUTE)
        return last()
          .filter(({ vwap }) => vwap !== undefined)
          .map(({ revision: _revision, receivedAt: _at, ...bar }) => bar)
      })
      const key = (bar: { interval: string; timestamp: number }) =>
        `${bar.interval} ${bar.timestamp}`
      for (const list of bars) list.sort((a, b) => (key(a) < key(b) ? -1 : 1))
      assert.deepEqual(bars[0], bars[1])
    })
    fc.assert(property, { numRuns: 300 })
  })

  test("nor does a clock of ours that is behind the venue's, or a memory that turns over often", () => {
    const ahead = fc.integer({ min: 0, max: 8_000 })
    const property = fc.property(market, ahead, (events, aheadMs) => {
      // What the venue says of a second reaches us before it has begun: its first trades leave the memory before it is over.
      const early = events.map(event =>
        createEvent({ ...event, receivedAt: event.receivedAt - aheadMs }),
      )
      const options = { interval: ['1s', '2s', '1m'], graceMs: 100, reviseMs: 400 } as const
      const { builder, last } = build(options, early)
      builder.advance(OPEN + 10 * MINUTE)
      const { tooLate, unmatched } = builder.stats()
      if (tooLate + unmatched > 0) return
      for (const [interval, ms] of [
        ['1s', 1_000],
        ['2s', 2_000],
      ] as const) {
        assert.deepEqual(
          last(interval)
            .filter(({ vwap }) => vwap !== undefined)
            .map(said),
          naiveBars(events, ms).map(({ vwap: _vwap, ...bar }) => bar),
        )
      }
    })
    fc.assert(property, { numRuns: 400 })
  })

  test('with tiny memory a bar is never wrong: what cannot be put right is counted', () => {
    const property = fc.property(market, events => {
      const { builder, last } = build({ interval: '1s', graceMs: 200, reviseMs: 300 }, events)
      builder.advance(OPEN + 10 * MINUTE)
      const { tooLate, unmatched } = builder.stats()
      const plain = naiveBars(events, 1_000).map(({ vwap: _vwap, ...bar }) => bar)
      const bars = last()
        .filter(({ vwap }) => vwap !== undefined)
        .map(said)
      if (tooLate + unmatched === 0) assert.deepEqual(bars, plain)
    })
    fc.assert(property, { numRuns: 300 })
  })
})

/** Bars by what they hold, the plain way: closed by what came, and put right afterwards. */
function filled(
  events: Parameters<typeof standing>[0],
  by: 'ticks' | 'volume' | 'dollars',
  most: number,
) {
  type Group = { events: (typeof events)[number][]; open: boolean }
  const groups: Group[] = []
  const seen: (typeof events)[number][] = []
  for (const event of events) {
    seen.push(event)
    let group = groups.at(-1)
    if (event.type === 'trade') {
      const counts = standing([event, ...seen.filter(({ type }) => type !== 'trade')])
      // A trade that counts for nothing neither begins nor fills a bar, but lies in it if it is put right.
      if (naiveVolume(counts) === 0) {
        if (group?.open) group.events.push(event)
        continue
      }
      if (!group?.open) groups.push((group = { events: [], open: true }))
      group.events.push(event)
    }
    if (!group?.open || event.type !== 'trade') continue
    const fixes = seen.filter(({ type }) => type !== 'trade')
    const now = standing([...group.events, ...fixes])
    const bar = naiveBar(0, now)
    if (!bar) continue
    const money = bar.vwap * naiveUnits(now)
    const held = by === 'ticks' ? bar.tradeCount : by === 'volume' ? bar.volume : Math.round(money)
    if (held >= most) group.open = false
  }
  const fixes = events.filter(({ type }) => type !== 'trade')
  return groups
    .filter(({ open }) => !open)
    .flatMap(group => naiveBar(0, standing([...group.events, ...fixes])) ?? [])
}

function naiveVolume(trades: ReturnType<typeof standing>): number {
  // A price that counts stands beside it, so that there is a bar at all.
  const helper = { ...trades[0]!, conditions: ['@'], size: 1 }
  return trades.length === 0 ? 0 : naiveBar(0, [helper, ...trades])!.volume - 1
}

function naiveUnits(trades: ReturnType<typeof standing>): number {
  let units = 0
  for (const one of trades) if (naiveBar(0, [one])) units += one.size
  return units
}

const order = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

describe('when a bar is sent', () => {
  test('it is final when the tape time is past its end by the grace', () => {
    const { builder, finals } = build({ interval: '1m' }, [trade(0, 100), trade(59_990, 101)])
    builder.advance(OPEN + MINUTE + 999)
    assert.equal(finals.length, 0)
    builder.advance(OPEN + MINUTE + 1_000)
    const [bar] = finals
    assert.equal(finals.length, 1)
    assert.deepEqual([bar!.timestamp, bar!.open, bar!.close, bar!.final], [OPEN, 100, 101, true])
    assert.deepEqual([bar!.revision, bar!.interval, bar!.receivedAt], [0, '1m', OPEN + 61_000])
    assert.equal(bar!.flags, Flag.derived)
  })

  test('first forms come in order, also where an older bar was made behind a newer one', () => {
    const { builder, finals } = build({ interval: ['1s', '5s'] }, [
      trade(5_100, 101),
      // From history: its second was over when it came, so it is to wait for a second more.
      trade(4_500, 100, 100, { receivedAt: OPEN + 5_900 }),
      trade(3_500, 99, 100, { receivedAt: OPEN + 5_950 }),
    ])
    for (let at = 6_000; at < 20_000; at += 10) builder.advance(OPEN + at)
    const seconds = finals.filter(({ interval }) => interval === '1s')
    assert.deepEqual(
      seconds.map(it => [it.timestamp - OPEN, it.revision]),
      [
        [3_000, 0],
        [4_000, 0],
        [5_000, 0],
      ],
    )
    assert.deepEqual(
      finals.filter(({ interval }) => interval === '5s').map(it => it.timestamp - OPEN),
      [0, 5_000],
    )
  })

  test('those by what they hold bear times of their own, also at the end of a millisecond', () => {
    const at = { nanos: 999_999, timestamp: OPEN }
    const trades = [0, 1, 2].map(i => trade(0, 100 + i, 1, at))
    const { finals } = build({ interval: { ticks: 1 } }, trades)
    assert.deepEqual(
      finals.map(it => [it.timestamp - OPEN, it.nanos]),
      [
        [0, 999_999],
        [1, 0],
        [1, 1],
      ],
    )
  })

  test('those by what they hold do not follow one trade that is dated far ahead', () => {
    const ahead = trade(0, 100, 1, { timestamp: OPEN + 86_400_000, receivedAt: OPEN })
    const { finals } = build({ interval: { ticks: 1 } }, [ahead, trade(1, 101), trade(2, 102)])
    assert.deepEqual(
      finals.map(it => it.timestamp - OPEN),
      [86_400_000, 1, 2],
    )
  })

  test('nor do several of those that are dated far ahead bear one time', () => {
    const { builder, finals } = build({ interval: '1t' }, [trade(0, 100)])
    for (let i = 0; i < 3; i++) {
      builder.accept(trade(3_600_000, 101 + i, 1, { receivedAt: OPEN + 1_000 + i }))
    }
    builder.accept(trade(2_000, 105))
    assert.deepEqual(
      finals.map(it => [it.timestamp - OPEN, it.nanos, it.close]),
      [
        ...[
          [0, 0, 100],
          [3_600_000, 0, 101],
        ],
        ...[
          [3_600_000, 1, 102],
          [3_600_000, 2, 103],
        ],
        [2_000, 0, 105],
      ],
    )
  })

  test('bars do not overlap where clocks are put back, and one that is cut short bears where it begins', () => {
    const newYork = createCalendar({
      ...{ id: 'ny', market: 'a market', zone: 'America/New_York', place: 'New York' },
      ...{
        holidays: 'none',
        plan: () => ({ stretches: [{ name: 'regular', from: 0, to: 1_440 }] }),
      },
    })
    const at = (time: string) => Date.parse(`2025-11-02T${time}:00Z`)
    const printed = (time: string, receivedAt = at(time)) =>
      trade(0, 100, 1, { timestamp: at(time), receivedAt })
    const whole = ([first, ...more]: FinalBar[]) => [first, ...more].map(it => it!.timestamp)
    const options = { interval: '4h', calendar: newYork } as const
    // 04:00–08:00 by summer time, and 05:00–09:00 by winter time.
    const forth = build(options, [printed('05:30'), printed('07:00'), printed('08:30')])
    forth.builder.advance(at('15:00'))
    assert.deepEqual(whole(forth.last()), [at('04:00'), at('08:00')])
    assert.deepEqual(
      forth.last().map(it => it.tradeCount),
      [2, 1],
    )
    const late = at('08:31')
    const back = build(options, [printed('08:30'), printed('04:30', late), printed('07:00', late)])
    back.builder.advance(at('15:00'))
    assert.deepEqual(whole(back.last()), [at('04:00'), at('05:00')])
    assert.deepEqual(
      back.last().map(it => it.tradeCount),
      [1, 2],
    )
  })

  test('any event moves the time on, before it is counted', () => {
    const { builder, finals } = build({ interval: '1m' }, [trade(0, 100)])
    const timestamp = OPEN + 2 * MINUTE
    builder.accept(createEvent({ type: 'quote', symbol: 'X', timestamp }))
    assert.equal(finals.length, 1)
  })

  test('an interval without a price has no bar, and odd lots give none', () => {
    const odd = { conditions: ['@', 'I'] }
    const { builder, finals } = build({ interval: '1m' }, [
      ...[trade(0, 100), trade(3 * MINUTE, 50, 7, odd), trade(5 * MINUTE, 101)],
    ])
    builder.advance(OPEN + 10 * MINUTE)
    assert.deepEqual(
      finals.map(it => it.timestamp - OPEN),
      [0, 5 * MINUTE],
    )
  })

  test('a late trade revises it, once for all that came together', () => {
    const late = { receivedAt: OPEN + 65_000 }
    const { builder, finals } = build({ interval: '1m' }, [
      ...[trade(0, 100), trade(64_000, 103)],
      ...[trade(30_000, 104, 10, late), trade(31_000, 99, 10, late)],
    ])
    builder.advance(OPEN + 66_000)
    assert.deepEqual(
      finals.map(it => [it.revision, it.high, it.low, it.close, it.volume]),
      [
        [0, 100, 100, 100, 100],
        [1, 104, 99, 99, 120],
      ],
    )
    assert.equal(builder.stats().revisions, 1)
  })

  test('a cancel and a correction revise it; the rest of a bar that is taken back stays', () => {
    const [a, b, c] = [trade(0, 100), trade(1_000, 120), trade(2_000, 101)]
    const { builder, finals } = build({ interval: '1m' }, [a, b, c])
    builder.advance(OPEN + 62_000)
    builder.accept(cancel(b, 63_000))
    builder.advance(OPEN + 65_000)
    builder.accept(correction(c, 65_500, 99, 50))
    builder.advance(OPEN + 67_000)
    for (const one of [a, { ...c, id: undefined }])
      if (one.id !== undefined) builder.accept(cancel(one as typeof a, 68_000))
    builder.advance(OPEN + 70_000)
    assert.deepEqual(
      finals.map(it => [it.revision, it.open, it.high, it.low, it.close, it.volume]),
      [
        [0, 100, 120, 100, 101, 300],
        [1, 100, 101, 100, 101, 200],
        [2, 100, 100, 99, 99, 150],
        [3, 99, 99, 99, 99, 50],
      ],
    )
  })

  test('a corrected close is a price of the day and nothing else', () => {
    const { builder, last } = build({ interval: ['1m', '1d'] }, [
      ...[trade(0, 100), trade(1_000, 103, 50, { conditions: ['9'] })],
    ])
    builder.advance(OPEN + 30 * 3_600_000)
    assert.deepEqual(
      last().map(it => [it.interval, it.high, it.close, it.volume, it.tradeCount, it.vwap]),
      [
        ['1d', 103, 103, 100, 1, 100],
        ['1m', 100, 100, 100, 1, 100],
      ],
    )
  })

  test('a trade that did not count before it was put right counts from then on', () => {
    const nothing = trade(30_000, 100, 10, { conditions: ['M'] })
    const { builder, finals } = build({ interval: ['1s', '1m'] }, [nothing, trade(60_000, 101)])
    builder.accept(correction(nothing, 60_500, 99, 10, ['@']))
    builder.advance(OPEN + 80_000)
    assert.deepEqual(
      finals.filter(it => it.timestamp < OPEN + 60_000).map(it => [it.interval, it.close]),
      [
        ['1m', 99],
        ['1s', 99],
      ],
    )
    assert.equal(builder.stats().tooLate, 0)
  })

  test('a bar that is taken back whole is sent with its last prices and nothing traded', () => {
    const only = trade(0, 100)
    const { builder, finals } = build({ interval: '1m' }, [only])
    builder.advance(OPEN + 62_000)
    builder.accept(cancel(only, 63_000))
    builder.accept(cancel(only, 63_001))
    builder.advance(OPEN + 65_000)
    const [, bar] = finals
    assert.deepEqual(
      [finals.length, bar!.revision, bar!.close, bar!.volume, bar!.tradeCount, bar!.vwap],
      [2, 1, 100, 0, 0, undefined],
    )
  })

  test('a bar without a price is sent again when what is left of it is put right', () => {
    for (const interval of ['1s', '1m'] as const) {
      const [one, odd] = [trade(0, 100), trade(100, 100, 30, { conditions: ['@', 'I'] })]
      const { builder, finals } = build({ interval, graceMs: 10 }, [one, odd])
      builder.advance(OPEN + MINUTE + 100)
      builder.accept(cancel(one, MINUTE + 1_000))
      builder.advance(OPEN + MINUTE + 2_000)
      builder.accept(correction(odd, MINUTE + 3_000, 100, 10))
      builder.advance(OPEN + MINUTE + 4_000)
      assert.deepEqual(
        finals.map(it => [it.close, it.volume, it.vwap]),
        [
          ...[
            [100, 130, 100],
            [100, 30, undefined],
          ],
          [100, 10, undefined],
        ],
      )
    }
  })

  test('a bar is not sent again when it would say the same', () => {
    for (const interval of ['1s', '2t', '1m'] as const) {
      const [one, odd] = [trade(0, 100), trade(100, 100, 30, { conditions: ['@', 'I'] })]
      const { builder, finals } = build({ interval }, [one, odd, trade(200, 100)])
      builder.advance(OPEN + 62_000)
      const sent = finals.length
      builder.accept(correction(odd, 62_000, 99))
      builder.advance(OPEN + 64_000)
      // Of what came together nothing is left.
      const late = trade(300, 109, 100, { receivedAt: OPEN + 64_000 })
      if (interval !== '2t') builder.append([late, cancel(late, 64_100)])
      builder.advance(OPEN + 66_000)
      assert.equal(finals.length, sent, interval)
      assert.equal(builder.stats().revisions, 0)
      // What it says is what changes still are told by.
      builder.accept(correction(one, 66_000, 101))
      builder.advance(OPEN + 68_000)
      assert.deepEqual([finals.at(-1)!.revision, finals.at(-1)!.high], [1, 101])
    }
  })

  test('a trade, its correction and a cancel of that leave the same in any order', () => {
    const one = trade(100, 20)
    const right = correction(one, 200, 60)
    const gone = cancel({ ...one, id: right.id } as never, 300)
    const orders = [
      ...[
        [one, right, gone],
        [one, gone, right],
        [right, one, gone],
      ],
      ...[
        [right, gone, one],
        [gone, one, right],
        [gone, right, one],
      ],
    ]
    for (const interval of ['1s', '1m'] as const) {
      for (const events of orders) {
        const { builder, last } = build({ interval }, [trade(0, 10)])
        builder.append(events.map((it, i) => createEvent({ ...it, receivedAt: OPEN + 500 + i })))
        builder.advance(OPEN + 62_000)
        const { high, close, volume } = last()[0]!
        assert.deepEqual([high, close, volume, builder.stats().unmatched], [10, 10, 100, 0])
      }
    }
  })

  test('a correction that comes before its trade waits for it', () => {
    const [one, two] = [trade(0, 100), trade(1_000, 101)]
    const right = correction(two, 1_001, 110)
    const { builder, finals } = build({ interval: '1m' }, [right, cancel(one, 1_002), one, two])
    builder.advance(OPEN + 62_000)
    assert.deepEqual(
      finals.map(it => [it.open, it.high, it.volume]),
      [[110, 110, 100]],
    )
    assert.equal(builder.stats().unmatched, 0)
  })

  test('what is taken back before it comes is not brought back by a correction, as when it was there', () => {
    const one = trade(1_000, 101)
    const fixes = [cancel(one, 1_001), correction(one, 1_002, 110)]
    for (const events of [
      [one, ...fixes],
      [...fixes, one],
    ]) {
      const { builder, finals } = build({ interval: '1m' }, [trade(0, 100), ...events])
      builder.advance(OPEN + 62_000)
      assert.deepEqual([finals[0]!.high, finals[0]!.tradeCount], [100, 1])
    }
  })

  for (const [count, counted] of [
    [256, 0],
    [257, 1],
  ] as const) {
    test(`of ${count} cancels before their trades the first is ${counted ? 'not ' : ''}heeded`, () => {
      const trades = Array.from({ length: count }, (_, i) => trade(i, 100))
      const { builder } = build(
        { interval: '1m' },
        trades.map(one => cancel(one, 0)),
      )
      builder.accept(trades[0]!)
      assert.equal(builder.current('test', 'SPY', '1m')?.tradeCount ?? 0, counted)
    })
  }

  test('a cancel waits for its trade as long as bars can be revised, and no longer', () => {
    const [soon, late] = [trade(0, 100), trade(0, 101)]
    const options = { interval: '1h', reviseMs: 10_000, graceMs: 0 } as const
    const { builder } = build(options, [cancel(soon, 1), cancel(late, 1)])
    builder.accept(trade(9_000, 50))
    builder.accept({ ...soon, receivedAt: OPEN + 9_500 } as typeof soon)
    assert.equal(builder.current('test', 'SPY', '1h')!.tradeCount, 1)
    builder.append([trade(15_000, 51, 100, { size: 0 }), trade(20_000, 51)])
    builder.accept({ ...late, receivedAt: OPEN + 20_001 } as typeof late)
    assert.equal(builder.current('test', 'SPY', '1h')!.tradeCount, 3)
    assert.equal(builder.stats().unmatched, 1)
  })

  test('a cancel that waits is of a trade of its own day, though others with its id wait', () => {
    const DAY = 24 * 3_600_000
    const ids = { id: 7, receivedAt: OPEN + DAY }
    const [old, now] = [trade(0, 90, 7, ids), trade(DAY, 91, 7, ids)]
    const { builder, last } = build({ interval: '1m' }, [trade(DAY - 1_000, 100)])
    for (const one of [old, now]) builder.accept({ ...cancel(one, one.timestamp - OPEN), ...ids })
    assert.equal(builder.stats().unmatched, 2)
    builder.accept(trade(DAY + 1, 101, 7, { ...ids, exchange: 'Q' }))
    builder.accept(now)
    assert.equal(builder.stats().unmatched, 1)
    builder.accept(old)
    builder.advance(OPEN + DAY + 70_000)
    assert.deepEqual(
      last().map(({ close }) => close),
      [100, 101],
    )
    assert.equal(builder.stats().unmatched, 0)
  })

  test('of two trades with one id a cancel takes back the one of its day', () => {
    const DAY = 24 * 3_600_000
    const late = { id: 7, receivedAt: OPEN + DAY }
    const { builder, last } = build({ interval: '1d' }, [
      ...[trade(0, 90), trade(1_000, 91, 7, late), trade(DAY, 92, 7, late)],
    ])
    builder.accept({ ...cancel(trade(1_000, 91, 7, late), 2_000), receivedAt: OPEN + DAY })
    builder.advance(OPEN + 2 * DAY)
    assert.deepEqual(
      last().map(({ close }) => close),
      [90, 92],
    )
  })

  test('a cancel is not one of a trade of the day before, though nothing has come since', () => {
    const DAY = 24 * 3_600_000
    const old = trade(0, 100, 7, { id: 7 })
    const { builder, last } = build({ interval: '1m' }, [old])
    builder.advance(OPEN + 2 * MINUTE)
    const again = trade(DAY, 101, 9, { id: 7 })
    builder.append([cancel(again, DAY - 1_000), again])
    builder.advance(OPEN + DAY + 2 * MINUTE)
    assert.deepEqual(
      last().map(it => [it.timestamp - OPEN, it.volume, it.revision]),
      [[0, 7, 0]],
    )
    // Within a day it is, however long ago that was.
    const today = build({ interval: '1d' }, [old, cancel(old, 5 * 3_600_000)])
    assert.equal(today.builder.current('test', 'SPY', '1d'), undefined)
  })

  test('what is too old to be put right is counted and changes nothing', () => {
    const old = trade(0, 100)
    const { builder, finals } = build({ interval: '1s', reviseMs: 10_000 }, [old])
    for (let s = 1; s < 100; s++) builder.accept(trade(s * 1_000, 100 + s))
    const count = finals.length
    builder.accept(cancel(old, 100_000))
    builder.accept(trade(500, 1, 1, { receivedAt: OPEN + 100_000 }))
    builder.advance(OPEN + 101_000)
    assert.equal(finals.slice(count).filter(it => it.timestamp === OPEN).length, 0)
    assert.equal(builder.stats().tooLate, 1)
    for (let s = 101; s < 140; s++) builder.accept(trade(s * 1_000, 100 + s))
    assert.equal(builder.stats().unmatched, 1)
  })

  test('a hole that is filled late gives its bars, however old', () => {
    const filled = { receivedAt: OPEN + 30 * MINUTE, flags: Flag.repaired }
    const { builder, last } = build({ interval: '1m' }, [
      ...[trade(0, 100), trade(29 * MINUTE, 105)],
      ...[trade(MINUTE, 101, 1, filled), trade(2 * MINUTE, 102, 1, filled)],
    ])
    builder.advance(OPEN + 40 * MINUTE)
    assert.deepEqual(
      last().map(it => it.close),
      [100, 101, 102, 105],
    )
  })

  for (const told of [true, false]) {
    test(`bars around a hole that is ${told ? '' : 'not '}told of take what is filled in late`, () => {
      const notice = (name: 'disconnected' | 'connected' | 'gap' | 'repaired', at: number) =>
        createEvent({
          ...{ type: 'notice', notice: name, source: 'test', message: name, timestamp: OPEN + at },
          ...(name === 'gap' && { kind: 'trade', from: OPEN + 10_000, to: OPEN + 250_000 }),
        })
      const price = (s: number) => 100 + (s % 7)
      const { builder, last } = build({ interval: ['1s', '1m'] })
      for (let s = 0; s < 850; s++) {
        if (told && s === 10) builder.accept(notice('disconnected', 10_000))
        if (told && s === 250) {
          for (const name of ['connected', 'gap'] as const) builder.accept(notice(name, 250_000))
        }
        if (s < 10 || s >= 250) builder.accept(trade(s * 1_000, price(s)))
        else builder.advance(OPEN + s * 1_000)
      }
      for (let s = 10; s < 250; s++) {
        builder.accept(trade(s * 1_000, price(s), 100, { receivedAt: OPEN + 850_000 }))
      }
      builder.advance(OPEN + 1_200_000)
      const bars = last('1m').map(it => it.volume)
      const whole = 600
      if (told) {
        assert.deepEqual(
          bars.slice(0, 5),
          [1, 1, 1, 1, 1].map(() => whole * 10),
        )
        assert.equal(last('1s').length, 850)
        assert.equal(builder.stats().tooLate, 0)
      } else {
        // Nothing that was sent is replaced by a part of it.
        assert.ok(builder.stats().tooLate > 0)
        assert.equal(bars[0], 1_000)
      }
    })
  }

  test('a long silence loses no bar of a busy time before it', () => {
    const seconds = Array.from({ length: 200 }, (_, i) => trade(i * 1_000, 100 + i))
    const calm = build({ interval: '1s', time: 'venue', graceMs: 3_600_000 }, seconds)
    calm.builder.advance(OPEN + 86_400_000)
    assert.deepEqual(
      calm.finals.map(it => it.close),
      seconds.map(it => it.price),
    )
  })

  test('the end sends what is over and nothing that still runs', () => {
    const { builder, finals } = build({ interval: ['1m', '1h'] }, [
      trade(0, 100),
      trade(60_000, 101),
    ])
    builder.end()
    assert.deepEqual(
      finals.map(it => [it.interval, it.close]),
      [['1m', 100]],
    )
  })

  test('marks of the data stay on the bar', () => {
    const { builder, finals } = build({ interval: '1m' }, [
      trade(0, 100, 1, { flags: Flag.simulated | Flag.repaired }),
    ])
    builder.advance(OPEN + 2 * MINUTE)
    assert.equal(finals[0]!.flags, Flag.simulated | Flag.derived)
  })

  test('sources do not mix', () => {
    const { builder, finals } = build({ interval: '1m' }, [
      ...[trade(0, 100), trade(1, 200, 1, { source: 'other' }), trade(2, 101)],
    ])
    builder.advance(OPEN + 2 * MINUTE)
    assert.deepEqual(
      finals.map(it => [it.source, it.high, it.low]),
      [
        ['test', 101, 100],
        ['other', 200, 200],
      ],
    )
  })

  test('sums of coins carry no dust', () => {
    const coins = [0.1, 0.2, 0.3].map((size, i) => trade(i, 100.1, size, { symbol: 'BTC/USD' }))
    const { builder, finals } = build({ interval: '1m' }, coins)
    builder.advance(OPEN + 2 * MINUTE)
    assert.deepEqual([finals[0]!.volume, finals[0]!.vwap], [0.6, 100.1])
  })
})

describe('what is remembered', () => {
  const other = (at: number) => trade(at, 50, 1, { symbol: 'MSFT', receivedAt: OPEN + at })

  test('of a bar whose first trades are forgotten before it can be revised, their sums', () => {
    const { builder, last } = build({ interval: '1s', graceMs: 100, reviseMs: 400 })
    const early = trade(2_500, 100, 10, { receivedAt: OPEN + 100 })
    const late = trade(2_600, 101, 5, { receivedAt: OPEN + 3_300 })
    builder.append([other(0), early, other(1_700)])
    builder.append([trade(3_102, 102, 1, { receivedAt: OPEN + 3_102 }), other(3_250), late])
    builder.advance(OPEN + 3_345)
    builder.accept(correction(late, 3_350, 101, 7))
    builder.advance(OPEN + 5_000)
    const [bar] = last().filter(it => it.symbol === 'SPY')
    assert.deepEqual([bar!.volume, bar!.open, bar!.close], [17, 100, 101])
  })

  test('of a long bar what came before it was last put right', () => {
    const { builder, last } = build({ interval: '1m', graceMs: 0, reviseMs: 10_000 })
    const [a, b, c] = [trade(0, 100, 1), trade(1_000, 101, 2), trade(23_000, 102, 4)]
    const young = trade(11_500, 101, 8)
    builder.append([a, b, other(11_000), young, cancel(a, 12_000)])
    builder.append([other(22_500), c, cancel(c, 24_000)])
    builder.advance(OPEN + MINUTE)
    assert.deepEqual(
      last()
        .filter(it => it.symbol === 'SPY')
        .map(it => [it.volume, it.open, it.close]),
      [[10, 101, 101]],
    )
  })

  test('of one that nothing was added to since', () => {
    const { builder, last } = build({ interval: '1m', graceMs: 0, reviseMs: 10_000 })
    const [a, b, c] = [trade(0, 100, 1), trade(1_000, 101, 2), trade(23_000, 102, 4)]
    builder.append([a, b, other(11_000), cancel(a, 12_000), other(22_500), c, cancel(c, 24_000)])
    builder.advance(OPEN + MINUTE)
    assert.deepEqual(
      last()
        .filter(it => it.symbol === 'SPY')
        .map(it => [it.volume, it.open, it.close]),
      [[2, 101, 101]],
    )
  })

  test('what rounding takes from a sum', () => {
    const sizes = [1e15, ...Array.from({ length: 10 }, () => 0.3)]
    const { builder, last } = build({ interval: ['1s', '1m'] }, [
      ...sizes.map((size, i) => trade(i, 100, size)),
    ])
    builder.advance(OPEN + 2 * MINUTE)
    assert.deepEqual(
      last().map(it => it.volume),
      [1e15 + 3, 1e15 + 3],
    )
  })

  test('a day opens and closes by venue time, whatever came first and in which bars it counts', () => {
    const { builder, last } = build({ interval: ['1s', '1d'] }, [
      trade(10_000, 103, 1, { conditions: ['9'] }),
      trade(5_000, 100, 1, { receivedAt: OPEN + 10_100 }),
      trade(20_000, 101, 1, { conditions: ['9'] }),
    ])
    builder.advance(OPEN + 30 * 3_600_000)
    assert.deepEqual(
      last('1d').map(it => [it.open, it.close]),
      [[100, 101]],
    )
  })

  test('a hole that is told of when bars in it are gone brings none of them back in part', () => {
    const seconds = Array.from({ length: 400 }, (_, s) => trade(s * 1_000, 100))
    const { builder, last } = build({ interval: '1s' }, seconds)
    const range = { kind: 'trade', from: OPEN + 10_000, to: OPEN + 400_000 } as const
    const time = { source: 'test', timestamp: OPEN + 400_000 }
    builder.accept(createEvent({ type: 'notice', notice: 'gap', message: '', ...time, ...range }))
    builder.accept(trade(20_500, 90, 1, { receivedAt: OPEN + 400_100 }))
    builder.advance(OPEN + 500_000)
    assert.equal(builder.stats().tooLate, 1)
    assert.deepEqual([last()[20]!.low, last()[20]!.revision], [100, 0])
  })

  test('what the end has sent is not sent again when its time comes', () => {
    const { builder, finals } = build({ interval: '1m' }, [trade(0, 100), trade(60_500, 101)])
    builder.end()
    builder.advance(OPEN + 61_500)
    assert.equal(finals.length, 1)
  })

  test('what is no number changes nothing and is counted', () => {
    const { builder, last } = build({ interval: '1m' }, [
      ...[trade(0, 100), trade(1, Number.NaN), trade(2, 101, Number.POSITIVE_INFINITY)],
      trade(3, 102, 1, { timestamp: Number.NaN, receivedAt: OPEN + 8 }),
      trade(4, 103, 1, { timestamp: 1e18, receivedAt: OPEN + 8 }),
    ])
    // Ids that are known, and times of no day.
    const one = trade(5, 99, 1)
    builder.accept(one)
    for (const timestamp of [Number.NaN, Number.NEGATIVE_INFINITY, 1e18]) {
      builder.accept({ ...cancel(one, 6), timestamp, receivedAt: OPEN + 9 })
      builder.accept({ ...correction(one, 6, 98), timestamp, receivedAt: OPEN + 9 })
    }
    builder.accept(correction(one, 7, Number.NaN))
    builder.advance(OPEN + 2 * MINUTE)
    assert.deepEqual([last().length, last()[0]!.high, last()[0]!.low], [1, 100, 99])
    assert.equal(builder.stats().malformed, 11)
  })
})

describe('forming bars', () => {
  test('come at most every 250 ms of a symbol, the last state of each spell', () => {
    const { builder, forming, finals } = build(
      { interval: '1m' },
      [0, 10, 20, 300, 310].map((at, i) => trade(at, 100 + i)),
      true,
    )
    assert.deepEqual(
      forming.map(it => [it.close, it.final]),
      [
        [100, false],
        [103, false],
      ],
    )
    builder.advance(OPEN + 1_000)
    assert.deepEqual(
      forming.map(it => it.close),
      [100, 103, 104],
    )
    builder.advance(OPEN + 2_000)
    assert.equal(forming.length, 3)
    assert.equal(finals.length, 0)
  })
})

describe('filled bars', () => {
  test('stand where nothing was traded, in the regular session only', () => {
    const close = 6.5 * 3_600_000
    const { builder, finals } = build({ interval: '1m', fill: 'previous', calendar: usEquities }, [
      ...[trade(0, 100), trade(3 * MINUTE, 103), trade(close - 2 * MINUTE, 104)],
    ])
    builder.advance(OPEN + close + 10 * MINUTE)
    assert.equal(finals.length, 390)
    const shown = finals
      .slice(0, 5)
      .map(it => [(it.timestamp - OPEN) / MINUTE, it.open, it.volume, it.vwap])
    assert.deepEqual(shown, [
      ...[
        [0, 100, 100, 100],
        [1, 100, 0, undefined],
        [2, 100, 0, undefined],
      ],
      ...[
        [3, 103, 100, 103],
        [4, 103, 0, undefined],
      ],
    ])
    builder.advance(OPEN + 24 * 3_600_000 + MINUTE + 1_000)
    assert.equal(finals.length, 391)
    assert.equal(finals.at(-1)!.timestamp, OPEN + 24 * 3_600_000)
  })

  test('follow the close they repeat when that is revised', () => {
    const { builder, last } = build({ interval: '1s', fill: 'previous' }, [trade(0, 100)])
    builder.advance(OPEN + 5_000)
    builder.accept(trade(500, 107, 1, { receivedAt: OPEN + 5_100 }))
    builder.advance(OPEN + 7_000)
    assert.deepEqual(
      last().map(it => [it.close, it.revision]),
      [...[1, 1, 1, 1, 1].map(revision => [107, revision]), [107, 0]],
    )
  })

  test('follow one that comes late before them, those made and those to come', () => {
    const evening = trade(-1_000, 100)
    const { builder, last, finals } = build({ interval: '1s', fill: 'previous' }, [evening])
    builder.advance(OPEN + 4_000)
    // The second before has no bar yet: the market was not open then.
    builder.accept(trade(-3_500, 95, 1, { receivedAt: OPEN + 4_100 }))
    builder.accept(trade(1_500, 120, 1, { receivedAt: OPEN + 4_200 }))
    builder.advance(OPEN + 8_000)
    assert.deepEqual(
      last().map(it => [it.timestamp - OPEN, it.close]),
      [
        ...[
          [-4_000, 95],
          [-1_000, 100],
          [0, 100],
        ],
        ...[1_000, 2_000, 3_000, 4_000, 5_000, 6_000].map(at => [at, 120]),
      ],
    )
    assert.ok(finals.length > 0)
  })

  test('follow the first form of one that is made behind them', () => {
    const shut = 6.5 * 3_600_000
    const DAY = 24 * 3_600_000
    const { builder, last } = build({ interval: '1m', fill: 'previous', calendar: usEquities }, [
      trade(shut - 30_000, 100),
    ])
    builder.advance(OPEN + DAY + 2.5 * MINUTE)
    // 09:29, told when 09:30 and 09:31 have been filled.
    builder.accept(trade(DAY - 10_000, 120, 1, { receivedAt: OPEN + DAY + 151_000 }))
    builder.advance(OPEN + DAY + 5.5 * MINUTE)
    assert.deepEqual(
      last()
        .slice(1)
        .map(it => [(it.timestamp - OPEN - DAY) / MINUTE, it.close, it.revision]),
      [
        [-1, 120, 0],
        [0, 120, 1],
        [1, 120, 1],
        [2, 120, 0],
        [3, 120, 0],
        [4, 120, 0],
      ],
    )
  })

  test('do not follow past one that has a price of its own', () => {
    const first = trade(0, 100)
    const { builder, finals } = build({ interval: '1s', fill: 'previous' }, [
      ...[first, trade(2_000, 102)],
    ])
    builder.advance(OPEN + 5_000)
    builder.accept(correction(first, 5_100, 90))
    builder.advance(OPEN + 6_500)
    assert.deepEqual(
      finals.filter(it => it.revision > 0).map(it => [it.timestamp - OPEN, it.close]),
      [
        [0, 90],
        [1_000, 90],
      ],
    )
  })

  test('leave no interval out behind one that held only odd lots when the first price came late', () => {
    const odd = { conditions: ['@', 'I'] }
    for (const step of [1_000, MINUTE]) {
      const { builder, last } = build({
        ...{ interval: step === MINUTE ? '1m' : '1s', fill: 'previous' },
      })
      builder.accept(trade(5 * step, 112, 50, odd))
      builder.advance(OPEN + 8 * step)
      builder.accept(trade(step, 107, 100, { receivedAt: OPEN + 8 * step }))
      builder.advance(OPEN + 40 * step + 1_000)
      assert.deepEqual(
        last().map(it => [(it.timestamp - OPEN) / step, it.close, it.volume]),
        Array.from({ length: 39 }, (_, i) => [i + 1, 107, i === 0 ? 100 : i === 4 ? 50 : 0]),
      )
    }
  })

  test('are sent again when an odd lot in them is put right', () => {
    const odd = trade(2_100, 100, 300, { conditions: ['@', 'I'] })
    const { builder, last } = build({ interval: ['1s', '5s'], fill: 'previous' }, [
      ...[trade(0, 100), odd, trade(4_000, 100)],
    ])
    builder.advance(OPEN + 8_000)
    builder.accept(correction(odd, 8_000, 100, 100))
    builder.advance(OPEN + 12_000)
    const told = (bar: FinalBar) => [bar.volume, bar.tradeCount, bar.revision]
    assert.deepEqual(told(last('1s')[2]!), [100, 1, 1])
    assert.deepEqual(told(last('5s')[0]!), [300, 3, 1])
  })

  test('keep the volume of odd lots', () => {
    const odd = { conditions: ['I'] }
    const { builder, last } = build({ interval: '1s', fill: 'previous' }, [
      trade(0, 100),
      trade(1_200, 90, 5, odd),
    ])
    builder.advance(OPEN + 3_500)
    assert.deepEqual(
      last().map(it => [it.close, it.volume, it.vwap]),
      [
        [100, 100, 100],
        [100, 5, undefined],
      ],
    )
  })
})
