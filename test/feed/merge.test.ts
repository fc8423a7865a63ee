import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { TickwireError } from '../../src/base/errors.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { merge } from '../../src/feed/merge.ts'
import type { Provider } from '../../src/feed/provider.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import { createEvent, hasFlag, type MarketEvent, type Trade } from '../../src/market/events.ts'
import { replay } from '../../src/providers/replay/index.ts'
import { simulated } from '../../src/providers/simulated/index.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { mergedFeed } from './merge-kit.ts'
import { oblige, say, toyCapabilities, tradeOf } from './toy-venue.ts'

const T = Date.UTC(2024, 0, 15, 14, 30)
const print = (id: number, at = T + id, more: object = {}) => ({
  ...tradeOf('SPY', at),
  id,
  ...more,
})
const ids = (events: readonly MarketEvent[]) => events.map(event => (event as Trade).id)

describe('two legs', () => {
  test('deliver each event once, as soon as the first of them shows it, under one name', async () => {
    const { clock, nets, both, feed, events } = mergedFeed()
    const outcome = feed.subscribe({ trades: 'SPY' })
    await clock.advance(1)
    assert.equal((await outcome).accepted.length, 1)
    const [a, b] = nets.map(net => net.last)
    say(a!, { events: [print(1), print(2)] })
    assert.deepEqual(ids(events), [1, 2])
    say(b!, { events: [print(1), print(2), print(3)] })
    say(a!, { events: [print(3), print(4)] })
    say(a!, { events: [print(4)] })
    assert.deepEqual(ids(events), [1, 2, 3, 4])
    assert.deepEqual(new Set(events.map(({ source }) => source)), new Set(['toy']))
    const { legs, remembered, forgotten } = both.stats()
    assert.deepEqual([remembered, forgotten], [4, 0])
    assert.deepEqual(
      legs.map(({ first, second, repeated }) => [first, second, repeated]),
      [
        [3, 1, 1],
        [1, 2, 0],
      ],
    )
    assert.deepEqual(
      legs.map(({ title, isOpen, connects }) => [title, isOpen, connects]),
      [
        ['Toy A', true, 1],
        ['Toy B', true, 1],
      ],
    )
    await feed.close()
    assert.deepEqual(
      nets.map(net => net.live),
      [0, 0],
    )
    // Known once it is forgotten what each has shown.
    assert.deepEqual(
      both.stats().legs.map(({ alone }) => alone),
      [1, 0],
    )
  })

  test('deliver every form of a bar, also one that was there before', async () => {
    const kinds = ['trade', 'bar'] as const
    const capabilities = { kinds, barIntervals: ['1m'] } as const
    const { clock, nets, feed } = mergedFeed([{ capabilities }, { capabilities }])
    const bars: string[] = []
    feed.bars('SPY', ({ volume, vwap, revision }) => bars.push(`${volume} ${vwap} ${revision}`))
    await clock.advance(1)
    const bar = (volume: number, vwap: number, revision: number) => ({
      ...{ type: 'bar', symbol: 'SPY', timestamp: T, interval: '1m', volume, vwap, revision },
      ...{ open: 1, high: 2, low: 1, close: 2, tradeCount: 3, final: true },
    })
    // A late print, which is canceled; then one that changes the mean alone.
    const forms = [bar(100, 1.5, 0), bar(200, 1.5, 1), bar(100, 1.5, 1), bar(100, 1.6, 1)]
    // Venues do not count revisions: it may go back under the same one.
    forms.push(bar(200, 1.5, 1), bar(100, 1.6, 1))
    for (const [i, form] of forms.entries()) {
      say(nets[i % 2]!.last, { events: [form] })
      say(nets[(i + 1) % 2]!.last, { events: [form] })
    }
    await clock.advance(1)
    const rest = ['100 1.5 1', '100 1.6 1', '200 1.5 1', '100 1.6 1']
    assert.deepEqual(bars, ['100 1.5 0', '200 1.5 1', ...rest])
    await feed.close()
  })

  test('tell what comes behind a later event of its symbol and kind', async () => {
    const { clock, nets, both, feed, events } = mergedFeed()
    feed.trades(['SPY', 'TSLA'], () => {})
    await clock.advance(1)
    say(nets[0]!.last, { events: [print(5)] })
    say(nets[1]!.last, { events: [print(4), { ...tradeOf('TSLA', T), id: 9 }, print(6)] })
    assert.deepEqual(
      events.map(event => hasFlag(event, 'late')),
      [false, true, false, false],
    )
    assert.deepEqual(
      both.stats().legs.map(({ outOfOrder }) => outOfOrder),
      [0, 1],
    )
    await feed.close()
  })

  test('forget what they have shown, in bounds of time and number', async () => {
    const { clock, nets, both, feed, events } = mergedFeed([{}, {}], {
      rememberMs: 1_000,
      rememberEvents: 3,
    })
    feed.trades('SPY', () => {})
    await clock.advance(1)
    const [a, b] = nets.map(net => net.last)
    say(a!, { events: [1, 2, 3, 4, 5].map(id => print(id)) })
    assert.deepEqual([both.stats().remembered, both.stats().forgotten], [3, 2])
    await clock.advance(1_001)
    say(b!, { events: [print(6)] })
    assert.deepEqual([both.stats().remembered, both.stats().forgotten], [1, 2])
    assert.equal(events.length, 6)
    await feed.close()
  })
})

