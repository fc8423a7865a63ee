// The client of the native protocol, against a gateway that a test plays.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readerNotice } from '../../../src/flow/queue.ts'
import type { MarketEvent, Notice } from '../../../src/market/events.ts'
import {
  type ClientStatus,
  type GatewayClient,
  openClient,
} from '../../../src/providers/tickwire/client.ts'
import { CLOSE, type Hello, type ServerMessage } from '../../../src/providers/tickwire/messages.ts'
import { plainOf } from '../../../src/providers/tickwire/plain.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { scriptedSockets } from '../../../src/testing/sockets.ts'
import { trades } from '../../gateway/stream-kit.ts'

const HELLO: Hello = {
  ...{ type: 'hello', version: 1, server: 'tickwire/1', encoding: 'json', nature: 'simulated' },
  ...{ tape: 'T', seq: 10, time: 0, sources: [], needsKey: false },
  limits: {
    subscriptions: 9,
    symbols: 9,
    topics: 9,
    messageBytes: 9,
    queuedEvents: 9,
    heartbeatMs: 5_000,
  },
}

interface Scene {
  readonly client: GatewayClient
  readonly clock: ReturnType<typeof handClock>
  readonly sockets: ReturnType<typeof scriptedSockets>
  readonly statuses: ClientStatus[]
  /** What the client has said on the connection there is now. */
  said(): Record<string, unknown>[]
  say(message: object): void
  /** Opens the connection there is now, and lets the client in. */
  greet(hello?: Partial<Hello>): Promise<void>
}

function check(name: string, body: (scene: Scene) => Promise<void>, key?: string): void {
  test(name, async () => {
    const clock = handClock()
    const sockets = scriptedSockets()
    const client = openClient({
      ...{ clock, random: () => 0.5, openSocket: sockets.openSocket, url: 'http://gw:8425' },
      ...(key !== undefined && { key }),
    })
    client.done.catch(() => {})
    const statuses: ClientStatus[] = []
    client.watch(status => statuses.push(status))
    const say = (message: object) => sockets.last.send(JSON.stringify(message))
    await body({
      ...{ client, clock, sockets, statuses, say },
      said: () => sockets.last.sent.map(it => JSON.parse(String(it))),
      async greet(hello = {}) {
        sockets.last.open()
        say({ ...HELLO, ...hello })
        if (!hello.needsKey) say({ type: 'welcome', name: 'anonymous', scopes: ['read'] })
        await clock.advance(0)
      },
    })
    client.close()
    await clock.advance(60_000)
    assert.equal(clock.pending(), 0, 'timers that are left')
  })
}

const spy = { kinds: ['trade'], symbols: ['SPY'] } as const
const events = (id: number, seq: number, some: readonly MarketEvent[]): ServerMessage =>
  ({ type: 'events', id, seq, events: some.map(plainOf) }) as unknown as ServerMessage
const live = (id: number, seq: number) => ({ type: 'live', id, seq })

