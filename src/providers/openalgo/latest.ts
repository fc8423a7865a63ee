/** The last of each kind, by REST. https://docs.openalgo.in/api-documentation/v1/data-api/multiquotes */
import { TickwireError } from '../../base/errors.ts'
import type { LatestRequest } from '../../flow/contracts.ts'
import { Book, type Level, type MarketEvent, Quote, Ticker } from '../../market/events.ts'
import { type BarsAsked, checkInterval, type HistoryOptions, readBars } from './history.ts'
import { clean } from './market.ts'
import { asMap, levelsOf, numberOf } from './plain.ts'
import { type Answer, refusalOf, rowsOf, wrong } from './rest.ts'
import { isName, symbolOf, venueName } from './symbols.ts'

/** Symbols of one question. */
const CHUNK = 50
/** A week of days has a trading day in it, holidays or not. */
const WEEK_MS = 7 * 86_400_000
const KINDS = ['ticker', 'quote', 'book', 'bar']

interface Ask extends Pick<BarsAsked, 'signal' | 'malformed'>, Pick<LatestRequest, 'refused'> {
  readonly source: string
  readonly interval: NonNullable<LatestRequest['interval']>
}

/** @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL, as `RestClient.ask` */
export async function openAlgoLatest(
  options: HistoryOptions,
  request: LatestRequest,
): Promise<MarketEvent[]> {
  const { kind, interval = '1m', source = options.id, signal, malformed, refused } = request
  if (!KINDS.includes(kind)) {
    throw new TickwireError('UNSUPPORTED', `OpenAlgo has no latest ${kind}`, {
      hint: `It has ${KINDS.join(', ')}.`,
    })
  }
  if (kind === 'bar') checkInterval(interval)
  const symbols = [...new Set(request.symbols.map(options.symbol))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  const ask: Ask = { source, interval, signal, malformed, ...(refused && { refused }) }
  const events: MarketEvent[] = []
  if (kind === 'ticker' || kind === 'quote') {
    for (let i = 0; i < symbols.length; i += CHUNK) {
      events.push(...(await quotes(options, ask, kind, symbols.slice(i, i + CHUNK))))
    }
    return events
  }
  for (const symbol of symbols) {
    const event = await (kind === 'book' ? book : bar)(options, ask, symbol)
    if (event) events.push(event)
  }
  return events
}

async function quotes(
  { rest }: HistoryOptions,
  { source, signal, malformed, refused }: Ask,
  kind: 'ticker' | 'quote',
  symbols: readonly string[],
): Promise<MarketEvent[]> {
  const bySymbol = new Map<string, Answer>()
  if (symbols.length === 1) {
    const { data } = await rest.ask('quotes', venueName(symbols[0]!), signal)
    bySymbol.set(symbols[0]!, asMap(data) ?? {})
  } else {
    const question = { symbols: symbols.map(venueName) }
    const { results } = await rest.ask('multiquotes', question, signal)
    const refusals = new Map<string, TickwireError>()
    for (const row of rowsOf(results)) {
      const { symbol, exchange, data, error } = asMap(row) ?? {}
      if (!isName(symbol) || !isName(exchange)) continue
      const name = symbolOf({ symbol, exchange })
      // One that is not had has an error in place of data.
      if (asMap(data)) bySymbol.set(name, asMap(data)!)
      else if (isText(error)) refusals.set(name, refusalOf(error))
    }
    const [first] = refusals.values()
    // A broker whose login is over says so of each symbol, in an answer that is a success.
    if (first && bySymbol.size === 0) throw first
    for (const [symbol, reason] of refusals) refused?.([symbol], reason)
  }
  const events: MarketEvent[] = []
  const now = rest.clock.now()
  for (const symbol of symbols) {
    const data = bySymbol.get(symbol)
    if (!data) continue
    const fields = new Fields(data)
    const event = (kind === 'ticker' ? tickerOf : quoteOf)(fields, symbol, source, now)
    if (fields.fault === undefined) {
      if (event) events.push(event)
    } else if (malformed) malformed(data, fields.fault)
    else throw wrong(`the latest ${kind} of ${symbol} is none: ${fields.fault}`)
  }
  return events
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** The time of these is that of the answer: the server says none. */
function tickerOf(fields: Fields, symbol: string, source: string, now: number): Ticker | undefined {
  const none = undefined
  const last = fields.price('ltp')
  const [open, high, low] = [fields.price('open'), fields.price('high'), fields.price('low')]
  const [close, volume] = [fields.price('prev_close'), fields.amount('volume')]
  const [bid, ask, interest] = [fields.price('bid'), fields.price('ask'), fields.amount('oi')]
  if ((last ?? open ?? close ?? bid ?? ask) === undefined) return undefined
  return new Ticker(
    ...([symbol, source, Math.floor(now), 0, now, 0, last, none, none, open, high, low] as const),
    ...([close, none, none, volume, none, bid, ask, none, none, none, interest, none] as const),
    none,
  )
}

function quoteOf(fields: Fields, symbol: string, source: string, now: number): Quote | undefined {
  const none = undefined
  const [bid, ask] = [fields.price('bid'), fields.price('ask')]
  if ((bid ?? ask) === undefined) return undefined
  return new Quote(
    ...([symbol, source, Math.floor(now), 0, now, 0, bid, none, ask, none] as const),
    ...([none, none, none, none] as const),
  )
}

async function book(
  { rest }: HistoryOptions,
  { source, signal, malformed }: Ask,
  symbol: string,
): Promise<Book | undefined> {
  const { data } = await rest.ask('depth', venueName(symbol), signal)
  const now = rest.clock.now()
  const [bids, asks] = [levelsOf(asMap(data)?.bids), levelsOf(asMap(data)?.asks)]
  if (!bids || !asks) {
    if (!malformed) throw wrong(`the latest book of ${symbol} is none`)
    malformed(data, 'a level that is none')
    return undefined
  }
  if (bids.length + asks.length === 0) return undefined
  bids.sort((a: Level, b: Level) => b[0] - a[0])
  asks.sort((a: Level, b: Level) => a[0] - b[0])
  const none = undefined
  return new Book(symbol, source, Math.floor(now), 0, now, 0, bids, asks, true, none, none)
}

/** The last bar that is over. */
async function bar({ rest }: HistoryOptions, ask: Ask, symbol: string) {
  const now = rest.clock.now()
  const span = ask.interval === '1w' ? 3 * WEEK_MS : WEEK_MS
  const bars = await readBars(rest, { ...ask, symbol }, now - span, now)
  return bars.findLast(({ final }) => final)
}

/** Fields of an answer, 0 being as good as none. */
class Fields {
  fault: string | undefined
  readonly #data: Answer

  constructor(data: Answer) {
    this.#data = data
  }

  amount(name: string): number | undefined {
    const value = this.#data[name] ?? undefined
    if (value === undefined) return undefined
    const number = numberOf(value)
    if (number === undefined || number < 0) this.fault ??= `${name} is not a number of 0 or more`
    return number || undefined
  }

  price(name: string): number | undefined {
    const value = this.amount(name)
    return value === undefined ? undefined : clean(value)
  }
}
