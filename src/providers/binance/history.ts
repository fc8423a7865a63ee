/**
 * What Binance's REST API knows of the past: trades and candles.
 * https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#market-data-endpoints
 *
 * 1. Trades one by one are to be had by number only. The first at or after a time is named by the aggregate at that time.
 * 2. Numbers have no gaps, so an answer that leaves some out is wrong, and nothing of it is given on.
 * 3. Candles are to be had from a time on, the running one included. An interval without trades has one too.
 */
import { TickwireError } from '../../base/errors.ts'
import { isOver } from '../../feed/candles.ts'
import type { HistoryRequest } from '../../flow/contracts.ts'
import { Bar, type Interval, type MarketEvent, Trade } from '../../market/events.ts'
import { FIRST_MS, LAST_MS } from '../../market/time.ts'
import { vwapOf } from './market.ts'
import { Fields } from './plain.ts'
import { isMap, type RestClient } from './rest.ts'
import { INTERVAL_NAMES, INTERVALS, type TradeKind } from './streams.ts'
import { type Names, venueName } from './symbols.ts'

export interface HistoryOptions {
  readonly id: string
  readonly names: Names
  readonly rest: RestClient
  readonly trades: TradeKind
  /** Kinds there is a history of. */
  readonly kinds: readonly ('trade' | 'bar')[]
}

/** Most records the venue gives at a time. */
const PAGE = 1_000
/** An aggregate may have begun so long before its time, ms. */
const AGGREGATE_MS = 100

/** What a question is about, checked. */
interface Asked {
  readonly symbol: string
  readonly source: string
  readonly from: number
  readonly to: number
  readonly interval: Interval
  readonly malformed: HistoryRequest['malformed']
  readonly signal: AbortSignal | undefined
}

