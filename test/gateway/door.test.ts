// The door as a WebSocket meets it: what is refused before it opens, and what a key in its first message opens.
import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { revokeKey } from '../../src/gateway/keys.ts'
import { openTestGateway, type TestGateway } from './rest-kit.ts'

let at: TestGateway
afterEach(() => at.close())

interface Said {
  readonly type: string
  readonly code?: string
  readonly message?: string
  readonly hint?: string
  readonly needsKey?: boolean
  readonly nature?: string
  readonly banner?: string
  readonly scopes?: readonly string[]
}

class Socket {
  readonly said: Said[] = []
  closed: { code: number; reason: string } | undefined
  readonly socket: WebSocket

  constructor(headers: Record<string, string>, path: string) {
    this.socket = new WebSocket(`ws://127.0.0.1:${at.gateway.port}${path}`, { headers })
    this.socket.on('message', data => this.said.push(JSON.parse(`${data}`)))
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: `${reason}` }
    })
    this.socket.on('error', () => {})
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message))
  }

  of(type: string): Said | undefined {
    return this.said.find(one => one.type === type)
  }
}

const connect = (headers: Record<string, string> = {}, path = '/v1/stream') =>
  new Socket(headers, path)

async function until(isSo: () => unknown, ms = 0): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (isSo()) return
    await new Promise(resolve => setTimeout(resolve, 2))
    if (ms > 0) await at.clock.advance(ms)
  }
  assert.fail(`it never came to that: ${isSo}`)
}

/** Status and refusal of an upgrade that is not made. */
function refused(headers: Record<string, string>, path = '/v1/stream') {
  return new Promise<{ status: number; code: string; hint: string }>((resolve, reject) => {
    const { socket } = connect(headers, path)
    socket.on('open', () => reject(new Error('it opened')))
    socket.on('unexpected-response', (_, response) => {
      let text = ''
      response.on('data', data => {
        text += data
      })
      response.on('end', () => {
        const { code, hint } = JSON.parse(text).error
        resolve({ status: response.statusCode ?? 0, code, hint })
      })
    })
  })
}

