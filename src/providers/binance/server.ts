import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { Protocol, ProtocolPeer, UpgradeRequest } from '../../flow/contracts.ts'
import type { Level, MarketEvent } from '../../market/events.ts'
import type { Diff } from './depth.ts'
import { type BookFault, ServerBook, SpoiledUpdates } from './server-book.ts'
import { type Answer, type Question, ServerRest } from './server-rest.ts'
import { type BinanceScript, BinanceSession } from './server-session.ts'
import { venueName } from './symbols.ts'

export interface BinanceServerOptions {
  readonly clock: Clock
  /** Pairs it has, canonical. @default BTC/USDT and ETH/USDT */
  readonly symbols?: readonly string[]
  /** A test's hand in the answers to requests. @default none: the answers are the venue's */
  readonly script?: BinanceScript
}

/** Binance's streams and REST, the venue's side. */
export interface BinanceServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): BinanceSession | { readonly status: number }
  readonly sessions: readonly BinanceSession[]
  /**
   * Trades, quotes, tickers and candles: to whoever has subscribed them, and into the record REST answers from. Events of
   * books change the true book, as `change` does.
   */
  deliver(batch: readonly MarketEvent[]): void
  /** The true book of a pair. */
  book(symbol: string): ServerBook
  /** Changes a book and sends the update, or what a fault makes of it. */
  change(symbol: string, bids: readonly Level[], asks: readonly Level[]): void
  /** Changes a book by chance. */
  step(symbol: string, random: Random): void
  /** Spoils the next update of a book on its way. */
  spoil(symbol: string, fault: BookFault): void
  /** From now on snapshots are from so many updates ago. */
  delaySnapshots(updates: number): void
  /** Answers a question to REST. */
  answer(question: Question): Answer
  /** Tells everybody that this server is about to go away. */
  shutdown(): void
}

/**
 * The server side of Binance's spot streams, raw and combined: subscriptions with numbered answers, errors, 1024 streams
 * and five messages a second, the end after 24 hours; books by numbered updates, and REST.
 * https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md
 */
export function binanceServer(options: BinanceServerOptions): BinanceServer {
  const { clock, symbols = ['BTC/USDT', 'ETH/USDT'], script = {} } = options
  const names = new Map(symbols.map(symbol => [venueName(symbol), symbol]))
  const sessions = new Set<BinanceSession>()
  const books = new Map<string, ServerBook>()
  const spoiled = new Map<string, SpoiledUpdates>()
  let late = 0
  const bookOf = (symbol: string) => {
    const book = books.get(symbol) ?? new ServerBook()
    books.set(symbol, book)
    return book
  }
  const spoiledOf = (symbol: string) => {
    const updates = spoiled.get(symbol) ?? new SpoiledUpdates()
    spoiled.set(symbol, updates)
    return updates
  }
  const rest = new ServerRest({ clock, symbols, book: bookOf, lateBy: () => late })
  const send = (symbol: string, diff: Diff) => {
    const diffs = spoiledOf(symbol).pass(diff)
    for (const session of [...sessions]) session.update(symbol, diffs)
  }
  const context = {
    ...{ clock, script },
    symbol: (name: string) => names.get(name),
    gone: (session: BinanceSession) => sessions.delete(session),
  }
  return {
    id: 'binance',
    get sessions() {
      return [...sessions]
    },
    accept(request, peer) {
      if (!/^\/(ws|stream)(\/|\?|$)/.test(request.path)) return { status: 404 }
      const session = new BinanceSession(request.path, peer, context)
      sessions.add(session)
      return session
    },
    deliver(batch) {
      rest.record(batch)
      for (const session of [...sessions]) session.deliver(batch)
      for (const event of batch) {
        if (event.type === 'book') send(event.symbol, bookOf(event.symbol).follow(event))
      }
    },
    book: bookOf,
    change: (symbol, bids, asks) =>
      send(symbol, bookOf(symbol).change(bids, asks, Math.floor(clock.now()))),
    step: (symbol, random) => send(symbol, bookOf(symbol).step(random, Math.floor(clock.now()))),
    spoil: (symbol, fault) => spoiledOf(symbol).add(fault),
    delaySnapshots(updates) {
      late = updates
    },
    answer: question => rest.answer(question),
    shutdown() {
      for (const session of [...sessions]) session.shutdown()
    },
  }
}
