import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventType,
  fieldsOf,
  type MarketEvent,
} from '../../src/market/events.ts'
import { tableOf } from '../../src/store/columns.ts'
import type { EmbeddedStore } from '../../src/store/embedded.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { collect, DAY_MS, manyEvents, once, open, rowsOf, START, tempFolder } from './kit.ts'

/*
 * A store beside a naive one, an array with the rules of docs/store.md: whatever comes on the tape or from elsewhere, in
 * whatever order and however often, and whatever is sealed, put together, opened anew or made anew in between, both have
 * the same events.
 */

/** What makes two events of a day one: an id, where the rule goes by it, else all that the venue said. */
function keyOf(event: MarketEvent): { readonly key: string; readonly isId: boolean } {
  const of = event as unknown as Readonly<Record<string, unknown>>
  const { type, symbol, source, timestamp } = event
  const day = Math.floor(timestamp / DAY_MS)
  const place = [type, day, symbol, source]
  const told = (names: readonly string[]) => names.map(name => text(of[name]))
  if ((type === 'trade' || type === 'cancel') && of.id !== undefined) {
    return { key: [...place, ...told(['exchange', 'id'])].join('|'), isId: true }
  }
  if (type === 'correction' && of.originalId !== undefined) {
    const names = ['exchange', 'originalId', 'price', 'size']
    return { key: [...place, ...told(names)].join('|'), isId: true }
  }
  if (type === 'bar') {
    const prices = ['open', 'high', 'low', 'close', 'volume', 'tradeCount']
    const names = ['timestamp', 'nanos', 'interval', 'adjustment', ...prices]
    return { key: [...place, ...told(names)].join('|'), isId: true }
  }
  const ours = ['receivedAt', 'flags', 'seq']
  const names = fieldsOf(type).filter(name => !ours.includes(name))
  return { key: [...place, ...told(names)].join('|'), isId: false }
}

/** As SQL compares: 0 and -0 are the same. */
const text = (value: unknown): string =>
  value === undefined
    ? '-'
    : typeof value === 'number'
      ? `${value + 0}`
      : JSON.stringify(value, (_, one) => (one === 0 ? 0 : one))

interface Row {
  readonly event: MarketEvent
  readonly isMerged: boolean
  /** It has stood for a row of the tape. */
  isUsed: boolean
}

class Naive {
  readonly rows = new Map<string, Row[]>()

  #at(key: string): Row[] {
    const rows = this.rows.get(key) ?? []
    this.rows.set(key, rows)
    return rows
  }

  record(events: readonly MarketEvent[]): void {
    for (const event of events) {
      const { key, isId } = keyOf(event)
      const rows = this.#at(key)
      const known = rows.find(row => row.isMerged && (isId || !row.isUsed))
      if (known) known.isUsed = true
      else rows.push({ event, isMerged: false, isUsed: false })
    }
  }

  merge(events: readonly MarketEvent[]): { readonly added: number; readonly known: number } {
    let added = 0
    const left = new Map<string, number>()
    for (const event of events) {
      const { key, isId } = keyOf(event)
      const rows = this.#at(key)
      if (isId) {
        if (rows.length > 0) continue
      } else {
        const known = left.get(key) ?? rows.length
        left.set(key, known - 1)
        if (known > 0) continue
      }
      rows.push({ event, isMerged: true, isUsed: false })
      added++
    }
    return { added, known: events.length - added }
  }

  get events(): MarketEvent[] {
    return [...this.rows.values()].flat().map(({ event }) => event)
  }
}

/** All of an event, so that two that are the same bit for bit are one text. */
function whole(event: MarketEvent): string {
  const of = event as unknown as Readonly<Record<string, unknown>>
  const exact = (_: string, value: unknown) =>
    Object.is(value, -0) ? 'minus zero' : value === undefined ? 'nothing' : value
  return JSON.stringify(
    ['type', ...fieldsOf(event.type), 'seq'].map(name => [name, of[name]]),
    exact,
  )
}

async function allOf(store: EmbeddedStore, kind: EventType): Promise<MarketEvent[]> {
  return collect(store.history({ kind, symbols: ['*'], from: 0, to: Number.MAX_SAFE_INTEGER }))
}

