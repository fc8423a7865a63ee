import type { EventBase } from './events.ts'

/** Venue time of an event as nanoseconds since the epoch, exact. */
export function timestampNs(event: Pick<EventBase, 'timestamp' | 'nanos'>): bigint {
  return BigInt(event.timestamp) * 1_000_000n + BigInt(event.nanos)
}

/** Venue time as a `Date` (milliseconds; the nanoseconds below are lost). */
export function toDate(event: Pick<EventBase, 'timestamp'>): Date {
  return new Date(event.timestamp)
}

/** Venue time as RFC 3339 in UTC with nine digits: `2024-01-15T14:30:00.123000000Z`. */
export function toISO(event: Pick<EventBase, 'timestamp' | 'nanos'>): string {
  return formatTime(event.timestamp, event.nanos)
}

let cachedDay = Number.NaN
let dayPrefix = ''
let cachedSecond = Number.NaN
let secondPrefix = ''

/**
 * `timestamp` (whole epoch ms) and the nanoseconds below it as RFC 3339 with nine digits.
 * @throws RangeError outside the years 0000–9999, which RFC 3339 cannot write
 */
export function formatTime(timestamp: number, nanos: number): string {
  // Neighbouring events mostly share their second: everything but the fraction is kept.
  const second = Math.floor(timestamp / 1_000)
  if (second !== cachedSecond) {
    secondPrefix = prefixOf(second)
    cachedSecond = second
  }
  const below = (timestamp - second * 1_000) * 1_000_000 + nanos
  return `${secondPrefix}${String(1_000_000_000 + below).slice(1)}Z`
}

function prefixOf(second: number): string {
  const day = Math.floor(second / 86_400)
  if (day !== cachedDay) {
    const prefix = new Date(day * 86_400_000).toISOString().slice(0, 11)
    if (!prefix.endsWith('T')) throw new RangeError(`no RFC 3339 year: ${prefix}`)
    dayPrefix = prefix
    cachedDay = day
  }
  const rest = second - day * 86_400
  const h = Math.floor(rest / 3_600)
  const m = Math.floor(rest / 60) % 60
  return `${dayPrefix}${two(h)}:${two(m)}:${two(rest % 60)}.`
}

const two = (n: number) => (n < 10 ? `0${n}` : `${n}`)

/** The moments RFC 3339 can write, epoch ms: years 0000–9999. */
export const FIRST_MS = -62_167_219_200_000
export const LAST_MS = 253_402_300_799_999

/** A moment: whole epoch milliseconds and the nanoseconds below. */
export interface Moment {
  readonly timestamp: number
  readonly nanos: number
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/** The calendar repeats after 400 years; `Date.UTC` takes the years 0–99 for 1900–1999. */
const CYCLE_MS = 146_097 * 86_400_000

/**
 * RFC 3339 with 0–9 fractional digits and any offset, exact; `undefined` when it is not that. Epoch time has no
 * leap seconds, so a second of 60 is refused.
 */
export function parseTime(text: string): Moment | undefined {
  const match = RFC3339.exec(text)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour, offsetMinute] =
    match
  const shifted = Date.UTC(+year! + 400, +month! - 1, +day!, +hour!, +minute!, +second!)
  const date = new Date(shifted)
  const real =
    date.getUTCMonth() === +month! - 1 &&
    date.getUTCDate() === +day! &&
    +hour! < 24 &&
    +minute! < 60 &&
    +second! < 60 &&
    +(offsetHour ?? 0) < 24 &&
    +(offsetMinute ?? 0) < 60
  if (!real) return undefined
  const offset = sign ? (+offsetHour! * 60 + +offsetMinute!) * 60_000 * (sign === '-' ? -1 : 1) : 0
  const nanos = Number(fraction.padEnd(9, '0'))
  const timestamp = shifted - CYCLE_MS - offset + Math.floor(nanos / 1_000_000)
  if (timestamp < FIRST_MS || timestamp > LAST_MS) return undefined
  return { timestamp, nanos: nanos % 1_000_000 }
}
