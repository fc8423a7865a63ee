import { resolve } from 'node:path'
import { type Clock, systemClock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'

export interface StoreOptions {
  /** Is made when it is not there. */
  readonly folder: string
  readonly clock?: Clock
  /** @default warnings and errors to stderr */
  readonly log?: Log
  /** Threads that a question may use. @default 2 */
  readonly threads?: number
  /** Memory that DuckDB may use in all, MB; larger work goes by way of the disk. @default 1024 */
  readonly memoryMb?: number
  /** A day is sealed when it has been over for so long, and nothing of it has come for as long, ms. @default 600000 */
  readonly quietMs?: number
  /** What comes late for a sealed day waits so long for more before it is sealed too, ms. @default 86400000 */
  readonly lateMs?: number
  /** After the disk has taken nothing it is tried again so much later, ms. @default 5000 */
  readonly retryMs?: number
}

export type Checked = Required<StoreOptions>

/** Options with their defaults. @throws BAD_OPTION */
export function checkOptions(options: StoreOptions): Checked {
  const checked: Checked = {
    ...{ clock: systemClock(), log: stderrLog, threads: 2, memoryMb: 1_024 },
    ...{ quietMs: 600_000, lateMs: 86_400_000, retryMs: 5_000 },
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    folder: resolve(options.folder),
  }
  const { folder, threads, memoryMb, quietMs, lateMs, retryMs } = checked
  const bad = (message: string, hint: string) => new TickwireError('BAD_OPTION', message, { hint })
  if (folder.includes('?')) {
    // It would look for its log of writes beside another folder.
    throw bad(
      `no store can be in ${folder}: DuckDB takes what follows a ? for options`,
      'Name a data folder without a ? in its path.',
    )
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw bad(`threads cannot be ${threads}`, 'Give a whole number from 1 to 256.')
  }
  if (!Number.isInteger(memoryMb) || memoryMb < 128) {
    throw bad(`memoryMb cannot be ${memoryMb}`, 'Give a whole number from 128.')
  }
  for (const [name, ms] of Object.entries({ quietMs, lateMs, retryMs })) {
    if (!(ms >= 0)) throw bad(`${name} cannot be ${ms}`, 'Give milliseconds from 0.')
  }
  return checked
}
