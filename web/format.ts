const NONE = '–'

/** By decimals: making one for each number would cost more than all the rest of a line. */
const prices = new Map<number, Intl.NumberFormat>()

function formatOf(digits: number): Intl.NumberFormat {
  let format = prices.get(digits)
  if (!format) {
    const both = { minimumFractionDigits: digits, maximumFractionDigits: digits }
    format = new Intl.NumberFormat('en-US', both)
    prices.set(digits, format)
  }
  return format
}

/** A price with the decimals of its symbol, so that columns stand still. */
export function price(value: number | undefined, digits: number): string {
  if (value === undefined) return NONE
  return formatOf(digits).format(value)
}

export function signed(value: number | undefined, digits: number): string {
  if (value === undefined) return NONE
  const text = price(Math.abs(value), digits)
  // What rounds to nothing has no sign.
  const sign = /[1-9]/.test(text) ? (value > 0 ? '+' : '−') : ''
  return `${sign}${text}`
}

const UNITS = [
  [1e9, 'B'],
  [1e6, 'M'],
  [1e4, 'K'],
] as const

const [SMALL, MIDDLE, WHOLE] = [4, 2, 0].map(
  digits => new Intl.NumberFormat('en-US', { maximumFractionDigits: digits }),
) as [Intl.NumberFormat, Intl.NumberFormat, Intl.NumberFormat]

/** Shares or coins, short: `12.4K`, `3.51M`. */
export function amount(value: number | undefined): string {
  if (value === undefined) return NONE
  for (const [least, unit] of UNITS) {
    if (value < least) continue
    const scaled = value / (unit === 'K' ? 1e3 : least)
    return `${scaled.toFixed(scaled < 100 ? 2 : 1)}${unit}`
  }
  return (value < 10 ? SMALL : value < 1_000 ? MIDDLE : WHOLE).format(value)
}

/** How long ago, ms: `0.4 s` would flicker, so whole seconds. */
export function age(ms: number | undefined): string {
  if (ms === undefined) return NONE
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3_600)} h`
}

/** How long, in two units: `3 h 12 min`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)]
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`
  if (hours > 0) return `${hours} h ${minutes % 60} min`
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`
}

/** Time of day in a zone of IANA's. */
export function clock(ms: number, zone: string, withMs = false): string {
  return isoIn(ms, zone).slice(11, withMs ? 23 : 19)
}

/** Day and month. */
export function day(ms: number, zone: string): string {
  const text = isoIn(ms, zone)
  return `${Number(text.slice(8, 10))} ${MONTHS[Number(text.slice(5, 7)) - 1]}`
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
/** No zone changes its hour between. */
const QUARTER_MS = 900_000
const offsets = new Map<string, { readonly at: number; readonly ms: number }>()
const formats = new Map<string, Intl.DateTimeFormat>()

const isoIn = (ms: number, zone: string) => new Date(ms + offsetOf(ms, zone)).toISOString()

/** What a zone is ahead of UTC, ms: asking the browser for each time of day would cost more than all the rest of a line. */
function offsetOf(ms: number, zone: string): number {
  if (zone === 'UTC') return 0
  const at = Math.floor(ms / QUARTER_MS) * QUARTER_MS
  const known = offsets.get(zone)
  if (known?.at === at) return known.ms
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
    formats.set(zone, format)
  }
  const part = Object.fromEntries(format.formatToParts(at).map(it => [it.type, Number(it.value)]))
  const { year, month, day: date, hour, minute, second } = part
  const there = Date.UTC(year!, month! - 1, date, hour, minute, second)
  offsets.set(zone, { at, ms: there - at })
  return there - at
}

/** How a zone is called where there is little room: `New York`. */
export const placeOf = (zone: string) => zone.split('/').at(-1)!.replaceAll('_', ' ')

export function lag(ms: number | undefined): string {
  if (ms === undefined) return NONE
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
