// Symbols both ways.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { QUOTE_CURRENCIES } from '../../../src/market/symbols.ts'
import { Names, venueName } from '../../../src/providers/binance/symbols.ts'

const asset = fc.stringMatching(/^[A-Z0-9]{2,10}$/).filter(text => !/^(XBT|XDG)$/.test(text))

describe('symbols', () => {
  it('are found again by the name they were asked for by', () => {
    fc.assert(
      fc.property(asset, asset, fc.constantFrom('/', '-', '_'), (base, quote, dash) => {
        const names = new Names()
        const symbol = names.symbol(` ${base.toLowerCase()}${dash}${quote} `)
        assert.equal(symbol, `${base}/${quote}`)
        assert.equal(venueName(symbol), base + quote)
        assert.equal(names.find(base + quote), symbol)
        // The venue's own spelling means the same from now on.
        assert.equal(names.symbol(base + quote), symbol)
      }),
      { seed: 1 },
    )
  })

  it('in one word are split before a known currency', () => {
    for (const quote of QUOTE_CURRENCIES.filter(one => one !== 'XBT')) {
      assert.equal(new Names().symbol(`sol${quote.toLowerCase()}`), `SOL/${quote}`)
    }
    assert.equal(new Names().symbol('BTCFDUSD'), 'BTC/FDUSD')
  })

  it('that would be one at the venue are not two here', () => {
    const names = new Names()
    names.symbol('BTC/TUSD')
    assert.throws(() => names.symbol('BTCT/USD'), { code: 'BAD_SYMBOL', hint: /Write BTC\/TUSD/ })
  })

  it('that are none are refused with what to write', () => {
    for (const text of ['*', '', 'BTC/', 'A/B/C', 'BINANCE:BTC/USDT', 'WORD']) {
      assert.throws(() => new Names().symbol(text), { code: 'BAD_SYMBOL' }, text)
    }
  })
})
