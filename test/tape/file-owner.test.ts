import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { FORM } from '../../src/tape/file/format.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  copyOf,
  FakeDisk,
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
  turn,
  until,
} from './kit.ts'

const contentOf = (folder: string) =>
  readdirSync(folder).map(name => [name, readFileSync(join(folder, name), 'hex')])

describe('a tape that another process has taken over', () => {
  async function taken(t: TestContext) {
    const [disk, clock, folder] = [new FakeDisk(), handClock(START), tempFolder(t)]
    const tape = await openTape(t, folder, { disk, clock })
    await appendBlocks(tape, [3, 2])
    tape.hold('candles', { tape: tape.id, seq: 2 })
    // The first has made the tape.
    await until(() => disk.done.filter(each => each === 'replace').length === 2, 'the place')
    clock.turn(1_000)
    await until(() => disk.done.includes('sync'), 'a sync')
    await turn()
    writeFileSync(join(folder, 'writer.lease'), '4321 - of-another')
    const before = contentOf(folder)
    clock.turn(10_000)
    return { tape, disk, clock, folder, before }
  }

  test('records no more, says so, and touches none of its files', async t => {
    const { tape, disk, clock, folder, before } = await taken(t)
    assert.equal(tape.isRecording, false)
    const done = disk.done.length
    tape.append(trades(7, 3))
    tape.hold('candles', { tape: tape.id, seq: 4 })
    tape.hold('other', { tape: tape.id, seq: 1 })
    for (let i = 0; i < 30; i++) {
      clock.turn(2_000)
      await turn()
    }
    const seen = await readAll(tape)
    assert.deepEqual(numbersOf(seen), range(1, 9), 'the stream goes on in memory')
    const notice = seen.find(event => event.type === 'notice')
    assert.ok(notice?.type === 'notice', 'a notice')
    const { code, from, message } = notice
    assert.deepEqual([notice.notice, code, from], ['unrecorded', 'TAPE_IN_USE', 6])
    assert.match(message, /any more: process 4321 records to the tape/)
    assert.equal(tape.written.seq, 9, 'those numbers have been promised')
    await tape.close()
    assert.deepEqual(contentOf(folder), before)
    assert.equal(disk.done.length, done, 'the disk was left alone')
  })

  test('promises no numbers any more: what waits for them does not go on above the promise', async t => {
    const { tape, clock, before, folder } = await taken(t)
    for (let i = 0; i < 11; i++) tape.append(Array(100_000).fill(trade(1)))
    clock.turn(10_000)
    await turn()
    assert.ok(tape.written.seq < tape.end.seq, `${tape.written.seq} was promised`)
    await tape.close()
    assert.deepEqual(contentOf(folder), before)
  })

  test('compresses no file any more', async t => {
    const [clock, folder] = [handClock(START), tempFolder(t)]
    const first = await openTape(t, folder)
    await appendBlocks(first, [3, 2])
    await first.close()
    const [path] = filesOf(folder) as [string]
    const before = readFileSync(path)
    const tape = await openTape(t, folder, { clock })
    // It has only begun to.
    writeFileSync(join(folder, 'writer.lease'), '4321 - of-another')
    clock.turn(10_000)
    await tape.sealed()
    assert.equal(tape.isRecording, false)
    assert.deepEqual(readFileSync(path), before)
  })

  for (const operation of ['write', 'sync', 'create'] as const) {
    test(`while a ${operation} is under way: it ends, and nothing comes of it`, async t => {
      const [disk, clock, folder] = [new FakeDisk(), handClock(START), tempFolder(t)]
      const segmentBytes = operation === 'create' ? 1 : 1e6
      const tape = await openTape(t, folder, { disk, clock, segmentBytes })
      await appendBlocks(tape, [3])
      disk.hold(operation)
      tape.append(trades(4, 2))
      if (operation === 'sync') {
        await isWritten(tape)
        clock.turn(1_000)
      }
      await until(() => disk.waiting === 1, 'the wait')
      writeFileSync(join(folder, 'writer.lease'), '4321 - of-another')
      clock.turn(10_000)
      assert.equal(tape.isRecording, false)
      disk.go()
      for (let i = 0; i < 10; i++) {
        clock.turn(2_000)
        await turn()
      }
      await tape.close()
      const seen = await readAll(tape)
      assert.equal(rangesOf(seen, 'unrecorded')[0]?.from, operation === 'sync' ? 6 : 4)
      assert.deepEqual(rangesOf(seen, 'lost'), [])
      assert.equal(tape.isRecording, false)
      await until(() => filesOf(folder).length === 1, 'no file of it')
      assert.equal(readFileSync(join(folder, 'writer.lease'), 'utf8'), '4321 - of-another')
    })
  }

  for (const [look, how] of [
    ['not begun', 'is not looked at again'],
    ['good', 'that is just being looked at, and is good again, is not taken back'],
    ['bad', 'that is just being looked at, and still fails, is not looked at again'],
  ] as const) {
    test(`a disk that had failed ${how}`, async t => {
      const [disk, clock, folder] = [new FakeDisk(), handClock(START), tempFolder(t)]
      const tape = await openTape(t, folder, { disk, clock })
      await appendBlocks(tape, [3])
      clock.turn(look === 'not begun' ? 9_000 : 2_000)
      await turn()
      disk.fail('ENOSPC', 'write')
      tape.append(trades(4, 2))
      await until(() => !tape.isRecording, 'the failure')
      await until(() => disk.done.includes('truncate'), 'the cut')
      const [file] = filesOf(folder) as [string]
      await until(() => readFileSync(file).readUInt16LE(10) === FORM.columns, 'the sealing of it')
      await tape.sealed()
      const removed = () => disk.done.filter(each => each === 'remove').length
      if (look !== 'not begun') {
        disk.hold('remove')
        clock.turn(2_000)
        await until(() => disk.waiting === 1, 'the look')
      }
      disk.heal()
      writeFileSync(join(folder, 'writer.lease'), '4321 - of-another')
      const before = contentOf(folder)
      clock.turn(10_000)
      if (look === 'bad') disk.fail('ENOSPC', 'create')
      disk.go()
      if (look === 'good') {
        const isThere = () => readdirSync(folder).some(name => name.endsWith('.probe'))
        await until(() => removed() === 2 && !isThere(), 'the end of the look')
      }
      if (look === 'bad') await until(() => removed() === 1, 'the beginning of the look')
      for (let i = 0; i < 10; i++) await turn()
      disk.heal()
      const done = disk.done.length
      for (let i = 0; i < 10; i++) {
        clock.turn(2_000)
        await turn()
      }
      assert.deepEqual([tape.isRecording, disk.done.length], [false, done])
      const codes = (await readAll(tape)).flatMap(e => (e.type === 'notice' ? [e.code] : []))
      assert.deepEqual(codes, ['ENOSPC', 'TAPE_IN_USE'])
      await tape.close()
      assert.deepEqual(contentOf(folder), before)
    })
  }
})

