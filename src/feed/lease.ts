import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { type Lease, takeLease } from '../base/lease.ts'

/** Where the files are kept: one folder for each user, so that nobody stands in another one's way. */
export const DEFAULT_LEASES = join(tmpdir(), `tickwire-${process.getuid?.() ?? 'leases'}`)

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
  leaseFolder(folder)
  const name = leaseName(account)
  const files = Array.from({ length: places }, (_, i) => join(folder, `${name}-${i + 1}.lease`))
  return takeLease(files, clock, failed)
}

/** Makes the folder. @throws where it cannot be made, or is another user's */
export function leaseFolder(folder: string): void {
  makeFolder(folder)
  checkOwner(folder)
}

/** What files of an account begin with: neither account nor key can be read from it. */
export const leaseName = (account: string): string =>
  createHash('sha256').update(account).digest('hex').slice(0, 16)

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
