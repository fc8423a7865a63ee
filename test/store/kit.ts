// What the tests of the embedded store share: folders, tapes, stores, and events of every kind with every field.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import {
  createEvent,
  EVENT_TYPES,
  type EventType,
  KINDS,
  type MarketEvent,
} from '../../src/market/events.ts'
import { type EmbeddedStore, openStore, type StoreOptions } from '../../src/store/embedded.ts'

export const DAY_MS = 86_400_000
export const START = Date.UTC(2025, 5, 2, 13, 30)

const endings = new WeakMap<TestContext, (() => unknown)[]>()

/** Does something at the end of a test: what was begun last ends first. */
export function atEnd(t: TestContext, end: () => unknown): void {
  const known = endings.get(t)
  if (known) {
    known.push(end)
    return
  }
  const list = [end]
  endings.set(t, list)
  t.after(async () => {
    for (const each of list.reverse()) await each()
  })
}

/** A folder that goes with the test. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-store-'))
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function open(
  t: TestContext,
  folder: string,
  options: Partial<StoreOptions> = {},
): Promise<EmbeddedStore> {
  const store = await openStore({ folder, log: silentLog, threads: 1, memoryMb: 256, ...options })
  atEnd(t, () => store.close())
  return store
}

export async function collect<T>(items: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for await (const batch of items) all.push(...batch)
  return all
}

/** Rows of a question. */
export async function rowsOf(store: EmbeddedStore, sql: string): Promise<unknown[]> {
  const { rows } = await store.sql(sql)
  return collect(rows)
}

export async function* once<T>(...batches: T[]): AsyncGenerator<T> {
  yield* batches
}

/** Events by kind, with every field there or absent, and values that are easily lost. */
export function manyEvents(count: number, seed: number, kinds = EVENT_TYPES): MarketEvent[] {
  const random = seededRandom(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const doubles = [0.1, -0, 1 / 3, 5e-324, 1.7976931348623157e308, 123456.789, 100, 1e-7, -2.5]
  const texts = ['A', '', 'ab', "it's", 'déjà vu €', 'a text beyond twelve bytes', '𝔘', 'x\ny']
  const value = (kind: EventType, field: string): unknown => {
    if (/^(id|originalId)$/.test(field)) {
      return pick([1, 2 ** 53 - 1, 0, -5, 'text-id', '17', '', 1.5, undefined])
    }
    if (/onditions$/.test(field)) return pick([[], ['@'], ['@', 'F', 'T'], ['', 'I'], undefined])
    if (field === 'symbols') return pick([[], ['AAPL', 'BTC/USD']])
    if (field === 'bids' || field === 'asks') {
      return pick<unknown>([
        [],
        [[1.5, 2]],
        [
          [100.25, 0],
          [99.5, 1 / 3],
        ],
      ])
    }
    if (field === 'snapshot' || field === 'final') return random() < 0.5
    if (field === 'side') return pick(['buy', 'sell', undefined])
    if (field === 'action') return pick(['cancel', 'error'])
    if (field === 'interval') return pick(['1m', '5m', '1d'])
    if (field === 'adjustment') return pick(['raw', 'split', undefined])
    if (field === 'notice') return pick(['connected', 'gap', 'clock'])
    if (field === 'kind') return pick(['trade', undefined])
    if (/headline|message|statusCode/.test(field)) return pick(texts)
    const words =
      /xchange$|^tape$|name|status|reason|indicator|auction|summary|content|author|url|publisher|code/
    if (words.test(field)) return pick([...texts, undefined])
    const required =
      /^(price|size|open|high|low|close|volume|revision|limitUp|limitDown|original(Price|Size))$/
    const may =
      required.test(field) && kind !== 'imbalance' && kind !== 'cancel' && kind !== 'ticker'
    return may ? pick(doubles) : pick([...doubles, undefined])
  }
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i % kinds.length]!
    const own = Object.fromEntries(KINDS[kind].fields.map(field => [field, value(kind, field)]))
    const nameless = kind === 'notice' || kind === 'news'
    const timestamp = START + Math.floor(random() * 3_600_000)
    return createEvent({
      type: kind,
      symbol: pick(nameless ? ['AAPL', undefined] : ['AAPL', 'BTC/USD', 'NSE:RELIANCE-LONG-NAME']),
      source: pick(['alpaca', 'a source with a long name']),
      timestamp,
      nanos: Math.floor(random() * 1_000_000),
      receivedAt: timestamp + random() * 50,
      flags: Math.floor(random() * 256),
      ...own,
    } as Parameters<typeof createEvent>[0])
  })
}
