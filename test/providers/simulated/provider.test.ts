import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { TickwireError } from '../../../src/base/errors.ts'
import type { MarketEvent, Quote, Trade } from '../../../src/market/events.ts'
import { hasFlag } from '../../../src/market/events.ts'
import { INSTRUMENTS } from '../../../src/providers/simulated/instruments.ts'
import { SymbolMarket } from '../../../src/providers/simulated/market.ts'
import { simulated } from '../../../src/providers/simulated/provider.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { play, takeNotes, topics } from './link.ts'
import { checkBars, lags, only, timeOf } from './rules.ts'

const ALL = simulated().capabilities.symbols!

test('the same seed, symbols and clock give the same events', async () => {
  const options = { seed: 7, rate: 200 }
  const one = await play(options, ['SPY', 'BTC/USD'], ['trade', 'quote', 'bar'], 70_000)
  const two = await play(options, ['SPY', 'BTC/USD'], ['trade', 'quote', 'bar'], 70_000)
  const other = await play({ ...options, seed: 8 }, ['SPY', 'BTC/USD'], ['trade'], 70_000)
  assert.ok(one.length > 10_000)
  assert.deepEqual(one, two)
  assert.notDeepEqual(one.filter(event => event.type === 'trade').slice(0, 50), other.slice(0, 50))
})

test('the prices of a symbol depend neither on other symbols nor on the kinds asked for', async () => {
  const prints = (events: MarketEvent[]) =>
    events
      .filter(event => event.type === 'trade' && event.symbol === 'TSLA')
      .map(event => [(event as Trade).id, (event as Trade).price, (event as Trade).size])
      .slice(0, 200)
  const alone = prints(await play({ rate: 100 }, ['TSLA'], ['trade'], 5_000))
  const among = prints(await play({ rate: 100 }, ALL, ['quote', 'trade', 'bar'], 120_000))
  assert.equal(alone.length, 200)
  assert.deepEqual(alone, among)
})

test('quotes are never crossed and every trade prints at or inside the quote before it', async () => {
  const quotes = new Map<string, Quote>()
  const seen = { trades: 0, inside: 0 }
  let last = 0
  const events = await play({ rate: 5_000 }, ALL, ['trade', 'quote'], 20_000)
  const late = new Set(lags(events).flatMap(({ trade, lag }) => (lag > 0 ? [trade] : [])))
  for (const event of events) {
    assert.ok(hasFlag(event, 'simulated'), 'flagged')
    assert.ok(event.nanos >= 0 && event.nanos < 1_000_000 && Number.isInteger(event.nanos), 'nanos')
    if (event.type === 'trade' && late.has(event)) continue
    const at = timeOf(event)
    assert.ok(at >= last && at <= event.receivedAt, 'time never runs backwards nor ahead')
    last = at
    if (event.type === 'quote') {
      assert.ok(event.bid! < event.ask!, 'uncrossed')
      assert.ok(event.bidSize! > 0 && event.askSize! > 0, 'both sides')
      quotes.set(event.symbol, event)
    } else if (event.type === 'trade') {
      const quote = quotes.get(event.symbol)!
      assert.ok(event.price >= quote.bid! && event.price <= quote.ask!, 'at or inside the quote')
      assert.equal(event.price, Math.round(event.price * 100) / 100, 'on a tick')
      assert.ok(event.size > 0, 'a size')
      const stock = !event.symbol.includes('/')
      assert.equal(event.exchange !== undefined && event.tape !== undefined, stock)
      assert.equal(event.conditions?.includes('I') ?? false, stock && event.size < 100)
      assert.equal(event.side === undefined, stock)
      seen.trades++
      if (event.price > quote.bid! && event.price < quote.ask!) seen.inside++
    }
  }
  assert.equal(quotes.size, ALL.length)
  assert.ok(seen.trades > 20_000 && seen.inside > 500, `${seen.trades} and ${seen.inside}`)
})

test('a minute bar is what its trades make that came before it, and comes right after its minute', async () => {
  const events = await play({ rate: 40 }, ['SPY', 'ETH/USD'], ['trade', 'bar'], 5 * 60_000)
  assert.equal(checkBars(events), 10)
  let latest = 0
  for (const event of events) {
    if (event.type === 'bar') {
      assert.ok(latest < event.timestamp + 60_000, 'before anything of the next minute')
      assert.ok(event.receivedAt - event.timestamp - 60_000 < 1, 'as soon as the minute is over')
    } else latest = Math.max(latest, timeOf(event))
  }
})

