// Every fault of the menu, on the unmodified library: what is said, what comes back, what is filled in.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeTws } from '../../../src/testing/fake-tws.ts'
import { answerOf, book, NOON, rest, type Scene, scene, trade, until } from './kit.ts'

const held = ({ tws }: Scene) => [...(tws.clients[0]?.subscriptions ?? [])].sort()

/** A trade each second, priced by when it was. */
const at = (ms: number) => trade('AAPL', 100 + ms / 1_000, 1, { timestamp: NOON + ms })

test('the daily restart: subscriptions are back, and the hole is filled from historical ticks', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass, passUntil, notices } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  deliver(at(0))
  await until(() => of('trade').length === 1)
  await pass(3_000)
  tws.fault({ fault: 'restart', for: '60s' })
  await until(() => notices.some(line => line.startsWith('disconnected CONNECTION_LOST')))
  await pass(30_000)
  deliver(at(30_000), at(31_000))
  await passUntil(() => notices.some(line => line.includes('CONNECTION_LIMIT')), 'the 326')
  await passUntil(() => held(stage).length === 1, 'the subscription')
  deliver(trade('AAPL', 250, 1, { timestamp: Math.floor(stage.clock.now()) }))
  await passUntil(() => of('trade').length === 4, 'all four trades')
  assert.deepEqual(
    of('trade').map(({ price }) => price),
    [100, 130, 131, 250],
  )
  assert.ok(
    notices.some(line => line.startsWith('repaired')),
    notices.join('\n'),
  )
  assert.ok(notices.some(line => line.startsWith('disconnected UNREACHABLE')))
  assert.deepEqual(tws.breaches, [])
})

test('TWS loses IBKR and the data (1100, 1101): told, subscribed anew, filled in', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass, notices } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  deliver(at(0))
  await pass(20_000)
  tws.fault({ fault: 'upstream', for: '10s', data: 'lost' })
  await until(() => feed.health().state === 'stale', 'health')
  assert.match(feed.health().reason, /TWS has lost its connection to IBKR/)
  deliver(at(25_000))
  await pass(11_000)
  await until(() => held(stage).length === 1, 'the subscription')
  assert.notEqual(feed.health().state, 'stale')
  deliver(at(31_000))
  await pass(5_000)
  await until(() => of('trade').length === 3)
  assert.deepEqual(
    of('trade').map(({ price }) => price),
    [100, 125, 131],
  )
  assert.equal(feed.stats().connects, 1, 'the connection was kept')
  assert.ok(notices.some(line => line.startsWith('stale VENUE_ERROR')))
  assert.ok(notices.some(line => line.startsWith('live')))
  assert.deepEqual(tws.breaches, [])
})

test('TWS loses IBKR and keeps the data (1100, 1102): the hole is filled, the subscription is the same', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  deliver(at(0))
  await pass(20_000)
  tws.fault({ fault: 'upstream', for: '10s', data: 'kept' })
  await rest()
  deliver(at(25_000))
  await pass(10_500)
  const asked = () => tws.messages.filter(([id]) => id === '97').length
  assert.equal(asked(), 1)
  deliver(at(31_000))
  await pass(5_000)
  await until(() => of('trade').length === 3)
  await pass(30_000)
  assert.equal(asked(), 1, 'ticks flow, so nothing is asked for anew')
})

test('a market data farm breaks and is back: declared, filled in, and what stays silent is asked for anew', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass, notices } = stage
  feed.trades(['AAPL', 'MSFT'], () => {})
  await until(() => held(stage).length === 2)
  deliver(at(0), trade('MSFT', 400, 1, { timestamp: NOON }))
  await pass(20_000)
  tws.fault({ fault: 'farm', for: '10s', name: 'usfarm' })
  await until(() => feed.health().state === 'stale')
  assert.match(feed.health().reason, /farm usfarm of IBKR is broken/)
  deliver(at(25_000))
  await pass(10_500)
  assert.notEqual(feed.health().state, 'stale')
  deliver(at(31_000))
  await pass(40_000)
  await until(() => of('trade').filter(one => one.symbol === 'AAPL').length === 3)
  const asked = tws.messages.filter(([id]) => id === '97').map(fields => fields[3])
  assert.deepEqual(asked, ['AAPL', 'MSFT', 'MSFT'], 'MSFT had nothing to say behind the outage')
  assert.equal(feed.stats().connects, 1)
  assert.ok(notices.some(line => line.includes('usfarm')))
  assert.deepEqual(tws.breaches, [])
})

