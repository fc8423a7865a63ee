import { signal } from '@preact/signals'
import type { Row } from '../wire.ts'

/** What a column is as wide as. */
export type Width =
  | 'symbol'
  | 'last'
  | 'change'
  | 'percent'
  | 'quote'
  | 'spread'
  | 'volume'
  | 'trend'
  | 'age'
  | 'remove'

/** Letters that there is room for at first. */
const FIRST: Readonly<Record<Width, number>> = {
  ...{ symbol: 5, last: 7, change: 6, percent: 6, quote: 6, spread: 6, volume: 6, trend: 0 },
  ...{ age: 6, remove: 0 },
}
/** Pixels beside them: what is between columns, the glyph, the small chart, the button. */
const BESIDE: Partial<Record<Width, number>> = { symbol: 18, last: 26, trend: 60, remove: 24 }
const BETWEEN = 12
/** Symbols and last prices are bold: so much wider. */
const BOLD: Partial<Record<Width, number>> = { symbol: 1.16, last: 1.06 }

/**
 * How wide the columns of the list are: as what was longest until now, so that they stand still, and a line that changes
 * need not be measured against all others.
 */
class Widths {
  readonly #letters = signal(FIRST)

  of(name: Width): string {
    const letters = (this.#letters.value[name] * (BOLD[name] ?? 1)).toFixed(1)
    return `calc(${letters}ch + ${BESIDE[name] ?? BETWEEN}px)`
  }

  fit(row: Row | undefined): void {
    if (!row) return
    const { digits, bid, ask } = row
    const wanted: Partial<Record<Width, number>> = {
      symbol: row.symbol.length,
      last: lengthOf(row.last, digits),
      change: 1 + lengthOf(row.change, digits),
      percent: 1 + lengthOf(row.percent, 2),
      quote: Math.max(lengthOf(bid, digits), lengthOf(ask, digits)),
      spread: bid === undefined || ask === undefined ? 0 : lengthOf(ask - bid, digits),
      // `offline 59 min`
      age: row.state === 'live' || row.state === 'loading' ? 0 : row.state.length + 7,
    }
    const before = this.#letters.peek()
    const wider = Object.entries(wanted).filter(([name, count]) => count > before[name as Width])
    if (wider.length > 0) this.#letters.value = { ...before, ...Object.fromEntries(wider) }
  }
}

export const widths = new Widths()

/** Letters of a number, with a comma before each three. */
function lengthOf(value: number | undefined, digits: number): number {
  if (value === undefined) return 0
  const whole = Math.max(1, Math.floor(Math.log10(Math.max(1, Math.abs(value)))) + 1)
  return whole + Math.floor((whole - 1) / 3) + (digits > 0 ? digits + 1 : 0)
}
