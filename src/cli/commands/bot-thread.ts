import type { Worker } from 'node:worker_threads'
import type { Clock, Timer } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { ToAccount } from '../../bot/account-link.ts'
import type { DiaryRow } from '../../bot/diary.ts'
import { eventWords } from '../../bot/strategy.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import { startThread } from '../thread.ts'
import {
  BEAT_MS,
  BEATS,
  type BotJob,
  EVENT,
  errorOf,
  type FromBot,
  type ToBot,
} from './bot-words.ts'

/**
 * A strategy that does not come back from an event for so long is stopped, ms. Counted in looks of the watchdog, not by the clock: a
 * machine that sleeps stops nobody.
 */
const BLOCKED_MS = 5_000
/** Loading a file may take longer: it is compiled. */
const LOADING_MS = 60_000

type Stopped = Extract<FromBot, { type: 'stopped' }>

/** A bot in a thread of its own, and the watchdog over it. */
export class BotThread {
  /** Resolves when it was told to stop and has; rejects when it failed, or was stopped by the watchdog. */
  readonly stopped: Promise<Stopped>
  /** The file's until the strategy is loaded. */
  name: string
  /** May throw: then it does not run. */
  onLoaded: (name: string) => void = () => {}
  /** It runs under this name. */
  onNamed: (name: string) => void = () => {}
  onStarted: () => void = () => {}
  onAsked: (asked: ToAccount) => void = () => {}
  onRows: (rows: readonly DiaryRow[], nature: string) => void = () => {}
  readonly #job: Omit<BotJob, 'beat'>
  readonly #beat = new Float64Array(new SharedArrayBuffer(16))
  readonly #worker: Worker
  readonly #gone: Promise<void>
  readonly #memory: number
  readonly #clock: Clock
  readonly #said: (line: string) => void
  #timer: Timer
  #isLoaded = false
  #isOver = false
  #misses = 0
  #lastBeat = 0
  #seenBeat = 0
  #resolve!: (stopped: Stopped) => void
  #reject!: (error: unknown) => void

  /** `memory`: megabytes it may take. */
  constructor(
    job: Omit<BotJob, 'beat'>,
    memory: number,
    clock: Clock,
    said: (line: string) => void,
  ) {
    this.#job = job
    this.#said = said
    this.#memory = memory
    this.#clock = clock
    this.name = job.name ?? job.file
    this.stopped = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#worker = startThread(new URL('./bot-worker', import.meta.url), {
      workerData: { ...job, beat: this.#beat.buffer },
      resourceLimits: { maxOldGenerationSizeMb: memory },
      // What a strategy prints must not stand between the lines of JSON.
      stdout: true,
    })
    this.#worker.stdout.pipe(process.stderr, { end: false })
    this.#worker.on('message', (told: FromBot) => this.#hear(told))
    this.#worker.once('error', error => void this.#failed(error))
    this.#gone = new Promise(resolve => {
      this.#worker.once('exit', () => {
        this.#timer.cancel()
        void this.#fail('it ended its thread')
        resolve()
      })
    })
    this.#timer = this.#lookLater()
  }

  /** It has come back to its event loop, or taken an event, since it was last asked for. */
  get isAlive(): boolean {
    const beats = this.#beat[BEATS]!
    const isAlive = beats !== this.#seenBeat && !this.#isOver
    this.#seenBeat = beats
    return isAlive
  }

  tell(message: ToBot): void {
    this.#worker.postMessage(message)
  }

  /** It cannot go on for a reason that is not its own. */
  give(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#reject(error)
    void this.#worker.terminate()
  }

  /** Ends it at once: its state is as it was saved last. */
  abandon(): void {
    void this.#worker.terminate()
  }

  /** After it has stopped: it saves what was settled, and is gone. */
  async end(): Promise<void> {
    this.tell({ type: 'end' })
    await this.#gone
  }

  #hear(told: FromBot): void {
    switch (told.type) {
      case 'loaded':
        this.name = told.name
        try {
          this.onLoaded(told.name)
        } catch (thrown) {
          this.#isOver = true
          this.#reject(thrown)
          void this.#worker.terminate()
          break
        }
        this.onNamed(told.name)
        this.tell({ type: 'go' })
        break
      case 'started':
        this.#isLoaded = true
        this.#said(
          `${told.name} runs ${whereOf(this.#job)} with ${told.symbols.join(', ')}; its state is kept when it ends`,
        )
        if (told.isPaused) this.#said(`${told.name} is paused: tickwire bot resume ${told.name}`)
        this.onStarted()
        break
      case 'rows':
        this.onRows(told.rows, told.nature)
        break
      case 'asked':
        this.onAsked(told.asked)
        break
      case 'said':
        this.#said(told.line)
        break
      case 'stopped':
        this.#isOver = true
        this.#resolve(told)
        break
      case 'failed':
        this.#isOver = true
        this.#reject(errorOf(told.error))
        break
    }
  }

  #lookLater(): Timer {
    return this.#clock.setTimeout(() => {
      this.#timer = this.#lookLater()
      const beats = this.#beat[BEATS]!
      this.#misses = beats === this.#lastBeat ? this.#misses + 1 : 0
      this.#lastBeat = beats
      if (this.#misses * BEAT_MS < (this.#isLoaded ? BLOCKED_MS : LOADING_MS)) return
      this.#timer.cancel()
      const seconds = (this.#isLoaded ? BLOCKED_MS : LOADING_MS) / 1_000
      void this.#fail(`it did not come back for ${seconds} s`)
      void this.#worker.terminate()
    }, BEAT_MS)
  }

  async #failed(error: Error & { code?: string }): Promise<void> {
    const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
    if (isMemory) await this.#fail(`it took more than ${this.#memory} MB of memory`)
    else await this.#fail(error.message, error)
  }

  async #fail(why: string, cause?: Error): Promise<void> {
    // The first reason counts; and what stopped of itself may go.
    if (this.#isOver) return
    this.#isOver = true
    const seq = this.#beat[EVENT]!
    // Where the tape cannot be read any more its number has to do.
    const place = await this.#place(seq).catch(() => ` at number ${seq} of the tape`)
    this.#reject(
      new TickwireError('STRATEGY_FAILED', `${this.name} was stopped${place}: ${why}`, {
        hint: 'Mend the strategy; its state is as it was before.',
        cause,
      }),
    )
  }

  /** The event it took last. */
  async #place(seq: number): Promise<string> {
    if (seq === 0) return this.#isLoaded ? '' : ' while it was loaded'
    const tape = await followFileTape({ folder: this.#job.tape })
    try {
      const from = { tape: tape.id, seq: seq - 1 }
      for await (const batch of tape.read({ from, live: false })) {
        const event = batch.find(one => one.seq === seq)
        if (event) return ` at ${eventWords(event)}`
      }
      return ` at number ${seq} of the tape`
    } finally {
      await tape.close()
    }
  }
}

function whereOf({ account }: Pick<BotJob, 'account'>): string {
  if (!account) return 'on PAPER'
  return account.kind === 'live'
    ? `LIVE, with money, at ${account.name}`
    : `on paper at ${account.name}`
}
