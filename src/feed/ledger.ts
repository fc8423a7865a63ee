import type { Sink } from '../flow/contracts.ts'
import { type EventType, Flag, type MarketEvent, type Notice } from '../market/events.ts'

const DAY_MS = 86_400_000
/** Buckets of lag to a doubling: 9 % wide. */
const PER_DOUBLING = 8
/** The first bucket ends at this, ms; the last one begins 30 doublings above. */
const SHORTEST_MS = 0.1
const BUCKETS = 30 * PER_DOUBLING

/** What came of one symbol in one kind on one day, and what became of it. */
export interface LedgerRow {
  /** UTC day of the venue's time: `2025-06-02`. */
  readonly day: string
  readonly source: string
  /** `*` for what concerns several at once. */
  readonly symbol: string
  readonly kind: EventType
  /** Events delivered, those filled in included. */
  readonly received: number
  /** Those of them that were filled in from history. */
  readonly repaired: number
  /** Those with a venue time before one that had come already. */
  readonly outOfOrder: number
  /** Holes found, and what became of them. */
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
}

const COUNTS = [
  ...(['received', 'repaired', 'outOfOrder'] as const),
  ...(['gaps', 'gapsRepaired', 'gapsUnrepaired'] as const),
] as const

class Entry {
  received = 0
  repaired = 0
  outOfOrder = 0
  gaps = 0
  gapsRepaired = 0
  gapsUnrepaired = 0
  newest = Number.NEGATIVE_INFINITY
  readonly lags = new Uint32Array(BUCKETS)
  maxLag = Number.NEGATIVE_INFINITY
}

/** Where a notice of a hole is counted. */
const HOLES: Readonly<Record<string, 'gaps' | 'gapsRepaired' | 'gapsUnrepaired'>> = {
  gap: 'gaps',
  repaired: 'gapsRepaired',
  unrepaired: 'gapsUnrepaired',
}

/** Keeps account of what a feed delivers, by source, day, symbol and kind. Pipe a feed into it. */
export class Ledger implements Sink {
  readonly #entries = new Map<string, Map<string, Entry>>()

  append(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      if (event.type === 'notice') this.#hole(event)
      else if (event.symbol !== undefined) this.#count(event, event.symbol)
    }
  }

  /** All of it, ordered by day, source, symbol and kind. */
  rows(): LedgerRow[] {
    return this.keep().map(({ lags, maxLag, ...row }) => ({ ...row, lag: lagOf(lags, maxLag) }))
  }

  /** The same, as it is to be kept. */
  keep(): KeptRow[] {
    const rows: KeptRow[] = []
    for (const [channel, symbols] of this.#entries) {
      const [day = '', kind = '', ...rest] = channel.split(' ')
      const source = rest.join(' ')
      for (const [symbol, { lags, maxLag, newest: _newest, ...counts }] of symbols) {
        const pairs = [...lags].flatMap((count, i) => (count > 0 ? [[i, count] as const] : []))
        const max = Number.isFinite(maxLag) ? maxLag : null
        rows.push({
          day,
          source,
          symbol,
          kind: kind as EventType,
          ...counts,
          lags: pairs,
          maxLag: max,
        })
      }
    }
    const order = (row: KeptRow) => `${row.day} ${row.source} ${row.symbol} ${row.kind}`
    return rows.sort((a, b) => (order(a) < order(b) ? -1 : 1))
  }

  /** Goes on with what an earlier process kept. */
  restore(rows: readonly KeptRow[]): void {
    for (const row of rows) {
      const entry = this.#entry(row.day, row.kind, row.source, row.symbol)
      for (const name of COUNTS) entry[name] += row[name]
      for (const [bucket, count] of row.lags) entry.lags[bucket]! += count
      entry.maxLag = Math.max(entry.maxLag, row.maxLag ?? Number.NEGATIVE_INFINITY)
    }
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
    entry.lags[bucketOf(lag)]!++
    if (lag > entry.maxLag) entry.maxLag = lag
  }

  #hole({ notice, kind, symbol, source, from, timestamp }: Notice): void {
    const count = HOLES[notice]
    if (count && kind) this.#entry(dayOf(from ?? timestamp), kind, source, symbol ?? '*')[count]++
  }

  #entry(day: string, kind: EventType, source: string, symbol: string): Entry {
    const channel = `${day} ${kind} ${source}`
    let symbols = this.#entries.get(channel)
    if (!symbols) {
      symbols = new Map()
      this.#entries.set(channel, symbols)
    }
    let entry = symbols.get(symbol)
    if (!entry) {
      entry = new Entry()
      symbols.set(symbol, entry)
    }
    return entry
  }
}

/** The last day asked for: nearly always the next one too. */
let [lastNumber, lastDay] = [Number.NaN, '']

function dayOf(time: number): string {
  const number = Math.floor(time / DAY_MS)
  if (number !== lastNumber) {
    const ms = number * DAY_MS
    lastDay = Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : 'unknown'
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
