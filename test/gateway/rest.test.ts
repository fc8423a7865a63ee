import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { z } from 'zod'
import { silentLog } from '../../src/base/log.ts'
import { csvHeader, decodeCsv } from '../../src/market/csv.ts'
import { createEvent, Flag, type MarketEvent } from '../../src/market/events.ts'
import { decodeEvent, encodeEvent, parseEvent } from '../../src/market/json.ts'
import { type Answered, openTestGateway, type TestGateway } from './rest-kit.ts'

let at: TestGateway
before(async () => {
  at = await openTestGateway({ quotas: { requests: 100_000 } })
  await at.feed.subscribe({ trades: ['SPY', 'AAPL'], quotes: ['SPY'] })
  await at.clock.advance(3_000)
})
after(() => at.close())
beforeEach(() => {
  at.past.length = 0
  delete at.faults.history
  delete at.faults.behind
})

const DAY = Date.UTC(2024, 0, 10)

/** Trades, several at the same nanosecond. */
function fill(count: number, more: { flags?: number; sameTime?: number } = {}): MarketEvent[] {
  const { flags = 0, sameTime = 4 } = more
  for (let i = 0; i < count; i++) {
    const step = Math.floor(i / sameTime)
    at.past.push(
      createEvent({
        ...{ type: 'trade', symbol: i % 3 === 0 ? 'AAPL' : 'SPY', source: 'simulated', flags },
        ...{ timestamp: DAY + Math.floor(step / 2), nanos: (step % 2) * 500 },
        ...{ receivedAt: DAY + step, price: 100 + i, size: 1, id: i + 1, seq: i + 1 },
      }),
    )
  }
  return at.past
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}
interface Operation {
  readonly operationId: string
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: object }[]
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >
}

describe('the OpenAPI document', () => {
  it('has every route, each with an id of its own, and nothing else', async () => {
    const { status, json } = await at.ask('/v1/openapi.json')
    assert.equal(status, 200)
    const { paths } = json as OpenApi
    const told = Object.entries(paths).flatMap(([path, of]) =>
      Object.keys(of).map(method => `${method} ${path}`),
    )
    assert.deepEqual(
      told.sort(),
      at.rest.routes.map(({ method, path }) => `${method} ${path}`).sort(),
    )
    assert.ok(told.length > 20)
    const ids = Object.values(paths).flatMap(of => Object.values(of).map(one => one.operationId))
    assert.equal(new Set(ids).size, ids.length)
  })

  it('tells of every answer what it is: answers are held against it', async () => {
    fill(10)
    const admin = await at.newKey({ name: 'openapi', scopes: ['read', 'history', 'admin'] })
    const { json } = await at.ask('/v1/openapi.json')
    const document = json as OpenApi
    const queries: Readonly<Record<string, string>> = {
      '/v1/latest': '?symbols=SPY,NOPE&kinds=trade,quote',
      '/v1/book': '?symbol=SPY&depth=3',
    }
    const headers = { authorization: `Bearer ${admin}` }
    const asked: string[] = []
    for (const [path, of] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(of)) {
        if (path === '/v1/events' || path === '/metrics' || path === '/v1/replay') continue
        const isDone = operation.responses['204'] !== undefined
        const body =
          path === '/v1/session' && method === 'post' ? JSON.stringify({ key: admin }) : undefined
        const answer = await at.askFor(path + (queries[path] ?? ''), 5_000, {
          ...{ method: method.toUpperCase(), headers },
          ...(body !== undefined && { body }),
        })
        assert.equal(answer.status, isDone ? 204 : 200, `${method} ${path}: ${answer.text}`)
        if (!isDone) mustFit(operation.responses['200']!, answer, `${method} ${path}`)
        asked.push(`${method} ${path}`)
      }
    }
    assert.equal(asked.length, at.rest.routes.length - 3)
    const refusal = await at.ask('/v1/clients')
    z.fromJSONSchema(document.components.schemas.Refusal as never).parse(refusal.json)
  })
})

