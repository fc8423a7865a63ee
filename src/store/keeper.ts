import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asError, TickwireError } from '../base/errors.ts'
import { decodeColumns } from '../market/columns.ts'
import type { EventType, MarketEvent } from '../market/events.ts'
import { Catalog, coveredBy } from './catalog.ts'
import { TABLES } from './columns.ts'
import { smallParts } from './compact.ts'
import { Heads } from './dictionary.ts'
import { type Database, type DatabaseOptions, fileNamed, type Session } from './duckdb.ts'
import { makeFolder } from './files.ts'
import { dayAt, type Part } from './manifest.ts'
import { Merge, type MergeResult } from './merge.ts'
import { OpenDays } from './open-days.ts'
import { openHot } from './open-hot.ts'
import { type Note, Parts } from './parts.ts'
import { Repeats } from './repeats.ts'
import { type Dictionaries, EventRows } from './rows.ts'
import { HOT, hotRows, type KnownTape } from './schema.ts'
import { dueDays, type SealRule } from './seal.ts'
import { Tidier } from './tidy.ts'
import { storeTrouble } from './trouble.ts'
import { readWords, writeWords } from './words.ts'

const DAY_MS = 86_400_000
/** What a damaged log of DuckDB loses reaches back as far as the last checkpoint, ms. */
const CHECKPOINT_MS = 60_000

export interface KeeperOptions extends Omit<DatabaseOptions, 'file'> {}

/** Where the store stands. */
export interface Standing {
  /** By tape: up to where its events are here. */
  readonly positions: { readonly [tape: string]: number }
  /** By tape: up to where all its events are in sealed days. */
  readonly needed: { readonly [tape: string]: number }
  /** Highest receive time of what was taken, epoch ms. */
  readonly time: number
}

export interface Opened extends Standing {
  readonly notes: readonly Note[]
}

/** Events of a tape. */
export interface Taken {
  readonly tape: string
  readonly events: readonly MarketEvent[]
}

interface Tape extends KnownTape {
  /** Committed. */
  seq: number
  /** Taken, and not yet committed. */
  last: number
  /** By kind and day: what is sealed already. */
  readonly sealed: ReadonlyMap<string, number>
  /** The highest of these. */
  readonly sealedTo: number
}

