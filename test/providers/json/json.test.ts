import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { TickwireError } from '../../../src/base/errors.ts'
import { silentLog } from '../../../src/base/log.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import { jsonConfigJsonSchema } from '../../../src/providers/json/config.ts'
import { checkJson, type JsonConfigInput, json } from '../../../src/providers/json/index.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { type ScriptedSocket, scriptedSockets } from '../../../src/testing/sockets.ts'

const example = (name: string) =>
  parse(readFileSync(new URL(`../../../examples/${name}.yaml`, import.meta.url), 'utf8'))
const ticks: JsonConfigInput = example('json-ticks')
const quotes: JsonConfigInput = example('json-quotes-and-books')
const variables = { QUOTES_TOKEN: 'secret-token' }

/** The own fields that are there. */
const said = (event: MarketEvent | undefined) =>
  Object.fromEntries(Object.entries(event ?? {}).filter(([, value]) => value !== undefined))

test('a tick of the tutorials is a ticker, and nothing of it is invented', () => {
  const frame =
    '{"code":"AAPL.US","name":"Apple Inc.","price":190.12,"open":189.5,"high":191,"low":188.9,"volume":1234567,"bid":190.11,"ask":190.13,"bidVolume":300,"askVolume":"200"}'
  const { events, malformed, unknown } = checkJson(ticks, { frame })
  assert.deepEqual([malformed, unknown], [[], []])
  const { timestamp, receivedAt, ...rest } = said(events[0])
  assert.equal(timestamp, Math.floor(receivedAt as number))
  assert.deepEqual(rest, {
    ...{ type: 'ticker', symbol: 'AAPL', source: 'ticks', nanos: 0, flags: 0 },
    ...{ last: 190.12, open: 189.5, high: 191, low: 188.9, volume: 1_234_567 },
    ...{ name: 'Apple Inc.', bid: 190.11, ask: 190.13, bidSize: 300, askSize: 200 },
  })
})

test('what is asked for goes out as the vendor writes it', () => {
  const { sent } = checkJson(ticks, { symbols: ['AAPL', 'MSFT', 'TSLA', 'NVDA'] })
  assert.deepEqual(sent, [
    '{"action":"subscribe","symbols":["AAPL.US","MSFT.US","TSLA.US","NVDA.US"]}',
  ])
  const one: JsonConfigInput = { ...ticks, subscribe: { message: 'sub {symbol} #{id}' } }
  assert.deepEqual(checkJson(one, { symbols: ['AAPL', 'BRK.B'] }).sent, [
    'sub AAPL.US #1',
    'sub BRK.B.US #1',
  ])
})

test('a message that replaces the one before names everything, however much', async () => {
  const replacing: JsonConfigInput = { ...ticks, subscribe: { ...ticks.subscribe, replaces: true } }
  const names = Array.from({ length: 150 }, (_, i) => `S${i}`)
  const { clock, feed, sent } = venue(replacing)
  const last = () => (JSON.parse(sent().at(-1)!) as { symbols: string[] }).symbols.length
  feed.subscribe({ tickers: names }).catch(() => {})
  await clock.advance(1)
  assert.deepEqual([sent().length, last()], [1, 150])
  feed.subscribe({ tickers: 'ONE' }).catch(() => {})
  await clock.advance(1)
  assert.deepEqual([sent().length, last()], [2, 151])
  await feed.unsubscribe({ tickers: names.slice(1) })
  await clock.advance(1)
  assert.deepEqual([sent().length, last()], [3, 2])
  await feed.close()
  // Several messages where they do not.
  assert.equal(checkJson(ticks, { symbols: names }).sent.length, 2)
})

test('ids, times in nanoseconds and prices as text are exact', () => {
  const frame =
    '[{"type":"trade","symbol":"BTC-USD","id":881234567890123456,"price":"42000.5","size":"0.01","side":"SELL","ts":1700000000123456789}]'
  const [trade] = checkJson(quotes, { variables, frame }).events
  const { receivedAt: _, ...rest } = said(trade)
  assert.deepEqual(rest, {
    ...{ type: 'trade', symbol: 'BTC/USD', source: 'quotes', flags: 0 },
    ...{ timestamp: 1_700_000_000_123, nanos: 456_789 },
    ...{ price: 42_000.5, size: 0.01, id: '881234567890123456', side: 'sell' },
  })
})

