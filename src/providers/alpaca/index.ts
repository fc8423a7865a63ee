import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { encodeMsgpack } from '../../base/msgpack.ts'
import type { OpenSocket } from '../../base/socket.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { Frame, WebSocketDescription } from '../../feed/description.ts'
import type { Capabilities, Provider } from '../../feed/provider.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import { Flag } from '../../market/events.ts'
import { ANY, type Topic } from '../../market/topics.ts'
import { alpacaCheck } from './check.ts'
import { type AlpacaCodec, alpacaDecoder, CONTENT_TYPES } from './codec.ts'
import { ALPACA_FACTS } from './facts.ts'
import {
  type AlpacaFeed,
  type Channel,
  channelsOf,
  channelsOfFeed,
  chooseFeed,
  FEEDS,
  feedUrl,
  kindsOfFeed,
  MARKETS,
  venueSymbol,
} from './feeds.ts'
import { alpacaHistory } from './history.ts'
import { repairsOf } from './history-markets.ts'
import type { Market } from './market.ts'
import type { CryptoFeed } from './market-crypto.ts'
import type { OptionFeed } from './market-options.ts'
import type { StockFeed } from './market-stocks.ts'
import { alpacaVerdict, KEYS_PAGE } from './verdict.ts'

export type { AlpacaCodec } from './codec.ts'
export type { AlpacaFeed, AlpacaMarket } from './feeds.ts'
export type { CryptoFeed } from './market-crypto.ts'
export type { OptionFeed } from './market-options.ts'
export type { StockFeed } from './market-stocks.ts'

/** What all markets have in common. */
export interface AlpacaConnectionOptions {
  /** API key id. Made at https://app.alpaca.markets/paper/dashboard/overview */
  readonly key?: string | undefined
  /** The key's secret. */
  readonly secret?: string | undefined
  /** Whole address of another server that speaks Alpaca's protocol. @default the venue's address of the feed */
  readonly url?: string
  /**
   * Connections the plan allows to one feed: 1 for individuals, 5 for broker plans. Many symbols are spread over them.
   * @default 1
   */
  readonly connections?: number
  /**
   * Address of the REST API that history and latest values come from: `https://host`, a path may follow.
   * @default the venue's; where `url` is given, the same host and port by http or https
   */
  readonly restUrl?: string | undefined
  /** Another transport, for tests; without `httpGet` beside it there is no history either. @default `ws` */
  readonly openSocket?: OpenSocket
  /** What carries questions to the REST API: `openHttp({ proxy, noProxy, ca })`, or a test. @default `openHttp()` */
  readonly httpGet?: HttpGet | undefined
  /**
   * Time of the REST side, for tests. Providers that share a clock share the quota of an account.
   * @default the machine's, one for the whole process
   */
  readonly clock?: Clock | undefined
}

interface AnyCodec {
  /** How messages are written on the wire; msgpack is smaller and faster. @default 'msgpack' */
  readonly codec?: AlpacaCodec
}

/** US stocks. */
export interface AlpacaStockOptions extends AlpacaConnectionOptions, AnyCodec {
  /** @default 'stocks' */
  readonly market?: 'stocks'
  /**
   * Which of the stock feeds: `iex` (free), `sip`, `delayed_sip` (15 minutes late), `boats`, `overnight`, or `test`
   * (symbol FAKEPACA, at any hour).
   * @default 'iex'
   */
  readonly feed?: StockFeed
}

/** Crypto pairs, with order books. */
export interface AlpacaCryptoOptions extends AlpacaConnectionOptions, AnyCodec {
  readonly market: 'crypto'
  /** Whose market: `us` is Alpaca's own, `us-1` Kraken's in the US, `eu-1` Kraken's in Europe. @default 'us' */
  readonly feed?: CryptoFeed
}

/** US options. The venue sends them as msgpack only. */
export interface AlpacaOptionOptions extends AlpacaConnectionOptions {
  readonly market: 'options'
  /** `indicative` (free: quotes are modified, trades 15 minutes late) or `opra`. @default 'indicative' */
  readonly feed?: OptionFeed
  /** @default 'msgpack' */
  readonly codec?: 'msgpack'
}

/** News, which come in one stream. */
export interface AlpacaNewsOptions extends AlpacaConnectionOptions, AnyCodec {
  readonly market: 'news'
  readonly feed?: undefined
}

