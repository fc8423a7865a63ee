import type { Calendar } from '../market/calendar.ts'
import type { Cancel, Correction, TradeId } from '../market/events.ts'
import { Grid, ONE_DAY } from './bars-interval.ts'

/** Corrections and cancels of a symbol that wait at a time. */
const MOST = 256

const HOUR_MS = 3_600_000

interface Fix {
  readonly event: Correction | Cancel
  /** Tape time at which it came. */
  readonly at: number
}

/** Corrections and cancels of one symbol that came before the trade they are about. */
export class Fixes {
  readonly #calendar: Calendar | undefined
  /** Oldest first. */
  #waiting: Fix[] = []

  /** `calendar`: whose trading days; none is UTC's. */
  constructor(calendar: Calendar | undefined) {
    this.#calendar = calendar
  }

  get size(): number {
    return this.#waiting.length
  }

  /** Lets one wait for its trade; returns how many are given up for it. */
  wait(event: Correction | Cancel, at: number): number {
    const place = this.#find(event.exchange, fixedId(event), event.timestamp)
    // Nothing brings back what is taken back.
    if (this.#waiting[place]?.event.type === 'cancel') return 0
    if (place >= 0) this.#waiting.splice(place, 1)
    this.#waiting.push({ event, at })
    if (this.#waiting.length <= MOST) return 0
    this.#waiting.shift()
    return 1
  }

  /** What waits for the trade of an id and venue time. */
  take(exchange: string | undefined, id: TradeId, timestamp: number) {
    const place = this.#find(exchange, id, timestamp)
    return place < 0 ? undefined : this.#waiting.splice(place, 1)[0]!.event
  }

  /** Gives up those that have waited for too long since they came; returns how many. */
  forget(isTooLong: (at: number) => boolean): number {
    const before = this.#waiting.length
    this.#waiting = this.#waiting.filter(({ at }) => !isTooLong(at))
    return before - this.#waiting.length
  }

  #find(exchange: string | undefined, id: TradeId | undefined, timestamp: number): number {
    return this.#waiting.findIndex(
      ({ event }) =>
        fixedId(event) === id &&
        event.exchange === exchange &&
        mayBeOf(event, timestamp, this.#calendar),
    )
  }
}

/** Of the trade that it is of. */
export const fixedId = (fix: Correction | Cancel) =>
  fix.type === 'cancel' ? fix.id : fix.originalId

/**
 * Whether a correction or cancel may be of a trade with its id and this venue time. Ids begin anew each trading day; but
 * around the clock one may come shortly behind midnight.
 */
export function mayBeOf(fix: Correction | Cancel, timestamp: number, calendar?: Calendar): boolean {
  if (Math.abs(fix.timestamp - timestamp) < HOUR_MS) return true
  const days = new Grid(ONE_DAY, 'clock', calendar)
  return days.at(fix.timestamp).stamp === days.at(timestamp).stamp
}
