import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Position } from '../flow/contracts.ts'
import type { Store, TapeStore } from '../store/store.ts'
import type { FileTape } from '../tape/file/file.ts'
import { Lag } from './lag.ts'
import { heardLog } from './store-log.ts'

/** Makes the store ready. What fails in it later, though it goes on trying by itself, is an `error` of the log. */
export type OpenStore<S extends TapeStore = Store> = (log: Log) => Promise<S>

export interface KeeperOptions<S extends TapeStore = Store> {
  readonly open: OpenStore<S>
  readonly tape: FileTape
  readonly clock: Clock
  readonly log: Log
  /** Hears, in a sentence, when the store fails and when it goes on. */
  readonly told?: ((line: string) => void) | undefined
  /** Under this name the tape keeps what the store has yet to read. @default 'store' */
  readonly hold?: string
  /** Begins what is told, where there are several stores: `PostgreSQL`. @default nothing */
  readonly title?: string
  /** The longest wait after failures, ms. @default 60000 */
  readonly longestMs?: number
}

/**
 * `opening`: it has not been opened yet; `following`: it takes what comes; `waiting`: it fails, and is tried again;
 * `failed`: it fails, and only a change by the user can help; `closed`.
 */
export type KeeperState = 'opening' | 'following' | 'waiting' | 'failed' | 'closed'

/** The name under which the tape keeps what the embedded store has yet to read. */
export const HOLD = 'store'
/** How often the tape is told how far the store has come, and what it lacks is looked at, ms. */
const HOLD_MS = 1_000
/** Another process has the store open, a question mostly: when it is looked again, ms. */
const IN_USE_MS = 1_000
/** A process that has it open so often is no question. */
const MOST_IN_USE = 10
/** Waits after failures, ms: the first, doubled up to the last. */
const FIRST_MS = 5_000
const LAST_MS = 60_000
/** How long the store may take at the end for what it has not got yet, ms: the next start takes the rest. */
const CATCH_UP_MS = 5_000
/** How long a question waits for the store to be opened, ms. */
const OPEN_MS = 30_000
/** How long a question waits for what had been written when it was asked, ms. */
const REACH_MS = 10_000
/** Nothing but the user can help. */
const FINAL = ['STORE_DRIVER_MISSING', 'STORE_TOO_NEW', 'STORE_DAMAGED']

/**
 * Keeps a store up with a tape, whatever happens to the store: what fails is said, and tried again from where the store
 * was; the tape keeps until then what it lacks. Neither the tape nor its feeds ever wait for it.
 */
export class StoreKeeper<S extends TapeStore = Store> {
  readonly #at: KeeperOptions<S>
  readonly #end = new AbortController()
  readonly #lag: Lag
  readonly #running: Promise<void>
  #store: S | undefined
  #error: TickwireError | Error | undefined
  #state: KeeperState = 'opening'
  #told: string | undefined
  /** What the store said of itself where it was. */
  #stuck: { readonly error: Error; readonly seq: number | undefined } | undefined
  /** Resolve when the state is another one. */
  readonly #waiting = new Set<() => void>()
  #timer: Timer | undefined
  /** How far it had come when it last failed to take what came; `undefined` where it could not be opened. */
  #failedAt: number | undefined
  /** How often in a row another process had the store open. */
  #inUse = 0
  /** How far the store had come when it was let go of. */
  #last: number | undefined

  constructor(options: KeeperOptions<S>) {
    this.#at = options
    this.#lag = new Lag(options.tape, options.log)
    this.#running = this.#run()
    this.#wait()
  }

  get state(): KeeperState {
    return this.#state
  }

  /** Why it does not follow. */
  get error(): Error | undefined {
    return this.#error ?? (this.#stuck?.seq === this.seq ? this.#stuck?.error : undefined)
  }

  /** Up to which number of the tape the store has everything; `undefined` while that is not known. */
  get seq(): number | undefined {
    return this.#store ? this.#seqOf(this.#store.position) : this.#last
  }

