import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { type BackfillOptions, backfill } from '../../src/app/backfill.ts'
import { TickwireError } from '../../src/base/errors.ts'
import type { Provider } from '../../src/feed/provider.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'
import { tempFolder } from '../store/kit.ts'

const DAY_MS = 86_400_000
/** A Monday, at midnight UTC. */
const MONDAY = Date.UTC(2025, 5, 2)

/** A vendor with a trade, and a bar, at noon of every day; faults are thrown before, or behind, what it answers. */
class Vendor {
  readonly asked: HistoryRequest[] = []
  fault: ((request: HistoryRequest) => Error | undefined) | undefined
  behind: ((request: HistoryRequest) => Error | undefined) | undefined

  readonly provider = {
    id: 'vendor',
    capabilities: {
      title: 'Vendor',
      kinds: ['trade', 'quote', 'bar'],
      nature: 'live',
      history: ['trade', 'bar'],
    },
    history: (request: HistoryRequest) => this.#history(request),
  } as unknown as Provider

  async *#history(request: HistoryRequest): AsyncGenerator<MarketEvent[]> {
    this.asked.push(request)
    const { kind, symbols, from, to, source = '', interval = '1m', signal } = request
    const fault = this.fault?.(request)
    if (fault) throw fault
    for (let day = Math.floor(from / DAY_MS) * DAY_MS; day <= to; day += DAY_MS) {
      const timestamp = day + DAY_MS / 2
      if (timestamp < from || timestamp > to) continue
      const head = { symbol: symbols[0]!, source, timestamp }
      const bar = { open: 1, high: 1, low: 1, close: 1, volume: 5, interval }
      yield kind === 'bar'
        ? [
            createEvent({ type: 'bar', ...head, ...bar, final: true, revision: 0 }),
            createEvent({ type: 'bar', ...head, ...bar, final: false, revision: 0 }),
          ]
        : [
            createEvent({ type: 'trade', ...head, price: 1, size: 1, id: day }),
            createEvent({ type: 'trade', ...head, price: -1, size: 1, id: 1 }),
          ]
      if (signal?.aborted) throw new TickwireError('CLOSED', 'given up')
    }
    const behind = this.behind?.(request)
    if (behind) throw behind
  }
}

function setUp(t: TestContext) {
  const vendor = new Vendor()
  const clock = handClock(MONDAY + 30 * DAY_MS)
  const store = tempFolder(t)
  const merges: MarketEvent[][] = []
  const all = () => merges.flat()
  const into: BackfillOptions['into'] = {
    async merge(events) {
      const known = new Set(all().map(it => JSON.stringify(it)))
      const taken: MarketEvent[] = []
      let count = 0
      for await (const batch of events) {
        count += batch.length
        taken.push(...batch.filter(it => !known.has(JSON.stringify(it))))
      }
      merges.push(taken)
      return { added: taken.length, known: count - taken.length }
    },
  }
  const run = (options: Partial<BackfillOptions> = {}) =>
    backfill({
      ...{ provider: vendor.provider, symbols: ['SPY'], kinds: ['trade'], into, store, clock },
      ...{ from: MONDAY, to: MONDAY + 7 * DAY_MS - 1 },
      ...options,
    })
  return { vendor, clock, store, merges, all, run }
}

const daysOf = (vendor: Vendor) => vendor.asked.map(({ from }) => new Date(from).getUTCDate())

