import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeMsgpack, encodeMsgpack } from '../../../src/base/msgpack.ts'
import { createEvent, type MarketEvent } from '../../../src/market/events.ts'
import { type AlpacaServerOptions, alpacaServer } from '../../../src/providers/alpaca/server.ts'
import { AlpacaSession } from '../../../src/providers/alpaca/server-session.ts'
import { handClock } from '../../../src/testing/clock.ts'

type Options = Omit<AlpacaServerOptions, 'clock'>
type Message = Record<string, unknown>

/** A server and clients without any socket. */
function setUp(options: Options = {}) {
  const clock = handClock()
  const server = alpacaServer({ ...options, clock })
  const connect = (headers: Record<string, string> = {}, path = '/v2/iex') => {
    const frames: (string | Uint8Array)[] = []
    const ends: string[] = []
    const peer = {
      bufferedBytes: 0,
      send: (frame: string | Uint8Array) => frames.push(frame),
      close: (code: number) => ends.push(`close ${code}`),
      cut: () => ends.push('cut'),
    }
    const session = server.accept({ path, headers }, peer)
    assert.ok(session instanceof AlpacaSession)
    const decode = (frame: string | Uint8Array) =>
      typeof frame === 'string'
        ? (JSON.parse(frame) as Message[])
        : (decodeMsgpack(frame) as Message[]).map(message => ({ ...message }))
    return {
      ...{ session, peer, frames, ends },
      /** What came since it was last asked, frame by frame. */
      heard: () => frames.splice(0).map(decode),
      say(message: unknown) {
        const packed = headers['content-type'] === 'application/msgpack'
        const bytes = packed ? encodeMsgpack(message) : Buffer.from(JSON.stringify(message))
        session.receive(bytes)
      },
    }
  }
  const member = (key = 'PK', path?: string) => {
    const client = connect({}, path)
    client.say({ action: 'auth', key, secret: 's' })
    client.heard()
    return client
  }
  return { clock, server, connect, member }
}

const error = (code: number, msg: string) => [[{ T: 'error', code, msg }]]
const CONNECTED = [{ T: 'success', msg: 'connected' }]
const AUTHENTICATED = [{ T: 'success', msg: 'authenticated' }]
const trade = (symbol: string, price = 1): MarketEvent =>
  createEvent({ type: 'trade', symbol, source: 'v', timestamp: 1, price, size: 1 })
const quote = (symbol: string): MarketEvent =>
  createEvent({ type: 'quote', symbol, source: 'v', timestamp: 1, bid: 1, bidSize: 1 })

