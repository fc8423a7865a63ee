import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { silentLog } from '../../src/base/log.ts'
import { OrderBook } from '../../src/derive/order-book.ts'
import { type FeedOptions, openFeed } from '../../src/feed/feed.ts'
import { Handover } from '../../src/feed/handover.ts'
import type { EventStream } from '../../src/flow/stream.ts'
import {
  type Book,
  createEvent,
  hasFlag,
  type Level,
  type MarketEvent,
} from '../../src/market/events.ts'
import { replay } from '../../src/providers/replay/provider.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { NaiveBook } from '../derive/book-kit.ts'
import { say, toyCapabilities, toyFeed } from './toy-venue.ts'

const START = Date.UTC(2024, 0, 15, 14, 30)

type Part = {
  bids?: readonly Level[]
  asks?: readonly Level[]
  snapshot?: boolean
  sequence?: number
}

const part = (symbol: string, more: Part) => ({
  ...{ type: 'book' as const, symbol, timestamp: START, bids: [], asks: [], snapshot: false },
  ...more,
})
const whole = (symbol: string, bid = 10, ask = 11) =>
  part(symbol, { bids: [[bid, 1]], asks: [[ask, 1]], snapshot: true })

/** A feed of a venue with books, its notices and what it asks the venue for. */
function bookFeed(options: FeedOptions = {}) {
  const capabilities = {
    ...toyCapabilities,
    kinds: ['trade', 'quote', 'book'],
    wildcard: ['book'],
  } as const
  const toy = toyFeed({
    description: { capabilities },
    feed: { log: silentLog, leases: false, ...options },
  })
  const notices: string[] = []
  toy.feed.on('notice', ({ notice, kind, message }) => {
    if (kind === 'book') notices.push(`${notice} ${message}`)
  })
  const send = (...events: object[]) => say(toy.net.last, { events })
  const asked = (from = 0) => toy.net.last.sent.slice(from).map(String)
  return { ...toy, notices, send, asked }
}

const partsOf = (events: readonly MarketEvent[]) => events.filter(event => event.type === 'book')

