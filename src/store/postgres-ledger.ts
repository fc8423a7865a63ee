import type { Link } from './postgres-driver.ts'
import { LEDGER_COUNTS, name } from './postgres-schema.ts'

/** Under this name `meta` has how far the accounts of a tape are there. */
const markName = (tape: string) => `ledger ${tape}`

/** A row of the ledger: what came of one symbol in one kind on one day, and what became of it. */
export interface AccountRow {
  readonly day: string
  readonly source: string
  readonly symbol: string
  readonly kind: string
  readonly received: number
  readonly repaired: number
  readonly outOfOrder: number
  readonly duplicates: number
  readonly quarantined: number
  readonly dropped: number
  readonly gaps: number
  readonly gapsRepaired: number
  readonly gapsUnrepaired: number
  readonly lag:
    | {
        readonly p50: number
        readonly p95: number
        readonly p99: number
        readonly max: number
      }
    | undefined
}

const SETS = LEDGER_COUNTS.map(column => `${column} = excluded.${column}`).join(', ')

/** Puts rows in the place of what was there of their day, source, symbol and kind. */
export async function putAccount(
  link: Link,
  schema: string,
  rows: readonly AccountRow[],
): Promise<void> {
  const table = `${name(schema)}.ledger`
  const values = rows.map(({ lag, outOfOrder, gapsRepaired, gapsUnrepaired, ...row }) => ({
    ...row,
    ...{ out_of_order: outOfOrder, gaps_repaired: gapsRepaired, gaps_unrepaired: gapsUnrepaired },
    ...{ lag_p50_ms: lag?.p50, lag_p95_ms: lag?.p95, lag_p99_ms: lag?.p99, lag_max_ms: lag?.max },
  }))
  await link.query(
    `insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1) ` +
      `on conflict (day, source, symbol, kind) do update set ${SETS}`,
    [JSON.stringify(values)],
  )
}

/** Up to when accounts of a tape that were kept until then are there, epoch ms; 0 where none are. */
export async function accountMark(link: Link, schema: string, tape: string): Promise<number> {
  const { rows } = await link.query(`select value from ${name(schema)}.meta where name = $1`, [
    markName(tape),
  ])
  return Number(rows[0]?.[0] ?? 0)
}

/** The accounts of a tape that were kept until then are there now. */
export async function markAccounts(
  link: Link,
  schema: string,
  tape: string,
  at: number,
): Promise<void> {
  await link.query(
    `insert into ${name(schema)}.meta (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value`,
    [markName(tape), `${at}`],
  )
}
