import { TickwireError } from '../base/errors.ts'
import type { HistoryRequest } from '../flow/contracts.ts'
import { EVENT_TYPES, type EventType, type MarketEvent } from '../market/events.ts'
import { formatTime } from '../market/time.ts'
import { barsOfTrades, FOR_BARS, rangeForBars } from './bars.ts'
import { type AskedForBars, type BarSource, barsIn, lastBars } from './bars-told.ts'
import { tableOf } from './columns.ts'
import { startOf } from './manifest.ts'
import type { Answer, Link } from './postgres-driver.ts'
import { eventColumns, readEvent, textsOf } from './postgres-events.ts'
import { DAY_TABLES, literal, name, partitionName } from './postgres-schema.ts'
import type { Form } from './postgres-setup.ts'
import { dayBytes } from './postgres-timescale.ts'
import type { AsOfRequest, Cell, Holding, Table } from './store.ts'

const DAY_MS = 86_400_000
/** Rows asked for at once. */
const FETCH = 4_096
/** Of two rows of one nanosecond the one that came first on its tape is first; those of no tape come behind. */
const IN_ORDER = 'order by t.ts, t.ns, t.tape_no = 0, t.seq, t.tape_no'
const NEWEST = 't.ns desc, t.tape_no <> 0, t.seq desc, t.tape_no desc'

interface Range {
  readonly symbols: readonly string[]
  readonly source?: string | undefined
  readonly from: number
  readonly to: number
}

/** Answers questions on one connection, in a transaction that sees one state of the tables. */
export class Answers {
  readonly #link: Link
  readonly #schema: string
  #days: ReadonlyMap<EventType, readonly string[]> = new Map()
  #cursors = 0

  private constructor(link: Link, schema: string) {
    this.#link = link
    this.#schema = schema
  }

  static async begin(link: Link, schema: string): Promise<Answers> {
    await link.run(
      `set timezone = 'UTC'; set search_path = ${name(schema)}, public; begin transaction isolation level repeatable read read only`,
    )
    return new Answers(link, schema)
  }

