// What is stored, from the command line: history, sql, export, import, store. One recorded day serves all of it.
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { runCommand } from '../../src/cli/program.ts'
import { parseEvent } from '../../src/market/json.ts'
import { cli, emptyDirectory, lines, type Result } from './child.ts'

let cwd = ''
const run = (...args: string[]): Promise<Result> => cli(args, { cwd })
const DAY = '2025-06-02'

before(async () => {
  cwd = emptyDirectory()
  const made = await run('simulate', '--day', DAY, '--symbols', '2', '--events', '4000')
  assert.equal(made.code, 0, made.stderr)
})
after(() => rmSync(cwd, { recursive: true }))

describe('tickwire history', () => {
  test('prints what is stored as NDJSON or CSV, in a range and as of a time', async () => {
    const from = ['--from', `${DAY}T10:00-04:00`, '--to', `${DAY}T11:00-04:00`]
    const all = await run('history', 'trades', 'spy', ...from)
    assert.equal(all.code, 0, all.stderr)
    const events = lines(all.stdout).map(parseEvent)
    assert.ok(events.length > 5)
    const [first, last] = [Date.parse(`${DAY}T14:00Z`), Date.parse(`${DAY}T15:00Z`)]
    for (const { type, symbol, timestamp } of events) {
      assert.deepEqual([type, symbol], ['trade', 'SPY'])
      assert.ok(timestamp >= first && timestamp <= last)
    }
    assert.match(all.stderr, /^SIMULATED/m)
    const csv = await run('history', 'trades', 'SPY', ...from, '--csv', '--limit', '3')
    assert.match(csv.stdout, /^type,timestamp,symbol,source,price,size,/)
    assert.equal(lines(csv.stdout).length, 4)
    const last1 = await run('history', 'trades', 'SPY', '--as-of', `${DAY}T15:00`)
    assert.deepEqual(lines(last1.stdout).map(parseEvent), [events.at(-1)])
  })

  test('builds bars of any interval', async () => {
    const { code, stdout } = await run('history', 'bars', 'SPY', '--interval', '2h')
    assert.equal(code, 0)
    const bars = lines(stdout).map(parseEvent)
    assert.ok(bars.length >= 4)
    assert.ok(bars.every(bar => bar.type === 'bar' && bar.interval === '2h'))
  })

  test('says why there is nothing, and all of them what a wrong question lacks', async t => {
    const none = await run('history', 'trades', 'SPX')
    assert.deepEqual([none.code, none.stdout], [0, ''])
    assert.match(none.stderr, /no trades of SPX are stored; did you mean SPY\?/)
    const wrong: [string[], RegExp][] = [
      [['history', 'trades', '--from', '2025-06-03', '--to', DAY], /ends .* before it begins/],
      [['history', 'trdaes'], /unknown kind "trdaes"[\s\S]*did you mean trades/],
      [['history', 'trades', '--interval', '5m'], /--interval means nothing for trades/],
      [['history', 'trades', '--as-of', DAY, '--from', DAY], /--as-of asks for one moment/],
      [['history', 'trades', '--csv', '--json'], /exclude each other/],
      [['history', 'trades', '--from', 'noon'], /not a time/],
      [
        ['history', 'trades', '--data', 'nowhere'],
        /neither a tape nor a store[\s\S]*tickwire import/,
      ],
      [['backfill', 'SPY', '--from', DAY, '--provider', 'simulated'], /has no history/],
      [['backfill', 'SPY'], /--from/],
      [['export'], /--out/],
      [['export', '--out', 'x', '--format', 'xml'], /--format cannot be "xml"/],
      [['import', 'nothing.csv', '--kind', 'trades'], /nothing\.csv cannot be read/],
      [['import', 'x.csv', '--map', 'price'], /--map cannot be "price"/],
      [['import', 'x.csv', '--zone', 'Mars'], /"Mars" is no time zone/],
    ]
    let said = ''
    const writing = t.mock.method(process.stderr, 'write', (text: string) => {
      said += text
      return true
    })
    const codes: number[] = []
    const heard: string[] = []
    for (const [args] of wrong) {
      said = ''
      codes.push(await runCommand(() => ({ argv: args, env: {}, cwd })))
      heard.push(said)
    }
    writing.mock.restore()
    for (const [i, text] of heard.entries()) {
      assert.equal(codes[i], 2, text)
      assert.match(text, wrong[i]![1])
    }
  })
})

