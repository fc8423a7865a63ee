import { silentLog } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { type FeedOptions, openFeed } from '../../../src/feed/feed.ts'
import {
  createEvent,
  type EventFields,
  type MarketEvent,
  type Notice,
} from '../../../src/market/events.ts'
import { type KrakenOptions, kraken } from '../../../src/providers/kraken/index.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { type KrakenVenueOptions, krakenVenue } from '../../../src/testing/venue-kraken.ts'

export interface StreamOptions {
  readonly venue?: Omit<KrakenVenueOptions, 'clock'>
  readonly kraken?: KrakenOptions
  readonly feed?: FeedOptions
}

/** A feed on a scripted Kraken in memory, on a clock turned by hand. */
export function stream(options: StreamOptions = {}) {
  const clock = handClock()
  const venue = krakenVenue({ clock, ...options.venue })
  const { openSocket, httpGet } = venue
  const provider = kraken({ openSocket, httpGet, clock, ...options.kraken })
  const random = seededRandom(7)
  const quiet = { log: silentLog, leases: false } as const
  const feed = openFeed(provider, { clock, random, ...quiet, ...options.feed })
  const notices: Notice[] = []
  feed.on('notice', notice => notices.push(notice))
  feed.done.catch(() => {})
  /** Numbers of trades go on by themselves, for every pair its own. */
  const ids = new Map<string, number>()
  const deliver = (...events: readonly MarketEvent[]) => venue.deliver(events)
  return {
    ...{ clock, venue, feed, notices, provider, deliver },
    /** One event as the venue has it, at the time of the clock. */
    event<T extends EventFields['type']>(type: T, fields: object): MarketEvent {
      const timestamp = Math.floor(clock.now())
      return createEvent({
        ...{ type, source: 'venue', symbol: 'BTC/USD', timestamp },
        ...fields,
      } as unknown as EventFields)
    },
    trade(fields: { symbol?: string; price?: number } = {}): MarketEvent {
      const { symbol = 'BTC/USD' } = fields
      const id = (ids.get(symbol) ?? 0) + 1
      ids.set(symbol, id)
      return this.event('trade', {
        ...{ price: 100 + id, size: 0.5, id, side: id % 2 ? 'buy' : 'sell' },
        ...{ conditions: ['limit'], ...fields },
      })
    },
    /** A trade a second goes by. */
    async seconds(count: number, symbol = 'BTC/USD'): Promise<void> {
      for (let i = 0; i < count; i++) {
        deliver(this.trade({ symbol }))
        await clock.advance(1_000)
      }
    },
    get lastId() {
      return ids.get('BTC/USD') ?? 0
    },
    async end(): Promise<void> {
      const closed = feed.close()
      await clock.advance(2_000)
      await closed
      await venue.close()
    },
  }
}

export type Stream = ReturnType<typeof stream>

/** What a reader makes of book events who knows nothing of depths, sequences and checksums. */
export class ReaderBook {
  readonly bids = new Map<number, number>()
  readonly asks = new Map<number, number>()
  synced = false

  take(event: MarketEvent): void {
    if (event.type === 'notice' && event.notice === 'gap' && event.kind === 'book') {
      this.synced = false
    }
    if (event.type !== 'book') return
    if (event.snapshot) {
      this.bids.clear()
      this.asks.clear()
      this.synced = true
    }
    for (const [side, levels] of [
      [this.bids, event.bids],
      [this.asks, event.asks],
    ] as const) {
      for (const [price, size] of levels) {
        if (size > 0) side.set(price, size)
        else side.delete(price)
      }
    }
  }

  get lists() {
    const list = (side: ReadonlyMap<number, number>, sign: number) =>
      [...side].sort(([a], [b]) => sign * (a - b))
    return { bids: list(this.bids, -1), asks: list(this.asks, 1) }
  }
}
