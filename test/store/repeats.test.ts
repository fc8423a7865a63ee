import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createEvent, Flag, type MarketEvent } from '../../src/market/events.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { collect, DAY_MS, once, open, rowsOf, START, tempFolder } from './kit.ts'

function trade(i: number, id: number | undefined, flags = 0): MarketEvent {
  return createEvent({
    ...{ type: 'trade', symbol: 'SPY', source: 's', timestamp: START + i, price: 100 + i, size: 1 },
    ...{ id, exchange: 'V', flags, receivedAt: START + i + flags },
  })
}

function quote(i: number, flags = 0): MarketEvent {
  return createEvent({
    ...{ type: 'quote', symbol: 'SPY', source: 's', timestamp: START + i, bid: 100 + i, ask: 200 },
    ...{ flags, receivedAt: START + i + flags },
  })
}

const COUNTS = 'select count(*), count(distinct price) from trades'

describe('what was merged before it comes on the tape', () => {
  it('is there once: by its id, whatever else of it has changed', async t => {
    const store = await open(t, tempFolder(t))
    const tape = memoryTape()
    tape.append([trade(1, 1), trade(2, 2)])
    await store.follow(tape, { live: false })
    await store.merge(once([trade(1, 1), trade(2, 2), trade(3, 3), trade(4, 4)]))
    tape.append([trade(3, 3, Flag.repaired), trade(5, 5), trade(4, 4, Flag.repaired)])
    await store.follow(tape, { live: false })
    assert.deepEqual(await rowsOf(store, COUNTS), [[5, 5]])
    assert.deepEqual(store.position, tape.end)
    await store.rebuild(tape)
    assert.deepEqual(await rowsOf(store, COUNTS), [[5, 5]])
  })

  it('is there once where the store was behind its tape, and another id is another trade', async t => {
    const store = await open(t, tempFolder(t))
    const tape = memoryTape()
    tape.append([trade(1, 1), trade(2, 2), trade(2, 3)])
    await store.merge(once([trade(1, 1), trade(2, 2)]))
    await store.follow(tape, { live: false })
    const rows = await rowsOf(store, 'select id, tape_id is null from trades order by id')
    assert.deepEqual(rows, [
      [1, true],
      [2, true],
      [3, false],
    ])
  })

  it('without ids stands for one each: what comes more often is there more often', async t => {
    const store = await open(t, tempFolder(t))
    const tape = memoryTape()
    // One was there, the history has three: two are added.
    tape.append([quote(1)])
    await store.follow(tape, { live: false })
    const merged = await store.merge(once([quote(1), quote(1), quote(1), quote(2)]))
    assert.deepEqual(merged, { added: 3, known: 1 })
    const count = async () => rowsOf(store, 'select count(*) from quotes')
    for (const there of [4, 4, 5]) {
      tape.append([quote(1, Flag.repaired)])
      await store.follow(tape, { live: false })
      assert.deepEqual(await count(), [[there]])
    }
    await store.rebuild(tape)
    assert.deepEqual(await count(), [[5]])
  })

  it('stands for one of the tape and no more, whatever is put together and made anew afterwards', async t => {
    const store = await open(t, tempFolder(t), { quietMs: 0, lateMs: 0 })
    const tape = memoryTape()
    const rows: number[][] = []
    const next = async (work: () => Promise<unknown>) => {
      await work()
      rows.push(...((await rowsOf(store, 'select count(*) from quotes')) as number[][]))
    }
    const record = async (event: MarketEvent) => {
      tape.append([event])
      await store.follow(tape, { live: false })
    }
    await next(() => store.merge(once([quote(1)])))
    await next(() => record(quote(1, Flag.repaired)))
    await next(() => store.merge(once([quote(2)])))
    await next(() => store.compact())
    await next(() => record(quote(1, Flag.late)))
    await next(() => record(quote(2, Flag.repaired)))
    await next(() => store.compact())
    await next(() => store.rebuild(tape))
    assert.deepEqual(rows.flat(), [1, 1, 2, 2, 3, 3, 3, 3])
  })

  it('is there once when it came on the tape while it was merged', async t => {
    const folder = tempFolder(t)
    const store = await open(t, folder)
    const tape = memoryTape()
    const events = Array.from({ length: 800 }, (_, i) => trade(i, i))
    const end = new AbortController()
    const following = store.follow(tape, { signal: end.signal })
    const merging: Promise<unknown>[] = []
    for (let from = 0; from < events.length; from += 100) {
      const batch = events.slice(from, from + 100)
      merging.push(store.merge(once(batch)))
      tape.append(batch)
      if (from % 300 === 0) await merging.at(-1)
    }
    await Promise.all(merging)
    await store.reached(tape.end)
    end.abort()
    await following
    assert.deepEqual(await rowsOf(store, COUNTS), [[800, 800]])
  })

  it('does not keep from being stored what comes where its file is damaged', async t => {
    const said: string[] = []
    const log = { ...silentLog, error: (_: object, message: string) => said.push(message) }
    const store = await open(t, tempFolder(t), { log })
    const tape = memoryTape()
    await store.merge(once(Array.from({ length: 500 }, (_, i) => trade(i, i))))
    const [part] = await store.parquet({ kinds: ['trade'] })
    const bytes = readFileSync(part!)
    bytes.fill(0xa5, 40, bytes.length >> 1)
    writeFileSync(part!, bytes)
    tape.append([trade(1, 1), trade(2, 2)])
    await store.follow(tape, { live: false })
    assert.deepEqual(store.position, tape.end)
    assert.deepEqual(said, [])
    await store.seal()
    assert.match(said.join(), /is damaged|cannot be read/)
  })

  it('is there once after the store was opened anew, sealed, and its files were put together', async t => {
    const folder = tempFolder(t)
    const random = seededRandom(11)
    const tape = memoryTape()
    const all = new Map<number, MarketEvent>()
    const told = new Map<number, number>()
    for (let round = 0; round < 5; round++) {
      const store = await open(t, folder, { quietMs: 0, lateMs: 0 })
      for (let turn = 0; turn < 3; turn++) {
        const ids = Array.from({ length: 20 }, () => Math.floor(random() * 200))
        const some = [...new Set(ids)].map(id => trade(id * 1_000_000, id))
        for (const one of some) all.set((one as { id: number }).id, one)
        if (random() < 0.5) await store.merge(once(some))
        else {
          // A tape does not say the same twice: the feed has left that out.
          const fresh = some.filter(one => !told.has((one as { id: number }).id))
          for (const one of fresh) told.set((one as { id: number }).id, 1)
          tape.append(fresh)
          await store.follow(tape, { live: false })
        }
        if (random() < 0.2) await store.seal()
        if (random() < 0.1) await store.compact()
        if (random() < 0.1) await store.rebuild(tape)
      }
      const rows = await rowsOf(store, 'select id, count(*) from trades group by 1 order by 1')
      const wanted = [...all.keys()].sort((a, b) => a - b)
      assert.deepEqual(
        rows,
        wanted.map(id => [id, 1]),
      )
      await store.close()
    }
  })
})

