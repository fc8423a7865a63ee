import assert from 'node:assert/strict'
import fs, { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { describe, type TestContext, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { compactTape } from '../../src/tape/file/compact.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { inspectTape } from '../../src/tape/file/inspect.ts'
import { outlived } from '../../src/tape/file/retention.ts'
import { sealSegments } from '../../src/tape/file/seal.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  assertExplained,
  atEnd,
  blocksOf,
  breakBlock,
  copyOf,
  filesOf,
  isWritten,
  keptLog,
  numbersOf,
  openTape,
  range,
  rangesOf,
  readAll,
  START,
  tempFolder,
  trade,
  trades,
} from './kit.ts'

async function follow(t: TestContext, folder: string) {
  const follower = await followFileTape({ folder, clock: handClock() })
  atEnd(t, () => follower.close())
  return follower
}

/** One closed file of each size. */
async function runs(t: TestContext, sizes: readonly number[], folder = tempFolder(t)) {
  for (const size of sizes) {
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [size])
    await tape.close()
  }
  return folder
}

describe('sealing a file', () => {
  test('changes nothing for readers: before, while and after it is replaced', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { capacity: 128 })
    await appendBlocks(tape, Array(60).fill(70), n => trade(n, { symbol: `S${n % 9}` }))
    const copy = copyOf(t, folder)
    const follower = await follow(t, copy)
    const before = await readAll(follower)
    const steps = follower.read({ from: 'start', live: false })[Symbol.asyncIterator]()
    const during: MarketEvent[] = [...((await steps.next()).value ?? [])]
    const [path] = filesOf(copy)
    const size = statSync(path!).size
    const request = { sources: [path!], target: path!, known: [] }
    const result = await sealSegments(request)
    assert.deepEqual([result.events, result.damaged], [4_200, 0])
    assert.equal(result.bytes, statSync(path!).size)
    assert.ok(result.bytes < size, 'it is smaller')
    for (let step = await steps.next(); !step.done; step = await steps.next()) {
      during.push(...step.value)
    }
    assert.deepEqual(during, before)
    assert.deepEqual(await readAll(follower), before, 'with what it knew of the file')
    assert.deepEqual(await readAll(await follow(t, copy)), before)
    for (const seq of [1, 69, 70, 71, 4_095, 4_096, 4_097, 4_199]) {
      const seen = await readAll(follower, { from: { tape: tape.id, seq } })
      assert.deepEqual(numbersOf(seen), range(seq + 1, 4_200), `from ${seq}`)
    }
  })

  test('an index from before it does not mislead a reader of another process', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { capacity: 8_192 })
    const wide = (n: number) =>
      trade(n, { symbol: `A-RATHER-LONG-NAME-${n % 5_000}`, receivedAt: n * 1e3 + 0.123 })
    await appendBlocks(tape, Array(12).fill(4_000), wide)
    const { id } = tape
    await tape.close()
    const path = filesOf(folder).at(-1)!
    const asWritten = readFileSync(path)
    const next = await openTape(t, folder)
    await appendBlocks(next, [1])
    await next.close()
    const sealed = readFileSync(path)
    writeFileSync(path, asWritten)
    const follower = await follow(t, folder)
    const from = { tape: id, seq: 47_000 }
    assert.deepEqual(numbersOf(await readAll(follower, { from })), range(47_001, 48_001))
    writeFileSync(path, sealed)
    assert.deepEqual(numbersOf(await readAll(follower, { from })), range(47_001, 48_001))
  })

  test('keeps a hole a hole', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [3, 2, 4, 1, 5])
    await tape.close()
    const [path] = filesOf(folder)
    const blocks = await blocksOf(path!)
    breakBlock(path!, blocks[1]!)
    breakBlock(path!, blocks[3]!)
    const said: string[] = []
    const log = keptLog(said)
    const again = await openTape(t, folder, { capacity: 1, log })
    await again.sealed()
    const seen = await readAll(again)
    assert.deepEqual(rangesOf(seen, 'skipped'), [
      { from: 4, to: 5 },
      { from: 10, to: 10 },
    ])
    assert.deepEqual(numbersOf(seen), [1, 2, 3, 6, 7, 8, 9, 11, 12, 13, 14, 15])
    assert.ok(said.some(line => line.includes('could not be read')))
  })

  test('half done, it is done again', async t => {
    const folder = await runs(t, [5, 3])
    const [path] = filesOf(folder)
    writeFileSync(`${path}.sealing`, readFileSync(path!).subarray(0, 100))
    const tape = await openTape(t, folder, { capacity: 1 })
    await tape.sealed()
    assert.deepEqual(numbersOf(await readAll(tape)), range(1, 8))
    assert.equal(statSync(`${path}.sealing`, { throwIfNoEntry: false }), undefined)
  })

  test('events of any order of time and any number stay as they are', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    const odd = [Number.NaN, -0, 1e308, 5e-324, -1.5].map((receivedAt, i) =>
      trade(i, { receivedAt }),
    )
    tape.append(odd)
    await isWritten(tape)
    const before = await readAll(tape)
    await tape.close()
    const again = await openTape(t, folder, { capacity: 1 })
    assert.deepEqual(await readAll(again), before)
    await again.sealed()
    assert.deepEqual(await readAll(again), before)
  })
})

