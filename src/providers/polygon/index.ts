import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import type { OpenSocket } from '../../base/socket.ts'
import type { Request, WebSocketDescription } from '../../feed/description.ts'
import type { Capabilities, Provider } from '../../feed/provider.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import { Flag, type Interval } from '../../market/events.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import { polygonCheck } from './check.ts'
import { PolygonDecoder } from './codec.ts'
import { POLYGON_FACTS } from './facts.ts'
import {
  chooseFeed,
  domainOf,
  type FeedInfo,
  type PolygonBrand,
  type PolygonFeed,
  streamUrl,
} from './feeds.ts'
import { polygonHistory } from './history.ts'
import { RestClient } from './history-client.ts'
import { instrumentsOf } from './instruments.ts'
import {
  channelOf,
  chooseMarket,
  kindsOf,
  MARKET_NAMES,
  MARKETS,
  type Market,
  type PolygonMarket,
  pairOf,
} from './markets.ts'
import { Statuses } from './statuses.ts'
import { KEYS_PAGE, polygonVerdict } from './verdict.ts'

export type { PolygonBrand, PolygonFeed } from './feeds.ts'
export type { PolygonMarket } from './markets.ts'

export interface PolygonOptions {
  /** API key. Shown at https://massive.com/dashboard/keys */
  readonly key?: string | undefined
  /** Which cluster: `stocks`, `options`, `crypto`, `forex` or `indices`. @default 'stocks' */
  readonly market?: PolygonMarket | undefined
  /**
   * Which host: `realtime`; `delayed` (15 minutes late); `business` and `delayed-business` of business plans, which have
   * fair market values too.
   * @default 'realtime'
   */
  readonly feed?: PolygonFeed | undefined
  /** Whose host names: the venue is called Massive since 2025-10-30, and both lead to it. @default 'massive' */
  readonly brand?: PolygonBrand | undefined
  /** Whole address of another server that speaks Polygon's protocol. @default the venue's address of market and feed */
  readonly url?: string | undefined
  /**
   * Connections the plan allows to one market: 1 for individuals, 3 for businesses. Only options need more than one.
   * @default 1
   */
  readonly connections?: number | undefined
  /**
   * What the sizes of quotes are multiplied by. The venue's pages have called them round lots of stocks and, since,
   * shares: 100 where they turn out to be lots.
   * @default 1
   */
  readonly lotSize?: number | undefined
  /**
   * Address of the REST API that history and latest values come from: `https://host`, a path may follow.
   * @default the venue's; where `url` is given, the same host and port by http or https
   */
  readonly restUrl?: string | undefined
  /** Questions a minute the plan allows to REST; the free one has 5. @default 600 */
  readonly requestsPerMinute?: number | undefined
  /** Another transport, for tests; without `httpGet` beside it there is no history either. @default `ws` */
  readonly openSocket?: OpenSocket | undefined
  /** What carries questions to the REST API: `openHttp({ proxy, noProxy, ca })`, or a test. @default `openHttp()` */
  readonly httpGet?: HttpGet | undefined
  /**
   * Time of the REST side, for tests. Providers that share a clock share the quota of an account.
   * @default the machine's, one for the whole process
   */
  readonly clock?: Clock | undefined
}

/** Pairs in one request: others of its clients send as many. */
const MOST_PAIRS = 500

/**
 * Polygon.io, called Massive since 2025: US stocks (trades, quotes, bars of 1s and 1m, LULD bands, imbalances), options
 * (trades, quotes, bars), crypto (trades, quotes, bars), forex (quotes, bars) and indices (values as tickers, bars); and
 * its REST API: history and the latest values. It takes a key, and for the stream a paid plan.
 * @throws MISSING_KEY, BAD_KEY, UNKNOWN_FEED, BAD_OPTION
 */
