import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Candles } from '../../src/feed/candles.ts'
import { type Bar, createEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'

const T0 = 1_700_000_040_000

function setUp(repeats = false) {
  const clock = handClock(T0)
  const out: string[] = []
  const emit = ({ timestamp, volume, final, revision }: Bar) =>
    out.push(`${(timestamp - T0) / 60_000}: ${volume}${final ? ` r${revision}` : ' …'}`)
  const candles = new Candles(clock, emit, new AbortController().signal, {
    lengthOf: () => 60_000,
    repeats,
  })
  const take = (minute: number, volume: number) =>
    candles.take(
      createEvent({
        ...{
          type: 'bar',
          source: 's',
          symbol: 'BTC/USD',
          interval: '1m',
          final: false,
          revision: 0,
        },
        ...{ timestamp: T0 + minute * 60_000, open: 1, high: 1, low: 1, close: 1, volume },
      }) as Bar,
      emit,
    )
  return { clock, out, take }
}

test('a candle is over when a later one begins, or a little after its end', async () => {
  const { clock, out, take } = setUp()
  take(0, 1)
  await clock.advance(60_100)
  take(1, 1)
  await clock.advance(61_000)
  assert.deepEqual(out, ['0: 1 …', '0: 1 r0', '1: 1 …'])
  await clock.advance(1_000)
  assert.deepEqual(out.slice(3), ['1: 1 r0'])
})

test('the first candle of a connection that is long over does not grow', async () => {
  for (const repeats of [false, true]) {
    const { clock, out, take } = setUp(repeats)
    await clock.advance(130_000)
    take(0, 3)
    take(0, 4)
    take(2, 1)
    assert.deepEqual(out, ['0: 3 r0', '0: 4 r1', '2: 1 …'])
  }
})

test('a candle that is over and comes a second time is no revision of itself', async () => {
  const { clock, out, take } = setUp()
  take(0, 1)
  await clock.advance(63_000)
  take(0, 2)
  take(0, 2)
  take(0, 3)
  assert.deepEqual(out, ['0: 1 …', '0: 1 r0', '0: 2 r1', '0: 2 r1', '0: 3 r2'])
})
