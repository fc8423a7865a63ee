import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '../../src/base/clock.ts'
import { Health } from '../../src/feed/health.ts'
import { Lag } from '../../src/feed/lag.ts'
import { Recent } from '../../src/feed/recent.ts'
import type { Watched } from '../../src/feed/watched.ts'
import type { SessionName } from '../../src/market/calendar.ts'
import {
  createEvent,
  type EventFields,
  type EventType,
  Flag,
  type MarketEvent,
} from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'

/** Monday, 10:00 in New York. */
const MONDAY_10 = Date.UTC(2025, 5, 2, 14)
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

interface Options {
  readonly at?: number
  /** Of each connection. */
  readonly symbols?: readonly string[] | readonly (readonly string[])[]
  readonly kind?: EventType
  readonly isMarket?: boolean
  readonly sessions?: readonly SessionName[] | undefined
  /** Time of what the venue says it has last; absent: it cannot be asked. */
  readonly latest?: ((symbol: string) => number | undefined | Promise<number>) | undefined
  readonly isSound?: (event: MarketEvent) => boolean
}

/** One connection each, of which the only one is written as a plain list of its symbols. */
function setUp({
  at = MONDAY_10,
  symbols = ['SPY'],
  kind = 'trade',
  isMarket = true,
  sessions,
  latest,
  isSound = () => true,
}: Options = {}) {
  const clock = handClock(at)
  const lag = new Lag()
  const recent = new Recent({ lag })
  const notices: string[] = []
  const messages: string[] = []
  const reopened: number[] = []
  const asked: string[] = []
  const held = new Set<string>()
  const lists = typeof symbols[0] === 'string' ? [symbols as string[]] : (symbols as string[][])
  const times: number[][] = lists.map(() => [])
  const connections = lists.map((list, place) => {
    const connection = {
      id: {},
      opened: 1,
      topics: list.map((symbol): Topic => ({ source: 'alpaca', kind, symbol })),
      isOpen: true,
      reopen: () => {
        connection.opened++
        reopened.push(clock.now() - at)
        times[place]!.push(clock.now() - at)
      },
    }
    return connection
  })
  const trade = (symbol: string, timestamp: number): MarketEvent =>
    createEvent({
      ...{ type: 'trade', source: 'alpaca', price: 1, size: 1 },
      ...{ symbol, timestamp, receivedAt: clock.now() },
    })
  const health = new Health({
    ...{ source: 'alpaca', clock, recent, lag, isMarket, sessions, isSound },
    connections: () => connections.map(one => ({ ...one }) satisfies Watched),
    latest:
      latest &&
      (async (_kind, symbol) => {
        asked.push(symbol)
        const time = await latest(symbol)
        return time === undefined ? undefined : trade(symbol, time)
      }),
    isHolding: ({ symbol }) => held.has(symbol),
    notice: (name, message) => {
      notices.push(name)
      messages.push(message)
    },
  })
  health.start()
  return {
    ...{ clock, health, recent, lag, notices, messages, reopened, held },
    asked: () => asked.length,
    reopenedOf: (place: number) => times[place]!,
    /** One that has come just now. */
    trade: (symbol: string) => recent.add([trade(symbol, clock.now() - 5)]),
    askedOf: (symbol: string) => asked.filter(one => one === symbol).length,
    /** Events that have come just now. */
    take: (...events: EventFields[]) =>
      recent.add(events.map(one => createEvent({ receivedAt: clock.now(), ...one }))),
    /** A trade of each of these, each `everyMs`, for so long. */
    async run(forMs: number, everyMs: number, names: string = lists[0]![0]!, lateMs = 5) {
      for (let t = 0; t < forMs; t += everyMs) {
        await clock.advance(everyMs)
        recent.add(names.split(' ').map(symbol => trade(symbol, clock.now() - lateMs)))
      }
    },
    /** Each connection is lost, and there again. */
    lose() {
      for (const connection of connections) connection.opened++
    },
    /** Nothing, for so long. */
    silence: (ms: number) => clock.advance(ms),
  }
}

