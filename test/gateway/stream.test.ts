// The native protocol at a gateway: what is asked, what is answered, and that exactly what was asked comes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { OrderBook } from '../../src/derive/order-book.ts'
import { type Book, Flag, hasFlag, type MarketEvent, type Notice } from '../../src/market/events.ts'
import { encodeEvent } from '../../src/market/json.ts'
import type { Topic } from '../../src/market/topics.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import type { Tape } from '../../src/tape/tape.ts'
import {
  event,
  guest,
  openStreamGateway,
  range,
  ScriptedFeed,
  type StreamGateway,
  type StreamOptions,
  trades,
} from './stream-kit.ts'

function check(
  name: string,
  body: (at: StreamGateway) => Promise<void>,
  options: StreamOptions | (() => StreamOptions) = {},
): void {
  test(name, async () => {
    const at = await openStreamGateway(typeof options === 'function' ? options() : options)
    try {
      await body(at)
    } finally {
      await at.close()
    }
  })
}

describe('a client that connects', () => {
  check('is greeted with what the gateway has, and that it is simulated', async at => {
    const client = await at.client()
    const [hello] = client.of('hello')
    assert.equal(hello?.version, 1)
    assert.equal(hello.server, 'tickwire/1.2.3')
    assert.equal(hello.nature, 'simulated')
    assert.match(hello.banner ?? '', /SIMULATED/)
    assert.equal(hello.tape, at.tape.id)
    assert.equal(hello.needsKey, false)
    assert.deepEqual(
      hello.sources.map(({ source, state }) => [source, state]),
      [['test', 'open']],
    )
    assert.ok(hello.limits.symbols > 0)
  })

  check('subscribes from now on, and has nothing of before', async at => {
    at.tape.append(trades(5))
    const client = await at.client()
    await client.subscribe({ snapshot: false })
    at.tape.append([...trades(3), ...trades(2, 'TSLA'), ...trades(1)])
    await at.until(() => client.events().length >= 4)
    assert.deepEqual(client.seqs(), [6, 7, 8, 11])
    assert.deepEqual(client.of('subscribed')[0]?.position, { tape: at.tape.id, seq: 5 })
    assert.deepEqual(client.of('answered')[0]?.accepted, ['test:trade:SPY'])
  })

  check('is given how things stand first', async at => {
    at.tape.append([
      ...trades(3),
      event({ type: 'quote', symbol: 'SPY', bid: 1, ask: 2 }),
      event({ type: 'book', symbol: 'SPY', bids: [[1, 10]], asks: [[2, 10]], snapshot: true }),
      event({ type: 'book', symbol: 'SPY', bids: [[1, 20]], asks: [], snapshot: false }),
    ])
    const client = await at.client()
    await client.subscribe({ kinds: ['trade', 'quote', 'book'] })
    const [trade, quote, book] = client.snapshot()
    assert.deepEqual([trade?.seq, quote?.seq], [3, 4])
    assert.deepEqual((book as Book).bids, [[1, 20]])
    assert.equal((book as Book).snapshot, true)
    assert.deepEqual(client.events(), [])
  })

  check('has the same events in each encoding', async at => {
    const clients = await Promise.all(
      (['json', 'msgpack', 'blocks'] as const).map(encoding => at.client({ encoding })),
    )
    for (const client of clients) await client.subscribe({ kinds: ['trade', 'news', 'book'] })
    at.tape.append([
      ...trades(3),
      event({ type: 'news', symbol: 'SPY', symbols: ['SPY'], headline: 'Grüße → 你好 😀', id: 7 }),
      event({ type: 'book', symbol: 'SPY', bids: [[1.5, 10]], asks: [], snapshot: true }),
    ])
    for (const client of clients) {
      await at.until(() => client.events().length === 5)
      assert.deepEqual(client.events().map(encodeEvent), clients[0]!.events().map(encodeEvent))
    }
    assert.match(encodeEvent(clients[0]!.events()[3]!), /Grüße → 你好 😀/)
  })

  check('has a frame of any length', async at => {
    const client = await at.client()
    await client.subscribe({})
    at.tape.append(trades(1))
    await at.until(() => client.events().length === 1)
    at.tape.append(trades(3_000))
    await at.until(() => client.events().length === 3_001)
    assert.deepEqual(client.seqs(), range(1, 3_001))
  })

  check('unsubscribes, and hears no more of it', async at => {
    const client = await at.client()
    await client.subscribe({})
    await client.subscribe({ symbols: ['TSLA'] }, 2)
    client.say({ type: 'unsubscribe', id: 1 })
    await at.until(() => client.of('unsubscribed').length === 1)
    at.tape.append([...trades(2), ...trades(2, 'TSLA')])
    await at.until(() => client.events(2).length === 2)
    assert.deepEqual(client.events(1), [])
  })

  check('shares what it gets with those that want the same', async at => {
    const clients = await Promise.all([at.client(), at.client(), at.client()])
    for (const client of clients) await client.subscribe({ symbols: ['SPY', 'TSLA'] })
    await clients[0]!.subscribe({ symbols: ['TSLA', 'SPY'] }, 2)
    assert.equal(at.gateway.inside.hub.groups, 1)
    at.tape.append(trades(2))
    for (const client of clients) await at.until(() => client.events().length === 2)
    await at.until(() => clients[0]!.events(2).length === 2)
  })

  check('is told every five seconds where it stands', async at => {
    const client = await at.client()
    await client.subscribe({})
    at.tape.append(trades(4, 'TSLA'))
    await at.clock.advance(5_000)
    await at.until(() => client.of('position').length > 0)
    assert.equal(client.of('position').at(-1)?.seq, 4)
  })

  check('that answers no pings for a minute is cut off, and nobody else', async at => {
    const [gone, here] = [await at.client(), await at.client()]
    for (const client of [gone, here]) await client.subscribe({})
    // Half open: nobody reads there, and nobody says so.
    gone.socket.pause()
    let asked = 0
    const beat = async () => {
      await at.clock.advance(5_000)
      // What it says comes behind its answer to the ping before this one, at least.
      here.say({ type: 'unsubscribe', id: ++asked + 100 })
      await at.until(() => here.of('error').length === asked, 0)
    }
    for (let i = 0; i < 12; i++) await beat()
    assert.equal(at.gateway.inside.clients().length, 2)
    await beat()
    assert.deepEqual(
      at.gateway.inside.clients().map(({ subscriptions }) => subscriptions),
      [1],
    )
    assert.equal(at.gateway.inside.hub.groups, 1)
    at.tape.append(trades(1))
    await at.until(() => here.events().length === 1)
    assert.equal(here.end, undefined)
  })

  check('is told to come again when the gateway ends', async at => {
    const client = await at.client()
    const closing = at.gateway.close()
    await at.until(() => client.end !== undefined)
    assert.equal(client.end?.code, 1012)
    await closing
  })
})

