import { BarBuilder } from '../derive/bars.ts'
import { Bar, type EventType, type MarketEvent } from '../market/events.ts'
import { type AskedBars, placeOf, sqlBars, sqlLength } from './bars-sql.ts'
import type { AskedForBars, BarSource } from './bars-told.ts'
import { tableOf } from './columns.ts'
import { quoted } from './duckdb.ts'
import { eventColumns, readEvents } from './events.ts'
import { DAY_MS, rowsOf, type Snapshot } from './snapshot.ts'

/** How long a correction may come after its trade, ms. */
const FIXES_MS = 2 * DAY_MS
const FIXES: readonly EventType[] = ['correction', 'cancel']

/** What bars are made of. */
export const FOR_BARS: readonly EventType[] = ['trade', ...FIXES]

/** What is stored here to make bars of. */
export function barSource(snapshot: Snapshot): BarSource {
  return {
    daysOf: (kind, range) => snapshot.daysOf(kind, range),
    async stored(day, asked) {
      const table = tableOf('bar')
      const select = `select ${eventColumns(table)} from (${saidLast(snapshot, day, asked)}) order by ts, symbol`
      const { chunks } = await snapshot.session.stream(select)
      const bars: MarketEvent[] = []
      for await (const chunk of chunks) for (const bar of readEvents(table, chunk)) bars.push(bar)
      return bars
    },
    built: asked => buildBars(snapshot, asked),
  }
}

/** Stored bars of a length, each once, as it was said last. */
function saidLast(snapshot: Snapshot, day: string, asked: AskedForBars): string {
  const rows = rowsOf(snapshot, tableOf('bar'), day, asked)
  return (
    `select * from (${rows}) where interval = ${quoted(asked.interval)} and coalesce(adjustment, 'raw') = ${quoted(asked.adjustment)} ` +
    'qualify row_number() over (partition by symbol, source, ts order by final desc, revision desc, seq desc nulls last, part desc, nth desc) = 1'
  )
}

/**
 * Bars of stored trades that begin in a range and are over, in order of time. Those SQL cannot tell are built trade by
 * trade, and so are those of symbols with corrections and cancels.
 */
export async function buildBars(snapshot: Snapshot, asked: AskedBars): Promise<Bar[]> {
  const ms = sqlLength(asked.interval)
  if (ms === undefined) return (await longWay(snapshot, asked)).sort(inTime)
  const { bars, unsure } = await sqlBars(snapshot, asked, ms)
  const others = new Set([...unsure, ...(await fixedIn(snapshot, asked))])
  if (others.size === 0) return bars
  const symbols = [...others].map(place => (JSON.parse(place) as [string, string])[1])
  const built = await longWay(snapshot, { ...asked, symbols: [...new Set(symbols)] })
  const isOther = ({ source, symbol }: Bar) => others.has(placeOf(source, symbol))
  return [...bars.filter(bar => !isOther(bar)), ...built.filter(isOther)].sort(inTime)
}

const inTime = (a: Bar, b: Bar) => a.timestamp - b.timestamp || a.nanos - b.nanos

/** Places of which something has been corrected or taken back. */
async function fixedIn(snapshot: Snapshot, asked: AskedBars): Promise<string[]> {
  const range = rangeForBars(asked)
  const places: string[] = []
  for (const kind of FIXES) {
    for (const day of await snapshot.daysOf(kind, range)) {
      const rows = rowsOf(snapshot, tableOf(kind), day, range)
      const found = await snapshot.session.all(`select distinct source, symbol from (${rows})`)
      places.push(...found.map(([source, symbol]) => placeOf(source as string, symbol as string)))
    }
  }
  return places
}

function longWay(snapshot: Snapshot, asked: AskedBars): Promise<Bar[]> {
  return barsOfTrades(asked, daysOfTrades(snapshot, rangeForBars(asked)))
}

async function* daysOfTrades(snapshot: Snapshot, range: AskedBars): AsyncGenerator<MarketEvent[]> {
  const days = new Set<string>()
  for (const kind of FOR_BARS) for (const day of await snapshot.daysOf(kind, range)) days.add(day)
  for (const day of [...days].sort()) {
    const come: MarketEvent[] = []
    for (const kind of FOR_BARS) {
      const table = tableOf(kind)
      const select = `select ${eventColumns(table)} from (${rowsOf(snapshot, table, day, range)}) order by ts, seq nulls last, part, nth`
      const { chunks } = await snapshot.session.stream(select)
      for await (const chunk of chunks) come.push(...readEvents(table, chunk))
    }
    yield come
  }
}

/** What bars are asked for by, as far as trades tell them. */
export type BarsQuestion = Pick<AskedBars, 'interval' | 'from' | 'to' | 'now'>

/** The time of which events are needed for bars: corrections come later than their trades, those of the future count not yet. */
export function rangeForBars<Q extends BarsQuestion>(asked: Q): Q {
  return { ...asked, to: Math.max(asked.to, Math.min(asked.to + FIXES_MS, asked.now)) }
}

/**
 * Bars that begin in a range and are over, built trade by trade from events of the kinds {@link FOR_BARS}, a day at a time
 * in order of days. Those of one nanosecond count in the order given.
 */
export async function barsOfTrades(
  asked: BarsQuestion,
  days: AsyncIterable<MarketEvent[]>,
): Promise<Bar[]> {
  const bars = new Map<string, Bar>()
  const builder = new BarBuilder(
    { interval: asked.interval, time: 'venue', graceMs: 0, reviseMs: FIXES_MS },
    {
      final(bar) {
        bars.set(JSON.stringify([bar.source, bar.symbol, bar.timestamp, bar.nanos]), bar)
      },
    },
  )
  for await (const day of days) {
    builder.append([...day].sort((a, b) => a.timestamp - b.timestamp || a.nanos - b.nanos))
  }
  if (asked.now > builder.now) builder.advance(asked.now)
  builder.end()
  const ms = sqlLength(asked.interval)
  return [...bars.values()]
    .filter(({ timestamp }) => timestamp >= asked.from && timestamp <= asked.to)
    .map(bar => (ms === undefined ? bar : availableAt(bar, bar.timestamp + ms)))
}

/** What is built afterwards was there when its time was over. */
function availableAt(bar: Bar, receivedAt: number): Bar {
  return new Bar(
    ...([bar.symbol, bar.source, bar.timestamp, bar.nanos, receivedAt, bar.flags] as const),
    ...([bar.interval, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap] as const),
    ...([bar.tradeCount, bar.final, 0, bar.adjustment] as const),
  )
}
