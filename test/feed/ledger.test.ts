import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ledger } from '../../src/feed/ledger.ts'
import { createEvent, Flag, type MarketEvent, type NoticeName } from '../../src/market/events.ts'

const T0 = Date.UTC(2025, 5, 2, 14)
const trade = (at: number, lagMs = 5, more: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol: 'SPY', source: 's', price: 1, size: 1 },
    timestamp: T0 + at,
    receivedAt: T0 + at + lagMs,
    ...more,
  })
const notice = (name: NoticeName, more: object = {}): MarketEvent =>
  createEvent({
    type: 'notice',
    source: 's',
    timestamp: T0,
    notice: name,
    message: '',
    kind: 'trade',
    symbol: 'SPY',
    from: T0,
    ...more,
  })

test('counts what comes by day, source, symbol and kind', () => {
  const ledger = new Ledger()
  ledger.append([trade(1), trade(3), trade(2), trade(4, 0, { flags: Flag.repaired })])
  ledger.append([
    trade(1, 5, { symbol: 'TSLA' }),
    trade(1, 5, { source: 'other one' }),
    trade(86_400_000),
  ])
  const rows = ledger.rows()
  assert.deepEqual(
    rows.map(row => [row.day, row.source, row.symbol, row.kind, row.received]),
    [
      ['2025-06-02', 'other one', 'SPY', 'trade', 1],
      ['2025-06-02', 's', 'SPY', 'trade', 4],
      ['2025-06-02', 's', 'TSLA', 'trade', 1],
      ['2025-06-03', 's', 'SPY', 'trade', 1],
    ],
  )
  assert.deepEqual([rows[1]!.repaired, rows[1]!.outOfOrder], [1, 1])
})

test('counts holes and what became of them, also those of several symbols at once', () => {
  const ledger = new Ledger()
  ledger.append([notice('gap'), notice('gap'), notice('repaired'), notice('unrepaired')])
  ledger.append([notice('gap', { symbol: undefined }), notice('connected'), notice('quiet')])
  const [all, spy] = ledger.rows()
  assert.deepEqual([all!.symbol, all!.gaps], ['*', 1])
  assert.deepEqual([spy!.gaps, spy!.gapsRepaired, spy!.gapsUnrepaired], [2, 1, 1])
  assert.equal(spy!.lag, undefined)
})

test('tells lag to a tenth, its maximum exactly, and leaves out what was filled in', () => {
  const ledger = new Ledger()
  for (let i = 1; i <= 1_000; i++) ledger.append([trade(i, i)])
  ledger.append([trade(2_000, 1e9, { flags: Flag.repaired })])
  const { p50, p95, p99, max } = ledger.rows()[0]!.lag!
  for (const [told, right] of [
    [p50, 500],
    [p95, 950],
    [p99, 990],
  ] as const) {
    assert.ok(Math.abs(told / right - 1) < 0.1, `${told} for ${right}`)
  }
  assert.equal(max, 1_000)
  const early = new Ledger()
  early.append([trade(1, -50)])
  assert.equal(early.rows()[0]!.lag!.max, -50)
})

test('a later process goes on with what was kept, as JSON', () => {
  const [first, second, whole] = [new Ledger(), new Ledger(), new Ledger()]
  const events = [trade(1, 3), trade(2, 700), notice('gap'), trade(3, 20)]
  const rest = [trade(4, 9_000), trade(5, 1), notice('repaired')]
  first.append(events)
  second.restore(JSON.parse(JSON.stringify(first.keep())))
  second.append(rest)
  whole.append([...events, ...rest])
  assert.deepEqual(second.rows(), whole.rows())
})
