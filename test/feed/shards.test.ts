import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Capabilities } from '../../src/feed/provider.ts'
import { Shards } from '../../src/feed/shards.ts'
import { Subscriptions } from '../../src/feed/subscriptions.ts'
import type { Trade } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'
import type { ScriptedSocket } from '../../src/testing/sockets.ts'
import { oblige, say, toyCapabilities, toyFeed, tradeOf } from './toy-venue.ts'

function sharded(limits: Capabilities['limits']) {
  const toy = toyFeed({
    description: {
      capabilities: { ...toyCapabilities, limits },
      // Nobody answers pings here.
      ping: { everyMs: 1e9, timeoutMs: 5_000 },
    },
  })
  const held = () => toy.net.sockets.map(socket => (socket.closed ? [] : symbolsOf(socket)))
  return { ...toy, held }
}

/** What a connection carries, by what it has asked for. */
function topicsOf(socket: ScriptedSocket): string[] {
  const key = socket.sent.join()
  const known = carried.get(socket)
  if (known?.key === key) return known.topics
  const have = new Set<string>()
  for (const frame of socket.sent) {
    const { add = [], drop = [] } = JSON.parse(String(frame))
    for (const name of add) have.add(name)
    for (const name of drop) have.delete(name)
  }
  carried.set(socket, { key, topics: [...have] })
  return [...have]
}

const carried = new WeakMap<ScriptedSocket, { key: string; topics: string[] }>()

function symbolsOf(socket: ScriptedSocket): string[] {
  return [...new Set(topicsOf(socket).map(name => name.split('/')[1]!))]
}

const letters = (count: number) =>
  Array.from({ length: count }, (_, i) => String.fromCharCode(65 + i))

test('one connection is opened for as long as one is enough', async () => {
  const { clock, net, feed } = sharded({ connections: 3, symbolsPerConnection: 5 })
  feed.trades(letters(5), () => {})
  await clock.advance(1)
  assert.equal(net.sockets.length, 1)
  await feed.close()
})

test('many symbols are spread over the connections there are, all kinds of a symbol together', async () => {
  const { clock, net, feed, held } = sharded({ connections: 3, symbolsPerConnection: 4 })
  feed.trades(letters(10), () => {})
  feed.quotes(letters(10), () => {})
  const { accepted } = await settled(clock, feed.subscribe({ trades: letters(10) }))
  assert.equal(accepted.length, 10)
  const symbols = held()
  assert.equal(net.sockets.length, 3)
  assert.deepEqual(symbols.flat().sort(), letters(10))
  assert.ok(symbols.every(list => list.length <= 4))
  await feed.close()
})

test('beyond what the plan allows the connections are filled evenly, never more opened', async () => {
  const { clock, net, feed, held } = sharded({ connections: 2, symbolsPerConnection: 3 })
  feed.trades(letters(12), () => {})
  await clock.advance(1)
  assert.equal(net.sockets.length, 2)
  assert.deepEqual(
    held().map(list => list.length),
    [6, 6],
  )
  await feed.close()
})

test('the wildcard neither gathers the other symbols nor brings an event twice', async () => {
  const { clock, net, feed } = sharded({ connections: 3, symbolsPerConnection: 1 })
  const seen: string[] = []
  feed.quotes(['A', 'B', 'C'], () => {})
  feed.trades(['A', 'B', 'C'], () => {})
  await clock.advance(1)
  assert.equal(net.sockets.length, 3)
  const all = feed.trades('*', ({ symbol }) => seen.push(symbol))
  await clock.advance(1)
  // The venue sends a trade to whoever asked for its symbol, and to whoever asked for all.
  for (const symbol of ['A', 'B', 'C', 'D']) {
    for (const [index, socket] of net.sockets.entries()) {
      if (index === 0 || symbolsOf(socket).includes(symbol))
        say(socket, { events: [tradeOf(symbol, 1)] })
    }
  }
  assert.deepEqual(seen, ['A', 'B', 'C', 'D'])
  // Taken back, nobody speaks for the others any more, whatever still comes.
  all.close()
  await clock.advance(3_000)
  feed.on('trade', ({ symbol }) => seen.push(symbol))
  for (const symbol of ['A', 'D']) say(net.sockets[0]!, { events: [tradeOf(symbol, 2)] })
  assert.deepEqual(seen.slice(4), ['A'])
  await feed.close()
})

