import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EVENT_TYPES } from '../../src/market/events.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { collect, DAY_MS, manyEvents, once, open, rowsOf, START, tempFolder } from './kit.ts'

const EVERYTHING = { symbols: ['*'], from: START - 1, to: START + DAY_MS }

describe('a day that is over and quiet', () => {
  it('is sealed as Parquet, and reads the same as before', async t => {
    const folder = tempFolder(t)
    const clock = handClock(START + 2 * DAY_MS)
    const store = await open(t, folder, { clock })
    const tape = memoryTape()
    tape.append(manyEvents(3_000, 4))
    await store.follow(tape, { live: false })
    const all = async () => {
      const found = []
      for (const kind of EVENT_TYPES) {
        found.push(await collect(store.history({ kind, ...EVERYTHING })))
      }
      return found
    }
    const before = await all()
    const names = EVENT_TYPES.filter(kind => kind !== 'news').map(kind =>
      kind === 'status' ? 'statuses' : `${kind}s`,
    )
    const counts = () =>
      rowsOf(store, names.map(name => `select count(*) from ${name}`).join(' union all '))
    const countsBefore = await counts()
    assert.equal(store.needed?.seq, 0)
    await clock.advance(60_000)
    await store.seal()
    assert.deepEqual(await all(), before)
    assert.deepEqual(await counts(), countsBefore)
    const [[left]] = (await rowsOf(store, 'select count(*) from open_days.trade')) as [[number]]
    assert.equal(left, 0)
    assert.deepEqual(store.needed, tape.end)
    const holdings = await store.holdings()
    assert.equal(holdings.length, EVENT_TYPES.length)
    assert.ok(holdings.every(({ sealed, rows, bytes }) => sealed && rows > 0 && bytes > 0))
    const again = await open(t, tempFolder(t))
    assert.deepEqual(await again.holdings(), [])
  })

  it('is not sealed before it is over, nor while rows of it come', async t => {
    const clock = handClock(START + 3_600_000)
    const store = await open(t, tempFolder(t), { clock })
    const tape = memoryTape({ clock })
    tape.append(manyEvents(120, 5))
    await store.follow(tape, { live: false })
    const sealed = async () => (await store.holdings()).some(holding => holding.sealed)
    await clock.advance(60_000)
    await store.seal()
    assert.equal(await sealed(), false)
    clock.set(Math.floor(START / DAY_MS) * DAY_MS + DAY_MS + 9 * 60_000)
    await store.seal()
    assert.equal(await sealed(), false)
    await clock.advance(2 * 60_000)
    await store.seal()
    assert.equal(await sealed(), true)
  })
})

describe('a merge', () => {
  it('takes in what is not there, and knows what is', async t => {
    const store = await open(t, tempFolder(t))
    const events = manyEvents(600, 6).filter(({ type }) => type !== 'bar')
    const first = await store.merge(once(events))
    assert.equal(first.added + first.known, events.length)
    const second = await store.merge(once(events))
    assert.deepEqual(second, { added: 0, known: events.length })
    for (const kind of EVENT_TYPES) {
      if (['bar', 'trade', 'cancel', 'correction'].includes(kind)) continue
      const back = await collect(store.history({ kind, ...EVERYTHING }))
      const sent = events.filter(event => event.type === kind)
      const order = (a: (typeof sent)[0], b: (typeof sent)[0]) =>
        a.timestamp - b.timestamp || a.nanos - b.nanos
      assert.deepEqual(back, sent.toSorted(order), kind)
    }
  })
})
