// What the server sends, event for event; both ways to read it, held against each other; its answers and errors.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { TickwireError } from '../../../src/base/errors.ts'
import { KIND_BIT } from '../../../src/feed/provider.ts'
import { openAlgoVerdict } from '../../../src/providers/openalgo/replies.ts'
import {
  BROKERS,
  dataOf,
  type Known,
  pythonJson,
} from '../../../src/providers/openalgo/server-frames.ts'
import {
  EXCHANGES,
  openAlgoSymbol,
  symbolOf,
  venueName,
} from '../../../src/providers/openalgo/symbols.ts'
import { bench, events, type Said, TEN } from './kit.ts'

const LTP =
  '{"type": "market_data", "symbol": "RELIANCE", "exchange": "NSE", "mode": 1, "data": {"symbol": "RELIANCE", "exchange": "NSE", "mode": 1, "ltp": 1424.7, "ltt": 1795199034923, "timestamp": 1795199034923}, "broker": "fake"}'

const frame = (mode: number, data: object, broker = 'fake', symbol = 'RELIANCE') =>
  pythonJson({ type: 'market_data', symbol, exchange: 'NSE', mode, data, broker })

/** One frame by both decoders, which have to say the same. */
function read(text: string, receivedAt = TEN + 0.5): Said[] {
  const [one, other] = [bench(), bench()]
  const said = one.read(text, receivedAt)
  assert.deepEqual(said, other.readPlainly(text, receivedAt))
  return said
}

