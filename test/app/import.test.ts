import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { EXPORT_FORMATS, exportEvents } from '../../src/app/export.ts'
import { Import, type ImportOptions } from '../../src/app/import.ts'
import { parseMapping } from '../../src/app/import-mapping.ts'
import { timeReader, unitOf } from '../../src/app/import-time.ts'
import type { ErrorCode } from '../../src/base/errors.ts'
import { EVENT_TYPES, KINDS, type MarketEvent } from '../../src/market/events.ts'
import { toISO } from '../../src/market/time.ts'
import { handClock } from '../../src/testing/clock.ts'
import { collect, DAY_MS, manyEvents, once, open, START, tempFolder } from '../store/kit.ts'

const clock = handClock(START + 10 * DAY_MS)
const failing = (code: ErrorCode, message: RegExp) => (error: Error & { code?: string }) =>
  error.code === code && message.test(`${error.message} ${(error as { hint?: string }).hint}`)

function file(t: TestContext, name: string, text: string | Buffer): string {
  const path = join(tempFolder(t), name)
  writeFileSync(path, text)
  return path
}

async function read(path: string, options: Partial<ImportOptions> = {}) {
  const it = await Import.open(path, { clock, ...options })
  try {
    const events = await collect(it.events())
    return { ...it.report(), events, said: it.said, notes: it.notes }
  } finally {
    it.close()
  }
}

const TRADES = `time,sym,px,qty,foo
1748871000123456789,AAPL,201.5,100,x
1748871000223456789,AAPL,201.6,50,y
`

