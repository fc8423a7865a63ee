import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { createEvent } from '../../src/market/events.ts'
import type { EmbeddedStore } from '../../src/store/embedded.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { collect, manyEvents, open, rowsOf, START, tempFolder } from './kit.ts'

async function filled(t: TestContext): Promise<EmbeddedStore> {
  const store = await open(t, tempFolder(t))
  const tape = memoryTape()
  tape.append(
    ['AAPL', 'SPY', 'AAPL'].map((symbol, i) =>
      createEvent({
        ...{ type: 'trade', symbol, source: 's', timestamp: START + i, nanos: 7, price: 1.5 + i },
        ...{ size: 10, id: i === 2 ? 'x-1' : 2 ** 53 - 1, conditions: ['@', 'F'], exchange: 'V' },
      }),
    ),
  )
  await store.follow(tape, { live: false })
  return store
}

describe('SQL', () => {
  it('answers with plain values, times in ISO form, lists and structs', async t => {
    const store = await filled(t)
    const { columns, rows } = await store.sql(
      "select symbol, ts, id, id_text, conditions, {a: 1, b: [2, null]} as s, 9007199254740993 as big, 1.50 as d, null as n, true as b, date '2025-06-02' as day, sum(size) over () as total from trades order by ts",
    )
    assert.deepEqual(
      columns.map(({ name }) => name),
      [
        ...['symbol', 'ts', 'id', 'id_text', 'conditions', 's', 'big', 'd', 'n', 'b', 'day'],
        'total',
      ],
    )
    const [first, , third] = await collect(rows)
    assert.deepEqual(first, [
      ...['AAPL', '2025-06-02T13:30:00.000000007Z', 2 ** 53 - 1, null, ['@', 'F']],
      ...[{ a: 1, b: [2, null] }, '9007199254740993', 1.5, null, true, '2025-06-02', 30],
    ])
    assert.deepEqual(third?.slice(2, 4), [null, 'x-1'])
  })

  it('is refused with BAD_SQL when it would write, change settings, or read elsewhere', async t => {
    const store = await filled(t)
    const outside = join(tmpdir(), `tickwire-outside-${process.pid}.csv`)
    writeFileSync(outside, 'a\n1\n')
    const refused = [
      "insert into open_days.tapes values (9, 'x', 1)",
      'delete from open_days.trade',
      'drop view trades',
      'create table x (a int)',
      'create temp table x (a int)',
      "attach 'other.duckdb'",
      'install httpfs',
      'load json',
      'set threads = 8',
      'pragma enable_profiling',
      'checkpoint',
      'call pragma_version()',
      'begin transaction',
      'vacuum',
      'explain analyze delete from open_days.trade',
      `copy (select 1) to '${outside}.out'`,
      "export database 'x'",
      'select 1; select 2',
      'select 1; drop view trades',
      '',
      '-- nothing',
      'from enable_logging()',
      'from "enable_logging"(storage = \'file\')',
      "select * from query/**/('from trades')",
      "select '--', * from query ('from trades')",
      'from arrow_scan(1, 2, 3)',
      `select * from read_csv('${outside}')`,
      "select * from read_text('/etc/hostname')",
      "from glob('/etc/*')",
      `from '${outside}'`,
      'selec 1',
      'select nothing from trades',
      "select cast('x' as integer)",
    ]
    for (const sql of refused) {
      await assert.rejects(
        async () => {
          const { rows } = await store.sql(sql)
          await collect(rows)
        },
        { code: 'BAD_SQL' },
        sql,
      )
    }
    assert.equal(existsSync(`${outside}.out`), false)
    const [[count]] = (await rowsOf(store, 'select count(*) from trades')) as [[number]]
    assert.equal(count, 3)
  })

  it('takes what only reads, however it is written', async t => {
    const store = await filled(t)
    const taken = [
      'from trades',
      'with a as (select * from trades) select * from a',
      'values (1), (2)',
      'describe trades',
      'summarize trades',
      'show tables',
      'explain select 1',
      'table trades',
      "select * from trades where symbol like '%query%' -- checkpoint",
      'select 1;',
    ]
    for (const sql of taken) await rowsOf(store, sql)
  })

  it('says with a caret where a statement is wrong', async t => {
    const store = await filled(t)
    await assert.rejects(store.sql('select nope from trades'), (error: Error) => {
      assert.match(error.message, /nope/)
      assert.match(error.message, /^LINE 1: select nope from trades\n {14,}\^/m)
      return true
    })
  })

  it('ends a long question when it is given up, and others go on', async t => {
    const store = await filled(t)
    const stop = new AbortController()
    const long = store.sql('select count(*) from range(100000000000) a', { signal: stop.signal })
    const soon = rowsOf(store, 'select 1')
    assert.deepEqual(await soon, [[1]])
    stop.abort()
    await assert.rejects(long, { code: 'CLOSED' })
    assert.deepEqual(await rowsOf(store, 'select 2'), [[2]])
  })

  it('ends it whenever it is given up: before it has begun, while it waits for its turn, and at a close', async t => {
    const store = await filled(t)
    const forever = 'select count(*) from range(100000000000) a'
    for (let moment = 0; moment < 40; moment++) {
      const stop = new AbortController()
      const questions = Array.from({ length: 1 + (moment % 4) }, () =>
        assert.rejects(store.sql(forever, { signal: stop.signal }), { code: 'CLOSED' }),
      )
      // Turns of the loop, and beyond them some of the time it takes to begin.
      for (let turn = 0; turn < moment % 10; turn++) await new Promise(setImmediate)
      if (moment >= 20) await new Promise(resolve => setTimeout(resolve, moment - 20))
      stop.abort()
      await Promise.all(questions)
      // Two run at once: were one of those before still running, others would wait for it sooner or later.
      assert.deepEqual(await rowsOf(store, `select ${moment}`), [[moment]])
    }
    const open = Array.from({ length: 4 }, () =>
      assert.rejects(store.sql(forever), { code: 'CLOSED' }),
    )
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    await store.close()
    await Promise.all(open)
  })

  it('keeps an answer that nobody takes where it is, and answers others', async t => {
    const store = await filled(t)
    const { rows } = await store.sql('select * from range(10000000)')
    const slow = rows[Symbol.asyncIterator]()
    await slow.next()
    assert.deepEqual(await rowsOf(store, 'select 3'), [[3]])
    await slow.return?.()
  })
})

