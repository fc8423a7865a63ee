import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '../../src/base/clock.ts'
import type { TickwireError } from '../../src/base/errors.ts'
import { HandlerReader } from '../../src/flow/handler.ts'
import type { DeliveryOptions } from '../../src/flow/queue.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'

const trade = (timestamp: number) =>
  createEvent({ type: 'trade', symbol: 'SPY', timestamp, price: 1, size: 1 })

function setUp(handler: (event: MarketEvent) => unknown, delivery: DeliveryOptions = {}) {
  const clock = handClock()
  const notices: MarketEvent[] = []
  const failures: { error: TickwireError; event: MarketEvent }[] = []
  const reader = new HandlerReader('slow one', handler, delivery, {
    clock,
    notify: notice => notices.push(notice),
    failed: (error, event) => failures.push({ error, event }),
  })
  return { clock, notices, failures, reader }
}

test('the defaults carry 10,000 events/s for 5 s and 1,000 after to a handler that manages 3,000', async () => {
  let handled = 0
  let last = 0
  const each = async (event: MarketEvent) => {
    // 3 events a millisecond, on the turned clock.
    if (++handled % 3 === 0) await sleep(clock, 1)
    assert.ok(event.timestamp >= last)
    last = event.timestamp
  }
  const { clock, notices, reader } = setUp(event => each(event))
  const start = clock.now()
  for (let ms = 0; ms < 30_000; ms++) {
    const rate = ms < 5_000 ? 10 : 1
    for (let i = 0; i < rate; i++) reader.accept(trade(ms), clock.now())
    await clock.advance(1)
  }
  assert.equal(clock.now() - start, 30_000)
  await clock.advance(1_000)
  const { in: incoming, delivered, dropped, queued } = reader.counters
  assert.deepEqual([incoming, delivered, dropped, queued], [75_000, 75_000, 0, 0])
  assert.equal(handled, 75_000)
  assert.equal(notices.length, 1)
})

test('a handler slow for a second raises one lagging notice that names it', async () => {
  const { clock, notices, reader } = setUp(() => sleep(clock, 400))
  for (let i = 0; i < 10; i++) reader.accept(trade(i), clock.now())
  await clock.advance(10_000)
  assert.equal(notices.length, 1)
  const [notice] = notices
  assert.ok(notice?.type === 'notice')
  assert.deepEqual([notice.notice, notice.code, notice.seq], ['lagging', 'slow one', undefined])
  assert.match(notice.message, /slow one/)
})

test('a second spell of lagging is told again', async () => {
  const { clock, notices, reader } = setUp(() => sleep(clock, 1_500))
  reader.accept(trade(1), clock.now())
  await clock.advance(5_000)
  reader.accept(trade(2), clock.now())
  await clock.advance(5_000)
  assert.equal(notices.length, 2)
})

test('a handler that blocks the process for a second is named too', () => {
  const { clock, notices, reader } = setUp(() => clock.turn(1_200))
  reader.accept(trade(1), clock.now())
  assert.match(
    (notices[0] as { message: string }).message,
    /slow one held up the process for 1200 ms/,
  )
})

test('a quick handler raises no notice', async () => {
  const { clock, notices, reader } = setUp(() => sleep(clock, 5))
  for (let i = 0; i < 500; i++) {
    reader.accept(trade(i), clock.now())
    await clock.advance(10)
  }
  assert.deepEqual(notices, [])
})

test('what a handler throws or rejects with is reported with its event, and the next event comes', async () => {
  const seen: number[] = []
  const { failures, reader, clock } = setUp(event => {
    seen.push(event.timestamp)
    if (event.timestamp === 1) throw new Error('boom')
    if (event.timestamp === 2) return Promise.reject(new Error('later'))
  })
  for (const t of [1, 2, 3]) reader.accept(trade(t), clock.now())
  await clock.advance(1)
  assert.deepEqual(seen, [1, 2, 3])
  assert.deepEqual(
    failures.map(({ error, event }) => [
      error.code,
      event.timestamp,
      (error.cause as Error).message,
    ]),
    [
      ['HANDLER_FAILED', 1, 'boom'],
      ['HANDLER_FAILED', 2, 'later'],
    ],
  )
  assert.equal(reader.counters.failures, 2)
})

test('an async handler gets one event at a time, in order', async () => {
  let running = 0
  const order: number[] = []
  const each = async (event: MarketEvent) => {
    assert.equal(++running, 1)
    await sleep(clock, 10)
    order.push(event.timestamp)
    running--
  }
  const { clock, reader } = setUp(event => each(event))
  for (let t = 1; t <= 5; t++) reader.accept(trade(t), clock.now())
  await clock.advance(100)
  assert.deepEqual(order, [1, 2, 3, 4, 5])
})

test('closing stops the calls and leaves no timer', async () => {
  const seen: number[] = []
  const { clock, reader } = setUp(event => {
    seen.push(event.timestamp)
    return sleep(clock, 10)
  })
  for (let t = 1; t <= 5; t++) reader.accept(trade(t), clock.now())
  reader.close()
  await clock.advance(5_000)
  assert.deepEqual(seen, [1])
  assert.equal(clock.pending(), 0)
})

test('the policy close ends the handler with a reason', async () => {
  const { clock, failures, reader } = setUp(() => sleep(clock, 1_000), {
    policy: 'close',
    maxItems: 2,
  })
  for (let t = 1; t <= 5; t++) reader.accept(trade(t), clock.now())
  assert.deepEqual(
    failures.map(({ error }) => error.code),
    ['READER_TOO_SLOW'],
  )
})

test('with holdMs a handler gets the latest once the hold is over, and the loop stays free', async () => {
  const seen: number[] = []
  const { clock, reader } = setUp(event => seen.push(event.timestamp), {
    policy: 'conflate',
    holdMs: 700,
    conflateTrades: true,
  })
  for (let t = 1; t <= 5; t++) {
    reader.accept(trade(t), clock.now())
    await clock.advance(100)
  }
  assert.deepEqual(seen, [])
  await clock.advance(300)
  assert.deepEqual(seen, [5])
  assert.equal(clock.pending(), 0)
})

test('what the engine tells a handler while it works is told after, never within', async () => {
  let running = 0
  let most = 0
  const each = async (event: MarketEvent) => {
    most = Math.max(most, ++running)
    await sleep(clock, event.type === 'notice' ? 1 : 50)
    running--
  }
  const { clock, reader, notices } = setUp(event => each(event), { maxItems: 5 })
  // As a handler of all kinds: the notices about it come to itself.
  const original = notices.push.bind(notices)
  notices.push = notice => {
    reader.accept(notice, clock.now())
    return original(notice)
  }
  for (let t = 1; t <= 100; t++) {
    reader.accept(trade(t), clock.now())
    await clock.advance(10)
  }
  await clock.advance(10_000)
  assert.ok(notices.length > 0)
  assert.equal(most, 1)
})

test('a handler that never returns is named, and what it makes us drop is told', async () => {
  const { clock, reader, notices } = setUp(() => new Promise(() => {}), { maxItems: 5 })
  for (let t = 1; t <= 100; t++) reader.accept(trade(t), clock.now())
  await clock.advance(2_000)
  const names = notices.map(event => event.type === 'notice' && event.notice)
  assert.deepEqual(names, ['lagging', 'dropped'])
})