/** History that has everything the market did, and notes what it was asked. */
function archive(market: readonly object[]) {
  const asked: HistoryRequest[] = []
  const history: Provider['history'] = async function* (request) {
    asked.push(request)
    yield market
      .map(fields => createEvent({ ...(fields as Trade), source: request.source! }) as MarketEvent)
      .filter(event => event.type === request.kind)
      .filter(({ timestamp }) => timestamp >= request.from && timestamp <= request.to)
  }
  const leg = { capabilities: { history: true }, provider: { history } }
  return { asked, leg }
}

describe('a leg that is lost', () => {
  test('leaves no hole while the other goes on, and comes back by itself', async () => {
    const { asked, leg } = archive([])
    const { clock, nets, feed, events, notices, told } = mergedFeed([leg, {}])
    feed.trades('SPY', () => {})
    await clock.advance(1)
    const [a, b] = nets.map(net => net.last)
    say(a!, { events: [print(1)] })
    say(b!, { events: [print(1)] })
    a!.end()
    say(b!, { events: [print(2)] })
    assert.equal(feed.state, 'open')
    await clock.advance(5_000)
    assert.equal(nets[0]!.sockets.length, 2)
    say(b!, { events: [print(3)] })
    b!.end()
    say(nets[0]!.last, { events: [print(4)] })
    await clock.advance(5_000)
    assert.deepEqual(ids(events), [1, 2, 3, 4])
    assert.deepEqual([asked, told()], [[], []])
    const lines = notices.filter(({ notice }) => notice === 'disconnected')
    assert.match(lines[0]!.message, /^leg 1 \(Toy A\): .*next attempt in/)
    assert.match(lines[1]!.message, /^leg 2 \(Toy B\): /)
    assert.equal(lines.length, 2)
    await feed.close()
  })

  test('leaves a hole when the other is lost too, which is filled from history', async () => {
    const { asked, leg } = archive([1, 2, 3, 4].map(id => print(id, T + id * 1_000)))
    // The second leg has it; the first has none.
    const { clock, nets, feed, events, told } = mergedFeed([{}, leg])
    feed.trades('SPY', () => {})
    await clock.advance(1_000)
    say(nets[0]!.last, { events: [print(1, T + 1_000)] })
    nets[0]!.last.end()
    nets[1]!.last.end()
    await clock.advance(0)
    assert.equal(feed.state, 'waiting')
    await clock.advance(3_000)
    assert.equal(feed.state, 'open')
    say(nets[1]!.last, { events: [print(4, T + 4_000)] })
    await clock.advance(5_000)
    assert.deepEqual(ids(events), [1, 2, 3, 4])
    assert.deepEqual(told(), ['gap', 'repaired'])
    assert.ok(asked.every(({ source }) => source === 'toy'))
    await feed.close()
  })

  const onlyTrades = { capabilities: { kinds: ['trade'] as const } }

  test('leaves a hole in what it alone carried, also while the other stays', async () => {
    const { asked, leg } = archive([1, 2, 3].map(id => print(id, T + id * 1_000)))
    const refusing = {
      script: (socket: Parameters<typeof oblige>[0]) => {
        oblige(socket)
        const answer = socket.onSent!
        socket.onSent = frame => {
          if (String(frame).includes('SPY')) say(socket, { error: 3 })
          else answer(frame)
        }
      },
    }
    const { clock, nets, feed, events, told } = mergedFeed([leg, refusing])
    const outcome = feed.subscribe({ trades: ['SPY'] })
    feed.trades('TSLA', () => {})
    await clock.advance(1_000)
    assert.equal((await outcome).accepted.length, 1)
    say(nets[0]!.last, { events: [print(1, T + 1_000)] })
    nets[0]!.last.end()
    await clock.advance(2_000)
    assert.deepEqual([feed.state, nets[1]!.sockets.length], ['open', 1])
    say(nets[0]!.last, { events: [print(3, T + 3_000)] })
    await clock.advance(5_000)
    assert.deepEqual(ids(events), [1, 2, 3])
    assert.deepEqual(told(), ['gap', 'repaired'])
    assert.ok(asked.every(({ symbols }) => symbols.join() === 'SPY'))
    await feed.close()
  })

  test('says so where there is no history of it', async () => {
    const { clock, nets, feed, told, notices } = mergedFeed([{}, onlyTrades])
    feed.trades('SPY', () => {})
    feed.quotes('SPY', () => {})
    await clock.advance(1)
    nets[0]!.last.end()
    await clock.advance(5_000)
    assert.deepEqual(told(), ['unrepaired'])
    const { message, kind } = notices.find(({ notice }) => notice === 'unrepaired')!
    assert.equal(kind, 'quote')
    assert.match(message, /no leg carried it/)
    await feed.close()
  })

  test('says so of a kind that the history of no leg has, though it streams it', async () => {
    const { asked, leg } = archive([])
    const some = { ...leg, capabilities: { history: ['trade'] as const } }
    const { both, clock, nets, feed, told, notices } = mergedFeed([some, onlyTrades])
    assert.deepEqual(both.capabilities.history, ['trade'])
    feed.trades('SPY', () => {})
    feed.quotes('SPY', () => {})
    await clock.advance(1)
    nets[0]!.last.end()
    await clock.advance(5_000)
    assert.deepEqual([told(), asked], [['unrepaired'], []])
    assert.equal(notices.find(({ notice }) => notice === 'unrepaired')!.kind, 'quote')
    const request = { kind: 'quote', symbols: ['SPY'], from: 0, to: T * 2 } as const
    const quotes = both.history!(request)
    const first = async () => (await quotes[Symbol.asyncIterator]().next()).done
    await assert.rejects(first, { code: 'UNSUPPORTED' })
    await feed.close()
  })

  test('was dead before that was noticed: the other must have carried since', async () => {
    const { asked, leg } = archive([1, 2, 3].map(id => print(id, T + id * 1_000)))
    const { clock, nets, feed, events, told } = mergedFeed([leg, {}])
    feed.trades('SPY', () => {})
    await clock.advance(1_000)
    say(nets[0]!.last, { events: [print(1, T + 1_000)] })
    nets[1]!.last.end()
    await clock.advance(2_000)
    // The first has been mute all the while; the second is back, and missed a trade.
    say(nets[1]!.last, { events: [print(3, T + 3_000)] })
    nets[0]!.last.end()
    await clock.advance(45_000)
    assert.deepEqual(ids(events), [1, 3, 2])
    assert.deepEqual(told(), ['gap', 'repaired'])
    assert.equal(asked[0]!.kind, 'trade')
    await feed.close()
  })
})

