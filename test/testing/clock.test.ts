import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { handClock } from '../../src/testing/clock.ts'

describe('handClock', () => {
  it('stands still until it is turned', () => {
    const clock = handClock()
    assert.equal(clock.now(), Date.UTC(2024, 0, 15, 14, 30))
    assert.equal(clock.now(), clock.now())
    clock.turn(1.5)
    assert.equal(clock.now(), Date.UTC(2024, 0, 15, 14, 30) + 1.5)
    assert.equal(handClock(5).now(), 5)
  })

  it('fires in order of time, equal times in the order they were set, each at its own time', () => {
    const timer = fc.record({ ms: fc.integer({ min: 0, max: 50 }), cancelled: fc.boolean() })
    fc.assert(
      fc.property(fc.array(timer), fc.array(fc.integer({ min: 0, max: 20 })), (timers, turns) => {
        const clock = handClock(0)
        const fired: { index: number; at: number }[] = []
        const handles = timers.map(({ ms }, index) =>
          clock.setTimeout(() => fired.push({ index, at: clock.now() }), ms),
        )
        timers.forEach(({ cancelled }, index) => {
          if (cancelled) handles[index]!.cancel()
        })
        for (const ms of turns) clock.turn(ms)
        const expected = timers
          .map(({ ms, cancelled }, index) => ({ index, at: Math.max(1, ms), cancelled }))
          .filter(({ at, cancelled }) => !cancelled && at <= clock.now())
          .sort((a, b) => a.at - b.at)
          .map(({ index, at }) => ({ index, at }))
        assert.deepEqual(fired, expected)
        const waiting = timers.filter(({ cancelled }) => !cancelled).length - expected.length
        assert.equal(clock.pending(), waiting)
        assert.equal(
          clock.now(),
          turns.reduce((sum, ms) => sum + ms, 0),
        )
      }),
    )
  })

  it('fires timers that timers set, within the same turn', () => {
    const clock = handClock(0)
    const at: number[] = []
    const tick = () => {
      at.push(clock.now())
      clock.setTimeout(tick, 10)
    }
    clock.setTimeout(tick, 10)
    clock.turn(35)
    assert.deepEqual(at, [10, 20, 30])
    assert.equal(clock.pending(), 1)
  })

  it('lets promises settle between timers when it advances, and not when it turns', async () => {
    const story = async (go: (clock: ReturnType<typeof handClock>) => unknown) => {
      const clock = handClock(0)
      const lines: string[] = []
      const settle = async (name: string) => {
        for (let i = 0; i < 50; i++) await undefined
        lines.push(`${name} settled`)
      }
      void settle('before')
      for (const name of ['a', 'b']) {
        clock.setTimeout(() => {
          lines.push(name)
          void settle(name)
        }, 10)
      }
      await go(clock)
      return lines.join(', ')
    }
    const settled = await story(clock => clock.advance(10))
    assert.equal(settled, 'before settled, a, a settled, b, b settled')
    assert.equal(await story(clock => clock.turn(10)), 'a, b')
  })

  it('fires a timer that a promise sets while it advances', async () => {
    const clock = handClock(0)
    const at: number[] = []
    void (async () => {
      for (let i = 0; i < 3; i++) {
        await new Promise<void>(resolve => void clock.setTimeout(resolve, 100))
        at.push(clock.now())
      }
    })()
    await clock.advance(250)
    assert.deepEqual(at, [100, 200])
    assert.equal(clock.now(), 250)
  })

  it('jumps without firing, and then fires late what is overdue', () => {
    const clock = handClock(0)
    const at: number[] = []
    clock.setTimeout(() => at.push(clock.now()), 10)
    clock.set(1_000)
    assert.deepEqual(at, [])
    clock.turn(0)
    assert.deepEqual(at, [1_000])
  })

  it('cannot be stopped by a timer that rearms itself with no wait', () => {
    const clock = handClock(0)
    let count = 0
    const again = () => {
      count++
      clock.setTimeout(again, 0)
    }
    clock.setTimeout(again, Number.NaN)
    clock.turn(100)
    assert.equal(count, 100)
  })

  it('refuses to run backwards', async () => {
    const clock = handClock(1_000)
    assert.throws(() => clock.turn(-1), RangeError)
    assert.throws(() => clock.turn(Number.NaN), RangeError)
    assert.throws(() => clock.set(999), RangeError)
    await assert.rejects(clock.advance(-1), RangeError)
    assert.equal(clock.now(), 1_000)
  })
})
