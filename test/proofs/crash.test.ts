import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MUTATIONS, OF_SERVERS } from '../../proofs/crash.ts'
import { noPostgres, noRedis } from '../../scripts/services.mjs'
import { prove } from './prove.ts'

const isLeftOut = noPostgres || noRedis
const ofServers: readonly string[] = OF_SERVERS

// All at a time, compiled and in processes of their own: they mostly wait.
describe('crash', { concurrency: true }, () => {
  it('a round holds', async () => {
    const { output, status } = await prove('crash', 1, 20)
    assert.match(output, /^crash: 1\/1 hold$/m, output)
    assert.equal(status, 0, output)
  })

  // Between the two a kill is aimed at each thing a store does.
  it('a round of a store holds that is killed when it is at rest, made anew, and sealing', async () => {
    const { output, status } = await prove('crash', 1, 3, '--at', 'store')
    assert.match(output, /^crash: 1\/1 hold$/m, output)
    assert.equal(status, 0, output)
  })

  const found = MUTATIONS.filter(name => !isLeftOut || !ofServers.includes(name))
  for (const some of [found.slice(0, 4), found.slice(4, 6), found.slice(6)]) {
    if (some.length === 0) continue
    it(`what is without ${some.join(', ')} is found out`, async t => {
      if (isLeftOut) t.diagnostic(`servers are left out: ${isLeftOut}`)
      // A kill may come before the harm is done; not time and again.
      const { output, status } = await prove('crash', 12, 1, '--first', '--without', some.join())
      for (const without of some) {
        assert.match(output, new RegExp(`^ {2}repeat with: .* --without ${without}$`, 'm'), output)
      }
      assert.equal(status, 1, output)
    })
  }
})
