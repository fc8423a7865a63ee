import { createHash } from 'node:crypto'
import { type Clock, systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { HttpGet } from '../../base/http.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import type { OpenSocket } from '../../base/socket.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { WebSocketDescription } from '../../feed/description.ts'
import type { Provider } from '../../feed/provider.ts'
import { websocketProvider } from '../../feed/websocket.ts'
import { allTickCheck, EXAMPLES } from './check.ts'
import { AllTickDecoder } from './codec.ts'
import { ALLTICK_FACTS } from './facts.ts'
import { allTickHistory } from './history.ts'
import { allTickLatest } from './latest.ts'
import {
  type AllTickMarket,
  type AllTickPlan,
  CONNECT_MS,
  HOST,
  MARKETS,
  PLANS,
  REQUEST_MS,
  TOKEN_PAGE,
} from './plans.ts'
import { allTickVerdict, COMMANDS } from './replies.ts'
import { message, subscribeRequests, unsubscribeRequests } from './requests.ts'
import { RestClient } from './rest.ts'
import { allTickSymbol } from './symbols.ts'

export type { AllTickMarket, AllTickPlan } from './plans.ts'

export interface AllTickOptions {
  /** The token, made at https://alltick.co; it stands in every address, so no address is ever shown whole. */
  readonly token?: string | undefined
  /**
   * Which endpoint: `stocks` of the US, Hong Kong and China, or `forex`, which has metals, oil, indices and crypto too.
   * @default 'stocks'
   */
  readonly market?: AllTickMarket
  /** What the token may: codes, connections and questions. All HK, All CN and All US are as `professional`. @default 'free' */
  readonly plan?: AllTickPlan
  /** Levels a side of a book to ask for, 1 to 10; the venue cuts it to what a market has. @default 10 */
  readonly depth?: number
  /** Address of another server that speaks the protocol, without the token. @default the venue's for the market */
  readonly url?: string | undefined
  /** Address of REST. @default beside `url`, or the venue's for the market */
  readonly restUrl?: string | undefined
  /** Another transport, for tests; without `httpGet` beside it there is no REST side either. @default `ws` */
  readonly openSocket?: OpenSocket | undefined
  /** What carries questions to REST: `openHttp({ proxy, noProxy, ca })`, or a test. @default `openHttp()` */
  readonly httpGet?: HttpGet | undefined
  /** Time of the REST side, for tests. @default the machine's, one for the whole process */
  readonly clock?: Clock | undefined
}

/** One clock for all, because who shares a clock shares the quota of a token. */
const MACHINE = systemClock()
/** Not the number of any request: those count from 1. */
const HEARTBEAT_ID = 4_000_000_000

/**
 * AllTick: trades, quotes and books of one of its two endpoints, last prices as tickers; bars and latest values by REST.
 * @throws MISSING_KEY, BAD_KEY, BAD_OPTION
 */
export function alltick(options: AllTickOptions = {}): Provider {
  const { openSocket, httpGet, clock = MACHINE, market = 'stocks', plan = 'free' } = options
  const description = allTickDescription(options)
  const provider = websocketProvider(description, openSocket ? { openSocket } : {})
  // A transport of one's own does not lead to the venue, so neither may questions beside it.
  if (openSocket && !httpGet) return provider
  const settings = { base: restBase(options), token: options.token!, plan, httpGet, clock }
  const rest = new RestClient(settings)
  const { id, symbol, capabilities } = description
  const parts = { id, symbol, rest, market }
  return {
    ...provider,
    capabilities: { ...capabilities, history: ['bar'] },
    history: request => allTickHistory(parts, request),
    latest: request => allTickLatest(parts, request),
    check: allTickCheck(new RestClient({ ...settings, tries: 1 }), urlOf(options), market),
  }
}

/** The venue as data and pure functions. @throws as {@link alltick} */
export function allTickDescription(options: AllTickOptions = {}): WebSocketDescription {
  const { market = 'stocks', plan = 'free', depth = 10 } = options
  const token = checkToken(options.token)
  oneOf('market', market, Object.keys(MARKETS))
  oneOf('plan', plan, Object.keys(PLANS))
  if (!Number.isInteger(depth) || depth < 1 || depth > 10) {
    throw new TickwireError('BAD_OPTION', `depth must be 1 to 10, not ${depth}`)
  }
  const url = urlOf(options)
  // The token itself must not be found in files or messages.
  const account = `alltick:${market}:${createHash('sha256').update(token).digest('hex').slice(0, 16)}`
  const { connections, codes } = PLANS[plan]
  return {
    id: 'alltick',
    account,
    capabilities: {
      title: `AllTick (${market})`,
      kinds: ['trade', 'quote', 'ticker', 'book'],
      barIntervals: [],
      wildcard: [],
      example: EXAMPLES[market],
      nature: 'live',
      auth: 'key',
      keysPage: TOKEN_PAGE,
      limits: { connections, symbolsPerConnection: codes, connectionGapMs: CONNECT_MS },
      history: false,
      facts: ALLTICK_FACTS,
      silenceHint:
        'nothing is sent on subscribing, only with the next tick: a closed market is silent. Codes beyond the plan are too, so set the option plan to what the token has',
    },
    // The first requests of two connections must be apart, also where one follows the other.
    url: async ({ clock, signal }) => {
      const gate = sharedQuota(clock, `${account} connect`, 60_000 / CONNECT_MS, 0)
      await gate.turn(signal)
      return withToken(url, token)
    },
    subscribe: (topics, held) => subscribeRequests(topics, held, { plan, depth }),
    unsubscribe: topics => unsubscribeRequests(topics, { plan, depth }),
    replaces: true,
    // What a list holds is known when the one before it has been answered.
    serialMs: 4_500,
    pace: { messages: 1, perMs: REQUEST_MS },
    // One every ten seconds; the venue lets go of who says nothing for thirty.
    ping: {
      ...{ everyMs: 10_000, timeoutMs: 5_000 },
      frame: message(COMMANDS.heartbeat, HEARTBEAT_ID, {}),
    },
    handshakeTimeoutMs: 10_000,
    maxFrameBytes: 1_024 * 1_024,
    verdict: allTickVerdict,
    symbol: text => allTickSymbol(text, market),
    selects: true,
    decoder: context => new AllTickDecoder(context, market),
  }
}

const urlOf = ({ url, market = 'stocks' }: AllTickOptions): string =>
  url ?? HOST + MARKETS[market].stream

/** @throws BAD_OPTION */
function withToken(text: string, token: string): string {
  // An address that is none is told of by whoever opens it.
  if (!URL.canParse(text)) return text
  const url = new URL(text)
  url.searchParams.set('token', token)
  return String(url)
}

/** @throws MISSING_KEY, BAD_KEY; neither ever repeats the value */
function checkToken(token: string | undefined): string {
  const hint = `A token is made at ${TOKEN_PAGE}; pass { token }, or set ALLTICK_TOKEN.`
  if (token === undefined) {
    throw new TickwireError('MISSING_KEY', 'alltick needs a token and none was given', { hint })
  }
  const fault =
    typeof token !== 'string'
      ? 'is not text'
      : token === ''
        ? 'is empty'
        : /\s/.test(token)
          ? 'has white space in it'
          : /[^!-~]/.test(token)
            ? 'has characters no token has'
            : undefined
  if (fault) throw new TickwireError('BAD_KEY', `the alltick token ${fault}`, { hint })
  return token
}

/** @throws BAD_OPTION */
function oneOf(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return
  throw new TickwireError('BAD_OPTION', `${name} cannot be ${JSON.stringify(value)}`, {
    hint: didYouMean(String(value), known),
  })
}

/** @throws BAD_OPTION */
function restBase({ url, restUrl, market = 'stocks' }: AllTickOptions): string {
  if (restUrl !== undefined) {
    const base = URL.canParse(restUrl) ? new URL(restUrl) : undefined
    const isRight =
      base && /^https?:$/.test(base.protocol) && base.search === '' && base.hash === ''
    if (isRight && base.username === '' && base.password === '') {
      return base.origin + base.pathname.replace(/\/+$/, '')
    }
    throw new TickwireError('BAD_OPTION', 'restUrl is no address of a REST server', {
      hint: 'It must begin with https:// (or http://) and have no user, ?query or #fragment.',
    })
  }
  const given = url !== undefined && URL.canParse(url) ? new URL(url) : new URL(HOST)
  return `${given.protocol === 'ws:' ? 'http:' : 'https:'}//${given.host}${MARKETS[market].rest}`
}
