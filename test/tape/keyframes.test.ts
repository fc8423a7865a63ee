import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { Books } from '../../src/derive/books.ts'
import { openFeed } from '../../src/feed/feed.ts'
import {
  type Book,
  createEvent,
  hasFlag,
  type Level,
  type MarketEvent,
} from '../../src/market/events.ts'
import { replay } from '../../src/providers/replay/index.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { KEYFRAME_MS } from '../../src/tape/keyframes.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  copyOf,
  filesOf,
  isWritten,
  openTape,
  readAll,
  START,
  tempFolder,
  trade,
  turn,
} from './kit.ts'

type Part = { bids?: readonly Level[]; asks?: readonly Level[]; snapshot?: boolean; at?: number }

const part = (symbol: string, { at = 0, ...more }: Part) =>
  createEvent({
    ...{ type: 'book', symbol, source: 's', timestamp: START + at, receivedAt: START + at },
    ...{ bids: [], asks: [], snapshot: false },
    ...more,
  })
const whole = (symbol: string, more: Part = {}) =>
  part(symbol, { bids: [[10, 1]], asks: [[11, 1]], snapshot: true, ...more })

const keyframesOf = (events: readonly MarketEvent[]) =>
  events.filter((event): event is Book => event.type === 'book' && hasFlag(event, 'conflated'))

/** What a reader knows who has read these from the first to the last. */
function bookOf(events: readonly MarketEvent[], symbol = 'A') {
  const books = new Books()
  for (const event of events) books.accept(event)
  return books.get('s', symbol)
}

describe('keyframes', () => {
  test('a book stands on a tape whole once a minute, while it moves', async () => {
    const tape = memoryTape()
    tape.append([whole('A'), whole('B')])
    for (let second = 1; second <= 150; second++) {
      tape.append([part('A', { bids: [[10, second]], at: second * 1_000 })])
    }
    const events = await readAll(tape)
    const frames = keyframesOf(events)
    assert.deepEqual(
      frames.map(({ symbol, receivedAt, bids }) => [symbol, receivedAt - START, bids[0]]),
      [
        ['A', KEYFRAME_MS, [10, 60]],
        ['A', 2 * KEYFRAME_MS, [10, 120]],
      ],
    )
    assert.deepEqual(
      events.map(event => event.seq),
      events.map((_, i) => i + 1),
    )
    // Behind the delta that made it due.
    assert.equal(events[events.indexOf(frames[0]!) - 1]?.receivedAt, frames[0]?.receivedAt)
    await tape.close()
  })

  test('a snapshot of the venue does as well, and what is not whole has none', async () => {
    const tape = memoryTape()
    tape.append([part('A', { bids: [[1, 1]] })])
    tape.append([part('A', { bids: [[2, 1]], at: 70_000 })])
    tape.append([whole('B'), whole('B', { at: 59_000 }), part('B', { bids: [[9, 1]], at: 61_000 })])
    tape.append([whole('C'), part('C', { bids: [[12, 1]], at: 61_000 })])
    tape.append([whole('D'), part('D', { bids: [[9, 1]], at: 61_000 })])
    const frames = keyframesOf(await readAll(tape))
    assert.deepEqual(
      frames.map(({ symbol }) => symbol),
      ['D'],
    )
    await tape.close()
  })

  test('a gap on the tape ends a book until it is whole again', async () => {
    const tape = memoryTape()
    const gap = createEvent({
      ...{ type: 'notice', notice: 'gap', kind: 'book', symbol: 'A', source: 's' },
      ...{ timestamp: START, message: 'a gap' },
    })
    tape.append([whole('A'), gap, part('A', { bids: [[9, 1]], at: 70_000 })])
    assert.equal(keyframesOf(await readAll(tape)).length, 0)
    await tape.close()
  })

  test('nothing is added to a tape without books, and nobody who appends sees a keyframe', async () => {
    const tape = memoryTape()
    const batch = [whole('A'), part('A', { bids: [[9, 1]], at: 60_000 })]
    tape.append(batch)
    assert.equal(batch.length, 2)
    assert.equal(tape.end.seq, 3)
    const other = memoryTape()
    for (let n = 0; n < 200; n++) other.append([trade(n * 1_000)])
    assert.equal(other.end.seq, 200)
    await Promise.all([tape.close(), other.close()])
  })
})