test('bars alone are those that come with the trades, and a minute whose trades have no say has none', async () => {
  const sparse = only(await play({ rate: 0.02 }, ['SPY'], ['bar'], 60 * 60_000), 'bar')
  const events = await play({ rate: 0.02 }, ['SPY'], ['trade', 'bar'], 60 * 60_000)
  const pricing = only(events, 'trade').filter(
    ({ conditions }) => !conditions!.includes('I') && !conditions!.includes('Z'),
  )
  const minutes = pricing.map(trade => Math.floor(trade.timestamp / 60_000))
  assert.ok(sparse.length > 10 && sparse.length < 60, `${sparse.length} bars`)
  assert.deepEqual(sparse, only(events, 'bar'))
  assert.deepEqual(
    sparse.map(bar => bar.timestamp / 60_000),
    [...new Set(minutes)],
  )
})

test('the rate is the number of wanted events a second, shared by activity', async () => {
  const trades = await play({ rate: 1_000 }, ['SPY', 'GOOGL'], ['trade'], 20_000)
  assert.ok(Math.abs(trades.length - 20_000) < 800, `${trades.length} events`)
  const spy = trades.filter(trade => trade.symbol === 'SPY').length
  assert.ok(Math.abs(spy / trades.length - 10 / 14) < 0.02)
})

test('a price moves, and stays near its level for good', () => {
  let low = Number.POSITIVE_INFINITY
  let high = 0
  const market = new SymbolMarket(INSTRUMENTS.find(({ symbol }) => symbol === 'AAPL')!, 1)
  for (let i = 0; i < 2_000_000; i++) {
    if (!market.step()) continue
    const { price } = market.trade('simulated', 0, 0, 0)
    low = Math.min(low, price)
    high = Math.max(high, price)
  }
  assert.ok(low > 212.5 * 0.8 && high < 212.5 * 1.2 && high > low * 1.005, `${low} to ${high}`)
})

test('subscribing and unsubscribing change what comes, and the wildcard means all', async () => {
  const clock = handClock()
  const { link, events, acks } = takeNotes(clock, topics(['SPY'], 'trade'))
  const connection = await simulated({ rate: 1_000 }).connect(link)
  const heard = (ms: number) => {
    events.length = 0
    clock.turn(ms)
    return [...new Set(events.map(event => `${event.type} ${event.symbol}`))].sort()
  }
  assert.deepEqual(heard(500), ['trade SPY'])
  connection.subscribe(topics(['*'], 'quote'))
  assert.deepEqual(heard(2_000), [...ALL.map(name => `quote ${name}`), 'trade SPY'].sort())
  connection.unsubscribe(topics(['*'], 'quote'))
  connection.subscribe(topics(['btc-usd'], 'trade'))
  assert.deepEqual(heard(500), ['trade BTC/USD', 'trade SPY'])
  connection.unsubscribe([...topics(['SPY'], 'trade'), ...topics(['BTC/USD'], 'trade')])
  assert.deepEqual(heard(5_000), [])
  assert.equal(clock.pending(), 0, 'a market nobody wants sets no timer')
  clock.set(clock.now() + 3_600_000)
  const back = clock.now()
  connection.subscribe(topics(['SPY'], 'trade'))
  heard(100)
  const onTime = () => events.filter(event => !(event as Trade).conditions?.includes('Z'))
  assert.ok(events.length > 50 && onTime().every(event => event.timestamp >= back), 'no stale time')
  assert.equal(acks.length, 4)
  await connection.close()
})

test('what it cannot deliver is refused with the reason, the rest is served', async () => {
  const clock = handClock()
  const wanted = [
    ...topics(['SPY', 'TSLAA', 'ZZZZZZ', ' '], 'trade'),
    ...topics(['SPY'], 'news'),
    { source: 'simulated', kind: 'bar', symbol: 'SPY', interval: '5m' } as const,
    ...topics(['BTC/USD'], 'status', 'correction'),
  ]
  const { link, events, acks, refusals } = takeNotes(clock, wanted)
  const connection = await simulated().connect(link)
  clock.turn(1_000)
  await connection.close()
  assert.deepEqual(acks, [wanted[0]])
  assert.deepEqual(
    refusals.map(({ topic, reason }) => [topic.kind, topic.symbol, reason.code]),
    [
      ['trade', 'TSLAA', 'UNKNOWN_SYMBOL'],
      ['trade', 'ZZZZZZ', 'UNKNOWN_SYMBOL'],
      ['trade', ' ', 'BAD_SYMBOL'],
      ['news', 'SPY', 'UNSUPPORTED'],
      ['bar', 'SPY', 'UNSUPPORTED'],
      ['status', 'BTC/USD', 'UNSUPPORTED'],
      ['correction', 'BTC/USD', 'UNSUPPORTED'],
    ],
  )
  assert.match(refusals[0]!.reason.hint!, /^Did you mean TSLA\?/)
  assert.match(refusals[1]!.reason.hint!, /It has SPY TSLA/)
  assert.ok(events.length > 0 && events.every(event => event.symbol === 'SPY'))
})

