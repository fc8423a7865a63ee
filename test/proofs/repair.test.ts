import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTATIONS, round } from '../../proofs/repair.ts'
import { prove } from './prove.ts'

test('200 rounds in memory hold', async () => {
  // Compiled, in two processes of their own.
  const runs = await Promise.all([1, 101].map(seed => prove('repair', 100, seed)))
  for (const { output, status } of runs) {
    assert.match(output, /^repair: 100\/100 hold$/m, output)
    assert.equal(status, 0, output)
  }
})

test('5 rounds on sockets hold', async () => {
  const seeds = [1, 2, 3, 4, 5]
  const rounds = await Promise.all(seeds.map(seed => round(seed, { sockets: true })))
  for (const [index, faults] of rounds.entries()) {
    const repeat = `npm run prove -- repair --rounds 1 --seed ${seeds[index]} --sockets`
    assert.deepEqual(faults, [], repeat)
  }
})

test('an engine without any of its parts is found out', async () => {
  const waiting = [...MUTATIONS]
  const lane = async () => {
    for (let without = waiting.shift(); without; without = waiting.shift()) {
      const { output, status } = await prove('repair', 8, 1, '--without', without)
      assert.match(output, /^ {2}repeat with: .* --without /m, `without ${without}: ${output}`)
      assert.equal(status, 1, output)
    }
  }
  await Promise.all([lane(), lane()])
})
