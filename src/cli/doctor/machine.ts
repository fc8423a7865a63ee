import { accessSync, constants, existsSync, mkdtempSync, rmdirSync, statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { asError, TickwireError } from '../../base/errors.ts'
import type { Config, Surroundings } from '../config.ts'
import { shortPath } from '../recording.ts'
import { type Finding, failed, ok } from './finding.ts'

const GB = 1_000_000_000
/** Less than this fills up within a day, bytes. */
const SCARCE = GB
/** The oldest Node that will do. */
const OLDEST = [20, 19] as const

/** Whether a recording could be written there, and how much. */
export function disk(folder: string, config: Config, { cwd }: Surroundings): Finding {
  const name = shortPath(folder, cwd)
  let base = folder
  while (!existsSync(base) && dirname(base) !== base) base = dirname(base)
  try {
    accessSync(base, constants.W_OK)
    rmdirSync(mkdtempSync(join(base, '.tickwire-doctor-')))
    const { bavail, bsize } = statfsSync(base)
    const free = bavail * bsize
    const found = `${name} can be written, ${gigabytes(free)} free`
    if (free >= SCARCE) return ok('disk', found)
    const { gb } = config.tape.keep
    const next = `Make room, or record elsewhere with tape.folder or --tape. A tape may grow to ${gb} GB (tape.keep.gb).`
    return { check: 'disk', status: 'warn', found, next }
  } catch (cause) {
    // `EACCES: permission denied, access '/var/tape'`
    const why = asError(cause).message.replace(/^[A-Z0-9]+: |, .*$/g, '')
    const message = `${name} cannot be written: ${why}`
    const hint = 'Give yourself the right to write there, or choose tape.folder or --tape.'
    return failed('disk', new TickwireError('TAPE_UNWRITABLE', message, { cause, hint }))
  }
}

export function machine(): Finding {
  const { node } = process.versions
  const [major = 0, minor = 0] = node.split('.').map(Number)
  const found = `Node ${node} on ${process.platform} ${process.arch}, ${availableParallelism()} cores`
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return ok('machine', found)
  const next = `Install Node ${OLDEST.join('.')} or newer.`
  return { check: 'machine', status: 'warn', found, next }
}

const gigabytes = (bytes: number) => `${(bytes / GB).toFixed(1)} GB`
