import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resumeOf } from '../../src/app/resume.ts'
import { createEvent } from '../../src/market/events.ts'
import { Checkpoints } from '../../src/tape/file/summary.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { START } from '../tape/kit.ts'

const trade = (source: string, n: number) =>
  createEvent({
    ...{ type: 'trade', symbol: 'SPY', source, timestamp: START + n, receivedAt: START + n },
    ...{ price: 100, size: n },
  })

test('a feed goes on by what the tape has of its own source, however many others fill it', async () => {
  const tape = memoryTape({ clock: handClock(START) })
  const events = [trade('one', 1), trade('two', 2), trade('one', 3), trade('two', 4)]
  tape.append(events)
  const checkpoints = new Checkpoints()
  for (const event of events) checkpoints.add(event)
  const two = await resumeOf(tape, checkpoints.list, {}, 'two')
  assert.deepEqual(
    two.recent.map(({ source, timestamp }) => [source, timestamp - START]),
    [
      ['two', 2],
      ['two', 4],
    ],
  )
  assert.deepEqual(
    two.checkpoints.map(({ topic }) => topic.source),
    ['two'],
  )
  assert.equal(two.recentSince, Number.NEGATIVE_INFINITY, 'the whole tape has been looked at')
  const all = await resumeOf(tape, checkpoints.list)
  assert.equal(all.recent.length, 4)
  const none = await resumeOf(tape, checkpoints.list, {}, 'three')
  assert.deepEqual([none.checkpoints, none.recent], [[], []])
})