describe('keyframes in files', () => {
  test('each file begins with the books as they are, and can be read alone', async t => {
    const folder = tempFolder(t)
    const clock = handClock(START)
    const tape = await openTape(t, folder, { segmentBytes: 2_000, clock, capacity: 4_096 })
    tape.append([whole('A'), whole('B', { bids: [[5, 5]] })])
    for (let n = 1; n <= 400; n++) {
      tape.append([part('A', { bids: [[1 + (n % 9), n % 5]], asks: [[11 + (n % 4), n]], at: n })])
      if (n % 3 === 0) await isWritten(tape)
    }
    await isWritten(tape)
    const all = await readAll(tape)
    assert.deepEqual(
      all.map(event => event.seq),
      all.map((_, i) => i + 1),
    )
    const truth = [bookOf(all), bookOf(all, 'B')]
    assert.deepEqual(truth[1]?.bids(), [[5, 5]])
    const files = filesOf(folder)
    assert.ok(files.length > 4, `${files.length}`)
    for (const [index, path] of files.entries()) {
      if (index === 0) continue
      const first = Number(/(\d{16})\.tape$/.exec(path)![1])
      const rest = all.slice(first - 1)
      for (const symbol of ['A', 'B']) {
        const alone = bookOf(rest, symbol)
        assert.ok(alone?.synced, `${symbol} is not known to who begins with ${path}`)
        assert.deepEqual(
          [alone.bids(), alone.asks()],
          [bookOf(all, symbol)!.bids(), bookOf(all, symbol)!.asks()],
        )
      }
    }
    // A quiet book does not turn the time back.
    const times = all.map(event => event.receivedAt)
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    )
  })

  test('files smaller than the books they begin with come to an end', async t => {
    const tape = await openTape(t, tempFolder(t), { segmentBytes: 1_000, capacity: 1_024 })
    const symbols = Array.from({ length: 60 }, (_, i) => `S${i}`)
    tape.append(symbols.map(symbol => whole(symbol)))
    await isWritten(tape)
    for (let n = 0; n < 5; n++) {
      tape.append([trade(n)])
      await isWritten(tape)
    }
    const before = tape.end.seq
    for (let n = 0; n < 50; n++) await turn()
    assert.equal(tape.end.seq, before, 'it writes by itself without end')
    assert.ok(before <= 65 + 5 * 60, `${before}`)
  })

  test('after a crash the books are unknown until a snapshot, whatever deltas come', async t => {
    const folder = tempFolder(t)
    const tape = await openTape(t, folder)
    tape.append([whole('A'), part('A', { bids: [[9, 1]] })])
    await isWritten(tape)
    const copy = copyOf(t, folder)
    const again = await openFileTape({ folder: copy, log: silentLog, clock: handClock(START) })
    t.after(() => again.close())
    again.append([part('A', { bids: [[8, 1]], at: 70_000 })])
    again.append([part('A', { bids: [[7, 1]], at: 140_000 })])
    const events = await readAll(again)
    assert.equal(keyframesOf(events).length, 0)
    assert.equal(bookOf(events)?.synced, false, 'a reader is told that something is missing')
    again.append([whole('A', { at: 150_000 }), part('A', { bids: [[8, 2]], at: 220_000 })])
    const more = await readAll(again)
    assert.deepEqual(keyframesOf(more)[0]?.bids, [
      [10, 1],
      [8, 2],
    ])
  })

  test('who asks for the books gets them whole before the first event, wherever it begins', async t => {
    const clock = handClock(START)
    const options = { clock, capacity: 64, segmentBytes: 3_000 }
    const tape = await openTape(t, tempFolder(t), options)
    const memory = memoryTape({ capacity: 1_024 })
    const put = (...events: MarketEvent[]) => {
      memory.append(events.map(event => createEvent({ ...event } as never)))
      tape.append(events)
    }
    put(whole('Q', { bids: [[7, 7]] }), whole('A'))
    for (let n = 1; n <= 300; n++) {
      put(part('A', { bids: [[1 + (n % 9), n % 4]], at: n * 10 }), trade(n * 10))
      if (n % 2 === 0) await isWritten(tape)
    }
    assert.ok(filesOf(tape.folder).length > 3)
    const topics = ['A', 'Q'].map(symbol => ({ source: 's', kind: 'book', symbol }) as const)
    for (const log of [tape, memory]) {
      const all = await readAll(log)
      for (const from of [
        ...[2, 3, 50, 299, 555, all.length - 1].map(seq => ({ tape: log.id, seq })),
        { time: START + 1_234 },
        { time: START + 3_000 },
      ]) {
        for (const wanted of [undefined, topics]) {
          const events = await readAll(log, {
            from,
            books: true,
            ...(wanted && { topics: wanted }),
          })
          const plain = await readAll(log, { from, ...(wanted && { topics: wanted }) })
          const frames = events.filter(event => event.seq === undefined)
          assert.deepEqual(events.slice(frames.length), plain, 'nothing else is changed')
          const first = plain[0]
          const before = first ? all.slice(0, first.seq! - 1) : all
          for (const symbol of ['A', 'Q']) {
            const frame = frames.find(event => event.symbol === symbol) as Book | undefined
            assert.deepEqual(
              [frame?.bids, frame?.asks],
              [bookOf(before, symbol)?.bids(), bookOf(before, symbol)?.asks()],
              `${symbol} before ${first?.seq}`,
            )
          }
        }
      }
      const start = await readAll(log, { from: 'start', books: true })
      assert.deepEqual(start, all)
    }
    await memory.close()
  })

  test('a live reader gets the books at once, and then goes on', async () => {
    const memory = memoryTape()
    memory.append([whole('A'), part('A', { bids: [[9, 3]] })])
    const steps = memory.read({ books: true })[Symbol.asyncIterator]()
    const { value: first = [] } = await steps.next()
    assert.deepEqual(
      first.map((event: MarketEvent) => [event.seq, event.type === 'book' && event.bids]),
      [
        [
          undefined,
          [
            [10, 1],
            [9, 3],
          ],
        ],
      ],
    )
    memory.append([part('A', { bids: [[9, 0]] })])
    assert.equal((await steps.next()).value?.[0]?.seq, 3)
    await steps.return?.()
    await memory.close()
  })

  test('a replay that begins in the middle knows the books, and waits no longer for that', async () => {
    const clock = handClock(START)
    const memory = memoryTape()
    memory.append([whole('A', { bids: [[5, 5]] })])
    memory.append([part('A', { bids: [[6, 6]], at: 30_000 })])
    memory.append([
      part('A', { bids: [[7, 7]], at: 90_000 }),
      part('A', { bids: [[8, 8]], at: 91_000 }),
    ])
    const feed = openFeed(replay({ tape: memory, from: START + 80_000 }), { clock, leases: false })
    const seen: Book[] = []
    feed.books('A', event => seen.push(event))
    const live = feed.book('A')
    for (let n = 0; n < 20; n++) await clock.advance(1)
    assert.deepEqual(
      seen.map(event => [event.snapshot, event.receivedAt - START]),
      [
        [true, 90_000],
        [false, 90_000],
      ],
    )
    assert.ok(hasFlag(seen[0]!, 'replayed'))
    assert.deepEqual(live.book.bids(), [
      [7, 7],
      [6, 6],
      [5, 5],
    ])
    await clock.advance(1_000)
    await feed.done
    assert.deepEqual(live.book.bestBid, [8, 8], 'what was known at the end can still be read')
    await memory.close()
  })

  test('books before a hole are not known behind it', async () => {
    const memory = memoryTape({ capacity: 16 })
    memory.append([whole('A')])
    for (let n = 1; n <= 40; n++) memory.append([part('A', { bids: [[9, n]], at: n })])
    const from = { tape: memory.id, seq: 38 }
    const events = await readAll(memory, { from, books: true })
    assert.deepEqual(
      events.map(event => event.seq),
      [39, 40, 41],
    )
    await memory.close()
  })

  test('who begins at a time gets the next keyframe, and from there on the right book', async t => {
    const clock = handClock(START)
    const tape = await openTape(t, tempFolder(t), { clock, capacity: 64 })
    tape.append([whole('A')])
    for (let second = 1; second <= 300; second++) {
      tape.append([part('A', { bids: [[1 + (second % 9), second]], at: second * 1_000 })])
      await isWritten(tape)
    }
    const topics = [{ source: 's', kind: 'book', symbol: 'A' } as const]
    const truth = bookOf(await readAll(tape))!
    for (const from of [{ time: START + 100_000 }, { tape: tape.id, seq: 42 }]) {
      const events = await readAll(tape, { from, topics })
      const books = new Books()
      let waited = 0
      for (const event of events) if (!books.accept(event)?.synced) waited++
      assert.ok(waited > 0 && waited < 60, `${waited} parts without a book`)
      assert.deepEqual(books.get('s', 'A')?.bids(), truth.bids())
    }
  })
})