test('the account is logged in elsewhere (10197): told, and filled in when it speaks again', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  deliver(at(0))
  await pass(20_000)
  tws.fault({ fault: 'competing', for: '90s' })
  await until(() => feed.health().state === 'stale')
  assert.match(feed.health().reason, /in use elsewhere/)
  deliver(at(25_000))
  await pass(91_000, 1_000)
  assert.equal(feed.health().state, 'stale', 'TWS does not say when it is over')
  assert.equal(
    tws.messages.filter(([id]) => id === '97').length,
    2,
    'asked for again after a minute',
  )
  deliver(at(112_000))
  await pass(5_000)
  await until(() => of('trade').length === 3)
  assert.deepEqual(
    of('trade').map(({ price }) => price),
    [100, 125, 212],
  )
  assert.notEqual(feed.health().state, 'stale')
})

test('a hung gateway is found by a question that nobody answers', async t => {
  const stage = await scene(t)
  const { feed, tws, notices, passUntil } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  tws.fault({ fault: 'hang', for: '40s' })
  await passUntil(() => notices.some(line => line.startsWith('disconnected MUTE')), 'MUTE')
  await passUntil(() => feed.stats().connects === 2, 'a connection')
})

test('a gateway that hung, goes on and has forgotten what it was asked may have forgotten more', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  deliver(at(0))
  await pass(2_500)
  tws.fault({ fault: 'hang', for: '20s' })
  await pass(15_000)
  deliver(at(17_500))
  await pass(5_500)
  deliver(at(23_000))
  await pass(10_000)
  assert.equal(feed.stats().connects, 1)
  assert.deepEqual(
    of('trade')
      .map(({ price }) => price)
      .sort(),
    [100, 117.5, 123],
  )
})

test('a quiet gateway that answers is left alone', async t => {
  const stage = await scene(t)
  const { feed, tws, pass } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  await pass(60_000)
  assert.equal(feed.stats().connects, 1)
  assert.ok(tws.messages.filter(([id]) => id === '49').length >= 2, 'it was asked')
})

test('books: reset, halt, rows of an old subscription, a restart: whole again each time', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, pass, notices, passUntil } = stage
  const live = feed.book('AAPL')
  const side = [
    [100, 1],
    [99, 2],
  ] as [number, number][]
  deliver(book('AAPL', side, [[102, 5]], true))
  await passUntil(() => live.book.bidCount === 2, 'the book')

  tws.fault({ fault: 'depth-reset' })
  await until(() => notices.filter(line => line.startsWith('gap')).length === 1, 'a gap')
  await passUntil(() => live.book.synced, 'the book')
  assert.deepEqual(live.book.bids(), side)
  assert.equal(tws.messages.filter(([id]) => id === '10').length, 1, 'the same subscription')

  tws.fault({ fault: 'late-rows', for: '30s' })
  tws.fault({ fault: 'depth-halt' })
  await until(() => tws.messages.filter(([id]) => id === '10').length === 2, 'asked for anew')
  await passUntil(() => live.book.synced, 'the book')
  deliver(book('AAPL', [[101, 9]], []))
  await until(() => live.book.bestBid?.[0] === 101)
  assert.deepEqual(live.book.bids(), [[101, 9], ...side])

  await pass(3_000)
  tws.fault({ fault: 'restart', for: '1s', busy: 0 })
  await until(() => !live.book.synced)
  deliver(book('AAPL', [[101, 0]], []))
  await passUntil(() => live.book.synced, 'the book')
  assert.deepEqual(live.book.bids(), side)
  assert.equal(feed.stats().malformed, 0)
})

