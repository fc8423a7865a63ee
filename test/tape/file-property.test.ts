import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import type { FileTape } from '../../src/tape/file/file.ts'
import { followFileTape } from '../../src/tape/file/follow.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  assertExplained,
  atEnd,
  copyOf,
  FakeDisk,
  isWritten,
  numbersOf,
  openTape,
  rangesOf,
  readAll,
  START,
  tempFolder,
  trade,
  turn,
  until,
} from './kit.ts'

const STEPS = 25

for (const seed of [1, 2, 3, 4, 5]) {
  test(`any course of things leaves a tape that explains itself (seed ${seed})`, async t => {
    const random = seededRandom(seed)
    const upTo = (most: number) => Math.floor(random() * most)
    const disk = new FakeDisk()
    const clock = handClock(START)
    /** All events ever appended, by number; and those that somebody outside may have seen. */
    const model = new Map<number, MarketEvent>()
    let made = 0
    let folder = tempFolder(t)
    let tape = await open(folder)

    function open(where: string): Promise<FileTape> {
      const capacity = 2 ** (3 + upTo(5))
      const segmentBytes = [1, 300, 2_000, 1e6][upTo(4)]!
      return openTape(t, where, { disk, clock, capacity, segmentBytes, syncMs: 500 })
    }
    function append(): void {
      const events = Array.from({ length: 1 + upTo(12) }, () => {
        made++
        const receivedAt = clock.now() - (upTo(10) === 0 ? 5_000 : 0)
        return trade(made, { symbol: `S${upTo(20)}`, receivedAt })
      })
      const before = tape.end.seq
      tape.append(events)
      for (const event of events) {
        assert.ok(event.seq! > before, 'numbers grow')
        assert.ok(!model.has(event.seq!), `number ${event.seq} was given out before`)
        model.set(event.seq!, event)
      }
    }
    async function heal(): Promise<void> {
      disk.heal()
      disk.go()
      await until(() => {
        clock.turn(100)
        return tape.isRecording
      }, 'recording again')
      await isWritten(tape)
    }
    const refuse = () =>
      disk.fail('ENOSPC', pick(random, ['write', 'create', 'sync', 'truncate'] as const))

    for (let step = 0; step < STEPS; step++) {
      const { seq } = tape.written
      const action = upTo(12)
      if (action < 6) append()
      else if (action === 6) clock.turn(upTo(1_000))
      else if (action === 7) refuse()
      else if (action === 8) await heal()
      else if (action === 9) await tape.sealed()
      else if (action === 10) {
        // A proper end, if the disk lets it.
        await tape.close()
        disk.heal()
        tape = await open(folder)
      } else {
        await turn()
        folder = copyOf(t, folder)
        const left = tape
        tape = await open(folder)
        disk.heal()
        await left.close()
      }
      if (action < 10) assert.ok(tape.written.seq >= seq, '`written` never goes back')
      for (let i = upTo(4); i > 0; i--) await turn()
      if (step % 8 === 7) await check()
    }
    await heal()
    await tape.sealed()
    await check()

    async function check(): Promise<void> {
      await until(() => {
        clock.turn(10)
        return tape.written.seq === tape.end.seq
      })
      const inside = await readAll(tape)
      compare(inside, 'from inside')
      await heal()
      const follower = await followFileTape({ folder, clock: handClock() })
      atEnd(t, () => follower.close())
      const outside = await readAll(follower)
      compare(outside, 'from outside')
      assert.equal(outside.at(-1)?.seq ?? 0, follower.end.seq)
      for (let i = 0; i < 3; i++) {
        const from = { tape: tape.id, seq: upTo(1 + follower.end.seq) }
        const seen = await readAll(follower, { from })
        assert.deepEqual(
          numbersOf(seen),
          numbersOf(outside).filter(seq => seq > from.seq),
          `from ${from.seq}`,
        )
      }
      await follower.close()
    }
    function compare(seen: readonly MarketEvent[], who: string): void {
      assertExplained(seen)
      const lost = rangesOf(seen, 'lost')
      for (const event of seen) {
        if (event.type === 'trade') assert.deepEqual(event, model.get(event.seq!), who)
      }
      // What nobody says is lost is there.
      const there = new Set(numbersOf(seen))
      const skipped = rangesOf(seen, 'skipped')
      for (const seq of model.keys()) {
        const told = [...lost, ...skipped].some(({ from, to }) => from <= seq && seq <= to)
        assert.ok(there.has(seq) || told, `${who}: number ${seq} is neither there nor told`)
      }
    }
  })
}

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!