test('a side is one of the words for it, and no other text', () => {
  const side = (text: string) => {
    const fields = {
      type: 'trade',
      symbol: 'BTC-USD',
      price: '1',
      size: '1',
      side: text,
      ts: 17e17,
    }
    const frame = JSON.stringify(fields)
    return said(checkJson(quotes, { variables, frame }).events[0]).side
  }
  assert.deepEqual(['BID', 'offer', 'constructor', 'both'].map(side), [
    ...['buy', 'sell', undefined, undefined],
  ])
})

test('snapshots and updates of a book, with sides in lists of their own or in each level', () => {
  const frame =
    '[{"type":"l2_snapshot","symbol":"BTC-USD","bids":[["1","2"]],"asks":[["3","4"]],"ts":1700000000000000001},' +
    '{"type":"l2_update","symbol":"BTC-USD","changes":[["buy","1","0"],["sell","3.5","1"]],"ts":1700000000000000002}]'
  const [snapshot, update] = checkJson(quotes, { variables, frame }).events.map(said)
  assert.deepEqual([snapshot?.snapshot, snapshot?.bids, snapshot?.asks], [true, [[1, 2]], [[3, 4]]])
  assert.deepEqual([update?.snapshot, update?.bids, update?.asks], [false, [[1, 0]], [[3.5, 1]]])
})

test('what is no event is counted with its reason and never delivered', () => {
  const bad = {
    'price "abc"': '{"price":"abc"}',
    'price an empty object': '{"price":{}}',
    'size missing': '{"size":null}',
    'time in words': '{"ts":"yesterday"}',
    'symbol missing': '{"symbol":""}',
    'symbol a list': '{"symbol":["A"]}',
    'price beyond all numbers': '{"price":"1e999"}',
  }
  const good = { type: 'trade', symbol: 'BTC-USD', price: '1', size: '2', ts: 17e17 }
  for (const [what, change] of Object.entries(bad)) {
    const frame = JSON.stringify({ ...good, ...JSON.parse(change) })
    const { events, malformed } = checkJson(quotes, { variables, frame })
    assert.deepEqual([events.length, malformed.length], [0, 1], what)
  }
  assert.equal(checkJson(quotes, { variables, frame: '{"type":' }).malformed.length, 1)
  assert.deepEqual(checkJson(quotes, { variables, frame: '{"type":"surprise"}' }).unknown, [
    'type surprise',
  ])
  const rest = JSON.stringify([{ ...good, price: 'x' }, good])
  assert.equal(
    checkJson(quotes, { variables, frame: rest }).events.length,
    1,
    'the others still come',
  )
})

test('a configuration is checked field by field, and says which variable is missing', () => {
  const fault = (change: object, code: string, words: RegExp) =>
    assert.throws(
      () => json({ ...quotes, ...change } as JsonConfigInput, { variables }),
      (error: unknown) =>
        error instanceof TickwireError && error.code === code && words.test(error.message),
    )
  fault({ url: 'https://x' }, 'BAD_CONFIG', /url: must be a ws/)
  fault({ messages: [] }, 'BAD_CONFIG', /no message is mapped/)
  fault(
    { messages: [{ kind: 'trade', symbol: 's', fields: { price: 'p' } }] },
    'BAD_CONFIG',
    /size/,
  )
  fault(
    { messages: [{ kind: 'trade', symbol: 's', fields: { price: 'p', size: 's', sice: 's' } }] },
    'BAD_CONFIG',
    /sice/,
  )
  fault({ heartbeat: { every: '30' } }, 'BAD_CONFIG', /heartbeat.every/)
  for (const subscribe of [
    { message: 'sub {symbols}', replaces: true, most: 50 },
    { message: 'sub {symbol}', replaces: true },
  ]) {
    fault({ subscribe }, 'BAD_CONFIG', /subscribe: .*names all symbols.*limits.symbols/)
  }
  assert.throws(() => json(quotes), { code: 'MISSING_KEY', message: /QUOTES_TOKEN/ })
})

