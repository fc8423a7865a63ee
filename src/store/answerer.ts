import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { asError, TickwireError } from '../base/errors.ts'
import { encodeColumns } from '../market/columns.ts'
import type { EventType, Interval, MarketEvent } from '../market/events.ts'
import { EVENT_TYPES } from '../market/events.ts'
import { lastOf } from './as-of.ts'
import { barSource, FOR_BARS } from './bars.ts'
import { barsIn } from './bars-told.ts'
import { cellOf } from './cells.ts'
import { type KindTable, TABLES, tableOf } from './columns.ts'
import { badSql, type Database, fileNamed, Gate, type Session } from './duckdb.ts'
import { eventColumns, readEvents } from './events.ts'
import { makeFolder, settleFile } from './files.ts'
import { checkReads } from './guard.ts'
import { transferred } from './link.ts'
import { dayAt, startOf } from './manifest.ts'
import { copyOut } from './parts.ts'
import { HOT, hotRows } from './schema.ts'
import { DAY_MS, type Range, rowsOf, Snapshot, within } from './snapshot.ts'
import type { Cell, Holding } from './store.ts'
import { storeTrouble } from './trouble.ts'

/** Rows of an answer to SQL sent at once: what is made of them must not hold the one who asks. */
const ROWS = 512

/** Statements of questions that run at once. */
const AT_ONCE = 2

/** A question for events, as it is sent. */
export interface Asked {
  readonly kind: EventType
  readonly symbols: readonly string[]
  readonly from: number
  readonly to: number
  readonly interval: Interval
  readonly adjustment: string
  readonly source: string | undefined
  /** Bars that end later are not over, epoch ms. */
  readonly now: number
}

export interface AskedAt extends Omit<Asked, 'from' | 'to' | 'adjustment'> {
  readonly time: number
}

export interface AskedParts {
  readonly kinds: readonly EventType[]
  readonly from: number
  readonly to: number
}

