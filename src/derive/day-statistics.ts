import type { Calendar } from '../market/calendar.ts'
import { calendarOf } from '../market/calendar-book.ts'
import {
  type Bar,
  type Cancel,
  type Correction,
  Flag,
  type MarketEvent,
  Ticker,
  type Trade,
} from '../market/events.ts'
import { BarBuilder, isSound } from './bars.ts'
import { Fixes, fixedId, mayBeOf } from './bars-fixes.ts'
import { tidy } from './bars-fold.ts'
import { Grid, ONE_DAY, wholeFrom } from './bars-interval.ts'
import type { BarStats, KnownTrade } from './bars-options.ts'
import { PRICES, saleRule } from './sale-conditions.ts'

export interface DayStatisticsOptions {
  /** Least time between two tickers of a symbol, ms of tape time. @default 250 */
  readonly everyMs?: number
  /** Whose trading days. @default those of each symbol, by `calendarOf` */
  readonly calendar?: Calendar
  /**
   * From when on all trades are given, epoch ms: a day that had begun by then has no `open high low volume vwap`.
   * {@link DayStatistics.givenFrom} says it of one symbol. @default -Infinity, every day is whole
   */
  readonly givenFrom?: number
}

interface DayClose {
  readonly timestamp: number
  close: number
}

/** A trade that gives the last price, as it stands. */
type Last = Pick<Trade, 'timestamp' | 'nanos' | 'flags' | 'price' | 'size' | 'id' | 'exchange'>

interface Standing {
  /** The last trades that give a price, by venue time: when one is taken back, the one before it is the last. */
  lasts: Last[]
  /** Corrections and cancels whose trade has not come. */
  readonly fixes: Fixes
  /** What the first whole day bears, where that is known of this symbol. */
  wholeFrom: number | undefined
  day: DayClose | undefined
  previous: DayClose | undefined
  /** Tape time of the last ticker. */
  saidAt: number
  isStale: boolean
}

const DEFAULT_EVERY_MS = 250
/** Last trades that are remembered of a symbol. */
const MOST_LAST = 16
const LASTING = Flag.simulated | Flag.replayed | Flag.delayed | Flag.polled

/**
 * The day of each symbol as tickers, for venues that send none: open, high, low, volume and VWAP of the trading day so
 * far, by the rules of daily bars; the last trade that gives a price, in any session; and what has changed since the
 * close of the trading day before, once that is known. Before anything has given the day a price only `last` is there.
 *
 * They carry the flag `derived`, and the source of their trades.
 */
export class DayStatistics {
  readonly #builder: BarBuilder
  readonly #everyMs: number
  readonly #calendar: Calendar | undefined
  #givenFrom: number
  readonly #handler: (ticker: Ticker) => void
  readonly #sources = new Map<string, Map<string, Standing>>()
  #isStale = false

  /** @throws BAD_OPTION for a time below 0 */
  constructor(options: DayStatisticsOptions, handler: (ticker: Ticker) => void) {
    const { everyMs = DEFAULT_EVERY_MS, calendar, givenFrom = Number.NEGATIVE_INFINITY } = options
    this.#everyMs = everyMs
    this.#calendar = calendar
    this.#givenFrom = givenFrom
    this.#handler = handler
    this.#builder = new BarBuilder(
      { interval: '1d', formingMs: everyMs, ...(calendar && { calendar }) },
      { final: bar => this.#close(this.#standing(bar), bar) },
    )
  }

  accept(event: MarketEvent): void {
    const { type } = event
    const isFix = type === 'cancel' || type === 'correction'
    const isHeeded = (isFix || type === 'trade') && isSound(event)
    const id = isFix && isHeeded ? fixedId(event) : undefined
    // Looked for before it is put right, and may get another id.
    const known = isFix && id !== undefined ? this.#builder.find(event, id) : undefined
    // It counts what is not heeded.
    this.#builder.accept(event)
    if (!isHeeded) return
    if (type === 'trade') this.#trade(event)
    else if (id !== undefined) this.#fix(event, known)
  }

  append(batch: readonly MarketEvent[]): void {
    for (const event of batch) this.accept(event)
  }

  /** Takes what a feed tells its sinks of holes, as `BarBuilder.holes` does. */
  holes(...told: Parameters<BarBuilder['holes']>): void {
    this.#builder.holes(...told)
  }

  /** Of the trades that days are made of. */
  stats(): BarStats {
    return this.#builder.stats()
  }

