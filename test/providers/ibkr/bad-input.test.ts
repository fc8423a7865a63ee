// Whatever is wrong with the set-up, the message names the cause and the way out.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { TickwireError } from '../../../src/base/errors.ts'
import { type IbkrOptions, ibkr } from '../../../src/providers/ibkr/index.ts'
import { answerOf, rest, scene, until } from './kit.ts'

test('TWS is not running, or its API is off', async t => {
  const { feed, tws, notices } = await scene(t)
  await tws.close()
  feed.trades('AAPL', () => {})
  await until(() => notices.length > 0)
  assert.match(notices[0]!, /^disconnected UNREACHABLE: no TWS or IB Gateway at 127\.0\.0\.1:\d+/)
  assert.match(notices[0]!, /start it, log in, and enable socket clients in its API settings/)
})

test('TWS does not trust the address', async t => {
  const { feed, tws, notices } = await scene(t)
  tws.fault({ fault: 'slam' })
  feed.trades('AAPL', () => {})
  await until(() => notices.length > 0)
  assert.match(
    notices[0]!,
    /UNREACHABLE: .* without a word: TWS takes connections from its trusted IPs alone/,
  )
})

test('TWS asks whether to accept the connection, and nobody answers', async t => {
  const { feed, tws, notices, pass } = await scene(t)
  tws.fault({ fault: 'silent' })
  feed.trades('AAPL', () => {})
  await until(() => tws.connections === 1)
  await rest()
  await pass(11_000)
  await until(() => notices.some(line => line.startsWith('disconnected HANDSHAKE_TIMEOUT')))
  assert.match(notices[0]!, /waited 10000 ms for a greeting; TWS may be asking whether to accept/)
})

test('another program listens there', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.write(Buffer.from([0xff, 0xfe, 0xfd, 0xfc, 0, 0, 0, 0]))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const { feed, notices } = await scene(t, { ibkr: { port } })
  feed.trades('AAPL', () => {})
  await until(() => notices.length > 0)
  assert.match(
    notices[0]!,
    /UNREACHABLE: .* is no TWS or IB Gateway: a message of 4294901244 bytes/,
  )
})

test('the client id is taken', async t => {
  const first = await scene(t)
  first.feed.trades('AAPL', () => {})
  await until(() => first.tws.clients.length === 1)
  const second = await scene(t, { ibkr: { port: first.tws.port } })
  second.feed.trades('AAPL', () => {})
  await until(() => second.notices.some(line => line.includes('CONNECTION_LIMIT')))
  assert.match(
    second.notices[0]!,
    /client id is in use by another program; choose another clientId/,
  )
  assert.equal(first.feed.stats().connects, 1)
})

