import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Flag, type MarketEvent, type Trade } from '../../../src/market/events.ts'
import { alpaca } from '../../../src/providers/alpaca/index.ts'
import { STOCK_FEEDS, type StockFeed } from '../../../src/providers/alpaca/market-stocks.ts'
import { scriptedVenue } from '../../../src/testing/venue-scripted.ts'
import {
  bar,
  cannedKit,
  HOUR,
  KEYS,
  OPEN,
  outcomeOf,
  passing,
  quote,
  restKit,
  trade,
} from './history-kit.ts'

/** What the venue says of an event, as text: everything but where and when we got it. */
const said = (event: MarketEvent) => {
  const { source: _s, receivedAt: _r, seq: _n, flags: _f, ...fields } = event
  return JSON.stringify(fields, Object.keys(fields).sort())
}

describe('history', () => {
  test('is the recorded events in range, each once, in time order, whatever the pages are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            symbol: fc.constantFrom('A', 'BRK.B', 'C', 'D'),
            ms: fc.integer({ min: 0, max: 12 }),
            nanos: fc.constantFrom(0, 1, 999_999),
            exchange: fc.constantFrom('V', 'K', undefined),
          }),
          { maxLength: 60 },
        ),
        fc.constantFrom('trade' as const, 'quote' as const),
        fc.integer({ min: 1, max: 25 }),
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 0, max: 12 }),
        async (made, kind, pageSize, one, other) => {
          const kit = restKit({ venue: { rest: { pageSize, requestsPerMinute: 100_000 } } })
          const events = made.map(({ symbol, ms, nanos, exchange }, id) =>
            kind === 'trade'
              ? trade(symbol, ms, { nanos, exchange, id })
              : quote(symbol, ms, { nanos, bidExchange: exchange, bidSize: id }),
          )
          kit.venue.deliver(events)
          const [from, to] = [OPEN + Math.min(one, other), OPEN + Math.max(one, other)]
          const symbols = ['D', 'A', 'NONE', 'BRK.B']
          const { events: got, batches, error } = await kit.history({ kind, symbols, from, to })
          assert.equal(error, undefined)
          const expected = events.filter(
            ({ symbol, timestamp }) =>
              symbols.includes(symbol!) && timestamp >= from && timestamp <= to,
          )
          assert.deepEqual(got.map(said).sort(), expected.map(said).sort())
          assert.ok(
            batches.every(batch => batch.length > 0),
            'batches are never empty',
          )
          const times = new Map<string, bigint>()
          for (const event of got) {
            const at = BigInt(event.timestamp) * 1_000_000n + BigInt(event.nanos)
            assert.ok(at >= (times.get(event.symbol!) ?? 0n), 'in time order per symbol')
            times.set(event.symbol!, at)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  test('asks for both bounds whole, in pages as long as there are, of the feed', async () => {
    const { history, asked } = restKit()
    await history({ from: OPEN + 0.25, to: OPEN + 5.75, symbols: ['spy', 'BRK.B', 'SPY'] })
    assert.equal(asked.length, 1)
    assert.equal(
      asked[0]!.origin + asked[0]!.pathname,
      'https://data.alpaca.markets/v2/stocks/trades',
    )
    assert.deepEqual(Object.fromEntries(asked[0]!.searchParams), {
      ...{ symbols: 'SPY,BRK.B', feed: 'iex', limit: '10000', sort: 'asc' },
      ...{ start: '2024-01-15T14:30:00.001000000Z', end: '2024-01-15T14:30:00.005999999Z' },
    })
  })

  test('has the name of the source, the time of arrival, and the digits of long ids', async () => {
    const kit = restKit()
    kit.venue.deliver([trade('SPY', 5, { id: '9223372036854775809', nanos: 7 })])
    const [event] = (await kit.history({ source: 'main' })).events as [Trade]
    assert.deepEqual(
      [event.source, event.id, event.nanos, event.flags, event.seq],
      ['main', '9223372036854775809', 7, 0, undefined],
    )
    assert.equal(event.receivedAt, OPEN + 3_600_000)
    assert.equal((await kit.history()).events[0]!.source, 'alpaca')
  })

  test('of many symbols is asked for in addresses a server takes', async () => {
    const symbols = Array.from({ length: 3_000 }, (_, i) => `S${i}`)
    const kit = restKit()
    kit.venue.deliver(symbols.map((symbol, ms) => trade(symbol, ms)))
    const { events } = await kit.history({ symbols })
    assert.deepEqual(events.map(({ symbol }) => symbol).sort(), [...symbols].sort())
    assert.ok(kit.asked.length < 4, `${kit.asked.length} requests`)
    assert.ok(kit.asked.every(({ href }) => href.length < 7_000))
  })

  test('comes later than the stream by the lag of the venue, and is whole then', async () => {
    const kit = restKit({ venue: { record: { lagMs: 2_000 } } })
    kit.venue.deliver([trade('SPY', 5)])
    assert.deepEqual((await kit.history()).events, [])
    kit.clock.turn(2_000)
    assert.equal((await kit.history()).events.length, 1)
  })

  test('comes from a server on a real socket, the one of the stream', async () => {
    const venue = scriptedVenue({ rest: { pageSize: 3 } })
    const { url } = await venue.listen()
    const events = Array.from({ length: 10 }, (_, i) => trade('SPY', i, { nanos: i }))
    venue.deliver(events)
    const provider = alpaca({ ...KEYS, url: `${url}/v2/iex` })
    const past = await outcomeOf(provider.history!({ kind: 'trade', symbols: ['SPY'], ...HOUR }))
    const latest = await provider.latest!({ kind: 'trade', symbols: ['SPY'] })
    assert.deepEqual(past.events.map(said), events.map(said))
    assert.deepEqual(
      past.batches.map(({ length }) => length),
      [3, 3, 3, 1],
    )
    assert.deepEqual(latest.map(said), [said(events[9]!)])
    venue.inject({ fault: 'rest-error', status: 401 })
    await assert.rejects(provider.latest!({ kind: 'trade', symbols: ['SPY'] }), {
      code: 'AUTH_FAILED',
    })
    venue.inject({ fault: 'rest-spoiled', how: 'cut' })
    assert.equal((await provider.latest!({ kind: 'trade', symbols: ['SPY'] })).length, 1)
    await venue.close()
    const gone = alpaca({ ...KEYS, url: `${url}/v2/iex` }).latest!({
      ...{ kind: 'trade', symbols: ['SPY'], signal: AbortSignal.timeout(5_000) },
    })
    await assert.rejects(gone, { code: 'UNREACHABLE' })
  })

  test('ends with CLOSED when it is given up midway, and asks nothing more', async () => {
    const kit = restKit({ venue: { rest: { pageSize: 1 } } })
    kit.venue.deliver([1, 2, 3, 4].map(ms => trade('SPY', ms)))
    const control = new AbortController()
    const request = { kind: 'trade', symbols: ['SPY'], ...HOUR, signal: control.signal } as const
    const seen: number[] = []
    const reading = async () => {
      for await (const batch of kit.provider.history!(request)) {
        seen.push(batch.length)
        if (seen.length === 2) control.abort()
      }
    }
    await assert.rejects(passing(kit.clock, reading()), { code: 'CLOSED' })
    assert.deepEqual([seen, kit.asked.length, kit.clock.pending()], [[1, 1], 2, 0])
  })

  test('ends with its reader', async () => {
    const kit = restKit({ venue: { rest: { pageSize: 1 } } })
    kit.venue.deliver([1, 2, 3].map(ms => trade('SPY', ms)))
    for await (const _ of kit.provider.history!({ kind: 'trade', symbols: ['SPY'], ...HOUR })) break
    assert.deepEqual([kit.asked.length, kit.clock.pending()], [1, 0])
  })
})

