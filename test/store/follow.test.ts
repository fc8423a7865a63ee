import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EVENT_TYPES } from '../../src/market/events.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { collect, manyEvents, open, rowsOf, START, tempFolder } from './kit.ts'

const EVERYTHING = { symbols: ['*'], from: START - 1, to: START + 86_400_000 }

describe('a store that follows a tape', () => {
  it('gives back every event of every kind, equal in every field', async t => {
    const folder = tempFolder(t)
    const store = await open(t, folder)
    const tape = memoryTape()
    tape.append(manyEvents(6_000, 1))
    const events = await collect(tape.read({ from: 'start', live: false }))
    await store.follow(tape, { live: false })
    assert.deepEqual(store.position, tape.end)
    for (const kind of EVENT_TYPES) {
      if (kind === 'bar') continue
      const back = await collect(store.history({ kind, ...EVERYTHING }))
      const sent = events.filter(event => event.type === kind)
      const bySeq = back.toSorted((a, b) => a.seq! - b.seq!)
      assert.deepEqual(bySeq, sent, kind)
      const times = back.map(event => event.timestamp * 1e6 + event.nanos)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
        kind,
      )
    }
    const [[bars]] = (await rowsOf(store, 'select count(*) from bars')) as [[number]]
    assert.equal(bars, events.filter(event => event.type === 'bar').length)
  })

  it('goes on where it was after it is opened again', async t => {
    const folder = tempFolder(t)
    const tape = memoryTape()
    const first = await open(t, folder)
    tape.append(manyEvents(500, 2))
    await first.follow(tape, { live: false })
    await first.close()
    tape.append(manyEvents(700, 3))
    const second = await open(t, folder)
    await second.follow(tape, { live: false })
    const rows = await rowsOf(
      second,
      'select count(*), count(distinct seq), min(seq), max(seq) from (select seq from trades union all select seq from quotes)',
    )
    const [[count, distinct]] = rows as [[number, number]]
    assert.equal(count, distinct)
    assert.equal(count, 202)
    assert.deepEqual(second.position, tape.end)
  })
})
