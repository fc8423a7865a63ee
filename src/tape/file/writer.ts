import type { Clock, Timer } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import { createEvent } from '../../market/events.ts'
import { RowEncoder } from '../../market/rows.ts'
import type { Ring, Stretch } from '../ring.ts'
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
  /** A segment has been begun, with the event of this number. */
  begun(first: number): void
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
  /** A write under way, and what waits for one to end whose file has been given up. */
  #writing = false
  readonly #landed = new Map<DiskFile, () => void>()
  /** Files given up that are not closed yet, and a look at a disk that has failed. */
  #leaving: Promise<unknown> = Promise.resolve()
  #retrying: Promise<void> | undefined
  /** Failures so far: what was begun before one must not go on behind it. */
  #failures = 0
  /** Set once another process has taken the tape over. */
  #isForsaken = false
  /** Why no more can be written. */
  #refused: Error | undefined
  #closed = false
  /** Number of the first event that is not on the disk, since the disk failed or fell behind. */
  #lostFrom: number | undefined
  /** What earlier failures have left out, in order. */
  #holes: readonly { readonly from: number; readonly to: number }[] = []
  #timer: Timer | undefined
  #syncTimer: Timer | undefined
  #closing: (() => void) | undefined

  constructor(options: WriterOptions, hooks: WriterHooks) {
    this.#at = options
    this.#hooks = hooks
    this.#taken = options.ring.last
    // What an unclean end leaves open is told by a notice: nobody goes on behind it before that is written.
    this.#written = options.previous
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

  /** How many events are not on the disk, and will not be. */
  get unrecorded(): number {
    const { last } = this.#at.ring
    const holes = this.#lostFrom === undefined ? this.#holes : this.#withHole(this.#lostFrom, last)
    return holes.reduce((sum, { from, to }) => sum + to - from + 1, 0)
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
      this.#closing = () => {
        this.#closed = true
        resolve()
      }
      this.#pump()
    })
    this.#timer?.cancel()
    this.#syncTimer?.cancel()
    await this.#retrying
    await this.#leaving
    // One under way may not bring the last blocks to safety.
    await this.#syncing
    await this.#sync()
    this.#file?.close()
    this.#at.catalog.end()
  }

  /**
   * Another process records to the tape now: the files are its own, and nothing here writes to them, cuts them or promises
   * a number any more. What the thread pool has under way cannot be taken back.
   */
  forsake(error: Error): void {
    if (this.#closed || this.#isForsaken) return
    this.#isForsaken = true
    this.#failures++
    this.#refused = undefined
    this.#timer?.cancel()
    this.#syncTimer?.cancel()
    const file = this.#file
    this.#file = undefined
    if (file) {
      this.#at.catalog.end()
      const landed = this.#writing ? this.#landing(file) : undefined
      const left = Promise.all([landed, this.#syncing]).then(() => file.close())
      this.#leaving = Promise.all([this.#leaving, left])
    }
    this.#busy = this.#writing = false
    this.#taken = this.#written
    // Also where the disk had failed before: nobody is to wait for it any more.
    this.#lose(error, this.#lostFrom ?? this.#written + 1)
    this.#closing?.()
  }

  #pump(): void {
    if (this.#busy) return
    const { ring, numbers } = this.#at
    if (this.#lostFrom !== undefined) {
      this.#closing?.()
      return
    }
    if (this.#refused) {
      this.#busy = true
      void this.#surrender(this.#refused)
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
      void this.#begin(this.#failures)
      return
    }
    const most = Math.min(end - this.#taken, MOST_EVENTS)
    this.#write(this.#file, ring.stretch(this.#taken + 1, most))
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
        error => {
          this.#refused = asError(error)
          this.schedule()
        },
      )
  }

  #write(file: DiskFile, { events, from, count }: Stretch): void {
    const first = this.#taken + 1
    const header = this.#size === 0
    const whole = header || this.#size - this.#wholeAt >= WHOLE_EVERY
    let payload: Uint8Array
    try {
      payload = this.#encoder.encode(events, from, from + count, whole)
    } catch (error) {
      if (count > 1) this.#write(file, { events, from, count: count >> 1 })
      else this.#replace(asError(error))
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
    this.#busy = this.#writing = true
    file.write(bytes, length, this.#size, error => {
      // A failed sync may have taken the file away meanwhile.
      if (this.#file !== file) {
        this.#landed.get(file)?.()
        return
      }
      this.#busy = this.#writing = false
      if (error) {
        this.#refused = error
        this.#pump()
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
  #replace(error: Error): void {
    const now = this.#at.clock.now()
    const seq = this.#taken + 1
    const message = `event ${seq} could not be recorded: ${error.message}`
    const range = { seq, from: seq, to: seq, count: 1, code: 'BAD_EVENT' }
    const time = { timestamp: Math.floor(now), receivedAt: now }
    const notice = createEvent({ type: 'notice', notice: 'lost', message, ...time, ...range })
    this.#at.ring.put(seq, notice)
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
  async #begin(failures: number): Promise<void> {
    try {
      if (this.#file) await this.#complete(this.#file)
      if (failures !== this.#failures) return
      // The ring may have moved on meanwhile, before the file is there or while it is made.
      if (this.#lostFrom !== undefined) this.#resume()
      const first = this.#taken + 1
      const segment = { path: segmentPath(this.#at.folder, first), first }
      this.#openedAt = this.#at.clock.now()
      const file = await this.#at.disk.create(segment.path)
      if (failures === this.#failures && this.#lostFrom === undefined) this.#opened(file, segment)
      else {
        file.close()
        await this.#at.disk.remove(segment.path)
        if (failures !== this.#failures) return
        this.#resume()
      }
      this.#busy = false
      this.#pump()
    } catch (error) {
      // One that has failed before is over, whatever it ends with.
      if (failures === this.#failures) this.#fail(asError(error))
    }
  }

  #opened(file: DiskFile, segment: Segment): void {
    this.#file = file
    this.#segment = segment
    this.#encoder = new RowEncoder()
    this.#index = []
    this.#size = this.#wholeAt = 0
    this.#safe = { size: 0, seq: this.#previous }
    this.#at.catalog.begin(segment, this.#header(segment.first), this.#index)
    this.#watch()
    this.#hooks.begun(segment.first)
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
        error => {
          if (this.#file === file) this.#fail(asError(error))
        },
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
        this.#fallBehind()
      }
      void this.#sync()
    }
    this.#syncTimer = this.#at.clock.setTimeout(tick, this.#at.syncMs, 'idle')
  }

  #fallBehind(): void {
    // What is under way will be there. Else it is all behind the file: a notice that told of a hole may be lost itself.
    const last = this.#writing ? this.#taken : this.#previous
    this.#lose(new Error('the disk does not keep up'), last + 1)
  }

  /** Events have left the ring before they could be written. */
  #overtaken(): void {
    this.#fallBehind()
    this.#resume()
    this.#pump()
  }

  /** The disk takes no more. What it has taken others may have seen: that is brought to safety before, if it can be. */
  async #surrender(error: Error): Promise<void> {
    const failures = this.#failures
    await this.#syncing
    if (failures === this.#failures) await this.#sync()
    if (failures === this.#failures) this.#fail(error)
  }

  /**
   * The disk refuses. What it has not brought to safety may be gone too, so the file is cut there, and nothing is
   * recorded until the disk takes something again.
   */
  #fail(error: Error): void {
    if (this.#isForsaken) return
    if (this.#closed) {
      this.#lostFrom ??= this.#safe.seq + 1
      return
    }
    this.#failures++
    this.#refused = undefined
    const [file, segment] = [this.#file, this.#segment]
    this.#file = undefined
    if (file && segment) {
      const { size, seq } = this.#safe
      this.#index.splice(0, this.#index.length, ...this.#index.filter(e => e.offset < size))
      this.#previous = seq
      this.#at.catalog.end()
      const landed = this.#writing ? this.#landing(file) : Promise.resolve()
      const left = landed.then(() => this.#abandon(file, segment, size))
      this.#leaving = Promise.all([this.#leaving, left])
    }
    this.#busy = this.#writing = false
    this.#taken = this.#written
    const from = this.#previous + 1
    if (this.#lostFrom === undefined) this.#lose(error, from)
    // What was cut off is lost as well.
    else this.#lostFrom = Math.min(this.#lostFrom, from)
    this.#closing?.()
    if (this.#closed) return
    this.#timer?.cancel()
    this.#timer = this.#at.clock.setTimeout(
      () => {
        this.#retrying = this.#retry()
      },
      RETRY_MS,
      'idle',
    )
  }

  /** Resolves when the write under way has ended: it has the bytes and the file until then. */
  #landing(file: DiskFile): Promise<void> {
    this.#bytes = Buffer.allocUnsafe(65_536)
    return new Promise(resolve => {
      this.#landed.set(file, () => {
        this.#landed.delete(file)
        resolve()
      })
    })
  }

  async #abandon(file: DiskFile, segment: Segment, size: number): Promise<void> {
    if (size === 0) this.#at.catalog.remove(segment)
    try {
      try {
        if (size > 0) await file.truncate(size)
        else await this.#at.disk.remove(segment.path)
      } finally {
        file.close()
      }
    } catch {
      // The disk refuses this too. What stands behind the safe part is whole blocks or none, and a reader copes.
    }
    if (size > 0) this.#hooks.completed(segment)
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
    if (this.#closed || this.#isForsaken) return
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
    this.#holes = this.#withHole(from, to)
    this.#taken = to
    // A number that is not promised may be given out again after an unclean end.
    this.#written = Math.max(this.#written, Math.min(to, this.#at.numbers.reserved))
    // Numbers do not go on in this file, so another one has to begin.
    this.#openedAt = Number.NEGATIVE_INFINITY
    this.#hooks.resumed(from, to)
  }

  /** A hole may reach back over earlier ones: what was written behind them is cut off with a file that failed. */
  #withHole(from: number, to: number) {
    return [...this.#holes.filter(hole => hole.to < from), { from, to }]
  }
}
