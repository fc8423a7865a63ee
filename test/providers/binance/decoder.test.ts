// Frames as documented, and what is made of those that are not.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BinanceDecoder } from '../../../src/providers/binance/codec.ts'
import { Market } from '../../../src/providers/binance/market.ts'
import { PlainDecoder } from '../../../src/providers/binance/plain.ts'
import type { Report } from '../recorder.ts'
import { contextOf, MUTE_REST, namesOf } from './kit.ts'

const PAIRS = ['BTC/USDT', 'BNB/BTC', 'BNB/USDT']

/** What both decoders make of frames, which is the same, and whether `JSON.parse` had to help. */
function read(...frames: readonly string[]): { reports: Report[]; fallbacks: number } {
  const fast = contextOf()
  const plain = contextOf()
  const decoder = new BinanceDecoder(fast.context, namesOf(...PAIRS), MUTE_REST)
  const oracle = new PlainDecoder(new Market(plain.context, namesOf(...PAIRS), MUTE_REST))
  for (const frame of frames) {
    const bytes = new TextEncoder().encode(frame)
    decoder.decode(bytes, false, 1_700_000_000_000.25, fast.recorder)
    oracle.decode(bytes, false, 1_700_000_000_000.25, plain.recorder)
  }
  const reports = fast.recorder.take()
  assert.deepEqual(JSON.stringify(reports), JSON.stringify(plain.recorder.take()))
  return { reports, fallbacks: decoder.fallbacks }
}

/** The one event of a frame, read without help. */
function event(frame: string): object {
  const { reports, fallbacks } = read(frame)
  assert.equal(fallbacks, 0)
  assert.equal(reports.length, 1)
  return JSON.parse(JSON.stringify(reports[0]))
}

const TRADE =
  '{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"27123.45000000","q":"0.01000000","T":1672515782135,"m":true,"M":true}'
const base = { source: 'binance', nanos: 0, receivedAt: 1_700_000_000_000.25, flags: 0 }

