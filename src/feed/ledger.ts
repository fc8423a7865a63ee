import type { HoleOf, HoleState, LeftOut, Sink } from '../flow/contracts.ts'
import {
  EVENT_TYPES,
  type EventType,
  Flag,
  type MarketEvent,
  type Notice,
} from '../market/events.ts'
import { FIRST_MS, LAST_MS } from '../market/time.ts'

const DAY_MS = 86_400_000
/** Buckets of lag to a doubling: 9 % wide. */
const PER_DOUBLING = 8
/** The first bucket ends at this, ms; the last one begins 30 doublings above. */
const SHORTEST_MS = 0.1
const BUCKETS = 30 * PER_DOUBLING

/** Symbols of a day, source and kind of which nothing came but what cannot be true: more go under `*`. */
const MOST_STRANGERS = 1_000
/** Longer names are no symbols, and cut. */
const SYMBOL_LENGTH = 64

/** What came of one symbol in one kind on one day, and what became of it. */
export interface LedgerRow {
  /**
   * UTC day of the venue's time: `2025-06-02`. What is quarantined counts on the day it was received: its own time may
   * be what is wrong with it.
   */
  readonly day: string
  readonly source: string
  /** `*` for what concerns several at once, or none. */
  readonly symbol: string
  readonly kind: EventType
  /** Events delivered, those filled in included. */
  readonly received: number
  /** Those of them that were filled in from history. */
  readonly repaired: number
  /** Those with a venue time before one that had come already. */
  readonly outOfOrder: number
  /** Events that came a second time, and were not delivered again. */
  readonly duplicates: number
  /** Events that cannot be true, and were not delivered. */
  readonly quarantined: number
  /** Events delivered, but given up by the policy of a reader that was too slow; counted for each such reader. */
  readonly dropped: number
  /** Holes found: those neither filled nor left as they were are open still. */
  readonly gaps: number
  readonly gapsRepaired: number
  readonly gapsUnrepaired: number
  /** From the venue's time to ours, of live events, ms: p50, p95 and p99 to 9 %; `undefined` when there were none. */
  readonly lag: LedgerLag | undefined
}

export interface LedgerLag {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** A row as it is kept: with its lags counted, so that a later process can go on. */
export interface KeptRow extends Omit<LedgerRow, 'lag'> {
  /** Pairs of bucket and count. */
  readonly lags: readonly (readonly [number, number])[]
  /** `null` for none. */
  readonly maxLag: number | null
  /** Latest venue time, epoch ms, by which a later process knows what is out of order; `null` for none. */
  readonly newest: number | null
}

const COUNTS = [
  ...(['received', 'repaired', 'outOfOrder'] as const),
  ...(['duplicates', 'quarantined', 'dropped'] as const),
  ...(['gaps', 'gapsRepaired', 'gapsUnrepaired'] as const),
] as const

class Entry {
  received = 0
  repaired = 0
  outOfOrder = 0
  duplicates = 0
  quarantined = 0
  dropped = 0
  gaps = 0
  gapsRepaired = 0
  gapsUnrepaired = 0
  newest = Number.NEGATIVE_INFINITY
  /** Made with the first: of many symbols there is nothing but a hole. */
  lags: Uint32Array | undefined
  maxLag = Number.NEGATIVE_INFINITY
}

/** What is kept of a day: by kind, source and symbol. */
class Day {
  readonly kinds = new Map<EventType, Map<string, Map<string, Entry>>>()
  /** Whether anything was counted since it was last kept. */
  isChanged = false
}

/** Where a hole is counted. */
const HOLES = {
  opened: 'gaps',
  filled: 'gapsRepaired',
  left: 'gapsUnrepaired',
} as const satisfies Record<HoleState, keyof Entry>

/** Where an event that was left out is counted. */
const LEFT_OUT = {
  duplicate: 'duplicates',
  quarantined: 'quarantined',
  dropped: 'dropped',
} as const satisfies Record<LeftOut, keyof Entry>

/**
 * Keeps account of what a feed delivers and leaves out, by source, day, symbol and kind. Pipe a feed into it. All of it is
 * sums: what two ledgers have counted of a day can be put together by {@link restore}.
 */
export class Ledger implements Sink {
  readonly #days = new Map<string, Day>()

