// What the tests of both forms of blocks share: events of all sorts, and how damage has to show.
import fc from 'fast-check'
import { TickwireError } from '../../src/base/errors.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventFields,
  KINDS,
  type MarketEvent,
} from '../../src/market/events.ts'
import { anyEvent } from './arbitrary.ts'

const nasty = fc.oneof(
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, 5e-324),
  fc.constantFrom(2 ** 53, -(2 ** 53) - 2, 2 ** 31, -(2 ** 31), 2 ** 30, 2 ** 29, 1e22, 1e-13, 0.1),
  fc.double(),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
)

/** An event of any kind in which any number may be any double; only `flags` are marks. */
const wild = fc
  .tuple(
    fc.constantFrom(...EVENT_TYPES).chain(anyEvent),
    fc.dictionary(fc.constantFrom('timestamp', 'nanos', 'receivedAt', 'own'), nasty),
    fc.infiniteStream(nasty),
  )
  .map(([event, common, numbers]) => {
    const fields: Record<string, unknown> = { ...event, ...common, own: undefined }
    for (const name of KINDS[event.type].fields) {
      if (typeof fields[name] === 'number' && 'own' in common) fields[name] = numbers.next().value
    }
    return createEvent(fields as unknown as EventFields)
  })

/** Quotes, trades, bars and books as a market has them: few symbols, prices that go in small steps. */
const usual = fc
  .record({
    symbol: fc.constantFrom('AAPL', 'MSFT', 'BTC/USD'),
    source: fc.constantFrom('alpaca', 'simulated'),
    ms: fc.integer({ min: -2, max: 5_000 }),
    nanos: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999 })),
    cents: fc.integer({ min: 14_990, max: 15_010 }),
    delay: fc.oneof(fc.constantFrom(0, 0.5), fc.double({ min: 0, max: 0.1, noNaN: true })),
    size: fc.integer({ min: 0, max: 500 }),
    kind: fc.constantFrom('trade', 'quote', 'book', 'bar'),
    flags: fc.constantFrom(0, 0, 0, 8, 9),
    tape: fc.constantFrom('A', 'C', undefined),
    list: fc.constantFrom(Object.freeze(['R']), Object.freeze(['@', 'I']), undefined),
    side: fc.constantFrom('buy', 'sell', undefined),
  })
  .map(({ ms, cents, delay, size, list, kind, ...rest }): MarketEvent => {
    const timestamp = 1_705_329_000_000 + ms
    const price = cents / 100
    const common = { ...rest, timestamp, receivedAt: timestamp + rest.nanos / 1e6 + delay }
    const word = list && 'V'
    switch (kind) {
      case 'trade': {
        const own = { price, size, id: cents * 7, exchange: word, conditions: list }
        return createEvent({ ...common, ...own, type: 'trade', side: rest.side as 'buy' })
      }
      case 'quote': {
        const asks = { ask: price + 0.01, askSize: size * 100, askExchange: 'Q' }
        const own = { bid: price, bidSize: size, bidExchange: word, conditions: list, ...asks }
        return createEvent({ ...common, ...own, type: 'quote' })
      }
      case 'bar': {
        const prices = { open: price, high: price, low: price, close: price, vwap: price / 3 }
        const own = { interval: '1m', volume: size, final: true, revision: 0 } as const
        const minute = { timestamp: timestamp - 60_000, nanos: 0 }
        return createEvent({ ...common, ...prices, ...own, ...minute, type: 'bar' })
      }
      default: {
        const bids = Array.from({ length: size % 5 }, (_, i) => [price - i / 100, i / 8] as const)
        const asks = [[price + 0.5, size * 1e-8] as const]
        return createEvent({ ...common, type: 'book', bids, asks, snapshot: true, sequence: size })
      }
    }
  })

export const anyEvents = fc.array(fc.oneof({ weight: 2, arbitrary: usual }, wild), {
  minLength: 1,
  maxLength: 40,
  size: 'max',
})

export const isBadBlock = (error: unknown) =>
  error instanceof TickwireError && error.code === 'BAD_BLOCK' && error.hint !== undefined
