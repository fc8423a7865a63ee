interface Step {
  readonly asked: number
  left: number
  readonly resolve: (delivered: number) => void
}

/** Events that a paused replay still owes to calls of `step`, in the order of the calls. */
export class Steps {
  readonly #steps: Step[] = []

  /** Resolves with how many of them have been delivered when they have, or are given up. */
  add(count: number): Promise<number> {
    return new Promise(resolve => {
      this.#steps.push({ asked: count, left: count, resolve })
    })
  }

  /** Events owed to the first call; 0 when there is none. */
  get owed(): number {
    return this.#steps[0]?.left ?? 0
  }

  /** So many have been delivered, at most `owed`. */
  pay(count: number): void {
    const step = this.#steps[0]
    if (!step) return
    step.left -= count
    if (step.left > 0) return
    this.#steps.shift()
    step.resolve(step.asked)
  }

  giveUp(): void {
    for (const { asked, left, resolve } of this.#steps.splice(0)) resolve(asked - left)
  }
}
