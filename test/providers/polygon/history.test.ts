// History and latest values: the addresses asked, the records read, pages, and answers that are wrong.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HttpGet } from '../../../src/base/http.ts'
import type { HistoryRequest } from '../../../src/flow/contracts.ts'
import { createEvent, flagNames, type MarketEvent, type Trade } from '../../../src/market/events.ts'
import { instruments } from '../../../src/market/instruments.ts'
import { type PolygonOptions, polygon } from '../../../src/providers/polygon/index.ts'
import type { PolygonPlan } from '../../../src/providers/polygon/server-plan.ts'
import { type HandClock, handClock } from '../../../src/testing/clock.ts'
import { type PolygonVenueOptions, polygonVenue } from '../../../src/testing/venue-polygon.ts'

const OPEN = Date.UTC(2024, 0, 15, 14, 30)
const HOUR = { from: OPEN, to: OPEN + 3_600_000 }

interface Outcome {
  readonly events: MarketEvent[]
  readonly error:
    | { readonly code: string; readonly message: string; readonly hint?: string }
    | undefined
}

/** Waits for a promise while time goes by. */
async function passing<T>(clock: HandClock, promise: Promise<T>): Promise<T> {
  let over = false
  const end = () => {
    over = true
  }
  promise.then(end, end)
  for (let i = 0; i < 10_000 && !over; i++) await clock.advance(250)
  assert.ok(over, 'it has come to an end')
  return promise
}

async function outcomeOf(history: AsyncIterable<MarketEvent[]>): Promise<Outcome> {
  const events: MarketEvent[] = []
  try {
    for await (const batch of history) events.push(...batch)
  } catch (thrown) {
    return { events, error: thrown as NonNullable<Outcome['error']> }
  }
  return { events, error: undefined }
}

function asking(httpGet: HttpGet, options: PolygonOptions, clock: HandClock) {
  const asked: URL[] = []
  const headers: Record<string, string>[] = []
  const provider = polygon({
    ...{ key: 'KEY', clock, ...options },
    httpGet: request => {
      asked.push(new URL(request.url))
      headers.push({ ...request.headers })
      return httpGet(request)
    },
  })
  const history = (request: Partial<HistoryRequest> = {}) =>
    passing(
      clock,
      outcomeOf(provider.history!({ kind: 'trade', symbols: ['AAPL'], ...HOUR, ...request })),
    )
  return { clock, provider, asked, headers, history }
}

/** A provider whose REST side answers with these bodies, one after another, the last for all that follow. */
function canned(bodies: readonly (object | string)[], options: PolygonOptions = {}) {
  const clock = handClock(OPEN + 3_600_000)
  let count = 0
  return asking(
    async () => {
      const body = bodies[Math.min(count++, bodies.length - 1)]!
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return { status: 200, headers: {}, body: Buffer.from(text) }
    },
    options,
    clock,
  )
}

/** A provider that asks a scripted venue, an hour after the opening. */
function scripted(venueOptions: PolygonVenueOptions = {}, options: PolygonOptions = {}) {
  const clock = handClock(OPEN + 3_600_000)
  const venue = polygonVenue({ clock, ...venueOptions })
  return { venue, ...asking(venue.httpGet, options, clock) }
}

const answer = (...records: string[]) =>
  `{"status":"OK","request_id":"a","results":[${records.join()}]}`
const tradeAt = (ms: number, fields = '') =>
  `{"id":"${ms}","exchange":11,"price":${100 + ms},"size":5,"sip_timestamp":${OPEN + ms}123456,"tape":3${fields}}`
let ids = 0
const trade = (symbol: string, ms: number, fields: object = {}) =>
  createEvent({
    ...{ type: 'trade', symbol, source: 'polygon', timestamp: OPEN + ms, price: 100, size: 10 },
    ...{
      id: ++ids,
      exchange: '11',
      conditions: ['12'],
      tape: 'C',
      nanos: 5,
      receivedAt: 1,
      ...fields,
    },
  }) as Trade

