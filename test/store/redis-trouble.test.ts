import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { noRedis, type PrivateServer, startRedis } from '../../scripts/services.mjs'
import { keepServers } from '../../src/app/stores.ts'
import { systemClock } from '../../src/base/clock.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { openRedis } from '../../src/store/redis.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, START, tempFolder } from './kit.ts'
import { marketEvents } from './latest-kit.ts'
import { asUser, latestOf } from './redis-kit.ts'

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

describe('Redis in trouble', { skip: noRedis }, () => {
  let server: PrivateServer
  before(async () => {
    server = await startRedis({ password: PASSWORD })
  })
  after(() => server?.end())

  const open = (url: string, log: Log = silentLog) => openRedis({ url, log, connectMs: 3_000 })

  function as(user: string, password: string): string {
    const url = new URL(server.url)
    url.username = user
    url.password = password
    return url.href
  }

  it('says what is wrong, and the way out, without the password', async () => {
    const cases = [
      ['redis://:secret@127.0.0.1:1', 'STORE_UNREACHABLE', /Look whether the server/],
      [as('', 'secret'), 'STORE_REFUSED', /user and password/],
      [`redis://127.0.0.1:${server.port}`, 'STORE_REFUSED', /user and password/],
      [`${server.url}/99`, 'STORE_REFUSED', /a database that is there/],
      ['http://127.0.0.1', 'BAD_OPTION', /redis:\/\/host:6379/],
    ] as const
    for (const [url, code, hint] of cases) {
      await assert.rejects(open(url), error => {
        const {
          code: is,
          message,
          hint: way,
        } = error as { code: string; message: string; hint: string }
        assert.equal(is, code, message)
        assert.match(way, hint)
        assert.doesNotMatch(`${message} ${way}`, /p%40ss|p@ss|secret/)
        return true
      })
    }
  })

  it('needs few rights, and says which is missing', async t => {
    const run = await asUser(t, server.url)
    // As docs/stores/redis.md says it.
    const least =
      '~tickwire:* &tickwire:* -@all +get +set +del +exists +hset +hdel +hgetall +hmget +watch +multi +exec +xadd +publish +pexpire +persist +ping'
    await run('acl', 'setuser', 'least', 'on', '>l', ...least.split(' '))
    await run('acl', 'setuser', 'reads', 'on', '>r', '~tickwire:*', '-@all', '+hget', '+exists')
    const tape = memoryTape()
    tape.append(marketEvents(500, 2))
    const store = await openRedis({
      ...{ url: as('least', 'l'), log: silentLog, streams: 10, pubsub: true, expire: 'session' },
    })
    atEnd(t, () => store.close())
    await store.follow(tape, { live: false })
    assert.equal((await store.all()).latest.size > 10, true)
    const other = await open(as('reads', 'r'))
    atEnd(t, () => other.close())
    await assert.rejects(other.follow(tape, { live: false }), {
      ...{ code: 'STORE_REFUSED', message: /no permissions to run the 'set' command/ },
    })
  })

  it('is as the tape has it after it was killed under load, with or without what it had saved', async t => {
    const saving = await startRedis({ args: ['--appendonly', 'yes', '--save', ''] })
    atEnd(t, () => saving.end())
    for (const { at, url } of [
      { at: server, url: server.url },
      { at: saving, url: saving.url },
    ]) {
      const tape = await openFileTape({ folder: tempFolder(t), log: silentLog })
      atEnd(t, () => tape.close())
      const told: string[] = []
      const [kept] = keepServers(
        { redis: { url, prefix: `crash${at.port}`, flushMs: 5, connectMs: 2_000 } },
        { tape, log: silentLog, told: line => told.push(line), clock: hasty() },
      )
      atEnd(t, () => kept!.close())
      const events = marketEvents(12_000, 3)
      const feeding = (async () => {
        for (let sent = 0; sent < events.length; sent += 100) {
          tape.append(events.slice(sent, sent + 100))
          await new Promise(resolve => setTimeout(resolve, 5))
        }
      })()
      for (const from of [2_000, 7_000]) {
        while ((kept!.seq ?? 0) < from) await new Promise(resolve => setTimeout(resolve, 2))
        await at.stop('SIGKILL')
        await new Promise(resolve => setTimeout(resolve, 100))
        await at.start()
      }
      await feeding
      while (kept!.seq !== tape.end.seq) await new Promise(resolve => setTimeout(resolve, 10))
      assert.ok(told.some(line => /^Redis: nothing is stored for the time being/.test(line)))
      const store = await openRedis({ url, prefix: `crash${at.port}`, log: silentLog })
      atEnd(t, () => store.close())
      const { at: position, latest } = await store.all()
      assert.deepEqual(position, tape.end)
      const all: MarketEvent[] = []
      for await (const batch of tape.read({ from: 'start', live: false })) all.push(...batch)
      assert.deepEqual(latest, latestOf(all))
      const differences: string[] = []
      await store.check(tape, key => differences.push(key))
      assert.deepEqual(differences, [])
    }
  })

  it('tells of a server that does not answer or takes nothing, and goes on when it does', async t => {
    const run = await asUser(t, server.url)
    const clock = handClock(START)
    const errors: string[] = []
    const log: Log = { ...silentLog, error: (_, message) => errors.push(message) }
    const store = await openRedis({ url: server.url, prefix: 'slow', log, clock })
    atEnd(t, () => store.close())
    const tape = memoryTape()
    tape.append([trade()])
    await store.follow(tape, { live: false })
    const end = new AbortController()
    const following = store.follow(tape, { signal: end.signal })
    tape.append([trade({ price: 2 })])
    await until(async () => {
      await clock.advance(20)
      return store.position?.seq === 2
    })
    await run('client', 'pause', '60000', 'write')
    tape.append([trade({ price: 2 })])
    await new Promise(resolve => setTimeout(resolve, 50))
    await clock.advance(20)
    await clock.advance(10_000)
    assert.deepEqual(errors, ['Redis has not answered for 10 s; the tape goes on'])
    assert.equal(tape.end.seq, 3)
    await run('client', 'unpause')
    await store.reached(tape.end)
    end.abort()
    await following
    await run('config', 'set', 'maxmemory', '1')
    tape.append([trade({ price: 3 })])
    await assert.rejects(store.follow(tape, { live: false }), { code: 'STORE_UNWRITABLE' })
    await run('config', 'set', 'maxmemory', '0')
    await store.follow(tape, { live: false })
    assert.deepEqual(store.position, tape.end)
    await run('del', 'slow:position')
    await run('set', 'slow:position', '{"version":2,"tape":"x","seq":1}')
    await assert.rejects(store.follow(tape, { live: false }), { code: 'STORE_TOO_NEW' })
  })

  it('speaks TLS, and trusts nobody it does not know', async t => {
    const [cert, key] = [CERTIFICATE, KEY].map(file => fileURLToPath(file)) as [string, string]
    const safe = await startRedis({
      tls: true,
      args: ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no'],
    })
    atEnd(t, () => safe.end())
    const url = safe.url.replace('127.0.0.1', 'localhost')
    await assert.rejects(open(url), { code: 'STORE_UNREACHABLE' })
    const ca = readFileSync(CERTIFICATE, 'utf8')
    const store = await openRedis({ url, ca, log: silentLog })
    atEnd(t, () => store.close())
    assert.equal((await store.all()).latest.size, 0)
  })

  it('finds the server of a cluster that has its keys, and says how keys stay together', async t => {
    const cluster = await startRedis({ args: ['--cluster-enabled', 'yes'] })
    atEnd(t, () => cluster.end())
    const other = await startRedis({ args: ['--cluster-enabled', 'yes'] })
    atEnd(t, () => other.end())
    const run = await asUser(t, cluster.url)
    const there = await asUser(t, other.url)
    await run('cluster', 'addslotsrange', '0', '8191')
    await there('cluster', 'addslotsrange', '8192', '16383')
    await run('cluster', 'meet', '127.0.0.1', `${other.port}`)
    for (const ask of [run, there]) {
      while (
        !/cluster_state:ok[\s\S]*cluster_slots_ok:16384/.test(
          (await ask('cluster', 'info')) as string,
        )
      ) {
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    }
    const tape = memoryTape()
    tape.append(marketEvents(300, 4))
    const scattered = await open(cluster.url)
    atEnd(t, () => scattered.close())
    await assert.rejects(scattered.follow(tape, { live: false }), {
      code: 'BAD_OPTION',
      hint: /prefix/,
    })
    for (const prefix of ['{a}', '{b}', '{c}', '{d}']) {
      const store = await openRedis({ url: cluster.url, prefix, log: silentLog })
      atEnd(t, () => store.close())
      await store.follow(tape, { live: false })
      assert.equal((await store.all()).latest.size > 10, true)
    }
  })
})

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise(resolve => setTimeout(resolve, 5))
}

/** Waits pass quickly. */
function hasty() {
  const clock = systemClock()
  const setTimeout = (fn: () => void, ms: number, idle?: 'idle') =>
    clock.setTimeout(fn, ms / 20, idle)
  return { ...clock, setTimeout }
}
