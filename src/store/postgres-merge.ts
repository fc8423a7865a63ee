import { EVENT_TYPES, type EventType, type MarketEvent } from '../market/events.ts'
import { tableOf } from './columns.ts'
import { givenUp } from './link.ts'
import type { Days } from './postgres-days.ts'
import type { Link } from './postgres-driver.ts'
import { SAME_ODD, Words } from './postgres-rows.ts'
import { columnList, LEVEL_TABLE, literal, MERGED, name, tableColumns } from './postgres-schema.ts'
import { Batch } from './postgres-writer.ts'
import type { Merged, MergeOptions } from './store.ts'

/** Events sent at once. */
const MOST = 20_000

/** What makes two rows of a kind the same: where the condition holds these columns, else all of them. */
const IDENTITY: Readonly<
  Partial<Record<EventType, { readonly where: string; readonly columns: readonly string[] }>>
> = {
  trade: {
    where: '(id is not null or id_text is not null)',
    columns: ['DAY', 'exchange', 'id', 'id_text'],
  },
  cancel: {
    where: '(id is not null or id_text is not null)',
    columns: ['DAY', 'exchange', 'id', 'id_text'],
  },
  correction: {
    where: '(original_id is not null or original_id_text is not null)',
    columns: ['DAY', 'exchange', 'original_id', 'original_id_text', 'price', 'size'],
  },
  bar: {
    where: 'true',
    columns: [
      ...['ns', 'interval', 'adjustment', 'open', 'high', 'low', 'close', 'volume'],
      'trade_count',
    ],
  },
}

/** Never part of what the venue said. */
const OURS = ['ts', 'received_ms', 'flags', 'tape_no', 'seq', 'odd', 'sale', 'symbol', 'source']

/** Takes in events that are on no tape, except what is there: all of them, or none. */
export async function mergeInto(
  link: Link,
  schema: string,
  days: Days,
  events: AsyncIterable<readonly MarketEvent[]>,
  { onProgress, signal }: MergeOptions,
): Promise<Merged> {
  const words = new Words()
  const staged = new Map<EventType, Set<string>>()
  let count = 0
  let batch = new Batch(words, false)
  const send = async () => {
    for (const [kind, day] of batch.days()) {
      const known = staged.get(kind)
      if (known) known.add(day)
      else staged.set(kind, new Set([day]))
    }
    for (const [table, bytes] of batch.tables) {
      await link.run(
        `create temp table if not exists merge_${table} (like ${name(schema)}.${table})`,
      )
      await link.copy(`copy merge_${table} (${columnList(table)}) from stdin binary`, [bytes])
    }
    batch = new Batch(words, false)
  }
  for await (const some of events) {
    if (signal?.aborted) throw givenUp()
    // Their order is kept in `seq` until they have a number of their own.
    for (const event of some) batch.add(event, MERGED, ++count)
    if (batch.count >= MOST) await send()
    onProgress?.(count)
  }
  if (batch.count > 0) await send()
  if (signal?.aborted) throw givenUp()
  for (const [kind, those] of staged) {
    await days.ensure(
      link,
      [...those].map(day => [kind, day] as const),
      // Nothing of such a day may ever come again: what is in the default partition would stay there.
      Number.POSITIVE_INFINITY,
    )
  }
  return insertNew(link, schema, [...staged.keys()], count)
}

async function insertNew(
  link: Link,
  schema: string,
  kinds: readonly EventType[],
  count: number,
): Promise<Merged> {
  const s = name(schema)
  let added = 0
  try {
    await link.run('begin')
    // One at a time: two at once would each miss what the other brings.
    await link.query('select pg_advisory_xact_lock(hashtext($1))', [`tickwire merge ${schema}`])
    const { rows } = await link.query(`select nextval(${literal(`${s}.merged_seq`)})`)
    const base = Number(rows[0]![0])
    await link.query(`select setval(${literal(`${s}.merged_seq`)}, ${base + count})`)
    for (const kind of EVENT_TYPES.filter(kind => kinds.includes(kind))) {
      const { rows: days } = await link.query(insertion(schema, kind, base))
      for (const [day, n] of days) {
        added += Number(n)
        await link.query(
          `insert into ${s}.days as d (kind, day, rows, merged) values ($1, $2, $3, $3) on conflict (kind, day) do update set rows = d.rows + excluded.rows, merged = d.merged + excluded.merged, written_at = now()`,
          [kind, day, n],
        )
      }
    }
    await link.run('commit')
  } catch (error) {
    if (!link.lost) await link.run('rollback')
    throw error
  }
  return { added, known: count - added }
}

/** Inserts staged rows that are not there, as often as they are not; answers with how many of each day. */
function insertion(schema: string, kind: EventType, base: number): string {
  const s = name(schema)
  const table = tableOf(kind)
  const columns = tableColumns(table).map(([column]) => column)
  const identity = IDENTITY[kind]
  const all = columns.filter(column => !OURS.includes(column))
  const key = (of: readonly string[]) =>
    `row(${['symbol', 'source', ...of].map(column => keyPart(schema, column)).join(', ')}${of === all ? `, ${SAME_ODD}` : ''})::text`
  // Two keys never meet: one says which it is.
  const keyed = identity
    ? `case when ${identity.where} then 'i' || ${key(identity.columns)} else 'a' || ${key(all)} end`
    : `'a' || ${key(all)}`
  const stage = `merge_${table.view}`
  const picked = columns
    .map(column => (column === 'seq' ? `s.seq + ${base}` : `s.${name(column)}`))
    .join(', ')
  return (
    `with s as (select *, row_number() over (partition by key order by seq) as nth from (select t.*, ${keyed} as key from ${stage} t) t), ` +
    `k as (select key, count(*) as times from (select ${keyed} as key from ${s}.${table.view} t, (select min(ts) as first, max(ts) as last from ${stage}) span ` +
    // A day is the venue's: what has an id is looked for in all of it.
    `where t.ts >= date_trunc('day', span.first, 'UTC') and t.ts < date_trunc('day', span.last, 'UTC') + interval '1 day' ` +
    `and exists (select 1 from ${stage} m where m.symbol is not distinct from t.symbol)) t group by key), ` +
    `new as (insert into ${s}.${table.view} (${columnList(table.view)}) select ${picked} from s left join k on k.key = s.key ` +
    `where case when left(s.key, 1) = 'i' then s.nth = 1 and k.key is null else s.nth > coalesce(k.times, 0) end returning ts) ` +
    "select (ts at time zone 'UTC')::date::text, count(*) from new group by 1"
  )
}

function keyPart(schema: string, column: string): string {
  if (column === 'DAY') return "date_trunc('day', ts, 'UTC')"
  if (column !== 'bids' && column !== 'asks') return `t.${name(column)}`
  // Levels kept in rows of their own are the same as those kept in the row.
  const side = column === 'bids' ? 'b' : 'a'
  return (
    `coalesce(t.${column}, (select array_agg(array[l.price, l.size] order by l.level) from ${name(schema)}.${LEVEL_TABLE} l ` +
    `where l.symbol = t.symbol and l.ts = t.ts and l.tape_no = t.tape_no and l.seq = t.seq and l.side = '${side}'), '{}')`
  )
}