/** The market decides which feeds there are. */
export type AlpacaOptions =
  | AlpacaStockOptions
  | AlpacaCryptoOptions
  | AlpacaOptionOptions
  | AlpacaNewsOptions

/** A browser or a proxy in between may take a longer message apart, and no venue is known to like one. */
const MAX_REQUEST_BYTES = 16_384
/** Action and names of all channels. */
const REQUEST_OVERHEAD_BYTES = 256

/**
 * Alpaca's streams, one for each market: stocks (trades, quotes, bars of 1m and 1d, statuses, LULD bands, imbalances,
 * corrections, cancels), crypto (trades, quotes, bars, books), options (trades, quotes) and news; and its REST API:
 * history and the latest values, as far as there are any for the feed.
 * @throws MISSING_KEY, BAD_KEY, UNKNOWN_FEED (also for a feed of another market), BAD_OPTION, UNSUPPORTED (options as JSON)
 */
export function alpaca(options: AlpacaOptions = {}): Provider {
  const { openSocket, url, restUrl, httpGet, clock } = options
  const description = alpacaDescription(options)
  // The description has checked them.
  const [key, secret] = [options.key!, options.secret!]
  const feed = chooseFeed(options.market, options.feed)
  const { id, symbol } = description
  const provider = websocketProvider(description, openSocket ? { openSocket } : {})
  // A transport of one's own does not lead to the venue, so neither may questions about the past.
  if (openSocket && !httpGet) {
    return { ...provider, capabilities: { ...provider.capabilities, history: false } }
  }
  const rest = { feed, key, secret, url, restUrl, httpGet, clock }
  return { ...provider, ...alpacaHistory({ ...rest, id, symbol }), check: alpacaCheck(rest) }
}

/** The venue as data and pure functions. @throws as {@link alpaca} */
export function alpacaDescription(options: AlpacaOptions): WebSocketDescription {
  const { codec = 'msgpack', connections = 1 } = options
  const feed = chooseFeed(options.market, options.feed)
  const { market, nature } = FEEDS[feed]
  checkCodec(codec, feed)
  if (!Number.isInteger(connections) || connections < 1) {
    throw new TickwireError('BAD_OPTION', `connections must be 1 or more, not ${connections}`, {
      hint: 'Plans of individuals allow 1, broker plans 5.',
    })
  }
  const key = checkKey('key', options.key)
  const secret = checkKey('secret', options.secret)
  const encode = (message: object): Frame =>
    codec === 'json' ? JSON.stringify(message) : encodeMsgpack(message)
  // Where only trades are late, the decoder says so of each.
  const flags = nature === 'delayed' && !FEEDS[feed].lateTrades ? Flag.delayed : 0
  const url = options.url ?? feedUrl(feed)
  return {
    id: market.id,
    capabilities: capabilities(feed, connections),
    url,
    // The venue counts connections by account and endpoint; two keys of one account are two here.
    account: `${url} ${key}`,
    headers: { 'Content-Type': CONTENT_TYPES[codec] },
    welcomes: true,
    greet: () => [encode({ action: 'auth', key, secret })],
    subscribe: topics =>
      chunked(topics.filter(topic => channelsOf(topic, feed).length > 0)).map(chunk => ({
        frame: encode({ action: 'subscribe', ...lists(chunk, [], feed) }),
        topics: chunk,
      })),
    unsubscribe: (topics, held) =>
      chunked(topics)
        .map(chunk => lists(chunk, held, feed))
        .filter(drop => Object.keys(drop).length > 0)
        .map(drop => ({ frame: encode({ action: 'unsubscribe', ...drop }), topics: [] })),
    // The venue expects a ping now and then; its other clients send one every 10 s and wait 5 s.
    ping: { everyMs: 10_000, timeoutMs: 5_000 },
    // The venue itself gives up on an authentication after 10 s.
    handshakeTimeoutMs: 10_000,
    maxFrameBytes: 16 * 1_024 * 1_024,
    verdict: fault => alpacaVerdict(feed, fault),
    symbol: text => symbolOf(text, market),
    selects: true,
    decoder: ({ source, interest }) => alpacaDecoder(codec, { source, interest, flags, feed }),
  }
}

