import { Book, type Level, type MarketEvent } from '../../market/events.ts'

interface State {
  readonly bids: Map<number, number>
  readonly asks: Map<number, number>
  last: Book
}

/** The books as delivered so far, for those who come later. One whose snapshot has not been delivered is not known. */
export class ServerBooks {
  readonly #books = new Map<string, State>()

  add(batch: readonly MarketEvent[]): void {
    for (const event of batch) if (event.type === 'book') this.#apply(event)
  }

  get symbols(): string[] {
    return [...this.#books.keys()]
  }

  /** The whole book of a symbol, best levels first. */
  snapshot(symbol: string): Book | undefined {
    const state = this.#books.get(symbol)
    if (!state) return undefined
    const { bids, asks, last } = state
    return new Book(
      ...([symbol, last.source, last.timestamp, last.nanos, last.receivedAt, last.flags] as const),
      ...([sorted(bids, -1), sorted(asks, 1), true, undefined, undefined] as const),
    )
  }

  #apply(event: Book): void {
    let state = this.#books.get(event.symbol)
    if (event.snapshot) {
      state = { bids: new Map(), asks: new Map(), last: event }
      this.#books.set(event.symbol, state)
    }
    if (!state) return
    state.last = event
    for (const [side, levels] of [
      [state.bids, event.bids],
      [state.asks, event.asks],
    ] as const) {
      for (const [price, size] of levels) {
        if (size > 0) side.set(price, size)
        else side.delete(price)
      }
    }
  }
}

const sorted = (side: ReadonlyMap<number, number>, sign: 1 | -1): Level[] =>
  [...side].sort(([a], [b]) => sign * (a - b))
