import type { Calendar } from '../market/calendar.ts'
import type { Cancel, Correction, TradeId } from '../market/events.ts'
import { Fixes } from './bars-fixes.ts'
import type { Folds } from './bars-fold.ts'
import type { ParsedSize } from './bars-interval.ts'
import type { Chain } from './bars-log.ts'
import type { Track } from './bars-track.ts'

/** Sessions and zones are of whole minutes. */
const MINUTE_MS = 60_000

/** What is known of one (source, symbol). What each trade touches stands first. */
export class State implements Chain {
  /** Row of the sums that are still to be poured into those of the other sizes; -1 when there are none. */
  lead = -1
  last = -1
  /** Of the last trade: the lasting ones. */
  flags = 0
  /** What came before the trade it is about, while there is any. */
  fixes: Fixes | undefined = undefined
  readonly tracks: Track[] = []
  readonly symbol: string
  readonly source: string
  readonly calendar: Calendar | undefined
  readonly #folds: Folds
  readonly #leadAt: number

  /** `leadAt`: place of the size whose sums are poured into the others. */
  constructor(
    source: string,
    symbol: string,
    calendar: Calendar | undefined,
    folds: Folds,
    leadAt: number,
  ) {
    this.source = source
    this.symbol = symbol
    this.calendar = calendar
    this.#folds = folds
    this.#leadAt = leadAt
  }

  /** Makes all sums right. */
  pour(): void {
    const { tracks, lead } = this
    if (lead < 0) return
    this.lead = -1
    for (let i = 0; i < tracks.length; i++) {
      if (i !== this.#leadAt) this.#folds.pour(lead, tracks[i]!.row)
    }
  }

  /** Lets what is to be done to a trade wait for it; returns how many are given up for it. */
  wait(fix: Correction | Cancel, now: number): number {
    this.fixes ??= new Fixes(this.calendar)
    return this.fixes.wait(fix, now)
  }

  /** What waits for the trade of an id and venue time. */
  takeFix(exchange: string | undefined, id: TradeId | undefined, timestamp: number) {
    if (id === undefined || !this.fixes) return undefined
    const fix = this.fixes.take(exchange, id, timestamp)
    if (this.fixes.size === 0) this.fixes = undefined
    return fix
  }

  /** Gives up what has waited for too long; returns how many. */
  forgetFixes(isTooLong: (at: number) => boolean): number {
    const count = this.fixes?.forget(isTooLong) ?? 0
    if (this.fixes?.size === 0) this.fixes = undefined
    return count
  }
}

/** Which size no other has a bar that begins or ends within one of: its place among them, -1 when there is none. */
export function leadOf(sizes: readonly ParsedSize[]): number {
  const lengths = sizes.map(size => (size.by === 'time' ? size.ms : Number.NaN))
  const least = Math.min(...lengths)
  if (sizes.length === 1) return Number.isNaN(least) ? -1 : 0
  const divides = MINUTE_MS % least === 0 && lengths.every(ms => ms % least === 0)
  return divides ? lengths.indexOf(least) : -1
}