describe('a file from elsewhere', () => {
  it('becomes trades by the well-known names of its columns, and says so', async t => {
    const { events, said } = await read(file(t, 'a.csv', TRADES), { kind: 'trade' })
    assert.match(said, /timestamp ← time \(ns, by its values\).*price ← px.*not used: foo/)
    const [first] = events
    assert.equal(toISO(first!), '2025-06-02T13:30:00.123456789Z')
    const { symbol, source, flags, seq, receivedAt } = first!
    assert.deepEqual([symbol, source, flags, seq], ['AAPL', 'import', 0, undefined])
    assert.equal(receivedAt, first!.timestamp)
    assert.deepEqual(
      events.map(it => it.type === 'trade' && [it.price, it.size]),
      [
        [201.5, 100],
        [201.6, 50],
      ],
    )
  })

  it('is mapped by hand, with units, fixed symbol and source', async t => {
    const path = file(t, 'a.csv.gz', gzipSync('when|what|how\n1748871000.5|9.5|3\n'))
    const { events } = await read(path, {
      ...{ kind: 'trade', symbol: 'X', source: 'tape shop' },
      mapping: parseMapping('timestamp=when:s,price=what,size=how'),
    })
    const [trade] = events
    assert.equal(toISO(trade!), '2025-06-02T13:30:00.500000000Z')
    assert.deepEqual([trade!.symbol, trade!.source], ['X', 'tape shop'])
  })

  it('gives bars from a day and a time of day in a zone of its own', async t => {
    const text =
      'Date,Time,Open,High,Low,Close,Volume\n06/02/2025,9,1,2,1,2,5\n2025-06-02,09:30,1,2,1,2,5\n'
    const path = file(t, 'bars.csv', text)
    const found = await read(path, {
      ...{ kind: 'bar', symbol: 'SPY', interval: '1m', zone: 'America/New_York' },
    })
    const [bar] = found.events
    assert.equal(toISO(bar!), '2025-06-02T13:30:00.000000000Z')
    assert.deepEqual(bar!.type === 'bar' && [bar.final, bar.adjustment, bar.interval], [
      ...[true, 'raw', '1m'],
    ])
    assert.deepEqual(found.badRows, [{ line: 2, reason: 'timestamp is no time: "06/02/2025 9"' }])
    assert.match(found.notes[0]!, /no zone: they are taken for America\/New_York/)
  })

  it('has its bad rows counted and told with line and reason, by the rules of the quarantine', async t => {
    const rows = [
      '1748871000123456789,AAPL,0,50,x',
      '1748871000123456789,AAPL,-3,50,x',
      '1748871000123456789,AAPL,NaN,50,x',
      '1748871000123456789,AAPL,1,0,x',
      '17488710,AAPL,201,50,x',
      '1748871000123456789,,201,50,x',
      '1748871000123456789,AAPL,201',
    ]
    const good = Array.from({ length: 20 }, (_, i) => `17488710${10 + i}123456789,AAPL,1,1,`)
    const found = await read(file(t, 'a.csv', `${TRADES}${[...rows, ...good].join('\n')}`), {
      kind: 'trade',
    })
    assert.deepEqual([found.rows, found.events.length], [29, 22])
    const told = found.badRows.map(({ line, reason }) => `${line} ${reason}`)
    const expected = [
      ...[
        /^4 a price/,
        /^5 a price/,
        /^6 price is no number: "NaN"/,
        /^7 a size/,
        /^8 its time is/,
      ],
      ...[/^9 symbol is missing/, /^10 it has 3 cells, the first line 5/],
    ]
    assert.equal(told.length, expected.length, told.join('\n'))
    for (const [i, pattern] of expected.entries()) assert.match(told[i]!, pattern)
    assert.equal(found.bad.get('bad-price'), 2)
    const strict = read(file(t, 'b.csv', `${TRADES}${rows[0]}`), { kind: 'trade', strict: true })
    await assert.rejects(strict, failing('BAD_EVENT', /line 4: a price/))
  })

  it('is refused where it is not clear what it is', async t => {
    const path = file(t, 'a.csv', TRADES)
    const bad = (options: Partial<ImportOptions>, message: RegExp) =>
      assert.rejects(read(path, options), failing('BAD_OPTION', message))
    await bad({}, /nothing says what its rows are/)
    await bad({ kind: 'book' }, /our own files only/)
    await bad({ kind: 'quote' }, /no column is known to be the bid of a quote/)
    await bad({ kind: 'trade', mapping: parseMapping('prize=px') }, /no field prize.*price/)
    await bad({ kind: 'trade', mapping: parseMapping('price=p') }, /no column "p"/)
    const none = file(t, 'c.csv', 'time,price,size\n5,1,1\n')
    const unit = read(none, { kind: 'trade', symbol: 'X' })
    await assert.rejects(unit, failing('BAD_OPTION', /unit of the times in time cannot be told/))
    const nameless = read(file(t, 'd.csv', 'time,price,size\n1748871000,1,1\n'), { kind: 'trade' })
    await assert.rejects(nameless, failing('BAD_OPTION', /symbol.*--symbol AAPL/))
    await assert.rejects(read(file(t, 'e.csv', '')), failing('BAD_OPTION', /is empty/))
    await assert.rejects(read(join(path, 'x.csv')), failing('BAD_OPTION', /cannot be read/))
    await assert.rejects(read(file(t, 'f.dat', 'x')), failing('BAD_OPTION', /--format/))
    assert.throws(() => parseMapping('price'), failing('BAD_OPTION', /FIELD=COLUMN/))
  })

  it('may be NDJSON, with lists, nulls and lines that are none', async t => {
    const text =
      '{"t":"2025-06-02T13:30:00.1Z","S":"AAPL","p":1.5,"s":2,"c":["@","T"],"i":7,"z":null}\nnonsense\n[1]\n'
    const { events, badRows } = await read(file(t, 'a.ndjson', text), { kind: 'trade' })
    const [trade] = events
    assert.deepEqual(trade!.type === 'trade' && [trade.conditions, trade.id, trade.tape], [
      ...[['@', 'T'], 7, undefined],
    ])
    assert.deepEqual(
      badRows.map(({ line, reason }) => `${line} ${reason}`),
      ['2 it is no JSON', '3 it is no JSON object'],
    )
  })

  it('may be Parquet, and is named where it is damaged', async t => {
    const folder = tempFolder(t)
    const path = file(t, 'a.parquet', 'PAR1 but no more PAR1')
    await assert.rejects(read(path, { kind: 'trade' }), failing('BAD_PARQUET', /a\.parquet cannot/))
    const store = await open(t, join(folder, 'store'), { clock })
    await store.merge(once(manyEvents(50, 3, ['luld'])))
    const [part] = await store.parquet({ kinds: ['luld'] })
    const mapped = read(part!, { kind: 'trade', mapping: parseMapping('price=limit_up,size=seq') })
    // Columns of somebody else's: DuckDB's names and types are as good as any.
    assert.ok((await mapped).rows === 50)
  })

  it('may have a name, in a folder, that would be a pattern: nothing else is read', async t => {
    const folder = tempFolder(t)
    const named = async (name: string, count: number) => {
      const store = await open(t, join(folder, `store${count}`), { clock })
      await store.merge(once(manyEvents(count, 3, ['luld'])))
      const [part] = await store.parquet({ kinds: ['luld'] })
      const path = join(folder, name)
      mkdirSync(dirname(path), { recursive: true })
      copyFileSync(part!, path)
      return path
    }
    const [odd, plain] = [await named('x[1].parquet', 3), await named('x1.parquet', 5)]
    const star = join(folder, 'x*.parquet')
    copyFileSync(plain, star)
    const inside = await named('days[1]/a.parquet', 7)
    await named('days1/a.parquet', 9)
    const rows = await Promise.all(
      [odd, plain, star, inside].map(async path => (await read(path, {})).rows),
    )
    assert.deepEqual(rows, [3, 5, 5, 7])
    const kept = await open(t, join(folder, 'data[1]*'), { clock })
    assert.deepEqual(await kept.merge(once(manyEvents(20, 4, ['luld']))), { added: 20, known: 0 })
    assert.deepEqual(await kept.merge(once(manyEvents(20, 4, ['luld']))), { added: 0, known: 20 })
  })
})

