import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '../../src/base/clock.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { Recent } from '../../src/feed/recent.ts'
import { Repairer } from '../../src/feed/repair.ts'
import {
  REPAIR_DEFAULTS,
  type RepairOptions,
  repairOptions,
} from '../../src/feed/repair-options.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import { createEvent, hasFlag, type MarketEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'
import { toyFeed } from './toy-venue.ts'

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
function setUp(
  options: RepairOptions = {},
  recentSince = Number.NEGATIVE_INFINITY,
  millisecondTimes = false,
  aheadMs = 0,
) {
  const clock = handClock(T0)
  const recent = new Recent()
  recent.resume([], recentSince)
  const out: MarketEvent[] = []
  const notices: { name: string; code?: string; count?: number; symbol?: string }[] = []
  const told: { name: string; message: string; symbol: string | undefined }[] = []
  const asked: HistoryRequest[] = []
  let answer: () => readonly MarketEvent[] = () => []
  const accounts: string[] = []
  const repeated: MarketEvent[] = []
  let isSound: (event: MarketEvent) => boolean = () => true
  const deliver = (batch: readonly MarketEvent[]) => {
    const sound = batch.filter(isSound)
    recent.add(sound)
    for (const event of sound) out.push(event)
    return sound
  }
  let pageCount = 1
  const begins: (number | undefined)[] = []
  let before: (request: HistoryRequest) => unknown = () => {}
  const history = async function* (request: HistoryRequest) {
    asked.push(request)
    await before(request)
    const within = answer().filter(
      event =>
        request.symbols.includes(event.symbol!) &&
        event.timestamp >= request.from &&
        event.timestamp <= request.to,
    )
    // Fresh objects each time, as off the wire.
    const size = Math.ceil(within.length / pageCount)
    for (let i = 0; i < pageCount && within.length > 0; i++) {
      const page = pageCount === 1 ? within : within.slice(i * size, (i + 1) * size)
      yield page.map(event => createEvent({ ...event, flags: 0 }))
    }
  }
  const repairer = new Repairer(
    history,
    ['trade', 'quote', 'bar'],
    recent,
    { ...REPAIR_DEFAULTS, ...options },
    {
      ...{ source: 's', clock, millisecondTimes, malformed: () => {} },
      repeated: event => repeated.push(event),
      emit: deliver,
      holes: (what, holes) => {
        if (what === 'opened') begins.push(...holes.map(({ from }) => from))
        for (const { kind, symbol } of holes) accounts.push(`${what} ${kind} ${symbol}`)
      },
      aheadMs: () => aheadMs,
      notice: (name, message, { code, count, symbol }) => {
        told.push({ name, message, symbol })
        notices.push({
          name,
          ...(code !== undefined && { code }),
          ...(count !== undefined && { count }),
          ...(symbol !== undefined && { symbol }),
        })
      },
    },
  )
  return {
    ...{ clock, repairer, notices, told, asked, out, accounts, repeated },
    live: (...events: MarketEvent[]) => deliver(repairer.pass(events)),
    answers: (fn: () => readonly MarketEvent[]) => {
      answer = fn
    },
    pages: (count: number) => {
      pageCount = count
    },
    /** Where the holes that were told begin. */
    froms: () => [...begins],
    /** Does something with each question before it is answered. */
    meanwhile: (fn: (request: HistoryRequest) => unknown) => {
      before = fn
    },
    refuses: (fn: (event: MarketEvent) => boolean) => {
      isSound = event => !fn(event)
    },
    ids: () => out.map(event => (event as { id?: unknown }).id),
  }
}

test('options that mean nothing are refused before anything is asked', () => {
  for (const options of [
    { policy: 'live' as never },
    { maxHoldMs: Number.NaN },
    { settleMs: -1 },
    { overlapMs: Number.POSITIVE_INFINITY },
    { maxHoldMs: '3000' as never },
  ]) {
    assert.throws(() => repairOptions(options), { code: 'BAD_OPTION' })
    assert.throws(() => toyFeed({ feed: { repair: options } }), { code: 'BAD_OPTION' })
  }
  const endless = { maxHoldMs: Number.POSITIVE_INFINITY, maxSpanMs: Number.POSITIVE_INFINITY }
  const all = repairOptions({ ...endless, settleMs: undefined as never })
  assert.deepEqual(all, { ...REPAIR_DEFAULTS, ...endless })
})

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

