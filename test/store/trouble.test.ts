import assert from 'node:assert/strict'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Log } from '../../src/base/log.ts'
import type { EventType, MarketEvent } from '../../src/market/events.ts'
import { Session } from '../../src/store/duckdb.ts'
import { type EmbeddedStore, rebuildStore } from '../../src/store/embedded.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, collect, DAY_MS, manyEvents, once, open, rowsOf, START, tempFolder } from './kit.ts'

const LATER = START + 3 * DAY_MS
const KINDS: EventType[] = ['trade', 'quote']
const EVERYTHING = { symbols: ['*'], from: 0, to: LATER + DAY_MS }

function heard(): { log: Log; lines: string[] } {
  const lines: string[] = []
  const say = (level: string) => (_: object, message: string) => {
    lines.push(`${level}: ${message}`)
  }
  return {
    lines,
    log: { debug: () => {}, info: say('info'), warn: say('warn'), error: say('error') },
  }
}

async function all(store: EmbeddedStore): Promise<MarketEvent[]> {
  const found: MarketEvent[] = []
  for (const kind of KINDS) found.push(...(await collect(store.history({ kind, ...EVERYTHING }))))
  return found.sort((a, b) => a.seq! - b.seq!)
}

/** A tape of two days, and a store that has sealed the first. */
async function twoDays(t: TestContext) {
  const folder = tempFolder(t)
  const clock = handClock(START + 1.1 * DAY_MS)
  const tape = memoryTape({ clock })
  const later = manyEvents(200, 12, KINDS).map(event => {
    const { timestamp, receivedAt } = event
    return Object.assign(event, {
      timestamp: timestamp + DAY_MS,
      receivedAt: receivedAt + DAY_MS,
    })
  })
  tape.append([...manyEvents(200, 11, KINDS), ...later])
  const store = await open(t, folder, { clock })
  await store.follow(tape, { live: false })
  await clock.advance(60_000)
  await store.seal()
  const holdings = await store.holdings()
  assert.deepEqual(
    holdings.map(({ sealed }) => sealed),
    [true, true, false, false],
  )
  const events = await all(store)
  assert.equal(events.length, 400)
  return { folder, clock, tape, store, events }
}

const partIn = (folder: string, kind = 'trade') => {
  const days = join(folder, 'days', kind)
  const day = join(days, readdirSync(days)[0]!)
  return join(day, readdirSync(day)[0]!)
}

describe('a crash of a store', () => {
  it('at any moment leaves each event once', async t => {
    const { folder, clock, tape, store, events } = await twoDays(t)
    // What a crash leaves: the files as they are while the store is open.
    const copy = join(tempFolder(t), 'store')
    cpSync(folder, copy, { recursive: true })
    rmSync(join(copy, 'store.lease'), { force: true })
    await store.close()
    const again = await open(t, copy, { clock })
    await again.follow(tape, { live: false })
    assert.deepEqual(await all(again), events)
  })

  it('between any two steps of sealing neither loses nor doubles', async t => {
    const { folder, clock, tape, store, events } = await twoDays(t)
    await store.close()
    const before = join(tempFolder(t), 'before')
    cpSync(folder, before, { recursive: true })
    clock.set(LATER)
    const second = await open(t, folder, { clock })
    await second.seal()
    await second.close()
    const steps: [name: string, make: (copy: string) => void][] = [
      [
        'files half written',
        copy => {
          const part = partIn(folder)
          mkdirSync(join(copy, 'days/trade/2025-06-03'), { recursive: true })
          copyFileSync(part, join(copy, 'days/trade/2025-06-03/000003.parquet.new'))
          truncateSync(join(copy, 'days/trade/2025-06-03/000003.parquet.new'), 100)
        },
      ],
      [
        'files written, manifest old',
        copy => cpSync(join(folder, 'days'), join(copy, 'days'), { recursive: true }),
      ],
      [
        'manifest written, tables old',
        copy => {
          cpSync(join(folder, 'days'), join(copy, 'days'), { recursive: true })
          copyFileSync(join(folder, 'manifest.json'), join(copy, 'manifest.json'))
        },
      ],
    ]
    for (const [name, make] of steps) {
      const copy = join(tempFolder(t), 'store')
      cpSync(before, copy, { recursive: true })
      make(copy)
      const again = await open(t, copy, { clock })
      assert.deepEqual(await all(again), events, name)
      await again.follow(tape, { live: false })
      assert.deepEqual(await all(again), events, name)
      await again.seal()
      assert.deepEqual(await all(again), events, name)
      await again.close()
    }
  })
})