describe('market data', () => {
  it('of the mode LTP is a ticker with the last price and its time, read without JSON.parse', () => {
    const decoders = bench()
    const said = decoders.read(LTP, TEN)
    assert.deepEqual(events(said), [
      {
        ...{ type: 'ticker', symbol: 'NSE:RELIANCE', timestamp: 1_795_199_034_923 },
        ...{ last: 1_424.7, lastTime: 1_795_199_034_923 },
      },
    ])
    assert.deepEqual(said, bench().readPlainly(LTP, TEN))
    assert.equal(decoders.scanner.fallbacks, 0)
  })

  it('goes by the envelope, whatever mode the broker writes inside', () => {
    for (const mode of ['quote', 'full', 7, null, undefined]) {
      const [ticker] = events(read(frame(1, { mode, symbol: 'OTHER', exchange: 'BSE', ltp: 10.5 })))
      assert.equal(ticker!.symbol, 'NSE:RELIANCE')
      assert.equal(ticker!.last, 10.5)
    }
  })

  it('to a subscriber of LTP may hold a whole quote: all of it counts', () => {
    const day = { open: 1, high: 4, low: 0.5, close: 2, volume: 77, average_price: 2.5 }
    const last = { last_trade_quantity: 3, oi: 12, change: 1, change_percent: 50 }
    const [ticker] = events(read(frame(1, { ltp: 3, ...day, ...last, timestamp: 1_795_199_034 })))
    assert.deepEqual(ticker, {
      ...{ type: 'ticker', symbol: 'NSE:RELIANCE', timestamp: 1_795_199_034_000, last: 3 },
      ...{ open: 1, high: 4, low: 0.5, previousClose: 2, volume: 77, vwap: 2.5, lastSize: 3 },
      ...{ openInterest: 12, change: 1, changePercent: 50 },
    })
  })

  it('takes 0 for what is not known, and a change of 0 for one where the prices say so', () => {
    const zeros = { open: 0, high: 0, low: 0, close: 10, volume: 0, ltt: 0, change: 0 }
    const [ticker] = events(read(frame(2, { ltp: 10, ...zeros })))
    assert.deepEqual(ticker, {
      ...{ type: 'ticker', symbol: 'NSE:RELIANCE', timestamp: TEN, last: 10, previousClose: 10 },
      change: 0,
    })
    const [other] = events(read(frame(2, { ltp: 11, close: 10, change: 0 })))
    assert.equal(other!.change, undefined)
    assert.deepEqual(read(frame(1, { ltp: 0 })), [])
    const [old] = events(read(frame(1, { ltp: 5, ltt: 1_700_000_000 })))
    assert.deepEqual([old!.timestamp, old!.lastTime], [TEN, 1_700_000_000_000])
  })

  it('knows seconds, milliseconds and microseconds by their size, and text by its form', () => {
    const at = (timestamp: unknown) => {
      const [ticker] = events(read(frame(1, { ltp: 1, timestamp })))
      return ticker!.timestamp
    }
    assert.equal(at(1_795_199_034), 1_795_199_034_000)
    assert.equal(at(1_795_199_034.25), 1_795_199_034_250)
    assert.equal(at(1_795_199_034_923), 1_795_199_034_923)
    assert.equal(at(1_795_199_034_923_456), 1_795_199_034_923)
    assert.equal(at('1795199034923'), 1_795_199_034_923)
    assert.equal(at('2026-11-20T18:23:54.923Z'), Date.UTC(2026, 10, 20, 18, 23, 54, 923))
    assert.equal(at('2026-11-20T23:53:54+05:30'), Date.UTC(2026, 10, 20, 18, 23, 54))
    for (const none of [0, '', '28-Aug-2025 09:59:10', null, -5, 1e300, true, undefined]) {
      assert.equal(at(none), TEN, String(none))
    }
  })

  it('cleans prices of the noise of sums, and sizes of nothing', () => {
    const data = { ltp: 1424.1999999999998, close: 0.30000000000000004, volume: 14_414_545 }
    const [ticker] = events(read(frame(2, data)))
    assert.deepEqual([ticker!.last, ticker!.previousClose], [1_424.2, 0.3])
    assert.equal(ticker!.volume, 14_414_545)
  })

  it('with depth is a whole book and a quote: padding left out, the best first', () => {
    const level = (price: number, quantity: number) => ({ price, quantity, orders: 2 })
    const depth = {
      buy: [level(99.5, 10), level(99.7, 5), level(0, 0), { price: 99.4, quantity: 0 }],
      sell: [level(100.05, 7), { price: 0.0, quantity: 0, orders: null }],
    }
    const said = events(read(frame(3, { ltp: 100, depth, bid: 1, ask: 2 })))
    assert.deepEqual(
      said.map(({ type }) => type),
      ['ticker', 'quote', 'book'],
    )
    const [, quote, book] = said
    const best = { bid: 99.7, bidSize: 5, ask: 100.05, askSize: 7 }
    assert.deepEqual(quote, { type: 'quote', symbol: 'NSE:RELIANCE', timestamp: TEN, ...best })
    const sides = { bids: [[99.7, 5], [99.5, 10]], asks: [[100.05, 7]] } // biome-ignore format: pairs
    assert.deepEqual(book, {
      ...{ type: 'book', symbol: 'NSE:RELIANCE', timestamp: TEN, snapshot: true, ...sides },
    })
  })

  it('of an index has a depth of zeros, which is no book; a book that empties is told once', () => {
    const none = { buy: [{ price: 0, quantity: 0 }], sell: [] }
    const some = { buy: [{ price: 5, quantity: 1 }], sell: [] }
    const { read: decode } = bench({ interest: { revision: 1, mask: () => KIND_BIT.book } })
    const books = [none, some, none, none].map(depth => events(decode(frame(3, { depth }), TEN)))
    assert.deepEqual(
      books.map(list => list.map(({ bids }) => bids)),
      [[], [[[5, 1]]], [[]], []],
    )
  })

  it('of Delta Exchange calls its mark price the last one', () => {
    const data = { ltp: 64_000, bid_price: 63_999.5, bid_qty: 4, ask_price: 64_000.5, ask_qty: 2 }
    const [ticker, quote] = events(read(frame(2, data, 'deltaexchange')))
    assert.deepEqual([ticker!.mark, ticker!.last], [64_000, undefined])
    assert.deepEqual([quote!.bid, quote!.askSize], [63_999.5, 2])
  })

  it('belongs to the broker it names, also where that changes or is not said', () => {
    const decoders = bench()
    const marks = ['deltaexchange', 'fake', '', 'deltaexchange', 'x'.repeat(80), 'fake'].map(
      broker => {
        const text = frame(2, { ltp: 5, bid: 4 }, broker)
        const [ticker] = events(
          decoders.read(broker ? text : text.replace(', "broker": ""', ''), TEN),
        )
        return ticker!.mark
      },
    )
    assert.deepEqual(marks, [5, undefined, undefined, 5, undefined, undefined])
    assert.equal(decoders.scanner.fallbacks, 0)
  })

  it('nobody wants is passed over', () => {
    const { read: decode } = bench({ interest: { revision: 1, mask: () => 0 } })
    assert.deepEqual(decode(LTP, TEN), [])
  })

  it('that is wrong is malformed and no event', () => {
    for (const [wrong, why] of [
      [frame(1, {}), 'no ltp'],
      [frame(1, { ltp: 'many' }), 'ltp is not a number'],
      [frame(1, { ltp: -1 }), 'ltp is negative'],
      [frame(2, { ltp: 1, volume: [] }), 'volume is not a number'],
      [frame(3, { ltp: 1, depth: { buy: [{ price: 'x' }], sell: [] } }), 'a level that is none'],
      [frame(3, { ltp: 1, depth: [] }), 'a level that is none'],
      [frame(4, { ltp: 1 }), 'mode is none'],
      [LTP.replace('"RELIANCE", "exchange"', '"RELI ANCE", "exchange"'), 'no symbol'],
      [LTP.replace('"ltp": 1424.7', '"ltp": NaN'), 'not JSON'],
      [LTP.slice(0, -1), 'not JSON'],
      [LTP.replace('{"symbol": "RELIANCE"', '["symbol", "RELIANCE"'), 'not JSON'],
      ['[1]', 'not a map'],
    ] as const) {
      const said = read(wrong)
      assert.equal(said.length, 1, wrong)
      assert.equal(said[0]![0], 'malformed', wrong)
      assert.match(String(said[0]![1]), new RegExp(why), wrong)
    }
  })

  it('reads the same by bytes and by JSON.parse, of every broker, whatever is done to it', () => {
    const price = fc.oneof(
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.integer({ min: 0, max: 200_000 }).map(n => n / 20),
      fc.constantFrom(0, 0.05, 1424.1999999999998, 99999999.25),
    )
    const size = fc.oneof(fc.integer({ min: 0, max: 1e9 }), fc.constantFrom(0, 0.5))
    const level = fc.tuple(price, size)
    const known = fc.record({
      ...{ last: price, open: price, high: price, low: price, close: price, vwap: price },
      ...{ lastSize: size, volume: size, interest: size },
      lastTime: fc.integer({ min: 0, max: 2e12 }),
      bids: fc.array(level, { maxLength: 6 }),
      asks: fc.array(level, { maxLength: 6 }),
    })
    const modes = fc.constantFrom('ltp', 'quote', 'depth' as const)
    const spoil = fc.option(fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:-0e.\\ nx')), { freq: 2 })
    fc.assert(
      fc.property(
        ...([known, modes, fc.constantFrom(...BROKERS)] as const),
        ...([fc.integer({ min: 1, max: 3 }), spoil, fc.boolean()] as const),
        (state, mode, broker, tag, harm, compact) => {
          const data = dataOf(broker, 'NSE:RELIANCE', mode, state, 5, TEN)
          let text = frame(tag, data, broker)
          if (compact) text = text.replaceAll(', ', ',').replaceAll(': ', ':')
          if (harm) {
            const at = harm[0] % text.length
            text = text.slice(0, at) + harm[1] + text.slice(at + 1)
          }
          read(text)
        },
      ),
      { numRuns: 3_000, seed: 11 },
    )
  })

  it('usual data of every broker never needs JSON.parse', () => {
    const decoders = bench()
    const known: Known = {
      ...{ last: 100.05, open: 99, high: 101, low: 98.5, close: 99.5, vwap: 100.123, lastSize: 4 },
      ...{ volume: 1_000, interest: 0, lastTime: TEN, bids: [[100, 2]], asks: [[100.1, 3]] },
    }
    for (const broker of BROKERS) {
      for (const [i, mode] of (['ltp', 'quote', 'depth'] as const).entries()) {
        const data = dataOf(broker, 'NSE:RELIANCE', mode, known, 5, TEN)
        decoders.read(frame(i + 1, data, broker), TEN)
      }
    }
    decoders.read(frame(1, { ltp: 1, ltt: '', volume: null, extra: { a: [1] } }), TEN)
    assert.equal(decoders.scanner.fallbacks, 0)
  })

  it('says nothing that only a message before it said, read or refused', () => {
    const decoders = bench({ interest: { revision: 1, mask: () => KIND_BIT.ticker } })
    for (const decode of [decoders.read, decoders.readPlainly]) {
      decode(frame(2, { ltp: 5, open: 4, volume: 3, oi: 7 }), TEN)
      decode(frame(2, { high: 9, low: -1 }), TEN)
      assert.deepEqual(events(decode(frame(2, { ltp: 6, close: 4 }), TEN)), [
        { type: 'ticker', symbol: 'NSE:RELIANCE', timestamp: TEN, last: 6, previousClose: 4 },
      ])
    }
  })

  it('without bid and ask in the mode Quote has its depth asked for, once a symbol', async () => {
    const decoders = bench({ interest: { revision: 1, mask: () => KIND_BIT.quote } })
    const quote = frame(2, { ltp: 5, open: 4, volume: 3 })
    assert.deepEqual(decoders.read(quote, TEN), [])
    await decoders.clock.advance(100)
    assert.deepEqual(decoders.said.splice(0), [
      ['control', { type: 'reply', frame: '{"action":"subscribe","symbols":[{"symbol":"RELIANCE","exchange":"NSE"}],"mode":"depth"}' }],
      ['control', { type: 'reply', frame: '{"action":"unsubscribe","symbols":[{"symbol":"RELIANCE","exchange":"NSE","mode":2}]}' }],
    ]) // biome-ignore format: frames
    assert.deepEqual(decoders.read(quote, TEN), [])
    await decoders.clock.advance(100)
    assert.deepEqual([decoders.infos.length, decoders.said], [1, []])
    // A side that nobody is on now is one all the same.
    assert.deepEqual(decoders.read(frame(2, { ltp: 5, bid: 0, ask: 0 }, 'fake', 'INFY'), TEN), [])
    await decoders.clock.advance(100)
    assert.deepEqual(decoders.said, [])
  })
})

describe('symbols', () => {
  it('are qualified, or of the default exchange', () => {
    assert.equal(openAlgoSymbol('nse:reliance', undefined), 'NSE:RELIANCE')
    assert.equal(openAlgoSymbol('RELIANCE', 'NSE'), 'NSE:RELIANCE')
    assert.equal(openAlgoSymbol('NSE_INDEX:NIFTY', 'NSE'), 'NSE_INDEX:NIFTY')
    assert.equal(openAlgoSymbol('M&M', 'NSE'), 'NSE:M&M')
  })

  it('that cannot be are refused with the way out', () => {
    for (const [text, hint] of [
      ['RELIANCE', /defaultExchange: 'NSE'/],
      ['NES:RELIANCE', /NSE/],
      ['NSE:TCS:20', /depth/],
      ['*', /name the symbols/],
      ['NSE:*', /name the symbols/],
      ['', /symbol/],
    ] as const) {
      assert.throws(
        () => openAlgoSymbol(text, undefined),
        (error: TickwireError) => error.code === 'BAD_SYMBOL' && hint.test(error.hint ?? ''),
        text,
      )
    }
  })

  it('come back as they went', () => {
    const name = fc.stringMatching(/^[A-Z0-9&._-]{1,40}$/)
    fc.assert(
      fc.property(fc.constantFrom(...EXCHANGES), name, (exchange, symbol) => {
        const canonical = openAlgoSymbol(`${exchange}:${symbol}`, 'BSE')
        assert.deepEqual(venueName(canonical), { symbol, exchange })
        assert.equal(symbolOf(venueName(canonical)), canonical)
      }),
    )
  })
})

describe('answers', () => {
  it('are read as documented', () => {
    const ok =
      '{"type": "auth", "status": "success", "message": "Authentication successful", "broker": "fake", "user_id": "demo", "supported_features": {"ltp": true, "quote": true, "depth": true}}'
    assert.deepEqual(read(ok), [['control', { type: 'ready' }]])
    const partial =
      '{"type": "subscribe", "status": "partial", "subscriptions": [{"symbol": "INFY", "exchange": "NSE", "status": "success", "mode": "Quote", "depth": 5, "broker": "fake"}, {"symbol": "BAD", "exchange": "NSE", "status": "error", "message": "Symbol BAD not found for exchange NSE", "broker": "fake"}], "message": "Subscription processing complete", "broker": "fake"}'
    assert.deepEqual(read(partial), [
      ['control', { type: 'confirmed', covers: ['NSE:INFY'] }],
      [
        'control',
        {
          ...{ type: 'error', code: undefined, name: 'SYMBOL', covers: ['NSE:BAD'] },
          message: 'Symbol BAD not found for exchange NSE',
        },
      ],
    ])
    const error =
      '{"status": "error", "code": "NOT_AUTHENTICATED", "message": "You must authenticate first"}'
    assert.deepEqual(read(error), [
      [
        'control',
        {
          ...{ type: 'error', code: undefined, name: 'NOT_AUTHENTICATED' },
          message: 'You must authenticate first',
        },
      ],
    ])
    for (const quiet of [
      '{"type": "unsubscribe", "status": "success", "message": "Unsubscription processing complete", "successful": [{"symbol": "INFY", "exchange": "NSE", "status": "success", "broker": "fake"}], "failed": [], "broker": "fake"}',
      '{"type": "pong", "status": "success", "server_timestamp": 1795198995774, "client_timestamp": 123, "_pingId": 7}',
      '{"type":"order_update","user_id":"rajandran","mode":"analyze","orderid":"26071590395364"}',
    ]) {
      assert.deepEqual(read(quiet), [])
    }
    assert.deepEqual(read('{"type": "ltp", "data": {}}'), [['unknown', 'ltp']])
    assert.deepEqual(read('{"a": 1}')[0]![0], 'malformed')
  })

  it('mean what they mean: the code, the scope and a way out', () => {
    const judge = (name: string, message: string) => {
      const { scope, error } = openAlgoVerdict({ type: 'message', code: undefined, name, message })!
      return `${scope} ${error.code} ${error.fatal ? 'fatal' : error.verdict}`
    }
    const rows = [
      ['AUTHENTICATION_ERROR', 'Invalid API key', 'connection AUTH_FAILED fatal'],
      ['BROKER_INIT_ERROR', 'No authentication tokens found', 'connection AUTH_FAILED fatal'],
      ['BROKER_CONNECTION_ERROR', 'Access token expired', 'connection AUTH_FAILED fatal'],
      ['BROKER_CONNECTION_ERROR', 'timed out', 'connection VENUE_ERROR retry'],
      ['BROKER_ERROR', 'No broker configuration found for user', 'connection AUTH_FAILED fatal'],
      ['INVALID_MODE', 'Invalid mode 4', 'request UNSUPPORTED fatal'],
      ['SERVER_ERROR', 'oh', 'request VENUE_ERROR retry'],
      ['TOMORROW', 'what', 'connection VENUE_ERROR retry'],
      ['SYMBOL', 'Symbol LIMIT not found for exchange NSE', 'request UNKNOWN_SYMBOL fatal'],
      ['SYMBOL', 'Token not found for SBIN', 'request UNKNOWN_SYMBOL fatal'],
      [
        'SYMBOL',
        'Maximum capacity reached: 3 connections × 1000 symbols = 3000 symbols.',
        'request SYMBOL_LIMIT reshard',
      ],
      ['SYMBOL', 'Mode 3 is not supported', 'request UNSUPPORTED fatal'],
      ['SYMBOL', 'Session expired', 'connection AUTH_FAILED fatal'],
      ['SYMBOL', 'WebSocket not connected', 'request VENUE_ERROR retry'],
    ] as const
    for (const [name, message, meaning] of rows) {
      assert.equal(judge(name, message), meaning, `${name} ${message}`)
    }
    const closed = openAlgoVerdict({ type: 'close', code: 4_401, reason: 'auth timeout' })
    assert.equal(closed?.error.code, 'HANDSHAKE_TIMEOUT')
  })
})
