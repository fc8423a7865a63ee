import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Clock, sleep, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import type { HistoryRequest } from '../flow/contracts.ts'
import type { EventOf, EventType, MarketEvent } from '../market/events.ts'
import { openStore } from '../store/embedded.ts'
import type {
  AsOfRequest,
  Holding,
  Merged,
  MergeOptions,
  PartsRequest,
  Table,
} from '../store/store.ts'
import { findControl } from './control-address.ts'
import type { OpenStore } from './keeper.ts'
import { type CatchingUp, Local } from './local.ts'
import { type Past, type PastBars, type PastEvents, type PastRange, pastEvents } from './past.ts'
import { type Answers, Remote } from './remote.ts'

export { TickwireError } from '../base/errors.ts'
export type { HistoryRequest } from '../flow/contracts.ts'
export type * from '../market/events.ts'
export type {
  AsOfRequest,
  Cell,
  Holding,
  Merged,
  MergeOptions,
  PartsRequest,
  Table,
} from '../store/store.ts'
export type { CatchingUp } from './local.ts'
export type { Moment, Past, PastBars, PastEvents, PastRange } from './past.ts'
export { openPostgresHistory, type PostgresHistoryOptions } from './stores-past.ts'

export interface OpenHistoryOptions {
  /** Folder of the tape, which a store that no process owns catches up from. @default tape/ in the data folder */
  readonly tape?: string
  /** Makes a store where there is neither tape nor store, to merge into. @default false */
  readonly create?: boolean
  /** Called now and then while the store catches up from the tape. */
  readonly onProgress?: (progress: CatchingUp) => void
  /** How long to wait for another process that has the store open for a question, ms. @default 10000 */
  readonly waitMs?: number
  /** Gives up the opening, with `CLOSED`: catching up may take a while. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  /** @default warnings and errors to stderr */
  readonly log?: Log
  /** Another store than the embedded one in `store/` of the data folder. */
  readonly open?: OpenStore
}

/**
 * What was recorded and stored in a data folder, to be asked about. While a process owns the folder (`tickwire up`) it answers;
 * else this one opens the store while it has questions, and lets go of it 5 s behind the last. In every answer is what
 * had been written on the tape when it was asked for, also where `tickwire record` is writing it.
 *
 * ```js
 * const history = await openHistory('./.tickwire')
 * for await (const trade of history.trades('SPY', { from: '2025-06-02' })) console.log(trade.price)
 * const { columns, rows } = await history.sql('select symbol, count(*) from trades group by all')
 * await history.close()
 * ```
 * @throws NO_TAPE where there is neither a tape nor a store, STORE_DRIVER_MISSING, STORE_IN_USE, CONTROL_UNSAFE,
 *   STORE_TOO_NEW, STORE_DAMAGED, STORE_UNWRITABLE
 */
export async function openHistory(
  folder = './.tickwire',
  options: OpenHistoryOptions = {},
): Promise<Past> {
  const data = resolve(folder)
  const past = new OpenPast(data, options)
  const { tape = join(data, 'tape'), create = false } = options
  if (!create && !existsSync(join(data, 'store')) && !existsSync(tape)) {
    throw new TickwireError('NO_TAPE', `there is neither a tape nor a store in ${folder}`, {
      hint: 'Fill it with `tickwire up`, `tickwire record`, `tickwire import` or `tickwire backfill`.',
    })
  }
  try {
    await past.check(options.signal)
    return past
  } catch (error) {
    await past.close()
    throw options.signal?.aborted ? givenUp() : error
  }
}

const givenUp = () => new TickwireError('CLOSED', 'the question was given up')

/** Between two attempts to open a store that another process has open, ms. */
const AGAIN_MS = 100

/** Somebody who answers, until given back. */
interface Held {
  readonly answers: Answers
  release(): void
}

class OpenPast implements Past {
  readonly #folder: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #waitMs: number
  readonly #local: Local
  readonly #end = new AbortController()
  #owner: number | undefined

  constructor(folder: string, options: OpenHistoryOptions) {
    const { clock = systemClock(), log = stderrLog, waitMs = 10_000, onProgress } = options
    const ours: OpenStore = heard => openStore({ folder: join(folder, 'store'), clock, log: heard })
    const { tape = join(folder, 'tape'), open = ours } = options
    this.#folder = folder
    this.#clock = clock
    this.#log = log
    this.#waitMs = waitMs
    this.#local = new Local({ open, tape: resolve(tape), clock, log, onProgress })
  }

