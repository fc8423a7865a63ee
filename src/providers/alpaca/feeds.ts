import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { EventType } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import type { Channel, FeedInfo, Market } from './market.ts'
import { CRYPTO, type CryptoFeed } from './market-crypto.ts'
import { NEWS } from './market-news.ts'
import { OPTIONS, type OptionFeed } from './market-options.ts'
import { STOCKS, type StockFeed } from './market-stocks.ts'

export type { Channel } from './market.ts'

/** What Alpaca has streams of. */
export const MARKETS = { stocks: STOCKS, crypto: CRYPTO, options: OPTIONS, news: NEWS } as const

export type AlpacaMarket = keyof typeof MARKETS

export const MARKET_NAMES = Object.keys(MARKETS) as AlpacaMarket[]

/** The streams of all markets. No two have the same name. */
export type AlpacaFeed = StockFeed | CryptoFeed | OptionFeed | 'news'

/** A stream and the market it is of. */
export interface Feed extends FeedInfo {
  readonly market: Market
}

/** Alpaca's streams and where they are. https://docs.alpaca.markets/docs/streaming-market-data */
export const FEEDS = Object.fromEntries(
  Object.values(MARKETS).flatMap((market: Market) =>
    Object.entries(market.feeds).map(([name, info]) => [name, { ...info, market }]),
  ),
) as unknown as { readonly [feed in AlpacaFeed]: Feed }

export const FEED_NAMES = Object.keys(FEEDS) as AlpacaFeed[]

/** The feeds of a market that a user can name: news have none. */
export function feedNamesOf(market: AlpacaMarket): readonly AlpacaFeed[] {
  return market === 'news' ? [] : (Object.keys(MARKETS[market].feeds) as AlpacaFeed[])
}

/**
 * The stream that a market and one of its feeds name.
 * @param market default `stocks`
 * @param feed default `iex` for stocks, `us` for crypto, `indicative` for options; none for news
 * @throws UNKNOWN_FEED for a feed of another market too; BAD_OPTION for a market there is not
 */
export function chooseFeed(market: AlpacaMarket = 'stocks', feed?: string): AlpacaFeed {
  if (!Object.hasOwn(MARKETS, market)) {
    throw new TickwireError('BAD_OPTION', `alpaca has no market ${JSON.stringify(market)}`, {
      hint: didYouMean(String(market), MARKET_NAMES),
    })
  }
  const names: readonly string[] = feedNamesOf(market)
  if (feed === undefined) return MARKETS[market].defaultFeed as AlpacaFeed
  if (names.includes(feed)) return feed as AlpacaFeed
  const other = MARKET_NAMES.find(name => (feedNamesOf(name) as readonly string[]).includes(feed))
  throw new TickwireError(
    'UNKNOWN_FEED',
    `alpaca has no feed ${JSON.stringify(feed)}${market === 'stocks' ? '' : ` of ${market}`}`,
    {
      hint: other
        ? `${feed} is a feed of ${other}: set market '${other}' with it (--market ${other}).`
        : names.length === 0
          ? 'News come in one stream: leave feed out.'
          : didYouMean(String(feed), names),
    },
  )
}

const ORIGIN = 'wss://stream.data.alpaca.markets'

/** The venue's address of a feed. */
export function feedUrl(feed: AlpacaFeed): string {
  return ORIGIN + FEEDS[feed].path
}

/** What a feed carries, in the order of its acknowledgements. */
export function channelsOfFeed(feed: AlpacaFeed): readonly Channel[] {
  return FEEDS[feed].only?.channels ?? FEEDS[feed].market.channels
}

/** The kinds of events a feed carries. */
export function kindsOfFeed(feed: AlpacaFeed): readonly EventType[] {
  return FEEDS[feed].only?.kinds ?? FEEDS[feed].market.kinds
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
  book: ['orderbooks'],
  news: ['news'],
}

/** A topic's symbol as the feed writes it. */
export function venueSymbol(symbol: string, feed: AlpacaFeed): string {
  return FEEDS[feed].market.toVenue?.(symbol) ?? symbol
}
