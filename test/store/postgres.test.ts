import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { createEvent, EVENT_TYPES, type MarketEvent } from '../../src/market/events.ts'
import { readPostgres } from '../../src/store/postgres.ts'
import { Link } from '../../src/store/postgres-driver.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, collect, DAY_MS, manyEvents, START } from './kit.ts'
import { asOwner, database, open, skip, tapeOf } from './postgres-kit.ts'

const VERSION_1 = new URL('../fixtures/store/postgres-version-1.sql', import.meta.url)
const ALL = { symbols: ['*'], from: 0, to: Number.MAX_SAFE_INTEGER } as const

function trade(fields: object = {}): MarketEvent {
  return createEvent({
    ...{ type: 'trade', symbol: 'AAPL', source: 'test', timestamp: START },
    ...{ price: 150.25, size: 100 },
    ...fields,
  })
}

describe('PostgreSQL as a store', { skip }, () => {
  it('gives every event back as it was, in every field, by level too', async t => {
    for (const books of ['depth', 'levels'] as const) {
      const url = await database(t)
      const events = manyEvents(2_400, 7)
      const tape = tapeOf(events.slice(0, 900), events.slice(900))
      const store = await open(t, url, { books })
      await store.follow(tape, { live: false })
      // Whole books that the tape has put between the others are on it too.
      const all = await collect(tape.read({ from: 'start', live: false }))
      assert.deepEqual(store.position, tape.end)
      for (const kind of EVENT_TYPES) {
        const stored = await collect(store.history({ ...ALL, kind, adjustment: 'raw' }))
        const sent = all.filter(event => event.type === kind)
        if (kind === 'bar') continue
        const bySeq = (a: MarketEvent, b: MarketEvent) => a.seq! - b.seq!
        assert.deepEqual(stored.sort(bySeq), sent, `${kind} (${books})`)
      }
      // Bars too, of which a question is given the last word alone.
      const differs = (found: object) => assert.fail(JSON.stringify(found))
      assert.equal(await store.check(tape, differs), tape.end.seq)
    }
  })

  it('keeps nanoseconds, crypto sizes and odd values exactly, and rows people can read', async t => {
    const url = await database(t)
    const odd = [
      trade({ timestamp: 1_705_329_000_123, nanos: 456_789, size: 0.123456789012345 }),
      trade({ symbol: 'BTC/USD', price: 1e-8, size: 5e-324, id: '9007199254740993' }),
      trade({ symbol: 'NUL\0 and \ud800 half', timestamp: -5, nanos: 7, id: -0 }),
      trade({ symbol: 'x'.repeat(5_000), exchange: 'a\0b', conditions: ['ok', '\udc00'] }),
      trade({ timestamp: 9e15, flags: 2 ** 40 }),
      trade({ conditions: ['', 'a,b', '"q"', 'back\\slash', 'NULL', '{}'] }),
    ]
    const tape = tapeOf(odd)
    const store = await open(t, url)
    await store.follow(tape, { live: false })
    const stored = await collect(store.history({ ...ALL, kind: 'trade' }))
    assert.deepEqual(
      stored.sort((a, b) => a.seq! - b.seq!),
      odd,
    )
    const rows = await asOwner(
      'select ns::text, ts::text, price, size from tickwire.trades where seq = 1',
      url,
    )
    assert.deepEqual(rows, [
      ['1705329000123456789', '2024-01-15 14:30:00.123456+00', 150.25, 0.123456789012345],
    ])
  })

  it('goes on where it was, with nothing twice, also when its position is lost', async t => {
    const url = await database(t)
    const events = manyEvents(600, 3, ['trade', 'quote', 'notice'])
    const tape = tapeOf(events.slice(0, 300))
    const first = await open(t, url)
    await first.follow(tape, { live: false })
    await first.close()
    tape.append(events.slice(300))
    const second = await open(t, url)
    await second.follow(tape, { live: false })
    await second.close()
    // As if a part of it had been put back from elsewhere: what is there already is passed over.
    await asOwner('update tickwire.tapes set seq = 150 where no <> 0', url)
    const third = await open(t, url)
    await third.follow(tape, { live: false })
    for (const kind of ['trade', 'quote', 'notice'] as const) {
      const stored = await collect(third.history({ ...ALL, kind }))
      const sent = events.filter(event => event.type === kind)
      assert.deepEqual(
        stored.sort((a, b) => a.seq! - b.seq!),
        sent,
      )
    }
    const [[rows]] = (await asOwner('select sum(rows)::int from tickwire.days', url)) as [[number]]
    assert.equal(rows, 600)
  })

  it('lets one process write a tape, and tells the other', async t => {
    const url = await database(t)
    const tape = tapeOf([trade()])
    const mine = await open(t, url, { flushMs: 1 })
    const end = new AbortController()
    const following = mine.follow(tape, { signal: end.signal })
    await mine.reached(tape.end)
    const other = await open(t, url)
    tape.append([trade()])
    await mine.reached(tape.end)
    await other.follow(tape, { live: false })
    await asOwner('update tickwire.tapes set seq = 1 where no <> 0', url)
    tape.append([trade()])
    await assert.rejects(following, { code: 'STORE_IN_USE' })
    end.abort()
  })

  it('is compared with the tape to the end, however it is written, or not at all', async t => {
    const url = await database(t)
    const store = await open(t, url)
    const tape = tapeOf(Array.from({ length: 40 }, (_, i) => trade({ id: i })))
    await store.follow(tape, { live: false })
    const told = { type: 'notice', source: '', notice: 'lagging', timestamp: START } as const
    const oneByOne = {
      id: tape.id,
      async *read(options: Parameters<typeof tape.read>[0]) {
        for await (const batch of tape.read(options)) {
          for (const event of batch) {
            yield [event]
            // Said to this reader alone.
            yield [createEvent(told)]
          }
        }
      },
    }
    const found: string[] = []
    const heard = ({ seq, is }: { seq: number; is: string }) => found.push(`${seq} ${is}`)
    assert.equal(await store.check(oneByOne, heard), 40)
    await asOwner('delete from tickwire.trades where seq = 40', url)
    assert.equal(await store.check(oneByOne, heard), 40)
    assert.deepEqual(found, ['40 missing'])
    await assert.rejects(store.check(tape, heard, AbortSignal.abort()), { code: 'CLOSED' })
  })

  it('says why a connection has ended to whoever uses it then', async t => {
    const url = await database(t)
    const link = await Link.connect({ url, name: 'tickwire_test', connectMs: 10_000 })
    const { rows } = await link.query('select pg_backend_pid()')
    await asOwner(`select pg_terminate_backend(${rows[0]![0]})`, url)
    while (!link.lost) await new Promise(setImmediate)
    await assert.rejects(link.query('select 1'), /terminating connection/)
    await assert.rejects(link.run('select 1'), /terminating connection/)
  })

  it('makes a partition for each day, ahead too, and loses no row that fits none', async t => {
    const url = await database(t)
    const clock = handClock(START)
    const tape = tapeOf([
      trade(),
      trade({ timestamp: START - 400 * DAY_MS }),
      // Of no time any feed means.
      trade({ timestamp: 5 }),
      trade({ timestamp: START + 3_000 * DAY_MS }),
    ])
    const store = await open(t, url, { clock })
    await store.follow(tape, { live: false })
    const parts = await asOwner(
      "select c.relname, (select count(*)::int from tickwire.trades t where t.tableoid = c.oid) from pg_class c where c.relname like 'trades_2%' or c.relname = 'trades_default' and c.relkind = 'r' order by 1",
      url,
    )
    assert.deepEqual(
      (parts as [string, number][]).filter(
        ([name]) => !name.includes('key') && !name.includes('_ts'),
      ),
      [
        ['trades_20240428', 1],
        ['trades_20250602', 1],
        ['trades_20250603', 0],
        ['trades_20250604', 0],
        ['trades_20250605', 0],
        ['trades_default', 2],
      ],
    )
    assert.equal((await collect(store.history({ ...ALL, kind: 'trade' }))).length, 4)
  })

  it('moves late rows out of the default partition when their day gets one', async t => {
    const url = await database(t)
    const store = await open(t, url, { clock: handClock(START) })
    const tape = tapeOf([trade()])
    await store.follow(tape, { live: false })
    await asOwner(
      'alter table tickwire.trades detach partition tickwire.trades_20250602; insert into tickwire.trades select * from tickwire.trades_20250602; drop table tickwire.trades_20250602',
      url,
    )
    await store.close()
    tape.append([trade()])
    const again = await open(t, url, { clock: handClock(START) })
    await again.follow(tape, { live: false })
    const [[n]] = (await asOwner('select count(*)::int from tickwire.trades_20250602', url)) as [
      [number],
    ]
    assert.equal(n, 2)
    assert.equal((await collect(again.history({ ...ALL, kind: 'trade' }))).length, 2)
  })

  it('brings tables of version 1 forward, with all that is in them', async t => {
    const url = await database(t)
    await asOwner(readFileSync(VERSION_1, 'utf8'), url)
    const events = manyEvents(300, 5)
    const tape = tapeOf(events)
    const before = await readPostgres({ url, log: silentLog })
    atEnd(t, () => before.close())
    assert.deepEqual(await collect(before.history({ ...ALL, kind: 'trade' })), [])
    // Two at once: one of them does it.
    const stores = await Promise.all([open(t, url), open(t, url)])
    assert.deepEqual(stores.map(({ found }) => found?.was).sort(), [1, 2])
    const [store] = stores
    await store!.follow(tape, { live: false })
    const differences: unknown[] = []
    assert.equal(await store!.check(tape, one => differences.push(one)), tape.end.seq)
    assert.deepEqual(differences, [])
    const again = await open(t, url)
    assert.deepEqual(again.found, { form: 'partitions', was: 2 })
    assert.deepEqual(again.position, undefined)
    assert.deepEqual(await again.stored(tape.id), tape.end)
  })

  it('makes partitions for all days of a merge, and takes rows into tables that have got more columns', async t => {
    const url = await database(t)
    const store = await open(t, url)
    await asOwner("alter table tickwire.trades add column mine text default 'x'", url)
    const old = Array.from({ length: 40 }, (_, i) => trade({ timestamp: START - i * DAY_MS }))
    await store.merge(only(old))
    await store.follow(tapeOf([trade({ id: 1 })]), { live: false })
    const left = await asOwner(
      'select (select count(*)::int from tickwire.trades_default), (select count(*)::int from tickwire.trades)',
      url,
    )
    assert.deepEqual(left, [[0, 41]])
  })

  it('deletes days that are old and quiet, never what was backfilled', async t => {
    const url = await database(t)
    const clock = handClock(Date.now())
    const old = clock.now() - 40 * DAY_MS
    const ofDay = (day: number) => trade({ timestamp: Math.floor(old + day * DAY_MS) })
    const tape = tapeOf([ofDay(0), ofDay(1), ofDay(39)])
    const store = await open(t, url, { clock })
    await store.follow(tape, { live: false })
    await store.merge(only([trade({ timestamp: Math.floor(old), id: 77 })]))
    // The first two are old, the second has just been written to.
    await asOwner(
      "update tickwire.days set written_at = now() - interval '35 days' where day < current_date - 39 and day >= current_date - 41",
      url,
    )
    await store.close()
    tape.append([ofDay(39)])
    const keeping = await open(t, url, { clock, retentionDays: 30 })
    await keeping.follow(tape, { live: false })
    const left = async () =>
      (await collect(keeping.history({ ...ALL, kind: 'trade' }))).map(({ timestamp }) =>
        Math.round((timestamp - old) / DAY_MS),
      )
    assert.deepEqual(await left(), [0, 0, 1, 39, 39], 'backfilled into, or just written')
    await asOwner(
      "update tickwire.days set written_at = now() - interval '35 days', merged = 0 where day < current_date - 30",
      url,
    )
    await keeping.close()
    tape.append([ofDay(39)])
    const again = await open(t, url, { clock, retentionDays: 30 })
    await again.follow(tape, { live: false })
    const days = await collect(again.history({ ...ALL, kind: 'trade' }))
    assert.equal(days.length, 3)
    assert.deepEqual(
      (await again.holdings()).map(({ kind, rows }) => [kind, rows]),
      [['trade', 3]],
    )
  })

  it('answers as of a time, with stored bars or those of trades, in SQL, and as holdings', async t => {
    const url = await database(t)
    const minute = (n: number) => START + n * 60_000
    const bar = (n: number, revision = 0) =>
      createEvent({
        ...{ type: 'bar', symbol: 'TSLA', source: 'test', timestamp: minute(n), interval: '1m' },
        ...{ open: 1, high: 2, low: 1, close: 2 + revision, volume: 5, final: true, revision },
      })
    const tape = tapeOf([
      trade({ timestamp: minute(0), price: 10 }),
      trade({ timestamp: minute(0) + 5, price: 12 }),
      trade({ timestamp: minute(1), price: 11, symbol: 'MSFT' }),
      bar(0),
      bar(1),
      bar(0, 1),
    ])
    const store = await open(t, url, { clock: handClock(START + DAY_MS) })
    await store.follow(tape, { live: false })
    const bars = await collect(store.history({ ...ALL, kind: 'bar', interval: '1m' }))
    assert.deepEqual(
      bars.map(event => event.type === 'bar' && [event.symbol, event.timestamp, event.close]),
      [
        ['TSLA', minute(0), 3],
        ['AAPL', minute(0), 12],
        ['TSLA', minute(1), 2],
        ['MSFT', minute(1), 11],
      ],
    )
    const last = await store.asOf({ kind: 'trade', symbols: ['AAPL', 'MSFT'], time: minute(0) + 5 })
    assert.deepEqual(
      last.map(event => event.type === 'trade' && event.price),
      [12],
    )
    const all = await store.asOf({ kind: 'bar', symbols: ['*'], time: minute(5) })
    assert.deepEqual(
      all.map(event => event.symbol),
      ['AAPL', 'MSFT', 'TSLA'],
    )
    const { columns, rows } = await store.sql(
      'select symbol, count(*) as n, min(ts) as t, max(ns) from tickwire.trades group by 1 order by 1',
    )
    assert.deepEqual(
      columns.map(({ name, type }) => `${name} ${type}`),
      ['symbol text', 'n bigint', 't timestamptz', 'max bigint'],
    )
    assert.deepEqual(await collect(rows), [
      ['AAPL', 2, '2025-06-02T13:30:00.000000000Z', '1748871000005000000'],
      ['MSFT', 1, '2025-06-02T13:31:00.000000000Z', '1748871060000000000'],
    ])
    const holdings = await store.holdings()
    assert.deepEqual(
      holdings.map(({ day, kind, rows, symbols }) => [day, kind, rows, symbols]),
      [
        ['2025-06-02', 'bar', 3, 1],
        ['2025-06-02', 'trade', 3, 2],
      ],
    )
    assert.ok(holdings.every(({ bytes }) => bytes > 0))
    for (const text of [
      'delete from tickwire.trades',
      'select 1; drop table tickwire.trades',
      'with x as (delete from tickwire.trades returning 1) select * from x',
      "select setval('tickwire.merged_seq', 5)",
      'select nonsense',
      'selec',
      '',
    ]) {
      await assert.rejects(store.sql(text), { code: 'BAD_SQL' }, text)
    }
  })

  it('takes in what is not there yet, by id, else by all fields as often as they are there', async t => {
    const url = await database(t)
    const known = [
      trade({ id: 1, exchange: 'V' }),
      trade({ id: 'x' }),
      trade({ price: 5 }),
      trade({ price: 5 }),
    ]
    const store = await open(t, url)
    await store.follow(tapeOf(known), { live: false })
    const fresh = [
      trade({ id: 1, exchange: 'V', timestamp: START + 9 }),
      trade({ id: 1, exchange: 'Q' }),
      trade({ id: 1, exchange: 'Q' }),
      trade({ id: 'x' }),
      trade({ price: 5 }),
      trade({ price: 5 }),
      trade({ price: 5 }),
      trade({ price: 5, symbol: 'NEW', seq: 12 }),
    ]
    assert.deepEqual(await store.merge(only(fresh)), { added: 3, known: 5 })
    assert.deepEqual(await store.merge(only(fresh)), { added: 0, known: 8 })
    const all = await collect(store.history({ ...ALL, kind: 'trade' }))
    assert.equal(all.length, 7)
    assert.deepEqual(
      all.filter(({ symbol }) => symbol === 'NEW').map(({ seq }) => seq),
      [12],
    )
    const every = manyEvents(1_200, 11)
    const first = await store.merge(only(every))
    const again = await store.merge(only(every))
    assert.deepEqual(again, { added: 0, known: 1_200 })
    // The same event made twice by chance is one that has an id, or a bar.
    assert.ok(first.added > 1_000)
  })

  it('a merge that fails or is given up has brought nothing', async t => {
    const url = await database(t)
    const store = await open(t, url)
    const broken = async function* () {
      yield [trade()]
      throw new Error('the vendor is gone')
    }
    await assert.rejects(store.merge(broken()), /the vendor is gone/)
    assert.deepEqual(await store.holdings(), [])
  })

  it('keeps what is said to its reader alone, and goes on behind what the tape has lost', async t => {
    const url = await database(t)
    const tape = memoryTape({ capacity: 16 })
    const store = await open(t, url)
    tape.append([trade()])
    await store.follow(tape, { live: false })
    tape.append(Array.from({ length: 40 }, (_, i) => trade({ price: i + 1 })))
    await store.follow(tape, { live: false })
    const notices = await collect(store.history({ ...ALL, kind: 'notice' }))
    assert.deepEqual(
      notices.map(event => event.type === 'notice' && [event.notice, event.seq, event.count]),
      [['skipped', undefined, 24]],
    )
    assert.deepEqual(store.position, tape.end)
    assert.equal((await collect(store.history({ ...ALL, kind: 'trade' }))).length, 17)
  })
})

async function* only<T>(...batches: T[]): AsyncGenerator<T> {
  yield* batches
}