describe('greeting and authentication', () => {
  test('greets at once, and lets in with the documented words', () => {
    const client = setUp().connect()
    assert.deepEqual(client.heard(), [CONNECTED])
    client.say({ action: 'auth', key: 'PK', secret: 's' })
    assert.deepEqual(client.heard(), [AUTHENTICATED])
    assert.equal(client.session.account, 'PK')
  })

  test('speaks msgpack where the upgrade asked for it, and takes nothing else there', () => {
    const client = setUp().connect({ 'content-type': 'application/msgpack; charset=binary' })
    assert.equal(
      Buffer.from(client.frames[0] as Uint8Array).toString('hex'),
      '9182a154a773756363657373a36d7367a9636f6e6e6563746564',
    )
    client.heard()
    client.session.receive(Buffer.from('{"action":"auth","key":"PK","secret":"s"}'))
    assert.deepEqual(client.heard(), error(400, 'invalid syntax'))
  })

  test('knows the paths of the feeds, and no other', () => {
    const { server, connect } = setUp()
    for (const path of ['/v2/sip', '/v2/delayed_sip', '/v1beta1/boats', '/v2/test?x=1']) {
      assert.deepEqual(connect({}, path).heard(), [CONNECTED])
    }
    const peer = { bufferedBytes: 0, send() {}, close() {}, cut() {} }
    for (const path of ['/v1beta2/crypto', '/v2/iexx', '/']) {
      assert.deepEqual(server.accept({ path, headers: {} }, peer), { status: 404 })
    }
  })

  test('takes keys at the upgrade, also as Basic; an auth message is then one too many', () => {
    const { connect } = setUp({ accounts: { PK: 's' } })
    const basic = Buffer.from('PK:s').toString('base64')
    const [first, second] = [
      connect({ 'apca-api-key-id': 'PK', 'apca-api-secret-key': 's' }),
      connect({ authorization: `Basic ${basic}` }, '/v2/sip'),
    ]
    for (const client of [first, second]) {
      assert.deepEqual(client.heard(), [CONNECTED, AUTHENTICATED])
      client.say({ action: 'auth', key: 'PK', secret: 's' })
      assert.deepEqual(client.heard(), error(403, 'already authenticated'))
    }
  })

  test('takes the OAuth form', () => {
    const tokens = { good: {}, narrow: { scope: false } }
    const { connect } = setUp({ tokens })
    const answer = (secret: string) => {
      const client = connect()
      client.heard()
      client.say({ action: 'auth', key: 'oauth', secret })
      return client.heard()
    }
    assert.deepEqual(answer('good'), [AUTHENTICATED])
    assert.deepEqual(answer('narrow'), error(411, 'insufficient scope'))
    assert.deepEqual(answer('other'), error(402, 'auth failed'))
  })

  test('refuses wrong keys, and lets the client try again', () => {
    const client = setUp({ accounts: { PK: 's' } }).connect()
    client.heard()
    for (const [key, secret] of [
      ['PK', 'x'],
      ['XX', 's'],
      ['toString', 's'],
    ] as const) {
      client.say({ action: 'auth', key, secret })
      assert.deepEqual(client.heard(), error(402, 'auth failed'))
    }
    client.say({ action: 'auth', key: 'PK', secret: 's' })
    assert.deepEqual(client.heard(), [AUTHENTICATED])
  })

  test('ends with 404 who has not come in after 10 s, and nobody else', () => {
    const { clock, connect, member } = setUp()
    const [late, inside] = [connect(), member()]
    late.heard()
    clock.turn(9_999)
    assert.deepEqual(late.heard(), [])
    clock.turn(1)
    assert.deepEqual(late.heard(), error(404, 'auth timeout'))
    assert.deepEqual([late.ends, inside.ends], [['close 1000'], []])
    late.session.closed(true)
    inside.session.closed(true)
    assert.equal(clock.pending(), 0)
  })

  test('lets the timer of a client that left go', () => {
    const { clock, connect, server } = setUp()
    connect().session.closed(false)
    assert.deepEqual([clock.pending(), server.sessions.length], [0, 0])
  })

  for (const message of ['', '[]', 'null', '"auth"', '{', '{"action":"listen"}', '{}', '\xff']) {
    test(`answers ${JSON.stringify(message)} with 400 and stays`, () => {
      const client = setUp().connect()
      client.heard()
      client.session.receive(Buffer.from(message, 'latin1'))
      assert.deepEqual(client.heard(), error(400, 'invalid syntax'))
      assert.deepEqual(client.ends, [])
    })
  }

  test('answers an auth without key with 400, and a subscribe before auth with 401', () => {
    const client = setUp().connect()
    client.heard()
    client.say({ action: 'auth', key: 5, secret: 's' })
    assert.deepEqual(client.heard(), error(400, 'invalid syntax'))
    client.say({ action: 'subscribe', trades: ['SPY'] })
    assert.deepEqual(client.heard(), error(401, 'not authenticated'))
  })
})