test('where the stream has no nanoseconds, those of history make nothing another event', async () => {
  const quote = (at: number, nanos: number) =>
    createEvent({
      ...{ type: 'quote', source: 's', symbol: 'SPY', bid: at, timestamp: T0 + at, nanos },
    })
  for (const coarse of [true, false]) {
    const { clock, repairer, live, answers, out } = setUp({}, Number.NEGATIVE_INFINITY, coarse)
    const quotes = [{ source: 's', kind: 'quote', symbol: 'SPY' } as const]
    repairer.resumed(quotes)
    live(quote(1, 0))
    repairer.interrupted(quotes)
    answers(() => [quote(1, 500), quote(2, 600), quote(3, 700)])
    repairer.resumed(quotes)
    live(quote(3, 0))
    await clock.advance(1)
    const filled = out.map(({ timestamp, nanos }) => `${timestamp - T0}.${nanos}`)
    assert.deepEqual(filled, coarse ? ['1.0', '2.0', '3.0'] : ['1.0'])
  }
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

test('without a live event what was missed comes when history says the same twice, and is told when it says so once more', async () => {
  const { clock, repairer, live, answers, ids, notices, asked, accounts } = setUp()
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
  assert.deepEqual([notices.at(-1)?.name, repairer.open, asked.length], ['gap', 1, 3])
  await clock.advance(REPAIR_DEFAULTS.confirmMs)
  assert.deepEqual([ids(), asked.length], [[1, 2, 3], 4], 'what was filled in does not come again')
  assert.deepEqual(notices.at(-1), { name: 'repaired', symbol: 'SPY', count: 2 })
  assert.deepEqual(accounts, ['opened trade SPY', 'filled trade SPY'])
})

test('history that lags for longer than it is waited for is found out by the first live event, which comes behind', async () => {
  const { clock, repairer, live, answers, ids, notices, asked } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [trade(1)])
  await clock.advance(10_000)
  const before = asked.length
  live(trade(4))
  await clock.advance(1)
  assert.deepEqual([ids(), asked.length - before], [[1], 1], 'asked at once, and held back')
  answers(() => [1, 2, 3, 4].map(id => trade(id)))
  await clock.advance(REPAIR_DEFAULTS.settleMs)
  assert.deepEqual(ids(), [1, 2, 3, 4])
  assert.deepEqual(notices.at(-1), { name: 'repaired', symbol: 'SPY', count: 2 })
})

test('a silent symbol on a connection that is lost over and over has its hole filled, not given up for its length', async () => {
  const { clock, repairer, live, answers, asked, notices, ids } = setUp()
  live(trade(1))
  answers(() => [1, 2].map(id => trade(id, id === 2 ? 70 * 60_000 : 1)))
  for (let s = 0; s < 75 * 60; s++) {
    if (s % 25 === 0) repairer.interrupted([topic()])
    if (s % 25 === 1) repairer.resumed([topic()])
    await clock.advance(1_000)
    assert.ok(asked.length === 0 || clock.now() - asked.at(-1)!.from < 150_000, 'as far as it must')
  }
  await clock.advance(60_000)
  assert.deepEqual(ids(), [1, 2])
  assert.deepEqual(notices.at(-1), { name: 'repaired', symbol: 'SPY', count: 1 })
  assert.deepEqual(notices.filter(({ name }) => name === 'unrepaired').length, 0)
})

test('a hole that was settled is looked through once more where the connection is lost again: history may have lagged', async () => {
  for (const aheadMs of [0, -60_000]) {
    const { clock, repairer, live, answers, ids } = setUp({}, undefined, false, aheadMs)
    const by = (at: number) => at + aheadMs
    live(trade(1, by(0)))
    await clock.advance(100_000)
    repairer.interrupted([topic()])
    await clock.advance(5_000)
    repairer.resumed([topic()])
    let known = [trade(1, by(0))]
    answers(() => known)
    await clock.advance(10_000)
    repairer.interrupted([topic()])
    repairer.resumed([topic()])
    known = [...known, trade(2, by(90_000)), trade(3, by(103_000))]
    await clock.advance(10_000)
    assert.deepEqual(ids(), [1, 2, 3])
  }
})

for (const { name, options, failMs } of [
  { name: 'giveUpMs is short', options: { giveUpMs: 20_000 }, failMs: 0 },
  { name: 'history could not be asked for long', options: {}, failMs: 97_000 },
]) {
  test(`where ${name}, the last look has its time too`, async () => {
    const { clock, repairer, live, answers, meanwhile, notices, ids } = setUp(options)
    meanwhile(async ({ signal }) => {
      const isLast = clock.now() - T0 >= (failMs > 0 ? 120_000 : 20_000)
      await sleep(clock, isLast ? 6_000 : 20, signal)
      if (clock.now() - T0 < failMs) throw new TickwireError('VENUE_ERROR', 'answers 500')
    })
    live(trade(1))
    repairer.interrupted([topic()])
    repairer.resumed([topic()])
    answers(() => [1, 2].map(id => trade(id)))
    for (let s = 0; s < 160; s++) await clock.advance(1_000)
    assert.deepEqual(notices.slice(1), [{ name: 'repaired', symbol: 'SPY', count: 1 }])
    assert.deepEqual([ids(), repairer.open], [[1, 2], 0])
  })
}

test('a first live event just before the time is over leaves history time to answer', async () => {
  const { clock, repairer, live, answers, meanwhile, notices, ids } = setUp({ giveUpMs: 20_000 })
  meanwhile(({ signal }) => sleep(clock, 20, signal))
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [1, 2, 3].map(id => trade(id)).filter(({ timestamp }) => timestamp <= clock.now()))
  await clock.advance(19_990)
  live(trade(3))
  await clock.advance(5_000)
  assert.deepEqual([ids(), notices.at(-1)?.name], [[1, 2, 3], 'repaired'])
})

test('what history had told is looked at once more although it fails as the time ends', async () => {
  const { clock, repairer, live, answers, meanwhile, notices, ids } = setUp({ giveUpMs: 20_000 })
  const now = () => clock.now() - T0
  meanwhile(() => {
    if (now() >= 14_000 && now() <= 20_000) throw new TickwireError('VENUE_ERROR', 'answers 500')
  })
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() =>
    [trade(1), trade(2), trade(3, 15_000)].filter(({ timestamp }) => timestamp - T0 <= now()),
  )
  await clock.advance(15_000)
  live(trade(3, 15_000))
  for (let s = 0; s < 10; s++) await clock.advance(1_000)
  assert.deepEqual(notices.slice(1), [{ name: 'repaired', symbol: 'SPY', count: 1 }])
  assert.deepEqual(ids(), [1, 2, 3])
})

test('halves of a question that is refused in the last look are asked in their time too', async () => {
  const { clock, repairer, live, answers, meanwhile, notices } = setUp({ giveUpMs: 20_000 })
  const topics = ['A', 'B', 'C'].map(symbol => topic(symbol))
  meanwhile(async ({ symbols, signal }) => {
    await sleep(clock, clock.now() - T0 >= 20_000 ? 6_000 : 20, signal)
    if (clock.now() - T0 > 19_000 && symbols.includes('B'))
      throw new TickwireError('BAD_REQUEST', 'invalid symbol')
  })
  live(...topics.map(({ symbol }) => trade(1, 1, symbol)))
  repairer.interrupted(topics)
  repairer.resumed(topics)
  answers(() => topics.map(({ symbol }) => trade(1, 1, symbol)))
  for (let s = 0; s < 40; s++) await clock.advance(1_000)
  const told = notices.slice(3).map(({ name, symbol }) => `${name} ${symbol}`)
  assert.deepEqual(told.sort(), ['repaired A', 'repaired C', 'unrepaired B'])
})

test('history that lags behind a symbol that stays silent is found out too, however often it says more', async () => {
  const { clock, repairer, live, answers, ids, notices } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  let known = [1]
  answers(() => known.map(id => trade(id)))
  for (const more of [2, 3]) {
    await clock.advance(20_000)
    known = [...known, more]
    await clock.advance(15_000)
    assert.deepEqual(ids(), known)
    assert.equal(notices.at(-1)?.name, 'gap', 'and it is not called repaired')
  }
  await clock.advance(REPAIR_DEFAULTS.confirmMs)
  assert.deepEqual(notices.at(-1), { name: 'repaired', symbol: 'SPY', count: 2 })
})

