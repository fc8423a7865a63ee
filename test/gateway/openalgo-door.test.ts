// OpenAlgo's protocol at the gateway: what a client of each mode hears of data of any source, and when it comes late.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { Flag, type MarketEvent } from '../../src/market/events.ts'
import { projectOpenAlgo } from '../../src/providers/openalgo/project.ts'
import { event, openStreamGateway, ScriptedFeed, type StreamGateway } from './stream-kit.ts'

// biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it checks
type Fields = Record<string, any>

/** A client of OpenAlgo's WebSocket. */
class Client {
  readonly heard: Fields[] = []
  readonly socket: WebSocket
  code: number | undefined

  constructor({ gateway }: StreamGateway, path = '/openalgo') {
    this.socket = new WebSocket(gateway.url.replace('http', 'ws') + path)
    this.socket.on('message', data => this.heard.push(JSON.parse(data.toString())))
    this.socket.on('error', () => {})
    this.socket.on('close', code => {
      this.code = code
    })
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message))
  }

  of(type: string): Fields[] {
    return this.heard.filter(one => one.type === type)
  }

  get data(): Fields[] {
    return this.of('market_data')
  }
}

async function welcomed(kit: StreamGateway, path?: string): Promise<Client> {
  const client = new Client(kit, path)
  await kit.until(() => client.socket.readyState === WebSocket.OPEN)
  client.say({ action: 'authenticate', api_key: 'any' })
  await kit.until(() => client.of('auth').length >= 1)
  return client
}

async function subscribed(kit: StreamGateway, mode: unknown, symbols: Fields[], more = {}) {
  const client = await welcomed(kit)
  client.say({ action: 'subscribe', symbols, mode, request_id: 'r1', ...more })
  await kit.until(() => client.of('subscribe').length >= 1)
  return client
}

async function withGateway(
  run: (kit: StreamGateway) => Promise<void>,
  feeds = [new ScriptedFeed()],
): Promise<void> {
  const kit = await openStreamGateway({ feeds })
  try {
    await run(kit)
  } finally {
    await kit.close()
  }
}

const SPY = { symbol: 'SPY', exchange: 'ARCA' }

