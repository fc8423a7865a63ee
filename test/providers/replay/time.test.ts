import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../../src/base/random.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import type { ReplayOptions } from '../../../src/providers/replay/provider.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { notice, play, quote, record, settle, T0, texts, trade } from './play.ts'

const HOUR = 3_600_000

async function arrivals(
  events: readonly MarketEvent[],
  options: Partial<ReplayOptions> = {},
): Promise<[receivedAt: number, cameAfter: number][]> {
  const { toEnd, times } = await play({ tape: record(events), ...options })
  const seen = await toEnd()
  return seen.map((event, i) => [event.receivedAt - T0, times[i]!])
}

test('as it happened: each event comes when as much time has passed as lay before it', async () => {
  const tape = [trade(0), trade(5), trade(5), quote(70), trade(2_500.5)]
  assert.deepEqual(await arrivals(tape), [
    [0, 0],
    [5, 5],
    [5, 5],
    [70, 70],
    [2_500.5, 2_500.5],
  ])
})

test('at other speeds the waits shrink or grow, and at Infinity there are none', async () => {
  const tape = [trade(100), trade(200), trade(1_100)]
  const waits = async (speed: number) => (await arrivals(tape, { speed })).map(([, after]) => after)
  assert.deepEqual(await waits(10), [0, 10, 100])
  assert.deepEqual(await waits(0.5), [0, 200, 2_000])
  assert.deepEqual(await waits(Number.POSITIVE_INFINITY), [0, 0, 0])
})

test('a change of speed counts from where the tape stands', async () => {
  const tape = record([trade(0), trade(1_000), trade(2_000), trade(3_000), trade(4_000)])
  const { replay, pass, times, prices } = await play({ tape })
  await pass(500)
  replay.speed = 10
  await pass(50)
  assert.deepEqual(times, [0, 550])
  replay.speed = 0.5
  await pass(1_999)
  assert.deepEqual(prices(), [0, 1_000])
  await pass(1)
  assert.deepEqual(prices(), [0, 1_000, 2_000])
  replay.speed = Number.POSITIVE_INFINITY
  await pass(0)
  assert.deepEqual(prices(), [0, 1_000, 2_000, 3_000, 4_000])
})

test('from full speed to another one it goes on in time behind the last event', async () => {
  // More than the tape hands out at once, so that the change falls into a later batch.
  const tape = record([...Array.from({ length: 6_000 }, (_, i) => trade(i)), trade(7_000)])
  const { replay, pass, prices, feed } = await play({
    tape,
    speed: Number.POSITIVE_INFINITY,
    paused: true,
  })
  feed.trades('*', event => {
    if (event.price === 5_999) replay.speed = 1
  })
  replay.resume()
  await settle(100)
  assert.equal(prices().at(-1), 5_999)
  await pass(1_000)
  assert.equal(prices().at(-1), 5_999)
  await pass(1)
  assert.equal(prices().at(-1), 7_000)
})

test('from full speed between two batches it goes on in time too', async () => {
  const events = [trade(0), trade(500), trade(1_500)]
  let open = () => {}
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  const tape = {
    async *read() {
      yield events.slice(0, 2)
      await gate
      yield events.slice(2)
    },
  }
  const { replay, pass, prices } = await play({ tape, speed: Number.POSITIVE_INFINITY })
  assert.deepEqual(prices(), [0, 500])
  open()
  // The batch is there, its turn is not.
  for (let i = 0; i < 20; i++) await undefined
  replay.speed = 1
  await pass(999)
  assert.deepEqual(prices(), [0, 500])
  await pass(1)
  assert.deepEqual(prices(), [0, 500, 1_500])
})

test('where the clock of the recording was set back, the order stays and nothing is waited for', async () => {
  const tape = [trade(HOUR), trade(HOUR + 10), trade(0), trade(20), trade(HOUR + 20)]
  assert.deepEqual(await arrivals(tape), [
    [HOUR, 0],
    [HOUR + 10, 10],
    [0, 10],
    [20, 30],
    [HOUR + 20, HOUR + 30],
  ])
})

