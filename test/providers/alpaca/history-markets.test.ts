// History and latest values of crypto, options and news: what is asked, what comes of it, and what is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEvent, Flag, type MarketEvent } from '../../../src/market/events.ts'
import type { AlpacaOptions } from '../../../src/providers/alpaca/index.ts'
import { bar, cannedKit, HOUR, OPEN, passing, quote, restKit, trade } from './history-kit.ts'

const CRYPTO: AlpacaOptions = { market: 'crypto' }
const OPTIONS: AlpacaOptions = { market: 'options', feed: 'opra' }
const NEWS: AlpacaOptions = { market: 'news' }
const CALL = 'SPY240315C00475000'

const coin = (ms: number, fields: object = {}) =>
  trade('BTC/USD', ms, {
    ...{ size: 0.25, exchange: undefined, conditions: undefined, tape: undefined, side: 'buy' },
    ...fields,
  })
const contract = (ms: number) =>
  trade(CALL, ms, { id: undefined, conditions: ['I'], tape: undefined })
const book = (bids: readonly (readonly [number, number])[], snapshot: boolean) =>
  createEvent({
    ...{ type: 'book', symbol: 'BTC/USD', source: 'venue', timestamp: OPEN + 5, bids },
    ...{ asks: [[101, 1]], snapshot },
  })
const article = (ms: number, id: number, ...symbols: string[]) =>
  createEvent({
    ...{ type: 'news', symbol: symbols[0], symbols, source: 'venue', timestamp: OPEN + ms, id },
    ...{ createdAt: OPEN + ms - 1_000, headline: `No. ${id}`, content: 'All of it.' },
    publisher: 'benzinga',
  })

/** An event but for what differs between the venue's and ours. */
const said = ({ source: _s, receivedAt: _r, seq: _n, flags: _f, ...rest }: MarketEvent) => rest
const same = (got: readonly MarketEvent[], expected: readonly MarketEvent[]) =>
  assert.deepEqual(got.map(said), expected.map(said))