test('what `*` was first to show comes at once when the own connection is lost or let go', async () => {
  for (const end of ['lost', 'let go'] as const) {
    const { clock, net, feed } = sharded({ connections: 2, symbolsPerConnection: 1 })
    const seen: number[] = []
    feed.trades('A', () => {})
    const own = feed.trades('B', () => {})
    await clock.advance(1)
    const [first, second] = net.sockets as [ScriptedSocket, ScriptedSocket]
    feed.trades('*', event => seen.push(event.timestamp))
    await clock.advance(1)
    say(second, { events: [tradeOf('B', 1)] })
    say(first, { events: [tradeOf('B', 3)] })
    assert.deepEqual(seen, [1])
    if (end === 'lost') second.end()
    else {
      own.close()
      assert.deepEqual(seen, [1, 3])
    }
    say(first, { events: [tradeOf('B', 4)] })
    await clock.advance(1)
    say(first, { events: [tradeOf('B', 5)] })
    assert.deepEqual(seen, [1, 3, 4, 5], end)
    await feed.close()
    assert.equal(clock.pending(), 0)
  }
})

test('a symbol let go and taken again comes once, whatever the old connection still sends', async () => {
  const { clock, net, feed } = sharded({ connections: 2, symbolsPerConnection: 2 })
  const seen: number[] = []
  feed.trades(['A', 'B', 'C'], () => {})
  const first = feed.trades('X', () => {})
  await clock.advance(1)
  first.close()
  feed.trades('D', () => {})
  await clock.advance(1)
  feed.trades('X', event => seen.push(event.timestamp))
  await clock.advance(1)
  for (const socket of net.sockets) say(socket, { events: [tradeOf('X', 1)] })
  assert.deepEqual(seen, [1])
  await feed.close()
})

test('a move to a connection that turns out to be full is given up, and nothing is lost or refused', async () => {
  const { clock, net, feed } = sharded({ connections: 2, symbolsPerConnection: 6 })
  const seen: number[] = []
  const rejected: string[] = []
  feed.on('notice', notice => {
    if (notice.notice === 'rejected') rejected.push(notice.message)
  })
  feed.trades(letters(8), event => seen.push(event.timestamp))
  await clock.advance(1)
  const [old, taker] = net.sockets as [ScriptedSocket, ScriptedSocket]
  const busy = symbolsOf(old)
  taker.onSent = () => say(taker, { error: 3 })
  let number = 0
  const said: number[] = []
  const speak = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      for (const symbol of busy) {
        said.push(++number)
        say(old, { events: [tradeOf(symbol, number)] })
      }
      await clock.advance(100)
    }
  }
  await speak(31_000)
  assert.ok(taker.sent.length > 2, 'a move was tried')
  await speak(5_000)
  assert.deepEqual([seen, rejected], [said, []])
  assert.deepEqual(symbolsOf(old), busy)
  assert.equal(feed.stats().topics.acknowledged, 8)
  await feed.close()
  assert.equal(clock.pending(), 0)
})

test('what a full connection refuses goes to another one', async () => {
  const { clock, net, feed, held } = sharded({ connections: 2 })
  await settled(clock, feed.subscribe({ trades: ['A', 'B'] }))
  const first = net.last
  first.onSent = () => say(first, { error: 3 })
  const { accepted, rejected } = await settled(clock, feed.subscribe({ trades: ['C', 'D'] }))
  assert.deepEqual([accepted.length, rejected.length, net.sockets.length], [2, 0, 2])
  assert.deepEqual(held()[1], ['C', 'D'])
  await feed.close()
})

