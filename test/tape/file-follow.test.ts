import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { MarketEvent } from '../../src/market/events.ts'
import { segmentPath } from '../../src/tape/file/catalog.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import type { TapeReader } from '../../src/tape/tape.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  assertExplained,
  atEnd,
  blocksOf,
  copyOf,
  filesOf,
  HEADER_BYTES,
  numbersOf,
  openTape,
  range,
  readAll,
  tempFolder,
  trade,
  until,
} from './kit.ts'

const POLL_MS = 20

async function follow(t: TestContext, folder: string) {
  const clock = handClock()
  const follower = await followFileTape({ folder, clock, pollMs: POLL_MS })
  atEnd(t, () => follower.close())
  /** Looks until it has come this far. */
  const reaches = (seq: number) =>
    until(() => {
      clock.turn(POLL_MS)
      return follower.end.seq >= seq
    }, `number ${seq}`)
  return { follower, clock, reaches }
}

/** Everything it gives from now on. */
function collect(reader: TapeReader): {
  readonly seen: MarketEvent[]
  readonly ended: Promise<unknown>
} {
  const seen: MarketEvent[] = []
  const steps = reader.read({ from: 'start' })
  const ended = (async () => {
    for await (const batch of steps) seen.push(...batch)
  })().then(
    () => 'ended',
    error => error,
  )
  return { seen, ended }
}

