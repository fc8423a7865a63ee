import { effect, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { amount, clock, placeOf, price, signed } from '../format.ts'
import { ask, asked } from '../keys.ts'
import { scheme, theme } from '../settings.ts'
import {
  focus,
  interval,
  now,
  onChart,
  rowOf,
  setInterval,
  studies,
  toggleStudy,
  zone,
} from '../state.ts'
import type { Study } from '../view.ts'
import { INTERVALS } from '../wire.ts'
import type { ChartView, Shown } from './chart-view.ts'
import { Nature } from './top-bar.tsx'

const shown = signal<Shown | undefined>(undefined)
const isBehind = signal(false)
const failure = signal<string | undefined>(undefined)
const count = signal<number | undefined>(undefined)
const gaps = signal(0)

const STUDY_BUTTONS: readonly (readonly [Study, string, string])[] = [
  ['ema', 'EMA', 'E'],
  ['vwap', 'VWAP', 'V'],
  ['bollinger', 'BB', 'B'],
  ['rsi', 'RSI', 'R'],
  ['macd', 'MACD', 'M'],
]

export function Chart() {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    let view: ChartView | undefined
    let isGone = false
    let stop = () => {}
    const live = () => view?.goLive()
    // The library is the largest part of the page, and not needed to see prices.
    import('./chart-view.ts').then(
      ({ ChartView }) => {
        if (isGone || !box.current) return
        view = new ChartView(box.current, {
          shown: what => void (shown.value = what),
          behind: is => void (isBehind.value = is),
        })
        onChart(patch => {
          if (patch.symbol !== focus.value || patch.interval !== interval.value) return
          view!.take(patch)
          count.value = view!.count
          gaps.value = patch.gaps.length
        })
        const stops = [
          effect(() => {
            // Both are in the colours of the page by then.
            void theme.value
            void scheme.value
            view!.paint()
          }),
          effect(() => view!.study(studies.value)),
          effect(() => view!.tell(zone.value)),
        ]
        stop = () => {
          for (const end of stops) end()
        }
        asked.addEventListener('live', live)
      },
      error => void (failure.value = (error as Error).message),
    )
    const clear = effect(() => {
      // Another symbol or length: nothing of the one before stays.
      const key = `${focus.value} ${interval.value}`
      view?.clear(key)
      count.value = undefined
      shown.value = undefined
    })
    return () => {
      isGone = true
      stop()
      clear()
      asked.removeEventListener('live', live)
      view?.close()
    }
  }, [])
  return (
    <section class="panel chart" aria-label={`Chart of ${focus.value}`}>
      <div class="head">
        <h2>{focus.value || 'Chart'}</h2>
        <Headline />
        <Nature />
      </div>
      <fieldset class="intervals">
        <legend class="hidden">Length of bars, indicators</legend>
        {INTERVALS.map((name, i) => (
          <button
            type="button"
            title={`Key ${i + 1}`}
            aria-pressed={interval.value === name}
            onClick={() => setInterval(name)}
          >
            {name}
          </button>
        ))}
        <span class="gap" />
        {STUDY_BUTTONS.map(([name, title, key]) => (
          <button
            type="button"
            title={`Key ${key}`}
            aria-pressed={studies.value.includes(name)}
            onClick={() => toggleStudy(name)}
          >
            {title}
          </button>
        ))}
      </fieldset>
      <Legend />
      <div class="canvas" ref={box} />
      {failure.value && <p class="veil">{`The chart could not be loaded: ${failure.value}`}</p>}
      {!failure.value && count.value === undefined && focus.value && <p class="veil">loading …</p>}
      {count.value === 0 && (
        <p class="veil">No trade of {focus.value} yet: the first one draws a bar.</p>
      )}
      {isBehind.value && (
        <button type="button" class="live" onClick={() => ask('live')}>
          go to now <kbd>L</kbd>
        </button>
      )}
    </section>
  )
}

function Headline() {
  const row = focus.value ? rowOf(focus.value).value : undefined
  if (!row) return null
  const sign = (row.change ?? 0) > 0 ? 'up' : (row.change ?? 0) < 0 ? 'down' : ''
  return (
    <p class="headline">
      <b>{price(row.last, row.digits)}</b>
      <span class={sign}>
        {signed(row.change, row.digits)} ({signed(row.percent, 2)} %)
      </span>
    </p>
  )
}

function Legend() {
  const { point, studies: lines = [], marks = [] } = shown.value ?? {}
  const digits = rowOf(focus.value).value?.digits ?? 2
  if (!point) return <p class="legend">&nbsp;</p>
  const sign = point.close > point.open ? 'up' : point.close < point.open ? 'down' : ''
  const left = Math.max(0, point.time + lengthMs() - now.value) / 1_000
  return (
    <p class="legend">
      <time>
        {clock(point.time, zone.value).slice(0, lengthMs() < 60_000 ? 8 : 5)} {placeOf(zone.value)}
      </time>
      <em class="now">{point.isForming ? `forming, ${Math.ceil(left)} s` : ''}</em>
      {(['open', 'high', 'low', 'close'] as const).map(name => (
        <span>
          {name[0]!.toUpperCase()} <b class={sign}>{price(point[name], digits)}</b>
        </span>
      ))}
      <span>
        V <b>{amount(point.volume)}</b>
      </span>
      {lines.map(({ title, values }) => (
        <span>
          {title}{' '}
          <b>
            {values
              .map(value =>
                price(
                  value,
                  title.startsWith('RSI') ? 1 : title.startsWith('MACD') ? digits + 1 : digits,
                ),
              )
              .join(' ')}
          </b>
        </span>
      ))}
      {marks.map(({ text }) => (
        <em class="gaps">{text}</em>
      ))}
      {gaps.value > 0 && (
        <em class="gaps">{`${gaps.value} gap${gaps.value > 1 ? 's' : ''} shaded`}</em>
      )}
    </p>
  )
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const
const lengthMs = () =>
  Number.parseInt(interval.value, 10) * UNIT_MS[interval.value.at(-1) as keyof typeof UNIT_MS]
