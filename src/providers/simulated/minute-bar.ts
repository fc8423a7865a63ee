import { Bar, Flag } from '../../market/events.ts'

/** Length of a bar, ms. */
export const MINUTE_MS = 60_000

export const minuteOf = (time: number) => Math.floor(time / MINUTE_MS) * MINUTE_MS

/**
 * The bar of a symbol's running minute, as a venue makes it: from the trades whose venue time lies in the minute and
 * that printed before it ended, open and close by venue time. Odd lots and out-of-sequence prints count for volume
 * and number only, official prices not at all. A print that comes after its minute's bar, a correction or a cancel
 * changes no bar.
 */
export class MinuteBar {
  #minute = -1
  #openAt = 0
  #closeAt = 0
  #open = 0
  #high = 0
  #low = 0
  #close = 0
  #volume = 0
  #turnover = 0
  /** Units that {@link #turnover} stands for. */
  #priced = 0
  #count = 0

  /** Enters a trade of venue time `at`; `minute` is the left edge of the running minute. */
  add(minute: number, at: number, price: number, size: number, pricing: boolean): void {
    if (at < minute) return
    if (this.#minute !== minute) {
      this.#minute = minute
      this.#volume = this.#turnover = this.#priced = this.#count = 0
    }
    this.#volume += size
    this.#count++
    if (!pricing) return
    if (this.#priced === 0) {
      this.#open = this.#high = this.#low = this.#close = price
      this.#openAt = this.#closeAt = at
    } else {
      if (price > this.#high) this.#high = price
      if (price < this.#low) this.#low = price
      if (at < this.#openAt) {
        this.#openAt = at
        this.#open = price
      }
      if (at >= this.#closeAt) {
        this.#closeAt = at
        this.#close = price
      }
    }
    this.#turnover += price * size
    this.#priced += size
  }

  /** The bar of a minute that is over, or `undefined` when nothing in it had a price that counts. */
  bar(minute: number, symbol: string, source: string, receivedAt: number): Bar | undefined {
    if (this.#minute !== minute || this.#priced === 0) return undefined
    return new Bar(
      symbol,
      source,
      minute,
      0,
      receivedAt,
      Flag.simulated,
      '1m',
      this.#open,
      this.#high,
      this.#low,
      this.#close,
      // Sums of coin sizes carry rounding dust; nine digits are far below the smallest size.
      Math.round(this.#volume * 1e9) / 1e9,
      // Rounding may push a quotient of sums past prices that are all the same.
      Math.min(this.#high, Math.max(this.#low, this.#turnover / this.#priced)),
      this.#count,
      true,
      0,
      undefined,
    )
  }
}