describe('the integrity of books', () => {
  test('a lost connection empties the books it carried, and a snapshot makes them whole', async () => {
    const { clock, net, feed, notices, send } = bookFeed()
    const [btc, eth] = [feed.book('BTC'), feed.book('ETH')]
    await clock.advance(1)
    send(whole('BTC'), whole('ETH'))
    assert.deepEqual([btc.book.bestBid, eth.book.synced], [[10, 1], true])
    net.last.end()
    await clock.advance(0)
    assert.deepEqual([btc.book.synced, btc.book.bestBid], [false, undefined])
    assert.deepEqual(btc.book.unsynced, { reason: 'gap', message: 'the connection was lost' })
    await clock.advance(5_000)
    send(part('BTC', { bids: [[10, 7]] }))
    assert.equal(btc.book.synced, false)
    // The same snapshot as before: nothing has changed at the venue meanwhile.
    send(whole('BTC'))
    assert.deepEqual([btc.book.synced, eth.book.synced], [true, false])
    assert.deepEqual(notices, [
      'gap BTC (book): the connection was lost',
      'gap ETH (book): the connection was lost',
      'resynced BTC (book): whole again',
    ])
    await feed.close()
  })

  test('what cannot follow is told before it is delivered, asked for anew, and healed by a snapshot', async () => {
    const { clock, feed, send, asked, notices } = bookFeed()
    const tape = memoryTape({ clock })
    feed.pipe(tape)
    const seen: MarketEvent[] = []
    feed.on('*', event => seen.push(event))
    feed.trades('BTC', () => {})
    const { book } = feed.book('BTC')
    await clock.advance(1)
    const before = asked().length
    const bad = part('BTC', { bids: [[12, 1]] })
    send(whole('BTC'), trade0(1), bad, part('BTC', { bids: [[9, 1]] }), trade0(2))
    await clock.advance(1)
    assert.deepEqual(asked(before), ['{"drop":["book/BTC"]}', '{"add":["book/BTC"]}'])
    assert.equal(feed.book('BTC').book.unsynced?.reason, 'crossed')
    send(trade0(3), whole('BTC', 20, 21), part('BTC', { bids: [[20, 5]] }))
    assert.deepEqual(feed.book('BTC').book.bestBid, [20, 5])
    // What was taken before anything came follows too.
    assert.deepEqual([book.synced, book.bestBid], [true, [20, 5]])
    const order = seen.slice(seen.findIndex(event => event.type === 'book'))
    assert.deepEqual(
      order.filter(event => event.type !== 'notice' || event.kind === 'book').map(nameOf),
      [
        ...['book 10', 'trade', 'gap', 'book 12', 'book 9', 'trade'],
        ...['subscribed', 'trade', 'book 20', 'resynced', 'book 20'].filter(
          it => it !== 'subscribed',
        ),
      ],
    )
    const taped: MarketEvent[] = []
    for await (const batch of tape.read({ from: 'start', live: false })) taped.push(...batch)
    assert.deepEqual(taped, seen, 'the tape has it in the same order')
    assert.match(notices.find(line => line.startsWith('gap'))!, /best bid 12 is not below .* 11/)
    await feed.close()
  })

  test('a frame that cannot be read may have held a part of any book', async () => {
    const { clock, net, feed, send, asked, notices } = bookFeed()
    const { book } = await wholeBook(clock, feed, send)
    const before = asked().length
    net.last.send('no JSON')
    assert.equal(book.synced, false)
    await clock.advance(1)
    assert.deepEqual(asked(before), ['{"drop":["book/BTC"]}', '{"add":["book/BTC"]}'])
    assert.match(notices.at(-1)!, /^(gap|subscribed) BTC/)
    await feed.close()
  })

  test('a part that cannot be true is left out, and the book with it', async () => {
    const { clock, feed, send, asked } = bookFeed()
    const { book } = await wholeBook(clock, feed, send)
    const before = asked().length
    send(part('BTC', { bids: [[9, -5]] }), part('BTC', { bids: [[9, 5]] }))
    assert.deepEqual([book.synced, feed.stats().quarantined.count], [false, 1])
    await clock.advance(1)
    assert.equal(asked(before).length, 2)
    send(whole('BTC', 3, 4))
    assert.deepEqual(book.bestBid, [3, 1])
    await feed.close()
  })

  test('deltas that wait for a snapshot in vain have it asked for', async () => {
    const { clock, feed, send, asked } = bookFeed()
    const live = feed.book('BTC')
    await clock.advance(1)
    const before = asked().length
    for (let i = 0; i < 5; i++) {
      send(part('BTC', { bids: [[9, 1 + i]] }))
      await clock.advance(1_000)
    }
    assert.equal(asked(before).length, 0)
    send(part('BTC', { bids: [[9, 9]] }))
    await clock.advance(1)
    assert.equal(asked(before).length, 2)
    assert.equal(live.book.unsynced?.reason, 'no-snapshot')
    await feed.close()
  })

  test('what is let go of and subscribed anew begins anew', async () => {
    const { clock, feed, send } = bookFeed()
    feed.trades('BTC', () => {})
    const first = await wholeBook(clock, feed, send)
    const held = first.book
    first.close()
    assert.equal(held.synced, false)
    await clock.advance(1)
    send(part('BTC', { bids: [[10, 7]] }))
    const second = feed.book('BTC')
    await clock.advance(1)
    assert.equal(second.book.synced, false)
    send(whole('BTC', 5, 6))
    assert.deepEqual(second.book.bestBid, [5, 1])
    await feed.close()
    assert.equal(second.book.synced, false, 'nobody keeps it any more')
  })
})

