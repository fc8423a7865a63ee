/**
 * What Kraken's REST API knows: trades since ever, the last 720 candles of each length, book and ticker of now, and the
 * pairs.
 * https://docs.kraken.com/api/docs/rest-api/get-recent-trades
 *
 * 1. Trades come oldest first, at most 1,000 at a time; `last` is where the next page goes on. A page with fewer is the
 *    last one. Their numbers rise; their times are doubles, a few hundred nanoseconds off, so they are rounded to the
 *    microseconds the stream has.
 * 2. Candles can be had for the last 720 intervals; `last` names the last one that is over, behind it one still runs.
 */
import { TickwireError } from '../../base/errors.ts'
import type {
  HistoryRequest,
  HistorySource,
  LatestRequest,
  LatestSource,
} from '../../flow/contracts.ts'
import {
  Bar,
  Book,
  type Interval,
  type MarketEvent,
  Quote,
  Ticker,
  Trade,
} from '../../market/events.ts'
import type { Instrument } from '../../market/instruments.ts'
import { FIRST_MS, LAST_MS } from '../../market/time.ts'
import { INTERVAL_NAMES, INTERVALS } from './channels.ts'
import { readInstruments } from './instruments.ts'
import { conditionsOf } from './market.ts'
import { KrakenRest, type RestOptions } from './rest.ts'
import { krakenSymbol, restName } from './symbols.ts'

export interface HistoryOptions extends RestOptions {
  /** Name of the source where a request gives none. */
  readonly id: string
}

/** Most trades of a page. */
const PAGE = 1_000
/** Candles there are of each length. */
const CANDLES = 720
/** Levels of the smallest book a stream sends. */
const LEAST_DEPTH = 10
/** Times of trades may be so far before what was asked for: they are doubles, and rounded. */
const NOISE_MS = 1

interface Checked {
  readonly kind: HistoryRequest['kind']
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly source: string
}

interface Context extends Checked {
  readonly malformed: HistoryRequest['malformed']
  readonly signal: AbortSignal | undefined
}

/** History, latest and instruments. @throws BAD_OPTION for a `restUrl` that is no address */
export function krakenHistory(
  options: HistoryOptions,
): HistorySource & LatestSource & { instruments(signal?: AbortSignal): Promise<Instrument[]> } {
  const rest = new KrakenRest(options)
  const contextOf = (
    request: HistoryRequest | LatestRequest,
    kinds: readonly string[],
  ): Context => ({
    ...check(request, kinds, options.id),
    ...{ malformed: request.malformed, signal: request.signal },
  })

  return {
    async *history(request) {
      const context = contextOf(request, ['trade', 'bar'])
      const { from, to } = bounds(request)
      for (const symbol of context.symbols) {
        if (context.kind === 'trade') yield* trades(rest, context, symbol, from, to)
        else yield* candles(rest, context, symbol, from, to)
      }
    },
    async latest(request) {
      const context = contextOf(request, Object.keys(LATEST))
      const events: MarketEvent[] = []
      for (const symbol of context.symbols) {
        const event = await LATEST[context.kind]!(rest, context, symbol)
        if (event) events.push(event)
      }
      return events
    },
    async instruments(signal) {
      return readInstruments(await rest.ask('AssetPairs', {}, signal))
    },
  }
}