describe('the places of stores', () => {
  const holdsIn = (folder: string) =>
    JSON.parse(readFileSync(join(folder, 'tape.json'), 'utf8')).holds

  async function bench(t: TestContext) {
    const [disk, clock, folder] = [new FakeDisk(), handClock(START), tempFolder(t)]
    const said: string[] = []
    const tape = await openTape(t, folder, { disk, clock, segmentBytes: 500, log: keptLog(said) })
    const at = (seq: number) => ({ tape: tape.id, seq })
    const writes = () => disk.done.filter(each => each === 'replace').length
    await appendBlocks(tape, [5])
    return { tape, disk, clock, folder, said, at, writes }
  }

  test('outlive a crash: a new name and one that is released are written at once', async t => {
    const { tape, folder, at, writes } = await bench(t)
    const before = writes()
    tape.hold('candles', at(2))
    await until(() => writes() === before + 1, 'the new name')
    assert.deepEqual(holdsIn(copyOf(t, folder)), { candles: 2 })
    const again = await openTape(t, copyOf(t, folder))
    assert.deepEqual(holdsIn(again.folder), { candles: 2 })
    tape.release('candles')
    await until(() => writes() === before + 2, 'the release')
    assert.deepEqual(holdsIn(folder), {})
    tape.release('candles')
    await tape.close()
    assert.equal(writes(), before + 2, 'nothing new, nothing written')
  })

  test('moves are written together, every ten seconds and at each new file', async t => {
    const { tape, folder, clock, at, writes } = await bench(t)
    tape.hold('candles', at(0))
    await until(() => writes() === 2, 'the new name')
    for (let seq = 1; seq <= 4; seq++) tape.hold('candles', at(seq))
    clock.turn(9_999)
    for (let i = 0; i < 10; i++) await turn()
    assert.deepEqual([writes(), holdsIn(folder)], [2, { candles: 0 }])
    clock.turn(1)
    await until(() => writes() === 3, 'the move')
    assert.deepEqual(holdsIn(folder), { candles: 4 })
    tape.hold('candles', at(5))
    await appendBlocks(tape, [80, 1])
    await until(() => writes() === 4, 'the move, with the file')
    assert.deepEqual(holdsIn(folder), { candles: 5 })
    tape.hold('candles', at(3))
    await until(() => writes() === 5, 'one that goes back')
    assert.deepEqual(holdsIn(folder), { candles: 3 })
    tape.hold('candles', at(6))
    await tape.close()
    assert.deepEqual(holdsIn(folder), { candles: 6 })
  })

  test('a disk that does not take them is tried again, and it is said', async t => {
    const { tape, folder, disk, clock, said, at } = await bench(t)
    disk.fail('ENOSPC', 'replace')
    tape.hold('candles', at(2))
    await until(() => said.length === 1, 'the word')
    assert.match(said[0]!, /how far stores have read could not be kept/)
    disk.heal()
    clock.turn(10_000)
    await until(() => 'candles' in holdsIn(folder), 'the next try')
    await isWritten(tape)
  })
})