describe('documented frames', () => {
  it('a trade: the buyer was the maker, so the taker sold', () => {
    assert.deepEqual(event(TRADE), {
      ...{ ...base, type: 'trade', symbol: 'BTC/USDT', timestamp: 1672515782135, price: 27_123.45 },
      ...{ size: 0.01, id: 12_345, side: 'sell' },
    })
    const other = event(TRADE.replace('"m":true', '"m":false')) as { side: string }
    assert.equal(other.side, 'buy')
  })

  it('a trade with times in microseconds, and one with the ids of its orders', () => {
    const micros = TRADE.replace('1672515782136', '1672515782136123').replace(
      '1672515782135',
      '1672515782135678',
    )
    const { timestamp, nanos } = event(micros) as { timestamp: number; nanos: number }
    assert.deepEqual([timestamp, nanos], [1672515782135, 678_000])
    const old = TRADE.replace('"T":', '"b":88,"a":50,"T":')
    assert.deepEqual(event(old), event(TRADE))
  })

  it('an aggregate', () => {
    const frame =
      '{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":5933014,"p":"27123.45000000","q":"0.15000000","f":100,"l":105,"T":1672515782135,"m":false,"M":true}'
    assert.deepEqual(event(frame), {
      ...{ ...base, type: 'trade', symbol: 'BTC/USDT', timestamp: 1672515782135, price: 27_123.45 },
      ...{ size: 0.15, id: 5_933_014, side: 'buy' },
    })
  })

  it('a quote, which has the time of its receipt', () => {
    const frame =
      '{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}'
    assert.deepEqual(event(frame), {
      ...{ ...base, type: 'quote', symbol: 'BNB/USDT', timestamp: 1_700_000_000_000 },
      ...{ bid: 25.3519, bidSize: 31.21, ask: 25.3652, askSize: 40.66 },
    })
    const empty = frame.replace('25.35190000', '0.00000000')
    const quote = event(empty) as { bid?: number; bidSize?: number }
    assert.deepEqual([quote.bid, quote.bidSize], [undefined, undefined])
  })

  it('a candle, running and closed', () => {
    const frame =
      '{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"T":1672515839999,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}'
    const expected = {
      ...{ ...base, type: 'bar', symbol: 'BNB/BTC', timestamp: 1672515780000, interval: '1m' },
      ...{ open: 0.001, high: 0.0025, low: 0.0015, close: 0.002, volume: 1_000, vwap: 0.001 },
      ...{ tradeCount: 100, final: false, revision: 0 },
    }
    assert.deepEqual(event(frame), expected)
    assert.deepEqual(event(frame.replace('"x":false', '"x":true')), { ...expected, final: true })
    const quiet = frame
      .replace('"f":100,"L":200', '"f":-1,"L":-1')
      .replace('"v":"1000"', '"v":"0"')
      .replace('"n":100', '"n":0')
    assert.equal((event(quiet) as { vwap?: number }).vwap, undefined)
  })

  it('a ticker', () => {
    const frame =
      '{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"-0.0015","P":"-250.00","w":"0.0018","x":"0.0009","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026","A":"100","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","O":0,"C":86400000,"F":0,"L":18150,"n":18151}'
    assert.deepEqual(event(frame), {
      ...{ ...base, type: 'ticker', symbol: 'BNB/BTC', timestamp: 1672515782136, last: 0.0025 },
      ...{ lastSize: 10, open: 0.001, high: 0.0025, low: 0.001, previousClose: 0.0009 },
      ...{ change: -0.0015, changePercent: -250, volume: 10_000, vwap: 0.0018 },
      ...{ bid: 0.0024, ask: 0.0026, bidSize: 10, askSize: 100 },
    })
  })

  it('those of combined streams, and keys in another order', () => {
    assert.deepEqual(event(`{"stream":"btcusdt@trade","data":${TRADE}}`), event(TRADE))
    const turned =
      '{ "M":true, "m":true,"T":1672515782135,"q":"0.01","p":"27123.45","t":12345,"s":"BTCUSDT","E":1672515782136,"e":"trade","new":{"a":[1]}}'
    assert.deepEqual(event(turned), event(TRADE))
  })

  it('with escapes or beyond ASCII by JSON.parse', () => {
    const { reports, fallbacks } = read(TRADE.replace('"BTCUSDT"', '"\\u0042TCUSDT"'))
    assert.equal(fallbacks, 1)
    assert.equal((reports[0] as { symbol: string }).symbol, 'BTC/USDT')
  })

  it('answers and errors', () => {
    const { reports } = read(
      '{"result":null,"id":7}',
      '{"code":2,"msg":"Invalid request: too many parameters"}',
      '{"code":0,"msg":"Unknown property","id":9}',
      '{"error":{"code":3,"msg":"Invalid JSON"},"id":4}',
      '{"e":"serverShutdown","E":1770123456789}',
      '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    )
    assert.deepEqual(
      reports.map(report => 'control' in report && JSON.parse(JSON.stringify(report.control))),
      [
        { type: 'confirmed', id: 7 },
        { type: 'error', code: 2, message: 'Invalid request: too many parameters' },
        { type: 'error', code: 0, message: 'Unknown property', id: 9 },
        { type: 'error', code: 3, message: 'Invalid JSON', id: 4 },
        { type: 'leaving' },
        { type: 'leaving' },
      ],
    )
  })
})

describe('frames that are not', () => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /not JSON/],
    ['[1]', /not a map/],
    [TRADE.slice(0, -1), /not JSON/],
    [`${TRADE}}`, /not JSON/],
    [TRADE.replace('"27123.45000000"', '27123.45'), /p is not a number/],
    [TRADE.replace('27123.45000000', '0.00000000'), /p is not above 0/],
    [TRADE.replace('27123.45000000', '-1.00000000'), /p is not above 0/],
    [TRADE.replace('27123.45000000', '1e999'), /p is not a number/],
    [TRADE.replace('"q":"0.01000000"', '"q":"0"'), /q is not above 0/],
    [TRADE.replace('"q":"0.01000000",', ''), /q is not a number/],
    [TRADE.replace('12345', '12345.5'), /t is no id/],
    [TRADE.replace('12345', '9007199254740993'), /t is no id/],
    [TRADE.replace('"T":1672515782135', '"T":"1672515782135"'), /T is not a time/],
    [TRADE.replace('"m":true', '"m":1'), /m is neither true nor false/],
    [TRADE.replace('"s":"BTCUSDT"', '"s":1'), /no symbol/],
    [TRADE.replace('"trade"', '7'), /e is not a text/],
    ['{"stream":"x","data":[1]}', /data is not a map/],
  ]

  it('give no event and one reason', () => {
    for (const [frame, reason] of bad) {
      const { reports } = read(frame)
      assert.equal(reports.length, 1, frame)
      const [report] = reports
      assert.equal(report!.type, 'malformed', frame)
      assert.match((report as { reason: string }).reason, reason, frame)
    }
    const { reports } = { reports: readBytes(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)) }
    assert.deepEqual(reports, [{ type: 'malformed', reason: 'not UTF-8' }])
  })

  it('of a new kind are counted, of a pair nobody wants passed over', () => {
    assert.deepEqual(read(TRADE.replace('"trade"', '"blockTrade"')).reports, [
      { type: 'unknown', kind: 'blockTrade' },
    ])
    assert.deepEqual(read(TRADE.replace('BTCUSDT', 'ETHUSDT')).reports, [])
  })

  it('a trade that is missing breaks the trades of its pair, ahead of the one that came', () => {
    const next = (id: number) => TRADE.replace('12345', String(id))
    const { reports } = read(next(1), next(2), next(5), next(4), next(6))
    const kinds = reports.map(one => ('control' in one ? one.control.type : one.type))
    assert.deepEqual(kinds, ['trade', 'trade', 'broken', 'trade', 'trade', 'trade'])
    const [, , broken] = reports
    assert.match(JSON.stringify(broken), /trades 3 to 4 are missing/)
  })
})

function readBytes(frame: Uint8Array): Report[] {
  const { context, recorder } = contextOf()
  new BinanceDecoder(context, namesOf(...PAIRS), MUTE_REST).decode(frame, false, 1, recorder)
  return recorder.take()
}
