// What one message becomes: by which rules, of which parts of it, and when of nothing.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MarketEvent } from '../../../src/market/events.ts'
import { checkJson, type JsonConfigInput } from '../../../src/providers/json/index.ts'

const vendor = (...messages: object[]) =>
  ({
    ...{ id: 'v', url: 'ws://v.test', subscribe: { message: 'x' }, ack: { when: { t: 'ack' } } },
    messages,
  }) as unknown as JsonConfigInput

const check = (rules: readonly object[], message: unknown) =>
  checkJson(vendor(...rules), { frame: JSON.stringify(message) })

/** Some fields of each event. */
const pick = (events: readonly MarketEvent[], ...names: string[]) =>
  events.map(event => names.map(name => (event as unknown as Record<string, unknown>)[name]))

const TRADE = { kind: 'trade', symbol: 's', fields: { price: 'p', size: 'v' } }
const QUOTE = { kind: 'quote', symbol: 's', fields: { bid: 'b', ask: 'a' } }

describe('a list in a message', () => {
  test('has what stands around it in each entry that does not say otherwise', () => {
    const rule = { ...TRADE, each: 'list', time: 'ts', symbol: { path: 's' } }
    const list = [{ p: 1, v: 2 }, { p: 3, s: 'B', ts: 1_700_000_000_001 }, { v: 5 }]
    const message = { s: 'A', ts: 1_700_000_000_000, v: 7, list }
    const { events, malformed } = check([rule], message)
    assert.deepEqual(pick(events, 'symbol', 'price', 'size', 'timestamp'), [
      ['A', 1, 2, 1_700_000_000_000],
      ['B', 3, 7, 1_700_000_000_001],
    ])
    assert.deepEqual(malformed, ['trade: no price at p'])
  })

  test('may hold lists, or values alone', () => {
    const rows = { ...TRADE, each: 'list', fields: { price: '0', size: '1' } }
    const { events } = check([rows], {
      s: 'A',
      list: [
        [1, 2],
        [3, 4],
      ],
    })
    assert.deepEqual(pick(events, 'symbol', 'price', 'size'), [
      ['A', 1, 2],
      ['A', 3, 4],
    ])
    const prices = { ...TRADE, each: 'list', fields: { price: '.', size: 'v' } }
    const alone = check([prices], { s: 'A', v: 9, list: [1, 2] }).events
    assert.deepEqual(pick(alone, 'price', 'size'), [
      [1, 9],
      [2, 9],
    ])
  })

  test('gives a quote the side that stands around it, and takes an entry at its word where it says null', () => {
    const rule = { ...QUOTE, each: 'list' }
    const { events } = check([rule], { s: 'A', a: 5, list: [{ b: 1 }, { b: 1, a: null }] })
    assert.deepEqual(pick(events, 'bid', 'ask'), [
      [1, 5],
      [1, undefined],
    ])
  })
})

describe('a book', () => {
  const book = (fields: object) => ({ kind: 'book', symbol: 's', fields })
  const whole = book({ bids: { path: 'b' }, asks: { path: 'a' }, snapshot: true })

  test('is not emptied by a message without its sides', () => {
    for (const message of [{ s: 'A' }, { s: 'A', bids: [[1, 2]] }, { s: 'A', b: null, a: null }]) {
      const { events, malformed } = check([whole], message)
      assert.deepEqual([events.length, malformed], [0, ['book: no levels at b, a']])
    }
    const mixed = book({ levels: { path: 'l', side: '0', price: '1', size: '2' }, snapshot: true })
    assert.deepEqual(check([mixed], { s: 'A' }).malformed, ['book: no levels at l'])
  })

  test('may say that it is empty, or tell of one side', () => {
    const { events, malformed } = check(
      [whole],
      [
        { s: 'A', b: [], a: [] },
        { s: 'A', b: [[1, 2]] },
      ],
    )
    assert.deepEqual(malformed, [])
    assert.deepEqual(pick(events, 'bids', 'asks'), [
      [[], []],
      [[[1, 2]], []],
    ])
  })

  test('needs to be told where its levels are', () => {
    const fault = { code: 'BAD_CONFIG', message: /messages\.0\.fields: a book has bids, asks/ }
    assert.throws(() => check([book({ snapshot: true })], {}), fault)
  })
})

