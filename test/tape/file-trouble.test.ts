import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import type { MarketEvent } from '../../src/market/events.ts'
import type { FileTape, FileTapeOptions } from '../../src/tape/file/file.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { STEP } from '../../src/tape/file/numbers.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  assertExplained,
  atEnd,
  copyOf,
  FakeDisk,
  filesOf,
  isWritten,
  numbersOf,
  openTape,
  range,
  rangesOf,
  readAll,
  START,
  tempFolder,
  trade,
  trades,
  turn,
  until,
} from './kit.ts'

interface Bench {
  readonly tape: FileTape
  readonly disk: FakeDisk
  readonly clock: HandClock
  readonly folder: string
}

async function bench(t: TestContext, options: Partial<FileTapeOptions> = {}): Promise<Bench> {
  const [disk, clock, folder] = [new FakeDisk(), handClock(START), tempFolder(t)]
  atEnd(t, () => {
    disk.heal()
    disk.go()
  })
  const tape = await openTape(t, folder, { disk, clock, ...options })
  // Ends before the tape is closed for it: nothing may wait then.
  atEnd(t, () => {
    disk.heal()
    disk.go()
  })
  return { tape, disk, clock, folder }
}

/** Turns the clock until the tape records again. */
async function recovered({ tape, clock }: Bench): Promise<void> {
  await until(() => {
    clock.turn(200)
    return tape.isRecording
  }, 'recording again')
  await isWritten(tape)
}

/** What is read from the start by a process that comes later: the disk alone. */
async function onDisk(t: TestContext, { folder }: Bench): Promise<MarketEvent[]> {
  const follower = await followFileTape({ folder: copyOf(t, folder), clock: handClock() })
  atEnd(t, () => follower.close())
  return readAll(follower)
}

/** Turns the clock until the disk has refused. */
const stopped = ({ tape, clock }: Bench) =>
  until(() => {
    if (tape.isRecording) clock.turn(100)
    return !tape.isRecording
  }, 'the failure')

