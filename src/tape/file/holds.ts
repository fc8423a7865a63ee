import type { Clock, Timer } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Disk } from './disk.ts'
import { writeIdentity } from './identity.ts'

/** How long a store that has read on may wait for that to be written, ms: after a crash it is held for longer at most. */
const MOVE_MS = 10_000

export interface HoldsOptions {
  readonly tape: string
  readonly folder: string
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  /** What is known from before, by the names of stores. */
  readonly known: ReadonlyMap<string, number>
}

/** How far stores have read, kept in `tape.json`: what is still needed must be known after any end of the process. */
export class Holds {
  readonly #at: HoldsOptions
  readonly #seqs: Map<string, number>
  #timer: Timer | undefined
  #work: Promise<void> = Promise.resolve()
  #changed = false
  #over = false

  constructor(options: HoldsOptions) {
    this.#at = options
    this.#seqs = new Map(options.known)
  }

  /** The lowest number that somebody has yet to read; Infinity when nobody holds anything: what is below may go. */
  get lowest(): number {
    return Math.min(...this.#seqs.values(), Number.POSITIVE_INFINITY) + 1
  }

  /** Those that have yet to read an event up to a number, and how far they have come. */
  behind(last: number): (readonly [name: string, seq: number])[] {
    return [...this.#seqs].filter(([, seq]) => seq < last)
  }

  put(name: string, seq: number): void {
    const before = this.#seqs.get(name)
    if (before === seq) return
    this.#seqs.set(name, seq)
    this.#changed = true
    // One that begins or goes back needs what nothing on the disk keeps yet.
    if (before === undefined || seq < before) this.save()
    else this.#later()
  }

  release(name: string): void {
    if (!this.#seqs.delete(name)) return
    this.#changed = true
    this.save()
  }

  /** Writes what has changed, behind what is being written. */
  save(): void {
    this.#work = this.#work.then(() => this.#write())
  }

  /** Resolves when everything is written, or cannot be. */
  async close(): Promise<void> {
    this.save()
    await this.#work
    this.stop()
  }

  /** Nothing is written from now on. */
  stop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  #later(): void {
    if (this.#over) return
    this.#timer ??= this.#at.clock.setTimeout(() => this.save(), MOVE_MS, 'idle')
  }

  async #write(): Promise<void> {
    if (this.#over || !this.#changed) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#changed = false
    const { tape, folder, disk, log } = this.#at
    try {
      await writeIdentity(folder, disk, { id: tape, holds: this.#seqs })
    } catch (error) {
      log.warn(
        { folder, error: asError(error).message },
        'how far stores have read could not be kept',
      )
      this.#changed = true
      this.#later()
    }
  }
}
