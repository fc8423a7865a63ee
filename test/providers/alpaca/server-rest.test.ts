import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { Accounts, type AlpacaAccountOptions } from '../../../src/providers/alpaca/server-plan.ts'
import { AlpacaRecord, type RecordOptions } from '../../../src/providers/alpaca/server-record.ts'
import { AlpacaRest, type RestOptions } from '../../../src/providers/alpaca/server-rest.ts'
import { handClock } from '../../../src/testing/clock.ts'

const OPEN = Date.UTC(2024, 0, 15, 14, 30)
const KEYS = { 'apca-api-key-id': 'PK', 'apca-api-secret-key': 's' }

type Json = Record<string, unknown> & {
  readonly trades?: Record<string, { t: string; p: number; i: number; u?: string }[]>
  readonly next_page_token?: string | null
}

function setUp(options: RestOptions & RecordOptions & AlpacaAccountOptions = {}) {
  const clock = handClock(OPEN + 60_000)
  const record = new AlpacaRecord(clock, options)
  const rest = new AlpacaRest(new Accounts(options, clock), record, clock, options)
  const ask = (url: string, headers: Record<string, string> = KEYS) => {
    const answer = rest.answer({ method: 'GET', url, headers })
    return { ...answer, json: JSON.parse(answer.body) as Json }
  }
  return { clock, record, ask }
}

let ids = 0
const trade = (symbol: string, ms: number, fields: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol, source: 'v', timestamp: OPEN + ms, price: 1 + ms / 1_000 },
    ...{ size: 100, id: ++ids, exchange: 'V', conditions: ['@'], tape: 'C', ...fields },
  })