describe('a disk that refuses', () => {
  for (const [operation, code] of [
    ['write', 'ENOSPC'],
    ['create', 'ENOSPC'],
    ['sync', 'EIO'],
    ['write', 'EROFS'],
  ] as const) {
    test(`${code} on ${operation}: the stream goes on, and the hole is told exactly`, async t => {
      const at = await bench(t, operation === 'create' ? { segmentBytes: 1 } : {})
      const { tape, disk, clock } = at
      const live: MarketEvent[] = []
      const reading = (async () => {
        for await (const batch of tape.read({ from: 'start' })) live.push(...batch)
      })()
      await appendBlocks(tape, [3, 2])
      clock.turn(1_000)
      await until(() => operation === 'create' || disk.done.includes('sync'), 'a sync')
      await turn()

      disk.fail(code, operation)
      tape.append(trades(6, 4))
      await stopped(at)
      tape.append(trades(10, 5))
      await turn()
      assert.ok(tape.written.seq === tape.end.seq, 'what waits for the disk goes on')
      clock.turn(2_000)
      // Looked at, and refused once more.
      for (let i = 0; i < 20; i++) await turn()
      assert.equal(tape.isRecording, false)
      disk.heal()
      const end = tape.end.seq
      await recovered(at)
      await appendBlocks(tape, [2])
      await until(() => live.at(-1)?.seq === tape.end.seq, 'the live reader')

      assert.deepEqual(numbersOf(live), range(1, tape.end.seq), 'a live reader misses nothing')
      const unrecorded = live.filter(e => e.type === 'notice' && e.notice === 'unrecorded')
      assert.equal(unrecorded.length, 1)
      assert.equal(unrecorded[0]?.type === 'notice' && unrecorded[0].code, code)
      assert.deepEqual(rangesOf(live, 'unrecorded')[0]!.from, 6)
      assert.deepEqual(rangesOf(live, 'lost'), [{ from: 6, to: end }])
      const kept = await onDisk(t, at)
      assert.deepEqual(numbersOf(kept), [...range(1, 5), ...range(end + 1, tape.end.seq)])
      assert.deepEqual(rangesOf(kept, 'lost'), [{ from: 6, to: end }])
      assertExplained(kept)
      await tape.close()
      await reading
      const again = await openTape(t, at.folder)
      assert.equal(again.end.seq, tape.end.seq, 'closed properly in the end')
    })
  }

  test('what was written before a write failed stays, synced or not: others may have seen it', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    await appendBlocks(tape, [3, 4, 5])
    const seen = await onDisk(t, at)
    assert.equal(seen.length, 12)
    disk.fail('ENOSPC', 'write')
    tape.append(trades(13, 2))
    await stopped(at)
    disk.heal()
    await recovered(at)
    const kept = await onDisk(t, at)
    assert.deepEqual(kept.slice(0, 12), seen)
    assert.equal(rangesOf(kept, 'lost')[0]!.from, 13)
    assertExplained(kept)
  })

  test('what a failed sync leaves in doubt is cut off and told', async t => {
    const at = await bench(t)
    const { tape, disk, clock } = at
    await appendBlocks(tape, [3])
    clock.turn(1_000)
    await until(() => disk.done.includes('sync'), 'a sync')
    await turn()
    await appendBlocks(tape, [4])
    disk.fail('EIO', 'sync')
    await stopped(at)
    disk.heal()
    await recovered(at)
    const kept = await onDisk(t, at)
    assert.equal(rangesOf(kept, 'lost')[0]!.from, 4)
    assert.deepEqual(numbersOf(kept).slice(0, 4), [1, 2, 3, rangesOf(kept, 'lost')[0]!.to + 1])
    assertExplained(kept)
  })

  test('also when it does not even let go of what it has: what is told twice is the same', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    await appendBlocks(tape, [3, 2])
    disk.fail('EROFS', 'write', 'sync', 'truncate', 'remove', 'create')
    tape.append(trades(6, 2))
    await stopped(at)
    disk.heal()
    await recovered(at)
    const kept = await onDisk(t, at)
    const numbers = numbersOf(kept)
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    )
    assertExplained(kept)
  })

  test('from the start: a new tape is refused with what the system says', async t => {
    const disk = new FakeDisk()
    disk.fail('EROFS', 'create', 'write', 'replace')
    const folder = tempFolder(t)
    await assert.rejects(openTape(t, folder, { disk }), error => {
      const { code, hint } = error as { code?: string; hint?: string }
      return code === 'TAPE_UNWRITABLE' && hint === 'The disk is read-only: choose another folder.'
    })
    assert.deepEqual(readdirSync(folder), [], 'nothing is left behind, nor held')
  })

  test('from the first event on: the tape begins when it can', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    disk.fail('ENOSPC', 'create')
    tape.append(trades(1, 3))
    await stopped(at)
    assert.equal(filesOf(at.folder).length, 0)
    disk.heal()
    await recovered(at)
    const kept = await onDisk(t, at)
    const { to } = rangesOf(kept, 'lost')[0]!
    assert.deepEqual(rangesOf(kept, 'lost'), [{ from: 1, to }])
    assert.deepEqual(numbersOf(kept), range(to + 1, tape.end.seq))
  })

  test('again and again: every hole is told, and `written` never goes back', async t => {
    const at = await bench(t, { capacity: 32 })
    const { tape, disk } = at
    let written = 0
    const look = () => {
      const { seq } = tape.written
      assert.ok(seq >= written, `${seq} after ${written}`)
      written = seq
    }
    for (let round = 0; round < 6; round++) {
      await appendBlocks(tape, [2, 3])
      look()
      disk.fail('ENOSPC', round % 2 ? 'write' : 'sync')
      tape.append(trades(0, 2 + round))
      await stopped(at)
      for (let i = 0; i < 5; i++) {
        tape.append(trades(0, 7))
        look()
        await turn()
        look()
      }
      disk.heal()
      await recovered(at)
      look()
    }
    const kept = await onDisk(t, at)
    assertExplained(kept)
    // One that a failed sync takes along is part of the next.
    assert.ok(rangesOf(kept, 'lost').length > 2, 'holes are told one by one')
    assert.equal(numbersOf(kept).at(-1), tape.end.seq)
  })
})

