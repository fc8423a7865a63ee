import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ServerErrorCode } from '../../src/providers/alpaca/server-session.ts'
import { handClock } from '../../src/testing/clock.ts'
import { FAULT_NAMES, type FaultName, type FaultOptions } from '../../src/testing/faults.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { liveFeed, tradeOf } from './venue-kit.ts'

interface Course {
  /** How it ends: live again, or with this error for good. */
  readonly ends?: string
  /** Notices with these codes come on the way. */
  readonly codes?: readonly string[]
  readonly with?: object
  /** It cannot befall this venue. */
  readonly refused?: boolean
}

/** Slots are kept for 20 s here: long enough to be met, short enough to wait for. */
const SLOT_MS = 20_000

/** What becomes of a feed under each fault; all of them but the last few in both codecs. */
const COURSES: Readonly<Record<FaultName, Course>> = {
  refuse: {},
  'upgrade-404': { ends: 'NOT_FOUND' },
  'upgrade-429': { codes: ['RATE_LIMITED'], with: { retryAfter: '3s' } },
  'upgrade-502': { codes: ['UPGRADE_REFUSED'] },
  'half-open': { codes: ['HANDSHAKE_TIMEOUT'] },
  'welcome-delayed': {},
  'auth-error': { ends: 'AUTH_FAILED' },
  'auth-timeout': { codes: ['HANDSHAKE_TIMEOUT'] },
  'connection-limit': { codes: ['CONNECTION_LIMIT'] },
  'symbol-limit': { codes: ['SYMBOL_LIMIT'] },
  'partial-ack': {},
  // Told, we close in the venue's way before it cuts, and the place is free at once.
  'slow-client': { codes: ['SLOW_CLIENT'] },
  cut: { codes: ['CONNECTION_LIMIT'] },
  close: { codes: ['CONNECTION_LOST'] },
  mute: {},
  stall: {},
  duplicate: {},
  reorder: {},
  lost: {},
  'corrupt-json': {},
  'truncated-msgpack': {},
  'giant-frame': {},
  'slow-drip': {},
  restart: {},
  'late-pong': {},
  'data-after-unsubscribe': {},
  'bad-checksum': { refused: true },
  'rest-error': {},
  'rest-spoiled': {},
}

/** Faults of a connection's opening show when there is a new connection, those of REST when there is a gap to fill. */
const OPENING = /^(upgrade|half|welcome|auth|connection-limit|symbol|partial|refuse|rest)/
/** Faults of frames can only befall those of their codec. */
const CODEC_OF: Partial<Record<FaultName, string>> = {
  'corrupt-json': 'json',
  'truncated-msgpack': 'msgpack',
}

describe('every fault ends in live data again, or in a clear end', () => {
  for (const fault of FAULT_NAMES.filter(name => !COURSES[name].refused)) {
    const course = COURSES[fault]
    for (const codec of ['json', 'msgpack'] as const) {
      test(`${fault}, ${codec}`, async () => {
        const kit = liveFeed({ venue: { server: { slotMs: SLOT_MS } }, alpaca: { codec } })
        const { venue, feed, notices } = kit
        kit.watch()
        const other = feed.trades('TSLA', () => {})
        await kit.clock.advance(100)
        await kit.seconds(3)
        assert.deepEqual(kit.seen, [1, 2, 3])
        venue.inject({ fault, ...course.with } as FaultOptions)
        other.close()
        await kit.seconds(1)
        if (OPENING.test(fault)) venue.inject({ fault: 'close' })
        await kit.seconds(90)
        const codes = notices.map(notice => (notice.type === 'notice' ? notice.code : undefined))
        for (const code of course.codes ?? []) assert.ok(codes.includes(code), `${code}: ${codes}`)
        if (course.ends) {
          await assert.rejects(feed.done, { code: course.ends })
        } else {
          const before = kit.seen.length
          await kit.seconds(3)
          assert.deepEqual(kit.seen.slice(before), [kit.price - 2, kit.price - 1, kit.price])
          assert.equal(feed.state, 'open')
        }
        assert.ok(
          venue.struck.some(one => one.fault === fault),
          'it has struck',
        )
        if (fault in CODEC_OF) {
          const { malformed } = feed.stats()
          assert.equal(malformed, codec === CODEC_OF[fault] ? 1 : 0, 'frames lost')
        }
        assert.ok(venue.connectsPerWindow() <= 10, `${venue.connectsPerWindow()} connects in 10 s`)
        assert.ok(venue.maxOpen('PK') <= 1)
        await kit.end()
        assert.equal(kit.clock.pending(), 0, 'no timer is left')
        assert.equal(venue.openConnections(), 0)
      })
    }
  }
})

