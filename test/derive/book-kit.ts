// What the tests of books share: updates, and an order book too simple to be wrong.
import { type Book, createEvent, type EventFields, type Level } from '../../src/market/events.ts'

export const START = Date.UTC(2024, 0, 15, 14, 30)

type BookFields = Partial<Omit<Extract<EventFields, { type: 'book' }>, 'type'>>

/** An update of BTC/USD; with neither bids nor asks an empty one. */
export function update(more: BookFields): Book {
  return createEvent({
    ...{ type: 'book', symbol: 'BTC/USD', source: 's', timestamp: START, receivedAt: START },
    ...{ bids: [], asks: [], snapshot: false },
    ...more,
  })
}

export const whole = (bids: readonly Level[], asks: readonly Level[], more: BookFields = {}) =>
  update({ bids, asks, snapshot: true, ...more })

/** Maps, sorted anew for every question. */
export class NaiveBook {
  readonly bids = new Map<number, number>()
  readonly asks = new Map<number, number>()
  synced = false

  apply({ bids, asks, snapshot }: Pick<Book, 'bids' | 'asks' | 'snapshot'>): void {
    if (!snapshot && !this.synced) return
    if (snapshot) this.clear()
    for (const [side, levels] of [
      [this.bids, bids],
      [this.asks, asks],
    ] as const) {
      for (const [price, size] of levels) {
        if (size === 0) side.delete(price + 0)
        else side.set(price + 0, size)
      }
    }
    const isSound = [...bids, ...asks].every(
      ([price, size]) => Number.isFinite(price) && size >= 0 && Number.isFinite(size),
    )
    const [bid, ask] = [this.sorted('bids')[0], this.sorted('asks')[0]]
    this.synced = isSound && !(bid && ask && bid[0] >= ask[0])
    if (!this.synced) this.clear()
  }

  sorted(side: 'bids' | 'asks'): Level[] {
    const sign = side === 'bids' ? -1 : 1
    return [...this[side]].sort(([a], [b]) => (a - b) * sign)
  }

  clear(): void {
    this.bids.clear()
    this.asks.clear()
  }
}
