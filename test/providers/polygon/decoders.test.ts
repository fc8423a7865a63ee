// What frames come to: the documented ones, odd ones and wrong ones, by the scanner and by the plain decoder alike.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PolygonDecoder } from '../../../src/providers/polygon/codec.ts'
import type { PolygonMarket } from '../../../src/providers/polygon/markets.ts'
import { PlainDecoder } from '../../../src/providers/polygon/plain.ts'
import { plain, readingOf, reportsOf } from './record.ts'
import { SAMPLES } from './samples.ts'

/** What both decoders make of a frame: the same. */
function decoded(market: PolygonMarket, text: string): unknown[] {
  const scanned = plain(reportsOf(new PolygonDecoder(readingOf(market)), text))
  assert.deepEqual(scanned, plain(reportsOf(new PlainDecoder(readingOf(market)), text)))
  return scanned
}

const trade = (fields: object, change: (text: string) => string = text => text) => {
  const message = {
    ev: 'T',
    sym: 'AAPL',
    x: 11,
    i: '7',
    z: 3,
    p: 150.25,
    s: 100,
    t: 1_610_144_868_000,
  }
  return change(`[${JSON.stringify({ ...message, ...fields })}]`)
}
const first = (text: string, market: PolygonMarket = 'stocks') =>
  decoded(market, text)[0] as { [key: string]: unknown }

describe('documented messages', () => {
  for (const { market, text, event } of SAMPLES) {
    test(`${market}: ${text.slice(0, 60)}`, () => {
      assert.deepEqual(decoded(market, `[${text}]`), [{ ...event }])
    })
  }

  test('are all read without JSON.parse, in one frame with a status among them', () => {
    const stocks = SAMPLES.filter(({ market }) => market === 'stocks')
    const status = '{"ev":"status","status":"success","message":"subscribed to: T.AAPL"}'
    const texts = stocks.map(({ text }) => text)
    texts.splice(3, 0, status)
    const decoder = new PolygonDecoder(readingOf('stocks'))
    const reports = reportsOf(decoder, `[${texts.join()}]`)
    assert.equal(decoder.fallbacks, 0)
    assert.equal(reports.length, stocks.length + 1)
    // What was granted is told once, behind the events.
    assert.deepEqual(plain(reports).at(-1), { type: 'confirmed', covered: ['tradeAAPL'] })
  })
})

describe('messages that are not as documented', () => {
  test('keys in any order, unknown ones and white space change nothing', () => {
    const { text, event } = SAMPLES[0]!
    const entries = Object.entries(JSON.parse(text))
    const turned = JSON.stringify(Object.fromEntries(entries.reverse()))
    assert.deepEqual(decoded('stocks', `[${turned}]`), [{ ...event }])
    const more = text.replace('"p":', '"new":{"a":[1,"}"]},"p":')
    assert.deepEqual(decoded('stocks', ` [ ${more} ] `), [{ ...event }])
    const spaced = text.replaceAll(',', ' , ').replaceAll(':', ' : ')
    assert.deepEqual(decoded('stocks', `[${spaced}]`), [{ ...event }])
  })

  test('a price that is missing, 0, negative, no number or beyond all numbers is refused', () => {
    for (const p of ['0', '-1', '"150"', 'null', '1e999', '[]']) {
      const text = trade({}, it => it.replace('"p":150.25', `"p":${p}`))
      const [report] = decoded('stocks', text)
      assert.equal((report as { type: string }).type, 'malformed', p)
    }
    const none = trade({}, text => text.replace('"p":150.25,', ''))
    assert.deepEqual(decoded('stocks', none), [
      { type: 'malformed', reason: 'T: p is not a price' },
    ])
  })

  test('a time, a symbol or a size that is missing or wrong is refused', () => {
    const refused = (fields: object) => first(trade(fields)).type === 'malformed'
    assert.ok(refused({ t: undefined }))
    assert.ok(refused({ t: 1.5 }))
    assert.ok(refused({ t: -5 }))
    assert.ok(refused({ t: '1610144868000' }))
    assert.ok(refused({ sym: undefined }))
    assert.ok(refused({ sym: '' }))
    assert.ok(refused({ sym: '*' }))
    assert.ok(refused({ sym: 5 }))
    assert.ok(refused({ s: undefined }))
    assert.ok(refused({ s: -1 }))
    assert.ok(refused({ ds: 'much' }))
    assert.ok(refused({ c: ['@'] }))
    assert.ok(refused({ x: -1 }))
    assert.ok(!refused({}))
  })

  test('of a frame that is no array or does not parse nothing comes', () => {
    for (const text of ['', '{}', 'null', '[', '[{"ev":"T"', `${trade({})}x`, '[1,]', '\u0001']) {
      const reports = decoded('stocks', text) as { type: string }[]
      assert.deepEqual(
        reports.map(({ type }) => type),
        ['malformed'],
        JSON.stringify(text),
      )
    }
    assert.deepEqual(decoded('stocks', '[]'), [])
    const half = trade({}).slice(0, -1)
    assert.deepEqual(decoded('stocks', `${half},{"ev":"T",]`), [
      { type: 'malformed', reason: 'not JSON' },
    ])
  })

  test('a message without ev is refused, one of an unknown kind is counted, and the others come', () => {
    const good = trade({}).slice(1, -1)
    const reports = decoded('stocks', `[5,${good},{"sym":"A"},{"ev":"LV","val":1},${good}]`)
    const types = (reports as { type: string; kind?: string }[]).map(it => it.kind ?? it.type)
    assert.deepEqual(types, ['malformed', 'trade', 'malformed', 'LV', 'trade'])
  })

  test('a bar of stocks says how much was traded, a bar of an index does not', () => {
    const text = '[{"ev":"A","sym":"I:SPX","o":1,"c":1,"h":1,"l":1,"s":1678220675000}]'
    assert.equal(first(text, 'stocks').type, 'malformed')
    assert.equal(first(text, 'indices').volume, 0)
  })

  test('a quote of which both sides are missing is refused, of which one is, has the other', () => {
    const quote = (fields: string) => `[{"ev":"Q","sym":"A",${fields}"t":1610144868000}]`
    assert.equal(first(quote('')).type, 'malformed')
    const { bid, bidSize, ask } = first(quote('"bp":5,"bs":2,'))
    assert.deepEqual([bid, bidSize, ask], [5, 2, undefined])
  })
})

