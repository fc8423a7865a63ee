import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AppConfig, type AppFeed, openApp } from '../../src/app/app.ts'
import { Remote } from '../../src/app/remote.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { simulated } from '../../src/providers/simulated/provider.ts'
import { atEnd, readAll, tempFolder, until } from '../tape/kit.ts'
import { MemoryFolder } from './memory-store.ts'

const market = (source: string, seed: number): AppFeed => ({
  provider: simulated({ seed, rate: 1_000 }),
  ...{ source, log: silentLog },
})

async function open(t: TestContext, config: Omit<AppConfig, 'feeds'> & Partial<AppConfig>) {
  const app = await openApp({ feeds: [market('one', 1)], log: silentLog, ...config })
  atEnd(t, () => app.close())
  return app
}

test('several feeds fill one tape, each event under the name of its own, and the ledger with it', async t => {
  const folder = join(tempFolder(t), 'tape')
  const app = await open(t, { feeds: [market('one', 1), market('two', 2)], record: { folder } })
  await app.feeds[0]!.subscribe({ trades: ['SPY'] })
  await app.feeds[1]!.subscribe({ trades: ['SPY'], quotes: ['SPY'] })
  await until(() => app.tape.end.seq > 300)
  await Promise.all(app.feeds.map(feed => feed.close()))
  const events = (await readAll(app.tape)).filter(event => event.type !== 'notice')
  const kinds = new Set(events.map(({ source, type }) => `${source} ${type}`))
  assert.deepEqual([...kinds].sort(), ['one trade', 'two quote', 'two trade'])
  assert.deepEqual(
    events.map(({ seq }) => seq!),
    [...events.map(({ seq }) => seq!)].sort((a, b) => a - b),
  )
  await app.close()
  const again = await open(t, { feeds: [market('one', 1)], record: { folder } })
  const sources = again.checkpoints.map(({ topic }) => `${topic.source} ${topic.kind}`)
  assert.deepEqual(new Set(sources), new Set(['one trade', 'two trade', 'two quote']))
})

test('two feeds of one name are refused, and the tape is let go of', async t => {
  const folder = tempFolder(t)
  const feeds = [market('one', 1), market('one', 2)]
  await assert.rejects(open(t, { feeds, record: { folder } }), (error: TickwireError) => {
    assert.deepEqual([error.code, error.message], ['BAD_OPTION', 'two feeds have the source one'])
    return true
  })
  await open(t, { record: { folder } })
})

test('what is written to the tape is stored, and nothing of it is missing at the end', async t => {
  const data = tempFolder(t)
  const memory = new MemoryFolder()
  const app = await open(t, {
    record: { folder: join(data, 'tape') },
    store: { folder: data, open: memory.open },
  })
  await app.feeds[0]!.subscribe({ trades: ['SPY'], quotes: ['SPY'] })
  await until(() => app.tape.written.seq > 200)
  const status = await new Remote(app.controlPath!, silentLog).status()
  assert.equal(status!.tape.id, app.tape.id)
  assert.deepEqual(
    status!.feeds.map(({ source }) => source),
    ['one'],
  )
  await app.close()
  await app.close()
  assert.equal(app.keeper!.behind, 0)
  const numbers = memory.events.map(({ seq }) => seq)
  assert.deepEqual(
    numbers,
    Array.from({ length: app.tape.end.seq }, (_, i) => i + 1),
  )
  assert.equal(await new Remote(app.controlPath!, silentLog).status(), undefined)
})

for (const [what, fault] of [
  [
    'without a driver',
    new TickwireError('STORE_DRIVER_MISSING', 'no DuckDB', { hint: 'Install.' }),
  ],
  ['on a full disk', new TickwireError('STORE_UNWRITABLE', 'no room')],
  ['that is damaged', new TickwireError('STORE_DAMAGED', 'hot.duckdb is not whole')],
  ['that throws', new Error('anything')],
] as const) {
  test(`a store ${what} stops neither the stream nor the tape, and that is said`, async t => {
    const data = tempFolder(t)
    const memory = new MemoryFolder()
    memory.faults.open = () => fault
    const told: string[] = []
    const app = await open(t, {
      record: { folder: join(data, 'tape') },
      store: { folder: data, open: memory.open, told: line => told.push(line) },
    })
    await app.feeds[0]!.subscribe({ trades: ['SPY'] })
    await until(() => app.tape.written.seq > 50)
    assert.equal(app.isRecording, true)
    assert.match(told[0]!, new RegExp(`^nothing is stored.*: ${fault.message}`))
    const remote = new Remote(app.controlPath!, silentLog)
    assert.equal((await remote.status())!.store.error!.message.endsWith(fault.message), true)
    await assert.rejects(remote.sql('select 1'), new RegExp(fault.message))
    await app.close()
    assert.equal(await remote.status(), undefined)
  })
}

test('a second owner records and stores nothing of the first, says so, and its stream goes on', async t => {
  const data = tempFolder(t)
  const memory = new MemoryFolder()
  const config = {
    record: { folder: join(data, 'tape') },
    store: { folder: data, open: memory.open },
  }
  const first = await open(t, config)
  const told: string[] = []
  const second = await open(t, {
    record: { folder: join(data, 'other') },
    store: { ...config.store, told: line => told.push(line) },
  })
  await until(() => told.length > 0)
  assert.ok(
    told.some(line => /^other commands cannot ask this one: process \d+ answers/.test(line)),
  )
  assert.equal(second.controlPath, undefined)
  assert.equal((await new Remote(first.controlPath!, silentLog).status())!.tape.id, first.tape.id)
  await second.feeds[0]!.subscribe({ trades: ['SPY'] })
  await until(() => second.tape.written.seq > 50)
})

test('without a tape on disk nothing is stored or asked', async t => {
  const data = tempFolder(t)
  const memory = new MemoryFolder()
  const record = { folder: join(data, 'tape'), optional: true }
  const first = await open(t, { record })
  const second = await open(t, { record, store: { folder: data, open: memory.open } })
  assert.equal(second.unrecorded?.code, 'TAPE_IN_USE')
  assert.deepEqual([second.keeper, second.controlPath, memory.opened], [undefined, undefined, 0])
  assert.equal(first.keeper, undefined)
})
