import { type Cell, SETTLED } from './bars-cell.ts'

/** Bars that are to be sent, by when. Those of one length have mostly the same time, so that there are few of these. */
export class Agenda {
  /** Nothing is due before this tape time. */
  next = SETTLED
  /** When what was taken last was due. */
  taken = Number.NEGATIVE_INFINITY
  /** The earliest last. */
  readonly #times: number[] = []
  readonly #cells = new Map<number, Cell[]>()
  /** Those that were last added to. */
  #lastTime = SETTLED
  #last: Cell[] = []

  /** Puts a bar down for a tape time, whatever it was down for before. */
  add(cell: Cell, at: number): void {
    cell.dueAt = at
    if (at !== this.#lastTime) {
      this.#last = this.#cells.get(at) ?? this.#begin(at)
      this.#lastTime = at
    }
    this.#last.push(cell)
  }

  /** Takes what is due next: by when it was over, then by size. */
  take(): Cell[] {
    const time = this.#times.pop()!
    this.taken = time
    this.next = this.#times.at(-1) ?? SETTLED
    if (time === this.#lastTime) this.#lastTime = SETTLED
    const cells = this.#cells.get(time)!
    this.#cells.delete(time)
    let count = 0
    for (const cell of cells) {
      // Put down for another time since, or twice for this one.
      if (cell.dueAt !== time) continue
      cell.settle()
      cells[count++] = cell
    }
    cells.length = count
    return cells.sort((a, b) => a.to - b.to || a.track!.place - b.track!.place)
  }

  /** All that is over at a time is due then. */
  hurry(now: number): void {
    for (const [time, cells] of [...this.#cells]) {
      if (time <= now) continue
      for (const cell of cells) if (cell.dueAt === time && cell.to <= now) this.add(cell, now)
    }
  }

  #begin(at: number): Cell[] {
    const cells: Cell[] = []
    this.#cells.set(at, cells)
    const times = this.#times
    let [from, to] = [0, times.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (times[middle]! > at) from = middle + 1
      else to = middle
    }
    times.splice(from, 0, at)
    this.next = times.at(-1)!
    return cells
  }
}
