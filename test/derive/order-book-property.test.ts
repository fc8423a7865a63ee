import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../src/base/random.ts'
import { OrderBook } from '../../src/derive/order-book.ts'
import type { Level } from '../../src/market/events.ts'
import { NaiveBook, update } from './book-kit.ts'

/** Few prices, so that levels meet; most sizes are sound, some remove, very few cannot be. */
const levels = (least: number, most: number, maxLength: number): fc.Arbitrary<Level[]> =>
  fc.array(
    fc.tuple(
      fc.integer({ min: least, max: most }).map(ticks => ticks / 4),
      fc.oneof(
        { weight: 400, arbitrary: fc.constantFrom(0, -0) },
        { weight: 800, arbitrary: fc.integer({ min: 1, max: 9 }) },
        { weight: 1, arbitrary: fc.constantFrom(-1, Number.NaN, Number.POSITIVE_INFINITY) },
      ),
    ),
    { maxLength },
  )

const parts = fc.oneof(
  // Apart from each other, so that the book lives for a while.
  {
    weight: 20,
    arbitrary: fc.record({
      bids: levels(-20, 199, 12),
      asks: levels(200, 420, 12),
      snapshot: fc.constant(false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      bids: levels(190, 205, 3),
      asks: levels(195, 210, 3),
      snapshot: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      bids: levels(-20, 199, 150),
      asks: levels(200, 420, 150),
      snapshot: fc.constant(true),
    }),
  },
)

test('a book is what maps sorted anew for every question say it is, after every update', () => {
  fc.assert(
    fc.property(fc.array(parts, { minLength: 1, maxLength: 60 }), updates => {
      const book = new OrderBook('BTC/USD', 's')
      const naive = new NaiveBook()
      const top = new Float64Array(20)
      for (const fields of updates) {
        const event = update(fields)
        assert.equal(book.apply(event), book.synced)
        naive.apply(event)
        assert.equal(book.synced, naive.synced)
        const [bids, asks] = [naive.sorted('bids'), naive.sorted('asks')]
        assert.deepEqual(book.bids(), bids)
        assert.deepEqual(book.asks(), asks)
        const count = book.readBids(top, 10)
        assert.deepEqual([...top.subarray(0, 2 * count)], bids.slice(0, 10).flat())
        assert.deepEqual([book.bestBid, book.bestAsk], [bids[0], asks[0]])
        const sum = (side: readonly Level[]) =>
          side.slice(0, 3).reduce((all, [, size]) => all + size, 0)
        const both = sum(bids) + sum(asks)
        const share = both > 0 ? (sum(bids) - sum(asks)) / both : undefined
        assert.equal(book.imbalance(3), share)
      }
    }),
    { numRuns: 400 },
  )
})

test('what it costs is what taking unit after unit costs', () => {
  const side = fc.uniqueArray(
    fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5 })),
    {
      selector: ([price]) => price,
      maxLength: 12,
    },
  )
  fc.assert(
    fc.property(
      side,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 61 }),
      (asks, size, price) => {
        const book = new OrderBook('BTC/USD', 's')
        book.apply(update({ asks, snapshot: true }))
        const units = [...asks]
          .sort(([a], [b]) => a - b)
          .flatMap(([at, count]) => Array<number>(count).fill(at))
        const taken = units.slice(0, size)
        const notional = taken.reduce((sum, at) => sum + at, 0)
        assert.deepEqual(book.costOf('buy', size), {
          ...{ filled: taken.length, missing: size - taken.length, notional },
          averagePrice: taken.length > 0 ? notional / taken.length : undefined,
          worstPrice: taken.at(-1),
        })
        const better = units.filter(at => at < price)
        assert.deepEqual(book.costToMove('buy', price), {
          size: better.length,
          notional: better.reduce((sum, at) => sum + at, 0),
          isComplete: units.length > better.length,
        })
      },
    ),
  )
})

test('a deep book that drifts through 100,000 updates has not one level other than it should', () => {
  const random = seededRandom(7)
  const book = new OrderBook('BTC/USD', 's')
  const naive = new NaiveBook()
  let middle = 1_000_000
  const ladder = (direction: 1 | -1) =>
    Array.from({ length: 1_500 }, (_, i): Level => [middle + direction * (1 + 2 * i), 1 + i])
  const first = update({ bids: ladder(-1), asks: ladder(1), snapshot: true })
  book.apply(first)
  naive.apply(first)
  for (let i = 0; i < 100_000; i++) {
    middle += Math.floor(random() * 3) - 1
    const near = () => 1 + Math.floor(random() ** 3 * 3_000)
    const size = random() < 0.4 ? 0 : Math.ceil(random() * 100)
    // A side that comes nearer takes away what it meets.
    const price = middle + (random() < 0.5 ? near() : -near())
    const [own, other] = price < middle ? (['bids', 'asks'] as const) : (['asks', 'bids'] as const)
    const met = book[other](200).filter(([at]) => (own === 'bids' ? at <= price : at >= price))
    const event = update({ [own]: [[price, size]], [other]: met.map(([at]): Level => [at, 0]) })
    book.apply(event)
    for (const [at, amount] of event[own])
      amount === 0 ? naive[own].delete(at) : naive[own].set(at, amount)
    for (const [at] of event[other]) naive[other].delete(at)
    if (i % 5_000 === 0) {
      assert.ok(book.synced || book.unsynced?.reason === 'crossed')
      if (!book.synced) break
      assert.deepEqual([book.bids(), book.asks()], [naive.sorted('bids'), naive.sorted('asks')])
    }
  }
  assert.ok(book.synced, book.unsynced?.message)
  assert.ok(book.bidCount > 300 && book.askCount > 300, `${book.bidCount} ${book.askCount}`)
  assert.deepEqual([book.bids(), book.asks()], [naive.sorted('bids'), naive.sorted('asks')])
})
