import { type Clock, systemClock } from '../../base/clock.ts'
import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import { HttpClient, type HttpGet, type HttpRefusal } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { type Quota, sharedQuota } from '../../base/http-quota.ts'
import type { DepthSnapshot } from './depth.ts'
import type { MarketRest } from './market.ts'
import { levelsOf } from './plain.ts'
import { STATUSES } from './replies.ts'
import { venueName } from './symbols.ts'

/**
 * What questions weigh. The venue gives an address a weight of 6000 a minute; each kind here has a part of it, so that no
 * storm of one starves another: together 5,750.
 * https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#limits
 */
const BUDGETS = {
  /** Snapshots of books of up to 1000 levels, weight 50. */
  depth: 60,
  /** Trades one by one, weight 25. */
  trades: 90,
  /** All else weighs 5 at most, but for the list of pairs, 20. */
  other: 100,
} as const
type Budget = keyof typeof BUDGETS

/** The venue's own count of what this address has used; above it nothing is asked until the minute is over. */
const MOST_WEIGHT = 5_000
const MINUTE_MS = 60_000
/** Longest wait the venue may ask for before a question is given up, ms: bans last up to three days. */
const PATIENCE_MS = 90_000
/** Levels of a side that are asked for. 5000 is the most, and weighs five times as much. */
const DEPTH_LIMIT = 1_000
/** Most pairs asked about at a time: an address may have a few thousand characters. */
const MOST_NAMES = 100

/** One clock for all, because who shares a clock shares the quota of an address. */
const MACHINE = systemClock()

export interface RestOptions {
  readonly base: string
  /** Asks for times in microseconds, as the stream has them. */
  readonly micros: boolean
  readonly httpGet?: HttpGet | undefined
  readonly clock?: Clock | undefined
  /** How often a question is asked at most. @default that of `HttpClient` */
  readonly tries?: number | undefined
}

/** Asks Binance's REST API, within the weight of an address. */
export class RestClient implements MarketRest {
  readonly clock: Clock
  readonly limit = DEPTH_LIMIT
  readonly #base: string
  readonly #clients: Record<Budget, HttpClient>
  readonly #quotas: Quota[] = []
  /** Pairs known to be there, by the venue's names. */
  readonly #known = new Set<string>()
  /** Banned until then, epoch ms. */
  #bannedUntil = 0

  constructor({ base, micros, httpGet = openHttp(), clock = MACHINE, tries }: RestOptions) {
    this.clock = clock
    this.#base = base
    const get: HttpGet = async request => {
      const answer = await httpGet(request)
      this.#heed(answer.headers['x-mbx-used-weight-1m'])
      return answer
    }
    const client = (budget: Budget) => {
      // A fifth of a minute's at once.
      const quota = sharedQuota(clock, `${base} ${budget}`, BUDGETS[budget], 0.2)
      this.#quotas.push(quota)
      return new HttpClient({
        ...{ get, clock, quota, random: Math.random, explain, patienceMs: PATIENCE_MS },
        headers: micros ? { 'X-MBX-TIME-UNIT': 'MICROSECOND' } : {},
        ...(tries !== undefined && { tries }),
      })
    }
    this.#clients = { depth: client('depth'), trades: client('trades'), other: client('other') }
  }

  /**
   * The JSON a question is answered with.
   * @throws as `HttpClient.get`; RATE_LIMITED at once while the address is banned
   */
  async ask(path: string, fields: object, budget: Budget, signal?: AbortSignal): Promise<unknown> {
    const left = this.#bannedUntil - this.clock.now()
    if (left > 0) throw this.#banned(left)
    const pairs = Object.entries(fields).map(([name, value]) => [name, String(value)] as const)
    const query = String(new URLSearchParams(Object.fromEntries(pairs)))
    const url = `${this.#base}/api/v3/${path}${query && `?${query}`}`
    try {
      return await this.#clients[budget].get(url, readJson, signal)
    } catch (thrown) {
      const { code, retryAfterMs = 0 } = thrown as TickwireError
      if (code === 'RATE_LIMITED') this.#rest(retryAfterMs)
      throw thrown
    }
  }

  async depth(symbol: string, signal?: AbortSignal, limit = DEPTH_LIMIT): Promise<DepthSnapshot> {
    const asked = { symbol: venueName(symbol), limit }
    const answer = await this.ask('depth', asked, 'depth', signal)
    const { lastUpdateId: last, bids, asks } = isMap(answer) ? answer : {}
    const levels = [levelsOf(bids), levelsOf(asks)] as const
    if (!Number.isSafeInteger(last) || !levels[0] || !levels[1]) {
      throw new TickwireError('VENUE_ERROR', `the venue's snapshot of ${symbol} is none`)
    }
    return { last: last as number, bids: levels[0], asks: levels[1] }
  }

  async strangers(symbols: readonly string[], signal: AbortSignal): Promise<string[]> {
    const unknown = symbols.filter(symbol => !this.#known.has(venueName(symbol)))
    const strangers: string[] = []
    const chunks: string[][] = []
    for (let i = 0; i < unknown.length; i += MOST_NAMES)
      chunks.push(unknown.slice(i, i + MOST_NAMES))
    for (let chunk = chunks.shift(); chunk; chunk = chunks.shift()) {
      const names = chunk.map(venueName)
      try {
        await this.ask('ticker/price', { symbols: JSON.stringify(names) }, 'other', signal)
        for (const name of names) this.#known.add(name)
      } catch (thrown) {
        if ((thrown as TickwireError).code !== 'UNKNOWN_SYMBOL') throw thrown
        // One that is not there spoils the answer for all.
        const middle = chunk.length >> 1
        if (middle === 0) strangers.push(...chunk)
        else chunks.push(chunk.slice(0, middle), chunk.slice(middle))
      }
    }
    return strangers
  }

  /** The address is shared: what other programs have used counts too. */
  #heed(used: string | undefined): void {
    if (!(Number(used) > MOST_WEIGHT)) return
    this.#pause(MINUTE_MS - (this.clock.now() % MINUTE_MS))
  }

  #rest(ms: number): void {
    this.#pause(ms)
    if (ms > PATIENCE_MS) this.#bannedUntil = Math.max(this.#bannedUntil, this.clock.now() + ms)
  }

  #pause(ms: number): void {
    for (const quota of this.#quotas) quota.pause(ms)
  }

  #banned(retryAfterMs: number): TickwireError {
    const seconds = Math.ceil(retryAfterMs / 1_000)
    const message = `Binance has banned this address for another ${seconds} s`
    return new TickwireError('RATE_LIMITED', message, { retryAfterMs, hint: STATUSES[418]!.hint })
  }
}

function readJson(body: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** https://github.com/binance/binance-spot-api-docs/blob/master/errors.md: −1121 is a pair that is not there. */
function explain({ status, message }: HttpRefusal): { code: ErrorCode; hint?: string } | undefined {
  if (status === 400 && /invalid symbol|illegal characters.*symbol/i.test(message)) {
    return {
      code: 'UNKNOWN_SYMBOL',
      hint: 'Most pairs are against USDT or USDC, as in BTC/USDT; provider.instruments() names them all.',
    }
  }
  return STATUSES[status]
}