describe('plans', () => {
  test('a feed outside of the plan is refused with 409', () => {
    const { connect } = setUp({ plan: { feeds: ['iex'] } })
    const client = connect({}, '/v2/sip')
    client.heard()
    client.say({ action: 'auth', key: 'PK', secret: 's' })
    assert.deepEqual(client.heard(), error(409, 'insufficient subscription'))
  })

  test('a second connection to a feed is refused with 406, to another feed it is not', () => {
    const { connect, member } = setUp()
    member('PK')
    const second = connect()
    second.heard()
    second.say({ action: 'auth', key: 'PK', secret: 's' })
    assert.deepEqual(second.heard(), error(406, 'connection limit exceeded'))
    assert.deepEqual(second.ends, [], 'it stays open and may try again')
    assert.equal(member('PK', '/v2/sip').session.account, 'PK')
    assert.equal(member('OTHER').session.account, 'OTHER')
  })

  test('a clean close frees the slot at once, a cut after 90 s', () => {
    const { clock, connect, member } = setUp()
    member().session.closed(true)
    member().session.closed(false)
    const next = connect()
    const retry = () => {
      next.heard()
      next.say({ action: 'auth', key: 'PK', secret: 's' })
      return next.heard()[0]![0]!.code ?? 'in'
    }
    assert.equal(retry(), 406)
    clock.set(clock.now() + 89_999)
    assert.equal(retry(), 406)
    clock.set(clock.now() + 1)
    assert.equal(retry(), 'in')
  })

  test('an account may have more connections, and a slot of its own length', () => {
    const { member, connect } = setUp({
      accounts: { PK: { secret: 's', connections: 2 } },
      slotMs: 0,
    })
    const [first] = [member(), member()]
    first.session.closed(false)
    assert.equal(member().session.account, 'PK')
    const more = connect()
    more.heard()
    more.say({ action: 'auth', key: 'PK', secret: 's' })
    assert.deepEqual(more.heard(), error(406, 'connection limit exceeded'))
  })

  test('one symbol too many is refused with 405: no ack, subscriptions as they were', () => {
    const { member } = setUp({ plan: { symbols: 2 } })
    const client = member()
    client.say({ action: 'subscribe', trades: ['A', 'B'], quotes: ['A'], bars: ['C', 'D', '*'] })
    const [[ack]] = client.heard() as [[Message]]
    assert.deepEqual([ack.trades, ack.quotes, ack.bars], [['A', 'B'], ['A'], ['C', 'D', '*']])
    for (const more of [{ quotes: ['C'] }, { trades: ['*'] }]) {
      client.say({ action: 'subscribe', ...more })
      assert.deepEqual(client.heard(), error(405, 'symbol limit exceeded'))
    }
    client.say({ action: 'unsubscribe', trades: ['B'] })
    client.say({ action: 'subscribe', quotes: ['C'] })
    const last = client.heard().at(-1)![0]!
    assert.deepEqual([last.trades, last.quotes], [['A'], ['A', 'C']])
  })
})

describe('subscriptions', () => {
  test('adds, subtracts, and answers each time with the whole state', () => {
    const client = setUp().member()
    client.say({ trades: ['AAPL'], quotes: ['AMD', 'CLDR'], bars: ['*'], action: 'subscribe' })
    const state = {
      ...{ T: 'subscription', trades: ['AAPL'], quotes: ['AMD', 'CLDR'], bars: ['*'] },
      ...{ updatedBars: [], dailyBars: [], statuses: [], lulds: [], imbalances: [] },
      ...{ corrections: ['AAPL'], cancelErrors: ['AAPL'] },
    }
    assert.deepEqual(client.heard(), [[state]])
    client.say({ action: 'subscribe', trades: ['AAPL'] })
    assert.deepEqual(client.heard(), [[state]], 'a repeat changes nothing')
    client.say({ action: 'unsubscribe', bars: ['*'], quotes: ['NONE'] })
    assert.deepEqual(client.heard(), [[{ ...state, bars: [] }]])
  })

  test('takes nil and empty lists of other streams, and refuses them with 410 when not empty', () => {
    const client = setUp().member()
    client.say({ action: 'subscribe', trades: ['A'], quotes: null, orderbooks: null, news: [] })
    assert.equal(client.heard()[0]![0]!.T, 'subscription')
    client.say({ action: 'subscribe', trades: ['B'], news: ['*'] })
    assert.deepEqual(client.heard(), error(410, 'invalid subscribe action for this feed'))
    client.say({ action: 'subscribe' })
    assert.deepEqual(client.heard()[0]![0]!.trades, ['A'], 'nothing of it was done')
  })

  test('the test feed has three channels', () => {
    const client = setUp().member('PK', '/v2/test')
    client.say({ action: 'subscribe', bars: ['FAKEPACA'] })
    const ack = { T: 'subscription', trades: [], quotes: [], bars: ['FAKEPACA'] }
    assert.deepEqual(client.heard(), [[ack]])
    client.say({ action: 'subscribe', lulds: ['FAKEPACA'] })
    assert.deepEqual(client.heard(), error(410, 'invalid subscribe action for this feed'))
  })

  for (const symbols of ['SPY', [''], ['S PY'], [5], [null], [['SPY']], ['A\n']]) {
    test(`refuses ${JSON.stringify(symbols)} as symbols with 400`, () => {
      const client = setUp().member()
      client.say({ action: 'subscribe', trades: symbols })
      assert.deepEqual(client.heard(), error(400, 'invalid syntax'))
    })
  }
})

