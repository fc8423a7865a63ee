/**
 * The embedded store: events from a tape into it, bars of a minute of ten million trades by SQL against the same bars by
 * `BarBuilder` from the trades in memory, a symbol's day read back, and how long the thread of the feed is held meanwhile.
 *
 * Ingest is compared with DuckDB's own appender, value by value, for rows of the same columns in this thread.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { DuckDBInstance } from '@duckdb/node-api'
import { silentLog } from '../src/base/log.ts'
import { seededRandom } from '../src/base/random.ts'
import { BarBuilder } from '../src/derive/bars.ts'
import type { ReadOptions } from '../src/flow/contracts.ts'
import { type Bar, type MarketEvent, stampSeq, Trade } from '../src/market/events.ts'
import { type EmbeddedStore, openStore } from '../src/store/embedded.ts'
import { median, type Row, report, spread } from './table.ts'

const SYMBOLS = 500
const BATCH = 4_096
const DAY = Date.UTC(2025, 5, 2)
const OPEN = DAY + 13.5 * 3_600_000
const SESSION_MS = 6.5 * 3_600_000
const LEAST = { ingest: 1e6, barsMs: 1_000, heldMs: 20 }

export async function main({
  rounds = 3,
  ticks = 10_000_000,
  json,
}: {
  rounds?: number
  ticks?: number
  json?: string
}): Promise<void> {
  const ingest: number[] = []
  const plain: number[] = []
  for (let round = 0; round < rounds; round++) {
    ingest.push(await ingestRate(Math.min(ticks, 2_000_000)))
    plain.push(await plainRate(300_000))
  }
  const held = await heldFor()
  const rows: Row[] = [
    atLeast('ingest', 'rows/s', ingest, LEAST.ingest),
    {
      ...{ name: 'ingest', unit: 'rows/s', value: median(ingest), peer: 'appender by value' },
      ...{ peerValue: median(plain), ratio: median(ingest) / median(plain) },
      ...{ spread: spread(ingest), rounds },
    },
    atMost('longest hold of the loop at 200,000/s', 'ms', held, LEAST.heldMs),
    ...(await barRows(ticks, rounds)),
  ]
  report(rows, json)
}

const atLeast = (name: string, unit: string, values: readonly number[], least: number): Row => ({
  ...{ name, unit, value: median(values), peer: 'at least', peerValue: least, budget: 1 },
  ...{ ratio: median(values) / least, spread: spread(values), rounds: values.length },
})

const atMost = (name: string, unit: string, values: readonly number[], most: number): Row => ({
  ...{ name, unit, value: median(values), peer: 'at most', peerValue: most, budget: 1 },
  ...{ ratio: most / median(values), spread: spread(values), rounds: values.length },
})

/** Trades of a session in order, some symbols far busier than others. */
class Market {
  readonly #random = seededRandom(7)
  readonly #names = Array.from({ length: SYMBOLS }, (_, i) => `S${i}`)
  readonly #prices = Float64Array.from(this.#names, (_, i) => 20 + i)
  readonly #exchanges = ['V', 'Q', 'P', 'N', 'K', 'D']
  readonly #conditions = [['@'], ['@', 'F'], ['@', 'I'], ['@', 'T'], ['@', 'F', 'I']]
  readonly #of: number
  #seq = 0

  constructor(of: number) {
    this.#of = of
  }

