import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Notice } from '../../src/market/events.ts'
import { oblige, say, toyFeed, trade } from './toy-venue.ts'

const names = (notices: readonly Notice[]) => notices.map(({ notice }) => notice)

function collect(feed: ReturnType<typeof toyFeed>['feed']) {
  const notices: Notice[] = []
  feed.on('notice', notice => notices.push(notice))
  return notices
}

test('a cut is told in order with the data, and everything desired is asked for again', async () => {
  const { clock, net, feed } = toyFeed()
  const seen: string[] = []
  feed.on('*', event => seen.push(event.type === 'notice' ? event.notice : `${event.timestamp}`))
  feed.trades(['SPY', 'TSLA'], () => {})
  await clock.advance(1)
  trade(net.last, 'SPY', 1)
  net.last.end({ code: 1006 })
  await clock.advance(1)
  assert.equal(feed.state, 'waiting')
  await clock.advance(1_000)
  assert.equal(net.sockets.length, 2)
  trade(net.last, 'TSLA', 2)
  const cycle = ['connected', 'subscribed']
  assert.deepEqual(seen, [...cycle, '1', 'disconnected', ...cycle, 'unrepaired', '2'])
  assert.equal(String(net.last.sent[1]), '{"add":["trade/SPY","trade/TSLA"]}')
  await feed.close()
})

test('what changes while the connection is away is right after it', async () => {
  const { clock, net, feed } = toyFeed()
  const old = feed.trades('OLD', () => {})
  feed.trades('SPY', () => {})
  await clock.advance(1)
  net.last.end()
  await clock.advance(1)
  old.close()
  feed.trades('NEW', () => {})
  await clock.advance(1_000)
  assert.equal(String(net.last.sent[1]), '{"add":["trade/SPY","trade/NEW"]}')
  await feed.close()
})

test('what changes while it connects is right after it', async () => {
  const { clock, net, feed } = toyFeed({ obliging: false })
  const old = feed.trades('OLD', () => {})
  await clock.advance(1)
  old.close()
  const asked = feed.subscribe({ trades: 'NEW' })
  oblige(net.last)
  await clock.advance(1)
  assert.deepEqual(net.last.sent.slice(1).map(String), [
    '{"add":["trade/OLD"]}',
    '{"drop":["trade/OLD"]}',
    '{"add":["trade/NEW"]}',
  ])
  assert.equal((await asked).accepted.length, 1)
  await feed.close()
})

test('a mute socket is found by its missing pong and replaced', async () => {
  const { clock, net, feed } = toyFeed()
  const notices = collect(feed)
  feed.trades('SPY', () => {})
  await clock.advance(1)
  await clock.advance(10_000)
  assert.equal(net.sockets[0]?.pings, 1)
  await clock.advance(4_000)
  assert.equal(net.sockets[0]?.closed, false)
  await clock.advance(3_000)
  assert.equal(net.sockets[0]?.closed, true)
  assert.deepEqual(names(notices), [
    'connected',
    'subscribed',
    'disconnected',
    'connected',
    'subscribed',
    'unrepaired',
  ])
  assert.equal(notices[2]?.code, 'MUTE')
  await feed.close()
})

test('a pong, or any frame, keeps a silent market open', async () => {
  const { clock, net, feed } = toyFeed()
  feed.trades('SPY', () => {})
  for (let i = 0; i < 100; i++) {
    await clock.advance(5_000)
    if (i % 2) net.last.pong()
    else say(net.last, { weather: 'fine' })
  }
  assert.equal(net.sockets.length, 1)
  await feed.close()
})

test('a venue that accepts and says nothing runs into the handshake timeout', async () => {
  const { clock, net, feed } = toyFeed({ obliging: false })
  const notices = collect(feed)
  feed.trades('SPY', () => {})
  await clock.advance(1)
  net.last.open()
  await clock.advance(9_000)
  assert.equal(net.sockets.length, 1)
  await clock.advance(1_500)
  assert.equal(notices[0]?.code, 'HANDSHAKE_TIMEOUT')
  assert.equal(net.sockets[0]?.closed, true)
  await feed.close()
})

