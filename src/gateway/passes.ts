import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { HeldKey } from './key-ring.ts'

/** More at a time push the oldest out. */
const MOST = 10_000

interface Pass {
  readonly key: HeldKey
  readonly until: number
}

/**
 * Random words that stand for a key in one process for a while: what a cookie holds in place of a key, and the tokens of
 * event streams. They end with their key.
 */
export class Passes {
  readonly #clock: Clock
  readonly #lifeMs: number
  readonly #isOnce: boolean
  readonly #passes = new Map<string, Pass>()

  /** `isOnce`: each opens one door. */
  constructor({ clock, lifeMs, isOnce }: { clock: Clock; lifeMs: number; isOnce: boolean }) {
    this.#clock = clock
    this.#lifeMs = lifeMs
    this.#isOnce = isOnce
  }

  issue(key: HeldKey): string {
    const word = randomBytes(24).toString('base64url')
    this.#passes.set(word, { key, until: this.#clock.now() + this.#lifeMs })
    if (this.#passes.size > MOST) this.#sweep()
    return word
  }

  /** The key it stands for; `undefined` where it is none, over, used up, or its key has ended. */
  use(word: string): HeldKey | undefined {
    const pass = this.#passes.get(word)
    if (!pass) return undefined
    const isOver = pass.until <= this.#clock.now() || pass.key.ended.aborted
    if (isOver || this.#isOnce) this.#passes.delete(word)
    return isOver ? undefined : pass.key
  }

  end(word: string): void {
    this.#passes.delete(word)
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const [word, { until }] of this.#passes) if (until <= now) this.#passes.delete(word)
    for (const word of this.#passes.keys()) {
      if (this.#passes.size <= MOST) return
      this.#passes.delete(word)
    }
  }
}
