import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { HistoryRequest } from '../../../src/flow/contracts.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import { type IbkrOptions, ibkr } from '../../../src/providers/ibkr/index.ts'
import { loadLibrary } from '../../../src/providers/ibkr/library.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { type FakeTwsOptions, fakeTws } from '../../../src/testing/fake-tws.ts'
import { NOON, quote, rest, trade } from './kit.ts'

async function past(t: TestContext, options: { tws?: FakeTwsOptions; ibkr?: IbkrOptions } = {}) {
  await loadLibrary()
  const clock = handClock(NOON + 7_200_000)
  const tws = await fakeTws({ clock, ...options.tws }).listen()
  t.after(() => tws.close())
  const provider = ibkr({ port: tws.port, clock, ...options.ibkr })
  /** Asks, and turns the clock until the answer is there. */
  async function settle<T>(asked: Promise<T>): Promise<T> {
    let over = false
    const done = () => {
      over = true
    }
    asked.then(done, done)
    for (let i = 0; i < 5_000 && !over; i++) {
      await rest()
      if (!over) await clock.advance(500)
    }
    return asked
  }
  const ask = (request: Partial<HistoryRequest>) =>
    settle(
      (async () => {
        const found: MarketEvent[] = []
        const whole = { kind: 'trade', symbols: ['AAPL'], from: NOON, to: NOON + 60_000 } as const
        for await (const batch of provider.history!({ ...whole, ...request })) found.push(...batch)
        return found
      })(),
    )
  return { clock, tws, provider, ask, settle }
}

test('trades of a time, with its bounds, in order; a client id of its own, given back', async t => {
  const { tws, ask } = await past(t)
  for (const at of [-1_000, 0, 500, 30_000, 60_000, 61_000]) {
    tws.deliver([trade('AAPL', 100 + at / 1_000, 1, { timestamp: NOON + at, conditions: ['T'] })])
  }
  const found = await ask({})
  assert.deepEqual(
    found.map(event => event.type === 'trade' && [event.price, event.timestamp - NOON]),
    [
      [100, 0],
      [100.5, 0],
      [130, 30_000],
      [160, 60_000],
    ],
  )
  assert.equal(found[0]?.source, 'ibkr')
  assert.deepEqual(tws.messages.find(([id]) => id === '71')?.[2], '8426')
  await rest()
  assert.equal(tws.clients.length, 0)
  assert.deepEqual(tws.breaches, [])
})

test('thousands of trades, hundreds in one second, come in pages, each of them once', async t => {
  const { tws, ask } = await past(t)
  const trades = Array.from({ length: 4_321 }, (_, i) =>
    // Many say the same in the same second.
    trade('AAPL', 100 + (i % 3), 1, { timestamp: NOON + Math.floor(i / 700) * 1_000 }),
  )
  tws.deliver(trades)
  const found = await ask({})
  assert.equal(found.length, trades.length)
  assert.deepEqual(
    found.map(event => event.type === 'trade' && event.price),
    trades.map(({ price }) => price),
  )
  assert.ok(tws.messages.filter(([id]) => id === '96').length <= 6)
  assert.deepEqual(tws.breaches, [])
})

test('more than a page in one second goes on behind it', async t => {
  const { tws, ask } = await past(t)
  const trades = Array.from({ length: 2_500 }, (_, i) =>
    trade('AAPL', i + 1, 1, { timestamp: NOON + (i < 2_400 ? 0 : 1_000) }),
  )
  tws.deliver(trades)
  assert.equal((await ask({})).length, 2_500)
})

test('quotes and the latest of each', async t => {
  const { tws, ask, provider, settle } = await past(t)
  tws.deliver([quote('AAPL', 1, 2), quote('AAPL', 1, 2, { timestamp: NOON + 2_000 })])
  tws.deliver([trade('AAPL', 5, 1, { timestamp: NOON }), trade('AAPL', 6, 1, { timestamp: NOON })])
  assert.equal((await ask({ kind: 'quote' })).length, 2)
  const [last] = await settle(provider.latest!({ kind: 'trade', symbols: ['AAPL'] }))
  assert.equal(last?.type === 'trade' && last.price, 6)
  assert.deepEqual(await settle(provider.latest!({ kind: 'trade', symbols: ['MSFT'] })), [])
})

test('the latest trade is found behind some that were not reported', async t => {
  const { tws, provider, settle } = await past(t)
  tws.deliver([trade('AAPL', 5, 1, { timestamp: NOON })])
  for (let i = 1; i <= 20; i++) {
    const timestamp = NOON + i * 1_000
    tws.deliver([trade('AAPL', 6, 1, { timestamp, conditions: ['unreported'] })])
  }
  const [last] = await settle(provider.latest!({ kind: 'trade', symbols: ['AAPL'] }))
  assert.equal(last?.type === 'trade' && last.price, 5)
})

