import { randomUUID } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { brotliCompress, brotliDecompressSync, constants } from 'node:zlib'
import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { BlockReader } from './file/blocks.ts'
import { BLOCK, encodeHeader, FRAME_BYTES, writeFrame } from './file/format.ts'

/** Bytes of frames gathered before they are compressed and written. */
const BLOCK_BYTES = 256 * 1_024
/** Longest a frame waits for that, ms: what an unclean end may cost. */
const BLOCK_MS = 1_000
/** Most bytes that may wait for the disk. */
const MOST_WAITING = 64 * 1_024 ** 2

/** What a venue's connection brought, in order. `connection` counts from 1. */
export type Captured = {
  readonly connection: number
  /** Our clock, epoch ms. */
  readonly receivedAt: number
} & (
  | { readonly type: 'opened' }
  | { readonly type: 'frame'; readonly data: Uint8Array; readonly binary: boolean }
  | { readonly type: 'closed'; readonly code: number; readonly reason: string }
)

/** What is needed to read a capture again; whatever its maker puts there. Keys have no place in it. */
export type CaptureAbout = Readonly<Record<string, unknown>>

const KIND = { about: 0, opened: 1, text: 2, binary: 3, closed: 4 } as const
/** u8 kind · u32 connection · f64 receive time · u32 length of what follows. */
const HEAD_BYTES = 17
const compress = promisify(brotliCompress)

/** Writes what a venue sends to a file, as it came. */
export class CaptureWriter {
  readonly #file: FileHandle
  readonly #clock: Clock
  readonly #failed: (error: TickwireError) => void
  #parts: Buffer[] = []
  #bytes = 0
  #waiting = 0
  #offset = 0
  #work: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #over = false
  #hasFailed = false

  private constructor(file: FileHandle, clock: Clock, failed: (error: TickwireError) => void) {
    this.#file = file
    this.#clock = clock
    this.#failed = failed
  }

  /**
   * Makes the file, which must not be there. `failed` hears once when it can be written no more.
   * @throws FILE_EXISTS, TAPE_UNWRITABLE
   */
  static async create(
    path: string,
    about: CaptureAbout,
    clock: Clock,
    failed: (error: TickwireError) => void,
  ): Promise<CaptureWriter> {
    const file = await open(path, 'wx').catch(error => {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        throw new TickwireError('FILE_EXISTS', `${path} is already there`, {
          hint: 'Choose another name, or remove it.',
        })
      }
      throw unwritable(error)
    })
    const writer = new CaptureWriter(file, clock, failed)
    const now = clock.now()
    const header = { form: 'frames', tape: randomUUID(), first: 0, previous: 0 } as const
    writer.#queue(encodeHeader({ ...header, highest: Number.NEGATIVE_INFINITY, createdAt: now }))
    writer.#put(KIND.about, 0, now, Buffer.from(JSON.stringify(about)))
    writer.#flush()
    return writer
  }

  add(captured: Captured): void {
    const { connection, receivedAt } = captured
    if (captured.type === 'frame') {
      const kind = captured.binary ? KIND.binary : KIND.text
      this.#put(kind, connection, receivedAt, captured.data)
    } else if (captured.type === 'opened') {
      this.#put(KIND.opened, connection, receivedAt, Buffer.alloc(0))
    } else {
      const { code, reason } = captured
      this.#put(KIND.closed, connection, receivedAt, Buffer.from(JSON.stringify({ code, reason })))
    }
  }

  /** Resolves when everything is in the file. */
  async close(): Promise<void> {
    this.#flush()
    this.#over = true
    await this.#work
    await this.#file.close()
  }

  #put(kind: number, connection: number, receivedAt: number, data: Uint8Array): void {
    if (this.#over) return
    const part = Buffer.allocUnsafe(HEAD_BYTES + data.length)
    part.writeUInt8(kind, 0)
    part.writeUInt32LE(connection, 1)
    part.writeDoubleLE(receivedAt, 5)
    part.writeUInt32LE(data.length, 13)
    part.set(data, HEAD_BYTES)
    this.#parts.push(part)
    this.#bytes += part.length
    if (this.#bytes >= BLOCK_BYTES) this.#flush()
    else this.#timer ??= this.#clock.setTimeout(() => this.#flush(), BLOCK_MS, 'idle')
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#bytes === 0) return
    const raw = Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    this.#waiting += raw.length
    if (this.#waiting > MOST_WAITING) {
      this.#fail(new Error('the disk does not keep up'))
      return
    }
    this.#then(async () => {
      await this.#write(await encodeBlock(raw))
      this.#waiting -= raw.length
    })
  }

  #queue(bytes: Buffer): void {
    this.#then(() => this.#write(bytes))
  }

  #then(step: () => Promise<void>): void {
    // Behind a failure nothing more is written: a hole in the middle would be taken for damage.
    this.#work = this.#work
      .then(() => (this.#hasFailed ? undefined : step()))
      .catch(error => this.#fail(asError(error)))
  }

  async #write(bytes: Buffer): Promise<void> {
    await this.#file.write(bytes, 0, bytes.length, this.#offset)
    this.#offset += bytes.length
  }

  #fail(error: Error): void {
    if (this.#hasFailed) return
    this.#hasFailed = this.#over = true
    this.#failed(unwritable(error))
  }
}

