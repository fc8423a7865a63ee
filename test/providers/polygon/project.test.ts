// What a cluster makes of any event, of any venue, is what project() says.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createEvent, type EventFields, type MarketEvent } from '../../../src/market/events.ts'
import { PolygonDecoder } from '../../../src/providers/polygon/codec.ts'
import { encodeEvent } from '../../../src/providers/polygon/encode.ts'
import { MARKETS, type PolygonMarket } from '../../../src/providers/polygon/markets.ts'
import { projectPolygon } from '../../../src/providers/polygon/project.ts'
import { plain, readingOf, reportsOf } from './record.ts'

const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined })
const price = fc.integer({ min: 1, max: 1e9 }).map(cents => cents / 1_000)
const size = fc.oneof(
  fc.nat(),
  fc.integer({ min: 1, max: 1e9 }).map(units => units / 10_000),
)
const text = fc.oneof(fc.constantFrom('V', '4', '4:202', 'kraken', 'A', '@'), fc.string())
const list = maybe(
  fc.array(fc.oneof(text, fc.nat(700).map(String)), { minLength: 1, maxLength: 3 }),
)
const id = fc.oneof(fc.nat(), fc.constantFrom('a-1', '0012', '9007199254740993'))
const base = {
  source: fc.constant('polygon'),
  timestamp: fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2100, 0) }),
  nanos: fc.nat(999_999),
  receivedAt: fc.constant(1),
  flags: fc.nat(31),
  conditions: list,
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
  luld: { limitUp: price, limitDown: price, indicator: maybe(text) },
  imbalance: {
    price: maybe(price),
    size: maybe(size),
    pairedSize: maybe(size),
    auction: maybe(text),
  },
  ticker: { last: price, value: maybe(price) },
}
const SYMBOLS: Readonly<Partial<Record<PolygonMarket, string>>> = {
  ...{ stocks: 'SPY', crypto: 'BTC/USD', forex: 'EUR/USD', options: 'SPY251219C00650000' },
}

describe('decode(encode(event)) is project(event)', () => {
  for (const [name, symbol] of Object.entries(SYMBOLS)) {
    const market = MARKETS[name as PolygonMarket]
    const events = fc.oneof(
      ...Object.entries(KINDS).map(([type, fields]) =>
        fc
          .record({ ...base, ...fields })
          .map(
            all => createEvent({ type, symbol, ...all } as unknown as EventFields) as MarketEvent,
          ),
      ),
    )
    test(name, () => {
      fc.assert(
        fc.property(events, event => {
          const message = encodeEvent(event, market)
          const decoder = new PolygonDecoder(readingOf(name as PolygonMarket))
          const expected = projectPolygon(event, market)
          const heard = message === undefined ? [] : plain(reportsOf(decoder, `[${message}]`))
          assert.deepEqual(heard, expected ? [{ ...expected }] : [])
        }),
        { numRuns: 800, seed: 13 },
      )
    })
  }
})