test('a mute connection at 10:00 is found within 10 s for a symbol that trades each second', async () => {
  const kit = setUp({ latest: () => Date.now() * 2 })
  await kit.run(MINUTE, SECOND)
  assert.equal(kit.health.report().state, 'live')
  await kit.silence(9 * SECOND)
  assert.equal(kit.reopened.length, 1)
  assert.deepEqual(kit.notices, ['stale'])
  assert.equal(kit.health.report('SPY').state, 'stale')
})

for (const latencyMs of [0, 20, 60, 120, 250, 500]) {
  test(`and so it is where the venue takes ${latencyMs} ms to answer, whenever in a second it falls silent`, async () => {
    for (const phase of [0, 130, 250, 500, 750, 900, 999]) {
      const latest = async () => {
        await sleep(kit.clock, latencyMs)
        return kit.clock.now()
      }
      const kit = setUp({ latest })
      await kit.silence(phase)
      await kit.run(MINUTE, SECOND)
      const last = kit.clock.now() - MONDAY_10
      await kit.silence(20 * SECOND)
      const after = kit.reopened[0]! - last
      assert.ok(after > 8_000 && after < 10_000, `${after} ms after the last, phase ${phase}`)
    }
  })
}

for (const latencyMs of [20, 120, 250, 500]) {
  test(`two connections that fall mute together are both found in time, each ${latencyMs} ms after it is asked about`, async () => {
    for (const apart of [0, 100, 300, 500, 700, 900]) {
      for (const phase of [0, 130, 250, 500, 750, 900]) {
        const latest = async () => {
          await sleep(kit.clock, latencyMs)
          return kit.clock.now()
        }
        const kit = setUp({ symbols: [['A'], ['B']], latest })
        await kit.silence(phase)
        const last: number[] = []
        for (let i = 0; i < 60; i++) {
          for (const [at, [name, ms]] of [
            ['A', apart] as const,
            ['B', SECOND - apart] as const,
          ].entries()) {
            last[at] = kit.clock.now() - MONDAY_10
            kit.trade(name)
            await kit.silence(ms)
          }
        }
        await kit.silence(20 * SECOND)
        for (const at of [0, 1]) {
          const after = kit.reopenedOf(at)[0]! - last[at]!
          assert.ok(
            after > 8_000 && after < 10_000,
            `${after} ms after the last, ${apart} ms apart, ${phase}`,
          )
        }
      }
    }
  })
}

test('a venue that has nothing newer is left in peace: it is quiet', async () => {
  let last = 0
  const kit = setUp({ latest: () => last })
  await kit.run(MINUTE, SECOND)
  last = kit.clock.now() - 5
  await kit.silence(10 * MINUTE)
  assert.deepEqual([kit.reopened, kit.notices], [[], ['quiet']])
  assert.ok(kit.asked() > 5 && kit.asked() < 20, `asked ${kit.asked()} times: ever more rarely`)
  await kit.run(3 * SECOND, SECOND)
  assert.deepEqual(kit.notices, ['quiet', 'live'])
  assert.equal(kit.health.report().state, 'live')
})

test('a thin symbol may be silent as long as it is used to', async () => {
  const kit = setUp({ latest: () => Number.MAX_SAFE_INTEGER })
  await kit.run(20 * MINUTE, 14 * SECOND)
  await kit.silence(100 * SECOND)
  assert.equal(kit.asked(), 0)
  assert.equal(kit.health.report('SPY').state, 'live')
})

test('a silent connection that carries nothing but a thin symbol beside a busy one is judged by the busy one', async () => {
  const kit = setUp({ symbols: ['SPY', 'THIN'], latest: () => Number.MAX_SAFE_INTEGER })
  await kit.run(MINUTE, SECOND, 'SPY')
  await kit.silence(10 * SECOND)
  assert.equal(kit.reopened.length, 1)
})