describe('questions', () => {
  test('go to version 3 for trades and quotes, in nanoseconds, and to version 2 for bars, in ms', async () => {
    const one = canned([answer()])
    await one.history()
    await one.history({ kind: 'quote' })
    await one.history({ kind: 'bar', interval: '5m' })
    const [trades, quotes, bars] = one.asked
    assert.equal(trades!.origin + trades!.pathname, 'https://api.massive.com/v3/trades/AAPL')
    assert.deepEqual(Object.fromEntries(trades!.searchParams), {
      'timestamp.gte': `${OPEN}000000`,
      'timestamp.lte': `${OPEN + 3_600_000}999999`,
      ...{ order: 'asc', limit: '10000', sort: 'timestamp' },
    })
    assert.equal(quotes!.pathname, '/v3/quotes/AAPL')
    assert.equal(bars!.pathname, `/v2/aggs/ticker/AAPL/range/5/minute/${HOUR.from}/${HOUR.to}`)
    assert.deepEqual(Object.fromEntries(bars!.searchParams), {
      ...{ adjusted: 'false', sort: 'asc', limit: '10000' },
    })
  })

  test('carry the key as a header, never in the address', async () => {
    const one = canned([answer()])
    await one.history()
    assert.equal(one.headers[0]?.Authorization, 'Bearer KEY')
    assert.ok(!one.asked[0]!.href.includes('KEY'))
  })

  test('name symbols as REST does', async () => {
    for (const [market, kind, symbol, path] of [
      ['options', 'trade', 'SPY251219C00650000', '/v3/trades/O%3ASPY251219C00650000'],
      ['crypto', 'trade', 'BTC/USD', '/v3/trades/X%3ABTC-USD'],
      ['forex', 'quote', 'EUR/USD', '/v3/quotes/C%3AEUR-USD'],
      ['crypto', 'bar', 'BTC/USD', '/v2/aggs/ticker/X%3ABTCUSD/range/1/minute/'],
      ['indices', 'bar', 'SPX', '/v2/aggs/ticker/I%3ASPX/range/1/minute/'],
    ] as const) {
      const one = canned([answer()], { market })
      await one.history({ kind, symbols: [symbol] })
      assert.ok(one.asked[0]!.pathname.startsWith(path), one.asked[0]!.pathname)
    }
  })

  test('of a late feed reach no further than what it may show', async () => {
    const one = canned([answer()], { feed: 'delayed' })
    await one.history()
    const to = OPEN + 3_600_000 - 900_000 - 1_000
    assert.equal(one.asked[0]!.searchParams.get('timestamp.lte'), `${to}999999`)
    const { events } = await one.history({ from: to + 60_000 })
    assert.deepEqual([events, one.asked.length], [[], 1])
  })

  test('that nobody can answer are refused before they are asked', async () => {
    for (const [options, request, code] of [
      [{}, { kind: 'luld' }, 'UNSUPPORTED'],
      [{ market: 'crypto' }, { kind: 'quote', symbols: ['BTC/USD'] }, 'UNSUPPORTED'],
      [{}, { symbols: ['*'] }, 'UNSUPPORTED'],
      [{}, { symbols: [] }, 'NO_SYMBOLS'],
      [{}, { symbols: ['A B'] }, 'BAD_SYMBOL'],
      [{}, { kind: 'bar', interval: '500t' }, 'UNSUPPORTED'],
      [{}, { kind: 'bar', adjustment: 'all' }, 'UNSUPPORTED'],
      [
        { market: 'crypto' },
        { kind: 'bar', symbols: ['BTC/USD'], adjustment: 'split' },
        'UNSUPPORTED',
      ],
      [{}, { from: 5, to: 4 }, 'BAD_OPTION'],
    ] as const) {
      const one = canned([answer()], options)
      const { error } = await one.history(request as Partial<HistoryRequest>)
      assert.equal(error?.code, code, JSON.stringify(request))
      assert.equal(one.asked.length, 0)
    }
  })

  test('of a server of one own go to that, and to no other', async () => {
    const one = canned([answer()], { url: 'ws://127.0.0.1:9/base/stocks' })
    await one.history()
    assert.equal(
      one.asked[0]!.origin + one.asked[0]!.pathname,
      'http://127.0.0.1:9/base/v3/trades/AAPL',
    )
    const { code } = (() => {
      try {
        polygon({ key: 'KEY', restUrl: 'ftp://x' })
      } catch (error) {
        return error as { code: string }
      }
      assert.fail()
    })()
    assert.equal(code, 'BAD_OPTION')
  })
})