// Every 200 ms the market trades; at random moments a leg is cut off, some of them having been mute for a while, and is
// back when its backoff lets it.
const anyCuts = fc.array(
  fc.record({
    leg: fc.constantFrom(0, 1),
    at: fc.integer({ min: 0, max: 20_000 }),
    mute: fc.constantFrom(0, 0, 1_000, 3_000),
  }),
  { maxLength: 12 },
)

test('whatever is cut off and when, every trade is delivered once', async () => {
  await fc.assert(
    fc.asyncProperty(anyCuts, async cuts => {
      const market: ReturnType<typeof print>[] = []
      const { leg } = archive(market)
      const { clock, nets, feed, events } = mergedFeed([leg, leg], { backoff: { firstMs: 4_000 } })
      feed.trades('SPY', () => {})
      await clock.advance(1)
      for (let now = 0; now <= 25_000; now += 200) {
        for (const cut of cuts) {
          if (cut.at >= now && cut.at < now + 200) nets[cut.leg]!.last.end()
        }
        await clock.advance(100)
        market.push(print(market.length + 1, clock.now()))
        nets.forEach((net, leg) => {
          const carries = net.last.sent.some(frame => String(frame).includes('SPY'))
          const isMute = cuts.some(
            cut => cut.leg === leg && now <= cut.at && now > cut.at - cut.mute,
          )
          if (carries && !isMute) say(net.last, { events: [market.at(-1)!] })
        })
        await clock.advance(100)
      }
      await clock.advance(60_000)
      const given = ids(events).map(Number)
      assert.deepEqual([...new Set(given)].length, given.length, 'none comes twice')
      assert.deepEqual(
        given.sort((x, y) => x - y),
        market.map(({ id }) => id),
      )
      await feed.close()
      assert.equal(clock.pending(), 0)
    }),
    { numRuns: 100 },
  )
})

