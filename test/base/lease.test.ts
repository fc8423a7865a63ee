import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Lease, takeLease } from '../../src/base/lease.ts'
import { handClock } from '../../src/testing/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'tickwire-base-lease-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function take(name: string, clock = handClock(), failed?: (error: Error) => void): Lease {
  const taken = takeLease([join(folder, name)], clock, failed)
  assert.ok('release' in taken, `${name} is held by ${'heldBy' in taken && taken.heldBy}`)
  return taken
}

test('a holder that lives keeps its place: it shows itself every ten seconds', async () => {
  const clock = handClock()
  const file = join(folder, 'kept')
  const lease = take('kept', clock)
  for (let i = 0; i < 3; i++) {
    const old = new Date(Date.now() - 44_000)
    utimesSync(file, old, old)
    await clock.advance(10_000)
    assert.ok(Date.now() - statSync(file).mtimeMs < 20_000, `not touched the ${i + 1}. time`)
  }
  assert.deepEqual(takeLease([file], clock), { heldBy: process.pid })
  lease.release()
  lease.release()
  assert.equal(clock.pending(), 0)
})

test('however many places are held, one listener gives them all back when the process exits', () => {
  const before = process.listeners('exit')
  const leases = Array.from({ length: 20 }, (_, i) => take(`many-${i}`))
  const added = process.listeners('exit').filter(one => !before.includes(one))
  assert.equal(added.length, 1)
  assert.equal(readdirSync(folder).length, 20)
  for (const listener of added) listener(0)
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(process.listeners('exit'), before)
  for (const lease of leases) lease.release()
})

test('a file that can be neither touched nor removed is told once, and nothing is thrown', async t => {
  const clock = handClock()
  const errors: string[] = []
  const lease = take('stuck', clock, error => errors.push(error.message))
  const refuse = () => {
    throw new Error('EPERM')
  }
  t.mock.method(fs, 'utimesSync', refuse)
  t.mock.method(fs, 'rmSync', refuse)
  syncBuiltinESMExports()
  try {
    await clock.advance(30_000)
    lease.release()
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
  assert.deepEqual([errors, clock.pending()], [['EPERM'], 0])
})

const isLinux = existsSync('/proc/self/stat')
const SOURCE = fileURLToPath(new URL('../../src/base/', import.meta.url))

/** Another process that holds a place until it is killed. */
async function holder(t: TestContext, name: string): Promise<ChildProcess & { pid: number }> {
  const program = `
    import { takeLease } from '${SOURCE}lease.ts'
    import { systemClock } from '${SOURCE}clock.ts'
    const taken = takeLease([${JSON.stringify(join(folder, name))}], systemClock())
    console.log('release' in taken ? 'held' : 'refused')
    setInterval(() => {}, 1_000)`
  const args = ['--import', 'tsx', '--input-type=module', '-e', program]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const [said] = await once(child.stdout, 'data')
  assert.equal(String(said).trim(), 'held')
  return child as ChildProcess & { pid: number }
}

function age(name: string, ms: number): void {
  const then = new Date(Date.now() - ms)
  utimesSync(join(folder, name), then, then)
}

test('a process that is paused keeps its place, for however long; one that has ended does not', {
  skip: !isLinux && 'only Linux tells when a process began',
}, async t => {
  const child = await holder(t, 'paused')
  child.kill('SIGSTOP')
  age('paused', 3_600_000)
  const clock = handClock()
  assert.deepEqual(takeLease([join(folder, 'paused')], clock), { heldBy: child.pid })
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  take('paused').release()
})

test('a process that has the number of a holder, and is another one, holds nothing', {
  skip: !isLinux && 'only Linux tells when a process began',
}, async t => {
  const child = await holder(t, 'reused')
  const file = join(folder, 'reused')
  const text = readFileSync(file, 'utf8')
  assert.ok(text.startsWith(`${child.pid} `), text)
  // As it was written by one that began at another time.
  writeFileSync(file, text.replace(/\.\d+ /, '.17 '))
  take('reused').release()
})

test("a lease with our own number from an earlier life is nobody's, as in a container after kill -9", () => {
  for (const before of ['', ' 01234567.17', ' -']) {
    writeFileSync(
      join(folder, 'own'),
      `${process.pid}${before} 00000000-0000-4000-8000-000000000000`,
    )
    take('own').release()
  }
})

test('our own place is held, also when nothing has touched it for long', () => {
  const lease = take('mine')
  age('mine', 3_600_000)
  assert.deepEqual(takeLease([join(folder, 'mine')], handClock()), { heldBy: process.pid })
  lease.release()
})

test('a full disk leaves no lease behind', t => {
  const refuse = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  }
  t.mock.method(fs, 'writeFileSync', refuse)
  syncBuiltinESMExports()
  try {
    assert.throws(() => takeLease([join(folder, 'full')], handClock()), { code: 'ENOSPC' })
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
  assert.equal(existsSync(join(folder, 'full')), false)
})

for (const text of ['', 'garbage']) {
  test(`a lease that says ${text || 'nothing'} is nobody's after a second, and somebody's until then`, () => {
    const file = join(folder, 'odd')
    writeFileSync(file, text)
    assert.deepEqual(takeLease([file], handClock()), { heldBy: 0 })
    age('odd', 1_500)
    take('odd').release()
  })
}

test('who loses the place to another process hears of it once, and leaves the file alone', async () => {
  const clock = handClock()
  const file = join(folder, 'lost')
  const heard: number[] = []
  const taken = takeLease([file], clock, undefined, pid => heard.push(pid))
  assert.ok('release' in taken, 'taken')
  await clock.advance(20_000)
  // Gone is not another's yet: it is just being taken, or will never be.
  rmSync(file)
  await clock.advance(10_000)
  assert.deepEqual(heard, [])
  writeFileSync(file, '4321 - x')
  await clock.advance(30_000)
  assert.deepEqual([heard, clock.pending()], [[4_321], 0])
  taken.release()
  assert.equal(readFileSync(file, 'utf8'), '4321 - x')
  rmSync(file)
})
