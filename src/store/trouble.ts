import { asError, type ErrorCode, TickwireError } from '../base/errors.ts'

const FULL =
  /No space left|ENOSPC|EDQUOT|disk quota|out of disk|Could not write all bytes|File too large/i
const RIGHTS =
  /Permission denied|EACCES|EPERM|Read-only file system|EROFS|ENOTDIR|EEXIST|EISDIR|Is a directory|Not a directory/i
const TAKEN = /Could not set lock|Conflicting lock/i
const PARQUET =
  /No magic bytes|too small to be a Parquet|Parquet|TProtocolException|ZSTD|Invalid.*footer|\.parquet/i
const CORRUPT = /Corrupt|checksum|Serialization Error|not a valid DuckDB|invalidated/i

/** What is known of an error of the disk or of DuckDB, in our words. `what` could not be done. */
export function storeTrouble(thrown: unknown, folder: string, what: string): TickwireError {
  const error = asError(thrown)
  if (error instanceof TickwireError) return error
  const { message } = error
  const told = `${what}: ${firstLine(message)}`
  const make = (code: ErrorCode, hint: string) =>
    new TickwireError(code, told, { cause: error, hint })
  if (TAKEN.test(message)) {
    return make('STORE_IN_USE', 'Ask through the process that has it open, or end that.')
  }
  if (FULL.test(message)) {
    return make(
      'STORE_UNWRITABLE',
      `Make room on the disk of ${folder}: what is missing comes then.`,
    )
  }
  if (RIGHTS.test(message)) {
    return make('STORE_UNWRITABLE', `Look at the rights of ${folder} and what is in it.`)
  }
  if (/\.parquet/.test(message) && PARQUET.test(message)) {
    return make(
      'BAD_PARQUET',
      'Move the file away, then `tickwire store rebuild` or `tickwire backfill` brings its day back.',
    )
  }
  if (CORRUPT.test(message)) {
    return make('STORE_DAMAGED', 'Run `tickwire store rebuild`: it is made anew from the tape.')
  }
  return make('STORE_DAMAGED', 'Run `tickwire store rebuild` if it stays so.')
}

function firstLine(message: string): string {
  const [line = ''] = message.split('\n')
  return line.length > 400 ? `${line.slice(0, 400)}…` : line
}
