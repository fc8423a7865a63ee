// `tickwire backfill` against a venue on this machine that speaks Alpaca's protocol, REST included; it, export and import
// killed in their midst.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { openHistory } from '../../src/app/history.ts'
import { systemClock } from '../../src/base/clock.ts'
import { runCommand } from '../../src/cli/program.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { tempFolder } from '../tape/kit.ts'
import { cli } from './child.ts'

/** A Monday, an hour after the opening. */
const MONDAY = Date.UTC(2025, 5, 2, 14, 30)
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** A venue with trades and minute bars of some days of two symbols, and how to ask it for them. */
async function venueFor(t: TestContext, days: number, each: number) {
  const venue = scriptedVenue({
    clock: systemClock(),
    server: { accounts: { PKTEST: 's3cret-s3cret' }, slotMs: 0 },
    rest: { requestsPerMinute: 10_000 },
  })
  t.after(() => venue.close())
  const { url } = await venue.listen()
  const events: MarketEvent[] = []
  for (let day = 0; day < days; day++) {
    for (let i = 0; i < each; i++) {
      const timestamp = MONDAY + day * DAY_MS + i * 500
      for (const [symbol, price] of [
        ...([['SPY', 590 + (i % 7)]] as const),
        ...([['TSLA', 340 + (i % 5)]] as const),
      ]) {
        const head = { symbol, timestamp, receivedAt: timestamp }
        const [exchange, tape, id] = ['V', 'B', day * each + i + 1]
        events.push(
          createEvent({
            ...{ type: 'trade', ...head, price, size: 100, id, exchange, tape },
            conditions: ['@'],
          }),
        )
        if (timestamp % MINUTE_MS !== 0) continue
        const bar = { open: price, high: price, low: price, close: price, volume: 100 }
        events.push(
          createEvent({
            ...{ type: 'bar', ...head, interval: '1m', ...bar, vwap: price, tradeCount: 1 },
            ...{ final: true, revision: 0 },
          }),
        )
      }
    }
  }
  venue.deliver(events)
  const env = {
    ...{ APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 's3cret-s3cret' },
    TICKWIRE_ALPACA_URL: `${url}/v2/iex`,
  }
  const argv = ['backfill', 'SPY,tsla', 'SPY', '--provider', 'alpaca']
  argv.push('--from', '2025-06-02', '--to', '2025-06-08')
  const count = (type: string) => events.filter(event => event.type === type).length
  return { argv, env, trades: count('trade'), bars: count('bar') }
}

/** A command that is not to be killed runs in this process. */
function here(cwd: string, argv: readonly string[], env = {}): Promise<number> {
  return runCommand(() => ({ argv, env, cwd }))
}

async function answer(data: string, sql: string): Promise<unknown[]> {
  const history = await openHistory(data)
  try {
    const { rows } = await history.sql(sql)
    const all: unknown[] = []
    for await (const batch of rows) all.push(...batch)
    return all
  } finally {
    await history.close()
  }
}

/** How many rows there are of trades and of bars, and how many of them say something of their own. */
const COUNTS =
  'select (select count(*) from trades), (select count(distinct (symbol, id)) from trades), ' +
  "(select count(*) from bars where adjustment = 'raw'), (select count(distinct (symbol, ts)) from bars)"

const textIn = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '')
const namesIn = (path: string) =>
  existsSync(path) ? readdirSync(path, { recursive: true, encoding: 'utf8' }) : []

describe('tickwire backfill', { concurrency: 2 }, () => {
  test('stores what a venue has, knows it afterwards, and leaves out days without trading', async t => {
    const { argv, env, trades, bars } = await venueFor(t, 3, 240)
    const cwd = tempFolder(t)
    const first = await cli([...argv, '--json'], { cwd, env })
    assert.equal(first.code, 0, first.stderr)
    const said = JSON.parse(first.stdout)
    assert.equal(said.added, trades + bars)
    assert.deepEqual([said.known, said.isWhole], [0, true])
    assert.match(first.stderr, /days without trading/)
    const second = await cli(argv, { cwd, env })
    assert.match(second.stderr, /0 events added; 0 questions/)
    assert.match(second.stderr, /had come before \(--again asks anew\)/)
    assert.equal(await here(cwd, [...argv, '--again'], env), 0)
    const rows = await answer(join(cwd, '.tickwire'), COUNTS)
    assert.deepEqual(rows, [[trades, trades, bars, bars]])
  })

  test('is whole after a kill, wherever that finds it', async t => {
    const { argv, env, trades, bars } = await venueFor(t, 4, 1_200)
    const moments: ((store: string) => boolean)[] = [
      store => existsSync(join(store, 'backfill.ndjson')),
      store => namesIn(join(store, 'days')).some(name => name.endsWith('.new')),
      store => textIn(join(store, 'manifest.json')).includes('"path"'),
    ]
    for (const moment of moments) {
      const cwd = tempFolder(t)
      const store = join(cwd, '.tickwire', 'store')
      const { code } = await cli(argv, { cwd, env, killWhen: () => moment(store) })
      assert.equal(code, null, 'it was killed')
      assert.equal(await here(cwd, argv, env), 0)
      const rows = await answer(join(cwd, '.tickwire'), COUNTS)
      assert.deepEqual(rows, [[trades, trades, bars, bars]])
    }
  })
})

describe('export and import', () => {
  test('are whole after kills, and what they pass on is equal', async t => {
    const cwd = tempFolder(t)
    const day = ['--day', '2025-06-02', '--symbols', '8', '--events', '8000']
    assert.equal(await here(cwd, ['simulate', ...day]), 0)
    await answer(join(cwd, '.tickwire'), 'select 1')

    const exported = ['export', '--out', 'out']
    for (const files of [1, 6]) {
      const isThere = () => textIn(join(cwd, 'out', '.tickwire-export')).split('\n').length > files
      assert.equal((await cli(exported, { cwd, killWhen: isThere })).code, null)
    }
    assert.equal(await here(cwd, exported), 0)
    assert.ok(!namesIn(join(cwd, 'out')).some(name => name.endsWith('.new')))

    const imported = ['import', 'out', '--data', 'second']
    const days = join(cwd, 'second', 'store', 'days')
    const some = () => namesIn(days).filter(name => name.endsWith('.parquet')).length > 2
    assert.equal((await cli(imported, { cwd, killWhen: some })).code, null)
    assert.equal(await here(cwd, imported), 0)
    for (const view of ['trades', 'quotes']) {
      const all = `select * exclude (tape_id, seq) from ${view} order by all`
      const recorded = await answer(join(cwd, '.tickwire'), all)
      assert.ok(recorded.length > 1_000)
      assert.deepEqual(await answer(join(cwd, 'second'), all), recorded)
    }
  })
})
