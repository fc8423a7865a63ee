import { type Book, createEvent, type MarketEvent, READER_NOTICES } from '../../market/events.ts'
import type { Selection } from './selection.ts'

/** Where a replay stands: behind the event of this number, or before the first one received at or after `time`. */
export interface Place {
  readonly time: number
  readonly seq?: number
}

export interface CursorOptions {
  /** @default the beginning of the selection */
  readonly place: Place | undefined
  /** Longest quiet stretch of the tape that is kept, ms. */
  readonly maxQuietMs: number
  /** Source of the notices that the replay adds. */
  readonly source: string
  /** Somebody wants books: where it begins in the middle, they come whole first. */
  readonly books: boolean
}

/**
 * How far an event may stand back behind the one before it and still belong to the same time, ms: two sources of one
 * tape. Beyond that the recording machine's clock was set, and what follows is counted from there.
 */
const SAME_TIME_MS = 1_000

/**
 * Reads the selected part of a tape, one batch at a time and only when asked to. It says of each event how many ms
 * into the replay it belongs (`offsets`), counted from the first one; they never fall.
 */
export class TapeCursor {
  /** The batch being played. */
  events: readonly MarketEvent[] = []
  /** When each of them belongs, ms. */
  offsets: readonly number[] = []
  /** The next one to be played. */
  at = 0
  /** There is no batch behind this one. */
  ended = false
  readonly #selection: Selection
  readonly #options: CursorOptions
  readonly #steps: AsyncIterator<MarketEvent[]>
  readonly #stop = new AbortController()
  /** Books as they stood before the first event, until that comes. */
  readonly #whole: Book[] = []
  #offset = 0
  /** `receivedAt` of the last event that is no tick of the clock, and its offset. */
  #mark: number | undefined
  #markOffset = 0
  /** Offset of the last event before this batch. */
  #base = 0
  /** Where it stood before this batch. */
  #before: Place | undefined
  /** Played before this reading began: everything up to this number. */
  #played: number | undefined
  /** The event of that number is still there, so nothing behind it is missing. */
  #joined = false

  constructor(selection: Selection, options: CursorOptions) {
    this.#selection = selection
    this.#options = options
    this.#before = options.place
    this.#played = options.place?.seq
    const time = options.place?.time ?? selection.from
    this.#steps = selection.tape
      .read({
        from: time === undefined ? 'start' : { time },
        topics: selection.topics,
        // Who goes on has them already.
        ...(options.books && options.place?.seq === undefined && { books: true }),
        live: false,
        signal: this.#stop.signal,
      })
      [Symbol.asyncIterator]()
  }

  /** Behind the last event played. */
  get place(): Place | undefined {
    for (let i = this.at - 1; i >= 0; i--) {
      const { receivedAt: time, seq } = this.events[i]!
      if (seq !== undefined) return { time, seq }
    }
    return this.#before
  }

  /** Offset of the last event played. */
  get played(): number {
    return this.at > 0 ? this.offsets[this.at - 1]! : this.#base
  }

  /** Takes the next batch, which may be empty, or learns that it has `ended`. Rejects with what the tape throws. */
  async fill(): Promise<void> {
    const { done, value } = await this.#steps.next()
    this.#before = this.place
    this.#base = this.played
    this.events = []
    this.offsets = []
    this.at = 0
    if (done) this.ended = true
    else this.#take(value)
  }

  /** Lets go of the tape; resolves when it is released. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#steps.return?.()
  }

  #take(batch: readonly MarketEvent[]): void {
    const events: MarketEvent[] = []
    const offsets: number[] = []
    const add = (event: MarketEvent) => {
      events.push(event)
      offsets.push(this.#offset)
    }
    for (const event of batch) {
      if (event.type === 'notice' && (READER_NOTICES as readonly string[]).includes(event.notice)) {
        // That the replay lets the tape wait is no news; that the tape cannot serve it must be told.
        if (event.notice !== 'lagging') add(this.#lost(event, event.message, event.notice, event))
        continue
      }
      const hole = this.#rejoin(event)
      if (this.#played !== undefined) continue
      if (event.receivedAt >= this.#selection.to) {
        this.ended = true
        break
      }
      if (hole) add(hole)
      if (event.type === 'notice' && !this.#selection.concerns(event)) continue
      if (event.type === 'book' && event.seq === undefined) {
        this.#whole.push(event)
        continue
      }
      this.#measure(event)
      // They are of before it, and nothing is to wait for the time since.
      for (const whole of this.#whole.splice(0)) {
        add(createEvent({ ...whole, receivedAt: event.receivedAt }))
      }
      add(event)
    }
    this.events = events
    this.offsets = offsets
  }

  /** Passes over what was played before; returns a notice when the tape no longer knows where that was. */
  #rejoin(event: MarketEvent): MarketEvent | undefined {
    const played = this.#played
    if (played === undefined) return undefined
    const seq = event.seq ?? played + 1
    if (seq <= played) {
      this.#joined ||= seq === played
      return undefined
    }
    this.#played = undefined
    if (this.#joined || seq === played + 1) return undefined
    const range = { from: played + 1, to: seq - 1, count: seq - 1 - played }
    const message = `up to ${range.count} events are no longer held: the replay was away`
    return this.#lost(event, message, 'skipped', range)
  }

  #measure(event: MarketEvent): void {
    const time = event.receivedAt
    const step = time - (this.#mark ?? time)
    const offset = this.#markOffset + Math.min(step, this.#options.maxQuietMs)
    this.#offset = Math.max(this.#offset, offset)
    // A quiet stretch stays one although the recorder notes each second of it.
    const tick = event.type === 'notice' && event.notice === 'clock'
    if (tick && step >= 0 && this.#mark !== undefined) return
    if (step < 0 && step >= -SAME_TIME_MS) return
    this.#mark = time
    this.#markOffset = this.#offset
  }

  /** A notice before `next`, in the time of the tape where one is known. */
  #lost(
    next: MarketEvent,
    message: string,
    code: string,
    range: { from: number | undefined; to: number | undefined; count: number | undefined },
  ): MarketEvent {
    const time = this.#mark ?? this.place?.time ?? this.#selection.from ?? next.receivedAt
    return createEvent({
      ...{ type: 'notice', notice: 'lost', source: this.#options.source },
      ...{ timestamp: Math.floor(time), receivedAt: time },
      ...{ message: `the tape lacks a part of this replay: ${message}`, code },
      ...{ from: range.from, to: range.to, count: range.count },
    })
  }
}
