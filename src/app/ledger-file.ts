import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock, type Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { isKeptRow, type KeptRow, Ledger } from '../feed/ledger.ts'

/** How often the ledger is written, ms: what an unclean end may cost it. */
const WRITE_MS = 10_000
/** So many rows at a time, then it is the stream's turn: about 2 ms. */
const ROWS_AT_ONCE = 250
const VERSION = 1
const NAME = /^(\d{4}-\d\d-\d\d|unknown)\.json$/

/** Beside the files of a tape. */
export const ledgerFolder = (tape: string) => join(tape, 'ledger')

const pathOf = (tape: string, day: string) => join(ledgerFolder(tape), `${day}.json`)

/**
 * The ledger of a tape's folder, a file for each day, written every {@link WRITE_MS} where something was counted. A day
 * other than today is forgotten when nothing more comes of it; what comes later is added to its file.
 */
export class LedgerFile {
  readonly ledger = new Ledger()
  readonly #tape: string
  readonly #log: Log
  readonly #clock: Clock
  #timer: Timer | undefined
  /** Days of which the ledger holds all that their files do; of others it holds what came since. */
  readonly #whole = new Set<string>()
  /** Days whose writing has failed: they are due again, whether or not more comes of them. */
  readonly #unwritten = new Set<string>()
  /** Days whose file could not be read, and was left alone. */
  readonly #unreadable = new Set<string>()
  #work: Promise<void> = Promise.resolve()

  private constructor(tape: string, log: Log, clock: Clock) {
    this.#tape = tape
    this.#log = log
    this.#clock = clock
    this.#wait()
  }

  /** Goes on with today's account, so far as there is one. @throws TAPE_DAMAGED TAPE_TOO_NEW when it cannot be read */
  static async open(tape: string, log: Log, clock: Clock = systemClock()): Promise<LedgerFile> {
    const today = dayOf(clock)
    const rows = await readLedger(tape, today)
    const file = new LedgerFile(tape, log, clock)
    file.ledger.restore(rows)
    file.#whole.add(today)
    return file
  }

  /** Writes what has been counted since the last time; resolves when it is done, or has failed and been logged. */
  write(): Promise<void> {
    this.#work = this.#work
      .then(() => this.#writeDays())
      .catch(error => {
        this.#log.warn({ error: asError(error).message }, 'the ledger could not be written')
      })
    return this.#work
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.write()
  }

  #wait(): void {
    const next = () => {
      this.#wait()
      void this.write()
    }
    this.#timer = this.#clock.setTimeout(next, WRITE_MS, 'idle')
  }

  async #writeDays(): Promise<void> {
    const today = dayOf(this.#clock)
    for (const day of this.ledger.days) {
      if (this.#unreadable.has(day)) continue
      if (!this.ledger.isChanged(day) && !this.#unwritten.has(day)) {
        if (day === today || !this.#whole.has(day)) continue
        this.ledger.drop(day)
        this.#whole.delete(day)
      } else if (await this.#makeWhole(day)) await this.#writeDay(day)
    }
  }

  /** Adds what the file has of a day; false where it cannot be read. */
  async #makeWhole(day: string): Promise<boolean> {
    if (this.#whole.has(day)) return true
    try {
      this.ledger.restore(await readLedger(this.#tape, day))
      this.#whole.add(day)
      return true
    } catch (error) {
      if (!(error instanceof TickwireError)) throw error
      this.#unreadable.add(day)
      const what = { error: error.message, hint: error.hint }
      this.#log.warn(what, `no more account is kept of ${day}: its ledger cannot be read`)
      return false
    }
  }

  async #writeDay(day: string): Promise<void> {
    const path = pathOf(this.#tape, day)
    this.#unwritten.add(day)
    await mkdir(ledgerFolder(this.#tape), { recursive: true })
    const file = await open(`${path}.new`, 'w')
    try {
      let text = `{"version":${VERSION},"rows":[`
      let count = 0
      for (const row of this.ledger.keep(day)) {
        text += `${count === 0 ? '' : ','}\n${JSON.stringify(row)}`
        if (++count % ROWS_AT_ONCE !== 0) continue
        await file.writeFile(text)
        text = ''
      }
      await file.writeFile(`${text}\n]}\n`)
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
    this.#unwritten.delete(day)
  }
}

const dayOf = (clock: Clock) => new Date(clock.now()).toISOString().slice(0, 10)

/** Days a ledger is there of, oldest first. */
export async function ledgerDays(tape: string): Promise<string[]> {
  const names = await readdir(ledgerFolder(tape)).catch(error => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  return names.flatMap(name => NAME.exec(name)?.[1] ?? []).sort()
}

/** When the account of a day was last written, epoch ms. */
export async function ledgerChangedAt(tape: string, day: string): Promise<number> {
  return (await stat(pathOf(tape, day))).mtimeMs
}

/** A day's account as kept; empty when there is none. @throws TAPE_DAMAGED TAPE_TOO_NEW */
export async function readLedger(tape: string, day: string): Promise<readonly KeptRow[]> {
  const path = pathOf(tape, day)
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
  const bad = rows.findIndex(row => !isKeptRow(row, day))
  if (bad >= 0) throw broken(path, new Error(`row ${bad + 1} is none`))
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
