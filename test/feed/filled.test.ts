import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Filled } from '../../src/feed/filled.ts'
import { type Hole, keyOfHole } from '../../src/feed/hole.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'

const T0 = 1_700_000_000_000
const hole = { kind: 'trade', symbol: 'SPY', interval: undefined, resumedAt: T0 } as Hole
const trade = (id: number): MarketEvent =>
  createEvent({
    ...{ type: 'trade', source: 's', symbol: 'SPY', price: 1, size: 1, exchange: 'V' },
    ...{ id, timestamp: T0 },
  })
const bar = (close: number, vwap?: number): MarketEvent =>
  createEvent({
    ...{ type: 'bar', source: 's', symbol: 'SPY', interval: '1m', timestamp: T0 },
    ...{ open: 1, high: 9, low: 1, close, volume: 1, vwap, final: true, revision: 0 },
  })

test('each is found once, for thirty seconds, however often the topic is filled in again', async () => {
  const clock = handClock(T0)
  const filled = new Filled(clock, 60_000)
  const take = (event: MarketEvent) => filled.take(keyOfHole(hole), event)
  filled.remember(hole, [trade(1), trade(2)])
  await clock.advance(20_000)
  filled.remember(hole, [trade(3)])
  assert.deepEqual([take(trade(1)), take(trade(1))], [true, false])
  await clock.advance(20_000)
  filled.remember(hole, [trade(4)])
  assert.deepEqual(
    [3, 4, 4].map(id => take(trade(id))),
    [true, true, false],
  )
  await clock.advance(20_000)
  filled.remember(hole, [trade(5)])
  assert.equal(take(trade(2)), false, 'a minute old: it was not on its way')
  await clock.advance(30_010)
  assert.deepEqual([take(trade(5)), filled.isEmpty], [false, true])
  filled.close()
})

test('of a bar that was filled in twice the stream repeats the latest', async () => {
  const clock = handClock(T0)
  for (const [says, isKnown] of [
    [3, true],
    [2, false],
  ] as const) {
    const filled = new Filled(clock, 60_000)
    filled.remember(hole, [bar(2)])
    await clock.advance(30_000)
    filled.remember(hole, [bar(3)])
    assert.equal(filled.take(keyOfHole(hole), bar(says)), isKnown)
    assert.equal(filled.take(keyOfHole(hole), bar(2)), false, 'what it says behind that counts')
    filled.close()
  }
})

test('a bar of the stream that has another average price is not the one that was filled in', () => {
  for (const [says, isKnown] of [
    [2.5, true],
    [2.25, false],
  ] as const) {
    const filled = new Filled(handClock(T0), 60_000)
    filled.remember(hole, [bar(3, 2.5)])
    assert.equal(filled.take(keyOfHole(hole), bar(3, says)), isKnown)
    filled.close()
  }
})
