import { TickwireError } from '../base/errors.ts'
import type { Calendar } from '../market/calendar.ts'
import { calendarOf } from '../market/calendar-book.ts'
import { Bar, Flag } from '../market/events.ts'
import { tidy } from './bars-fold.ts'
import { type Alignment, type BarSize, checkAlignment, Grid, parseSize } from './bars-interval.ts'

export interface RollUpOptions {
  /** Length of the bars to be made: a time. */
  readonly interval: BarSize
  /** @default 'clock' */
  readonly align?: Alignment
  /** @default the one of the symbol, by `calendarOf` */
  readonly calendar?: Calendar
}

/**
 * Larger bars from the smaller ones of one symbol, source and length, given in order of time, each in its last revision. Prices
 * come from those that have a `vwap`: the others repeat a close, or hold odd lots only. Volumes are those of all; the
 * `vwap` is that of the parts by their volume, and so exact only where every trade counted for price.
 *
 * The last one made may lack what is still to come, so it is final only when a part reaches its end.
 * @throws BAD_OPTION for a size that is no time, parts out of order, of several symbols or sources, or that do not fit in
 */
export function rollUp(bars: readonly Bar[], options: RollUpOptions): Bar[] {
  const [first] = bars
  const size = parseSize(options.interval, options.align ?? 'clock')
  if (size.by !== 'time') throw bad(`bars cannot be put together to ${size.interval}`)
  if (!first) return []
  const part = parseSize(first.interval, 'session')
  const { align = 'clock', calendar = calendarOf(first.symbol, first.source) } = options
  if (calendar) checkAlignment(size, align, calendar)
  if (part.by !== 'time' || part.ms > size.ms || (!size.day && size.ms % part.ms !== 0)) {
    throw bad(`bars of ${first.interval} cannot be put together to ${size.interval}`)
  }
  const grid = new Grid(size, align, calendar)
  const made: Bar[] = []
  let group: Bar[] = []
  let edges = grid.at(first.timestamp)
  let before = Number.NEGATIVE_INFINITY
  for (const bar of bars) {
    const { symbol, source, interval } = bar
    if (symbol !== first.symbol || source !== first.source || interval !== first.interval) {
      throw bad('bars of several symbols, sources or lengths cannot be put together')
    }
    if (!(bar.timestamp > before)) throw bad('bars to be put together are out of order')
    before = bar.timestamp
    if (bar.timestamp >= edges.until) {
      made.push(...together(group, edges.stamp, size.interval, true))
      group = []
      edges = grid.at(bar.timestamp)
    }
    group.push(bar)
  }
  made.push(...together(group, edges.stamp, size.interval, before + part.ms >= edges.to))
  return made
}

function together(
  parts: readonly Bar[],
  stamp: number,
  interval: Bar['interval'],
  final: boolean,
): Bar[] {
  const priced = parts.filter(({ vwap }) => vwap !== undefined)
  const last = parts.at(-1)!
  // Where nothing was traded at all, what was repeated is all there is.
  const shown = priced.length > 0 ? priced : parts
  const total = (of: (bar: Bar) => number | undefined, among: readonly Bar[]) =>
    among.reduce((sum, bar) => sum + (of(bar) ?? 0), 0)
  const units = total(({ volume }) => volume, priced)
  const money = total(({ vwap, volume }) => vwap! * volume, priced)
  const high = Math.max(...shown.map(bar => bar.high))
  const low = Math.min(...shown.map(bar => bar.low))
  const counted = parts.every(({ tradeCount }) => tradeCount !== undefined)
  return [
    new Bar(
      last.symbol,
      last.source,
      stamp,
      0,
      Math.max(...parts.map(bar => bar.receivedAt)),
      parts.reduce((bits, bar) => bits | bar.flags, 0) | Flag.derived,
      interval,
      shown[0]!.open,
      high,
      low,
      shown.at(-1)!.close,
      tidy(total(({ volume }) => volume, parts)),
      units === 0 ? undefined : Math.min(high, Math.max(low, money / units)),
      counted ? total(({ tradeCount }) => tradeCount, parts) : undefined,
      final && parts.every(bar => bar.final),
      0,
      last.adjustment,
    ),
  ]
}

function bad(message: string): TickwireError {
  return new TickwireError('BAD_OPTION', message, {
    hint: 'Give the final bars of one symbol in order of time, and a multiple of their length.',
  })
}
