// Clients that read too slowly: what becomes of them, and that it costs the others nothing.
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import type { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { OrderBook } from '../../src/derive/order-book.ts'
import { readerNotice } from '../../src/flow/queue.ts'
import { catchUp } from '../../src/gateway/catch-up.ts'
import { nativeForm } from '../../src/gateway/forms.ts'
import { Member, QUEUED_EVENTS } from '../../src/gateway/groups.ts'
import { type Client, Hub } from '../../src/gateway/hub.ts'
import { FULL_BYTES, Outlet } from '../../src/gateway/outlet.ts'
import { Wanted } from '../../src/gateway/wanted.ts'
import type { Book, MarketEvent, Notice } from '../../src/market/events.ts'
import { parseTopic } from '../../src/market/topics.ts'
import { decodeMessage } from '../../src/providers/tickwire/decode.ts'
import type { Batch, SlowPolicy } from '../../src/providers/tickwire/messages.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import type { TapeReader } from '../../src/tape/tape.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'
import { event, range, trades } from './stream-kit.ts'

/** A socket that takes nothing while it is told to. */
class Pipe extends Duplex {
  readonly batches: Batch[] = []
  writes = 0
  isHeld = false
  #held: (() => void) | undefined

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#take(chunk)
    if (this.isHeld) this.#held = done
    else done()
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    for (const { chunk } of chunks) this.#take(chunk)
    if (this.isHeld) this.#held = done
    else done()
  }

  letGo(): void {
    this.isHeld = false
    this.#held?.()
    this.#held = undefined
  }

  get events(): MarketEvent[] {
    return this.batches.flatMap(batch => batch.events)
  }

  get seqs(): (number | undefined)[] {
    return this.events.map(({ seq }) => seq)
  }

  #take(frame: Buffer): void {
    this.writes++
    const short = frame[1]!
    const head = short === 127 ? 10 : short === 126 ? 4 : 2
    this.batches.push(decodeMessage(frame.subarray(head).toString()) as Batch)
  }
}

interface Reader extends Client {
  readonly pipe: Pipe
  readonly member: Member
  reason: TickwireError | undefined
}

interface Setting {
  readonly clock: HandClock
  readonly hub: Hub
  /** Appends, and turns the clock: by a tick, unless told otherwise. */
  append(events: readonly MarketEvent[], ms?: number): Promise<void>
  reader(slow?: SlowPolicy, topics?: readonly string[], conflateMs?: number): Reader
}

function check(name: string, body: (at: Setting) => Promise<void>): void {
  test(name, async () => {
    const clock = handClock()
    const tape = memoryTape({ clock })
    const hub = new Hub(tape, clock, silentLog)
    await clock.advance(0)
    try {
      await body({
        ...{ clock, hub },
        async append(events, ms = 1) {
          tape.append(events)
          await clock.advance(ms)
        },
        reader(slow = 'drop-oldest', topics = ['test:trade:SPY'], conflateMs = 0) {
          const pipe = new Pipe()
          const outlet = new Outlet(pipe)
          const member = new Member(1, outlet, slow)
          const reader: Reader = {
            ...{ pipe, outlet, member, members: new Set([member]), reason: undefined },
            tooSlow(reason) {
              reader.reason = reason
            },
          }
          hub.add(reader)
          const wanted = new Wanted(topics.map(parseTopic))
          hub.join(member, wanted, { form: nativeForm('json'), conflateMs, conflateTrades: false })
          return reader
        },
      })
    } finally {
      await hub.close()
      await tape.close()
    }
  })
}

/** Enough for a socket to be full. */
const FULL = Math.ceil(FULL_BYTES / 100)

