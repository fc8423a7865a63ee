// `tickwire stream --provider polygon` as a user meets it: data, and each way it can be refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { createEvent, flagNames } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { type PolygonVenueOptions, polygonVenue } from '../../src/testing/venue-polygon.ts'
import { cli, lines } from './child.ts'

const KEY = 'secret-of-polygon'

/** Runs a stream of AAPL, or another command, against a venue on this machine. */
async function stream(
  options: PolygonVenueOptions,
  args: string[],
  env: Record<string, string> = {},
  command = 'stream',
) {
  const clock = systemClock()
  const venue = polygonVenue({ clock, ...options })
  const { url } = await venue.listen()
  let id = 0
  const tick = setInterval(() => {
    const time = { timestamp: Math.floor(clock.now()), source: 'venue', symbol: 'AAPL' }
    venue.deliver([createEvent({ ...time, type: 'trade', price: 190.25, size: 5, id: ++id })])
  }, 50)
  try {
    const all = [command, 'AAPL', '--provider', 'polygon', ...args]
    const result = await cli(all, {
      env: { POLYGON_API_KEY: KEY, TICKWIRE_POLYGON_URL: `${url}/stocks`, ...env },
    })
    return { ...result, attempts: venue.attempts.length }
  } finally {
    clearInterval(tick)
    await venue.close()
  }
}

test('it streams, with the key of either name', async () => {
  for (const env of [{}, { POLYGON_API_KEY: '', MASSIVE_API_KEY: KEY }] as Record<
    string,
    string
  >[]) {
    const server = { accounts: { [KEY]: {} } }
    const { code, stdout, stderr, said } = await stream({ server }, ['--limit', '3'], env)
    assert.equal(code, 0, stderr)
    assert.deepEqual(
      lines(stdout).map(line => {
        const event = parseEvent(line)
        return event.type === 'trade' && [event.symbol, event.price]
      }),
      Array.from({ length: 3 }, () => ['AAPL', 190.25]),
    )
    assert.ok(
      said.some(line => line.startsWith('subscribed: AAPL (trades, stocks realtime)')),
      stderr,
    )
  }
})

test('without a key it says where to get one, and which variable holds it', async () => {
  const { code, stderr } = await cli(['stream', 'AAPL', '-p', 'polygon'])
  assert.equal(code, 3)
  assert.match(stderr, /polygon needs a key.*\n.*massive\.com\/dashboard\/keys.*POLYGON_API_KEY/)
})

test('a wrong key, and a plan without the stream, end it at once', async () => {
  const wrong = await stream({ server: { accounts: { OTHER: {} } } }, [])
  assert.equal(wrong.code, 4)
  assert.match(wrong.stderr, /authentication failed/)
  assert.match(wrong.stderr, /Check the key/)
  assert.ok(!wrong.stderr.includes(KEY))
  assert.equal(wrong.attempts, 1)
  const plan = await stream({ server: { plan: { markets: ['forex'] } } }, ['--no-poll'])
  assert.equal(plan.code, 4)
  assert.match(plan.stderr, /no stream of stocks/)
  assert.equal(plan.attempts, 1)
})

test('a plan without the channel ends it too, as nothing else is asked for', async () => {
  const { code, stderr } = await stream({ server: { plan: { channels: ['AM'] } } }, ['--no-poll'])
  assert.equal(code, 4)
  assert.match(stderr, /not authorized/)
})

