import { TickwireError } from '../base/errors.ts'
import type { EventType, MarketEvent } from '../market/events.ts'
import { tableOf } from './columns.ts'
import type { Taker } from './commits.ts'
import { dayAt } from './manifest.ts'
import type { Days } from './postgres-days.ts'
import type { Link } from './postgres-driver.ts'
import { CopyRows, KindRows, Words } from './postgres-rows.ts'
import { columnList, LEVEL_TABLE, literal, name } from './postgres-schema.ts'

const DAY_MS = 86_400_000
/** A row with this key is there already. */
const UNIQUE_VIOLATION = '23505'

/** Rows that are brought to the server together. */
export class Batch {
  count = 0
  readonly #words: Words
  readonly #byLevel: boolean
  readonly #kinds = new Map<EventType, { readonly rows: CopyRows; readonly to: KindRows }>()
  #levels: CopyRows | undefined
  /** Rows by kind and day, in days since 1970. */
  readonly #days = new Map<EventType, Map<number, number>>()
  #ended: readonly (readonly [table: string, bytes: Uint8Array])[] | undefined

  constructor(words: Words, byLevel: boolean) {
    this.#words = words
    this.#byLevel = byLevel
  }

  add(event: MarketEvent, tapeNo: number, seq: number): void {
    const { type } = event
    const day = (this.#kinds.get(type) ?? this.#open(type)).to.add(event, tapeNo, seq)
    const days = this.#days.get(type)!
    days.set(day, (days.get(day) ?? 0) + 1)
    this.count++
  }

  #open(type: EventType): { readonly rows: CopyRows; readonly to: KindRows } {
    const rows = new CopyRows(this.#words)
    if (type === 'book' && this.#byLevel) this.#levels = new CopyRows(this.#words)
    const opened = { rows, to: new KindRows(type, rows, this.#levels) }
    this.#kinds.set(type, opened)
    this.#days.set(type, new Map())
    return opened
  }

  /** Rows of each day, by kind. */
  *days(): Generator<readonly [kind: EventType, day: string, rows: number]> {
    for (const [kind, days] of this.#days) {
      for (const [day, rows] of days) yield [kind, dayAt(day * DAY_MS), rows]
    }
  }

  /** By table, in the binary form of COPY. */
  get tables(): readonly (readonly [table: string, bytes: Uint8Array])[] {
    this.#ended ??= [
      ...[...this.#kinds].map(
        ([kind, { rows }]) => [tableOf(kind).view, rows.end()] as [string, Uint8Array],
      ),
      ...(this.#levels && this.#levels.rows > 0
        ? [[LEVEL_TABLE, this.#levels.end()] as [string, Uint8Array]]
        : []),
    ]
    return this.#ended
  }
}

export interface WriterOptions {
  readonly link: Link
  readonly schema: string
  /** Number of the tape in rows, and how far of it the server has. */
  readonly tapeNo: number
  readonly seq: number
  readonly byLevel: boolean
  readonly days: Days
}

/** Brings the events of a tape into the tables, with how far it has come. */
export class TapeWriter implements Taker {
  readonly #options: WriterOptions
  readonly #words = new Words()
  #batch: Batch
  /** Behind what was taken, and behind what is committed. */
  #last: number
  #committed: number

  constructor(options: WriterOptions) {
    this.#options = options
    this.#last = this.#committed = options.seq
    this.#batch = new Batch(this.#words, options.byLevel)
  }

  get pending(): number {
    return this.#batch.count
  }

  take(events: readonly MarketEvent[]): void {
    const { tapeNo } = this.#options
    for (let i = 0; i < events.length; i++) {
      const event = events[i]!
      const seq = this.#placeOf(event)
      if (seq !== undefined) this.#batch.add(event, tapeNo, (this.#last = seq))
    }
  }

  /** The number an event stands under; none for one that has been taken. */
  #placeOf(event: MarketEvent): number | undefined {
    const { seq } = event
    if (seq !== undefined) return seq > this.#last ? seq : undefined
    // Said to this reader alone. What was skipped is behind us: it is told once.
    const { notice, to } = event as { notice?: string; to?: number }
    if (notice !== 'skipped') return this.#last
    const place = Number.isSafeInteger(to) ? to! : this.#last
    return place > this.#last ? place : undefined
  }

  async flush(): Promise<number> {
    const { link, days } = this.#options
    const [batch, to] = [this.#batch, this.#last]
    this.#batch = new Batch(this.#words, this.#options.byLevel)
    await days.ensure(
      link,
      [...batch.days()].map(([kind, day]) => [kind, day] as const),
    )
    try {
      await this.#write(batch, to, copyStraight)
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error
      // Some of it is there: it came in before the position was lost. What is missing is picked out by the server.
      await this.#write(batch, to, copyMissing)
    }
    this.#committed = to
    await days.care(link)
    return to
  }

  /** Rows and position: both or neither. */
  async #write(batch: Batch, to: number, copy: typeof copyStraight): Promise<void> {
    const { link, schema, tapeNo } = this.#options
    const s = name(schema)
    try {
      const [, moved] = await link.run(
        `begin; update ${s}.tapes set seq = ${to} where no = ${tapeNo} and seq = ${this.#committed}`,
      )
      if (moved!.count !== 1) throw inUse()
      const days = await copy(link, schema, batch)
      const values = [...days]
        .map(([kind, day, rows]) => `(${literal(kind)}, '${day}', ${rows}, now())`)
        .join(', ')
      const counted = values
        ? `insert into ${s}.days as d (kind, day, rows, written_at) values ${values} on conflict (kind, day) do update set rows = d.rows + excluded.rows, written_at = excluded.written_at; `
        : ''
      await link.run(`${counted}commit`)
    } catch (error) {
      if (!link.lost) await link.run('rollback')
      throw error
    }
  }

  async beat(): Promise<void> {
    await this.#options.link.run('select 1')
  }

  cut(): void {
    this.#options.link.cut()
  }
}

type DayRows = Iterable<readonly [kind: EventType, day: string, rows: number]>

/** The ordinary way: nothing of it can be there, as it is behind the position. */
async function copyStraight(link: Link, schema: string, batch: Batch): Promise<DayRows> {
  for (const [table, bytes] of batch.tables) {
    const of = `${name(schema)}.${table} (${columnList(table)})`
    await link.copy(`copy ${of} from stdin binary`, [bytes])
  }
  return batch.days()
}

/** The same where some of it is there already. */
async function copyMissing(link: Link, schema: string, batch: Batch): Promise<DayRows> {
  const s = name(schema)
  const days: [EventType, string, number][] = []
  for (const [table, bytes] of batch.tables) {
    const stage = `missing_${table}`
    await link.run(`create temp table if not exists ${stage} (like ${s}.${table}) on commit drop`)
    const columns = columnList(table)
    await link.copy(`copy ${stage} (${columns}) from stdin binary`, [bytes])
    const { rows } = await link.query(
      `with new as (insert into ${s}.${table} (${columns}) select ${columns} from ${stage} on conflict do nothing returning ts) select (ts at time zone 'utc')::date::text, count(*) from new group by 1`,
    )
    const kind = [...batch.days()].find(([kind]) => tableOf(kind).view === table)?.[0]
    if (kind)
      days.push(...rows.map(([day, n]) => [kind, day!, Number(n)] as [EventType, string, number]))
  }
  return days
}

function inUse(): TickwireError {
  const message = 'another process writes the same tape to these tables'
  return new TickwireError('STORE_IN_USE', message, {
    hint: 'End it, or give one of them another schema: `stores.postgres.schema`.',
  })
}
