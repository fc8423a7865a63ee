import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { WebSocketServer } from 'ws'
import { systemClock } from '../../src/base/clock.ts'
import type { TickwireError } from '../../src/base/errors.ts'
import { openHttp } from '../../src/base/http-network.ts'
import { type NetworkOptions, networkOf, parseProxy, unreachable } from '../../src/base/network.ts'
import { reach } from '../../src/base/reach.ts'
import { type SocketEnd, webSockets } from '../../src/base/socket.ts'

const file = (name: string) =>
  readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8')
const ca = file('localhost.pem')
const tls = { key: file('localhost-key.pem'), cert: ca }

/** Listens until the test is over; whatever is connected then is cut. */
async function listen(t: TestContext, server: Server | ReturnType<typeof createNetServer>) {
  const ends = new Set<Socket>()
  server.on('connection', (end: Socket) => {
    ends.add(end)
    end.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const end of ends) end.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A server of WebSockets that says `hello`, over TLS or not, and answers plain requests with `here`. */
async function venue(t: TestContext, secure = false): Promise<number> {
  const answer = (_: unknown, response: { end(text: string): void }) => response.end('here')
  const server = secure ? createTlsServer(tls, answer) : createServer(answer)
  new WebSocketServer({ server }).on('connection', socket => {
    socket.send('hello')
    socket.on('message', data => socket.send(data))
  })
  return listen(t, server)
}

interface ProxyOptions {
  /** `user:password` it wants. */
  readonly wants?: string
  /** What it answers instead of making a tunnel. */
  readonly status?: number
  readonly secure?: boolean
  /** Never answers. */
  readonly mute?: boolean
}

/** A real proxy that makes tunnels, and what it was asked for. */
async function proxy(t: TestContext, options: ProxyOptions = {}) {
  const asked: string[] = []
  const server = options.secure ? createTlsServer(tls) : createServer()
  const basic = options.wants && `Basic ${Buffer.from(options.wants).toString('base64')}`
  let gone = 0
  server.on('connect', (request, socket: Socket) => {
    asked.push(request.url ?? '')
    socket.on('error', () => {})
    socket.on('end', () => gone++)
    if (options.mute) return void socket.resume()
    const known = basic === undefined || request.headers['proxy-authorization'] === basic
    const status = options.status ?? (known ? 200 : 407)
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
    const { hostname, port } = new URL(`http://${request.url}`)
    const far = connect(Number(port), hostname === 'localhost' ? '127.0.0.1' : hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      far.pipe(socket).pipe(far)
    })
    far.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
  })
  const port = await listen(t, server)
  return { port, asked, gone: () => gone, address: `http://127.0.0.1:${port}` }
}

/** Opens a WebSocket and resolves with what it heard first, or how it ended. */
function hear(url: string, options: NetworkOptions): Promise<string | SocketEnd> {
  return new Promise(resolve => {
    const request = { url, headers: {}, maxFrameBytes: 1_000, handshakeTimeoutMs: 5_000 }
    const events = {
      opened: () => {},
      frame: (data: Uint8Array) => {
        resolve(Buffer.from(data).toString())
        socket.close()
      },
      pong: () => {},
      closed: resolve,
    }
    const socket = webSockets(options)(request, events, systemClock())
  })
}

async function get(url: string, options: NetworkOptions): Promise<string> {
  const { signal } = new AbortController()
  const { body } = await openHttp(options)({ url, headers: {}, maxBytes: 1_000, signal })
  return Buffer.from(body).toString()
}

const look = (url: string, options: NetworkOptions, signal = new AbortController().signal) =>
  reach(new URL(url), networkOf(options), signal)

const unexpected = () => assert.fail('it was reached')

/** The error a WebSocket, a request and a look end with: they tell the same. */
async function refusals(t: TestContext, options: NetworkOptions): Promise<TickwireError[]> {
  const port = await venue(t)
  const end = (await hear(`ws://127.0.0.1:${port}/`, options)) as SocketEnd
  const thrown = (error: unknown) => error as TickwireError
  const http = await get(`http://127.0.0.1:${port}/`, options).then(unexpected, thrown)
  const looked = await look(`ws://127.0.0.1:${port}/`, options).then(unexpected, thrown)
  return [end.error as TickwireError, http, looked]
}

describe('a proxy', () => {
  it('carries WebSockets, requests and looks by a tunnel, with its user and password', async t => {
    const [port, way] = [await venue(t), await proxy(t, { wants: 'me:p@ss' })]
    const options = { proxy: `http://me:p%40ss@127.0.0.1:${way.port}` }
    assert.equal(await hear(`ws://127.0.0.1:${port}/`, options), 'hello')
    assert.equal(await get(`http://127.0.0.1:${port}/`, options), 'here')
    const reached = await look(`ws://127.0.0.1:${port}/`, options)
    assert.deepEqual(reached, {
      ...{ address: '127.0.0.1', proxy: `127.0.0.1:${way.port}`, tls: undefined },
    })
    assert.deepEqual(way.asked, Array(3).fill(`127.0.0.1:${port}`))
  })

  it('sees nothing of TLS, and may speak it itself; only trusted certificates will do', async t => {
    const port = await venue(t, true)
    const [plain, secure] = [await proxy(t), await proxy(t, { secure: true })]
    const [ws, https] = [`wss://localhost:${port}/`, `https://localhost:${port}/`]
    for (const address of [undefined, plain.address, `https://localhost:${secure.port}`]) {
      const options = { proxy: address, ca }
      assert.equal(await hear(ws, options), 'hello', address)
      assert.equal(await get(https, options), 'here', address)
      assert.match((await look(ws, options)).tls!, /^TLSv1/)
      const untrusted = (await hear(ws, { proxy: address })) as SocketEnd
      assert.ok(untrusted.error, address)
      await assert.rejects(look(ws, { proxy: address }), (error: TickwireError) => {
        return error.code === 'UNREACHABLE' && /certificate.*ca/.test(error.hint ?? '')
      })
    }
  })

  it('that wants another password says so, without repeating the one it got', async t => {
    const { port } = await proxy(t, { wants: 'me:right' })
    const errors = await refusals(t, { proxy: `http://me:wrong@127.0.0.1:${port}` })
    for (const error of errors) {
      assert.equal(error.code, 'PROXY_REFUSED')
      assert.match(
        error.message,
        /^the proxy 127\.0\.0\.1:\d+ makes no tunnel .* HTTP 407, it wants/,
      )
      assert.match(error.hint!, /http:\/\/user:password@host:port/)
      assert.ok(error.fatal && !`${error.message}${error.hint}`.includes('wrong'))
    }
  })

  it('that forbids the host, does not reach it, or is no proxy, each says its own', async t => {
    const forbids = await proxy(t, { status: 403 })
    const vain = await proxy(t, { status: 502 })
    for (const error of await refusals(t, { proxy: forbids.address })) {
      assert.equal(error.code, 'PROXY_REFUSED')
      assert.match(error.hint!, /noProxy/)
    }
    for (const error of await refusals(t, { proxy: vain.address })) {
      assert.equal(error.code, 'UNREACHABLE')
      assert.match(error.message, /HTTP 502/)
      assert.equal(error.fatal, false)
    }
    const server = createNetServer(end => {
      end.once('data', () =>
        end.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n'),
      )
    })
    const port = await listen(t, server)
    for (const error of await refusals(t, { proxy: `http://127.0.0.1:${port}` })) {
      assert.equal(error.code, 'PROXY_REFUSED')
      assert.match(error.message, /HTTP 405/)
    }
  })

  it('that is not there is named as the one that is not', async t => {
    for (const error of await refusals(t, { proxy: 'http://127.0.0.1:1' })) {
      assert.equal(error.code, 'UNREACHABLE')
      assert.equal(error.message, 'the proxy 127.0.0.1:1: connection refused')
    }
  })

  it('is let go of when the socket, or a look, is given up before there is a tunnel', async t => {
    const way = await proxy(t, { mute: true })
    const closed = new Promise<SocketEnd>(resolve => {
      const request = {
        ...{ url: 'ws://127.0.0.1:9/', headers: {}, maxFrameBytes: 1_000 },
        handshakeTimeoutMs: 60_000,
      }
      const events = { opened: () => {}, frame: () => {}, pong: () => {}, closed: resolve }
      const socket = webSockets({ proxy: way.address })(request, events, systemClock())
      setTimeout(() => socket.terminate(), 50)
    })
    assert.equal((await closed).code, 1006)
    const control = new AbortController()
    const looking = look('ws://127.0.0.1:9/', { proxy: way.address }, control.signal)
    setTimeout(() => control.abort(new Error('enough')), 50)
    await assert.rejects(looking, /enough/)
    while (way.gone() < 2) await new Promise(resolve => setTimeout(resolve, 5))
  })

  it('may be another one for each protocol, and is none for hosts that are excepted', () => {
    const by = (options: NetworkOptions, url: string) =>
      networkOf(options).proxyFor(new URL(url))?.host
    const both = { proxy: { http: 'http://a:1', https: 'http://b:2' } }
    assert.deepEqual(
      ['ws://x/', 'http://x/', 'wss://x/', 'https://x/'].map(url => by(both, url)),
      ['a:1', 'a:1', 'b:2', 'b:2'],
    )
    assert.equal(by({ proxy: { https: 'http://b:2' } }, 'ws://x/'), undefined)
    const noProxy = 'localhost, .example.com test.org,*.net 10.0.0.1:8080,[::1]'
    const one = { proxy: 'http://a:1', noProxy }
    for (const [url, direct] of [
      ...(['ws://localhost:9001/', 'wss://example.com/', 'wss://a.b.example.com/'] as const),
      ...(['wss://TEST.org/', 'wss://www.test.org/', 'wss://x.net/'] as const),
      ...(['ws://10.0.0.1:8080/', 'ws://[::1]:80/'] as const),
    ].map(url => [url, true] as const)) {
      assert.equal(by(one, url) === undefined, direct, url)
    }
    for (const url of [
      'ws://10.0.0.1/',
      'wss://notexample.com/',
      'wss://test.org.evil/',
      'ws://[::2]/',
    ]) {
      assert.equal(by(one, url), 'a:1', url)
    }
    assert.equal(by({ proxy: 'http://a:1', noProxy: '*' }, 'wss://x/'), undefined)
  })

  it('that is no address is refused without repeating it', () => {
    for (const text of [
      'user:word@host:80',
      'socks5://word:1',
      'word',
      'http://word%zz:x@host:1',
    ]) {
      assert.throws(
        () => parseProxy(text),
        (error: TickwireError) => error.code === 'BAD_OPTION' && !/word[^s]/.test(error.message),
        text,
      )
    }
  })
})

describe('a look at a server', () => {
  it('tells a closed port from a name nobody has', async () => {
    const error = (thrown: unknown) => thrown as TickwireError
    const closed = await look('ws://127.0.0.1:1/', {}).then(unexpected, error)
    assert.deepEqual(
      [closed.code, closed.message],
      ['UNREACHABLE', '127.0.0.1:1: connection refused'],
    )
    const lookup = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })
    assert.equal(unreachable('nobody.test', lookup).message, 'nobody.test: no such host')
  })
})