test('a quote with a key that comes twice leaves nothing behind for those after it', () => {
  const decoder = new PolygonDecoder(readingOf('stocks'))
  const conditionsOf = (fields: string) => {
    const frame = `[{"ev":"Q","sym":"MSFT","bx":4,"bp":1,"bs":1,"ax":7,"ap":2,"as":1,${fields},"t":1536036818784}]`
    const [quote] = reportsOf(decoder, frame)
    return quote?.type === 'quote' ? quote.conditions : quote
  }
  assert.deepEqual(conditionsOf('"i":[604],"c":[1],"c":2'), ['2', '604'])
  assert.deepEqual(conditionsOf('"c":2,"i":[1]'), ['2', '1'])
})

describe('numbers', () => {
  test('ids beyond 2^53 are exact, as texts', () => {
    for (const [json, id] of [
      ['"9007199254740991"', 9_007_199_254_740_991],
      ['"9007199254740993"', '9007199254740993'],
      ['9007199254740993', '9007199254740993'],
      ['"1152921504606846977"', '1152921504606846977'],
      ['"007"', '007'],
      ['"A-7"', 'A-7'],
      ['""', undefined],
    ] as const) {
      assert.equal(first(trade({}, it => it.replace('"i":"7"', `"i":${json}`))).id, id, json)
    }
  })

  test('times are told by their length: s, ms, µs, ns', () => {
    for (const [t, timestamp, nanos] of [
      ['1610144868', 1_610_144_868_000, 0],
      ['1610144868123', 1_610_144_868_123, 0],
      ['1610144868123456', 1_610_144_868_123, 456_000],
      ['1610144868123456789', 1_610_144_868_123, 456_789],
      ['161014486812', 161_014_486_812, 0],
      ['99999999999999', 99_999_999_999_999, 0],
    ] as const) {
      const event = first(trade({}, it => it.replace('1610144868000', t)))
      assert.deepEqual([event.timestamp, event.nanos], [timestamp, nanos], t)
    }
  })

  test('sizes of quotes are multiplied only where one has said so', () => {
    const { text } = SAMPLES[3]!
    for (const [lot, size] of [
      [1, 100],
      [100, 10_000],
    ] as const) {
      for (const Decoder of [PolygonDecoder, PlainDecoder]) {
        const [quote] = plain(reportsOf(new Decoder(readingOf('stocks', { lot })), `[${text}]`))
        assert.equal((quote as { bidSize: number }).bidSize, size)
      }
    }
  })
})

describe('what nobody wants', () => {
  test('is passed over, whatever is in it, and what is wanted comes', () => {
    const interest = { revision: 1, mask: (symbol: string) => (symbol === 'AAPL' ? 1 : 0) }
    const decoder = new PolygonDecoder(readingOf('stocks', { interest }))
    const other = '{"ev":"T","sym":"MSFT","x":{"a":"}"},"p":"no"}'
    const quote = '{"ev":"Q","sym":"AAPL","bx":4,"bp":1,"bs":1,"ax":7,"ap":2,"as":1,"t":1}'
    const wanted = trade({}).slice(1, -1)
    const reports = reportsOf(decoder, `[${quote},${wanted},${other.replace('{"a":"}"}', '4')}]`)
    assert.deepEqual(
      reports.map(({ type }) => type),
      ['trade'],
    )
  })
})

describe('statuses', () => {
  const status = (name: string, message?: string) =>
    `[${JSON.stringify({ ev: 'status', status: name, message })}]`

  test('of the greeting and of faults', () => {
    assert.deepEqual(decoded('stocks', status('connected', 'x')), [{ type: 'welcome' }])
    assert.deepEqual(decoded('stocks', status('auth_success', 'x')), [{ type: 'ready' }])
    for (const name of ['auth_failed', 'auth_timeout', 'max_connections']) {
      const error = { type: 'error', code: undefined, name, message: 'words' }
      assert.deepEqual(decoded('stocks', status(name, 'words')), [error])
    }
    const message = "You don't have access real-time data. If your plan …"
    const error = { type: 'error', code: undefined, name: 'no_realtime', message }
    assert.deepEqual(decoded('stocks', status('error', message)), [error])
  })

  test('nobody knows are counted, without a message too', () => {
    assert.deepEqual(decoded('stocks', status('late')), [{ type: 'unknown', kind: 'status late' }])
    assert.deepEqual(decoded('stocks', '[{"ev":"status"}]'), [{ type: 'unknown', kind: 'status' }])
    // A refusal of something nobody has asked for.
    const stray = decoded('stocks', status('error', 'not authorized'))
    assert.deepEqual(stray, [{ type: 'unknown', kind: 'status error' }])
  })
})
