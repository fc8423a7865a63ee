// What the protocol makes of any event, of any venue, is what project() says, in both codecs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createEvent, type EventFields, type MarketEvent } from '../../../src/market/events.ts'
import { encodeJson, encodePack } from '../../../src/providers/alpaca/encode.ts'
import { projectAlpaca } from '../../../src/providers/alpaca/project.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../../../src/providers/alpaca/scan-msgpack.ts'
import { readingOf, reportsOf } from './record.ts'

const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined })
const price = fc.integer({ min: 1, max: 1e9 }).map(cents => cents / 1_000)
const size = fc.oneof(fc.nat(), fc.double({ min: 0, max: 1e9, noNaN: true }))
const text = fc.oneof(fc.constantFrom('', ' ', 'V', 'kraken', 'Ü'), fc.string())
const id = fc.oneof(fc.nat(), fc.constantFrom('a-1', '0012', '9007199254740993', '-4'))
const base = {
  symbol: fc.constantFrom('SPY', 'BTC/USD', 'NSE:RELIANCE', 'AAPL240315C00172500', 'SHIB/USDT'),
  source: fc.constant('alpaca'),
  timestamp: fc.integer({ min: 0, max: Date.UTC(2100, 0) }),
  nanos: fc.nat(999_999),
  receivedAt: fc.constant(1),
  flags: fc.nat(31),
  conditions: maybe(fc.array(text, { minLength: 1, maxLength: 3 })),
  tape: maybe(text),
  exchange: maybe(text),
}
const KINDS: Readonly<Record<string, Record<string, fc.Arbitrary<unknown>>>> = {
  trade: { price, size, id: maybe(id), side: fc.constantFrom('buy', 'sell', undefined) },
  quote: {
    ...{ bid: maybe(price), bidSize: maybe(size), ask: maybe(price), askSize: maybe(size) },
    ...{ bidExchange: maybe(text), askExchange: maybe(text) },
  },
  bar: {
    ...{ open: price, high: price, low: price, close: price, volume: size, vwap: maybe(price) },
    ...{ tradeCount: maybe(fc.nat()), final: fc.boolean(), revision: fc.nat(3) },
    interval: fc.constantFrom('1m', '1d', '5m', '1s'),
  },
  book: {
    ...{ bids: fc.array(fc.tuple(price, size)), asks: fc.array(fc.tuple(price, size)) },
    ...{ snapshot: fc.boolean(), sequence: maybe(fc.nat()), checksum: maybe(fc.nat()) },
  },
  imbalance: { price: maybe(price), size: maybe(size), pairedSize: maybe(size) },
  cancel: {
    ...{ id: maybe(id), price: maybe(price), size: maybe(size) },
    action: fc.constantFrom('cancel', 'error'),
  },
  ticker: { last: price },
}
const events = fc.oneof(
  ...Object.entries(KINDS).map(([type, fields]) =>
    fc
      .record({ ...base, ...fields })
      .map(all => createEvent({ type, ...all } as unknown as EventFields) as MarketEvent),
  ),
)

test('decode(encode(event)) is project(event)', () => {
  const reading = readingOf()
  const [json, packed] = [new JsonScanner(reading), new MsgpackScanner(reading)]
  fc.assert(
    fc.property(events, event => {
      const expected = projectAlpaca(event)
      const list = expected ? [expected] : []
      const frame = new TextEncoder().encode(encodeJson([event]))
      assert.deepEqual(reportsOf(json, frame), list, 'JSON')
      assert.deepEqual(reportsOf(packed, encodePack([event])), list, 'msgpack')
    }),
    { numRuns: 2_000, seed: 13 },
  )
})

test('a minute that is not over is not said, as nobody could tell it from one that is', () => {
  const bar = { type: 'bar', symbol: 'SPY', timestamp: 0, interval: '1m', revision: 0 } as const
  const prices = { open: 1, high: 1, low: 1, close: 1, volume: 1 }
  assert.equal(encodeJson([createEvent({ ...bar, ...prices, final: false })]), '[]')
})
