// Frames as documented, the numbers of frames, and what is made of those that are not.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KIND_BIT } from '../../../src/feed/provider.ts'
import type { EventType } from '../../../src/market/events.ts'
import { Flag } from '../../../src/market/events.ts'
import { CoinbaseDecoder } from '../../../src/providers/coinbase/codec.ts'
import { Market } from '../../../src/providers/coinbase/market.ts'
import { PlainDecoder } from '../../../src/providers/coinbase/plain.ts'
import type { Report } from '../recorder.ts'
import { contextOf } from './kit.ts'

const RECEIVED = 1_775_572_200_000.25

/** What both decoders make of frames, which is the same, and whether `JSON.parse` had to help. */
function read(
  frames: readonly string[],
  symbols: readonly string[] = ['BTC/USD'],
  kinds?: readonly EventType[],
): { reports: Report[]; fallbacks: number } {
  const bits = kinds?.reduce((mask, kind) => mask | KIND_BIT[kind], 0) ?? -1 & ~KIND_BIT.quote
  const interest = { revision: 1, mask: (symbol: string) => (symbols.includes(symbol) ? bits : 0) }
  const [fast, plain] = [contextOf(interest), contextOf(interest)]
  const decoder = new CoinbaseDecoder(fast.context)
  const oracle = new PlainDecoder(new Market(plain.context))
  for (const frame of frames) {
    const bytes = new TextEncoder().encode(frame)
    decoder.decode(bytes, false, RECEIVED, fast.recorder)
    oracle.decode(bytes, false, RECEIVED, plain.recorder)
  }
  const reports = fast.recorder.take()
  assert.deepEqual(JSON.stringify(reports), JSON.stringify(plain.recorder.take()))
  return { reports, fallbacks: decoder.fallbacks }
}

const data = (reports: readonly Report[]) =>
  JSON.parse(JSON.stringify(reports)) as Record<string, unknown>[]

const HEARTBEAT =
  '{"channel":"heartbeats","timestamp":"2023-06-23T20:31:26.122969572Z","sequence_num":5,"events":[{"current_time":"2023-06-23 20:31:56.121961769 +0000 UTC m=+91717.525857105","heartbeat_counter":3049}]}'
const TRADES =
  '{"channel":"market_trades","timestamp":"2025-12-31T06:00:13.715382929Z","sequence_num":1854,"events":[{"type":"update","trades":[{"trade_id":"929248663","product_id":"BTC-USD","price":"88355.58","size":"0.00003338","side":"BUY","time":"2025-12-31T06:00:13.654578Z"},{"trade_id":"929248662","product_id":"BTC-USD","price":"88355.59","size":"0.00099993","side":"SELL","time":"2025-12-31T06:00:13.613311Z"}]}]}'
const SNAPSHOT =
  '{"channel":"l2_data","timestamp":"2026-04-07T14:30:00.123456789Z","sequence_num":1,"events":[{"type":"snapshot","product_id":"BTC-USD","updates":[{"side":"bid","event_time":"1970-01-01T00:00:00Z","price_level":"68900.00","new_quantity":"1.5"},{"side":"offer","event_time":"1970-01-01T00:00:00Z","price_level":"68901.00","new_quantity":"0.5"}]}]}'
const UPDATE =
  '{"channel":"l2_data","timestamp":"2026-04-07T14:30:01.456789012Z","sequence_num":2,"events":[{"type":"update","product_id":"BTC-USD","updates":[{"side":"bid","event_time":"2026-04-07T14:30:01.456789Z","price_level":"68900.00","new_quantity":"2"},{"side":"offer","event_time":"2026-04-07T14:30:01.456789Z","price_level":"68901.00","new_quantity":"0"}]}]}'
const TICKER =
  '{"channel":"ticker","timestamp":"2026-04-07T14:30:03.000000000Z","sequence_num":12,"events":[{"type":"snapshot","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"68900.50","volume_24_h":"15328.12345678","low_24_h":"67500.00","high_24_h":"69200.00","low_52_w":"25000.00","high_52_w":"73800.00","price_percent_chg_24_h":"-1.85","best_bid":"68900.00","best_bid_quantity":"1.50000000","best_ask":"68901.00","best_ask_quantity":"0.50000000"}]}]}'
const CANDLE =
  '{"channel":"candles","timestamp":"2026-04-07T14:30:05.000000000Z","sequence_num":3,"events":[{"type":"update","candles":[{"start":"1775572200","high":"68950.00","low":"68850.00","open":"68900.00","close":"68920.50","volume":"42.15000000","product_id":"BTC-USD"}]}]}'
