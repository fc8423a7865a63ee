// Kraken's frames as events: the documented ones, and the scanner against the plain decoder on whatever may come.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import { KIND_BIT } from '../../../src/feed/provider.ts'
import type { KrakenScanner } from '../../../src/providers/kraken/codec.ts'
import { bench, bookFrame, DOCUMENTED, EVERYTHING, events, type Said } from './kit.ts'

const controls = (said: readonly Said[]) =>
  said.filter(([what]) => what === 'control').map(([, control]) => control)

for (const kind of ['scanner', 'plain'] as const) {
  describe(`${kind}: documented messages`, () => {
    const read = (frame: string) => bench(kind).read(frame)

    test('a trade, with the side of its taker', () => {
      const [trade] = events(read(DOCUMENTED.trade))
      assert.deepEqual(trade, {
        ...{ type: 'trade', symbol: 'BTC/USD', source: 'kraken', seq: undefined, flags: 0 },
        ...{ timestamp: Date.UTC(2023, 8, 25, 7, 49, 37, 708), nanos: 706_000 },
        ...{ receivedAt: 1_700_000_000_000.5, price: 105_910.5, size: 0.0001246, id: 4_665_906 },
        ...{ exchange: undefined, conditions: ['market'], tape: undefined, side: 'sell' },
      })
    })

    test('a ticker, which is a quote too', () => {
      const [quote, ticker] = events(read(DOCUMENTED.ticker))
      const best = { bid: 105_944.2, bidSize: 2.5, ask: 105_944.3, askSize: 3.2 }
      assert.deepEqual({ ...quote, ...best, type: 'quote' }, quote)
      const day = { last: 105_899.4, volume: 163.28908096, vwap: 105_904.39279, low: 104_711 }
      const more = { high: 106_613.1, change: 250, changePercent: 0.24, type: 'ticker' }
      assert.deepEqual({ ...ticker, ...best, ...day, ...more }, ticker)
      assert.equal(ticker?.timestamp, Date.UTC(2023, 8, 25, 9, 4, 31, 742))
    })

    test('a candle, which runs until a later one begins or its time has passed', async () => {
      const venue = bench(kind)
      await venue.clock.advance(Date.UTC(2023, 9, 4, 16, 26) - venue.clock.now())
      const [bar] = events(venue.read(DOCUMENTED.ohlc))
      const prices = { open: 0.5624, high: 0.5628, low: 0.5622, close: 0.5627, vwap: 0.5626 }
      const rest = { volume: 30_927.68066226, tradeCount: 12, interval: '5m', final: false }
      const begin = Date.UTC(2023, 9, 4, 16, 25)
      assert.deepEqual({ ...bar, ...prices, ...rest, timestamp: begin, revision: 0 }, bar)
      const next = DOCUMENTED.ohlc.replace('T16:25:00', 'T16:30:00').replace('0.5627', '0.6')
      const both = events(venue.read(next))
      assert.deepEqual(
        both.map(it => [it.timestamp, it.final, it.close]),
        [
          [begin, true, 0.5627],
          [begin + 300_000, false, 0.6],
        ],
      )
      await venue.clock.advance(Date.UTC(2023, 9, 4, 16, 35, 1) - venue.clock.now())
      assert.deepEqual(venue.later, [])
      await venue.clock.advance(2_000)
      const [last] = events(venue.later)
      assert.deepEqual({ ...last, final: true, close: 0.6, revision: 0 }, last)
      // A trade of it that comes later still revises it.
      const [late] = events(venue.read(next.replace('0.6,', '0.61,')))
      assert.deepEqual([late?.final, late?.revision, late?.close], [true, 1, 0.61])
    })

    test('a book, its snapshot and its changes', () => {
      const venue = bench(kind)
      const [bids, asks] = [[['50000.00', '1.0']], [['50100.00', '1.5']]] as [
        [string, string][],
        [string, string][],
      ]
      const [book] = events(venue.read(bookFrame('BTC/USD', 'snapshot', bids, asks, 1561210927)))
      assert.deepEqual({ ...book, snapshot: true, checksum: 1561210927, sequence: undefined }, book)
      assert.deepEqual([book?.bids, book?.asks], [[[50_000, 1]], [[50_100, 1.5]]])
      assert.equal(book?.timestamp, Date.UTC(2023, 9, 6, 17, 35, 55, 440))
      assert.equal(book?.nanos, 295_000)
    })

    test('the status of a pair, when it is first known and when it changes', () => {
      const venue = bench(kind)
      const [status] = events(venue.read(DOCUMENTED.instrument))
      assert.deepEqual([status?.type, status?.statusCode], ['status', 'online'])
      const update = DOCUMENTED.instrument.replace('"snapshot"', '"update"')
      assert.deepEqual(events(venue.read(update)), [])
      const [halt] = events(venue.read(update.replace('"online"', '"cancel_only"')))
      assert.equal(halt?.statusCode, 'cancel_only')
    })

    test('who asks for a status is answered by the pairs there are', () => {
      const [yes, no] = controls(bench(kind).read(DOCUMENTED.instrument)) as [object, object]
      assert.deepEqual(yes, { type: 'confirmed', covers: ['status BTC/USD'] })
      const { type, error, covers } = no as {
        type: string
        error: { code: string }
        covers: string[]
      }
      assert.deepEqual([type, error.code], ['refused', 'UNKNOWN_SYMBOL'])
      assert.deepEqual(covers, ['status ETH/USD', 'status FOO/USD'])
    })

    test('what comes ahead of the answer to its request counts', () => {
      const venue = bench(kind)
      const asks = [['50100.00', '1.5']] as const
      const snapshot = bookFrame('BTC/USD', 'snapshot', [['50000.00', '1.0']], asks, 1561210927)
      const update = bookFrame('BTC/USD', 'update', [['50000.00', '1.0']], [], 1561210927)
      assert.equal(events(venue.read(snapshot)).length, 1)
      venue.read(DOCUMENTED.subscribed)
      assert.equal(events(venue.read(update)).length, 1)
      venue.read(DOCUMENTED.subscribed.replace('subscribe"', 'unsubscribe"'))
      assert.equal(events(venue.read(update)).length, 0, 'of what was let go')
    })

    test('answers by id and symbol, refusals too; “already subscribed” is a confirmation', () => {
      assert.deepEqual(controls(read(DOCUMENTED.subscribed)), [
        { type: 'confirmed', id: 7, covers: ['book BTC/USD'] },
      ])
      const [refusal] = controls(read(DOCUMENTED.refused)) as [{ id: number; covers: string[] }]
      assert.equal(refusal.id, 9)
      assert.ok(refusal.covers.includes('trade FOO/USD'))
      assert.ok(!refusal.covers.some(it => it.includes('BTC')))
      const already = DOCUMENTED.refused
        .replace('Currency pair not supported FOO/USD', 'Already subscribed')
        .replace('"FOO/USD"', '"BTC/USD"')
      const [there] = controls(read(already)) as [{ type: string; covers: string[] }]
      assert.equal(there.type, 'confirmed')
      assert.ok(there.covers.includes('trade BTC/USD'))
    })

    test('a ticker confirms both kinds it carries, a candle its own length', () => {
      const ack = (result: object) => {
        const message = { method: 'subscribe', result, success: true, req_id: 1 }
        const [control] = controls(read(JSON.stringify(message))) as [{ covers: string[] }]
        return control.covers
      }
      assert.deepEqual(ack({ channel: 'ticker', symbol: 'BTC/USD' }), [
        'quote BTC/USD',
        'ticker BTC/USD',
      ])
      assert.deepEqual(ack({ channel: 'ohlc', symbol: 'BTC/USD', interval: 5 }), ['bar@5m BTC/USD'])
    })

    test('status, heartbeat, pong and letting go say nothing', () => {
      for (const frame of [DOCUMENTED.status, DOCUMENTED.heartbeat, DOCUMENTED.pong]) {
        assert.deepEqual(read(frame), [])
      }
      assert.deepEqual(read(DOCUMENTED.subscribed.replace('subscribe"', 'unsubscribe"')), [])
    })

    test('maintenance is told to whoever runs this', () => {
      const venue = bench(kind)
      venue.read(DOCUMENTED.status.replace('online', 'maintenance'))
      assert.deepEqual(venue.warnings, ['Kraken is in the state maintenance'])
    })

    test('a number that is missing among the trades is told ahead of the trade behind it', () => {
      const venue = bench(kind)
      const of = (id: number) => DOCUMENTED.trade.replace('4665906', `${id}`)
      venue.read(of(5))
      assert.equal(events(venue.read(of(6))).length, 1)
      const said = venue.read(of(9))
      assert.deepEqual(said[0], [
        'control',
        { type: 'broken', covers: ['trade BTC/USD'], reason: 'trades 7 to 8 are missing' },
      ])
      assert.equal(said[1]?.[0], 'event')
      // What comes late or twice tells of nothing missing; nor does a subscription made anew.
      assert.deepEqual(controls(venue.read(of(7))), [])
      assert.deepEqual(controls(venue.read(of(10))), [])
      venue.read(
        '{"method":"unsubscribe","result":{"channel":"trade","symbol":"BTC/USD"},"success":true,"req_id":2}',
      )
      assert.deepEqual(controls(venue.read(of(99))), [])
    })

    test('what nobody wants is passed over', () => {
      const interest = { revision: 1, mask: () => KIND_BIT.bar }
      const venue = bench(kind, { interest })
      for (const frame of [DOCUMENTED.trade, DOCUMENTED.ticker, DOCUMENTED.instrument]) {
        assert.deepEqual(events(venue.read(frame)), [])
      }
      const none = bench(kind, { interest: { revision: 1, mask: () => 0 } })
      for (const frame of Object.values(DOCUMENTED)) assert.deepEqual(events(none.read(frame)), [])
    })

    test('what is no event is refused and said, the rest of its frame is read', () => {
      const two = DOCUMENTED.trade.replace(/\[(.*)\]/, '[$1,$1]')
      const wrong: readonly [from: string, to: string][] = [
        ['105910.5', '0'],
        ['105910.5', '-1'],
        ['105910.5', '1e999'],
        ['105910.5', '"x"'],
        ['105910.5', 'null'],
        ['0.0001246', '0'],
        ['4665906', '4665906.5'],
        ['4665906', '1e300'],
        ['"sell"', '"short"'],
        ['"BTC/USD"', '"BTC"'],
        ['"BTC/USD"', '7'],
        ['2023-09-25T', '2023-13-25T'],
        ['"timestamp"', '"time"'],
      ]
      for (const [from, to] of wrong) {
        const said = read(two.replace(from, to))
        assert.equal(said.filter(([what]) => what === 'malformed').length, 1, to)
        assert.equal(events(said).length, 1, to)
      }
      for (const frame of [
        '',
        '7',
        '[]',
        'null',
        '{"channel":7}',
        '{"channel":"trade"}',
        '\u0000',
      ]) {
        const said = read(frame)
        assert.deepEqual(
          said.map(([what]) => what),
          ['malformed'],
          frame,
        )
      }
      assert.deepEqual(read('{"channel":"level9","data":[]}'), [['unknown', 'level9']])
    })

    test('numbers in quotes are numbers', () => {
      const [trade] = events(read(DOCUMENTED.trade.replace('105910.5', '"105910.5"')))
      assert.equal(trade?.price, 105_910.5)
    })

    test('small quantities may be written with an exponent', () => {
      const [trade] = events(read(DOCUMENTED.trade.replace('0.0001246', '5.1e-05')))
      assert.equal(trade?.size, 0.000051)
    })
  })
}

