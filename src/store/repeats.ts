import type { EventType } from '../market/events.ts'
import { tableOf } from './columns.ts'
import { fileNamed, quoted, type Session } from './duckdb.ts'
import { IDENTITY, quotedList, saidColumns, sameIn } from './identity.ts'
import { dayAt, type Part, startOf } from './manifest.ts'
import type { Parts } from './parts.ts'
import { HOT, hotRows, type KnownTape } from './schema.ts'
import { within } from './snapshot.ts'

const DAY_MS = 86_400_000

/** A tape, up to where its rows are committed. */
interface ReadTape extends KnownTape {
  readonly seq: number
}

/** Times of rows that may be in a part, epoch ms. */
interface Stretch {
  from: number
  to: number
}

/** Rows of a time, and the part they may be in; all rows, or those that were not held against it before. */
export interface Due extends Stretch {
  readonly part: Part
  readonly isFresh: boolean
}

/**
 * What came from elsewhere (a backfill, an import), and comes once more on the tape: the feed repairs it, or the store was
 * behind. As it must be there once, the rows of the tape go again before they are committed. A row from elsewhere with an
 * id stands for all with that id; one without stands for one row that is equal in all the venue said.
 */
export class Repeats {
  readonly #parts: Parts
  /** By kind and day, which is a number since 1970: the last time of what came from elsewhere, epoch ms. */
  readonly #until = new Map<EventType, Map<number, number>>()
  #stretches = new Map<string, Stretch>()
  /** Came since the last look: what was committed while they were made has not been held against them. */
  #fresh: readonly Part[] = []
  /** Whose inside has been read. */
  readonly #sound = new Set<string>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The parts have changed; those in `fresh` have come meanwhile. */
  see(fresh: readonly Part[] = []): void {
    this.#fresh = [...this.#fresh, ...fresh.filter(isFromElsewhere)]
    this.#until.clear()
    for (const part of this.#parts.whole.filter(isFromElsewhere)) {
      const { kind, day } = part
      let days = this.#until.get(kind)
      if (!days) this.#until.set(kind, (days = new Map()))
      const number = startOf(day) / DAY_MS
      days.set(number, Math.max(days.get(number) ?? 0, Date.parse(part.last) + 1))
    }
  }

  /** Nothing came from elsewhere. */
  get isEmpty(): boolean {
    return this.#until.size === 0
  }

  /** A part stands for others from now on. */
  replaced(others: readonly Part[], by: Part): void {
    const gone = new Set(others.map(({ path }) => path))
    const isFresh = this.#fresh.some(({ path }) => gone.has(path))
    this.#fresh = this.#fresh.filter(({ path }) => !gone.has(path))
    this.#sound.add(by.path)
    this.see(isFresh ? [by] : [])
  }

  /** A row that is about to be added. */
  note(kind: EventType, number: number, timestamp: number): void {
    const until = this.#until.get(kind)?.get(number)
    if (until === undefined || timestamp > until) return
    const key = `${kind} ${dayAt(number * DAY_MS)}`
    const stretch = this.#stretches.get(key)
    if (!stretch) this.#stretches.set(key, { from: timestamp, to: timestamp })
    else if (timestamp < stretch.from) stretch.from = timestamp
    else if (timestamp > stretch.to) stretch.to = timestamp
  }

