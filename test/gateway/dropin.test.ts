// Vendors' protocols at the gateway, word by word: keys, refusals, changes of mind, slow clients.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { TickwireError } from '../../src/base/errors.ts'
import type { Guest } from '../../src/gateway/context.ts'
import { event, guest, openStreamGateway, type StreamGateway, trades } from './stream-kit.ts'

type Fields = Record<string, unknown>

/** A client that says what a test tells it to, in JSON. */
class VendorClient {
  readonly heard: Fields[] = []
  readonly socket: WebSocket
  code: number | undefined
  status: number | undefined

  constructor({ gateway }: StreamGateway, path: string) {
    this.socket = new WebSocket(gateway.url.replace('http', 'ws') + path)
    this.socket.on('message', data => this.heard.push(...(JSON.parse(data.toString()) as Fields[])))
    this.socket.on('unexpected-response', (_, { statusCode }) => {
      this.status = statusCode
    })
    this.socket.on('error', () => {})
    this.socket.on('close', code => {
      this.code = code
    })
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message))
  }

  of(type: string): Fields[] {
    return this.heard.filter(({ T, ev }) => T === type || ev === type)
  }
}

async function alpaca(kit: StreamGateway, path = '/alpaca/v2/iex', secret = 'any') {
  const client = new VendorClient(kit, path)
  await kit.until(() => client.heard.length === 1 || client.status !== undefined)
  if (client.status === undefined) client.say({ action: 'auth', key: 'any', secret })
  await kit.until(() => client.heard.length === 2 || client.status !== undefined)
  return client
}

async function withGateway(
  options: Parameters<typeof openStreamGateway>[0],
  run: (kit: StreamGateway) => Promise<void>,
): Promise<void> {
  const kit = await openStreamGateway(options)
  try {
    await run(kit)
  } finally {
    await kit.close()
  }
}

const seqs = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)

