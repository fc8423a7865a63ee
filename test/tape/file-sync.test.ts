// What is brought to safety, and when: counted at the system's own calls, as no test can take the power away.
import assert from 'node:assert/strict'
import fs, { existsSync, readdirSync } from 'node:fs'
import promises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { syncFolder, systemDisk } from '../../src/tape/file/disk.ts'
import { handClock } from '../../src/testing/clock.ts'
import { appendBlocks, openTape, START, tempFolder, turn, until } from './kit.ts'

/** Counts the syncs from now on: of the data of files by number, and of files and folders opened by name. */
function spy(t: TestContext) {
  const counts = { data: 0 }
  const opened: string[] = []
  const synced: string[] = []
  const { fdatasync } = fs
  const { open } = promises
  t.mock.method(fs, 'fdatasync', (fd: number, done: fs.NoParamCallback) => {
    counts.data++
    fdatasync(fd, done)
  })
  t.mock.method(promises, 'open', async (path: string, flags: string): Promise<FileHandle> => {
    const handle = await open(path, flags)
    opened.push(path)
    for (const way of ['sync', 'datasync'] as const) {
      const real = handle[way].bind(handle)
      handle[way] = () => {
        synced.push(path)
        return real()
      }
    }
    return handle
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  const take = () => synced.splice(0)
  return { counts, take }
}

test('the names of a new tape, of its numbers and of each file are made safe', async t => {
  const { take } = spy(t)
  const folder = tempFolder(t)
  const tape = await openTape(t, folder, { segmentBytes: 1 })
  const isFolder = (path: string) => path === folder
  assert.equal(take().filter(isFolder).length, 2, 'tape.json and numbers')
  await appendBlocks(tape, [1])
  assert.equal(take().filter(isFolder).length, 1, 'the first file')
  tape.hold('candles', tape.end)
  const seen: string[] = []
  await until(() => {
    seen.push(...take())
    return seen.some(isFolder)
  }, 'the place of a store')
  await tape.close()
})

test('a promise of numbers is safe before anything of it is used, and so is the end', async t => {
  const { take } = spy(t)
  const folder = tempFolder(t)
  const isNumbers = (path: string) => path === join(folder, 'numbers')
  const tape = await openTape(t, folder)
  assert.equal(take().filter(isNumbers).length, 1)
  await tape.close()
  assert.equal(take().filter(isNumbers).length, 1)
})

test('what was written is brought to safety every `syncMs`, and only when there is something', async t => {
  const { counts } = spy(t)
  const clock = handClock(START)
  const tape = await openTape(t, tempFolder(t), { clock, syncMs: 500 })
  await appendBlocks(tape, [3])
  assert.equal(counts.data, 0)
  clock.turn(500)
  await until(() => counts.data === 1, 'the sync')
  await turn()
  clock.turn(500)
  await turn()
  assert.equal(counts.data, 1)
  await appendBlocks(tape, [1])
  await tape.close()
  assert.equal(counts.data, 2, 'and at the end')
})

for (const [code, how] of [
  ['EISDIR', 'open'],
  ['EPERM', 'open'],
  ['EINVAL', 'sync'],
] as const) {
  test(`a system on which a folder cannot be ${how === 'open' ? 'opened' : 'synced'} (${code}) is good enough`, async t => {
    refuseFolders(t, code, how)
    await syncFolder(tempFolder(t))
  })
}

test('a disk that fails on it is told, and the file that was made is gone', async t => {
  refuseFolders(t, 'EIO', 'sync')
  const folder = tempFolder(t)
  await assert.rejects(systemDisk.create(join(folder, 'x')), { code: 'EIO' })
  assert.deepEqual(readdirSync(folder), [])
  await assert.rejects(systemDisk.replace(join(folder, 'x'), 'y'), { code: 'EIO' })
  assert.ok(existsSync(join(folder, 'x')), 'it is there, though not safe')
})

function refuseFolders(t: TestContext, code: string, how: 'open' | 'sync'): void {
  const refuse = async () => {
    throw Object.assign(new Error(`${code}: ${how}`), { code })
  }
  const close = async () => {}
  const { open } = promises
  t.mock.method(promises, 'open', (path: string, flags: string) => {
    if (flags !== 'r') return open(path, flags)
    return how === 'open' ? refuse() : Promise.resolve({ sync: refuse, close })
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
}
