import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/base/clock.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { networkOf } from '../../src/base/network.ts'
import { loadConfig } from '../../src/cli/config.ts'
import { networkOptions } from '../../src/cli/network.ts'
import { simulated } from '../../src/providers/simulated/provider.ts'
import { feedFrom } from '../../src/testing/venue-market.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { tempFolder } from '../tape/kit.ts'
import { cli, lines } from './child.ts'

const PEM = fileURLToPath(new URL('../fixtures/tls/localhost.pem', import.meta.url))

const wayTo = (url: string, env: Record<string, string>, settings = {}) =>
  networkOf(networkOptions(settings, env, '/nowhere')).proxyFor(new URL(url))?.host

test('the environment names a proxy for each protocol, in lower case first, never for this machine', () => {
  const env = {
    HTTPS_PROXY: 'http://a:1',
    HTTP_PROXY: 'b:2',
    http_proxy: 'c:3',
    NO_PROXY: 'x.test',
  }
  assert.equal(wayTo('wss://venue.test/', env), 'a:1')
  assert.equal(wayTo('ws://venue.test/', env), 'c:3')
  assert.equal(wayTo('wss://x.test/', env), undefined)
  assert.equal(wayTo('ws://127.0.0.1:9001/', env), undefined)
  assert.equal(wayTo('wss://venue.test/', { HTTP_PROXY: 'b:2', HTTPS_PROXY: '' }), undefined)
})

test('the settings win over the environment, and are meant as they stand', () => {
  const env = { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'venue.test' }
  const settings = { proxy: 'd:4', except: 'x.test' }
  assert.equal(wayTo('wss://venue.test/', env, settings), 'd:4')
  assert.equal(wayTo('ws://127.0.0.1:9001/', env, settings), 'd:4')
  assert.equal(wayTo('wss://x.test/', env, settings), undefined)
  assert.equal(wayTo('wss://venue.test/', env, { except: 'x.test' }), 'a:1')
  const { reachedBy } = loadConfig({
    ...{ argv: [], env: { TICKWIRE_NETWORK_PROXY: 'e:5' }, cwd: '/nowhere' },
  })
  assert.deepEqual(reachedBy, { proxy: 'http://e:5' })
})

test('a wrong proxy is told by the name of its variable, and its password is not', () => {
  for (const [env, settings, name] of [
    [{ HTTPS_PROXY: 'socks5://me:hidden@host:1' }, {}, 'HTTPS_PROXY'],
    [{ http_proxy: 'http://me:hid%den@host:1' }, {}, 'http_proxy'],
    [{}, { proxy: 'ftp://me:hidden@host' }, 'network.proxy'],
  ] as const) {
    assert.throws(
      () => networkOptions(settings, env, '/nowhere'),
      (error: unknown) => {
        assert.ok(error instanceof TickwireError)
        assert.equal(error.code, 'BAD_CONFIG')
        assert.ok(error.message.startsWith(`${name} is no address`), error.message)
        return !`${error.message}${error.hint}`.includes('hid')
      },
    )
  }
})

test('certificates are read from a file, which must hold some', t => {
  const cwd = tempFolder(t)
  assert.equal(networkOptions({ ca: PEM }, {}, cwd).ca, readFileSync(PEM, 'utf8'))
  assert.throws(() => networkOptions({ ca: 'none.pem' }, {}, cwd), /none\.pem cannot be read/)
  writeFileSync(join(cwd, 'key.pem'), 'hello')
  assert.throws(() => networkOptions({ ca: 'key.pem' }, {}, cwd), /no certificate in key\.pem/)
})

/** A proxy on this machine that wants a password, and what it was asked for. */
async function proxy(t: TestContext) {
  const asked: string[] = []
  const server = createServer()
  const ends: Socket[] = []
  server.on('connect', (request, socket: Socket) => {
    const known = request.headers['proxy-authorization'] === `Basic ${btoa('me:word')}`
    asked.push(`${request.url} ${known}`)
    socket.on('error', () => {})
    ends.push(socket)
    if (!known) return void socket.end('HTTP/1.1 407 No\r\n\r\n')
    const [host, port] = request.url!.split(':')
    const far = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      far.pipe(socket).pipe(far)
    })
    far.on('error', () => {})
    ends.push(far)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const end of ends) end.destroy()
    server.close()
  })
  return { asked, port: (server.address() as AddressInfo).port }
}

test('`tickwire stream` goes through a proxy, and says what is wrong with one', async t => {
  const venue = scriptedVenue({ clock: systemClock() })
  const { url, port } = await venue.listen()
  const feed = feedFrom(simulated({ rate: 500 }), venue, { request: { trades: ['SPY'] } })
  t.after(async () => {
    await feed.close()
    await venue.close()
  })
  const way = await proxy(t)
  const keys = { APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 's3cret-s3cret' }
  const stream = (password: string) =>
    cli(['stream', 'SPY', '-p', 'alpaca', '--limit', '3'], {
      env: {
        ...keys,
        TICKWIRE_ALPACA_URL: `${url}/v2/iex`,
        TICKWIRE_NETWORK_PROXY: `http://me:${password}@127.0.0.1:${way.port}`,
      },
    })
  const right = await stream('word')
  assert.equal(right.code, 0, right.stderr)
  assert.equal(lines(right.stdout).length, 3)
  assert.deepEqual(way.asked, [`127.0.0.1:${port} true`])
  const wrong = await stream('other')
  assert.equal(wrong.code, 5, wrong.stderr)
  assert.match(
    wrong.stderr,
    /^tickwire: the proxy 127\.0\.0\.1:\d+ makes no tunnel to .* HTTP 407/m,
  )
  assert.match(wrong.stderr, /^ {2}→ .*user:password@/m)
  assert.ok(!wrong.stderr.includes('other'))
})
