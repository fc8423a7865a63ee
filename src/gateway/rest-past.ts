import { createHash } from 'node:crypto'
import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { CHANNELS } from '../feed/channels.ts'
import type { HistoryRequest } from '../flow/contracts.ts'
import type { Adjustment, EventType, Interval, MarketEvent } from '../market/events.ts'
import { EVENT_SHAPES } from '../market/schema.ts'
import { parseTime } from '../market/time.ts'
import { ANY, isInterval } from '../market/topics.ts'
import { FORMS, formOf, linesOf, pageOf } from './answers.ts'
import type { GatewayContext } from './context.ts'
import { Nature } from './nature.ts'
import { type Ask, list, type Route, route } from './route.ts'

/** Events in a page, unless asked otherwise; and at most. */
const PAGE = 1_000
const LONGEST_PAGE = 10_000
const DAY_MS = 86_400_000
/** Wider than any market's past and future, epoch ms. */
const FIRST_MS = -9_000_000_000_000
const LAST_MS = 9_000_000_000_000

const moment = (bound: 'from' | 'to') =>
  z
    .string()
    .transform((text, context) => {
      const ms = msOf(text, bound)
      if (ms !== undefined) return ms
      context.issues.push({
        code: 'custom',
        message: `${JSON.stringify(text)} is no time`,
        input: text,
      })
      return z.NEVER
    })
    .optional()
    .meta({
      description: `Venue time, inclusive: 2025-06-02T13:30:00Z, a UTC day, or epoch ms. Default: the ${bound === 'from' ? 'beginning' : 'end'}.`,
    })

/** Epoch ms of a text: a moment, or the begin or end of a UTC day. */
function msOf(text: string, bound: 'from' | 'to'): number | undefined {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Math.min(LAST_MS, Math.max(FIRST_MS, Number(text)))
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return parseTime(text)?.timestamp
  const begin = parseTime(`${text}T00:00:00Z`)?.timestamp
  return begin === undefined || bound === 'from' ? begin : begin + DAY_MS - 1
}

export const interval = z
  .custom<Interval>(text => typeof text === 'string' && isInterval(text), '1m, 5m, 1h or 1d is one')
  .optional()
  .meta({ type: 'string', description: 'Length of bars. Default: 1m.' })

const common = {
  symbols: list('Symbols').optional().meta({ description: 'Separated by commas. Default: all.' }),
  source: z.string().min(1).optional().meta({ description: 'One of the sources. Default: all.' }),
  from: moment('from'),
  to: moment('to'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LONGEST_PAGE)
    .optional()
    .meta({
      description: `Events in a page. Default: ${PAGE}; as NDJSON and CSV, without limit and cursor, all there are.`,
    }),
  cursor: z.string().optional().meta({ description: '`next` of the page before.' }),
}
const forBars = {
  interval,
  adjustment: z
    .enum(['raw', 'split', 'dividend', 'all'])
    .optional()
    .meta({ description: 'Default: raw.' }),
}

const KINDS = [
  ...(['trades', 'quotes', 'bars', 'tickers', 'statuses', 'lulds'] as const),
  ...(['imbalances', 'corrections', 'cancels', 'news'] as const),
] as const

/** What is stored, by kind: pages of JSON, or lines. */
export function pastRoutes(context: GatewayContext): Route[] {
  return KINDS.map(name => {
    const kind: EventType = CHANNELS[name]
    return route({
      ...{
        method: 'get',
        path: `/v1/${name}`,
        scope: 'history',
        isData: true,
        forms: FORMS,
        hasTag: true,
      },
      summary: `Stored ${name}, oldest first`,
      description:
        'In order of venue time. A range that has ended comes with an ETag: If-None-Match answers 304 while nothing of it has been mended.',
      query: z.object(kind === 'bar' ? { ...common, ...forBars } : common),
      answer: pageSchema(kind),
      handle: ask => answer(context, kind, ask),
    })
  })
}

export const eventSchemaOf = (kind: EventType) => z.object(EVENT_SHAPES[kind].shape)

const pageSchema = (kind: EventType) =>
  z.object({
    nature: z
      .string()
      .nullable()
      .meta({ description: 'What the data is, where it is not live and real.' }),
    data: z.array(eventSchemaOf(kind)),
    next: z
      .string()
      .nullable()
      .meta({ description: 'Cursor of the next page; null behind the last.' }),
  })

