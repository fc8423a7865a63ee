import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { segmentPath } from '../../src/tape/file/catalog.ts'
import { compactTape } from '../../src/tape/file/compact.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { decodeHeader, encodeHeader } from '../../src/tape/file/format.ts'
import { inspectTape } from '../../src/tape/file/inspect.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  atEnd,
  blocksOf,
  breakBlock,
  change,
  filesOf,
  HEADER_BYTES,
  isEvents,
  numbersOf,
  openTape,
  type Range,
  range,
  rangesOf,
  readAll,
  tempFolder,
  trade,
} from './kit.ts'

/** Closed files of blocks with these sizes, as they were written or compressed. */
async function recorded(
  t: TestContext,
  files: readonly (readonly number[])[],
  sealed = false,
): Promise<string> {
  const folder = tempFolder(t)
  const asWritten = new Map<string, Buffer>()
  for (const sizes of files) {
    const tape = await openTape(t, folder, { capacity: 16_384 })
    await appendBlocks(tape, sizes)
    await tape.close()
    const path = filesOf(folder).at(-1)!
    asWritten.set(path, readFileSync(path))
  }
  if (sealed) {
    const tape = await openTape(t, folder)
    await tape.sealed()
    await tape.close()
  } else for (const [path, bytes] of asWritten) writeFileSync(path, bytes)
  return folder
}

/** What readers from outside and, opened again, from inside get: the same events, and the same told of the rest. */
async function assertHoles(
  t: TestContext,
  folder: string,
  last: number,
  holes: readonly Range[],
): Promise<void> {
  const isThere = (n: number) => !holes.some(({ from, to }) => from <= n && n <= to)
  const check = (seen: readonly MarketEvent[], who: string) => {
    const events = seen.filter(event => event.type === 'trade')
    assert.deepEqual(numbersOf(events), range(1, last).filter(isThere), who)
    for (const event of events) assert.equal(event.size, event.seq, `${who}: another event`)
    assert.deepEqual(rangesOf(seen, 'skipped'), holes, who)
  }
  const follower = await followFileTape({ folder, clock: handClock() })
  atEnd(t, () => follower.close())
  check(await readAll(follower), 'from outside')
  for (const { from, to } of holes) {
    const seen = await readAll(follower, { from: { tape: follower.id, seq: to - 1 } })
    assert.deepEqual(rangesOf(seen, 'skipped')[0], { from: to, to }, `from the middle of ${from}`)
  }
  await follower.close()
  const info = await inspectTape(folder, { verify: true })
  assert.deepEqual(info.missing, holes)
  assert.equal(info.events, last - holes.reduce((sum, { from, to }) => sum + to - from + 1, 0))
  const tape = await openTape(t, folder, { capacity: 1 })
  assert.equal(tape.end.seq, last)
  check(await readAll(tape), 'from inside')
  await tape.sealed()
  check(await readAll(tape), 'sealed')
  await tape.close()
  await compactTape(folder, silentLog)
  const merged = await openTape(t, folder, { capacity: 1 })
  check(await readAll(merged), 'merged')
  await merged.close()
}

const SIZES = [3, 1, 5, 2, 4]

