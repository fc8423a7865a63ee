import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { runCommand } from '../../src/cli/program.ts'
import { createEvent, flagNames } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { allTickVenue } from '../../src/testing/venue-alltick.ts'
import { polygonVenue } from '../../src/testing/venue-polygon.ts'
import { scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { tempFolder } from '../tape/kit.ts'
import { cli, lines } from './child.ts'

const T0 = Date.UTC(2025, 5, 2, 15)
const KEYS = { APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 's3cret-s3cret' }

/** A venue on this machine that has had a trade of SPY and quotes of SPY and TSLA, and the settings that lead to it. */
async function venueFor(t: TestContext) {
  const venue = scriptedVenue({
    clock: systemClock(),
    server: { accounts: { PKTEST: 's3cret-s3cret' }, slotMs: 0 },
  })
  t.after(() => venue.close())
  const { url } = await venue.listen()
  const print = (price: number, timestamp: number) =>
    createEvent({
      ...{ type: 'trade', symbol: 'SPY', timestamp, price, size: 100, id: timestamp },
      ...{ exchange: 'V', tape: 'B', conditions: ['@'] },
    })
  const quote = (symbol: string, bid: number) =>
    createEvent({
      ...{ type: 'quote', symbol, timestamp: T0 + 250, bid, bidSize: 200, ask: bid + 0.5 },
      ...{ askSize: 300, bidExchange: 'V', askExchange: 'V', tape: 'B', conditions: ['R'] },
    })
  venue.deliver([print(589, T0 - 1_000), print(590.25, T0), quote('SPY', 590), quote('TSLA', 340)])
  return { venue, print, env: { ...KEYS, TICKWIRE_ALPACA_URL: `${url}/v2/iex` } }
}

/** Runs a command that is to print nothing but an error, in this process. */
async function failing(t: TestContext, argv: readonly string[], env: Record<string, string>) {
  let stderr = ''
  const writing = t.mock.method(process.stderr, 'write', (text: string) => {
    stderr += text
    return true
  })
  const cwd = tempFolder(t)
  const code = await runCommand(() => ({ argv, env, cwd }))
  writing.mock.restore()
  return { code, stderr }
}

describe('tickwire quote', { concurrency: 2 }, () => {
  test('shows the latest of each symbol without a stream, and names those nothing is known of', async t => {
    const { venue, env } = await venueFor(t)
    const { code, stdout, said } = await cli(['quote', 'spy,TSLA', 'NONE'], { env })
    assert.equal(code, 0, said.join())
    const rows = lines(stdout).map(line => line.trim().split(/ {2,}/))
    assert.deepEqual(rows, [
      ['symbol', 'last', 'size', 'bid', 'size', 'ask', 'size', 'as of (UTC)'],
      ['SPY', '590.25', '100', '590', '200', '590.5', '300', '2025-06-02 15:00:00.250'],
      ['TSLA', '-', '-', '340', '200', '340.5', '300', '2025-06-02 15:00:00.250'],
      ['NONE', '-', '-', '-', '-', '-', '-', '-'],
    ])
    assert.deepEqual(said, ['nothing is known of NONE'])
    assert.equal(venue.attempts.length, 0, 'no connection was opened')
  })

  test('writes the events as JSON, and exits with 1 when there is none', async t => {
    const { env } = await venueFor(t)
    const [known, none] = await Promise.all([
      cli(['quote', 'SPY', '--json'], { env }),
      cli(['quote', 'NONE', '--json'], { env }),
    ])
    assert.equal(known.code, 0, known.stderr)
    const events = lines(known.stdout).map(parseEvent)
    assert.deepEqual(
      events.map(({ type, symbol, timestamp }) => [type, symbol, timestamp]),
      [
        ['quote', 'SPY', T0 + 250],
        ['trade', 'SPY', T0],
      ],
    )
    assert.deepEqual([none.code, none.stdout], [1, ''])
    assert.deepEqual(none.said, ['nothing is known of NONE'])
  })

  test('a refused key, a venue nobody reaches, a source without answers and no symbol are told', async t => {
    const { env } = await venueFor(t)
    const away = { ...KEYS, TICKWIRE_ALPACA_URL: 'ws://127.0.0.1:1/v2/iex' }
    for (const [args, around, exit, says] of [
      [['SPY'], { ...env, APCA_API_SECRET_KEY: 'other' }, 4, /unauthorized/],
      [['SPY'], away, 5, /127\.0\.0\.1:1/],
      [['SPY', '-p', 'simulated'], {}, 2, /answers no single questions/],
      [['SPY'], {}, 3, /no provider chosen/],
      [[','], env, 2, /symbols is empty/],
    ] as const) {
      const { code, stderr } = await failing(t, ['quote', ...args], around)
      assert.equal(code, exit, stderr)
      const [first, second] = lines(stderr)
      if ((args as readonly string[]).includes('simulated'))
        assert.match(second!, /stream SPY --provider simulated --limit 1/)
      assert.match(first!, says)
      assert.match(second!, /^ {2}→ /)
      assert.ok(!stderr.includes('s3cret'), stderr)
    }
  })
})

/** A Polygon on this machine with a trade and a quote of AAPL, whose plan answers of these kinds. */
async function polygonFor(t: TestContext, rest: readonly ('trade' | 'quote' | 'bar')[]) {
  const venue = polygonVenue({ clock: systemClock(), server: { plan: { rest } } })
  t.after(() => venue.close())
  const { url } = await venue.listen()
  const time = { symbol: 'AAPL', timestamp: T0, source: 'venue' }
  venue.deliver([
    createEvent({ ...time, type: 'trade', price: 190.25, size: 5, id: 1 }),
    createEvent({ ...time, type: 'quote', bid: 190, ask: 191 }),
  ])
  return { POLYGON_API_KEY: 'a-key', TICKWIRE_POLYGON_URL: `${url}/stocks` }
}

describe('what is refused of a single question', { concurrency: 2 }, () => {
  test('a plan without quotes still tells the last price, and says what it lacks', async t => {
    const env = await polygonFor(t, ['trade'])
    const { code, stdout, said } = await cli(['quote', 'AAPL', '-p', 'polygon'], { env })
    assert.equal(code, 0, said.join())
    assert.match(stdout, /^AAPL +190\.25 +5 +- +- +- +- /m)
    assert.match(said.join('\n'), /^no quotes: .*not entitled.*\n {2}→ /)
    const json = await cli(['quote', 'AAPL', '-p', 'polygon', '--json'], { env })
    assert.deepEqual([json.code, lines(json.stdout).length], [0, 1])
    const none = await cli(['quote', 'AAPL', '-p', 'polygon'], { env: await polygonFor(t, []) })
    assert.equal(none.code, 4, 'where the plan has nothing, that is the end')
    assert.match(none.stderr, /not entitled/)
  })

  test('polling goes on with what the plan has', async t => {
    const env = await polygonFor(t, ['trade'])
    const asked = ['stream', 'AAPL', '-p', 'polygon', '--poll', '1s', '--trades', '--quotes']
    const { code, stdout, stderr } = await cli([...asked, '--duration', '4s'], { env })
    assert.equal(code, 0, stderr)
    assert.equal(lines(stdout).length, 1)
    assert.match(stderr, /^rejected: AAPL \(quotes, .*not entitled/m)
  })

  test('of several symbols at once: an expired login is the end, an unknown symbol its own', async t => {
    let error = (symbol: string): string | undefined => `Broker session token expired ${symbol}`
    let answers = Promise.resolve()
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', data => {
        body += data
      })
      request.on('end', async () => {
        const { symbols = [] } = JSON.parse(body)
        await answers
        const results = symbols.map((it: { symbol: string }) => {
          const why = error(it.symbol)
          return why ? { ...it, error: why } : { ...it, data: { ltp: 5, bid: 4.9, ask: 5.1 } }
        })
        response.end(JSON.stringify({ status: 'success', results }))
      })
    })
    t.after(() => server.close())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const env = { OPENALGO_API_KEY: 'k', TICKWIRE_OPENALGO_REST: `http://127.0.0.1:${port}` }
    const of = ['NSE:RELIANCE', 'NSE:INFY', '-p', 'openalgo']
    for (const args of [
      ['quote', ...of],
      ['stream', ...of, '--poll', '1s', '--kinds', 'tickers'],
    ]) {
      const { code, stderr } = await cli(args, { env })
      assert.equal(code, 4, stderr)
      assert.match(stderr, /token expired.*\n {2}→ Log in to your broker/)
    }
    error = symbol => (symbol === 'INFY' ? 'Symbol INFY not found for exchange NSE' : undefined)
    let answer = () => {}
    answers = new Promise(resolve => {
      answer = resolve
    })
    // A wait is no secret.
    const onSaid = (_: unknown, text: string) => /no answer yet about quotes/.test(text) && answer()
    const { code, stdout, said } = await cli(['quote', ...of], { env, onSaid })
    assert.equal(code, 0, said.join())
    assert.match(stdout, /^NSE:RELIANCE +5 +- +4\.9 +- +5\.1 /m)
    assert.equal(said.filter(line => /^NSE:INFY: .*not found/.test(line)).length, 1, said.join())
  })

  test('trades and tickers that are one question do not wait for the turn of two', async t => {
    const venue = allTickVenue({ clock: systemClock(), server: { tokens: ['a-token'] } })
    t.after(() => venue.close())
    const { url } = await venue.listen()
    const time = { symbol: 'AAPL.US', timestamp: T0, source: 'venue' }
    venue.deliver([
      createEvent({ ...time, type: 'trade', price: 190.25, size: 5, id: 1 }),
      createEvent({ ...time, type: 'book', bids: [[190, 1]], asks: [[191, 2]], snapshot: true }),
    ])
    const env = {
      ALLTICK_TOKEN: 'a-token',
      TICKWIRE_ALLTICK_URL: `${url}/quote-stock-b-ws-api`,
    }
    const { code, stdout, said } = await cli(['quote', 'AAPL.US', '-p', 'alltick'], { env })
    assert.deepEqual([code, said], [0, []])
    assert.match(stdout, /^AAPL\.US +190\.25 +5 +190 +1 +191 +2 /m)
  })
})

