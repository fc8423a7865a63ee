import { formatTime } from '../market/time.ts'
import type { ListValue, StructValue } from './duckdb.ts'
import type { Cell } from './store.ts'

/** A value of the driver as an answer shows it. */
export function cellOf(value: unknown): Cell {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return value
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : `${value}`
    case 'object':
      return value === null ? null : objectOf(value)
    default:
      return null
  }
}

function objectOf(value: object): Cell {
  if (value instanceof Date) return value.toISOString()
  // The driver has a class for each of its types, told apart by what stands in them.
  const has = value as Partial<ListValue & StructValue & Moments & { scale: number }>
  if (Array.isArray(value)) return value.map(cellOf)
  if (Array.isArray(has.items)) return has.items.map(cellOf)
  if (Array.isArray(has.entries)) {
    return (has.entries as readonly { key: unknown; value: unknown }[]).map(({ key, value }) => ({
      key: cellOf(key),
      value: cellOf(value),
    }))
  }
  if (typeof has.entries === 'object') {
    return Object.fromEntries(
      Object.entries(has.entries).map(([name, entry]) => [name, cellOf(entry)]),
    )
  }
  if (typeof has.scale === 'number') return decimalOf(`${value}`)
  const ns = nanosecondsOf(value.constructor.name, has)
  return ns === undefined ? `${value}` : timeText(ns, `${value}`)
}

interface Moments {
  readonly nanos: bigint
  readonly micros: bigint
  readonly millis: bigint
  readonly milliseconds: bigint
  readonly seconds: bigint
}

/** Nanoseconds since the epoch of a moment; times of day and spans are none. */
function nanosecondsOf(name: string, of: Partial<Moments>): bigint | undefined {
  if (!/Timestamp/.test(name)) return undefined
  if (typeof of.nanos === 'bigint') return of.nanos
  if (typeof of.micros === 'bigint') return of.micros * 1_000n
  const millis = of.millis ?? of.milliseconds
  if (typeof millis === 'bigint') return millis * 1_000_000n
  return typeof of.seconds === 'bigint' ? of.seconds * 1_000_000_000n : undefined
}

/** In ISO form with nine digits; infinity and years beyond 9999 as DuckDB writes them. */
function timeText(ns: bigint, other: string): string {
  let [ms, nanos] = [ns / 1_000_000n, ns % 1_000_000n]
  if (nanos < 0n) {
    ms -= 1n
    nanos += 1_000_000n
  }
  try {
    return formatTime(Number(ms), Number(nanos))
  } catch (error) {
    if (error instanceof RangeError) return other
    throw error
  }
}

/** A decimal as a number where that says the same, else as text. */
function decimalOf(text: string): Cell {
  const number = Number(text)
  const digits = text.replace(/^-?0*\.?0*|\./g, '')
  return digits.length <= 15 ? number : text
}
