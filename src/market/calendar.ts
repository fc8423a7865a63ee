import { TickwireError } from '../base/errors.ts'
import { type CalendarDate, dateOf, formatDay, parseDay } from './calendar-dates.ts'
import { type Zone, zoneOf } from './calendar-zone.ts'
import { FIRST_MS, LAST_MS } from './time.ts'

/**
 * What a market does: `pre` and `post` the hours around the regular ones, `overnight` the night session of US
 * equities, `break` a pause within the day (lunch, the daily hour of futures), `closed` everything else.
 */
export type SessionName = 'pre' | 'regular' | 'break' | 'post' | 'overnight' | 'closed'

/** A stretch of time in which a market does one thing. Stretches of a calendar touch and cover all time. */
export interface Session {
  readonly name: SessionName
  /** First moment, epoch ms. */
  readonly from: number
  /** First moment behind it, epoch ms; `Infinity` when the calendar never opens again. */
  readonly to: number
  /** Trading day it belongs to: `2025-07-03`. Sunday's overnight session belongs to Monday. Absent between days. */
  readonly day?: string
  /** The day ends early. */
  readonly early?: true
  /** What is special: the holiday that keeps it closed, why the day is short. */
  readonly reason?: string
  /**
   * It touches a year whose holidays the calendar does not know ({@link Calendar.holidays}): the usual hours are
   * assumed, and what is open here may be a holiday.
   */
  readonly holidaysUnknown?: true
}

/** One date at a market. */
export interface CalendarDay {
  readonly day: string
  /** Of this trading day, in order; none on a holiday or weekend. The first may begin the evening before. */
  readonly sessions: readonly Session[]
  readonly early?: true
  readonly reason?: string
  readonly holidaysUnknown?: true
}

/** The hours of a market. Every moment given is epoch ms, within the years 0000–9999. */
export interface Calendar {
  /** What {@link Instrument.calendar} says: `us-equities`. */
  readonly id: string
  /** For people: `US market`. */
  readonly market: string
  /** IANA name of its zone: `America/New_York`. */
  readonly zone: string
  /** How people call the zone: `New York`. */
  readonly place: string
  /** First and last year whose holidays are known; `none` for a market without holidays. */
  readonly holidays: readonly [first: number, last: number] | 'none'
  /** What the market does at a moment. Cheap within a session. @throws BAD_OPTION */
  sessionAt(ms: number): Session
  /** The session behind the one of a moment; none behind a session without end. @throws BAD_OPTION */
  next(ms: number): Session | undefined
  /** True in one of the named sessions. @default sessions ['regular'] @throws BAD_OPTION */
  isOpen(ms: number, sessions?: readonly SessionName[]): boolean
  /**
   * The first moment not before `ms` in one of the named sessions: `ms` itself while one runs, none if that takes
   * more than 400 days. @default sessions ['regular'] @throws BAD_OPTION
   */
  opensAt(ms: number, sessions?: readonly SessionName[]): number | undefined
  /** The sessions of a trading day. @throws BAD_OPTION when it is not written as 2025-07-03 */
  day(day: string): CalendarDay
}

/**
 * A stretch of a day, in minutes of local time since its midnight; below 0 is the evening before. Neither end should
 * be a time that the clocks skip or show twice.
 */
export interface Stretch {
  readonly name: SessionName
  readonly from: number
  readonly to: number
  readonly reason?: string
}

/** What a market does for one trading day. What no stretch covers is closed. */
export interface DayPlan {
  readonly stretches: readonly Stretch[]
  readonly early?: boolean
  readonly reason?: string
}

export interface CalendarRules
  extends Pick<Calendar, 'id' | 'market' | 'zone' | 'place' | 'holidays'> {
  /** Called once in a while for each date. Stretches are in order and reach neither into each other nor other days'. */
  plan(date: CalendarDate): DayPlan
}

const REGULAR: readonly SessionName[] = ['regular']

/** How far the next or last session is looked for, days. */
const SEARCH_DAYS = 400
/** Days kept before they are forgotten and planned again. */
const KEPT_DAYS = 1_024

/** A calendar of your own. Its methods throw BAD_OPTION when its zone is unknown or the stretches of a day overlap. */
export function createCalendar(rules: CalendarRules): Calendar {
  return new RuledCalendar(rules)
}

class RuledCalendar implements Calendar {
  readonly id: string
  readonly market: string
  readonly zone: string
  readonly place: string
  readonly holidays: Calendar['holidays']
  readonly #plan: CalendarRules['plan']
  readonly #zone: Zone
  readonly #days = new Map<number, CalendarDay>()
  /** The session asked for last: most moments asked for are in it. */
  #last: Session = { name: 'closed', from: 0, to: 0 }
  #from = Number.NaN
  #to = Number.NaN

