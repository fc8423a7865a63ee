import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { TickwireError } from '../../src/base/errors.ts'
import {
  type HttpAnswer,
  HttpClient,
  type HttpClientOptions,
  type HttpGet,
} from '../../src/base/http.ts'
import { openHttp } from '../../src/base/http-network.ts'
import { Quota, sharedQuota } from '../../src/base/http-quota.ts'
import { handClock } from '../../src/testing/clock.ts'

const URL_ = 'https://venue.test/v2/things?symbols=SPY'
const json = (status: number, body: unknown, headers: Record<string, string> = {}): HttpAnswer => ({
  ...{ status, headers },
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
})

type Step = HttpAnswer | Error | 'silence'

/** A client whose questions are answered one after another as told, the last answer for all that follow. */
function client(steps: readonly Step[], options: Partial<HttpClientOptions> = {}) {
  const clock = handClock()
  const asked: { readonly at: number; readonly url: string; readonly signal: AbortSignal }[] = []
  const start = clock.now()
  const get: HttpGet = async ({ url, signal }) => {
    const step = steps[Math.min(asked.length, steps.length - 1)]!
    asked.push({ at: clock.now() - start, url, signal })
    if (step === 'silence') return new Promise(() => {})
    if (step instanceof Error) throw step
    return step
  }
  const quota = options.quota ?? new Quota(clock, 6_000)
  const http = new HttpClient({ get, clock, random: () => 0.5, quota, headers: {}, ...options })
  const read = (body: Uint8Array): unknown => JSON.parse(Buffer.from(body).toString())
  /** The outcome, time going by until there is one. */
  const outcome = async (signal?: AbortSignal) => {
    let over = false
    const promise = http.get(URL_, read, signal).then(
      value => ({ value, error: undefined }),
      (error: TickwireError) => ({ value: undefined, error }),
    )
    const ended = promise.finally(() => {
      over = true
    })
    for (let i = 0; i < 2_000 && !over; i++) await clock.advance(500)
    assert.ok(over, 'there is an outcome')
    return await ended
  }
  return { clock, quota, asked, outcome }
}

