import { useComputed } from '@preact/signals'
import { rowOf, sparkOf } from '../state.ts'

const WIDTH = 52
const HEIGHT = 18

/**
 * The last hour of a symbol, as a line. Not on a canvas: each of those is a layer of its own, and thirty of them cost the
 * browser more in every frame than thirty paths that change once a second.
 */
export function Spark({ symbol }: { symbol: string }) {
  const spark = sparkOf(symbol)
  const path = useComputed(() => pathOf(spark.value?.closes ?? []))
  const look = useComputed(() => {
    const { change = 0 } = rowOf(symbol).value ?? {}
    return change > 0 ? 'spark up' : change < 0 ? 'spark down' : 'spark'
  })
  return (
    <svg class={look} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path d={path} />
    </svg>
  )
}

function pathOf(values: readonly number[]): string {
  if (values.length < 2) return ''
  const low = Math.min(...values)
  const span = Math.max(...values) - low || 1
  const step = WIDTH / (values.length - 1)
  const points = values.map(
    (value, i) =>
      `${(i * step).toFixed(1)} ${(HEIGHT - 1 - ((value - low) / span) * (HEIGHT - 2)).toFixed(1)}`,
  )
  return `M${points.join('L')}`
}
