import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { StoreKeeper } from '../../src/app/keeper.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import type { FileTape } from '../../src/tape/file/file.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, openTape, readAll, START, tempFolder, trades, turn, until } from '../tape/kit.ts'
import { MemoryFolder } from './memory-store.ts'

interface Kept {
  readonly keeper: StoreKeeper
  readonly tape: FileTape
  readonly clock: ReturnType<typeof handClock>
  readonly told: string[]
  readonly holds: number[]
}

async function kept(t: TestContext, memory: MemoryFolder): Promise<Kept> {
  const clock = handClock(START)
  const tape = await openTape(t, tempFolder(t), { clock })
  const told: string[] = []
  const holds: number[] = []
  const { hold } = tape
  tape.hold = (name, position) => {
    assert.equal(name, 'store')
    holds.push(position.seq)
    hold.call(tape, name, position)
  }
  const keeper = new StoreKeeper({
    ...{ open: memory.open, tape, clock, log: silentLog },
    told: line => told.push(line),
  })
  atEnd(t, async () => {
    await tape.close()
    await keeper.close()
  })
  return { keeper, tape, clock, told, holds }
}

const never = new AbortController().signal

test('a store takes what the tape has and what comes, and the tape keeps what it needs', async t => {
  const memory = new MemoryFolder()
  memory.keeps = 3
  const { keeper, tape, clock, told, holds } = await kept(t, memory)
  tape.append(trades(0, 5))
  await until(() => keeper.seq === 5)
  assert.deepEqual([keeper.state, keeper.behind, memory.events.length], ['following', 0, 5])
  tape.append(trades(5, 5))
  await until(() => tape.written.seq === 10)
  const { store, behind } = await keeper.ready(never)
  assert.equal(behind, 0)
  assert.equal((await store.holdings())[0]!.rows, 10)
  await clock.advance(1_000)
  assert.deepEqual([holds[0], holds.at(-1)], [0, 7], 'what it needs to be made anew')
  assert.deepEqual(told, [])
})

test('it is known how long ago the oldest event came that a store lacks', async t => {
  const memory = new MemoryFolder()
  const { keeper, tape, clock } = await kept(t, memory)
  tape.append(trades(0, 5))
  await until(() => keeper.seq === 5)
  assert.equal(keeper.lagMs, 0)
  memory.faults.take = () => {
    throw new TickwireError('STORE_UNREACHABLE', 'the server is away')
  }
  tape.append(trades(5, 5))
  await until(() => tape.written.seq === 10 && keeper.error !== undefined)
  const second = async () => {
    await clock.advance(1_000)
    await turn()
  }
  while (keeper.lagMs === undefined) await second()
  const [first] = await readAll(tape, { from: { tape: tape.id, seq: 5 }, live: false })
  assert.equal(keeper.behind, 5)
  assert.equal(keeper.lagMs, clock.now() - first!.receivedAt)
  await clock.advance(600_000)
  assert.equal(keeper.lagMs, clock.now() - first!.receivedAt, 'it grows with time')
  delete memory.faults.take
  while (keeper.behind > 0) await second()
  assert.equal(keeper.lagMs, 0)
})

test('a question waits for what had been written when it was asked', async t => {
  const memory = new MemoryFolder()
  const { keeper, tape, clock } = await kept(t, memory)
  let letGo = () => {}
  memory.faults.take = () => new Promise<void>(resolve => (letGo = resolve))
  tape.append(trades(0, 5))
  await until(() => tape.written.seq === 5)
  let answer: { readonly behind: number } | undefined
  const asking = keeper.ready(never).then(it => (answer = it))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(answer, undefined)
  letGo()
  await asking
  assert.equal(answer!.behind, 0)

  // What takes too long is told instead.
  tape.append(trades(5, 3))
  await until(() => tape.written.seq === 8)
  const second = keeper.ready(never)
  await new Promise(resolve => setImmediate(resolve))
  await clock.advance(10_000)
  assert.equal((await second).behind, 3)
  memory.faults.take = () => undefined
  letGo()
})