  /**
   * What is about to be committed, by the parts it is to be held against; asked once for each commit. Each of the parts must
   * be read once through before: a damaged one must not keep all from being stored.
   */
  due(isOpen: (kind: EventType, day: string) => boolean): Due[] {
    const fresh = new Set(this.#fresh.map(({ path }) => path))
    const stretches = this.#stretches
    if (fresh.size === 0 && stretches.size === 0) return []
    this.#fresh = []
    this.#stretches = new Map()
    return this.#parts.whole.flatMap((part): Due[] => {
      const { kind, day, path, first, last } = part
      if (!isFromElsewhere(part) || !isOpen(kind, day)) return []
      if (fresh.has(path)) {
        return [{ part, isFresh: true, from: Date.parse(first), to: Date.parse(last) }]
      }
      const stretch = stretches.get(`${kind} ${day}`)
      return stretch ? [{ part, isFresh: false, ...stretch }] : []
    })
  }

  isSound({ path }: Part): boolean {
    return this.#sound.has(path)
  }

  sound({ path }: Part): void {
    this.#sound.add(path)
  }

  /** Takes what came before out of what is about to be committed. `gone` hears of rows that went. */
  async drop(
    session: Session,
    tapes: readonly ReadTape[],
    due: readonly Due[],
    gone: (kind: EventType, day: string, rows: number) => void,
  ): Promise<void> {
    for (const { part, isFresh, from, to } of due) {
      const { kind, day, beside = {} } = part
      if (!this.#sound.has(part.path)) continue
      const behind = (seqOf: (tape: ReadTape) => number) => {
        const each = tapes.map(tape => `(t.tape_no = ${tape.no} and t.pos > ${seqOf(tape)})`)
        return `(${each.join(' or ') || 'false'}) and ${within(from, to, 't.ts')}`
      }
      const come: Come = {
        all: behind(({ seq }) => (isFresh ? 0 : seq)),
        behind: behind(({ id, seq }) => Math.max(isFresh ? 0 : seq, beside[id] ?? 0)),
      }
      const file = this.#parts.pathOf(part)
      const known = `select * from read_parquet(${fileNamed(file)}) where tape_id is null and ${within(from, to, 'ts')}`
      const rows = await dropSame(session, part, come, known, tapes)
      if (rows > 0) gone(kind, day, rows)
    }
  }
}

/** Whether a part has rows that are on no tape. */
export function isFromElsewhere({ covers, beside }: Part): boolean {
  return beside !== undefined || Object.keys(covers).length === 0
}

/**
 * Paths of parts with rows that stand for rows of a tape, one for one. Such a part stays by itself: in one with others
 * nothing would tell whose rows have stood for one already, and up to where of the tape each was looked at.
 */
export async function standingFor(session: Session): Promise<ReadonlySet<string>> {
  const rows = await session.all(`select distinct path from ${HOT}.replaced`)
  return new Set(rows.map(([path]) => path as string))
}

/** Conditions for rows that have come: all of them, and those from behind what was looked at. */
interface Come {
  readonly all: string
  readonly behind: string
}

async function dropSame(
  session: Session,
  part: Part,
  { all, behind }: Come,
  known: string,
  tapes: readonly KnownTape[],
): Promise<number> {
  const { kind, path } = part
  const table = tableOf(kind)
  const rowsOf = (which: string) =>
    `select * from (${hotRows(table, tapes, HOT, ', t.rowid as n, t.tape_no, t.pos')} where ${which})`
  const identity = IDENTITY[kind]
  let count = 0
  const remove = async (select: string) => {
    const [gone] = await session.all(`delete from ${HOT}.${kind} where rowid in (${select})`)
    count += Number(gone?.[0] ?? 0)
  }
  if (identity) {
    const { columns, where } = identity
    await remove(
      `select s.n from (${rowsOf(all)}) s semi join (${known}) k on ${sameIn(columns)} where ${where}`,
    )
  }
  // Of a file that does not say what stood beside it, rows that were there before cannot be told from those that came after.
  if (identity?.where === 'true' || part.beside === undefined) return count
  const columns = saidColumns(table)
  const list = quotedList(columns)
  const rest = identity ? `where not ${identity.where}` : ''
  const name = 'temp.main.repeated'
  // Each row from elsewhere stands for one of the tape: those it has stood for already count.
  await session.run(
    `create or replace temp table ${name} as with ` +
      `s as (select *, hash(${list}) as key, row_number() over (partition by ${list} order by tape_no, pos) as nth from (${rowsOf(behind)}) ${rest}), ` +
      `k as (select ${list}, count(*) as times from (${known}) group by all), ` +
      `r as (select key, count(*) as times from ${HOT}.replaced where path = ${quoted(path)} group by all) ` +
      `select s.n, s.key from s join k on ${sameIn(columns)} left join r on r.key = s.key where s.nth + coalesce(r.times, 0) <= k.times`,
  )
  await session.run(`insert into ${HOT}.replaced select ${quoted(path)}, key from ${name}`)
  await remove(`select n from ${name}`)
  await session.run(`drop table ${name}`)
  return count
}
