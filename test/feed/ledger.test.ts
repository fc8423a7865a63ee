import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { type KeptRow, Ledger } from '../../src/feed/ledger.ts'
import { createEvent, Flag, type MarketEvent, type NoticeName } from '../../src/market/events.ts'
import { alpaca } from '../../src/providers/alpaca/index.ts'
import { handClock } from '../../src/testing/clock.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'

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

test('counts holes by symbol, and what became of each', () => {
  const ledger = new Ledger()
  const holes = (...symbols: string[]) =>
    symbols.map(symbol => ({ source: 's', kind: 'trade' as const, symbol, from: T0 }))
  ledger.holes('opened', holes('SPY', 'TSLA', 'QQQ'))
  ledger.holes('opened', holes('SPY'))
  ledger.holes('filled', holes('SPY', 'TSLA'))
  ledger.holes('left', holes('SPY'))
  const counts = ledger
    .rows()
    .map(({ day, symbol, gaps, gapsRepaired, gapsUnrepaired }) => [
      ...[day, symbol, gaps, gapsRepaired, gapsUnrepaired],
    ])
  assert.deepEqual(counts, [
    ['2025-06-02', 'QQQ', 1, 0, 0],
    ['2025-06-02', 'SPY', 2, 1, 1],
    ['2025-06-02', 'TSLA', 1, 1, 0],
  ])
  assert.equal(ledger.rows()[0]!.lag, undefined)
})

test('notices, which speak of several symbols at once, count only where a book speaks for itself', () => {
  const ledger = new Ledger()
  ledger.append([notice('gap', { symbol: undefined }), notice('gap'), notice('repaired')])
  ledger.append([notice('unrepaired'), notice('connected'), notice('quiet')])
  assert.deepEqual(ledger.rows(), [])
  const ofBook = { kind: 'book', from: undefined }
  ledger.append([notice('gap', ofBook), notice('gap', ofBook), notice('resynced', ofBook)])
  const [row] = ledger.rows()
  assert.deepEqual([row!.kind, row!.symbol, row!.gaps, row!.gapsRepaired], ['book', 'SPY', 2, 1])
})

test('events of one time are in order, whatever came between them', () => {
  const ledger = new Ledger()
  ledger.append([trade(5), trade(5), trade(4), trade(5)])
  assert.equal(ledger.rows()[0]!.outOfOrder, 1)
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
  const events = [trade(1, 3), trade(2, 700), trade(3, 20)]
  const rest = [trade(2, 9_000), trade(5, 1)]
  const hole = [{ source: 's', kind: 'trade' as const, symbol: 'SPY', from: T0 }]
  for (const one of [first, whole]) {
    one.leftOut(trade(1, 3), 'duplicate')
    one.holes('opened', hole)
  }
  first.append(events)
  second.restore(JSON.parse(JSON.stringify([...first.keep('2025-06-02')])))
  for (const one of [second, whole]) one.holes('filled', hole)
  second.append(rest)
  whole.append([...events, ...rest])
  assert.deepEqual(second.rows(), whole.rows())
  assert.equal(second.rows()[0]!.outOfOrder, 1, 'behind what the earlier process had')
})

test('counts what came twice, cannot be true or was given up, each apart', () => {
  const ledger = new Ledger()
  ledger.append([trade(1)])
  for (const why of ['duplicate', 'duplicate', 'quarantined', 'dropped'] as const) {
    ledger.leftOut(trade(1), why)
  }
  ledger.leftOut(trade(1, 5, { symbol: 'TSLA' }), 'dropped')
  const counts = ledger
    .rows()
    .map(({ symbol, received, duplicates, quarantined, dropped }) => [
      ...[symbol, received, duplicates, quarantined, dropped],
    ])
  assert.deepEqual(counts, [
    ['SPY', 1, 2, 1, 1],
    ['TSLA', 0, 0, 0, 1],
  ])
  assert.equal(ledger.rows()[0]!.lag!.max, 5)
})

test('what cannot be true counts on the day it came, whatever time or symbol it claims', () => {
  const ledger = new Ledger()
  for (const timestamp of [Number.NaN, 0, 1e20, -1e20, Number.POSITIVE_INFINITY]) {
    const event = { ...trade(0), timestamp, receivedAt: T0 } as MarketEvent
    ledger.leftOut(event, 'quarantined')
    ledger.leftOut({ ...event, symbol: '' } as MarketEvent, 'quarantined')
  }
  assert.deepEqual(
    ledger.rows().map(({ day, symbol, quarantined }) => [day, symbol, quarantined]),
    [
      ['2025-06-02', '*', 5],
      ['2025-06-02', 'SPY', 5],
    ],
  )
  // One that comes twice has the time it has; a time that is none must not end the feed.
  ledger.leftOut({ ...trade(0), timestamp: 1e20 } as MarketEvent, 'duplicate')
  assert.equal(ledger.rows().at(-1)!.day, 'unknown')
})