test('of a symbol that goes elsewhere, because one kind of it is refused, the other kinds do not stop', async () => {
  const { clock, net, feed, held } = sharded({ connections: 2 })
  const trades: number[] = []
  const quotes: number[] = []
  feed.trades(['A', 'B'], event => event.symbol === 'A' && trades.push(event.timestamp))
  await clock.advance(1)
  /** The connection refuses what is asked for now; the venue says something every 50 ms. */
  const refuse = async (socket: ScriptedSocket, ask: () => Promise<unknown>) => {
    const answer = socket.onSent
    socket.onSent = () => {
      socket.sent.pop()
      say(socket, { error: 3 })
    }
    const asked = ask()
    await clock.advance(1)
    socket.onSent = answer
    for (let i = 0; i < 60; i++) {
      number++
      // The second one is a little earlier than the first.
      for (const socket of net.sockets.toReversed()) {
        const kinds = topicsOf(socket)
        if (kinds.includes('quote/A')) say(socket, { events: [quoteOf(number)] })
        if (kinds.includes('trade/A')) say(socket, { events: [tradeOf('A', number)] })
      }
      await clock.advance(50)
    }
    return asked
  }
  let number = 0
  const quoteOf = (timestamp: number) => ({ ...tradeOf('A', timestamp), type: 'quote', bid: 1 })
  await refuse(net.sockets[0]!, () => feed.quotes('A', e => void quotes.push(e.timestamp)).ready)
  assert.deepEqual(held(), [['B'], ['A']])
  // And back again, while the first change is still fresh.
  await refuse(net.sockets[1]!, () => feed.bars('A', () => {}).ready)
  assert.deepEqual(held(), [['B', 'A'], []])
  const all = Array.from({ length: 120 }, (_, i) => i + 1)
  assert.deepEqual([trades, quotes], [all, all])
  assert.equal(feed.stats().topics.acknowledged, 4)
  await feed.close()
  assert.equal(clock.pending(), 0)
})

test('what nobody has room for is refused, and asked for again when room is made', async () => {
  const { clock, net, feed } = sharded({ connections: 1 })
  await settled(clock, feed.subscribe({ trades: 'A' }))
  const socket = net.last
  const answer = socket.onSent
  socket.onSent = () => say(socket, { error: 3 })
  const { rejected } = await settled(clock, feed.subscribe({ trades: 'B' }))
  assert.equal(rejected[0]?.reason.code, 'SYMBOL_LIMIT')
  socket.onSent = answer
  feed.unsubscribe({ trades: 'A' })
  await clock.advance(1)
  assert.equal(String(socket.sent.at(-1)), '{"add":["trade/B"]}')
  await feed.close()
})

for (const [old, fresh] of [
  [400, 100],
  [100, 400],
] as const) {
  test(`a symbol moves to a less loaded connection without a hole, a repeat or a change of order: ${old} ms late, then ${fresh}`, () =>
    moves(old, fresh))
}

/** Two connections, each of which brings what the venue says with delays of its own, up to so long, ms. */
async function moves(old: number, fresh: number) {
  const random = seededRandom(3)
  const { clock, net, feed, held } = sharded({ connections: 2, symbolsPerConnection: 6 })
  const seen = new Map<string, number[]>()
  feed.trades(letters(8), (event: Trade) => {
    seen.set(event.symbol, [...(seen.get(event.symbol) ?? []), event.timestamp])
  })
  await clock.advance(1)
  const before = held().map(list => [...list])
  // The first connection carries four busy symbols, the second four quiet ones; what the venue says reaches each
  // connection with a delay of its own.
  const queues = new Map<ScriptedSocket, { at: number; frame: object }[]>()
  const said = new Map<string, number[]>()
  for (let ms = 0; ms < 120_000; ms += 50) {
    for (const [index, symbol] of before[0]!.entries()) {
      if (random() < 0.5) continue
      const number = Math.floor(clock.now()) + index
      said.set(symbol, [...(said.get(symbol) ?? []), number])
      for (const [shard, socket] of net.sockets.entries()) {
        if (!symbolsOf(socket).includes(symbol)) continue
        const queue = queues.get(socket) ?? []
        queues.set(socket, queue)
        const frame = { events: [tradeOf(symbol, number)] }
        queue.push({ at: ms + (shard === 0 ? old : fresh) * (0.7 + 0.3 * random()), frame })
      }
    }
    for (const [socket, queue] of queues) {
      while (queue[0] && queue[0].at <= ms) say(socket, queue.shift()!.frame)
    }
    await clock.advance(50)
  }
  for (const [socket, queue] of queues) for (const { frame } of queue) say(socket, frame)
  const after = held()
  assert.notDeepEqual(after, before)
  assert.ok(after[1]!.some(symbol => before[0]!.includes(symbol)))
  assert.deepEqual(after.flat().sort(), letters(8))
  for (const symbol of before[0]!) assert.deepEqual(seen.get(symbol), said.get(symbol), symbol)
  await feed.close()
  assert.deepEqual([net.live, clock.pending()], [0, 0])
}

