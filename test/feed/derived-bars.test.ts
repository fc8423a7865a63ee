import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { websocketProvider } from '../../src/feed/websocket.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import {
  type Bar,
  createEvent,
  Flag,
  hasFlag,
  type MarketEvent,
  type Ticker,
} from '../../src/market/events.ts'
import { replay } from '../../src/providers/replay/provider.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { scriptedSockets } from '../../src/testing/sockets.ts'
import { oblige, say, toyCapabilities, toyDescription, toyFeed } from './toy-venue.ts'

/** A Monday at the opening, where the clock of these tests stands. */
const OPEN = Date.UTC(2024, 0, 15, 14, 30)

const tradeAt = (at: number, price: number, more: object = {}) => ({
  ...{ type: 'trade', symbol: 'SPY', timestamp: OPEN + at, price, size: 10, id: at + 1 },
  ...more,
})

const shown = (bars: readonly Bar[]) =>
  bars.map(({ timestamp, open, close, volume, final, revision }) => ({
    ...{ at: timestamp - OPEN, open, close, volume },
    ...(final ? { revision } : { forming: true }),
  }))

/** A feed of a venue that has a past: `answer` is asked each time. */
function pastFeed(
  answer: (request: HistoryRequest) => readonly object[],
  {
    log = silentLog,
    start = OPEN,
    history = true,
  }: { log?: Log; start?: number; history?: boolean } = {},
) {
  const clock = handClock(start)
  const net = scriptedSockets(oblige)
  const capabilities = { ...toyCapabilities, history }
  const asked: HistoryRequest[] = []
  const provider = {
    ...websocketProvider(toyDescription({ capabilities }), { openSocket: net.openSocket }),
    async *history(request: HistoryRequest) {
      asked.push(request)
      const events = answer(request).filter(event => {
        const { type, timestamp } = event as MarketEvent
        return type === request.kind && timestamp >= request.from && timestamp <= request.to
      })
      await Promise.resolve()
      yield events.map(event =>
        createEvent({ ...event, source: request.source ?? '', receivedAt: clock.now() } as never),
      )
    },
  }
  const feed = openFeed(provider, { clock, random: () => 0.5, leases: false, log })
  return { clock, net, feed, asked, send: (...events: object[]) => say(net.last, { events }) }
}

const quietly = (warnings: string[]): Log => ({
  ...silentLog,
  warn: (_fields, message) => warnings.push(message),
})

