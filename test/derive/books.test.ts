import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Books } from '../../src/derive/books.ts'
import { createEvent, type NoticeName } from '../../src/market/events.ts'
import { START, update, whole } from './book-kit.ts'

const notice = (
  name: NoticeName,
  more: { symbol?: string; source?: string; kind?: 'book' | 'trade' } = {},
) =>
  createEvent({
    ...{ type: 'notice', source: 's', timestamp: START, notice: name, message: 'a reason' },
    ...more,
  })

const first = (symbol: string, source = 's') => whole([[1, 1]], [[2, 1]], { symbol, source })

function three(): Books {
  const books = new Books()
  for (const event of [first('A'), first('B'), first('A', 't')]) books.accept(event)
  return books
}

const synced = (books: Books) =>
  [...books].filter(book => book.synced).map(book => `${book.source}:${book.symbol}`)

test('each source and symbol has a book of its own', () => {
  const books = three()
  const changed = books.accept(update({ symbol: 'A', source: 't', bids: [[1, 7]] }))
  assert.equal(changed, books.get('t', 'A'))
  assert.deepEqual(books.get('t', 'A')?.bestBid, [1, 7])
  assert.deepEqual(books.get('s', 'A')?.bestBid, [1, 1])
  assert.deepEqual(books.of('A'), [books.get('s', 'A'), books.get('t', 'A')])
  assert.equal(books.get('s', 'C'), undefined)
  assert.equal(
    books.accept(createEvent({ type: 'trade', symbol: 'C', timestamp: START, price: 1, size: 1 })),
    undefined,
  )
  assert.deepEqual(synced(books), ['s:A', 's:B', 't:A'])
})

test('a gap in books empties the book it names, or all of its source, until a snapshot comes', () => {
  const books = three()
  books.accept(notice('gap', { kind: 'book', symbol: 'A' }))
  assert.deepEqual(synced(books), ['s:B', 't:A'])
  assert.deepEqual(books.get('s', 'A')?.unsynced, { reason: 'gap', message: 'a reason' })
  books.accept(update({ symbol: 'A', bids: [[1, 7]] }))
  assert.deepEqual(synced(books), ['s:B', 't:A'])
  books.accept(notice('gap', { kind: 'book' }))
  assert.deepEqual(synced(books), ['t:A'])
  books.accept(first('A'))
  assert.deepEqual(synced(books), ['s:A', 't:A'])
})

test('a gap in something else is none in a book', () => {
  const books = three()
  books.accept(notice('gap', { kind: 'trade', symbol: 'A' }))
  books.accept(notice('disconnected'))
  assert.equal(synced(books).length, 3)
})

for (const name of ['lost', 'skipped', 'reset'] as const) {
  test(`after ${name} on a tape no book is known any more`, () => {
    const books = three()
    books.accept(notice(name))
    assert.deepEqual(synced(books), [])
  })
}

test('a book that is deleted begins anew', () => {
  const books = three()
  books.delete('s', 'A')
  books.delete('s', 'nobody')
  assert.deepEqual(synced(books), ['s:B', 't:A'])
  books.accept(update({ symbol: 'A', bids: [[1, 7]] }))
  assert.equal(books.get('s', 'A')?.unsynced?.reason, 'no-snapshot')
})
