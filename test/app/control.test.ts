import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type Owner, openControl } from '../../src/app/control.ts'
import { findControl } from '../../src/app/control-address.ts'
import type { OwnerStatus } from '../../src/app/control-wire.ts'
import { Remote } from '../../src/app/remote.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import type { Cell } from '../../src/store/store.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, START, tempFolder, trade, trades } from '../tape/kit.ts'
import { MemoryFolder } from './memory-store.ts'

const skip = process.platform === 'win32' && 'pipes have neither files nor modes'
const STATUS: OwnerStatus = {
  ...{ version: 1, pid: process.pid },
  tape: { folder: 'tape', id: 't', seq: 3, written: 2, isRecording: true },
  store: { state: 'following', seq: 1, behind: 1, error: undefined },
  feeds: [{ source: 's', state: 'open' }],
}

async function owned(t: TestContext, folder = tempFolder(t), more: Partial<Owner> = {}) {
  const memory = new MemoryFolder()
  const store = await memory.open(silentLog)
  const ready = async () => ({ store, behind: 0 })
  const owner: Owner = { status: () => STATUS, error: undefined, ready, ...more }
  const control = await openControl({ folder, owner, clock: handClock(START), log: silentLog })
  atEnd(t, () => control.close())
  const remote = new Remote(control.path, silentLog)
  return { folder, memory, store, control, remote }
}

const isCode = (code: string) => (error: unknown) =>
  error instanceof TickwireError && error.code === code

const all = async <T>(batches: AsyncIterable<readonly T[]>) => {
  const items: T[] = []
  for await (const batch of batches) items.push(...batch)
  return items
}

describe('the control socket', { skip }, () => {
  test('is of this user alone, in the data folder, and goes with its owner', async t => {
    const { folder, control } = await owned(t)
    assert.equal(control.path, join(folder, 'control.sock'))
    assert.equal(lstatSync(control.path).mode & 0o777, 0o600)
    assert.ok(lstatSync(control.path).isSocket())
    await control.close()
    assert.equal(existsSync(control.path), false)
    assert.equal(findControl(folder), undefined)
  })

  test('takes the place of one that a crash has left', async t => {
    const folder = tempFolder(t)
    const crashed = createServer()
    await new Promise<void>(resolve => crashed.listen(join(folder, 's'), resolve))
    renameSync(join(folder, 's'), join(folder, 'control.sock'))
    await new Promise(resolve => crashed.close(resolve))
    assert.ok(lstatSync(join(folder, 'control.sock')).isSocket())
    assert.equal(await new Remote(join(folder, 'control.sock'), silentLog).status(), undefined)
    const { remote } = await owned(t, folder)
    assert.equal((await remote.status())?.pid, process.pid)
  })

  test('never displaces an owner that lives, also where its lease was deleted', async t => {
    const { folder, remote } = await owned(t)
    await assert.rejects(owned(t, folder), isCode('STORE_IN_USE'))
    rmSync(join(folder, 'control.lease'))
    await assert.rejects(owned(t, folder), isCode('STORE_IN_USE'))
    assert.equal((await remote.status())?.pid, process.pid)
  })

  test('of an owner that others took for gone is not removed with it, once it is another one', async t => {
    const { folder, control } = await owned(t)
    rmSync(join(folder, 'control.lease'))
    rmSync(control.path)
    const { remote } = await owned(t, folder)
    await control.close()
    assert.equal((await remote.status())?.pid, process.pid)
  })

  test('is not made where everybody could put another in its place', async t => {
    const folder = tempFolder(t)
    chmodSync(folder, 0o777)
    await assert.rejects(owned(t, folder), isCode('CONTROL_UNSAFE'))
    chmodSync(folder, 0o1777)
    await owned(t, folder)
  })

  test('leaves alone what stands in its place and is no socket', async t => {
    const folder = tempFolder(t)
    writeFileSync(join(folder, 'control.sock'), 'mine')
    await assert.rejects(owned(t, folder), isCode('CONTROL_UNSAFE'))
    assert.equal(readFileSync(join(folder, 'control.sock'), 'utf8'), 'mine')
    assert.equal(existsSync(join(folder, 'control.lease')), false, 'nothing is left behind')
  })

  test('of a folder whose path is too long is elsewhere, and the folder says where', async t => {
    const folder = join(tempFolder(t), 'long'.repeat(20), 'longer'.repeat(20))
    mkdirSync(folder, { recursive: true })
    const { control, remote } = await owned(t, folder)
    assert.ok(Buffer.byteLength(control.path) < 100, control.path)
    assert.equal(findControl(folder), control.path)
    assert.equal(lstatSync(join(control.path, '..')).mode & 0o777, 0o700)
    assert.equal((await remote.status())?.pid, process.pid)
    await control.close()
    assert.deepEqual([existsSync(control.path), findControl(folder)], [false, undefined])
  })
})

