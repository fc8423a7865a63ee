import type { OrderBookView } from '../derive/order-book.ts'

/** A book to hold on to: it reads as whatever book is the present one, also when that has been replaced by another. */
export function bookBehind(present: () => OrderBookView): OrderBookView {
  return new BookBehind(present)
}

class BookBehind implements OrderBookView {
  readonly #present: () => OrderBookView

  constructor(present: () => OrderBookView) {
    this.#present = present
  }

  get symbol() {
    return this.#present().symbol
  }

  get source() {
    return this.#present().source
  }

  get synced() {
    return this.#present().synced
  }

  get unsynced() {
    return this.#present().unsynced
  }

  get timestamp() {
    return this.#present().timestamp
  }

  get receivedAt() {
    return this.#present().receivedAt
  }

  get sequence() {
    return this.#present().sequence
  }

  get checksum() {
    return this.#present().checksum
  }

  get version() {
    return this.#present().version
  }

  get bestBid() {
    return this.#present().bestBid
  }

  get bestAsk() {
    return this.#present().bestAsk
  }

  get spread() {
    return this.#present().spread
  }

  get mid() {
    return this.#present().mid
  }

  get microprice() {
    return this.#present().microprice
  }

  get bidCount() {
    return this.#present().bidCount
  }

  get askCount() {
    return this.#present().askCount
  }

  bids(count?: number) {
    return this.#present().bids(count)
  }

  asks(count?: number) {
    return this.#present().asks(count)
  }

  cumulative(side: 'bids' | 'asks', count?: number) {
    return this.#present().cumulative(side, count)
  }

  imbalance(count?: number) {
    return this.#present().imbalance(count)
  }

  costOf(side: Parameters<OrderBookView['costOf']>[0], size: number) {
    return this.#present().costOf(side, size)
  }

  costToMove(side: Parameters<OrderBookView['costToMove']>[0], price: number) {
    return this.#present().costToMove(side, price)
  }

  readBids(into: Float64Array, count?: number) {
    return this.#present().readBids(into, count)
  }

  readAsks(into: Float64Array, count?: number) {
    return this.#present().readAsks(into, count)
  }

  snapshot(receivedAt?: number) {
    return this.#present().snapshot(receivedAt)
  }
}
