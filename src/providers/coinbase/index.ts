import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import type { OpenSocket } from '../../base/socket.ts'
import type { Request, WebSocketDescription } from '../../feed/description.ts'
import type { Capabilities, Provider } from '../../feed/provider.ts'
import { timeCheck } from '../../feed/time-check.ts'
import { inTurn } from '../../feed/turns.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import { formatTopic, type Topic } from '../../market/topics.ts'
import { STREAM_INTERVALS, streamOf } from './channels.ts'
import { CoinbaseDecoder } from './codec.ts'
import { COINBASE_FACTS } from './facts.ts'
import { coinbaseHistory } from './history.ts'
import { coinbaseInstruments, coinbaseLatest } from './latest.ts'
import { asMap } from './plain.ts'
import { coinbaseVerdict } from './replies.ts'
import { RestClient } from './rest.ts'
import { coinbaseSymbol } from './symbols.ts'

export interface CoinbaseOptions {
  /** Connections that many pairs are spread over, ten to each: the venue refuses more books. @default 8 */
  readonly connections?: number
  /** Address of another server that speaks the protocol. @default 'wss://advanced-trade-ws.coinbase.com' */
  readonly url?: string | undefined
  /**
   * Address of Advanced Trade's REST API: candles, books, tickers, products.
   * @default 'https://api.coinbase.com/api/v3/brokerage'; where `url` leads elsewhere, the same path there
   */
  readonly restUrl?: string | undefined
  /**
   * Address of the Exchange's REST API: trades by number.
   * @default 'https://api.exchange.coinbase.com'; where `url` leads elsewhere, the same host and port
   */
  readonly exchangeUrl?: string | undefined
  /** Another transport, for tests; without `httpGet` beside it there is no history. @default `ws` */
  readonly openSocket?: OpenSocket
  /** What carries questions to REST: `openHttp({ proxy, noProxy, ca })`, or a test. @default `openHttp()` */
  readonly httpGet?: HttpGet | undefined
  /**
   * Time of the REST side, for tests. Providers that share a clock share the quota of the address.
   * @default the machine's, one for the whole process
   */
  readonly clock?: Clock | undefined
}

const STREAM = 'wss://advanced-trade-ws.coinbase.com'
const ADVANCED = 'https://api.coinbase.com/api/v3/brokerage'
const EXCHANGE = 'https://api.exchange.coinbase.com'

/** Books of 16 products were taken, of 32 refused. */
const PAIRS_PER_CONNECTION = 10
/** Products in one message. */
const CHUNK = 100

/**
 * Coinbase's spot market (Advanced Trade): trades, books, quotes worked out of the books, tickers and candles of five
 * minutes, with history, latest values and instruments. It takes no key. `BTC/USDC` and the like are the market of
 * `BTC/USD`, as they are at the venue.
 * @throws BAD_OPTION
 */
export function coinbase(options: CoinbaseOptions = {}): Provider {
  const { openSocket, httpGet = openHttp(), clock } = options
  const description = coinbaseDescription(options)
  const provider = websocketProvider(description, openSocket ? { openSocket } : {})
  const other = otherHost(options.url)
  const { restUrl = other ? `${other}/api/v3/brokerage` : ADVANCED } = options
  const { exchangeUrl = other ?? EXCHANGE } = options
  const advanced = addressOf('restUrl', restUrl)
  const exchange = addressOf('exchangeUrl', exchangeUrl)
  // A transport of one's own does not lead to the venue, so neither may questions about the past.
  if (openSocket && !options.httpGet) {
    return { ...provider, capabilities: { ...provider.capabilities, history: false } }
  }
  const restOptions = { advanced, exchange, httpGet, clock }
  const rest = new RestClient(restOptions)
  const { id } = description
  return {
    ...provider,
    history: request => coinbaseHistory(rest, id, request),
    latest: request => coinbaseLatest(rest, id, request),
    instruments: signal => coinbaseInstruments(rest, signal),
    check: timeCheck({
      ...{ addresses: [options.url ?? STREAM, advanced, exchange], httpGet, clock: rest.clock },
      grants: ['public market data', '10 requests a second'],
      time: async (get, signal) => {
        const once = new RestClient({ ...restOptions, httpGet: get, tries: 1 })
        return Number(asMap(await once.ask('advanced', 'time', {}, signal))?.epochSeconds)
      },
    }),
  }
}

