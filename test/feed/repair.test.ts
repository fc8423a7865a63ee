import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { Recent } from '../../src/feed/recent.ts'
import { REPAIR_DEFAULTS, Repairer, type RepairOptions } from '../../src/feed/repair.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import { createEvent, hasFlag, type MarketEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'

const T0 = 1_700_000_000_000

/** A trade `at` ms after T0; its id says which. */
const trade = (id: number, at = id, symbol = 'SPY'): MarketEvent =>
  createEvent({
    ...{ type: 'trade', source: 's', price: 1, size: 1, exchange: 'V' },
    symbol,
    id,
    timestamp: T0 + at,
  })

const topic = (symbol = 'SPY'): Topic => ({ source: 's', kind: 'trade', symbol })

/** A repairer on a history that the test writes, and everything that comes out of it. */
function setUp(options: RepairOptions = {}, recentSince = Number.NEGATIVE_INFINITY) {
  const clock = handClock(T0)
  const recent = new Recent()
  recent.resume([], recentSince)
  const out: MarketEvent[] = []
  const notices: { name: string; code?: string; count?: number; symbol?: string }[] = []
  const asked: HistoryRequest[] = []
  let answer: () => readonly MarketEvent[] = () => []
  const deliver = (batch: readonly MarketEvent[]) => {
    recent.add(batch)
    out.push(...batch)
  }
  const history = async function* (request: HistoryRequest) {
    asked.push(request)
    const within = answer().filter(
      event =>
        request.symbols.includes(event.symbol!) &&
        event.timestamp >= request.from &&
        event.timestamp <= request.to,
    )
    // Fresh objects each time, as off the wire.
    if (within.length > 0) yield within.map(event => createEvent({ ...event, flags: 0 }))
  }
  const repairer = new Repairer(
    history,
    ['trade', 'quote', 'bar'],
    recent,
    { ...REPAIR_DEFAULTS, ...options },
    {
      ...{ source: 's', clock, malformed: () => {} },
      emit: deliver,
      notice: (name, _message, { code, count, symbol }) =>
        notices.push({
          name,
          ...(code !== undefined && { code }),
          ...(count !== undefined && { count }),
          ...(symbol !== undefined && { symbol }),
        }),
    },
  )
  return {
    ...{ clock, repairer, notices, asked, out },
    live: (...events: MarketEvent[]) => deliver(repairer.pass(events)),
    answers: (fn: () => readonly MarketEvent[]) => {
      answer = fn
    },
    ids: () => out.map(event => (event as { id?: unknown }).id),
  }
}

test('what was missed comes in order, before what was held back, each once', async () => {
  const { clock, repairer, live, answers, ids, out, notices, asked } = setUp()
  repairer.resumed([topic()])
  live(trade(1), trade(2), trade(3))
  repairer.interrupted([topic()])
  await clock.advance(1_000)
  answers(() => [1, 2, 3, 4, 5, 6, 7].map(id => trade(id)))
  repairer.resumed([topic()])
  live(trade(6), trade(7))
  assert.deepEqual(ids(), [1, 2, 3], 'held back')
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3, 4, 5, 6, 7])
  assert.deepEqual(
    out.filter(event => hasFlag(event, 'repaired')).map(event => (event as { id?: unknown }).id),
    [4, 5],
  )
  assert.deepEqual(notices, [
    { name: 'gap', symbol: 'SPY' },
    { name: 'repaired', symbol: 'SPY', count: 2 },
  ])
  assert.equal(asked[0]!.from, T0 + 3 - REPAIR_DEFAULTS.overlapMs)
  live(trade(8))
  assert.equal(ids().at(-1), 8, 'and goes on')
})

test('history that lags behind is asked again until it reaches the stream', async () => {
  const { clock, repairer, live, answers, ids, asked } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  let known = [1, 2]
  answers(() => known.map(id => trade(id)))
  live(trade(5))
  await clock.advance(1)
  assert.deepEqual(ids(), [1], 'number 5 is not in it yet')
  known = [1, 2, 3, 4, 5]
  await clock.advance(REPAIR_DEFAULTS.settleMs)
  assert.deepEqual(ids(), [1, 2, 3, 4, 5])
  assert.equal(asked.length, 2)
})

test('a symbol without live events is done when history says the same twice', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  let known = [1, 2]
  answers(() => known.map(id => trade(id)))
  await clock.advance(1)
  known = [1, 2, 3]
  await clock.advance(REPAIR_DEFAULTS.settleMs)
  assert.deepEqual(ids(), [1], 'not the same yet')
  await clock.advance(REPAIR_DEFAULTS.settleMs)
  assert.deepEqual(ids(), [1, 2, 3])
})

