// What TWS writes where there is nothing: prices of 0 and −1, sizes as large as its numbers go.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MarketEvent } from '../../../src/market/events.ts'
import { ibkr } from '../../../src/providers/ibkr/index.ts'
import { answerOf, NOON, type Scene, scene, trade, until } from './kit.ts'

const UNSET_PRICE = '1.7976931348623157E308'
/** As TWS's own clients know them: 32, 63 and 127 bits. */
const UNSET_SIZES = [
  ...['2147483647', '9223372036854775807', '1.7976931348623157E308'],
  '170141183460469231731687303715884105727',
]
const AT = NOON / 1_000

/** The number of the last request of a kind. */
async function numberOf({ tws }: Scene, kind: string, at: number): Promise<string> {
  const last = () => tws.messages.findLast(([id]) => id === kind)?.[at]
  await until(() => last() !== undefined, 'a request')
  return last()!
}

test('a line without bid, ask, last or close has none, and none of its sizes', async t => {
  const stage = await scene(t)
  const { feed, tws, of, pass } = stage
  feed.tickers('AAPL', () => {})
  const id = await numberOf(stage, '1', 2)
  for (const tick of [1, 2, 4, 9, 14, 37]) tws.say(1, 6, id, tick, 0, 0, 0)
  for (const tick of [0, 3, 5]) tws.say(2, 6, id, tick, 0)
  for (const size of UNSET_SIZES) tws.say(2, 6, id, 8, size)
  tws.say(2, 6, id, 22, 7)
  await pass(1_000)
  const { bid, ask, last, previousClose, open, mark, ...rest } = of('ticker').at(-1)!
  assert.deepEqual(
    [bid, ask, last, previousClose, open, mark],
    Array.from({ length: 6 }, () => undefined),
  )
  assert.deepEqual([rest.bidSize, rest.askSize, rest.lastSize], [undefined, undefined, undefined])
  assert.deepEqual([rest.volume, rest.openInterest], [undefined, 7])
})

test('a quote of a line is of the sides that are quoted, and of prices of 0 where there is a size', async t => {
  const stage = await scene(t, { ibkr: { budgets: { ticks: 0 } } })
  const { feed, tws, of, pass } = stage
  feed.quotes('AAPL', () => {})
  const id = await numberOf(stage, '1', 2)
  tws.say(1, 6, id, 1, 0, 0, 0)
  tws.say(1, 6, id, 2, 1.5, 3, 0)
  await pass(1_000)
  assert.deepEqual([of('quote').at(-1)?.bid, of('quote').at(-1)?.ask], [undefined, 1.5])
  tws.say(1, 6, id, 1, 0, 0, 0)
  tws.say(2, 6, id, 0, 4)
  await pass(1_000)
  assert.deepEqual([of('quote').at(-1)?.bid, of('quote').at(-1)?.bidSize], [0, 4])
})

test('sizes that are none are no sizes of trades, quotes, bars and rows', async t => {
  const stage = await scene(t)
  const { feed, tws, of, pass } = stage
  feed.trades('AAPL', () => {})
  const trades = await numberOf(stage, '97', 1)
  for (const size of UNSET_SIZES) tws.say(99, trades, 1, AT, 10, size, 0, 'N', '')
  await pass(500)
  assert.equal(of('trade').length, 0)
  assert.equal(feed.stats().malformed, UNSET_SIZES.length)

  feed.quotes('EUR/USD', () => {})
  await until(() => tws.messages.filter(([id]) => id === '97').length === 2)
  const quotes = await numberOf(stage, '97', 1)
  for (const size of UNSET_SIZES) tws.say(99, quotes, 3, AT, 1.1, 1.2, size, size, 0)
  await pass(500)
  assert.equal(of('quote').length, UNSET_SIZES.length)
  for (const { bid, bidSize, askSize } of of('quote')) {
    assert.deepEqual([bid, bidSize, askSize], [1.1, undefined, undefined])
  }

  feed.bars('AAPL', () => {}, { interval: '5s' })
  const bars = await numberOf(stage, '50', 2)
  for (const size of UNSET_SIZES) tws.say(50, 3, bars, AT, 1, 1, 1, 1, size, 1, 1)
  await pass(500)
  assert.equal(of('bar').length, 0)
})

test('a row without a price or size is none, and the book is asked for anew', async t => {
  for (const [price, size] of [[UNSET_PRICE, 5], ...UNSET_SIZES.map(one => [99, one])]) {
    const stage = await scene(t)
    const { feed, tws, of, pass, passUntil } = stage
    const live = feed.book('AAPL')
    const id = await numberOf(stage, '10', 2)
    tws.say(13, 1, id, 0, 'NSDQ', 0, 1, 100, 5, 1)
    tws.say(13, 1, id, 0, 'NSDQ', 0, 0, 101, 5, 1)
    await passUntil(() => live.book.synced, 'the book')
    tws.say(13, 1, id, 1, 'NSDQ', 0, 1, price, size, 1)
    await pass(1_500)
    assert.equal(live.book.synced, false)
    assert.notEqual(await numberOf(stage, '10', 2), id)
    for (const book of of('book')) {
      for (const level of [...book.bids, ...book.asks]) {
        assert.ok(
          level.every(number => Number.isFinite(number) && number < 1e6),
          `${level}`,
        )
      }
    }
  }
})

test('the bar of now is no bar of the past', async t => {
  const { clock, tws } = await scene(t)
  const provider = ibkr({ port: tws.port, clock })
  const at = (ms: number, price: number) => trade('AAPL', price, 1, { timestamp: NOON + ms })
  const ask = async () => {
    const found: MarketEvent[] = []
    const request = { kind: 'bar', interval: '5s', symbols: ['AAPL'] } as const
    const past = provider.history!({ ...request, from: NOON, to: clock.now() })
    for await (const batch of past) found.push(...batch)
    return found.map(bar => bar.type === 'bar' && [bar.timestamp - NOON, bar.close, bar.volume])
  }
  tws.deliver([at(0, 100), at(5_000, 101)])
  await clock.advance(7_500)
  assert.deepEqual(await answerOf(ask()), [[0, 100, 1]])
  tws.deliver([at(8_000, 102)])
  await clock.advance(20_000)
  assert.deepEqual(await answerOf(ask()), [
    [0, 100, 1],
    [5_000, 102, 2],
  ])
})
