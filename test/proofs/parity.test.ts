import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTATIONS, round } from '../../proofs/parity.ts'

for (const seed of [1, 2]) {
  test(`a bot does in backtest what it did live, in the round from seed ${seed}`, async () => {
    assert.deepEqual(await round(seed), [], `npm run prove -- parity --rounds 1 --seed ${seed}`)
  })
}

for (const without of MUTATIONS) {
  test(`parity without ${without} is found out`, async () => {
    // A fault that shows it may not come in every round.
    for (const seed of [1, 2, 3]) if ((await round(seed, { without })).length > 0) return
    assert.fail(`no round of three failed without ${without}`)
  })
}
