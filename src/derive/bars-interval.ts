import { TickwireError } from '../base/errors.ts'
import type { Calendar, Session, SessionName } from '../market/calendar.ts'
import { always } from '../market/calendar-book.ts'
import { type Zone, zoneOf } from '../market/calendar-zone.ts'
import type { Interval } from '../market/events.ts'
import { isInterval } from '../market/topics.ts'

/** How large a bar is: its {@link Interval}, or what it is to hold. */
export type BarSize =
  | Interval
  /** Trades. */
  | { readonly ticks: number }
  /** Units of the instrument. */
  | { readonly volume: number }
  /** Money turned over, in the currency of the price. */
  | { readonly dollars: number }

/**
 * Where bars of a time begin. `clock`: at whole multiples since midnight where the market is, so that a bar of an hour
 * begins at 09:00 though the market opens at 09:30, as Alpaca's do. `session`: at the opening of each session, none
 * reaching into the next; where a market never closes, the UTC day is one.
 */
export type Alignment = 'clock' | 'session'

/** A size taken apart. */
export type ParsedSize =
  | { readonly interval: Interval; readonly by: 'time'; readonly ms: number; readonly day: boolean }
  | {
      readonly interval: Interval
      readonly by: 'ticks' | 'volume' | 'dollars'
      readonly most: number
    }

const DAY_MS = 86_400_000
const UNIT_MS: { readonly [unit: string]: number } = { s: 1_000, m: 60_000, h: 3_600_000 }
const COUNTED = { t: 'ticks', v: 'volume', $: 'dollars' } as const

/** An ordinary day at every market that has a calendar here. */
const ORDINARY_DAY = '2024-01-17'

/** The name bars of a size have: `500t` for `{ ticks: 500 }`. @throws BAD_OPTION */
export function intervalOf(size: BarSize): Interval {
  return parseSize(size, 'session').interval
}

/**
 * A size taken apart and checked.
 * @throws BAD_OPTION for what is no size, nothing, more than a day, or, on the clock, does not divide a day
 */
export function parseSize(size: BarSize, align: Alignment): ParsedSize {
  const text = typeof size === 'string' ? size : nameOf(size)
  if (!isInterval(text)) {
    throw bad(`bars cannot have the size ${JSON.stringify(size)}`, HINT)
  }
  const count = Number(text.slice(0, -1))
  const unit = text.at(-1)!
  if (unit === 't' || unit === 'v' || unit === '$') {
    return { interval: text, by: COUNTED[unit], most: count }
  }
  if (text === '1d') return { interval: text, by: 'time', ms: DAY_MS, day: true }
  const ms = count * (UNIT_MS[unit] ?? Number.NaN)
  if (!(ms <= DAY_MS)) {
    throw bad(`bars of ${text} are longer than a day`, "The longest are '1d'.")
  }
  if (align === 'clock' && DAY_MS % ms !== 0) {
    throw bad(`bars of ${text} do not divide a day`, `Take ${nearest(DAY_MS, ms, unit)}.`)
  }
  return { interval: text, by: 'time', ms, day: false }
}

const HINT =
  "Give a time from '1s' to '1d', or { ticks: 500 }, { volume: 10000 }, { dollars: 1e6 }."

function nameOf(size: Exclude<BarSize, string>): string {
  if (typeof size !== 'object' || size === null) return ''
  const [[key, amount] = [], more] = Object.entries(size)
  const letter = { ticks: 't', volume: 'v', dollars: '$' }[key as string]
  return letter === undefined || more !== undefined ? '' : `${amount}${letter}`
}

/**
 * Whether bars of a length fit the sessions of a market.
 * @throws BAD_OPTION when they shall begin with the session and do not divide it
 */
export function checkAlignment(size: ParsedSize, align: Alignment, calendar: Calendar): void {
  if (align === 'clock' || size.by !== 'time' || size.day) return
  for (const { name, from, to } of calendar.day(ORDINARY_DAY).sessions) {
    if (name !== 'regular' || (to - from) % size.ms === 0) continue
    const minutes = (to - from) / 60_000
    throw bad(
      `bars of ${size.interval} do not divide the session of the ${calendar.market} (${minutes} minutes)`,
      `Take ${nearest(to - from, size.ms, size.interval.at(-1)!)}, or align them on the clock.`,
    )
  }
}