describe('what the venues answer', () => {
  const refuse = (code: number) => (socket: Parameters<typeof oblige>[0]) => {
    oblige(socket)
    const answer = socket.onSent!
    socket.onSent = frame =>
      String(frame).includes('login') ? answer(frame) : say(socket, { error: code })
  }

  test('a topic is accepted when one leg carries it', async () => {
    const { clock, feed } = mergedFeed([{ script: refuse(3) }, {}])
    const outcome = feed.subscribe({ trades: 'SPY' })
    await clock.advance(1)
    const { accepted, rejected } = await outcome
    assert.deepEqual([accepted.length, rejected.length], [1, 0])
    await feed.close()
  })

  test('and rejected when every leg refuses it, with a reason', async () => {
    const { clock, feed } = mergedFeed([{ script: refuse(3) }, { script: refuse(3) }])
    const outcome = feed.subscribe({ trades: 'SPY' })
    await clock.advance(1)
    const { accepted, rejected } = await outcome
    assert.deepEqual([accepted.length, rejected[0]?.reason.code], [0, 'SYMBOL_LIMIT'])
    await feed.close()
  })

  test('what is no longer wanted is let go by both', async () => {
    const { clock, nets, feed } = mergedFeed()
    const first = feed.trades(['SPY', 'TSLA'], () => {})
    feed.trades('TSLA', () => {})
    await clock.advance(1)
    first.close()
    await clock.advance(1)
    for (const net of nets) assert.equal(net.last.sent.at(-1), '{"drop":["trade/SPY"]}')
    await feed.close()
  })

  const wrongKey = (socket: Parameters<typeof oblige>[0]) => {
    socket.onSent = () => say(socket, { error: 1 })
    socket.open()
    say(socket, { hello: true })
  }

  test('a leg with a wrong key stays out, and is not tried again', async () => {
    const { clock, nets, both, feed, events, notices } = mergedFeed([{ script: wrongKey }, {}])
    feed.trades('SPY', () => {})
    await clock.advance(1)
    nets[1]!.last.end()
    await clock.advance(60_000)
    say(nets[1]!.last, { events: [print(1)] })
    assert.deepEqual(ids(events), [1])
    assert.deepEqual(
      nets.map(net => net.sockets.length),
      [1, 2],
    )
    assert.match(both.stats().legs[0]!.over!, /toy error/)
    assert.ok(notices.some(({ message, code }) => /^leg 1/.test(message) && code === 'AUTH_FAILED'))
    await feed.close()
  })

  test('the feed ends when every leg has a wrong key', async () => {
    const { clock, feed } = mergedFeed([{ script: wrongKey }, { script: wrongKey }])
    feed.trades('SPY', () => {})
    const ended = assert.rejects(feed.done, { code: 'AUTH_FAILED' })
    await clock.advance(1)
    await ended
  })

  test('venues that cannot be reached are tried ever more rarely, and the feed says why', async () => {
    const down = { script: (socket: Parameters<typeof oblige>[0]) => socket.end() }
    const { clock, nets, feed, notices } = mergedFeed([down, down])
    feed.trades('SPY', () => {})
    await clock.advance(120_000)
    for (const net of nets) {
      assert.ok(net.sockets.length > 3 && net.sockets.length < 15, `${net.sockets.length} attempts`)
    }
    assert.equal(feed.state, 'connecting')
    assert.ok(notices.every(({ message }) => /^leg [12] /.test(message)))
    await feed.close()
    assert.equal(clock.pending(), 0)
  })

  test('venues that let in and throw out again are tried ever more rarely', async () => {
    const flapping = {
      script: (socket: Parameters<typeof oblige>[0]) => {
        socket.onSent = () => {
          say(socket, { in: true })
          queueMicrotask(() => socket.end())
        }
        socket.open()
        say(socket, { hello: true })
      },
    }
    const { clock, nets, feed } = mergedFeed([flapping, flapping])
    feed.trades('SPY', () => {})
    await clock.advance(120_000)
    for (const net of nets) {
      assert.ok(net.sockets.length > 3 && net.sockets.length < 30, `${net.sockets.length} attempts`)
    }
    await feed.close()
  })

  test('a frame that one leg cannot read is counted, and no hole while the other brings the data', async () => {
    const { asked, leg } = archive([])
    const { clock, nets, both, feed, told } = mergedFeed([leg, {}])
    feed.trades('SPY', () => {})
    await clock.advance(1)
    nets[0]!.last.send('{')
    await clock.advance(20_000)
    assert.deepEqual([both.stats().legs[0]!.malformed, feed.stats().malformed], [1, 0])
    assert.deepEqual([asked, told()], [[], []])
    nets[1]!.last.end()
    await clock.advance(0)
    nets[0]!.last.send('{')
    await clock.advance(0)
    assert.equal(feed.stats().malformed, 1)
    await feed.close()
  })

  test('closing while it connects leaves nothing behind', async () => {
    const { clock, nets, feed } = mergedFeed([{ script: () => {} }, { script: () => {} }])
    feed.trades('SPY', () => {})
    await clock.advance(1)
    const closed = feed.close()
    await clock.advance(1)
    await closed
    assert.deepEqual([nets.map(net => net.live), clock.pending()], [[0, 0], 0])
  })
})

