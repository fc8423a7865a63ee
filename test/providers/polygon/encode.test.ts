// What a venue sends of an event, and what is read of that: the same, but for what the protocol has no word for.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { PolygonDecoder } from '../../../src/providers/polygon/codec.ts'
import { encodeEvent } from '../../../src/providers/polygon/encode.ts'
import { MARKETS, type PolygonMarket } from '../../../src/providers/polygon/markets.ts'
import { plain, readingOf, reportsOf } from './record.ts'
import { SAMPLES } from './samples.ts'

const AT = Date.UTC(2024, 0, 15, 14, 30)

function again(market: PolygonMarket, event: MarketEvent): unknown {
  const text = encodeEvent(event, MARKETS[market])
  return text === undefined
    ? undefined
    : plain(reportsOf(new PolygonDecoder(readingOf(market)), `[${text}]`))[0]
}

describe('decode(encode(event))', () => {
  for (const { market, event } of SAMPLES) {
    test(`${market} ${event.type} of ${event.symbol}`, () => {
      assert.deepEqual(again(market, event), { ...event })
    })
  }

  test('is the event without its nanoseconds: any trade of stocks', () => {
    const code = fc.nat(999).map(String)
    const trades = fc.record({
      price: fc.double({ min: 1e-4, max: 1e6, noNaN: true }),
      size: fc.oneof(fc.nat(1e6), fc.double({ min: 0.001, max: 1e4, noNaN: true })),
      id: fc.oneof(
        fc.nat(),
        fc.stringMatching(/^0\d{1,12}$/),
        fc.bigInt(2n ** 53n, 2n ** 63n).map(String),
      ),
      exchange: fc.oneof(fc.integer({ min: 1, max: 99 }).map(String), fc.constant('4:202')),
      conditions: fc.option(fc.array(code, { minLength: 1, maxLength: 6 }), { nil: undefined }),
      tape: fc.constantFrom('A', 'B', 'C'),
      nanos: fc.nat(999_999),
    })
    fc.assert(
      fc.property(trades, fields => {
        const base = {
          type: 'trade',
          symbol: 'AAPL',
          source: 'polygon',
          timestamp: AT,
          receivedAt: 1,
        } as const
        const event = createEvent({ ...base, ...fields })
        assert.deepEqual(again('stocks', event), { ...event, nanos: 0 })
      }),
      { numRuns: 500, seed: 5 },
    )
  })

  test('of a band and an imbalance is exact to the nanosecond', () => {
    fc.assert(
      fc.property(fc.nat(999_999), fc.nat(1e9), (nanos, ms) => {
        const base = { symbol: 'AAPL', source: 'polygon', timestamp: AT + ms, nanos, receivedAt: 1 }
        const band = createEvent({ ...base, type: 'luld', limitUp: 2, limitDown: 1 })
        assert.deepEqual(again('stocks', band), { ...band })
        const imbalance = createEvent({ ...base, type: 'imbalance', price: 3, size: 5 })
        assert.deepEqual(again('stocks', imbalance), { ...imbalance })
      }),
      { numRuns: 200, seed: 5 },
    )
  })
})

test('letters of exchanges become ids, other letters and what a cluster lacks are left out', () => {
  const base = { symbol: 'SPY', source: 'alpaca', timestamp: AT, receivedAt: 1 } as const
  const trade = createEvent({
    ...{ ...base, type: 'trade', price: 5, size: 1, exchange: 'V', conditions: ['@', '12'] },
  })
  const read = again('stocks', trade) as { exchange: string; conditions: string[] }
  assert.deepEqual([read.exchange, read.conditions], ['15', ['12']])
  const daily = createEvent({
    ...{ ...base, type: 'bar', interval: '1d', open: 1, high: 1, low: 1, close: 1, volume: 1 },
    ...{ final: true, revision: 0 },
  })
  assert.equal(encodeEvent(daily, MARKETS.stocks), undefined)
  const halt = createEvent({ ...base, type: 'status', statusCode: 'H' })
  assert.equal(encodeEvent(halt, MARKETS.stocks), undefined)
  assert.equal(encodeEvent(trade, MARKETS.indices), undefined)
})