describe('however often a fault strikes, nobody is stormed', () => {
  for (const fault of FAULT_NAMES.filter(name => !COURSES[name].refused)) {
    test(fault, async () => {
      const script = { fault, every: '100ms', ...COURSES[fault].with } as FaultOptions
      const kit = liveFeed({ venue: { server: { slotMs: 0 } } })
      kit.watch()
      await kit.clock.advance(100)
      kit.venue.inject(script)
      // So that faults of an opening have openings to strike.
      if (OPENING.test(fault)) kit.venue.inject({ fault: 'close', every: '100ms' })
      for (let i = 0; i < 150; i++) {
        kit.tick()
        await kit.clock.advance(100)
      }
      const most = kit.venue.connectsPerWindow()
      assert.ok(most <= 10, `${most} connects in 10 s`)
      // Where each connection serves before it ends, the pace alone is what holds back.
      if (fault === 'close' || fault === 'cut') assert.equal(most, 10)
      assert.ok(kit.venue.maxOpen('PK') <= 1)
      await kit.end()
      assert.equal(kit.clock.pending(), 0, 'no timer is left')
    })
  }
})

/** What each error means at the authentication: the feed goes on by itself, or ends for good. */
const AUTH_ERRORS: Readonly<Record<ServerErrorCode, readonly ['goes on' | 'ends', string]>> = {
  400: ['goes on', 'BAD_REQUEST'],
  401: ['ends', 'AUTH_FAILED'],
  402: ['ends', 'AUTH_FAILED'],
  // Taken as good news; then the rest of the opening must come.
  403: ['goes on', 'HANDSHAKE_TIMEOUT'],
  404: ['goes on', 'HANDSHAKE_TIMEOUT'],
  405: ['goes on', 'SYMBOL_LIMIT'],
  406: ['goes on', 'CONNECTION_LIMIT'],
  407: ['goes on', 'SLOW_CLIENT'],
  408: ['ends', 'NOT_ENTITLED'],
  409: ['ends', 'NOT_ENTITLED'],
  410: ['ends', 'UNSUPPORTED'],
  411: ['ends', 'NOT_ENTITLED'],
  412: ['ends', 'UNSUPPORTED'],
  413: ['ends', 'UNSUPPORTED'],
  500: ['goes on', 'VENUE_ERROR'],
}

describe('every error at the authentication has its meaning, closed behind or not', () => {
  for (const [text, [what, code]] of Object.entries(AUTH_ERRORS)) {
    for (const close of [false, true]) {
      test(`${text}${close ? ' and a close' : ''}: ${what}`, async () => {
        const kit = liveFeed()
        kit.venue.inject({ fault: 'auth-error', code: Number(text) as ServerErrorCode, close })
        kit.watch()
        await kit.seconds(30)
        const codes = kit.notices.map(notice => (notice.type === 'notice' ? notice.code : ''))
        const first = text === '403' && close ? 'CONNECTION_LOST' : code
        assert.equal(codes[0], first)
        if (what === 'ends') {
          await assert.rejects(kit.feed.done, { code })
          assert.equal(kit.venue.attempts.length, 1)
        } else {
          assert.deepEqual([kit.feed.state, kit.seen.at(-1)], ['open', kit.price])
        }
        await kit.end()
        assert.equal(kit.clock.pending(), 0, 'no timer is left')
      })
    }
  }
})

