import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OrderBook, type OrderBookOptions } from '../../src/derive/order-book.ts'
import { type Book, Flag, hasFlag } from '../../src/market/events.ts'
import { START, update, whole } from './book-kit.ts'

const open = (options?: OrderBookOptions, ...updates: Book[]) => {
  const book = new OrderBook('BTC/USD', 's', options)
  for (const event of updates) book.apply(event)
  return book
}

const bids = [
  [100, 2],
  [99, 3],
  [97, 5],
] as const
const asks = [
  [101, 1],
  [102, 4],
  [105, 10],
] as const
const filled = (options?: OrderBookOptions) => open(options, whole(bids, asks, { sequence: 7 }))

describe('an order book', () => {
  test('says what stands at the top', () => {
    const book = filled()
    assert.deepEqual([book.bestBid, book.bestAsk], [bids[0], asks[0]])
    assert.deepEqual([book.spread, book.mid], [1, 100.5])
    // Two thirds of what stands at the top are bids: the next price is nearer to the ask.
    assert.equal(book.microprice, 100 + 2 / 3)
    assert.deepEqual([book.bidCount, book.askCount], [3, 3])
    assert.deepEqual([book.timestamp, book.receivedAt, book.sequence], [START, START, 7])
  })

  test('gives its levels best first, whole or cut, whatever order they came in', () => {
    for (const order of [bids, [...bids].reverse(), [bids[1], bids[2], bids[0]]]) {
      const book = open({}, whole(order, [...asks].reverse()))
      assert.deepEqual(book.bids(), bids)
      assert.deepEqual(book.asks(), asks)
      assert.deepEqual(book.asks(2), asks.slice(0, 2))
      assert.deepEqual(book.bids(0), [])
    }
  })

  test('counts levels in whole ones: fewer than none are none, and NaN is no count', () => {
    const book = filled()
    const into = new Float64Array(6)
    for (const [count, levels] of [
      [-1, 0],
      [0.5, 0],
      [1.5, 1],
      [Number.POSITIVE_INFINITY, 3],
      [Number.NEGATIVE_INFINITY, 0],
    ] as const) {
      assert.deepEqual(book.bids(count), bids.slice(0, levels))
      assert.deepEqual(book.asks(count), asks.slice(0, levels))
      assert.equal(book.cumulative('bids', count).length, levels)
      assert.equal(book.readBids(into, count), levels)
      assert.equal(book.readAsks(into, count), levels)
      assert.equal(book.imbalance(count), levels === 0 ? undefined : book.imbalance(levels))
    }
    for (const call of [
      () => book.bids(Number.NaN),
      () => book.readAsks(into, Number.NaN),
      () => book.imbalance(Number.NaN),
      () => book.costOf('buy', Number.POSITIVE_INFINITY),
      () => book.costToMove('buy', Number.NaN),
      () => book.costToMove('sell', Number.NEGATIVE_INFINITY),
    ]) {
      assert.throws(call, RangeError)
    }
  })

  test('adds up: running totals and imbalance', () => {
    const book = filled()
    assert.deepEqual(book.cumulative('asks', 2), [
      [101, 1, 1],
      [102, 4, 5],
    ])
    assert.deepEqual(
      book.cumulative('bids').map(([, , total]) => total),
      [2, 5, 10],
    )
    assert.equal(book.imbalance(), 1 / 3)
    assert.equal(book.imbalance(2), 0)
    assert.equal(book.imbalance(9), (10 - 15) / 25)
  })

  test('says what an order would cost, and what of it the book cannot fill', () => {
    const book = filled()
    assert.deepEqual(book.costOf('buy', 3), {
      ...{ filled: 3, missing: 0, notional: 101 + 2 * 102 },
      ...{ averagePrice: 305 / 3, worstPrice: 102 },
    })
    assert.deepEqual(book.costOf('sell', 12), {
      ...{ filled: 10, missing: 2, notional: 200 + 297 + 485 },
      ...{ averagePrice: 98.2, worstPrice: 97 },
    })
    const nothing = { filled: 0, missing: 1, notional: 0 }
    assert.deepEqual(open().costOf('buy', 1), {
      ...nothing,
      ...{ averagePrice: undefined, worstPrice: undefined },
    })
    for (const size of [0, -1, Number.NaN])
      assert.throws(() => book.costOf('buy', size), RangeError)
  })

  test('says what it takes to move the price, and whether it knows the book that far', () => {
    const book = filled()
    assert.deepEqual(book.costToMove('buy', 105), { size: 5, notional: 509, isComplete: true })
    assert.deepEqual(book.costToMove('buy', 106), { size: 15, notional: 1_559, isComplete: false })
    assert.deepEqual(book.costToMove('sell', 98), { size: 5, notional: 497, isComplete: true })
    assert.deepEqual(book.costToMove('sell', 100), { size: 0, notional: 0, isComplete: true })
  })

  test('is read without allocating, as far as there are levels and room', () => {
    const book = filled()
    const into = new Float64Array(5).fill(-1)
    assert.equal(book.readBids(into), 2)
    assert.deepEqual([...into], [100, 2, 99, 3, -1])
    assert.equal(book.readAsks(into, 1), 1)
    assert.deepEqual([...into], [101, 1, 99, 3, -1])
    assert.equal(open().readAsks(into), 0)
  })

  test('an empty side has no price, and nothing between the sides has one', () => {
    const book = open({}, whole([], asks))
    assert.equal(book.synced, true)
    assert.deepEqual(
      [book.bestBid, book.spread, book.mid, book.microprice, book.imbalance()],
      [undefined, undefined, undefined, undefined, -1],
    )
    assert.equal(open({}, whole([], [])).imbalance(), undefined)
  })

  test('as one event it makes the same book again, and says what kind of data it is', () => {
    const flags = Flag.simulated | Flag.repaired
    const book = open(
      {},
      whole(bids, asks),
      update({ bids: [[99.5, 1]], flags, sequence: 8, nanos: 5 }),
    )
    const event = book.snapshot()!
    assert.deepEqual([event.snapshot, event.sequence, event.nanos], [true, 8, 5])
    assert.ok(
      hasFlag(event, 'conflated') && hasFlag(event, 'simulated') && !hasFlag(event, 'repaired'),
    )
    const copy = open({}, event)
    assert.deepEqual([copy.bids(), copy.asks()], [book.bids(), book.asks()])
    assert.equal(open().snapshot(), undefined)
  })

  test('a price of zero and prices below are prices', () => {
    const book = open(
      {},
      whole(
        [
          [-1, 1],
          [-3, 2],
        ],
        [[-0, 5]],
      ),
    )
    assert.deepEqual(book.bestAsk, [0, 5])
    assert.ok(Object.is(book.bestAsk?.[0], 0))
    assert.deepEqual([book.mid, book.spread], [-0.5, 1])
  })
})

