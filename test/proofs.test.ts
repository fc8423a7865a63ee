import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { MUTATIONS as CRASH_MUTATIONS } from '../proofs/crash.ts'
import { MUTATIONS, round } from '../proofs/lifecycle.ts'
import { MUTATIONS as REPAIR_MUTATIONS, round as repairRound } from '../proofs/repair.ts'

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
})

describe('crash', () => {
  test('8 rounds hold', async () => {
    // Compiled, in processes of their own; two at a time, as its rounds mostly wait.
    const runs = await Promise.all([1, 5].map(seed => prove('crash', 4, seed)))
    for (const { output, status } of runs) {
      assert.match(output, /^crash: 4\/4 hold$/m, output)
      assert.equal(status, 0, output)
    }
  })

  test('a tape that is broken in any of the known ways is found out', async () => {
    const waiting = [...CRASH_MUTATIONS]
    const lane = async () => {
      for (let without = waiting.shift(); without; without = waiting.shift()) {
        // A kill may come before the harm is done; not three times.
        let run = await prove('crash', 1, 1, '--without', without)
        for (let seed = 2; seed <= 3 && run.status === 0; seed++) {
          run = await prove('crash', 1, seed, '--without', without)
        }
        assert.match(run.output, /^crash: 0\/1 hold$/m, `without ${without}: ${run.output}`)
        assert.match(
          run.output,
          /repeat with: npm run prove -- crash --rounds 1 --seed/,
          run.output,
        )
        assert.equal(run.status, 1, run.output)
      }
    }
    await Promise.all([lane(), lane()])
  })
})

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

describe('repair', () => {
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
    const rounds = await Promise.all(seeds.map(seed => repairRound(seed, { sockets: true })))
    for (const [index, faults] of rounds.entries()) {
      const repeat = `npm run prove -- repair --rounds 1 --seed ${seeds[index]} --sockets`
      assert.deepEqual(faults, [], repeat)
    }
  })

  test('an engine without any of its parts is found out', async () => {
    const waiting = [...REPAIR_MUTATIONS]
    const lane = async () => {
      for (let without = waiting.shift(); without; without = waiting.shift()) {
        const { output, status } = await prove('repair', 8, 1, '--without', without)
        assert.match(output, /^ {2}repeat with: .* --without /m, `without ${without}: ${output}`)
        assert.equal(status, 1, output)
      }
    }
    await Promise.all([lane(), lane()])
  })
})

async function prove(name: string, rounds: number, seed: number, ...more: readonly string[]) {
  const args = [name, '--rounds', `${rounds}`, '--seed', `${seed}`, ...more]
  const child = spawn(process.execPath, ['scripts/prove.mjs', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = once(child, 'close')
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  await gone
  return { output: `${out}${errors}`, status: child.exitCode }
}
