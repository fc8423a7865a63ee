/**
 * The venue's REST answers about stocks, crypto, options and news: history and latest values, from what it has
 * delivered. https://docs.alpaca.markets/reference/stocktrades-1
 */
import type { Clock } from '../../base/clock.ts'
import { asError } from '../../base/errors.ts'
import { formatTime } from '../../market/time.ts'
import { encodeJsonMessage } from './encode.ts'
import { type AlpacaFeed, type AlpacaMarket, MARKETS } from './feeds.ts'
import { CRYPTO_FEEDS } from './market-crypto.ts'
import { isContract } from './market-options.ts'
import { isSymbol } from './messages.ts'
import type { Accounts, Identity } from './server-plan.ts'
import { type AlpacaRecord, type Entry, nanoseconds, type RecordedKind } from './server-record.ts'
import { newsAnswer } from './server-rest-news.ts'
import {
  checkFeed,
  checkTimeframe,
  limitOf,
  MAX_LIMIT,
  parseToken,
  Refusal,
  sortOf,
  symbolsOf,
  type Token,
  timeOf,
  tokenOf,
} from './server-rest-query.ts'
import { fromHeaders } from './server-session.ts'

export interface RestRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface RestResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface RestOptions {
  /** Questions an account may ask in a minute. @default 200, the free plan's */
  readonly requestsPerMinute?: number | undefined
  /** Most items of a page, whatever `limit` asks for: the venue's pages may be short. @default 10000 */
  readonly pageSize?: number | undefined
}

const REQUESTS_PER_MINUTE = 200
const MINUTE_MS = 60_000
const DELAY_MS = 15 * MINUTE_MS

const has = ({ plan }: Identity, feed: AlpacaFeed) => !plan.feeds || plan.feeds.includes(feed)

/** Whoever asks for crypto without a key. */
const ANYBODY: Identity = { account: '', plan: {} }
const CRYPTO_PATH = /^\/v1beta3\/crypto\//

const unexpected = (thrown: unknown) =>
  new Refusal(500, `internal server error: ${asError(thrown).message}`)

export class AlpacaRest {
  readonly #accounts: Accounts
  readonly #record: AlpacaRecord
  readonly #clock: Clock
  readonly #options: RestOptions
  /** Questions of the running minute, by account. */
  readonly #asked = new Map<string, { count: number; readonly until: number }>()
  #requests = 0

  constructor(accounts: Accounts, record: AlpacaRecord, clock: Clock, options: RestOptions = {}) {
    this.#accounts = accounts
    this.#record = record
    this.#clock = clock
    this.#options = options
  }

  answer(request: RestRequest): RestResponse {
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'x-request-id': String(++this.#requests).padStart(32, '0'),
    }
    try {
      const identity = this.#authenticate(request)
      this.#spend(identity.account, headers)
      const body = this.#route(request, identity)
      return { status: 200, headers, body }
    } catch (error) {
      // Whatever a client may ask, it must not end the venue.
      const { status, message, code } = error instanceof Refusal ? error : unexpected(error)
      return { status, headers, body: JSON.stringify({ ...(code && { code }), message }) }
    }
  }