test('the venue is asked about what came last, not about what was busy once', async () => {
  const kit = setUp({ symbols: ['SPY', 'QQQ'], latest: () => 0 })
  await kit.run(MINUTE, SECOND / 4, 'QQQ')
  await kit.run(30 * SECOND, SECOND, 'SPY')
  const before = kit.askedOf('QQQ')
  await kit.silence(20 * SECOND)
  assert.ok(kit.askedOf('SPY') > 0)
  assert.equal(kit.askedOf('QQQ'), before)
})

for (const [what, at, forMs] of [
  ['a weekend', Date.UTC(2025, 5, 7, 0, 30), 40 * HOUR],
  ['a holiday', Date.UTC(2025, 6, 4, 14), 6 * HOUR],
  ['the evening of a half-day', Date.UTC(2025, 6, 3, 21, 30), 6 * HOUR],
] as const) {
  test(`${what} is no reason to ask, and none to replace a connection`, async () => {
    const kit = setUp({ at, latest: () => Number.MAX_SAFE_INTEGER })
    await kit.silence(forMs)
    assert.deepEqual([kit.asked(), kit.reopened, kit.notices], [0, [], ['quiet']])
    const { state, reason } = kit.health.report('SPY')
    assert.equal(state, 'quiet')
    assert.match(reason, /^US market closed/)
  })
}

test('events that come although the market is closed are missed when they stop: the calendar may be wrong', async () => {
  const saturday = Date.UTC(2025, 5, 7, 15)
  const kit = setUp({ at: saturday, latest: () => kit.clock.now() })
  await kit.run(MINUTE, SECOND / 10)
  assert.equal(kit.health.report('SPY').state, 'live')
  await kit.silence(10 * SECOND)
  assert.deepEqual([kit.reopened.length, kit.notices[0]], [1, 'stale'])
})

test('of what came in closed hours the venue is asked once, and then the calendar is believed', async () => {
  // The market closes in five seconds.
  const at = Date.UTC(2025, 5, 6, 23, 59, 55)
  const kit = setUp({ at, latest: () => 0 })
  await kit.run(6 * SECOND, SECOND)
  await kit.silence(HOUR)
  assert.equal(kit.asked(), 0, 'a last one behind the bell says nothing')
  await kit.run(30 * SECOND, SECOND)
  await kit.silence(12 * HOUR)
  assert.deepEqual([kit.asked(), kit.reopened], [1, []])
  assert.match(kit.health.report('SPY').reason, /^US market closed until Mon 09:30 New York/)
})

test('a lunch break is none either', async () => {
  // Hong Kong trades from 09:30 to 12:00 and from 13:00 to 16:00.
  const noon = Date.UTC(2025, 5, 3, 4, 1)
  const kit = setUp({ at: noon, symbols: ['HKEX:700'], latest: () => Number.MAX_SAFE_INTEGER })
  await kit.silence(50 * MINUTE)
  assert.deepEqual([kit.asked(), kit.reopened, kit.notices], [0, [], ['quiet']])
})

test('a market that never closes is asked at any hour', async () => {
  const kit = setUp({
    at: Date.UTC(2025, 5, 7, 3),
    symbols: ['BTC/USD'],
    latest: () => Number.MAX_SAFE_INTEGER,
  })
  await kit.run(MINUTE, SECOND)
  await kit.silence(10 * SECOND)
  assert.equal(kit.reopened.length, 1)
})

test('a connection that never says anything in an open market is found out too', async () => {
  const kit = setUp({ latest: () => Number.MAX_SAFE_INTEGER })
  await kit.silence(17 * SECOND)
  assert.equal(kit.reopened.length, 1)
})

