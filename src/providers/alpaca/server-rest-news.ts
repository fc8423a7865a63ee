import { Buffer } from 'node:buffer'
import { createEvent, type News } from '../../market/events.ts'
import { encodeJsonMessage } from './encode.ts'
import { MARKETS } from './feeds.ts'
import { fromNews } from './market-news.ts'
import { type Entry, nanoseconds } from './server-record.ts'
import { limitOf, Refusal, sortOf, symbolsOf, timeOf } from './server-rest-query.ts'

const MAX_LIMIT = 50
const DEFAULT_LIMIT = 10

/**
 * Articles by the time of their last change, newest first unless asked otherwise; all of them where no symbol is named.
 * https://docs.alpaca.markets/reference/news-3
 */
export function newsAnswer(
  articles: readonly Entry<News>[],
  query: URLSearchParams,
  now: number,
): string {
  const symbols = query.get('symbols')
    ? new Set(symbolsOf(query, MARKETS.news).map(fromNews))
    : undefined
  const from = timeOf(query, 'start', false) ?? 0n
  const to = timeOf(query, 'end', true) ?? nanoseconds({ timestamp: Math.floor(now), nanos: 0 })
  if (from > to) throw new Refusal(400, 'end should not be before start')
  const limit = limitOf(query, MAX_LIMIT, DEFAULT_LIMIT)
  const asked = articles.filter(({ event, at }) => {
    return at >= from && at <= to && (event.symbols.some(one => symbols?.has(one)) || !symbols)
  })
  if (sortOf(query, 'desc') === 'desc') asked.reverse()
  const token = query.get('page_token')
  const begin = token ? asked.findIndex(entry => tokenOf(entry) === token) + 1 : 0
  if (token && begin === 0) throw new Refusal(400, 'invalid page_token')
  const page = asked.slice(begin, begin + limit)
  const more = asked.length > begin + page.length
  const whole = query.get('include_content') === 'true'
  const items = page.map(entry => itemOf(entry.event, whole))
  const next = more ? JSON.stringify(tokenOf(page.at(-1)!)) : 'null'
  return `{"news":[${items}],"next_page_token":${next}}`
}

const tokenOf = ({ event, at }: Entry<News>) =>
  Buffer.from(`${at}|${event.id ?? event.headline}`).toString('base64')

/** An item has the keys of the stream without `T`. */
function itemOf(event: News, whole: boolean): string {
  const article = whole ? event : createEvent({ ...event, content: undefined })
  return encodeJsonMessage(article)!.replace('"T":"n",', '')
}