describe('an answer over the control socket', () => {
  const events: MarketEvent[] = [
    createEvent({ type: 'trade', symbol: 'A', timestamp: START, price: -0, size: 1e-300, seq: 7 }),
    createEvent({
      type: 'trade',
      symbol: 'A',
      timestamp: START,
      nanos: 999_999,
      price: 0.1 + 0.2,
      size: 3,
    }),
    createEvent({
      ...{ type: 'trade', symbol: 'ü/€', source: 's', flags: 3 },
      ...{ timestamp: START + 1 },
      price: 1,
      size: 2,
      id: '9007199254740993',
      conditions: [],
    }),
    createEvent({
      type: 'trade',
      symbol: 'A',
      timestamp: START + 2,
      receivedAt: START + 2.125,
      price: Number.MAX_VALUE,
      size: 5e-324,
      id: 12,
    }),
  ]

  test('has every event as the store has it, bit for bit', async t => {
    const { remote, memory } = await owned(t)
    memory.events.push(...events)
    const range = { from: START, to: START + 10 }
    assert.deepEqual(await all(remote.history({ kind: 'trade', symbols: ['*'], ...range })), events)
    const asOf = await remote.asOf({ kind: 'trade', symbols: ['A', 'B'], time: START + 1 })
    assert.deepEqual(asOf, [events[1]])
    const none = remote.history({ kind: 'quote', symbols: ['A'], source: 'x', ...range })
    assert.deepEqual(await all(none), [])
  })

  test('has every kind of number, wherever it stands', async t => {
    const { remote, memory } = await owned(t)
    const rows: Cell[][] = [
      [1, 'text\n"', null, true, -0],
      [
        Number.NaN,
        [1, Number.POSITIVE_INFINITY, [-0]],
        { a: Number.NEGATIVE_INFINITY, b: [] },
        false,
        0,
      ],
    ]
    const columns = [{ name: 'a', type: 'DOUBLE' }]
    memory.faults.sql = async () => ({ columns, rows: batches([rows, [], rows.slice(0, 1)]) })
    const table = await remote.sql('select 1')
    assert.deepEqual(table.columns, columns)
    assert.deepEqual(await all(table.rows), [...rows, rows[0]])
  })

  test('of many rows keeps them in order, also where they come all at once', async t => {
    const { remote, memory } = await owned(t)
    const rows = Array.from({ length: 20_001 }, (_, i) => [i, 'x'.repeat(i % 50)])
    memory.faults.sql = async () => ({ columns: [], rows: batches([rows]) })
    assert.deepEqual(await all((await remote.sql('')).rows), rows)
  })

  test('says what is wrong in the words of the store, with the way out', async t => {
    const { remote, memory } = await owned(t)
    memory.faults.sql = async () => {
      throw new TickwireError('BAD_SQL', 'no table tradez', { hint: 'did you mean trades?' })
    }
    await assert.rejects(remote.sql('select * from tradez'), (error: TickwireError) => {
      assert.deepEqual([error.code, error.message], ['BAD_SQL', 'no table tradez'])
      assert.equal(error.hint, 'did you mean trades?')
      return true
    })
  })

  test('that fails in the middle is no whole answer', async t => {
    const { remote, memory } = await owned(t)
    memory.faults.history = async function* () {
      yield trades(0, 3)
      throw new TickwireError('BAD_PARQUET', 'part.parquet is damaged')
    }
    memory.faults.sql = async () => ({ columns: [], rows: failing() })
    const asked = { kind: 'trade', symbols: ['*'], from: 0, to: 1 } as const
    const got: MarketEvent[] = []
    const reading = (async () => {
      for await (const batch of remote.history(asked)) got.push(...batch)
    })()
    await assert.rejects(reading, isCode('BAD_PARQUET'))
    assert.equal(got.length, 3)
    const { rows } = await remote.sql('')
    await assert.rejects(all(rows), /in the process that has the store: by surprise/)
  })

  test('of a store that was closed by what ails it says what that is', async t => {
    const error = new TickwireError('STORE_UNWRITABLE', 'no space left')
    const { remote, memory } = await owned(t, tempFolder(t), { error })
    memory.faults.sql = async () => {
      throw new TickwireError('CLOSED', 'the store is not open')
    }
    await assert.rejects(remote.sql('select 1'), isCode('STORE_UNWRITABLE'))
  })

  test('whose owner ends in the middle is no whole answer', async t => {
    const { remote, memory, control } = await owned(t)
    memory.faults.history = async function* () {
      yield trades(0, 3)
      await control.close()
    }
    const asked = { kind: 'trade', symbols: ['*'], from: 0, to: 1 } as const
    await assert.rejects(all(remote.history(asked)), isCode('CONNECTION_LOST'))
    assert.equal(await remote.status(), undefined, 'nobody is there')
  })

  test('goes no faster than it is read', async t => {
    const { remote, memory } = await owned(t)
    let given = 0
    const batch = trades(0, 1_000)
    memory.faults.history = async function* () {
      for (; given < 200; given++) yield batch
    }
    const asked = { kind: 'trade', symbols: ['*'], from: 0, to: 1 } as const
    let count = 0
    for await (const events of remote.history(asked)) {
      count += events.length
      if (count === 1_000) {
        await new Promise(resolve => setTimeout(resolve, 200))
        assert.ok(given < 100, `${given} batches were made for one that was read`)
      }
    }
    assert.equal(count, 200_000)
  })

  test('ends with its asker: by breaking off, by its signal', async t => {
    const { remote, memory } = await owned(t)
    const ended: (() => void)[] = []
    const waits = () => new Promise<void>(resolve => ended.push(resolve))
    memory.faults.history = async function* ({ signal }) {
      yield trades(0, 3)
      await new Promise<void>(resolve => signal!.addEventListener('abort', () => resolve()))
      ended.shift()!()
    }
    const asked = { kind: 'trade', symbols: ['*'], from: 0, to: 1 } as const
    const first = waits()
    for await (const _ of remote.history(asked)) break
    await first
    const second = waits()
    const stop = new AbortController()
    const reading = (async () => {
      for await (const _ of remote.history({ ...asked, signal: stop.signal })) stop.abort()
    })()
    await assert.rejects(reading, isCode('CLOSED'))
    await second
    await assert.rejects(all(remote.history({ ...asked, signal: stop.signal })), isCode('CLOSED'))
  })

  test('says what it lacks of what has been written', async t => {
    const warned: string[] = []
    const log: Log = { ...silentLog, warn: (_, message) => warned.push(message) }
    const { control, store } = await owned(t)
    await control.close()
    const ready = async () => ({ store, behind: 12 })
    const { control: late } = await owned(t, tempFolder(t), { ready })
    await new Remote(late.path, log).sql('select 1')
    assert.deepEqual(warned, ['the last 12 events are not stored yet: the answer lacks them'])
  })

  test('to what is no question names the right ones', async t => {
    const { remote, control } = await owned(t)
    const asked = { kind: 'tradez', symbols: ['A'], from: 0, to: 1 }
    await assert.rejects(all(remote.history(asked as never)), (error: TickwireError) => {
      assert.equal(error.code, 'BAD_OPTION')
      assert.match(error.message, /^the question's kind: /)
      return true
    })
    const { request } = await import('node:http')
    const status = await new Promise(resolve => {
      request({ socketPath: control.path, path: '/nothing' }, answer => {
        answer.resume()
        resolve(answer.statusCode)
      }).end()
    })
    assert.equal(status, 404)
  })

  test('has files and holdings too', async t => {
    const { remote, memory } = await owned(t)
    memory.events.push(...events)
    assert.deepEqual(await remote.parquet({ kinds: ['trade'], from: 1 }), ['/days/trade.parquet'])
    assert.equal((await remote.holdings())[0]!.rows, 4)
  })
})

describe('a merge over the control socket', () => {
  test('brings every event, and says how far it is', async t => {
    const { remote, memory } = await owned(t)
    const many = trades(0, 10_000)
    const progress: number[] = []
    const onProgress = (events: number) => progress.push(events)
    const merged = await remote.merge(batches([many.slice(0, 10), many.slice(10)]), { onProgress })
    assert.deepEqual(merged, { added: 10_000, known: 0 })
    assert.deepEqual(memory.events, many)
    assert.deepEqual(progress, [10])
  })

  test('whose events fail adds none of them', async t => {
    const { remote, memory } = await owned(t)
    const events = (async function* () {
      yield [trade(1)]
      throw new TickwireError('BAD_EVENT', 'line 2 is none')
    })()
    await assert.rejects(remote.merge(events), isCode('BAD_EVENT'))
    await assert.doesNotReject(remote.holdings())
    assert.deepEqual(memory.events, [])
  })

  test('that the store refuses ends, however much there is to send', async t => {
    const ready = async () => {
      throw new TickwireError('STORE_DRIVER_MISSING', 'no DuckDB')
    }
    const { remote } = await owned(t, tempFolder(t), { ready })
    const endless = (async function* () {
      for (;;) yield trades(0, 1_000)
    })()
    await assert.rejects(remote.merge(endless), isCode('STORE_DRIVER_MISSING'))
  })
})

async function* batches<T>(list: readonly T[]): AsyncGenerator<T> {
  for (const item of list) yield item
}

async function* failing(): AsyncGenerator<Cell[][]> {
  yield [[1]]
  throw new Error('by surprise')
}