test('`*` asked for and taken back, again and again, leaves no hole and no repeat in what is wanted by itself', async () => {
  const worlds = fc.record({
    seed: fc.integer(),
    delays: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 3, maxLength: 3 }),
    quiet: fc.constantFrom(0.2, 0.8, 0.95, 0.98),
    // Steps of 50 ms until it is asked for or taken back, by turns: the last answer has come by then.
    turns: fc.array(fc.integer({ min: 19, max: 90 }), { minLength: 2, maxLength: 5 }),
  })
  const play = async (options: World) => {
    const { turns, quiet } = options
    const { seen, others, said } = await world(options)
    for (const symbol of letters(6)) assert.deepEqual(seen.get(symbol), said.get(symbol), symbol)
    assert.equal(new Set(others).size, others.length, 'a symbol of `*` alone came twice')
    assert.ok(turns[1]! < 40 || others.length > 0 || quiet > 0.5, '`*` brought nothing')
  }
  await fc.assert(fc.asyncProperty(worlds, play), {
    numRuns: 40,
    seed: 11,
    examples: [
      // Asked for anew while a symbol has been silent, and while its own connection is far behind.
      [{ seed: 1759741871, delays: [1, 1, 1], quiet: 0.9784455515909941, turns: [34, 44, 34, 19] }],
      [{ seed: 1, delays: [1, 900, 900], quiet: 0.5, turns: [60, 5, 60] }],
      [{ seed: 1, delays: [1, 1, 1], quiet: 0.5, turns: [60, 60, 20, 12] }],
    ],
  })
})

interface World {
  readonly seed: number
  readonly delays: number[]
  readonly quiet: number
  readonly turns: number[]
}

/**
 * Six symbols over three connections, each of which brings what the venue says, its answers too, in order and with
 * delays of its own. Returns what came of each symbol, of one that only `*` has, and what was said.
 */
async function world(options: World) {
  const random = seededRandom(options.seed)
  const { clock, net, feed } = sharded({ connections: 3, symbolsPerConnection: 2 })
  const seen = new Map<string, number[]>(letters(6).map(symbol => [symbol, []]))
  const said = new Map<string, number[]>(letters(6).map(symbol => [symbol, []]))
  const others: number[] = []
  feed.trades(letters(6), event => seen.get(event.symbol)!.push(event.timestamp))
  await clock.advance(1)
  let now = 0
  const queues = net.sockets.map(() => [] as { at: number; frame: object }[])
  const queue = (index: number, frame: object) =>
    queues[index]!.push({ at: now + options.delays[index]! * (0.5 + random() / 2), frame })
  for (const [index, socket] of net.sockets.entries()) {
    socket.onSent = () => queue(index, { have: symbolsOf(socket).map(name => `trade/${name}`) })
  }
  let last = 20
  const turns = options.turns.map(steps => (last += steps))
  let all: { close(): void } | undefined
  let number = 0
  for (let step = 0; step < last + 160; step++) {
    now = step * 50
    if (turns.includes(step)) {
      if (all) all.close()
      all = all
        ? undefined
        : feed.trades('*', e => void (e.symbol === 'Z' && others.push(e.timestamp)))
    }
    for (const symbol of [...letters(6), 'Z']) {
      if (random() < options.quiet || step > last + 80) continue
      said.get(symbol)?.push(++number)
      for (const [index, socket] of net.sockets.entries()) {
        const held = symbolsOf(socket)
        const frame = { events: [tradeOf(symbol, symbol === 'Z' ? ++number : number)] }
        if (held.includes(symbol) || held.includes('*')) queue(index, frame)
      }
    }
    for (const [index, socket] of net.sockets.entries()) {
      while (queues[index]![0] && queues[index]![0]!.at <= now) {
        say(socket, queues[index]!.shift()!.frame)
      }
    }
    await clock.advance(50)
  }
  await feed.close()
  assert.deepEqual([net.live, clock.pending()], [0, 0])
  return { seen, others, said }
}

