import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { asError, TickwireError } from '../../base/errors.ts'
import { BlockReader } from './blocks.ts'
import { unreadable } from './failures.ts'
import { BLOCK, type SegmentHeader } from './format.ts'
import { SegmentReader } from './segment.ts'
import { readSummary } from './summary.ts'

/** One file of a tape. */
export interface Segment {
  readonly path: string
  /** Number of its first event. */
  readonly first: number
}

/** A block a reader may begin with. */
export interface IndexEntry {
  readonly offset: number
  /** Number of its first event. */
  readonly first: number
  /** Highest receive time of any event before it. */
  readonly highest: number
}

const NAME = /^(\d{16})\.tape$/

export const isSegment = (name: string) => NAME.test(name)

export const segmentPath = (folder: string, first: number) =>
  join(folder, `${String(first).padStart(16, '0')}.tape`)

/** The files of a tape in order, and where in them to begin. */
export class Catalog {
  readonly folder: string
  readonly #tape: string
  #segments: Segment[] = []
  /** Files that are of another tape. */
  readonly #foreign = new Set<string>()
  /** Looks at the folder so far, and the newest that has been taken over. */
  #looks = 0
  #shown = 0
  readonly #headers = new Map<string, SegmentHeader>()
  readonly #indexes = new Map<string, readonly IndexEntry[]>()
  /** Of the segment being written: kept by its writer. */
  #live: { readonly path: string; readonly index: readonly IndexEntry[] } | undefined
  /** The writer's own catalog is always up to date; others look at the folder again. */
  readonly #own: boolean

  constructor(folder: string, tape: string, own: boolean) {
    this.folder = folder
    this.#tape = tape
    this.#own = own
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** @throws NO_TAPE TAPE_DAMAGED when there is no such folder, or it cannot be read */
  async refresh(): Promise<void> {
    const look = ++this.#looks
    const names = await readdir(this.folder).catch(error => {
      throw unreadable(this.folder, asError(error))
    })
    // An earlier look that took longer has seen less.
    if (look < this.#shown) return
    this.#shown = look
    const found = names.flatMap(name => {
      const match = NAME.exec(name)
      const path = join(this.folder, name)
      return match && !this.#foreign.has(path) ? [{ path, first: Number(match[1]) }] : []
    })
    this.#segments = found.sort((a, b) => a.first - b.first)
    const [first] = this.#segments
    if (first) await this.headerOf(first)
  }

  /** Number of the last event before all files: those between it and the first are nobody's. */
  get before(): number | undefined {
    const [first] = this.#segments
    return first && (this.#headers.get(first.path)?.previous ?? first.first - 1)
  }

  /** A segment has been begun, and its writer keeps the index. */
  begin(segment: Segment, header: SegmentHeader, index: readonly IndexEntry[]): void {
    this.#segments = [...this.#segments, segment]
    this.#headers.set(segment.path, header)
    this.#live = { path: segment.path, index }
  }

  /** The live segment is whole now; nothing is written to it any more. */
  end(): void {
    if (this.#live) this.#indexes.set(this.#live.path, this.#live.index)
    this.#live = undefined
  }

  /** A segment has been rewritten in place. */
  replaced(segment: Segment): void {
    this.#indexes.delete(segment.path)
  }

  remove(segment: Segment): void {
    this.#segments = this.#segments.filter(other => other.path !== segment.path)
    this.#headers.delete(segment.path)
    this.replaced(segment)
  }

  /** Leaves out what does not belong to the tape or has no good header; returns these. @throws TAPE_TOO_NEW */
  async sift(): Promise<Segment[]> {
    const out: Segment[] = []
    for (const segment of this.#segments) {
      if (await this.headerOf(segment)) continue
      this.remove(segment)
      out.push(segment)
    }
    return out
  }

  /** The segment that an event of this number stands in, or would. @throws TAPE_TOO_NEW */
  async find(seq: number): Promise<Segment | undefined> {
    if (!this.#own) await this.refresh()
    const before = this.#segments.filter(({ first }) => first <= seq).reverse()
    const behind = this.#segments.filter(({ first }) => first > seq)
    return this.#readable([...before, ...behind])
  }

  /** The next segment. @throws TAPE_TOO_NEW */
  async after(segment: Segment): Promise<Segment | undefined> {
    const next = () => this.#readable(this.#segments.filter(({ first }) => first > segment.first))
    const known = await next()
    if (known || this.#own) return known
    await this.refresh()
    return next()
  }

  /** The first that can be read: one without a good header hides no other. */
  async #readable(segments: readonly Segment[]): Promise<Segment | undefined> {
    for (const segment of segments) if (await this.headerOf(segment)) return segment
    return undefined
  }

  /** The header of a segment; `undefined` when the file is gone or cannot be read. @throws TAPE_TOO_NEW */
  async headerOf(segment: Segment): Promise<SegmentHeader | undefined> {
    const known = this.#headers.get(segment.path)
    if (known) return known
    const blocks = await this.#try(segment, () => BlockReader.open(segment.path))
    if (!blocks) return undefined
    await blocks.close()
    if (blocks.header.tape !== this.#tape) {
      this.#foreign.add(segment.path)
      this.remove(segment)
      return undefined
    }
    this.#headers.set(segment.path, blocks.header)
    return blocks.header
  }

  /** A reader of a segment; `undefined` when the file is gone or cannot be read. @throws TAPE_TOO_NEW */
  async open(segment: Segment): Promise<SegmentReader | undefined> {
    if (!(await this.headerOf(segment))) return undefined
    return this.#try(segment, () => SegmentReader.open(segment.path))
  }

  /** Whether a file turned out to be of another tape. */
  isForeign({ path }: Segment): boolean {
    return this.#foreign.has(path)
  }

  /** The last block a reader may begin with at or before a number. */
  async entryBefore(segment: Segment, seq: number): Promise<IndexEntry | undefined> {
    return (await this.#indexOf(segment)).findLast(({ first }) => first <= seq)
  }

  /** The last block before which no event was received at `time` or later. */
  async entryAt(segment: Segment, time: number): Promise<IndexEntry | undefined> {
    return (await this.#indexOf(segment)).findLast(({ highest }) => highest < time)
  }

  async #indexOf(segment: Segment): Promise<readonly IndexEntry[]> {
    if (segment.path === this.#live?.path) return this.#live.index
    const known = this.#indexes.get(segment.path)
    if (known) return known
    const index = (await this.#try(segment, () => readIndex(segment.path))) ?? []
    // A segment that another process writes goes on: its index would be old at once.
    if (this.#own || this.#segments.at(-1)?.path !== segment.path) {
      this.#indexes.set(segment.path, index)
    }
    return index
  }

  async #try<T>(segment: Segment, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.remove(segment)
      // Damaged, or so new that its header is not whole yet.
      else if (!(error instanceof TickwireError) || error.code !== 'TAPE_DAMAGED') throw error
      return undefined
    }
  }
}

/** Where a reader may begin in a file: from its summary, or by looking at all its blocks. */
async function readIndex(path: string): Promise<readonly IndexEntry[]> {
  const blocks = await BlockReader.open(path)
  try {
    const summary = await readSummary(blocks)
    if (summary) return summary.index
    const index: IndexEntry[] = []
    for (let block = await blocks.next(); block; block = await blocks.next()) {
      if (block.type !== BLOCK.whole) continue
      const [highest, first] = [block.body.readDoubleLE(0), block.body.readUIntLE(8, 6)]
      index.push({ offset: block.offset, first, highest })
    }
    return index
  } finally {
    await blocks.close()
  }
}
