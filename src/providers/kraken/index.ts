import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import type { OpenSocket } from '../../base/socket.ts'
import type { Request, WebSocketDescription } from '../../feed/description.ts'
import type { Capabilities, Provider, VenueCheck } from '../../feed/provider.ts'
import { timeCheck } from '../../feed/time-check.ts'
import { inTurn } from '../../feed/turns.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import type { Topic } from '../../market/topics.ts'
import { INTERVAL_NAMES, type KrakenChannel, type Stream, streamOf } from './channels.ts'
import { krakenDecoder } from './codec.ts'
import { KRAKEN_FACTS } from './facts.ts'
import { krakenHistory } from './history.ts'
import { krakenVerdict } from './replies.ts'
import { KrakenRest, type RestOptions } from './rest.ts'
import { krakenSymbol } from './symbols.ts'

export interface KrakenOptions {
  /**
   * Levels a side of a book: 25, 100, 500 or 1000. The venue has 10 too; with those its checksum cannot be worked out
   * after each removal, and its own programs take 25 instead.
   * @default 25
   */
  readonly depth?: KrakenDepth
  /**
   * Connections to spread many symbols over. The venue publishes no limit, but counts the attempts of an address: about 150
   * in ten minutes.
   * @default 1
   */
  readonly connections?: number
  /** Address of another server that speaks Kraken's protocol. @default 'wss://ws.kraken.com/v2' */
  readonly url?: string | undefined
  /** Address of the REST API. @default 'https://api.kraken.com'; the host of another `url` */
  readonly restUrl?: string | undefined
  /** Another transport, for tests; without `httpGet` beside it there is no history either. @default `ws` */
  readonly openSocket?: OpenSocket | undefined
  /** What carries questions to the REST API: `openHttp({ proxy, noProxy, ca })`, or a test. @default `openHttp()` */
  readonly httpGet?: HttpGet | undefined
  /** Time of the REST side, for tests. @default the machine's, one for the whole process */
  readonly clock?: Clock | undefined
}

/** https://docs.kraken.com/api/docs/websocket-v2/book */
export const KRAKEN_DEPTHS = [25, 100, 500, 1_000] as const
export type KrakenDepth = (typeof KRAKEN_DEPTHS)[number]

const STREAM = 'wss://ws.kraken.com/v2'
/** Symbols of one message. */
const CHUNK = 100

/**
 * Kraken's spot market, WebSocket v2, without a key: trades, quotes, tickers, candles, books (every message checked by
 * its checksum) and the status of pairs; and its REST API: history of trades and candles, the latest of each, of quotes
 * and books, and the instruments.
 * @throws BAD_OPTION
 */
export function kraken(options: KrakenOptions = {}): Provider {
  const { openSocket, httpGet, clock } = options
  const description = krakenDescription(options)
  const provider = websocketProvider(description, openSocket ? { openSocket } : {})
  // A transport of one's own does not lead to the venue, so neither may questions about the past.
  if (openSocket && !httpGet) {
    return { ...provider, capabilities: { ...provider.capabilities, history: false } }
  }
  const rest = { restUrl: restBase(options), httpGet, clock }
  return {
    ...provider,
    ...krakenHistory({ id: description.id, ...rest }),
    check: checkOf(options.url ?? STREAM, rest),
  }
}

function checkOf(url: string, options: RestOptions): VenueCheck {
  const { httpGet = openHttp() } = options
  const { base, clock } = new KrakenRest({ ...options, httpGet })
  return timeCheck({
    ...{ addresses: [url, base], httpGet, clock },
    grants: ['public market data', '1 request a second'],
    time: async (get, signal) =>
      (await new KrakenRest({ ...options, httpGet: get, tries: 1 }).ask('Time', {}, signal))
        .unixtime,
  })
}

/** Where questions go: to the venue for its own stream, else to the server of the stream. */
function restBase({ url, restUrl }: KrakenOptions): string | undefined {
  // An address that is none is told of when it is connected to.
  if (restUrl !== undefined || url === undefined || !URL.canParse(url)) return restUrl
  const { protocol, host, hostname } = new URL(url)
  if (/(^|\.)kraken\.com$/.test(hostname)) return undefined
  return `${protocol === 'ws:' ? 'http:' : 'https:'}//${host}`
}

/** The venue as data and pure functions. @throws as {@link kraken} */
export function krakenDescription(options: KrakenOptions = {}): WebSocketDescription {
  const { depth = 25, connections = 1, url = STREAM } = options
  if (!KRAKEN_DEPTHS.includes(depth)) {
    throw new TickwireError('BAD_OPTION', `kraken has no books of depth ${depth}`, {
      hint: `It has ${KRAKEN_DEPTHS.join(', ')}.`,
    })
  }
  if (!Number.isInteger(connections) || connections < 1) {
    throw new TickwireError('BAD_OPTION', `connections must be 1 or more, not ${connections}`)
  }
  return {
    id: 'kraken',
    capabilities: capabilities(connections),
    // About 150 in ten minutes from one address, then none for ten: a few at once, then one in five seconds.
    url: inTurn(url, 15, 5),
    subscribe: (topics, held) => {
      const fresh = new Set(topics)
      const before = held.filter(topic => !fresh.has(topic))
      return requests('subscribe', topics, before, depth)
    },
    unsubscribe: (topics, held) => requests('unsubscribe', topics, held, depth),
    // The list of all pairs need not come again with a book.
    resubscribe: (topic, held) =>
      isBook(topic)
        ? (['unsubscribe', 'subscribe'] as const).flatMap(method =>
            streamRequests(method, [topic], without(held, topic), depth),
          )
        : [],
    // The limit is not published; a client known to run for long keeps to 20.
    pace: { messages: 15, perMs: 1_000 },
    // Something comes every second: a heartbeat where there is nothing else. Pings keep a link open that has little.
    ping: { everyMs: 5_000, timeoutMs: 5_000, frame: '{"method":"ping"}' },
    handshakeTimeoutMs: 10_000,
    // The pairs of the instrument channel come in one frame, which grows with the venue.
    maxFrameBytes: 16 * 1_024 * 1_024,
    verdict: krakenVerdict,
    symbol: krakenSymbol,
    selects: true,
    decoder: context => krakenDecoder(context, depth),
  }
}