test('there is no subscription for the data', async t => {
  const { feed } = await scene(t, { tws: { unsubscribed: ['AAPL'] } })
  const tickers = feed.tickers('AAPL', () => {})
  const [refusal] = (await answerOf(tickers.ready)).rejected
  assert.equal(refusal?.reason.code, 'NOT_ENTITLED')
  assert.match(refusal!.reason.message, /no subscription for the data \(TWS 354: /)
  assert.match(refusal!.reason.hint!, /Client Portal.*dataType: 'delayed'/)
  assert.match(refusal!.reason.hint!, /TICKWIRE_IBKR_DATA=delayed and --kinds quotes,tickers/)
  const trades = feed.trades('AAPL', () => {})
  assert.equal((await answerOf(trades.ready)).rejected[0]?.reason.code, 'NOT_ENTITLED')
})

test('bars without a subscription, which TWS refuses with the code of too many questions, are not asked for again', async t => {
  const { feed, tws, pass } = await scene(t)
  const text = 'Invalid Real-time Query:No market data permissions for NASDAQ STK'
  tws.fault({ fault: 'deny', code: 420, text, times: 50 })
  const bars = feed.bars('AAPL', () => {}, { interval: '5s' })
  const [refusal] = (await answerOf(bars.ready)).rejected
  assert.equal(refusal?.reason.code, 'NOT_ENTITLED')
  await pass(300_000, 1_000)
  assert.equal(tws.messages.filter(([id]) => id === '50').length, 1)
})

test('delayed data has no trades, and the refusal promises nothing that a run would end before', async t => {
  const { feed } = await scene(t, { ibkr: { dataType: 'delayed' } })
  const trades = feed.trades('AAPL', () => {})
  const [refusal] = (await answerOf(trades.ready)).rejected
  assert.equal(refusal?.reason.code, 'NOT_ENTITLED')
  assert.equal(refusal?.reason.message, 'delayed data has no single trades')
  assert.match(refusal!.reason.hint!, /--kinds quotes,tickers/)
})

test('tickers are promised in place of trades only where they come', async t => {
  const some = await scene(t, { ibkr: { budgets: { ticks: 0 } } })
  const instead = (await answerOf(some.feed.trades('AAPL', () => {}).ready)).rejected[0]!.reason
  assert.match(instead.message, /0 of 0 tick-by-tick streams are in use; tickers come instead/)
  assert.deepEqual(some.tws.clients[0]?.subscriptions, ['line AAPL'])
  const none = await scene(t, { ibkr: { budgets: { ticks: 0, lines: 0 } } })
  const refusal = (await answerOf(none.feed.trades('AAPL', () => {}).ready)).rejected[0]!.reason
  assert.match(refusal.message, /0 of 0 tick-by-tick streams are in use$/)
  assert.deepEqual(none.tws.clients[0]?.subscriptions, [])
})

test('hundreds of contracts that wait for their turn are not taken for unanswered', async t => {
  const contracts = Array.from({ length: 760 }, (_, i) => ({
    ...{ conId: i + 1, symbol: `S${i}`, secType: 'STK', exchange: 'SMART', currency: 'USD' },
    primaryExch: 'NYSE',
  }))
  const { feed, tws, pass, notices } = await scene(t, {
    tws: { contracts, budgets: { lines: 800 } },
    ibkr: { budgets: { lines: 800 } },
  })
  feed.tickers(
    contracts.map(({ symbol }) => symbol),
    () => {},
  )
  await pass(45_000)
  assert.equal(tws.clients[0]?.subscriptions.length, 760)
  assert.deepEqual(
    notices.filter(line => line.startsWith('rejected')),
    [],
  )
  assert.deepEqual(tws.breaches, [])
})

test('quotes without ticks come from a line where that may be had', async t => {
  const { feed, tws } = await scene(t)
  tws.fault({ fault: 'deny', code: 10_189, text: 'Failed to request tick-by-tick data.' })
  feed.quotes('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.includes('line AAPL') ?? false)
})

test('a contract nobody knows, and one that may be several, take no other with them', async t => {
  const { feed, tws, pass } = await scene(t)
  const trades = feed.trades(['NOPE', 'TWIN', 'CME:ES', 'AAPL'], () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  await pass(3_000)
  const { accepted, rejected } = await answerOf(trades.ready)
  assert.deepEqual(
    accepted.map(({ symbol }) => symbol),
    ['AAPL'],
  )
  const said = Object.fromEntries(rejected.map(({ topic, reason }) => [topic.symbol, reason]))
  assert.equal(said.NOPE?.code, 'UNKNOWN_SYMBOL')
  assert.match(said.NOPE!.hint!, /Stocks are written AAPL/)
  assert.equal(said.TWIN?.code, 'AMBIGUOUS_SYMBOL')
  assert.match(said.TWIN!.message, /may be 2 contracts: NYSE:TWIN \(USD\), PINK:TWIN \(USD\)/)
  assert.match(said['CME:ES']!.message, /CME:ES-202612, CME:ES-202703/)
})

test('futures that share a symbol: the one called by it is meant, or each is told with what tells it apart', async t => {
  const future = (conId: number, symbol: string, tradingClass: string, multiplier: number) => ({
    ...{ conId, symbol, secType: 'FUT', exchange: 'CME', currency: 'USD', contractMonth: '202612' },
    ...{ lastTradeDate: '20261229', localSymbol: `${tradingClass}Z6`, tradingClass, multiplier },
  })
  const contracts = [
    ...[future(1, 'SI', 'SIL', 1_000), future(2, 'SI', 'SI', 5_000)],
    ...[future(3, 'DAX', 'FDAX', 25), future(4, 'DAX', 'FDXM', 5)],
  ]
  const { feed, tws, notices } = await scene(t, { tws: { contracts } })
  feed.trades(['CME:SI-202612', 'CME:DAX-202612'], () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1 && notices.length > 1)
  assert.deepEqual(
    tws.messages.filter(([id]) => id === '97').map(fields => fields[2]),
    ['2'],
  )
  const told = notices.find(line => line.startsWith('rejected AMBIGUOUS_SYMBOL'))!
  assert.match(told, /CME:DAX-202612 \(FDAXZ6, multiplier 25, conId 3\)/)
  assert.match(told, /CME:DAX-202612 \(FDXMZ6, multiplier 5, conId 4\)/)
})

test('tickers that were promised in the place of trades, and are refused too, are told to be missing', async t => {
  const { feed, tws, notices, pass } = await scene(t, {
    tws: { unsubscribed: ['MSFT'] },
    ibkr: { budgets: { ticks: 1 } },
  })
  feed.trades('AAPL', () => {})
  await pass(1_000)
  feed.trades('MSFT', () => {})
  await pass(3_000)
  const told = notices.filter(line => line.startsWith('rejected'))
  assert.match(told[0]!, /SYMBOL_LIMIT: MSFT .*tickers come instead/)
  assert.match(told[1]!, /NOT_ENTITLED: MSFT .*no tickers in their place: .*no subscription/)
  const asked = () => tws.messages.filter(([id]) => id === '1').length
  await pass(60_000)
  assert.equal(asked(), 1, 'nothing is asked again in vain')
})

test('one of two that share a name is meant by its exchange, or its number', async t => {
  const { feed, tws } = await scene(t, {
    ibkr: { contracts: { OTHER: { secType: 'STK', conId: 22_222 } } },
  })
  feed.tickers(['NYSE:TWIN', 'OTHER'], () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 2)
  const asked = tws.messages.filter(([id]) => id === '1').map(fields => fields[3])
  assert.deepEqual(asked.sort(), ['11111', '22222'])
})

test('a pair of currencies has no trades, an index neither', async t => {
  const { feed } = await scene(t, {
    ibkr: { contracts: { SPX: { secType: 'IND', symbol: 'SPX', exchange: 'CBOE' } } },
  })
  const trades = feed.trades(['EUR/USD', 'SPX'], () => {})
  for (const { reason } of (await answerOf(trades.ready)).rejected) {
    assert.equal(reason.code, 'UNSUPPORTED')
    assert.match(reason.hint!, /quotes or tickers/)
  }
})

test('options that cannot be are refused by their names', () => {
  const wrong: [IbkrOptions, RegExp][] = [
    [{ port: 0 }, /port must be a whole number from 1 to 65535, not 0/],
    [{ clientId: -1 }, /clientId/],
    [{ clientId: 1.5 }, /clientId/],
    [{ host: ' ' }, /host is empty/],
    [{ depth: 0 }, /depth/],
    [{ dataType: 'dealyed' as never }, /dataType "dealyed"/],
    [{ trades: 'some' as never }, /trades cannot be "some"/],
    [{ budgets: { ticks: -1 } }, /budgets\.ticks/],
    [{ contracts: { X: { secType: 'STOCK' as never } } }, /contracts\.X: no secType STOCK/],
  ]
  for (const [options, message] of wrong) {
    assert.throws(
      () => ibkr(options),
      (error: unknown) =>
        error instanceof TickwireError &&
        error.code === 'BAD_OPTION' &&
        message.test(error.message),
      String(message),
    )
  }
  assert.throws(() => ibkr({ contracts: { 'A B': { secType: 'STK' } } }), { code: 'BAD_SYMBOL' })
})

test('kinds and bars it does not have are refused before anything is sent', async t => {
  const { feed } = await scene(t)
  assert.throws(() => feed.lulds('AAPL', () => {}), { code: 'UNSUPPORTED' })
  assert.throws(() => feed.bars('AAPL', () => {}), { code: 'UNSUPPORTED' })
  assert.throws(() => feed.trades('*', () => {}), { code: 'UNSUPPORTED' })
})
