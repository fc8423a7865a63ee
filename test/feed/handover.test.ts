import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Handover } from '../../src/feed/handover.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'

/** As the venue says it; every connection gets objects of its own. */
const said = (n: number, receivedAt: number) =>
  createEvent({ type: 'quote', symbol: 'A', timestamp: n, bid: n, receivedAt })

test('whatever the delays, the merged stream is the venue’s: no hole, no repeat, in order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.nat(40),
      fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }),
      fc.boolean(),
      (count, joinAt, turns, repeats) => {
        // Some venues say the same thing twice in a row.
        const stream = Array.from({ length: count }, (_, i) => (repeats ? i >> 1 : i))
        const join = Math.min(joinAt, count)
        const oldSide = stream.map(n => said(n, 1))
        const newSide = stream.slice(join).map(n => said(n, 2))
        const merged: MarketEvent[] = []
        const handover = new Handover()
        handover.confirm()
        for (const takeOld of turns) {
          // The new connection shows nothing before its place in the venue's stream has come.
          if (takeOld && oldSide.length > 0) merged.push(...handover.old(oldSide.shift()!))
          else if (newSide.length > 0) merged.push(...handover.fresh(newSide.shift()!))
        }
        for (const event of oldSide) merged.push(...handover.old(event))
        for (const event of newSide) merged.push(...handover.fresh(event))
        const seen = merged.map(event => event.timestamp)
        if (!repeats) assert.deepEqual(seen, stream)
        else assert.deepEqual([...new Set(seen)], [...new Set(stream)])
      },
    ),
    { numRuns: 2_000, seed: 5 },
  )
})

test('a silent symbol is handed over by force, and what was in flight comes once', () => {
  const handover = new Handover()
  handover.confirm()
  assert.deepEqual(handover.fresh(said(3, 2)), [])
  assert.deepEqual(
    handover.force().map(e => e.timestamp),
    [3],
  )
  assert.ok(handover.done)
  assert.deepEqual(
    handover.old(said(2, 1)).map(e => e.timestamp),
    [2],
  )
  assert.deepEqual(handover.old(said(3, 1)), [])
  assert.deepEqual(
    handover.fresh(said(4, 2)).map(e => e.timestamp),
    [4],
  )
})

test('a flood on one side does not fill the memory', () => {
  const handover = new Handover()
  handover.confirm()
  for (let n = 0; n < 20_000; n++) handover.fresh(said(n, 2))
  assert.ok(handover.done)
})

test('a new connection that is not confirmed takes nothing over', () => {
  const handover = new Handover()
  assert.deepEqual(handover.fresh(said(1, 2)), [])
  for (let n = 0; n < 20_000; n++) assert.equal(handover.old(said(n, 1)).length, 1)
  assert.deepEqual(handover.force(), [])
  assert.equal(handover.done, false)
})
