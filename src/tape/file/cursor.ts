import type { MarketEvent } from '../../market/events.ts'
import type { OlderBatch, OlderCursor } from '../reading.ts'
import type { Catalog, Segment } from './catalog.ts'
import type { SegmentReader } from './segment.ts'

/** A place on the tape in files, going from segment to segment. */
export class FileCursor implements OlderCursor {
  readonly #catalog: Catalog
  #segment: Segment | undefined
  #reader: SegmentReader | undefined
  /** Number of the next event wanted. */
  #next: number
  /** Read already, but beyond what was asked for. */
  #rest: readonly MarketEvent[] = []
  /** Set while a file is looked for once more, before it is said that something is missing. */
  #anew = false
  #closed = false

  constructor(catalog: Catalog, seq: number) {
    this.#catalog = catalog
    this.#next = seq
  }

  async next(last: number, written: number): Promise<OlderBatch | undefined> {
    if (this.#rest.length > 0) return this.#take(this.#rest, last)
    while (!this.#closed) {
      this.#segment ??= await this.#catalog.find(this.#next)
      const segment = this.#segment
      if (!segment) return this.#gap(this.#missing(written), written + 1)
      this.#reader ??= await this.#open(segment)
      let block = await this.#reader?.next(this.#next)
      let after: Segment | undefined
      if (!block) {
        after = await this.#catalog.after(segment)
        // Something may have come before the next file was begun.
        if (after) block = await this.#reader?.next(this.#next)
      }
      if (this.#closed) return undefined
      if (block) {
        this.#anew = false
        return this.#take(block.events, last, this.#missing(block.previous))
      }
      const previous = after
        ? ((await this.#catalog.headerOf(after))?.previous ?? after.first - 1)
        : written
      const missing = this.#missing(previous) ?? this.#unrecorded(last, after?.first)
      if (!this.#anew && (missing || !this.#reader)) {
        // Looked for anew: another process may have merged the file with those behind it.
        this.#anew = true
        this.#drop()
        this.#segment = undefined
        continue
      }
      this.#anew = false
      if (!after) {
        if (!this.#reader) this.#segment = undefined
        return this.#gap(missing, written + 1)
      }
      this.#drop()
      this.#segment = after
      const next = Math.max(this.#next, after.first)
      if (missing) return this.#gap(missing, next)
      this.#next = next
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
    if (entry) await reader.begin(entry.offset, this.#next)
    // Closed meanwhile: nobody else would close this one.
    if (this.#closed) void reader?.close()
    return this.#closed ? undefined : reader
  }

  /** The numbers from the one wanted to `previous`: there were events, and they cannot be read. */
  #missing(previous: number): OlderBatch['missing'] {
    if (previous < this.#next) return undefined
    return { from: this.#next, to: previous, reason: 'damaged on disk and cannot be read' }
  }

  /** The numbers up to `last` when the next event comes only behind it, and with it the notice that tells of them. */
  #unrecorded(last: number, next = 0): OlderBatch['missing'] {
    if (next <= last || this.#next > last) return undefined
    return { from: this.#next, to: last, reason: 'not recorded: the disk took nothing' }
  }

  #gap(missing: OlderBatch['missing'], next: number): OlderBatch | undefined {
    if (!missing) return undefined
    this.#next = next
    return { events: [], next, missing }
  }

  /** What is wanted of the events, up to `last`; the rest is kept for the next time. */
  #take(events: readonly MarketEvent[], last: number, missing?: OlderBatch['missing']): OlderBatch {
    const begin = missing ? missing.to + 1 : this.#next
    const from = events.findIndex(event => event.seq! >= begin)
    const to = events.at(-1)!.seq! > last ? events.findIndex(event => event.seq! > last) : -1
    const end = to < 0 ? events.length : to
    const taken = from === 0 && end === events.length ? events : events.slice(from, end)
    this.#rest = events.slice(end)
    const behind = taken.length === 0 && !missing ? this.#rest[0]!.seq! : undefined
    const gap = behind && this.#gap(this.#unrecorded(last, behind), behind)
    if (gap) return gap
    this.#next = (taken.at(-1)?.seq ?? begin - 1) + 1
    return { events: taken, next: this.#next, ...(missing && { missing }) }
  }

  #drop(): void {
    void this.#reader?.close()
    this.#reader = undefined
  }
}
