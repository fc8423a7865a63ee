// The rule by which updates of a book follow on a snapshot: the derived vectors, and the bounds of what is kept.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Level } from '../../../src/market/events.ts'
import { DepthBook, type Diff } from '../../../src/providers/binance/depth.ts'

const diff = (first: number, last: number, bids: Level[] = [], asks: Level[] = []): Diff => ({
  ...{ first, last, timestamp: last, nanos: 0, bids, asks },
})
const SNAPSHOT = {
  last: 160,
  bids: [
    [100, 1],
    [99, 2],
  ] as Level[],
  asks: [[101, 1]] as Level[],
}

describe('a book by numbers', () => {
  it('drops what the snapshot holds already', () => {
    const book = new DepthBook()
    book.take(diff(150, 155, [[100, 9]]))
    book.take(diff(156, 160, [], [[101, 9]]))
    book.take(diff(161, 163, [[99, 0]], [[102, 5]]))
    const { last, bids, asks } = book.join(SNAPSHOT, 1_000)!
    assert.deepEqual(
      { last, bids, asks },
      {
        last: 163,
        bids: [[100, 1]],
        asks: [
          [101, 1],
          [102, 5],
        ],
      },
    )
  })

  it('takes a first update that straddles the snapshot', () => {
    const book = new DepthBook()
    book.take(diff(150, 155))
    book.take(diff(156, 165, [[100, 7]]))
    book.take(diff(166, 166, [], [[101, 0]]))
    const { last, bids, asks } = book.join(SNAPSHOT, 1_000)!
    assert.equal(last, 166)
    assert.deepEqual(bids, [
      [100, 7],
      [99, 2],
    ])
    assert.deepEqual(asks, [])
  })

  it('asks for another snapshot when a hole lies between it and what follows', () => {
    const book = new DepthBook()
    book.take(diff(150, 155))
    book.take(diff(163, 170, [[98, 3]]))
    assert.equal(book.join(SNAPSHOT, 1_000), undefined)
    assert.equal(book.isSynced, false)
    // One that reaches over the hole joins.
    assert.equal(book.join({ ...SNAPSHOT, last: 162 }, 1_000)?.last, 170)
  })

  it('says a gap where numbers are missing, and keeps what comes after it', () => {
    const book = new DepthBook()
    book.join({ ...SNAPSHOT, last: 170 }, 1_000)
    assert.equal(book.take(diff(171, 172)), 'apply')
    assert.equal(book.expected, 173)
    assert.equal(book.take(diff(174, 175, [[97, 1]])), 'gap')
    assert.equal(book.isSynced, false)
    assert.equal(book.take(diff(176, 176)), 'held')
    assert.equal(book.join({ ...SNAPSHOT, last: 172 }, 1_000), undefined)
    assert.equal(book.join({ ...SNAPSHOT, last: 173 }, 1_000)?.last, 176)
  })

  it('ignores what is in the book and applies what overlaps', () => {
    const book = new DepthBook()
    book.join({ ...SNAPSHOT, last: 170 }, 1_000)
    assert.equal(book.take(diff(165, 168)), 'old')
    assert.equal(book.take(diff(170, 170)), 'old')
    assert.equal(book.take(diff(169, 174)), 'apply')
    assert.equal(book.take(diff(175, 175)), 'apply')
  })

  it('refuses a snapshot from before what is kept, and takes one that just reaches it', () => {
    const book = new DepthBook()
    book.take(diff(150, 150))
    assert.equal(book.join({ ...SNAPSHOT, last: 140 }, 1_000), undefined)
    assert.equal(book.join({ ...SNAPSHOT, last: 149 }, 1_000)?.last, 150)
  })

  it('creates no level for the removal of one that is not there', () => {
    const book = new DepthBook()
    book.take(diff(161, 161, [[55, 0]]))
    assert.deepEqual(book.join(SNAPSHOT, 1_000)?.bids, SNAPSHOT.bids)
  })

  it('refuses a snapshot older than the book it had before it began anew', () => {
    const book = new DepthBook()
    book.join({ ...SNAPSHOT, last: 170 }, 1_000)
    book.take(diff(171, 180))
    book.restart()
    assert.equal(book.join({ ...SNAPSHOT, last: 175 }, 1_000), undefined)
    assert.equal(book.join({ ...SNAPSHOT, last: 180 }, 1_000)?.last, 180)
  })

  it('tells when the price nears the end of what the snapshot showed', () => {
    const full = {
      last: 1,
      bids: Array.from({ length: 100 }, (_, i): Level => [100 - i, 1]),
      asks: Array.from({ length: 50 }, (_, i): Level => [101 + i, 1]),
    }
    const book = new DepthBook()
    book.join(full, 100)
    // Half of the bids known are from 100 to 50.5.
    assert.equal(book.needsRenewal(diff(2, 2, [], [[51, 1]])), false)
    assert.equal(book.needsRenewal(diff(2, 2, [], [[50, 0]])), false)
    assert.equal(book.needsRenewal(diff(2, 2, [], [[50, 1]])), true)
    // There are no more asks than these.
    assert.equal(book.needsRenewal(diff(2, 2, [[149, 1]])), false)
  })

  it('goes on while another snapshot comes, which may be ahead of the stream or behind it', () => {
    const book = new DepthBook()
    book.join({ ...SNAPSHOT, last: 170 }, 1_000)
    book.renew()
    assert.equal(book.take(diff(171, 172)), 'apply')
    assert.equal(book.join({ ...SNAPSHOT, last: 170 }, 1_000)?.last, 172)
    book.renew()
    assert.equal(book.join({ ...SNAPSHOT, last: 175 }, 1_000)?.last, 175)
    assert.equal(book.take(diff(173, 174)), 'old')
    assert.equal(book.take(diff(175, 176)), 'apply')
  })
})
