// What AllTick sends, event for event, in both variants; both ways to read it; answers, errors, codes.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { TickwireError } from '../../../src/base/errors.ts'
import { KIND_BIT } from '../../../src/feed/provider.ts'
import type { AllTickMarket } from '../../../src/providers/alltick/plans.ts'
import { allTickVerdict } from '../../../src/providers/alltick/replies.ts'
import { allTickSymbol, codeOf, symbolOf } from '../../../src/providers/alltick/symbols.ts'
import { bench, events, type Said, TEN } from './kit.ts'

const DOCUMENTED = {
  trade:
    '{"cmd_id":22998,"data":{"code":"1288.HK","seq":1605509068000001,"tick_time":1605509068,"price":"651.12","volume":"300","turnover":"12345.6","trade_direction":1}}',
  texts:
    '{"cmd_id":22998,"data":{"code":"AAPL.US","seq":"27755950","tick_time":"1751068801000","price":"201.187000","volume":"174","turnover":"35006.099000","trade_direction":"2"}}',
  book: '{"cmd_id":22999,"data":{"code":"700.HK","seq":1605509068000001,"tick_time":1605509068,"bids":[{"price":"9.12","volume":"9.12"}],"asks":[{"price":"147.12","volume":"147.12"}]}}',
} as const

function read(text: string, market: AllTickMarket = 'stocks', mask = -1): Said[] {
  const [one, other] = [bench(market, mask), bench(market, mask)]
  const said = one.read(text)
  assert.deepEqual(said, other.readPlainly(text), text)
  return said
}

const push = (command: number, data: object) => JSON.stringify({ cmd_id: command, data })

