import assert from 'node:assert/strict'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LedgerFile, ledgerDays, ledgerFolder, readLedger } from '../../src/app/ledger-file.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { handClock } from '../../src/testing/clock.ts'
import { tempFolder } from '../tape/kit.ts'

const DAY_MS = 86_400_000
/** Monday, shortly after midnight UTC, and the end of the day before. */
const T0 = Date.UTC(2025, 5, 2, 0, 1)
const [SUNDAY, MONDAY] = ['2025-06-01', '2025-06-02'] as const

const trade = (timestamp: number, symbol = 'SPY'): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol, source: 's', price: 1, size: 1 },
    ...{ timestamp, receivedAt: timestamp + 5 },
  })

async function opened(t: TestContext, tape: string, log: Log = silentLog, time = T0) {
  const clock = handClock(time)
  const file = await LedgerFile.open(tape, log, clock)
  t.after(() => file.close())
  return { file, clock, count: (...events: MarketEvent[]) => file.ledger.append(events) }
}

const received = async (tape: string, day: string) =>
  Object.fromEntries((await readLedger(tape, day)).map(row => [row.symbol, row.received]))

test('a later process adds to the days of an earlier one, today and before', async t => {
  const tape = tempFolder(t)
  const first = await opened(t, tape)
  first.count(trade(T0), trade(T0 + 1), trade(T0 - DAY_MS, 'SPY'), trade(T0 - DAY_MS, 'TSLA'))
  await first.file.close()
  const second = await opened(t, tape)
  second.count(trade(T0 + 2), trade(T0 - DAY_MS + 1, 'SPY'))
  await second.file.close()
  assert.deepEqual(await ledgerDays(tape), [SUNDAY, MONDAY])
  assert.deepEqual(await received(tape, MONDAY), { SPY: 3 })
  assert.deepEqual(await received(tape, SUNDAY), { SPY: 2, TSLA: 1 })
})

test('it is written every ten seconds, a day whenever something of it has come, and only then', async t => {
  const tape = tempFolder(t)
  const { file, clock, count } = await opened(t, tape)
  const written = async () => {
    await clock.advance(10_000)
    await file.write()
  }
  count(trade(T0), trade(T0 - DAY_MS))
  await written()
  assert.deepEqual(await received(tape, MONDAY), { SPY: 1 })
  for (let i = 2; i < 5; i++) {
    count(trade(T0 + i))
    await written()
    assert.deepEqual(await received(tape, MONDAY), { SPY: i })
  }
  // A file that was not touched is the one it was.
  const path = join(ledgerFolder(tape), `${MONDAY}.json`)
  const { ino } = statSync(path)
  count(trade(T0 - DAY_MS))
  await written()
  assert.equal(statSync(path).ino, ino)
  assert.deepEqual(await received(tape, SUNDAY), { SPY: 2 })
  assert.deepEqual(readdirSync(ledgerFolder(tape)), [`${SUNDAY}.json`, `${MONDAY}.json`])
})

test('the clock writes it, and no more when it is closed', async t => {
  const tape = tempFolder(t)
  const { file, clock, count } = await opened(t, tape)
  count(trade(T0))
  clock.turn(9_999)
  assert.deepEqual(await ledgerDays(tape), [])
  clock.turn(1)
  await file.close()
  assert.deepEqual(await received(tape, MONDAY), { SPY: 1 })
  assert.equal(clock.pending(), 0)
})

test('a day that is over is forgotten, and goes on behind what its file has', async t => {
  const tape = tempFolder(t)
  const { file, clock, count } = await opened(t, tape)
  count(trade(T0), trade(T0 - DAY_MS))
  await file.write()
  assert.deepEqual(file.ledger.days, [MONDAY, SUNDAY])
  await file.write()
  assert.deepEqual(file.ledger.days, [MONDAY], 'today stays, however quiet')
  count(trade(T0 - DAY_MS + 1))
  await file.write()
  assert.deepEqual(await received(tape, SUNDAY), { SPY: 2 })
  clock.set(T0 + DAY_MS)
  await file.write()
  await file.write()
  assert.deepEqual(file.ledger.days, [])
})

test('what could not be written is written later, though nothing more has come', async t => {
  const tape = tempFolder(t)
  const warned: string[] = []
  const log = { ...silentLog, warn: (_: object, message: string) => warned.push(message) } as Log
  const { file, count } = await opened(t, tape, log)
  writeFileSync(ledgerFolder(tape), 'in the way')
  count(trade(T0), trade(T0 - DAY_MS))
  await file.write()
  assert.deepEqual(warned, ['the ledger could not be written'])
  rmSync(ledgerFolder(tape))
  await file.write()
  assert.deepEqual(await received(tape, MONDAY), { SPY: 1 })
  assert.deepEqual(await received(tape, SUNDAY), { SPY: 1 })
  // Also where the last step failed: all was read by then.
  const path = join(ledgerFolder(tape), `${MONDAY}.json`)
  rmSync(path)
  mkdirSync(path)
  count(trade(T0 + 1))
  await file.write()
  assert.equal(warned.length, 2)
  rmdirSync(path)
  await file.write()
  assert.deepEqual(await received(tape, MONDAY), { SPY: 2 })
})

const BROKEN = [
  '',
  'null',
  '{"version":1}',
  '{"version":1,"rows":[null]}',
  '{"version":1,"rows":[{"day":"2025-06-01"}]}',
  row({ day: MONDAY }),
  row({ kind: 'tulip' }),
  row({ symbol: 5 }),
  row({ received: -1 }),
  row({ received: '1' }),
  row({ lags: [[1]] }),
  row({ lags: [[100_000, 1]] }),
  row({ maxLag: 'x' }),
]

function row(wrong: object): string {
  const right = { day: SUNDAY, source: 's', symbol: 'SPY', kind: 'trade', received: 1, lags: [] }
  return JSON.stringify({ version: 1, rows: [{ ...right, maxLag: null, ...wrong }] })
}

test('a file that is no ledger is an error with a way out, never half believed', async t => {
  const tape = tempFolder(t)
  mkdirSync(ledgerFolder(tape))
  const path = join(ledgerFolder(tape), `${SUNDAY}.json`)
  writeFileSync(path, row({}))
  assert.deepEqual(await received(tape, SUNDAY), { SPY: 1 })
  for (const text of BROKEN) {
    writeFileSync(path, text)
    const expected = { code: 'TAPE_DAMAGED', hint: /Move it away/ }
    await assert.rejects(readLedger(tape, SUNDAY), expected, text)
    await assert.rejects(LedgerFile.open(tape, silentLog, handClock(T0 - DAY_MS)), expected)
  }
})

test('a day that cannot be read is left as it is, once said, and the others are kept', async t => {
  const tape = tempFolder(t)
  mkdirSync(ledgerFolder(tape))
  const path = join(ledgerFolder(tape), `${SUNDAY}.json`)
  writeFileSync(path, '{"version":2}')
  const warned: string[] = []
  const log = { ...silentLog, warn: (_: object, message: string) => warned.push(message) } as Log
  const { file, count } = await opened(t, tape, log)
  count(trade(T0 - DAY_MS), trade(T0))
  await file.write()
  count(trade(T0 - DAY_MS), trade(T0))
  await file.write()
  assert.equal(readFileSync(path, 'utf8'), '{"version":2}')
  assert.deepEqual(await received(tape, MONDAY), { SPY: 2 })
  assert.deepEqual(warned, [`no more account is kept of ${SUNDAY}: its ledger cannot be read`])
})