test('what is held back behind a hole has come, and only that', async () => {
  const kit = setUp({ symbols: [['SPY'], ['QQQ']], latest: () => kit.clock.now() })
  await kit.run(MINUTE, SECOND, 'SPY QQQ')
  kit.held.add('QQQ')
  await kit.silence(20 * SECOND)
  assert.ok(kit.askedOf('SPY') > 0 && kit.reopened.length > 0, 'the hole is of another one')
  assert.equal(kit.askedOf('QQQ'), 0)
  kit.held.clear()
  await kit.silence(12 * SECOND)
  assert.ok(kit.askedOf('QQQ') > 0, 'and afterwards it is looked at again')
})

test('rare kinds are not missed', async () => {
  const kit = setUp({ kind: 'bar', latest: () => Number.MAX_SAFE_INTEGER })
  await kit.silence(HOUR)
  assert.deepEqual([kit.asked(), kit.notices], [0, []])
})

for (const [what, latest] of [
  ['has nothing to be asked', undefined],
  ['never answers', () => new Promise<never>(() => {})],
  [
    'refuses to be asked',
    () => {
      throw new Error('403')
    },
  ],
] as const) {
  test(`a busy connection that is silent for minutes is replaced where the venue ${what}, but not for ever`, async () => {
    const kit = setUp({ latest })
    await kit.run(MINUTE, SECOND)
    await kit.silence(2 * MINUTE)
    assert.deepEqual([kit.reopened, kit.notices], [[], ['quiet']])
    assert.match(kit.messages[0]!, /cannot be asked/)
    assert.match(kit.health.report().reason, /^nothing for 120 s: the venue cannot be asked/)
    await kit.silence(4 * MINUTE)
    assert.equal(kit.reopened.length, 1)
    assert.deepEqual(kit.notices.slice(0, 2), ['quiet', 'stale'])
    await kit.silence(6 * HOUR)
    assert.equal(kit.reopened.length, 3)
  })
}

test('a thin connection about which nobody can be asked is left alone', async () => {
  const kit = setUp()
  await kit.run(30 * MINUTE, MINUTE)
  await kit.silence(30 * MINUTE)
  assert.deepEqual([kit.reopened, kit.notices.at(-1)], [[], 'quiet'])
})

test('a recording is not judged: it may stand still', async () => {
  const kit = setUp({ isMarket: false })
  await kit.run(MINUTE, SECOND)
  await kit.silence(HOUR)
  assert.deepEqual([kit.reopened, kit.notices], [[], []])
})

test('an event that is never delivered has a connection replaced once', async () => {
  let last = 0
  const kit = setUp({ latest: () => last })
  await kit.run(MINUTE, SECOND)
  last = kit.clock.now() + 1
  await kit.silence(2 * HOUR)
  assert.equal(kit.reopened.length, 1)
  assert.deepEqual(kit.notices, ['stale', 'quiet'])
  assert.match(kit.health.report().reason, /nothing newer of SPY/)
  // The next one it has, and does not send, counts anew.
  last = kit.clock.now()
  await kit.silence(2 * MINUTE)
  assert.equal(kit.reopened.length, 2)
})

test('what was missed before a connection was opened is no fault of it', async () => {
  let last = 0
  const kit = setUp({ latest: () => last })
  await kit.run(MINUTE, SECOND)
  await kit.silence(3 * SECOND)
  last = kit.clock.now() - SECOND
  kit.lose()
  await kit.silence(10 * MINUTE)
  assert.deepEqual([kit.reopened, kit.notices], [[], ['quiet']])
})

test('what cannot be true is no reason to replace a connection', async () => {
  const kit = setUp({ latest: () => Number.MAX_SAFE_INTEGER, isSound: () => false })
  await kit.run(MINUTE, SECOND)
  await kit.silence(10 * MINUTE)
  assert.deepEqual([kit.reopened, kit.notices], [[], ['quiet']])
})