describe('what the venue has marked', () => {
  const cancel = { symbol: 'SPY', source: 'venue', exchange: 'V', timestamp: OPEN + 99 } as const
  const correction = {
    ...{ ...cancel, type: 'correction', originalId: 2, originalPrice: 100.002, originalSize: 100 },
    ...{ id: 4, price: 77, size: 50, conditions: ['W'], nanos: 0, receivedAt: 0, flags: 0 },
  } as unknown as MarketEvent

  for (const pageSize of [1, 2, 3, 10]) {
    test(`comes as the trade and its cancel or correction, in pages of ${pageSize}`, async () => {
      const kit = restKit({ venue: { rest: { pageSize } } })
      kit.venue.deliver([1, 2, 3].map(ms => trade('SPY', ms, { id: ms })))
      kit.venue.deliver([
        { ...cancel, type: 'cancel', id: 1, action: 'cancel' } as unknown as MarketEvent,
        correction,
      ])
      const { events, error } = await kit.history()
      assert.equal(error, undefined)
      assert.deepEqual(
        events.map(event => ({ ...event })),
        [
          {
            ...base(1),
            type: 'trade',
            price: 100.001,
            size: 100,
            id: 1,
            ...codes,
            side: undefined,
          },
          {
            ...base(1),
            type: 'cancel',
            id: 1,
            price: 100.001,
            size: 100,
            action: 'cancel',
            ...where,
          },
          {
            ...base(2),
            type: 'trade',
            price: 100.002,
            size: 100,
            id: 2,
            ...codes,
            side: undefined,
          },
          {
            ...{ ...base(2), type: 'correction', originalId: 2, originalPrice: 100.002 },
            ...{ originalSize: 100, originalConditions: ['@'], id: 4, price: 77, size: 50 },
            ...{ conditions: ['W'], ...where },
          },
          {
            ...base(3),
            type: 'trade',
            price: 100.003,
            size: 100,
            id: 3,
            ...codes,
            side: undefined,
          },
        ],
      )
    })
  }
  const base = (ms: number) => ({
    ...{ symbol: 'SPY', source: 'alpaca', timestamp: OPEN + ms, nanos: 0 },
    ...{ receivedAt: OPEN + 3_600_000, seq: undefined, flags: 0 },
  })
  const where = { exchange: 'V', tape: 'C' }
  const codes = { conditions: ['@'], ...where }

  const item = (i: number, fields: object = {}) => ({
    ...{ t: '2024-01-15T14:30:00.001Z', x: 'V', p: 5, s: 1, c: ['@'], i, z: 'C', ...fields },
  })
  const told = async (...items: object[]) => {
    const kit = cannedKit([{ trades: { SPY: items }, next_page_token: null }])
    const { events } = await kit.history()
    return events.map(event => `${event.type} ${'id' in event ? event.id : ''}`)
  }

  test('a replaced trade without its replacement is taken back; a lone replacement is a trade', async () => {
    assert.deepEqual(await told(item(1, { u: 'incorrect' })), ['trade 1', 'cancel 1'])
    assert.deepEqual(await told(item(2, { u: 'corrected' })), ['trade 2'])
    const elsewhere = [item(1, { u: 'incorrect' }), item(2, { u: 'corrected', x: 'K' })]
    assert.deepEqual(await told(...elsewhere), ['trade 1', 'cancel 1', 'trade 2'])
    const later = item(2, { u: 'corrected', t: '2024-01-15T14:30:00.002Z' })
    assert.deepEqual(await told(item(1, { u: 'incorrect' }), later), [
      ...['trade 1', 'cancel 1', 'trade 2'],
    ])
  })

  test('several at one time find each their own, the others stay as they are', async () => {
    assert.deepEqual(
      await told(
        item(1, { u: 'incorrect' }),
        item(2),
        item(3, { u: 'incorrect', x: 'K' }),
        item(4, { u: 'corrected', x: 'K' }),
        item(5, { u: 'corrected' }),
        item(6, { u: '' }),
      ),
      ['trade 1', 'correction 5', 'trade 2', 'trade 3', 'correction 4', 'trade 6'],
    )
  })

  test('a mark nobody knows makes no trade', async () => {
    const kit = cannedKit([
      { trades: { SPY: [item(1, { u: 'busted' }), item(2)] }, next_page_token: null },
    ])
    const reasons: string[] = []
    const { events } = await kit.history({ malformed: (_, reason) => reasons.push(reason) })
    assert.deepEqual([events.length, reasons], [1, ['u is no known mark']])
  })
})

