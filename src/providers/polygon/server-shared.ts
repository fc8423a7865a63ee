/**
 * The venue's REST side for data of any source: trades, quotes and bars of what is stored, in pages.
 * https://massive.com/docs/rest
 *
 * 1. Ticks come newest first unless `order=asc`, bars oldest first unless `sort=desc`; both bounds of a range count.
 * 2. A day in place of a time is one of the market: New York's for stocks, UTC's for crypto.
 * 3. `next_url` has all of the question in it but the key.
 */
import { TickwireError } from '../../base/errors.ts'
import type { SharedDesk, SharedQuestion, SharedRest } from '../../flow/contracts.ts'
import { calendarNamed } from '../../market/calendar-book.ts'
import { parseDay } from '../../market/calendar-dates.ts'
import { zoneOf } from '../../market/calendar-zone.ts'
import type { Bar, EventType, Interval, MarketEvent, Quote, Trade } from '../../market/events.ts'
import { timestampNs } from '../../market/time.ts'
import { isInterval } from '../../market/topics.ts'
import type { Market, PolygonMarket } from './markets.ts'
import { barRecord, json, limitOf, Refusal, tickMarket, tickRecord } from './server-records.ts'

const TICKS = /^\/v3\/(trade|quote)s\/([^/]+)$/
const BARS = /^\/v2\/aggs\/ticker\/([^/]+)\/range\/([1-9]\d{0,4})\/(\w+)\/([^/]+)\/([^/]+)$/

/** Lengths of bars; months and longer are none of ours. */
const SPANS: Readonly<Record<string, string>> = {
  ...{ second: 's', minute: 'm', hour: 'h', day: 'd', week: 'w' },
}
const SPAN_MS: Readonly<Record<string, number>> = {
  ...{ s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 },
}
const MS = 1_000_000n
/** Before any market and behind it, epoch ms. */
const [FIRST_MS, LAST_MS] = [0, 9_000_000_000_000]
/** The first stretch that is read where the newest comes first; each further one is four times as long. */
const STRETCH_MS = 60_000

/** The market a question is about, by its ticker. */
export function marketOfQuestion(path: string): PolygonMarket | undefined {
  const name = TICKS.exec(path)?.[2] ?? BARS.exec(path)?.[1]
  return name === undefined ? undefined : tickMarket(name.replace(/%3A/i, ':')).name
}

export const polygonRest: SharedRest = {
  async answer(question, desk) {
    try {
      const answer = await answerOf(question, desk)
      const nature = desk.nature === undefined ? {} : { nature: desk.nature }
      return json(200, { status: 'OK', request_id: nextId(), ...answer, ...nature })
    } catch (thrown) {
      if (thrown instanceof Refusal) return this.fault(thrown.status, thrown.message)
      throw thrown
    }
  },
  fault: (status, error) => json(status, { status: 'ERROR', request_id: nextId(), error }),
}

let requests = 0
const nextId = () => (++requests).toString(16).padStart(32, '0')

async function answerOf(question: SharedQuestion, desk: SharedDesk): Promise<object> {
  const { method, path, query, headers } = question
  if (method !== 'GET') throw new Refusal(405, 'method not allowed')
  // The key comes as a header or in the query.
  const key = query.get('apiKey') ?? /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
  if (!desk.admit(key)) throw new Refusal(401, 'Unknown API Key')
  const ticks = TICKS.exec(path)
  if (ticks) return ticksOf(ticks[1] as 'trade' | 'quote', decoded(ticks[2]!), question, desk)
  const bars = BARS.exec(path)
  if (!bars) throw new Refusal(404, 'not found')
  const [, ticker = '', count = '', span = '', from = '', to = ''] = bars
  return barsOf({ ticker: decoded(ticker), count, span, from, to }, question, desk)
}

async function ticksOf(
  kind: 'trade' | 'quote',
  ticker: string,
  { query, root }: SharedQuestion,
  desk: SharedDesk,
): Promise<object> {
  const market = tickMarket(ticker)
  if (market.channels[kind] === undefined) throw new Refusal(404, `${market.name} has no ${kind}s`)
  const { asked, place } = readCursor(query)
  const limit = limitOf(asked, 1_000)
  const isRising = asked.get('order') === 'asc'
  const range = rangeOf(asked, market)
  const symbol = symbolOf(ticker, market, kind, desk)
  const page = await pageOf(
    { kind, symbol, range, place, limit, isRising, stretch: STRETCH_MS },
    desk,
  )
  return {
    results: page.events.map(event => tickRecord(event as Trade | Quote, market)),
    ...(page.next && {
      next_url: `${root}/v3/${kind}s/${encodeURIComponent(ticker)}?${writeCursor(asked, page.next)}`,
    }),
  }
}