test('bars of five seconds, over the hours TWS answers one at a time', async t => {
  const { tws, ask } = await past(t)
  for (const at of [0, 3_000, 5_000, 3_599_000, 3_600_000, 7_000_000]) {
    tws.deliver([trade('AAPL', 100, 1, { timestamp: NOON + at })])
  }
  const found = await ask({ kind: 'bar', interval: '5s', to: NOON + 7_200_000 })
  assert.deepEqual(
    found.map(event => event.type === 'bar' && [event.timestamp - NOON, event.volume]),
    [
      [0, 2],
      [5_000, 1],
      [3_595_000, 1],
      [3_600_000, 1],
      [7_000_000, 1],
    ],
  )
})

test('unreported trades are left out as they are on the stream, and told with all', async t => {
  const odd = trade('AAPL', 9, 1, { timestamp: NOON, conditions: ['unreported'] })
  const plain = await past(t)
  plain.tws.deliver([odd])
  assert.equal((await plain.ask({})).length, 0)
  const all = await past(t, { ibkr: { trades: 'all' } })
  all.tws.deliver([odd])
  const [event] = await all.ask({})
  assert.deepEqual(event?.type === 'trade' && event.conditions, ['unreported'])
})

test('what TWS refuses is told for what it is, and nothing is an answer', async t => {
  const { tws, ask } = await past(t, { tws: { unsubscribed: ['MSFT'] } })
  await assert.rejects(ask({ symbols: ['NOPE'] }), { code: 'UNKNOWN_SYMBOL' })
  await assert.rejects(ask({ symbols: ['MSFT'] }), { code: 'NOT_ENTITLED' })
  await assert.rejects(ask({ symbols: ['EUR/USD'] }), { code: 'UNSUPPORTED' })
  await assert.rejects(ask({ kind: 'news' }), { code: 'UNSUPPORTED' })
  await assert.rejects(ask({ kind: 'bar' }), { code: 'UNSUPPORTED' })
  await assert.rejects(ask({ from: NOON + 1, to: NOON }), { code: 'BAD_OPTION' })
  tws.fault({ fault: 'history' })
  await assert.rejects(ask({}), { code: 'RATE_LIMITED', retryAfterMs: 15_000 })
  tws.fault({ fault: 'history', text: 'HMDS query returned no data: AAPL@SMART Trades' })
  assert.deepEqual(await ask({}), [])
  tws.fault({ fault: 'history', text: 'Historical Market Data Service error message:broken' })
  await assert.rejects(ask({}), { code: 'VENUE_ERROR' })
  tws.fault({ fault: 'history', code: 366, text: 'No historical data query found' })
  await assert.rejects(ask({}), { code: 'VENUE_ERROR', message: /did not say the past of AAPL/ })
})

/** Answers the next question about ticks with these records instead of what there is. */
function answerTicks(
  tws: Awaited<ReturnType<typeof past>>['tws'],
  ...records: (string | number)[]
) {
  const before = tws.messages.filter(([id]) => id === '96').length
  tws.fault({ fault: 'history', code: 366, text: 'ignored' })
  const timer = setInterval(() => {
    const asked = tws.messages.filter(([id]) => id === '96')
    if (asked.length === before) return
    clearInterval(timer)
    tws.say(98, asked.at(-1)![1], records.length / 6, ...records, true)
  }, 1)
}

test('wrong answers end the question, or are counted by whoever counts', async t => {
  const { tws, ask } = await past(t)
  const second = NOON / 1_000
  answerTicks(tws, second + 9, 0, 10, 1, 'X', '', second + 8, 0, 10, 1, 'X', '')
  await assert.rejects(ask({}), { code: 'VENUE_ERROR', message: /out of order/ })
  answerTicks(tws, second, 0, 10, '', 'X', '')
  await assert.rejects(ask({}), { code: 'VENUE_ERROR', message: /without a price or size/ })
  const told: string[] = []
  answerTicks(tws, second, 0, 10, '', 'X', '', second, 0, 11, 2, 'X', '')
  const found = await ask({ malformed: (_, reason) => told.push(reason) })
  assert.deepEqual([found.length, told.length], [1, 1])
  // Records of another time are left out.
  answerTicks(tws, second + 300, 0, 10, 1, 'X', '')
  assert.deepEqual(await ask({}), [])
})

test('a lost connection ends the question, and a signal gives it up', async t => {
  const { tws, ask, provider, settle } = await past(t)
  tws.fault({ fault: 'slam' })
  await assert.rejects(ask({}), { code: 'UNREACHABLE' })
  tws.fault({ fault: 'client-id' })
  await assert.rejects(ask({}), { code: 'CONNECTION_LIMIT' })
  tws.fault({ fault: 'history', code: 366, text: 'ignored' })
  const timer = setInterval(() => {
    if (!tws.messages.some(([id]) => id === '96')) return
    clearInterval(timer)
    tws.fault({ fault: 'cut' })
  }, 1)
  await assert.rejects(ask({}), { code: 'CONNECTION_LOST' })
  const abort = new AbortController()
  abort.abort()
  const given = provider.latest!({ kind: 'trade', symbols: ['AAPL'], signal: abort.signal })
  await assert.rejects(settle(given), { code: 'CLOSED' })
})
