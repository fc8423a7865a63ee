import { TickwireError } from '../base/errors.ts'
import type { Bar, EventType, Interval, MarketEvent } from '../market/events.ts'
import { placeOf } from './bars-sql.ts'
import { dayAt, startOf } from './manifest.ts'

/*
 * Which bars a question is told. A bar that was stored stands for its time; where none is stored one made of stored
 * trades does, which never reaches into a stored one of its symbol, source and length.
 */

const DAY_MS = 86_400_000
/** The shortest day there is: one on which clocks are put forward. */
const SHORT_DAY_MS = 23 * 3_600_000

const UNIT_MS: Readonly<Record<string, number>> = {
  ...{ s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS },
}

/** A question for bars that begin in a range of time. */
export interface AskedForBars {
  readonly symbols: readonly string[]
  readonly source?: string | undefined
  /** Venue times, epoch ms, both inclusive. */
  readonly from: number
  readonly to: number
  readonly interval: Interval
  readonly adjustment: string
  /** Bars that end later are not over, epoch ms. */
  readonly now: number
}

/** What a store has to make bars of. */
export interface BarSource {
  daysOf(
    kind: EventType,
    range: { from: number; to: number },
  ): readonly string[] | Promise<string[]>
  /** Stored bars of a day that begin in a range, each once, as it was said last, in order of time. */
  stored(day: string, asked: AskedForBars): Promise<readonly MarketEvent[]>
  /** Bars of trades, in order of time. @throws BAD_OPTION for a length that cannot be made */
  built(asked: AskedForBars): Promise<readonly MarketEvent[]>
}

/** How long a bar takes at most, ms; `undefined` where that is not a matter of time. */
export function lengthOf(interval: Interval): number | undefined {
  const unit = UNIT_MS[interval.at(-1)!]
  return unit === undefined ? undefined : unit * Number.parseInt(interval, 10)
}

/** Bars that begin in a range and are over, in order of time. */
export async function barsIn(source: BarSource, asked: AskedForBars): Promise<MarketEvent[]> {
  const { from, to, now, interval } = asked
  const length = lengthOf(interval)
  const reach = (length ?? 1) - 1
  // One that begins outside may reach into the range.
  const stored = await storedIn(source, { ...asked, from: from - reach, to: to + reach })
  const isTold = (bar: Bar) => bar.final || length === undefined || bar.timestamp + length <= now
  return chosen(source, asked, stored.filter(isTold))
}

/** The last bar of each symbol that was over by a time, of those that nothing from after it tells. */
export async function lastBars(
  source: BarSource,
  asked: Omit<AskedForBars, 'from' | 'to' | 'adjustment'> & { readonly time: number },
): Promise<Map<string | undefined, MarketEvent>> {
  const { symbols, interval, time } = asked
  const length = lengthOf(interval)
  const to = time - (length ?? 0)
  const isOver = ({ receivedAt }: MarketEvent) => length !== undefined || receivedAt <= time
  const range = { ...asked, from: 0, to, adjustment: 'raw', now: Math.min(asked.now, time) }
  const days = new Set(await source.daysOf('bar', range))
  for (const day of await source.daysOf('trade', range)) days.add(day)
  const isAll = symbols.includes('*')
  const wanted = new Set(symbols)
  const found = new Map<string | undefined, MarketEvent>()
  for (const day of [...days].sort().reverse()) {
    const left = isAll ? symbols : [...wanted].filter(symbol => !found.has(symbol))
    if (left.length === 0) break
    // A bar of a day may begin on the UTC day before its first trade.
    const from = startOf(day) - DAY_MS
    const here = { ...range, from, to: Math.min(to, startOf(day) + DAY_MS - 1), symbols: left }
    const stored = await storedIn(source, { ...here, from: from - (length ?? 0) })
    const last = new Map<string | undefined, MarketEvent>()
    for (const bar of await chosen(source, here, stored.filter(isOver))) {
      if (isOver(bar)) last.set(bar.symbol, bar)
    }
    for (const [symbol, bar] of last) if (!found.has(symbol)) found.set(symbol, bar)
  }
  return found
}

async function storedIn(source: BarSource, asked: AskedForBars): Promise<Bar[]> {
  const bars: Bar[] = []
  for (const day of await source.daysOf('bar', asked)) {
    for (const bar of (await source.stored(day, asked)) as Bar[]) bars.push(bar)
  }
  return bars
}

async function chosen(
  source: BarSource,
  asked: AskedForBars,
  stored: readonly Bar[],
): Promise<MarketEvent[]> {
  const { from, to, adjustment, interval } = asked
  const isIn = ({ timestamp }: MarketEvent) => timestamp >= from && timestamp <= to
  // Bars of trades are as the trades were: not adjusted.
  if (adjustment !== 'raw') return stored.filter(isIn)
  let built: readonly Bar[]
  try {
    built = (await source.built(asked)) as readonly Bar[]
  } catch (error) {
    // A week, say: there are those that were stored, or none at all.
    const cannotBe = error instanceof TickwireError && error.code === 'BAD_OPTION'
    if (cannotBe && stored.length > 0) return stored.filter(isIn)
    throw error
  }
  if (stored.length === 0) return built.filter(isIn)
  const all = lengthOf(interval) === undefined ? byDay(stored, built) : byTime(stored, built, asked)
  return all.filter(isIn).sort(inTime)
}

const inTime = (a: Bar, b: Bar) => a.timestamp - b.timestamp || a.nanos - b.nanos

/** Bars of a count have no time of their own that would show which fit beside each other: a day has one sort or the other. */
function byDay(stored: readonly Bar[], built: readonly Bar[]): Bar[] {
  const place = ({ source, symbol, timestamp }: Bar) =>
    `${dayAt(timestamp)} ${placeOf(source, symbol)}`
  const known = new Set(stored.map(place))
  return [...stored, ...built.filter(bar => !known.has(place(bar)))]
}

function byTime(stored: readonly Bar[], built: readonly Bar[], { interval }: AskedForBars): Bar[] {
  const apart = interval.endsWith('d')
    ? lengthOf(interval)! - DAY_MS + SHORT_DAY_MS
    : lengthOf(interval)!
  const places = new Map<string, Bar[]>()
  for (const bar of stored) {
    const place = placeOf(bar.source, bar.symbol)
    const bars = places.get(place)
    if (bars) bars.push(bar)
    else places.set(place, [bar])
  }
  const gone = new Set<Bar>()
  const added: Bar[] = []
  for (const bar of built) {
    const others = places.get(placeOf(bar.source, bar.symbol))
    const over = others ? reaching(others, bar.timestamp, apart) : []
    // What was said while it was forming has less in it than there was: so may the trades that are stored.
    const isMore = ({ final, volume }: Bar) => final || volume >= bar.volume
    if (over.some(isMore)) continue
    for (const one of over) gone.add(one)
    added.push(bar)
  }
  return [...stored.filter(bar => !gone.has(bar)), ...added]
}

/** Of bars in order of time those that begin less than a length before or after a time. */
function reaching(bars: readonly Bar[], at: number, length: number): readonly Bar[] {
  let [low, high] = [0, bars.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (bars[middle]!.timestamp <= at - length) low = middle + 1
    else high = middle
  }
  let end = low
  while (end < bars.length && bars[end]!.timestamp < at + length) end++
  return bars.slice(low, end)
}
