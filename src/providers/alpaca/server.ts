import type { Clock } from '../../base/clock.ts'
import type { Protocol, ProtocolPeer, UpgradeRequest } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { type AlpacaFeed, FEED_NAMES, FEEDS } from './feeds.ts'
import { Frames } from './server-frames.ts'
import { Accounts, type AlpacaAccountOptions } from './server-plan.ts'
import { type AlpacaScript, AlpacaSession } from './server-session.ts'

export interface AlpacaServerOptions extends AlpacaAccountOptions {
  /** Serve only this feed, at its path. @default all of Alpaca's stock feeds, each at its path */
  readonly feed?: AlpacaFeed | undefined
  /** A client that lets more pile up than this is told 407 and cut, bytes. @default 8 MiB */
  readonly maxBufferBytes?: number | undefined
  /** A test's hand in the answers. @default none: the answers are the venue's */
  readonly script?: AlpacaScript | undefined
  readonly clock: Clock
}

/** Alpaca's stock stream, the venue's side. */
export interface AlpacaServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): AlpacaSession | { readonly status: number }
  readonly sessions: readonly AlpacaSession[]
  readonly accounts: Accounts
  /** Hands events to every session; clients with the same subscriptions share their frames. */
  deliver(batch: readonly MarketEvent[]): void
}

const MAX_BUFFER_BYTES = 8 * 1_024 * 1_024

/**
 * The server side of Alpaca's stock stream: greeting, authentication by message or header, plans and their limits,
 * subscriptions with acknowledgements of the whole state, errors, and events in JSON or msgpack.
 * https://docs.alpaca.markets/docs/streaming-market-data
 */
export function alpacaServer(options: AlpacaServerOptions): AlpacaServer {
  const { feed, clock, maxBufferBytes = MAX_BUFFER_BYTES, script = {} } = options
  const accounts = new Accounts(options, clock)
  const frames = new Frames()
  const sessions = new Set<AlpacaSession>()
  const gone = (session: AlpacaSession) => sessions.delete(session)
  const feeds = feed ? [feed] : FEED_NAMES
  return {
    id: 'alpaca',
    accounts,
    get sessions() {
      return [...sessions]
    },
    accept(request, peer) {
      const path = request.path.split('?', 1)[0]
      const asked = feeds.find(name => FEEDS[name].path === path)
      if (!asked) return { status: 404 }
      const context = { feed: asked, accounts, frames, clock, maxBufferBytes, script, gone }
      const session = new AlpacaSession(request, peer, context)
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