describe('bars', () => {
  test('are raw and final once their interval is over, and say so', async () => {
    const kit = restKit()
    kit.venue.deliver([bar('SPY', 58), bar('SPY', 59, { revision: 1 }), bar('SPY', 60)])
    const { events } = await kit.history({ kind: 'bar' })
    assert.deepEqual(
      events.map(event => event.type === 'bar' && [event.interval, event.final, event.revision]),
      [
        ['1m', true, 0],
        ['1m', true, 0],
        ['1m', false, 0],
      ],
    )
    assert.ok(events.every(event => event.type === 'bar' && event.adjustment === 'raw'))
    const { searchParams } = kit.asked[0]!
    assert.deepEqual(
      [searchParams.get('timeframe'), searchParams.get('adjustment')],
      ['1Min', 'raw'],
    )
  })

  const item = (t: string) => ({ t, o: 1, h: 2, l: 1, c: 2, v: 5, n: 1, vw: 1.5 })
  const page = (...items: object[]) => ({ bars: { SPY: items }, next_page_token: null })

  test('of other lengths are had by the names the venue has for them', async () => {
    const cases = [
      ...([
        ['5m', '5Min'],
        ['59m', '59Min'],
        ['1h', '1Hour'],
        ['23h', '23Hour'],
      ] as const),
      ...([
        ['1d', '1Day'],
        ['1w', '1Week'],
      ] as const),
    ]
    for (const [interval, timeframe] of cases) {
      const kit = cannedKit([page(item('2024-01-15T14:30:00Z'))])
      const { events } = await kit.history({ kind: 'bar', interval, adjustment: 'split' })
      const query = kit.asked[0]!.searchParams
      assert.deepEqual([query.get('timeframe'), query.get('adjustment')], [timeframe, 'split'])
      const [got] = events
      assert.ok(got?.type === 'bar', interval)
      assert.deepEqual([got.interval, got.adjustment], [interval, 'split'])
    }
    for (const interval of ['60m', '24h', '2d', '2w', '30s', '0m', '1.5m'] as const) {
      const { error } = await cannedKit([page()]).history({ kind: 'bar', interval })
      assert.equal(error?.code, 'UNSUPPORTED', interval)
    }
  })

  test('a day is final when it is over in New York, be it one of 25 hours', async () => {
    const days = ['2024-11-02T04:00:00Z', '2024-11-03T04:00:00Z', '2024-11-04T05:00:00Z']
    const kit = cannedKit([page(...days.map(item))])
    const finals = async () => {
      const [from, to] = [Date.UTC(2024, 10, 1), Date.UTC(2024, 10, 5)]
      const { events } = await kit.history({ kind: 'bar', interval: '1d', from, to })
      return events.map(event => event.type === 'bar' && event.final)
    }
    kit.clock.set(Date.UTC(2024, 10, 4, 4, 30))
    assert.deepEqual(await finals(), [true, false, false])
    kit.clock.set(Date.UTC(2024, 10, 4, 5))
    assert.deepEqual(await finals(), [true, true, false])
  })

  test('the one in which the time asked for begins is not asked for, and no fault', async () => {
    const kit = cannedKit([page(item('2024-01-15T14:00:00Z'), item('2024-01-15T15:00:00Z'))])
    const { events, error } = await kit.history({ kind: 'bar', interval: '1h' })
    assert.deepEqual([events.length, error], [1, undefined])
    const before = cannedKit([page(item('2024-01-15T13:30:00Z'))])
    const outside = await before.history({ kind: 'bar', interval: '1h' })
    assert.equal(outside.error?.code, 'VENUE_ERROR')
  })

  test('of one interval there is one: a second is a fault', async () => {
    const [one, other] = [item('2024-01-15T14:30:00Z'), item('2024-01-15T14:30:00Z')]
    const { events, error } = await cannedKit([page(one, other)]).history({ kind: 'bar' })
    assert.deepEqual([events, error?.code], [[], 'VENUE_ERROR'])
  })
})

