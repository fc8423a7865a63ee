import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import type { OpenSocket } from '../../base/socket.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { ConnectionContext, Request, WebSocketDescription } from '../../feed/description.ts'
import type { Capabilities, Provider } from '../../feed/provider.ts'
import { timeCheck } from '../../feed/time-check.ts'
import { inTurn } from '../../feed/turns.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import type { Topic } from '../../market/topics.ts'
import { BinanceDecoder } from './codec.ts'
import { BINANCE_FACTS } from './facts.ts'
import { binanceHistory } from './history.ts'
import { binanceInstruments, binanceLatest } from './latest.ts'
import { binanceVerdict } from './replies.ts'
import { isMap, RestClient } from './rest.ts'
import { type BinanceSite, SITE_NAMES, SITES } from './sites.ts'
import { INTERVAL_NAMES, streamOf, type TradeKind } from './streams.ts'
import { Names } from './symbols.ts'

export type { BinanceSite } from './sites.ts'

export interface BinanceOptions {
  /**
   * Which Binance: `com`; `vision`, its hosts for market data alone; or `us`, another venue with prices of its own.
   * @default 'com'
   */
  readonly site?: BinanceSite
  /**
   * Trades each by itself (`raw`), or those of one taker at one price as one (`aggregate`): fewer messages, and a history
   * on all sites.
   * @default 'raw'
   */
  readonly trades?: TradeKind
  /** Connections that many pairs are spread over, each with up to 180. @default 5 */
  readonly connections?: number
  /** Whole address of another server that speaks Binance's protocol. @default the site's */
  readonly url?: string | undefined
  /**
   * Address of REST, which books, history and latest values come from: `https://host`.
   * @default the site's; where `url` leads elsewhere, the same host and port by http or https
   */
  readonly restUrl?: string | undefined
  /** Another transport, for tests; without `httpGet` beside it there are no books and no history. @default `ws` */
  readonly openSocket?: OpenSocket
  /** What carries questions to REST: `openHttp({ proxy, noProxy, ca })`, or a test. @default `openHttp()` */
  readonly httpGet?: HttpGet | undefined
  /**
   * Time of the REST side, for tests. Providers that share a clock share the quota of the address.
   * @default the machine's, one for the whole process
   */
  readonly clock?: Clock | undefined
}

/** A message stays small with so many streams, and the venue says of no limit. */
const NAMES_PER_REQUEST = 200
/** 1024 streams, and a pair may have five of them and more. */
const PAIRS_PER_CONNECTION = 180
/** https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md#general-wss-information */
const LIFE_MS = 86_400_000

/**
 * Binance's spot market: trades, quotes, tickers of 24 hours, candles of fifteen lengths and books, with history, latest
 * values and instruments. It takes no key.
 * @throws BAD_OPTION
 */
export function binance(options: BinanceOptions = {}): Provider {
  const { openSocket, httpGet = openHttp(), clock, trades = 'raw' } = options
  const names = new Names()
  const description = binanceDescription(options, names)
  const stream = openSocket ? { openSocket } : {}
  // A transport of one's own does not lead to the venue, so neither may questions beside it.
  if (openSocket && !options.httpGet) return websocketProvider(description, stream)
  const { hasMicroseconds: micros } = SITES[options.site ?? 'com']
  const restOptions = { base: restBase(options), micros, httpGet, clock }
  const rest = new RestClient(restOptions)
  const { id } = description
  const kinds = historyKinds(options)
  const provider = websocketProvider(
    {
      ...description,
      capabilities: { ...description.capabilities, kinds: [...KINDS, 'book'], history: kinds },
      decoder: context => new BinanceDecoder(context, names, rest),
    },
    stream,
  )
  return {
    ...provider,
    history: request => binanceHistory({ id, names, rest, trades, kinds }, request),
    latest: request => binanceLatest({ id, names, rest, trades }, request),
    instruments: signal => binanceInstruments(rest, signal),
    check: timeCheck({
      ...{ addresses: [streamUrl(options), restOptions.base], httpGet, clock: rest.clock },
      grants: ['public market data', 'a weight of 6,000 a minute'],
      time: async (get, signal) => {
        const once = new RestClient({ ...restOptions, micros: false, httpGet: get, tries: 1 })
        const answer = await once.ask('time', {}, 'other', signal)
        return isMap(answer) ? Number(answer.serverTime) / 1_000 : undefined
      },
    }),
  }
}

const KINDS = ['trade', 'quote', 'ticker', 'bar'] as const

