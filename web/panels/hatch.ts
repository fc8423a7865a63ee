import type {
  IChartApi,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesApi,
  ISeriesPrimitive,
  Time,
} from 'lightweight-charts'

/** A bar whose time still runs. */
export interface Forming {
  readonly time: Time
  readonly open: number
  readonly close: number
  readonly colour: string
}

/** Between two strokes, pixels of the screen. */
const STEP = 4
/** Of a bar's room, what its body takes. */
const BODY = 0.8

/** Strokes over the body of the bar that still forms: colour alone would say it to some only. */
export class Hatch implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  readonly #chart: IChartApi
  readonly #series: ISeriesApi<'Candlestick'>
  #forming: Forming | undefined

  constructor(chart: IChartApi, series: ISeriesApi<'Candlestick'>) {
    this.#chart = chart
    this.#series = series
  }

  /** Painted with the next frame of the chart, which what has changed of the bar asks for. */
  show(forming: Forming | undefined): void {
    this.#forming = forming
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return [this]
  }

  renderer(): IPrimitivePaneRenderer {
    return this
  }

  draw(target: Parameters<IPrimitivePaneRenderer['draw']>[0]): void {
    if (!this.#forming) return
    const { time, open, close, colour } = this.#forming
    const scale = this.#chart.timeScale()
    const middle = scale.timeToCoordinate(time)
    const [a, b] = [this.#series.priceToCoordinate(open), this.#series.priceToCoordinate(close)]
    if (middle === null || a === null || b === null) return
    const width = Math.max(2, scale.options().barSpacing * BODY)
    target.useBitmapCoordinateSpace(({ context, horizontalPixelRatio, verticalPixelRatio }) => {
      const left = (middle - width / 2) * horizontalPixelRatio
      const right = (middle + width / 2) * horizontalPixelRatio
      const top = Math.min(a, b) * verticalPixelRatio
      const bottom = Math.max(a, b) * verticalPixelRatio
      const step = STEP * verticalPixelRatio
      context.save()
      context.beginPath()
      context.rect(left, top, right - left, bottom - top)
      context.clip()
      context.strokeStyle = colour
      context.lineWidth = Math.max(1, verticalPixelRatio)
      context.beginPath()
      for (let y = top; y < bottom + right - left; y += step) {
        context.moveTo(left, y)
        context.lineTo(right, y - (right - left))
      }
      context.stroke()
      context.restore()
    })
  }
}
