import { constants } from 'node:os'

/** Why a run is over. */
export type Ending =
  | { readonly type: 'done' }
  | { readonly type: 'signal'; readonly signal: 'SIGINT' | 'SIGTERM'; readonly exit: number }
  | { readonly type: 'error'; readonly error: unknown }

/**
 * The life of a command that goes on until something ends it: a signal, a limit, an error. The first reason
 * counts. A second signal leaves at once.
 */
export class Run {
  readonly ended: Promise<Ending>
  /** Aborts with the end. */
  readonly signal: AbortSignal
  /** Called before a second signal leaves at once. */
  leaving: (() => void) | undefined
  readonly #abort = new AbortController()
  #resolve!: (ending: Ending) => void
  #timer: NodeJS.Timeout | undefined

  constructor() {
    this.signal = this.#abort.signal
    this.ended = new Promise(resolve => {
      this.#resolve = resolve
    })
    process.on('SIGINT', this.#signalled)
    process.on('SIGTERM', this.#signalled)
  }

  readonly #signalled = (signal: 'SIGINT' | 'SIGTERM'): void => {
    const exit = 128 + constants.signals[signal]
    if (this.signal.aborted) {
      this.leaving?.()
      process.exit(exit)
    }
    this.end({ type: 'signal', signal, exit })
  }

  end(ending: Ending): void {
    if (this.signal.aborted) return
    clearTimeout(this.#timer)
    this.#abort.abort()
    this.#resolve(ending)
  }

  done(): void {
    this.end({ type: 'done' })
  }

  fail(error: unknown): void {
    this.end({ type: 'error', error })
  }

  /** Ends it after `ms`. */
  endAfter(ms: number, end: () => void): void {
    this.#timer = setTimeout(end, ms)
  }
}
