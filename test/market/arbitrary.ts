// Events of every kind for properties, written apart from the schema that is tested with them.
import fc from 'fast-check'
import {
  createEvent,
  EVENT_TYPES,
  type EventFields,
  type EventType,
  type MarketEvent,
  NOTICES,
} from '../../src/market/events.ts'

type Fields = Record<string, fc.Arbitrary<unknown>>

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map(cents => cents / 100),
  fc.constantFrom(-0, 0, 5e-324, 1.7976931348623157e308, 1e21, 1e-7, 0.1 + 0.2),
)
// `binary` is every code point; half a surrogate pair can come off a wire too.
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('V', '@', '"', '\\', '\n', '\u2028', '\ud800', 'x\udc00', '', '€'),
)
const texts = fc.array(text, { maxLength: 4 })
const levels = fc.array(fc.tuple(number, number), { maxLength: 5 })
const id = fc.oneof(fc.maxSafeInteger(), text)
const side = fc.constantFrom('buy', 'sell')
const boolean = fc.boolean()
const maybe = (arbitrary: fc.Arbitrary<unknown>) => fc.option(arbitrary, { nil: undefined })
const maybeAll = (names: string, arbitrary: fc.Arbitrary<unknown>): Fields =>
  Object.fromEntries(names.split(' ').map(name => [name, maybe(arbitrary)]))
const all = (names: string, arbitrary: fc.Arbitrary<unknown>): Fields =>
  Object.fromEntries(names.split(' ').map(name => [name, arbitrary]))

export const anySymbol = fc.oneof(
  fc.constantFrom('AAPL', 'BRK.B', 'BTC/USD', 'NSE:RELIANCE', 'ES=F', 'A*B', '币安', 'A B'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
)
const interval = fc
  .tuple(fc.integer({ min: 1, max: 99_999 }), fc.constantFrom('s', 'm', 'h', 'd', 'w'))
  .map(([count, unit]) => `${count}${unit}`)

/** Years 0000–9999, often near the epoch and today. */
export const anyTimestamp = fc.oneof(
  fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }),
  fc.integer({ min: 1_705_000_000_000, max: 1_706_000_000_000 }),
  fc.constantFrom(0, -1, 1, -62_167_219_200_000, 253_402_300_799_999, 951_782_400_000),
)
export const anyNanos = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999 }))

const OWN: Record<EventType, Fields> = {
  trade: {
    ...all('price size', number),
    ...maybeAll('exchange tape', text),
    ...{ id: maybe(id), conditions: maybe(texts), side: maybe(side) },
  },
  quote: {
    ...maybeAll('bid bidSize ask askSize', number),
    ...maybeAll('bidExchange askExchange tape', text),
    conditions: maybe(texts),
  },
  ticker: {
    ...maybeAll('last lastSize lastTime open high low previousClose change', number),
    ...maybeAll('changePercent volume vwap bid ask bidSize askSize', number),
    ...maybeAll('openInterest mark value', number),
    name: maybe(text),
  },
  bar: {
    ...all('open high low close volume revision', number),
    ...maybeAll('vwap tradeCount', number),
    interval,
    final: boolean,
    adjustment: maybe(fc.constantFrom('raw', 'split', 'dividend', 'all')),
  },
  book: {
    ...all('bids asks', levels),
    snapshot: boolean,
    ...maybeAll('sequence checksum', number),
  },
  status: { statusCode: text, ...maybeAll('statusMessage reasonCode reasonMessage tape', text) },
  luld: { ...all('limitUp limitDown', number), ...maybeAll('indicator tape', text) },
  imbalance: {
    ...maybeAll('price size pairedSize', number),
    ...maybeAll('auction exchange tape', text),
    side: maybe(side),
  },
  correction: {
    ...all('originalPrice originalSize price size', number),
    ...maybeAll('originalId id', id),
    ...maybeAll('originalConditions conditions', texts),
    ...maybeAll('exchange tape', text),
  },
  cancel: {
    ...maybeAll('price size', number),
    ...maybeAll('exchange tape', text),
    ...{ id: maybe(id), action: fc.constantFrom('cancel', 'error') },
  },
  news: {
    ...{ id: maybe(id), headline: text, symbols: texts, createdAt: maybe(number) },
    ...maybeAll('summary content author url publisher', text),
  },
  notice: {
    ...{ notice: fc.constantFrom(...NOTICES), message: text, code: maybe(text) },
    kind: maybe(fc.constantFrom(...EVENT_TYPES)),
    ...maybeAll('from to count', number),
  },
}

/** Any event of a kind; optional fields are there or not, independently of each other. */
export function anyEvent(type: EventType): fc.Arbitrary<MarketEvent> {
  const fields = {
    symbol: type === 'news' || type === 'notice' ? maybe(anySymbol) : anySymbol,
    source: fc.oneof(fc.constantFrom('', 'alpaca'), text),
    timestamp: anyTimestamp,
    nanos: anyNanos,
    receivedAt: maybe(number),
    flags: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })),
    seq: maybe(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    ...OWN[type],
  }
  return fc.record(fields).map(values => createEvent({ type, ...values } as unknown as EventFields))
}

/** Names of the kind's fields, as this file knows them. */
export const ownFieldsOf = (type: EventType): readonly string[] => Object.keys(OWN[type])
