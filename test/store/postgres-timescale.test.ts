// Runs where there is a server with TimescaleDB: hypertables, compression, bars kept by the server, retention by hand.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { findTimescale, noTimescale, startPostgres, TIMESCALE } from '../../scripts/services.mjs'
import { type Log, silentLog } from '../../src/base/log.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { openPostgres, readPostgres } from '../../src/store/postgres.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, collect, DAY_MS, manyEvents, START } from './kit.ts'
import { asOwner, database as ofServer, open, tapeOf } from './postgres-kit.ts'

const ALL = { symbols: ['*'], from: 0, to: Number.MAX_SAFE_INTEGER } as const
const server = await findTimescale()
const VERSION_1 = new URL('../fixtures/store/timescale-version-1.sql', import.meta.url)

const database = (t: TestContext) => ofServer(t, 'url' in server ? server.url : '')

function trade(fields: object = {}): MarketEvent {
  return createEvent({
    ...{ type: 'trade', symbol: 'SPY', source: 'test', timestamp: START },
    ...{ price: 100, size: 10 },
    ...fields,
  })
}

/** What is due is done now: bars refreshed, or days compressed. */
async function run(url: string, what: 'refresh' | 'compression'): Promise<void> {
  const jobs = await asOwner(
    `select job_id, config->>'buckets_per_batch' from timescaledb_information.jobs where proc_name like '%${what}%' and job_id >= 1000`,
    url,
  )
  assert.ok(jobs.length >= 4, `${jobs.length} policies of ${what}`)
  if (what === 'refresh')
    assert.ok(
      jobs.every(([, batch]) => batch === '0'),
      'in one go',
    )
  for (const [id] of jobs) await asOwner(`call run_job(${id})`, url)
}

async function* only<T>(...batches: T[]): AsyncGenerator<T> {
  yield* batches
}

