import { type FileHandle, open } from 'node:fs/promises'
import {
  type BlockType,
  decodeHeader,
  findMagic,
  HEADER_BYTES,
  readFrame,
  type SegmentHeader,
} from './format.ts'

/** Bytes read at a time. */
const CHUNK = 256 * 1_024

export interface Block {
  readonly type: BlockType
  /** Valid until the next call. */
  readonly body: Buffer
  /** Where the block begins in its file. */
  readonly offset: number
  /** Bytes before it that are no block: damage. */
  readonly skipped: number
}

/**
 * Reads the blocks of a file in order, also while it grows. A broken block is passed over to the next good one; what
 * is not whole at the end of the file may yet become so.
 */
export class BlockReader {
  readonly header: SegmentHeader
  readonly #file: FileHandle
  #bytes = Buffer.allocUnsafe(CHUNK)
  /** Bytes of the file in `#bytes`: from `#at` to `#end`; `#offset` is where `#at` stands in the file. */
  #at = 0
  #end = 0
  #offset: number

  private constructor(file: FileHandle, header: SegmentHeader) {
    this.#file = file
    this.header = header
    this.#offset = HEADER_BYTES
  }

  /** @throws TAPE_DAMAGED TAPE_TOO_NEW, or what the system says of the path */
  static async open(path: string): Promise<BlockReader> {
    const file = await open(path, 'r')
    try {
      const bytes = Buffer.alloc(HEADER_BYTES)
      const { bytesRead } = await file.read(bytes, 0, HEADER_BYTES, 0)
      return new BlockReader(file, decodeHeader(bytes.subarray(0, bytesRead), path))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Where the next block is looked for: what stands from here on has not been returned. */
  get offset(): number {
    return this.#offset
  }

  /** Goes on at a place where a block is known to begin. */
  seek(offset: number): void {
    this.#at = this.#end = 0
    this.#offset = offset
  }

  /** The next whole block; `undefined` when there is none yet. */
  async next(): Promise<Block | undefined> {
    const start = this.#offset
    for (;;) {
      const frame = readFrame(this.#bytes, this.#at, this.#end)
      if (typeof frame === 'object') {
        const offset = this.#offset
        this.#advance(frame.to - this.#at)
        const body = this.#bytes.subarray(frame.from, frame.to)
        return { type: frame.type, body, offset, skipped: offset - start }
      }
      if (frame === 'short' && (await this.#fill())) continue
      // Broken, or so says the end of the file: is there a good one further on?
      const next = await this.#findGood()
      if (next < 0) {
        this.seek(start)
        return undefined
      }
      this.#advance(next - this.#at)
    }
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await this.#file.read(bytes, 0, length, offset)
    return bytes.subarray(0, bytesRead)
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #advance(count: number): void {
    this.#at += count
    this.#offset += count
  }

  /** Where the next whole block begins in the bytes at hand, read on as far as the file goes; -1 when there is none. */
  async #findGood(): Promise<number> {
    let from = 1
    for (;;) {
      const at = findMagic(this.#bytes, this.#at + from, this.#end)
      if (at < 0) {
        // The magic may be cut by the end of what has been read.
        from = Math.max(1, this.#end - this.#at - 3)
        if (!(await this.#fill())) return -1
        continue
      }
      const distance = at - this.#at
      const frame = readFrame(this.#bytes, at, this.#end)
      if (typeof frame === 'object') return at
      if (frame === 'short' && (await this.#fill())) from = distance
      else from = distance + 1
    }
  }

  /** Reads on behind what is at hand; false at the end of the file. */
  async #fill(): Promise<boolean> {
    const held = this.#end - this.#at
    if (this.#bytes.length - this.#end < CHUNK / 2) {
      const roomy = held > this.#bytes.length / 2
      const bytes = roomy ? Buffer.allocUnsafe(this.#bytes.length * 2) : this.#bytes
      // A block handed out before is not valid any more: its reader has asked for the next one.
      this.#bytes.copy(bytes, 0, this.#at, this.#end)
      this.#bytes = bytes
      this.#at = 0
      this.#end = held
    }
    const room = this.#bytes.length - this.#end
    const { bytesRead } = await this.#file.read(this.#bytes, this.#end, room, this.#offset + held)
    this.#end += bytesRead
    return bytesRead > 0
  }
}