async function encodeBlock(raw: Buffer): Promise<Buffer> {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 1 }
  const stored = await compress(raw, { params })
  const bytes = Buffer.allocUnsafe(FRAME_BYTES + stored.length)
  stored.copy(bytes, FRAME_BYTES)
  writeFrame(bytes, 0, bytes.length, BLOCK.frames)
  return bytes
}

function unwritable(cause: Error): TickwireError {
  return new TickwireError('TAPE_UNWRITABLE', `the capture cannot be written: ${cause.message}`, {
    hint: 'Check the folder, its rights and the room on its disk.',
    cause,
  })
}

/** A capture opened for reading. */
export interface Capture {
  readonly about: CaptureAbout
  /** From the beginning, each time. @throws TAPE_DAMAGED for a part that cannot be read */
  read(): AsyncIterable<Captured>
}

/** @throws TAPE_DAMAGED when the file is no capture, TAPE_TOO_NEW, NO_TAPE when there is none */
export async function openCapture(path: string): Promise<Capture> {
  for await (const { kind, data } of records(path)) {
    if (kind !== KIND.about) break
    return { about: JSON.parse(data.toString()) as CaptureAbout, read: () => captured(path) }
  }
  throw broken(path, 'it does not say what it is of')
}

async function* captured(path: string): AsyncGenerator<Captured> {
  for await (const { kind, connection, receivedAt, data } of records(path)) {
    const base = { connection, receivedAt }
    if (kind === KIND.opened) yield { ...base, type: 'opened' }
    else if (kind === KIND.text || kind === KIND.binary) {
      yield { ...base, type: 'frame', data, binary: kind === KIND.binary }
    } else if (kind === KIND.closed) {
      const { code, reason } = JSON.parse(data.toString()) as { code: number; reason: string }
      yield { ...base, type: 'closed', code, reason }
    }
  }
}

interface CaptureRecord {
  readonly kind: number
  readonly connection: number
  readonly receivedAt: number
  readonly data: Buffer
}

async function* records(path: string): AsyncGenerator<CaptureRecord> {
  const blocks = await BlockReader.open(path).catch(error => {
    if (error instanceof TickwireError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new TickwireError('NO_TAPE', `there is no capture ${path}`)
    }
    // A folder, or a file one may not read.
    throw broken(path, asError(error).message, asError(error))
  })
  try {
    if (blocks.header.form !== 'frames') throw broken(path, 'it is a file of a tape, no capture')
    for (let block = await blocks.next(); block; block = await blocks.next()) {
      if (block.skipped > 0) throw broken(path, `${block.skipped} bytes of it are no block`)
      const raw = brotliDecompressSync(block.body)
      for (let at = 0; at < raw.length; ) {
        const from = at + HEAD_BYTES
        const length = raw.readUInt32LE(at + 13)
        const [kind, connection] = [raw.readUInt8(at), raw.readUInt32LE(at + 1)]
        const receivedAt = raw.readDoubleLE(at + 5)
        at = from + length
        yield { kind, connection, receivedAt, data: raw.subarray(from, at) }
      }
    }
  } finally {
    await blocks.close()
  }
}

function broken(path: string, why: string, cause?: Error): TickwireError {
  return new TickwireError('TAPE_DAMAGED', `${path} cannot be read: ${why}`, {
    hint: 'A capture is what `tickwire capture` writes.',
    ...(cause && { cause }),
  })
}
