import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BarBuilder } from '../../src/derive/bars.ts'
import { Holes } from '../../src/derive/bars-holes.ts'
import { TradeLog } from '../../src/derive/bars-log.ts'
import {
  createEvent,
  Flag,
  type Notice,
  type NoticeName,
  type Trade,
} from '../../src/market/events.ts'
import { build, cancel, OPEN, trade } from './bars-kit.ts'

const MINUTE = 60_000
const HOUR = 3_600_000

const notice = (name: NoticeName, at: number, more: Partial<Omit<Notice, 'type'>> = {}): Notice =>
  createEvent({
    ...{ type: 'notice', notice: name, source: 'test', message: name, timestamp: OPEN + at },
    ...more,
  })

const holeOf = (symbol: string, at: number) =>
  ({ source: 'test', kind: 'trade', symbol, from: OPEN + at }) as const

describe('a connection that is tried for hours', () => {
  test('is one hole, whose hour runs from its first loss', () => {
    const holes = new Holes(10_000)
    for (let at = 0; at < HOUR; at += 30_000) {
      holes.hear(notice('disconnected', at), OPEN + at)
    }
    const touches = (at: number, now: number) =>
      holes.touches('test', 'SPY', OPEN + at, OPEN + at + 1_000, OPEN + now)
    assert.equal(touches(HOUR / 2, HOUR - 1), true)
    assert.equal(touches(HOUR / 2, HOUR), false)
  })

  test('is no hole in what comes nevertheless', () => {
    const { builder } = build({ interval: '1s' })
    for (let s = 0; s < 400; s++) {
      if (s % 30 === 5) builder.accept(notice('disconnected', s * 1_000))
      builder.accept(trade(s * 1_000, 100))
    }
    const late = { receivedAt: OPEN + 400_000 }
    // Shortly behind the first loss some may be missing still.
    builder.accept(trade(20_500, 90, 1, late))
    assert.equal(builder.stats().tooLate, 0)
    builder.accept(trade(100_500, 90, 1, late))
    assert.equal(builder.stats().tooLate, 1)
  })

  test('stays a hole in what does not come', () => {
    const { builder, last } = build({ interval: '1s' }, [trade(0, 100)])
    for (let s = 1; s < 400; s++) {
      if (s % 30 === 5) builder.accept(notice('disconnected', s * 1_000))
      builder.accept(trade(s * 1_000, 50, 1, { symbol: 'MSFT' }))
    }
    builder.accept(trade(500, 101, 1, { receivedAt: OPEN + 400_000 }))
    builder.advance(OPEN + 402_000)
    assert.deepEqual([last()[0]!.symbol, last()[0]!.close, last()[0]!.revision], ['SPY', 101, 1])
  })
})

