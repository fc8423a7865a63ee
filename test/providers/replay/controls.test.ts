import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TickwireError } from '../../../src/base/errors.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import { replay } from '../../../src/providers/replay/provider.ts'
import { notice, play, quote, record, settle, T0, trade } from './play.ts'

const TAPE = [0, 1_000, 2_000, 3_000, 4_000].map(at => trade(at))

test('a pause keeps the time that is left until the next event', async () => {
  const { replay, pass, prices } = await play({ tape: record(TAPE) })
  await pass(400)
  replay.pause()
  assert.equal(replay.state, 'paused')
  await pass(60_000)
  assert.deepEqual(prices(), [0])
  replay.resume()
  assert.equal(replay.state, 'playing')
  await pass(599)
  assert.deepEqual(prices(), [0])
  await pass(1)
  assert.deepEqual(prices(), [0, 1_000])
})

test('one that starts paused waits, so that everything can be subscribed first', async () => {
  const { replay, feed, pass, prices, toEnd } = await play(
    { tape: record([trade(0), quote(1)]), paused: true },
    { subscribe: feed => feed.subscribe({ quotes: '*' }) },
  )
  await pass(5_000)
  await feed.subscribe({ trades: '*' })
  replay.resume()
  assert.equal((await toEnd()).length, 2)
  assert.deepEqual(prices(), [0])
})

test('a step delivers exactly so many events, and the next ones keep their distance', async () => {
  const { replay, pass, prices } = await play({ tape: record(TAPE), paused: true })
  assert.equal(await replay.step(), 1)
  assert.deepEqual(prices(), [0])
  assert.equal(await replay.step(2), 2)
  assert.deepEqual(prices(), [0, 1_000, 2_000])
  await pass(60_000)
  assert.equal(prices().length, 3)
  replay.resume()
  await pass(999)
  assert.equal(prices().length, 3)
  await pass(1)
  assert.equal(prices().length, 4)
})

test('a step stops between events that were received together', async () => {
  const tape = record([trade(5, 1), trade(5, 2), trade(5, 3)])
  const { replay, prices } = await play({ tape, paused: true })
  await replay.step(2)
  await settle()
  assert.deepEqual(prices(), [1, 2])
})

test('steps count what is subscribed and cross what the tape hands out at once', async () => {
  const events = Array.from({ length: 9_000 }, (_, i) => (i % 3 ? quote(i) : trade(i)))
  const { replay, prices } = await play(
    { tape: record(events), paused: true },
    { subscribe: feed => feed.subscribe({ trades: '*' }) },
  )
  assert.equal(await replay.step(2_500), 2_500)
  assert.equal(prices().length, 2_500)
  assert.equal(prices().at(-1), 3 * 2_499)
})

test('notices come along with a step and are not counted', async () => {
  const gap = (at: number) => notice(at, { notice: 'gap', message: 'a hole' })
  const tape = record([gap(0), gap(1), trade(2), gap(2), trade(2, 3), gap(4)])
  const { replay, events } = await play({ tape, paused: true })
  const types = () => events.map(event => event.type)
  assert.equal(await replay.step(), 1)
  assert.deepEqual(types(), ['notice', 'notice', 'trade'])
  assert.equal(await replay.step(), 1)
  assert.deepEqual(types().slice(3), ['notice', 'trade'])
  assert.equal(await replay.step(), 0)
  assert.deepEqual(types().slice(5), ['notice'])
})

test('a step pauses a replay that plays', async () => {
  const { replay, pass, prices } = await play({ tape: record(TAPE) })
  assert.equal(await replay.step(), 1)
  assert.equal(replay.state, 'paused')
  await pass(60_000)
  assert.deepEqual(prices(), [0, 1_000])
})

test('steps that cannot be done tell how far they came', async () => {
  const { replay, feed, clock } = await play({ tape: record(TAPE), paused: true })
  assert.equal(await replay.step(7), 5)
  assert.equal(replay.state, 'paused', 'the end is no reason to go while it is paused')
  replay.seek(T0 + 4_000)
  const steps = [replay.step(1), replay.step(3), replay.step(2)]
  assert.deepEqual(await Promise.all(steps), [1, 0, 0])
  replay.seek(T0)
  const resumed = replay.step(3)
  replay.resume()
  assert.equal(await resumed, 0)
  const closed = replay.step(100)
  await settle()
  replay.seek(T0)
  const cut = replay.step(1_000_000)
  await feed.close()
  assert.equal(await closed, 5)
  assert.ok((await cut) <= 5)
  assert.equal(clock.pending(), 0)
})

test('a step before there is a feed waits for one', async () => {
  const provider = replay({ tape: record(TAPE) })
  const step = provider.step(2)
  const feed = openFeed(provider, { leases: false })
  const seen: number[] = []
  feed.trades('*', event => seen.push(event.price))
  assert.equal(await step, 2)
  assert.deepEqual(seen, [0, 1_000])
  await feed.close()
})

test('counts and times that cannot be are refused', () => {
  return play({ tape: record(TAPE), from: T0, to: T0 + 3_000, paused: true }).then(
    async ({ replay, feed }) => {
      const bad = (message: RegExp) => (error: unknown) =>
        error instanceof TickwireError && error.code === 'BAD_OPTION' && message.test(error.message)
      for (const count of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.throws(() => replay.step(count), bad(/step takes/))
      }
      for (const time of [T0 - 1, T0 + 3_000])
        assert.throws(() => replay.seek(time), bad(/outside/))
      assert.throws(() => replay.seek(Number.NaN), bad(/time is NaN/))
      assert.throws(() => (replay.speed = -1), bad(/speed is -1/))
      assert.equal(replay.speed, 1)
      await feed.close()
    },
  )
})

