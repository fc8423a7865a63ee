import type { Clock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { QUARANTINE_RULES, Quarantine } from '../feed/quarantine.ts'
import type { Adjustment, EventType, Interval, MarketEvent } from '../market/events.ts'
import type { Merged } from '../store/store.ts'
import { type FileFormat, type FileRow, type OpenFile, openFile } from './import-files.ts'
import type { Mapping } from './import-mapping.ts'
import { mapped } from './import-rows.ts'

export interface ImportOptions {
  /** What its rows are; of a file that tickwire wrote they say it themselves. */
  readonly kind?: EventType
  readonly format?: FileFormat
  /** Names of the columns of a CSV file whose first line has none. */
  readonly columns?: readonly string[]
  /** What fields are made of, where the names do not say it. */
  readonly mapping?: Mapping
  /** Of all rows, instead of a column. */
  readonly symbol?: string
  /** Name of where it came from. @default 'import' */
  readonly source?: string
  /** Of times without a zone. @default 'UTC' */
  readonly zone?: string
  /** Of bars, instead of a column. */
  readonly interval?: Interval
  /** Of bars, instead of a column. @default 'raw' */
  readonly adjustment?: Adjustment
  /** Prices below 0 are taken. @default false */
  readonly negativePrices?: boolean
  /** Nothing is taken of a file with a row that can be no event. @default such rows are counted and left out */
  readonly strict?: boolean
  readonly clock: Clock
  readonly onProgress?: (progress: ImportProgress) => void
  readonly signal?: AbortSignal
}

export interface ImportProgress {
  readonly rows: number
  /** Of the file, 0 to 1. */
  readonly share: number
}

/** A row that can be no event. */
export interface BadRow {
  readonly line: number
  readonly reason: string
}

export interface ImportReport {
  readonly rows: number
  readonly events: number
  /** Counts by reason. */
  readonly bad: ReadonlyMap<string, number>
  /** The first of them. */
  readonly badRows: readonly BadRow[]
  /** Kinds of the events. */
  readonly kinds: ReadonlySet<EventType>
}

/** Bad rows that are shown one by one. */
const SHOWN = 20

/** A file on its way to becoming events. */
export class Import {
  /** What its columns are taken for, for people. */
  readonly said: string
  readonly notes: readonly string[]
  readonly #file: OpenFile
  readonly #options: ImportOptions
  readonly #make: (row: FileRow) => MarketEvent | string
  readonly #quarantine: Quarantine
  #rows = 0
  #events = 0
  readonly #bad = new Map<string, number>()
  readonly #badRows: BadRow[] = []
  readonly #kinds = new Set<EventType>()
  readonly #early: (readonly FileRow[])[]
  readonly #rest: AsyncIterator<readonly FileRow[]>

  private constructor(
    file: OpenFile,
    options: ImportOptions,
    early: (readonly FileRow[])[],
    rest: AsyncIterator<readonly FileRow[]>,
  ) {
    this.#file = file
    this.#options = options
    this.#early = early
    this.#rest = rest
    const { negativePrices = false } = options
    // What we wrote ourselves has been judged by its times once, and may be of any year somebody has simulated.
    const nature = file.isOurs ? 'simulated' : 'live'
    const rules = { negativePrices, maxJump: Number.POSITIVE_INFINITY }
    this.#quarantine = new Quarantine(nature, rules, silentLog)
    if (file.isOurs) {
      this.said = 'written by tickwire: taken as it is'
      this.notes = []
      this.#make = ({ event }) => event ?? 'it is no event'
      return
    }
    const { make, said, notes } = mapped(file, options, early.flat())
    this.#make = make
    this.said = said
    this.notes = notes
  }

  /** @throws BAD_OPTION where it is not clear what the rows are, BAD_PARQUET */
  static async open(path: string, options: ImportOptions): Promise<Import> {
    const { format, columns, mapping } = options
    const file = await openFile(path, {
      ...(format && { format }),
      ...(columns && { columns }),
      isMapped: (mapping?.size ?? 0) > 0,
    })
    try {
      const rest = file.rows()[Symbol.asyncIterator]()
      const early: (readonly FileRow[])[] = []
      for (let count = 0; count < SAMPLE; ) {
        const { done, value } = await rest.next()
        if (done) break
        early.push(value)
        count += value.length
      }
      return new Import(file, options, early, rest)
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** The events, in the order of the rows; rows that can be none are counted and left out. */
  async *events(): AsyncGenerator<MarketEvent[]> {
    const { onProgress, signal, clock } = this.#options
    for await (const rows of this.#batches()) {
      if (signal?.aborted) throw new TickwireError('CLOSED', 'the import was ended')
      const now = clock.now()
      const events: MarketEvent[] = []
      for (const row of rows) {
        this.#rows++
        const made = row.fault ?? this.#make(row)
        if (typeof made === 'string') {
          this.#leaveOut(row.line, made, made.replace(/: .*$/s, ''))
          continue
        }
        const rule = this.#quarantine.ruleOf(made, now)
        if (rule !== undefined) {
          this.#leaveOut(row.line, QUARANTINE_RULES[rule], rule)
          continue
        }
        this.#kinds.add(made.type)
        events.push(made)
      }
      this.#events += events.length
      if (events.length > 0) yield events
      onProgress?.({ rows: this.#rows, share: this.#file.share() })
    }
  }

  report(): ImportReport {
    return {
      ...{ rows: this.#rows, events: this.#events, bad: this.#bad, badRows: this.#badRows },
      kinds: this.#kinds,
    }
  }

  close(): void {
    this.#file.close()
  }

  async *#batches(): AsyncGenerator<readonly FileRow[]> {
    yield* this.#early
    for (;;) {
      const { done, value } = await this.#rest.next()
      if (done) return
      yield value
    }
  }

  #leaveOut(line: number, reason: string, sort: string): void {
    if (this.#options.strict) {
      throw new TickwireError('BAD_EVENT', `line ${line}: ${reason}`, {
        hint: 'Nothing of the file was taken: mend the line, or leave out --strict.',
      })
    }
    this.#bad.set(sort, (this.#bad.get(sort) ?? 0) + 1)
    if (this.#badRows.length < SHOWN) this.#badRows.push({ line, reason })
  }
}

/** Takes the events of a file into a store. */
export async function importFile(
  into: { merge(events: AsyncIterable<readonly MarketEvent[]>): Promise<Merged> },
  path: string,
  options: ImportOptions,
): Promise<ImportReport & Merged> {
  const file = await Import.open(path, options)
  try {
    const merged = await into.merge(file.events())
    return { ...file.report(), ...merged }
  } finally {
    file.close()
  }
}

/** Rows whose times are looked at to tell their unit. */
const SAMPLE = 1_000