describe('crypto', () => {
  test('history is asked for at its place, by pair, and comes with every digit', async () => {
    const kit = restKit({ alpaca: { market: 'crypto', feed: 'us-1' } })
    const trades = [
      coin(0, { id: '9007199254740993', side: 'sell' }),
      coin(1, { id: '3447222699101865076' }),
    ]
    kit.venue.deliver([...trades, trade('SPY', 3)])
    const { events, error } = await kit.history({ symbols: ['BTCUSD', 'ETH/USD'] })
    assert.equal(error, undefined)
    same(events, trades)
    assert.ok(events.every(({ source }) => source === 'alpaca-crypto'))
    const [url] = kit.asked
    assert.equal(url!.pathname, '/v1beta3/crypto/us-1/trades')
    assert.deepEqual(Object.fromEntries(url!.searchParams), {
      ...{ symbols: 'BTC/USD,ETH/USD', start: '2024-01-15T14:30:00.000000000Z' },
      ...{ end: '2024-01-15T15:30:00.000999999Z', limit: '10000', sort: 'asc' },
    })
  })

  test('quotes and bars too, over as many pages as there are', async () => {
    const kit = restKit({ alpaca: CRYPTO, venue: { rest: { pageSize: 3 } } })
    const quotes = Array.from({ length: 10 }, (_, i) =>
      quote('BTC/USD', i, { bidExchange: undefined, askExchange: undefined, bidSize: 0.5 + i }),
    )
    const bars = [0, 1, 2, 3].map(minute => bar('BTC/USD', minute, { volume: 0.125 }))
    kit.venue.deliver([...quotes, ...bars])
    same((await kit.history({ kind: 'quote', symbols: ['BTC/USD'] })).events, quotes)
    const told = (await kit.history({ kind: 'bar', symbols: ['BTC/USD'] })).events
    assert.deepEqual(
      told.map(({ timestamp }) => timestamp),
      bars.map(({ timestamp }) => timestamp),
    )
    assert.equal(kit.asked.length, 6)
    assert.equal(kit.asked.at(-1)!.searchParams.get('adjustment'), null)
  })

  test('the latest book is all of it, as a snapshot', async () => {
    const kit = restKit({ alpaca: CRYPTO })
    kit.venue.deliver([
      book([[100, 1]], true),
      book(
        [
          [99, 2],
          [100, 0],
        ],
        false,
      ),
    ])
    const asking = kit.provider.latest!({ kind: 'book', symbols: ['BTC/USD', 'ETH/USD'] })
    const [last, ...none] = await passing(kit.clock, asking)
    assert.deepEqual(none, [])
    assert.ok(last?.type === 'book')
    assert.deepEqual([last.bids, last.asks, last.snapshot], [[[99, 2]], [[101, 1]], true])
    assert.equal(kit.asked[0]!.pathname, '/v1beta3/crypto/us/latest/orderbooks')
    assert.equal(kit.asked[0]!.search, '?symbols=BTC%2FUSD,ETH%2FUSD')
  })

  test('a documented answer with levels of 0 gives a book without them', async () => {
    const { provider, clock } = cannedKit(
      [
        '{"orderbooks":{"BTC/USD":{"a":[{"p":20902,"s":0.0097},{"p":21444,"s":0}],"b":[{"p":20846,"s":0.1902},{"p":20350,"s":0}],"t":"2022-06-24T08:00:14.137774336Z"}}}',
      ],
      CRYPTO,
    )
    const asking = provider.latest!({ kind: 'book', symbols: ['BTC/USD'] })
    const [last] = await passing(clock, asking)
    assert.ok(last?.type === 'book')
    assert.deepEqual([last.bids, last.asks], [[[20_846, 0.1902]], [[20_902, 0.0097]]])
    assert.deepEqual([last.snapshot, last.nanos], [true, 774_336])
  })

  test('latest trades, quotes and minutes', async () => {
    const kit = restKit({ alpaca: CRYPTO })
    const last = coin(7, { id: '9007199254740993' })
    kit.venue.deliver([coin(1), last])
    for (const kind of ['trade', 'quote', 'bar'] as const) {
      const answer = await passing(kit.clock, kit.provider.latest!({ kind, symbols: ['BTC/USD'] }))
      same(answer, kind === 'trade' ? [last] : [])
    }
  })

  test('what it has not is UNSUPPORTED: books of the past, adjusted bars', async () => {
    const kit = restKit({ alpaca: CRYPTO })
    const books = await kit.history({ kind: 'book', symbols: ['BTC/USD'] })
    assert.equal(books.error?.code, 'UNSUPPORTED')
    assert.match(books.error!.hint!, /trade, quote, bar/)
    const adjusted = await kit.history({
      ...{ kind: 'bar', symbols: ['BTC/USD'], adjustment: 'split' },
    })
    assert.equal(adjusted.error?.code, 'UNSUPPORTED')
    assert.equal(kit.asked.length, 0)
  })

  test('an answer about another pair, or with a level that is none, is refused', async () => {
    const level = '{"b":[{"p":0,"s":1}],"a":[],"t":"2024-01-15T14:30:00Z"}'
    for (const body of [
      '{"orderbooks":{"ETH/USD":{"b":[],"a":[],"t":"2024-01-15T14:30:00Z"}}}',
      `{"orderbooks":{"BTC/USD":${level}}}`,
      '{"trades":{}}',
      '{"orderbooks":[]}',
    ]) {
      const { provider, clock } = cannedKit([body], CRYPTO)
      const asking = provider.latest!({ kind: 'book', symbols: ['BTC/USD'] })
      await assert.rejects(passing(clock, asking), { code: 'VENUE_ERROR' }, body)
    }
  })

  test('a page of another pair, out of order or repeated ends it', async () => {
    const item = (i: number, ms: number) =>
      `{"i":${i},"p":1,"s":1,"t":"2024-01-15T14:30:00.${ms}Z","tks":"S"}`
    const page = (symbol: string, items: string, token: string) =>
      `{"trades":{"${symbol}":[${items}]},"next_page_token":${token}}`
    for (const bodies of [
      [page('ETH/USD', item(1, 100), 'null')],
      [page('BTC/USD', `${item(2, 200)},${item(1, 100)}`, 'null')],
      [page('BTC/USD', item(1, 100), '"a"'), page('BTC/USD', item(1, 100), '"b"')],
      ['{"trades":{}}'],
    ]) {
      const { history } = cannedKit(bodies, CRYPTO)
      const { error } = await history({ symbols: ['BTC/USD'] })
      assert.equal(error?.code, 'VENUE_ERROR', bodies[0])
    }
  })
})

