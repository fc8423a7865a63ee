/**
 * Single trades and quotes of the past, page by page.
 * https://interactivebrokers.github.io/tws-api/historical_time_and_sales.html
 *
 * 1. A page begins at a time and holds about 1,000: the last second is always whole, so more may come. The next begins at
 *    that second again, and what is in both is told once.
 * 2. A question goes no further than one trading session.
 */
import { Multiset } from '../../feed/identity.ts'
import type { MarketEvent } from '../../market/events.ts'
import {
  answered,
  type Context,
  type HistoryOptions,
  TIMEOUT_MS,
  utcText,
  wrong,
} from './history-question.ts'
import type { PastQuote, PastTrade } from './replies.ts'
import { quoteOf, type Stamp, timeOf, tradeOf } from './ticks.ts'

/** Ticks of a page. */
const PAGE = 1_000
/** Of so many at the end one is looked for that is told: what was not reported is not. */
const LASTS = 100
/** Pages of one answer, before it is taken for one without an end. */
const MOST_PAGES = 10_000
/** A page that is not full ends this long before what was asked for, or a session does. */
const SESSION_MS = 3_600_000
/** How many seconds more than wanted are asked for at most, so that no question is asked twice. */
const MOST_EARLIER = 10

type Tick = PastTrade | PastQuote
export type What = 'TRADES' | 'BID_ASK'

export async function* ticks(
  context: Context,
  options: HistoryOptions,
  what: What,
  from: number,
  to: number,
): AsyncGenerator<MarketEvent[]> {
  let second = Math.floor(from / 1_000)
  const { resolved } = context
  /** Told already, of the second this page begins with. */
  let told = new Multiset()
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const { page, isFull } = await pageFrom(context, options, what, second)
    const batch: MarketEvent[] = []
    const next = new Multiset()
    let before = second
    const last = page.at(-1)?.time ?? second
    for (const tick of page) {
      const at = tick.time ?? Number.NaN
      if (!(at >= before)) throw wrong(`ticks of ${resolved.symbol} out of order`)
      before = at
      const text = JSON.stringify(tick)
      const repeated = at === second && told.take(text)
      if (at === last) next.add(text)
      if (repeated || at * 1_000 > to || at * 1_000 < from - 999) continue
      const event = eventOf(context, options, what, tick)
      if (event && event.timestamp >= from) batch.push(event)
    }
    if (batch.length > 0) yield batch
    if (page.length === 0 || last * 1_000 > to) return
    if (!isFull && to - last * 1_000 < SESSION_MS) return
    // A whole page of one second is all there is of it.
    const stays = isFull && last > second
    second = stays ? last : last + 1
    told = stays ? next : new Multiset()
    if (second * 1_000 > to) return
  }
  throw wrong(`an answer of more than ${MOST_PAGES} pages`)
}

/** The last there is, among the latest few. */
export async function lastTick(
  context: Context,
  options: HistoryOptions,
  what: What,
): Promise<MarketEvent[]> {
  const end = utcText(Math.floor(options.clock.now() / 1_000) + 1)
  const page = await askTicks(context, options, what, { end, count: LASTS })
  return page.flatMap(tick => eventOf(context, options, what, tick) ?? []).slice(-1)
}

/** What a tick says; `undefined` for one that is left out, or that is malformed and somebody counts. */
function eventOf(
  { resolved, source, malformed }: Context,
  { clock, trades }: HistoryOptions,
  what: What,
  tick: Tick,
): MarketEvent | undefined {
  const stamp: Stamp = { symbol: resolved.symbol, source, receivedAt: clock.now(), flags: 0 }
  if (timeOf(tick.time) === undefined) return refuse(malformed, tick, `a time ${tick.time}`)
  if (what === 'BID_ASK') return quoteOf(stamp, tick.time, tick as PastQuote)
  const trade = tick as PastTrade
  const unreported = trade.tickAttribLast?.unreported ?? false
  if (unreported && trades === 'last') return undefined
  const event = tradeOf(stamp, tick.time, trade, unreported)
  return event ?? refuse(malformed, tick, 'a trade without a price or size')
}

function refuse(malformed: Context['malformed'], record: unknown, reason: string): undefined {
  if (!malformed) throw wrong(reason)
  malformed(record, reason)
}

/**
 * The page that begins at a second. IBKR answers no question twice in 15 s, but a repair has to ask again sooner: then for
 * a second more, and what is too much is left out.
 */
async function pageFrom(
  context: Context,
  options: HistoryOptions,
  what: What,
  second: number,
): Promise<{ page: Tick[]; isFull: boolean }> {
  let start = second
  const isFresh = () =>
    options.pace.isFresh(textOf(context, what, { start: utcText(start), end: '', count: PAGE }))
  while (start > second - MOST_EARLIER && !isFresh()) start--
  const found = await askTicks(context, options, what, { start: utcText(start), count: PAGE })
  const page = found.filter(({ time }) => !(Number(time) < second))
  const isFull = found.length >= PAGE
  // All of it was too much.
  if (page.length > 0 || !isFull || start === second) return { page, isFull }
  const exact = await askTicks(context, options, what, { start: utcText(second), count: PAGE })
  return { page: exact, isFull: exact.length >= PAGE }
}

interface Range {
  readonly start: string
  readonly end: string
  readonly count: number
}

/** All that is asked for, as text. */
function textOf({ resolved: { contract } }: Context, what: What, { start, end, count }: Range) {
  return `ticks ${contract.conId} ${contract.exchange} ${what} ${start} ${end} ${count}`
}

async function askTicks(
  context: Context,
  { pace }: HistoryOptions,
  what: What,
  { start = '', end = '', count }: Partial<Range> & Pick<Range, 'count'>,
): Promise<Tick[]> {
  const { tws, resolved, signal } = context
  const { contract, symbol } = resolved
  const leaves = await pace.turn(
    {
      text: textOf(context, what, { start, end, count }),
      contract: `${contract.conId} ${contract.exchange} ${what}`,
      weight: what === 'BID_ASK' ? 2 : 1,
    },
    signal,
  )
  const found: Tick[] = []
  const take = (done: () => void) => (list: readonly Tick[], isLast: boolean) => {
    found.push(...list)
    if (isLast) done()
  }
  return answered(found, options =>
    tws.requests.ask(
      (ib, id) => {
        leaves()
        ib.reqHistoricalTicks(id, contract, start, end, count, what as never, 0, false)
      },
      done => ({ pastTrades: take(done), pastQuotes: take(done) }),
      { ...options, what: `the past of ${symbol}`, timeoutMs: TIMEOUT_MS, signal },
    ),
  )
}