describe('a client that comes back', () => {
  check('has everything since, then what comes, once', async at => {
    at.tape.append([...trades(5), ...trades(5, 'TSLA'), ...trades(5)])
    const client = await at.client()
    await client.subscribe({ from: { tape: at.tape.id, seq: 3 } })
    at.tape.append(trades(2))
    await at.until(() => client.events().length >= 9)
    assert.deepEqual(client.seqs(), [4, 5, ...range(11, 17)])
    assert.equal(client.of('subscribed')[0]?.begins, 'behind')
    assert.deepEqual(client.snapshot(), [])
  })

  check('has it of the tape where that is long ago, while more comes', async at => {
    at.tape.append(trades(10_000))
    const client = await at.client()
    client.say({
      ...{ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['SPY'] },
      from: { tape: at.tape.id, seq: 100 },
    })
    for (let i = 0; i < 50; i++) {
      at.tape.append(trades(100))
      await at.clock.advance(1)
    }
    await at.until(() => client.events().length >= 14_900)
    assert.deepEqual(client.seqs(), range(101, 15_000))
    assert.equal(client.of('live').length, 1)
  })

  check('begins at the oldest there is', async at => {
    at.tape.append(trades(10))
    const client = await at.client()
    await client.subscribe({ from: 'start' })
    assert.deepEqual(client.seqs(), range(1, 10))
  })

  check(
    'is told exactly what the tape has not any more',
    async at => {
      at.tape.append(trades(10_000))
      await at.clock.advance(1)
      const client = await at.client()
      await client.subscribe({ from: { tape: at.tape.id, seq: 100 } })
      const [skipped] = client.events() as Notice[]
      const first = at.tape.start.seq + 1
      assert.equal(skipped?.notice, 'skipped')
      assert.deepEqual([skipped.from, skipped.to, skipped.count], [101, first - 1, first - 101])
      assert.deepEqual(client.seqs().slice(1), range(first, 10_000))
    },
    { tape: clock => memoryTape({ capacity: 1_024, clock }) },
  )

  check('begins anew with a position of another tape, and is told', async at => {
    at.tape.append(trades(10))
    const client = await at.client()
    await client.subscribe({ from: { tape: 'another', seq: 3 } })
    at.tape.append(trades(1))
    await at.until(() => client.events().length === 2)
    assert.equal((client.events()[0] as Notice).notice, 'reset')
    assert.equal(client.snapshot()[0]?.seq, 10)
    assert.deepEqual(client.seqs(), [undefined, 11])
  })

  check('with a position that nobody gave out is refused', async at => {
    at.tape.append(trades(10))
    await at.clock.advance(1)
    const client = await at.client()
    await client.subscribe({ from: { tape: at.tape.id, seq: 11 } })
    const [error] = client.of('error')
    assert.equal(error?.code, 'BAD_POSITION')
    assert.equal(error.id, 1)
    assert.match(error.hint ?? '', /ends at 10/)
    await client.subscribe({ from: { tape: at.tape.id, seq: 10 } })
    assert.equal(client.of('live').length, 1)
  })

  check('keeps a book it had, by its changes', async at => {
    const book = new OrderBook('SPY', 'test')
    const changes = range(1, 400).map(i =>
      i === 1
        ? event({ type: 'book', symbol: 'SPY', bids: [[1, 1]], asks: [[9, 1]], snapshot: true })
        : event({
            type: 'book',
            symbol: 'SPY',
            bids: [[1 + (i % 7), i]],
            asks: [],
            snapshot: false,
          }),
    )
    at.tape.append(changes.slice(0, 200))
    const client = await at.client()
    await client.subscribe({ kinds: ['book'] })
    at.tape.append(changes.slice(200))
    await at.until(() => client.events().length === 200)
    for (const it of [...client.snapshot(), ...client.events()]) book.apply(it as Book)
    const whole = new OrderBook('SPY', 'test')
    for (const it of changes) whole.apply(it as Book)
    assert.deepEqual(book.snapshot()?.bids, whole.snapshot()?.bids)
    assert.equal(book.synced, true)
  })
})