test('a book that stays crossed is begun anew, one that crosses for a moment is not shown crossed', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, pass, passUntil, of } = stage
  const live = feed.book('CME:ES-202612')
  deliver(book('CME:ES-202612', [[100, 1]], [[101, 1]], true))
  await passUntil(() => live.book.synced, 'the book')
  deliver(book('CME:ES-202612', [[102, 1]], []))
  await rest()
  deliver(
    book(
      'CME:ES-202612',
      [],
      [
        [101, 0],
        [103, 1],
      ],
    ),
  )
  await until(() => live.book.bestAsk?.[0] === 103)
  for (const { bids, asks } of of('book')) {
    const [bid, ask] = [Math.max(...bids.map(([p]) => p)), Math.min(...asks.map(([p]) => p))]
    assert.ok(!(bid >= ask) || bids.length + asks.length > 2, `${bid} ${ask}`)
  }
  assert.equal(tws.messages.filter(([id]) => id === '10').length, 1)
  deliver(book('CME:ES-202612', [[104, 1]], []))
  await rest()
  await pass(1_500)
  await until(() => tws.messages.filter(([id]) => id === '10').length === 2, 'asked for anew')
})

test('ticks that are no numbers are counted and filled in, never delivered', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of, pass } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  deliver(at(0))
  await until(() => of('trade').length === 1)
  tws.fault({ fault: 'garbled' })
  deliver(at(1_000))
  await until(() => feed.stats().malformed === 1)
  deliver(at(2_000))
  await pass(5_000)
  await until(() => of('trade').length === 3)
  assert.deepEqual(
    of('trade').map(({ price }) => price),
    [100, 101, 102],
  )
  assert.equal(feed.stats().connects, 1)
})

test('bytes no TWS sends end the connection, not the process', async t => {
  const stage = await scene(t)
  const { feed, tws, notices, passUntil } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  tws.fault({ fault: 'stranger' })
  await until(() => notices.some(line => line.startsWith('disconnected VENUE_ERROR')))
  await passUntil(() => feed.stats().connects === 2, 'a connection')
  // A text the library parses and does not catch.
  tws.say(4, 2, 5, 201, 'Order rejected', '{no json')
  await until(
    () => notices.filter(line => line.startsWith('disconnected VENUE_ERROR')).length === 2,
  )
  await passUntil(() => feed.stats().connects === 3, 'a connection')
})

test('messages in pieces of a few bytes are whole', async t => {
  const stage = await scene(t)
  const { feed, tws, deliver, of } = stage
  tws.fault({ fault: 'fragments', for: '1h' })
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  deliver(at(0), at(1_000), at(2_000))
  await until(() => of('trade').length === 3)
  assert.equal(feed.stats().malformed, 0)
})

test('a taken client id is told, and tried again after ten seconds at the earliest', async t => {
  const stage = await scene(t)
  const { feed, tws, pass, notices, passUntil } = stage
  tws.fault({ fault: 'client-id' })
  feed.trades('AAPL', () => {})
  await until(() => notices.some(line => line.startsWith('disconnected CONNECTION_LIMIT')))
  assert.match(notices.find(line => line.includes('CONNECTION_LIMIT'))!, /client id is in use/)
  await pass(9_000)
  assert.equal(feed.stats().connects, 0)
  await passUntil(() => feed.stats().connects === 1, 'a connection')
})

test('TWS moves to another port, and is followed', async t => {
  const stage = await scene(t)
  const { feed, tws, passUntil } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  const before = tws.port
  tws.fault({ fault: 'moved' })
  await until(() => tws.port !== before)
  await passUntil(() => feed.stats().connects === 2, 'a connection')
})

test('TWS moves, and after a restart is back where it was', async t => {
  const stage = await scene(t)
  const { clock, feed, tws, notices, pass, passUntil } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  const before = tws.port
  tws.fault({ fault: 'moved' })
  await until(() => tws.port !== before)
  await passUntil(() => feed.stats().connects === 2, 'a connection')
  await tws.close()
  const again = await fakeTws({ clock }).listen({ port: before })
  t.after(() => again.close())
  await pass(1_000)
  await passUntil(() => feed.stats().connects === 3, 'a connection')
  assert.equal(again.clients.length, 1)
  assert.ok(notices.some(line => line.startsWith('disconnected UNREACHABLE')))
  again.fault({ fault: 'cut' })
  await passUntil(() => feed.stats().connects === 4, 'a connection')
  assert.equal(again.connections, 2, 'it is known to be there')
})

