/**
 * Whether the updates of a book follow on a snapshot of it, by the venue's numbers.
 * https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#how-to-manage-a-local-order-book-correctly
 *
 * 1. Updates are kept from the first on; then a snapshot is asked for, by REST.
 * 2. A snapshot from before what is kept is of no use: another one is asked for, what is kept stays.
 * 3. Updates that end in or before the snapshot are in it. The first of the others has to begin at most one behind it.
 * 4. From then on each update begins at most one behind the last; one that begins later leaves a hole, and everything
 *    begins anew with that update. One that overlaps is whole; one that ends before the last is in the book already.
 *
 * Quantities are absolute, so overlaps do no harm. The rule of the futures venue is another one.
 */
import type { Level } from '../../market/events.ts'

/** An update of a book. */
export interface Diff {
  /** Numbers of the first and the last change in it. */
  readonly first: number
  readonly last: number
  readonly timestamp: number
  readonly nanos: number
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}

/** A book as REST has it, best levels first. */
export interface DepthSnapshot {
  readonly last: number
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}

/** A whole book; times are those of the last update in it, where one is known. */
export interface Whole {
  readonly last: number
  readonly timestamp: number | undefined
  readonly nanos: number
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}

/** What to do with an update: it follows · it waits for a snapshot · it is in the book · some before it are missing. */
export type Step = 'apply' | 'held' | 'old' | 'gap'

/** Most updates kept: a quarter of an hour. */
const MOST_HELD = 10_000

export class DepthBook {
  /** Number of the last change of the book; `undefined` while it is not whole. */
  #last: number | undefined
  /** Number of the last change heard of. */
  #heard = 0
  #holding = true
  #held: Diff[] = []
  /** Where a side of the snapshot ends although the book goes on: best and worst price known. */
  #range: { readonly bid: number | undefined; readonly ask: number | undefined } | undefined

  /** Whether updates can be applied. */
  get isSynced(): boolean {
    return this.#last !== undefined
  }

  take(diff: Diff): Step {
    if (this.#holding) this.#hold(diff)
    this.#heard = Math.max(this.#heard, diff.last)
    if (this.#last === undefined) return 'held'
    if (diff.last <= this.#last) return 'old'
    if (diff.first <= this.#last + 1) {
      this.#last = diff.last
      return 'apply'
    }
    this.restart()
    this.#hold(diff)
    return 'gap'
  }

  /** The number that should have come next. */
  get expected(): number | undefined {
    return this.#last === undefined ? undefined : this.#last + 1
  }

  /** Forgets the book; updates are kept from now on. */
  restart(): void {
    this.#last = undefined
    this.#holding = true
    this.#held = []
    this.#range = undefined
  }

  /** Another snapshot is going to be asked for while the book goes on: updates are kept from now on too. */
  renew(): void {
    this.#holding = true
    this.#held = []
  }

  /** The book as a snapshot and what is kept make it; `undefined` when they do not join. `limit`: what was asked for. */
  join(snapshot: DepthSnapshot, limit: number): Whole | undefined {
    const held = this.#held
    const [first] = held
    const isOld = first ? snapshot.last < first.first - 1 : snapshot.last < this.#heard
    if (isOld) return undefined
    let { last } = snapshot
    let latest: Diff | undefined
    const more: Diff[] = []
    for (const diff of held) {
      if (diff.last <= last) {
        if (diff.last <= snapshot.last) latest = diff
        continue
      }
      if (diff.first > last + 1) return undefined
      last = diff.last
      latest = diff
      more.push(diff)
    }
    // The book at hand may be ahead of a snapshot that was long on its way.
    if (this.#last !== undefined && last < this.#last) return undefined
    this.#last = last
    this.#heard = Math.max(this.#heard, last)
    this.#holding = false
    this.#held = []
    this.#range = rangeOf(snapshot, limit)
    const { timestamp, nanos = 0 } = latest ?? {}
    const bids = merged(snapshot.bids, more, 'bids')
    const asks = merged(snapshot.asks, more, 'asks')
    return { last, timestamp, nanos, bids, asks }
  }

  /**
   * Whether the price has moved so far since the snapshot that what lies beyond its last level may soon matter: nobody
   * has told that. A new ask below a price means that the best bid is below it too.
   */
  needsRenewal({ bids, asks }: Diff): boolean {
    const range = this.#range
    if (!range || this.#holding) return false
    const { bid, ask } = range
    return (
      (bid !== undefined && asks.some(([price, size]) => size > 0 && price < bid)) ||
      (ask !== undefined && bids.some(([price, size]) => size > 0 && price > ask))
    )
  }

  #hold(diff: Diff): void {
    const before = this.#held.at(-1)
    // What stands before a hole can join no snapshot that joins what stands behind it.
    if (before && diff.first > before.last + 1) this.#held = []
    this.#held.push(diff)
    if (this.#held.length > MOST_HELD) this.#held.shift()
  }
}

/** The middle of what is known of each side, where the snapshot does not hold all of it. */
function rangeOf({ bids, asks }: DepthSnapshot, limit: number) {
  const middle = (levels: readonly Level[]) =>
    levels.length < limit ? undefined : (levels[0]![0] + levels.at(-1)![0]) / 2
  const [bid, ask] = [middle(bids), middle(asks)]
  return bid === undefined && ask === undefined ? undefined : { bid, ask }
}

function merged(levels: readonly Level[], diffs: readonly Diff[], side: 'bids' | 'asks'): Level[] {
  if (diffs.length === 0) return [...levels]
  const sizes = new Map(levels)
  for (const diff of diffs) {
    for (const [price, size] of diff[side]) {
      if (size === 0) sizes.delete(price)
      else sizes.set(price, size)
    }
  }
  const sign = side === 'bids' ? -1 : 1
  return [...sizes].sort(([a], [b]) => sign * (a - b))
}