test('frames are the batches in the JSON form', async () => {
  const clock = handClock()
  const { link, events, frames } = takeNotes(clock, topics(['SPY'], 'trade'), { raw: true })
  const connection = await simulated().connect(link)
  clock.turn(2_000)
  await connection.close()
  const decoded = frames.flatMap(frame => JSON.parse(frame))
  assert.deepEqual(
    decoded.map(trade => [trade.type, trade.symbol, trade.price]),
    events.map(event => [event.type, event.symbol, (event as Trade).price]),
  )
})

test('closing and the signal end it once, and nothing comes after', async () => {
  for (const way of ['close', 'signal'] as const) {
    const clock = handClock()
    const stop = new AbortController()
    const { link, events } = takeNotes(clock, topics(['SPY'], 'trade'), { signal: stop.signal })
    const connection = await simulated().connect(link)
    clock.turn(1_000)
    const before = events.length
    if (way === 'close') await Promise.all([connection.close(), connection.close()])
    else stop.abort()
    assert.equal(await connection.ended, undefined)
    clock.turn(10_000)
    assert.ok(before > 0)
    assert.equal(events.length, before)
    assert.equal(clock.pending(), 0)
  }
})

test('after a suspension the missed time is left out', async () => {
  const clock = handClock()
  const { link, events } = takeNotes(clock, topics(['SPY'], 'trade'))
  const connection = await simulated({ rate: 100 }).connect(link)
  clock.turn(1_000)
  events.length = 0
  clock.set(clock.now() + 3_600_000)
  const woken = clock.now()
  clock.turn(0)
  await connection.close()
  assert.ok(events.length > 0 && events.length < 200, `${events.length} events`)
  assert.ok(
    events.every(
      event =>
        event.timestamp >= woken - 1_000 || (event as Trade).conditions?.includes('Z') === true,
    ),
    'none of the time between',
  )
})

test('at full rate the event loop keeps its turns', async () => {
  let count = 0
  const stop = new AbortController()
  const { link } = takeNotes(systemClock(), topics(ALL, 'trade', 'quote'), {
    signal: stop.signal,
    emit: batch => {
      count += batch.length
    },
  })
  const connection = await simulated({ rate: Number.POSITIVE_INFINITY }).connect(link)
  // Timers only fire when the loop turns; each of these is set by the one before.
  let turns = 0
  while (turns < 20) {
    await new Promise(resolve => setTimeout(resolve, 1))
    turns++
  }
  await connection.close()
  const after = count
  await new Promise(resolve => setImmediate(resolve))
  assert.ok(after > 0)
  assert.equal(count, after)
})

test('own symbols are added, and bad options are refused by name', async () => {
  const events = await play(
    { symbols: ['ibm', { symbol: 'XAU/USD', price: 3_300, tick: 0.05 }], rate: 1_000 },
    ['IBM', 'XAU/USD'],
    ['trade'],
    2_000,
  )
  const gold = events.filter((event): event is Trade => event.symbol === 'XAU/USD')
  assert.ok(gold.length > 100 && events.length > gold.length)
  assert.ok(gold.every(({ price }) => Math.abs(price * 20 - Math.round(price * 20)) < 1e-9))

  const bad: [Parameters<typeof simulated>[0], RegExp][] = [
    [{ rate: -1 }, /rate is -1/],
    [{ rate: 0 }, /rate is 0/],
    [{ rate: Number.NaN }, /rate is NaN/],
    [{ seed: 1.5 }, /seed is 1.5/],
    [{ day: '2025-06-02', rate: 50 }, /a simulated day has no rate/],
    [{ day: '2025-06-31' }, /day is "2025-06-31"/],
    [{ day: 'monday' }, /day is "monday"/],
    [{ day: '2025-06-01' }, /is a weekend/],
    [{ day: '2025-06-02', events: 0.5 }, /events is 0.5/],
    [{ events: 1_000 }, /events is the number of a simulated day/],
    [{ symbols: 0 }, /symbols is 0/],
    [{ symbols: 1e6 }, /symbols is 1000000/],
    [{ symbols: [{ symbol: 'GE', price: 0 }] }, /price of GE is 0/],
    [{ symbols: [{ symbol: 'GE', tick: 200, price: 1 }] }, /too near its tick/],
  ]
  for (const [options, message] of bad) {
    assert.throws(
      () => simulated(options),
      (error: unknown) =>
        error instanceof TickwireError &&
        error.code === 'BAD_OPTION' &&
        message.test(error.message) &&
        error.hint !== undefined,
    )
  }
})