describe('a client that reads too slowly', () => {
  check('has everything in order when it reads again', async at => {
    const [slow, other] = [at.reader(), at.reader()]
    slow.pipe.isHeld = true
    for (let i = 0; i < 20; i++) await at.append(trades(300))
    assert.equal(at.hub.slowClients, 1)
    assert.deepEqual(other.pipe.seqs, range(1, 6_000))
    assert.ok(slow.member.counters.queued > 0)
    slow.pipe.letGo()
    await at.append(trades(3))
    await at.clock.advance(5)
    assert.equal(at.hub.slowClients, 0)
    assert.deepEqual(
      slow.pipe.seqs.filter(seq => seq !== undefined),
      other.pipe.seqs,
    )
    const { in: taken, delivered, conflated, dropped, queued } = slow.member.counters
    assert.equal(taken, delivered + conflated + dropped + queued)
    assert.equal(delivered, other.pipe.events.length)
    await at.append(trades(2))
    assert.equal(slow.pipe.seqs.at(-1), other.pipe.seqs.at(-1))
  })

  check('may stall and read again in the middle of a tick', async at => {
    const [slow, other] = [at.reader(), at.reader()]
    for (let i = 0; i < 30; i++) {
      slow.pipe.isHeld = i % 3 !== 2
      if (!slow.pipe.isHeld) slow.pipe.letGo()
      await at.append(trades(900))
    }
    slow.pipe.letGo()
    await at.clock.advance(10)
    assert.deepEqual(slow.pipe.seqs, other.pipe.seqs)
  })

  check('loses the oldest beyond its bound, and is told how many', async at => {
    const [slow, other] = [at.reader(), at.reader()]
    slow.pipe.isHeld = true
    await at.append(trades(FULL))
    await at.append(trades(QUEUED_EVENTS + 1_000))
    assert.equal(slow.member.counters.queued, QUEUED_EVENTS)
    slow.pipe.letGo()
    await at.clock.advance(10)
    const lost = slow.pipe.events.find(({ type }) => type === 'notice') as Notice
    assert.equal(lost.notice, 'dropped')
    assert.equal(lost.count, 1_000)
    assert.equal(slow.member.counters.dropped, 1_000)
    const expected = [...range(1, FULL), ...range(FULL + 1_001, FULL + QUEUED_EVENTS + 1_000)]
    assert.deepEqual(
      slow.pipe.seqs.filter(seq => seq !== undefined),
      expected,
    )
    assert.equal(other.pipe.events.length, FULL + QUEUED_EVENTS + 1_000)
    assert.equal(other.member.counters.dropped, 0)
  })

  check('with many subscriptions has no more waiting than one with four', async at => {
    const topics = ['test:trade:SPY']
    const pipe = new Pipe()
    const outlet = new Outlet(pipe)
    const members = new Set(range(1, 16).map(id => new Member(id, outlet, 'drop-oldest')))
    at.hub.add({ outlet, members, tooSlow() {} })
    const wanted = new Wanted(topics.map(parseTopic))
    for (const member of members) {
      const options = { form: nativeForm('json'), conflateMs: 0, conflateTrades: false }
      at.hub.join(member, wanted, options)
    }
    pipe.isHeld = true
    await at.append(trades(FULL))
    await at.append(trades(QUEUED_EVENTS))
    const queued = [...members].map(({ counters }) => counters.queued)
    assert.deepEqual(
      queued,
      queued.map(() => QUEUED_EVENTS / 4),
    )
    pipe.letGo()
    await at.clock.advance(10)
    for (const { counters } of members) {
      const { in: taken, delivered, dropped } = counters
      assert.equal(taken, FULL + QUEUED_EVENTS)
      assert.equal(taken, delivered + dropped)
    }
    // Each is told of its own.
    const lost = pipe.events.filter(({ type }) => type === 'notice') as Notice[]
    assert.equal(lost.length, members.size)
  })

  check('is told that it lags', async at => {
    const slow = at.reader()
    slow.pipe.isHeld = true
    await at.append(trades(FULL))
    await at.clock.advance(2_500)
    slow.pipe.letGo()
    await at.clock.advance(10)
    const notices = slow.pipe.events.filter(({ type }) => type === 'notice') as Notice[]
    assert.deepEqual(
      notices.map(({ notice }) => notice),
      ['lagging'],
    )
  })

  check('keeps the latest of each symbol where it wants that', async at => {
    const slow = at.reader('conflate', ['test:quote:SPY'])
    const quotes = (count: number) =>
      range(1, count).map(bid => event({ type: 'quote', symbol: 'SPY', bid }))
    slow.pipe.isHeld = true
    await at.append(quotes(FULL))
    await at.append(quotes(500))
    assert.equal(slow.member.counters.queued, 1)
    slow.pipe.letGo()
    await at.clock.advance(10)
    assert.equal((slow.pipe.events.at(-1) as unknown as { bid: number }).bid, 500)
    assert.equal(slow.member.counters.conflated, 499)
  })

  check('is closed where it wants that, with the reason', async at => {
    const [slow, other] = [at.reader('close'), at.reader()]
    slow.pipe.isHeld = true
    await at.append(trades(FULL))
    await at.append(trades(QUEUED_EVENTS + 1))
    assert.equal(slow.reason?.code, 'READER_TOO_SLOW')
    assert.equal(other.pipe.events.length, FULL + QUEUED_EVENTS + 1)
  })

  check('gets a book whole where it has lost a part of it', async at => {
    const topics = ['test:book:SPY']
    const [slow, other] = [at.reader('drop-oldest', topics), at.reader('drop-oldest', topics)]
    const parts = (count: number) =>
      range(1, count).map(i =>
        event({ type: 'book', symbol: 'SPY', bids: [[1 + (i % 9), i]], asks: [], snapshot: false }),
      )
    await at.append([
      event({ type: 'book', symbol: 'SPY', bids: [[1, 1]], asks: [[20, 1]], snapshot: true }),
    ])
    slow.pipe.isHeld = true
    await at.append(parts(FULL))
    await at.append(parts(QUEUED_EVENTS + 100))
    await at.append(parts(50))
    slow.pipe.letGo()
    await at.append(parts(5))
    await at.clock.advance(10)
    const [ours, theirs] = [slow, other].map(({ pipe }) => {
      const book = new OrderBook('SPY', 'test')
      for (const part of pipe.events) if (part.type === 'book') book.apply(part as Book)
      return book.snapshot()
    })
    assert.ok(slow.member.counters.dropped > 0)
    assert.deepEqual([ours?.bids, ours?.asks], [theirs?.bids, theirs?.asks])
  })

  check('of a group that merges has the latest', async at => {
    const slow = at.reader('conflate', ['test:quote:SPY', 'test:trade:SPY'], 100)
    slow.pipe.isHeld = true
    await at.append(trades(FULL))
    await at.clock.advance(100)
    for (const bid of range(1, 5)) {
      await at.append([event({ type: 'quote', symbol: 'SPY', bid })])
      await at.clock.advance(100)
    }
    slow.pipe.letGo()
    await at.clock.advance(200)
    const bids = slow.pipe.events.flatMap(it => (it.type === 'quote' ? [it.bid] : []))
    assert.deepEqual(bids, [5])
  })

  check('that goes leaves nothing behind', async at => {
    const slow = at.reader()
    slow.pipe.isHeld = true
    await at.append(trades(FULL))
    at.hub.delete(slow)
    slow.pipe.destroy()
    await at.append(trades(10))
    assert.deepEqual([at.hub.slowClients, at.hub.groups], [0, 0])
  })
})