describe('a damaged store', () => {
  it('whose log of DuckDB is damaged takes from the tape what is missing', async t => {
    const { folder, clock, tape, store } = await twoDays(t)
    tape.append(manyEvents(500, 20, KINDS))
    await store.follow(tape, { live: false })
    const events = await all(store)
    const copy = join(tempFolder(t), 'store')
    cpSync(folder, copy, { recursive: true })
    rmSync(join(copy, 'store.lease'), { force: true })
    const wal = join(copy, 'hot.duckdb.wal')
    const bytes = readFileSync(wal)
    bytes[bytes.length >> 1]! ^= 0xff
    writeFileSync(wal, bytes)
    const { log, lines } = heard()
    const again = await open(t, copy, { clock, log })
    assert.match(lines.join('\n'), /warn: .*hot\.duckdb\.wal is damaged and set aside/)
    assert.ok(existsSync(`${wal}.damaged`))
    assert.ok((again.position?.seq ?? 0) < tape.end.seq)
    await again.follow(tape, { live: false })
    assert.deepEqual(await all(again), events)
  })

  it('whose tables are damaged takes them from the tape, sealed days stay', async t => {
    const { folder, clock, tape, store, events } = await twoDays(t)
    await store.close()
    writeFileSync(join(folder, 'hot.duckdb'), Buffer.alloc(100_000, 7))
    const { log, lines } = heard()
    const again = await open(t, folder, { clock, log })
    assert.equal((await all(again)).length, 200)
    await again.follow(tape, { live: false })
    assert.deepEqual(await all(again), events)
    assert.match(lines.join('\n'), /warn: .*hot\.duckdb is damaged and set aside/)
  })

  it('names a Parquet file that is not whole, and answers with the rest', async t => {
    const { folder, clock, tape, store, events } = await twoDays(t)
    await store.close()
    const file = partIn(folder)
    truncateSync(file, 200)
    const { log, lines } = heard()
    const again = await open(t, folder, { clock, log })
    assert.match(lines.join('\n'), /error: .*000001\.parquet has 200 bytes instead of \d+/)
    assert.equal((await all(again)).length, 300)
    assert.deepEqual(await rowsOf(again, 'select count(*) from trades'), [[100]])
    await again.close()
    await rebuildStore({ folder, tape, clock, log })
    const mended = await open(t, folder, { clock })
    assert.deepEqual(await all(mended), events)
    assert.ok(existsSync(`${file}.damaged`))
  })

  it('names a Parquet file that is damaged inside when a question meets it', async t => {
    const { folder, clock, store } = await twoDays(t)
    await store.close()
    const file = partIn(folder)
    const bytes = readFileSync(file)
    bytes.fill(0xff, 8, 1_000)
    writeFileSync(file, bytes)
    const again = await open(t, folder, { clock })
    const sealed = { symbols: ['*'], from: START - 1, to: START + DAY_MS / 3 }
    await assert.rejects(
      collect(again.history({ kind: 'trade', ...sealed })),
      (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, 'BAD_PARQUET', error.message)
        assert.ok(error.message.includes(file), error.message)
        assert.match(error.hint!, /rebuild|backfill/)
        return true
      },
    )
    assert.equal((await collect(again.history({ kind: 'quote', ...sealed }))).length, 100)
    const open_ = { symbols: ['*'], from: START + DAY_MS - 1, to: LATER }
    assert.equal((await collect(again.history({ kind: 'trade', ...open_ }))).length, 100)
  })

  it('without a manifest is made anew from its Parquet files', async t => {
    const { folder, clock, store, events } = await twoDays(t)
    await store.close()
    const text = readFileSync(join(folder, 'manifest.json'), 'utf8')
    rmSync(join(folder, 'manifest.json'))
    const { log, lines } = heard()
    const again = await open(t, folder, { clock, log })
    assert.deepEqual(await all(again), events)
    assert.match(lines.join('\n'), /warn: there was no manifest/)
    assert.equal(readFileSync(join(folder, 'manifest.json'), 'utf8'), text)
  })

  it('with a manifest of a newer tickwire is left alone', async t => {
    const { folder, clock, store } = await twoDays(t)
    await store.close()
    const path = join(folder, 'manifest.json')
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replace('"version": 1', '"version": 2'))
    await assert.rejects(open(t, folder, { clock }), { code: 'STORE_TOO_NEW' })
    writeFileSync(path, text.slice(0, 50))
    await assert.rejects(open(t, folder, { clock }), { code: 'STORE_DAMAGED' })
    writeFileSync(path, text)
    await open(t, folder, { clock })
  })
})

