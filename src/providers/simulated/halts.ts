import { type Random, seededRandom } from '../../base/random.ts'
import { hash } from './instruments.ts'

export type HaltReason = 'volatility' | 'news'

/** When a symbol is halted, from a generator of its own: halts move no price. */
export class Halts {
  readonly #random: Random

  constructor(seed: number, symbol: string) {
    this.#random = seededRandom(hash(`${seed}:${symbol}:halts`))
  }

  /** How long until the next halt where one comes every `meanMs`, ms. */
  wait(meanMs: number): number {
    return -Math.log(1 - this.#random()) * meanMs
  }

  /** A number in [0, 1). */
  draw(): number {
    return this.#random()
  }

  /** Two of three halts are pauses for volatility. */
  why(): HaltReason {
    return this.#random() < 2 / 3 ? 'volatility' : 'news'
  }
}
