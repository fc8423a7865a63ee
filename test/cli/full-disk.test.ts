import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { RecordingState } from '../../src/cli/recording.ts'
import { createEvent } from '../../src/market/events.ts'
import { inUse, unwritable } from '../../src/tape/file/failures.ts'
import { inspectTape } from '../../src/tape/file/inspect.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  atEnd,
  FakeDisk,
  isWritten,
  openTape,
  readAll,
  START,
  tempFolder,
  trades,
  until,
} from '../tape/kit.ts'
import { cli } from './child.ts'

const KB = 1_024
const skip = process.platform === 'win32' && 'no shell that limits the size of files'
const number = (text: string | undefined) => Number(text?.replaceAll(',', ''))

const ofMarket = ['-p', 'simulated', '--rate', '50000', '--duration', '20s']

/** Ends a command, as Ctrl-C would, when it has said something. */
const endAt = (words: string) => (child: ChildProcess, said: string) => {
  if (said.includes(words)) child.kill('SIGINT')
}

/** A file system of its own with room for so many bytes; undefined where it cannot be made. */
function smallDisk(t: TestContext, size: string): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const folder = tempFolder(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tickwire-test', folder], {
      stdio: 'ignore',
    })
  } catch {
    // Root of a container may not mount either.
    return undefined
  }
  atEnd(t, () => execFileSync('umount', [folder]))
  return folder
}

/** Most of the time is spent waiting, for processes to start and for the disk to be tried again. */
describe('a disk that takes no more', { concurrency: 3 }, () => {
  test('record ends with 5, and says why and how many events are missing', { skip }, async t => {
    const small = smallDisk(t, '900k')
    const { code, said, stderr } = await cli(
      ['record', ...ofMarket, '--tape', small ?? tempFolder(t)],
      { ...(small ? {} : { fileBytes: 256 * KB }), onSaid: endAt('nothing is recorded') },
    )
    assert.equal(code, 5, stderr)
    const reason = small ? 'no space left' : 'files may not grow so large'
    assert.match(said.at(-2)!, /NOT recorded to the end in .*; [\d,]+ events are missing$/)
    assert.ok(said.at(-2)!.includes(`: ${reason}; `), stderr)
    assert.match(said.at(-1)!, /^ {2}→ Make room/)
    assert.doesNotMatch(stderr, /; recorded to/)
  })

  test('record goes on behind an outage, and its last line says what that cost', {
    skip,
  }, async t => {
    const folder = tempFolder(t)
    // What is tried before recording goes on, 1 MB, fits into a file.
    const { code, said, stderr } = await cli(['record', ...ofMarket, '--tape', folder], {
      fileBytes: 1_100 * KB,
      onSaid: endAt('the disk took none of them'),
    })
    assert.equal(code, 130, stderr)
    const [, missing, last] =
      /; recorded to .*, ([\d,]+) of them not recorded, up to number (\d+)$/.exec(said.at(-1)!) ??
      assert.fail(stderr)
    const { events } = await inspectTape(folder, { verify: true })
    assert.ok(number(missing) > 0, stderr)
    assert.equal(number(last) - number(missing), events, 'what is not missing is there')
  })

  test('up does not say "recorded" of it either', { skip }, async () => {
    const { code, said, stderr } = await cli(['up', ...ofMarket, '--json'], {
      fileBytes: 256 * KB,
      onSaid: endAt('nothing is recorded'),
    })
    assert.equal(code, 130, stderr)
    assert.match(said.at(-1)!, /; NOT recorded to the end in .tickwire\/tape: files may not grow/)
  })

  test('simulate fails instead of leaving a day with a hole', { skip }, async t => {
    const day = ['simulate', '--day', '2025-06-02', '--tape', tempFolder(t)]
    const { code, said } = await cli(day, { fileBytes: 256 * KB })
    assert.equal(code, 5)
    assert.match(said.at(-2)!, /takes no more$/)
  })
})

test('a tape counts each event that is not on the disk once, also over outages that overlap', async t => {
  const disk = new FakeDisk()
  const clock = handClock(START)
  const folder = tempFolder(t)
  const tape = await openTape(t, folder, { disk, clock })
  const recording = () =>
    until(() => {
      clock.turn(500)
      return tape.isRecording
    }, 'recording again')
  tape.append(trades(1, 5))
  await isWritten(tape)
  assert.equal(tape.unrecorded, 0)
  disk.fail('ENOSPC', 'write', 'create')
  tape.append(trades(6, 5))
  await until(() => !tape.isRecording)
  assert.equal(tape.unrecorded, tape.end.seq - 5, 'and the notice that says so')
  disk.heal()
  await recording()
  await isWritten(tape)
  const first = tape.unrecorded
  // Before the file behind the hole is safe: the next hole begins where the first one did.
  disk.fail('ENOSPC', 'write', 'create', 'sync')
  tape.append(trades(11, 5))
  await until(() => !tape.isRecording)
  assert.ok(first >= 6, `${first}`)
  assert.equal(tape.unrecorded, tape.end.seq - 5, 'none twice')
  disk.heal()
  await recording()
  tape.append(trades(16, 5))
  await isWritten(tape)
  const { seq } = tape.end
  await tape.close()
  const kept = await readAll(await openTape(t, folder))
  const stored = kept.filter(event => event.seq! <= seq && !isSkipped(event))
  assert.equal(tape.unrecorded, seq - stored.length)
})

const isSkipped = (event: { readonly type: string; readonly notice?: string }) =>
  event.type === 'notice' && event.notice === 'skipped'

describe('what a title says of the recording', () => {
  const stateOf = (app: ConstructorParameters<typeof RecordingState>[0]) =>
    new RecordingState(app, 'tape')
  const idle = { isRecording: false, unrecordedEvents: 7, unrecorded: undefined }

  test('where it is', () => {
    const state = stateOf({ ...idle, isRecording: true, unrecordedEvents: 0 })
    assert.deepEqual([state.title, state.outcome], ['recording to tape', 'recorded to tape'])
    assert.equal(state.failure, undefined)
  })

  test('why it is not, for the time being', () => {
    const app = { ...idle }
    const state = stateOf(app)
    const notice = { type: 'notice', notice: 'unrecorded', timestamp: 0, message: '' } as const
    assert.equal(state.title, 'NOT recording: the disk takes nothing')
    state.hear(createEvent({ ...notice, code: 'ENOSPC' }))
    state.hear(createEvent({ ...notice, notice: 'lost', code: 'UNRECORDED' }))
    assert.equal(state.title, 'NOT recording: no space left')
    assert.equal(state.failure?.code, 'TAPE_UNWRITABLE')
    app.isRecording = true
    assert.equal(state.title, 'recording to tape', 'and goes on when it does')
    assert.equal(state.outcome, 'recorded to tape, 7 of them not recorded')
    app.isRecording = false
    state.hear(createEvent({ ...notice, code: 'EWHAT' }))
    assert.equal(state.title, 'NOT recording: EWHAT')
  })

  test('who records there instead, and what the folder refuses', () => {
    const title = (unrecorded: TickwireError) => stateOf({ ...idle, unrecorded }).title
    assert.equal(title(inUse('/a to b', 12)), 'NOT recording: process 12 records here')
    assert.equal(title(inUse('/a', 0)), 'NOT recording: another process records here')
    const cause = Object.assign(new Error('x'), { code: 'EACCES' })
    assert.equal(title(unwritable('/a', cause)), 'NOT recording: no right to write there')
    assert.equal(title(new TickwireError('TAPE_TOO_NEW', 'x')), 'NOT recording: TAPE_TOO_NEW')
  })
})