describe('latest', () => {
  test('is the last of each symbol, in the order asked, and nothing of those the venue has not', async () => {
    const kit = restKit()
    kit.venue.deliver([
      ...[trade('SPY', 1), trade('SPY', 2, { id: '9223372036854775809' }), trade('TSLA', 3)],
      ...[quote('SPY', 1), quote('SPY', 2, { bid: 7 }), bar('SPY', 1)],
    ])
    const ask = (kind: 'trade' | 'quote' | 'bar', ...symbols: string[]) =>
      passing(kit.clock, kit.provider.latest!({ kind, symbols, source: 'main' }))
    const trades = await ask('trade', 'tsla', 'NONE', 'SPY')
    assert.deepEqual(
      trades.map(event => event.type === 'trade' && [event.symbol, event.id, event.source]),
      [
        ['TSLA', trades[0]?.type === 'trade' && trades[0].id, 'main'],
        ['SPY', '9223372036854775809', 'main'],
      ],
    )
    const [last] = await ask('quote', 'SPY')
    assert.ok(last?.type === 'quote' && last.bid === 7, 'the later quote')
    const [minute] = await ask('bar', 'SPY')
    assert.ok(minute?.type === 'bar' && minute.interval === '1m' && minute.final, 'a minute')
    assert.deepEqual(
      kit.asked.map(({ pathname, searchParams }) => `${pathname} ${searchParams.get('feed')}`),
      ['trades', 'quotes', 'bars'].map(list => `/v2/stocks/${list}/latest iex`),
    )
  })

  const wrong: readonly [what: string, body: object | string][] = [
    ['no list', { message: 'fine' }],
    ['a stranger', { trades: { ZZZZ: {} } }],
    ['no record', { trades: { SPY: 5 } }],
    ['no price', { trades: { SPY: { t: '2024-01-15T14:30:00Z', s: 1 } } }],
    ['garbage', '<html>'],
    ['a list', []],
  ]
  for (const [what, body] of wrong) {
    test(`that is wrong (${what}) is a fault of the venue`, async () => {
      const { provider, clock } = cannedKit([body])
      const asking = provider.latest!({ kind: 'trade', symbols: ['SPY'] })
      await assert.rejects(passing(clock, asking), { code: 'VENUE_ERROR' })
    })
  }

  test('leaves malformed records out where somebody is told', async () => {
    const { provider, clock } = cannedKit([{ trades: { SPY: { p: 0 } } }])
    const told: unknown[] = []
    const malformed = (record: unknown, reason: string) => void told.push(record, reason)
    const asking = provider.latest!({ kind: 'trade', symbols: ['SPY'], malformed })
    assert.deepEqual(await passing(clock, asking), [])
    assert.deepEqual(told, [{ p: 0, T: 't', S: 'SPY' }, 't: no time'])
  })

  test('has bars of a minute only', async () => {
    const { provider } = restKit()
    const asking = provider.latest!({ kind: 'bar', symbols: ['SPY'], interval: '1d' })
    await assert.rejects(asking, { code: 'UNSUPPORTED' })
  })
})