test('what was filled in before a hole is closed does not come twice, though it is not among the last events any more', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [1, 2, 3].map(id => trade(id)))
  await clock.advance(5_000)
  assert.deepEqual(ids(), [1, 2, 3])
  const other = trade(9, 6_000, 'QQQ')
  for (let i = 0; i < 140; i++) live(...new Array(1_000).fill(other))
  await clock.advance(REPAIR_DEFAULTS.confirmMs)
  assert.deepEqual([ids().filter(id => id !== 9), repairer.open], [[1, 2, 3], 0])
})

test('first live events of many symbols, one after the other, take no question each', async () => {
  const { clock, repairer, live, answers, asked, notices } = setUp({ policy: 'live-first' })
  const topics = Array.from({ length: 500 }, (_, i) => topic(`S${i}`))
  live(...topics.map(({ symbol }) => trade(1, 1, symbol)))
  repairer.interrupted(topics)
  repairer.resumed(topics)
  const known: MarketEvent[] = []
  answers(() => known)
  await clock.advance(5_000)
  const before = asked.length
  for (const { symbol } of topics) {
    const event = trade(2, clock.now() - T0, symbol)
    known.push(event)
    live(event)
    await clock.advance(20)
  }
  await clock.advance(2_000)
  assert.ok(asked.length - before < 12, `${asked.length - before}`)
  assert.equal(repairer.open, 0)
  assert.ok(asked.at(-1)!.symbols.length < 150, 'who is whole is asked about no more')
  assert.equal(notices.filter(({ name }) => name === 'unrepaired').length, 0)
})

test('nobody waits for a hole that is let go while it is not looked at', async () => {
  const { clock, repairer, live, answers } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [trade(1)])
  await clock.advance(5_000)
  assert.equal(clock.pending(), 1)
  repairer.forget([topic()])
  await clock.advance(1)
  assert.deepEqual([clock.pending(), repairer.open], [0, 0])
})

test('where our clock is behind that of the venue, history is asked for the end of the hole too', async () => {
  const { clock, repairer, live, answers, ids } = setUp({}, undefined, false, 20_000)
  live(trade(1, 20_000))
  repairer.interrupted([topic()])
  await clock.advance(5_000)
  repairer.resumed([topic()])
  answers(() => [trade(1, 20_000), trade(2, 24_000)])
  await clock.advance(3_000)
  assert.deepEqual(ids(), [1, 2])
})

test('one symbol that history refuses leaves no hole of another open', async () => {
  for (const code of ['BAD_REQUEST', 'UNKNOWN_SYMBOL'] as const) {
    const { clock, repairer, live, answers, meanwhile, notices, asked, out } = setUp()
    const topics = Array.from({ length: 100 }, (_, i) => topic(`S${i}`))
    live(...topics.map(({ symbol }) => trade(1, 1, symbol)))
    repairer.interrupted(topics)
    repairer.resumed(topics)
    meanwhile(({ symbols }) => {
      if (symbols.includes('S37')) throw new TickwireError(code, 'invalid symbol')
    })
    answers(() => topics.flatMap(({ symbol }) => [2, 3].map(id => trade(id, id, symbol))))
    live(...topics.map(({ symbol }) => trade(3, 3, symbol)))
    await clock.advance(1)
    const left = notices.filter(({ name }) => name === 'unrepaired')
    assert.deepEqual(left, [{ name: 'unrepaired', symbol: 'S37', code }])
    assert.equal(repairer.open, 0)
    assert.ok(asked.length <= 16, `${asked.length}`)
    const filled = out.filter(event => hasFlag(event, 'repaired'))
    assert.equal(filled.length, 99)
  }
})

test('a history that refuses whatever it is asked is not asked for each symbol', async () => {
  const { clock, repairer, live, meanwhile, asked } = setUp()
  const topics = Array.from({ length: 1_000 }, (_, i) => topic(`S${i}`))
  live(...topics.map(({ symbol }) => trade(1, 1, symbol)))
  repairer.interrupted(topics)
  repairer.resumed(topics)
  meanwhile(() => {
    throw new TickwireError('BAD_REQUEST', 'no')
  })
  await clock.advance(10)
  assert.equal(repairer.open, 0)
  assert.ok(asked.length <= 201, `${asked.length}`)
})

test('each hole is told with its symbol; of thousands every one is named, in few notices', async () => {
  for (const [count, most] of [
    [30, 30],
    [10_000, 100],
  ] as const) {
    const { clock, repairer, live, meanwhile, told } = setUp()
    const topics = Array.from({ length: count }, (_, i) => topic(`S${i}x`))
    live(...topics.map(({ symbol }, i) => trade(1, i % 7, symbol)))
    repairer.interrupted(topics)
    repairer.resumed(topics)
    meanwhile(() => {
      throw new TickwireError('NOT_ENTITLED', 'no plan')
    })
    await clock.advance(10)
    for (const name of ['gap', 'unrepaired'] as const) {
      const notices = told.filter(one => one.name === name)
      assert.equal(notices.length, most)
      assert.ok(notices.every(({ symbol }) => (symbol !== undefined) === (count === 30)))
      const words = new Set(notices.flatMap(({ message }) => message.match(/S\d+x/g) ?? []))
      assert.equal(words.size, count)
    }
  }
})

test('bars of two lengths are told apart, also where many are told together', async () => {
  for (const count of [1, 40]) {
    const { clock, repairer, live, told } = setUp()
    const topics = (['1m', '5m'] as const).flatMap(interval =>
      Array.from(
        { length: count },
        (_, i) => ({ ...topic(`S${i}x`), kind: 'bar', interval }) as const,
      ),
    )
    const prices = { open: 1, high: 1, low: 1, close: 1, volume: 1, final: true, revision: 0 }
    live(...topics.map(it => createEvent({ ...it, type: 'bar', timestamp: T0, ...prices })))
    repairer.interrupted(topics)
    repairer.resumed(topics)
    await clock.advance(1)
    for (const interval of ['1m', '5m']) {
      const gaps = told.filter(({ message }) =>
        message.startsWith(`the hole in ${interval} bars of`),
      )
      const names = gaps.flatMap(({ message }) => message.match(/S\d+x/g) ?? [])
      assert.equal(new Set(names).size, count)
      assert.equal(names.length, count)
    }
  }
})

test('what ends behind a closed repairer is no hole', () => {
  const { repairer, live, accounts, notices } = setUp()
  live(trade(1))
  repairer.close()
  repairer.interrupted([topic()])
  repairer.damaged([topic()])
  assert.deepEqual([accounts, notices, repairer.open], [[], [], 0])
})

