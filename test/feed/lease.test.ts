import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import fs, {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { takePlace } from '../../src/feed/lease.ts'
import { handClock } from '../../src/testing/clock.ts'
import { toyCapabilities, toyFeed, trade } from './toy-venue.ts'

const takeLease = (place: string, account: string, places: number, clock: Clock) =>
  takePlace(place, account, places, clock, error => assert.fail(error))
const folder = mkdtempSync(join(tmpdir(), 'tickwire-lease-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const clock = handClock()

/** Another process that lives until it is killed. */
function stranger(): ChildProcess & { pid: number } {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  return child as ChildProcess & { pid: number }
}

/** Whatever lease files there are, made to look like another process's. */
function giveTo(pid: number): void {
  for (const file of readdirSync(folder)) writeFileSync(join(folder, file), `${pid}\n`)
}

test('as many places as the account has, and no more', () => {
  const first = takeLease(folder, 'one', 2, clock)
  const second = takeLease(folder, 'one', 2, clock)
  assert.ok('release' in first && 'release' in second)
  assert.deepEqual(takeLease(folder, 'one', 2, clock), { heldBy: process.pid })
  const other = takeLease(folder, 'two', 1, clock)
  assert.ok('release' in other)
  first.release()
  const again = takeLease(folder, 'one', 2, clock)
  assert.ok('release' in again)
  for (const lease of [second, other, again]) lease.release()
  assert.deepEqual(readdirSync(folder), [])
  assert.equal(clock.pending(), 0)
})

test('the file names neither account nor key', () => {
  const lease = takeLease(folder, 'PKSECRETKEY@wss://x', 1, clock)
  assert.ok('release' in lease)
  assert.doesNotMatch(readdirSync(folder).join(), /SECRET/)
  lease.release()
})

test('a place left behind by a process that is gone is taken', async () => {
  const dead = stranger()
  const gone = new Promise(resolve => dead.once('exit', resolve))
  const lease = takeLease(folder, 'left', 1, clock)
  assert.ok('release' in lease)
  giveTo(dead.pid)
  assert.deepEqual(takeLease(folder, 'left', 1, clock), { heldBy: dead.pid })
  dead.kill('SIGKILL')
  await gone
  const taken = takeLease(folder, 'left', 1, clock)
  assert.ok('release' in taken)
  taken.release()
  lease.release()
})

test('a place whose holder has not shown itself for long is taken', () => {
  const living = stranger()
  const lease = takeLease(folder, 'stale', 1, clock)
  assert.ok('release' in lease)
  giveTo(living.pid)
  const old = new Date(Date.now() - 60_000)
  for (const file of readdirSync(folder)) utimesSync(join(folder, file), old, old)
  const taken = takeLease(folder, 'stale', 1, clock)
  assert.ok('release' in taken)
  taken.release()
  lease.release()
  living.kill()
})

test('a second feed of the account waits, says for whom, and takes over when the first ends', async () => {
  const description = { account: 'shared', capabilities: toyCapabilities }
  const first = toyFeed({ description, feed: { leases: folder } })
  const second = toyFeed({ description, feed: { leases: folder } })
  const notices: string[] = []
  const seen: number[] = []
  second.feed.on('notice', ({ notice, code }) => notices.push(`${notice} ${code ?? ''}`.trim()))
  first.feed.trades('SPY', () => {})
  await first.clock.advance(1)
  second.feed.trades('SPY', event => seen.push(event.timestamp))
  await second.clock.advance(20_000)
  assert.deepEqual([first.net.live, second.net.sockets.length], [1, 0])
  assert.deepEqual(notices, ['disconnected CONNECTION_LIMIT'])
  assert.equal(second.feed.state, 'waiting')
  await first.feed.close()
  await second.clock.advance(2_000)
  trade(second.net.last, 'SPY', 1)
  assert.deepEqual(seen, [1])
  await second.feed.close()
  assert.deepEqual(readdirSync(folder), [])
})

test('where a venue wants connections to be apart, a process waits for that behind the one before it', async () => {
  const capabilities = { ...toyCapabilities, limits: { connectionGapMs: 3_000 } }
  const open = async (at: number) => {
    const toy = toyFeed({
      description: { account: 'apart', capabilities },
      feed: { leases: folder },
    })
    await toy.clock.advance(at)
    toy.feed.trades('SPY', () => {})
    await toy.clock.advance(1)
    return toy
  }
  const first = await open(0)
  assert.equal(first.net.sockets.length, 1, 'nobody was before it')
  await first.clock.advance(9_999)
  await first.feed.close()
  const second = await open(10_500)
  await second.clock.advance(2_400)
  assert.equal(second.net.sockets.length, 0)
  await second.clock.advance(100)
  assert.equal(second.net.sockets.length, 1)
  await second.feed.close()
  const late = await open(60_000)
  assert.equal(late.net.sockets.length, 1, 'what is long ago holds nobody up')
  await late.feed.close()
  const early = await open(1_000)
  assert.equal(early.net.sockets.length, 1, 'nor does a clock that was set back')
  await early.feed.close()
  const [file, ...others] = readdirSync(folder)
  assert.match(file!, /^[0-9a-f]{16}\.used$/)
  assert.deepEqual(others, [])
  rmSync(join(folder, file!))
})

test('a place that was taken over meanwhile is neither kept alive nor cleared by its former holder', async () => {
  const turned = handClock()
  const lease = takeLease(folder, 'slept', 1, turned)
  assert.ok('release' in lease)
  const living = stranger()
  giveTo(living.pid)
  const old = new Date(Date.now() - 20_000)
  for (const file of readdirSync(folder)) utimesSync(join(folder, file), old, old)
  await turned.advance(30_000)
  assert.ok(Date.now() - statSync(join(folder, readdirSync(folder)[0]!)).mtimeMs > 19_000)
  lease.release()
  assert.equal(readdirSync(folder).length, 1)
  living.kill()
  for (const file of readdirSync(folder)) rmSync(join(folder, file))
})

test('a process that waits for the place does not get it because a connection was lost', async () => {
  const description = { account: 'kept', capabilities: toyCapabilities }
  const first = toyFeed({ description, feed: { leases: folder } })
  const second = toyFeed({ description, feed: { leases: folder } })
  first.feed.trades('SPY', () => {})
  second.feed.trades('SPY', () => {})
  await first.clock.advance(1)
  for (let i = 0; i < 5; i++) {
    first.net.last.end()
    await first.clock.advance(1)
    await second.clock.advance(5_000)
    await first.clock.advance(2_000)
  }
  assert.deepEqual([first.feed.state, second.net.sockets.length], ['open', 0])
  await first.feed.close()
  await second.feed.close()
})

const blocked = join(folder, 'a-file')
const places: readonly (readonly [name: string, leases: string])[] = [
  ['a folder in a file', join(blocked, 'x', 'y')],
  ['a file', blocked],
  ['a path no system takes', 'a\0b'],
  // Node's own recursive mkdir never returns there.
  ...(existsSync('/proc/self') ? [['/proc', '/proc/none/x'] as const] : []),
]
for (const [name, leases] of places) {
  test(`where no lease can be written the feed connects all the same, with one word: ${name}`, async () => {
    const warnings: string[] = []
    const log = { ...silentLog, warn: (_: object, message: string) => warnings.push(message) }
    const capabilities = { ...toyCapabilities, limits: { connections: 2, symbolsPerConnection: 1 } }
    const description = { account: 'x', capabilities }
    writeFileSync(blocked, '')
    const { clock, net, feed } = toyFeed({ description, feed: { leases, log } })
    const first = feed.trades(['A', 'B'], () => {})
    await clock.advance(1)
    assert.equal(net.live, 2)
    first.close()
    await clock.advance(2_000)
    feed.trades('A', () => {})
    await clock.advance(1)
    assert.equal(net.live, 1)
    assert.deepEqual(warnings, [`no lease file can be written in ${leases}; going on without`])
    await feed.close()
    rmSync(blocked)
  })
}

test('the folder is made, with those above it', () => {
  const lease = takeLease(join(folder, 'new', 'deep'), 'a', 1, clock)
  assert.ok('release' in lease)
  assert.equal(readdirSync(join(folder, 'new', 'deep')).length, 1)
  lease.release()
  rmSync(join(folder, 'new'), { recursive: true })
})

test('a folder that belongs to another user is not used, and the feed connects all the same', async t => {
  const leases = join(folder, 'foreign')
  mkdirSync(leases)
  // Root may give it away; anybody else is somebody else for as long as this lasts.
  if (process.getuid?.() === 0) chownSync(leases, 4_321, 4_321)
  else t.mock.method(process as { getuid(): number }, 'getuid', () => 4_321)
  const errors: string[] = []
  const log = {
    ...silentLog,
    warn: (details: object) => errors.push(String((details as { error: Error }).error.message)),
  }
  const description = { account: 'x', capabilities: toyCapabilities }
  const { clock, net, feed } = toyFeed({ description, feed: { leases, log } })
  feed.trades('A', () => {})
  await clock.advance(1)
  assert.deepEqual([net.live, readdirSync(leases)], [1, []])
  assert.match(errors.join(), /belongs to another user/)
  assert.equal(errors.length, 1)
  await feed.close()
  rmSync(leases, { recursive: true })
})

test('a lease that can be neither kept fresh nor removed ends neither process nor feed, and is told once', async t => {
  const warnings: string[] = []
  const log = { ...silentLog, warn: (_: object, message: string) => warnings.push(message) }
  const description = { account: 'stuck', capabilities: toyCapabilities }
  const { clock, feed } = toyFeed({ description, feed: { leases: folder, log } })
  feed.trades('A', () => {})
  await clock.advance(1)
  const refuse = () => {
    throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
  }
  t.mock.method(fs, 'utimesSync', refuse)
  t.mock.method(fs, 'rmSync', refuse)
  syncBuiltinESMExports()
  try {
    await clock.advance(25_000)
    assert.equal(feed.state, 'open')
    await feed.close()
    await feed.done
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
  assert.deepEqual(warnings, [`no lease file can be written in ${folder}; going on without`])
  for (const file of readdirSync(folder)) rmSync(join(folder, file))
})
