import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MUTATIONS } from '../../proofs/orders.ts'
import { prove } from './prove.ts'

// Rounds mostly wait: the others can work meanwhile.
describe('orders', { concurrency: true }, () => {
  it('15 rounds hold', async () => {
    const runs = await Promise.all([1, 6, 11].map(seed => prove('orders', 5, seed)))
    for (const { output, status } of runs) {
      assert.match(output, /^orders: 5\/5 hold$/m, output)
      assert.equal(status, 0, output)
    }
  })

  it('an account that is broken in any of the known ways is found out', async () => {
    // Chance may spare a round; not four.
    const { output } = await prove('orders', 4, 1, '--first', '--without', MUTATIONS.join())
    for (const without of MUTATIONS) {
      assert.match(output, new RegExp(`^ {2}repeat with: .* --without ${without}$`, 'm'), output)
    }
  })
})