describe('merging files', () => {
  test('makes one of many small ones: same events, same numbers', async t => {
    const folder = await runs(t, [5, 3, 1, 9, 2])
    const follower = await follow(t, folder)
    const before = await readAll(follower)
    const steps = follower.read({ from: 'start', live: false })[Symbol.asyncIterator]()
    const during: MarketEvent[] = [...((await steps.next()).value ?? [])]
    const done = await compactTape(folder, silentLog)
    assert.deepEqual([done.filesBefore, done.filesAfter], [5, 1])
    assert.ok(done.bytesAfter < done.bytesBefore)
    for (let step = await steps.next(); !step.done; step = await steps.next()) {
      during.push(...step.value)
    }
    assert.deepEqual(during, before, 'a reader that was under way')
    assert.deepEqual(await readAll(follower), before)
    const tape = await openTape(t, folder, { capacity: 1 })
    assert.equal(tape.end.seq, 20)
    assert.deepEqual(await readAll(tape), before)
    await tape.close()
    assert.deepEqual(await compactTape(folder, silentLog), {
      ...{ filesBefore: 1, filesAfter: 1 },
      ...{ bytesBefore: done.bytesAfter, bytesAfter: done.bytesAfter },
    })
  })

  for (const left of ['all', 'the last']) {
    test(`a crash before the old files are removed (${left} left) is harmless, and merged away`, async t => {
      const folder = await runs(t, [5, 3, 4])
      const old = filesOf(folder).map(path => [path, readFileSync(path)] as const)
      const follower = await follow(t, folder)
      const before = await readAll(follower)
      await compactTape(folder, silentLog)
      for (const [path, bytes] of old.slice(left === 'all' ? 1 : 2)) writeFileSync(path, bytes)
      assert.deepEqual(await readAll(await follow(t, folder)), before, 'from outside')
      const tape = await openTape(t, folder, { capacity: 1 })
      assert.equal(tape.end.seq, 12)
      for (let seq = 0; seq < 12; seq++) {
        const seen = await readAll(tape, { from: { tape: tape.id, seq } })
        assert.deepEqual(seen, before.slice(seq), `from ${seq}`)
      }
      await tape.sealed()
      assert.deepEqual(await readAll(tape), before, 'sealed')
      await tape.close()
      await compactTape(folder, silentLog)
      assert.equal(filesOf(folder).length, 1)
      assert.deepEqual(await readAll(await follow(t, folder)), before)
      assert.equal((await inspectTape(folder, { verify: true })).events, 12)
    })
  }

  test('a tape that is recorded to is refused', async t => {
    const folder = tempFolder(t)
    await openTape(t, folder)
    await assert.rejects(compactTape(folder, silentLog), { code: 'TAPE_IN_USE' })
  })

  test('a disk that takes no writing is said to be so', async t => {
    const folder = await runs(t, [3])
    const refuse = () => {
      throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' })
    }
    t.mock.method(fs, 'openSync', refuse)
    syncBuiltinESMExports()
    try {
      await assert.rejects(compactTape(folder, silentLog), { code: 'TAPE_UNWRITABLE' })
    } finally {
      t.mock.restoreAll()
      syncBuiltinESMExports()
    }
  })

  test('an empty tape and one without a good file', async t => {
    const folder = await runs(t, [])
    await (await openTape(t, folder)).close()
    const done = await compactTape(folder, silentLog)
    assert.deepEqual(done, { filesBefore: 0, filesAfter: 0, bytesBefore: 0, bytesAfter: 0 })
  })
})