export function polygon(options: PolygonOptions = {}): Provider {
  const { openSocket, httpGet, url, restUrl, requestsPerMinute, clock } = options
  const transport = openSocket ? { openSocket } : {}
  const description = polygonDescription(options)
  const { id, symbol } = description
  const provider: Provider = {
    ...websocketProvider(description, transport),
    // What the venue has granted is known by connection, so each has a description of its own.
    connect: link => websocketProvider(polygonDescription(options), transport).connect(link),
  }
  // A transport of one's own does not lead to the venue, so neither may questions about the past.
  if (openSocket && !httpGet) {
    return { ...provider, capabilities: { ...provider.capabilities, history: false } }
  }
  const [market, feed] = [chooseMarket(options.market), chooseFeed(options.feed)]
  const stream = url ?? streamUrl(market.name, feed, domainOf(options.brand))
  const rest = { key: options.key!, stream, restUrl, httpGet, clock, requestsPerMinute, market }
  const instruments = instrumentsOf(market, new RestClient(rest), id)
  return {
    ...provider,
    ...polygonHistory({ ...rest, id, symbol, feed, lot: options.lotSize ?? 1 }),
    check: polygonCheck(rest),
    ...(instruments && { instruments }),
  }
}

/** The venue as data and pure functions, for one connection. @throws as {@link polygon} */
export function polygonDescription(options: PolygonOptions): WebSocketDescription {
  const [market, feed] = [chooseMarket(options.market), chooseFeed(options.feed)]
  const domain = domainOf(options.brand)
  const { connections = 1, lotSize: lot = 1 } = options
  checkCount('connections', connections, 'Plans of individuals allow 1, those of businesses 3.')
  checkCount('lotSize', lot, 'It is 1 for shares, 100 for round lots.')
  if (options.requestsPerMinute !== undefined) {
    checkCount('requestsPerMinute', options.requestsPerMinute, 'The free plan has 5.')
  }
  const key = checkKey(options.key)
  const url = options.url ?? streamUrl(market.name, feed, domain)
  const pairFor = (topic: Topic) => {
    const channel = channelOf(topic, market, feed)
    return channel && pairOf(channel, topic.symbol, market)
  }
  const statuses = new Statuses(pairFor)
  const say = (action: string, pairs: readonly string[]) =>
    JSON.stringify({ action, params: pairs.join(',') })
  const flags = feed.nature === 'delayed' ? Flag.delayed : 0
  return {
    id: market.id,
    capabilities: capabilities(market, feed, connections),
    url,
    // The venue counts the connections of a key to a market, those of all its hosts together.
    account: `${options.url ?? `polygon ${market.name}`} ${digestOf(key)}`,
    welcomes: true,
    greet: () => [JSON.stringify({ action: 'auth', params: key })],
    subscribe: topics =>
      requests(topics, topic => channelOf(topic, market, feed)).map(part => {
        const pairs = unique(part.map(pairFor))
        const frame = () => {
          statuses.asked(pairs)
          return say('subscribe', pairs)
        }
        return { frame, topics: part }
      }),
    unsubscribe: (topics, held) => {
      const needed = new Set(held.map(pairFor))
      const pairs = unique(topics.map(pairFor)).filter(pair => !needed.has(pair))
      return chunks(pairs).map((part): Request => {
        const frame = () => {
          statuses.released(part)
          return say('unsubscribe', part)
        }
        return { frame, topics: [] }
      })
    },
    // Refusals name nothing, so one request is asked at a time.
    serialMs: 4_000,
    // The venue sends none of its own; its Python client asks as often.
    ping: { everyMs: 20_000, timeoutMs: 10_000 },
    handshakeTimeoutMs: 10_000,
    maxFrameBytes: 16 * 1_024 * 1_024,
    verdict: fault => polygonVerdict(market, feed, fault),
    symbol: text => symbolOf(text, market),
    selects: true,
    decoder(context) {
      statuses.attach(context)
      const { source, interest } = context
      return new PolygonDecoder({ source, interest, market, flags, lot, statuses })
    },
  }
}