/** Takes events into the tables of open days, seals days, takes in what comes from elsewhere: all that writes. */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #parts: Parts
  #database: Database | undefined
  #catalog: Catalog | undefined
  #ingest: Session | undefined
  #side: Session | undefined
  #rows: EventRows | undefined
  #dictionaries: Dictionaries = { heads: new Heads(), details: new Map() }
  #tapes: Tape[] = []
  #isWriting = false
  #isEnding = false
  readonly #days = new OpenDays()
  readonly #repeats: Repeats
  /** Ends the questions that are being answered. */
  readonly #endAnswers: () => Promise<void>
  #time = Number.NEGATIVE_INFINITY
  #checkpointAt = 0
  /** What changes files goes one after the other. */
  #sideWork: Promise<unknown> = Promise.resolve()
  /** While rows are held against files, none of these takes the place of others. */
  #steady: Promise<unknown> = Promise.resolve()
  readonly #merges = new Map<number, Merge>()
  readonly #tidier: Tidier
  /** Not yet told. */
  readonly #notes: Note[] = []

  constructor(options: KeeperOptions, endAnswers: () => Promise<void>) {
    this.#options = options
    this.#endAnswers = endAnswers
    this.#parts = new Parts(options.folder)
    this.#repeats = new Repeats(this.#parts)
    this.#tidier = new Tidier({
      ...{ parts: this.#parts, repeats: this.#repeats, notes: this.#notes },
      positions: () => this.standing.positions,
      settle: () => this.#catalog!.settle(this.#tapes),
      steadily: work => this.#steadily(work),
      isEnding: () => this.#isEnding,
    })
  }

  /** Open, or not. */
  get database(): Database | undefined {
    return this.#database
  }

  /** @throws STORE_DRIVER_MISSING STORE_IN_USE STORE_UNWRITABLE STORE_DAMAGED STORE_TOO_NEW */
  async open(): Promise<Opened> {
    const { folder } = this.#options
    const notes = this.#notes
    try {
      await makeFolder(folder)
      const { database, session } = await openHot(this.#options, notes)
      this.#database = database
      this.#ingest = session
      const side = (this.#side = await database.connect())
      notes.push(...(await this.#parts.open(side)))
      await this.#load(side)
      this.#catalog = new Catalog(this.#database!, this.#parts, notes)
      await this.#catalog.settle(this.#tapes)
      this.#time = Math.max(this.#time, await this.#days.count(side))
      // An end may have come before what was merged last was held against what came meanwhile.
      this.#repeats.see(this.#parts.whole)
      await side.run('checkpoint')
      await rm(join(folder, 'open'), { recursive: true, force: true })
    } catch (error) {
      await this.#shut()
      throw storeTrouble(error, folder, 'the store cannot be opened')
    }
    return { ...this.standing, notes: notes.splice(0) }
  }

  get standing(): Standing {
    const positions: Record<string, number> = {}
    const needed: Record<string, number> = {}
    for (const tape of this.#tapes) {
      positions[tape.id] = tape.seq
      needed[tape.id] = this.#days.doneOf(tape, tape.seq)
    }
    return { positions, needed, time: this.#time }
  }

  /** Adds events of a tape, in its order. They are there after `commit`. */
  async take({ tape, events }: Taken): Promise<void> {
    const session = this.#ingest!
    const from = this.#tapes.find(({ id }) => id === tape) ?? (await this.#meet(tape))
    if (!this.#isWriting) {
      await session.run('begin transaction')
      this.#isWriting = true
    }
    this.#rows ??= new EventRows(session, HOT, this.#dictionaries)
    await this.#rows.ready(events)
    for (let i = 0; i < events.length; i++) this.#add(events[i]!, from)
  }

  #add(event: MarketEvent, from: Tape): void {
    const { receivedAt } = event
    let pos = event.seq
    if (pos === undefined) {
      // Said to this reader alone. What was skipped is behind us: it is told once.
      const { notice, to } = event as { notice?: string; to?: number }
      pos = notice === 'skipped' && Number.isSafeInteger(to) ? to! : from.last
      if (notice === 'skipped' && pos <= from.last) return
    } else if (pos <= from.last) return
    from.last = pos
    if (receivedAt > this.#time && receivedAt < Number.POSITIVE_INFINITY) this.#time = receivedAt
    const number = dayNumber(event)
    if (pos <= from.sealedTo) {
      const sealed = from.sealed.get(`${event.type} ${dayAt(number * DAY_MS)}`)
      if (sealed !== undefined && pos <= sealed) return
    }
    this.#rows!.add(event, from.no, pos)
    if (!this.#repeats.isEmpty) this.#repeats.note(event.type, number, event.timestamp)
    const day = this.#days.of(event.type, number, this.#time)
    day.rows++
    if (!(receivedAt <= day.last)) day.last = receivedAt
    if (!day.lowest.has(from.no)) day.lowest.set(from.no, pos)
  }

  /** Makes what was taken last, with the position: both or neither. */
  async commit(): Promise<Standing> {
    const session = this.#ingest
    if (session) await this.#steadily(() => this.#commit(session))
    return this.standing
  }

  async #commit(session: Session): Promise<void> {
    const isOpen = (kind: EventType, day: string) => this.#days.has(kind, day)
    const repeated = this.#repeats.due(isOpen)
    if (repeated.length > 0) await this.#readThrough(repeated.map(({ part }) => part))
    if (repeated.length > 0 && !this.#isWriting) {
      await session.run('begin transaction')
      this.#isWriting = true
    }
    if (this.#isWriting) {
      this.#rows?.flush()
      await writeWords(session, HOT, this.#dictionaries)
      await this.#repeats.drop(session, this.#tapes, repeated, (kind, day, rows) =>
        this.#days.gone(kind, day, rows),
      )
      for (const tape of this.#tapes) {
        if (tape.last === tape.seq) continue
        await session.run(`update ${HOT}.tapes set seq = ${tape.last} where no = ${tape.no}`)
      }
      await session.run('commit')
      this.#isWriting = false
      for (const tape of this.#tapes) tape.seq = tape.last
      await this.#checkpoint(session)
    }
  }

  /** Seals what is over and quiet. `now`: tape time, or that of the clock where nothing comes. */
  seal(rule: SealRule): Promise<Standing & { readonly notes: readonly Note[] }> {
    return this.#alone(async () => {
      const notes = this.#notes
      const isSealed = (kind: EventType, day: string) =>
        this.#parts.all.some(part => part.kind === kind && part.day === day)
      for (const { kind, day } of dueDays(this.#days.all, rule, isSealed)) {
        const part = await this.#sealDay(kind, day)
        if (!part) continue
        const { path, rows, bytes } = part
        notes.push({ level: 'info', fields: { path, rows, bytes }, message: 'a day is sealed' })
      }
      await this.#tidier.tidy(this.#side!, smallParts)
      return { ...this.standing, notes: notes.splice(0) }
    })
  }

  async #sealDay(kind: EventType, day: string): Promise<Part | undefined> {
    const side = this.#side!
    const covers: Record<string, number> = {}
    for (const { id, seq } of this.#tapes) if (seq > 0) covers[id] = seq
    const table = TABLES.find(table => table.kind === kind)!
    const which = coveredBy(this.#tapes, day, covers, 't.')
    const [count] = await side.all(`select count(*) from ${HOT}.${kind} t where ${which}`)
    if (Number(count![0]) === 0) return undefined
    const select = `${hotRows(table, this.#tapes)} where ${which} order by h.symbol, t.ts, t.pos`
    const part = await this.#parts.write(side, select, { kind, day, covers })
    await this.#parts.add([part])
    await this.#catalog!.settle(this.#tapes)
    this.#days.sealed(part, this.#tapes, this.#time)
    return part
  }

  /** Puts all parts of each kind and day together. Gives how many files are fewer. */
  compact(): Promise<{ readonly gone: number; readonly notes: readonly Note[] }> {
    return this.#alone(async () => {
      const gone = await this.#tidier.tidy(this.#side!, parts => parts)
      return { gone, notes: this.#notes.splice(0) }
    })
  }

  /** Reads parts once through: a damaged one must not keep from being stored what comes. */
  async #readThrough(parts: readonly Part[]): Promise<void> {
    const session = await this.#database!.connect()
    try {
      for (const part of parts.filter(one => !this.#repeats.isSound(one))) {
        try {
          const file = fileNamed(this.#parts.pathOf(part))
          await session.all(`select bit_xor(hash(t)) from read_parquet(${file}) t`)
          this.#repeats.sound(part)
        } catch (error) {
          const why = `cannot be read (${asError(error).message})`
          this.#notes.push(this.#parts.leaveOut(part, why))
        }
      }
    } finally {
      session.close()
    }
  }

  mergeBegin({ id }: { id: number }): Promise<void> {
    const merge = new Merge(this.#parts, () => this.#tapes)
    this.#merges.set(id, merge)
    return this.#database!.connect().then(session => merge.open(session))
  }

  mergeTake({ id, block }: { id: number; block: Uint8Array }): Promise<void> {
    return this.#mergeOf(id).take(decodeColumns(block))
  }

  #mergeOf(id: number): Merge {
    const merge = this.#merges.get(id)
    if (!merge) throw new TickwireError('CLOSED', 'the store was closed before all had come')
    return merge
  }

  /** Nothing of it is there before, all of it afterwards. */
  async mergeEnd({ id }: { id: number }): Promise<MergeResult> {
    try {
      return await this.#alone(async () => {
        const { parts, result } = await this.#mergeOf(id).finish()
        if (parts.length > 0) {
          await this.#parts.add(parts)
          await this.#catalog!.settle(this.#tapes)
          this.#repeats.see(parts)
        }
        return result
      })
    } finally {
      await this.mergeDrop({ id })
    }
  }

  async mergeDrop({ id }: { id: number }): Promise<void> {
    const merge = this.#merges.get(id)
    this.#merges.delete(id)
    await merge?.close()
  }

  /** Puts many small parts together, as merges leave them. */
  tidy(): Promise<void> {
    return this.#alone(async () => {
      if (this.#database) await this.#tidier.tidy(this.#side!, smallParts)
    })
  }

  /**
   * Throws away what can be made from the tape again, and forgets sealed files that cannot be read. What the tape does
   * not hold any more, from `start` on, is sealed first.
   */
  reset({ tape, start }: { tape: string; start: number }): Promise<Opened> {
    return this.#alone(async () => {
      const { folder } = this.#options
      const notes: Note[] = []
      try {
        await this.#keepLost(tape, start)
      } catch (error) {
        const message = `what the tape does not hold any more cannot be kept: ${asError(error).message}`
        notes.push({ level: 'error', fields: { folder }, message })
      }
      const gone = await this.#parts.forgetBroken()
      await this.#shut()
      for (const name of ['hot.duckdb', 'hot.duckdb.wal']) {
        await rm(join(folder, name), { force: true })
      }
      for (const { path } of gone) {
        const file = join(folder, path)
        if (!existsSync(file)) continue
        await rename(file, `${file}.damaged`)
        notes.push({ level: 'warn', fields: { file }, message: `set aside as ${file}.damaged` })
      }
      const opened = await this.open()
      return { ...opened, notes: [...notes, ...opened.notes] }
    })
  }

  /** Seals the days of rows that a tape cannot give again. */
  async #keepLost(tape: string, start: number): Promise<void> {
    for (const { kind, day, lowest } of this.#days.all) {
      const lost = [...lowest].some(([no, pos]) => {
        const { id } = this.#tapes.find(known => known.no === no)!
        return id !== tape || pos <= start
      })
      if (lost) await this.#sealDay(kind, day)
    }
  }

  /** Ends merges that are under way, and waits for what changes files. */
  async close(): Promise<void> {
    this.#isEnding = true
    for (const id of [...this.#merges.keys()]) await this.mergeDrop({ id })
    this.#side?.interrupt()
    await this.#sideWork
    await this.#shut()
  }

  async #shut(): Promise<void> {
    const database = this.#database
    // From now on nobody gets a session of it.
    this.#database = undefined
    if (database) await this.#endAnswers()
    for (const id of [...this.#merges.keys()]) await this.mergeDrop({ id })
    try {
      this.#rows?.close()
    } catch {
      // Rows that could not be written are on the tape, and will be read from there again.
    }
    this.#rows = undefined
    this.#isWriting = false
    this.#ingest?.close()
    this.#side?.close()
    this.#ingest = undefined
    this.#side = undefined
    database?.close()
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#sideWork.then(work)
    this.#sideWork = done.catch(() => undefined)
    return done
  }

  #steadily<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#steady.then(work)
    this.#steady = done.catch(() => undefined)
    return done
  }

  async #load(session: Session): Promise<void> {
    this.#dictionaries = await readWords(session, HOT)
    this.#tapes = (await session.all(`select no, id, seq from ${HOT}.tapes order by no`)).map(
      ([no, id, seq]) => this.#tapeFrom(no as number, id as string, Number(seq)),
    )
  }

  #tapeFrom(no: number, id: string, seq: number): Tape {
    const sealed = this.#parts.coverOf(id)
    return { no, id, seq, last: seq, sealed, sealedTo: Math.max(0, ...sealed.values()) }
  }

  /** Makes a tape known before rows of it come, so that the views can name it. */
  async #meet(id: string): Promise<Tape> {
    const no = this.#tapes.reduce((most, tape) => Math.max(most, tape.no), 0) + 1
    const tape = this.#tapeFrom(no, id, 0)
    await this.#catalog!.meet([...this.#tapes, tape], tape)
    this.#tapes.push(tape)
    return tape
  }

  async #checkpoint(session: Session): Promise<void> {
    const now = performance.now()
    if (now - this.#checkpointAt < CHECKPOINT_MS) return
    this.#checkpointAt = now
    try {
      await session.run('checkpoint')
    } catch (error) {
      // A question is being answered: another time.
      if (!/transaction/i.test(asError(error).message)) throw error
      this.#checkpointAt = now - CHECKPOINT_MS + 1_000
    }
  }
}

/** Venue days since 1970, as the time of the row has them. */
function dayNumber({ timestamp }: MarketEvent): number {
  return timestamp > 0 ? Math.floor(Math.min(timestamp, 9_200_000_000_000) / DAY_MS) : 0
}
