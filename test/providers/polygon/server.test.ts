// The venue's side: greeting, keys, plans, pairs, frames, and its REST answers.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { type PolygonServerOptions, polygonServer } from '../../../src/providers/polygon/server.ts'
import { PolygonRest, type RestOptions } from '../../../src/providers/polygon/server-rest.ts'
import type { PolygonSession } from '../../../src/providers/polygon/server-session.ts'
import { handClock } from '../../../src/testing/clock.ts'

const AT = Date.UTC(2024, 0, 15, 14, 30)

interface Status {
  readonly ev: string
  readonly status: string
  readonly message: string
}

function venue(options: Omit<PolygonServerOptions, 'clock'> = {}) {
  const clock = handClock(AT)
  const server = polygonServer({ ...options, clock })
  /** A client at a path: what it has been sent, and how it ended. */
  const client = (path = '/stocks') => {
    const frames: unknown[][] = []
    const ends: string[] = []
    let buffered = 0
    const session = server.accept(
      { path, headers: {} },
      {
        get bufferedBytes() {
          return buffered
        },
        send: frame => frames.push(JSON.parse(String(frame))),
        close: code => {
          ends.push(`close ${code}`)
          session.closed()
        },
        cut: () => {
          ends.push('cut')
          session.closed()
        },
      },
    ) as PolygonSession
    const say = (message: unknown) =>
      session.receive(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)))
    const said = () =>
      frames
        .splice(0)
        .map(frame => (frame as Status[]).map(({ status, message }) => `${status}: ${message}`))
    return {
      ...{ session, frames, ends, say, said },
      auth: (key = 'KEY') => say({ action: 'auth', params: key }),
      subscribe: (params: string) => say({ action: 'subscribe', params }),
      unsubscribe: (params: string) => say({ action: 'unsubscribe', params }),
      fill: (bytes: number) => {
        buffered = bytes
      },
    }
  }
  return { clock, server, client }
}

const trade = (symbol: string, fields: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol, source: 'venue', timestamp: AT, price: 5, size: 10, id: 7 },
    ...{ exchange: '11', tape: 'C', ...fields },
  })

