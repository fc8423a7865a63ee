import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Level } from '../../../src/market/events.ts'
import { RowBook } from '../../../src/providers/ibkr/rows.ts'
import { rowSteps } from '../../../src/testing/fake-tws-rows.ts'

const row = (price: number, size: number, maker = '') => ({ maker, price, size })
const BIDS = 1
const ASKS = 0

/** The naive book: a reader who applies levels by price. */
class Reader {
  readonly bids = new Map<number, number>()
  readonly asks = new Map<number, number>()

  apply(book: RowBook): void {
    const change = book.take()
    if (!change) return
    for (const side of ['bids', 'asks'] as const) {
      if (change.snapshot) this[side].clear()
      for (const [price, size] of change[side]) {
        if (size === 0) this[side].delete(price)
        else this[side].set(price, size)
      }
    }
  }

  side(side: 'bids' | 'asks'): Level[] {
    return [...this[side]].sort(([a], [b]) => (side === 'bids' ? b - a : a - b))
  }
}

test('a row put in at the top moves the others down, one taken out in the middle moves them up', () => {
  const book = new RowBook(10)
  const reader = new Reader()
  for (const [i, price] of [100, 99, 98].entries()) book.apply(BIDS, 0, i, row(price, 1))
  reader.apply(book)
  book.apply(BIDS, 0, 0, row(101, 1))
  book.apply(BIDS, 2, 1, row(0, 0))
  reader.apply(book)
  assert.deepEqual(
    reader.side('bids').map(([price]) => price),
    [101, 99, 98],
  )
})

test('rows of one price and several makers are one level', () => {
  const book = new RowBook(10)
  const reader = new Reader()
  book.apply(BIDS, 0, 0, row(100, 3, 'NSDQ'))
  book.apply(BIDS, 0, 1, row(100, 4, 'ARCA'))
  reader.apply(book)
  assert.deepEqual(reader.side('bids'), [[100, 7]])
  book.apply(BIDS, 2, 0, row(0, 0))
  reader.apply(book)
  assert.deepEqual(reader.side('bids'), [[100, 4]])
})

test('there are no more rows than were asked for, whatever put the last there', () => {
  const book = new RowBook(2)
  const reader = new Reader()
  for (const [i, price] of [100, 99].entries()) book.apply(BIDS, 0, i, row(price, 1))
  assert.equal(book.apply(BIDS, 1, 2, row(98, 1)), undefined)
  reader.apply(book)
  assert.deepEqual(
    reader.side('bids').map(([price]) => price),
    [100, 99],
  )
})

test('what cannot follow on the rows there are is a fault', () => {
  const book = new RowBook(3)
  assert.equal(book.apply(BIDS, 0, 0, row(100, 1)), undefined)
  assert.match(book.apply(BIDS, 0, 2, row(99, 1))!, /row 2 of 1 of the bids/)
  assert.match(book.apply(BIDS, 0, -1, row(99, 1))!, /row -1/)
  assert.match(book.apply(7, 0, 0, row(99, 1))!, /a side 7/)
  assert.match(book.apply(ASKS, 5, 0, row(99, 1))!, /an operation 5/)
  assert.match(book.apply(ASKS, 0, 0, { maker: '', price: 1, size: undefined })!, /a size/)
  assert.match(book.apply(ASKS, 0, 0, row(1, Number.NaN))!, /a size/)
})

test('prices out of order and a bid that reaches the ask are seen', () => {
  const book = new RowBook(5)
  book.apply(BIDS, 0, 0, row(100, 1))
  book.apply(ASKS, 0, 0, row(101, 1))
  assert.equal(book.fault, undefined)
  book.apply(BIDS, 1, 0, row(101, 1))
  assert.match(book.fault!, /101 is not below the best ask 101/)
  book.apply(ASKS, 1, 0, row(102, 1))
  assert.equal(book.fault, undefined)
  book.apply(BIDS, 0, 1, row(103, 1))
  assert.match(book.fault!, /bids are out of order/)
  book.apply(BIDS, 2, 1, row(0, 0))
  book.apply(ASKS, 0, 1, row(101.5, 1))
  assert.match(book.fault!, /asks are out of order/)
})

const side = fc.uniqueArray(
  fc.record({ price: fc.integer({ min: 1, max: 60 }), size: fc.integer({ min: 1, max: 9 }) }),
  { maxLength: 14, selector: ({ price }) => price },
)

test('whatever a market does, in the middle of a book or at its ends, the rows give the book there is', () => {
  fc.assert(
    fc.property(
      fc.array(side, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 10 }),
      (books, most) => {
        for (const name of ['bids', 'asks'] as const) {
          const book = new RowBook(most)
          const reader = new Reader()
          let before: Level[] = []
          for (const levels of books) {
            const after = levels
              .map(({ price, size }) => [price, size] as const)
              .sort(([a], [b]) => (name === 'bids' ? b - a : a - b))
            for (const [position, operation, price, size] of rowSteps(before, after, name, most)) {
              const number = name === 'bids' ? BIDS : ASKS
              assert.equal(book.apply(number, operation, position, row(price, size)), undefined)
            }
            before = after.slice(0, most)
            reader.apply(book)
            assert.deepEqual(reader.side(name), before)
          }
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('any steps give the rows that arrays spliced by hand give', () => {
  const step = fc.record({
    operation: fc.constantFrom(0, 1, 2),
    position: fc.nat(11),
    price: fc.integer({ min: 1, max: 50 }),
    size: fc.nat(5),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), steps => {
      const most = 6
      const book = new RowBook(most)
      const reader = new Reader()
      let rows: [number, number][] = []
      for (const { operation, position, price, size } of steps) {
        const fault = book.apply(BIDS, operation, position, row(price, size))
        assert.equal(fault !== undefined, position > rows.length)
        if (fault !== undefined) continue
        const [head, tail] = [rows.slice(0, position), rows.slice(position)]
        if (operation === 0) rows = [...head, [price, size], ...tail].slice(0, most) as never
        else if (operation === 1) rows = [...head, [price, size], ...tail.slice(1)] as never
        else rows = [...head, ...tail.slice(1)]
        reader.apply(book)
        const levels = new Map<number, number>()
        for (const [at, units] of rows) {
          if (units > 0) levels.set(at, (levels.get(at) ?? 0) + units)
        }
        assert.deepEqual(
          reader.bids,
          new Map([...reader.bids].map(([at]) => [at, levels.get(at)!])),
        )
        assert.equal(reader.bids.size, levels.size)
      }
    }),
    { numRuns: 300 },
  )
})
