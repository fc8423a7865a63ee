import {
  COMMON_COLUMNS,
  columnsOf,
  hiddenColumns,
  type KindTable,
  ODD,
  SALE,
  TABLES,
} from './columns.ts'
import { fileNamed, quoted, type Session } from './duckdb.ts'
import { HOT_COLUMNS } from './rows.ts'

/** The tables of open days, and what is known of sealed ones. */
export const HOT = 'open_days'

/** Tables that go with the connection: of events on their way into days. */
export const STAGE = 'temp.main'

/** The tables that events stand in: one for each kind, and the words they refer to. */
export function eventTables(schema: string): string[] {
  const create = schema === STAGE ? 'create temp table' : 'create table'
  const table = (name: string, columns: readonly (readonly [string, string])[]) => {
    const list = columns.map(([column, type]) => `"${column}" ${type}`).join(', ')
    return `${create} if not exists ${schema}.${name} (${list})`
  }
  return [
    ...TABLES.flatMap(({ kind, details, plain }) => {
      const odd = [ODD, 'VARCHAR'] as const
      if (details.length === 0) {
        return [table(kind, [...HOT_COLUMNS, ...columnsOf(plain), odd])]
      }
      const detail = ['detail', 'UINTEGER'] as const
      const sale = kind === 'trade' ? [[SALE, 'UTINYINT'] as const] : []
      return [
        table(kind, [...HOT_COLUMNS, detail, ...columnsOf(plain), odd]),
        table(`${kind}_details`, [['id', 'UINTEGER'], ...columnsOf(details), ...sale]),
      ]
    }),
    table('heads', [
      ['id', 'UINTEGER'],
      ['symbol', 'VARCHAR'],
      ['source', 'VARCHAR'],
      ['flags', 'INTEGER'],
    ]),
  ]
}

/** Makes what is missing in a file. */
export async function createHot(session: Session): Promise<void> {
  const statements = [
    `create schema if not exists ${HOT}`,
    ...eventTables(HOT),
    `create table if not exists ${HOT}.tapes (no UINTEGER, id VARCHAR, seq BIGINT)`,
    `create table if not exists ${HOT}.parts (path VARCHAR, kind VARCHAR, day VARCHAR, no UINTEGER, rows BIGINT, symbols BIGINT, first TIMESTAMP_NS, last TIMESTAMP_NS, bytes BIGINT)`,
    // Rows of parts, by a hash of what they say, that a row of a tape has been left out for.
    `create table if not exists ${HOT}.replaced (path VARCHAR, key UBIGINT)`,
  ]
  for (const statement of statements) await session.run(statement)
}

/** A tape the store has read from, by its number in rows. */
export interface KnownTape {
  readonly no: number
  readonly id: string
}

/** Columns of a kind as they are shown and stored in days. */
export function shownColumns(table: KindTable): string[] {
  return [...COMMON_COLUMNS, ...columnsOf(table.fields)].map(([name]) => name)
}

const named = (names: readonly string[]) => names.map(name => `"${name}"`).join(', ')

/**
 * Rows of open days as days have them: words instead of numbers. `schema`: where they are; `more`: columns beside. A
 * condition may follow, in which `t` is the row and `h` its head.
 */
export function hotRows(
  table: KindTable,
  tapes: readonly KnownTape[],
  schema = HOT,
  more = '',
): string {
  const { kind, fields, details } = table
  const cases = tapes.map(({ no, id }) => ` when ${no} then ${quoted(id)}`).join('')
  const tape = cases ? `case t.tape_no${cases} end` : 'null::varchar'
  // Notices to this reader alone have a place on the tape, and no number.
  const seq =
    kind === 'notice' ? `case when t.${ODD} like '%"seq":""%' then null else t.pos end` : 't.pos'
  const own = fields.flatMap(field =>
    columnsOf([field]).map(([name]) => `${details.includes(field) ? 'd' : 't'}."${name}"`),
  )
  const sale = kind === 'trade' ? [`d.${SALE}`] : []
  const join = details.length > 0 ? ` join ${schema}.${kind}_details d on d.id = t.detail` : ''
  return (
    `select h.symbol, h.source, t.ts, t.received_ms, h.flags, ${tape} as tape_id, ${seq} as seq, ` +
    `${[...own, `t.${ODD}`, ...sale].join(', ')}${more} from ${schema}.${kind} t join ${schema}.heads h on h.id = t.head${join}`
  )
}

/** Rows of parts. */
export function partRows(table: KindTable, paths: readonly string[]): string {
  const files = paths.map(fileNamed).join(', ')
  return `select ${named([...shownColumns(table), ...hiddenColumns(table)])} from read_parquet([${files}])`
}

/** What people ask for by name: all there is of a kind. */
export function viewOf(
  table: KindTable,
  tapes: readonly KnownTape[],
  paths: readonly string[],
): string {
  const columns = named(shownColumns(table))
  const hot = `select ${columns} from (${hotRows(table, tapes)})`
  const all =
    paths.length === 0 ? hot : `${hot} union all select ${columns} from (${partRows(table, paths)})`
  return `create or replace view main.${table.view} as ${all}`
}