  /** The tape time has come to `timeMs`, though no event has. @throws BAD_OPTION */
  advance(timeMs: number): void {
    this.#builder.advance(timeMs)
    this.#sayStale()
  }

  #sayStale(): void {
    if (!this.#isStale) return
    this.#isStale = false
    for (const [source, symbols] of this.#sources) {
      for (const [symbol, standing] of symbols) {
        if (standing.isStale) this.#say(source, symbol, standing)
      }
    }
  }

  /** Nothing more will come: says what has changed since it was last said. */
  end(): void {
    this.#builder.end()
    for (const symbols of this.#sources.values()) {
      for (const standing of symbols.values())
        if (standing.isStale) standing.saidAt = Number.NEGATIVE_INFINITY
    }
    this.#sayStale()
  }

  /** The close of the trading day before, from elsewhere: change is counted from it. Trades that tell it themselves go before. */
  previousClose(source: string, symbol: string, close: number): void {
    const standing = this.#standing({ source, symbol })
    standing.previous ??= { timestamp: Number.NEGATIVE_INFINITY, close }
    standing.isStale = this.#isStale = true
  }

  /**
   * All trades are given from a time on, epoch ms, of one symbol or of every one that is not named: a day that had begun
   * by then is not whole.
   */
  givenFrom(timeMs: number, of?: { readonly source: string; readonly symbol: string }): void {
    if (of === undefined) {
      this.#givenFrom = timeMs
      return
    }
    const standing = this.#standing(of)
    standing.wholeFrom = this.#wholeFrom(of.source, of.symbol, timeMs)
    standing.isStale = this.#isStale = true
  }

  #wholeFrom(source: string, symbol: string, timeMs: number): number {
    return wholeFrom(this.#gridOf(source, symbol), timeMs)
  }

  #isWhole(source: string, symbol: string, standing: Standing, timestamp: number): boolean {
    if (Number.isFinite(this.#givenFrom))
      standing.wholeFrom ??= this.#wholeFrom(source, symbol, this.#givenFrom)
    return timestamp >= (standing.wholeFrom ?? this.#givenFrom)
  }

  #trade(trade: Trade): void {
    const standing = this.#standing(trade)
    let now: Last | undefined = givesPrice(trade) ? trade : undefined
    const fixes = this.#waiting(trade, standing)
    let { id } = trade
    while (id !== undefined && fixes.size > 0) {
      const fix = fixes.take(trade.exchange, id, trade.timestamp)
      if (!fix) break
      const isRight = fix.type === 'correction'
      now = isRight && givesPrice(fix) ? corrected(trade, fix) : undefined
      id = isRight ? fix.id : undefined
    }
    if (now) keep(standing, now)
    this.#say(trade.source, trade.symbol, standing)
  }

  #fix(event: Correction | Cancel, known: KnownTrade | undefined): void {
    const standing = this.#standing(event)
    const { lasts } = standing
    const at = lasts.findLastIndex(last => isOf(event, last) && this.#isMeant(event, last, known))
    const timestamp = (known ?? lasts[at])?.timestamp
    if (timestamp === undefined) {
      this.#waiting(event, standing).wait(event, this.#builder.now)
      return
    }
    const newest = this.#newestOf(standing, event, timestamp)
    const right = newest.type === 'correction' && givesPrice(newest) ? newest : undefined
    if (at < 0) {
      // It gave no price before, or is older than all that are remembered.
      if (right && !known!.isCanceled) {
        keep(standing, corrected({ ...known!, flags: right.flags }, right))
      }
    } else if (right) lasts[at] = corrected(lasts[at]!, right)
    else lasts.splice(at, 1)
    this.#say(event.source, event.symbol, standing)
  }

  /** What a trade is in the end, where something waited for the id that a correction gives it. */
  #newestOf(standing: Standing, event: Correction | Cancel, timestamp: number) {
    const fixes = this.#waiting(event, standing)
    let newest = event
    while (newest.type === 'correction' && newest.id !== undefined) {
      const next = fixes.take(newest.exchange, newest.id, timestamp)
      if (!next) break
      newest = next
    }
    return newest
  }

  /** Whether this is the trade, not one of another day with the same id. */
  #isMeant(event: Correction | Cancel, last: Last, known: KnownTrade | undefined): boolean {
    if (known) return last.timestamp === known.timestamp && last.nanos === known.nanos
    return mayBeOf(event, last.timestamp, this.#calendarOf(event.source, event.symbol))
  }

  /** What came before the trade it is of, without what has waited for too long. */
  #waiting({ source, symbol }: Trade | Correction | Cancel, { fixes }: Standing): Fixes {
    if (fixes.size > 0) fixes.forget(at => !this.#builder.mayCome(source, symbol, at))
    return fixes
  }

