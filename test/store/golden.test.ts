import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { EVENT_TYPES } from '../../src/market/events.ts'
import { GOLDEN, goldenEvents, goldenTape } from './golden.ts'
import { collect, open, tempFolder } from './kit.ts'

describe('a store of manifest version 1', () => {
  it('stays readable, and what is sealed in it does not come from the tape again', async t => {
    const folder = join(tempFolder(t), 'store')
    cpSync(GOLDEN, folder, { recursive: true })
    const store = await open(t, folder)
    const events = goldenEvents()
    const check = async () => {
      const days = await store.holdings()
      assert.ok(days.every(({ sealed }) => sealed))
      assert.equal(
        days.reduce((sum, { rows }) => sum + rows, 0),
        events.length,
      )
      for (const kind of EVENT_TYPES) {
        // Of bars history gives those of one length.
        if (kind === 'bar') continue
        const back = await collect(store.history({ kind, symbols: ['*'], from: 0, to: 4e12 }))
        const sent = events.filter(({ type }) => type === kind)
        assert.deepEqual(
          back.toSorted((a, b) => a.seq! - b.seq!),
          sent,
          kind,
        )
      }
    }
    await check()
    await store.follow(goldenTape(), { live: false })
    await check()
  })
})
