import type { Clock, Timer } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Fault, FaultName } from './faults.ts'

/** Faults that wait for the next step of a connection's opening, or for the next question to REST. */
export const STEP_FAULTS = [
  ...(['upgrade-404', 'upgrade-429', 'upgrade-502', 'half-open', 'welcome-delayed'] as const),
  ...(['auth-error', 'auth-timeout', 'connection-limit', 'symbol-limit'] as const),
  ...(['partial-ack', 'data-after-unsubscribe', 'bad-checksum'] as const),
  ...(['rest-error', 'rest-spoiled'] as const),
] as const
export type StepFault = (typeof STEP_FAULTS)[number]

type Of<N extends FaultName> = Extract<Fault, { fault: N }>

/** Decides when the faults of a script come about: by time, by count, by chance. */
export class FaultSchedule {
  readonly #clock: Clock
  readonly #random: Random
  readonly #strike: (fault: Fault) => void
  readonly #timers = new Set<Timer>()
  /** Step faults that wait for their step, and for how many more of them. */
  readonly #armed: { readonly fault: Of<StepFault>; left: number }[] = []
  #counted: Fault[] = []
  #firstData: Fault[] = []
  readonly #counts = { connections: 0, events: 0 }

  /** `strike` carries out a fault that waits for no step. */
  constructor(clock: Clock, random: Random, strike: (fault: Fault) => void) {
    this.#clock = clock
    this.#random = random
    this.#strike = strike
  }

  /** Takes a fault into the script; its trigger counts from now. */
  add(fault: Fault): void {
    if (fault.after) this.#counted.push(fault)
    else if (fault.at !== undefined || fault.every !== undefined) this.#startTimer(fault)
    else if (isStep(fault)) this.#happen(fault)
    else this.#firstData.push(fault)
    this.count('connections', 0)
  }

  /** Brings a fault about now, whatever its trigger says. */
  strike(fault: Fault): void {
    if (isStep(fault)) this.#armed.push({ fault, left: fault.times })
    else this.#strike(fault)
  }

  /** The fault that befalls this step, if one waits for it. */
  take<N extends StepFault>(...names: readonly N[]): Of<N> | undefined {
    const at = this.#armed.findIndex(({ fault }) =>
      (names as readonly string[]).includes(fault.fault),
    )
    const entry = this.#armed[at]
    if (!entry) return undefined
    if (--entry.left === 0) this.#armed.splice(at, 1)
    return entry.fault as Of<N>
  }

  /** So many more of these have been. */
  count(what: 'connections' | 'events', by: number): void {
    this.#counts[what] += by
    if (this.#counted.length === 0) return
    const due = this.#counted.filter(({ after }) => this.#counts[after!.of] >= after!.count)
    if (due.length === 0) return
    this.#counted = this.#counted.filter(fault => !due.includes(fault))
    for (const fault of due) {
      if (fault.at !== undefined) this.#startTimer(fault)
      else {
        this.#happen(fault)
        if (fault.every !== undefined) this.#repeat(fault, fault.every)
      }
    }
  }

  /** Whether a fault waits for the first data. */
  get awaitsData(): boolean {
    return this.#firstData.length > 0
  }

  /** Data is about to go out to somebody. */
  data(): void {
    for (const fault of this.#firstData.splice(0)) this.#happen(fault)
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#counted = []
    this.#firstData = []
    this.#armed.length = 0
  }

  #startTimer(fault: Fault): void {
    this.#later(fault.at ?? fault.every!, () => {
      this.#happen(fault)
      if (fault.every !== undefined) this.#repeat(fault, fault.every)
    })
  }

  #repeat(fault: Fault, everyMs: number): void {
    this.#later(everyMs, () => {
      this.#happen(fault)
      this.#repeat(fault, everyMs)
    })
  }

  #happen(fault: Fault): void {
    if (fault.chance < 1 && this.#random() >= fault.chance) return
    this.strike(fault)
  }

  #later(ms: number, fn: () => void): void {
    const timer = this.#clock.setTimeout(
      () => {
        this.#timers.delete(timer)
        fn()
      },
      ms,
      'idle',
    )
    this.#timers.add(timer)
  }
}

function isStep(fault: Fault): fault is Of<StepFault> {
  return (STEP_FAULTS as readonly string[]).includes(fault.fault)
}