function capabilities(feed: AlpacaFeed, connections: number): Capabilities {
  const { market, title, nature, sessions, silence } = FEEDS[feed]
  const kinds = kindsOfFeed(feed)
  const { symbolsPerConnection } = market
  return {
    title: `Alpaca ${market.title} (${feed === 'news' ? '' : `${feed}: `}${title})`,
    kinds,
    barIntervals: market.barIntervals.filter(
      interval => interval !== '1d' || channelsOfFeed(feed).includes('dailyBars'),
    ),
    wildcard: market.wildcard.filter(kind => kinds.includes(kind)),
    ...(feed === 'test' && { symbols: ['FAKEPACA'] }),
    nature,
    ...(sessions && { sessions }),
    auth: 'key',
    keysPage: KEYS_PAGE,
    // Basic plan: one connection per feed, 30 symbols of trades and quotes. Paid plans carry more symbols.
    limits: { connections, ...(symbolsPerConnection && { symbolsPerConnection }) },
    history: repairsOf(feed),
    // Nanoseconds: https://docs.alpaca.markets/docs/real-time-stock-pricing-data
    exactTimes: true,
    facts: ALPACA_FACTS,
    silenceHint: silence,
  }
}

/** @throws BAD_OPTION, UNSUPPORTED */
function checkCodec(codec: AlpacaCodec, feed: AlpacaFeed): void {
  if (!Object.hasOwn(CONTENT_TYPES, codec)) {
    throw new TickwireError('BAD_OPTION', `no such codec: ${JSON.stringify(codec)}`, {
      hint: didYouMean(String(codec), Object.keys(CONTENT_TYPES)),
    })
  }
  if (codec === 'json' && FEEDS[feed].market === MARKETS.options) {
    // It would answer 412.
    throw new TickwireError('UNSUPPORTED', 'alpaca sends options as msgpack only, not as JSON', {
      hint: "Leave codec out, or set it to 'msgpack'; on the command line leave --raw out.",
    })
  }
}

/** @throws MISSING_KEY, BAD_KEY; neither ever repeats the value */
function checkKey(name: 'key' | 'secret', value: string | undefined): string {
  const hint = `Keys are free and made at ${KEYS_PAGE}`
  if (value === undefined) {
    throw new TickwireError('MISSING_KEY', `alpaca needs a ${name} and none was given`, {
      hint: `${hint}; pass { key, secret }, or set APCA_API_KEY_ID and APCA_API_SECRET_KEY.`,
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
  if (fault) throw new TickwireError('BAD_KEY', `the alpaca ${name} ${fault}`, { hint })
  return value
}

/** @throws BAD_SYMBOL */
function symbolOf(text: string, { symbol, wrongSymbol }: Market): string {
  if (text.trim() === ANY) return ANY
  const canonical = symbol(text)
  if (canonical !== undefined) return canonical
  const { message, hint } = wrongSymbol
  throw new TickwireError('BAD_SYMBOL', `${message}: ${JSON.stringify(text)}`, { hint })
}

/** The symbols of topics by channel, without those that other topics still need there. */
function lists(
  topics: readonly Topic[],
  needed: readonly Topic[],
  feed: AlpacaFeed,
): Partial<Record<Channel, string[]>> {
  const on = (channel: Channel, list: readonly Topic[]) =>
    new Set(
      list
        .filter(topic => channelsOf(topic, feed).includes(channel))
        .map(({ symbol }) => venueSymbol(symbol, feed)),
    )
  const byChannel: Partial<Record<Channel, string[]>> = {}
  for (const channel of channelsOfFeed(feed)) {
    const keep = on(channel, needed)
    const symbols = [...on(channel, topics)].filter(symbol => !keep.has(symbol))
    if (symbols.length > 0) byChannel[channel] = symbols
  }
  return byChannel
}

/** Topics in runs whose messages stay below {@link MAX_REQUEST_BYTES}. */
function chunked(topics: readonly Topic[]): Topic[][] {
  const chunks: Topic[][] = []
  let left = 0
  for (const topic of topics) {
    // A symbol stands on three channels at most, in quotes and with a comma.
    const bytes = 3 * (topic.symbol.length + 3)
    if (left < bytes) {
      chunks.push([])
      left = MAX_REQUEST_BYTES - REQUEST_OVERHEAD_BYTES
    }
    chunks.at(-1)!.push(topic)
    left -= bytes
  }
  return chunks
}