describe('holes that are told one by one', () => {
  test('keep the bars of their symbols open, many at a time, until each is filled', () => {
    const symbols = Array.from({ length: 400 }, (_, i) => `S${i}`)
    const { builder, last } = build({ interval: '1s' })
    const all = (at: number, price: number, receivedAt = at) => {
      for (const symbol of symbols) {
        builder.accept(trade(at, price, 1, { symbol, receivedAt: OPEN + receivedAt }))
      }
    }
    all(0, 100)
    all(2_000, 100)
    builder.holes(
      'opened',
      symbols.map(symbol => holeOf(symbol, 500)),
    )
    for (let s = 1; s < 300; s++) builder.accept(trade(s * 1_000, 50))
    all(700, 101, 300_000)
    builder.holes('filled', [holeOf('S0', 500)])
    builder.advance(OPEN + 302_000)
    const bars = last().filter(({ symbol, timestamp }) => symbol !== 'SPY' && timestamp === OPEN)
    assert.equal(bars.length, 400)
    assert.ok(bars.every(bar => bar.close === 101))
    // Filled: a while later nothing more is waited for there.
    for (let s = 303; s < 600; s++) builder.accept(trade(s * 1_000, 50))
    for (const symbol of ['S0', 'S1']) {
      builder.accept(trade(800, 102, 1, { symbol, receivedAt: OPEN + 600_000 }))
    }
    assert.equal(builder.stats().tooLate, 1)
  })

  test('are over one by one, also those of one symbol', () => {
    const { builder, last } = build({ interval: '1s' })
    const come = (from: number, to: number) => {
      for (let s = from; s < to; s++) builder.accept(trade(s * 1_000, 100))
    }
    come(0, 10)
    builder.holes('opened', [holeOf('SPY', 9_000)])
    come(20, 100)
    builder.holes('opened', [holeOf('SPY', 99_000)])
    come(120, 130)
    builder.holes('filled', [holeOf('SPY', 9_000)])
    come(130, 500)
    const missed = { receivedAt: OPEN + 500_000 }
    for (let s = 100; s < 120; s++) builder.accept(trade(s * 1_000, 101, 1, missed))
    assert.equal(builder.stats().tooLate, 0)
    builder.advance(OPEN + 502_000)
    assert.equal(last().filter(({ close }) => close === 101).length, 20)
    builder.holes('filled', [holeOf('SPY', 99_000)])
    come(502, 700)
    builder.accept(trade(110_500, 90, 1, { receivedAt: OPEN + 700_000 }))
    assert.equal(builder.stats().tooLate, 1)
  })

  test('may be told before anything has come', () => {
    const { builder, last } = build({ interval: '1s' })
    builder.holes('opened', [holeOf('SPY', 0)])
    builder.append([trade(1_000, 100), trade(200_000, 101)])
    builder.accept(trade(1_500, 102, 1, { receivedAt: OPEN + 200_001 }))
    builder.advance(OPEN + 202_000)
    assert.deepEqual([last()[0]!.close, builder.stats().tooLate], [102, 0])
  })

  test('leave nothing to notices of the same source, nor do those of quotes', () => {
    const { builder } = build({ interval: '1s' }, [trade(0, 100), trade(1_000, 100)])
    builder.accept(notice('disconnected', 1_001))
    builder.holes('opened', [{ ...holeOf('SPY', 0), kind: 'quote' }])
    builder.accept(notice('disconnected', 1_002))
    for (let s = 1; s < 300; s++) {
      builder.accept(trade(s * 1_000, 50, 1, { symbol: 'MSFT' }))
    }
    builder.accept(trade(500, 101, 1, { receivedAt: OPEN + 300_000 }))
    assert.equal(builder.stats().tooLate, 1)
  })
})

describe('a trade that came just before a hole', () => {
  /** It is taken back `afterMs` after the loss; the trades of another symbol go on. */
  function takenBack(afterMs: number, tell: (builder: BarBuilder) => void) {
    const { builder, last } = build({ interval: '1s' })
    builder.accept(trade(100_000, 100))
    const later = trade(100_001, 101)
    builder.accept(later)
    tell(builder)
    for (let at = 101_000; at < 100_000 + afterMs; at += 1_000) {
      builder.accept(trade(at, 50, 1, { symbol: 'MSFT' }))
    }
    builder.accept({ ...cancel(later, 100_001), receivedAt: OPEN + 100_000 + afterMs })
    builder.advance(OPEN + 100_000 + afterMs + 2_000)
    const bar = last().find(({ symbol }) => symbol === 'SPY')!
    return { close: bar.close, unmatched: builder.stats().unmatched }
  }

  test('can be taken back for as long as the hole is open', () => {
    for (const afterMs of [130_000, 500_000, 3_000_000]) {
      const told = takenBack(afterMs, builder => builder.holes('opened', [holeOf('SPY', 100_001)]))
      assert.deepEqual(told, { close: 100, unmatched: 0 })
      const noticed = takenBack(afterMs, builder => {
        builder.accept(notice('disconnected', 100_002, { receivedAt: OPEN + 100_002 }))
      })
      assert.deepEqual(noticed, { close: 100, unmatched: 0 })
    }
  })

  test('is let go where there is none, or it has been filled long ago', () => {
    const none = takenBack(500_000, () => {})
    assert.deepEqual(none, { close: 101, unmatched: 1 })
    const filled = takenBack(500_000, builder => {
      builder.holes('opened', [holeOf('SPY', 100_001)])
      builder.holes('filled', [holeOf('SPY', 100_001)])
    })
    assert.deepEqual(filled, { close: 101, unmatched: 1 })
  })

  test('is let go when too many have come since', () => {
    const log = new TradeLog(1_000)
    const chain = { last: -1 }
    log.turn(0)
    const one = trade(0, 100) as Trade
    while (log.keep(0)) log.add(chain, one, 0)
    assert.equal(log.next, 2 ** 20)
    assert.equal(log.isFull(0), true)
  })
})