const SUBSCRIPTIONS =
  '{"channel":"subscriptions","timestamp":"2026-04-07T14:30:00.000000000Z","sequence_num":0,"events":[{"subscriptions":{"level2":["BTC-USD"],"market_trades":["BTC-USD","ETH-USD"]}}]}'

const numbered = (frame: string, sequence: number) =>
  frame.replace(/"sequence_num":\d+/, `"sequence_num":${sequence}`)

/** The same, sent in another second. */
const sent = (frame: string, second: string) =>
  frame.replace(/"timestamp":"[^"]*"/, `"timestamp":"2026-04-07T14:30:${second}Z"`)

const kindsOf = (reports: readonly Report[]) =>
  reports.map(one => ('control' in one ? one.control.type : one.type))

const base = { source: 'coinbase', symbol: 'BTC/USD', receivedAt: RECEIVED, flags: 0 }

describe('documented frames', () => {
  it('trades come newest first, and the taker took the other side', () => {
    const { reports, fallbacks } = read([TRADES])
    assert.equal(fallbacks, 0)
    const time = Date.UTC(2025, 11, 31, 6, 0, 13)
    assert.deepEqual(data(reports), [
      {
        ...{ ...base, type: 'trade', timestamp: time + 613, nanos: 311_000, price: 88_355.59 },
        ...{ size: 0.00099993, id: 929_248_662, side: 'buy' },
      },
      {
        ...{ ...base, type: 'trade', timestamp: time + 654, nanos: 578_000, price: 88_355.58 },
        ...{ size: 0.00003338, id: 929_248_663, side: 'sell' },
      },
    ])
  })

  it('trades of a snapshot are of the past: they only say which comes next', () => {
    const first = TRADES.replace('"update"', '"snapshot"')
    assert.deepEqual(read([first]).reports, [])
    const { reports } = read([first, numbered(TRADES, 1855)])
    assert.deepEqual(reports, [])
    const later = numbered(TRADES, 1855)
      .replace('929248663', '929248666')
      .replace('929248662', '929248665')
    assert.match(JSON.stringify(read([first, later]).reports[0]), /trade 929248664 is missing/)
  })

  it('trades of a later snapshot that have not been told are', () => {
    const snapshot = numbered(TRADES, 1855).replace('"update"', '"snapshot"')
    const { reports } = read([TRADES, snapshot.replace('929248663', '929248664')])
    assert.deepEqual(
      data(reports).map(({ id }) => id),
      [929_248_662, 929_248_663, 929_248_664],
    )
  })

  it('nothing of one frame is left in the next', () => {
    // The decoder uses what it reads into again: each field of each trade has to be this frame's.
    const frames = Array.from({ length: 12 }, (_, i) => {
      const trades = Array.from({ length: 1 + (i % 3) }, (_, n) => {
        const [id, market] = [1_000 + 3 * i + (i % 3) - n, n === 1 ? 'ETH-USD' : 'BTC-USD']
        const [price, side] = [`${100 + i}.${n + 1}`, (i + n) % 2 === 0 ? 'BUY' : 'SELL']
        return `{"trade_id":"${id}","product_id":"${market}","price":"${price}","size":"0.${i + 1}","side":"${side}","time":"2025-12-31T06:00:${10 + i}.${100_000 + n}Z"}`
      })
      const type = i === 4 ? 'snapshot' : 'update'
      return `{"channel":"market_trades","timestamp":"2025-12-31T06:00:${10 + i}.7Z","sequence_num":${2 * i},"events":[{"type":"${type}","trades":[${trades}]}]}`
    })
    const between = frames.flatMap((frame, i) => [
      frame,
      numbered([UPDATE, TICKER, SNAPSHOT, HEARTBEAT][i % 4]!, 2 * i + 1),
    ])
    const { reports, fallbacks } = read(between, ['BTC/USD', 'ETH/USD'])
    assert.equal(fallbacks, 0)
    assert.ok(reports.length > 30, `${reports.length}`)
  })

  it('a book begins with a snapshot, whose times are none', () => {
    const { reports, fallbacks } = read([SNAPSHOT, UPDATE])
    assert.equal(fallbacks, 0)
    const time = Date.UTC(2026, 3, 7, 14, 30)
    assert.deepEqual(data(reports), [
      {
        ...{ ...base, type: 'book', timestamp: time + 123, nanos: 456_789, sequence: 1 },
        ...{ bids: [[68_900, 1.5]], asks: [[68_901, 0.5]], snapshot: true },
      },
      {
        ...{ ...base, type: 'book', timestamp: time + 1_456, nanos: 789_000, sequence: 2 },
        ...{ bids: [[68_900, 2]], asks: [[68_901, 0]], snapshot: false },
      },
    ])
    assert.deepEqual(read([UPDATE]).reports, [], 'an update without a snapshot is of no use')
  })

  it('quotes are the best of the book, when it changes, and say that they are derived', () => {
    const deep = numbered(UPDATE, 3)
      .replaceAll('68900.00', '68800.00')
      .replaceAll('68901.00', '68999')
    const { reports } = read([SNAPSHOT, numbered(UPDATE, 2), deep], ['BTC/USD'], ['quote'])
    assert.deepEqual(
      data(reports).map(({ type, bid, bidSize, ask, askSize }) => [
        type,
        bid,
        bidSize,
        ask,
        askSize,
      ]),
      [
        ['quote', 68_900, 1.5, 68_901, 0.5],
        ['quote', 68_900, 2, undefined, undefined],
      ],
    )
    assert.ok(reports.every(one => 'flags' in one && one.flags === Flag.derived))
  })

  it('a ticker', () => {
    const { reports, fallbacks } = read([TICKER])
    assert.equal(fallbacks, 0)
    assert.deepEqual(data(reports), [
      {
        ...{ ...base, type: 'ticker', timestamp: Date.UTC(2026, 3, 7, 14, 30, 3), nanos: 0 },
        ...{ last: 68_900.5, high: 69_200, low: 67_500, changePercent: -1.85 },
        ...{ volume: 15_328.12345678, bid: 68_900, ask: 68_901, bidSize: 1.5, askSize: 0.5 },
      },
    ])
    const batch = TICKER.replace('"ticker"', '"ticker_batch"').replace(/,"best_bid".*?(?=\})/, '')
    assert.equal(data(read([batch]).reports)[0]!.bid, undefined)
  })

  it('a candle is told as it runs, as final when the next one begins', () => {
    const next = numbered(CANDLE, 4).replace('1775572200', '1775572500')
    const bars = data(read([CANDLE, next]).reports)
    assert.deepEqual(
      bars.map(({ timestamp, final, open, close, interval }) => [
        timestamp,
        final,
        open,
        close,
        interval,
      ]),
      [
        [1_775_572_200_000, false, 68_900, 68_920.5, '5m'],
        [1_775_572_200_000, true, 68_900, 68_920.5, '5m'],
        [1_775_572_500_000, false, 68_900, 68_920.5, '5m'],
      ],
    )
  })

  it('of a pair against USDC are those of the one against USD', () => {
    const both = data(read([TRADES], ['BTC/USD', 'BTC/USDC']).reports)
    assert.deepEqual(
      both.map(({ symbol, id }) => [symbol, id]),
      [
        ['BTC/USD', 929_248_662],
        ['BTC/USDC', 929_248_662],
        ['BTC/USD', 929_248_663],
        ['BTC/USDC', 929_248_663],
      ],
    )
  })

  it('answers list what is subscribed, and errors stand without a channel', () => {
    const { reports } = read([SUBSCRIPTIONS, '{"type":"error","message":"authentication failure"}'])
    const [acknowledged, error] = reports.map(one => 'control' in one && one.control)
    assert.ok(acknowledged && acknowledged.type === 'acknowledged')
    const topic = (kind: EventType, symbol: string) => ({ source: 'coinbase', kind, symbol })
    assert.ok(acknowledged.covers(topic('book', 'BTC/USD')))
    assert.ok(acknowledged.covers(topic('quote', 'BTC/USDC')))
    assert.ok(acknowledged.covers(topic('trade', 'ETH/USD')))
    assert.ok(!acknowledged.covers(topic('book', 'ETH/USD')))
    assert.ok(!acknowledged.covers(topic('ticker', 'BTC/USD')))
    assert.deepEqual(error, { type: 'error', code: undefined, message: 'authentication failure' })
  })

  it('heartbeats say nothing', () => {
    assert.deepEqual(read([HEARTBEAT]), { reports: [], fallbacks: 0 })
  })

  it('of older servers, and with keys in another order', () => {
    const older = TRADES.replace('"timestamp"', '"client_id":"","timestamp"')
    assert.deepEqual(read([older]), read([TRADES]))
    const turned = JSON.stringify(turn(JSON.parse(TRADES)), undefined, 1)
    assert.deepEqual(read([turned]), read([TRADES]))
    const book = [SNAPSHOT, UPDATE].map(frame => JSON.stringify(turn(JSON.parse(frame))))
    assert.deepEqual(read(book), read([SNAPSHOT, UPDATE]))
  })
})

