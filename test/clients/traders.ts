// The official JavaScript clients, as installed and unchanged, by the same names.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const KEYS = { keyId: 'PKTEST', secretKey: 's3cret', secret: 's3cret' }

export interface Placed {
  readonly id: string
  readonly status: string
}

/** What both clients can do, by the same names. */
export interface Trader {
  listen(heard: (event: string, price: unknown) => void): Promise<() => void>
  buy(quantity: number, limit?: number): Promise<Placed>
  replace(id: string, limit: number): Promise<Placed>
  cancel(id: string): Promise<unknown>
  order(id: string): Promise<Placed>
  cash(): Promise<number>
  held(): Promise<readonly { symbol: string; qty: unknown }[]>
  clock(): Promise<unknown>
}

function version3(url: string): Trader {
  const Alpaca = require('alpaca-v3')
  const alpaca = new Alpaca({ ...KEYS, baseUrl: url, paper: true })
  return {
    listen: heard =>
      new Promise(resolve => {
        const socket = alpaca.trade_ws
        socket.onConnect(() => {
          socket.subscribe(['trade_updates'])
          resolve(() => socket.disconnect())
        })
        socket.onOrderUpdate((update: { event: string; price?: unknown }) =>
          heard(update.event, update.price),
        )
        socket.connect()
      }),
    buy: (qty, limit) =>
      alpaca.createOrder({
        ...{ symbol: 'SPY', qty, side: 'buy', time_in_force: 'day' },
        ...(limit === undefined ? { type: 'market' } : { type: 'limit', limit_price: limit }),
      }),
    replace: (id, limit_price) => alpaca.replaceOrder(id, { limit_price }),
    cancel: id => alpaca.cancelOrder(id),
    order: id => alpaca.getOrder(id),
    cash: async () => Number((await alpaca.getAccount()).cash),
    held: () => alpaca.getPositions(),
    clock: () => alpaca.getClock(),
  }
}

function version4(url: string): Trader {
  const { Alpaca } = require('alpaca-v4')
  // It has no option for an address: it lets requests be changed on their way.
  const fetchApi = (asked: string, init: RequestInit) =>
    fetch(String(asked).replace('https://paper-api.alpaca.markets', url), init)
  const alpaca = new Alpaca({ ...KEYS, paper: true, fetchApi })
  const { orders, account, positions, clock } = alpaca.trading
  return {
    listen: heard =>
      new Promise(resolve => {
        const socket = alpaca.trading.stream({ url: `${url.replace('http', 'ws')}/stream` })
        socket.onTradeUpdate((update: { event: string; price?: unknown }) =>
          heard(update.event, update.price),
        )
        socket.onConnect(() => {
          socket.subscribeTradeUpdates()
          resolve(() => socket.disconnect())
        })
        socket.connect()
      }),
    buy: (qty, limit) =>
      orders.postOrder({
        postOrderRequest: {
          ...{ symbol: 'SPY', qty: String(qty), side: 'buy', timeInForce: 'day' },
          ...(limit === undefined
            ? { type: 'market' }
            : { type: 'limit', limitPrice: String(limit) }),
        },
      }),
    replace: (orderId, limit) =>
      orders.patchOrderByOrderId({ orderId, patchOrderRequest: { limitPrice: String(limit) } }),
    cancel: orderId => orders.deleteOrderByOrderID({ orderId }),
    order: orderId => orders.getOrderByOrderID({ orderId }),
    cash: async () => Number((await account.getAccount()).cash),
    held: () => positions.getAllOpenPositions(),
    clock: () => clock.legacyClock(),
  }
}

/** Each opens an account at an address. */
export const TRADERS = [
  ['3.1.3', version3],
  ['4.0.2', version4],
] as const
