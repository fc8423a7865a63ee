/**
 * The server's REST side for data of any source: quotes, depth and bars. https://docs.openalgo.in/api-documentation/v1
 *
 * 1. The key is in the body; a wrong one is answered 403.
 * 2. 0 means unknown; days are those of India, both included, and the times of bars are in seconds.
 */
import { TickwireError } from '../../base/errors.ts'
import type { SharedAnswer, SharedDesk, SharedQuestion, SharedRest } from '../../flow/contracts.ts'
import { parseDay } from '../../market/calendar-dates.ts'
import type { Bar, Interval } from '../../market/events.ts'
import type { Mode } from './modes.ts'
import type { Entry } from './server-session.ts'
import { type Located, locate } from './server-shared.ts'
import { bestOf, depthOf, lastOf } from './server-standing.ts'

const DAY_MS = 86_400_000
/** India has no summer time. */
const INDIA_MS = 19_800_000
/** Levels of a side in an answer. */
const LEVELS = 5
/** Bars in an answer, and symbols of a question: there are no pages. */
const MOST_BARS = 100_000
const MOST_SYMBOLS = 500

const INTERVALS: Readonly<Record<string, Interval>> = {
  ...{ '1s': '1s', '5s': '5s', '10s': '10s', '15s': '15s', '30s': '30s', '45s': '45s', '1m': '1m' },
  ...{ '2m': '2m', '3m': '3m', '5m': '5m', '10m': '10m', '15m': '15m', '20m': '20m', '30m': '30m' },
  ...{ '1h': '1h', '2h': '2h', '3h': '3h', '4h': '4h', D: '1d', W: '1w' },
}

/** A question that is refused. */
class Fault extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

export const openAlgoRest: SharedRest = {
  async answer(question, desk) {
    try {
      const answer = await answerOf(question, desk)
      const nature = desk.nature === undefined ? {} : { nature: desk.nature }
      return json(200, { status: 'success', ...answer, ...nature })
    } catch (thrown) {
      if (thrown instanceof Fault) return this.fault(thrown.status, thrown.message)
      throw thrown
    }
  },
  fault: (status, message) => json(status, { status: 'error', message }),
}

