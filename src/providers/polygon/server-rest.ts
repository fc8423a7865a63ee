/**
 * The REST side of a venue: trades and quotes (version 3) and bars (version 2) of what has been delivered, in pages.
 * https://massive.com/docs/rest
 */
import { Buffer } from 'node:buffer'
import type { Clock } from '../../base/clock.ts'
import type { Bar, MarketEvent, Quote, Trade } from '../../market/events.ts'
import { timestampNs } from '../../market/time.ts'
import { MARKETS, type PolygonMarket } from './markets.ts'
import type { Accounts, PolygonPlan } from './server-plan.ts'
import {
  barRecord,
  isWithin,
  json,
  limitOf,
  Refusal,
  tickMarket,
  tickRecord,
} from './server-records.ts'

export interface RestOptions {
  /** Events kept of each kind and symbol, the oldest go first. @default 100000 */
  readonly capacity?: number | undefined
  /** How long after its delivery an event can be asked for, ms. @default 0 */
  readonly lagMs?: number | undefined
  /** What is listed of each market, in canonical form. @default nothing */
  readonly listed?: { readonly [market in PolygonMarket]?: readonly string[] } | undefined
  /** Questions a minute of one key; one more is answered with 429. @default any number */
  readonly requestsPerMinute?: number | undefined
}

export interface RestQuestion {
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface RestAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Recorded = Trade | Quote | Bar
interface Entry {
  readonly event: Recorded
  readonly at: bigint
  readonly visibleAt: number
}

const CAPACITY = 100_000
const MINUTE_MS = 60_000
/** As https://massive.com/docs/rest shows it. */
const NOT_ENTITLED =
  'You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing'
/** Where a client asks that does not say whom. */
const HOST = 'api.massive.com'

/** Keeps what is delivered and answers questions about it. */
export class PolygonRest {
  readonly #accounts: Accounts
  readonly #clock: Clock
  readonly #options: RestOptions
  readonly #series = new Map<string, Entry[]>()
  readonly #asked = new Map<string, number[]>()
  #requests = 0

  constructor(accounts: Accounts, clock: Clock, options: RestOptions = {}) {
    this.#accounts = accounts
    this.#clock = clock
    this.#options = options
  }

  add(batch: readonly MarketEvent[]): void {
    const { capacity = CAPACITY, lagMs = 0 } = this.#options
    const visibleAt = this.#clock.now() + lagMs
    for (const event of batch) {
      if (event.type !== 'trade' && event.type !== 'quote' && event.type !== 'bar') continue
      const key = seriesOf(event)
      const list = this.#series.get(key) ?? []
      this.#series.set(key, list)
      const at = timestampNs(event)
      let place = list.length
      // Late prints are put where they belong.
      while (place > 0 && list[place - 1]!.at > at) place--
      list.splice(place, 0, { event, at, visibleAt })
      if (list.length > capacity) list.shift()
    }
  }

