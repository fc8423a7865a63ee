import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { type Lease, takeLease } from '../base/lease.ts'

/**
 * Takes one of the `places` an account has at a venue, for this machine's user: a file says who holds it, so that
 * two processes with one account do not throw each other off. Returns the process that holds the last one when
 * all are taken. `failed` hears, once, that the file can no longer be kept fresh or removed.
 */
export function takePlace(
  folder: string,
  account: string,
  places: number,
  clock: Clock,
  failed: (error: Error) => void,
): Lease | { readonly heldBy: number } {
  makeFolder(folder)
  checkOwner(folder)
  const name = createHash('sha256').update(account).digest('hex').slice(0, 16)
  const files = Array.from({ length: places }, (_, i) => join(folder, `${name}-${i + 1}.lease`))
  return takeLease(files, clock, failed)
}

/** Not Node's `recursive`: under /proc, where nothing can be made, that never returns. */
function makeFolder(folder: string): void {
  const parent = dirname(folder)
  if (parent !== folder && !existsSync(parent)) makeFolder(parent)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** In a folder that all may write to, another user may have made ours first, to hold us up or to lead us elsewhere. */
function checkOwner(folder: string): void {
  const user = process.getuid?.()
  if (user === undefined) return
  for (const { uid } of [lstatSync(folder), statSync(folder)]) {
    if (uid !== user && uid !== 0) throw new Error(`${folder} belongs to another user (${uid})`)
  }
}
