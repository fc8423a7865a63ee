import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CompactEvents } from '../../src/market/compact.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'

const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
const number = fc.double({ noNaN: true })
const word = fc.string({ maxLength: 3 })
const common = {
  symbol: fc.constantFrom('SPY', 'BTC/USD', 'NSE:RELIANCE'),
  source: word,
  timestamp: fc.integer(),
  nanos: fc.integer({ min: 0, max: 999_999 }),
  receivedAt: number,
  flags: fc.integer({ min: 0, max: 255 }),
  conditions: maybe(fc.array(word)),
  tape: maybe(word),
}
const trades = fc.record({
  ...{ type: fc.constant('trade' as const), ...common, price: number, size: number },
  id: maybe(fc.oneof(fc.maxSafeInteger(), word)),
  exchange: maybe(word),
  side: maybe(fc.constantFrom('buy' as const, 'sell' as const)),
})
const quotes = fc.record({
  ...{ type: fc.constant('quote' as const), ...common, bid: maybe(number), ask: maybe(number) },
  ...{ bidSize: maybe(number), askSize: maybe(number) },
  ...{ bidExchange: maybe(word), askExchange: maybe(word) },
})
const statuses = fc.record({ type: fc.constant('status' as const), ...common, statusCode: word })
const events = fc
  .oneof(trades, quotes, statuses)
  .map(fields => createEvent(fields as Parameters<typeof createEvent>[0]) as MarketEvent)

test('an event comes out as it was put in, to the last bit, whatever stood in its slot before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), events)), puts => {
      const compact = new CompactEvents(2)
      const held = new Map<number, MarketEvent>()
      for (const [slot, event] of puts) {
        while (slot >= compact.capacity) compact.double()
        compact.put(slot, event)
        held.set(slot, event)
        for (const [at, expected] of held) {
          assert.deepStrictEqual(compact.get(at), expected)
          assert.ok(Object.is(compact.receivedAt(at), expected.receivedAt))
        }
      }
    }),
  )
})

test("an object of somebody's own is given back itself, with all it has", () => {
  const compact = new CompactEvents(1)
  const own = { ...createEvent({ type: 'quote', symbol: 'SPY', timestamp: 1 }), extra: 1 }
  compact.put(0, own)
  assert.equal(compact.get(0), own)
})
