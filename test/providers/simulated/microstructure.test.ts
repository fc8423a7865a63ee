import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KIND_BIT } from '../../../src/feed/provider.ts'
import { flagNames, type MarketEvent } from '../../../src/market/events.ts'
import { INSTRUMENTS, instruments } from '../../../src/providers/simulated/instruments.ts'
import { KINDS } from '../../../src/providers/simulated/listing.ts'
import { SymbolMarket } from '../../../src/providers/simulated/market.ts'
import { simulated } from '../../../src/providers/simulated/provider.ts'
import { Simulation } from '../../../src/providers/simulated/simulation.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { play, takeNotes, topics } from './link.ts'
import { Books, checkFixes, checkIds, dispersion, lags, only, timeOf } from './rules.ts'

const ALL = simulated().capabilities.symbols!
const STOCKS = ALL.filter(symbol => !symbol.includes('/'))

const prints = await play({ rate: 4_000, seed: 3 }, ALL, ['trade', 'correction', 'cancel'], 20_000)

test('at least one trade in a hundred is 0.1 to 30 s older than what was sent, as the venue marks it', () => {
  const all = lags(prints)
  const late = all.filter(({ lag }) => lag >= 100)
  const share = late.length / all.length
  assert.ok(share >= 0.01 && share < 0.03, `${share}`)
  for (const { trade, lag } of all) {
    assert.deepEqual(flagNames(trade.flags), ['simulated'], 'to see that it is late is for others')
    const marked = trade.conditions?.includes('Z')
    if (trade.tape !== undefined) assert.equal(marked, lag > 0, `${trade.symbol} ${lag}`)
    assert.ok(lag === 0 || (lag > 99.999 && lag < 30_001), `${lag}`)
  }
  for (const symbol of ['SPY', 'TSLA', 'BTC/USD']) {
    assert.ok(
      late.some(({ trade }) => trade.symbol === symbol),
      symbol,
    )
  }
})

test('a few in a hundred have the time of the one before, to the nanosecond', () => {
  let same = 0
  for (let i = 1; i < prints.length; i++) {
    const [before, event] = [prints[i - 1]!, prints[i]!]
    if (event.type !== 'trade' || before.type !== 'trade') continue
    if (event.timestamp === before.timestamp && event.nanos === before.nanos) same++
  }
  const share = same / prints.length
  assert.ok(share > 0.01 && share < 0.1, `${share}`)
})

test('they come in bursts, over the market and of each symbol', () => {
  const onTime = lags(prints).flatMap(({ trade, lag }) => (lag === 0 ? [trade] : []))
  assert.ok(dispersion(onTime.map(timeOf), 10) > 1.5, `${dispersion(onTime.map(timeOf), 10)}`)
  const spy = onTime.filter(({ symbol }) => symbol === 'SPY').map(timeOf)
  assert.ok(dispersion(spy, 20) > 1.3, `${dispersion(spy, 20)}`)
})

test('ids come again on other exchanges, never on one', () => {
  assert.ok(checkIds(prints) > 1_000, 'reuse')
})

test('corrections and cancels name what was printed, and only of stocks', () => {
  const { corrections, cancels } = checkFixes(prints)
  assert.ok(corrections > 30 && cancels > 30, `${corrections} and ${cancels}`)
  const actions = new Set(only(prints, 'cancel').map(({ action }) => action))
  assert.deepEqual(actions, new Set(['cancel', 'error']))
  assert.ok(
    prints.every(({ type, symbol }) => type === 'trade' || !symbol!.includes('/')),
    'none of crypto',
  )
})

test('corrections come to those who ask for nothing else', async () => {
  const alone = await play({ rate: 4_000, seed: 3 }, STOCKS, ['correction', 'cancel'], 20_000)
  assert.ok(alone.length > 50, `${alone.length}`)
  assert.ok(alone.every(({ type }) => type !== 'trade'))
})