describe('pushes', () => {
  it('of trades are trades and last prices, numbers or text alike', () => {
    const hk = { symbol: '1288.HK', timestamp: 1_605_509_068_000 }
    assert.deepEqual(events(read(DOCUMENTED.trade)), [
      { type: 'trade', ...hk, price: 651.12, size: 300, id: 1_605_509_068_000_001, side: 'buy' },
      { type: 'ticker', ...hk, last: 651.12, lastSize: 300, lastTime: 1_605_509_068_000 },
    ])
    const [trade] = events(read(DOCUMENTED.texts))
    assert.deepEqual(trade, {
      ...{ type: 'trade', symbol: 'AAPL.US', timestamp: 1_751_068_801_000, price: 201.187 },
      ...{ size: 174, id: 27_755_950, side: 'sell' },
    })
  })

  it('of books are whole books and quotes', () => {
    const at = { symbol: '700.HK', timestamp: 1_605_509_068_000 }
    assert.deepEqual(events(read(DOCUMENTED.book)), [
      { type: 'quote', ...at, bid: 9.12, bidSize: 9.12, ask: 147.12, askSize: 147.12 },
      { type: 'book', ...at, bids: [[9.12, 9.12]], asks: [[147.12, 147.12]], snapshot: true },
    ])
  })

  it('at a price limit lack a side, and of a delisted stock both', () => {
    const zero = [{ price: '0', volume: '0' }]
    const bid = [{ price: '5.5', volume: '100' }]
    const [quote, book] = events(read(push(22_999, { code: '1.HK', bids: bid, asks: zero })))
    assert.deepEqual([quote!.bid, quote!.ask, book!.asks], [5.5, undefined, []])
    const [none, empty] = events(read(push(22_999, { code: '1.HK', bids: zero, asks: zero })))
    assert.deepEqual([none!.bid, empty!.bids], [undefined, []])
  })

  it('without sizes are quotes and no book, which is told once', () => {
    const decoders = bench('forex')
    const sides = { bids: [{ price: '1.08' }], asks: [{ price: '1.09', volume: '0' }] }
    const text = push(22_999, { code: 'EURUSD', seq: 5, tick_time: TEN, ...sides })
    const said = decoders.read(text)
    assert.deepEqual(events(said), [
      { type: 'quote', symbol: 'EUR/USD', timestamp: TEN, bid: 1.08, ask: 1.09 },
    ])
    assert.deepEqual(said.at(-1), ['control', 'UNSUPPORTED'])
    assert.equal(decoders.read(text).length, 1)
    assert.equal(decoders.scanner.fallbacks, 0)
  })

  it('without a volume are prices and no trades', () => {
    const tick = { code: 'Silver', seq: 5, tick_time: TEN, price: '38.1', volume: '0' }
    assert.deepEqual(events(read(push(22_998, tick), 'forex')), [
      { type: 'ticker', symbol: 'SILVER', timestamp: TEN, last: 38.1, lastTime: TEN },
    ])
  })

  it('keep long numbers exact', () => {
    const id = (seq: string) => {
      const [trade] = events(read(DOCUMENTED.trade.replace('1605509068000001', seq)))
      return trade!.id
    }
    assert.equal(id('9007199254740991'), 9_007_199_254_740_991)
    assert.equal(id('9007199254740993'), '9007199254740993')
    assert.equal(id('"12345678901234567890"'), '12345678901234567890')
    assert.equal(id('"7"'), 7)
  })

  it('nobody wants are passed over', () => {
    assert.deepEqual(read(DOCUMENTED.trade, 'stocks', 0), [])
    assert.deepEqual(
      events(read(DOCUMENTED.book, 'stocks', KIND_BIT.quote)).map(({ type }) => type),
      ['quote'],
    )
  })

  it('that are wrong are malformed and no event', () => {
    const tick = { code: 'AAPL.US', seq: 1, tick_time: TEN, price: '5', volume: '1' }
    for (const [wrong, why] of [
      [push(22_998, { ...tick, price: '0' }), 'no price'],
      [push(22_998, { ...tick, price: 'x' }), 'price is not'],
      [push(22_998, { ...tick, volume: '-1' }), 'volume is not'],
      [push(22_998, { ...tick, seq: 'a' }), 'seq is no'],
      [push(22_998, { ...tick, trade_direction: 3 }), 'trade_direction'],
      [push(22_998, { ...tick, code: 'AAPL' }), 'no code'],
      [push(22_998, { ...tick, code: 7 }), 'no code'],
      [push(22_999, { code: 'AAPL.US', bids: [] }), 'no bids and asks'],
      [push(22_999, { code: 'AAPL.US', bids: [{ volume: '1' }], asks: [] }), 'a level'],
      ['{"cmd_id":22998,"data":[]}', 'not a map'],
      [DOCUMENTED.trade.slice(0, -1), 'not JSON'],
      ['{"cmd_id":"22998","data":{}}', 'without cmd_id'],
    ] as const) {
      const said = read(wrong)
      assert.equal(said.length, 1, wrong)
      assert.match(String(said[0]), new RegExp(`malformed,.*${why}`), wrong)
    }
  })

  it('read the same by bytes and by JSON.parse, whatever is done to them', () => {
    const number = fc.oneof(
      fc.double({ min: 0, max: 1e7, noNaN: true }),
      fc.constantFrom(0, 0.05, 201.187, 1e-7, 1e21),
    )
    const written = fc
      .tuple(number, fc.boolean(), fc.integer({ min: 0, max: 8 }))
      .map(([n, text, digits]) => (text ? n.toFixed(digits) : n))
    const level = fc.record({ price: written, volume: written }, { requiredKeys: ['price'] })
    const seq = fc.bigInt({ min: 0n, max: 10n ** 19n }).map(String)
    const fields = fc.record(
      {
        code: fc.constantFrom('AAPL.US', '700.HK', 'EURUSD'),
        ...{ tick_time: written, price: written, volume: written, turnover: written },
        ...{ bids: fc.array(level, { maxLength: 3 }), asks: fc.array(level, { maxLength: 3 }) },
        trade_direction: fc.constantFrom(0, 1, 2, '1', null, 9),
        extra: fc.constantFrom(null, true, { a: [1] }),
      },
      { requiredKeys: ['code'] },
    )
    const spoil = fc.option(fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:-0e.\\ nx')), { freq: 2 })
    const shape = fc.tuple(fc.constantFrom(22_998, 22_999), fc.boolean(), fc.boolean())
    fc.assert(
      fc.property(fields, seq, spoil, shape, (data, number, harm, [command, quoted, spaced]) => {
        const keys = Object.keys(data).length > 4 ? { seq: '§', ...data } : { ...data, seq: '§' }
        let text = push(command, keys).replace('"§"', quoted ? `"${number}"` : number)
        if (spaced) text = text.replaceAll(',', ', ').replaceAll(':', ': ')
        if (harm) {
          const at = harm[0] % text.length
          text = text.slice(0, at) + harm[1] + text.slice(at + 1)
        }
        read(text)
      }),
      { numRuns: 3_000, seed: 5 },
    )
  })
})

describe('trades of a code that is known', () => {
  const usual = (data: object) =>
    push(22_998, {
      ...{ code: 'AAPL.US', seq: 1_836_410, tick_time: TEN, price: '201.187000', volume: '174' },
      ...{ turnover: '35006.099000', trade_direction: 1, ...data },
    })
  const warm = (mask = -1) => {
    const decoders = bench('stocks', mask)
    decoders.read(usual({}))
    decoders.readPlainly(usual({}))
    return decoders
  }

  it('read the same by bytes and by JSON.parse, whatever is done to a byte of them', () => {
    const digits = fc.integer({ min: 0, max: 10_000_000 }).map(n => (n / 1_000).toFixed(n % 7))
    const fields = fc.record({
      seq: fc.constantFrom(0, 7, 1_836_410, 1_605_509_068_000_001, '5', '12345678901234567890'),
      tick_time: fc.constantFrom(TEN, TEN + 7, TEN / 1_000, String(TEN), 0),
      price: fc.oneof(digits, fc.constantFrom('0', '1e400', '01', '5.', '', '-1')),
      volume: fc.oneof(digits, fc.constantFrom('0', '-1', '1e400', '')),
      turnover: fc.constantFrom('35006.099', '', 'a\\"b', 'ü', 5, null),
      trade_direction: fc.constantFrom(0, 1, 2, 3, '1'),
    })
    const harm = fc.option(fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:-0e.\\ nx')), { freq: 3 })
    const decoders = [warm(), warm(1 << 30)]
    fc.assert(
      fc.property(fields, harm, fc.nat(1), (data, harmed, which) => {
        let text = usual(data)
        if (harmed) {
          const at = harmed[0] % text.length
          text = text.slice(0, at) + harmed[1] + text.slice(at + 1)
        }
        const { read: one, readPlainly: other } = decoders[which]!
        assert.deepEqual(one(text), other(text), text)
      }),
      { numRuns: 5_000, seed: 7 },
    )
  })

  it('say each what they say, nothing of the one before', () => {
    const { read: decode } = warm(KIND_BIT.trade)
    const [first] = events(decode(usual({ seq: 2, trade_direction: 0, price: '5' })))
    assert.deepEqual([first!.id, first!.side, first!.price, first!.size], [2, undefined, 5, 174])
  })
})

describe('codes', () => {
  it('are canonical symbols and back', () => {
    for (const [market, text, symbol, code] of [
      ['stocks', 'aapl.us', 'AAPL.US', 'AAPL.US'],
      ['stocks', '00700.HK', '700.HK', '700.HK'],
      ['stocks', '000627.SZ', '000627.SZ', '000627.SZ'],
      ['forex', 'EURUSD', 'EUR/USD', 'EURUSD'],
      ['forex', 'eur/usd', 'EUR/USD', 'EURUSD'],
      ['forex', 'BTC-USDT', 'BTC/USDT', 'BTCUSDT'],
      ['forex', 'silver', 'SILVER', 'Silver'],
      ['forex', 'GOLD', 'GOLD', 'GOLD'],
      ['forex', 'US500', 'US500', 'US500'],
    ] as const) {
      assert.equal(allTickSymbol(text, market), symbol)
      assert.equal(codeOf(symbol), code)
      assert.equal(symbolOf(code, market), symbol)
    }
  })

  it('come back as they went', () => {
    const base = fc.stringMatching(/^[A-Z0-9]{1,8}$/)
    const quote = fc.constantFrom('USD', 'USDT', 'EUR', 'JPY', 'BTC')
    fc.assert(
      fc.property(base, quote, (one, other) => {
        const symbol = allTickSymbol(`${one}/${other}`, 'forex')
        assert.equal(symbolOf(codeOf(symbol), 'forex'), symbol)
        assert.equal(allTickSymbol(symbol, 'forex'), symbol)
      }),
    )
  })

  it('of the other endpoint, or of none, are refused with the way out', () => {
    for (const [text, market, hint] of [
      ['AAPL', 'stocks', /AAPL\.US/],
      ['BTC/USDT', 'stocks', /market: 'forex'/],
      ['AAPL.US', 'forex', /market: 'stocks'/],
      ['*', 'stocks', /name the codes/],
    ] as const) {
      assert.throws(
        () => allTickSymbol(text, market),
        (error: TickwireError) => error.code === 'BAD_SYMBOL' && hint.test(error.hint ?? ''),
      )
    }
  })
})

describe('answers', () => {
  it('are read as documented', () => {
    const ok = (command: number) =>
      `{"ret":200,"msg":"ok","cmd_id":${command},"seq_id":123,"trace":"asdfsdfa","data":{}}`
    assert.deepEqual(read(ok(22_001)), [])
    for (const command of [22_003, 22_005, 22_007]) {
      assert.deepEqual(read(ok(command)), [['control', { type: 'confirmed', id: 123 }]])
    }
    assert.deepEqual(
      read(
        '{"ret":201,"msg":"request header param invalid","cmd_id":0,"seq_id":0,"trace":"","data":{}}',
      ),
      [['control', { type: 'error', code: 201, message: 'request header param invalid' }]],
    )
    assert.deepEqual(read('{"cmd_id":23000,"data":{}}'), [['unknown', '23000']])
  })

  it('mean what they mean', () => {
    const rows = [
      [401, 'connection AUTH_FAILED true'],
      [429, 'connection RATE_LIMITED false'],
      [600, 'request UNKNOWN_SYMBOL true'],
      [603, 'request NOT_ENTITLED true'],
      [604, 'request NOT_ENTITLED true'],
      [605, 'request RATE_LIMITED false'],
      [606, 'connection CONNECTION_LIMIT false'],
      [777, 'connection VENUE_ERROR false'],
    ] as const
    for (const [code, meaning] of rows) {
      const { scope, error } = allTickVerdict({ type: 'message', code, message: 'x' })!
      assert.equal(`${scope} ${error.code} ${error.fatal}`, meaning)
    }
    const refused = (status: number) =>
      allTickVerdict({ type: 'upgrade', status, retryAfterMs: undefined })?.error
    assert.equal(refused(401)?.code, 'AUTH_FAILED')
    assert.deepEqual([refused(429)?.code, refused(429)?.retryAfterMs], ['RATE_LIMITED', 60_000])
    assert.equal(refused(502), undefined)
  })
})