test('a connection that dies while it takes symbols over loses nothing of them', async () => {
  const { clock, net, feed } = sharded({ connections: 2, symbolsPerConnection: 6 })
  const seen: number[] = []
  feed.trades(letters(8), event => seen.push(event.timestamp))
  await clock.advance(1)
  const [old, taker] = net.sockets as [ScriptedSocket, ScriptedSocket]
  const busy = symbolsOf(old)
  let number = 0
  const said: number[] = []
  const speak = () => {
    for (const symbol of busy) {
      said.push(++number)
      say(old, { events: [tradeOf(symbol, number)] })
    }
  }
  // Until the comparison of loads has started a move; the taker confirms and dies at once.
  for (let ms = 0; ms < 30_500; ms += 100) {
    speak()
    await clock.advance(100)
  }
  assert.ok(symbolsOf(taker).some(symbol => busy.includes(symbol)))
  taker.end()
  for (let ms = 0; ms < 1_500; ms += 100) {
    speak()
    await clock.advance(100)
  }
  assert.deepEqual(seen, said)
  await feed.close()
  assert.equal(clock.pending(), 0)
})

test('one refused key ends all connections', async () => {
  const { clock, net, feed } = sharded({ connections: 2, symbolsPerConnection: 1 })
  const done = assert.rejects(feed.done, { code: 'AUTH_FAILED' })
  feed.trades(['A', 'B'], () => {})
  await clock.advance(1)
  say(net.sockets[1]!, { error: 1 })
  await clock.advance(1_500)
  await done
  assert.deepEqual([net.live, clock.pending()], [0, 0])
})

test('a lost connection among several is told with its number; the others go on', async () => {
  const { clock, net, feed } = sharded({ connections: 2, symbolsPerConnection: 1 })
  const notices: string[] = []
  feed.on('notice', ({ message }) => notices.push(message))
  feed.trades(['A', 'B'], () => {})
  await clock.advance(1)
  net.sockets[1]!.end()
  await clock.advance(1)
  assert.match(notices.at(-1)!, /^connection lost .*\(connection 2\)$/)
  assert.equal(feed.state, 'waiting')
  await clock.advance(1_000)
  assert.equal(feed.state, 'open')
  assert.equal(net.sockets.length, 3)
  await feed.close()
})

test('the work of letting symbols go one by one grows with their number, not with its square', async () => {
  const count = 3_000
  let looks = 0
  const topics = Array.from({ length: count }, (_, i): Topic => {
    const symbol = `S${i}`
    return {
      ...{ source: 'toy', kind: 'trade' },
      get symbol() {
        looks++
        return symbol
      },
    }
  })
  const { shards, subscriptions, clock } = unconnected({
    connections: 3,
    symbolsPerConnection: 900,
  })
  const outcome = subscriptions.outcome(topics, topic => shards.of(topic), clock, 10_000)
  for (const topic of topics) shards.add(subscriptions.add([topic]))
  assert.ok(looks < 60 * count, `${looks} looks to add`)
  looks = 0
  for (const topic of topics) shards.remove(subscriptions.release([topic]))
  assert.ok(looks < 60 * count, `${looks} looks to remove`)
  assert.ok(looks > count, 'the looks are counted')
  await shards.close()
  subscriptions.finish()
  assert.equal((await outcome).pending.length, count)
})

