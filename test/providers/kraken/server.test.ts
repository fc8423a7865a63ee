// The venue's side: what it answers, word for word where the venue documents it, and what a decoder makes of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEvent, type EventFields, type MarketEvent } from '../../../src/market/events.ts'
import { type KrakenServerOptions, krakenServer } from '../../../src/providers/kraken/server.ts'
import type { KrakenSession } from '../../../src/providers/kraken/server-session.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { bench, events } from './kit.ts'

function visit(options: Omit<KrakenServerOptions, 'clock'> = {}) {
  const clock = handClock(Date.UTC(2023, 9, 6, 17, 35, 55, 219))
  const server = krakenServer({ clock, ...options })
  const got: string[] = []
  const ends: string[] = []
  const peer = {
    bufferedBytes: 0,
    send: (frame: string | Uint8Array) => void got.push(String(frame)),
    close: (code: number) => void ends.push(`closed ${code}`),
    cut: () => void ends.push('cut'),
  }
  const session = server.accept({ path: '/v2', headers: {} }, peer) as KrakenSession
  const hello = got.splice(0)
  const say = (message: unknown) => {
    got.length = 0
    const text = typeof message === 'string' ? message : JSON.stringify(message)
    session.receive(Buffer.from(text))
    return [...got]
  }
  const deliver = (...batch: MarketEvent[]) => {
    got.length = 0
    server.deliver(batch)
    return [...got]
  }
  return { clock, server, session, hello, say, deliver, got, ends }
}

const subscribe = (params: object, req_id = 7) => ({ method: 'subscribe', params, req_id })
const event = (type: string, fields: object): MarketEvent => {
  const base = { symbol: 'BTC/USD', source: 'venue', timestamp: Date.UTC(2023, 8, 25, 7, 49, 37) }
  return createEvent({ type, ...base, ...fields } as unknown as EventFields)
}