describe('a client', () => {
  check('connects to the stream of a gateway, and asks when it is let in', async at => {
    assert.equal(at.sockets.last.request.url, 'ws://gw:8425/v1/stream')
    assert.deepEqual(at.sockets.last.request.protocols, ['tickwire.v1.json'])
    at.client.subscribe(spy, () => {})
    assert.deepEqual(at.sockets.last.sent, [])
    await at.greet()
    assert.deepEqual(at.said(), [{ type: 'subscribe', id: 1, ...spy }])
    assert.equal((await at.client.ready).tape, 'T')
    assert.deepEqual(
      at.statuses.map(({ state }) => state),
      ['connecting', 'open'],
    )
  })

  check('hands on events and snapshots, and which is which', async at => {
    const seen: [number | undefined, boolean][] = []
    at.client.subscribe(spy, (event, isSnapshot) => seen.push([event.seq, isSnapshot]))
    await at.greet()
    const [one, two] = trades(2)
    at.say({ ...events(1, 11, [one!]), type: 'snapshot' })
    at.say(live(1, 11))
    at.say(events(1, 12, [two!]))
    assert.deepEqual(
      seen.map(([, isSnapshot]) => isSnapshot),
      [true, false],
    )
  })

  check('goes on behind the last event when the connection is lost', async at => {
    const subscription = at.client.subscribe(spy, () => {})
    await at.greet()
    at.say({ type: 'subscribed', id: 1, position: { tape: 'T', seq: 10 }, begins: 'now' })
    assert.equal(subscription.position, undefined)
    at.say(live(1, 10))
    at.say(events(1, 15, trades(2)))
    at.sockets.last.end()
    assert.equal(at.client.state, 'waiting')
    assert.equal(subscription.isLive, false)
    await at.clock.advance(1_000)
    await at.greet()
    assert.deepEqual(at.said()[0]?.from, { tape: 'T', seq: 15 })
  })

  check('begins anew where it never came so far as to be live', async at => {
    at.client.subscribe(spy, () => {})
    await at.greet()
    at.say({ type: 'subscribed', id: 1, position: { tape: 'T', seq: 10 }, begins: 'now' })
    at.sockets.last.end()
    await at.clock.advance(1_000)
    await at.greet()
    assert.equal(at.said()[0]?.from, undefined)
  })

  check('has no new position from a reset, before how things stand has come', async at => {
    const subscription = at.client.subscribe({ ...spy, from: { tape: 'old', seq: 3 } }, () => {})
    await at.greet()
    at.say({ type: 'subscribed', id: 1, position: { tape: 'T', seq: 10 }, begins: 'now' })
    at.say(events(1, 10, [readerNotice('reset', 0, 'another tape', { from: 11 })]))
    assert.deepEqual(subscription.position, { tape: 'old', seq: 3 })
    at.sockets.last.end()
    await at.clock.advance(1_000)
    await at.greet()
    assert.deepEqual(at.said()[0]?.from, { tape: 'old', seq: 3 })
    at.say({ type: 'subscribed', id: 1, position: { tape: 'T', seq: 12 }, begins: 'now' })
    at.say(live(1, 12))
    assert.deepEqual(subscription.position, { tape: 'T', seq: 12 })
  })

  check('knows from a heartbeat that a quiet subscription is not behind', async at => {
    const subscription = at.client.subscribe(spy, () => {})
    await at.greet()
    at.say({ type: 'position', seq: 11, time: 0 })
    assert.equal(subscription.position, undefined)
    at.say(live(1, 12))
    at.say({ type: 'position', seq: 900, time: 0 })
    assert.deepEqual(subscription.position, { tape: 'T', seq: 900 })
  })

  check('has no position where events are merged', async at => {
    const subscription = at.client.subscribe({ ...spy, conflateMs: 100 }, () => {})
    await at.greet()
    at.say(live(1, 12))
    at.say(events(1, 15, trades(2)))
    assert.equal(subscription.position, undefined)
  })

  check('gives up a position that the gateway does not know, and says so', async at => {
    const notices: Notice[] = []
    at.client.subscribe({ ...spy, from: { tape: 'T', seq: 99 } }, event =>
      notices.push(event as Notice),
    )
    await at.greet()
    at.say({ type: 'error', id: 1, code: 'BAD_POSITION', message: 'no', retryable: false })
    assert.deepEqual(
      notices.map(({ notice }) => notice),
      ['reset'],
    )
    assert.equal(at.said()[1]?.type, 'subscribe')
    assert.deepEqual(at.said()[0]?.from, { tape: 'T', seq: 99 })
    assert.equal(at.said()[1]?.from, undefined)
  })

  check('waits longer and longer, and not after it was let in', async at => {
    const waits: number[] = []
    for (let i = 0; i < 4; i++) {
      at.sockets.last.end({ error: new Error('refused') })
      const since = at.clock.now()
      const { length } = at.sockets.sockets
      while (at.sockets.sockets.length === length) await at.clock.advance(25)
      waits.push(at.clock.now() - since)
    }
    assert.ok(waits[3]! > 2 * waits[0]!, waits.join())
    assert.equal(at.statuses.at(-2)?.reason?.code, 'UNREACHABLE')
    await at.greet()
    at.sockets.last.end()
    await at.clock.advance(waits[1]!)
    assert.equal(at.client.state, 'connecting')
  })

  check('takes a gateway that says nothing for dead', async at => {
    await at.greet()
    await at.clock.advance(14_000)
    assert.equal(at.client.state, 'open')
    await at.clock.advance(1_100)
    assert.equal(at.statuses.find(({ state }) => state === 'waiting')?.reason?.code, 'MUTE')
  })

  check('takes what is no message for a fault of the connection', async at => {
    await at.greet()
    at.sockets.last.send('{"type":"events","id":1,"seq":1,"events":[{}]}')
    await at.clock.advance(0)
    const { reason } = at.statuses.find(({ state }) => state === 'waiting') ?? {}
    assert.equal(reason?.code, 'BAD_EVENT')
  })

  check('ends with what the gateway refuses for good, and says why', async at => {
    at.client.subscribe(spy, () => {})
    at.sockets.last.open()
    at.say(HELLO)
    at.say({
      type: 'error',
      code: 'KEY_REFUSED',
      message: 'revoked',
      hint: 'ask',
      retryable: false,
    })
    at.sockets.last.end({ code: CLOSE.auth, reason: 'revoked' })
    assert.equal(at.client.state, 'closed')
    await assert.rejects(at.client.done, { code: 'KEY_REFUSED', hint: 'ask' })
    await assert.rejects(at.client.ready, { code: 'KEY_REFUSED' })
  })

  check('ends where a page may not ask', async at => {
    at.sockets.last.end({ httpStatus: 403 })
    await assert.rejects(at.client.done, { code: 'ORIGIN_REFUSED' })
  })

  check('tries again where a gateway is full', async at => {
    at.sockets.last.end({ httpStatus: 503 })
    assert.equal(at.client.state, 'waiting')
  })

  check('says that it needs a key', async at => {
    at.sockets.last.open()
    at.say({ ...HELLO, needsKey: true })
    await assert.rejects(at.client.done, { code: 'KEY_REQUIRED' })
  })

  check(
    'shows its key first',
    async at => {
      at.client.subscribe(spy, () => {})
      await at.greet({ needsKey: true })
      assert.deepEqual(at.said(), [{ type: 'auth', key: 'tw_1' }])
      at.say({ type: 'welcome', name: 'bot', scopes: ['read'] })
      assert.equal(at.said()[1]?.type, 'subscribe')
    },
    'tw_1',
  )

  check('is refused a subscription, and the others stay', async at => {
    const one = at.client.subscribe(spy, () => {})
    const two = at.client.subscribe(spy, () => {})
    await at.greet()
    at.say({ type: 'error', id: 1, code: 'UNKNOWN_SYMBOL', message: 'no SPY', retryable: false })
    await assert.rejects(one.ready, { code: 'UNKNOWN_SYMBOL' })
    at.say({ type: 'answered', id: 2, accepted: ['a:trade:SPY'], rejected: [], pending: [] })
    assert.deepEqual((await two.ready).accepted, ['a:trade:SPY'])
    at.sockets.last.end()
    await at.clock.advance(1_000)
    await at.greet()
    assert.deepEqual(
      at.said().map(({ id }) => id),
      [2],
    )
  })

  check('is a loop, that ends with break or with the client', async at => {
    const stream = at.client.subscribe(spy)
    await at.greet()
    at.say(events(1, 12, trades(3)))
    const prices: (number | undefined)[] = []
    for await (const event of stream) {
      prices.push(event.seq)
      if (prices.length === 2) break
    }
    assert.equal(prices.length, 2)
    assert.equal(at.said().at(-1)?.type, 'unsubscribe')
    const other = at.client.subscribe(spy)
    const ended = (async () => {
      for await (const _ of other);
    })()
    at.client.close()
    await assert.rejects(ended, { code: 'CLOSED' })
    await at.client.done
  })

  test('refuses an address and an encoding that cannot be', () => {
    const { openSocket } = scriptedSockets()
    const open = (more: object) => () => openClient({ openSocket, ...more } as never)
    assert.throws(open({ url: 'gateway' }), { code: 'BAD_OPTION' })
    assert.throws(open({ url: 'ftp://gateway' }), { code: 'BAD_OPTION' })
    assert.throws(open({ encoding: 'xml' }), { code: 'BAD_OPTION' })
  })
})
