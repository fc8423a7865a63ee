import { type Clock, systemClock } from '../../base/clock.ts'
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import { type AlpacaFeed, feedUrl } from './feeds.ts'
import { parseJson } from './plain.ts'
import { KEYS_PAGE } from './verdict.ts'

export interface RestOptions {
  readonly feed: AlpacaFeed
  readonly key: string
  readonly secret: string
  /** Address of the stream, from which that of REST follows. @default the venue's */
  readonly url?: string | undefined
  /** Address of REST; its path goes before the venue's own. */
  readonly restUrl?: string | undefined
  readonly httpGet?: HttpGet | undefined
  readonly clock?: Clock | undefined
  /** How often a question is asked at most while the answer is a passing fault. @default 4 */
  readonly tries?: number
}

/** Requests a minute of the free plan. Answers say how many the account's plan really has. */
const PER_MINUTE = 200

/** One clock for all, because who shares a clock shares the quota of an account. */
const MACHINE = systemClock()

type Record = Readonly<{ [key: string]: unknown }>

/** A map of an answer, and the same with the digits of long integers kept as text. */
export interface Answer {
  readonly map: Record
  readonly exact: Record
}

/** Asks Alpaca's REST API about market data, within the account's quota. */
export class RestClient {
  readonly clock: Clock
  /** Where it asks; `undefined` where that cannot be told from the address of the stream. */
  readonly base: string | undefined
  readonly #http: HttpClient

  /** @throws BAD_OPTION for a `restUrl` that is no address */
  constructor(options: RestOptions) {
    const { feed, key, secret, httpGet = openHttp(), clock = MACHINE } = options
    this.clock = clock
    this.base =
      options.restUrl === undefined
        ? restUrlOf(options.url ?? feedUrl(feed))
        : checkUrl(options.restUrl)
    this.#http = new HttpClient({
      get: httpGet,
      clock,
      random: Math.random,
      quota: sharedQuota(clock, `${this.base} ${key}`, PER_MINUTE),
      headers: { 'APCA-API-KEY-ID': key, 'APCA-API-SECRET-KEY': secret },
      explain: refusal => explain(refusal, feed),
      ...(options.tries !== undefined && { tries: options.tries }),
    })
  }

  /**
   * The map a question is answered with.
   * @throws as `HttpClient.get`; BAD_OPTION where no address of REST is known
   */
  ask(path: string, query: string, signal?: AbortSignal): Promise<Answer> {
    if (this.base === undefined) {
      const hint = 'Give the address of its REST side as restUrl.'
      throw new TickwireError('BAD_OPTION', 'the address of REST cannot be told from url', { hint })
    }
    return this.#http.get(`${this.base}${path}?${query}`, readMap, signal)
  }
}

/** @throws Error when the body is not a JSON map */
function readMap(body: Uint8Array): Answer {
  const parsed = parseJson(body, '[', ']')
  if (typeof parsed === 'string') throw new Error(parsed)
  const [map] = parsed.list
  if (parsed.list.length !== 1 || !isMap(map)) throw new Error('not a map')
  return { map, exact: parsed.exact[0] as Record }
}

export function isMap(value: unknown): value is Record {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The REST address that belongs to a stream's: `wss://stream.data.alpaca.markets/v2/iex` has
 * `https://data.alpaca.markets`, the sandbox likewise; any other server is taken to answer REST on the port of its
 * stream. A key so never goes to another server than the one it was meant for.
 */
function restUrlOf(stream: string): string | undefined {
  if (!URL.canParse(stream)) return undefined
  const { protocol, host } = new URL(stream)
  if (protocol !== 'ws:' && protocol !== 'wss:') return undefined
  const own = host.endsWith('.alpaca.markets') ? host.replace(/^stream\./, '') : host
  return `${protocol === 'ws:' ? 'http:' : 'https:'}//${own}`
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const right = url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === ''
  // A password in it would have to go as a header, which is where the key goes.
  if (right && url.username === '' && url.password === '') {
    return url.origin + url.pathname.replace(/\/+$/, '')
  }
  throw new TickwireError('BAD_OPTION', 'restUrl is no address of a REST server', {
    hint: 'It must begin with https:// (or http://) and have no user, ?query or #fragment.',
  })
}

const PLAN = /subscription|permit|entitle|plan\b/i

/** https://docs.alpaca.markets/reference/stocktrades-1: the statuses, and the words where they say more. */
function explain(
  { status, message }: HttpRefusal,
  feed: AlpacaFeed,
): { code: ErrorCode; hint?: string } | undefined {
  // 403 and, at times, 422 for the last 15 minutes without the plan for it.
  if ((status === 403 || status === 422) && PLAN.test(message)) {
    return { code: 'NOT_ENTITLED', hint: RECENT[feed] ?? RECENT.sip }
  }
  return REFUSALS[status]
}

const RECENT: { readonly [feed in AlpacaFeed]?: string } & { readonly sip: string } = {
  sip: "The free plan has SIP data only when it is older than 15 minutes: use feed 'iex' or 'delayed_sip', or upgrade at https://alpaca.markets/data",
  opra: "The free plan has OPRA data only when it is older than 15 minutes: use feed 'indicative', or upgrade at https://alpaca.markets/data",
}

const REFUSALS: { readonly [status: number]: { code: ErrorCode; hint?: string } } = {
  401: { code: 'AUTH_FAILED', hint: `Check the key and secret; they are made at ${KEYS_PAGE}` },
  403: {
    code: 'NOT_ENTITLED',
    hint: `The plan lacks this data, or the key is wrong: check it at ${KEYS_PAGE}`,
  },
  404: { code: 'NOT_FOUND', hint: 'Check the address given as restUrl or url.' },
  429: {
    code: 'RATE_LIMITED',
    hint: 'Other programs use this account too, or its plan allows less.',
  },
}
