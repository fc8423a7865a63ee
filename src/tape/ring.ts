import { type MarketEvent, stampSeq } from '../market/events.ts'

/** The last events of a tape, by number. */
export class Ring {
  /** The event `seq` stands at `seq & mask`; for writers that take whole stretches. */
  readonly slots: (MarketEvent | undefined)[]
  readonly mask: number
  /** Number of the newest event. */
  last: number
  /** Number before the oldest event it ever held: it may have begun in the middle of a tape. */
  readonly #begin: number

  /** `capacity` is rounded up to a power of two; the first event gets the number `begin + 1`. */
  constructor(capacity: number, begin = 0) {
    const size = 2 ** Math.ceil(Math.log2(capacity))
    this.slots = new Array(size).fill(undefined)
    this.mask = size - 1
    this.last = begin
    this.#begin = begin
  }

  /** Number of the oldest event held; one above `last` when there is none. */
  get first(): number {
    return Math.max(this.#begin, this.last - this.slots.length) + 1
  }

  append(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      stampSeq(event, ++this.last)
      this.slots[this.last & this.mask] = event
    }
  }

  /** The event of a number between `first` and `last`. */
  at(seq: number): MarketEvent {
    return this.slots[seq & this.mask]!
  }

  /** The number of the first event received at or after a time; one above `last` when there is none. */
  firstAt(time: number): number {
    let seq = this.first
    while (seq <= this.last && this.at(seq).receivedAt < time) seq++
    return seq
  }
}