  #authenticate({ headers, url }: RestRequest): Identity {
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    const pair: [string, string] | undefined =
      bearer === undefined ? fromHeaders(headers) : ['oauth', bearer]
    if (!pair && CRYPTO_PATH.test(url)) return ANYBODY
    if (!pair) throw new Refusal(401, 'unauthorized')
    const identity = this.#accounts.identify(...pair)
    if (identity === 402) throw new Refusal(401, 'unauthorized')
    if (identity === 411) throw new Refusal(403, 'forbidden')
    return identity
  }

  #spend(account: string, headers: Record<string, string>): void {
    const limit = this.#options.requestsPerMinute ?? REQUESTS_PER_MINUTE
    const now = this.#clock.now()
    let minute = this.#asked.get(account)
    if (!minute || minute.until <= now) {
      minute = { count: 0, until: now + MINUTE_MS }
      this.#asked.set(account, minute)
    }
    minute.count++
    headers['x-ratelimit-limit'] = String(limit)
    headers['x-ratelimit-remaining'] = String(Math.max(0, limit - minute.count))
    headers['x-ratelimit-reset'] = String(Math.ceil(minute.until / 1_000))
    if (minute.count > limit) throw new Refusal(429, 'too many requests', 42_910_000)
  }

  #route({ method, url }: RestRequest, identity: Identity): string {
    const { pathname, searchParams } = parseUrl(url)
    const [version, root, ...rest] = pathname.slice(1).split('/').map(decode)
    if (method !== 'GET' && method !== 'HEAD') throw new Refusal(404, 'Not Found')
    const answer = this.#answer(`${version}/${root}`, rest, searchParams, identity)
    if (answer === undefined) throw new Refusal(404, 'Not Found')
    return answer
  }

  /** The body of an answer; `undefined` where there is nothing. */
  #answer(
    root: string,
    parts: readonly string[],
    query: URLSearchParams,
    who: Identity,
  ): string | undefined {
    switch (root) {
      case 'v2/stocks':
        return this.#stocks(parts, query, who)
      case 'v1beta3/crypto':
        return this.#crypto(parts, query, who)
      case 'v1beta1/options':
        return this.#optionsOf(parts, query, who)
      case 'v1beta1/news':
        if (parts.length > 0) return undefined
        return newsAnswer(this.#record.news(), query, this.#clock.now())
    }
    return undefined
  }

  #stocks(parts: readonly string[], query: URLSearchParams, who: Identity): string | undefined {
    checkFeed(query, 'stocks')
    const [first = '', second, third, fourth] = parts
    if (fourth !== undefined) return undefined
    const ask: Ask = { market: 'stocks', query, who, single: false }
    if (isKind(first)) {
      const symbols = symbolsOf(query, MARKETS.stocks)
      if (second === undefined) return this.#history(first, symbols, ask)
      if (second === 'latest' && third === undefined) return this.#latest(first, symbols)
    } else if (first === 'snapshots' && second === undefined) {
      return this.#snapshots(symbolsOf(query, MARKETS.stocks))
    } else if (second !== undefined && isSymbol(first)) {
      const symbol = first.toUpperCase()
      if (isKind(second) && third === undefined) {
        return this.#history(second, [symbol], { ...ask, single: true })
      }
      if (isKind(second) && third === 'latest') return this.#latestOf(second, symbol)
      if (second === 'snapshot' && third === undefined) {
        return `{"symbol":${JSON.stringify(symbol)},${this.#snapshot(symbol).slice(1)}`
      }
    }
    return undefined
  }

  /** `/{loc}/trades` and `/{loc}/latest/trades`. What the simulated venue has is the same everywhere. */
  #crypto(parts: readonly string[], query: URLSearchParams, who: Identity): string | undefined {
    const [loc = '', first = '', second = '', third] = parts
    if (!Object.hasOwn(CRYPTO_FEEDS, loc) || third !== undefined) return undefined
    const ask: Ask = { market: 'crypto', query, who, single: false }
    if (isKind(first) && second === '') {
      return this.#history(first, symbolsOf(query, MARKETS.crypto), ask)
    }
    if (first !== 'latest') return undefined
    if (isKind(second)) return this.#latest(second, symbolsOf(query, MARKETS.crypto))
    if (second === 'orderbooks') return this.#books(symbolsOf(query, MARKETS.crypto))
    return undefined
  }

  /** History of trades and bars, the latest trades and quotes. */
  #optionsOf(parts: readonly string[], query: URLSearchParams, who: Identity): string | undefined {
    checkFeed(query, 'options')
    const [first = '', second, third] = parts
    if (!isKind(first) || third !== undefined) return undefined
    const symbols = symbolsOf(query, MARKETS.options)
    if (symbols.length > MOST_CONTRACTS) {
      throw new Refusal(400, `too many symbols: at most ${MOST_CONTRACTS}`)
    }
    if (second === undefined && first !== 'quotes') {
      return this.#history(first, symbols, { market: 'options', query, who, single: false })
    }
    return second === 'latest' && first !== 'bars' ? this.#latest(first, symbols) : undefined
  }

  /** Sorted by symbol, then time: one symbol may fill whole pages. */
  #history(
    kind: RecordedKind,
    symbols: readonly string[],
    { market, query, who, single }: Ask,
  ): string {
    if (kind === 'bars') checkTimeframe(query)
    const now = this.#clock.now()
    const today = Math.floor(now / 86_400_000) * 86_400_000
    const from = timeOf(query, 'start', false) ?? nanoseconds({ timestamp: today, nanos: 0 })
    // Without real-time rights the last 15 minutes are kept back.
    const isSip = market === 'stocks' && (query.get('feed') ?? 'sip') === 'sip'
    const feed = isSip ? 'sip' : market === 'options' ? 'opra' : undefined
    const recent = feed === undefined || has(who, feed)
    const latest = nanoseconds({ timestamp: Math.floor(recent ? now : now - DELAY_MS), nanos: 0 })
    const to = timeOf(query, 'end', true) ?? latest
    if (!recent && to > latest) {
      const message = `subscription does not permit querying recent ${feed?.toUpperCase()} data`
      throw new Refusal(403, message, 42_210_000)
    }
    if (from > to) throw new Refusal(400, 'end should not be before start')
    const asked = limitOf(query)
    const limit = Math.min(asked, this.#options.pageSize ?? MAX_LIMIT)
    const descending = sortOf(query) === 'desc'
    const token = query.get('page_token')
    const after = token ? parseToken(token) : undefined
    const page = new Map<string, string[]>()
    let count = 0
    let last: Token | undefined
    let alike = after?.count ?? 0
    let more = false
    for (const symbol of [...symbols].sort()) {
      if (after && symbol < after.symbol) continue
      let entries = this.#record
        .list(kind, symbol)
        .filter(({ at }) => at >= from && at <= to)
        .sort(byKey)
      if (descending) entries = entries.reverse()
      if (after && symbol === after.symbol) {
        const at = entries.findIndex(entry => keyOf(kind, entry) === after.key)
        if (at < 0) throw new Refusal(400, 'invalid page_token')
        entries = entries.slice(at + after.count)
      }
      for (const entry of entries) {
        if (count === limit) {
          more = true
          break
        }
        const items = page.get(symbol)
        const item = itemOf(entry)
        if (items) items.push(item)
        else page.set(symbol, [item])
        const key = keyOf(kind, entry)
        // Quotes may be alike in all things; then the token says how many of them have been given.
        const goesOn = last?.key ?? (after?.symbol === symbol ? after.key : undefined)
        alike = key === goesOn ? alike + 1 : 1
        last = { key, count: alike }
        count++
      }
      if (more) break
    }
    const next = more && last ? JSON.stringify(tokenOf(last)) : 'null'
    const lists = [...page].map(([symbol, items]) => `${JSON.stringify(symbol)}:[${items}]`)
    if (!single) return `{"${kind}":{${lists}},"next_page_token":${next}}`
    const items = page.get(symbols[0]!) ?? []
    const name = JSON.stringify(symbols[0])
    return `{"symbol":${name},"${kind}":[${items}],"next_page_token":${next}}`
  }

  #latest(kind: RecordedKind, symbols: readonly string[]): string {
    const items = symbols.flatMap(symbol => {
      const item = this.#last(kind, symbol)
      return item ? [`${JSON.stringify(symbol)}:${item}`] : []
    })
    return `{"${kind}":{${items}}}`
  }

  #books(symbols: readonly string[]): string {
    const items = symbols.flatMap(symbol => {
      const book = this.#record.books.snapshot(symbol)
      if (!book) return []
      const { T: _type, S: _symbol, r: _all, ...fields } = JSON.parse(encodeJsonMessage(book)!)
      return [`${JSON.stringify(symbol)}:${JSON.stringify(fields)}`]
    })
    return `{"orderbooks":{${items}}}`
  }

  #latestOf(kind: RecordedKind, symbol: string): string {
    const item = this.#last(kind, symbol)
    if (!item) throw new Refusal(404, `no ${kind.slice(0, -1)} found for ${symbol}`)
    return `{"symbol":${JSON.stringify(symbol)},"${kind.slice(0, -1)}":${item}}`
  }

  #snapshots(symbols: readonly string[]): string {
    return `{${symbols.map(symbol => `${JSON.stringify(symbol)}:${this.#snapshot(symbol)}`)}}`
  }

  /** Days are not recorded: `dailyBar` and `prevDailyBar` are null. */
  #snapshot(symbol: string): string {
    const last = (kind: RecordedKind) => this.#last(kind, symbol) ?? 'null'
    const days = '"dailyBar":null,"prevDailyBar":null'
    return `{"latestTrade":${last('trades')},"latestQuote":${last('quotes')},"minuteBar":${last('bars')},${days}}`
  }

  /** Odd lots of stocks, and trades taken back, never are the latest trade. */
  #last(kind: RecordedKind, symbol: string): string | undefined {
    const entry = this.#record.list(kind, symbol).findLast(({ event, update }) => {
      const odd =
        event.type === 'trade' && event.conditions?.includes('I') && !isContract(event.symbol)
      return !odd && (update === undefined || update === 'corrected')
    })
    return entry && itemOf(entry)
  }
}

