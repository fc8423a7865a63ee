import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { openApp } from '../../src/app/app.ts'
import { type OpenHistoryOptions, openHistory } from '../../src/app/history.ts'
import { pastEvents } from '../../src/app/past.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { simulated } from '../../src/providers/simulated/provider.ts'
import { handClock } from '../../src/testing/clock.ts'
import { atEnd, isWritten, openTape, START, tempFolder, trade, trades, until } from '../tape/kit.ts'
import { MemoryFolder } from './memory-store.ts'

const isCode = (code: string) => (error: unknown) =>
  error instanceof TickwireError && error.code === code

interface Opened {
  readonly data: string
  readonly memory: MemoryFolder
  readonly clock: ReturnType<typeof handClock>
}

function folders(t: TestContext): Opened {
  return { data: tempFolder(t), memory: new MemoryFolder(), clock: handClock(START) }
}

async function opened(
  t: TestContext,
  { data, memory, clock }: Opened,
  more: OpenHistoryOptions = {},
) {
  const past = await openHistory(data, { open: memory.open, clock, log: silentLog, ...more })
  atEnd(t, () => past.close())
  return past
}

describe('the history of a data folder', () => {
  test('is the store opened here where nobody owns it, caught up from a tape that is being recorded', async t => {
    const at = folders(t)
    const tape = await openTape(t, join(at.data, 'tape'))
    tape.append(trades(0, 5))
    await isWritten(tape)
    const past = await opened(t, at)
    assert.equal(past.owner, undefined)
    assert.equal((await past.trades('SPY').toArray()).length, 5)
    tape.append(trades(5, 5))
    await isWritten(tape)
    const sizes: number[] = []
    for await (const { size, symbol } of past.trades('SPY', { from: START + 2 })) {
      assert.equal(symbol, 'SPY')
      sizes.push(size)
    }
    assert.deepEqual(sizes, [2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('lets go of the store when nobody has asked for a while, and takes it again', async t => {
    const at = folders(t)
    const past = await opened(t, at, { create: true })
    await past.holdings()
    await at.clock.advance(4_999)
    assert.equal(at.memory.isOpen, true)
    await past.holdings()
    await at.clock.advance(4_999)
    assert.equal(at.memory.isOpen, true)
    await at.clock.advance(1)
    assert.equal(at.memory.isOpen, false)
    await past.holdings()
    assert.deepEqual([at.memory.isOpen, at.memory.opened], [true, 2])
    await past.close()
    assert.equal(at.memory.isOpen, false)
    await assert.rejects(past.holdings(), isCode('CLOSED'))
  })

  test('keeps the store while an answer is being read, however slowly', async t => {
    const at = folders(t)
    at.memory.events.push(...trades(0, 9))
    const past = await opened(t, at, { create: true })
    let count = 0
    for await (const batch of past.trades('*').batches()) {
      await at.clock.advance(10_000)
      assert.equal(at.memory.isOpen, true)
      count += batch.length
    }
    assert.equal(count, 9)
    const { rows } = await past.sql('select 1')
    await at.clock.advance(10_000)
    assert.equal(at.memory.isOpen, true)
    for await (const batch of rows) assert.deepEqual(batch, [[9]])
    await at.clock.advance(10_000)
    assert.equal(at.memory.isOpen, false)
  })

  test('waits for a process that has the store open for a question, but not for ever', async t => {
    const at = folders(t)
    const other = await at.memory.open(silentLog)
    const opening = opened(t, at, { create: true })
    let isThere = false
    void opening.then(() => (isThere = true))
    await at.clock.advance(5_000)
    assert.equal(isThere, false)
    await other.close()
    await at.clock.advance(100)
    assert.equal((await opening).owner, undefined)

    await at.memory.open(silentLog).catch(() => {})
    const second = folders(t)
    await second.memory.open(silentLog)
    const late = assert.rejects(opened(t, second, { create: true }), isCode('STORE_IN_USE'))
    await second.clock.advance(10_200)
    await late
  })

  test('is asked of the owner while there is one, and of the store itself when it has gone', async t => {
    const at = folders(t)
    const app = await openApp({
      feeds: [{ provider: simulated({ rate: 1_000 }), log: silentLog }],
      record: { folder: join(at.data, 'tape') },
      store: { folder: at.data, open: at.memory.open },
      log: silentLog,
    })
    atEnd(t, () => app.close())
    await app.feeds[0]!.subscribe({ trades: ['SPY'] })
    await until(() => app.tape.written.seq > 20)
    const past = await opened(t, at)
    assert.equal(past.owner, process.pid)
    const { seq } = app.tape.written
    const asked = await past.trades('SPY').toArray()
    assert.ok(asked.at(-1)!.seq! >= seq, 'all that was written is in it')
    assert.equal(at.memory.opened, 1)
    await app.close()
    const after = await past.trades('SPY').toArray()
    assert.deepEqual(after.slice(0, asked.length), asked)
    assert.deepEqual([past.owner, at.memory.opened], [undefined, 2])
  })

  test('takes events of elsewhere, into a folder that has nothing yet only where that is meant', async t => {
    const at = folders(t)
    await assert.rejects(opened(t, at), isCode('NO_TAPE'))
    const past = await opened(t, at, { create: true })
    const merged = await past.merge(
      (async function* () {
        yield trades(0, 5)
      })(),
    )
    assert.deepEqual(merged, { added: 5, known: 0 })
    assert.equal((await past.trades('SPY').toArray()).length, 5)
  })

  test('says what it lacks where the tape cannot be read, and answers from what there is', async t => {
    const at = folders(t)
    mkdirSync(join(at.data, 'tape'))
    at.memory.events.push(...trades(0, 5))
    const past = await opened(t, at)
    assert.equal((await past.trades('SPY').toArray()).length, 5)
    const tape = await openTape(t, join(at.data, 'tape'))
    tape.append(trades(5, 5))
    await isWritten(tape)
    at.memory.faults.take = () => {
      throw new TickwireError('STORE_UNWRITABLE', 'the disk is full')
    }
    const warned: string[] = []
    const log: Log = { ...silentLog, warn: (_, message) => warned.push(message) }
    const second = await opened(
      t,
      { ...at, memory: Object.assign(at.memory, { isOpen: false }) },
      { log },
    )
    assert.equal((await second.trades('SPY').toArray()).length, 5)
    assert.match(
      warned[0]!,
      /^what came last to the tape is missing in this answer: the disk is full/,
    )
  })

  test('does not wait with a store that can write nothing, and tries again by itself', async t => {
    const at = folders(t)
    const tape = await openTape(t, join(at.data, 'tape'))
    tape.append(trades(0, 5))
    await isWritten(tape)
    at.memory.faults.take = async () => {
      at.memory.log.error({}, 'no space left')
      await new Promise(resolve => setImmediate(resolve))
    }
    const warned: string[] = []
    const log: Log = { ...silentLog, warn: (_, message) => warned.push(message) }
    const past = await opened(t, at, { log })
    assert.equal((await past.trades('SPY').toArray()).length, 5)
    assert.match(warned[0]!, /is missing in this answer: no space left/)
  })

  test('tells how far it has come where there is much to take from the tape', async t => {
    const at = folders(t)
    const tape = await openTape(t, join(at.data, 'tape'))
    tape.append(trades(0, 5))
    await isWritten(tape)
    let letGo = () => {}
    at.memory.faults.take = () => new Promise<void>(resolve => (letGo = resolve))
    const stop = new AbortController()
    const given = opened(t, at, { signal: stop.signal, onProgress: () => stop.abort() })
    await until(() => stop.signal.aborted)
    letGo()
    await assert.rejects(given, isCode('CLOSED'))
    assert.equal(at.memory.isOpen, false)
    at.memory.positions.clear()
    const seen: number[][] = []
    const opening = opened(t, at, { onProgress: ({ done, total }) => seen.push([done, total]) })
    await until(() => seen.length > 0)
    letGo()
    await opening
    assert.deepEqual(seen[0], [0, 5])
  })
})

describe('events of the past', () => {
  const asked: HistoryRequest[] = []
  const source = {
    async *history(request: HistoryRequest): AsyncGenerator<MarketEvent[]> {
      asked.push(request)
      yield [trade(1)]
      yield [trade(2), trade(3)]
    },
  }

  test('come one by one, in batches or all at once', async () => {
    const past = pastEvents(source, 'trade', 'SPY')
    const sizes: number[] = []
    for await (const { size } of past) sizes.push(size)
    assert.deepEqual(sizes, [1, 2, 3])
    const lengths: number[] = []
    for await (const batch of past.batches()) lengths.push(batch.length)
    assert.deepEqual(lengths, [1, 2])
    assert.equal((await past.toArray()).length, 3)
  })

  test('are asked for by times as people write them, days whole', async () => {
    asked.length = 0
    const day = Date.UTC(2025, 5, 2)
    await pastEvents(source, 'bar', ['SPY'], { from: '2025-06-02', to: '2025-06-02' }).toArray()
    await pastEvents(source, 'bar', ['SPY'], {
      ...{
        from: new Date(day),
        to: '2025-06-02T09:30:00.5-04:00',
        interval: '5m',
        adjustment: 'all',
      },
    }).toArray()
    const { from, to } = asked[0]!
    assert.deepEqual([from, to], [day, day + 86_400_000 - 1])
    const rest = { kind: 'bar', symbols: ['SPY'], interval: '5m', adjustment: 'all' }
    assert.deepEqual(asked[1], { ...rest, from: day, to: day + 48_600_500 })
  })

  test('of a range that makes no sense are refused at once', () => {
    const wrong = { from: '2025-06-03', to: '2025-06-02' }
    assert.throws(() => pastEvents(source, 'trade', 'SPY', wrong), isCode('BAD_OPTION'))
    assert.throws(
      () => pastEvents(source, 'trade', 'SPY', { from: 'monday' }),
      isCode('BAD_OPTION'),
    )
    assert.throws(
      () => pastEvents(source, 'trade', 'SPY', { to: '2025-02-30' }),
      isCode('BAD_OPTION'),
    )
    assert.throws(
      () => pastEvents(source, 'trade', 'SPY', { to: Number.NaN }),
      isCode('BAD_OPTION'),
    )
    assert.throws(() => pastEvents(source, 'trade', []), isCode('NO_SYMBOLS'))
    const interval = '7x' as '7m'
    assert.throws(() => pastEvents(source, 'bar', 'SPY', { interval }), isCode('BAD_OPTION'))
  })
})

test('the notices of a folder need no symbol', async t => {
  const at = folders(t)
  const time = { timestamp: START, receivedAt: START }
  at.memory.events.push(
    createEvent({ type: 'notice', ...time, notice: 'connected', message: 'connected' }),
  )
  const past = await opened(t, at, { create: true })
  assert.equal((await past.notices().toArray())[0]!.notice, 'connected')
})