test('a book that changes its connection begins anew on the other one', async () => {
  const limits = { connections: 2, connectionLifeMs: 600_000 }
  const kinds = ['trade', 'book'] as const
  const { clock, net, feed } = toyFeed({
    description: {
      capabilities: { ...toyCapabilities, kinds, limits },
      ping: { everyMs: 1e9, timeoutMs: 5_000 },
    },
    feed: { log: silentLog, leases: false },
  })
  const notices: string[] = []
  feed.on('notice', ({ notice, kind }) => kind === 'book' && notices.push(notice))
  const truth = new NaiveBook()
  const snapshot = () =>
    part('BTC', { bids: truth.sorted('bids'), asks: truth.sorted('asks'), snapshot: true })
  // Each connection that asks for the book gets it whole, then every delta.
  const carry = new Set<(typeof net)['last']>()
  const heard = new Map<(typeof net)['last'], number>()
  const late = new Map<(typeof net)['last'], ReturnType<typeof part>[]>()
  const joined = (parts: ReturnType<typeof part>[]) =>
    part('BTC', { bids: parts.flatMap(it => it.bids), asks: parts.flatMap(it => it.asks) })
  const listen = () => {
    for (const socket of net.sockets) {
      const news = socket.sent.slice(heard.get(socket) ?? 0).map(frame => JSON.parse(String(frame)))
      heard.set(socket, socket.sent.length)
      for (const { add, drop } of news) {
        if (drop?.includes('book/BTC')) carry.delete(socket)
        if (!add?.includes('book/BTC')) continue
        carry.add(socket)
        late.delete(socket)
        say(socket, { events: [snapshot()] })
      }
    }
  }
  truth.apply({ bids: [[10, 1]], asks: [[11, 1]], snapshot: true })
  const { book } = feed.book('BTC')
  const live = feed.book('BTC')
  await clock.advance(1)
  assert.equal(book.synced, false)
  for (let n = 1; n <= 1_200; n++) {
    listen()
    const delta = part('BTC', { bids: [[n % 10, n % 7]], asks: [[11 + (n % 13), (n % 5) + 1]] })
    truth.apply(delta)
    // One connection brings every change at once, the other two together: their parts have nothing in common.
    for (const [index, socket] of net.sockets.entries()) {
      if (!carry.has(socket) || socket.closed) continue
      const parts = [...(late.get(socket) ?? []), delta]
      late.set(socket, index % 2 === 1 && n % 2 === 1 ? parts : [])
      if (late.get(socket)!.length === 0) say(socket, { events: [joined(parts)] })
    }
    if (live.book.synced && n % 2 === 0) {
      assert.deepEqual(live.book.bids(), truth.sorted('bids'), `second ${n}`)
    }
    await clock.advance(1_000)
  }
  assert.ok(net.sockets.length >= 2)
  assert.deepEqual(live.book.asks(), truth.sorted('asks'))
  const told = notices.filter(name => name === 'gap' || name === 'resynced')
  assert.deepEqual(told.slice(0, 2), ['gap', 'resynced'])
  assert.ok(told.length <= 2 * net.sockets.length)
  await feed.close()
})

test('a handover never mixes the parts of a book from two connections', () => {
  const handover = new Handover()
  const [one, two] = [createEvent(whole('BTC')), createEvent(part('BTC', { bids: [[9, 1]] }))]
  handover.confirm()
  assert.deepEqual([handover.fresh(one), handover.old(two)], [[], [two]])
  assert.deepEqual(handover.force(), [])
  assert.deepEqual([handover.fresh(two), handover.old(one)], [[two], []])
})

