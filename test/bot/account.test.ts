import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { Account } from '../../src/bot/account.ts'
import type { KeptOrder } from '../../src/bot/account-books.ts'
import type { AccountLimits } from '../../src/bot/account-limits.ts'
import { isOver, type Order } from '../../src/bot/orders.ts'
import type {
  AccountState,
  BrokerOrder,
  BrokerPosition,
  TradingApi,
  TradingListener,
} from '../../src/bot/trading.ts'
import { handClock } from '../../src/testing/clock.ts'

const T0 = Date.parse('2025-06-02T14:00:00Z')

/** A broker of which each answer is given by the test. */
class Scripted implements TradingApi {
  readonly name = 'scripted'
  readonly kind = 'paper'
  readonly sent: Order[] = []
  readonly canceled: string[] = []
  readonly orders = new Map<string, BrokerOrder>()
  held: BrokerPosition[] = []
  state: AccountState = {
    ...{ id: 'A1', currency: 'USD', cash: 1_000, equity: 1_000, buyingPower: 1_000 },
    blocked: undefined,
  }
  listener: TradingListener | undefined
  finds = 0
  submitting: (order: Order) => Promise<BrokerOrder> = async order => this.take(order)
  listening: () => Promise<void> = async () => {}

  /** The order is in the market. */
  take(order: Order, more: Partial<BrokerOrder> = {}): BrokerOrder {
    const { id, symbol, side, quantity } = order
    const taken: BrokerOrder = {
      ...{ id: `b-${id}`, clientId: id, symbol, side, quantity, status: 'open', filled: 0 },
      ...{ averagePrice: undefined, ending: undefined, createdAt: T0, updatedAt: T0, ...more },
    }
    this.orders.set(id, taken)
    return taken
  }

  /** Something becomes of it, and the stream tells. */
  tell(id: string, more: Partial<BrokerOrder>): void {
    const told = { ...this.orders.get(id)!, ...more }
    this.orders.set(id, told)
    this.listener?.order(told)
  }

  account = async () => this.state
  submit = (order: Order) => {
    this.sent.push(order)
    return this.submitting(order)
  }
  cancel = async (id: string) => {
    this.canceled.push(id)
  }
  find = async (id: string) => {
    this.finds++
    return this.orders.get(id)
  }
  openOrders = async () => [...this.orders.values()].filter(one => !isOver(one))
  ordersSince = async () => [...this.orders.values()]
  positions = async () => this.held
  listen = async (listener: TradingListener) => {
    await this.listening()
    this.listener = listener
    return {
      close: () => {
        this.listener = undefined
      },
    }
  }
}

function order(id: string, more: Partial<Order> = {}): Order {
  return {
    ...{ id, symbol: 'SPY', side: 'buy', quantity: 10, type: 'market', limitPrice: undefined },
    ...{ stopPrice: undefined, timeInForce: 'day', reason: undefined, createdAt: T0 + 3_600_000 },
    ...{ status: 'submitted', filled: 0, averagePrice: undefined, ending: undefined, ...more },
  }
}

/** What was said of orders, each time it changed. */
const inWords = ({ order, status, filled, ending }: KeptOrder) =>
  [order.id, status, filled, ending].filter(word => word !== undefined).join(' ')

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-account-'))
  const clock = handClock(T0)
  const api = new Scripted()
  const said: string[] = []
  const heard: string[] = []
  const accounts: Account[] = []
  const open = (limits: AccountLimits = {}) => {
    const account = new Account({
      ...{ api, folder, clock, random: () => 0.5, limits, said: line => said.push(line) },
    })
    for (const bot of ['ma', 'other']) account.attach(bot, kept => heard.push(inWords(kept)))
    accounts.push(account)
    return account
  }
  t.after(() => {
    for (const account of accounts) account.close()
    rmSync(folder, { recursive: true })
  })
  return { folder, clock, api, said, heard, open }
}

const lost = () => new TickwireError('UNREACHABLE', 'no answer in 15000 ms')
/** What is ready by now happens. */
const turn = () => new Promise(resolve => setImmediate(resolve))