test('seeking goes on at once at the first event from there, forward and back, also out of a sleep', async () => {
  const { replay, pass, prices, times } = await play({ tape: record(TAPE) })
  await pass(300)
  replay.seek(T0 + 2_500)
  await pass(0)
  assert.deepEqual(prices(), [0, 3_000])
  assert.equal(times.at(-1), 300)
  replay.seek(T0 + 1_000)
  await pass(0)
  assert.deepEqual(prices(), [0, 3_000, 1_000])
  await pass(999)
  assert.deepEqual(prices(), [0, 3_000, 1_000])
  await pass(1)
  assert.deepEqual(prices(), [0, 3_000, 1_000, 2_000])
})

test('seeking while paused stays paused there', async () => {
  const { replay, pass, prices } = await play({ tape: record(TAPE), paused: true })
  replay.seek(T0 + 1_500)
  assert.equal(replay.time, T0 + 1_500)
  await pass(60_000)
  assert.deepEqual(prices(), [])
  await replay.step()
  assert.deepEqual(prices(), [2_000])
  assert.equal(replay.time, T0 + 2_000)
})

test('a paused replay can be taken back from its end; resumed there, it ends', async () => {
  const { replay, feed, prices } = await play({ tape: record(TAPE), paused: true })
  await replay.step(9)
  assert.equal(replay.state, 'paused')
  replay.seek(T0 + 3_000)
  await replay.step(9)
  assert.deepEqual(prices().slice(5), [3_000, 4_000])
  replay.resume()
  await feed.done
  assert.equal(replay.state, 'ended')
  assert.equal(replay.time, T0 + 4_000)
})

test('time is when the last event passed was received, wanted or not', async () => {
  const tape = record([trade(0), quote(100), quote(200), trade(1_000)])
  const { replay, pass } = await play(
    { tape },
    { subscribe: feed => feed.subscribe({ trades: '*' }) },
  )
  const at: (number | undefined)[] = []
  for (const ms of [0, 150, 100, 700, 100]) {
    await pass(ms)
    at.push(replay.time && replay.time - T0)
  }
  assert.deepEqual(at, [0, 100, 200, 200, 1_000])
})

test('a feed that goes away leaves the tape where its time was', async () => {
  const tape = record([trade(0), quote(100), quote(200), trade(1_000)])
  const { replay, feed, pass } = await play(
    { tape },
    { subscribe: feed => feed.subscribe({ trades: '*' }) },
  )
  await pass(150)
  await feed.close()
  assert.equal(replay.time, T0 + 100)
})

test('a handler that pauses gets no event that was received later', async () => {
  const tape = record([trade(0, 1), trade(1, 2), trade(1, 3), trade(2, 4), trade(3, 5)])
  const { replay, feed, prices } = await play({
    tape,
    paused: true,
    speed: Number.POSITIVE_INFINITY,
  })
  const off = feed.on('trade', event => {
    if (event.price === 2) replay.pause()
  })
  replay.resume()
  await settle()
  assert.deepEqual(prices(), [1, 2, 3])
  off()
  replay.resume()
  await feed.done
  assert.deepEqual(prices(), [1, 2, 3, 4, 5])
})

test('a handler that seeks back plays the stretch again', async () => {
  const { replay, feed, prices, toEnd } = await play({ tape: record(TAPE), paused: true })
  let again = true
  feed.on('trade', event => {
    if (event.price === 2_000 && again) replay.seek(T0 + 1_000)
    if (event.price === 2_000) again = false
  })
  replay.resume()
  await toEnd()
  assert.deepEqual(prices(), [0, 1_000, 2_000, 1_000, 2_000, 3_000, 4_000])
})

test('who subscribes midway gets what follows, and who unsubscribes nothing more', async () => {
  const events = Array.from({ length: 100 }, (_, i) => [trade(i * 10), quote(i * 10 + 5)]).flat()
  const { feed, pass, toEnd } = await play(
    { tape: record([...events, trade(5_000)]) },
    { subscribe: feed => feed.subscribe({ trades: 'TSLA' }) },
  )
  await pass(302)
  const request = feed.subscribe({ quotes: 'SPY' })
  await pass(200)
  assert.deepEqual((await request).accepted.length, 1)
  feed.unsubscribe({ quotes: 'SPY' })
  const seen = await toEnd()
  assert.deepEqual(
    seen.map(event => event.receivedAt - T0),
    Array.from({ length: 20 }, (_, i) => 305 + i * 10),
  )
})

test('who subscribes as the speed is raised gets nothing that had passed by then', async () => {
  const events = Array.from({ length: 100 }, (_, i) => quote(i * 10))
  const { replay, feed, pass, toEnd } = await play(
    { tape: record(events) },
    { subscribe: feed => feed.subscribe({ trades: 'SPY' }) },
  )
  await pass(302)
  replay.speed = Number.POSITIVE_INFINITY
  feed.subscribe({ quotes: 'SPY' })
  const [first] = await toEnd()
  assert.equal(first && first.receivedAt - T0, 310)
})
