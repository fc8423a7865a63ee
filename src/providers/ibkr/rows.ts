import type { Level } from '../../market/events.ts'

interface Row {
  readonly maker: string
  readonly price: number
  readonly size: number
}

/** Sides and operations by TWS's numbers. */
const SIDES = ['asks', 'bids'] as const
type Side = (typeof SIDES)[number]
const INSERT = 0
const UPDATE = 1
const DELETE = 2

/** What has changed since it was last taken. */
export interface BookChange {
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
  readonly snapshot: boolean
}

/**
 * A book as TWS keeps it: numbered rows, one for each price and maker. A row that is put in moves all below it down, one
 * that is taken out moves them up. https://interactivebrokers.github.io/tws-api/market_depth.html
 */
export class RowBook {
  readonly #most: number
  readonly #rows: Readonly<Record<Side, Row[]>> = { asks: [], bids: [] }
  /** Prices and sizes as last taken; absent before the first time, and after `clear`. */
  #taken: Readonly<Record<Side, ReadonlyMap<number, number>>> | undefined

  /** TWS keeps no more rows of a side than it was asked for. */
  constructor(most: number) {
    this.#most = most
  }

  /** Takes one step; says why where it cannot follow on what is there, which is then no book any more. */
  apply(
    side: number,
    operation: number,
    position: number,
    row: {
      readonly maker: string
      readonly price: number | undefined
      readonly size: number | undefined
    },
  ): string | undefined {
    const name = SIDES[side]
    if (name === undefined) return `a side ${side}`
    const rows = this.#rows[name]
    if (!(position >= 0 && position <= rows.length)) {
      return `row ${position} of ${rows.length} of the ${name}`
    }
    if (operation === DELETE) {
      rows.splice(position, 1)
      return undefined
    }
    const { maker, price, size } = row
    if (size === undefined || !(size >= 0)) return `a size of ${size}`
    if (price === undefined) return 'a row without a price'
    if (operation === INSERT) rows.splice(position, 0, { maker, price, size })
    else if (operation === UPDATE) rows[position] = { maker, price, size }
    else return `an operation ${operation}`
    if (rows.length > this.#most) rows.length = this.#most
    return undefined
  }

  /** Nothing is known of it. */
  clear(): void {
    for (const side of SIDES) this.#rows[side].length = 0
    this.#taken = undefined
  }

  /** Whether it has been taken since it was empty. */
  get isTold(): boolean {
    return this.#taken !== undefined
  }

  get hasBoth(): boolean {
    return this.#rows.bids.length > 0 && this.#rows.asks.length > 0
  }

  /** What must not last, as between the steps of one move: prices out of order, or a bid that reaches the ask. */
  get fault(): string | undefined {
    const { bids, asks } = this.#rows
    for (let i = 1; i < bids.length; i++) {
      if (bids[i]!.price > bids[i - 1]!.price) return 'its bids are out of order'
    }
    for (let i = 1; i < asks.length; i++) {
      if (asks[i]!.price < asks[i - 1]!.price) return 'its asks are out of order'
    }
    const [bid, ask] = [bids[0]?.price, asks[0]?.price]
    if (bid === undefined || ask === undefined || bid < ask) return undefined
    return `the best bid ${bid} is not below the best ask ${ask}`
  }

  /** What has changed by price since the last time; everything the first time. */
  take(): BookChange | undefined {
    const now = { asks: byPrice(this.#rows.asks), bids: byPrice(this.#rows.bids) }
    const before = this.#taken
    this.#taken = now
    if (!before) return { bids: [...now.bids], asks: [...now.asks], snapshot: true }
    const bids = changes(before.bids, now.bids)
    const asks = changes(before.asks, now.asks)
    return bids.length + asks.length > 0 ? { bids, asks, snapshot: false } : undefined
  }
}

/** Rows of one price are one level. */
function byPrice(rows: readonly Row[]): Map<number, number> {
  const levels = new Map<number, number>()
  for (const { price, size } of rows) {
    // A level of nothing is none; a delta would take it away.
    if (size > 0) levels.set(price, (levels.get(price) ?? 0) + size)
  }
  return levels
}

function changes(before: ReadonlyMap<number, number>, now: ReadonlyMap<number, number>): Level[] {
  const list: Level[] = []
  for (const price of before.keys()) if (!now.has(price)) list.push([price, 0])
  for (const [price, size] of now) if (before.get(price) !== size) list.push([price, size])
  return list
}