test('a hole that history has filled as far as it knew is not called repaired when the feed ends before that is sure', async () => {
  const { clock, repairer, live, answers, accounts, told } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [1, 2].map(id => trade(id)))
  await clock.advance(5_000)
  repairer.close()
  assert.match(told.at(-1)!.message, /stays: the feed has ended before history was asked once more/)
  assert.deepEqual(accounts, ['opened trade SPY', 'left trade SPY'])
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

test('a restart hours later leaves the hole to a backfill, though a bar of the day goes on', async () => {
  for (const [heardAt, code] of [
    [T0 + 60_000, 'TOO_LONG'],
    [T0 + 5 * 3_600_000, undefined],
  ] as const) {
    const { clock, repairer, notices, asked } = setUp()
    await clock.advance(5 * 3_600_000 + 60_000)
    const day = { kind: 'bar', symbol: 'SPY', interval: '1d', timestamp: T0, nanos: 0 } as const
    repairer.restore(day, heardAt)
    repairer.restore({ ...day, kind: 'trade', interval: undefined }, heardAt)
    repairer.wanted([topic()])
    repairer.resumed([topic()])
    await clock.advance(1)
    assert.equal(notices.at(-1)?.code, code)
    assert.equal(asked.length > 0, code === undefined)
    repairer.close()
  }
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
  assert.deepEqual([asked.length, notices.at(-1)?.name], [before, 'gap'])
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
  await clock.advance(40_000)
  assert.deepEqual(
    notices.map(({ name }) => name),
    ['gap', 'repaired'],
  )
  repairer.interrupted([{ ...topic(), kind: 'cancel' }])
  repairer.resumed([{ ...topic(), kind: 'cancel' }])
  await clock.advance(1)
  assert.equal(notices.at(-1)?.code, 'UNSUPPORTED', 'without the trades nobody looks for them')
})

const minute = (number: number, close: number, revision = 0): MarketEvent =>
  createEvent({
    ...{ type: 'bar', source: 's', symbol: 'SPY', interval: '1m', final: true, revision },
    ...{ timestamp: T0 + number * 60_000, open: 1, high: 9, low: 1, close, volume: 1 },
  })
const minutes: Topic = { source: 's', kind: 'bar', symbol: 'SPY', interval: '1m' }

/** Which minute, its close, revision, and whether it was filled in. */
const barsOf = (events: readonly MarketEvent[]) =>
  events.flatMap(event => {
    if (event.type !== 'bar') return []
    const how = hasFlag(event, 'repaired') ? ' repaired' : ''
    return [`${(event.timestamp - T0) / 60_000}: ${event.close} r${event.revision}${how}`]
  })

test('a record in the hole that cannot be read is looked for again, then told', async () => {
  const { clock, repairer, live, answers, meanwhile, ids, notices, asked, accounts } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [1, 2, 4].map(id => trade(id)))
  let timestamp: number | undefined = T0 + 3
  meanwhile(({ malformed }) => malformed?.({}, 'no price', { symbol: 'SPY', timestamp }))
  live(trade(4))
  await clock.advance(20_000)
  assert.deepEqual(ids(), [1, 4, 2])
  assert.deepEqual(notices.at(-1), {
    ...{ name: 'unrepaired', symbol: 'SPY', code: 'INCOMPLETE', count: 1 },
  })
  assert.equal(asked.length, 5)
  assert.deepEqual(accounts, ['opened trade SPY', 'left trade SPY'])
  // Outside of the hole it is nothing that was missed; where it stands nobody knows, it may be.
  for (const [at, name] of [
    [T0 + 1, 'repaired'],
    [T0 + 1_000_000, 'repaired'],
    [undefined, 'unrepaired'],
  ] as const) {
    timestamp = at
    await clock.advance(100_000)
    const now = clock.now() - T0
    live(trade(now))
    repairer.interrupted([topic()])
    repairer.resumed([topic()])
    answers(() => [now, now + 1, now + 2].map(id => trade(id)))
    live(trade(now + 2))
    await clock.advance(20_000)
    assert.equal(notices.at(-1)?.name, name, `${at}`)
  }
})

test('one spoiled answer is no loss', async () => {
  const { clock, repairer, live, answers, meanwhile, ids, notices } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  let known = [1, 2, 4]
  answers(() => known.map(id => trade(id)))
  meanwhile(request => {
    if (known.length === 3) request.malformed?.({}, 'no price')
  })
  live(trade(4))
  await clock.advance(1)
  known = [1, 2, 3, 4]
  await clock.advance(2_000)
  assert.deepEqual(ids(), [1, 2, 3, 4])
  assert.deepEqual(notices.at(-1), { name: 'repaired', symbol: 'SPY', count: 2 })
})

test('what was filled in and cannot be true is missing, unless it was refused before the hole', async () => {
  for (const [wrong, name, count] of [
    [3, 'unrepaired', 2],
    [-5, 'repaired', 2],
  ] as const) {
    const { clock, repairer, live, answers, refuses, notices } = setUp()
    live(trade(1))
    repairer.interrupted([topic()])
    repairer.resumed([topic()])
    refuses(event => event.type === 'trade' && event.id === wrong)
    answers(() => [-5, 1, 2, 3, 4].map(id => trade(id)))
    live(trade(4))
    await clock.advance(1)
    assert.deepEqual([notices.at(-1)?.name, notices.at(-1)?.count], [name, count])
  }
})

test('a quiet symbol is repaired after a short loss however long ago its last event is', async () => {
  const { clock, repairer, live, answers, ids, notices } = setUp()
  repairer.resumed([topic(), topic('QQQ')])
  live(trade(1))
  await clock.advance(61 * 60_000)
  live(trade(5, 61 * 60_000, 'QQQ'))
  repairer.interrupted([topic(), topic('QQQ')])
  await clock.advance(1_000)
  answers(() => [trade(1), trade(2, 61 * 60_000 + 500), trade(5, 61 * 60_000, 'QQQ')])
  repairer.resumed([topic(), topic('QQQ')])
  await clock.advance(20_000)
  assert.deepEqual(ids(), [1, 5, 2])
  assert.ok(!notices.some(({ name }) => name === 'unrepaired'))
})

test('a hole is dated from its connection, where that was whole for longer than its symbol', async () => {
  const { clock, repairer, live, froms } = setUp()
  live(trade(1), trade(2, 600_000, 'QQQ'))
  repairer.interrupted([topic(), topic('QQQ')])
  repairer.resumed([topic(), topic('QQQ')])
  await clock.advance(1)
  const known = T0 + 600_000 - REPAIR_DEFAULTS.overlapMs
  assert.deepEqual(froms().sort(), [known, T0 + 600_000])
})

