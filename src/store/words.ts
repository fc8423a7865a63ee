import { saleRule } from '../derive/sale-conditions.ts'
import type { EventType } from '../market/events.ts'
import { TABLES, tableOf } from './columns.ts'
import { type DetailEntry, Details, type HeadEntry, Heads } from './dictionary.ts'
import { type ListValue, quoted, type Session } from './duckdb.ts'
import type { Dictionaries } from './rows.ts'

/** The dictionaries of a schema as its tables have them. */
export async function readWords(session: Session, schema: string): Promise<Dictionaries> {
  const details = new Map<EventType, Details>()
  for (const table of TABLES) {
    if (table.details.length === 0) continue
    const names = table.details.map(({ column }) => `"${column}"`).join(', ')
    const rows = await session.all(`select id, ${names} from ${schema}.${table.kind}_details`)
    const entries = rows.map(
      ([id, ...values]): DetailEntry => ({ id: id as number, values: values.map(wordOf) }),
    )
    details.set(table.kind, new Details(table, entries))
  }
  const rows = await session.all(`select id, symbol, source, flags from ${schema}.heads`)
  const entries = rows.map(
    ([id, symbol, source, flags]): HeadEntry => ({
      id: id as number,
      symbol: (symbol as string | null) ?? undefined,
      source: source as string,
      flags: flags as number,
    }),
  )
  return { heads: new Heads(entries), details }
}

/** Writes new entries of dictionaries to their tables. */
export async function writeWords(
  session: Session,
  schema: string,
  { heads, details }: Dictionaries,
): Promise<void> {
  const insert = async (table: string, rows: readonly (readonly string[])[]) => {
    for (let i = 0; i < rows.length; i += 500) {
      const values = rows.slice(i, i + 500).map(row => `(${row.join(', ')})`)
      await session.run(`insert into ${schema}.${table} values ${values.join(', ')}`)
    }
  }
  const fresh = heads.takeFresh()
  await insert(
    'heads',
    fresh.map(({ id, symbol, source, flags }) => [
      `${id}`,
      literal(symbol),
      literal(source),
      `${flags}`,
    ]),
  )
  for (const [kind, words] of details) {
    const rows = words
      .takeFresh()
      .map(({ id, values }) => [
        ...[`${id}`, ...values.map(literal)],
        ...(kind === 'trade' ? [`${saleOf(values)}`] : []),
      ])
    await insert(`${kind}_details`, rows)
  }
}

const [CONDITIONS, TAPE] = ['conditions', 'tape'].map(name =>
  tableOf('trade').details.findIndex(({ field }) => field === name),
) as [number, number]

/** What trades with these details count for in bars. */
function saleOf(values: DetailEntry['values']): number {
  const conditions = values[CONDITIONS] as readonly string[] | undefined
  return saleRule(conditions, values[TAPE] as string | undefined)
}

function literal(value: string | readonly string[] | undefined): string {
  if (value === undefined) return 'null'
  return typeof value === 'string' ? quoted(value) : `[${value.map(quoted).join(', ')}]::varchar[]`
}

function wordOf(value: unknown): string | readonly string[] | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value as string[]
  return (value as ListValue).items as string[]
}
