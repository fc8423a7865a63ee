import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import type { OpenSocket } from '../../base/socket.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { WebSocketDescription } from '../../feed/description.ts'
import type { Provider } from '../../feed/provider.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import { openAlgoCheck } from './check.ts'
import { OpenAlgoDecoder } from './codec.ts'
import { OPENALGO_FACTS } from './facts.ts'
import { openAlgoHistory } from './history.ts'
import { openAlgoInstruments } from './instruments.ts'
import { openAlgoLatest } from './latest.ts'
import { ModePlan } from './modes.ts'
import { openAlgoVerdict } from './replies.ts'
import { subscribeRequests, unsubscribeRequests } from './requests.ts'
import { RestClient } from './rest.ts'
import { EXCHANGES, isExchange, type OpenAlgoExchange, openAlgoSymbol } from './symbols.ts'

export type { OpenAlgoExchange } from './symbols.ts'

export interface OpenAlgoOptions {
  /** The key of your OpenAlgo, from its page API Key. */
  readonly apiKey?: string | undefined
  /** Address of its WebSocket; any path. @default 'ws://127.0.0.1:8765' */
  readonly url?: string | undefined
  /**
   * Address of its REST side: `http://host:5000`.
   * @default beside `url`: port 5000 of the same host for ws://, the host itself for wss://, where a proxy serves both
   */
  readonly restUrl?: string | undefined
  /** What a symbol without one is of: with `'NSE'`, `RELIANCE` means `NSE:RELIANCE`. @default every symbol names its own */
  readonly defaultExchange?: OpenAlgoExchange | undefined
  /**
   * What tickers are made of: `ltp` is the last price and its time; `quote` has the day's prices and volume too, and more
   * messages.
   * @default 'ltp'
   */
  readonly tickers?: 'ltp' | 'quote'
  /** Levels a side of a book to ask for: 5, or 20, 30 and 50 where the broker has them. @default 5 */
  readonly depth?: OpenAlgoDepth
  /** Another transport, for tests; without `httpGet` beside it there is no REST side either. @default `ws` */
  readonly openSocket?: OpenSocket | undefined
  /** What carries questions to REST: `openHttp({ proxy, noProxy, ca })`, or a test. @default `openHttp()` */
  readonly httpGet?: HttpGet | undefined
  /** Time of the REST side, for tests. @default the machine's, one for the whole process */
  readonly clock?: Clock | undefined
}

export const OPENALGO_DEPTHS = [5, 20, 30, 50] as const
export type OpenAlgoDepth = (typeof OPENALGO_DEPTHS)[number]

export const OPENALGO_URL = 'ws://127.0.0.1:8765'
/** Where a user gets a key. */
export const OPENALGO_KEYS_PAGE = 'http://127.0.0.1:5000/apikey'

/**
 * A broker in India through OpenAlgo, which runs on the user's own machine: last prices, quotes and depth over its
 * WebSocket; bars, latest values and instruments over its REST side.
 * @throws MISSING_KEY, BAD_KEY, BAD_OPTION
 */
export function openalgo(options: OpenAlgoOptions = {}): Provider {
  const { openSocket, httpGet, clock, defaultExchange } = options
  const description = openAlgoDescription(options)
  const provider = websocketProvider(description, openSocket ? { openSocket } : {})
  // A transport of one's own does not lead to the server, so neither may questions beside it.
  if (openSocket && !httpGet) return provider
  const settings = { base: restBase(options), key: options.apiKey!, httpGet, clock }
  const rest = new RestClient(settings)
  const { id, symbol, capabilities } = description
  return {
    ...provider,
    capabilities: { ...capabilities, history: ['bar'] },
    history: request => openAlgoHistory({ id, symbol, rest }, request),
    latest: request => openAlgoLatest({ id, symbol, rest }, request),
    instruments: signal => openAlgoInstruments(rest, defaultExchange, signal),
    check: openAlgoCheck(new RestClient({ ...settings, tries: 1 }), options.url ?? OPENALGO_URL),
  }
}