describe('a client', () => {
  it('gives the body of a 200 as it is read', async () => {
    const { outcome, asked, clock } = client([json(200, { a: [1] })])
    assert.deepEqual((await outcome()).value, { a: [1] })
    assert.deepEqual([asked.length, asked[0]!.url, clock.pending()], [1, URL_, 0])
  })

  const refusals: readonly [status: number, code: string, tries: number][] = [
    [400, 'BAD_REQUEST', 1],
    [401, 'AUTH_FAILED', 1],
    [403, 'NOT_ENTITLED', 1],
    [404, 'NOT_FOUND', 1],
    [422, 'BAD_REQUEST', 1],
    [451, 'REGION_REFUSED', 1],
    [204, 'VENUE_ERROR', 4],
    [302, 'VENUE_ERROR', 4],
    [408, 'VENUE_ERROR', 4],
    [429, 'RATE_LIMITED', 4],
    [500, 'VENUE_ERROR', 4],
    [503, 'VENUE_ERROR', 4],
  ]
  for (const [status, code, tries] of refusals) {
    it(`takes HTTP ${status} for ${code}, after ${tries === 1 ? 'one try' : `${tries} tries`}`, async () => {
      const { outcome, asked, clock } = client([json(status, { message: 'no\n\tway' })])
      const { error } = await outcome()
      assert.equal(error?.code, code)
      assert.equal(error?.message, `venue.test/v2/things: HTTP ${status}: no way`)
      assert.equal(asked.length, tries)
      assert.equal(clock.pending(), 0)
    })
  }

  it('tries again what may have passed, and gives the answer that then comes', async () => {
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    const { outcome, asked } = client([reset, json(200, 'no JSON'), json(500, ''), json(200, [5])])
    assert.deepEqual((await outcome()).value, [5])
    assert.equal(asked.length, 4)
  })

  it('ends with the last fault when it does not pass: network, garbage', async () => {
    const refused = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' })
    const unreachable = await client([refused]).outcome()
    assert.deepEqual(
      [unreachable.error?.code, unreachable.error?.message],
      ['UNREACHABLE', 'venue.test/v2/things: connection refused'],
    )
    const garbage = await client([json(200, '<html>')]).outcome()
    assert.equal(garbage.error?.code, 'VENUE_ERROR')
    assert.match(garbage.error!.message, /cannot be read/)
  })

  it('takes nothing of the quota for what never reached the server, and so says soon that it cannot', async () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    const cut = Object.assign(new Error('read'), { code: 'ECONNRESET' })
    for (const [fault, isSoon] of [
      [refused, true],
      [cut, false],
    ] as const) {
      const { quota, outcome, asked } = client([fault])
      quota.allow(3)
      const { error } = await outcome()
      assert.equal(error?.code, 'UNREACHABLE')
      assert.equal(asked.length, 4)
      assert.equal(asked[3]!.at < 10_000, isSoon, `${asked[3]!.at} ms`)
    }
  })

  it("repeats little of a server's words, and nothing of a page", async () => {
    const long = await client([json(400, { message: 'x'.repeat(5_000) })]).outcome()
    assert.equal(long.error!.message.length, 'venue.test/v2/things: HTTP 400: '.length + 201)
    for (const body of ['<html>secret', '{"message":5}', 'null', '']) {
      const { error } = await client([json(400, body)]).outcome()
      assert.equal(error?.message, 'venue.test/v2/things: HTTP 400')
    }
    const plain = await client([json(400, 'bad gateway\n')]).outcome()
    assert.match(plain.error!.message, /: bad gateway$/)
  })

  it('reads refusals as the venue explains them', async () => {
    const explain = () => ({ code: 'UNSUPPORTED', hint: 'Ask for less.' }) as const
    const { error } = await client([json(404, {})], { explain }).outcome()
    assert.deepEqual([error?.code, error?.hint], ['UNSUPPORTED', 'Ask for less.'])
  })

  it('takes what a body says of itself for what it is, and asks again where that may pass', async () => {
    const { outcome, asked } = client([json(200, 'busy'), json(200, [5])], {})
    assert.deepEqual((await outcome()).value, [5])
    assert.equal(asked.length, 2)
    const clock = handClock()
    const get: HttpGet = async () => json(200, { error: 'no such pair' })
    const quota = new Quota(clock, 60)
    const http = new HttpClient({ get, clock, random: () => 0.5, quota, headers: {} })
    const read = () => {
      throw new TickwireError('UNKNOWN_SYMBOL', 'no such pair')
    }
    await assert.rejects(http.get(URL_, read), { code: 'UNKNOWN_SYMBOL', message: 'no such pair' })
  })

  it('waits no longer than its time limit, even for a transport that pays no heed', async () => {
    const { outcome, asked, clock } = client(['silence'], { timeoutMs: 2_000, tries: 2 })
    const { error } = await outcome()
    assert.equal(error?.code, 'UNREACHABLE')
    assert.match(error!.message, /no answer in 2000 ms/)
    assert.deepEqual([asked.length, asked.every(({ signal }) => signal.aborted)], [2, true])
    assert.equal(clock.pending(), 0)
  })

  it('gives up where it would have to wait for longer than it has patience', async () => {
    const limited = { ...json(429, { msg: 'slow down' }), headers: { 'retry-after': '60' } }
    const { outcome, asked, clock } = client([limited], { patienceMs: 59_000 })
    const begun = clock.now()
    const { error } = await outcome()
    assert.deepEqual([error?.code, error?.retryAfterMs, asked.length], ['RATE_LIMITED', 60_000, 1])
    assert.match(error!.message, /slow down/)
    assert.ok(clock.now() - begun < 10_000)
  })

  it('asks again no sooner than Retry-After says, in seconds or as a date', async () => {
    const date = new Date(handClock().now() + 40_000).toUTCString()
    const { outcome, asked } = client([
      json(429, {}, { 'retry-after': '90' }),
      json(503, {}, { 'retry-after': '7' }),
      json(200, []),
    ])
    assert.deepEqual((await outcome()).value, [])
    const [first, second, third] = asked.map(({ at }) => at)
    assert.ok(second! - first! >= 90_000 && second! - first! < 91_000, `${second! - first!}`)
    assert.ok(third! - second! >= 7_000 && third! - second! < 8_000, `${third! - second!}`)
    const dated = client([json(429, {}, { 'retry-after': date }), json(200, [])])
    await dated.outcome()
    assert.ok(dated.asked[1]!.at >= 40_000 && dated.asked[1]!.at < 41_000, `${dated.asked[1]!.at}`)
  })

  it('after a 429 without Retry-After waits until the quota is renewed', async () => {
    const reset = String(handClock().now() / 1_000 + 30)
    const { outcome, asked } = client([json(429, {}, { 'x-ratelimit-reset': reset }), json(200, 1)])
    await outcome()
    assert.ok(asked[1]!.at >= 30_000 && asked[1]!.at < 31_000, `${asked[1]!.at}`)
  })

  it('waits 15 minutes at most, whatever is asked', async () => {
    const { outcome, asked } = client([json(429, {}, { 'retry-after': '999999999' }), json(200, 1)])
    await outcome()
    assert.ok(asked[1]!.at >= 900_000 && asked[1]!.at < 901_000, `${asked[1]!.at}`)
  })

  it('holds everybody of the account back when one is told to wait', async () => {
    const clock = handClock()
    const quota = new Quota(clock, 6_000)
    const times: number[] = []
    const start = clock.now()
    const get: HttpGet = async ({ url }) => {
      times.push(clock.now() - start)
      if (url.endsWith('first') && times.length === 1) return json(429, {}, { 'retry-after': '20' })
      return json(200, [])
    }
    const make = () => new HttpClient({ get, clock, random: () => 0, quota, headers: {} })
    const first = make().get('https://venue.test/first', () => 'first')
    await clock.advance(1_000)
    const other = make().get('https://venue.test/other', () => 'other')
    await clock.advance(18_000)
    assert.deepEqual(times, [0])
    await clock.advance(2_000)
    assert.deepEqual(await Promise.all([first, other]), ['first', 'other'])
    assert.equal(times.length, 3)
    assert.ok(
      times.slice(1).every(time => time >= 20_000),
      String(times),
    )
  })

  it('follows the quota the server speaks of', async () => {
    for (const [said, perMinute] of [
      ['10000', 10_000],
      ['0', 6_000],
      ['-5', 6_000],
      ['many', 6_000],
    ] as const) {
      const { outcome, quota } = client([json(200, 1, { 'x-ratelimit-limit': said })])
      await outcome()
      assert.equal(quota.perMinute, perMinute)
    }
  })

  it('gives up when the signal aborts: before, while asking, while waiting to ask again', async () => {
    const gone = AbortSignal.abort('enough')
    const before = client([json(200, 1)])
    const { error } = await before.outcome(gone)
    assert.deepEqual([error?.code, error?.cause, before.asked.length], ['CLOSED', 'enough', 0])
    for (const step of ['silence', json(429, {}, { 'retry-after': '600' })] as const) {
      const one = client([step])
      const control = new AbortController()
      const outcome = one.outcome(control.signal)
      await one.clock.advance(100)
      control.abort()
      assert.equal((await outcome).error?.code, 'CLOSED')
      assert.equal(one.asked.length, 1)
      assert.ok(one.clock.now() < handClock().now() + 10_000, 'at once')
      assert.equal(one.clock.pending(), 0)
    }
  })
})