/** Connections that never come about, to a venue that never answers. */
function unconnected(limits: { connections: number; symbolsPerConnection: number }) {
  const clock = handClock()
  const subscriptions = new Subscriptions()
  const never = () => new Promise<never>(() => {})
  const capabilities = { ...toyCapabilities, limits }
  const provider = { id: 'toy', capabilities, symbol: (text: string) => text, connect: never }
  const shards = new Shards(provider, {
    ...{ source: 'toy', interest: subscriptions, clock, log: silentLog, random: () => 0.5 },
    ...{ backoff: {}, lingerMs: 1_000, leases: undefined, raw: () => undefined },
    ...{ emit: () => {}, notice: () => {}, malformed: () => {}, unknown: () => {} },
    room: () => undefined,
    ...{ interrupted: () => {}, resumed: () => {}, broken: () => {} },
    answered: () => subscriptions.settle(),
    over: () => {},
  })
  return { shards, subscriptions, clock }
}

async function settled<T>(
  clock: { advance(ms: number): Promise<void> },
  asked: Promise<T>,
): Promise<T> {
  await clock.advance(1)
  return asked
}

/** A feed at a venue that refuses whoever comes while so many are inside. */
function crowded(symbolsPerConnection: number) {
  const capabilities = { ...toyCapabilities, limits: { connections: 2, symbolsPerConnection } }
  const toy = toyFeed({ obliging: false, description: { capabilities } })
  const met = new Set<ScriptedSocket>()
  const inside = new Set<ScriptedSocket>()
  const meet = (socket: ScriptedSocket, places: number) => {
    met.add(socket)
    if ([...inside].filter(({ closed }) => !closed).length < places) {
      inside.add(socket)
      oblige(socket)
      return
    }
    socket.onSent = () => say(socket, { error: 2 })
    socket.open()
    say(socket, { hello: true })
  }
  const pass = async (ms: number, places: number) => {
    for (let passed = 0; passed < ms; passed += 50) {
      await toy.clock.advance(50)
      for (const socket of toy.net.sockets) {
        if (!met.has(socket)) meet(socket, places)
        if (!socket.closed) socket.pong()
      }
    }
  }
  return { ...toy, pass }
}

test('a connection that the venue has no place for is given up, and the others carry its symbols', async () => {
  const { clock, net, feed, pass } = crowded(3)
  const notices: string[] = []
  feed.on('notice', ({ message, code }) => notices.push(`${code} ${message}`))
  feed.trades(letters(5), () => {})
  feed.trades('*', () => {})
  await pass(1_000, 1)
  assert.deepEqual([feed.stats().topics.acknowledged, feed.state], [4, 'waiting'])
  await pass(30_000, 1)
  assert.deepEqual([feed.stats().topics.acknowledged, feed.state], [6, 'open'])
  const attempts = net.sockets.length
  assert.equal(attempts, 4, 'three were refused')
  assert.match(
    notices.findLast(text => text.startsWith('CONNECTION_LIMIT'))!,
    /no place for this connection; the others carry its symbols \(connection 2\)/,
  )
  // One more symbol is no reason to try again, until a while has passed.
  feed.trades('X', () => {})
  await pass(60_000, 1)
  assert.deepEqual([feed.stats().topics.acknowledged, net.sockets.length], [7, attempts])
  await pass(600_000, 1)
  feed.trades('Y', () => {})
  await pass(100, 2)
  assert.deepEqual([net.live, feed.stats().topics.acknowledged], [2, 8])
  await feed.close()
  assert.deepEqual([net.live, clock.pending()], [0, 0])
})

test('while no connection has a place, none is given up', async () => {
  const { clock, net, feed, pass } = crowded(1)
  feed.trades(['A', 'B'], () => {})
  await pass(90_000, 0)
  assert.equal(feed.state, 'waiting')
  await pass(90_000, 2)
  assert.deepEqual([feed.state, net.live], ['open', 2])
  await feed.close()
  assert.deepEqual([net.live, clock.pending()], [0, 0])
})

