/** What Polygon's REST API knows: trades and quotes (version 3) and bars (version 2) of the past, and the last of each. */
import { TickwireError } from '../../base/errors.ts'
import type {
  HistoryRequest,
  HistorySource,
  LatestRequest,
  LatestSource,
} from '../../flow/contracts.ts'
import type { Adjustment, Interval, MarketEvent } from '../../market/events.ts'
import { FIRST_MS, LAST_MS } from '../../market/time.ts'
import { ANY } from '../../market/topics.ts'
import type { FeedInfo } from './feeds.ts'
import { RestClient, type RestOptions } from './history-client.ts'
import { type Pages, readPages } from './history-pages.ts'
import { longestMs, RecordReader, type RestKind, spanOf } from './history-records.ts'
import type { Market, PolygonMarket } from './markets.ts'

export interface HistoryOptions extends RestOptions {
  /** Name of the source where a request gives none. */
  readonly id: string
  readonly market: Market
  readonly feed: FeedInfo
  /** What sizes of quotes are multiplied by. */
  readonly lot: number
  /** Canonical form of a symbol. @throws BAD_SYMBOL */
  readonly symbol: (text: string) => string
}

/** The kinds REST has of each market. https://massive.com/docs/rest */
const KINDS: { readonly [market in PolygonMarket]: readonly RestKind[] } = {
  stocks: ['trade', 'quote', 'bar'],
  options: ['trade', 'quote', 'bar'],
  crypto: ['trade', 'bar'],
  forex: ['quote', 'bar'],
  indices: ['bar'],
}

/** The last moments of what a late feed may show are left out: our clock may be ahead of the venue's. */
const SKEW_MS = 1_000
/** Records of one page; the venue gives 50,000 at most, which would hold up live data for long. */
const PAGE = 10_000
/** How far back the latest bar is looked for: over any holiday. */
const LATEST_BAR_MS = 7 * 86_400_000

/** History and latest of a market. @throws BAD_OPTION for a `restUrl` that is no address */
export function polygonHistory(options: HistoryOptions): HistorySource & LatestSource {
  const { market, feed, lot } = options
  const rest = new RestClient(options)
  /** The newest a feed may show, or `to`. */
  const known = (to: number) =>
    feed.delayMs > 0 ? Math.min(to, Math.floor(rest.clock.now() - feed.delayMs - SKEW_MS)) : to

  async function* history(request: HistoryRequest): AsyncIterable<MarketEvent[]> {
    const { kind, symbols, interval, source } = check(request, options)
    const { adjustment = 'raw', signal, malformed } = request
    const adjusted = kind === 'bar' && isAdjusted(adjustment, market)
    const { from, to: asked } = bounds(request)
    const to = known(asked)
    if (from > to) return
    const reader = new RecordReader({ kind, market, feed, source, lot, interval, adjustment })
    for (const symbol of symbols) {
      const pages: Pages = {
        ...{ symbol, from, to, reader, malformed, now: () => rest.clock.now() },
        ...{ slackMs: kind === 'bar' ? longestMs(interval) : 0, single: kind === 'bar' },
      }
      const first =
        kind === 'bar'
          ? aggregates(symbol, interval, from, to, { adjusted: String(adjusted), sort: 'asc' })
          : ticks(kind, symbol, { ...within(from, to), order: 'asc' })
      yield* readPages(pages, first, address => rest.ask(address, signal))
    }
  }

  async function latest(request: LatestRequest): Promise<MarketEvent[]> {
    const { kind, symbols, interval, source } = check(request, options)
    const rules = { kind, market, source, lot, interval, adjustment: 'raw' } as const
    const reader = new RecordReader({ ...rules, feed })
    // What a plan has late is late at any host.
    const lateReader = new RecordReader({ ...rules, feed: { ...feed, nature: 'delayed' } })
    const events: MarketEvent[] = []
    for (const symbol of symbols) {
      const now = Math.floor(known(rest.clock.now()))
      const address =
        kind === 'bar'
          ? aggregates(
              symbol,
              interval,
              now - LATEST_BAR_MS,
              now,
              { adjusted: 'false', sort: 'desc' },
              1,
            )
          : ticks(kind, symbol, { 'timestamp.lte': nanosOf(now, 999_999), order: 'desc' }, 1)
      const { records, exact, isLate } = await rest.ask(address, request.signal)
      // Where base bars are counted, there may be more than one.
      if (records.length === 0) continue
      const read = (isLate ? lateReader : reader).read(
        symbol,
        records[0],
        exact[0],
        rest.clock.now(),
      )
      if (typeof read !== 'string') events.push(...read.events.slice(0, 1))
      else if (request.malformed) request.malformed(records[0], read)
      else {
        const message = `the venue's latest values are wrong: a record of ${symbol} that is none: ${read}`
        throw new TickwireError('VENUE_ERROR', message)
      }
    }
    return events
  }

  function ticks(
    kind: 'trade' | 'quote',
    symbol: string,
    fields: { readonly [name: string]: string },
    limit = PAGE,
  ): string {
    const name = encodeURIComponent(market.restName(symbol))
    return `/v3/${kind}s/${name}?${query({ ...fields, limit: String(limit), sort: 'timestamp' })}`
  }

  function aggregates(
    symbol: string,
    interval: Interval,
    from: number,
    to: number,
    fields: { readonly [name: string]: string },
    limit = PAGE,
  ): string {
    const name = encodeURIComponent(market.aggregateName(symbol))
    const path = `/v2/aggs/ticker/${name}/range/${spanOf(interval)}/${from}/${to}`
    return `${path}?${query({ ...fields, limit: String(limit) })}`
  }

  return { history, latest }
}

interface Checked {
  readonly kind: RestKind
  readonly symbols: readonly string[]
  readonly interval: Interval
  readonly source: string
}

/** @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL */
function check(
  request: HistoryRequest | LatestRequest,
  { id, symbol, market }: HistoryOptions,
): Checked {
  const { interval = '1m', source = id } = request
  const kinds = KINDS[market.name]
  const kind = kinds.find(known => known === request.kind)
  if (!kind) {
    const what = 'from' in request ? 'history' : 'latest values'
    throw new TickwireError(
      'UNSUPPORTED',
      `polygon keeps no ${what} of ${request.kind} of ${market.name}`,
      { hint: `It has ${kinds.join(', ')}.` },
    )
  }
  if (kind === 'bar' && spanOf(interval) === undefined) {
    throw new TickwireError('UNSUPPORTED', `polygon has no bars of ${interval}`, {
      hint: 'It has those of any number of seconds, minutes, hours, days and weeks: 1s, 5m, 4h, 1d.',
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

/** Whether bars are to be adjusted for splits: that is all the venue does. @throws UNSUPPORTED */
function isAdjusted(adjustment: Adjustment, { name }: Market): boolean {
  if (adjustment === 'raw') return false
  if (adjustment === 'split' && name === 'stocks') return true
  throw new TickwireError(
    'UNSUPPORTED',
    `polygon has no bars of ${name} adjusted so: ${adjustment}`,
    {
      hint: "It has 'raw' ones, and those of stocks adjusted for 'split'.",
    },
  )
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

/** A millisecond is in with all its nanoseconds. */
const within = (from: number, to: number) => ({
  'timestamp.gte': nanosOf(from, 0),
  'timestamp.lte': nanosOf(to, 999_999),
})

const nanosOf = (ms: number, nanos: number) => String(BigInt(ms) * 1_000_000n + BigInt(nanos))

const query = (fields: { readonly [name: string]: string }) => String(new URLSearchParams(fields))
