import type { ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { asError, TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { type Door, mustBe, type Visitor } from './access.ts'
import type { Guest } from './context.ts'
import { answerVendor, readText } from './dropin-rest.ts'
import { healthRoutes } from './health.ts'
import { KEY_PATTERN } from './keys.ts'
import { type ClientCounts, Metrics } from './metrics.ts'
import { openApi } from './openapi.ts'
import { corsHeaders, preflightHeaders } from './origins.ts'
import { pageAnswer } from './page.ts'
import { isTrading } from './paper.ts'
import { answerTrading } from './paper-rest.ts'
import { refusalOf, statusOf } from './refusals.ts'
import { accountRoutes } from './rest-accounts.ts'
import { feedRoutes } from './rest-feeds.ts'
import { type ClientInfo, houseRoutes } from './rest-house.ts'
import { type LiveParts, liveRoutes } from './rest-live.ts'
import { pastRoutes } from './rest-past.ts'
import { symbolsRoute } from './rest-symbols.ts'
import { type Ask, json, type Route, readBody, readQuery } from './route.ts'
import type { GatewayInside, HttpSide } from './serve.ts'
import { type OpenStreams, streamRoute } from './sse.ts'

export interface RestOptions {
  readonly door: Door
  /** Of tickwire. */
  readonly version: string
}

/** What answers is made of. */
interface Parts extends LiveParts, RestOptions {
  readonly inside: GatewayInside
  readonly streams: OpenStreams
}

/** What answers over HTTP, with the routes it has. */
export interface Rest extends HttpSide {
  readonly routes: readonly Route[]
}

/** A body is a few words. */
const MOST_BODY = 16_384
/** Whoever has shown no key where one is wanted: may ask what needs none. */
const NOBODY: Guest = { name: 'nobody', scopes: new Set(), leave: () => {} }
const STRANGER: Visitor = { guest: undefined, key: undefined }
/** For all answers: what a browser is not to do with them. */
const SAFE = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  vary: 'origin, accept, authorization, cookie',
}

/** Makes what answers over HTTP: the routes behind the door. */
export function openRest(inside: GatewayInside, options: RestOptions): Rest {
  const { context, hub, upstream } = inside
  const { door } = options
  const gone = { delivered: 0, dropped: 0, bytesSent: 0 }
  const streams: OpenStreams = { open: new Set(), gone }
  const parts: Parts = {
    ...{ inside, context, upstream, streams },
    ...options,
    present: hub.present,
  }
  let isDraining = false
  const metrics = new Metrics(context, () => countsOf(parts))
  const routes: Route[] = [
    ...healthRoutes(context, () => (isDraining ? 'the gateway ends' : undefined)),
    metricsRoute(metrics),
    ...liveRoutes(parts),
    ...feedRoutes(context, hub.present.timeline, () => countsOf(parts)),
    symbolsRoute(parts),
    ...pastRoutes(context),
    streamRoute(parts, streams),
    ...houseRoutes(context, door, () => clientsOf(parts)),
    ...accountRoutes(context),
  ]
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.use(async (c, next) => {
    const startedAt = context.clock.now()
    await next()
    const ms = context.clock.now() - startedAt
    const { status } = c.res
    const { method, path } = c.req
    metrics.request(method, routes.some(one => one.path === path) ? path : 'other', status, ms)
    const what = { method, path: withoutKeys(path), status, ms: Math.round(ms) }
    context.log.debug(what, 'answered over HTTP')
  })
  // Before the rule on keys in addresses: some vendors' clients have no other place for them.
  app.use(async (c, next) => {
    const { incoming, outgoing } = c.env
    const url = new URL(c.req.url)
    if (isTrading(url.pathname)) {
      const ask = { request: incoming, url, signal: goneOf(outgoing) }
      return answered(c, await answerTrading(ask, inside.paper, door, context), door)
    }
    const dropin = inside.dropins.find(url.pathname, url.search)
    const ask = { request: incoming, url, signal: goneOf(outgoing) }
    const response = dropin && (await answerVendor({ ...ask, dropin }, inside, door))
    if (!response) return next()
    return answered(c, response, door)
  })
  app.use(async (c, next) => {
    door.check(c.env.incoming)
    await next()
  })
  app.options('*', c => {
    const headers = preflightHeaders(c.env.incoming, door.rules)
    return answered(c, new Response(null, { status: 204, headers }), door)
  })
  const document = openApi(routes, options.version)
  app.get('/v1/openapi.json', c => {
    door.visit(c.env.incoming)
    return answered(c, json(document), door)
  })
  for (const one of routes) {
    app[one.method](one.path, async c => answered(c, await handle(one, c, parts), door))
  }
  app.notFound(c => {
    const isGet = c.req.method === 'GET'
    const page = isGet ? pageAnswer(c.req.path, c.req.header('if-none-match')) : undefined
    return page ? answered(c, page, door) : refused(c, notFound(c, routes), parts)
  })
  app.onError((error, c) => refused(c, error, parts))
  return {
    listener: getRequestListener(app.fetch, { overrideGlobalObjects: false }),
    routes,
    close() {
      isDraining = true
      const reason = new TickwireError('CONNECTION_LOST', 'the gateway ends; come again')
      for (const stream of [...streams.open]) stream.close(reason)
    },
  }
}

type Asking = Context<{ Bindings: HttpBindings }>

async function handle(one: Route, c: Asking, { door, context }: Parts): Promise<Response> {
  const { incoming, outgoing } = c.env
  const visitor = one.isFree ? STRANGER : door.visit(incoming)
  const url = new URL(c.req.url)
  let guest = visitor.guest ?? NOBODY
  if (one.isStream) guest = door.stream(visitor, url.searchParams.get('token') ?? undefined)
  else if (one.scope) guest = mustBe(visitor.guest, one.scope)
  try {
    const ask: Ask = {
      query: readQuery(url, one.query),
      body: one.body ? readBody(await readText(incoming, MOST_BODY), one.body) : {},
      ...{ guest, visitor, request: incoming, url, signal: goneOf(outgoing) },
      cut: error => {
        const { message, stack } = asError(error)
        const what = { path: one.path, error: message }
        if (error instanceof TickwireError) context.log.warn(what, 'an answer was cut off')
        else context.log.error({ ...what, stack }, 'an answer was cut off')
        ;(outgoing as ServerResponse).destroy()
      },
    }
    return await one.handle(ask)
  } catch (error) {
    guest.leave()
    throw error
  }
}

function goneOf(outgoing: HttpBindings['outgoing']): AbortSignal {
  const gone = new AbortController()
  const response = outgoing as ServerResponse
  if (response.destroyed) gone.abort()
  else response.once('close', () => gone.abort())
  return gone.signal
}

/** An answer with what every one of them carries. */
function answered(c: Asking, response: Response, { rules }: Door): Response {
  const headers = { ...SAFE, ...corsHeaders(c.env.incoming, rules) }
  for (const [name, value] of Object.entries(headers)) {
    if (!response.headers.has(name)) response.headers.set(name, value)
  }
  return response
}

function refused(c: Asking, error: unknown, { context, door }: Parts): Response {
  if (!(error instanceof TickwireError)) {
    const what = {
      path: withoutKeys(c.req.path),
      error: asError(error).message,
      stack: asError(error).stack,
    }
    context.log.error(what, 'a request failed')
  }
  const refusal = refusalOf(error)
  const status = error instanceof TickwireError ? statusOf(error) : 500
  context.log.info(
    { path: withoutKeys(c.req.path), code: refusal.code, status },
    'a request was refused',
  )
  const response = json(
    { error: refusal },
    {
      status,
      headers: {
        ...(status === 401 && { 'www-authenticate': 'Bearer' }),
        ...(refusal.retryAfterMs !== undefined && {
          'retry-after': `${Math.max(1, Math.ceil(refusal.retryAfterMs / 1_000))}`,
        }),
      },
    },
  )
  return answered(c, response, door)
}

function notFound(c: Asking, routes: readonly Route[]): TickwireError {
  const { path, method } = c.req
  const here = routes.filter(one => one.path === path).map(one => one.method.toUpperCase())
  if (here.length > 0) {
    return new TickwireError('NOT_FOUND', `${method} is nothing for ${path}`, {
      hint: `It takes ${here.join(' and ')}.`,
    })
  }
  return new TickwireError('NOT_FOUND', `there is no ${path}`, {
    hint: `${didYouMean(
      path,
      routes.map(one => one.path),
    )}; GET /v1/openapi.json has them all.`,
  })
}

function metricsRoute(metrics: Metrics): Route {
  return {
    ...{ method: 'get', path: '/metrics', scope: 'read' },
    summary: 'Metrics, for Prometheus: docs/metrics.md',
    answer: undefined,
    forms: { 'text/plain': 'The text format of Prometheus.' },
    handle: async () =>
      new Response(await metrics.text(), {
        headers: { 'content-type': metrics.contentType, 'cache-control': 'no-store' },
      }),
  }
}

function clientsOf({ inside, streams }: Parts): ClientInfo[] {
  const sockets = inside.clients().map(({ id, name, address, protocol, since, ...more }) => ({
    ...{ id: `${id}`, name, address, protocol, since },
    ...{ subscriptions: more.subscriptions, symbols: more.symbols, bytesSent: more.bytes },
    ...{ dropped: more.counters.dropped, isSlow: more.isSlow },
  }))
  const events = [...streams.open].map(({ id, name, address, since, symbols, ...more }) => ({
    ...{ id, name, address, protocol: 'sse', since, subscriptions: 1, symbols },
    ...{ bytesSent: more.bytesSent, dropped: more.dropped, isSlow: more.isSlow },
  }))
  return [...sockets, ...events]
}

function countsOf({ inside, streams }: Parts): ClientCounts {
  const clients: Record<string, number> = { sse: streams.open.size }
  const { delivered, dropped, conflated, bytes } = inside.gone
  const sum = {
    ...{ subscriptions: 0, slow: 0, upstreamTopics: inside.upstream.size },
    ...{
      eventsSent: delivered,
      eventsDropped: dropped,
      eventsConflated: conflated,
      bytesSent: bytes,
    },
  }
  for (const { protocol, subscriptions, isSlow, counters, bytes: sent } of inside.clients()) {
    clients[protocol] = (clients[protocol] ?? 0) + 1
    sum.subscriptions += subscriptions
    if (isSlow) sum.slow++
    sum.eventsSent += counters.delivered
    sum.eventsDropped += counters.dropped
    sum.eventsConflated += counters.conflated
    sum.bytesSent += sent
  }
  for (const stream of [...streams.open, streams.gone]) {
    if ('isSlow' in stream) sum.subscriptions++
    if ('isSlow' in stream && stream.isSlow) sum.slow++
    sum.eventsSent += stream.delivered
    sum.eventsDropped += stream.dropped
    sum.bytesSent += stream.bytesSent
  }
  return { ...sum, clients }
}

/** A path may be anything somebody typed. */
const withoutKeys = (path: string) => path.replace(new RegExp(KEY_PATTERN, 'g'), '[redacted]')
