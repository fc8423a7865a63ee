import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { Calendar, CalendarDay, Session } from '../../market/calendar.ts'
import { calendarNamed } from '../../market/calendar-book.ts'
import { formatDay, parseDay } from '../../market/calendar-dates.ts'
import {
  describeClosed,
  formatClock,
  formatLocal,
  SESSION_WORDS,
  weekdayName,
} from '../../market/calendar-words.ts'
import { zoneOf } from '../../market/calendar-zone.ts'
import { parseWhole } from '../flags.ts'
import { Output } from '../output.ts'

export interface CalendarFlags {
  /** First day shown, as 2025-07-03. @default today at the exchange */
  readonly date?: string
  readonly days: number
  readonly json?: boolean
}

/** The most days shown. */
const MOST_DAYS = 400

/** `tickwire calendar`: what a market does now, and its hours on the coming days. */
export async function calendar(name: string, flags: CalendarFlags): Promise<number> {
  const found = calendarNamed(name)
  const now = systemClock().now()
  const first = flags.date === undefined ? zoneOf(found.zone).dayAt(now) : parseDay(flags.date)
  const days = Array.from({ length: flags.days }, (_, i) => found.day(formatDay(first + i)))
  const output = new Output(1, error => {
    if (error) throw error
  })
  output.put(flags.json ? `${asJson(found, now, days)}\n` : asTable(found, now, days))
  await output.flush()
  return 0
}

/** A whole number from 1 to 400. @throws BAD_OPTION */
export function parseDays(text: string): number {
  const days = parseWhole(text)
  if (days && days <= MOST_DAYS) return days
  throw new TickwireError('BAD_OPTION', `--days cannot be ${JSON.stringify(text)}`, {
    hint: `Give a whole number from 1 to ${MOST_DAYS}.`,
  })
}

/** The state now and the days, for people. */
export function asTable(calendar: Calendar, now: number, days: readonly CalendarDay[]): string {
  const rows = [
    ['day', 'session', calendar.place, ...(calendar.zone === 'UTC' ? [] : ['UTC']), ''],
    ...days.flatMap(day => rowsOf(calendar, day)),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const table = rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
  const unknown = days.some(day => day.holidaysUnknown)
    ? [
        '',
        `Holidays are known ${knownYears(calendar)}; for other years the usual hours are assumed.`,
      ]
    : []
  return `${[...describeNow(calendar, now), '', ...table, ...unknown].join('\n')}\n`
}

function describeNow(calendar: Calendar, now: number): string[] {
  const { session, until, following } = stateAt(calendar, now)
  const name = `${calendar.market}: ${SESSION_WORDS[session.name]}`
  const why = session.reason === undefined ? '' : ` (${session.reason})`
  if (until === undefined) return [`${name}${why}, around the clock`]
  const utc = formatLocal({ zone: 'UTC', place: 'UTC' }, until, now)
  const line = `${name}${why} until ${formatLocal(calendar, until, now)} (${utc}), then ${following}`
  const opens = calendar.opensAt(now)
  if (opens === undefined || opens === now || opens === until) return [line]
  return [line, `regular trading from ${formatLocal(calendar, opens, now)}`]
}

/** What runs, until when, and what follows; sessions of one name that touch count as one. */
function stateAt(
  calendar: Calendar,
  now: number,
): { readonly session: Session; readonly until?: number; readonly following?: string } {
  const session = calendar.sessionAt(now)
  let next = calendar.next(now)
  // A week of days that touch: it never closes.
  for (let i = 0; i < 7 && next?.name === session.name; i++) next = calendar.next(next.from)
  if (next === undefined || next.name === session.name) return { session }
  return { session, until: next.from, following: SESSION_WORDS[next.name] }
}

function rowsOf(calendar: Calendar, date: CalendarDay): string[][] {
  const { day, sessions, early, reason, holidaysUnknown } = date
  const number = parseDay(day)
  const label = `${day} ${weekdayName(number)}`
  const why = [
    ...(reason === undefined ? [] : [early ? `ends early: ${reason}` : reason]),
    ...(holidaysUnknown ? ['holidays not known'] : []),
  ].join('; ')
  const span = (zone: string, { from, to }: Session) =>
    `${clockOf(zone, from, number)}–${clockOf(zone, to, number)}`
  const zones = calendar.zone === 'UTC' ? ['UTC'] : [calendar.zone, 'UTC']
  if (sessions.length === 0) return [[label, 'closed', ...zones.map(() => ''), why]]
  return sessions.map((session, i) => [
    i === 0 ? label : '',
    SESSION_WORDS[session.name],
    ...zones.map(zone => span(zone, session)),
    i === 0 ? why : '',
  ])
}

/** `09:30`, with the weekday where that is not the one of the day. */
function clockOf(zone: string, ms: number, day: number): string {
  const there = zoneOf(zone).dayAt(ms)
  return `${there === day ? '' : `${weekdayName(there)} `}${formatClock(zone, ms)}`
}

function knownYears({ holidays }: Calendar): string {
  return holidays === 'none' ? 'for all years' : `from ${holidays[0]} to ${holidays[1]}`
}

/** The same for programs: times in UTC as RFC 3339. */
export function asJson(calendar: Calendar, now: number, days: readonly CalendarDay[]): string {
  const { id, market, zone, holidays } = calendar
  const { session, until } = stateAt(calendar, now)
  const closed = describeClosed(calendar, now)
  return JSON.stringify({
    calendar: id,
    market,
    zone,
    holidays,
    now: {
      at: iso(now),
      ...plain(session),
      ...(session.day !== undefined && { day: session.day }),
      ...(until !== undefined && { until: iso(until) }),
      ...(closed !== undefined && { closed }),
    },
    days: days.map(day => ({ ...day, sessions: day.sessions.map(plain) })),
  })
}

const plain = ({ name, from, to, reason }: Session) => ({
  session: name,
  from: iso(from),
  to: iso(to),
  ...(reason !== undefined && { reason }),
})

const iso = (ms: number) => new Date(ms).toISOString()
