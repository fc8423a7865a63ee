/** Where Polygon's streams are. The venue is called Massive since 2025-10-30; both names lead to it. */
import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { Capabilities } from '../../feed/provider.ts'
import type { PolygonMarket } from './markets.ts'

/** A host of the stream. https://massive.com/docs/websocket */
export interface FeedInfo {
  readonly host: string
  readonly title: string
  readonly nature: Capabilities['nature']
  /** How late its data is, ms. */
  readonly delayMs: number
  /** Has fair market values. */
  readonly fairValues: boolean
}

const DELAY_MS = 15 * 60_000

export const FEEDS = {
  realtime: {
    host: 'socket',
    title: 'real time',
    nature: 'live',
    delayMs: 0,
    fairValues: false,
  },
  delayed: {
    host: 'delayed',
    title: '15 minutes late',
    nature: 'delayed',
    delayMs: DELAY_MS,
    fairValues: false,
  },
  business: {
    host: 'business',
    title: 'business plans',
    nature: 'live',
    delayMs: 0,
    fairValues: true,
  },
  'delayed-business': {
    host: 'delayed-business',
    title: 'business plans, 15 minutes late',
    nature: 'delayed',
    delayMs: DELAY_MS,
    fairValues: true,
  },
} as const satisfies { readonly [feed: string]: FeedInfo }

export type PolygonFeed = keyof typeof FEEDS
export const FEED_NAMES = Object.keys(FEEDS) as PolygonFeed[]

const DOMAINS = { massive: 'massive.com', polygon: 'polygon.io' } as const
/** Whose host names are used. */
export type PolygonBrand = keyof typeof DOMAINS
export const BRAND_NAMES = Object.keys(DOMAINS) as PolygonBrand[]

/** @throws UNKNOWN_FEED */
export function chooseFeed(name: PolygonFeed = 'realtime'): FeedInfo {
  if (Object.hasOwn(FEEDS, name)) return FEEDS[name]
  throw new TickwireError('UNKNOWN_FEED', `polygon has no feed ${JSON.stringify(name)}`, {
    hint: didYouMean(String(name), FEED_NAMES),
  })
}

/** @throws BAD_OPTION for a brand there is not */
export function domainOf(brand: PolygonBrand = 'massive'): string {
  if (Object.hasOwn(DOMAINS, brand)) return DOMAINS[brand]
  throw new TickwireError('BAD_OPTION', `polygon has no brand ${JSON.stringify(brand)}`, {
    hint: didYouMean(String(brand), BRAND_NAMES),
  })
}

/** The address of a market's stream. */
export function streamUrl(market: PolygonMarket, feed: FeedInfo, domain: string): string {
  return `wss://${feed.host}.${domain}/${market}`
}

/**
 * The REST address that belongs to a stream's: that of the same brand; any other server is taken to answer REST on the
 * port of its stream, below the same path. A key so never goes to another server than the one it was meant for.
 */
export function restUrlOf(stream: string): string | undefined {
  if (!URL.canParse(stream)) return undefined
  const { protocol, host, hostname, pathname } = new URL(stream)
  if (protocol !== 'ws:' && protocol !== 'wss:') return undefined
  const scheme = protocol === 'ws:' ? 'http:' : 'https:'
  const domain = Object.values(DOMAINS).find(name => hostname.endsWith(`.${name}`))
  if (domain) return `${scheme}//api.${domain}`
  return `${scheme}//${host}${pathname.replace(/\/[^/]*$/, '')}`
}
