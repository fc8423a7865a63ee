import type { Cell } from './bars-cell.ts'
import type { ParsedSize } from './bars-interval.ts'

/** Longest of the bars that are put on a shelf, ms, and what their length has to divide. */
const SHORT_MS = 10_000
const MINUTE_MS = 60_000

/** Places in a record. */
const FROM = 0
const FIRST = 1
const REVISION = 2
const CLOSE = 3
const RECORD = 4

/** Records there is room for at first. A power of two. */
const FIRST_ROOM = 8

/**
 * Bars that were sent and are not likely to change, oldest first, without their sums: those can be had again from the log
 * while all of their trades stand there, and what else was sent with them. There are so many of them that it counts how little of each is kept.
 */
export class Shelf {
  #data = new Float64Array(RECORD * FIRST_ROOM)
  #room = FIRST_ROOM
  /** When the oldest begins; `Infinity` when there is none. Kept at hand: its record was last touched minutes ago. */
  oldest = Number.POSITIVE_INFINITY
  /** The oldest one's place, counted from the first of all. */
  #head = 0
  #tail = 0

  put({ from, first, revision, close }: Cell): void {
    if (this.#tail - this.#head === this.#room) this.#grow()
    const data = this.#data
    const at = this.#at(this.#tail++)
    data[at + FROM] = from
    data[at + FIRST] = first
    data[at + REVISION] = revision
    data[at + CLOSE] = close
    if (this.oldest === Number.POSITIVE_INFINITY) this.oldest = from
  }

  /** Where the bar lies that begins at a moment; -1 when there is none. */
  find(from: number): number {
    for (let place = this.#tail - 1; place >= this.#head; place--) {
      if (this.#data[this.#at(place) + FROM] === from) return place
    }
    return -1
  }

  /** The oldest whose trades do not all have this number or a later one; -1 when there is none. */
  findBefore(number: number): number {
    for (let place = this.#head; place < this.#tail; place++) {
      if (this.#data[this.#at(place) + FIRST]! < number) return place
    }
    return -1
  }

  /** Takes the oldest of another one over. */
  putOldest(other: Shelf): void {
    if (this.#tail - this.#head === this.#room) this.#grow()
    const from = other.#at(other.#head)
    this.#data.set(other.#data.subarray(from, from + RECORD), this.#at(this.#tail++))
    if (this.oldest === Number.POSITIVE_INFINITY) this.oldest = other.oldest
    other.shift()
  }

  /** Lets the oldest go. */
  shift(): void {
    this.#head++
    this.oldest = this.#head === this.#tail ? Number.POSITIVE_INFINITY : this.from(this.#head)
  }

  from(place: number): number {
    return this.#data[this.#at(place) + FROM]!
  }

  /** Takes one off, into a cell that has begun where it does. */
  take(place: number, cell: Cell): void {
    const data = this.#data
    const at = this.#at(place)
    cell.first = data[at + FIRST]!
    cell.revision = data[at + REVISION]!
    cell.close = data[at + CLOSE]!
    if (place === this.#head) {
      this.shift()
      return
    }
    for (let next = place + 1; next < this.#tail; next++) {
      const from = this.#at(next)
      data.copyWithin(this.#at(next - 1), from, from + RECORD)
    }
    this.#tail--
  }

  #at(place: number): number {
    return (place & (this.#room - 1)) * RECORD
  }

  #grow(): void {
    const larger = new Float64Array(this.#data.length * 2)
    const room = this.#room * 2
    for (let place = this.#head; place < this.#tail; place++) {
      const at = this.#at(place)
      larger.set(this.#data.subarray(at, at + RECORD), (place & (room - 1)) * RECORD)
    }
    this.#data = larger
    this.#room = room
  }
}

/** The length of bars that may go on a shelf, ms; 0 for those that are not short, or do not begin alike in every zone. */
export function shortOf(size: ParsedSize): number {
  return size.by === 'time' && size.ms <= SHORT_MS && MINUTE_MS % size.ms === 0 ? size.ms : 0
}
