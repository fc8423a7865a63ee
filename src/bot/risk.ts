import type { SessionName } from '../market/calendar.ts'
import type { Side } from '../market/events.ts'
import {
  ORDER_TYPES,
  type Order,
  type OrderRequest,
  TIMES_IN_FORCE,
  tidy,
  typeOf,
} from './orders.ts'
import type { Quality } from './quality.ts'

/** What a bot may do. What is left out is not limited, but for the defaults. */
export interface RiskLimits {
  /** Units of one symbol, long or short. */
  readonly maxPosition?: number
  /** Worth of what is held of one symbol. */
  readonly maxPositionNotional?: number
  /** Worth of one order. */
  readonly maxOrderNotional?: number
  /** Worth of all positions together, shorts counted as much as longs. */
  readonly maxGrossNotional?: number
  /** @default 60 */
  readonly maxOrdersPerMinute?: number
  /** How far the price of an order may be from the last one, as a share of it: 0.05 is 5 %. @default 0.05 */
  readonly priceCollar?: number
  /** Once so much is lost since the day began, by equity, only exits go through. */
  readonly maxDailyLoss?: number
  /** An order like one of so long before is taken for a mistake, ms of tape time. 0: never. @default 1000 */
  readonly duplicateMs?: number
  /** When entries are allowed; a market around the clock is always open. @default ['regular'] */
  readonly sessions?: readonly SessionName[]
  /** Selling more than is held. @default false */
  readonly allowShort?: boolean
}

export const RISK_DEFAULTS = {
  maxOrdersPerMinute: 60,
  priceCollar: 0.05,
  duplicateMs: 1_000,
  sessions: ['regular'],
  allowShort: false,
} as const satisfies RiskLimits

/** Why an order was not sent. */
export type RefusalCode =
  | 'BAD_ORDER'
  | 'CATCHING_UP'
  | 'PAUSED'
  | 'NO_PRICE'
  | 'DATA_QUALITY'
  | 'MARKET_CLOSED'
  | 'HALTED'
  | 'SHORT'
  | 'POSITION'
  | 'ORDER_SIZE'
  | 'GROSS'
  | 'RATE'
  | 'PRICE_COLLAR'
  | 'DAILY_LOSS'
  | 'DUPLICATE'
  | 'BUYING_POWER'

/** What an order is judged by: all as it stands at the event that caused it. */
export interface Situation {
  /** Tape time, epoch ms. */
  readonly now: number
  /** The bot is still reading what happened while it was not there. */
  readonly isCatchingUp: boolean
  readonly isPaused: boolean
  /** Last price known; `undefined` before the first. */
  price(symbol: string): number | undefined
  /** What an order of a side would be filled at at once; `undefined` where nobody quotes. */
  offer(symbol: string, side: Side): number | undefined
  quality(symbol: string): Quality
  session(symbol: string): SessionName | undefined
  /** Units held now; below 0 is short. */
  held(symbol: string): number
  /** Worth of all positions, shorts as much as longs. */
  readonly gross: number
  readonly openOrders: readonly Order[]
  /** Equity when the day began, less equity now. */
  readonly lostToday: number
  /** What new positions may be worth: cash, of which what shorts are worth is promised and what they brought is not one's own. */
  readonly buyingPower: number
}

/** An order that may be sent. Only {@link Risk.judge} makes them. */
export class ApprovedOrder {
  /** Nothing else can be taken for one. */
  declare private readonly isApproved: true
  /** @internal */
  constructor(
    readonly order: Order,
    /** The most that a unit of it may be worth, by what was known when it was judged; `undefined` where that was elsewhere. */
    readonly price?: number,
  ) {}
}

/** An order that is not sent, and why. */
export class RefusedOrder {
  constructor(
    readonly request: OrderRequest,
    readonly code: RefusalCode,
    /** One sentence for a person. */
    readonly message: string,
  ) {}
}

const MINUTE_MS = 60_000

/** Looks at every order before it is sent. */
export class Risk {
  readonly #limits: RiskLimits & typeof RISK_DEFAULTS
  /** Orders approved in the last minute, oldest first. */
  #recent: { readonly at: number; readonly key: string }[] = []

  constructor(limits: RiskLimits = {}) {
    this.#limits = { ...RISK_DEFAULTS, ...limits } as RiskLimits & typeof RISK_DEFAULTS
  }

