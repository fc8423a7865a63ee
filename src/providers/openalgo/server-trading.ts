/**
 * The server's order services and its stream of orders. https://docs.openalgo.in/api-documentation/v1/orders-api
 *
 * 1. Nothing of the client's stands in an order: `strategy` is for the server's own log.
 * 2. The order book says nothing of fills: those are in the trade book, by the number of the order.
 * 3. In the analyzer's mode all of them are on paper, and answers say so (`mode: analyze`).
 */
import { isExchange, symbolOf, venueName } from './symbols.ts'

export interface ServerOrder {
  readonly id: string
  /** Canonical. */
  readonly symbol: string
  readonly side: 'buy' | 'sell'
  readonly quantity: number
  readonly pricetype: string
  readonly price: number
  readonly triggerPrice: number
  readonly status: 'open' | 'complete' | 'rejected' | 'cancelled' | 'expired'
  readonly filled: number
  readonly averagePrice: number
  readonly reason: string | undefined
  /** Epoch ms. */
  readonly createdAt: number
}

export type ServerOrderRequest = Pick<
  ServerOrder,
  'symbol' | 'side' | 'quantity' | 'pricetype' | 'price' | 'triggerPrice'
>

/** The account at the broker behind the server. */
export interface ServerDesk {
  readonly mode: 'live' | 'analyze'
  /** @returns the number of the order, or why the broker takes none */
  place(request: ServerOrderRequest): { readonly id: string } | { readonly refusal: string }
  /** @returns why not */
  cancel(id: string): string | undefined
  orders(): readonly ServerOrder[]
  trades(): readonly {
    readonly orderId: string
    readonly symbol: string
    readonly side: 'buy' | 'sell'
    readonly quantity: number
    readonly price: number
    readonly timestamp: number
  }[]
  positions(): readonly {
    readonly symbol: string
    readonly quantity: number
    readonly averagePrice: number
    readonly price: number
  }[]
  funds(): { readonly cash: number; readonly blocked: number; readonly unrealized: number }
}

export interface TradingAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

const PRODUCT = 'MIS'
const TYPES = ['MARKET', 'LIMIT', 'SL', 'SL-M']
const INDIA_MS = 19_800_000

/** Answers a call whose key is right; `undefined` for one that is not about orders. */
export function answerTrading(
  desk: ServerDesk,
  call: string,
  asked: Readonly<Record<string, unknown>>,
): TradingAnswer | undefined {
  const { mode } = desk
  const good = (answer: object): TradingAnswer => ({
    status: 200,
    body: { ...answer, status: 'success', ...(mode === 'analyze' && { mode }) },
  })
  const bad = (status: number, message: string): TradingAnswer => ({
    status,
    body: { status: 'error', message, ...(mode === 'analyze' && { mode }) },
  })
  switch (call) {
    case 'placeorder': {
      const request = requestOf(asked)
      if (typeof request === 'string') return bad(400, request)
      const answer = desk.place(request)
      return 'id' in answer ? good({ orderid: answer.id }) : bad(400, answer.refusal)
    }
    case 'cancelorder': {
      const refusal = desk.cancel(String(asked.orderid))
      return refusal === undefined ? good({ orderid: asked.orderid }) : bad(400, refusal)
    }
    case 'orderbook':
      return good({ data: { orders: desk.orders().map(orderRow), statistics: {} } })
    case 'tradebook':
      return good({
        data: desk.trades().map(({ orderId, symbol, side, quantity, price, timestamp }) => ({
          ...{ ...venueName(symbol), product: PRODUCT, action: side.toUpperCase(), quantity },
          ...{ average_price: price, trade_value: quantity * price, orderid: orderId },
          timestamp: timeOf(timestamp),
        })),
      })
    case 'positionbook':
      return good({
        data: desk.positions().map(({ symbol, quantity, averagePrice, price }) => ({
          ...{ ...venueName(symbol), product: PRODUCT, quantity },
          ...{ average_price: averagePrice.toFixed(2), ltp: price, pnl: 0 },
        })),
      })
    case 'holdings':
      return good({ data: { holdings: [], statistics: {} } })
    case 'funds': {
      const { cash, blocked, unrealized } = desk.funds()
      const text = (value: number) => value.toFixed(2)
      return good({
        data: {
          ...{ availablecash: text(cash), collateral: '0.00', utiliseddebits: text(blocked) },
          ...{ m2mrealized: '0.00', m2munrealized: text(unrealized) },
        },
      })
    }
    case 'analyzer':
      return good({ data: { mode, analyze_mode: mode === 'analyze', total_logs: 0 } })
    default:
      return undefined
  }
}