describe('many files of a day', () => {
  it('are put together, with the same answers, and only whoever reads them still keeps them', async t => {
    const folder = tempFolder(t)
    const store = await open(t, folder)
    for (let i = 0; i < 30; i++) {
      await store.merge(
        once([0, 1, 2].map(j => trade(j * 31 + i, j * 31 + i)).concat(quote(i % 7))),
      )
    }
    const parts = () => store.parquet({ kinds: ['trade', 'quote'] })
    assert.ok((await parts()).length < 16, `${(await parts()).length} files`)
    const asked = { kind: 'trade', symbols: ['*'], from: 0, to: START + DAY_MS } as const
    const before = await collect(store.history(asked))
    assert.equal(before.length, 90)
    const gone = await store.compact()
    assert.ok(gone > 0)
    assert.equal((await parts()).length, 2)
    assert.deepEqual(await collect(store.history(asked)), before)
    assert.equal(await store.compact(), 0)
    const again = await store.merge(once(before.slice(0, 10)))
    assert.deepEqual(again, { added: 0, known: 10 })
  })

  it('are not read beside the one that stands for them when the manifest is lost', async t => {
    const folder = tempFolder(t)
    const store = await open(t, folder)
    for (let i = 0; i < 3; i++) await store.merge(once([trade(i, i), trade(50 + i, 50 + i)]))
    assert.equal(await store.compact(), 2)
    const count = () =>
      readdirSync(join(folder, 'days'), { recursive: true, encoding: 'utf8' }).filter(name =>
        name.endsWith('.parquet'),
      ).length
    // Whoever reads the old ones still has them.
    assert.equal(count(), 4)
    await store.close()
    rmSync(join(folder, 'manifest.json'))
    const again = await open(t, folder)
    assert.deepEqual(await rowsOf(again, COUNTS), [[6, 6]])
    assert.equal(count(), 1)
  })

  it('keep the newest word on a bar', async t => {
    const store = await open(t, tempFolder(t))
    const bar = (close: number, minute: number) =>
      createEvent({
        ...{ type: 'bar', symbol: 'SPY', source: 's', timestamp: START + minute * 60_000 },
        ...{ interval: '1m', open: 1, high: 9, low: 1, close, volume: 1, final: true, revision: 0 },
      })
    for (let close = 1; close <= 9; close++) await store.merge(once([bar(close, close % 2)]))
    const closes = async () => {
      const bars = await collect(
        store.history({ kind: 'bar', symbols: ['SPY'], from: START, to: START + DAY_MS }),
      )
      return bars.map(one => (one as { close?: number }).close)
    }
    assert.deepEqual(await closes(), [8, 9])
    await store.compact()
    assert.deepEqual(await closes(), [8, 9])
    await store.merge(once([bar(5.5, 0)]))
    assert.deepEqual(await closes(), [5.5, 9])
  })
})
