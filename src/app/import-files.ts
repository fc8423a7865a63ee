import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, extname } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { asError, TickwireError } from '../base/errors.ts'
import { decodeCsv, isCsvOfEvents } from '../market/csv.ts'
import { type EventType, KINDS, type MarketEvent } from '../market/events.ts'
import { decodeEvent } from '../market/json.ts'
import { Workbench } from '../store/workbench.ts'
import { readCsv } from './import-csv.ts'

export type FileFormat = 'csv' | 'ndjson' | 'parquet'

/** What stands in a row: by column, `undefined` where there is nothing. */
export type Cells = readonly (string | readonly string[] | undefined)[]

/** One row of somebody else's file, or one event of ours; or why it is neither. */
export interface FileRow {
  /** Line, or row of a Parquet file, from 1. */
  readonly line: number
  readonly cells?: Cells
  readonly event?: MarketEvent
  readonly fault?: string
}

/** A file that is being read. */
export interface OpenFile {
  readonly format: FileFormat
  readonly columns: readonly string[]
  /** It was written by tickwire: its rows are events. */
  readonly isOurs: boolean
  /** How much of it has been read, 0 to 1. */
  readonly share: () => number
  readonly rows: () => AsyncIterable<readonly FileRow[]>
  close(): void
}

export interface OpenFileOptions {
  /** @default by the name's ending */
  readonly format?: FileFormat
  /** Names of the columns of a CSV file whose first line has none. */
  readonly columns?: readonly string[]
  /** Columns are given a meaning by hand: not taken for one of ours. */
  readonly isMapped?: boolean
}

/** @throws BAD_OPTION for a file that is not there or of no known form, BAD_PARQUET */
export async function openFile(path: string, options: OpenFileOptions = {}): Promise<OpenFile> {
  const format = options.format ?? formatOf(path)
  let size: number
  try {
    const found = await stat(path)
    if (!found.isFile()) throw new Error('it is no file')
    size = found.size
  } catch (cause) {
    throw new TickwireError('BAD_OPTION', `${path} cannot be read: ${asError(cause).message}`, {
      cause,
      hint: 'Check the path.',
    })
  }
  if (format === 'parquet') return openParquet(path, options)
  return format === 'csv' ? openCsv(path, size, options) : openLines(path, size, options)
}

function formatOf(path: string): FileFormat {
  const ending = extname(path.replace(/\.gz$/i, '')).toLowerCase()
  if (ending === '.parquet' || ending === '.pq') return 'parquet'
  if (ending === '.csv' || ending === '.tsv' || ending === '.txt') return 'csv'
  if (ending === '.ndjson' || ending === '.jsonl' || ending === '.json') return 'ndjson'
  throw new TickwireError('BAD_OPTION', `what ${path} is cannot be told by its name`, {
    hint: 'Say it: --format csv, ndjson or parquet.',
  })
}

/** The text of a file, unpacked where it is packed, and how much of it has been read. */
function textOf(path: string, size: number): { text: Readable; share: () => number } {
  const file = createReadStream(path, { highWaterMark: 1 << 18 })
  const share = () => (size === 0 ? 1 : Math.min(1, file.bytesRead / size))
  if (!/\.gz$/i.test(path)) return { text: file.setEncoding('utf8'), share }
  const unpacked = createGunzip()
  file.on('error', error => unpacked.destroy(error))
  file.pipe(unpacked)
  unpacked.on('close', () => file.destroy())
  return { text: unpacked.setEncoding('utf8'), share }
}

async function openCsv(path: string, size: number, options: OpenFileOptions): Promise<OpenFile> {
  const { text, share } = textOf(path, size)
  const records = readCsv(text as AsyncIterable<string>)
  const first = await records.next()
  const [head, ...rest] = first.done ? [] : first.value
  if (!head) throw empty(path)
  const columns = options.columns ?? head.cells.map(name => name.trim())
  const early = options.columns ? [head, ...rest] : rest
  const isOurs = !options.isMapped && !options.columns && isCsvOfEvents(columns)
  const rowOf = ({ line, cells, fault }: (typeof early)[number]): FileRow => {
    if (fault !== undefined) return { line, fault }
    if (cells.length !== columns.length) {
      return { line, fault: `it has ${cells.length} cells, the first line ${columns.length}` }
    }
    if (!isOurs) return { line, cells: cells.map(text => (text === '' ? undefined : text)) }
    return eventOf(line, () => decodeCsv(columns, cells))
  }
  return {
    ...{ format: 'csv', columns, isOurs, share },
    async *rows() {
      yield early.map(rowOf)
      for await (const batch of records) yield batch.map(rowOf)
    },
    close: () => void text.destroy(),
  }
}