  /** What was approved lately, for a restart to go on with. */
  snapshot(): readonly { readonly at: number; readonly key: string }[] {
    return [...this.#recent]
  }

  restore(recent: readonly { readonly at: number; readonly key: string }[]): void {
    this.#recent = [...recent]
  }

  /** `isByHand`: a person asks for it, so what bounds a strategy that runs wild does not hold. */
  judge(
    request: OrderRequest,
    id: string,
    at: Situation,
    isByHand = false,
  ): ApprovedOrder | RefusedOrder {
    const refusal = this.#refusal(request, at, isByHand)
    if (refusal) return new RefusedOrder(request, ...refusal)
    this.#recent.push({ at: at.now, key: keyOf(request) })
    const { symbol, side, limitPrice, stopPrice, timeInForce = 'day', reason } = request
    const quantity = tidy(request.quantity)
    const order: Order = {
      ...{ id, symbol, side, quantity, type: typeOf(request), limitPrice, stopPrice, timeInForce },
      ...{ reason, createdAt: at.now, status: 'submitted', filled: 0, averagePrice: undefined },
      ending: undefined,
    }
    return new ApprovedOrder(order, worstOf(request, at.price(symbol)!, at))
  }

  #refusal(request: OrderRequest, at: Situation, isByHand: boolean): Refusal | undefined {
    const bad = flawOf(request)
    if (bad) return ['BAD_ORDER', bad]
    if (at.isCatchingUp) {
      return ['CATCHING_UP', 'the bot is reading what happened while it was not running']
    }
    const { symbol } = request
    const price = at.price(symbol)
    if (price === undefined) return ['NO_PRICE', `nothing is known yet of what ${symbol} trades at`]
    const exit = isExit(request, at)
    const quality = at.quality(symbol)
    if (quality === 'halted') return ['HALTED', `${symbol} is halted`]
    return (
      (exit ? undefined : this.#entry(request, quality, at)) ??
      (isByHand ? undefined : this.#pace(request, at)) ??
      this.#price(request, price, exit, at) ??
      (exit ? undefined : this.#size(request, price, at))
    )
  }

  /** What only an entry has to pass: an exit must be possible whatever the day is like. */
  #entry({ symbol, side }: OrderRequest, quality: Quality, at: Situation): Refusal | undefined {
    const { sessions, maxDailyLoss, allowShort } = this.#limits
    if (at.isPaused) return ['PAUSED', 'the bot is paused: only exits go through']
    if (quality !== 'live') {
      return ['DATA_QUALITY', `the data of ${symbol} is ${quality}: only exits go through`]
    }
    const session = at.session(symbol)
    if (session !== undefined && !(sessions as readonly SessionName[]).includes(session)) {
      return ['MARKET_CLOSED', `the market of ${symbol} is in its session "${session}"`]
    }
    if (maxDailyLoss !== undefined && at.lostToday >= maxDailyLoss) {
      const lost = at.lostToday.toFixed(2)
      return ['DAILY_LOSS', `${lost} lost today, of ${maxDailyLoss} at most: only exits go through`]
    }
    if (side === 'sell' && !allowShort) {
      return ['SHORT', `it would sell more ${symbol} than is held; allowShort lets it`]
    }
    return undefined
  }

  #pace(request: OrderRequest, { now }: Situation): Refusal | undefined {
    const { maxOrdersPerMinute, duplicateMs } = this.#limits
    while (this.#recent.length > 0 && this.#recent[0]!.at <= now - MINUTE_MS) this.#recent.shift()
    if (this.#recent.length >= maxOrdersPerMinute) {
      return ['RATE', `${maxOrdersPerMinute} orders within a minute, which is the most`]
    }
    const key = keyOf(request)
    if (this.#recent.some(one => one.key === key && one.at > now - duplicateMs)) {
      return ['DUPLICATE', `the same order was sent less than ${duplicateMs} ms before`]
    }
    return undefined
  }

  /** Of an entry at the market also what it would be filled at: that may be far from where it traded last. */
  #price(request: OrderRequest, last: number, exit: boolean, at: Situation): Refusal | undefined {
    const { priceCollar } = this.#limits
    const { symbol, side, limitPrice, stopPrice } = request
    const isAtMarket = limitPrice === undefined && stopPrice === undefined
    const offer = isAtMarket && !exit ? at.offer(symbol, side) : undefined
    for (const price of [limitPrice, stopPrice, offer]) {
      if (price === undefined || Math.abs(price - last) <= last * priceCollar) continue
      const percent = (Math.abs(price / last - 1) * 100).toFixed(1)
      return ['PRICE_COLLAR', `${price} is ${percent} % from the last price of ${symbol}, ${last}`]
    }
    return undefined
  }

  /** What would be held, and what that costs, if this and all that is on its way were filled. */
  #size(request: OrderRequest, last: number, at: Situation): Refusal | undefined {
    const { maxPosition, maxPositionNotional, maxOrderNotional, maxGrossNotional } = this.#limits
    const { symbol, side, quantity } = request
    const price = worstOf(request, last, at)
    const worth = quantity * price
    if (maxOrderNotional !== undefined && worth > maxOrderNotional) {
      return ['ORDER_SIZE', `it is worth ${worth.toFixed(2)}, of ${maxOrderNotional} at most`]
    }
    const going = pending(at.openOrders, symbol, side)
    const signed = (side === 'buy' ? 1 : -1) * (quantity + going)
    const after = Math.abs(at.held(symbol) + signed)
    if (maxPosition !== undefined && after > maxPosition) {
      return ['POSITION', `${after} ${symbol} would be held, of ${maxPosition} at most`]
    }
    if (maxPositionNotional !== undefined && after * price > maxPositionNotional) {
      const held = (after * price).toFixed(2)
      return ['POSITION', `${held} of ${symbol} would be held, of ${maxPositionNotional} at most`]
    }
    // Of both only what opens something: what closes gives back what it is worth.
    const closes = closable(symbol, side, at)
    const opens = Math.max(0, going + quantity - closes) - Math.max(0, going - closes)
    const more = opens * price + waitingWorth(at)
    if (maxGrossNotional !== undefined && at.gross + more > maxGrossNotional) {
      const gross = (at.gross + more).toFixed(2)
      return ['GROSS', `${gross} would be held in all, of ${maxGrossNotional} at most`]
    }
    if (more > at.buyingPower) {
      const power = at.buyingPower.toFixed(2)
      return ['BUYING_POWER', `${more.toFixed(2)} would be needed, ${power} is there`]
    }
    return undefined
  }
}