interface AskedBars {
  readonly ticker: string
  readonly count: string
  readonly span: string
  readonly from: string
  readonly to: string
}

async function barsOf(
  { ticker, count, span, from, to }: AskedBars,
  { query, root }: SharedQuestion,
  desk: SharedDesk,
): Promise<object> {
  const market = tickMarket(ticker)
  const unit = Object.hasOwn(SPANS, span) ? SPANS[span]! : undefined
  const interval = `${count}${unit}`
  if (unit === undefined || !isInterval(interval)) {
    throw new Refusal(
      400,
      `there are bars of seconds, minutes, hours, days and weeks, not of ${count} ${span}`,
    )
  }
  if (query.get('adjusted') === 'true' && market.name === 'stocks') {
    throw new Refusal(
      400,
      'what is stored is not adjusted for splits: ask with adjusted=false, or leave it out',
    )
  }
  const { asked, place } = readCursor(query)
  const limit = limitOf(asked, 5_000)
  const isRising = asked.get('sort') !== 'desc'
  const range = [
    timeOf(from, market, false) * MS,
    (timeOf(to, market, true) + 1n) * MS - 1n,
  ] as const
  const symbol = symbolOf(ticker, market, 'bar', desk, interval)
  const stretch = SPAN_MS[unit]! * Number(count) * (limit + 1)
  const page = await pageOf(
    { kind: 'bar', symbol, interval, range, place, limit, isRising, stretch },
    desk,
  )
  const { length } = page.events
  const path = [ticker, 'range', count, span, from, to].map(encodeURIComponent).join('/')
  return {
    ...{ ticker, queryCount: length, resultsCount: length, adjusted: false },
    results: page.events.map(event => barRecord(event as Bar)),
    ...(page.next && {
      next_url: `${root}/v2/aggs/ticker/${path}?${writeCursor(asked, page.next)}`,
    }),
  }
}

/** As the source calls it; what it does not stream it may have stored all the same. @throws BAD_SYMBOL, Refusal */
function symbolOf(
  ticker: string,
  market: Market,
  kind: EventType,
  desk: SharedDesk,
  interval?: Interval,
): string {
  const symbol = market.symbol(ticker)
  if (symbol === undefined) throw new Refusal(404, `${ticker} is no ticker of ${market.name}`)
  const found = desk.resolve({ source: desk.source, kind, symbol, ...(interval && { interval }) })
  if (!(found instanceof TickwireError)) return found.symbol
  if (found.code === 'UNSUPPORTED') return symbol
  throw found
}

/** So many records of a time, ns, have been in pages. */
interface Place {
  readonly at: bigint
  readonly count: number
}

interface PageRequest {
  readonly kind: EventType
  readonly symbol: string
  readonly interval?: Interval
  /** Inclusive, ns. */
  readonly range: readonly [from: bigint, to: bigint]
  readonly place: Place | undefined
  readonly limit: number
  readonly isRising: boolean
  /** How far is read at a time where the newest comes first, ms. */
  readonly stretch: number
}

interface Page {
  readonly events: readonly MarketEvent[]
  readonly next: Place | undefined
}

async function pageOf(request: PageRequest, desk: SharedDesk): Promise<Page> {
  const { range, place, limit, isRising } = request
  const [from, to] = place ? (isRising ? [place.at, range[1]] : [range[0], place.at]) : range
  const found: MarketEvent[] = []
  let skip = place?.count ?? 0
  const batches = isRising ? read(request, [from, to], desk) : readBack(request, [from, to], desk)
  for await (const batch of batches) {
    for (const event of batch) {
      if (place && skip > 0 && timestampNs(event) === place.at) skip--
      else found.push(event)
    }
    if (found.length > limit) break
  }
  const events = found.slice(0, limit)
  const last = events.at(-1)
  if (found.length <= limit || !last) return { events, next: undefined }
  const at = timestampNs(last)
  const then = events.filter(event => timestampNs(event) === at).length
  const before = place?.at === at ? place.count : 0
  return { events, next: { at, count: then + before } }
}

