// The venue's side of crypto, options and news: acknowledgements, refusals, whole books, and who gets what.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeMsgpack, encodeMsgpack } from '../../../src/base/msgpack.ts'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { type AlpacaFeed, FEEDS } from '../../../src/providers/alpaca/feeds.ts'
import { type AlpacaServerOptions, alpacaServer } from '../../../src/providers/alpaca/server.ts'
import { handClock } from '../../../src/testing/clock.ts'

const AT = Date.UTC(2024, 2, 12, 10, 38)
const CALL = 'AAPL240315C00172500'

function venue(options: Partial<AlpacaServerOptions> = {}) {
  const server = alpacaServer({ clock: handClock(AT), ...options })
  /** A client, authenticated, and what it has heard since. */
  const client = (feed: AlpacaFeed, codec: 'json' | 'msgpack' = 'json') => {
    const frames: (string | Uint8Array)[] = []
    let closed = false
    const session = server.accept(
      { path: FEEDS[feed].path, headers: { 'content-type': `application/${codec}` } },
      {
        bufferedBytes: 0,
        send: frame => frames.push(frame),
        close: () => {
          closed = true
        },
        cut: () => {},
      },
    )
    assert.ok('receive' in session)
    const ask = (message: object) => {
      frames.length = 0
      session.receive(
        codec === 'json' ? Buffer.from(JSON.stringify(message)) : encodeMsgpack(message),
      )
      return heard()
    }
    const heard = () =>
      frames
        .flatMap(frame =>
          typeof frame === 'string'
            ? (JSON.parse(frame) as Record<string, unknown>[])
            : (decodeMsgpack(frame) as Record<string, unknown>[]),
        )
        .map(message => ({ ...message }) as Record<string, unknown>)
    const greeting = ask({ action: 'auth', key: `K${feed}`, secret: 's' })
    return {
      ...{ session, ask, heard, greeting, isClosed: () => closed },
      /** What comes of a delivery. */
      gets(...events: MarketEvent[]) {
        frames.length = 0
        server.deliver(events)
        return heard().map(({ T, S, headline }) => [T, S ?? headline])
      },
    }
  }
  return { server, client }
}

const trade = (symbol: string) =>
  createEvent({ type: 'trade', symbol, timestamp: AT, price: 1, size: 1, id: 1 })
const quote = (symbol: string) =>
  createEvent({ type: 'quote', symbol, timestamp: AT, bid: 1, bidSize: 1, ask: 2, askSize: 1 })
const book = (symbol: string, snapshot: boolean, ...bids: [number, number][]) =>
  createEvent({ type: 'book', symbol, timestamp: AT, bids, asks: [], snapshot })
const article = (headline: string, ...symbols: string[]) =>
  createEvent({ type: 'news', symbol: symbols[0], symbols, timestamp: AT, headline })

const ERROR = (code: number) => (messages: readonly Record<string, unknown>[]) =>
  assert.deepEqual(
    messages.map(({ T, code }) => [T, code]),
    [['error', code]],
  )

