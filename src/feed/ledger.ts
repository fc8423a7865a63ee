import type { EventType, MarketEvent } from '../market/events.ts'

const DAY_MS = 86_400_000
/** Buckets of lag to a doubling: 9 % wide. */
const PER_DOUBLING = 8
/** The first bucket ends at this, ms; the last one is reached after 30 doublings. */
const SHORTEST_MS = 0.1
const BUCKETS = 30 * PER_DOUBLING

/** What came of one symbol in one kind on one day, and what became of it. Whole numbers, and times in ms. */
export interface LedgerRow {
  /** UTC day of the venue's time: `2025-06-02`. */
  readonly day: string
  readonly source: string
  readonly symbol: string
  readonly kind: EventType
  /** Delivered, those filled in included. */
  readonly received: number
  /** Filled in from history. */
  readonly repaired: number
  /** Left out: they had come before. */
  readonly duplicates: number
  /** With a venue time before one that had come already. */
  readonly outOfOrder: number
  /** Left out: they cannot be true. */
  readonly quarantined: number
  /** Holes found, and those of them that were filled in. */
  readonly gaps: number
  readonly gapsRepaired: number
  /** From the venue's time to ours, of live events; `undefined` when there were none. */
  readonly lag: LagPercentiles | undefined
}

export interface LagPercentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

class Entry {
  received = 0
  repaired = 0
  duplicates = 0
  outOfOrder = 0
  quarantined = 0
  gaps = 0
  gapsRepaired = 0
  newest = Number.NEGATIVE_INFINITY
  readonly lags = new Uint32Array(BUCKETS)
  live = 0
  maxLag = Number.NEGATIVE_INFINITY
}

export type Count = 'duplicates' | 'quarantined'
type Day = Map<string, Map<string, Entry>>

/** Keeps account of a source: what came and what became of it, by day, kind and symbol. */
export class Ledger {
  readonly source: string
  readonly #days = new Map<number, Day>()

  constructor(source: string) {
    this.source = source
  }

  /** These have been delivered. */
  add(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (event.type === 'notice' || event.symbol === undefined) continue
      const entry = this.#entry(event.type, event.symbol, event.timestamp)
      entry.received++
      if (event.timestamp < entry.newest) entry.outOfOrder++
      else entry.newest = event.timestamp
      if ((event.flags & 1) !== 0) entry.repaired++
      else {
        const lag = event.receivedAt - event.timestamp
        entry.live++
        entry.lags[bucketOf(lag)]!++
        if (lag > entry.maxLag) entry.maxLag = lag
      }
    }
  }

  /** An event was left out. */
  leftOut(event: MarketEvent, why: Count): void {
    if (event.symbol === undefined) return
    this.#entry(event.type, event.symbol, event.timestamp)[why]++
  }

  gap(kind: EventType, symbol: string, time: number): void {
    this.#entry(kind, symbol, time).gaps++
  }

  repaired(kind: EventType, symbol: string, time: number): void {
    this.#entry(kind, symbol, time).gapsRepaired++
  }

  /** All of it, ordered by day, symbol and kind. */
  rows(): LedgerRow[] {
    const rows: LedgerRow[] = []
    for (const [number, day] of this.#days) {
      for (const [kind, symbols] of day) {
        for (const [symbol, entry] of symbols) rows.push(this.#row(number, kind, symbol, entry))
      }
    }
    const text = (row: LedgerRow) => `${row.day} ${row.symbol} ${row.kind}`
    return rows.sort((a, b) => (text(a) < text(b) ? -1 : 1))
  }

  #row(number: number, kind: string, symbol: string, entry: Entry): LedgerRow {
    const { received, repaired, duplicates, outOfOrder, quarantined, gaps, gapsRepaired } = entry
    return {
      day: new Date(number * DAY_MS).toISOString().slice(0, 10),
      ...{ source: this.source, symbol, kind: kind as EventType },
      ...{ received, repaired, duplicates, outOfOrder, quarantined, gaps, gapsRepaired },
      lag: percentilesOf(entry),
    }
  }

  #entry(kind: EventType, symbol: string, time: number): Entry {
    const number = Number.isFinite(time) ? Math.floor(time / DAY_MS) : 0
    let day = this.#days.get(number)
    if (!day) {
      day = new Map()
      this.#days.set(number, day)
    }
    let symbols = day.get(kind)
    if (!symbols) {
      symbols = new Map()
      day.set(kind, symbols)
    }
    let entry = symbols.get(symbol)
    if (!entry) {
      entry = new Entry()
      symbols.set(symbol, entry)
    }
    return entry
  }
}

function bucketOf(lag: number): number {
  if (!(lag > SHORTEST_MS)) return 0
  return Math.min(BUCKETS - 1, Math.ceil(Math.log2(lag / SHORTEST_MS) * PER_DOUBLING))
}

function percentilesOf({ lags, live, maxLag }: Entry): LagPercentiles | undefined {
  if (live === 0) return undefined
  const at = (share: number) => {
    let left = Math.ceil(live * share)
    const bucket = lags.findIndex(count => (left -= count) <= 0)
    return Math.min(maxLag, SHORTEST_MS * 2 ** (bucket / PER_DOUBLING))
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: maxLag }
}