function capabilities(connections: number): Capabilities {
  return {
    title: 'Kraken',
    kinds: ['trade', 'quote', 'ticker', 'bar', 'book', 'status'],
    barIntervals: INTERVAL_NAMES,
    wildcard: [],
    nature: 'live',
    auth: 'none',
    limits: { connections, ...(connections > 1 && { symbolsPerConnection: 200 }) },
    history: ['trade', 'bar'],
    facts: KRAKEN_FACTS,
    silenceHint:
      'Kraken trades at all hours, but small pairs can be without a trade for long: quotes and books move more often; for much traffic try BTC/USD',
  }
}

/** Messages by stream, the channel of instruments among them; one that `others` still need is not let go. */
function requests(
  method: 'subscribe' | 'unsubscribe',
  topics: readonly Topic[],
  others: readonly Topic[],
  depth: number,
): Request[] {
  const list: Request[] = []
  const asks = method === 'subscribe'
  const waiting = asks ? topics.filter(isStatus) : []
  // Asked for again, the venue says that it is there, which the decoder takes for an answer.
  if (waiting.length > 0 || (topics.some(needsInstruments) && !others.some(needsInstruments))) {
    const params = { channel: 'instrument', ...(asks && { snapshot: true }) }
    list.push({ frame: frameOf(method, params), topics: waiting })
  }
  return [...list, ...streamRequests(method, topics, others, depth)]
}

/** Those that name symbols. */
function streamRequests(
  method: 'subscribe' | 'unsubscribe',
  topics: readonly Topic[],
  others: readonly Topic[],
  depth: number,
): Request[] {
  const list: Request[] = []
  const asks = method === 'subscribe'
  for (const [stream, members] of byStream(topics)) {
    const kept = new Set(asks ? [] : symbolsOn(stream, others))
    const symbols = [...new Set(members.map(topic => topic.symbol))].filter(it => !kept.has(it))
    for (let i = 0; i < symbols.length; i += CHUNK) {
      const chunk = symbols.slice(i, i + CHUNK)
      const params = { channel: stream.channel, symbol: chunk, ...extras(stream, depth, asks) }
      const wanted = members.filter(topic => chunk.includes(topic.symbol))
      list.push({ frame: frameOf(method, params), topics: asks ? wanted : [] })
    }
  }
  return list
}

const without = (topics: readonly Topic[], { kind, symbol }: Topic) =>
  topics.filter(other => other.kind !== kind || other.symbol !== symbol)

const frameOf = (method: string, params: object) => (id: number) =>
  JSON.stringify({ method, params, req_id: id })

const isBook = ({ kind }: Topic) => kind === 'book'
const isStatus = ({ kind }: Topic) => kind === 'status'
/** Of books the channel has the precisions that their checksums may need. */
const needsInstruments = (topic: Topic) => isBook(topic) || isStatus(topic)

/** What a channel wants to know beside the symbols; some of it is part of a subscription's name. */
function extras({ channel, minutes }: Stream, depth: number, asks: boolean): object {
  switch (channel) {
    case 'ticker':
      return { event_trigger: 'bbo', ...(asks && { snapshot: true }) }
    case 'ohlc':
      return { interval: minutes, ...(asks && { snapshot: false }) }
    case 'book':
      return { depth, ...(asks && { snapshot: true }) }
    default:
      return asks ? { snapshot: false } : {}
  }
}

/** Topics by stream, those of the instrument channel left out. */
function byStream(topics: readonly Topic[]): Map<Stream, Topic[]> {
  const streams = new Map<string, Stream>()
  const lists = new Map<Stream, Topic[]>()
  for (const topic of topics) {
    const found = streamOf(topic)
    if (!found || found.channel === 'instrument') continue
    const key = keyOf(found)
    const stream = streams.get(key) ?? found
    streams.set(key, stream)
    const list = lists.get(stream)
    if (list) list.push(topic)
    else lists.set(stream, [topic])
  }
  return lists
}

const keyOf = ({ channel, minutes }: { channel: KrakenChannel; minutes: number | undefined }) =>
  `${channel} ${minutes ?? ''}`

function symbolsOn(stream: Stream, topics: readonly Topic[]): string[] {
  return topics.flatMap(topic => {
    const other = streamOf(topic)
    return other && keyOf(other) === keyOf(stream) ? [topic.symbol] : []
  })
}