/** The venue as data and pure functions. @throws BAD_OPTION */
export function coinbaseDescription(options: CoinbaseOptions = {}): WebSocketDescription {
  const { connections = 8, url = STREAM } = options
  if (!Number.isInteger(connections) || connections < 1) {
    throw new TickwireError('BAD_OPTION', `connections must be 1 or more, not ${connections}`)
  }
  return {
    id: 'coinbase',
    capabilities: capabilities(connections),
    // Eight a second may be made, but each asks for what it carries, and has to within five seconds.
    url: inTurn(url, 60, 2),
    subscribe: (topics, held) => {
      const fresh = new Set(topics.map(formatTopic))
      const others = held.filter(topic => !fresh.has(formatTopic(topic)))
      // A book that others hold gives its snapshot to whoever begins anew only.
      const shared = new Set(others.map(streamOf))
      const anew = topics.filter(topic => isBook(topic) && shared.has(streamOf(topic)))
      return [
        ...(others.length === 0 ? [HEARTBEATS] : []),
        ...messages('unsubscribe', anew, []),
        ...messages('subscribe', topics, []),
      ]
    },
    unsubscribe: (topics, held) => messages('unsubscribe', topics, held),
    resubscribe: (topic, held) => {
      if (!isBook(topic)) return []
      // One snapshot serves all who hold the book.
      const stream = streamOf(topic)
      const first = held.find(other => streamOf(other) === stream)
      if (first && formatTopic(first) !== formatTopic(topic)) return []
      return [...messages('unsubscribe', [topic], []), ...messages('subscribe', [topic], [])]
    },
    // Eight a second from an address without a key, over however many connections.
    pace: { messages: 7, perMs: 1_000, shared: `messages to ${url}` },
    // A heartbeat comes each second.
    ping: { everyMs: 5_000, timeoutMs: 5_000 },
    handshakeTimeoutMs: 10_000,
    // The snapshot of a book is one message of several MB.
    maxFrameBytes: 128 * 1_024 * 1_024,
    verdict: coinbaseVerdict,
    symbol: coinbaseSymbol,
    selects: true,
    decoder: context => new CoinbaseDecoder(context),
  }
}

function capabilities(connections: number): Capabilities {
  return {
    title: 'Coinbase (Advanced Trade)',
    kinds: ['trade', 'quote', 'ticker', 'bar', 'book'],
    barIntervals: STREAM_INTERVALS,
    wildcard: [],
    nature: 'live',
    auth: 'none',
    limits: { connections, symbolsPerConnection: PAIRS_PER_CONNECTION },
    history: ['trade', 'bar'],
    facts: COINBASE_FACTS,
    silenceHint:
      'Coinbase trades at all hours, but small pairs can be without a trade for long; for much traffic try BTC/USD.',
  }
}

/** Channels close after a minute without an update; this one has one each second. */
const HEARTBEATS: Request = {
  frame: JSON.stringify({ type: 'subscribe', channel: 'heartbeats' }),
  topics: [],
}

const isBook = ({ kind }: Topic) => kind === 'book' || kind === 'quote'

/** Messages of one channel each, with the products that `kept` does not need. */
function messages(
  type: 'subscribe' | 'unsubscribe',
  topics: readonly Topic[],
  kept: readonly Topic[],
) {
  const keep = new Set(kept.map(streamOf))
  const channels = new Map<string, Map<string, Topic[]>>()
  for (const topic of topics) {
    const stream = streamOf(topic)
    if (stream === undefined || keep.has(stream)) continue
    const [channel = '', product = ''] = stream.split(' ')
    const products = channels.get(channel) ?? new Map<string, Topic[]>()
    channels.set(channel, products.set(product, [...(products.get(product) ?? []), topic]))
  }
  const requests: Request[] = []
  for (const [channel, products] of channels) {
    const all = [...products]
    for (let i = 0; i < all.length; i += CHUNK) {
      const chunk = all.slice(i, i + CHUNK)
      const product_ids = chunk.map(([product]) => product)
      requests.push({
        frame: JSON.stringify({ type, product_ids, channel }),
        topics: type === 'subscribe' ? chunk.flatMap(([, list]) => list) : [],
      })
    }
  }
  return requests
}

/** Where another server than the venue's is taken to answer REST: on the port of its stream. */
function otherHost(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { protocol, host, hostname } = new URL(url)
  if (hostname.endsWith('.coinbase.com')) return undefined
  return `${protocol === 'ws:' ? 'http:' : 'https:'}//${host}`
}

/** @throws BAD_OPTION */
function addressOf(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') {
    return url.origin + url.pathname.replace(/\/+$/, '')
  }
  throw new TickwireError('BAD_OPTION', `${name} is no address of a REST server`, {
    hint: 'It must begin with https:// (or http://) and have no ?query or #fragment.',
  })
}
