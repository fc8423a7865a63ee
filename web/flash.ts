import { signal } from '@preact/signals'
import { onFrame } from './state.ts'

/** How long a price is lit, and from when on it may be again: more often than once a second nobody can read. */
const LIT_MS = 600
const PAUSE_MS = 1_000

const lit = new Set<Flash>()

onFrame(at => {
  for (const flash of lit) flash.tick(at)
})

/**
 * Lights a price that has changed. It goes on and off and does not fade: fading, each price of a list would be painted
 * with every frame.
 */
export class Flash {
  readonly isLit = signal(false)
  #at = Number.NEGATIVE_INFINITY

  light(): void {
    const at = performance.now()
    if (at - this.#at < PAUSE_MS) return
    this.#at = at
    this.isLit.value = true
    lit.add(this)
  }

  tick(at: number): void {
    if (at - this.#at >= LIT_MS) this.close()
  }

  close(): void {
    lit.delete(this)
    this.isLit.value = false
  }
}