describe('a full disk', () => {
  it('keeps the position where it is, is told once, and is made up for when there is room', async t => {
    const clock = handClock(START)
    const { log, lines } = heard()
    const store = await open(t, tempFolder(t), { clock, log })
    const tape = memoryTape({ clock })
    const stop = new AbortController()
    const done = store.follow(tape, { signal: stop.signal })
    atEnd(t, () => stop.abort())
    tape.append(manyEvents(50, 21, KINDS))
    await store.reached(tape.end)
    const before = store.position
    const { run } = Session.prototype
    let refused = 0
    Session.prototype.run = function (sql) {
      if (sql !== 'commit') return run.call(this, sql)
      refused++
      return Promise.reject(new Error('Could not write file: No space left on device'))
    }
    atEnd(t, () => {
      Session.prototype.run = run
    })
    tape.append(manyEvents(60, 22, KINDS))
    const reached = store.reached(tape.end)
    while (refused < 3) await clock.advance(5_000)
    assert.deepEqual(store.position, before)
    assert.equal(
      lines.filter(line => /error: .*No space left.*the tape goes on/.test(line)).length,
      1,
    )
    Session.prototype.run = run
    let isOver = false
    void reached.then(() => {
      isOver = true
    })
    while (!isOver) await clock.advance(1_000)
    const events = await collect(tape.read({ from: 'start', live: false }))
    assert.deepEqual(
      await all(store),
      events.filter(({ type }) => KINDS.includes(type)),
    )
    stop.abort()
    await done
  })
})

describe('one store', () => {
  it('is open once at a time', async t => {
    const folder = tempFolder(t)
    const store = await open(t, folder)
    await assert.rejects(open(t, folder), { code: 'STORE_IN_USE', hint: /imports.*wait until/ })
    await store.close()
    await store.close()
    await assert.rejects(store.sql('select 1'), { code: 'CLOSED' })
    await open(t, folder)
  })

  it('is not made in a folder whose name DuckDB would take apart', async t => {
    const folder = join(tempFolder(t), 'what?', 'store')
    await assert.rejects(open(t, folder), { code: 'BAD_OPTION', message: /a \? for options/ })
    assert.equal(existsSync(folder), false)
  })

  it('that cannot be written where it is to be says so', async t => {
    const folder = tempFolder(t)
    writeFileSync(join(folder, 'file'), '')
    await assert.rejects(open(t, join(folder, 'file', 'store')), { code: 'STORE_UNWRITABLE' })
  })

  it('keeps what the tape has lost when it is made anew', async t => {
    const folder = tempFolder(t)
    const clock = handClock(START + 3_600_000)
    const store = await open(t, folder, { clock })
    const tape = memoryTape({ clock, capacity: 64 })
    const events = manyEvents(160, 13, KINDS)
    for (let i = 0; i < events.length; i += 40) {
      tape.append(events.slice(i, i + 40))
      await store.follow(tape, { live: false })
    }
    const before = await all(store)
    assert.equal(before.length, 160)
    assert.ok(tape.start.seq > 0)
    await store.rebuild(tape)
    assert.deepEqual(await all(store), before)
  })

  it('keeps a position for each tape', async t => {
    const store = await open(t, tempFolder(t))
    const [one, other] = [memoryTape(), memoryTape()]
    one.append(manyEvents(20, 14, KINDS))
    other.append(manyEvents(30, 15, KINDS))
    await store.follow(one, { live: false })
    await store.follow(other, { live: false })
    assert.deepEqual(store.position, other.end)
    one.append(manyEvents(10, 16, KINDS))
    await store.follow(one, { live: false })
    assert.deepEqual(store.position, one.end)
    assert.equal((await all(store)).length, 60)
  })

  it('follows a tape as it grows, and says when it has reached a position', async t => {
    const store = await open(t, tempFolder(t))
    const tape = memoryTape()
    const stop = new AbortController()
    const done = store.follow(tape, { signal: stop.signal })
    atEnd(t, () => stop.abort())
    tape.append(manyEvents(50, 17, KINDS))
    await store.reached(tape.end)
    assert.equal((await all(store)).length, 50)
    tape.append(manyEvents(50, 18, KINDS))
    await store.reached(tape.end)
    assert.equal((await all(store)).length, 100)
    stop.abort()
    await done
  })
})

describe('what was read through a merge', () => {
  it('is nothing when the source of it fails', async t => {
    const store = await open(t, tempFolder(t))
    const failing = async function* () {
      yield manyEvents(20, 19, KINDS)
      throw new Error('the source broke')
    }
    await assert.rejects(store.merge(failing()), { message: 'the source broke' })
    assert.deepEqual(await store.holdings(), [])
    const merged = await store.merge(once(manyEvents(20, 19, ['quote'])))
    assert.deepEqual(merged, { added: 20, known: 0 })
  })
})
