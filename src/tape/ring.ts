import { CompactEvents } from '../market/compact.ts'
import { type MarketEvent, stampSeq } from '../market/events.ts'

/** The newest events are at hand as objects: few enough that most are young garbage when they leave. A power of two. */
const YOUNG = 2_048
/** Events there is room for at first; a quiet tape needs no more. A power of two. */
const FIRST_CAPACITY = 2_048

/** Consecutive events in an array. */
export interface Stretch {
  readonly events: readonly MarketEvent[]
  readonly from: number
  readonly count: number
}

/** The last events of a tape, by number. */
export class Ring {
  /** Number of the newest event. */
  last: number
  /** Number before the oldest event it ever held: it may have begun in the middle of a tape. */
  readonly #begin: number
  readonly #size: number
  readonly #young: MarketEvent[]
  readonly #all: CompactEvents

  /** `capacity` is rounded up to a power of two; the first event gets the number `begin + 1`. */
  constructor(capacity: number, begin = 0) {
    this.#size = 2 ** Math.ceil(Math.log2(capacity))
    this.#young = new Array(Math.min(YOUNG, this.#size)).fill(undefined)
    this.#all = new CompactEvents(Math.min(FIRST_CAPACITY, this.#size))
    this.last = begin
    this.#begin = begin
  }

  /** Number of the oldest event held; one above `last` when there is none. */
  get first(): number {
    return Math.max(this.#begin, this.last - this.#size) + 1
  }

  append(batch: readonly MarketEvent[]): void {
    for (let i = 0; i < batch.length; i++) {
      const event = batch[i]!
      stampSeq(event, ++this.last)
      if (this.last - this.#begin > this.#all.capacity && this.#all.capacity < this.#size) {
        this.#all.double()
      }
      this.put(this.last, event)
    }
  }

  /** The event of a number between `first` and `last`. */
  at(seq: number): MarketEvent {
    if (this.#isYoung(seq)) return this.#young[seq & (this.#young.length - 1)]!
    const event = this.#all.get(this.#slot(seq))
    if (event.seq === undefined) stampSeq(event, seq)
    return event
  }

  /** Up to `most` events from a number between `first` and `last` on: at least one. */
  stretch(seq: number, most: number): Stretch {
    const young = this.#young
    if (this.#isYoung(seq)) {
      const from = seq & (young.length - 1)
      const count = Math.min(most, this.last - seq + 1, young.length - from)
      return { events: young, from, count }
    }
    const count = Math.min(most, this.last - young.length - seq + 1)
    const events = Array.from({ length: count }, (_, i) => this.at(seq + i))
    return { events, from: 0, count }
  }

  /** Puts an event in the place of a number between `first` and `last`. */
  put(seq: number, event: MarketEvent): void {
    if (this.#isYoung(seq)) this.#young[seq & (this.#young.length - 1)] = event
    this.#all.put(this.#slot(seq), event)
  }

  /** The number of the first event received at or after a time; one above `last` when there is none. */
  firstAt(time: number): number {
    let seq = this.first
    while (seq <= this.last && this.#all.receivedAt(this.#slot(seq)) < time) seq++
    return seq
  }

  #isYoung(seq: number): boolean {
    return seq > this.last - this.#young.length
  }

  #slot(seq: number): number {
    return (seq - this.#begin - 1) & (this.#all.capacity - 1)
  }
}