  async #ready(): Promise<void> {
    const { rows } = await this.#link.query(
      `select kind, day::text from ${name(this.#schema)}.days where rows > 0 order by day`,
    )
    const days = new Map<EventType, string[]>()
    for (const [kind, day] of rows as [EventType, string][]) {
      const list = days.get(kind)
      if (list) list.push(day)
      else days.set(kind, [day])
    }
    this.#days = days
  }

  #daysOf(kind: EventType, { from, to }: { from: number; to: number }): string[] {
    const days = this.#days.get(kind) ?? []
    return days.filter(day => startOf(day) <= to && startOf(day) + DAY_MS > from)
  }

  async *history(request: HistoryRequest, now: number): AsyncGenerator<MarketEvent[]> {
    await this.#ready()
    const { kind, interval = '1m', adjustment = 'raw' } = request
    if (kind === 'bar') yield await barsIn(this.#forBars, { ...request, interval, adjustment, now })
    else for (const day of this.#daysOf(kind, request)) yield* this.#day(kind, day, request)
  }

  async *#day(kind: EventType, day: string, range: Range): AsyncGenerator<MarketEvent[]> {
    const table = tableOf(kind)
    const s = name(this.#schema)
    const select = `select ${eventColumns(table, this.#schema, timesOf(range, day))} from ${s}.${table.view} t where ${which(range, day)} ${IN_ORDER}`
    for await (const { rows } of this.#cursor(select)) {
      if (rows.length > 0) yield rows.map(row => readEvent(table, row))
    }
  }

  /** The rows of a statement, some at a time: at least one answer, which may be empty. */
  async *#cursor(select: string): AsyncGenerator<Answer> {
    const cursor = `c${++this.#cursors}`
    await this.#link.query(`declare ${cursor} no scroll cursor for ${select}`)
    let answer: Answer
    do {
      answer = await this.#link.query(`fetch ${FETCH} from ${cursor}`)
      yield answer
    } while (answer.rows.length === FETCH)
    await this.#link.query(`close ${cursor}`)
  }

  /** What is stored here to make bars of. */
  get #forBars(): BarSource {
    return {
      daysOf: (kind, range) => this.#daysOf(kind, range),
      stored: (day, asked) => this.#storedBars(asked, day),
      built: asked => this.#builtBars(asked),
    }
  }

  /** Stored bars of a length, each once, as it was said last. */
  async #storedBars(asked: AskedForBars, day: string): Promise<MarketEvent[]> {
    const table = tableOf('bar')
    const s = name(this.#schema)
    const inner =
      `select distinct on (t.symbol, t.source, t.ns) t.* from ${s}.bars t where ${which(asked, day)} and t.interval = ${literal(asked.interval)} ` +
      `and coalesce(t.adjustment, 'raw') = ${literal(asked.adjustment)} ` +
      'order by t.symbol, t.source, t.ns, t.final desc, t.revision desc, t.tape_no = 0, t.seq desc'
    const select = `select ${eventColumns(table, this.#schema, timesOf(asked, day))} from (${inner}) t order by t.ns, t.symbol`
    const all: MarketEvent[] = []
    for await (const { rows } of this.#cursor(select))
      for (const row of rows) all.push(readEvent(table, row))
    return all
  }

  async #builtBars(asked: AskedForBars): Promise<MarketEvent[]> {
    const bars = await barsOfTrades(asked, this.#daysForBars(rangeForBars(asked)))
    return bars.sort((a, b) => a.timestamp - b.timestamp || a.nanos - b.nanos)
  }

  async *#daysForBars(range: Range): AsyncGenerator<MarketEvent[]> {
    const days = new Set(FOR_BARS.flatMap(kind => this.#daysOf(kind, range)))
    for (const day of [...days].sort()) {
      const come: MarketEvent[] = []
      for (const kind of FOR_BARS) {
        for await (const events of this.#day(kind, day, range)) {
          for (const event of events) come.push(event)
        }
      }
      yield come
    }
  }

  /** The last event of each symbol at or before a time; of bars the last that was over by then. */
  async asOf(request: AsOfRequest, now: number): Promise<MarketEvent[]> {
    await this.#ready()
    const { kind, symbols, interval = '1m' } = request
    const found =
      kind === 'bar'
        ? await lastBars(this.#forBars, { ...request, interval, now })
        : await this.#lastEvents(request)
    if (symbols.includes('*')) {
      return [...found.values()].sort((a, b) => ((a.symbol ?? '') < (b.symbol ?? '') ? -1 : 1))
    }
    return [...new Set(symbols)].flatMap(symbol => found.get(symbol) ?? [])
  }

  async #lastEvents(request: AsOfRequest): Promise<Map<string | undefined, MarketEvent>> {
    const { kind, symbols, time } = request
    const found = new Map<string | undefined, MarketEvent>()
    const isAll = symbols.includes('*')
    const wanted = new Set(symbols)
    const range = { ...request, from: 0, to: time }
    for (const day of this.#daysOf(kind, range).reverse()) {
      const left = isAll ? symbols : [...wanted].filter(symbol => !found.has(symbol))
      if (left.length === 0) break
      for (const event of await this.#lastOfDay(kind, day, { ...range, symbols: left })) {
        if (!found.has(event.symbol)) found.set(event.symbol, event)
      }
    }
    return found
  }

  async #lastOfDay(kind: EventType, day: string, range: Range): Promise<MarketEvent[]> {
    const table = tableOf(kind)
    const s = name(this.#schema)
    const inner = `select distinct on (t.symbol) t.* from ${s}.${table.view} t where ${which(range, day)} order by t.symbol, ${NEWEST}`
    const select = `select ${eventColumns(table, this.#schema, timesOf(range, day))} from (${inner}) t`
    const { rows } = await this.#link.query(select)
    return rows.map(row => readEvent(table, row))
  }

  /** One statement that reads: the transaction lets no other. */
  async sql(text: string): Promise<Table> {
    const asked = this.#cursor(text)
    const first = await asked.next()
    const { columns } = first.value as Answer
    async function* rows(): AsyncGenerator<Cell[][]> {
      for (let step = first; !step.done; step = await asked.next()) {
        if (step.value.rows.length === 0) continue
        yield step.value.rows.map(row => row.map((value, i) => cellOf(value, columns[i]!.type)))
      }
    }
    return {
      columns: columns.map(({ name, type }) => ({ name, type: TYPES[type] ?? 'text' })),
      rows: rows(),
    }
  }

  async holdings(form: Form): Promise<Holding[]> {
    await this.#ready()
    const s = name(this.#schema)
    const { rows } = await this.#link.query(
      `select kind, day::text, rows from ${s}.days where rows > 0 order by day, kind`,
    )
    const stored = (rows as [EventType, string, string][]).filter(([kind]) =>
      EVENT_TYPES.includes(kind),
    )
    const bytes = form === 'timescale' ? await this.#chunkBytes() : undefined
    const holdings: Holding[] = []
    for (const [kind, day, count] of stored) {
      const size = bytes
        ? (bytes.get(`${kind} ${day}`) ?? 0)
        : await this.#partitionBytes(kind, day)
      holdings.push({
        ...{ day, kind, rows: Number(count), symbols: await this.#symbolsOf(kind, day) },
        ...{ sealed: false, bytes: size },
      })
    }
    return holdings
  }

  async #partitionBytes(kind: EventType, day: string): Promise<number> {
    const s = name(this.#schema)
    const sizes = DAY_TABLES.filter(table => table.kind === kind).map(
      ({ table }) =>
        `coalesce(pg_total_relation_size(to_regclass(${literal(`${s}.${partitionName(table, day)}`)})), 0)`,
    )
    const { rows } = await this.#link.query(`select ${sizes.join(' + ')}`)
    return Number(rows[0]![0])
  }

  /** Bytes of chunks, by kind and day. */
  async #chunkBytes(): Promise<Map<string, number>> {
    const bytes = new Map<string, number>()
    for (const { table, kind } of DAY_TABLES) {
      const { rows } = await this.#link.query(dayBytes(this.#schema, table))
      for (const [day, size] of rows) {
        const key = `${kind} ${day}`
        bytes.set(key, (bytes.get(key) ?? 0) + Number(size))
      }
    }
    return bytes
  }

  /** How many symbols a day has: by steps through the index, as a count reads every row. */
  async #symbolsOf(kind: EventType, day: string): Promise<number> {
    const table = `${name(this.#schema)}.${tableOf(kind).view}`
    const on = within(startOf(day), startOf(day) + DAY_MS - 1, 'ts')
    const { rows } = await this.#link.query(
      `with recursive step as (select (select min(symbol) from ${table} where ${on}) as symbol union all ` +
        `select (select min(symbol) from ${table} where symbol > step.symbol and ${on}) from step where step.symbol is not null) ` +
        'select count(symbol) from step',
    )
    return Number(rows[0]![0])
  }

  /** Ends the transaction: the connection may be asked again. */
  async end(): Promise<void> {
    if (!this.#link.lost) await this.#link.run('rollback')
  }
}

