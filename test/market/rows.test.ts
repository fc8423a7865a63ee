import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  createEvent,
  type EventFields,
  KINDS,
  type Level,
  type MarketEvent,
  stampSeq,
  type Trade,
} from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { hasWholeDictionary, RowDecoder, RowEncoder } from '../../src/market/rows.ts'
import { anyEvents, isBadBlock } from './blocks.ts'
import { SAMPLES } from './samples.ts'

const samples = Object.values(SAMPLES).flat().map(parseEvent)
const numbered = (events: readonly MarketEvent[], firstSeq: number): MarketEvent[] =>
  events.map((event, i) => {
    const copy = createEvent(event)
    stampSeq(copy, firstSeq + i)
    return copy
  })

/** A block with all samples by an encoder that has seen none before. */
const block = () => new RowEncoder().encode(samples, 0, samples.length, false).slice()

describe('blocks of rows', () => {
  it('give every event back as it was, whatever the blocks and wherever the dictionary is whole', () => {
    const limits = fc.array(fc.tuple(fc.nat(12), fc.boolean()), { minLength: 40, maxLength: 40 })
    fc.assert(
      fc.property(anyEvents, limits, (events, cuts) => {
        const encoder = new RowEncoder()
        const decoder = new RowDecoder()
        let from = 0
        for (const [size, whole] of cuts) {
          const to = Math.min(events.length, from + size + 1)
          const payload = encoder.encode(events, from, to, whole)
          if (whole) assert.equal(hasWholeDictionary(payload), true)
          const back = decoder.decode(payload, from + 1)
          assert.deepStrictEqual(back, numbered(events.slice(from, to), from + 1))
          for (const event of back ?? []) {
            assert.equal(Object.getPrototypeOf(event), KINDS[event.type].make.prototype)
          }
          from = to
        }
      }),
      { numRuns: 150 },
    )
  })

  it('tell numbers from those they are written relative to, however small the difference', () => {
    const book = (bids: readonly Level[]) =>
      createEvent({ ...trade('A'), type: 'book', bids, asks: [], snapshot: true } as EventFields)
    const events = [
      trade('A', { timestamp: 5, receivedAt: 1, id: 5, price: 5, size: 5 }),
      trade('A', { timestamp: 1e-20, receivedAt: 1e-20, id: 1e-20, price: 1e-20, size: 1e-20 }),
      trade('A', { timestamp: -0, receivedAt: -0, id: -0, price: -0, size: -0, nanos: -0 }),
      trade('A', { timestamp: 0, receivedAt: 0, id: 0, price: 0, size: 0, nanos: 0 }),
      trade('A', { timestamp: 1_001, nanos: 999_999 }),
      trade('A', { timestamp: 0, nanos: 1 }),
      trade('A', { timestamp: 2_000, nanos: 1_000_000 }),
      trade('A', { timestamp: 2_001, nanos: 5 }),
      trade('A', { timestamp: 2_001, nanos: 5.5 }),
      // As whole numbers of 0.00001 the sizes are even more, but not exactly these.
      book([
        [1.5, 37_444_000_168.87],
        [1.25, 0.12345],
      ]),
      book([
        [-0, 1],
        [1, -0],
      ]),
      book([[1, -1]]),
    ]
    const back = new RowDecoder().decode(
      new RowEncoder().encode(events, 0, events.length, false),
      1,
    )
    assert.deepStrictEqual(back, numbered(events, 1))
  })

  it('give the fields in the order of the class', () => {
    const back = new RowDecoder().decode(block(), 1)!
    for (const [i, event] of samples.entries()) {
      assert.deepEqual(Object.keys(back[i]!), Object.keys(event))
    }
  })

  it('hold no event at all', () => {
    assert.deepEqual(new RowDecoder().decode(new RowEncoder().encode([], 0, 0, false), 1), [])
  })

  it('share lists of conditions between events', () => {
    const [first, second] = [trade('A', { conditions: ['@'] }), trade('B', { conditions: ['@'] })]
    const payload = new RowEncoder().encode([first, second], 0, 2, false)
    const [a, b] = new RowDecoder().decode(payload, 1) as [Trade, Trade]
    assert.equal(a.conditions, b.conditions)
    assert.equal(Object.isFrozen(a.conditions), true)
  })

  it('hold a list as it is when written, though it changes later', () => {
    const conditions = ['@']
    const encoder = new RowEncoder()
    const decoder = new RowDecoder()
    for (const word of ['@', 'I']) {
      conditions[0] = word
      const payload = encoder.encode([trade('A', { conditions })], 0, 1, false)
      const [back] = decoder.decode(payload, 1) as [Trade]
      assert.deepEqual(back.conditions, [word])
    }
  })
})

