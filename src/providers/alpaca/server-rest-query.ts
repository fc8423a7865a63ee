/** The parameters of questions to REST, read and checked. */
import { Buffer } from 'node:buffer'
import { parseTime } from '../../market/time.ts'
import { type AlpacaMarket, feedNamesOf, MARKETS } from './feeds.ts'
import type { Market } from './market.ts'
import { nanoseconds } from './server-record.ts'

/** A refusal: HTTP status and the venue's words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code?: number,
  ) {
    super(message)
  }
}

const DEFAULT_LIMIT = 1_000
export const MAX_LIMIT = 10_000

/** What a page token says. */
export interface Token {
  readonly key: string
  /** How many items of this key have been given. */
  readonly count: number
}

export function tokenOf({ key, count }: Token): string {
  return Buffer.from(count > 1 ? `${key}#${count}` : key).toString('base64')
}

export function parseToken(token: string): Token & { readonly symbol: string } {
  const text = Buffer.from(token, 'base64').toString('utf8')
  const [key = '', count = '1'] = text.split('#')
  const bar = key.indexOf('|')
  if (bar <= 0 || !/^[1-9]\d{0,6}$/.test(count) || Buffer.from(text).toString('base64') !== token) {
    throw new Refusal(400, 'invalid page_token')
  }
  return { symbol: key.slice(0, bar), key, count: Number(count) }
}

export function symbolsOf(query: URLSearchParams, market: Market): string[] {
  const text = query.get('symbols')
  if (!text) throw new Refusal(400, 'symbols is required')
  const symbols = text.split(',').map(symbol => symbol.trim().toUpperCase())
  for (const symbol of symbols) {
    const right =
      market === MARKETS.stocks ? STOCK.test(symbol) : market.symbol(symbol) !== undefined
    if (!right) throw new Refusal(400, `invalid symbol: ${symbol}`)
  }
  return [...new Set(symbols)]
}

/** The venue is asked for names of any length. */
const STOCK = /^[A-Z0-9][A-Z0-9.-]*$/

/** RFC 3339 or a day; both bounds are inclusive, so an `end` that is a day means all of it. */
export function timeOf(query: URLSearchParams, name: string, end: boolean): bigint | undefined {
  const text = query.get(name)
  if (!text) return undefined
  const day = /^\d{4}-\d\d-\d\d$/.test(text)
  const moment = parseTime(day ? `${text}T${end ? '23:59:59.999999999' : '00:00:00'}Z` : text)
  if (!moment) throw new Refusal(400, `Invalid format for parameter ${name}`)
  return nanoseconds(moment)
}

export function limitOf(query: URLSearchParams, most = MAX_LIMIT, usual = DEFAULT_LIMIT): number {
  const text = query.get('limit')
  if (!text) return usual
  const limit = Number(text)
  if (Number.isInteger(limit) && limit >= 1 && limit <= most) return limit
  throw new Refusal(400, `limit must be from 1 to ${most}`)
}

export function sortOf(query: URLSearchParams, usual: 'asc' | 'desc' = 'asc'): 'asc' | 'desc' {
  const sort = query.get('sort') ?? usual
  if (sort === 'asc' || sort === 'desc') return sort
  throw new Refusal(400, 'sort must be asc or desc')
}

const OTHER_FEEDS = ['otc']

export function checkFeed(query: URLSearchParams, market: AlpacaMarket): void {
  const feed = query.get('feed')
  if (feed === null || feedNamesOf(market).some(name => name === feed)) return
  if (market === 'stocks' && OTHER_FEEDS.includes(feed)) return
  throw new Refusal(400, `invalid feed: ${feed}`)
}

/** Only minutes are recorded. */
export function checkTimeframe(query: URLSearchParams): void {
  const timeframe = query.get('timeframe')
  if (timeframe === null) throw new Refusal(400, 'timeframe is required')
  if (
    !/^(([1-9]|[1-5]\d)(Min|T)|([1-9]|1\d|2[0-3])(Hour|H)|1(Day|D|Week|W)|(1|2|3|4|6|12)(Month|M))$/.test(
      timeframe,
    )
  ) {
    throw new Refusal(400, `invalid timeframe: ${timeframe}`)
  }
  if (!/^1(Min|T)$/.test(timeframe)) {
    throw new Refusal(422, `this venue records bars of 1Min only, not of ${timeframe}`, 42_210_000)
  }
}
