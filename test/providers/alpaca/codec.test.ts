import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { encodeMsgpack } from '../../../src/base/msgpack.ts'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import {
  encodeJson,
  encodeJsonMessage,
  encodeMsgpackMessage,
  encodePack,
} from '../../../src/providers/alpaca/encode.ts'
import { PlainJsonDecoder, PlainMsgpackDecoder } from '../../../src/providers/alpaca/plain.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../../../src/providers/alpaca/scan-msgpack.ts'
import { plain, readingOf, reportsOf } from './record.ts'
import { GOLDEN, SAMPLES } from './samples.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const reading = readingOf()
const JSON_DECODERS = { scanner: JsonScanner, plain: PlainJsonDecoder }
const MSGPACK_DECODERS = { scanner: MsgpackScanner, plain: PlainMsgpackDecoder }
const eventOf = (fields: (typeof SAMPLES)[number]['event']) =>
  createEvent({ source: 'alpaca', receivedAt: 1, ...fields })

describe('documented messages', () => {
  for (const { name, json, event, exact } of SAMPLES) {
    it(name, () => {
      const expected = [eventOf(event)]
      for (const [decoder, Decoder] of Object.entries(JSON_DECODERS)) {
        assert.deepEqual(reportsOf(new Decoder(reading), bytesOf(`[${json}]`)), expected, decoder)
      }
      const packed = encodePack(expected)
      for (const [decoder, Decoder] of Object.entries(MSGPACK_DECODERS)) {
        assert.deepEqual(reportsOf(new Decoder(reading), packed), expected, decoder)
      }
      if (exact) assert.equal(encodeJson(expected), `[${json}]`)
    })
  }

  it('of all kinds in one frame come in their order, without a fall-back', () => {
    const decoder = new JsonScanner(reading)
    const frame = bytesOf(`[${SAMPLES.map(({ json }) => json)}]`)
    assert.deepEqual(
      reportsOf(decoder, frame),
      SAMPLES.map(({ event }) => eventOf(event)),
    )
    assert.equal(decoder.fallbacks, 0)
  })

  it('that come all the time are read by hand in msgpack, whatever their market', () => {
    const decoder = new MsgpackScanner(reading)
    const often = SAMPLES.filter(({ event: { type } }) =>
      ['trade', 'quote', 'bar', 'book'].includes(type),
    )
    for (const { name, event } of often) {
      reportsOf(decoder, encodePack([eventOf(event)]))
      assert.equal(decoder.fallbacks, 0, name)
    }
    assert.ok(often.length >= 14)
  })
})

describe('golden vectors of msgpack', () => {
  for (const [name, [hex, json]] of Object.entries(GOLDEN)) {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))
    it(`${name} decodes as its JSON does`, () => {
      const expected = plain(reportsOf(new PlainJsonDecoder(reading), bytesOf(json)))
      assert.equal(expected.length, 1)
      for (const Decoder of [MsgpackScanner, PlainMsgpackDecoder]) {
        assert.deepEqual(plain(reportsOf(new Decoder(reading), bytes)), expected)
      }
    })
  }

  it('are written byte for byte', () => {
    const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
    for (const name of ['trade', 'bar'] as const) {
      const [hex, json] = GOLDEN[name]
      const events = reportsOf(new JsonScanner(reading), bytesOf(json)) as MarketEvent[]
      assert.equal(hexOf(encodePack(events)), hex)
      assert.equal(encodeJson(events), json)
    }
    for (const name of ['connected', 'authenticated', 'error 406'] as const) {
      assert.equal(hexOf(encodeMsgpack(JSON.parse(GOLDEN[name][1]))), GOLDEN[name][0])
    }
  })
})