test('invented names do not fill the memory: what has no place goes under *', () => {
  const ledger = new Ledger()
  for (let i = 0; i < 1_500; i++) {
    ledger.leftOut(trade(0, 5, { symbol: `X${i}`.padEnd(1_000, 'y') }), 'quarantined')
  }
  const rows = ledger.rows()
  assert.equal(rows.length, 1_001)
  assert.equal(rows[0]!.symbol, '*')
  assert.equal(rows[0]!.quarantined, 500)
  assert.ok(rows.every(({ symbol }) => symbol.length <= 64))
})

test('a ledger from before something was counted goes on from 0', () => {
  const [ledger, old] = [new Ledger(), new Ledger()]
  old.append([trade(1)])
  const kept = [...old.keep('2025-06-02')].map(
    ({ duplicates: _, quarantined: __, dropped: ___, newest: ____, ...row }) => row,
  )
  ledger.restore(kept as unknown as KeptRow[])
  ledger.leftOut(trade(1), 'duplicate')
  const [row] = ledger.rows()
  assert.deepEqual([row!.received, row!.duplicates, row!.quarantined], [1, 1, 0])
})

for (const [what, fault, holes] of [
  ['nothing', undefined, [0, 0, 0]],
  ['a lost connection', { fault: 'cut' }, [1, 1, 0]],
] as const) {
  test(`of a feed that met ${what} and was closed in the midst of its stream the holes are counted, and no others`, async () => {
    const clock = handClock(Date.UTC(2024, 0, 16, 15))
    const venue = scriptedVenue({ clock, server: { slotMs: 0 } })
    const { openSocket, httpGet } = venue
    const provider = alpaca({ key: 'PK', secret: 'secret', openSocket, httpGet, clock })
    const parts = { clock, random: seededRandom(7), log: silentLog, leases: false } as const
    const feed = openFeed(provider, parts)
    const ledger = new Ledger()
    feed.pipe(ledger)
    feed.trades('SPY', () => {})
    feed.statuses('SPY', () => {})
    await clock.advance(1_000)
    for (let id = 1; id <= 10; id++) {
      if (id === 5 && fault) venue.inject(fault)
      venue.deliver([
        createEvent({
          ...{ type: 'trade', source: 'venue', symbol: 'SPY', price: 100, size: 1, id },
          ...{ exchange: 'V', conditions: ['@'], tape: 'B', timestamp: clock.now() - 5 },
        }),
      ])
      await clock.advance(2_000)
    }
    assert.deepEqual(feed.stats().holes.filled, holes[1])
    const closed = feed.close()
    await clock.advance(2_000)
    await closed
    await venue.close()
    const row = ledger.rows().find(({ kind }) => kind === 'trade')!
    assert.deepEqual([row.gaps, row.gapsRepaired, row.gapsUnrepaired], holes)
    const statuses = ledger.rows().find(({ kind }) => kind === 'status')
    assert.equal(statuses?.gapsUnrepaired ?? 0, fault ? 1 : 0)
  })
}

test('of a feed that ends before its lost connection is back the holes are counted, of kinds without history too', async () => {
  const clock = handClock(Date.UTC(2024, 0, 16, 15))
  const venue = scriptedVenue({ clock, server: { slotMs: 0 } })
  const { openSocket, httpGet } = venue
  const provider = alpaca({ key: 'PK', secret: 'secret', openSocket, httpGet, clock })
  const feed = openFeed(provider, {
    ...{ clock, random: seededRandom(7), log: silentLog, leases: false },
  })
  const ledger = new Ledger()
  feed.pipe(ledger)
  feed.trades('SPY', () => {})
  feed.statuses('SPY', () => {})
  await clock.advance(1_000)
  venue.deliver([
    createEvent({
      ...{ type: 'trade', source: 'venue', symbol: 'SPY', price: 100, size: 1, id: 1 },
      ...{ exchange: 'V', conditions: ['@'], tape: 'B', timestamp: clock.now() - 5 },
    }),
  ])
  await clock.advance(1_000)
  venue.inject({ fault: 'refuse', for: 3_600_000 })
  venue.inject({ fault: 'cut' })
  await clock.advance(60_000)
  await Promise.all([feed.close(), clock.advance(2_000)])
  await venue.close()
  const left = ledger.rows().map(({ kind, gaps, gapsUnrepaired }) => [kind, gaps, gapsUnrepaired])
  assert.deepEqual(left.filter(([kind]) => kind === 'trade' || kind === 'status').sort(), [
    ['status', 1, 1],
    ['trade', 1, 1],
  ])
})