describe('a disk that takes its time', () => {
  for (const operation of ['write', 'create'] as const) {
    test(`a ${operation} that hangs until the ring has gone round`, async t => {
      const at = await bench(t, { capacity: 16, segmentBytes: operation === 'create' ? 1 : 1e6 })
      const { tape, disk, clock } = at
      await appendBlocks(tape, [3])
      disk.hold(operation)
      tape.append(trades(4, 2))
      await until(() => disk.waiting > 0, 'the wait')
      for (let i = 0; i < 5; i++) tape.append(trades(6, 10))
      clock.turn(1_000)
      assert.equal(tape.isRecording, false, 'it is said while it hangs')
      const live = await readAll(tape, { from: { tape: tape.id, seq: 53 } })
      const notice = live.find(e => e.type === 'notice' && e.notice === 'unrecorded')
      assert.match(notice?.type === 'notice' ? notice.message : '', /the disk does not keep up/)
      assert.equal(notice?.type === 'notice' && notice.code, 'SLOW_DISK')
      disk.go()
      await until(() => tape.isRecording, 'recording again')
      await appendBlocks(tape, [2])
      const kept = await onDisk(t, at)
      assertExplained(kept)
      const [lost] = rangesOf(kept, 'lost')
      // What hung was written in the end, unless its file had yet to be made.
      assert.equal(lost!.from, operation === 'write' ? 6 : 4)
      assert.deepEqual(numbersOf(kept), [
        ...range(1, lost!.from - 1),
        ...range(lost!.to + 1, tape.end.seq),
      ])
      const inside = await readAll(tape)
      assertExplained(inside)
    })
  }

  test('a sync at the change of files that hangs until the ring has gone round', async t => {
    const at = await bench(t, { capacity: 16, segmentBytes: 1 })
    const { tape, disk, clock } = at
    await appendBlocks(tape, [3])
    disk.hold('sync')
    tape.append(trades(4, 2))
    await until(() => disk.waiting > 0, 'the wait')
    for (let i = 0; i < 5; i++) tape.append(trades(6, 10))
    clock.turn(1_000)
    assert.equal(tape.isRecording, false)
    disk.go()
    await until(() => tape.isRecording, 'recording again')
    await appendBlocks(tape, [2])
    const kept = await onDisk(t, at)
    assertExplained(kept)
    assert.equal(rangesOf(kept, 'lost')[0]!.from, 4)
    await tape.close()
    assert.equal((await openTape(t, at.folder)).end.seq, tape.end.seq)
  })

  test('a slow reader misses two holes, and the notice of the first with the second: both are told', async t => {
    const at = await bench(t, { capacity: 16 })
    const { tape, disk, clock } = at
    await appendBlocks(tape, [3])
    const seen: MarketEvent[] = []
    let goOn = () => {}
    const isFree = new Promise<void>(resolve => {
      goOn = resolve
    })
    const reading = (async () => {
      for await (const batch of tape.read({ from: 'start', written: true })) {
        seen.push(...batch)
        await isFree
      }
    })()
    await until(() => seen.length === 3, 'the first events')
    const hang = async () => {
      disk.hold('write')
      tape.append(trades(0, 2))
      await until(() => disk.waiting === 1, 'the write')
      for (let i = 0; i < 5; i++) tape.append(trades(0, 10))
      clock.turn(1_000)
      assert.equal(tape.isRecording, false)
    }
    await hang()
    // What hung lands; then the next file hangs, whose first event tells of the hole, until the ring has gone round again.
    disk.step()
    await until(() => tape.isRecording && disk.waiting === 1, 'the next file')
    for (let i = 0; i < 5; i++) tape.append(trades(0, 10))
    clock.turn(1_000)
    assert.equal(tape.isRecording, false)
    const { seq } = tape.written
    goOn()
    const reached = () =>
      Math.max(...numbersOf(seen), ...rangesOf(seen, 'skipped').map(({ to }) => to))
    await until(() => reached() >= seq, 'the reader to come that far')
    assertExplained(seen)
    assert.deepEqual(rangesOf(seen, 'lost'), [], 'the notices are among what it has missed')
    assert.equal(rangesOf(seen, 'skipped')[0]?.from, 6)
    disk.go()
    await until(() => tape.isRecording, 'recording again')
    await appendBlocks(tape, [2])
    await until(() => seen.at(-1)?.seq === tape.end.seq, 'the reader')
    assertExplained(seen)
    assertExplained(await onDisk(t, at))
    await tape.close()
    await reading
  })

  test('a burst longer than the ring: what could not be taken is told, without a wait', async t => {
    const at = await bench(t, { capacity: 16 })
    const { tape } = at
    tape.append(trades(1, 40))
    await isWritten(tape)
    await appendBlocks(tape, [2])
    const kept = await onDisk(t, at)
    assertExplained(kept)
    assert.equal(tape.isRecording, true)
    const inside = await readAll(tape)
    assertExplained(inside)
  })

  test('a sync fails while a write hangs: the late write harms neither file', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    await appendBlocks(tape, [3])
    disk.hold('write')
    tape.append(trades(4, 2))
    await until(() => disk.waiting === 1, 'the write')
    disk.fail('EIO', 'sync')
    await stopped(at)
    disk.heal()
    // Only that write goes on hanging.
    disk.held.clear()
    await recovered(at)
    await appendBlocks(tape, [4])
    disk.go()
    await appendBlocks(tape, [4])
    await until(() => filesOf(at.folder).length === 1, 'the file given up is gone')
    const kept = await onDisk(t, at)
    assertExplained(kept)
    for (const event of kept) {
      if (event.type === 'trade') assert.equal(event.symbol, 'SPY')
    }
    const again = await openTape(t, copyOf(t, at.folder))
    await isWritten(again)
    assertExplained(await readAll(again))
  })

  test('what is lost can include what was told to be recorded: a sync that fails behind a slow write', async t => {
    const at = await bench(t, { capacity: 16 })
    const { tape, disk, clock } = at
    await appendBlocks(tape, [3])
    disk.hold('write')
    tape.append(trades(4, 2))
    await until(() => disk.waiting === 1, 'the write')
    for (let i = 0; i < 5; i++) tape.append(trades(6, 10))
    disk.hold('sync')
    clock.turn(1_000)
    assert.equal(tape.isRecording, false, 'overtaken')
    await until(() => disk.waiting === 2, 'the sync')
    disk.fail('EIO', 'sync')
    disk.go()
    await turn()
    disk.heal()
    clock.turn(2_000)
    await until(() => tape.isRecording, 'recording again')
    await isWritten(tape)
    const kept = await onDisk(t, at)
    assertExplained(kept)
  })
})

