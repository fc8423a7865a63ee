import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DeliveryQueue, type Policy } from '../../src/flow/queue.ts'
import { createEvent, Flag, hasFlag, type MarketEvent } from '../../src/market/events.ts'

const quote = (symbol: string, timestamp: number, bid = timestamp, flags = 0) =>
  createEvent({ type: 'quote', symbol, timestamp, bid, flags })
const trade = (symbol: string, timestamp: number) =>
  createEvent({ type: 'trade', symbol, timestamp, price: 1, size: 1 })
const status = (symbol: string, timestamp: number) =>
  createEvent({ type: 'status', symbol, timestamp, statusCode: 'H' })
const book = (symbol: string, timestamp: number, snapshot: boolean) =>
  createEvent({ type: 'book', symbol, timestamp, bids: [[1, 1]], asks: [], snapshot })

const kinds: ((symbol: string, timestamp: number) => MarketEvent)[] = [
  trade,
  (s, t) => quote(s, t),
  status,
  (s, t) => book(s, t, t % 5 === 0),
  (s, t) => createEvent({ type: 'ticker', symbol: s, timestamp: t, last: t }),
  (s, t) =>
    createEvent({
      ...{ type: 'bar', symbol: s, timestamp: t - (t % 60), interval: '1m' },
      ...{ open: 1, high: 1, low: 1, close: 1, volume: 1, final: false, revision: 0 },
    }),
]

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.nat(kinds.length - 1),
      symbol: fc.constantFrom('A', 'B', 'C'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.nat(200) }) },
)

for (const seed of [1, 2, 3, 4]) {
  test(`in = delivered + conflated + dropped + queued, within all bounds (seed ${seed})`, () =>
    checkInvariant(seed))
}

function checkInvariant(seed: number): void {
  const policies = fc.constantFrom<Policy>('drop-oldest', 'conflate', 'close', 'block')
  fc.assert(
    fc.property(
      policies,
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      fc.nat(50),
      fc.array(step, { maxLength: 200, size: 'max' }),
      (policy, maxItems, conflateTrades, holdMs, steps) => {
        const queue = new DeliveryQueue({ policy, maxItems, maxLagMs: 500, conflateTrades, holdMs })
        let now = 1_000
        let [pushed, taken] = [0, 0]
        for (const action of steps) {
          if ('wait' in action) now += action.wait
          else if ('take' in action) {
            const batch = queue.take(now, action.take)
            assert.ok(batch.length <= action.take)
            taken += batch.filter(event => event.type !== 'notice').length
          } else if (policy !== 'block' || !queue.room()) {
            queue.push(kinds[action.kind]!(action.symbol, now), now)
            pushed++
          }
          const { in: incoming, delivered, conflated, dropped, queued } = queue.counters
          assert.equal(incoming, pushed)
          assert.equal(delivered, taken)
          assert.equal(incoming, delivered + conflated + dropped + queued)
          assert.equal(queued, queue.size)
          assert.ok(queued <= maxItems, `${queued} of ${maxItems}`)
        }
        taken += queue
          .take(now, Number.POSITIVE_INFINITY, true)
          .filter(e => e.type !== 'notice').length
        assert.equal(queue.counters.delivered, taken)
        assert.equal(queue.size, 0)
      },
    ),
    { numRuns: 300, seed },
  )
}

test('a reader that never comes costs no more memory than its bound', () => {
  const queue = new DeliveryQueue({ maxItems: 10 })
  const event = trade('A', 1)
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 3_000_000; i++) queue.push(event, 1)
  assert.ok(process.memoryUsage().heapUsed - before < 16 * 2 ** 20, 'the queue grows')
  assert.equal(queue.size, 10)
})

test('a reader that never comes and merges costs no more either, and stays right', () => {
  const queue = new DeliveryQueue({ policy: 'conflate', maxItems: 2 })
  for (const symbol of ['SPY', 'TSLA', 'AAPL', 'SPY']) queue.push(quote(symbol, 1), 1)
  assert.deepEqual(
    queue.take(1).map(e => e.symbol),
    [undefined, 'AAPL', 'SPY'],
  )
})

