import type { Clock, Timer } from '../base/clock.ts'
import type { Topic } from '../market/topics.ts'
import { keyOfHole, type Mark } from './hole.ts'

/** How often damage to an open connection is repaired at most, ms: a decoder with a fault must not ask all the time. */
const EVERY_MS = 10_000

interface Damaged {
  readonly topic: Topic
  readonly marks: readonly Mark[]
}

/** Topics whose connection stands although something of them was lost, and how far they had come then. */
export class Damage {
  readonly #clock: Clock
  /** Repairs these: one after the other they become holes, by {@link take}. */
  readonly #repair: (topics: readonly Topic[]) => void
  readonly #topics = new Map<string, Damaged>()
  #at = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined

  constructor(clock: Clock, repair: (topics: readonly Topic[]) => void) {
    this.#clock = clock
    this.#repair = repair
  }

  /** Those that are still to be repaired. */
  get topics(): readonly Topic[] {
    return [...this.#topics.values()].map(({ topic }) => topic)
  }

  /** One is damaged; what was so already is so from then on. */
  add(topic: Topic, marks: () => readonly Mark[]): void {
    const key = keyOfHole(topic)
    if (!this.#topics.has(key)) this.#topics.set(key, { topic, marks: marks() })
  }

  /** Repairs what there is: at once, or as soon as may be again. */
  schedule(): void {
    const repair = () => {
      this.#timer = undefined
      this.#at = this.#clock.now()
      this.#repair(this.topics)
    }
    const wait = this.#at + EVERY_MS - this.#clock.now()
    if (wait <= 0) repair()
    else this.#timer ??= this.#clock.setTimeout(repair, wait, 'idle')
  }

  /** How far a damaged one had come, which then is damaged no more: its hole begins there. */
  take(topic: Topic): readonly Mark[] | undefined {
    const key = keyOfHole(topic)
    const damaged = this.#topics.get(key)
    this.#topics.delete(key)
    return damaged?.marks
  }

  close(): void {
    this.#timer?.cancel()
  }
}
