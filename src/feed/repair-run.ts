import { type Clock, sleep } from '../base/clock.ts'
import { asError, type ErrorCode, TickwireError } from '../base/errors.ts'
import { earliestOf, type Hole } from './hole.ts'
import type { RepairOptions } from './repair-options.ts'
import type { Answer, Questions } from './repair-questions.ts'

/** First and longest wait after a failed request, ms. */
const RETRY_MS = { first: 500, most: 15_000 } as const
/** Refused questions until a group is given up: each refusal may have been for one symbol, which halving finds. */
const MOST_REFUSED = 100

export interface RunHooks {
  readonly clock: Clock
  readonly options: Required<RepairOptions>
  readonly questions: Questions
  /** Ends it. */
  readonly signal: AbortSignal
  isOpen(hole: Hole): boolean
  /** Takes what history says of these. */
  close(holes: readonly Hole[], answer: Answer): void
  giveUp(holes: readonly Hole[], reason: string, code: string): void
}

/** Works on holes of one kind that are asked about together, until each is closed or given up. */
export class Run {
  readonly #hooks: RunHooks
  #holes: readonly Hole[]
  readonly #breaks: ReadonlyMap<Hole, number>
  /** Refused questions of the whole group this was a part of. */
  readonly #refusals: { count: number }
  #waitMs: number = RETRY_MS.first
  /** When the time is over, by our clock. */
  #end: number
  /** It is over: what had reached the stream by then is looked at once more, which has as much time again. */
  #isLast: boolean

  constructor(holes: readonly Hole[], hooks: RunHooks, parent?: Run) {
    this.#holes = holes
    this.#hooks = hooks
    this.#refusals = parent ? parent.#refusals : { count: 0 }
    this.#end = parent ? parent.#end : hooks.clock.now() + hooks.options.giveUpMs
    this.#isLast = parent ? parent.#isLast : false
    this.#breaks = new Map(holes.map(hole => [hole, hole.breaks]))
  }

  async work(): Promise<void> {
    const { clock, options, signal } = this.#hooks
    // Half of a group may have been handed over too late.
    this.#lookAtTime()
    while (this.#left.length > 0 && !signal.aborted) {
      const due = this.#due
      if (due.length === 0) {
        await this.#rest()
        this.#lookAtTime()
        continue
      }
      try {
        await this.#ask(due)
        if (this.#left.length === 0) return
        await sleep(clock, options.settleMs, signal)
        if (this.#isLast || clock.now() >= this.#end) this.#endOfTime()
      } catch (thrown) {
        if (signal.aborted || (await this.#failed(due, asError(thrown)))) return
      }
    }
  }

  get #left(): readonly Hole[] {
    return this.#holes.filter(hole => this.#isOurs(hole))
  }

  /** Whether this run is still in charge of it: a new break hands a hole to a new run. */
  #isOurs(hole: Hole): boolean {
    return this.#hooks.isOpen(hole) && hole.breaks === this.#breaks.get(hole)
  }

  /** Those it is time to ask about: what is settled has time, until something comes behind it. */
  get #due(): readonly Hole[] {
    const now = this.#hooks.clock.now()
    return this.#left.filter(hole => this.#isLast || now >= this.#dueAt(hole))
  }

  #dueAt({ settledAt, first }: Hole): number {
    if (settledAt === undefined || first !== undefined) return Number.NEGATIVE_INFINITY
    return Math.min(this.#end, settledAt + this.#hooks.options.confirmMs)
  }

  /** Until it is time for one of them. It keeps no process alive. */
  async #rest(): Promise<void> {
    const { clock, signal } = this.#hooks
    const left = this.#left
    const ms = earliestOf(left, hole => this.#dueAt(hole)) - clock.now()
    await new Promise<void>(resolve => {
      const wake = () => {
        timer.cancel()
        signal.removeEventListener('abort', wake)
        for (const hole of left) if (hole.wake === wake) hole.wake = undefined
        resolve()
      }
      const timer = clock.setTimeout(wake, ms, 'idle')
      signal.addEventListener('abort', wake)
      for (const hole of left) hole.wake = wake
    })
  }

  #ask(due: readonly Hole[]): Promise<void> {
    const { clock, questions, close } = this.#hooks
    const limitMs = this.#end - clock.now()
    // While it waits for its turn, or for the answer, some may be broken once more.
    const still = () => due.filter(hole => this.#isOurs(hole))
    return questions.ask(still, limitMs, answer => close(still(), answer))
  }

  /** Returns whether that is the end of it. */
  async #failed(asked: readonly Hole[], error: Error): Promise<boolean> {
    const { clock, signal, giveUp } = this.#hooks
    const known = error instanceof TickwireError ? error : undefined
    if (known && REFUSALS.includes(known.code)) return this.#refused(asked, known)
    // Asked the same way, it would be refused again.
    if (known?.fatal) {
      giveUp(this.#left, error.message, known.code)
      return true
    }
    // A venue that wants to be left alone for a day must not keep the hole open until then.
    const wait = Math.min(known?.retryAfterMs ?? this.#waitMs, Math.max(0, this.#end - clock.now()))
    await sleep(clock, wait, signal)
    this.#waitMs = Math.min(this.#waitMs * 2, RETRY_MS.most)
    if (clock.now() >= this.#end) this.#endOfTime(error.message, known?.code ?? 'VENUE_ERROR')
    return false
  }

  /** A refused question stands for all its symbols: its halves are asked for until what is at fault stands alone. */
  #refused(asked: readonly Hole[], { message, code }: TickwireError): boolean {
    const { giveUp } = this.#hooks
    const refused = asked.filter(hole => this.#isOurs(hole))
    if (refused.length === 1 || ++this.#refusals.count > MOST_REFUSED)
      giveUp(refused, message, code)
    else {
      const handed = new Set(refused)
      this.#holes = this.#left.filter(hole => !handed.has(hole))
      const middle = Math.ceil(refused.length / 2)
      for (const half of [refused.slice(0, middle), refused.slice(middle)])
        void new Run(half, this.#hooks, this).work()
    }
    return false
  }

  /** The time may have been over before a question could be asked. */
  #lookAtTime(): void {
    if (!this.#isLast && this.#hooks.clock.now() >= this.#end) this.#endOfTime()
  }

  /** What had reached the stream is looked at once more, though the last question failed; the rest is given up. */
  #endOfTime(reason = 'history does not reach up to the stream', code = 'INCOMPLETE'): void {
    const isWorthALook = (hole: Hole) =>
      !this.#isLast && (hole.shown || hole.near || hole.settledAt !== undefined)
    const short = this.#left.filter(hole => !isWorthALook(hole))
    this.#isLast = true
    this.#end = this.#hooks.clock.now() + this.#hooks.options.giveUpMs
    this.#waitMs = RETRY_MS.first
    for (const hole of this.#left) hole.isLast = true
    this.#hooks.giveUp(short, reason, code)
  }
}

/** Of a question that may be at fault for one of its symbols. */
const REFUSALS: readonly ErrorCode[] = ['BAD_REQUEST', 'UNKNOWN_SYMBOL']
