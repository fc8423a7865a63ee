import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { follow } from '../../src/cli/follow.ts'
import { HoleWords } from '../../src/cli/hole-words.ts'
import { type Feed, openFeed } from '../../src/feed/feed.ts'
import { createEvent, type Notice, type NoticeName } from '../../src/market/events.ts'
import { simulated } from '../../src/providers/simulated/provider.ts'
import type { FaultOptions } from '../../src/testing/faults.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { cli, emptyDirectory } from './child.ts'

const notice = (name: NoticeName, symbol: string | undefined, more: object = {}): Notice =>
  createEvent({
    ...{ type: 'notice', source: 's', timestamp: 0, notice: name, kind: 'trade', symbol },
    ...{ message: `the hole in trades of ${symbol} since 2025-06-02T14:00:00.000Z stays: refused` },
    ...more,
  } as never) as Notice

test('holes that are told of together are one line, those that stay first', () => {
  const said: string[] = []
  const words = new HoleWords(line => said.push(line))
  for (const symbol of ['SPY', 'TSLA']) words.hear(notice('repaired', symbol, { count: 3 }))
  words.hear(notice('repaired', 'SPY', { count: 0, kind: 'quote' }))
  for (let i = 0; i < 300; i++) words.hear(notice('unrepaired', `S${i}`))
  words.hear(notice('connected', undefined))
  assert.deepEqual(said, [])
  words.flush()
  assert.deepEqual(said, [
    'missing: trades of S0, S1, S2, S3, S4 and 295 more: refused',
    'filled in: 6 trades of SPY, TSLA',
    'nothing was missed: quotes of SPY',
  ])
  words.flush()
  assert.equal(said.length, 3, 'each once')
})

test('a notice of many symbols is understood, and one of a kind without history', () => {
  const said: string[] = []
  const words = new HoleWords(line => said.push(line))
  const since = 'since 2025-06-02T14:00:00.000Z'
  const message = `the hole in trades of A, B, BRK.B ${since} stays: no plan`
  words.hear(notice('unrepaired', undefined, { message }))
  const lost = 'what was missed in kind status stays missing: there is no history of it'
  words.hear(notice('unrepaired', undefined, { kind: 'status', message: lost }))
  words.flush()
  assert.deepEqual(said, [
    'missing: trades of A, B, BRK.B: no plan',
    'missing: statuses: there is no history of it',
  ])
})

test('of holes that are filled but for some records, what is missing and what was filled in are told apart', () => {
  const said: string[] = []
  const words = new HoleWords(line => said.push(line))
  const hear = (symbol: string, events: string, after: string, unread: number, untrue: number) => {
    const missing = `without ${unread} that cannot be read and ${untrue} that cannot be true`
    const message = `the hole in trades of ${symbol} since 2025-06-02T14:00:00.000Z is filled in part: ${events}, after ${after} s, ${missing}`
    const count = Number.parseInt(events, 10)
    words.hear(notice('unrepaired', symbol, { message, count, code: 'INCOMPLETE' }))
  }
  hear('SPY', '1 event', '2.0', 1, 0)
  words.flush()
  assert.deepEqual(said.splice(0), [
    'missing: trades of SPY: 1 that cannot be read',
    'filled in: 1 trade of SPY',
  ])
  for (let i = 0; i < 30; i++) hear(`S${i}`, `${i} events`, `2.${i}`, 1 + i, i % 2)
  words.flush()
  assert.deepEqual(said.splice(0), [
    'missing: trades of S0, S1, S2, S3, S4 and 25 more: 465 that cannot be read, 15 that cannot be true',
    'filled in: 435 trades of S1, S2, S3, S4, S5 and 24 more',
  ])
  hear('QQQ', '0 events', '2.0', 0, 2)
  words.flush()
  assert.deepEqual(said, ['missing: trades of QQQ: 2 that cannot be true'])
})

test('where there are more reasons than lines, the names are told all the same', () => {
  const said: string[] = []
  const words = new HoleWords(line => said.push(line))
  const hear = (i: number, kind: string) => {
    const message = `the hole in ${kind}s of S${i} since 2025-06-02T14:00:00.000Z stays: reason ${i}`
    words.hear(notice('unrepaired', `S${i}`, { message, kind }))
  }
  for (let i = 0; i < 20; i++) hear(i, 'trade')
  hear(20, 'quote')
  words.hear(notice('repaired', 'SPY', { count: 2 }))
  words.flush()
  assert.equal(said.length, 8)
  assert.equal(said[5], 'missing: trades of S5: reason 5')
  assert.deepEqual(said.slice(6), [
    'missing for other reasons: trades of S6, S7, S8, S9, S10 and 9 more; quotes of S20',
    'whole again: trades of SPY',
  ])
})

test('a connection that is lost over and over floods nobody', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const said: string[] = []
  const words = new HoleWords(line => said.push(line))
  for (let i = 0; i < 600; i++) {
    words.hear(notice('repaired', 'SPY', { count: 1 }))
    now += 100
    t.mock.timers.tick(100)
  }
  words.flush()
  assert.ok(said.length >= 12 && said.length <= 14, `${said.length}`)
  const counts = said.map(line => Number(/^filled in: (\d+) /.exec(line)?.[1]))
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    600,
  )
})

