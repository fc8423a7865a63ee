import type { Clock, Timer } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Opened } from './keeper.ts'
import type { Place } from './place.ts'
import type { SealRule } from './seal.ts'
import { storeTrouble } from './trouble.ts'

const SEAL_MS = 60_000

export interface SealingOptions extends Omit<SealRule, 'now'> {
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
  readonly place: Place
  readonly call: (name: 'seal', rule: SealRule) => Promise<unknown>
  /** Hears what came of it. */
  readonly sealed: (opened: Opened) => void
}

/** When days are sealed: when asked, and once a minute between `begin` and `end`; one after the other. */
export class Sealing {
  readonly #at: SealingOptions
  #under: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #isOn = false

  constructor(options: SealingOptions) {
    this.#at = options
  }

  begin(): void {
    this.#isOn = true
    this.#timer?.cancel()
    const next = () => {
      this.seal()
        .catch(error => {
          const { log, folder } = this.#at
          const message = 'a day could not be sealed; it is tried again'
          log.warn({ folder, error: asError(error).message }, message)
        })
        .finally(() => {
          if (this.#isOn) this.begin()
        })
    }
    this.#timer = this.#at.clock.setTimeout(next, SEAL_MS, 'idle')
  }

  /** Resolves when what is under way has ended. */
  end(): Promise<void> {
    this.#isOn = false
    this.#timer?.cancel()
    return this.#under
  }

  seal(): Promise<void> {
    const done = this.#under.then(() => this.#seal())
    this.#under = done.catch(() => undefined)
    return done
  }

  async #seal(): Promise<void> {
    const { clock, folder, quietMs, lateMs, place, call, sealed } = this.#at
    // While a tape is caught up with, its time is what counts; when nothing comes, the clock.
    const isBusy = clock.now() - place.takenAt < SEAL_MS / 2
    const now = isBusy ? place.time : Math.max(place.time, clock.now())
    try {
      sealed((await call('seal', { now, quietMs, lateMs })) as Opened)
    } catch (error) {
      throw storeTrouble(error, folder, 'days cannot be sealed')
    }
  }
}