describe('a block that is broken', () => {
  for (const [name, broken, holes] of [
    ['in the middle', [2], [{ from: 5, to: 9 }]],
    [
      'and another one',
      [1, 3],
      [
        { from: 4, to: 4 },
        { from: 10, to: 11 },
      ],
    ],
    ['and its neighbour', [2, 3], [{ from: 5, to: 11 }]],
  ] as const) {
    test(`${name} of a file takes its own events and no others`, async t => {
      const folder = await recorded(t, [SIZES, [2]])
      const [path] = filesOf(folder)
      const blocks = await blocksOf(path!)
      assert.equal(blocks.length, SIZES.length)
      for (const at of broken) breakBlock(path!, blocks[at]!)
      await assertHoles(t, folder, 17, holes)
    })
  }

  test('at the beginning takes the dictionary along, which a later block brings again', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, { capacity: 65_536 })
    const wide = (n: number) =>
      trade(n, { symbol: `LONG${n % 6_000}`, receivedAt: n * 1e3 + 0.123 })
    // More than a mebibyte until the next whole block.
    await appendBlocks(tape, [2, 3, ...Array(16).fill(4_000), 1], wide)
    const last = tape.end.seq
    await tape.close()
    const [path] = filesOf(folder)
    const blocks = await blocksOf(path!)
    const wholes = blocks.filter(({ type }) => type === 2)
    assert.ok(wholes.length >= 2, 'a second block brings the whole dictionary')
    breakBlock(path!, blocks[0]!)
    const follower = await followFileTape({ folder, clock: handClock() })
    atEnd(t, () => follower.close())
    const seen = await readAll(follower)
    assert.deepEqual(rangesOf(seen, 'skipped'), [{ from: 1, to: 2 }])
    assert.deepEqual(numbersOf(seen), range(3, last))
    assert.ok(
      seen.every(event => event.type === 'notice' || event.symbol === `LONG${event.seq! % 6_000}`),
      'every event has its own symbol',
    )
  })

  test('at the beginning of a short file takes what refers to it, and says so', async t => {
    const folder = await recorded(t, [[2, 3], [1]])
    const [path] = filesOf(folder)
    breakBlock(path!, (await blocksOf(path!))[0]!)
    await assertHoles(t, folder, 6, [{ from: 1, to: 5 }])
  })

  test('with a length that lies', async t => {
    for (const length of [0, 1, 0x0fff_ffff]) {
      const folder = await recorded(t, [SIZES, [2]])
      const [path] = filesOf(folder)
      const { offset } = (await blocksOf(path!))[2]!
      change(path!, bytes => {
        bytes.writeUInt32LE((0x1000_0000 | length) >>> 0, offset + 4)
        return bytes
      })
      await assertHoles(t, folder, 17, [{ from: 5, to: 9 }])
    }
  })

  test('with a body of zeros, or none that any type names', async t => {
    for (const harm of ['zeros', 'type'] as const) {
      const folder = await recorded(t, [SIZES, [2]])
      const [path] = filesOf(folder)
      const { offset, end } = (await blocksOf(path!))[2]!
      change(path!, bytes => {
        if (harm === 'zeros') bytes.fill(0, offset, end)
        else bytes[offset + 7]! |= 0xf0
        return bytes
      })
      await assertHoles(t, folder, 17, [{ from: 5, to: 9 }])
    }
  })

  test('garbage between blocks takes nothing', async t => {
    const folder = await recorded(t, [SIZES, [2]])
    const [path] = filesOf(folder)
    const { offset } = (await blocksOf(path!))[2]!
    change(path!, bytes => {
      const frame = bytes.subarray(offset, offset + 12)
      return Buffer.concat([
        bytes.subarray(0, offset),
        Buffer.from('TW'),
        frame,
        bytes.subarray(offset),
      ])
    })
    const follower = await followFileTape({ folder, clock: handClock() })
    atEnd(t, () => follower.close())
    assert.deepEqual(numbersOf(await readAll(follower)), range(1, 17))
    const info = await inspectTape(folder, { verify: true })
    assert.equal(info.segments[0]!.damage.length, 1)
    assert.match(info.segments[0]!.damage[0]!.reason, /^14 bytes are no block/)
  })

  for (const [at, hole] of [
    [0, { from: 1, to: 4_096 }],
    [1, { from: 4_097, to: 4_200 }],
  ] as const) {
    test(`in a sealed file, number ${at}`, async t => {
      const folder = await recorded(t, [[4_200], [2]], true)
      const [path] = filesOf(folder)
      const blocks = (await blocksOf(path!)).filter(isEvents)
      assert.equal(blocks.length, 2)
      breakBlock(path!, blocks[at]!)
      await assertHoles(t, folder, 4_202, [hole])
    })
  }

  test('as the last of a tape: a reading that is not live ends, and says what is missing', async t => {
    const folder = await recorded(t, [[4_200]], true)
    const [path] = filesOf(folder)
    breakBlock(path!, (await blocksOf(path!)).filter(isEvents).at(-1)!)
    await assertHoles(t, folder, 4_200, [{ from: 4_097, to: 4_200 }])
  })

  test('the summary of a sealed file: it is read without', async t => {
    for (const harm of ['summary', 'trailer', 'length'] as const) {
      const folder = await recorded(t, [[4_200], [2], [3]], true)
      for (const path of filesOf(folder)) {
        if (harm === 'summary') breakBlock(path, (await blocksOf(path)).at(-1)!)
        else {
          change(path, bytes => {
            if (harm === 'trailer') return bytes.subarray(0, -3)
            bytes.writeUInt32LE(0xfff_fff0, bytes.length - 8)
            return bytes
          })
        }
      }
      const follower = await followFileTape({ folder, clock: handClock() })
      atEnd(t, () => follower.close())
      assert.deepEqual(numbersOf(await readAll(follower)), range(1, 4_205), harm)
      const tape = await openTape(t, folder, { capacity: 1 })
      assert.equal(tape.end.seq, 4_205, harm)
      assert.deepEqual(numbersOf(await readAll(tape)), range(1, 4_205), harm)
      await tape.sealed()
      assert.deepEqual(numbersOf(await readAll(tape)), range(1, 4_205), harm)
    }
  })
})

