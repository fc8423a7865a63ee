import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { HttpClient } from '../../base/http.ts'
import { Quota } from '../../base/http-quota.ts'
import { CHANNELS } from '../../feed/channels.ts'
import type { HistoryRequest, HistorySource } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { adopt, eventOf } from './plain.ts'

/** Events of a page. */
const PAGE = 10_000
/** What a gateway allows where nothing else is set, a minute. */
const PER_MINUTE = 6_000

export interface GatewayHistoryOptions {
  /** Of the stream. */
  readonly url: string
  readonly key: string | undefined
  /** One of the gateway's. */
  readonly source: string | undefined
  /** Name of ours where a request gives none. */
  readonly id: string
  readonly httpGet: HttpGet
  readonly clock: Clock
}

/** What a gateway has stored, by its REST API: so that what it could not resume is filled in. */
export function gatewayHistory(options: GatewayHistoryOptions): HistorySource {
  const { key, source, id, clock, httpGet } = options
  const client = new HttpClient({
    ...{ get: httpGet, clock, random: Math.random, quota: new Quota(clock, PER_MINUTE) },
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  })
  const channels = Object.fromEntries(Object.entries(CHANNELS).map(([name, kind]) => [kind, name]))
  return {
    async *history(request: HistoryRequest): AsyncGenerator<MarketEvent[]> {
      const { kind, symbols, from, to, interval, adjustment, signal } = request
      const url = new URL(`/v1/${channels[kind]}`, options.url.replace(/^ws/, 'http'))
      const asked = { from, to, limit: PAGE, source, interval, adjustment }
      url.searchParams.set('symbols', symbols.join(','))
      for (const [name, value] of Object.entries(asked)) {
        const isOfBars = name === 'interval' || name === 'adjustment'
        if (value === undefined || (isOfBars && kind !== 'bar')) continue
        url.searchParams.set(name, `${value}`)
      }
      for (;;) {
        const { events, next } = await client.get(url.href, read, signal)
        for (const event of events) adopt(event, request.source ?? id, event.receivedAt)
        if (events.length > 0) yield events
        if (next === null) return
        url.searchParams.set('cursor', next)
      }
    },
  }
}

function read(body: Uint8Array): { events: MarketEvent[]; next: string | null } {
  const { data, next } = JSON.parse(new TextDecoder().decode(body))
  if (!Array.isArray(data)) throw new TickwireError('VENUE_ERROR', 'the gateway sent no page')
  return { events: data.map(eventOf), next: next ?? null }
}
