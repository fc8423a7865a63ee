import type { Agenda } from './bars-agenda.ts'
import { type Cell, type Cells, flat, SETTLED } from './bars-cell.ts'
import type { Folds, Prices } from './bars-fold.ts'
import type { Holes } from './bars-holes.ts'
import type { Edges, Grid, ParsedSize } from './bars-interval.ts'
import type { TradeLog } from './bars-log.ts'
import { Shelf } from './bars-shelf.ts'
import type { State } from './bars-state.ts'

/** Mostly there is none, each time a bar is sent. */
const NO_CELLS: readonly Cell[] = []

/** Bars let go at a time. */
const MUCH = 32

/** The last nanosecond of a millisecond. */
const LAST_NANOS = 999_999
/** How far the venue's clock may be ahead of the tape's, ms. */
const AHEAD_MS = 60_000

/** What all tracks of a builder have in common. */
export interface Parts {
  readonly folds: Folds
  readonly cells: Cells
  readonly log: TradeLog
  readonly agenda: Agenda
  readonly holes: Holes
  /** Bars without a price repeat the close before them. */
  readonly fills: boolean
}

/** The bars of one size of one symbol. */
export class Track {
  readonly state: State
  /** Among those of its symbol. */
  readonly place: number
  readonly size: ParsedSize
  /** Of bars by time. */
  readonly grid: Grid | undefined
  readonly day: boolean
  readonly by: 'time' | 'number'
  /** Length of bars that go on the shelf, ms; 0 where they do not. */
  readonly shortMs: number
  readonly #folds: Folds
  readonly #cells: Cells
  readonly #log: TradeLog
  readonly #agenda: Agenda
  readonly #holes: Holes
  readonly #fills: boolean
  readonly #shelf = new Shelf()
  /** What of it a hole has kept: there may be much. */
  #aside: Shelf | undefined
  #current: Cell | undefined
  /** Of the sums of the newest; -1 while there is none. */
  row = -1
  /** Those before it that can still change, by time, but for what is on the shelf. */
  older: Cell[] = []
  /** What is before this has been let go. */
  #floor = Number.NEGATIVE_INFINITY
  /** The close of the last sent bar that has been let go, and where that began. */
  #floorClose: number | undefined
  #floorCloseAt = Number.NEGATIVE_INFINITY
  /** How many of the older ones, the first, have been kept for a hole, about. */
  #kept = 0
  /** The time that the last bar by what it holds bears; of those dated far ahead by itself. */
  #bears = NEVER
  #bearsAhead = NEVER
  /** Tape time of the last forming bar. */
  formedAt = Number.NEGATIVE_INFINITY

  constructor(
    state: State,
    size: ParsedSize,
    grid: Grid | undefined,
    shortMs: number,
    { folds, cells, log, agenda, holes, fills }: Parts,
  ) {
    this.state = state
    this.place = state.tracks.length
    this.size = size
    this.grid = grid
    this.by = grid ? 'time' : 'number'
    this.shortMs = shortMs
    this.#folds = folds
    this.#cells = cells
    this.#log = log
    this.#agenda = agenda
    this.#holes = holes
    this.#fills = fills
    this.day = size.by === 'time' && size.day
  }

  /** The newest. */
  get current(): Cell | undefined {
    return this.#current
  }

  set current(cell: Cell | undefined) {
    this.#current = cell
    this.row = cell ? cell.row : -1
  }

  get cells(): Cell[] {
    return this.current ? [...this.older, this.current] : this.older
  }

  due(cell: Cell, at: number): void {
    this.#folds.setIdle(cell.row, false)
    this.#agenda.add(cell, at)
  }

  /**
   * The bar that a moment (or a number of the log) lies in, where there is one. What is logged from the number `before` on
   * is not added to it yet; of the rest nothing may have changed since it was sent, for the log alone says what was.
   */
  find(place: number, before?: number): Cell | undefined {
    if (this.current?.holds(place)) return this.current
    const cell = this.older.findLast(cell => cell.holds(place))
    if (cell || this.shortMs === 0) return cell
    const from = this.#shortFrom(place)
    const found =
      this.#findIn(this.#shelf, from) ?? (this.#aside && this.#findIn(this.#aside, from))
    if (!found) return undefined
    this.refold(found, before)
    found.recall()
    return found
  }

