import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { createEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { binanceVenue } from '../../src/testing/venue-binance.ts'
import { coinbaseVenue } from '../../src/testing/venue-coinbase.ts'
import { cli, lines } from './child.ts'

const VENUES = [
  { name: 'binance', symbol: 'BTC/USDT', make: binanceVenue, path: '/ws' },
  { name: 'coinbase', symbol: 'BTC/USD', make: coinbaseVenue, path: '/' },
] as const

for (const { name, symbol, make, path } of VENUES) {
  test(`tickwire stream ${symbol} --provider ${name} needs no key`, async () => {
    const clock = systemClock()
    const venue = make({ clock })
    const { url } = await venue.listen()
    let id = 0
    const tick = setInterval(() => {
      const time = { timestamp: Math.floor(clock.now()), source: 'venue', symbol }
      const trade = { ...time, type: 'trade' as const, price: 64_000.5, size: 0.01, id: ++id }
      venue.deliver([createEvent({ ...trade, side: 'buy' })])
    }, 50)
    try {
      const args = ['stream', symbol, '--provider', name, '--limit', '3']
      const variable = `TICKWIRE_${name.toUpperCase()}_URL`
      const result = await cli(args, { env: { [variable]: `${url}${path}` } })
      assert.equal(result.code, 0, result.stderr)
      const events = lines(result.stdout).map(parseEvent)
      assert.deepEqual(
        events.map(event => event.type === 'trade' && [event.symbol, event.price, event.side]),
        Array.from({ length: 3 }, () => [symbol, 64_000.5, 'buy']),
      )
      assert.ok(
        result.said.some(line => line.startsWith(`subscribed: ${symbol} (trades, ${name})`)),
      )
    } finally {
      clearInterval(tick)
      await venue.close()
    }
  })

  test(`without a way to ${name} the message says so and what to do`, async () => {
    const variable = `TICKWIRE_${name.toUpperCase()}_URL`
    const env = { [variable]: 'ws://127.0.0.1:9/ws' }
    const args = ['stream', symbol, '--provider', name, '--duration', '2s']
    const result = await cli(args, { env })
    assert.equal(result.code, 5)
    assert.match(result.stderr, /127\.0\.0\.1:9: connection refused/)
  })
}

test('settings that are none are refused by their names', async () => {
  const args = ['stream', 'BTC/USDT', '-p', 'binance']
  const site = await cli(args, { env: { TICKWIRE_BINANCE_SITE: 'uk' } })
  assert.equal(site.code, 3)
  assert.match(site.stderr, /TICKWIRE_BINANCE_SITE/)
})