test('what takes back a trade waits for as long as a hole may hold that trade', () => {
  for (const isHole of [true, false]) {
    const { builder, last } = build({ interval: '1s' })
    builder.accept(trade(0, 50))
    if (isHole) builder.holes('opened', [holeOf('SPY', 1)])
    const missed = trade(500, 51)
    builder.accept(cancel(missed, 600))
    for (let at = 1_000; at < 300_000; at += 1_000) {
      builder.accept(trade(at, 50, 1, { symbol: 'MSFT' }))
    }
    if (isHole) builder.accept({ ...missed, receivedAt: OPEN + 300_000 })
    builder.advance(OPEN + 302_000)
    const bar = last().find(({ symbol }) => symbol === 'SPY')!
    assert.deepEqual([bar.close, builder.stats().unmatched], [50, isHole ? 0 : 1])
  }
})

test('a hole in a whole source is over for a symbol whose part of it is repaired', () => {
  const holes = new Holes(10_000)
  holes.hear(notice('disconnected', 0), OPEN)
  holes.hear(notice('connected', MINUTE), OPEN + MINUTE)
  const done = { kind: 'trade', symbol: 'SPY' } as const
  holes.hear(notice('repaired', 2 * MINUTE, done), OPEN + 2 * MINUTE)
  const touches = (symbol: string, now: number) =>
    holes.touches('test', symbol, OPEN + 1_000, OPEN + 2_000, OPEN + now)
  assert.equal(touches('SPY', 2 * MINUTE + 9_999), true)
  assert.equal(touches('SPY', 2 * MINUTE + 10_000), false)
  assert.equal(touches('MSFT', 2 * MINUTE + 10_000), true)
})

test('bars behind a hole are let go while those in it are kept', () => {
  const { builder, last } = build({ interval: '1m', reviseMs: MINUTE }, [trade(0, 100)])
  const range = { kind: 'trade', from: OPEN + 90_000, to: OPEN + 100_000 } as const
  builder.accept(notice('gap', 100_000, range))
  for (let minute = 3; minute < 15; minute++) builder.accept(trade(minute * MINUTE, 100))
  const late = { receivedAt: OPEN + 15 * MINUTE }
  builder.append([trade(8 * MINUTE + 1, 90, 1, late), trade(95_000, 90, 1, late)])
  builder.advance(OPEN + 17 * MINUTE)
  assert.equal(builder.stats().tooLate, 1)
  assert.deepEqual(
    last()
      .filter(({ close }) => close === 90)
      .map(({ timestamp }) => timestamp - OPEN),
    [MINUTE],
  )
})