async function* trades(
  rest: KrakenRest,
  context: Context,
  symbol: string,
  from: number,
  to: number,
): AsyncGenerator<MarketEvent[]> {
  // The bound itself is in, and times are not quite exact.
  let since = BigInt(from - NOISE_MS) * 1_000_000n
  if (since < 0n) since = 0n
  let lastId = -1
  // Records behind it that were none: their numbers are not missing.
  let spoiled = 0
  for (;;) {
    const query = { pair: restName(symbol), since: String(since), count: String(PAGE) }
    const answer = await rest.ask('Trades', query, context.signal)
    const rows = rowsOf(answer)
    const cursor = answer.last
    if (typeof cursor !== 'string' || !/^\d{1,20}$/.test(cursor)) throw wrong('no last')
    const batch: Trade[] = []
    let [fresh, over] = [0, false]
    let before = -1
    for (const row of rows) {
      const trade = tradeOf(row, symbol, context.source, rest.clock.now())
      if (typeof trade === 'string') {
        if (!context.malformed) throw wrong(`a trade of ${symbol} that is none: ${trade}`)
        context.malformed(row, trade)
        spoiled++
        continue
      }
      const id = trade.id as number
      if (id <= before) throw wrong(`trades of ${symbol} out of order`)
      before = id
      if (trade.timestamp < from - 2 * NOISE_MS) {
        throw wrong(`a trade of ${symbol} outside of the time asked for`)
      }
      // The last of a page may come again as the first of the next.
      if (id <= lastId) continue
      if (lastId >= 0 && id > lastId + 1 + spoiled) {
        throw wrong(`trade ${lastId + 1} of ${symbol} is missing, ${id} came`)
      }
      lastId = id
      spoiled = 0
      fresh++
      if (trade.timestamp > to) over = true
      else if (trade.timestamp >= from) batch.push(trade)
    }
    batch.sort((a, b) => a.timestamp - b.timestamp || a.nanos - b.nanos)
    if (batch.length > 0) yield batch
    if (over || rows.length < PAGE) return
    const next = BigInt(cursor) - 1n
    if (fresh === 0 || next <= since) throw wrong('there is no end of pages')
    since = next
  }
}

/** A row `[price, volume, time, "b" or "s", "m" or "l", misc, trade_id]`, or what is wrong with it. */
function tradeOf(row: unknown, symbol: string, source: string, receivedAt: number): Trade | string {
  if (!Array.isArray(row)) return 'not a list'
  const [priceText, sizeText, time, side, type, , id] = row as unknown[]
  const [price, size] = [numberOf(priceText), numberOf(sizeText)]
  if (!(price > 0)) return 'no price'
  if (!(size > 0)) return 'no volume'
  if (side !== 'b' && side !== 's') return 'side is neither b nor s'
  if (!Number.isSafeInteger(id) || (id as number) < 0) return 'no trade_id'
  const micros = Math.round(numberOf(time) * 1e6)
  if (!Number.isSafeInteger(micros) || micros <= 0) return 'no time'
  const timestamp = Math.floor(micros / 1_000)
  return new Trade(
    symbol,
    source,
    timestamp,
    (micros - timestamp * 1_000) * 1_000,
    receivedAt,
    0,
    price,
    size,
    id as number,
    undefined,
    conditionsOf(type === 'm' ? 'market' : type === 'l' ? 'limit' : undefined),
    undefined,
    side === 'b' ? 'buy' : 'sell',
  )
}

async function* candles(
  rest: KrakenRest,
  context: Context,
  symbol: string,
  from: number,
  to: number,
): AsyncGenerator<MarketEvent[]> {
  const { interval } = context
  const lengthMs = INTERVALS[interval]! * 60_000
  const first = Math.ceil(from / lengthMs) * lengthMs
  const now = rest.clock.now()
  // The one that runs counts.
  const reachable = (Math.floor(now / lengthMs) - CANDLES + 1) * lengthMs
  if (first > to || first > now) return
  if (first < reachable) {
    throw new TickwireError('UNSUPPORTED', `kraken keeps ${CANDLES} bars of ${interval} only`, {
      hint: `Ask from ${new Date(reachable).toISOString()} on, or for trades, which go back to the beginning.`,
    })
  }
  const batch = (await readCandles(rest, context, symbol, first)).filter(
    bar => bar.timestamp >= first && bar.timestamp <= to,
  )
  if (batch.length > 0) yield batch
}

async function readCandles(
  rest: KrakenRest,
  context: Context,
  symbol: string,
  first: number | undefined,
): Promise<Bar[]> {
  const { interval, source, malformed, signal } = context
  const query = {
    ...{ pair: restName(symbol), interval: String(INTERVALS[interval]) },
    // Those behind it are given.
    ...(first !== undefined && { since: String(Math.floor(first / 1_000) - 1) }),
  }
  const answer = await rest.ask('OHLC', query, signal)
  const rows = rowsOf(answer)
  const { last: over } = answer
  if (typeof over !== 'number') throw wrong('no last')
  const now = rest.clock.now()
  const bars: Bar[] = []
  for (const row of rows) {
    const bar = candleOf(row, symbol, source, interval, over, now)
    if (typeof bar === 'string') {
      if (!malformed) throw wrong(`a candle of ${symbol} that is none: ${bar}`)
      malformed(row, bar)
      continue
    }
    const last = bars.at(-1)
    if (last && bar.timestamp <= last.timestamp) throw wrong(`candles of ${symbol} out of order`)
    bars.push(bar)
  }
  return bars
}

