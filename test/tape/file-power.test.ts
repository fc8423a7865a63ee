import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  assertExplained,
  atEnd,
  blocksOf,
  copyOf,
  filesOf,
  HEADER_BYTES,
  isWritten,
  numbersOf,
  openTape,
  range,
  readAll,
  tempFolder,
  trade,
} from './kit.ts'

const SIZES = [3, 1, 5, 2, 4, 1, 8]

/** A tape of two files, the second open, and how many events are whole at each byte of that one. */
async function recorded(t: TestContext) {
  const folder = tempFolder(t)
  const first = await openTape(t, folder)
  await appendBlocks(first, [2, 2])
  await first.close()
  const tape = await openTape(t, folder)
  await appendBlocks(tape, SIZES, n => trade(n, { symbol: `S${n % 5}` }))
  const crashed = copyOf(t, folder)
  const path = filesOf(crashed).at(-1)!
  const ends = (await blocksOf(path)).map(({ end }) => end)
  const wholeAt = (size: number) => {
    const blocks = ends.filter(end => end <= size).length
    return 4 + SIZES.slice(0, blocks).reduce((sum, count) => sum + count, 0)
  }
  const all = await readAll(tape)
  return { crashed, path, ends, wholeAt, all, bytes: readFileSync(path) }
}

async function check(
  t: TestContext,
  from: string,
  name: string,
  bytes: Uint8Array,
  all: readonly MarketEvent[],
  whole: number,
): Promise<void> {
  const folder = copyOf(t, from)
  const path = join(folder, name)
  writeFileSync(path, bytes)
  const what = `${bytes.length} bytes of it`
  const seenOutside = await followed(t, folder)
  assert.deepEqual(seenOutside, all.slice(0, whole), `a follower, ${what}`)
  const tape = await openTape(t, folder)
  await appendBlocks(tape, [2])
  const seen = await readAll(tape)
  assert.deepEqual(seen.slice(0, whole), all.slice(0, whole), what)
  assert.deepEqual(numbersOf(seen.slice(whole)), range(tape.end.seq - 2, tape.end.seq), what)
  assertExplained(seen)
  assert.deepEqual(await followed(t, folder), seen, `a follower agrees, ${what}`)
  await tape.sealed()
  await tape.close()
  const again = await openTape(t, folder)
  assert.deepEqual(await readAll(again), seen, `sealed, ${what}`)
  await again.close()
}

async function followed(t: TestContext, folder: string) {
  const follower = await followFileTape({ folder, clock: handClock() })
  atEnd(t, () => follower.close())
  const seen = await readAll(follower)
  await follower.close()
  return seen
}

describe('the end of a tape after a loss of power', () => {
  test('cut at every block boundary', async t => {
    const { crashed, path, ends, wholeAt, all, bytes } = await recorded(t)
    for (const size of [0, HEADER_BYTES, ...ends]) {
      await check(t, crashed, basename(path), bytes.subarray(0, size), all, wholeAt(size))
    }
  })

  test('cut anywhere', async t => {
    const { crashed, path, wholeAt, all, bytes } = await recorded(t)
    const random = seededRandom(4)
    const sizes = [1, HEADER_BYTES - 1, HEADER_BYTES + 1, bytes.length - 1]
    for (let i = 0; i < 9; i++) sizes.push(Math.floor(random() * bytes.length))
    for (const size of sizes) {
      await check(t, crashed, basename(path), bytes.subarray(0, size), all, wholeAt(size))
    }
  })

  test('zeros instead of what was not synced', async t => {
    const { crashed, path, ends, wholeAt, all, bytes } = await recorded(t)
    const random = seededRandom(5)
    const places = [0, HEADER_BYTES, ends[0]!, ends[3]!]
    for (let i = 0; i < 8; i++) places.push(Math.floor(random() * bytes.length))
    for (const place of places) {
      const zeroed = Buffer.from(bytes)
      zeroed.fill(0, place)
      await check(t, crashed, basename(path), zeroed, all, wholeAt(place))
    }
  })

  test('garbage behind the last block', async t => {
    const { crashed, path, all, bytes } = await recorded(t)
    const random = seededRandom(6)
    const noise = Buffer.from(range(1, 300).map(() => Math.floor(random() * 256)))
    // It begins as a block does, and says to be huge.
    const frame = Buffer.concat([
      bytes.subarray(HEADER_BYTES, HEADER_BYTES + 4),
      Buffer.alloc(8, 0x2f),
    ])
    for (const tail of [noise, Buffer.concat([frame, noise]), frame]) {
      await check(t, crashed, basename(path), Buffer.concat([bytes, tail]), all, all.length)
    }
  })

  test('nothing is cut from a file that is not the last', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { segmentBytes: 1 })
    await appendBlocks(tape, [2, 2])
    const copy = copyOf(t, folder)
    const [first] = filesOf(copy)
    const bytes = Buffer.concat([readFileSync(first!), Buffer.alloc(40, 1)])
    writeFileSync(first!, bytes)
    const again = await openTape(t, copy)
    await isWritten(again)
    assert.deepEqual(numbersOf(await readAll(again)).slice(0, 4), [1, 2, 3, 4])
  })
})