describe('the first bar from trades', () => {
  test('is left out where it began before and there is no history', async () => {
    const { clock, net, feed } = toyFeed({ feed: { leases: false } })
    await clock.advance(20_000)
    const bars: Bar[] = []
    for (const symbols of ['SPY', '*']) {
      feed.bars(symbols, bar => bars.push(bar), { interval: '1m', from: 'trades', forming: true })
    }
    await clock.advance(10_000)
    say(net.last, { events: [tradeAt(10_000, 98), tradeAt(29_000, 99)] })
    await clock.advance(30_500)
    assert.equal(bars.length, 0)
    say(net.last, { events: [tradeAt(60_400, 100)] })
    await clock.advance(65_000)
    const whole = { at: 60_000, open: 100, close: 100, volume: 10 }
    assert.deepEqual(shown(bars), [
      ...[
        { ...whole, forming: true },
        { ...whole, forming: true },
      ],
      ...[
        { ...whole, revision: 0 },
        { ...whole, revision: 0 },
      ],
    ])
    await feed.close()
    assert.equal(clock.pending(), 0)
  })

  test('has its trades of before from history, each once', async () => {
    const past = [tradeAt(-1, 1), tradeAt(5_000, 90), tradeAt(15_000, 91), tradeAt(20_500, 92)]
    const { clock, feed, send, asked } = pastFeed(() => past)
    await clock.advance(20_000)
    const bars: Bar[] = []
    const options = { interval: '1m', from: 'trades', forming: true } as const
    feed.bars('SPY', bar => bars.push(bar), options)
    await clock.advance(400)
    assert.equal(bars.length, 0, 'no one knows yet whether these are all')
    // The first is in the second answer of history; the second was on its way when history had it already.
    send(tradeAt(20_450, 95))
    past.push(tradeAt(20_450, 95))
    await clock.advance(2_000)
    assert.deepEqual(
      asked.map(({ kind, symbols, from }) => [kind, symbols, from - OPEN]),
      [
        ['trade', ['SPY'], 0],
        ['trade', ['SPY'], 0],
      ],
    )
    assert.ok(asked.every(({ to }, i) => to >= OPEN + [20_000, 21_500][i]!))
    send(tradeAt(20_500, 92), tradeAt(30_000, 93))
    await clock.advance(40_000)
    const { open, high, low, close, volume, tradeCount, revision } = bars.find(bar => bar.final)!
    assert.deepEqual([open, high, low, close, volume], [90, 95, 90, 93, 50])
    assert.deepEqual([tradeCount, revision, bars.filter(bar => bar.final).length], [5, 0, 1])
    assert.ok(bars.every(bar => bar.timestamp === OPEN))
    await feed.close()
    assert.equal(clock.pending(), 0)
  })

  test('is sent once, whole, when history answers behind its end', async () => {
    const past = [tradeAt(500, 90)]
    const { clock, feed, send } = pastFeed(() => past)
    await clock.advance(1_000)
    const bars: Bar[] = []
    feed.bars('SPY', bar => bars.push(bar), { interval: '5s', from: 'trades' })
    await clock.advance(1_000)
    send(tradeAt(1_500, 91))
    await clock.advance(6_000)
    send(tradeAt(6_000, 94))
    assert.equal(bars.length, 0)
    past.push(tradeAt(1_500, 91))
    await clock.advance(20_000)
    assert.deepEqual(shown(bars), [
      { at: 0, open: 90, close: 91, volume: 20, revision: 0 },
      { at: 5_000, open: 94, close: 94, volume: 10, revision: 0 },
    ])
    await feed.close()
  })

  test('of a symbol that is silent is there when history says the same twice', async () => {
    const { clock, feed, asked } = pastFeed(() => [tradeAt(500, 90)])
    await clock.advance(1_000)
    const bars: Bar[] = []
    feed.bars('SPY', bar => bars.push(bar), { interval: '5s', from: 'trades' })
    await clock.advance(7_000)
    assert.deepEqual(shown(bars), [{ at: 0, open: 90, close: 90, volume: 10, revision: 0 }])
    assert.equal(asked.length, 2)
    await feed.close()
  })

  test('is left out where history refuses, and comes where it fails once', async () => {
    for (const code of ['UNSUPPORTED', 'VENUE_ERROR'] as const) {
      let fails = 1
      const warnings: string[] = []
      const answer = () => {
        if (fails-- > 0) throw new TickwireError(code, 'no')
        return [tradeAt(500, 90), tradeAt(1_500, 91)]
      }
      const { clock, feed, send } = pastFeed(answer, { log: quietly(warnings) })
      await clock.advance(1_000)
      const bars: Bar[] = []
      feed.bars('SPY', bar => bars.push(bar), { interval: '5s', from: 'trades' })
      await clock.advance(1)
      send(tradeAt(1_500, 91), tradeAt(5_500, 92))
      await clock.advance(12_000)
      const later = [{ at: 5_000, open: 92, close: 92, volume: 10, revision: 0 }]
      const first = [{ at: 0, open: 90, close: 91, volume: 20, revision: 0 }]
      const refused = code === 'UNSUPPORTED'
      assert.deepEqual(shown(bars), refused ? later : [...first, ...later])
      assert.equal(warnings.length, refused ? 1 : 0)
      await feed.close()
      assert.equal(clock.pending(), 0)
    }
  })

  test('by what it holds begins with the first trade, and asks for nothing', async () => {
    const { clock, feed, send, asked } = pastFeed(() => [])
    await clock.advance(20_000)
    const bars: Bar[] = []
    feed.bars('SPY', bar => bars.push(bar), { interval: '1t', from: 'trades' })
    await clock.advance(1)
    send(tradeAt(20_000, 90))
    assert.deepEqual(shown(bars), [{ at: 20_000, open: 90, close: 90, volume: 10, revision: 0 }])
    assert.deepEqual(asked, [])
    await feed.close()
  })
})

