import { computed, signal } from '@preact/signals'
import { groups, now, rowOf, watch } from './state.ts'
import type { Row } from './wire.ts'

/*
 * In which order the list stands.
 */

export type Column =
  | 'symbol'
  | 'last'
  | 'change'
  | 'percent'
  | 'bid'
  | 'ask'
  | 'spread'
  | 'volume'
  | 'age'

/** Of a row that nothing is known of yet, the last. */
const NOTHING = Number.NEGATIVE_INFINITY
const VALUES: Readonly<Record<Column, (row: Row) => number | string>> = {
  symbol: row => row.symbol,
  last: row => row.last ?? NOTHING,
  change: row => row.change ?? NOTHING,
  percent: row => row.percent ?? NOTHING,
  bid: row => row.bid ?? NOTHING,
  ask: row => row.ask ?? NOTHING,
  spread: row => spreadOf(row) ?? NOTHING,
  volume: row => row.volume ?? NOTHING,
  age: row => row.at ?? NOTHING,
}

export const spreadOf = ({ bid, ask }: Row) =>
  bid === undefined || ask === undefined ? undefined : Math.max(0, ask - bid)

export const order = signal<{ readonly by: Column; readonly isDown: boolean } | undefined>(
  undefined,
)
const frozen = signal<readonly string[] | undefined>(undefined)

/** While the pointer is on the list nothing moves away under it. */
export function freeze(is: boolean): void {
  frozen.value = is ? sorted() : undefined
}

/** A line of what is on show: a symbol, or the heading of those below. */
export interface Item {
  readonly kind: 'symbol' | 'heading'
  readonly name: string
}

export const items = computed((): readonly Item[] => {
  const symbols = frozen.value ?? sorted()
  const places = new Map(symbols.map((symbol, i) => [symbol, i]))
  // What was added while the list stands still comes last.
  const place = (symbol: string) => places.get(symbol) ?? symbols.length
  return groups.value.flatMap(({ name, symbols: own }) => [
    ...(name === '' ? [] : [{ kind: 'heading', name } as const]),
    ...own
      .toSorted((a, b) => place(a) - place(b))
      .map(symbol => ({ kind: 'symbol', name: symbol }) as const),
  ])
})

/** Largest first, then smallest first, then as it was. */
export function sortBy(name: Column): void {
  const before = order.value
  const isFirstDown = name !== 'symbol'
  if (before?.by !== name) order.value = { by: name, isDown: isFirstDown }
  else order.value = before.isDown === isFirstDown ? { by: name, isDown: !isFirstDown } : undefined
  frozen.value = frozen.value && sorted()
}

function sorted(): readonly string[] {
  if (!order.value) return watch.value
  const { by, isDown } = order.value
  const value = VALUES[by]
  // Once a second: lines that change places with every trade nobody can read.
  void now.value
  const keys = new Map(
    watch.value.map(symbol => {
      const row = rowOf(symbol).peek()
      return [symbol, row ? value(row) : NOTHING] as const
    }),
  )
  const sign = isDown ? -1 : 1
  return watch.value.toSorted((a, b) => {
    const [x, y] = [keys.get(a)!, keys.get(b)!]
    return x === y ? 0 : (x < y ? -1 : 1) * sign
  })
}