  append(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (event.type === 'notice') this.#bookHole(event)
      else if (event.symbol !== undefined) this.#count(event, event.symbol)
    }
  }

  leftOut(event: MarketEvent, why: LeftOut): void {
    const { type, source, timestamp, receivedAt } = event
    if (type === 'notice') return
    const wrong = why === 'quarantined'
    const day = dayOf(wrong ? receivedAt : timestamp)
    const symbol = String(event.symbol || '*').slice(0, SYMBOL_LENGTH)
    const known = this.#symbols(day, type, source)
    // Whoever sends what cannot be true must not fill the memory with names.
    const full = wrong && known.size >= MOST_STRANGERS && !known.has(symbol)
    this.#entry(day, type, source, full ? '*' : symbol)[LEFT_OUT[why]]++
  }

  holes(what: HoleState, holes: readonly HoleOf[]): void {
    for (const { kind, source, symbol, from } of holes)
      this.#entry(dayOf(from), kind, source, symbol)[HOLES[what]]++
  }

  /** All of it, ordered by day, source, symbol and kind. */
  rows(): LedgerRow[] {
    const order = (row: KeptRow) => `${row.day} ${row.source} ${row.symbol} ${row.kind}`
    return [...this.#days.keys()]
      .flatMap(day => [...this.keep(day)])
      .map(row => ({ row, order: order(row) }))
      .sort((a, b) => (a.order < b.order ? -1 : 1))
      .map(({ row: { lags, maxLag, newest: _newest, ...row } }) => ({
        ...row,
        lag: lagOf(lags, maxLag),
      }))
  }

  /** Days there is something of. */
  get days(): string[] {
    return [...this.#days.keys()]
  }

  isChanged(day: string): boolean {
    return this.#days.get(day)?.isChanged ?? false
  }

  /** A day's rows as they are to be kept, in no order; what is counted from the first one on is a change. */
  *keep(day: string): Generator<KeptRow, void, undefined> {
    const of = this.#days.get(day)
    if (!of) return
    of.isChanged = false
    for (const [kind, sources] of of.kinds) {
      for (const [source, symbols] of sources) {
        for (const [symbol, entry] of symbols) yield keptOf(day, kind, source, symbol, entry)
      }
    }
  }

  /** Adds what was kept before, by this process or an earlier one. */
  restore(rows: readonly KeptRow[]): void {
    for (const row of rows) {
      const entry = this.#entry(row.day, row.kind, row.source, row.symbol)
      // What an earlier version did not count is not there.
      for (const name of COUNTS) entry[name] += row[name] ?? 0
      if (row.lags.length > 0) entry.lags ??= new Uint32Array(BUCKETS)
      for (const [bucket, count] of row.lags) entry.lags![bucket]! += count
      entry.maxLag = Math.max(entry.maxLag, row.maxLag ?? Number.NEGATIVE_INFINITY)
      entry.newest = Math.max(entry.newest, row.newest ?? Number.NEGATIVE_INFINITY)
    }
  }

  /** Forgets a day: it is kept elsewhere. */
  drop(day: string): void {
    this.#days.delete(day)
  }

  #count(event: MarketEvent, symbol: string): void {
    const { type, source, timestamp, receivedAt, flags } = event
    const entry = this.#entry(dayOf(timestamp), type, source, symbol)
    entry.received++
    if (timestamp < entry.newest) entry.outOfOrder++
    else entry.newest = timestamp
    if ((flags & Flag.repaired) !== 0) {
      entry.repaired++
      return
    }
    const lag = receivedAt - timestamp
    entry.lags ??= new Uint32Array(BUCKETS)
    entry.lags[bucketOf(lag)]!++
    if (lag > entry.maxLag) entry.maxLag = lag
  }

  /** Each book has notices of its own; it is whole again, though what it went through meanwhile is not known. */
  #bookHole({ notice, kind, symbol, source, from, timestamp }: Notice): void {
    if (kind !== 'book' || symbol === undefined) return
    const what = notice === 'gap' ? 'opened' : notice === 'resynced' ? 'filled' : undefined
    if (what) this.holes(what, [{ kind, symbol, source, from: from ?? timestamp }])
  }

