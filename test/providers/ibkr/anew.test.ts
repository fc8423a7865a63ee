// Subscriptions that are made anew: what trades until the new one is served is filled in, however long that takes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOON, rest, type Scene, scene, trade, until } from './kit.ts'

const at = (ms: number, symbol = 'AAPL') =>
  trade(symbol, 100 + ms / 1_000, 1, { timestamp: NOON + ms })
const held = ({ tws }: Scene) => [...(tws.clients[0]?.subscriptions ?? [])].sort()
const prices = (stage: Scene) => stage.of('trade').map(({ price }) => price)

/** Requests of ticks and their cancels, as `97` and `98`. */
const asked = ({ tws }: Scene) => tws.messages.map(([id]) => id).filter(id => /^9[78]$/.test(id!))

/** The number of the last request for ticks. */
const lastId = ({ tws }: Scene) => tws.messages.findLast(([id]) => id === '97')![1]

async function watching(stage: Scene): Promise<void> {
  stage.feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
}

test('1101 soon after the request: what trades until IBKR takes another one is filled in', async t => {
  const stage = await scene(t)
  const { feed, tws, clock, deliver, pass } = stage
  await watching(stage)
  deliver(at(0))
  await pass(2_000)
  tws.fault({ fault: 'upstream', for: '1s', data: 'lost' })
  await pass(10_000)
  assert.deepEqual(held(stage), [], 'ticks of a symbol are asked for once in 15 s')
  assert.equal(feed.health().state, 'stale')
  assert.match(feed.health().reason, /dropped AAPL, asked for anew in a moment: .* once in 15 s/)
  deliver(at(12_000))
  await pass(6_000)
  assert.deepEqual(held(stage), ['last AAPL'])
  assert.notEqual(feed.health().state, 'stale')
  deliver(at(18_000))
  await pass(60_000)
  assert.deepEqual(prices(stage), [100, 112, 118])
  assert.equal(clock.now() - NOON > 70_000, true)
  assert.deepEqual(tws.breaches, [])
})

test('the same of a symbol of which nothing had come yet', async t => {
  const stage = await scene(t)
  const { tws, deliver, pass } = stage
  await watching(stage)
  await pass(3_000)
  tws.fault({ fault: 'upstream', for: '1s', data: 'lost' })
  await pass(9_000)
  deliver(at(12_000))
  await pass(60_000)
  assert.deepEqual(prices(stage), [112])
})

test('1101 twice within ten seconds: one request follows, and nothing is lost', async t => {
  const stage = await scene(t)
  const { tws, deliver, pass } = stage
  await watching(stage)
  deliver(at(0))
  await pass(1_000)
  for (const from of [1_000, 3_500, 6_000]) {
    tws.fault({ fault: 'upstream', for: '1s', data: 'lost' })
    await pass(1_000)
    deliver(at(from + 1_000))
    await pass(1_500)
  }
  await pass(3_000)
  deliver(at(12_000))
  await pass(48_000, 1_000)
  deliver(at(60_000))
  await pass(60_000, 1_000)
  assert.deepEqual(prices(stage), [100, 102, 104.5, 107, 112, 160])
  assert.deepEqual(asked(stage), ['97', '98', '97'])
  assert.deepEqual(tws.breaches, [])
})

test('10182 soon after the request: nothing is lost, on the same connection', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, pass } = stage
  await watching(stage)
  deliver(at(0))
  await pass(2_000)
  tws.fault({ fault: 'ticks-end' })
  await rest()
  assert.equal(feed.health().state, 'stale')
  await pass(5_000)
  deliver(at(7_000))
  await pass(9_000)
  deliver(at(16_000))
  await pass(60_000)
  assert.deepEqual(prices(stage), [100, 107, 116])
  assert.equal(feed.stats().connects, 1)
})

test('10182 again and again: asked for ever more rarely, and nothing is lost', async t => {
  const stage = await scene(t)
  const { feed, tws, clock, deliver, pass } = stage
  await watching(stage)
  const sent: number[] = []
  for (let second = 0; second < 240; second++) {
    if (second % 20 === 2 && held(stage).length > 0) tws.fault({ fault: 'ticks-end' })
    if (second % 5 === 0) {
      const ms = Math.floor(clock.now() - NOON)
      sent.push(100 + ms / 1_000)
      deliver(at(ms))
    }
    await pass(1_000)
  }
  await pass(120_000, 1_000)
  assert.deepEqual(
    [...prices(stage)].sort((a, b) => a - b),
    sent,
  )
  assert.equal(feed.stats().connects, 1)
  assert.deepEqual(tws.breaches, [])
})

