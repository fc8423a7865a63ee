// Names both ways: as a user writes them, as the vendor writes them, and back.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TickwireError } from '../../../src/base/errors.ts'
import { readJsonConfig } from '../../../src/providers/json/config.ts'
import { JsonSymbols } from '../../../src/providers/json/symbols.ts'

function symbolsWith(rules: object): JsonSymbols {
  const messages = [{ kind: 'status', symbol: 's', fields: { statusCode: 'c' } }]
  const base = { id: 'v', url: 'ws://v.test', subscribe: { message: 'x' }, messages }
  return new JsonSymbols(readJsonConfig({ ...base, symbols: rules }, {}).symbols)
}

describe('symbols of a configured vendor', () => {
  test('come back as they were asked for, however they are written there', () => {
    const rules: [rules: object, written: Record<string, string>][] = [
      [{}, { AAPL: 'AAPL', 'BTC/USD': 'BTC/USD' }],
      [{ pair: '' }, { 'BTC/USDT': 'BTCUSDT', 'ABC/XYZ': 'ABCXYZ', AAPL: 'AAPL' }],
      [
        { pair: '', case: 'lower' },
        { 'BTC/USDT': 'btcusdt', 'ETH/BTC': 'ethbtc' },
      ],
      [
        { pair: '-' },
        { 'BTC/USD': 'BTC-USD', 'BTC-25MAR-60000-C': 'BTC-25MAR-60000-C', 'A/B-C': 'A-B-C' },
      ],
      [{ pair: '$&', suffix: '.X' }, { 'BTC/USD': 'BTC$&USD.X' }],
      [
        { suffix: '.US', case: 'lower' },
        { AAPL: 'aapl.us', 'BRK.B': 'brk.b.us' },
      ],
      [{ map: { 'btc/usd': 'xbt', spy: 'SPDR' } }, { 'BTC/USD': 'xbt', SPY: 'SPDR' }],
      [{ map: { A: 'n', B: 'N' } }, { A: 'n', B: 'N' }],
    ]
    for (const [rule, written] of rules) {
      const symbols = symbolsWith(rule)
      for (const [ours, theirs] of Object.entries(written)) {
        const what = `${JSON.stringify(rule)} ${ours}`
        assert.equal(symbols.symbol(ours), ours, what)
        assert.equal(symbols.venue(ours), theirs, what)
        assert.equal(symbols.canonical(theirs), ours, what)
      }
    }
  })

  test('of a vendor that writes one case are known in the other', () => {
    const symbols = symbolsWith({ pair: '', case: 'lower' })
    symbols.venue('ABC/XYZ')
    assert.equal(symbols.canonical('ABCXYZ'), 'ABC/XYZ')
  })

  test('may be given in the spelling of the vendor', () => {
    const said = (rules: object, ...texts: string[]) => {
      const symbols = symbolsWith(rules)
      return texts.map(text => symbols.venue(symbols.symbol(text)))
    }
    assert.deepEqual(said({ suffix: '.US' }, 'AAPL.US', ' msft.us ', 'TSLA'), [
      ...['AAPL.US', 'MSFT.US', 'TSLA.US'],
    ])
    assert.deepEqual(said({ pair: '-' }, 'btc-usd'), ['BTC-USD'])
    assert.deepEqual(said({ pair: '' }, 'btcusdt', 'XBTUSD'), ['BTCUSDT', 'XBTUSD'])
    assert.deepEqual(said({ map: { 'BTC/USD': 'xbt' } }, 'xbt', 'XBT'), ['xbt', 'xbt'])
    const symbols = symbolsWith({ pair: '', suffix: '.US' })
    const names = ['btcusdt.us', 'AAPL.US', 'XBTUSD'].map(text => symbols.symbol(text))
    assert.deepEqual(names, ['BTC/USDT', 'AAPL', 'XBTUSD'])
    assert.throws(() => symbols.symbol('a b'), { code: 'BAD_SYMBOL' })
  })

  test('that would be one at the vendor are one, under the name asked for first', () => {
    const symbols = symbolsWith({ pair: '' })
    assert.equal(symbols.symbol('ABC/XYZ'), 'ABC/XYZ')
    assert.equal(symbols.symbol('ABCXYZ'), 'ABC/XYZ')
    const other = symbolsWith({ pair: '' })
    assert.equal(other.symbol('ABCXYZ'), 'ABCXYZ')
    assert.equal(other.symbol('ABC/XYZ'), 'ABCXYZ')
  })

  test('that nobody asked for are read by the rules alone', () => {
    const read = (rules: object, text: string) => symbolsWith(rules).canonical(text)
    assert.equal(read({ pair: '' }, 'ETHUSDT'), 'ETH/USDT')
    assert.equal(read({ pair: '-' }, 'ETH-25MAR-100-C'), 'ETH-25MAR-100-C')
    assert.equal(read({ pair: '-' }, 'X:-B'), undefined)
    assert.equal(read({ suffix: '.US' }, '.US'), undefined)
  })

  test('of the map have to be symbols, each with a name of its own', () => {
    const fault = (map: object, words: RegExp) =>
      assert.throws(
        () => symbolsWith({ map }),
        ({ code, message }: TickwireError) => code === 'BAD_CONFIG' && words.test(message),
      )
    fault({ 'a b': 'x' }, /symbols\.map\.a b is no symbol/)
    fault({ aapl: 'x', AAPL: 'y' }, /AAPL stands for AAPL, as another does/)
    fault({ A: 'x', B: 'x' }, /B is x at the venue, as A is/)
  })
})
