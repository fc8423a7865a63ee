import type { Calendar, Session, SessionName } from './calendar.ts'
import { DAY_MS, dateOf, MINUTE_MS } from './calendar-dates.ts'
import { zoneOf } from './calendar-zone.ts'

const REGULAR: readonly SessionName[] = ['regular']

/** How people call a session. */
export const SESSION_WORDS: Readonly<Record<SessionName, string>> = {
  pre: 'pre-market',
  regular: 'regular',
  break: 'break',
  post: 'after-hours',
  overnight: 'overnight',
  closed: 'closed',
}

/**
 * How long a market was in one of the named sessions between two moments, ms: what a silence or a gap is worth. 0
 * when `to` is not behind `from`.
 *
 * @param sessions `['regular']` unless told otherwise
 * @throws BAD_OPTION for what is no moment
 */
export function openTimeBetween(
  calendar: Calendar,
  from: number,
  to: number,
  sessions: readonly SessionName[] = REGULAR,
): number {
  // Both are checked, also where there is nothing between them.
  calendar.sessionAt(from)
  const last = calendar.sessionAt(to)
  if (from >= last.from && from < to) return sessions.includes(last.name) ? to - from : 0
  let open = 0
  for (const { session, begin, end } of stretchesBetween(calendar, from, to)) {
    if (sessions.includes(session.name)) open += end - begin
  }
  return open
}

/**
 * Why a market is not in one of the named sessions, and until when: `US market closed for Thanksgiving until Fri
 * 09:30 New York`. None while it is.
 *
 * @param sessions `['regular']` unless told otherwise
 * @throws BAD_OPTION for what is no moment
 */
export function describeClosed(
  calendar: Calendar,
  ms: number,
  sessions: readonly SessionName[] = REGULAR,
): string | undefined {
  const now = calendar.sessionAt(ms)
  if (sessions.includes(now.name)) return undefined
  const { market } = calendar
  const opens = calendar.opensAt(ms, sessions)
  const at = opens === undefined ? undefined : formatLocal(calendar, opens, ms)
  if (now.name !== 'closed' && now.name !== 'break') {
    const words = at === undefined ? '' : `; ${nextOf(calendar, opens!)} trading from ${at}`
    return `${market} in its ${SESSION_WORDS[now.name]} session${words}`
  }
  const until = at === undefined ? '' : ` until ${at}`
  if (now.name === 'break') return `${market} on its break${until}`
  const why = reasonsBetween(calendar, ms, opens ?? ms + 1)
  return `${market} closed${why === '' ? '' : ` for ${why}`}${until}`
}

const nextOf = (calendar: Calendar, opens: number) => SESSION_WORDS[calendar.sessionAt(opens).name]

/** The reasons of the closed sessions between two moments. */
function reasonsBetween(calendar: Calendar, from: number, to: number): string {
  const reasons = new Set<string>()
  for (const { session } of stretchesBetween(calendar, from, to)) {
    if (session.name === 'closed' && session.reason !== undefined) reasons.add(session.reason)
  }
  return [...reasons].join(' and ')
}

/** The sessions between two moments, each with the part of it that lies between them. */
function* stretchesBetween(calendar: Calendar, from: number, to: number) {
  for (let begin = from; begin < to; ) {
    const session: Session = calendar.sessionAt(begin)
    const end = Math.min(session.to, to)
    yield { session, begin, end }
    begin = end
  }
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Mon 09:30 New York`; with the date, `Mon 5 Jan 09:30 New York`, when that is a week or more behind `seen`. */
export function formatLocal(
  { zone, place }: Pick<Calendar, 'zone' | 'place'>,
  ms: number,
  seen = ms,
): string {
  const day = zoneOf(zone).dayAt(ms)
  const { date, month } = dateOf(day)
  const far = day - zoneOf(zone).dayAt(seen) > 6 ? ` ${date} ${MONTHS[month - 1]}` : ''
  return `${weekdayName(day)}${far} ${formatClock(zone, ms)} ${place}`
}

/** `09:30` of a zone. */
export function formatClock(zone: string, ms: number): string {
  const local = ms + zoneOf(zone).offsetAt(ms)
  const minutes = Math.floor(local / MINUTE_MS) - Math.floor(local / DAY_MS) * 24 * 60
  const two = (n: number) => String(n).padStart(2, '0')
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** `Mon` for a day number. */
export const weekdayName = (day: number) => WEEKDAYS[dateOf(day).weekday]!
