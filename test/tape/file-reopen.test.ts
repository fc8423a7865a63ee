import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import type { Checkpoint } from '../../src/flow/contracts.ts'
import { createEvent } from '../../src/market/events.ts'
import { formatTopic } from '../../src/market/topics.ts'
import { Catalog, segmentPath } from '../../src/tape/file/catalog.ts'
import { compactTape } from '../../src/tape/file/compact.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { STEP } from '../../src/tape/file/numbers.ts'
import { recover } from '../../src/tape/file/recover.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  appendBlocks,
  assertExplained,
  atEnd,
  blocksOf,
  change,
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
  trades,
} from './kit.ts'

describe('a tape that was closed', () => {
  test('goes on behind its last event: same id, same positions, no number skipped, nothing lost', async t => {
    const folder = tempFolder(t)
    let end = { tape: '', seq: 0 }
    for (let run = 0; run < 4; run++) {
      const tape = await openTape(t, folder)
      if (run > 0) assert.deepEqual(tape.end, end)
      assert.deepEqual(tape.written, tape.end)
      await appendBlocks(tape, [3, 1, 2])
      end = tape.end
      assert.equal(end.seq, (run + 1) * 6)
      await tape.close()
    }
    const tape = await openTape(t, folder)
    const seen = await readAll(tape)
    assert.deepEqual(
      seen.map(event => [event.seq, event.type === 'trade' && event.size]),
      range(1, 24).map(n => [n, n]),
    )
    assert.deepEqual(numbersOf(await readAll(tape, { from: { ...end, seq: 11 } })), range(12, 24))
  })

  test('may be closed again and again without an event', async t => {
    const folder = tempFolder(t)
    for (let run = 0; run < 3; run++) {
      const tape = await openTape(t, folder)
      assert.equal(tape.end.seq, 0)
      assert.deepEqual(await readAll(tape), [])
      await tape.close()
    }
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [2])
    assert.deepEqual(numbersOf(await readAll(tape)), [1, 2])
  })

  test('keeps the places of stores', async t => {
    const folder = tempFolder(t)
    const first = await openTape(t, folder)
    await appendBlocks(first, [5])
    first.hold('candles', { tape: first.id, seq: 2 })
    first.hold('gone', { tape: first.id, seq: 1 })
    first.release('gone')
    assert.throws(() => first.hold('x', { tape: 'other', seq: 1 }), { code: 'BAD_POSITION' })
    await first.close()
    const { holds } = JSON.parse(readFileSync(join(folder, 'tape.json'), 'utf8'))
    assert.deepEqual(holds, { candles: 2 })
  })
})

