import { z } from 'zod'
import { asError, TickwireError } from '../base/errors.ts'
import type { HealthState } from '../feed/health-report.ts'
import { EVENT_TYPES, type EventType, type Interval, type MarketEvent } from '../market/events.ts'
import { encodeEvent } from '../market/json.ts'
import { eventSchema } from '../market/schema.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { FORMS, formOf, linesOf } from './answers.ts'
import type { GatewayContext, GatewayFeed } from './context.ts'
import { wantFor } from './desk.ts'
import { Nature } from './nature.ts'
import type { Present } from './present.ts'
import { refusalOf } from './refusals.ts'
import { eventSchemaOf, interval } from './rest-past.ts'
import { type Ask, json, list, mustKnow, type Route, route } from './route.ts'
import type { Rejection, Upstream } from './upstream.ts'

/** What the live routes read. */
export interface LiveParts {
  readonly context: GatewayContext
  readonly present: Pick<Present, 'latest' | 'wholeBooks'>
  readonly upstream: Pick<Upstream, 'resolve' | 'hold' | 'release' | 'answer'>
}

/** Most symbols in one question. */
const MOST_SYMBOLS = 1_000
/** The longest a venue may take to answer, ms. */
export const VENUE_MS = 10_000

/** Kinds of which there is a latest. */
export const STATES = ['trade', 'quote', 'ticker', 'bar', 'status', 'luld', 'imbalance'] as const
const states = z
  .string()
  .transform(text => text.split(',').map(part => part.trim().toLowerCase()))
  .pipe(z.array(z.enum(STATES)))
  .optional()
  .meta({ description: `Any of ${STATES.join(', ')}, separated by commas. Default: trade, quote.` })
export const source = z
  .string()
  .min(1)
  .optional()
  .meta({ description: 'One of the sources. Default: all.' })
const nature = z
  .string()
  .nullable()
  .meta({ description: 'What the data is, where it is not live and real.' })
const levels = z.array(z.tuple([z.number(), z.number()]))

const refused = z.array(
  z.object({
    symbol: z.string(),
    kind: z.enum(EVENT_TYPES as [EventType]),
    source: z.string(),
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
  }),
)

const provider = z.object({
  source: z.string().meta({ description: 'Its name on every event.' }),
  provider: z.string(),
  title: z.string(),
  nature: z.enum(['live', 'delayed', 'simulated', 'replayed', 'test']),
  state: z.enum(['connecting', 'authenticating', 'open', 'waiting', 'closed']),
  health: z.enum(['live', 'quiet', 'stale', 'dead']),
  kinds: z.array(z.enum(EVENT_TYPES as [EventType])),
  wildcard: z.array(z.enum(EVENT_TYPES as [EventType])),
  barIntervals: z.array(z.string()),
  history: z.boolean(),
  auth: z.enum(['none', 'key']),
})

const health = z.object({
  state: z.enum(['live', 'quiet', 'stale', 'dead']),
  reason: z.string(),
  lastEventAt: z.number().optional().meta({ description: 'Epoch ms.' }),
  gapMs: z.number().optional().meta({ description: 'Learned time between events.' }),
  lag: z
    .object({
      p50: z.number(),
      p95: z.number(),
      p99: z.number(),
      max: z.number(),
      offsetMs: z.number(),
    })
    .optional()
    .meta({
      description: 'From the time of the venue to ours, ms, less what the clocks differ by.',
    }),
})

