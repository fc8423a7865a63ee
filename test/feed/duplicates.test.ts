import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Duplicates } from '../../src/feed/duplicates.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { simulateDay } from '../../src/providers/simulated/simulate-day.ts'

const trade = (id: number, more: object = {}): MarketEvent =>
  createEvent({
    type: 'trade',
    symbol: 'SPY',
    source: 's',
    timestamp: 1_000,
    nanos: 5,
    price: 1,
    size: 1,
    id,
    exchange: 'V',
    ...more,
  })
const quote = (bid: number, more: object = {}): MarketEvent =>
  createEvent({ type: 'quote', symbol: 'SPY', source: 's', timestamp: 1_000, bid, ask: 2, ...more })

test('what has come before is left out and counted, also within one batch and some events later', () => {
  const duplicates = new Duplicates()
  const first = [trade(1), quote(1), trade(2)]
  assert.equal(duplicates.pass(first), first, 'the very array, when there is nothing to leave out')
  const again = [trade(3), trade(1), trade(3), quote(1), quote(1.5)]
  assert.deepEqual(duplicates.pass(again), [again[0], again[4]])
  assert.equal(duplicates.count, 3)
})

test('any difference in what the venue says makes another event; when it came does not', () => {
  const duplicates = new Duplicates()
  duplicates.pass([trade(1), quote(1)])
  const others = [
    trade(1, { exchange: 'Q' }),
    trade(1, { nanos: 6 }),
    trade(1, { timestamp: 1_001 }),
    trade(1, { symbol: 'TSLA' }),
    trade(1, { price: 2 }),
    quote(1, { bidSize: 3 }),
    quote(1, { askExchange: 'V' }),
  ]
  assert.equal(duplicates.pass(others), others)
  assert.deepEqual(duplicates.pass([trade(1, { receivedAt: 9 })]), [])
})

test('other kinds are compared as a whole', () => {
  const duplicates = new Duplicates()
  const bar = (close: number) =>
    createEvent({
      type: 'bar',
      symbol: 'SPY',
      timestamp: 1,
      interval: '1m',
      open: 1,
      high: 2,
      low: 1,
      close,
      volume: 1,
      final: true,
      revision: 0,
    })
  const status = () => createEvent({ type: 'status', symbol: 'SPY', timestamp: 1, statusCode: 'H' })
  assert.equal(duplicates.pass([bar(1), bar(2), status()]).length, 3)
  assert.equal(duplicates.pass([bar(2), status()]).length, 0)
})

test('notices come as often as they are said', () => {
  const duplicates = new Duplicates()
  const notice = () => createEvent({ type: 'notice', timestamp: 1, notice: 'quiet', message: '' })
  assert.equal(duplicates.pass([notice(), notice()]).length, 2)
})

test('a market with equal times, ids used again and late prints loses nothing', () => {
  const duplicates = new Duplicates()
  let count = 0
  let kept = 0
  for (const batch of simulateDay({ day: '2025-06-02', symbols: 4, events: 20_000 })) {
    count += batch.length
    kept += duplicates.pass(batch).length
  }
  assert.ok(count > 19_000)
  assert.equal(kept, count)
})
