import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { ANY } from '../market/topics.ts'
import { type Asking, feedsOf, type LiveParts, STATES, source, VENUE_MS } from './rest-live.ts'
import { json, mustKnow, type Route, route } from './route.ts'

/** Symbols in a page, unless asked otherwise. */
const PAGE = 1_000

/** Which symbols there are. */
export function symbolsRoute(parts: LiveParts): Route {
  return route({
    ...{ method: 'get', path: '/v1/symbols', scope: 'read' },
    summary: 'Symbols, in alphabetical order',
    description:
      'With `search`, what the venues list under a name or a part of one; else those of which something has come, and all of a source that knows them.',
    query: z.object({
      source,
      search: z.string().min(1).optional(),
      limit: z.coerce.number().int().min(1).max(10_000).optional(),
      cursor: z.string().optional().meta({ description: '`next` of the page before.' }),
    }),
    answer: z.object({
      data: z.array(
        z.object({ source: z.string(), symbol: z.string(), name: z.string().optional() }),
      ),
      next: z.string().nullable(),
    }),
    handle: ask => symbols(parts, ask),
  })
}

interface AskedSymbols {
  readonly source?: string | undefined
  readonly search?: string | undefined
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

async function symbols(
  { context, present }: LiveParts,
  { query, signal }: Asking<AskedSymbols>,
): Promise<Response> {
  const { source, search, limit = PAGE, cursor } = query
  mustKnow(context, source)
  const found = new Map<string, { source: string; symbol: string; name?: string }>()
  const add = (of: string, symbol: string, name?: string) => {
    const key = `${symbol} ${of}`
    if (!found.has(key)) found.set(key, { source: of, symbol, ...(name && { name }) })
  }
  const feeds = feedsOf(context, source)
  if (search !== undefined) {
    const able = feeds.filter(feed => feed.provider.instruments)
    if (able.length === 0) {
      throw new TickwireError('UNSUPPORTED', 'no source here has a list of what trades there', {
        hint: 'Ask for the symbol itself: /v1/latest?symbols=…',
      })
    }
    const either = AbortSignal.any([signal, AbortSignal.timeout(VENUE_MS)])
    const wanted = bare(search)
    for (const feed of able) {
      for (const { symbol, name } of await feed.provider.instruments!(either, search)) {
        if (bare(`${symbol} ${name ?? ''}`).includes(wanted)) add(feed.source, symbol, name)
      }
    }
  } else {
    for (const feed of feeds)
      for (const symbol of feed.capabilities.symbols ?? []) add(feed.source, symbol)
    for (const kind of STATES) {
      for (const event of present.latest({ source: source ?? ANY, kind, symbol: ANY })) {
        if (event.symbol !== undefined) add(event.source, event.symbol)
      }
    }
  }
  const after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString()
  const all = [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .filter(([key]) => after === undefined || key > after)
  const page = all.slice(0, limit)
  const next = all.length > limit ? Buffer.from(page.at(-1)![0]).toString('base64url') : null
  return json({ data: page.map(([, one]) => one), next })
}

const bare = (text: string) => text.toUpperCase().replace(/[^\p{L}\p{N}]/gu, '')
