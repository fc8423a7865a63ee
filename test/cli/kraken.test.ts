import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { createEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { krakenVenue } from '../../src/testing/venue-kraken.ts'
import { cli, lines } from './child.ts'

test('tickwire stream BTC/USD --provider kraken needs no key', async () => {
  const clock = systemClock()
  const venue = krakenVenue({ clock })
  const { url } = await venue.listen()
  let id = 0
  const tick = setInterval(() => {
    const time = { timestamp: Math.floor(clock.now()), source: 'venue', symbol: 'BTC/USD' }
    const trade = { ...time, type: 'trade' as const, price: 64_000.5, size: 0.01, id: ++id }
    venue.deliver([createEvent({ ...trade, side: 'buy', conditions: ['market'] })])
  }, 50)
  try {
    const args = ['stream', 'BTC/USD', '--provider', 'kraken', '--limit', '3']
    const result = await cli(args, { env: { TICKWIRE_KRAKEN_URL: `${url}/v2` } })
    assert.equal(result.code, 0, result.stderr)
    const events = lines(result.stdout).map(parseEvent)
    assert.deepEqual(
      events.map(event => event.type === 'trade' && [event.symbol, event.price, event.side]),
      Array.from({ length: 3 }, () => ['BTC/USD', 64_000.5, 'buy']),
    )
    assert.ok(result.said.some(line => line.startsWith('subscribed: BTC/USD (trades, kraken)')))
  } finally {
    clearInterval(tick)
    await venue.close()
  }
})

test('a depth it does not have, and a flag of another provider, are refused', async () => {
  const depth = await cli(['stream', 'BTC/USD', '-p', 'kraken'], {
    env: { TICKWIRE_KRAKEN_DEPTH: '30' },
  })
  assert.equal(depth.code, 3)
  assert.match(depth.stderr, /TICKWIRE_KRAKEN_DEPTH/)
  const feed = await cli(['stream', 'BTC/USD', '-p', 'kraken', '--feed', 'iex'])
  assert.equal(feed.code, 2)
  assert.match(feed.stderr, /--feed means nothing to the provider kraken/)
})