  /** How many events that are written on the tape it has not yet. */
  get behind(): number {
    const { written, start } = this.#at.tape
    return Math.max(0, written.seq - (this.seq ?? start.seq))
  }

  /** How long ago the oldest event was received that the store has not yet, ms; `undefined` while that is not known. */
  get lagMs(): number | undefined {
    return this.#lag.at(this.#at.clock.now(), this.behind)
  }

  /**
   * The store, once it is there, with all that was written when it was asked for: it waits for that, but not for ever, and not
   * where the store takes nothing just now.
   * @throws why there is none, CLOSED
   */
  async ready(signal: AbortSignal): Promise<{ readonly store: S; readonly behind: number }> {
    const { written } = this.#at.tape
    const either = AbortSignal.any([signal, this.#end.signal])
    const store = this.#store ?? (await this.opened(either))
    const stop = new AbortController()
    const late = sleep(this.#at.clock, REACH_MS, AbortSignal.any([either, stop.signal]))
    // Rejects where the store ends: then what there is of it is no answer, and the question finds out.
    const reached = store.reached(written).catch(() => {})
    const stuck = this.#until(() => this.error !== undefined, stop.signal)
    await Promise.race([reached, late, stuck])
    stop.abort()
    if (either.aborted) throw gone()
    return { store, behind: Math.max(0, written.seq - (this.seq ?? written.seq)) }
  }

  /** Call it when the tape is closed: takes the rest of it, for a while, then lets go of the store. */
  async close(): Promise<void> {
    if (this.#state === 'following' && !this.error) {
      const stop = new AbortController()
      const late = sleep(this.#at.clock, CATCH_UP_MS, stop.signal)
      await Promise.race([this.#running, late])
      stop.abort()
    }
    this.#end.abort()
    await this.#running
    this.#timer?.cancel()
    this.#become('closed')
  }

  /**
   * The store, once it is there. Whoever has it open for a question gives it back soon; what else keeps it away is the
   * answer.
   * @throws why there is none, CLOSED
   */
  async opened(signal: AbortSignal): Promise<S> {
    const stop = new AbortController()
    const either = AbortSignal.any([signal, stop.signal])
    const timer = this.#at.clock.setTimeout(() => stop.abort(), OPEN_MS)
    try {
      while (!this.#store) {
        if (signal.aborted || this.#state === 'closed') throw gone()
        if (this.#error && (stop.signal.aborted || codeOf(this.#error) !== 'STORE_IN_USE')) {
          throw this.#error
        }
        if (stop.signal.aborted) throw stillOpening()
        await this.#changed(either)
      }
      return this.#store
    } finally {
      timer.cancel()
    }
  }

  async #run(): Promise<void> {
    const { clock, tape } = this.#at
    let wait = FIRST_MS
    while (!this.#end.signal.aborted) {
      let isOpen = false
      try {
        this.#store ??= await this.#at.open(heardLog(this.#at.log, it => this.#heard(it)))
        this.#hold()
        this.#error = undefined
        this.#become('following')
        isOpen = true
        this.#expectToGoOn(this.#store)
        const from = this.seq
        await this.#store.follow(tape, { signal: this.#end.signal }).finally(() => {
          if (this.seq !== from) wait = FIRST_MS
        })
        break
      } catch (error) {
        this.#failed(asError(error), isOpen)
        if (this.#state === 'failed') break
        // One that only cannot write goes on answering.
        if (codeOf(error) !== 'STORE_UNWRITABLE') await this.#drop()
        const isInUse = codeOf(error) === 'STORE_IN_USE'
        await sleep(clock, isInUse ? IN_USE_MS : wait, this.#end.signal)
        if (!isInUse) wait = Math.min(this.#at.longestMs ?? LAST_MS, wait * 2)
      }
    }
    this.#hold()
    await this.#drop()
  }

  #failed(error: Error, isOpen: boolean): void {
    const isFinal = FINAL.includes(codeOf(error) ?? '')
    this.#error = error
    this.#become(isFinal ? 'failed' : 'waiting')
    this.#failedAt = isOpen ? this.seq : undefined
    // Whoever has it open for a question keeps nobody from writing to it.
    this.#inUse = codeOf(error) === 'STORE_IN_USE' && !isOpen ? this.#inUse + 1 : 0
    const isPassing = this.#inUse > 0 && this.#inUse < MOST_IN_USE
    if (isPassing || this.#told === error.message) return
    this.#told = error.message
    const next = isFinal ? '' : '; it is tried again'
    this.#say(
      `nothing is stored${isFinal ? '' : ' for the time being'}: ${error.message}${next}`,
      error,
    )
  }

  /** The store fails, and goes on trying by itself. */
  #heard(message: string): void {
    this.#stuck = { error: new TickwireError('STORE_UNWRITABLE', message), seq: this.seq }
    this.#told = message
    this.#tell(`nothing is stored for the time being: ${message}`)
    // Questions need not wait for what does not come.
    this.#become(this.#state)
  }

  /** One that could be opened may fail again with the first that it takes: only behind that it goes on. */
  #expectToGoOn(store: S): void {
    const { id, written } = this.#at.tape
    const failedAt = this.#failedAt
    if (failedAt === undefined || written.seq <= failedAt) this.#sayItGoesOn()
    else {
      const goesOn = () => {
        if (this.#store === store && this.#failedAt === failedAt) this.#sayItGoesOn()
      }
      // Rejects where the store is closed: then it is tried again.
      store.reached({ tape: id, seq: failedAt + 1 }).then(goesOn, () => {})
    }
  }

  #sayItGoesOn(): void {
    this.#inUse = 0
    if (this.#told === undefined) return
    this.#told = undefined
    this.#say('the store goes on where it was')
  }

  #say(line: string, error?: Error): void {
    const hint = error instanceof TickwireError ? error.hint : undefined
    this.#at.log.warn({ ...(error && { error: error.message }), ...(hint && { hint }) }, line)
    this.#tell(line)
    if (hint) this.#at.told?.(`  → ${hint}`)
  }

  #tell(line: string): void {
    const { title, told } = this.#at
    told?.(title === undefined ? line : `${title}: ${line}`)
  }

  async #drop(): Promise<void> {
    const store = this.#store
    this.#last = this.seq
    this.#store = undefined
    try {
      await store?.close()
    } catch (error) {
      this.#at.log.warn({ error: asError(error).message }, 'the store could not be closed properly')
    }
  }

  /** Tells the tape what it may let go of: what the store would not need to be made anew either. */
  #hold(): void {
    const { tape } = this.#at
    const { hold = HOLD } = this.#at
    if (this.#store) tape.hold(hold, { tape: tape.id, seq: this.#seqOf(this.#store.needed) })
  }

  #seqOf(position: Position | undefined): number {
    const { id, start } = this.#at.tape
    return position?.tape === id ? position.seq : start.seq
  }

  #wait(): void {
    const next = () => {
      this.#hold()
      this.#lag.look({ seq: this.seq ?? this.#at.tape.start.seq, behind: this.behind })
      if (this.#stuck && !this.error) {
        this.#stuck = undefined
        this.#sayItGoesOn()
      }
      this.#wait()
    }
    this.#timer = this.#at.clock.setTimeout(next, HOLD_MS, 'idle')
  }

  #become(state: KeeperState): void {
    this.#state = state
    for (const wake of [...this.#waiting]) wake()
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }

  async #until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isSo() && !signal.aborted) await this.#changed(signal)
  }
}

const codeOf = (error: unknown) => (error instanceof TickwireError ? error.code : undefined)

const gone = () => new TickwireError('CLOSED', 'the store is closed')

const stillOpening = () =>
  new TickwireError('STORE_IN_USE', 'the store is still being opened', {
    hint: 'Ask again in a while; /status of the control socket says how it goes.',
  })