  #entry(day: string, kind: EventType, source: string, symbol: string): Entry {
    const symbols = this.#symbols(day, kind, source)
    let entry = symbols.get(symbol)
    if (!entry) {
      entry = new Entry()
      symbols.set(symbol, entry)
    }
    return entry
  }

  /** What there is of each symbol, about to be changed. */
  #symbols(day: string, kind: EventType, source: string): Map<string, Entry> {
    let of = this.#days.get(day)
    if (!of) {
      of = new Day()
      this.#days.set(day, of)
    }
    of.isChanged = true
    let sources = of.kinds.get(kind)
    if (!sources) {
      sources = new Map()
      of.kinds.set(kind, sources)
    }
    let symbols = sources.get(source)
    if (!symbols) {
      symbols = new Map()
      sources.set(source, symbols)
    }
    return symbols
  }
}

function keptOf(
  day: string,
  kind: EventType,
  source: string,
  symbol: string,
  { lags, maxLag, newest, ...counts }: Entry,
): KeptRow {
  const pairs: [number, number][] = []
  if (lags) for (let i = 0; i < BUCKETS; i++) if (lags[i]! > 0) pairs.push([i, lags[i]!])
  const finite = (time: number) => (Number.isFinite(time) ? time : null)
  const edges = { maxLag: finite(maxLag), newest: finite(newest) }
  return { day, source, symbol, kind, ...counts, lags: pairs, ...edges }
}

/** Whether something read back is a row of a day: what is there of it has the form it is kept in. */
export function isKeptRow(value: unknown, day: string): value is KeptRow {
  if (typeof value !== 'object' || value === null) return false
  const row = value as Readonly<Record<string, unknown>>
  return (
    row.day === day &&
    typeof row.source === 'string' &&
    typeof row.symbol === 'string' &&
    EVENT_TYPES.includes(row.kind as EventType) &&
    COUNTS.every(name => row[name] === undefined || isCount(row[name])) &&
    Array.isArray(row.lags) &&
    row.lags.every(isLagPair) &&
    [row.maxLag, row.newest].every(edge => (edge ?? null) === null || Number.isFinite(edge))
  )
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

const isLagPair = (pair: unknown): boolean =>
  Array.isArray(pair) && pair.length === 2 && pair.every(isCount) && pair[0] < BUCKETS

/** The last day asked for: nearly always the next one too. */
let [lastNumber, lastDay] = [Number.NaN, '']

function dayOf(time: number): string {
  const number = Math.floor(time / DAY_MS)
  if (number !== lastNumber) {
    const ms = number * DAY_MS
    const known = ms >= FIRST_MS && ms <= LAST_MS
    lastDay = known ? new Date(ms).toISOString().slice(0, 10) : 'unknown'
    lastNumber = number
  }
  return lastDay
}

function bucketOf(lag: number): number {
  if (!(lag > SHORTEST_MS)) return 0
  return Math.min(BUCKETS - 1, Math.ceil(Math.log2(lag / SHORTEST_MS) * PER_DOUBLING))
}

function lagOf(lags: KeptRow['lags'], maxLag: number | null): LedgerLag | undefined {
  const total = lags.reduce((sum, [, count]) => sum + count, 0)
  if (total === 0 || maxLag === null) return undefined
  const at = (share: number) => {
    let left = Math.ceil(total * share)
    const [bucket] = lags.find(([, count]) => (left -= count) <= 0) ?? [BUCKETS - 1]
    return Math.min(maxLag, SHORTEST_MS * 2 ** (bucket / PER_DOUBLING))
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: maxLag }
}