describe('a reader of rows', () => {
  const blocks = () => {
    const encoder = new RowEncoder()
    const one = encoder.encode([trade('A'), trade('B')], 0, 2, false).slice()
    const two = encoder.encode([trade('C', { exchange: 'IEXG' })], 0, 1, false).slice()
    const three = encoder
      .encode([trade('C', { exchange: 'IEXG' }), trade('A')], 0, 2, false)
      .slice()
    const four = encoder.encode([trade('B')], 0, 1, true).slice()
    return [one, two, three, four] as const
  }
  const symbols = (events: readonly MarketEvent[] | undefined) => events?.map(e => e.symbol)

  it('may begin with a block whose dictionary is whole', () => {
    const [one, two, three, four] = blocks()
    assert.deepEqual([one, two, three, four].map(hasWholeDictionary), [true, false, false, true])
    const decoder = new RowDecoder()
    assert.deepEqual(symbols(decoder.decode(four, 5)), ['B'])
    assert.deepEqual(symbols(decoder.decode(three, 3)), ['C', 'A'])
  })

  it('sees that a block is missing, and reads on once it has learnt a whole dictionary', () => {
    const [one, , three, four] = blocks()
    const decoder = new RowDecoder()
    assert.deepEqual(symbols(decoder.decode(one, 1)), ['A', 'B'])
    assert.equal(decoder.decode(three, 4), undefined)
    decoder.learn(four)
    const events = decoder.decode(three, 4) as Trade[]
    assert.deepEqual(symbols(events), ['C', 'A'])
    assert.deepEqual(
      events.map(event => [event.exchange, event.seq]),
      [
        ['IEXG', 4],
        ['V', 5],
      ],
    )
  })

  it('sees it for words and for lists as well as for symbols', () => {
    for (const change of [{ exchange: 'IEXG' }, { conditions: ['@', 'I'] }]) {
      const encoder = new RowEncoder()
      const first = encoder.encode([trade('A')], 0, 1, false).slice()
      encoder.encode([trade('A', change)], 0, 1, false)
      const last = encoder.encode([trade('A', change)], 0, 1, false)
      const decoder = new RowDecoder()
      assert.equal(decoder.decode(first, 1)?.length, 1)
      assert.equal(decoder.decode(last, 3), undefined)
    }
  })

  it('may learn the same entries any number of times', () => {
    const [one, two, three, four] = blocks()
    const decoder = new RowDecoder()
    for (const payload of [one, four, two, four, one]) decoder.learn(payload)
    assert.deepEqual(symbols(decoder.decode(three, 4)), ['C', 'A'])
    assert.deepEqual(symbols(decoder.decode(one, 1)), ['A', 'B'])
  })
})

describe('an encoder of rows', () => {
  it('keeps free text out of its dictionary', () => {
    const encoder = new RowEncoder()
    const event = (n: number) => [
      createEvent({ type: 'news', timestamp: 0, headline: `secret ${n}`, symbols: [`N${n}`] }),
      createEvent({ type: 'notice', timestamp: 0, notice: 'gap', message: `secret ${n}` }),
      trade('A', { id: `secret-${n}` }),
      trade('A', { exchange: 'secret'.repeat(20) + n }),
      trade('A', { conditions: ['secret'.repeat(20) + n] }),
      trade('secret'.repeat(20) + n),
    ]
    for (let n = 0; n < 50; n++) encoder.encode(event(n), 0, 6, false)
    const whole = encoder.encode([trade('A')], 0, 1, true)
    assert.ok(whole.length < 150, `${whole.length} bytes`)
    assert.doesNotMatch(Buffer.from(whole).toString('latin1'), /secret/)
  })

  it('writes entries in place once its dictionary is full', () => {
    const encoder = new RowEncoder()
    const decoder = new RowDecoder()
    const count = 66_000
    for (let from = 0; from < count; from += 4_000) {
      const events = Array.from({ length: 4_000 }, (_, i) =>
        trade(`S${from + i}`, { exchange: `x${from + i}`, conditions: [`c${from + i}`] }),
      )
      const back = decoder.decode(encoder.encode(events, 0, events.length, false), from)
      assert.deepEqual(back, numbered(events, from))
    }
    const [quiet, whole] = [false, true].map(all => encoder.encode([trade('S1')], 0, 1, all).length)
    assert.ok(quiet! < 40, `${quiet} bytes`)
    assert.ok(whole! < 2_500_000, `${whole} bytes`)
  })

  it('is not slowed down by a symbol with ever new sources', () => {
    const encoder = new RowEncoder()
    const events = Array.from({ length: 20_000 }, (_, i) => trade('A', { source: `s${i}` }))
    const payload = encoder.encode(events, 0, events.length, false)
    assert.deepEqual(new RowDecoder().decode(payload, 1), numbered(events, 1))
    assert.ok(encoder.encode([trade('A')], 0, 1, true).length < 1_000, 'few of them are kept')
  })

  it('refuses what is not an event, and goes on', () => {
    const encoder = new RowEncoder()
    const wrong: object[] = [
      { price: '150' },
      { price: null },
      { size: {} },
      { id: true },
      { exchange: 7 },
      { exchange: null },
      { conditions: null },
      { conditions: 'R' },
      { conditions: ['R', 7] },
      { side: 'sideways' },
      { symbol: 5 },
      { source: undefined },
      { flags: 'late' },
      { tape: 5 },
      { timestamp: 'now' },
      { nanos: '0' },
      { receivedAt: new Date(0) },
      { type: 'toString' },
      { type: 'book', bids: [[1]], asks: [] },
      { type: 'book', bids: 5, asks: [] },
      { type: 'bar', final: 'yes' },
      { type: 'bar', interval: 60 },
      { type: 'news', headline: 5 },
    ]
    for (const change of wrong) {
      const event = { ...trade('A'), ...change } as unknown as MarketEvent
      assert.throws(
        () => encoder.encode([trade('B'), event], 0, 2, false),
        { code: 'BAD_EVENT' },
        JSON.stringify(change),
      )
    }
    const back = new RowDecoder().decode(encoder.encode([trade('B')], 0, 1, false), 9)
    assert.deepEqual(back, numbered([trade('B')], 9))
  })
})

