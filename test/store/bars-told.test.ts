import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { type Bar, createEvent, type Interval } from '../../src/market/events.ts'
import { type BarSource, barsIn, lastBars } from '../../src/store/bars-told.ts'
import { dayAt, startOf } from '../../src/store/manifest.ts'
import { DAY_MS, START } from './kit.ts'

const HOUR_MS = 3_600_000
const FAR = START + 1_000 * DAY_MS

const barAt = (timestamp: number, interval: Interval, more: object = {}) =>
  createEvent({
    ...{ type: 'bar', symbol: 'SPY', source: 'a', timestamp, receivedAt: timestamp, interval },
    ...{ open: 1, high: 1, low: 1, close: 1, volume: 10, final: true, revision: 0, ...more },
  }) as Bar

/** Two lists of bars, as a store would have them. */
function sourceOf(stored: readonly Bar[], built: readonly Bar[]): BarSource {
  const within = (bars: readonly Bar[], { from, to }: { from: number; to: number }) =>
    bars.filter(({ timestamp }) => timestamp >= from && timestamp <= to)
  return {
    daysOf(kind, { from, to }) {
      const bars = kind === 'bar' ? stored : built
      const days = new Set(bars.map(({ timestamp }) => dayAt(timestamp)))
      return [...days].filter(day => startOf(day) <= to && startOf(day) + DAY_MS > from).sort()
    },
    async stored(day, asked) {
      const { interval, adjustment } = asked
      return within(stored, asked).filter(
        bar =>
          dayAt(bar.timestamp) === day &&
          bar.interval === interval &&
          (bar.adjustment ?? 'raw') === adjustment,
      )
    },
    async built(asked) {
      if (asked.interval.endsWith('w')) throw new TickwireError('BAD_OPTION', 'too long')
      const ms = asked.interval === '1m' ? 60_000 : 0
      return within(built, asked).filter(bar => bar.timestamp + ms <= asked.now)
    },
  }
}

const asked = (interval: Interval, more: object = {}) => ({
  ...{ symbols: ['*'], from: 0, to: FAR, interval, adjustment: 'raw', now: FAR, ...more },
})

const said = (bars: readonly unknown[]) =>
  (bars as readonly Bar[]).map(({ timestamp, close }) => [timestamp, close])

/** Bars of 60 minutes, each of which may be missing. */
function minutes(random: Random, close: number): Bar[] {
  const share = random()
  return Array.from({ length: 60 }, (_, i) => i)
    .filter(() => random() < share)
    .flatMap(i => {
      const at = START + i * 60_000
      const volume = Math.floor(random() * 3)
      return ['a', 'b']
        .filter(() => random() < 0.7)
        .map(source =>
          barAt(at, '1m', { source, close, volume, final: close === 2 || random() < 0.8 }),
        )
    })
}

describe('bars that were stored, and bars of trades', () => {
  it('each have their times: a stored one stands for its own and for no other', async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed)
      const [stored, built] = [minutes(random, 1), minutes(random, 2)]
      const now = START + Math.floor(random() * 80) * 60_000
      // Place by place: what is final, else what has more in it.
      const expected: Bar[] = []
      for (let at = START; at < START + HOUR_MS; at += 60_000) {
        for (const source of ['a', 'b']) {
          const isIt = (bar: Bar) => bar.timestamp === at && bar.source === source
          const isOver = at + 60_000 <= now
          const one = stored.find(bar => isIt(bar) && (bar.final || isOver))
          const other = built.find(bar => isIt(bar) && isOver)
          const bar = !one || (other && !one.final && one.volume < other.volume) ? other : one
          if (bar) expected.push(bar)
        }
      }
      const source = sourceOf(stored, built)
      const bars = (await barsIn(source, asked('1m', { now }))) as Bar[]
      const sorted = (list: readonly Bar[]) => list.map(bar => JSON.stringify(bar)).sort()
      assert.deepEqual(sorted(bars), sorted(expected), `seed ${seed}`)
      const times = bars.map(({ timestamp }) => timestamp)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )

      // What a range is told is that part of the whole.
      const [from, to] = [START + random() * HOUR_MS, START + random() * HOUR_MS].sort(
        (a, b) => a - b,
      )
      const part = (await barsIn(source, asked('1m', { from, to, now }))) as Bar[]
      const isIn = ({ timestamp }: Bar) => timestamp >= from! && timestamp <= to!
      assert.deepEqual(sorted(part), sorted(expected.filter(isIn)), `seed ${seed}`)

      const time = START + random() * 2 * HOUR_MS
      const last = await lastBars(source, { ...asked('1m'), symbols: ['SPY'], now: time, time })
      const there = await barsIn(source, asked('1m', { to: time - 60_000, now: time }))
      assert.equal(last.get('SPY')?.timestamp, there.at(-1)?.timestamp, `seed ${seed}`)
    }
  })

  it('never reach into each other where they begin at other times', async () => {
    const hours = (n: number) => START - (START % DAY_MS) + n * HOUR_MS
    const stored = [barAt(hours(12), '4h')]
    const built = [9, 13, 17].map(n => barAt(hours(n), '4h', { close: 2 }))
    const source = sourceOf(stored, built)
    const all = [
      [hours(12), 1],
      [hours(17), 2],
    ]
    assert.deepEqual(said(await barsIn(source, asked('4h'))), all)
    // Nor where the other one begins outside of what is asked for.
    const after = asked('4h', { from: hours(13) })
    assert.deepEqual(said(await barsIn(source, after)), all.slice(1))
    const before = asked('4h', { to: hours(11) })
    assert.deepEqual(said(await barsIn(source, before)), [])
  })

  it('of days stand side by side when clocks change', async () => {
    // New York: midnight is 5 o'clock UTC before 9 March 2025, and 4 o'clock from the day behind it on.
    const day = (n: number) => Date.UTC(2025, 2, n, n > 9 ? 4 : 5)
    const source = sourceOf(
      [barAt(day(9), '1d')],
      [8, 9, 10, 11].map(n => barAt(day(n), '1d', { close: 2 })),
    )
    assert.deepEqual(
      said(await barsIn(source, asked('1d'))),
      [8, 9, 10, 11].map(n => [day(n), n === 9 ? 1 : 2]),
    )
  })

  it('of a count are of one sort a day', async () => {
    const source = sourceOf(
      [barAt(START + 5_000, '500t')],
      [0, 4_000, 9_000, DAY_MS].map(ms => barAt(START + ms, '500t', { close: 2 })),
    )
    assert.deepEqual(said(await barsIn(source, asked('500t'))), [
      [START + 5_000, 1],
      [START + DAY_MS, 2],
    ])
  })

  it('of a length that cannot be made of trades are those that were stored, or an error that says so', async () => {
    const source = sourceOf([barAt(START, '1w')], [])
    assert.deepEqual(said(await barsIn(source, asked('1w'))), [[START, 1]])
    await assert.rejects(barsIn(sourceOf([], []), asked('1w')), { code: 'BAD_OPTION' })
  })

  it('of another adjustment are only those that were stored', async () => {
    const split = barAt(START, '1m', { adjustment: 'split' })
    const source = sourceOf([split], [barAt(START + 60_000, '1m')])
    assert.deepEqual(await barsIn(source, asked('1m', { adjustment: 'split' })), [split])
  })
})
