import type { Clock, Timer } from '../base/clock.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Hole } from './hole.ts'

/** Most live events held back, over all holes; more lets them all pass. */
const MOST_HELD = 100_000

export interface HeldBackHooks {
  readonly clock: Clock
  readonly maxHoldMs: number
  /** All holes there are. */
  holes(): Iterable<Hole>
  emit(batch: readonly MarketEvent[]): void
}

/** Keeps live events back behind the holes before them, so many and for so long at most. */
export class HeldBack {
  readonly #hooks: HeldBackHooks
  #count = 0

  constructor(hooks: HeldBackHooks) {
    this.#hooks = hooks
  }

  /** Held events, over all holes. */
  get count(): number {
    return this.#count
  }

  hold(hole: Hole, event: MarketEvent): void {
    hole.held.push(event)
    hole.release ??= this.#later(this.#hooks.maxHoldMs, hole)
    if (++this.#count > MOST_HELD) this.release([...this.#hooks.holes()])
  }

  /** Lets live events pass although the hole before them is open. */
  release(holes: readonly Hole[]): void {
    const batch: MarketEvent[] = []
    for (const hole of holes) {
      for (const event of this.letGo(hole)) batch.push(event)
      hole.holding = false
    }
    if (batch.length > 0) this.#hooks.emit(batch)
  }

  /** What a hole keeps back; it keeps it no longer. */
  letGo(hole: Hole): readonly MarketEvent[] {
    const { held, release } = hole
    release?.cancel()
    hole.release = undefined
    hole.held = []
    this.#count -= held.length
    return held
  }

  /** Something has been held for as long as may be: whatever becomes of the connection, nothing waits for longer. */
  #expire(hole: Hole): void {
    hole.release = undefined
    const { clock, maxHoldMs, emit } = this.#hooks
    const due = clock.now() - maxHoldMs
    if (hole.resumedAt !== undefined && hole.resumedAt <= due) {
      this.release([hole])
      return
    }
    // It was broken once more: only what is from before that is due.
    const at = hole.held.findIndex(({ receivedAt }) => receivedAt > due)
    const batch = hole.held.splice(0, at < 0 ? hole.held.length : at)
    this.#count -= batch.length
    const [next] = hole.held
    if (next) hole.release = this.#later(next.receivedAt - due, hole)
    if (batch.length > 0) emit(batch)
  }

  #later(ms: number, hole: Hole): Timer {
    return this.#hooks.clock.setTimeout(() => this.#expire(hole), ms, 'idle')
  }
}