  get owner(): number | undefined {
    return this.#owner
  }

  /** Finds out whether questions can be answered. */
  async check(signal: AbortSignal | undefined): Promise<void> {
    const { release } = await this.#hold(this.#signal(signal))
    release()
    signal?.throwIfAborted()
  }

  async *history(request: HistoryRequest): AsyncGenerator<MarketEvent[]> {
    const signal = this.#signal(request.signal)
    const { answers, release } = await this.#hold(signal)
    try {
      yield* answers.history({ ...request, signal })
    } finally {
      release()
    }
  }

  async asOf(request: AsOfRequest): Promise<MarketEvent[]> {
    const signal = this.#signal(request.signal)
    return this.#with(signal, answers => answers.asOf({ ...request, signal }))
  }

  async sql(text: string, options: { readonly signal?: AbortSignal } = {}): Promise<Table> {
    const signal = this.#signal(options.signal)
    const { answers, release } = await this.#hold(signal)
    try {
      const { columns, rows } = await answers.sql(text, { signal })
      // Whoever asks for no rows holds nothing: an answer not looked at ends with the history.
      return { columns, rows: heldUntilRead(rows, release) }
    } catch (error) {
      release()
      throw error
    }
  }

  async parquet(request: PartsRequest = {}): Promise<string[]> {
    const signal = this.#signal(request.signal)
    return this.#with(signal, answers => answers.parquet({ ...request, signal }))
  }

  async holdings(): Promise<Holding[]> {
    return this.#with(this.#end.signal, answers => answers.holdings())
  }

  async merge(
    events: AsyncIterable<readonly MarketEvent[]>,
    options: MergeOptions = {},
  ): Promise<Merged> {
    const signal = this.#signal(options.signal)
    return this.#with(signal, answers => answers.merge(events, { ...options, signal }))
  }

  trades(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'trade'>> {
    return pastEvents(this, 'trade', symbols, range)
  }

  quotes(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'quote'>> {
    return pastEvents(this, 'quote', symbols, range)
  }

  bars(symbols: string | readonly string[], range?: PastBars): PastEvents<EventOf<'bar'>> {
    return pastEvents(this, 'bar', symbols, range)
  }

  tickers(symbols: string | readonly string[], range?: PastRange): PastEvents<EventOf<'ticker'>> {
    return pastEvents(this, 'ticker', symbols, range)
  }

  notices(range?: PastRange): PastEvents<EventOf<'notice'>> {
    return pastEvents(this, 'notice', '*', range)
  }

  events<T extends EventType>(
    kind: T,
    symbols: string | readonly string[],
    range?: PastBars,
  ): PastEvents<EventOf<T>> {
    return pastEvents(this, kind, symbols, range)
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#local.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal
  }

  async #with<T>(signal: AbortSignal, ask: (answers: Answers) => Promise<T>): Promise<T> {
    const { answers, release } = await this.#hold(signal)
    try {
      return await ask(answers)
    } finally {
      release()
    }
  }

  /** Whoever has the store: the owner at the folder's socket, else this process. They come and go between questions. */
  async #hold(signal: AbortSignal): Promise<Held> {
    const until = this.#clock.now() + this.#waitMs
    for (;;) {
      if (signal.aborted) throw givenUp()
      const remote = await this.#owned(signal)
      if (remote) return { answers: remote, release: () => {} }
      try {
        const store = await this.#local.take(signal)
        return { answers: store, release: once(() => this.#local.release()) }
      } catch (error) {
        const isInUse = error instanceof TickwireError && error.code === 'STORE_IN_USE'
        if (!isInUse || this.#clock.now() >= until) throw error
      }
      await sleep(this.#clock, AGAIN_MS, signal)
    }
  }

  async #owned(signal: AbortSignal): Promise<Answers | undefined> {
    const path = findControl(this.#folder)
    if (path === undefined) {
      this.#owner = undefined
      return undefined
    }
    const remote = new Remote(path, this.#log)
    this.#owner = (await remote.status(signal))?.pid
    return this.#owner === undefined ? undefined : remote
  }
}

/** Gives back whoever answers when the rows have been read, or are not wanted any more. */
async function* heldUntilRead<T>(rows: AsyncIterable<T>, release: () => void): AsyncGenerator<T> {
  try {
    yield* rows
  } finally {
    release()
  }
}

function once(action: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) action()
    isDone = true
  }
}
