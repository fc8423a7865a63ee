import { seededRandom } from '../base/random.ts'
import { Books } from '../derive/books.ts'
import type { SessionName } from '../market/calendar.ts'
import { calendarOf } from '../market/calendar-book.ts'
import type { Bar, MarketEvent, Side, Trade } from '../market/events.ts'
import type { Broker, BrokerListener } from './broker.ts'
import { type Fill, leftOf, type Order, type OrderStatus, tidy } from './orders.ts'
import { feeOf, type PaperOptions, slipped } from './paper-costs.ts'
import {
  givesPrice,
  isNow,
  type MarketView,
  newView,
  oppositeOf,
  seeQuote,
} from './paper-market.ts'
import { haltOf } from './quality.ts'
import type { ApprovedOrder } from './risk.ts'

/** An order on its way, or in the market. */
interface Working {
  readonly order: Order
  left: number
  /** `sent` on its way · `stop` waits for its price · `taking` takes what there is · `resting` stands in the book. */
  state: 'sent' | 'stop' | 'taking' | 'resting'
  /** Tape time at which it reaches the market. */
  readonly arrivesAt: number
  /** Tape time at which it is canceled, or expires. */
  cancelsAt: number
  ending: string
  /** What stood before it at its price when it came; `undefined` until that is known. */
  ahead: number | undefined
  /** Its first fill bears the fee of the order. */
  isCharged: boolean
}

/** All there is of a paper broker, as plain data. */
export interface PaperSnapshot {
  readonly draws: number
  readonly fills: number
  readonly now: number
  readonly orders: readonly (Omit<Working, 'cancelsAt'> & { readonly cancelsAt: number | null })[]
  readonly views: readonly (readonly [symbol: string, view: MarketView])[]
}

const NEVER = Number.POSITIVE_INFINITY
/** In these a quote that is remembered still stands; in others it is of hours ago. */
const TRADING: readonly SessionName[] = ['pre', 'regular', 'post']

/**
 * A broker without money: orders meet the market that the bot sees, after a while on their way, in tape time. What a
 * market order or a stop takes is what the best quote shows, again with each quote until it is whole; a limit order that
 * stands in the book waits for what stood before it at its price, and is filled by what trades there. Without quotes
 * trades fill, without trades bars: at the open of the next one. Nothing is filled while the venue has halted a symbol, and
 * what comes while its market is closed waits for the first price behind that. Same events, same seed: same fills.
 */
export class PaperBroker implements Broker {
  readonly #options: Required<PaperOptions>
  readonly #listener: BrokerListener
  readonly #views = new Map<string, MarketView>()
  /** As they stand behind the last event taken: for the strategy, too. */
  readonly books = new Books()
  /** In order of submission: who came first is filled first. */
  #working: Working[] = []
  /** Symbols of which there are orders. */
  #symbols: ReadonlySet<string> = new Set()
  #next = NEVER
  #now = Number.NEGATIVE_INFINITY
  #draws = 0
  #fills = 0

  constructor(listener: BrokerListener, options: PaperOptions = {}) {
    this.#listener = listener
    this.#options = { fees: {}, slippageBps: 0, latencyMs: 50, share: 1, seed: 1, ...options }
  }

