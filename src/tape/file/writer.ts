import type { Clock, Timer } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import { createEvent, type MarketEvent } from '../../market/events.ts'
import { RowEncoder } from '../../market/rows.ts'
import type { Ring } from '../ring.ts'
import { type Catalog, type IndexEntry, type Segment, segmentPath } from './catalog.ts'
import type { Disk, DiskFile } from './disk.ts'
import {
  BLOCK,
  encodeHeader,
  FRAME_BYTES,
  HEADER_BYTES,
  ROWS_HEAD,
  type SegmentHeader,
  WHOLE_HEAD,
  writeFrame,
} from './format.ts'
import { type Numbers, STEP } from './numbers.ts'

/** Most events in a block: what is decoded at once, and at most lost with it. */
const MOST_EVENTS = 4_096
/** A reader may begin at a block after this many bytes: the whole dictionary stands in it. */
const WHOLE_EVERY = 1_048_576
/** How long after a failure the disk is tried again, ms. */
const RETRY_MS = 2_000
/** What must fit on the disk before recording goes on. */
const PROBE = Buffer.alloc(1_048_576)

export interface WriterOptions {
  readonly tape: string
  readonly folder: string
  readonly ring: Ring
  readonly catalog: Catalog
  readonly numbers: Numbers
  readonly disk: Disk
  readonly clock: Clock
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly syncMs: number
  /** Number of the last event on the disk, and the highest receive time of any. */
  readonly previous: number
  readonly highest: number
}

export interface WriterHooks {
  /** More has been written, or a state has changed. */
  moved(): void
  /** A segment is complete, for sealing. */
  completed(segment: Segment): void
  /** The events from the number `from` on are not on the disk, until further notice. */
  failed(error: Error, from: number): void
  /** The disk takes events again, from the next one on: those from `from` to `to` are lost to it. */
  resumed(from: number, to: number): void
}

/**
 * Brings what the ring takes to the disk: the events of a turn of the event loop as one block, the next block when the
 * one before has been written. The loop encodes and never waits: writing and syncing are done by the thread pool.
 */
export class Writer {
  readonly #at: WriterOptions
  readonly #hooks: WriterHooks
  #encoder = new RowEncoder()
  #bytes = Buffer.allocUnsafe(65_536)
  #file: DiskFile | undefined
  #segment: Segment | undefined
  #index: IndexEntry[] = []
  #openedAt = 0
  /** Size of the file, and where its last whole block began. */
  #size = 0
  #wholeAt = 0
  /** Number of the last event given to the disk, and of the last one written. */
  #taken: number
  #written: number
  /** Number of the last event in the file before. */
  #previous: number
  #highest: number
  /** What would survive a loss of power: size of the file, number of the event. */
  #safe = { size: 0, seq: 0 }
  #busy = false
  #scheduled = false
  #reserving = false
  #syncing: Promise<void> | undefined
  #closed = false
  /** Number of the first event that is not on the disk, since the disk failed or fell behind. */
  #lostFrom: number | undefined
  #timer: Timer | undefined
  #syncTimer: Timer | undefined
  #closing: (() => void) | undefined

  constructor(options: WriterOptions, hooks: WriterHooks) {
    this.#at = options
    this.#hooks = hooks
    this.#taken = this.#written = options.ring.last
    this.#previous = options.previous
    this.#safe = { size: 0, seq: options.previous }
    this.#highest = options.highest
  }