test('two sources whose times differ a little do not stretch the replay', async () => {
  const tape = Array.from({ length: 1_000 }, (_, i) => trade(i % 2 ? i - 5 : i))
  const [, after] = (await arrivals(tape)).at(-1)!
  assert.equal(after, 998)
})

test('long silences are cut to maxQuietMs, also where the recorder noted each second of them', async () => {
  const ticks = Array.from({ length: 300 }, (_, i) =>
    notice(1_000 * (i + 1), { notice: 'clock', message: 'still here' }),
  )
  const events = [trade(0), trade(300), ...ticks, trade(301_300), trade(301_900)]
  const came = await arrivals(events, { maxQuietMs: 5_000 })
  const trades = came.filter(([at]) => at % 1_000 !== 0 || at === 0)
  assert.deepEqual(trades, [
    [0, 0],
    [300, 300],
    [301_300, 5_300],
    [301_900, 5_900],
  ])
  assert.equal(came.length, events.length, 'nothing is left out but time')
  assert.deepEqual(
    came.map(([, after]) => after),
    came.map(([, after]) => after).sort((a, b) => a - b),
  )
})

test('a replay that was held up goes on from where it stood', async () => {
  const tape = record([trade(0), trade(100), trade(200), trade(5_000)])
  const { clock, pass, times } = await play({ tape })
  await pass(50)
  clock.set(clock.now() + HOUR)
  await pass(10_000)
  assert.deepEqual(
    times.map(time => (time > HOUR ? time - HOUR : time)),
    [0, 50, 150, 4_950],
  )
})

test('one that was late for less than a second catches up, so that lateness does not add up', async () => {
  const { clock, pass, times } = await play({ tape: record([trade(0), trade(100), trade(1_000)]) })
  await pass(50)
  clock.set(clock.now() + 600)
  await pass(1_000)
  assert.deepEqual(times, [0, 650, 1_000])
})

test('it sleeps until the next event that is wanted, with one timer', async () => {
  const unwanted = Array.from({ length: 500 }, (_, i) => quote(i + 1))
  const tape = record([trade(0), ...unwanted, trade(600)])
  const clock = handClock()
  let sleeps = 0
  const counting = {
    ...clock,
    setTimeout: (fn: () => void, ms: number, idle?: 'idle') => {
      if (!idle) sleeps++
      return clock.setTimeout(fn, ms)
    },
  }
  const { toEnd } = await play(
    { tape },
    { clock: counting, subscribe: feed => feed.subscribe({ trades: '*' }) },
  )
  await settle()
  const before = sleeps
  assert.equal((await toEnd()).length, 2)
  assert.ok(sleeps - before <= 2, `${sleeps - before} sleeps for one event`)
})

test('the events are the same whatever the speed and however the clock moves', async () => {
  const random = seededRandom(5)
  let at = 0
  const events = Array.from({ length: 9_000 }, (_, i) => {
    if (random() < 0.5) at += Math.floor(random() * 40) / 4
    if (random() < 0.001) at = Math.max(0, at - 5_000)
    return random() < 0.5 ? trade(at, i) : quote(at)
  })
  const tape = record(events)
  const plain = await play({ tape, speed: Number.POSITIVE_INFINITY })
  const expected = texts(await plain.toEnd())
  assert.equal(expected.length, events.length)
  const schedule = fc.array(
    fc.record({ ms: fc.nat(3_000), by: fc.constantFrom('turn', 'pass', 'set') }),
  )
  await fc.assert(
    fc.asyncProperty(schedule, fc.constantFrom(1, 7.3, 1_000), async (moves, speed) => {
      const { clock, pass, toEnd } = await play({ tape, speed })
      for (const { ms, by } of moves) {
        if (by === 'pass') await pass(ms)
        else if (by === 'turn') clock.turn(ms)
        else clock.set(clock.now() + ms)
      }
      assert.deepEqual(texts(await toEnd()), expected)
    }),
    { numRuns: 8, seed: 1 },
  )
})