describe('records', () => {
  test('of trades are exact to the nanosecond, ids and fractions too', async () => {
    const text = answer(
      '{"conditions":[12,37],"correction":0,"exchange":4,"id":"183276","participant_timestamp":1705329000461636601,"price":156.43,"sequence_number":7179341,"sip_timestamp":1705329001461979401,"size":0,"decimal_size":"0.125","tape":3,"trf_id":202,"trf_timestamp":1705329000090806501}',
      '{"exchange":11,"id":"9007199254740993","price":156.5,"sip_timestamp":1705329001461979402,"size":10,"decimal_size":10.5,"tape":1}',
    )
    const { events } = await canned([text]).history()
    assert.deepEqual(
      events.map(event => ({ ...event, receivedAt: 1 })),
      [
        trade('AAPL', 1_461, {
          price: 156.43,
          size: 0.125,
          id: 183_276,
          exchange: '4:202',
          nanos: 979_401,
          conditions: ['12', '37'],
        }),
        trade('AAPL', 1_461, {
          price: 156.5,
          size: 10.5,
          id: '9007199254740993',
          tape: 'A',
          nanos: 979_402,
          conditions: undefined,
        }),
      ].map(event => ({ ...event })),
    )
  })

  test('of quotes have their sides, conditions and indicators', async () => {
    const text = answer(
      '{"ask_exchange":19,"ask_price":155.87,"ask_size":2,"bid_exchange":0,"bid_price":0,"bid_size":0,"conditions":[1],"indicators":[604],"sip_timestamp":1705329001461979402,"tape":3}',
    )
    const { events } = await canned([text], { lotSize: 100 }).history({ kind: 'quote' })
    const [quote] = events as unknown as Record<string, unknown>[]
    assert.deepEqual(
      [
        quote!.bid,
        quote!.bidSize,
        quote!.ask,
        quote!.askSize,
        quote!.askExchange,
        quote!.conditions,
        quote!.nanos,
      ],
      [undefined, undefined, 155.87, 200, '19', ['1', '604'], 979_402],
    )
  })

  test('of bars have their length, and those still running are not final', async () => {
    const at = OPEN + 3_600_000 - 300_000
    const bar = (t: number) =>
      `{"c":75.08,"h":75.15,"l":73.79,"n":7,"o":74.06,"t":${t},"v":135647456,"vw":74.6}`
    const text = answer(bar(at), bar(at + 300_000))
    const { events } = await canned([text]).history({
      kind: 'bar',
      interval: '5m',
      adjustment: 'split',
    })
    assert.deepEqual(
      (events as unknown as Record<string, unknown>[]).map(it => [
        it.interval,
        it.tradeCount,
        it.final,
        it.adjustment,
      ]),
      [
        ['5m', 7, true, 'split'],
        ['5m', 7, false, 'split'],
      ],
    )
  })

  test('of trades that were taken back say so, and the words about them are no trades', async () => {
    const text = answer(
      ...[0, 1, 7, 8, 10, 11, 12].map((code, i) => tradeAt(i, `,"correction":${code}`)),
    )
    const { events } = await canned([text]).history()
    assert.deepEqual(
      events.map(
        event =>
          `${event.timestamp - OPEN} ${event.type}${event.type === 'cancel' ? ` ${event.action}` : ''}`,
      ),
      [
        '0 trade',
        '1 trade',
        '2 trade',
        '2 cancel error',
        '3 trade',
        '3 cancel cancel',
        '4 cancel cancel',
        '5 cancel error',
      ],
    )
  })

  test('that can be no event are told and left out, or end the answer', async () => {
    const text = answer(tradeAt(1), tradeAt(2).replace('102', '0'), tradeAt(3))
    const told: string[] = []
    const { events, error } = await canned([text]).history({
      malformed: (_, reason) => told.push(reason),
    })
    assert.deepEqual([events.length, error, told], [2, undefined, ['price is not a price']])
    assert.equal((await canned([text]).history()).error?.code, 'VENUE_ERROR')
  })
})

describe('pages', () => {
  test('are followed by path and query, whatever host the venue names', async () => {
    const first = answer(tradeAt(1)).replace(
      '{',
      '{"next_url":"https://elsewhere.example/v3/trades/AAPL?cursor=abc",',
    )
    const one = canned([first, answer(tradeAt(2))])
    const { events, error } = await one.history()
    assert.deepEqual([events.length, error], [2, undefined])
    assert.equal(one.asked[1]!.href, 'https://api.massive.com/v3/trades/AAPL?cursor=abc')
  })

  test('of a whole venue give all of it in order, once', async () => {
    const { venue, history, asked } = scripted({ rest: { capacity: 50_000 } })
    const trades = Array.from({ length: 25_000 }, (_, i) => trade('AAPL', i, { nanos: i % 7 }))
    venue.deliver([...trades, trade('MSFT', 5)])
    const { events, error } = await history()
    assert.equal(error, undefined)
    assert.equal(asked.length, 3)
    assert.deepEqual(
      events.map(event => ({ ...event, receivedAt: 1 })),
      trades.map(event => ({ ...event, seq: undefined })),
    )
  })

  test('without end, or that come again, end with an error', async () => {
    const to = (cursor: string) =>
      `{"next_url":"https://api.massive.com/v3/trades/AAPL?cursor=${cursor}",`
    const same = answer(tradeAt(1)).replace('{', to('a'))
    const repeated = await canned([same, same]).history()
    assert.deepEqual([repeated.events.length, repeated.error?.code], [1, 'VENUE_ERROR'])
    let count = 0
    const clock = handClock(OPEN + 3_600_000)
    const endless = asking(
      async () => {
        const body = Buffer.from(answer().replace('{', to(String(++count))))
        return { status: 200, headers: {}, body }
      },
      {},
      clock,
    )
    assert.match((await endless.history()).error?.message ?? '', /no end/)
    assert.ok(endless.asked.length <= 12)
  })
})