test('the usual messages need no help of JSON.parse', () => {
  const { decoder, read } = bench()
  const book = bookFrame('BTC/USD', 'snapshot', [['1', '1']], [], 0)
  for (const frame of [...Object.values(DOCUMENTED).slice(7), DOCUMENTED.ticker, book]) read(frame)
  assert.equal((decoder as KrakenScanner).fallbacks, 0)
})

describe('the scanner against the plain decoder', () => {
  /** Frames of a market that goes on: trades with numbers, books with checksums right and wrong, candles. */
  function frameOf(random: () => number): string {
    const pick = <T>(...list: readonly T[]) => list[Math.floor(random() * list.length)]!
    const symbol = pick('BTC/USD', 'ETH/USD', 'FOO/USD', 'X')
    const number = () =>
      pick(
        (random() * 1_000).toFixed(Math.floor(random() * 9)),
        `${Math.floor(random() * 100)}`,
        `${random() * 1e-5}`,
        ...[
          '0',
          '-0',
          '0.0',
          '-1',
          '1e5',
          '5.1e-05',
          '01',
          '1.',
          '.5',
          'null',
          '"1.5"',
          '"x"',
          '1e999',
        ],
        ...['123456789012345678', '0.1000000000000000055'],
      )
    const usual = () => (random() < 0.9 ? (random() * 1_000 + 1).toFixed(4) : number())
    const time = pick('2023-09-25T07:49:37.708706Z', '2023-09-25T07:49:37Z', '2023-02-30T00:00:00Z')
    const level = () => `{"price":${usual()},"qty":${random() < 0.2 ? '0.0' : usual()}}`
    const levels = () => Array.from({ length: Math.floor(random() * 4) }, level).join(',')
    switch (Math.floor(random() * 6)) {
      case 0:
        return DOCUMENTED.trade
          .replace('BTC/USD', symbol)
          .replace('105910.5', usual())
          .replace('0.0001246', usual())
          .replace('4665906', random() < 0.9 ? `${Math.floor(random() * 50)}` : number())
          .replace('"sell"', pick('"sell"', '"buy"'))
          .replace('"market"', pick('"market"', '"limit"', '"iceberg"', 'null'))
          .replace('2023-09-25T07:49:37.708706Z', time)
      case 1:
        return DOCUMENTED.ticker
          .replace('BTC/USD', symbol)
          .replace('105944.2', usual())
          .replace('3.2', number())
          .replace('0.24', number())
      case 2:
        return DOCUMENTED.ohlc
          .replace('MATIC/USD', symbol)
          .replace('"interval":5', `"interval":${pick('5', '1', '7', '60')}`)
          .replace('T16:25:00', pick('T16:25:00', 'T16:30:00', 'T16:35:00'))
          .replace('0.5624', usual())
      case 3:
      case 4: {
        const type = random() < 0.3 ? 'snapshot' : 'update'
        const checksum = pick('0', '1561210927', '-1', '1.5', '99999999999')
        const timed = random() < 0.8 ? `,"timestamp":"${time}"` : ''
        return `{"channel":"book","type":"${type}","data":[{"symbol":"${symbol}","bids":[${levels()}],"asks":[${levels()}],"checksum":${checksum}${timed}}]}`
      }
      default:
        return pick(...Object.values(DOCUMENTED))
    }
  }

  /** Something that may happen to a frame: mostly nothing. */
  function mutate(frame: string, random: () => number): Uint8Array {
    const at = () => Math.floor(random() * frame.length)
    const kind = Math.floor(random() * 14)
    let text = frame
    if (kind === 0) text = frame.slice(0, at())
    if (kind === 1) text = frame.replace(/,/g, ' ,\n ')
    if (kind === 2) text = frame.replace(/\[(\{.*\})\]/, '[$1,$1]')
    if (kind === 3) text = frame.replace('"symbol"', '"extra":{"a":[1,"\\u0041"]},"symbol"')
    if (kind === 4) text = frame.replace('BTC', '\\u0042TC')
    if (kind === 5) text = `${frame} `
    if (kind === 6) text = frame.replace(/"price":([^,]*),"qty":([^}]*)/, '"qty":$2,"price":$1')
    if (kind === 7) text = frame.replace('"price"', '"price" ')
    const bytes = Buffer.from(text)
    if (kind === 8 && bytes.length > 0) bytes[at()] = Math.floor(random() * 256)
    if (kind === 9) {
      const [from, length] = [at(), Math.floor(random() * 9)]
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)])
    }
    return bytes
  }

  const some = { revision: 1, mask: (symbol: string) => (symbol.startsWith('BTC') ? -1 : 0) }
  for (const [name, interest] of [
    ['everything', EVERYTHING],
    ['one pair', some],
  ] as const) {
    test(`says the same, frame by frame, of ${name}`, () => {
      let [told, refused] = [0, 0]
      for (let seed = 1; seed <= 60; seed++) {
        const random = seededRandom(seed)
        const [fast, plain] = [bench('scanner', { interest }), bench('plain', { interest })]
        for (let i = 0; i < 300; i++) {
          const frame = mutate(frameOf(random), random)
          const expected = plain.read(frame)
          assert.deepEqual(fast.read(frame), expected, `seed ${seed}: ${Buffer.from(frame)}`)
          told += events(expected).length
          refused += expected.filter(([what]) => what === 'malformed').length
        }
        assert.deepEqual(fast.later, plain.later)
      }
      assert.ok(told > 1_000 && refused > 100, `${told} events, ${refused} refused`)
    })
  }
})
