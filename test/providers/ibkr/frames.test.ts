// Messages as documented and captured (https://interactivebrokers.github.io/tws-api/), with the number of our request.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { flagNames } from '../../../src/market/events.ts'
import { NOON, rest, scene, until } from './kit.ts'

/** A scene with one subscription, and what sends it a message: `#` is its number. */
async function subscribed(
  t: TestContext,
  kind: 'trades' | 'quotes' | 'tickers' | 'books' | 'bars',
) {
  const stage = await scene(t)
  if (kind === 'bars') stage.feed.bars('AAPL', () => {}, { interval: '5s' })
  else void stage.feed.subscribe({ [kind]: 'AAPL' })
  await until(() => stage.tws.clients[0]?.subscriptions.length === 1)
  await rest()
  const asked = stage.tws.messages.at(-1)!
  const id = asked[0] === '97' ? asked[1] : asked[2]
  const say = async (text: string) => {
    stage.tws.say(...text.replace('#', id!).split('|'))
    await rest()
  }
  return { ...stage, say }
}

const AT = NOON / 1_000

test('99: trades, with fractional sizes, conditions and what was not reported', async t => {
  const { say, of } = await subscribed(t, 'trades')
  await say(`99|#|2|${AT}|190.26|1.5|2|FINRA|T I`)
  await say(`99|#|1|${AT}|190.27|100|0|NASDAQ|`)
  const [odd, plain] = of('trade')
  assert.deepEqual([odd?.price, odd?.size, odd?.exchange], [190.26, 1.5, 'FINRA'])
  assert.deepEqual(odd?.conditions, ['T', 'I', 'unreported'])
  assert.deepEqual([plain?.conditions, plain?.timestamp], [undefined, NOON])
})

test('99: a trade without a size, or of no time, is malformed', async t => {
  const { say, of, feed } = await subscribed(t, 'trades')
  await say(`99|#|1|${AT}|190.27||0|NASDAQ|`)
  await say(`99|#|1|0|190.27|100|0|NASDAQ|`)
  await say(`99|#|1|${AT}|190.27`)
  await say(`99|#|1|${AT}|190.27|100|0|NASDAQ||more`)
  assert.equal(of('trade').length, 0)
  assert.equal(feed.stats().malformed, 4)
})

test('99: a quote of both sides, of one, of none', async t => {
  const { say, of, feed } = await subscribed(t, 'quotes')
  await say(`99|#|3|${AT}|190.24|190.26|300|200|0`)
  await say(`99|#|3|${AT}|-1|190.26|0|200|0`)
  await say(`99|#|3|${AT}|0|0|0|0|0`)
  assert.deepEqual(
    of('quote').map(({ bid, bidSize, ask, askSize }) => [bid, bidSize, ask, askSize]),
    [
      [190.24, 300, 190.26, 200],
      [undefined, undefined, 190.26, 200],
    ],
  )
  assert.equal(feed.stats().malformed, 0)
})

test('1, 2, 45, 46, 58, 81: a line, sizes said twice, and only what is known', async t => {
  const { say, of, feed } = await subscribed(t, 'tickers')
  await say('58|1|#|1')
  await say('81|#|0.01|9c0001|3')
  await say('1|6|#|4|202.55|2|0')
  await say('2|6|#|5|2')
  await say('2|6|#|8|323886')
  await say('45|6|#|49|0.0')
  await say('46|6|#|45|1744742857')
  await say('1|6|#|9|200|0|0')
  await say('1|6|#|1|202.5|7|0')
  await say('46|6|#|48|190.25;100;1795199034123;12345.67;190.11;true')
  await say('46|6|#|48|;0;1795199035123;12350;190.12;false')
  const last = of('ticker').at(-1)!
  const { last: price, lastSize, lastTime, volume, vwap, bid, ask, previousClose } = last
  assert.deepEqual([price, lastSize, lastTime], [190.25, 100, 1_795_199_034_123])
  assert.deepEqual([volume, vwap, bid, ask, previousClose], [12_350, 190.12, 202.5, undefined, 200])
  assert.equal(last.changePercent, ((190.25 - 200) / 200) * 100)
  // What says nothing new makes no event.
  const before = of('ticker').length
  await say('2|6|#|5|100')
  await say('45|6|#|49|0.0')
  assert.equal(of('ticker').length, before)
  await say('1|6|#|1|-1|0|0')
  assert.equal(of('ticker').at(-1)?.bid, undefined)
  await say('46|6|#|48|x;y;z')
  assert.equal(feed.stats().malformed, 1)
  assert.equal(of('trade').length, 0)
})

test('58 and 66 to 76: delayed and frozen lines say so on every event', async t => {
  const { say, of } = await subscribed(t, 'tickers')
  await say('58|1|#|3')
  await say('1|6|#|68|202.55|2|0')
  assert.deepEqual(flagNames(of('ticker').at(-1)!.flags), ['delayed'])
  assert.equal(of('ticker').at(-1)?.last, 202.55)
  await say('58|1|#|2')
  await say('1|6|#|4|203|2|0')
  assert.deepEqual(flagNames(of('ticker').at(-1)!.flags), ['delayed'])
  await say('58|1|#|1')
  await say('1|6|#|4|204|2|0')
  assert.deepEqual(of('ticker').at(-1)!.flags, 0)
})

test('12 and 13: rows, with and without makers', async t => {
  const { say, of, pass } = await subscribed(t, 'books')
  await say('12|1|#|0|0|1|190.24|300')
  await say('13|1|#|0|NSDQ|0|0|190.26|100|1')
  // Nobody says that these are all there are.
  await pass(200, 50)
  await say('13|1|#|1|ARCA|0|0|190.26|50|1')
  const books = of('book')
  assert.deepEqual(
    books.map(({ bids, asks, snapshot }) => [bids, asks, snapshot]),
    [
      [[[190.24, 300]], [[190.26, 100]], true],
      [[], [[190.26, 150]], false],
    ],
  )
})

test('50: a bar of five seconds; one without trades is none', async t => {
  const { say, of } = await subscribed(t, 'bars')
  await say(`50|3|#|${AT}|190.1|190.3|190.0|190.2|1234|190.15|56`)
  await say(`50|3|#|${AT + 5}|190.2|190.2|190.2|190.2|0|0|0`)
  const [bar, ...more] = of('bar')
  assert.equal(more.length, 0)
  assert.deepEqual(
    [bar?.timestamp, bar?.high, bar?.volume, bar?.vwap, bar?.tradeCount],
    [NOON, 190.3, 1_234, 190.15, 56],
  )
})

test('a message of an unknown kind is counted, and what is for an old request meets nobody', async t => {
  const { say, of, feed } = await subscribed(t, 'trades')
  await say('999|1|2')
  await say(`99|1|1|${AT}|190.27|100|0|NASDAQ|`)
  assert.deepEqual(Object.keys(feed.stats().unknown), ['message 999'])
  assert.equal(of('trade').length, 0)
  assert.equal(feed.stats().malformed, 0)
})
