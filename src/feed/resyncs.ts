import type { Clock, Timer } from '../base/clock.ts'

/** First and longest wait between fresh starts of one topic, ms. */
const WAIT_MS = { first: 1_000, most: 60_000 }

/** Spaces the fresh starts of what breaks again and again: the first at once, then ever more rarely. */
export class Resyncs {
  readonly #clock: Clock
  readonly #starts = new Map<string, { at: number; waitMs: number; timer: Timer | undefined }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `start` when it is this key's turn; where it waits for one already, no more than that. */
  ask(key: string, start: () => void): void {
    const now = this.#clock.now()
    const last = this.#starts.get(key)
    if (last?.timer) return
    const due = last ? last.at + last.waitMs : now
    const calm = !last || now - last.at >= WAIT_MS.most
    const waitMs = calm ? WAIT_MS.first : Math.min(last.waitMs * 2, WAIT_MS.most)
    const entry = { at: Math.max(due, now), waitMs, timer: undefined as Timer | undefined }
    this.#starts.set(key, entry)
    if (due <= now) {
      start()
      return
    }
    entry.timer = this.#clock.setTimeout(() => {
      entry.timer = undefined
      start()
    }, due - now)
  }

  close(): void {
    for (const { timer } of this.#starts.values()) timer?.cancel()
  }
}