describe('a tape that was not closed', () => {
  test('goes on above what was promised, and says which numbers stand for nothing', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3, 4])
    const again = await openTape(t, copyOf(t, tape.folder))
    assert.equal(again.id, tape.id)
    assert.equal(again.end.seq, STEP + 1)
    await isWritten(again)
    const seen = await readAll(again)
    assert.deepEqual(numbersOf(seen), [...range(1, 7), STEP + 1])
    assert.deepEqual(rangesOf(seen, 'lost'), [{ from: 8, to: STEP }])
  })

  test('several times in a row: every end is told, no number comes twice', async t => {
    let folder = tempFolder(t)
    const given = new Set<number>()
    for (let run = 0; run < 4; run++) {
      const tape = await openTape(t, folder)
      const batch = trades(run * 10, run === 2 ? 0 : 5)
      tape.append(batch)
      await isWritten(tape)
      for (const seq of numbersOf(batch)) {
        assert.ok(!given.has(seq), `${seq} was given out before`)
        given.add(seq)
      }
      folder = copyOf(t, folder)
    }
    const tape = await openTape(t, folder)
    await isWritten(tape)
    const seen = await readAll(tape)
    assertExplained(seen)
    assert.deepEqual(
      numbersOf(seen.filter(event => event.type === 'trade')),
      [...given].sort((a, b) => a - b),
    )
    const lost = rangesOf(seen, 'lost')
    assert.equal(lost.length, 4)
    for (const { from, to } of lost) assert.ok(numbersOf(seen).includes(to + 1) && from <= to)
  })

  test('a position between the ends is served from there on, without a notice of its own', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3])
    const again = await openTape(t, copyOf(t, tape.folder))
    const seen = await readAll(again, { from: { tape: tape.id, seq: 500 } })
    assert.deepEqual(
      seen.map(event => event.seq),
      [STEP + 1],
    )
  })

  for (const [name, harm] of [
    ['is missing', path => rmSync(path)],
    ['is empty', path => writeFileSync(path, '')],
    ['is garbage', path => writeFileSync(path, Buffer.alloc(700, 7))],
  ] as readonly (readonly [string, (path: string) => void])[]) {
    test(`when the file of numbers ${name}, a step is left out`, async t => {
      const tape = await openTape(t, tempFolder(t))
      await appendBlocks(tape, [3])
      const copy = copyOf(t, tape.folder)
      harm(join(copy, 'numbers'))
      const again = await openTape(t, copy)
      await isWritten(again)
      assert.deepEqual(rangesOf(await readAll(again), 'lost'), [{ from: 4, to: 3 + STEP }])
    })
  }

  test('a torn promise leaves the one before, which is enough', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3])
    const { folder } = tape
    await tape.close()
    // The turns so far: 1 the promise, 2 the end. A third one that tears stands in the place of the first.
    const copy = copyOf(t, folder)
    change(join(copy, 'numbers'), bytes => {
      bytes.fill(0xee, 512, 530)
      return bytes
    })
    const again = await openTape(t, copy)
    assert.equal(again.end.seq, 3, 'the end is still known')
  })

  test('a lost promise is noticed by numbers above the older one', async t => {
    const folder = tempFolder(t)
    const first = await openTape(t, folder)
    await appendBlocks(first, [3])
    await first.close()
    const second = await openTape(t, folder)
    await appendBlocks(second, [3])
    const copy = copyOf(t, folder)
    // Its place holds the promise of the second run; what is left says that the tape ended at 3.
    change(join(copy, 'numbers'), bytes => {
      bytes.fill(0xee, 512, 530)
      return bytes
    })
    const again = await openTape(t, copy)
    assert.ok(again.end.seq > STEP, `${again.end.seq} may have been given out`)
    await isWritten(again)
    assertExplained(await readAll(again))
  })

  test('a torn end is cut off the file', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3, 2])
    const copy = copyOf(t, tape.folder)
    const [path] = filesOf(copy) as [string]
    const blocks = await blocksOf(path)
    truncateSync(path, blocks[1]!.end - 1)
    const catalog = new Catalog(copy, tape.id, true)
    await catalog.refresh()
    const { last } = await recover(catalog, silentLog)
    assert.deepEqual([last, statSync(path).size], [3, blocks[0]!.end])
  })

  test('leftovers of sealing and of a look at the disk are cleared away', async t => {
    const tape = await openTape(t, tempFolder(t))
    await appendBlocks(tape, [3])
    const copy = copyOf(t, tape.folder)
    const [file] = filesOf(copy)
    for (const end of ['.sealing', '.probe']) writeFileSync(`${file}${end}`, 'half')
    writeFileSync(join(copy, 'tape.json.new'), '{')
    const again = await openTape(t, copy)
    await again.sealed()
    assert.equal(existsSync(join(copy, 'tape.json.new')), false)
    for (const end of ['.sealing', '.probe']) {
      assert.equal(statSync(`${file}${end}`, { throwIfNoEntry: false }), undefined)
    }
    assert.deepEqual(numbersOf(await readAll(again)).slice(0, 3), [1, 2, 3])
  })
})