test('the published schema is what `npm run schema` writes', () => {
  const file = new URL('../../../schema/json-provider.json', import.meta.url)
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), jsonConfigJsonSchema())
})

function venue(config: JsonConfigInput, onOpen?: (socket: ScriptedSocket) => void) {
  const clock = handClock()
  const net = scriptedSockets(socket => {
    socket.open()
    onOpen?.(socket)
  })
  const feed = openFeed(json(config, { variables, openSocket: net.openSocket }), {
    ...{ clock, random: () => 0.5, leases: false, log: silentLog },
  })
  const say = (message: object | string) =>
    net.sockets.at(-1)!.send(typeof message === 'string' ? message : JSON.stringify(message))
  const sent = () => net.sockets.at(-1)!.sent.map(String)
  return { clock, net, feed, say, sent }
}

test('a subscription is confirmed by name, refused by name, and asked for again after a cut', async () => {
  const { clock, net, feed, say, sent } = venue(quotes)
  const seen: number[] = []
  feed.trades('BTC/USD', ({ price }) => seen.push(price))
  const outcome = feed.subscribe({ quotes: ['BTC/USD', 'DOGE/USD'] })
  await clock.advance(1)
  assert.match(sent()[0]!, /"symbols":\["BTC-USD","DOGE-USD"\],"id":1/)
  say({ type: 'error', code: 'unknown', reason: 'no such symbol', symbols: ['DOGE-USD'] })
  say({ type: 'subscribed', symbols: ['BTC-USD'] })
  await clock.advance(1)
  const { accepted, rejected } = await outcome
  assert.deepEqual(
    accepted.map(({ symbol }) => symbol),
    ['BTC/USD'],
  )
  assert.match(rejected[0]!.reason.message, /no such symbol/)
  say({ type: 'trade', symbol: 'BTC-USD', price: '7', size: '1', ts: clock.now() * 1e6 })
  // Its own ping is answered.
  say({ type: 'ping' })
  assert.equal(sent().at(-1), '{"type":"pong"}')
  net.sockets[0]!.end({ code: 1006 })
  await clock.advance(5_000)
  assert.equal(net.sockets.length, 2)
  assert.match(sent()[0]!, /BTC-USD/)
  assert.deepEqual(seen, [7])
  await feed.close()
})

test('a wrong token ends it for good, with a way out', async () => {
  const { clock, feed, say } = venue(quotes)
  const done = assert.rejects(feed.done, { code: 'AUTH_FAILED' })
  void feed.subscribe({ trades: 'BTC/USD' }).catch(() => {})
  await clock.advance(1)
  say({ type: 'error', code: 'bad_token', reason: 'who are you' })
  await done
})

test('without confirmations the next message counts as one, and a mute connection is made anew', async () => {
  const { clock, net, feed, say, sent } = venue(ticks)
  const seen: (number | undefined)[] = []
  feed.tickers('AAPL', ({ last }) => seen.push(last))
  await clock.advance(1)
  assert.equal(feed.stats().topics.sent, 1)
  say({ code: 'AAPL.US', price: 1 })
  say({ code: 'MSFT.US', price: 2 })
  assert.deepEqual(seen, [1])
  assert.equal(feed.stats().topics.acknowledged, 1)
  await clock.advance(30_000)
  assert.equal(sent().at(-1), '{"type":"ping"}')
  say({ type: 'pong' })
  await clock.advance(30_000)
  assert.equal(net.sockets.length, 1)
  // Nothing within 30 s after the ping.
  await clock.advance(65_000)
  assert.ok(net.sockets.length > 1)
  await feed.close()
})