interface Asked {
  readonly symbols?: string[] | undefined
  readonly source?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly interval?: Interval | undefined
  readonly adjustment?: Adjustment | undefined
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

async function answer(
  context: GatewayContext,
  kind: EventType,
  { query, signal, request, cut }: Omit<Ask, 'query' | 'body'> & { readonly query: Asked },
): Promise<Response> {
  const { from = FIRST_MS, to = LAST_MS, limit, source, symbols = [ANY] } = query
  if (from > to) {
    throw new TickwireError('BAD_OPTION', 'the range ends before it begins', {
      hint: 'Exchange from and to; both are inclusive.',
    })
  }
  const form = formOf(request.headers.accept)
  const question = digest([kind, symbols, source, from, to, query.interval, query.adjustment])
  const place = query.cursor === undefined ? undefined : readCursor(query.cursor, question)
  const { store, behind } = await storeOf(context, signal)
  const asked: HistoryRequest = {
    ...{ kind, symbols: symbols.flatMap(spellings), to, signal },
    // Bars that are counted off depend on where the counting begins.
    from: place && kind !== 'bar' ? Math.max(from, place.timestamp) : from,
    ...(source !== undefined && { source }),
    ...(query.interval && { interval: query.interval }),
    ...(query.adjustment && { adjustment: query.adjustment }),
  }
  const nature = new Nature()
  for (const feed of context.feeds) {
    if (source === undefined ? context.feeds.length === 1 : feed.source === source)
      nature.source(feed.capabilities)
  }
  const headers = { ...(behind > 0 && { 'tickwire-behind': `${behind}` }) }
  const batches = behindPlace(store.history(asked), place)
  if (form !== 'json' && limit === undefined && place === undefined) {
    return linesOf(form, kind, batches, nature, { headers, cut })
  }
  const most = limit ?? PAGE
  const events = await take(batches, most + 1)
  const page = events.slice(0, most)
  const next = events.length > most ? writeCursor(placeBehind(page, place), question) : undefined
  const ifNoneMatch = request.headers['if-none-match']
  const isClosed = to < context.clock.now() && behind === 0
  return pageOf(form, kind, page, { next, nature, isClosed, ifNoneMatch, headers })
}

/** A symbol as it was written, and as most are. */
export const spellings = (symbol: string) => [...new Set([symbol, symbol.toUpperCase()])]

/** @throws NO_TAPE where nothing is stored, what the store has */
export async function storeOf({ history }: GatewayContext, signal: AbortSignal) {
  if (history) return history(signal)
  throw new TickwireError('NO_TAPE', 'this gateway records and stores nothing', {
    hint: 'Run it without --no-record; the live stream is at /v1/stream and /v1/events.',
  })
}

/** Where a page ended: so many events of this very time have been in pages. */
interface Place {
  readonly timestamp: number
  readonly nanos: number
  readonly count: number
}

function placeBehind(page: readonly MarketEvent[], before: Place | undefined): Place {
  const { timestamp, nanos } = page.at(-1)!
  const isThen = (one: { timestamp: number; nanos: number }) =>
    one.timestamp === timestamp && one.nanos === nanos
  const count = page.filter(isThen).length
  return { timestamp, nanos, count: count + (before && isThen(before) ? before.count : 0) }
}

async function* behindPlace(
  batches: AsyncIterable<MarketEvent[]>,
  place: Place | undefined,
): AsyncGenerator<MarketEvent[]> {
  let left = place?.count ?? 0
  for await (const batch of batches) {
    if (!place) yield batch
    else {
      const rest = batch.filter(event => {
        const order = event.timestamp - place.timestamp || event.nanos - place.nanos
        return order > 0 || (order === 0 && left-- <= 0)
      })
      if (rest.length > 0) yield rest
    }
  }
}

async function take(batches: AsyncIterable<MarketEvent[]>, most: number): Promise<MarketEvent[]> {
  const events: MarketEvent[] = []
  for await (const batch of batches) {
    for (const event of batch) {
      events.push(event)
      if (events.length === most) return events
    }
  }
  return events
}

/** Tells questions apart. */
const digest = (question: unknown) =>
  createHash('sha256').update(JSON.stringify(question)).digest('base64url').slice(0, 10)

const writeCursor = ({ timestamp, nanos, count }: Place, question: string) =>
  Buffer.from(JSON.stringify([question, timestamp, nanos, count])).toString('base64url')

const cursorSchema = z.tuple([z.string(), z.int(), z.int().min(0), z.int().min(1)])

/** @throws BAD_POSITION */
function readCursor(text: string, question: string): Place {
  const bad = (message: string, hint: string) =>
    new TickwireError('BAD_POSITION', message, { hint })
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    value = undefined
  }
  const { data } = cursorSchema.safeParse(value)
  if (!data)
    throw bad(
      'this is no cursor',
      'Give `next` of the page before as it was, or begin without one.',
    )
  const [of, timestamp, nanos, count] = data
  if (of !== question) {
    throw bad(
      'this cursor is of another question',
      'Ask with the same parameters as for the page before.',
    )
  }
  return { timestamp, nanos, count }
}
