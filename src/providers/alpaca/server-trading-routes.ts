import { z } from 'zod'
import {
  type DeskOrder,
  type DeskRequest,
  isDone,
  left,
  type TradingDesk,
} from './server-trading-desk.ts'
import {
  accountForm,
  activityForm,
  assetForm,
  assetId,
  calendarForm,
  clockForm,
  orderForm,
  positionForm,
} from './server-trading-forms.ts'

export interface DeskAnswer {
  readonly status: number
  /** JSON; nothing where it is `undefined`. */
  readonly body: unknown
}

export interface DeskQuestion {
  readonly method: string
  /** Behind the address of the broker: `/v2/orders`. */
  readonly path: string
  readonly query: URLSearchParams
  /** Parsed JSON of the body; `undefined` where there is none. */
  readonly body: unknown
}

/** Instruments that can be traded. `symbols` are some of them, in the form of ours; `find` says what one is in that form. */
export interface DeskMarket {
  readonly symbols: () => readonly string[]
  readonly find: (symbol: string) => string | undefined
}

/** https://docs.alpaca.markets/reference: the code is the status, times 100,000, and a detail. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
  ) {
    super(message)
  }
}

const invalid = (message: string) => new Refusal(422, 42_210_000, message)
const missing = (message: string) => new Refusal(404, 40_410_000, message)
const forbidden = (message: string) => new Refusal(403, 40_310_000, message)

const PRICE = z.coerce.number().positive().finite()

const REQUEST = z.looseObject({
  symbol: z.string().min(1),
  side: z.enum(['buy', 'sell']),
  qty: z.coerce.number().positive().finite().nullish(),
  notional: z.coerce.number().positive().finite().nullish(),
  type: z.enum(['market', 'limit', 'stop', 'stop_limit']),
  time_in_force: z.enum(['day', 'gtc', 'ioc', 'fok']),
  ...{ limit_price: PRICE.nullish(), stop_price: PRICE.nullish() },
  client_order_id: z.string().min(1).max(128).nullish(),
  extended_hours: z.boolean().nullish(),
  order_class: z.enum(['', 'simple']).nullish(),
})

const CHANGE = z.looseObject({
  qty: z.coerce.number().positive().finite().nullish(),
  ...{ limit_price: PRICE.nullish(), stop_price: PRICE.nullish() },
  time_in_force: z.enum(['day', 'gtc', 'ioc', 'fok']).nullish(),
  client_order_id: z.string().min(1).max(128).nullish(),
})

/** What Alpaca's trading API answers, by a desk. Never throws. */
export function answerDesk(
  desk: TradingDesk,
  market: DeskMarket,
  question: DeskQuestion,
): DeskAnswer {
  try {
    return route(desk, market, question)
  } catch (error) {
    if (error instanceof Refusal) {
      return { status: error.status, body: { code: error.code, message: error.message } }
    }
    if (error instanceof z.ZodError) {
      const [{ path, message }] = error.issues as [z.core.$ZodIssue]
      return { status: 422, body: { code: 42_210_000, message: `${path.join('.')}: ${message}` } }
    }
    throw error
  }
}