function capabilities(market: Market, feed: FeedInfo, connections: number): Capabilities {
  const kinds = kindsOf(market, feed)
  const { symbolsPerConnection } = market
  return {
    title: `Polygon ${market.name} (${feed.title})`,
    kinds,
    barIntervals: Object.keys(market.bars) as Interval[],
    wildcard: kinds.filter(kind => !market.named.includes(kind)),
    // Contracts expire.
    ...(market.name !== 'options' && { example: market.example }),
    nature: feed.nature,
    auth: 'key',
    keysPage: KEYS_PAGE,
    limits: { connections, ...(symbolsPerConnection && { symbolsPerConnection }) },
    history: true,
    millisecondTimes: true,
    facts: POLYGON_FACTS,
    silenceHint: market.silence,
  }
}

/** Topics in runs that make one request each: of one channel, as a plan has or lacks those. */
function requests(
  topics: readonly Topic[],
  channelFor: (topic: Topic) => string | undefined,
): readonly (readonly Topic[])[] {
  const byChannel = new Map<string, Topic[]>()
  for (const topic of topics) {
    const channel = channelFor(topic)
    if (channel === undefined) continue
    const list = byChannel.get(channel)
    if (list) list.push(topic)
    else byChannel.set(channel, [topic])
  }
  return [...byChannel.values()].flatMap(chunks)
}

function chunks<T>(list: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < list.length; i += MOST_PAIRS) parts.push(list.slice(i, i + MOST_PAIRS))
  return parts
}

const unique = (pairs: readonly (string | undefined)[]) =>
  [...new Set(pairs)].filter(pair => pair !== undefined)

/** A key names an account without being told to anybody. */
const digestOf = (key: string) => createHash('sha256').update(key).digest('hex').slice(0, 12)

/** @throws MISSING_KEY, BAD_KEY; neither ever repeats the value */
function checkKey(value: string | undefined): string {
  const hint = `Keys are shown at ${KEYS_PAGE} (a stream takes a paid plan)`
  if (value === undefined) {
    throw new TickwireError('MISSING_KEY', 'polygon needs a key and none was given', {
      hint: `${hint}; pass { key }, or set POLYGON_API_KEY or MASSIVE_API_KEY.`,
    })
  }
  const fault =
    typeof value !== 'string'
      ? 'is not text'
      : value === ''
        ? 'is empty'
        : /\s/.test(value)
          ? 'has white space in it'
          : /[^!-~]/.test(value)
            ? 'has characters no key has'
            : undefined
  if (fault) throw new TickwireError('BAD_KEY', `the polygon key ${fault}`, { hint })
  return value
}

/** @throws BAD_OPTION */
function checkCount(name: string, value: number, hint: string): void {
  if (Number.isInteger(value) && value >= 1) return
  throw new TickwireError('BAD_OPTION', `${name} must be 1 or more, not ${value}`, { hint })
}

/** @throws BAD_SYMBOL */
function symbolOf(text: string, market: Market): string {
  if (text.trim() === ANY) return ANY
  const symbol = isOf(market, text) ? market.symbol(text) : undefined
  if (symbol !== undefined) return symbol
  const others = MARKET_NAMES.filter(name => isOf(MARKETS[name], text))
  const way = others.length > 0 ? ` It may be one of ${others.join(' or ')}: set market.` : ''
  throw new TickwireError('BAD_SYMBOL', `not a symbol of ${market.name}: ${JSON.stringify(text)}`, {
    hint: `Write it as in ${market.example}, or * for all.${way}`,
  })
}

function isOf(market: Market, text: string): boolean {
  try {
    return market.symbol(text) !== undefined
  } catch (thrown) {
    if (thrown instanceof TickwireError && thrown.code === 'BAD_SYMBOL') return false
    throw thrown
  }
}
