import assert from 'node:assert/strict'
import fs, { mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Lease, takeLease } from '../../src/base/lease.ts'
import { handClock } from '../../src/testing/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'tickwire-base-lease-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function take(name: string, clock = handClock(), failed?: (error: Error) => void): Lease {
  const taken = takeLease([join(folder, name)], clock, failed)
  assert.ok('release' in taken, `${name} is held by ${'heldBy' in taken && taken.heldBy}`)
  return taken
}

test('a holder that lives keeps its place: it shows itself every ten seconds', async () => {
  const clock = handClock()
  const file = join(folder, 'kept')
  const lease = take('kept', clock)
  for (let i = 0; i < 3; i++) {
    const old = new Date(Date.now() - 44_000)
    utimesSync(file, old, old)
    await clock.advance(10_000)
    assert.ok(Date.now() - statSync(file).mtimeMs < 20_000, `not touched the ${i + 1}. time`)
  }
  assert.deepEqual(takeLease([file], clock), { heldBy: process.pid })
  lease.release()
  lease.release()
  assert.equal(clock.pending(), 0)
})

test('however many places are held, one listener gives them all back when the process exits', () => {
  const before = process.listeners('exit')
  const leases = Array.from({ length: 20 }, (_, i) => take(`many-${i}`))
  const added = process.listeners('exit').filter(one => !before.includes(one))
  assert.equal(added.length, 1)
  assert.equal(readdirSync(folder).length, 20)
  for (const listener of added) listener(0)
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(process.listeners('exit'), before)
  for (const lease of leases) lease.release()
})

test('a file that can be neither touched nor removed is told once, and nothing is thrown', async t => {
  const clock = handClock()
  const errors: string[] = []
  const lease = take('stuck', clock, error => errors.push(error.message))
  const refuse = () => {
    throw new Error('EPERM')
  }
  t.mock.method(fs, 'utimesSync', refuse)
  t.mock.method(fs, 'rmSync', refuse)
  syncBuiltinESMExports()
  try {
    await clock.advance(30_000)
    lease.release()
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
  assert.deepEqual([errors, clock.pending()], [['EPERM'], 0])
})
