import { z } from 'zod'
import type { GatewayContext } from './context.ts'
import { json, type Route, route } from './route.ts'

/** For supervisors and load balancers: nobody needs a key for these, and they tell nothing else. */
export function healthRoutes(
  { feeds }: GatewayContext,
  unready: () => string | undefined,
): Route[] {
  return [
    route({
      ...{ method: 'get', path: '/healthz', scope: undefined, isFree: true },
      summary: 'Whether the process lives: 200',
      answer: z.object({ status: z.literal('ok') }),
      handle: () => json({ status: 'ok' }),
    }),
    route({
      ...{ method: 'get', path: '/readyz', scope: undefined, isFree: true },
      summary: 'Whether it is to get clients: 200, or 503 with the reason',
      answer: z.object({ status: z.enum(['ready', 'unready']), reason: z.string().optional() }),
      handle: () => {
        const reason = unready() ?? whyUnready(feeds)
        if (reason !== undefined) return json({ status: 'unready', reason }, { status: 503 })
        return json({ status: 'ready' })
      },
    }),
  ]
}

/** One source that has ended leaves the others; where all have, there is nothing to be had here. */
function whyUnready(feeds: GatewayContext['feeds']): string | undefined {
  const ended = feeds.filter(feed => feed.state === 'closed')
  if (ended.length === 0 || ended.length < feeds.length) return undefined
  return `ended for good: ${ended.map(feed => feed.source).join(', ')}`
}