test('many quiet symbols take few questions, and a busy one is not asked about for as long', async () => {
  const { clock, repairer, live, asked } = setUp()
  const topics = Array.from({ length: 50 }, (_, i) => topic(`S${i}`))
  repairer.resumed(topics)
  for (let i = 0; i < 50; i++) {
    live(trade(i, clock.now() - T0, `S${i}`))
    await clock.advance(60_000)
  }
  live(trade(50, clock.now() - T0, 'S49'))
  repairer.interrupted(topics)
  repairer.resumed(topics)
  await clock.advance(20_000)
  assert.ok(asked.length <= 6, `${asked.length}`)
  const { from, symbols } = asked.find(({ symbols }) => symbols.includes('S49'))!
  assert.deepEqual(symbols, ['S49'])
  assert.equal(from, T0 + 50 * 60_000 - REPAIR_DEFAULTS.overlapMs)
})

test('bars of days are repaired although their time is midnight', async () => {
  const { clock, repairer, live, answers, out, notices } = setUp()
  const days: Topic = { source: 's', kind: 'bar', symbol: 'SPY', interval: '1d' }
  const day = (close: number) =>
    createEvent({ ...minute(0, close), type: 'bar', interval: '1d', final: false } as never)
  await clock.advance(15 * 3_600_000)
  live(day(2))
  repairer.interrupted([days])
  answers(() => [day(3)])
  repairer.resumed([days])
  await clock.advance(5_000)
  assert.deepEqual(barsOf(out), ['0: 2 r0', '0: 3 r0 repaired'])
  await clock.advance(30_000)
  assert.deepEqual(barsOf(out), ['0: 2 r0', '0: 3 r0 repaired'])
  assert.equal(notices.at(-1)?.name, 'repaired')
})

/** A bar that still grows. */
const growing = (number: number, close: number): MarketEvent =>
  createEvent({ ...minute(number, close), type: 'bar', final: false } as never)
/** The same as {@link barsOf}, with whether a bar was over. */
const stagesOf = (events: readonly MarketEvent[]) =>
  barsOf(events).map((text, i) => `${text}${(events[i] as { final?: unknown }).final ? '' : ' …'}`)

test('a bar that grew before the hole and was over in it comes as over, with the same numbers too', async () => {
  for (const close of [2, 5]) {
    const { clock, repairer, live, answers, out } = setUp()
    repairer.resumed([minutes])
    await clock.advance(59_000)
    live(growing(0, 2))
    repairer.interrupted([minutes])
    await clock.advance(2_000)
    answers(() => [minute(0, close), growing(1, 1)])
    repairer.resumed([minutes])
    live(growing(1, 1))
    await clock.advance(40_000)
    assert.deepEqual(stagesOf(out), ['0: 2 r0 …', `0: ${close} r0 repaired`, '1: 1 r0 …'])
  }
})

test('no bar that is over grows again, whatever history still says of it', async () => {
  const { clock, repairer, live, answers, out } = setUp()
  repairer.resumed([minutes])
  await clock.advance(60_100)
  live(minute(0, 3))
  repairer.interrupted([minutes])
  await clock.advance(300)
  answers(() => [growing(0, 2)])
  repairer.resumed([minutes])
  await clock.advance(1_600)
  answers(() => [minute(0, 3), growing(1, 1)])
  await clock.advance(40_000)
  assert.deepEqual(stagesOf(out), ['0: 3 r0', '1: 1 r0 repaired …'])
})

test('the end of a bar that was filled in while it grew is delivered, and one filled in as over is over', async () => {
  for (const [filled, late, said] of [
    [growing(0, 3), [minute(0, 3)], ['0: 3 r0 repaired …', '0: 3 r0']],
    [minute(0, 3), [growing(0, 2), growing(0, 3), minute(0, 3)], ['0: 3 r0 repaired']],
    [minute(0, 3), [growing(0, 2), minute(0, 4)], ['0: 3 r0 repaired', '0: 4 r0']],
  ] as const) {
    const { clock, repairer, live, answers, out } = setUp()
    repairer.resumed([minutes])
    await clock.advance(50_000)
    live(growing(0, 1))
    repairer.interrupted([minutes])
    await clock.advance(2_000)
    answers(() => [filled])
    repairer.resumed([minutes])
    await clock.advance(8_000)
    live(...late)
    await clock.advance(40_000)
    assert.deepEqual(stagesOf(out), ['0: 1 r0 …', ...said])
  }
})

test('a revision of a bar that was lost is delivered as its next one', async () => {
  const { clock, repairer, live, answers, out } = setUp()
  repairer.resumed([minutes])
  await clock.advance(60_000)
  live(minute(0, 2))
  repairer.interrupted([minutes])
  await clock.advance(45_000)
  answers(() => [minute(0, 5)])
  repairer.resumed([minutes])
  await clock.advance(15_000)
  live(minute(1, 3))
  await clock.advance(10_000)
  assert.deepEqual(barsOf(out), ['0: 2 r0', '0: 5 r1 repaired', '1: 3 r0'])
})

test('a bar the stream has spoken of behind the hole is its own to put right', async () => {
  const { clock, repairer, live, answers, out } = setUp()
  live(minute(0, 2))
  await clock.advance(120_000)
  repairer.interrupted([minutes])
  repairer.resumed([minutes])
  // History has it as it was, or as it will be.
  answers(() => [minute(0, 2), minute(1, 7)])
  live(minute(1, 3))
  await clock.advance(10_000)
  live(minute(1, 7, 1))
  assert.deepEqual(barsOf(out), ['0: 2 r0', '1: 3 r0', '1: 7 r1'])
})

test('a bar of history that a slow stream brings too comes once, and what the stream says anew counts', async () => {
  for (const [late, said] of [
    [[minute(1, 3)], []],
    [
      [minute(1, 4), minute(1, 3, 1)],
      ['1: 4 r0', '1: 3 r1'],
    ],
  ] as const) {
    const { clock, repairer, live, answers, out, repeated } = setUp()
    await clock.advance(60_100)
    live(minute(0, 2))
    await clock.advance(58_900)
    repairer.interrupted([minutes])
    await clock.advance(800)
    answers(() => (clock.now() - T0 >= 120_300 ? [minute(0, 2), minute(1, 3)] : [minute(0, 2)]))
    repairer.resumed([minutes])
    await clock.advance(4_000)
    live(...late)
    await clock.advance(10_000)
    assert.deepEqual(barsOf(out), ['0: 2 r0', '1: 3 r0 repaired', ...said])
    assert.equal(repeated.length, late.length - said.length, 'and is told to be left out')
  }
})