/** How things stand: sources, symbols, the latest of each, books, health. */
export function liveRoutes(parts: LiveParts): Route[] {
  const { context } = parts
  return [
    route({
      ...{ method: 'get', path: '/v1/providers', scope: 'read' },
      summary: 'The sources of this gateway, and what each can',
      answer: z.object({ data: z.array(provider) }),
      handle: () => json({ data: context.feeds.map(providerOf) }),
    }),
    route({
      ...{ method: 'get', path: '/v1/latest', scope: 'read', isData: true, forms: FORMS },
      summary: 'The latest event of each symbol and kind',
      description:
        'Of symbols nobody has asked for yet the venue is asked, which may take two seconds. CSV is of one kind.',
      query: z.object({
        symbols: list('Symbols').optional().meta({
          description: 'Separated by commas. Default: all of which something has come.',
        }),
        ...{ kinds: states, source, interval },
      }),
      answer: z.object({
        nature,
        data: z.array(eventSchema),
        missing: z.array(z.string()).meta({ description: 'Symbols of which nothing has come.' }),
        refused: refused.meta({ description: 'What a venue, or the gateway, will not give.' }),
      }),
      handle: ask => latest(parts, ask),
    }),
    route({
      ...{ method: 'get', path: '/v1/book', scope: 'read', isData: true },
      summary: 'The order book of a symbol',
      query: z.object({
        symbol: z.string().min(1),
        source,
        depth: z.coerce.number().int().min(1).optional().meta({
          description: 'Levels of a side. Default: all.',
        }),
      }),
      answer: z.object({
        nature,
        data: eventSchemaOf('book').extend({ bids: levels, asks: levels }),
      }),
      handle: ask => book(parts, ask),
    }),
    route({
      ...{ method: 'get', path: '/v1/health', scope: 'read' },
      summary: 'How the sources are, or one symbol of them',
      query: z.object({ source, symbol: z.string().min(1).optional() }),
      answer: z.object({
        state: health.shape.state.meta({ description: 'Of the source that is worst off.' }),
        sources: z.array(health.extend({ source: z.string() })),
        tape: z.object({
          id: z.string(),
          ...{ seq: z.number(), written: z.number(), isRecording: z.boolean() },
        }),
      }),
      handle: ask => healthOf(context, ask),
    }),
  ]
}

function providerOf(feed: GatewayFeed): z.input<typeof provider> {
  const { title, nature, kinds, wildcard, barIntervals, history, auth } = feed.capabilities
  return {
    ...{ source: feed.source, provider: feed.provider.id, title, nature },
    ...{ state: feed.state, health: feed.health().state },
    ...{ kinds: [...kinds], wildcard: [...wildcard], barIntervals: [...barIntervals] },
    ...{ history: history !== false, auth },
  }
}

/** A request with its query typed. */
export type Asking<Q> = Omit<Ask, 'query' | 'body'> & { readonly query: Q }

export const feedsOf = (context: GatewayContext, source: string | undefined) =>
  context.feeds.filter(feed => source === undefined || feed.source === source)

interface AskedLatest {
  readonly symbols?: string[] | undefined
  readonly kinds?: readonly (typeof STATES)[number][] | undefined
  readonly source?: string | undefined
  readonly interval?: Interval | undefined
}

async function latest(
  { context, present, upstream }: LiveParts,
  { query, signal, request, guest, cut }: Asking<AskedLatest>,
): Promise<Response> {
  const { symbols, kinds = ['trade', 'quote'], source, interval: length } = query
  mustKnow(context, source)
  const form = formOf(request.headers.accept)
  if (form === 'csv' && kinds.length > 1) {
    throw new TickwireError('BAD_OPTION', 'CSV has one kind of event in a file', {
      hint: 'Ask with kinds=trade, or another one.',
    })
  }
  mustFit(symbols ?? [], guest.maxSymbols)
  let rejected: readonly Rejection[] = []
  let missing: string[] = []
  let events: MarketEvent[]
  if (!symbols) {
    const at = { source: source ?? ANY, symbol: ANY, interval: length }
    events = kinds.flatMap(kind => present.latest({ ...at, kind }))
  } else {
    const asked = { kinds, symbols, source, interval: length }
    const resolved = upstream.resolve(asked)
    const { topics } = resolved
    const lacking = () => topics.filter(topic => present.latest(topic).length === 0)
    const come = await ofVenues(context, lacking(), signal)
    const isMissing = (topic: Topic) => !come.some(event => isOf(event, topic))
    const wanted = lacking().filter(isMissing)
    const more = await wantFor(
      upstream,
      wanted,
      () => lacking().filter(isMissing).length === 0,
      context.clock,
      signal,
    )
    events = topics.flatMap(topic => {
      const known = present.latest(topic)
      return known.length > 0 ? known : come.filter(event => isOf(event, topic))
    })
    rejected = [...resolved.rejected, ...more]
    const has = new Set(events.map(event => event.symbol))
    missing = [...new Set(topics.map(topic => topic.symbol))].filter(symbol => !has.has(symbol))
  }
  const found = new Nature()
  for (const event of events) {
    const feed = context.feeds.find(one => one.source === event.source)
    if (feed) found.source(feed.capabilities)
  }
  found.events(events)
  if (form !== 'json') return linesOf(form, kinds[0] ?? 'trade', one(events), found, { cut })
  const tail = { missing, refused: rejected.map(refusalIn) }
  const data = events.map(encodeEvent).join(',\n')
  const body = `{"nature":${JSON.stringify(found.words)},"data":[\n${data}\n],${JSON.stringify(tail).slice(1)}\n`
  return new Response(body, {
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...found.header },
  })
}

