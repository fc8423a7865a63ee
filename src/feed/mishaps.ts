import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { isThenable } from '../flow/handler.ts'
import type { MarketEvent } from '../market/events.ts'
import type { ErrorHandler } from './feed.ts'

/** Samples of malformed frames kept. */
const SAMPLES = 5
/** Kinds of unknown messages counted: a hostile peer must not fill the memory with names. */
const MOST_UNKNOWN = 100

/** What went wrong and does not end a feed: frames that could not be read, and code of the user's that failed. */
export class Mishaps {
  readonly #log: Log
  #malformed = 0
  #samples: readonly { readonly reason: string; readonly frame: string }[] = []
  readonly #unknown = new Map<string, number>()
  #failures = 0
  #handlers: readonly { readonly call: ErrorHandler }[] = []

  constructor(log: Log) {
    this.#log = log
  }

  stats() {
    return {
      malformed: this.#malformed,
      samples: [...this.#samples],
      unknown: Object.fromEntries(this.#unknown),
      failures: this.#failures,
    }
  }

  /** A frame that could not be read. */
  malformed(frame: Uint8Array, reason: string): void {
    this.#malformed++
    const text = Buffer.from(frame.subarray(0, 500)).toString('latin1')
    this.#samples = [...this.#samples, { reason, frame: text }].slice(-SAMPLES)
    if (this.#malformed === 1) {
      this.#log.warn({ reason, frame: text }, 'a frame could not be decoded; counted in stats()')
    }
  }

  /** A record of history that can be no event. */
  malformedPast(record: unknown, reason: string): void {
    this.malformed(Buffer.from(JSON.stringify(record) ?? ''), `history: ${reason}`)
  }

  /** A message of a kind nobody knows. */
  unknown(kind: string): void {
    if (this.#unknown.size >= MOST_UNKNOWN && !this.#unknown.has(kind)) return
    this.#unknown.set(kind, (this.#unknown.get(kind) ?? 0) + 1)
  }

  /** Takes whatever fails; returns what ends it. */
  listen(call: ErrorHandler): () => void {
    const entry = { call }
    this.#handlers = [...this.#handlers, entry]
    return () => {
      this.#handlers = this.#handlers.filter(other => other !== entry)
    }
  }

  /** Code of the user's: what it throws or rejects with is reported and goes no further. */
  guard(who: string, call: () => unknown, event: MarketEvent | undefined): void {
    const failed = (thrown: unknown) => {
      const message = `${who} failed: ${asError(thrown).message}`
      this.fail(new TickwireError('HANDLER_FAILED', message, { cause: thrown }), event)
    }
    try {
      const result = call()
      if (isThenable(result)) result.then(undefined, failed)
    } catch (thrown) {
      failed(thrown)
    }
  }

  fail(error: TickwireError, event: MarketEvent | undefined): void {
    this.#failures++
    const selfFailed = (thrown: unknown) =>
      this.#log.error({ error: thrown }, 'an error handler failed itself')
    for (const { call } of this.#handlers) {
      try {
        const result = call(error, event)
        if (isThenable(result)) result.then(undefined, selfFailed)
      } catch (thrown) {
        selfFailed(thrown)
      }
    }
    if (this.#handlers.length > 0) return
    // A handler that fails on every event must not flood the log.
    if (this.#failures <= 10 || this.#failures % 1_000 === 0) {
      this.#log.error({ error, event, failures: this.#failures }, error.message)
    }
  }
}
