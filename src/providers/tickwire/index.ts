import { type Clock, systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { type OpenSocket, openWebSocket } from '../../base/socket.ts'
import type { Capabilities, Connection, Link, Provider } from '../../feed/provider.ts'
import { EVENT_TYPES, type EventType, type Interval } from '../../market/events.ts'
import { canonicalSymbol } from '../../market/symbols.ts'
import { type ClientStatus, type GatewayClient, openClient, streamUrl } from './client.ts'
import { GatewayConnection } from './connection.ts'
import { TICKWIRE_FACTS } from './facts.ts'
import { gatewayHistory } from './history.ts'
import { DEFAULT_PORT, type Encoding } from './messages.ts'

export type { Encoding } from './messages.ts'

export interface TickwireOptions {
  /** Of the gateway: http(s) or ws(s). @default 'ws://127.0.0.1:8425' */
  readonly url?: string
  /** As `tickwire keys create` showed it. @default none */
  readonly key?: string
  /** One of the gateway's sources. @default all of them */
  readonly source?: string
  /** How messages are written. @default 'blocks' */
  readonly encoding?: Encoding
  /** Lengths of bars the gateway's venues send; any others are built here from trades. @default ['1m'] */
  readonly barIntervals?: readonly Interval[]
  /** Another way to open sockets. */
  readonly openSocket?: OpenSocket
  /** Another way to ask for what is stored there. */
  readonly httpGet?: HttpGet
  /** For the pace of such questions. @default the machine's */
  readonly clock?: Clock
}

/** What a gateway has stored, of all kinds there is something to ask for again. */
const STORED: readonly EventType[] = ['trade', 'quote', 'bar']
const KINDS = EVENT_TYPES.filter((kind): kind is Exclude<EventType, 'notice'> => kind !== 'notice')

/**
 * Another tickwire as a source: a gateway (`tickwire serve`), here or on another machine. A connection that is lost is made
 * again, and goes on behind the last event; meanwhile the feed is `stale`, with the reason. Events carry the name of
 * this source, and all their marks. What it cannot resume is filled in from what the gateway has stored.
 * @throws BAD_OPTION for a URL that cannot be
 */
export function tickwire(options: TickwireOptions = {}): Provider {
  const { key, source, encoding = 'blocks', barIntervals = ['1m'] } = options
  const url = streamUrl(options.url ?? `ws://127.0.0.1:${DEFAULT_PORT}`)
  const openSocket = options.openSocket ?? openWebSocket
  const { httpGet = openHttp(), clock = systemClock() } = options
  const past = gatewayHistory({ url, key, source, id: 'tickwire', httpGet, clock })
  let greeted: GatewayClient | undefined
  const capabilities: Capabilities = {
    title: `tickwire at ${new URL(url).host}`,
    ...{ kinds: KINDS, barIntervals, wildcard: KINDS },
    /** What the gateway said it has; before it is reached nothing of it is shown. */
    get nature() {
      const sources = greeted?.hello?.sources ?? []
      const own = source === undefined ? sources : sources.filter(it => it.source === source)
      return worst(own.map(({ nature }) => nature))
    },
    auth: key === undefined ? 'none' : 'key',
    limits: {},
    history: STORED,
    facts: TICKWIRE_FACTS,
    silenceHint:
      'Its sources may be closed or quiet: `tickwire providers`, or GET /v1/health there.',
  }
  return {
    id: 'tickwire',
    capabilities,
    symbol: canonicalSymbol,
    history: request => past.history(request),
    async connect(link): Promise<Connection> {
      const client = openClient({
        ...{ url, encoding, openSocket, clock: link.clock },
        ...(key !== undefined && { key }),
      })
      await reached(client, link)
      greeted = client
      const connection = new GatewayConnection(client, link, source)
      link.opened()
      connection.subscribe(link.topics)
      return connection
    },
  }
}

/** Resolves with the greeting; what fails before it is the feed's to try again. @throws why it was not reached */
async function reached(client: GatewayClient, link: Link): Promise<void> {
  let unwatch = () => {}
  const giveUp = () => client.close()
  link.signal.addEventListener('abort', giveUp)
  const failed = new Promise<never>((_, reject) => {
    unwatch = client.watch(({ state, reason }: ClientStatus) => {
      if (state === 'waiting' && reason) reject(reason)
    })
  })
  // The one that settles second is of no interest.
  client.done.catch(() => {})
  try {
    await Promise.race([client.ready, failed])
    if (link.signal.aborted) throw new TickwireError('CLOSED', 'no longer wanted')
  } catch (error) {
    client.close()
    throw error
  } finally {
    unwatch()
    link.signal.removeEventListener('abort', giveUp)
  }
}

/** What must be said of all, where any is not live and real. */
function worst(natures: readonly string[]): Capabilities['nature'] {
  for (const nature of ['simulated', 'replayed', 'test', 'delayed'] as const) {
    if (natures.includes(nature)) return nature
  }
  return 'live'
}