test('a login that is answered is waited for, one that is not is followed at once', async () => {
  const login = { greet: [{ login: `$\{QUOTES_TOKEN}` }] }
  const patient = venue({ ...quotes, ...login, ready: { when: { type: 'welcome' } } })
  patient.feed.trades('BTC/USD', () => {})
  await patient.clock.advance(1)
  assert.deepEqual(patient.sent(), ['{"login":"secret-token"}'])
  patient.say({ type: 'welcome' })
  await patient.clock.advance(1)
  assert.equal(patient.sent().length, 2)
  await patient.feed.close()
  const brisk = venue({ ...quotes, ...login })
  brisk.feed.trades('BTC/USD', () => {})
  await brisk.clock.advance(1)
  assert.equal(brisk.sent().length, 2)
  await brisk.feed.close()
})

test('a heartbeat goes out every so often, not as long after the one before it as an answer may take', async () => {
  const heartbeat = { send: { type: 'ping' }, every: '3s', within: '3s' }
  const { clock, net, feed } = venue({ ...ticks, heartbeat }, socket => {
    socket.onSent = () => socket.send('{"type":"pong"}')
  })
  feed.tickers('AAPL', () => {})
  await clock.advance(1)
  const [start, times]: [number, number[]] = [clock.now(), []]
  const pings = () => net.last.sent.filter(frame => frame === '{"type":"ping"}').length
  for (let seen = 0; clock.now() - start < 13_000; ) {
    await clock.advance(100)
    for (const now = pings(); seen < now; seen++) {
      times.push(Math.round((clock.now() - start) / 1_000))
    }
  }
  assert.deepEqual(times, [3, 6, 9, 12])
  assert.equal(net.sockets.length, 1)
  await feed.close()
})

test('pairs in one word arrive, and what nobody asked for is counted', async () => {
  const { clock, feed, say, sent } = venue({ ...ticks, symbols: { pair: '', case: 'lower' } })
  const seen: (readonly [string, number | undefined])[] = []
  feed.tickers('BTC/USDT', ({ symbol, last }) => seen.push([symbol, last]))
  await clock.advance(1)
  assert.match(sent()[0]!, /"symbols":\["btcusdt"\]/)
  say({ code: 'btcusdt', price: 1 })
  say({ code: 'BTCUSDT', price: 2 })
  say({ code: 'ETHUSDT', price: 3 })
  say({ code: 'ethusdt', price: 4 })
  assert.deepEqual(seen, [
    ['BTC/USDT', 1],
    ['BTC/USDT', 2],
  ])
  assert.deepEqual(feed.stats().unknown, { 'ticker of a symbol nobody asked for': 2 })
  await feed.close()
})

test('symbols of the tutorials go out as they are, by whichever name they are asked for', async () => {
  const codes = ['AAPL.US', 'MSFT.US', 'TSLA.US', 'NVDA.US']
  const message = '{"action":"subscribe","symbols":["AAPL.US","MSFT.US","TSLA.US","NVDA.US"]}'
  assert.deepEqual(checkJson(ticks, { symbols: codes }).sent, [message])
  const { clock, feed, say, sent } = venue(ticks)
  const seen: string[] = []
  feed.tickers(codes, ({ symbol }) => seen.push(symbol))
  await clock.advance(1)
  assert.deepEqual(sent(), [message])
  for (const code of codes) say({ code, price: 1 })
  assert.deepEqual(seen, ['AAPL', 'MSFT', 'TSLA', 'NVDA'])
  await feed.close()
})

test('an error that names no symbols is of the request, and said to everybody where there is none', async () => {
  const { clock, feed, say } = venue(quotes)
  const heard: string[] = []
  feed.on('notice', ({ notice, message }) => heard.push(`${notice}: ${message}`))
  const outcome = feed.subscribe({ trades: 'BTC/USD' })
  await clock.advance(1)
  say({ type: 'error', code: 'internal', reason: 'not now' })
  await clock.advance(1)
  assert.match((await outcome).rejected[0]!.reason.message, /not now/)
  say({ type: 'error', code: 'internal', reason: 'your subscription was dropped' })
  assert.deepEqual(feed.stats().unknown, { 'an error about no open request': 1 })
  assert.match(heard.at(-1)!, /^rejected: an error about .*your subscription was dropped$/)
  await feed.close()
})
