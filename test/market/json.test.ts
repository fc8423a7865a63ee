import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TickwireError } from '../../src/base/errors.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventType,
  KINDS,
  type MarketEvent,
  stampSeq,
} from '../../src/market/events.ts'
import { decodeEvent, encodeEvent, parseEvent } from '../../src/market/json.ts'
import { EVENT_SHAPES, jsonSchema } from '../../src/market/schema.ts'
import { anyEvent, ownFieldsOf } from './arbitrary.ts'
import { SAMPLES } from './samples.ts'

const trade = {
  type: 'trade',
  symbol: 'AAPL',
  price: 150.25,
  size: 100,
  timestamp: '2024-01-15T14:30:00.123Z',
}

const badEvent = (message: RegExp) => (error: unknown) =>
  error instanceof TickwireError &&
  error.code === 'BAD_EVENT' &&
  error.hint !== undefined &&
  message.test(error.message)

describe('the JSON form', () => {
  for (const [type, lines] of Object.entries(SAMPLES)) {
    it(`is this, to the letter, for a ${type}`, () => {
      for (const line of lines) assert.equal(encodeEvent(parseEvent(line)), line)
    })
  }

  for (const type of EVENT_TYPES) {
    it(`gives every ${type} back as it was`, () => {
      fc.assert(
        fc.property(anyEvent(type), event => {
          const json = encodeEvent(event)
          const back = parseEvent(json)
          assert.deepStrictEqual(back, event)
          assert.equal(Object.getPrototypeOf(back), KINDS[type].make.prototype)
          assert.deepEqual(Object.keys(back), Object.keys(event))
          assert.ok(!json.includes('\n'), 'one line')
        }),
        { numRuns: 100 },
      )
    })
  }

  it('holds every field of every kind', () => {
    for (const type of EVENT_TYPES) {
      const written = Object.keys(EVENT_SHAPES[type].shape)
      const common = ['type', 'symbol', 'timestamp', 'source', 'receivedAt', 'seq', 'flags']
      assert.deepEqual(written.toSorted(), [...common, ...KINDS[type].fields].toSorted())
      assert.deepEqual(ownFieldsOf(type).toSorted(), [...KINDS[type].fields].toSorted())
    }
  })

  it('leaves out an empty source, a receipt at the time of the event, and flags when there are none', () => {
    const timestamp = Date.UTC(2024, 0, 15, 14, 30, 0, 123)
    const event = createEvent({ ...trade, type: 'trade', timestamp })
    assert.equal(
      encodeEvent(event),
      '{"type":"trade","symbol":"AAPL","price":150.25,"size":100,"timestamp":"2024-01-15T14:30:00.123000000Z"}',
    )
    const marked = createEvent({
      ...event,
      source: 'alpaca',
      receivedAt: timestamp + 0.5,
      flags: 8 | 32,
    })
    stampSeq(marked, 7)
    assert.equal(
      encodeEvent(marked),
      `${encodeEvent(event).slice(0, -1)},"source":"alpaca","receivedAt":1705329000123.5,"seq":7,"flags":["simulated","delayed"]}`,
    )
  })
})

describe('encodeEvent', () => {
  const refused: [string, object][] = [
    ['price', { price: Number.NaN }],
    ['price', { price: Number.POSITIVE_INFINITY }],
    ['price', { price: undefined }],
    ['price', { price: '150' }],
    ['symbol', { symbol: '' }],
    ['symbol', { symbol: undefined }],
    ['id', { id: 2 ** 53 }],
    ['id', { id: 1.5 }],
    ['side', { side: 'sideways' }],
    ['conditions', { conditions: ['@', 7] }],
    ['conditions', { conditions: '@' }],
    ['timestamp', { timestamp: Number.NaN }],
    ['timestamp', { timestamp: 0.5 }],
    ['timestamp', { timestamp: 253_402_300_800_000 }],
    ['nanos', { nanos: 1_000_000 }],
    ['nanos', { nanos: -1 }],
    ['receivedAt', { receivedAt: Number.NaN }],
    ['flags', { flags: 256 }],
    ['seq', { seq: 0 }],
    ['type', { type: 'trad' }],
    ['type', { type: 'toString' }],
  ]
  for (const [field, change] of refused) {
    const shown = Object.values(change).map(String).join()
    it(`refuses a trade with ${field} ${shown || 'empty'}`, () => {
      const event = createEvent({ ...trade, type: 'trade', timestamp: 0 })
      const spoilt = { ...event, ...change } as unknown as MarketEvent
      assert.throws(() => encodeEvent(spoilt), badEvent(new RegExp(`not an event: ${field}: `)))
    })
  }

  it('refuses levels and intervals that are none', () => {
    const book = { type: 'book', symbol: 'A', timestamp: 0, asks: [], snapshot: true } as const
    for (const level of [[1, Number.NaN], [1], [1, 2, 3], 1]) {
      const bids = [level] as unknown as [[number, number]]
      assert.throws(() => encodeEvent(createEvent({ ...book, bids })), badEvent(/bids/))
    }
    const bar = { ...fullest('bar'), interval: '1x' } as unknown as MarketEvent
    assert.throws(() => encodeEvent(bar), badEvent(/interval: 1x/))
  })

  it('writes nothing that decodeEvent refuses, whatever a field holds', () => {
    const junk = fc.oneof(fc.anything(), fc.constantFrom('', null, Number.NaN, -1, 2 ** 60, '1x'))
    const spoilt = fc
      .constantFrom(...EVENT_TYPES)
      .chain(type =>
        fc.tuple(
          anyEvent(type),
          fc.constantFrom('symbol', 'source', 'seq', 'flags', ...KINDS[type].fields),
          junk,
        ),
      )
      .map(([event, field, value]) =>
        // Flags are bits: -0 is 0.
        Object.assign(event, { [field]: field === 'flags' && value === 0 ? 0 : value }),
      )
    let written = 0
    fc.assert(
      fc.property(spoilt, event => {
        let json: string
        try {
          json = encodeEvent(event)
        } catch (error) {
          assert.ok(error instanceof TickwireError && error.code === 'BAD_EVENT', String(error))
          return
        }
        written++
        assert.deepStrictEqual(parseEvent(json), event)
      }),
      { numRuns: 800 },
    )
    assert.ok(written > 50, 'some of them can be written')
  })

  it('keeps telling texts apart when more of them pass than it remembers', () => {
    for (let i = 0; i < 10_000; i++) {
      const event = createEvent({ ...trade, type: 'trade', timestamp: 0, symbol: `S${i % 5_001}` })
      assert.ok(encodeEvent(event).startsWith(`{"type":"trade","symbol":"S${i % 5_001}","price"`))
    }
  })
})

