import { Books } from '../derive/books.ts'
import type { OrderBook } from '../derive/order-book.ts'
import type { Book, MarketEvent } from '../market/events.ts'

/** How long a book goes on by deltas alone before it stands on the tape whole once more, ms of receive time. */
export const KEYFRAME_MS = 60_000

/** Where a book stands on the tape whole for the last time: receive time and number. */
interface Place {
  readonly at: number
  readonly seq: number
}

/**
 * Puts whole books on a tape between their deltas, so that who begins to read in the middle comes to know them. They follow
 * from what has been appended; a book that is not whole has none.
 */
export class Keyframes {
  readonly #append: (frames: readonly MarketEvent[]) => void
  readonly #books = new Books()
  readonly #places = new Map<OrderBook, Place>()
  /** Receive time of the newest part of any book. */
  #now = 0
  /** Number of the last keyframe that a beginning file asked for. */
  #framedTo = 0

  /** `append` numbers them, as anything else. */
  constructor(append: (frames: readonly MarketEvent[]) => void) {
    this.#append = append
  }

  /** Looks at what has been appended, and appends what is due behind it. */
  follow(batch: readonly MarketEvent[]): void {
    let due: Set<OrderBook> | undefined
    for (let i = 0; i < batch.length; i++) {
      const event = batch[i]!
      if (event.type === 'notice') this.#books.accept(event)
      if (event.type !== 'book') continue
      const book = this.#books.apply(event)
      this.#now = event.receivedAt
      if (event.snapshot) this.#places.set(book, { at: this.#now, seq: event.seq! })
      else if (book.synced) {
        // A clock may be set back.
        const since = Math.abs(this.#now - (this.#places.get(book)?.at ?? this.#now))
        if (since >= KEYFRAME_MS) due = (due ?? new Set()).add(book)
      }
    }
    if (due) this.#put(due)
  }

  /**
   * A file begins, with the number `first`: whoever reads it alone is to know the books. Where they fill a file by themselves,
   * the next one goes on with them and not from their start, or there would be no end.
   */
  begin(first: number): void {
    if (first <= this.#framedTo) return
    const missing = [...this.#books].filter(book => (this.#places.get(book)?.seq ?? 0) < first)
    this.#framedTo = this.#put(missing) ?? this.#framedTo
  }

  /** Appends the books that are whole; returns the number of the last. */
  #put(books: Iterable<OrderBook>): number | undefined {
    const frames: Book[] = []
    const framed: OrderBook[] = []
    for (const book of books) {
      const frame = book.snapshot(this.#now)
      if (!frame) continue
      frames.push(frame)
      framed.push(book)
    }
    if (frames.length === 0) return undefined
    this.#append(frames)
    for (const [i, book] of framed.entries()) {
      this.#places.set(book, { at: this.#now, seq: frames[i]!.seq! })
    }
    return frames.at(-1)?.seq
  }
}
