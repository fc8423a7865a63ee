import type { Bar } from '../market/events.ts'
import { type Folds, type Prices, tidy } from './bars-fold.ts'
import type { TradeLog } from './bars-log.ts'
import type { Track } from './bars-track.ts'

/** Not to be sent until something changes it. */
export const SETTLED = Number.POSITIVE_INFINITY

/** Instead of a row. */
const NONE = -1

/**
 * One bar in the making, or made and still open to revision. What is let go is used again: bars live so long that new
 * objects for each would cost more than all trades in them.
 */
export class Cell {
  /** Of its sums; what belongs to it is said there: in venue time, or in numbers of the log. */
  readonly row: number
  track: Track | undefined
  /** Number of its first trade. */
  first = 0
  /** When it was over: venue time, or for bars by what they hold the tape time. */
  to = 0
  /** The time it bears. */
  stamp = 0
  /** Below that. */
  nanos = 0
  /** Tape time at which it is to be sent. */
  dueAt = SETTLED
  /** As last sent: -1 before. */
  revision = -1
  /** As last sent; what else was is of no use before that. */
  close = 0
  #open = 0
  #high = 0
  #low = 0
  #volume = 0
  #vwap = Number.NaN
  #count = 0
  readonly #folds: Folds
  /** What it held when the older half of the log began, and when the younger one did. */
  #base = NONE
  #middle = NONE

  constructor(folds: Folds) {
    this.#folds = folds
    this.row = folds.take()
  }

  begin(track: Track, stamp: number, from: number, to: number, until: number, first: number): void {
    this.#folds.begin(this.row, from, until)
    this.track = track
    this.first = first
    this.to = to
    this.stamp = stamp
    this.nanos = 0
    this.dueAt = SETTLED
    this.revision = -1
    this.close = 0
  }

  /** Takes a bar down as sent; false when it says what was sent last. */
  send({ open, high, low, close, volume, vwap = Number.NaN, tradeCount = 0, revision }: Bar) {
    if (
      this.revision >= 0 &&
      close === this.close &&
      volume === this.#volume &&
      tradeCount === this.#count &&
      open === this.#open &&
      high === this.#high &&
      low === this.#low &&
      Object.is(vwap, this.#vwap)
    ) {
      return false
    }
    this.revision = revision
    this.close = close
    this.#volume = volume
    this.#count = tradeCount
    this.#open = open
    this.#high = high
    this.#low = low
    this.#vwap = vwap
    return true
  }

  /** Nothing has changed since it was sent: what it holds is what was. */
  recall(): void {
    if (this.revision < 0) return
    const [folds, row] = [this.#folds, this.row]
    const { open, high, low } = this.isPriced ? folds.prices(row) : flat(this.close)
    this.#open = open
    this.#high = high
    this.#low = low
    this.#volume = tidy(folds.volume(row))
    this.#vwap = folds.vwap(row) ?? Number.NaN
    this.#count = folds.count(row)
  }

  /** Nothing is to be done to it until something changes it. */
  settle(): void {
    this.dueAt = SETTLED
    this.#folds.setIdle(this.row, true)
  }

  get from(): number {
    return this.#folds.from(this.row)
  }

  get until(): number {
    return this.#folds.until(this.row)
  }

  get isPriced(): boolean {
    return this.#folds.isPriced(this.row)
  }

  holds(place: number): boolean {
    return this.#folds.holds(this.row, place)
  }

  /** Whether all of its trades are in the log. */
  get isLogged(): boolean {
    return this.#base === NONE
  }

  /** The log is about to let its older half go. */
  turn(): void {
    if (this.#base !== NONE) this.#folds.release(this.#base)
    this.#base = this.#middle
    this.#middle = this.#copy()
  }

  /** Before it is summed up again, from what the log holds now: back to what came before that. */
  rewind(): void {
    const folds = this.#folds
    if (this.#base === NONE) folds.clear(this.row)
    else folds.copy(this.#base, this.row)
    if (this.#middle !== NONE) folds.release(this.#middle)
    this.#middle = NONE
  }

  /** Takes the next trade of those in the log, when it is summed up again. */
  retake(number: number, log: TradeLog, day: boolean): void {
    if (number >= log.middle) this.keepMiddle(log)
    log.sum(number, day, this.#folds, this.row)
  }

  /** What it holds is what it held when the younger half of the log began, if it was there. */
  keepMiddle(log: TradeLog): void {
    if (this.#middle === NONE && this.first < log.middle) this.#middle = this.#copy()
  }

  /** Gives back what it no longer needs. */
  end(): void {
    if (this.#base !== NONE) this.#folds.release(this.#base)
    if (this.#middle !== NONE) this.#folds.release(this.#middle)
    this.#base = this.#middle = NONE
  }

  #copy(): number {
    const row = this.#folds.take()
    this.#folds.copy(this.row, row)
    return row
  }
}

/** Bars to be used again. */
export class Cells {
  readonly #folds: Folds
  readonly #free: Cell[] = []

  constructor(folds: Folds) {
    this.#folds = folds
  }

  take(): Cell {
    return this.#free.pop() ?? new Cell(this.#folds)
  }

  release(cell: Cell): void {
    cell.end()
    this.#free.push(cell)
  }
}

/** A bar that only repeats a price. */
export const flat = (close: number): Prices => ({ open: close, high: close, low: close, close })
