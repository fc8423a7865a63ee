import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { type FeedOptions, openFeed } from '../../src/feed/feed.ts'
import { Ledger, type LedgerRow } from '../../src/feed/ledger.ts'
import type { LeftOut } from '../../src/flow/contracts.ts'
import { DeliveryQueue } from '../../src/flow/queue.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { alpaca } from '../../src/providers/alpaca/index.ts'
import { handClock } from '../../src/testing/clock.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'

const T0 = Date.UTC(2024, 0, 16, 15)
const trade = (id: number, more: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol: 'SPY', source: 'alpaca', timestamp: T0 + id, price: 100 + id },
    ...{ size: 1, id, exchange: 'V', tape: 'B', conditions: ['@'] },
    ...more,
  })

/** A feed with one subscription, its venue, and what a sink hears is left out. */
async function listening(t: TestContext, options: FeedOptions = {}) {
  const clock = handClock(T0)
  const venue = scriptedVenue({ clock, server: { slotMs: 0 } })
  const { openSocket, httpGet } = venue
  const provider = alpaca({ key: 'k', secret: 's', codec: 'json', openSocket, httpGet, clock })
  const feed = openFeed(provider, { clock, leases: false, log: silentLog, ...options })
  const left: [why: LeftOut, id: unknown][] = []
  const ledger = new Ledger()
  feed.pipe(ledger)
  feed.pipe({ append: () => {} })
  feed.pipe({
    append: () => {},
    leftOut: (event, why) => left.push([why, event.type === 'trade' ? event.id : event.type]),
  })
  const send = async (...trades: MarketEvent[]) => {
    venue.deliver(trades)
    await clock.advance(1)
  }
  t.after(async () => {
    const closing = Promise.all([feed.close(), venue.close()])
    await clock.advance(2_000)
    await closing
  })
  return { feed, clock, venue, ledger, left, send }
}

test('sinks hear what came twice and what cannot be true; what is sound they are only given', async t => {
  const { feed, clock, ledger, left, send } = await listening(t)
  feed.trades('SPY', () => {})
  await clock.advance(10)
  await send(trade(1), trade(2))
  await send(trade(2), trade(3), trade(3), trade(4, { timestamp: Date.UTC(1980, 0, 1) }))
  assert.deepEqual(left, [
    ['duplicate', 2],
    ['duplicate', 3],
    ['quarantined', 4],
  ])
  const [row] = ledger.rows()
  const { received, duplicates, quarantined, dropped } = row!
  assert.deepEqual([received, duplicates, quarantined, dropped], [3, 2, 1, 0])
  assert.equal(feed.stats().duplicates, 2)
})

test('what the stream brings behind history is told to be left out', async t => {
  const { feed, clock, venue, ledger, left, send } = await listening(t)
  feed.trades('SPY', () => {})
  await clock.advance(10)
  await send(trade(1))
  venue.inject({ fault: 'cut' })
  // At once: a second connection may be there soon.
  const missed = trade(Math.floor(clock.now()) - T0)
  await send(missed)
  await clock.advance(10_000)
  assert.equal(ledger.rows()[0]!.repaired, 1)
  await send(missed)
  assert.deepEqual(left, [['duplicate', missed.type === 'trade' && missed.id]])
  const [{ received, duplicates }] = ledger.rows() as [LedgerRow]
  assert.deepEqual([received, duplicates, feed.stats().duplicates], [2, 1, 1])
})

test('the account of holes adds up by symbol, though one notice tells of several', async t => {
  const { feed, clock, venue, ledger, send } = await listening(t)
  feed.trades(['SPY', 'TSLA'], () => {})
  feed.statuses('SPY', () => {})
  await clock.advance(10)
  await send(trade(1), trade(2, { symbol: 'TSLA' }))
  venue.inject({ fault: 'cut' })
  await clock.advance(5_000)
  const later = Math.floor(clock.now()) - T0
  await send(trade(later), trade(later + 1, { symbol: 'TSLA' }))
  await clock.advance(10_000)
  const holes = ledger
    .rows()
    .map(({ symbol, kind, gaps, gapsRepaired, gapsUnrepaired }) => [
      ...[symbol, kind, gaps, gapsRepaired, gapsUnrepaired],
    ])
  assert.deepEqual(holes, [
    ['SPY', 'status', 1, 0, 1],
    ['SPY', 'trade', 1, 1, 0],
    ['TSLA', 'trade', 1, 1, 0],
  ])
})

test('what a slow reader does not get is told for each such reader, what a closed one leaves is not', async t => {
  const { feed, clock, left, send } = await listening(t)
  const stuck = () => new Promise<void>(() => {})
  feed.trades('SPY', stuck, { name: 'stuck', maxItems: 2 })
  const stream = feed.trades('SPY', { maxItems: 3 })
  feed.trades('SPY', () => {})
  await clock.advance(10)
  // The handler has the first in hand.
  await send(trade(1), trade(2), trade(3), trade(4))
  assert.deepEqual(left.sort(), [
    ['dropped', 1],
    ['dropped', 2],
  ])
  stream.close()
  await feed.close()
  assert.equal(left.length, 2)
})

test('a queue tells of all it gives up by its policy, and only of that', () => {
  const told: unknown[] = []
  const dropped = (event: MarketEvent) => told.push(event.type === 'trade' ? event.id : event.type)
  const closing = new DeliveryQueue({ policy: 'close', maxItems: 2 }, { dropped })
  for (const id of [1, 2, 3]) closing.push(trade(id), T0)
  assert.deepEqual(told.splice(0), [1, 2, 3])
  assert.equal(closing.counters.dropped, 3)
  const book = (snapshot: boolean) =>
    createEvent({
      ...{ type: 'book', symbol: 'SPY', source: 's', timestamp: T0 },
      ...{ bids: [], asks: [], snapshot },
    })
  const books = new DeliveryQueue({ maxItems: 2 }, { dropped })
  for (const snapshot of [true, false, false]) books.push(book(snapshot), T0)
  books.push(book(false), T0)
  assert.deepEqual(told.splice(0), ['book', 'book', 'book', 'book'])
  assert.equal(books.counters.dropped, 4)
  const waiting = new DeliveryQueue({}, { dropped })
  waiting.push(trade(1), T0)
  waiting.clear()
  assert.deepEqual([told, waiting.counters.dropped], [[], 1])
})
