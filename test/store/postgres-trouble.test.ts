import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { noPostgres, type PrivateServer, startPostgres } from '../../scripts/services.mjs'
import { keepServers } from '../../src/app/stores.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { TickwireError } from '../../src/base/errors.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { openPostgres, readPostgres } from '../../src/store/postgres.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, collect, manyEvents, START, tempFolder } from './kit.ts'
import { asOwner } from './postgres-kit.ts'

const ALL = { symbols: ['*'], from: 0, to: Number.MAX_SAFE_INTEGER } as const
const PASSWORD = 'p@ss word'
const CERTIFICATE = new URL('../fixtures/tls/localhost.pem', import.meta.url)
const KEY = new URL('../fixtures/tls/localhost-key.pem', import.meta.url)

function trade(fields: object = {}): MarketEvent {
  return createEvent({
    ...{ type: 'trade', symbol: 'AAPL', source: 'test', timestamp: START },
    ...{ price: 150.25, size: 100 },
    ...fields,
  })
}

describe('PostgreSQL in trouble', { skip: noPostgres }, () => {
  let server: PrivateServer
  let owner: string
  let count = 0

  before(async () => {
    server = await startPostgres({ password: PASSWORD })
    owner = server.url
  })
  after(() => server?.end())

  const open = (url: string, log: Log = silentLog) =>
    openPostgres({ url, log, timescale: 'off', flushMs: 5, connectMs: 3_000 })

  /** An empty database, and the address of it for a user. */
  async function database(): Promise<string> {
    const name = `of_test_${++count}`
    await asOwner(`create database ${name}`, owner)
    const url = new URL(owner)
    url.pathname = `/${name}`
    return url.href
  }

  function as(url: string, user: string, password: string): string {
    const other = new URL(url)
    other.username = user
    other.password = password
    return other.href
  }

  it('says what is wrong, and the way out, without the password', async () => {
    const url = await database()
    const nobody = new URL(url)
    nobody.port = '1'
    const none = new URL(url)
    none.pathname = '/nowhere'
    const cases = [
      [nobody.href, 'STORE_UNREACHABLE', /Look whether the server of postgres:\/\/.* runs/],
      [as(url, 'postgres', 'wrong'), 'STORE_REFUSED', /user and password/],
      [none.href, 'STORE_REFUSED', /createdb/],
      ['http://127.0.0.1', 'BAD_OPTION', /postgres:\/\/user@host\/database/],
      ['gibberish', 'BAD_OPTION', /postgres:\/\//],
    ] as const
    for (const [where, code, hint] of cases) {
      await assert.rejects(open(where), error => {
        const {
          code: is,
          message,
          hint: way,
        } = error as { code: string; message: string; hint: string }
        assert.equal(is, code, message)
        assert.match(way, hint)
        assert.doesNotMatch(`${message} ${way}`, /p%40ss|p@ss|:wrong@/)
        return true
      })
    }
  })

  it('needs few rights: less is told, tables of a newer version are left alone', async t => {
    const url = await database()
    await asOwner(
      "create role least login password 'l'; create role reads login password 'r'; create role nothing login password 'n'",
      owner,
    )
    const least = as(url, 'least', 'l')
    await assert.rejects(open(least), { code: 'STORE_REFUSED' })
    const made = await openPostgres({ url, log: silentLog, timescale: 'off', reader: 'reads' })
    await made.close()
    // As docs/stores/postgres.md says it.
    await asOwner(
      'grant usage on schema tickwire to least; grant select, insert, update, delete on all tables in schema tickwire to least; grant usage, select, update on all sequences in schema tickwire to least',
      url,
    )
    const warnings: string[] = []
    const log: Log = { ...silentLog, warn: (_, message) => warnings.push(message) }
    const writes = await open(least, log)
    atEnd(t, () => writes.close())
    const tape = memoryTape()
    tape.append([trade()])
    await writes.follow(tape, { live: false })
    assert.match(warnings[0]!, /its rows stand in the default partition/)
    assert.equal(new Set(warnings).size, 1)
    const reads = await readPostgres({ url: as(url, 'reads', 'r'), log: silentLog })
    atEnd(t, () => reads.close())
    assert.equal((await collect(reads.history({ ...ALL, kind: 'trade' }))).length, 1)
    await assert.rejects(reads.follow(tape, { live: false }), { code: 'STORE_REFUSED' })
    await assert.rejects(readPostgres({ url: as(url, 'nothing', 'n'), log: silentLog }), {
      code: 'STORE_REFUSED',
    })
    await assert.rejects(readPostgres({ url, schema: 'other', log: silentLog }), {
      code: 'STORE_REFUSED',
    })
    // What is to be brought forward is for whoever may change it.
    await asOwner("update tickwire.meta set value = '1' where name = 'version'", url)
    await asOwner('revoke update on tickwire.meta from least', url)
    await assert.rejects(open(least), error => {
      const { code, message, hint } = error as TickwireError
      assert.equal(code, 'STORE_REFUSED')
      assert.match(message, /are of version 1, and this user may not bring them to 2/)
      assert.match(hint ?? '', /tickwire store init/)
      return true
    })
    await asOwner("update tickwire.meta set value = '99' where name = 'version'", url)
    await assert.rejects(open(url), { code: 'STORE_TOO_NEW' })
    await assert.rejects(readPostgres({ url, log: silentLog }), { code: 'STORE_TOO_NEW' })
  })

  it('catches up after it was killed under load, mid-transaction, with nothing twice or missing', async t => {
    const url = await database()
    const tape = await openFileTape({ folder: tempFolder(t), log: silentLog })
    atEnd(t, () => tape.close())
    const told: string[] = []
    const [kept] = keepServers(
      { postgres: { url, timescale: 'off', flushMs: 5, connectMs: 2_000 } },
      { tape, log: silentLog, told: line => told.push(line), clock: hasty() },
    )
    atEnd(t, () => kept!.close())
    const events = manyEvents(30_000, 3, ['trade', 'quote', 'book', 'notice'])
    let sent = 0
    const feeding = (async () => {
      for (; sent < events.length; sent += 100) {
        tape.append(events.slice(sent, sent + 100))
        await new Promise(resolve => setTimeout(resolve, 4))
      }
    })()
    for (const at of [4_000, 12_000, 20_000]) {
      while ((kept!.seq ?? 0) < at) await new Promise(resolve => setTimeout(resolve, 5))
      await server.stop('SIGKILL')
      await new Promise(resolve => setTimeout(resolve, 150))
      await server.start()
    }
    await feeding
    while (kept!.seq !== tape.end.seq || kept!.behind > 0) {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    assert.ok(told.some(line => /^PostgreSQL: nothing is stored for the time being/.test(line)))
    assert.ok(told.some(line => /^PostgreSQL: the store goes on where it was/.test(line)))
    const reads = await readPostgres({ url, log: silentLog })
    atEnd(t, () => reads.close())
    const differences: unknown[] = []
    assert.equal(await reads.check(tape, one => differences.push(one)), tape.end.seq)
    assert.deepEqual(differences, [])
    const [[rows]] = (await asOwner(
      'select (select count(*) from tickwire.trades) + (select count(*) from tickwire.quotes) + (select count(*) from tickwire.books) + (select count(*) from tickwire.notices)',
      url,
    )) as [[string]]
    assert.equal(Number(rows), tape.end.seq)
  })

  it('tells of a server that does not answer, and goes on when it does', async t => {
    const url = await database()
    const clock = handClock(START)
    const errors: string[] = []
    const log: Log = { ...silentLog, error: (_, message) => errors.push(message) }
    const store = await openPostgres({ url, log, clock, timescale: 'off' })
    atEnd(t, () => store.close())
    const tape = memoryTape()
    tape.append([trade()])
    await store.follow(tape, { live: false })
    const end = new AbortController()
    const following = store.follow(tape, { signal: end.signal })
    // Whoever writes to the tape notices nothing of a table that somebody has locked.
    const unlock = await locked(url)
    tape.append([trade({ price: 2 })])
    await until(async () => {
      await clock.advance(200)
      return (await waiting(url)) > 0
    })
    tape.append([trade({ price: 3 })])
    assert.equal(tape.end.seq, 3)
    await clock.advance(10_000)
    assert.deepEqual(errors, ['PostgreSQL has not answered for 10 s; the tape goes on'])
    await unlock()
    const reached = store.reached(tape.end)
    await until(async () => {
      await clock.advance(200)
      return store.position?.seq === 3
    })
    await reached
    end.abort()
    await following
  })

  it('asks anew where a server has not answered for minutes', async t => {
    const url = await database()
    const clock = handClock(START)
    const store = await openPostgres({ url, log: silentLog, clock, timescale: 'off' })
    atEnd(t, () => store.close())
    const tape = memoryTape()
    tape.append([trade()])
    await store.follow(tape, { live: false })
    const following = store.follow(tape)
    const failing = assert.rejects(following, { code: 'STORE_UNREACHABLE' })
    const unlock = await locked(url)
    tape.append([trade({ price: 2 })])
    await until(async () => {
      await clock.advance(200)
      return (await waiting(url)) > 0
    })
    await clock.advance(300_000)
    await failing
    await unlock()
    await store.follow(tape, { live: false })
    assert.equal((await collect(store.history({ ...ALL, kind: 'trade' }))).length, 2)
  })

  it('goes on where it was when a full disk has room again', async t => {
    const folder = tinyDisk(t)
    if (folder === undefined) {
      t.skip('a small disk cannot be mounted here')
      return
    }
    const small = await startPostgres({
      folder,
      settings: { max_wal_size: '32MB', min_wal_size: '32MB' },
    })
    atEnd(t, () => small.end())
    const store = await open(small.url)
    atEnd(t, () => store.close())
    const tape = memoryTape()
    const news = (i: number) =>
      createEvent({
        ...{ type: 'news', symbol: 'AAPL', source: 'test', timestamp: START, headline: `${i}` },
        ...{ symbols: [], content: noise(i, 200_000) },
      })
    let i = 0
    await assert.rejects(
      async () => {
        for (; i < 2_000; i++) {
          tape.append([news(i)])
          await store.follow(tape, { live: false })
        }
      },
      // It says so, or, where its log is what did not fit, falls over before it can.
      ({ code }: { code?: string }) => /^STORE_UN(WRITABLE|REACHABLE)$/.test(code ?? ''),
    )
    execFileSync('mount', ['-o', 'remount,size=600M', folder])
    await until(async () => {
      try {
        await store.follow(tape, { live: false })
        return true
      } catch {
        // A server whose log was full comes back by itself.
        return false
      }
    })
    let seen = 0
    for await (const batch of store.history({ ...ALL, kind: 'news' })) seen += batch.length
    assert.equal(seen, tape.end.seq)
  })

  it('speaks TLS, and trusts nobody it does not know', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'tickwire-tls-'))
    atEnd(t, () => rmSync(folder, { recursive: true, force: true }))
    const { uid, gid } = statSync(join(server.folder, 'data'))
    chownSync(folder, uid, gid)
    for (const [file, name] of [
      [CERTIFICATE, 'server.pem'],
      [KEY, 'server.key'],
    ] as const) {
      copyFileSync(file, join(folder, name))
      chownSync(join(folder, name), uid, gid)
      chmodSync(join(folder, name), 0o600)
    }
    const safe = await startPostgres({
      password: 'x',
      settings: {
        ssl: 'on',
        ssl_cert_file: join(folder, 'server.pem'),
        ssl_key_file: join(folder, 'server.key'),
      },
    })
    atEnd(t, () => safe.end())
    const url = safe.url.replace('127.0.0.1', 'localhost')
    await assert.rejects(open(`${url}?sslmode=verify-full`), { code: 'STORE_UNREACHABLE' })
    const ca = readFileSync(CERTIFICATE, 'utf8')
    const store = await openPostgres({ url, ca, log: silentLog, timescale: 'off' })
    atEnd(t, () => store.close())
    const { rows } = await store.sql('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    assert.deepEqual(await collect(rows), [[true]])
  })
})

/** Waits pass quickly. */
function hasty() {
  const clock = systemClock()
  return {
    ...clock,
    setTimeout: (fn: () => void, ms: number, idle?: 'idle') => clock.setTimeout(fn, ms / 20, idle),
  }
}

/** Nobody else may write trades until the function that comes back is called. */
async function locked(url: string): Promise<() => Promise<void>> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('begin; lock table tickwire.trades in exclusive mode')
  return () => client.end()
}

async function waiting(url: string): Promise<number> {
  const [[n]] = (await asOwner(
    "select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'tickwire'",
    url,
  )) as [[number]]
  return n
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000
  while (!(await isSo())) {
    assert.ok(Date.now() < end, 'it does not come')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Text that no compression makes small. */
function noise(seed: number, length: number): string {
  let [text, mix] = ['', seed + 1]
  while (text.length < length) {
    mix = Math.imul(mix ^ (mix >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    text += (mix >>> 0).toString(36)
  }
  return text
}

function tinyDisk(t: TestContext): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160M', 'tickwire-test', folder], {
      stdio: 'ignore',
    })
  } catch {
    rmSync(folder, { recursive: true, force: true })
    return undefined
  }
  atEnd(t, () => {
    execFileSync('umount', [folder])
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}