  submit({ order }: ApprovedOrder): void {
    const arrivesAt = Math.max(order.createdAt, this.#now) + this.#latency()
    const dayEnd = order.timeInForce === 'day' ? this.#endOfDay(order.symbol, arrivesAt) : NEVER
    this.#working.push({
      ...{ order, left: leftOf(order), state: 'sent', arrivesAt, cancelsAt: dayEnd },
      ...{ ending: 'the session ended', ahead: undefined, isCharged: false },
    })
    this.#changed()
  }

  cancel(id: string): void {
    const one = this.#working.find(({ order }) => order.id === id)
    if (!one) return
    const at = this.#now + this.#latency()
    if (at >= one.cancelsAt) return
    one.cancelsAt = at
    one.ending = 'canceled'
    this.#changed()
  }

  /** The next tape time at which something happens by itself; `Infinity` for none. */
  get nextAt(): number {
    return this.#next
  }

  /** The tape has come so far: what is due by then happens, before whatever comes next. */
  advance(now: number): void {
    while (this.#next <= now) {
      const at = this.#next
      this.#now = Math.max(this.#now, at)
      const due = this.#working.filter(one => dueAt(one) <= at)
      for (const one of due) {
        if (one.cancelsAt <= at) this.#end(one, one.ending === 'canceled' ? 'canceled' : 'expired')
        else this.#arrive(one)
      }
      this.#changed()
    }
    if (now > this.#now) this.#now = now
  }

  /** Takes what the bot sees, in order; `advance` to its time first. */
  accept(event: MarketEvent): void {
    if (event.type === 'notice') {
      this.books.accept(event)
      return
    }
    if (event.symbol === undefined) return
    const view = this.#view(event.symbol, event.source)
    switch (event.type) {
      case 'quote':
        if (isNow(event)) this.#quoted(view, event.symbol, event)
        break
      case 'trade':
        this.#traded(event, view)
        break
      case 'book': {
        const book = this.books.apply(event)
        // Of one that is not whole the best that is known need not be the best.
        const [bid, ask] = book.synced ? [book.bestBid, book.bestAsk] : []
        const best = { bid: bid?.[0], bidSize: bid?.[1], ask: ask?.[0], askSize: ask?.[1] }
        this.#quoted(view, event.symbol, best)
        break
      }
      case 'ticker': {
        if (event.last !== undefined && !view.hasTrades) view.last = event.last
        if (event.bid !== undefined && event.ask !== undefined) {
          this.#quoted(view, event.symbol, event)
        }
        break
      }
      case 'bar':
        this.#barred(event, view)
        break
      case 'status':
        view.isHalted = haltOf(event) ?? view.isHalted
        break
    }
  }

  /** Last price of a symbol that is known here. */
  price(symbol: string): number | undefined {
    const view = this.#views.get(symbol)
    if (!view) return undefined
    if (view.last !== undefined) return view.last
    return view.bid !== undefined && view.ask !== undefined ? (view.bid + view.ask) / 2 : undefined
  }

  snapshot(): PaperSnapshot {
    return {
      ...{ draws: this.#draws, fills: this.#fills, now: this.#now },
      orders: this.#working.map(one => ({
        ...one,
        cancelsAt: one.cancelsAt === NEVER ? null : one.cancelsAt,
      })),
      views: [...this.#views].map(([symbol, view]) => [symbol, { ...view }] as const),
    }
  }

  restore({ draws, fills, now, orders, views }: PaperSnapshot): void {
    this.#draws = draws
    this.#fills = fills
    this.#now = now
    this.#working = orders.map(one => ({ ...one, cancelsAt: one.cancelsAt ?? NEVER }))
    this.#views.clear()
    for (const [symbol, view] of views) this.#views.set(symbol, { ...view })
    this.#changed()
  }

  /** What an order of a side would be filled at now; `undefined` where that is not known. */
  offer(symbol: string, side: Side): number | undefined {
    const view = this.#views.get(symbol)
    return view && oppositeOf(view, side, 1)?.price
  }

  #view(symbol: string, source?: string): MarketView {
    let view = this.#views.get(symbol)
    if (!view) this.#views.set(symbol, (view = newView()))
    if (source !== undefined) view.source = source
    return view
  }

  #of(symbol: string): readonly Working[] {
    return this.#working.filter(({ order, state }) => order.symbol === symbol && state !== 'sent')
  }

  #quoted(view: MarketView, symbol: string, quote: Parameters<typeof seeQuote>[1]): void {
    seeQuote(view, quote)
    if (!this.#symbols.has(symbol) || view.isHalted) return
    for (const one of this.#of(symbol)) {
      if (one.state === 'taking') this.#take(one, view)
      else if (one.state === 'resting') this.#rest(one, view)
      else if (!view.hasTrades)
        this.#trigger(one, quote[one.order.side === 'buy' ? 'ask' : 'bid'], view)
    }
  }

  #traded(trade: Trade, view: MarketView): void {
    if (!givesPrice(trade)) return
    const { symbol, price, size } = trade
    view.last = price
    view.hasTrades = true
    if (!this.#symbols.has(symbol) || view.isHalted) return
    const { slippageBps, share } = this.#options
    /** Had of this trade by orders here: no two have the same of it. */
    let had = 0
    // What trades fills only those that stood there before: who is triggered by it comes behind.
    for (const one of this.#of(symbol)) {
      const { order } = one
      if (one.state === 'stop') this.#trigger(one, price, view)
      else if (one.state === 'resting') had += this.#reach(one, price, size, had, view)
      else if (view.hasQuotes) continue
      else if (!meets(one, price)) one.state = 'resting'
      else {
        const at = order.limitPrice === undefined ? slipped(order, price, slippageBps) : price
        had += this.#fill(one, at, size * share - had, 'taker')
      }
    }
  }

  /**
   * Bars fill where there is nothing finer. What was sent before one began is filled at its open, or where its range reached;
   * what was sent while it ran at its close: of the rest of it nobody knows on which side of the order it was.
   */
  #barred(bar: Bar, view: MarketView): void {
    if (!bar.final || bar.revision > 0 || view.hasTrades || view.hasQuotes) return
    view.last = bar.close
    if (!this.#symbols.has(bar.symbol) || view.isHalted) return
    const { slippageBps, share } = this.#options
    let had = 0
    for (const one of this.#of(bar.symbol)) {
      const { order } = one
      const isWhole = order.createdAt <= bar.timestamp
      const { close } = bar
      const { open, high, low } = isWhole ? bar : { open: close, high: close, low: close }
      const { limitPrice, stopPrice } = order
      const isBuy = order.side === 'buy'
      const room = bar.volume * share - had
      let at = open
      if (one.state === 'stop') {
        if (isBuy ? high < stopPrice! : low > stopPrice!) continue
        at = isBuy ? Math.max(open, stopPrice!) : Math.min(open, stopPrice!)
        one.state = 'taking'
      }
      if (limitPrice === undefined) {
        had += this.#fill(one, slipped(order, at, slippageBps), room, 'taker')
      } else if (meets(one, at)) had += this.#fill(one, at, room, 'taker')
      // Behind the range, not at its edge: nobody knows how many stood there before.
      else if (isBuy ? low < limitPrice : high > limitPrice) {
        had += this.#fill(one, limitPrice, room, 'maker')
      }
    }
  }

  /** It has reached the market. */
  #arrive(one: Working): void {
    const { order } = one
    this.#tell(order.id, 'open')
    const view = this.#view(order.symbol)
    if (order.stopPrice !== undefined) {
      one.state = 'stop'
      // It may have traded there while the order was on its way.
      this.#trigger(one, view.last, view)
    } else this.#enter(one, view)
  }

  #trigger(one: Working, price: number | undefined, view: MarketView): void {
    const { side, stopPrice } = one.order
    if (price === undefined) return
    if (side === 'buy' ? price < stopPrice! : price > stopPrice!) return
    this.#enter(one, view)
  }

  /** Takes what it can; what is left of a limit order stands in the book. */
  #enter(one: Working, view: MarketView): void {
    const { limitPrice, timeInForce } = one.order
    one.state = 'taking'
    const there = this.#isTrading(one.order.symbol, view) ? this.#there(one, view) : undefined
    if (timeInForce === 'fok' && !(there && there.size >= one.left)) {
      this.#end(one, 'canceled', 'it could not be filled whole at once')
      return
    }
    if (there) this.#take(one, view)
    if (one.left === 0) return
    if (timeInForce === 'ioc') this.#end(one, 'canceled', 'the rest could not be filled at once')
    else if (limitPrice !== undefined) {
      // Where nobody quotes, whom the last price would suit takes the next trade.
      const takesTrades = !view.hasQuotes && view.last !== undefined && meets(one, view.last)
      if (takesTrades) return
      one.state = 'resting'
      this.#queue(one, view)
    }
  }

  /** Whether what is remembered of the market is still there to be had. */
  #isTrading(symbol: string, { isHalted, source }: MarketView): boolean {
    if (isHalted) return false
    const session = calendarOf(symbol, source)?.sessionAt(this.#now)
    return session === undefined || TRADING.includes(session.name)
  }

  /** What stands on the other side, where it is at no worse than its limit. */
  #there(one: Working, view: MarketView) {
    const there = oppositeOf(view, one.order.side, this.#options.share)
    return there && meets(one, there.price) ? there : undefined
  }

  #take(one: Working, view: MarketView): void {
    const there = this.#there(one, view)
    if (!there) return
    const { order } = one
    const { slippageBps } = this.#options
    const isAtMarket = order.limitPrice === undefined
    const price = isAtMarket ? slipped(order, there.price, slippageBps) : there.price
    taken(view, order.side, this.#fill(one, price, there.size, 'taker'))
  }

  /** A new quote, while it stands in the book. */
  #rest(one: Working, view: MarketView): void {
    // Who would trade with it at its price or a better one for it has come.
    const there = this.#there(one, view)
    const { side, limitPrice } = one.order
    if (there) taken(view, side, this.#fill(one, limitPrice!, there.size, 'maker'))
    else this.#queue(one, view)
  }

  /** What stands before it: known while its price is the best, or better. Those before may go, too. */
  #queue(one: Working, view: MarketView): void {
    const { side, limitPrice } = one.order
    const [best, size] = side === 'buy' ? [view.bid, view.bidSize] : [view.ask, view.askSize]
    if (best === undefined || size === undefined) return
    const isBetter = side === 'buy' ? limitPrice! > best : limitPrice! < best
    if (isBetter) one.ahead = 0
    else if (limitPrice === best) one.ahead = Math.min(one.ahead ?? size, size)
  }

  /**
   * A trade at its price takes what stood before it first; one beyond it has taken all there was. Returns how much of the
   * trade it had, of which others here had some before.
   */
  #reach(one: Working, price: number, size: number, had: number, view: MarketView): number {
    const { side, limitPrice } = one.order
    const isBeyond = side === 'buy' ? price < limitPrice! : price > limitPrice!
    if (isBeyond) {
      this.#fill(one, limitPrice!, NEVER, 'maker')
      return 0
    }
    if (price !== limitPrice || !view.hasQuotes || one.ahead === undefined) return 0
    const reached = size - one.ahead
    one.ahead = Math.max(0, -reached)
    return this.#fill(one, limitPrice, reached * this.#options.share - had, 'maker')
  }

  /** Fills what there is room for; returns how much. */
  #fill(one: Working, price: number, room: number, liquidity: Fill['liquidity']): number {
    const { order } = one
    const quantity = tidy(Math.min(one.left, room))
    if (!(quantity > 0)) return 0
    one.left = tidy(one.left - quantity)
    const fee = feeOf(this.#options.fees, { price, quantity, liquidity }, !one.isCharged)
    one.isCharged = true
    if (one.left === 0) this.#remove(one)
    this.#listener.fill({
      ...{ id: `${order.id}/${++this.#fills}`, orderId: order.id, symbol: order.symbol },
      ...{ side: order.side, price, quantity, fee, liquidity, timestamp: this.#now },
    })
    return quantity
  }

  #end(one: Working, status: OrderStatus, ending = one.ending): void {
    this.#remove(one)
    this.#tell(one.order.id, status, ending)
  }

  #remove(one: Working): void {
    this.#working = this.#working.filter(it => it !== one)
    this.#changed()
  }

  #tell(id: string, status: OrderStatus, ending?: string): void {
    const timestamp = this.#now
    this.#listener.order({ id, status, timestamp, ...(ending !== undefined && { ending }) })
  }

  #changed(): void {
    this.#symbols = new Set(this.#working.map(({ order }) => order.symbol))
    this.#next = this.#working.reduce((least, one) => Math.min(least, dueAt(one)), NEVER)
  }

  #latency(): number {
    const { latencyMs } = this.#options
    if (typeof latencyMs === 'number') return latencyMs
    const [least, most] = latencyMs
    return least + this.#chance() * (most - least)
  }

  /** Each draw stands for itself, so that a restart goes on with the next. */
  #chance(): number {
    return seededRandom(Math.imul(this.#options.seed, 1_000_003) + this.#draws++)()
  }

  /** Where an order of the day ends: with the regular session that runs, or the next one. */
  #endOfDay(symbol: string, at: number): number {
    const calendar = calendarOf(symbol, this.#views.get(symbol)?.source)
    const opensAt = calendar?.opensAt(at)
    return opensAt === undefined ? NEVER : calendar!.sessionAt(opensAt).to
  }
}

const dueAt = ({ state, arrivesAt, cancelsAt }: Working) =>
  state === 'sent' ? Math.min(arrivesAt, cancelsAt) : cancelsAt

/** Whether a price is one it may be filled at. */
function meets({ order: { side, limitPrice } }: Working, price: number): boolean {
  if (limitPrice === undefined) return true
  return side === 'buy' ? price <= limitPrice : price >= limitPrice
}

/** Somebody here has had so much of what a quote shows. */
function taken(view: MarketView, side: Side, quantity: number): void {
  if (side === 'buy') view.takenAsk += quantity
  else view.takenBid += quantity
}