describe('several rules', () => {
  test('for one kind are tried in order, and the first that fits counts', () => {
    const special = {
      ...TRADE,
      when: { t: 'lots' },
      fields: { price: 'p', size: { path: 'v', scale: 100 } },
    }
    const { events } = check(
      [special, TRADE],
      [
        { t: 'lots', s: 'A', p: 1, v: 2 },
        { t: 'plain', s: 'A', p: 1, v: 2 },
      ],
    )
    assert.deepEqual(pick(events, 'size'), [[200], [2]])
  })

  test('for several kinds, lists, symbols or intervals each make their own of a message', () => {
    const { events } = check([TRADE, QUOTE, { ...TRADE, symbol: 'other' }], {
      s: 'A',
      other: 'B',
      p: 1,
      v: 2,
      b: 3,
      a: 4,
    })
    assert.deepEqual(pick(events, 'type', 'symbol'), [
      ['trade', 'A'],
      ['quote', 'A'],
      ['trade', 'B'],
    ])
    const lists = check(
      [
        { ...TRADE, each: 'x' },
        { ...TRADE, each: 'y' },
      ],
      { s: 'A', x: [{ p: 1, v: 1 }], y: [{ p: 2, v: 2 }] },
    )
    assert.deepEqual(pick(lists.events, 'price'), [[1], [2]])
    const bar = (interval: string, path: string) => ({
      ...{ kind: 'bar', symbol: 's', interval },
      fields: { open: path, high: path, low: path, close: path, volume: 'v' },
    })
    const bars = check([bar('1m', 'm'), bar('5m', 'f')], { s: 'A', m: 1, f: 5, v: 9 }).events
    assert.deepEqual(pick(bars, 'interval', 'close'), [
      ['1m', 1],
      ['5m', 5],
    ])
  })
})

test('a time in another unit than said is no event, and the words name path and unit', () => {
  const timed = (unit: string) => ({ ...TRADE, time: { path: 'ts', unit } })
  const frame = '{"s":"A","p":1,"v":2,"ts":1700000000123456789}'
  const wrong = checkJson(vendor(timed('s')), { frame })
  assert.deepEqual(wrong.events, [])
  assert.match(wrong.malformed[0]!, /1700000000123456789 at ts is no time in s: another unit/)
  assert.equal(checkJson(vendor(timed('ns')), { frame }).events[0]?.timestamp, 1_700_000_000_123)
  const last = { s: 'A', p: 1, v: 2, ts: 253_402_300_799_999 }
  assert.equal(check([timed('ms')], last).malformed.length, 0)
  assert.equal(check([timed('ms')], { ...last, ts: last.ts + 1 }).malformed.length, 1)
  // A unit too short gives a time that is one, but no feed would believe it.
  const early = check([timed('ms')], { ...last, ts: 1_700_000_000 })
  assert.deepEqual([early.events, early.quarantined.map(({ rule }) => rule)], [[], ['too-old']])
})

test('an unknown key is named with the one that is likely meant', () => {
  const hint = (change: object) => {
    let said: string | undefined
    const fault = (error: { code?: string; hint?: string }) => {
      said = error.hint
      return error.code === 'BAD_CONFIG'
    }
    assert.throws(() => checkJson({ ...vendor(TRADE), ...change } as JsonConfigInput, {}), fault)
    return said
  }
  assert.equal(hint({ hedaers: {} }), 'did you mean headers?')
  assert.equal(hint({ heartbeat: { evry: '3s' } }), 'did you mean every?')
  const rule = (change: object) => hint({ messages: [{ ...TRADE, ...change }] })
  assert.equal(rule({ fields: { price: 'p', sise: 'v' } }), 'did you mean size?')
  assert.equal(
    rule({ fields: { price: { path: 'p', scal: 2 }, size: 'v' } }),
    'did you mean scale?',
  )
  // Of the kind that is meant: quotes have no vwap.
  assert.equal(rule({ kind: 'quote', fields: { bidsize: 'b' } }), 'did you mean bidSize?')
  assert.match(rule({ kind: 'quote', fields: { vwap: 'b' } })!, /^known: bid, bidSize, ask, /)
})

test('a heartbeat has a time that can be kept', () => {
  for (const every of ['0s', '99ms', '1441m']) {
    const config = { ...vendor(TRADE), heartbeat: { every } }
    assert.throws(() => checkJson(config, {}), { code: 'BAD_CONFIG', message: /heartbeat\.every/ })
  }
})
