/**
 * PostgreSQL: trades of a tape into it, exactly once (rows and position in one transaction), against the same rows by
 * multi-row INSERT with `on conflict do nothing` into tables of the same form, as drivers and ORMs do it; and read back.
 *
 * The server is that of TEST_POSTGRES_URL, or of the usual port, or a private one: see scripts/services.mjs.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import pg from 'pg'
import { silentLog } from '../src/base/log.ts'
import { seededRandom } from '../src/base/random.ts'
import { type MarketEvent, stampSeq, Trade } from '../src/market/events.ts'
import { tableOf } from '../src/store/columns.ts'
import { openPostgres, type PostgresStore } from '../src/store/postgres.ts'
import { tableColumns } from '../src/store/postgres-schema.ts'
import { median, type Row, report, spread } from './table.ts'

const SYMBOLS = 500
const BATCH = 4_096
/** Rows of one INSERT: more parameters than 65,535 are refused. */
const ROWS = 1_000
const OPEN = Date.UTC(2025, 5, 2, 13, 30)
const LEAST = 1.5

export async function main({
  rounds = 3,
  events: count = 200_000,
  json,
}: {
  rounds?: number
  events?: number
  json?: string
}): Promise<void> {
  const path = pathToFileURL(join(process.cwd(), 'scripts/services.mjs')).href
  const { findPostgres } = (await import(path)) as typeof import('../scripts/services.mjs')
  const server = await findPostgres()
  if ('missing' in server) throw new Error(server.missing)
  const trades = tradesOf(count)
  const ours: number[] = []
  const theirs: number[] = []
  const read: number[] = []
  for (let round = 0; round < rounds; round++) {
    await inDatabase(server.url, async (url, store) => {
      ours.push(await rate(count, () => store.follow(tapeOf(trades), { live: false })))
      read.push(await rate(count, () => readBack(store, trades)))
      theirs.push(await rate(count, () => insertInto(url, trades)))
      await mustBeSame(url)
    })
  }
  const rows: Row[] = [
    {
      ...{ name: 'exactly-once ingest', unit: 'rows/s', value: median(ours) },
      ...{ peer: 'multi-row INSERT', peerValue: median(theirs), budget: LEAST },
      ...{ ratio: median(ours) / median(theirs), spread: spread(ours), rounds },
    },
    {
      name: 'read back to events',
      unit: 'rows/s',
      value: median(read),
      spread: spread(read),
      rounds,
    },
  ]
  report(rows, json)
  process.exit(0)
}

async function rate(count: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return count / ((performance.now() - began) / 1_000)
}

/** Trades of a session in order, some symbols far busier than others. */
function tradesOf(count: number): Trade[] {
  const random = seededRandom(7)
  const exchanges = ['V', 'Q', 'P', 'N', 'K', 'D']
  const conditions = [['@'], ['@', 'F'], ['@', 'I'], ['@', 'T'], ['@', 'F', 'I']]
  return Array.from({ length: count }, (_, i) => {
    const time = (i / count) * 6.5 * 3_600_000
    const ms = Math.floor(time)
    const symbol = Math.floor(SYMBOLS * random() ** 3)
    const trade = new Trade(
      ...([
        `S${symbol}`,
        'bench',
        OPEN + ms,
        Math.floor((time - ms) * 1e6),
        OPEN + time + 3,
        0,
      ] as const),
      ...([
        20 + symbol + Math.round(random() * 400) / 100,
        1 + Math.floor(random() * 300),
      ] as const),
      ...([50_000_000 + i, exchanges[Math.floor(random() * 6)]] as const),
      ...([conditions[Math.floor(random() ** 2 * 5)], 'C', undefined] as const),
    )
    stampSeq(trade, i + 1)
    return trade
  })
}

function tapeOf(events: readonly MarketEvent[]) {
  return {
    id: 'bench',
    async *read(): AsyncGenerator<MarketEvent[]> {
      for (let from = 0; from < events.length; from += BATCH) yield events.slice(from, from + BATCH)
    },
  }
}

async function inDatabase(
  server: string,
  use: (url: string, store: PostgresStore) => Promise<void>,
): Promise<void> {
  const name = `tickwire_test_bench_${process.pid}`
  const run = async (text: string) => {
    const client = new pg.Client({ connectionString: server })
    await client.connect()
    await client.query(text)
    await client.end()
  }
  await run(`create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const store = await openPostgres({ url: url.href, timescale: 'off', log: silentLog })
  try {
    // A day's partition is made once a day, not once a row.
    await store.follow(tapeOf([]), { live: false })
    await use(url.href, store)
  } finally {
    await store.close()
    await run(`drop database ${name} with (force)`)
  }
}

/** The same table in a schema of its own, filled by the statement that drivers recommend. */
async function insertInto(url: string, trades: readonly Trade[]): Promise<void> {
  const store = await openPostgres({ url, schema: 'theirs', timescale: 'off', log: silentLog })
  await store.close()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(
    `create table theirs.trades_20250602 partition of theirs.trades for values from ('2025-06-02') to ('2025-06-03')`,
  )
  const columns = tableColumns(tableOf('trade')).map(([name]) => name)
  const list = columns.map(name => `"${name}"`).join(', ')
  for (let from = 0; from < trades.length; from += ROWS) {
    const rows = trades.slice(from, from + ROWS)
    const places = rows.map(
      (_, row) => `(${columns.map((_, i) => `$${row * columns.length + i + 1}`).join(', ')})`,
    )
    await client.query({
      name: `insert ${rows.length}`,
      text: `insert into theirs.trades (${list}) values ${places.join(', ')} on conflict do nothing`,
      values: rows.flatMap(valuesOf),
    })
  }
  await client.end()
}

function valuesOf(trade: Trade): unknown[] {
  const { timestamp, nanos, receivedAt, seq, flags, symbol, source } = trade
  return [
    ...[new Date(timestamp).toISOString(), `${BigInt(timestamp) * 1_000_000n + BigInt(nanos)}`],
    ...[receivedAt, seq, 1, flags, symbol, source, trade.price, trade.size, trade.id, null],
    ...[trade.exchange, trade.conditions, trade.tape, trade.side, null, 15],
  ]
}

async function readBack(store: PostgresStore, trades: readonly Trade[]): Promise<void> {
  let at = 0
  const all = { kind: 'trade', symbols: ['*'], from: 0, to: Number.MAX_SAFE_INTEGER } as const
  for await (const batch of store.history(all)) {
    for (const event of batch) {
      if (!isDeepStrictEqual(event, trades[at++])) throw new Error(`trade ${at} is another`)
    }
  }
  if (at !== trades.length) throw new Error(`${at} trades came back`)
}

/** What both ways have brought is the same. */
async function mustBeSame(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const of = 'select seq, ns, symbol, price, size, id, exchange, conditions, tape'
  const { rows } = await client.query(
    `select count(*)::int as n from ((${of} from tickwire.trades) except (${of} from theirs.trades)) t`,
  )
  await client.end()
  if (rows[0].n !== 0) throw new Error(`${rows[0].n} rows differ`)
}
