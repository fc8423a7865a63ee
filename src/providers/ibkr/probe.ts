import type { Clock, Timer } from '../../base/clock.ts'

/** A link that says nothing for this long is asked the time; without an answer it is given up, ms. */
export const PROBE = { everyMs: 10_000, timeoutMs: 5_000 } as const

export interface ProbeHooks {
  /** Asks something. */
  ask(): void
  /** Nothing came of it at all. */
  hangs(): void
  /** Other things came, and no answer: what was asked was lost, and so may be more. */
  hung(): void
}

/** A gateway that hangs keeps its socket open and says nothing: it is asked something now and then. */
export class Probe {
  readonly #clock: Clock
  readonly #hooks: ProbeHooks
  #timer: Timer | undefined
  #heard = true
  #asking = false
  #answered = false

  constructor(clock: Clock, hooks: ProbeHooks) {
    this.#clock = clock
    this.#hooks = hooks
  }

  /** Something has come. */
  heard(): void {
    this.#heard = true
  }

  /** The answer has come. */
  answered(): void {
    this.#answered = true
  }

  start(): void {
    const waitMs = this.#asking ? PROBE.timeoutMs : PROBE.everyMs
    this.#timer = this.#clock.setTimeout(() => {
      const { ask, hangs, hung } = this.#hooks
      if (this.#heard) {
        if (this.#asking && !this.#answered) hung()
        this.#heard = false
        this.#asking = false
      } else if (this.#asking) {
        hangs()
        return
      } else {
        this.#asking = true
        this.#answered = false
        ask()
      }
      this.start()
    }, waitMs)
  }

  close(): void {
    this.#timer?.cancel()
  }
}