describe('a hole that nobody tells the end of', () => {
  const gap = (more: Partial<Omit<Notice, 'type'>>) =>
    notice('gap', 100_000, { kind: 'trade', from: OPEN + 90_000, to: OPEN + 100_000, ...more })
  const lost = [notice('disconnected', 90_000), notice('connected', 100_000)]
  const late = (symbol: string, minutes: number) =>
    trade(95_000, 101, 1, { symbol, receivedAt: OPEN + minutes * MINUTE })

  for (const [what, told] of [
    ['of a symbol', [gap({ symbol: 'SPY' }), gap({ symbol: 'MSFT' })]],
    ['of a source', [gap({})]],
    ['of a connection that came back', lost],
  ] as const) {
    test(`${what} is over a while after trades come again behind it, and not before`, () => {
      for (const [minutes, tooLate] of [
        [15, 0],
        [18, 1],
      ] as const) {
        const { builder } = build({ interval: '1s' }, [trade(89_000, 100)])
        builder.accept(trade(89_000, 100, 1, { symbol: 'MSFT' }))
        for (const event of told) builder.accept({ ...event, receivedAt: OPEN + 100_000 } as Notice)
        // What is filled in does not show that trades come again.
        builder.accept(trade(140_000, 100, 1, { symbol: 'MSFT', flags: Flag.repaired }))
        for (let s = 140; s < minutes * 60; s++) builder.accept(trade(s * 1_000, 100))
        builder.accept(late('SPY', minutes))
        assert.equal(builder.stats().tooLate, tooLate)
        builder.accept(late('MSFT', minutes))
        assert.equal(builder.stats().tooLate, tooLate, 'nothing came of this one')
      }
    })
  }

  test('counts what comes no longer than it is open', () => {
    const holes = new Holes(10_000)
    holes.hear(gap({ symbol: 'SPY' }), OPEN + 100_000)
    holes.tidy(OPEN + 100_001)
    assert.equal(holes.isWaiting, true)
    holes.came('test', 'SPY', OPEN + 99_999, OPEN + 100_002)
    holes.came('test', 'SPY', OPEN + 100_000, OPEN + 101_000)
    holes.tidy(OPEN + 1_000_999)
    assert.equal(holes.isWaiting, true)
    holes.tidy(OPEN + 1_001_000)
    assert.equal(holes.isWaiting, false)
  })
})

test('what is filled in behind a silence can be put right for as long as any', () => {
  const { builder } = build({ interval: '1s' }, [trade(0, 100)])
  builder.advance(OPEN + 1_000)
  builder.holes('opened', [holeOf('SPY', 500)])
  const missed = trade(900, 101, 1, { receivedAt: OPEN + 600_000 })
  builder.accept(missed)
  builder.holes('filled', [holeOf('SPY', 500)])
  for (let s = 600; s < 700; s++) builder.accept(trade(s * 1_000, 100))
  builder.accept({ ...cancel(missed, 900), receivedAt: OPEN + 700_000 })
  assert.deepEqual([builder.stats().tooLate, builder.stats().unmatched], [0, 0])
})