describe('TimescaleDB', { skip: 'missing' in server && server.missing }, () => {
  it('is found by itself, and gives every event back as it was, compressed too', async t => {
    const url = await database(t)
    for (const books of ['depth', 'levels'] as const) {
      const schema = `of_${books}`
      const tape = tapeOf(manyEvents(1_200, 7))
      const store = await open(t, url, { timescale: 'auto', books, schema })
      await store.follow(tape, { live: false })
      const [[n]] = (await asOwner(
        `select count(*)::int from timescaledb_information.hypertables where hypertable_schema = '${schema}'`,
        url,
      )) as [[number]]
      assert.equal(n, 13)
      const check = async () => {
        const differences: unknown[] = []
        assert.equal(await store.check(tape, one => differences.push(one)), tape.end.seq)
        assert.deepEqual(differences, [])
      }
      await check()
      await run(url, 'compression')
      const [[left]] = (await asOwner(
        `select count(*)::int from timescaledb_information.chunks where hypertable_schema = '${schema}' and not is_compressed`,
        url,
      )) as [[number]]
      assert.equal(left, 0)
      await check()
      const holdings = await store.holdings()
      assert.equal(
        holdings.reduce((sum, { rows }) => sum + rows, 0),
        tape.end.seq,
      )
      assert.ok(holdings.every(({ bytes }) => bytes > 0))
    }
  })

  it('takes rows twice and late into compressed days, keeps bars, and drops days that are old', async t => {
    const url = await database(t)
    const clock = handClock(START + DAY_MS)
    const ofSecond = (i: number) =>
      trade({
        ...{ timestamp: START + i * 1_000, price: 100 + (i % 7), id: i, tape: 'C' },
        conditions: i % 5 ? ['@'] : ['@', 'I'],
      })
    const tape = tapeOf(Array.from({ length: 600 }, (_, i) => ofSecond(i)))
    const store = await open(t, url, { timescale: 'auto', clock })
    await store.follow(tape, { live: false })
    await asOwner("select compress_chunk(c) from show_chunks('tickwire.trades') c", url)
    await store.close()
    tape.append([ofSecond(600)])
    await asOwner('update tickwire.tapes set seq = 300 where no <> 0', url)
    const again = await open(t, url, { timescale: 'auto', clock, retentionDays: 1 })
    await again.follow(tape, { live: false })
    assert.equal((await collect(again.history({ ...ALL, kind: 'trade' }))).length, 601)
    await asOwner("call refresh_continuous_aggregate('tickwire.bars_1m', null, null)", url)
    const bars = await collect(again.history({ ...ALL, kind: 'bar', interval: '1m' }))
    const kept = await asOwner(
      'select extract(epoch from ts)::int8::text, open, high, low, close, volume, trade_count::int from tickwire.bars_1m order by ts',
      url,
    )
    assert.deepEqual(
      kept.slice(0, bars.length),
      bars.map(
        bar =>
          bar.type === 'bar' && [
            ...[`${bar.timestamp / 1_000}`, bar.open, bar.high, bar.low, bar.close, bar.volume],
            bar.tradeCount,
          ],
      ),
    )
    await asOwner("update tickwire.days set written_at = now() - interval '9 days'", url)
    await again.close()
    tape.append([ofSecond(601)])
    const last = await open(t, url, { timescale: 'auto', clock, retentionDays: 1 })
    await last.follow(tape, { live: false })
    const [[chunks]] = (await asOwner(
      "select count(*)::int from show_chunks('tickwire.trades')",
      url,
    )) as [[number]]
    assert.equal(chunks, 1, 'what has just been written to stays')
    await last.close()
    await asOwner("update tickwire.days set written_at = now() - interval '9 days'", url)
    tape.append([trade({ timestamp: Date.now() })])
    const later = await open(t, url, { timescale: 'auto', retentionDays: 1 })
    await later.follow(tape, { live: false })
    const left = await collect(later.history({ ...ALL, kind: 'trade' }))
    assert.equal(left.length, 1, 'what is old and quiet goes')
    await run(url, 'refresh')
    const [[of]] = (await asOwner(
      "select count(*)::int from tickwire.bars_1m where ts < now() - interval '3 days'",
      url,
    )) as [[number]]
    assert.equal(of, 0, 'and its bars with it')
  })

  it('has bars of all the past, of a backfill too, whatever one odd trade says', async t => {
    const url = await database(t)
    const now = Date.now()
    const day = (days: number, fields: object = {}) =>
      Array.from({ length: 10 }, (_, i) =>
        trade({ timestamp: Math.floor(now - days * DAY_MS) + i, id: `${days}-${i}`, ...fields }),
      )
    const odd = [
      trade({ price: 1e308, size: 1e308, timestamp: now - 5_000 }),
      trade({ size: Number.POSITIVE_INFINITY, timestamp: now - 5_000 }),
      trade({ price: Number.NaN, timestamp: now - 5_000 }),
    ]
    const store = await open(t, url, { timescale: 'auto' })
    await store.follow(tapeOf(day(400), day(30), day(0.05), odd), { live: false })
    const volumes = async (view = 'bars_1m') => {
      const rows = await asOwner(
        `select (extract(epoch from now() - ts) / 86400)::int, volume, vwap from tickwire.${view} order by ts`,
        url,
      )
      return (rows as number[][]).map(([age, volume, vwap]) => [age, volume, vwap])
    }
    const all = (ages: number[]) => ages.map(age => [age, 100, 100])
    assert.deepEqual(await volumes(), all([400, 30, 0]))
    await run(url, 'refresh')
    assert.deepEqual(await volumes(), all([400, 30, 0]))
    await store.merge(only(day(200), day(2)))
    await run(url, 'refresh')
    for (const view of ['bars_1m', 'bars_5m', 'bars_1h']) {
      assert.deepEqual(await volumes(view), all([400, 200, 30, 2, 0]), view)
    }
    assert.equal((await volumes('bars_1d')).length, 5)
  })

  it('forgets a tape and takes it again, in compressed days, however many rows that are', async t => {
    const url = await database(t)
    // As if there were as many rows as the server's own limit lets nobody change at once.
    const { pathname } = new URL(url)
    const setting = 'timescaledb.max_tuples_decompressed_per_dml_transaction'
    await asOwner(`alter database ${pathname.slice(1)} set ${setting} = 10`, url)
    const tape = tapeOf(Array.from({ length: 300 }, (_, i) => trade({ id: i })))
    const store = await open(t, url, { timescale: 'auto' })
    await store.follow(tape, { live: false })
    await run(url, 'compression')
    await store.merge(only([trade({ id: 5 }), trade({ id: 'new' })]))
    assert.equal(await store.forget(tape.id, 0), 300)
    await store.follow(tape, { live: false })
    assert.equal((await collect(store.history({ ...ALL, kind: 'trade' }))).length, 301)
  })

  it('needs no superuser, lets a reader read the bars too, and brings version 1 forward', async t => {
    const at = 'url' in server ? server.url : ''
    const [owns, reads] = ['owns', 'reads'].map(role => `tickwire_test_${process.pid}_${role}`)
    for (const role of [owns, reads]) {
      await asOwner(`create role ${role} login password 'p'`, at)
      // Behind the database, as what began last ends first.
      atEnd(t, () => asOwner(`drop role ${role}`, at))
    }
    const url = await database(t)
    const as = (role = '') => {
      const of = new URL(url)
      of.username = role
      of.password = 'p'
      return of.href
    }
    await asOwner(`alter database ${new URL(url).pathname.slice(1)} owner to ${owns}`, url)
    await asOwner('create extension timescaledb', url)
    for (const text of readFileSync(VERSION_1, 'utf8').split(';\n')) {
      if (text.trim()) await asOwner(text, as(owns))
    }
    const old = [trade({ timestamp: Date.now() - 9 * DAY_MS }), trade({ timestamp: Date.now() })]
    const before = await readPostgres({ url, log: silentLog })
    atEnd(t, () => before.close())
    assert.deepEqual(await collect(before.history({ ...ALL, kind: 'trade' })), [])
    const store = await open(t, as(owns), { timescale: 'auto' })
    assert.deepEqual(store.found, { form: 'timescale', was: 1 })
    await store.grant(reads!)
    await store.follow(tapeOf(old), { live: false })
    await run(url, 'refresh')
    const bars = await asOwner('select volume from tickwire.bars_1d order by ts', as(reads))
    assert.deepEqual(bars, [[10], [10]])
    const read = await readPostgres({ url: as(reads), log: silentLog })
    atEnd(t, () => read.close())
    assert.equal((await collect(read.history({ ...ALL, kind: 'trade' }))).length, 2)
    assert.ok((await read.holdings()).every(({ bytes }) => bytes > 0))
  })
})