test('a trade that history has twice comes once; two quotes may be alike', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  answers(() => [1, 1, 2, 2, 3].map(id => trade(id)))
  live(trade(3))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3])
  const quotes: Topic = { source: 's', kind: 'quote', symbol: 'SPY' }
  const quote = (at: number) =>
    createEvent({ type: 'quote', source: 's', symbol: 'SPY', bid: 1, timestamp: T0 + at })
  const other = setUp()
  other.live(quote(1))
  other.repairer.interrupted([quotes])
  other.repairer.resumed([quotes])
  other.answers(() => [1, 2, 2, 3].map(quote))
  other.live(quote(3))
  await other.clock.advance(1)
  assert.equal(other.out.length, 4)
})

test('a venue that wants to be left alone for a day, or never answers, does not keep a hole open', async () => {
  for (const answer of [
    () => {
      throw new TickwireError('RATE_LIMITED', '429', { retryAfterMs: 86_400_000 })
    },
    () => new Promise(() => {}),
  ]) {
    const { clock, repairer, live, meanwhile, notices } = setUp()
    live(trade(1))
    repairer.interrupted([topic()])
    repairer.resumed([topic()])
    meanwhile(answer)
    await clock.advance(REPAIR_DEFAULTS.giveUpMs + 1)
    assert.deepEqual([repairer.open, notices.at(-1)?.name], [0, 'unrepaired'])
    assert.equal(clock.pending(), 0)
  }
})

test('a topic that is refused when the connection is back has a hole that stays, until it is taken again', async () => {
  const { clock, repairer, live, answers, ids, notices, accounts } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.refused([topic()], new TickwireError('NOT_ENTITLED', 'no more'))
  assert.deepEqual(notices, [{ name: 'unrepaired', symbol: 'SPY', code: 'NOT_ENTITLED' }])
  await clock.advance(1_000)
  answers(() => [1, 2, 3].map(id => trade(id)))
  repairer.resumed([topic()])
  live(trade(3))
  await clock.advance(1)
  assert.deepEqual(ids(), [1, 2, 3])
  const holes = ['opened', 'left', 'opened', 'filled'].map(what => `${what} trade SPY`)
  assert.deepEqual(accounts, holes)
})

test("'*' that is refused and taken again has the holes of all its symbols filled", async () => {
  const { clock, repairer, live, answers, ids, accounts } = setUp()
  const all = topic('*')
  live(trade(1), trade(101, 1, 'QQQ'))
  const lose = () => {
    repairer.interrupted([all])
    repairer.refused([all], new TickwireError('NOT_ENTITLED', 'no more'))
  }
  lose()
  await clock.advance(1_000)
  answers(() => [1, 2, 3].flatMap(id => [trade(id), trade(id + 100, id, 'QQQ')]))
  repairer.resumed([all])
  live(trade(3), trade(103, 3, 'QQQ'))
  await clock.advance(1)
  assert.deepEqual(ids().toSorted(), [1, 101, 102, 103, 2, 3])
  lose()
  repairer.forget([all])
  const before = accounts.length
  repairer.resumed([all])
  assert.equal(accounts.length, before, 'nobody wanted to know of it any more')
})

test('a refusal that may pass is waited for', async () => {
  const { clock, repairer, live, notices } = setUp()
  live(trade(1))
  const full = new TickwireError('SYMBOL_LIMIT', 'full')
  repairer.interrupted([topic()])
  repairer.refused([topic()], full)
  await clock.advance(60_000)
  assert.equal(repairer.open, 1)
  repairer.resumed([topic()])
  await clock.advance(REPAIR_DEFAULTS.giveUpMs)
  assert.equal(notices.at(-1)?.name, 'repaired')
  repairer.interrupted([topic()])
  repairer.refused([topic()], full)
  await clock.advance(REPAIR_DEFAULTS.giveUpMs)
  assert.equal(repairer.open, 1, 'it may be because nobody has asked since')
  repairer.refused([topic()], full)
  assert.equal(notices.at(-1)?.code, 'SYMBOL_LIMIT')
})

test('each hole is accounted for once, whatever becomes of it', async () => {
  const { clock, repairer, live, answers, accounts } = setUp({ giveUpMs: 10_000 })
  const topics = [topic('A'), topic('B'), topic('C'), topic('D')]
  live(...topics.map(({ symbol }) => trade(1, 1, symbol)))
  repairer.interrupted(topics)
  repairer.resumed(topics)
  repairer.interrupted(topics)
  repairer.resumed(topics.slice(0, 2))
  answers(() => [trade(2, 2, 'A')])
  live(trade(2, 2, 'A'), trade(2, 2, 'B'))
  await clock.advance(20_000)
  repairer.forget([topic('C')])
  repairer.close()
  assert.deepEqual(accounts.filter(one => one.startsWith('opened')).length, 4)
  assert.deepEqual(accounts.slice(4), [
    ...['filled trade A', 'left trade B', 'left trade C', 'left trade D'],
  ])
})

test('no more than so many events are held back', () => {
  const { repairer, live, out } = setUp()
  live(trade(0))
  repairer.interrupted([topic()])
  const event = trade(1)
  for (let i = 0; i < 1_000; i++) live(...new Array(100).fill(event))
  assert.equal(out.length, 1)
  live(event)
  assert.equal(out.length, 100_002)
})

test('a hole of more events than can be held in memory is left to a backfill', async () => {
  const { clock, repairer, live, answers, notices, out } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  // Each is one object for all of its places: only their number counts.
  const many = new Array(1_000_001).fill(trade(2))
  answers(() => Object.assign(many, { filter: () => ({ length: 1, map: () => many }) }))
  await clock.advance(1)
  assert.deepEqual(notices.at(-1), { name: 'unrepaired', symbol: 'SPY', code: 'UNSUPPORTED' })
  assert.equal(out.length, 1)
})

test('hundreds of thousands of missed events are delivered', async () => {
  const { clock, repairer, live, answers, out } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  const missed = Array.from({ length: 200_000 }, (_, i) => trade(i + 2))
  answers(() => [trade(1), ...missed, trade(300_000)])
  live(trade(300_000))
  await clock.advance(400_000)
  assert.equal(out.length, 200_002)
})

