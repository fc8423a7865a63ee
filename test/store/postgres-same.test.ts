// What is asked of PostgreSQL is answered as the embedded store answers it, whatever is asked.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import { createEvent, EVENT_TYPES, type MarketEvent } from '../../src/market/events.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  collect,
  DAY_MS,
  manyEvents,
  once,
  open as openEmbedded,
  START,
  tempFolder,
} from './kit.ts'
import { database, open, skip } from './postgres-kit.ts'

const ALL = { symbols: ['*'], from: 0, to: Number.MAX_SAFE_INTEGER } as const

/** Trades of two days with conditions, corrections and cancels, ties in time, and stored bars of one symbol. */
function market(): MarketEvent[] {
  const events: MarketEvent[] = []
  const codes = [['@'], ['@', 'I'], ['@', 'T'], ['@', 'Z'], ['M']]
  for (let i = 0; i < 1_500; i++) {
    const timestamp = START + (i % 2) * DAY_MS + Math.floor(i / 3) * 1_700
    const of = { source: 'alpaca', symbol: i % 3 === 0 ? 'SPY' : 'TSLA', timestamp, exchange: 'V' }
    const price = 100 + ((i * 7) % 50) / 10
    const conditions = codes[i % 5]!
    events.push(
      createEvent({
        type: 'trade',
        ...of,
        id: i,
        price,
        size: 1 + (i % 200),
        conditions,
        tape: 'C',
      }),
    )
    if (i % 97 === 0) events.push(createEvent({ type: 'cancel', ...of, id: i, action: 'error' }))
    if (i % 101 === 0) {
      events.push(
        createEvent({
          ...{ type: 'correction', ...of, originalId: i, originalPrice: price, originalSize: 1 },
          ...{ id: i + 10_000, price: price + 1, size: 5, conditions: ['@'] },
        }),
      )
    }
    if (i < 20) {
      const prices = { open: 1, high: 2, low: 1, close: 2, volume: 3 + i, final: i % 4 > 0 }
      events.push(
        createEvent({
          ...{ type: 'bar', symbol: 'QQQ', source: 'alpaca', interval: '1m', revision: i % 3 },
          ...{ timestamp: START + Math.floor(i / 4) * 60_000, ...prices },
        }),
      )
    }
  }
  return events
}

describe('PostgreSQL and the embedded store', { skip }, () => {
  it('answer the same', async t => {
    const clock = handClock(START + 5 * DAY_MS)
    const tape = memoryTape()
    tape.append([
      ...market(),
      ...manyEvents(
        1_200,
        5,
        EVENT_TYPES.filter(kind => kind !== 'bar'),
      ),
    ])
    const embedded = await openEmbedded(t, tempFolder(t), { clock })
    const postgres = await open(t, await database(t), { clock })
    await Promise.all([
      embedded.follow(tape, { live: false }),
      postgres.follow(tape, { live: false }),
    ])
    const merged = manyEvents(300, 8, ['trade', 'quote'])
    assert.deepEqual(await postgres.merge(once(merged)), await embedded.merge(once(merged)))
    const half = { from: START + 60_000, to: START + DAY_MS + 600_000 }
    const asked: HistoryRequest[] = [
      ...EVENT_TYPES.filter(kind => kind !== 'bar').map(kind => ({ ...ALL, kind })),
      { ...ALL, kind: 'trade', symbols: ['SPY', 'BTC/USD'], source: 'alpaca' },
      { ...half, kind: 'trade', symbols: ['TSLA'] },
      ...(['1m', '5m', '1h', '1d', '50t'] as const).map(
        (interval): HistoryRequest => ({
          ...ALL,
          kind: 'bar',
          interval,
          symbols: ['SPY', 'TSLA', 'QQQ'],
        }),
      ),
      { ...half, kind: 'bar', interval: '1m', symbols: ['SPY', 'QQQ'] },
      { ...ALL, kind: 'bar', interval: '1m', adjustment: 'split' },
    ]
    for (const request of asked) {
      const [theirs, ours] = await Promise.all([
        collect(embedded.history(request)),
        collect(postgres.history(request)),
      ])
      assert.ok(ours.length > 0 || request.adjustment, JSON.stringify(request))
      assert.deepEqual(ordered(ours), ordered(theirs), JSON.stringify(request))
    }
    for (const kind of ['trade', 'quote', 'bar'] as const) {
      for (const time of [START + 90_000, START + 2 * DAY_MS]) {
        const request = { kind, symbols: ['TSLA', 'QQQ', 'SPY'], time }
        assert.deepEqual(await postgres.asOf(request), await embedded.asOf(request))
      }
    }
    const about = (holdings: Awaited<ReturnType<typeof postgres.holdings>>) =>
      holdings.map(({ day, kind, rows, symbols }) => `${day} ${kind} ${rows} ${symbols}`).sort()
    const days = new Map<string, number>()
    for (const { day, kind, rows } of await embedded.holdings()) {
      days.set(`${day} ${kind}`, (days.get(`${day} ${kind}`) ?? 0) + rows)
    }
    assert.deepEqual(
      about(await postgres.holdings()).map(line => line.split(' ').slice(0, 3).join(' ')),
      [...days].map(([of, rows]) => `${of} ${rows}`).sort(),
    )
  })
})

/** In order of time; those of one nanosecond, which may stand in any order, by what they are. */
function ordered(events: readonly MarketEvent[]): MarketEvent[] {
  const keyed = events.map(event => ({ event, key: JSON.stringify(Object.values(event)) }))
  keyed.sort(
    (a, b) =>
      a.event.timestamp - b.event.timestamp ||
      a.event.nanos - b.event.nanos ||
      (a.key < b.key ? -1 : 1),
  )
  return keyed.map(({ event }) => event)
}