describe('what legs are and have', () => {
  test('something is to be expected whenever one of them trades', () => {
    const of = (...legs: object[]) =>
      mergedFeed(legs.map(capabilities => ({ capabilities }))).feed.capabilities.sessions
    assert.equal(of({}, {}), undefined)
    assert.deepEqual(of({ sessions: ['overnight'] }, { sessions: ['overnight'] }), ['overnight'])
    const all = ['overnight', 'pre', 'regular', 'post']
    assert.deepEqual(of({ sessions: ['overnight'] }, {}), all)
  })

  test('each carries what it can; the whole has what one of them has, less books', async () => {
    const { clock, nets, feed } = mergedFeed([
      { capabilities: { kinds: ['trade', 'book'], wildcard: [] } },
      { capabilities: { kinds: ['trade', 'quote'], wildcard: ['trade'] } },
    ])
    assert.deepEqual(feed.capabilities.kinds, ['trade', 'quote'])
    assert.equal(feed.capabilities.title, 'Toy A + Toy B')
    assert.throws(() => feed.books('SPY', () => {}), { code: 'UNSUPPORTED' })
    feed.trades(['SPY', '*'], () => {})
    feed.quotes('SPY', () => {})
    await clock.advance(1)
    assert.deepEqual(
      nets.map(net => net.last.sent.at(-1)),
      ['{"add":["trade/SPY"]}', '{"add":["trade/SPY","trade/*","quote/SPY"]}'],
    )
    await feed.close()
  })

  test('history and latest come from the first leg that answers', async () => {
    const broken = (): never => {
      throw new TickwireError('UNREACHABLE', 'no network')
    }
    const { leg } = archive([print(1), print(2)])
    const { both, feed } = mergedFeed([
      {
        provider: {
          // biome-ignore lint/correctness/useYield: it fails before.
          history: async function* () {
            broken()
          },
          latest: async () => broken(),
        },
      },
      {
        ...leg,
        provider: {
          ...leg.provider,
          latest: async ({ source }) => [
            createEvent({ ...print(2), type: 'trade', source: source! }),
          ],
        },
      },
    ])
    const answer: MarketEvent[] = []
    const request = { kind: 'trade', symbols: ['SPY'], from: 0, to: T * 2 } as const
    for await (const batch of both.history!(request)) answer.push(...batch)
    assert.deepEqual(ids(answer), [1, 2])
    assert.equal(answer[0]!.source, 'toy')
    assert.deepEqual(ids(await both.latest!(request)), [2])
    const quotes = both.history!({ ...request, kind: 'luld' })
    await assert.rejects(async () => (await quotes[Symbol.asyncIterator]().next()).done, {
      code: 'UNSUPPORTED',
    })
    await feed.close()
  })

  test('an answer that breaks off is not patched with another one', async () => {
    const { leg } = archive([print(1), print(2)])
    const { both, feed } = mergedFeed([
      {
        provider: {
          history: async function* () {
            yield [createEvent({ ...print(1), type: 'trade', source: 'toy' })]
            throw new TickwireError('CONNECTION_LOST', 'half way')
          },
        },
      },
      leg,
    ])
    const read = async () => {
      const request = { kind: 'trade', symbols: ['SPY'], from: 0, to: T * 2 } as const
      for await (const _ of both.history!(request));
    }
    await assert.rejects(read, { code: 'CONNECTION_LOST' })
    await feed.close()
  })

  const toy: Provider = {
    id: 'toy',
    capabilities: toyCapabilities,
    symbol: text => text,
    connect: () => assert.fail('nothing is connected'),
  }
  for (const [what, make] of [
    ['no sources', () => merge([])],
    ['what is no list', () => merge(toy as never)],
    ['invented prices beside others', () => merge([toy, simulated()])],
    ['a recording', () => merge([replay({ tape: memoryTape() })])],
    ['an unknown order', () => merge([toy], { order: 'venue' as 'time' })],
    ['a window of 0', () => merge([toy], { order: 'time', windowMs: 0 })],
    ['a memory of NaN', () => merge([toy], { rememberMs: Number.NaN })],
    ['a memory without end', () => merge([toy], { rememberEvents: Number.POSITIVE_INFINITY })],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.throws(make, { code: 'BAD_OPTION' })
    })
  }

  test('what no leg knows as a symbol is refused for the reason of the first', () => {
    const { both } = mergedFeed()
    assert.throws(() => both.symbol('S P Y'), { code: 'BAD_SYMBOL' })
    assert.equal(both.symbol('spy'), 'SPY')
  })
})