test('no more than four questions are asked at a time', async () => {
  const { clock, repairer, live, meanwhile, asked } = setUp()
  const topics = Array.from({ length: 6 }, (_, i) => topic(`S${i}`))
  let at = 0
  // Ages that are not asked for together.
  for (const [i, age] of [0, 100, 800, 6_000, 40_000, 300_000].entries()) {
    live(trade(i, -age * 60_000, `S${i}`))
  }
  const waiting: (() => void)[] = []
  meanwhile(() => {
    at++
    return new Promise<void>(resolve => waiting.push(resolve)).then(() => at--)
  })
  repairer.interrupted(topics)
  repairer.resumed(topics)
  await clock.advance(1)
  assert.deepEqual([at, asked.length], [4, 4])
  waiting.shift()!()
  await clock.advance(1)
  assert.deepEqual([at, asked.length], [4, 5])
  // One that has not answered in time lets others ask.
  await clock.advance(REPAIR_DEFAULTS.giveUpMs)
  assert.equal(repairer.open, 0)
})

test('an answer in several pages must show the stream twice: a late report may be missing in its first', async () => {
  const { clock, repairer, live, answers, ids, pages } = setUp()
  live(trade(1))
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  pages(2)
  let known = [1, 3, 4]
  answers(() => known.map(id => trade(id)))
  live(trade(4))
  await clock.advance(1)
  assert.deepEqual(ids(), [1])
  known = [1, 2, 3, 4]
  await clock.advance(REPAIR_DEFAULTS.settleMs)
  assert.deepEqual(ids(), [1, 2, 3, 4])
})

test('what was filled in is known for as long as it may be on its way, and no longer', async () => {
  const { clock, repairer, live, answers, ids } = setUp()
  live(trade(1))
  await clock.advance(100_000)
  repairer.interrupted([topic()])
  repairer.resumed([topic()])
  // Number 2 was sent long before the stream went on.
  answers(() => [trade(1), trade(2), trade(3, 99_000), trade(4, 100_000)])
  live(trade(4, 100_000))
  await clock.advance(1)
  live(trade(2), trade(3, 99_000))
  assert.deepEqual(ids(), [1, 2, 3, 4, 2])
  const batch = [trade(9, 100_001)]
  assert.notEqual(repairer.pass(batch), batch)
  await clock.advance(30_002)
  assert.equal(repairer.pass(batch), batch, 'nothing is looked through any more')
})

/** A candle as it grows or ends, with as much volume as trades. */
const candle = (number: number, volume: number, final = false, revision = 0): MarketEvent =>
  createEvent({ ...minute(number, volume), type: 'bar', volume, final, revision } as never)

test('the end of a candle that grew before a hole is found on a feed so busy that it remembers nothing of it', async () => {
  const { clock, repairer, live, answers, out } = setUp({}, T0 + 120_000)
  repairer.resumed([minutes])
  await clock.advance(59_000)
  live(candle(0, 2))
  repairer.interrupted([minutes])
  await clock.advance(90_000)
  // Of a minute before what stands there nothing is known.
  answers(() => [candle(-1, 9, true), candle(0, 5, true), candle(1, 3, true), candle(2, 1)])
  repairer.resumed([minutes])
  live(candle(2, 1))
  await clock.advance(5_000)
  assert.deepEqual(stagesOf(out), [
    ...['0: 2 r0 …', '0: 5 r0 repaired', '1: 3 r0 repaired', '2: 1 r0 …'],
  ])
})

test('a candle that grows so fast that history never shows it twice the same leaves no hole open', async () => {
  const { clock, repairer, live, answers, out, notices } = setUp()
  repairer.resumed([minutes])
  await clock.advance(59_000)
  live(candle(0, 2))
  repairer.interrupted([minutes])
  await clock.advance(2_000)
  const grown = () => Math.floor((clock.now() - T0 - 60_000) / 100)
  // It lags behind a little.
  answers(() => [candle(0, 4, true), candle(1, Math.max(1, grown() - 5))])
  repairer.resumed([minutes])
  for (let i = 0; i < 100; i++) {
    live(candle(1, grown()))
    await clock.advance(100)
  }
  assert.equal(notices.at(-1)?.name, 'repaired')
  assert.deepEqual(stagesOf(out).slice(0, 3), ['0: 2 r0 …', '0: 4 r0 repaired', '1: 10 r0 …'])
})

test('the end of a candle that is told by the clock is put right where a frame of it was lost', async () => {
  const { clock, repairer, live, answers, out } = setUp()
  repairer.resumed([minutes])
  await clock.advance(59_000)
  live(candle(0, 2))
  repairer.damaged([minutes])
  await clock.advance(3_000)
  // The last frame of it had said 3.
  answers(() => [candle(0, 3, true), candle(1, 1)])
  live(candle(0, 2, true), candle(1, 1))
  await clock.advance(10_000)
  assert.deepEqual(stagesOf(out), ['0: 2 r0 …', '0: 2 r0', '0: 3 r1 repaired', '1: 1 r0 …'])
})

test('a late word on an older candle does not close a hole whose history lags', async () => {
  const { clock, repairer, live, answers, out, notices } = setUp()
  repairer.resumed([minutes])
  await clock.advance(60_000)
  live(candle(0, 2, true))
  await clock.advance(60_000)
  repairer.interrupted([minutes])
  await clock.advance(2_000)
  answers(() => [candle(0, 2, true)])
  repairer.resumed([minutes])
  live(candle(0, 3, true, 1))
  await clock.advance(10_000)
  assert.equal(notices.at(-1)?.name, 'gap', 'nothing shows that history is as far as the stream')
  answers(() => [candle(0, 3, true), candle(1, 7, true), candle(2, 1)])
  live(candle(2, 1))
  await clock.advance(5_000)
  assert.equal(notices.at(-1)?.name, 'repaired')
  assert.deepEqual(
    stagesOf(out).filter(text => text.startsWith('1')),
    ['1: 7 r0 repaired'],
  )
})

test('a bar of history that cannot be true is looked at once, though the hole is asked about again', async () => {
  const { clock, repairer, live, answers, refuses, notices, told } = setUp()
  repairer.resumed([minutes])
  await clock.advance(59_000)
  live(candle(0, 2))
  repairer.interrupted([minutes])
  await clock.advance(2_000)
  let looks = 0
  refuses(event => event.type === 'bar' && event.volume === 999 && looks++ >= 0)
  answers(() => [candle(0, 999, true)])
  repairer.resumed([minutes])
  await clock.advance(60_000)
  assert.equal(looks, 1)
  assert.deepEqual(notices.at(-1), {
    name: 'unrepaired',
    symbol: 'SPY',
    count: 0,
    code: 'INCOMPLETE',
  })
  assert.match(told.at(-1)!.message, /0 that cannot be read and 1 that cannot be true/)
})

