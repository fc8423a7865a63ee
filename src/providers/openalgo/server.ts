import type { Clock } from '../../base/clock.ts'
import type {
  Protocol,
  ProtocolPeer,
  SharedProtocol,
  UpgradeRequest,
} from '../../flow/contracts.ts'
import type { EventType, MarketEvent } from '../../market/events.ts'
import { type Mode, richest } from './modes.ts'
import { OpenAlgoFloor } from './server-floor.ts'
import { dataOf, type ServerBroker } from './server-frames.ts'
import { type Answer, answerRest, type Question } from './server-rest.ts'
import { type Entry, type OpenAlgoScript, OpenAlgoSession } from './server-session.ts'
import { SharedOpenAlgoSession } from './server-shared.ts'
import { openAlgoRest } from './server-shared-rest.ts'
import { isExchange, symbolOf } from './symbols.ts'

export interface OpenAlgoServerOptions {
  readonly clock: Clock
  /** User by API key. @default any key will do */
  readonly users?: Readonly<Record<string, string>> | undefined
  /** Whose fields and units the data has. @default 'angel' */
  readonly broker?: ServerBroker | undefined
  /** Symbols there are, canonical. @default any of its exchanges */
  readonly symbols?: readonly string[] | undefined
  /** Symbols a user may have. @default 3000 */
  readonly capacity?: number | undefined
  /** What the broker has. @default all */
  readonly features?: Partial<Readonly<Record<Mode, boolean>>> | undefined
  /** Levels a side of a book. @default 5 */
  readonly levels?: number | undefined
  /** A client that has not authenticated by then is closed with 4401, ms. @default 15000 */
  readonly authTimeoutMs?: number | undefined
  /** How long an authentication takes, ms. @default 0 */
  readonly authDelayMs?: number | undefined
  /** A test's hand in the answers. @default none: the answers are the server's */
  readonly script?: OpenAlgoScript | undefined
}

/** OpenAlgo, the server's side: its WebSocket proxy and its REST API, with a broker behind it. */
export interface OpenAlgoServer extends Protocol {
  accept(request: UpgradeRequest, peer: ProtocolPeer): OpenAlgoSession
  readonly sessions: readonly OpenAlgoSession[]
  /**
   * Tickers, quotes, books and trades: the broker sends a tick of the richest mode anybody has of the symbol. Bars go into
   * the record REST answers from.
   */
  deliver(batch: readonly MarketEvent[]): void
  /** Answers a question to REST. */
  answer(question: Question): Answer
  /** The broker's login is over, in these words; `undefined` makes it good again. */
  logOut(message: string | undefined): void
}

/**
 * The server side of OpenAlgo's unified WebSocket: authentication within 15 s, acks symbol by symbol, one tick per client
 * under its richest mode, errors without a type. https://github.com/marketcalls/openalgo
 */
export function openAlgoServer(options: OpenAlgoServerOptions): OpenAlgoServer {
  const { clock, users, broker = 'angel', symbols, capacity = 3_000, levels = 5 } = options
  const { authTimeoutMs = 15_000, authDelayMs = 0, script = {} } = options
  const floor = new OpenAlgoFloor()
  const sessions = new Set<OpenAlgoSession>()
  const known = symbols && new Set(symbols)
  let loggedOut: string | undefined
  const knows = (symbol: string) => known?.has(symbol) ?? true
  const lacks = ({ symbol, exchange }: Entry) =>
    isExchange(exchange) && knows(symbolOf({ symbol, exchange }))
      ? undefined
      : `Symbol ${symbol} not found for exchange ${exchange}`
  const user = (key: string) =>
    users ? (Object.hasOwn(users, key) ? users[key] : undefined) : 'demo'
  const context = {
    ...{ clock, broker, levels, authTimeoutMs, authDelayMs, script, user, lacks },
    features: { ltp: true, quote: true, depth: true, ...options.features },
    loggedOut: () => loggedOut,
    full: (who: string, symbol: string) => {
      const carried = new Set<string>()
      for (const session of sessions) {
        if (session.user === who) for (const one of session.symbols) carried.add(one)
      }
      const { size } = carried
      if (carried.has(symbol) || size < capacity) return undefined
      return `Maximum capacity reached: 1 connections × ${capacity} symbols = ${capacity} symbols. Currently subscribed to ${size} symbols.`
    },
    gone: (session: OpenAlgoSession) => void sessions.delete(session),
    richest: (symbol: string) =>
      richest([...sessions].flatMap(session => session.mode(symbol) ?? [])),
    data: (symbol: string, mode: Mode) =>
      dataOf(broker, symbol, mode, floor.of(symbol), levels, clock.now()),
  }
  return {
    id: 'openalgo',
    get sessions() {
      return [...sessions]
    },
    accept(_request, peer) {
      const session = new OpenAlgoSession(peer, context)
      sessions.add(session)
      return session
    },
    deliver(batch) {
      for (const event of batch) {
        floor.take(event)
        for (const session of [...sessions]) session.deliver([event])
      }
    },
    answer: question => answerRest({ ...context, knows, floor, symbols }, question),
    logOut: message => {
      loggedOut = message
    },
  }
}

/**
 * OpenAlgo's WebSocket, at any path, and its REST side, for data of any source: the same session without a broker. The key
 * goes to the host.
 */
export function sharedOpenAlgo(clock: Clock): SharedProtocol {
  return {
    id: 'openalgo',
    standing: STANDING,
    providersOf: () => ['openalgo'],
    accept: (_request, peer, host) => new SharedOpenAlgoSession(peer, host, clock),
    rest: openAlgoRest,
  }
}

/** Its messages say how a symbol stands, whatever has happened. */
const STANDING: ReadonlySet<EventType> = new Set(['trade', 'ticker', 'quote', 'book'])
