/**
 * What Alpaca's REST API knows of stocks: trades, quotes and bars of the past, and the last of each.
 * https://docs.alpaca.markets/reference/stocktrades-1
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
import type { AlpacaFeed } from './feeds.ts'
import { isMap, RestClient, type RestOptions } from './history-client.ts'
import { type Pages, readPages } from './history-pages.ts'
import {
  isRestKind,
  LISTS,
  longestMs,
  RecordReader,
  type RestKind,
  timeframeOf,
} from './history-records.ts'

export interface HistoryOptions extends RestOptions {
  /** Name of the source where a request gives none. */
  readonly id: string
  /** Canonical form of a symbol. @throws BAD_SYMBOL */
  readonly symbol: (text: string) => string
}

interface RestFeed {
  /** Its name among the feeds of history, where that has it. */
  readonly history?: string
  readonly latest?: string
  /** How long after the trade it has it, ms. */
  readonly delayMs?: number
}

/** The feeds of the stream as REST knows them. */
const REST_FEEDS: { readonly [feed in AlpacaFeed]: RestFeed } = {
  iex: { history: 'iex', latest: 'iex' },
  sip: { history: 'sip', latest: 'sip' },
  delayed_sip: { history: 'sip', latest: 'delayed_sip', delayMs: 15 * 60_000 },
  boats: { history: 'boats', latest: 'boats' },
  overnight: { latest: 'overnight' },
  test: {},
}

/** Whether REST has the past of a feed. */
export function hasHistory(feed: AlpacaFeed): boolean {
  return REST_FEEDS[feed].history !== undefined
}

/** The last moments of what a plan may see are left out: our clock may be ahead of the venue's. */
const SKEW_MS = 1_000
/** Longest list of symbols in an address, characters: servers in between take lines of 8 KiB. */
const MAX_SYMBOLS_LENGTH = 6_000
/** Most records the venue gives at a time. */
const PAGE = 10_000

/**
 * History and latest of a feed; what REST does not have of it is absent.
 * @throws BAD_OPTION for a `restUrl` that is no address
 */
export function alpacaHistory(options: HistoryOptions): Partial<HistorySource & LatestSource> {
  const { feed } = options
  const { history, latest, delayMs = 0 } = REST_FEEDS[feed]
  const rest = new RestClient(options)

  async function* ask(request: HistoryRequest): AsyncIterable<MarketEvent[]> {
    const { kind, symbols, interval, source } = check(request, options)
    const { adjustment = 'raw', signal, malformed } = request
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
      ...{ feed: history!, start: formatTime(from, 0), end: formatTime(last, 999_999) },
      ...{ limit: String(PAGE), sort: 'asc' },
      ...(timeframe !== undefined && { timeframe, adjustment }),
    })
    for (const chunk of chunked(symbols)) {
      const asked = `symbols=${listed(chunk)}&${fixed}`
      yield* readPages(pages, chunk, async token => {
        const path = `/v2/stocks/${LISTS[kind]}`
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
    const { kind, symbols, interval, source } = check(request, options)
    if (kind === 'bar' && interval !== '1m') {
      const message = `alpaca knows the latest bar of 1m only, not of ${interval}`
      throw new TickwireError('UNSUPPORTED', message)
    }
    const reader = new RecordReader({ kind, feed, source, interval, adjustment: 'raw' })
    const events: MarketEvent[] = []
    for (const chunk of chunked(symbols)) {
      const asked = `symbols=${listed(chunk)}&${query({ feed: latest! })}`
      const path = `/v2/stocks/${LISTS[kind]}/latest`
      const { map, exact } = await rest.ask(path, asked, request.signal)
      const [records, digits] = [map[LISTS[kind]], exact[LISTS[kind]]]
      if (!isMap(records)) throw wrong(`no ${LISTS[kind]}`)
      const stray = Object.keys(records).find(symbol => !chunk.includes(symbol))
      if (stray !== undefined) throw wrong(`${stray}, which nobody asked for`)
      for (const symbol of chunk) {
        const record = Object.hasOwn(records, symbol) ? (records[symbol] ?? undefined) : undefined
        if (record === undefined) continue
        const same = (digits as typeof records)[symbol]
        const read = reader.read(symbol, record, same, rest.clock.now())
        if (typeof read !== 'string') events.push(read.event)
        else if (request.malformed) request.malformed(record, read)
        else throw wrong(`a record of ${symbol} that is none: ${read}`)
      }
    }
    return events
  }

  return { ...(history && { history: ask }), ...(latest && { latest: last }) }
}

interface Checked {
  readonly kind: RestKind
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly source: string
}

/** @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL */
function check(request: HistoryRequest | LatestRequest, { id, symbol }: HistoryOptions): Checked {
  const { kind, interval = '1m', source = id } = request
  if (!isRestKind(kind)) {
    throw new TickwireError('UNSUPPORTED', `alpaca keeps no history of ${kind}`, {
      hint: `It has ${Object.keys(LISTS).join(', ')}; cancels and corrections come with the trades.`,
    })
  }
  const symbols = [...new Set(request.symbols.map(symbol))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  if (symbols.includes(ANY)) {
    const hint = 'Name the symbols.'
    throw new TickwireError('UNSUPPORTED', 'history is to be had by symbol, not for *', { hint })
  }
  return { kind, symbols, interval, source }
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

const listed = (symbols: readonly string[]) => symbols.map(encodeURIComponent).join(',')
const query = (fields: { readonly [name: string]: string }) => String(new URLSearchParams(fields))

/** Symbols in runs that fit into an address. */
function chunked(symbols: readonly string[]): string[][] {
  const chunks: string[][] = []
  let left = 0
  for (const symbol of symbols) {
    const length = encodeURIComponent(symbol).length + 1
    if (left < length) {
      chunks.push([])
      left = MAX_SYMBOLS_LENGTH
    }
    chunks.at(-1)!.push(symbol)
    left -= length
  }
  return chunks
}