interface Shown {
  readonly at: number
  readonly event: ReturnType<typeof tradeOf> & { readonly id?: number }
}

// A market of trades with ids and of quotes without, some of them alike; each leg shows it late, with gaps and repeats.
const anyMarket = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 500 }),
    symbol: fc.constantFrom('SPY', 'TSLA'),
    quote: fc.boolean(),
    legs: fc.tuple(
      ...[0, 1].map(() =>
        fc.record({
          delay: fc.integer({ min: 0, max: 300 }),
          times: fc.constantFrom(1, 1, 1, 1, 0, 2),
        }),
      ),
    ),
  }),
  { maxLength: 60 },
)

function schedule(market: ReturnType<typeof anyMarket.generate>['value'], leg: 0 | 1): Shown[] {
  return market
    .flatMap(({ at, symbol, quote, legs }, id) => {
      const { delay, times } = legs[leg]!
      const trade = { ...tradeOf(symbol, T + at), id }
      const event = quote ? { type: 'quote', symbol, timestamp: T + at, bid: 1, ask: 2 } : trade
      return Array.from({ length: times }, (_, i) => ({ at: at + delay + i, event }) as Shown)
    })
    .sort((a, b) => a.at - b.at)
}

const keyOf = ({ type, symbol, timestamp, ...rest }: { type: string } & Record<string, unknown>) =>
  `${type} ${symbol} ${timestamp} ${rest.id ?? ''}`

