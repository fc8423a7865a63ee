// How things stand: the latest of each kind, which moves only forward, and whole books.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Present } from '../../src/gateway/present.ts'
import { Flag, type MarketEvent } from '../../src/market/events.ts'
import { parseTopic } from '../../src/market/topics.ts'
import { event } from './stream-kit.ts'

const T = Date.UTC(2024, 0, 15, 14, 30)
const trade = (at: number, id: number, more: object = {}) =>
  event({ type: 'trade', symbol: 'SPY', price: id, size: 1, id, timestamp: T + at, ...more })
const ids = (present: Present, topic = 'test:trade:SPY') =>
  present.latest(parseTopic(topic)).map(it => (it as unknown as { id: number }).id)

function presentOf(...events: MarketEvent[]): Present {
  const present = new Present()
  for (const it of events) present.accept(it)
  return present
}

test('the latest is the newest by venue time, whatever came last', () => {
  assert.deepEqual(ids(presentOf(trade(2, 1), trade(1, 2))), [1])
  assert.deepEqual(ids(presentOf(trade(1, 1), trade(2, 2))), [2])
  const nanos = [trade(1, 1, { nanos: 5 }), trade(1, 2, { nanos: 3 })]
  assert.deepEqual(ids(presentOf(...nanos)), [1])
})

test('what is repaired or late never replaces what came', () => {
  for (const flags of [Flag.repaired, Flag.late]) {
    assert.deepEqual(ids(presentOf(trade(1, 1), trade(2, 2, { flags }))), [1])
  }
})

test('a cancel and a correction roll the last trade back', () => {
  const three = [trade(1, 1), trade(2, 2), trade(3, 3)]
  const cancel = event({ type: 'cancel', symbol: 'SPY', id: 3, action: 'cancel' })
  assert.deepEqual(ids(presentOf(...three, cancel)), [2])
  const correction = event({ type: 'correction', symbol: 'SPY', originalId: 3, id: 9 })
  assert.deepEqual(ids(presentOf(...three, correction)), [2])
  const only = event({ type: 'cancel', symbol: 'SPY', id: 1, action: 'error' })
  assert.deepEqual(ids(presentOf(trade(1, 1), only)), [])
})

test('bars of different lengths, sources and symbols stand beside each other', () => {
  const bar = (interval: string, id: number, symbol = 'SPY', source = 'test') =>
    event({ type: 'bar', interval, symbol, source, id, open: 1, high: 1, low: 1, close: id })
  const present = presentOf(
    bar('1m', 1),
    bar('5m', 2),
    bar('1m', 3, 'TSLA'),
    bar('1m', 4, 'SPY', 'b'),
  )
  const closes = (topic: string) =>
    present.latest(parseTopic(topic)).map(it => (it as unknown as { close: number }).close)
  assert.deepEqual(closes('test:bar@1m:SPY'), [1])
  assert.deepEqual(closes('test:bar@5m:SPY'), [2])
  assert.deepEqual(closes('*:bar@1m:SPY'), [1, 4])
  assert.deepEqual(closes('test:bar@1m:*'), [1, 3])
})