describe('the numbers of frames', () => {
  it('that skip break everything on the connection; late and repeated ones are passed over', () => {
    const frames = [
      SUBSCRIPTIONS,
      SNAPSHOT,
      numbered(HEARTBEAT, 2),
      numbered(UPDATE, 3),
      sent(numbered(TRADES, 5), '03'),
      numbered(UPDATE, 4),
      sent(numbered(UPDATE, 6), '04'),
    ]
    const { reports } = read(frames)
    const kinds = kindsOf(reports)
    // The update behind the loss waits for a snapshot.
    assert.deepEqual(kinds, ['acknowledged', 'book', 'book', 'broken', 'trade', 'trade'])
    assert.match(JSON.stringify(reports[3]), /frame 4 is missing/)
  })

  it('that begin anew are no reason to pass over what comes from then on', () => {
    const { reports } = read([
      numbered(SNAPSHOT, 7),
      sent(numbered(SNAPSHOT, 0), '05'),
      sent(numbered(UPDATE, 1), '06'),
    ])
    assert.deepEqual(kindsOf(reports), ['book', 'broken', 'book', 'book'])
    assert.match(JSON.stringify(reports[1]), /begun anew/)
  })

  it('of each product by itself are no longer looked at, which the stream says', () => {
    const frames = Array.from({ length: 20 }, (_, i) =>
      sent(numbered(i % 2 ? HEARTBEAT : SNAPSHOT, i % 2 ? 900 + i : i), String(10 + i)),
    )
    const { reports } = read(frames)
    const kinds = kindsOf(reports)
    assert.equal(kinds.filter(kind => kind === 'book').length, 10, 'none is passed over')
    const told = kinds.indexOf('notice')
    assert.match(JSON.stringify(reports[told]), /unverified.*books go on/)
    assert.ok(kinds.slice(0, told).includes('broken'))
    assert.ok(!kinds.slice(told).includes('broken'), 'none is missed any more')
  })
})

