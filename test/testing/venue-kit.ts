import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { type FeedOptions, openFeed } from '../../src/feed/feed.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { type AlpacaOptions, alpaca } from '../../src/providers/alpaca/index.ts'
import { handClock } from '../../src/testing/clock.ts'
import { type ScriptedVenueOptions, scriptedVenue } from '../../src/testing/venue-scripted.ts'

export const tradeOf = (symbol: string, price: number, id = price) =>
  createEvent({
    ...{ type: 'trade', symbol, source: 'venue', price, size: 100, id },
    // One a second, as the clock of the kit turns: a venue whose time stands still is falling behind.
    ...{ timestamp: Date.UTC(2024, 0, 15, 14, 30) + id * 1_000, nanos: 123_456 },
    ...{ exchange: 'V', conditions: ['@'], tape: 'B' },
  })

export const quoteOf = (symbol: string, bid: number) =>
  createEvent({
    ...{ type: 'quote', symbol, source: 'venue', bid, bidSize: 2, ask: bid + 0.01, askSize: 3 },
    timestamp: Date.UTC(2024, 0, 15, 14, 30),
  })

export interface KitOptions {
  readonly venue?: Omit<ScriptedVenueOptions, 'clock'>
  readonly alpaca?: AlpacaOptions
  readonly feed?: FeedOptions
}

/** A feed on a scripted venue in memory, with a clock turned by hand and one trade of SPY a second. */
export function liveFeed(options: KitOptions = {}) {
  const clock = handClock()
  const venue = scriptedVenue({ clock, ...options.venue })
  const keys = { key: 'PK', secret: 'secret' }
  const { openSocket, httpGet } = venue
  const provider = alpaca({ ...keys, openSocket, httpGet, clock, ...options.alpaca })
  const random = seededRandom(7)
  const quiet = { log: silentLog, leases: false } as const
  const feed = openFeed(provider, { clock, random, ...quiet, ...options.feed })
  const notices: MarketEvent[] = []
  const seen: number[] = []
  feed.on('notice', notice => notices.push(notice))
  feed.done.catch(() => {})
  let price = 0
  const tick = () => venue.deliver([tradeOf('SPY', ++price)])
  return {
    clock,
    venue,
    feed,
    notices,
    seen,
    /** Trades a second go by. */
    async seconds(count: number): Promise<void> {
      for (let i = 0; i < count; i++) {
        tick()
        await clock.advance(1_000)
      }
    },
    tick,
    get price() {
      return price
    },
    watch: (symbols: string | string[] = 'SPY') =>
      feed.trades(symbols, trade => {
        seen.push(trade.price)
      }),
    async end(): Promise<void> {
      const closed = feed.close()
      await clock.advance(2_000)
      await closed
      await venue.close()
    },
  }
}