describe('pongs in a silent market', () => {
  for (const [by, found] of [
    ['2s', false],
    ['1m', true],
  ] as const) {
    test(`late by ${by}: ${found ? 'taken for a mute connection, and made anew' : 'no matter'}`, async () => {
      const kit = liveFeed({ venue: { server: { slotMs: SLOT_MS } } })
      kit.watch()
      await kit.clock.advance(100)
      kit.venue.inject({ fault: 'late-pong', by })
      await kit.clock.advance(90_000)
      const codes = kit.notices.map(notice => (notice.type === 'notice' ? notice.code : ''))
      assert.equal(codes.includes('MUTE'), found)
      assert.equal(kit.feed.stats().connects, found ? 2 : 1)
      await kit.seconds(1)
      assert.deepEqual([kit.feed.state, kit.seen], ['open', [1]])
      await kit.end()
    })
  }
})

describe('what a fault does to the data', () => {
  const after = async (fault: FaultOptions, codec: 'json' | 'msgpack' = 'json') => {
    // As it comes: nothing is fetched from the history.
    const kit = liveFeed({ alpaca: { codec }, feed: { repair: { policy: 'off' } } })
    kit.watch()
    await kit.clock.advance(100)
    kit.venue.inject(fault)
    await kit.seconds(6)
    const { malformed, duplicates } = kit.feed.stats()
    await kit.end()
    return { seen: kit.seen, malformed, duplicates }
  }

  test('duplicate: twice, and left out by the feed', async () => {
    const { seen, duplicates } = await after({ fault: 'duplicate', times: 2 })
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6])
    assert.equal(duplicates, 2)
  })

  test('reorder: the later one first', async () => {
    const kit = liveFeed()
    kit.watch()
    await kit.clock.advance(100)
    kit.venue.inject({ fault: 'reorder' })
    for (let i = 0; i < 4; i++) kit.tick()
    await kit.clock.advance(100)
    assert.deepEqual(kit.seen, [2, 1, 3, 4])
    await kit.end()
  })

  test('corrupt-json and truncated-msgpack: one frame is lost and counted', async () => {
    const json = await after({ fault: 'corrupt-json' })
    assert.deepEqual([json.seen, json.malformed], [[2, 3, 4, 5, 6], 1])
    const packed = await after({ fault: 'truncated-msgpack' }, 'msgpack')
    assert.deepEqual([packed.seen, packed.malformed], [[2, 3, 4, 5, 6], 1])
  })

  test('mute: lost; stall: late, and nothing is lost', async () => {
    assert.deepEqual((await after({ fault: 'mute', for: '2s' })).seen, [3, 4, 5, 6])
    const kit = liveFeed()
    kit.watch()
    await kit.clock.advance(100)
    kit.venue.inject({ fault: 'stall', for: '3s' })
    await kit.seconds(2)
    assert.deepEqual(kit.seen, [])
    await kit.seconds(2)
    assert.deepEqual(kit.seen, [1, 2, 3, 4])
    await kit.end()
  })

  test('slow-drip: the frames take their time', async () => {
    const kit = liveFeed({ alpaca: { codec: 'json' } })
    kit.watch()
    await kit.clock.advance(100)
    kit.venue.inject({ fault: 'slow-drip', for: '10s', bytesPerSecond: 50 })
    kit.tick()
    await kit.clock.advance(1_000)
    assert.deepEqual(kit.seen, [], 'a hundred bytes and more are not through')
    await kit.clock.advance(3_000)
    assert.deepEqual(kit.seen, [1])
    await kit.end()
  })

  test('data-after-unsubscribe: goes on at the venue, is not shown to anybody', async () => {
    const kit = liveFeed()
    kit.watch(['SPY'])
    const other = kit.feed.trades('TSLA', () => assert.fail('let go'))
    await kit.clock.advance(100)
    kit.venue.inject({ fault: 'data-after-unsubscribe', for: '5s' })
    other.close()
    await kit.clock.advance(100)
    kit.venue.deliver([tradeOf('TSLA', 1), tradeOf('SPY', 1)])
    await kit.clock.advance(100)
    assert.deepEqual(kit.seen, [1])
    assert.deepEqual(kit.venue.connections[0]?.subscribed.trades, ['SPY'])
    await kit.end()
  })

  test('partial-ack: the venue leaves a symbol out, and its data too', async () => {
    const kit = liveFeed({ venue: { faults: [{ fault: 'partial-ack', times: 1 }] } })
    kit.watch(['SPY', 'TSLA'])
    await kit.clock.advance(100)
    assert.equal(kit.venue.struck[0]?.fault, 'partial-ack')
    await kit.end()
  })
})

