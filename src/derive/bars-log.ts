import type { Trade, TradeId } from '../market/events.ts'
import {
  exchangeCode,
  type Folds,
  LOG_BEFORE,
  LOG_EXCHANGE,
  LOG_ID,
  LOG_MS,
  LOG_NANOS,
  LOG_PRICE,
  LOG_RULE,
  LOG_SIZE,
} from './bars-fold.ts'
import { DAY_SHIFT } from './sale-conditions.ts'

/** Trades that one half of a log holds at most: 64 MiB of them. */
const MOST = 2 ** 20

/** Instead of a rule: the trade has been taken back. It counts for nothing, and nothing brings it back. */
export const CANCELED = 0x100

/** A trade is one line of a cache. */
const ROW = 8

/** How often in its span it is asked again whether the older half may go, where it was kept last time. */
const LOOKS = 8

/** Rows are kept in pieces, for an array that grew would be copied as often. */
const PIECE_BITS = 12
const PIECE = 1 << PIECE_BITS

interface Half {
  readonly pieces: Float64Array[]
  length: number
  /** Number of the first, counted from the first trade of all. */
  first: number
}

/** What is told of one symbol: number of its last trade, -1 before the first. */
export interface Chain {
  last: number
}

/**
 * The last trades of all symbols in the order they came, so that one of them can be taken back or put right: written
 * one behind the other, each knowing the one of its symbol before it. It has two halves; when the younger one is full or
 * old enough the older one is let go. Whoever sums trades up keeps what came before each half.
 */
export class TradeLog {
  #old: Half = { pieces: [], length: 0, first: 0 }
  #young: Half = { pieces: [], length: 0, first: 0 }
  /** When the younger half was begun. */
  #since = Number.NEGATIVE_INFINITY
  /** When it will be old enough for the older one to be let go. */
  #oldAt = Number.NEGATIVE_INFINITY
  readonly #spanMs: number
  /** Ids that are text, by the number of the trade. */
  readonly #texts = new Map<number, string>()

  constructor(spanMs: number) {
    this.#spanMs = spanMs
  }

  /** Number of the oldest trade. */
  get oldest(): number {
    return this.#old.first
  }

  /** Number of the oldest trade that will stay when the older half goes. */
  get middle(): number {
    return this.#young.first
  }

  /** Number of the next trade. */
  get next(): number {
    return this.#young.first + this.#young.length
  }

  /** When the younger half was begun: all in the older one came before that. */
  get since(): number {
    return this.#since
  }

  isFull(now: number): boolean {
    return this.#young.length >= MOST || now >= this.#oldAt
  }

  /** Keeps the older half for a while longer, unless the younger one is full. Returns whether it is kept. */
  keep(now: number): boolean {
    if (this.#young.length >= MOST) return false
    this.#oldAt = now + this.#spanMs / LOOKS
    return true
  }

  /** Lets the older half go. */
  turn(now: number): void {
    const half = this.#old
    for (const number of this.#texts.keys()) {
      if (number >= this.#young.first) break
      this.#texts.delete(number)
    }
    this.#old = this.#young
    this.#young = half
    half.first = this.#old.first + this.#old.length
    half.length = 0
    this.#since = now
    this.#oldAt = now + this.#spanMs
  }

  /** Where the last trade stands. */
  rows: Float64Array = new Float64Array(0)
  at = 0

  add(chain: Chain, trade: Trade, rule: number): void {
    const { id } = trade
    const half = this.#young
    const index = half.length++
    const rows = (half.pieces[index >> PIECE_BITS] ??= new Float64Array(PIECE * ROW))
    const at = (index & (PIECE - 1)) * ROW
    rows[at + LOG_MS] = trade.timestamp
    rows[at + LOG_NANOS] = trade.nanos
    rows[at + LOG_PRICE] = trade.price
    rows[at + LOG_SIZE] = trade.size
    rows[at + LOG_EXCHANGE] = exchangeCode(trade.exchange)
    rows[at + LOG_ID] = typeof id === 'number' ? id : Number.NaN
    rows[at + LOG_BEFORE] = chain.last
    rows[at + LOG_RULE] = rule
    chain.last = half.first + index
    this.rows = rows
    this.at = at
    if (typeof id === 'string') this.#texts.set(chain.last, id)
  }

  /** The number of the last trade of this id and exchange whose time may be the one that is meant. */
  find(
    chain: Chain,
    code: number,
    id: TradeId,
    isMeant: (timestamp: number) => boolean,
  ): number | undefined {
    for (
      let number = chain.last;
      number >= this.#old.first;
      number = this.#at(number, LOG_BEFORE)
    ) {
      if (this.#at(number, LOG_EXCHANGE) !== code) continue
      const own = typeof id === 'number' ? this.#at(number, LOG_ID) : this.#texts.get(number)
      if (own === id && isMeant(this.#at(number, LOG_MS))) return number
    }
    return undefined
  }

  timeOf(number: number): number {
    return this.#at(number, LOG_MS)
  }

  nanosOf(number: number): number {
    return this.#at(number, LOG_NANOS)
  }

  ruleOf(number: number): number {
    return this.#at(number, LOG_RULE)
  }

  /** Takes a trade back. */
  cancel(number: number): void {
    const [rows, at] = this.#rowOf(number)
    rows[at + LOG_RULE] = CANCELED
  }

  /** Puts a trade right. */
  replace(
    number: number,
    price: number,
    size: number,
    rule: number,
    id: TradeId | undefined,
  ): void {
    const [rows, at] = this.#rowOf(number)
    rows[at + LOG_RULE] = rule
    rows[at + LOG_PRICE] = price
    rows[at + LOG_SIZE] = size
    rows[at + LOG_ID] = typeof id === 'number' ? id : Number.NaN
    if (typeof id === 'string') this.#texts.set(number, id)
    else this.#texts.delete(number)
  }

  /** Numbers of the trades of a symbol from one on, as far as they are here, in the order they came. */
  numbers(chain: Chain, from = 0): number[] {
    const numbers: number[] = []
    const first = Math.max(from, this.#old.first)
    for (let number = chain.last; number >= first; number = this.#at(number, LOG_BEFORE)) {
      numbers.push(number)
    }
    return numbers.reverse()
  }

  /** Adds a trade to a row of sums. */
  sum(number: number, day: boolean, folds: Folds, row: number): void {
    const [rows, at] = this.#rowOf(number)
    folds.add(row, rows, at, rows[at + LOG_RULE]! >> (day ? DAY_SHIFT : 0))
  }

  #at(number: number, place: number): number {
    const [rows, at] = this.#rowOf(number)
    return rows[at + place]!
  }

  #rowOf(number: number): readonly [rows: Float64Array, at: number] {
    const half = number >= this.#young.first ? this.#young : this.#old
    const index = number - half.first
    return [half.pieces[index >> PIECE_BITS]!, (index & (PIECE - 1)) * ROW]
  }
}
