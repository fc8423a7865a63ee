import { join, relative, resolve } from 'node:path'
import type { App, RecordConfig } from '../app/app.ts'
import { TickwireError } from '../base/errors.ts'
import type { Notice } from '../market/events.ts'
import type { Config, Surroundings } from './config.ts'
import { amount } from './rows.ts'

const GB = 1_000_000_000
const DAY_MS = 86_400_000

/** The data folder, with tape, store and control socket: as given on the command line, else as set. */
export function dataFolder(
  { data }: Pick<Config, 'data'>,
  given: string | undefined,
  { cwd }: Pick<Surroundings, 'cwd'>,
): string {
  return resolve(cwd, given ?? data)
}

/** Where a tape is: as given on the command line, else as set, else in the data folder. */
export function tapeFolder(
  { tape, data }: Pick<Config, 'tape' | 'data'>,
  given: string | undefined,
  { cwd }: Pick<Surroundings, 'cwd'>,
): string {
  return resolve(cwd, given ?? tape.folder ?? join(data, 'tape'))
}

/** Where and how long to record, by the settings. */
export function recordOf(
  config: Config,
  given: string | undefined,
  around: Surroundings,
): RecordConfig {
  const { gb, days } = config.tape.keep
  const age = days === undefined ? {} : { ageMs: days * DAY_MS }
  return {
    folder: tapeFolder(config, given, around),
    retention: { bytes: gb * GB, ...age },
  }
}

/** A path as a person would write it from here. */
export function shortPath(path: string, cwd: string): string {
  const short = relative(cwd, path)
  return short === '' ? '.' : short.startsWith('..') ? path : short
}

/** Why a disk takes nothing, by what the system or the tape calls it. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left',
  EDQUOT: 'the quota is used up',
  EFBIG: 'files may not grow so large',
  EROFS: 'the disk is read-only',
  EACCES: 'no right to write there',
  EPERM: 'no right to write there',
  EIO: 'the disk fails',
  SLOW_DISK: 'the disk does not keep up',
}

/** What a command says of its store, in a few words: what stands in the title, or at the foot where all is well. */
export class StoringState {
  readonly #app: Pick<App, 'keeper' | 'controlPath'>
  readonly #folder: string

  constructor(app: Pick<App, 'keeper' | 'controlPath'>, folder: string) {
    this.#app = app
    this.#folder = folder
  }

  /** `NOT stored: …`, or nothing where it is, or will be in a moment. */
  get alarm(): string | undefined {
    const { keeper } = this.#app
    if (keeper && !keeper.error) return undefined
    return `NOT stored: ${keeper ? reasonOf(keeper.error) : 'nothing is recorded'}`
  }

  /** `stored in .tickwire up to number 1,234; ask it with …` */
  get foot(): string {
    const { keeper, controlPath } = this.#app
    const { alarm } = this
    if (alarm !== undefined || !keeper) return alarm ?? ''
    if (keeper.state === 'opening' || keeper.seq === undefined)
      return `opening the store in ${this.#folder}`
    const behind = keeper.behind > BEHIND ? `, ${amount(keeper.behind)} behind` : ''
    const ask =
      controlPath === undefined ? '' : '; ask it with `tickwire sql` or `tickwire history`'
    return `stored in ${this.#folder} up to number ${amount(keeper.seq)}${behind}${ask}`
  }

  /** Where there is no screen: said once. */
  get line(): string {
    return `storing in ${this.#folder}`
  }

  /** At the end, for the summary. */
  get outcome(): string {
    const { keeper } = this.#app
    if (!keeper) return 'NOT stored'
    if (keeper.error) return `NOT stored to the end: ${reasonOf(keeper.error)}`
    const rest =
      keeper.behind > 0 ? `, ${amount(keeper.behind)} events left for the next start` : ''
    return `stored in ${this.#folder}${rest}`
  }
}

/** Events on their way are none that lack. */
const BEHIND = 5_000

/** What of an error fits into a title. */
function reasonOf(error: Error | undefined): string {
  const { code = '' } = (error?.cause ?? {}) as NodeJS.ErrnoException
  const message = error?.message ?? ''
  if (REASONS[code]) return REASONS[code]
  if (/No space left|ENOSPC/.test(message)) return REASONS.ENOSPC!
  return message.length > MOST_REASON ? `${message.slice(0, MOST_REASON - 1)}…` : message
}

/** Longer ones would push all else out of a line. */
const MOST_REASON = 70

/**
 * What a command says of its recording. The app knows whether there is one, only the tape's notices why there is none.
 */
export class RecordingState {
  readonly #app: Pick<App, 'unrecorded' | 'isRecording' | 'unrecordedEvents'>
  readonly #folder: string
  #code: string | undefined

  constructor(app: Pick<App, 'unrecorded' | 'isRecording' | 'unrecordedEvents'>, folder: string) {
    this.#app = app
    this.#folder = folder
  }

  /** Takes what the tape says of itself. */
  hear(notice: Notice): void {
    if (notice.notice === 'unrecorded') this.#code = notice.code
  }

  /** `no space left`, `process 12 records here`: why nothing is recorded. */
  get reason(): string {
    const { unrecorded } = this.#app
    if (unrecorded?.code === 'TAPE_IN_USE') return unrecorded.message.replace(/ to .*$/, ' here')
    const cause = unrecorded?.cause as NodeJS.ErrnoException | undefined
    const code = cause?.code ?? unrecorded?.code ?? this.#code ?? ''
    return REASONS[code] ?? (code || 'the disk takes nothing')
  }

  /** For a title: `recording to …`, or why not. */
  get title(): string {
    return this.#app.isRecording ? `recording to ${this.#folder}` : `NOT recording: ${this.reason}`
  }

  /** At the end: the error of a recording that lacks its last events. */
  get failure(): TickwireError | undefined {
    if (this.#app.isRecording) return undefined
    return new TickwireError('TAPE_UNWRITABLE', this.outcome, {
      hint: 'Make room on its disk, or choose another folder with --tape.',
    })
  }

  /** At the end, for the summary: where what was recorded is, and what is missing in it. */
  get outcome(): string {
    const { isRecording, unrecordedEvents: missing } = this.#app
    if (!isRecording) {
      return `NOT recorded to the end in ${this.#folder}: ${this.reason}; ${countMissing(missing)}`
    }
    const note = missing > 0 ? `, ${amount(missing)} of them not recorded` : ''
    return `recorded to ${this.#folder}${note}`
  }
}

const countMissing = (count: number) =>
  count === 1 ? '1 event is missing' : `${amount(count)} events are missing`