/** The past of pairs, one after the other, in pages of up to 1,000. */
export async function* binanceHistory(
  options: HistoryOptions,
  request: HistoryRequest,
): AsyncGenerator<MarketEvent[]> {
  const { names, kinds, id, trades } = options
  const { kind, interval = '1m', source = id, malformed, signal } = request
  if (!(kinds as readonly string[]).includes(kind)) {
    throw new TickwireError('UNSUPPORTED', `Binance keeps no history of ${kind} here`, {
      hint: `It has ${kinds.join(', ')}.${trades === 'raw' && !kinds.includes('trade') ? " Its market data hosts have trades with the option trades: 'aggregate'." : ''}`,
    })
  }
  if ((request.adjustment ?? 'raw') !== 'raw') {
    const hint = 'Leave adjustment out.'
    throw new TickwireError('UNSUPPORTED', 'only bars of stocks are adjusted', { hint })
  }
  checkInterval(interval)
  const bounds = boundsOf(request)
  const symbols = [...new Set(request.symbols.map(text => names.symbol(text)))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  for (const symbol of symbols) {
    const asked = { symbol, source, ...bounds, interval, malformed, signal }
    if (kind === 'bar') yield* candles(options.rest, asked)
    else yield* tradesOf(options.rest, asked, trades)
  }
}

/** @throws UNSUPPORTED */
export function checkInterval(interval: Interval): void {
  if (Object.hasOwn(INTERVALS, interval)) return
  throw new TickwireError('UNSUPPORTED', `Binance has no bars of ${interval}`, {
    hint: `It has ${INTERVAL_NAMES.join(', ')}.`,
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

async function* tradesOf(
  rest: RestClient,
  asked: Asked,
  trades: TradeKind,
): AsyncGenerator<MarketEvent[]> {
  const { symbol, from, to, signal } = asked
  const name = venueName(symbol)
  const startTime = Math.max(0, from - AGGREGATE_MS)
  const isRaw = trades === 'raw'
  const first = { symbol: name, startTime, limit: 1 }
  const [begin] = listOf(await rest.ask('aggTrades', first, 'other', signal))
  if (begin === undefined) return
  const start = new Fields(isMap(begin) ? begin : {})
  let next = start.id(isRaw ? 'f' : 'a')
  if (start.fault !== undefined) throw wrong(start.fault)
  let time = 0
  for (;;) {
    const page = { symbol: name, fromId: next, limit: PAGE }
    const answer = isRaw
      ? await rest.ask('historicalTrades', page, 'trades', signal)
      : await rest.ask('aggTrades', page, 'other', signal)
    const records = listOf(answer)
    const receivedAt = rest.clock.now()
    const events: MarketEvent[] = []
    for (const record of records) {
      const trade = isRaw ? readRaw(record) : readAggregate(record)
      if (trade.id !== next) throw wrong(`trade ${next} is missing, ${trade.id} came`)
      next++
      if (trade.fault !== undefined) {
        tell(asked, record, trade.fault)
        continue
      }
      const { timestamp, nanos, price, size, id, buyerMade } = trade
      if (timestamp < time) throw wrong(`trade ${id} is older than the one before it`)
      time = timestamp
      if (timestamp > to) {
        if (events.length > 0) yield events
        return
      }
      if (timestamp < from) continue
      const none = undefined
      events.push(
        new Trade(
          ...([symbol, asked.source, timestamp, nanos, receivedAt, 0, price, size, id] as const),
          ...([none, none, none, buyerMade ? 'sell' : 'buy'] as const),
        ),
      )
    }
    if (events.length > 0) yield events
    // Fewer than asked for: these are the newest.
    if (records.length < PAGE) return
  }
}

function readAggregate(record: unknown) {
  const fields = new Fields(isMap(record) ? record : {})
  const [id, { timestamp, nanos }] = [fields.id('a'), fields.time('T')]
  const [price, size, buyerMade] = [fields.price('p'), fields.price('q'), fields.flag('m')]
  return { id, timestamp, nanos, price, size, buyerMade, fault: fields.fault }
}

function readRaw(record: unknown) {
  const fields = new Fields(isMap(record) ? record : {})
  const [id, { timestamp, nanos }] = [fields.id('id'), fields.time('time')]
  const [price, size] = [fields.price('price'), fields.price('qty')]
  const buyerMade = fields.flag('isBuyerMaker')
  return { id, timestamp, nanos, price, size, buyerMade, fault: fields.fault }
}

async function* candles(rest: RestClient, asked: Asked): AsyncGenerator<MarketEvent[]> {
  const { symbol, interval, to, signal } = asked
  let from = asked.from
  while (from <= to) {
    const page = { symbol: venueName(symbol), interval, startTime: Math.max(0, from), endTime: to }
    const askedAt = rest.clock.now()
    const answer = await rest.ask('klines', { ...page, limit: PAGE }, 'other', signal)
    const records = listOf(answer)
    const times = { askedAt, receivedAt: rest.clock.now() }
    const bars: Bar[] = []
    for (const [i, record] of records.entries()) {
      const isFollowed = i < records.length - 1
      const bar = readCandle(record, symbol, asked.source, interval, { ...times, isFollowed })
      if (typeof bar === 'string') {
        tell(asked, record, bar)
        continue
      }
      if (bar.timestamp < from || bar.timestamp > to)
        throw wrong('a candle outside of the time asked for')
      from = bar.timestamp + 1
      bars.push(bar)
    }
    if (bars.length > 0) yield bars
    // Where none of a page can be read, there is nowhere to go on from.
    if (records.length < PAGE || bars.length === 0) return
  }
}

/** What came of a question: when it was asked and answered, and whether a later candle stands behind this one. */
interface CandleContext {
  readonly askedAt: number
  readonly receivedAt: number
  readonly isFollowed: boolean
}

/** A candle of REST; or what is wrong with it. */
export function readCandle(
  record: unknown,
  symbol: string,
  source: string,
  interval: Interval,
  { askedAt, receivedAt, isFollowed }: CandleContext,
): Bar | string {
  if (!Array.isArray(record)) return 'not a list'
  const [t, open, high, low, close, volume, end, turnover, trades] = record as unknown[]
  const fields = new Fields({ t, open, high, low, close, volume, end, turnover, trades })
  const { timestamp, nanos } = fields.time('t')
  const ended = fields.time('end')
  const prices = [
    ...([fields.price('open'), fields.price('high')] as const),
    ...([fields.price('low'), fields.price('close')] as const),
  ] as const
  const [amount, money, count] = [
    fields.amount('volume'),
    fields.amount('turnover'),
    fields.id('trades'),
  ]
  if (fields.fault !== undefined) return fields.fault
  // Its end is the last moment of it.
  const final = isOver(ended.timestamp + 1, askedAt, isFollowed)
  return new Bar(
    ...([symbol, source, timestamp, nanos, receivedAt, 0, interval, ...prices] as const),
    ...([amount, vwapOf(money, amount), count, final, 0, undefined] as const),
  )
}

/** @throws VENUE_ERROR where nobody wants to hear of it */
function tell({ malformed, symbol }: Asked, record: unknown, reason: string): void {
  if (!malformed) throw wrong(`a record of ${symbol} that is none: ${reason}`)
  malformed(record, reason)
}

function listOf(answer: unknown): readonly unknown[] {
  if (Array.isArray(answer)) return answer
  throw wrong('no list')
}

export function wrong(what: string): TickwireError {
  return new TickwireError('VENUE_ERROR', `the venue's history is wrong: ${what}`, {
    hint: 'What came of it before was right; the rest is not to be had this way.',
  })
}