describe('a subscription that merges', () => {
  const quote = (bid: number) => event({ type: 'quote', symbol: 'SPY', bid, ask: bid + 1 })

  check('has the latest of each symbol once an interval, and is told', async at => {
    const client = await at.client()
    await client.subscribe({ kinds: ['quote', 'trade'], conflateMs: 100 })
    at.tape.append([quote(1), ...trades(2), quote(2), quote(3)])
    await at.clock.advance(50)
    assert.deepEqual(client.events(), [])
    await at.until(() => client.events().length >= 3, 10)
    const events = client.events()
    assert.deepEqual(
      events.map(({ type }) => type),
      ['quote', 'trade', 'trade'],
    )
    assert.equal((events[0] as unknown as { bid: number }).bid, 3)
    assert.ok(hasFlag(events[0]!, 'conflated'))
    assert.equal(events[0]!.flags & Flag.conflated, Flag.conflated)
  })

  check('merges trades where that is asked', async at => {
    const client = await at.client()
    await client.subscribe({ conflateMs: 100, conflateTrades: true })
    at.tape.append(trades(5))
    await at.until(() => client.events().length > 0, 10)
    await at.clock.advance(200)
    assert.deepEqual(client.seqs(), [5])
  })

  check('begins with how things stand, whatever position it names', async at => {
    at.tape.append([quote(1), quote(2)])
    const client = await at.client()
    const from = { tape: at.tape.id, seq: 0 }
    await client.subscribe({ kinds: ['quote'], conflateMs: 100, from })
    assert.deepEqual(client.events(), [])
    assert.equal(client.snapshot()[0]?.seq, 2)
  })
})

describe('what leaves the process', () => {
  check(
    'waits until it is written',
    async at => {
      const client = await at.client()
      await client.subscribe({})
      at.tape.append(trades(3))
      await at.clock.advance(50)
      assert.deepEqual(client.events(), [])
      ;(at.tape as unknown as HeldTape).write(2)
      await at.until(() => client.events().length > 0)
      await at.clock.advance(50)
      assert.deepEqual(client.seqs(), [1, 2])
    },
    { tape: clock => new HeldTape(clock) as unknown as Tape },
  )
})