test('what the plan refuses of the stream is asked for instead, and says POLLED', async () => {
  for (const plan of [{ markets: ['forex'] }, { channels: ['AM'] }] as const) {
    const { code, stdout, stderr, said, attempts } = await stream({ server: { plan } }, [
      ...['--limit', '1'],
    ])
    assert.equal(code, 0, stderr)
    const [event] = lines(stdout).map(parseEvent)
    assert.ok(event?.type === 'trade' && event.price === 190.25, stdout)
    assert.deepEqual(flagNames(event.flags), ['polled'])
    assert.ok(said.some(line => /^POLLED · AAPL \(trades, .*every 60 s, because/.test(line)))
    assert.match(stderr, /massive\.com\/pricing/)
    assert.equal(attempts, 1)
  }
})

test('up and record ask too for what the plan refuses of the stream, unless told not to', async () => {
  const server = { plan: { channels: ['AM'] } } as const
  const args = ['--trades', '--limit', '1']
  const [up, record, never] = await Promise.all([
    stream({ server }, [...args, '--no-record'], { POLYGON_API_KEY: 'one' }, 'up'),
    stream({ server }, args, { POLYGON_API_KEY: 'two' }, 'record'),
    stream({ server }, [...args, '--no-poll'], { POLYGON_API_KEY: 'three' }, 'record'),
  ])
  assert.equal(up.code, 0, up.stderr)
  const [event] = lines(up.stdout).map(parseEvent)
  assert.deepEqual(event && flagNames(event.flags), ['polled'])
  assert.equal(record.code, 0, record.stderr)
  for (const { said } of [up, record]) {
    const words = said.filter(line => /^POLLED · AAPL \(trades, .*every 60 s, because/.test(line))
    assert.equal(words.length, 1, said.join('\n'))
  }
  assert.equal(never.code, 4, never.stderr)
  assert.match(never.stderr, /not authorized/)
})

test('where the plan has no answers either, both are told, and nothing says POLLED', async () => {
  for (const plan of [{ markets: ['forex'] }, { channels: ['AM'] }] as const) {
    const refusing = { ...plan, rest: ['bar'] } as const
    const { code, stdout, stderr } = await stream({ server: { plan: refusing } }, [])
    assert.equal(code, 4, stderr)
    assert.match(stderr, /asked for it instead: .*not entitled/)
    assert.doesNotMatch(stdout + stderr, /POLLED/)
  }
})

test('--market and --feed are its settings, and those of others are told apart', async () => {
  const env = { POLYGON_API_KEY: KEY }
  for (const [args, says] of [
    [['AAPL', '--market', 'crypto'], /not a symbol of crypto: "AAPL"/],
    [['AAPL', '--feed', 'iex'], /no feed "iex" of polygon[\s\S]*a feed of alpaca/],
    [['AAPL', '--market', 'news'], /no market "news" of polygon[\s\S]*a market of alpaca/],
    [['AAPL', '--market', 'stonks'], /no market "stonks" of polygon[\s\S]*stocks\?/],
  ] as const) {
    const { code, stderr } = await cli(['stream', ...args, '-p', 'polygon'], { env })
    assert.equal(code, 2, stderr)
    assert.match(stderr, says)
  }
  const late = await stream({}, ['--feed', 'delayed', '--limit', '1'])
  assert.equal(late.code, 0, late.stderr)
  assert.match(late.stderr, /DELAYED[\s\S]*\(trades, stocks delayed\)/)
  const none = await cli(['stream', 'BTC/USD', '-p', 'kraken', '--market', 'crypto'])
  assert.equal(none.code, 2)
  assert.match(none.stderr, /--market means nothing to the provider kraken[\s\S]*alpaca or polygon/)
})

test('nobody there is unreachable, with what to look at', async () => {
  const { code, stderr } = await cli(['stream', 'AAPL', '-p', 'polygon', '--duration', '2s'], {
    env: { POLYGON_API_KEY: KEY, TICKWIRE_POLYGON_URL: 'ws://127.0.0.1:1/stocks' },
  })
  assert.equal(code, 5)
  assert.match(stderr, /127\.0\.0\.1:1/)
})

test('a symbol of another market, and a market there is not, say what to change', async () => {
  const symbol = await cli(['stream', 'BTC/USD', '-p', 'polygon'], {
    env: { POLYGON_API_KEY: KEY },
  })
  assert.equal(symbol.code, 2)
  assert.match(symbol.stderr, /one of crypto or forex: set market/)
  const market = await cli(['stream', 'AAPL', '-p', 'polygon'], {
    env: { POLYGON_API_KEY: KEY, TICKWIRE_POLYGON_MARKET: 'stonks' },
  })
  assert.equal(market.code, 3)
  assert.match(market.stderr, /TICKWIRE_POLYGON_MARKET.*\n.*did you mean stocks/)
})

test('doctor asks for a symbol of each market, and of all contracts only for what is to be had so', async () => {
  const venue = polygonVenue({ clock: systemClock() })
  const { url } = await venue.listen()
  const subscribed = async (market: string) => {
    const env = { POLYGON_API_KEY: KEY, TICKWIRE_POLYGON_URL: `${url}/${market}` }
    const { stdout } = await cli(['doctor', '-p', 'polygon', '--market', market, '--wait', '1s'], {
      env,
    })
    return /^ok +subscription +(.*) acknowledged/m.exec(stdout)?.[1] ?? stdout
  }
  try {
    assert.equal(await subscribed('options'), '* (trade)')
    assert.equal(await subscribed('indices'), 'SPX (bar, ticker)')
  } finally {
    await venue.close()
  }
})