test('half of the trades are odd lots, a few are very large, and the codes are those of the tape', () => {
  const stocks = only(prints, 'trade').filter(({ tape }) => tape !== undefined)
  const sizes = stocks.map(({ size }) => size).sort((a, b) => b - a)
  const odd = sizes.filter(size => size < 100).length / sizes.length
  assert.ok(odd > 0.4 && odd < 0.6, `${odd}`)
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0)
  const top = sum(sizes.slice(0, sizes.length / 100)) / sum(sizes)
  assert.ok(top > 0.25, `the largest hundredth has ${top} of the volume`)
  const codes = (symbol: string) =>
    new Set(stocks.filter(trade => trade.symbol === symbol).map(({ conditions }) => conditions![0]))
  assert.deepEqual(codes('AAPL'), new Set(['@']))
  assert.deepEqual(codes('SPY'), new Set([' ']))
  const lists = new Set(stocks.map(({ conditions }) => conditions!.join()))
  for (const list of ['@', '@,I', '@,F', '@,F,I', '@,Z', '@,Z,I']) {
    assert.ok(lists.has(list), list)
  }
})

test('volatility comes and goes, and spreads widen with it', () => {
  const market = new SymbolMarket(INSTRUMENTS.find(({ symbol }) => symbol === 'META')!, 5)
  const windows: { moved: number; spread: number }[] = []
  let window = { moved: 0, spread: 0, count: 0 }
  let before = 0
  while (windows.length < 400) {
    if (market.step()) continue
    const middle = (market.bidTicks + market.askTicks) / 2
    if (before !== 0) window.moved += (middle - before) ** 2
    before = middle
    window.spread += market.askTicks - market.bidTicks
    if (++window.count < 200) continue
    windows.push({ moved: Math.sqrt(window.moved), spread: window.spread })
    window = { moved: 0, spread: 0, count: 0 }
  }
  windows.sort((a, b) => a.moved - b.moved)
  const mean = (list: typeof windows, field: 'moved' | 'spread') =>
    list.reduce((sum, one) => sum + one[field], 0) / list.length
  const [calm, wild] = [windows.slice(0, 100), windows.slice(300)]
  assert.ok(mean(wild, 'moved') > 1.5 * mean(calm, 'moved'), 'calm spells and wild ones')
  assert.ok(mean(wild, 'spread') > 1.15 * mean(calm, 'spread'), 'wider when wild')
})

test('the best levels of a book are the quote at every moment, and it is never crossed', async () => {
  const books = new Books()
  const events = await play({ rate: 1_500 }, ALL, ['quote', 'book'], 20_000)
  for (const event of events) books.take(event)
  assert.ok(books.snapshots > ALL.length, 'snapshots come again')
  assert.ok(books.deltas > 20_000 && books.levels < 20, `${books.deltas}, ${books.levels}`)
})

test('who subscribes to a book again starts with a snapshot, and books alone come at the rate', async () => {
  const clock = handClock()
  const { link, events } = takeNotes(clock, topics(['SPY', 'BTC/USD'], 'book'))
  const connection = await simulated({ rate: 200 }).connect(link)
  clock.turn(10_000)
  assert.ok(Math.abs(events.length - 2_000) < 300, `${events.length}`)
  connection.unsubscribe(topics(['SPY'], 'book'))
  clock.turn(1_000)
  connection.subscribe(topics(['SPY'], 'book'))
  const from = events.length
  clock.turn(1_000)
  await connection.close()
  const books = new Books()
  for (const event of events) books.take(event)
  const first = events.slice(from).find(({ symbol }) => symbol === 'SPY')!
  assert.ok(first.type === 'book' && first.snapshot, 'a snapshot first')
})

