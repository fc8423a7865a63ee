import { TickwireError } from '../base/errors.ts'
import { zoneOf } from '../market/calendar-zone.ts'
import { type Moment, parseTime } from '../market/time.ts'

/** How a column says a time: ISO text, or a number since 1970 in this unit. */
export type TimeUnit = 'iso' | 's' | 'ms' | 'us' | 'ns'
export const TIME_UNITS: readonly TimeUnit[] = ['iso', 's', 'ms', 'us', 'ns']

/** Nanoseconds of a unit. */
const NANOS: Readonly<Record<Exclude<TimeUnit, 'iso'>, bigint>> = {
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n,
}

const NUMERAL = /^(\d+)(?:\.(\d*))?$/
const EXPONENT = /^\d+(?:\.\d*)?e\+?\d+$/i
/** From 1990 to 2100, in which all times of market data are, s. */
const FIRST_S = 631_152_000
const LAST_S = 4_102_444_800

/** So many of the times must agree; a few may be mistakes, which are found one by one. */
const MOST = 0.9

/**
 * The unit of some times, by what they would be in each: those of one are at least 150 years away from those of the next.
 * `undefined` where they are of none.
 */
export function unitOf(texts: readonly string[]): TimeUnit | 'mixed' | undefined {
  const counts = new Map<TimeUnit | undefined, number>()
  for (const text of texts) {
    const unit = unitOfOne(text)
    counts.set(unit, (counts.get(unit) ?? 0) + 1)
  }
  const [[unit, count] = [undefined, 0]] = [...counts].sort((a, b) => b[1] - a[1])
  const others = [...counts.keys()].filter(one => one !== undefined && one !== unit)
  return others.length === 0 || count >= texts.length * MOST ? unit : 'mixed'
}

function unitOfOne(text: string): TimeUnit | undefined {
  if (!NUMERAL.test(text) && !EXPONENT.test(text)) return 'iso'
  // A day without anything between its parts.
  if (/^(?:19|20)\d{6}$/.test(text) || /^(?:19|20)\d{12}$/.test(text)) return 'iso'
  const number = Number(text)
  const factors = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 } as const
  return (Object.keys(factors) as (keyof typeof factors)[]).find(
    unit => number >= FIRST_S * factors[unit] && number <= LAST_S * factors[unit],
  )
}

const TEXT =
  /^(\d{4})[-/]?(\d\d)[-/]?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?$/i

/** A reader of times in a unit; texts without a zone are local to `zone`. It gives `undefined` for what is no time. */
export function timeReader(unit: TimeUnit, zone: string): (text: string) => Moment | undefined {
  if (unit !== 'iso') return text => ofNumber(text, NANOS[unit])
  const local = zone === 'UTC' ? undefined : zoneOf(zone)
  return text => {
    const match = TEXT.exec(text)
    if (!match) return undefined
    const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset] =
      match
    const plain = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(1, '0')}`
    if (offset || !local) return parseTime(plain + zoneText(offset))
    const asUtc = parseTime(`${plain}Z`)
    if (!asUtc) return undefined
    const { timestamp, nanos } = asUtc
    const guess = timestamp - local.offsetAt(timestamp)
    return { timestamp: timestamp - local.offsetAt(guess), nanos }
  }
}

function zoneText(offset: string | undefined): string {
  if (offset === undefined || /^(?:Z|UTC)$/i.test(offset)) return 'Z'
  const digits = offset.slice(1).replace(':', '').padEnd(4, '0')
  return `${offset[0]}${digits.slice(0, 2)}:${digits.slice(2)}`
}

/** Whether a text says its zone, or needs none: a number does not. */
export const hasZone = (text: string) => TEXT.exec(text)?.[8] !== undefined

function ofNumber(text: string, nanosPerUnit: bigint): Moment | undefined {
  const plain = EXPONENT.test(text) ? `${BigInt(Math.round(Number(text)))}` : text
  const [, whole, fraction = ''] = NUMERAL.exec(plain) ?? []
  if (whole === undefined || whole.length > 20) return undefined
  const digits = `${nanosPerUnit}`.length - 1
  const below = digits === 0 ? 0n : BigInt(fraction.padEnd(digits, '0').slice(0, digits))
  const ns = BigInt(whole) * nanosPerUnit + below
  return { timestamp: Number(ns / 1_000_000n), nanos: Number(ns % 1_000_000n) }
}

/** @throws BAD_OPTION for a name that is no zone */
export function checkZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return zone
  } catch (cause) {
    throw new TickwireError('BAD_OPTION', `${JSON.stringify(zone)} is no time zone`, {
      cause,
      hint: 'Give its name, as America/New_York or UTC.',
    })
  }
}