/** The condition that a row is of a day and of what was asked. */
function which({ symbols, source, from, to }: Range, day: string): string {
  const named = symbols.includes('*')
    ? ''
    : ` and t.symbol in (${symbols.map(literal).join(', ') || 'null'})`
  const of = source === undefined ? '' : ` and t.source = ${literal(source)}`
  return `${timesOf({ from, to }, day)('t.ts')}${named}${of}`
}

/** The condition that a time is of a day and of what was asked. */
function timesOf({ from, to }: Pick<Range, 'from' | 'to'>, day: string) {
  const first = Math.max(Math.ceil(from), startOf(day))
  const last = Math.min(Math.floor(to), startOf(day) + DAY_MS - 1)
  return (column: string) => within(first, last, column)
}

/** The condition that a time is in a range of whole milliseconds, both inclusive. */
export function within(from: number, to: number, column: string): string {
  const at = (ms: number) => `'${formatTime(ms, 0)}'::timestamptz`
  return `${column} >= ${at(from)} and ${column} < ${at(to + 1)}`
}

/** Names of common types by their number, as a table's head shows them. */
const TYPES: Readonly<Record<number, string>> = {
  ...{ 16: 'boolean', 20: 'bigint', 21: 'smallint', 23: 'integer', 25: 'text', 700: 'real' },
  ...{ 701: 'double', 1043: 'text', 1082: 'date', 1114: 'timestamp', 1184: 'timestamptz' },
  ...{ 1700: 'numeric', 1009: 'text[]', 1022: 'double[]', 18: 'char', 19: 'text' },
}

/** A value as an answer shows it: whole numbers beyond 2^53 and times are text. */
function cellOf(value: string | null, type: number): Cell {
  if (value === null) return null
  switch (type) {
    case 16:
      return value === 't'
    case 20:
    case 21:
    case 23: {
      const whole = Number(value)
      return Number.isSafeInteger(whole) ? whole : value
    }
    case 700:
    case 701:
      return Number(value)
    case 1_700:
      return value.replace(/^-?0*\.?0*|\./g, '').length <= 15 ? Number(value) : value
    case 1_184:
      return timeOf(value)
    case 1_009:
      return textsOf(value)
    case 1_022:
      return JSON.parse(
        value
          .replaceAll('{', '[')
          .replaceAll('}', ']')
          .replace(/NaN|-?Infinity|NULL/g, 'null'),
      ) as Cell
    default:
      return value
  }
}

/** `2025-06-02 13:30:00.123456+00`, as the server says it in UTC. */
function timeOf(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text)
  return match ? `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(9, '0')}Z` : text
}

/** A statement that cannot be answered, in the server's words. */
export function badSql(error: Error): TickwireError {
  const { position } = error as { position?: string }
  const place = position ? ` (at character ${position})` : ''
  return new TickwireError('BAD_SQL', `${error.message}${place}`, {
    cause: error,
    hint: 'The tables are in docs/stores/postgres.md; one SELECT is answered.',
  })
}
