// The ledger beside a tape, brought to PostgreSQL: of whatever day it is, however long the server was away.
import assert from 'node:assert/strict'
import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { LedgerFile, ledgerFolder } from '../../src/app/ledger-file.ts'
import { LedgerBringer } from '../../src/app/ledger-server.ts'
import { keepServers } from '../../src/app/stores.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { createEvent } from '../../src/market/events.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { atEnd } from '../store/kit.ts'
import { asOwner, database, open, skip } from '../store/postgres-kit.ts'
import { tempFolder } from '../tape/kit.ts'

const days = ['2019-03-01', '2025-06-01', '2025-06-02']

/** Counts a trade of each day, in files as a process leaves them. */
async function count(folder: string, ...of: readonly string[]) {
  const file = await LedgerFile.open(folder, silentLog)
  for (const day of of) {
    const timestamp = Date.parse(`${day}T12:00:00Z`)
    const common = { timestamp, receivedAt: timestamp, symbol: 'SPY', source: 's' }
    file.ledger.append([createEvent({ type: 'trade', ...common, price: 1, size: 1 })])
  }
  await file.close()
}

const ledgerIn = (url: string) =>
  asOwner('select day, received::int from tickwire.ledger order by day', url)

/** Makes a file a second older, as it would be at the time of an earlier process. */
function age(folder: string, day: string, seconds: number) {
  const path = join(ledgerFolder(folder), `${day}.json`)
  const at = statSync(path).mtimeMs / 1_000 - seconds
  utimesSync(path, at, at)
}

async function stage(t: TestContext) {
  const [url, folder] = [await database(t), tempFolder(t)]
  return { url, folder, store: await open(t, url) }
}

describe('the ledger in PostgreSQL', { skip }, () => {
  it('has all days there are, and those that have changed since the last process', async t => {
    const { url, folder, store } = await stage(t)
    await count(folder, ...days)
    for (const [i, day] of days.entries()) age(folder, day, 60 - i)
    const tape = { id: 'one', folder }
    const first = new LedgerBringer(tape, silentLog)
    await first.bring(store)
    assert.deepEqual(
      await ledgerIn(url),
      days.map(day => [day, 1]),
    )
    await count(folder, days[0]!)
    await first.bring(store)
    assert.equal((await ledgerIn(url))[0]![1], 2, 'a day long over of which something came')

    await asOwner('update tickwire.ledger set received = 0', url)
    await first.bring(store)
    await new LedgerBringer(tape, silentLog).bring(store)
    assert.deepEqual(
      await ledgerIn(url),
      days.map(day => [day, 0]),
      'nothing has changed',
    )
    await count(folder, days[1]!)
    await new LedgerBringer(tape, silentLog).bring(store)
    assert.deepEqual(
      await ledgerIn(url),
      days.map((day, i) => [day, i === 1 ? 2 : 0]),
    )
  })

  it('lacks a day that cannot be read, says so once, and has the others', async t => {
    const { url, folder, store } = await stage(t)
    await count(folder, ...days)
    writeFileSync(join(ledgerFolder(folder), `${days[1]}.json`), 'no ledger')
    const warned: unknown[] = []
    const log = { ...silentLog, warn: (fields: object) => void warned.push(fields) }
    const bringer = new LedgerBringer({ id: 'one', folder }, log)
    await bringer.bring(store)
    await bringer.bring(store)
    assert.deepEqual(
      (await ledgerIn(url)).map(([day]) => day),
      [days[0], days[2]],
    )
    assert.equal(warned.length, 1)
  })

  it('comes at the end of a process too that ends before it is connected', async t => {
    const [url, folder] = [await database(t), tempFolder(t)]
    const tape = await openFileTape({ folder, log: silentLog })
    await count(tape.folder, ...days)
    const postgres = { url, timescale: 'off' as const }
    const [server] = keepServers({ postgres }, { tape, clock: systemClock(), log: silentLog })
    atEnd(t, async () => {
      await tape.close()
      await server!.close()
    })
    await server!.settle()
    assert.equal((await ledgerIn(url)).length, days.length)
  })
})
