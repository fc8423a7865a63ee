import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakAgain, knows, newHole } from '../../src/feed/hole.ts'
import { identityOf } from '../../src/feed/identity.ts'
import { Delivered } from '../../src/feed/repair-past.ts'
import { type Bar, createEvent } from '../../src/market/events.ts'

const bar = (volume: number, final: boolean, revision = 0) =>
  createEvent({
    ...{ type: 'bar', source: 's', symbol: 'SPY', interval: '1m', timestamp: 60_000 },
    ...{ open: 1, high: 1, low: 1, close: 1, volume, final, revision },
  }) as Bar

test('what a hole knows of a bar stays, though it is broken while that is held back', () => {
  for (const [said, delivered, answer, missed] of [
    // The end is held back twice: what was delivered by then is the candle while it grew.
    [bar(3, true), bar(3, false), bar(3, true), []],
    // History has put it right behind the stream's word.
    [bar(3, true), bar(5, true, 1), bar(5, true), []],
    [bar(3, false), bar(2, false), bar(3, true), [bar(3, true)]],
  ] as const) {
    const { symbol, interval, timestamp } = said
    const mark = { kind: 'bar', symbol, interval, timestamp, nanos: 0 } as const
    const hole = newHole({ ...mark, since: timestamp, lostAt: 0 }, false, true)
    hole.bars.set(identityOf(said), said)
    for (let i = 0; i < 2; i++) {
      knows(hole, delivered)
      breakAgain(hole, true, 0)
    }
    const known = new Delivered()
    known.cover(hole.given)
    assert.deepEqual(known.missing([answer], new Map()), missed)
  }
})
