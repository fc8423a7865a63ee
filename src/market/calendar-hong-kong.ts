import { type Calendar, createCalendar, type DayPlan, type Stretch } from './calendar.ts'
import { type CalendarDate, dayNumber, FRIDAY, MONDAY, parseHolidays } from './calendar-dates.ts'

const MORNING: readonly Stretch[] = [
  { name: 'pre', from: 9 * 60, to: 9 * 60 + 30 },
  { name: 'regular', from: 9 * 60 + 30, to: 12 * 60 },
]
const USUAL: readonly Stretch[] = [
  ...MORNING,
  { name: 'break', from: 12 * 60, to: 13 * 60 },
  { name: 'regular', from: 13 * 60, to: 16 * 60 },
  { name: 'post', from: 16 * 60, to: 16 * 60 + 10 },
]
const HALF: readonly Stretch[] = [...MORNING, { name: 'post', from: 12 * 60, to: 12 * 60 + 10 }]

/** On weekdays. A day that severe weather closed for some hours only is not in it; since September 2024 none does. */
const HOLIDAYS = parseHolidays(`
2014:
  01-01 New Year's Day, 01-31 Lunar New Year, 02-03 Lunar New Year, 04-18 Good Friday,
  04-21 Easter Monday, 05-01 Labour Day, 05-06 Buddha's Birthday, 06-02 Dragon Boat Festival,
  07-01 Establishment Day, 09-09 Mid-Autumn Festival, 10-01 National Day,
  10-02 Chung Yeung Festival, 12-25 Christmas, 12-26 Christmas
2015:
  01-01 New Year's Day, 02-19 Lunar New Year, 02-20 Lunar New Year, 04-03 Good Friday,
  04-06 Ching Ming Festival, 04-07 Easter Monday, 05-01 Labour Day, 05-25 Buddha's Birthday,
  07-01 Establishment Day, 09-03 Victory Day, 09-28 Mid-Autumn Festival, 10-01 National Day,
  10-21 Chung Yeung Festival, 12-25 Christmas
2016:
  01-01 New Year's Day, 02-08 Lunar New Year, 02-09 Lunar New Year, 02-10 Lunar New Year,
  03-25 Good Friday, 03-28 Easter Monday, 04-04 Ching Ming Festival, 05-02 Labour Day,
  06-09 Dragon Boat Festival, 07-01 Establishment Day, 08-02 severe weather,
  09-16 Mid-Autumn Festival, 10-10 Chung Yeung Festival, 10-21 severe weather, 12-26 Christmas,
  12-27 Christmas
2017:
  01-02 New Year's Day, 01-30 Lunar New Year, 01-31 Lunar New Year, 04-04 Ching Ming Festival,
  04-14 Good Friday, 04-17 Easter Monday, 05-01 Labour Day, 05-03 Buddha's Birthday,
  05-30 Dragon Boat Festival, 08-23 severe weather, 10-02 National Day, 10-05 Mid-Autumn Festival,
  12-25 Christmas, 12-26 Christmas
2018:
  01-01 New Year's Day, 02-16 Lunar New Year, 02-19 Lunar New Year, 03-30 Good Friday,
  04-02 Easter Monday, 04-05 Ching Ming Festival, 05-01 Labour Day, 05-22 Buddha's Birthday,
  06-18 Dragon Boat Festival, 07-02 Establishment Day, 09-25 Mid-Autumn Festival,
  10-01 National Day, 10-17 Chung Yeung Festival, 12-25 Christmas, 12-26 Christmas
2019:
  01-01 New Year's Day, 02-05 Lunar New Year, 02-06 Lunar New Year, 02-07 Lunar New Year,
  04-05 Ching Ming Festival, 04-19 Good Friday, 04-22 Easter Monday, 05-01 Labour Day,
  05-13 Buddha's Birthday, 06-07 Dragon Boat Festival, 07-01 Establishment Day,
  10-01 National Day, 10-07 Chung Yeung Festival, 12-25 Christmas, 12-26 Christmas
2020:
  01-01 New Year's Day, 01-27 Lunar New Year, 01-28 Lunar New Year, 04-10 Good Friday,
  04-13 Easter Monday, 04-30 Buddha's Birthday, 05-01 Labour Day, 06-25 Dragon Boat Festival,
  07-01 Establishment Day, 10-01 National Day, 10-02 Mid-Autumn Festival, 10-13 severe weather,
  10-26 Chung Yeung Festival, 12-25 Christmas
2021:
  01-01 New Year's Day, 02-12 Lunar New Year, 02-15 Lunar New Year, 04-02 Good Friday,
  04-05 Ching Ming Festival, 04-06 Easter Monday, 05-19 Buddha's Birthday,
  06-14 Dragon Boat Festival, 07-01 Establishment Day, 09-22 Mid-Autumn Festival,
  10-01 National Day, 10-13 severe weather, 10-14 Chung Yeung Festival, 12-27 Christmas
2022:
  02-01 Lunar New Year, 02-02 Lunar New Year, 02-03 Lunar New Year, 04-05 Ching Ming Festival,
  04-15 Good Friday, 04-18 Easter Monday, 05-02 Labour Day, 05-09 Buddha's Birthday,
  06-03 Dragon Boat Festival, 07-01 Establishment Day, 09-12 Mid-Autumn Festival,
  10-04 Chung Yeung Festival, 12-26 Christmas, 12-27 Christmas
2023:
  01-02 New Year's Day, 01-23 Lunar New Year, 01-24 Lunar New Year, 01-25 Lunar New Year,
  04-05 Ching Ming Festival, 04-07 Good Friday, 04-10 Easter Monday, 05-01 Labour Day,
  05-26 Buddha's Birthday, 06-22 Dragon Boat Festival, 07-17 severe weather, 09-01 severe weather,
  09-08 severe weather, 10-02 National Day, 10-23 Chung Yeung Festival, 12-25 Christmas,
  12-26 Christmas
2024:
  01-01 New Year's Day, 02-12 Lunar New Year, 02-13 Lunar New Year, 03-29 Good Friday,
  04-01 Easter Monday, 04-04 Ching Ming Festival, 05-01 Labour Day, 05-15 Buddha's Birthday,
  06-10 Dragon Boat Festival, 07-01 Establishment Day, 09-06 severe weather,
  09-18 Mid-Autumn Festival, 10-01 National Day, 10-11 Chung Yeung Festival, 12-25 Christmas,
  12-26 Christmas
2025:
  01-01 New Year's Day, 01-29 Lunar New Year, 01-30 Lunar New Year, 01-31 Lunar New Year,
  04-04 Ching Ming Festival, 04-18 Good Friday, 04-21 Easter Monday, 05-01 Labour Day,
  05-05 Buddha's Birthday, 07-01 Establishment Day, 10-01 National Day, 10-07 Mid-Autumn Festival,
  10-29 Chung Yeung Festival, 12-25 Christmas, 12-26 Christmas
2026:
  01-01 New Year's Day, 02-17 Lunar New Year, 02-18 Lunar New Year, 02-19 Lunar New Year,
  04-03 Good Friday, 04-06 Ching Ming Festival, 04-07 Easter Monday, 05-01 Labour Day,
  05-25 Buddha's Birthday, 06-19 Dragon Boat Festival, 07-01 Establishment Day,
  10-01 National Day, 10-19 Chung Yeung Festival, 12-25 Christmas
`)