describe('as of a time', () => {
  it('the last event of each symbol is given, in the order asked', async t => {
    const store = await filled(t)
    const ask = { kind: 'trade', symbols: ['SPY', 'NONE', 'AAPL'] } as const
    const early = await store.asOf({ ...ask, time: START + 1 })
    assert.deepEqual(
      early.map(event => [event.symbol, event.timestamp]),
      [
        ['SPY', START + 1],
        ['AAPL', START],
      ],
    )
    const late = await store.asOf({ ...ask, symbols: ['*'], time: START + 86_400_000 * 9 })
    assert.deepEqual(
      late.map(event => [event.symbol, event.timestamp]),
      [
        ['AAPL', START + 2],
        ['SPY', START + 1],
      ],
    )
    assert.deepEqual(await store.asOf({ ...ask, time: START - 1 }), [])
  })
})

describe('bars as of a time', () => {
  const minute = (symbol: string, at: number, close: number) =>
    createEvent({
      ...{ type: 'bar', symbol, source: 's', timestamp: START + at * 60_000, receivedAt: START },
      ...{ interval: '1m', open: 1, high: 9, low: 1, close, volume: 1, final: true, revision: 0 },
    })
  const trade = (at: number, price: number) =>
    createEvent({
      ...{ type: 'trade', symbol: 'SPY', source: 's', timestamp: START + at, price, size: 10 },
    })

  it('are those that were over by then: none holds a price from after it', async t => {
    const store = await open(t, tempFolder(t))
    const tape = memoryTape()
    tape.append([minute('AAPL', 0, 2), minute('AAPL', 1, 3), minute('SPY', -60, 7)])
    tape.append([trade(1, 4), trade(59_999, 5), trade(60_000, 6), trade(90_000, 8)])
    await store.follow(tape, { live: false })
    const closes = async (time: number) => {
      const bars = await store.asOf({ kind: 'bar', symbols: ['AAPL', 'SPY'], time: START + time })
      return bars.map(bar => [bar.symbol, (bar as { close?: number }).close])
    }
    assert.deepEqual(await closes(59_999), [['SPY', 7]])
    // A bar of trades is later than the one that was stored.
    assert.deepEqual(await closes(60_000), [
      ['AAPL', 2],
      ['SPY', 5],
    ])
    assert.deepEqual(await closes(119_999), await closes(60_000))
    assert.deepEqual(await closes(120_000), [
      ['AAPL', 3],
      ['SPY', 8],
    ])
  })
})

describe('Parquet paths', () => {
  it('hold what was asked, open days written for it', async t => {
    const store = await open(t, tempFolder(t))
    const tape = memoryTape()
    tape.append(manyEvents(240, 8))
    await store.follow(tape, { live: false })
    const paths = await store.parquet({ kinds: ['trade', 'quote'] })
    assert.equal(paths.length, 2)
    const [[count]] = (await rowsOf(store, `select count(*) from read_parquet('${paths[0]}')`)) as [
      [number],
    ]
    assert.equal(count, 20)
    assert.deepEqual(await store.parquet({ kinds: ['trade', 'quote'] }), paths)
    assert.deepEqual(await store.parquet({ to: START - 86_400_000 }), [])
    await assert.rejects(store.parquet({ from: 2, to: 1 }), { code: 'BAD_OPTION' })
  })
})