/** The venue as data and pure functions, without REST: there are no books then. @throws BAD_OPTION */
export function binanceDescription(options: BinanceOptions, names: Names): WebSocketDescription {
  const { site = 'com', trades = 'raw', connections = 5 } = options
  oneOf('site', site, SITE_NAMES)
  oneOf('trades', trades, ['raw', 'aggregate'])
  if (!Number.isInteger(connections) || connections < 1) {
    throw new TickwireError('BAD_OPTION', `connections must be 1 or more, not ${connections}`)
  }
  const { title } = SITES[site]
  const params = (method: string, topics: readonly Topic[], kept: readonly Topic[]): Request[] => {
    const keep = new Set(kept.map(topic => streamOf(topic, trades)))
    const byStream = new Map<string, Topic[]>()
    for (const topic of topics) {
      const name = streamOf(topic, trades)
      if (name === undefined || keep.has(name)) continue
      byStream.set(name, [...(byStream.get(name) ?? []), topic])
    }
    const all = [...byStream]
    const requests: Request[] = []
    for (let i = 0; i < all.length; i += NAMES_PER_REQUEST) {
      const chunk = all.slice(i, i + NAMES_PER_REQUEST)
      requests.push({
        frame: id => JSON.stringify({ method, params: chunk.map(([name]) => name), id }),
        topics: method === 'SUBSCRIBE' ? chunk.flatMap(([, list]) => list) : [],
      })
    }
    return requests
  }
  const capabilities: Capabilities = {
    title: `${title} (spot)`,
    kinds: KINDS,
    barIntervals: INTERVAL_NAMES,
    wildcard: [],
    nature: 'live',
    auth: 'none',
    limits: { connections, symbolsPerConnection: PAIRS_PER_CONNECTION, connectionLifeMs: LIFE_MS },
    history: false,
    facts: BINANCE_FACTS,
    silenceHint:
      'Binance never sleeps: a pair may be quiet or halted. Most pairs are against USDT or USDC, as in BTC/USDT.',
  }
  return {
    id: 'binance',
    capabilities,
    // 300 in five minutes from one address.
    url: inTurn(streamUrl(options), 60, 10),
    subscribe: topics => params('SUBSCRIBE', topics, []),
    unsubscribe: (topics, held) => params('UNSUBSCRIBE', topics, held),
    // Five a second, pongs included: the venue pings every 20 s.
    pace: { messages: 4, perMs: 1_000 },
    ping: { everyMs: 20_000, timeoutMs: 10_000 },
    handshakeTimeoutMs: 10_000,
    maxFrameBytes: 16 * 1_024 * 1_024,
    verdict: binanceVerdict,
    symbol: text => names.symbol(text),
    selects: true,
    decoder: (context: ConnectionContext) => new BinanceDecoder(context, names),
  }
}

function streamUrl({ site = 'com', url }: BinanceOptions): string {
  const { stream, hasMicroseconds } = SITES[site]
  return url ?? (hasMicroseconds ? `${stream}?timeUnit=MICROSECOND` : stream)
}

function historyKinds({
  site = 'com',
  trades = 'raw',
}: BinanceOptions): readonly ('trade' | 'bar')[] {
  return trades === 'aggregate' || SITES[site].hasRawTrades ? ['trade', 'bar'] : ['bar']
}

/** @throws BAD_OPTION */
function restBase({ site = 'com', url, restUrl }: BinanceOptions): string {
  if (restUrl !== undefined) {
    const base = URL.canParse(restUrl) ? new URL(restUrl) : undefined
    const isRight =
      base && /^https?:$/.test(base.protocol) && base.search === '' && base.hash === ''
    if (isRight) return base.origin + base.pathname.replace(/\/+$/, '')
    throw new TickwireError('BAD_OPTION', 'restUrl is no address of a REST server', {
      hint: 'It must begin with https:// (or http://) and have no ?query or #fragment.',
    })
  }
  // An address that is none is told of when it is connected to.
  if (url === undefined || !URL.canParse(url)) return SITES[site].rest
  const { protocol, host, hostname } = new URL(url)
  const own = SITE_NAMES.find(name => hostname.endsWith(SITES[name].domain))
  return own ? SITES[own].rest : `${protocol === 'ws:' ? 'http:' : 'https:'}//${host}`
}

function oneOf(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return
  throw new TickwireError('BAD_OPTION', `${name} cannot be ${JSON.stringify(value)}`, {
    hint: didYouMean(String(value), known),
  })
}