describe('damaged rows', () => {
  it('are refused wherever they are cut', () => {
    const payload = block()
    for (let length = 0; length < payload.length; length++) {
      assert.throws(() => new RowDecoder().decode(payload.subarray(0, length), 1), isBadBlock)
    }
    const longer = new Uint8Array(payload.length + 1)
    longer.set(payload)
    assert.throws(() => new RowDecoder().decode(longer, 1), isBadBlock)
  })

  it('are refused or give some events, and nothing worse, whichever bytes change', () => {
    const payload = block()
    const changes = fc.array(fc.tuple(fc.nat(payload.length - 1), fc.nat(255)), { minLength: 1 })
    fc.assert(
      fc.property(changes, changed => {
        const bytes = payload.slice()
        for (const [at, value] of changed) bytes[at] = value
        try {
          const events = new RowDecoder().decode(bytes, 1)
          assert.ok((events?.length ?? 0) <= bytes.length, 'more events than bytes')
        } catch (error) {
          if (!isBadBlock(error)) throw error
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('give no words and prices that do not exist, whatever a byte is changed to', () => {
    const trades = [trade('A', { side: 'sell' }), trade('A', { side: 'buy', price: 150.26 })]
    const payload = new RowEncoder().encode(trades, 0, 2, false).slice()
    let [read, refused] = [0, 0]
    for (let at = 0; at < payload.length; at++) {
      for (let value = 0; value < 256; value++) {
        const bytes = payload.slice()
        bytes[at] = value
        try {
          for (const event of new RowDecoder().decode(bytes, 1) ?? []) {
            read++
            if (event.type !== 'trade') continue
            assert.ok([undefined, 'buy', 'sell'].includes(event.side), `side ${event.side}`)
            assert.ok(!Number.isNaN(event.price), 'a price that is none')
          }
        } catch (error) {
          if (!isBadBlock(error)) throw error
          refused++
        }
      }
    }
    assert.ok(read > 1_000 && refused > 1_000, `${read} read, ${refused} refused`)
  })

  it('claim nothing that makes a reader take much memory', () => {
    const most = [0xff, 0xff, 0xff, 0xff, 0x07]
    const claims = [
      [1, 0x50, ...most, 0],
      [1, 0x50, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0],
      [1, 0x51, ...most, 0],
      [1, 0x51, 0, ...most, 0],
      [1, 0x51, 0, 0, ...most, 1, 0],
      [1, 0x51, 0, 1, ...most],
      [1, 0x51, 0, 0, 0, 1, ...most],
    ]
    for (const bytes of claims) {
      assert.throws(() => new RowDecoder().decode(Uint8Array.from(bytes), 1), isBadBlock)
    }
  })

  it('are told from those of a newer tickwire and from columns', () => {
    const payload = block()
    payload[0] = 2
    assert.throws(() => new RowDecoder().decode(payload, 1), {
      code: 'BAD_BLOCK',
      message: /a newer tickwire wrote this block \(form 2; this one reads up to 1\)/,
    })
    payload[0] = 1
    payload[1] = 0xa0
    assert.throws(() => new RowDecoder().decode(payload, 1), isBadBlock)
  })
})

describe('stored rows', () => {
  it('are read as they were when they were written', () => {
    const read = (name: string) =>
      readFileSync(new URL(`../fixtures/blocks/${name}`, import.meta.url), 'utf8').trim()
    const events = read('events.ndjson').split('\n').map(parseEvent)
    const back = new RowDecoder().decode(
      Buffer.from(read('rows.hex').replaceAll('\n', ''), 'hex'),
      100,
    )
    assert.deepStrictEqual(back, numbered(events, 100))
  })
})

function trade(symbol: string, fields: object = {}): MarketEvent {
  const common = { symbol, source: 'alpaca', timestamp: 1_705_329_000_123, tape: 'C' }
  return createEvent({
    type: 'trade',
    ...common,
    price: 150.25,
    size: 100,
    exchange: 'V',
    ...fields,
  })
}
