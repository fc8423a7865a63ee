import { setImmediate as turn } from 'node:timers/promises'
import type { Clock, Timer } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import { encodeColumns } from '../market/columns.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Standing } from './keeper.ts'
import type { Place } from './place.ts'
import type { Followed } from './store.ts'

/** Events sent at once. */
export const BLOCK = 4_096
const FIRST_BLOCK = 512
/** Blocks on their way to the worker. */
export const AHEAD = 8
/** So long events wait for others to be sent with, ms. */
const GATHER_MS = 50
/** So long what was sent waits to be committed, ms; on a slow disk as many times as long as the last commit took. */
const COMMIT_MS = 200
const COMMIT_TIMES = 4
const LAST_COMMIT_MS = 2_000
/** Events committed at once at most. */
const COMMIT = 245_760

export interface IntakeOptions {
  readonly tape: Followed
  readonly place: Place
  readonly clock: Clock
  readonly call: (
    name: 'take' | 'commit',
    args?: unknown,
    transfer?: readonly ArrayBuffer[],
  ) => Promise<unknown>
}

/** What was read could not be kept: the tape has it still. */
export class NotStored extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause })
  }
}

/** One reading of a tape into the store, from behind what is committed. */
export class Intake {
  readonly #at: IntakeOptions
  readonly #over = new AbortController()
  #gathered: MarketEvent[] = []
  /** Events a block is full with: few at first, for what has never run before takes ten times as long. */
  #block = FIRST_BLOCK
  #gathering: Timer | undefined
  #waiting: Timer | undefined
  /** Blocks that the worker has not taken yet. */
  #ahead = 0
  #uncommitted = 0
  #commitMs = COMMIT_MS
  #committing: Promise<void> = Promise.resolve()
  #failure: Error | undefined
  #wake: () => void = () => {}

  constructor(options: IntakeOptions) {
    this.#at = options
  }

  /** Until the tape's end, or the signal. @throws NotStored for what is not the tape's fault, else what the tape threw */
  async run(live: boolean, stop: AbortSignal): Promise<void> {
    const { tape, place } = this.#at
    const seq = place.seqOf(tape.id)
    const from = seq === undefined ? 'start' : { tape: tape.id, seq }
    const signal = AbortSignal.any([stop, this.#over.signal])
    place.hurry = () => this.#commitAll()
    try {
      for await (const batch of tape.read({ from, written: true, live, signal })) {
        for (let at = 0, to = 0; at < batch.length && !this.#failure; at = to) {
          to = Math.min(at + this.#block, batch.length)
          // To write a block holds the thread of the feed: that comes first.
          if (this.#gather(batch, at, to)) await turn()
        }
        while (this.#ahead >= AHEAD && !this.#failure) {
          await new Promise<void>(resolve => {
            this.#wake = resolve
          })
        }
        if (this.#failure) break
      }
      this.#commitAll()
      await this.#committing
    } finally {
      place.hurry = () => {}
      this.#gathering?.cancel()
      this.#waiting?.cancel()
    }
    if (this.#failure) throw new NotStored(this.#failure)
  }

  /** Takes events [from, to) of a batch. Gives whether a block was full, and is on its way. */
  #gather(batch: readonly MarketEvent[], from: number, to: number): boolean {
    const { clock, place } = this.#at
    for (let i = from; i < to; i++) this.#gathered.push(batch[i]!)
    const isFull = this.#gathered.length >= this.#block
    if (isFull) {
      this.#send(this.#block)
      this.#block = Math.min(BLOCK, 2 * this.#block)
      if (this.#uncommitted >= COMMIT) this.#commit()
    }
    if (this.#gathered.length > 0) {
      this.#gathering ??= clock.setTimeout(() => this.#send(), GATHER_MS)
    }
    if (place.isAwaited) this.#commitAll()
    else this.#waiting ??= clock.setTimeout(() => this.#commitAll(), this.#commitMs)
    return isFull
  }

  #send(count = this.#gathered.length): void {
    const { tape, clock, place, call } = this.#at
    this.#gathering?.cancel()
    this.#gathering = undefined
    if (this.#failure) return
    const events = this.#gathered
    this.#gathered = events.slice(count)
    for (let from = 0; from < count; from += BLOCK) {
      const to = Math.min(from + BLOCK, count)
      const block = encodeColumns(events, from, to)
      this.#ahead++
      this.#uncommitted += to - from
      place.takenAt = clock.now()
      call('take', { tape: tape.id, block }, [block.buffer as ArrayBuffer])
        .then(() => {
          this.#ahead--
          this.#wake()
        })
        .catch(error => this.#fail(error))
    }
  }

  #commit(): void {
    const { place, clock, call } = this.#at
    let began = 0
    this.#waiting?.cancel()
    this.#waiting = undefined
    this.#uncommitted = 0
    this.#committing = this.#committing
      .then(() => {
        began = clock.now()
        return call('commit')
      })
      .then(standing => {
        // Rows of a short transaction are written twice; where writing is slow fewer and larger ones keep up.
        const waited = COMMIT_TIMES * (clock.now() - began)
        this.#commitMs = Math.min(LAST_COMMIT_MS, Math.max(COMMIT_MS, waited))
        place.stand(standing as Standing)
      })
      .catch(error => this.#fail(error))
  }

  #commitAll(): void {
    this.#waiting?.cancel()
    this.#waiting = undefined
    this.#send()
    if (this.#uncommitted > 0 && !this.#failure) this.#commit()
  }

  #fail(thrown: unknown): void {
    this.#failure ??= asError(thrown)
    this.#over.abort()
    this.#wake()
  }
}
