// Property: the scanner and the plain decoder are the same, bit for bit, on frames of any order and form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CoinbaseDecoder } from '../../../src/providers/coinbase/codec.ts'
import { Market } from '../../../src/providers/coinbase/market.ts'
import { PlainDecoder } from '../../../src/providers/coinbase/plain.ts'
import { contextOf } from './kit.ts'

const level = {
  ...{ side: 'bid', event_time: '2026-04-07T14:30:01.456789Z' },
  ...{ price_level: '68900.00', new_quantity: '2' },
}
const trade = {
  ...{ trade_id: '929248663', product_id: 'BTC-USD', price: '88355.58', size: '0.00003338' },
  ...{ side: 'BUY', time: '2025-12-31T06:00:13.654578Z' },
}
const ticker = {
  ...{ type: 'ticker', product_id: 'BTC-USD', price: '68900.50', volume_24_h: '15328.12345678' },
  ...{ low_24_h: '67500.00', high_24_h: '69200.00', price_percent_chg_24_h: '1.85' },
  ...{ best_bid: '68900.00', best_bid_quantity: '1.50000000', best_ask: '68901.00' },
}
const candle = {
  ...{ start: '1775572200', high: '68950.00', low: '68850.00', open: '68900.00' },
  ...{ close: '68920.50', volume: '42.15000000', product_id: 'BTC-USD' },
}
const frame = (channel: string, ...events: unknown[]) => ({
  ...{ channel, timestamp: '2026-04-07T14:30:01.456789012Z', sequence_num: 0, events },
})
const SAMPLES = [
  frame('l2_data', {
    ...{ type: 'snapshot', product_id: 'BTC-USD' },
    updates: [level, { ...level, side: 'offer', price_level: '68901' }],
  }),
  frame('l2_data', { type: 'update', product_id: 'BTC-USD', updates: [level, level] }),
  frame('l2_data', { type: 'update', product_id: 'BTC-USD', updates: [] }),
  frame('market_trades', { type: 'update', trades: [trade, { ...trade, trade_id: '929248662' }] }),
  frame('market_trades', { type: 'snapshot', trades: [trade] }),
  frame('ticker', { type: 'update', tickers: [ticker] }),
  frame('candles', { type: 'update', candles: [candle] }),
  frame('heartbeats', { current_time: 'x', heartbeat_counter: 3 }),
  frame('subscriptions', { subscriptions: { level2: ['BTC-USD'] } }),
  { type: 'error', message: 'authentication failure' },
]

const odd = fc.constantFrom<unknown>(
  ...[
    null,
    true,
    0,
    1,
    1.5,
    -1,
    '',
    '0',
    '-0',
    '1',
    '-1.5',
    '1e5',
    '1e999',
    '01',
    '.5',
    'é',
    'BUY',
  ],
  ...[
    'offer',
    'ask',
    'snapshot',
    'update',
    'BTC-USD',
    'ETH-USD',
    'BTC',
    [],
    {},
    [1],
    '999999999999999999',
  ],
  ...[
    '1970-01-01T00:00:00Z',
    '0001-01-01T00:00:00.000000Z',
    '2026-04-07T14:30:01Z',
    '2026-02-30T00:00:00Z',
  ],
  ...['2026-04-07T14:30:01+01:00', '123456789.12345678', '0.12345678', '"', '\\'],
)

interface Change {
  readonly path: readonly number[]
  readonly how: number
  readonly value: unknown
}

/** Changes a value somewhere within: replaced, dropped, added to, or its keys turned around. */
function changed(value: unknown, { path, how, value: other }: Change): unknown {
  const [at = 0, ...rest] = path
  if (Array.isArray(value) && value.length > 0) {
    const i = at % value.length
    if (rest.length === 0 && how < 3) return [...value, other]
    return value.map((item, j) =>
      j === i ? changed(item, { path: rest, how, value: other }) : item,
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return other
  const pairs = Object.entries(value)
  if (pairs.length === 0) return other
  const i = at % pairs.length
  if (rest.length === 0) {
    if (how < 5) pairs[i] = [pairs[i]![0], other]
    else if (how < 7) pairs.splice(i, 1)
    else if (how < 8) pairs.push(['new', other])
    else pairs.reverse()
  } else pairs[i] = [pairs[i]![0], changed(pairs[i]![1], { path: rest, how, value: other })]
  return Object.fromEntries(pairs)
}

const frames = fc.array(
  fc.record({
    sample: fc.constantFrom<object>(...SAMPLES),
    changes: fc.array(
      fc.record({
        path: fc.array(fc.nat(9), { minLength: 1, maxLength: 5 }),
        how: fc.nat(9),
        value: odd,
      }),
      { maxLength: 2 },
    ),
    skip: fc.constantFrom(1, 1, 1, 1, 2, 0, -1),
    space: fc.constantFrom(0, 0, 0, 1),
    damage: fc.oneof(
      { weight: 5, arbitrary: fc.constant(undefined) },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.nat(600), fc.constantFrom('', 'x', '"', '}', ',', '0', '\u0001')),
      },
    ),
  }),
  { minLength: 1, maxLength: 10 },
)

test('the scanner says what the plain decoder says', () => {
  let events = 0
  let helped = 0
  let count = 0
  fc.assert(
    fc.property(frames, list => {
      const interest = { revision: 1, mask: (symbol: string) => (symbol === 'BTC/USD' ? -1 : 0) }
      const [fast, slow] = [contextOf(interest), contextOf(interest)]
      const scanner = new CoinbaseDecoder(fast.context)
      const plain = new PlainDecoder(new Market(slow.context))
      let sequence = -1
      for (const { sample, changes, skip, space, damage } of list) {
        sequence = Math.max(0, sequence + skip)
        const base = 'channel' in sample ? { ...sample, sequence_num: sequence } : sample
        const value = changes.reduce<unknown>((found, change) => changed(found, change), base)
        let text = JSON.stringify(value, undefined, space) ?? ''
        if (damage && text !== '') {
          const at = damage[0] % text.length
          text = text.slice(0, at) + damage[1] + text.slice(at + 1)
        }
        const bytes = new TextEncoder().encode(text)
        scanner.decode(bytes, false, 1.5, fast.recorder)
        plain.decode(bytes, false, 1.5, slow.recorder)
        const [found, expected] = [fast.recorder.take(), slow.recorder.take()]
        const show = (reports: unknown[]) =>
          JSON.stringify(reports, (_, item) => (Object.is(item, -0) ? '-0' : item))
        assert.equal(show(found), show(expected), text)
        events += found.filter(one => one.type === 'trade' || one.type === 'book').length
        count++
      }
      helped += scanner.fallbacks
      fast.end()
      slow.end()
    }),
    { numRuns: 3_000, seed: 42 },
  )
  assert.ok(events > 800, `${events} events`)
  assert.ok(helped < count * 0.8, `${helped} of ${count} by JSON.parse`)
})