async function* one<T>(batch: T): AsyncGenerator<T> {
  yield batch
}

/** @throws QUOTA_EXCEEDED */
function mustFit(symbols: readonly string[], most = MOST_SYMBOLS): void {
  const limit = Math.min(most, MOST_SYMBOLS)
  if (symbols.length <= limit) return
  throw new TickwireError(
    'QUOTA_EXCEEDED',
    `${symbols.length} symbols at once, and ${limit} may be`,
    {
      hint: 'Ask for them in several questions.',
    },
  )
}

const isOf = (event: MarketEvent, { source, kind, symbol, interval: length }: Topic) =>
  event.type === kind &&
  event.symbol === symbol &&
  (source === ANY || event.source === source) &&
  (event.type !== 'bar' || event.interval === (length ?? '1m'))

/** What venues that can be asked have of symbols nobody has subscribed to; one that fails is as one that cannot be. */
async function ofVenues(
  { feeds, log }: GatewayContext,
  topics: readonly Topic[],
  signal: AbortSignal,
): Promise<MarketEvent[]> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(VENUE_MS)])
  const asked = feeds.flatMap(({ source: name, provider }) => {
    const own = topics.filter(topic => topic.source === name)
    const kinds = [...new Set(own.map(topic => topic.kind))]
    return provider.latest
      ? kinds.map(kind => ({ name, provider, own: own.filter(it => it.kind === kind), kind }))
      : []
  })
  const answers = await Promise.all(
    asked.map(async ({ name, provider, own, kind }) => {
      try {
        const symbols = own.map(topic => topic.symbol)
        const [first] = own
        return await provider.latest!({
          ...{ kind, symbols, source: name, signal: either },
          ...(first?.interval && { interval: first.interval }),
          refused: () => {},
        })
      } catch (error) {
        log.info({ source: name, error: asError(error).message }, 'a venue did not say the latest')
        return []
      }
    }),
  )
  return answers.flat()
}

/** A refusal in the list of an answer. */
export function refusalIn({ topic, reason }: Rejection) {
  const { code, message, hint } = refusalOf(reason)
  const { symbol, kind, source: from } = topic
  return { symbol, kind, source: from, code, message, ...(hint !== undefined && { hint }) }
}

async function book(
  { context, present, upstream }: LiveParts,
  {
    query,
    signal,
  }: Asking<{ symbol: string; source?: string | undefined; depth?: number | undefined }>,
): Promise<Response> {
  const { symbol, source, depth } = query
  mustKnow(context, source)
  const { topics, rejected } = upstream.resolve({ kinds: ['book'], symbols: [symbol], source })
  const [no] = rejected
  if (no && topics.length === 0) throw no.reason
  const find = () => topics.flatMap(topic => present.wholeBooks(topic))[0]
  const refusals = find()
    ? []
    : await wantFor(upstream, topics, () => find() !== undefined, context.clock, signal)
  const found = find()
  if (!found) {
    throw (
      refusals[0]?.reason ??
      new TickwireError('NOT_FOUND', `no book of ${symbol} has come yet`, {
        hint: 'Ask again in a moment: it has been subscribed to. /v1/health says how its source is.',
      })
    )
  }
  const nature = new Nature().events([found])
  const feed = context.feeds.find(one => one.source === found.source)
  if (feed) nature.source(feed.capabilities)
  const whole = encodeEvent(
    depth === undefined
      ? found
      : { ...found, bids: found.bids.slice(0, depth), asks: found.asks.slice(0, depth) },
  )
  return new Response(`{"nature":${JSON.stringify(nature.words)},"data":${whole}}\n`, {
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...nature.header },
  })
}

const WORST: readonly HealthState[] = ['dead', 'stale', 'quiet', 'live']

function healthOf(
  context: GatewayContext,
  {
    query: { source, symbol },
  }: Asking<{ source?: string | undefined; symbol?: string | undefined }>,
): Response {
  mustKnow(context, source)
  const { tape } = context
  const sources = feedsOf(context, source).map(feed => {
    const { state, reason, lastEventAt, gapMs, lag } = feed.health(symbol?.toUpperCase())
    return { source: feed.source, state, reason, lastEventAt, gapMs, lag }
  })
  const state = WORST.find(word => sources.some(one => one.state === word)) ?? 'dead'
  const { id } = tape
  const isRecording = context.isRecording()
  return json({
    state,
    sources,
    tape: { id, seq: tape.end.seq, written: tape.written.seq, isRecording },
  })
}