describe('a WebSocket', () => {
  it('is refused before it opens, with the reason', async () => {
    at = await openTestGateway()
    const key = await at.newKey({ name: 'desk' })
    const wrong: [headers: Record<string, string>, path: string, status: number, code: string][] = [
      [{ host: 'rebound.example' }, '/v1/stream', 421, 'HOST_REFUSED'],
      [{ origin: 'https://evil.example' }, '/v1/stream', 403, 'ORIGIN_REFUSED'],
      [{ origin: 'null' }, '/v1/stream', 403, 'ORIGIN_REFUSED'],
      [{ origin: `http://localhost:${at.gateway.port}` }, '/v1/stream', 403, 'ORIGIN_REFUSED'],
      [{}, `/v1/stream?key=${key}`, 400, 'KEY_IN_URL'],
      [{}, `/v1/stream?x=${key}`, 400, 'KEY_IN_URL'],
      [{ authorization: 'Bearer nonsense' }, '/v1/stream', 401, 'KEY_REFUSED'],
      [{}, '/v1/streams', 404, 'NOT_FOUND'],
    ]
    for (const [headers, path, status, code] of wrong) {
      const answer = await refused(headers, path)
      assert.deepEqual(
        [answer.status, answer.code],
        [status, code],
        JSON.stringify([headers, path]),
      )
      assert.ok(answer.hint)
    }
    const own = connect({ origin: `http://127.0.0.1:${at.gateway.port}` })
    await until(() => own.of('hello'))
    const { nature, banner } = own.of('hello')!
    assert.deepEqual([nature, banner], ['simulated', 'SIMULATED: invented prices, not real ones'])
    own.socket.terminate()
  })

  it('shows its key in its first message, and is nobody before that', async () => {
    at = await openTestGateway({ admission: 'keys' })
    const key = await at.newKey({ name: 'desk', scopes: ['read'] })
    const rude = connect()
    await until(() => rude.of('hello'))
    assert.equal(rude.of('hello')!.needsKey, true)
    rude.send({ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['SPY'] })
    await until(() => rude.closed)
    assert.equal(rude.of('error')?.code, 'KEY_REQUIRED')
    assert.equal(rude.closed?.code, 4401)
    assert.equal(at.gateway.inside.upstream.size, 0)
    const wrong = connect()
    await until(() => wrong.of('hello'))
    wrong.send({ type: 'auth', key: `${key.slice(0, -2)}xx` })
    await until(() => wrong.closed)
    assert.deepEqual([wrong.of('error')?.code, wrong.closed?.code], ['KEY_REFUSED', 4401])
    const silent = connect()
    await until(() => silent.of('hello'))
    await until(() => silent.closed, 1_000)
    assert.equal(silent.of('error')?.code, 'KEY_REQUIRED')
    const right = connect()
    await until(() => right.of('hello'))
    right.send({ type: 'auth', key })
    await until(() => right.of('welcome'))
    assert.deepEqual(right.of('welcome')!.scopes, ['read'])
    right.send({ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['SPY'] })
    await until(() => right.of('events'), 10)
    right.socket.terminate()
  })

  it('ends when its key is revoked, and says so', async () => {
    at = await openTestGateway()
    const key = await at.newKey({ name: 'desk' })
    const one = connect({ authorization: `Bearer ${key}` })
    const other = connect()
    await until(() => one.of('welcome') && other.of('welcome'))
    await revokeKey(at.keysPath, 'desk', at.clock)
    await until(() => one.closed, 100)
    assert.equal(one.of('error')?.code, 'KEY_REFUSED')
    assert.match(one.closed!.reason, /the key desk was revoked at/)
    assert.equal(other.closed, undefined)
    other.socket.terminate()
  })

  it('hears of orders with the scope trade only, and until its key is revoked', async () => {
    at = await openTestGateway({ admission: 'keys' })
    const reader = await at.newKey({ name: 'reader', scopes: ['read'] })
    const trader = await at.newKey({ name: 'trader', scopes: ['trade'] })
    const heardBy = async (key: string, headers: Record<string, string> = {}) => {
      const said: string[] = []
      const one = new WebSocket(`ws://127.0.0.1:${at.gateway.port}/alpaca/stream`, { headers })
      let code: number | undefined
      one.on('message', data => said.push(`${data}`))
      one.on('close', it => {
        code = it
      })
      await until(() => one.readyState === WebSocket.OPEN)
      one.send(JSON.stringify({ action: 'auth', key: 'any', secret: key }))
      await until(() => said.length > 0)
      return { said: said[0]!, ended: () => code, end: () => one.terminate() }
    }
    const refused = await heardBy(reader)
    assert.match(refused.said, /"unauthorized"/)
    const alsoRefused = await heardBy('any', { authorization: `Bearer ${reader}` })
    assert.match(alsoRefused.said, /"unauthorized"/)
    const taken = await heardBy(trader)
    assert.match(taken.said, /"authorized"/)
    await revokeKey(at.keysPath, 'trader', at.clock)
    await until(() => taken.ended(), 100)
    assert.equal(taken.ended(), 4401)
    refused.end()
    alsoRefused.end()
  })

  it('has the scope, the connections and the symbols its key has', async () => {
    at = await openTestGateway()
    const key = await at.newKey({
      name: 'bot',
      scopes: ['read'],
      quotas: { connections: 1, symbols: 2 },
    })
    const past = await at.newKey({ name: 'past', scopes: ['history'] })
    const headers = { authorization: `Bearer ${key}` }
    const unread = connect({ authorization: `Bearer ${past}` })
    await until(() => unread.closed)
    assert.deepEqual([unread.of('error')?.code, unread.closed?.code], ['SCOPE_MISSING', 4401])
    const one = connect(headers)
    await until(() => one.of('welcome'))
    const second = await refused(headers)
    assert.deepEqual([second.status, second.code], [429, 'QUOTA_EXCEEDED'])
    one.send({ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['SPY', 'AAPL'] })
    one.send({ type: 'subscribe', id: 2, kinds: ['trade'], symbols: ['TSLA'] })
    await until(() => one.of('error'))
    assert.equal(one.of('error')?.code, 'QUOTA_EXCEEDED')
    assert.equal(one.closed, undefined)
    one.socket.terminate()
    await until(() => at.gateway.inside.clients().length === 0)
    const again = connect(headers)
    await until(() => again.of('welcome'))
    again.socket.terminate()
  })

  it('that is none, for its handshake is broken, counts no more when it has gone', async () => {
    at = await openTestGateway({ quotas: { connections: 1 } })
    const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    for (let i = 0; i < 3; i++) {
      const { status } = await at.ask('/v1/stream', { headers })
      assert.equal(status, 400)
    }
    const one = connect()
    await until(() => one.of('welcome'))
    one.socket.terminate()
  })

  it('is told to come again when the gateway ends', async () => {
    at = await openTestGateway()
    const one = connect()
    await until(() => one.of('welcome'))
    const closing = at.gateway.close()
    await until(() => one.closed, 10)
    await closing
    assert.equal(one.closed?.code, 1012)
  })
})
