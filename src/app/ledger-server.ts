import { asError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Ledger } from '../feed/ledger.ts'
import type { PostgresStore } from '../store/postgres.ts'
import { ledgerChangedAt, ledgerDays, readLedger } from './ledger-file.ts'

/**
 * Brings the ledger of a tape to PostgreSQL: of whatever day an account has changed, also while the server was away for
 * days, or no process ran. The server has up to when that is done.
 */
export class LedgerBringer {
  readonly #tape: { readonly id: string; readonly folder: string }
  readonly #log: Log
  /** When the account of a day had last changed as it was brought. */
  readonly #brought = new Map<string, number>()
  #mark: number | undefined

  constructor(tape: { readonly id: string; readonly folder: string }, log: Log) {
    this.#tape = tape
    this.#log = log
  }

  async bring(store: PostgresStore): Promise<void> {
    const { id, folder } = this.#tape
    const since = (this.#mark ??= await store.ledgerMark(id))
    const due: (readonly [day: string, changedAt: number])[] = []
    for (const day of await ledgerDays(folder)) {
      const changedAt = await ledgerChangedAt(folder, day)
      const known = this.#brought.get(day)
      const isDue = known === undefined ? changedAt > since : changedAt !== known
      if (isDue) due.push([day, changedAt])
    }
    // By time: if it is broken off, the mark must not be ahead of what is missing.
    due.sort(([, a], [, b]) => a - b)
    for (const [day, changedAt] of due) {
      await store.putLedger(await this.#read(day))
      this.#brought.set(day, changedAt)
      if (changedAt <= this.#mark) continue
      await store.markLedger(id, changedAt)
      this.#mark = changedAt
    }
  }

  /** A day that cannot be read is said once, and keeps nobody from the others. */
  async #read(day: string) {
    const ledger = new Ledger()
    try {
      ledger.restore(await readLedger(this.#tape.folder, day))
    } catch (error) {
      const fields = { day, error: asError(error).message }
      this.#log.warn(fields, 'the ledger of a day cannot be read: it is not brought to PostgreSQL')
    }
    return ledger.rows()
  }
}