describe('options', () => {
  test('have trades and bars of the past, and no feed in the question', async () => {
    const kit = restKit({ alpaca: OPTIONS })
    const trades = [contract(0), contract(5)]
    kit.venue.deliver(trades)
    const { events, error } = await kit.history({ symbols: [CALL] })
    assert.equal(error, undefined)
    same(events, trades)
    assert.equal(kit.asked[0]!.pathname, '/v1beta1/options/trades')
    assert.equal(kit.asked[0]!.searchParams.get('feed'), null)
    const quotes = await kit.history({ kind: 'quote', symbols: [CALL] })
    assert.equal(quotes.error?.code, 'UNSUPPORTED')
  })

  test('of more than 100 contracts are asked for in several questions', async () => {
    const kit = restKit({ alpaca: OPTIONS })
    const symbols = Array.from({ length: 230 }, (_, i) => `SPY240315C00${100_000 + i}`)
    assert.equal((await kit.history({ symbols })).error, undefined)
    const counts = kit.asked.map(url => url.searchParams.get('symbols')!.split(',').length)
    assert.deepEqual(counts, [100, 100, 30])
  })

  test('latest trades and quotes are those of the feed', async () => {
    const kit = restKit({ alpaca: { market: 'options' } })
    kit.venue.deliver([contract(1), quote(CALL, 2, { conditions: ['A'] })])
    const ask = (kind: 'trade' | 'quote') =>
      passing(kit.clock, kit.provider.latest!({ kind, symbols: [CALL] }))
    const [last] = await ask('trade')
    const [now] = await ask('quote')
    assert.deepEqual([last?.flags, now?.flags], [Flag.delayed, 0])
    assert.deepEqual(
      kit.asked.map(({ pathname, searchParams }) => [pathname, searchParams.get('feed')]),
      [
        ['/v1beta1/options/trades/latest', 'indicative'],
        ['/v1beta1/options/quotes/latest', 'indicative'],
      ],
    )
    await assert.rejects(kit.provider.latest!({ kind: 'bar', symbols: [CALL] }), {
      code: 'UNSUPPORTED',
    })
  })

  test('the free feed asks for nothing of the last 15 minutes', async () => {
    const kit = restKit({
      alpaca: { market: 'options' },
      venue: { server: { plan: { feeds: ['indicative'] } } },
    })
    const { error } = await kit.history({ symbols: [CALL] })
    assert.equal(error, undefined)
    const end = kit.asked[0]!.searchParams.get('end')!
    assert.ok(Date.parse(end) <= HOUR.to - 15 * 60_000, end)
  })

  test('OPRA of the last 15 minutes without the plan for it is NOT_ENTITLED, with a way out', async () => {
    const kit = restKit({
      alpaca: OPTIONS,
      venue: { server: { plan: { feeds: ['indicative'] } } },
    })
    const { error } = await kit.history({ symbols: [CALL] })
    assert.equal(error?.code, 'NOT_ENTITLED')
    assert.match(error!.hint!, /indicative/)
  })
})