describe('answers that are wrong', () => {
  for (const how of [
    'garbage',
    'cut',
    'repeated',
    'shuffled',
    'outside',
    'stranger',
    'priceless',
    'endless',
  ] as const) {
    test(`${how}: an error, and nothing of it is given on`, async () => {
      const { venue, history, asked } = scripted()
      venue.deliver([trade('AAPL', 1), trade('AAPL', 2), trade('AAPL', 3)])
      venue.inject({ fault: 'rest-spoiled', how, times: 99 })
      const { events, error } = await history()
      assert.equal(error?.code, 'VENUE_ERROR')
      if (how !== 'repeated' && how !== 'endless') assert.deepEqual(events, [])
      assert.ok(asked.length <= 12)
    })
  }

  test('silence is waited for, a few times', async () => {
    const { venue, history, asked } = scripted()
    venue.inject({ fault: 'rest-spoiled', how: 'silence', times: 99 })
    const { error } = await history()
    assert.equal(error?.code, 'UNREACHABLE')
    assert.equal(asked.length, 4)
  })

  for (const [status, code, tries] of [
    [401, 'AUTH_FAILED', 1],
    [403, 'NOT_ENTITLED', 1],
    [404, 'NOT_FOUND', 1],
    [400, 'BAD_REQUEST', 1],
    [429, 'RATE_LIMITED', 4],
    [500, 'VENUE_ERROR', 4],
  ] as const) {
    test(`HTTP ${status} is ${code}, asked ${tries} times`, async () => {
      const { venue, history, asked } = scripted()
      venue.inject({ fault: 'rest-error', status, times: 99 })
      const { error } = await history()
      assert.equal(error?.code, code)
      assert.match(error?.message ?? '', new RegExp(`it is a ${status}`))
      assert.equal(asked.length, tries)
    })
  }

  test('a passing refusal is waited out as long as it asks, and then all comes', async () => {
    const { venue, history, clock } = scripted()
    venue.deliver([trade('AAPL', 1)])
    venue.inject({ fault: 'rest-error', status: 429, retryAfter: '7s' })
    const begun = clock.now()
    const { events, error } = await history()
    assert.deepEqual([events.length, error], [1, undefined])
    assert.ok(clock.now() - begun >= 7_000)
  })

  test('a key the venue does not know is told by its words', async () => {
    const { history } = scripted({ server: { accounts: { OTHER: {} } } })
    const { error } = await history()
    assert.equal(error?.code, 'AUTH_FAILED')
    assert.match(error?.message ?? '', /Unknown API Key/)
  })

  test('questions keep within what the plan allows', async () => {
    const { history, clock, asked } = scripted(
      { rest: { requestsPerMinute: 5 } },
      { requestsPerMinute: 5 },
    )
    const begun = clock.now()
    const { error } = await history({
      symbols: ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K'],
    })
    assert.equal(error, undefined)
    assert.equal(asked.length, 11)
    assert.ok(clock.now() - begun >= 60_000)
  })
})