test('options that mean nothing are refused, absent ones are the defaults', () => {
  for (const options of [
    { policy: 'nonsense' as Policy },
    { holdMs: -1 },
    { maxBytes: Number.NaN },
  ]) {
    assert.throws(() => new DeliveryQueue(options), { code: 'BAD_OPTION' })
  }
  assert.equal(new DeliveryQueue({ maxItems: undefined } as object).size, 0)
})

describe('drop-oldest', () => {
  test('loses the oldest data and says how much and from when to when', () => {
    const queue = new DeliveryQueue({ maxItems: 3 })
    for (let t = 1; t <= 5; t++) queue.push(trade('A', t), t)
    const [notice, ...rest] = queue.take(5)
    assert.equal(notice?.type, 'notice')
    assert.deepEqual(
      notice.type === 'notice' && [notice.notice, notice.count, notice.from, notice.to],
      ['dropped', 2, 1, 2],
    )
    assert.deepEqual(
      rest.map(event => event.timestamp),
      [3, 4, 5],
    )
  })

  test('gives up status and corrections last', () => {
    const queue = new DeliveryQueue({ maxItems: 2 })
    queue.push(status('A', 1), 1)
    for (let t = 2; t <= 6; t++) queue.push(trade('A', t), t)
    const types = queue.take(6).map(event => `${event.type} ${event.timestamp}`)
    assert.deepEqual(types.slice(1), ['status 1', 'trade 6'])
  })

  test('drops what has waited longer than maxLagMs', () => {
    const queue = new DeliveryQueue({ maxLagMs: 100 })
    queue.push(trade('A', 1), 1)
    queue.push(trade('A', 90), 90)
    assert.deepEqual(
      queue.take(150).map(e => e.type),
      ['notice', 'trade'],
    )
  })

  test('never hands on a book with a hole: the rest of that book waits for a snapshot', () => {
    const queue = new DeliveryQueue({ maxItems: 3 })
    queue.push(book('A', 1, true), 1)
    queue.push(book('A', 2, false), 2)
    queue.push(trade('B', 3), 3)
    queue.push(trade('B', 4), 4) // over the bound: the snapshot of A goes, and its delta with it
    queue.push(book('A', 5, false), 5)
    queue.push(book('A', 6, true), 6)
    queue.push(book('A', 7, false), 7)
    const seen = queue.take(7).filter(event => event.type === 'book')
    assert.deepEqual(
      seen.map(event => [event.timestamp, event.snapshot]),
      [
        [6, true],
        [7, false],
      ],
    )
    assert.equal(queue.counters.dropped, 4)
  })

  test('asks for a whole book where one can be had', () => {
    const whole = book('A', 9, true)
    const queue = new DeliveryQueue({ maxItems: 1 }, { snapshot: () => whole })
    queue.push(book('A', 1, true), 1)
    queue.push(trade('B', 2), 2)
    queue.push(book('A', 3, false), 3)
    assert.deepEqual(
      queue.take(3).filter(e => e.type !== 'notice'),
      [whole],
    )
  })
})

