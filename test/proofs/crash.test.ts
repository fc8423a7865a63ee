import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTATIONS } from '../../proofs/crash.ts'
import { prove } from './prove.ts'

test('8 rounds hold', async () => {
  // Compiled, in processes of their own; two at a time, as its rounds mostly wait.
  const runs = await Promise.all([1, 5].map(seed => prove('crash', 4, seed)))
  for (const { output, status } of runs) {
    assert.match(output, /^crash: 4\/4 hold$/m, output)
    assert.equal(status, 0, output)
  }
})

test('a tape that is broken in any of the known ways is found out', async () => {
  const waiting = [...MUTATIONS]
  const lane = async () => {
    for (let without = waiting.shift(); without; without = waiting.shift()) {
      // A kill may come before the harm is done; not three times.
      let run = await prove('crash', 1, 1, '--without', without)
      for (let seed = 2; seed <= 3 && run.status === 0; seed++) {
        run = await prove('crash', 1, seed, '--without', without)
      }
      assert.match(run.output, /^crash: 0\/1 hold$/m, `without ${without}: ${run.output}`)
      assert.match(run.output, /repeat with: npm run prove -- crash --rounds 1 --seed/, run.output)
      assert.equal(run.status, 1, run.output)
    }
  }
  await Promise.all([lane(), lane()])
})
