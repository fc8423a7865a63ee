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
    trade(1, { size: 2 }),
    trade(1, { tape: 'B' }),
    trade(1, { side: 'buy' }),
    trade(1, { conditions: ['@'] }),
    trade(1, { conditions: ['@', 'I'] }),
    trade(1, { conditions: ['I', '@'] }),
    trade(1, { conditions: [] }),
    quote(1, { bidSize: 3 }),
    quote(1, { askSize: 3 }),
    quote(1, { ask: 3 }),
    quote(1, { bidExchange: 'V' }),
    quote(1, { askExchange: 'V' }),
    quote(1, { tape: 'B' }),
    quote(1, { conditions: ['R'] }),
    quote(1, { conditions: ['Y'] }),
  ]
  assert.equal(duplicates.pass(others), others)
  assert.deepEqual(duplicates.pass([trade(1, { receivedAt: 9 })]), [])
  // Lists of the same codes are the same, whoever made them.
  const again = [trade(1, { conditions: ['@', 'I'] }), quote(1, { conditions: ['Y'] })]
  assert.deepEqual(duplicates.pass(again), [])
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

test('a bar that is put right and goes back is no duplicate; one that repeats its newest form is', () => {
  const duplicates = new Duplicates()
  const bar = (volume: number, more: object = {}) =>
    createEvent({
      ...{ type: 'bar', symbol: 'SPY', timestamp: 60_000, interval: '1m', final: true },
      ...{ open: 1, high: 2, low: 1, close: 1, revision: 1, volume, ...more },
    })
  const forms = [bar(5), bar(6), bar(5)]
  assert.equal(duplicates.pass(forms), forms)
  assert.deepEqual(duplicates.pass([bar(5), bar(5, { receivedAt: 9 })]), [])
  // Bars of other places are not forms of this one.
  const others = [{ symbol: 'QQQ' }, { interval: '5m' }, { timestamp: 120_000 }, { nanos: 1 }]
  const beside = others.map(other => bar(7, other))
  assert.equal(duplicates.pass(beside), beside)
  assert.deepEqual(duplicates.pass([bar(5), ...beside]), [])
  assert.equal(duplicates.count, 7)
})

test('a bar that was said before it was over or revised does not come again behind that; one that goes back and forth does', () => {
  const bar = (volume: number, final: boolean, revision: number) =>
    createEvent({
      ...{ type: 'bar', symbol: 'SPY', timestamp: 60_000, interval: '1m', final, revision },
      ...{ open: 1, high: 2, low: 1, close: 1, volume },
    })
  const stages = () => [bar(5, false, 0), bar(6, true, 0), bar(7, true, 1)]
  const duplicates = new Duplicates()
  assert.equal(duplicates.pass(stages()).length, 3)
  assert.deepEqual(duplicates.pass(stages()), [])
  // Said for the first time, late as it is.
  assert.equal(duplicates.pass([bar(8, true, 0)]).length, 1)
  // The newest form is another one now.
  assert.equal(duplicates.pass([bar(7, true, 1)]).length, 1)
  // Both are of one stage: the last that is said has to stand, even if the frames of both were sent twice.
  const twice = [1, 2, 1, 2].map(volume => bar(volume, true, 2))
  assert.equal(duplicates.pass(twice), twice)
  assert.deepEqual(duplicates.pass([bar(2, true, 2)]), [])
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

test('trades without an id come as often as they are sent: nothing tells two of them apart', () => {
  const duplicates = new Duplicates()
  const anonymous = () => trade(0, { id: undefined })
  assert.equal(duplicates.pass([anonymous(), anonymous()]).length, 2)
})

test('what comes again after 4,000 others is found, whatever their symbols', () => {
  const duplicates = new Duplicates()
  duplicates.pass([trade(1)])
  for (let i = 0; i < 4_000; i++) duplicates.pass([trade(i, { symbol: `S${i % 700}`, nanos: i })])
  assert.equal(duplicates.count, 0)
  assert.deepEqual(duplicates.pass([trade(1)]), [])
})

test('where times are exact, a quote that says again what was said of its time was sent twice', () => {
  const duplicates = new Duplicates(() => {}, true)
  const frame = [quote(1), quote(2)]
  assert.equal(duplicates.pass(frame), frame)
  assert.deepEqual(duplicates.pass([quote(1), quote(2)]), [])
})

test('a price that goes away and comes back within a moment of the venue is no repeat', () => {
  const ticker = (last: number, more: object = {}): MarketEvent =>
    createEvent({ type: 'ticker', symbol: 'SPY', source: 's', timestamp: 1_000, last, ...more })
  for (const make of [quote, ticker]) {
    const duplicates = new Duplicates()
    const flicker = [make(1), make(2), make(1)]
    assert.equal(duplicates.pass(flicker), flicker)
    assert.deepEqual(duplicates.pass([make(1)]), [], 'it still says so')
    const back = [make(2), make(1)]
    assert.equal(duplicates.pass(back), back)
    // Of another moment or symbol nothing has changed here.
    duplicates.pass([
      make(5, { timestamp: 1_001 }),
      make(5, { nanos: 9 }),
      make(5, { symbol: 'T' }),
    ])
    assert.deepEqual(duplicates.pass([make(1)]), [])
  }
})