/** Oldest first. */
async function* read(
  { kind, symbol, interval }: PageRequest,
  [from, to]: readonly [bigint, bigint],
  desk: SharedDesk,
): AsyncGenerator<MarketEvent[]> {
  if (from > to) return
  const question = {
    ...{ kind, symbols: [symbol], from: Number(from / MS), to: Number(to / MS) },
    ...(interval && { interval }),
  }
  let bar: Bar | undefined
  for await (const batch of desk.history(question)) {
    const within = batch.filter(event => {
      const at = timestampNs(event)
      return at >= from && at <= to
    })
    if (kind !== 'bar') yield within
    else {
      // A bar may be stored as it was in the making, when it was over, and as it was mended.
      const whole: MarketEvent[] = []
      for (const event of within as Bar[]) {
        if (bar && bar.timestamp !== event.timestamp && bar.final) whole.push(bar)
        if (!bar || bar.timestamp !== event.timestamp || isBetter(event, bar)) bar = event
      }
      yield whole
    }
  }
  if (bar?.final) yield [bar]
}

const isBetter = (one: Bar, other: Bar) =>
  one.final === other.final ? one.revision >= other.revision : one.final

/** Newest first: stretch by stretch, each longer than the one before. */
async function* readBack(
  request: PageRequest,
  [from, to]: readonly [bigint, bigint],
  desk: SharedDesk,
): AsyncGenerator<MarketEvent[]> {
  const beginning = await desk.beginning(request.kind)
  if (beginning === undefined) return
  const first = max(from, BigInt(Math.floor(beginning)) * MS)
  // Nothing has happened yet of what comes a day from now.
  let end = min(to, BigInt(Math.ceil(desk.now()) + 86_400_000) * MS)
  for (let stretch = BigInt(request.stretch) * MS; end >= first; stretch *= 4n) {
    const start = max(first, end - stretch)
    const events: MarketEvent[] = []
    for await (const batch of read(request, [start, end], desk)) events.push(...batch)
    yield events.reverse()
    end = start - 1n
  }
}

const max = (a: bigint, b: bigint) => (a > b ? a : b)
const min = (a: bigint, b: bigint) => (a < b ? a : b)

/** The times asked for, ns, inclusive. @throws Refusal */
function rangeOf(query: URLSearchParams, market: Market): readonly [bigint, bigint] {
  let [from, to] = [BigInt(FIRST_MS) * MS, BigInt(LAST_MS) * MS]
  for (const [name, text] of query) {
    const [, bound] = /^timestamp(?:\.(gte|gt|lte|lt))?$/.exec(name) ?? []
    if (!name.startsWith('timestamp')) continue
    const isDay = !/^\d{1,19}$/.test(text)
    const at = isDay ? timeOf(text, market, false) * MS : BigInt(text)
    if (bound === undefined) {
      const end = isDay ? (timeOf(text, market, true) + 1n) * MS - 1n : at
      ;[from, to] = [max(from, at), min(to, end)]
    } else if (bound === 'gte') from = max(from, at)
    else if (bound === 'gt') from = max(from, at + 1n)
    else if (bound === 'lte') to = min(to, at)
    else to = min(to, at - 1n)
  }
  return [from, to]
}

/** Epoch ms of a time in ms, or of the first or last of a day of the market. @throws Refusal */
function timeOf(text: string, market: Market, isEnd: boolean): bigint {
  if (/^\d{1,13}$/.test(text)) return BigInt(text)
  try {
    const zone = zoneOf(calendarNamed(market.calendar).zone)
    const day = parseDay(text)
    return BigInt(isEnd ? zone.momentOf(day + 1, 0) - 1 : zone.momentOf(day, 0))
  } catch {
    throw new Refusal(400, `invalid timestamp: ${text}`)
  }
}

/** The question, and where its page before has ended. @throws Refusal */
function readCursor(query: URLSearchParams): { asked: URLSearchParams; place: Place | undefined } {
  const cursor = query.get('cursor')
  if (cursor === null) return { asked: query, place: undefined }
  const asked = new URLSearchParams(Buffer.from(cursor, 'base64url').toString())
  const [at, count] = [asked.get('at') ?? '', asked.get('count') ?? '']
  if (!/^\d{1,19}$/.test(at) || !/^\d{1,9}$/.test(count)) throw new Refusal(400, 'invalid cursor')
  asked.delete('at')
  asked.delete('count')
  return { asked, place: { at: BigInt(at), count: Number(count) } }
}

function writeCursor(asked: URLSearchParams, { at, count }: Place): string {
  const whole = new URLSearchParams(asked)
  whole.delete('apiKey')
  whole.set('at', String(at))
  whole.set('count', String(count))
  const source = asked.get('source')
  const cursor = Buffer.from(String(whole)).toString('base64url')
  return `cursor=${cursor}${source === null ? '' : `&source=${encodeURIComponent(source)}`}`
}

/** @throws Refusal */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Refusal(400, 'a ticker that cannot be read')
  }
}
