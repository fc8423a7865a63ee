import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openFeed } from '../../src/feed/feed.ts'
import { union } from '../../src/feed/union.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { replay } from '../../src/providers/replay/index.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { say, toyFeed, trade } from './toy-venue.ts'

const named = (source: string) => toyFeed({ feed: { source, leases: false } })

/** Loops until the stream ends. */
function collect<E>(stream: AsyncIterable<E>) {
  const events: E[] = []
  const done = (async () => {
    for await (const event of stream) events.push(event)
  })()
  return { events, done }
}

const lines = (events: readonly MarketEvent[]) =>
  events.map(event =>
    event.type === 'notice'
      ? `${event.source} ${event.notice}`
      : `${event.source} ${event.symbol} ${event.timestamp}`,
  )

async function two() {
  const [east, west] = [named('east'), named('west')]
  const stream = union([east.feed, west.feed], { clock: east.clock })
  east.feed.trades('SPY', () => {})
  west.feed.trades('TSLA', () => {})
  await east.clock.advance(1)
  await west.clock.advance(1)
  return { east, west, stream }
}

describe('a union', () => {
  test('gives what all feeds deliver in order of receipt, each with its source, notices included', async () => {
    const { east, west, stream } = await two()
    const { events, done } = collect(stream)
    trade(east.net.last, 'SPY', 5)
    trade(west.net.last, 'TSLA', 2, 3)
    trade(east.net.last, 'SPY', 6)
    await east.feed.close()
    trade(west.net.last, 'TSLA', 4)
    await west.feed.close()
    await done
    const data = events.filter(({ type }) => type === 'trade')
    assert.deepEqual(lines(data), [
      'east SPY 5',
      'west TSLA 2',
      'west TSLA 3',
      'east SPY 6',
      'west TSLA 4',
    ])
    const notices = lines(events.filter(({ type }) => type === 'notice'))
    assert.deepEqual(notices.sort(), [
      'east connected',
      'east subscribed',
      'west connected',
      'west subscribed',
    ])
  })

  test('gives only the kinds asked for', async () => {
    const { east, west, stream } = await two()
    const trades = union([east.feed, west.feed], { kinds: ['trade'], clock: east.clock })
    stream.close()
    trade(east.net.last, 'SPY', 1)
    say(west.net.last, { events: [{ type: 'quote', symbol: 'TSLA', timestamp: 1, bid: 1 }] })
    const { value } = await trades.batches().next()
    assert.deepEqual(
      value.map((event: { price: number }) => event.price),
      [1],
    )
    await Promise.all([east.feed.close(), west.feed.close()])
  })

  test('throws the reason of a feed that ends fatally, behind what came before', async () => {
    const { east, west, stream } = await two()
    const { events, done } = collect(stream)
    trade(west.net.last, 'TSLA', 1)
    say(east.net.last, { error: 1 })
    await assert.rejects(done, { code: 'AUTH_FAILED' })
    assert.ok(lines(events).includes('west TSLA 1'))
    // The other one goes on.
    assert.equal(west.feed.state, 'open')
    await west.feed.close()
  })

  test('lets go of the feeds when the loop is left, and closes none', async () => {
    const { east, west, stream } = await two()
    assert.equal(east.feed.stats().readers.length, 2)
    for await (const _ of stream) break
    assert.deepEqual(
      [east, west].map(({ feed }) => [feed.stats().readers.length, feed.state]),
      [
        [1, 'open'],
        [1, 'open'],
      ],
    )
    await Promise.all([east.feed.close(), west.feed.close()])
  })

  test('ends by its signal, also one that is aborted already', async () => {
    const { east, west } = await two()
    const abort = new AbortController()
    const { done } = collect(union([east.feed, west.feed], { signal: abort.signal }))
    abort.abort()
    await done
    await collect(union([east.feed], { signal: AbortSignal.abort() })).done
    assert.equal(east.feed.stats().readers.length, 2)
    await Promise.all([east.feed.close(), west.feed.close()])
  })

  test('has one bounded queue, and says what it drops', async () => {
    const [east, west] = [named('east'), named('west')]
    const warnings: string[] = []
    const log = {
      debug() {},
      info() {},
      warn: (_: object, text: string) => warnings.push(text),
      error() {},
    }
    const stream = union([east.feed, west.feed], {
      ...{ kinds: ['trade'], maxItems: 2, clock: east.clock, log },
    })
    east.feed.trades('SPY', () => {})
    await east.clock.advance(1)
    trade(east.net.last, 'SPY', 1, 2, 3, 4, 5)
    const { value } = await stream.batches().next()
    assert.equal(value.length, 2)
    const { in: taken, delivered, dropped, queued } = stream.counters
    assert.deepEqual([taken, delivered, dropped, queued], [5, 2, 3, 0])
    assert.match(warnings.join('\n'), /dropped|lost|3/)
    await Promise.all([east.feed.close(), west.feed.close()])
  })

  test('is waited for by recordings: none of them drops anything', async () => {
    const feeds = await Promise.all(
      ['east', 'west'].map(async source => {
        const tape = memoryTape()
        const events = Array.from({ length: 3_000 }, (_, i) =>
          createEvent({
            type: 'trade',
            symbol: 'SPY',
            source,
            timestamp: i + 1,
            price: 1,
            size: 1,
          }),
        )
        tape.append(events)
        return openFeed(replay({ tape, speed: Number.POSITIVE_INFINITY }), { source })
      }),
    )
    const stream = union(feeds, { kinds: ['trade'], maxItems: 10 })
    for (const feed of feeds) feed.trades('SPY', () => {})
    let count = 0
    let most = 0
    for await (const _ of stream) {
      most = Math.max(most, stream.counters.queued)
      if (++count % 500 === 0) await new Promise(setImmediate)
    }
    assert.deepEqual([count, stream.counters.dropped], [6_000, 0])
    assert.ok(most <= 11, `${most} waited`)
    await Promise.all(feeds.map(feed => feed.close()))
  })

  for (const [what, make, code] of [
    ['no feeds', () => union([]), 'BAD_OPTION'],
    ['two feeds of one name', () => union([named('x').feed, named('x').feed]), 'BAD_OPTION'],
    [
      'an unknown kind',
      () => union([named('x').feed], { kinds: ['trad' as 'trade'] }),
      'BAD_OPTION',
    ],
    ['to block live feeds', () => union([named('x').feed], { policy: 'block' }), 'BAD_OPTION'],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(make, { code })
    })
  }

  test('refuses a feed that is closed, and listens to no other then', async () => {
    const [east, west] = [named('east'), named('west')]
    await west.feed.close()
    assert.throws(() => union([east.feed, west.feed]), { code: 'CLOSED' })
    assert.equal(east.feed.stats().readers.length, 0)
    await east.feed.close()
  })
})
