import type { Clock } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { EventType } from '../market/events.ts'
import { dayAt } from './manifest.ts'
import type { Link } from './postgres-driver.ts'
import {
  createPartition,
  DAY_TABLES,
  type DayTable,
  literal,
  name,
  nextDay,
  partitionName,
} from './postgres-schema.ts'

const DAY_MS = 86_400_000
/** Partitions are made so many days ahead. */
const AHEAD_DAYS = 3
/** Days before this one, and those far ahead, stand in the default partition: no feed means them. */
const FIRST_DAY = '1990-01-01'
const FARTHEST_DAYS = 7
/** Partitions made at once at most, as a flush waits for them: what remains stands in the default partition. */
const MOST_AT_ONCE = 32
/** How long a change of tables waits for those who read them, ms. */
const LOCK_MS = 2_000
/** How often what is due is looked for, ms. */
const CARE_MS = 600_000

export interface DaysOptions {
  readonly schema: string
  readonly form: 'partitions' | 'timescale'
  /** Days of which nothing came for so long go, if they are as old; `undefined`: none. */
  readonly retentionDays: number | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Keeps the days of the tables: makes their partitions ahead, and lets go of what is too old. */
export class Days {
  readonly #options: DaysOptions
  #known: Set<string> | undefined
  /** Kinds that come: of others nothing is made ahead. */
  readonly #kinds = new Set<EventType>()
  /** Partitions that could not be made, until the next look. */
  readonly #refused = new Set<string>()
  #careAt = Number.NEGATIVE_INFINITY

  constructor(options: DaysOptions) {
    this.#options = options
  }

  /** Makes the partitions that rows of these days need. What cannot be made now stands in the default partition. */
  async ensure(
    link: Link,
    days: Iterable<readonly [kind: EventType, day: string]>,
    most = MOST_AT_ONCE,
  ): Promise<void> {
    if (this.#options.form === 'timescale') return
    const farthest = dayAt(this.#options.clock.now() + FARTHEST_DAYS * DAY_MS)
    const missing: [DayTable, string][] = []
    const known = (this.#known ??= await this.#look(link))
    for (const [kind, day] of days) {
      this.#kinds.add(kind)
      if (day < FIRST_DAY || day > farthest) continue
      for (const table of DAY_TABLES) {
        const part = partitionName(table.table, day)
        if (table.kind !== kind || known.has(part) || this.#refused.has(part)) continue
        missing.push([table, day])
      }
    }
    for (const [table, day] of missing.slice(0, most)) await this.#make(link, table, day)
  }

  async #look(link: Link): Promise<Set<string>> {
    const { rows } = await link.query(
      'select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent join pg_namespace n on n.oid = p.relnamespace where n.nspname = $1',
      [this.#options.schema],
    )
    return new Set(rows.map(([part]) => part!))
  }

  async #make(link: Link, { table }: DayTable, day: string): Promise<void> {
    const { schema, log } = this.#options
    const part = partitionName(table, day)
    try {
      await changing(link, createPartition(schema, table, day))
      this.#known!.add(part)
    } catch (error) {
      if (link.lost) throw error
      // Another process has made it.
      if ((error as { code?: string }).code === '42P07') {
        this.#known!.add(part)
        return
      }
      this.#refused.add(part)
      const fields = { partition: part, error: asError(error).message }
      log.warn(fields, 'a partition could not be made: its rows stand in the default partition')
    }
  }

  /** Does what is due: partitions ahead, retention. Cheap where nothing is. */
  async care(link: Link): Promise<void> {
    const now = this.#options.clock.now()
    if (now - this.#careAt < CARE_MS) return
    this.#careAt = now
    this.#refused.clear()
    const ahead = Array.from({ length: AHEAD_DAYS + 1 }, (_, i) => dayAt(now + i * DAY_MS))
    for (const kind of this.#kinds) {
      await this.ensure(
        link,
        ahead.map(day => [kind, day] as const),
      )
    }
    await this.retain(link)
  }

  /**
   * Lets go of days that are too old. A day goes by the server's clock when it has been over and nothing has been
   * written to it for the time set; one that something was imported or backfilled into stays.
   */
  async retain(link: Link): Promise<void> {
    const { schema, retentionDays, log } = this.#options
    if (retentionDays === undefined) return
    const s = name(schema)
    const { rows } = await link.query(
      `select kind, day::text from ${s}.days where merged = 0 and day < (now() at time zone 'utc')::date - $1::int and written_at < now() - make_interval(days => $1::int) order by day limit 100`,
      [retentionDays],
    )
    for (const [kind, day] of rows as [EventType, string][]) {
      try {
        await changing(link, this.#dropping(kind, day))
        this.#known?.clear()
        this.#known = undefined
        log.info({ kind, day }, 'a day older than the retention is let go of')
      } catch (error) {
        if (link.lost) throw error
        const fields = { kind, day, error: asError(error).message }
        log.warn(fields, 'a day older than the retention could not be let go of; tried again')
      }
    }
  }

  #dropping(kind: EventType, day: string): string[] {
    const { schema, form } = this.#options
    const s = name(schema)
    const [from, to] = [`'${day} 00:00:00+00'`, `'${nextDay(day)} 00:00:00+00'`]
    const tables = DAY_TABLES.filter(table => table.kind === kind).map(({ table }) => table)
    const drops = tables.flatMap(table =>
      form === 'timescale'
        ? [
            `select drop_chunks(${literal(`${s}.${table}`)}, older_than => ${to}::timestamptz, newer_than => ${from}::timestamptz)`,
          ]
        : [
            `drop table if exists ${s}.${partitionName(table, day)}`,
            `delete from ${s}.${table}_default where ts >= ${from} and ts < ${to}`,
          ],
    )
    return [...drops, `delete from ${s}.days where kind = ${literal(kind)} and day = '${day}'`]
  }
}

/** Changes tables in one transaction, without waiting long for those who read them. */
async function changing(link: Link, statements: readonly string[]): Promise<void> {
  try {
    await link.run(
      ['begin', `set local lock_timeout = ${LOCK_MS}`, ...statements, 'commit'].join('; '),
    )
  } catch (error) {
    if (!link.lost) await link.run('rollback')
    throw error
  }
}
