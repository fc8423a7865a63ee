// What TWS says of contracts, as instruments.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { searchSymbols } from '../../../src/cli/commands/symbols.ts'
import { instruments } from '../../../src/market/instruments.ts'
import { contractOf, symbolsOf } from '../../../src/providers/ibkr/symbols.ts'
import { FAKE_CONTRACTS, type FakeContract } from '../../../src/testing/fake-tws-contracts.ts'
import { memory } from './memory.ts'

const MORE: readonly FakeContract[] = [
  {
    ...{ conId: 756_734, symbol: 'QQQ', secType: 'STK', exchange: 'SMART', currency: 'USD' },
    ...{ primaryExch: 'NASDAQ', localSymbol: 'QQQ', tradingClass: 'NMS', minTick: 0.01 },
    ...{ longName: 'INVESCO QQQ TRUST SERIES 1', stockType: 'ETF' },
  },
  {
    ...{ conId: 8_314, symbol: 'VOD', secType: 'STK', exchange: 'LSE', currency: 'GBP' },
    ...{ primaryExch: 'LSE', localSymbol: 'VOD', longName: 'VODAFONE GROUP PLC', minTick: 0.02 },
    priceMagnifier: 100,
  },
  {
    ...{ conId: 654_321, symbol: 'AAPL', secType: 'OPT', exchange: 'SMART', currency: 'USD' },
    ...{ localSymbol: 'AAPL  261218C00200000', tradingClass: 'AAPL', lastTradeDate: '20261218' },
    ...{ contractMonth: '202612', strike: 200, right: 'C', multiplier: 100, minTick: 0.01 },
  },
  {
    ...{ conId: 99, symbol: 'AAPL', secType: 'BOND', exchange: 'SMART', currency: 'USD' },
    ...{ localSymbol: 'AAPL 3.5 09/18/29', longName: 'APPLE INC BOND' },
  },
]
const tws = { contracts: [...FAKE_CONTRACTS, ...MORE] }

test('a symbol is described: kind, steps, currency, calendar, the number IBKR knows it by', async t => {
  const { provider, settled } = await memory(t, { tws })
  const [aapl, ...others] = await settled(provider.instruments!(undefined, 'aapl'))
  assert.deepEqual(aapl, {
    ...{ symbol: 'AAPL', kind: 'equity', name: 'AAPL', tickSize: 0.01, lotSize: 0.0001 },
    ...{ currency: 'USD', calendar: 'us-equities', vendorNames: { ibkr: '265598' } },
  })
  assert.deepEqual(others, [], 'a bond has no name here')
  const of = async (text: string) => (await settled(provider.instruments!(undefined, text)))[0]!
  const es = await of('ES 202612 CME')
  assert.deepEqual(
    [es.symbol, es.kind, es.multiplier, es.tickSize, es.calendar],
    ['CME:ES-202612', 'future', 50, 0.25, 'cme'],
  )
  const eur = await of('eur/usd')
  assert.deepEqual([eur.symbol, eur.kind, eur.calendar], ['EUR/USD', 'forex', 'forex'])
  const call = await of('AAPL261218C00200000')
  assert.deepEqual([call.kind, call.multiplier], ['option', 100])
  const brk = await of('BRK.B')
  assert.deepEqual([brk.symbol, brk.vendorNames?.ibkr], ['BRK.B', '72063691'])
  const qqq = await of('QQQ')
  assert.deepEqual([qqq.kind, qqq.name], ['etf', 'INVESCO QQQ TRUST SERIES 1'])
})

test('prices in hundredths of a currency are not said to be in it', async t => {
  const { provider, settled } = await memory(t, { tws })
  const [vod] = await settled(provider.instruments!(undefined, 'LSE:VOD'))
  assert.deepEqual([vod?.symbol, vod?.currency, vod?.tickSize], ['LSE:VOD', undefined, 0.02])
})

test('namesakes are told apart by their listings, and what nothing is like is an empty list', async t => {
  const { provider, settled } = await memory(t, { tws })
  const twins = await settled(provider.instruments!(undefined, 'TWIN'))
  assert.deepEqual(twins.map(({ symbol }) => symbol).sort(), ['NYSE:TWIN', 'PINK:TWIN'])
  assert.equal(instruments(twins).size, 2)
  assert.deepEqual(await settled(provider.instruments!(undefined, 'NOTHING')), [])
  // No symbol at all, but a part of a name.
  const [found] = await settled(provider.instruments!(undefined, 'QQQ trust'))
  assert.equal(found?.symbol, 'QQQ')
})

test('without a name: what options name and what was asked for', async t => {
  const spx = { secType: 'IND', symbol: 'SPX', exchange: 'CBOE', currency: 'USD' } as const
  const twin = { secType: 'STK', symbol: 'TWIN', currency: 'USD' } as const
  const { provider, settled } = await memory(t, {
    tws,
    ibkr: { contracts: { SPX: spx, TWIN: twin, GONE: { ...spx, symbol: 'GONE' } } },
  })
  const names = async () =>
    (await settled(provider.instruments!())).map(({ symbol, kind }) => `${symbol} ${kind}`).sort()
  assert.deepEqual(await names(), ['SPX index'], 'neither one of two, nor none')
  await settled(provider.latest!({ kind: 'trade', symbols: ['MSFT', 'CME:ES-202612'] }))
  assert.deepEqual(await names(), ['CME:ES-202612 future', 'MSFT equity', 'SPX index'])
})

test('it is asked on a connection of its own, which is given back, also when given up', async t => {
  const { provider, settled, venue, clock } = await memory(t, { tws })
  await settled(provider.instruments!(undefined, 'AAPL'))
  assert.deepEqual(
    venue.tws.messages.filter(([id]) => id === '71').map(fields => fields[2]),
    ['8426'],
  )
  await clock.advance(10)
  assert.equal(venue.openConnections(), 0)
  const control = new AbortController()
  venue.inject({ fault: 'half-open' })
  const asked = provider.instruments!(control.signal, 'AAPL')
  asked.catch(() => {})
  await clock.advance(100)
  control.abort()
  await clock.advance(1)
  await assert.rejects(asked, { code: 'CLOSED' }, 'at once, not when the greeting is given up')
  await clock.advance(1)
  assert.equal(venue.openConnections(), 0)
  venue.inject({ fault: 'refuse', for: '1m' })
  await assert.rejects(settled(provider.instruments!()), { code: 'UNREACHABLE' })
  assert.deepEqual(venue.tws.breaches, [])
})

test('every name leads back to the contract it is of', () => {
  for (const one of [...FAKE_CONTRACTS, ...MORE]) {
    for (const symbol of symbolsOf(one, one.contractMonth)) {
      const wanted = contractOf(symbol)
      assert.equal(wanted.secType, one.secType, symbol)
      assert.equal(wanted.symbol, one.symbol, symbol)
      const { exchange, primaryExchange = exchange } = wanted
      const own = [one.exchange, one.primaryExch]
      assert.ok(own.includes(primaryExchange) && own.includes(exchange), symbol)
    }
  }
  assert.deepEqual(symbolsOf({ secType: 'BOND', symbol: 'X' }, undefined), [])
  assert.deepEqual(symbolsOf({ secType: 'STK', symbol: 'A B C D' }, undefined), [])
})

test('a search of the command line finds names and symbols at IBKR', async t => {
  const { provider, settled } = await memory(t, { tws })
  const found = await settled(searchSymbols(provider, 'vodafone'))
  assert.deepEqual(
    found.map(({ instrument, venueName }) => [instrument.symbol, venueName]),
    [['LSE:VOD', '8314']],
  )
})