describe('conflate', () => {
  const conflating = (more = {}) => new DeliveryQueue({ policy: 'conflate', ...more })

  test('bars of one millisecond that differ in nanoseconds are bars of their own', () => {
    const queue = conflating()
    for (let nanos = 0; nanos < 5; nanos++) {
      const event = createEvent({
        ...{ type: 'bar', symbol: 'A', timestamp: 60, nanos, interval: '2t' },
        ...{ open: 1, high: 1, low: 1, close: 1, volume: 1, final: true, revision: 0 },
      })
      queue.push(event, 100)
    }
    assert.equal(queue.take(100).length, 5)
  })

  test('keeps the latest of each symbol and marks it', () => {
    const queue = conflating()
    for (let t = 1; t <= 3; t++) for (const symbol of ['A', 'B']) queue.push(quote(symbol, t), t)
    const [a, b, ...none] = queue.take(3)
    assert.deepEqual([a?.timestamp, b?.timestamp, none.length], [3, 3, 0])
    assert.ok(a && hasFlag(a, 'conflated'))
    assert.equal(queue.counters.conflated, 4)
  })

  test('an event that stands only for itself is not marked, and is the same object', () => {
    const queue = conflating()
    const event = quote('A', 1)
    queue.push(event, 1)
    assert.equal(queue.take(1)[0], event)
  })

  test('moves only forward in venue time; what was repaired or late never replaces', () => {
    const queue = conflating()
    queue.push(quote('A', 10), 10)
    queue.push(quote('A', 9), 11)
    queue.push(quote('A', 12, 12, Flag.late), 12)
    queue.push(quote('A', 13, 13, Flag.repaired), 13)
    const [event] = queue.take(13)
    assert.equal(event?.timestamp, 10)
  })

  test('trades are merged only when asked, status and cancels never', () => {
    const plain = conflating()
    const asked = conflating({ conflateTrades: true })
    for (const queue of [plain, asked]) {
      for (let t = 1; t <= 3; t++) queue.push(trade('A', t), t)
      for (let t = 4; t <= 5; t++) queue.push(status('A', t), t)
    }
    assert.equal(plain.take(5).length, 5)
    assert.deepEqual(
      asked.take(5).map(e => e.type),
      ['trade', 'status', 'status'],
    )
  })

  test('does not move a quote across a halt', () => {
    const queue = conflating()
    queue.push(quote('A', 1), 1)
    queue.push(quote('A', 2), 2)
    queue.push(status('A', 3), 3)
    queue.push(quote('A', 4), 4)
    const seen = queue.take(4)
    assert.deepEqual(
      seen.map(e => [e.type, e.timestamp]),
      [
        ['quote', 2],
        ['status', 3],
        ['quote', 4],
      ],
    )
    assert.ok(hasFlag(seen[0]!, 'conflated'))
    assert.ok(!hasFlag(seen[2]!, 'conflated'))
  })

  test('holds events for holdMs and then delivers the latest', () => {
    const queue = conflating({ holdMs: 100 })
    queue.push(quote('A', 1), 1)
    queue.push(quote('A', 50), 50)
    assert.deepEqual(queue.take(60), [])
    assert.equal(queue.readyAt, 101)
    assert.deepEqual(
      queue.take(101).map(e => e.timestamp),
      [50],
    )
  })

  test('bars of different minutes are different things', () => {
    const bar = (timestamp: number) =>
      createEvent({
        ...{ type: 'bar', symbol: 'A', timestamp, interval: '1m', final: true, revision: 0 },
        ...{ open: 1, high: 1, low: 1, close: 1, volume: 1 },
      })
    const queue = conflating()
    queue.push(bar(0), 1)
    queue.push(bar(60_000), 2)
    assert.equal(queue.take(2).length, 2)
  })
})

test('close ends the reader with a code and takes nothing more', () => {
  const queue = new DeliveryQueue({ policy: 'close', maxItems: 2 })
  for (let t = 1; t <= 3; t++) queue.push(trade('A', t), t)
  assert.equal(queue.closed?.code, 'READER_TOO_SLOW')
  queue.push(trade('A', 4), 4)
  assert.deepEqual(queue.take(4), [])
  assert.deepEqual(queue.counters, { in: 4, delivered: 0, conflated: 0, dropped: 4, queued: 0 })
})

test('block drops nothing, and says when there is room again', async () => {
  const queue = new DeliveryQueue({ policy: 'block', maxItems: 2 })
  queue.push(trade('A', 1), 1)
  assert.equal(queue.room(), undefined)
  queue.push(trade('A', 2), 2)
  queue.push(trade('A', 3), 3)
  let resumed = 0
  for (const room of [queue.room(), queue.room()]) void room!.then(() => resumed++)
  queue.take(2, 1)
  await Promise.resolve()
  assert.equal(resumed, 0, 'two wait still')
  queue.take(2, 1)
  await Promise.resolve()
  assert.equal(resumed, 2)
  assert.equal(queue.room(), undefined)
  assert.equal(queue.counters.dropped, 0)
})

test('giving up what waits lets a blocked producer go on', async () => {
  const queue = new DeliveryQueue({ policy: 'block', maxItems: 1 })
  queue.push(trade('A', 1), 1)
  const room = queue.room()
  queue.clear()
  await room
})

test('a bound of 0 is refused', () => {
  assert.throws(() => new DeliveryQueue({ maxItems: 0 }), { code: 'BAD_OPTION' })
})
