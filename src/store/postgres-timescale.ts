import type { Log } from '../base/log.ts'
import type { Link } from './postgres-driver.ts'
import { DAY_TABLES, literal, name } from './postgres-schema.ts'

/** Bars that the server keeps up to date from trades. */
const BARS = [
  { view: 'bars_1m', bucket: '1 minute', every: '30 seconds' },
  { view: 'bars_5m', bucket: '5 minutes', every: '2 minutes' },
  { view: 'bars_1h', bucket: '1 hour', every: '10 minutes' },
  { view: 'bars_1d', bucket: '1 day', every: '1 hour' },
] as const

/** Chunks of days that have been over for so long are compressed. */
const COMPRESS_AFTER = '7 days'
/** A number beyond it, in one trade, would make a sum overflow, and with it the bars of all symbols fail. */
const LARGEST = '1e100'

/** `community`: with compression and bars kept by the server; `apache`: that edition has hypertables alone. */
export type Edition = 'community' | 'apache'

/**
 * Makes the extension, where the server can have it in this database. `undefined`: it cannot; where its package is only
 * installed and not loaded, that is said.
 */
export async function makeExtension(link: Link, log: Log): Promise<Edition | undefined> {
  const { rows } = await link.query(
    "select 1 from pg_available_extensions where name = 'timescaledb'",
  )
  if (rows.length === 0) return undefined
  // Made all the same, the server would cut the connection.
  const loaded = await link.query(
    "select 1 from pg_settings where name like 'timescaledb.%' limit 1",
  )
  if (loaded.rows.length === 0) {
    const line =
      'TimescaleDB is installed, but not in shared_preload_libraries: the tables are made with daily partitions'
    log.warn({}, line)
    return undefined
  }
  await link.run('create extension if not exists timescaledb')
  return editionOf(link)
}

/** Which edition a server has whose tables are hypertables. */
export async function editionOf(link: Link): Promise<Edition> {
  const { rows } = await link.query("select current_setting('timescaledb.license', true)")
  return rows[0]![0] === 'apache' ? 'apache' : 'community'
}

/** Compression, and bars kept by the server. */
export function createTimescale(schema: string): string[] {
  return [...compression(schema), ...createBars(schema)]
}

function compression(schema: string): string[] {
  const s = name(schema)
  return DAY_TABLES.flatMap(({ table, key }) => {
    const of = literal(`${s}.${table}`)
    const segment = key[0] === 'symbol' ? ", timescaledb.compress_segmentby = 'symbol'" : ''
    return [
      `alter table ${s}.${table} set (timescaledb.compress${segment}, timescaledb.compress_orderby = 'ts, seq')`,
      `select add_compression_policy(${of}, interval '${COMPRESS_AFTER}', if_not_exists => true)`,
    ]
  })
}

/**
 * Bars of trades, as far as the sale conditions allow (`sale`, as bits: 3 open and close, 4 high and low, 8 volume). All of
 * the past is looked after, not only what is new: a policy that begins some days ago would leave out of the bars whatever
 * comes of an earlier time (a backfill, a store that was behind), and what was there before its first run. It does
 * no more than what has changed. There is no policy of retention: it would go by the time of rows, and take from the hands
 * of a backfill what that has just brought.
 */
function createBars(schema: string): string[] {
  const s = name(schema)
  const bars = BARS.flatMap(({ view, bucket, every }) => [
    `create materialized view if not exists ${s}.${view} with (timescaledb.continuous, timescaledb.materialized_only = false) as ` +
      `select symbol, source, time_bucket('${bucket}', ts) as ts, ` +
      'first(price, ns) filter (where sale & 3 = 3) as open, max(price) filter (where sale & 4 = 4) as high, ' +
      'min(price) filter (where sale & 4 = 4) as low, last(price, ns) filter (where sale & 3 = 3) as close, ' +
      'sum(size) filter (where sale & 8 = 8) as volume, ' +
      'sum(price * size) filter (where sale & 12 = 12) / nullif(sum(size) filter (where sale & 12 = 12), 0) as vwap, ' +
      `count(*) filter (where sale & 8 = 8) as trade_count from ${s}.trades ` +
      `where abs(price) < ${LARGEST} and abs(size) < ${LARGEST} group by symbol, source, time_bucket('${bucket}', ts) with no data`,
    `select add_continuous_aggregate_policy(${literal(`${s}.${view}`)}, start_offset => null, end_offset => interval '${bucket}', schedule_interval => interval '${every}', if_not_exists => true)`,
  ])
  return [
    ...bars,
    // In pieces of a few buckets each, as it is by default, days that came late would take hundreds of transactions.
    `select alter_job(j.job_id, config => j.config || '{"buckets_per_batch": 0}') from timescaledb_information.jobs j join timescaledb_information.continuous_aggregates a ` +
      `on j.hypertable_name in (a.view_name, a.materialization_hypertable_name) where a.view_schema = ${literal(schema)} and j.proc_name = 'policy_refresh_continuous_aggregate' and j.config->>'buckets_per_batch' is null`,
  ]
}

/** Makes the bars anew: all of them come from trades. */
export function remakeBars(schema: string): string[] {
  const drops = BARS.map(({ view }) => `drop materialized view if exists ${name(schema)}.${view}`)
  return [...drops, ...createBars(schema)]
}

/** Bytes of a hypertable by the day of its chunks, compressed ones included. */
export function dayBytes(schema: string, table: string): string {
  const of = literal(`${name(schema)}.${table}`)
  return (
    "select (c.range_start at time zone 'utc')::date::text, sum(d.total_bytes)::int8::text " +
    `from chunks_detailed_size(${of}) d join timescaledb_information.chunks c on c.chunk_schema = d.chunk_schema and c.chunk_name = d.chunk_name group by 1`
  )
}
