/** What is to happen at a known time, in order of time; of equal times in the order entered. */
export class Agenda<T> {
  /** When the next is due, epoch ms; Infinity when nothing is. Read for each event. */
  next = Number.POSITIVE_INFINITY
  #entries: { at: number; readonly what: T }[] = []
  /** Entries before it are done. */
  #head = 0

  add(at: number, what: T): void {
    let low = this.#head
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#entries[middle]!.at > at) high = middle
      else low = middle + 1
    }
    this.#entries.splice(low, 0, { at, what })
    this.#look()
  }

  /** Takes the next out. */
  take(): T | undefined {
    const entry = this.#entries[this.#head]
    if (!entry) return undefined
    this.#head++
    if (this.#head > 1_024) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    this.#look()
    return entry.what
  }

  /** Puts everything off, as when time was left out. */
  delay(ms: number): void {
    for (let i = this.#head; i < this.#entries.length; i++) this.#entries[i]!.at += ms
    this.#look()
  }

  #look(): void {
    this.next = this.#entries[this.#head]?.at ?? Number.POSITIVE_INFINITY
  }
}
