import { effect, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { amount, price } from '../format.ts'
import { colour } from '../settings.ts'
import { focus, ladder, rowOf } from '../state.ts'
import type { Ladder } from '../wire.ts'
import { Nature } from './top-bar.tsx'

/** Room for the prices below, pixels. */
const FOOT = 14

/** What is bid and asked up to each price, as two hills. */
export function DepthPanel() {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const size = signal({ width: 0, height: 0 })
    const stop = effect(() => paint(canvas.current!, size.value, ladder.value))
    // Asked while it paints, the canvas would have the whole page laid out.
    const sized = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect
      size.value = { width, height }
    })
    sized.observe(canvas.current!)
    return () => {
      stop()
      sized.disconnect()
    }
  }, [])
  const book = ladder.value?.symbol === focus.value ? ladder.value : undefined
  const isWhole = book !== undefined && book.unsynced === undefined
  return (
    <section class="panel depth" aria-label="Depth">
      <div class="head">
        <h2>Depth</h2>
        <Nature />
        <p class="soft">{isWhole ? words(book) : ''}</p>
      </div>
      <canvas ref={canvas} role="img" aria-label={isWhole ? words(book) : 'unsynced'} />
      {!isWhole && (
        <p class="veil">
          <b>unsynced</b>
        </p>
      )}
    </section>
  )
}

const sum = (levels: Ladder['bids']) => levels.reduce((all, [, size]) => all + size, 0)
const words = ({ bids, asks }: Ladder) => `${amount(sum(bids))} / ${amount(sum(asks))}`

interface Size {
  readonly width: number
  readonly height: number
}

function paint(canvas: HTMLCanvasElement, { width, height }: Size, book: Ladder | undefined): void {
  const ratio = devicePixelRatio
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio)
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio)
  const on = canvas.getContext('2d')!
  on.setTransform(ratio, 0, 0, ratio, 0, 0)
  on.clearRect(0, 0, width, height)
  const [bid] = book?.bids ?? []
  const [ask] = book?.asks ?? []
  if (!book || book.unsynced !== undefined || !bid || !ask || width === 0) return
  const mid = (bid[0] + ask[0]) / 2
  // Both sides as far as the nearer end goes, so that neither looks deeper for being longer.
  const reach = Math.min(mid - book.bids.at(-1)![0], book.asks.at(-1)![0] - mid) || 1
  const most = Math.max(sum(within(book.bids, mid, reach)), sum(within(book.asks, mid, reach)))
  const x = (at: number) => ((at - mid + reach) / (2 * reach)) * width
  const y = (total: number) => (height - FOOT) * (1 - total / (most * 1.06))
  for (const [levels, name, end] of [
    [book.bids, 'up', 0],
    [book.asks, 'down', width],
  ] as const) {
    let total = 0
    on.beginPath()
    on.moveTo(x(levels[0]![0]), height - FOOT)
    for (const [at, size] of within(levels, mid, reach)) {
      on.lineTo(x(at), y(total))
      total += size
      on.lineTo(x(at), y(total))
    }
    on.lineTo(end, y(total))
    on.strokeStyle = colour(name)
    on.stroke()
    on.lineTo(end, height - FOOT)
    on.fillStyle = colour(`${name}-soft`)
    on.fill()
  }
  const digits = rowOf(book.symbol).peek()?.digits ?? 2
  on.fillStyle = colour('soft')
  on.font = `10.5px ${colour('mono')}`
  on.textBaseline = 'bottom'
  for (const [at, align, left] of [
    [mid - reach, 'left', 4],
    [mid, 'center', width / 2],
    [mid + reach, 'right', width - 4],
  ] as const) {
    on.textAlign = align
    on.fillText(price(at, digits), left, height - 1)
  }
}

const within = (levels: Ladder['bids'], mid: number, reach: number) =>
  levels.filter(([at]) => Math.abs(at - mid) <= reach + 1e-9)
