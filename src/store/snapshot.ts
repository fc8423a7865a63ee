import { join } from 'node:path'
import type { EventType } from '../market/events.ts'
import { type KindTable, ODD } from './columns.ts'
import { fileNamed, quoted, type Session } from './duckdb.ts'
import { dayAt, startOf } from './manifest.ts'
import { HOT, hotRows, type KnownTape, shownColumns } from './schema.ts'

export const DAY_MS = 86_400_000
/** The last time of a row, epoch ms. */
const LAST_MS = 9_200_000_000_000

/** Whose events of which time. */
export interface Range {
  readonly symbols: readonly string[]
  readonly source?: string | undefined
  /** Venue times, epoch ms, both inclusive. */
  readonly from: number
  readonly to: number
}

export interface StoredPart {
  readonly path: string
  readonly no: number
  readonly rows: number
  readonly symbols: number
  readonly bytes: number
}

/** What a question sees: the same rows in the same files, whatever is written meanwhile. */
export class Snapshot {
  readonly session: Session
  readonly folder: string
  readonly tapes: readonly (KnownTape & { readonly seq: number })[]
  readonly #parts: ReadonlyMap<string, readonly StoredPart[]>
  readonly #open = new Map<EventType, ReadonlySet<string>>()

  private constructor(
    session: Session,
    folder: string,
    tapes: Snapshot['tapes'],
    parts: ReadonlyMap<string, readonly StoredPart[]>,
  ) {
    this.session = session
    this.folder = folder
    this.tapes = tapes
    this.#parts = parts
  }

  /** Of a transaction that has been begun. */
  static async of(session: Session, folder: string): Promise<Snapshot> {
    const tapes = await session.all(`select no, id, seq from ${HOT}.tapes order by no`)
    const rows = await session.all(
      `select kind, day, path, no, rows, symbols, bytes from ${HOT}.parts order by no`,
    )
    const parts = new Map<string, StoredPart[]>()
    for (const [kind, day, path, no, count, symbols, bytes] of rows as [
      string,
      string,
      string,
      number,
      bigint,
      bigint,
      bigint,
    ][]) {
      const part = {
        ...{ path: join(folder, path), no, rows: Number(count) },
        ...{ symbols: Number(symbols), bytes: Number(bytes) },
      }
      const key = `${kind} ${day}`
      const list = parts.get(key)
      if (list) list.push(part)
      else parts.set(key, [part])
    }
    const known = tapes.map(([no, id, seq]) => ({
      no: no as number,
      id: id as string,
      seq: Number(seq),
    }))
    return new Snapshot(session, folder, known, parts)
  }

  partsOf(kind: EventType, day: string): readonly StoredPart[] {
    return this.#parts.get(`${kind} ${day}`) ?? []
  }

  allParts(kind: EventType): readonly StoredPart[] {
    return [...this.#parts].flatMap(([key, parts]) => (key.startsWith(`${kind} `) ? parts : []))
  }

  /** Whether a day has rows in no sealed file. Known once `daysOf` has been asked for the kind. */
  isOpen(kind: EventType, day: string): boolean {
    return this.#open.get(kind)?.has(day) ?? false
  }

  /** Days that overlap a time, oldest first. */
  async daysOf(kind: EventType, { from, to }: { from: number; to: number }): Promise<string[]> {
    if (!this.#open.has(kind)) {
      const rows = await this.session.all(
        `select distinct (epoch_ns(ts) // ${DAY_MS}000000)::integer from ${HOT}.${kind}`,
      )
      this.#open.set(kind, new Set(rows.map(([day]) => dayAt((day as number) * DAY_MS))))
    }
    const days = new Set(this.#open.get(kind))
    for (const key of this.#parts.keys()) {
      const [of, day] = key.split(' ') as [string, string]
      if (of === kind) days.add(day)
    }
    return [...days].filter(day => startOf(day) <= to && startOf(day) + DAY_MS > from).sort()
  }
}

/** The condition that a time is in a range of whole milliseconds, both inclusive. */
export function within(from: number, to: number, column: string): string {
  const first = Math.min(Math.max(Math.ceil(from), 0), LAST_MS)
  const last = Math.min(Math.max(Math.floor(to), -1), LAST_MS)
  return `${column} >= make_timestamp_ns(${first}000000) and ${column} < make_timestamp_ns(${last + 1}000000)`
}

/** A place where rows of a day are: a table or file, and the condition that picks them. */
export interface Span {
  readonly isOpen: boolean
  readonly from: string
  /** Of open days `t` is the row and `h` its head. */
  readonly where: string
  /** Number of the file. */
  readonly part: number
}

/** Files as they are numbered; what is in none comes behind. */
const BEHIND = 4_294_967_295

/** Where rows of a day are. */
export function spansOf(snapshot: Snapshot, kind: EventType, day: string, range: Range): Span[] {
  const from = Math.max(range.from, startOf(day))
  const to = Math.min(range.to, startOf(day) + DAY_MS - 1)
  const which = (t: string, h: string) => {
    const { symbols, source } = range
    const named = symbols.includes('*')
      ? ''
      : ` and ${h}symbol in (${symbols.map(quoted).join(', ') || 'null'})`
    const of = source === undefined ? '' : ` and ${h}source = ${quoted(source)}`
    return `${within(from, to, `${t}ts`)}${named}${of}`
  }
  const spans = snapshot.partsOf(kind, day).map(
    ({ path, no }): Span => ({
      isOpen: false,
      from: `read_parquet([${fileNamed(path)}], file_row_number = true)`,
      where: which('', ''),
      part: no,
    }),
  )
  if (snapshot.isOpen(kind, day) || spans.length === 0) {
    spans.push({
      isOpen: true,
      from: `${HOT}.${kind} t`,
      where: which('t.', 'h.'),
      part: BEHIND,
    })
  }
  return spans
}

/** Rows of a day, with what tells those of one nanosecond apart that have no number: their file and place in it. */
export function rowsOf(snapshot: Snapshot, table: KindTable, day: string, range: Range): string {
  const columns = [...shownColumns(table), ODD].map(name => `"${name}"`).join(', ')
  return spansOf(snapshot, table.kind, day, range)
    .map(({ isOpen, from, where, part }) =>
      isOpen
        ? `select ${columns}, part, nth from (${hotRows(table, snapshot.tapes, HOT, `, ${part} as part, t.rowid as nth`)} where ${where})`
        : `select ${columns}, ${part} as part, file_row_number as nth from ${from} where ${where}`,
    )
    .join(' union all ')
}
