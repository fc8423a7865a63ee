import type { IncomingHttpHeaders } from 'node:http'
import {
  type DeskOrder,
  type DeskUpdate,
  isDone,
  type TradingDesk,
} from '../providers/alpaca/server-trading-desk.ts'
import { updateForm } from '../providers/alpaca/server-trading-forms.ts'
import { answerDesk, type DeskMarket } from '../providers/alpaca/server-trading-routes.ts'
import { DeskStream } from '../providers/alpaca/server-trading-stream.ts'
import {
  answerTrading,
  OrderStream,
  orderUpdate,
  type ServerDesk,
  type ServerOrder,
} from '../providers/openalgo/server-trading.ts'

export interface BrokerQuestion {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: unknown
}

export interface BrokerAnswer {
  readonly status: number
  readonly body: unknown
}

/** How a scripted broker is spoken to. */
export interface BrokerDialect {
  /** Where its stream is; `undefined`: at any path. */
  readonly streamPath: string | undefined
  keyOf(headers: IncomingHttpHeaders, body: unknown): string | undefined
  /** Of a question that places an order, by what its orders are told apart. */
  placing(question: BrokerQuestion): string | undefined
  refusal(status: number, message: string): BrokerAnswer
  answer(desk: TradingDesk, market: DeskMarket, question: BrokerQuestion): BrokerAnswer
  stream(isKey: (key: string) => boolean): {
    hear(frame: string): { reply: string; isListening?: boolean; isOver?: boolean }
  }
  update(update: DeskUpdate): string
}

export const ALPACA: BrokerDialect = {
  streamPath: '/stream',
  keyOf: headers => headers['apca-api-key-id'] as string | undefined,
  placing: ({ method, body }) =>
    method === 'POST'
      ? (body as { client_order_id?: string } | undefined)?.client_order_id
      : undefined,
  refusal: (status, message) => ({ status, body: { message } }),
  answer: answerDesk,
  stream: isKey => new DeskStream(isKey),
  update: update => JSON.stringify({ stream: 'trade_updates', data: updateForm(update) }),
}

/** OpenAlgo with a broker behind it, in the analyzer's mode. Orders are told apart by side, quantity and symbol. */
export const OPENALGO: BrokerDialect = {
  streamPath: undefined,
  keyOf: (_headers, body) => (body as { apikey?: string } | undefined)?.apikey,
  placing({ path, body }) {
    if (!path.endsWith('/placeorder')) return undefined
    const { action, quantity, exchange, symbol } = body as Record<string, unknown>
    return `${String(action).toLowerCase()} ${quantity} ${exchange}:${symbol}`
  },
  refusal: (status, message) => ({ status, body: { status: 'error', message } }),
  answer(desk, market, { path, body }) {
    const call = path.replace(/^\/api\/v1\//, '').replace(/\/$/, '')
    const asked = (body ?? {}) as Record<string, unknown>
    return answerTrading(deskOf(desk, market), call, asked) ?? this.refusal(404, `no ${call}`)
  },
  stream: isKey => new OrderStream(isKey, 'scripted'),
  update: ({ order }) => orderUpdate(orderOf(order), 'analyze', 'scripted'),
}

const TYPES = { market: 'MARKET', limit: 'LIMIT', stop: 'SL-M', stop_limit: 'SL' } as const
const TYPE_OF = { MARKET: 'market', LIMIT: 'limit', 'SL-M': 'stop', SL: 'stop_limit' } as const

/** Alpaca's desk as OpenAlgo's server sees the account behind it. */
function deskOf(desk: TradingDesk, market: DeskMarket): ServerDesk {
  return {
    mode: 'analyze',
    place({ symbol, side, quantity, pricetype, price, triggerPrice }) {
      const known = market.find(symbol)
      if (known === undefined) return { refusal: `Symbol ${symbol} not found` }
      const request = {
        ...{ clientId: undefined, symbol: known, side, quantity, timeInForce: 'day' as const },
        ...{ type: TYPE_OF[pricetype as keyof typeof TYPE_OF], extendedHours: false },
        ...{ limitPrice: price || undefined, stopPrice: triggerPrice || undefined },
      }
      if (side === 'buy' && desk.cost(request, quantity) > desk.buyingPower()) {
        return { refusal: 'Insufficient funds' }
      }
      return { id: desk.place(request).id }
    },
    cancel(id) {
      const order = desk.order(id)
      if (!order) return `Order ${id} not found`
      if (isDone(order)) return `Order is already ${order.status}`
      desk.cancel(order)
      return undefined
    },
    orders: () => [...desk.orders.values()].map(orderOf),
    trades: () => desk.fills,
    positions: () =>
      desk.positions().map(one => ({
        ...{ ...one, price: desk.exchange.price(one.symbol) ?? one.averagePrice },
      })),
    funds: () => {
      const { long, short } = desk.worth()
      return { cash: desk.cash, blocked: long + short, unrealized: 0 }
    },
  }
}

function orderOf(order: DeskOrder): ServerOrder {
  const { id, symbol, side, quantity, type, limitPrice, stopPrice, filled, worth } = order
  return {
    ...{ id, symbol, side, quantity, pricetype: TYPES[type], filled },
    ...{ price: limitPrice ?? 0, triggerPrice: stopPrice ?? 0, status: statusOf(order) },
    averagePrice: filled > 0 ? worth / filled : 0,
    ...{ reason: order.reason, createdAt: order.createdAt },
  }
}

function statusOf({ status }: DeskOrder): ServerOrder['status'] {
  if (status === 'filled') return 'complete'
  if (status === 'rejected' || status === 'expired') return status
  return status === 'canceled' || status === 'replaced' ? 'cancelled' : 'open'
}
