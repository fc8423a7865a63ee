import { hiddenColumns, tableOf } from './columns.ts'
import { fileNamed, type Session } from './duckdb.ts'
import { quotedList } from './identity.ts'
import type { Part } from './manifest.ts'
import type { Parts } from './parts.ts'
import { isFromElsewhere } from './repeats.ts'
import { shownColumns } from './schema.ts'

/** So many small files of a kind and day are put together without being asked. */
const MANY = 8
/** A file of up to so many rows is small, whatever comes behind it. */
const SMALL = 100_000

/**
 * The newest parts of a kind and day that are worth putting together: many, none of them larger than all behind it are
 * together, so that a row is written anew only as often as its file has doubled.
 */
export function smallParts(parts: readonly Part[]): readonly Part[] {
  let rows = 0
  let from = parts.length
  for (; from > 0; from--) {
    const part = parts[from - 1]!
    if (part.rows > Math.max(rows, SMALL)) break
    rows += part.rows
  }
  return parts.length - from >= MANY ? parts.slice(from) : []
}

/**
 * Writes a part with the rows of others, sorted as one, and in the order in which they came where that is all there is.
 * `positions`: up to where each tape is stored.
 */
export async function putTogether(
  session: Session,
  parts: Parts,
  others: readonly Part[],
  positions: { readonly [tape: string]: number },
): Promise<Part> {
  const { kind, day } = others[0]!
  const table = tableOf(kind)
  const columns = quotedList([...shownColumns(table), ...hiddenColumns(table)])
  const rows = others.map(
    (part, i) =>
      `select ${columns}, ${i} as part, file_row_number as nth from read_parquet(${fileNamed(parts.pathOf(part))}, file_row_number = true)`,
  )
  const select = `select ${columns} from (${rows.join(' union all ')}) order by symbol, ts, seq, part, nth`
  // One that does not say what stood beside it was looked at now, at the latest.
  const besides = others.filter(isFromElsewhere).map(({ beside }) => beside ?? positions)
  const part = await parts.write(
    session,
    select,
    {
      ...{ kind, day, covers: highest(others.map(({ covers }) => covers)) },
      ...(besides.length > 0 && { beside: highest(besides) }),
    },
    others,
  )
  const expected = others.reduce((sum, one) => sum + one.rows, 0)
  if (part.rows !== expected) throw new Error(`${part.rows} rows instead of ${expected}`)
  return part
}

function highest(all: readonly { readonly [tape: string]: number }[]): Record<string, number> {
  const most: Record<string, number> = {}
  for (const one of all) {
    for (const [tape, seq] of Object.entries(one)) most[tape] = Math.max(most[tape] ?? 0, seq)
  }
  return most
}
