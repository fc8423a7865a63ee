import { relative, resolve } from 'node:path'
import type { App, RecordConfig } from '../app/app.ts'
import { TickwireError } from '../base/errors.ts'
import type { Notice } from '../market/events.ts'
import type { Config, Surroundings } from './config.ts'
import { amount } from './rows.ts'

const GB = 1_000_000_000
const DAY_MS = 86_400_000

/** Where a tape is: as given on the command line, else as set. */
export function tapeFolder(
  { tape }: Config,
  given: string | undefined,
  { cwd }: Surroundings,
): string {
  return resolve(cwd, given ?? tape.folder)
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