describe('events', () => {
  const symbol = fc.oneof(
    fc.constantFrom('AAPL', 'F', 'BRK.B', 'FAKEPACA', 'AAPL240315C00172500'),
    fc.constantFrom('BTC/USD', 'AVAX/USD', 'SHIB/USDT'),
    fc.stringMatching(/^[A-Z][A-Z.]{0,40}$/),
  )
  const timestamp = fc.oneof(
    fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2100, 0) }),
    fc.integer({ min: Date.UTC(100, 0), max: Date.UTC(10_000, 0) - 1 }),
  )
  const nanos = fc.oneof(fc.constant(0), fc.nat({ max: 999_999 }))
  const price = fc.oneof(
    fc.integer({ min: 1, max: 10_000_000 }).map(cents => cents / 100),
    fc.double({ min: Number.MIN_VALUE, noDefaultInfinity: true, noNaN: true }),
  )
  const size = fc.oneof(
    fc.nat(),
    fc.maxSafeNat(),
    fc.double({ min: 0, noDefaultInfinity: true, noNaN: true }).map(value => value + 0),
  )
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
  const id = maybe(
    fc.oneof(
      fc.nat(),
      fc.maxSafeNat(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }).map(String),
    ),
  )
  const text = fc.oneof(
    fc.stringMatching(/^[!-~]$/),
    fc.string({ unit: 'grapheme', minLength: 1 }).filter(value => value !== ' '),
  )
  const code = maybe(text)
  const conditions = maybe(
    fc.array(fc.oneof(fc.stringMatching(/^[ -~]$/), fc.string({ unit: 'grapheme' })), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  const base = {
    symbol,
    timestamp,
    nanos,
    source: fc.constant('alpaca'),
    receivedAt: fc.constant(1),
  }
  const side = fc.oneof(
    fc.record({ price, size }),
    fc.constant({ price: undefined, size: undefined }),
  )
  const kinds: fc.Arbitrary<MarketEvent>[] = [
    fc
      .record({
        ...{ ...base, price, size, id, exchange: code, conditions, tape: code },
        side: fc.constantFrom('buy' as const, 'sell' as const, undefined),
      })
      .map(fields => createEvent({ type: 'trade', ...fields })),
    fc
      .record({ ...base, bid: side, ask: side, x: code, y: code, conditions, tape: code })
      .map(({ bid, ask, x, y, ...fields }) => {
        const prices = { bid: bid.price, bidSize: bid.size, ask: ask.price, askSize: ask.size }
        return createEvent({ type: 'quote', ...fields, ...prices, bidExchange: x, askExchange: y })
      }),
    fc
      .record({
        ...{ ...base, open: price, high: price, low: price, close: price, volume: size },
        ...{ vwap: maybe(price), tradeCount: maybe(fc.maxSafeNat()) },
        kind: fc.constantFrom(
          { interval: '1m', final: true, revision: 0 } as const,
          { interval: '1m', final: true, revision: 1 } as const,
          { interval: '1d', final: false, revision: 0 } as const,
        ),
      })
      .map(({ kind, ...fields }) => createEvent({ type: 'bar', ...fields, ...kind })),
    fc
      .record({
        ...{ ...base, statusCode: text, statusMessage: code, reasonCode: code },
        ...{ reasonMessage: code, tape: code },
      })
      .map(fields => createEvent({ type: 'status', ...fields })),
    fc
      .record({ ...base, limitUp: price, limitDown: price, indicator: code, tape: code })
      .map(fields => createEvent({ type: 'luld', ...fields })),
    fc
      .record({ ...base, price: maybe(price), tape: code })
      .map(fields => createEvent({ type: 'imbalance', ...fields })),
    fc
      .record({
        ...{ ...base, originalId: id, originalPrice: price, originalSize: size },
        ...{
          originalConditions: conditions,
          id,
          price,
          size,
          conditions,
          exchange: code,
          tape: code,
        },
      })
      .map(fields => createEvent({ type: 'correction', ...fields })),
    fc
      .record({
        ...{ ...base, id, price: maybe(price), size: maybe(fc.integer({ min: 1 })) },
        ...{
          action: fc.constantFrom('cancel' as const, 'error' as const),
          exchange: code,
          tape: code,
        },
      })
      .map(fields => createEvent({ type: 'cancel', ...fields })),
  ]
  const level = fc.tuple(price, size)
  kinds.push(
    fc
      .record({ ...base, bids: fc.array(level, { maxLength: 40 }), asks: fc.array(level) })
      .map(fields => createEvent({ type: 'book', snapshot: false, ...fields })),
    fc
      .record({
        ...{ ...base, bids: fc.array(fc.tuple(price, price)), asks: fc.array(level) },
      })
      .map(({ asks, ...fields }) =>
        createEvent({
          ...{ type: 'book', snapshot: true, ...fields },
          asks: asks.filter(([, size]) => size > 0),
        }),
      ),
    fc
      .record({
        ...{ ...base, id, headline: fc.string({ unit: 'grapheme' }), summary: code, content: code },
        ...{ author: code, url: code, publisher: code, createdAt: maybe(timestamp) },
        symbols: fc.array(fc.constantFrom('AAPL', 'BRK.B', 'BTC/USD', 'SHIB/USDT')),
      })
      .map(({ symbol: _any, ...fields }) => {
        return createEvent({ type: 'news', symbol: fields.symbols[0], ...fields })
      }),
  )
  const events = fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 5 })

  it('decode to what was encoded, in JSON', () => {
    const decoder = new JsonScanner(reading)
    fc.assert(
      fc.property(events, written => {
        assert.deepEqual(reportsOf(decoder, bytesOf(encodeJson(written))), written)
      }),
      { numRuns: 1_500, seed: 1 },
    )
  })

  it('decode to what was encoded, in msgpack', () => {
    const decoder = new MsgpackScanner(reading)
    fc.assert(
      fc.property(events, written => {
        assert.deepEqual(reportsOf(decoder, encodePack(written)), written)
      }),
      { numRuns: 1_500, seed: 1 },
    )
  })

  it('keep every digit of an id around and beyond 2^53, in both codecs and by every decoder', () => {
    const near = fc.oneof(
      fc.bigInt({ min: 2n ** 53n - 40n, max: 2n ** 53n + 40n }),
      fc.bigInt({ min: 10n ** 15n, max: 2n ** 64n - 1n }),
      fc.integer({ min: 15, max: 19 }).map(digits => 10n ** BigInt(digits)),
      fc.constantFrom(0n, 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
    )
    // What the venue would write for the number, byte by byte, without our encoder.
    const wire = (id: bigint) => {
      const uint64 = Buffer.alloc(9, 0xcf)
      uint64.writeBigUInt64BE(id, 1)
      const [hex] = GOLDEN['crypto trade']
      return Buffer.from(hex.replace('cf2fd6fec7d9a14474', uint64.toString('hex')), 'hex')
    }
    const text = GOLDEN['crypto trade'][1]
    const [json, packed] = [Object.values(JSON_DECODERS), Object.values(MSGPACK_DECODERS)]
    const decoders = [json.map(D => new D(reading)), packed.map(D => new D(reading))] as const
    fc.assert(
      fc.property(near, id => {
        const exact = id < 2n ** 53n ? Number(id) : String(id)
        const frames = [bytesOf(text.replace('3447222699101865076', String(id))), wire(id)]
        for (const [i, frame] of frames.entries()) {
          for (const decoder of decoders[i as 0 | 1]) {
            const [report] = reportsOf(decoder, frame)
            assert.ok(report?.type === 'trade')
            assert.strictEqual(report.id, exact)
          }
        }
      }),
      { numRuns: 3_000, seed: 1 },
    )
  })

  it('the protocol has no message for are left out', () => {
    const ticker = createEvent({ type: 'ticker', symbol: 'AAPL', timestamp: 1 })
    const hour = createEvent({
      ...{ type: 'bar', symbol: 'AAPL', timestamp: 1, interval: '1h', open: 1, high: 1, low: 1 },
      ...{ close: 1, volume: 1, final: true, revision: 0 },
    })
    assert.equal(encodeJsonMessage(ticker), undefined)
    assert.equal(encodeMsgpackMessage(hour), undefined)
    assert.equal(encodeJson([ticker, hour]), '[]')
    assert.deepEqual([...encodePack([ticker, hour])], [0x90])
  })

  it('leave out an id that is not a 64-bit number', () => {
    for (const id of ['abc', '-1', '18446744073709551616', '0123456789012345678']) {
      const trade = createEvent({ type: 'trade', symbol: 'A', timestamp: 1, price: 1, size: 1, id })
      assert.ok(!encodeJsonMessage(trade)!.includes('"i"'), id)
    }
  })
})
