import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from '../../src/base/pace.ts'
import { handClock } from '../../src/testing/clock.ts'

const never = new AbortController().signal

/** Starts as fast as it is let, for so long; the times since the beginning, ms. */
async function starts(most: number, windowMs: number, forMs: number, idleMs = 0) {
  const clock = handClock()
  const begin = clock.now()
  const pace = new Pace(clock, most, windowMs)
  const times: number[] = []
  const end = new AbortController()
  const loop = async () => {
    while (!end.signal.aborted) {
      await pace.turn(end.signal)
      if (end.signal.aborted) return
      times.push(clock.now() - begin)
      await new Promise<void>(resolve => {
        clock.setTimeout(resolve, 1 + idleMs * (times.length % 3))
      })
    }
  }
  const looping = loop()
  await clock.advance(forMs)
  end.abort()
  await clock.advance(10_000)
  await looping
  return times
}

test('no window holds more starts than allowed, wherever it begins, and none is left unused', async () => {
  for (const idleMs of [0, 40, 700]) {
    const times = await starts(10, 10_000, 120_000, idleMs)
    for (const [index, time] of times.entries()) {
      const eleventh = times[index + 10]
      assert.ok(eleventh === undefined || eleventh - time >= 10_000, `${time} to ${eleventh}`)
    }
    assert.ok(times.length >= 110, `${times.length} starts in two minutes`)
  }
})

test('the first ones start at once, and after a quiet time again', async () => {
  const clock = handClock()
  const pace = new Pace(clock, 3, 1_000)
  const begin = clock.now()
  const turns = async (count: number) => {
    for (let i = 0; i < count; i++) await pace.turn(never)
  }
  await turns(3)
  assert.equal(clock.now(), begin)
  await clock.advance(1_000)
  await turns(3)
  assert.equal(clock.now(), begin + 1_000)
  assert.equal(clock.pending(), 0)
})

test('a wait that is given up ends at once and counts as no start', async () => {
  const clock = handClock()
  const pace = new Pace(clock, 1, 1_000)
  await pace.turn(never)
  const abort = new AbortController()
  const given = pace.turn(abort.signal)
  abort.abort()
  await given
  assert.equal(clock.pending(), 0)
  let started = false
  const next = pace.turn(never).then(() => {
    started = true
  })
  await clock.advance(999)
  assert.equal(started, false, 'the first start still counts')
  await clock.advance(1)
  await next
})
