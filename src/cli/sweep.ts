// Several runs of one strategy at once, over the cores: this thread reads the past, once, and every other has what it reads.
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { TickwireError } from '../base/errors.ts'
import {
  type BacktestOptions,
  type BacktestProgress,
  type BacktestResult,
  pastOf,
} from '../bot/backtest.ts'
import { encodeColumns } from '../market/columns.ts'
import type { MarketEvent } from '../market/events.ts'
import { errorOf } from './commands/bot-words.ts'
import type { FromSweep, SweepJob, SweepSet, ToSweep } from './commands/sweep-words.ts'
import { startThread } from './thread.ts'

export interface SweepOptions extends Omit<BacktestOptions, 'params' | 'onProgress'> {
  readonly file: string
  readonly cwd: string
  readonly sets: readonly Readonly<Record<string, unknown>>[]
  /** Threads. @default one for each core but the one that reads, at least one */
  readonly threads?: number
  readonly onProgress?: (progress: BacktestProgress) => void
  /** Told each result, in any order. */
  readonly onResult: (place: number, result: BacktestResult) => void
}

/** Events of a block. */
const BLOCK = 8_192
/** Blocks a thread may have before it: it must not run dry, nor the memory full. */
const MOST_AHEAD = 4

/**
 * Runs each set of parameters over the same past. Two threads must not open the embedded store, so only this one reads.
 * @throws CLOSED when it was given up, STRATEGY_FAILED when the strategy throws; what the source throws
 */
export async function sweep(options: SweepOptions): Promise<void> {
  const { sets, signal, onProgress } = options
  const most = options.threads ?? Math.max(1, availableParallelism() - 1)
  const parts: SweepSet[][] = Array.from({ length: Math.min(most, sets.length) }, () => [])
  for (const [place, given] of sets.entries()) parts[place % parts.length]!.push({ place, given })
  const threads = parts.map(part => new SweepThread(part, options))
  const failed = Promise.race(threads.map(({ failure }) => failure))
  failed.catch(() => {})
  const stopped = new Promise<never>((_, reject) => {
    const give = () => reject(new TickwireError('CLOSED', 'the backtest was given up'))
    if (signal?.aborted) give()
    signal?.addEventListener('abort', give, { once: true })
  })
  stopped.catch(() => {})
  const unless = <T>(work: Promise<T>) => Promise.race([work, failed, stopped])
  try {
    await unless(Promise.all(threads.map(({ ready }) => ready)))
    let [events, now] = [0, Number.NaN]
    for await (const block of blocksOf(pastOf({ ...options, params: undefined }))) {
      const bytes = shared(encodeColumns(block))
      for (const thread of threads) await unless(thread.give({ type: 'events', bytes }))
      events += block.length
      now = block.at(-1)!.receivedAt
      onProgress?.({ events, now })
    }
    for (const thread of threads) void thread.give({ type: 'end' })
    await unless(Promise.all(threads.map(({ over }) => over)))
  } finally {
    await Promise.all(threads.map(thread => thread.close()))
  }
}

/** The same events in pieces that are worth sending. */
async function* blocksOf(batches: AsyncIterable<readonly MarketEvent[]>) {
  let block: MarketEvent[] = []
  for await (const batch of batches) {
    for (const event of batch) {
      block.push(event)
      if (block.length < BLOCK) continue
      yield block
      block = []
    }
  }
  if (block.length > 0) yield block
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

class SweepThread {
  /** It has its strategies. */
  readonly ready: Promise<void>
  /** All its results have come. */
  readonly over: Promise<void>
  /** Only ever rejects. */
  readonly failure: Promise<never>
  readonly #worker: Worker
  #ahead = 0
  #room: (() => void) | undefined
  #isOver = false

  constructor(sets: readonly SweepSet[], options: SweepOptions) {
    const { file, cwd, symbols, from, to, cash, paper, risk, seed, name, onResult } = options
    const run = {
      ...{ symbols, from, to, ...(name !== undefined && { name }), ...(paper && { paper }) },
      ...{ ...(cash !== undefined && { cash }), ...(risk && { risk }) },
      ...(seed !== undefined && { seed }),
    }
    const workerData: SweepJob = { file, cwd, sets, run }
    this.#worker = startThread(new URL('./commands/sweep-worker', import.meta.url), {
      workerData,
      stdout: true,
    })
    this.#worker.stdout.pipe(process.stderr, { end: false })
    let isReady: () => void
    let isOver: () => void
    let fail: (error: unknown) => void
    this.ready = new Promise(resolve => (isReady = resolve))
    this.over = new Promise(resolve => (isOver = resolve))
    this.failure = new Promise((_, reject) => (fail = reject))
    this.failure.catch(() => {})
    this.#ahead = 1
    this.#worker.on('message', (told: FromSweep) => {
      switch (told.type) {
        case 'taken':
          this.#ahead--
          isReady()
          this.#room?.()
          break
        case 'result':
          onResult(told.place, told.result)
          break
        case 'over':
          this.#isOver = true
          isOver()
          break
        case 'failed':
          fail(errorOf(told.error))
          break
      }
    })
    this.#worker.once('error', error => fail(error))
    this.#worker.once('exit', () => {
      if (!this.#isOver) {
        const message = 'a thread of the sweep ended before its runs were over'
        fail(new TickwireError('STRATEGY_FAILED', message, { hint: 'Look at what it printed.' }))
      }
    })
  }

  /** Resolves when it may be given more. */
  async give(told: ToSweep): Promise<void> {
    this.#ahead++
    this.#worker.postMessage(told)
    while (this.#ahead >= MOST_AHEAD) await new Promise<void>(resolve => (this.#room = resolve))
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}