function mustFit(response: Operation['responses'][string], answer: Answered, what: string): void {
  const { schema } = response.content!['application/json']!
  const result = z.fromJSONSchema(closed(schema) as never).safeParse(answer.json)
  assert.ok(result.success, `${what}: ${JSON.stringify(result.error?.issues)}`)
}

/** Also the keys nobody told of are wrong here. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, closed(value)]),
  )
  return copy.type === 'object' && copy.properties ? { ...copy, additionalProperties: false } : copy
}

describe('pages of what is stored', () => {
  it('put together are all of it, each once, however many happened at the same time', async () => {
    const all = fill(57)
    for (const limit of [1, 2, 3, 5, 7, 56, 57, 58]) {
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const more: string = cursor === null ? '' : `&cursor=${cursor}`
        const { json, headers } = await at.ask(`/v1/trades?limit=${limit}${more}`)
        for (const event of json.data) seen.push(encodeEvent(decodeEvent(event)))
        cursor = json.next
        assert.equal(headers['tickwire-next'], cursor ?? undefined)
        assert.ok(json.data.length > 0)
      } while (cursor !== null)
      assert.deepEqual(seen, all.map(encodeEvent), `limit ${limit}`)
    }
  })

  it('go on where they were though more has been filled in before', async () => {
    fill(8, { sameTime: 1 })
    const { json } = await at.ask('/v1/trades?limit=5')
    const [early] = at.past
    at.past.unshift(createEvent({ ...early!, id: 999, timestamp: DAY - 5 } as never))
    const { json: rest } = await at.ask(`/v1/trades?limit=5&cursor=${json.next}`)
    assert.deepEqual(
      rest.data.map((trade: { id: number }) => trade.id),
      [6, 7, 8],
    )
  })

  it('take no cursor of another question, and none that is none', async () => {
    fill(9)
    const { json } = await at.ask('/v1/trades?limit=2&symbols=SPY')
    for (const path of [
      `/v1/trades?limit=2&symbols=AAPL&cursor=${json.next}`,
      `/v1/quotes?limit=2&symbols=SPY&cursor=${json.next}`,
      '/v1/trades?cursor=nonsense',
      '/v1/trades?cursor=WzEsMiwzXQ',
    ]) {
      const { status, json: refused } = await at.ask(path)
      assert.deepEqual([status, refused.error.code], [400, 'BAD_POSITION'], path)
      assert.ok(refused.error.hint)
    }
    assert.equal((await at.ask(`/v1/trades?limit=4&symbols=SPY&cursor=${json.next}`)).status, 200)
  })

  it('are bounded by symbols, times and source', async () => {
    fill(20)
    const ids = async (query: string) =>
      (await at.ask(`/v1/trades?${query}`)).json.data.map((trade: { id: number }) => trade.id)
    assert.deepEqual(await ids('symbols=aapl'), [1, 4, 7, 10, 13, 16, 19])
    assert.deepEqual(await ids(`from=${DAY + 2}`), [17, 18, 19, 20])
    assert.deepEqual(await ids('to=2024-01-10T00:00:00.000Z&symbols=AAPL'), [1, 4, 7])
    assert.equal((await ids('from=2024-01-10&to=2024-01-10')).length, 20)
    assert.deepEqual(await ids('from=2024-01-11'), [])
    assert.deepEqual(await ids('source=other'), [])
  })
})

describe('an ETag', () => {
  const closedRange = '/v1/trades?from=2024-01-10&to=2024-01-10'

  it('saves sending a range again that has ended, and is another when it was mended', async () => {
    fill(9)
    const { headers, status } = await at.ask(closedRange)
    const { etag = '' } = headers
    assert.equal(status, 200)
    assert.match(etag, /^"[\w-]{27}"$/)
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await at.ask(closedRange, { headers: { 'if-none-match': tag } })
      assert.deepEqual([again.status, again.text, again.headers.etag], [304, '', etag], tag)
    }
    at.past.pop()
    const mended = await at.ask(closedRange, { headers: { 'if-none-match': etag } })
    assert.equal(mended.status, 200)
    assert.notEqual(mended.headers.etag, etag)
    const csv = await at.ask(`${closedRange}&limit=9`, { headers: { accept: 'text/csv' } })
    assert.notEqual(csv.headers.etag, mended.headers.etag)
  })

  it('is for no range that goes on, and for none a store has not got yet', async () => {
    fill(9)
    const open = await at.ask('/v1/trades?from=2024-01-10')
    assert.deepEqual([open.headers.etag, open.headers['cache-control']], [undefined, 'no-store'])
    at.faults.behind = 3
    const behind = await at.ask(closedRange)
    assert.deepEqual([behind.headers.etag, behind.headers['tickwire-behind']], [undefined, '3'])
  })
})

describe('lines', () => {
  it('are NDJSON or CSV, by Accept, all there is', async () => {
    const all = fill(1_200)
    const ndjson = await at.ask('/v1/trades', { headers: { accept: 'application/x-ndjson' } })
    assert.equal(ndjson.headers['content-type'], 'application/x-ndjson')
    const lines = ndjson.text.trimEnd().split('\n')
    assert.deepEqual(
      lines.map(line => encodeEvent(parseEvent(line))),
      all.map(encodeEvent),
    )
    const csv = await at.ask('/v1/trades?symbols=SPY,AAPL', {
      headers: { accept: 'text/html;q=0.2, text/csv;q=0.9, application/json;q=0.5' },
    })
    assert.match(csv.headers['content-type'] ?? '', /^text\/csv/)
    const [head = '', ...rows] = csv.text.trimEnd().split('\n')
    assert.equal(`${head}\n`, csvHeader('trade'))
    const columns = head.split(',')
    assert.deepEqual(
      rows.map(row => encodeEvent(decodeCsv(columns, row.split(',')))),
      all.map(encodeEvent),
    )
    const { json } = await at.ask('/v1/trades', { headers: { accept: 'text/html, */*' } })
    assert.equal(json.data.length, 1_000)
  })

  it('with a limit are a page, with the cursor in a header', async () => {
    fill(10)
    const headers = { accept: 'application/x-ndjson' }
    const one = await at.ask('/v1/trades?limit=6', { headers })
    const two = await at.ask(`/v1/trades?limit=6&cursor=${one.headers['tickwire-next']}`, {
      headers,
    })
    assert.equal((one.text + two.text).trimEnd().split('\n').length, 10)
    assert.equal(two.headers['tickwire-next'], undefined)
  })

  it('that break off are not whole, and what fails at once is told', async () => {
    fill(9_000)
    let count = 0
    at.faults.history = () => (++count > 2_000 ? new Error('the disk fails') : undefined)
    const headers = { accept: 'application/x-ndjson' }
    const cut = await at.ask('/v1/trades', { headers })
    assert.deepEqual([cut.status, cut.isWhole], [200, false])
    at.faults.history = () => new Error('the disk fails')
    const json = await at.ask('/v1/trades')
    assert.deepEqual([json.status, json.json.error.code], [500, 'UNEXPECTED'])
    assert.ok(!json.text.includes('disk'), 'what is inside stays inside')
  })

  it('end with whoever reads them', async () => {
    fill(60_000)
    let batches = 0
    at.faults.history = () => {
      batches++
      return undefined
    }
    const message = await at.open('/v1/trades', { headers: { accept: 'application/x-ndjson' } })
    message.once('data', () => message.destroy())
    await new Promise(resolve => message.once('close', resolve))
    // Whatever was under way when it went is done, and no more.
    await new Promise(resolve => setTimeout(resolve, 50))
    const seen = batches
    await new Promise(resolve => setTimeout(resolve, 100))
    assert.equal(batches, seen)
    assert.ok(batches < 20_000)
  })
})