describe('the sources', () => {
  const lingerMs = 1_000

  check(
    'are asked for the union, and not anew because one client comes or goes',
    async at => {
      const [one, two] = [await at.client(), await at.client()]
      await one.subscribe({ symbols: ['SPY', 'TSLA'] })
      await two.subscribe({ symbols: ['spy', 'AAPL'] })
      assert.deepEqual(at.feed.asked, ['+trade:SPY', '+trade:TSLA', '+trade:AAPL'])
      one.socket.close()
      await at.until(() => at.gateway.inside.clients().length === 1)
      await at.clock.advance(lingerMs + 1)
      assert.deepEqual(at.feed.asked.slice(3), ['-trade:TSLA'])
      two.socket.close()
      await at.until(() => at.gateway.inside.clients().length === 0)
      const three = await at.client()
      await three.subscribe({ symbols: ['AAPL'] })
      await at.clock.advance(lingerMs + 1)
      assert.deepEqual(at.feed.asked.slice(4), ['-trade:SPY'])
    },
    { lingerMs },
  )

  check('refuse some, and say so, and not the others', async at => {
    const client = await at.client()
    await client.subscribe({ symbols: ['SPY', 'NOPE', 'REFUSED'] })
    const [answer] = client.of('answered')
    assert.deepEqual(answer?.accepted, ['test:trade:SPY'])
    assert.deepEqual(
      answer.rejected.map(({ topic, code }) => [topic, code]),
      [
        ['test:trade:NOPE', 'UNKNOWN_SYMBOL'],
        ['test:trade:REFUSED', 'NOT_ENTITLED'],
      ],
    )
  })

  check(
    'are told apart',
    async at => {
      const client = await at.client()
      await client.subscribe({ source: 'two' })
      await client.subscribe({}, 2)
      at.tape.append([...trades(1, 'SPY', 'one'), ...trades(1, 'SPY', 'two')])
      await at.until(() => client.events(2).length === 2)
      assert.deepEqual(client.seqs(), [2])
    },
    () => ({ feeds: [new ScriptedFeed('one'), new ScriptedFeed('two')] }),
  )
})

describe('a client that comes and goes fast', () => {
  check('subscribes and unsubscribes in storms, and has what it wants in the end', async at => {
    const client = await at.client()
    const random = seededRandom(5)
    const open = new Set<number>()
    for (let i = 0; i < 150; i++) {
      const id = 1 + Math.floor(random() * 9)
      const symbol = id % 2 ? 'SPY' : 'TSLA'
      if (open.delete(id)) client.say({ type: 'unsubscribe', id })
      else {
        open.add(id)
        client.say({ type: 'subscribe', id, kinds: ['trade'], symbols: [symbol], snapshot: false })
      }
      if (i % 10 === 0) at.tape.append([...trades(3), ...trades(2, 'TSLA')])
    }
    const last = { type: 'subscribe', id: 50, kinds: ['trade'], symbols: ['SPY', 'TSLA'] }
    client.say(last)
    await at.until(() => client.of('live').some(({ id }) => id === 50))
    assert.deepEqual(client.of('error'), [])
    // All of before has come when this is answered.
    await at.clock.advance(10)
    client.say({ type: 'unsubscribe', id: 999 })
    await at.until(() => client.of('error').length === 1)
    const before = new Map([...open].map(id => [id, client.events(id).length]))
    const [spy, tsla] = [trades(4), trades(5, 'TSLA')]
    at.tape.append([...spy, ...tsla])
    await at.until(() => client.events(50).length === 9)
    for (const id of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const since = open.has(id) ? client.events(id).slice(before.get(id)) : []
      const expected = open.has(id) ? (id % 2 ? spy : tsla) : []
      assert.deepEqual(
        since.map(({ seq }) => seq),
        expected.map(({ seq }) => seq),
        `subscription ${id}`,
      )
      for (const batch of client.batches('events', id)) {
        const numbers = batch.events.map(({ seq }) => seq!)
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((a, b) => a - b),
        )
      }
    }
    const { gateway } = at
    assert.equal(gateway.inside.clients()[0]!.subscriptions, open.size + 1)
    // Only what is wanted has a group.
    assert.ok(gateway.inside.hub.groups <= 3)
  })

  const slow = new ScriptedFeed()
  const held: (() => void)[] = []
  check(
    'is told what the venue said of what it wants now, not of what it wanted before',
    async at => {
      const client = await at.client()
      client.say({ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['SPY'] })
      client.say({ type: 'unsubscribe', id: 1 })
      client.say({ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['TSLA'] })
      await at.until(() => client.of('live').length === 2 && held.length === 2)
      for (const answer of held) answer()
      await at.until(() => client.of('answered').length > 0)
      client.say({ type: 'unsubscribe', id: 1 })
      await at.until(() => client.of('unsubscribed').length === 2)
      assert.deepEqual(
        client.of('answered').map(({ accepted }) => accepted),
        [['test:trade:TSLA']],
      )
    },
    () => {
      const hold = slow.hold.bind(slow)
      slow.hold = request => {
        const its = hold(request)
        const answer = async (some?: readonly Topic[]) => {
          await new Promise<void>(resolve => held.push(resolve))
          return its.answer(some)
        }
        return { ...its, answer }
      }
      return { feeds: [slow] }
    },
  )
})

