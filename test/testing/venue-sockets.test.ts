// Faults as they look on a real socket; what they do to a feed is tested in memory.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { alpaca } from '../../src/providers/alpaca/index.ts'
import { alpacaServer } from '../../src/providers/alpaca/server.ts'
import { handClock } from '../../src/testing/clock.ts'
import { startVenue } from '../../src/testing/venue.ts'
import { type ScriptedVenueOptions, scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { tradeOf } from './venue-kit.ts'

const venues: { close(): Promise<void> }[] = []
after(() => Promise.all(venues.map(venue => venue.close())))

async function setUp(options: ScriptedVenueOptions = {}) {
  const venue = scriptedVenue(options)
  venues.push(venue)
  const { url, httpUrl, port } = await venue.listen()
  const connect = () => new Client(`${url}/v2/iex`)
  const member = async () => {
    const client = connect()
    await client.heard(/connected/)
    client.socket.send('{"action":"auth","key":"PK","secret":"s"}')
    await client.heard(/authenticated/)
    client.socket.send('{"action":"subscribe","trades":["SPY"]}')
    await client.heard(/subscription/)
    return client
  }
  return { venue, url, httpUrl, port, connect, member }
}

class Client {
  readonly socket: WebSocket
  readonly frames: string[] = []
  error: (Error & { code?: string }) | undefined
  status = 0
  retryAfter: string | undefined
  closed: number | undefined
  pongs = 0

  constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 1_024 * 1_024 })
    this.socket.on('message', data => this.frames.push(String(data)))
    this.socket.on('pong', () => this.pongs++)
    this.socket.on('error', error => {
      this.error ??= error
    })
    this.socket.on('unexpected-response', (_, response) => {
      this.status = response.statusCode ?? 0
      this.retryAfter = response.headers['retry-after']
      response.resume()
      this.socket.terminate()
    })
    this.socket.on('close', code => {
      this.closed = code
    })
  }

  get stream(): Socket {
    return (this.socket as unknown as { _socket: Socket })._socket
  }

  heard(what: RegExp): Promise<void> {
    return until(String(what), () => this.frames.some(frame => what.test(frame)))
  }

  ended(): Promise<void> {
    return until('the end', () => this.closed !== undefined)
  }
}

