import { join } from 'node:path'
import { type OpenHistoryOptions, openHistory } from '../app/history.ts'
import type { Past } from '../app/past.ts'
import { openPostgresPast } from '../app/stores-past.ts'
import { systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { didYouMean } from '../base/suggest.ts'
import { type Config, loadConfig, type Surroundings } from './config.ts'
import { createLog, describeError, exitCodeOf, say } from './console.ts'
import { Output } from './output.ts'
import { Progress } from './progress.ts'
import { dataFolder, shortPath, tapeFolder } from './recording.ts'
import { parseMoment } from './replay-flags.ts'
import { Run } from './run.ts'
import { setPostgres } from './servers.ts'

/** What all commands about the past can be told. */
export interface PastFlags {
  readonly data?: string
  readonly tape?: string
  readonly config?: string
  readonly debug?: boolean
  /** Who is asked, instead of the data folder. */
  readonly store?: AskedStore
}

export type AskedStore = 'embedded' | 'postgres'

/** @throws BAD_OPTION */
export function parseAskedStore(text: string): AskedStore {
  if (text === 'embedded' || text === 'postgres') return text
  throw new TickwireError('BAD_OPTION', `--store cannot be ${JSON.stringify(text)}`, {
    hint: didYouMean(text, ['embedded', 'postgres']),
  })
}

export interface OpenedPast {
  readonly past: Past
  readonly config: Config
  /** The data folder. */
  readonly folder: string
  /** The same as a person would write it. */
  readonly shown: string
  /** Where what is known of the store is kept beside it. */
  readonly store: string
}

/** The past of the data folder that is set, ready to be asked; the owner answers where there is one. */
export async function openPast(
  flags: PastFlags,
  around: Surroundings,
  options: Pick<OpenHistoryOptions, 'create' | 'signal'> = {},
): Promise<OpenedPast> {
  const config = loadConfig(around, {
    file: flags.config,
    flags: flags.debug ? { log: 'debug' } : {},
  })
  const folder = dataFolder(config, flags.data, around)
  const shown = shortPath(folder, around.cwd)
  if (flags.store === 'postgres') {
    const log = sayingLog(config, around)
    const { create: write = false } = options
    const past = await openPostgresPast(setPostgres(config), { clock: systemClock(), log, write })
    return { past, config, folder, shown, store: join(folder, 'postgres') }
  }
  // A folder given by hand has its own tape in it.
  const ofFolder =
    flags.data === undefined ? config : { ...config, data: folder, tape: {} as never }
  const tape = tapeFolder(flags.tape === undefined ? ofFolder : config, flags.tape, around)
  const progress = new Progress({ label: 'taking what is new on the tape', unit: 'events' })
  const past = await openHistory(folder, {
    ...options,
    tape,
    log: sayingLog(config, around),
    onProgress({ done, total }) {
      progress.total = total
      progress.update(done)
    },
  })
  progress.end()
  return { past, config, folder, shown, store: join(folder, 'store') }
}

/** Warnings as people read them, where no log is asked for: an answer that lacks something must not look whole. */
export function sayingLog(config: Config, around: Surroundings): Log {
  if (config.log !== 'silent') return createLog(config, around.env)
  const line = (_: object, message: string) => say(`tickwire: ${message}`)
  return { debug: () => {}, info: () => {}, warn: line, error: line }
}

/**
 * Does some work until it is done, fails, or is ended: by a signal, or because nobody reads its output any more. Resolves
 * with the exit code; `finished` says how it went where it was not ended from outside.
 */
export async function runTask(
  flags: { readonly debug?: boolean },
  task: (run: Run, output: Output) => Promise<number | undefined>,
): Promise<number> {
  const run = new Run()
  const output = new Output(1, error => (error ? run.fail(error) : run.done()))
  run.leaving = () => {
    if (output.waiting) say('left at once: what was not written yet is lost')
  }
  let exit = 0
  // What it holds is given back by its own end, so that is waited for.
  const work = task(run, output).then(
    code => {
      exit = code ?? 0
      run.done()
    },
    // Given up because the run has ended: that is no error of its own.
    error => run.fail(error),
  )
  const ending = await run.ended
  await work
  await output.flush()
  const error = ending.type === 'error' ? ending.error : output.error
  if (error !== undefined) {
    say(describeError(error, flags.debug ?? false))
    return exitCodeOf(error)
  }
  return ending.type === 'signal' ? ending.exit : exit
}

/** A stretch of venue time, both ends inclusive, epoch ms. */
export interface AskedRange {
  readonly from?: number
  readonly to?: number
}

const DAY = /^\d{4}-\d\d-\d\d$/
const DAY_MS = 86_400_000

/** The end of a range as the command line has it: a day is meant to its end. @throws BAD_OPTION */
export function parseEnd(text: string): number {
  const ms = parseMoment(text)
  return DAY.test(text) ? ms + DAY_MS - 1 : ms
}

/** @throws BAD_OPTION for a range that ends before it begins */
export function checkRange({ from, to }: AskedRange): void {
  if (from === undefined || to === undefined || from <= to) return
  const text = (ms: number) => new Date(ms).toISOString()
  throw new TickwireError(
    'BAD_OPTION',
    `the range ends (${text(to)}) before it begins (${text(from)})`,
    { hint: 'Exchange --from and --to.' },
  )
}

/** A symbol as written, and as venues mostly write it: what is stored under either is meant. */
export function spellings(symbols: readonly string[]): string[] {
  return [...new Set(symbols.flatMap(symbol => [symbol, symbol.toUpperCase()]))]
}

/** Whether an error only says that the question was given up. */
export function isGivenUp(error: unknown): boolean {
  return error instanceof TickwireError && error.code === 'CLOSED'
}