describe('tickwire sql', () => {
  test('answers as JSON lines and CSV', async () => {
    const asked = `select symbol, count(*)::bigint as n, 1 as n, null as x, '' as e from trades where symbol = 'SPY' group by 1`
    const json = await run('sql', asked)
    assert.equal(json.code, 0, json.stderr)
    const row = JSON.parse(json.stdout)
    assert.deepEqual([row.symbol, row.n_2, row.x, row.e], ['SPY', 1, null, ''])
    assert.ok(row.n > 100)
    const csv = await run('sql', asked, '--csv')
    assert.equal(csv.stdout, `symbol,n,n,x,e\nSPY,${row.n},1,,""\n`)
  })

  test('shows where a statement is wrong, and refuses to write', async () => {
    const [broken, failing, writing] = await Promise.all([
      run('sql', 'select foo from trades'),
      run('sql', "select 'a'::int"),
      run('sql', 'create table x (a int)'),
    ])
    assert.deepEqual([broken.code, failing.code, writing.code], [2, 2, 2], writing.stderr)
    const said = broken.said
    const line = said.findIndex(text => text.includes('LINE 1: select foo from trades'))
    assert.equal(said[line + 1]!.indexOf('^'), said[line]!.indexOf('foo'))
    assert.match(failing.stderr, /Conversion Error/)
    assert.match(writing.stderr, /does more than read/)
  })

  test('ends a question with Ctrl-C', async () => {
    const long =
      'select count(*) from range(100000) a, range(10000000) b where a.range = b.range + random()'
    const { code } = await cli(['sql', long, '--debug'], {
      cwd,
      onSaid: child => void setTimeout(() => child.kill('SIGINT'), 300),
      onOutput: child => child.kill('SIGINT'),
    }).catch(() => ({ code: null }))
    assert.equal(code, 130)
  })
})

describe('tickwire export and import', () => {
  test('take a day out and in again, event for event', async () => {
    const asked = ['history', 'quotes', 'SPY']
    const original = await run(...asked)
    for (const format of ['csv']) {
      const out = await run('export', '--out', format, '--format', format, '--kinds', 'quotes')
      assert.equal(out.code, 0, out.stderr)
      assert.ok(existsSync(join(cwd, format, 'quotes', DAY, `SPY.${format}`)))
      const taken = await run('import', format, '--data', `data-${format}`)
      assert.equal(taken.code, 0, taken.stderr)
      const again = await run(...asked, '--data', `data-${format}`)
      assert.ok(again.stdout.length > 1_000)
      assert.equal(again.stdout, original.stdout, format)
    }
    const known = await run('import', 'csv', '--data', 'data-csv', '--json')
    for (const line of lines(known.stdout)) assert.equal(JSON.parse(line).added, 0)
    const twice = await run('export', '--out', 'csv', '--format', 'csv', '--kinds', 'quotes')
    assert.match(twice.stderr, /0 rows in 0 files of csv; 2 were there already/)
  })

  test('rehearse without taking anything, and tell bad rows', async () => {
    writeFileSync(
      join(cwd, 'a.csv'),
      'time,sym,px,qty\n1748871000123,AAPL,201.5,100\n1748871000124,AAPL,0,1\n',
    )
    const args = ['import', 'a.csv', '--kind', 'trades', '--data', 'data-dry']
    const dry = await run(...args, '--dry-run')
    assert.equal(dry.code, 0, dry.stderr)
    assert.equal(lines(dry.stdout).map(parseEvent)[0]!.symbol, 'AAPL')
    assert.match(dry.stderr, /a\.csv:3: a price is negative, 0/)
    assert.match(dry.stderr, /would be 1 events of 2 rows; nothing was taken/)
    assert.equal(existsSync(join(cwd, 'data-dry')), false)
    const strict = await run(...args, '--strict')
    assert.equal(strict.code, 6)
    const taken = await run(...args)
    assert.match(taken.stderr, /1 events added, 1 rows left out/)
    writeFileSync(join(cwd, 'bad.csv'), 'time,sym,px,qty\n1748871000123,AAPL,0,100\n')
    const bad = await run('import', 'bad.csv', '--kind', 'trades', '--data', 'data-dry')
    assert.equal(bad.code, 6)
    assert.match(bad.stderr, /no row of bad\.csv can be an event/)
  })
})

describe('tickwire store', () => {
  test('shows what is stored, and makes it anew from the tape', async () => {
    const count = async () => (await run('sql', 'select count(*) as n from trades')).stdout
    const rows = await count()
    const info = await run('store', 'info', '--json')
    const { holdings } = JSON.parse(info.stdout)
    const trades = holdings.find((one: { kind: string }) => one.kind === 'trade')
    assert.equal(JSON.parse(rows).n, trades.rows)
    const rebuilt = await run('store', 'rebuild')
    assert.equal(rebuilt.code, 0, rebuilt.stderr)
    assert.match(rebuilt.stderr, /made anew from [\d,]+ events of the tape/)
    assert.equal(await count(), rows)
  })
})
