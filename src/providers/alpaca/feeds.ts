import type { EventType } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'

const STOCKS = 'wss://stream.data.alpaca.markets'

/**
 * Alpaca's stock feeds and where they are.
 * https://docs.alpaca.markets/docs/real-time-stock-pricing-data
 */
export const FEEDS = {
  iex: { path: '/v2/iex', title: 'IEX only, the free plan' },
  sip: { path: '/v2/sip', title: 'all US exchanges' },
  delayed_sip: { path: '/v2/delayed_sip', title: 'all US exchanges, 15 minutes late' },
  boats: { path: '/v1beta1/boats', title: 'Blue Ocean ATS, overnight' },
  overnight: { path: '/v1beta1/overnight', title: "Alpaca's overnight feed" },
  test: { path: '/v2/test', title: 'test data, symbol FAKEPACA' },
} as const

export type AlpacaFeed = keyof typeof FEEDS

export const FEED_NAMES = Object.keys(FEEDS) as AlpacaFeed[]

/** The venue's address of a feed. */
export function feedUrl(feed: AlpacaFeed): string {
  return STOCKS + FEEDS[feed].path
}

/** The lists of a subscription, in the order of the venue's acknowledgements. */
export const CHANNELS = [
  ...(['trades', 'quotes', 'bars', 'updatedBars', 'dailyBars'] as const),
  ...(['statuses', 'lulds', 'imbalances'] as const),
] as const
export type Channel = (typeof CHANNELS)[number]

const TEST_CHANNELS: readonly Channel[] = ['trades', 'quotes', 'bars']

/** What a feed carries; the acknowledgements of the test feed name only these three. */
export function channelsOfFeed(feed: AlpacaFeed): readonly Channel[] {
  return feed === 'test' ? TEST_CHANNELS : CHANNELS
}

/** Lists that appear in acknowledgements but cannot be asked for: they follow `trades`. */
export const FOLLOWERS = ['corrections', 'cancelErrors'] as const

/** The channels a topic lives on; none when the feed does not carry it. */
export function channelsOf(topic: Topic, feed: AlpacaFeed): readonly Channel[] {
  const carried = channelsOfFeed(feed)
  return byTopic(topic).filter(channel => carried.includes(channel))
}

function byTopic({ kind, interval }: Topic): readonly Channel[] {
  if (kind !== 'bar') return BY_KIND[kind] ?? []
  if (interval === undefined) return ['bars', 'updatedBars', 'dailyBars']
  if (interval === '1m') return ['bars', 'updatedBars']
  return interval === '1d' ? ['dailyBars'] : []
}

const BY_KIND: Partial<Record<EventType, readonly Channel[]>> = {
  trade: ['trades'],
  correction: ['trades'],
  cancel: ['trades'],
  quote: ['quotes'],
  status: ['statuses'],
  luld: ['lulds'],
  imbalance: ['imbalances'],
}