test('live events wait no longer than allowed; what was missed comes behind them, marked', async () => {
  const { clock, repairer, live, answers, ids, notices } = setUp({ maxHoldMs: 2_000 })
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [trade(1)])
  live(trade(4))
  await clock.advance(2_000)
  assert.deepEqual(ids(), [1, 4])
  live(trade(5))
  assert.deepEqual(ids(), [1, 4, 5])
  answers(() => [1, 2, 3, 4, 5].map(id => trade(id)))
  await clock.advance(REPAIR_DEFAULTS.settleMs)
  assert.deepEqual(ids(), [1, 4, 5, 2, 3])
  assert.equal(notices.at(-1)?.name, 'repaired')
})

test('live-first holds nothing back', async () => {
  const { clock, repairer, live, answers, ids } = setUp({ policy: 'live-first' })
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [1, 2, 3].map(id => trade(id)))
  live(trade(3))
  assert.deepEqual(ids(), [1, 3])
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 3, 2])
})

test('a late print of the hole, with a time of before it, is found; what was seen of before is not repeated', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  live(trade(1, 10_000), trade(2, 10_001))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [trade(9, 9_000), trade(1, 10_000), trade(2, 10_001), trade(3, 10_005)])
  live(trade(3, 10_005))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 9, 3])
})

test('a connection lost again before the hole is closed starts the work anew', async () => {
  const { clock, repairer, live, answers, ids, notices } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  live(trade(3))
  repairer.interrupted([topic()])
  await clock.advance(10)
  answers(() => [1, 2, 3, 4].map(id => trade(id)))
  await clock.advance(2_000)
  assert.deepEqual(ids(), [1], 'nothing is closed while the connection is away')
  repairer.resumed([topic()])
  answers(() => [1, 2, 3, 4, 5, 6].map(id => trade(id)))
  live(trade(6))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3, 4, 5, 6])
  assert.equal(notices.filter(({ name }) => name === 'repaired').length, 1)
  await clock.advance(10_000)
  assert.deepEqual(ids(), [1, 2, 3, 4, 5, 6])
})

test('history that refuses for good ends it: live events go on, and the hole is told', async () => {
  const { clock, repairer, live, answers, ids, notices } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => {
    throw new TickwireError('NOT_ENTITLED', 'no plan')
  })
  live(trade(4))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 4])
  assert.deepEqual(notices.at(-1), { name: 'unrepaired', symbol: 'SPY', code: 'NOT_ENTITLED' })
  assert.equal(repairer.open, 0)
})

test('history that fails for a while is asked again, and given up in the end', async () => {
  const { clock, repairer, live, answers, notices, asked } = setUp({ giveUpMs: 20_000 })
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => {
    throw new TickwireError('VENUE_ERROR', '500')
  })
  for (let i = 0; i < 40; i++) await clock.advance(1_000)
  assert.equal(notices.at(-1)?.name, 'unrepaired')
  assert.ok(asked.length > 3 && asked.length < 12, `${asked.length}`)
  assert.equal(clock.pending(), 0)
})

test('an earlier process is gone on from: what was recorded does not come twice', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  repairer.restore({
    kind: 'trade',
    symbol: 'SPY',
    interval: undefined,
    timestamp: T0 + 2,
    nanos: 0,
  })
  repairer.wanted([topic(), topic('TSLA')])
  answers(() => [2, 3, 4].map(id => trade(id)))
  repairer.resumed([topic(), topic('TSLA')])
  live(trade(4), trade(1, 1, 'TSLA'))
  assert.deepEqual(ids(), [1], 'another symbol has no hole')
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3, 4], 'number 2 is not among the last events, so it had not come')
})

test('a hole longer than is filled in is told at once', async () => {
  const { clock, repairer, live, notices, asked, ids } = setUp({ maxSpanMs: 60_000 })
  live(trade(1))
  repairer.interrupted([topic()])
  await clock.advance(120_000)
  repairer.resumed([topic()])
  live(trade(2))
  await clock.advance(1)
  assert.deepEqual(notices.at(-1), { name: 'unrepaired', symbol: 'SPY', code: 'TOO_LONG' })
  assert.deepEqual([asked.length, ids()], [0, [1, 2]])
})

test('live events without a new confirmation are as good as one: another connection carries them', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  answers(() => [1, 2, 3].map(id => trade(id)))
  live(trade(3))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3])
  assert.equal(repairer.open, 0)
})

test('kinds without history say that their hole stays', async () => {
  const { clock, repairer, notices } = setUp()
  repairer.interrupted([{ source: 's', kind: 'status', symbol: 'SPY' }])
  repairer.resumed([{ source: 's', kind: 'status', symbol: 'SPY' }])
  await clock.advance(1)
  assert.deepEqual(notices, [{ name: 'unrepaired', code: 'UNSUPPORTED' }])
})

