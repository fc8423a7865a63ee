import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sleep } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { MarketEvent, Trade } from '../../src/market/events.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { say, times, toyFeed, trade, tradeOf } from './toy-venue.ts'

const list = (topics: readonly { kind: string; symbol: string }[]) =>
  topics.map(({ kind, symbol }) => `${kind} ${symbol}`)

describe('subscribing', () => {
  test('nothing is connected before something is wanted', async () => {
    const { clock, net, feed } = toyFeed()
    await clock.advance(60_000)
    assert.equal(net.sockets.length, 0)
    assert.equal(feed.state, 'waiting')
    await feed.close()
  })

  test('subscribe resolves with what the venue confirmed', async () => {
    const { clock, net, feed } = toyFeed()
    const outcome = feed.subscribe({ trades: ['spy', 'TSLA', 'SPY'], quotes: 'SPY' })
    await clock.advance(1)
    const { accepted, rejected, pending } = await outcome
    assert.deepEqual(list(accepted), ['trade SPY', 'trade TSLA', 'quote SPY'])
    assert.deepEqual([rejected, pending], [[], []])
    assert.deepEqual(net.last.sent.map(String), [
      '{"login":"me"}',
      '{"add":["trade/SPY","trade/TSLA","quote/SPY"]}',
    ])
    assert.equal(feed.state, 'open')
    await feed.close()
  })

  test('a refusal by the venue comes with its reason', async () => {
    const { clock, net, feed } = toyFeed()
    await subscribed(clock, feed.subscribe({ trades: 'SPY' }))
    net.last.onSent = () => say(net.last, { error: 3 })
    const { rejected, accepted } = await subscribed(clock, feed.subscribe({ trades: 'TSLA' }))
    assert.deepEqual(list(rejected.map(({ topic }) => topic)), ['trade TSLA'])
    assert.deepEqual([rejected[0]?.reason.code, accepted], ['SYMBOL_LIMIT', []])
    await feed.close()
  })

  test('what the venue leaves out of its answer is rejected, the rest stays', async () => {
    const { clock, net, feed } = toyFeed()
    await subscribed(clock, feed.subscribe({ trades: 'A' }))
    net.last.onSent = () => say(net.last, { have: ['trade/A', 'trade/B'] })
    const { accepted, rejected } = await subscribed(clock, feed.subscribe({ trades: ['B', 'C'] }))
    assert.deepEqual(list(accepted), ['trade B'])
    assert.deepEqual(list(rejected.map(({ topic }) => topic)), ['trade C'])
    await feed.close()
  })

  test('a silent venue leaves topics pending', async () => {
    const { clock, net, feed } = toyFeed()
    await subscribed(clock, feed.subscribe({ trades: 'SPY' }))
    net.last.onSent = undefined
    const asked = feed.subscribe({ trades: 'TSLA' })
    await clock.advance(10_000)
    assert.deepEqual(list((await asked).pending), ['trade TSLA'])
    await feed.close()
  })

  test('two users of a symbol cost one subscription, and it is let go with the second', async () => {
    const { clock, net, feed } = toyFeed()
    const first = feed.trades('SPY', () => {})
    const second = feed.trades(['SPY', 'TSLA'], () => {})
    await clock.advance(1)
    first.close()
    first.close()
    await clock.advance(1)
    assert.ok(!net.last.sent.some(frame => String(frame).includes('drop')))
    second.close()
    await clock.advance(1)
    assert.deepEqual(net.last.sent.map(String).at(-1), '{"drop":["trade/SPY","trade/TSLA"]}')
    await feed.close()
  })

  for (const [what, call, code] of [
    ['an empty list', (f: Toy) => f.trades([], () => {}), 'NO_SYMBOLS'],
    ['an empty request', (f: Toy) => f.subscribe({}), 'NO_SYMBOLS'],
    ['a malformed symbol', (f: Toy) => f.trades('S P Y', () => {}), 'BAD_SYMBOL'],
    ['a kind the provider lacks', (f: Toy) => f.books('SPY', () => {}), 'UNSUPPORTED'],
    ['a wildcard the provider lacks', (f: Toy) => f.quotes('*', () => {}), 'UNSUPPORTED'],
    ['bars of a length it lacks', (f: Toy) => f.bars('SPY', { interval: '5m' }), 'UNSUPPORTED'],
    ['an unknown channel', (f: Toy) => f.subscribe({ trade: 'SPY' } as object), 'BAD_OPTION'],
    ['an unknown kind to listen to', (f: Toy) => f.on('trad' as 'trade', () => {}), 'BAD_OPTION'],
  ] as const) {
    test(`${what} is refused before anything is sent`, async () => {
      const { net, feed } = toyFeed()
      await assert.rejects(async () => call(feed), { code })
      assert.equal(net.sockets.length, 0)
    })
  }
})

