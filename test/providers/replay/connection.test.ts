import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { TickwireError } from '../../../src/base/errors.ts'
import { silentLog } from '../../../src/base/log.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import type { Link } from '../../../src/feed/provider.ts'
import type { Reader, ReadOptions } from '../../../src/flow/contracts.ts'
import { readerNotice } from '../../../src/flow/queue.ts'
import { type MarketEvent, type Notice, stampSeq } from '../../../src/market/events.ts'
import { replay } from '../../../src/providers/replay/provider.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { play, record, settle, T0, trade } from './play.ts'

const TAPE = [0, 1_000, 2_000, 3_000, 4_000].map(at => trade(at))
const lost = (events: readonly MarketEvent[]) =>
  events.filter((event): event is Notice => event.type === 'notice' && event.notice === 'lost')

/** A tape of which a test decides what each reading brings. */
function scripted(
  ...readings: ((options: ReadOptions) => AsyncIterable<MarketEvent[]>)[]
): Reader & { readonly asked: ReadOptions[]; returned: number } {
  const reader = {
    asked: [] as ReadOptions[],
    returned: 0,
    read(options: ReadOptions = {}) {
      reader.asked.push(options)
      const script = readings[Math.min(reader.asked.length, readings.length) - 1]!
      const steps = script(options)
      return (async function* () {
        try {
          yield* steps
        } finally {
          reader.returned++
        }
      })()
    },
  }
  return reader
}

function numbered(...events: MarketEvent[]): MarketEvent[] {
  events.forEach((event, i) => {
    stampSeq(event, i + 1)
  })
  return events
}

test('closed while it sleeps, it leaves no timer, lets go of the tape and ends without a reason', async () => {
  const tape = scripted(async function* () {
    yield numbered(...TAPE)
  })
  const clock = handClock()
  const stop = new AbortController()
  const seen: MarketEvent[] = []
  const link = {
    ...{ source: 'replay', clock, log: silentLog, signal: stop.signal, raw: undefined },
    topics: [{ source: 'replay', kind: 'trade', symbol: '*' }],
    emit: (batch: readonly MarketEvent[]) => seen.push(...batch),
    ...{
      opened() {},
      acknowledged() {},
      authenticating() {},
      rejected() {},
      unknown() {},
      room() {},
    },
    ...{ malformed() {}, interest: { revision: 0, mask: () => -1 } },
  } as unknown as Link
  for (const how of ['close', 'abort']) {
    const provider = replay({ tape })
    const connection = await provider.connect(link)
    await settle()
    assert.equal(clock.pending(), 1, how)
    if (how === 'close') await connection.close()
    else stop.abort()
    assert.equal(await connection.ended, undefined)
    assert.equal(clock.pending(), 0, how)
    assert.equal(provider.state, 'idle')
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
    await clock.advance(60_000)
  }
  assert.equal(seen.length, 2, 'the first of each')
  await settle()
  assert.equal(tape.returned, 2)
  assert.ok(tape.asked.every(({ signal }) => signal?.aborted))
})

test('the tape is asked for the part that is wanted and read no further than played', async () => {
  let batches = 0
  const tape = scripted(async function* () {
    for (let i = 0; i < 1_000; i++) {
      batches++
      yield numbered(trade(i * 10), trade(i * 10 + 5))
    }
  })
  const options = { tape, from: T0, symbols: 'SPY', kinds: 'trade', sources: 'venue' } as const
  const { pass, feed } = await play(options)
  const { signal, ...asked } = tape.asked[0]!
  assert.deepEqual(asked, {
    from: { time: T0 },
    topics: [{ source: 'venue', kind: 'trade', symbol: 'SPY' }],
    live: false,
  })
  await pass(20)
  assert.ok(batches <= 4, `${batches} batches read`)
  await feed.close()
  assert.equal(tape.returned, 1)
})

test('when a feed comes back it goes on behind the last event passed, without hole or repeat', async () => {
  const other = () => trade(1_000, 9, 'TSLA')
  const tape = record([
    ...[trade(0), other(), trade(1_000), trade(1_000, 1), other(), other(), trade(1_000, 2)],
    trade(1_500, 3),
  ])
  const provider = replay({ tape, symbols: 'SPY', paused: true })
  const options = { leases: false, lingerMs: 1 } as const
  const one = openFeed(provider, options)
  const seen: number[] = []
  one.trades('*', event => seen.push(event.price))
  await provider.step(3)
  await one.close()
  assert.equal(provider.state, 'idle')
  assert.equal(provider.time, T0 + 1_000)
  const two = openFeed(provider, options)
  two.trades('*', event => seen.push(event.price))
  two.on('notice', event => {
    if (event.notice === 'lost') seen.push(-1)
  })
  provider.speed = Number.POSITIVE_INFINITY
  provider.resume()
  await two.done
  assert.deepEqual(seen, [0, 1_000, 1, 2, 3])
  const again = openFeed(provider, options)
  again.trades('*', event => seen.push(event.price))
  await again.done
  assert.deepEqual(seen.slice(5), [0, 1_000, 1, 2, 3], 'after the end, from the beginning')
})

