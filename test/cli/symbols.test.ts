import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { searchSymbols } from '../../src/cli/commands/symbols.ts'
import { binance } from '../../src/providers/binance/index.ts'
import { kraken } from '../../src/providers/kraken/index.ts'
import { simulated } from '../../src/providers/simulated/provider.ts'
import { handClock } from '../../src/testing/clock.ts'
import { binanceVenue } from '../../src/testing/venue-binance.ts'
import { coinbaseVenue } from '../../src/testing/venue-coinbase.ts'
import { krakenVenue } from '../../src/testing/venue-kraken.ts'
import { cli, lines } from './child.ts'

/** What a search at a scripted Kraken finds. */
async function search(text: string) {
  const clock = handClock()
  const venue = krakenVenue({ clock })
  const { openSocket, httpGet } = venue
  const found = searchSymbols(kraken({ openSocket, httpGet, clock }), text)
  await clock.advance(1_000)
  await venue.close()
  return found
}

describe('a search', () => {
  test('finds a symbol however it is written, the nearest first', async () => {
    for (const text of ['BTC/USD', 'btc-usd', 'btcusd', 'XBT/USD', 'BTC']) {
      const [first] = await search(text)
      assert.equal(first?.instrument.symbol, 'BTC/USD', text)
    }
    const all = await search('usd')
    assert.ok(all.length > 3)
    assert.deepEqual(
      all.map(({ instrument }) => instrument.symbol),
      all.map(({ instrument }) => instrument.symbol).sort(),
    )
  })

  test('maps both ways: what the venue calls it, and what it is here', async () => {
    const clock = handClock()
    const venue = binanceVenue({ clock })
    const { openSocket, httpGet } = venue
    const provider = binance({ openSocket, httpGet, clock })
    for (const text of ['BTCUSDT', 'btc/usdt']) {
      const found = searchSymbols(provider, text)
      await clock.advance(1_000)
      const [first] = await found
      assert.deepEqual([first?.instrument.symbol, first?.venueName], ['BTC/USDT', 'BTCUSDT'])
    }
    await venue.close()
  })

  test('tells the steps of price and size', async () => {
    const [first] = await search('MATIC')
    assert.equal(first?.instrument.tickSize, 0.0001)
    assert.equal(first?.instrument.lotSize, 1e-8)
  })

  test('of nothing, or where nothing is listed, is an error that says what to do', async () => {
    await assert.rejects(searchSymbols(simulated(), ' / '), { code: 'BAD_OPTION' })
    await assert.rejects(searchSymbols(simulated(), 'SPY'), {
      code: 'UNSUPPORTED',
      hint: /providers --json/,
    })
  })
})

describe('tickwire symbols search', () => {
  test('prints a table, or a line of JSON each', async () => {
    const venue = coinbaseVenue()
    const { url } = await venue.listen()
    const env = { TICKWIRE_COINBASE_URL: url }
    try {
      const args = ['symbols', 'search', 'btc-usd', '--provider', 'coinbase']
      const table = await cli(args, { env })
      assert.equal(table.code, 0, table.stderr)
      assert.match(table.stdout, /^symbol +at the venue +kind +price step +size step/)
      assert.match(table.stdout, /^BTC\/USD +BTC-USD +crypto +0\.0\d* +0\.0\d* +USD/m)
      const data = await cli([...args, '--json'], { env })
      const [line] = lines(data.stdout).map(text => JSON.parse(text) as Record<string, unknown>)
      assert.deepEqual(
        [line?.provider, line?.symbol, line?.venueName],
        ['coinbase', 'BTC/USD', 'BTC-USD'],
      )
      const none = await cli(['symbols', 'search', 'QQQQ', '--provider', 'coinbase'], { env })
      assert.equal(none.code, 2)
      assert.match(
        none.stderr,
        /nothing at coinbase goes by "QQQQ"\n {2}→ Try a part of it: BTC\.$/m,
      )
    } finally {
      await venue.close()
    }
  })

  test('is what the group alone shows the help of, and nothing else', async () => {
    const { code, stderr } = await cli(['symbols'], { env: {} })
    assert.equal(code, 2)
    assert.match(stderr, /^Usage: tickwire symbols/)
    assert.doesNotMatch(stderr, /outputHelp|^tickwire: /m)
  })

  test('without a network says so', async () => {
    const env = { TICKWIRE_BINANCE_URL: 'ws://127.0.0.1:9/ws' }
    const args = ['symbols', 'search', 'BTC', '--provider', 'binance']
    const { code, stderr } = await cli(args, { env })
    assert.equal(code, 5, stderr)
    assert.match(stderr, /^tickwire: /)
    assert.match(stderr, /^ {2}→ /m)
  })
})
