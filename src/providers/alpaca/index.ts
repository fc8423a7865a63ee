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
import { type AlpacaCodec, alpacaDecoder, CONTENT_TYPES } from './codec.ts'
import {
  type AlpacaFeed,
  CHANNELS,
  type Channel,
  channelsOf,
  FEED_NAMES,
  FEEDS,
  feedUrl,
} from './feeds.ts'
import { alpacaHistory, hasHistory } from './history.ts'
import { alpacaVerdict, KEYS_PAGE } from './verdict.ts'

export type { AlpacaCodec } from './codec.ts'
export type { AlpacaFeed } from './feeds.ts'

export interface AlpacaOptions {
  /**
   * Which of Alpaca's stock feeds: `iex` (free), `sip`, `delayed_sip` (15 minutes late), `boats`, `overnight`, or
   * `test` (symbol FAKEPACA, at any hour).
   * @default 'iex'
   */
  readonly feed?: AlpacaFeed
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
  /** How messages are written on the wire; msgpack is smaller and faster. @default 'msgpack' */
  readonly codec?: AlpacaCodec
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

/** A browser or a proxy in between may take a longer message apart, and no venue is known to like one. */
const MAX_REQUEST_BYTES = 16_384
/** Action and names of all channels. */
const REQUEST_OVERHEAD_BYTES = 256

/**
 * Alpaca's stock stream: trades, quotes, bars (1m and 1d), statuses, LULD bands, imbalances, corrections, cancels; and
 * its REST API: history of trades, quotes and bars, and the latest of each, as far as there is one for the feed.
 * @throws MISSING_KEY, BAD_KEY, UNKNOWN_FEED, BAD_OPTION
 */
export function alpaca(options: AlpacaOptions = {}): Provider {
  const { openSocket, feed = 'iex', url, restUrl, httpGet, clock } = options
  const description = alpacaDescription(options)
  // The description has checked them.
  const [key, secret] = [options.key!, options.secret!]
  const { id } = description
  const provider = websocketProvider(description, openSocket ? { openSocket } : {})
  // A transport of one's own does not lead to the venue, so neither may questions about the past.
  if (openSocket && !httpGet) {
    return { ...provider, capabilities: { ...provider.capabilities, history: false } }
  }
  return {
    ...provider,
    ...alpacaHistory({
      ...{ id, feed, key, secret, url, restUrl, httpGet, clock, symbol: alpacaSymbol },
    }),
  }
}

/** The venue as data and pure functions. @throws as {@link alpaca} */
export function alpacaDescription(options: AlpacaOptions): WebSocketDescription {
  const { feed = 'iex', codec = 'msgpack' } = options
  if (!FEED_NAMES.includes(feed)) {
    throw new TickwireError('UNKNOWN_FEED', `alpaca has no feed ${JSON.stringify(feed)}`, {
      hint: didYouMean(String(feed), FEED_NAMES),
    })
  }
  if (!Object.hasOwn(CONTENT_TYPES, codec)) {
    throw new TickwireError('BAD_OPTION', `no such codec: ${JSON.stringify(codec)}`, {
      hint: didYouMean(String(codec), Object.keys(CONTENT_TYPES)),
    })
  }
  const { connections = 1 } = options
  if (!Number.isInteger(connections) || connections < 1) {
    throw new TickwireError('BAD_OPTION', `connections must be 1 or more, not ${connections}`, {
      hint: 'Plans of individuals allow 1, broker plans 5.',
    })
  }
  const key = checkKey('key', options.key)
  const secret = checkKey('secret', options.secret)
  const encode = (message: object): Frame =>
    codec === 'json' ? JSON.stringify(message) : encodeMsgpack(message)
  const flags = feed === 'delayed_sip' ? Flag.delayed : 0
  const url = options.url ?? feedUrl(feed)
  return {
    id: 'alpaca',
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
    symbol: alpacaSymbol,
    decoder: context => alpacaDecoder(codec, { ...context, flags, feed }),
  }
}

/** «Don't put 1,000+ symbols on one socket» is Alpaca's advice to its users. */
const SYMBOLS_PER_CONNECTION = 900

function capabilities(feed: AlpacaFeed, connections: number): Capabilities {
  const test = feed === 'test'
  const kinds = ['trade', 'quote', 'bar', 'correction', 'cancel'] as const
  const all = [...kinds, 'status', 'luld', 'imbalance'] as const
  const served = test ? kinds : all
  return {
    title: `Alpaca stocks (${feed}: ${FEEDS[feed].title})`,
    kinds: served,
    barIntervals: test ? ['1m'] : ['1m', '1d'],
    // The free plan takes * for bars only; the venue says so when asked.
    wildcard: served,
    ...(test && { symbols: ['FAKEPACA'] }),
    nature: test ? 'test' : feed === 'delayed_sip' ? 'delayed' : 'live',
    auth: 'key',
    keysPage: KEYS_PAGE,
    // Basic plan: one connection per feed, 30 symbols of trades and quotes. Paid plans carry more symbols.
    limits: { connections, symbolsPerConnection: SYMBOLS_PER_CONNECTION },
    history: hasHistory(feed),
    silenceHint: SILENCE[feed],
  }
}

const TEST_HINT = 'try `--feed test` with symbol FAKEPACA, which ticks around the clock'
const SILENCE: Readonly<Record<AlpacaFeed, string>> = {
  iex: `US stocks trade 04:00–20:00 New York time, Monday to Friday, and IEX sees only a few percent of it: the market may be closed or the symbol quiet; ${TEST_HINT}`,
  sip: `US stocks trade 04:00–20:00 New York time, Monday to Friday: the market may be closed or the symbol quiet; at night try \`--feed overnight\`, or ${TEST_HINT}`,
  delayed_sip: `this feed is 15 minutes late and US stocks trade 04:00–20:00 New York time, Monday to Friday: the market may be closed; ${TEST_HINT}`,
  boats: `Blue Ocean trades 20:00–04:00 New York time, Sunday to Thursday nights; by day try \`--feed iex\`, or ${TEST_HINT}`,
  overnight: `the overnight session runs 20:00–04:00 New York time, Sunday to Thursday nights; by day try \`--feed iex\`, or ${TEST_HINT}`,
  test: 'the test feed knows only the symbol FAKEPACA',
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

/** As the venue writes it: upper case, a class behind a dot (`BRK.B`). */
const SYMBOL = /^[A-Z0-9][A-Z0-9.-]{0,31}$/

/** @throws BAD_SYMBOL */
function alpacaSymbol(text: string): string {
  const symbol = text.trim().toUpperCase()
  if (symbol === ANY || SYMBOL.test(symbol)) return symbol
  throw new TickwireError('BAD_SYMBOL', `not a symbol of a US stock: ${JSON.stringify(text)}`, {
    hint: 'Write it as Alpaca does: AAPL, BRK.B, or * for all.',
  })
}

/** The symbols of topics by channel, without those that other topics still need there. */
function lists(
  topics: readonly Topic[],
  needed: readonly Topic[],
  feed: AlpacaFeed,
): Partial<Record<Channel, string[]>> {
  const on = (channel: Channel, list: readonly Topic[]) =>
    new Set(list.filter(topic => channelsOf(topic, feed).includes(channel)).map(t => t.symbol))
  const byChannel: Partial<Record<Channel, string[]>> = {}
  for (const channel of CHANNELS) {
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
