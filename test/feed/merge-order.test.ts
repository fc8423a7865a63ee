import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TimeOrder } from '../../src/feed/merge-order.ts'
import { createEvent, hasFlag, type MarketEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'

const print = (timestamp: number, nanos = 0, symbol = 'A') =>
  createEvent({ type: 'trade', symbol, timestamp, nanos, price: 1, size: 1 })

function ordered(windowMs: number) {
  const clock = handClock()
  const gone: MarketEvent[] = []
  const order = new TimeOrder(windowMs, clock, batch => gone.push(...batch))
  return { clock, gone, order }
}

test('no more than 100,000 wait: the oldest go before their time', () => {
  const { clock, gone, order } = ordered(1_000)
  for (let i = 0; i < 100_003; i++) order.take(print(i, 0, i % 2 === 0 ? 'A' : 'B'))
  assert.deepEqual(
    gone.map(({ timestamp }) => timestamp),
    [0, 1, 2],
  )
  assert.equal(order.size, 100_000)
  clock.turn(1_000)
  assert.deepEqual([gone.length, order.size, clock.pending()], [100_003, 0, 0])
})

test('nanoseconds decide; what is equal keeps its order; symbols do not wait for each other', () => {
  const { clock, gone, order } = ordered(10)
  const [late, first, second, other] = [print(5, 2), print(5, 1), print(5, 1), print(1, 0, 'B')]
  order.take(late)
  clock.turn(5)
  for (const event of [first, second, other]) order.take(event)
  clock.turn(5)
  assert.deepEqual(gone, [first, second, late])
  clock.turn(5)
  assert.equal(gone[3], other)
  assert.ok(gone.every(event => !hasFlag(event, 'late')))
  const behind = print(5, 1)
  assert.equal(order.take(behind), 'late')
  assert.ok(hasFlag(behind, 'late'))
})
