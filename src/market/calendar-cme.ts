import { type Calendar, createCalendar, type DayPlan } from './calendar.ts'
import { type CalendarDate, dateOf, dayNumber, easter, FRIDAY, MONDAY } from './calendar-dates.ts'
import { US_EXCEPTIONS, usHolidays } from './calendar-us.ts'

const OPEN = -7 * 60
const CLOSE = 16 * 60
const REOPEN = 17 * 60

/** US holidays on which nothing trades until the evening. On the others trading halts at noon. */
const WHOLE_DAY = new Set(["New Year's Day", 'Good Friday', 'Christmas'])

/** Good Fridays with an employment report: index futures trade until 08:15. */
const REPORT_ON_GOOD_FRIDAY = new Set([2015, 2021, 2023, 2026])

/**
 * Equity index futures on CME Globex: Sunday 17:00 to Friday 16:00 Chicago, with a break of an hour each day and
 * the shorter days around US holidays. Basic: other products keep other hours on holidays, days before a holiday
 * that end 15 minutes later or earlier are not told apart, and until June 2021 index futures also paused
 * 15:15–15:30. A session that runs through a holiday counts as that day, though it clears with the next.
 */
export const cme: Calendar = createCalendar({
  id: 'cme',
  market: 'CME Globex',
  zone: 'America/Chicago',
  place: 'Chicago',
  holidays: [2015, 2030],
  plan(date: CalendarDate): DayPlan {
    const { weekday, number } = date
    if (weekday < MONDAY || weekday > FRIDAY) return { stretches: [] }
    const special = specialDay(date)
    if (special?.close === 0) return { stretches: [], reason: special.reason }
    if (special) {
      return {
        early: true,
        reason: special.reason,
        stretches: [
          { name: 'regular', from: OPEN, to: special.close },
          { name: 'closed', from: special.close, to: REOPEN },
        ],
      }
    }
    const regular = { name: 'regular', from: OPEN, to: CLOSE } as const
    const trades = weekday !== FRIDAY && specialDay(dateOf(number + 1))?.close !== 0
    return {
      stretches: trades ? [regular, { name: 'break', from: CLOSE, to: REOPEN }] : [regular],
    }
  },
})

/** When trading ends on a day that is not usual, minutes; 0 when it does not begin. */
function specialDay({
  year,
  number,
}: CalendarDate): { readonly close: number; readonly reason: string } | undefined {
  const { closed, early } = usHolidays(year)
  const mourning = US_EXCEPTIONS.find(([y, m, d]) => dayNumber(y, m, d) === number)
  if (mourning) return { close: 8 * 60 + 30, reason: mourning[3] }
  if (number === easter(year) - 2 && REPORT_ON_GOOD_FRIDAY.has(year)) {
    return { close: 8 * 60 + 15, reason: 'Good Friday' }
  }
  const holiday = closed.get(number)
  if (holiday !== undefined) {
    return { close: WHOLE_DAY.has(holiday) ? 0 : 12 * 60, reason: holiday }
  }
  const eve = early.get(number)
  return eve === undefined ? undefined : { close: 12 * 60 + 15, reason: eve }
}
