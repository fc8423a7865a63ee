import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TickwireError } from '../../base/errors.ts'
import { BlockReader } from './blocks.ts'
import { isSegment } from './catalog.ts'
import type { Disk } from './disk.ts'
import { damaged } from './format.ts'

/** Version of the folder as a whole; a newer one may mean more than more fields. */
const FORMAT = 1

/** Who a tape is, and how far its stores have read: `tape.json` in its folder. */
export interface Identity {
  readonly id: string
  /** Numbers by the names of stores. */
  readonly holds: ReadonlyMap<string, number>
  /** Whether `tape.json` says so; else its files do: how far stores had read is not known then. */
  readonly isWritten: boolean
}

/**
 * `undefined` when there is no tape in the folder. One whose `tape.json` is lost is known by its files.
 * @throws TAPE_DAMAGED TAPE_TOO_NEW
 */
export async function readIdentity(folder: string): Promise<Identity | undefined> {
  const path = join(folder, 'tape.json')
  const text = await readFile(path, 'utf8').catch(error => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return findIdentity(folder)
  const { format, id, holds } = parse(text, path)
  if (typeof format === 'number' && format > FORMAT) {
    throw new TickwireError(
      'TAPE_TOO_NEW',
      `${path} has format ${format}; this tickwire reads ${FORMAT}`,
      {
        hint: 'Read it with the tickwire that wrote it, or a newer one.',
      },
    )
  }
  if (format !== FORMAT || typeof id !== 'string' || !/^[0-9a-f-]{36}$/.test(id)) {
    throw damaged(path, 'it names no tape')
  }
  const entries = Object.entries((holds ?? {}) as Record<string, unknown>)
  const known = entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number')
  return { id, holds: new Map(known), isWritten: true }
}

/** Whose the files of a folder are, as far as their headers agree. */
async function findIdentity(folder: string): Promise<Identity | undefined> {
  const names = await readdir(folder).catch(error => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  const ids = new Set<string>()
  for (const name of names.filter(isSegment)) {
    const id = await tapeOf(join(folder, name))
    if (id) ids.add(id)
  }
  const [id] = ids
  if (ids.size > 1) {
    throw new TickwireError(
      'TAPE_DAMAGED',
      `${folder} has no tape.json, and files of ${ids.size} tapes: it cannot be told which one it is`,
      {
        hint: 'Put tape.json back, or move the .tape files of all tapes but one to another folder.',
      },
    )
  }
  return id === undefined ? undefined : { id, holds: new Map(), isWritten: false }
}

/** The tape a file says to be of; `undefined` when it is gone or has no good header. @throws TAPE_TOO_NEW */
async function tapeOf(path: string): Promise<string | undefined> {
  try {
    const blocks = await BlockReader.open(path)
    await blocks.close()
    return blocks.header.tape
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (error instanceof TickwireError && error.code === 'TAPE_DAMAGED') return undefined
    throw error
  }
}

export function writeIdentity(
  folder: string,
  disk: Disk,
  { id, holds }: Pick<Identity, 'id' | 'holds'>,
): Promise<void> {
  const content = { format: FORMAT, id, holds: Object.fromEntries(holds) }
  return disk.replace(join(folder, 'tape.json'), `${JSON.stringify(content, undefined, 2)}\n`)
}

function parse(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    // What is no object has no fields either.
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    throw damaged(path, 'it is not JSON')
  }
}