describe('bad input', () => {
  const refused: [name: string, request: object, code: string, words: RegExp][] = [
    ['a symbol nobody has', { symbols: ['NOPE'] }, 'UNKNOWN_SYMBOL', /no NOPE/],
    ['a source that is not there', { source: 'tset' }, 'UNKNOWN_FEED', /no source tset/],
    [
      'a wildcard the source has not',
      { kinds: ['quote'], symbols: ['*'] },
      'UNSUPPORTED',
      /wildcard/,
    ],
    ['bars of a length nobody sends', { kinds: ['bar'], interval: '7m' }, 'UNSUPPORTED', /7m/],
  ]
  for (const [name, request, code, words] of refused) {
    check(`${name} is refused, and the connection stays`, async at => {
      const client = await at.client()
      await client.subscribe(request)
      const [error] = client.of('error')
      assert.equal(error?.code, code)
      assert.equal(error.id, 1)
      assert.match(error.message, words)
      assert.ok(error.hint)
      assert.deepEqual(at.feed.asked, [])
      await client.subscribe({})
      assert.equal(client.of('live').length, 1)
    })
  }

  const broken: [name: string, text: string, words: RegExp][] = [
    ['no JSON', '{"type":', /cannot be read/],
    ['an unknown message', '{"type":"sell"}', /type/],
    ['no kinds', '{"type":"subscribe","id":1,"symbols":["SPY"]}', /kinds/],
    ['an unknown kind', '{"type":"subscribe","id":1,"kinds":["tick"],"symbols":["A"]}', /kinds/],
    ['a field nobody knows', '{"type":"unsubscribe","id":1,"now":true}', /now/],
    ['an id that is no number', '{"type":"unsubscribe","id":"1"}', /id/],
  ]
  for (const [name, text, words] of broken) {
    check(`${name} ends the connection, with the reason`, async at => {
      const client = await at.client()
      client.say(text)
      await at.until(() => client.end !== undefined)
      assert.equal(client.end?.code, 4400)
      const [error] = client.of('error')
      assert.equal(error?.code, 'BAD_REQUEST')
      assert.match(error.message, words)
      assert.match(error.hint ?? '', /native/)
    })
  }

  check('an id that is there already, and one that is not', async at => {
    const client = await at.client()
    await client.subscribe({})
    client.say({ type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['TSLA'] })
    client.say({ type: 'unsubscribe', id: 9 })
    await at.until(() => client.of('error').length === 2)
    assert.deepEqual(
      client.of('error').map(({ code }) => code),
      ['BAD_OPTION', 'NOT_FOUND'],
    )
    at.tape.append(trades(1))
    await at.until(() => client.events().length === 1)
  })

  check('a path that is none', async at => {
    const client = await at.client({ path: '/v2/stream' })
    assert.equal(client.status, 403)
  })
})