describe('retention', () => {
  const file = (first: number, bytes = 10, newest = first) => ({
    first,
    last: first + 9,
    bytes,
    newest,
  })
  const files = [file(1), file(11), file(21), file(31)]
  const none = Number.POSITIVE_INFINITY

  test('by size, from the oldest on, and never the newest', () => {
    assert.equal(outlived(files, { bytes: 40 }, none, 0), 0)
    assert.equal(outlived(files, { bytes: 39 }, none, 0), 1)
    assert.equal(outlived(files, { bytes: 15 }, none, 0), 3)
    assert.equal(outlived(files, { bytes: 0 }, none, 0), 3)
  })

  test('by age', () => {
    assert.equal(outlived(files, { ageMs: 100 }, none, 111), 1)
    assert.equal(outlived(files, { ageMs: 100 }, none, 101), 0)
    assert.equal(outlived(files, { ageMs: 100 }, none, 1e6), 3)
  })

  test('by age: one file from the future holds up neither itself nor those behind it', () => {
    const odd = [file(1), file(11, 10, 1e9), file(21), file(31)]
    assert.equal(outlived(odd, { ageMs: 100 }, none, 1_000), 3)
    assert.equal(outlived(odd, { ageMs: 100 }, none, 121), 1, 'as old as the one behind it')
    assert.equal(outlived(odd, { ageMs: 100 }, none, 122), 3)
  })

  test('stops before what a store has yet to read, until the highest size', () => {
    assert.equal(outlived(files, { bytes: 0, maxBytes: 100 }, 11, 0), 1)
    assert.equal(outlived(files, { bytes: 0, maxBytes: 100 }, 10, 0), 0)
    assert.equal(outlived(files, { bytes: 0, maxBytes: 25 }, 1, 0), 2)
    assert.equal(outlived(files, { bytes: 10, maxBytes: 40 }, 1, 0), 0)
  })

  test('a reader and a store it overtakes are told exactly', async t => {
    const folder = tempFolder(t)
    const said: string[] = []
    const log = keptLog(said)
    const retention = { bytes: 900, maxBytes: 1_500 }
    const tape = await openTape(t, folder, { capacity: 4, segmentBytes: 1, retention, log })
    await appendBlocks(tape, [4])
    tape.hold('candles', tape.end)
    const slow = tape.read({ from: 'start' })[Symbol.asyncIterator]()
    const seen: MarketEvent[] = [...((await slow.next()).value ?? [])]
    for (let i = 0; i < 20; i++) {
      await appendBlocks(tape, [4])
      await tape.sealed()
    }
    assert.ok(tape.start.seq > 4, 'the store did not keep everything')
    assert.ok(said.some(line => line.includes('candles')))
    while (seen.at(-1)?.seq !== tape.end.seq) seen.push(...((await slow.next()).value ?? []))
    await slow.return?.()
    assertExplained(seen)
    assert.deepEqual(rangesOf(seen, 'skipped'), [{ from: 5, to: tape.start.seq }])
  })

  test('a file that somebody deleted does not stop it', async t => {
    const folder = tempFolder(t)
    const retention = { bytes: 600, maxBytes: 600 }
    const tape = await openTape(t, folder, { capacity: 4, segmentBytes: 1, retention })
    await appendBlocks(tape, [4])
    rmSync(filesOf(folder)[0]!)
    for (let i = 0; i < 12; i++) {
      await appendBlocks(tape, [4])
      await tape.sealed()
    }
    assert.ok(tape.start.seq > 8, 'files go')
    assert.ok(filesOf(folder).length < 8, 'and few are left')
  })

  for (const restarted of [false, true]) {
    const when = restarted ? ', also after a restart' : ''
    test(`one event from the future does not switch off retention by age${when}`, async t => {
      const [folder, clock] = [tempFolder(t), handClock(START)]
      const options = { capacity: 4, segmentMs: 1_000, retention: { ageMs: 10_000 }, clock }
      let tape = await openTape(t, folder, options)
      for (let i = 0; i < 30; i++) {
        const late = i === 3 ? 1e12 : 0
        tape.append([trade(i, { receivedAt: clock.now() + late })])
        await isWritten(tape)
        clock.turn(1_000)
        if (restarted && i === 24) {
          await tape.sealed()
          await tape.close()
          tape = await openTape(t, folder, options)
        }
      }
      await tape.sealed()
      assert.ok(filesOf(folder).length <= 13, 'nothing older is left')
      assert.ok(filesOf(folder).length >= 9, 'and nothing younger is gone')
    })
  }

  test('a sealed file that is in the way of age goes with the clock', async t => {
    const [folder, clock] = [tempFolder(t), handClock(START)]
    const retention = { ageMs: 10_000 }
    const tape = await openTape(t, folder, { capacity: 4, segmentMs: 1_000, retention, clock })
    for (let i = 0; i < 30; i++) {
      tape.append(trades(i, 2).map(each => trade(each.size, { receivedAt: clock.now() })))
      await isWritten(tape)
      clock.turn(1_000)
    }
    await tape.sealed()
    const [oldest] = await readAll(tape)
    assert.ok(clock.now() - oldest!.receivedAt <= 12_000, 'nothing older is left')
    assert.ok(filesOf(folder).length <= 13)
  })
})

test('sealing that is asked to stop changes nothing', async t => {
  const folder = await runs(t, [10_000])
  const [path] = filesOf(folder) as [string]
  const before = readFileSync(path)
  const stop = new Uint8Array(new SharedArrayBuffer(1)).fill(1)
  assert.equal(await sealSegments({ sources: [path], target: path, known: [], stop }), undefined)
  assert.deepEqual(readFileSync(path), before)
})
