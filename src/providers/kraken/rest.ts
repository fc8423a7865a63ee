import { type Clock, systemClock } from '../../base/clock.ts'
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'

export interface RestOptions {
  /** @default 'https://api.kraken.com' */
  readonly restUrl?: string | undefined
  readonly httpGet?: HttpGet | undefined
  readonly clock?: Clock | undefined
  /** How often a question is asked at most. @default that of `HttpClient` */
  readonly tries?: number | undefined
}

/** One a second and address is within the limits. https://support.kraken.com/articles/206548367 */
const PER_MINUTE = 60
const ONE_BY_ONE = 1 / PER_MINUTE

/** Whoever is refused by the wall before the venue should know that it is not a matter of keys. */
export const REGION_HINT =
  'Kraken does not serve the country of this address, or blocks its network (VPN, proxy, data centre): https://support.kraken.com/articles/where-is-kraken-licensed-or-regulated'

/** One clock for all, because who shares a clock shares the quota of the address. */
const MACHINE = systemClock()

type Result = Readonly<Record<string, unknown>>

/** Asks Kraken's public REST API, within its limits. */
export class KrakenRest {
  readonly clock: Clock
  readonly base: string
  readonly #http: HttpClient

  /** @throws BAD_OPTION for a `restUrl` that is no address */
  constructor({ restUrl, httpGet = openHttp(), clock = MACHINE, tries }: RestOptions) {
    this.clock = clock
    this.base = restUrl === undefined ? 'https://api.kraken.com' : checkUrl(restUrl)
    this.#http = new HttpClient({
      get: httpGet,
      clock,
      random: Math.random,
      quota: sharedQuota(clock, this.base, PER_MINUTE, ONE_BY_ONE),
      // Without one the venue refuses.
      headers: { 'User-Agent': 'tickwire' },
      explain: ({ status }) =>
        status === 403 || status === 451
          ? { code: 'REGION_REFUSED', hint: REGION_HINT }
          : undefined,
      ...(tries !== undefined && { tries }),
    })
  }

  /**
   * The result of a question.
   * @throws UNKNOWN_SYMBOL, RATE_LIMITED, VENUE_ERROR, BAD_REQUEST by the venue's words; as `HttpClient.get`
   */
  ask(
    call: string,
    query: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Result> {
    const fields = String(new URLSearchParams(query))
    const url = `${this.base}/0/public/${call}${fields && `?${fields}`}`
    return this.#http.get(url, readResult, signal)
  }
}

/** Whatever goes wrong comes with HTTP 200: `{"error":["EQuery:Unknown asset pair"]}`. */
function readResult(body: Uint8Array): Result {
  const answer = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as {
    error?: unknown
    result?: unknown
  } | null
  const errors = answer?.error
  if (!Array.isArray(errors)) throw new Error('no error list')
  const said = errors.find(error => typeof error === 'string' && !error.startsWith('W'))
  if (said !== undefined) throw errorOf(said)
  const { result } = answer as { result?: unknown }
  if (typeof result !== 'object' || result === null || Array.isArray(result)) {
    throw new Error('no result')
  }
  return result as Result
}

/** https://support.kraken.com/articles/360001491786 */
function errorOf(said: string): TickwireError {
  const rule = RULES.find(([pattern]) => pattern.test(said))
  const code: ErrorCode = rule?.[1] ?? 'BAD_REQUEST'
  const hint =
    code === 'UNKNOWN_SYMBOL'
      ? 'https://api.kraken.com/0/public/AssetPairs names all pairs.'
      : undefined
  return new TickwireError(code, `Kraken says: ${said.slice(0, 200)}`, { hint })
}

const RULES: readonly (readonly [RegExp, ErrorCode])[] = [
  [/Unknown asset pair/i, 'UNKNOWN_SYMBOL'],
  [/Too many requests|Rate limit|Throttled/i, 'RATE_LIMITED'],
  [/^EService|Internal error|Temporary/i, 'VENUE_ERROR'],
]

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const right = url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === ''
  if (right && url.username === '' && url.password === '') {
    return url.origin + url.pathname.replace(/\/+$/, '')
  }
  throw new TickwireError('BAD_OPTION', 'restUrl is no address of a REST server', {
    hint: 'It must begin with https:// (or http://) and have no user, ?query or #fragment.',
  })
}