describe('the door of OpenAlgo', () => {
  test('has a symbol under a few exchanges only, as each is a message more for each event', async () => {
    await withGateway(async kit => {
      const exchanges = Array.from({ length: 1_000 }, (_, i) => `X${i}`)
      const client = await subscribed(
        kit,
        1,
        exchanges.map(exchange => ({ symbol: 'SPY', exchange })),
      )
      const { subscriptions } = client.of('subscribe')[0]!
      const granted = subscriptions.filter((one: Fields) => one.status === 'success')
      assert.deepEqual(
        granted.map((one: Fields) => one.exchange),
        ['X0', 'X1', 'X2', 'X3'],
      )
      assert.match(subscriptions[4].message, /under 4 exchanges already/)
      kit.tape.append([event({ type: 'trade', symbol: 'SPY', price: 1, size: 1 })])
      await kit.until(() => client.data.length > 0)
      assert.equal(client.data.length, 4)
      // One that goes makes room.
      client.say({ action: 'unsubscribe', symbols: [{ symbol: 'SPY', exchange: 'X0', mode: 1 }] })
      client.say({ action: 'subscribe', symbols: [{ symbol: 'SPY', exchange: 'X9' }], mode: 1 })
      await kit.until(() => client.of('subscribe').length >= 2)
      assert.equal(client.of('subscribe')[1]!.status, 'success')
    })
  })

  test('goes on with what it has after many symbols have come and gone', async () => {
    await withGateway(async kit => {
      const client = await subscribed(kit, 1, [SPY])
      for (let i = 0; i < 300; i++) {
        const symbols = [{ symbol: `S${i}`, exchange: 'ARCA', mode: 1 }]
        client.say({ action: 'subscribe', symbols, mode: 1 })
        client.say({ action: 'unsubscribe', symbols })
      }
      await kit.until(() => client.of('unsubscribe').length === 300, 100)
      kit.tape.append([event({ type: 'trade', symbol: 'SPY', price: 7, size: 1 })])
      await kit.until(() => client.data.length > 0)
      assert.equal(client.data[0]!.data.ltp, 7)
    })
  })

  test('says what the data is, whose it is, and what it has', async () => {
    await withGateway(async kit => {
      const client = await welcomed(kit)
      const [auth] = client.of('auth')
      assert.equal(auth!.status, 'success')
      assert.match(auth!.message, /SIMULATED: invented prices, not real ones/)
      assert.equal(auth!.broker, 'test')
      client.say({ action: 'ping', timestamp: 5, _pingId: 7 })
      await kit.until(() => client.of('pong').length >= 1)
      assert.equal(client.of('pong')[0]!._pingId, 7)
    })
  })

  test('has three modes, each with what it is about, and says how things stand behind each event', async () => {
    await withGateway(async kit => {
      const clients = []
      for (const mode of [1, 'quote', 'Depth']) clients.push(await subscribed(kit, mode, [SPY]))
      const [ltp, quote, depth] = clients as [Client, Client, Client]
      const { subscriptions, status, request_id } = depth.of('subscribe')[0]!
      assert.deepEqual([status, request_id], ['success', 'r1'])
      assert.deepEqual(subscriptions, [
        { ...SPY, status: 'success', mode: 'Depth', depth: 5, broker: 'test' },
      ])
      const [symbol] = ['SPY']
      const all = [
        event({ type: 'trade', symbol, price: 100, size: 5 }),
        event({ type: 'quote', symbol, bid: 99, bidSize: 3, ask: 101, askSize: 4 }),
        event({
          type: 'ticker',
          symbol,
          open: 98,
          high: 102,
          low: 97,
          previousClose: 96,
          volume: 9,
        }),
        event({ type: 'book', symbol, snapshot: true, bids: [[99, 3]], asks: [[101, 4]] }),
        event({ type: 'book', symbol, snapshot: false, bids: [[98, 7]], asks: [[101, 0]] }),
        event({ type: 'trade', symbol, price: 101, size: 1 }),
      ]
      kit.tape.append(all)
      await kit.until(() => depth.data.length >= 6 && quote.data.length === 4)
      await kit.until(() => ltp.data.length >= 3)
      assert.deepEqual(
        ltp.data.map(({ mode, symbol, exchange, data }) => [
          mode,
          symbol,
          exchange,
          data.ltp,
          data.ltq,
        ]),
        [
          [1, 'SPY', 'ARCA', 100, 5],
          [1, 'SPY', 'ARCA', 100, 5],
          [1, 'SPY', 'ARCA', 101, 1],
        ],
      )
      const last = quote.data.at(-1)!
      assert.equal(last.mode, 2)
      const { open, high, low, close, volume, bid, ask, ltt, timestamp } = last.data
      assert.deepEqual([open, high, low, close, volume, bid, ask], [98, 102, 97, 96, 9, 99, 101])
      assert.deepEqual([ltt, timestamp], [all.at(-1)!.timestamp, all.at(-1)!.timestamp])
      assert.deepEqual(depth.data.at(-1)!.data.depth, {
        buy: [
          { price: 99, quantity: 3, orders: 0 },
          { price: 98, quantity: 7, orders: 0 },
        ],
        // Nothing is asked in the book: what the quote said of it is not made up for one.
        sell: [],
      })
    })
  })

  test('says at once how things stand to whoever comes late, and asks the venue once for all', async () => {
    await withGateway(async kit => {
      const first = await subscribed(kit, 3, [SPY])
      kit.tape.append([event({ type: 'trade', symbol: 'SPY', price: 100, size: 5 })])
      await kit.until(() => first.data.length >= 1)
      const second = await subscribed(kit, 1, [SPY])
      await kit.until(() => second.data.length >= 1)
      assert.equal(second.data[0]!.data.ltp, 100)
      const again = kit.feed.asked.filter(topic => topic === '+trade:SPY')
      assert.equal(again.length, 1)
    })
  })

  test('takes no late trade for the last price', async () => {
    await withGateway(async kit => {
      const client = await subscribed(kit, 1, [SPY])
      const now = event({ type: 'trade', symbol: 'SPY', price: 100, size: 5 })
      const late = { symbol: 'SPY', price: 7, size: 5, timestamp: now.timestamp - 5_000 }
      kit.tape.append([now, event({ type: 'trade', ...late, flags: Flag.repaired })])
      kit.tape.append([event({ type: 'trade', symbol: 'SPY', price: 101, size: 5 })])
      await kit.until(() => client.data.length >= 2)
      assert.deepEqual(
        client.data.map(({ data }) => data.ltp),
        [100, 101],
      )
    })
  })

  test('refuses what the source does not have, symbol by symbol, and never a share of the same name elsewhere', async () => {
    const feed = new ScriptedFeed('test', { kinds: ['trade', 'quote'] })
    await withGateway(
      async kit => {
        const symbols = [
          SPY,
          { symbol: 'NOSUCH', exchange: 'ARCA' },
          { symbol: 'INFY', exchange: 'NSE' },
        ]
        const client = await subscribed(kit, 2, [
          ...symbols,
          { symbol: 'REFUSED', exchange: 'ARCA' },
        ])
        const [ack] = client.of('subscribe')
        assert.deepEqual(
          ack!.subscriptions.map(({ status }: Fields) => status),
          ['success', 'error', 'success', 'success'],
        )
        // What the venue refuses later is told by another ack.
        await kit.until(() => client.of('subscribe').length >= 2)
        assert.equal(client.of('subscribe')[1]!.status, 'partial')
        assert.equal(client.of('subscribe')[1]!.subscriptions[0].symbol, 'REFUSED')
        assert.ok(kit.feed.asked.includes('+trade:NSE:INFY'))
        assert.ok(!kit.feed.asked.includes('+trade:INFY'))
        assert.ok(!kit.feed.asked.some(topic => topic.includes('ticker')))
      },
      [feed],
    )
  })

  test('lets go of one mode and goes on with the other', async () => {
    await withGateway(async kit => {
      const client = await subscribed(kit, 3, [SPY])
      client.say({ action: 'subscribe', symbols: [SPY], mode: 1 })
      await kit.until(() => client.of('subscribe').length >= 2)
      client.say({ action: 'unsubscribe', symbols: [{ ...SPY, mode: 3 }] })
      await kit.until(() => client.of('unsubscribe').length >= 1)
      const symbol = 'SPY'
      kit.tape.append([
        event({ type: 'quote', symbol, bid: 99, bidSize: 3, ask: 101, askSize: 4 }),
        event({ type: 'trade', symbol, price: 100, size: 5 }),
      ])
      await kit.until(() => client.data.length >= 1)
      assert.equal(client.data[0]!.mode, 1)
      client.say({ action: 'unsubscribe_all' })
      await kit.until(() => client.of('unsubscribe').length >= 2)
      await kit.until(() => kit.feed.asked.includes('-trade:SPY'), 500)
    })
  })

  test('sends away whoever shows no key, and answers what is no message', async () => {
    await withGateway(async kit => {
      const client = new Client(kit, '/openalgo/any/path')
      await kit.until(() => client.socket.readyState === WebSocket.OPEN)
      client.socket.send('no json')
      client.say({ action: 'subscribe', symbols: [SPY], mode: 1 })
      client.say({ action: 'nonsense' })
      await kit.until(() => client.heard.length >= 3)
      assert.deepEqual(
        client.heard.map(({ code }) => code),
        ['INVALID_JSON', 'NOT_AUTHENTICATED', 'NOT_AUTHENTICATED'],
      )
      await kit.until(() => client.code !== undefined, 500)
      assert.equal(client.code, 4_401)
    })
  })

  test('an answer nobody can write ends its own connection, and no other', async () => {
    await withGateway(async kit => {
      const good = await subscribed(kit, 1, [SPY])
      const bad = await welcomed(kit)
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
      bad.socket.send(`{"action":"subscribe","symbols":[],"mode":1,"request_id":${deep}}`)
      bad.socket.send(`{"action":"unsubscribe_orders","request_id":${deep}}`)
      await kit.until(() => bad.code !== undefined)
      assert.equal(bad.code, 1_011)
      kit.tape.append([event({ type: 'trade', symbol: 'SPY', price: 100, size: 5 })])
      await kit.until(() => good.data.length >= 1)
    })
  })

  test('hears exactly project(protocol, event) of what a native client hears', async () => {
    await withGateway(async kit => {
      const symbols = [SPY, { symbol: 'BTC/USD', exchange: 'CRYPTO' }]
      const clients = [
        await subscribed(kit, 1, symbols),
        await subscribed(kit, 2, symbols),
        await subscribed(kit, 3, symbols),
      ]
      const native = await kit.client()
      const kinds = ['trade', 'quote', 'ticker', 'book'] as const
      await native.subscribe({ kinds: [...kinds], symbols: ['SPY', 'BTC/USD'] })
      const events = ['SPY', 'BTC/USD'].flatMap(symbol => sessionOf(symbol))
      kit.tape.append(events.slice(0, 70))
      kit.tape.append(events.slice(70))
      await kit.until(() => native.events().length === events.length)
      for (const [i, client] of clients.entries()) {
        const mode = (['ltp', 'quote', 'depth'] as const)[i]!
        const projection = projectOpenAlgo(mode, 5)
        const expected = native.events().flatMap(one => {
          const data = projection(one)
          return data ? [[one.symbol, data]] : []
        })
        await kit.until(() => client.data.length >= expected.length)
        assert.deepEqual(
          client.data.map(({ symbol, data: { symbol: _, exchange: __, ...data } }) => [
            symbol,
            data,
          ]),
          JSON.parse(JSON.stringify(expected)),
          mode,
        )
      }
    })
  })
})

function sessionOf(symbol: string): MarketEvent[] {
  return Array.from({ length: 20 }, (_, i) => [
    event({ type: 'trade', symbol, price: 100 + i, size: 1 + i, id: i }),
    event({ type: 'quote', symbol, bid: 99 + i, bidSize: i, ask: 101 + i, askSize: 2 }),
    event({ type: 'ticker', symbol, open: 98, volume: i, ...(i % 3 ? { last: 100.5 + i } : {}) }),
    event({
      type: 'book',
      symbol,
      snapshot: i % 7 === 0,
      bids: [[99 - (i % 5), i + 1]],
      asks: [[101 + (i % 3), i % 4]],
    }),
    event({ type: 'trade', symbol, price: 1, size: 1, timestamp: 1, flags: Flag.late }),
  ]).flat()
}