describe('what the data is', () => {
  it('is said in words with every answer that has some', async () => {
    const SIMULATED = 'SIMULATED: invented prices, not real ones'
    fill(3)
    for (const path of ['/v1/latest?symbols=SPY', '/v1/trades', '/v1/trades?symbols=NONE']) {
      const { headers, json } = await at.ask(path)
      assert.deepEqual([headers['tickwire-nature'], json.nature], [SIMULATED, SIMULATED], path)
    }
    at.past.length = 0
    fill(3, { flags: Flag.delayed | Flag.replayed })
    const { headers } = await at.ask('/v1/trades', { headers: { accept: 'text/csv' } })
    assert.match(headers['tickwire-nature'] as string, /^SIMULATED.*; REPLAY.*; DELAYED/)
  })
})

describe('the latest', () => {
  it('is there of what has come, by kind', async () => {
    const { json } = await at.ask('/v1/latest?kinds=trade')
    const trades = json.data.map((event: { type: string; symbol: string }) => [
      event.type,
      event.symbol,
    ])
    assert.deepEqual(trades.sort(), [
      ['trade', 'AAPL'],
      ['trade', 'SPY'],
    ])
    const last = await at.ask('/v1/latest?symbols=spy&kinds=trade')
    const { trade } = { trade: last.json.data[0] }
    const shown = (await newest('trade', 'SPY'))!
    assert.equal(trade.price, (shown as { price: number }).price)
    assert.deepEqual([last.json.missing, last.json.refused], [[], []])
  })

  it('of a symbol nobody has asked for is subscribed to and waited for', async () => {
    const answer = await at.askFor('/v1/latest?symbols=NVDA,NOPE&kinds=trade', 5_000)
    assert.deepEqual(
      answer.json.data.map((event: { symbol: string }) => event.symbol),
      ['NVDA'],
    )
    const [refused] = answer.json.refused
    assert.deepEqual([refused.symbol, refused.code], ['NOPE', 'UNKNOWN_SYMBOL'])
    assert.ok(refused.hint)
  })

  it('is of one kind as CSV', async () => {
    const headers = { accept: 'text/csv' }
    const { status, json } = await at.ask('/v1/latest?symbols=SPY', { headers })
    assert.deepEqual([status, json.error.code], [400, 'BAD_OPTION'])
    const { text } = await at.ask('/v1/latest?symbols=SPY&kinds=quote', { headers })
    assert.equal(text.trimEnd().split('\n').length, 2)
  })
})