/** The last day before the Lunar New Year, where it is a trading day. */
const LUNAR_EVES = parseHolidays(`
2014: 01-30 eve
2015: 02-18 eve
2017: 01-27 eve
2018: 02-15 eve
2019: 02-04 eve
2020: 01-24 eve
2021: 02-11 eve
2022: 01-31 eve
2024: 02-09 eve
2025: 01-28 eve
2026: 02-16 eve
`)

/** Securities at the Hong Kong exchange, with the lunch break and the closing auction (since July 2016). */
export const hkex: Calendar = createCalendar({
  id: 'hkex',
  market: 'Hong Kong market',
  zone: 'Asia/Hong_Kong',
  place: 'Hong Kong',
  holidays: [2014, 2026],
  plan({ number, year, weekday }: CalendarDate): DayPlan {
    if (weekday < MONDAY || weekday > FRIDAY) return { stretches: [] }
    const holiday = HOLIDAYS.get(number)
    if (holiday !== undefined) return { stretches: [], reason: holiday }
    const eve = eveOf(number, year)
    return eve === undefined ? { stretches: USUAL } : { stretches: HALF, early: true, reason: eve }
  },
})

function eveOf(day: number, year: number): string | undefined {
  if (LUNAR_EVES.has(day)) return 'the eve of the Lunar New Year'
  if (day === dayNumber(year, 12, 24)) return 'Christmas Eve'
  return day === dayNumber(year, 12, 31) ? "New Year's Eve" : undefined
}
