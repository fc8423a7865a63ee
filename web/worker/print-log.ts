import type { Cancel, Correction, MarketEvent, Notice, Trade } from '../../src/market/events.ts'
import { Flag } from '../../src/market/events.ts'
import type { Print, Prints } from '../wire.ts'

/** Prints that are kept; the newest. */
const KEPT = 300
/** What is worth a line between trades. */
const TOLD: ReadonlySet<string> = new Set([
  ...['disconnected', 'connected', 'gap', 'repaired', 'unrepaired', 'stale', 'live'],
  ...['lost', 'dropped', 'skipped', 'reset'],
])
const MISSING: ReadonlySet<string> = new Set([
  'gap',
  'unrepaired',
  'lost',
  'dropped',
  'skipped',
  'reset',
])

/** Time and sales of one symbol. */
export class PrintLog {
  readonly symbol: string
  /** Newest last. */
  #list: Print[] = []
  #key = 0
  #count = 0
  /** Of those, how many the page has. */
  #told = 0
  #isWhole = true
  readonly #known = new Set<number>()
  #price: number | undefined
  #tick: -1 | 0 | 1 = 0

  constructor(symbol: string) {
    this.symbol = symbol
  }

  trade(trade: Trade): void {
    if (trade.seq !== undefined) {
      if (this.#known.has(trade.seq)) return
      this.#known.add(trade.seq)
      if (this.#known.size > 4 * KEPT) this.#forget()
    }
    const { price, size, exchange, timestamp: at, side, flags } = trade
    if (this.#price !== undefined && price !== this.#price)
      this.#tick = price > this.#price ? 1 : -1
    this.#price = price
    const tick = side === undefined ? this.#tick : side === 'buy' ? 1 : -1
    const isRepaired = (flags & Flag.repaired) !== 0
    this.#add({ kind: 'trade', key: ++this.#key, at, price, size, exchange, tick, isRepaired })
  }

  /** A trade was taken back, or mended. */
  fix(event: MarketEvent | Correction | Cancel): void {
    if (event.type === 'cancel') {
      const what =
        event.price === undefined ? 'a trade' : `${event.size ?? ''} at ${event.price}`.trim()
      this.#note(event.timestamp, `canceled: ${what}`, false)
    } else if (event.type === 'correction') {
      const { originalSize, originalPrice, size, price } = event
      this.#note(
        event.timestamp,
        `corrected: ${originalSize} at ${originalPrice} is ${size} at ${price}`,
        false,
      )
    }
  }

  note({ notice, message, timestamp }: Notice): void {
    if (TOLD.has(notice)) this.#note(timestamp, `${notice}: ${message}`, MISSING.has(notice))
  }

  /** What was traded before anybody looked, oldest first. */
  past(trades: readonly Trade[]): void {
    const later = this.#list
    const from = later.find(print => print.kind === 'trade')?.at ?? Number.POSITIVE_INFINITY
    this.#list = []
    const price = this.#price
    this.#price = undefined
    for (const trade of trades.slice(-KEPT)) if (trade.timestamp <= from) this.trade(trade)
    this.#price = price ?? this.#price
    this.#list = [...this.#list, ...later].slice(-KEPT)
    this.#isWhole = true
  }

  changed(): Prints | undefined {
    const fresh = this.#count - this.#told
    if (!this.#isWhole && fresh === 0) return undefined
    const isWhole = this.#isWhole || fresh >= KEPT
    const list = this.#list.slice(isWhole ? -KEPT : -fresh).reverse()
    this.#told = this.#count
    this.#isWhole = false
    return { symbol: this.symbol, isWhole, list, count: this.#count }
  }

  #note(at: number, text: string, isGap: boolean): void {
    this.#add({ kind: 'note', key: ++this.#key, at, text, isGap })
  }

  #add(print: Print): void {
    this.#list.push(print)
    if (this.#list.length > 2 * KEPT) this.#list = this.#list.slice(-KEPT)
    this.#count++
  }

  #forget(): void {
    for (const seq of this.#known) {
      if (this.#known.size <= 2 * KEPT) return
      this.#known.delete(seq)
    }
  }
}