describe('following a tape of another process', () => {
  test('from file to file while they are compressed, each event once', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { segmentBytes: 1_000, capacity: 256 })
    await appendBlocks(tape, [1])
    const { follower, reaches } = await follow(t, folder)
    assert.deepEqual([follower.id, follower.end.seq], [tape.id, 1])
    const { seen } = collect(follower)
    const late: MarketEvent[][] = []
    for (let i = 0; i < 40; i++) {
      await appendBlocks(tape, [1 + ((i * 7) % 23)], n => trade(n, { symbol: `S${n % 40}` }))
      if (i % 3 === 0) await reaches(tape.end.seq)
      if (i % 8 === 0) late.push(await readAll(follower))
    }
    await reaches(tape.end.seq)
    await until(() => seen.length === tape.end.seq, 'all events')
    assert.deepEqual(numbersOf(seen), range(1, tape.end.seq))
    for (const events of late) assert.deepEqual(events, seen.slice(0, events.length))
    assert.ok(filesOf(folder).length > 3, 'several files')
    assert.deepEqual(seen, await readAll(tape))
  })

  test('sees nothing of a block before all of it is there', async t => {
    const source = await openTape(t, tempFolder(t))
    await appendBlocks(source, [3, 2, 4])
    const [whole] = filesOf(source.folder)
    const bytes = readFileSync(whole!)
    const blocks = await blocksOf(whole!)
    const folder = copyOf(t, source.folder)
    const [path] = filesOf(folder)
    truncateSync(path!, blocks[0]!.end)
    const { follower, reaches, clock } = await follow(t, folder)
    const { seen } = collect(follower)
    await reaches(3)
    let there = 3
    for (const [{ offset, end }, count] of [
      [blocks[1]!, 2],
      [blocks[2]!, 4],
    ] as const) {
      for (const [from, to] of [
        [offset, offset + 5],
        [offset + 5, end - 1],
      ] as const) {
        appendFileSync(path!, bytes.subarray(from, to))
        for (let i = 0; i < 3; i++) await clock.advance(POLL_MS)
        assert.equal(follower.end.seq, there)
      }
      appendFileSync(path!, bytes.subarray(end - 1, end))
      there += count
      await reaches(there)
      await until(() => seen.length === there, 'the events')
    }
    assert.deepEqual(numbersOf(seen), range(1, 9))
  })

  test('a file that is just being made is no end and no beginning', async t => {
    const source = await openTape(t, tempFolder(t))
    await appendBlocks(source, [3])
    await source.close()
    const next = await openTape(t, source.folder)
    await appendBlocks(next, [2])
    const folder = copyOf(t, next.folder)
    const path = segmentPath(folder, 4)
    const bytes = readFileSync(path)
    for (const size of [0, 10, HEADER_BYTES, HEADER_BYTES + 20]) {
      writeFileSync(path, bytes.subarray(0, size))
      const { follower, reaches } = await follow(t, folder)
      assert.deepEqual([follower.start.seq, follower.end.seq], [0, 3], `with ${size} bytes`)
      const { seen } = collect(follower)
      const now = follower.read()[Symbol.asyncIterator]()
      writeFileSync(path, bytes)
      await reaches(5)
      await until(() => seen.length === 5, 'the events')
      assert.deepEqual(numbersOf(seen), range(1, 5))
      assert.deepEqual(numbersOf((await now.next()).value ?? []), [4, 5])
      await now.return?.()
      await follower.close()
    }
  })

  test('over ends of the writer, clean and unclean', async t => {
    const folder = tempFolder(t)
    let tape = await openTape(t, folder)
    await appendBlocks(tape, [3])
    const { follower, reaches } = await follow(t, folder)
    const { seen } = collect(follower)
    await tape.close()
    tape = await openTape(t, folder)
    await appendBlocks(tape, [2])
    await reaches(5)
    // As if its process had been killed: the next one finds no proper end.
    const numbers = readFileSync(`${folder}/numbers`)
    await tape.close()
    writeFileSync(`${folder}/numbers`, numbers)
    tape = await openTape(t, folder)
    await appendBlocks(tape, [2])
    await reaches(tape.end.seq)
    await until(() => seen.at(-1)?.seq === tape.end.seq, 'all events')
    assertExplained(seen)
    assert.equal(seen.length, 5 + 1 + 2)
    assert.deepEqual(seen, await readAll(tape))
  })

  test('a program that does nothing but read goes on when it has caught up', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3])
    const program = fileURLToPath(new URL('./follower.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', program, tape.folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const ended = once(child, 'exit').then(() => 'ended')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = () => Promise.race([lines.next().then(({ value }) => value), ended])
    assert.equal(await next(), '3')
    // Many looks at the folder: by now it would have ended.
    assert.equal(await Promise.race([ended, sleep(400, 'goes on')]), 'goes on')
    await appendBlocks(tape, [2])
    assert.equal(await next(), '5')
  })

  test('keeps the process alive while a reader waits, and only then', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3])
    const hand = handClock()
    const idle: boolean[] = []
    const clock: typeof hand = {
      ...hand,
      setTimeout(fn, ms, mode) {
        idle.push(mode === 'idle')
        return hand.setTimeout(fn, ms)
      },
    }
    const follower = await followFileTape({ folder: tape.folder, clock, pollMs: POLL_MS })
    atEnd(t, () => follower.close())
    const looked = async () => {
      const { length } = idle
      clock.turn(POLL_MS)
      await until(() => idle.length > length, 'a look')
      return idle.at(-1)
    }
    assert.deepEqual(idle, [true])
    assert.equal(await looked(), true, 'nobody reads')
    const steps = [0, 1].map(() => follower.read()[Symbol.asyncIterator]())
    const nexts = steps.map(each => each.next())
    await until(() => idle.at(-1) === false, 'a timer that holds the process')
    assert.equal(await looked(), false)
    await steps[0]!.return?.()
    await nexts[0]
    assert.equal(await looked(), false, 'one still waits')
    await steps[1]!.return?.()
    await nexts[1]
    assert.equal(await looked(), true)
    assert.equal(hand.pending(), 1, 'one timer at a time')
  })

  test('by many readers from everywhere: all agree', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { segmentBytes: 600 })
    await appendBlocks(tape, [5, 9, 1, 14, 3, 8])
    const { follower } = await follow(t, folder)
    const last = tape.end.seq
    const reads = range(0, last).map(seq => readAll(follower, { from: { tape: tape.id, seq } }))
    for (const [seq, events] of (await Promise.all(reads)).entries()) {
      assert.deepEqual(numbersOf(events), range(seq + 1, last))
    }
    assert.throws(() => follower.read({ from: { tape: tape.id, seq: last + 1 } }), {
      code: 'BAD_POSITION',
    })
  })

  test('readers that wait are told when the folder goes away, and the process lives', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [3])
    await tape.close()
    const { follower, clock } = await follow(t, folder)
    const { seen, ended } = collect(follower)
    await until(() => seen.length === 3, 'the events')
    rmSync(folder, { recursive: true })
    let how: unknown
    void ended.then(result => {
      how = result
    })
    await until(() => {
      clock.turn(POLL_MS)
      return how !== undefined
    }, 'the end')
    assert.equal((how as { code?: string }).code, 'NO_TAPE')
    await follower.close()
  })

  test('reading ends with it', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3])
    const { follower } = await follow(t, tape.folder)
    const { seen, ended } = collect(follower)
    await follower.close()
    await follower.close()
    assert.equal(await ended, 'ended')
    assert.equal(seen.length, 3)
  })

  test('what is no tape', async t => {
    const folder = tempFolder(t)
    await assert.rejects(followFileTape({ folder }), { code: 'NO_TAPE' })
    await assert.rejects(followFileTape({ folder: `${folder}/none` }), { code: 'NO_TAPE' })
    writeFileSync(`${folder}/file`, 'x')
    await assert.rejects(followFileTape({ folder: `${folder}/file` }), { code: 'NO_TAPE' })
    writeFileSync(`${folder}/tape.json`, '{}')
    await assert.rejects(followFileTape({ folder }), { code: 'TAPE_DAMAGED' })
    writeFileSync(`${folder}/tape.json`, '{"format":9}')
    await assert.rejects(followFileTape({ folder }), { code: 'TAPE_TOO_NEW' })
  })

  test('an empty tape begins when it does', async t => {
    const tape = await openTape(t, tempFolder(t))
    const { follower, reaches } = await follow(t, tape.folder)
    assert.deepEqual([follower.start.seq, follower.end.seq], [0, 0])
    assert.deepEqual(await readAll(follower), [])
    const { seen } = collect(follower)
    await appendBlocks(tape, [2])
    await reaches(2)
    await until(() => seen.length === 2, 'the events')
  })
})