/** A question to history. */
interface Ask {
  readonly market: AlpacaMarket
  readonly query: URLSearchParams
  readonly who: Identity
  /** For one symbol, in a form of its own. */
  readonly single: boolean
}

/** https://docs.alpaca.markets/reference/optiontrades */
const MOST_CONTRACTS = 100

const KINDS: readonly RecordedKind[] = ['trades', 'quotes', 'bars']
const isKind = (text: string | undefined): text is RecordedKind =>
  (KINDS as readonly (string | undefined)[]).includes(text)

/** A question names a path (`//` is one too), or a whole address where a proxy is meant. */
function parseUrl(url: string): URL {
  try {
    return new URL(url.startsWith('/') ? `http://venue${url}` : url)
  } catch {
    throw new Refusal(400, 'invalid path')
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Refusal(400, 'invalid path')
  }
}

/** Items made before: repairs ask for the same stretch again and again. */
const ITEMS = new WeakMap<
  Entry['event'],
  { readonly update: Entry['update']; readonly text: string }
>()

function itemOf(entry: Entry): string {
  const { event, update } = entry
  const made = ITEMS.get(event)
  if (made && made.update === update) return made.text
  const text = makeItem(entry)
  ITEMS.set(event, { update, text })
  return text
}

/** An item has the keys of the stream without `T` and `S`. */
function makeItem({ event, update }: Entry): string {
  const message = encodeJsonMessage(event) ?? '{}'
  const { T: _type, S: _symbol, i: _id, ...fields } = JSON.parse(message) as Record<string, unknown>
  // The id's digits are taken from the text: they may be more than a number holds.
  const id = /"i":(\d+)/.exec(message)?.[1]
  const head = `${id === undefined ? '' : `"i":${id},`}${update ? `"u":"${update}",` : ''}`
  return `{${head}${JSON.stringify(fields).slice(1)}`
}

/** The order of history: time, exchange, id. */
function byKey(a: Entry, b: Entry): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1
  const [x, y] = [rest(a), rest(b)]
  return x < y ? -1 : x > y ? 1 : 0
}

function rest({ event, update }: Entry): string {
  if (event.type === 'trade') {
    // As the venue pads it: the id plus 2^63, in twenty digits.
    const id = BigInt(event.id ?? 0) + 2n ** 63n
    return `${event.exchange ?? ''}|${String(id).padStart(20, '0')}${update === 'corrected' ? '|c' : ''}`
  }
  if (event.type === 'quote') {
    return [event.bid, event.bidSize, event.ask, event.askSize].join('/')
  }
  return ''
}

/** What a page token says: the last item's key. */
function keyOf(kind: RecordedKind, entry: Entry): string {
  const { symbol, timestamp, nanos } = entry.event
  const time = formatTime(timestamp, nanos)
  return kind === 'bars' ? `${symbol}|M|${time}` : `${symbol}|${time}|${rest(entry)}`
}