describe('bars from trades', () => {
  test('come in any length, final only, while the venue streams none of it', async () => {
    const { clock, net, feed } = toyFeed({ feed: { leases: false } })
    const bars: Bar[] = []
    const options = { interval: '5s', from: 'trades' } as const
    const subscription = feed.bars('SPY', bar => bars.push(bar), options)
    await clock.advance(1_000)
    assert.deepEqual(net.last.sent.map(String).at(-1), '{"add":["trade/SPY"]}')
    say(net.last, { events: [tradeAt(500, 100), tradeAt(900, 101)] })
    await clock.advance(4_000)
    assert.equal(bars.length, 0)
    // No trade says that its time is over: the clock does.
    await clock.advance(2_000)
    assert.deepEqual(shown(bars), [{ at: 0, open: 100, close: 101, volume: 20, revision: 0 }])
    assert.ok(hasFlag(bars[0]!, 'derived'))
    assert.equal(bars[0]!.source, 'toy')
    say(net.last, { events: [tradeAt(4_000, 99)] })
    await clock.advance(3_000)
    assert.deepEqual(shown(bars).at(-1), { at: 0, open: 100, close: 99, volume: 30, revision: 1 })
    assert.deepEqual([subscription.counters.delivered, subscription.counters.dropped], [2, 0])
    subscription.close()
    await clock.advance(1)
    assert.deepEqual(net.last.sent.map(String).at(-1), '{"drop":["trade/SPY"]}')
    await feed.close()
    assert.equal(clock.pending(), 0)
  })

  test('take what a repair brings late, of however many symbols at once, and say what they lack', async () => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
    const symbols = [...letters, ...letters.map(letter => `X${letter}`)]
    const past: object[] = []
    let answers = true
    const { clock, net, feed, send } = pastFeed(() => {
      if (!answers) throw new TickwireError('VENUE_ERROR', 'not now')
      return past
    })
    const bars: Bar[] = []
    const all = (at: number, price: number) =>
      symbols.map(symbol => tradeAt(at, price, { symbol, id: at + price }))
    const subscription = feed.bars(symbols, bar => bars.push(bar), {
      ...{ interval: '1s', from: 'trades', reviseMs: 20_000, name: 'seconds' },
    })
    await clock.advance(3_000)
    send(...all(3_100, 100))
    past.push(...all(3_100, 100), ...all(3_500, 120))
    answers = false
    net.last.end()
    await clock.advance(20_000)
    send(...all(22_900, 101), ...all(23_000, 102))
    past.push(...all(22_900, 101), ...all(23_000, 102))
    await clock.advance(85_000)
    // Of what comes beside, the bars of before are let go as ever.
    for (let s = 0; s < 30; s++) {
      await clock.advance(500)
      const now = clock.now() - OPEN
      send(...all(now, 103))
      past.push(...all(now, 103))
    }
    answers = true
    await clock.advance(10_000)
    const at = (time: number) => bars.filter(({ timestamp }) => timestamp === OPEN + time)
    assert.ok(clock.now() - OPEN > 3_000 + 122_000)
    assert.deepEqual(
      at(3_000)
        .map(bar => bar.close)
        .sort(),
      [...symbols.map(() => 100), ...symbols.map(() => 120)],
    )
    assert.deepEqual(subscription.made?.tooLate, 0)
    // What is filled is not waited for any more.
    for (let s = 0; s < 300; s++) {
      await clock.advance(1_000)
      send(tradeAt(clock.now() - OPEN, 104, { symbol: 'A', id: 1_000_000 + s }))
    }
    send(tradeAt(3_600, 90, { symbol: 'A', id: 7 }))
    await clock.advance(3_000)
    assert.deepEqual(subscription.made?.tooLate, 1)
    const stats = feed.stats().readers.find(({ name }) => name === 'seconds')
    assert.deepEqual(stats?.made, subscription.made)
    assert.equal(feed.trades('A', () => {}).made, undefined)
    await feed.close()
    assert.equal(subscription.made?.tooLate, 1, 'it can still be asked')
  })

  test('come in a loop, with forming ones when asked', async () => {
    const { clock, net, feed } = toyFeed({ feed: { leases: false } })
    const stream = feed.bars('SPY', { interval: '2t', from: 'trades', forming: true })
    const bars: Bar[] = []
    const loop = (async () => {
      for await (const bar of stream) bars.push(bar)
    })()
    await clock.advance(1)
    say(net.last, { events: [tradeAt(1, 100), tradeAt(2, 101), tradeAt(3, 102)] })
    await clock.advance(1_000)
    await feed.close()
    await loop
    assert.deepEqual(shown(bars), [
      { at: 1, open: 100, close: 100, volume: 10, forming: true },
      { at: 1, open: 100, close: 101, volume: 20, revision: 0 },
      { at: 3, open: 102, close: 102, volume: 10, forming: true },
    ])
  })

  test('take corrections and cancels where the provider has them', async () => {
    const capabilities = { ...toyCapabilities, kinds: ['trade', 'correction', 'cancel'] as const }
    const { clock, net, feed } = toyFeed({
      ...{ description: { capabilities }, feed: { leases: false } },
    })
    const bars: Bar[] = []
    feed.bars('SPY', bar => bars.push(bar), { interval: '1s', from: 'trades' })
    await clock.advance(1)
    assert.deepEqual(
      String(net.last.sent.at(-1)),
      '{"add":["trade/SPY","correction/SPY","cancel/SPY"]}',
    )
    const cancel = { type: 'cancel', symbol: 'SPY', timestamp: OPEN + 3, id: 2, action: 'error' }
    say(net.last, { events: [tradeAt(0, 100), tradeAt(1, 900), cancel] })
    await clock.advance(3_000)
    assert.deepEqual(shown(bars), [{ at: 0, open: 100, close: 100, volume: 10, revision: 0 }])
    await feed.close()
  })

  test('of a replay go by its own time and end with it', async () => {
    const tape = memoryTape()
    const events = [0, 400, 1_100, 2_500, 3_100].map((at, i) =>
      createEvent({ ...tradeAt(at, 100 + i), source: 'toy', receivedAt: OPEN + at } as never),
    )
    tape.append(events)
    const clock = handClock(OPEN + 7 * 86_400_000)
    const feed = openFeed(replay({ tape, speed: Number.POSITIVE_INFINITY }), {
      ...{ clock, log: silentLog, leases: false },
    })
    const bars: Bar[] = []
    feed.bars('*', bar => bars.push(bar), { interval: '1s', from: 'trades' })
    await clock.advance(100)
    await feed.done
    // The last second was not over yet.
    assert.deepEqual(
      bars.map(bar => [bar.timestamp - OPEN, bar.close, bar.flags]),
      [0, 1_000, 2_000].map((at, i) => [at, [101, 102, 103][i], Flag.replayed | Flag.derived]),
    )
    await feed.close()
  })

  test('of a replay are over by its time alone, however long nothing comes', async () => {
    const tape = memoryTape()
    const events = [0, 1_500, 3_000, 4_900, 6_100].map((at, i) =>
      createEvent({ ...tradeAt(at, 100 + i), source: 'toy', receivedAt: OPEN + at } as never),
    )
    tape.append(events)
    const clock = handClock(OPEN + 7 * 86_400_000)
    const feed = openFeed(replay({ tape, speed: 1 }), { clock, log: silentLog, leases: false })
    const bars: Bar[] = []
    feed.bars('*', bar => bars.push(bar), { interval: '5s', from: 'trades' })
    await clock.advance(10_000)
    await feed.done
    assert.deepEqual(shown(bars), [{ at: 0, open: 100, close: 103, volume: 40, revision: 0 }])
    await feed.close()
  })

  test('of a delayed source wait for what is 15 minutes behind', async () => {
    const capabilities = { ...toyCapabilities, nature: 'delayed' } as const
    const { clock, net, feed } = toyFeed({
      ...{ description: { capabilities }, feed: { leases: false } },
    })
    const bars: Bar[] = []
    feed.bars('SPY', bar => bars.push(bar), { interval: '5s', from: 'trades' })
    await clock.advance(1)
    say(net.last, { events: [tradeAt(500 - 900_000, 100)] })
    await clock.advance(5_500)
    assert.equal(bars.length, 0)
    await clock.advance(1_500)
    const bar = { at: -900_000, open: 100, close: 100, volume: 10, revision: 0 }
    assert.deepEqual(shown(bars), [bar])
    await feed.close()
  })

  const wrong: [what: string, options: object, code: string, words: RegExp][] = [
    ['no length at all', { interval: '0s', from: 'trades' }, 'BAD_OPTION', /cannot have the size/],
    ['more than a day', { interval: '7d', from: 'trades' }, 'BAD_OPTION', /longer than a day/],
    ['what divides no day', { interval: '7m', from: 'trades' }, 'BAD_OPTION', /6m or 8m/],
    [
      'what divides no session',
      { interval: '1h', from: 'trades', align: 'session' },
      'BAD_OPTION',
      /390 minutes/,
    ],
    ['a length the venue has not', { interval: '5s' }, 'UNSUPPORTED', /from: 'trades'/],
    ['forming ones of the venue', { forming: true }, 'BAD_OPTION', /from: 'trades'/],
    ['another origin', { from: 'quotes' }, 'BAD_OPTION', /'venue' or/],
    ['a grace below 0', { from: 'trades', graceMs: -1 }, 'BAD_OPTION', /graceMs is -1/],
  ]
  for (const [what, options, code, words] of wrong) {
    test(`are refused at once for ${what}`, async () => {
      const { clock, net, feed } = toyFeed({ feed: { leases: false } })
      for (const open of [
        () => feed.bars('SPY', options as never),
        () => feed.bars('SPY', () => {}, options as never),
      ]) {
        assert.throws(open, (error: Error & { code?: string; hint?: string }) => {
          assert.equal(error.code, code)
          assert.match(`${error.message} ${error.hint}`, words)
          return true
        })
      }
      await clock.advance(2_000)
      assert.equal(net.sockets.length, 0)
      assert.equal(clock.pending(), 0)
      await feed.close()
    })
  }
})

