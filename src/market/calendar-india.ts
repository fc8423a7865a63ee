import { type Calendar, createCalendar, type DayPlan, type Stretch } from './calendar.ts'
import { type CalendarDate, FRIDAY, formatDay, MONDAY, parseHolidays } from './calendar-dates.ts'

const clock = (hours: number, minutes = 0) => hours * 60 + minutes

const USUAL: readonly Stretch[] = [
  { name: 'pre', from: clock(9), to: clock(9, 15) },
  { name: 'regular', from: clock(9, 15), to: clock(15, 30) },
]

/** An hour of trading on the evening of Diwali, with a quarter of an hour before it to enter orders. */
function muhurat(from: number, to = from + 60): DayPlan {
  return {
    reason: 'Diwali Muhurat trading',
    stretches: [
      { name: 'pre', from: from - 15, to: from },
      { name: 'regular', from, to },
    ],
  }
}

const BUDGET: DayPlan = { stretches: USUAL, reason: 'the Union Budget' }

/** Trading moves to the other data centre between two short sessions. */
function recoveryTest(from: number, to: number): DayPlan {
  return {
    early: true,
    reason: 'a test of disaster recovery',
    stretches: [
      { name: 'pre', from: clock(9), to: clock(9, 15) },
      { name: 'regular', from: clock(9, 15), to: clock(10) },
      { name: 'break', from: clock(10), to: from },
      { name: 'regular', from, to },
    ],
  }
}

/** Sessions on days that are otherwise closed. The Muhurat hours of 2013, 2015 and 2026 are missing. */
const SPECIAL: Readonly<Record<string, DayPlan>> = {
  '2011-10-26': muhurat(clock(16, 45), clock(18)),
  '2012-11-13': muhurat(clock(15, 45), clock(17)),
  '2014-10-23': muhurat(clock(18, 30)),
  '2015-02-28': BUDGET,
  '2016-10-30': muhurat(clock(18, 30)),
  '2017-10-19': muhurat(clock(18, 30)),
  '2018-11-07': muhurat(clock(17, 30)),
  '2019-10-27': muhurat(clock(18, 15)),
  '2020-02-01': BUDGET,
  '2020-11-14': muhurat(clock(18, 15)),
  '2021-11-04': muhurat(clock(18, 15)),
  '2022-10-24': muhurat(clock(18, 15)),
  '2023-11-12': muhurat(clock(18, 15)),
  '2024-01-20': { stretches: USUAL, reason: 'the holiday on Monday' },
  '2024-03-02': recoveryTest(clock(11, 30), clock(12, 30)),
  '2024-05-18': recoveryTest(clock(11, 45), clock(12, 40)),
  '2024-11-01': muhurat(clock(18)),
  '2025-02-01': BUDGET,
  '2025-10-21': muhurat(clock(13, 45)),
  '2026-02-01': BUDGET,
}