describe('times', () => {
  it('have their unit told by their values', () => {
    for (const [unit, text] of [
      ...([
        ['s', '1748871000'],
        ['s', '1748871000.25'],
        ['ms', '1748871000123'],
      ] as const),
      ...([
        ['us', '1748871000123456'],
        ['ns', '1748871000123456789'],
      ] as const),
      ...([
        ['iso', '2025-06-02'],
        ['iso', '20250602'],
        [undefined, '5'],
      ] as const),
    ]) {
      assert.equal(unitOf([text]), unit, text)
    }
    assert.equal(unitOf(['1748871000', '1748871000123']), 'mixed')
  })

  it('are read to the nanosecond, a zone with its summer time', () => {
    const iso = (unit: Parameters<typeof timeReader>[0], text: string, zone = 'UTC') => {
      const moment = timeReader(unit, zone)(text)
      return moment && toISO(moment)
    }
    assert.equal(iso('ns', '1748871000123456789'), '2025-06-02T13:30:00.123456789Z')
    assert.equal(iso('s', '1748871000.123456789'), '2025-06-02T13:30:00.123456789Z')
    assert.equal(iso('ms', '1748871000123.5'), '2025-06-02T13:30:00.123500000Z')
    assert.equal(
      iso('iso', '2025-06-02 09:30', 'America/New_York'),
      '2025-06-02T13:30:00.000000000Z',
    )
    assert.equal(
      iso('iso', '20250102 093000', 'America/New_York'),
      '2025-01-02T14:30:00.000000000Z',
    )
    assert.equal(iso('iso', '2025-06-02T09:30:00-04', 'UTC'), '2025-06-02T13:30:00.000000000Z')
    assert.equal(iso('iso', '2025-02-30'), undefined)
    assert.equal(iso('ns', 'soon'), undefined)
  })
})

describe('a day exported and imported again', () => {
  const everything = { symbols: ['*'], from: START - DAY_MS, to: START + DAY_MS }
  /** Prices below 0 and such are no events that came through a feed, and are not taken back. */
  const sound = (event: MarketEvent) => {
    const values = event as unknown as Readonly<Record<string, unknown>>
    for (const field of KINDS[event.type].fields) {
      const value = values[field]
      if (/^(id|originalId)$/.test(field)) continue
      if (typeof value === 'number' && !(value > 0 && value < 1e9)) {
        Object.assign(event, { [field]: 17 + (event.timestamp % 100) })
      }
    }
    for (const name of ['id', 'originalId']) {
      // The JSON form has no other numbers as ids.
      if (values[name] === 1.5) Object.assign(event, { [name]: '1.5' })
    }
    if (event.type === 'bar') Object.assign(event, { low: 1, high: 200, open: 100, close: 100 })
    if (event.type === 'book') Object.assign(event, { bids: [[1 / 3, 0.1]], asks: [] })
    if (event.type === 'ticker' && event.lastTime !== undefined)
      Object.assign(event, { lastTime: START })
    return event
  }

  for (const format of EXPORT_FORMATS.filter(one => one !== 'arrow')) {
    it(`is equal in every field: ${format}`, async t => {
      const [folder, out] = [tempFolder(t), tempFolder(t)]
      const store = await open(t, join(folder, 'one'), { clock })
      const other = await open(t, join(folder, 'two'), { clock })
      await store.merge(once(manyEvents(1_200, 11).map(sound)))
      const done = await exportEvents(store, { out, format, store: join(folder, 'one') })
      const total = (await store.holdings()).reduce((sum, { rows }) => sum + rows, 0)
      assert.equal(done.rows, total)
      const names = readdirSync(out, { recursive: true, encoding: 'utf8' })
      const files: Import[] = []
      async function* events() {
        for (const name of names.filter(it => it.endsWith(format))) {
          const file = await Import.open(join(out, name), { clock })
          files.push(file)
          yield* file.events()
          file.close()
        }
      }
      const { added } = await other.merge(events())
      assert.deepEqual(
        files.flatMap(it => it.report().badRows),
        [],
      )
      assert.equal(added, total)
      for (const kind of EVENT_TYPES.filter(it => it !== 'bar')) {
        const whose = (events: MarketEvent[]) => events.map(it => JSON.stringify(it)).sort()
        const [before, after] = [
          await collect(store.history({ kind, ...everything })),
          await collect(other.history({ kind, ...everything })),
        ]
        assert.ok(before.length > 0)
        assert.deepEqual(whose(after), whose(before), kind)
      }
      const bars = 'select * from bars order by all'
      const rowsOf = async (it: typeof store) => collect((await it.sql(bars)).rows)
      assert.deepEqual(await rowsOf(other), await rowsOf(store))
    })
  }
})