describe('what cannot be', () => {
  test('a delta before a snapshot is not taken', () => {
    const book = open()
    assert.equal(book.apply(update({ bids: [[100, 1]] })), false)
    assert.deepEqual([book.synced, book.unsynced?.reason], [false, 'no-snapshot'])
    assert.deepEqual([book.bids(), book.version], [[], 0])
    assert.equal(book.apply(whole(bids, asks)), true)
    assert.deepEqual([book.synced, book.unsynced], [true, undefined])
  })

  test('of a price that stands twice the later one counts; −0 removes; removing nothing is no error', () => {
    const book = filled()
    const ok = book.apply(
      update({
        bids: [
          [100, 9],
          [100, 8],
          [99, -0],
          [42, 0],
          [97, 0],
          [97, 6],
        ],
      }),
    )
    assert.equal(ok, true)
    assert.deepEqual(book.bids(), [
      [100, 8],
      [97, 6],
    ])
    const twice = open({}, whole([...bids, [99, 0], [97, 1]], asks))
    assert.deepEqual(twice.bids(), [
      [100, 2],
      [97, 1],
    ])
  })

  for (const [what, level] of [
    ['a negative size', [99, -1]],
    ['a size that is no number', [99, Number.NaN]],
    ['an infinite size', [99, Number.POSITIVE_INFINITY]],
    ['a price that is no number', [Number.NaN, 1]],
    ['an infinite price', [Number.POSITIVE_INFINITY, 0]],
    ['no size at all', [99] as unknown as [number, number]],
  ] as const) {
    test(`${what} clears the book until the next snapshot`, () => {
      for (const snapshot of [false, true]) {
        const book = filled()
        assert.equal(book.apply(update({ asks: [[103, 1], level], snapshot })), false)
        assert.equal(book.unsynced?.reason, 'bad-level')
        assert.deepEqual([book.bids(), book.asks(), book.bestBid], [[], [], undefined])
        assert.equal(book.apply(update({ bids: [[100, 1]] })), false)
        assert.equal(book.unsynced?.reason, 'bad-level', 'the first reason stays')
        assert.equal(book.apply(whole(bids, asks)), true)
      }
    })
  }

  test('a book that crosses or locks is cleared, unless it may', () => {
    for (const price of [101, 103]) {
      const crossing = update({ bids: [[price, 1]] })
      const book = filled()
      assert.equal(book.apply(crossing), false)
      assert.deepEqual([book.unsynced?.reason, book.bidCount, book.askCount], ['crossed', 0, 0])
      const merged = filled({ mayCross: true })
      assert.equal(merged.apply(crossing), true)
      assert.equal(merged.spread, 101 - price)
    }
    assert.equal(open({}, whole([[5, 1]], [[4, 1]])).unsynced?.reason, 'crossed')
    // What the same update takes away does not stand in its way.
    const book = filled()
    assert.equal(book.apply(update({ bids: [[101, 1]], asks: [[101, 0]] })), true)
    assert.equal(book.spread, 1)
  })

  test('numbers that run back are a break; what is numbered without holes may not skip either', () => {
    const next = (sequence: number | undefined) => update({ bids: [[98, 1]], sequence })
    const ends = (options: OrderBookOptions, ...sequences: (number | undefined)[]) => {
      const book = filled(options)
      for (const sequence of sequences) book.apply(next(sequence))
      return book.unsynced?.reason
    }
    assert.equal(ends({}, 8, 8, 20, undefined, 20), undefined)
    assert.equal(ends({}, 8, 6), 'sequence')
    assert.equal(ends({}, 20, undefined, 19), 'sequence')
    const contiguous = { sequence: 'contiguous' } as const
    assert.equal(ends(contiguous, 8, 8, undefined, 9), undefined)
    assert.equal(ends(contiguous, 9), 'sequence')
    assert.equal(ends(contiguous, 8, 7), 'sequence')
  })

  test('what is numbered without holes and said twice counts once', () => {
    const book = filled({ sequence: 'contiguous' })
    book.apply(update({ bids: [[98, 1]], sequence: 8 }))
    const { version } = book
    assert.equal(book.apply(update({ bids: [[98, 7]], sequence: 8 })), true)
    assert.deepEqual([book.version, book.bids()[2]], [version, [98, 1]])
  })

  test('after a snapshot the numbers begin anew', () => {
    const book = filled({ sequence: 'contiguous' })
    assert.equal(book.apply(whole(bids, asks, { sequence: 1 })), true)
    assert.equal(book.apply(update({ sequence: 2 })), true)
    assert.equal(book.apply(whole(bids, asks)), true)
    assert.equal(book.sequence, undefined)
    assert.equal(book.apply(update({ sequence: 99 })), true)
  })

  test('a checksum is compared where an update carries one', () => {
    const checksum = (book: { bidCount: number; askCount: number }) =>
      book.bidCount * 10 + book.askCount
    const book = open({ checksum }, whole(bids, asks, { checksum: 33 }))
    assert.equal(book.apply(update({ bids: [[98, 1]] })), true)
    assert.equal(book.apply(update({ bids: [[96, 1]], checksum: 53 })), true)
    assert.equal(book.apply(update({ bids: [[95, 1]], checksum: 53 })), false)
    assert.equal(book.unsynced?.reason, 'checksum')
    assert.match(book.unsynced!.message, /53.*63/)
  })

  test('whoever knows better can break it', () => {
    const book = filled()
    book.break('gap', 'the connection was lost')
    assert.deepEqual(book.unsynced, { reason: 'gap', message: 'the connection was lost' })
    assert.deepEqual([book.bestBid, book.snapshot()], [undefined, undefined])
  })
})
