import { TickwireError } from '../../base/errors.ts'
import { parseTime } from '../../market/time.ts'
import type { Session } from './session.ts'

const OFFSET = /^GMT(?:([+-])(\d\d):(\d\d))?$/
const ZONE = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/New_York',
  timeZoneName: 'longOffset',
})

/** Minutes of a New York day. */
export const MINUTES = 1_440
export const PRE = 4 * 60
export const OPEN = 9 * 60 + 30
export const CLOSE = 16 * 60
const POST = 20 * 60

/**
 * Midnight in New York at the beginning of `day` (`2025-06-02`), epoch ms. Its clocks never change on a weekday, so
 * every minute of the day counts from there.
 * @throws BAD_OPTION for what is no date, or a Saturday or Sunday
 */
export function startOfDay(day: string): number {
  const utc = parseTime(`${day}T00:00:00Z`)?.timestamp
  if (utc === undefined) {
    throw new TickwireError('BAD_OPTION', `day is ${JSON.stringify(day)}`, {
      hint: "Give a date, as in '2025-06-02'.",
    })
  }
  if (new Date(utc).getUTCDay() % 6 === 0) {
    throw new TickwireError('BAD_OPTION', `${day} is a weekend: US stocks do not trade`, {
      hint: "Give a day from Monday to Friday, as in '2025-06-02'.",
    })
  }
  // The offset at noon is that of the whole day.
  const noon = utc + 17 * 3_600_000
  const name = ZONE.formatToParts(noon).find(({ type }) => type === 'timeZoneName')!.value
  const [, sign, hours = '0', minutes = '0'] = OFFSET.exec(name)!
  const offset = (+hours * 60 + +minutes) * 60_000 * (sign === '-' ? -1 : 1)
  return utc - offset
}

/** How busy stocks are in a minute of the day, against 1 at noon: thin, then a U, then thin. */
function activityAt(minute: number): number {
  if (minute < PRE || minute >= POST) return 0
  if (minute < OPEN) return 0.03 + 0.17 * ((minute - PRE) / (OPEN - PRE)) ** 3
  if (minute >= CLOSE) return 0.03 + 0.2 * Math.exp((CLOSE - minute) / 30)
  return 1 + 2.5 * Math.exp((OPEN - minute) / 25) + 2 * Math.exp((minute - CLOSE) / 20)
}

/** By minute of the day. */
export interface Rates {
  /** Events a millisecond. */
  readonly perMs: Float64Array
  /** Share of crypto in them. */
  readonly crypto: Float64Array
}

/** Spreads the events of a day: those of stocks as busy as the hour is, those of crypto evenly. */
export function ratesOf(stocks: number, crypto: number): Rates {
  const activity = Float64Array.from({ length: MINUTES }, (_, minute) => activityAt(minute))
  const whole = activity.reduce((a, b) => a + b)
  const coins = crypto / MINUTES
  const counts = activity.map(part => (stocks * part) / whole + coins)
  return {
    perMs: counts.map(count => count / 60_000),
    crypto: counts.map(count => (count === 0 ? 0 : coins / count)),
  }
}

/** What the time of day makes of stocks: wide and wild at the opening, wider outside of regular hours. */
export function sessionAt(minute: number): Session {
  if (minute < OPEN || minute >= CLOSE) return { spread: 4, volatility: 1.5, extended: true }
  const opening = Math.exp((OPEN - minute) / 15)
  const closing = Math.exp((minute - CLOSE) / 10)
  return {
    spread: 1 + 2 * opening + 0.8 * closing,
    volatility: 1 + opening + 0.4 * closing,
    extended: false,
  }
}
