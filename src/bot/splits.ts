import { TickwireError } from '../base/errors.ts'
import type { HistorySource } from '../flow/contracts.ts'
import { calendarOf } from '../market/calendar-book.ts'
import type { Adjustment, Bar, MarketEvent } from '../market/events.ts'
import type { PastStream } from './in-order.ts'

/** A split of shares: what was before it was of other shares. */
export interface Split {
  readonly symbol: string
  /** The first day of the new prices, `2024-06-10`. */
  readonly date: string
  /** When that day begins where the market is, epoch ms. */
  readonly at: number
  /** How many one share became, where that is known: 10. */
  readonly ratio?: number
}

/** Rounding of adjusted prices changes their relation to the raw ones by less. */
const LEAST_CHANGE = 0.02

/** A split by its day. @throws BAD_OPTION for what is no day */
export function splitOn(symbol: string, date: string): Split {
  const midnight = Date.parse(`${date}T00:00:00Z`)
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(midnight)) {
    throw new TickwireError('BAD_OPTION', `${date} is no day`, { hint: 'As in 2024-06-10.' })
  }
  const [first] = calendarOf(symbol)?.day(date).sessions ?? []
  return { symbol, date, at: first?.from ?? midnight }
}

/**
 * The splits that daily bars tell of: where what is adjusted and what is not change their relation from one day to the next.
 * None where the source has not both.
 */
export async function findSplits(
  source: HistorySource,
  { symbols, from, to }: { symbols: readonly string[]; from: number; to: number },
  signal?: AbortSignal,
): Promise<Split[]> {
  const splits: Split[] = []
  for (const symbol of symbols) {
    const [raw, adjusted] = [
      await closes(source, symbol, from, to, 'raw', signal),
      await closes(source, symbol, from, to, 'split', signal),
    ]
    let before: number | undefined
    for (const [day, close] of raw) {
      const other = adjusted.get(day)
      if (other === undefined) continue
      const relation = close / other
      if (before !== undefined && Math.abs(relation / before - 1) > LEAST_CHANGE) {
        const date = new Date(day + HALF_DAY_MS).toISOString().slice(0, 10)
        // Some write daily bars at midnight UTC: the day is the day.
        splits.push({ ...splitOn(symbol, date), ratio: round(before / relation) })
      }
      before = relation
    }
  }
  return splits
}

/** A bar of a day bears its midnight, east or west of Greenwich. */
const HALF_DAY_MS = 43_200_000
const round = (ratio: number) => Math.round(ratio * 1_000) / 1_000

async function closes(
  source: HistorySource,
  symbol: string,
  from: number,
  to: number,
  adjustment: Adjustment,
  signal: AbortSignal | undefined,
): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  const request = { kind: 'bar', symbols: [symbol], from, to, interval: '1d', adjustment } as const
  for await (const batch of source.history({ ...request, ...(signal && { signal }) })) {
    for (const { timestamp, close } of batch as Bar[]) found.set(timestamp, close)
  }
  return new Map([...found].sort(([a], [b]) => a - b))
}

/**
 * The same events, up to a split that they would cross.
 * @throws UNSUPPORTED naming its day
 */
export async function* withinSplits(
  events: PastStream,
  splits: readonly Split[],
): AsyncGenerator<readonly MarketEvent[]> {
  const first = new Map<string, number>()
  const next = new Map<string, Split[]>()
  for (const split of splits) next.set(split.symbol, [...(next.get(split.symbol) ?? []), split])
  for await (const batch of events) {
    for (const { symbol, timestamp } of batch) {
      const own = symbol === undefined ? undefined : next.get(symbol)
      if (!own) continue
      const since = Math.min(first.get(symbol!) ?? timestamp, timestamp)
      first.set(symbol!, since)
      const crossed = own.find(({ at }) => since < at && timestamp >= at)
      if (crossed) throw refused(crossed)
    }
    yield batch
  }
}

function refused({ symbol, date, ratio }: Split): TickwireError {
  const words = ratio === undefined ? '' : ` (1 share became ${ratio})`
  return new TickwireError(
    'UNSUPPORTED',
    `${symbol} was split on ${date}${words}: prices before and after it are of different shares`,
    { hint: `End before ${date}, or begin with it: the prices stored are not adjusted.` },
  )
}