describe('a key', () => {
  const revocable = new AbortController()
  const refuse = () => {
    throw new TickwireError('KEY_REFUSED', 'no such key', { hint: 'Make one.' })
  }
  const access = {
    upgrade: () => undefined,
    authenticate: (key: string) => {
      if (key === 'few') return guest({ maxSymbols: 2 })
      if (key === 'idle') return guest({ scopes: new Set(['history'] as const) })
      return key === 'good' ? guest({ name: 'bot', revoked: revocable.signal }) : refuse()
    },
  }

  check(
    'is shown in the first message',
    async at => {
      const client = await at.client()
      assert.equal(client.of('hello')[0]?.needsKey, true)
      client.say({ type: 'auth', key: 'good' })
      await at.until(() => client.of('welcome').length === 1)
      assert.equal(client.of('welcome')[0]?.name, 'bot')
      await client.subscribe({})
      assert.equal(client.of('live').length, 1)
      revocable.abort(new TickwireError('KEY_REFUSED', 'the key was revoked'))
      await at.until(() => client.end !== undefined)
      assert.equal(client.end?.code, 4401)
      assert.match(client.end.reason, /revoked/)
    },
    { access },
  )

  const refusals: [name: string, message: object, code: string][] = [
    ['a wrong one', { type: 'auth', key: 'bad' }, 'KEY_REFUSED'],
    ['none', { type: 'subscribe', id: 1, kinds: ['trade'], symbols: ['SPY'] }, 'KEY_REQUIRED'],
    ['one that may not read', { type: 'auth', key: 'idle' }, 'SCOPE_MISSING'],
  ]
  for (const [name, message, code] of refusals) {
    check(
      `${name} ends the connection`,
      async at => {
        const client = await at.client()
        client.say(message)
        await at.until(() => client.end !== undefined)
        assert.equal(client.end?.code, 4401)
        assert.equal(client.of('error')[0]?.code, code)
        assert.deepEqual(at.feed.asked, [])
      },
      { access },
    )
  }

  check(
    'has to come in time',
    async at => {
      const client = await at.client()
      await at.until(() => client.end !== undefined, 100)
      assert.equal(client.end?.code, 4401)
    },
    { access },
  )

  check('that names a symbol twice asks for it once, and is refused it once', async at => {
    const client = await at.client()
    await client.subscribe({ symbols: ['SPY', 'SPY', 'NOX', 'NOX'], kinds: ['trade', 'trade'] })
    const [answer] = client.of('answered')
    assert.deepEqual(answer!.accepted, ['test:trade:SPY'])
    assert.deepEqual(
      answer!.rejected.map(({ topic }) => topic),
      ['test:trade:NOX'],
    )
  })

  test('has its share of topics, however it spreads them', async () => {
    const kit = await openStreamGateway({ clientLimits: { topics: 5 } })
    try {
      const client = await kit.client()
      assert.equal(client.of('hello')[0]!.limits.topics, 5)
      await client.subscribe({ symbols: ['A', 'B'], kinds: ['trade', 'quote'] })
      await client.subscribe({ symbols: ['A'], kinds: ['trade', 'quote'] }, 2)
      const [error] = client.of('error')
      assert.equal(error?.code, 'QUOTA_EXCEEDED')
      assert.match(error!.message, /more than 5 kinds of symbols/)
      await client.subscribe({ symbols: ['A'] }, 3)
      assert.equal(client.of('error').length, 1)
      // What is given back can be had again, and the symbols are counted as they are.
      client.say({ type: 'unsubscribe', id: 1 })
      await client.subscribe({ symbols: ['C', 'D'], kinds: ['trade', 'quote'] }, 4)
      assert.equal(client.of('error').length, 1)
      assert.equal(kit.gateway.inside.clients()[0]!.symbols, 3)
    } finally {
      await kit.close()
    }
  })

  check(
    'has its quota of symbols',
    async at => {
      const client = await at.client()
      client.say({ type: 'auth', key: 'few' })
      await client.subscribe({ symbols: ['A', 'B'] })
      await client.subscribe({ symbols: ['B', 'C'] }, 2)
      const [error] = client.of('error')
      assert.equal(error?.code, 'QUOTA_EXCEEDED')
      assert.match(error.message, /more than 2 symbols/)
      assert.deepEqual(at.feed.asked, ['+trade:A', '+trade:B'])
    },
    { access },
  )
})

/** A tape of which a test says how much is written. */
class HeldTape {
  readonly #tape
  readonly #shown

  constructor(clock: Parameters<NonNullable<StreamOptions['tape']>>[0]) {
    this.#tape = memoryTape({ clock })
    this.#shown = memoryTape({ clock })
  }

  get id() {
    return this.#tape.id
  }

  get start() {
    return { tape: this.id, seq: 0 }
  }

  get end() {
    return this.#tape.end
  }

  get written() {
    return { tape: this.id, seq: this.#shown.end.seq }
  }

  append(batch: readonly MarketEvent[]): void {
    this.#tape.append(batch)
  }

  write(count: number): void {
    void (async () => {
      for await (const batch of this.#tape.read({ from: 'start', live: false })) {
        this.#shown.append(batch.slice(0, count))
        return
      }
    })()
  }

  read(options: { written?: boolean; from?: object | string }) {
    const from = typeof options.from === 'object' ? { tape: this.#shown.id, seq: 0 } : options.from
    const tape = options.written ? this.#shown : this.#tape
    return tape.read({ ...options, from } as never)
  }

  async close(): Promise<void> {
    await this.#tape.close()
    await this.#shown.close()
  }
}
