/**
 * What Coinbase's REST APIs know of the past: trades and candles.
 *
 * 1. Trades are had from the older Exchange, by number: `after=N` gives those before N, newest first. Numbers are the same
 *    as those of the stream and have no gaps, so an answer that leaves some out is wrong, and nothing of it is given on.
 *    https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproducttrades
 * 2. There is no way to ask by time. The number at a time is found by trying: back from the newest in steps that double,
 *    then by halves.
 * 3. Candles are had from Advanced Trade, up to 350 at a time, newest first; an interval without trades has none.
 */
import { TickwireError } from '../../base/errors.ts'
import { isOver } from '../../feed/candles.ts'
import type { HistoryRequest } from '../../flow/contracts.ts'
import { Bar, type Interval, type MarketEvent, Trade } from '../../market/events.ts'
import { FIRST_MS, LAST_MS } from '../../market/time.ts'
import type { CandleRecord, TradeRecord } from './market.ts'
import { asMap, Fields, readCandle } from './plain.ts'
import type { RestClient } from './rest.ts'
import { coinbaseSymbol, productOf } from './symbols.ts'

/** Lengths of candles, and what REST calls them. */
export const GRANULARITIES: { readonly [interval: Interval]: readonly [name: string, ms: number] } =
  {
    '1m': ['ONE_MINUTE', 60_000],
    '5m': ['FIVE_MINUTE', 300_000],
    '15m': ['FIFTEEN_MINUTE', 900_000],
    '30m': ['THIRTY_MINUTE', 1_800_000],
    '1h': ['ONE_HOUR', 3_600_000],
    '2h': ['TWO_HOUR', 7_200_000],
    '4h': ['FOUR_HOUR', 14_400_000],
    '6h': ['SIX_HOUR', 21_600_000],
    '1d': ['ONE_DAY', 86_400_000],
  }

/** Most trades at a time. */
const TRADES = 1_000
/** Candles asked for at a time: 350 are the most, both ends counted. */
const CANDLES = 300
/** Numbers and times of trades may be out of step by so much, ms. */
const SLACK_MS = 1_000
/** Trials to find a number: each halves what is left of 2^50. */
const MOST_TRIALS = 60

interface Asked {
  readonly symbol: string
  readonly source: string
  readonly from: number
  readonly to: number
  readonly interval: Interval
  readonly malformed: HistoryRequest['malformed']
  readonly signal: AbortSignal | undefined
}

