/**
 * What AllTick's pushes mean, whichever way they were read.
 * https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api
 *
 * 1. `seq` and `tick_time` are numbers or text; times in seconds or milliseconds.
 * 2. A price of 0 means that there is none on that side: the stock is at its limit.
 * 3. A book is always the whole of it. Currencies and metals have prices without volumes.
 * 4. `trade_direction`: 1 the buyer, 2 the seller took; 0 nobody says.
 */
import { TickwireError } from '../../base/errors.ts'
import type { ConnectionContext, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import { Book, type Level, Quote, Ticker, Trade, type TradeId } from '../../market/events.ts'
import type { AllTickMarket } from './plans.ts'
import { symbolOf } from './symbols.ts'

/** A code the venue sends something of. */
export interface Listed {
  readonly symbol: string
  /** Bits of `KIND_BIT`. */
  mask: number
  /** That its book has no sizes has been told. */
  sizeless: boolean
}

/** Stands for all codes nobody wants anything of. */
export const NOBODY: Listed = { symbol: '', mask: 0, sizeless: false }

const { trade: TRADE_BIT, ticker: TICKER_BIT } = KIND_BIT

/** More codes than any plan has are not remembered. */
const MOST_CODES = 20_000

/** The state of one connection. */
export class Market {
  /** Rises whenever a code may have come to be wanted or not. */
  revision = 0
  // The message at hand; NaN for numbers that are not there.
  readonly numbers = new Float64Array(3)
  id: TradeId | undefined
  /** 0, 1 or 2. */
  direction = 0
  /** Levels with NaN for sizes that are not there; without those of no price. */
  bids: Level[] | undefined
  asks: Level[] | undefined
  readonly #context: ConnectionContext
  readonly #market: AllTickMarket
  readonly #listed = new Map<string, Listed>()
  #interest = Number.NaN

  constructor(context: ConnectionContext, market: AllTickMarket) {
    this.#context = context
    this.#market = market
  }

  /** To be called before each frame. */
  refresh(): void {
    const { interest } = this.#context
    if (interest.revision === this.#interest) return
    this.#interest = interest.revision
    this.revision++
    for (const [code, listed] of this.#listed) {
      listed.mask = interest.mask(listed.symbol)
      if ((listed.mask & KIND_BIT.book) === 0) listed.sizeless = false
      if (listed.mask === 0) this.#listed.delete(code)
    }
  }

  /** By code; with an empty mask when nobody wants anything of it, `undefined` when it is none. */
  listed(code: string): Listed | undefined {
    const known = this.#listed.get(code)
    if (known) return known
    const symbol = symbolOf(code, this.#market)
    if (symbol === undefined) return undefined
    const mask = this.#context.interest.mask(symbol)
    if (mask === 0 || this.#listed.size >= MOST_CODES) return NOBODY
    const listed: Listed = { symbol, mask, sizeless: false }
    this.#listed.set(code, listed)
    return listed
  }

  /** Forgets the message before. */
  begin(): void {
    const { numbers } = this
    for (let i = 0; i < numbers.length; i++) numbers[i] = Number.NaN
    this.id = undefined
    this.direction = 0
    this.bids = undefined
    this.asks = undefined
  }

  /** What is wrong with the trade at hand, where something is. */
  takeTrade(listed: Listed, receivedAt: number, inbox: Inbox): string | undefined {
    const price = this.numbers[PRICE]!
    const size = this.numbers[SIZE]!
    if (!(price > 0)) return 'no price'
    const { id, direction } = this
    this.tick(listed, this.#time(receivedAt), price, size, id, direction, receivedAt, inbox)
    return undefined
  }

  /** Tells a tick: `price` is above 0, `size` 0 or NaN where there is none, `direction` 0, 1 or 2. */
  tick(
    { symbol, mask }: Listed,
    time: number,
    price: number,
    size: number,
    id: TradeId | undefined,
    direction: number,
    receivedAt: number,
    inbox: Inbox,
  ): void {
    const { source } = this.#context
    const none = undefined
    // Without a volume it is a price somebody made, and no trade.
    if (mask & TRADE_BIT && size > 0) {
      const side = direction === 1 ? 'buy' : direction === 2 ? 'sell' : none
      inbox.event(
        new Trade(symbol, source, time, 0, receivedAt, 0, price, size, id, none, none, none, side),
      )
    }
    if (mask & TICKER_BIT) {
      inbox.event(tickerOf(symbol, source, time, receivedAt, price, size > 0 ? size : none))
    }
  }

  /** What is wrong with the book at hand, where something is. */
  takeBook(listed: Listed, receivedAt: number, inbox: Inbox): string | undefined {
    const { bids, asks } = this
    if (!bids || !asks) return 'no bids and asks'
    const { symbol, mask } = listed
    const time = this.#time(receivedAt)
    if (mask & KIND_BIT.quote) {
      inbox.event(quoteOf(symbol, this.#context.source, time, receivedAt, bids[0], asks[0]))
    }
    if ((mask & KIND_BIT.book) === 0) return undefined
    const b = withSizes(bids)
    const a = withSizes(asks)
    if (b.length + a.length === 0 && bids.length + asks.length > 0) {
      if (!listed.sizeless) inbox.control(sizeless(symbol))
      listed.sizeless = true
      return undefined
    }
    const { source } = this.#context
    const none = undefined
    inbox.event(new Book(symbol, source, time, 0, receivedAt, 0, b, a, true, none, none))
    return undefined
  }

  #time(receivedAt: number): number {
    return momentOf(this.numbers[TIME]!) ?? Math.floor(receivedAt)
  }
}

/** Places in `numbers`. */
export const [TIME, PRICE, SIZE] = [0, 1, 2] as const

/** Those of a side that have one: nearly always all of them. */
function withSizes(levels: Level[]): Level[] {
  for (let i = 0; i < levels.length; i++) {
    if (!(levels[i]![1] > 0)) return levels.filter(level => level[1] > 0)
  }
  return levels
}

/** Milliseconds of a time in seconds, milliseconds or microseconds, as its size tells. */
export function momentOf(time: number): number | undefined {
  if (!(time > 0 && time < 1e17)) return undefined
  if (time >= 1e11 && time < 1e14) return Math.floor(time)
  const ms = time < 1e11 ? time * 1_000 : time / 1_000
  return Math.floor(ms)
}

/** A number of a quote: exact, whatever its length. */
export function idOf(digits: string): TradeId | undefined {
  const number = Number(digits)
  return Number.isSafeInteger(number) && String(number) === digits ? number : digits || undefined
}

export function tickerOf(
  symbol: string,
  source: string,
  time: number,
  receivedAt: number,
  price: number,
  size: number | undefined,
): Ticker {
  const none = undefined
  return new Ticker(
    symbol,
    source,
    time,
    0,
    receivedAt,
    0,
    price,
    size,
    time,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
    none,
  )
}

export function quoteOf(
  symbol: string,
  source: string,
  time: number,
  receivedAt: number,
  bid: Level | undefined,
  ask: Level | undefined,
): Quote {
  const none = undefined
  return new Quote(
    symbol,
    source,
    time,
    0,
    receivedAt,
    0,
    bid?.[0],
    bid && bid[1] > 0 ? bid[1] : none,
    ask?.[0],
    ask && ask[1] > 0 ? ask[1] : none,
    none,
    none,
    none,
    none,
  )
}

function sizeless(symbol: string) {
  const error = new TickwireError('UNSUPPORTED', `${symbol} has prices without sizes: no book`, {
    hint: 'Ask for its quotes: the best bid and ask come without sizes there.',
  })
  const covers = (topic: { readonly kind: string; readonly symbol: string }) =>
    topic.kind === 'book' && topic.symbol === symbol
  return { type: 'refused', error, covers } as const
}
