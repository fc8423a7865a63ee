/**
 * Bars of the past; there is no history of ticks. https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api/blob/main/http_interface/kline_query.md
 *
 * 1. At most 500 at a time, the newest first to be had; of stocks none but the newest 500.
 * 2. `timestamp` is in seconds, the left edge of a bar; the last one still runs while the market is open.
 */
import { TickwireError } from '../../base/errors.ts'
import type { HistoryRequest } from '../../flow/contracts.ts'
import { Bar, type Interval, type MarketEvent } from '../../market/events.ts'
import { LAST_MS } from '../../market/time.ts'
import { asMap, numberOf } from './plain.ts'
import type { AllTickMarket } from './plans.ts'
import { type RestClient, rowsOf, wrong } from './rest.ts'
import { codeOf } from './symbols.ts'

export interface HistoryOptions {
  /** Name of the source where a request gives none. */
  readonly id: string
  symbol(text: string): string
  readonly rest: RestClient
  readonly market: AllTickMarket
}

const PAGE = 500
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]

/** Lengths of bars: the venue's number, and ms. Months are no length of ours. */
const INTERVALS: { readonly [interval: Interval]: readonly [type: number, lengthMs: number] } = {
  ...{ '1m': [1, MINUTE], '5m': [2, 5 * MINUTE], '15m': [3, 15 * MINUTE], '30m': [4, 30 * MINUTE] },
  ...{
    '1h': [5, HOUR],
    '2h': [6, 2 * HOUR],
    '4h': [7, 4 * HOUR],
    '1d': [8, DAY],
    '1w': [9, 7 * DAY],
  },
}
const NOT_OF_STOCKS = ['2h', '4h']

/** Bars, symbol by symbol, oldest first. @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL, as `RestClient.ask` */
export async function* allTickHistory(
  { id, symbol: canonical, rest, market }: HistoryOptions,
  request: HistoryRequest,
): AsyncGenerator<MarketEvent[]> {
  const { kind, interval = '1m', source = id, adjustment = 'raw', signal, malformed } = request
  if (kind !== 'bar') {
    const hint = 'It has bars; there is no history of ticks.'
    throw new TickwireError('UNSUPPORTED', `AllTick has no history of this kind: ${kind}`, { hint })
  }
  checkInterval(interval, market)
  if (adjustment !== 'raw') {
    throw new TickwireError('UNSUPPORTED', 'AllTick has unadjusted bars only', {
      hint: "Leave adjustment out, or set it to 'raw'.",
    })
  }
  const symbols = [...new Set(request.symbols.map(canonical))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  const { from } = request
  const to = Math.min(request.to, rest.clock.now())
  if (!(from <= to)) return
  for (const symbol of symbols) {
    const asked = { symbol, interval, source, signal, malformed }
    const bars = await barsBack(rest, asked, market, from, to)
    const batch = bars.filter(bar => bar.timestamp >= from && bar.timestamp <= to)
    if (batch.length > 0) yield batch
  }
}

/** @throws UNSUPPORTED */
export function checkInterval(interval: Interval, market: AllTickMarket): void {
  const known = Object.keys(INTERVALS).filter(
    name => market !== 'stocks' || !NOT_OF_STOCKS.includes(name),
  )
  if (known.includes(interval)) return
  throw new TickwireError('UNSUPPORTED', `AllTick has no bars of ${interval} here`, {
    hint: `It has ${known.join(', ')}.`,
  })
}

export interface BarsAsked {
  readonly symbol: string
  readonly interval: Interval
  readonly source: string
  readonly signal: AbortSignal | undefined
  readonly malformed: HistoryRequest['malformed']
}

/** Pages from the end backwards, until one reaches `from` or has nothing older. */
async function barsBack(
  rest: RestClient,
  asked: BarsAsked,
  market: AllTickMarket,
  from: number,
  to: number,
): Promise<Bar[]> {
  const pages: Bar[][] = []
  const [, lengthMs] = INTERVALS[asked.interval]!
  // Of stocks an end cannot be asked for: 0 is now.
  let end = market === 'stocks' ? 0 : Math.floor(to / 1_000)
  let oldest = Number.POSITIVE_INFINITY
  for (;;) {
    const bars = await readBars(rest, asked, end, PAGE)
    const fresh = bars.filter(bar => bar.timestamp < oldest)
    pages.unshift(fresh)
    const full = bars.length >= PAGE
    if (fresh.length === 0 || fresh[0]!.timestamp <= from || !full) break
    if (market === 'stocks') {
      // The newest bar still runs, so this many whole ones are there.
      throw new TickwireError('UNSUPPORTED', `AllTick keeps ${PAGE} bars of a stock`, {
        hint: `Ask from ${new Date(fresh[0]!.timestamp).toISOString()} on, or for longer bars.`,
      })
    }
    oldest = fresh[0]!.timestamp
    end = Math.floor((oldest - lengthMs) / 1_000)
  }
  return pages.flat()
}

/** The last `count` bars up to a moment in seconds, or 0 for now; oldest first. */
export async function readBars(
  rest: RestClient,
  { symbol, interval, source, signal, malformed }: BarsAsked,
  end: number,
  count: number,
): Promise<Bar[]> {
  const [type, lengthMs] = INTERVALS[interval]!
  const question = {
    ...{ code: codeOf(symbol), kline_type: type, kline_timestamp_end: end },
    ...{ query_kline_num: count, adjust_type: 0 },
  }
  const answer = await rest.ask('kline', question, signal)
  if (answer.code !== codeOf(symbol)) throw wrong('bars of another code')
  const now = rest.clock.now()
  const bars: Bar[] = []
  for (const row of rowsOf(answer.kline_list)) {
    const bar = barOf(row, symbol, source, interval, lengthMs, now)
    if (typeof bar === 'string') {
      if (!malformed) throw wrong(`a bar of ${symbol} that is none: ${bar}`)
      malformed(row, bar)
      continue
    }
    if (end > 0 && bar.timestamp > end * 1_000) throw wrong(`a bar of ${symbol} behind the end`)
    bars.push(bar)
  }
  // Whether the newest or the oldest comes first is not said.
  if (bars.length > 1 && bars[0]!.timestamp > bars.at(-1)!.timestamp) bars.reverse()
  for (let i = 1; i < bars.length; i++) {
    if (bars[i]!.timestamp <= bars[i - 1]!.timestamp) throw wrong(`bars of ${symbol} out of order`)
  }
  return bars
}

/** A bar, or what is wrong with it. */
function barOf(
  row: unknown,
  symbol: string,
  source: string,
  interval: Interval,
  lengthMs: number,
  now: number,
): Bar | string {
  const fields = asMap(row)
  if (!fields) return 'not a map'
  const timestamp = (numberOf(fields.timestamp) ?? Number.NaN) * 1_000
  if (!Number.isSafeInteger(timestamp) || timestamp <= 0 || timestamp > LAST_MS) return 'no time'
  const prices = [fields.open_price, fields.high_price, fields.low_price, fields.close_price]
  const [open, high, low, close] = prices.map(numberOf)
  if (![open, high, low, close].every(price => price !== undefined && price > 0)) {
    return 'a price is missing'
  }
  const volume = numberOf(fields.volume ?? 0)
  if (volume === undefined || volume < 0) return 'no volume'
  return new Bar(
    ...([symbol, source, timestamp, 0, now, 0, interval] as const),
    ...([open!, high!, low!, close!, volume, undefined, undefined] as const),
    now >= timestamp + lengthMs,
    0,
    undefined,
  )
}
