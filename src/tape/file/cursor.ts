import type { MarketEvent } from '../../market/events.ts'
import type { OlderBatch, OlderCursor } from '../reading.ts'
import type { Catalog, Segment } from './catalog.ts'
import type { SegmentReader } from './segment.ts'

/** A place on the tape in files, going from segment to segment. */
export class TapeCursor implements OlderCursor {
  readonly #catalog: Catalog
  #segment: Segment | undefined
  #reader: SegmentReader | undefined
  /** Number of the next event wanted. */
  #next: number
  /** Read already, but beyond what was asked for. */
  #rest: readonly MarketEvent[] = []
  #closed = false

  constructor(catalog: Catalog, seq: number) {
    this.#catalog = catalog
    this.#next = seq
  }

  async next(last: number): Promise<OlderBatch | undefined> {
    if (this.#rest.length > 0) return this.#take(this.#rest, last)
    while (!this.#closed) {
      this.#segment ??= await this.#catalog.find(this.#next)
      const segment = this.#segment
      if (!segment) return undefined
      this.#reader ??= await this.#open(segment)
      let block = await this.#reader?.next(this.#next)
      let after: Segment | undefined
      if (!block) {
        after = await this.#catalog.after(segment)
        // Something may have come before the next file was begun.
        if (after) block = await this.#reader?.next(this.#next)
      }
      if (this.#closed) return undefined
      if (block) return this.#take(block.events, last, this.#missing(block.previous))
      if (!after) {
        // A file that could not be opened is looked for anew.
        if (!this.#reader) this.#segment = undefined
        return undefined
      }
      const header = await this.#catalog.headerOf(after)
      const missing = this.#missing(header?.previous ?? after.first - 1)
      this.#drop()
      this.#segment = after
      this.#next = Math.max(this.#next, after.first)
      if (missing) return { events: [], next: this.#next, missing }
    }
    return undefined
  }

  close(): void {
    this.#closed = true
    this.#drop()
  }

  async #open(segment: Segment): Promise<SegmentReader | undefined> {
    const reader = await this.#catalog.open(segment)
    const entry = reader && (await this.#catalog.entryBefore(segment, this.#next))
    if (entry) reader.seek(entry.offset)
    // Closed meanwhile: nobody else would close this one.
    if (this.#closed) void reader?.close()
    return this.#closed ? undefined : reader
  }

  /** The numbers from the one wanted to `previous`: there were events, and they cannot be read. */
  #missing(previous: number): OlderBatch['missing'] {
    if (previous < this.#next) return undefined
    return { from: this.#next, to: previous, reason: 'damaged on disk and cannot be read' }
  }

  /** What is wanted of the events, up to `last`; the rest is kept for the next time. */
  #take(
    events: readonly MarketEvent[],
    last: number,
    missing?: OlderBatch['missing'],
  ): OlderBatch | undefined {
    const begin = missing ? missing.to + 1 : this.#next
    const from = events.findIndex(event => event.seq! >= begin)
    const to = events.at(-1)!.seq! > last ? events.findIndex(event => event.seq! > last) : -1
    const end = to < 0 ? events.length : to
    const taken = from === 0 && end === events.length ? events : events.slice(from, end)
    this.#rest = events.slice(end)
    this.#next = (taken.at(-1)?.seq ?? begin - 1) + 1
    if (missing) return { events: taken, next: this.#next, missing }
    return taken.length > 0 ? { events: taken, next: this.#next } : undefined
  }

  #drop(): void {
    void this.#reader?.close()
    this.#reader = undefined
  }
}