  #calendarOf(source: string, symbol: string): Calendar | undefined {
    return this.#calendar ?? calendarOf(symbol, source)
  }

  #gridOf(source: string, symbol: string): Grid {
    return new Grid(ONE_DAY, 'clock', this.#calendarOf(source, symbol))
  }

  #say(source: string, symbol: string, standing: Standing): void {
    const { now } = this.#builder
    if (now - standing.saidAt < this.#everyMs) {
      standing.isStale = this.#isStale = true
      return
    }
    const day = this.#builder.current(source, symbol, '1d')
    if (day) this.#close(standing, day)
    const newest = standing.lasts.at(-1)
    // All that are remembered have been taken back: the day's close is the last that is left.
    const last = newest?.price ?? day?.close
    if (last === undefined) return
    const whole = day && this.#isWhole(source, symbol, standing, day.timestamp) ? day : undefined
    standing.saidAt = now
    standing.isStale = false
    // Before a day has a price of its own, the one before it is still the newest there is.
    const previous = (day ? standing.previous : (standing.day ?? standing.previous))?.close
    const change = previous === undefined ? undefined : difference(last, previous)
    const { timestamp, nanos, flags } = newest ?? day!
    this.#handler(
      new Ticker(
        symbol,
        source,
        newest ? timestamp : Math.floor(now),
        newest ? nanos : 0,
        now,
        (flags & LASTING) | Flag.derived,
        last,
        newest?.size,
        newest?.timestamp,
        whole?.open,
        whole?.high,
        whole?.low,
        previous,
        change,
        change === undefined || previous === 0 ? undefined : tidy((change / previous!) * 100),
        whole?.volume,
        whole?.vwap,
        ...([undefined, undefined, undefined, undefined, undefined] as const),
        ...([undefined, undefined, undefined] as const),
      ),
    )
  }

  /** What the days closed at, or stand at. */
  #close(standing: Standing, { timestamp, close }: Pick<Bar, 'timestamp' | 'close'>): void {
    const { day, previous } = standing
    if (!day || timestamp > day.timestamp) {
      standing.previous = day ?? previous
      standing.day = { timestamp, close }
    } else if (timestamp === day.timestamp) day.close = close
    else if (timestamp === previous?.timestamp) previous.close = close
  }

  #standing({ source, symbol }: { source: string; symbol: string }): Standing {
    let symbols = this.#sources.get(source)
    if (!symbols) this.#sources.set(source, (symbols = new Map()))
    let standing = symbols.get(symbol)
    if (!standing) {
      standing = {
        fixes: new Fixes(this.#calendarOf(source, symbol)),
        ...{ lasts: [], day: undefined, previous: undefined, wholeFrom: undefined },
        ...{ saidAt: Number.NEGATIVE_INFINITY, isStale: false },
      }
      symbols.set(symbol, standing)
    }
    return standing
  }
}

const givesPrice = ({ size, conditions, tape }: Trade | Correction) =>
  size > 0 && (saleRule(conditions, tape) & PRICES) === PRICES

function isOf(fix: Correction | Cancel, { id, exchange }: Pick<Trade, 'id' | 'exchange'>): boolean {
  return id !== undefined && fixedId(fix) === id && fix.exchange === exchange
}

/** At the time of the trade, which a correction does not change. */
const corrected = (
  trade: Pick<Last, 'timestamp' | 'nanos' | 'flags'>,
  { price, size, id, exchange }: Correction,
): Last => ({
  ...{ timestamp: trade.timestamp, nanos: trade.nanos, flags: trade.flags },
  ...{ price, size, id, exchange },
})

/** Puts a trade in its place by venue time: what is late or repaired is not the last. */
function keep({ lasts }: Standing, trade: Last): void {
  let at = lasts.length
  while (at > 0 && isLater(lasts[at - 1]!, trade)) at--
  lasts.splice(at, 0, trade)
  if (lasts.length > MOST_LAST) lasts.shift()
}

const isLater = (a: Last, b: Last) => (a.timestamp - b.timestamp || a.nanos - b.nanos) > 0

/** Without what binary fractions leave behind the last digit that prices of this size can have. */
function difference(a: number, b: number): number {
  const digits = 14 - Math.floor(Math.log10(Math.max(Math.abs(a), Math.abs(b), Number.MIN_VALUE)))
  return Number((a - b).toFixed(Math.min(100, Math.max(0, digits))))
}
