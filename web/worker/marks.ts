import type { MarketEvent } from '../../src/market/events.ts'
import type { Mark } from '../wire.ts'

const MOST = 300

/** What is pinned to the chart of a symbol: its halts and other states, trades taken back or mended. */
export class Marks {
  #marks: Mark[] = []
  #isDirty = false

  accept(event: MarketEvent): void {
    const { timestamp: at } = event
    if (event.type === 'status') {
      const words = [event.statusMessage ?? event.statusCode, event.reasonMessage]
      this.#add({ at, kind: 'status', text: words.filter(Boolean).join(': ') })
    } else if (event.type === 'cancel') {
      const what = event.price === undefined ? '' : ` ${event.size ?? ''} at ${event.price}`
      this.#add({ at, kind: 'cancel', text: `canceled${what}` })
    } else if (event.type === 'correction') {
      const { originalPrice, price } = event
      this.#add({ at, kind: 'correction', text: `${originalPrice} is ${price}` })
    }
  }

  get all(): readonly Mark[] {
    return this.#marks
  }

  /** Whether there is news since the last time. */
  changed(): boolean {
    const isDirty = this.#isDirty
    this.#isDirty = false
    return isDirty
  }

  #add(mark: Mark): void {
    const last = this.#marks.at(-1)
    // A state is said again with each subscription.
    if (last?.at === mark.at && last.kind === mark.kind && last.text === mark.text) return
    this.#marks = [...this.#marks.slice(1 - MOST), mark]
    this.#isDirty = true
  }
}