test('ordinary faults are retried with growing waits up to the ceiling', async () => {
  const { clock, net, feed } = toyFeed({ obliging: false })
  feed.trades('SPY', () => {})
  const waits: number[] = []
  for (let i = 0; i < 12; i++) {
    const before = net.sockets.length
    const start = clock.now()
    while (net.sockets.length === before) await clock.advance(5)
    if (i > 0) waits.push(Math.round((clock.now() - start) / 100) * 100)
    net.last.end({ error: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) })
  }
  assert.deepEqual(waits, [100, 300, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
  await feed.close()
})

test('a refused connection says so, in words', async () => {
  const { clock, net, feed } = toyFeed({ obliging: false })
  const notices = collect(feed)
  feed.trades('SPY', () => {})
  await clock.advance(1)
  net.last.end({ error: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) })
  await clock.advance(1)
  assert.match(notices[0]?.message ?? '', /^toy\.test: connection refused; next attempt in 0\.1 s$/)
  assert.equal(notices[0]?.code, 'UNREACHABLE')
  await feed.close()
})

test('authentication alone does not reset the backoff, data or a full confirmation does', async () => {
  const attempt = async (proof: boolean) => {
    const { clock, net, feed } = toyFeed({ obliging: false })
    feed.trades('SPY', () => {})
    for (let i = 0; i < 6; i++) {
      const before = net.sockets.length
      while (net.sockets.length === before) await clock.advance(50)
      const socket = net.last
      socket.open()
      say(socket, { hello: true })
      say(socket, { in: true })
      await clock.advance(1)
      if (proof) say(socket, { have: ['trade/SPY'] })
      socket.end()
    }
    const start = clock.now()
    const before = net.sockets.length
    while (net.sockets.length === before) await clock.advance(50)
    await feed.close()
    return clock.now() - start
  }
  assert.ok((await attempt(false)) > 3_000)
  assert.ok((await attempt(true)) < 300)
})

test('a full venue is met with long waits from the first', async () => {
  const { clock, net, feed } = toyFeed({ obliging: false })
  feed.trades('SPY', () => {})
  const start = clock.now()
  for (let i = 0; i < 3; i++) {
    while (net.sockets.length <= i) await clock.advance(100)
    net.last.open()
    say(net.last, { hello: true })
    say(net.last, { error: 2 })
    await clock.advance(1)
  }
  assert.ok(clock.now() - start > 3_750 + 7_500 - 1)
  await feed.close()
})

test('Retry-After is kept to', async () => {
  const { clock, net, feed } = toyFeed({ obliging: false })
  feed.trades('SPY', () => {})
  await clock.advance(1)
  net.last.end({ httpStatus: 429, retryAfterMs: 40_000 })
  await clock.advance(39_000)
  assert.equal(net.sockets.length, 1)
  await clock.advance(2_000)
  assert.equal(net.sockets.length, 2)
  await feed.close()
})

for (const [httpStatus, code] of [
  [401, 'AUTH_FAILED'],
  [403, 'AUTH_FAILED'],
  [404, 'NOT_FOUND'],
] as const) {
  test(`HTTP ${httpStatus} at the upgrade stops the feed`, async () => {
    const { clock, net, feed } = toyFeed({ obliging: false })
    const done = assert.rejects(feed.done, { code })
    feed.trades('SPY', () => {})
    await clock.advance(1)
    net.last.end({ httpStatus })
    await clock.advance(100_000)
    await done
    assert.equal(net.sockets.length, 1)
  })
}

test('an address that is none stops the feed with a clear word', async () => {
  const { clock, feed } = toyFeed({ description: { url: 'http//nowhere' } })
  const done = assert.rejects(feed.done, { code: 'BAD_OPTION', message: /http\/\/nowhere/ })
  feed.trades('SPY', () => {})
  await clock.advance(1)
  await done
})

test('an error the venue means as information changes nothing', async () => {
  const { clock, net, feed } = toyFeed()
  const seen: number[] = []
  feed.trades('SPY', event => seen.push(event.timestamp))
  await clock.advance(1)
  say(net.last, { error: 4 })
  trade(net.last, 'SPY', 1)
  assert.deepEqual([seen, net.live], [[1], 1])
  await feed.close()
})

test('a venue without greeting or login takes requests at once', async () => {
  const description = { welcomes: false, greet: undefined } as object
  const { clock, net, feed } = toyFeed({ description })
  feed.trades('SPY', () => {})
  await clock.advance(1)
  assert.deepEqual(net.last.sent.map(String), ['{"add":["trade/SPY"]}'])
  await feed.close()
})