describe('a quota', () => {
  const starts = async (perMinute: number, count: number, everyMs = 0) => {
    const clock = handClock()
    const start = clock.now()
    const quota = new Quota(clock, perMinute)
    const times: number[] = []
    for (let i = 0; i < count; i++) {
      void quota.turn().then(() => times.push(clock.now() - start))
      if (everyMs > 0) await clock.advance(everyMs)
    }
    while (times.length < count) await clock.advance(10_000)
    assert.equal(clock.pending(), 0)
    return times
  }

  it('lets a quarter of a minute go at once and spreads the rest', async () => {
    const times = await starts(200, 210)
    assert.equal(times.filter(time => time === 0).length, 50)
    const gaps = times.slice(50).map((time, i) => time - times[49 + i]!)
    assert.ok(
      gaps.every(gap => gap > 390 && gap < 405),
      String(gaps.slice(0, 5)),
    )
  })

  it('lets only one go at once where no more is wanted', async () => {
    const clock = handClock()
    const quota = new Quota(clock, 60, 1 / 60)
    const times: number[] = []
    const start = clock.now()
    for (let i = 0; i < 5; i++) void quota.turn().then(() => times.push(clock.now() - start))
    await clock.advance(10_000)
    for (const [i, time] of times.entries()) assert.ok(Math.abs(time - i * 1_000) < 2, `${time}`)
    assert.equal(times.length, 5)
  })

  it('never lets more start in any minute', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 3_000 }),
        async (perMinute, count, everyMs) => {
          const times = await starts(perMinute, count, everyMs)
          for (const [i, time] of times.entries()) {
            const before = times[i - perMinute]
            // A thousandth of a request is lost in rounding.
            assert.ok(before === undefined || time - before >= 59_990, `${time - before!}`)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('serves in the order of asking, and passes over those who left', async () => {
    const clock = handClock()
    const quota = new Quota(clock, 4)
    const seen: string[] = []
    const control = new AbortController()
    const ask = (name: string, signal?: AbortSignal) =>
      quota.turn(signal).then(() => seen.push(name))
    void ask('a')
    void ask('b')
    void ask('gone', control.signal)
    void ask('c')
    await clock.advance(10)
    assert.deepEqual(seen, ['a'])
    control.abort()
    await clock.advance(10)
    assert.deepEqual(seen, ['a', 'gone'])
    await clock.advance(15_000)
    assert.deepEqual(seen, ['a', 'gone', 'b'])
    await clock.advance(15_000)
    assert.deepEqual(seen, ['a', 'gone', 'b', 'c'])
    await quota.turn(AbortSignal.abort())
    assert.equal(clock.pending(), 0)
  })

  it('after a pause starts one by one', async () => {
    const clock = handClock()
    const quota = new Quota(clock, 60)
    quota.pause(5_000)
    const times: number[] = []
    const start = clock.now()
    for (let i = 0; i < 3; i++) void quota.turn().then(() => times.push(clock.now() - start))
    await clock.advance(4_999)
    assert.deepEqual(times, [])
    await clock.advance(10_000)
    assert.equal(times[0], 5_000)
    assert.ok(times[1]! - times[0]! > 1_000 && times[2]! - times[1]! > 1_000, String(times))
  })

  it('is one for all of an account who share a clock', () => {
    const [clock, other] = [handClock(), handClock()]
    const quota = sharedQuota(clock, 'a', 200)
    assert.equal(sharedQuota(clock, 'a', 200), quota)
    assert.notEqual(sharedQuota(clock, 'b', 200), quota)
    assert.notEqual(sharedQuota(other, 'a', 200), quota)
  })
})

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

async function serving(
  answer: RequestListener,
  test: (port: number, server: Server) => Promise<void>,
  server: Server = createServer(answer),
): Promise<void> {
  const port = await listen(server)
  try {
    await test(port, server)
  } finally {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
}

const NOBODY: RequestListener = () => {}

/** A proxy that makes tunnels, and what it was asked for. */
function tunnelling() {
  const tunnels: string[] = []
  const proxy = createServer()
  const ends: Socket[] = []
  proxy.on('connect', (request, socket: Socket) => {
    tunnels.push(`${request.url} ${request.headers['proxy-authorization']}`)
    const { hostname, port } = new URL(`http://${request.url}`)
    const far = connect(Number(port), hostname === 'localhost' ? '127.0.0.1' : hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      far.pipe(socket).pipe(far)
    })
    ends.push(far, socket)
    // A client that goes away in the middle is no fault here.
    for (const end of [far, socket]) end.on('error', () => {})
  })
  const { closeAllConnections } = proxy
  // A tunnel is no connection of HTTP any more.
  proxy.closeAllConnections = () => {
    for (const end of ends) end.destroy()
    closeAllConnections.call(proxy)
  }
  return { tunnels, proxy }
}

describe('HTTP over the network', () => {
  const fetchText = async (get: HttpGet, url: string, maxBytes = 1_000_000) => {
    const { signal } = new AbortController()
    const answer = await get({ url, headers: { 'X-Key': 'k' }, maxBytes, signal })
    return { ...answer, text: Buffer.from(answer.body).toString() }
  }

  it('sends headers, and gives status, headers and body, unpacked where it is packed', async () => {
    const seen: IncomingMessage['headers'][] = []
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      seen.push(request.headers)
      const packed = request.url === '/packed'
      response.writeHead(packed ? 200 : 404, {
        'X-Said': 'yes',
        ...(packed && { 'content-encoding': 'gzip' }),
      })
      response.end(packed ? gzipSync('{"a":1}') : 'plain')
    }
    await serving(answer, async port => {
      const get = openHttp()
      const packed = await fetchText(get, `http://127.0.0.1:${port}/packed`)
      assert.deepEqual(
        [packed.status, packed.text, packed.headers['x-said']],
        [200, '{"a":1}', 'yes'],
      )
      const plain = await fetchText(get, `http://127.0.0.1:${port}/plain`)
      assert.deepEqual([plain.status, plain.text], [404, 'plain'])
      assert.deepEqual(
        seen.map(headers => [headers['x-key'], headers['accept-encoding']]),
        [
          ['k', 'gzip'],
          ['k', 'gzip'],
        ],
      )
    })
  })

  it('follows no redirect: a key goes to no other server', async () => {
    const answer = (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    }
    await serving(answer, async port => {
      assert.equal((await fetchText(openHttp(), `http://127.0.0.1:${port}/`)).status, 302)
    })
  })

  it('takes no more than it may, packed or not', async () => {
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      if (request.url !== '/bomb') response.end('x'.repeat(5_000))
      else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(1e6)))
    }
    await serving(answer, async port => {
      for (const path of ['long', 'bomb']) {
        await assert.rejects(fetchText(openHttp(), `http://127.0.0.1:${port}/${path}`, 4_000), {
          code: 'VENUE_ERROR',
          message: `127.0.0.1:${port}: an answer above 4000 bytes`,
        })
      }
    })
  })

  it('ends when the signal aborts, and when the server cuts the answer off', async () => {
    const control = new AbortController()
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      if (request.url === '/hang') {
        control.abort()
        return
      }
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => response.destroy())
    }
    await serving(answer, async port => {
      const get = openHttp()
      const url = `http://127.0.0.1:${port}`
      const { signal } = control
      await assert.rejects(get({ url: `${url}/hang`, headers: {}, maxBytes: 10, signal }), {
        name: 'AbortError',
      })
      await assert.rejects(fetchText(get, `${url}/half`))
    })
  })

  it('goes through a proxy, but for the hosts it is told to reach without', async () => {
    const { tunnels, proxy } = tunnelling()
    const test = async (target: number, port: number) => {
      const address = `http://user:word@127.0.0.1:${port}`
      const url = `http://127.0.0.1:${target}/`
      assert.equal((await fetchText(openHttp({ proxy: address }), url)).text, 'here')
      const basic = Buffer.from('user:word').toString('base64')
      assert.deepEqual(tunnels, [`127.0.0.1:${target} Basic ${basic}`])
      const direct = openHttp({ proxy: address, noProxy: 'example.com,127.0.0.1' })
      assert.equal((await fetchText(direct, url)).text, 'here')
      assert.equal(tunnels.length, 1)
    }
    const answer: RequestListener = (_, response) => void response.end('here')
    await serving(answer, target => serving(NOBODY, port => test(target, port), proxy))
  })

  it('says so when the proxy is no address, without its password', () => {
    assert.throws(
      () => openHttp({ proxy: 'user:word@host:80' }),
      (error: TickwireError) => error.code === 'BAD_OPTION' && !error.message.includes('word'),
    )
  })

  it('trusts the certificates it is given, and no others, through a proxy too', async () => {
    const file = (name: string) =>
      readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8')
    const ca = file('localhost.pem')
    const server = createTlsServer({ key: file('localhost-key.pem'), cert: ca }, (_, response) => {
      response.end('safe')
    })
    const { tunnels, proxy } = tunnelling()
    const test = async (target: number, port: number) => {
      const url = `https://localhost:${target}/`
      const untrusted = { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }
      const via = { proxy: `http://127.0.0.1:${port}` }
      for (const options of [{}, via]) {
        await assert.rejects(fetchText(openHttp(options), url), untrusted)
        assert.equal((await fetchText(openHttp({ ...options, ca }), url)).text, 'safe')
      }
      assert.equal(tunnels.length, 2)
    }
    await serving(NOBODY, target => serving(NOBODY, port => test(target, port), proxy), server)
  })
})