async function until(what: string, done: () => boolean): Promise<void> {
  const start = performance.now()
  while (!done()) {
    assert.ok(performance.now() - start < 10_000, `never: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

describe('on a real socket', () => {
  test('refuse: the network says so itself, and listens again on the same port', async () => {
    const { venue, connect, member } = await setUp()
    const open = await member()
    venue.inject({ fault: 'refuse', for: 150 })
    const refused = connect()
    await refused.ended()
    assert.equal(refused.error?.code, 'ECONNREFUSED')
    assert.equal(open.closed, undefined, 'open connections stay')
    await until('it listens again', () => {
      const probe = connect()
      probe.socket.on('open', () => probe.socket.close())
      return venue.attempts.length > 1
    })
  })

  test('upgrade-429 with Retry-After, upgrade-404, and 404 for a path nobody knows', async () => {
    const { venue, url, connect } = await setUp()
    const answerTo = async (client: Client) => {
      await client.ended()
      return [client.status, client.retryAfter]
    }
    venue.inject({ fault: 'upgrade-429', retryAfter: '3s' })
    assert.deepEqual(await answerTo(connect()), [429, '3'])
    venue.inject({ fault: 'upgrade-404' })
    assert.deepEqual(await answerTo(connect()), [404, undefined])
    assert.deepEqual(await answerTo(new Client(`${url}/v1beta2/crypto`)), [404, undefined])
  })

  test('cut: a reset, or the plain end of the stream; close: with its code', async () => {
    const { venue, member } = await setUp({ server: { slotMs: 0 } })
    for (const reset of [true, false]) {
      const client = await member()
      // `ws` itself says nothing of a reset.
      const codes: string[] = []
      client.stream.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code ?? ''))
      venue.inject({ fault: 'cut', reset })
      await client.ended()
      assert.deepEqual([client.closed, codes], [1_006, reset ? ['ECONNRESET'] : []])
    }
    const third = await member()
    venue.inject({ fault: 'close', code: 1_011 })
    await third.ended()
    assert.equal(third.closed, 1_011)
    assert.equal(venue.openConnections(), 0)
  })

  test('slow-client: 407, then the cut', async () => {
    const { venue, member } = await setUp()
    const client = await member()
    venue.inject({ fault: 'slow-client' })
    await client.ended()
    assert.equal(client.frames.at(-1), '[{"T":"error","code":407,"msg":"slow client"}]')
    assert.equal(client.closed, 1_006)
  })

  test('a client that reads nothing is cut when its buffer is full', async () => {
    const { venue, member } = await setUp({
      server: { maxBufferBytes: 100_000 },
      record: { capacity: 1 },
    })
    const client = await member()
    client.socket.pause()
    const batch = Array.from({ length: 2_000 }, (_, i) => tradeOf('SPY', i + 1))
    await until('it is cut', () => {
      venue.deliver(batch)
      return venue.openConnections() === 0
    })
    client.socket.terminate()
  })

  test('a ping is answered ahead of data that waits', async () => {
    const { venue, member } = await setUp({
      server: { maxBufferBytes: 2 ** 30 },
      record: { capacity: 1 },
    })
    const client = await member()
    client.socket.pause()
    const batch = Array.from({ length: 30_000 }, (_, i) => tradeOf('SPY', i + 1))
    for (let i = 0; i < 8; i++) venue.deliver(batch)
    venue.deliver([tradeOf('SPY', 99_999_999)])
    let before = -1
    client.socket.once('pong', () => {
      before = client.frames.length
    })
    client.socket.ping()
    await new Promise(resolve => setTimeout(resolve, 100))
    client.socket.resume()
    await until('all has come', () => client.frames.at(-1)?.includes('"p":99999999') ?? false)
    assert.ok(before >= 0 && before < client.frames.length * 0.9, `${before} frames before it`)
  })

  test('half-open and mute differ by the pong', async () => {
    const { venue, connect, member } = await setUp()
    const mute = await member()
    venue.inject({ fault: 'mute' })
    venue.inject({ fault: 'half-open' })
    const halfOpen = connect()
    await once(halfOpen.socket, 'open')
    const frames = mute.frames.length
    for (const client of [mute, halfOpen]) client.socket.ping()
    venue.deliver([tradeOf('SPY', 1)])
    await until('a pong', () => mute.pongs === 1)
    assert.deepEqual([mute.frames.length, halfOpen.frames.length, halfOpen.pongs], [frames, 0, 0])
  })

  test('late-pong and stall hold the pong back', async () => {
    const { venue, member } = await setUp()
    const client = await member()
    for (const fault of [
      { fault: 'late-pong', by: 80, for: 10 } as const,
      { fault: 'stall', for: 80 } as const,
    ]) {
      venue.inject(fault)
      const [pongs, start] = [client.pongs, performance.now()]
      client.socket.ping()
      await until('the pong', () => client.pongs > pongs)
      assert.ok(performance.now() - start >= 70, fault.fault)
    }
  })

  test('slow-drip: the bytes of a frame trickle and make a whole one, with pongs behind it', async () => {
    const { venue, member } = await setUp()
    const client = await member()
    const chunks: number[] = []
    client.stream.prependListener('data', (data: Buffer) => chunks.push(data.length))
    venue.inject({ fault: 'slow-drip', for: '1m', bytesPerSecond: 1_000 })
    venue.deliver([tradeOf('SPY', 7)])
    client.socket.ping()
    await client.heard(/"p":7/)
    await until('the pong', () => client.pongs === 1)
    assert.ok(chunks.length >= 3, `${chunks.length} pieces`)
    venue.deliver([tradeOf('SPY', 8)])
    await client.heard(/"p":8/)
  })

  test('slow-drip: also a byte a second and less', async () => {
    const clock = handClock()
    const { venue, member } = await setUp({ clock })
    const client = await member()
    let bytes = 0
    client.stream.prependListener('data', (data: Buffer) => {
      bytes += data.length
    })
    venue.inject({ fault: 'slow-drip', for: '1h', bytesPerSecond: 0.5 })
    venue.deliver([tradeOf('SPY', 7)])
    // What else is written then comes behind it.
    for (let i = 0; i < 20; i++) await clock.advance(1_000)
    await until('the first bytes', () => bytes >= 10)
    assert.equal(bytes, 10)
  })

  test('giant-frame: a client with a limit closes with 1009', async () => {
    const { venue, member } = await setUp()
    const client = await member()
    venue.inject({ fault: 'giant-frame', bytes: 2 * 1_024 * 1_024 })
    await client.ended()
    assert.match(String(client.error), /Max payload/)
    await until('the venue sees it', () => venue.openConnections() === 0)
  })

  test('restart: everything is cut, slots are forgotten, the port is the same', async () => {
    const { venue, member } = await setUp()
    const client = await member()
    venue.inject({ fault: 'restart', for: 100 })
    await client.ended()
    await new Promise(resolve => setTimeout(resolve, 200))
    assert.equal((await member()).closed, undefined)
  })

  test('close() ends everything, also while nobody listens', async () => {
    const { venue, member } = await setUp()
    const client = await member()
    venue.inject({ fault: 'refuse', for: '1h' })
    await venue.close()
    await venue.close()
    await client.ended()
    assert.throws(() => venue.inject({ fault: 'cut' }), { code: 'CLOSED' })
  })

  test('REST answers on the same port', async () => {
    const { venue, httpUrl } = await setUp()
    venue.deliver([tradeOf('SPY', 5)])
    const headers = { 'APCA-API-KEY-ID': 'PK', 'APCA-API-SECRET-KEY': 's' }
    const response = await fetch(`${httpUrl}/v2/stocks/SPY/trades?start=2024-01-15`, { headers })
    const body = (await response.json()) as { trades: { p: number }[] }
    assert.deepEqual([response.status, body.trades[0]?.p], [200, 5])
    assert.equal(response.headers.get('x-ratelimit-remaining'), '199')
    assert.equal((await fetch(`${httpUrl}/v2/stocks/SPY/trades`)).status, 401)
  })

  test('a port in use is said', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const venue = scriptedVenue()
    await assert.rejects(venue.listen({ port }), { code: 'PORT_IN_USE' })
    const plain = startVenue(alpacaServer({ clock: systemClock() }), { port })
    await assert.rejects(plain, { code: 'PORT_IN_USE' })
    other.close()
    await venue.close()
  })
})

/** A client that writes its bytes itself; what it hears is in `text`. */
class Raw {
  readonly stream: Socket
  text = ''
  ended = false

  constructor(port: number, lines: readonly string[]) {
    this.stream = dial(port, '127.0.0.1')
    this.stream.on('data', data => {
      this.text += data.toString('latin1')
    })
    this.stream.on('error', () => {})
    this.stream.on('close', () => {
      this.ended = true
    })
    this.stream.write(`${[...lines, '', ''].join('\r\n')}`)
  }
}

const upgrade = (path: string, ...more: string[]) => [
  ...[`GET ${path} HTTP/1.1`, 'Host: venue', 'Connection: Upgrade', 'Upgrade: websocket'],
  ...more,
]
const SOUND = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']

describe('whatever a client does, the venue lives on', () => {
  test('it resets while its upgrade is refused, or while it is reset itself', async () => {
    const { venue, port, member } = await setUp()
    const before = venue.attempts.length
    for (let i = 0; i < 20; i++) {
      const client = new Raw(port, upgrade('/nowhere', ...SOUND))
      await once(client.stream, 'connect')
      // Some reset at once, some when the answer is there.
      if (i % 2) await until('the refusal', () => client.text.includes('404'))
      client.stream.resetAndDestroy()
    }
    for (let i = 0; i < 4; i++) {
      const client = new Raw(port, ['GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: h2c'])
      await once(client.stream, 'connect')
      client.stream.resetAndDestroy()
    }
    await until('some were refused', () => venue.attempts.length > before + 8)
    await new Promise(resolve => setTimeout(resolve, 50))
    assert.equal((await member()).closed, undefined)
  })

  test('questions that name no path are answered', async () => {
    const { venue, port } = await setUp()
    venue.deliver([tradeOf('SPY', 5)])
    const keys = ['Host: venue', 'APCA-API-KEY-ID: PK', 'APCA-API-SECRET-KEY: s']
    for (const [line, status] of [
      ['GET //', 404],
      ['GET http://venue:99999/', 400],
      ['OPTIONS *', 400],
      ['GET /v2/stocks/SPY/trades', 200],
    ]) {
      const client = new Raw(port, [`${line} HTTP/1.1`, 'Connection: close', ...keys])
      await until(`an answer to ${line}`, () => client.ended)
      assert.match(client.text, new RegExp(`^HTTP/1.1 ${status} `), String(line))
    }
  })

  test('an upgrade that is not sound takes no place and counts as no attempt', async () => {
    const { venue, port, member } = await setUp({ server: { plan: { connections: 1 } } })
    const headers = ['APCA-API-KEY-ID: PK', 'APCA-API-SECRET-KEY: s']
    for (const broken of [
      ['Sec-WebSocket-Version: 13'],
      ['Sec-WebSocket-Version: 7', SOUND[1]!],
      ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short'],
    ]) {
      const client = new Raw(port, upgrade('/v2/iex', ...broken, ...headers))
      await until('the end', () => client.ended)
      assert.match(client.text, /^HTTP\/1\.1 400 /)
    }
    assert.deepEqual([venue.openConnections(), venue.attempts.length], [0, 0])
    assert.equal((await member()).closed, undefined, 'the only place is free')
  })

  test('an offer of another protocol is passed over: the question is answered', async () => {
    const { venue, port } = await setUp()
    venue.deliver([tradeOf('SPY', 5)])
    const client = new Raw(port, [
      ...['GET /v2/stocks/SPY/trades?start=2024-01-15 HTTP/1.1', 'Host: venue'],
      ...['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ'],
      ...['APCA-API-KEY-ID: PK', 'APCA-API-SECRET-KEY: s'],
    ])
    await until('the end', () => client.ended)
    assert.match(client.text, /^HTTP\/1\.1 200 OK\r\n.*"p":5/s)
    assert.equal(venue.attempts.length, 0)
    // Nor does one that is never answered keep the venue from ending.
    venue.inject({ fault: 'rest-spoiled', how: 'silence' })
    const silent = new Raw(port, ['GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: h2c'])
    await until('it struck', () => venue.struck.length === 1)
    const closing = venue.close()
    await until('its end', () => silent.ended)
    await closing
  })

  test('a client that does not answer a close is let go after a second', async () => {
    const clock = handClock()
    const { venue, port } = await setUp({ clock })
    const client = new Raw(port, upgrade('/v2/iex', ...SOUND))
    await until('the welcome', () => client.text.includes('connected'))
    venue.inject({ fault: 'close', code: 1_001 })
    await until('the close frame', () => client.text.includes('\x88'))
    await clock.advance(900)
    assert.equal(venue.openConnections(), 1)
    await clock.advance(200)
    await until('it is gone', () => venue.openConnections() === 0)
  })
})

test('a port taken by another while nobody listened is told, and listened on as soon as it is free', async () => {
  const clock = handClock()
  const told: string[] = []
  const { venue, port, connect } = await setUp({
    clock,
    observe: happening => {
      if (happening.type === 'deaf') told.push(`${happening.port} ${happening.reason}`)
    },
  })
  venue.inject({ fault: 'restart', for: 100 })
  const thief = createServer()
  await until('the port is free', () => {
    if (!thief.listening) thief.listen(port, '127.0.0.1').on('error', () => {})
    return thief.listening
  })
  await clock.advance(100)
  await until('it is told', () => told.length > 0)
  for (let i = 0; i < 3; i++) {
    await clock.advance(1_000)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  assert.deepEqual(told, [`${port} another process listens on port ${port}`], 'once')
  thief.close()
  await once(thief, 'close')
  let open = false
  for (let i = 0; i < 100 && !open; i++) {
    await clock.advance(1_000)
    const probe = connect()
    probe.socket.on('open', () => {
      open = true
    })
    await Promise.race([probe.ended(), once(probe.socket, 'open').catch(() => {})])
  }
  assert.ok(open, 'it listens again')
})

test('nothing is left behind in the process: no socket, no server, no timer, no listener', async () => {
  const resources = () => process.getActiveResourcesInfo().filter(name => name !== 'Immediate')
  const settled = async () => {
    for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
  }
  await Promise.all(venues.splice(0).map(venue => venue.close()))
  await settled()
  const [before, listeners] = [resources(), process.listenerCount('exit')]
  const venue = scriptedVenue({ faults: [{ fault: 'duplicate', every: '1h' }] })
  const { url } = await venue.listen()
  const provider = alpaca({ key: 'PK', secret: 's', url: `${url}/v2/iex` })
  const leases = mkdtempSync(join(tmpdir(), 'tickwire-venue-'))
  const feed = openFeed(provider, {
    log: silentLog,
    leases,
  })
  const seen: number[] = []
  feed.trades('SPY', ({ price }) => seen.push(price))
  await until('a subscription', () => venue.connections.some(({ subscribed }) => subscribed.trades))
  venue.deliver([tradeOf('SPY', 1)])
  await until('a trade', () => seen.length === 1)
  venue.inject({ fault: 'restart', for: 10 })
  await until('it is back', () => feed.stats().connects === 2)
  assert.ok(resources().length > before.length, 'there is something to be left behind')
  await feed.close()
  await venue.close()
  // What the test runner itself had waiting before may be gone by now.
  const left = () => {
    const more = resources()
    for (const name of before) if (more.includes(name)) more.splice(more.indexOf(name), 1)
    return more
  }
  await until('nothing is left', () => left().length === 0)
  assert.equal(process.listenerCount('exit'), listeners)
  rmSync(leases, { recursive: true })
})
