import {
  CandlestickSeries,
  type ChartOptions,
  ColorType,
  CrosshairMode,
  createChart,
  createSeriesMarkers,
  type DeepPartial,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type SeriesMarker,
  TickMarkType,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts'
import { clock, day } from '../format.ts'
import { colour } from '../settings.ts'
import type { Study } from '../view.ts'
import type { ChartPatch, GapSpan, Mark, Point } from '../wire.ts'
import { Hatch } from './hatch.ts'
import { StudyLines, type Subject } from './studies.ts'

/** What stands above the chart: of the candle under the pointer, else of the newest. */
export interface Shown {
  readonly point: Point
  readonly studies: readonly { readonly title: string; readonly values: readonly number[] }[]
  /** What is pinned there. */
  readonly marks: readonly Mark[]
}

export interface ChartHooks {
  shown(shown: Shown | undefined): void
  /** Whether the newest candle is out of sight. */
  behind(is: boolean): void
}

/** What a mark has room for, letters. */
const SHORT = 18

/** The chart itself, on its library. */
export class ChartView {
  readonly #hooks: ChartHooks
  readonly #chart: IChartApi
  readonly #candles: ISeriesApi<'Candlestick'>
  readonly #volume: ISeriesApi<'Histogram'>
  readonly #shade: ISeriesApi<'Histogram'>
  readonly #hatch: Hatch
  readonly #marking: ISeriesMarkersPluginApi<Time>
  readonly #studies = new Map<Study, StudyLines>()
  readonly #points = new Map<number, Point>()
  readonly #sized: ResizeObserver
  #subject: Subject = { symbol: '', source: '', before: [] }
  #marks: readonly Mark[] = []
  #zone = 'UTC'
  #gaps: readonly GapSpan[] = []
  #colours = coloursOf()
  #newest: Point | undefined
  #pointer: number | undefined
  #key = ''

  constructor(box: HTMLElement, hooks: ChartHooks) {
    this.#hooks = hooks
    this.#chart = createChart(box, { autoSize: true, ...this.#options() })
    // Behind all else: where data is missing.
    this.#shade = this.#chart.addSeries(HistogramSeries, {
      ...{ priceScaleId: 'shade', lastValueVisible: false, priceLineVisible: false },
    })
    this.#volume = this.#chart.addSeries(HistogramSeries, {
      ...{ priceScaleId: 'volume', priceFormat: { type: 'volume' } },
      ...{ lastValueVisible: false, priceLineVisible: false },
    })
    this.#candles = this.#chart.addSeries(CandlestickSeries)
    this.#hatch = new Hatch(this.#chart, this.#candles)
    this.#candles.attachPrimitive(this.#hatch)
    this.#marking = createSeriesMarkers(this.#candles, [])
    this.#chart.priceScale('shade').applyOptions({ scaleMargins: { top: 0, bottom: 0 } })
    this.#chart.priceScale('volume').applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } })
    this.#candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.22 } })
    this.#chart.subscribeCrosshairMove(({ time }) => {
      this.#pointer = time === undefined ? undefined : Number(time) * 1_000
      this.#legend()
    })
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange(range => {
      hooks.behind(range !== null && range.to < this.#points.size - 1)
    })
    // What was laid out while it had no room, as behind another tab of a phone, is laid out anew.
    let width = box.clientWidth
    this.#sized = new ResizeObserver(() => {
      const before = width
      width = box.clientWidth
      if (before === 0 && width > 0) setTimeout(() => this.#chart.timeScale().resetTimeScale())
    })
    this.#sized.observe(box)
  }

  get count(): number {
    return this.#points.size
  }

  take(patch: ChartPatch): void {
    const { symbol, source = '', before } = patch
    const key = `${symbol} ${patch.interval}`
    const isOther = key !== this.#key
    const hasGaps = patch.gaps.length > 0 || this.#gaps.length > 0
    const areGapsNew = hasGaps && JSON.stringify(patch.gaps) !== JSON.stringify(this.#gaps)
    const areMarksNew = patch.marks.length !== this.#marks.length || isOther
    this.#gaps = patch.gaps
    this.#marks = patch.marks
    this.#key = key
    if (patch.isWhole) this.#subject = { symbol, source, before }
    // The library puts nothing between bars that are there: what trades late may make one.
    const isBetween = patch.points.some(
      ({ time }) => this.#newest && time < this.#newest.time && !this.#points.has(time),
    )
    if (patch.isWhole || areGapsNew || isBetween) {
      if (patch.isWhole) this.#points.clear()
      for (const point of patch.points) this.#points.set(point.time, point)
      this.#whole(patch.digits)
      if (isOther) this.#chart.timeScale().resetTimeScale()
    } else {
      const isOld = patch.points.some(({ time }) => this.#newest && time < this.#newest.time)
      for (const point of patch.points) this.#one(point)
      // What comes late changes all that was worked out behind it.
      if (isOld) for (const study of this.#studies.values()) study.whole(this.#all(), this.#subject)
      else for (const point of patch.points) for (const it of this.#studies.values()) it.one(point)
    }
    if (areMarksNew || patch.isWhole) this.#mark()
    this.#legend()
  }

  /** These indicators, and no others. */
  study(names: readonly Study[]): void {
    for (const [name, lines] of this.#studies) {
      if (names.includes(name)) continue
      lines.close()
      this.#studies.delete(name)
    }
    for (const name of names) {
      if (this.#studies.has(name)) continue
      const lines = new StudyLines(this.#chart, name, colour)
      lines.whole(this.#all(), this.#subject)
      this.#studies.set(name, lines)
    }
    this.#legend()
  }

  /** Times in a zone of IANA's. */
  tell(zone: string): void {
    this.#zone = zone
    this.#chart.applyOptions(this.#options())
  }

  clear(key: string): void {
    if (key === this.#key) return
    this.#key = ''
    this.#points.clear()
    this.#newest = undefined
    for (const series of [this.#candles, this.#volume, this.#shade]) series.setData([])
    for (const study of this.#studies.values()) study.whole([], this.#subject)
    this.#marks = []
    this.#marking.setMarkers([])
    this.#hatch.show(undefined)
  }

  goLive(): void {
    this.#chart.timeScale().scrollToRealTime()
  }

  /** In the colours of the page. */
  paint(): void {
    this.#colours = coloursOf()
    for (const study of this.#studies.values()) study.paint(colour)
    this.#chart.applyOptions(this.#options())
    const { up, down } = this.#colours
    this.#candles.applyOptions({
      ...{ upColor: up, downColor: down, borderUpColor: up, borderDownColor: down },
      ...{ wickUpColor: up, wickDownColor: down },
    })
    this.#whole(undefined)
  }

  close(): void {
    this.#sized.disconnect()
    this.#chart.remove()
  }

  #whole(digits: number | undefined): void {
    const points = this.#all()
    this.#newest = points.at(-1)
    this.#strokes()
    if (digits !== undefined) {
      const priceFormat = { type: 'price', precision: digits, minMove: 10 ** -digits } as const
      this.#candles.applyOptions({ priceFormat })
    }
    this.#candles.setData(points.map(point => this.#candle(point)))
    this.#volume.setData(points.map(point => this.#bar(point)))
    this.#shade.setData(points.map((point, i) => this.#shadeOf(point, points[i + 1]?.time)))
    for (const study of this.#studies.values()) study.whole(points, this.#subject)
    this.#mark()
  }

  #all(): Point[] {
    return [...this.#points.values()].sort((a, b) => a.time - b.time)
  }

  /** The bar that still forms is hatched. */
  #strokes(): void {
    const point = this.#newest
    if (!point?.isForming) {
      this.#hatch.show(undefined)
      return
    }
    const { up, down } = this.#colours
    const { open, close } = point
    this.#hatch.show({ time: timeOf(point), open, close, colour: close >= open ? up : down })
  }

  #mark(): void {
    const { text, accent, warn } = this.#colours
    const times = [...this.#points.keys()].sort((a, b) => a - b)
    const markers = this.#marks.flatMap((mark): SeriesMarker<Time>[] => {
      const time = times.findLast(it => it <= mark.at)
      if (time === undefined) return []
      const at = { time: (time / 1_000) as UTCTimestamp, position: 'aboveBar' } as const
      if (mark.kind === 'status') {
        return [{ ...at, shape: 'square', color: warn, text: mark.text.slice(0, SHORT) }]
      }
      return [{ ...at, shape: 'circle', color: mark.kind === 'cancel' ? accent : text, size: 0.6 }]
    })
    this.#marking.setMarkers(markers)
  }

  #one(point: Point): void {
    const isOld = this.#newest !== undefined && point.time < this.#newest.time
    this.#points.set(point.time, point)
    if (!isOld) this.#newest = point
    this.#candles.update(this.#candle(point), isOld)
    this.#volume.update(this.#bar(point), isOld)
    this.#shade.update(this.#shadeOf(point, undefined), isOld)
    this.#strokes()
  }

  /** A bar whose time still runs is a frame. */
  #candle(point: Point) {
    const { open, high, low, close, isForming } = point
    const { up, down, upForming, downForming } = this.#colours
    const [border, body] = close >= open ? [up, upForming] : [down, downForming]
    return {
      ...{ time: timeOf(point), open, high, low, close },
      ...(isForming && { color: body, borderColor: border }),
    }
  }

  #bar(point: Point) {
    const { upSoft, downSoft } = this.#colours
    return {
      time: timeOf(point),
      value: point.volume,
      color: point.close >= point.open ? upSoft : downSoft,
    }
  }

  #shadeOf(point: Point, next: number | undefined) {
    const time = timeOf(point)
    const end = next ?? point.time + 1
    const gap = this.#gaps.find(({ from, to }) => from < end && to >= point.time)
    if (!gap) return { time }
    const { gap: open, repaired } = this.#colours
    return { time, value: 1, color: gap.state === 'repaired' ? repaired : open }
  }

  #legend(): void {
    const pointed = this.#pointer === undefined ? undefined : this.#points.get(this.#pointer)
    const point = pointed ?? this.#newest
    if (!point) {
      this.#hooks.shown(undefined)
      return
    }
    const studies = [...this.#studies.values()].map(study => ({
      title: study.failure ? `${study.title}: ${study.failure}` : study.title,
      values: study.at(point.time).filter(value => value !== undefined),
    }))
    const times = pointed ? [...this.#points.keys()].sort((a, b) => a - b) : []
    const next = times.find(time => time > point.time) ?? Number.POSITIVE_INFINITY
    const marks = pointed ? this.#marks.filter(({ at }) => at >= point.time && at < next) : []
    this.#hooks.shown({ point, studies, marks })
  }

  #options(): DeepPartial<ChartOptions> {
    const { text, line, faint } = this.#colours
    const ms = (time: Time) => (time as number) * 1_000
    return {
      localization: {
        timeFormatter: (time: Time) =>
          `${day(ms(time), this.#zone)} ${clock(ms(time), this.#zone)}`,
      },
      layout: {
        background: { type: ColorType.Solid, color: 'transparent' },
        textColor: text,
        fontFamily: 'ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, monospace',
        fontSize: 11,
        panes: { separatorColor: line, separatorHoverColor: faint },
      },
      grid: { vertLines: { color: faint }, horzLines: { color: faint } },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderColor: line },
      timeScale: {
        borderColor: line,
        timeVisible: true,
        secondsVisible: true,
        rightOffset: 4,
        barSpacing: 7,
        tickMarkFormatter: (time: Time, type: TickMarkType) => {
          const text = clock(ms(time), this.#zone)
          // The library's days begin at midnight UTC, which elsewhere is an hour like any.
          if (text === '00:00:00') return day(ms(time), this.#zone)
          return type === TickMarkType.TimeWithSeconds ? text : text.slice(0, 5)
        },
      },
    }
  }
}

const timeOf = ({ time }: Point) => (time / 1_000) as UTCTimestamp

const coloursOf = () => ({
  ...{ upForming: colour('up-forming'), downForming: colour('down-forming') },
  ...{ up: colour('up'), down: colour('down'), upSoft: colour('up-soft') },
  ...{ downSoft: colour('down-soft'), text: colour('soft'), line: colour('line') },
  ...{ faint: colour('faint'), gap: colour('gap-shade'), repaired: colour('repaired-shade') },
  ...{ accent: colour('accent'), warn: colour('warn') },
})
