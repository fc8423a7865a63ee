import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flagNames } from '../../../src/market/events.ts'
import { answerOf, book, NOON, quote, scene, trade, until } from './kit.ts'

test('trades and quotes come tick by tick, with what TWS says and nothing else', async t => {
  const { feed, tws, deliver, of, pass, notices } = await scene(t)
  const trades = feed.trades('AAPL', () => {})
  const quotes = feed.quotes('MSFT', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 2, 'two subscriptions')
  deliver(
    trade('AAPL', 190.25, 1.5, { timestamp: NOON + 1_000, conditions: ['T', 'I'] }),
    quote('MSFT', 410.1, 410.2, { timestamp: NOON + 1_000 }),
  )
  await until(() => of('quote').length === 1, 'a quote')
  await pass(2_500)
  const [one] = of('trade')
  assert.deepEqual(
    { ...one, receivedAt: 0 },
    {
      ...{ type: 'trade', symbol: 'AAPL', source: 'ibkr', timestamp: NOON + 1_000, nanos: 0 },
      ...{ receivedAt: 0, seq: undefined, flags: 0, price: 190.25, size: 1.5, id: undefined },
      ...{ exchange: 'NASDAQ', conditions: ['T', 'I'], tape: undefined, side: undefined },
    },
  )
  const [first] = of('quote')
  assert.equal(first?.bid, 410.1)
  assert.equal(first?.askSize, 200)
  assert.equal(first?.flags, 0)
  assert.deepEqual((await answerOf(trades.ready)).accepted.length, 1)
  assert.deepEqual((await answerOf(quotes.ready)).accepted.length, 1)
  assert.deepEqual(
    notices.filter(line => /^(gap|stale|rejected)/.test(line)),
    [],
  )
  assert.deepEqual(tws.breaches, [])
})