describe('history', () => {
  test('comes by symbol, then time, then exchange, with the keys of the stream', () => {
    const { record, ask } = setUp()
    record.add([
      trade('TSLA', 5),
      trade('SPY', 7, { nanos: 5, id: '9223372036854775809' }),
      trade('SPY', 7, { nanos: 4, exchange: 'Z', id: 1 }),
      trade('SPY', 7, { nanos: 4, exchange: 'K', id: 2 }),
    ])
    const { status, body, json } = ask('/v2/stocks/trades?symbols=TSLA,SPY')
    assert.equal(status, 200)
    assert.deepEqual(Object.keys(json.trades!), ['SPY', 'TSLA'])
    assert.match(
      body,
      /^\{"trades":\{"SPY":\[\{"i":2,"x":"K","p":1.007,"s":100,"c":\["@"\],"z":"C","t":"2024-01-15T14:30:00.007000004Z"\},\{"i":1,"x":"Z",/,
    )
    assert.match(body, /\{"i":9223372036854775809,[^}]*007000005Z"\}\],"TSLA"/)
    assert.equal(json.next_page_token, null)
  })

  test('has a form for one symbol', () => {
    const { record, ask } = setUp()
    record.add([trade('SPY', 1)])
    const { json } = ask('/v2/stocks/spy/trades')
    assert.deepEqual([json.symbol, json.next_page_token], ['SPY', null])
    assert.equal((json.trades as unknown as object[]).length, 1)
    assert.deepEqual(ask('/v2/stocks/NONE/trades').json.trades, [])
  })

  test('includes both bounds, to the nanosecond', () => {
    const { record, ask } = setUp()
    record.add([0, 1, 2, 3].map(nanos => trade('SPY', 5, { nanos })))
    const at = (nanos: number) => `2024-01-15T09:30:00.00500000${nanos}-05:00`
    const url = `/v2/stocks/trades?symbols=SPY&start=${at(1)}&end=${at(2)}`
    assert.deepEqual(
      ask(url).json.trades!.SPY!.map(({ t }) => t.slice(-4)),
      ['001Z', '002Z'],
    )
    const count = (query: string) =>
      ask(`/v2/stocks/trades?symbols=SPY&${query}`).json.trades!.SPY?.length ?? 0
    assert.deepEqual(
      ['start=2024-01-15', 'end=2024-01-15', 'start=2024-01-16&end=2024-01-17'].map(count),
      [4, 4, 0],
    )
  })

  test('goes on page by page to the same whole, either way, whatever the size', () => {
    const { record, ask } = setUp({ pageSize: 7 })
    const symbols = ['A', 'BB', 'C']
    record.add(
      Array.from({ length: 60 }, (_, i) => trade(symbols[i % 3]!, (i * 7) % 11, { id: i })),
    )
    for (const sort of ['asc', 'desc']) {
      const whole: string[] = []
      const path = `/v2/stocks/trades?symbols=C,A,BB&sort=${sort}`
      for (const limit of [1, 3, 7, 1_000]) {
        const seen: string[] = []
        let token: string | null | undefined
        do {
          const next = token ? `&page_token=${encodeURIComponent(token)}` : ''
          const { json } = ask(`${path}&limit=${limit}${next}`)
          const page = Object.entries(json.trades!).flatMap(([symbol, items]) =>
            items.map(item => `${symbol} ${item.t} ${item.i}`),
          )
          assert.ok(page.length >= 1 && page.length <= Math.min(limit, 7))
          seen.push(...page)
          token = json.next_page_token
        } while (token)
        assert.equal(new Set(seen).size, 60)
        if (whole.length === 0) whole.push(...seen)
        assert.deepEqual(seen, whole)
      }
    }
  })

  test("a page token is the last item's key, as the venue makes it", () => {
    const { record, ask } = setUp()
    record.add([trade('SPY', 1, { id: 628, nanos: 5 }), trade('SPY', 2)])
    const token = ask('/v2/stocks/trades?symbols=SPY&limit=1').json.next_page_token!
    assert.equal(
      Buffer.from(token, 'base64').toString(),
      'SPY|2024-01-15T14:30:00.001000005Z|V|09223372036854776436',
    )
  })

  test('pages tell quotes apart that are alike in all things', () => {
    const { record, ask } = setUp()
    const alike = (ms: number) =>
      createEvent({
        ...{ type: 'quote', symbol: 'SPY', source: 'v', timestamp: OPEN + ms, bid: 5, bidSize: 1 },
        ...{ ask: 6, askSize: 1 },
      })
    record.add([1, 2, 2, 2, 2, 2, 3].map(alike))
    for (const limit of [1, 2, 3, 4]) {
      const seen: string[] = []
      let token: string | null | undefined
      for (let page = 0; page < 10 && token !== null; page++) {
        const next = token ? `&page_token=${encodeURIComponent(token)}` : ''
        const { json } = ask(`/v2/stocks/quotes?symbols=SPY&limit=${limit}${next}`)
        seen.push(...(json.quotes as Record<string, { t: string }[]>).SPY!.map(({ t }) => t[22]!))
        token = json.next_page_token
      }
      assert.equal(seen.join(''), '1222223')
    }
  })

  test('marks what was canceled or corrected', () => {
    const { record, ask } = setUp()
    const base = { symbol: 'SPY', source: 'v', timestamp: OPEN + 9, exchange: 'V' }
    record.add([trade('SPY', 1, { id: 1 }), trade('SPY', 2, { id: 2 }), trade('SPY', 3, { id: 3 })])
    record.add([
      createEvent({ type: 'cancel', ...base, id: 1, action: 'cancel' }),
      createEvent({
        ...{ type: 'correction', ...base, originalId: 2, originalPrice: 1.002, originalSize: 100 },
        ...{ id: 4, price: 7.5, size: 50 },
      }),
    ])
    assert.deepEqual(
      ask('/v2/stocks/trades?symbols=SPY').json.trades!.SPY!.map(({ i, p, u }) => [i, p, u]),
      [
        [1, 1.001, 'canceled'],
        [2, 1.002, 'incorrect'],
        [4, 7.5, 'corrected'],
        [3, 1.003, undefined],
      ],
    )
  })

  test('is late by the lag, and forgets the oldest', () => {
    const { clock, record, ask } = setUp({ lagMs: 1_000, capacity: 3 })
    record.add([1, 2, 3, 4].map(ms => trade('SPY', ms)))
    const seen = () => ask('/v2/stocks/trades?symbols=SPY').json.trades!.SPY?.map(({ p }) => p)
    assert.equal(seen(), undefined)
    clock.turn(1_000)
    assert.deepEqual(seen(), [1.002, 1.003, 1.004])
  })

  test('has minute bars, the later one in place of the earlier', () => {
    const { record, ask } = setUp()
    const bar = (close: number, revision: number) =>
      createEvent({
        ...{ type: 'bar', symbol: 'SPY', source: 'v', timestamp: OPEN, interval: '1m', revision },
        ...{ open: 1, high: 2, low: 1, close, volume: 5, final: true },
      })
    record.add([bar(1.5, 0), bar(1.7, 1)])
    const { json } = ask('/v2/stocks/bars?symbols=SPY&timeframe=1Min')
    const [one, ...more] = (json.bars as Record<string, { c: number }[]>).SPY!
    assert.deepEqual([one?.c, more], [1.7, []])
  })
})

describe('latest', () => {
  test('is the last of each, never an odd lot or a canceled trade', () => {
    const { record, ask } = setUp()
    record.add([
      trade('SPY', 1, { id: 1 }),
      trade('SPY', 2, { id: 2 }),
      trade('SPY', 3, { conditions: ['@', 'I'] }),
      createEvent({
        ...{ type: 'cancel', symbol: 'SPY', source: 'v', timestamp: OPEN, exchange: 'V' },
        ...{ id: 2, action: 'error' },
      }),
      createEvent({
        type: 'quote',
        symbol: 'SPY',
        source: 'v',
        timestamp: OPEN,
        bid: 5,
        bidSize: 1,
      }),
    ])
    const { json } = ask('/v2/stocks/trades/latest?symbols=SPY,NONE&feed=iex')
    assert.deepEqual(Object.keys(json.trades!), ['SPY'])
    assert.equal((json.trades as unknown as Record<string, { p: number }>).SPY!.p, 1.001)
    const one = ask('/v2/stocks/SPY/quotes/latest').json as { quote?: { bp: number } }
    assert.equal(one.quote?.bp, 5)
    assert.equal(ask('/v2/stocks/NONE/trades/latest').status, 404)
    const snapshot = ask('/v2/stocks/SPY/snapshot').json as { latestQuote?: { bp: number } }
    assert.equal(snapshot.latestQuote?.bp, 5)
    const all = ask('/v2/stocks/snapshots?symbols=SPY').json.SPY as typeof snapshot
    assert.deepEqual(all.latestQuote, snapshot.latestQuote)
  })
})

describe('refusals', () => {
  const cases: readonly [url: string, status: number, message: RegExp][] = [
    ['/v2/stocks', 404, /Not Found/],
    ['/v2/stocks/SPY', 404, /Not Found/],
    ['/v2/stocks/SPY/trades/latest/x', 404, /Not Found/],
    ['/v1beta3/crypto/mars/trades?symbols=BTC/USD', 404, /Not Found/],
    ['/v2/stocks/%E0%A4%A/trades', 400, /invalid path/],
    ['/v2/stocks/trades', 400, /symbols is required/],
    ['/v2/stocks/trades?symbols=SPY,,TSLA', 400, /invalid symbol/],
    ['/v2/stocks/trades?symbols=SPY&limit=0', 400, /limit/],
    ['/v2/stocks/trades?symbols=SPY&limit=10001', 400, /limit/],
    ['/v2/stocks/trades?symbols=SPY&start=yesterday', 400, /start/],
    ['/v2/stocks/trades?symbols=SPY&start=2024-01-16&end=2024-01-15', 400, /before start/],
    ['/v2/stocks/trades?symbols=SPY&sort=up', 400, /sort/],
    ['/v2/stocks/trades?symbols=SPY&page_token=abc', 400, /page_token/],
    ['/v2/stocks/trades?symbols=SPY&feed=nyse', 400, /feed/],
    ['/v2/stocks/bars?symbols=SPY', 400, /timeframe is required/],
    ['/v2/stocks/bars?symbols=SPY&timeframe=7Weeks', 400, /invalid timeframe/],
    ['/v2/stocks/bars?symbols=SPY&timeframe=1Day', 422, /1Min only/],
  ]
  for (const [url, status, message] of cases) {
    test(`${url} is answered with ${status}`, () => {
      const answer = setUp().ask(url)
      assert.equal(answer.status, status)
      assert.match(String(answer.json.message), message)
    })
  }

  test('whatever is asked there is an answer, also to what is no path and to what goes wrong within', t => {
    const { record, ask } = setUp()
    for (const [url, status] of [
      ['//', 404],
      ['///v2/stocks', 404],
      ['*', 400],
      ['http://', 400],
      ['http://venue:99999/v2/stocks/SPY/trades', 400],
      ['/v2/stocks/%E0%A4/trades', 400],
      ['http://elsewhere/v2/stocks/SPY/trades', 200],
    ] as const) {
      assert.equal(ask(url).status, status, url)
    }
    t.mock.method(record, 'list', () => {
      throw new Error('boom')
    })
    const { status, json } = ask('/v2/stocks/SPY/trades')
    assert.equal(status, 500)
    assert.deepEqual(json as unknown, { message: 'internal server error: boom' })
  })

  test('without a key or with a wrong one: 401; a token without scope: 403', () => {
    const accounts = { PK: 's' }
    const { ask } = setUp({ accounts, tokens: { good: {}, narrow: { scope: false } } })
    const url = '/v2/stocks/trades?symbols=SPY'
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    const status = (headers: Record<string, string>) => ask(url, headers).status
    assert.deepEqual(
      [
        status(KEYS),
        status({}),
        status({ ...KEYS, 'apca-api-secret-key': 'x' }),
        status({ authorization: basic('PK:s') }),
        status({ authorization: basic('PK:t') }),
        status({ authorization: 'Bearer good' }),
        status({ authorization: 'Bearer narrow' }),
      ],
      [200, 401, 401, 200, 401, 200, 403],
    )
    assert.deepEqual(ask(url, {}).json, { message: 'unauthorized' })
  })

  test('the last 15 minutes of SIP are not for plans without it', () => {
    const { ask, clock, record } = setUp({ plan: { feeds: ['iex'] } })
    record.add([trade('SPY', 1)])
    const url = '/v2/stocks/trades?symbols=SPY&start=2024-01-15'
    const now = new Date(clock.now()).toISOString()
    const refused = ask(`${url}&end=${now}`)
    assert.deepEqual([refused.status, refused.json.code], [403, 42_210_000])
    assert.deepEqual(ask(url).json.trades, {})
    assert.equal(ask(`${url}&end=${now}&feed=iex`).json.trades!.SPY!.length, 1)
    clock.turn(15 * 60_000)
    assert.equal(ask(url).json.trades!.SPY!.length, 1)
  })

  test('too many questions in a minute: 429, with the headers that say when', () => {
    const { ask, clock } = setUp({ requestsPerMinute: 2 })
    const url = '/v2/stocks/trades?symbols=SPY'
    const seen = [ask(url), ask(url), ask(url)].map(({ status, headers }) => [
      status,
      headers['x-ratelimit-limit'],
      headers['x-ratelimit-remaining'],
      headers['x-ratelimit-reset'],
    ])
    const reset = String(clock.now() / 1_000 + 60)
    assert.deepEqual(seen, [
      [200, '2', '1', reset],
      [200, '2', '0', reset],
      [429, '2', '0', reset],
    ])
    clock.turn(60_000)
    assert.equal(ask(url).status, 200)
  })
})
