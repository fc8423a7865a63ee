import { closeSync, fdatasync, ftruncate, open, write } from 'node:fs'
import { open as openHandle, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

/** The part of a file system a tape writes with: handed in, so that a test can fill, slow or stop it. */
export interface Disk {
  /** Makes a file that must not be there yet; its name survives a loss of power. */
  create(path: string): Promise<DiskFile>
  /** Writes a small file so that it is there whole or not at all, also after a loss of power. */
  replace(path: string, content: string | Uint8Array): Promise<void>
  remove(path: string): Promise<void>
}

export interface DiskFile {
  /** Writes all of `bytes` up to `length` at a place. The bytes must stay as they are until `done`. */
  write(bytes: Uint8Array, length: number, at: number, done: (error?: Error) => void): void
  /** Resolves when everything written would survive a loss of power. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  close(): void
}

const openFile = promisify(open)
const truncateFile = promisify(ftruncate)

/** The machine's own. Nothing here holds the event loop but opening the name of a file to be removed. */
export const systemDisk: Disk = {
  async create(path) {
    const fd = await openFile(path, 'wx', 0o644)
    try {
      await syncFolder(dirname(path))
    } catch (error) {
      closeSync(fd)
      await rm(path, { force: true })
      throw error
    }
    return {
      write(bytes, length, at, done) {
        const from = (offset: number) =>
          write(fd, bytes, offset, length - offset, at + offset, (error, count) => {
            if (error) done(error)
            else if (offset + count < length) from(offset + count)
            else done()
          })
        from(0)
      },
      sync: () => promisify(fdatasync)(fd),
      truncate: size => truncateFile(fd, size),
      close: () => closeSync(fd),
    }
  },
  async replace(path, content) {
    const aside = `${path}.new`
    await writeFile(aside, content, { flush: true })
    await rename(aside, path)
    await syncFolder(dirname(path))
  },
  remove: path => rm(path, { force: true }),
}

/** What systems say on which a folder cannot be opened, or not be synced: names are safe there or cannot be made so. */
const NOT_HERE = new Set(['EISDIR', 'EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF'])

/** Makes the names in a folder survive a loss of power: of files just made or renamed. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await openHandle(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!NOT_HERE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
