// The official JavaScript clients of both names, as installed and unchanged, against the scripted venue.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { restClient as massiveRest, websocketClient as massiveSocket } from '@massive.com/client-js'
import { restClient as polygonRest, websocketClient as polygonSocket } from '@polygon.io/client-js'
import { createEvent } from '../../src/market/events.ts'
import type { PolygonMarket } from '../../src/providers/polygon/markets.ts'
import { polygonVenue } from '../../src/testing/venue-polygon.ts'

const AT = Date.UTC(2024, 0, 15, 14, 30, 1, 208)
const base = { source: 'venue', timestamp: AT, nanos: 232_225 } as const
const trade = createEvent({
  ...{
    ...base,
    type: 'trade',
    symbol: 'SPY',
    price: 628.41,
    size: 3,
    id: 96_921,
    exchange: '4:202',
  },
  ...{ conditions: ['12', '37'], tape: 'B' },
})
const quote = createEvent({
  ...{ ...base, type: 'quote', symbol: 'SPY', bid: 628.4, bidSize: 200, ask: 628.42, askSize: 100 },
  ...{ bidExchange: '11', askExchange: '12', conditions: ['1', '604'], tape: 'B' },
})
const bar = createEvent({
  ...{ type: 'bar', symbol: 'SPY', source: 'venue', interval: '1m', revision: 0, final: true },
  ...{ open: 388.985, high: 389.13, low: 388.975, close: 389.12, volume: 49_378, vwap: 389.06 },
  ...{ tradeCount: 461, timestamp: Date.UTC(2024, 0, 15, 14, 30) },
})
const coin = createEvent({
  ...{
    ...base,
    type: 'trade',
    symbol: 'BTC/USD',
    price: 33_021.9,
    size: 0.016,
    id: 5,
    side: 'buy',
  },
  exchange: '3',
})

/** Longest wait for something that is to come, ms. */
const PATIENCE_MS = 10_000

async function until(what: string, done: () => boolean): Promise<void> {
  const start = performance.now()
  while (!done()) {
    assert.ok(performance.now() - start < PATIENCE_MS, `never: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

interface Socket {
  onmessage: ((event: { data: string }) => void) | null
  send(text: string): void
  close(): void
}

interface Client {
  readonly name: string
  socket(key: string, url: string, market: PolygonMarket): Socket
  /** Trades of SPY, oldest first. */
  trades(key: string, url: string): Promise<{ results?: { price: number; id: string }[] }>
}

/** Its arguments by place: the symbol, five bounds, the order. */
const FIRST = ['SPY', ...Array(5), 'asc'] as unknown as [string]

const CLIENTS: readonly Client[] = [
  {
    name: '@polygon.io/client-js',
    socket: (key, url, market) => polygonSocket(key, url)[market]() as unknown as Socket,
    trades: (key, url) => polygonRest(key, url).getStocksTrades(...FIRST) as never,
  },
  {
    name: '@massive.com/client-js',
    socket: (key, url, market) => massiveSocket(key, url)[market]() as unknown as Socket,
    trades: async (key, url) =>
      (await massiveRest(key, url).getStocksTrades({
        stockTicker: 'SPY',
        order: 'asc' as never,
      })) as never,
  },
]

for (const client of CLIENTS) {
  describe(`the official client ${client.name}`, () => {
    const venue = polygonVenue({ server: { accounts: { KEY: {} } } })
    const sockets: Socket[] = []
    after(async () => {
      for (const socket of sockets) socket.close()
      await venue.close()
    })

    /** Connects, and keeps what comes. */
    async function connect(key: string, market: PolygonMarket) {
      const { url } = await venue.listen()
      const socket = client.socket(key, url, market)
      sockets.push(socket)
      const heard: Record<string, unknown>[] = []
      socket.onmessage = ({ data }) => heard.push(...(JSON.parse(data) as typeof heard))
      const said = () =>
        heard.flatMap(({ status, message }) => (status ? `${status}: ${message}` : []))
      return { socket, heard, said }
    }

    test('connects, authenticates, subscribes and receives exact values', async () => {
      const { socket, heard, said } = await connect('KEY', 'stocks')
      await until('the key is taken', () => said().some(it => it.startsWith('auth_success')))
      socket.send(JSON.stringify({ action: 'subscribe', params: 'T.SPY,Q.SPY,AM.SPY' }))
      await until('all is subscribed', () => said().length === 5)
      assert.deepEqual(said().slice(2), [
        ...['success: subscribed to: T.SPY', 'success: subscribed to: Q.SPY'],
        'success: subscribed to: AM.SPY',
      ])
      venue.deliver([coin, trade, quote, bar])
      await until('the bar comes', () => heard.some(({ ev }) => ev === 'AM'))
      assert.deepEqual(heard.slice(5), [
        {
          ...{ ev: 'T', sym: 'SPY', x: 4, i: '96921', z: 2, p: 628.41, s: 3, c: [12, 37], t: AT },
          trfi: 202,
        },
        {
          ...{ ev: 'Q', sym: 'SPY', bx: 11, bp: 628.4, bs: 200, ax: 12, ap: 628.42, as: 100 },
          ...{ c: 1, i: [604], t: AT, z: 2 },
        },
        {
          ...{ ev: 'AM', sym: 'SPY', v: 49_378, vw: 389.06, o: 388.985, c: 389.12, h: 389.13 },
          ...{ l: 388.975, z: 107, s: bar.timestamp, e: bar.timestamp + 60_000 },
        },
      ])
      socket.send(JSON.stringify({ action: 'unsubscribe', params: 'T.SPY' }))
      await until('it is let go', () => said().includes('success: unsubscribed to: T.SPY'))
    })

    test('of crypto', async () => {
      const { socket, heard, said } = await connect('KEY', 'crypto')
      await until('the key is taken', () => said().some(it => it.startsWith('auth_success')))
      socket.send(JSON.stringify({ action: 'subscribe', params: 'XT.BTC-USD' }))
      await until('it is subscribed', () => said().length === 3)
      venue.deliver([trade, coin])
      await until('the trade comes', () => heard.some(({ ev }) => ev === 'XT'))
      const { pair, p, s, c, i } = heard.at(-1)!
      assert.deepEqual([pair, p, s, c, i], ['BTC-USD', 33_021.9, 0.016, [2], '5'])
    })

    test('with a wrong key hears so', async () => {
      const { said } = await connect('WRONG', 'stocks')
      await until('it is refused', () => said().includes('auth_failed: authentication failed'))
    })

    test('asks REST for what has been', async () => {
      const { httpUrl } = await venue.listen()
      const { results } = await client.trades('KEY', httpUrl)
      assert.ok(results && results.length >= 1)
      assert.deepEqual([results[0]!.price, results[0]!.id], [628.41, '96921'])
    })
  })
}