/** The past of pairs, one after the other. */
export async function* coinbaseHistory(
  rest: RestClient,
  id: string,
  request: HistoryRequest,
): AsyncGenerator<MarketEvent[]> {
  const { kind, interval = '5m', source = id, malformed, signal } = request
  if (kind !== 'trade' && kind !== 'bar') {
    const hint = 'It has trade, bar.'
    throw new TickwireError('UNSUPPORTED', `Coinbase keeps no history of ${kind}`, { hint })
  }
  if ((request.adjustment ?? 'raw') !== 'raw') {
    const hint = 'Leave adjustment out.'
    throw new TickwireError('UNSUPPORTED', 'only bars of stocks are adjusted', { hint })
  }
  checkInterval(interval)
  const bounds = boundsOf(request)
  const symbols = [...new Set(request.symbols.map(coinbaseSymbol))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  for (const symbol of symbols) {
    const asked = { symbol, source, ...bounds, interval, malformed, signal }
    yield* kind === 'bar' ? candles(rest, asked) : trades(rest, asked)
  }
}

/** @throws UNSUPPORTED */
export function checkInterval(interval: Interval): void {
  if (Object.hasOwn(GRANULARITIES, interval)) return
  throw new TickwireError('UNSUPPORTED', `Coinbase has no bars of ${interval}`, {
    hint: `It has ${Object.keys(GRANULARITIES).join(', ')}.`,
  })
}

/** Whole milliseconds within the bounds. @throws BAD_OPTION */
function boundsOf({ from, to }: HistoryRequest): { from: number; to: number } {
  if (from >= FIRST_MS && to <= LAST_MS && from <= to) {
    return { from: Math.ceil(from), to: Math.floor(to) }
  }
  const message = `no range of time: from ${from} to ${to}`
  const hint = 'Give both in ms since 1970, the earlier one as from.'
  throw new TickwireError('BAD_OPTION', message, { hint })
}

async function* trades(rest: RestClient, asked: Asked): AsyncGenerator<MarketEvent[]> {
  const { from, to } = asked
  const newest = await lastBefore(rest, asked, undefined)
  if (!newest || newest.timestamp < from) return
  let next = await firstNear(rest, asked, newest)
  let time = 0
  while (next <= newest.id) {
    // Whether or not the number itself counts as before it, what comes begins at `next` at the latest.
    const fields = { limit: TRADES, after: next + TRADES - 1 }
    const page = await readTrades(rest, asked, fields)
    const events: MarketEvent[] = []
    const begun = next
    for (const { record, trade } of page) {
      if (trade.id < next) continue
      if (trade.id !== next) throw wrong(`trade ${next} is missing, ${trade.id} came`)
      next++
      if (trade.fault !== undefined) {
        tell(asked, record, trade.fault)
        continue
      }
      if (trade.timestamp < time) throw wrong(`trade ${trade.id} is older than the one before it`)
      time = trade.timestamp
      if (time > to) {
        if (events.length > 0) yield events
        return
      }
      if (time >= from) events.push(tradeOf(asked, trade, rest.clock.now()))
    }
    if (next === begun) throw wrong(`trade ${next} is missing`)
    if (events.length > 0) yield events
  }
}

/** A number not above the first at or after `from`, and not far below it. */
async function firstNear(rest: RestClient, asked: Asked, newest: TradeRecord): Promise<number> {
  const bound = asked.from - SLACK_MS
  let high = newest.id
  let low = high
  // `low` is to be before the bound, `high` not.
  for (let step = TRADES; low > 1; step *= 2) {
    low = Math.max(1, newest.id - step)
    const trade = await lastBefore(rest, asked, low + 1)
    if (!trade) return low
    if (trade.timestamp < bound) break
    high = trade.id
  }
  for (let trial = 0; high - low > TRADES && trial < MOST_TRIALS; trial++) {
    const middle = low + Math.floor((high - low) / 2)
    const trade = await lastBefore(rest, asked, middle + 1)
    if (trade && trade.timestamp >= bound) high = middle
    else low = middle
  }
  return low
}

/** The last trade before a number, or the newest. */
async function lastBefore(
  rest: RestClient,
  asked: Asked,
  after: number | undefined,
): Promise<TradeRecord | undefined> {
  const fields = { limit: 1, ...(after !== undefined && { after }) }
  const [last] = await readTrades(rest, asked, fields)
  if (last?.trade.fault !== undefined) throw wrong(last.trade.fault)
  if (last && after !== undefined && last.trade.id > after) {
    throw wrong(`trade ${last.trade.id} is not before ${after}`)
  }
  return last?.trade
}

/** A page of trades, oldest first. */
async function readTrades(
  rest: RestClient,
  { symbol, signal }: Pick<Asked, 'symbol' | 'signal'>,
  fields: Readonly<Record<string, number>>,
) {
  const path = `products/${productOf(symbol)}/trades`
  const answer = await rest.ask('exchange', path, fields, signal)
  if (!Array.isArray(answer)) throw wrong('no list')
  const page = (answer as unknown[]).map(record => ({ record, trade: readTrade(record) }))
  return page.sort((a, b) => a.trade.id - b.trade.id)
}

/** A trade of the Exchange; its side is the maker's too. */
function readTrade(record: unknown): TradeRecord & { readonly fault: string | undefined } {
  const map = asMap(record) ?? {}
  const fields = new Fields(map)
  const { trade_id: id, side } = map
  // A number here, a text on the stream.
  if (!Number.isSafeInteger(id) || (id as number) < 0) throw wrong('trade_id is no id')
  if (side !== 'buy' && side !== 'sell') fields.fault ??= 'side is neither buy nor sell'
  const { timestamp, nanos } = fields.time('time')
  if (timestamp <= 0) fields.fault ??= 'time is none'
  const [price, size] = [fields.price('price'), fields.price('size')]
  const makerBuys = side === 'buy'
  return { id: id as number, timestamp, nanos, price, size, makerBuys, fault: fields.fault }
}

function tradeOf({ symbol, source }: Asked, trade: TradeRecord, receivedAt: number): Trade {
  const { timestamp, nanos, price, size, id, makerBuys } = trade
  const none = undefined
  return new Trade(
    ...([symbol, source, timestamp, nanos, receivedAt, 0, price, size, id] as const),
    ...([none, none, none, makerBuys ? 'sell' : 'buy'] as const),
  )
}

/** The newest trade of a pair; `undefined` where there is none, or what is wrong with it. */
export async function latestTrade(
  rest: RestClient,
  symbol: string,
  source: string,
  signal: AbortSignal | undefined,
): Promise<Trade | string | undefined> {
  const [last] = await readTrades(rest, { symbol, signal }, { limit: 1 })
  if (!last) return undefined
  const asked = { symbol, source } as Asked
  return last.trade.fault ?? tradeOf(asked, last.trade, rest.clock.now())
}

async function* candles(rest: RestClient, asked: Asked): AsyncGenerator<MarketEvent[]> {
  const { symbol, source, interval, signal } = asked
  const [, ms] = GRANULARITIES[interval]!
  // Nothing is to be had of the future.
  const to = Math.min(asked.to, rest.clock.now())
  for (let from = Math.ceil(asked.from / ms) * ms; from <= to; from += CANDLES * ms) {
    const end = Math.min(to, from + CANDLES * ms - 1)
    const { records, times } = await readCandles(rest, symbol, interval, from, end, signal)
    const bars: Bar[] = []
    let last = 0
    for (const [i, { record, candle }] of records.entries()) {
      const start = candle.start * 1_000
      // What an answer shows of its edges beyond what was asked for is of the next page, or of nobody.
      if (candle.fault === undefined && (start < from || start > end)) continue
      if (candle.fault !== undefined) tell(asked, record, candle.fault)
      else if (start === last || start % ms !== 0)
        throw wrong('a candle twice, or beside its place')
      else bars.push(barOf(symbol, source, interval, candle, times, i < records.length - 1))
      last = start
    }
    if (bars.length > 0) yield bars
  }
}

/** When a question was asked and answered, epoch ms. */
interface Times {
  readonly askedAt: number
  readonly receivedAt: number
}

/** Candles of a time, oldest first. */
export async function readCandles(
  rest: RestClient,
  symbol: string,
  interval: Interval,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
) {
  const path = `market/products/${productOf(symbol)}/candles`
  const granularity = GRANULARITIES[interval]![0]
  const fields = { start: Math.floor(from / 1_000), end: Math.floor(to / 1_000), granularity }
  const askedAt = rest.clock.now()
  const answer = await rest.ask('advanced', path, { ...fields, limit: 350 }, signal)
  const times: Times = { askedAt, receivedAt: rest.clock.now() }
  const list = asMap(answer)?.candles
  if (!Array.isArray(list)) throw wrong('no list of candles')
  const records = (list as unknown[]).map(record => {
    const read = new Fields(asMap(record) ?? {})
    const candle = readCandle(read)
    return { record, candle: { ...candle, fault: read.fault } }
  })
  return { records: records.sort((a, b) => a.candle.start - b.candle.start), times }
}

/** A candle as an event. `isFollowed`: a later one stands behind it. */
export function barOf(
  symbol: string,
  source: string,
  interval: Interval,
  { start, open, high, low, close, volume }: CandleRecord,
  { askedAt, receivedAt }: Times,
  isFollowed: boolean,
): Bar {
  const [timestamp, none] = [start * 1_000, undefined]
  const final = isOver(timestamp + GRANULARITIES[interval]![1], askedAt, isFollowed)
  return new Bar(
    ...([
      symbol,
      source,
      timestamp,
      0,
      receivedAt,
      0,
      interval,
      open,
      high,
      low,
      close,
      volume,
    ] as const),
    ...([none, none, final, 0, none] as const),
  )
}

/** @throws VENUE_ERROR where nobody wants to hear of it */
function tell({ malformed, symbol }: Asked, record: unknown, reason: string): void {
  if (!malformed) throw wrong(`a record of ${symbol} that is none: ${reason}`)
  malformed(record, reason)
}

export function wrong(what: string): TickwireError {
  return new TickwireError('VENUE_ERROR', `the venue's history is wrong: ${what}`, {
    hint: 'What came of it before was right; the rest is not to be had this way.',
  })
}