type Toy = ReturnType<typeof toyFeed>['feed']

describe('delivering', () => {
  test('handlers, streams and the tape see the same events; the tape has numbered them', async () => {
    const { clock, net, feed } = toyFeed()
    const tape = memoryTape({ clock })
    feed.pipe(tape)
    const handled: MarketEvent[] = []
    const looped: MarketEvent[] = []
    feed.on('*', event => handled.push(event))
    const loop = (async () => {
      for await (const event of feed.trades('SPY')) looped.push(event)
    })()
    await clock.advance(1)
    trade(net.last, 'SPY', 1, 2)
    // Nobody has asked for it.
    trade(net.last, 'TSLA', 3)
    await clock.advance(1)
    await feed.close()
    await loop
    const taped: MarketEvent[] = []
    await tape.close()
    for await (const batch of tape.read({ from: 'start' })) taped.push(...batch)
    // Closing ends the handlers at once; the tape still learns of the end of the connection.
    assert.deepEqual(taped.slice(0, -1), handled)
    assert.deepEqual(
      taped.map(event => event.seq),
      [1, 2, 3, 4, 5],
    )
    assert.deepEqual(
      taped.map(event => (event.type === 'notice' ? event.notice : event.type)),
      ['connected', 'subscribed', 'trade', 'trade', 'disconnected'],
    )
    assert.deepEqual(
      looped,
      taped.filter(event => event.symbol === 'SPY'),
    )
  })

  test('each handler gets its symbols once, also with the wildcard beside them', async () => {
    const { clock, net, feed } = toyFeed()
    const seen: string[] = []
    feed.trades(['SPY', '*'], event => seen.push(`all ${event.symbol}`))
    feed.trades('TSLA', event => seen.push(`one ${event.symbol}`))
    await clock.advance(1)
    trade(net.last, 'SPY', 1)
    trade(net.last, 'TSLA', 2)
    assert.deepEqual(seen, ['all SPY', 'all TSLA', 'one TSLA'])
    await feed.close()
  })

  test('bars come by their length', async () => {
    const { clock, net, feed } = toyFeed()
    const seen: string[] = []
    feed.bars('SPY', bar => seen.push(bar.interval))
    feed.bars('SPY', bar => seen.push(`daily ${bar.interval}`), { interval: '1d' })
    await clock.advance(1)
    const ohlc = { open: 1, high: 1, low: 1, close: 1, volume: 1, final: true, revision: 0 }
    for (const interval of ['1m', '1d']) {
      say(net.last, { events: [{ type: 'bar', symbol: 'SPY', timestamp: 1, interval, ...ohlc }] })
    }
    assert.deepEqual(seen, ['1m', 'daily 1d'])
    await feed.close()
  })

  test('an article that names two subscribed symbols comes once', async () => {
    const { clock, net, feed } = toyFeed()
    let seen = 0
    feed.news(['SPY', 'TSLA'], () => seen++)
    await clock.advance(1)
    const article = { type: 'news', symbol: 'SPY', symbols: ['SPY', 'TSLA'], headline: 'x' }
    say(net.last, { events: [{ ...article, timestamp: 1 }] })
    assert.equal(seen, 1)
    await feed.close()
  })

  test('a failing handler is reported with its event; the others and the feed go on', async () => {
    const { clock, net, feed } = toyFeed()
    const failures: unknown[] = []
    let seen = 0
    feed.on('error', (error, event) => failures.push([error.code, event?.timestamp]))
    feed.trades('SPY', () => {
      throw new Error('boom')
    })
    feed.trades('SPY', () => seen++)
    await clock.advance(1)
    trade(net.last, 'SPY', 7, 8)
    assert.deepEqual(failures, [
      ['HANDLER_FAILED', 7],
      ['HANDLER_FAILED', 8],
    ])
    assert.deepEqual([seen, feed.state, feed.stats().failures], [2, 'open', 2])
    await feed.close()
  })

  test('a failing handler with nobody listening for errors goes to the log', async () => {
    const logged: string[] = []
    const log = { ...silentLog, error: (_: object, message: string) => logged.push(message) }
    const { clock, net, feed } = toyFeed({ feed: { log } })
    feed.trades('SPY', function picky() {
      throw new Error('boom')
    })
    await clock.advance(1)
    trade(net.last, 'SPY', 1)
    assert.deepEqual(logged, ['handler picky failed: boom'])
    await feed.close()
  })

  test('a handler may subscribe, unsubscribe and close while it runs', async () => {
    const { clock, net, feed } = toyFeed()
    const seen: string[] = []
    const first = feed.trades('SPY', event => {
      seen.push(event.symbol)
      first.close()
      feed.trades('TSLA', other => {
        seen.push(other.symbol)
        void feed.close()
      })
    })
    await clock.advance(1)
    trade(net.last, 'SPY', 1, 2)
    await clock.advance(1)
    trade(net.last, 'TSLA', 3)
    await feed.done
    assert.deepEqual(seen, ['SPY', 'TSLA'])
  })

  test('an async handler does not hold up the others', async () => {
    const { clock, net, feed } = toyFeed()
    const seen: number[] = []
    feed.trades('SPY', () => sleep(clock, 500))
    feed.trades('SPY', event => seen.push(event.timestamp))
    await clock.advance(1)
    trade(net.last, 'SPY', 1, 2, 3)
    assert.deepEqual(seen, [1, 2, 3])
    await feed.close()
  })

  test('a slow handler is named in a notice that does not go on the tape', async () => {
    const { clock, net, feed } = toyFeed()
    const tape = memoryTape({ clock })
    feed.pipe(tape)
    const lagging: string[] = []
    feed.on('notice', notice => {
      if (notice.notice === 'lagging') lagging.push(notice.code ?? '')
    })
    feed.trades('SPY', () => sleep(clock, 700), { name: 'sluggish' })
    await clock.advance(1)
    trade(net.last, 'SPY', 1, 2, 3)
    await clock.advance(5_000)
    assert.deepEqual(lagging, ['sluggish'])
    assert.equal(tape.end.seq, 5)
    await feed.close()
  })

  test('a sink that fails is reported and the handlers still get the event', async () => {
    const { clock, net, feed } = toyFeed()
    const failures: string[] = []
    let seen = 0
    feed.on('error', error => failures.push(error.message))
    feed.trades('SPY', () => seen++)
    await clock.advance(1)
    const off = feed.pipe({
      append: () => {
        throw new Error('disk full')
      },
    })
    trade(net.last, 'SPY', 1)
    off()
    trade(net.last, 'SPY', 2)
    assert.deepEqual([failures, seen], [['a sink failed: disk full'], 2])
    await feed.close()
  })

  test('malformed frames are counted and sampled, unknown messages counted by name', async () => {
    const { clock, net, feed } = toyFeed({ feed: { log: silentLog } })
    let seen = 0
    feed.trades('SPY', () => seen++)
    await clock.advance(1)
    for (let i = 0; i < 7; i++) net.last.send(`{broken ${i}`)
    say(net.last, { weather: 'fine' })
    trade(net.last, 'SPY', 1)
    const { malformed, samples, unknown, state } = feed.stats()
    assert.deepEqual([malformed, samples.length, unknown, state], [7, 5, { weather: 1 }, 'open'])
    assert.deepEqual(samples.at(-1), { reason: 'not JSON', frame: '{broken 6' })
    assert.equal(seen, 1)
    await feed.close()
  })

  test('raw shows frames as received, before they are decoded', async () => {
    const { clock, net, feed } = toyFeed()
    const frames: string[] = []
    const off = feed.raw(({ data }) => frames.push(Buffer.from(data).toString()))
    feed.trades('SPY', () => {})
    await clock.advance(1)
    net.last.send('{"weather":1}')
    off()
    net.last.send('{"weather":2}')
    assert.deepEqual(frames, [
      '{"hello":true}',
      '{"in":true}',
      '{"have":["trade/SPY"]}',
      '{"weather":1}',
    ])
    await feed.close()
  })
})