describe('a session', () => {
  test('greets alone, answers the key alone, then each pair', () => {
    const { client } = venue()
    const one = client()
    assert.deepEqual(one.said(), [['connected: Connected Successfully']])
    one.auth()
    assert.deepEqual(one.said(), [['auth_success: authenticated']])
    one.subscribe('T.AAPL, Q.*,T.BRK.B')
    assert.deepEqual(one.said(), [
      [
        'success: subscribed to: T.AAPL',
        'success: subscribed to: Q.*',
        'success: subscribed to: T.BRK.B',
      ],
    ])
    one.unsubscribe('Q.*')
    assert.deepEqual(one.said(), [['success: unsubscribed to: Q.*']])
    assert.deepEqual(
      one.session.topics.map(({ kind, symbol }) => `${kind} ${symbol}`),
      ['trade AAPL', 'trade BRK.B'],
    )
  })

  test('keeps a subscription that came ahead of the key', () => {
    const one = venue().client()
    one.subscribe('T.AAPL')
    one.auth()
    assert.deepEqual(one.said().flat(), [
      ...['connected: Connected Successfully', 'auth_success: authenticated'],
      'success: subscribed to: T.AAPL',
    ])
  })

  test('says nothing of what is held already, nor of a channel there is not; any symbol is one', () => {
    const one = venue().client()
    one.auth()
    one.subscribe('T.AAPL')
    one.said()
    one.subscribe('T.AAPL,ZZ.AAPL,XT.BTC-USD,T.')
    assert.deepEqual(one.said(), [])
    one.subscribe('T.NOSUCHTHING')
    assert.deepEqual(one.said().length, 1)
  })

  test('refuses what the plan lacks, first and without a name', () => {
    const one = venue({ plan: { channels: ['T'] } }).client()
    one.auth()
    one.said()
    one.subscribe('Q.AAPL,T.AAPL,AM.AAPL')
    assert.deepEqual(one.said(), [
      ['error: not authorized', 'error: not authorized', 'success: subscribed to: T.AAPL'],
    ])
  })

  test('cuts who has a wrong key or a plan without the cluster, a moment after saying so', async () => {
    for (const [key, message] of [
      ['BAD', 'authentication failed'],
      ['', 'authentication failed'],
      [
        'FOREX',
        "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade.",
      ],
    ] as const) {
      const { clock, client } = venue({ accounts: { KEY: {}, FOREX: { markets: ['forex'] } } })
      const one = client()
      one.said()
      one.auth(key)
      assert.deepEqual(one.said(), [[`auth_failed: ${message}`]])
      await clock.advance(50)
      assert.deepEqual(one.ends, ['cut'])
    }
  })

  test('ends who shows no key in time', async () => {
    const { clock, client } = venue()
    const one = client()
    one.said()
    await clock.advance(10_000)
    assert.deepEqual(one.said(), [['auth_timeout: No authentication request received.']])
    assert.deepEqual(one.ends, ['close 1000'])
  })

  test('survives whatever a client says', () => {
    const one = venue().client()
    one.auth()
    one.said()
    for (const text of [
      '',
      'null',
      '[]',
      '{',
      '{"action":5}',
      '{"action":"dance","params":""}',
      '"x"',
    ]) {
      one.say(text)
    }
    assert.equal(one.said().length, 7)
    assert.deepEqual(one.ends, [])
  })

  test('is one too many: the oldest goes, or the newest, after it was let in', () => {
    for (const [evicts, goes] of [
      ['oldest', 0],
      ['newest', 1],
    ] as const) {
      const { client } = venue({ evicts })
      const both = [client(), client()]
      const elsewhere = client('/crypto')
      for (const one of [...both, elsewhere]) one.auth()
      assert.deepEqual(
        both.map(({ ends }) => ends.join()),
        goes === 0 ? ['close 1008', ''] : ['', 'close 1008'],
      )
      const last = both[goes]!.said().at(-1)![0]!
      assert.match(last, /^max_connections: Maximum number of websocket connections exceeded\./)
      assert.deepEqual(elsewhere.ends, [])
    }
  })

  test('that is slow is cut without a word', () => {
    const { server, client } = venue({ maxBufferBytes: 1_000 })
    const one = client()
    one.auth()
    one.subscribe('T.*')
    one.said()
    one.fill(1_001)
    server.deliver([trade('AAPL')])
    assert.deepEqual([one.frames, one.ends], [[], ['cut']])
  })

  test('is refused at a path that is no cluster', () => {
    const { server } = venue({ market: 'stocks' })
    const peer = { bufferedBytes: 0, send() {}, close() {}, cut() {} }
    for (const path of ['/', '/stock', '/crypto']) {
      assert.deepEqual(server.accept({ path, headers: {} }, peer), { status: 404 })
    }
    assert.ok(!('status' in server.accept({ path: '/base/stocks?x=1', headers: {} }, peer)))
  })
})

describe('data', () => {
  test('goes to whom has asked for it, of the right cluster', () => {
    const { server, client } = venue()
    const [stocks, crypto, forex, options] = ['/stocks', '/crypto', '/forex', '/options'].map(
      path => client(path),
    )
    for (const one of [stocks, crypto, forex, options]) one!.auth()
    stocks!.subscribe('T.*')
    crypto!.subscribe('XT.*')
    forex!.subscribe('C.*')
    options!.subscribe('T.O:SPY251219C00650000')
    for (const one of [stocks, crypto, forex, options]) one!.said()
    const rate = createEvent({
      ...{ type: 'quote', symbol: 'EUR/USD', source: 'venue', timestamp: AT, bid: 1, ask: 2 },
    })
    server.deliver([trade('AAPL'), trade('BTC/USD'), rate, trade('SPY251219C00650000')])
    const names = [stocks, crypto, forex, options].map(one =>
      one!.frames.flat().map(it => {
        const { sym, pair, p } = it as { sym?: string; pair?: string; p?: unknown }
        return sym ?? pair ?? p
      }),
    )
    assert.deepEqual(names, [['AAPL'], ['BTC-USD'], ['EUR/USD'], ['O:SPY251219C00650000']])
  })

  test('comes in frames of at most 64 KiB, every one an array', () => {
    const { server, client } = venue()
    const one = client()
    one.auth()
    one.subscribe('T.*')
    one.said()
    server.deliver(Array.from({ length: 2_000 }, (_, i) => trade(`S${i}`)))
    assert.ok(one.frames.length > 1)
    assert.ok(one.frames.every(frame => JSON.stringify(frame).length <= 65_536 + 200))
    assert.equal(one.frames.flat().length, 2_000)
  })

  test('has ids as texts, and nothing that is null', () => {
    const { server, client } = venue()
    const one = client()
    one.auth()
    one.subscribe('T.AAPL')
    one.said()
    server.deliver([trade('AAPL', { conditions: undefined, tape: undefined })])
    assert.deepEqual(one.frames, [[{ ev: 'T', sym: 'AAPL', x: 11, i: '7', p: 5, s: 10, t: AT }]])
  })
})