  /** The bar that begins at a moment, off a shelf, without its sums. */
  #findIn(shelf: Shelf, from: number): Cell | undefined {
    const place = shelf.find(from)
    return place < 0 ? undefined : this.#unshelve(shelf, place)
  }

  /** Sums a bar up again, from what the log holds now. */
  refold(cell: Cell, before = Number.POSITIVE_INFINITY): void {
    const log = this.#log
    const { by, day } = this
    cell.rewind()
    for (const number of log.numbers(this.state, cell.first)) {
      if (number >= before) break
      if (cell.holds(by === 'time' ? log.timeOf(number) : number)) cell.retake(number, log, day)
    }
    cell.keepMiddle(log)
  }

  /** The bar a moment lies in, made where it is not there; none where it has been let go. */
  at(ms: number, now: number, graceMs: number): Cell | undefined {
    // Mostly a new one is asked for.
    if (this.current && ms < this.current.until) {
      const found = this.find(ms, this.state.last)
      if (found) return found
      if (ms < this.#floor && !this.#isMissing(ms, ms + 1, now)) return undefined
    }
    if (this.shortMs > 0) {
      const cell = this.#takeShort(this.#shortFrom(ms), this.state.last)
      const over = cell.to + graceMs
      return this.#begun(cell, over > now ? over : now + graceMs)
    }
    const edges = this.grid!.at(ms)
    const over = edges.to + graceMs
    return this.open(edges, this.state.last, over > now ? over : now + graceMs)
  }

  /** A new bar in its place among the others; trades from the number `first` on may belong to it. */
  open({ stamp, from, to, until }: Edges, first: number, dueAt: number): Cell {
    const last = this.current
    const behind = last !== undefined && from < last.from
    const before = behind ? this.older.findLast(other => other.from < from) : last
    // Bars never overlap, whatever clocks do: one that is cut short bears where it begins.
    const begin = before ? Math.max(from, before.until) : from
    const cell = this.#cells.take()
    cell.begin(this, begin > from ? begin : stamp, begin, to, until, first)
    return this.#begun(cell, dueAt)
  }

  #takeShort(from: number, first: number): Cell {
    const cell = this.#cells.take()
    const until = from + this.shortMs
    cell.begin(this, from, from, until, until, first)
    return cell
  }

  /** Puts a new bar in its place among the others. */
  #begun(cell: Cell, dueAt: number): Cell {
    const last = this.current
    if (last && cell.from < last.from) this.#insert(cell)
    else {
      this.current = cell
      if (last) {
        this.older.push(last)
        this.settled(last)
      }
    }
    this.due(cell, dueAt)
    return cell
  }

  #insert(cell: Cell): void {
    const { from } = cell
    const before = this.older.findLastIndex(other => other.from < from)
    this.older.splice(before + 1, 0, cell)
  }

  /** A bar to which nothing is to be done now: onto the shelf, if it may. */
  settled(cell: Cell): void {
    if (this.shortMs === 0 || cell.dueAt !== SETTLED || !cell.isLogged || cell === this.#current) {
      return
    }
    if (this.older.length === 1 && this.older[0] === cell) this.older.pop()
    else {
      // Mostly one of the newest.
      const at = this.older.lastIndexOf(cell)
      if (at < 0) return
      this.older.splice(at, 1)
    }
    this.#shelf.put(cell)
    this.#cells.release(cell)
  }

  /** A bar off a shelf, among the older ones, without its sums. */
  #unshelve(shelf: Shelf, place: number): Cell {
    const cell = this.#takeShort(shelf.from(place), 0)
    shelf.take(place, cell)
    this.#insert(cell)
    return cell
  }

  #shortFrom(ms: number): number {
    return Math.floor(ms / this.shortMs) * this.shortMs
  }

  /** The log is about to let its older half go. */
  turn(): void {
    // Those on a shelf that it is needed for: few, unless it was full before they were old.
    this.#unshelveOld(this.#shelf)
    if (this.#aside) this.#unshelveOld(this.#aside)
    for (const cell of this.cells) cell.turn()
  }

  /** Bars with trades in the older half of the log off a shelf, among the older ones: summed up again all at once. */
  #unshelveOld(shelf: Shelf): void {
    const log = this.#log
    const taken = new Map<number, Cell>()
    let first = Number.POSITIVE_INFINITY
    for (;;) {
      const place = shelf.findBefore(log.middle)
      if (place < 0) break
      const cell = this.#unshelve(shelf, place)
      cell.rewind()
      taken.set(cell.from, cell)
      first = Math.min(first, cell.first)
    }
    if (taken.size > 0) {
      for (const number of log.numbers(this.state, first)) {
        taken.get(this.#shortFrom(log.timeOf(number)))?.retake(number, log, this.day)
      }
      for (const cell of taken.values()) {
        cell.keepMiddle(log)
        cell.recall()
      }
    }
  }

  /** Whether there is no bar at a moment, and none has been let go there. */
  lacks(ms: number): boolean {
    return ms >= this.#floor && !this.find(ms)
  }

  /** The prices of a bar without any: the close of the last that was sent before it. */
  flatAt(cell: Cell): Prices | undefined {
    const at = cell === this.current ? this.older.length : this.older.indexOf(cell)
    const before = this.older.findLast((other, i) => i < at && other.revision >= 0)
    if (before && !this.#isApart(before, cell)) return flat(before.close)
    const isLater = this.#floorCloseAt > cell.from
    return this.#floorClose === undefined || isLater ? undefined : flat(this.#floorClose)
  }

  /** Whether what has been let go lay between two bars: the first was made late, where none had been. */
  #isApart(before: Cell, cell: Cell): boolean {
    return before.from < this.#floorCloseAt && this.#floorCloseAt < cell.from
  }

  /** Lets go of what nothing can change any more, when there is much of it. */
  tidy(now: number, keepMs: number): void {
    const cell = this.older[this.#kept + MUCH]
    const shelf = this.#shelf.oldest + MUCH * this.shortMs
    if ((cell && cell.to + keepMs <= now) || shelf + keepMs <= now) this.prune(now, keepMs, false)
  }

  /** Lets go of what nothing can change any more; unless it is `all`, without a new look at what a hole has kept. */
  prune(now: number, keepMs: number, all = true): void {
    if (all && this.#aside) this.#shiftAside(this.#aside, now, keepMs)
    this.#shift(now, keepMs)
    const first = all ? 0 : Math.min(this.#kept, this.older.length)
    const kept: Cell[] = []
    let at = first
    for (; at < this.older.length; at++) {
      const cell = this.older[at]!
      if (cell.dueAt !== SETTLED || cell.to + keepMs > now) break
      if (this.grid && this.#isMissing(cell.from, cell.until, now)) {
        // What repeats its close has to follow it.
        if (this.#fills) break
        kept.push(cell)
        continue
      }
      if (this.grid) this.#floor = Math.max(this.#floor, cell.until)
      if (cell.revision >= 0 && cell.from > this.#floorCloseAt) {
        this.#floorClose = cell.close
        this.#floorCloseAt = cell.from
      }
      this.#cells.release(cell)
    }
    if (at - first > kept.length) this.older.splice(first, at - first, ...kept)
    this.#kept = first + kept.length
  }

  /** Lets go of the oldest on the shelf, and puts aside what a hole keeps. */
  #shift(now: number, keepMs: number): void {
    const shelf = this.#shelf
    for (;;) {
      const until = shelf.oldest + this.shortMs
      if (!(until + keepMs <= now)) return
      if (this.#isMissing(shelf.oldest, until, now)) {
        this.#aside ??= new Shelf()
        this.#aside.putOldest(shelf)
      } else {
        this.#floor = Math.max(this.#floor, until)
        shelf.shift()
      }
    }
  }

  /** Lets go of what no hole keeps any more, in the order it was put aside. */
  #shiftAside(aside: Shelf, now: number, keepMs: number): void {
    for (;;) {
      const until = aside.oldest + this.shortMs
      if (!(until + keepMs <= now) || this.#isMissing(aside.oldest, until, now)) break
      this.#floor = Math.max(this.#floor, until)
      aside.shift()
    }
    if (aside.oldest === Number.POSITIVE_INFINITY) this.#aside = undefined
  }

  /** Whether some of what lies between two moments may still come, however late. */
  #isMissing(from: number, to: number, now: number): boolean {
    const { source, symbol } = this.state
    return this.#holes.touches(source, symbol, from, to, now)
  }

  /** The first of those by what they hold, from a trade on. No two bear one time: a nanosecond more tells them apart. */
  begin(number: number, ms: number, nanos: number, now: number): Cell {
    // One that is dated far ahead must not take all that follow it along.
    const isAhead = ms > now + AHEAD_MS
    const last = isAhead ? this.#bearsAhead : this.#bears
    const later = ms > last.ms || (ms === last.ms && nanos > last.nanos)
    const next = later ? { ms, nanos } : behind(last)
    if (isAhead) this.#bearsAhead = next
    else this.#bears = next
    const cell = this.#cells.take()
    cell.begin(this, next.ms, number, SETTLED, SETTLED, number)
    cell.nanos = next.nanos
    return (this.current = cell)
  }

  /** That one holds what it was to hold: no trade from a number on belongs to it. */
  close(cell: Cell, number: number, now: number): void {
    this.#folds.endAt(cell.row, number)
    cell.to = now
    this.current = undefined
    this.older.push(cell)
  }

  /** Bars before one that have a price and were never sent, in order: made late, they wait for what may come late too. */
  unsent(cell: Cell): readonly Cell[] {
    let unsent = NO_CELLS
    const { older } = this
    let at = cell === this.#current ? older.length : older.lastIndexOf(cell)
    while (--at >= 0) {
      const before = older[at]!
      if (before.revision >= 0) break
      if (before.dueAt !== SETTLED && before.isPriced) unsent = [before, ...unsent]
    }
    return unsent
  }

  /** The bars behind one, in order, as far as nothing between has been let go. */
  after(cell: Cell): Cell[] {
    const { cells } = this
    return cells.slice(cells.indexOf(cell) + 1).filter(other => !this.#isApart(cell, other))
  }
}

const NEVER = { ms: Number.NEGATIVE_INFINITY, nanos: 0 }

/** A nanosecond later. */
const behind = ({ ms, nanos }: { readonly ms: number; readonly nanos: number }) =>
  nanos < LAST_NANOS ? { ms, nanos: nanos + 1 } : { ms: ms + 1, nanos: 0 }
