import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TickwireError } from '../../../src/base/errors.ts'
import { contractOf, ibkrSymbol } from '../../../src/providers/ibkr/symbols.ts'

test('what people write has one canonical form, and one contract', () => {
  const cases: [string, string, object][] = [
    ['aapl', 'AAPL', { secType: 'STK', symbol: 'AAPL', exchange: 'SMART', currency: 'USD' }],
    ['brk.b', 'BRK.B', { secType: 'STK', symbol: 'BRK B', exchange: 'SMART', currency: 'USD' }],
    [
      'NASDAQ:AAPL',
      'NASDAQ:AAPL',
      {
        ...{ secType: 'STK', symbol: 'AAPL', exchange: 'SMART', currency: 'USD' },
        primaryExchange: 'NASDAQ',
      },
    ],
    ['LSE:VOD', 'LSE:VOD', { secType: 'STK', symbol: 'VOD', exchange: 'LSE' }],
    [
      'eur/usd',
      'EUR/USD',
      { secType: 'CASH', symbol: 'EUR', exchange: 'IDEALPRO', currency: 'USD' },
    ],
    [
      'BTC/USD',
      'BTC/USD',
      { secType: 'CRYPTO', symbol: 'BTC', exchange: 'PAXOS', currency: 'USD' },
    ],
    [
      ' es  202612 cme ',
      'CME:ES-202612',
      { secType: 'FUT', symbol: 'ES', exchange: 'CME', month: '202612' },
    ],
    [
      'CME:ES-20261218',
      'CME:ES-20261218',
      { secType: 'FUT', symbol: 'ES', exchange: 'CME', month: '20261218' },
    ],
    ['CME:ES', 'CME:ES', { secType: 'FUT', symbol: 'ES', exchange: 'CME' }],
    [
      'AAPL261218C00200500',
      'AAPL261218C00200500',
      {
        ...{ secType: 'OPT', symbol: 'AAPL', exchange: 'SMART', currency: 'USD' },
        ...{ month: '20261218', right: 'C', strike: 200.5, multiplier: 100 },
      },
    ],
  ]
  for (const [text, symbol, contract] of cases) {
    assert.equal(ibkrSymbol(text), symbol)
    assert.deepEqual(contractOf(symbol), contract, symbol)
  }
})

test('names given by the user come first', () => {
  const spx = { secType: 'IND', symbol: 'SPX', exchange: 'CBOE' } as const
  assert.equal(contractOf('SPX', new Map([['SPX', spx]])), spx)
})

test('what is no symbol is refused by its name', () => {
  for (const text of ['', 'A B', 'ES 202613 CME', '*', 'CME:EUR/USD', ':X']) {
    assert.throws(
      () => ibkrSymbol(text),
      (error: unknown) => error instanceof TickwireError && error.code === 'BAD_SYMBOL',
      text,
    )
  }
})

test('a canonical symbol is its own canonical form, and two have two contracts', () => {
  const root = fc.stringMatching(/^[A-Z][A-Z0-9]{0,4}$/)
  const month = fc
    .tuple(fc.integer({ min: 2026, max: 2040 }), fc.integer({ min: 1, max: 12 }))
    .map(([year, at]) => `${year}${String(at).padStart(2, '0')}`)
  const symbol = fc.oneof(
    root,
    fc.tuple(root, month).map(([name, at]) => `CME:${name}-${at}`),
    fc.tuple(root, fc.constantFrom('NYSE', 'NASDAQ', 'LSE')).map(([name, at]) => `${at}:${name}`),
    fc
      .tuple(fc.constantFrom('EUR', 'GBP', 'BTC'), fc.constantFrom('USD', 'JPY'))
      .map(pair => pair.join('/')),
  )
  fc.assert(
    fc.property(symbol, symbol, (a, b) => {
      assert.equal(ibkrSymbol(a), a)
      assert.equal(ibkrSymbol(` ${a.toLowerCase()} `), a)
      if (a !== b) assert.notDeepEqual(contractOf(a), contractOf(b))
    }),
  )
})
