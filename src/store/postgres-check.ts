import { isDeepStrictEqual } from 'node:util'
import type { EventType, MarketEvent } from '../market/events.ts'
import { tableOf } from './columns.ts'
import { within } from './postgres-answers.ts'
import type { Link } from './postgres-driver.ts'
import { eventColumns, readEvent } from './postgres-events.ts'
import { DAY_TABLES, LEVEL_TABLE, name } from './postgres-schema.ts'

/** Deletes the rows of a tape behind a number, and goes back to it. Resolves with how many events went. */
export async function forgetTape(
  link: Link,
  schema: string,
  tapeNo: number,
  from: number,
): Promise<number> {
  const s = name(schema)
  let events = 0
  try {
    await link.run(`begin; update ${s}.tapes set seq = ${from} where no = ${tapeNo}`)
    for (const { table, kind } of DAY_TABLES) {
      const { rows } = await link.query(
        `with gone as (delete from ${s}.${table} where tape_no = $1 and seq > $2 returning ts) select (ts at time zone 'UTC')::date::text, count(*) from gone group by 1`,
        [tapeNo, from],
      )
      if (table === LEVEL_TABLE) continue
      for (const [day, n] of rows) {
        events += Number(n)
        await link.query(`update ${s}.days set rows = rows - $3 where kind = $1 and day = $2`, [
          kind,
          day,
          n,
        ])
      }
    }
    await link.run('commit')
  } catch (error) {
    if (!link.lost) await link.run('rollback')
    throw error
  }
  return events
}

/** What differs between tape and tables. */
export interface Difference {
  readonly seq: number
  readonly kind: EventType
  readonly is: 'missing' | 'different' | 'not on the tape'
}

/** Compares events of a tape, in its order, with the rows that came of them. */
export async function compareRows(
  link: Link,
  schema: string,
  tapeNo: number,
  events: readonly MarketEvent[],
): Promise<Difference[]> {
  const differences: Difference[] = []
  const byKind = new Map<EventType, MarketEvent[]>()
  let [first, last] = [Number.POSITIVE_INFINITY, 0]
  for (const event of events) {
    if (event.seq === undefined) continue
    first = Math.min(first, event.seq)
    last = Math.max(last, event.seq)
    const list = byKind.get(event.type)
    if (list) list.push(event)
    else byKind.set(event.type, [event])
  }
  for (const [kind, those] of byKind) {
    const table = tableOf(kind)
    const times = those.map(({ timestamp }) => rowTime(timestamp))
    const earliest = times.reduce((a, b) => Math.min(a, b))
    const latest = times.reduce((a, b) => Math.max(a, b))
    const isIn = (column: string) => within(earliest, latest, column)
    const { rows } = await link.query(
      `select ${eventColumns(table, schema, isIn)} from ${name(schema)}.${table.view} t where ${isIn('t.ts')} and t.tape_no = $1 and t.seq between $2 and $3 order by t.seq`,
      [tapeNo, first, last],
    )
    const stored = new Map(
      rows
        .map(row => readEvent(table, row))
        .flatMap(event => (event.seq ? [[event.seq, event]] : [])) as [number, MarketEvent][],
    )
    for (const event of those) {
      const seq = event.seq!
      const other = stored.get(seq)
      stored.delete(seq)
      if (!other) differences.push({ seq, kind, is: 'missing' })
      else if (!isDeepStrictEqual(other, event)) differences.push({ seq, kind, is: 'different' })
    }
    for (const seq of stored.keys()) differences.push({ seq, kind, is: 'not on the tape' })
  }
  return differences
}

/** Where a time stands in rows, epoch ms. */
function rowTime(timestamp: number): number {
  return timestamp > 0 ? Math.min(Math.floor(timestamp), 9_200_000_000_000) : 0
}