test('what retention took while the feed was away is told as lost', async () => {
  const tape = record([trade(0), trade(1), trade(2)], 4)
  const provider = replay({ tape, paused: true })
  const one = openFeed(provider, { leases: false })
  one.trades('*', () => {})
  await provider.step(2)
  await one.close()
  tape.append([trade(3), trade(4), trade(5), trade(6)])
  const two = openFeed(provider, { leases: false })
  const seen: MarketEvent[] = []
  two.trades('*', event => seen.push(event))
  two.on('notice', event => {
    if (event.notice === 'lost') seen.push(event)
  })
  await provider.step()
  const [notice] = lost(seen)
  assert.deepEqual([notice?.from, notice?.to, notice?.count], [3, 3, 1])
  assert.equal(notice?.receivedAt, T0 + 1, 'on the time of the tape')
  assert.equal(seen[1]?.receivedAt, T0 + 3)
  await two.close()
})

test('a replay that is passed by the retention of a living tape says how much it lost', async () => {
  const tape = record(
    Array.from({ length: 8_192 }, (_, i) => trade(i)),
    8_192,
  )
  const { replay, events, toEnd } = await play({ tape, paused: true })
  await replay.step(1)
  tape.append(Array.from({ length: 6_000 }, (_, i) => trade(8_192 + i)))
  replay.speed = Number.POSITIVE_INFINITY
  replay.resume()
  await toEnd()
  const [notice, ...more] = lost(events)
  assert.deepEqual(more, [])
  assert.equal(notice?.code, 'skipped')
  assert.equal(notice?.source, 'replay')
  assert.match(notice?.message ?? '', /lacks a part of this replay: 1904 events/)
  assert.equal(events.length - 1 + (notice?.count ?? 0), 8_192)
})

test('other readers of the tape are none of its business', async () => {
  const tape = scripted(async function* () {
    yield [readerNotice('lagging', 5, 'you are slow'), ...numbered(trade(0))]
    yield [readerNotice('dropped', 5, 'dropped 3 events', { count: 3 })]
  })
  const { toEnd } = await play({ tape })
  const seen = await toEnd()
  assert.deepEqual(
    seen.map(event =>
      event.type === 'notice' ? [event.notice, event.code, event.count] : event.type,
    ),
    ['trade', ['lost', 'dropped', 3]],
  )
  assert.equal(seen[1]?.receivedAt, T0)
})

test('a tape that fails is read again behind the last event delivered', async () => {
  const tape = record(TAPE)
  const flaky = scripted(
    async function* (options) {
      for await (const batch of tape.read(options)) yield batch.slice(0, 2)
      throw new Error('the disk is gone')
    },
    () => {
      throw new Error('still gone')
    },
    options => tape.read(options),
  )
  const { feed, prices, toEnd } = await play({ tape: flaky })
  const told: string[] = []
  feed.on('notice', event => {
    if (event.notice === 'disconnected') told.push(`${event.code} ${event.message}`)
  })
  await toEnd()
  assert.deepEqual(prices(), [0, 1_000, 2_000, 3_000, 4_000])
  assert.match(told[0]!, /^VENUE_ERROR the tape cannot be read: the disk is gone; next attempt/)
  assert.match(told[1]!, /^VENUE_ERROR the tape cannot be read: still gone; next attempt/)
})

test('a reading that has been left by a seek may fail as it likes', async () => {
  let fail = () => {}
  const gate = new Promise<void>(resolve => {
    fail = resolve
  })
  const tape = scripted(
    async function* () {
      yield numbered(trade(0))
      await gate
      throw new Error('too late')
    },
    async function* () {
      yield numbered(trade(0), trade(1_000), trade(2_000))
    },
  )
  const { replay, feed, prices, toEnd } = await play({ tape })
  const told: string[] = []
  feed.on('notice', event => told.push(event.message))
  replay.seek(T0)
  fail()
  await toEnd()
  assert.deepEqual(prices(), [0, 0, 1_000, 2_000])
  assert.deepEqual(told, ['closed'])
})

test('a tape that cannot be helped ends the feed with its reason', async () => {
  const reason = new TickwireError('BAD_POSITION', 'no such tape')
  for (const tape of [
    scripted(async function* () {
      yield numbered(trade(0))
      throw reason
    }),
    scripted(() => {
      throw reason
    }),
  ]) {
    const { feed } = await play({ tape }, { subscribe: feed => feed.trades('*', () => {}) })
    await assert.rejects(feed.done, reason)
  }
})

test('one feed plays a replay; a second one is told to make its own', async () => {
  const { feed, replay } = await play({ tape: record(TAPE) })
  const second = openFeed(replay, { leases: false })
  second.trades('*', () => {})
  await assert.rejects(second.done, /another feed plays this replay/)
  assert.equal(replay.state, 'playing')
  await feed.close()
})

test('a replay waits for a slow handler and a slow loop, so that neither loses anything', async () => {
  const count = 3_000
  const tape = record(Array.from({ length: count }, (_, i) => trade(i)))
  const feed = openFeed(replay({ tape, speed: Number.POSITIVE_INFINITY, paused: false }), {
    log: silentLog,
    delivery: { maxItems: 64 },
  })
  let most = 0
  const handled: number[] = []
  const subscription = feed.trades('*', async event => {
    handled.push(event.price)
    most = Math.max(most, subscription.counters.queued)
    if (handled.length % 100 === 0) await new Promise(resolve => setImmediate(resolve))
  })
  const looped: number[] = []
  for await (const event of feed.trades('*')) {
    looped.push(event.price)
    if (looped.length % 70 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  await feed.done
  const all = Array.from({ length: count }, (_, i) => i)
  assert.deepEqual(handled, all)
  assert.deepEqual(looped, all)
  assert.ok(most <= 64 + 512, `${most} waited: the bound and a slice`)
})