  answer(question: RestQuestion): RestAnswer {
    try {
      return json(200, this.#answer(question))
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown
      const { status, message } = thrown
      // https://massive.com/docs/rest: a plan that lacks something is told so under another name.
      if (status === 403) return json(status, { status: 'NOT_AUTHORIZED', ...this.#id(), message })
      return json(status, { status: 'ERROR', ...this.#id(), error: message })
    }
  }

  #answer({ method, url, headers }: RestQuestion): object {
    if (method !== 'GET') throw new Refusal(405, 'method not allowed')
    const [path = '', text] = url.split('?', 2)
    const query = new URLSearchParams(text)
    const plan = this.#admit(query, headers)
    const answer = this.#records(path, query, headers, plan)
    if (!answer) throw new Refusal(404, 'not found')
    return plan.delayedOnly ? { ...answer, status: 'DELAYED' } : answer
  }

  #records(
    path: string,
    query: URLSearchParams,
    headers: RestQuestion['headers'],
    { rest }: PolygonPlan,
  ): object | undefined {
    const check = (kind: 'trade' | 'quote' | 'bar') => {
      if (rest && !rest.includes(kind)) throw new Refusal(403, NOT_ENTITLED)
    }
    const ticks = /^(.*)\/v3\/(trade|quote)s\/([^/]+)$/.exec(path)
    if (ticks) {
      const [, prefix = '', kind = '', name = ''] = ticks
      check(kind as 'trade' | 'quote')
      const origin = `http://${headers.host ?? HOST}${prefix}`
      return this.#ticks(kind as 'trade' | 'quote', decodeURIComponent(name), query, origin)
    }
    const bars = /\/v2\/aggs\/ticker\/([^/]+)\/range\/(\d+)\/(\w+)\/(\d+)\/(\d+)$/.exec(path)
    if (bars) {
      check('bar')
      const [, name = '', count = '', unit = '', from = '', to = ''] = bars
      return this.#bars(
        decodeURIComponent(name),
        `${count}/${unit}`,
        BigInt(from),
        BigInt(to),
        query,
      )
    }
    return path.endsWith('/v3/reference/tickers') ? this.#listed(query) : undefined
  }

  /** All of it at once: a venue on this machine lists a few. */
  #listed(query: URLSearchParams): object {
    const asked = query.get('market')
    const market = Object.values(MARKETS).find(it => it.name === (asked === 'fx' ? 'forex' : asked))
    if (!market) throw new Refusal(400, 'unknown market')
    const results = (this.#options.listed?.[market.name] ?? []).map(symbol => {
      const [base, quote] = symbol.split('/')
      const pair = quote && { base_currency_symbol: base, currency_symbol: quote }
      return { ticker: market.aggregateName(symbol), market: asked, active: true, ...pair }
    })
    return { status: 'OK', ...this.#id(), count: results.length, results }
  }

  /** The key comes as a header or in the query. */
  #admit(query: URLSearchParams, headers: RestQuestion['headers']): PolygonPlan {
    const key = query.get('apiKey') ?? /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
    const plan = this.#accounts.plan(key)
    if (!plan) throw new Refusal(401, 'Unknown API Key')
    const { requestsPerMinute = Number.POSITIVE_INFINITY } = this.#options
    const now = this.#clock.now()
    const recent = (this.#asked.get(key) ?? []).filter(at => at > now - MINUTE_MS)
    this.#asked.set(key, recent)
    if (recent.length >= requestsPerMinute) {
      throw new Refusal(429, "You've exceeded the maximum requests per minute, please wait.")
    }
    recent.push(now)
    return plan
  }

  #ticks(kind: 'trade' | 'quote', name: string, given: URLSearchParams, origin: string): object {
    const cursor = given.get('cursor')
    const query = cursor === null ? given : parseCursor(cursor)
    const skip = Number(query.get('skip') ?? 0)
    const limit = limitOf(query, 1_000)
    const market = tickMarket(name)
    const symbol = market.fromVenue(name)
    const all = this.#visible(`${kind}:${symbol}`).filter(({ at }) => isWithin(at, query))
    if (query.get('order') !== 'asc') all.reverse()
    const page = all.slice(skip, skip + limit)
    const results = page.map(({ event }) => tickRecord(event as Trade | Quote, market))
    const rest = all.length > skip + limit
    query.set('skip', String(skip + limit))
    const next = Buffer.from(String(query)).toString('base64url')
    const path = `${origin}/v3/${kind}s/${encodeURIComponent(name)}`
    return {
      ...{ status: 'OK', ...this.#id(), results },
      ...(rest && { next_url: `${path}?cursor=${next}` }),
    }
  }

  #bars(name: string, span: string, from: bigint, to: bigint, query: URLSearchParams): object {
    const interval = { '1/second': '1s', '1/minute': '1m' }[span]
    if (!interval) throw new Refusal(400, 'this venue records bars of a second and a minute only')
    const symbol = aggregateSymbol(name, key => this.#series.has(`bar@${interval}:${key}`))
    const found = this.#visible(`bar@${interval}:${symbol}`).filter(
      ({ at }) => at >= from * 1_000_000n && at <= to * 1_000_000n,
    )
    if (query.get('sort') === 'desc') found.reverse()
    const results = found
      .slice(0, limitOf(query, 5_000))
      .map(({ event }) => barRecord(event as Bar))
    const { length } = results
    const counts = {
      queryCount: length,
      resultsCount: length,
      adjusted: query.get('adjusted') !== 'false',
    }
    return { ticker: name, ...counts, status: 'OK', ...this.#id(), results }
  }

  #visible(key: string): Entry[] {
    const now = this.#clock.now()
    return (this.#series.get(key) ?? []).filter(({ visibleAt }) => visibleAt <= now)
  }

  #id(): { readonly request_id: string } {
    return { request_id: (++this.#requests).toString(16).padStart(32, '0') }
  }
}

function seriesOf(event: Recorded): string {
  return event.type === 'bar'
    ? `bar@${event.interval}:${event.symbol}`
    : `${event.type}:${event.symbol}`
}

/** `X:BTCUSD` has lost its slash: whatever is known here decides where it stood. */
function aggregateSymbol(name: string, isKnown: (symbol: string) => boolean): string {
  const plain = name.replace(/^[A-Z]:/, '')
  if (!/^[XC]:/.test(name)) return plain
  for (let at = 1; at < plain.length; at++) {
    const pair = `${plain.slice(0, at)}/${plain.slice(at)}`
    if (isKnown(pair)) return pair
  }
  return plain
}

function parseCursor(text: string): URLSearchParams {
  return new URLSearchParams(Buffer.from(text, 'base64url').toString('utf8'))
}
