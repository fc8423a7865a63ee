/**
 * Bars of the past. https://docs.openalgo.in/api-documentation/v1/data-api/history
 *
 * 1. It is asked by days of India, both bounds included; `timestamp` is in seconds, the left edge of a bar.
 * 2. How far back a length goes, and which there are, is up to the broker: what it does not have it refuses, or leaves out.
 */
import { TickwireError } from '../../base/errors.ts'
import type { HistoryRequest } from '../../flow/contracts.ts'
import { Bar, type Interval, type MarketEvent } from '../../market/events.ts'
import { FIRST_MS, LAST_MS } from '../../market/time.ts'
import { asMap, numberOf } from './plain.ts'
import { type RestClient, rowsOf, wrong } from './rest.ts'
import { venueName } from './symbols.ts'

export interface HistoryOptions {
  /** Name of the source where a request gives none. */
  readonly id: string
  symbol(text: string): string
  readonly rest: RestClient
}

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000]
/** India has no summer time. */
const INDIA_MS = 19_800_000

/** Lengths of bars in ms, and what the server calls them where it is something else. Months are no length of ours. */
const LENGTHS: { readonly [interval: Interval]: number } = {
  ...{ '1s': SECOND, '5s': 5 * SECOND, '10s': 10 * SECOND, '15s': 15 * SECOND, '30s': 30 * SECOND },
  ...{ '45s': 45 * SECOND, '1m': MINUTE, '2m': 2 * MINUTE, '3m': 3 * MINUTE, '5m': 5 * MINUTE },
  ...{ '10m': 10 * MINUTE, '15m': 15 * MINUTE, '20m': 20 * MINUTE, '30m': 30 * MINUTE },
  ...{ '1h': HOUR, '2h': 2 * HOUR, '3h': 3 * HOUR, '4h': 4 * HOUR, '1d': DAY, '1w': 7 * DAY },
}
const VENUE_NAMES: { readonly [interval: Interval]: string } = { '1d': 'D', '1w': 'W' }

/** Bars of one question at most, about: of a day there may be 24 hours of them. */
const PAGE = 20_000

/** Bars, symbol by symbol, oldest first. @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL, as `RestClient.ask` */
export async function* openAlgoHistory(
  { id, symbol: canonical, rest }: HistoryOptions,
  request: HistoryRequest,
): AsyncGenerator<MarketEvent[]> {
  const { kind, interval = '1m', source = id, adjustment = 'raw', signal, malformed } = request
  if (kind !== 'bar') {
    const hint = 'It has bars; there is no history of ticks.'
    throw new TickwireError('UNSUPPORTED', `OpenAlgo has no history of this kind: ${kind}`, {
      hint,
    })
  }
  checkInterval(interval)
  if (adjustment !== 'raw') {
    throw new TickwireError('UNSUPPORTED', 'OpenAlgo has bars as the broker has them only', {
      hint: "Leave adjustment out, or set it to 'raw'.",
    })
  }
  const symbols = [...new Set(request.symbols.map(canonical))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  const now = rest.clock.now()
  const from = Math.max(request.from, FIRST_MS)
  const to = Math.min(request.to, now, LAST_MS)
  if (!(from <= to)) return
  const stepMs = Math.max(1, Math.floor((PAGE * LENGTHS[interval]!) / DAY)) * DAY
  for (const symbol of symbols) {
    let last = Number.NEGATIVE_INFINITY
    for (let start = dayOf(from); start <= to; start += stepMs) {
      const end = Math.min(start + stepMs - 1, to)
      const asked = { symbol, interval, source, signal, malformed }
      const bars = await readBars(rest, asked, start, end)
      const batch: MarketEvent[] = []
      for (const bar of bars) {
        if (bar.timestamp <= last) throw wrong(`bars of ${symbol} out of order`)
        last = bar.timestamp
        if (bar.timestamp >= from && bar.timestamp <= to) batch.push(bar)
      }
      if (batch.length > 0) yield batch
    }
  }
}

/** @throws UNSUPPORTED */
export function checkInterval(interval: Interval): void {
  if (Object.hasOwn(LENGTHS, interval)) return
  throw new TickwireError('UNSUPPORTED', `OpenAlgo has no bars of ${interval}`, {
    hint: `It has ${Object.keys(LENGTHS).join(', ')}, as far as the broker does.`,
  })
}

/** The midnight in India that a moment's day begins with. */
const dayOf = (ms: number) => Math.floor((ms + INDIA_MS) / DAY) * DAY - INDIA_MS

/** `2025-04-01`, in India. */
const dateOf = (ms: number) => new Date(ms + INDIA_MS).toISOString().slice(0, 10)

export interface BarsAsked {
  readonly symbol: string
  readonly interval: Interval
  readonly source: string
  readonly signal: AbortSignal | undefined
  readonly malformed: HistoryRequest['malformed']
}

/** The bars from one day to another, both whole. */
export async function readBars(
  rest: RestClient,
  { symbol, interval, source, signal, malformed }: BarsAsked,
  from: number,
  to: number,
): Promise<Bar[]> {
  const question = {
    ...{ ...venueName(symbol), interval: VENUE_NAMES[interval] ?? interval },
    ...{ start_date: dateOf(from), end_date: dateOf(to), source: 'api' },
  }
  const answer = await rest.ask('history', question, signal, 'history')
  const now = rest.clock.now()
  const bars: Bar[] = []
  // Daily bars may bear the midnight of UTC or that of India.
  const [earliest, latest] = [dayOf(from) - DAY, dayOf(to) + 2 * DAY]
  for (const row of rowsOf(answer.data)) {
    const bar = barOf(row, symbol, source, interval, now)
    if (typeof bar === 'string') {
      if (!malformed) throw wrong(`a bar of ${symbol} that is none: ${bar}`)
      malformed(row, bar)
      continue
    }
    if (bar.timestamp < earliest - 7 * DAY || bar.timestamp > latest) {
      throw wrong(`a bar of ${symbol} outside of the time asked for`)
    }
    bars.push(bar)
  }
  return bars
}

/** A bar, or what is wrong with it. */
function barOf(
  row: unknown,
  symbol: string,
  source: string,
  interval: Interval,
  now: number,
): Bar | string {
  const fields = asMap(row)
  if (!fields) return 'not a map'
  const timestamp = (numberOf(fields.timestamp) ?? Number.NaN) * 1_000
  if (!Number.isSafeInteger(timestamp) || timestamp <= 0 || timestamp > LAST_MS) return 'no time'
  const prices = [fields.open, fields.high, fields.low, fields.close].map(numberOf)
  const [open, high, low, close] = prices
  if (!prices.every(price => price !== undefined && price > 0)) return 'a price is missing'
  const volume = numberOf(fields.volume ?? 0)
  if (volume === undefined || volume < 0) return 'no volume'
  return new Bar(
    ...([symbol, source, timestamp, 0, now, 0, interval] as const),
    ...([open!, high!, low!, close!, volume, undefined, undefined] as const),
    now >= timestamp + LENGTHS[interval]!,
    0,
    undefined,
  )
}
