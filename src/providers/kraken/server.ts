import type { Clock } from '../../base/clock.ts'
import type { Protocol, ProtocolPeer, UpgradeRequest } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { KrakenFloor, type KrakenPair } from './server-market.ts'
import { type KrakenScript, KrakenSession } from './server-session.ts'

export type { KrakenPair } from './server-market.ts'

export interface KrakenServerOptions {
  readonly clock: Clock
  /** Pairs that trade there. @default {@link KRAKEN_PAIRS} */
  readonly pairs?: readonly KrakenPair[] | undefined
  /** Sizes below 0.0001 are written with an exponent, as the venue does at times. @default false */
  readonly exponents?: boolean | undefined
  /** A client that says nothing for so long is let go, ms. @default 60000 */
  readonly idleMs?: number | undefined
  /** A test's hand in the answers. @default none: the answers are the venue's */
  readonly script?: KrakenScript | undefined
}

/** Kraken's public stream, the venue's side. */
export interface KrakenServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): KrakenSession | { readonly status: number }
  readonly sessions: readonly KrakenSession[]
  /** What the venue knows: pairs and books. */
  readonly floor: KrakenFloor
  /** Hands events to every session; each gets what it has subscribed to. */
  deliver(batch: readonly MarketEvent[]): void
}

/** Pairs with their documented precisions. */
export const KRAKEN_PAIRS: readonly KrakenPair[] = [
  { symbol: 'BTC/USD', pricePrecision: 1, sizePrecision: 8 },
  { symbol: 'ETH/USD', pricePrecision: 2, sizePrecision: 8 },
  { symbol: 'SOL/USD', pricePrecision: 2, sizePrecision: 8 },
  { symbol: 'MATIC/USD', pricePrecision: 4, sizePrecision: 8 },
  { symbol: 'DOGE/USD', pricePrecision: 7, sizePrecision: 8 },
]

const PATH = '/v2'
const IDLE_MS = 60_000

/**
 * The server side of Kraken's WebSocket v2: status on connect, one answer per symbol, numbers with all their digits,
 * books cut to the depth subscribed without a word, checksums, heartbeats when nothing else flows.
 * https://docs.kraken.com/api/docs/guides/spot-ws-intro
 */
export function krakenServer(options: KrakenServerOptions): KrakenServer {
  const { clock, pairs = KRAKEN_PAIRS, idleMs = IDLE_MS, script = {} } = options
  const floor = new KrakenFloor(pairs, options.exponents ?? false)
  const sessions = new Set<KrakenSession>()
  return {
    id: 'kraken',
    floor,
    get sessions() {
      return [...sessions]
    },
    accept(request, peer) {
      if (request.path.split('?', 1)[0] !== PATH) return { status: 404 }
      const gone = (session: KrakenSession) => sessions.delete(session)
      const session = new KrakenSession(peer, { floor, clock, idleMs, script, gone })
      sessions.add(session)
      return session
    },
    deliver(batch) {
      for (const event of batch) {
        floor.take(event)
        for (const session of [...sessions]) session.deliver([event])
      }
    },
  }
}