function countsOf(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

/** Each trade once if any leg shows it, each quote as often as the leg that shows it most often. */
function expected(shown: readonly (readonly Shown[])[]): Map<string, number> {
  const union = new Map<string, number>()
  for (const leg of shown) {
    for (const [key, count] of countsOf(leg.map(({ event }) => keyOf({ ...event })))) {
      const once = key.startsWith('trade') ? 1 : count
      union.set(key, Math.max(once, union.get(key) ?? 0))
    }
  }
  return union
}

const sorted = (counts: Map<string, number>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1))

describe('legs with random delays, losses and repeats', () => {
  test('give exactly the union, each event once', async () => {
    await fc.assert(
      fc.asyncProperty(anyMarket, async market => {
        const { clock, nets, both, feed, events } = mergedFeed([{}, {}], {}, { duplicates: true })
        feed.trades(['SPY', 'TSLA'], () => {})
        feed.quotes(['SPY', 'TSLA'], () => {})
        await clock.advance(1)
        const shown = [schedule(market, 0), schedule(market, 1)]
        await play(clock, nets, shown)
        const given = countsOf(events.map(event => keyOf({ ...event })))
        assert.deepEqual(sorted(given), sorted(expected(shown)))
        // Marked is exactly what comes behind something later of its symbol and kind.
        events.forEach((event, i) => {
          const newer = events
            .slice(0, i)
            .some(
              other =>
                other.type === event.type &&
                other.symbol === event.symbol &&
                other.timestamp > event.timestamp,
            )
          assert.equal(hasFlag(event, 'late'), newer)
        })
        await feed.close()
        const { legs } = both.stats()
        for (const [i, leg] of legs.entries()) {
          assert.equal(leg.first + leg.second + leg.repeated, shown[i]!.length)
        }
        const sum = (what: 'first' | 'outOfOrder' | 'alone') =>
          legs.reduce((total, leg) => total + leg[what], 0)
        assert.equal(sum('first'), events.length)
        assert.equal(sum('outOfOrder'), events.filter(event => hasFlag(event, 'late')).length)
        assert.equal(sum('alone'), aloneIn(shown))
      }),
      { numRuns: 60 },
    )
  })

  test('in order of time, nothing that is at most the window late is out of order', async () => {
    await fc.assert(
      fc.asyncProperty(anyMarket, async market => {
        const options = { order: 'time', windowMs: 100 } as const
        const { clock, nets, both, feed, events } = mergedFeed([{}, {}], options, {
          duplicates: true,
        })
        feed.trades(['SPY', 'TSLA'], () => {})
        feed.quotes(['SPY', 'TSLA'], () => {})
        await clock.advance(1)
        const shown = [schedule(market, 0), schedule(market, 1)]
        await play(clock, nets, shown)
        await clock.advance(100)
        assert.equal(both.stats().held, 0)
        const given = countsOf(events.map(event => keyOf({ ...event })))
        assert.deepEqual(sorted(given), sorted(expected(shown)))
        for (const symbol of ['SPY', 'TSLA']) {
          const list = events.filter(event => event.symbol === symbol && !hasFlag(event, 'late'))
          const times = list.map(({ timestamp }) => timestamp)
          assert.deepEqual(
            times,
            [...times].sort((a, b) => a - b),
          )
        }
        // Whatever is marked came more than the window behind something later.
        for (const event of events.filter(one => hasFlag(one, 'late'))) {
          const earlier = events.some(
            other =>
              other.symbol === event.symbol &&
              other.timestamp > event.timestamp &&
              other.receivedAt + 100 <= event.receivedAt,
          )
          assert.ok(earlier, 'marked, though it came within the window')
        }
        await feed.close()
      }),
      { numRuns: 60 },
    )
  })
})