/** Of bars the store shows one of each, as it was said last: those are compared by SQL. */
async function same(
  store: EmbeddedStore,
  naive: Naive,
  kinds: readonly EventType[],
  what: string,
): Promise<void> {
  for (const kind of kinds) {
    const expected = naive.events.filter(({ type }) => type === kind)
    const { view } = tableOf(kind)
    const [[count]] = (await rowsOf(store, `select count(*) from ${view}`)) as [[number]]
    assert.equal(count, expected.length, `${what}: rows of ${view}`)
    const received = (await rowsOf(store, `select received_ms from ${view}`)) as [number][]
    assert.deepEqual(
      received.map(([at]) => at).sort((a, b) => a - b),
      expected.map(({ receivedAt }) => receivedAt).sort((a, b) => a - b),
      `${what}: which of ${view}`,
    )
    if (kind === 'bar') continue
    assert.deepEqual(
      (await allOf(store, kind)).map(whole).sort(),
      expected.map(whole).sort(),
      `${what}: ${view}`,
    )
  }
}

/** Few different events of three days, so that the same comes again and again. */
function poolOf(random: Random, count: number, kinds: readonly EventType[]): MarketEvent[] {
  const events = manyEvents(count, Math.floor(random() * 1e9), kinds)
  return events.map(event => {
    const of = event as unknown as Record<string, unknown>
    return createEvent({
      ...Object.fromEntries(fieldsOf(event.type).map(name => [name, of[name]])),
      type: event.type,
      // Around midnight, as days are what rows are told apart by.
      timestamp:
        START - (START % DAY_MS) + Math.floor(random() * 3) * DAY_MS - (random() < 0.2 ? 1 : 0),
      nanos: random() < 0.5 ? 0 : 999_999,
    } as unknown as Parameters<typeof createEvent>[0])
  })
}

async function compare(t: TestContext, seed: number, steps: number): Promise<void> {
  const random = seededRandom(seed)
  const folder = tempFolder(t)
  const options = { quietMs: 0, lateMs: 0 }
  let store = await open(t, folder, options)
  const tape = memoryTape({ capacity: 65_536 })
  const naive = new Naive()
  const kinds = EVENT_TYPES.toSorted(() => random() - 0.5).slice(0, 3)
  const pool = poolOf(random, 24, kinds)
  let n = 0
  const draw = (count: number): MarketEvent[] =>
    Array.from({ length: count }, () => {
      const event = pool[Math.floor(random() ** 2 * pool.length)]!
      const of = event as unknown as Record<string, unknown>
      return createEvent({
        ...Object.fromEntries(fieldsOf(event.type).map(name => [name, of[name]])),
        ...{ type: event.type, receivedAt: START + ++n, flags: Math.floor(random() * 256) },
      } as unknown as Parameters<typeof createEvent>[0])
    })
  const done: string[] = []
  for (let step = 0; step < steps; step++) {
    const choice = random()
    if (choice < 0.35) {
      done.push('record')
      const events = draw(1 + Math.floor(random() * 40))
      tape.append(events)
      naive.record(events)
      await store.follow(tape, { live: false })
    } else if (choice < 0.7) {
      done.push('merge')
      const events = draw(1 + Math.floor(random() * 40))
      const expected = naive.merge(events)
      assert.deepEqual(await store.merge(once(events)), expected, `seed ${seed}: ${done}`)
    } else if (choice < 0.8) {
      done.push('seal')
      await store.seal()
    } else if (choice < 0.9) {
      done.push('compact')
      await store.compact()
    } else if (choice < 0.95) {
      done.push('open')
      await store.close()
      store = await open(t, folder, options)
      await store.follow(tape, { live: false })
    } else {
      done.push('rebuild')
      await store.rebuild(tape)
    }
    await same(store, naive, kinds, `seed ${seed}: ${done}`)
  }
  await store.close()
}

describe('a store and a naive one', () => {
  for (const seed of [1, 2]) {
    it(`have the same events, whatever was done, by seed ${seed}`, t => compare(t, seed, 10))
  }
})