type Refusal = readonly [RefusalCode, string]

/** What makes a request no order at all. */
function flawOf(request: OrderRequest): string | undefined {
  const { symbol, side, quantity, limitPrice, stopPrice, timeInForce = 'day' } = request
  const type = typeOf(request)
  if (!ORDER_TYPES.includes(type)) return `its type is ${String(type)}`
  if (!TIMES_IN_FORCE.includes(timeInForce)) return `its timeInForce is ${String(timeInForce)}`
  if (typeof symbol !== 'string' || symbol === '') return 'it names no symbol'
  if (side !== 'buy' && side !== 'sell') return `its side is ${String(side)}`
  if (!(tidy(quantity) > 0) || !Number.isFinite(quantity)) return `its quantity is ${quantity}`
  for (const [name, price] of [
    ['limitPrice', limitPrice],
    ['stopPrice', stopPrice],
  ] as const) {
    if (price !== undefined && !(price > 0 && Number.isFinite(price)))
      return `its ${name} is ${price}`
  }
  const limited = type === 'limit' || type === 'stop-limit'
  const stopped = type === 'stop' || type === 'stop-limit'
  if (limited !== (limitPrice !== undefined)) {
    return limited ? `a ${type} order needs a limitPrice` : `a ${type} order has no limitPrice`
  }
  if (stopped !== (stopPrice !== undefined)) {
    return stopped ? `a ${type} order needs a stopPrice` : `a ${type} order has no stopPrice`
  }
  return undefined
}

/** Whether it only makes a position smaller, together with what is already on its way to do so. */
function isExit({ symbol, side, quantity }: OrderRequest, at: Situation): boolean {
  const closes = closable(symbol, side, at)
  return closes > 0 && quantity + pending(at.openOrders, symbol, side) <= closes + 1e-9
}

/** Units that orders of a side would close before they open anything. */
function closable(symbol: string, side: Side, at: Situation): number {
  return Math.max(0, side === 'buy' ? -at.held(symbol) : at.held(symbol))
}

/** Units of a side that open orders may still fill. */
function pending(orders: readonly Order[], symbol: string, side: Side): number {
  let sum = 0
  for (const one of orders) {
    if (one.symbol === symbol && one.side === side) sum += one.quantity - one.filled
  }
  return sum
}

interface Prices {
  readonly limitPrice?: number | undefined
  readonly stopPrice?: number | undefined
}

/** The most that a unit of it may be worth: of what is filled at the market the worse of what traded and what is offered. */
function worstOf(
  { symbol, side, limitPrice, stopPrice }: Pick<Order, 'symbol' | 'side'> & Prices,
  last: number,
  at: Situation,
) {
  if (limitPrice !== undefined) return limitPrice
  return Math.max(stopPrice ?? last, last, at.offer(symbol, side) ?? last)
}

/** What the open orders of all symbols would open, if they were filled. */
function waitingWorth(at: Situation): number {
  const sums = new Map<string, { units: number; worth: number; closes: number }>()
  for (const order of at.openOrders) {
    const { symbol, side, quantity, filled } = order
    const key = `${side} ${symbol}`
    let sum = sums.get(key)
    if (!sum) sums.set(key, (sum = { units: 0, worth: 0, closes: closable(symbol, side, at) }))
    sum.units += quantity - filled
    sum.worth += (quantity - filled) * worstOf(order, at.price(symbol) ?? 0, at)
  }
  let worth = 0
  for (const sum of sums.values()) {
    if (sum.units > sum.closes) worth += (sum.worth * (sum.units - sum.closes)) / sum.units
  }
  return worth
}

const keyOf = ({ symbol, side, quantity, limitPrice, stopPrice }: OrderRequest) =>
  `${symbol} ${side} ${quantity} ${limitPrice} ${stopPrice}`
