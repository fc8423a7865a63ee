import { asError } from '../base/errors.ts'
import { TABLES } from './columns.ts'
import { type Database, fileNamed, quoted, type Session } from './duckdb.ts'
import { startOf } from './manifest.ts'
import type { Note, Parts } from './parts.ts'
import { HOT, type KnownTape, viewOf } from './schema.ts'

const DAY_MS = 86_400_000
/** Rows of the list of parts that are written at once. */
const ROWS = 500

/**
 * What the database knows of beside rows: tapes, parts, and the views that show all there is. It is changed in short
 * transactions of its own, one after the other: two that make the same view could not both be committed.
 */
export class Catalog {
  readonly #database: Database
  readonly #parts: Parts
  readonly #notes: Note[]
  #last: Promise<unknown> = Promise.resolve()

  constructor(database: Database, parts: Parts, notes: Note[]) {
    this.#database = database
    this.#parts = parts
    this.#notes = notes
  }

  /** A tape of which rows are to come; it is among `tapes`. */
  meet(tapes: readonly KnownTape[], { no, id }: KnownTape): Promise<void> {
    return this.#change(tapes, async session => {
      await session.run(`insert into ${HOT}.tapes values (${no}, ${quoted(id)}, 0)`)
    })
  }

  /**
   * Brings the tables in line with the manifest: rows that are in sealed files go, and the views read these files. The same
   * again changes nothing.
   */
  settle(tapes: readonly KnownTape[]): Promise<void> {
    return this.#change(tapes, async session => {
      const rows = await session.all(`select path from ${HOT}.parts`)
      const known = new Set(rows.map(([path]) => path as string))
      for (const { path, kind, day, covers } of this.#parts.all) {
        if (known.has(path) || Object.keys(covers).length === 0) continue
        const which = coveredBy(tapes, day, covers, '')
        await session.run(`delete from ${HOT}.${kind} where ${which}`)
      }
      await this.#list(session)
    })
  }

  /** Their order is that of the manifest: of two that say the same of a bar the newer counts. */
  async #list(session: Session): Promise<void> {
    const { whole } = this.#parts
    await session.run(`delete from ${HOT}.parts`)
    for (let from = 0; from < whole.length; from += ROWS) {
      const rows = whole.slice(from, from + ROWS).map((part, i) => {
        const { path, kind, day, rows, symbols, first, last, bytes } = part
        return `(${quoted(path)}, '${kind}', '${day}', ${from + i}, ${rows}, ${symbols}, ${timeOf(first)}, ${timeOf(last)}, ${bytes})`
      })
      await session.run(`insert into ${HOT}.parts values ${rows.join(', ')}`)
    }
  }

  #change(tapes: readonly KnownTape[], change: (session: Session) => Promise<void>): Promise<void> {
    const done = this.#last.then(async () => {
      const session = await this.#database.connect()
      try {
        await this.#probe(session)
        await session.run('begin transaction')
        await change(session)
        await this.#makeViews(session, tapes)
        await session.run('commit')
      } finally {
        // What is not committed goes with it.
        session.close()
      }
    })
    this.#last = done.catch(() => undefined)
    return done
  }

  /** A view is made by looking into the first of its files: one whose inside is damaged must not keep all shut. */
  async #probe(session: Session): Promise<void> {
    for (const { kind } of TABLES) {
      for (const part of this.#parts.whole.filter(part => part.kind === kind)) {
        const file = fileNamed(this.#parts.pathOf(part))
        try {
          await session.all(`select 1 from read_parquet(${file}) limit 0`)
          break
        } catch (error) {
          const why = `cannot be read (${asError(error).message})`
          this.#notes.push(this.#parts.leaveOut(part, why))
        }
      }
    }
  }

  async #makeViews(session: Session, tapes: readonly KnownTape[]): Promise<void> {
    for (const table of TABLES) {
      const parts = this.#parts.whole.filter(({ kind }) => kind === table.kind)
      const paths = parts.map(part => this.#parts.pathOf(part))
      await session.run(viewOf(table, tapes, paths))
    }
  }
}

/** Rows of a day that a part with these covers holds. `t`: what stands before their columns. */
export function coveredBy(
  tapes: readonly KnownTape[],
  day: string,
  covers: { readonly [tape: string]: number },
  t: string,
): string {
  const from = startOf(day)
  const own = tapes
    .filter(({ id }) => (covers[id] ?? 0) > 0)
    .map(({ no, id }) => `(${t}tape_no = ${no} and ${t}pos <= ${covers[id]})`)
  const some = own.length > 0 ? own.join(' or ') : 'false'
  return `${t}ts >= make_timestamp_ns(${from}000000) and ${t}ts < make_timestamp_ns(${from + DAY_MS}000000) and (${some})`
}

function timeOf(text: string): string {
  return `${quoted(text.slice(0, -1))}::timestamp_ns`
}