async function newest(type: string, symbol: string): Promise<MarketEvent | undefined> {
  let found: MarketEvent | undefined
  for await (const batch of at.context.tape.read({ from: 'start', live: false })) {
    for (const event of batch) if (event.type === type && event.symbol === symbol) found = event
  }
  return found
}

describe('symbols', () => {
  it('come in pages, each once', async () => {
    const known = [...(at.feed.capabilities.symbols ?? [])].sort()
    assert.ok(known.length > 5)
    const seen: string[] = []
    let cursor = ''
    do {
      const { json } = await at.ask(`/v1/symbols?limit=5&cursor=${cursor}`)
      seen.push(...json.data.map((one: { symbol: string }) => one.symbol))
      cursor = json.next
    } while (cursor !== null)
    assert.deepEqual(seen, known)
  })
})

describe('a book', () => {
  it('comes whole, as deep as asked for', async () => {
    const { status, json } = await at.askFor('/v1/book?symbol=TSLA&depth=2', 5_000)
    assert.equal(status, 200)
    const { bids, asks, snapshot } = json.data
    assert.deepEqual([bids.length, asks.length, snapshot], [2, 2, true])
    assert.ok(bids[0][0] > bids[1][0] && bids[0][0] < asks[0][0])
    const all = await at.ask('/v1/book?symbol=TSLA')
    assert.ok(all.json.data.bids.length > 2)
    const none = await at.ask('/v1/book?symbol=NOPE')
    assert.deepEqual([none.status, none.json.error.code], [404, 'UNKNOWN_SYMBOL'])
  })
})

