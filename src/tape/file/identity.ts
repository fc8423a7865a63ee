import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TickwireError } from '../../base/errors.ts'
import type { Disk } from './disk.ts'
import { damaged } from './format.ts'

/** Version of the folder as a whole; a newer one may mean more than more fields. */
const FORMAT = 1

/** Who a tape is, and how far its stores have read: `tape.json` in its folder. */
export interface Identity {
  readonly id: string
  /** Numbers by the names of stores. */
  readonly holds: ReadonlyMap<string, number>
}

/** `undefined` when there is no tape in the folder. @throws TAPE_DAMAGED TAPE_TOO_NEW */
export async function readIdentity(folder: string): Promise<Identity | undefined> {
  const path = join(folder, 'tape.json')
  const text = await readFile(path, 'utf8').catch(error => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
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
  return { id, holds: new Map(known) }
}

export async function makeIdentity(folder: string, disk: Disk): Promise<Identity> {
  const identity = { id: randomUUID(), holds: new Map<string, number>() }
  await writeIdentity(folder, disk, identity)
  return identity
}

export function writeIdentity(folder: string, disk: Disk, { id, holds }: Identity): Promise<void> {
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
