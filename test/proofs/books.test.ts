import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTATIONS, mustFind, round } from '../../proofs/books.ts'

// By 30,531 the snapshot that Kraken was asked for is lost on its way, and by 60,308 the first one of Coinbase; by 20,904 faults that wait for a next connection keep
// Alpaca away for three minutes of calm; by 60,419 a connection that is to take a book over has a break of its own.
for (const seed of [1, 2, 20_904, 30_531, 60_308, 60_419]) {
  test(`a round from seed ${seed} holds at every venue`, async () => {
    assert.deepEqual(await round(seed), [], `npm run prove -- books --rounds 1 --seed ${seed}`)
  })
}

for (const without of MUTATIONS) {
  for (const at of mustFind(without)) {
    test(`books without ${without} are found out at ${at}`, async () => {
      // A fault that shows it may not come in every round.
      for (const seed of [1, 2, 3, 4]) if ((await round(seed, { without, at })).length > 0) return
      assert.fail(`no round of four failed without ${without}`)
    })
  }
}