describe('answers', () => {
  test('status on connect, with an id beyond what a number holds', () => {
    const { hello } = visit()
    assert.match(hello[0]!, /"connection_id":13834774380200032777,"system":"online"/)
    assert.equal(hello.length, 1)
  })

  test('one ack for each symbol, as documented', () => {
    const { say } = visit()
    const params = { channel: 'book', symbol: ['BTC/USD', 'ETH/USD'], depth: 10, snapshot: true }
    const [first, , second] = say(subscribe(params))
    const time = '2023-10-06T17:35:55.219000Z'
    assert.deepEqual(JSON.parse(first!), {
      ...{ method: 'subscribe', success: true, time_in: time, time_out: time, req_id: 7 },
      result: { channel: 'book', depth: 10, snapshot: true, symbol: 'BTC/USD' },
    })
    assert.equal(JSON.parse(second!).result.symbol, 'ETH/USD')
  })

  test('refusals name the symbol; the rest of the request is granted', () => {
    const { say, session } = visit()
    const answers = say(subscribe({ channel: 'trade', symbol: ['FOO/USD', 'BTC/USD'] }))
    const [no, yes] = answers.map(it => JSON.parse(it))
    assert.equal(no.error, 'Currency pair not supported FOO/USD')
    assert.deepEqual([no.success, no.symbol, no.req_id], [false, 'FOO/USD', 7])
    assert.equal(yes.success, true)
    assert.deepEqual(session.channels, { trade: ['BTC/USD'] })
    const [twice] = say(subscribe({ channel: 'trade', symbol: ['BTC/USD'] }))
    assert.equal(JSON.parse(twice!).error, 'Already subscribed')
  })

  test('what it does not understand', () => {
    const { say } = visit()
    const errors: readonly [message: unknown, error: string][] = [
      ['{', 'Malformed request'],
      [{ method: 'dance' }, 'Malformed request'],
      [subscribe({ channel: 'status' }), 'Malformed request'],
      [subscribe({ channel: 'trade' }), 'Malformed request'],
      [
        subscribe({ channel: 'book', symbol: ['BTC/USD'], depth: 11 }),
        'Subscription depth not supported',
      ],
    ]
    for (const [message, error] of errors) assert.equal(JSON.parse(say(message)[0]!).error, error)
    const [gone] = say({
      ...{ method: 'unsubscribe', req_id: 1 },
      params: { channel: 'trade', symbol: ['BTC/USD'] },
    })
    assert.equal(JSON.parse(gone!).error, 'Subscription Not Found')
  })

  test('another path is none of its own', () => {
    const server = krakenServer({ clock: handClock() })
    const peer = { bufferedBytes: 0, send() {}, close() {}, cut() {} }
    assert.deepEqual(server.accept({ path: '/v1', headers: {} }, peer), { status: 404 })
  })

  test('a pong for a ping, a heartbeat when nothing else flows, an end for who says nothing', async () => {
    const { clock, say, got, ends } = visit()
    assert.match(say({ method: 'ping', req_id: 101 })[0]!, /^\{"method":"pong","req_id":101,/)
    got.length = 0
    await clock.advance(3_000)
    assert.deepEqual(got, [], 'not before there is a subscription')
    say(subscribe({ channel: 'trade', symbol: ['BTC/USD'] }))
    got.length = 0
    await clock.advance(3_000)
    assert.ok(got.length >= 2 && got.every(it => it === '{"channel":"heartbeat"}'))
    await clock.advance(60_000)
    assert.deepEqual(ends, ['closed 1000'])
  })
})

describe('data', () => {
  const trade = event('trade', {
    price: 105_910.5,
    size: 0.0001,
    id: 5,
    side: 'sell',
    conditions: ['market'],
  })

  test('numbers have all their digits', () => {
    const { say, deliver } = visit()
    say(subscribe({ channel: 'trade', symbol: ['BTC/USD'] }))
    const [frame] = deliver(trade)
    assert.match(frame!, /"price":105910\.5,"qty":0\.00010000,"ord_type":"market","trade_id":5,/)
    assert.match(frame!, /"timestamp":"2023-09-25T07:49:37\.000000Z"/)
    assert.deepEqual(deliver(event('trade', { symbol: 'ETH/USD', price: 1, size: 1, id: 1 })), [])
  })

  test('decoded they are what was delivered', () => {
    const { say, deliver } = visit()
    for (const channel of ['trade', 'ticker', 'ohlc', 'book']) {
      say(subscribe({ channel, symbol: ['BTC/USD'], depth: 25, interval: 1 }))
    }
    const minute = Date.UTC(2023, 8, 25, 7, 49)
    const bar = { interval: '1m', open: 1, high: 3, low: 0.5, close: 2, volume: 9, tradeCount: 4 }
    const levels = { bids: [[1_000, 1.5]], asks: [[1_000.1, 2]], snapshot: false }
    const reader = bench()
    reader.read(
      '{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":0,"timestamp":"2023-10-06T17:35:55.440295Z"}]}',
    )
    const sent = [
      trade,
      event('ticker', { bid: 1.5, bidSize: 2, ask: 1.6, askSize: 3, last: 1.5, change: -0.5 }),
      // It comes long after its end.
      event('bar', { ...bar, vwap: 1.5, timestamp: minute, final: true, revision: 0 }),
      event('book', levels),
    ]
    for (const original of sent) {
      const got = deliver(original).flatMap(frame => events(reader.read(frame)))
      const found = got.find(({ type }) => type === original.type)
      const ours = { source: 'kraken', receivedAt: 1_700_000_000_000.5 }
      const expected: object = { ...original, ...ours }
      if (original.type === 'book') {
        assert.ok(found?.checksum)
        assert.deepEqual({ ...found, checksum: undefined }, { ...expected, checksum: undefined })
      } else assert.deepEqual(found, expected)
    }
  })

  test('a ticker without prices leaves those of the last quote', () => {
    const { say, deliver } = visit()
    say(subscribe({ channel: 'ticker', symbol: ['BTC/USD'] }))
    deliver(event('quote', { bid: 1.5, bidSize: 2, ask: 1.6, askSize: 3 }))
    assert.match(
      deliver(event('ticker', { last: 1.5 }))[0]!,
      /"bid":1\.5,.*"ask":1\.6,.*"last":1\.5/,
    )
    assert.doesNotMatch(deliver(event('quote', { ask: 1.6, askSize: 3 }))[0]!, /"bid"/)
  })

  test('a level that is pushed out of sight is not removed; one that comes back into sight is told', () => {
    const { say, deliver } = visit()
    const asks = Array.from({ length: 11 }, (_, i) => [100 + i, 1])
    deliver(event('book', { bids: [], asks, snapshot: true }))
    const answers = say(subscribe({ channel: 'book', symbol: ['BTC/USD'], depth: 10 }))
    const snapshot = JSON.parse(answers[1]!).data[0]
    assert.equal(snapshot.asks.length, 10)
    const [better] = deliver(event('book', { bids: [], asks: [[99, 1]], snapshot: false }))
    assert.deepEqual(JSON.parse(better!).data[0].asks, [{ price: 99, qty: 1 }])
    const [removed] = deliver(event('book', { bids: [], asks: [[99, 0]], snapshot: false }))
    assert.deepEqual(JSON.parse(removed!).data[0].asks, [
      { price: 109, qty: 1 },
      { price: 99, qty: 0 },
    ])
    assert.deepEqual(deliver(event('book', { bids: [], asks: [[150, 1]], snapshot: false })), [])
  })

  test('small sizes with exponents, where asked for', () => {
    const { say, deliver } = visit({ exponents: true })
    say(subscribe({ channel: 'trade', symbol: ['BTC/USD'] }))
    assert.match(deliver(event('trade', { price: 1, size: 0.000051, id: 1 }))[0]!, /"qty":5\.1e-5,/)
  })
})
