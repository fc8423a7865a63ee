import type { Clock, Timer } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { meaningOf } from './codes.ts'
import type { IBApi } from './library.ts'
import { Outbox } from './outbox.ts'
import type { Answers } from './replies.ts'

export interface AskOptions {
  /** For the message when nothing comes. */
  readonly what: string
  readonly timeoutMs: number
  /** Judges an error where its code alone does not say enough. */
  readonly judge?: (code: number, text: string) => TickwireError | undefined
  readonly signal?: AbortSignal | undefined
}

/** A subscription that stands until another is asked for in its place. */
interface Replaced {
  readonly id: number
  cancel(ib: IBApi, id: number): void
}

/** Ids of requests rise for as long as the process lives, so that what comes late for an old one meets nobody. */
let ids = 1_000

/** What TWS is asked on one connection, at the pace it takes, and who is told what it says. */
export class Requests {
  readonly #ib: IBApi
  readonly #clock: Clock
  readonly #outbox: Outbox
  readonly #answers = new Map<number, Answers>()
  /** Requests that wait for their turn, and what each takes the place of. */
  readonly #unsent = new Map<number, Replaced | undefined>()
  /** Those that come to an end. */
  readonly #pending = new Set<(error: TickwireError) => void>()
  #over: { readonly reason: TickwireError | undefined } | undefined

  constructor(ib: IBApi, clock: Clock) {
    this.#ib = ib
    this.#clock = clock
    this.#outbox = new Outbox(clock)
  }

  /** Sends one under a new id, when its turn comes; what is said of it goes to `answers` from now on. */
  send(send: (ib: IBApi, id: number) => void, answers: Answers): number {
    return this.#queue(send, answers, undefined)
  }

  /**
   * Sends one in the place of another, which is let go in the same moment and heard until then: both leave together, so
   * that nothing waits in between.
   */
  replace(
    old: number,
    cancel: (ib: IBApi, id: number) => void,
    send: (ib: IBApi, id: number) => void,
    answers: Answers,
  ): number {
    const isUnsent = this.#unsent.has(old)
    // What has not left yet stays here, and takes no place.
    const replaced = isUnsent ? this.#unsent.get(old) : { id: old, cancel }
    if (isUnsent) {
      this.#unsent.delete(old)
      this.forget(old)
    }
    return this.#queue(send, answers, replaced)
  }

  /** It is still to leave, and whoever asked hears what comes of it. */
  isPending(id: number): boolean {
    return this.#unsent.has(id) && this.#answers.has(id)
  }

  /** Lets one go: nothing of it is passed on any more. */
  cancel(id: number, send: (ib: IBApi, id: number) => void): void {
    this.forget(id)
    const isUnsent = this.#unsent.has(id)
    const replaced = this.#unsent.get(id)
    this.#unsent.delete(id)
    if (replaced) this.cancel(replaced.id, (ib, old) => replaced.cancel(ib, old))
    // One that has not left yet stays here.
    if (!isUnsent) this.#outbox.push(() => send(this.#ib, id), true)
  }

  /** Passes on nothing more of one, which TWS may go on answering. */
  forget(id: number): void {
    this.#answers.delete(id)
  }

  /** Sends something that has no id. */
  tell(send: (ib: IBApi) => void): void {
    this.#outbox.push(() => send(this.#ib))
  }

  /** Asks whether TWS is there at all, which does not wait for its turn. */
  probe(): void {
    this.#outbox.count()
    this.#ib.reqCurrentTime()
  }

  /**
   * Asks something that comes to an end. `answersOf` is given what ends it, well or with an error.
   * @throws what TWS's error means, VENUE_ERROR when no answer came in time, CLOSED, or why the connection ended
   */
  ask(
    send: (ib: IBApi, id: number) => void,
    answersOf: (done: () => void, failed: (error: TickwireError) => void) => Omit<Answers, 'error'>,
    { what, timeoutMs, judge, signal }: AskOptions,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#over) {
        reject(this.#over.reason ?? new TickwireError('CLOSED', 'the connection is closed'))
        return
      }
      const settle = (error?: TickwireError) => {
        timer?.cancel()
        signal?.removeEventListener('abort', aborted)
        this.#pending.delete(settle)
        this.forget(id)
        if (error) reject(error)
        else resolve()
      }
      const aborted = () => settle(new TickwireError('CLOSED', 'given up'))
      let timer: Timer | undefined
      const late = () =>
        settle(new TickwireError('VENUE_ERROR', `TWS did not say ${what} within ${timeoutMs} ms`))
      const sendAndWait = (ib: IBApi, id: number) => {
        // TWS has its time from when it is asked: many questions wait here for their turn.
        timer = this.#clock.setTimeout(late, timeoutMs)
        send(ib, id)
      }
      const id = this.send(sendAndWait, {
        ...answersOf(() => settle(), settle),
        error: (code, text) => {
          const error = judge?.(code, text) ?? errorOf(code, text)
          if (error) settle(error)
        },
      })
      this.#pending.add(settle)
      signal?.addEventListener('abort', aborted)
      if (signal?.aborted) aborted()
    })
  }

  /** Who is told what is said of a request. */
  answersTo(id: number): Answers | undefined {
    return this.#answers.get(id)
  }

  #queue(
    send: (ib: IBApi, id: number) => void,
    answers: Answers,
    replaced: Replaced | undefined,
  ): number {
    const id = ++ids
    // Nothing leaves any more, and whoever waits has been told.
    if (this.#over) return id
    this.#answers.set(id, answers)
    this.#unsent.set(id, replaced)
    this.#outbox.push(() => {
      if (!this.#unsent.delete(id)) return
      if (replaced) {
        this.forget(replaced.id)
        replaced.cancel(this.#ib, replaced.id)
        this.#outbox.count()
      }
      send(this.#ib, id)
    })
    return id
  }

  /** Everybody who waits for something. */
  all(): Iterable<Answers> {
    return [...this.#answers.values()]
  }

  /** Nothing leaves any more; who waits for an end is told why there is none. */
  close(reason: TickwireError | undefined): void {
    this.#over = { reason }
    this.#outbox.close()
    this.#answers.clear()
    this.#unsent.clear()
    const why = reason ?? new TickwireError('CLOSED', 'the connection is closed')
    for (const settle of [...this.#pending]) settle(why)
  }
}

/** What an error answers a question with; `undefined` where it is no refusal. */
function errorOf(code: number, text: string): TickwireError | undefined {
  const meaning = meaningOf(code, text)
  return 'error' in meaning ? meaning.error : undefined
}
