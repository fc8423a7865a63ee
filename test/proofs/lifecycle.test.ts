import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTATIONS, round } from '../../proofs/lifecycle.ts'
import { prove } from './prove.ts'

test('200 rounds in memory hold', async () => {
  const runs = await Promise.all([1, 101].map(seed => prove('lifecycle', 100, seed)))
  for (const { output, status } of runs) {
    assert.match(output, /^lifecycle: 100\/100 hold$/m, output)
    assert.equal(status, 0, output)
  }
})

test('5 rounds on sockets hold', async () => {
  const before = leftovers()
  const seeds = [1, 2, 3, 4, 5]
  const rounds = await Promise.all(seeds.map(seed => round(seed, { sockets: true })))
  for (const [index, faults] of rounds.entries()) {
    const repeat = `npm run prove -- lifecycle --rounds 1 --seed ${seeds[index]} --sockets`
    assert.deepEqual(faults, [], repeat)
  }
  // Sockets that have been told to go take a moment.
  const start = performance.now()
  while (leftovers(before).length > 0 && performance.now() - start < 5_000) {
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepEqual(leftovers(before), [], 'sockets, servers, timers and listeners of the process')
})

for (const without of MUTATIONS) {
  test(`an engine without ${without} is found out`, async () => {
    const rounds = await Promise.all([1, 2, 3, 4, 5, 6].map(seed => round(seed, { without })))
    assert.ok(
      rounds.some(faults => faults.length > 0),
      `no round of six failed without ${without}`,
    )
  })
}

/** What keeps the process alive and who waits for its end, but for what was there before. */
function leftovers(before: readonly string[] = []): string[] {
  const listeners = process.listeners('exit').map(listener => `exit ${listener.name}`)
  const left = [...process.getActiveResourcesInfo(), ...listeners]
  for (const name of ['Immediate', ...before]) {
    const at = left.indexOf(name)
    if (at >= 0) left.splice(at, 1)
  }
  return left
}