describe('tickwire stream --poll', { concurrency: 2 }, () => {
  test('asks again and again, prints what has changed, and opens no stream', async t => {
    const { venue, print, env } = await venueFor(t)
    let moved = false
    const args = ['stream', 'SPY', '--trades', '--poll', '1s', '--limit', '2']
    const { code, stdout, stderr } = await cli(args, {
      env,
      onOutput: () => {
        if (!moved) venue.deliver([print(591, T0 + 5_000)])
        moved = true
      },
    })
    assert.equal(code, 0, stderr)
    const events = lines(stdout).map(parseEvent)
    assert.deepEqual(
      events.map(event => event.type === 'trade' && [event.price, flagNames(event.flags)]),
      [590.25, 591].map(price => [price, ['polled']]),
    )
    assert.equal(venue.attempts.length, 0)
  })

  test('refuses a time below a second, and a source that cannot be asked', async t => {
    const { env } = await venueFor(t)
    const [often, never] = await Promise.all([
      cli(['stream', 'SPY', '--poll', '500ms'], { env }),
      cli(['stream', 'SPY', '--poll', '5s', '-p', 'simulated']),
    ])
    assert.deepEqual([often.code, never.code], [2, 2], often.stderr + never.stderr)
    assert.match(often.stderr, /--poll cannot be "500ms"[\s\S]*a second or more/)
    assert.doesNotMatch(often.stderr, /everyMs/)
    assert.match(never.stderr, /cannot be polled/)
  })
})