function route(desk: TradingDesk, market: DeskMarket, question: DeskQuestion): DeskAnswer {
  const { method, query, body } = question
  const path = question.path.replace(/\/+$/, '')
  const [, room, rest] = /^\/v2\/([a-z_:]+)(?:\/(.+))?$/.exec(path) ?? []
  const id = rest === undefined ? undefined : decoded(rest)
  switch (`${method} ${room}${id === undefined ? '' : '/'}`) {
    case 'POST orders':
      return good(orderForm(place(desk, market, REQUEST.parse(body ?? {}))))
    case 'GET orders':
      return good(list(desk, query).map(orderForm))
    case 'DELETE orders':
      return { status: 207, body: desk.open().map(order => canceled(desk, order)) }
    case 'GET orders:by_client_order_id':
      return good(orderForm(found(desk.byClientId(query.get('client_order_id') ?? ''))))
    case 'GET orders/':
      return good(orderForm(found(desk.order(id!))))
    case 'PATCH orders/':
      return good(orderForm(replace(desk, found(desk.order(id!)), CHANGE.parse(body ?? {}))))
    case 'DELETE orders/': {
      const order = found(desk.order(id!))
      if (isDone(order)) throw invalid(`order is already in "${order.status}" state`)
      desk.cancel(order)
      return { status: 204, body: undefined }
    }
    case 'GET account':
      return good(accountForm(desk))
    case 'GET account/':
      if (!/^activities(\/FILL)?$/.test(id!)) break
      return good(activities(desk, query))
    case 'GET positions':
      return good(desk.positions().map(one => positionForm(desk, one)))
    case 'GET positions/':
      return good(positionForm(desk, heldOf(desk, id!)))
    case 'DELETE positions':
      return {
        status: 207,
        body: desk.positions().map(one => {
          const order = orderForm(close(desk, one.symbol, one.quantity))
          return { symbol: order.symbol.replace('/', ''), status: 200, body: order }
        }),
      }
    case 'DELETE positions/': {
      const { symbol, quantity } = heldOf(desk, id!)
      const part = Number(query.get('percentage') ?? 100) / 100
      const wanted = Number(query.get('qty') ?? Math.abs(quantity) * part)
      if (!(wanted > 0 && wanted <= Math.abs(quantity)))
        throw invalid('qty must be between 0 and what is held')
      return good(orderForm(close(desk, symbol, Math.sign(quantity) * wanted)))
    }
    case 'GET clock':
      return good(clockForm(desk.now))
    case 'GET calendar': {
      const today = new Date(desk.now).toISOString().slice(0, 10)
      const [start, end] = [query.get('start') ?? today, query.get('end') ?? today]
      if (
        ![start, end].every(day => /^\d{4}-\d\d-\d\d/.test(day) && !Number.isNaN(Date.parse(day)))
      ) {
        throw invalid('start and end are dates: 2025-06-02')
      }
      return good(calendarForm(start.slice(0, 10), end.slice(0, 10)))
    }
    case 'GET assets':
      return good(
        market
          .symbols()
          .map(assetForm)
          .filter(one => (query.get('asset_class') ?? one.class) === one.class),
      )
    case 'GET assets/': {
      const byId = market.symbols().find(one => sameSymbol(one, id!) || assetId(one) === id)
      const symbol = byId ?? market.find(id!)
      if (symbol === undefined) throw missing(`asset not found for ${id}`)
      return good(assetForm(symbol))
    }
  }
  throw missing('endpoint not found.')
}

/** @throws Refusal where it is no text of an address */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw missing('endpoint not found.')
  }
}

const good = (body: unknown): DeskAnswer => ({ status: 200, body })

function place(desk: TradingDesk, market: DeskMarket, asked: z.output<typeof REQUEST>): DeskOrder {
  const own = market.symbols().find(one => sameSymbol(one, asked.symbol))
  const symbol = own ?? market.find(asked.symbol)
  if (symbol === undefined) throw invalid(`asset "${asked.symbol}" not found`)
  const price = desk.exchange.price(symbol)
  let quantity = asked.qty ?? undefined
  if (quantity === undefined && asked.notional) {
    if (price === undefined)
      throw invalid(`no price of ${symbol} is known yet to make a quantity of notional`)
    quantity = Math.floor((asked.notional / price) * 1e9) / 1e9
  }
  if (quantity === undefined) throw invalid('qty or notional is required')
  const request: DeskRequest = {
    ...{ clientId: asked.client_order_id ?? undefined, symbol, side: asked.side, quantity },
    ...{
      type: asked.type,
      timeInForce: asked.time_in_force,
      extendedHours: asked.extended_hours ?? false,
    },
    ...{ limitPrice: asked.limit_price ?? undefined, stopPrice: asked.stop_price ?? undefined },
  }
  check(desk, request)
  return desk.place(request)
}

function check(desk: TradingDesk, request: DeskRequest, instead?: DeskOrder): void {
  const { clientId, symbol, side, quantity, type, timeInForce, limitPrice, stopPrice } = request
  const isLimit = type === 'limit' || type === 'stop_limit'
  const isStop = type === 'stop' || type === 'stop_limit'
  if (isLimit !== (limitPrice !== undefined)) {
    throw invalid(
      isLimit ? `${type} orders require limit_price` : `${type} orders must not have limit_price`,
    )
  }
  if (isStop !== (stopPrice !== undefined)) {
    throw invalid(
      isStop ? `${type} orders require stop_price` : `${type} orders must not have stop_price`,
    )
  }
  if (symbol.includes('/') && timeInForce !== 'gtc' && timeInForce !== 'ioc') {
    throw invalid('invalid crypto time_in_force')
  }
  if (clientId !== undefined && desk.byClientId(clientId)) {
    throw new Refusal(422, 40_010_001, 'client_order_id must be unique')
  }
  const held = desk.held(symbol)
  // What makes a short smaller needs no money.
  if (side === 'buy' && quantity > Math.max(0, -held)) {
    const back = instead?.side === 'buy' ? desk.cost(instead, left(instead)) : 0
    if (desk.cost(request, quantity) > desk.buyingPower() + back)
      throw forbidden('insufficient buying power')
  }
  if (side === 'sell' && symbol.includes('/')) {
    const going = desk
      .open()
      .filter(one => one !== instead && one.symbol === symbol && one.side === 'sell')
      .reduce((sum, one) => sum + left(one), 0)
    if (quantity > held - going) throw forbidden('insufficient balance')
  }
}