/** A row `[time, open, high, low, close, vwap, volume, count]`, or what is wrong with it. */
function candleOf(
  row: unknown,
  symbol: string,
  source: string,
  interval: Interval,
  over: number,
  now: number,
): Bar | string {
  if (!Array.isArray(row)) return 'not a list'
  const [seconds, open, high, low, close, vwap, volume, count] = row.map(numberOf)
  const timestamp = seconds! * 1_000
  if (!Number.isSafeInteger(timestamp) || timestamp <= 0) return 'no time'
  if (timestamp % 60_000 !== 0) return 'its time is no whole minute'
  if (!(open! > 0 && high! > 0 && low! > 0 && close! > 0)) return 'a price is missing'
  if (!(volume! >= 0)) return 'no volume'
  const trades = Number.isSafeInteger(count) ? count : undefined
  return new Bar(
    ...([symbol, source, timestamp, 0, now, 0, interval] as const),
    ...([open!, high!, low!, close!, volume!] as const),
    ...([vwap! > 0 ? vwap : undefined, trades] as const),
    seconds! <= over,
    0,
    undefined,
  )
}

type Latest = (
  rest: KrakenRest,
  context: Context,
  symbol: string,
) => Promise<MarketEvent | undefined>

/** The last of each kind; books, quotes and tickers are of the moment they are asked for. */
const LATEST: { readonly [kind: string]: Latest } = {
  trade: async (rest, { source, signal }, symbol) => {
    const answer = await rest.ask('Trades', { pair: restName(symbol), count: '1' }, signal)
    const row = rowsOf(answer).at(-1)
    if (row === undefined) return undefined
    const trade = tradeOf(row, symbol, source, rest.clock.now())
    if (typeof trade === 'string') throw wrong(`a trade of ${symbol} that is none: ${trade}`)
    return trade
  },
  bar: async (rest, context, symbol) => {
    const lengthMs = INTERVALS[context.interval]! * 60_000
    const bars = await readCandles(rest, context, symbol, rest.clock.now() - 3 * lengthMs)
    return bars.findLast(bar => bar.final)
  },
  quote: async (rest, context, symbol) => {
    const { bids, asks, timestamp, receivedAt } = await depth(rest, context, symbol, 1)
    const [bid, bidSize] = bids[0] ?? []
    const [ask, askSize] = asks[0] ?? []
    const none = undefined
    return new Quote(
      ...([symbol, context.source, timestamp, 0, receivedAt, 0] as const),
      ...([bid, bidSize, ask, askSize, none, none, none, none] as const),
    )
  },
  ticker: async (rest, { source, signal }, symbol) => {
    const answer = await rest.ask('Ticker', { pair: restName(symbol) }, signal)
    return tickerOf(onlyValue(answer), symbol, source, rest.clock.now())
  },
  book: async (rest, context, symbol) => {
    const { bids, asks, timestamp, receivedAt } = await depth(rest, context, symbol, 100)
    const { source } = context
    const none = undefined
    return new Book(symbol, source, timestamp, 0, receivedAt, 0, bids, asks, true, none, none)
  },
}

/**
 * `a` and `b` hold price, whole lots and lots; `c` price and lots of the last trade; `v`, `p`, `l` and `h` today since
 * midnight, and the last 24 hours, which are what a stream's ticker is of. `o` is of today alone, and left out.
 * https://docs.kraken.com/api/docs/rest-api/get-ticker-information
 */