describe('REST', () => {
  function rest(options: RestOptions = {}) {
    const { clock, server } = venue({ accounts: { KEY: {} } })
    const side = new PolygonRest(server.accounts, clock, options)
    const ask = (
      url: string,
      headers: Record<string, string> = { authorization: 'Bearer KEY' },
    ) => {
      const { status, body } = side.answer({ method: 'GET', url, headers })
      return {
        status,
        body,
        json: JSON.parse(body) as Record<string, unknown> & { results: { id: string }[] },
      }
    }
    return { clock, side, ask }
  }

  test('takes the key as a header and in the query, and no other', () => {
    const { ask } = rest()
    assert.equal(ask('/v3/trades/AAPL').status, 200)
    assert.equal(ask('/v3/trades/AAPL?apiKey=KEY', {}).status, 200)
    const { status, json } = ask('/v3/trades/AAPL?apiKey=BAD', {})
    assert.deepEqual([status, json.status, json.error], [401, 'ERROR', 'Unknown API Key'])
  })

  test('has the newest first unless told otherwise, and pages at addresses of its own host', () => {
    const { side, ask } = rest()
    side.add([1, 2, 3].map(id => trade('AAPL', { id, timestamp: AT + id })))
    const headers = { authorization: 'Bearer KEY', host: '127.0.0.1:8' }
    const first = ask('/v3/trades/AAPL?limit=2', headers).json
    assert.deepEqual(
      first.results.map(({ id }) => id),
      ['3', '2'],
    )
    const next = String(first.next_url)
    assert.match(next, /^http:\/\/127\.0\.0\.1:8\/v3\/trades\/AAPL\?cursor=/)
    const second = ask(next.slice('http://127.0.0.1:8'.length), headers).json
    assert.deepEqual([second.results.map(({ id }) => id), second.next_url], [['1'], undefined])
    const up = ask(`/v3/trades/AAPL?order=asc&timestamp.gt=${AT + 1}000000`).json
    assert.deepEqual(
      up.results.map(({ id }) => id),
      ['2', '3'],
    )
  })

  test('has times to the nanosecond, beyond what a double holds', () => {
    const { side, ask } = rest()
    side.add([trade('AAPL', { nanos: 123_457 })])
    assert.match(ask('/v3/trades/AAPL').body, new RegExp(`"sip_timestamp":${AT}123457[,}]`))
  })

  test('knows only what was delivered a while ago, and of wrong questions what is wrong', async () => {
    const { side, ask, clock } = rest({ lagMs: 1_000, requestsPerMinute: 6 })
    side.add([trade('AAPL')])
    assert.deepEqual(ask('/v3/trades/AAPL').json.results, [])
    await clock.advance(1_000)
    assert.equal(ask('/v3/trades/AAPL').json.results.length, 1)
    assert.equal(ask('/v3/trades/AAPL?limit=0').status, 400)
    assert.equal(ask('/v3/trades/AAPL?timestamp.gte=soon').status, 400)
    assert.equal(ask('/v9/everything').status, 404)
    assert.equal(ask('/v2/aggs/ticker/AAPL/range/7/day/0/1').status, 400)
    assert.equal(ask('/v3/trades/AAPL').status, 429)
  })
})