describe('crypto', () => {
  test('is acknowledged with its lists in their order, and without those of stocks', () => {
    const { client } = venue()
    const { ask, session } = client('us')
    const [ack] = ask({ action: 'subscribe', bars: ['BTC/USD'], statuses: [] })
    assert.deepEqual(Object.entries(ack!), [
      ...[['T', 'subscription'] as const, ['trades', []] as const, ['quotes', []] as const],
      ...[['orderbooks', []] as const, ['bars', ['BTC/USD']] as const],
      ...[['updatedBars', []] as const, ['dailyBars', []] as const],
    ])
    ask({ action: 'subscribe', orderbooks: ['BTC/USD'] })
    assert.deepEqual(
      session.topics.map(({ kind, symbol }) => [kind, symbol]),
      [
        ['book', 'BTC/USD'],
        ['bar', 'BTC/USD'],
      ],
    )
  })

  test('who subscribes to a book gets all of it, once, and then its changes', () => {
    const { server, client } = venue()
    server.deliver([book('BTC/USD', false, [1, 1])])
    const early = client('us')
    const levels = (messages: readonly Record<string, unknown>[]) =>
      messages.filter(({ T }) => T === 'o').map(({ b, r }) => [b, r])
    const subscribe = { action: 'subscribe', orderbooks: ['BTC/USD'] }
    assert.deepEqual(levels(early.ask(subscribe)), [], 'nobody knows it yet')
    server.deliver([
      book('BTC/USD', true, [100, 1], [99, 2]),
      book('BTC/USD', false, [100, 0], [99.5, 3]),
    ])
    const whole = [
      { p: 99.5, s: 3 },
      { p: 99, s: 2 },
    ]
    for (const codec of ['json', 'msgpack'] as const) {
      const late = client('us-1', codec)
      assert.deepEqual(
        levels(late.ask(subscribe)).map(([b, r]) => [(b as object[]).map(one => ({ ...one })), r]),
        [[whole, true]],
      )
      assert.deepEqual(levels(late.ask(subscribe)), [], 'the official client asks twice')
      assert.deepEqual(late.gets(book('BTC/USD', false, [99, 0])), [['o', 'BTC/USD']])
      server.deliver([book('BTC/USD', false, [99, 2])])
      late.session.closed(true)
    }
    const all = client('eu-1')
    assert.equal(levels(all.ask({ action: 'subscribe', orderbooks: ['*'] })).length, 1)
  })

  test('symbols that are no pairs are 400, lists of other streams 410', () => {
    const { ask } = venue().client('us')
    ERROR(400)(ask({ action: 'subscribe', trades: ['AAPL'] }))
    ERROR(400)(ask({ action: 'subscribe', trades: ['BTCUSD'] }))
    ERROR(410)(ask({ action: 'subscribe', statuses: ['BTC/USD'] }))
    ERROR(410)(ask({ action: 'subscribe', news: ['*'] }))
    ERROR(400)(
      venue()
        .client('iex')
        .ask({ action: 'subscribe', trades: ['BTC/USD'] }),
    )
    ERROR(410)(
      venue()
        .client('iex')
        .ask({ action: 'subscribe', orderbooks: ['AAPL'] }),
    )
  })
})

describe('options', () => {
  test('as JSON are 412, and the end', () => {
    const { greeting, isClosed } = venue().client('indicative')
    ERROR(412)(greeting)
    assert.ok(isClosed())
  })

  test('have trades and quotes; * is 413 for quotes', () => {
    const { client } = venue()
    const { ask, gets } = client('opra', 'msgpack')
    ERROR(413)(ask({ action: 'subscribe', quotes: ['*'] }))
    ERROR(410)(ask({ action: 'subscribe', bars: [CALL] }))
    ERROR(400)(ask({ action: 'subscribe', trades: ['AAPL'] }))
    const [ack] = ask({ action: 'subscribe', trades: ['*'], quotes: [CALL] })
    assert.deepEqual(ack, { T: 'subscription', trades: ['*'], quotes: [CALL] })
    assert.deepEqual(gets(trade(CALL), quote(CALL), trade('AAPL')), [
      ['t', CALL],
      ['q', CALL],
    ])
  })

  test('say their condition as one text', () => {
    const { client, server } = venue()
    const { ask, heard } = client('opra', 'msgpack')
    ask({ action: 'subscribe', trades: [CALL] })
    server.deliver([createEvent({ ...trade(CALL), conditions: ['S'], id: undefined })])
    assert.equal(heard().at(-1)!.c, 'S')
  })
})

describe('news', () => {
  test('go to whoever asked for one of their symbols, once', () => {
    const { client } = venue()
    const { ask, gets, session } = client('news')
    assert.deepEqual(ask({ action: 'subscribe', news: ['AAPL', 'BTCUSD'] }), [
      { T: 'subscription', news: ['AAPL', 'BTCUSD'] },
    ])
    assert.deepEqual(
      session.topics.map(({ symbol }) => symbol),
      ['AAPL', 'BTC/USD'],
    )
    const both = article('both', 'AAPL', 'BTC/USD')
    assert.deepEqual(gets(both, article('other', 'MSFT'), article('coin', 'BTC/USD')), [
      ['n', 'both'],
      ['n', 'coin'],
    ])
    ask({ action: 'unsubscribe', news: ['AAPL', 'BTCUSD'] })
    ask({ action: 'subscribe', news: ['*'] })
    assert.deepEqual(gets(article('none')), [['n', 'none']])
    ERROR(410)(ask({ action: 'subscribe', trades: ['AAPL'] }))
  })
})

test('* is every symbol of the market, not those of the others', () => {
  const { client } = venue()
  const events = [trade('AAPL'), trade('BTC/USD'), trade(CALL)]
  const all = { action: 'subscribe', trades: ['*'] }
  const clients = (['iex', 'us', 'opra'] as const).map(feed => client(feed, 'msgpack'))
  for (const { ask } of clients) ask(all)
  assert.deepEqual(
    clients.map(({ gets }) => gets(...events)),
    [[['t', 'AAPL']], [['t', 'BTC/USD']], [['t', CALL]]],
  )
})