describe('decodeEvent', () => {
  it('reads any RFC 3339 time to the nanosecond', () => {
    const read = (timestamp: string) => {
      const event = decodeEvent({ ...trade, timestamp })
      return [event.timestamp, event.nanos]
    }
    const second = Date.UTC(2024, 0, 15, 14, 30)
    assert.deepEqual(read('2024-01-15T14:30:00Z'), [second, 0])
    assert.deepEqual(read('2024-01-15t09:30:00.123456789-05:00'), [second + 123, 456_789])
    assert.deepEqual(read('2024-01-15T20:00:00.000000001+05:30'), [second, 1])
  })

  it('ignores keys it does not know', () => {
    const event = decodeEvent({ ...trade, mood: 'hopeful', nanos: 5, __proto__: { x: 1 } })
    assert.deepStrictEqual(event, decodeEvent(trade))
    const hostile = JSON.stringify(trade).replace('{', '{"__proto__":{"size":1},"constructor":1,')
    assert.deepStrictEqual(parseEvent(hostile), decodeEvent(trade))
  })

  const refused: [unknown, RegExp][] = [
    [undefined, /expected object, received undefined/],
    [null, /expected object, received null/],
    [[], /expected object, received array/],
    ['trade', /expected object, received string/],
    [{}, /type: expected one of trade, quote, ticker/],
    [{ ...trade, type: 'trad' }, /type: unknown kind trad; did you mean trade\?/],
    [{ ...trade, type: 5 }, /type: unknown kind 5; known: trade/],
    [{ ...trade, price: '150' }, /price: expected number, received string/],
    [{ ...trade, price: undefined }, /price: expected number, received undefined/],
    [{ ...trade, price: null }, /price: expected number, received null/],
    [{ ...trade, price: Number.NaN }, /price: expected number, received NaN/],
    [{ ...trade, symbol: '' }, /symbol: /],
    [{ ...trade, id: 2 ** 53 }, /id: Too big: expected int to be <=9007199254740991/],
    [{ ...trade, id: true }, /id: expected a whole number below 2\^53 or text/],
    [{ ...trade, conditions: ['@', 1] }, /conditions\.1: expected string, received number/],
    [{ ...trade, side: 'up' }, /side: .*"buy"\|"sell"/],
    [{ ...trade, timestamp: 1_705_329_000_123 }, /timestamp: expected string, received number/],
    [{ ...trade, timestamp: '2024-02-30T00:00:00Z' }, /timestamp: expected a time as in 2024-/],
    [{ ...trade, timestamp: 'yesterday' }, /timestamp: expected a time as in 2024-/],
    [{ ...trade, flags: ['shiny'] }, /flags\.0: .*"simulated"/],
    [{ ...trade, flags: 8 }, /flags: expected array, received number/],
    [{ ...trade, seq: 0 }, /seq: /],
    [{ ...trade, receivedAt: 'now' }, /receivedAt: expected number, received string/],
  ]
  for (const [value, message] of refused) {
    it(`refuses with ${message.source}`, () => {
      assert.throws(() => decodeEvent(value), badEvent(message))
    })
  }

  it('refuses a number beyond the doubles', () => {
    const text = JSON.stringify(trade).replace('150.25', '1e999')
    assert.throws(() => parseEvent(text), badEvent(/price: expected number/))
  })

  it('says what a line that is not JSON begins with', () => {
    assert.throws(
      () => parseEvent(`{"type":${'x'.repeat(500)}`),
      badEvent(/not JSON: \{"type":xxx.*…$/),
    )
    assert.throws(() => parseEvent(''), badEvent(/not JSON/))
  })
})

describe('schema/event.json', () => {
  const file = readFileSync(new URL('../../schema/event.json', import.meta.url), 'utf8')
  const schema = JSON.parse(file) as { oneOf: KindSchema[] }

  it('is what `npm run schema` writes', () => {
    assert.deepEqual(schema, JSON.parse(JSON.stringify(jsonSchema())), 'run `npm run schema`')
  })

  it('has one branch per kind, with the keys an encoder writes and the required ones among them', () => {
    assert.deepEqual(
      schema.oneOf.map(branch => branch.properties.type?.const),
      EVENT_TYPES,
    )
    for (const branch of schema.oneOf) {
      const type = branch.properties.type?.const as EventType
      const lines = SAMPLES[type].map(line => Object.keys(JSON.parse(line)))
      const known = Object.keys(branch.properties)
      const always = known.filter(key => lines.every(keys => keys.includes(key)))
      assert.deepEqual(branch.required, always, type)
      assert.deepEqual(
        known.filter(key => !lines.some(keys => keys.includes(key))),
        [],
        `every key of ${type} is in a sample`,
      )
    }
  })

  it('takes every sample, and refuses what decodeEvent refuses', () => {
    for (const line of Object.values(SAMPLES).flat()) {
      assert.ok(fits(schema, JSON.parse(line)), line)
      assert.ok(fits(schema, { ...JSON.parse(line), newer: 'key' }), 'unknown keys are allowed')
    }
    for (const change of [
      { type: 'trad' },
      { price: '150' },
      { price: undefined },
      { symbol: '' },
      { id: 1.5 },
      { id: 2 ** 53 },
      { side: 'up' },
      { conditions: ['@', 1] },
      { timestamp: 5 },
      { seq: 0 },
      { flags: ['shiny'] },
    ]) {
      const spoilt = { ...JSON.parse(SAMPLES.trade[1]), ...change }
      assert.throws(() => decodeEvent(spoilt), badEvent(/./))
      assert.ok(!fits(schema, JSON.parse(JSON.stringify(spoilt))), JSON.stringify(change))
    }
    const bar = JSON.parse(SAMPLES.bar[1])
    assert.ok(!fits(schema, { ...bar, interval: '1x' }))
    const book = JSON.parse(SAMPLES.book[1])
    for (const bids of [[[1]], [[1, 2, 3]], [[1, '2']], [1]]) {
      assert.throws(() => decodeEvent({ ...book, bids }), badEvent(/bids/))
      assert.ok(!fits(schema, { ...book, bids }), JSON.stringify(bids))
    }
  })
})

/** JSON Schema 2020-12, as much of it as the file uses; a keyword it does not know fails the test. */
function fits(schema: object, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, rule]) => {
    const check = KEYWORDS[keyword]
    assert.ok(check, `the test knows the keyword ${keyword}`)
    return check(rule as never, value, schema)
  })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const KEYWORDS: Record<string, (rule: never, value: unknown, schema: object) => boolean> = {
  ...Object.fromEntries(
    ['$schema', 'title', 'description', 'examples', 'format'].map(name => [name, () => true]),
  ),
  type: (type: string, value) =>
    type === 'array'
      ? Array.isArray(value)
      : type === 'integer'
        ? Number.isInteger(value)
        : type === 'object'
          ? isObject(value)
          : typeof value === type,
  const: (only: unknown, value) => value === only,
  enum: (words: unknown[], value) => words.includes(value),
  oneOf: (rules: object[], value) => rules.filter(rule => fits(rule, value)).length === 1,
  anyOf: (rules: object[], value) => rules.some(rule => fits(rule, value)),
  properties: (rules: Record<string, object>, value) =>
    !isObject(value) ||
    Object.entries(rules).every(([key, rule]) => !(key in value) || fits(rule, value[key])),
  required: (keys: string[], value) => !isObject(value) || keys.every(key => key in value),
  prefixItems: (rules: object[], value) =>
    !Array.isArray(value) || rules.every((rule, i) => i >= value.length || fits(rule, value[i])),
  items: (rule: object | false, value, { prefixItems = [] }: { prefixItems?: unknown[] }) =>
    !Array.isArray(value) ||
    value.slice(prefixItems.length).every(item => rule !== false && fits(rule, item)),
  minItems: (least: number, value) => !Array.isArray(value) || value.length >= least,
  maxItems: (most: number, value) => !Array.isArray(value) || value.length <= most,
  minLength: (least: number, value) => typeof value !== 'string' || value.length >= least,
  pattern: (source: string, value) => typeof value !== 'string' || new RegExp(source).test(value),
  minimum: (least: number, value) => typeof value !== 'number' || value >= least,
  maximum: (most: number, value) => typeof value !== 'number' || value <= most,
}

interface KindSchema {
  readonly properties: Readonly<Record<string, { const?: string }>>
  readonly required: readonly string[]
}

/** The fullest sample of a kind. */
function fullest(type: EventType): MarketEvent {
  return parseEvent(SAMPLES[type][1])
}
