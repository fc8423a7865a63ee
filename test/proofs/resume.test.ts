import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTATIONS, round } from '../../proofs/resume.ts'

test('5 rounds hold', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    assert.deepEqual(await round(seed), [], `npm run prove -- resume --rounds 1 --seed ${seed}`)
  }
})

for (const without of MUTATIONS) {
  test(`a gateway without ${without} is found out`, async () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      if ((await round(seed, { without })).length > 0) return
    }
    assert.fail(`no round of six failed without ${without}`)
  })
}