/** Answers questions: reads only, each on a connection and in a transaction of its own. */
export class Answerer {
  readonly #folder: string
  readonly #database: () => Database | undefined
  readonly #gate = new Gate(AT_ONCE)
  readonly #running = new Set<Session>()
  /** Files of open days are written by one question at a time. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(folder: string, database: () => Database | undefined) {
    this.#folder = folder
    this.#database = database
  }

  /** Ends all questions; resolves when none of their statements runs any more. */
  async close(): Promise<void> {
    const sessions = [...this.#running]
    this.#running.clear()
    await Promise.all(sessions.map(session => session.end()))
  }

  /** Blocks of events, in order of venue time. */
  async *history(asked: Asked, signal: AbortSignal): AsyncGenerator<unknown> {
    const { run, session } = await this.#begin(signal)
    try {
      const snapshot = await Snapshot.of(session, this.#folder)
      const events =
        asked.kind === 'bar'
          ? once(barsIn(barSource(snapshot), asked))
          : eventsOf(snapshot, asked.kind, asked)
      for await (const batch of events) {
        for (let at = 0; at < batch.length; at += 4_096) {
          yield transferred(encodeColumns(batch, at, Math.min(at + 4_096, batch.length)))
        }
      }
    } catch (error) {
      throw await this.#told(error, [asked.kind], signal)
    } finally {
      run.end()
    }
  }

  async asOf(asked: AskedAt, signal: AbortSignal): Promise<Uint8Array> {
    const { run, session } = await this.#begin(signal)
    try {
      const snapshot = await Snapshot.of(session, this.#folder)
      return encodeColumns(await lastOf(snapshot, asked))
    } catch (error) {
      throw await this.#told(error, [asked.kind], signal)
    } finally {
      run.end()
    }
  }

  /** The columns, then rows. */
  async *sql({ text }: { text: string }, signal: AbortSignal): AsyncGenerator<unknown> {
    const { run, session } = await this.#begin(signal)
    try {
      await checkReads(session, text)
      const { columns, chunks } = await session.stream(text)
      yield columns
      for await (const chunk of chunks) {
        const values = columns.map((_, i) => chunk.values(i))
        for (let from = 0; from < chunk.rowCount; from += ROWS) {
          const rows: Cell[][] = []
          const to = Math.min(from + ROWS, chunk.rowCount)
          for (let row = from; row < to; row++) rows.push(values.map(it => cellOf(it[row])))
          yield rows
        }
      }
    } catch (error) {
      if (!isOurFault(error)) throw badSql(error)
      const kinds = TABLES.filter(({ view }) => text.toLowerCase().includes(view))
      throw await this.#told(
        error,
        kinds.map(({ kind }) => kind),
        signal,
      )
    } finally {
      run.end()
    }
  }

  async parquet(asked: AskedParts, signal: AbortSignal): Promise<string[]> {
    const { run, session } = await this.#begin(signal)
    try {
      const folder = this.#folder
      const snapshot = await Snapshot.of(session, folder)
      const paths: string[] = []
      for (const kind of asked.kinds) {
        const table = tableOf(kind)
        for (const day of await snapshot.daysOf(kind, asked)) {
          paths.push(...snapshot.partsOf(kind, day).map(({ path }) => path))
          if (!snapshot.isOpen(kind, day)) continue
          const done = this.#writing.then(() => writeOpen(snapshot, table, day, folder))
          this.#writing = done.catch(() => undefined)
          paths.push(await done)
        }
      }
      return paths
    } catch (error) {
      throw await this.#told(error, [], signal)
    } finally {
      run.end()
    }
  }

  async holdings(_: undefined, signal: AbortSignal): Promise<Holding[]> {
    const { run, session } = await this.#begin(signal)
    try {
      return await holdingsOf(await Snapshot.of(session, this.#folder))
    } catch (error) {
      throw await this.#told(error, EVENT_TYPES, signal)
    } finally {
      run.end()
    }
  }

  async #begin(signal: AbortSignal): Promise<{ session: Session; run: { end(): void } }> {
    const database = this.#database()
    if (!database) throw notNow()
    const session = await database.connect(this.#gate)
    // It may have been closed, or opened anew, meanwhile.
    if (database !== this.#database()) {
      session.close()
      throw notNow()
    }
    this.#running.add(session)
    if (signal.aborted) session.interrupt()
    const abort = () => session.interrupt()
    signal.addEventListener('abort', abort)
    const run = {
      end: () => {
        signal.removeEventListener('abort', abort)
        // Ends the transaction too.
        if (this.#running.delete(session)) session.close()
      },
    }
    try {
      await session.run('begin transaction read only')
    } catch (error) {
      run.end()
      throw await this.#told(error, [], signal)
    }
    return { session, run }
  }

  /** What went wrong, with the name of the file it is in. Bars may be made of trades. */
  async #told(error: unknown, kinds: readonly EventType[], signal: AbortSignal): Promise<Error> {
    const database = this.#database()
    if (error instanceof TickwireError || signal.aborted || !database) return asError(error)
    const what = 'the store cannot answer'
    const told = storeTrouble(error, this.#folder, what)
    if (told.code !== 'STORE_DAMAGED' || kinds.length === 0) return told
    const session = await database.connect(this.#gate)
    this.#running.add(session)
    try {
      const { path } = (await damagedPart(session, this.#folder, kinds)) ?? {}
      if (path === undefined) return told
      return storeTrouble(
        new Error(`${path} (Parquet) is damaged: ${asError(error).message}`),
        this.#folder,
        what,
      )
    } finally {
      if (this.#running.delete(session)) session.close()
    }
  }
}

/** While a store whose disk has failed is opened again. */
export function notNow(): TickwireError {
  return new TickwireError('STORE_UNWRITABLE', 'the store is shut: its disk takes nothing', {
    hint: 'Ask again in a few seconds; the log says what is wrong.',
  })
}

/** Whether an error is about files of the store, not about the question. */
function isOurFault(error: unknown): boolean {
  return /^(?:Invalid Error|IO Error|Serialization Error|FATAL|INTERNAL Error)|Corrupt|checksum|\.parquet/i.test(
    asError(error).message,
  )
}

/** Reads parts whole until one cannot be read. */
async function damagedPart(
  session: Session,
  folder: string,
  kinds: readonly EventType[],
): Promise<{ readonly path: string } | undefined> {
  const snapshot = await Snapshot.of(session, folder)
  const among = kinds.includes('bar') ? [...kinds, ...FOR_BARS] : kinds
  for (const part of among.flatMap(kind => snapshot.allParts(kind))) {
    try {
      await session.all(`select bit_xor(hash(t)) from read_parquet(${fileNamed(part.path)}) t`)
    } catch {
      return part
    }
  }
  return undefined
}

async function* once(events: Promise<MarketEvent[]>): AsyncGenerator<MarketEvent[]> {
  yield await events
}

async function* eventsOf(
  snapshot: Snapshot,
  kind: EventType,
  range: Range,
): AsyncGenerator<MarketEvent[]> {
  const table = tableOf(kind)
  for (const day of await snapshot.daysOf(kind, range)) {
    const rows = rowsOf(snapshot, table, day, range)
    const order = 'order by ts, seq nulls last, part, nth'
    const select = `select ${eventColumns(table)} from (${rows}) ${order}`
    const { chunks } = await snapshot.session.stream(select)
    for await (const chunk of chunks) yield readEvents(table, chunk)
  }
}

/** An open day as a file, made anew only when there is more. */
async function writeOpen(
  snapshot: Snapshot,
  table: KindTable,
  day: string,
  folder: string,
): Promise<string> {
  const { session, tapes } = snapshot
  const { kind } = table
  const here = join(folder, 'open')
  const state = tapes.map(({ no, seq }) => `${no}-${seq}`).join('_')
  const name = `${kind}-${day}-${state}.parquet`
  const file = join(here, name)
  await makeFolder(here)
  const names = await readdir(here)
  if (names.includes(name)) return file
  const select = `${hotRows(table, tapes)} where ${within(startOf(day), startOf(day) + DAY_MS - 1, 't.ts')} order by h.symbol, t.ts, t.pos`
  await copyOut(session, select, `${file}.new`)
  await settleFile(`${file}.new`, file)
  for (const old of names) {
    if (old.startsWith(`${kind}-${day}-`)) await rm(join(here, old), { force: true })
  }
  return file
}

async function holdingsOf(snapshot: Snapshot): Promise<Holding[]> {
  const { session } = snapshot
  const holdings: Holding[] = []
  const everything = { from: 0, to: Number.MAX_SAFE_INTEGER }
  const hot = new Map<string, { rows: number; symbols: number }>()
  let rows = 0
  for (const kind of EVENT_TYPES) {
    const found = await session.all(
      `select (epoch_ns(t.ts) // ${DAY_MS}000000)::integer, count(*), count(distinct h.symbol) from ${HOT}.${kind} t join ${HOT}.heads h on h.id = t.head group by 1`,
    )
    for (const [day, count, symbols] of found as [number, bigint, bigint][]) {
      rows += Number(count)
      const here = { rows: Number(count), symbols: Number(symbols) }
      hot.set(`${kind} ${dayAt(day * DAY_MS)}`, here)
    }
  }
  const { size } = await stat(join(snapshot.folder, 'hot.duckdb'))
  for (const { kind, view } of TABLES) {
    for (const day of await snapshot.daysOf(kind, everything)) {
      const parts = snapshot.partsOf(kind, day)
      const open = hot.get(`${kind} ${day}`)
      let symbols = open?.symbols ?? parts[0]?.symbols ?? 0
      if (parts.length + (open ? 1 : 0) > 1) {
        const [count] = await session.all(
          `select count(distinct symbol) from main.${view} where ${within(startOf(day), startOf(day) + DAY_MS - 1, 'ts')}`,
        )
        symbols = Number(count![0])
      }
      holdings.push({
        ...{ day, kind, symbols },
        rows: parts.reduce((sum, part) => sum + part.rows, open?.rows ?? 0),
        sealed: parts.length > 0,
        bytes: parts.reduce(
          (sum, part) => sum + part.bytes,
          open ? Math.round((size * open.rows) / rows) : 0,
        ),
      })
    }
  }
  return holdings.sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
}