describe('the name of a tape', () => {
  test('garbage in tape.json is an error, and the files stay', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [3])
    await tape.close()
    for (const text of [
      '{',
      '[]',
      'null',
      '7',
      '{"format":1,"id":"../../etc"}',
      '{"format":0}',
      '',
    ]) {
      writeFileSync(join(folder, 'tape.json'), text)
      await assert.rejects(openTape(t, folder), { code: 'TAPE_DAMAGED' }, text)
    }
    assert.equal(filesOf(folder).length, 1)
  })

  test('a newer format is refused, in tape.json and in a file', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [3])
    await tape.close()
    const name = join(folder, 'tape.json')
    const content = readFileSync(name, 'utf8')
    writeFileSync(name, content.replace('"format": 1', '"format": 2'))
    await assert.rejects(openTape(t, folder), { code: 'TAPE_TOO_NEW' })
    writeFileSync(name, content)
    change(filesOf(folder)[0]!, bytes => {
      bytes.writeUInt16LE(2, 8)
      return bytes
    })
    await assert.rejects(openTape(t, folder), { code: 'TAPE_TOO_NEW' })
    await assert.rejects(compactTape(folder, silentLog), { code: 'TAPE_TOO_NEW' })
  })

  test('a lost tape.json is made anew from the files, with a word', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [3])
    await tape.close()
    rmSync(join(folder, 'tape.json'))
    const follower = await followFileTape({ folder, clock: handClock() })
    atEnd(t, () => follower.close())
    assert.deepEqual([follower.id, (await readAll(follower)).length], [tape.id, 3])
    const said: string[] = []
    const again = await openTape(t, folder, { log: keptLog(said) })
    assert.match(said.join(), /tape\.json was lost/)
    assert.deepEqual(again.end, tape.end)
    await appendBlocks(again, [2])
    assert.deepEqual(numbersOf(await readAll(again)), range(1, 5))
    assert.equal(JSON.parse(readFileSync(join(folder, 'tape.json'), 'utf8')).id, tape.id)
  })

  test('without tape.json, and with files of two tapes, nothing is guessed', async t => {
    const [one, other] = [await openTape(t, tempFolder(t)), await openTape(t, tempFolder(t))]
    await appendBlocks(one, [3])
    await appendBlocks(other, [9])
    await one.close()
    await other.close()
    const { folder } = one
    copyFileSync(filesOf(other.folder)[0]!, segmentPath(folder, 4))
    rmSync(join(folder, 'tape.json'))
    const before = readdirSync(folder)
    await assert.rejects(openTape(t, folder), error => {
      const { code, hint } = error as { code?: string; hint?: string }
      return code === 'TAPE_DAMAGED' && /Put tape\.json back/.test(hint ?? '')
    })
    assert.deepEqual(readdirSync(folder), before, 'nothing is made or removed')
    rmSync(segmentPath(folder, 4))
    assert.equal((await openTape(t, folder)).id, one.id)
  })

  test('no name is given to a tape that cannot be read', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    await appendBlocks(tape, [3])
    await tape.close()
    rmSync(join(folder, 'tape.json'))
    change(filesOf(folder)[0]!, bytes => {
      bytes.writeUInt16LE(2, 8)
      return bytes
    })
    await assert.rejects(openTape(t, folder), { code: 'TAPE_TOO_NEW' })
    assert.equal(existsSync(join(folder, 'tape.json')), false)
    assert.equal(existsSync(join(folder, 'writer.lease')), false)
  })
})

describe('checkpoints', () => {
  const bar = (interval: '1m' | '1d', timestamp: number) =>
    createEvent({
      ...{ type: 'bar', symbol: 'SPY', source: 's', interval, timestamp, receivedAt: timestamp },
      ...{ open: 1, high: 1, low: 1, close: 1, volume: 1, final: true, revision: 0 },
    })
  const list = (checkpoints: readonly Checkpoint[]) =>
    checkpoints.map(one => `${formatTopic(one.topic)} ${one.timestamp - START} ${one.nanos}`).sort()
  const quote = (timestamp: number, nanos: number) =>
    createEvent({ type: 'quote', symbol: 'SPY', source: 'q', timestamp, nanos, bid: 1 })

  async function record(t: Parameters<typeof openTape>[0], folder: string, part: number) {
    const tape = await openTape(t, folder, { segmentBytes: 1 })
    if (part === 0) {
      await appendBlocks(tape, [2], n => trades(n, 1, 'OLD')[0]!)
      tape.append([bar('1m', START), bar('1d', START - 5), quote(START + 1, 7)])
    } else {
      tape.append([bar('1m', START + part), quote(START + 1, 6), ...trades(20 + part, 1)])
    }
    await isWritten(tape)
    return tape
  }
  const EXPECTED = [
    's:bar@1d:SPY -5 0',
    's:bar@1m:SPY 2 0',
    'q:quote:SPY 1 7',
    's:trade:OLD 2 0',
    's:trade:SPY 22 0',
  ]

  for (const way of ['sealed', 'not sealed', 'merged', 'after a crash'] as const) {
    test(`per source, symbol, kind and interval: files that are ${way}`, async t => {
      let folder = tempFolder(t)
      for (let part = 0; part < 3; part++) {
        const tape = await record(t, folder, part)
        if (way === 'sealed') await tape.sealed()
        if (way === 'after a crash') folder = copyOf(t, folder)
        else await tape.close()
      }
      if (way === 'merged') await compactTape(folder, silentLog)
      const tape = await openTape(t, folder)
      const found = list(tape.checkpoints)
      assert.deepEqual(found, [...EXPECTED].sort())
    })
  }

  test('are known of files that retention has taken, also after merging what is left', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder, {
      segmentBytes: 1,
      retention: { bytes: 2_000 },
    })
    await appendBlocks(tape, [1], n => trades(n, 1, 'OLD')[0]!)
    await appendBlocks(tape, Array(12).fill(1))
    await tape.sealed()
    assert.ok(tape.start.seq > 0, 'the first file is gone')
    await tape.close()
    const symbols = async () => {
      const again = await openTape(t, folder)
      await again.close()
      return again.checkpoints.map(one => one.topic.symbol).sort()
    }
    assert.deepEqual(await symbols(), ['OLD', 'SPY'])
    await compactTape(folder, silentLog)
    assert.deepEqual(await symbols(), ['OLD', 'SPY'])
  })
})