  constructor(rules: CalendarRules) {
    this.id = rules.id
    this.market = rules.market
    this.zone = rules.zone
    this.place = rules.place
    this.holidays = rules.holidays
    this.#plan = date => rules.plan(date)
    this.#zone = zoneOf(rules.zone)
  }

  sessionAt(ms: number): Session {
    if (ms >= this.#from && ms < this.#to) return this.#last
    if (!(ms >= FIRST_MS && ms <= LAST_MS)) {
      throw new TickwireError('BAD_OPTION', `not a moment: ${ms}`, {
        hint: 'Give epoch milliseconds within the years 0000–9999.',
      })
    }
    const session = this.#find(ms)
    this.#from = session.from
    this.#to = session.to
    return (this.#last = session)
  }

  next(ms: number): Session | undefined {
    const { to } = this.sessionAt(ms)
    return to === Number.POSITIVE_INFINITY ? undefined : this.#find(to)
  }

  isOpen(ms: number, sessions = REGULAR): boolean {
    return sessions.includes(this.sessionAt(ms).name)
  }

  opensAt(ms: number, sessions = REGULAR): number | undefined {
    let session = this.sessionAt(ms)
    const until = ms + SEARCH_DAYS * 86_400_000
    while (!sessions.includes(session.name)) {
      if (session.to > until) return undefined
      session = this.#find(session.to)
    }
    return Math.max(ms, session.from)
  }

  day(day: string): CalendarDay {
    return this.#day(parseDay(day))
  }

  #find(ms: number): Session {
    const today = this.#zone.dayAt(ms)
    // A session can begin the evening before its day or end the night after.
    for (let number = today - 1; number <= today + 1; number++) {
      for (const session of this.#day(number).sessions) {
        if (ms >= session.from && ms < session.to) return session
      }
    }
    return this.#gap(ms, today)
  }

  /** The closed time around a moment that no session covers. */
  #gap(ms: number, today: number): Session {
    let from = Number.NEGATIVE_INFINITY
    for (let n = today + 1; n >= today - SEARCH_DAYS && from === Number.NEGATIVE_INFINITY; n--) {
      from = this.#day(n).sessions.findLast(({ to }) => to <= ms)?.to ?? from
    }
    let to = Number.POSITIVE_INFINITY
    for (let n = today - 1; n <= today + SEARCH_DAYS && to === Number.POSITIVE_INFINITY; n++) {
      to = this.#day(n).sessions.find(session => session.from > ms)?.from ?? to
    }
    const first = Number.isFinite(from) ? this.#zone.dayAt(from) : today
    const last = Number.isFinite(to) ? this.#zone.dayAt(to - 1) : today
    const reasons = new Set<string>()
    let unknown = false
    for (let n = first; n <= last; n++) {
      const { sessions, reason, holidaysUnknown } = this.#day(n)
      if (sessions.length === 0 && reason !== undefined) reasons.add(reason)
      unknown ||= holidaysUnknown === true
    }
    return {
      name: 'closed',
      from,
      to,
      ...(reasons.size > 0 && { reason: [...reasons].join(' and ') }),
      ...(unknown && { holidaysUnknown: true as const }),
    }
  }

  #day(number: number): CalendarDay {
    let day = this.#days.get(number)
    if (!day) {
      day = this.#resolve(number)
      if (this.#days.size >= KEPT_DAYS) this.#days.clear()
      this.#days.set(number, day)
    }
    return day
  }

  #resolve(number: number): CalendarDay {
    const date = dateOf(number)
    const plan = this.#plan(date)
    const { holidays } = this
    const known = holidays === 'none' || (date.year >= holidays[0] && date.year <= holidays[1])
    const day = formatDay(number)
    const special = {
      ...(plan.early && { early: true as const }),
      ...(plan.reason !== undefined && { reason: plan.reason }),
      ...(!known && { holidaysUnknown: true as const }),
    }
    let end = Number.NEGATIVE_INFINITY
    const sessions = plan.stretches.map(({ name, from, to, reason }) => {
      if (!(from >= end && to > from)) {
        throw new TickwireError(
          'BAD_OPTION',
          `calendar ${this.id}: the stretches of ${day} overlap`,
        )
      }
      end = to
      return {
        name,
        from: this.#zone.momentOf(number, from),
        to: this.#zone.momentOf(number, to),
        day,
        ...special,
        ...(reason !== undefined && { reason }),
      }
    })
    return { day, sessions, ...special }
  }
}
