import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TickwireError } from '../../src/base/errors.ts'
import {
  formatPrice,
  type Instrument,
  instruments,
  roundToTick,
} from '../../src/market/instruments.ts'

const apple: Instrument = { symbol: 'AAPL', kind: 'equity', name: 'Apple Inc.', tickSize: 0.01 }
const bitcoin: Instrument = {
  symbol: 'BTC/USD',
  kind: 'crypto',
  tickSize: 0.1,
  vendorNames: { kraken: 'XBT/USD', coinbase: 'BTC-USD' },
}
const code = (expected: string) => (error: unknown) =>
  error instanceof TickwireError && error.code === expected

describe('a book of instruments', () => {
  const book = instruments([apple, bitcoin])

  it('finds by canonical symbol in any case', () => {
    assert.equal(book.get('AAPL'), apple)
    assert.equal(book.get(' btc/usd '), bitcoin)
    assert.equal(book.get('MSFT'), undefined)
    assert.equal(book.size, 2)
    assert.deepEqual([...book], [apple, bitcoin])
  })

  it('finds by what a venue calls it, and by the canonical symbol where the venue has no name of its own', () => {
    assert.equal(book.byVendorName('kraken', 'XBT/USD'), bitcoin)
    assert.equal(book.byVendorName('coinbase', 'BTC-USD'), bitcoin)
    assert.equal(book.byVendorName('alpaca', 'BTC/USD'), bitcoin)
    assert.equal(book.byVendorName('alpaca', 'AAPL'), apple)
    assert.equal(book.byVendorName('kraken', 'BTC/USD'), undefined, 'kraken calls it otherwise')
    assert.equal(book.byVendorName('coinbase', 'XBT/USD'), undefined)
  })

  it('refuses a symbol or a vendor name met twice', () => {
    assert.throws(() => instruments([apple, { ...apple }]), code('BAD_OPTION'))
    const other: Instrument = { ...bitcoin, symbol: 'XBT/EUR' }
    assert.throws(() => instruments([bitcoin, other]), code('BAD_OPTION'))
  })

  it('refuses symbols that are not canonical and steps that are none', () => {
    assert.throws(() => instruments([{ ...apple, symbol: 'aapl' }]), code('BAD_SYMBOL'))
    assert.throws(() => instruments([{ ...apple, symbol: '' }]), code('BAD_SYMBOL'))
    for (const wrong of [
      { tickSize: 0 },
      { tickSize: -1 },
      { lotSize: Number.NaN },
      { multiplier: Number.POSITIVE_INFINITY },
      { pricePrecision: 1.5 },
      { pricePrecision: -1 },
      { pricePrecision: 101 },
    ]) {
      assert.throws(() => instruments([{ ...apple, ...wrong }]), code('BAD_OPTION'))
    }
  })
})

describe('roundToTick', () => {
  it('gives the nearest multiple, without the dust of doubles', () => {
    const cases: [number, number, number][] = [
      [150.254, 0.01, 150.25],
      [150.256, 0.01, 150.26],
      [0.30000000000000004, 0.1, 0.3],
      [4500.13, 0.25, 4500.25],
      [7, 5, 5],
      [8, 5, 10],
      [0.000000123, 1e-8, 1.2e-7],
      [-1.006, 0.01, -1.01],
      [2.5e-7, 2.5e-7, 2.5e-7],
    ]
    for (const [price, tickSize, rounded] of cases) {
      assert.equal(roundToTick(price, { tickSize }), rounded)
    }
    assert.equal(roundToTick(1.23456, {}), 1.23456)
  })

  it('moves a price by half a tick at most, and a rounded one not at all', () => {
    const tickSizes = fc.constantFrom(0.0001, 0.01, 0.05, 0.25, 0.5, 1, 5, 1e-8)
    fc.assert(
      fc.property(tickSizes, fc.double({ min: 0, max: 1e6, noNaN: true }), (tickSize, price) => {
        const rounded = roundToTick(price, { tickSize })
        assert.ok(Math.abs(rounded - price) <= (tickSize / 2) * (1 + 1e-6) + price * 1e-15)
        assert.equal(roundToTick(rounded, { tickSize }), rounded)
      }),
      { numRuns: 500 },
    )
  })
})

describe('formatPrice', () => {
  it('fills up to the precision and cuts nothing off', () => {
    assert.equal(formatPrice(150.2, apple), '150.20')
    assert.equal(formatPrice(150, apple), '150.00')
    assert.equal(formatPrice(150.2575, apple), '150.2575')
    assert.equal(formatPrice(42_000, bitcoin), '42000.0')
    assert.equal(formatPrice(42_000, { pricePrecision: 2 }), '42000.00')
    assert.equal(formatPrice(1.5, {}), '1.5')
    assert.equal(formatPrice(-0.5, apple), '-0.50')
  })

  it('writes small prices without an exponent', () => {
    assert.equal(formatPrice(0.00000123, { tickSize: 1e-8 }), '0.00000123')
    assert.equal(formatPrice(1e-7, {}), '0.0000001')
    assert.equal(formatPrice(0, { tickSize: 1e-8 }), '0.00000000')
  })

  it('reads back as the same price', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 1e15, noNaN: true }), price => {
        const text = formatPrice(price, apple)
        assert.equal(Number(text), price)
        assert.match(text, /^\d+\.\d{2,}$/)
      }),
      { numRuns: 500 },
    )
  })
})