test('an order is on the disk before it is sent, and what becomes of it is heard once', async t => {
  const { api, folder, heard, open } = setUp(t)
  const account = open()
  account.place('ma', order('ma-0'))
  assert.deepEqual(heard.splice(0), [
    'ma-0 rejected 0 scripted does not tell yet what becomes of orders',
  ])
  assert.deepEqual(api.sent, [])
  await account.start()
  let written = ''
  api.submitting = async one => {
    written = readFileSync(join(folder, 'orders.ndjson'), 'utf8')
    return api.take(one)
  }
  account.place('ma', order('ma-1'))
  assert.match(written, /"row":"intent","bot":"ma".*"id":"ma-1"/)
  await turn()
  api.tell('ma-1', { status: 'partly-filled', filled: 4, averagePrice: 600 })
  api.tell('ma-1', { status: 'partly-filled', filled: 4, averagePrice: 600 })
  // Of before, told late.
  api.listener!.order({ ...api.orders.get('ma-1')!, status: 'open', filled: 0 })
  api.tell('ma-1', { status: 'filled', filled: 10, averagePrice: 601 })
  api.listener!.order({ ...api.orders.get('ma-1')!, status: 'partly-filled', filled: 4 })
  assert.deepEqual(heard, [
    ...['ma-1 submitted 0', 'ma-1 open 0', 'ma-1 partly-filled 4', 'ma-1 filled 10'],
  ])
  assert.deepEqual([...account.books.heldBy('ma')], [['SPY', 10]])
  // Whoever asks again sends nothing again.
  account.place('ma', order('ma-1'))
  account.place('ma', order('ma-1', { quantity: 11 }))
  assert.deepEqual(heard.slice(4), [
    'ma-1 filled 10',
    'ma-1 rejected 0 another order has the id ma-1',
  ])
  assert.equal(api.sent.length, 1)
})

test('an order whose answer was lost is unknown until the broker knows it, and is never sent again', async t => {
  const { api, clock, heard, open } = setUp(t)
  const account = open()
  await account.start()
  api.submitting = async one => {
    api.take(one)
    throw lost()
  }
  account.place('ma', order('ma-1'))
  await turn()
  assert.deepEqual(heard.splice(0), ['ma-1 submitted 0', 'ma-1 unknown 0'])
  await clock.advance(500)
  await turn()
  assert.deepEqual(heard.splice(0), ['ma-1 open 0'])
  // The other never came there: that is sure only when no answer can be on its way any more.
  api.submitting = async () => {
    throw lost()
  }
  account.place('ma', order('ma-2'))
  await turn()
  for (let second = 0; second < 60; second++) {
    assert.deepEqual(heard.slice(2), [], `after ${second} s`)
    await clock.advance(1_000)
    await turn()
  }
  await clock.advance(16_000)
  await turn()
  assert.deepEqual(heard.splice(0), [
    ...['ma-2 submitted 0', 'ma-2 unknown 0', 'ma-2 rejected 0 it never came to the broker'],
  ])
  assert.equal(api.sent.length, 2)
  // After all it did: it is canceled, and what it bought counts.
  api.take(order('ma-2'))
  api.tell('ma-2', { status: 'partly-filled', filled: 3, averagePrice: 600 })
  await turn()
  assert.deepEqual(api.canceled, ['b-ma-2'])
  assert.deepEqual(heard, ['ma-2 partly-filled 3'])
  assert.deepEqual([...account.books.heldBy('ma')], [['SPY', 3]])
})

test('what is refused is told with its reason; what was decided before a kill is asked for behind it', async t => {
  const { api, clock, heard, open } = setUp(t)
  const account = open()
  await account.start()
  api.submitting = async () => {
    throw new TickwireError('ORDER_REJECTED', 'insufficient buying power')
  }
  account.place('ma', order('ma-1'))
  await turn()
  assert.equal(heard.at(-1), 'ma-1 rejected 0 insufficient buying power')
  api.state = { ...api.state, blocked: 'Alpaca has blocked the account' }
  await clock.advance(30_000)
  await turn()
  account.place('ma', order('ma-2'))
  assert.equal(heard.at(-1), 'ma-2 rejected 0 Alpaca has blocked the account')
  api.state = { ...api.state, blocked: undefined }
  await clock.advance(30_000)
  await turn()
  // Killed between the request and its answer.
  api.submitting = one => {
    api.take(one, { status: 'filled', filled: 10, averagePrice: 600 })
    return new Promise(() => {})
  }
  account.place('ma', order('ma-3'))
  account.close()
  api.held = [{ symbol: 'SPY', quantity: 10 }]
  heard.length = 0
  const again = open()
  await again.start()
  assert.deepEqual(heard, ['ma-3 filled 10'])
  assert.equal(api.sent.filter(({ id }) => id === 'ma-3').length, 1)
  assert.equal(again.phase, 'ready')
})

