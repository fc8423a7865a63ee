import { EVENT_TYPES, type EventType } from '../market/events.ts'
import type { Session } from './duckdb.ts'
import { dayAt, type Part } from './manifest.ts'
import { HOT, type KnownTape } from './schema.ts'
import type { OpenDay } from './seal.ts'

const DAY_MS = 86_400_000

/** What is in the tables of open days, by kind and day. */
export class OpenDays {
  readonly #days = new Map<string, OpenDay>()
  /** The day last added to, by kind. */
  #last: Partial<Record<EventType, { readonly number: number; readonly day: OpenDay }>> = {}

  get all(): OpenDay[] {
    return [...this.#days.values()]
  }

  has(kind: EventType, day: string): boolean {
    return this.#days.has(`${kind} ${day}`)
  }

  /** The day of rows to come; made where there is none. `number`: days since 1970, `time`: of the tape, epoch ms. */
  of(kind: EventType, number: number, time: number): OpenDay {
    const last = this.#last[kind]
    if (last?.number === number) return last.day
    const name = dayAt(number * DAY_MS)
    const key = `${kind} ${name}`
    let day = this.#days.get(key)
    if (!day) {
      day = { kind, day: name, rows: 0, since: time, last: time, lowest: new Map() }
      this.#days.set(key, day)
    }
    this.#last[kind] = { number, day }
    return day
  }

  /** Up to where all of a tape stands in no open day. */
  doneOf({ no }: KnownTape, seq: number): number {
    let lowest = seq + 1
    for (const day of this.#days.values()) lowest = Math.min(lowest, day.lowest.get(no) ?? lowest)
    return lowest - 1
  }

  /** Rows have gone. What is left of a day that has been sealed came later. */
  gone(kind: EventType, name: string, rows: number): OpenDay | undefined {
    const key = `${kind} ${name}`
    const day = this.#days.get(key)
    if (!day) return undefined
    day.rows -= rows
    if (day.rows > 0) return day
    delete this.#last[kind]
    this.#days.delete(key)
    return undefined
  }

  /** A part holds rows of a day up to a position of each tape. */
  sealed({ kind, day, rows, covers }: Part, tapes: readonly KnownTape[], time: number): void {
    const left = this.gone(kind, day, rows)
    if (!left) return
    left.since = time
    for (const { no, id } of tapes) {
      const lowest = left.lowest.get(no)
      if (lowest !== undefined) left.lowest.set(no, Math.max(lowest, (covers[id] ?? 0) + 1))
    }
  }

  /** Counts anew what is in the tables. Gives the highest receive time there is, epoch ms. */
  async count(session: Session): Promise<number> {
    this.#days.clear()
    this.#last = {}
    let time = Number.NEGATIVE_INFINITY
    for (const kind of EVENT_TYPES) {
      const rows = await session.all(
        `select (epoch_ns(ts) // ${DAY_MS}000000)::integer, tape_no, count(*), min(received_ms), max(received_ms), min(pos) from ${HOT}.${kind} group by 1, 2`,
      )
      for (const [number, no, count, since, last, lowest] of rows as [
        ...[number, number, bigint, number, number, bigint],
      ][]) {
        const day = this.of(kind, number, since)
        day.since = Math.min(day.since, since)
        day.last = day.rows === 0 ? last : Math.max(day.last, last)
        day.rows += Number(count)
        day.lowest.set(no, Number(lowest))
        if (last > time) time = last
      }
    }
    return time
  }
}
