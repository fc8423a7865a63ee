import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { HttpClient } from '../../base/http.ts'
import { Quota } from '../../base/http-quota.ts'
import { CHANNELS } from '../../feed/channels.ts'
import type { HistoryRequest, HistorySource } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { ANY } from '../../market/topics.ts'
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

/**
 * What a gateway has stored, by its REST API: so that what it could not resume is filled in. It ends with VENUE_ERROR where an
 * answer is not what was asked for, or has no end.
 */
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
      const latest = new Map<string, number>()
      const cursors = new Set<string>()
      for (;;) {
        const { events, next } = await client.get(url.href, read, signal)
        for (const event of events) {
          mustBeMeant(event, request, latest)
          adopt(event, request.source ?? id, event.receivedAt)
        }
        if (events.length > 0) yield events
        if (next === null) return
        // A page with another one behind it is full.
        if (events.length === 0 || cursors.has(next)) throw wrong('its pages have no end')
        cursors.add(next)
        url.searchParams.set('cursor', next)
      }
    },
  }
}

/** `latest`: of each symbol the time of the last that came. */
function mustBeMeant(
  { type, symbol = '', timestamp }: MarketEvent,
  { kind, symbols, from, to }: HistoryRequest,
  latest: Map<string, number>,
): void {
  // A gateway takes any spelling, and answers with its own.
  const isMeant = symbols.some(text => text === ANY || text.toUpperCase() === symbol.toUpperCase())
  if (!isMeant || type !== kind) throw wrong(`a ${type} of ${symbol} was not asked for`)
  if (timestamp < (latest.get(symbol) ?? from) || timestamp > to)
    throw wrong(`a ${type} of ${symbol} is out of order, or outside of the time asked for`)
  latest.set(symbol, timestamp)
}

const wrong = (what: string) =>
  new TickwireError('VENUE_ERROR', `the history the gateway gives is wrong: ${what}`)

function read(body: Uint8Array): { events: MarketEvent[]; next: string | null } {
  const { data, next } = JSON.parse(new TextDecoder().decode(body))
  if (!Array.isArray(data)) throw new TickwireError('VENUE_ERROR', 'the gateway sent no page')
  return { events: data.map(eventOf), next: next ?? null }
}