test('what others hold and trade is theirs; a broker that holds something else stops the account', async t => {
  const { api, clock, heard, open, said } = setUp(t)
  api.held = [{ symbol: 'QQQ', quantity: 7 }]
  const account = open()
  await account.start()
  assert.deepEqual([...account.books.heldByOthers()], [['QQQ', 7]])
  api.take(order('by-hand', { symbol: 'QQQ', side: 'sell', quantity: 5 }))
  api.tell('by-hand', { status: 'filled', filled: 5, averagePrice: 500 })
  api.held = [{ symbol: 'QQQ', quantity: 2 }]
  await clock.advance(30_000)
  await turn()
  assert.deepEqual([...account.books.heldByOthers()], [['QQQ', 2]])
  assert.deepEqual(
    [...account.books.external.values()].map(one => one.clientId),
    ['by-hand'],
  )
  account.place('ma', order('ma-1'))
  await turn()
  // Shares that nobody bought.
  api.held = [...api.held, { symbol: 'SPY', quantity: 1 }]
  // It may be on its way: it is looked at again, soon.
  for (const ms of [30_000, 2_000, 2_000]) {
    assert.equal(account.phase, 'ready')
    await clock.advance(ms)
    await turn()
  }
  assert.equal(account.phase, 'stopped')
  assert.match(account.why!, /SPY: it holds 1, the bots 0, others 0/)
  assert.equal(said.at(-1), account.why)
  assert.deepEqual(api.canceled, ['b-ma-1'])
  account.place('ma', order('ma-2'))
  assert.match(heard.at(-1)!, /^ma-2 rejected 0 no orders are sent: /)
})

test('killed it cancels what is open, closes what is held, and sends nothing over restarts until it is released', async t => {
  const { api, clock, heard, open } = setUp(t)
  const account = open()
  await account.start()
  account.place('ma', order('ma-1'))
  account.place('ma', order('ma-2', { type: 'limit', limitPrice: 500 }))
  await turn()
  api.tell('ma-1', { status: 'filled', filled: 10, averagePrice: 600 })
  account.kill('by hand', true)
  await turn()
  assert.deepEqual(api.canceled, ['b-ma-2'])
  assert.equal(api.sent.length, 2)
  api.tell('ma-2', { status: 'canceled', ending: 'canceled' })
  await turn()
  const { symbol, side, quantity, type } = api.sent[2]!
  assert.deepEqual([symbol, side, quantity, type], ['SPY', 'sell', 10, 'market'])
  api.tell(api.sent[2]!.id, { status: 'filled', filled: 10, averagePrice: 599 })
  assert.deepEqual([...account.books.heldBy('ma')], [['SPY', 0]])
  account.close()
  const again = open()
  await again.start()
  assert.equal(again.phase, 'killed')
  again.place('ma', order('ma-3'))
  assert.equal(heard.at(-1), 'ma-3 rejected 0 no orders are sent: by hand')
  again.release()
  again.place('ma', order('ma-3'))
  await turn()
  assert.equal(heard.at(-1), 'ma-3 open 0')
  await clock.advance(1)
})

test('what a kill is to close is closed over restarts and refusals, and not before the broker tells', async t => {
  const { api, clock, open } = setUp(t)
  const account = open()
  await account.start()
  account.place('ma', order('ma-1'))
  await turn()
  api.tell('ma-1', { status: 'filled', filled: 10, averagePrice: 600 })
  api.held = [{ symbol: 'SPY', quantity: 10 }]
  account.kill('by hand')
  assert.deepEqual(account.killed, { why: 'by hand', flatten: false })
  account.close()
  // Somebody asks for more, and the process is gone before it is done.
  const second = open()
  second.kill('all of it', true)
  await turn()
  assert.equal(api.sent.length, 1, 'nothing before the broker tells')
  second.close()
  const third = open()
  api.submitting = async () => {
    throw new TickwireError('ORDER_REJECTED', 'the market is closed')
  }
  await third.start()
  await turn()
  assert.equal(api.sent.length, 2)
  api.submitting = async one => api.take(one)
  for (const ms of [2_000, 2_000, 2_000, 2_000]) {
    await clock.advance(ms)
    await turn()
  }
  assert.equal(api.sent.length, 2, 'not tried again at once')
  await clock.advance(2_000)
  await turn()
  assert.equal(api.sent.length, 3)
  assert.deepEqual([api.sent[2]!.side, api.sent[2]!.quantity], ['sell', 10])
  api.tell(api.sent[2]!.id, { status: 'filled', filled: 10, averagePrice: 599 })
  api.held = []
  await clock.advance(60_000)
  await turn()
  assert.equal(api.sent.length, 3)
  assert.equal(third.phase, 'killed')
})