/** The lengths that fit, next to one that does not: `5m or 10m`. */
function nearest(whole: number, ms: number, unit: string): string {
  const unitMs = UNIT_MS[unit]!
  const fits = (length: number) => length > 0 && length <= whole && whole % length === 0
  const found: string[] = []
  for (const step of [-unitMs, unitMs]) {
    let length = ms + step
    while (length > 0 && length <= whole && !fits(length)) length += step
    if (fits(length)) found.push(shortest(length))
  }
  return found.join(' or ')
}

function shortest(ms: number): string {
  const unit = ms % 3_600_000 === 0 ? 'h' : ms % 60_000 === 0 ? 'm' : 's'
  return `${ms / UNIT_MS[unit]!}${unit}`
}

function bad(message: string, hint: string): TickwireError {
  return new TickwireError('BAD_OPTION', message, { hint })
}

/** What a bar covers, epoch ms. */
export interface Edges {
  /** The time it bears. */
  readonly stamp: number
  readonly from: number
  /** When it is over. */
  readonly to: number
  /** What prints before this still belongs to it: that of a day reaches to the opening of the next. */
  readonly until: number
}

const TRADING: readonly SessionName[] = ['regular']

/** The size of daily bars. */
export const ONE_DAY = parseSize('1d', 'clock') as ParsedSize & { by: 'time' }

/** Where the bars of one length lie at one market. */
export class Grid {
  readonly #ms: number
  readonly #day: boolean
  readonly #align: Alignment
  readonly #calendar: Calendar
  readonly #zone: Zone

  /** Without a calendar a market is taken for one around the clock, in UTC. */
  constructor(size: ParsedSize & { by: 'time' }, align: Alignment, calendar: Calendar = always) {
    this.#ms = size.ms
    this.#day = size.day
    this.#align = align
    this.#calendar = calendar
    this.#zone = zoneOf(calendar.zone)
  }

  /** The bar a moment lies in. */
  at(ms: number): Edges {
    if (this.#day) return this.#dayAt(ms)
    if (this.#align === 'session') {
      const { from: start, to: end } = this.#calendar.sessionAt(ms)
      if (Number.isFinite(start)) {
        const from = start + Math.floor((ms - start) / this.#ms) * this.#ms
        const to = Math.min(from + this.#ms, end)
        return { stamp: from, from, to, until: to }
      }
    }
    // Where clocks are put forward or back no market is open, so one offset holds for the whole bar.
    const offset = this.#zone.offsetAt(ms)
    const from = Math.floor((ms + offset) / this.#ms) * this.#ms - offset
    return { stamp: from, from, to: from + this.#ms, until: from + this.#ms }
  }

  /** The first bar from a moment on in which the market is in its regular session; none in the next 400 days. */
  nextOpen(ms: number): Edges | undefined {
    const opens = this.#calendar.opensAt(ms, TRADING)
    return opens === undefined ? undefined : this.at(opens)
  }

  /**
   * All of a trading day, first session to last, though it bears the midnight of its date as daily bars do. What prints
   * while the market is closed belongs to the day before.
   */
  #dayAt(ms: number): Edges {
    const calendar = this.#calendar
    const session = calendar.sessionAt(ms)
    const day = session.day ?? dayBefore(calendar, session)
    if (day === undefined) {
      const date = this.#zone.dayAt(ms)
      const [from, to] = [this.#midnight(date), this.#midnight(date + 1)]
      return { stamp: from, from, to, until: to }
    }
    const { sessions } = calendar.day(day)
    const { to } = sessions.at(-1)!
    const after = calendar.sessionAt(to)
    return {
      stamp: this.#midnight(Math.floor(Date.parse(`${day}T00:00:00Z`) / DAY_MS)),
      from: sessions[0]!.from,
      to,
      until: after.day === undefined ? after.to : to,
    }
  }

  #midnight(day: number): number {
    return this.#zone.momentOf(day, 0)
  }
}

/** What the first bar bears that begins at a moment or behind it: all before it began earlier. */
export function wholeFrom(grid: Grid, ms: number): number {
  const { stamp, from } = grid.at(ms)
  return from >= ms ? stamp : stamp + 1
}

function dayBefore(calendar: Calendar, { from }: Session): string | undefined {
  return Number.isFinite(from) ? calendar.sessionAt(from - 1).day : undefined
}
