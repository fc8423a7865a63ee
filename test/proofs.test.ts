import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MUTATIONS, round } from '../proofs/lifecycle.ts'

describe('lifecycle', () => {
  test('200 rounds in memory hold', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      assert.deepEqual(
        await round(seed),
        [],
        `npm run prove -- lifecycle --rounds 1 --seed ${seed}`,
      )
    }
  })

  test('5 rounds on sockets hold', async () => {
    const seeds = [1, 2, 3, 4, 5]
    const rounds = await Promise.all(seeds.map(seed => round(seed, { sockets: true })))
    for (const [index, faults] of rounds.entries()) {
      const repeat = `npm run prove -- lifecycle --rounds 1 --seed ${seeds[index]} --sockets`
      assert.deepEqual(faults, [], repeat)
    }
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
})