describe('a live book', () => {
  test('is ready when it is whole, and tells of all changes that came together once', async () => {
    const { clock, feed, send } = bookFeed()
    const live = feed.book('btc')
    const ready = live.ready
    const tops: unknown[] = []
    const off = live.on('change', book => tops.push(book.bestBid ?? book.unsynced?.reason))
    await clock.advance(1)
    send(whole('BTC'))
    assert.equal(await ready, live.book)
    assert.equal(await live.ready, live.book)
    send(part('BTC', { bids: [[10, 2]] }), part('BTC', { bids: [[10, 3]] }), whole('ETH'))
    send(part('BTC', { bids: [[11, 3]] }))
    off()
    send(whole('BTC', 5, 6))
    assert.deepEqual(tops, [[10, 1], [10, 3], 'crossed'])
    assert.throws(() => live.on('chang' as 'change', () => {}), { code: 'BAD_OPTION' })
    await feed.close()
  })

  test('a loop sees the present whenever it comes round, and leaving it closes the book', async () => {
    const { clock, feed, send, asked } = bookFeed()
    const live = feed.book('BTC')
    const tops: unknown[] = []
    const loop = (async () => {
      for await (const book of live) {
        tops.push(book.bestBid?.[1])
        if (tops.length === 3) break
      }
    })()
    await clock.advance(1)
    send(whole('BTC'))
    await clock.advance(1)
    send(part('BTC', { bids: [[10, 2]] }))
    send(part('BTC', { bids: [[10, 3]] }))
    await clock.advance(1)
    send(part('BTC', { bids: [[10, 4]] }))
    await loop
    assert.deepEqual(tops, [1, 3, 4])
    await clock.advance(1)
    assert.equal(asked().at(-1), '{"drop":["book/BTC"]}')
    await feed.close()
  })

  test('is refused, closed and ended like everything else', async () => {
    const { clock, feed } = bookFeed()
    assert.throws(() => feed.book('*'), { code: 'BAD_OPTION' })
    assert.throws(() => feed.book(['BTC'] as unknown as string), { code: 'BAD_OPTION' })
    assert.throws(() => feed.book('B T C'), { code: 'BAD_SYMBOL' })
    const abort = new AbortController()
    const live = feed.book('BTC', { signal: abort.signal })
    const refused = assert.rejects(live.ready, { code: 'CLOSED' })
    abort.abort()
    live.close()
    await refused
    const other = feed.book('ETH')
    const loop = (async () => {
      for await (const _ of other) assert.fail('nothing has come')
    })()
    await clock.advance(1)
    await feed.close()
    await loop
    await assert.rejects(other.ready, { code: 'CLOSED' })
    assert.throws(() => feed.book('BTC'), { code: 'CLOSED' })
  })

  test('is not ready where the venue refuses it', async () => {
    const { clock, net, feed } = bookFeed()
    await Promise.all([feed.subscribe({ trades: 'A' }), clock.advance(1)])
    net.last.onSent = () => say(net.last, { error: 3 })
    const refused = assert.rejects(feed.book('BTC').ready, { code: 'SYMBOL_LIMIT' })
    await clock.advance(1)
    await refused
    await feed.close()
  })

  test('a fatal end is thrown from its loop', async () => {
    const { clock, net, feed } = bookFeed()
    const live = feed.book('BTC')
    const loop = (async () => {
      for await (const _ of live);
    })()
    const ended = assert.rejects(loop, { code: 'AUTH_FAILED' })
    feed.done.catch(() => {})
    await clock.advance(1)
    say(net.last, { error: 1 })
    await clock.advance(1)
    await ended
  })

  test('of another source than that of the feed is refused, but of a recording', async () => {
    const { feed } = bookFeed()
    assert.throws(
      () => feed.book('BTC', { source: 'nope' }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'BAD_OPTION')
        assert.match(error.message, /nope/)
        return true
      },
    )
    assert.equal(feed.book('BTC', { source: 'toy' }).book.source, 'toy')
    await feed.close()
  })

  test('that somebody has kept is not whole any more when the feed is closed', async () => {
    const { clock, feed, send } = bookFeed()
    const live = feed.book('BTC')
    void feed.subscribe({ books: 'BTC' })
    await clock.advance(1)
    send(whole('BTC'))
    const { book } = live
    live.close()
    send(part('BTC', { bids: [[10, 2]] }))
    assert.deepEqual(book.bestBid, [10, 2], 'it is still subscribed')
    await feed.close()
    assert.deepEqual(book.unsynced, { reason: 'gap', message: 'the feed is closed' })
  })

  test('of a recording: a hole it tells of is a change', async () => {
    const tape = memoryTape()
    const at = { source: 'toy', timestamp: START, receivedAt: START }
    const gap = {
      ...at,
      type: 'notice',
      notice: 'gap',
      kind: 'book',
      symbol: 'BTC',
      message: 'lost',
    }
    const later = { ...at, timestamp: START + 50, receivedAt: START + 50 }
    tape.append([createEvent({ ...whole('BTC'), ...at } as never)])
    tape.append([createEvent({ ...gap, ...later } as never)])
    const clock = handClock()
    const provider = replay({ tape, speed: 1 })
    const feed = openFeed(provider, { clock, log: silentLog, leases: false })
    const seen: unknown[] = []
    feed.book('BTC', { source: 'toy' }).on('change', book => seen.push(book.unsynced?.message))
    await clock.advance(100)
    await feed.done
    assert.deepEqual(seen, [undefined, 'lost'])
    await feed.close()
  })

  test('a handler that fails is reported, and the others go on', async () => {
    const { clock, feed, send } = bookFeed()
    const errors: string[] = []
    feed.on('error', error => errors.push(error.message))
    const live = feed.book('BTC')
    let calls = 0
    live.on('change', () => {
      throw new Error('mine')
    })
    live.on('change', () => calls++)
    await clock.advance(1)
    send(whole('BTC'))
    assert.equal(calls, 1)
    assert.match(errors.join(), /the book of BTC failed: mine/)
    await feed.close()
  })
})