test('what the old connection of a move held back comes at once when it dies', async () => {
  const { clock, net, feed } = sharded({ connections: 2, symbolsPerConnection: 6 })
  const seen: number[] = []
  feed.trades(letters(8), event => seen.push(event.timestamp))
  await clock.advance(1)
  const [old, taker] = net.sockets as [ScriptedSocket, ScriptedSocket]
  const busy = symbolsOf(old)
  let number = 0
  for (let ms = 0; ms < 30_000; ms += 100) {
    for (const symbol of busy) say(old, { events: [tradeOf(symbol, ++number)] })
    await clock.advance(100)
  }
  const moving = symbolsOf(taker).find(symbol => busy.includes(symbol))
  assert.ok(moving, 'a move has begun')
  const before = seen.length
  say(taker, { events: [tradeOf(moving, ++number)] })
  assert.equal(seen.length, before, 'held until the old one has shown it too')
  old.end()
  await clock.advance(1)
  assert.deepEqual(seen.slice(before), [number])
  await feed.close()
})

test('what a symbol weighs goes with it: a connection that has let a busy one go takes the next', async () => {
  const { clock, net, feed, held } = sharded({ connections: 2, symbolsPerConnection: 4 })
  const busy = feed.trades('A', () => {})
  feed.trades(['B', 'C', 'D', 'E'], () => {})
  await clock.advance(1)
  const one = net.sockets.findIndex(socket => symbolsOf(socket).includes('A'))
  const [first, second] = [net.sockets[one]!, net.sockets[1 - one]!]
  // Both carry the same, so that nothing moves; one of them all of it for a single symbol.
  const other = symbolsOf(second)[0]!
  for (let ms = 0; ms < 30_000; ms += 100) {
    say(first, { events: [tradeOf('A', ms + 1)] })
    say(second, { events: [tradeOf(other, ms + 1)] })
    await clock.advance(100)
  }
  assert.ok(symbolsOf(first).includes('A'))
  busy.close()
  feed.trades('Z', () => {})
  await clock.advance(1)
  assert.ok(held()[one]!.includes('Z'), JSON.stringify(held()))
  await feed.close()
})

test('before a venue ends a connection for its age another one takes over, without a hole or a repeat', async () => {
  const limits = { connections: 2, connectionLifeMs: 600_000 }
  const { clock, net, feed, held } = sharded(limits)
  const seen: string[] = []
  const notices: string[] = []
  feed.trades(['A', 'B'], ({ symbol, timestamp }) => seen.push(`${symbol}${timestamp}`))
  feed.on('notice', ({ notice }) => notices.push(notice))
  await clock.advance(1)
  const expected: string[] = []
  const trade = () => {
    const time = clock.now()
    expected.push(`A${time}`, `B${time}`)
    for (const [index, socket] of net.sockets.entries()) {
      const carried = held()[index] ?? []
      const events = ['A', 'B'].filter(s => carried.includes(s)).map(s => tradeOf(s, time))
      if (events.length > 0) say(socket, { events })
    }
  }
  // One trade a second, for a tenth of the life is left when the next connection takes over.
  for (let second = 0; second < 1_500; second++) {
    trade()
    await clock.advance(1_000)
    const carrying = held().filter(list => list.length > 0)
    assert.ok(
      carrying.length === 1 || (carrying.length === 2 && (second + 2) % 540 < 8),
      `${second}`,
    )
  }
  await clock.advance(1_000)
  assert.equal(net.sockets.filter(socket => !socket.closed).length, 1, 'the old ones are gone')
  assert.deepEqual(seen, expected)
  assert.equal(net.sockets.length, 3)
  assert.equal(feed.stats().connects, 3)
  assert.deepEqual([...new Set(notices)], ['connected', 'subscribed', 'disconnected'])
  await feed.close()
})

test('the only connection a venue allows is kept to its end', async () => {
  const { clock, net, feed } = sharded({ connections: 1, connectionLifeMs: 600_000 })
  feed.trades('A', () => {})
  await clock.advance(599_000)
  assert.equal(net.sockets.length, 1)
  await feed.close()
})
