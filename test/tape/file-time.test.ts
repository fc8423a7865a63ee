import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { compactTape } from '../../src/tape/file/compact.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  atEnd,
  copyOf,
  FakeDisk,
  isWritten,
  numbersOf,
  openTape,
  range,
  readAll,
  tempFolder,
  trade,
  trades,
  until,
} from './kit.ts'

/** Receive times of the events, by file and block. The clock jumps back inside a file, and between two. */
const TIMES = [
  [
    [10, 20, 20],
    [30, 40],
  ],
  [
    [50, 15, 16],
    [17, 60],
  ],
  [[5, 6], [7, 65, 65], [8]],
  [[70, 71]],
]
const ALL = TIMES.flat(2)
/** By the order of the tape. */
const expected = (time: number) => {
  const at = ALL.findIndex(each => each >= time)
  return at < 0 ? [] : range(at + 1, ALL.length)
}
const QUESTIONS = [...new Set([0, 99, ...ALL.flatMap(time => [time - 1, time, time + 0.5])])]

async function recorded(t: TestContext): Promise<string> {
  const folder = tempFolder(t)
  for (const blocks of TIMES) {
    const tape = await openTape(t, folder)
    for (const block of blocks) {
      tape.append(block.map((receivedAt, i) => trade(i, { receivedAt })))
      await isWritten(tape)
    }
    await tape.close()
  }
  return folder
}

describe('reading from a time', () => {
  for (const form of ['as written', 'sealed', 'merged'] as const) {
    test(`at, before and behind every event: files ${form}`, async t => {
      const folder = await recorded(t)
      if (form === 'merged') await compactTape(folder, silentLog)
      const tape = await openTape(t, folder, { capacity: 1 })
      if (form === 'sealed') await tape.sealed()
      const follower = await followFileTape({ folder, clock: handClock() })
      atEnd(t, () => follower.close())
      for (const time of QUESTIONS) {
        for (const reader of [tape, follower]) {
          assert.deepEqual(
            numbersOf(await readAll(reader, { from: { time } })),
            expected(time),
            `${time}`,
          )
        }
      }
    })
  }

  test('at blocks with a whole dictionary in the middle of a file', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { capacity: 8_192 })
    const wide = (n: number) =>
      trade(n, { symbol: `A-RATHER-LONG-NAME-${n % 5_000}`, receivedAt: n * 1e3 + 0.123 })
    await appendBlocks(tape, Array(12).fill(4_000), wide)
    for (const n of [1, 3_999, 4_000, 4_001, 20_000, 36_001, 48_000]) {
      for await (const batch of tape.read({ from: { time: n * 1e3 }, live: false })) {
        assert.equal(batch[0]?.seq, n)
        break
      }
    }
  })

  test('beyond the end, live: the next event that is late enough', async t => {
    const folder = await recorded(t)
    const tape = await openTape(t, folder, { capacity: 4 })
    const steps = tape.read({ from: { time: 1_000 } })[Symbol.asyncIterator]()
    const next = steps.next()
    await new Promise(resolve => setTimeout(resolve, 5))
    tape.append([trade(1, { receivedAt: 1_000 })])
    assert.deepEqual(numbersOf((await next).value ?? []), [ALL.length + 1])
    await steps.return?.()
  })

  test('finds what the disk did not take while it is at hand', async t => {
    const [disk, clock, folder] = [new FakeDisk(), handClock(), tempFolder(t)]
    const tape = await openTape(t, folder, { disk, clock })
    const at = (n: number) => trade(n, { receivedAt: n })
    tape.append([at(1), at(2)])
    await isWritten(tape)
    disk.fail('ENOSPC', 'write')
    tape.append([at(3), at(4)])
    await until(() => !tape.isRecording)
    disk.heal()
    await until(() => {
      clock.turn(200)
      return tape.isRecording
    })
    tape.append([at(5)])
    await isWritten(tape)
    assert.equal((await readAll(tape, { from: { time: 3 } }))[0]?.seq, 3)
    assert.equal((await readAll(tape, { from: { time: 2 } }))[0]?.seq, 2)
  })

  test('by topics and up to where the tape stood', async t => {
    const folder = await recorded(t)
    const tape = await openTape(t, folder, { capacity: 1 })
    const topics = [{ source: '*', kind: 'trade', symbol: 'TSLA' }] as const
    assert.deepEqual(await readAll(tape, { from: { time: 20 }, topics }), [])
    const steps = tape.read({ from: { time: 65 }, live: false })
    tape.append(trades(1, 3))
    const seen = []
    for await (const batch of steps) seen.push(...batch)
    assert.deepEqual(numbersOf(seen), expected(65))
  })

  test('on a copy taken at any moment', async t => {
    const tape = await openTape(t, await recorded(t), { capacity: 1 })
    const follower = await followFileTape({ folder: copyOf(t, tape.folder), clock: handClock() })
    atEnd(t, () => follower.close())
    assert.deepEqual(numbersOf(await readAll(follower, { from: { time: 16 } })), expected(16))
  })
})
