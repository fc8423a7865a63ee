import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { MUTATIONS } from '../../proofs/repair.ts'
import { prove } from './prove.ts'

/** All that rounds in memory are to have met, so that fewer of them are no less of a proof. */
const TROUBLES = [
  ...[
    'auth-error',
    'auth-timeout',
    'close',
    'connection-limit',
    'corrupt-json',
    'cut',
    'duplicate',
  ],
  ...['giant-frame', 'half-open', 'late-pong', 'lost', 'mute', 'partial-ack', 'refuse', 'reorder'],
  ...['rest-error', 'rest-spoiled', 'restart', 'slow-client', 'slow-drip', 'stall', 'symbol-limit'],
  ...['truncated-msgpack', 'upgrade-429', 'upgrade-502', 'welcome-delayed'],
  ...['binance', 'coinbase', 'kraken', 'deprived', 'forgetful', 'kill', 'long lag', 'on disk'],
]

// Rounds on sockets mostly wait: the others can work meanwhile.
describe('repair', { concurrency: true }, () => {
  it('200 rounds in memory hold', async () => {
    // Compiled, in two processes of their own.
    const runs = await Promise.all([1, 101].map(seed => prove('repair', 100, seed)))
    for (const { output, status } of runs) {
      assert.match(output, /^repair: 100\/100 hold$/m, output)
      assert.equal(status, 0, output)
    }
    const met = runs.map(({ output }) => /^came about: .*$/m.exec(output)?.[0]).join()
    const missed = TROUBLES.filter(what => !met.includes(` ${what} `))
    assert.deepEqual(missed, [], met)
  })

  it('5 rounds on sockets hold', async () => {
    // They run in real time: compiled too, or the machine would be late before the venue is.
    const runs = await Promise.all([
      prove('repair', 3, 1, '--sockets'),
      prove('repair', 2, 4, '--sockets'),
    ])
    for (const [index, { output, status }] of runs.entries()) {
      assert.match(output, new RegExp(`^repair: ${3 - index}/${3 - index} hold$`, 'm'), output)
      assert.equal(status, 0, output)
    }
  })
})

test('an engine without any of its parts is found out', async () => {
  const middle = MUTATIONS.length / 2
  const halves = [MUTATIONS.slice(0, middle), MUTATIONS.slice(middle)]
  // Few holes are filled so late that bars have to be told of them, or that history lags for longer than it settles.
  const found = halves.map(half => prove('repair', 24, 1, '--first', '--without', half.join()))
  const output = (await Promise.all(found)).map(one => one.output).join('\n')
  for (const without of MUTATIONS)
    assert.match(output, new RegExp(`^ {2}repeat with: .* --without ${without}$`, 'm'), output)
})