describe('what feed and plan allow', () => {
  test('each feed has what REST has of it, and its capabilities say so', async () => {
    const expected: Record<StockFeed, [string | undefined, string | undefined]> = {
      iex: ['iex', 'iex'],
      sip: ['sip', 'sip'],
      delayed_sip: ['sip', 'delayed_sip'],
      boats: ['boats', 'boats'],
      overnight: [undefined, 'overnight'],
      test: [undefined, undefined],
    }
    for (const feed of Object.keys(STOCK_FEEDS) as StockFeed[]) {
      const [past, last] = expected[feed]
      const kit = restKit({ alpaca: { feed } })
      const { provider } = kit
      assert.equal(provider.capabilities.history, past !== undefined, feed)
      assert.deepEqual([!!provider.history, !!provider.latest], [!!past, !!last], feed)
      if (past) await kit.history({ to: OPEN + 1_000 })
      if (last) await passing(kit.clock, provider.latest!({ kind: 'trade', symbols: ['SPY'] }))
      assert.deepEqual(
        kit.asked.map(({ searchParams }) => searchParams.get('feed')),
        [past, last].filter(name => name !== undefined),
      )
    }
  })

  test('SIP of the last 15 minutes without the plan for it is NOT_ENTITLED, at once, with a way out', async () => {
    const plan = { feeds: ['iex'] } as const
    const kit = restKit({ alpaca: { feed: 'sip' }, venue: { server: { plan } } })
    const { error, events } = await kit.history()
    assert.deepEqual([error?.code, events, kit.asked.length], ['NOT_ENTITLED', [], 1])
    assert.match(error!.hint!, /15 minutes.*delayed_sip/)
    assert.equal((await kit.history({ to: OPEN + 1_000 })).error, undefined)
  })

  test('delayed_sip ends 15 minutes ago, so that a free plan may ask; its events are flagged', async () => {
    const plan = { feeds: ['iex', 'delayed_sip'] } as const
    const kit = restKit({ alpaca: { feed: 'delayed_sip' }, venue: { server: { plan } } })
    kit.venue.deliver([trade('SPY', 44 * 60_000), trade('SPY', 46 * 60_000)])
    const { events, error } = await kit.history()
    assert.deepEqual([events.length, error, events[0]?.flags], [1, undefined, Flag.delayed])
    const recent = await kit.history({ from: OPEN + 46 * 60_000 })
    assert.deepEqual([recent.events, recent.error, kit.asked.length], [[], undefined, 1])
  })
})