describe('between two ticks', () => {
  check('who joins has nothing of before', async at => {
    const first = at.reader()
    await at.append(trades(1), 0)
    await at.append(trades(1), 0)
    assert.deepEqual(first.pipe.seqs, [1], 'the second waits')
    const second = at.reader()
    await at.append(trades(1))
    assert.deepEqual(first.pipe.seqs, [1, 2, 3])
    assert.deepEqual(second.pipe.seqs, [3])
  })

  check('who reads again has nothing twice', async at => {
    const [slow, other] = [at.reader(), at.reader()]
    slow.pipe.isHeld = true
    await at.append(trades(FULL))
    await at.append(trades(5), 0)
    await at.append(trades(5), 0)
    slow.pipe.letGo()
    await at.append(trades(5), 0)
    await at.clock.advance(10)
    assert.deepEqual(slow.pipe.seqs, other.pipe.seqs)
    assert.deepEqual(slow.pipe.seqs, range(1, FULL + 15))
  })
})

describe('a group that merges', () => {
  check('gives who joins nothing of before', async at => {
    const topics = ['test:quote:SPY', 'test:trade:SPY']
    const first = at.reader('conflate', topics, 100)
    await at.append(trades(2))
    const second = at.reader('conflate', topics, 100)
    await at.append(trades(1))
    await at.clock.advance(100)
    assert.deepEqual(first.pipe.seqs, [1, 2, 3])
    assert.deepEqual(second.pipe.seqs, [3])
  })
})

