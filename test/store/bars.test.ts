import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { BarBuilder } from '../../src/derive/bars.ts'
import {
  type Bar,
  createEvent,
  Flag,
  type Interval,
  type MarketEvent,
} from '../../src/market/events.ts'
import { simulateDay } from '../../src/providers/simulated/simulate-day.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { collect, DAY_MS, once, open, START, tempFolder } from './kit.ts'

const HOUR_MS = 3_600_000
const CODES = ['@', 'F', 'I', 'T', 'Z', '4', 'G', 'P', 'M', 'W', 'C', 'unknown', 'O', '6']

/** Trades as they come: late ones, several in one nanosecond, all conditions, coins, corrections and cancels. */
function trades(seed: number, count: number, fixes: boolean): MarketEvent[] {
  const random = seededRandom(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const events: MarketEvent[] = []
  let time = START
  for (let i = 0; i < count; i++) {
    time += Math.floor(random() ** 3 * 4_000)
    const symbol = pick(['AAPL', 'SPY', 'SPY', 'BTC/USD', 'NSE:RELIANCE', 'QUIET'])
    if (symbol === 'QUIET' && random() < 0.9) continue
    const isCoin = symbol === 'BTC/USD'
    const late = random() < 0.05 ? Math.floor(random() * 90_000) : 0
    const timestamp = time - late
    const common = { symbol, source: pick(['a', 'a', 'b']), timestamp, receivedAt: time + 3 }
    const id = symbol === 'SPY' && random() < 0.1 ? undefined : isCoin ? `c${i}` : i
    const price = isCoin ? 60_000 + random() * 100 : 100 + Math.round(random() * 1_000) / 100
    const size = isCoin ? Number(random().toFixed(8)) : Math.floor(random() ** 2 * 500)
    events.push(
      createEvent({
        ...common,
        type: 'trade',
        // Of one symbol no two are of one nanosecond.
        nanos: symbol === 'AAPL' ? i : random() < 0.5 ? 0 : Math.floor(random() * 1_000_000),
        flags: late > 0 ? Flag.late : 0,
        ...{ price, size, id, exchange: pick(['V', 'Q', 'LONGNAME']) },
        ...(isCoin ? {} : { tape: pick(['A', 'C']), conditions: [pick(['@', '@', ...CODES])] }),
      }),
    )
    const last = events.at(-1)!
    if (!fixes || last.type !== 'trade' || random() > 0.01 || symbol === 'AAPL') continue
    if (last.id === undefined) continue
    const of = { symbol, source: last.source, timestamp: time, receivedAt: time + 5 }
    events.push(
      random() < 0.5
        ? createEvent({
            ...of,
            type: 'cancel',
            id: last.id,
            exchange: last.exchange,
            action: 'error',
          })
        : createEvent({
            ...of,
            ...{ type: 'correction', originalId: last.id, originalPrice: last.price },
            ...{ originalSize: last.size, id: last.id, price: last.price + 1, size: last.size },
            ...{ exchange: last.exchange, tape: last.tape, conditions: last.conditions },
          }),
    )
  }
  return events
}

/** What `BarBuilder` makes of events in order of venue time, all over by `now`. */
function builtFrom(
  events: readonly MarketEvent[],
  interval: Interval,
  now: number,
): Map<string, Bar> {
  const bars = new Map<string, Bar>()
  const builder = new BarBuilder(
    { interval, time: 'venue', graceMs: 0, reviseMs: 2 * DAY_MS },
    { final: bar => bars.set(`${bar.source} ${bar.symbol} ${bar.timestamp}`, bar) },
  )
  const order = (a: MarketEvent, b: MarketEvent) => a.timestamp - b.timestamp || a.nanos - b.nanos
  builder.append(events.toSorted(order))
  builder.advance(now)
  builder.end()
  return bars
}

const said = ({ open, high, low, close, volume, vwap, tradeCount, flags }: Bar) => ({
  open,
  high,
  low,
  close,
  volume,
  vwap,
  tradeCount,
  flags,
})

async function compare(
  t: TestContext,
  seed: number,
  events: readonly MarketEvent[],
  intervals: readonly Interval[] = ['1s', '1m', '5m', '1h', '4h', '1d'],
): Promise<void> {
  const clock = handClock(START + 3 * DAY_MS)
  const store = await open(t, tempFolder(t), { clock })
  const tape = memoryTape({ clock })
  tape.append(events)
  await store.follow(tape, { live: false })
  for (const where of ['open', 'sealed']) {
    for (const interval of intervals) {
      const expected = builtFrom(events, interval, clock.now())
      const range = { symbols: ['*'], from: START - DAY_MS, to: START + 3 * DAY_MS }
      const bars = (await collect(store.history({ kind: 'bar', ...range, interval }))) as Bar[]
      const what = `${interval}, ${where}, seed ${seed}`
      assert.equal(bars.length, expected.size, what)
      for (const bar of bars) {
        const key = `${bar.source} ${bar.symbol} ${bar.timestamp}`
        assert.deepEqual(said(bar), said(expected.get(key)!), `${what}: ${key}`)
      }
      const times = bars.map(({ timestamp }) => timestamp)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
    }
    await clock.advance(60_000)
    await store.seal()
  }
}

describe('bars of stored trades', () => {
  it('equal those of BarBuilder, open and sealed', async t => {
    for (const seed of [1, 2]) await compare(t, seed, trades(seed, 4_000, false))
  })

  it('equal those of BarBuilder with corrections and cancels applied', async t => {
    await compare(t, 3, trades(3, 4_000, true))
  })

  it('equal those of BarBuilder on simulated days', async t => {
    for (const [seed, day] of ['2025-06-02', '2025-06-03'].entries()) {
      const events = [...simulateDay({ day, seed, events: 15_000 })].flat()
      await compare(t, seed, events, ['1m', '15m'])
    }
  })

  it('go by exchange and id where trades share a nanosecond, whatever came first', async t => {
    const trade = (id: number, price: number, flags: number) =>
      createEvent({
        ...{ type: 'trade', symbol: 'SPY', source: 'a', timestamp: START + 1_000 },
        ...{ receivedAt: START + 1_001, price, size: 10, id, exchange: 'V', flags },
      })
    const events = [trade(3, 103, 0), trade(1, 101, Flag.late), trade(2, 102, 0)]
    await compare(t, 0, events, ['1m'])
    const flat = [trade(2, 102, 0), trade(1, 101, Flag.late)]
    await compare(t, 0, flat, ['1m'])
  })

  it('are those of the range alone, of the symbol and source asked, and over', async t => {
    const clock = handClock(START + HOUR_MS)
    const store = await open(t, tempFolder(t), { clock })
    const tape = memoryTape({ clock })
    tape.append(trades(4, 2_000, false).filter(({ timestamp }) => timestamp < START + HOUR_MS))
    await store.follow(tape, { live: false })
    const ask = { kind: 'bar', symbols: ['SPY'], source: 'a', interval: '5m' } as const
    const bars = await collect(
      store.history({ ...ask, from: START + 300_000, to: START + 900_000 }),
    )
    assert.deepEqual(
      bars.map(({ symbol, source, timestamp }) => [symbol, source, (timestamp - START) / 300_000]),
      [1, 2, 3].map(n => ['SPY', 'a', n]),
    )
    const all = await collect(store.history({ ...ask, from: 0, to: START + DAY_MS }))
    assert.ok(all.every(({ timestamp }) => timestamp + 300_000 <= clock.now()))
  })

  it('fill the times of which no bar is stored; those come once and as they were said last', async t => {
    const clock = handClock(START + HOUR_MS)
    const store = await open(t, tempFolder(t), { clock })
    const tape = memoryTape({ clock })
    const events = trades(5, 2_000, false)
    tape.append(events)
    await store.follow(tape, { live: false })
    const bar = (minute: number, close: number, more: object = {}) =>
      createEvent({
        ...{ type: 'bar', symbol: 'SPY', source: 'a', timestamp: START + minute * 60_000 },
        ...{ interval: '1m', open: 1, high: 2, low: 1, close, volume: 5, final: true },
        ...{ revision: 0, ...more },
      })
    await store.merge(once([bar(0, 1), bar(1, 1), bar(0, 2, { revision: 1 })]))
    await store.merge(once([bar(0, 9, { adjustment: 'split' })]))
    const ask = {
      kind: 'bar',
      symbols: ['SPY'],
      source: 'a',
      from: START,
      to: START + HOUR_MS,
    } as const
    const raw = (await collect(store.history(ask))) as Bar[]
    assert.deepEqual(
      raw.slice(0, 2).map(({ timestamp, close }) => [timestamp - START, close]),
      [
        [0, 2],
        [60_000, 1],
      ],
    )
    const built = [...builtFrom(events, '1m', clock.now()).values()].filter(
      ({ source, symbol, timestamp }) =>
        source === 'a' && symbol === 'SPY' && timestamp >= START + 120_000 && timestamp <= ask.to,
    )
    assert.ok(built.length > 2)
    assert.deepEqual(raw.slice(2).map(said), built.map(said))
    const split = (await collect(store.history({ ...ask, adjustment: 'split' }))) as Bar[]
    assert.deepEqual(
      split.map(({ close }) => close),
      [9],
    )
    const other = await collect(store.history({ ...ask, interval: '5m' }))
    assert.ok(other.length > 2)
    const [last] = await store.asOf({ ...ask, time: START + 90_000 })
    assert.equal(last?.timestamp, START, 'the next one was not over')
    const [next] = await store.asOf({ ...ask, time: START + 120_000 })
    assert.equal(next?.timestamp, START + 60_000)
  })
})
