import { type Clock, systemClock } from '../../base/clock.ts'
import type { ErrorCode } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { sharedQuota } from '../../base/http-quota.ts'
import { STATUSES } from './replies.ts'

/**
 * Questions a minute to each host: ten a second are allowed, and other programs behind the address count too.
 * https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits
 */
const PER_MINUTE = 480
/** So many at once: a second's. */
const BURST = 8 / PER_MINUTE
/** Longest wait the venue may ask for before a question is given up, ms. */
const PATIENCE_MS = 90_000

/** One clock for all, because who shares a clock shares the quota of an address. */
const MACHINE = systemClock()

export interface RestOptions {
  /** Where Advanced Trade answers without a key: candles, books, products. */
  readonly advanced: string
  /** Where the older Exchange answers: trades by number. Both tell of one market. */
  readonly exchange: string
  readonly httpGet?: HttpGet | undefined
  readonly clock?: Clock | undefined
  /** How often a question is asked at most. @default that of `HttpClient` */
  readonly tries?: number | undefined
}

/** Asks Coinbase's public REST APIs, within the limits of an address. */
export class RestClient {
  readonly clock: Clock
  readonly #bases: { readonly advanced: string; readonly exchange: string }
  readonly #clients: { readonly advanced: HttpClient; readonly exchange: HttpClient }

  constructor(options: RestOptions) {
    const { advanced, exchange, httpGet: get = openHttp(), clock = MACHINE, tries } = options
    this.clock = clock
    this.#bases = { advanced, exchange }
    const client = (base: string) =>
      new HttpClient({
        ...{ get, clock, random: Math.random, explain, patienceMs: PATIENCE_MS },
        quota: sharedQuota(clock, `coinbase ${base}`, PER_MINUTE, BURST),
        // Requests without one are commonly refused.
        headers: { 'User-Agent': 'tickwire' },
        ...(tries !== undefined && { tries }),
      })
    this.#clients = { advanced: client(advanced), exchange: client(exchange) }
  }

  /** The JSON a question is answered with. @throws as `HttpClient.get` */
  ask(
    host: 'advanced' | 'exchange',
    path: string,
    fields: Readonly<Record<string, string | number>>,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const pairs = Object.entries(fields).map(([name, value]) => [name, String(value)] as const)
    const query = String(new URLSearchParams(Object.fromEntries(pairs)))
    const url = `${this.#bases[host]}/${path}${query && `?${query}`}`
    return this.#clients[host].get(url, readJson, signal)
  }
}

function readJson(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
}

function explain({ status, message }: HttpRefusal): { code: ErrorCode; hint?: string } | undefined {
  if (status === 404 || (status === 400 && /product/i.test(message))) {
    return {
      code: 'UNKNOWN_SYMBOL',
      hint: 'Pairs are written BTC/USD or BTC-USD; provider.instruments() names all that trade.',
    }
  }
  return STATUSES[status]
}
