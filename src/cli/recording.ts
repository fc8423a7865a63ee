import { relative, resolve } from 'node:path'
import type { RecordConfig } from '../app/app.ts'
import type { Config, Surroundings } from './config.ts'

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