describe('data', () => {
  test('goes to those who asked for it, * included; corrections and cancels follow trades', () => {
    const { server, member } = setUp()
    const [one, all, none] = [member('A'), member('B'), member('C')]
    one.say({ action: 'subscribe', trades: ['SPY'] })
    all.say({ action: 'subscribe', quotes: ['*'] })
    for (const client of [one, all, none]) client.heard()
    const cancel = createEvent({
      ...{ type: 'cancel', symbol: 'SPY', source: 'v', timestamp: 1, action: 'cancel', id: 1 },
    })
    server.deliver([trade('SPY'), trade('TSLA'), quote('TSLA'), cancel])
    const kinds = (client: typeof one) => client.heard().map(f => f.map(m => [m.T, m.S].join()))
    assert.deepEqual(kinds(one), [['t,SPY', 'x,SPY']])
    assert.deepEqual(kinds(all), [['q,TSLA']])
    assert.deepEqual(kinds(none), [])
  })

  test('has T first in every map, data in frames of at most 64 KiB or so', () => {
    const { server, connect } = setUp({ plan: { connections: 2 } })
    for (const type of ['application/json', 'application/msgpack']) {
      const client = connect({ 'content-type': type })
      client.say({ action: 'auth', key: 'PK', secret: 's' })
      client.say({ action: 'subscribe', trades: ['*'] })
      client.heard()
      server.deliver(Array.from({ length: 5_000 }, (_, i) => trade('SPY', i + 1)))
      assert.ok(client.frames.length > 1)
      assert.ok(client.frames.every(frame => frame.length <= 65_600))
      const messages = client.heard().flat()
      assert.equal(messages.length, 5_000)
      assert.ok(messages.every(message => Object.keys(message)[0] === 'T'))
      assert.deepEqual([messages[0]!.p, messages[4_999]!.p], [1, 5_000])
    }
  })

  test('is encoded once for clients with the same wishes', () => {
    const { server, member } = setUp()
    const clients = ['A', 'B', 'C'].map(key => member(key))
    for (const [i, client] of clients.entries()) {
      client.say({ action: 'subscribe', trades: i === 0 ? ['TSLA', 'SPY'] : ['SPY', 'TSLA'] })
      client.heard()
    }
    clients[2]!.say({ action: 'unsubscribe', trades: ['TSLA'] })
    clients[2]!.heard()
    const batch = [trade('SPY'), trade('TSLA')]
    server.deliver(batch)
    const [a, b, c] = clients.map(client => client.frames.splice(0)[0])
    assert.equal(a, b)
    assert.notEqual(a, c)
    // The array is only lent: with other events in it, it is another batch.
    batch.splice(0, 2, trade('SPY', 9))
    server.deliver(batch)
    assert.deepEqual(
      clients[0]!
        .heard()
        .flat()
        .map(m => m.p),
      [9],
    )
  })

  test('a client that reads too slowly is told 407 and cut', () => {
    const { server, member } = setUp({ maxBufferBytes: 1_000 })
    const client = member()
    client.say({ action: 'subscribe', trades: ['*'] })
    client.heard()
    client.peer.bufferedBytes = 1_000
    server.deliver([trade('SPY')])
    assert.deepEqual(client.ends, [])
    client.heard()
    client.peer.bufferedBytes = 1_001
    server.deliver([trade('SPY')])
    assert.deepEqual(client.heard(), error(407, 'slow client'))
    assert.deepEqual(client.ends, ['cut'])
  })

  test('may still come for a while after an unsubscribe, where a script wants it', () => {
    const script = { unsubscribe: () => 1_000 }
    const { clock, server, member } = setUp({ script })
    const client = member()
    client.say({ action: 'subscribe', trades: ['SPY', 'TSLA'] })
    client.say({ action: 'unsubscribe', trades: ['SPY'] })
    client.heard()
    const symbols = () => {
      server.deliver([trade('SPY'), trade('TSLA')])
      return client
        .heard()
        .flat()
        .map(message => message.S)
    }
    assert.deepEqual(symbols(), ['SPY', 'TSLA'])
    clock.set(clock.now() + 1_000)
    assert.deepEqual(symbols(), ['TSLA'])
  })
})