test('a venue that always has something newer and never sends it is tried ever more rarely', async () => {
  const kit = setUp({ latest: () => kit.clock.now() })
  await kit.run(MINUTE, SECOND)
  await kit.silence(4 * HOUR)
  const waits = kit.reopened.map((at, i) => at - (kit.reopened[i - 1] ?? at)).slice(1)
  assert.ok(kit.reopened.length > 15 && kit.reopened.length < 30, `${kit.reopened.length} times`)
  assert.ok(
    waits.every((wait, i) => wait >= (waits[i - 1] ?? 0) * 0.9),
    waits.join(' '),
  )
  // A calm half hour, and it is found at once again.
  await kit.run(40 * MINUTE, SECOND)
  const before = kit.reopened.length
  await kit.silence(10 * SECOND)
  assert.equal(kit.reopened.length, before + 1)
})

test('what comes while the venue is being asked, or shortly after, is heeded', async () => {
  const kit = setUp({ latest: () => kit.clock.now() })
  await kit.run(MINUTE, SECOND)
  await kit.silence(8 * SECOND)
  assert.equal(kit.asked(), 1)
  await kit.silence(SECOND / 2)
  await kit.run(1, 1)
  await kit.silence(5 * SECOND)
  assert.deepEqual([kit.reopened, kit.notices], [[], []])
})

test('what the venue has newer may be on its way', async () => {
  const latest = async () => {
    await sleep(kit.clock, 900)
    return kit.clock.now()
  }
  const kit = setUp({ latest })
  await kit.run(MINUTE, SECOND)
  await kit.silence(9_300)
  await kit.run(1, 1)
  await kit.silence(5 * SECOND)
  assert.equal(kit.asked(), 1)
  assert.deepEqual(kit.reopened, [])
})

test('the same event is no reason twice, though its time is ahead of our clock', async () => {
  const kit = setUp({ latest: () => MONDAY_10 + 10 * HOUR })
  await kit.silence(2 * HOUR)
  assert.equal(kit.reopened.length, 1)
})

test('a symbol whose market has closed is not missed beside one that never closes', async () => {
  // Two seconds before the end of after-hours.
  const at = Date.UTC(2025, 5, 2, 23, 58, 58)
  const kit = setUp({ at, symbols: ['BTC/USD', 'AAPL'], latest: () => kit.clock.now() })
  await kit.run(MINUTE, SECOND, 'BTC/USD AAPL')
  await kit.run(HOUR, SECOND, 'BTC/USD')
  assert.deepEqual([kit.asked(), kit.reopened], [0, []])
})

test('a symbol that comes back each time its connection is made anew is helped each time', async () => {
  const kit = setUp({ symbols: ['SPY', 'QQQ'], latest: () => kit.clock.now() })
  for (let times = 1; times <= 5; times++) {
    await kit.run(40 * MINUTE, SECOND, 'SPY QQQ')
    await kit.run(13 * SECOND, SECOND, 'SPY')
    assert.equal(kit.reopened.length, times)
  }
})

test('a symbol that falls silent beside a lively one is asked about by its own pace', async () => {
  const kit = setUp({ symbols: ['SPY', 'QQQ'], latest: () => kit.clock.now() })
  await kit.run(MINUTE, SECOND, 'SPY QQQ')
  await kit.run(30 * SECOND, SECOND, 'SPY')
  assert.equal(kit.askedOf('SPY'), 0)
  assert.equal(kit.reopened.length, 1)
  assert.match(kit.messages[0]!, /no trade of QQQ for \d+ s/)
  // It does not help, and is not done without end: SPY goes on.
  await kit.run(3 * HOUR, SECOND, 'SPY')
  assert.equal(kit.reopened.length, 3)
  assert.ok(kit.askedOf('QQQ') < 40, `asked ${kit.askedOf('QQQ')} times`)
  assert.equal(kit.health.report('QQQ').state, 'stale')
  assert.equal(kit.health.report('SPY').state, 'live')
  await kit.run(3 * SECOND, SECOND, 'SPY QQQ')
  assert.equal(kit.health.report('QQQ').state, 'live')
})