describe('a tape that cannot be read for a while', () => {
  test('is read on from where it was, and nothing is missing', async () => {
    const clock = handClock()
    const tape = memoryTape({ clock })
    const errors: string[] = []
    const log = { ...silentLog, error: (_: object, message: string) => void errors.push(message) }
    let failures = 2
    const failing: TapeReader = {
      ...{ id: tape.id, start: tape.start, end: tape.end, written: tape.written },
      close: () => tape.close(),
      async *read(options) {
        for await (const batch of tape.read(options)) {
          yield batch
          if (failures-- > 0) throw new Error('EMFILE: too many open files')
        }
      },
    }
    const hub = new Hub(failing, clock, log)
    await clock.advance(0)
    for (let i = 0; i < 3; i++) {
      tape.append(trades(4))
      await clock.advance(10)
    }
    assert.equal(hub.seq, 4)
    await clock.advance(1_000)
    await clock.advance(1_000)
    assert.equal(hub.seq, 12)
    assert.deepEqual(
      hub.since(0)!.map(({ event }) => event.seq),
      range(1, 12),
    )
    assert.equal(errors.length, 2)
    await hub.close()
    await tape.close()
  })
})

test('what is told as skipped ends where the hub stands, which has the rest', async () => {
  const clock = handClock()
  const tape = memoryTape({ clock })
  const hub = new Hub(tape, clock, silentLog)
  await clock.advance(0)
  for (let i = 0; i < 10; i++) {
    tape.append(trades(500))
    await clock.advance(10)
  }
  const pipe = new Pipe()
  const member = new Member(1, new Outlet(pipe), 'drop-oldest')
  const wanted = new Wanted([parseTopic('test:trade:SPY')])
  const gone = { from: 101, to: 5_003, count: 4_903 }
  const swept: TapeReader = {
    ...{ id: tape.id, start: tape.start, end: tape.end, written: tape.written },
    close: () => tape.close(),
    async *read() {
      yield [readerNotice('skipped', clock.now(), 'no longer held', gone)]
    },
  }
  await catchUp({
    ...{ tape: swept, hub, member, wanted, books: false },
    from: { tape: tape.id, seq: 100 },
    group: { form: nativeForm('json'), conflateMs: 0, conflateTrades: false },
    signal: new AbortController().signal,
  })
  tape.append(trades(5))
  await clock.advance(10)
  const [skipped, ...rest] = pipe.events
  const { from, to, count } = skipped as Notice
  assert.deepEqual([from, to, count], [101, 5_000, 4_900])
  assert.deepEqual(
    rest.map(({ seq }) => seq),
    range(5_001, 5_005),
  )
  await hub.close()
  await tape.close()
})

describe('a tick', () => {
  check('is one write for each client, whatever has come', async at => {
    const readers = [at.reader(), at.reader(), at.reader()]
    for (let i = 0; i < 10; i++) await at.append(trades(50))
    for (const { pipe } of readers) {
      assert.equal(pipe.events.length, 500)
      assert.ok(pipe.writes <= 10, `${pipe.writes} writes`)
    }
  })
})
