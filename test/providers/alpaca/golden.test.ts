// msgpack frames whose bytes were checked against Alpaca's own Python and JavaScript decoders: both directions,
// byte for byte.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { encodeMsgpack, MsgpackTime } from '../../../src/base/msgpack.ts'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { encodeJson, encodePack } from '../../../src/providers/alpaca/encode.ts'
import { PlainJsonDecoder, PlainMsgpackDecoder } from '../../../src/providers/alpaca/plain.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../../../src/providers/alpaca/scan-msgpack.ts'
import { alpacaServer } from '../../../src/providers/alpaca/server.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { type Report, readingOf, reportsOf } from './record.ts'

const CONNECTED = '9182a154a773756363657373a36d7367a9636f6e6e6563746564'
const AUTHENTICATED = '9182a154a773756363657373a36d7367ad61757468656e74696361746564'
const LIMIT =
  '9183a154a56572726f72a4636f6465cd0196a36d7367b9636f6e6e656374696f6e206c696d6974206578636565646564'
const TRADE =
  '9189a154a174a153a44141504ca169cd0274a178a14ba170cb40645d70a3d70a3da17303a16394a140a146a154a149a17aa143a174d7ffc7d9a284642eb2f2'
const BAR =
  '918aa154a162a153a3535059a16fcb40784fc28f5c28f6a168cb407852147ae147aea16ccb40784f999999999aa163cb407851eb851eb852a176cdc0e2a16ecd01cda27677cb4078510091c08744a174d6ff603402b4'
/** A crypto trade, with the taker's side and an id beyond 2^53. */
const CRYPTO =
  '9187a154a174a153a8415641582f555344a170cb4047a645a1cac083a173cb403d34a94471f4e5a174d7ffcc9e16c065f02e24a169cf2fd6fec7d9a14474a3746b73a153'

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (frame: Uint8Array) => Buffer.from(frame).toString('hex')

/** What both decoders make of a frame; they must agree on it. */
function decode(frame: Uint8Array): Report[] {
  const scanned = reportsOf(new MsgpackScanner(readingOf()), frame)
  assert.deepEqual(scanned, reportsOf(new PlainMsgpackDecoder(readingOf()), frame))
  return scanned
}

const trade = createEvent({
  ...{ type: 'trade', symbol: 'AAPL', source: 'alpaca', receivedAt: 1 },
  ...{ timestamp: Date.UTC(2023, 3, 6, 11, 54, 26, 838), nanos: 232_225 },
  ...{
    id: 628,
    exchange: 'K',
    price: 162.92,
    size: 3,
    conditions: ['@', 'F', 'T', 'I'],
    tape: 'C',
  },
})
const bar = createEvent({
  ...{ type: 'bar', symbol: 'SPY', source: 'alpaca', receivedAt: 1, interval: '1m' },
  ...{ timestamp: Date.UTC(2021, 1, 22, 19, 15), final: true, revision: 0, tradeCount: 461 },
  ...{ open: 388.985, high: 389.13, low: 388.975, close: 389.12, volume: 49_378 },
  vwap: 389.062639,
})