describe('latest values', () => {
  test('are the last of each symbol, in the order asked; none where there is none', async () => {
    const { venue, provider, clock, asked } = scripted()
    venue.deliver([trade('AAPL', 1), trade('MSFT', 2), trade('AAPL', 3)])
    const events = await passing(
      clock,
      provider.latest!({ kind: 'trade', symbols: ['MSFT', 'AAPL', 'F'] }),
    )
    assert.deepEqual(
      events.map(event => `${event.symbol} ${event.timestamp - OPEN}`),
      ['MSFT 2', 'AAPL 3'],
    )
    assert.equal(asked[0]!.searchParams.get('limit'), '1')
  })

  test('of a plan whose data is late say so themselves, whatever host the stream is at', async () => {
    const late = [
      ...(await lastTrade({ delayedOnly: true })),
      ...(await lastTrade({ delayedOnly: false })),
    ]
    assert.deepEqual(
      late.map(({ flags }) => flagNames(flags)),
      [['delayed'], []],
    )

    async function lastTrade(plan: PolygonPlan) {
      const { venue, provider, clock } = scripted({ server: { plan } })
      venue.deliver([trade('AAPL', 1)])
      return passing(clock, provider.latest!({ kind: 'trade', symbols: ['AAPL'] }))
    }
  })

  test('of bars are the newest minute', async () => {
    const { venue, provider, clock } = scripted()
    const bar = (minute: number) =>
      createEvent({
        ...{
          type: 'bar',
          symbol: 'AAPL',
          source: 'venue',
          interval: '1m',
          final: true,
          revision: 0,
        },
        ...{
          open: 1,
          high: 2,
          low: 1,
          close: minute + 1,
          volume: 5,
          timestamp: OPEN + minute * 60_000,
        },
      })
    venue.deliver([bar(0), bar(1)])
    const [latest] = await passing(clock, provider.latest!({ kind: 'bar', symbols: ['AAPL'] }))
    assert.equal(latest?.timestamp, OPEN + 60_000)
  })
})

describe('instruments', () => {
  const page = (results: object[], next?: string) => ({
    ...{ status: 'OK', results },
    ...(next && { next_url: `https://api.massive.com/v3/reference/tickers?cursor=${next}` }),
  })

  test('are all pages of a market, without what nobody could ask for', async () => {
    const stocks = canned([
      page(
        [{ ticker: 'AAPL', name: 'Apple Inc.', type: 'CS', currency_name: 'usd' }, 5 as never],
        'a',
      ),
      page([{ ticker: 'SPY', type: 'ETF' }, { ticker: 'BACpL' }, { ticker: 'NO GOOD' }, {}]),
    ])
    const list = await passing(stocks.clock, stocks.provider.instruments!())
    assert.deepEqual(list, [
      {
        symbol: 'AAPL',
        kind: 'equity',
        name: 'Apple Inc.',
        currency: 'USD',
        calendar: 'us-equities',
      },
      { symbol: 'SPY', kind: 'etf', calendar: 'us-equities' },
    ])
    assert.equal(instruments(list).size, 2)
    assert.equal(stocks.asked[0]!.searchParams.get('market'), 'stocks')
  })

  test('of pairs have their slash, and what the venue calls them', async () => {
    const coin = { ticker: 'X:BTCUSD', base_currency_symbol: 'BTC', currency_symbol: 'USD' }
    const one = canned([page([coin])], { market: 'crypto' })
    assert.deepEqual(await passing(one.clock, one.provider.instruments!()), [
      {
        ...{ symbol: 'BTC/USD', kind: 'crypto', currency: 'USD', calendar: 'always' },
        vendorNames: { 'polygon-crypto': 'X:BTCUSD' },
      },
    ])
  })

  test('without end are an error, and of options there is no list', async () => {
    const one = canned([page([{ ticker: 'A' }], 'a')])
    await assert.rejects(passing(one.clock, one.provider.instruments!()), { code: 'VENUE_ERROR' })
    assert.equal(one.asked.length, 2)
    assert.equal(polygon({ key: 'KEY', market: 'options' }).instruments, undefined)
  })
})

describe('the check', () => {
  test('asks for little, once, and tells what came of it and the time', async () => {
    const asked: string[] = []
    const clock = handClock(OPEN)
    const httpGet: HttpGet = async ({ url }) => {
      asked.push(url)
      await Promise.resolve()
      const headers = { date: 'Mon, 15 Jan 2024 14:30:02 GMT' }
      return { status: asked.length === 1 ? 200 : 401, headers, body: Buffer.from(answer()) }
    }
    const { check } = polygon({ key: 'KEY', clock, httpGet })
    assert.deepEqual(check!.addresses, [
      'wss://socket.massive.com/stocks',
      'https://api.massive.com',
    ])
    const { signal } = new AbortController()
    const good = await check!.ask(signal)
    assert.deepEqual([good.date, good.grants.length, good.refusal], [OPEN + 2_000, 1, undefined])
    const bad = await check!.ask(signal)
    assert.deepEqual([bad.grants, bad.refusal?.code], [[], 'AUTH_FAILED'])
    assert.equal(asked.length, 2)
  })

  test('has no answer where nobody answers', async () => {
    const httpGet: HttpGet = async () => {
      throw new Error('no route')
    }
    const { check } = polygon({ key: 'KEY', clock: handClock(OPEN), httpGet })
    await assert.rejects(check!.ask(new AbortController().signal), { code: 'UNREACHABLE' })
  })
})