/** A Monday, New York: the day before that was traded on is the Friday. */
const barOf = (day: number, close: number) => ({
  ...{ type: 'bar', symbol: 'SPY', interval: '1d', timestamp: Date.UTC(2024, 0, day, 5), close },
  ...{ open: close, high: close, low: close, volume: 1, final: true, revision: 0 },
})

const fields = ({ last, open, high, volume, previousClose, change }: Ticker) => ({
  ...{ last, open, high, volume, previousClose, change },
})

describe('tickers of a venue that has none', () => {
  /** Ten seconds before 20:00 in New York on a Tuesday, when the next trading day begins. */
  const evening = Date.UTC(2024, 0, 17, 0, 59, 50)
  const at = (ms: number, price: number) => ({ ...tradeAt(ms, price), timestamp: evening + ms })

  test('say only what is known of a day that had begun', async () => {
    const { clock, feed, send } = pastFeed(() => [], { start: evening, history: false })
    const tickers: Ticker[] = []
    feed.tickers('SPY', ticker => tickers.push(ticker))
    await clock.advance(1)
    send(at(10, 100), at(20, 104))
    await clock.advance(1_000)
    const unknown = { open: undefined, high: undefined, volume: undefined, change: undefined }
    assert.deepEqual(tickers.map(fields), [
      { last: 100, ...unknown, previousClose: undefined },
      { last: 104, ...unknown, previousClose: undefined },
    ])
    assert.ok(tickers.every(ticker => hasFlag(ticker, 'derived') && ticker.source === 'toy'))
    // The day after is whole, and what this one closed at is known.
    await clock.advance(11_000)
    send(at(12_000, 110))
    await clock.advance(1_000)
    const whole = { last: 110, open: 110, high: 110, volume: 10 }
    assert.deepEqual(fields(tickers.at(-1)!), { ...whole, previousClose: 104, change: 6 })
    await feed.close()
  })

  test('of every symbol are whole from the next day on', async () => {
    const { clock, feed, send } = pastFeed(() => [], { start: evening })
    const tickers: Ticker[] = []
    feed.tickers('*', ticker => tickers.push(ticker))
    await clock.advance(1)
    send(at(10, 100))
    await clock.advance(12_000)
    send(at(12_000, 110))
    await clock.advance(1_000)
    assert.deepEqual(
      tickers.map(({ open }) => open),
      [undefined, 110],
    )
    await feed.close()
  })

  test('have the day so far and the last close from history', async () => {
    // The left edge of a daily bar is the midnight in New York; the day begins at 20:00 of the evening before.
    const past = [
      ...[barOf(16, 90), barOf(17, 95), barOf(18, 1)],
      { ...tradeAt(86_400_000 * 3 - 14 * 3_600_000, 1) },
      ...[tradeAt(86_400_000 * 3 + 1_000, 97), tradeAt(86_400_000 * 3 + 2_000, 99)],
    ]
    const start = OPEN + 86_400_000 * 3 + 3_600_000
    const { clock, feed, send, asked } = pastFeed(() => past, { start })
    const tickers: Ticker[] = []
    feed.tickers('SPY', ticker => tickers.push(ticker))
    await clock.advance(1)
    const live = { ...tradeAt(0, 98), timestamp: start, id: 77 }
    send(live)
    past.push(live)
    await clock.advance(3_000)
    assert.deepEqual(fields(tickers.at(-1)!), {
      ...{ last: 98, open: 97, high: 99, volume: 30, previousClose: 95, change: 3 },
    })
    assert.equal(tickers[0]!.open, undefined, 'before history has answered')
    const [question] = asked.filter(({ kind }) => kind === 'trade')
    assert.equal(question!.from, Date.UTC(2024, 0, 18, 1))
    await feed.close()
    assert.equal(clock.pending(), 0)
  })
})
