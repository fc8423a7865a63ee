import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { Health, type Watched } from '../../src/feed/health.ts'
import { Lag } from '../../src/feed/lag.ts'
import { Recent } from '../../src/feed/recent.ts'
import { createEvent, type EventType, type MarketEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'

/** Monday, 10:00 in New York. */
const MONDAY_10 = Date.UTC(2025, 5, 2, 14)
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

interface Options {
  readonly at?: number
  readonly symbols?: readonly string[]
  readonly kind?: EventType
  readonly keepsHours?: boolean
  /** What the venue says it has last; absent: it cannot be asked. */
  readonly latest?: (symbol: string) => number | undefined
}

function setUp({
  at = MONDAY_10,
  symbols = ['SPY'],
  kind = 'trade',
  keepsHours = true,
  latest,
}: Options = {}) {
  const clock = handClock(at)
  const lag = new Lag()
  const recent = new Recent(lag)
  const notices: string[] = []
  const reopened: number[] = []
  let asked = 0
  let filling = false
  const topics: Topic[] = symbols.map(symbol => ({ source: 'alpaca', kind, symbol }))
  const connection: Watched = {
    topics,
    isOpen: true,
    reopen: () => reopened.push(clock.now() - at),
  }
  const trade = (symbol: string, timestamp: number): MarketEvent =>
    createEvent({
      type: 'trade',
      symbol,
      source: 'alpaca',
      timestamp,
      receivedAt: clock.now(),
      price: 1,
      size: 1,
    })
  const health = new Health({
    ...{ source: 'alpaca', clock, log: silentLog, recent, lag, keepsHours },
    connections: () => [connection],
    latest:
      latest &&
      (async (_kind, symbol) => {
        asked++
        const time = latest(symbol)
        return time === undefined ? undefined : trade(symbol, time)
      }),
    isFilling: () => filling,
    notice: name => notices.push(name),
  })
  health.start()
  return {
    ...{ clock, health, notices, reopened },
    asked: () => asked,
    fill: (now: boolean) => {
      filling = now
    },
    /** Trades of a symbol, one each `everyMs`, for so long. */
    async run(forMs: number, everyMs: number, symbol = symbols[0]!, lateMs = 5) {
      for (let t = 0; t < forMs; t += everyMs) {
        await clock.advance(everyMs)
        recent.add([trade(symbol, clock.now() - lateMs)])
      }
    },
    /** Nothing, for so long. */
    silence: (ms: number) => clock.advance(ms),
  }
}

test('a mute connection at 10:00 is found within 10 s for a symbol that trades each second', async () => {
  const kit = setUp({ latest: () => Date.now() * 2 })
  await kit.run(MINUTE, SECOND)
  assert.equal(kit.health.report().state, 'live')
  await kit.silence(10 * SECOND)
  assert.equal(kit.reopened.length, 1)
  assert.deepEqual(kit.notices, ['stale'])
  assert.equal(kit.health.report('SPY').state, 'stale')
})

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

test('while a hole is being filled nothing is missed: what comes is held back', async () => {
  const kit = setUp({ latest: () => Number.MAX_SAFE_INTEGER })
  await kit.run(MINUTE, SECOND)
  kit.fill(true)
  await kit.silence(MINUTE)
  assert.deepEqual([kit.asked(), kit.reopened], [0, []])
  kit.fill(false)
  await kit.silence(10 * SECOND)
  assert.equal(kit.reopened.length, 1, 'and afterwards it is looked at again')
})

test('rare kinds are not missed', async () => {
  const kit = setUp({ kind: 'bar', latest: () => Number.MAX_SAFE_INTEGER })
  await kit.silence(HOUR)
  assert.deepEqual([kit.asked(), kit.notices], [0, []])
})

test('a venue that cannot be asked is not blamed', async () => {
  const kit = setUp()
  await kit.run(MINUTE, SECOND)
  await kit.silence(HOUR)
  assert.deepEqual([kit.reopened, kit.notices], [[], []])
  const { state, reason } = kit.health.report()
  assert.equal(state, 'quiet')
  assert.match(reason, /^nothing for 3600 s$/)
})

test('a feed that falls behind and stays there is replaced', async () => {
  const kit = setUp()
  await kit.run(MINUTE, SECOND, 'SPY', 20)
  assert.deepEqual(kit.reopened, [])
  for (let late = 0; late < 600; late++) await kit.run(200, 200, 'SPY', 20 + late * 50)
  await kit.run(3 * MINUTE, 20, 'SPY', 30_000)
  assert.ok(kit.reopened.length > 0)
  assert.equal(kit.notices[0], 'stale')
})

test('lag is told without what the clocks differ by', async () => {
  const kit = setUp()
  for (let i = 0; i < 100; i++) await kit.run(SECOND, SECOND, 'SPY', -2_000 + (i % 10))
  const lag = kit.health.report().lag!
  assert.equal(lag.offsetMs, -2_000)
  assert.deepEqual([lag.p50, lag.max], [5, 9])
})
