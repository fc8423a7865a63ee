/**
 * What Alpaca's REST API knows: trades, quotes, bars and news of the past, and the last of each and of books, as far as
 * it has them of a market.
 */
import { TickwireError } from '../../base/errors.ts'
import type {
  HistoryRequest,
  HistorySource,
  LatestRequest,
  LatestSource,
} from '../../flow/contracts.ts'
import type { Interval, MarketEvent } from '../../market/events.ts'
import { FIRST_MS, formatTime, LAST_MS } from '../../market/time.ts'
import { ANY } from '../../market/topics.ts'
import { type AlpacaFeed, venueSymbol } from './feeds.ts'
import { isMap, RestClient, type RestOptions } from './history-client.ts'
import { LISTS, REST_FEEDS, type RestKind, type RestPaths } from './history-markets.ts'
import { type Pages, readPages } from './history-pages.ts'
import { longestMs, RecordReader, timeframeOf } from './history-records.ts'

export interface HistoryOptions extends RestOptions {
  /** Name of the source where a request gives none. */
  readonly id: string
  /** Canonical form of a symbol. @throws BAD_SYMBOL */
  readonly symbol: (text: string) => string
}

/** The last moments of what a plan may see are left out: our clock may be ahead of the venue's. */
const SKEW_MS = 1_000
/** Longest list of symbols in an address, characters: servers in between take lines of 8 KiB. */
const MAX_SYMBOLS_LENGTH = 6_000
/** Most records the venue gives at a time; of articles it gives fewer. */
const PAGE = 10_000
const NEWS_PAGE = 50

/**
 * History and latest of a feed; what REST does not have of it is absent.
 * @throws BAD_OPTION for a `restUrl` that is no address
 */
export function alpacaHistory(options: HistoryOptions): Partial<HistorySource & LatestSource> {
  const { feed } = options
  const rest = new RestClient(options)
  const { history, latest, historyFeed, latestFeed, delayMs = 0, adjusts } = REST_FEEDS[feed]

  async function* ask(request: HistoryRequest): AsyncIterable<MarketEvent[]> {
    const { kind, symbols, interval, source, path } = check(request, options, history)
    const { adjustment = 'raw', signal, malformed } = request
    if (adjustment !== 'raw' && !adjusts) {
      const hint = 'Leave adjustment out.'
      throw new TickwireError('UNSUPPORTED', 'only bars of stocks are adjusted', { hint })
    }
    const timeframe = kind === 'bar' ? timeframeFor(interval) : undefined
    const { from, to } = bounds(request)
    // A feed that is late has nothing newer; asked for more, the venue refuses all.
    const known = delayMs > 0 ? Math.floor(rest.clock.now() - delayMs - SKEW_MS) : to
    const last = Math.min(to, known)
    if (from > last) return
    const pages: Pages = {
      ...{ kind, from, to: last, malformed, now: () => rest.clock.now() },
      slackMs: kind === 'bar' ? longestMs(interval) : 0,
      reader: new RecordReader({ kind, feed, source, interval, adjustment }),
    }
    const fixed = query({
      ...(historyFeed !== undefined && { feed: historyFeed }),
      ...{ start: formatTime(from, 0), end: formatTime(last, 999_999) },
      ...{ limit: String(kind === 'news' ? NEWS_PAGE : PAGE), sort: 'asc' },
      ...(timeframe !== undefined && { timeframe }),
      ...(timeframe !== undefined && adjusts && { adjustment }),
      ...(kind === 'news' && { include_content: 'true' }),
    })
    for (const chunk of chunked(symbols, feed)) {
      const asked = `${listed(chunk, feed)}${fixed}`
      yield* readPages(pages, chunk, async token => {
        if (token === undefined) return rest.ask(path, asked, signal)
        try {
          return await rest.ask(path, `${asked}&${query({ page_token: token })}`, signal)
        } catch (thrown) {
          if (!(thrown instanceof TickwireError) || thrown.code !== 'BAD_REQUEST') throw thrown
          // The first page was asked for the same way: it is the token, which the venue made itself.
          throw new TickwireError('VENUE_ERROR', thrown.message, { cause: thrown })
        }
      })
    }
  }

  async function last(request: LatestRequest): Promise<MarketEvent[]> {
    const { kind, symbols, interval, source, path } = check(request, options, latest)
    if (kind === 'bar' && interval !== '1m') {
      const message = `alpaca knows the latest bar of 1m only, not of ${interval}`
      throw new TickwireError('UNSUPPORTED', message)
    }
    const reader = new RecordReader({ kind, feed, source, interval, adjustment: 'raw' })
    const events: MarketEvent[] = []
    const take = (symbol: string, record: unknown, exact: unknown) => {
      const read = reader.read(symbol, record, exact, rest.clock.now())
      if (typeof read !== 'string') events.push(read.event)
      else if (request.malformed) request.malformed(record, read)
      else throw wrong(`a record of ${symbol} that is none: ${read}`)
    }
    if (kind === 'news') {
      // The latest articles of several symbols may all be of one of them: each is asked for by itself.
      for (const symbol of symbols) {
        const newest = query({ limit: '1', sort: 'desc', include_content: 'true' })
        const asked = `${listed([symbol], feed)}${newest}`
        const { map, exact } = await rest.ask(path, asked, request.signal)
        const [list, same] = [map.news, exact.news]
        if (!Array.isArray(list) || list.length > 1) throw wrong('no list of one article')
        if (list.length > 0) take(symbol, list[0], (same as unknown[])[0])
      }
      return events
    }
    for (const chunk of chunked(symbols, feed)) {
      const asked = [listed(chunk, feed), latestFeed && query({ feed: latestFeed })].join('')
      const { map, exact } = await rest.ask(path, asked.replace(/&$/, ''), request.signal)
      const [records, digits] = [map[LISTS[kind]], exact[LISTS[kind]]]
      if (!isMap(records)) throw wrong(`no ${LISTS[kind]}`)
      const stray = Object.keys(records).find(symbol => !chunk.includes(symbol))
      if (stray !== undefined) throw wrong(`${stray}, which nobody asked for`)
      for (const symbol of chunk) {
        const record = Object.hasOwn(records, symbol) ? (records[symbol] ?? undefined) : undefined
        if (record !== undefined) take(symbol, record, (digits as typeof records)[symbol])
      }
    }
    return events
  }

  return { ...(isAny(history) && { history: ask }), ...(isAny(latest) && { latest: last }) }
}