test('two quotes that say the same in one second are both right', async t => {
  const { feed, tws, deliver, of } = await scene(t)
  feed.quotes('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  deliver(quote('AAPL', 1, 2), quote('AAPL', 1, 3), quote('AAPL', 1, 2))
  await until(() => of('quote').length === 3, 'three quotes')
  assert.deepEqual(
    of('quote').map(({ ask }) => ask),
    [2, 3, 2],
  )
})

test('a side nobody quotes is absent', async t => {
  const { feed, tws, deliver, of } = await scene(t)
  feed.quotes('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  deliver(quote('AAPL', 1, 2, { bid: undefined, bidSize: undefined }))
  await until(() => of('quote').length === 1)
  const [{ bid, bidSize, ask }] = of('quote') as never as [Record<string, number | undefined>]
  assert.deepEqual([bid, bidSize, ask], [undefined, undefined, 2])
})

test('tickers come from a line, never trades', async t => {
  const { feed, tws, deliver, of } = await scene(t)
  feed.tickers('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  deliver(quote('AAPL', 190.1, 190.2), trade('AAPL', 190.15, 100, { timestamp: NOON + 123 }))
  await until(() => of('ticker').some(({ last }) => last !== undefined), 'a last price')
  const last = of('ticker').at(-1)!
  assert.equal(last.last, 190.15)
  assert.equal(last.lastSize, 100)
  assert.equal(last.lastTime, NOON + 123, 'RTVolume has the only times in ms')
  assert.equal(last.bid, 190.1)
  assert.equal(last.volume, 100)
  assert.equal(of('trade').length, 0)
})

test('past the limit of tick-by-tick streams trades become tickers, and come when there is room', async t => {
  const names = ['AAPL', 'MSFT', 'TSLA', 'SPY', 'NVDA']
  const { feed, tws, deliver, of, pass, notices } = await scene(t)
  const subs = names.map(name => feed.trades(name, () => {}))
  await until(() => tws.clients[0]?.subscriptions.length === 5, 'five streams')
  const sixth = feed.trades('AMZN', () => {})
  await until(() => tws.clients[0]?.subscriptions.includes('line AMZN') ?? false, 'a line')
  const { rejected } = await answerOf(sixth.ready)
  assert.equal(rejected[0]?.reason.code, 'SYMBOL_LIMIT')
  assert.match(rejected[0]!.reason.message, /5 of 5 tick-by-tick streams/)
  const use = '5 of 5 tick-by-tick streams, 1 of 100 market data lines, 0 of 3 books'
  assert.deepEqual(feed.stats().use, [use])
  deliver(trade('AMZN', 200, 10))
  await until(() => of('ticker').length > 0, 'a ticker')
  assert.equal(of('trade').length, 0)
  assert.equal(of('ticker').at(-1)?.last, 200)

  subs[0]!.close()
  await until(() => tws.clients[0]?.subscriptions.includes('last AMZN') ?? false, 'the trades')
  deliver(trade('AMZN', 201, 10))
  await until(() => of('trade').some(one => one.symbol === 'AMZN'), 'a trade')
  await until(() => !tws.clients[0]?.subscriptions.includes('line AMZN'), 'the line to go')
  await pass(1_000)
  assert.deepEqual(tws.breaches, [])
  assert.ok(notices.some(line => line.startsWith('rejected SYMBOL_LIMIT')))
})

test('quotes make way for trades, and come from a line, conflated', async t => {
  const names = ['AAPL', 'MSFT', 'TSLA', 'SPY', 'NVDA']
  const { feed, tws, deliver, of } = await scene(t)
  feed.quotes(names, () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 5)
  feed.trades('META', () => {})
  await until(() => tws.clients[0]?.subscriptions.includes('last META') ?? false)
  await until(() => tws.clients[0]?.subscriptions.includes('line AAPL') ?? false)
  deliver(quote('AAPL', 190.1, 190.2), quote('MSFT', 400, 401), trade('META', 1, 1))
  await until(() => of('quote').length === 2 && of('trade').length === 1)
  const flags = Object.fromEntries(of('quote').map(one => [one.symbol, flagNames(one.flags)]))
  assert.deepEqual(flags, { AAPL: ['conflated'], MSFT: [] })
})

test('ticks of one instrument are asked for once in 15 s: quotes come from a line until then', async t => {
  const { feed, tws, deliver, of, pass } = await scene(t)
  feed.trades('AAPL', () => {})
  feed.quotes('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 2)
  assert.deepEqual(tws.clients[0]?.subscriptions, ['last AAPL', 'line AAPL'])
  deliver(quote('AAPL', 1, 2))
  await until(() => of('quote').length === 1)
  await pass(16_000)
  await until(() => tws.clients[0]?.subscriptions.includes('bidask AAPL') ?? false)
  assert.deepEqual([...tws.clients[0]!.subscriptions].sort(), ['bidask AAPL', 'last AAPL'])
  deliver(quote('AAPL', 3, 4, { timestamp: NOON + 17_000 }))
  await until(() => of('quote').length === 2)
  assert.equal(of('quote')[1]?.flags, 0)
  assert.deepEqual(tws.breaches, [])
})

test('bars of five seconds are of trades, and none is made of nothing', async t => {
  const { feed, tws, deliver, of, pass } = await scene(t)
  feed.bars('AAPL', () => {}, { interval: '5s' })
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  deliver(
    trade('AAPL', 10, 1, { timestamp: NOON + 1_000 }),
    trade('AAPL', 12, 3, { timestamp: NOON + 2_000 }),
  )
  await pass(11_000)
  await until(() => of('bar').length > 0, 'a bar')
  assert.equal(of('bar').length, 1)
  const [bar] = of('bar')
  assert.deepEqual(
    [bar?.timestamp, bar?.interval, bar?.open, bar?.high, bar?.low, bar?.close, bar?.volume],
    [NOON, '5s', 10, 12, 10, 12, 4],
  )
  assert.deepEqual([bar?.vwap, bar?.tradeCount, bar?.final], [11.5, 2, true])
})

test('a book follows rows that are put in and taken out in the middle', async t => {
  const { feed, tws, deliver, passUntil } = await scene(t)
  const live = feed.book('AAPL')
  deliver(
    book(
      'AAPL',
      [
        [100, 1],
        [99, 2],
        [98, 3],
      ],
      [[102, 5]],
      true,
    ),
  )
  await passUntil(() => live.book.bidCount === 3, 'the book')
  // The measured mistake of others: 101 put in at the top, then row 1 (100) taken out, leaves 101, 99, 98.
  deliver(
    book(
      'AAPL',
      [
        [101, 4],
        [100, 0],
      ],
      [],
    ),
  )
  await until(() => live.book.bestBid?.[0] === 101)
  assert.deepEqual(live.book.bids(), [
    [101, 4],
    [99, 2],
    [98, 3],
  ])
  assert.deepEqual(tws.breaches, [])
})

test('delayed data carries the flag, and has no single trades', async t => {
  const { feed, tws, deliver, of } = await scene(t, {
    tws: { unsubscribed: ['AAPL'] },
    ibkr: { dataType: 'delayed' },
  })
  assert.equal(feed.capabilities.nature, 'delayed')
  assert.deepEqual(feed.capabilities.history, [])
  feed.quotes('AAPL', () => {})
  const trades = feed.trades('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.includes('line AAPL') ?? false)
  deliver(quote('AAPL', 1, 2), trade('AAPL', 1.5, 3))
  await until(() => of('quote').length > 0 && of('ticker').some(one => one.last === 1.5))
  for (const event of [...of('quote'), ...of('ticker')]) {
    assert.ok(flagNames(event.flags).includes('delayed'), event.type)
  }
  assert.equal((await answerOf(trades.ready)).rejected[0]?.reason.code, 'NOT_ENTITLED')
  assert.equal(of('trade').length, 0)
})

test('what is subscribed comes live, also to who takes delayed data', async t => {
  const { feed, tws, deliver, of } = await scene(t, { ibkr: { dataType: 'delayed' } })
  feed.tickers('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  deliver(quote('AAPL', 1, 2))
  await until(() => of('ticker').length > 0)
  assert.deepEqual(
    of('ticker').map(({ flags }) => flags),
    of('ticker').map(() => 0),
  )
})

test('the words of people name futures, pairs and classes', async t => {
  const { feed, tws, deliver, of } = await scene(t)
  feed.trades(['ES 202612 CME', 'brk.b'], () => {})
  feed.quotes('EUR/USD', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 3)
  deliver(
    trade('CME:ES-202612', 6_700.25, 1),
    trade('BRK.B', 500, 1),
    quote('EUR/USD', 1.1, 1.1001),
  )
  await until(() => of('trade').length === 2 && of('quote').length === 1)
  assert.deepEqual(
    of('trade')
      .map(one => one.symbol)
      .sort(),
    ['BRK.B', 'CME:ES-202612'],
  )
})

test('a TWS of another version is understood too', async t => {
  const { feed, tws, deliver, of } = await scene(t, { tws: { serverVersion: 178 } })
  feed.trades('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  deliver(trade('AAPL', 190.25, 1))
  await until(() => of('trade').length === 1)
})
