// IBKR takes 60 requests for bars in ten minutes: more wait for their turn, and are told to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rest, type Scene, scene, trade, until } from './kit.ts'

const TEN_MINUTES = 600_000

/** Bars of so many symbols. */
async function barsOf(t: Parameters<typeof scene>[0], count: number) {
  const contracts = Array.from({ length: count }, (_, i) => ({
    ...{ conId: i + 1, symbol: `S${i}`, secType: 'STK', exchange: 'SMART', currency: 'USD' },
    primaryExch: 'NYSE',
  }))
  const stage = await scene(t, { tws: { contracts } })
  const names = contracts.map(({ symbol }) => symbol)
  const bars = stage.feed.bars(names, () => {}, { interval: '5s' })
  return { ...stage, names, bars }
}

const held = ({ tws }: Scene) => tws.clients[0]?.subscriptions.length ?? 0
const refused = ({ notices }: Scene) =>
  notices.filter(line => line.startsWith('rejected RATE_LIMITED'))

test('those beyond it are told when they come, and come by themselves', async t => {
  const stage = await barsOf(t, 70)
  const { tws, names, bars, of, pass } = stage
  await pass(11_000)
  const { accepted, rejected } = await bars.ready
  assert.deepEqual([accepted.length, rejected.length, held(stage)], [58, 12, 58])
  assert.match(
    rejected[0]!.reason.message,
    /60 requests for bars .* come by themselves within 12 min/,
  )
  await pass(TEN_MINUTES - 15_000, 5_000)
  assert.equal(held(stage), 58)
  await pass(85_000, 5_000)
  assert.equal(held(stage), 70)
  const before = of('bar').length
  tws.deliver(names.map(name => trade(name, 10, 1, { timestamp: Math.floor(stage.clock.now()) })))
  await pass(5_500)
  assert.equal(of('bar').length - before, 70)
  assert.equal(refused(stage).length, 12, 'told once')
  assert.deepEqual(tws.breaches, [])
})

test('connections that end have no more of them than one', async t => {
  const stage = await barsOf(t, 40)
  const { tws, pass } = stage
  await pass(5_000)
  assert.equal(held(stage), 40)
  tws.fault({ fault: 'cut' })
  await pass(10_000)
  assert.equal(held(stage), 18)
  assert.equal(refused(stage).length, 22)
  await pass(TEN_MINUTES + 70_000, 5_000)
  assert.equal(held(stage), 40)
  assert.deepEqual(tws.breaches, [])
})

test('what TWS has dropped is stale until it is its turn', async t => {
  const stage = await barsOf(t, 40)
  const { feed, tws, pass } = stage
  await pass(5_000)
  tws.fault({ fault: 'upstream', for: '1s', data: 'lost' })
  await pass(5_000)
  assert.equal(held(stage), 18)
  assert.equal(feed.health().state, 'stale')
  assert.match(feed.health().reason, /dropped S18, .* and 17 more.* 60 requests for bars/)
  await pass(TEN_MINUTES + 70_000, 5_000)
  assert.equal(held(stage), 40)
  assert.notEqual(feed.health().state, 'stale')
  assert.deepEqual(tws.breaches, [])
})

test('bars that come while they wait to be asked for anew need not be', async t => {
  const stage = await barsOf(t, 40)
  const { feed, tws, names, clock, pass } = stage
  await pass(5_000)
  tws.fault({ fault: 'upstream', for: '1s', data: 'kept' })
  // All are silent, so all are asked for anew, as far as that goes.
  await pass(25_000)
  assert.match(feed.health().reason, /60 requests for bars/)
  tws.deliver(names.map(name => trade(name, 10, 1, { timestamp: Math.floor(clock.now()) })))
  await pass(5_500)
  await until(() => feed.health().state !== 'stale')
  await rest()
  assert.equal(held(stage), 40)
  const asked = () => tws.messages.filter(([id]) => id === '50').length
  const before = asked()
  await pass(TEN_MINUTES + 70_000, 5_000)
  assert.equal(asked(), before)
  assert.deepEqual(tws.breaches, [])
})
