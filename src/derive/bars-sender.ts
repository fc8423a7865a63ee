import { Bar, Flag } from '../market/events.ts'
import type { Agenda } from './bars-agenda.ts'
import { type Cell, flat } from './bars-cell.ts'
import { type Folds, type Prices, tidy } from './bars-fold.ts'
import type { TradeLog } from './bars-log.ts'
import type { BarHandlers, FinalBar, FormingBar, FullBarOptions } from './bars-options.ts'
import type { Parts, Track } from './bars-track.ts'

/** Sends bars: final ones when they are due, forming ones as often as they may be. All at a tape time, `now`. */
export class Sender {
  /** Bars that were sent again. */
  revisions = 0
  readonly #handlers: BarHandlers
  readonly #options: FullBarOptions
  readonly #keptMs: number
  readonly #folds: Folds
  readonly #log: TradeLog
  readonly #agenda: Agenda
  /** Bars that have changed since they were last shown as forming. */
  readonly #unformed = new Set<Track>()

  /** `keptMs`: how long a bar is kept after its end. */
  constructor(handlers: BarHandlers, options: FullBarOptions, keptMs: number, parts: Parts) {
    this.#handlers = handlers
    this.#options = options
    this.#keptMs = keptMs
    this.#folds = parts.folds
    this.#log = parts.log
    this.#agenda = parts.agenda
  }

  /** Sends everything that is due, in the order it became so. What is older than `known` needs it to be kept is let go. */
  settle(now: number, known: number): void {
    while (this.#agenda.next <= now) {
      const due = this.#agenda.take()
      const early: Cell[] = []
      for (const cell of due) {
        const track = cell.track!
        if (cell === track.current) track.state.pour()
        // First forms come in order.
        if (cell.revision < 0) this.#sendBefore(track, cell, early, now)
        this.send(track, cell, now)
      }
      // Only now: what is let go cannot be sent any more.
      for (const cell of early.length > 0 ? [...due, ...early] : due) {
        const track = cell.track!
        track.settled(cell)
        track.tidy(known, this.#keptMs)
      }
    }
  }

  /** Sends what was made late and lies before a bar that is due, though it was to wait for longer. */
  #sendBefore(track: Track, cell: Cell, early: Cell[], now: number): void {
    for (const before of track.unsent(cell)) {
      before.settle()
      this.send(track, before, now)
      early.push(before)
    }
  }

  /** Sends a bar as final, unless that would say nothing new. */
  send(track: Track, cell: Cell, now: number): void {
    const fills = this.#options.fill === 'previous' && track.grid !== undefined
    const own = cell.isPriced ? this.#folds.prices(cell.row) : undefined
    const last = cell.revision < 0 ? undefined : flat(cell.close)
    const prices = own ?? ((fills && track.flatAt(cell)) || last)
    if (!prices) return
    const bar = this.#bar(track, cell, prices, true, cell.revision + 1, now) as FinalBar
    // What changed may not show, and one that was to follow a close may have been sent with it already.
    if (!cell.send(bar)) return
    if (last) this.revisions++
    // What has been filled in with the close of this one has to follow it.
    if (fills && last?.close !== bar.close) this.#refill(track, cell, now)
    this.#handlers.final(bar)
    if (fills) this.#openNext(track, cell)
  }

  #refill(track: Track, cell: Cell, now: number): void {
    for (const next of track.after(cell)) {
      if (next.isPriced) return
      // At once, before a later one repeats what is no longer so; also one that had no close to repeat until now.
      const isOver = next.to + this.#options.graceMs <= now
      if (next.revision >= 0 || isOver) track.due(next, this.#agenda.taken)
    }
  }

  /** With `fill`: the next bar is there before its first trade. */
  #openNext(track: Track, cell: Cell): void {
    const edges = track.grid!.nextOpen(cell.to)
    if (!edges || !track.lacks(edges.from)) return
    track.open(edges, this.#log.next, edges.to + this.#options.graceMs)
  }

  /** Shows the newest bar as it stands, at once or when it may be shown again. */
  form(track: Track, now: number): void {
    const cell = track.current
    if (!cell || cell.revision >= 0 || !cell.isPriced) {
      this.#unformed.delete(track)
      return
    }
    if (now - track.formedAt < this.#options.formingMs) {
      this.#unformed.add(track)
      return
    }
    this.#unformed.delete(track)
    track.formedAt = now
    this.#handlers.forming!(this.forming(track, cell, now))
  }

  /** Shows what has changed and may be shown by now. */
  formAll(now: number): void {
    for (const track of this.#unformed) this.form(track, now)
  }

  forming(track: Track, cell: Cell, now: number): FormingBar {
    const prices = this.#folds.prices(cell.row)
    return this.#bar(track, cell, prices, false, 0, now) as FormingBar
  }

  #bar(
    { state, size }: Track,
    { row, stamp, nanos }: Cell,
    { open, high, low, close }: Prices,
    final: boolean,
    revision: number,
    now: number,
  ): Bar {
    return new Bar(
      state.symbol,
      state.source,
      stamp,
      nanos,
      now,
      state.flags | Flag.derived,
      size.interval,
      open,
      high,
      low,
      close,
      tidy(this.#folds.volume(row)),
      this.#folds.vwap(row),
      this.#folds.count(row),
      final,
      revision,
      undefined,
    )
  }
}
