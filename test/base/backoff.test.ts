import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Backoff } from '../../src/base/backoff.ts'
import { seededRandom } from '../../src/base/random.ts'

const lowest = () => 0
const highest = () => 1 - 2 ** -32

describe('Backoff', () => {
  it('doubles its ceiling up to the maximum, with the whole of it open to chance', () => {
    const waits = (random: () => number) => {
      const backoff = new Backoff({}, random)
      return Array.from({ length: 12 }, () => backoff.next('retry'))
    }
    const ceilings = waits(highest).map(Math.ceil)
    assert.deepEqual(ceilings.slice(0, 9), [250, 500, 1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 6e4])
    assert.deepEqual(ceilings.slice(9), [6e4, 6e4, 6e4])
    assert.deepEqual(waits(lowest), Array(12).fill(0))
  })

  it('starts high after a slow verdict and stays in the upper half', () => {
    const backoff = (random: () => number) => new Backoff({}, random)
    assert.equal(backoff(lowest).next('slow'), 2_500)
    assert.equal(Math.ceil(backoff(highest).next('slow')), 5_000)
    const slow = backoff(lowest)
    const waits = Array.from({ length: 6 }, () => slow.next('slow'))
    assert.deepEqual(waits, [2_500, 5_000, 10_000, 20_000, 30_000, 30_000])
  })

  it('never waits less than the venue asks, nor more than its maximum otherwise', () => {
    const step = fc.record({
      pace: fc.constantFrom<'retry' | 'slow'>('retry', 'slow'),
      atLeastMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 600_000 })),
    })
    fc.assert(
      fc.property(fc.integer(), fc.array(step, { maxLength: 60 }), (seed, steps) => {
        const backoff = new Backoff({ maxMs: 20_000 }, seededRandom(seed))
        for (const { pace, atLeastMs } of steps) {
          const wait = backoff.next(pace, atLeastMs)
          assert.ok(wait >= atLeastMs)
          assert.ok(wait <= Math.max(20_000, atLeastMs))
        }
      }),
    )
  })

  it('spreads a crowd that failed together', () => {
    const waits = Array.from({ length: 1_000 }, (_, seed) => {
      const backoff = new Backoff({}, seededRandom(seed))
      backoff.next('retry')
      return backoff.next('retry')
    })
    for (let quarter = 0; quarter < 4; quarter++) {
      const inside = waits.filter(ms => ms >= quarter * 125 && ms < (quarter + 1) * 125).length
      assert.ok(inside > 200 && inside < 300, `${inside} of 1000 in quarter ${quarter}`)
    }
  })

  it('starts over after a reset', () => {
    const backoff = new Backoff({ firstMs: 100 }, highest)
    for (let i = 0; i < 40; i++) backoff.next('retry')
    backoff.reset()
    assert.equal(Math.ceil(backoff.next('retry')), 100)
  })
})
