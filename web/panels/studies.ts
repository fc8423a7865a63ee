import {
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  LineStyle,
  type UTCTimestamp,
} from 'lightweight-charts'
import { Bollinger, Ema, Macd, Rsi } from '../../src/derive/indicators-library.ts'
import { SessionVwap } from '../../src/derive/indicators-vwap.ts'
import type { Study } from '../view.ts'
import type { Point } from '../wire.ts'

/** What the chart is of. */
export interface Subject {
  readonly symbol: string
  readonly source: string
  /** Of the day of the first point, what was before it. */
  readonly before: readonly Point[]
}

type Values = readonly (number | undefined)[]
/** Takes a bar, the next or another state of the last one. */
type Feed = (point: Point, isReplacing: boolean) => Values

interface Shape {
  readonly title: string
  /** In a pane of its own, below. */
  readonly isApart: boolean
  /** Colours of its lines, as the page names them; a bar where it begins with `|`. */
  readonly lines: readonly string[]
  readonly levels?: readonly number[]
  make(subject: Subject): Feed
}

const all = { sessions: ['pre', 'regular', 'break', 'post', 'overnight'] } as const

const SHAPES: Readonly<Record<Study, Shape>> = {
  ema: {
    ...{ title: 'EMA 20', isApart: false, lines: ['study-1'] },
    make: () => {
      const ema = new Ema(20)
      return (point, isReplacing) => [isReplacing ? ema.replace(point) : ema.update(point)]
    },
  },
  vwap: {
    ...{ title: 'VWAP', isApart: false, lines: ['study-2'] },
    make: ({ symbol, source, before }) => {
      const vwap = new SessionVwap(all)
      const bar = ({ time, ...point }: Point) => ({ ...point, symbol, source, timestamp: time })
      for (const point of before) vwap.update(bar(point))
      return (point, isReplacing) => [
        isReplacing ? vwap.replace(bar(point)) : vwap.update(bar(point)),
      ]
    },
  },
  bollinger: {
    ...{ title: 'BB 20 2', isApart: false, lines: ['study-3', 'study-3', 'study-3'] },
    make: () => {
      const bands = new Bollinger(20, 2)
      return (point, isReplacing) => {
        const value = isReplacing ? bands.replace(point) : bands.update(point)
        return [value?.lower, value?.middle, value?.upper]
      }
    },
  },
  rsi: {
    ...{ title: 'RSI 14', isApart: true, lines: ['study-1'], levels: [30, 70] },
    make: () => {
      const rsi = new Rsi(14)
      return (point, isReplacing) => [isReplacing ? rsi.replace(point) : rsi.update(point)]
    },
  },
  macd: {
    ...{ title: 'MACD 12 26 9', isApart: true, lines: ['|study-3', 'study-1', 'study-4'] },
    make: () => {
      const macd = new Macd()
      return (point, isReplacing) => {
        const value = isReplacing ? macd.replace(point) : macd.update(point)
        return [value?.histogram, value?.macd, value?.signal]
      }
    },
  },
}

/** A pane of its own takes so much of the chart. */
const APART = 0.22

/** One indicator on the chart. */
export class StudyLines {
  readonly title: string
  /** Why there is none. */
  failure: string | undefined
  readonly #shape: Shape
  readonly #chart: IChartApi
  readonly #series: ISeriesApi<'Line' | 'Histogram'>[]
  readonly #values = new Map<number, Values>()
  #feed: Feed | undefined
  #newest = Number.NEGATIVE_INFINITY

  constructor(chart: IChartApi, name: Study, colour: (name: string) => string) {
    this.#chart = chart
    this.#shape = SHAPES[name]
    const { title, isApart, lines, levels = [] } = this.#shape
    this.title = title
    const pane = isApart ? chart.panes().length : 0
    const quiet = { lastValueVisible: isApart, priceLineVisible: false }
    this.#series = lines.map(line =>
      line.startsWith('|')
        ? chart.addSeries(HistogramSeries, quiet, pane)
        : chart.addSeries(
            LineSeries,
            { ...quiet, lineWidth: 1, crosshairMarkerVisible: false },
            pane,
          ),
    )
    for (const price of levels) {
      const style = { lineStyle: LineStyle.Dotted, axisLabelVisible: false, lineWidth: 1 } as const
      this.#series[0]!.createPriceLine({ price, color: colour('soft'), ...style })
    }
    if (isApart) chart.panes()[pane]?.setStretchFactor(APART)
    this.paint(colour)
  }

  paint(colour: (name: string) => string): void {
    this.#shape.lines.forEach((name, i) => {
      this.#series[i]!.applyOptions({ color: colour(name.replace('|', '')) })
    })
  }

  /** All bars, oldest first. */
  whole(points: readonly Point[], subject: Subject): void {
    this.#values.clear()
    this.#newest = Number.NEGATIVE_INFINITY
    this.#feed = undefined
    try {
      const feed = this.#shape.make(subject)
      for (const point of points) this.#take(feed, point)
      this.#feed = feed
      this.failure = undefined
    } catch (error) {
      // Where the hours of a market are not known there is no average since it opened.
      this.failure = (error as Error).message
      this.#values.clear()
    }
    this.#series.forEach((series, i) => {
      series.setData([...this.#values].map(([time, values]) => item(time, values[i])))
    })
  }

  /** The newest bar, or the next one. */
  one(point: Point): void {
    if (!this.#feed || point.time < this.#newest) return
    const values = this.#take(this.#feed, point)
    this.#series.forEach((series, i) => {
      series.update(item(point.time, values[i]))
    })
  }

  at(time: number): Values {
    return this.#values.get(time) ?? []
  }

  close(): void {
    for (const series of this.#series) this.#chart.removeSeries(series)
  }

  #take(feed: Feed, point: Point): Values {
    const values = feed(point, point.time === this.#newest)
    this.#newest = point.time
    this.#values.set(point.time, values)
    return values
  }
}

/** A time without a value is a place all the same. */
function item(ms: number, value: number | undefined) {
  const time = (ms / 1_000) as UTCTimestamp
  return value === undefined ? { time } : { time, value }
}