describe('when faults come about', () => {
  const strikes = async (faults: FaultOptions[], seconds: number) => {
    const kit = liveFeed({ venue: { faults, server: { slotMs: 0 } } })
    const start = kit.clock.now()
    kit.watch()
    await kit.clock.advance(1_000)
    await kit.seconds(seconds - 1)
    const times = kit.venue.struck.map(({ fault, at }) => `${fault} ${at - start}`)
    await kit.end()
    return times
  }

  test('at a time, and every so often from there', async () => {
    const every = await strikes([{ fault: 'duplicate', every: '4s', at: '2s' }], 12)
    assert.deepEqual(every, ['duplicate 2000', 'duplicate 6000', 'duplicate 10000'])
    assert.deepEqual(await strikes([{ fault: 'stall', at: 2_500, for: 1 }], 9), ['stall 2500'])
  })

  test('after a count of events or connections, and later still with `at`', async () => {
    assert.deepEqual(await strikes([{ fault: 'duplicate', after: '3 events' }], 9), [
      'duplicate 3000',
    ])
    const two = await strikes([{ fault: 'close', after: '1 connection', at: '5s' }], 9)
    assert.deepEqual(two, ['close 5000'])
  })

  test('with the first data where nothing is said, and with the first step of an opening', async () => {
    const faults: FaultOptions[] = [{ fault: 'duplicate' }, { fault: 'welcome-delayed', by: 10 }]
    assert.deepEqual(await strikes(faults, 3), ['welcome-delayed 0', 'duplicate 1000'])
  })

  test('by chance, the same with the same seed', async () => {
    const faults: FaultOptions[] = [{ fault: 'duplicate', every: '1s', chance: 0.5 }]
    const first = await strikes(faults, 60)
    assert.ok(first.length > 15 && first.length < 45, String(first.length))
    assert.deepEqual(await strikes(faults, 60), first)
  })
})

test('counts attempts, connections and the most there were at a time', async () => {
  const kit = liveFeed({ venue: { server: { plan: { connections: 3 } } } })
  kit.watch()
  await kit.clock.advance(10)
  assert.deepEqual([kit.venue.openConnections(), kit.venue.openConnections('PK')], [1, 1])
  assert.equal(kit.venue.openConnections('OTHER'), 0)
  kit.venue.inject({ fault: 'upgrade-502', times: 3 })
  kit.venue.inject({ fault: 'close' })
  await kit.clock.advance(20_000)
  assert.equal(kit.venue.attempts.length, 5)
  assert.equal(kit.venue.connectsPerWindow(60_000), 5)
  assert.deepEqual([kit.venue.maxOpen(), kit.venue.maxOpen('PK')], [1, 1])
  await kit.end()
})

test('of many attempts and faults only the last are remembered', async () => {
  const clock = handClock()
  const venue = scriptedVenue({ clock })
  const request = { url: 'ws://venue/v2/iex', headers: {}, maxFrameBytes: 1, handshakeTimeoutMs: 1 }
  const events = { opened() {}, frame() {}, pong() {}, closed() {} }
  venue.inject({ fault: 'upgrade-502', times: 25_000 })
  for (let i = 0; i < 25; i++) {
    for (let j = 0; j < 1_000; j++) venue.openSocket(request, events, clock)
    await clock.advance(1)
  }
  for (const list of [venue.attempts, venue.struck.map(({ at }) => at)]) {
    assert.ok(list.length >= 10_000 && list.length < 20_000, `${list.length} remembered`)
    assert.equal(list.at(-1), clock.now() - 1)
  }
  await venue.close()
})

test('messages take the latency they are given', async () => {
  const kit = liveFeed({ venue: { latencyMs: 100 } })
  kit.watch()
  await kit.clock.advance(499)
  assert.deepEqual(kit.venue.connections[0]?.subscribed, {})
  await kit.clock.advance(101)
  assert.deepEqual(kit.venue.connections[0]?.subscribed.trades, ['SPY'])
  await kit.end()
  assert.equal(kit.clock.pending(), 0)
})
