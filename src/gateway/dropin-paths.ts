import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import type { SharedProtocol } from '../flow/contracts.ts'
import { sharedAlpaca } from '../providers/alpaca/server.ts'
import { sharedOpenAlgo } from '../providers/openalgo/server.ts'
import { sharedPolygon } from '../providers/polygon/server.ts'
import type { GatewayFeed } from './context.ts'

/** Languages of vendors that are spoken here. */
export const VENDORS = ['alpaca', 'polygon', 'openalgo'] as const
export type Vendor = (typeof VENDORS)[number]

/** Where a vendor's client comes in. */
export interface Dropin {
  readonly protocol: SharedProtocol
  /** As the vendor has it. */
  readonly path: string
  /** Whose data it gets. */
  readonly feed: GatewayFeed
}

/** The languages of vendors, each below its name: `/alpaca/v2/iex`. */
export class Dropins {
  readonly #feeds: readonly GatewayFeed[]
  readonly #protocols: ReadonlyMap<string, SharedProtocol>

  constructor(feeds: readonly GatewayFeed[], clock: Clock) {
    this.#feeds = feeds
    const make: Readonly<Record<Vendor, (clock: Clock) => SharedProtocol>> = {
      alpaca: sharedAlpaca,
      polygon: sharedPolygon,
      openalgo: sharedOpenAlgo,
    }
    this.#protocols = new Map(VENDORS.map(vendor => [vendor, make[vendor](clock)]))
  }

  /**
   * What is meant by a path. The source is the one named by `?source=`, else the vendor's own, else the first there is.
   * @throws UNKNOWN_FEED for a source that is not there
   */
  find(path: string, query = ''): Dropin | undefined {
    const [, name = ''] = path.split('/', 2)
    const protocol = this.#protocols.get(name)
    if (!protocol) return undefined
    const prefix = `/${name}`
    let own = path.slice(prefix.length)
    // Massive's Python client puts its base before the path of `next_url`, which has it already.
    if (own.startsWith(`${prefix}/`)) own = own.slice(prefix.length)
    const asked = new URLSearchParams(query).get('source') ?? undefined
    return { protocol, path: own, feed: this.#feedOf(protocol, own, asked) }
  }

  #feedOf({ id, providersOf }: SharedProtocol, path: string, asked: string | undefined) {
    if (asked !== undefined) {
      const feed = this.#feeds.find(({ source }) => source === asked)
      if (feed) return feed
      const names = this.#feeds.map(feed => feed.source)
      const hint = `${didYouMean(asked, names)} This gateway has: ${names.join(', ')}.`
      throw new TickwireError('UNKNOWN_FEED', `no source ${asked} here`, { hint })
    }
    const ids = providersOf(path)
    const own = this.#feeds.find(({ provider }) => ids.includes(provider.id))
    // The vendor's feed of another market has nothing of this one.
    const isOther = ({ provider }: GatewayFeed) =>
      provider.id === id || provider.id.startsWith(`${id}-`)
    const feed = own ?? this.#feeds.find(feed => !isOther(feed)) ?? this.#feeds[0]
    if (feed) return feed
    throw new TickwireError('UNKNOWN_FEED', 'this gateway has no source', {
      hint: 'Configure one: feeds, or provider.',
    })
  }
}

/** Requests that came to a port of a vendor's own, where its paths have nothing before them. */
const rooted = new WeakSet<IncomingMessage>()

/** Leads a request that came to a vendor's own port to that vendor's paths. */
export function leadTo(vendor: Vendor, request: IncomingMessage): void {
  const { url = '/' } = request
  // A whole URL in place of a path is refused as it is everywhere.
  if (url.startsWith('/')) request.url = `/${vendor}${url}`
  rooted.add(request)
}

/** What stands before a vendor's paths for whoever sent this request. */
export const prefixOf = (vendor: string, request: IncomingMessage): string =>
  rooted.has(request) ? '' : `/${vendor}`