describe('a file that is broken', () => {
  for (const [name, harm] of [
    ['whose header is not whole', path => change(path, bytes => void bytes.fill(9, 32, 40))],
    ['that is empty', path => writeFileSync(path, '')],
    ['that is garbage', path => writeFileSync(path, Buffer.alloc(500, 3))],
    ['that was deleted', path => rmSync(path)],
    ['cut in its header', path => change(path, bytes => bytes.subarray(0, HEADER_BYTES - 1))],
  ] as readonly (readonly [string, (path: string) => void])[]) {
    for (const sealed of [false, true]) {
      test(`in the middle, ${name}${sealed ? ' (sealed)' : ''}: exactly its events are missing`, async t => {
        const folder = await recorded(t, [[3, 2], [4], [1, 1]], sealed)
        harm(filesOf(folder)[1]!)
        await assertHoles(t, folder, 11, [{ from: 6, to: 9 }])
      })
    }
  }

  test('at the beginning: readers from there are told', async t => {
    const folder = await recorded(t, [[3], [4], [1]])
    writeFileSync(filesOf(folder)[0]!, 'x')
    const tape = await openTape(t, folder, { capacity: 1 })
    assert.equal(tape.start.seq, 3)
    const seen = await readAll(tape, { from: { tape: tape.id, seq: 0 } })
    assert.deepEqual(rangesOf(seen, 'skipped'), [{ from: 1, to: 3 }])
    assert.deepEqual(numbersOf(seen), range(4, 8))
  })

  test('at the end: its numbers are not given out again', async t => {
    const folder = await recorded(t, [[3], [4]])
    writeFileSync(filesOf(folder)[1]!, 'x')
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [1])
    const seen = await readAll(tape)
    assert.deepEqual(numbersOf(seen), [1, 2, 3, 8, 9])
    assert.deepEqual(rangesOf(seen, 'lost'), [{ from: 4, to: 7 }])
  })

  test('that is of another tape is left out, wherever it stands', async t => {
    for (const [sealed, name] of [
      [false, 2],
      [true, 2],
      [false, 7],
      [true, 7],
      [true, 1_000],
    ] as const) {
      const folder = await recorded(t, [[3], [4], [1]], sealed)
      const other = await recorded(t, [[9]], sealed)
      copyFileSync(filesOf(other)[0]!, segmentPath(folder, name))
      await assertHolesWithout(t, folder, 8)
      assert.equal(filesOf(folder).length, 4, 'it stays where it is')
    }
  })

  test('that only has a header, as the first after a start that came to nothing', async t => {
    const folder = await recorded(t, [[3], [2]])
    const [first] = filesOf(folder)
    const header = decodeHeader(readFileSync(first!), '')
    writeFileSync(segmentPath(folder, 6), encodeHeader({ ...header, first: 6, previous: 5 }))
    await assertHolesWithout(t, folder, 5)
  })

  test('is left where it is by merging, and what stands around it can be read', async t => {
    const folder = await recorded(t, [[3], [4], [1], [2]])
    const path = filesOf(folder)[1]!
    writeFileSync(path, Buffer.alloc(99, 3))
    await compactTape(folder, silentLog)
    assert.equal(filesOf(folder).length, 2)
    await assertHoles(t, folder, 10, [{ from: 4, to: 7 }])
    assert.deepEqual(readFileSync(path), Buffer.alloc(99, 3))
  })

  test('a folder full of other things is no hindrance', async t => {
    const folder = await recorded(t, [[3]])
    for (const name of ['notes.txt', '1.tape', 'x.tape', '0000000000000009.tape.old']) {
      writeFileSync(join(folder, name), 'x')
    }
    await assertHolesWithout(t, folder, 3)
  })
})

async function assertHolesWithout(t: TestContext, folder: string, last: number): Promise<void> {
  const follower = await followFileTape({ folder, clock: handClock() })
  atEnd(t, () => follower.close())
  assert.deepEqual(numbersOf(await readAll(follower)), range(1, last), 'from outside')
  const tape = await openTape(t, folder, { capacity: 1 })
  const seen = await readAll(tape)
  assert.deepEqual(numbersOf(seen), range(1, last), 'from inside')
  assert.equal(seen.length, last, 'no notice')
  for (const n of range(1, last)) {
    const [event] = await readAll(tape, { from: { tape: tape.id, seq: n - 1 } })
    assert.equal(event?.seq, n)
  }
  await tape.sealed()
  await tape.close()
}
