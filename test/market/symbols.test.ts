import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TickwireError } from '../../src/base/errors.ts'
import {
  canonicalPair,
  canonicalSymbol,
  formatSymbol,
  parseSymbol,
  QUOTE_CURRENCIES,
  SYMBOL_LENGTH,
} from '../../src/market/symbols.ts'

const badSymbol = (hint: RegExp) => (error: unknown) =>
  error instanceof TickwireError && error.code === 'BAD_SYMBOL' && hint.test(error.hint ?? '')

const word = fc.stringMatching(/^[A-Z0-9][A-Z0-9.=-]{0,11}$/)

describe('canonicalSymbol', () => {
  it('takes off blanks and makes upper case', () => {
    const cases = {
      ' aapl ': 'AAPL',
      'brk.b': 'BRK.B',
      'btc/usd': 'BTC/USD',
      'Nse:Reliance': 'NSE:RELIANCE',
      'es=f': 'ES=F',
      '\tspy\n': 'SPY',
      币安人生: '币安人生',
    }
    for (const [text, symbol] of Object.entries(cases)) assert.equal(canonicalSymbol(text), symbol)
  })

  it('leaves alone what only a venue can read as a pair', () => {
    for (const text of ['BTCUSD', 'BRK-B', 'BTC-USD']) assert.equal(canonicalSymbol(text), text)
  })

  it('changes nothing the second time, and gives what parseSymbol can take apart', () => {
    let accepted = 0
    fc.assert(
      fc.property(fc.oneof(word, fc.string({ unit: 'binary' }), fc.string()), text => {
        let symbol: string
        try {
          symbol = canonicalSymbol(text)
        } catch (error) {
          assert.ok(error instanceof TickwireError && error.code === 'BAD_SYMBOL' && error.hint)
          return
        }
        accepted++
        assert.equal(canonicalSymbol(symbol), symbol)
        assert.equal(formatSymbol(parseSymbol(symbol)), symbol)
      }),
      { numRuns: 1_000 },
    )
    assert.ok(accepted > 300)
  })

  const refused: [string, RegExp][] = [
    ['', /Give a symbol such as/],
    ['   ', /Give a symbol such as/],
    ['*', /star stands for all/],
    ['SPY TSLA', /one by one/],
    ['SPY,TSLA', /one by one/],
    ['AA\u00a0PL', /one by one/],
    ['AA\0PL', /invisible/],
    ['AA\u200bPL', /invisible/],
    ['AA\u001bPL', /invisible/],
    ['AA\ud800PL', /invisible/],
    ['A'.repeat(SYMBOL_LENGTH + 1), /at most 64/],
    [':RELIANCE', /EXCHANGE:SYMBOL/],
    ['NSE:', /EXCHANGE:SYMBOL/],
    ['/USD', /BASE\/QUOTE/],
    ['BTC/', /BASE\/QUOTE/],
    ['A/B/C', /BASE\/QUOTE/],
    ['KRAKEN:BTC/', /BASE\/QUOTE/],
  ]
  for (const [text, hint] of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))} and says what to change`, () => {
      assert.throws(() => canonicalSymbol(text), badSymbol(hint))
    })
  }

  it('shows control characters escaped and no more than the beginning of a long text', () => {
    try {
      canonicalSymbol(`\u001b[31m${'x'.repeat(5_000)}`)
      assert.fail('accepted')
    } catch (error) {
      assert.ok(error instanceof TickwireError)
      assert.ok(!error.message.includes('\u001b'))
      assert.ok(error.message.length < 120)
    }
  })
})

describe('parseSymbol', () => {
  it('tells plain symbols, pairs and qualified ones apart', () => {
    assert.deepEqual(parseSymbol('aapl'), { kind: 'plain', base: 'AAPL' })
    assert.deepEqual(parseSymbol('BTC/USD'), { kind: 'pair', base: 'BTC', quote: 'USD' })
    const reliance = { kind: 'qualified', exchange: 'NSE', base: 'RELIANCE' }
    assert.deepEqual(parseSymbol('NSE:RELIANCE'), reliance)
    const pair = { kind: 'qualified', exchange: 'BINANCE', base: 'BTC', quote: 'USDT' }
    assert.deepEqual(parseSymbol('BINANCE:BTC/USDT'), pair)
    assert.deepEqual(parseSymbol('A:B:C'), { kind: 'qualified', exchange: 'A', base: 'B:C' })
  })

  it('reads back what formatSymbol writes', () => {
    const parts = fc.record({ exchange: word, base: word, quote: word }, { requiredKeys: ['base'] })
    fc.assert(
      fc.property(parts, symbol => {
        const { kind, ...rest } = parseSymbol(formatSymbol(symbol))
        assert.deepEqual(rest, { ...symbol })
        assert.equal(kind, symbol.exchange ? 'qualified' : symbol.quote ? 'pair' : 'plain')
      }),
    )
  })
})

describe('canonicalPair', () => {
  const cases: Record<string, string> = {
    'BTC/USD': 'BTC/USD',
    'btc-usd': 'BTC/USD',
    BTC_USDT: 'BTC/USDT',
    BTCUSD: 'BTC/USD',
    BTCUSDT: 'BTC/USDT',
    BTCFDUSD: 'BTC/FDUSD',
    'XBT/USD': 'BTC/USD',
    XBTEUR: 'BTC/EUR',
    XDGUSD: 'DOGE/USD',
    ETHBTC: 'ETH/BTC',
    ETHXBT: 'ETH/BTC',
    EURUSD: 'EUR/USD',
    USDJPY: 'USD/JPY',
    JPYUSD: 'JPY/USD',
    DOTUSD: 'DOT/USD',
    SHIBUSD: 'SHIB/USD',
    WUSDT: 'W/USDT',
    USDCUSDT: 'USDC/USDT',
    '1000PEPEUSDT': '1000PEPE/USDT',
  }
  for (const [text, pair] of Object.entries(cases)) {
    it(`reads ${text} as ${pair}`, () => assert.equal(canonicalPair(text), pair))
  }

  it('reads a pair of any base and a known quote in every spelling, but for one-word doubts', () => {
    const currency = fc.constantFrom(...QUOTE_CURRENCIES).filter(quote => quote !== 'XBT')
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Z]{2,8}$/), currency, (base, quote) => {
        fc.pre(base !== 'XBT' && base !== 'XDG')
        const pair = `${base}/${quote}`
        for (const mark of ['/', '-', '_']) assert.equal(canonicalPair(base + mark + quote), pair)
        const split = canonicalPair(base + quote)
        assert.equal(split.replace('/', ''), base + quote)
        assert.ok(split.split('/')[1]!.length >= quote.length)
        assert.equal(canonicalPair(pair), pair)
      }),
    )
  })

  for (const text of ['AAPL', 'USD', 'BTC', 'BTC-USD-PERP', 'KRAKEN:BTC/USD', '-USD', '']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => canonicalPair(text), badSymbol(/./))
    })
  }
})