const isAny = (paths: RestPaths) => Object.keys(paths).length > 0

interface Checked {
  readonly kind: RestKind
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly source: string
  readonly path: string
}

/** @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL */
function check(
  request: HistoryRequest | LatestRequest,
  { id, symbol }: HistoryOptions,
  paths: RestPaths,
): Checked {
  const { interval = '1m', source = id } = request
  const kind = request.kind as RestKind
  const path = Object.hasOwn(paths, kind) ? paths[kind] : undefined
  if (path === undefined) {
    const what = 'from' in request ? 'history' : 'latest values'
    const trades = 'trade' in paths ? '; cancels and corrections come with the trades' : ''
    throw new TickwireError('UNSUPPORTED', `alpaca keeps no ${what} of ${request.kind} here`, {
      hint: `It has ${Object.keys(paths).join(', ')}${trades}.`,
    })
  }
  const symbols = [...new Set(request.symbols.map(symbol))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  if (symbols.includes(ANY)) {
    // All articles, whatever they are about.
    if (kind === 'news') return { kind, symbols: [ANY], interval, source, path }
    const hint = 'Name the symbols.'
    throw new TickwireError('UNSUPPORTED', 'history is to be had by symbol, not for *', { hint })
  }
  return { kind, symbols, interval, source, path }
}

function timeframeFor(interval: Interval): string {
  const timeframe = timeframeOf(interval)
  if (timeframe !== undefined) return timeframe
  throw new TickwireError('UNSUPPORTED', `alpaca has no bars of ${interval}`, {
    hint: 'It has 1m to 59m, 1h to 23h, 1d and 1w.',
  })
}

/** Whole milliseconds within the bounds. @throws BAD_OPTION */
function bounds({ from, to }: HistoryRequest): { from: number; to: number } {
  if (from >= FIRST_MS && to <= LAST_MS && from <= to) {
    return { from: Math.ceil(from), to: Math.floor(to) }
  }
  const message = `no range of time: from ${from} to ${to}`
  const hint = 'Give both in ms since 1970, the earlier one as from.'
  throw new TickwireError('BAD_OPTION', message, { hint })
}

function wrong(what: string): TickwireError {
  return new TickwireError('VENUE_ERROR', `the venue's latest values are wrong: ${what}`)
}

/** Symbols as a parameter, with what parts it from the next; nothing for all. */
function listed(symbols: readonly string[], feed: AlpacaFeed): string {
  if (symbols.includes(ANY)) return ''
  return `symbols=${symbols.map(one => encodeURIComponent(venueSymbol(one, feed))).join(',')}&`
}

const query = (fields: { readonly [name: string]: string }) => String(new URLSearchParams(fields))

/** Symbols in runs that fit into an address, and that the venue takes. */
function chunked(symbols: readonly string[], feed: AlpacaFeed): string[][] {
  const { maxSymbols = Number.POSITIVE_INFINITY } = REST_FEEDS[feed]
  const chunks: string[][] = []
  let left = 0
  for (const symbol of symbols) {
    const length = encodeURIComponent(symbol).length + 1
    if (left < length || chunks.at(-1)!.length >= maxSymbols) {
      chunks.push([])
      left = MAX_SYMBOLS_LENGTH
    }
    chunks.at(-1)!.push(symbol)
    left -= length
  }
  return chunks
}