test('what trades in a long wait for another request is filled in, though the hole before it was closed', async t => {
  const stage = await scene(t)
  const { feed, tws, clock, deliver, pass, passUntil, notices } = stage
  await watching(stage)
  deliver(at(0))
  const isThere = () => held(stage).length === 1
  // Ever longer: 1 s, 2 s, 4 s … a minute.
  for (let i = 0; i < 8; i++) {
    await passUntil(isThere, 'the subscription')
    await pass(500)
    tws.fault({ fault: 'ticks-end' })
    await pass(500)
  }
  const repairs = () => notices.filter(line => line.startsWith('repaired')).length
  const before = repairs()
  await passUntil(() => repairs() > before, 'the end of the hole')
  assert.equal(isThere(), false)
  await pass(1_000)
  assert.equal(feed.health().state, 'stale')
  const missed = Math.floor(clock.now() - NOON)
  deliver(at(missed))
  await passUntil(isThere, 'the subscription')
  await pass(60_000)
  assert.deepEqual(prices(stage), [100, 100 + missed / 1_000])
  assert.equal(feed.stats().connects, 1)
})

test('what is silent behind an outage is asked for anew without losing a bar', async t => {
  const contracts = Array.from({ length: 90 }, (_, i) => ({
    ...{ conId: i + 1, symbol: `S${i}`, secType: 'STK', exchange: 'SMART', currency: 'USD' },
    primaryExch: 'NYSE',
  }))
  const stage = await scene(t, { tws: { contracts } })
  const { feed, tws, pass, deliver, of, notices } = stage
  const names = contracts.map(({ symbol }) => symbol)
  const some = names.slice(0, 8)
  const all = (list: readonly string[], ms: number) =>
    deliver(...list.map(symbol => trade(symbol, 50, 1, { timestamp: NOON + ms })))
  feed.tickers(names, () => {})
  await pass(3_000, 100)
  feed.bars(some, () => {}, { interval: '5s' })
  await pass(4_000, 100)
  all(names, 7_000)
  await pass(5_500, 100)
  assert.equal(held(stage).length, 98)
  tws.fault({ fault: 'upstream', for: '1s', data: 'kept' })
  await pass(20_000, 100)
  all(some, 32_600)
  // At 33.5 s all of them are asked for anew, which takes until 37 s: 196 messages at 45 a second.
  await pass(3_000, 100)
  all(some, 35_400)
  await pass(7_000, 100)
  all(some, 42_600)
  await pass(200_000)
  for (const symbol of some) {
    const starts = of('bar').filter(bar => bar.symbol === symbol)
    assert.deepEqual(
      starts.map(({ timestamp }) => (timestamp - NOON) / 1_000),
      [5, 30, 35, 40],
    )
  }
  const repaired = notices.filter(
    line => line.startsWith('repaired') && line.includes('in 5s bars'),
  )
  assert.ok(repaired.length > 0, notices.join('\n'))
  assert.deepEqual(tws.breaches, [])
})

test('a subscription is heard until the moment another one leaves in its place', async t => {
  const stage = await scene(t)
  const { tws, deliver, pass } = stage
  await watching(stage)
  deliver(at(0))
  await pass(20_000)
  tws.fault({ fault: 'upstream', for: '1s', data: 'kept' })
  await pass(1_500)
  await pass(20_000)
  // The way back at 21 s, the request anew at 41 s: both messages leave together.
  const [, cancel, again] = tws.messages.filter(([id]) => /^9[78]$/.test(id!))
  assert.deepEqual([cancel?.[0], again?.[0]], ['98', '97'])
  const from = tws.messages.indexOf(cancel!)
  assert.equal(tws.messages[from + 1], again)
  deliver(at(41_600))
  await pass(60_000)
  assert.deepEqual(prices(stage), [100, 141.6])
  assert.notEqual(lastId(stage), cancel?.[1])
})

test('a trade that comes together with a refusal is of before it', async t => {
  const stage = await scene(t)
  const { tws, deliver, pass } = stage
  await watching(stage)
  deliver(at(0))
  await pass(20_000)
  deliver(at(20_000))
  tws.fault({ fault: 'ticks-end', code: 10_999, text: 'Some new error' })
  await pass(1_000)
  deliver(at(21_000))
  await pass(120_000, 1_000)
  assert.deepEqual(prices(stage), [100, 120, 121])
})

test('a stream that runs and is refused is asked for again, and what it missed is filled in', async t => {
  for (const [code, text] of [
    [10_999, 'Some new error'],
    [420, 'Invalid Real-time Query: pacing'],
    [10_190, 'Max number of tick-by-tick requests has been reached'],
  ] as const) {
    const stage = await scene(t)
    const { feed, tws, clock, deliver, pass, notices } = stage
    await watching(stage)
    deliver(at(0))
    await pass(20_000)
    tws.fault({ fault: 'ticks-end', code, text })
    const sent = [100]
    for (let i = 0; i < 90; i++) {
      const ms = Math.floor(clock.now() - NOON)
      deliver(at(ms))
      sent.push(100 + ms / 1_000)
      await pass(1_000)
    }
    await pass(120_000, 1_000)
    assert.deepEqual(
      [...prices(stage)].sort((a, b) => a - b),
      sent,
      `${code}\n${notices.join('\n')}`,
    )
    assert.equal(feed.stats().connects, 1)
  }
})
