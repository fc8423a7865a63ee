import { type Signal, useSignal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

/** What of something that scrolls is in sight, pixels. */
export interface Sight {
  readonly top: number
  readonly height: number
}

/** To be told with less than a row of difference, as scrolling goes, would only cost. */
const STEP = 20

export function useSight(): {
  readonly box: RefObject<HTMLDivElement | null>
  readonly sight: Signal<Sight>
  readonly onScroll: () => void
} {
  const box = useRef<HTMLDivElement>(null)
  const sight = useSignal<Sight>({ top: 0, height: 0 })
  const look = () => {
    const { scrollTop, clientHeight: height } = box.current!
    const top = Math.floor(scrollTop / STEP) * STEP
    const before = sight.peek()
    if (before.top !== top || before.height !== height) sight.value = { top, height }
  }
  useEffect(() => {
    const sized = new ResizeObserver(look)
    sized.observe(box.current!)
    return () => sized.disconnect()
  }, [])
  return { box, sight, onScroll: look }
}
