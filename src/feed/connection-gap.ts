import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { leaseFolder, leaseName } from './lease.ts'

/**
 * When an account was last connected, in a file beside its lease: a venue that wants connections to be apart counts those
 * of the process before this one too.
 */
export class ConnectionGap {
  readonly #file: string
  readonly #gapMs: number
  readonly #mostMs: number

  /** `places` are the connections the account may have. Makes the folder. @throws where that cannot be */
  constructor(folder: string, account: string, gapMs: number, places: number) {
    leaseFolder(folder)
    this.#file = join(folder, `${leaseName(account)}.used`)
    this.#gapMs = gapMs
    this.#mostMs = gapMs * places
  }

  /** How long the next connection has to wait, ms; it counts as made then. @throws where nothing can be written */
  reserve(now: number): number {
    const due = this.#read() + this.#gapMs
    // A clock that has been set back must not hold anybody up.
    const waitMs = due - now <= this.#mostMs ? Math.max(0, due - now) : 0
    this.#write(now + waitMs)
    return waitMs
  }

  /** A connection has ended; what was said on it may have been said just now. @throws where nothing can be written */
  ended(now: number): void {
    const last = this.#read()
    if (last < now || last > now + this.#mostMs) this.#write(now)
  }

  #read(): number {
    try {
      const at = Number(readFileSync(this.#file, 'utf8') || Number.NaN)
      return Number.isFinite(at) ? at : Number.NEGATIVE_INFINITY
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Number.NEGATIVE_INFINITY
      throw error
    }
  }

  #write(at: number): void {
    writeFileSync(this.#file, String(at), { mode: 0o600 })
  }
}
