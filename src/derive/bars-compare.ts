import { type Bar, hasFlag } from '../market/events.ts'

/** What is compared of two bars. */
export const BAR_FIELDS = ['open', 'high', 'low', 'close', 'volume', 'vwap', 'tradeCount'] as const
export type BarField = (typeof BAR_FIELDS)[number]

/** One thing in which ours and theirs differ; `bar` when only one side has it. */
export interface BarDifference {
  readonly symbol: string
  readonly interval: string
  /** Left edge of the bar, epoch ms. */
  readonly timestamp: number
  readonly field: BarField | 'bar'
  /** For `bar`: its close; absent where there is none. */
  readonly ours: number | undefined
  readonly theirs: number | undefined
}

export interface BarComparison {
  /** Places at which either side has a bar. */
  readonly bars: number
  /** Those at which both are equal in all fields. */
  readonly equal: number
  readonly differences: readonly BarDifference[]
}

/** Relative: sums of doubles in another order differ in their last digits. */
const VWAP_TOLERANCE = 1e-6

/**
 * Compares bars with another's of the same symbols and length, field by field; of several revisions the last counts. A
 * field that either side does not give is not compared. VWAPs may differ by a millionth: venues round them.
 */
export function compareBars(ours: Iterable<Bar>, theirs: Iterable<Bar>): BarComparison {
  const [own, other] = [placed(ours), placed(theirs)]
  const keys = [...new Set([...own.keys(), ...other.keys()])].sort()
  const differences: BarDifference[] = []
  let equal = 0
  for (const key of keys) {
    const [a, b] = [own.get(key), other.get(key)]
    const { symbol, interval, timestamp } = (a ?? b)!
    const place = { symbol, interval, timestamp }
    const before = differences.length
    if (!a || !b) differences.push({ ...place, field: 'bar', ours: a?.close, theirs: b?.close })
    else {
      for (const field of BAR_FIELDS) {
        if (!differs(field, a[field], b[field])) continue
        differences.push({ ...place, field, ours: a[field], theirs: b[field] })
      }
    }
    if (differences.length === before) equal++
  }
  return { bars: keys.length, equal, differences }
}

function differs(field: BarField, a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || b === undefined) return false
  if (field !== 'vwap') return a !== b
  return Math.abs(a - b) > VWAP_TOLERANCE * Math.max(Math.abs(a), Math.abs(b))
}

function placed(bars: Iterable<Bar>): Map<string, Bar> {
  const places = new Map<string, Bar>()
  for (const bar of bars) {
    const key = `${bar.symbol} ${bar.interval} ${String(bar.timestamp).padStart(14, '0')}.${bar.nanos}`
    const known = places.get(key)
    if (!known || bar.revision >= known.revision) places.set(key, bar)
  }
  for (const [key, bar] of places) if (!hasPrice(bar)) places.delete(key)
  return places
}

/** Whether trades gave it its prices: what was filled in, or taken back whole, is no bar. */
function hasPrice(bar: Bar): boolean {
  return bar.volume > 0 && !(bar.vwap === undefined && hasFlag(bar, 'derived'))
}