function replace(desk: TradingDesk, order: DeskOrder, change: z.output<typeof CHANGE>): DeskOrder {
  if (isDone(order)) throw invalid(`order is already in "${order.status}" state`)
  if (order.status === 'accepted' || order.status === 'pending_cancel') {
    throw invalid(`cannot replace an order in "${order.status}" state`)
  }
  const quantity = change.qty ?? left(order)
  const request: DeskRequest = {
    ...{
      clientId: change.client_order_id ?? undefined,
      symbol: order.symbol,
      side: order.side,
      quantity,
    },
    ...{ type: order.type, timeInForce: change.time_in_force ?? order.timeInForce },
    ...{
      limitPrice: change.limit_price ?? order.limitPrice,
      stopPrice: change.stop_price ?? order.stopPrice,
    },
    extendedHours: order.extendedHours,
  }
  check(desk, request, order)
  return desk.place(request, order)
}

function close(desk: TradingDesk, symbol: string, quantity: number): DeskOrder {
  const request: DeskRequest = {
    ...{
      clientId: undefined,
      symbol,
      side: quantity > 0 ? 'sell' : 'buy',
      quantity: Math.abs(quantity),
    },
    ...{ type: 'market', timeInForce: symbol.includes('/') ? 'gtc' : 'day', extendedHours: false },
    ...{ limitPrice: undefined, stopPrice: undefined },
  }
  return desk.place(request)
}

function canceled(desk: TradingDesk, order: DeskOrder) {
  desk.cancel(order)
  return { id: order.id, status: 200 }
}

function found(order: DeskOrder | undefined): DeskOrder {
  if (!order) throw missing('order not found')
  return order
}

function heldOf(desk: TradingDesk, of: string) {
  const held = desk
    .positions()
    .find(one => sameSymbol(one.symbol, of) || assetId(one.symbol) === of)
  if (!held) throw missing('position does not exist')
  return held
}

const sameSymbol = (ours: string, theirs: string): boolean =>
  ours === theirs.toUpperCase() || ours.replace('/', '') === theirs.toUpperCase()

const MOST = 500

function list(desk: TradingDesk, query: URLSearchParams): DeskOrder[] {
  const status = query.get('status') ?? 'open'
  const limit = Math.min(Number(query.get('limit') ?? 50), MOST)
  const after = query.has('after') ? Date.parse(query.get('after')!) : Number.NEGATIVE_INFINITY
  const until = query.has('until') ? Date.parse(query.get('until')!) : Number.POSITIVE_INFINITY
  if (Number.isNaN(after) || Number.isNaN(until)) throw invalid('after and until are times')
  if (!(limit >= 1)) throw invalid('limit must be at least 1')
  const symbols = query.get('symbols')?.split(',')
  const orders = [...desk.orders.values()].filter(
    order =>
      (status === 'all' || isDone(order) === (status === 'closed')) &&
      order.createdAt > after &&
      order.createdAt < until &&
      (symbols?.some(one => sameSymbol(order.symbol, one)) ?? true) &&
      (query.get('side') ?? order.side) === order.side,
  )
  return (query.get('direction') === 'asc' ? orders : orders.reverse()).slice(0, limit)
}

function activities(desk: TradingDesk, query: URLSearchParams) {
  const size = Math.min(Number(query.get('page_size') ?? 100), 100)
  if (!(size >= 1)) throw invalid('page_size must be at least 1')
  const rows = desk.fills.map(activityForm)
  if (query.get('direction') !== 'asc') rows.reverse()
  const token = query.get('page_token')
  const from = token === null ? 0 : rows.findIndex(({ id }) => id === token) + 1
  return rows.slice(from, from + size)
}
