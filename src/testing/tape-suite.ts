import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Position } from '../flow/contracts.ts'
import { createEvent, hasFlag, type MarketEvent } from '../market/events.ts'
import type { Tape } from '../tape/tape.ts'

export interface TapeFixture {
  readonly tape: Tape
  /** Called when a test is done with it. */
  remove?(): Promise<void>
}

/**
 * What every tape must do. `open` makes an empty tape that holds about `capacity` events (for a tape without such a
 * bound: that many before its retention lets go).
 */
export function tapeSuite(
  name: string,
  open: (capacity: number) => Promise<TapeFixture> | TapeFixture,
): void {
  const check = (title: string, capacity: number, body: (tape: Tape) => Promise<void>) =>
    test(title, async () => {
      const { tape, remove } = await open(capacity)
      try {
        await body(tape)
      } finally {
        await tape.close()
        await remove?.()
      }
    })

  describe(`${name} as a tape`, () => {
    check('numbers events from 1 without a hole', 64, async tape => {
      const first = trades(3)
      tape.append(first)
      tape.append(trades(2))
      assert.deepEqual(
        first.map(event => event.seq),
        [1, 2, 3],
      )
      assert.deepEqual(tape.end, { tape: tape.id, seq: 5 })
    })

    check(
      'reads from the start and goes on live, without hole or repeat at the join',
      1_024,
      async tape => {
        tape.append(trades(10))
        const reading = collect(tape, { from: 'start' }, 30)
        for (let i = 0; i < 20; i++) {
          await turn()
          tape.append(trades(1))
        }
        assert.deepEqual(
          (await reading).map(event => event.seq),
          range(1, 30),
        )
      },
    )

    check('reads from the first event received at or after a time', 1_024, async tape => {
      tape.append([trade('SPY', 10), trade('SPY', 20), trade('SPY', 20), trade('SPY', 30)])
      for (const [time, seqs] of [
        [0, [1, 2, 3, 4]],
        [11, [2, 3, 4]],
        [20, [2, 3, 4]],
        [30, [4]],
        [31, []],
      ] as const) {
        const seen = await collect(tape, { from: { time }, live: false }, 9)
        assert.deepEqual(
          seen.map(event => event.seq),
          seqs,
          `from ${time}`,
        )
      }
    })

    check('without `live` it ends behind what was there at the call', 1_024, async tape => {
      assert.deepEqual(await collect(tape, { from: 'start', live: false }, 9), [])
      tape.append(trades(3))
      const reading = tape.read({ from: 'start', live: false })
      tape.append(trades(3))
      const seen: MarketEvent[] = []
      for await (const batch of reading) seen.push(...batch)
      assert.deepEqual(
        seen.map(event => event.seq),
        [1, 2, 3],
      )
    })

    check('what is written is read in order too', 1_024, async tape => {
      const reading = collect(tape, { from: 'start', written: true }, 30)
      for (let i = 0; i < 15; i++) {
        tape.append(trades(2))
        assert.ok(tape.written.seq <= tape.end.seq)
        await turn()
      }
      assert.deepEqual(
        (await reading).map(event => event.seq),
        range(1, 30),
      )
      assert.ok(tape.written.seq === 30)
    })

    check('reads from any position', 1_024, async tape => {
      tape.append(trades(4))
      const position = tape.end
      tape.append(trades(4))
      assert.deepEqual(
        (await collect(tape, { from: position }, 4)).map(e => e.seq),
        range(5, 8),
      )
    })

    check('"now" is the moment of the call, not of the first step', 1_024, async tape => {
      tape.append(trades(3))
      const steps = tape.read()[Symbol.asyncIterator]()
      tape.append(trades(2))
      const { value } = await steps.next()
      assert.deepEqual(
        value?.map((event: MarketEvent) => event.seq),
        [4, 5],
      )
      await steps.return?.()
    })

    check(
      'many readers see the same order, and a slow one does not delay the writer',
      1_024,
      async tape => {
        const readings = [1, 2, 3].map(() => collect(tape, { from: 'start' }, 200))
        const idle = tape.read({ from: 'start' })[Symbol.asyncIterator]()
        for (let i = 0; i < 100; i++) {
          tape.append(trades(2))
          if (i % 10 === 0) await turn()
        }
        for (const seen of await Promise.all(readings)) {
          assert.deepEqual(
            seen.map(event => event.seq),
            range(1, 200),
          )
        }
        assert.equal((await idle.next()).value?.[0]?.seq, 1)
        await idle.return?.()
      },
    )

    check('filters by topic; notices always come', 1_024, async tape => {
      tape.append([
        trade('SPY'),
        trade('TSLA'),
        createEvent({ type: 'notice', timestamp: 1, notice: 'connected', message: 'hello' }),
        createEvent({ type: 'quote', symbol: 'SPY', source: 's', timestamp: 1, bid: 1 }),
      ])
      const topics = [{ source: '*', kind: 'trade', symbol: 'SPY' } as const]
      const seen = await collect(tape, { from: 'start', topics }, 2)
      assert.deepEqual(
        seen.map(event => event.type),
        ['trade', 'notice'],
      )
    })

    check(
      'a book that moves stands on it whole once a minute, numbered like the rest',
      1_024,
      async tape => {
        tape.append([book(0, true), book(30_000), book(60_000), book(61_000)])
        tape.append([trade('SPY', 62_000), book(62_000)])
        const seen = await collect(tape, { from: 'start', live: false }, 9)
        assert.deepEqual(
          seen.map(event => event.seq),
          range(1, 7),
        )
        const frames = seen.filter(event => hasFlag(event, 'conflated'))
        assert.deepEqual(
          frames.map(
            event => event.type === 'book' && [event.snapshot, event.seq, event.bids.length],
          ),
          [[true, 5, 4]],
        )
      },
    )

    check('a reader that retention has passed is told how much it missed', 8, async tape => {
      const position = tape.end
      tape.append(trades(100))
      const { start, end } = tape
      assert.ok(start.seq > 0)
      const [first, ...rest] = await collect(tape, { from: position }, 1 + end.seq - start.seq)
      assert.ok(first?.type === 'notice')
      assert.deepEqual(
        [first.notice, first.count, first.from, first.to, first.seq],
        ['skipped', start.seq, 1, start.seq, undefined],
      )
      assert.deepEqual(
        rest.map(event => event.seq),
        range(start.seq + 1, end.seq),
      )
    })

    check('a reader overtaken while it reads is told too, exactly', 8, async tape => {
      const steps = tape.read({ from: 'start' })[Symbol.asyncIterator]()
      let [seen, missed, next] = [0, 0, 1]
      for (let round = 0; round < 20; round++) {
        tape.append(trades(1 + ((round * 7) % 23)))
        for (const event of ((await steps.next()).value ?? []) as MarketEvent[]) {
          if (event.type === 'notice') {
            assert.equal(event.from, next)
            missed += event.count!
            next += event.count!
          } else {
            assert.equal(event.seq, next++)
            seen++
          }
        }
      }
      assert.ok(missed > 0 && seen > 0)
      assert.equal(next - 1, seen + missed)
      await steps.return?.()
    })

    check('a position of another tape is reset, never served', 64, async tape => {
      tape.append(trades(3))
      const from: Position = { tape: 'another', seq: 2 }
      const seen = await collect(tape, { from }, 4)
      assert.ok(seen[0]?.type === 'notice' && seen[0].notice === 'reset')
      assert.deepEqual(
        seen.slice(1).map(event => event.seq),
        [1, 2, 3],
      )
    })

    check('a position the tape has not reached is refused', 64, async tape => {
      const from = { tape: tape.id, seq: 9 }
      await assert.rejects(async () => collect(tape, { from }, 1), { code: 'BAD_POSITION' })
    })

    check('reading ends with the signal, also while it waits', 64, async tape => {
      const abort = new AbortController()
      const reading = collect(tape, { signal: abort.signal }, 1)
      await turn()
      abort.abort()
      assert.deepEqual(await reading, [])
    })

    check('a reading that waits can be ended from outside', 64, async tape => {
      const steps = tape.read()[Symbol.asyncIterator]()
      const waiting = steps.next()
      await turn()
      await steps.return?.()
      assert.equal((await waiting).done, true)
    })

    check('reading ends with the tape, after the last event', 64, async tape => {
      const reading = collect(tape, { from: 'start' }, 100)
      tape.append(trades(3))
      await tape.close()
      assert.equal((await reading).length, 3)
      assert.throws(() => tape.append(trades(1)), { code: 'CLOSED' })
    })
  })
}

const book = (at: number, snapshot = false) =>
  createEvent({
    ...{ type: 'book', symbol: 'A', source: 's', timestamp: at, receivedAt: at },
    ...{ bids: [[1 + at, 1]], asks: [], snapshot },
  })
const trade = (symbol: string, receivedAt = 1) =>
  createEvent({ type: 'trade', symbol, source: 's', timestamp: 1, receivedAt, price: 1, size: 1 })
const trades = (count: number) => Array.from({ length: count }, () => trade('SPY'))
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)
const turn = () => new Promise(resolve => setImmediate(resolve))

async function collect(
  tape: Tape,
  options: Parameters<Tape['read']>[0],
  count: number,
): Promise<MarketEvent[]> {
  const seen: MarketEvent[] = []
  for await (const batch of tape.read(options)) {
    assert.ok(batch.length > 0)
    seen.push(...batch)
    if (seen.length >= count) break
  }
  return seen
}
