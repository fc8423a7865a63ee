import { setImmediate as turn } from 'node:timers/promises'
import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Position } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Followed } from './store.ts'

/** Who takes events, and brings all it has taken to a server at once. */
export interface Taker {
  /** Events taken and not yet on their way. */
  readonly pending: number
  take(events: readonly MarketEvent[]): void
  /** Brings what was taken so far to the server, with the position behind it: both or neither. Resolves with that number. */
  flush(): Promise<number>
  /** A sign of life while nothing comes: so that the server, and whoever is between, keeps the connection. */
  beat(): Promise<void>
  /** Ends the connection: what is under way fails. */
  cut(): void
}

export interface CommitOptions {
  readonly clock: Clock
  /** Hears, as an error, when the server does not answer. */
  readonly log: Log
  /** The server, in messages. */
  readonly what: string
  /** So long what came waits for more, ms. */
  readonly flushMs: number
  /** Events taken ahead at most, while others are on their way. */
  readonly most: number
}

/** Events taken before it is the stream's turn. */
const SLICE = 512
/** So long after the last flush the server hears of us all the same, ms. */
const BEAT_MS = 10_000
/** A server that has not answered for so long is told of, ms. */
const SLOW_MS = 10_000
/** One that has not answered for so long is asked anew, on another connection, ms. */
const STUCK_MS = 300_000

/** Reads a tape into a server: one flush at a time, and nothing waits for it but the reading itself. */
export class Commits {
  readonly #options: CommitOptions
  readonly #end = new AbortController()
  readonly #reached = new Set<{ readonly position: Position; readonly done: () => void }>()
  #position: Position | undefined
  #hurry: () => void = () => {}

  constructor(options: CommitOptions) {
    this.#options = options
  }

  /** Where it stands, as far as is known. */
  get position(): Position | undefined {
    return this.#position
  }

  /** What the server has. */
  set position(position: Position | undefined) {
    this.#position = position
    if (!position) return
    for (const waiting of this.#reached) {
      if (waiting.position.tape !== position.tape || waiting.position.seq > position.seq) continue
      this.#reached.delete(waiting)
      waiting.done()
    }
  }

  /** Aborted by {@link close}. */
  get ended(): AbortSignal {
    return this.#end.signal
  }

  close(): void {
    this.#end.abort()
  }

  reached(position: Position): Promise<void> {
    const at = this.#position
    if (at && at.tape === position.tape && at.seq >= position.seq) return Promise.resolve()
    if (this.#end.signal.aborted) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      const lost = () => reject(closed())
      const done = () => {
        this.#end.signal.removeEventListener('abort', lost)
        resolve()
      }
      this.#end.signal.addEventListener('abort', lost)
      this.#reached.add({ position, done })
      this.#hurry()
    })
  }

  /** Takes what is behind a place, then what comes, until the end. @throws what the tape or the taker threw */
  async run(
    tape: Followed,
    taker: Taker,
    {
      from,
      live,
      signal: stop,
      books = false,
    }: {
      readonly from: Position | 'start'
      readonly live: boolean
      readonly signal: AbortSignal
      readonly books?: boolean
    },
  ): Promise<void> {
    const { clock, flushMs, most } = this.#options
    const over = new AbortController()
    const signal = AbortSignal.any([stop, over.signal])
    let failure: Error | undefined
    let isOver = false
    let timer: Timer | undefined
    let beating: Timer | undefined
    let flushing: Promise<void> | undefined
    const later = () => {
      timer ??= clock.setTimeout(() => void flush(), flushMs)
    }
    const flush = async (): Promise<void> => {
      timer?.cancel()
      timer = undefined
      // What is read again, up to where the server is, is nothing to bring there.
      if (taker.pending === 0) return flushing
      return talk(() => this.#flush(tape, taker))
    }
    // One at a time: the connection is one.
    const talk = (work: () => Promise<void>): Promise<void> => {
      flushing ??= work()
        .catch(thrown => {
          failure ??= asError(thrown)
          over.abort()
        })
        .finally(() => {
          flushing = undefined
          if (failure || isOver) return
          beatLater()
          if (taker.pending === 0) return
          if (this.#reached.size > 0) void flush()
          else later()
        })
      return flushing
    }
    const beat = () =>
      this.watch(
        () => taker.beat(),
        () => taker.cut(),
      )
    const beatLater = () => {
      beating?.cancel()
      beating = clock.setTimeout(() => void talk(beat), BEAT_MS, 'idle')
    }
    beatLater()
    this.#hurry = () => {
      if (taker.pending > 0 && !failure) void flush()
    }
    try {
      for await (const batch of tape.read({ from, written: true, live, books, signal })) {
        for (let at = 0; at < batch.length; at += SLICE) {
          if (at > 0) await turn()
          taker.take(at === 0 && batch.length <= SLICE ? batch : batch.slice(at, at + SLICE))
        }
        if (this.#reached.size > 0) void flush()
        else later()
        while (taker.pending >= most && !failure) await flush()
        if (failure) break
      }
      while (taker.pending > 0 && !failure) await flush()
    } finally {
      isOver = true
      this.#hurry = () => {}
      await flushing
      timer?.cancel()
      beating?.cancel()
    }
    if (failure) throw failure
  }

  async #flush(tape: Followed, taker: Taker): Promise<void> {
    const seq = await this.watch(
      () => taker.flush(),
      () => taker.cut(),
    )
    this.position = { tape: tape.id, seq }
  }

  /** Does what a server is asked for: one that does not answer is told of, and in the end cut off. */
  async watch<T>(work: () => Promise<T>, cut: () => void): Promise<T> {
    const { clock, log, what } = this.#options
    const slow = clock.setTimeout(
      () => log.error({}, `${what} has not answered for ${SLOW_MS / 1_000} s; the tape goes on`),
      SLOW_MS,
      'idle',
    )
    let isCut = false
    const stuck = clock.setTimeout(
      () => {
        isCut = true
        cut()
      },
      STUCK_MS,
      'idle',
    )
    try {
      return await work()
    } catch (error) {
      if (!isCut) throw error
      const message = `${what} has not answered for ${STUCK_MS / 60_000} minutes`
      throw new TickwireError('STORE_UNREACHABLE', message, {
        cause: error,
        hint: 'Look whether the server is overloaded, or somebody holds a lock on its tables.',
      })
    } finally {
      slow.cancel()
      stuck.cancel()
    }
  }
}

function closed(): TickwireError {
  return new TickwireError('CLOSED', 'the store is closed')
}
