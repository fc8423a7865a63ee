import { BarBuilder } from '../../src/derive/bars.ts'
import type { Bar, Interval, MarketEvent } from '../../src/market/events.ts'
import type { Point } from '../wire.ts'

const MINUTE_MS = 60_000
/** A bar that has ended is stored a moment later: what is younger is built here, from trades. */
const SETTLED_MS = 3_000
const UNIT_MS = { s: 1_000, m: MINUTE_MS, h: 3_600_000 } as const

export const lengthOf = (interval: string) =>
  Number.parseInt(interval, 10) * UNIT_MS[interval.at(-1) as keyof typeof UNIT_MS]

/** What a series is made of, so that past and live touch: ended bars, shorter ones of the bar that runs, its last trades. */
export interface Plan {
  /** The bars built here begin. */
  readonly tradesFrom: number
  /** The bar they are part of begins. */
  readonly partsFrom: number
  /** Length of the bars built here. */
  readonly part: Interval
}

export function planOf(interval: Interval, now: number): Plan {
  const lengthMs = lengthOf(interval)
  const partMs = Math.min(lengthMs, MINUTE_MS)
  const tradesFrom = Math.floor((now - SETTLED_MS) / partMs) * partMs
  return {
    tradesFrom,
    partsFrom: Math.floor(tradesFrom / lengthMs) * lengthMs,
    part: lengthMs < MINUTE_MS ? interval : '1m',
  }
}

/**
 * Bars of one symbol and length: stored ones, and from where these end those that its trades make. Trades that come while
 * the past is asked for wait for it, and none counts twice.
 */
export class Series {
  readonly #lengthMs: number
  readonly #torn: () => void
  readonly #points = new Map<number, Point>()
  readonly #parts = new Map<number, Point>()
  readonly #changed = new Set<number>()
  #builder: BarBuilder | undefined
  #waiting: MarketEvent[] | undefined = []
  #from = Number.POSITIVE_INFINITY
  #partMs = MINUTE_MS
  #isWhole = true

  /** `torn`: what came is of a time of which not all is here, so the past has to be asked for again. */
  constructor(interval: Interval, torn: () => void) {
    this.#lengthMs = lengthOf(interval)
    this.#torn = torn
  }

  /** The past is being asked for: what comes now waits. */
  wait(): void {
    this.#waiting ??= []
  }

  /** The past has come. */
  begin(
    plan: Plan,
    bars: readonly MarketEvent[],
    parts: readonly MarketEvent[],
    trades: readonly MarketEvent[],
  ): void {
    this.#points.clear()
    this.#parts.clear()
    this.#changed.clear()
    this.#isWhole = true
    this.#from = plan.tradesFrom
    this.#partMs = lengthOf(plan.part)
    const take = (bar: Bar) => this.#part(bar)
    this.#builder = new BarBuilder(
      { interval: plan.part, formingMs: 50 },
      { final: take, forming: take },
    )
    for (const bar of bars) {
      if (bar.type === 'bar' && bar.timestamp < plan.partsFrom) {
        this.#points.set(bar.timestamp, pointOf(bar, false))
      }
    }
    for (const bar of parts) if (bar.type === 'bar' && bar.timestamp < this.#from) this.#part(bar)
    const known = new Set<number | undefined>()
    for (const trade of trades) {
      known.add(trade.seq)
      this.#take(trade)
    }
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const event of waiting)
      if (event.seq === undefined || !known.has(event.seq)) this.#take(event)
  }

  /** The past cannot be had now: goes on with what there is. */
  goOn(plan: Plan): void {
    if (!this.#builder) {
      this.begin(plan, [], [], [])
      return
    }
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const event of waiting) this.#take(event)
  }

  accept(event: MarketEvent): void {
    if (this.#waiting) this.#waiting.push(event)
    else this.#take(event)
  }

  /** The gateway's clock has come to a time: what is over is over, also where nobody trades. */
  advance(now: number): void {
    this.#builder?.advance(Math.max(now, this.#builder.now))
  }

  /** All bars, oldest first. */
  get points(): Point[] {
    return [...this.#points.values()].sort((a, b) => a.time - b.time)
  }

  /** What has changed since the last time; all of it where the past was asked for again. */
  changes(): { readonly isWhole: boolean; readonly points: Point[] } | undefined {
    if (!this.#builder || (!this.#isWhole && this.#changed.size === 0)) return undefined
    const isWhole = this.#isWhole
    const points = isWhole
      ? this.points
      : [...this.#changed].sort((a, b) => a - b).map(time => this.#points.get(time)!)
    this.#isWhole = false
    this.#changed.clear()
    return { isWhole, points }
  }

  #take(event: MarketEvent): void {
    if (event.type === 'trade' && event.timestamp < this.#from) this.#torn()
    else this.#builder?.accept(event)
  }

  /** A part has changed, and with it the bar it is part of. */
  #part(bar: Bar): void {
    this.#parts.set(bar.timestamp, pointOf(bar, !bar.final))
    const time = Math.floor(bar.timestamp / this.#lengthMs) * this.#lengthMs
    const end = time + this.#lengthMs
    let sum: Point | undefined
    for (let at = time; at < end; at += this.#partMs) {
      const part = this.#parts.get(at)
      if (part) sum = sum ? joined(sum, part) : { ...part, time }
    }
    // The last part of a longer bar may be over before the bar is.
    const isForming = sum!.isForming || (this.#builder?.now ?? 0) < end
    this.#points.set(time, { ...sum!, isForming })
    this.#changed.add(time)
  }
}

export const pointOf = (
  { timestamp, open, high, low, close, volume, vwap }: Bar,
  isForming: boolean,
): Point => ({
  time: timestamp,
  ...{ open, high, low, close, volume, vwap, isForming },
})

const joined = (a: Point, b: Point): Point => ({
  time: a.time,
  open: a.open,
  high: Math.max(a.high, b.high),
  low: Math.min(a.low, b.low),
  close: b.close,
  volume: a.volume + b.volume,
  vwap: meanOf(a, b),
  isForming: a.isForming || b.isForming,
})

/** By volume; none where one of the two does not say its own. */
function meanOf(a: Point, b: Point): number | undefined {
  if (a.vwap === undefined || b.vwap === undefined) return undefined
  const volume = a.volume + b.volume
  return volume > 0 ? (a.vwap * a.volume + b.vwap * b.volume) / volume : undefined
}