test('limits hold over all bots of an account, over restarts; what only closes goes through', async t => {
  const { api, clock, heard, open } = setUp(t)
  const limits = {
    ...{ maxPosition: 25, maxOrderNotional: 10_000, maxPositionNotional: 14_000 },
    ...{ maxGrossNotional: 20_000, maxOrdersPerMinute: 6, maxDailyLoss: 100 },
  }
  let account = open(limits)
  await account.start()
  const place = async (bot: string, id: string, more: Partial<Order>, price?: number) => {
    heard.length = 0
    account.place(bot, order(id, more), price)
    await turn()
    return heard.at(-1)!
  }
  assert.match(await place('ma', 'ma-1', { quantity: 20 }), /no price of SPY is known$/)
  assert.match(await place('ma', 'ma-1', { quantity: 20 }, 501), /it is worth 10020\.00, of 10000/)
  assert.equal(await place('ma', 'ma-1', { quantity: 20 }, 500), 'ma-1 open 0')
  // What is open counts, whoever's it is.
  assert.match(await place('other', 'other-1', { quantity: 6 }, 500), /hold 26 SPY, of 25 at most$/)
  assert.match(await place('other', 'other-1', { quantity: 4 }, 600), /hold 14400\.00 of SPY/)
  assert.equal(await place('other', 'other-1', { quantity: 5 }, 500), 'other-1 open 0')
  api.tell('ma-1', { status: 'filled', filled: 20, averagePrice: 500 })
  api.tell('other-1', { status: 'filled', filled: 5, averagePrice: 500 })
  api.held = [{ symbol: 'SPY', quantity: 25, price: 500 }]
  assert.match(await place('ma', 'ma-2', { symbol: 'QQQ' }, 751), /hold 20010\.00 in all, of 20000/)
  assert.equal(await place('ma', 'ma-2', { symbol: 'QQQ' }, 750), 'ma-2 open 0')
  account.close()
  account = open(limits)
  await account.start()
  for (const n of [3, 4, 5]) {
    const words = await place('ma', `ma-${n}`, { symbol: 'QQQ', side: 'sell', quantity: 0.1 }, 1)
    assert.equal(words, `ma-${n} open 0`)
  }
  assert.match(await place('ma', 'ma-6', { quantity: 0.1 }, 1), /6 orders within a minute/)
  // It makes the bot's own position smaller: of another bot's it would open something.
  const sell = { side: 'sell', quantity: 20 } as const
  assert.equal(await place('ma', 'ma-6', sell, 500), 'ma-6 open 0')
  assert.match(await place('other', 'other-2', sell, 500), /6 orders within a minute/)
  api.tell('ma-6', { status: 'filled', filled: 20, averagePrice: 500 })
  api.held = [{ symbol: 'SPY', quantity: 5, price: 500 }]
  await clock.advance(60_000)
  await turn()
  api.state = { ...api.state, equity: 900 }
  await clock.advance(30_000)
  await turn()
  assert.equal(account.lostToday, 100)
  const small = { quantity: 0.1 }
  assert.match(await place('other', 'other-2', small, 500), /lost 100\.00 today, of 100 at most/)
  // The next day begins with what is there.
  await clock.advance(10 * 3_600_000)
  await turn()
  assert.equal(account.lostToday, 0)
  const tomorrow = { ...small, createdAt: clock.now() }
  assert.equal(await place('other', 'other-2', tomorrow, 500), 'other-2 open 0')
})

test('a lost stream takes no orders until it tells again, and what happened meanwhile is found', async t => {
  const { api, clock, heard, open, said } = setUp(t)
  const account = open()
  await account.start()
  account.place('ma', order('ma-1'))
  await turn()
  api.listener!.lost(new TickwireError('CONNECTION_LOST', 'closed with 1006'))
  await turn()
  assert.equal(account.phase, 'connecting')
  assert.match(said.at(-1)!, /closed with 1006; no orders until it tells again/)
  account.place('ma', order('ma-2'))
  assert.match(heard.at(-1)!, /^ma-2 rejected 0 scripted does not tell yet/)
  api.tell('ma-1', { status: 'filled', filled: 10, averagePrice: 600 })
  api.held = [{ symbol: 'SPY', quantity: 10 }]
  await clock.advance(1_000)
  await turn()
  assert.deepEqual([account.phase, heard.at(-1)], ['ready', 'ma-1 filled 10'])
})

test('a key that is refused ends it; a journal of another account, damaged or in use is not touched', async t => {
  const { api, folder, open } = setUp(t)
  api.listening = async () => {
    throw new TickwireError('AUTH_FAILED', 'the key is refused')
  }
  const refused = open()
  await assert.rejects(refused.start(), { code: 'AUTH_FAILED' })
  assert.throws(() => open(), { code: 'ACCOUNT_IN_USE' })
  refused.close()
  api.listening = async () => {}
  const first = open()
  await first.start()
  first.close()
  api.state = { ...api.state, id: 'A2' }
  const other = open()
  await assert.rejects(other.start(), { code: 'BAD_STATE', message: /paper account A1 .* A2/ })
  other.close()
  api.state = { ...api.state, id: 'A1' }
  // A kill in the middle of a line.
  const file = join(folder, 'orders.ndjson')
  const whole = readFileSync(file, 'utf8')
  appendFileSync(file, '{"row":"intent","bo')
  const torn = open()
  await torn.start()
  torn.close()
  assert.equal(readFileSync(file, 'utf8'), whole)
  writeFileSync(file, `{"row":"intent"}\n${whole}`)
  assert.throws(() => open(), { code: 'BAD_STATE', message: /line 1,/ })
})