describe('ending', () => {
  test('breaking out of a loop lets the symbol go and, with the last one, the connection', async () => {
    const { clock, net, feed } = toyFeed()
    const loop = (async () => {
      for await (const event of feed.trades('SPY')) if (event.timestamp === 2) break
    })()
    await clock.advance(1)
    trade(net.last, 'SPY', 1, 2, 3)
    await loop
    await clock.advance(500)
    assert.equal(net.live, 1)
    await clock.advance(600)
    assert.equal(net.live, 0)
    assert.equal(clock.pending(), 0)
    assert.equal(feed.state, 'waiting')
  })

  test('what is wanted again within the linger keeps the connection', async () => {
    const { clock, net, feed } = toyFeed()
    const first = feed.trades('SPY', () => {})
    await clock.advance(1)
    first.close()
    await clock.advance(900)
    feed.trades('TSLA', () => {})
    await clock.advance(5_000)
    assert.deepEqual([net.sockets.length, net.live], [1, 1])
    await feed.close()
  })

  test('a feed that was let go connects again when something is wanted', async () => {
    const { clock, net, feed } = toyFeed()
    const first = feed.trades('SPY', () => {})
    await clock.advance(1)
    first.close()
    await clock.advance(2_000)
    assert.equal(net.live, 0)
    const seen: Trade[] = []
    feed.trades('SPY', event => seen.push(event))
    await clock.advance(1)
    trade(net.last, 'SPY', 1)
    assert.deepEqual([net.sockets.length, seen.length], [2, 1])
    await feed.close()
  })

  test('an AbortSignal ends a handler and a waiting loop', async () => {
    const { clock, net, feed } = toyFeed()
    const abort = new AbortController()
    const { signal } = abort
    let seen = 0
    feed.trades('SPY', () => seen++, { signal })
    const loop = (async () => {
      for await (const _ of feed.quotes('SPY', { signal }));
    })()
    await clock.advance(1)
    abort.abort()
    await loop
    trade(net.last, 'SPY', 1)
    assert.equal(seen, 0)
    await clock.advance(2_000)
    assert.equal(net.live, 0)
  })

  test('a signal that has already fired ends them at once', async () => {
    const { clock, net, feed } = toyFeed()
    feed.trades('SPY', () => {}, { signal: AbortSignal.abort() })
    for await (const _ of feed.quotes('SPY', { signal: AbortSignal.abort() }));
    await clock.advance(5_000)
    assert.equal(net.sockets.length, 0)
    assert.equal(clock.pending(), 0)
  })

  test('close may be called twice, ends waiting loops, and leaves no socket and no timer', async () => {
    const { clock, net, feed } = toyFeed()
    const loop = (async () => {
      for await (const _ of feed.trades('SPY'));
    })()
    feed.quotes('SPY', () => sleep(clock, 60_000))
    await clock.advance(1)
    await Promise.all([feed.close(), feed.close()])
    await loop
    await feed.done
    assert.deepEqual([feed.state, net.live], ['closed', 0])
    assert.throws(() => feed.trades('SPY', () => {}), { code: 'CLOSED' })
    await assert.rejects(feed.subscribe({ trades: 'SPY' }), { code: 'CLOSED' })
    assert.equal(clock.pending(), 0)
  })

  test('close while connecting leaves nothing behind', async () => {
    const { clock, net, feed } = toyFeed({ obliging: false })
    feed.trades('SPY', () => {})
    await clock.advance(1)
    assert.equal(net.live, 1)
    await feed.close()
    assert.deepEqual([net.live, clock.pending()], [0, 0])
  })

  test('a fatal end rejects done and subscribe, and is thrown from loops', async () => {
    const { clock, net, feed } = toyFeed({ obliging: false })
    const asked = feed.subscribe({ trades: 'SPY' })
    const loop = (async () => {
      for await (const _ of feed.trades('SPY'));
    })()
    const all = Promise.allSettled([asked, loop, feed.done])
    await clock.advance(1)
    net.last.open()
    say(net.last, { hello: true })
    say(net.last, { error: 1 })
    const reasons = (await all).map(end => end.status === 'rejected' && end.reason.code)
    assert.deepEqual(reasons, ['AUTH_FAILED', 'AUTH_FAILED', 'AUTH_FAILED'])
    await clock.advance(600_000)
    assert.equal(net.sockets.length, 1)
    assert.throws(() => feed.trades('SPY', () => {}), { code: 'AUTH_FAILED' })
    assert.equal(clock.pending(), 0)
  })

  test('a fatal end that only handlers wait for ends the program with the reason', () => {
    const script = fileURLToPath(new URL('fatal.fixture.ts', import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script], {
      encoding: 'utf8',
    })
    assert.equal(status, 1)
    assert.match(stderr, /TickwireError: toy error[\s\S]*code: 'AUTH_FAILED'/)
  })
})

