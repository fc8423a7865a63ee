import assert from 'node:assert/strict'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { openFeed } from '../../src/feed/feed.ts'
import type { Provider } from '../../src/feed/provider.ts'
import { createEvent, type Level, type MarketEvent } from '../../src/market/events.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'
import type { FaultOptions } from '../../src/testing/faults.ts'
import type { ScriptedVenue } from '../../src/testing/venue-host.ts'

/** What befalls a venue, one after another. */
const FAULTS: readonly FaultOptions[] = [
  { fault: 'cut' },
  { fault: 'lost', times: 3 },
  { fault: 'duplicate', times: 3 },
  { fault: 'reorder', times: 3 },
  { fault: 'corrupt-json', times: 2 },
  { fault: 'mute', for: '15s' },
  { fault: 'stall', for: '15s' },
  { fault: 'close', code: 1001 },
  { fault: 'giant-frame', bytes: 200_000 },
  { fault: 'upgrade-429', retryAfter: '2s' },
  { fault: 'cut' },
  { fault: 'rest-error', status: 503, times: 3 },
  { fault: 'cut' },
  { fault: 'rest-spoiled', how: 'garbage', times: 2 },
  { fault: 'cut' },
  { fault: 'rest-spoiled', how: 'shuffled', times: 2 },
  { fault: 'cut' },
  { fault: 'restart', for: '3s' },
]

/**
 * Lets trades and a book flow through every fault of the menu: in the end no trade is missing or there twice, and the
 * book is the venue's.
 */
export async function throughFaults(
  symbol: string,
  make: (clock: HandClock) => { venue: ScriptedVenue; provider: Provider },
): Promise<void> {
  const clock = handClock(Date.UTC(2024, 0, 15, 12))
  const { venue, provider } = make(clock)
  const random = seededRandom(11)
  const feed = openFeed(provider, { clock, random, log: silentLog, leases: false })
  feed.done.catch(() => {})
  const ids: unknown[] = []
  feed.trades(symbol, trade => {
    ids.push(trade.id)
  })
  const live = feed.book(symbol)
  const bids = new Map<number, number>()
  const asks = new Map<number, number>()
  let id = 0
  const tick = async () => {
    const base = { symbol, source: 'venue', timestamp: Math.floor(clock.now()) }
    const change = (side: Map<number, number>, price: number): Level => {
      const size = random() < 0.25 ? 0 : Math.ceil(random() * 100)
      if (size === 0) side.delete(price)
      else side.set(price, size)
      return [price, size]
    }
    const level = Math.ceil(random() * 20)
    const events: MarketEvent[] = [
      createEvent({ ...base, type: 'trade', price: 100, size: 1, id: ++id, side: 'buy' }),
      createEvent({
        ...{ ...base, type: 'book', snapshot: false },
        ...{ bids: [change(bids, 100 - level)], asks: [change(asks, 100 + level)] },
      }),
    ]
    venue.deliver(events)
    await clock.advance(500)
  }
  const seconds = async (count: number) => {
    for (let i = 0; i < count * 2; i++) await tick()
  }
  await seconds(10)
  for (const fault of FAULTS) {
    venue.inject(fault)
    await seconds(40)
  }
  await seconds(180)
  const repeated = ids.length - new Set(ids).size
  const missing = Array.from({ length: id }, (_, i) => i + 1).filter(one => !ids.includes(one))
  assert.deepEqual(missing, [])
  assert.equal(repeated, 0)
  const sorted = (side: Map<number, number>, sign: number) =>
    [...side].sort(([a], [b]) => sign * (a - b))
  assert.equal(live.book.synced, true)
  assert.deepEqual([live.book.bids(), live.book.asks()], [sorted(bids, -1), sorted(asks, 1)])
  const closed = feed.close()
  await clock.advance(2_000)
  await closed
  await venue.close()
}
