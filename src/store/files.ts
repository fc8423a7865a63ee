import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What systems say on which a folder cannot be opened or synced: names are safe there, or cannot be made so. */
const NOT_HERE = new Set(['EISDIR', 'EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF'])

/** Makes the names in a folder survive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    await syncFile(folder)
  } catch (error) {
    if (!NOT_HERE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Gives a finished file its name, so that it is there whole or not at all, also after a loss of power. */
export async function settleFile(from: string, to: string): Promise<void> {
  await syncFile(from)
  await rename(from, to)
  await syncFolder(dirname(to))
}

/** Writes a small file so that it is there whole or not at all, also after a loss of power. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const aside = `${path}.new`
  try {
    const handle = await open(aside, 'w', 0o644)
    try {
      await handle.writeFile(text)
    } finally {
      await handle.close()
    }
    await settleFile(aside, path)
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
}

/** A folder with all above it; their names survive a loss of power. */
export async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true })
  if (made === undefined) return
  for (let at = folder; ; at = dirname(at)) {
    await syncFolder(dirname(at))
    if (at === made) return
  }
}