describe('TimescaleDB on a server of our own', { skip: noTimescale }, () => {
  const told = () => {
    const warnings: string[] = []
    const log: Log = { ...silentLog, warn: (_, message) => warnings.push(message) }
    return { warnings, log }
  }
  const views = "select count(*)::int from pg_views where schemaname = 'tickwire'"

  it('that is installed and not loaded gives daily partitions, and says so', async t => {
    const plain = await startPostgres()
    atEnd(t, () => plain.end())
    const { warnings, log } = told()
    const store = await openPostgres({ url: plain.url, log })
    atEnd(t, () => store.close())
    assert.equal(store.found?.form, 'partitions')
    assert.match(warnings.join(), /not in shared_preload_libraries/)
    await store.follow(tapeOf([trade()]), { live: false })
    assert.equal((await collect(store.history({ ...ALL, kind: 'trade' }))).length, 1)
  })

  it('of the Apache edition has hypertables alone, and says so', async t => {
    const apache = await startPostgres({
      settings: { ...TIMESCALE, 'timescaledb.license': 'apache' },
    })
    atEnd(t, () => apache.end())
    const { warnings, log } = told()
    const store = await openPostgres({ url: apache.url, log })
    atEnd(t, () => store.close())
    assert.equal(store.found?.form, 'timescale')
    assert.match(warnings.join(), /Apache edition/)
    const tape = memoryTape()
    tape.append(manyEvents(300, 3))
    await store.follow(tape, { live: false })
    const differences: unknown[] = []
    assert.equal(await store.check(tape, one => differences.push(one)), tape.end.seq)
    assert.deepEqual(differences, [])
    assert.deepEqual(await asOwner(views, apache.url), [[0]])
  })
})
