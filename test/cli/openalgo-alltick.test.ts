import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { allTickVenue } from '../../src/testing/venue-alltick.ts'
import type { ScriptedVenue } from '../../src/testing/venue-host.ts'
import { openAlgoVenue } from '../../src/testing/venue-openalgo.ts'
import { cli, lines } from './child.ts'

const clock = systemClock()

/** Runs a command while the venue sends the same again and again. */
async function streaming<T>(
  venue: ScriptedVenue,
  event: (time: number, id: number) => MarketEvent,
  run: () => Promise<T>,
): Promise<T> {
  let id = 0
  const tick = setInterval(() => venue.deliver([event(Math.floor(clock.now()), ++id)]), 50)
  try {
    return await run()
  } finally {
    clearInterval(tick)
    await venue.close()
  }
}

test('tickwire stream RELIANCE --provider openalgo takes the exchange from the settings', async () => {
  const venue = openAlgoVenue({ clock, server: { users: { 'a-key': 'demo' } } })
  const { url } = await venue.listen()
  const event = (timestamp: number) =>
    createEvent({ type: 'ticker', symbol: 'NSE:RELIANCE', source: 'x', timestamp, last: 1_424.7 })
  const result = await streaming(venue, event, () =>
    cli(['stream', 'RELIANCE', '-p', 'openalgo', '--kinds', 'tickers', '--limit', '2'], {
      env: {
        ...{ TICKWIRE_OPENALGO_URL: url, OPENALGO_API_KEY: 'a-key' },
        TICKWIRE_OPENALGO_EXCHANGE: 'NSE',
      },
    }),
  )
  assert.equal(result.code, 0, result.stderr)
  const events = lines(result.stdout).map(parseEvent)
  assert.deepEqual(
    events.map(event => event.type === 'ticker' && [event.symbol, event.last]),
    Array.from({ length: 2 }, () => ['NSE:RELIANCE', 1_424.7]),
  )
})

test('tickwire stream AAPL.US --provider alltick shows trades, and the token nowhere', async () => {
  const venue = allTickVenue({ clock, server: { tokens: ['a-token'] } })
  const { url } = await venue.listen()
  const event = (timestamp: number, id: number) =>
    createEvent({
      ...{
        type: 'trade',
        symbol: 'AAPL.US',
        source: 'x',
        timestamp,
        price: 201.187,
        size: 174,
        id,
      },
    })
  const env = { TICKWIRE_ALLTICK_URL: `${url}/quote-stock-b-ws-api`, ALLTICK_TOKEN: 'a-token' }
  const run = () => cli(['stream', 'AAPL.US', '-p', 'alltick', '--limit', '2'], { env })
  // The second one at once behind the first: the venue wants three seconds between connections (606).
  const results = await streaming(venue, event, async () => [await run(), await run()])
  for (const { code, stdout, stderr } of results) {
    assert.equal(code, 0, stderr)
    assert.equal(lines(stdout).length, 2)
    assert.ok(!(stdout + stderr).includes('a-token'))
    assert.doesNotMatch(stderr, /606|next attempt/)
  }
  assert.equal(venue.attempts.length, 2)
})

test('bad input has a cause, a way out and its exit code', async () => {
  const openalgo = openAlgoVenue({ clock, server: { users: {}, symbols: ['NSE:A'] } })
  const alltick = allTickVenue({ clock, server: { tokens: [] } })
  const [{ url }, { url: other }] = await Promise.all([openalgo.listen(), alltick.listen()])
  const at = {
    ...{ TICKWIRE_OPENALGO_URL: url, OPENALGO_API_KEY: 'wrong' },
    ...{ TICKWIRE_ALLTICK_URL: `${other}/quote-stock-b-ws-api`, ALLTICK_TOKEN: 'wrong' },
  }
  try {
    for (const [args, env, code, said] of [
      [['NSE:A', '-p', 'openalgo'], {}, 3, /OPENALGO_API_KEY/],
      [['NSE:A', '-p', 'openalgo'], at, 4, /Invalid API key[\s\S]*page API Key/],
      [['A', '-p', 'openalgo'], at, 2, /Write NSE:A/],
      [['AAPL.US', '-p', 'alltick'], {}, 3, /ALLTICK_TOKEN/],
      [['AAPL.US', '-p', 'alltick'], at, 4, /401[\s\S]*Check the token/],
      [['AAPL', '-p', 'alltick'], at, 2, /Write AAPL\.US/],
    ] as const) {
      const result = await cli(['stream', ...args], { env })
      assert.equal(result.code, code, `${args} ${result.stderr}`)
      assert.match(result.stderr, said)
    }
  } finally {
    await Promise.all([openalgo.close(), alltick.close()])
  }
})

test('tickwire doctor asks either for a symbol it has, without any in the settings', async () => {
  const symbols = ['NSE:RELIANCE', 'AAPL.US'] as const
  const [openalgo, alltick] = [
    openAlgoVenue({ clock, server: { symbols: [symbols[0]] } }),
    allTickVenue({ clock, server: { codes: [symbols[1]] } }),
  ]
  const [broker, vendor] = [await openalgo.listen(), await alltick.listen()]
  const path = '/quote-stock-b-ws-api'
  const fields = { source: 'x', bid: 1, bidSize: 100, ask: 1.5, askSize: 100 } as const
  for (const [venue, symbol, args, env] of [
    [
      ...([openalgo, symbols[0], ['-p', 'openalgo']] as const),
      { TICKWIRE_OPENALGO_URL: broker.url, TICKWIRE_OPENALGO_REST: broker.httpUrl },
    ],
    [
      ...([alltick, symbols[1], ['-p', 'alltick']] as const),
      { TICKWIRE_ALLTICK_URL: vendor.url + path },
    ],
  ] as const) {
    const event = (timestamp: number) =>
      createEvent({ type: 'quote', symbol, timestamp, ...fields })
    const { code, stdout } = await streaming(venue, event, () =>
      cli(['doctor', ...args, '--wait', '1s'], {
        env: { ...env, OPENALGO_API_KEY: 'any', ALLTICK_TOKEN: 'any' },
      }),
    )
    assert.match(stdout, new RegExp(`^ok +subscription +${symbol} .*acknowledged`, 'm'), stdout)
    assert.equal(code, 0, stdout)
  }
})