/** Sends everything at its time. */
async function play(
  clock: ReturnType<typeof mergedFeed>['clock'],
  nets: ReturnType<typeof mergedFeed>['nets'],
  shown: readonly (readonly Shown[])[],
): Promise<void> {
  const all = shown
    .flatMap((list, leg) => list.map(one => ({ ...one, leg })))
    .sort((a, b) => a.at - b.at)
  const start = clock.now()
  for (const { at, event, leg } of all) {
    if (start + at > clock.now()) await clock.advance(start + at - clock.now())
    say(nets[leg]!.last, { events: [event] })
  }
}

/** How many of the delivered only one leg has shown. */
function aloneIn(shown: readonly (readonly Shown[])[]): number {
  const [a, b] = shown.map(list => countsOf(list.map(({ event }) => keyOf({ ...event }))))
  let alone = 0
  for (const [key, count] of expected(shown)) {
    const [x, y] = [a!.get(key) ?? 0, b!.get(key) ?? 0]
    alone += Math.max(0, Math.min(x, count) - y) + Math.max(0, Math.min(y, count) - x)
  }
  return alone
}

describe('in order of time', () => {
  test('what waits is delivered when its window is over, and at the end', async () => {
    const options = { order: 'time', windowMs: 50 } as const
    const { clock, nets, both, feed, events } = mergedFeed([{}, {}], options)
    feed.trades('SPY', () => {})
    feed.bars('SPY', () => {})
    await clock.advance(1)
    say(nets[0]!.last, { events: [print(3)] })
    await clock.advance(30)
    say(nets[1]!.last, { events: [print(1), print(2), print(4)] })
    const bar = { type: 'bar', symbol: 'SPY', timestamp: T, interval: '1m', final: true }
    const prices = { open: 1, high: 1, low: 1, close: 1, volume: 1, revision: 0 }
    say(nets[1]!.last, { events: [{ ...bar, ...prices }] })
    assert.deepEqual([events.map(({ type }) => type), both.stats().held], [['bar'], 4])
    await clock.advance(20)
    assert.deepEqual(ids(events.slice(1)), [1, 2, 3])
    say(nets[1]!.last, { events: [print(0, T + 2)] })
    assert.deepEqual([ids(events.slice(4)), hasFlag(events[4]!, 'late')], [[0], true])
    // The end of the connection holds nothing back.
    for (const net of nets) net.last.end()
    await clock.advance(1)
    assert.deepEqual(ids(events.slice(5)), [4])
    assert.equal(both.stats().legs[1]!.outOfOrder, 1)
    await feed.close()
    assert.equal(clock.pending(), 0)
  })

  test('a single source can be put in order as well', async () => {
    const { clock, nets, feed, events } = mergedFeed([{}], { order: 'time', windowMs: 10 })
    feed.trades('SPY', () => {})
    await clock.advance(1)
    say(nets[0]!.last, { events: [print(2), print(1)] })
    await clock.advance(10)
    assert.deepEqual(ids(events), [1, 2])
    await feed.close()
  })
})

test('a feed on a merged provider is a feed like any other', () => {
  const { both } = mergedFeed()
  const feed = openFeed(both, { source: 'sip', leases: false })
  assert.equal(feed.source, 'sip')
})
