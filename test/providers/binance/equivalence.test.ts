// Property: the scanner and the plain decoder are the same, bit for bit, on frames of any order and form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BinanceDecoder } from '../../../src/providers/binance/codec.ts'
import { Market } from '../../../src/providers/binance/market.ts'
import { PlainDecoder } from '../../../src/providers/binance/plain.ts'
import { contextOf, MUTE_REST, namesOf } from './kit.ts'

const SAMPLES = [
  '{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"27123.45000000","q":"0.01000000","T":1672515782135,"m":true,"M":true}',
  '{"e":"trade","E":1672515782136123,"s":"BTCUSDT","t":12346,"p":"7.45","q":"10","T":1672515782135999,"m":false,"M":true}',
  '{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":5933014,"p":"27123.45000000","q":"0.15000000","f":100,"l":105,"T":1672515782135,"m":false,"M":true}',
  '{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}',
  '{"e":"kline","E":1672515782136,"s":"BTCUSDT","k":{"t":1672515780000,"T":1672515839999,"s":"BTCUSDT","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}',
  '{"e":"24hrTicker","E":1672515782136,"s":"BTCUSDT","p":"-0.0015","P":"250.00","w":"0.0018","x":"0.0009","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026","A":"100","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","O":0,"C":86400000,"F":0,"L":18150,"n":18151}',
  '{"e":"depthUpdate","E":1672515782136,"s":"BTCUSDT","U":157,"u":160,"b":[["0.0024","10"],["0.0022","0.00000000"]],"a":[["0.0026","100"]]}',
  '{"e":"depthUpdate","E":1672515782136,"s":"BTCUSDT","U":161,"u":161,"b":[],"a":[]}',
  '{"result":null,"id":3}',
]

const number = fc.oneof(
  fc.nat(10_000_000).map(value => `"${(value / 1_000).toFixed(8)}"`),
  fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map(value => `"${value}"`),
  fc.stringMatching(/^[0-9]{1,20}(\.[0-9]{1,20})?$/).map(text => `"${text}"`),
  fc.constantFrom('"0"', '"-0"', '"-1.5"', '"1e5"', '"1e999"', '"01"', '".5"', '"5."', '""', '1.5'),
)
const odd = fc.oneof(
  number,
  fc.constantFrom(...['null', 'true', 'false', '1', '-1', '[]', '{}', '"BTCUSDT"', '"\\u0041"']),
  fc.constantFrom(...['1672515782136', '16725157821361234', '9007199254740993', '99999999999999']),
  fc.constantFrom(
    ...['[["1","2"]]', '[["1","2","3"]]', '[["1"]]', '[["1", "2"]]', '[[1,2]]', '[1]'],
  ),
  fc.constantFrom(
    ...['"1m"', '"1M"', '"5m"', '"é"', '"trade"', '1e3', '0.5', '007', '[["-0","1"]]'],
  ),
)

type Pairs = [key: string, json: string][]

function pairsOf(json: string): Pairs {
  const map = JSON.parse(json) as Record<string, unknown>
  return Object.entries(map).map(([key, value]) => [key, JSON.stringify(value)])
}
const mapOf = (pairs: Pairs, gap = '') =>
  `{${pairs.map(([key, json]) => `"${key}":${gap}${json}`).join(`,${gap}`)}}`

/** A sample with some of its values replaced, dropped, repeated or out of order; spaced, wrapped, or damaged as text. */
const frame = fc
  .record({
    sample: fc.constantFrom(...SAMPLES),
    changes: fc.array(fc.tuple(fc.nat(30), fc.nat(9), odd), { maxLength: 3 }),
    inner: fc.boolean(),
    gap: fc.constantFrom('', '', '', ' ', '\n'),
    wrap: fc.boolean(),
    damage: fc.oneof(
      { weight: 5, arbitrary: fc.constant(undefined) },
      {
        weight: 1,
        arbitrary: fc.tuple(
          fc.nat(400),
          fc.constantFrom('', 'x', '"', '}', ',', '0', '\u0001', '\\'),
        ),
      },
    ),
  })
  .map(({ sample, changes, inner, gap, wrap, damage }) => {
    const change = (json: string) => {
      const pairs = pairsOf(json)
      for (const [where, how, value] of changes) {
        const at = where % pairs.length
        const pair = pairs[at]!
        if (how < 5) pairs[at] = [pair[0], value]
        else if (how < 6) pairs.splice(at, 1)
        else if (how < 7) pairs.push([pair[0], value])
        else if (how < 8) pairs.push(['new', value])
        else pairs.reverse()
        if (pairs.length === 0) break
      }
      return mapOf(pairs, gap)
    }
    const candle = /^(.*"k":)(\{.*\})\}$/.exec(sample)
    let text = candle && inner ? `${candle[1]}${change(candle[2]!)}}` : change(sample)
    if (wrap) text = `{"stream":"btcusdt@x","data":${text}}`
    if (damage) {
      const at = damage[0] % text.length
      text = text.slice(0, at) + damage[1] + text.slice(at + 1)
    }
    return text
  })

const PAIRS = ['BTC/USDT', 'BNB/USDT']

test('the scanner says what the plain decoder says', () => {
  let events = 0
  let helped = 0
  let frames = 0
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 8 }), texts => {
      const [fast, slow] = [contextOf(), contextOf()]
      const scanner = new BinanceDecoder(fast.context, namesOf(...PAIRS), MUTE_REST)
      const plain = new PlainDecoder(new Market(slow.context, namesOf(...PAIRS), MUTE_REST))
      for (const text of texts) {
        const bytes = new TextEncoder().encode(text)
        scanner.decode(bytes, false, 1.5, fast.recorder)
        plain.decode(bytes, false, 1.5, slow.recorder)
        const [found, expected] = [fast.recorder.take(), slow.recorder.take()]
        // What nobody wants is only passed over, not looked at to its end.
        const [, named = ''] = /"s":\s*"([^"]*)"/.exec(text) ?? []
        if (found.length === 0 && !/^(BTC|BNB)USDT$/.test(named)) continue
        const show = (list: unknown[]) =>
          JSON.stringify(list, (_, value) => (Object.is(value, -0) ? '-0' : value))
        assert.equal(show(found), show(expected), text)
        events += found.filter(one => one.type === 'trade' || one.type === 'bar').length
        frames++
      }
      helped += scanner.fallbacks
    }),
    { numRuns: 4_000, seed: 42 },
  )
  assert.ok(events > 1_000, `${events} events`)
  assert.ok(helped < frames * 0.7, `${helped} of ${frames} by JSON.parse`)
})
