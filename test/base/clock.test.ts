import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { handClock } from '../../src/testing/clock.ts'

/** The machine's two clocks, under the test's hand. */
function machine(test: TestContext) {
  const time = { wall: 1_700_000_000_000, monotonic: 0 }
  const origin = time.wall
  test.mock.getter(performance, 'timeOrigin', () => origin)
  test.mock.method(performance, 'now', () => time.monotonic)
  test.mock.method(Date, 'now', () => time.wall)
  return {
    pass(ms: number) {
      time.wall += ms
      time.monotonic += ms
    },
    setWall(ms: number) {
      time.wall += ms
    },
    time,
  }
}

describe('systemClock', () => {
  it('is epoch time with a fraction', test => {
    const { pass, time } = machine(test)
    const clock = systemClock()
    pass(500.25)
    assert.equal(clock.now(), time.wall)
  })

  it('follows a wall clock that is set forwards', test => {
    const { pass, setWall, time } = machine(test)
    const clock = systemClock()
    pass(5_000)
    clock.now()
    setWall(3_600_000)
    pass(1_500)
    assert.equal(clock.now(), time.wall)
  })

  it('goes on, at half its pace, while a wall clock that was set back by an hour catches up', test => {
    const { pass, setWall } = machine(test)
    const clock = systemClock()
    pass(5_000)
    const before = clock.now()
    setWall(-3_600_000)
    for (let i = 0; i < 100; i++) {
      pass(600)
      clock.now()
    }
    const gone = clock.now() - before
    assert.ok(gone >= 29_000 && gone <= 31_000, `${gone} ms of 60 s`)
  })

  it('never runs backwards: a wall clock that was set back catches up', test => {
    const { pass, setWall, time } = machine(test)
    const clock = systemClock()
    pass(5_000)
    let last = clock.now()
    setWall(-10_000)
    for (let i = 0; i < 40; i++) {
      pass(700)
      const now = clock.now()
      assert.ok(now >= last, `${now} after ${last}`)
      last = now
    }
    assert.equal(last, time.wall)
  })

  it('does not chase a few milliseconds of slewing', test => {
    const { pass, setWall, time } = machine(test)
    const clock = systemClock()
    setWall(15)
    pass(2_000)
    assert.equal(clock.now(), time.wall - 15)
  })

  it('never runs backwards on the real machine', () => {
    const clock = systemClock()
    let last = 0
    for (let i = 0; i < 100_000; i++) {
      const now = clock.now()
      assert.ok(now >= last)
      last = now
    }
  })

  it('calls a timer once, and never when cancelled', async test => {
    test.mock.timers.enable({ apis: ['setTimeout'] })
    const clock = systemClock()
    const calls: string[] = []
    clock.setTimeout(() => calls.push('kept'), 100)
    clock.setTimeout(() => calls.push('cancelled'), 100).cancel()
    test.mock.timers.tick(99)
    assert.deepEqual(calls, [])
    test.mock.timers.tick(1_000)
    assert.deepEqual(calls, ['kept'])
  })

  it('waits longer than the 24.8 days a timer of Node can', test => {
    test.mock.timers.enable({ apis: ['setTimeout'] })
    const longest = 2 ** 31 - 1
    let fired = 0
    const clock = systemClock()
    clock.setTimeout(() => fired++, 2 * longest + 500)
    const cancelled = clock.setTimeout(() => fired++, 2 * longest + 500)
    for (const ms of [longest, longest, 499]) test.mock.timers.tick(ms)
    assert.equal(fired, 0)
    cancelled.cancel()
    test.mock.timers.tick(1)
    assert.equal(fired, 1)
  })
})

describe('sleep', () => {
  it('ends after its time', async () => {
    const clock = handClock()
    let awake = false
    void sleep(clock, 1_000).then(() => (awake = true))
    await clock.advance(999)
    assert.equal(awake, false)
    await clock.advance(1)
    assert.equal(awake, true)
    assert.equal(clock.pending(), 0)
  })

  it('ends at once when the signal aborts, before or meanwhile, and leaves no timer', async () => {
    const clock = handClock()
    await sleep(clock, 1_000, AbortSignal.abort())
    const controller = new AbortController()
    const sleeping = sleep(clock, 1_000, controller.signal)
    assert.equal(clock.pending(), 1)
    controller.abort()
    await sleeping
    assert.equal(clock.pending(), 0)
  })
})