describe('golden frames', () => {
  test('the greeting', () => {
    assert.deepEqual(decode(bytes(CONNECTED)), [{ type: 'control', control: { type: 'welcome' } }])
    assert.deepEqual(decode(bytes(AUTHENTICATED)), [
      { type: 'control', control: { type: 'ready' } },
    ])
    assert.equal(hex(encodeMsgpack([{ T: 'success', msg: 'connected' }])), CONNECTED)
    assert.equal(hex(encodeMsgpack([{ T: 'success', msg: 'authenticated' }])), AUTHENTICATED)
  })

  test('an error', () => {
    const message = 'connection limit exceeded'
    assert.deepEqual(decode(bytes(LIMIT)), [
      { type: 'control', control: { type: 'error', code: 406, message } },
    ])
    assert.equal(hex(encodeMsgpack([{ T: 'error', code: 406, msg: message }])), LIMIT)
  })

  test('the server sends these bytes', () => {
    const frames: (string | Uint8Array)[] = []
    const server = alpacaServer({
      clock: handClock(),
      accounts: { PK: { secret: 's', connections: 0 } },
    })
    const session = server.accept(
      { path: '/v2/iex', headers: { 'content-type': 'application/msgpack' } },
      { bufferedBytes: 0, send: frame => frames.push(frame), close: () => {}, cut: () => {} },
    )
    assert.ok('receive' in session)
    session.receive(encodeMsgpack({ action: 'auth', key: 'PK', secret: 's' }))
    assert.deepEqual(
      frames.map(frame => hex(frame as Uint8Array)),
      [CONNECTED, LIMIT],
    )
  })

  test('a stock trade', () => {
    assert.deepEqual(decode(bytes(TRADE)), [trade])
    assert.equal(hex(encodePack([trade])), TRADE)
  })

  test('a stock bar', () => {
    assert.deepEqual(decode(bytes(BAR)), [bar])
    assert.equal(hex(encodePack([bar])), BAR)
  })

  test('a crypto trade, its id with every digit', () => {
    const expected = createEvent({
      ...{ type: 'trade', symbol: 'AVAX/USD', source: 'alpaca', receivedAt: 1 },
      ...{ timestamp: Date.UTC(2024, 2, 12, 10, 27, 48, 858), nanos: 228_144 },
      ...{ id: '3447222699101865076', price: 47.299, size: 29.205707815, side: 'sell' },
    })
    assert.deepEqual(decode(bytes(CRYPTO)), [expected])
    assert.equal(hex(encodePack([expected])), CRYPTO)
  })

  test('JSON and msgpack of one event say the same', () => {
    for (const event of [trade, bar]) {
      const json = Buffer.from(encodeJson([event]))
      for (const Decoder of [JsonScanner, PlainJsonDecoder]) {
        assert.deepEqual(reportsOf(new Decoder(readingOf()), json), [event])
      }
    }
  })

  test('a changed bit of the golden trade never gives the same trade', () => {
    const frame = bytes(TRADE)
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const copy = frame.slice()
      copy[bit >> 3]! ^= 1 << (bit & 7)
      assert.ok(!isDeepStrictEqual(decode(copy), [trade]), `bit ${bit}`)
    }
  })

  test('a frame cut anywhere is refused and gives nothing', () => {
    for (const frame of [bytes(TRADE), bytes(BAR), bytes(LIMIT), bytes(CRYPTO)]) {
      for (let length = 0; length < frame.length; length++) {
        assert.deepEqual(decode(frame.subarray(0, length)), [
          { type: 'malformed', reason: 'not msgpack' },
        ])
      }
    }
  })
})

describe('the three forms of a msgpack timestamp', () => {
  const FORMS: readonly [name: string, hex: string, timestamp: number, nanos: number][] = [
    ['32 bits: seconds', 'd6ff603402b4', Date.UTC(2021, 1, 22, 19, 15), 0],
    [
      '64 bits: 30 of nanoseconds, 34 of seconds',
      'd7ffc7d9a284642eb2f2',
      Date.UTC(2023, 3, 6, 11, 54, 26, 838),
      232_225,
    ],
    [
      '96 bits: nanoseconds, then signed seconds',
      'c70cff3b9ac9ffffffffffffffffff',
      Date.UTC(1969, 11, 31, 23, 59, 59, 999),
      999_999,
    ],
    ['32 bits, the first', 'd6ff00000000', 0, 0],
    ['32 bits, the last', 'd6ffffffffff', 4_294_967_295_000, 0],
    ['64 bits, beyond 32 of seconds', 'd7ff0000000100000000', 4_294_967_296_000, 0],
  ]
  /** The golden trade with another time; a 96-bit one of a later date is not the shortest, but is taken. */
  const withTime = (time: string) => bytes(TRADE.slice(0, -20) + time)

  for (const [name, time, timestamp, nanos] of FORMS) {
    test(name, () => {
      const { type, symbol, source, receivedAt, id, exchange, price, size, conditions, tape } =
        trade
      const expected: MarketEvent = createEvent({
        ...{ type, symbol, source, receivedAt, id, exchange, price, size, conditions, tape },
        ...{ timestamp, nanos },
      })
      assert.deepEqual(decode(withTime(time)), [expected])
      assert.equal(hex(encodePack([expected])), hex(withTime(time)))
      assert.equal(hex(encodeMsgpack(new MsgpackTime(timestamp, nanos))), time)
    })
  }

  test('96 bits of a time that needs fewer is the same time', () => {
    assert.deepEqual(decode(withTime('c70cff31f668a100000000642eb2f2')), [trade])
  })

  test('text is taken for a time too, as JSON writes it', () => {
    const text = '2023-04-06T11:54:26.838232225Z'
    const time = hex(encodeMsgpack(text))
    assert.deepEqual(decode(withTime(time)), [trade])
  })

  test('a billion nanoseconds, another extension, or a number are no time', () => {
    for (const time of ['d7ffee6b2800642eb2f2', 'd6fe603402b4', 'ce603402b4', 'd5ff0000', 'c0']) {
      const [report, ...rest] = decode(withTime(time))
      assert.equal(report?.type, 'malformed', time)
      assert.deepEqual(rest, [])
    }
  })
})