test('a symbol that is silent beside a lively one, and of which there is nothing newer, is let be', async () => {
  const kit = setUp({ symbols: ['SPY', 'QQQ'], latest: () => 0 })
  await kit.run(MINUTE, SECOND, 'SPY QQQ')
  await kit.run(HOUR, SECOND, 'SPY')
  assert.deepEqual([kit.reopened, kit.notices], [[], []])
  assert.ok(kit.askedOf('QQQ') > 2 && kit.askedOf('QQQ') < 20, `asked ${kit.asked()} times`)
})

test('many symbols that fall silent together are asked about one after the other', async () => {
  const names = Array.from({ length: 40 }, (_, i) => `S${i}`)
  const kit = setUp({ symbols: ['SPY', ...names], latest: () => 0 })
  await kit.run(MINUTE, SECOND, ['SPY', ...names].join(' '))
  await kit.run(5 * MINUTE, SECOND, 'SPY')
  assert.ok(kit.asked() >= 20 && kit.asked() <= 30, `asked ${kit.asked()} times`)
  assert.ok(names.filter(name => kit.askedOf(name) === 1).length >= 20, 'each before one twice')
})

test('each symbol is told the health of its own connection', async () => {
  const symbols = [['SPY'], ['QQQ']]
  const kit = setUp({ symbols, latest: () => kit.clock.now() })
  await kit.run(MINUTE, SECOND, 'SPY QQQ')
  // Replaced by now, found silent once more, and not yet to be replaced again.
  await kit.run(22 * SECOND, SECOND, 'SPY')
  assert.equal(kit.health.report('QQQ').state, 'stale')
  assert.equal(kit.health.report('SPY').state, 'live')
  assert.equal(kit.health.report().state, 'stale')
})

for (const [what, at, sessions, isAsked] of [
  ['overnight where only that trades', Date.UTC(2025, 5, 3, 2), ['overnight'], true],
  ['overnight where that is no session of the source', Date.UTC(2025, 5, 3, 2), undefined, false],
  ['by day where only the night trades', MONDAY_10, ['overnight'], false],
  ['in the pre-market', Date.UTC(2025, 5, 2, 9), undefined, true],
  ['after hours', Date.UTC(2025, 5, 2, 21), undefined, true],
] as const) {
  test(`${what} a mute connection is ${isAsked ? '' : 'not '}found`, async () => {
    const kit = setUp({ at, sessions, latest: () => kit.clock.now() })
    if (isAsked) await kit.run(MINUTE, SECOND)
    await kit.silence(20 * SECOND)
    assert.equal(kit.reopened.length, isAsked ? 1 : 0)
    assert.equal(kit.notices[0], isAsked ? 'stale' : 'quiet')
  })
}

test('a feed that falls behind and stays there is replaced', async () => {
  const kit = setUp()
  await kit.run(MINUTE, SECOND, 'SPY', 20)
  assert.deepEqual(kit.reopened, [])
  await kit.run(MINUTE - SECOND, 200, 'SPY', 30_000)
  assert.deepEqual(kit.reopened, [])
  await kit.run(3 * SECOND, 200, 'SPY', 30_000)
  assert.equal(kit.reopened.length, 1)
  assert.equal(kit.notices[0], 'stale')
})

test('a feed that stays behind whatever is done is replaced ever more rarely', async () => {
  const kit = setUp()
  for (let late = 0; late < 120; late++) {
    // Ever later, so that the best of the last minutes is no excuse.
    await kit.run(MINUTE, SECOND, 'SPY', 20 + late * 20_000)
  }
  assert.ok(kit.reopened.length > 5 && kit.reopened.length < 16, `${kit.reopened.length} times`)
})

test('a late spell before a silence is no falling behind', async () => {
  const kit = setUp({ at: Date.UTC(2025, 5, 6, 19, 40), latest: () => 0 })
  await kit.run(MINUTE, SECOND)
  await kit.run(50 * SECOND, SECOND, 'SPY', 8_000)
  await kit.silence(2 * HOUR)
  assert.deepEqual(kit.reopened, [])
})

