import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { ledgerFolder } from '../../src/app/ledger-file.ts'
import { runCommand } from '../../src/cli/program.ts'
import { inspectTape } from '../../src/tape/file/inspect.ts'
import { openTape, readAll, tempFolder } from '../tape/kit.ts'
import { cli, emptyDirectory, lines, type Result } from './child.ts'

/** Runs a command that prints nothing to standard output, in this process. */
async function run(t: TestContext, argv: readonly string[]) {
  let stderr = ''
  const writing = t.mock.method(process.stderr, 'write', (text: string) => {
    stderr += text
    return true
  })
  const cwd = tempFolder(t)
  const code = await runCommand(() => ({ argv, env: {}, cwd }))
  writing.mock.restore()
  return { code, stderr, last: lines(stderr).slice(-2) }
}

describe('tickwire ledger', () => {
  const folder = emptyDirectory()
  let recorded: Result
  after(() => rmSync(folder, { recursive: true }))
  before(async () => {
    const what = ['SPY', 'TSLA', '-p', 'simulated', '--rate', '500', '--limit', '100']
    recorded = await cli(['record', ...what, '--tape', folder])
  })

  test('shows what came of a recording, of all symbols or of some', async t => {
    assert.equal(recorded.code, 0, recorded.stderr)
    const [table, json] = await Promise.all([
      cli(['ledger', '--tape', folder]),
      cli(['ledger', 'spy', '--json', '--tape', folder]),
    ])
    assert.deepEqual([table.code, json.code], [0, 0], table.stderr + json.stderr)
    const [title, heads, ...rows] = lines(table.stdout)
    assert.match(title!, /^ledger of \d{4}-\d\d-\d\d \(UTC\)$/)
    assert.match(heads!, /^symbol +kind +received/)
    assert.ok(
      rows.some(row => /^SPY +quote +\d+ /.test(row)) && rows.some(row => /^TSLA/.test(row)),
    )
    const kept = lines(json.stdout).map(line => JSON.parse(line))
    assert.ok(kept.length > 0 && kept.every(({ symbol }) => symbol === 'SPY'))
    const tape = await openTape(t, folder)
    const events = (await readAll(tape)).filter(event => event.symbol === 'SPY')
    for (const { kind, received } of kept) {
      assert.equal(received, events.filter(({ type }) => type === kind).length, kind)
    }
  })

  test('names the source of each row where there are several', async t => {
    const [file] = readdirSync(ledgerFolder(folder))
    const kept = readFileSync(join(ledgerFolder(folder), file!), 'utf8')
    const { rows, ...rest } = JSON.parse(kept)
    const others = rows.map((row: object) => ({ ...row, source: 'other' }))
    const tape = tempFolder(t)
    mkdirSync(ledgerFolder(tape), { recursive: true })
    const text = JSON.stringify({ ...rest, rows: [...rows, ...others] })
    writeFileSync(join(ledgerFolder(tape), file!), text)
    const { stdout, stderr } = await cli(['ledger', 'SPY', '--tape', tape])
    const [, heads, ...lists] = lines(stdout)
    assert.match(heads!, /^source +symbol +kind +received/, stderr)
    const sources = new Set(lists.map(line => line.split(' ')[0]))
    assert.deepEqual(sources, new Set(['simulated', 'other']))
  })

  test('says so where there is none, and which there are', async t => {
    const none = await run(t, ['ledger', '--tape', join(folder, 'none')])
    assert.equal(none.code, 2)
    assert.match(none.last[0]!, /there is no ledger beside the tape in/)
    const other = await run(t, ['ledger', '--day', '1999-01-04', '--tape', folder])
    assert.equal(other.code, 2)
    assert.match(other.last[0]!, /there is no ledger of 1999-01-04/)
    assert.match(other.last[1]!, /^ {2}→ There is one of \d{4}-\d\d-\d\d\.$/)
  })

  test('one that is damaged ends with 6', async t => {
    const tape = tempFolder(t)
    mkdirSync(ledgerFolder(tape), { recursive: true })
    writeFileSync(join(ledgerFolder(tape), '2025-06-02.json'), '{')
    const { code, last } = await run(t, ['ledger', '--tape', tape])
    assert.equal(code, 6)
    assert.match(last[0]!, /2025-06-02\.json is no ledger/)
    assert.match(last[1]!, /^ {2}→ Move it away/)
  })
})

describe('tickwire simulate', () => {
  const day = ['simulate', '--day', '2025-06-02', '--symbols', '2', '--events', '1000', '--tape']

  test('writes the same day again from the same numbers', async t => {
    const folders = [tempFolder(t), tempFolder(t)]
    const days: (readonly unknown[])[] = []
    for (const folder of folders) {
      const { code, stderr, last } = await run(t, [...day, folder, '--kinds', 'trades,quotes'])
      assert.equal(code, 0, stderr)
      assert.match(stderr, /^SIMULATED · invented prices/)
      const { events } = await inspectTape(folder)
      const count = events.toLocaleString('en-US')
      assert.ok(last[1]!.startsWith(`${count} events of 2025-06-02 in `), stderr)
      days.push(await readAll(await openTape(t, folder)))
    }
    assert.ok(days[0]!.length > 500, `${days[0]!.length}`)
    assert.deepEqual(days[0], days[1])
  })

  test('what cannot be is told by the name of its own flag', async t => {
    for (const [args, exit, says] of [
      [['simulate', '--day', '2025-06-02', '--symbols', '0'], 2, /--symbols cannot be "0"/],
      [['simulate', '--day', '2025-06-02', '--events', 'x'], 2, /--events cannot be "x"/],
      [['simulate', '--day', '2025-06-02', '--tape', ''], 2, /--tape cannot be ""/],
      [['simulate', '--day', '2025-06-01'], 2, /2025-06-01/],
      [['simulate'], 2, /--day/],
      [['record', 'SPY', '--tape', ' '], 2, /--tape cannot be " "/],
      [['record', 'SPY', '--json'], 2, /unknown option '--json'/],
      [['tape', 'compact', ''], 2, /the folder cannot be ""/],
      [['replay', '--max-quiet', '5'], 2, /--max-quiet cannot be "5"/],
    ] as const) {
      const { code, stderr, last } = await run(t, args)
      assert.equal(code, exit, stderr)
      assert.match(last[0]!, says)
      assert.match(last[1]!, /^ {2}→ /)
    }
  })
})