/** Checks that a halted symbol is silent until resumed; returns codes of halts and resumptions. */
function checkHalts(events: readonly MarketEvent[]): string[] {
  const halted = new Set<string>()
  return events.flatMap(event => {
    if (event.type !== 'status') {
      const market = event.type === 'trade' || event.type === 'quote' || event.type === 'book'
      assert.ok(!market || !halted.has(event.symbol), `${event.symbol} trades while halted`)
      return []
    }
    const resumes = ['3', 'T'].includes(event.statusCode)
    assert.equal(halted.has(event.symbol), resumes, 'halts and resumptions alternate')
    if (resumes) halted.delete(event.symbol)
    else halted.add(event.symbol)
    return [`${event.tape} ${event.statusCode} ${event.reasonCode}`]
  })
}

test('stocks are halted and resumed with the codes of their tape, and are silent between', async () => {
  const hours = 6 * 3_600_000
  const events = await play({ rate: 2 }, ALL, ['trade', 'quote', 'status'], hours)
  const codes = checkHalts(events)
  const known = ['C P LUDP', 'C T LUDP', 'C H T1', 'C T T3', 'B 2 M', 'B 3 M', 'B 2 P', 'B 3 D']
  assert.ok(codes.length > 30 && codes.every(code => known.includes(code)), codes.join('; '))
  const seconds = hours / 1_000
  assert.ok(Math.abs(events.length / seconds - 2) < 0.1, 'the others go on at the full rate')
})

test('with its only symbol halted the market waits for the resumption, at any rate', async () => {
  for (const rate of [0.5, Number.POSITIVE_INFINITY]) {
    const all = instruments([], text => text)
    const market = new Simulation(all, { seed: 3, rate, source: 'simulated', start: 0 })
    market.want('TSLA', KIND_BIT.status | KIND_BIT.trade, 0)
    const events: MarketEvent[] = []
    const end = 12 * 3_600_000
    // At full rate a run every second is enough: each has as many steps as it is allowed.
    for (let now = 0; now < end; now = rate < 1 ? market.next : now + 1_000) {
      market.run(now, 2, events)
    }
    const codes = checkHalts(events)
    assert.ok(codes.length >= 4, `${codes.length} halts and resumptions at ${rate}`)
    const trades = only(events, 'trade').length
    assert.ok(trades > end / 1_000 / 4, `${trades} trades at ${rate}`)
  }
})

test('bands lie around the price, move with it, and come to stocks only', async () => {
  const events = await play({ rate: 300 }, ALL, ['luld', 'quote'], 10 * 60_000)
  const middle = new Map<string, number>()
  const bands = new Map<string, number>()
  for (const event of events) {
    if (event.type === 'quote') middle.set(event.symbol, (event.bid! + event.ask!) / 2)
    if (event.type !== 'luld') continue
    const price = middle.get(event.symbol)!
    assert.ok(Math.abs(event.limitUp - price * 1.05) < 0.02 * price, 'five per cent above')
    assert.ok(Math.abs(event.limitDown - price * 0.95) < 0.02 * price, 'and below')
    bands.set(event.symbol, (bands.get(event.symbol) ?? 0) + 1)
  }
  assert.deepEqual([...bands.keys()].sort(), [...STOCKS].sort())
  assert.ok(
    [...bands.values()].some(count => count > 1),
    'some moved',
  )
})

test('however often it is run, the market is the same', () => {
  const run = (every: number, limit: number) => {
    const all = instruments([], text => text)
    const market = new Simulation(all, { seed: 4, rate: 100, source: 'simulated', start: 0 })
    const wants = KINDS.reduce((bits, kind) => bits | KIND_BIT[kind], 0)
    for (const symbol of all.keys()) market.want(symbol, wants, 0)
    const events: MarketEvent[] = []
    for (let now = every; now <= 120_000; now += every) while (market.run(now, limit, events));
    return events.map(event => ({ ...event, receivedAt: 0 }))
  }
  const often = run(1, 512)
  assert.ok(often.length > 10_000, `${often.length}`)
  assert.deepEqual(often, run(500, 7))
})