  batch(count: number): MarketEvent[] {
    const random = this.#random
    const events: MarketEvent[] = []
    for (let i = 0; i < count; i++) {
      const seq = ++this.#seq
      const symbol = Math.floor(SYMBOLS * random() ** 3)
      const price = (this.#prices[symbol]! += Math.round(random() * 4 - 2) / 100)
      const time = (seq / this.#of) * SESSION_MS
      const ms = Math.floor(time)
      const trade = new Trade(
        this.#names[symbol]!,
        'bench',
        OPEN + ms,
        Math.floor((time - ms) * 1_000_000),
        OPEN + time + 3,
        0,
        price,
        1 + Math.floor(random() * 300),
        50_000_000 + seq,
        this.#exchanges[Math.floor(random() * 6)],
        this.#conditions[Math.floor(random() ** 2 * 5)],
        'C',
        undefined,
      )
      stampSeq(trade, seq)
      events.push(trade)
    }
    return events
  }
}

/** A tape of so many trades. */
function tapeOf(count: number, kept?: MarketEvent[][]) {
  return {
    id: 'bench',
    async *read(_: ReadOptions = {}): AsyncGenerator<MarketEvent[]> {
      const market = new Market(count)
      for (let left = count; left > 0; left -= BATCH) {
        const batch = market.batch(Math.min(BATCH, left))
        kept?.push(batch)
        yield batch
      }
    },
  }
}

async function inStore<T>(use: (store: EmbeddedStore, folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-bench-store-'))
  const store = await openStore({ folder, log: silentLog })
  try {
    return await use(store, folder)
  } finally {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Rows per second until all are committed. */
function ingestRate(count: number): Promise<number> {
  return inStore(async store => {
    const batches: MarketEvent[][] = []
    for await (const batch of tapeOf(Math.min(count, 500_000)).read()) batches.push(batch)
    const each = batches.flat()
    const tape = {
      id: 'bench',
      async *read(): AsyncGenerator<MarketEvent[]> {
        let seq = 0
        while (seq < count) {
          const from = seq % each.length
          const batch = each.slice(from, Math.min(from + BATCH, from + count - seq))
          for (const event of batch) stampSeq(event, ++seq)
          yield batch
        }
      },
    }
    const cpu = process.cpuUsage()
    const began = performance.now()
    await store.follow(tape, { live: false })
    const { user, system } = process.cpuUsage(cpu)
    const seconds = (performance.now() - began) / 1_000
    console.error(
      `ingest ${count}: ${seconds.toFixed(2)} s, ${((user + system) / 1e6).toFixed(2)} s of CPU`,
    )
    return count / seconds
  })
}

/** The same columns by DuckDB's appender, a call for each value. */
async function plainRate(count: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-bench-plain-'))
  try {
    const instance = await DuckDBInstance.create(join(folder, 'plain.duckdb'), { threads: '1' })
    const connection = await instance.connect()
    await connection.run(
      'create table t (symbol varchar, source varchar, ts bigint, received double, flags integer, seq bigint, price double, size double, id bigint, exchange varchar, conditions varchar[], tape varchar)',
    )
    const events = new Market(count).batch(count) as Trade[]
    const appender = await connection.createAppender('t')
    const began = performance.now()
    for (const [i, event] of events.entries()) {
      appender.appendVarchar(event.symbol)
      appender.appendVarchar(event.source)
      appender.appendBigInt(BigInt(event.timestamp) * 1_000_000n + BigInt(event.nanos))
      appender.appendDouble(event.receivedAt)
      appender.appendInteger(event.flags)
      appender.appendBigInt(BigInt(event.seq!))
      appender.appendDouble(event.price)
      appender.appendDouble(event.size)
      appender.appendBigInt(BigInt(event.id!))
      appender.appendVarchar(event.exchange!)
      appender.appendList([...event.conditions!])
      appender.appendVarchar(event.tape!)
      appender.endRow()
      if (i % 100_000 === 99_999) appender.flushSync()
    }
    appender.flushSync()
    const rate = count / ((performance.now() - began) / 1_000)
    appender.closeSync()
    connection.closeSync()
    instance.closeSync()
    return rate
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** How long this thread is held at most while 200,000 events a second are followed and questions are asked. */
function heldFor(): Promise<number[]> {
  return inStore(async store => {
    const seconds = 8
    const market = new Market(200_000 * seconds)
    const end = new AbortController()
    // Made beforehand: to make them is not the store's work.
    const turns = Array.from({ length: seconds * 100 }, () => market.batch(2_000))
    collectGarbage()
    const tape = {
      id: 'bench',
      async *read({ signal }: ReadOptions = {}): AsyncGenerator<MarketEvent[]> {
        const began = performance.now()
        for (const [i, batch] of turns.entries()) {
          if (signal?.aborted) return
          const wait = began + i * 10 - performance.now()
          if (wait > 0) await sleep(wait)
          yield batch
        }
      },
    }
    const worst: number[] = []
    let last = performance.now()
    let longest = 0
    const watch = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
      if (!end.signal.aborted) setImmediate(watch)
    }
    watch()
    const asking = (async () => {
      while (!end.signal.aborted) {
        const { rows } = await store.sql(
          'select symbol, count(*), avg(price) from trades group by all',
        )
        for await (const _ of rows);
        await sleep(200)
      }
    })()
    const windows = setInterval(() => {
      worst.push(longest)
      longest = 0
    }, 1_000)
    await store.follow(tape, { live: false })
    end.abort()
    clearInterval(windows)
    await asking
    return [Math.max(...worst)]
  })
}

/** What was made beforehand is moved to where it stays now, rather than while it is measured. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}

async function barRows(ticks: number, rounds: number): Promise<Row[]> {
  return inStore(async store => {
    const kept: MarketEvent[][] = []
    await store.follow(tapeOf(ticks, kept), { live: false })
    const ask = { kind: 'bar', symbols: ['*'], from: DAY, to: DAY + 86_400_000 - 1 } as const
    const built = new Map<string, Bar>()
    const began = performance.now()
    const builder = new BarBuilder(
      { interval: '1m', time: 'venue', graceMs: 0 },
      { final: bar => built.set(`${bar.symbol} ${bar.timestamp}`, bar) },
    )
    for (const batch of kept) builder.append(batch)
    builder.advance(DAY + 2 * 86_400_000)
    builder.end()
    const inMemory = performance.now() - began
    kept.length = 0
    const bars = async () => {
      const took: number[] = []
      let count = 0
      for (let round = 0; round < rounds; round++) {
        count = 0
        const from = performance.now()
        for await (const batch of store.history(ask)) {
          if (took.length === 0) for (const bar of batch as Bar[]) same(bar, built)
          count += batch.length
        }
        // The first one also compares.
        if (round > 0 || rounds === 1) took.push(performance.now() - from)
      }
      if (count !== built.size) throw new Error(`${count} bars instead of ${built.size}`)
      return took
    }
    const day = async () => {
      const took: number[] = []
      let count = 0
      for (let round = 0; round < rounds; round++) {
        count = 0
        const from = performance.now()
        const asked = { ...ask, kind: 'trade', symbols: ['S40'] } as const
        for await (const batch of store.history(asked)) count += batch.length
        took.push(performance.now() - from)
      }
      return { took, count }
    }
    const open = await bars()
    const openDay = await day()
    const sealing = performance.now()
    await store.seal()
    const sealed = await bars()
    const sealedDay = await day()
    const of = (name: string, took: readonly number[]): Row => ({
      ...{ name, unit: 'ms', value: median(took), peer: 'BarBuilder, in memory' },
      ...{ peerValue: inMemory, ratio: inMemory / median(took), spread: spread(took), rounds },
    })
    const plain = (name: string, value: number, took: readonly number[]): Row => ({
      ...{ name, unit: 'ms', value, spread: spread(took), rounds: took.length },
    })
    const title = `1-minute bars of ${ticks / 1e6} M trades`
    return [
      atMost(`${title}, open day`, 'ms', open, LEAST.barsMs),
      of(`${title}, open day`, open),
      atMost(`${title}, sealed day`, 'ms', sealed, LEAST.barsMs),
      of(`${title}, sealed day`, sealed),
      plain(`${openDay.count} trades of one symbol, open day`, median(openDay.took), openDay.took),
      plain(
        `${sealedDay.count} trades of one symbol, sealed day`,
        median(sealedDay.took),
        sealedDay.took,
      ),
      plain('sealing the day', performance.now() - sealing, [1]),
    ]
  })
}

function same(bar: Bar, built: ReadonlyMap<string, Bar>): void {
  const other = built.get(`${bar.symbol} ${bar.timestamp}`)
  for (const name of [
    ...(['open', 'high', 'low', 'close', 'volume', 'vwap', 'tradeCount'] as const),
  ]) {
    if (other?.[name] !== bar[name]) {
      throw new Error(
        `${name} of ${bar.symbol} at ${bar.timestamp}: ${bar[name]}, ${other?.[name]}`,
      )
    }
  }
}