describe('reading what is written', () => {
  test('never shows an event before the disk has it', async t => {
    const at = await bench(t, { capacity: 256 })
    const { tape, disk } = at
    const seen: MarketEvent[] = []
    void (async () => {
      for await (const batch of tape.read({ written: true, from: 'start' })) {
        for (const event of batch) assert.ok(event.seq! <= tape.written.seq)
        seen.push(...batch)
      }
    })()
    disk.hold('write')
    for (let round = 0; round < 5; round++) {
      const before = tape.written.seq
      tape.append(trades(before + 1, 3))
      await until(() => disk.waiting === 1, 'the write')
      for (let i = 0; i < 5; i++) await turn()
      assert.equal(tape.written.seq, before)
      assert.equal(seen.length, before)
      assert.equal((await readAll(tape, { written: true })).length, before)
      disk.step()
      await until(() => seen.length === before + 3, 'the events')
      assert.equal((await onDisk(t, at)).length, before + 3)
    }
  })

  test('a reading of what was lost to the disk, and has left memory, ends', async t => {
    const at = await bench(t, { capacity: 16 })
    const { tape, disk } = at
    await appendBlocks(tape, [3])
    disk.fail('ENOSPC', 'write')
    tape.append(trades(4, 5))
    await stopped(at)
    const reading = tape.read({ from: 'start', live: false })
    disk.heal()
    await recovered(at)
    await appendBlocks(tape, [16, 16])
    const seen: MarketEvent[] = []
    for await (const batch of reading) seen.push(...batch)
    assert.deepEqual(numbersOf(seen), [1, 2, 3])
    assert.equal(rangesOf(seen, 'skipped')[0]!.from, 4)
    assertExplained(seen)
  })
})

