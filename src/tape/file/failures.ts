import { TickwireError } from '../../base/errors.ts'

const WAYS: Readonly<Record<string, string>> = {
  EACCES: 'You lack the rights to it: choose another folder or ask its owner.',
  EPERM: 'You lack the rights to it: choose another folder or ask its owner.',
  EROFS: 'The disk is read-only: choose another folder.',
  ENOSPC: 'The disk is full: make room, or choose another folder.',
  EDQUOT: 'Your quota is used up: make room, or choose another folder.',
  ENOTDIR: 'A file stands in its way: choose another folder.',
  EEXIST: 'A file stands in its place: choose another folder.',
}

const NO_WRITING = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'])

/** What the system says of a tape's folder, as an error of ours. */
export function unwritable(folder: string, cause: Error): TickwireError {
  const { code = '' } = cause as NodeJS.ErrnoException
  return new TickwireError(
    'TAPE_UNWRITABLE',
    `no tape can be written in ${folder}: ${cause.message}`,
    {
      hint: WAYS[code] ?? 'Choose another folder.',
      cause,
    },
  )
}

export function inUse(folder: string, pid: number): TickwireError {
  const who = pid > 0 ? `process ${pid} records` : 'another process records'
  return new TickwireError('TAPE_IN_USE', `${who} to the tape in ${folder}`, {
    hint: 'End that one, read its tape instead, or choose another folder.',
  })
}

/** What goes wrong on rewriting a tape: where nothing can be written that is said, the rest as on reading. */
export function unchangeable(folder: string, cause: Error): TickwireError {
  const { code = '' } = cause as NodeJS.ErrnoException
  return NO_WRITING.has(code) ? unwritable(folder, cause) : unreadable(folder, cause)
}

export function noTape(folder: string): TickwireError {
  return new TickwireError('NO_TAPE', `there is no tape in ${folder}`, {
    hint: 'Name the folder that `tickwire record` or `tickwire up` wrote to.',
  })
}

/** What goes wrong on reading a tape: an error of ours stays, a folder that is none is no tape. */
export function unreadable(folder: string, cause: Error): TickwireError {
  if (cause instanceof TickwireError) return cause
  const { code = '' } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return noTape(folder)
  return new TickwireError(
    'TAPE_DAMAGED',
    `the tape in ${folder} cannot be read: ${cause.message}`,
    {
      hint: 'Check the rights of the folder and its files, and the disk.',
      cause,
    },
  )
}