/** Turns the clock on until something is done. */
async function turning<T>(clock: HandClock, work: Promise<T>): Promise<T> {
  let isDone = false
  const done = () => {
    isDone = true
  }
  work.then(done, done)
  while (!isDone) {
    await clock.advance(1_000)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  return work
}

describe('a backfill', () => {
  it('asks for each day a market is open, once, and stores what can be true', async t => {
    const { vendor, all, run } = setUp(t)
    const first = await run()
    assert.deepEqual(daysOf(vendor), [2, 3, 4, 5, 6])
    assert.deepEqual([first.added, first.refused, first.closed, first.isWhole], [5, 5, 2, true])
    assert.ok(all().every(it => it.source === 'vendor' && it.type === 'trade' && it.price > 0))
    const again = await run({ to: MONDAY + 8 * DAY_MS - 1 })
    assert.deepEqual(daysOf(vendor).slice(5), [9])
    assert.deepEqual([again.added, again.before], [1, 5])
    const anew = await run({ again: true })
    assert.deepEqual([anew.added, anew.known, anew.asked], [0, 5, 5])
  })

  it('asks once for what is named twice', async t => {
    const { vendor, run } = setUp(t)
    await run({ symbols: ['SPY', 'SPY'], kinds: ['trade', 'trade'] })
    const { asked } = vendor
    assert.equal(new Set(asked.map(it => `${it.kind} ${it.symbols} ${it.from}`)).size, asked.length)
  })

  it('asks again for a day of which only a part has come', async t => {
    const { vendor, run } = setUp(t)
    await run({ to: MONDAY + 15 * 3_600_000 })
    await run({ to: MONDAY + DAY_MS - 1 })
    await run({ from: MONDAY + 15 * 3_600_000, to: MONDAY + DAY_MS - 1 })
    assert.deepEqual(daysOf(vendor), [2, 2])
  })

  it('leaves no holiday to be asked, and no hour of a market around the clock out', async t => {
    const { vendor, run } = setUp(t)
    const july4 = Date.UTC(2025, 6, 4)
    const clock = handClock(july4 + 30 * DAY_MS)
    const range = { from: july4, to: july4 + DAY_MS - 1, clock }
    assert.equal((await run({ symbols: ['SPY'], ...range })).closed, 1)
    assert.equal((await run({ symbols: ['BTC/USD'], ...range })).asked, 1)
    assert.deepEqual(
      vendor.asked.map(({ symbols }) => symbols),
      [['BTC/USD']],
    )
  })

  it('asks for bars of several days at once, records how they are adjusted, and keeps no forming one', async t => {
    const { vendor, all, run } = setUp(t)
    await run({ kinds: ['bar'], interval: '1h', adjustment: 'split' })
    assert.deepEqual(
      vendor.asked.map(({ interval, adjustment }) => [interval, adjustment]),
      [['1h', 'split']],
    )
    const bars = all()
    assert.ok(bars.length >= 5)
    assert.ok(bars.every(it => it.type === 'bar' && it.final && it.adjustment === 'split'))
    await run({ kinds: ['bar'], interval: '1h', adjustment: 'raw' })
    assert.equal(vendor.asked.length, 2, 'another adjustment is another question')
    await run({ kinds: ['bar'], interval: '1h', adjustment: 'split' })
    assert.equal(vendor.asked.length, 2)
  })

  it('keeps what has come when the vendor fails, and goes on behind it', async t => {
    const { vendor, all, run } = setUp(t)
    vendor.fault = ({ from }) =>
      from === MONDAY + 2 * DAY_MS
        ? new TickwireError('NOT_ENTITLED', 'not in your plan', { hint: 'Get another.' })
        : undefined
    await assert.rejects(run(), {
      code: 'NOT_ENTITLED',
      hint: 'Get another. What has come is stored; the same command goes on behind it.',
    })
    assert.equal(all().length, 2)
    vendor.fault = undefined
    assert.equal((await run()).before, 2)
    assert.deepEqual(daysOf(vendor), [2, 3, 4, 4, 5, 6])
    assert.equal(all().length, 5)
  })

  it('asks again after a fault that passes, with nothing twice, and gives up at last', async t => {
    const { vendor, clock, all, run } = setUp(t)
    let faults = 2
    vendor.behind = ({ from }) =>
      from === MONDAY + DAY_MS && faults-- > 0
        ? new TickwireError('CONNECTION_LOST', 'gone')
        : undefined
    const waits: number[] = []
    const running = run({ onRetry: (_, waitMs) => waits.push(waitMs) })
    const done = await turning(clock, running)
    assert.deepEqual(waits, [1_000, 5_000])
    assert.deepEqual([done.added, done.known], [5, 2])
    assert.equal(all().length, 5)
    vendor.behind = () => new TickwireError('CONNECTION_LOST', 'gone')
    await assert.rejects(turning(clock, run({ again: true })), { code: 'CONNECTION_LOST' })
  })

  it('stores what has come when it is ended, and knows it', async t => {
    const { vendor, all, run } = setUp(t)
    const end = new AbortController()
    vendor.fault = ({ from }) => {
      if (from === MONDAY + 2 * DAY_MS) end.abort()
      return undefined
    }
    const done = await run({ signal: end.signal })
    assert.equal(done.isWhole, false)
    assert.equal(done.asked, 2)
    assert.ok(all().length >= 2)
    vendor.fault = undefined
    assert.equal((await run()).isWhole, true)
    assert.equal(all().length, 5)
  })

  it('asks again for a day that had not been over long enough', async t => {
    const { vendor, run } = setUp(t)
    const clock = handClock(MONDAY + DAY_MS + 60_000)
    await run({ clock, to: MONDAY + DAY_MS - 1 })
    await clock.advance(2 * 3_600_000)
    await run({ clock, to: MONDAY + DAY_MS - 1 })
    await run({ clock, to: MONDAY + DAY_MS - 1 })
    assert.deepEqual(daysOf(vendor), [2, 2])
  })

  it('reads a journal that a kill has cut off, and none of a newer form', async t => {
    const { vendor, store, run } = setUp(t)
    await run({ to: MONDAY + 2 * DAY_MS - 1 })
    const journal = join(store, 'backfill.ndjson')
    const text = readFileSync(journal, 'utf8')
    writeFileSync(journal, text.slice(0, -20))
    await run({ to: MONDAY + 3 * DAY_MS - 1 })
    assert.deepEqual(daysOf(vendor), [2, 3, 3, 4])
    assert.equal((await run({ to: MONDAY + 3 * DAY_MS - 1 })).before, 3)
    writeFileSync(journal, text.replace('"version":1', '"version":2'))
    await assert.rejects(run(), { code: 'STORE_TOO_NEW' })
  })

  it('says what a provider has no history of', async t => {
    const { vendor, run } = setUp(t)
    await assert.rejects(run({ kinds: ['quote'] }), { code: 'UNSUPPORTED', message: /of quotes/ })
    const { history: _, ...without } = vendor.provider
    await assert.rejects(run({ provider: without as Provider }), { code: 'UNSUPPORTED' })
    await assert.rejects(run({ from: 5, to: 4 }), { code: 'BAD_OPTION' })
  })
})
