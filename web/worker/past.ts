import type { MarketEvent, Trade } from '../../src/market/events.ts'
import type { ChartInterval, Point } from '../wire.ts'
import type { Line } from './line.ts'
import type { PrintLog } from './print-log.ts'
import { past, Refused } from './rest.ts'
import { lengthOf, planOf, pointOf, type Series } from './series.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const CHART_BARS = 600
/** What tears a series mostly tears several: they are asked for together, ms. */
const RELOAD_MS = 1_000
/** When what could not be had is asked for again, ms. */
const RETRY_MS = 5_000
/** Asking again does not help: nothing is stored here, or not for this key. */
const NEVER: ReadonlySet<string> = new Set(['NO_TAPE', 'SCOPE_MISSING'])
const PRINTS_MS = 120_000

/** The chart that is on show. */
export interface Charted {
  readonly symbol: string
  readonly interval: ChartInterval
  readonly series: Series
  /** What was traded on the day of its first bar before that, by minutes. */
  before: readonly Point[]
}

/** What the past is asked for. */
export interface PastOf {
  /** The gateway's clock. */
  now(): number
  line(symbol: string): Line | undefined
  chart(): Charted | undefined
  /** Where several sources have a symbol, the one that is shown. */
  isShown(event: MarketEvent): boolean
  /** Why there is none; `undefined` once there is. */
  failed(reason: string | undefined): void
}

/** Asks for what was before, and again where that is torn. */
export class PastLoader {
  readonly #of: PastOf
  readonly #torn = new Set<string>()
  #isChartTorn = false
  #mayRetry = true
  #reload: ReturnType<typeof setTimeout> | undefined

  constructor(of: PastOf) {
    this.#of = of
  }

  /** What is shown of the past has to be asked for again: of a symbol of the list, or of the chart. */
  tear(symbol: string | undefined, afterMs = RELOAD_MS): void {
    if (symbol === undefined) this.#isChartTorn = true
    else this.#torn.add(symbol)
    this.#reload ??= setTimeout(() => {
      this.#reload = undefined
      const lines = [...this.#torn].flatMap(name => this.#of.line(name) ?? [])
      this.#torn.clear()
      void this.lines(lines)
      if (this.#isChartTorn) void this.chart()
      this.#isChartTorn = false
    }, afterMs)
  }

  async lines(lines: readonly Line[]): Promise<void> {
    if (lines.length === 0) return
    const now = this.#of.now() - Math.max(...lines.map(line => line.behindMs))
    const plan = planOf('1m', now)
    const hour = Math.floor((plan.tradesFrom - HOUR_MS) / HOUR_MS) * HOUR_MS
    for (const line of lines) line.minutes.wait()
    const symbols = lines.map(line => line.symbol).join(',')
    const bars = (interval: string, from: number, to: number) =>
      past('bars', { symbols, interval, from, to })
    const answer = await this.#ask(() =>
      Promise.all([
        bars('1d', now - 10 * DAY_MS, now),
        bars('1h', now - DAY_MS, hour - 1),
        bars('1m', hour, plan.tradesFrom - 1),
        past('trades', { symbols, from: plan.tradesFrom }),
      ]),
    )
    if (!answer) {
      for (const line of lines) {
        line.minutes.goOn(plan)
        if (this.#mayRetry) this.tear(line.symbol, RETRY_MS)
      }
      return
    }
    const [days, hours, minutes, trades] = answer
    for (const line of lines) {
      const own = (events: readonly MarketEvent[]) =>
        events.filter(it => it.symbol === line.symbol && (line.source ?? it.source) === it.source)
      const start = line.dayStart(now)
      const before = own(hours).flatMap(bar =>
        bar.type === 'bar' && bar.timestamp >= start ? [bar] : [],
      )
      const close = own(days).findLast(bar => bar.timestamp < start)
      const first = before[0]
      line.know(
        close?.type === 'bar' ? close.close : undefined,
        first?.open,
        before.reduce((sum, bar) => sum + bar.volume, 0),
      )
      line.minutes.begin(plan, own(minutes), [], own(trades))
    }
  }

  async chart(): Promise<void> {
    const charted = this.#of.chart()
    if (!charted) return
    const { symbol, interval, series } = charted
    series.wait()
    const now = this.#of.now() - (this.#of.line(symbol)?.behindMs ?? 0)
    const plan = planOf(interval, now)
    const lengthMs = lengthOf(interval)
    const isOver = () => series !== this.#of.chart()?.series
    const bars = (length: string, from: number, to: number) =>
      from > to || isOver()
        ? Promise.resolve([])
        : past('bars', { symbols: symbol, interval: length, from, to })
    const first = plan.partsFrom - CHART_BARS * lengthMs
    const day = this.#of.line(symbol)?.dayStart(first) ?? first
    const answer = await this.#ask(() =>
      Promise.all([
        bars(interval, first, plan.partsFrom - 1),
        bars(plan.part, plan.partsFrom, plan.tradesFrom - 1),
        past('trades', { symbols: symbol, from: plan.tradesFrom }),
        // An average since the day began counts what was before the chart, too.
        bars('1m', day, first - 1),
      ]),
    )
    if (isOver()) return
    if (!answer) {
      series.goOn(plan)
      if (this.#mayRetry) this.tear(undefined, RETRY_MS)
      return
    }
    const own = (events: readonly MarketEvent[]) => events.filter(it => this.#of.isShown(it))
    const [long, short, trades, before] = answer.map(own)
    charted.before = before!.flatMap(bar => (bar.type === 'bar' ? [pointOf(bar, false)] : []))
    series.begin(plan, long!, short!, trades!)
  }

  async prints(prints: PrintLog): Promise<void> {
    const { symbol } = prints
    const now = this.#of.now() - (this.#of.line(symbol)?.behindMs ?? 0)
    const trades = await this.#ask(() => past('trades', { symbols: symbol, from: now - PRINTS_MS }))
    const isOwn = (event: MarketEvent): event is Trade =>
      event.type === 'trade' && this.#of.isShown(event)
    prints.past((trades ?? []).filter(isOwn))
  }

  /** The answer, or nothing and the reason said. */
  async #ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await question()
      this.#of.failed(undefined)
      return answer
    } catch (error) {
      this.#of.failed((error as Error).message)
      this.#mayRetry = !(error instanceof Refused && NEVER.has(error.code))
      return undefined
    }
  }
}