/** The server as data and pure functions. @throws as {@link openalgo} */
export function openAlgoDescription(options: OpenAlgoOptions = {}): WebSocketDescription {
  const { tickers = 'ltp', depth = 5, defaultExchange, url = OPENALGO_URL } = options
  const apiKey = checkKey(options.apiKey)
  oneOf('tickers', tickers, ['ltp', 'quote'])
  oneOf('depth', depth, OPENALGO_DEPTHS)
  if (defaultExchange !== undefined && !isExchange(defaultExchange)) {
    oneOf('defaultExchange', defaultExchange, EXCHANGES)
  }
  const plan = new ModePlan(tickers)
  return {
    id: 'openalgo',
    capabilities: {
      title: 'OpenAlgo',
      kinds: ['ticker', 'quote', 'book'],
      barIntervals: [],
      wildcard: [],
      example: 'NSE:RELIANCE',
      nature: 'live',
      auth: 'key',
      keysPage: OPENALGO_KEYS_PAGE,
      limits: {},
      history: false,
      facts: OPENALGO_FACTS,
      silenceHint:
        "NSE and BSE trade from 9:15 to 15:30 in India. OpenAlgo grants symbols before its broker's feed is up: look at its log, and log in to the broker there",
    },
    url,
    greet: () => [JSON.stringify({ action: 'authenticate', api_key: apiKey })],
    subscribe: (topics, held) => subscribeRequests(topics, held, plan, depth),
    unsubscribe: (topics, held) => unsubscribeRequests(topics, held, plan, depth),
    // The server pings every 20 s itself; these find one that has gone without a word.
    ping: { everyMs: 20_000, timeoutMs: 10_000 },
    // The first login after a while has the server connect to the broker; at 15 s it closes by itself.
    handshakeTimeoutMs: 15_000,
    maxFrameBytes: 1_024 * 1_024,
    verdict: openAlgoVerdict,
    symbol: text => openAlgoSymbol(text, defaultExchange),
    selects: true,
    decoder: context => new OpenAlgoDecoder(context, plan),
  }
}

/** @throws MISSING_KEY, BAD_KEY; neither ever repeats the value */
function checkKey(key: string | undefined): string {
  const hint = `Copy the key from the page API Key of your OpenAlgo (${OPENALGO_KEYS_PAGE}); pass { apiKey }, or set OPENALGO_API_KEY.`
  if (key === undefined) {
    throw new TickwireError('MISSING_KEY', 'openalgo needs an API key and none was given', { hint })
  }
  const fault =
    typeof key !== 'string'
      ? 'is not text'
      : key === ''
        ? 'is empty'
        : /\s/.test(key)
          ? 'has white space in it'
          : /[^!-~]/.test(key)
            ? 'has characters no key has'
            : undefined
  if (fault) throw new TickwireError('BAD_KEY', `the openalgo API key ${fault}`, { hint })
  return key
}

/** @throws BAD_OPTION */
function oneOf<T extends string | number>(name: string, value: T, known: readonly T[]): void {
  if (known.includes(value)) return
  throw new TickwireError('BAD_OPTION', `${name} cannot be ${JSON.stringify(value)}`, {
    hint: didYouMean(String(value), known.map(String)),
  })
}

/** @throws BAD_OPTION */
export function restBase({
  url = OPENALGO_URL,
  restUrl,
}: Pick<OpenAlgoOptions, 'url' | 'restUrl'>): string {
  if (restUrl !== undefined) {
    const base = URL.canParse(restUrl) ? new URL(restUrl) : undefined
    const isRight =
      base && /^https?:$/.test(base.protocol) && base.search === '' && base.hash === ''
    if (isRight && base.username === '' && base.password === '') {
      return base.origin + base.pathname.replace(/\/+$/, '')
    }
    throw new TickwireError('BAD_OPTION', 'restUrl is no address of a REST server', {
      hint: 'It must begin with http:// (or https://) and have no user, ?query or #fragment.',
    })
  }
  // An address that is none is told of when it is connected to.
  if (!URL.canParse(url)) return 'http://127.0.0.1:5000'
  const { protocol, hostname, host } = new URL(url)
  return protocol === 'wss:' ? `https://${host}` : `http://${hostname}:5000`
}