/** On weekdays, as the exchanges' circulars had them in the end. */
const HOLIDAYS = parseHolidays(`
2011:
  01-26 Republic Day, 03-02 Maha Shivaratri, 04-12 Ram Navami, 04-14 Ambedkar Jayanti,
  04-22 Good Friday, 08-15 Independence Day, 08-31 Id-ul-Fitr, 09-01 Ganesh Chaturthi,
  10-06 Dussehra, 10-26 Diwali, 10-27 Diwali Balipratipada, 11-07 Bakri Id,
  11-10 Guru Nanak Jayanti, 12-06 Muharram
2012:
  01-26 Republic Day, 02-20 Maha Shivaratri, 03-08 Holi, 04-05 Mahavir Jayanti, 04-06 Good Friday,
  05-01 Maharashtra Day, 08-15 Independence Day, 08-20 Id-ul-Fitr, 09-19 Ganesh Chaturthi,
  10-02 Gandhi Jayanti, 10-24 Dussehra, 11-13 Diwali, 11-14 Diwali Balipratipada,
  11-28 Guru Nanak Jayanti, 12-25 Christmas
2013:
  03-27 Holi, 03-29 Good Friday, 04-19 Ram Navami, 04-24 Mahavir Jayanti, 05-01 Maharashtra Day,
  08-09 Id-ul-Fitr, 08-15 Independence Day, 09-09 Ganesh Chaturthi, 10-02 Gandhi Jayanti,
  10-16 Bakri Id, 11-04 Diwali Balipratipada, 11-15 Muharram, 12-25 Christmas
2014:
  02-27 Maha Shivaratri, 03-17 Holi, 04-08 Ram Navami, 04-14 Ambedkar Jayanti, 04-18 Good Friday,
  04-24 elections, 05-01 Maharashtra Day, 07-29 Id-ul-Fitr, 08-15 Independence Day,
  08-29 Ganesh Chaturthi, 10-02 Gandhi Jayanti, 10-03 Dussehra, 10-06 Bakri Id, 10-15 elections,
  10-23 Diwali, 10-24 Diwali Balipratipada, 11-04 Muharram, 11-06 Guru Nanak Jayanti,
  12-25 Christmas
2015:
  01-26 Republic Day, 02-17 Maha Shivaratri, 03-06 Holi, 04-02 Mahavir Jayanti, 04-03 Good Friday,
  04-14 Ambedkar Jayanti, 05-01 Maharashtra Day, 09-17 Ganesh Chaturthi, 09-25 Bakri Id,
  10-02 Gandhi Jayanti, 10-22 Dussehra, 11-11 Diwali, 11-12 Diwali Balipratipada,
  11-25 Guru Nanak Jayanti, 12-25 Christmas
2016:
  01-26 Republic Day, 03-07 Maha Shivaratri, 03-24 Holi, 03-25 Good Friday,
  04-14 Ambedkar Jayanti, 04-15 Ram Navami, 04-19 Mahavir Jayanti, 07-06 Id-ul-Fitr,
  08-15 Independence Day, 09-05 Ganesh Chaturthi, 09-13 Bakri Id, 10-11 Dussehra, 10-12 Muharram,
  10-31 Diwali Balipratipada, 11-14 Guru Nanak Jayanti
2017:
  01-26 Republic Day, 02-24 Maha Shivaratri, 03-13 Holi, 04-04 Ram Navami,
  04-14 Ambedkar Jayanti and Good Friday, 05-01 Maharashtra Day, 06-26 Id-ul-Fitr,
  08-15 Independence Day, 08-25 Ganesh Chaturthi, 10-02 Gandhi Jayanti, 10-19 Diwali,
  10-20 Diwali Balipratipada, 12-25 Christmas
2018:
  01-26 Republic Day, 02-13 Maha Shivaratri, 03-02 Holi, 03-29 Mahavir Jayanti, 03-30 Good Friday,
  05-01 Maharashtra Day, 08-15 Independence Day, 08-22 Bakri Id, 09-13 Ganesh Chaturthi,
  09-20 Muharram, 10-02 Gandhi Jayanti, 10-18 Dussehra, 11-07 Diwali, 11-08 Diwali Balipratipada,
  11-23 Guru Nanak Jayanti, 12-25 Christmas
2019:
  03-04 Maha Shivaratri, 03-21 Holi, 04-17 Mahavir Jayanti, 04-19 Good Friday, 04-29 elections,
  05-01 Maharashtra Day, 06-05 Id-ul-Fitr, 08-12 Bakri Id, 08-15 Independence Day,
  09-02 Ganesh Chaturthi, 09-10 Muharram, 10-02 Gandhi Jayanti, 10-08 Dussehra, 10-21 elections,
  10-28 Diwali Balipratipada, 11-12 Guru Nanak Jayanti, 12-25 Christmas
2020:
  02-21 Maha Shivaratri, 03-10 Holi, 04-02 Ram Navami, 04-06 Mahavir Jayanti, 04-10 Good Friday,
  04-14 Ambedkar Jayanti, 05-01 Maharashtra Day, 05-25 Id-ul-Fitr, 10-02 Gandhi Jayanti,
  11-16 Diwali Balipratipada, 11-30 Guru Nanak Jayanti, 12-25 Christmas
2021:
  01-26 Republic Day, 03-11 Maha Shivaratri, 03-29 Holi, 04-02 Good Friday,
  04-14 Ambedkar Jayanti, 04-21 Ram Navami, 05-13 Id-ul-Fitr, 07-21 Bakri Id, 08-19 Muharram,
  09-10 Ganesh Chaturthi, 10-15 Dussehra, 11-04 Diwali, 11-05 Diwali Balipratipada,
  11-19 Guru Nanak Jayanti
2022:
  01-26 Republic Day, 03-01 Maha Shivaratri, 03-18 Holi,
  04-14 Ambedkar Jayanti and Mahavir Jayanti, 04-15 Good Friday, 05-03 Id-ul-Fitr, 08-09 Muharram,
  08-15 Independence Day, 08-31 Ganesh Chaturthi, 10-05 Dussehra, 10-24 Diwali,
  10-26 Diwali Balipratipada, 11-08 Guru Nanak Jayanti
2023:
  01-26 Republic Day, 03-07 Holi, 03-30 Ram Navami, 04-04 Mahavir Jayanti, 04-07 Good Friday,
  04-14 Ambedkar Jayanti, 05-01 Maharashtra Day, 06-29 Bakri Id, 08-15 Independence Day,
  09-19 Ganesh Chaturthi, 10-02 Gandhi Jayanti, 10-24 Dussehra, 11-14 Diwali Balipratipada,
  11-27 Guru Nanak Jayanti, 12-25 Christmas
2024:
  01-22 Ram Mandir inauguration, 01-26 Republic Day, 03-08 Maha Shivaratri, 03-25 Holi,
  03-29 Good Friday, 04-11 Id-ul-Fitr, 04-17 Ram Navami, 05-01 Maharashtra Day, 05-20 elections,
  06-17 Bakri Id, 07-17 Muharram, 08-15 Independence Day, 10-02 Gandhi Jayanti, 11-01 Diwali,
  11-15 Guru Nanak Jayanti, 11-20 elections, 12-25 Christmas
2025:
  02-26 Maha Shivaratri, 03-14 Holi, 03-31 Id-ul-Fitr, 04-10 Mahavir Jayanti,
  04-14 Ambedkar Jayanti, 04-18 Good Friday, 05-01 Maharashtra Day, 08-15 Independence Day,
  08-27 Ganesh Chaturthi, 10-02 Dussehra and Gandhi Jayanti, 10-21 Diwali,
  10-22 Diwali Balipratipada, 11-05 Guru Nanak Jayanti, 12-25 Christmas
2026:
  01-15 elections, 01-26 Republic Day, 03-03 Holi, 03-26 Ram Navami, 03-31 Mahavir Jayanti,
  04-03 Good Friday, 04-14 Ambedkar Jayanti, 05-01 Maharashtra Day, 05-28 Bakri Id,
  06-26 Muharram, 09-14 Ganesh Chaturthi, 10-02 Gandhi Jayanti, 10-20 Dussehra,
  11-10 Diwali Balipratipada, 11-24 Guru Nanak Jayanti, 12-25 Christmas
`)

/**
 * National Stock Exchange of India and BSE, equities and their derivatives. The moon sets most holidays and the
 * government some of them days ahead, so they are a table; for years that are not in it only weekends are closed,
 * and the days marked as unknown. Without the closing session (15:40–16:00), which trades at one price.
 */
export const nse: Calendar = createCalendar({
  id: 'nse',
  market: 'Indian market',
  zone: 'Asia/Kolkata',
  place: 'Mumbai',
  holidays: [2011, 2026],
  plan({ number, weekday }: CalendarDate): DayPlan {
    const special = SPECIAL[formatDay(number)]
    if (special) return special
    if (weekday < MONDAY || weekday > FRIDAY) return { stretches: [] }
    const reason = HOLIDAYS.get(number)
    return reason === undefined ? { stretches: USUAL } : { stretches: [], reason }
  },
})