test('a store that is not there yet is tried again, and the tape goes on', async t => {
  const memory = new MemoryFolder()
  memory.faults.open = () =>
    new TickwireError('STORE_UNWRITABLE', 'no room', { hint: 'Make some.' })
  const { keeper, tape, clock, told } = await kept(t, memory)
  await until(() => keeper.state === 'waiting')
  tape.append(trades(0, 5))
  await assert.rejects(keeper.ready(never), /no room/)
  for (const ms of [5_000, 10_000]) {
    await clock.advance(ms)
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepEqual(told, [
    'nothing is stored for the time being: no room; it is tried again',
    '  → Make some.',
  ])
  delete memory.faults.open
  await clock.advance(20_000)
  await until(() => keeper.seq === 5)
  assert.equal(told.at(-1), 'the store goes on where it was')
  assert.equal(keeper.error, undefined)
})

test('a store that can be opened and takes nothing is said once, and when it has taken something', async t => {
  for (const code of ['STORE_UNWRITABLE', 'STORE_UNREACHABLE'] as const) {
    const memory = new MemoryFolder()
    const { keeper, tape, clock, told } = await kept(t, memory)
    tape.append(trades(0, 5))
    await until(() => keeper.seq === 5)
    let tries = 0
    memory.faults.take = () => {
      tries++
      throw new TickwireError(code, 'no room')
    }
    tape.append(trades(5, 5))
    await until(() => tries >= 1 && keeper.state === 'waiting')
    for (let i = 2; i < 5; i++) {
      await clock.advance(60_000)
      await until(() => tries >= i && keeper.state === 'waiting')
    }
    const failed = 'nothing is stored for the time being: no room; it is tried again'
    assert.deepEqual(told, [failed], code)
    delete memory.faults.take
    await clock.advance(60_000)
    await until(() => keeper.seq === 10)
    await until(() => told.length === 2)
    assert.deepEqual(told, [failed, 'the store goes on where it was'])
  }
})

test('another that writes to a store that is open is told of at once', async t => {
  const memory = new MemoryFolder()
  const { keeper, tape, told } = await kept(t, memory)
  memory.faults.take = () => {
    throw new TickwireError('STORE_IN_USE', 'another process writes there')
  }
  tape.append(trades(0, 5))
  await until(() => keeper.state === 'waiting')
  assert.match(told[0] ?? '', /another process writes there; it is tried again/)
})

test('without the driver it is said once, and nothing is tried or waited for', async t => {
  const memory = new MemoryFolder()
  let tries = 0
  memory.faults.open = () => {
    tries++
    return new TickwireError('STORE_DRIVER_MISSING', 'no DuckDB', { hint: 'Install it.' })
  }
  const { keeper, tape, clock, told, holds } = await kept(t, memory)
  await until(() => keeper.state === 'failed')
  await clock.advance(600_000)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(tries, 1)
  assert.deepEqual(told, ['nothing is stored: no DuckDB', '  → Install it.'])
  assert.deepEqual(holds, [], 'the tape keeps nothing for a store there is not')
  tape.append(trades(0, 5))
  await until(() => tape.written.seq === 5)
  await tape.close()
  await keeper.close()
})

test('one that another process asks just now is there a second later', async t => {
  const memory = new MemoryFolder()
  const other = await memory.open(silentLog)
  const { keeper, clock, told } = await kept(t, memory)
  await until(() => keeper.state === 'waiting')
  const asking = keeper.ready(never)
  await other.close()
  await clock.advance(1_000)
  assert.equal((await asking).behind, 0)
  assert.deepEqual(told, [], 'nobody needs to know')
})

test('one that another process keeps open is told', async t => {
  const memory = new MemoryFolder()
  await memory.open(silentLog)
  const { keeper, clock, told } = await kept(t, memory)
  await until(() => keeper.state === 'waiting')
  for (let i = 0; i < 9; i++) await clock.advance(1_000)
  assert.equal(told.length, 1)
  assert.match(told[0]!, /process 1 has the store open; it is tried again$/)
})

test('one that cannot write any more still answers, and goes on when there is room', async t => {
  const memory = new MemoryFolder()
  const { keeper, tape, clock, told } = await kept(t, memory)
  tape.append(trades(0, 5))
  await until(() => keeper.seq === 5)
  memory.faults.take = () => {
    throw new TickwireError('STORE_UNWRITABLE', 'the disk is full')
  }
  tape.append(trades(5, 5))
  await until(() => keeper.state === 'waiting')
  const { store, behind } = await keeper.ready(never)
  assert.equal((await store.holdings())[0]!.rows, 5)
  assert.equal(behind, 5)
  assert.equal(memory.opened, 1)
  delete memory.faults.take
  await clock.advance(5_000)
  await until(() => keeper.seq === 10)
  assert.deepEqual(
    memory.events.map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  assert.equal(told.length, 2)
})

test('one that fails and tries again by itself is told, answers at once, and is told when it goes on', async t => {
  const memory = new MemoryFolder()
  const { keeper, tape, clock, told } = await kept(t, memory)
  tape.append(trades(0, 5))
  await until(() => keeper.seq === 5)
  let letGo = () => {}
  memory.faults.take = () => {
    memory.log.error({}, 'no space left')
    return new Promise<void>(resolve => (letGo = resolve))
  }
  tape.append(trades(5, 5))
  await until(() => keeper.error !== undefined)
  assert.equal(keeper.state, 'following')
  assert.deepEqual(told, ['nothing is stored for the time being: no space left'])
  assert.equal((await keeper.ready(never)).behind, 5)
  delete memory.faults.take
  letGo()
  await until(() => keeper.seq === 10)
  assert.equal(keeper.error, undefined)
  await clock.advance(1_000)
  assert.equal(told.at(-1), 'the store goes on where it was')
})

test('one that breaks down is opened anew, from where it was', async t => {
  const memory = new MemoryFolder()
  const { keeper, tape, clock } = await kept(t, memory)
  memory.faults.take = () => {
    throw new Error('the worker is gone')
  }
  tape.append(trades(0, 5))
  await until(() => keeper.state === 'waiting')
  await until(() => !memory.isOpen)
  delete memory.faults.take
  await clock.advance(5_000)
  await until(() => keeper.seq === 5)
  assert.deepEqual([memory.opened, memory.events.length], [2, 5])
})

test('at the end it takes the rest of the tape, but not for ever', async t => {
  const memory = new MemoryFolder()
  const { keeper, tape } = await kept(t, memory)
  let taking = () => {}
  const taken = new Promise<void>(resolve => (taking = resolve))
  memory.faults.take = async () => {
    taking()
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  tape.append(trades(0, 5))
  await taken
  tape.append(trades(5, 5))
  await tape.close()
  await keeper.close()
  assert.deepEqual([memory.events.length, memory.isOpen, keeper.state], [10, false, 'closed'])
  assert.deepEqual([keeper.seq, keeper.behind], [10, 0])
  await assert.rejects(keeper.ready(never), /closed/)

  const slow = new MemoryFolder()
  const second = await kept(t, slow)
  await until(() => second.keeper.state === 'following')
  let letGo = () => {}
  slow.faults.take = () => new Promise<void>(resolve => (letGo = resolve))
  second.tape.append(trades(0, 5))
  await second.tape.close()
  const closing = second.keeper.close()
  await new Promise(resolve => setImmediate(resolve))
  await second.clock.advance(5_000)
  await new Promise(resolve => setImmediate(resolve))
  letGo()
  await closing
  assert.equal(slow.isOpen, false)
})
