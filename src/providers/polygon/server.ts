import type { Clock } from '../../base/clock.ts'
import type {
  Protocol,
  ProtocolPeer,
  SharedProtocol,
  UpgradeRequest,
} from '../../flow/contracts.ts'
import type { EventType, MarketEvent } from '../../market/events.ts'
import { MARKET_NAMES, MARKETS, type PolygonMarket } from './markets.ts'
import { Frames } from './server-frames.ts'
import { Accounts, type PolygonAccountOptions } from './server-plan.ts'
import { type PolygonScript, PolygonSession } from './server-session.ts'
import { marketOfQuestion, polygonRest } from './server-shared.ts'

export interface PolygonServerOptions extends PolygonAccountOptions {
  /** Serve only this cluster. @default all of them, each at its path */
  readonly market?: PolygonMarket | undefined
  /** A client that lets more pile up than this is cut, bytes: the venue says nothing of it. @default 8 MiB */
  readonly maxBufferBytes?: number | undefined
  /** A test's hand in the answers. @default none: the answers are the venue's */
  readonly script?: PolygonScript | undefined
  readonly clock: Clock
}

/** Polygon's clusters, the venue's side. */
export interface PolygonServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): PolygonSession | { readonly status: number }
  readonly sessions: readonly PolygonSession[]
  readonly accounts: Accounts
  /** Hands events to every session; clients with the same subscriptions share their frames. */
  deliver(batch: readonly MarketEvent[]): void
}

const MAX_BUFFER_BYTES = 8 * 1_024 * 1_024

/**
 * The server side of Polygon's stream: the greeting, authentication by message, plans and their limits, a status for each
 * pair subscribed to, and events in arrays. A path before that of the cluster is passed over, as clients keep one.
 * https://massive.com/docs/websocket/quickstart
 */
export function polygonServer(options: PolygonServerOptions): PolygonServer {
  const { market, clock, maxBufferBytes = MAX_BUFFER_BYTES, script = {} } = options
  const accounts = new Accounts(options)
  const frames = new Frames()
  const sessions = new Set<PolygonSession>()
  const gone = (session: PolygonSession) => sessions.delete(session)
  const served = market ? [market] : MARKET_NAMES
  return {
    id: 'polygon',
    accounts,
    get sessions() {
      return [...sessions]
    },
    accept({ path }, peer) {
      const cluster = path.split('?', 1)[0]!.split('/').at(-1)
      const asked = served.find(name => name === cluster)
      if (!asked) return { status: 404 }
      const context = { accounts, frames, clock, maxBufferBytes, script, gone }
      const session = new PolygonSession(MARKETS[asked], peer, context)
      sessions.add(session)
      return session
    },
    deliver(batch) {
      frames.share(() => {
        for (const session of [...sessions]) session.deliver(batch)
      })
    },
  }
}

/** Polygon's clusters for data of any source: the same sessions, without accounts or plans. The key goes to the host. */
export function sharedPolygon(clock: Clock): SharedProtocol {
  const frames = new Frames()
  const marketOf = (path: string) => MARKET_NAMES.find(name => `/${name}` === path)
  return {
    id: 'polygon',
    standing: STANDING,
    providersOf: path => {
      const market = marketOf(path) ?? marketOfQuestion(path)
      return market ? [MARKETS[market].id] : []
    },
    accept({ path }, peer, host) {
      const market = marketOf(path)
      if (!market) return { status: 404 }
      const accounts = {
        plan: (key: string) => (host.admit(key) ? {} : undefined),
        enter: () => [],
        leave() {},
      }
      const context = { accounts, frames, clock, script: {}, gone() {} }
      return new PolygonSession(MARKETS[market], peer, {
        ...context,
        maxBufferBytes: MAX_BUFFER_BYTES,
        nature: host.nature,
      })
    },
    rest: polygonRest,
  }
}

/** What is said at once: how a symbol stands, whoever hears it twice. */
const STANDING: ReadonlySet<EventType> = new Set(['quote', 'luld', 'ticker'])
