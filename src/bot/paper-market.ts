import { PRICES, saleRule } from '../derive/sale-conditions.ts'
import { Flag, type Quote, type Side, type Trade } from '../market/events.ts'

/** What did not happen when it came: it says what was, and nobody could have traded on it. */
const PAST = Flag.repaired | Flag.late

/** What is known of the market in one symbol at a moment of the tape. */
export interface MarketView {
  bid: number | undefined
  bidSize: number | undefined
  ask: number | undefined
  askSize: number | undefined
  /** Last price that counts as one. */
  last: number | undefined
  /** What stood in the last quote and has been taken since by orders here. */
  takenBid: number
  takenAsk: number
  /** Whether there are quotes, or trades: by what orders are filled. */
  hasQuotes: boolean
  hasTrades: boolean
  /** The venue has stopped trading in it. */
  isHalted: boolean
  /** Who told of it last: some have hours of their own. */
  source: string | undefined
}

export const newView = (): MarketView => ({
  ...{ bid: undefined, bidSize: undefined, ask: undefined, askSize: undefined, last: undefined },
  ...{ takenBid: 0, takenAsk: 0, hasQuotes: false, hasTrades: false },
  ...{ isHalted: false, source: undefined },
})

/** Whether it happened when it came. */
export const isNow = ({ flags }: { readonly flags: number }): boolean => (flags & PAST) === 0

/** Whether a trade gives a price: by its sale conditions, and not one that is told late. */
export const givesPrice = (trade: Trade): boolean =>
  isNow(trade) && (saleRule(trade.conditions, trade.tape) & PRICES) !== 0

/** Takes a quote, or the best of a book. */
export function seeQuote(
  view: MarketView,
  { bid, bidSize, ask, askSize }: Pick<Quote, 'bid' | 'bidSize' | 'ask' | 'askSize'>,
): void {
  view.bid = bid
  view.bidSize = bidSize
  view.ask = ask
  view.askSize = askSize
  view.takenBid = 0
  view.takenAsk = 0
  view.hasQuotes = true
}

/** The price an order of a side is filled at at once, and what of it is still to be had; `undefined` when nobody is there. */
export function oppositeOf(
  view: MarketView,
  side: Side,
  share: number,
): { readonly price: number; readonly size: number } | undefined {
  const [price, size, taken] =
    side === 'buy'
      ? [view.ask, view.askSize, view.takenAsk]
      : [view.bid, view.bidSize, view.takenBid]
  // Some venues write 0 where nobody is.
  if (price === undefined || price === 0) return undefined
  return { price, size: Math.max(0, (size ?? Number.POSITIVE_INFINITY) * share - taken) }
}