test('what could not be true and is put right in history is delivered, and nothing is missing', async () => {
  const { clock, repairer, live, answers, refuses, notices, out } = setUp()
  repairer.resumed([minutes])
  await clock.advance(59_000)
  live(candle(0, 2))
  repairer.interrupted([minutes])
  await clock.advance(2_000)
  refuses(event => event.type === 'bar' && event.volume === 999)
  answers(() => [candle(0, 999, true)])
  repairer.resumed([minutes])
  await clock.advance(10_000)
  answers(() => [candle(0, 4, true)])
  await clock.advance(120_000)
  assert.deepEqual(stagesOf(out), ['0: 2 r0 …', '0: 4 r0 repaired'])
  assert.equal(notices.at(-1)?.name, 'repaired')
})

test('a candle that a quiet symbol never speaks of again is over when history says so', async () => {
  const { clock, repairer, live, answers, out, notices } = setUp()
  const five: Topic = { ...minutes, interval: '5m' }
  const long = (volume: number, final: boolean) =>
    createEvent({ ...candle(0, volume, final), type: 'bar', interval: '5m' } as never)
  const length = 5 * 60_000
  repairer.resumed([five])
  await clock.advance(60_000)
  live(long(2, false))
  repairer.interrupted([five])
  await clock.advance(2_000)
  answers(() => [long(2, clock.now() - T0 > length + 2_000)])
  repairer.resumed([five])
  await clock.advance(60_000)
  assert.equal(notices.at(-1)?.name, 'repaired')
  assert.deepEqual(stagesOf(out), ['0: 2 r0 …'])
  await clock.advance(length)
  assert.deepEqual(stagesOf(out), ['0: 2 r0 …', '0: 2 r0 repaired'])
  repairer.close()
  assert.equal(clock.pending(), 0, 'and is waited for no longer')
})

test('a candle of which nobody has said that it is over is asked for behind the next one too', async () => {
  // Of a feed so busy that it remembers neither.
  const { clock, repairer, live, answers, out, notices } = setUp({}, T0 + 600_000)
  repairer.resumed([minutes])
  await clock.advance(20_000)
  live(candle(0, 2))
  repairer.interrupted([minutes])
  repairer.resumed([minutes])
  answers(() => [candle(-1, 9, true), candle(0, 2)])
  await clock.advance(42_000)
  assert.equal(notices.at(-1)?.name, 'repaired')
  // The connection of now has not heard of the first, so it does not say that it is over.
  live(candle(1, 1))
  repairer.interrupted([minutes])
  answers(() => [candle(-1, 9, true), candle(0, 2, true), candle(1, 1)])
  repairer.resumed([minutes])
  await clock.advance(10_000)
  assert.deepEqual(stagesOf(out), ['0: 2 r0 …', '1: 1 r0 …', '0: 2 r0 repaired'])
})

test('a candle never goes back, whatever history that lags or frames on their way say', async () => {
  const { clock, repairer, live, answers, out, repeated } = setUp()
  repairer.resumed([minutes])
  await clock.advance(30_000)
  live(candle(0, 5))
  repairer.interrupted([minutes])
  await clock.advance(2_000)
  answers(() => [candle(0, 3)])
  repairer.resumed([minutes])
  await clock.advance(2_000)
  assert.deepEqual(stagesOf(out), ['0: 5 r0 …'], 'history lags')
  repairer.interrupted([minutes])
  answers(() => [candle(0, 9)])
  repairer.resumed([minutes])
  await clock.advance(2_000)
  live(candle(0, 7), candle(0, 10), candle(0, 8, true))
  assert.equal(repeated.length, 1)
  await clock.advance(10_000)
  assert.deepEqual(stagesOf(out).slice(1, 3), ['0: 9 r0 repaired …', '0: 10 r0 …'])
})

test('where so much came behind a hole that it is not remembered, none of it comes twice', async () => {
  for (const isLostAgain of [false, true]) {
    const { clock, repairer, live, answers, meanwhile, ids, notices, told } = setUp()
    repairer.resumed([topic()])
    live(trade(1))
    repairer.interrupted([topic()])
    let isDown = true
    meanwhile(() => {
      if (isDown) throw new TickwireError('VENUE_ERROR', 'down')
    })
    answers(() => [1, 2, 3, 4, 5, 6].map(id => trade(id)))
    repairer.resumed([topic()])
    live(trade(4), trade(5))
    await clock.advance(5_000)
    assert.deepEqual(ids(), [1, 4, 5], 'held for no longer')
    for (let i = 0; i < 140; i++) {
      const time = clock.now() - T0
      live(...Array.from({ length: 1_000 }, (_, j) => trade(i * 1_000 + j, time + j / 10, 'QQQ')))
      await clock.advance(150)
    }
    if (isLostAgain) {
      repairer.interrupted([topic()])
      repairer.resumed([topic()])
    }
    isDown = false
    await clock.advance(60_000)
    const spy = ids().filter((_, i) => i < 3 || i >= 140_003)
    assert.deepEqual(spy, [1, 4, 5, 2, 3])
    const { name, count } = notices.at(-1)!
    assert.deepEqual([name, count], [isLostAgain ? 'unrepaired' : 'repaired', 2])
    if (isLostAgain)
      assert.match(told.at(-1)!.message, /filled in part: 2 events, .* not remembered/)
  }
})

test('history that never counts as much of a candle as the stream is taken for what it is in the end', async () => {
  const { clock, repairer, live, answers, out, notices } = setUp()
  const five: Topic = { ...minutes, interval: '5m' }
  const long = (number: number, volume: number, final = false) =>
    createEvent({ ...candle(number * 5, volume, final), type: 'bar', interval: '5m' } as never)
  repairer.resumed([five])
  await clock.advance(299_000)
  live(long(0, 2))
  repairer.interrupted([five])
  await clock.advance(3_000)
  answers(() => [long(0, 4, true), long(1, 1)])
  repairer.resumed([five])
  live(long(1, 9))
  await clock.advance(REPAIR_DEFAULTS.giveUpMs - 5_000)
  assert.equal(notices.at(-1)?.name, 'gap')
  await clock.advance(10_000)
  assert.equal(notices.at(-1)?.name, 'repaired')
  assert.deepEqual(stagesOf(out), ['0: 2 r0 …', '5: 9 r0 …', '0: 4 r0 repaired'])
})