/** `tickwire` against a venue that loses its connection once, and what happens to it then. */
async function lose(command: string, ...faults: readonly FaultOptions[]) {
  const clock = systemClock()
  const venue = scriptedVenue({ clock, server: { slotMs: 0 } })
  const { url } = await venue.listen()
  const env = {
    ...{ APCA_API_KEY_ID: 'PK', APCA_API_SECRET_KEY: 'secret-secret' },
    TICKWIRE_ALPACA_URL: `${url}/v2/iex`,
  }
  const cwd = emptyDirectory()
  let id = 0
  const telling = setInterval(() => {
    const trade = createEvent({
      ...{ type: 'trade', source: 'venue', symbol: 'SPY', price: 100, size: 1, id: ++id },
      ...{ exchange: 'V', conditions: ['@'], tape: 'B', timestamp: Math.floor(clock.now()) },
    })
    venue.deliver([trade])
  }, 50)
  let ending = false
  const onSaid = (child: ChildProcess, stderr: string) => {
    if (ending || !stderr.includes('subscribed: ')) return
    ending = true
    // Some trades before it, some behind it.
    setTimeout(() => {
      for (const fault of faults) venue.inject(fault)
    }, 500)
    setTimeout(() => child.kill('SIGINT'), 5_000)
  }
  const result = await cli([command, 'SPY', '--trades'], { env, cwd, onSaid })
  clearInterval(telling)
  await venue.close()
  return result
}

for (const command of ['stream', 'record']) {
  test(`${command} says what was missed and filled in, and what stays missing`, async () => {
    const [filled, missing, calm] = await Promise.all([
      lose(command, { fault: 'cut' }),
      lose(command, { fault: 'rest-error', status: 403, times: 1_000 }, { fault: 'cut' }),
      lose(command),
    ])
    assert.equal(filled.code, 130, filled.stderr)
    assert.match(filled.stderr, /\nfilled in: \d+ trades of SPY\n/)
    assert.match(filled.said.at(-1)!, /, 1 hole \(1 filled, 0 left\)/)
    assert.match(missing.stderr, /\nmissing: trades of SPY: .+\n/)
    assert.match(missing.said.at(-1)!, /, 1 hole \(0 filled, 1 left\)/)
    assert.ok(!/hole|missing|missed/.test(calm.stderr), calm.stderr)
  })
}

/** Follows a feed until the time of its run is over; why it failed. */
async function followed(feed: Feed) {
  const abort = new AbortController()
  let failed: unknown
  const done = () => abort.abort()
  let end = done
  const run = {
    ...{ signal: abort.signal, done },
    endAfter: (_ms: number, call: () => void) => {
      end = call
    },
    fail: (error: unknown) => {
      failed ??= error
      done()
    },
  }
  follow(feed, run, {
    ...{ request: { trades: 'SPY' }, label: 'x', durationMs: 1, log: silentLog },
    ...{ say: () => {}, shown: () => 1 },
  })
  await new Promise(resolve => setTimeout(resolve, 50))
  end()
  await feed.close()
  return failed as TickwireError | undefined
}

test('who cannot connect is told the way out of what is wrong, not of something else', async () => {
  for (const hint of ['Start TWS and log in.', undefined]) {
    const provider = {
      ...simulated(),
      connect: async () => {
        throw new TickwireError('UNREACHABLE', 'nobody is there', hint ? { hint } : {})
      },
    }
    const failed = await followed(openFeed(provider, { log: silentLog, leases: false }))
    assert.equal(failed?.message, 'nobody is there')
    if (hint) assert.equal(failed?.hint, hint)
    else assert.match(failed!.hint!, /^Check the network/)
  }
})

test('a stale connection is said once, also where that is why it is made anew', () => {
  const said: string[] = []
  let hear: (notice: Notice) => void = () => {}
  const feed = {
    on: (_kind: 'notice', handler: typeof hear) => {
      hear = handler
      return () => {}
    },
    ...{ done: new Promise(() => {}), subscribe: () => new Promise(() => {}) },
  }
  const run = new AbortController()
  const calls = { done: () => {}, fail: () => {}, endAfter: () => {} }
  const say = (line: string) => said.push(line)
  const options = { request: {}, label: 'x', durationMs: undefined, log: silentLog, shown: () => 0 }
  follow(feed as unknown as Feed, { signal: run.signal, ...calls }, { ...options, say })
  const late = 'nothing for 9 s, and the venue has trades of SPY 9 s newer'
  hear(notice('stale', undefined, { message: late }))
  const lost = { message: `${late}; next attempt at once`, code: 'CONNECTION_LOST' }
  hear(notice('disconnected', undefined, lost))
  hear(notice('connected', undefined))
  hear(notice('live', undefined, { message: 'events come again' }))
  hear(notice('stale', undefined, { message: 'TWS has lost the venue' }))
  hear(notice('live', undefined, { message: 'data comes again' }))
  run.abort()
  assert.deepEqual(said, [
    `stale: ${late}`,
    'it is made anew; next attempt at once',
    'stale: TWS has lost the venue',
    'data comes again',
  ])
})

test('what was subscribed is said, also where the read that confirms it brings all that was wanted', async () => {
  for (const [accepted, expected] of [
    [[{ kind: 'trade', symbol: 'SPY' }], ['subscribed: SPY (trades, x); waiting']],
    [[], []],
  ] as const) {
    const said: string[] = []
    const abort = new AbortController()
    const outcome = { accepted, rejected: [], pending: [] }
    const feed = {
      on: () => () => {},
      done: new Promise(() => {}),
      subscribe: () => {
        // As a socket does that emits a confirmation and two trades out of one read.
        queueMicrotask(() => abort.abort())
        return Promise.resolve().then(() => outcome)
      },
    }
    const calls = { signal: abort.signal, done: () => {}, fail: assert.fail, endAfter: () => {} }
    const options = { request: {}, label: 'x', durationMs: undefined, log: silentLog }
    const more = { say: (line: string) => said.push(line), shown: () => 0 }
    follow(feed as unknown as Feed, calls, { ...options, ...more })
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(said, expected)
  }
})
