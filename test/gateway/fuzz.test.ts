// Random and mutated messages over every protocol, and random bytes on real sockets: no crash, no leak, nobody disturbed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { fuzz } from './fuzz.ts'
import { openStreamGateway, trades } from './stream-kit.ts'

test('200,000 messages: each is answered or passed over, and nothing is left', async () => {
  const { failures, frames, answers, data, heap } = await fuzz(200_000, 1)
  assert.deepEqual(failures, [])
  assert.ok(frames >= 200_000)
  // Most are understood as far as to be answered, and the clients do hear of the market.
  assert.ok(answers > 100_000 && data > 10_000, `${answers} answers, ${data} of data`)
  const grown = (heap[1] - heap[0]) / 1_048_576
  assert.ok(grown < 24, `${grown.toFixed(1)} MB more`)
})

const PATHS = ['/v1/stream', '/alpaca/v2/iex', '/polygon/stocks', '/openalgo', '/', '/polygon/v3/x']

test('random bytes on sockets end their own connection, and a good client has everything', async () => {
  const kit = await openStreamGateway()
  try {
    const good = await kit.client()
    await good.subscribe({ kinds: ['trade'], symbols: ['SPY'] })
    const random = seededRandom(11)
    const int = (below: number) => Math.floor(random() * below)
    let sent = 0
    for (let round = 0; round < 30; round++) {
      const sockets = Array.from({ length: 10 }, () => {
        const socket = connect(kit.gateway.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.resume()
        const path = PATHS[int(PATHS.length)]!
        const head =
          `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
        const cut = int(4) === 0 ? int(head.length) : head.length
        socket.write(head.slice(0, cut))
        for (let i = 0; i < 20; i++) socket.write(frame(int))
        return socket
      })
      kit.tape.append(trades(5))
      sent += 5
      await kit.until(() => good.events().length === sent)
      for (const socket of sockets) {
        const isGone = socket.destroyed || once(socket, 'close')
        socket.destroy()
        await isGone
      }
    }
    await kit.until(() => kit.gateway.inside.clients().length === 1)
    assert.equal(good.end, undefined)
  } finally {
    await kit.close()
  }
})

/** A frame as clients send them, or something like it. */
function frame(int: (below: number) => number): Buffer {
  const payload = Buffer.from(Array.from({ length: int(100) }, () => int(256)))
  const first = int(3) === 0 ? int(256) : [0x81, 0x82, 0x01, 0x80, 0x89, 0x88][int(6)]!
  const length = int(10) === 0 ? int(128) : payload.length
  return Buffer.concat([Buffer.from([first, 0x80 | length, 0, 0, 0, 0]), payload])
}