describe('readers in the middle', () => {
  test('a handler, a loop and a sink that join late get the whole book first, then deltas', async () => {
    const { clock, feed, send } = bookFeed()
    await wholeBook(clock, feed, send)
    send(
      part('BTC', {
        asks: [
          [11, 0],
          [12, 4],
        ],
      }),
    )
    const handled: Book[] = []
    const looped: Book[] = []
    feed.books('BTC', event => handled.push(event))
    const loop = (async () => {
      for await (const event of feed.books('*')) looped.push(event)
    })()
    const tape = memoryTape({ clock })
    feed.pipe(tape)
    assert.equal(handled.length, 0, 'never before the call has come back')
    await clock.advance(1)
    send(part('BTC', { bids: [[10, 2]] }))
    await clock.advance(1)
    const taped: MarketEvent[] = []
    for await (const batch of tape.read({ from: 'start', live: false })) taped.push(...batch)
    for (const seen of [handled, looped, partsOf(taped)]) {
      assert.deepEqual(
        seen.map(event => [event.snapshot, hasFlag(event, 'conflated')]),
        [
          [true, true],
          [false, false],
        ],
      )
      assert.deepEqual(bookOf(seen).asks(), [[12, 4]])
      assert.deepEqual(bookOf(seen).bestBid, [10, 2])
    }
    await feed.close()
    await loop
  })

  test('a reader that closes before its first book came gets none', async () => {
    const { clock, feed, send } = bookFeed()
    await wholeBook(clock, feed, send)
    feed.books('BTC', () => assert.fail('closed')).close()
    await clock.advance(1)
    send(part('BTC', { bids: [[10, 2]] }))
    await feed.close()
  })

  test('whatever is dropped, joined, merged or broken, no reader ever has a wrong book', async () => {
    const step = fc.oneof(
      {
        weight: 30,
        arbitrary: fc.record({
          do: fc.constant('frame' as const),
          size: fc.integer({ min: 1, max: 6 }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'join inside' as const) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constantFrom('cross' as const, 'snapshot' as const) }),
      },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60 }),
        fc.infiniteStream(fc.nat(999)),
        runBooks,
      ),
      { numRuns: 150 },
    )
  })
})

