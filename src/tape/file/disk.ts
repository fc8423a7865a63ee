import { closeSync, fdatasync, ftruncate, open, write } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/** The part of a file system a tape writes with: handed in, so that a test can fill, slow or stop it. */
export interface Disk {
  /** Makes a file that must not be there yet. */
  create(path: string): Promise<DiskFile>
  /** Writes a small file so that it is there whole or not at all. */
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
const syncFile = promisify(fdatasync)
const truncateFile = promisify(ftruncate)

/** The machine's own. Nothing here holds the event loop but opening the name of a file to be removed. */
export const systemDisk: Disk = {
  async create(path) {
    const fd = await openFile(path, 'wx', 0o644)
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
      sync: () => syncFile(fd),
      truncate: size => truncateFile(fd, size),
      close: () => closeSync(fd),
    }
  },
  async replace(path, content) {
    const aside = `${path}.new`
    await writeFile(aside, content, { flush: true })
    await rename(aside, path)
  },
  remove: path => rm(path, { force: true }),
}