describe('news', () => {
  test('come in the order of their last change, over as many pages as there are, with their text', async () => {
    const kit = restKit({ alpaca: NEWS })
    const all = Array.from({ length: 120 }, (_, i) =>
      article(i, i + 1, ...(i % 2 ? ['AAPL'] : ['MSFT', 'BTC/USD'])),
    )
    kit.venue.deliver(all)
    const { events, error, batches } = await kit.history({ kind: 'news', symbols: ['*'] })
    assert.equal(error, undefined)
    same(events, all)
    assert.deepEqual(
      batches.map(({ length }) => length),
      [50, 50, 20],
    )
    assert.equal(kit.asked[0]!.pathname, '/v1beta1/news')
    assert.equal(kit.asked[0]!.searchParams.has('symbols'), false)
    const some = await kit.history({ kind: 'news', symbols: ['BTC/USD'] })
    same(
      some.events,
      all.filter((_, i) => i % 2 === 0),
    )
    assert.equal(kit.asked.at(-1)!.searchParams.get('symbols'), 'BTCUSD')
  })

  test('a changed article comes once, as it is now', async () => {
    const kit = restKit({ alpaca: NEWS })
    const [first, changed] = [article(0, 1, 'AAPL'), article(9, 1, 'AAPL')]
    kit.venue.deliver([first, article(5, 2, 'AAPL'), changed])
    const { events } = await kit.history({ kind: 'news', symbols: ['AAPL'] })
    assert.deepEqual(
      events.map(event => [event.timestamp - OPEN, event.type === 'news' && event.id]),
      [
        [5, 2],
        [9, 1],
      ],
    )
  })

  test('the latest of each symbol, and of all', async () => {
    const kit = restKit({ alpaca: NEWS })
    const [old, both, last] = [
      article(0, 1, 'MSFT'),
      article(1, 2, 'AAPL', 'SPY'),
      article(2, 3, 'SPY'),
    ]
    kit.venue.deliver([old, both, last])
    const ask = (...symbols: string[]) =>
      passing(kit.clock, kit.provider.latest!({ kind: 'news', symbols }))
    same(await ask('AAPL', 'MSFT', 'TSLA'), [both, old])
    same(await ask('*'), [last])
  })

  test('articles about nothing that was asked for, repeated, or that are none, are refused', async () => {
    const item = (id: number, symbol: string, s = 1) =>
      `{"id":${id},"headline":"H","updated_at":"2024-01-15T14:30:0${s}Z","created_at":"2024-01-15T14:30:00Z","symbols":["${symbol}"]}`
    const page = (items: string, token = 'null') => `{"news":[${items}],"next_page_token":${token}}`
    for (const bodies of [
      [page(item(1, 'MSFT'))],
      [page(`${item(1, 'AAPL', 2)},${item(2, 'AAPL', 1)}`)],
      [page(item(1, 'AAPL'), '"a"'), page(item(1, 'AAPL'), '"b"')],
      [page('{"id":1,"headline":"H","symbols":["AAPL"]}')],
      ['{"news":{},"next_page_token":null}'],
      ['{"news":[]}'],
    ]) {
      const { history } = cannedKit(bodies, NEWS)
      const { error } = await history({ kind: 'news', symbols: ['AAPL'] })
      assert.equal(error?.code, 'VENUE_ERROR', bodies[0])
    }
  })

  test('a record that is none is told where somebody listens, and the rest comes', async () => {
    const body =
      '{"news":[{"id":1,"symbols":["AAPL"],"updated_at":"2024-01-15T14:30:00Z"},{"id":2,"headline":"H","symbols":["AAPL"],"updated_at":"2024-01-15T14:30:01Z"}],"next_page_token":null}'
    const { history } = cannedKit([body], NEWS)
    const told: string[] = []
    const { events, error } = await history({
      ...{ kind: 'news', symbols: ['AAPL'] },
      malformed: (_record: unknown, reason: string) => told.push(reason),
    })
    assert.equal(error, undefined)
    assert.deepEqual([events.length, told], [1, ['n: no headline']])
  })

  test('trades are not to be had of them', async () => {
    const { error } = await restKit({ alpaca: NEWS }).history({ symbols: ['AAPL'] })
    assert.equal(error?.code, 'UNSUPPORTED')
  })
})
