import { type Calendar, createCalendar, type DayPlan, type Stretch } from './calendar.ts'
import {
  type CalendarDate,
  dayNumber,
  easter,
  FRIDAY,
  lastWeekday,
  MONDAY,
  nthWeekday,
  SATURDAY,
  SUNDAY,
  THURSDAY,
  weekdayOf,
} from './calendar-dates.ts'

/** Holidays of the US markets in a year, and the days before or after some that end early, by day number. */
export interface UsHolidays {
  readonly closed: ReadonlyMap<number, string>
  readonly early: ReadonlyMap<number, string>
}

/** Days closed by no rule. https://www.nyse.com/markets/hours-calendars and the exchanges' notices. */
export const US_EXCEPTIONS: readonly (readonly [
  year: number,
  month: number,
  date: number,
  reason: string,
])[] = [
  [2012, 10, 29, 'Hurricane Sandy'],
  [2012, 10, 30, 'Hurricane Sandy'],
  [2018, 12, 5, 'the day of mourning for George H. W. Bush'],
  [2025, 1, 9, 'the day of mourning for Jimmy Carter'],
]

const years = new Map<number, UsHolidays>()

/** NYSE rule 7.2, with the early closes of rule 7.1 as announced year by year since 2010. */
export function usHolidays(year: number): UsHolidays {
  let holidays = years.get(year)
  if (!holidays) {
    holidays = { closed: closedIn(year), early: earlyIn(year) }
    years.set(year, holidays)
  }
  return holidays
}

function closedIn(year: number): Map<number, string> {
  const closed = new Map([
    [nthWeekday(year, 1, MONDAY, 3), 'Martin Luther King Jr. Day'],
    [nthWeekday(year, 2, MONDAY, 3), "Presidents' Day"],
    [easter(year) - 2, 'Good Friday'],
    [lastWeekday(year, 5, MONDAY), 'Memorial Day'],
    [observed(dayNumber(year, 7, 4)), 'Independence Day'],
    [nthWeekday(year, 9, MONDAY, 1), 'Labor Day'],
    [nthWeekday(year, 11, THURSDAY, 4), 'Thanksgiving'],
    [observed(dayNumber(year, 12, 25)), 'Christmas'],
  ])
  if (year >= 2022) closed.set(observed(dayNumber(year, 6, 19)), 'Juneteenth')
  // On a Saturday it is not observed: the Friday before is the last day of an accounting year.
  const newYear = dayNumber(year, 1, 1)
  if (weekdayOf(newYear) !== SATURDAY) closed.set(observed(newYear), "New Year's Day")
  for (const [when, month, date, reason] of US_EXCEPTIONS) {
    if (when === year) closed.set(dayNumber(year, month, date), reason)
  }
  return closed
}

function earlyIn(year: number): Map<number, string> {
  const early = new Map([[nthWeekday(year, 11, THURSDAY, 4) + 1, 'the day after Thanksgiving']])
  // On Fridays these are the observed holidays themselves.
  for (const [month, date, name] of [
    [7, 3, 'the day before Independence Day'],
    [12, 24, 'Christmas Eve'],
  ] as const) {
    const day = dayNumber(year, month, date)
    const weekday = weekdayOf(day)
    if (weekday >= MONDAY && weekday <= THURSDAY) early.set(day, name)
  }
  return early
}

/** A holiday on a Saturday is kept on Friday, one on a Sunday on Monday. */
function observed(day: number): number {
  const weekday = weekdayOf(day)
  return weekday === SATURDAY ? day - 1 : weekday === SUNDAY ? day + 1 : day
}

const hours = (close: number, end: number): readonly Stretch[] => [
  { name: 'overnight', from: -4 * 60, to: 4 * 60 },
  { name: 'pre', from: 4 * 60, to: 9 * 60 + 30 },
  { name: 'regular', from: 9 * 60 + 30, to: close },
  { name: 'post', from: close, to: end },
]
const USUAL: DayPlan = { stretches: hours(16 * 60, 20 * 60) }
const SHORT = hours(13 * 60, 17 * 60)

/**
 * New York Stock Exchange, Nasdaq and the other US equity venues, with the overnight session of the alternative
 * venues (20:00 to 04:00 before each trading day; nobody traded it before 2021). Holidays by rule and a table of
 * exceptions; for years outside of 2010–2030 the rules are kept to and the days marked as unknown.
 */
export const usEquities: Calendar = createCalendar({
  id: 'us-equities',
  market: 'US market',
  zone: 'America/New_York',
  place: 'New York',
  holidays: [2010, 2030],
  plan({ number, year, weekday }: CalendarDate): DayPlan {
    if (weekday < MONDAY || weekday > FRIDAY) return { stretches: [] }
    const { closed, early } = usHolidays(year)
    const holiday = closed.get(number)
    if (holiday !== undefined) return { stretches: [], reason: holiday }
    const reason = early.get(number)
    return reason === undefined ? USUAL : { stretches: SHORT, early: true, reason }
  },
})
