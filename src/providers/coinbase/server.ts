import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { Protocol, ProtocolPeer, UpgradeRequest } from '../../flow/contracts.ts'
import type { Level, MarketEvent } from '../../market/events.ts'
import { type Change, ServerBook } from './server-book.ts'
import { type Answer, type Question, ServerRest } from './server-rest.ts'
import { type CoinbaseScript, CoinbaseSession, type FrameFault } from './server-session.ts'
import { productOf } from './symbols.ts'

export interface CoinbaseServerOptions {
  readonly clock: Clock
  /** Pairs it has, canonical. @default BTC/USD, ETH/USD and USDT/USDC */
  readonly symbols?: readonly string[]
  /** A test's hand in the answers to requests. @default none: the answers are the venue's */
  readonly script?: CoinbaseScript
}

/** Coinbase's stream and REST, the venue's side. */
export interface CoinbaseServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): CoinbaseSession | { readonly status: number }
  readonly sessions: readonly CoinbaseSession[]
  /**
   * Trades, tickers and candles: to whoever has subscribed them, and into the record REST answers from. Events of books
   * change the true book, as `change` does.
   */
  deliver(batch: readonly MarketEvent[]): void
  /** The true book of a pair. */
  book(symbol: string): ServerBook
  /** Changes a book and tells of it. */
  change(symbol: string, bids: readonly Level[], asks: readonly Level[]): void
  /** Changes a book by chance. */
  step(symbol: string, random: Random): void
  /** Spoils the next frame of data to every client. */
  spoil(fault: FrameFault): void
  /** Answers a question to REST. */
  answer(question: Question): Answer
}

/**
 * The server side of Coinbase's Advanced Trade stream: one channel a message, answers that list all that is subscribed,
 * frames numbered by connection, snapshots, heartbeats, at most 16 books, the end for who subscribes nothing; and REST.
 * https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview
 */
export function coinbaseServer(options: CoinbaseServerOptions): CoinbaseServer {
  const { clock, symbols = ['BTC/USD', 'ETH/USD', 'USDT/USDC'], script = {} } = options
  const products = new Set(symbols.map(productOf))
  const sessions = new Set<CoinbaseSession>()
  const books = new Map<string, ServerBook>()
  const book = (product: string) => {
    const found = books.get(product) ?? new ServerBook()
    books.set(product, found)
    return found
  }
  const rest = new ServerRest({ clock, products, book })
  const tell = (product: string, change: Change) => {
    for (const session of [...sessions]) session.update(product, change)
  }
  const context = {
    ...{ clock, script, products, book },
    recent: (product: string) => rest.recent(product),
    gone: (session: CoinbaseSession) => sessions.delete(session),
  }
  const change = (symbol: string, make: (book: ServerBook) => Change) => {
    const product = productOf(symbol)
    tell(product, make(book(product)))
  }
  return {
    id: 'coinbase',
    get sessions() {
      return [...sessions]
    },
    accept(_request, peer) {
      const session = new CoinbaseSession(peer, context)
      sessions.add(session)
      return session
    },
    deliver(batch) {
      rest.record(batch)
      for (const session of [...sessions]) session.deliver(batch)
      for (const event of batch) {
        if (event.type !== 'book') continue
        change(event.symbol, it => (event.snapshot ? it.turn(event) : it.change(event)))
      }
    },
    book: symbol => book(productOf(symbol)),
    change: (symbol, bids, asks) => change(symbol, it => it.change({ bids, asks })),
    step: (symbol, random) => change(symbol, it => it.step(random)),
    spoil(fault) {
      for (const session of sessions) session.spoil(fault)
    },
    answer: question => rest.answer(question),
  }
}
