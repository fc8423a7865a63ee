import { asError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { TapeReader } from '../tape/tape.ts'

/** What a store lacks of its tape. */
export interface StoreLag {
  /** How many events that are written on the tape it has not yet. */
  readonly behind: number
  /** How long ago the oldest of them was received, ms; 0 where it lacks none, `undefined` while that is not known. */
  readonly lagMs: number | undefined
}

/** When the first event behind a number was received, epoch ms; `undefined` where none that is written is there. */
export async function receivedBehind(
  tape: Pick<TapeReader, 'id' | 'read'>,
  seq: number,
): Promise<number | undefined> {
  const from = seq === 0 ? 'start' : { tape: tape.id, seq }
  for await (const batch of tape.read({ from, written: true, live: false })) {
    // What is said to this reader alone has no number.
    const first = batch.find(event => event.seq !== undefined && event.seq > seq)
    if (first) return first.receivedAt
  }
  return undefined
}

/** Knows how long ago the oldest event was received that a store lacks. It looks when it is told to, not when it is asked. */
export class Lag {
  readonly #tape: Pick<TapeReader, 'id' | 'read'>
  readonly #log: Log
  /** The number the store was at, and the receive time behind it. */
  #seen: { readonly seq: number; readonly received: number } | undefined
  #looking = false

  constructor(tape: Pick<TapeReader, 'id' | 'read'>, log: Log) {
    this.#tape = tape
    this.#log = log
  }

  /** Looks again, where the store has come on: its oldest event is another one then. */
  look({ seq, behind }: { readonly seq: number; readonly behind: number }): void {
    if (behind === 0 || this.#looking || this.#seen?.seq === seq) return
    this.#looking = true
    receivedBehind(this.#tape, seq)
      .then(received => {
        this.#seen = received === undefined ? undefined : { seq, received }
      })
      .catch(error => {
        this.#log.debug(
          { error: asError(error).message },
          'the lag of a store could not be looked up',
        )
      })
      .finally(() => {
        this.#looking = false
      })
  }

  at(now: number, behind: number): number | undefined {
    if (behind === 0) return 0
    return this.#seen && Math.max(0, now - this.#seen.received)
  }
}
