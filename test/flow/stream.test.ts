import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import type { DeliveryOptions } from '../../src/flow/queue.ts'
import { StreamReader } from '../../src/flow/stream.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'

const quote = (timestamp: number) => createEvent({ type: 'quote', symbol: 'A', timestamp, bid: 1 })

function setUp(delivery: DeliveryOptions = {}) {
  const clock = handClock(0)
  let ended = 0
  const notices: MarketEvent[] = []
  const stream = new StreamReader<MarketEvent>(delivery, {
    name: 'quotes(A)',
    clock,
    notify: notice => notices.push(notice),
    told: () => {},
    closed: () => ended++,
  })
  return { clock, stream, notices, ended: () => ended }
}

test('a loop gets every event in order and ends with the stream', async () => {
  const { stream, clock } = setUp()
  const seen: number[] = []
  const loop = (async () => {
    for await (const event of stream) seen.push(event.timestamp)
  })()
  for (let t = 1; t <= 3; t++) stream.accept(quote(t), t)
  await clock.advance(1)
  for (let t = 4; t <= 6; t++) stream.accept(quote(t), t)
  stream.end()
  await loop
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6])
})

test('batches hold all that arrived in one turn', async () => {
  const { stream } = setUp()
  const batches = stream.batches()
  const first = batches.next()
  for (let t = 1; t <= 100; t++) stream.accept(quote(t), t)
  assert.equal((await first).value?.length, 100)
  stream.close()
})

test('a stream nobody feeds ends when it is closed while the loop waits', async () => {
  const { stream, ended } = setUp()
  const next = stream[Symbol.asyncIterator]().next()
  stream.close()
  stream.close()
  assert.deepEqual(await next, { done: true, value: undefined })
  assert.equal(ended(), 1)
})

test('breaking out of the loop closes the stream', async () => {
  const { stream, ended } = setUp()
  stream.accept(quote(1), 1)
  for await (const _ of stream) break
  assert.equal(ended(), 1)
  stream.accept(quote(2), 2)
  assert.equal(stream.counters.in, 1)
})

test('a fatal end is thrown from the loop, after what had arrived', async () => {
  const { stream } = setUp()
  stream.accept(quote(1), 1)
  stream.end(new TickwireError('AUTH_FAILED', 'no'))
  const seen: number[] = []
  await assert.rejects(
    async () => {
      for await (const event of stream) seen.push(event.timestamp)
    },
    { code: 'AUTH_FAILED' },
  )
  assert.deepEqual(seen, [1])
})

test('a second loop over one stream is refused rather than given a share of its events', () => {
  const { stream } = setUp()
  stream[Symbol.asyncIterator]()
  assert.throws(() => stream.batches(), { code: 'BAD_OPTION' })
})

test('what a loop has not taken yet counts as queued, and its bounds hold', async () => {
  const { stream } = setUp({ maxItems: 5 })
  for (let t = 1; t <= 20; t++) stream.accept(quote(t), t)
  const steps = stream[Symbol.asyncIterator]()
  assert.equal((await steps.next()).value?.timestamp, 16)
  const { delivered, queued, dropped } = stream.counters
  assert.deepEqual([delivered, queued, dropped], [1, 4, 15])
})

test('a loop that lets events wait for a second is named once', async () => {
  const { stream, notices, clock } = setUp()
  const start = clock.now()
  for (let ms = 0; ms < 3_000; ms += 100) stream.accept(quote(ms), start + ms)
  assert.deepEqual(
    notices.map(e => e.type === 'notice' && [e.notice, e.code]),
    [['lagging', 'quotes(A)']],
  )
})

test('with holdMs a waiting loop gets the latest once the hold is over', async () => {
  const { stream, clock } = setUp({ policy: 'conflate', holdMs: 100 })
  const next = stream.batches().next()
  stream.accept(quote(1), clock.now())
  await clock.advance(60)
  stream.accept(quote(2), clock.now())
  let settled = false
  void next.then(() => {
    settled = true
  })
  await clock.advance(30)
  assert.equal(settled, false)
  await clock.advance(20)
  assert.deepEqual(
    ((await next).value as MarketEvent[]).map(event => event.timestamp),
    [2],
  )
  stream.close()
})
