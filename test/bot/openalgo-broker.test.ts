// Orders through OpenAlgo, which keeps no id of ours, against a scripted broker on this machine.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/base/clock.ts'
import { Account } from '../../src/bot/account.ts'
import type { KeptOrder } from '../../src/bot/account-books.ts'
import type { Order } from '../../src/bot/orders.ts'
import type { BrokerOrder, TradingApi } from '../../src/bot/trading.ts'
import { openAlgoBroker } from '../../src/providers/openalgo/broker.ts'
import { decodeOrders, decodeUpdate } from '../../src/providers/openalgo/broker-decode.ts'
import { ScriptedBroker, type ScriptedBrokerOptions } from '../../src/testing/scripted-broker.ts'

const PRICES = { 'NSE:INFY': 1_500, 'NSE:RELIANCE': 2_900 }

async function setUp(t: TestContext, options: ScriptedBrokerOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-openalgo-'))
  const broker = new ScriptedBroker({
    ...{ dialect: 'openalgo', prices: PRICES, lateMs: 700, stepMs: 30, ...options },
  })
  await broker.start()
  const accounts: Account[] = []
  const said: string[] = []
  const apiOf = (more: { live?: boolean; apiKey?: string } = {}): TradingApi =>
    openAlgoBroker({
      ...{ apiKey: 'key', restUrl: broker.url, url: broker.url.replace('http', 'ws') },
      ...{ timeoutMs: 300, ...more },
    })
  const open = (api = apiOf()) => {
    const account = new Account({
      ...{ api, folder, clock: systemClock(), lookMs: 300, giveUpMs: 2_500 },
      said: line => said.push(line),
    })
    accounts.push(account)
    return account
  }
  t.after(async () => {
    for (const account of accounts) account.close()
    await broker.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return { broker, apiOf, open, said }
}

function order(id: string, more: Partial<Order> = {}): Order {
  return {
    ...{ id, symbol: 'NSE:INFY', side: 'buy', quantity: 10, type: 'market', timeInForce: 'day' },
    ...{ limitPrice: undefined, stopPrice: undefined, reason: undefined, createdAt: Date.now() },
    ...{ status: 'submitted', filled: 0, averagePrice: undefined, ending: undefined, ...more },
  }
}

/** Whatever the machine is like; what never comes true ends the test. */
async function until(what: string, done: () => boolean, said: readonly string[]): Promise<void> {
  for (const end = performance.now() + 60_000; !done(); await sleep(10)) {
    assert.ok(performance.now() < end, `never: ${what}\n${said.join('\n')}`)
  }
}

test('orders are placed, filled and canceled in the mode of the analyzer, and its stream tells', async t => {
  const { broker, open, said } = await setUp(t, { byHand: true })
  const account = open()
  const heard: string[] = []
  account.attach('ma', ({ order, status, filled }: KeptOrder) => {
    heard.push(`${order.id} ${status} ${filled}`)
  })
  await account.start()
  assert.equal(account.state!.id, 'demo at scripted')
  account.place('ma', order('ma-1'))
  account.place('ma', order('ma-2', { type: 'limit', limitPrice: 1_400 }))
  const placed = (n: number) => [...broker.desk.orders.values()][n]
  await until(
    'two orders',
    () => heard.includes('ma-1 open 0') && heard.includes('ma-2 open 0'),
    said,
  )
  const [one, two] = [...account.books.orders.values()].map(kept => kept.told!.id)
  broker.desk.filled(one!, 4, 1_500)
  await until('a part', () => heard.includes('ma-1 partly-filled 4'), said)
  broker.desk.filled(one!, 6, 1_510)
  await until('all of it', () => heard.includes('ma-1 filled 10'), said)
  assert.equal(account.books.orders.get('ma-1')!.averagePrice, 1_506)
  account.cancel('ma-2')
  await until('canceled', () => heard.includes('ma-2 canceled 0'), said)
  assert.equal(broker.desk.order(two!)!.status, 'canceled')
  assert.equal(placed(0)!.type === 'market' || placed(1)!.type === 'market', true)
  // What somebody else trades is theirs.
  const { id } = broker.desk.place({
    ...{ clientId: 'by-hand', symbol: 'NSE:RELIANCE', side: 'buy', quantity: 3, type: 'market' },
    ...{ timeInForce: 'day', limitPrice: undefined, stopPrice: undefined, extendedHours: false },
  })
  broker.desk.filled(id, 3, 2_900)
  await until('external', () => account.books.heldByOthers().get('NSE:RELIANCE') === 3, said)
  assert.deepEqual([...account.books.heldBy('ma')], [['NSE:INFY', 10]])
  assert.equal(account.phase, 'ready')
})

test('what is refused is told with its reason, and what OpenAlgo has no words for is not sent', async t => {
  const { broker, apiOf, open, said } = await setUp(t, { cash: 20_000 })
  const account = open()
  const endings = new Map<string, string | undefined>()
  account.attach('ma', kept => {
    if (kept.status === 'rejected') endings.set(kept.order.id, kept.ending)
  })
  await account.start()
  account.place('ma', order('ma-1', { quantity: 100 }))
  account.place('ma', order('ma-2', { timeInForce: 'gtc' }))
  account.place('ma', order('ma-3', { quantity: 0.5 }))
  account.place('ma', order('ma-4', { symbol: 'INFY' }))
  account.place('ma', order('ma-5', { symbol: 'NSE:NOBODY' }))
  await until('five refusals', () => endings.size === 5, said)
  assert.match(endings.get('ma-1')!, /Insufficient funds/)
  assert.match(endings.get('ma-2')!, /orders for the day, not gtc/)
  assert.match(endings.get('ma-3')!, /NSE trades whole units, not 0\.5/)
  assert.match(endings.get('ma-4')!, /name their exchange/)
  assert.match(endings.get('ma-5')!, /not found/)
  assert.deepEqual([...broker.posts.keys()], ['buy 100 NSE:INFY', 'buy 10 NSE:NOBODY'])
  account.close()
  // Money was meant, and OpenAlgo is in its analyzer mode: nothing is sent at all.
  const live = apiOf({ live: true })
  await assert.rejects(live.submit(order('ma-6')), {
    ...{ code: 'ORDER_REJECTED', message: /in its analyzer mode, and live trading was asked for/ },
  })
  assert.equal(broker.posts.size, 2)
  assert.throws(() => apiOf({ apiKey: '' }), { code: 'MISSING_KEY' })
})

test('a key that is refused ends it', async t => {
  const { open } = await setUp(t, { key: 'another' })
  await assert.rejects(open().start(), { code: 'AUTH_FAILED' })
})

test('over lost answers and restarts no order is sent twice, and no fill is lost', async t => {
  const faults = {
    ...{ lostReply: 0.15, lostRequest: 0.1, late: 0.1, failed: 0.05, failedAfter: 0.1 },
    ...{ doubled: 0.2, swapped: 0.2, dropped: 0.2, cut: 0.02, rejected: 0.1 },
  }
  const { broker, open, said } = await setUp(t, { seed: 7, faults, cash: 100_000_000 })
  let account = open()
  let n = 0
  for (let life = 0; life < 3; life++) {
    if (life > 0) {
      account.close()
      account = open()
    }
    void account.start().catch(error => said.push(String(error)))
    await until('ready', () => account.phase === 'ready', said)
    for (let sent = 0; sent < 10; sent++) {
      // Each of a quantity of its own, but for every third, which is like the one before.
      n++
      const quantity = n % 3 === 0 ? n - 1 : n
      account.place('ma', order(`ma-${n}`, { quantity, side: n % 5 === 0 ? 'sell' : 'buy' }))
      await sleep(15)
    }
  }
  broker.isCalm = true
  await until(
    'nothing is open',
    () => {
      for (const { order } of account.books.open()) account.cancel(order.id)
      return account.phase !== 'connecting' && account.books.open().length === 0
    },
    said,
  )
  // Looks behind the last word find everything as it is.
  await sleep(1_500)
  assert.equal(account.phase, 'ready', account.why)
  const kept = [...account.books.orders.values()]
  const keyOf = ({ side, quantity, symbol }: Order) => `${side} ${quantity} ${symbol}`
  for (const [key, count] of broker.posts) {
    const meant = kept.filter(one => keyOf(one.order) === key).length
    assert.ok(count <= meant, `${key} was sent ${count} times, and meant ${meant} times`)
  }
  for (const { id, filled, status } of broker.desk.orders.values()) {
    const own = kept.find(one => one.told?.id === id)
    assert.ok(own, `${id} (${status}) is in the market, and not in the journal`)
    assert.equal(own.filled, filled, `${own.order.id}: ${own.status}, ${status}`)
  }
  assert.equal(account.books.external.size, 0)
  assert.equal(account.books.held().get('NSE:INFY') ?? 0, broker.desk.held('NSE:INFY'))
  assert.ok(kept.some(one => one.filled > 0))
})

test('a lost order is not taken for one that somebody else had placed before it', async t => {
  const { broker, apiOf, open, said } = await setUp(t, { byHand: true })
  const byHand = () =>
    broker.desk.place({
      ...{ clientId: undefined, symbol: 'NSE:INFY', side: 'buy', quantity: 10, type: 'market' },
      ...{ timeInForce: 'day', limitPrice: undefined, stopPrice: undefined, extendedHours: false },
    })
  const before = byHand()
  const api = apiOf()
  let isLosing = true
  const losing: TradingApi = {
    ...api,
    submit: async one => {
      const told = await api.submit(one)
      if (isLosing) throw new Error('the answer was lost')
      return told
    },
  }
  const account = open(losing)
  await account.start()
  account.place('ma', order('ma-1'))
  await until('found', () => account.books.orders.get('ma-1')?.told !== undefined, said)
  const told = account.books.orders.get('ma-1')!.told!
  assert.notEqual(told.id, before.id)
  assert.deepEqual([...account.books.external.keys()], [before.id])
  isLosing = false
  account.place('ma', order('ma-2'))
  await until('the next', () => account.books.orders.get('ma-2')?.told !== undefined, said)
  // One like it, once all answers are there, is somebody's own.
  const after = byHand()
  await until('external', () => account.books.external.has(after.id), said)
  assert.equal(account.books.external.size, 2)
})

test('fills count with their price only, and of the day before nothing is open', () => {
  const at = Date.parse('2025-06-02T06:00:00Z')
  const row = { symbol: 'INFY', exchange: 'NSE', action: 'BUY', orderid: 7, quantity: '10' }
  const update = { ...row, mode: 'analyze', order_status: 'complete' }
  const words = (one: BrokerOrder | undefined) =>
    one && [one.status, one.filled, one.averagePrice, one.ending]
  assert.deepEqual(words(decodeUpdate(update, 'analyze', at)), ['open', 0, undefined, undefined])
  const priced = { ...update, average_price: '1500.5' }
  assert.deepEqual(words(decodeUpdate(priced, 'analyze', at)), ['filled', 10, 1500.5, undefined])
  assert.equal(decodeUpdate(priced, 'live', at), undefined)
  const refused = { ...update, order_status: 'REJECTED', rejection_reason: 'margin' }
  assert.deepEqual(words(decodeUpdate(refused, 'analyze', at)), [
    'rejected',
    0,
    undefined,
    'margin',
  ])
  const trades = [
    { orderid: '7', quantity: 4, average_price: 1_500 },
    { orderid: '7', quantity: 2, average_price: 1_503 },
  ]
  const [one] = decodeOrders([{ ...row, order_status: 'complete' }], trades, at)
  // A row that says it is over before its trades are told.
  assert.deepEqual(words(one), ['partly-filled', 6, 1_501, undefined])
  const [canceled] = decodeOrders([{ ...row, order_status: 'cancelled' }], trades, at)
  assert.deepEqual(words(canceled), ['canceled', 6, 1_501, 'cancelled'])
  const { forgets } = openAlgoBroker({ apiKey: 'key' })
  assert.equal(forgets!(at, at + 12 * 3_600_000), false)
  assert.equal(forgets!(at, at + 13 * 3_600_000), true)
})
