import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { type KeptRow, Ledger } from '../feed/ledger.ts'

/** How often the ledger is written, ms: what an unclean end may cost it. */
const WRITE_MS = 10_000
const VERSION = 1
const NAME = /^(\d{4}-\d\d-\d\d|unknown)\.json$/

/** Beside the files of a tape. */
export const ledgerFolder = (tape: string) => join(tape, 'ledger')

/** The ledger of a tape's folder, a file for each day, written every {@link WRITE_MS}. */
export class LedgerFile {
  readonly ledger = new Ledger()
  readonly #folder: string
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  /** What has been written of each day. */
  readonly #written = new Map<string, string>()
  #work: Promise<void> = Promise.resolve()

  private constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#log = log
    this.#timer = setInterval(() => this.#write(), WRITE_MS)
    this.#timer.unref()
  }

  /** Goes on with today's account, so far as there is one. @throws TAPE_DAMAGED when it cannot be read */
  static async open(tape: string, log: Log): Promise<LedgerFile> {
    const folder = ledgerFolder(tape)
    const today = new Date().toISOString().slice(0, 10)
    const rows = await readLedger(tape, today)
    const file = new LedgerFile(folder, log)
    file.ledger.restore(rows)
    return file
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#write()
    await this.#work
  }

  #write(): void {
    this.#work = this.#work
      .then(() => this.#writeDays())
      .catch(error => {
        this.#log.warn({ error: asError(error).message }, 'the ledger could not be written')
      })
  }

  async #writeDays(): Promise<void> {
    const days = new Map<string, KeptRow[]>()
    for (const row of this.ledger.keep()) days.set(row.day, [...(days.get(row.day) ?? []), row])
    if (days.size > 0) await mkdir(this.#folder, { recursive: true })
    for (const [day, rows] of days) {
      const text = `${JSON.stringify({ version: VERSION, rows })}\n`
      if (this.#written.get(day) === text) continue
      const path = join(this.#folder, `${day}.json`)
      await writeFile(`${path}.new`, text)
      await rename(`${path}.new`, path)
      this.#written.set(day, text)
    }
  }
}

/** Days a ledger is there of, oldest first. */
export async function ledgerDays(tape: string): Promise<string[]> {
  const names = await readdir(ledgerFolder(tape)).catch(error => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  return names.flatMap(name => NAME.exec(name)?.[1] ?? []).sort()
}

/** A day's account as kept; empty when there is none. @throws TAPE_DAMAGED TAPE_TOO_NEW */
export async function readLedger(tape: string, day: string): Promise<readonly KeptRow[]> {
  const path = join(ledgerFolder(tape), `${day}.json`)
  const text = await readFile(path, 'utf8').catch(error => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return []
  const { version, rows } = parse(text, path)
  if (typeof version === 'number' && version > VERSION) {
    throw new TickwireError('TAPE_TOO_NEW', `${path} was written by a newer tickwire`)
  }
  if (version !== VERSION || !Array.isArray(rows)) throw broken(path)
  return rows as readonly KeptRow[]
}

function parse(text: string, path: string): { version?: unknown; rows?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as object
  } catch (cause) {
    throw broken(path, cause)
  }
}

function broken(path: string, cause?: unknown): TickwireError {
  return new TickwireError('TAPE_DAMAGED', `${path} is no ledger`, {
    hint: 'Move it away: the account of that day begins anew.',
    cause,
  })
}