async function answerOf({ method, path, body }: SharedQuestion, desk: SharedDesk): Promise<object> {
  const call = path.replace(/^\/api\/v1\//, '').replace(/\/$/, '')
  if (!path.startsWith('/api/v1/') || !Object.hasOwn(CALLS, call)) throw new Fault(404, 'Not found')
  if (method !== 'POST') throw new Fault(405, 'Method not allowed: questions are posted')
  const asked = mapOf(body)
  const { apikey } = asked
  if (typeof apikey !== 'string' || !desk.admit(apikey))
    throw new Fault(403, 'Invalid openalgo apikey')
  return CALLS[call]!(asked, desk)
}

type Fields = Readonly<Record<string, unknown>>

const CALLS: Readonly<
  Record<string, (asked: Fields, desk: SharedDesk) => Promise<object> | object>
> = {
  ping: (_asked, desk) => ({ data: { message: 'pong', broker: desk.source } }),
  intervals: () => ({ data: lengths() }),
  quotes: async (asked, desk) => {
    const { symbol } = await wanted(asked, 'quote', desk)
    return { data: quoteOf(symbol, desk) }
  },
  multiquotes: async ({ symbols }, desk) => {
    if (!Array.isArray(symbols) || symbols.length === 0)
      throw new Fault(400, 'symbols: a list of symbols')
    if (symbols.length > MOST_SYMBOLS) throw new Fault(400, `symbols: ${MOST_SYMBOLS} at most`)
    const found = symbols.map(it => {
      const entry = entryOf(asMap(it))
      return { entry, located: locate(entry, 'quote', desk) }
    })
    await desk.want(
      found.flatMap(({ located }) => (located instanceof TickwireError ? [] : located.topics)),
    )
    return {
      results: found.map(({ entry, located }) =>
        located instanceof TickwireError
          ? { ...entry, error: located.message }
          : {
              ...entry,
              data: { ...quoteOf(located.symbol, desk), oi: interestOf(located.symbol, desk) },
            },
      ),
    }
  },
  depth: async (asked, desk) => {
    const { symbol } = await wanted(asked, 'depth', desk)
    const standing = desk.standing(desk.source, symbol)
    const side = (name: 'bids' | 'asks') => {
      const levels = depthOf(standing, name, LEVELS)
      return Array.from({ length: LEVELS }, (_, i) => {
        const [price, quantity] = levels[i] ?? [0, 0]
        return { price, quantity }
      })
    }
    const [bids, asks] = [side('bids'), side('asks')]
    const sum = (levels: readonly { quantity: number }[]) =>
      levels.reduce((total, { quantity }) => total + quantity, 0)
    const { bid: _, ask: __, ...day } = quoteOf(symbol, desk)
    const more = { ltq: lastOf(standing)?.size ?? 0, oi: interestOf(symbol, desk) }
    return {
      data: { ...day, ...more, totalbuyqty: sum(bids), totalsellqty: sum(asks), asks, bids },
    }
  },
  history: (asked, desk) => history(asked, desk),
}

/** A symbol of which something has come by now, if it came in time. */
async function wanted(asked: Fields, mode: Mode, desk: SharedDesk): Promise<Located> {
  const entry = entryOf(asked)
  const located = locate(entry, mode, desk)
  if (located instanceof TickwireError) {
    throw new Fault(
      404,
      `Symbol ${entry.symbol} not found for exchange ${entry.exchange}: ${located.message}`,
    )
  }
  await desk.want(located.topics)
  return located
}

function quoteOf(symbol: string, desk: SharedDesk) {
  const standing = desk.standing(desk.source, symbol)
  const { ticker } = standing
  const { bid = 0, ask = 0 } = bestOf(standing)
  const { open = 0, high = 0, low = 0, previousClose = 0, volume = 0 } = ticker ?? {}
  const ltp = lastOf(standing)?.price ?? 0
  return { open, high, low, ltp, ask, bid, prev_close: previousClose, volume }
}

const interestOf = (symbol: string, desk: SharedDesk) =>
  desk.standing(desk.source, symbol).ticker?.openInterest ?? 0

async function history(asked: Fields, desk: SharedDesk): Promise<object> {
  const { interval: name, start_date, end_date } = asked
  const interval =
    typeof name === 'string' && Object.hasOwn(INTERVALS, name) ? INTERVALS[name]! : undefined
  if (!interval) throw new Fault(400, `Unsupported interval: ${String(name)}`)
  const from = dayOf('start_date', start_date)
  const to = dayOf('end_date', end_date) + DAY_MS - 1
  if (from > to) throw new Fault(400, 'start_date is behind end_date')
  const entry = entryOf(asked)
  const located = locate(entry, 'ltp', desk)
  if (located instanceof TickwireError) {
    throw new Fault(
      404,
      `Symbol ${entry.symbol} not found for exchange ${entry.exchange}: ${located.message}`,
    )
  }
  const bars: Bar[] = []
  for await (const batch of desk.history({
    kind: 'bar',
    interval,
    symbols: [located.symbol],
    from,
    to,
  })) {
    for (const bar of batch as Bar[]) {
      const last = bars.at(-1)
      // A bar may be stored as it was in the making, when it was over, and as it was mended.
      if (last?.timestamp !== bar.timestamp) bars.push(bar)
      else if (bar.final === last.final ? bar.revision >= last.revision : bar.final)
        bars[bars.length - 1] = bar
    }
    if (bars.length > MOST_BARS)
      throw new Fault(400, `More than ${MOST_BARS} bars: ask for fewer days`)
  }
  return {
    data: bars
      .filter(({ final }) => final)
      .map(({ timestamp, open, high, low, close, volume }) => ({
        ...{ timestamp: Math.floor(timestamp / 1_000), open, high, low, close, volume, oi: 0 },
      })),
  }
}

/** Its midnight in India, epoch ms. */
function dayOf(name: string, text: unknown): number {
  try {
    return parseDay(String(text)) * DAY_MS - INDIA_MS
  } catch {
    throw new Fault(400, `${name}: a day is as 2025-04-01`)
  }
}

function lengths() {
  const of = (ending: RegExp) => Object.keys(INTERVALS).filter(name => ending.test(name))
  return {
    months: [],
    weeks: ['W'],
    days: ['D'],
    hours: of(/h$/),
    minutes: of(/m$/),
    seconds: of(/s$/),
  }
}

function entryOf({ symbol, exchange }: Fields): Entry {
  if (typeof symbol === 'string' && typeof exchange === 'string') return { symbol, exchange }
  throw new Fault(400, 'symbol and exchange are missing')
}

const asMap = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {}

function mapOf(body: string): Fields {
  try {
    return asMap(JSON.parse(body))
  } catch {
    throw new Fault(400, 'Invalid JSON')
  }
}

function json(status: number, body: object): SharedAnswer {
  return { status, body: JSON.stringify(body) }
}
