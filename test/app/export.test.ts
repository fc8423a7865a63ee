import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { type ExportOptions, exportEvents, fileNameOf } from '../../src/app/export.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { once, open, START, tempFolder } from '../store/kit.ts'

const trade = (n: number, symbol = 'SPY'): MarketEvent =>
  createEvent({ type: 'trade', symbol, timestamp: START + n, price: 100 + n, size: 1, id: n })

async function setUp(t: TestContext, events: MarketEvent[]) {
  const folder = tempFolder(t)
  const [store, out] = [join(folder, 'store'), join(folder, 'out')]
  const it = await open(t, store)
  await it.merge(once(events))
  const run = (options: Partial<ExportOptions> = {}) =>
    exportEvents(it, { out, store, format: 'ndjson', ...options })
  const files = () =>
    readdirSync(out, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('json'))
  const path = (symbol: string) => join(out, 'trades', '2025-06-02', `${symbol}.ndjson`)
  return { it, out, run, files, path }
}

describe('an export', () => {
  it('writes a file for each symbol, of the range asked for', async t => {
    const events = [trade(1), trade(2, 'BTC/USD'), trade(3), trade(4)]
    const { run, path } = await setUp(t, events)
    assert.deepEqual(await run({ from: START + 2, to: START + 3 }), { files: 2, rows: 2, kept: 0 })
    const lines = readFileSync(path('SPY'), 'utf8').trim().split('\n')
    assert.deepEqual(lines.map(parseEvent), [events[2]])
    assert.ok(existsSync(path('BTC=2FUSD')))
  })

  it('goes on behind what it has made, and writes anew what has grown', async t => {
    const { it, run, path } = await setUp(t, [trade(1), trade(2, 'QQQ')])
    const end = new AbortController()
    const cut = run({ signal: end.signal, onProgress: ({ done }) => done > 0 && end.abort() })
    await assert.rejects(cut, { code: 'CLOSED' })
    assert.ok(existsSync(path('QQQ')) && !existsSync(path('SPY')))
    assert.deepEqual(await run(), { files: 1, rows: 1, kept: 1 })
    await it.merge(once([trade(5)]))
    assert.deepEqual(await run(), { files: 1, rows: 2, kept: 1 })
    rmSync(path('SPY'))
    assert.deepEqual(await run(), { files: 1, rows: 2, kept: 1 })
  })

  it('writes over nothing that it has not made so, unless told to', async t => {
    const { run, path } = await setUp(t, [trade(1)])
    await run()
    await assert.rejects(
      run({ to: START }).then(() => run({ from: START })),
      {
        code: 'FILE_EXISTS',
        message: /of another range of time/,
      },
    )
    writeFileSync(path('SPY'), 'mine')
    await assert.rejects(run(), { code: 'FILE_EXISTS', message: /no export has left it so/ })
    assert.equal(readFileSync(path('SPY'), 'utf8'), 'mine')
    assert.deepEqual(await run({ force: true }), { files: 1, rows: 1, kept: 0 })
  })

  it('goes on behind a kill at any place between a file and what is kept of it', async t => {
    const { it, out, run, path } = await setUp(t, [trade(1)])
    const journal = join(out, '.tickwire-export')
    // Just made, and nothing in it yet.
    mkdirSync(out)
    writeFileSync(journal, '')
    assert.deepEqual(await run(), { files: 1, rows: 1, kept: 0 })
    assert.deepEqual(await run(), { files: 0, rows: 0, kept: 1 })
    // What has grown is noted, and has not got its name.
    const before = readFileSync(path('SPY'))
    await it.merge(once([trade(2)]))
    assert.deepEqual(await run(), { files: 1, rows: 2, kept: 0 })
    writeFileSync(path('SPY'), before)
    assert.deepEqual(await run(), { files: 1, rows: 2, kept: 0 })
    // A note is cut off, and so is not the one behind it.
    appendFileSync(journal, '{"file":"trades/2025-06-02/SPY.nd')
    await it.merge(once([trade(3)]))
    assert.deepEqual(await run(), { files: 1, rows: 3, kept: 0 })
    assert.deepEqual(await run(), { files: 0, rows: 0, kept: 1 })
    // No file is left that has no name.
    assert.ok(!readdirSync(out, { recursive: true }).some(name => `${name}`.endsWith('.new')))
  })

  it('says what is wrong with a folder that cannot be made', async t => {
    const { it, out, run } = await setUp(t, [trade(1)])
    writeFileSync(out, '')
    await assert.rejects(run(), { code: 'OUTPUT_FAILED' })
    await assert.rejects(run({ out: join(out, 'below') }), { code: 'OUTPUT_FAILED' })
    await it.close()
  })

  it('names files so that no two symbols are one anywhere', () => {
    assert.equal(fileNameOf('BRK.A'), 'BRK.A')
    assert.equal(fileNameOf('BACpA'), 'BAC=70A')
    assert.equal(fileNameOf('ES 202612 CME'), 'ES=20202612=20CME')
    assert.equal(fileNameOf('CON'), '=43ON')
    assert.equal(fileNameOf('..'), '=2E.')
    assert.equal(fileNameOf(null), '=')
    assert.equal(fileNameOf(''), '==')
  })
})