describe('a recording that stood still', () => {
  /** Trades of ten minutes, of which a part was missed, and was told and filled in when it went on. */
  const recorded = (said: readonly Notice[]) => {
    const { builder, last } = build({ interval: '1s', reviseMs: 30_000 })
    for (let s = 0; s < 60; s++) builder.accept(trade(s * 1_000, 100))
    for (const event of said) builder.accept(event)
    const now = { receivedAt: OPEN + 600_000 }
    // Live ones first, and what was missed behind them.
    builder.accept(trade(599_000, 101, 100, now))
    builder.accept(trade(20_500, 90, 100, now))
    for (let s = 57; s < 65; s++) builder.accept(trade(s * 1_000 + 500, 102, 100, now))
    builder.advance(OPEN + 604_000)
    return { builder, bars: last() }
  }
  const range = { kind: 'trade', symbol: 'SPY', from: OPEN + 57_000, to: OPEN + 600_000 } as const
  const gap = notice('gap', 600_000, range)

  test('takes what was missed when that is told soon behind the silence', () => {
    for (const said of [
      [gap],
      [notice('connected', 599_900), gap],
      [notice('disconnected', 598_000), notice('connected', 599_900), gap],
    ]) {
      const { builder, bars } = recorded(said)
      assert.equal(builder.stats().tooLate, 1, 'what is older was let go before')
      assert.deepEqual(
        bars.filter(bar => bar.close === 102).map(bar => [bar.timestamp - OPEN, bar.tradeCount]),
        [57, 58, 59, 60, 61, 62, 63, 64].map(s => [s * 1_000, s < 60 ? 2 : 1]),
      )
    }
  })

  test('had lost its connection when the silence began, not when that was noticed', () => {
    const { builder } = build({ interval: '1s', reviseMs: 30_000 })
    for (let s = 0; s < 60; s++) builder.accept(trade(s * 1_000, 100))
    builder.append([notice('disconnected', 598_000), notice('connected', 599_900)])
    for (let s = 600; s < 700; s++) builder.accept(trade(s * 1_000, 100))
    builder.accept(trade(57_500, 102, 100, { receivedAt: OPEN + 700_000 }))
    assert.equal(builder.stats().tooLate, 0)
  })

  test('lets nothing go that waits for a trade until it is told where trades are missing', () => {
    for (const isTold of [true, false]) {
      const { builder, last } = build({ interval: '1s', reviseMs: 30_000 }, [trade(0, 100)])
      builder.advance(OPEN + 9_000)
      const missed = trade(10_000, 101)
      builder.accept(cancel(missed, 10_500))
      for (let s = 600; s < 605; s++) builder.accept(trade(s * 1_000, 100))
      if (isTold) builder.accept(notice('gap', 605_000, { ...range, from: OPEN + 9_000 }))
      for (let s = 605; s < 900; s++) builder.accept(trade(s * 1_000, 100))
      if (isTold) builder.accept({ ...missed, receivedAt: OPEN + 900_000 } as Trade)
      builder.advance(OPEN + 902_000)
      assert.equal(last()[1]!.timestamp, OPEN + 600_000)
      assert.equal(builder.stats().unmatched, isTold ? 0 : 1)
    }
  })

  test('lets go what is old once nothing more is told', () => {
    const { builder } = recorded([])
    for (let s = 605; s < 700; s++) builder.accept(trade(s * 1_000, 100))
    builder.accept(trade(58_500, 90, 100, { receivedAt: OPEN + 700_000 }))
    assert.equal(builder.stats().tooLate, 2)
  })

  test('in which little happens is let go too', () => {
    const { builder } = build({ interval: '1s', reviseMs: 30_000 })
    for (let s = 0; s < 3_000; s += 15) builder.accept(trade(s * 1_000, 100))
    builder.accept(trade(2_900_000, 90, 100, { receivedAt: OPEN + 2_985_005 }))
    builder.accept(trade(200, 90, 100, { receivedAt: OPEN + 2_985_005 }))
    assert.equal(builder.stats().tooLate, 2)
  })
})

test('bars that repeat a close in a hole are kept with all behind it, so that they can follow', () => {
  const { builder, last } = build({ interval: '1s', fill: 'previous', reviseMs: 5_000 }, [
    trade(0, 100),
  ])
  builder.accept(notice('gap', 1_000, { kind: 'trade', from: OPEN + 500, to: OPEN + 900 }))
  for (let s = 1; s < 120; s++) builder.advance(OPEN + s * 1_000)
  builder.accept(trade(800, 107, 1, { receivedAt: OPEN + 120_000 }))
  builder.advance(OPEN + 122_000)
  assert.ok(last().length > 100)
  assert.ok(last().every(bar => bar.close === 107))
})

test('bars made late where none had been neither change those behind what has been let go, nor repeat them', () => {
  const { builder, finals } = build({ interval: '1s', fill: 'previous', reviseMs: 5_000 })
  builder.accept(trade(1_000, 50, 1, { symbol: 'MSFT' }))
  const range = { kind: 'trade', symbol: 'SPY', from: OPEN + 10_000, to: OPEN + 12_000 } as const
  builder.accept(notice('gap', 12_000, range))
  builder.accept(trade(20_000, 100))
  for (let s = 21; s < 200; s++) builder.advance(OPEN + s * 1_000)
  const before = finals.length
  const missed = (at: number, price: number, conditions: string[]) =>
    builder.accept(trade(at, price, 5, { conditions, receivedAt: OPEN + 200_000 }))
  missed(8_500, 55, ['I'])
  missed(9_500, 107, ['@'])
  missed(11_500, 66, ['I'])
  builder.advance(OPEN + 203_500)
  const late = finals.slice(before).filter(bar => bar.symbol === 'SPY')
  assert.deepEqual(
    late.map(bar => [(bar.timestamp - OPEN) / 1_000, bar.close, bar.revision]),
    [
      [198, 100, 0],
      ...[
        [9, 107, 0],
        [11, 107, 0],
      ],
      ...[199, 200, 201].map(s => [s, 100, 0]),
    ],
  )
})