test('a late spell that a replaced connection ends is not counted on', async () => {
  let isMute = false
  const kit = setUp({ latest: () => (isMute ? kit.clock.now() : 0) })
  await kit.run(MINUTE, SECOND)
  await kit.run(50 * SECOND, SECOND, 'SPY', 8_000)
  isMute = true
  await kit.silence(10 * SECOND)
  assert.equal(kit.reopened.length, 1)
  await kit.run(20 * SECOND, SECOND, 'SPY', 8_000)
  assert.equal(kit.reopened.length, 1)
})

for (const asks of [false, true]) {
  test(`bars are not late${asks ? ', whoever asks' : ''}: their time is that of their left edge`, async () => {
    const kit = setUp({ symbols: ['THIN'] })
    for (let minute = 0; minute < 60; minute++) {
      await kit.silence(MINUTE)
      const now = kit.clock.now()
      const prices = { open: 1, high: 1, low: 1, close: 1, volume: 1, final: true }
      for (const [interval, timestamp] of [
        ['1m', now - MINUTE],
        ['1d', Date.UTC(2025, 5, 2, 4)],
      ] as const) {
        const [type, source] = ['bar', 'alpaca'] as const
        kit.take({ type, source, symbol: 'SPY', interval, timestamp, ...prices })
      }
      kit.take({
        ...{ type: 'trade', source: 'alpaca', symbol: 'THIN', price: 1, size: 1 },
        timestamp: now - 20,
      })
      if (asks) kit.health.report()
    }
    assert.deepEqual(kit.reopened, [])
    assert.equal(kit.health.report().lag?.max, 0)
    assert.equal(kit.health.report().lag?.offsetMs, 20)
  })
}

test('only what came by itself, and as it happened, is timed', () => {
  const kit = setUp()
  const trade = { type: 'trade', source: 'alpaca', symbol: 'SPY', price: 1, size: 1 } as const
  const late = { ...trade, timestamp: kit.clock.now() - 90_000 }
  const book = { type: 'book', source: 'alpaca', symbol: 'SPY', bids: [], asks: [] } as const
  // What the venue has last is told on subscribing, however old it is.
  kit.take(late)
  for (const flag of ['repaired', 'conflated', 'replayed', 'polled', 'derived'] as const) {
    kit.take({ ...late, flags: Flag[flag] })
  }
  kit.take({ ...book, snapshot: false, timestamp: late.timestamp })
  kit.take({ ...book, snapshot: true, timestamp: late.timestamp })
  kit.recent.workOut()
  assert.equal(kit.lag.report(), undefined)
  kit.take({ ...trade, timestamp: kit.clock.now() - 7 })
  kit.take({ ...book, snapshot: false, timestamp: kit.clock.now() - 9 })
  kit.recent.workOut()
  assert.deepEqual(
    [kit.lag.report()?.offsetMs, kit.lag.report()?.max],
    [7, 2],
    'trades and changes of books are',
  )
})

test('lag is told without what the clocks differ by', async () => {
  const kit = setUp()
  for (let i = 0; i < 100; i++) await kit.run(SECOND, SECOND, 'SPY', -2_000 + (i % 10))
  const lag = kit.health.report().lag!
  assert.equal(lag.offsetMs, -2_000)
  assert.deepEqual([lag.p50, lag.max], [5, 9])
})

test('what the clocks differ by is that of the last minutes, of those in which something came', async () => {
  const kit = setUp()
  await kit.run(MINUTE, SECOND, 'SPY', -2_000)
  await kit.run(7 * MINUTE, SECOND, 'SPY', 3_000)
  const { offsetMs, p50, max } = kit.health.report().lag!
  assert.deepEqual([offsetMs, p50, max], [3_000, 0, 0])
  await kit.silence(HOUR)
  assert.equal(kit.health.report().lag!.offsetMs, 3_000, 'an hour of nothing says nothing')
})