describe('what users do wrong, or venues', () => {
  test('unsubscribe takes back what subscribe asked for, never what a handler has', async () => {
    const { clock, net, feed } = toyFeed()
    let seen = 0
    feed.trades('SPY', () => seen++)
    await subscribed(clock, feed.subscribe({ trades: ['SPY', 'TSLA'] }))
    for (let i = 0; i < 3; i++) feed.unsubscribe({ trades: ['SPY', 'TSLA'] })
    await clock.advance(5_000)
    assert.equal(String(net.last.sent.at(-1)), '{"drop":["trade/TSLA"]}')
    trade(net.last, 'SPY', 1)
    assert.equal(seen, 1)
    await feed.close()
  })

  test('asking twice needs one unsubscribe', async () => {
    const { clock, net, feed } = toyFeed()
    await subscribed(clock, feed.subscribe({ trades: 'SPY' }))
    await subscribed(clock, feed.subscribe({ trades: 'SPY' }))
    feed.unsubscribe({ trades: 'SPY' })
    await clock.advance(2_000)
    assert.equal(net.live, 0)
  })

  test('a refused topic is tried again when it is asked for anew', async () => {
    const { clock, net, feed } = toyFeed()
    await subscribed(clock, feed.subscribe({ trades: 'A' }))
    const socket = net.last
    const answer = socket.onSent
    socket.onSent = () => say(socket, { error: 3 })
    assert.equal((await subscribed(clock, feed.subscribe({ trades: 'B' }))).rejected.length, 1)
    socket.onSent = answer
    assert.equal((await subscribed(clock, feed.subscribe({ trades: 'B' }))).accepted.length, 1)
    await feed.close()
  })

  test('one refused symbol among many does not take the others with it, nor after a reconnect', async () => {
    const { clock, net, feed } = toyFeed({ obliging: false })
    const have = new Set<string>()
    // The venue has room for five, refuses a request that would exceed it as a whole, and says no more.
    const play = (socket: typeof net.last) => {
      have.clear()
      socket.onSent = frame => {
        const { login, add = [] } = JSON.parse(String(frame))
        if (login) say(socket, { in: true })
        else if (new Set([...have, ...add]).size > 5) say(socket, { error: 3 })
        else {
          for (const name of add) have.add(name)
          say(socket, { have: [...have] })
        }
      }
      socket.open()
      say(socket, { hello: true })
    }
    const asked = feed.subscribe({ trades: ['A', 'B', 'C', 'D', 'E', 'F', 'G'] })
    await clock.advance(1)
    play(net.last)
    await clock.advance(1)
    const { accepted, rejected } = await asked
    assert.deepEqual([accepted.length, rejected.length, have.size], [5, 2, 5])
    net.last.end()
    await clock.advance(500)
    play(net.last)
    await clock.advance(1)
    assert.equal(have.size, 5)
    await feed.close()
  })

  test('a handler that hangs holds up neither done nor close', async () => {
    const { clock, net, feed } = toyFeed()
    feed.trades('SPY', () => new Promise(() => {}))
    const done = assert.rejects(feed.done, { code: 'AUTH_FAILED' })
    await clock.advance(1)
    trade(net.last, 'SPY', 1)
    say(net.last, { error: 1 })
    await clock.advance(1)
    await done
    await feed.close()
    assert.equal(clock.pending(), 0)
  })

  test('close from within an async handler does not wait for itself', async () => {
    const { clock, net, feed } = toyFeed()
    let closed = false
    feed.trades('SPY', async () => {
      await feed.close()
      closed = true
    })
    await clock.advance(1)
    trade(net.last, 'SPY', 1)
    await clock.advance(5)
    assert.ok(closed)
  })

  test('after close not one event more reaches a handler, also of the frame at hand', async () => {
    const { clock, net, feed } = toyFeed()
    const seen: number[] = []
    feed.trades('SPY', event => {
      seen.push(event.timestamp)
      void feed.close()
    })
    await clock.advance(1)
    trade(net.last, 'SPY', 1, 2, 3)
    await feed.done
    assert.deepEqual(seen, [1])
  })

  test('a fatal end is told in the stream too', async () => {
    const { clock, net, feed } = toyFeed()
    const tape = memoryTape({ clock })
    feed.pipe(tape)
    feed.trades('SPY', () => {})
    const done = assert.rejects(feed.done, { code: 'AUTH_FAILED' })
    await clock.advance(1)
    say(net.last, { error: 1 })
    await clock.advance(1)
    await done
    await tape.close()
    const notices: string[] = []
    for await (const batch of tape.read({ from: 'start' })) {
      for (const event of batch)
        if (event.type === 'notice') notices.push(`${event.notice} ${event.code}`)
    }
    assert.equal(notices.at(-1), 'disconnected AUTH_FAILED')
  })

  test('a rejecting raw handler, error handler or sink is reported and ends nothing', async () => {
    const logged: string[] = []
    const log = { ...silentLog, error: (_: object, message: string) => logged.push(message) }
    const { clock, net, feed } = toyFeed({ feed: { log } })
    const failures: string[] = []
    feed.on('error', async error => {
      failures.push(error.message)
      throw new Error('mine too')
    })
    feed.trades('SPY', () => {})
    await clock.advance(1)
    feed.raw(async () => {
      throw new Error('raw')
    })
    feed.pipe({ append: (async () => Promise.reject(new Error('sink'))) as () => void })
    trade(net.last, 'SPY', 1)
    await clock.advance(1)
    assert.deepEqual(failures.sort(), ['a raw handler failed: raw', 'a sink failed: sink'])
    assert.equal(logged.length, 2)
    assert.equal(feed.state, 'open')
    await feed.close()
  })

  test('one call that holds up the process is named, though it was not timed', async () => {
    const { clock, net, feed } = toyFeed()
    const lagging: string[] = []
    feed.on('notice', ({ notice, code }) => {
      if (notice === 'lagging') lagging.push(code ?? '')
    })
    feed.trades(
      'SPY',
      ({ timestamp }) => {
        if (timestamp === 99) clock.set(clock.now() + 1_500)
      },
      { name: 'heavy' },
    )
    await clock.advance(1)
    trade(net.last, 'SPY', ...Array.from({ length: 100 }, (_, i) => i))
    assert.deepEqual(lagging, [])
    await clock.advance(300)
    assert.deepEqual(lagging, ['heavy'])
    await feed.close()
  })

  test('on() ends with its signal', async () => {
    const { clock, net, feed } = toyFeed()
    const abort = new AbortController()
    let seen = 0
    feed.on('trade', () => seen++, { signal: abort.signal })
    await subscribed(clock, feed.subscribe({ trades: 'SPY' }))
    trade(net.last, 'SPY', 1)
    abort.abort()
    trade(net.last, 'SPY', 2)
    assert.equal(seen, 1)
    await feed.close()
  })

  test('one tape to a feed, and no policy that would make a live source wait', () => {
    const { clock, feed } = toyFeed()
    feed.pipe(memoryTape({ clock }))
    assert.throws(() => feed.pipe(memoryTape({ clock })), { code: 'BAD_OPTION' })
    assert.throws(() => feed.trades('SPY', () => {}, { policy: 'block' }), { code: 'BAD_OPTION' })
  })

  test('symbols that are no text and requests that are none get a clear word', async () => {
    const { feed } = toyFeed()
    assert.throws(() => feed.trades(5 as never, () => {}), { code: 'BAD_OPTION' })
    await assert.rejects(feed.subscribe(null as never), { code: 'BAD_OPTION' })
    await assert.rejects(feed.subscribe({ trades: [1] } as never), { code: 'BAD_OPTION' })
  })

  test('thousands of handlers are opened at once and asked for in one message', async () => {
    const { clock, net, feed } = toyFeed()
    const name = (n: number) =>
      n.toString(26).replace(/./g, c => String.fromCharCode(65 + Number.parseInt(c, 26)))
    for (let n = 0; n < 3_000; n++) feed.trades(name(n), () => {})
    await clock.advance(1)
    assert.equal(net.last.sent.length, 2)
    assert.equal(JSON.parse(String(net.last.sent[1])).add.length, 3_000)
    await feed.close()
  })

  test('a decoder of somebody that throws ends neither the process nor the connection', async () => {
    const description = {
      decoder: () => ({
        decode: () => {
          throw new Error('bug')
        },
      }),
      welcomes: false,
      greet: undefined,
    } as object
    const { clock, net, feed } = toyFeed({ obliging: false, description, feed: { log: silentLog } })
    feed.trades('SPY', () => {})
    await clock.advance(1)
    net.last.open()
    net.last.send('x')
    assert.deepEqual([feed.stats().malformed, net.live], [1, 1])
    assert.match(feed.stats().samples[0]!.reason, /the decoder failed: bug/)
    await feed.close()
  })

  test('what is secret in an address reaches no message', async () => {
    const description = { url: 'ws://user:SECRETPW@toy.test/path?token=SECRETTOK' }
    const { clock, net, feed } = toyFeed({ obliging: false, description })
    const messages: string[] = []
    feed.on('notice', ({ message }) => messages.push(message))
    feed.trades('SPY', () => {})
    await clock.advance(1)
    net.last.open()
    await clock.advance(10_500)
    assert.equal(messages.length, 1)
    assert.doesNotMatch(messages[0]!, /SECRET/)
    await feed.close()
  })
})

async function subscribed<T>(clock: { advance(ms: number): Promise<void> }, asked: Promise<T>) {
  await clock.advance(1)
  return asked
}

test('timestamps of the toy venue come through', async () => {
  const { clock, net, feed } = toyFeed()
  const seen: MarketEvent[] = []
  feed.trades('SPY', event => seen.push(event))
  await clock.advance(1)
  say(net.last, { events: [tradeOf('SPY', 5), tradeOf('SPY', 6)] })
  assert.deepEqual(times(seen), [5, 6])
  assert.equal(seen[0]?.receivedAt, clock.now())
  await feed.close()
})