/** @returns what is wrong with it, in words */
function requestOf(asked: Readonly<Record<string, unknown>>): ServerOrderRequest | string {
  const { symbol, exchange, action, pricetype = 'MARKET', strategy } = asked
  if (typeof symbol !== 'string' || typeof exchange !== 'string' || typeof strategy !== 'string') {
    return 'Missing mandatory field(s): apikey, strategy, symbol, exchange, action, quantity'
  }
  if (!isExchange(exchange)) return 'Invalid exchange.'
  const side = String(action).toLowerCase()
  if (side !== 'buy' && side !== 'sell') return 'Invalid action. Must be one of: BUY, SELL'
  if (!TYPES.includes(String(pricetype))) return `Invalid price type. Must be one of: ${TYPES}`
  const [quantity, price, triggerPrice] = [
    asked.quantity,
    asked.price ?? 0,
    asked.trigger_price ?? 0,
  ].map(Number) as [number, number, number]
  if (!(quantity > 0)) return "{'quantity': ['Quantity must be a positive number.']}"
  return {
    ...{ symbol: symbolOf({ symbol, exchange }), side, quantity },
    ...{ pricetype: String(pricetype), price, triggerPrice },
  }
}

function orderRow(order: ServerOrder) {
  const { id, symbol, side, quantity, pricetype, price, triggerPrice, status, createdAt } = order
  return {
    ...{ ...venueName(symbol), action: side.toUpperCase(), quantity, price },
    ...{ trigger_price: triggerPrice, pricetype, product: PRODUCT, orderid: id },
    ...{ order_status: status, timestamp: timeOf(createdAt) },
  }
}

/** As `28-Aug-2025 09:59:10`, in India. */
function timeOf(time: number): string {
  const [day = '', clock = ''] = new Date(time + INDIA_MS).toISOString().split('T')
  const month = new Date(`${day}T00:00:00Z`).toLocaleString('en', {
    month: 'short',
    timeZone: 'UTC',
  })
  return `${day.slice(8)}-${month}-${day.slice(0, 4)} ${clock.slice(0, 8)}`
}

/** What clients that hear of orders are told when something becomes of one. */
export function orderUpdate(order: ServerOrder, mode: ServerDesk['mode'], broker: string): string {
  const { id, symbol, side, quantity, filled, averagePrice, status, reason } = order
  return JSON.stringify({
    ...{ type: 'order_update', user_id: 'demo', mode, broker, orderid: id, ...venueName(symbol) },
    ...{
      action: side.toUpperCase(),
      quantity,
      price: order.price,
      trigger_price: order.triggerPrice,
    },
    ...{ pricetype: order.pricetype, product: PRODUCT, order_status: status },
    ...{ filled_quantity: filled, pending_quantity: quantity - filled },
    ...{ average_price: averagePrice, rejection_reason: reason ?? '' },
  })
}

/** What a client of the stream is answered, and whether it hears of orders from now on. */
export interface StreamHeard {
  readonly reply: string
  readonly isListening?: boolean
}

/** The server's side of one connection that is only about orders; one that is about prices too is an `OpenAlgoSession`. */
export class OrderStream {
  readonly #isKey: (key: string) => boolean
  readonly #broker: string
  #isKnown = false

  constructor(isKey: (key: string) => boolean, broker: string) {
    this.#isKey = isKey
    this.#broker = broker
  }

  hear(frame: string): StreamHeard {
    let message: { action?: unknown; type?: unknown; api_key?: unknown; apikey?: unknown }
    try {
      message = JSON.parse(frame) ?? {}
    } catch {
      return fault('INVALID_JSON', 'Invalid JSON message')
    }
    const action = message.action ?? message.type
    if (action === 'authenticate' || action === 'auth') {
      this.#isKnown = this.#isKey(String(message.api_key ?? message.apikey))
      if (!this.#isKnown) return fault('AUTHENTICATION_ERROR', 'Invalid API key')
      const who = { broker: this.#broker, user_id: 'demo' }
      return said({ type: 'auth', status: 'success', message: 'Authentication successful', ...who })
    }
    if (!this.#isKnown) return fault('NOT_AUTHENTICATED', 'You must authenticate first')
    if (action !== 'subscribe_orders' && action !== 'unsubscribe_orders') {
      return fault('INVALID_ACTION', `Invalid action: ${String(action)}`)
    }
    const isListening = action === 'subscribe_orders'
    const words = `${isListening ? 'Subscribed to' : 'Unsubscribed from'} order updates`
    return { ...said({ type: action, status: 'success', message: words }), isListening }
  }
}

const said = (message: object): StreamHeard => ({ reply: JSON.stringify(message) })
const fault = (code: string, message: string) => said({ status: 'error', code, message })
