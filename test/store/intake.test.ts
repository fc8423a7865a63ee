import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeColumns } from '../../src/market/columns.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { stampSeq } from '../../src/market/events.ts'
import { BLOCK, Intake } from '../../src/store/intake.ts'
import { Place } from '../../src/store/place.ts'
import { handClock } from '../../src/testing/clock.ts'
import { manyEvents } from './kit.ts'

test('what is read at once goes to the worker in blocks, and each in a turn of its own', async () => {
  const events = manyEvents(20_000, 1, ['trade', 'quote'])
  for (const [i, event] of events.entries()) stampSeq(event, i + 1)
  const tape = {
    id: 'a',
    async *read(): AsyncGenerator<MarketEvent[]> {
      yield events.slice(0, 12_000)
      for (let at = 12_000; at < events.length; at += 1_000) yield events.slice(at, at + 1_000)
    },
  }
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const sent: { readonly turn: number; readonly seqs: (number | undefined)[] }[] = []
  const intake = new Intake({
    ...{ tape, place: new Place(), clock: handClock() },
    async call(name, args) {
      if (name === 'commit') return { positions: {}, needed: {}, time: 0 }
      const { block } = args as { block: Uint8Array }
      sent.push({ turn: turns, seqs: decodeColumns(block).map(({ seq }) => seq) })
      return undefined
    },
  })
  await intake.run(false, new AbortController().signal)
  isOver = true

  assert.deepEqual(
    sent.flatMap(({ seqs }) => seqs),
    events.map(({ seq }) => seq),
  )
  assert.ok(sent.every(({ seqs }) => seqs.length <= BLOCK))
  assert.equal(new Set(sent.map(({ turn }) => turn)).size, sent.length)
})