test('too many messages (100): the connection ends as throttled, and the next waits longer', async t => {
  const stage = await scene(t)
  const { feed, tws, notices, passUntil } = stage
  feed.trades('AAPL', () => {})
  await until(() => held(stage).length === 1)
  tws.fault({ fault: 'too-fast' })
  await until(() => notices.some(line => line.startsWith('disconnected RATE_LIMITED')))
  await passUntil(() => feed.stats().connects === 2, 'a connection')
})

test('bars of more symbols than IBKR answers questions about are told to be missing', async t => {
  for (const count of [28, 36]) {
    const contracts = Array.from({ length: count }, (_, i) => ({
      ...{ conId: i + 1, symbol: `S${i}`, secType: 'STK', exchange: 'SMART', currency: 'USD' },
      primaryExch: 'NYSE',
    }))
    const { clock, feed, tws, deliver, of, pass } = await scene(t, { tws: { contracts } })
    const names = contracts.map(({ symbol }) => symbol)
    feed.bars(names, () => {}, { interval: '5s' })
    const told = new Set<string>()
    feed.on('notice', ({ notice, symbol }) => {
      if (notice === 'unrepaired' && symbol !== undefined) told.add(symbol)
    })
    const trades = async (times: number) => {
      for (let left = times; left > 0; left--) {
        const timestamp = Math.floor(clock.now())
        deliver(...names.map(name => trade(name, 49, 1, { timestamp })))
        await pass(2_500)
      }
    }
    await trades(10)
    tws.fault({ fault: 'restart', for: '10s', busy: 0 })
    await trades(70)
    const starts = [...new Set(of('bar').map(({ timestamp }) => timestamp))]
    const whole = names.filter(
      name => of('bar').filter(({ symbol }) => symbol === name).length >= starts.length,
    )
    assert.deepEqual(
      names.filter(name => !whole.includes(name) && !told.has(name)),
      [],
    )
    assert.equal(told.size > 0, count > 28, `${count}: ${told.size}`)
    assert.deepEqual(tws.breaches, [])
  }
})

test('a hundred symbols keep to 45 messages a second and to the lines of the account', async t => {
  const contracts = Array.from({ length: 120 }, (_, i) => ({
    ...{ conId: i + 1, symbol: `S${i}`, secType: 'STK', exchange: 'SMART', currency: 'USD' },
    primaryExch: 'NYSE',
  }))
  const { feed, tws, pass, passUntil } = await scene(t, { tws: { contracts } })
  const tickers = feed.tickers(
    contracts.map(({ symbol }) => symbol),
    () => {},
  )
  await pass(10_000, 100)
  await passUntil(() => tws.clients[0]?.subscriptions.length === 100, 'a hundred lines')
  assert.deepEqual(tws.breaches, [])
  const { accepted, rejected } = await answerOf(tickers.ready)
  assert.deepEqual([accepted.length, rejected.length], [100, 20])
  assert.equal(rejected[0]?.reason.code, 'SYMBOL_LIMIT')
  assert.match(rejected[0]!.reason.message, /100 of 100 market data lines/)
})

test('TWS has less room than was said: what it refuses becomes tickers, and is tried again', async t => {
  const { feed, tws, deliver, of, pass } = await scene(t, { tws: { budgets: { ticks: 1 } } })
  feed.trades('AAPL', () => {})
  await until(() => tws.clients[0]?.subscriptions.length === 1)
  const second = feed.trades('MSFT', () => {})
  await until(() => tws.clients[0]?.subscriptions.includes('line MSFT') ?? false)
  const { reason } = (await answerOf(second.ready)).rejected[0]!
  assert.equal(reason.code, 'SYMBOL_LIMIT')
  assert.match(reason.hint!, /which all programs of the login share/)
  assert.match(
    feed.stats().use[0]!,
    /^1 of 1 tick-by-tick streams \(TWS has shown less room than the 5/,
  )
  deliver(trade('MSFT', 400, 1))
  await until(() => of('ticker').length > 0)
  await pass(120_000, 1_000)
  const asked = tws.messages.filter(([id]) => id === '97').length
  assert.ok(asked >= 3 && asked <= 6, `asked ${asked} times in two minutes`)
  assert.deepEqual(tws.breaches, [])
})
