import { TickwireError } from '../base/errors.ts'

export const DAY_MS = 86_400_000
export const MINUTE_MS = 60_000

/** A date in the proleptic Gregorian calendar. `number` counts days since 1970-01-01. */
export interface CalendarDate {
  readonly number: number
  readonly year: number
  /** 1–12. */
  readonly month: number
  /** Day of the month, 1–31. */
  readonly date: number
  /** 0 is Sunday. */
  readonly weekday: number
}

export const SUNDAY = 0
export const MONDAY = 1
export const THURSDAY = 4
export const FRIDAY = 5
export const SATURDAY = 6

/** The day number of a date; `month` is 1–12. */
export function dayNumber(year: number, month: number, date: number): number {
  return Date.UTC(year, month - 1, date) / DAY_MS
}

export function dateOf(number: number): CalendarDate {
  const day = new Date(number * DAY_MS)
  return {
    number,
    year: day.getUTCFullYear(),
    month: day.getUTCMonth() + 1,
    date: day.getUTCDate(),
    weekday: day.getUTCDay(),
  }
}

/** `2025-07-03`. */
export function formatDay(number: number): string {
  return new Date(number * DAY_MS).toISOString().slice(0, -14)
}

/** The day number of `2025-07-03`. @throws BAD_OPTION for what is no such date */
export function parseDay(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  const number = ms / DAY_MS
  // A date such as 2025-02-30 is read as one in March by some engines.
  if (!Number.isNaN(number) && formatDay(number) === text) return number
  throw new TickwireError('BAD_OPTION', `not a date: ${JSON.stringify(text)}`, {
    hint: 'Write it as 2025-07-03.',
  })
}

/** Day number of the n-th such weekday of a month. */
export function nthWeekday(year: number, month: number, weekday: number, nth: number): number {
  const first = dayNumber(year, month, 1)
  return first + ((weekday - weekdayOf(first) + 7) % 7) + (nth - 1) * 7
}

/** Day number of the last such weekday of a month. */
export function lastWeekday(year: number, month: number, weekday: number): number {
  const last = dayNumber(year, month + 1, 0)
  return last - ((weekdayOf(last) - weekday + 7) % 7)
}

/** 0 is Sunday. 1970-01-01 was a Thursday. */
export function weekdayOf(number: number): number {
  return (((number + 4) % 7) + 7) % 7
}

/** Day number of Easter Sunday: the anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8). */
export function easter(year: number): number {
  const a = year % 19
  const b = Math.floor(year / 100)
  const c = year % 100
  const d = Math.floor((8 * b + 13) / 25)
  const h = (19 * a + b - Math.floor(b / 4) - d + 15) % 30
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7
  const m = Math.floor((a + 11 * h + 22 * l) / 451)
  const n = h + l - 7 * m + 114
  return dayNumber(year, Math.floor(n / 31), (n % 31) + 1)
}

/** `'2025: 01-26 Republic Day, 03-14 Holi'` a line or more for each year, as day numbers and names. */
export function parseHolidays(table: string): ReadonlyMap<number, string> {
  const holidays = new Map<number, string>()
  let year = 0
  for (const [, heading, month, date, name] of table.matchAll(
    /(\d{4}):|(\d\d)-(\d\d) ([^,\n]+)/g,
  )) {
    if (heading) year = Number(heading)
    else holidays.set(dayNumber(year, Number(month), Number(date)), name!.trim())
  }
  return holidays
}
