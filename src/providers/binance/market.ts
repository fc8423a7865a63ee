/**
 * What Binance's messages mean, whichever way they were read, and what has to be remembered of one connection for that.
 * https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md
 *
 * 1. `m`: the buyer was the maker, so the taker sold.
 * 2. A quote (`bookTicker`) has no time: it gets that of its receipt.
 * 3. Trades are numbered by pair without gaps: a number that is missing is a trade that is.
 * 4. Turnover over volume is what the venue itself calls the weighted average price.
 * 5. A price of 0 in a quote or ticker means that there is none.
 */

import { sleep } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { ConnectionContext, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import {
  Bar,
  Book,
  type EventType,
  type Interval,
  Quote,
  Ticker,
  Trade,
} from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { DepthBook, type DepthSnapshot, type Diff } from './depth.ts'
import { type Names, venueName } from './symbols.ts'

/** What the market asks beside the stream; absent where there is no REST. */
export interface MarketRest {
  /** Levels of a side that a snapshot holds at most. */
  readonly limit: number
  depth(symbol: string, signal: AbortSignal): Promise<DepthSnapshot>
  /** Those of the pairs that the venue does not have. */
  strangers(symbols: readonly string[], signal: AbortSignal): Promise<readonly string[]>
}

/** A pair the venue sends something of. */
export interface Pair {
  readonly symbol: string
  /** Bits of `KIND_BIT`. */
  mask: number
  /** The last number of its trades; `undefined` before the first. */
  lastTrade: number | undefined
  book: DepthBook | undefined
  /** A snapshot is being asked for. */
  asking: boolean
}

/** Numbers of a ticker, by our names. */
export interface TickerFields {
  readonly change: number
  readonly changePercent: number
  readonly vwap: number
  readonly previousClose: number
  readonly last: number
  readonly lastSize: number
  readonly bid: number
  readonly bidSize: number
  readonly ask: number
  readonly askSize: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly volume: number
}

/** First and longest wait before a snapshot is asked for once more, ms. */
const AGAIN_MS = { first: 250, most: 5_000, failed: 30_000 } as const
/** More pairs than any venue has are not remembered. */
const MOST_PAIRS = 20_000

/** Stands for all the names nobody wants anything of. */
const NOBODY: Pair = { symbol: '', mask: 0, lastTrade: undefined, book: undefined, asking: false }

/** The state of one connection. */
export class Market {
  /** Rises whenever a name may have come to stand for something else. */
  revision = 0
  readonly #context: ConnectionContext
  readonly #names: Names
  readonly #rest: MarketRest | undefined
  readonly #pairs = new Map<string, Pair>()
  #interest = Number.NaN

  constructor(context: ConnectionContext, names: Names, rest: MarketRest | undefined) {
    this.#context = context
    this.#names = names
    this.#rest = rest
  }

  /** To be called before each frame. */
  refresh(): void {
    const { interest } = this.#context
    if (interest.revision === this.#interest) return
    this.#interest = interest.revision
    this.revision++
    for (const [name, pair] of this.#pairs) {
      pair.mask = interest.mask(pair.symbol)
      if ((pair.mask & KIND_BIT.trade) === 0) pair.lastTrade = undefined
      if ((pair.mask & KIND_BIT.book) === 0) pair.book = undefined
      if (pair.mask === 0) this.#pairs.delete(name)
    }
  }

  /** The pair of a name of the venue's; with an empty mask when nobody wants anything of it. */
  pair(name: string): Pair {
    const known = this.#pairs.get(name)
    if (known) return known
    const symbol = this.#names.find(name)
    const mask = symbol === undefined ? 0 : this.#context.interest.mask(symbol)
    if (symbol === undefined || mask === 0 || this.#pairs.size >= MOST_PAIRS) return NOBODY
    const pair: Pair = { symbol, mask, lastTrade: undefined, book: undefined, asking: false }
    this.#pairs.set(name, pair)
    return pair
  }

  /** Gives a trade on; one whose number does not follow the last says so first. */
  takeTrade(
    pair: Pair,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    price: number,
    size: number,
    id: number,
    buyerMade: boolean,
    inbox: Inbox,
  ): void {
    const { symbol, lastTrade } = pair
    if (lastTrade !== undefined && id > lastTrade + 1) this.#missing(symbol, lastTrade + 1, id - 1)
    if (lastTrade === undefined || id > lastTrade) pair.lastTrade = id
    const none = undefined
    const side = buyerMade ? 'sell' : 'buy'
    const { source } = this.#context
    inbox.event(
      new Trade(
        symbol,
        source,
        timestamp,
        nanos,
        receivedAt,
        0,
        price,
        size,
        id,
        none,
        none,
        none,
        side,
      ),
    )
  }

  takeQuote(
    { symbol }: Pair,
    receivedAt: number,
    bid: number,
    bidSize: number,
    ask: number,
    askSize: number,
    inbox: Inbox,
  ): void {
    const none = undefined
    inbox.event(
      new Quote(
        symbol,
        this.#context.source,
        Math.floor(receivedAt),
        0,
        receivedAt,
        0,
        bid > 0 ? bid : none,
        bid > 0 ? bidSize : none,
        ask > 0 ? ask : none,
        ask > 0 ? askSize : none,
        none,
        none,
        none,
        none,
      ),
    )
  }

  takeTicker(
    pair: Pair,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    fields: TickerFields,
    inbox: Inbox,
  ): void {
    inbox.event(tickerOf(pair.symbol, this.#context.source, timestamp, nanos, receivedAt, fields))
  }

  takeCandle(
    { symbol }: Pair,
    timestamp: number,
    nanos: number,
    receivedAt: number,
    interval: Interval,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: number,
    turnover: number,
    trades: number,
    final: boolean,
    inbox: Inbox,
  ): void {
    const { source } = this.#context
    inbox.event(
      new Bar(
        symbol,
        source,
        timestamp,
        nanos,
        receivedAt,
        0,
        interval,
        open,
        high,
        low,
        close,
        volume,
        vwapOf(turnover, volume),
        trades,
        final,
        0,
        undefined,
      ),
    )
  }

  takeDiff(pair: Pair, receivedAt: number, diff: Diff, inbox: Inbox): void {
    if (!pair.book) this.#begin(pair)
    const book = pair.book!
    const { expected } = book
    switch (book.take(diff)) {
      case 'apply':
        inbox.event(this.#delta(pair.symbol, diff, receivedAt))
        if (book.needsRenewal(diff)) this.#renew(pair, book)
        break
      case 'gap':
        this.#broken(pair.symbol, `update ${expected} is missing: ${diff.first} came`, inbox)
    }
  }

  /** A message of its book could not be read. */
  spoilBook(pair: Pair, inbox: Inbox): void {
    if (!pair.book?.isSynced) return
    pair.book.restart()
    this.#broken(pair.symbol, 'an update could not be read', inbox)
  }

  /** The venue confirms what it does not have too; and a book that does not move would never begin. */
  confirmed(topics: readonly Topic[]): void {
    this.refresh()
    for (const { kind, symbol } of topics) {
      if (kind !== 'book') continue
      const pair = this.pair(venueName(symbol))
      if (pair !== NOBODY && !pair.book) this.#begin(pair)
    }
    void this.#check([...new Set(topics.map(({ symbol }) => symbol))])
  }

  /** Starts the book of a pair anew. */
  resync(symbol: string): void {
    this.refresh()
    const pair = this.pair(venueName(symbol))
    if (pair === NOBODY) return
    if (!pair.book) {
      this.#begin(pair)
      return
    }
    // Behind a gap what came since is kept already.
    if (pair.book.isSynced) pair.book.restart()
    if (!pair.asking) void this.#ask(pair, pair.book)
  }

  #begin(pair: Pair): void {
    pair.book = new DepthBook()
    if (!pair.asking) void this.#ask(pair, pair.book)
  }

  #renew(pair: Pair, book: DepthBook): void {
    if (pair.asking) return
    book.renew()
    void this.#ask(pair, book)
  }

  /** Asks for snapshots until one joins what came over the stream. */
  async #ask(pair: Pair, first: DepthBook): Promise<void> {
    const { clock, signal, log } = this.#context
    const rest = this.#rest
    if (!rest) return
    pair.asking = true
    let book: DepthBook | undefined = first
    let waitMs: number = AGAIN_MS.first
    while (book && !signal.aborted) {
      let pause = waitMs
      try {
        const snapshot = await rest.depth(pair.symbol, signal)
        book = this.#standing(pair)
        if (!book) break
        const whole = book.join(snapshot, rest.limit)
        if (whole) {
          const { timestamp, nanos, bids, asks, last } = whole
          const [now, { source }] = [clock.now(), this.#context]
          const time = timestamp ?? Math.floor(now)
          const event = new Book(
            ...([pair.symbol, source, time, nanos, now, 0] as const),
            ...([bids, asks, true, last, undefined] as const),
          )
          pair.asking = false
          this.#context.emit([event], now)
          return
        }
        waitMs = Math.min(waitMs * 2, AGAIN_MS.most)
      } catch (thrown) {
        if (signal.aborted) break
        const error = thrown as TickwireError
        if (error.fatal) {
          this.#refuse(pair.symbol, ['book'], error)
          break
        }
        log.warn(
          { symbol: pair.symbol, code: error.code },
          `no snapshot of a book: ${error.message}`,
        )
        pause = error.retryAfterMs ?? AGAIN_MS.failed
      }
      await sleep(clock, pause, signal)
      book = this.#standing(pair)
    }
    pair.asking = false
  }

  /** The book of a pair, while somebody wants it. */
  #standing(pair: Pair): DepthBook | undefined {
    this.refresh()
    return this.#context.signal.aborted ? undefined : pair.book
  }

  async #check(symbols: readonly string[]): Promise<void> {
    const { signal, log } = this.#context
    try {
      const strangers = (await this.#rest?.strangers(symbols, signal)) ?? []
      if (signal.aborted) return
      for (const symbol of strangers) {
        const error = new TickwireError('UNKNOWN_SYMBOL', `Binance has no pair ${symbol}`, {
          hint: 'Most pairs are against USDT or USDC, as in BTC/USDT; provider.instruments() names them all.',
        })
        this.#refuse(symbol, undefined, error)
      }
    } catch (thrown) {
      // The stream goes on without: it is only not known whether all of them are real.
      if (!signal.aborted) log.debug({ error: thrown }, 'could not ask whether the pairs are there')
    }
  }

  #refuse(symbol: string, kinds: readonly EventType[] | undefined, error: TickwireError): void {
    const covers = (topic: Topic) =>
      topic.symbol === symbol && (kinds === undefined || kinds.includes(topic.kind))
    this.#context.control({ type: 'refused', error, covers })
  }

  #delta(symbol: string, diff: Diff, receivedAt: number): Book {
    return new Book(
      symbol,
      this.#context.source,
      diff.timestamp,
      diff.nanos,
      receivedAt,
      0,
      diff.bids,
      diff.asks,
      false,
      diff.last,
      undefined,
    )
  }

  #broken(symbol: string, reason: string, inbox: Inbox): void {
    const covers = (topic: Topic) => topic.kind === 'book' && topic.symbol === symbol
    inbox.control({ type: 'broken', covers, reason })
  }

  #missing(symbol: string, from: number, to: number): void {
    const covers = (topic: Topic) => topic.kind === 'trade' && topic.symbol === symbol
    const reason = from === to ? `trade ${from} is missing` : `trades ${from} to ${to} are missing`
    this.#context.control({ type: 'broken', covers, reason })
  }
}

/** A ticker, of the stream or of REST. */
export function tickerOf(
  symbol: string,
  source: string,
  timestamp: number,
  nanos: number,
  receivedAt: number,
  fields: TickerFields,
): Ticker {
  const { bid, ask } = fields
  const none = undefined
  return new Ticker(
    symbol,
    source,
    timestamp,
    nanos,
    receivedAt,
    0,
    fields.last || none,
    fields.last > 0 ? fields.lastSize : none,
    none,
    fields.open || none,
    fields.high || none,
    fields.low || none,
    fields.previousClose || none,
    fields.change,
    fields.changePercent,
    fields.volume,
    fields.vwap || none,
    bid || none,
    ask || none,
    bid > 0 ? fields.bidSize : none,
    ask > 0 ? fields.askSize : none,
    none,
    none,
    none,
    none,
  )
}

/** The weighted average price of a candle; `undefined` when nothing has traded. */
export function vwapOf(turnover: number, volume: number): number | undefined {
  return volume > 0 && turnover > 0 ? turnover / volume : undefined
}
