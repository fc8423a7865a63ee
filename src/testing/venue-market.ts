import { type Clock, systemClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { type FeedOptions, openFeed, type SubscribeRequest } from '../feed/feed.ts'
import type { Provider } from '../feed/provider.ts'
import type { MarketEvent } from '../market/events.ts'

export interface FeedFromOptions {
  /** What is asked of the provider. @default trades, quotes and minute bars of every symbol */
  readonly request?: SubscribeRequest
  /** @default the machine's */
  readonly clock?: Clock
}

/** Lets a venue deliver what a provider sends, most often the simulated market. Close it when done. */
export function feedFrom(
  provider: Provider,
  venue: { deliver(batch: readonly MarketEvent[]): void },
  options: FeedFromOptions = {},
): { close(): Promise<void> } {
  const { request = { trades: '*', quotes: '*', bars: '*' }, clock = systemClock() } = options
  const settings: FeedOptions = { clock, log: silentLog }
  const feed = openFeed(provider, settings)
  feed.pipe({ append: batch => venue.deliver(batch.filter(({ type }) => type !== 'notice')) })
  feed.done.catch(() => {})
  feed.subscribe(request).catch(() => {})
  return { close: () => feed.close() }
}
