// Symbols both ways.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { coinbaseSymbol, productOf, symbolsOf } from '../../../src/providers/coinbase/symbols.ts'

const currency = fc.stringMatching(/^[A-Z0-9]{2,10}$/).filter(text => !/^(XBT|XDG)$/.test(text))

describe('symbols', () => {
  it('lead to the product whose market they are, and back', () => {
    fc.assert(
      fc.property(
        currency,
        fc.oneof(currency, fc.constantFrom('USD', 'USDC', 'EUR')),
        (base, quote) => {
          const symbol = coinbaseSymbol(`${base}-${quote}`.toLowerCase())
          assert.equal(symbol, `${base}/${quote}`)
          const product = productOf(symbol)
          assert.ok(symbolsOf(product).includes(symbol), `${symbol} ${product}`)
          for (const other of symbolsOf(product)) assert.equal(productOf(other), product)
        },
      ),
      { seed: 1 },
    )
  })

  it('against USDC are the market against USD, but for two', () => {
    assert.equal(productOf('BTC/USDC'), 'BTC-USD')
    assert.deepEqual(symbolsOf('BTC-USD'), ['BTC/USD', 'BTC/USDC'])
    assert.equal(productOf('USDT/USDC'), 'USDT-USDC')
    assert.deepEqual(symbolsOf('USDT-USDC'), ['USDT/USDC'])
    assert.deepEqual(symbolsOf('USDT-USD'), ['USDT/USD'])
    assert.equal(productOf('BTC/USDT'), 'BTC-USDT', 'USDT is another currency')
  })

  it('that are none are refused, and products that are none stand for nothing', () => {
    for (const text of ['*', '', 'BTC/', 'A-B-C', 'WORD']) {
      assert.throws(() => coinbaseSymbol(text), { code: 'BAD_SYMBOL' }, text)
    }
    for (const id of ['', 'BTC', 'BTC-PERP-INTX', '-USD', 'A/B-USD']) {
      assert.deepEqual(symbolsOf(id), [], id)
    }
  })
})