describe('a question that cannot be answered', () => {
  it('is refused with a code, a reason and a way out', async () => {
    const wrong: [path: string, status: number, code: string, words: RegExp][] = [
      ['/v1/trade', 404, 'NOT_FOUND', /did you mean \/v1\/trades/],
      [
        '/v1/latest?symbol=SPY',
        400,
        'BAD_OPTION',
        /unknown parameter symbol.*did you mean symbols/,
      ],
      ['/v1/latest?kinds=trades', 400, 'BAD_OPTION', /parameter kinds/],
      ['/v1/latest?symbols=SPY,,AAPL', 400, 'BAD_OPTION', /part of the list is empty/],
      ['/v1/latest?source=alpaca', 400, 'BAD_OPTION', /no source alpaca.*There is simulated/],
      ['/v1/trades?from=yesterday', 400, 'BAD_OPTION', /"yesterday" is no time/],
      ['/v1/trades?from=2024-01-02&to=2024-01-01', 400, 'BAD_OPTION', /ends before it begins/],
      ['/v1/trades?limit=0', 400, 'BAD_OPTION', /parameter limit/],
      ['/v1/trades?limit=100000', 400, 'BAD_OPTION', /parameter limit/],
      ['/v1/trades?interval=1m', 400, 'BAD_OPTION', /unknown parameter interval/],
      ['/v1/bars?interval=1x', 400, 'BAD_OPTION', /parameter interval/],
      ['/v1/book', 400, 'BAD_OPTION', /parameter symbol/],
      ['/v1/symbols?search=SPY', 400, 'UNSUPPORTED', /no source here has a list/],
      ['/v1/clients', 401, 'KEY_REQUIRED', /takes a key with the scope admin/],
    ]
    for (const [path, status, code, words] of wrong) {
      const answer = await at.ask(path)
      const { error } = answer.json
      assert.deepEqual([answer.status, error.code], [status, code], path)
      assert.match(`${error.message} ${error.hint}`, words)
      assert.equal(error.retryable, false)
      assert.equal(answer.headers['www-authenticate'], status === 401 ? 'Bearer' : undefined)
    }
    const wrongMethod = await at.ask('/v1/trades', { method: 'POST' })
    assert.match(wrongMethod.json.error.message, /POST is nothing for \/v1\/trades/)
    const tooLong = await at.ask('/v1/session', { method: 'POST', body: 'x'.repeat(20_000) })
    assert.deepEqual([tooLong.status, tooLong.json.error.message], [400, 'the body is too long'])
    const noJson = await at.ask('/v1/session', { method: 'POST', body: '{' })
    assert.equal(noJson.json.error.message, 'the body is no JSON')
  })

  it('where nothing is stored says so', async () => {
    const other = await openTestGateway({ noHistory: true })
    const { status, json } = await other.ask('/v1/trades')
    await other.close()
    assert.deepEqual([status, json.error.code], [404, 'NO_TAPE'])
  })
})