function eventOf(line: number, read: () => MarketEvent): FileRow {
  try {
    return { line, event: read() }
  } catch (error) {
    if (!(error instanceof TickwireError)) throw error
    return { line, fault: error.message.replace(/^not an event: /, '') }
  }
}

/** Lines looked at for the names of their keys. */
const LOOKED_AT = 100

async function openLines(path: string, size: number, options: OpenFileOptions): Promise<OpenFile> {
  const { text, share } = textOf(path, size)
  const lines = createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY })
  const all = objectsOf(lines)
  const early: { line: number; value?: Readonly<Record<string, unknown>>; fault?: string }[] = []
  for (let next = await all.next(); !next.done; next = await all.next()) {
    early.push(next.value)
    if (early.length === LOOKED_AT) break
  }
  if (early.length === 0) throw empty(path)
  const columns = [...new Set(early.flatMap(({ value }) => Object.keys(value ?? {})))]
  const first = early.find(({ value }) => value)?.value
  const isOurs = !options.isMapped && isOurForm(first)
  const rowOf = ({ line, value, fault }: (typeof early)[number]): FileRow => {
    if (value === undefined) return { line, fault: fault ?? 'it is no JSON object' }
    if (isOurs) return eventOf(line, () => decodeEvent(value))
    return { line, cells: columns.map(name => textIn(value[name])) }
  }
  return {
    ...{ format: 'ndjson', columns, isOurs, share },
    async *rows() {
      yield early.map(rowOf)
      let batch: FileRow[] = []
      for await (const one of all) {
        batch.push(rowOf(one))
        if (batch.length < 1_000) continue
        yield batch
        batch = []
      }
      if (batch.length > 0) yield batch
    },
    close() {
      lines.close()
      text.destroy()
    },
  }
}

async function* objectsOf(lines: AsyncIterable<string>) {
  let line = 0
  for await (const text of lines) {
    line++
    if (text.trim() === '') continue
    let value: unknown
    try {
      value = JSON.parse(line === 1 ? text.replace(/^\uFEFF/, '') : text)
    } catch {
      yield { line, fault: 'it is no JSON' }
      continue
    }
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isObject) yield { line, value: value as Readonly<Record<string, unknown>> }
    else yield { line, fault: 'it is no JSON object' }
  }
}

function isOurForm(value: Readonly<Record<string, unknown>> | undefined): boolean {
  if (typeof value?.type !== 'string' || !(value.type in KINDS)) return false
  return typeof value.timestamp === 'string' && /T.*Z$/.test(value.timestamp)
}

/** A value as a cell: numbers as they are written, lists as lists. */
function textIn(value: unknown): Cells[number] {
  if (value === null || value === undefined) return undefined
  if (Array.isArray(value)) return value.map(String)
  if (typeof value === 'object') return JSON.stringify(value)
  return Object.is(value, -0) ? '-0' : String(value)
}

async function openParquet(path: string, options: OpenFileOptions): Promise<OpenFile> {
  const bench = await Workbench.open({ folder: dirname(path) })
  try {
    const { columns, rows: total, kind } = await bench.look(path)
    const isOurs = kind !== undefined && !options.isMapped
    let read = 0
    return {
      ...{ format: 'parquet', columns: columns.map(({ name }) => name), isOurs },
      share: () => (total === 0 ? 1 : read / total),
      async *rows() {
        const batches: AsyncIterable<readonly Omit<FileRow, 'line'>[]> = isOurs
          ? eventRows(bench.eventsIn(path, kind as EventType))
          : cellRows(bench.rowsIn(path))
        for await (const batch of batches) {
          const first = read + 1
          read += batch.length
          yield batch.map((row, i) => ({ ...row, line: first + i }))
        }
      },
      close: () => bench.close(),
    }
  } catch (error) {
    bench.close()
    throw error
  }
}

async function* eventRows(batches: AsyncIterable<readonly MarketEvent[]>) {
  for await (const batch of batches) yield batch.map(event => ({ event }))
}

async function* cellRows(batches: AsyncIterable<readonly (readonly unknown[])[]>) {
  for await (const batch of batches) yield batch.map(row => ({ cells: row.map(textIn) }))
}

function empty(path: string): TickwireError {
  return new TickwireError('BAD_OPTION', `${path} is empty`, { hint: 'Check the path.' })
}