/** A venue that speaks at random, and readers of every kind that each keep a book of their own. */
async function runBooks(
  steps: readonly { do: string; size?: number }[],
  chance: Iterator<number>,
): Promise<void> {
  const { clock, feed, send } = bookFeed()
  const draw = (below: number) => chance.next().value % below
  const truth = new NaiveBook()
  let sequence = 0
  const next = (snapshot: boolean) => {
    const side = (from: number) =>
      Array.from({ length: 1 + draw(3) }, (): Level => [from + draw(8), draw(4) && 1 + draw(9)])
    const event = snapshot
      ? part('BTC', { bids: [[5, 1]], asks: [[15, 1]], snapshot, sequence: ++sequence })
      : part('BTC', { bids: side(0), asks: side(10), sequence: ++sequence })
    truth.apply(event as never)
    return event
  }
  const readers: { name: string; book: OrderBook }[] = []
  /** Takes whatever comes; a part that does not follow on the last is a hole or a repeat. */
  const reader = (name: string) => {
    const book = new OrderBook('BTC', 'toy', { sequence: 'contiguous' })
    readers.push({ name, book })
    return (event: Book) => {
      book.apply(event)
      assert.notEqual(book.unsynced?.reason, 'sequence', `${name}: ${book.unsynced?.message}`)
    }
  }
  const loops: EventStream<Book>[] = []
  const join = () => {
    feed.books('BTC', reader('joined'))
    const loop = feed.books('BTC', { maxItems: 3 })
    loops.push(loop)
    const take = reader('slow')
    void (async () => {
      for await (const event of loop) {
        take(event)
        for (let i = 0; i < 20; i++) await null
      }
    })()
  }
  let inside = false
  feed.books('BTC', event => {
    if (inside && event.type === 'book') join()
    inside = false
  })
  feed.books('BTC', reader('first'))
  const live = feed.book('BTC')
  await clock.advance(1)
  send(next(true))
  for (const action of steps) {
    if (action.do === 'frame') send(...Array.from({ length: action.size! }, () => next(false)))
    else if (action.do === 'join') join()
    else if (action.do === 'join inside') inside = true
    else if (action.do === 'snapshot') send(next(true))
    else if (action.do === 'cross') {
      // An ask with it, or a book whose asks are all gone is not crossed by it.
      const [before, bids, asks] = [next(false), [[99, 1]] as Level[], [[15, 1]] as Level[]]
      send(before, part('BTC', { bids, asks, sequence: ++sequence }), next(false))
      truth.synced = false
      truth.clear()
      assert.equal(live.book.synced, false)
      send(next(true))
    } else await clock.advance(1)
    assert.deepEqual(
      [live.book.bids(), live.book.asks()],
      [truth.sorted('bids'), truth.sorted('asks')],
    )
  }
  await clock.advance(1)
  // A loop that lost something gets the whole book with the next part.
  send(next(false))
  await clock.advance(1)
  for (const { name, book } of readers) {
    assert.ok(book.synced, `${name}: ${book.unsynced?.message}`)
    assert.deepEqual([book.bids(), book.asks()], [truth.sorted('bids'), truth.sorted('asks')], name)
  }
  await feed.close()
}

async function wholeBook(
  clock: ReturnType<typeof bookFeed>['clock'],
  feed: ReturnType<typeof bookFeed>['feed'],
  send: ReturnType<typeof bookFeed>['send'],
) {
  const live = feed.book('BTC')
  await clock.advance(1)
  send(whole('BTC'))
  return live
}

function bookOf(parts: readonly Book[]): OrderBook {
  const book = new OrderBook('BTC', 'toy')
  for (const event of parts) book.apply(event)
  return book
}

const trade0 = (size: number) => ({
  type: 'trade',
  symbol: 'BTC',
  timestamp: START,
  price: 1,
  size,
})

const nameOf = (event: MarketEvent) => {
  if (event.type === 'notice') return event.notice
  return event.type === 'book' ? `book ${event.bids[0]?.[0]}` : event.type
}
