import type { Clock } from '../../base/clock.ts'
import type {
  Protocol,
  ProtocolPeer,
  SharedProtocol,
  UpgradeRequest,
} from '../../flow/contracts.ts'
import type { EventType, MarketEvent } from '../../market/events.ts'
import { type AlpacaFeed, FEED_NAMES, FEEDS } from './feeds.ts'
import { ServerBooks } from './server-books.ts'
import { Frames } from './server-frames.ts'
import { Accounts, type AlpacaAccountOptions } from './server-plan.ts'
import { type AlpacaScript, AlpacaSession } from './server-session.ts'

// The trading API is served by the same hand.
export {
  type DeskOrder,
  type Exchange,
  TradingDesk,
} from './server-trading-desk.ts'
export { updateForm } from './server-trading-forms.ts'
export { answerDesk, type DeskAnswer, type DeskQuestion } from './server-trading-routes.ts'
export { DeskStream } from './server-trading-stream.ts'

export interface AlpacaServerOptions extends AlpacaAccountOptions {
  /** Serve only this feed, at its path. @default all of Alpaca's feeds, of all markets, each at its path */
  readonly feed?: AlpacaFeed | undefined
  /** A client that lets more pile up than this is told 407 and cut, bytes. @default 8 MiB */
  readonly maxBufferBytes?: number | undefined
  /** A test's hand in the answers. @default none: the answers are the venue's */
  readonly script?: AlpacaScript | undefined
  readonly clock: Clock
}

/** Alpaca's streams, the venue's side. */
export interface AlpacaServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): AlpacaSession | { readonly status: number }
  readonly sessions: readonly AlpacaSession[]
  readonly accounts: Accounts
  /**
   * Hands events to every session of their market, which their symbol tells; clients with the same subscriptions share
   * their frames. Who subscribes to a book gets all of it first.
   */
  deliver(batch: readonly MarketEvent[]): void
}

const MAX_BUFFER_BYTES = 8 * 1_024 * 1_024

/**
 * The server side of Alpaca's streams of stocks, crypto, options and news: greeting, authentication by message or header, plans and their limits,
 * subscriptions with acknowledgements of the whole state, errors, and events in JSON or msgpack.
 * https://docs.alpaca.markets/docs/streaming-market-data
 */
export function alpacaServer(options: AlpacaServerOptions): AlpacaServer {
  const { feed, clock, maxBufferBytes = MAX_BUFFER_BYTES, script = {} } = options
  const accounts = new Accounts(options, clock)
  const frames = new Frames()
  const books = new ServerBooks()
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
      const context = {
        ...{ feed: asked, accounts, frames, books, clock, maxBufferBytes, script, gone },
      }
      const session = new AlpacaSession(request, peer, context)
      sessions.add(session)
      return session
    },
    deliver(batch) {
      books.add(batch)
      frames.share(() => {
        for (const session of [...sessions]) session.deliver(batch)
      })
    },
  }
}

/**
 * Alpaca's streams for data of any source: the same sessions, without accounts or plans. Key and secret go to the host.
 */
export function sharedAlpaca(clock: Clock): SharedProtocol {
  const frames = new Frames()
  // Whole books come from whoever has the data.
  const books = new ServerBooks()
  const feedOf = (path: string) => FEED_NAMES.find(name => FEEDS[name].path === path)
  return {
    id: 'alpaca',
    standing: STANDING,
    providersOf: path => {
      const feed = feedOf(path)
      return feed ? [FEEDS[feed].market.id] : []
    },
    accept(request, peer, host) {
      const feed = feedOf(request.path)
      if (!feed) return { status: 404 }
      const accounts = {
        identify: (key: string, secret: string) =>
          host.admit(key, secret) ? { account: key, plan: {} } : (402 as const),
        enter: () => true,
        leave() {},
      }
      const context = { feed, accounts, frames, books, clock, script: {}, gone() {} }
      return new AlpacaSession(request, peer, {
        ...context,
        maxBufferBytes: MAX_BUFFER_BYTES,
        nature: host.nature,
      })
    },
  }
}

/** What is said at once: how a symbol stands, whoever hears it twice. */
const STANDING: ReadonlySet<EventType> = new Set(['quote', 'book', 'status', 'luld'])