test('closing, and letting go of a topic, deliver what was held back', async () => {
  const { repairer, live, ids, notices } = setUp()
  live(trade(1), trade(1, 1, 'TSLA'))
  repairer.interrupted([topic('SPY'), topic('TSLA')])
  live(trade(2), trade(3, 3, 'TSLA'))
  assert.deepEqual(ids(), [1, 1])
  repairer.forget([topic('SPY')])
  assert.deepEqual(ids(), [1, 1, 2])
  repairer.close()
  assert.deepEqual(ids(), [1, 1, 2, 3])
  assert.deepEqual(notices, [{ name: 'unrepaired', symbol: 'TSLA', code: 'CLOSED' }])
})

test('what history had before the stream brought it does not come twice', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  await clock.advance(10)
  repairer.resumed([topic()])
  answers(() => [1, 2, 3, 4, 5].map(id => trade(id)))
  live(trade(3))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3, 4, 5])
  live(trade(4), trade(5), trade(6))
  assert.deepEqual(ids(), [1, 2, 3, 4, 5, 6], 'numbers 4 and 5 were on their way')
})

test('nothing is held for longer than allowed because the connection is lost again', async () => {
  const { clock, repairer, live, answers, ids } = setUp({ maxHoldMs: 2_000 })
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [trade(1)])
  live(trade(4))
  await clock.advance(1_000)
  repairer.interrupted([topic()])
  await clock.advance(1_010)
  assert.deepEqual(ids(), [1, 4])
  repairer.resumed([topic()])
  live(trade(7))
  assert.deepEqual(ids(), [1, 4], 'what comes behind the new break is held for itself')
  answers(() => [1, 2, 4, 6, 7].map(id => trade(id)))
  await clock.advance(500)
  assert.deepEqual(ids(), [1, 4, 2, 6, 7])
})

test('a hole that is broken again while history is asked stays open', async () => {
  const { clock, repairer, live, answers, ids, notices } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  live(trade(3))
  answers(() => {
    repairer.interrupted([topic()])
    return [1, 2, 3].map(id => trade(id))
  })
  await clock.advance(1)
  assert.deepEqual([ids(), notices.map(({ name }) => name)], [[1], ['gap']])
  answers(() => [1, 2, 3, 4, 5].map(id => trade(id)))
  repairer.resumed([topic()])
  live(trade(5))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3, 4, 5])
})

test('a damaged frame is a hole in all that its connection carries, looked into once in ten seconds', async () => {
  const { clock, repairer, live, answers, ids, asked } = setUp()
  repairer.resumed([topic()])
  live(trade(1))
  answers(() => [1, 2, 3].map(id => trade(id)))
  repairer.damaged([topic()])
  live(trade(3))
  await clock.advance(1)
  assert.deepEqual([ids(), asked.length], [[1, 2, 3], 1])
  answers(() => [1, 2, 3, 4, 5, 6].map(id => trade(id)))
  for (let i = 0; i < 100; i++) repairer.damaged([topic()])
  live(trade(6))
  await clock.advance(9_000)
  assert.deepEqual([ids(), asked.length], [[1, 2, 3, 6], 1])
  await clock.advance(3_000)
  assert.deepEqual([ids(), asked.length], [[1, 2, 3, 6, 4, 5], 3])
})

test('damage to a connection that is lost meanwhile is no reason to take it for resumed', async () => {
  const { clock, repairer, live, asked, notices } = setUp()
  repairer.resumed([topic()])
  live(trade(1))
  repairer.damaged([topic()])
  await clock.advance(5_000)
  repairer.damaged([topic()])
  repairer.interrupted([topic()])
  const before = asked.length
  await clock.advance(20_000)
  assert.deepEqual([asked.length, notices.at(-1)?.name], [before, 'repaired'])
  assert.equal(repairer.open, 1)
})

test('where not all that was delivered is at hand, only what is behind the hole is filled in', async () => {
  const { clock, repairer, live, answers, ids } = setUp({}, T0 + 60_000)
  const seen = { kind: 'trade', symbol: 'SPY', interval: undefined } as const
  repairer.restore({ ...seen, timestamp: T0 + 20_000, nanos: 0 })
  repairer.wanted([topic()])
  answers(() => [trade(1, 10_000), trade(2, 20_000), trade(3, 20_001), trade(4, 30_000)])
  repairer.resumed([topic()])
  live(trade(4, 30_000))
  await clock.advance(1)
  assert.deepEqual(ids(), [3, 4])
})

test('corrections and cancels are in the history of the trades they belong to', async () => {
  const { clock, repairer, live, notices } = setUp()
  live(trade(1))
  const others = ['correction', 'cancel'] as const
  const topics = [topic(), ...others.map(kind => ({ ...topic(), kind }))]
  repairer.interrupted(topics)
  repairer.resumed(topics)
  await clock.advance(3_100)
  assert.deepEqual(
    notices.map(({ name }) => name),
    ['gap', 'repaired'],
  )
  repairer.interrupted([{ ...topic(), kind: 'cancel' }])
  repairer.resumed([{ ...topic(), kind: 'cancel' }])
  await clock.advance(1)
  assert.equal(notices.at(-1)?.code, 'UNSUPPORTED', 'without the trades nobody looks for them')
})
