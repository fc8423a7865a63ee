import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { encodeEvent } from '../../src/market/json.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { decodeHeader } from '../../src/tape/file/format.ts'
import { inspectTape } from '../../src/tape/file/inspect.ts'
import { handClock } from '../../src/testing/clock.ts'
import { FORMS, goldenEvents, goldenFolder } from './golden.ts'
import { atEnd, copyOf, filesOf, openTape, readAll } from './kit.ts'

for (const form of FORMS) {
  test(`a tape of format version 1 stays readable: ${form}`, async t => {
    const folder = goldenFolder(form)
    const header = decodeHeader(readFileSync(filesOf(folder)[0]!), '')
    assert.equal(header.form, form)
    const text = (events: Parameters<typeof encodeEvent>[0][]) =>
      events.map(event => `${encodeEvent(event)}\n`).join('')
    const follower = await followFileTape({ folder, clock: handClock() })
    atEnd(t, () => follower.close())
    assert.equal(text(await readAll(follower)), goldenEvents())
    const { events, missing, segments } = await inspectTape(folder, { verify: true })
    assert.equal(events, goldenEvents().split('\n').length - 1)
    assert.deepEqual([missing, segments[0]?.damage], [[], []])
    const tape = await openTape(t, copyOf(t, folder), { capacity: 1 })
    assert.equal(tape.end.seq, events, 'it goes on where it ended')
    assert.equal(text(await readAll(tape)), goldenEvents())
  })
}
