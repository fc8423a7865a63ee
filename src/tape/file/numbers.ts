import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { syncFolder } from './disk.ts'

/** Numbers promised at a time: at 50,000 events/s a new promise every 20 s. */
export const STEP = 1_000_000
/** Two places for the record, written in turn, so that a torn write leaves the other one. */
const SLOTS = [0, 512] as const
const BYTES = 28

interface Record {
  readonly turn: number
  /** No number above this has been given out to anybody outside of the process. */
  readonly reserved: number
  /** The last number given out, when the tape was closed properly. */
  readonly closedAt: number | undefined
}

/**
 * Which numbers have been promised. Nothing is written, and so nothing seen outside, above the promise; and a tape that
 * was not closed goes on above it. So no number ever stands for two events, also not after a loss of power.
 */
export class Numbers {
  readonly #file: FileHandle
  #record: Record
  #reserving: Promise<void> | undefined

  private constructor(file: FileHandle, record: Record) {
    this.#file = file
    this.#record = record
  }

  static async open(folder: string): Promise<Numbers> {
    const path = join(folder, 'numbers')
    let isNew = false
    const file = await open(path, 'r+').catch(error => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      isNew = true
      return open(path, 'w+')
    })
    try {
      if (isNew) await syncFolder(folder)
      const records: Record[] = []
      for (const slot of SLOTS) {
        const bytes = Buffer.alloc(BYTES)
        const { bytesRead } = await file.read(bytes, 0, BYTES, slot)
        const record = bytesRead === BYTES ? decode(bytes) : undefined
        if (record) records.push(record)
      }
      const [latest] = records.sort((a, b) => b.turn - a.turn)
      return new Numbers(file, latest ?? { turn: 0, reserved: 0, closedAt: undefined })
    } catch (error) {
      await file.close()
      throw error
    }
  }

  get reserved(): number {
    return this.#record.reserved
  }

  get closedAt(): number | undefined {
    return this.#record.closedAt
  }

  /** Promises all numbers up to `to`; resolves when the promise is on the disk. One at a time. */
  reserve(to: number): Promise<void> {
    this.#reserving ??= this.#write({ reserved: to, closedAt: undefined }).finally(() => {
      this.#reserving = undefined
    })
    return this.#reserving
  }

  /** The tape ends here: what was promised above `last` has not been used. */
  async close(last: number | undefined): Promise<void> {
    try {
      await this.#reserving?.catch(() => {})
      if (last !== undefined) await this.#write({ reserved: this.reserved, closedAt: last })
    } finally {
      await this.#file.close()
    }
  }

  async #write(next: Omit<Record, 'turn'>): Promise<void> {
    const record = { turn: this.#record.turn + 1, ...next }
    const slot = SLOTS[record.turn % 2]!
    await this.#file.write(encode(record), 0, BYTES, slot)
    await this.#file.datasync()
    this.#record = record
  }
}

function encode({ turn, reserved, closedAt }: Record): Buffer {
  const bytes = Buffer.alloc(BYTES)
  bytes.writeDoubleLE(turn, 0)
  bytes.writeDoubleLE(reserved, 8)
  bytes.writeDoubleLE(closedAt ?? -1, 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 24)), 24)
  return bytes
}

function decode(bytes: Buffer): Record | undefined {
  if (crc32(bytes.subarray(0, 24)) !== bytes.readUInt32LE(24)) return undefined
  const closedAt = bytes.readDoubleLE(16)
  return {
    turn: bytes.readDoubleLE(0),
    reserved: bytes.readDoubleLE(8),
    closedAt: closedAt < 0 ? undefined : closedAt,
  }
}