describe('frames that are not', () => {
  /** What is wrong, and how many events stand beside it. */
  const bad: readonly (readonly [frame: string, reason: RegExp, others?: number])[] = [
    ['', /not JSON/],
    ['[]', /not a map/],
    [TRADES.slice(0, -1), /not JSON/],
    [TRADES.replace('"sequence_num":1854,', ''), /sequence_num is none/],
    [TRADES.replace('2025-12-31T06:00:13.715382929Z', 'now'), /timestamp is not a time/],
    [TRADES.replace('"update"', '"news"'), /type is neither/],
    [TRADES.replace('"88355.58"', '88355.58'), /price is not a number/, 1],
    [TRADES.replace('"88355.58"', '"0"'), /price is not above 0/, 1],
    [TRADES.replace('"0.00003338"', '"-1"'), /size is negative/, 1],
    [TRADES.replace('"929248663"', '929248663'), /trade_id is no id/, 1],
    [TRADES.replace('"BUY"', '"buy"'), /side is neither/, 1],
    [TRADES.replace('"product_id":"BTC-USD"', '"product_id":7'), /no product_id/, 1],
    [SNAPSHOT.replace('"bid"', '"ask"'), /side is neither bid nor offer/],
    [SNAPSHOT.replace('"1.5"', '"x"'), /new_quantity is not a number/],
    [SNAPSHOT.replace('"68900.00"', '"-1"'), /price_level is negative/],
    [CANDLE.replace('"1775572200"', '"noon"'), /start is no id/],
    [TICKER.replace('"15328.12345678"', 'null'), /volume_24_h is not a number/],
  ]

  it('give no event of what is wrong, and one reason', () => {
    for (const [frame, reason, others = 0] of bad) {
      const { reports } = read([frame])
      const wrong = reports.filter(({ type }) => type === 'malformed')
      assert.equal(wrong.length, 1, frame)
      assert.match((wrong[0] as { reason: string }).reason, reason, frame)
      assert.equal(reports.length - wrong.length, others, frame)
    }
  })

  it('an update of a book that cannot be read breaks that book', () => {
    const { reports } = read([SNAPSHOT, UPDATE.replace('"2"', '"two"'), numbered(UPDATE, 3)])
    const kinds = reports.map(one => ('control' in one ? one.control.type : one.type))
    assert.deepEqual(kinds, ['book', 'malformed', 'broken'])
  })

  it('of a new channel are counted', () => {
    assert.deepEqual(read([HEARTBEAT.replace('heartbeats', 'novelties')]).reports, [
      { type: 'unknown', kind: 'novelties' },
    ])
  })
})

/** The same value with the keys of all its maps in reverse. */
function turn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turn)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, turn(item)]),
  )
}
