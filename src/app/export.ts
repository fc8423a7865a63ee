import { appendFile, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { TickwireError } from '../base/errors.ts'
import { csvHeader, encodeCsv } from '../market/csv.ts'
import { EVENT_TYPES, type EventType, type MarketEvent } from '../market/events.ts'
import { encodeEvent } from '../market/json.ts'
import { tableOf } from '../store/columns.ts'
import type { History, Holding } from '../store/store.ts'
import { Workbench } from '../store/workbench.ts'
import { arrowFile } from './arrow.ts'

export type ExportFormat = 'parquet' | 'csv' | 'ndjson' | 'arrow'
export const EXPORT_FORMATS: readonly ExportFormat[] = ['parquet', 'csv', 'ndjson', 'arrow']

export interface ExportOptions {
  /** Folder of the files; made where it is not there. */
  readonly out: string
  /** @default 'parquet' */
  readonly format?: ExportFormat
  /** @default all there are */
  readonly kinds?: readonly EventType[]
  /** @default all there are */
  readonly symbols?: readonly string[]
  /** Venue time, epoch ms, inclusive. @default the beginning */
  readonly from?: number
  /** Venue time, epoch ms, inclusive. @default the end */
  readonly to?: number
  /** Writes over files that no export of the same range has made. @default false */
  readonly force?: boolean
  /** Folder of the store, whose files are read. */
  readonly store: string
  readonly onProgress?: (progress: ExportProgress) => void
  readonly signal?: AbortSignal
}

export interface ExportProgress {
  /** Rows written, or found written. */
  readonly done: number
  /** Rows known of so far: days are looked at one after the other. */
  readonly total: number
  readonly file: string
}

export interface Exported {
  readonly files: number
  readonly rows: number
  /** Files that an earlier export had made already, and that are still whole. */
  readonly kept: number
}

/** What an export has made, beside its files: a line for each, so that it can be gone on with. */
const JOURNAL = '.tickwire-export'
const HEAD = JSON.stringify({ format: 'tickwire export', version: 1 })
const DAY_MS = 86_400_000
const FIRST_MS = 0
const LAST_MS = 9_000_000_000_000

/** A file of an export, as the journal has it. */
interface Entry {
  /** Below the folder, with forward slashes. */
  readonly file: string
  readonly rows: number
  readonly bytes: number
  readonly from: number
  readonly to: number
}

/**
 * Writes what is stored to files of a kind, a day (UTC) and a symbol: `trades/2025-06-02/SPY.parquet`. A file has its name when
 * it is whole; asked again, what is there is left, and what has grown since is written anew.
 * @throws FILE_EXISTS when a file is in the way that no export of the same range has made
 */
export async function exportEvents(history: History, options: ExportOptions): Promise<Exported> {
  const { format = 'parquet', force = false, symbols, signal, onProgress } = options
  const out = resolve(options.out)
  const { from = FIRST_MS, to = LAST_MS } = options
  const days = daysOf(await history.holdings(), options, from, to)
  const journal = await begin(out)
  const bench = await Workbench.open({ folder: out, others: [resolve(options.store)] })
  const interrupt = () => bench.interrupt()
  signal?.addEventListener('abort', interrupt)
  let [files, rows, kept, done, total] = [0, 0, 0, 0, days.reduce((sum, day) => sum + day.rows, 0)]
  try {
    for (const { kind, day, rows: stored } of days) {
      checkOn(signal)
      const start = Date.parse(`${day}T00:00:00Z`)
      const range = { from: Math.max(from, start), to: Math.min(to, start + DAY_MS - 1) }
      const paths = await history.parquet({ kinds: [kind], ...range, ...(signal && { signal }) })
      const found = await bench.symbolsOf({ kind, paths, ...range })
      const wanted = found.filter(it => !symbols || symbols.includes(it.symbol ?? ''))
      total += wanted.reduce((sum, it) => sum + it.rows, 0) - stored
      for (const { symbol, rows: count } of wanted) {
        checkOn(signal)
        const file = `${tableOf(kind).view}/${day}/${fileNameOf(symbol)}.${format}`
        onProgress?.({ done, total, file })
        done += count
        if (await journal.isWhole(file, { rows: count, ...range, force })) {
          kept++
          continue
        }
        const path = join(out, file)
        await mkdir(dirname(path), { recursive: true })
        const asked = { kind, paths, symbol, ...range }
        try {
          if (format === 'parquet') await bench.copy(asked, `${path}.new`)
          else if (format === 'arrow') {
            await writeParts(`${path}.new`, arrowFile(kind, bench.events(asked)), signal)
          } else await writeLines(`${path}.new`, bench.events(asked), kind, format, signal)
        } catch (error) {
          for (const left of [`${path}.new`, `${path}.new.new`]) await rm(left, { force: true })
          throw error
        }
        const { size } = await stat(`${path}.new`)
        await journal.add({ file, rows: count, bytes: size, ...range })
        await rename(`${path}.new`, path)
        files++
        rows += count
      }
    }
    return { files, rows, kept }
  } catch (error) {
    if (signal?.aborted) throw new TickwireError('CLOSED', 'the export was ended')
    throw unwritable(error, out)
  } finally {
    signal?.removeEventListener('abort', interrupt)
    bench.close()
  }
}

async function begin(out: string): Promise<Journal> {
  try {
    await mkdir(out, { recursive: true })
    return await Journal.open(out)
  } catch (error) {
    throw unwritable(error, out)
  }
}

function daysOf(
  holdings: readonly Holding[],
  { kinds = EVENT_TYPES }: ExportOptions,
  from: number,
  to: number,
): readonly Holding[] {
  return holdings.filter(({ kind, day }) => {
    const start = Date.parse(`${day}T00:00:00Z`)
    return kinds.includes(kind) && start <= to && start + DAY_MS > from
  })
}

function checkOn(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new TickwireError('CLOSED', 'the export was ended')
}

/** Text gathered before it is written, characters. */
const PIECE = 1 << 18

async function writeParts(
  path: string,
  parts: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await open(path, 'w')
  try {
    for await (const part of parts) {
      checkOn(signal)
      await file.writeFile(part)
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

async function writeLines(
  path: string,
  batches: AsyncIterable<readonly MarketEvent[]>,
  kind: EventType,
  format: 'csv' | 'ndjson',
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await open(path, 'w')
  try {
    let text = format === 'csv' ? csvHeader(kind) : ''
    for await (const batch of batches) {
      checkOn(signal)
      for (const event of batch)
        text += format === 'csv' ? encodeCsv(event) : `${encodeEvent(event)}\n`
      if (text.length < PIECE) continue
      await file.write(text)
      text = ''
    }
    await file.write(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Names that Windows keeps for devices. */
const DEVICES = /^(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\.|$)/

/**
 * A symbol as the name of a file: what is no capital, digit, `-`, `_` or `.` stands as `=HH`, so that no two of them
 * are one file anywhere, `BTC=2FUSD`.
 */
export function fileNameOf(symbol: string | null): string {
  if (symbol === null) return '='
  if (symbol === '') return '=='
  const encoded = [...new TextEncoder().encode(symbol)]
    .map(byte => {
      const letter = String.fromCharCode(byte)
      return /[A-Z0-9_.-]/.test(letter) ? letter : hex(byte)
    })
    .join('')
  const isOdd = DEVICES.test(encoded) || encoded.startsWith('.')
  return isOdd ? hex(encoded.charCodeAt(0)) + encoded.slice(1) : encoded
}

const hex = (byte: number) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`

/** What an export has made so far. */
class Journal {
  readonly #out: string
  /** By file, the newest last. */
  readonly #entries: Map<string, Entry[]>

  private constructor(out: string, entries: Map<string, Entry[]>) {
    this.#out = out
    this.#entries = entries
  }

  static async open(out: string): Promise<Journal> {
    const path = join(out, JOURNAL)
    let text = ''
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    const lines = text.split('\n')
    // Behind the last line end nothing stands, or what a kill has cut off: of a file that has not got its name.
    const cut = lines.pop() ?? ''
    const [head, ...rest] = lines
    if (head === undefined) await writeFile(path, `${HEAD}\n`)
    else if (!/"tickwire export","version":1[,}]/.test(head)) {
      throw new TickwireError('BAD_OPTION', `${path} is not of this version of tickwire`, {
        hint: 'Choose another folder with --out.',
      })
    } else if (cut !== '') await appendFile(path, '\n')
    const journal = new Journal(out, new Map())
    for (const line of rest) {
      const entry = entryOf(line)
      if (entry) journal.#know(entry)
    }
    return journal
  }

  #know(entry: Entry): void {
    const known = this.#entries.get(entry.file)
    if (known) known.push(entry)
    else this.#entries.set(entry.file, [entry])
  }

  /** Before the file gets its name: one that is there under it then is known, and so is the one it takes the place of. */
  async add(entry: Entry): Promise<void> {
    await appendFile(join(this.#out, JOURNAL), `${JSON.stringify(entry)}\n`)
    this.#know(entry)
  }

  /**
   * Whether a file is there as it would be written now; false where it is to be written.
   * @throws FILE_EXISTS where something else is in its place
   */
  async isWhole(file: string, asked: Omit<Entry, 'file' | 'bytes'> & { force: boolean }) {
    const bytes = await sizeOf(join(this.#out, file))
    if (bytes === undefined) return false
    const known = this.#entries.get(file)?.findLast(entry => entry.bytes === bytes)
    const isSame = known?.from === asked.from && known.to === asked.to
    if (asked.force || (isSame && known.rows < asked.rows)) return false
    if (isSame && known.rows === asked.rows) return true
    const why = !known
      ? 'is there already, and no export has left it so'
      : isSame
        ? 'has more rows than are stored now'
        : 'is there already, of another range of time'
    throw new TickwireError('FILE_EXISTS', `${join(this.#out, file)} ${why}`, {
      hint: 'Write over it with --force, or choose another folder with --out.',
    })
  }
}

function entryOf(line: string): Entry | undefined {
  try {
    const entry = JSON.parse(line) as Partial<Entry>
    return typeof entry.file === 'string' && typeof entry.bytes === 'number'
      ? (entry as Entry)
      : undefined
  } catch {
    return undefined
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function unwritable(error: unknown, out: string): unknown {
  const { code, message = '' } = (error ?? {}) as NodeJS.ErrnoException
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || /No space left/i.test(message)
  const isRefused = code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
  // Node says that of a folder it cannot make, on a disk that takes nothing, or below a file.
  const isNoPlace = code === 'ENOENT' || code === 'ENOTDIR' || code === 'EEXIST'
  if (error instanceof TickwireError || !(isFull || isRefused || isNoPlace)) return error
  return new TickwireError(
    'OUTPUT_FAILED',
    `${out} cannot be written: ${isFull ? 'no space left' : isRefused ? 'no right to write there' : message}`,
    { cause: error, hint: 'What is there is whole; the same command goes on behind it.' },
  )
}
