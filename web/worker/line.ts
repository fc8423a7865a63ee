import { calendarOf } from '../../src/market/calendar-book.ts'
import { Flag, type MarketEvent } from '../../src/market/events.ts'
import type { Row, RowState, Spark } from '../wire.ts'
import { Series } from './series.ts'

const DAY_MS = 86_400_000
const SPARK = 60
/** Later than that, its trades are of another time than the clock's: delayed, replayed, or a clock is wrong. */
const BEHIND_MS = 2_000
/** More decimals than any price here needs. */
const MOST_DIGITS = 8

/** One symbol of the watchlist, as far as events have told of it. */
export class Line {
  readonly symbol: string
  /** Its minutes: for the small chart and the volume of the day. */
  readonly minutes: Series
  source: string | undefined
  state: RowState = 'loading'
  note = 'nothing has come yet'
  last: number | undefined
  at: number | undefined
  isDirty = true
  /** Whether its small chart has news. */
  isSparkDirty = true
  /** How far its trades are behind the clock, ms: what is asked of the past ends there, not now. */
  behindMs = 0
  #dayStart: number | undefined
  #lastTime = 0
  #silentFrom = 0
  #tick: -1 | 0 | 1 = 0
  #digits = 2
  #quote: { bid?: number; bidSize?: number; ask?: number; askSize?: number } = {}
  /** Close of the day before, where it is known; else the first price of this day. */
  #close: number | undefined
  #open: number | undefined
  /** Traded before what `minutes` holds. */
  #volumeBefore = 0
  #day: { volume?: number; change?: number; percent?: number } = {}

  constructor(symbol: string, torn: () => void) {
    this.symbol = symbol
    this.minutes = new Series('1m', torn)
  }

  get digits(): number {
    return this.#digits
  }

  /** The zone of its exchange, as IANA names it; none where its hours are not known. */
  get zone(): string | undefined {
    return calendarOf(this.symbol, this.source)?.zone
  }

  /** When its trading day began, epoch ms; that of UTC where it has none now. */
  dayStart(now: number): number {
    const calendar = calendarOf(this.symbol, this.source)
    const { day } = calendar?.sessionAt(now) ?? {}
    const first = day === undefined ? undefined : calendar!.day(day).sessions[0]?.from
    return first ?? Math.floor(now / DAY_MS) * DAY_MS
  }

  /** Whether another day has begun since the last time it was asked: what is shown of the day is of the one before. */
  hasTurned(now: number): boolean {
    const before = this.#dayStart
    this.#dayStart = this.dayStart(now)
    return before !== undefined && before !== this.#dayStart
  }

  /** What the stores know of the day before its minutes here. */
  know(close: number | undefined, open: number | undefined, volume: number): void {
    this.#close = close
    this.#open = open
    this.#volumeBefore = volume
    this.isDirty = true
    this.isSparkDirty = true
  }

  /** Takes an event; `isNews` when it has just happened. `now` by the gateway's clock. */
  accept(event: MarketEvent, isNews: boolean, now: number): void {
    this.source ??= event.source
    if (event.source !== this.source) return
    this.isDirty = true
    this.at = Math.max(this.at ?? 0, event.receivedAt)
    // What was received before it was said to be silent may come behind that: it is no sign of life.
    const isSign = isNews && event.receivedAt > this.#silentFrom
    if (isSign && this.state !== 'gap') this.says('live', '')
    else if (this.state === 'loading') this.says('live', '')
    if (event.type === 'trade') {
      if (isNews && (event.flags & (Flag.repaired | Flag.late)) === 0) {
        const behindMs = now - event.timestamp
        this.behindMs = behindMs > BEHIND_MS ? behindMs : 0
      }
      if (event.timestamp >= this.#lastTime) this.#price(event.price, event.timestamp)
      if (isNews) this.minutes.accept(event)
      this.isSparkDirty = true
    } else if (event.type === 'quote') {
      const { bid, bidSize, ask, askSize } = event
      this.#quote = { ...set({ bid, bidSize, ask, askSize }) }
      this.#digitsOf(bid)
      this.#digitsOf(ask)
    } else if (event.type === 'ticker') this.#ticker(event)
    else if (isNews) this.minutes.accept(event)
  }

  /** Nothing comes, as of `at`, epoch ms. */
  silent(state: 'stale' | 'quiet' | 'offline', note: string, at: number): void {
    this.#silentFrom = at
    this.says(state, note)
  }

  says(state: RowState, note: string): void {
    if (this.state === state && this.note === note) return
    this.state = state
    this.note = note
    this.isDirty = true
  }

  get row(): Row {
    const points = this.minutes.points
    const base = this.#close ?? this.#open ?? points[0]?.open
    const { last } = this
    const change = last === undefined || base === undefined ? undefined : last - base
    const built = points.reduce((sum, point) => sum + point.volume, this.#volumeBefore)
    const day = this.#day
    return {
      ...{ symbol: this.symbol, source: this.source, state: this.state, note: this.note },
      ...{ digits: this.#digits, last, tick: this.#tick, at: this.at },
      change: day.change ?? change,
      percent: day.percent ?? (change === undefined ? undefined : (change / base!) * 100),
      base: this.#close === undefined && day.change === undefined ? 'open' : 'close',
      ...{ bid: this.#quote.bid, bidSize: this.#quote.bidSize },
      ...{ ask: this.#quote.ask, askSize: this.#quote.askSize },
      volume: day.volume ?? (points.length === 0 && built === 0 ? undefined : built),
      zone: this.zone,
    }
  }

  get spark(): Spark {
    return {
      symbol: this.symbol,
      closes: this.minutes.points.slice(-SPARK).map(point => point.close),
    }
  }

  #price(price: number, timestamp: number): void {
    if (this.last !== undefined && price !== this.last) this.#tick = price > this.last ? 1 : -1
    this.last = price
    this.#lastTime = timestamp
    this.#digitsOf(price)
  }

  /** What a venue itself says of the day counts more than what was added up here. */
  #ticker(event: Extract<MarketEvent, { type: 'ticker' }>): void {
    const { last, lastTime, volume, change, changePercent: percent } = event
    const { bid, ask, bidSize, askSize, timestamp } = event
    this.#day = { ...this.#day, ...set({ volume, change, percent }) }
    this.#quote = { ...this.#quote, ...set({ bid, ask, bidSize, askSize }) }
    const time = lastTime ?? timestamp
    if (last !== undefined && time >= this.#lastTime) this.#price(last, time)
  }

  #digitsOf(price: number | undefined): void {
    if (price === undefined) return
    const digits = String(price).split('.')[1]?.length ?? 0
    this.#digits = Math.min(MOST_DIGITS, Math.max(this.#digits, digits))
  }
}

/** Without what is absent. */
function set<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as never
}
