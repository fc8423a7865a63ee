// Clients that mean harm, or are broken: each costs itself, and the others do not notice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { BURST_MESSAGES, TOPICS_A_MESSAGE } from '../../src/gateway/limits.ts'
import { openStreamGateway, type StreamGateway, type TestClient, trades } from './stream-kit.ts'

const PATHS = ['/v1/stream', '/alpaca/v2/iex', '/polygon/stocks', '/openalgo'] as const

/** Runs beside a good client, which must have all that came in the end. */
async function besideAGoodOne(
  run: (kit: StreamGateway) => Promise<void>,
  options: Parameters<typeof openStreamGateway>[0] = {},
): Promise<void> {
  const kit = await openStreamGateway(options)
  try {
    const good = await kit.client()
    await good.subscribe({ kinds: ['trade'], symbols: ['SPY'] })
    await served(kit, good)
    await run(kit)
    await served(kit, good)
    assert.equal(good.end, undefined)
  } finally {
    await kit.close()
  }
}

async function served({ tape, until }: StreamGateway, good: TestClient): Promise<void> {
  const before = good.events().length
  tape.append(trades(10))
  await until(() => good.events().length === before + 10)
}

/** A socket after the handshake: what is written are the bytes of frames. */
async function raw(kit: StreamGateway, path: string, headers = ''): Promise<Socket> {
  const socket = connect(kit.gateway.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}\r\n`,
  )
  await once(socket, 'data')
  return socket
}

/** A masked frame; the mask is 0, so the bytes stand as they are. */
function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 6 : 14)
  head[0] = first
  head[1] = 0x80 | (length < 126 ? length : 127)
  if (length >= 126) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

const clients = (kit: StreamGateway) => kit.gateway.inside.clients().length

const STORM_SYMBOLS = 1_000
const many = Array.from({ length: STORM_SYMBOLS }, (_, i) => `S${i}`)
const json = (value: object) => JSON.stringify(value)

interface Storm {
  /** In what answers each change. */
  readonly answer: string
  /** What has many symbols subscribed. */
  readonly begin: readonly string[]
  readonly change: (i: number) => readonly string[]
}

/** Small changes of a subscription of many symbols, where a protocol knows one; else subscriptions of many that come and go. */
const STORMS: Readonly<Record<string, Storm>> = {
  '/v1/stream': {
    answer: '"type":"subscribed"',
    begin: [json({ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['SPY'] })],
    change: i => [
      json({ type: 'subscribe', id: i + 2, kinds: ['trade'], symbols: many }),
      json({ type: 'unsubscribe', id: i + 2 }),
    ],
  },
  '/alpaca/v2/iex': {
    answer: '"T":"subscription"',
    begin: [
      json({ action: 'auth', key: 'a', secret: 'b' }),
      json({ action: 'subscribe', trades: many }),
    ],
    change: i => [json({ action: i % 2 === 0 ? 'subscribe' : 'unsubscribe', trades: ['SPY'] })],
  },
  '/polygon/stocks': {
    answer: 'subscribed to: T.',
    begin: [
      json({ action: 'auth', params: 'a' }),
      json({ action: 'subscribe', params: many.map(name => `T.${name}`).join() }),
    ],
    change: i => [json({ action: i % 2 === 0 ? 'subscribe' : 'unsubscribe', params: 'T.SPY' })],
  },
  '/openalgo': {
    answer: 'processing complete',
    begin: [
      json({ action: 'authenticate', api_key: 'a' }),
      json({
        ...{ action: 'subscribe', mode: 1 },
        symbols: many.map(symbol => ({ symbol, exchange: 'NASDAQ' })),
      }),
    ],
    change: i => [
      json({
        action: i % 2 === 0 ? 'subscribe' : 'unsubscribe',
        ...{ symbol: 'SPY', exchange: 'NASDAQ', mode: 1 },
      }),
    ],
  },
}

describe('beside a good client', () => {
  for (const path of PATHS) {
    test(`a flood at ${path} is read at its pace, and answered whole`, async () => {
      await besideAGoodOne(async kit => {
        const socket = new WebSocket(kit.gateway.url.replace('http', 'ws') + path)
        let answers = 0
        socket.on('message', () => void answers++)
        socket.on('error', () => {})
        await kit.until(() => socket.readyState === WebSocket.OPEN)
        const sent = 1_000
        const unknown = path === '/v1/stream' ? { type: 'unsubscribe', id: 7 } : { action: 'x' }
        // Small ones are read hundreds at a time, and large ones wait in the socket.
        const small = JSON.stringify(unknown)
        for (let i = 0; i < sent; i++) socket.send(i < 600 ? small : small.padEnd(4_096))
        const start = answers
        for (let i = 0; i < 100; i++) await new Promise(resolve => setTimeout(resolve, 1))
        // The hand-turned clock stands, so it gets nothing back of what it may send.
        assert.ok(answers - start < BURST_MESSAGES + 100, `${answers - start} answers`)
        await kit.until(() => answers - start >= sent, 100)
        socket.terminate()
      })
    })

    test(`frames that are none at ${path} end their own connection`, async () => {
      await besideAGoodOne(async kit => {
        const before = clients(kit)
        const bad: Readonly<Record<string, Buffer>> = {
          'too large': frame(0x81, Buffer.alloc(1_024 * 1_024 + 1)),
          'too large in pieces': Buffer.concat([
            frame(0x01, Buffer.alloc(700_000)),
            frame(0x80, Buffer.alloc(700_000)),
          ]),
          'in too many pieces': Buffer.concat([
            frame(0x01, Buffer.alloc(1)),
            ...Array.from({ length: 200_000 }, () => frame(0x00, Buffer.alloc(0))),
          ]),
          compressed: frame(0xc1, Buffer.from([0xaa, 0x56, 0x0a])),
          'not masked': Buffer.from([0x81, 0x01, 0x41]),
          'of no kind': frame(0x83, Buffer.from('x')),
          'a length beyond all': Buffer.from('81ffffffffffffffffff00000000', 'hex'),
        }
        for (const [name, bytes] of Object.entries(bad)) {
          const socket = await raw(kit, path, 'Sec-WebSocket-Extensions: permessage-deflate\r\n')
          assert.equal(clients(kit), before + 1, name)
          socket.resume()
          socket.write(bytes)
          await kit.until(() => clients(kit) === before).catch(() => assert.fail(`stays: ${name}`))
          socket.destroy()
        }
      })
    })

    test(`a client at ${path} that is not there any more is let go`, async () => {
      await besideAGoodOne(async kit => {
        const before = clients(kit)
        const socket = await raw(kit, path)
        socket.resume()
        await kit.until(() => clients(kit) === before, 1_000)
        socket.destroy()
      })
    })
  }

  for (const [path, storm] of Object.entries(STORMS)) {
    test(`a storm of changes of a large subscription at ${path} is carried out at its pace`, async () => {
      await besideAGoodOne(async kit => {
        const socket = new WebSocket(kit.gateway.url.replace('http', 'ws') + path)
        let done = 0
        socket.on('message', data => {
          if (String(data).includes(storm.answer)) done++
        })
        socket.on('error', () => {})
        await kit.until(() => socket.readyState === WebSocket.OPEN)
        for (const message of storm.begin) socket.send(message)
        await kit.until(() => done === 1)
        // All it may send at once is at hand again.
        await kit.clock.advance(10_000)
        const sent = 60
        for (let i = 0; i < sent; i++) for (const message of storm.change(i)) socket.send(message)
        for (let i = 0; i < 100; i++) await new Promise(resolve => setTimeout(resolve, 1))
        const most = BURST_MESSAGES / (STORM_SYMBOLS / TOPICS_A_MESSAGE) + 2
        assert.ok(done - 1 <= most, `${done - 1} changes at once`)
        assert.equal(clients(kit), 2)
        await kit.until(() => done - 1 === sent, 100)
        socket.terminate()
      })
    })
  }

  test('kinds beyond those there are end their own connection', async () => {
    await besideAGoodOne(async kit => {
      const client = await kit.client()
      const kinds = Array.from({ length: 100_000 }, () => 'trade')
      const symbols = Array.from({ length: 10_000 }, (_, i) => `S${i}`)
      client.say({ type: 'subscribe', id: 1, kinds, symbols })
      await kit.until(() => client.end !== undefined)
      assert.equal(client.end!.code, 4400)
      assert.match(client.end!.reason, /kinds/)
    })
  })

  test('a thousand connections at once all get in and out', async () => {
    await besideAGoodOne(async kit => {
      const before = clients(kit)
      const sockets = await Promise.all(
        Array.from({ length: 1_000 }, (_, i) => raw(kit, PATHS[i % PATHS.length]!)),
      )
      assert.equal(clients(kit), before + 1_000)
      for (const socket of sockets) socket.destroy()
      await kit.until(() => clients(kit) === before)
    })
  })

  test('a head that is too long is refused', async () => {
    await besideAGoodOne(async kit => {
      const socket = connect(kit.gateway.port, '127.0.0.1')
      socket.on('error', () => {})
      const [data] = await Promise.all([
        once(socket, 'data'),
        socket.write(
          `GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`,
        ),
      ])
      assert.match(String(data[0]), /^HTTP\/1\.1 431 /)
      socket.destroy()
    })
  })

  test('a head of many small headers is refused', async () => {
    await besideAGoodOne(async kit => {
      const socket = connect(kit.gateway.port, '127.0.0.1')
      socket.on('error', () => {})
      const headers = Array.from({ length: 5_000 }, (_, i) => `X-${i}: ${i}\r\n`).join('')
      const [data] = await Promise.all([
        once(socket, 'data'),
        socket.write(`GET /openalgo HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`),
      ])
      assert.match(String(data[0]), /^HTTP\/1\.1 431 /)
      socket.destroy()
    })
  })

  test('a head that does not come to its end is not waited for', async () => {
    const limits = { headersTimeout: 150, requestTimeout: 300, connectionsCheckingInterval: 50 }
    await besideAGoodOne(
      async kit => {
        for (const begin of ['GET /v1/stream HTTP/1.1\r\nHost: loc', '']) {
          const socket = connect(kit.gateway.port, '127.0.0.1')
          socket.on('error', () => {})
          socket.resume()
          const closed = once(socket, 'close')
          socket.write(begin)
          await closed
        }
      },
      { limits },
    )
  })

  test('connections beyond the most there may be are closed as they come', async () => {
    await besideAGoodOne(
      async kit => {
        const sockets = [await raw(kit, '/openalgo'), await raw(kit, '/openalgo')]
        const surplus = connect(kit.gateway.port, '127.0.0.1')
        surplus.on('error', () => {})
        surplus.resume()
        await once(surplus, 'close')
        for (const socket of sockets) socket.destroy()
      },
      { limits: { maxConnections: 3 } },
    )
  })
})