  /** Number of the last event that outlives the process. While nothing is recorded, of the last one promised. */
  get written(): number {
    if (this.#lostFrom === undefined) return this.#written
    return Math.max(this.#written, Math.min(this.#at.ring.last, this.#at.numbers.reserved))
  }

  get isRecording(): boolean {
    return this.#lostFrom === undefined
  }

  /** Whether an event that has left the ring is not on the disk, and will not be. */
  isLost(seq: number): boolean {
    return seq >= (this.#lostFrom ?? this.#taken + 1)
  }

  /** The ring has taken events: they are written at the end of this turn of the event loop. */
  schedule(): void {
    if (this.#scheduled || this.#busy) return
    this.#scheduled = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#scheduled = false
    this.#pump()
  }

  /** Resolves when everything is on the disk, or cannot be: then `isRecording` is false. */
  async close(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#closing = resolve
      this.#pump()
    })
    this.#closed = true
    this.#timer?.cancel()
    this.#syncTimer?.cancel()
    await this.#sync()
    this.#file?.close()
    this.#at.catalog.end()
  }

  #pump(): void {
    if (this.#busy) return
    const { ring, numbers } = this.#at
    if (this.#lostFrom !== undefined) {
      this.#closing?.()
      return
    }
    this.#reserve()
    const end = Math.min(ring.last, numbers.reserved)
    if (this.#taken >= end) {
      if (this.#taken >= ring.last) this.#closing?.()
      return
    }
    if (ring.first > this.#taken + 1) {
      this.#overtaken()
      return
    }
    if (!this.#file || this.#isFull()) {
      this.#busy = true
      this.#begin().catch(error => this.#fail(asError(error)))
      return
    }
    const from = (this.#taken + 1) & ring.mask
    const count = Math.min(end - this.#taken, MOST_EVENTS, ring.slots.length - from)
    this.#write(this.#file, from, count)
  }

  #reserve(): void {
    const { ring, numbers } = this.#at
    if (this.#reserving || ring.last + STEP / 2 < numbers.reserved) return
    this.#reserving = true
    numbers
      .reserve(ring.last + STEP)
      .finally(() => {
        this.#reserving = false
      })
      .then(
        () => this.schedule(),
        error => this.#fail(asError(error)),
      )
  }

  #write(file: DiskFile, from: number, count: number): void {
    const { ring } = this.#at
    const events = ring.slots as MarketEvent[]
    const first = this.#taken + 1
    const header = this.#size === 0
    const whole = header || this.#size - this.#wholeAt >= WHOLE_EVERY
    let payload: Uint8Array
    try {
      payload = this.#encoder.encode(events, from, from + count, whole)
    } catch (error) {
      if (count > 1) this.#write(file, from, count >> 1)
      else this.#replace(from, asError(error))
      return
    }
    const start = header ? HEADER_BYTES : 0
    const head = start + FRAME_BYTES + (whole ? WHOLE_HEAD : ROWS_HEAD)
    const length = head + payload.length
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafe(length * 2)
    const bytes = this.#bytes
    if (header) encodeHeader(this.#header(first)).copy(bytes)
    if (whole) bytes.writeDoubleLE(this.#highest, start + FRAME_BYTES)
    bytes.writeUIntLE(first, head - 8, 6)
    bytes.writeUInt16LE(count, head - 2)
    bytes.set(payload, head)
    writeFrame(bytes, start, length, whole ? BLOCK.whole : BLOCK.rows)

    const entry = whole && { offset: this.#size + start, first, highest: this.#highest }
    for (let i = from; i < from + count; i++) {
      const { receivedAt } = events[i]!
      if (receivedAt > this.#highest) this.#highest = receivedAt
    }
    this.#taken += count
    this.#busy = true
    file.write(bytes, length, this.#size, error => {
      this.#busy = false
      // A failed sync may have taken the file away meanwhile.
      if (error || this.#file !== file) {
        if (error) this.#fail(error)
        return
      }
      if (entry) {
        this.#index.push(entry)
        this.#wholeAt = entry.offset
      }
      this.#size += length
      this.#written = this.#previous = this.#taken
      if (this.#lostFrom !== undefined) this.#resume()
      this.#hooks.moved()
      this.#pump()
    })
  }

  /** What is no event cannot stand on the disk: a notice takes its number. */
  #replace(slot: number, error: Error): void {
    const now = this.#at.clock.now()
    const seq = this.#taken + 1
    const message = `event ${seq} could not be recorded: ${error.message}`
    const range = { seq, from: seq, to: seq, count: 1, code: 'BAD_EVENT' }
    const time = { timestamp: Math.floor(now), receivedAt: now }
    const notice = createEvent({ type: 'notice', notice: 'lost', message, ...time, ...range })
    this.#at.ring.slots[slot] = notice
    this.#pump()
  }

  #header(first: number): SegmentHeader {
    const { tape } = this.#at
    const createdAt = this.#openedAt
    return {
      form: 'rows',
      tape,
      first,
      previous: this.#previous,
      highest: this.#highest,
      createdAt,
    }
  }

  /** Begins the next file, once the one before is safe. */
  async #begin(): Promise<void> {
    const { disk, folder, catalog, clock } = this.#at
    if (this.#file) await this.#complete(this.#file)
    if (this.#lostFrom !== undefined) return
    const first = this.#taken + 1
    const segment = { path: segmentPath(folder, first), first }
    this.#openedAt = clock.now()
    const file = await disk.create(segment.path)
    if (this.#lostFrom !== undefined) {
      // It has failed meanwhile, and begins elsewhere.
      file.close()
      await disk.remove(segment.path)
      return
    }
    this.#file = file
    this.#segment = segment
    this.#encoder = new RowEncoder()
    this.#index = []
    this.#size = this.#wholeAt = 0
    this.#safe = { size: 0, seq: this.#previous }
    catalog.begin(segment, this.#header(first), this.#index)
    this.#watch()
    this.#busy = false
    this.#pump()
  }

  #isFull(): boolean {
    const { segmentBytes, segmentMs, clock } = this.#at
    return this.#size >= segmentBytes || clock.now() - this.#openedAt >= segmentMs
  }

  async #complete(file: DiskFile): Promise<void> {
    await this.#syncing
    await this.#sync()
    if (this.#file !== file) return
    this.#file = undefined
    file.close()
    this.#at.catalog.end()
    this.#hooks.completed(this.#segment!)
  }

  /** Brings what has been written so far to safety. */
  #sync(): Promise<void> {
    const file = this.#file
    const reached = { size: this.#size, seq: this.#written }
    if (!file || reached.size === this.#safe.size) return Promise.resolve()
    this.#syncing ??= file
      .sync()
      .then(
        () => {
          if (this.#file === file) this.#safe = reached
        },
        error => this.#fail(asError(error)),
      )
      .finally(() => {
        this.#syncing = undefined
      })
    return this.#syncing
  }

  /** Looks at the disk every `syncMs`: brings what was written to safety, and sees whether it keeps up. */
  #watch(): void {
    this.#syncTimer?.cancel()
    const tick = () => {
      this.#syncTimer = this.#at.clock.setTimeout(tick, this.#at.syncMs, 'idle')
      if (this.#busy && this.#lostFrom === undefined && this.#at.ring.first > this.#taken + 1) {
        this.#lose(new Error('the disk does not keep up'), this.#taken + 1)
      }
      void this.#sync()
    }
    this.#syncTimer = this.#at.clock.setTimeout(tick, this.#at.syncMs, 'idle')
  }

  /** Events have left the ring before they could be written. */
  #overtaken(): void {
    this.#lose(new Error('the disk does not keep up'), this.#taken + 1)
    this.#resume()
    this.#pump()
  }

  /**
   * The disk refuses. What it has not brought to safety may be gone too, so the file is cut there, and nothing is
   * recorded until the disk takes something again.
   */
  #fail(error: Error): void {
    if (this.#closed) return
    this.#busy = false
    const [file, segment] = [this.#file, this.#segment]
    this.#file = undefined
    if (file && segment) {
      const { size, seq } = this.#safe
      this.#index.splice(0, this.#index.length, ...this.#index.filter(e => e.offset < size))
      this.#previous = seq
      this.#at.catalog.end()
      void this.#abandon(file, segment, size)
    }
    this.#taken = this.#written
    if (this.#lostFrom === undefined) this.#lose(error, this.#previous + 1)
    this.#closing?.()
    this.#timer?.cancel()
    this.#timer = this.#at.clock.setTimeout(() => void this.#retry(), RETRY_MS, 'idle')
  }

  async #abandon(file: DiskFile, segment: Segment, size: number): Promise<void> {
    try {
      if (size > 0) await file.truncate(size)
      else await this.#at.disk.remove(segment.path)
    } catch {
      // The disk refuses this too. What stands behind the safe part is whole blocks or none, and a reader copes.
    }
    if (size === 0) this.#at.catalog.remove(segment)
    file.close()
  }

  async #retry(): Promise<void> {
    const { disk, folder, ring, numbers } = this.#at
    const path = `${segmentPath(folder, this.#taken)}.probe`
    try {
      await numbers.reserve(ring.last + STEP)
      await disk.remove(path)
      const file = await disk.create(path)
      try {
        await new Promise<void>((resolve, reject) => {
          file.write(PROBE, PROBE.length, 0, error => (error ? reject(error) : resolve()))
        })
        await file.sync()
      } finally {
        file.close()
        await disk.remove(path)
      }
    } catch (error) {
      this.#fail(asError(error))
      return
    }
    if (this.#closed) return
    this.#resume()
    this.#pump()
  }

  #lose(error: Error, from: number): void {
    this.#lostFrom = from
    this.#hooks.failed(error, from)
  }

  /** Goes on with the next event; those since the failure are lost to the disk. */
  #resume(): void {
    const from = this.#lostFrom!
    this.#lostFrom = undefined
    const to = this.#at.ring.last
    this.#taken = this.#written = to
    // Numbers do not go on in this file, so another one has to begin.
    this.#openedAt = Number.NEGATIVE_INFINITY
    this.#hooks.resumed(from, to)
  }
}
