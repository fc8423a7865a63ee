/** Least time between two lines about lost events, ms. */
const AGAIN_MS = 5_000

/** Counts what came and could not be shown, and says so while it happens: at once, then now and then. */
export class Losses {
  readonly #say: (line: string) => void
  #count = 0
  #saidAt = Number.NEGATIVE_INFINITY

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  get count(): number {
    return this.#count
  }

  add(count: number): void {
    this.reach(this.#count + count)
  }

  /** For whoever knows the total; one below the last is nothing new. */
  reach(total: number): void {
    if (total <= this.#count) return
    this.#count = total
    const now = performance.now()
    if (now - this.#saidAt < AGAIN_MS) return
    this.#saidAt = now
    this.#say(`${total} dropped so far: standard output is read too slowly`)
  }
}