function tickerOf(record: unknown, symbol: string, source: string, receivedAt: number): Ticker {
  const fields = (record ?? {}) as Record<string, unknown>
  const read = (name: string, i: number) => {
    const list = fields[name]
    const value = Array.isArray(list) ? numberOf(list[i]) : Number.NaN
    if (value >= 0 && value < Infinity) return value
    throw wrong(`a ticker of ${symbol} that is none: no ${name}`)
  }
  const [last, bid, ask, none] = [read('c', 0), read('b', 0), read('a', 0), undefined]
  const [high, low, vwap] = [read('h', 1), read('l', 1), read('p', 1)]
  return new Ticker(
    ...([symbol, source, Math.floor(receivedAt), 0, receivedAt, 0] as const),
    ...([last || none, last > 0 ? read('c', 1) : none, none, none] as const),
    ...([high || none, low || none, none, none, none, read('v', 1), vwap || none] as const),
    ...([bid || none, ask || none] as const),
    ...([bid > 0 ? read('b', 2) : none, ask > 0 ? read('a', 2) : none] as const),
    ...([none, none, none, none] as const),
  )
}

async function depth(rest: KrakenRest, { signal }: Context, symbol: string, count: number) {
  const query = { pair: restName(symbol), count: String(count) }
  const sides = onlyValue(await rest.ask('Depth', query, signal)) as Record<string, unknown>
  // Of the levels that every subscription holds: deeper ones may well be newer than what a stream has sent.
  let newest = 0
  const read = (name: 'bids' | 'asks') => {
    const rows = sides?.[name]
    if (!Array.isArray(rows)) throw wrong(`no ${name}`)
    return rows.map((row: unknown, i) => {
      const [price, size, seconds] = Array.isArray(row) ? row.map(numberOf) : []
      if (!(price! > 0 && size! > 0 && seconds! > 0)) throw wrong('a level that is none')
      if (i < LEAST_DEPTH) newest = Math.max(newest, seconds! * 1_000)
      return [price!, size!] as const
    })
  }
  const [bids, asks] = [read('bids'), read('asks')]
  const receivedAt = rest.clock.now()
  return { bids, asks, timestamp: Math.floor(newest || receivedAt), receivedAt }
}

/** The one value of an answer: its name is the venue's own for the pair. */
function onlyValue(answer: Readonly<Record<string, unknown>>): unknown {
  const names = Object.keys(answer).filter(name => name !== 'last')
  if (names.length !== 1) throw wrong('not of one pair')
  return answer[names[0]!]
}

function rowsOf(answer: Readonly<Record<string, unknown>>): readonly unknown[] {
  const rows = onlyValue(answer)
  if (!Array.isArray(rows)) throw wrong('no rows')
  return rows
}

/** Numbers come as text, mostly; what is none is NaN. */
function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)
    ? Number(value)
    : Number.NaN
}

/** @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL */
function check(
  request: HistoryRequest | LatestRequest,
  kinds: readonly string[],
  id: string,
): Checked {
  const { kind, interval = '1m', source = id } = request
  if (!kinds.includes(kind)) {
    const hint = `It has ${kinds.join(', ')}.`
    throw new TickwireError('UNSUPPORTED', `kraken cannot be asked for this kind: ${kind}`, {
      hint,
    })
  }
  if (kind === 'bar' && INTERVALS[interval] === undefined) {
    throw new TickwireError('UNSUPPORTED', `kraken has no bars of ${interval}`, {
      hint: `It has ${INTERVAL_NAMES.join(', ')}.`,
    })
  }
  if ('adjustment' in request && request.adjustment !== undefined && request.adjustment !== 'raw') {
    throw new TickwireError('UNSUPPORTED', `kraken has no prices adjusted by ${request.adjustment}`)
  }
  const symbols = [...new Set(request.symbols.map(krakenSymbol))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  return { kind, symbols, interval, source }
}

/** Whole milliseconds within the bounds. @throws BAD_OPTION */
function bounds({ from, to }: HistoryRequest): { from: number; to: number } {
  if (from >= FIRST_MS && to <= LAST_MS && from <= to) {
    return { from: Math.ceil(from), to: Math.floor(to) }
  }
  const hint = 'Give both in ms since 1970, the earlier one as from.'
  throw new TickwireError('BAD_OPTION', `no range of time: from ${from} to ${to}`, { hint })
}

function wrong(what: string): TickwireError {
  return new TickwireError('VENUE_ERROR', `the history the venue gives is wrong: ${what}`)
}
