import { createHash } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { TickwireError } from '../base/errors.ts'

/** What a unix socket's path may be long everywhere: 103 bytes on macOS, 107 on Linux; its maker stands beside it. */
const MOST_BYTES = 90
const NAME = 'control.sock'
/** Holds the socket's path where the folder's own would be too long. */
const NOTE = 'control.path'
const IS_WINDOWS = process.platform === 'win32'

/** Where somebody listens, and what ends that. */
export interface Bound {
  readonly path: string
  /** Takes the name away, unless it is another's by now. */
  unlink(): void
}

/**
 * Where the owner of a data folder may be asked, whether or not there is one: the socket of the folder, or where its path
 * would be longer than sockets have, the one that the folder's note names. `undefined`: there is none.
 * @throws CONTROL_UNSAFE for a socket that is another user's
 */
export function findControl(folder: string): string | undefined {
  if (IS_WINDOWS) return pipeOf(folder)
  const path = fits(join(folder, NAME)) ? join(folder, NAME) : noted(folder)
  const found = path === undefined ? undefined : lookAt(path)
  if (!found?.isSocket()) return undefined
  const me = process.getuid?.()
  if (me !== undefined && me !== 0 && found.uid !== me) {
    throw new TickwireError(
      'CONTROL_UNSAFE',
      `${path} is the socket of another user (${found.uid})`,
      {
        hint: 'Ask as that user, or remove the socket if nobody should be there.',
      },
    )
  }
  return path
}

/**
 * Lets a server listen at a folder's socket, mode 0600 from its first moment: it is made in a folder nobody else can enter
 * and moved to its name, in place of one that a crash has left. Whether somebody else listens there is the caller's to know.
 * @throws CONTROL_UNSAFE where others could put a socket of theirs in its place, or something else stands there
 */
export async function bindControl(server: Server, folder: string): Promise<Bound> {
  if (IS_WINDOWS) {
    const path = pipeOf(folder)
    await listen(server, path)
    return { path, unlink: () => {} }
  }
  mustBeSafe(folder)
  const own = join(folder, NAME)
  const path = fits(own) ? own : join(privateFolder(), `${hashOf(folder)}.sock`)
  const there = lookAt(path)
  if (there && !there.isSocket()) {
    throw new TickwireError('CONTROL_UNSAFE', `${path} is no socket`, {
      hint: 'Move it away: the control socket has its place.',
    })
  }
  const nest = mkdtempSync(join(dirname(path), '.c-'))
  try {
    const made = join(nest, 's')
    await listen(server, made)
    chmodSync(made, 0o600)
    const { ino } = statSync(made)
    renameSync(made, path)
    if (path !== own) writeFileSync(join(folder, NOTE), path, { mode: 0o600 })
    return { path, unlink: () => unlink(folder, path, ino) }
  } finally {
    rmSync(nest, { recursive: true, force: true })
  }
}

function unlink(folder: string, path: string, ino: number): void {
  if (lookAt(path)?.ino !== ino) return
  rmSync(path, { force: true })
  if (noted(folder) === path) rmSync(join(folder, NOTE), { force: true })
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail)
    server.listen(path, () => {
      server.off('error', fail)
      done()
    })
  })
}

const fits = (path: string) => Buffer.byteLength(path) <= MOST_BYTES

/** What is there, not followed where it is a link; `undefined`: nothing. */
function lookAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

function noted(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, NOTE), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whoever may write to a folder may put another socket in the place of ours; a sticky one keeps what is ours. */
function mustBeSafe(folder: string): void {
  const { mode } = statSync(folder)
  if ((mode & 0o002) === 0 || (mode & 0o1000) !== 0) return
  throw new TickwireError('CONTROL_UNSAFE', `everybody may write to ${folder}`, {
    hint: `Run \`chmod o-w ${folder}\`: other commands then find this process there.`,
  })
}

/** A folder of this user in the temporary one, which is everybody's: only if it is really ours. */
function privateFolder(): string {
  const me = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `tickwire-${me}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { uid, mode } = lookAt(folder)!
  const isOurs = lookAt(folder)!.isDirectory() && uid === me && (mode & 0o077) === 0
  if (isOurs && fits(join(folder, `${'0'.repeat(HASH_LENGTH)}.sock`))) return folder
  const message = isOurs
    ? `${folder} is too long a path for a socket`
    : `${folder} is not ours alone`
  throw new TickwireError('CONTROL_UNSAFE', message, {
    hint: isOurs
      ? 'Choose a data folder with a shorter path, or set TMPDIR to a shorter one.'
      : `Remove it, or run \`chmod 700 ${folder}\` if it is yours.`,
  })
}

const HASH_LENGTH = 16

const hashOf = (folder: string) =>
  createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, HASH_LENGTH)

/** Windows has pipes with names of their own instead; the system lets only one process make one of a name. */
function pipeOf(folder: string): string {
  const real = resolve(folder).toLowerCase()
  const hash = createHash('sha256').update(real).digest('hex').slice(0, HASH_LENGTH)
  return `\\\\.\\pipe\\tickwire-${hash}`
}