describe('where REST is', () => {
  const base = async (options: object) => {
    const kit = cannedKit([{ trades: {}, next_page_token: null }], options)
    const { error } = await kit.history()
    return error ? error.code : kit.asked[0]!.href.split('/v2/stocks')[0]
  }

  test('follows from the address of the stream: a key goes to the server it was meant for', async () => {
    const cases = [
      [undefined, 'https://data.alpaca.markets'],
      ['wss://stream.data.sandbox.alpaca.markets/v2/iex', 'https://data.sandbox.alpaca.markets'],
      ['ws://127.0.0.1:8425/alpaca/v2/iex', 'http://127.0.0.1:8425'],
      ['wss://stream.example.com/v2/iex', 'https://stream.example.com'],
      ['https://example.com', 'BAD_OPTION'],
      ['nowhere', 'BAD_OPTION'],
    ] as const
    for (const [url, expected] of cases) assert.equal(await base(url ? { url } : {}), expected)
  })

  test('can be told, a path too, and is checked at once', async () => {
    const url = 'ws://127.0.0.1:1/v2/iex'
    assert.equal(await base({ url, restUrl: 'https://x.test/a/' }), 'https://x.test/a')
    for (const restUrl of [
      'x.test',
      'ws://x.test',
      'https://u:p@x.test',
      'https://x.test?a=5',
      '',
    ]) {
      assert.throws(() => alpaca({ ...KEYS, restUrl }), { code: 'BAD_OPTION' })
    }
  })
})

describe('questions that cannot be asked', () => {
  const cases: readonly [what: string, request: object, code: string][] = [
    ['no symbol', { symbols: [] }, 'NO_SYMBOLS'],
    ['all symbols', { symbols: ['*'] }, 'UNSUPPORTED'],
    ['no symbol of a stock', { symbols: ['BTC/USD'] }, 'BAD_SYMBOL'],
    ['a kind it does not keep', { kind: 'luld' }, 'UNSUPPORTED'],
    ['an end before the start', { from: OPEN, to: OPEN - 1 }, 'BAD_OPTION'],
    ['no time', { from: Number.NaN }, 'BAD_OPTION'],
    ['a time without end', { to: Number.POSITIVE_INFINITY }, 'BAD_OPTION'],
  ]
  for (const [what, request, code] of cases) {
    test(`${what}: ${code}, and nothing is asked`, async () => {
      const kit = restKit()
      const { error } = await kit.history(request)
      assert.deepEqual([error?.code, kit.asked.length], [code, 0])
    })
  }
})
