import { type Clock, systemClock } from '../../base/clock.ts'
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import { restUrlOf } from './feeds.ts'
import { parseJson } from './plain.ts'
import { KEYS_PAGE } from './verdict.ts'

export interface RestOptions {
  readonly key: string
  /** Address of the stream, from which that of REST follows. */
  readonly stream: string
  /** Address of REST; its path goes before the venue's own. */
  readonly restUrl?: string | undefined
  readonly requestsPerMinute?: number | undefined
  readonly httpGet?: HttpGet | undefined
  readonly clock?: Clock | undefined
  /** How often a question is asked at most while the answer is a passing fault. @default 4 */
  readonly tries?: number
}

/** Paid plans are not metered by number; this keeps a runaway program from being one. */
const PER_MINUTE = 600

/** One clock for all, because who shares a clock shares the quota of an account. */
const MACHINE = systemClock()

type Record = Readonly<{ [key: string]: unknown }>

/** One page of an answer. */
export interface Page {
  readonly records: readonly unknown[]
  /** The same, with the digits of long integers kept as text. */
  readonly exact: readonly unknown[]
  /** The venue says that it is late: the plan has nothing newer. */
  readonly isLate: boolean
  /** Where the next page is: path and query. */
  readonly next: string | undefined
}

/** Asks Polygon's REST API within the account's quota. */
export class RestClient {
  readonly clock: Clock
  /** Where it asks; `undefined` where that cannot be told from the address of the stream. */
  readonly base: string | undefined
  readonly #http: HttpClient

  /** @throws BAD_OPTION for a `restUrl` that is no address */
  constructor(options: RestOptions) {
    const { key, httpGet = openHttp(), clock = MACHINE, requestsPerMinute } = options
    this.clock = clock
    this.base =
      options.restUrl === undefined ? restUrlOf(options.stream) : checkUrl(options.restUrl)
    this.#http = new HttpClient({
      get: httpGet,
      clock,
      random: Math.random,
      quota: sharedQuota(clock, `${this.base} ${key}`, requestsPerMinute ?? PER_MINUTE),
      headers: { Authorization: `Bearer ${key}` },
      explain,
      ...(options.tries !== undefined && { tries: options.tries }),
    })
  }

  /**
   * The page that a path and query lead to. The key goes as a header and only to the one server: of the address the venue
   * gives for the next page, path and query are taken.
   * @throws as `HttpClient.get`; BAD_OPTION where no address of REST is known
   */
  ask(pathAndQuery: string, signal?: AbortSignal): Promise<Page> {
    if (this.base === undefined) {
      const hint = 'Give the address of its REST side as restUrl.'
      throw new TickwireError('BAD_OPTION', 'the address of REST cannot be told from url', { hint })
    }
    const { pathname } = new URL(this.base)
    const prefix = pathname === '/' ? '' : pathname
    const read = (body: Uint8Array) => pageOf(body, prefix)
    return this.#http.get(`${this.base}${pathAndQuery}`, read, signal)
  }
}

/** `DELAYED` is said to plans with late data. https://massive.com/docs/rest/stocks/trades-quotes/trades */
const SOUND: readonly unknown[] = ['OK', 'DELAYED']

/** @throws Error when the body is no page */
function pageOf(body: Uint8Array, prefix: string): Page {
  const parsed = parseJson(body, '[', ']')
  if (typeof parsed === 'string') throw new Error(parsed)
  const [map, exact] = [parsed.list[0], parsed.exact[0] as Record]
  if (parsed.list.length !== 1 || !isMap(map)) throw new Error('not a map')
  if (!SOUND.includes(map.status)) throw new Error(`status ${String(map.status).slice(0, 32)}`)
  // Where there are none the list is left out.
  const [records, digits] = [map.results ?? [], exact.results ?? []]
  if (!Array.isArray(records)) throw new Error('results are no list')
  const isLate = map.status === 'DELAYED'
  return { records, exact: digits as unknown[], isLate, next: nextOf(map.next_url, prefix) }
}

/** Path and query of an absolute address, without the prefix that goes before them anyway. @throws Error */
function nextOf(url: unknown, prefix: string): string | undefined {
  if (url === undefined || url === null || url === '') return undefined
  if (typeof url !== 'string' || !URL.canParse(url)) throw new Error('next_url is no address')
  const { pathname, search } = new URL(url)
  return `${pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : pathname}${search}`
}

export function isMap(value: unknown): value is Record {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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

/** https://massive.com/docs/rest: the statuses of refusals. */
function explain({ status }: HttpRefusal): { code: ErrorCode; hint?: string } | undefined {
  return REFUSALS[status]
}

const REFUSALS: { readonly [status: number]: { code: ErrorCode; hint?: string } } = {
  401: { code: 'AUTH_FAILED', hint: `Check the key; it is shown at ${KEYS_PAGE}` },
  403: {
    code: 'NOT_ENTITLED',
    hint: 'The plan of this key lacks the data, or data this new or this old: see https://massive.com/pricing',
  },
  404: { code: 'NOT_FOUND', hint: 'Check the symbol, and the address given as restUrl or url.' },
  429: {
    code: 'RATE_LIMITED',
    hint: 'The free plan has 5 questions a minute: set requestsPerMinute to 5, or wait.',
  },
}