describe('closing a tape', () => {
  test('while nothing is recorded: it ends, and the next start knows that it does not know', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    await appendBlocks(tape, [3])
    disk.fail('ENOSPC', 'write', 'create', 'replace')
    tape.append(trades(4, 2))
    await stopped(at)
    await tape.close()
    assert.equal((await readAll(tape)).length, 6)
    disk.heal()
    const again = await openTape(t, at.folder)
    await isWritten(again)
    assert.deepEqual(rangesOf(await readAll(again), 'lost'), [{ from: 4, to: STEP }])
  })

  test('while a write is under way waits for it', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    disk.hold('write')
    tape.append(trades(1, 3))
    await until(() => disk.waiting === 1, 'the write')
    let closed = false
    const closing = tape.close().then(() => {
      closed = true
    })
    tape.close()
    for (let i = 0; i < 5; i++) await turn()
    assert.equal(closed, false)
    assert.throws(() => tape.append(trades(4, 1)), { code: 'CLOSED' })
    disk.go()
    await closing
    assert.deepEqual(numbersOf(await onDisk(t, at)), [1, 2, 3])
    assert.equal((await openTape(t, at.folder)).end.seq, 3)
  })

  test('while the last write fails', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    await appendBlocks(tape, [2])
    disk.hold('write')
    tape.append(trades(3, 3))
    await until(() => disk.waiting === 1, 'the write')
    const closing = tape.close()
    disk.fail('ENOSPC', 'write')
    disk.go()
    await closing
    assert.equal(tape.isRecording, false)
    assert.deepEqual(numbersOf(await onDisk(t, at)), [1, 2])
    disk.heal()
    const again = await openTape(t, at.folder)
    assert.ok(again.end.seq > STEP)
  })

  test('while the disk is looked at again waits for that, and leaves nothing behind', async t => {
    const at = await bench(t)
    const { tape, disk, clock } = at
    disk.fail('ENOSPC', 'write')
    tape.append(trades(1, 3))
    await stopped(at)
    disk.heal()
    disk.hold('create')
    clock.turn(2_000)
    await until(() => disk.waiting === 1, 'the look')
    const closing = tape.close()
    await turn()
    disk.go()
    await closing
    assert.deepEqual(readdirSync(at.folder).sort(), ['numbers', 'tape.json'])
  })

  test('brings the last blocks to safety, also behind a sync under way', async t => {
    const at = await bench(t)
    const { tape, disk, clock } = at
    await appendBlocks(tape, [2])
    disk.hold('sync')
    clock.turn(1_000)
    await until(() => disk.waiting === 1, 'the sync')
    await appendBlocks(tape, [2])
    const closing = tape.close()
    for (let i = 0; i < 5; i++) await turn()
    disk.go()
    await closing
    assert.equal(disk.done.filter(each => each === 'sync').length, 2)
  })

  test('with a last sync that fails is no proper end', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    await appendBlocks(tape, [2])
    disk.fail('EIO', 'sync')
    await tape.close()
    disk.heal()
    const again = await openTape(t, at.folder)
    await isWritten(again)
    assert.deepEqual(rangesOf(await readAll(again), 'lost'), [{ from: 3, to: STEP }])
  })

  test('with a full disk does not fail: only the places of stores stay where they were', async t => {
    const at = await bench(t)
    const { tape, disk } = at
    await appendBlocks(tape, [2])
    disk.fail('ENOSPC', 'replace')
    await tape.close()
    disk.heal()
    assert.equal((await openTape(t, at.folder)).end.seq, 2)
  })
})

test('what is no event does not stop the recording: a notice takes its number', async t => {
  const at = await bench(t)
  const { tape } = at
  const bad = { ...trade(2), symbol: 7 } as unknown as MarketEvent
  tape.append([trade(1), bad, trade(3)])
  await isWritten(tape)
  const kept = await onDisk(t, at)
  assert.deepEqual(numbersOf(kept), [1, 2, 3])
  assert.deepEqual(rangesOf(kept, 'lost'), [{ from: 2, to: 2 }])
})