test('data after the feed has moved on to another connection is not taken', async () => {
  const { clock, net, feed } = toyFeed()
  const seen: number[] = []
  feed.trades('SPY', event => seen.push(event.timestamp))
  await clock.advance(1)
  const old = net.last
  void feed.close()
  trade(old, 'SPY', 9)
  await clock.advance(5_000)
  assert.deepEqual(seen, [])
})

test('a confirmation with nothing of a request in it is its answer all the same', async () => {
  const { clock, net, feed } = toyFeed({ description: { ping: { everyMs: 1e9, timeoutMs: 1 } } })
  feed.trades('A', () => {})
  await clock.advance(1)
  const socket = net.last
  const rejected: string[] = []
  feed.on('notice', notice => {
    if (notice.notice === 'rejected') rejected.push(`${notice.symbol} ${notice.code}`)
  })
  socket.onSent = () => say(socket, { have: ['trade/A'] })
  feed.trades('B', () => {})
  await clock.advance(1)
  socket.onSent = () => say(socket, { have: ['trade/A', 'trade/C'] })
  feed.trades('C', () => {})
  await clock.advance(1)
  socket.onSent = () => say(socket, { error: 3 })
  feed.trades('D', () => {})
  await clock.advance(1)
  assert.deepEqual(rejected, ['B VENUE_ERROR', 'D SYMBOL_LIMIT'])
  // Asked again in vain: no news. Confirmed at last: that is.
  await clock.advance(30_000)
  assert.deepEqual(rejected.slice(2), ['B SYMBOL_LIMIT'])
  await clock.advance(600_000)
  assert.equal(rejected.length, 3)
  say(socket, { have: ['trade/A', 'trade/B', 'trade/C', 'trade/D'] })
  await clock.advance(1)
  assert.equal(feed.stats().topics.acknowledged, 4)
  await feed.close()
})

test('however short each connection lives, there are ten attempts in ten seconds at most', async () => {
  const { clock, net, feed } = toyFeed()
  const begin = clock.now()
  feed.trades('SPY', () => {})
  const times: number[] = []
  // Each is confirmed, so that the backoff starts over, and closed at once.
  for (let ms = 0; ms < 60_000; ms += 20) {
    await clock.advance(20)
    while (times.length < net.sockets.length) times.push(clock.now() - begin)
    if (net.last.sent.length > 1) net.last.end({ code: 1000 })
  }
  for (const [index, time] of times.entries()) {
    const eleventh = times[index + 10]
    // Seen in steps of 20 ms.
    assert.ok(eleventh === undefined || eleventh - time >= 9_980, `${time} to ${eleventh}`)
  }
  assert.ok(times.length > 55, `${times.length} attempts`)
  await feed.close()
  assert.equal(clock.pending(), 0)
})

test('an error message on an open connection is answered with a closing handshake, not with a cut', async () => {
  const { clock, net, feed } = toyFeed()
  const notices = collect(feed)
  feed.trades('SPY', () => {})
  await clock.advance(1)
  const socket = net.last
  const ends: string[] = []
  // A venue that hangs does not answer.
  socket.onClosing = end => ends.push(end)
  say(socket, { error: 9 })
  await clock.advance(900)
  assert.deepEqual([ends, socket.closed], [['close'], false])
  trade(socket, 'SPY', 1)
  await clock.advance(200)
  assert.deepEqual([ends, socket.closed], [['close', 'terminate'], true])
  assert.equal(feed.stats().events, notices.length, 'nothing is taken from it meanwhile')
  assert.equal(notices.at(-1)?.code ?? '', 'VENUE_ERROR')
  await feed.close()
})

test('what breaks an open connection is no lack of network; a message above the limit is named', async () => {
  const messages: string[] = []
  for (const [code, text] of [
    ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'Max payload size exceeded'],
    ['WS_ERR_INVALID_OPCODE', 'Invalid WebSocket frame: invalid opcode 3'],
  ]) {
    const { clock, net, feed } = toyFeed()
    const notices = collect(feed)
    feed.trades('SPY', () => {})
    await clock.advance(1)
    net.last.end({ code: 1006, error: Object.assign(new RangeError(text), { code }) })
    await clock.advance(1)
    const lost = notices.find(({ notice }) => notice === 'disconnected')
    messages.push(`${lost?.code} ${lost?.message.replace(/;.*/, '')}`)
    await feed.close()
  }
  assert.deepEqual(messages, [
    'CONNECTION_LOST connection lost: a message above the limit of 1000000 bytes',
    'CONNECTION_LOST connection lost: Invalid WebSocket frame: invalid opcode 3',
  ])
})