describe('the door over HTTP', () => {
  it('refuses a rebound host, a foreign page and a key in the address, on every path', async () => {
    const key = await at.newKey({ name: 'door' })
    for (const path of ['/v1/latest', '/healthz', '/metrics', '/v1/nothing', '/', '/client.js']) {
      const host = await at.ask(path, { headers: { host: 'evil.example:80' } })
      assert.deepEqual([host.status, host.json.error.code], [421, 'HOST_REFUSED'], path)
      const page = await at.ask(path, { headers: { origin: 'https://evil.example' } })
      assert.deepEqual([page.status, page.json.error.code], [403, 'ORIGIN_REFUSED'], path)
      assert.equal(page.headers['access-control-allow-origin'], undefined)
      const named = await at.ask(`${path}?x=${key}`)
      assert.deepEqual([named.status, named.json.error.code], [400, 'KEY_IN_URL'], path)
      assert.ok(!named.text.includes(key))
    }
    const preflight = await at.ask('/v1/latest', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    })
    assert.deepEqual([preflight.status, preflight.json.error.code], [403, 'ORIGIN_REFUSED'])
  })

  it('lets pages of the list in, and tells browsers so', async () => {
    const other = await openTestGateway({ origins: ['https://desk.example'] })
    const headers = { origin: 'https://desk.example' }
    const answer = await other.ask('/v1/providers', { headers })
    const refused = await other.ask('/v1/clients', { headers })
    const preflight = await other.ask('/v1/latest', {
      method: 'OPTIONS',
      headers: { ...headers, 'access-control-request-private-network': 'true' },
    })
    await other.close()
    for (const one of [answer, refused, preflight]) {
      assert.equal(one.headers['access-control-allow-origin'], 'https://desk.example')
      assert.match(one.headers.vary ?? '', /origin/)
    }
    assert.equal(answer.status, 200)
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers['access-control-allow-private-network'], 'true')
    assert.match(preflight.headers['access-control-allow-headers'] ?? '', /authorization/)
  })

  it('takes a key for a cookie, which opens what the key opens', async () => {
    const other = await openTestGateway({ admission: 'keys' })
    const key = await other.newKey({ name: 'page', scopes: ['read'] })
    const refused = await other.ask('/v1/latest')
    const wrong = await other.ask('/v1/session', { method: 'POST', body: '{"key":"tw_nope"}' })
    const session = await other.ask('/v1/session', {
      method: 'POST',
      body: JSON.stringify({ key }),
    })
    const [set = ''] = session.headers['set-cookie'] ?? []
    const cookie = set.split(';')[0]!
    const opened = await other.ask('/v1/latest', { headers: { cookie } })
    const history = await other.ask('/v1/trades', { headers: { cookie } })
    const who = await other.ask('/v1/session', { headers: { cookie } })
    await other.ask('/v1/session', { method: 'DELETE', headers: { cookie } })
    const after = await other.ask('/v1/latest', { headers: { cookie } })
    const health = await other.ask('/healthz')
    await other.close()
    assert.equal(refused.json.error.code, 'KEY_REQUIRED')
    assert.deepEqual([wrong.status, wrong.json.error.code], [401, 'KEY_REFUSED'])
    assert.match(set, /; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/)
    assert.ok(!set.includes(key))
    assert.equal(opened.status, 200)
    assert.deepEqual([history.status, history.json.error.code], [403, 'SCOPE_MISSING'])
    assert.deepEqual(who.json, { name: 'page', scopes: ['read'] })
    assert.equal(after.status, 401)
    assert.equal(health.status, 200)
  })

  it('bounds requests, and says when to come again; supervisors may always ask', async () => {
    const other = await openTestGateway({ quotas: { requests: 1 } })
    await other.ask('/v1/providers')
    await other.ask('/v1/providers')
    const { status, json, headers } = await other.ask('/v1/providers')
    for (let i = 0; i < 5; i++) {
      const probe = await other.ask('/healthz', { headers: { authorization: 'Bearer nonsense' } })
      assert.equal(probe.status, 200)
    }
    await other.close()
    assert.deepEqual([status, json.error.code, json.error.retryable], [429, 'QUOTA_EXCEEDED', true])
    assert.deepEqual([json.error.retryAfterMs, headers['retry-after']], [1_000, '1'])
  })

  it('tells the administrator who is connected', async () => {
    const key = await at.newKey({ name: 'boss', scopes: ['read', 'admin'] })
    const headers = { authorization: `Bearer ${key}` }
    const message = await at.open('/v1/events?symbols=SPY', { headers })
    const { json } = await at.ask('/v1/clients', { headers })
    message.destroy()
    const [one] = json.data
    assert.deepEqual([json.data.length, one.name, one.protocol, one.symbols], [1, 'boss', 'sse', 1])
  })
})

describe('what is logged', () => {
  it('is every refusal, and never a key', async () => {
    const lines: string[] = []
    const put = (fields: object, message: string) =>
      lines.push(JSON.stringify({ ...fields, message }))
    const log = { ...silentLog, debug: put, info: put, warn: put, error: put }
    const other = await openTestGateway({ log })
    const key = await other.newKey({ name: 'logged' })
    await other.ask(`/v1/latest?key=${key}`)
    await other.ask(`/v1/${key}`)
    await other.ask('/v1/latest', { headers: { authorization: `Bearer ${key}x` } })
    await other.close()
    const text = lines.join('\n')
    assert.ok(text.includes('KEY_IN_URL') && text.includes('KEY_REFUSED'))
    assert.ok(text.includes('[redacted]'))
    assert.ok(!text.includes(key.slice(13)), text)
  })
})