describe('a vendor protocol', () => {
  test('takes a key of ours in its own auth message, and no other where one is needed', async () => {
    const guests: Guest[] = []
    const access = {
      upgrade: () => undefined,
      authenticate(key: string) {
        if (key !== 'tw_good') throw new TickwireError('KEY_REFUSED', 'no such key')
        guests.push(guest())
        return guests[0]!
      },
    }
    await withGateway({ access }, async kit => {
      const codes = []
      for (const secret of ['any', 'tw_bad', 'tw_good']) {
        const client = await alpaca(kit, undefined, secret)
        codes.push(client.heard[1]!.code ?? client.heard[1]!.msg)
        client.socket.terminate()
      }
      assert.deepEqual(codes, [402, 402, 'authenticated'])
      const polygon = new VendorClient(kit, '/polygon/stocks')
      await kit.until(() => polygon.heard.length === 1)
      polygon.say({ action: 'subscribe', params: 'T.SPY' })
      polygon.say({ action: 'auth', params: 'tw_bad' })
      await kit.until(() => polygon.heard.length === 2)
      assert.equal(polygon.heard[1]!.status, 'auth_failed')
      assert.deepEqual(kit.feed.asked, [])
      polygon.socket.terminate()
    })
  })

  test('is at the paths it has, for the source that is named', async () => {
    await withGateway({}, async kit => {
      for (const path of [
        '/alpaca/v2/nowhere',
        '/polygon/',
        '/alpaca/v2/iex?source=no',
        '/x/v2/iex',
      ]) {
        const client = new VendorClient(kit, path)
        await kit.until(() => client.status !== undefined)
        assert.ok(client.status! >= 400, path)
      }
      assert.equal(kit.gateway.inside.clients().length, 0)
      const client = await alpaca(kit, '/alpaca/v2/iex?source=test')
      assert.equal(client.heard[1]!.msg, 'authenticated')
      client.socket.terminate()
    })
  })

  test('takes back what cannot be had, and says so', async () => {
    const access = { upgrade: () => guest({ maxSymbols: 2 }) }
    await withGateway({ access }, async kit => {
      const client = await alpaca(kit)
      client.say({ action: 'subscribe', trades: ['SPY', 'REFUSED'], quotes: ['NOSUCH'] })
      await kit.until(() => client.of('error').length === 2)
      assert.deepEqual(
        client.of('error').map(({ code }) => code),
        [400, 409],
      )
      await kit.until(() => client.of('subscription').length >= 3)
      assert.deepEqual(client.of('subscription').at(-1)!.trades, ['SPY'])
      assert.deepEqual(client.of('subscription').at(-1)!.quotes, [])
      client.say({ action: 'subscribe', bars: ['AAPL', 'TSLA'] })
      await kit.until(() => client.of('error').length === 3)
      assert.equal(client.of('error')[2]!.code, 405)
      kit.tape.append(trades(1))
      await kit.until(() => client.of('t').length === 1)
      client.socket.terminate()
      await kit.until(() => kit.gateway.inside.clients().length === 0, 50)
      await kit.until(() => kit.feed.asked.includes('-trade:SPY'), 500)
    })
  })

  test('changes its subscription in the middle without a loss or a repeat', async () => {
    await withGateway({}, async kit => {
      const client = await alpaca(kit)
      client.say({ action: 'subscribe', trades: ['SPY'] })
      await kit.until(() => client.of('subscription').length === 1)
      let sent = 0
      for (let i = 0; i < 20; i++) {
        kit.tape.append(
          seqs(sent, 10).map(id => event({ type: 'trade', symbol: 'SPY', price: 1, size: 1, id })),
        )
        sent += 10
        client.say({ action: i % 2 ? 'unsubscribe' : 'subscribe', quotes: [`S${i >> 1}`] })
        await kit.until(() => client.of('subscription').length === i + 2)
      }
      await kit.until(() => client.of('t').length >= sent)
      assert.deepEqual(
        client.of('t').map(({ i }) => i),
        seqs(0, sent),
      )
      assert.equal(kit.feed.asked.filter(it => it === '+trade:SPY').length, 1)
      client.socket.terminate()
    })
  })

  test('changes it while something is collected, and while the client is slow, without a loss or a repeat', async () => {
    await withGateway({}, async kit => {
      const client = await alpaca(kit)
      client.say({ action: 'subscribe', trades: ['SPY'] })
      await kit.until(() => client.of('subscription').length === 1)
      let sent = 0
      const send = (count: number) => {
        const ids = seqs(sent, count)
        kit.tape.append(
          ids.map(id => event({ type: 'trade', symbol: 'SPY', price: 1, size: 1, id })),
        )
        sent += count
      }
      const quiet = () => new Promise(resolve => setTimeout(resolve, 20))
      // The clock stands: the second is collected for a tick that does not come.
      for (let i = 0; i < 2; i++) {
        send(1)
        await quiet()
      }
      client.say({ action: 'subscribe', quotes: ['A'] })
      await kit.until(() => client.of('subscription').length === 2)
      client.socket.pause()
      const isSlow = () => kit.gateway.inside.clients()[0]!.isSlow
      while (!isSlow()) {
        send(2_000)
        await kit.until(() => kit.gateway.inside.hub.seq === sent)
      }
      send(100)
      client.say({ action: 'subscribe', quotes: ['B'] })
      await kit.until(() => kit.feed.asked.includes('+quote:B'))
      send(100)
      client.socket.resume()
      await kit.until(() => client.of('t').length >= sent)
      assert.deepEqual(
        client.of('t').map(({ i }) => i),
        seqs(0, sent),
      )
      assert.deepEqual(client.of('subscription').at(-1)!.quotes, ['A', 'B'])
      client.socket.terminate()
    })
  })

  test('tells who comes late how books and quotes stand, and no trade twice', async () => {
    await withGateway({}, async kit => {
      const symbol = 'BTC/USD'
      kit.tape.append([
        event({ type: 'trade', symbol, price: 1, size: 1, id: 1 }),
        event({ type: 'quote', symbol, bid: 1, bidSize: 2, ask: 3, askSize: 4 }),
        event({ type: 'book', symbol, bids: [[1, 2]], asks: [[3, 4]], snapshot: true }),
        event({
          type: 'book',
          symbol,
          bids: [
            [1, 0],
            [2, 5],
          ],
          asks: [],
          snapshot: false,
        }),
      ])
      const client = await alpaca(kit, '/alpaca/v1beta3/crypto/us')
      await kit.until(() => kit.gateway.inside.hub.seq === 4)
      const lists = { trades: [symbol], quotes: [symbol], orderbooks: [symbol] }
      client.say({ action: 'subscribe', ...lists })
      await kit.until(() => client.of('o').length > 0 && client.of('q').length > 0)
      const [book] = client.of('o')
      assert.deepEqual([book!.b, book!.a, book!.r], [[{ p: 2, s: 5 }], [{ p: 3, s: 4 }], true])
      assert.equal(client.of('t').length, 0)
      // Saying it again gives nothing again.
      client.say({ action: 'subscribe', ...lists })
      await kit.until(() => client.of('subscription').length === 2)
      assert.deepEqual([client.of('o').length, client.of('q').length], [1, 1])
      client.socket.terminate()
    })
  })

  test('that is read too slowly ends with the word for it, and others do not notice', async () => {
    await withGateway({}, async kit => {
      const [slow, quick] = [await alpaca(kit), await alpaca(kit)]
      for (const one of [slow, quick]) one.say({ action: 'subscribe', trades: ['SPY'] })
      await kit.until(() => [slow, quick].every(it => it.of('subscription').length === 1))
      slow.socket.pause()
      let sent = 0
      while (kit.gateway.inside.clients().length === 2) {
        assert.ok(sent < 1_000_000, 'the slow one stays')
        kit.tape.append(trades(2_000))
        sent += 2_000
        await kit.until(() => quick.of('t').length === sent)
      }
      slow.socket.resume()
      await kit.until(() => slow.code !== undefined, 50)
      assert.equal(slow.heard.at(-1)!.code, 407)
      quick.socket.terminate()
    })
  })
})
