import { EVENT_TYPES, type MarketEvent } from '../market/events.ts'
import { hiddenColumns, type KindTable, ODD, tableOf } from './columns.ts'
import { Heads } from './dictionary.ts'
import type { Session } from './duckdb.ts'
import { IDENTITY, quotedList, saidColumns, sameIn } from './identity.ts'
import { dayAt, type Part, startOf } from './manifest.ts'
import type { Parts } from './parts.ts'
import { type Dictionaries, EventRows } from './rows.ts'
import {
  eventTables,
  HOT,
  hotRows,
  type KnownTape,
  partRows,
  STAGE,
  shownColumns,
} from './schema.ts'
import { readWords, writeWords } from './words.ts'

const DAY_MS = 86_400_000

export interface MergeResult {
  readonly added: number
  readonly known: number
}

/** Events from elsewhere on their way into days: they gather in tables of their own until all have come. */
export class Merge {
  readonly #parts: Parts
  readonly #tapes: () => readonly KnownTape[]
  #dictionaries: Dictionaries = { heads: new Heads(), details: new Map() }
  #session: Session | undefined
  #rows: EventRows | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(parts: Parts, tapes: () => readonly KnownTape[]) {
    this.#parts = parts
    this.#tapes = tapes
  }

  async open(session: Session): Promise<void> {
    this.#session = session
    for (const statement of eventTables(STAGE)) await session.run(statement)
    this.#dictionaries = await readWords(session, STAGE)
    this.#rows = new EventRows(session, STAGE, this.#dictionaries)
  }

  /** In the order of the calls. */
  take(events: readonly MarketEvent[]): Promise<void> {
    this.#last = this.#last.then(() => this.#take(events))
    return this.#last
  }

  async #take(events: readonly MarketEvent[]): Promise<void> {
    const rows = this.#rows!
    await rows.ready(events)
    for (const event of events) {
      const { seq } = event
      rows.add(
        event,
        0,
        seq !== undefined && Number.isSafeInteger(seq) && seq > 0 ? seq : undefined,
      )
    }
  }

  /** Writes what is not there yet, a file for each kind and day. They are nobody's yet. */
  async finish(): Promise<{ readonly parts: Part[]; readonly result: MergeResult }> {
    const session = this.#session!
    this.#rows!.flush()
    await writeWords(session, STAGE, this.#dictionaries)
    const parts: Part[] = []
    let [added, staged] = [0, 0]
    for (const kind of EVENT_TYPES) {
      const days = await session.all(
        `select (epoch_ns(ts) // ${DAY_MS}000000)::integer, count(*) from ${STAGE}.${kind} group by 1 order by 1`,
      )
      for (const [number, count] of days as [number, bigint][]) {
        staged += Number(count)
        const part = await this.#writeDay(tableOf(kind), dayAt(number * DAY_MS))
        if (!part) continue
        parts.push(part)
        added += part.rows
      }
    }
    return { parts, result: { added, known: staged - added } }
  }

  async #writeDay(table: KindTable, day: string): Promise<Part | undefined> {
    const session = this.#session!
    await session.run('begin transaction')
    try {
      const part = await this.#writeNew(session, table, day)
      await session.run('commit')
      return part
    } catch (error) {
      await session.run('rollback').catch(() => undefined)
      throw error
    }
  }

  /** What is there is looked at as it was at one moment, and the part says which: see {@link Part.beside}. */
  async #writeNew(session: Session, table: KindTable, day: string): Promise<Part | undefined> {
    const { kind } = table
    const beside: Record<string, number> = {}
    for (const [id, seq] of await session.all(`select id, seq from ${HOT}.tapes where seq > 0`)) {
      beside[id as string] = Number(seq)
    }
    const from = startOf(day)
    const within = `t.ts >= make_timestamp_ns(${from}000000) and t.ts < make_timestamp_ns(${from + DAY_MS}000000)`
    const staged = `${hotRows(table, [], STAGE, ', t.rowid as n')} where ${within}`
    const paths = this.#parts.whole
      .filter(part => part.kind === kind && part.day === day)
      .map(part => this.#parts.pathOf(part))
    const known = [`${hotRows(table, this.#tapes())} where ${within}`]
    if (paths.length > 0) known.push(partRows(table, paths))
    const name = 'temp.main.kept'
    await session.run(`create or replace temp table ${name} as ${newRows(table, staged, known)}`)
    const [count] = await session.all(`select count(*) from ${name}`)
    let part: Part | undefined
    if (Number(count![0]) > 0) {
      const columns = quotedList([...shownColumns(table), ...hiddenColumns(table)])
      const select = `select ${columns} from ${name} order by symbol, ts, seq, n`
      part = await this.#parts.write(session, select, { kind, day, covers: {}, beside })
    }
    await session.run(`drop table ${name}`)
    return part
  }

  /** Whatever of it runs is ended. */
  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    session?.interrupt()
    await this.#last.catch(() => undefined)
    try {
      this.#rows?.close()
    } finally {
      await session?.end()
    }
  }
}

/**
 * The staged rows that are not among the known ones, as often as they are not. Rows are told apart by their number `n`:
 * what a window or a join compares comes out of it with -0 made 0.
 */
function newRows(table: KindTable, staged: string, known: readonly string[]): string {
  const shown = [...shownColumns(table), ODD]
  const all = saidColumns(table)
  const identity = IDENTITY[table.kind]
  const there = known.map(select => `select ${quotedList(shown)} from (${select})`)
  const counted = (key: readonly string[], where: string) =>
    `(select *, row_number() over (partition by ${quotedList(key)} order by n) as nth from staged where ${where}) s`
  const asOften = (where: string) =>
    `select s.n from ${counted(all, where)} left join (select ${quotedList(all)}, count(*) as times from known where ${where} group by all) k on ${sameIn(all)} ` +
    'where s.nth > coalesce(k.times, 0)'
  const once = (key: readonly string[], where: string) =>
    `select s.n from ${counted(key, where)} anti join (select * from known where ${where}) k on ${sameIn(key)} where s.nth = 1`
  const picked: string[] = []
  if (identity) {
    picked.push(once(identity.columns, identity.where))
    if (identity.where !== 'true') picked.push(asOften(`not ${identity.where}`))
  } else picked.push(asOften('true'))
  return (
    `with staged as materialized (${staged}), known as (${there.join(' union all ')}), ` +
    `picked as (${picked.map(select => `(${select})`).join(' union all ')}) ` +
    'select staged.* from staged semi join picked on staged.n = picked.n'
  )
}
