// The scripted venues of OpenAlgo and AllTick: faults of the menu befall a feed on them, on real sockets too.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { openFeed } from '../../src/feed/feed.ts'
import type { Provider } from '../../src/feed/provider.ts'
import { createEvent, type MarketEvent, type Notice } from '../../src/market/events.ts'
import { alltick } from '../../src/providers/alltick/index.ts'
import { openalgo } from '../../src/providers/openalgo/index.ts'
import { handClock } from '../../src/testing/clock.ts'
import type { FaultOptions } from '../../src/testing/faults.ts'
import { allTickVenue } from '../../src/testing/venue-alltick.ts'
import type { ScriptedVenue } from '../../src/testing/venue-host.ts'
import { openAlgoVenue } from '../../src/testing/venue-openalgo.ts'

const START = Date.UTC(2026, 7, 21, 5)
const CASES = {
  openalgo: {
    symbol: 'NSE:A',
    make: () => {
      const clock = handClock(START)
      const venue = openAlgoVenue({ clock })
      const { openSocket, httpGet } = venue
      return { clock, venue, provider: openalgo({ apiKey: 'k', openSocket, httpGet, clock }) }
    },
  },
  alltick: {
    symbol: 'A.US',
    make: () => {
      const clock = handClock(START)
      const venue = allTickVenue({ clock })
      const { openSocket, httpGet } = venue
      return { clock, venue, provider: alltick({ token: 't', openSocket, httpGet, clock }) }
    },
  },
} as const

const tickOf = (symbol: string, price: number, timestamp: number): MarketEvent => {
  const own = { symbol, source: 'x', timestamp }
  return symbol.includes(':')
    ? createEvent({ type: 'ticker', ...own, last: price })
    : createEvent({ type: 'trade', ...own, price, size: 1, id: price })
}

const FAULTS: readonly FaultOptions[] = [
  { fault: 'cut' },
  { fault: 'close', code: 1_001 },
  { fault: 'restart', for: 2_000 },
  { fault: 'stall', for: 60_000 },
  { fault: 'mute', for: 60_000 },
  { fault: 'upgrade-502', times: 2 },
  { fault: 'half-open' },
  { fault: 'giant-frame', bytes: 2_000_000 },
  { fault: 'corrupt-json', times: 2 },
  { fault: 'slow-drip' },
]

for (const [name, { symbol, make }] of Object.entries(CASES)) {
  describe(name, () => {
    for (const fault of FAULTS) {
      test(`goes on behind ${fault.fault}`, async () => {
        const { clock, venue, provider } = make()
        const feed = openFeed(provider, { clock, log: silentLog, leases: false })
        const prices: (number | undefined)[] = []
        feed.tickers(symbol, tick => prices.push(tick.last))
        await clock.advance(5_000)
        venue.inject(fault)
        if (/upgrade|half/.test(fault.fault)) venue.inject({ fault: 'cut' })
        for (let i = 1; i <= 40; i++) {
          venue.deliver([tickOf(symbol, i, clock.now())])
          await clock.advance(5_000)
        }
        assert.ok(venue.struck.some(it => it.fault === fault.fault))
        assert.equal(prices.at(-1), 40, 'the last price comes')
        assert.deepEqual(prices, [...new Set(prices)], 'and none twice')
        await end(clock, feed, venue)
      })
    }

    test('has history behind faults of REST, or none', async () => {
      for (const how of [
        'garbage',
        'cut',
        'shuffled',
        'repeated',
        'outside',
        'stranger',
        'priceless',
      ] as const) {
        const { clock, venue, provider } = make()
        const bars = [3, 2, 1].map(minutes => barOf(symbol, START - minutes * 60_000))
        venue.deliver(bars)
        venue.inject({ fault: 'rest-spoiled', how, times: 10 })
        const got = await history(clock, provider, symbol)
        assert.ok(got instanceof TickwireError && got.code === 'VENUE_ERROR', how)
        venue.inject({ fault: 'rest-error', status: 502 })
        const { clock: other, venue: next, provider: again } = make()
        next.deliver(bars)
        next.inject({ fault: 'rest-error', status: 502 })
        assert.equal((await history(other, again, symbol)).length, 3)
        await Promise.all([venue.close(), next.close()])
      }
    })

    test('is on a real socket too', async () => {
      const venue = name === 'openalgo' ? openAlgoVenue() : allTickVenue()
      const { url, httpUrl } = await venue.listen()
      const provider =
        name === 'openalgo'
          ? openalgo({ apiKey: 'k', url, restUrl: httpUrl })
          : alltick({ token: 't', url: `${url}/quote-stock-b-ws-api`, restUrl: httpUrl })
      const feed = openFeed(provider, { log: silentLog, leases: false })
      const stream = feed.tickers(symbol)
      const { accepted } = await feed.subscribe({ tickers: symbol })
      assert.equal(accepted.length, 1)
      venue.deliver([tickOf(symbol, 7, Date.now())])
      for await (const tick of stream) {
        assert.equal(tick.last, 7)
        break
      }
      const [latest] = await provider.latest!({ kind: 'ticker', symbols: [symbol] })
      assert.equal(latest && 'last' in latest && latest.last, 7)
      await feed.close()
      await venue.close()
    })
  })
}

test('faults that cannot befall them are refused', () => {
  for (const make of [openAlgoVenue, allTickVenue]) {
    assert.throws(
      () => make({ faults: [{ fault: 'bad-checksum' }] }),
      (error: TickwireError) => error.code === 'BAD_CONFIG',
    )
  }
})

test('a wrong key, and a full server, are what they are', async () => {
  for (const [fault, make, code] of [
    ['auth-error', CASES.openalgo, 'AUTH_FAILED'],
    ['auth-error', CASES.alltick, 'AUTH_FAILED'],
    ['symbol-limit', CASES.openalgo, 'SYMBOL_LIMIT'],
    ['symbol-limit', CASES.alltick, 'NOT_ENTITLED'],
  ] as const) {
    const { clock, venue, provider } = make.make()
    venue.inject({ fault })
    const feed = openFeed(provider, { clock, log: silentLog, leases: false })
    const notices: Notice[] = []
    feed.on('notice', notice => notices.push(notice))
    feed.done.catch(() => {})
    feed.tickers(make.symbol, () => {})
    await clock.advance(3_000)
    assert.ok(
      notices.some(notice => notice.code === code),
      `${fault} ${code}`,
    )
    await end(clock, feed, venue)
  }
})

function barOf(symbol: string, timestamp: number): MarketEvent {
  return createEvent({
    ...{ type: 'bar', symbol, source: 'x', timestamp, interval: '1m', volume: 1 },
    ...{ open: 5, high: 6, low: 4, close: 5, final: true, revision: 0 },
  })
}

/** The bars of the last hour, or why there are none. */
async function history(clock: ReturnType<typeof handClock>, provider: Provider, symbol: string) {
  const list: MarketEvent[] = []
  const ask = async () => {
    const request = { kind: 'bar', symbols: [symbol], from: START - 3_600_000, to: START } as const
    for await (const batch of provider.history!(request)) list.push(...batch)
    return list
  }
  let over = false
  const ended = ask()
    .catch((error: TickwireError) => Object.assign(error, { length: -1 }))
    .finally(() => {
      over = true
    })
  for (let i = 0; i < 1_000 && !over; i++) await clock.advance(1_000)
  return ended
}

async function end(
  clock: ReturnType<typeof handClock>,
  feed: ReturnType<typeof openFeed>,
  venue: ScriptedVenue,
): Promise<void> {
  const closed = feed.close()
  await clock.advance(2_000)
  await closed
  await venue.close()
}
