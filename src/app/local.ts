import { existsSync } from 'node:fs'
import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Store } from '../store/store.ts'
import { followFileTape } from '../tape/file/follow.ts'
import type { OpenStore } from './keeper.ts'
import { heardLog } from './store-log.ts'

export interface LocalOptions {
  readonly open: OpenStore
  /** Folder of the tape it catches up from. */
  readonly tape: string
  readonly clock: Clock
  readonly log: Log
  /** Called now and then while it catches up: numbers of events. */
  readonly onProgress?: ((progress: CatchingUp) => void) | undefined
}

/** How far a store has come that takes from its tape what it lacks. */
export interface CatchingUp {
  readonly done: number
  readonly total: number
}

/** How long the store stays open behind the last question, ms: then another process may have it. */
const IDLE_MS = 5_000
/** Between two looks at how far it has come, ms. */
const LOOK_MS = 200

/**
 * The store of a data folder that nobody owns, opened by this process while it has questions. Before each it takes what has
 * come to the tape, which another process may be recording.
 */
export class Local {
  readonly #at: LocalOptions
  #store: Promise<Store> | undefined
  #users = 0
  #idle: Timer | undefined
  #work: Promise<unknown> = Promise.resolve()
  #heard: (message: string) => void = () => {}

  constructor(options: LocalOptions) {
    this.#at = options
  }

  /** The store, caught up; give it back with `release`. @throws STORE_IN_USE and what else keeps it from being opened */
  async take(signal?: AbortSignal): Promise<Store> {
    this.#idle?.cancel()
    this.#users++
    try {
      // One that is just being let go of is opened anew behind that.
      await this.#work
      this.#store ??= this.#at.open(heardLog(this.#at.log, it => this.#heard(it)))
      const store = await this.#store.catch(error => {
        this.#store = undefined
        throw error
      })
      await this.#inTurn(() => this.#catchUp(store, signal))
      return store
    } catch (error) {
      this.release()
      throw error
    }
  }

  release(): void {
    if (--this.#users > 0 || !this.#store) return
    this.#idle = this.#at.clock.setTimeout(
      () => void this.#inTurn(() => this.#letGo()),
      IDLE_MS,
      'idle',
    )
  }

  /** Lets go of the store at once. */
  async close(): Promise<void> {
    this.#idle?.cancel()
    this.#users = 0
    await this.#inTurn(() => this.#letGo())
  }

  async #letGo(): Promise<void> {
    if (this.#users > 0) return
    const store = this.#store
    this.#store = undefined
    await store
      ?.then(it => it.close())
      .catch(error => {
        this.#at.log.warn(
          { error: asError(error).message },
          'the store could not be closed properly',
        )
      })
  }

  /** What the tape has that the store has not. Where that cannot be had, what there is must do, and that is said. */
  async #catchUp(store: Store, signal: AbortSignal | undefined): Promise<void> {
    const { tape: folder, clock, log, onProgress } = this.#at
    if (!existsSync(folder)) return
    const stuck = new AbortController()
    let why = ''
    this.#heard = message => {
      why = message
      stuck.abort()
    }
    const stop = signal ? AbortSignal.any([signal, stuck.signal]) : stuck.signal
    try {
      const tape = await followFileTape({ folder, clock })
      const looking = onProgress && setInterval(() => onProgress(progressOf(store, tape)), LOOK_MS)
      looking?.unref()
      try {
        await store.follow(tape, { live: false, signal: stop })
        // It would go on trying until there is room: nobody asked for that.
        if (why) throw new TickwireError('STORE_UNWRITABLE', why)
      } finally {
        clearInterval(looking)
        await tape.close()
      }
    } catch (error) {
      if (signal?.aborted || codeOf(error) === 'NO_TAPE') return
      const { message } = asError(error)
      log.warn({ folder }, `what came last to the tape is missing in this answer: ${message}`)
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#work.then(task)
    this.#work = done.catch(() => {})
    return done
  }
}

function progressOf(
  store: Store,
  tape: { id: string; start: { seq: number }; end: { seq: number } },
) {
  const { start, end, id } = tape
  const at = store.position?.tape === id ? store.position.seq : start.seq
  return { done: Math.max(0, at - start.seq), total: end.seq - start.seq }
}

const codeOf = (error: unknown) => (error instanceof TickwireError ? error.code : undefined)
